"""Named memory that the worker processes share.

A configuration declares zones (``Zones.add``), the master makes the directory that they are in
(``start_zones``), and every process opens for itself what it uses.  What a zone is used for is a
store (``store.py``), made by the zone: ``zones.add(name, size, "limit_req").rates()``.
"""

from .lifecycle import ZoneDirectory, Zones, start_zones
from .store import ZoneFull
from .zone import Zone

__all__ = ["Zone", "ZoneDirectory", "ZoneFull", "Zones", "start_zones"]
