"""Names are looked up at a public server, over plain DNS.

Answers come unauthenticated from the internet, and whoever can forge one decides which server
requests are passed to.  Ask a resolver of your own on the same machine or in the same network.

Where no "proxy_pass" has variables, names are looked up for OCSP at most, and this is for
information.

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
from ..finding import Severity
from ..model import Configuration
from ..rule import Hit, Rule

rule = Rule("G08", "external-resolver", Severity.WARN)


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    places = (p for p in conf.answering if p.target is not None and p.target.url is None)
    used = {place[CoreConf].resolver for place in places}
    for _, statement in conf.statements("resolver"):
        public = [word for word in statement.args if _is_public(word)]
        if public:
            yield Hit(
                statement,
                f"names are looked up at {public[0]}, in the internet",
                "ask a resolver of your own",
                word=1 + statement.args.index(public[0]),
                severity=None if statement.args in used else Severity.INFO,
            )


def _is_public(word: str) -> bool:
    host = word[1:].partition("]")[0] if word.startswith("[") else word.partition(":")[0]
    try:
        return ip_address(host).is_global
    except ValueError:
        return False
