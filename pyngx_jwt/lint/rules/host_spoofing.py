"""The upstream is told a host that the client makes up.

"$http_host" is the Host field as it was sent.  A request line with a whole URL chooses the server
by the host in there, and the field can have another one: an application that builds links, keys of
caches or tenants from it is led astray.  "$host" is the host by which the server was chosen.

Where a server answers for any host anyway, both are the client's choice, and this is for
information; give it a "server_name" and a default server beside it.

Bad:

    server {
        listen 8080 default_server;
        return 444;
    }
    server {
        listen 8080;
        server_name www.example.com;
        location / {
            proxy_set_header Host $http_host;
            proxy_pass http://127.0.0.1:9000;
        }
    }

Good:

    server {
        listen 8080 default_server;
        return 444;
    }
    server {
        listen 8080;
        server_name www.example.com;
        location / {
            proxy_set_header Host $host;
            proxy_pass http://127.0.0.1:9000;
        }
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ...conf.parse import Statement
from ..fields import own_fields, protocols, statement_of
from ..finding import Severity
from ..hosts import open_servers
from ..model import Configuration
from ..place import Place
from ..rule import Hit, Rule

rule = Rule("G02", "host-spoofing", Severity.WARN)
WRITTEN = ("http_", "arg_", "cookie_")


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    open_ones = open_servers(conf)
    for place in conf.places:
        for kind in [] if place.is_internal else protocols(place):
            for low, name, value in own_fields(place, kind):
                names = sorted(o.name for o in conf.flow.origins(value, place))
                written = [n for n in names if n.startswith(WRITTEN)]
                if low == "host" and written:
                    yield _hit(place, statement_of(place, name, kind), written[0], open_ones)


def _hit(place: Place, statement: Statement, variable: str, open_ones: frozenset[Place]) -> Hit:
    servers = [place.server] if place.server.is_server else [*place.conf.servers]
    severity = None
    if variable == "http_host" and all(server in open_ones for server in servers):
        severity = Severity.INFO
    return Hit(
        statement,
        f"the upstream is told the host that the client writes in ${variable}",
        "$host is the one by which the server was chosen",
        severity=severity,
    )
