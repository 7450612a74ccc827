"""A public prefix passes unmodified URIs to an application that also has protected paths.

Without a URI in "proxy_pass", the application gets the URI as the client sent it and may
interpret it differently: "/public/..;/admin/" is in the prefix /public/ for nginx, but /admin/
for a servlet container.  Open only what is needed, with a regular expression that such URIs do
not match, or let the application check tokens too.  gRPC servers compare whole names of methods
and are not reported.

Bad:

    location /admin/ {
        auth_jwt "admin";
        auth_jwt_key_file keys/jwks.json;
        proxy_pass http://127.0.0.1:9000;
    }
    location /public/ { proxy_pass http://127.0.0.1:9000; }

Good:

    location /admin/ {
        auth_jwt "admin";
        auth_jwt_key_file keys/jwks.json;
        proxy_pass http://127.0.0.1:9000;
    }
    location = /public/logo.png { proxy_pass http://127.0.0.1:9000; }
"""

from __future__ import annotations

from collections.abc import Iterator

from ...modules.grpc.conf import GrpcConf
from ..finding import Severity
from ..flow.destinations import backends_of, guarded_backends
from ..flow.doors import is_open, leads_out
from ..model.backends import passing
from ..model.configuration import Configuration
from ..rule import Hit, Rule

rule = Rule("J37", "raw-uri-to-upstream", Severity.WARN, missing=True)


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    guarded = guarded_backends(conf.answering)
    for block in conf.answering:
        if not is_open(block) or isinstance(block.gateway, GrpcConf):
            continue
        for backend in backends_of(block):
            other = guarded.get(backend.key)
            if other is not None and leads_out(block, other):
                yield Hit(
                    passing(block),
                    f"{block} requires no token and passes unmodified URIs to {backend.name}, "
                    f"for which {other} requires one",
                    "/..;/ and similar segments may leave the prefix",
                    ((passing(other), "a token is required here"),),
                )
                break
