"""Whether requests are passed on over TLS."""

from __future__ import annotations

from ..model.backends import speaks_tls
from ..model.block import Block
from .flow import flow_of

SECURE = ("https://", "grpcs://", "suwsgi://")


def passes_over_tls(block: Block) -> bool:
    """Whether the upstream gets requests over TLS, as far as texts and variables say."""
    target = block.target
    if target is None or speaks_tls(block):
        return target is not None
    values = flow_of(block).values(target.text, block) if target.url is None else ()
    return any(value.lower().startswith(SECURE) for value in values)
