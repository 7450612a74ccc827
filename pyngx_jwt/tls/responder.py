"""Asks a responder for the state of a certificate, over HTTP/1.0 (ngx_ssl_ocsp_request)."""

from __future__ import annotations

import asyncio
import base64
import re
from typing import Any, NamedTuple
from urllib.parse import quote

from ..log import errno_text
from .ocsp import Answer, OcspError, Question

PREFIX = "http://"
_LARGEST = 16384  # bytes of a response with its head
_HEAD_END = re.compile(rb"\n\r?\n")
_TYPE = b"application/ocsp-response"


class Responder(NamedTuple):
    """Where states are asked for."""

    host: str
    port: int = 80
    path: str = "/"

    async def ask(self, question: Question, store: Any) -> tuple[Answer, bytes]:
        """The verified state, and the response in DER; raises OcspError."""
        data = await self._get(question.encoded())
        return question.answered(data, store), data

    async def _get(self, request: bytes) -> bytes:
        slash = "" if self.path.endswith("/") else "/"
        name = quote(base64.b64encode(request).decode(), safe="")
        head = f"GET {self.path}{slash}{name} HTTP/1.0\r\nHost: {self.host}\r\n\r\n"
        try:
            reader, writer = await asyncio.open_connection(self.host, self.port)
        except OSError as error:
            raise OcspError(f"connect() failed {errno_text(error)}") from None
        try:
            writer.write(head.encode("latin-1"))
            return _body(await _read(reader))
        except OSError as error:
            raise OcspError(f"recv() failed {errno_text(error)}") from None
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader) -> bytes:
    data = b""
    while part := await reader.read(_LARGEST + 1 - len(data)):
        data += part
        if len(data) > _LARGEST:
            raise OcspError("OCSP responder sent invalid response")
    return data


def _body(data: bytes) -> bytes:
    if not data:
        raise OcspError("OCSP responder prematurely closed connection")
    end = _HEAD_END.search(data)
    first, *lines = data[: end.start()].split(b"\n") if end else [b""]
    version, _, rest = first.partition(b" ")
    if end is None or not version.startswith(b"HTTP/"):
        raise OcspError("OCSP responder sent invalid response")
    if rest[:3] != b"200":
        raise OcspError(f"OCSP responder sent status {rest[:3].decode('latin-1')}")
    for line in lines:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-type" and value.strip().lower() != _TYPE:
            shown = value.strip().decode("latin-1")
            raise OcspError(f'OCSP responder sent invalid "Content-Type" header: "{shown}"')
    return data[end.end() :]


def parse_responder(url: str) -> Responder | None:
    """The responder of a URL, None if its scheme is not http; raises ValueError."""
    if url[: len(PREFIX)].lower() != PREFIX:
        return None
    address, slash, path = url[len(PREFIX) :].partition("/")
    host, colon, port = address.rpartition(":") if not address.endswith("]") else (address, "", "")
    if not colon:
        host, port = address, "80"
    number = int(port)
    if not 0 < number < 65536:
        raise ValueError("invalid port")
    if not host:
        raise ValueError("no host")
    return Responder(host.strip("[]"), number, slash + path or "/")
