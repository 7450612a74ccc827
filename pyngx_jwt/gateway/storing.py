"""Responses that are stored as files, for good (ngx_http_upstream_store)."""

from __future__ import annotations

import os
from collections.abc import Awaitable

from ..cache import Writer, move
from ..http.date import parse_http_time
from ..http.level import Level
from ..http.request import Request, Status
from ..log import Severity, errno_text
from ..upstream.head import HTTP_09, PeerResponse
from .conf import BufferedConf
from .response_side import ResponseSide
from .writing import BodyWriter


class StoreRules:
    """Where a location stores the responses it passes on, and for whom."""

    def __init__(self, conf: BufferedConf, level: Level) -> None:
        path = conf.store_to.path if conf.store_to is not None else None
        self.path = path.bind(level.variables) if path is not None else None
        self.access, self.temp_files = conf.store_for, conf.temp_files

    def path_of(self, r: Request) -> str:
        """The file of a response; "" is none."""
        return self.path(r) if self.path is not None else r.location.path_of(r)

    def new_keeper(self, r: Request) -> StoreKeeper:
        return StoreKeeper(self, r)


class StoreKeeper(BodyWriter):
    """Stores a response with status 200 that has come whole."""

    validates = False

    def __init__(self, rules: StoreRules, r: Request) -> None:
        self.rules, self.r = rules, r
        self.modified: int | None = None  # seconds, of the file

    def broken_off(self, head: bytes) -> None:
        """Nothing to store."""

    async def give_up(self, exchange: ResponseSide, status: Status, failure: str) -> Status:
        return status

    def instead_of(
        self, exchange: ResponseSide, response: PeerResponse
    ) -> Awaitable[Status] | None:
        return None

    def intercepted(self, status: Status) -> None:
        """Nothing to store."""

    def head_copied(self, exchange: ResponseSide, response: PeerResponse) -> None:
        """The file has the time of the response."""
        text = exchange.state.field("last-modified")
        self.modified = parse_http_time(text) if text else None

    async def send_body(self, exchange: ResponseSide, response: PeerResponse) -> Status:
        is_body = response.status == 200 and response.version != HTTP_09 and not self._is_head()
        if not is_body or not exchange.buffers(response):
            sent = exchange.send_body(response)
            return sent if isinstance(sent, int) else await sent
        writer = Writer(self.rules.temp_files.file, b"", self.r.log)
        return await self.write_body(exchange, response, writer)

    def _is_head(self) -> bool:
        return self.r.method == "HEAD"

    def commit(self, exchange: ResponseSide, writer: Writer) -> None:
        path = self.rules.path_of(self.r)
        if not path or not writer.flush():
            return
        mode = self.rules.access
        try:
            os.chmod(writer.path, mode)
            if self.modified is not None:
                os.utime(writer.path, (self.modified, self.modified))
        except OSError as error:
            self.r.log(Severity.CRIT, f'chmod() "{writer.path}" failed {errno_text(error)}')
            return
        # who may read a file may look into its directory (ngx_dir_access)
        if move(writer.path, path, self.r.log, mode=mode, path_mode=mode | (mode & 0o444) >> 2):
            writer.close()
            self.writer = None

    def discard(self, writer: Writer) -> None:
        writer.abort()
