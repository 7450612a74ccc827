"""error_log and the files of access_log: levels, lines, targets.

Text is str with one character per byte (latin-1), as everywhere.
"""

from .connections import ConnectionLog, DebuggedConnections
from .error_log import FileTarget, Log, LogTarget, MemoryTarget, SyslogTarget, initial_log
from .files import Buffer, OpenFile, OpenFiles
from .severity import LEVEL_NAMES, Severity, errno_text, fault_text, parse_levels, write_stderr
from .syslog import SyslogPeer, SyslogServer, parse_syslog

__all__ = [
    "LEVEL_NAMES",
    "Buffer",
    "ConnectionLog",
    "DebuggedConnections",
    "FileTarget",
    "Log",
    "LogTarget",
    "MemoryTarget",
    "OpenFile",
    "OpenFiles",
    "Severity",
    "SyslogPeer",
    "SyslogServer",
    "SyslogTarget",
    "errno_text",
    "fault_text",
    "initial_log",
    "parse_levels",
    "parse_syslog",
    "write_stderr",
]
