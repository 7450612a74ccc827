"""The head of an HTTP/2 or HTTP/3 request: its fields, read as nginx reads them.

Sources: ngx_http_v2_validate_header, ngx_http_v2_pseudo_header and what it calls,
ngx_http_v2_state_process_header, ngx_http_v2_run_request; ngx_http_v3_process_header and what it
calls, ngx_http_v3_process_request_header.

Otherwise than nginx: a head is read when it is complete, so that of several things that are wrong
another one may be logged.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ..http.head import RequestHead, new_head
from ..http.uri import normalize
from ..http1.head import read_length
from ..http1.head_types import HeadOptions, Refusal, RefusedHead, refuse
from ..http1.header_lines import KNOWN, TOO_MANY, join_repeated
from ..http1.host import validate_host
from .blocks import Field

OptionsOf = Callable[[str], HeadOptions | None]  # by the name of the host; None: HTTP/2 is off
VERSION_2, VERSION_3 = 2000, 3000


def read_head(
    fields: list[Field],
    length: int,
    options: HeadOptions,
    options_of: OptionsOf,
    *,
    end: bool,
    version: int = VERSION_2,
) -> RequestHead | RefusedHead:
    """The head that a header block of that length holds; `end`: it comes without a body."""
    head = new_head(length, "")
    head.http_version = version
    refusal = _Fields(head, options, options_of).read(fields) or _check(head, options_of, end)
    if refusal is None:
        return head
    return refuse(refusal, "headers", head)


def repeat_head(
    before: RequestHead, path: str, length: int, options: HeadOptions
) -> RequestHead | None:
    """The head of a request that is another one but for its path, as read_head reads it; None
    where that has to find out what is wrong with the path.

    `headers` and `index` are shared with the other head; they are not changed."""
    if not path or path[0] != "/" or _NOT_IN_PATH(path):
        return None
    normal = normalize(path, options.merge_slashes)
    if normal is None:
        return None
    head = RequestHead()
    head.length, head.http_version = length, before.http_version
    head.method, head.unparsed_uri = before.method, path
    head.uri, head.args, head.quoted_uri, head.plus_in_uri = normal
    head.request_line = _line_of(head)
    head.headers, head.index = before.headers, before.index
    head.host, head.port, head.dropped = before.host, before.port, before.dropped
    head.content_length, head.chunked = before.content_length, before.chunked
    return head


def _line_of(head: RequestHead) -> str:
    protocol = "HTTP/2.0" if head.http_version == VERSION_2 else "HTTP/3.0"
    return f"{head.method} {head.unparsed_uri} {protocol}"


class _Fields:
    """Takes the fields of a head one after the other."""

    __slots__ = ("authority", "cookies", "head", "options", "options_of", "quote", "scheme")

    def __init__(self, head: RequestHead, options: HeadOptions, options_of: OptionsOf) -> None:
        self.head, self.options, self.options_of = head, options, options_of
        self.scheme = self.authority = ""
        self.quote = '"' if head.http_version == VERSION_3 else ""  # of names in messages
        self.cookies: list[str] = []

    def read(self, fields: list[Field]) -> Refusal | None:
        head = self.head
        for name, value in fields:
            if name[0] == ":":
                wrong = self._read_pseudo(name, value)
            elif not head.request_line and (wrong := self._complete_line()) is not None:
                return wrong
            else:
                wrong = self._read_field(name, value)
            if wrong is not None:
                return wrong
        wrong = None if head.request_line else self._complete_line()
        return wrong or self._finish()

    # -- pseudo-headers --------------------------------------------------------------------

    def _read_pseudo(self, name: str, value: str) -> Refusal | None:
        read = _PSEUDO.get(name)
        if read is None or _NOT_IN_VALUE(value):
            wrong = _check_field(name[1:], name, value)
            if wrong is not None:
                return wrong
        if self.head.request_line:
            return 400, "client sent out of order pseudo-headers"
        if read is None:
            return 400, f'client sent unknown pseudo-header "{name}"'
        return read(self, value)

    def _shown(self, name: str) -> str:
        return f"{self.quote}{name}{self.quote}"

    def _read_method(self, value: str) -> Refusal | None:
        head = self.head
        if head.method:
            return 400, f"client sent duplicate {self._shown(':method')} header"
        if not value:
            return 400, f"client sent empty {self._shown(':method')} header"
        head.method = value
        if not _METHOD(value):
            return 400, f'client sent invalid method: "{value}"'
        return None

    def _read_scheme(self, value: str) -> Refusal | None:
        if self.scheme:
            return 400, f"client sent duplicate {self._shown(':scheme')} header"
        if not value:
            return 400, f"client sent empty {self._shown(':scheme')} header"
        if not _SCHEME(value):
            return 400, f'client sent invalid {self._shown(":scheme")} header: "{value}"'
        self.scheme = value
        return None

    def _read_path(self, value: str) -> Refusal | None:
        head = self.head
        if head.unparsed_uri:
            return 400, f"client sent duplicate {self._shown(':path')} header"
        if not value:
            return 400, f"client sent empty {self._shown(':path')} header"
        if value[0] != "/" or _NOT_IN_PATH(value):
            return 400, f'client sent invalid {self._shown(":path")} header: "{value}"'
        head.unparsed_uri = value
        normal = normalize(value, self.options.merge_slashes)
        if normal is None:
            return 400, "client sent invalid request"
        head.uri, head.args, head.quoted_uri, head.plus_in_uri = normal
        return None

    def _read_authority(self, value: str) -> Refusal | None:
        if self.authority:
            return 400, 'client sent duplicate ":authority" header'
        valid = validate_host(value)
        if valid is None:
            return 400, 'client sent invalid ":authority" header'
        self.authority = value
        self._take_host(valid)
        return None

    def _take_host(self, host: tuple[str, int]) -> None:
        self.head.host, self.head.port = host
        self.options = self.options_of(host[0]) or self.options

    def _complete_line(self) -> Refusal | None:
        head = self.head
        if not (head.method and self.scheme and head.unparsed_uri):
            name = ":path" if head.method and self.scheme else ":scheme"
            return 400, f"client sent no {self._shown(name if head.method else ':method')} header"
        head.request_line = _line_of(head)
        return None

    # -- fields ----------------------------------------------------------------------------

    def _read_field(self, name: str, value: str) -> Refusal | None:
        head, options = self.head, self.options
        if not (name in _NAMES or _USUAL(name)) or "\0" in value or "\n" in value or "\r" in value:
            wrong = _check_field(name, name, value)
            if wrong is not None:
                return wrong
            if options.ignore_invalid_headers and not (
                options.underscores_in_headers and _WITH_UNDERSCORE(name)
            ):
                if isinstance(head.dropped, list):
                    head.dropped.append(name)
                else:
                    head.dropped = [name]
                return None
        if name == "cookie":
            self.cookies.append(value)
            return None
        if len(head.headers) >= options.max_headers:
            return TOO_MANY
        head.headers.append((name, value))
        head.index[name] = value
        if name == "host":
            return self._read_host(value)
        return None

    def _read_host(self, value: str) -> Refusal | None:
        valid = validate_host(value)
        if valid is None:
            return 400, "client sent invalid host header"
        if not self.head.host:
            self._take_host(valid)
        return None

    def _finish(self) -> Refusal | None:
        head = self.head
        if self.cookies:
            value = "; ".join(self.cookies)
            head.headers.append(("cookie", value))
            head.index["cookie"] = value
        if len(head.index) != len(head.headers):
            wrong = join_repeated(head, len(head.headers))
            if wrong is not None:
                return wrong
        if self.authority:
            host = head.index.get("host", self.authority)
            if host != self.authority:
                return 400, ('client sent ":authority" and "Host" headers with different values')
            if head.http_version == VERSION_3:  # which has no "Host" of its own in nginx
                return None
            head.index["host"] = host
            if not head.headers or ("host", host) not in head.headers:
                head.headers.append(("host", host))
        return None


_PSEUDO: dict[str, Callable[[_Fields, str], Refusal | None]] = {
    ":method": _Fields._read_method,
    ":scheme": _Fields._read_scheme,
    ":path": _Fields._read_path,
    ":authority": _Fields._read_authority,
}


def _check_field(name: str, shown: str, value: str) -> Refusal | None:
    """What no field may hold, whatever is configured."""
    if _NOT_IN_NAME(name):
        return 400, f'client sent invalid header name: "{shown}"'
    if _NOT_IN_VALUE(value):
        return 400, f'client sent header "{shown}" with invalid value: "{value}"'
    return None


def _check(head: RequestHead, options_of: OptionsOf, end: bool) -> Refusal | None:
    """What fields of a whole head say about each other."""
    get = head.index.get
    if options_of(head.host) is None:
        return 421, (
            "client attempted to request the server name for which the negotiated protocol is "
            "disabled"
        )
    for name, shown in _FORBIDDEN.items():
        if name in head.index:
            return 400, f'client sent "{shown}" header'
    te = get("te")
    if te is not None and te.lower() != "trailers":
        return 400, 'client sent invalid "TE" header'
    if not head.host:
        return 400, 'client sent neither ":authority" nor "Host" header'
    length = get("content-length")
    if length is not None:
        head.content_length = read_length(length)
        if head.content_length < 0:
            return 400, 'client sent invalid "Content-Length" header'
        if head.content_length > 0 and end:
            return 400, "client prematurely closed stream"
    elif not end:
        head.chunked = True
    if head.method in ("CONNECT", "TRACE"):
        return 405, f"client sent {head.method} method"
    return None


_FORBIDDEN = {
    "connection": "Connection",
    "keep-alive": "Keep-Alive",
    "proxy-connection": "Proxy-Connection",
    "transfer-encoding": "Transfer-Encoding",
    "upgrade": "Upgrade",
}
_NAMES = frozenset(known.key for known in KNOWN.values())  # of the most usual fields
_METHOD = re.compile("[A-Z_-]+").fullmatch
_SCHEME = re.compile("[A-Za-z][A-Za-z0-9+.-]*").fullmatch
_USUAL = re.compile("[a-z0-9-]+").fullmatch
_WITH_UNDERSCORE = re.compile("[a-z0-9_-]+").fullmatch
_NOT_IN_NAME = re.compile("[\x00-\x20\x7f:A-Z]").search
_NOT_IN_VALUE = re.compile("[\0\r\n]").search
_NOT_IN_PATH = re.compile("[\x00-\x20\x7f]").search
