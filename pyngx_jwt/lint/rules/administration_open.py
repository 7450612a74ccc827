"""Every client can use the API that changes the server, or read what it counts.

With "api write=on", anybody can add a server of their own to an upstream and get the requests
of all clients, or change the values that access depends on.  What "api" and "pyngx_metrics"
report shows the names and addresses of upstream servers.  Restrict the location, for example
with "allow" and "deny" or a token, or listen on a loopback address.

If only reading is open, the finding is a warning.

Bad:

    server {
        listen 8080;
        location /api/ { api write=on; }
    }

Good:

    server {
        listen 8080;
        location /api/ {
            api write=on;
            allow 192.0.2.0/24;
            deny all;
        }
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ...modules.ssl import SslConf
from ..finding import Severity
from ..flow.doors import is_open, is_reachable
from ..model.block import Block
from ..rule import Hit, Rule

rule = Rule("G12", "administration-open", Severity.ERROR, missing=True)
READERS = ("api", "pyngx_metrics", "status", "vhost_traffic_status_display")


@rule.each_location
def check(block: Block) -> Iterator[Hit]:
    for statement in block.given(*READERS, "upstream_conf"):
        if not (is_open(block) and _is_public(block)):
            continue
        writes = statement.name == "upstream_conf" or statement.args[:1] == ("write=on",)
        yield Hit(
            statement,
            f"every client can {'change' if writes else 'read'} what the server does",
            'restrict it, for example with "allow" and "deny"',
            severity=None if writes else Severity.WARN,
        )


def _is_public(block: Block) -> bool:
    """Whether its server listens for other machines, and wants no certificates of them."""
    verify: str = block.server[SslConf].ssl_verify_client
    listens = block.server_listens
    return verify != "on" and (not listens or any(map(is_reachable, listens)))
