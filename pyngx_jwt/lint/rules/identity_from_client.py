"""An identity header is set from client input.

proxy_set_header X-User $http_x_user looks as if it passed on an identity, but it passes on
whatever the client claims to be, regardless of the token.  Use a claim of the token.

Bad:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        proxy_set_header X-User $http_x_user;
        proxy_pass http://127.0.0.1:9000;
    }

Good:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        proxy_set_header X-User $jwt_claim_sub;
        proxy_pass http://127.0.0.1:9000;
    }
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...gateway.params_conf import ParamsConf
from ...http.template import Template
from ..finding import Severity
from ..flow.fields import carriers
from ..flow.flow import flow_of
from ..model.block import Block
from ..model.configuration import Configuration
from ..rule import Hit, Rule

rule = Rule("J45", "identity-from-client", Severity.ERROR)
NAME = re.compile(
    r"(?:^|[-_])(?:user(?!-?agent)(?:-?(?:id|name))?|uid|sub|subject|email|identity|principal"
    r"|roles?|groups?|scopes?|tenant(?:-?id)?|account(?:-?id)?|authenticated)(?:$|[-_])"
)


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    claimed: set[str] = set()
    blocks = [p for p in conf.answering if p.target is not None and p.auth.wanted]
    for block in blocks:
        for low, _, value in block.gateway.fields:
            if flow_of(block).has_claims(value, block):
                claimed.add(low)
    for block in blocks:
        yield from _check(block, claimed)


def _identifying(block: Block) -> Iterator[tuple[str, str, Template]]:
    """The fields that an upstream is sent, and parameters such as REMOTE_USER."""
    conf = block.gateway
    yield from conf.fields
    if isinstance(conf, ParamsConf):
        fields = {name for _, name, _ in conf.fields}
        yield from ((p.name.lower(), p.name, p.value) for p in conf.params if p.name not in fields)


def _check(block: Block, claimed: set[str]) -> Iterator[Hit]:
    for low, name, value in _identifying(block):
        if value.is_constant or not (low in claimed or NAME.search(low)):
            continue
        origins = flow_of(block).origins(value, block)
        written = sorted(o.name for o in origins if o.is_written)
        written = [w for w in written if w not in carriers(block)]
        if written and not any(o.is_claim for o in origins):
            given = [s for p in block.outward() for s in p.given(block.named(block.gateway.set_by))]
            yield Hit(
                next((s for s in given if s.args[0] == name), block.statement),
                f'"{name}" identifies the user to the upstream of {block}, but the client controls '
                f"${written[0]}",
                "use a claim of the token",
            )
