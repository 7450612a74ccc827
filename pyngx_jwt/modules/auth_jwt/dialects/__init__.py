"""The JWT dialects, each declared in a file of its own, and which one a configuration is in."""

from __future__ import annotations

from ....conf.watch import ConfFiles
from ....options import Options
from ..dialect import Dialect, DialectChoice
from ..settings import declare_dialects
from .choose import MixedDialects, choose, foreign_directive
from .kjdev import KJDEV
from .maxlt import MAXLT
from .plus import PLUS
from .pyngx import PYNGX
from .tesla import TESLA
from .tizp import TIZP

DIALECTS = (PLUS, PYNGX, KJDEV, TESLA, MAXLT, TIZP)
DEFAULT = PLUS  # of a configuration without JWT: its variables exist all the same
declare_dialects(dialect.name for dialect in DIALECTS)


def choose_dialect(
    options: Options, files: ConfFiles | None = None, known: tuple[Dialect, ...] = DIALECTS
) -> DialectChoice:
    """The dialect of a configuration that is about to be read, from the disk or other files.

    Raises ConfError for an unknown name, and for marks of two dialects, with both places."""
    return choose(options, files or ConfFiles(), known, DEFAULT)


__all__ = [
    "DEFAULT",
    "DIALECTS",
    "KJDEV",
    "TESLA",
    "MixedDialects",
    "choose_dialect",
    "foreign_directive",
]
