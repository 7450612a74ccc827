"""What a memcached server answers to one "get" (ngx_http_memcached_process_header)."""

from __future__ import annotations

from collections.abc import Callable

from ...log import Severity
from ...upstream.body import Counted, Decoder
from ...upstream.errors import BadResponse
from ...upstream.head import HTTP_10, MAX_LENGTH, PeerResponse
from ...upstream.layer import Layer

END = b"\r\nEND\r\n"  # behind a value


class MemcachedReader:
    """Reads the value of a key; the connection of one that is not wanted is closed."""

    excess_level = Severity.ERR
    new_layer: Callable[[], Layer] | None = None

    def __init__(self, key: str, gzip_flag: int, *, wanted: bool) -> None:
        self.key, self.gzip_flag, self.wanted = key, gzip_flag, wanted

    def parse_head(self, data: bytes, buffer_size: int, at: int = 0) -> PeerResponse | None:
        """The line before a value, or the one that says that there is none."""
        end = data.find(b"\n", at, at + buffer_size)
        if end < 0:
            if len(data) - at >= buffer_size:
                raise BadResponse("upstream sent too big header")
            return None
        line = data[at:end].decode("latin-1")
        if not line.endswith("\r"):
            raise _invalid(line)
        return self._response(line[:-1], end + 1 - at)

    def _response(self, line: str, size: int) -> PeerResponse:
        if line == "END":
            remark = Severity.INFO, f'key: "{self.key}" was not found by memcached'
            return PeerResponse(404, "", HTTP_10, [], [], size, length=0, remark=remark)
        if not line.startswith("VALUE "):
            raise _invalid(line)
        if not line.startswith(self.key, 6):
            raise self._wrong("key", line)
        flags, blank, length = line[6 + len(self.key) :].removeprefix(" ").partition(" ")
        if not blank or line[6 + len(self.key)] != " ":
            raise _invalid(line)
        if self.gzip_flag and not _is_number(flags):
            raise self._wrong("flags", line)
        if not _is_number(length):
            raise self._wrong("length", line)
        response = PeerResponse(200, "", HTTP_10, [], [], size, length=int(length), trailed=True)
        response.close = not self.wanted
        if self.gzip_flag & int(flags if self.gzip_flag else 0):
            response.headers.append(("Content-Encoding", "gzip"))
            response.names.append("content-encoding")
        return response

    def _wrong(self, what: str, line: str) -> BadResponse:
        text = f'memcached sent invalid {what} in response "{line}" for key "{self.key}"'
        return BadResponse(text)

    def decoder(self, response: PeerResponse, limit: int, *, keeps_trailers: bool) -> Decoder:
        return Value(response.length) if response.trailed else Counted(0)

    def excess(self, response: PeerResponse) -> str:
        return "memcached sent invalid trailer"


def _invalid(line: str) -> BadResponse:
    return BadResponse(f'memcached sent invalid response: "{line}"')


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= MAX_LENGTH


class Value:
    """A value of known length, and the lines that end it.  Others in their place are left over:
    the value is whole, and the connection of no more use."""

    __slots__ = ("_end", "_left")
    open_ended = False

    def __init__(self, length: int) -> None:
        self._left, self._end = length, END

    def feed(self, data: bytes, out: list[bytes]) -> bytes | None:
        if self._left and data:
            value = data[: self._left]
            out.append(value)
            self._left -= len(value)
            data = data[len(value) :]
        if not self._end.startswith(data):
            return data
        self._end = self._end[len(data) :]
        return None if self._end else b""
