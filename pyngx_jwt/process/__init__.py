"""Master, workers, signals, pid file, listening sockets, binary upgrade."""

from .cycle import Control, ListenOptions, Load, LoadedCycle, ProcessSettings, Serve
from .start import run

__all__ = ["Control", "ListenOptions", "Load", "LoadedCycle", "ProcessSettings", "Serve", "run"]
