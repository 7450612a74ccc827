"""Several servers share an address, and none of them is marked as the default.

Requests with an unknown host go to the server that is read first, which can change with the name
of a file.  Mark one as "default_server", ideally one that does not answer: return 444.

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

from collections.abc import Iterator

from ...modules.core import CoreConf
from ..finding import Severity
from ..model.block import Block
from ..model.configuration import Configuration
from ..model.hosts import listening, open_servers
from ..rule import Hit, Rule

rule = Rule("G09", "missing-default-server", Severity.INFO, missing=True)
NOBODY = {"", "_", "__", "-", "default_server", "localhost"}


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    addresses: dict[Block, list[str]] = {}
    open_ones = open_servers(conf)
    for address in conf.addresses:
        if address.default_given or len(address.levels) < 2:
            continue
        first = next(p for level, _ in address.levels if (p := conf.block(level)) in open_ones)
        if not NOBODY & {*(first[CoreConf].server_names or ("",))}:
            addresses.setdefault(first, []).append(address.listen.text)
    for server, texts in addresses.items():
        yield Hit(
            listening(server, texts[0]),
            f"{server} answers for unknown hosts on {', '.join(texts)}, only "
            "because it is read first",
            'add "default_server" to one of the servers',
        )
