"""The command lines of ``pyngx explain`` and ``pyngx token --explain``."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable

from .. import exits
from ..arguments import CommandParser, write_out
from ..conf.moment import parse_time
from ..conf.parse import read_source
from ..conf.printed import PrintedFiles, is_printed, split_printed
from ..errors import ConfError, WrongWords
from ..jwt import KeySetError
from ..log import errno_text
from ..options import Options, resolve_options
from .explainer import ADMITTED, REFUSED, UNKNOWN, Explainer
from .report import as_json, as_text
from .request import RequestSpec, parse_client, parse_field, parse_url

PROGRAM, ALIAS = "pyngx explain", "pyngx token"
STATUS = {ADMITTED: exits.CLEAN, REFUSED: exits.NEGATIVE, UNKNOWN: exits.UNKNOWN}  # of the alias
NO_DIALECT = "nginx"  # the target without a JWT module
DESCRIPTION = """\
Shows how a request would be handled, and which statement of the configuration decides: server,
location, rewrites, access checks, the token check by check, cache, and what is sent upstream.
No server, upstream or issuer is contacted, and nothing is written."""
EPILOG = """\
exit status: 0 the request is explained, whatever its outcome, 2 the configuration is invalid or
cannot be read, 4 usage error"""
ALIAS_EPILOG = """\
exit status: 0 the request is admitted, 1 it is refused, 2 the configuration is invalid or cannot be
read, 3 the outcome cannot be determined offline, 4 usage error"""


_CONF = """\
configuration file (default: as for "pyngx -t"), or the output of "nginx -T"; "-" is that output
on stdin"""


def main(words: list[str]) -> int:
    """Runs ``pyngx explain`` with `words` (latin-1)."""
    parser = explain_parser()
    arguments = parser.parse_intermixed_args(words)
    *method, arguments.url = arguments.words
    if len(method) > 1:
        parser.error(f'one URL is required, not "{" ".join(arguments.words)}"')
    if method:
        arguments.method = method[0]
    return _guarded(PROGRAM, lambda: _explained(arguments))


def _explained(arguments: argparse.Namespace) -> int:
    _run(arguments, arguments.token)
    return exits.CLEAN


def run_alias(words: list[str]) -> int:
    """Runs ``pyngx token --explain``."""
    # "--explain -h" asks for help, and "-h" is not a token
    arguments = alias_parser().parse_args(["-h"] if "-h" in words or "--help" in words else words)
    return _guarded(ALIAS, lambda: STATUS[_run(arguments, arguments.explain)])


def _guarded(program: str, run: Callable[[], int]) -> int:
    try:
        return run()
    except WrongWords as error:
        return _fail(program, str(error), exits.USAGE)
    except ConfError as error:
        return _fail(program, str(error), exits.INVALID)
    except OSError as error:
        name = error.filename
        path = name.decode("latin-1") if isinstance(name, bytes) else name
        text = errno_text(error)
        return _fail(program, f'"{path}": {text}' if path else text, exits.INVALID)


def _run(arguments: argparse.Namespace, token: str) -> str:
    """Prints the explanation; returns its verdict."""
    if token == "-":
        token = sys.stdin.buffer.read(1 << 20).decode("latin-1")
    now = time.time() if arguments.now is None else parse_time(arguments.now, time.time(), "--now")
    spec = RequestSpec(
        parse_url(arguments.url),
        arguments.method,
        tuple(parse_field(text) for text in arguments.field),
        parse_client(arguments.client),
        arguments.body,
    )
    keys = None if arguments.jwks is None else _read(arguments.jwks)
    try:
        options, files = _configuration(arguments)
        explanation = Explainer(options, now, keys, files).explain(spec, token.strip())
    except KeySetError as error:
        raise WrongWords(f'--jwks "{arguments.jwks}": {error}') from None
    text = as_json(explanation) if arguments.format == "json" else as_text(explanation)
    write_out(text.encode("utf-8", "replace"))
    return explanation.verdict


def explain_parser() -> argparse.ArgumentParser:
    """The parser of ``pyngx explain``."""
    usage = f"{PROGRAM} [-h] [-c FILE] [OPTION ...] [METHOD] URL"
    parser = CommandParser(
        PROGRAM, usage=usage, description=DESCRIPTION, epilog=EPILOG, allow_abbrev=False
    )
    add = parser.add_argument
    add("-c", dest="conf", metavar="FILE", help=_CONF)
    add("words", nargs="+", metavar="URL", help="http://name/path, or /path")
    add(
        "--token",
        default="",
        metavar="TOKEN",
        help='placed where the location looks for it; "-": stdin',
    )
    _add_common(parser)
    return parser


def alias_parser() -> argparse.ArgumentParser:
    """The parser of ``pyngx token --explain``."""
    parser = CommandParser(ALIAS, description=DESCRIPTION, epilog=ALIAS_EPILOG, allow_abbrev=False)
    add = parser.add_argument
    add("--explain", required=True, metavar="TOKEN", help='"-": from stdin; "": there is none')
    add("--url", required=True, help="the URL that is requested: http://host:port/path")
    add("-c", dest="conf", metavar="FILE", help=_CONF)
    _add_common(parser)
    return parser


def _add_common(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("-p", dest="prefix", metavar="DIRECTORY", help="directory of all relative names")
    add("-X", dest="method", metavar="METHOD", default="GET", help="(default: GET)")
    add("-H", dest="field", metavar="HEADER", action="append", default=[], help='"Name: value"')
    add(
        "--client",
        dest="client",
        metavar="ADDRESS",
        default="127.0.0.1",
        help="address of the client (127.0.0.1)",
    )
    add("--body", type=_length, default=0, metavar="N", help="length of the request body in bytes")
    add(
        "--now",
        metavar="TIME",
        help='time of the request: "+1h", "-1d" (as --now=-1d), "@SECONDS" or a date',
    )
    add("--jwks", metavar="FILE", help="response to key requests")
    add("--jwt-dialect", metavar="NAME", default="", help="same as for pyngx")
    add("--target", metavar="NAME", default="", help='same as for "pyngx lint": sets the dialect')
    add("--allow-unsupported", action="store_true", help="same as for pyngx")
    add("--format", choices=("text", "json"), default="text")


def _length(text: str) -> int:
    if not text.isdecimal() or len(text) > 18:
        raise argparse.ArgumentTypeError(f'not a length in bytes: "{text}"')
    return int(text)


def _configuration(arguments: argparse.Namespace) -> tuple[Options, PrintedFiles | None]:
    """The options of the configuration, and its files if it is a dump."""
    text = ""
    if arguments.conf == "-":
        text = sys.stdin.buffer.read().decode("latin-1")
        if not is_printed(text):
            raise WrongWords('"-c -" requires a dump of "nginx -T" on standard input')
    else:
        text = read_source(_options(arguments, arguments.conf).conf_file).text
    if not is_printed(text):
        return _options(arguments, arguments.conf), None
    texts = split_printed(text, os.getcwdb().decode("latin-1"))
    return _options(arguments, next(iter(texts))), PrintedFiles(texts)


def _options(arguments: argparse.Namespace, conf: str | None) -> Options:
    prefix, conf_file, error_log, layout = resolve_options(arguments.prefix, conf, None)
    return Options(
        prefix,
        conf_file,
        error_log,
        layout,
        allow_unsupported=arguments.allow_unsupported,
        jwt_dialect=arguments.jwt_dialect or arguments.target.replace(NO_DIALECT, ""),
    )


def _read(path: str) -> bytes:
    with open(path.encode("latin-1"), "rb") as file:
        return file.read()


def _fail(program: str, text: str, status: int) -> int:
    sys.stderr.buffer.write(f"{program}: {text}\n".encode("latin-1", "backslashreplace"))
    return status
