"""Clients can set an identity header through another location.

One location sets the header to a claim of the token.  Another location that passes requests to
the same upstream does not set it, so the client's value reaches the application.  Set or clear
the header in every location that passes requests there: proxy_set_header X-JWT-Sub "".

Bad:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        proxy_set_header X-JWT-Sub $jwt_claim_sub;
        proxy_pass http://127.0.0.1:9000;
    }
    location /public/ {
        proxy_pass http://127.0.0.1:9000;
    }

Good:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        proxy_set_header X-JWT-Sub $jwt_claim_sub;
        proxy_pass http://127.0.0.1:9000;
    }
    location /public/ {
        proxy_set_header X-JWT-Sub "";
        proxy_pass http://127.0.0.1:9000;
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ..finding import Severity
from ..flow.destinations import backends_of
from ..flow.fields import identity_fields, lost_fields, passes_on, removal, shown
from ..model.backends import passing
from ..model.block import Block
from ..model.configuration import Configuration
from ..rule import Hit, Rule

rule = Rule("J40", "identity-header-spoofable", Severity.ERROR, missing=True)


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    identities: dict[str, dict[str, tuple[str, Block]]] = {}  # backends, fields
    for block in conf.answering:
        fields = identity_fields(block) if block.target is not None else {}
        for backend in backends_of(block) if fields else ():
            of_backend = identities.setdefault(backend.key, {})
            for low, name in fields.items():
                of_backend.setdefault(low, (name, block))
    for block in conf.answering if identities else ():
        if not block.is_internal:
            yield from _check(block, identities)


def _check(block: Block, identities: dict[str, dict[str, tuple[str, Block]]]) -> Iterator[Hit]:
    """One finding for each backend and block that sends it fields which clients can send."""
    known = {low for low, _ in lost_fields(block)}
    for backend in backends_of(block):
        fields: dict[Block, dict[str, str]] = {}
        for low, (name, other) in identities.get(backend.key, {}).items():
            if low not in known and passes_on(block, low):
                known.add(low)
                fields.setdefault(other, {})[low] = name
        for other, names in fields.items():
            text = ", ".join(f'"{name}"' for name in names.values())
            verb = "are claims" if len(names) > 1 else "is a claim"
            yield Hit(
                passing(block),
                f"clients can send {text} to {backend.name} through {block}, "
                f"where {other} sends the user's identity",
                " ".join(
                    removal(block, name if name.lower() == low else shown(low))
                    for low, name in names.items()
                ),
                ((passing(other), f"{text} {verb} of the token here"),),
            )
