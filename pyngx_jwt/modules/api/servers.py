"""The servers of a group, as the API shows and changes them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ...conf.values import parse_msec, parse_sec
from ...http.digits import TOO_LARGE, number_of
from ...log import Severity
from ...upstream.address import AddressError, parse_url
from ...upstream.peer import Peer
from ...upstream.roster import Edit, Roster
from ...upstream.shared import Shared
from ...upstream.upstream import Upstream
from ...zones import ZoneFull
from ...zones.store import PeersChanged
from .answers import Answer, ApiError, Value, method_disabled, not_found, parsed
from .text import hidden, shown
from .tree import identifier

TRIES = 20  # other workers may change the group at the same time
FLAGS = frozenset({"backup", "down", "drain"})
NUMBERS = frozenset({"weight", "max_conns", "max_fails"})
TIMES = frozenset({"fail_timeout", "slow_start"})
KNOWN = FLAGS | NUMBERS | TIMES | {"server", "route"}
OF_REQUESTS = frozenset({"drain", "route"})  # there are none in "stream"
LONGEST_ROUTE = 32
WRONG = {
    "weight": "UpstreamBadWeight",
    "max_conns": "UpstreamBadMaxConns",
    "max_fails": "UpstreamBadMaxFails",
    "fail_timeout": "UpstreamBadFailTimeout",
    "slow_start": "UpstreamBadSlowStart",
    "route": "UpstreamBadRoute",
}


def server_of(group: Upstream, peer: Peer) -> dict[str, Value]:
    """A server as a resource."""
    server = peer.server
    members: dict[str, Value] = {
        "id": identifier(group, peer.serial),
        "server": shown(peer.name),
        "weight": peer.weight // server.unit,
        "max_conns": peer.max_conns,
        "max_fails": peer.max_fails,
        "fail_timeout": f"{peer.fail_timeout}s",
        "slow_start": f"{server.slow_start:g}s",
        "route": shown(server.route),
        "backup": server.backup,
        "down": server.down,
    }
    if server.drain:
        members["drain"] = True
    if server.lookup is not None:
        members["host"] = shown(server.name)
    return members


class Servers:
    """Those of one group; `state` is the file that they are kept in, "" if there is none."""

    def __init__(self, group: Upstream, state: str, log: Any, *, is_stream: bool) -> None:
        self.group, self.state, self._log = group, state, log
        self.is_stream = is_stream

    @property
    def shared(self) -> Shared:
        """Raises ApiError."""
        shared = self.group.shared
        if shared is None:
            raise ApiError(400, "UpstreamStatic", "upstream is static")
        return shared

    # -- reading ---------------------------------------------------------------------------

    def all(self) -> list[Value]:
        peers = sorted(self.shared.look(), key=lambda one: identifier(self.group, one.serial))
        return [self._shown(peer) for peer in peers]

    def _shown(self, peer: Peer) -> Value:
        members = server_of(self.group, peer)
        if self.is_stream:
            return {name: value for name, value in members.items() if name not in OF_REQUESTS}
        return members

    def one(self, text: str) -> Peer:
        """The server of an ID; raises ApiError."""
        if not (text.isascii() and text.isdigit()):
            raise ApiError(400, "UpstreamBadServerId", "invalid server ID")
        number = number_of(text)
        if number == TOO_LARGE:
            raise ApiError(400, "UpstreamBadServerId", "invalid server ID")
        for peer in self.shared.look():
            if identifier(self.group, peer.serial) == number:
                return peer
        raise not_found("UpstreamServerNotFound", f'server with ID "{number}" does not exist')

    # -- changes ---------------------------------------------------------------------------

    def answer(self, method: str, ids: list[str], body: bytes, here: str) -> Answer:
        """Reads or changes; `here` is the path of the servers.  Raises ApiError."""
        if len(ids) > 1:
            raise not_found()
        if method in ("GET", "HEAD"):
            return Answer(200, self._shown(self.one(ids[0])) if ids else self.all())
        if not ids:
            if method != "POST":
                raise method_disabled(method)
            made = self.add(self._settings(body))
            assert isinstance(made, Mapping)
            return Answer(201, made, f"{here}/{made['id']}")
        if method == "PATCH":
            return Answer(200, self.change(ids[0], self._settings(body)))
        if method == "DELETE":
            return Answer(200, self.remove(ids[0]))
        raise method_disabled(method)

    def add(self, values: Mapping[str, Value]) -> Value:
        """A new server."""
        if "server" not in values:
            raise _bad('missing "server" argument')
        edit = _edit(values, None, self._port)
        self._check_backup(edit)
        last = self._replace(lambda roster: roster.added(edit)).last
        return self._shown(self._peer(last))

    def change(self, text: str, values: Mapping[str, Value]) -> Value:
        """Another version of a server."""
        peer = self.one(text)
        if "backup" in values:
            raise _bad('unknown parameter "backup"')
        self._check_mutable(peer, "address is immutable")
        edit = _edit(values, peer, self._port)
        self._replace(lambda roster: roster.changed(edit))
        return self._shown(self._peer(peer.serial))

    def remove(self, text: str) -> Value:
        """The servers that are left."""
        peer = self.one(text)
        self._check_mutable(peer, "not removable")
        self._replace(lambda roster: roster.without(peer.serial))
        return self.all()

    @property
    def _port(self) -> int:
        """That of addresses without one."""
        return 0 if self.is_stream else 80

    def _settings(self, body: bytes) -> Mapping[str, Value]:
        """The object in a body; raises ApiError."""
        value = parsed(body)
        if not isinstance(value, dict):
            raise _bad("object expected")
        known = KNOWN - OF_REQUESTS if self.is_stream else KNOWN
        for name in value:
            if name not in known and name != "id":
                raise _bad(f'unknown parameter "{name}"')
        return value

    def _peer(self, serial: int) -> Peer:
        return next(peer for peer in self.shared.look() if peer.serial == serial)

    def _check_mutable(self, peer: Peer, why: str) -> None:
        """Addresses that names were resolved to come and go with DNS."""
        if any(one.serial == peer.serial for one in self.shared.current().found):
            text = f'server "{identifier(self.group, peer.serial)}" {why}'
            raise ApiError(400, "UpstreamServerImmutable", text)

    def _check_backup(self, edit: Edit) -> None:
        if edit.backup and self.group.key is not None:
            text = f'upstream "{shown(self.group.name)}" has no backup'
            raise ApiError(400, "UpstreamNoBackup", text)

    def _replace(self, change: Any) -> Roster:
        """Changes the group for all workers."""
        for _ in range(TRIES):
            roster: Roster = change(self.shared.current())
            try:
                self.shared.change(roster)
            except PeersChanged:
                continue
            except ZoneFull:
                text = f'upstream "{shown(self.group.name)}" memory exhausted'
                raise ApiError(400, "UpstreamOutOfMemory", text) from None
            self._store()
            return roster
        raise ApiError(500, "UpstreamBusy", "upstream is being changed by others")

    def _store(self) -> None:
        """Writes the state file, from which the group is read at the next start."""
        if not self.state:
            return
        temporary = f"{self.state}.{os.getpid()}"
        try:
            with open(temporary, "wb") as file:
                for peer in self.shared.look():
                    file.write(_line(peer).encode("latin-1"))
            os.replace(temporary, self.state)
        except OSError as error:
            text = f'the state file "{self.state}" cannot be written: {error}'
            self._log.write(Severity.ERR, text)


def _line(peer: Peer) -> str:
    """A server as a directive."""
    server = peer.server
    words = [f"server {peer.name}"]
    for name, value, default in (
        ("weight", peer.weight // server.unit, 1),
        ("max_conns", peer.max_conns, 0),
        ("max_fails", peer.max_fails, 1),
    ):
        if value != default:
            words.append(f"{name}={value}")
    if peer.fail_timeout != 10:
        words.append(f"fail_timeout={peer.fail_timeout}s")
    if server.slow_start:
        words.append(f"slow_start={int(server.slow_start * 1000)}ms")
    if server.route:
        words.append(f"route={server.route}")
    words += [name for name in ("backup", "down", "drain") if getattr(server, name)]
    return " ".join(words) + ";\n"


# -- what clients send ------------------------------------------------------------------------


def _bad(text: str) -> ApiError:
    return ApiError(400, "UpstreamConfFormatError", text)


def _edit(values: Mapping[str, Value], peer: Peer | None, port: int) -> Edit:
    """A server with these values, and for the rest those that it has; raises ApiError."""
    edit = Edit(0, _address("127.0.0.1:80", port), "") if peer is None else _edit_of(peer)
    for name, value in values.items():
        if name == "server":
            edit = edit._replace(address=_address(value, port), name=hidden(str(value)))
        elif name != "id":
            edit = edit._replace(**{name: _value(name, value)})
    return edit


def _edit_of(peer: Peer) -> Edit:
    server = peer.server
    return Edit(
        peer.serial,
        peer.address,
        server.name,
        peer.weight // server.unit,
        peer.max_conns,
        peer.max_fails,
        peer.fail_timeout,
        server.backup,
        server.down,
        server.drain,
        server.slow_start,
        server.route,
    )


def _address(value: Value, port: int) -> Any:
    """`port` is that of an address without one, 0 if it must have one."""
    if not isinstance(value, str) or any(ord(c) <= 0x20 or c in ";{}" for c in value):
        raise ApiError(400, "UpstreamBadAddress", "invalid server address")
    try:
        url = parse_url(hidden(value), default_port=port, resolve=False)
    except AddressError as error:
        raise ApiError(400, "UpstreamBadAddress", f'{error} in upstream "{value}"') from None
    if not url.addresses:
        text = f'"{value}" is a name, only addresses can be added'
        raise ApiError(400, "UpstreamBadAddress", text)
    if not url.port and not url.text.startswith("unix:"):
        raise ApiError(400, "UpstreamBadAddress", f'no port in server "{value}"')
    return url.addresses[0]


def _value(name: str, value: Value) -> Any:
    """Of a parameter; raises ApiError, with one code for a wrong type and one for each parameter
    whose value cannot be."""
    kind = bool if name in FLAGS else int if name in NUMBERS else str
    if isinstance(value, dict | list):
        raise _bad("nested object or list")
    if type(value) is not kind:
        raise _bad(f'invalid "{name}" value')
    wrong = ApiError(400, WRONG.get(name, ""), f'invalid "{name}"')
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        if not (1 if name == "weight" else 0) <= value < 1 << 31:
            raise wrong
        return value
    text = str(value)
    if name == "route":
        if len(text) > LONGEST_ROUTE:
            raise ApiError(400, "UpstreamBadRoute", "route is too long")
        if any(ord(c) <= 0x20 or c in ";{}" for c in text):
            raise wrong
        return hidden(text)
    try:
        return parse_msec(text) / 1000 if name == "slow_start" else parse_sec(text)
    except ValueError:
        raise wrong from None
