"""The names that others have given to metrics, and ours."""

from __future__ import annotations

from collections.abc import Callable

from .exposition import Exposition
from .metrics_nginx import write_nginx
from .metrics_plus import write_plus
from .metrics_pyngx import write_pyngx
from .metrics_stream import write_stream
from .metrics_vts import write_vts
from .snapshot import Snapshot

Write = Callable[[Exposition, Snapshot], None]
VOCABULARIES: dict[str, tuple[Write, ...]] = {
    "nginx": (write_nginx,),
    "plus": (write_plus, write_stream),
    "vts": (write_vts,),
    "pyngx": (write_pyngx,),
}
