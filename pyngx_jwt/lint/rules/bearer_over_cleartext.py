"""Clients send tokens over connections that are not encrypted.

Anyone who reads a bearer token can use it, and without TLS anyone on the network path can read
it.  Listen sockets on the loopback address and unix sockets are not reported.  If TLS ends at a
proxy in front of this server, on a trusted network, say so in a comment: # pyngx:
ignore[bearer-over-cleartext] the load balancer ends TLS.

Bad:

    server {
        listen 8080;
        location / {
            auth_jwt "api";
            auth_jwt_key_file keys/jwks.json;
            proxy_pass http://127.0.0.1:9000;
        }
    }

Good:

    server {
        listen 127.0.0.1:8080;
        location / {
            auth_jwt "api";
            auth_jwt_key_file keys/jwks.json;
            proxy_pass http://127.0.0.1:9000;
        }
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ...http.contexts import LOCATION_IF, SERVER_IF
from ...http.listen import Listen
from ...modules.core import CoreConf
from ..finding import Severity
from ..flow.doors import is_reachable
from ..flow.expression import refuses_cleartext
from ..model.block import Block
from ..model.configuration import Configuration
from ..model.hosts import listening, written_address
from ..rule import Hit, Rule

rule = Rule("J63", "bearer-over-cleartext", Severity.WARN, missing=True)


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    demanding: dict[Block, Block] = {}
    for block in conf.answering:
        if not block.auth.wanted or block.is_internal or block.is_left:
            continue
        if not any(map(refuses_cleartext, block.inner(LOCATION_IF))):
            demanding.setdefault(block.server, block)
    for server, block in demanding.items():
        if server.is_left or any(map(refuses_cleartext, server.inner(SERVER_IF))):
            continue
        listens = server[CoreConf].listens
        if open_one := next((listen for listen in listens if _is_open(listen)), None):
            statement = listening(server, open_one.text)
            address = written_address(open_one, statement)
            yield Hit(
                statement,
                f"{block} requires tokens, but connections to {address} are not encrypted",
                'listen with "ssl"',
                ((block.switch, "tokens are required here"),),
            )
        elif not listens:
            yield Hit(
                server.statement,
                f"{block} requires tokens, but connections to port 80 are not encrypted",
                'add "listen 443 ssl"',
            )


def _is_open(listen: Listen) -> bool:
    return not listen.ssl and is_reachable(listen)
