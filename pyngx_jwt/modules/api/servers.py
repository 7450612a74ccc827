"""The servers of a group, as the API shows and changes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from ...conf.values import parse_msec, parse_sec
from ...core.state_file import replace_state
from ...http.digits import TOO_LARGE, number_of
from ...log import Severity, fault_text
from ...upstream.address import AddressError, PeerAddress, Url, parse_url
from ...upstream.peer import Named, Peer, PeerServer, named_servers
from ...upstream.roster import Edit, Found, Lookup, Roster
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
KNOWN = FLAGS | NUMBERS | TIMES | {"server", "route", "service"}
OF_REQUESTS = frozenset({"drain", "route"})  # there are none in "stream"
LONGEST_ROUTE = 32
LONGEST_WORD = 1024  # bytes; what is longer than a configuration can have would stop the next start
UNPLAIN = frozenset("\x7f;{}\"'\\#$")  # has a meaning in a configuration
WRONG = {
    "weight": "UpstreamBadWeight",
    "max_conns": "UpstreamBadMaxConns",
    "max_fails": "UpstreamBadMaxFails",
    "fail_timeout": "UpstreamBadFailTimeout",
    "slow_start": "UpstreamBadSlowStart",
    "route": "UpstreamBadRoute",
}


class Entry(NamedTuple):
    """A server as the API knows it: a peer, or a name that is resolved at run time, whose
    addresses are peers (`found`) that have it as their `parent`."""

    serial: int
    text: str  # the address or name
    server: PeerServer
    weight: int
    address: PeerAddress | None = None
    found: Found | None = None
    parent: Named | None = None


def entry_of(peer: Peer, found: Found | None, parent: Named | None) -> Entry:
    weight = peer.weight // peer.server.unit
    return Entry(peer.serial, peer.name, peer.server, weight, peer.address, found, parent)


def members_of(group: Upstream, entry: Entry) -> dict[str, Value]:
    """A server as a resource."""
    server = entry.server
    members: dict[str, Value] = {
        "id": identifier(group, entry.serial),
        "server": shown(entry.text),
        "weight": entry.weight,
        "max_conns": server.max_conns,
        "max_fails": server.max_fails,
        "fail_timeout": f"{server.fail_timeout}s",
        "slow_start": f"{server.slow_start:g}s",
        "route": shown(server.route),
        "backup": server.backup,
        "down": server.down,
    }
    if server.drain:
        members["drain"] = True
    if entry.parent is not None:
        members["parent"] = str(identifier(group, entry.parent.serial))
        members["host"] = shown(entry.parent.lookup.host)
    elif server.lookup is not None and server.lookup.service:
        members["service"] = shown(server.lookup.service)
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
        return [self._shown(entry) for entry in self._entries()]

    def _entries(self) -> list[Entry]:
        """By their IDs; raises ApiError."""
        return self._entries_of(self.shared.look(), self.shared.current())

    def _entries_of(self, peers: Iterable[Peer], roster: Roster) -> list[Entry]:
        shared = self.shared
        named = {one.serial: one for one in named_servers(shared.servers, roster)}
        found = {one.serial: one for one in roster.found}
        entries = [
            Entry(one.serial, one.server.name, one.server, one.server.weight)
            for one in named.values()
        ]
        for peer in peers:
            one = found.get(peer.serial)
            entries.append(entry_of(peer, one, None if one is None else named.get(one.parent)))
        return sorted(entries, key=lambda one: identifier(self.group, one.serial))

    def _shown(self, entry: Entry) -> Value:
        members = members_of(self.group, entry)
        if self.is_stream:
            return {name: value for name, value in members.items() if name not in OF_REQUESTS}
        return members

    def one(self, text: str) -> Entry:
        """The server of an ID; raises ApiError."""
        if not (text.isascii() and text.isdigit()):
            raise ApiError(400, "UpstreamBadServerId", "invalid server ID")
        number = number_of(text)
        if number == TOO_LARGE:
            raise ApiError(400, "UpstreamBadServerId", "invalid server ID")
        return self._among(self._entries(), number)

    def _among(self, entries: Iterable[Entry], number: int) -> Entry:
        for entry in entries:
            if identifier(self.group, entry.serial) == number:
                return entry
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
        edit = self._edited(values, NEW)
        self._check_backup(edit)
        last = self._replace(lambda roster: roster.added(edit)).last
        return self._shown(self._entry(last))

    def change(self, text: str, values: Mapping[str, Value]) -> Value:
        """Another version of a server."""
        entry = self.one(text)
        for name in ("backup", "service"):
            if name in values:
                raise _bad(f'unknown parameter "{name}"')

        def changed(roster: Roster) -> Roster:
            now = self._entry_in(roster, entry.serial)
            self._check_mutable(now, values)
            return roster.changed(self._edited(values, _edit_of(now)))

        self._replace(changed)
        return self._shown(self._entry(entry.serial))

    def remove(self, text: str) -> Value:
        """The servers that are left."""
        entry = self.one(text)
        if entry.found is not None:
            raise self._immutable(entry, "not removable")

        def removed(roster: Roster) -> Roster:
            return roster.without(self._entry_in(roster, entry.serial).serial)

        self._replace(removed)
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

    def _edited(self, values: Mapping[str, Value], edit: Edit) -> Edit:
        """The server with these values, and for the rest those that it has; raises ApiError."""
        service = values.get("service", "")
        if not isinstance(service, str):
            raise _bad('invalid "service" value')
        if "service" in values and not service:
            raise ApiError(400, "UpstreamBadService", '"service" is empty')
        if service and not _is_plain(hidden(service)):
            raise ApiError(400, "UpstreamBadService", 'invalid "service"')
        for name, value in values.items():
            if name == "server":
                edit = self._placed(edit, value, hidden(service))
            elif name not in ("id", "service"):
                edit = edit._replace(**{name: _value(name, value)})
        return edit

    def _placed(self, edit: Edit, value: Value, service: str) -> Edit:
        """At an address, or at those of a name; raises ApiError."""
        url = _url(value, self._port)
        text = hidden(str(value))
        if edit.lookup is not None:
            return edit
        if not (service or url.port or url.text.startswith("unix:")):
            raise _bad_address(f'no port in server "{value}"')
        if url.addresses and not service:
            return edit._replace(address=url.addresses[0], name=text, lookup=None)
        if edit.serial:
            raise ApiError(400, "UpstreamBadAddress", f'invalid "server" argument "{value}"')
        if service and not url.no_port:
            raise _bad_address(f'service upstream "{value}" may not have port')
        if url.addresses:
            raise _bad_address(f'service upstream "{value}" requires domain name')
        if not self.shared.takes_names:
            text = f'no resolver defined to resolve "{value}"'
            raise ApiError(400, "UpstreamConfNoResolver", text)
        return edit._replace(name=text, lookup=Lookup(url.host, url.port, service))

    def _entry(self, serial: int) -> Entry:
        return self._among(self._entries(), identifier(self.group, serial))

    def _entry_in(self, roster: Roster, serial: int) -> Entry:
        """A server as it is in the roster of now: another worker, or DNS, may have changed or
        removed it since it was found.  Raises ApiError."""
        entries = self._entries_of(self.shared.peers.all, roster)
        return self._among(entries, identifier(self.group, serial))

    def _check_mutable(self, entry: Entry, values: Mapping[str, Value]) -> None:
        """DNS says which addresses a name has, and the weights of those of a service."""
        if "server" in values and values["server"] != shown(entry.text):
            if entry.address is None or entry.found is not None:
                raise self._immutable(entry, "address is immutable")
        elif "weight" in values and entry.parent is not None and entry.parent.lookup.service:
            raise self._immutable(entry, "weight is immutable", "UpstreamServerWeightImmutable")

    def _immutable(self, entry: Entry, why: str, code: str = "UpstreamServerImmutable") -> ApiError:
        return ApiError(400, code, f'server "{identifier(self.group, entry.serial)}" {why}')

    def _check_backup(self, edit: Edit) -> None:
        if edit.backup and self.group.key is not None:
            text = f'upstream "{shown(self.group.name)}" has no backup'
            raise ApiError(400, "UpstreamNoBackup", text)

    def _replace(self, change: Callable[[Roster], Roster]) -> Roster:
        """Changes the group for all workers; raises ApiError."""
        for _ in range(TRIES):
            roster = change(self.shared.current())
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
        try:
            lines = "".join(_line(entry) for entry in self._entries() if entry.found is None)
            replace_state(self.state, lines.encode("latin-1"))
        except (OSError, ValueError) as error:
            why = fault_text(error) if isinstance(error, OSError) else error
            text = f'the state file "{self.state}" cannot be written: {why}'
            self._log.write(Severity.ERR, text)


def _line(entry: Entry) -> str:
    """A server as a directive; raises ValueError for what would be something else there."""
    server = entry.server
    words = [f"server {entry.text}"]
    if server.lookup is not None:
        words.append("resolve")
        words += [f"service={server.lookup.service}"] if server.lookup.service else []
    for name, value, default in (
        ("weight", entry.weight, 1),
        ("max_conns", server.max_conns, 0),
        ("max_fails", server.max_fails, 1),
    ):
        if value != default:
            words.append(f"{name}={value}")
    if server.fail_timeout != 10:
        words.append(f"fail_timeout={server.fail_timeout}s")
    if server.slow_start:
        words.append(f"slow_start={int(server.slow_start * 1000)}ms")
    if server.route:
        words.append(f"route={server.route}")
    words += [name for name in ("backup", "down", "drain") if getattr(server, name)]
    for word in (entry.text, *words[1:]):
        if not _is_plain(word):
            raise ValueError(f'"{word}" cannot be in it')
    return " ".join(words) + ";\n"


def _is_plain(text: str) -> bool:
    """Whether it is one word of a configuration, and means there what it says."""
    return len(text) <= LONGEST_WORD and not any(c <= " " or c in UNPLAIN for c in text)


# -- what clients send ------------------------------------------------------------------------


def _bad(text: str) -> ApiError:
    return ApiError(400, "UpstreamConfFormatError", text)


NEW = Edit(0, None, "")


def _edit_of(entry: Entry) -> Edit:
    """What stands for a server as it is."""
    server = entry.server
    return Edit(
        entry.serial,
        entry.address,
        server.name,
        entry.weight,
        server.max_conns,
        server.max_fails,
        server.fail_timeout,
        server.backup,
        server.down,
        server.drain,
        server.slow_start,
        server.route,
        server.lookup if entry.address is None else None,
    )


def _bad_address(text: str) -> ApiError:
    return ApiError(400, "UpstreamBadAddress", text)


def _url(value: Value, port: int) -> Url:
    """Of a server; `port` is that of one without, 0 if it must have one.  Raises ApiError."""
    if not isinstance(value, str) or not _is_plain(hidden(value)):
        raise _bad_address("invalid server address")
    try:
        url = parse_url(hidden(value), default_port=port, resolve=False)
    except AddressError as error:
        raise _bad_address(f'{error} in upstream "{value}"') from None
    return url


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
        if not _is_plain(hidden(text)):
            raise wrong
        return hidden(text)
    try:
        return parse_msec(text) / 1000 if name == "slow_start" else parse_sec(text)
    except ValueError:
        raise wrong from None
