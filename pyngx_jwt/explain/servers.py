"""The server that a request is for, and why the others are not chosen."""

from __future__ import annotations

from ..modules.core import CoreConf
from .lines import Result, shown
from .request import Arrival
from .trip import Trip, level_of

MOST = 8  # servers that are named


def report_server(arrival: Arrival, trip: Trip) -> None:
    """Adds the server, and the others of its address."""
    names, server = arrival.address.names, arrival.r.server
    level = trip.at = level_of(server.location)
    match = None if arrival.refused is not None else names.find(arrival.r.host, arrival.r)
    text = f"{shown(server.name or 'without a name')}, on {arrival.address.listen.text}"
    if match is None and (server.name != arrival.r.host):
        text += ", the default server there"
    trip.add(Result.NOTE, "server", text, level.statement)
    for remark in arrival.remarks:
        trip.add(Result.NOTE, "server", remark)
    others = [inner for inner, other in arrival.address.levels if other is not server]
    if match is not None and others:
        name, kind = _name_of(level[CoreConf].server_names, arrival.r.host)
        trip.add(Result.NOTE, "", f"{kind} {shown(name)}", *level.set_by("server_name"))
    elif others:
        trip.add(Result.NOTE, "", f'no server_name matches "{shown(arrival.r.host)}"')
    for other in others[:MOST]:
        names_text = ", ".join(map(shown, other[CoreConf].server_names)) or "without a name"
        trip.add(Result.NOTE, "", f"not server {names_text}", other.statement)
    if len(others) > MOST:
        trip.add(Result.NOTE, "", f"nor {len(others) - MOST} more")


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
