"""The upstream of a protected location can also be reached without a token.

Another virtual server, port or location passes requests to the same upstream and requires no
token.  "pyngx lint --reachability" lists all ways to reach each upstream.

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
from ..model.backends import backends_of, guarded_backends, passing
from ..model.configuration import Configuration
from ..rule import Hit, Rule

rule = Rule("J35", "upstream-has-open-door", Severity.WARN, missing=True)


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    guarded = guarded_backends(conf.answering)
    for block in conf.answering:
        if block.auth.wanted or block.is_internal:
            continue
        for backend in backends_of(block):
            if backend.key in guarded:
                other = guarded[backend.key]
                yield Hit(
                    passing(block),
                    f"{backend.name} is reached without a token by {block}, "
                    f"although {other} requires one",
                    related=((passing(other), "a token is required here"),),
                )
                break
