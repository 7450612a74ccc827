"""``pyngx dump FILE``: a configuration as JSON or as text, for other tools.

The JSON is crossplane's payload (see payload.py).  No directive is checked, and nothing
that the configuration names is looked for but included files.
"""

from __future__ import annotations

import argparse
import json
import os

from .. import exits
from ..arguments import CommandParser, write_out
from ..errors import ConfError
from ..log import errno_text, write_stderr
from .parse import full_name
from .payload import build, payload

DESCRIPTION = """\
Print a configuration with its included files: as JSON in crossplane's format, or as one formatted
file. Directives are not checked ("pyngx -t -c FILE" does that), comments are dropped.
"""
EPILOG = """\
exit status: 0 all files could be read, 2 a file cannot be read or written, 4 usage error"""


def main(words: list[str]) -> int:
    """Runs ``pyngx dump`` with `words` (latin-1)."""
    options = dump_parser().parse_args(words)
    names = [name for name in (options.file, options.conf) if name is not None]
    if len(names) != 1:
        dump_parser().error("one FILE is required")
    here = os.getcwdb().decode("latin-1")
    path = full_name(names[0], full_name(options.prefix, here) if options.prefix else here)
    parsed = payload(path, os.path.dirname(path))
    for error in parsed["errors"]:
        _say(error["error"])
    try:
        if options.format == "json":
            write_out(f"{json.dumps(parsed, indent=4)}\n".encode("latin-1"))
        elif not parsed["errors"]:
            write_out(build(parsed).encode("latin-1"))
    except ConfError as error:
        _say(str(error))
        return exits.INVALID
    except OSError as error:
        _say(f"write() to stdout failed {errno_text(error)}")
        return exits.INVALID
    return exits.INVALID if parsed["errors"] else exits.CLEAN


def dump_parser() -> argparse.ArgumentParser:
    """The parser of ``pyngx dump``."""
    parser = CommandParser(
        prog="pyngx dump", description=DESCRIPTION, epilog=EPILOG, allow_abbrev=False
    )
    parser.add_argument("file", nargs="?", metavar="FILE", help="configuration file")
    parser.add_argument("-c", dest="conf", metavar="FILE", help="the same")
    parser.add_argument("-p", dest="prefix", metavar="PREFIX", help="directory for relative names")
    parser.add_argument(
        "--format", choices=("json", "conf"), default="json", help="output format (default: json)"
    )
    return parser


def _say(text: str) -> None:
    write_stderr("[emerg] " + text.encode("utf-8", "surrogateescape").decode("latin-1"))
