"""``pyngx lint [PATH...]``: what is wrong with a configuration, before it is a hole.

Reads configurations as the server would and touches nothing: no file is written, no name looked
up, no privileges needed.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from dataclasses import replace
from typing import NoReturn

from .analysis import analyse
from .baseline import read_baseline, without_known, write_baseline
from .diagnose import findings
from .inputs import InputError, Request
from .model import Configuration
from .reach import reachability
from .report import REPORTERS
from .rule import rule_named, rules
from .run import Report, lint
from .settings import SEVERITIES, Settings, SettingsError, find_settings, read_settings
from .snippet import CONTEXTS
from .suppress import is_rule
from .target import TARGETS

CLEAN, FOUND, INVALID, INTERNAL, USAGE = range(5)
EPILOG = """\
exit status: 0 nothing found at or above --fail-on, 1 something found, 2 the configuration is
invalid or cannot be read, 3 internal error, 4 wrong usage"""


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def main(words: list[str]) -> int:
    """Lints what `words` (latin-1) ask for."""
    asked = _parser().parse_args(words)
    if asked.explain is not None:
        return _explain(asked.explain)
    try:
        settings = _settings(asked)
        return _lint(asked, settings)
    except SettingsError as error:
        return _say(str(error), USAGE)
    except InputError as error:
        return _say(str(error), INVALID)
    except Exception:
        return _say(f"internal error: {traceback.format_exc()}", INTERNAL)


def _lint(asked: argparse.Namespace, settings: Settings) -> int:
    request = Request(
        asked.paths or [_default_path(asked.prefix)],
        asked.prefix,
        CONTEXTS.get(asked.context, ""),
        _standard_input() if "-" in asked.paths else None,
        asked.stdin_filename or "",
        settings.target.dialect,
    )
    if asked.reachability:
        return _reachability(request, settings)
    report = lint(request.inputs(), settings)
    if asked.write_baseline:
        write_baseline(asked.write_baseline, report.findings)
        return CLEAN
    if settings.baseline:
        report.findings = without_known(report.findings, read_baseline(settings.baseline))
    colour = asked.color == "always" or (asked.color == "auto" and _is_terminal())
    _print(REPORTERS[asked.format](report, colour))
    for crash in report.crashes:
        _say(f"internal error in the rule {crash}", INTERNAL)
    return _status(report, settings)


def _reachability(request: Request, settings: Settings) -> int:
    """Valid or not, a configuration is told as far as it goes."""
    status = CLEAN
    for found in request.inputs():
        analysis = analyse(found.options, found.files, settings.target)
        if any(finding.is_error for finding in findings(analysis)):
            status = _say(f"the configuration {found.path} is invalid", INVALID)
        _print(reachability(Configuration(analysis)))
    return status


def _status(report: Report, settings: Settings) -> int:
    if report.crashes:
        return INTERNAL
    if report.is_invalid:
        return INVALID
    return FOUND if report.worst() >= settings.fail_on else CLEAN


def _settings(asked: argparse.Namespace) -> Settings:
    path = asked.config or find_settings(os.getcwd())
    settings = read_settings(path) if path else Settings()
    if asked.fail_on:
        settings = replace(settings, fail_on=SEVERITIES[asked.fail_on])
    if asked.target:
        settings = replace(settings, target=TARGETS[asked.target])
    if asked.baseline:
        settings = replace(settings, baseline=asked.baseline)
    if asked.select:
        settings = replace(settings, select=_rules(asked.select))
    if asked.ignore:
        settings = replace(settings, ignore=_rules(asked.ignore))
    return settings


def _rules(given: list[str]) -> frozenset[str]:
    names = [name for text in given for name in text.split(",")]
    if unknown := [name for name in names if not is_rule(name)]:
        raise SettingsError(f'there is no rule "{unknown[0]}"')
    return frozenset(names)


def _default_path(prefix: str | None) -> str:
    from ..options import resolve_options

    return resolve_options(prefix, None, None)[1]


def _explain(name: str) -> int:
    rule = rule_named(name)
    if rule is None:
        return _say(f'there is no rule "{name}"', USAGE)
    _print(f"{rule.name} ({rule.id}, {rule.severity.word})\n\n{rule.page}\n")
    return CLEAN


def _list_rules() -> str:
    return "".join(f"{r.id:4} {r.severity.word:5} {r.name:32} {r.title}\n" for r in rules())


class _Rules(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        _print(_list_rules())
        parser.exit(CLEAN)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="pyngx lint", description=__doc__, epilog=EPILOG)
    add = parser.add_argument
    add("paths", nargs="*", metavar="PATH", help='files, folders, patterns; "-" is stdin')
    add("-p", dest="prefix", metavar="PREFIX", help="folder of all relative names")
    add("--stdin-filename", metavar="NAME", help="what stdin is called, and where it is")
    add("--context", choices=sorted(CONTEXTS), help="the block that a snippet stands in")
    add("--target", choices=sorted(TARGETS), help="whose rules of grammar hold")
    add("--format", choices=sorted(REPORTERS), default="text", help="how to tell (text)")
    add("--fail-on", choices=sorted(SEVERITIES), help="the least severity that fails (warn)")
    add("--select", action="append", default=[], metavar="RULES", help="only these rules")
    add("--ignore", action="append", default=[], metavar="RULES", help="not these rules")
    add("--config", metavar="FILE", help="settings (.pyngx.toml or pyproject.toml above)")
    add("--baseline", metavar="FILE", help="leave out what is in it")
    add("--write-baseline", metavar="FILE", help="write what is found now, and succeed")
    add("--color", choices=("auto", "always", "never"), default="auto", help="colour (auto)")
    add("--reachability", action="store_true", help="tell how each upstream is reached")
    add("--explain", metavar="RULE", help="print the page of a rule")
    add("--rules", action=_Rules, nargs=0, help="list the rules")
    return parser


def _is_terminal() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def _standard_input() -> str:
    return sys.stdin.buffer.read().decode("latin-1")


def _print(text: str) -> None:
    data = text.encode("utf-8", "surrogateescape")
    while data:
        data = data[os.write(1, data) :]


def _say(text: str, status: int) -> int:
    from ..log import write_stderr

    write_stderr("[emerg] " + text.encode("utf-8", "surrogateescape").decode("latin-1"))
    return status
