"""Which server a request comes to, and why the others do not get it."""

from __future__ import annotations

from ..modules.core import CoreConf
from .lines import Mark, shown
from .request import Made
from .trip import Trip, level_of

MOST = 8  # servers that are named


def tell_server(made: Made, trip: Trip) -> None:
    """Adds the server, and the others of its address."""
    names, server = made.address.names, made.r.server
    level = trip.at = level_of(server.location)
    found = None if made.refused is not None else names.find(made.r.host, made.r)
    text = f"{shown(server.name or 'without a name')}, on {made.address.listen.text}"
    if found is None and (server.name != made.r.host):
        text += ", the default server there"
    trip.add(Mark.NOTE, "server", text, level.statement)
    for remark in made.remarks:
        trip.add(Mark.NOTE, "server", remark)
    others = [inner for inner, other in made.address.levels if other is not server]
    if found is not None and others:
        name, kind = _name_of(level[CoreConf].server_names, made.r.host)
        trip.add(Mark.NOTE, "", f"{kind} {shown(name)}", *level.set_by("server_name"))
    elif others:
        trip.add(Mark.NOTE, "", f'no server_name matches "{shown(made.r.host)}"')
    for other in others[:MOST]:
        told = ", ".join(map(shown, other[CoreConf].server_names)) or "without a name"
        trip.add(Mark.NOTE, "", f"not server {told}", other.statement)
    if len(others) > MOST:
        trip.add(Mark.NOTE, "", f"nor {len(others) - MOST} more")


def _name_of(names: tuple[str, ...], host: str) -> tuple[str, str]:
    """The name that matches, and what kind it is."""
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
    return next((name for name in names if name.startswith("~")), ""), "the expression"
