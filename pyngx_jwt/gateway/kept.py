"""Responses from the cache on their way to the client (ngx_http_upstream_cache_send)."""

from __future__ import annotations

from collections.abc import Awaitable
from functools import lru_cache

from ..cache import CacheEntry, Hold
from ..http.request import DONE, Request, Status
from ..log import Severity
from ..upstream.errors import BadResponse
from ..upstream.head import HTTP_09, PeerResponse
from ..upstream.reader import ResponseReader
from .answer import CopyHeaders, limit_rate_of
from .conf import GatewayConf
from .wire import Wire

HEADS = 256  # heads that are not parsed again


class KeptResponses:
    """How a location sends what it has kept."""

    def __init__(self, copy_headers: CopyHeaders, conf: GatewayConf, wire: Wire) -> None:
        self.copy_headers = copy_headers
        self.force_ranges = conf.force_ranges
        self.rate_ignored = "X-Accel-Limit-Rate" in conf.ignore_headers
        reader = wire.kept
        self.parse = lru_cache(HEADS)(lambda head: parse_kept(head, reader))

    def send(self, r: Request, hold: Hold) -> Awaitable[Status] | Status | None:
        """Sends the entry of the hold and closes it; what is not long is sent at once.

        None if the file holds no response: then the hold is still the caller's.
        """
        entry = hold.entry
        assert entry is not None
        response = self.parse(entry.head)
        if response is None or not _is_whole(r, response, entry):
            text = f'cache file "{entry.path}" contains invalid header'
            r.log(Severity.CRIT, text)
            return None
        waits = False
        try:
            self._copy_head(r, response)
            r.send_header()
            if r.header_only:
                return r.finish()
            if entry.fd < 0 and not r.rate:
                body = entry.body
                if body:
                    r.write(body)
                return r.finish()
            waits = True
            return _send_file(r, entry, hold)
        finally:
            if not waits:
                _close(hold)

    def _copy_head(self, r: Request, response: PeerResponse) -> None:
        r.cached, r.cached_response = True, response
        r.status, r.status_line = response.status, response.status_line or None
        self.copy_headers(r, response.names, response.headers)
        r.content_length = -1 if response.chunked else response.length
        r.disable_not_modified = r.single_range = False
        if self.force_ranges:
            r.allow_ranges = True
        if "x-accel-limit-rate" in response.names and not self.rate_ignored:
            position = response.names.index("x-accel-limit-rate")
            r.limit_rate = limit_rate_of(response.headers[position][1])


def _is_whole(r: Request, response: PeerResponse, entry: CacheEntry) -> bool:
    """Whether the file holds as much as its head announces: after a crash it may hold less, and
    the next answer on the connection would be read as the rest."""
    length = response.length
    bodiless = r.method == "HEAD" or response.status in (204, 304)
    return length < 0 or bodiless or length == entry.length - entry.header.body_start


def parse_kept(head: bytes, reader: ResponseReader) -> PeerResponse | None:
    """The response as it was stored; None if the file holds none, as one without a status."""
    try:
        response = reader.parse_head(head, len(head)) if head else None
    except BadResponse:
        return None
    return None if response is None or response.version == HTTP_09 else response


async def _send_file(r: Request, entry: CacheEntry, hold: Hold) -> Status:
    """Sends a body that is not in memory, as fast as the client takes it."""
    at, end, piece = entry.header.body_start, entry.length, r.piece
    try:
        while at < end:
            wanted = min(piece, end - at)
            data = entry.read(at, wanted, r.log)
            if data is None or len(data) < wanted:
                r.log(Severity.ALERT, f'pread() read less than {wanted} from "{entry.path}"')
                r.sink.abort()
                return DONE
            sending = r.send(data)
            del data  # it is not kept for as long as the client takes
            await sending
            at += wanted
        return r.finish()
    finally:
        _close(hold)


def _close(hold: Hold) -> None:
    """An update in the background still has the right to fetch."""
    if hold.background:
        hold.close_entry()
    else:
        hold.free()
        hold.close()
