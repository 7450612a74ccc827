"""The modules of "stream" that HTTP has nothing of."""

from __future__ import annotations

from ..core.stream import stream_core
from . import variables
from .health import stream_upstream_hc
from .mqtt import stream_mqtt
from .mqtt_preread import stream_mqtt_preread
from .pass_ import stream_pass
from .preread import stream_ssl_preread
from .proxy import stream_proxy
from .return_ import stream_return
from .set import stream_set
from .zone_sync import stream_zone_sync

__all__ = [
    "stream_core",
    "stream_mqtt",
    "stream_mqtt_preread",
    "stream_pass",
    "stream_proxy",
    "stream_return",
    "stream_set",
    "stream_ssl_preread",
    "stream_upstream_hc",
    "stream_zone_sync",
    "variables",
]
