"""What an HTTP/1 request head may be."""

from __future__ import annotations

from typing import NamedTuple

from ..http.head import RequestHead
from ..http.request import Server


class HeadOptions:
    """The directives that decide how a head is read, by their names; sizes in bytes."""

    __slots__ = (
        "allow_connect",
        "client_header_buffer_size",
        "ignore_invalid_headers",
        "large_client_header_buffers",
        "max_headers",
        "merge_slashes",
        "underscores_in_headers",
    )

    def __init__(
        self,
        client_header_buffer_size: int = 1024,
        large_client_header_buffers: tuple[int, int] = (4, 8192),
        max_headers: int = 1000,
        ignore_invalid_headers: bool = True,
        underscores_in_headers: bool = False,
        merge_slashes: bool = True,
        allow_connect: bool = False,
    ) -> None:
        self.client_header_buffer_size = client_header_buffer_size
        self.large_client_header_buffers = large_client_header_buffers
        self.max_headers = max_headers
        self.ignore_invalid_headers = ignore_invalid_headers
        self.underscores_in_headers = underscores_in_headers
        self.merge_slashes = merge_slashes
        self.allow_connect = allow_connect

    @property
    def most(self) -> int:
        """The largest head that the buffers hold, in bytes."""
        number, size = self.large_client_header_buffers
        return self.client_header_buffer_size + number * size


def head_options(server: Server) -> HeadOptions:
    """The limits and switches under which a server's request heads are read."""
    core = server.core
    return HeadOptions(
        client_header_buffer_size=core.client_header_buffer_size,
        large_client_header_buffers=core.large_client_header_buffers,
        max_headers=core.max_headers,
        ignore_invalid_headers=core.ignore_invalid_headers,
        underscores_in_headers=core.underscores_in_headers,
        merge_slashes=core.merge_slashes,
        allow_connect=core.allow_connect,
    )


DEFAULTS = HeadOptions()
Refusal = tuple[int, str]  # status and nginx's message, without " while reading ..."


class RefusedHead(NamedTuple):
    """A refused head: log the message at level info, answer the status, close."""

    status: int
    message: str
    head: RequestHead
    is_whole: bool = False  # all of its lines are good as such

    @property
    def names_server(self) -> bool:
        """Whether Host has been looked for before the head was refused."""
        return bool(self.head.host) or (self.is_whole and "host" not in self.head.index)


def refuse(
    refusal: Refusal, part: str, head: RequestHead, *, is_whole: bool = False
) -> RefusedHead:
    status, message = refusal
    text = f"{message} while reading client request {part}"
    return RefusedHead(status, text, head, is_whole)
