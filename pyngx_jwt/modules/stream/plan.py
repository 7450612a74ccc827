"""What the configuration of a server of "stream" says of its upstream."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from ...gateway.tls import Tls
from ...http.template import TextOf
from ...stream.relay import RelaySettings
from ...stream.session import StreamSession
from ...upstream.client import PeerSettings
from ...upstream.upstream import Upstream
from .counting import PeerCounts
from .mqtt import ReadOpening
from .proxy_conf import StreamProxyConf

HOST = "upstream host"  # in the contexts of a session
FindUpstream = Callable[[StreamSession], "Upstream | Awaitable[Upstream | None] | None"]
Size = Callable[[StreamSession], int]


class Plan(NamedTuple):
    """All of it."""

    conf: StreamProxyConf
    find: FindUpstream
    peers: PeerSettings
    relay: RelaySettings
    upload_rate: Size | None
    download_rate: Size | None
    bind: TextOf[StreamSession] | None
    is_transparent: bool
    tls: Tls[StreamSession] | None
    counts: PeerCounts
    opening: ReadOpening | None  # of MQTT
