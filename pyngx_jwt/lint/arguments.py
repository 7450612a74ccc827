"""The options of the command line."""

from __future__ import annotations

import argparse

from ..arguments import CommandParser
from ..features import PATHS
from .read.snippet import CONTEXTS
from .read.target import TARGETS
from .report import REPORTERS
from .report.output import CLEAN, print_text
from .report.settings import SEVERITIES
from .rules import rules

PROGRAM = "pyngx lint"
DESCRIPTION = """\
Find errors and security problems in nginx configurations. Configurations are read as the server
reads them, offline and without privileges: no host name is resolved, no connection is made."""
EPILOG = """\
exit status: 0 no finding at or above --fail-on, 1 at least one, 2 the configuration is invalid or
cannot be read, 4 usage error, 5 internal error"""

_PATHS = f"""\
files, directories or patterns; "-" is stdin (default: {PATHS["conf"]}, or nginx.conf in PREFIX)"""


class _Rules(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print_text(_list_rules())
        parser.exit(CLEAN)


def _list_rules() -> str:
    return "".join(f"{r.id:4} {r.severity.word:5} {r.name:32} {r.title}\n" for r in rules())


def lint_parser() -> argparse.ArgumentParser:
    """The parser of ``pyngx lint``."""
    parser = CommandParser(prog=PROGRAM, description=DESCRIPTION, epilog=EPILOG, allow_abbrev=False)
    add = parser.add_argument
    add("paths", nargs="*", metavar="PATH", help=_PATHS)
    add("-c", dest="conf", metavar="FILE", help="configuration file: the same as one PATH")
    add("-p", dest="prefix", metavar="PREFIX", help="directory for relative names")
    add("--stdin-filename", metavar="NAME", help="path to report for stdin")
    add("--offline", action="store_true", help="look at no file or user of this machine")
    add(
        "--root",
        action="append",
        default=[],
        metavar="DIR=HERE",
        help="read files in DIR from HERE, as in /etc/nginx=./nginx",
    )
    add("--context", choices=sorted(CONTEXTS), help="block that a snippet belongs to")
    add("--target", choices=sorted(TARGETS), help="server that will run the configuration")
    add("--jwt-dialect", metavar="NAME", default="", help="dialect of the auth_jwt directives")
    add("--format", choices=sorted(REPORTERS), default="text", help="output format (default: text)")
    add(
        "--fail-on",
        choices=sorted(SEVERITIES),
        help="exit 1 at or above this severity (default: warn)",
    )
    add("--select", action="append", default=[], metavar="RULES", help="run only these rules")
    add("--ignore", action="append", default=[], metavar="RULES", help="skip these rules")
    add(
        "--config",
        metavar="FILE",
        help="settings file (default: nearest .pyngx.toml or pyproject.toml)",
    )
    add("--baseline", metavar="FILE", help="do not report findings that are in FILE")
    add("--write-baseline", metavar="FILE", help="write the current findings to FILE and exit 0")
    add(
        "--color",
        choices=("auto", "always", "never"),
        default="auto",
        help="use colours (default: auto)",
    )
    add("--reachability", action="store_true", help="show how each upstream is reached")
    add("--explain", metavar="RULE", help="print the documentation of a rule")
    add("--rules", action=_Rules, nargs=0, help="list the rules")
    return parser
