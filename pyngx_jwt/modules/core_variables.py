"""The variables every request has."""

from __future__ import annotations

import os
import secrets
import sys
import time

from ..conf.directive import Conf
from ..conf.values import parse_size
from ..http.basic import credentials
from ..http.body import KeptBody
from ..http.cookies import cookie_of
from ..http.module import Module
from ..http.request import Request
from ..http.uri import find_argument
from ..http.variables import Getter, field_of
from .session_variables import add_session_variables


class CoreVariablesConf(Conf):
    """No directives: the variables are always there."""


core_variables = Module("core_variables", CoreVariablesConf)
variable, prefix = core_variables.variable, core_variables.prefix
add_session_variables(core_variables)


@variable("uri")
def uri(r: Request) -> str:
    """Current URI in the request, normalized; it changes with redirects."""
    return r.uri


@variable("document_uri")
def document_uri(r: Request) -> str:
    """The same as $uri."""
    return r.uri


@variable("request_uri")
def request_uri(r: Request) -> str:
    """Full original request URI with arguments."""
    return r.unparsed_uri


def set_args(r: Request, value: str) -> None:
    r.args, r.valid_unparsed_uri = value, False


@variable("args", set=set_args)
def args(r: Request) -> str:
    """Arguments in the request line."""
    return r.args


@variable("query_string")
def query_string(r: Request) -> str:
    """The same as $args."""
    return r.args


@variable("is_args")
def is_args(r: Request) -> str:
    """ "?" if the request line has arguments, or an empty string."""
    return "?" if r.args else ""


@variable("request_method")
def request_method(r: Request) -> str:
    """Request method; GET after a redirect by error_page or X-Accel-Redirect."""
    return r.main.method


@variable("request")
def request(r: Request) -> str:
    """Full original request line."""
    return r.request_line


@variable("request_length")
def request_length(r: Request) -> str:
    """Bytes of the request: line, header, and body as far as it was read."""
    body = r.main.body_in
    return str(r.main.header_length + (body.consumed if body else 0))


@variable("request_time")
def request_time(r: Request) -> str:
    """Seconds, with milliseconds, since the first bytes were read from the client."""
    return f"{max(0.0, time.time() - r.main.start):.3f}"


@variable("request_id")
def request_id(r: Request) -> str:
    """Unique identifier made of 16 random bytes, in hexadecimal."""
    identifier: str | None = r.variables.get("request_id")
    if identifier is None:
        identifier = r.variables["request_id"] = secrets.token_hex(16)
    return identifier


@variable("request_completion")
def request_completion(r: Request) -> str:
    """ "OK" if the request has completed, or an empty string."""
    return "OK" if r.response_done else ""


@variable("request_body")
def request_body(r: Request) -> str | None:
    """Request body, once it has been read into memory."""
    body = r.main.body
    if not isinstance(body, KeptBody) or body.fd >= 0 or not body.data:
        return None
    return body.data.decode("latin-1")


@variable("request_body_file")
def request_body_file(r: Request) -> str | None:
    """Name of the temporary file with the request body."""
    body = r.main.body
    return body.path if isinstance(body, KeptBody) and body.path else None


@variable("request_filename")
def request_filename(r: Request) -> str:
    """File path for the request: root or alias, and the URI."""
    return r.location.path_of(r)


@variable("document_root")
def document_root(r: Request) -> str:
    """The root or alias for the request."""
    return r.location.root_of(r)


@variable("realpath_root")
def realpath_root(r: Request) -> str:
    """The root or alias with all symbolic links resolved."""
    return os.path.realpath(r.location.root_of(r).encode("latin-1")).decode("latin-1")


@variable("host")
def host(r: Request) -> str:
    """Host of the request line, of the Host header, or the server's name."""
    return r.host or r.server.name


@variable("server_name")
def server_name(r: Request) -> str:
    """Name of the server that accepted the request."""
    return r.server.name


@variable("request_port")
def request_port(r: Request) -> str:
    """Port of the request line's host or of the Host header, or an empty string."""
    return str(r.port) if r.port else ""


@variable("is_request_port")
def is_request_port(r: Request) -> str:
    """ ":" if $request_port is not empty, or an empty string."""
    return ":" if r.port else ""


@variable("server_protocol")
def server_protocol(r: Request) -> str:
    """Request protocol."""
    protocol = r.request_line.rpartition(" ")[2]
    return protocol if protocol.startswith("HTTP/") else ""


@variable("remote_user")
def remote_user(r: Request) -> str | None:
    """User name given with Basic authentication."""
    if r.remote_user is not None:
        return r.remote_user
    given = credentials(r)
    return given[0] if given else None


@variable("scheme")
def scheme(r: Request) -> str:
    """Request scheme, "http" or "https"."""
    return "https" if r.connection.ssl else "http"


@variable("https")
def https(r: Request) -> str:
    """ "on" if the connection uses TLS, or an empty string."""
    return "on" if r.connection.ssl else ""


@variable("content_length")
def content_length(r: Request) -> str | None:
    """The Content-Length request header; of a chunked request, the length of its body once it
    has been read."""
    main = r.main
    if main.chunked_in and main.body is not None:
        return str(main.body.length)
    return r.index.get("content-length")


@variable("content_type")
def content_type(r: Request) -> str | None:
    """The Content-Type request header."""
    return r.index.get("content-type")


@variable("status")
def status(r: Request) -> str:
    """Response status."""
    code = r.err_status or r.status or (9 if r.http_version == 9 else 0)
    return str(code) if code > 99 else f"{code:03d}"


@variable("body_bytes_sent")
def body_bytes_sent(r: Request) -> str:
    """Bytes sent to the client, without the response header."""
    return str(max(0, r.main.bytes_sent - r.main.header_size))


@variable("bytes_sent")
def bytes_sent(r: Request) -> str:
    """Bytes sent to the client."""
    return str(r.main.bytes_sent)


@variable("connection_requests")
def connection_requests(r: Request) -> str:
    """Requests made through the connection so far."""
    return str(r.connection.requests)


@variable("connection_time")
def connection_time(r: Request) -> str:
    """Age of the connection in seconds, with milliseconds."""
    return f"{max(0.0, time.time() - r.connection.start):.3f}"


@variable("pipe")
def pipe(r: Request) -> str:
    """ "p" if the request was pipelined, "." otherwise."""
    return "p" if r.main.pipelined else "."


def set_limit_rate(r: Request, value: str) -> None:
    try:
        r.limit_rate = parse_size(value)
    except ValueError:
        return


@variable("limit_rate", set=set_limit_rate)
def limit_rate(r: Request) -> str:
    """Rate of the response in bytes per second; can be set."""
    return str(r.limit_rate or 0)


def _tcp_info(r: Request, offset: int) -> str | None:
    """A 32-bit field of Linux's struct tcp_info."""
    info = r.connection.tcp_info()
    if len(info) < offset + 4:
        return None
    return str(int.from_bytes(info[offset : offset + 4], sys.byteorder))


@variable("tcpinfo_rtt")
def tcpinfo_rtt(r: Request) -> str | None:
    """Round trip time to the client in microseconds, as the kernel estimates it."""
    return _tcp_info(r, 68)


@variable("tcpinfo_rttvar")
def tcpinfo_rttvar(r: Request) -> str | None:
    """Variation of the round trip time in microseconds."""
    return _tcp_info(r, 72)


@variable("tcpinfo_snd_cwnd")
def tcpinfo_snd_cwnd(r: Request) -> str | None:
    """Congestion window of sending, in segments."""
    return _tcp_info(r, 80)


@variable("tcpinfo_rcv_space")
def tcpinfo_rcv_space(r: Request) -> str | None:
    """Space of the receive queue in bytes."""
    return _tcp_info(r, 96)


@variable("sent_http_content_type")
def sent_http_content_type(r: Request) -> str | None:
    """Content-Type of the response."""
    if r.content_type is None:
        return None
    return f"{r.content_type}; charset={r.charset}" if r.charset else r.content_type


@variable("sent_http_content_length")
def sent_http_content_length(r: Request) -> str | None:
    """Content-Length of the response."""
    return str(r.content_length) if r.content_length >= 0 else None


@variable("sent_http_location")
def sent_http_location(r: Request) -> str | None:
    """Location of the response."""
    return r.location_out or r.sent_header("location")


@variable("sent_http_last_modified")
def sent_http_last_modified(r: Request) -> str | None:
    """Last-Modified of the response."""
    from ..http.date import http_date

    return http_date(r.last_modified) if r.last_modified >= 0 else r.sent_header("last-modified")


@variable("sent_http_connection")
def sent_http_connection(r: Request) -> str:
    """The Connection header of the response."""
    return "upgrade" if r.status == 101 else "keep-alive" if r.keep_alive else "close"


@variable("sent_http_keep_alive")
def sent_http_keep_alive(r: Request) -> str | None:
    """The Keep-Alive header of the response."""
    seconds = r.location.core.keepalive_timeout[1] if r.keep_alive else 0
    return f"timeout={seconds}" if seconds else None


@variable("sent_http_transfer_encoding")
def sent_http_transfer_encoding(r: Request) -> str | None:
    """ "chunked" if the response is sent in chunks."""
    return "chunked" if r.chunked_out else None


@prefix("http_")
def request_field(name: str) -> Getter:
    """Any request header; the name is in lower case with dashes replaced by underscores."""
    field = name.replace("_", "-")
    if "_" not in name:
        return lambda r: r.index.get(field)

    def get(r: Request) -> str | None:
        core = r.server.core
        if core.underscores_in_headers or not core.ignore_invalid_headers:
            return field_of(r.headers_in, name)
        return r.index.get(field)

    return get


@prefix("sent_http_")
def response_field(name: str) -> Getter:
    """Any response header."""
    field = name.replace("_", "-")
    if field == "etag":
        return lambda r: r.etag or r.sent_header(field)
    if "_" not in name:
        return lambda r: r.sent_header(field)
    return lambda r: field_of(r.headers_out, name)


@prefix("sent_trailer_")
def response_trailer(name: str) -> Getter:
    """Any trailer of the response."""
    return lambda r: field_of(r.trailers, name)


@prefix("arg_")
def argument(name: str) -> Getter:
    """An argument in the request line, in any case."""
    return lambda r: find_argument(r.args, name)


@prefix("cookie_")
def cookie(name: str) -> Getter:
    """A cookie, in any case."""
    return lambda r: cookie_of(r, name)


# Those of the families that nginx declares one by one: a directive cannot define them again.
DECLARED = {
    "http_": (request_field, "host user_agent referer via x_forwarded_for cookie"),
    "sent_http_": (
        response_field,
        "content_type content_length location last_modified connection keep_alive "
        "transfer_encoding cache_control link",
    ),
}
for _family, (_factory, _names) in DECLARED.items():
    for _name in _names.split():
        core_variables.variables.setdefault(f"{_family}{_name}", _factory(_name))
