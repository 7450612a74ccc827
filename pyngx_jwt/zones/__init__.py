"""Named memory that the worker processes share.

A configuration declares zones (``Zones.add``), the master makes the directory that they are in
(``start_zones``), and every process opens for itself what it uses.  What a zone is used for is a
store (``store.py``), made by the zone: ``zones.add(name, size, "limit_req").rates()``.
Zones that other machines share have a ``ZoneStore`` as well.
"""

from .lifecycle import ZoneDirectory, Zones, start_zones, tried
from .sharing import CopiedSessions, ZoneStore
from .store import ZoneFull
from .zone import Zone

__all__ = [
    "CopiedSessions",
    "Zone",
    "ZoneDirectory",
    "ZoneFull",
    "ZoneStore",
    "Zones",
    "start_zones",
    "tried",
]
