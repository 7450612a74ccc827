"""The Request of a head that has been read: the one maker of what clients send."""

from __future__ import annotations

from .client import Connection
from .head import RequestHead
from .location import ServerNames
from .regex import RegexFailed
from .request import Request, Server, Sink, Status


def request_of(
    head: RequestHead,
    connection: Connection,
    sink: Sink,
    names: ServerNames[Server],
    kind: type[Request] = Request,
) -> Request:
    """The client's request, at the server that its Host names, or at the default one; without
    its body.  Where names are expressions `choose_server` comes next."""
    server = names.default
    if not names.only_default and not names.has_regexes:
        server = names.find(head.host, None) or server
    r = (
        Request(head, connection, sink, server)  # called directly where it is compiled
        if kind is Request
        else kind(head, connection, sink, server)
    )
    r.keep_alive, r.valid_unparsed_uri = head.keep_alive, head.valid_unparsed_uri
    if head.quoted_uri or head.plus_in_uri:
        r.quoted_uri, r.plus_in_uri = head.quoted_uri, head.plus_in_uri
    if head.content_length >= 0 or head.chunked:
        r.content_length_in, r.chunked_in = head.content_length, head.chunked
    if "expect" in head.index:
        r.expect_continue = head.expect_continue
    return r


def choose_server(r: Request, names: ServerNames[Server]) -> None:
    """Finds the server by expressions, which leave their captures in the request; raises
    RegexFailed where one gives up."""
    server = names.find(r.host, r)
    if server is not None:
        r.server, r.location = server, server.location


def status_of_choice(r: Request, names: ServerNames[Server]) -> Status:
    """Finds the server if names are expressions: 0, or 500 where one gives up, which is in the
    log."""
    if names.has_regexes:
        try:
            choose_server(r, names)
        except RegexFailed:
            return 500
    return 0
