"""A claim of the token selects the server, path or file for a request.

A claim can contain whatever a user had the issuer put into it: a user name such as "../admin",
or a tenant "evil.example.com".  In "proxy_pass", "root" or "alias" it can direct requests to
unintended places.  Use a "map" to select from constant values.

Bad:

    location /files/ {
        auth_jwt "files";
        auth_jwt_key_file keys/jwks.json;
        proxy_pass http://127.0.0.1:9000/$jwt_claim_tenant$request_uri;
    }

Good:

    map $jwt_claim_tenant $tenant {
        default none;
        blue blue;
        green green;
    }
    server {
        listen 8080;
        location /files/ {
            auth_jwt "files";
            auth_jwt_key_file keys/jwks.json;
            proxy_pass http://127.0.0.1:9000/$tenant$request_uri;
        }
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ...conf.parse import Statement
from ...http.template import Template
from ...modules.core import CoreConf
from ..finding import Severity
from ..flow.flow import Origin, flow_of
from ..flow.pattern import MANY, chars_of, count, mask_of
from ..model.backends import passing
from ..model.block import Block
from ..rule import Hit, Rule

rule = Rule("J44", "claim-in-target", Severity.ERROR)
HARMFUL = mask_of("./:?#")


@rule.each_location
def check(block: Block) -> Iterator[Hit]:
    for text, where in _targets(block):
        if text.is_constant:
            continue
        for origin in sorted(flow_of(block).origins(text, block), key=lambda o: o.name):
            if origin.is_claim and not _is_tame(origin):
                yield Hit(
                    where,
                    f'${origin.name} is part of "{where.name}" in {block}: the claim '
                    "selects where requests go",
                    'select from constant values with a "map"',
                    word=1,
                )
                break


def _targets(block: Block) -> Iterator[tuple[Template, Statement]]:
    if block.target is not None:
        yield block.target.text, passing(block)
    root = block.find("root", "alias")
    if root is not None:
        yield block[CoreConf].root_path, root


def _is_tame(origin: Origin) -> bool:
    """Whether an expression lets nothing through that leads elsewhere, or little at all."""
    if origin.part is None:
        return False
    return not chars_of(origin.part) & HARMFUL or count(origin.part) < MANY
