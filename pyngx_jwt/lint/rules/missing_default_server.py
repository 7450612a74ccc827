"""Several servers share an address, and none of them is marked as the default.

Requests with an unknown host go to the server that is read first, which can change with the name
of a file.  Mark one as "default_server", ideally one that does not answer: return 444.  The same
holds for connections in "stream" with an unknown name, or none (SNI).

Bad:

    server {
        listen 8080;
        server_name www.example.com;
        return 204;
    }
    server {
        listen 8080;
        server_name api.example.com;
        return 204;
    }

Good:

    server {
        listen 8080 default_server;
        return 444;
    }
    server {
        listen 8080;
        server_name www.example.com;
        return 204;
    }
    server {
        listen 8080;
        server_name api.example.com;
        return 204;
    }
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ...http.ports import AddressOf
from ...modules.core import CoreConf
from ...modules.core.stream import StreamCoreConf
from ..finding import Severity
from ..model.configuration import Configuration
from ..model.hosts import listening
from ..model.said import Said
from ..rule import Hit, Rule

rule = Rule("G09", "missing-default-server", Severity.INFO, missing=True)
NOBODY = {"", "_", "__", "-", "default_server", "localhost"}


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    http = {block.level: block for block in conf.servers}
    yield from _hits(conf.addresses, http, CoreConf, "answers for unknown hosts")
    stream = {block.level: block for block in conf.stream_servers}
    yield from _hits(conf.stream_addresses, stream, StreamCoreConf, "serves unknown names")


def _hits(
    addresses: Iterable[AddressOf[Any]],
    servers: Mapping[Any, Said],
    kind: type[CoreConf] | type[StreamCoreConf],
    doing: str,
) -> Iterator[Hit]:
    found: dict[Said, list[str]] = {}
    for address in addresses:
        if address.default_given or len(address.levels) < 2:
            continue
        levels = (level for level, server in address.levels if server is address.names.default)
        first = servers[next(levels)]
        if not NOBODY & {*(first[kind].server_names or ("",))}:
            found.setdefault(first, []).append(address.listen.text)
    for server, texts in found.items():
        yield Hit(
            listening(server, texts[0]),
            f"{server} {doing} on {', '.join(texts)}, only because it is read first",
            'add "default_server" to one of the servers',
        )
