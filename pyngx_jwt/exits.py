"""Exit statuses of the commands.  A server's own options exit as nginx does, with 0 or 1."""

from __future__ import annotations

CLEAN = 0
NEGATIVE = 1  # a finding at or above --fail-on; a request that is refused
INVALID = 2  # the configuration, or a file, is invalid or cannot be read or written
UNKNOWN = 3  # the outcome cannot be determined offline
USAGE = 4
INTERNAL = 5  # a bug
