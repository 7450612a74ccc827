"""The upstream of a protected location can also be reached without a token.

Another virtual server, port or location passes requests to the same upstream and requires no
token.  "pyngx lint --reachability" lists all ways to reach each upstream.  A location whose tokens
are turned off with "auth_jwt off" is not reported here, nor is one that "raw-uri-to-upstream"
reports.

Bad:

    server {
        listen 8080;
        location / {
            auth_jwt "api";
            auth_jwt_key_file keys/jwks.json;
            proxy_pass http://127.0.0.1:9000;
        }
    }
    server {
        listen 8081;
        location / { proxy_pass http://127.0.0.1:9000; }
    }

Good:

    server {
        listen 8080;
        listen 8081;
        location / {
            auth_jwt "api";
            auth_jwt_key_file keys/jwks.json;
            proxy_pass http://127.0.0.1:9000;
        }
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ..finding import Severity
from ..flow.destinations import backends_of, guarded_backends
from ..flow.doors import is_guarded, is_turned_off, leads_out
from ..model.backends import passing
from ..model.configuration import Configuration
from ..rule import Hit, Rule

rule = Rule("J35", "upstream-has-open-door", Severity.WARN, missing=True)


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    guarded = guarded_backends(conf.answering)
    for block in conf.answering:
        if block.auth.wanted or block.is_internal or is_guarded(block) or is_turned_off(block):
            continue
        for backend in backends_of(block):
            other = guarded.get(backend.key)
            if other is not None and not leads_out(block, other):
                yield Hit(
                    passing(block),
                    f"{backend.name} is reached without a token by {block}, "
                    f"although {other} requires one",
                    related=((passing(other), "a token is required here"),),
                )
                break
