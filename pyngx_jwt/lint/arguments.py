"""The options of the command line."""

from __future__ import annotations

import argparse
from typing import NoReturn

from ..features import PATHS
from .output import CLEAN, misused, print_text
from .report import REPORTERS
from .rule import rules
from .settings import SEVERITIES
from .snippet import CONTEXTS
from .target import TARGETS

PROGRAM = "pyngx lint"
DESCRIPTION = """\
Tells what is wrong with configurations, before it is a hole. Reads them as the server would and
touches nothing: no file is written, no name looked up, no privileges needed."""
EPILOG = """\
exit status: 0 nothing found at or above --fail-on, 1 something found, 2 the configuration is
invalid or cannot be read, 3 internal error, 4 wrong usage"""

_PATHS = f"""\
files, folders, patterns; "-" is stdin; none: {PATHS["conf"]}, or nginx.conf in PREFIX"""


class Parser(argparse.ArgumentParser):
    """Wrong usage has a status of its own."""

    def error(self, message: str) -> NoReturn:
        self.exit(misused(self.prog, f"{message} (see {self.prog} -h)"))


class _Rules(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print_text(_list_rules())
        parser.exit(CLEAN)


def _list_rules() -> str:
    return "".join(f"{r.id:4} {r.severity.word:5} {r.name:32} {r.title}\n" for r in rules())


def lint_parser() -> argparse.ArgumentParser:
    """Of ``pyngx lint``."""
    parser = Parser(prog=PROGRAM, description=DESCRIPTION, epilog=EPILOG)
    add = parser.add_argument
    add("paths", nargs="*", metavar="PATH", help=_PATHS)
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
