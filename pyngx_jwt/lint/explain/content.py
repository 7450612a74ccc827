"""What answers: an upstream, through a cache perhaps, or a file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...gateway.cached import CachedGateway
from ...gateway.exchange import Gateway
from ...gateway.target import Found
from ...gateway.wire import KEY
from ...http.request import Status
from ...modules.mirror import MirrorConf
from ...modules.missing import Refusal
from ...modules.try_files import TryFilesConf, find_file
from ..backends import declared, passing
from ..place import Place
from .account import Account
from .request import Traced


def run_content(place: Place, r: Traced, account: Account) -> Status | None:
    """Tells what answers; a status if it is an internal redirect or an error."""
    for uri in place[MirrorConf].uris or ():
        account.say(f"a copy of the request goes to {uri}", place.find("mirror"))
    handler = find_file(place[TryFilesConf], place.level)
    if handler is not None:
        rc: Any = handler(r)
        where = place.find("try_files")
        if rc:
            account.say(f"try_files: no file exists, goes on with {r.uri}", where)
            return int(rc)
        account.say(f"try_files: {r.uri} exists", where)
    location = place.level.location
    assert location is not None
    refusal = next((h for h in location.handlers if isinstance(h, Refusal)), None)
    if refusal is not None:
        account.say(f"pyngx does not run {refusal.statement.name}", refusal.statement)
        return 501
    proxy = _proxy(place)
    if proxy is not None:
        return _tell_proxy(place, proxy, r, account)
    _tell_files(place, r, account)
    return None


def _proxy(place: Place) -> Gateway | None:
    location = place.level.location
    assert location is not None
    for handler in location.handlers:
        owner = getattr(handler, "__self__", None)
        if isinstance(owner, Gateway):
            return owner
    return None


def _tell_proxy(place: Place, proxy: Gateway, r: Traced, account: Account) -> Status | None:
    where = passing(place)
    found: Any = proxy.find(r)
    if not isinstance(found, Found):
        if hasattr(found, "close"):
            found.close()
            account.say("passed to a name that has to be looked up", where)
            return None
        account.say(f"cannot be passed on: {'; '.join(r.told[-1:])}", where)
        return int(found)
    r.contexts[KEY] = found.out
    head = _head(proxy, r, found, validates=False)
    if isinstance(proxy, CachedGateway):
        head = _tell_cache(place, proxy, r, found, account, head)
    asked = f": {head[0]}" if head[0] else ""
    account.say(f"passed to {proxy.wire.address(found.out)}{asked}", where)
    _tell_servers(place, account)
    for line in head[1:]:
        if line:
            account.say(line, _setter(place, line), 2)
    return None


def _tell_cache(
    place: Place, proxy: CachedGateway, r: Traced, found: Found, account: Account, head: list[str]
) -> list[str]:
    zone = proxy.cache.zone
    name = zone.text if zone is not None else "off"
    account.say(f"looked for in the cache {name}", place.find(place.named("cache")))
    if r.method not in proxy.methods:
        account.say(f"not with the method {r.method}", place.find(place.named("cache_methods")), 2)
        return head
    key: Callable[[Traced], str] = proxy.key or (lambda r: proxy.wire.key(r, found.out))
    head = _head(proxy, r, found, validates=True)
    account.say(f"by the key {key(r)}", place.find(place.named("cache_key")), 2)
    for valid in place.outward():
        for statement in valid.given(place.named("cache_valid")):
            account.say(f"kept {' '.join(statement.args)}", statement, 2)
        if valid.given(place.named("cache_valid")):
            break
    return head


def _head(proxy: Gateway, r: Traced, found: Found, *, validates: bool) -> list[str]:
    wire = proxy.wire
    return wire.lines(wire.build(r, found.out, validates=validates))


def _tell_servers(place: Place, account: Account) -> None:
    target = place.target
    if target is None or target.url is None:
        return
    group = declared(place, target.url)
    if group is None:
        return
    account.say(f"upstream {group._name}", group._statement, 2)
    for statement in place.conf.analysis.collector.statements.get(group._level, ()):
        if statement.name == "server":
            account.say(" ".join(("server", *statement.args)), statement, 3)


def _setter(place: Place, line: str) -> Any:
    name = line.partition(":")[0].lower()
    for around in place.outward():
        given = around.given(place.named(place.gateway.set_by))
        for statement in given:
            if statement.args[0].lower() == name:
                return statement
        if given:
            return None
    return None


def _tell_files(place: Place, r: Traced, account: Account) -> None:
    location = place.level.location
    assert location is not None
    for handler in location.handlers:
        module = getattr(handler, "__module__", "").rpartition(".")[2]
        if module in ("stub_status", "empty_gif"):
            account.say(f"answered by {module}", place.find(module))
            return
    path = location.path_of(r)
    account.say(f"served from the file {path}", place.find("root", "alias") or place.statement)
