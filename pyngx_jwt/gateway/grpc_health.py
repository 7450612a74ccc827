"""The gRPC health checking protocol: grpc.health.v1.Health/Check.

https://github.com/grpc/grpc/blob/master/doc/health-checking.md
"""

from __future__ import annotations

from ..http.digits import number_of
from ..upstream.head import PeerResponse
from .match import Seen

PATH = "/grpc.health.v1.Health/Check"
FIELDS = (("Content-Type", "application/grpc"), ("TE", "trailers"))
SERVING = 1
DOING = "checking grpc status"


class GrpcTests:
    """The server is to say that the service is served, or to respond with another status that is
    expected of it."""

    needs_body = True  # and trailers behind it

    def __init__(self, status: int) -> None:
        self.status = status

    def judge(self, seen: Seen) -> tuple[bool, str]:
        status = _status(seen.response)
        if self.status and status == self.status:
            return True, DOING
        return status == 0 and _health(seen.body.encode("latin-1")) == SERVING, DOING


def health_request(service: str) -> bytes:
    """A HealthCheckRequest as a message of gRPC: not compressed, its length, the message."""
    name = service.encode()
    message = b"\x0a" + _varint(len(name)) + name if name else b""
    return b"\0" + len(message).to_bytes(4, "big") + message


def _varint(number: int) -> bytes:
    data = bytearray()
    while number > 0x7F:
        data.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*data, number])


def _status(response: PeerResponse) -> int | None:
    """Of the trailers, or of a head that has nothing behind it."""
    for name, value in (*response.trailers, *response.headers):
        if name.lower() == "grpc-status":
            return number_of(value) if value.isascii() and value.isdigit() else None
    return None


def _health(data: bytes) -> int | None:
    """The status in a HealthCheckResponse, whose only field is the first; 0 is its default."""
    message = data[5:]
    if data[:1] != b"\0" or int.from_bytes(data[1:5], "big") != len(message):
        return None
    if not message:
        return 0
    return message[1] if len(message) == 2 and message[0] == 0x08 else None
