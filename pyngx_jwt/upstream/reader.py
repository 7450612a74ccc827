"""How a protocol's responses are read; a connection is handed a reader for each exchange."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from ..log import Severity
from .body import Chunked, Counted, Decoder, UntilClose
from .head import HTTP_09, SWITCHING_PROTOCOLS, PeerResponse, parse_head
from .layer import Layer

AFTER_LENGTH = 'upstream sent more data than specified in "Content-Length" header'
_AFTER_CHUNKS = "upstream sent data after final chunk"


class ResponseReader(Protocol):
    """Knows where a head ends and what follows it."""

    @property
    def new_layer(self) -> Callable[[], Layer] | None:
        """Makes what unwraps a response, of protocols with records."""

    def parse_head(self, data: bytes, buffer_size: int, at: int = 0) -> PeerResponse | None:
        """The head that begins at `at`, None while it is not whole; raises BadResponse."""

    def decoder(self, response: PeerResponse, limit: int, *, keeps_trailers: bool) -> Decoder:
        """What finds the end of the body; `limit` are the bytes that a line may have."""

    @property
    def excess_level(self) -> Severity:
        """How the log tells of data behind the end."""

    def excess(self, response: PeerResponse) -> str:
        """What is wrong with them."""


class Http1Reader:
    """Responses of HTTP/1."""

    new_layer: Callable[[], Layer] | None = None

    def __init__(self) -> None:
        self.excess_level = Severity.WARN
        self.parse_head = parse_head

    def decoder(self, response: PeerResponse, limit: int, *, keeps_trailers: bool) -> Decoder:
        if response.status == SWITCHING_PROTOCOLS or response.version == HTTP_09:
            return UntilClose()
        if response.chunked:
            return Chunked(response.trailers if keeps_trailers else None, limit)
        return UntilClose() if response.length < 0 else Counted(response.length)

    def excess(self, response: PeerResponse) -> str:
        return _AFTER_CHUNKS if response.chunked else AFTER_LENGTH


HTTP1: Final = Http1Reader()
