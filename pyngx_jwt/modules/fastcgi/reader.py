"""What a FastCGI server answers to one request (ngx_http_fastcgi_process_header)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...gateway.cgi import parse_cgi
from ...http.request import Request
from ...log import Severity
from ...upstream.head import PeerResponse
from ...upstream.reader import AFTER_LENGTH
from .records import Output, Records

BODILESS = (204, 304)


class FastcgiReader:
    """Reads the responses of one request: of each server that it is tried at."""

    excess_level = Severity.WARN

    def __init__(self, r: Request, *, keeps: bool, marks: Sequence[str]) -> None:
        self._r, self._keeps, self._marks = r, keeps, marks
        self._records: Records

    def new_layer(self) -> Records:
        self._records = Records(self._report, self._marks)
        return self._records

    def _report(self, text: str) -> None:
        doing = "response header from upstream" if self._records.body is None else "upstream"
        self._r.log(Severity.ERR, f"{text} while reading {doing}")

    def parse_head(self, data: bytes, buffer_size: int, at: int = 0) -> PeerResponse | None:
        response = parse_cgi(data, buffer_size, at, has_status_line=False)
        if response is None:
            return None
        response.trailed = True
        response.close = not self._keeps
        length = 0 if response.status in BODILESS else response.length
        # HEAD: an application may send a body all the same, or only its length
        self._records.body = Output(-1 if self._r.method == "HEAD" else length, keeps=self._keeps)
        return response

    def decoder(self, response: PeerResponse, limit: int, *, keeps_trailers: bool) -> Output:
        assert self._records.body is not None
        return self._records.body

    def excess(self, response: PeerResponse) -> str:
        return AFTER_LENGTH


class KeptReader:
    """Reads the head of a response that a cache has kept, in its records."""

    excess_level = Severity.WARN
    new_layer: Callable[[], Records] | None = None

    def parse_head(self, data: bytes, buffer_size: int, at: int = 0) -> PeerResponse | None:
        """What the server wrote to its error stream has been logged before."""
        records = Records(lambda text: None)
        head = b"".join(records.unwrap(data[at:]))
        return parse_cgi(head, buffer_size, 0, has_status_line=False)

    def decoder(self, response: PeerResponse, limit: int, *, keeps_trailers: bool) -> Output:
        return Output(response.length, keeps=False)

    def excess(self, response: PeerResponse) -> str:
        return AFTER_LENGTH
