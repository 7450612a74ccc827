"""Finds out which server a TLS client asks for, without decrypting anything."""

from __future__ import annotations

from ...conf.directive import Conf, flag
from ...http1.host import validate_host
from ...stream.contexts import IN_STREAM
from ...stream.level import StreamLevel
from ...stream.module import StreamModule
from ...stream.session import AGAIN, Status, StreamHandler, StreamPhase, StreamSession
from ...tls.hello import Hello, HelloReader

HELLO = "ssl_preread"  # in the contexts of a session
HEAD = 5  # bytes of a record's head
ANY_LENGTH = 1 << 24  # bytes of a hello: nginx reads on until "preread_buffer_size" is full
VERSIONS = {
    0x0002: "SSLv2",
    0x0300: "SSLv3",
    0x0301: "TLSv1",
    0x0302: "TLSv1.1",
    0x0303: "TLSv1.2",
    0x0304: "TLSv1.3",
}


class PrereadConf(Conf):
    ssl_preread = flag(
        False,
        IN_STREAM,
        "Reads the first message of a TLS client: the name of the server that it requests (SNI), "
        "and the protocols that it offers (ALPN). The name selects one of the servers of the "
        "address. The message is passed on unchanged. If the client does not speak TLS, the "
        "variables are empty.",
    )


stream_ssl_preread = StreamModule("stream_ssl_preread", PrereadConf)


@stream_ssl_preread.handler(StreamPhase.PREREAD)
def read_hello(conf: PrereadConf, level: StreamLevel) -> StreamHandler | None:
    if not conf.ssl_preread:
        return None

    def handle(s: StreamSession) -> Status | None:
        if s.is_udp:
            return None
        data = s.channel.buffer[: s.server.preread_buffer_size]
        if len(data) < HEAD:
            return AGAIN
        if is_old(data):
            s.contexts[HELLO] = Hello(version=int.from_bytes(data[3:5]))
            return None
        hello = HelloReader(ANY_LENGTH).feed(data)
        if hello is None:
            return AGAIN
        if not hello.version:
            return None
        s.contexts[HELLO] = hello
        _choose_server(s, hello)
        return None  # others of the phase, such as "preread_by_lua", have their turns

    return handle


def is_old(data: bytes) -> bool:
    """Whether it is the hello of SSLv2, which later versions could begin with, too."""
    return bool(data[0] & 0x80) and data[2] == 1 and data[3] in (0, 3)


def _choose_server(s: StreamSession, hello: Hello) -> None:
    named = validate_host(hello.host)
    server = s.address.names.find(named[0], s) if named is not None else None
    if server is not None:
        s.server = server


def _hello(s: StreamSession) -> Hello | None:
    hello: Hello | None = s.contexts.get(HELLO)
    return hello


@stream_ssl_preread.variable("ssl_preread_protocol")
def ssl_preread_protocol(s: StreamSession) -> str | None:
    """Highest version of TLS that the client supports."""
    hello = _hello(s)
    return None if hello is None else VERSIONS.get(hello.version, "")


@stream_ssl_preread.variable("ssl_preread_server_name")
def ssl_preread_server_name(s: StreamSession) -> str | None:
    """Server name that the client requests with SNI."""
    hello = _hello(s)
    return None if hello is None else hello.host


@stream_ssl_preread.variable("ssl_preread_alpn_protocols")
def ssl_preread_alpn_protocols(s: StreamSession) -> str | None:
    """Protocols that the client offers with ALPN, separated by commas."""
    hello = _hello(s)
    return None if hello is None else b",".join(hello.protocols).decode("latin-1")
