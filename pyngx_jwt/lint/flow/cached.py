"""What a place keeps in a cache, and for whom."""

from __future__ import annotations

from ...http.template import Template
from ..model.place import Place
from .fields import carriers
from .flow import flow_of

PERSONAL = frozenset({"http_authorization", "http_cookie", "remote_user", "ssl_client_s_dn"})
PERSONAL_PREFIXES = ("jwt_", "cookie_", "ssl_client_")


def has_cache(place: Place) -> bool:
    """Whether there is a cache for what an upstream answers here."""
    return place.target is not None and place.caching.keeps


def is_cached(place: Place) -> bool:
    """Whether what is answered here, to clients, is kept in a cache."""
    return has_cache(place) and not place.is_internal


def zone_of(place: Place) -> Template | None:
    """The zone of the cache, None without one."""
    return place.caching.zone


def is_personal(text: Template | None, place: Place) -> bool:
    """Whether a text is another one for another user or token."""
    if text is None or text.is_constant:
        return False
    names = flow_of(place.conf).influences(text.names, place)
    return any(
        name in PERSONAL or name in carriers(place) or name.startswith(PERSONAL_PREFIXES)
        for name in names
    )


def keeps_apart(place: Place) -> bool:
    """Whether no user is answered with what was kept for another: by the key, or because
    nothing is kept of requests with tokens."""
    conf = place.caching
    if is_personal(conf.cache_key, place):
        return True
    return any(is_personal(text, place) for text in conf.not_kept)
