"""The request body: read into memory or a file, or thrown away."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator

from ..log import Severity, errno_text
from .client import BodyError
from .request import Request

CHUNK = 65536


class KeptBody:
    """A whole request body: in memory, or in a file that is unlinked already or kept."""

    __slots__ = ("data", "fd", "keep", "length", "parts", "path")

    def __init__(
        self, data: bytes = b"", fd: int = -1, path: str = "", length: int = 0, keep: bool = False
    ) -> None:
        self.data = data
        self.fd = fd
        self.path = path
        self.length = length
        self.keep = keep
        self.parts: list[bytes] = []

    def chunks(self) -> Iterator[bytes]:
        """The body in pieces of bounded size; can be asked for again."""
        if self.fd < 0:
            if self.data:
                yield self.data
            return
        at = 0
        while data := os.pread(self.fd, CHUNK, at):
            at += len(data)
            yield data

    def close(self) -> None:
        """Closes the file, and removes it unless it is to be kept."""
        if self.fd < 0:
            return
        os.close(self.fd)
        self.fd = -1
        if not self.keep:
            try:
                os.unlink(self.path)
            except OSError:
                return


async def read_body(r: Request) -> KeptBody:
    """Reads the whole body, once; raises BodyError with the status that answers a bad one.

    More than client_body_buffer_size goes into a file below client_body_temp_path.
    """
    if r.discards_body:
        return KeptBody()
    if r.body is not None:
        kept: KeptBody = r.body
        return kept
    r.continue_client()
    body = r.body = KeptBody()
    source = r.body_in  # a subrequest has none: it gets what its main request has read
    if source is None:
        return body
    source.expect_all()
    in_memory = _room_for(r) if stays_in_memory(r) else 0
    while data := await source.read():
        check_size(r, source.received, len(data))
        _keep(r, body, data, in_memory)
    if body.fd < 0 and not in_memory:
        _open_file(r, body)
    if body.fd < 0:
        body.data = b"".join(body.parts)
        body.parts = []
    return body


def take_body(r: Request) -> KeptBody | None:
    """The whole body if it has come already and is no longer than client_body_buffer_size;
    None if not.

    So what follows a request head in the same packet need not be streamed."""
    source = r.body_in
    if r.body is not None or source is None or not source.complete:
        kept: KeptBody | None = r.body
        return kept
    if source.failed or source.received > _room_for(r):
        return None
    data = source.at_hand()
    check_size(r, source.received, len(data))
    body = r.body = KeptBody(data, length=len(data))
    return body


def stays_in_memory(r: Request) -> bool:
    """Whether a body that finds room there is not put in a file."""
    only: str = r.location.core.client_body_in_file_only
    return only == "off"


def _room_for(r: Request) -> int:
    """The bytes of the body that find room in memory.  As in nginx an HTTP/1 body of known length
    that is less than a quarter longer than client_body_buffer_size does so as a whole."""
    size: int = r.location.core.client_body_buffer_size
    fits = r.http_version < 2000 and r.content_length_in < size + size // 4
    return max(size, r.content_length_in) if fits else size


def check_size(r: Request, received: int, last: int) -> None:
    """Raises BodyError(413) once more came than client_max_body_size allows."""
    limit = r.location.core.client_max_body_size
    if received > limit > 0:
        size = f"{received - last}+{last}"
        r.log(Severity.ERR, f"client intended to send too large chunked body: {size} bytes")
        raise BodyError(413)


def _keep(r: Request, body: KeptBody, data: bytes, in_memory: int) -> None:
    body.length += len(data)
    if body.fd < 0:
        body.parts.append(data)
        if body.length <= in_memory:
            return
        _open_file(r, body)
        data, body.parts = b"".join(body.parts), []
    view = memoryview(data)
    try:
        while view:
            written = os.write(body.fd, view)
            view = view[written:]
    except OSError as error:
        r.log(Severity.CRIT, f'write() "{body.path}" failed {errno_text(error)}')
        raise BodyError(500) from None


def _open_file(r: Request, body: KeptBody) -> None:
    core = r.location.core
    directory = core.temp_directory()
    try:
        body.fd, body.path = tempfile.mkstemp(dir=directory)
    except OSError as error:
        r.log(Severity.CRIT, f'open() "{directory}" failed {errno_text(error)}')
        raise BodyError(500) from None
    body.keep = core.client_body_in_file_only == "on"
    r.log(Severity.WARN, f"a client request body is buffered to a temporary file {body.path}")
