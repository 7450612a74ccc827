"""What a block keeps in a cache, and for whom."""

from __future__ import annotations

from ...http.template import Template
from ..model.block import Block
from .fields import carriers
from .flow import flow_of

PERSONAL = frozenset({"http_authorization", "http_cookie", "remote_user", "ssl_client_s_dn"})
PERSONAL_PREFIXES = ("jwt_", "cookie_", "ssl_client_")


def has_cache(block: Block) -> bool:
    """Whether there is a cache for what an upstream answers here."""
    return block.target is not None and block.caching.keeps


def is_cached(block: Block) -> bool:
    """Whether what is answered here, to clients, is kept in a cache."""
    return has_cache(block) and not block.is_internal


def zone_of(block: Block) -> Template | None:
    """The zone of the cache, None without one."""
    return block.caching.zone


def is_personal(text: Template | None, block: Block) -> bool:
    """Whether a text is another one for another user or token."""
    if text is None or text.is_constant:
        return False
    names = flow_of(block).influences(text.names, block)
    return any(
        name in PERSONAL or name in carriers(block) or name.startswith(PERSONAL_PREFIXES)
        for name in names
    )


def keeps_apart(block: Block) -> bool:
    """Whether no user is answered with what was kept for another: by the key, or because
    nothing is kept of requests with tokens."""
    conf = block.caching
    if is_personal(conf.cache_key, block):
        return True
    return any(is_personal(text, block) for text in conf.not_kept)
