"""Connects clients with other servers: a forward proxy for CONNECT requests.

Without restrictions this is an open proxy, which reaches hosts of the internal network as well.
Limit it with auth_basic, allow and deny, tunnel_allow_upstream, or a map of permitted targets.
"""

from __future__ import annotations

from typing import ClassVar

from ...conf.directive import A_SIZE, Declaration, accepted, bitmask, directive
from ...gateway.conf import AddressConf
from ...http.contexts import EVERYWHERE, LOCATION, LOCATION_IF, SERVER
from ..core import CoreConf

# What other protocols can have set and this one has not.
LACKS = frozenset({"request_dynamic"})


class TunnelConf(AddressConf, prefix="tunnel", without=LACKS):
    shared: ClassVar[dict[str, Declaration]] = {}
    buffering = False

    next_upstream = bitmask(
        frozenset({"error", "timeout"}),
        ("error", "timeout", "denied", "off"),
        EVERYWHERE,
        "Sets the errors of connecting after which the next server is tried.",
        "error timeout",
    )
    buffer_size = accepted(EVERYWHERE, "what was received is passed on at once", like=A_SIZE)
    send_lowat = accepted(EVERYWHERE, "Linux has no such setting", like=A_SIZE)

    @directive(SERVER | LOCATION | LOCATION_IF, default="$host:$request_port")
    def pass_(self, address: str = "$host:$request_port") -> None:
        """Connects the client of a CONNECT request with a server: an address with a port, a unix
        socket, or the name of an "upstream" block.  The value can contain variables.  By default it
        is the host that the client asks for.  Other methods are answered with 405."""
        self.pass_to_address(address)
        server = self.level
        while not server.context & SERVER and server.outer is not None:
            server = server.outer
        server[CoreConf].allow_connect = True
