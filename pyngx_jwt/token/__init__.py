"""``pyngx token``: creates tokens for development, and explains how one would be judged."""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import TYPE_CHECKING

from ..errors import ConfError
from ..log import errno_text
from .words import WrongWords, parse_time

if TYPE_CHECKING:
    from ..options import Options

DESCRIPTION = """\
Show how a request with a token would be handled, check by check, and which line of the
configuration decides. Works offline: no server, no requests, no files written. Exit status: 0 the
request is admitted, 1 it is refused, 2 error, 3 the outcome depends on something that is not known
offline.
"""


def main(words: list[str]) -> int:
    """Does what ``words`` (latin-1) ask for."""
    try:
        if any(word == "--explain" or word.startswith("--explain=") for word in words):
            return _explain(words)
        from .minting import mint

        _print(mint(words, time.time()) + "\n")
    except (WrongWords, ConfError) as error:
        return _fail(str(error))
    except OSError as error:
        name = error.filename
        path = name.decode("latin-1") if isinstance(name, bytes) else name
        return _fail(f'"{path}": {errno_text(error)}' if path else errno_text(error))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("pyngx token", description=DESCRIPTION, allow_abbrev=False)
    add = parser.add_argument
    add(
        "--explain",
        required=True,
        metavar="TOKEN",
        help='the token; "-" reads stdin, "" means no token',
    )
    add("--url", required=True, help="URL of the request: http://host:port/path")
    add("-c", dest="conf", metavar="FILE", help="configuration file")
    add("-p", dest="prefix", metavar="DIRECTORY", help="directory for relative names")
    add("-X", dest="method", metavar="METHOD", default="GET", help="request method (default: GET)")
    add("-H", dest="field", metavar="HEADER", action="append", default=[], help='"Name: value"')
    add("--from", dest="client", metavar="ADDRESS", default="127.0.0.1", help="client address")
    add(
        "--now",
        metavar="TIME",
        help='time of the request: "+1h", "-1d" (as --now=-1d), "@SECONDS" or a date',
    )
    add("--jwks", metavar="FILE", help="response to key requests")
    add("--jwt-dialect", metavar="NAME", default="", help="see pyngx -h")
    add("--allow-unsupported", action="store_true", help="see pyngx -h")
    add("--format", choices=("text", "json"), default="text")
    return parser


def _explain(words: list[str]) -> int:
    # "--explain -h" asks for help, and "-h" is no token
    asked = _parser().parse_args(["-h"] if "-h" in words or "--help" in words else words)
    from ..jwt import KeySetError
    from .explain import STATUS, Explainer, as_json, as_text
    from .request import Ask, AskError, parse_client, parse_field, parse_url

    token = asked.explain
    if token == "-":
        token = sys.stdin.buffer.read(1 << 20).decode("latin-1")
    now = time.time() if asked.now is None else parse_time(asked.now, time.time(), "--now")
    try:
        ask = Ask(
            parse_url(asked.url),
            asked.method,
            tuple(parse_field(text) for text in asked.field),
            parse_client(asked.client),
        )
        keys = None if asked.jwks is None else _read(asked.jwks)
        told = Explainer(_options(asked), now, keys).explain(ask, token.strip())
    except AskError as error:
        raise WrongWords(str(error)) from None
    except KeySetError as error:
        raise WrongWords(f'--jwks "{asked.jwks}": {error}') from None
    _print(as_json(told) if asked.format == "json" else as_text(told))
    return STATUS[told.verdict]


def _options(asked: argparse.Namespace) -> Options:
    from ..options import Options, resolve_options

    prefix, conf_file, error_log, layout = resolve_options(asked.prefix, asked.conf, None)
    return Options(
        prefix,
        conf_file,
        error_log,
        layout,
        allow_unsupported=asked.allow_unsupported,
        jwt_dialect=asked.jwt_dialect,
    )


def _read(path: str) -> bytes:
    with open(path.encode("latin-1"), "rb") as file:
        return file.read()


def _print(text: str) -> None:
    data = text.encode("utf-8", "replace")
    while data:
        data = data[os.write(1, data) :]


def _fail(text: str) -> int:
    sys.stderr.buffer.write(b"pyngx token: " + text.encode("latin-1", "backslashreplace") + b"\n")
    return 2
