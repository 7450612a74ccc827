"""Which server a request comes to, and why the others lost."""

from __future__ import annotations

from ...conf.parse import Statement
from ...http.location import Server
from ...http.ports import Address
from ...modules.core import CoreConf
from ..model import Configuration
from ..place import Place
from .account import Account
from .request import Traced

MOST = 8  # servers that are told


def choose_server(conf: Configuration, r: Traced, address: Address, account: Account) -> Place:
    """Sets the request's server and tells of all that listen on the address."""
    found = address.names.find(r.host, r)
    server = found or address.names.default
    places = {inner: conf.place(level) for level, inner in address.levels}
    chosen = places[server]
    account.say(f"listens on {address.listen.text}", _listen(chosen, address))
    if found is None:
        why = f'no name fits "{r.host}"' if not address.names.only_default else "the only one"
        default = "named so" if address.default_given else "the first one"
        account.say(f"{chosen}: the default server, {default} ({why})", chosen.statement)
    else:
        name, kind = _name_of(chosen, r)
        account.say(f"{chosen}: {kind} {name}", chosen.find("server_name") or chosen.statement)
    _tell_losers(places, chosen, r, account)
    r.server, r.location = server, server.location
    return chosen


def _tell_losers(places: dict[Server, Place], chosen: Place, r: Traced, account: Account) -> None:
    losers = [place for place in places.values() if place is not chosen]
    for place in losers[:MOST]:
        names = ", ".join(place[CoreConf].server_names) or "no name"
        account.say(f"not {place}: {names}", place.statement, 2)
    if len(losers) > MOST:
        account.say(f"nor {len(losers) - MOST} others", None, 2)


def _listen(place: Place, address: Address) -> Statement:
    port = str(address.listen.port)
    given = place.given("listen")
    return next((s for s in given if s.args[0].endswith(port)), (*given, place.statement)[0])


def _name_of(place: Place, r: Traced) -> tuple[str, str]:
    """The name that fits, and what kind it is."""
    names = place[CoreConf].server_names
    host = r.host
    if host in names:
        return host, "the exact name"
    for name in names:
        if name.startswith(".") and (host == name[1:] or host.endswith(name)):
            return name, "the name with a dot"
    for name in names:
        if name.startswith("*.") and host.endswith(name[1:]):
            return name, "the wildcard name"
        if name.endswith(".*") and host.startswith(name[:-1]):
            return name, "the wildcard name"
    return next((n for n in names if n.startswith("~")), ""), "the expression"
