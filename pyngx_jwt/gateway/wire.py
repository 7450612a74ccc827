"""What a protocol has of its own: how requests are written and responses are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from ..http.request import Request
from ..http.template import Text
from ..upstream.address import Url
from ..upstream.client import PeerConnection
from ..upstream.reader import HTTP1, ResponseReader
from .answer import Copy
from .scheme import BARE, Scheme

KEY: Final = "gateway"  # of the Outgoing among a request's contexts


class Outgoing:
    """A request on its way to an upstream; variables of the protocol read it."""

    __slots__ = (
        *("body_length", "chunked", "is_head", "reader", "scheme", "sends_body", "uri", "vars"),
    )

    def __init__(self, vars: Any) -> None:
        self.vars = vars  # what the protocol knows of the target, and of the request
        self.body_length = -1
        self.chunked = False  # the body is passed on as it comes, its length unknown
        self.sends_body = False  # something follows the head
        self.is_head = False  # the method is HEAD: no body follows the response's head
        self.scheme = self.uri = ""  # the protocol and its URI, for the log
        self.reader: ResponseReader = HTTP1  # of the response


class UnwritableRequest(Exception):
    """The request cannot be written: why, for the log; it is answered 500."""


class SplitHead(UnwritableRequest):
    """A variable holds a line break: the upstream would read other headers, or two requests."""

    def __init__(self) -> None:
        super().__init__("line break in a request to upstream, the request is not sent")


class Wire:
    """One location's way of speaking a protocol; made when the configuration is loaded."""

    uri_part: bool  # whether an address may have a URI behind it
    hidden: frozenset[str]  # response headers that clients do not get
    whole_heads: bool  # whether a response that names no Server and Date shall have none
    takes_body: bool  # whether requests can have one
    streams_unknown_length: bool  # whether a body can be passed on before its length is known
    upgrades: bool  # whether a response can make a tunnel of the connection
    kept: ResponseReader  # of a response that a cache has kept
    connection: type[PeerConnection]  # how it is carried
    schemes: Mapping[str, Scheme]  # what can stand before an address; "" where none can
    own_body: Text | None  # what is sent in the place of the client's body, None if that is
    special: Mapping[str, Copy]  # response headers that are not just copied

    def describe(self, scheme: str, url: Url, *, from_variables: bool) -> Any:
        """What the protocol's variables say of a target: `Outgoing.vars`."""
        raise NotImplementedError

    def build(self, r: Request, out: Outgoing, *, validates: bool) -> bytes:
        """What is sent before the body; `validates`: with the fields by which a cache asks
        whether its response is still good.  Sets `out.scheme`, and what else of `out` the
        protocol has; raises UnwritableRequest."""
        raise NotImplementedError

    def lines(self, head: bytes) -> list[str]:
        """What was built, for people: the request line, then a line for each field."""
        raise NotImplementedError

    def address(self, out: Outgoing) -> str:
        """Where it goes, for people: "http://backend"."""
        raise NotImplementedError

    def host(self, out: Outgoing) -> str:
        """The server's name for TLS, where none is configured; it may have a port."""
        raise NotImplementedError

    def frame(self, out: Outgoing, data: bytes, *, last: bool) -> bytes:
        """Bytes of the body as they are sent; they can be none, if they are the last."""
        raise NotImplementedError

    def key(self, r: Request, out: Outgoing) -> str:
        """The key under which a cache keeps the response where none is configured; "": such a
        response is not kept."""
        raise NotImplementedError


class AddressVars(NamedTuple):
    """What such a protocol knows of a request: where it goes."""

    scheme: str
    address: str


class AddressWire(Wire):
    """Of protocols whose targets are addresses and nothing else, and whose bodies go as they
    are: what such wires have in common."""

    scheme: str  # of an address that has none
    uri_part = False
    whole_heads = False
    streams_unknown_length = False

    def __init__(self) -> None:
        self.own_body: Text | None = None
        self.schemes: Mapping[str, Scheme] = BARE
        self.special: Mapping[str, Copy] = {}
        self.connection: type[PeerConnection] = PeerConnection

    def describe(self, scheme: str, url: Url, *, from_variables: bool) -> AddressVars:
        return AddressVars(scheme or self.scheme, url.text)

    def address(self, out: Outgoing) -> str:
        return f"{out.vars.scheme}://{out.vars.address}"

    def host(self, out: Outgoing) -> str:
        name: str = out.vars.address
        return name

    def key(self, r: Request, out: Outgoing) -> str:
        """There is none by default: nothing is kept without a configured one."""
        return ""

    def frame(self, out: Outgoing, data: bytes, *, last: bool) -> bytes:
        return data


def outgoing(r: Request) -> Outgoing | None:
    """What is on its way to an upstream, for variables."""
    out: Outgoing | None = r.contexts.get(KEY)
    return out
