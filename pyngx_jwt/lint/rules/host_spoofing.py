"""The upstream gets a Host that the client chooses.

"$http_host" is the Host header as it was sent.  If the request line has a complete URL, the
server is selected by its host, and the header can have another one: an application that uses it
for links, cache keys or tenants is misled.  "$host" is the host that selected the server.

If the server accepts any host, the client chooses both, and the finding is informational; set a
"server_name" and add a default server.

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
from ...http.contexts import SERVER
from ..finding import Severity
from ..flow.fields import own_fields, own_protocols, statement_of
from ..flow.flow import flow_of
from ..model.block import Block
from ..model.configuration import Configuration
from ..model.hosts import open_servers
from ..rule import Hit, Rule

rule = Rule("G02", "host-spoofing", Severity.WARN)


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    open_ones = open_servers(conf)
    for block in conf.blocks:
        for kind in [] if block.is_internal else own_protocols(block):
            for _, name, value in (f for f in own_fields(block, kind) if f.low == "host"):
                origins = flow_of(block).origins(value, block)
                written = sorted(o.name for o in origins if o.is_written)
                if written:
                    yield _hit(block, statement_of(block, name, kind), written[0], open_ones)


def _hit(block: Block, statement: Statement, variable: str, open_ones: frozenset[Block]) -> Hit:
    servers = [block.server] if block.server.is_server else [*block.root.inner(SERVER)]
    severity = None
    if variable == "http_host" and all(server in open_ones for server in servers):
        severity = Severity.INFO
    return Hit(
        statement,
        f"the upstream gets the host that the client sends in ${variable}",
        "$host is the host that selected the server",
        severity=severity,
    )
