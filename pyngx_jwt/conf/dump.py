"""``pyngx dump FILE``: a configuration as JSON or as text, for other tools.

The JSON is crossplane's payload (see payload.py).  No directive is checked, and nothing
that the configuration names is looked for but included files.
"""

from __future__ import annotations

import argparse
import json
import os

from ..errors import ConfError
from ..log import errno_text, write_stderr
from .parse import full_name
from .payload import build, payload

DESCRIPTION = """\
Print a configuration with its included files: as JSON in crossplane's format, or as one formatted
file. Directives are not checked ("pyngx -t -c FILE" does that), comments are dropped.
"""


def main(words: list[str]) -> int:
    """Prints what ``words`` (latin-1) ask for; 1 if a file could not be read or written."""
    options = _parser().parse_args(words)
    directory = os.getcwdb().decode("latin-1")
    path = full_name(options.file, directory)
    parsed = payload(path, os.path.dirname(path))
    for error in parsed["errors"]:
        _say(error["error"])
    try:
        if options.format == "json":
            _print(json.dumps(parsed, indent=4) + "\n")
        elif not parsed["errors"]:
            _print(build(parsed))
    except ConfError as error:
        _say(str(error))
        return 1
    except OSError as error:
        _say(f"write() to stdout failed {errno_text(error)}")
        return 1
    return 1 if parsed["errors"] else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pyngx dump", description=DESCRIPTION)
    parser.add_argument("file", metavar="FILE", help="configuration file")
    parser.add_argument(
        "--format", choices=("json", "conf"), default="json", help="output format (default: json)"
    )
    return parser


def _print(text: str) -> None:
    data = text.encode("latin-1")
    while data:
        data = data[os.write(1, data) :]


def _say(text: str) -> None:
    write_stderr("[emerg] " + text.encode("utf-8", "surrogateescape").decode("latin-1"))
