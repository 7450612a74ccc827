"""Writes one line for all requests of a session (NGINX Plus).

A session begins with a request whose id is not known, and ends when none has come for a while.  Its
line is written then, with what the variables were for the first request, but $body_bytes_sent of
all of them.  All workers share the sessions, the first worker writes them.  A reload keeps those
that are active; when the server stops, they are lost.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import struct
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from ..conf.directive import Conf, directive, own
from ..conf.scope import Scope
from ..conf.values import parse_sec
from ..core.logs import Logs
from ..core.worker import WorkerLife
from ..errors import ConfError
from ..http.contexts import EVERYWHERE, HTTP
from ..http.level import Level
from ..http.module import Module
from ..http.request import Request
from ..http.template import Template, Text
from ..log import OpenFile, OpenFiles
from ..zones import Zone, Zones
from ..zones.store import DictEntry, SharedDict
from .limits import parse_zone
from .log import COMBINED, Format, piece, piece_of_format

INTERVAL = 1.0  # seconds between looks for sessions that have ended
_IS_ID = re.compile("[0-9a-fA-F]{32}").fullmatch
_SENT = struct.Struct("=Q")  # bytes of bodies, before the line
SENT_PART = (True, "body_bytes_sent")  # of a format
PLACE = "\0"  # of the sum in a line, where no character is zero


class SessionFormats:
    """The formats of a configuration by name."""

    def __init__(self) -> None:
        self.by_name = {"combined": Format((Template(COMBINED),))}


class SessionZone(NamedTuple):
    """One "session_log_zone"; `timeout` is in seconds."""

    zone: Zone
    file: OpenFile
    format: str
    timeout: int
    id: Template
    md5: Template


class SessionZones:
    """The zones of a configuration by name."""

    def __init__(self) -> None:
        self.by_name: dict[str, SessionZone] = {}
        self.stores: dict[str, SharedDict] = {}  # of this process

    def store(self, name: str) -> SharedDict:
        if name not in self.stores:
            self.stores[name] = self.by_name[name].zone.dictionary()
        return self.stores[name]


class SessionLogConf(Conf):
    session_zone: SessionZone | None = None
    bound: SessionId | None = own(None)
    _off = own(False)

    @directive(
        HTTP, default='combined "..."', syntax="session_log_format name string ...", arity=(2, 99)
    )
    def session_log_format(self, name: str, *strings: str) -> None:
        """Defines a format for session logs.  The value of $body_bytes_sent is the sum of all
        requests of a session; the values of other variables are those of the first request."""
        formats = self.scope.shared(SessionFormats).by_name
        if name in formats:
            raise ConfError(f'duplicate "session_log_format" name "{name}"')
        formats[name] = Format(tuple(map(piece_of_format, strings)))

    @directive(
        HTTP,
        syntax="session_log_zone path zone=name:size [format=format] [timeout=time] [id=id] "
        "[md5=md5]",
        arity=(2, 6),
    )
    def session_log_zone(self, path: str, *parameters: str) -> None:
        """Declares a zone for the sessions that are active, and the file that they are written to
        when there was no request for "timeout" (30s by default).  "id" identifies the session: an
        MD5 hash in hexadecimal.  If it is not valid, the MD5 hash of "md5" is used."""
        zone, given = "", dict[str, str]()
        for word in parameters:
            key, sign, value = word.partition("=")
            if not sign or key not in ("zone", "format", "timeout", "id", "md5"):
                raise ConfError(f'invalid parameter "{word}"')
            if key == "zone":
                zone = word
            else:
                given[key] = value
        if not zone:
            raise ConfError('"session_log_zone" must have "zone" parameter')
        format_name = given.get("format", "combined")
        if format_name not in self.scope.shared(SessionFormats).by_name:
            raise ConfError(f'unknown session log format "{format_name}"')
        name, size = parse_zone(zone)
        zones = self.scope.shared(SessionZones).by_name
        declared = self.scope.shared(Zones).add(name, size, "session_log")
        if name in zones:
            raise ConfError(f'session_log_zone "{name}" is duplicate')
        zones[name] = SessionZone(
            declared,
            self.scope.shared(OpenFiles).add(self.scope.full_name(path)),
            format_name,
            _timeout(given.get("timeout", "30s")),
            Template(given.get("id", "")),
            Template(given.get("md5", "")),
        )

    @directive(EVERYWHERE, default="off")
    def session_log(self, zone: str) -> None:
        """Logs the sessions of requests in a zone; "off" cancels an inherited value."""
        if self._off or vars(self).get("session_zone") is not None:
            raise ConfError("is duplicate")
        if zone == "off":
            self.session_zone, self._off = None, True
            return
        zones = self.scope.shared(SessionZones).by_name
        if zone not in zones:
            raise ConfError(f'unknown session_log_zone "{zone}"')
        self.session_zone = zones[zone]


def _timeout(text: str) -> int:
    try:
        return parse_sec(text)
    except ValueError:
        raise ConfError(f'invalid parameter "timeout={text}"') from None


session_log = Module("session_log", SessionLogConf)


# -- requests -------------------------------------------------------------------------------


@session_log.variable("session_log_id")
def session_log_id(r: Request) -> str:
    """The id of the session that the request belongs to, in hexadecimal."""
    return _id_of(r).hex()


@session_log.variable("session_log_binary_id")
def session_log_binary_id(r: Request) -> str:
    """The id of the session that the request belongs to, 16 bytes."""
    return _id_of(r).decode("latin-1")


def _id_of(r: Request) -> bytes:
    conf: SessionLogConf = r.location.conf(SessionLogConf)
    return b"" if conf.bound is None else conf.bound.find(r)


class SessionId(NamedTuple):
    """What says to which session a request belongs."""

    id: Text
    md5: Text

    def find(self, r: Request) -> bytes:
        """16 bytes."""
        text = self.id(r)
        if _IS_ID(text):
            return bytes.fromhex(text)
        return hashlib.md5(self.md5(r).encode("latin-1")).digest()


@session_log.after_merge
def bind_ids(conf: SessionLogConf, level: Level) -> None:
    if level.context is HTTP:  # unknown variables of unused zones are errors, too
        for each in level.scope.shared(SessionZones).by_name.values():
            _bound(each, level)
    if conf.session_zone is not None:
        conf.bound = _bound(conf.session_zone, level)


def _bound(zone: SessionZone, level: Level) -> SessionId:
    return SessionId(zone.id.bind(level.variables), zone.md5.bind(level.variables))


@session_log.log
def count_request(conf: SessionLogConf, level: Level) -> Callable[[Request], None] | None:
    """Adds the request to its session."""
    zone, bound = conf.session_zone, conf.bound
    if zone is None or bound is None:
        return None
    zones = level.scope.shared(SessionZones)
    line = _line(zone, level)

    def count(r: Request) -> None:
        main, now = r.main, int(time.time() * 1000)
        ends, sent = now + zone.timeout * 1000, max(0, main.bytes_sent - main.header_size)
        ended = list[bytes]()

        def add(session: DictEntry | None) -> DictEntry:
            ended.clear()
            if session is not None and not session.has_expired(now):
                (before,) = _SENT.unpack_from(session.value)
                return DictEntry(_SENT.pack(before + sent) + session.value[_SENT.size :], 0, ends)
            if session is not None:  # which has not been written yet
                ended.append(session.value)
            return DictEntry(_SENT.pack(sent) + line(r), 0, ends)

        store = zones.store(zone.zone.name)
        if not store.update(bound.find(r), now, add, evicts=False).done:
            ended[:] = [_SENT.pack(sent) + line(r)]  # there is no room: a session of its own
        for session in ended:
            zone.file.write(_written(session), r.location.log)

    return count


def _line(zone: SessionZone, level: Level) -> Callable[[Request], bytes]:
    """The line of a first request, with a place for the bytes that all will have sent."""
    chosen = level.scope.shared(SessionFormats).by_name[zone.format]
    parts = [part for template in chosen.templates for part in template.parts]
    pieces = [
        _place if part == SENT_PART else piece(part, chosen.escape, level.variables)
        for part in parts
    ]

    def line(r: Request) -> bytes:
        return ("".join([text(r) for text in pieces]) + "\n").encode("latin-1")

    return line


def _place(r: Request) -> str:
    return PLACE


def _written(session: bytes) -> bytes:
    """The line of a session."""
    (sent,) = _SENT.unpack_from(session)
    return session[_SENT.size :].replace(PLACE.encode(), b"%d" % sent)


# -- lines ----------------------------------------------------------------------------------


@session_log.worker_starts
def write_sessions(scope: Scope, life: WorkerLife) -> None:
    """One worker writes the sessions that have ended."""
    zones = scope.shared(SessionZones)
    if zones.by_name and life.number == 0:
        life.until_quit(_write(scope, zones))


async def _write(scope: Scope, zones: SessionZones) -> None:
    while True:
        await asyncio.sleep(INTERVAL)
        for name, zone in zones.by_name.items():
            for line in _ended(zones.store(name)):
                zone.file.write(line, scope.shared(Logs).main)


def _ended(store: SharedDict) -> Iterator[bytes]:
    """The lines of sessions that have ended, which are forgotten."""
    now = int(time.time() * 1000)
    for key in [key for key, entry in store.entries() if entry.has_expired(now)]:
        yield from map(_written, _take(store, key, now))


def _take(store: SharedDict, key: bytes, now: int) -> list[bytes]:
    """The session, unless another worker has taken it or a request has begun a new one."""
    taken = list[bytes]()

    def take(session: DictEntry | None) -> DictEntry | None:
        taken.clear()
        if session is None or not session.has_expired(now):
            return session
        taken.append(session.value)
        return None

    store.update(key, now, take)
    return taken
