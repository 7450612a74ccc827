"""A request without a client: what would arrive if a URL were requested."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, NamedTuple

from ..compile import Cycle
from ..errors import WrongWords
from ..http.body import KeptBody, check_size
from ..http.client import ForeignTls
from ..http.head import RequestHead
from ..http.incoming import choose_server, request_of
from ..http.location import ServerNames
from ..http.ports import Built, ListenAddress
from ..http.regex import RegexFailed
from ..http.request import Request, Server, Status
from ..http.subrequest import Kept
from ..http1.head import RefusedHead, parse_head
from ..http1.head_types import head_options
from ..modules.core import CoreConf
from ..modules.core.server_names import put_names
from ..stream.ports import StreamBuilt

PORTS = {"http": 80, "https": 443}
LOOPBACK = "127.0.0.1"
BODY_SIZE = 1 << 20  # bytes of an answer that are kept
_URL = re.compile(r"(https?)://(\[[^\]/?#]+\]|[^:/?#\[\]]+)(?::([0-9]{1,5}))?([^#]*)", re.I)
_FIELD = re.compile(r"([^\s:\0]+):[ \t]*([^\r\n\0]*)\Z")


class RequestSpecError(WrongWords):
    """The reason why no request can be made."""


class RequestUrl(NamedTuple):
    """``host`` is as written, without a port; of a path alone ``scheme`` and ``host`` are "" and
    ``port`` is 0."""

    scheme: str
    host: str
    port: int
    target: str
    has_port: bool


@dataclass(frozen=True, slots=True)
class RequestSpec:
    """A request to explain; ``fields`` are lines "Name: value", ``body`` is a length in bytes."""

    url: RequestUrl
    method: str = "GET"
    fields: tuple[str, ...] = ()
    client: str = "127.0.0.1"
    body: int = 0

    @property
    def text(self) -> str:
        url = self.url
        if not url.scheme:
            return f"{self.method} {url.target}"
        port = f":{url.port}" if url.has_port else ""
        return f"{self.method} {url.scheme}://{url.host}{port}{url.target}"


def parse_url(text: str) -> RequestUrl:
    """The parts of an absolute URL, or of a path; raises RequestSpecError."""
    if text.startswith("/"):
        return RequestUrl("", "", 0, text.partition("#")[0], False)
    match = _URL.fullmatch(text)
    if match is None or int(match[3] or 1) not in range(1, 65536):
        raise RequestSpecError(f'no http:// or https:// URL: "{text}"')
    scheme, target = match[1].lower(), match[4] or "/"
    target = target if target.startswith("/") else f"/{target}"
    port = int(match[3] or PORTS[scheme])
    return RequestUrl(scheme, match[2], port, target, match[3] is not None)


def parse_field(text: str) -> str:
    """A header line as it is sent; raises RequestSpecError."""
    match = _FIELD.match(text)
    if match is None:
        raise RequestSpecError(f'not a header field "Name: value": "{text}"')
    return f"{match[1]}: {match[2]}"


def parse_client(text: str) -> str:
    """An IP address; raises RequestSpecError."""
    try:
        return str(ip_address(text))
    except ValueError:
        raise RequestSpecError(f'not an IP address: "{text}"') from None


class _Tls(ForeignTls):
    """The TLS properties that variables read."""

    version = "TLSv1.3"
    cipher = "TLS_AES_256_GCM_SHA384"


@dataclass(slots=True)
class AbsentClient:
    """The Connection of a client that does not exist."""

    remote_addr: str
    server_addr: str
    server_port: str
    ssl: _Tls | None
    sni: str = ""
    number: int = 1
    requests: int = 1
    remote_port: str = "0"
    proxy_protocol: Any = None
    start: float = 0.0
    sent: int = 0
    closed: bool = False
    binary_remote_addr: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.binary_remote_addr = ip_address(self.remote_addr).packed

    def tcp_info(self) -> bytes:
        return b""


class Received(Kept):
    """The response that a client gets, up to BODY_SIZE."""

    has_body = True

    def header(self, r: Request) -> None:
        self.has_body = not (r.header_only or r.status in (204, 304))
        super().header(r)

    def write(self, data: bytes) -> None:
        if self.has_body:
            super().write(data)


@dataclass(slots=True)
class GivenBody:
    """A request body of which only the length is known; it has arrived with the head."""

    received: int
    complete: bool = True
    failed: Status = 0
    consumed: int = 0

    async def read(self) -> bytes:
        return b""

    def at_hand(self) -> bytes:
        return b""

    def expect_all(self) -> None:
        """There is no client to be slowed down."""


class Traced(Request):
    """A request that is followed."""

    page_begins: Callable[[Traced, Status], None]

    def begin_page(self, status: Status) -> None:
        self.page_begins(self, status)
        super().begin_page(status)

    async def send(self, data: bytes) -> None:
        """Without a client "limit_rate" does not apply."""
        self.write(data)


def take_given_body(r: Request) -> None:
    """Keeps the body as if it had been read, without any bytes to write to a file.

    Raises BodyError if it is too large."""
    main = r.main
    if isinstance(main.body_in, GivenBody) and main.body is None and not main.discards_body:
        length = main.body_in.received
        check_size(main, length, length)
        main.body = KeptBody(length=length)
        main.body_in.consumed = length


class Arrival(NamedTuple):
    """A request, the address that it arrives at, and remarks; a refused head has its refusal."""

    r: Traced
    address: ListenAddress
    refused: RefusedHead | None
    remarks: tuple[str, ...]
    is_mistaken: bool  # plain HTTP on a TLS port


def make_request(cycle: Cycle, spec: RequestSpec) -> Arrival:
    """The request that the servers of a configuration would see; raises RequestSpecError."""
    address, remarks = choose_address(cycle, spec)
    head = _read(spec, address)
    refused = head if isinstance(head, RefusedHead) else None
    listen = address.listen
    is_mistaken = bool(listen.ssl) and spec.url.scheme == "http"
    tls = _Tls() if listen.ssl and not is_mistaken else None
    host = (spec.url.host.strip("[]") if _is_ip(spec.url.host) else LOOPBACK) or LOOPBACK
    client = AbsentClient(
        spec.client,
        host if listen.wildcard else listen.host,
        str(listen.port),
        tls,
        "" if tls is None or _is_ip(spec.url.host) else spec.url.host,
    )
    understood = head.head if isinstance(head, RefusedHead) else head
    r = request_of(understood, client, Received(BODY_SIZE), address.names, Traced)
    assert isinstance(r, Traced)
    try:
        if address.names.has_regexes:
            choose_server(r, address.names)
    except RegexFailed as error:
        refused = RefusedHead(500, f"server_name: {error}", understood)
    if refused is not None:
        r.content_length_in, r.chunked_in = -1, False
    elif r.content_length_in > 0 or r.chunked_in:
        r.body_in = GivenBody(spec.body if r.chunked_in else r.content_length_in)
    return Arrival(r, address, refused, remarks, is_mistaken)


def _is_ip(host: str) -> bool:
    try:
        return bool(ip_address(host.strip("[]")))
    except ValueError:
        return False


def _read(spec: RequestSpec, address: ListenAddress) -> RequestHead | RefusedHead:
    lines, url = list(spec.fields), spec.url
    if not _has(lines, "host"):
        host = url.host or "localhost"
        lines.insert(0, f"Host: {host}:{url.port}" if url.has_port else f"Host: {host}")
    if spec.body and not (_has(lines, "content-length") or _has(lines, "transfer-encoding")):
        lines.append(f"Content-Length: {spec.body}")
    text = "\r\n".join([f"{spec.method} {spec.url.target} HTTP/1.1", *lines, "", ""])
    data = text.encode("latin-1")
    default = address.names.default
    head = parse_head(data, head_options(default))
    if isinstance(head, RefusedHead):
        return head
    server = address.names.find(head.host, None) or default
    return head if server is default else parse_head(data, head_options(server))


def _has(lines: list[str], name: str) -> bool:
    return any(line.lower().startswith(f"{name}:") for line in lines)


def choose_address(cycle: Cycle, spec: RequestSpec) -> tuple[ListenAddress, tuple[str, ...]]:
    """The address that the request arrives at: by port, then by address, then by name."""
    ports = cycle.scope.shared(Built).ports.values()
    every = [address for port in ports for address in port.addresses]
    every = [address for address in every if address.listen.port]
    url, remarks = spec.url, []
    candidates = [address for address in every if address.listen.port == url.port]
    if not candidates and (url.scheme or not every):
        _check_stream(cycle, url.port)
    if not every:
        raise RequestSpecError("the configuration has no server that listens on a port")
    host = (url.host or _named(spec)).strip("[]")
    if not candidates:
        candidates = _of_scheme(every, url.scheme)
    exact = [address for address in candidates if address.listen.host == host]
    known = [address for address in candidates if _knows(address, host)]
    chosen = (exact or known or [a for a in candidates if a.listen.wildcard] or candidates)[0]
    if not url.scheme:
        return chosen, ()
    if chosen.listen.port != url.port:
        remarks.append(f"nothing listens on port {url.port}: taken as on {chosen.listen.text}")
    elif chosen.listen.ssl and url.scheme == "http":
        remarks.append(f"{chosen.listen.text} wants TLS, this is plain HTTP")
    elif not chosen.listen.ssl and url.scheme == "https":
        remarks.append(f"{chosen.listen.text} is without TLS: taken as if that ended before it")
    return chosen, tuple(remarks)


def _of_scheme(addresses: list[ListenAddress], scheme: str) -> list[ListenAddress]:
    """Those with TLS for "https", those without for "http"; all if there are no such."""
    if not scheme:
        return addresses
    with_tls = scheme == "https"
    return [a for a in addresses if bool(a.listen.ssl) == with_tls] or addresses


def _check_stream(cycle: Cycle, number: int) -> None:
    """Raises RequestSpecError if it is a port of "stream"."""
    for port in cycle.scope.shared(StreamBuilt).ports.values():
        for address in port.addresses:
            statement = address.levels[0][0].statement if address.levels else None
            if address.listen.port == number and statement is not None:
                raise RequestSpecError(
                    f'{address.listen.text} is an address of "stream": the server in '
                    f"{statement.file}:{statement.line} serves connections, and sees no requests"
                )


def _named(spec: RequestSpec) -> str:
    """The host of the Host header."""
    lines = (line for line in spec.fields if line.lower().startswith("host:"))
    return next(lines, "").partition(":")[2].strip(" \t").partition(":")[0]


def _knows(address: ListenAddress, host: str) -> bool:
    return names_of(address).find_without_request(host.lower().rstrip(".")) is not None


def names_of(address: ListenAddress) -> ServerNames[Server]:
    """The names of all servers of an address; it looks none up itself if it has one server."""
    names = ServerNames(address.names.default)
    for level, server in address.levels:
        put_names(names, level[CoreConf], server)
    return names
