"""The command line of ``pyngx explain``."""

from __future__ import annotations

import argparse

from ..analysis import analyse
from ..arguments import Parser
from ..diagnose import findings
from ..includes import InputError
from ..inputs import Request
from ..model import Configuration
from ..output import CLEAN, INVALID, misused, print_text, say
from ..target import TARGETS, Target
from .journey import explain
from .request import Asked, Wrong

PROGRAM = "pyngx explain"
DESCRIPTION = """\
Tells what becomes of a request: server and location and why the others lost, rewrites, access
checks, tokens, cache, upstream, each with its place in the configuration. Nothing is sent."""
EPILOG = """\
exit status: 0 the request is explained, whatever becomes of it, 2 the configuration is invalid or
cannot be read, 4 wrong usage"""


def main(words: list[str]) -> int:
    """Explains what `words` (latin-1) ask for."""
    asked = _parser().parse_args(words)
    target = TARGETS[asked.target] if asked.target else Target()
    try:
        request = Request([asked.conf], asked.prefix, "", dialect=target.dialect)
        found = next(request.inputs(frozenset()))
        analysis = analyse(found.options, found.files, target)
        errors = [f for f in findings(analysis) if f.is_error]
        for finding in errors:
            say(f"{finding.message} in {finding.file}:{finding.line}", INVALID)
        fields = tuple(_field(text) for text in asked.field)
        question = Asked(asked.method.upper(), asked.url, fields, asked.client)
        account = explain(Configuration(analysis), question)
    except InputError as error:
        return say(str(error), INVALID)
    except Wrong as error:
        return misused(PROGRAM, str(error))
    print_text(account.text(analysis.options.conf_prefix))
    return INVALID if any("events" not in f.message for f in errors) else CLEAN


def _field(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name:
        raise Wrong(f'"{text}" is no header field, write "Name: value"')
    return name.strip(), value.strip()


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog=PROGRAM, description=DESCRIPTION, epilog=EPILOG)
    add = parser.add_argument
    add("-c", dest="conf", metavar="FILE", required=True, help="the configuration")
    add("-p", dest="prefix", metavar="PREFIX", help="folder of all relative names")
    add("-H", dest="field", action="append", default=[], metavar="FIELD", help='"Name: value"')
    add("--client", default="127.0.0.1", metavar="ADDRESS", help="who asks (127.0.0.1)")
    add("--target", choices=sorted(TARGETS), help="whose rules of grammar hold")
    add("method", metavar="METHOD", help="GET, POST, ...")
    add("url", metavar="URL", help="http://name/path, or /path with the Host of -H")
    return parser
