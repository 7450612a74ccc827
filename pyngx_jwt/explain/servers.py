"""The server that a request is for, and why the others are not chosen."""

from __future__ import annotations

from ..modules.core import CoreConf
from .lines import Result, shown
from .request import Arrival, names_of
from .trip import Trip, level_of

MOST = 8  # servers that are named


def report_server(arrival: Arrival, trip: Trip) -> None:
    """Adds the server, and the others of its address."""
    server, host = arrival.r.server, arrival.r.host
    level = trip.at = level_of(server.location)
    match = None
    if arrival.refused is None:
        match = names_of(arrival.address).find_without_request(host)
    text = f"{shown(server.name or 'without a name')}, on {arrival.address.listen.text}"
    if match is None:
        text += ", the default server there"
    trip.add(Result.NOTE, "server", text, level.statement)
    for remark in arrival.remarks:
        trip.add(Result.NOTE, "server", remark)
    others = [inner for inner, other in arrival.address.levels if other is not server]
    if match is not None and (others or server.name != host):
        name, kind = _name_of(level[CoreConf], host)
        trip.add(Result.NOTE, "", f"{kind} {shown(name)}", *level.set_by("server_name"))
    elif others:
        trip.add(Result.NOTE, "", f'no server_name matches "{shown(host)}"')
    for other in others[:MOST]:
        names_text = ", ".join(map(shown, other[CoreConf].server_names)) or "without a name"
        trip.add(Result.NOTE, "", f"not server {names_text}", other.statement)
    if len(others) > MOST:
        trip.add(Result.NOTE, "", f"nor {len(others) - MOST} more")


def _name_of(conf: CoreConf, host: str) -> tuple[str, str]:
    """The name that matches, and what kind it is."""
    names = conf.server_names
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
    matching = (name for name, regex in conf.name_regexes.items() if regex.test(host))
    return next(matching, ""), "the expression"
