"""The keys of a level, as its directives name them."""

from __future__ import annotations

from collections.abc import Callable

from ...http.contexts import SERVER
from ...http.level import Level
from ...jwt import TokenPolicy
from .conf import IssuerName, TokenConf
from .issuer import IssuerKeys
from .key_file import KeyFile
from .key_request import KeyRequest
from .key_sets import KeyName
from .keyring import FindSource, Keyring, VariableSource
from .settings import JwtConf
from .sources import Source, Sources


def keyring_of(
    conf: TokenConf,
    level: Level,
    policy: TokenPolicy,
    *,
    cache: float = 0,
    reads: bool = False,
    lenient: bool = False,
) -> Keyring | None:
    """The keys of the level's files and requests, files first; None if it has none."""
    sources = sources_of(conf, level, cache)
    return Keyring(level, policy, sources, reads=reads, lenient=lenient) if sources else None


def sources_of(conf: TokenConf, level: Level, cache: float = 0) -> tuple[FindSource, ...]:
    """The level's files and requests."""
    sources, full = level.scope.shared(Sources), level.scope.conf_name
    server = level
    while server.context is not SERVER and server.outer is not None:
        server = server.outer

    def file(name: KeyName, text: str) -> Source:
        if name.text.is_constant:
            return sources.file(full(text), name.form)
        return KeyFile(full(text), sources.sets, name.form)

    stale = level[JwtConf].pyngx_jwt_keys_stale

    def issuer(name: IssuerName) -> Source:
        key = (name.url, name.jwks, name.trusted, str(stale), conf.jwk_set.name)
        known = sources.issuers.get(key)
        if known is None:
            trusted = full(name.trusted) if name.trusted else ""
            known = IssuerKeys(
                name.url, name.jwks, trusted, stale, sources.sets, conf.jwk_set, sources.shelf
            )
            sources.issuers[key] = known
            sources.servers.setdefault(id(server), []).append(known)
        return known

    def location(name: KeyName, text: str) -> Source:
        if name.text.is_constant:
            return sources.request(id(server), text, cache, stale, name.form)
        return KeyRequest(text, 0, stale, sources.sets, name.form)

    return (
        *(_finder(name, level, file) for name in conf.key_files),
        *(_finder(name, level, location) for name in conf.key_requests),
        *(_fixed(issuer(name)) for name in conf.issuers),
    )


def _fixed(source: Source) -> FindSource:
    return lambda r: source


def _finder(name: KeyName, level: Level, make: Callable[[KeyName, str], Source]) -> FindSource:
    if name.text.is_constant:
        source = make(name, name.text.text)
        return lambda r: source
    return VariableSource(name, level, make)
