"""Master, workers, signals, pid file, listening sockets, binary upgrade."""

from ..core.ports import ListenOptions
from .cycle import Control, Load, LoadedCycle, ProcessSettings, Serve
from .start import run

__all__ = ["Control", "ListenOptions", "Load", "LoadedCycle", "ProcessSettings", "Serve", "run"]
