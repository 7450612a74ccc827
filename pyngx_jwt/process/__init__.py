"""Master, workers, signals, pid file, listening sockets, binary upgrade."""

from .cycle import Control, Cycle, Listen, Load, MainSettings, Serve
from .start import run

__all__ = ["Control", "Cycle", "Listen", "Load", "MainSettings", "Serve", "run"]
