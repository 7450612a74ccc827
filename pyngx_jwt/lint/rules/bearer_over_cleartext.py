"""Tokens are demanded of clients whose connections are not encrypted.

A bearer token is good for whoever has it, and without TLS everybody on the way can read it.
Sockets on the loopback address and unix sockets are no matter.  If something in front of the
server ends TLS, on a network that is trusted, say so in a comment:
# pyngx: ignore[bearer-over-cleartext] the load balancer ends TLS.

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

import socket
from collections.abc import Iterator
from ipaddress import ip_address

from ...http.listen import Listen
from ...modules.core import CoreConf
from ..finding import Severity
from ..hosts import listening
from ..model import Configuration
from ..place import Place
from ..rule import Hit, Rule

rule = Rule("J63", "bearer-over-cleartext", Severity.WARN)


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    demanding: dict[Place, Place] = {}
    for place in conf.answering:
        if place.auth.wanted and not place.is_internal and not place.given("return"):
            demanding.setdefault(place.server, place)
    for server, place in demanding.items():
        if server.given("return"):
            continue  # nothing behind it is ever reached
        listens = server[CoreConf].listens
        if open_one := next((listen for listen in listens if _is_open(listen)), None):
            yield Hit(
                listening(server, open_one.text),
                f"{place} demands tokens, and connections to {open_one.text} are not encrypted",
                'listen with "ssl"',
                ((place.switch, "tokens are demanded here"),),
            )
        elif not listens:
            yield Hit(
                server.statement,
                f"{place} demands tokens, and connections to port 80 are not encrypted",
                'add "listen 443 ssl"',
            )


def _is_open(listen: Listen) -> bool:
    if listen.ssl or listen.family == socket.AF_UNIX:
        return False
    return not ip_address(listen.host.partition("%")[0]).is_loopback
