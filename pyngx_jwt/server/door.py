"""A configuration behind the server of another program: what all such doors have in common.

That server owns the connections.  The head of a request is written out again and read by our own
reader, so that it means the same through every door; from there on it is the same Request, the
same locations and the same handlers.
"""

from __future__ import annotations

import asyncio
import contextlib
import os

from ..compile import Cycle, load
from ..core.worker import WorkerLife
from ..errors import ConfError
from ..http.head import RequestHead
from ..http.location import ServerNames
from ..http.ports import Built, ListenAddress
from ..http.request import Server
from ..http1.head import parse_head
from ..http1.head_types import HeadOptions, RefusedHead, head_options
from ..http1.response_head import DateClock
from ..log import FileTarget, Log, OpenFile, Severity
from ..modules.core import CoreConf
from ..modules.core.server_names import put_names
from ..options import Options, resolve_options
from ..zones import ZoneDirectory, start_zones
from ..zones.store import Counts


class Door:
    """Serves one address of a compiled configuration."""

    def __init__(self, cycle: Cycle, names: ServerNames[Server]) -> None:
        self.cycle, self.names = cycle, names
        self.default = names.default
        self.options = head_options(self.default)
        self.options_of: dict[Server, HeadOptions] = {self.default: self.options}
        self.clock = DateClock()
        self.accepted = self.requests = self.running = 0
        self.abandoned: set[asyncio.Task[None]] = set()  # requests that outlive their clients
        self._life: WorkerLife | None = None
        self._memory: ZoneDirectory | None = None

    def read_head(self, data: bytes) -> RequestHead | RefusedHead:
        """The server that Host names may take other header names than the default one."""
        head = parse_head(data, self.options)
        if isinstance(head, RefusedHead):
            return head
        server = self.names.find(head.host, None) or self.default
        if server not in self.options_of:
            self.options_of[server] = head_options(server)
        options = self.options_of[server]
        return head if options == self.options else parse_head(data, options, self.options)

    def count(self) -> Counts:
        """The connections, as far as they are known."""
        return Counts(self.running, 0, self.running, 0, self.accepted, self.requests)

    async def open(self) -> None:
        """Before the first request: directories, log files, zones, connections to upstreams."""
        cycle = self.cycle
        for directory in cycle.directories:
            with contextlib.suppress(FileExistsError):
                os.mkdir(directory.encode("latin-1"), 0o700)
        cycle.open_files.open()
        self._memory = start_zones(cycle.zones)
        cycle.start()
        self._life = WorkerLife(cycle.scope, self.count, owns_process=False)
        self._life.finishes(self.abandoned)
        self._life.start()
        await self._life.prepare()

    async def close(self) -> None:
        """After the last request."""
        cycle = self.cycle
        if self._life is not None:
            await self._life.end()
        cycle.exit()
        if self._memory is not None:
            self._memory.remove()
        cycle.open_files.flush(cycle.log)
        cycle.open_files.close()


def load_door_of(
    conf_file: str | os.PathLike[str],
    prefix: str | os.PathLike[str] | None,
    listen: str | None,
    *,
    allow_unsupported: bool,
    jwt_dialect: str,
) -> tuple[Cycle, ServerNames[Server]]:
    """A configuration and the servers of the address, by name.  Raises ConfError and ValueError."""
    paths = resolve_options(_path(prefix), _path(conf_file), None)
    options = Options(*paths, allow_unsupported=allow_unsupported, jwt_dialect=jwt_dialect)
    cycle = load(options, Log(FileTarget(OpenFile(""), Severity.WARN)))
    cycle.zones.check()
    return cycle, _names(cycle, listen)


def _path(path: str | os.PathLike[str] | None) -> str | None:
    return None if path is None else os.fsencode(path).decode("latin-1")


def _names(cycle: Cycle, listen: str | None) -> ServerNames[Server]:
    """The servers of one address by name; of equal names the first counts."""
    addresses: dict[str, ListenAddress] = {}
    built = cycle.scope.shared(Built)
    for port in built.ports.values():
        for address in port.addresses:
            addresses[address.listen.text] = address
    servers = built.servers
    if not servers:
        raise ConfError("no servers in the configuration")
    if listen is None:
        chosen = next(x for x in addresses.values() if servers[0] in x.levels)
    elif listen in addresses:
        chosen = addresses[listen]
    else:
        raise ValueError(f"nothing listens on {listen!r}, only on {', '.join(addresses)}")
    if any(settings.verifies for settings in (chosen.tls or {}).values()):
        raise ConfError(
            '"ssl_verify_client" is not supported in an application, which does not see '
            "certificates of clients"
        )
    names = ServerNames(chosen.names.default)
    for level, server in chosen.levels:
        put_names(names, level[CoreConf], server)
    return names
