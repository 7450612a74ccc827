"""The course of a request at one server, for logs and variables."""

from __future__ import annotations

from ..upstream.head import PeerResponse


class UpstreamState:
    """The course of a request at one server (ngx_http_upstream_state_t); times in seconds,
    -1 where it did not come to that."""

    status = 0
    started = 0.0
    connect_time = -1.0
    header_time = -1.0
    response_time = -1.0
    queue_time = -1.0
    response_length = 0
    bytes_received = 0
    bytes_sent = 0
    response: PeerResponse | None = None
    server = ""  # as the configuration names it
    group = ""  # the name of the group that it is of
    failed = False  # it counts as a failure of the server
    disabled = False  # and the server was disabled for a while

    def __init__(self, peer: str, url: str = "", *, status: int = 0, started: float = 0.0) -> None:
        self.peer, self.url = peer, url
        self.status, self.started = status, started

    def field(self, name: str) -> str | None:
        """A field of the response by its lower-case name, repeated ones joined by ", "."""
        values = self.fields(name)
        return ", ".join(values) if values else None

    def fields(self, name: str) -> list[str]:
        """The values of a field of the response by its lower-case name."""
        response = self.response
        if response is None or name not in response.names:
            return []
        headers = zip(response.names, response.headers, strict=True)
        return [value for key, (_, value) in headers if key == name]

    def particulars(self) -> str:
        """What log lines say about the server."""
        return f', upstream: "{self.url}"' if self.url else ""
