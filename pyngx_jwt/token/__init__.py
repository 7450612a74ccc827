"""``pyngx token``: creates tokens for development; ``--explain`` is ``pyngx explain`` for one."""

from __future__ import annotations

import sys
import time

from .. import exits
from ..arguments import write_out
from ..errors import ConfError, WrongWords
from ..log import errno_text


def main(words: list[str]) -> int:
    """Runs ``pyngx token`` with ``words`` (latin-1)."""
    if any(word == "--explain" or word.startswith("--explain=") for word in words):
        from ..explain.command import run_alias

        return run_alias(words)
    from .minting import mint

    try:
        write_out(f"{mint(words, time.time())}\n".encode("utf-8", "replace"))
    except (WrongWords, ConfError) as error:
        return _fail(str(error), exits.USAGE)
    except OSError as error:
        name = error.filename
        path = name.decode("latin-1") if isinstance(name, bytes) else name
        text = errno_text(error)
        return _fail(f'"{path}": {text}' if path else text, exits.INVALID)
    return exits.CLEAN


def _fail(text: str, status: int) -> int:
    sys.stderr.buffer.write(b"pyngx token: " + text.encode("latin-1", "backslashreplace") + b"\n")
    return status
