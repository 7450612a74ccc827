"""Names are resolved by a public DNS server, without encryption.

The responses cross the internet unauthenticated, and an attacker who can forge one determines
the server that requests are passed to.  Use your own resolver on the same machine or network.

If no "proxy_pass" has variables and no server of an "upstream" has "resolve", names are resolved
for OCSP at most, and the finding is informational.

Bad:

    server {
        listen 8080;
        resolver 8.8.8.8;
        location / {
            set $backend app.example.com;
            proxy_pass http://$backend;
        }
    }

Good:

    server {
        listen 8080;
        resolver 127.0.0.53;
        location / {
            set $backend app.example.com;
            proxy_pass http://$backend;
        }
    }
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from ...modules.core import CoreConf
from ...modules.core.stream import StreamCoreConf
from ...modules.stream.proxy_conf import StreamProxyConf
from ..finding import Severity
from ..model.backends import groups, stream_groups
from ..model.configuration import Configuration
from ..model.stream import StreamBlock
from ..rule import Hit, Rule

rule = Rule("G08", "external-resolver", Severity.WARN)


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    blocks = (p for p in conf.answering if p.target is not None and p.target.url is None)
    used = {block[CoreConf].resolver for block in blocks} | {
        group.name_servers() for group in groups(conf.scope)
    }
    used |= {block[StreamCoreConf].resolver for block in conf.stream_servers if _resolves(block)}
    used |= {group.name_servers() for group in stream_groups(conf.scope)}
    words = {servers.words for servers in used if servers is not None}
    for _, statement in conf.analysis.named("resolver"):
        public = [word for word in statement.args if _is_public(word)]
        if public:
            yield Hit(
                statement,
                f"names are resolved by {public[0]}, a public server",
                "use your own resolver",
                word=1 + statement.args.index(public[0]),
                severity=None if statement.args in words else Severity.INFO,
            )


def _resolves(block: StreamBlock) -> bool:
    """Whether names are resolved for its sessions."""
    target = block[StreamProxyConf].target
    return target is not None and target.url is None


def _is_public(word: str) -> bool:
    host = word[1:].partition("]")[0] if word.startswith("[") else word.partition(":")[0]
    try:
        return ip_address(host).is_global
    except ValueError:
        return False
