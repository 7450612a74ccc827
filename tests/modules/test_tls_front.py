"""TLS of listening addresses: whose settings count, what failed handshakes say, plain HTTP."""

from __future__ import annotations

import socket
import ssl
import struct
from typing import Any

import pytest

from ..authority import Authority
from ..nginx import Nginx
from ..tls_client import client_context, shaken
from ..wire import DEADLINE, Wire

FRONT, OTHER = Authority("front.example"), Authority("other.example")
CERTIFICATE = "ssl_certificate {0}.pem; ssl_certificate_key {0}.key;"
FRONT_CERTIFICATE, OTHER_CERTIFICATE = (CERTIFICATE.format(name) for name in ("front", "other"))
FILES = {
    "front.pem": FRONT.pem,
    "front.key": FRONT.key_pem(),
    "other.pem": OTHER.pem,
    "other.key": OTHER.key_pem(),
}
LISTEN = "127.0.0.1:%%PORT%% ssl"
SHAKING = r" while SSL handshaking, client: 127\.0\.0\.1, server: 127\.0\.0\.1:\d+$"
TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
PLAIN = b"GET /a?b HTTP/1.1\r\nHost: front.example\r\n\r\n"


def get(
    nginx: Nginx, name: str | None = None, host: str = "", uri: str = "/", **settings: Any
) -> str:
    """The body of an answer, or the name of the alert; the host is the name of the handshake."""
    try:
        with shaken(nginx, name, client_context(**settings)) as (_, wire):
            wire.send(f"GET {uri} HTTP/1.0\r\nHost: {host or name or 'x'}\r\n\r\n".encode())
            answer = wire.answer()
            assert answer is not None and wire.closed()
            return answer.text
    except ssl.SSLError as error:
        return error.reason or str(error)


def hello(name: str | None = None) -> bytes:
    """The first record of a client."""
    outgoing = ssl.MemoryBIO()
    client = client_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def two(nginx: Nginx, default: str, named: str, name: str = "front.example") -> None:
    """A default server, and one that has a name, on the same address."""
    nginx(
        f"{OTHER_CERTIFICATE} {default} return 200 other;",
        listen=f"{LISTEN} default_server",
        servers=[f"listen {LISTEN}; server_name {name}; {FRONT_CERTIFICATE} {named}"],
        files=FILES,
    )


# -- the server that is named ---------------------------------------------------------------


@pytest.mark.parametrize(
    "default, named, told",
    [
        ("TLSv1.2 TLSv1.3", "TLSv1.3", "TLSV1_ALERT_PROTOCOL_VERSION TLSv1.3"),
        ("TLSv1.3", "TLSv1.2 TLSv1.3", "TLSv1.2 TLSv1.3"),
        ("TLSv1.3", "TLSv1.2", "TLSv1.2 TLSV1_ALERT_PROTOCOL_VERSION"),
    ],
)
def test_protocols(nginx: Nginx, default: str, named: str, told: str) -> None:
    two(nginx, f"ssl_protocols {default};", f"ssl_protocols {named}; return 200 $ssl_protocol;")
    found = [get(nginx, "front.example", version=version) for version in (TLS12, TLS13)]
    assert " ".join(found) == told


@pytest.mark.parametrize("names", ["SSLv3", "TLSv1.1 TLSv1.3"])
def test_no_other_protocols(nginx: Nginx, names: str) -> None:
    """Not even if none is left, or one between."""
    nginx(f"{FRONT_CERTIFICATE} ssl_protocols {names}; return 200 ok;", listen=LISTEN, files=FILES)
    assert "ALERT" in get(nginx, version=TLS12)


@pytest.mark.parametrize("prefer, told", [("on", "AES256"), ("off", "AES128")])
def test_ciphers(nginx: Nginx, prefer: str, told: str) -> None:
    """The default server would have none in common with the client."""
    two(
        nginx,
        "ssl_ciphers ECDHE-ECDSA-CHACHA20-POLY1305;",
        "ssl_ciphers ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256;"
        f"ssl_prefer_server_ciphers {prefer}; return 200 $ssl_cipher;",
    )
    ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384"
    assert told in get(nginx, "front.example", version=TLS12, ciphers=ciphers)
    assert get(nginx, version=TLS12, ciphers=ciphers) == "SSLV3_ALERT_HANDSHAKE_FAILURE"
    nginx.wait_for_log(
        r"\[info\] .*\*2 SSL_do_handshake\(\) failed "
        rf"\(SSL: error:0A0000C1:SSL routines::no shared cipher\){SHAKING}"
    )


@pytest.mark.parametrize("name", ["front.example", "*.example", r"~^fr.nt\.example$"])
def test_certificate(nginx: Nginx, name: str) -> None:
    two(nginx, "", "return 200 front;", name)
    for asked, authority in [
        ("front.example", FRONT),
        ("FRONT.example", FRONT),
        ("other.test", OTHER),
        (None, OTHER),
    ]:
        with shaken(nginx, asked) as (client, _):
            shown = client.getpeercert(binary_form=True)
            assert shown == ssl.PEM_cert_to_DER_cert(authority.pem), asked


def test_server_without_certificates_shows_those_of_the_default(nginx: Nginx) -> None:
    nginx(
        f"{OTHER_CERTIFICATE} return 200 other;",
        listen=LISTEN,
        servers=[f"listen {LISTEN}; server_name front.example; return 200 front;"],
        files=FILES,
    )
    assert get(nginx, "front.example", host="front.example") == "front"


def test_server_until_host_is_known(nginx: Nginx) -> None:
    """Its limits count; what names no server is the default server's all the same."""
    two(nginx, "", "large_client_header_buffers 1 1k; return 200 front;")
    long = f"/{'a' * 3000}"
    assert "414 Request-URI Too Large" in get(nginx, "front.example", uri=long)
    assert get(nginx, uri=long) == "other"
    assert get(nginx, "front.example", host="unknown.test") == "other"


def test_server_of_requests_that_are_refused(nginx: Nginx) -> None:
    """It is the one of the handshake, as long as no Host has been read."""
    page = "error_page 400 /why; location = /why"
    two(nginx, f"{page} {{ return 400 other; }}", f"{page} {{ return 400 front; }}")
    host = "Host: other.example"
    for head, told in [
        ("GET /%00 HTTP/1.1", "front"),
        (f"GET /%00 HTTP/1.1\r\n{host}", "front"),
        (f"GET / HTTP/1.1\r\n{host}\r\n{host}", "other"),
        ("GET / HTTP/1.1", "other"),
    ]:
        with shaken(nginx, "front.example", client_context()) as (_, wire):
            wire.send(f"{head}\r\n\r\n".encode())
            answer = wire.answer()
            assert answer is not None and answer.status == 400
            assert told in answer.text


def test_sessions_stay_with_their_server(nginx: Nginx) -> None:
    two(nginx, "", "return 200 $ssl_session_reused;")
    context = client_context(TLS12)
    with shaken(nginx, "front.example", context) as (client, _):
        session = client.session
    with shaken(nginx, "front.example", context, session=session) as (_, wire):
        wire.send(b"GET / HTTP/1.0\r\nHost: front.example\r\n\r\n")
        assert wire.rest().endswith(b"\r\n\r\nr")


def test_addresses_of_one_port(nginx: Nginx) -> None:
    """Each has its own TLS, or none, though a wildcard's socket takes them in."""
    nginx(
        f"{FRONT_CERTIFICATE} return 200 tls;",
        listen="%%PORT%% ssl",
        servers=[
            "listen 127.0.0.2:%%PORT%%; return 200 plain;",
            f"listen 127.0.0.3:%%PORT%% ssl; {OTHER_CERTIFICATE} return 200 other;",
        ],
        files=FILES,
    )
    assert get(nginx) == "tls"
    with socket.create_connection(("127.0.0.2", nginx.port()), DEADLINE) as plain:
        plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert Wire(plain).rest().endswith(b"\r\n\r\nplain")
    with shaken(nginx, address="127.0.0.3") as (client, _):
        assert client.getpeercert(binary_form=True) == ssl.PEM_cert_to_DER_cert(OTHER.pem)


def test_proxy_protocol(nginx: Nginx) -> None:
    nginx(
        f'{FRONT_CERTIFICATE} return 200 "$proxy_protocol_addr $https";',
        listen=f"{LISTEN} proxy_protocol",
        files=FILES,
    )
    header = b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"
    with shaken(nginx, before=header) as (_, wire):
        wire.send(b"GET / HTTP/1.0\r\n\r\n")
        assert wire.rest().endswith(b"\r\n\r\n192.0.2.1 on")
    assert b"400 The plain HTTP request was sent to HTTPS port" in nginx.raw(header + PLAIN)


# -- refusing -------------------------------------------------------------------------------


def test_reject_handshake(nginx: Nginx) -> None:
    """No certificate is needed, and none is shown."""
    nginx(
        "ssl_reject_handshake on;",
        listen=f"{LISTEN} default_server",
        servers=[f"listen {LISTEN}; server_name front.example; {FRONT_CERTIFICATE} return 200 ok;"],
        files=FILES,
    )
    assert get(nginx, "front.example") == "ok"
    for name in ("unknown.example", None):
        assert get(nginx, name) == "TLSV1_UNRECOGNIZED_NAME"
    nginx.wait_for_log(rf"\[info\] .*\*2 handshake rejected{SHAKING}")


def test_named_server_rejects(nginx: Nginx) -> None:
    """Whatever the client offers, and although there are certificates."""
    two(nginx, "", "ssl_reject_handshake on; ssl_protocols TLSv1.3;")
    assert get(nginx, "front.example", version=TLS12) == "TLSV1_UNRECOGNIZED_NAME"
    assert get(nginx) == "other"


def test_expression_that_gives_up(nginx: Nginx) -> None:
    """Nobody knows which server is meant, so there is no handshake."""
    nginx.trouble_is_expected = True
    two(nginx, "", "return 200 front;", '"~(*LIMIT_MATCH=1)^(?:f|fr)+ont$"')
    assert get(nginx, "front.example") == "TLSV1_ALERT_INTERNAL_ERROR"
    nginx.wait_for_log(r'\[alert\] .*\*1 pcre\w+\(\) failed: .* on "front\.example"')
    nginx.wait_for_log(
        r"\[info\] .*\*1 SSL_do_handshake\(\) failed "
        rf"\(SSL: error:0A0000EA:SSL routines::callback failed\){SHAKING}"
    )


def test_inherited_rejection_is_turned_off(nginx: Nginx) -> None:
    nginx(
        f"ssl_reject_handshake off; {FRONT_CERTIFICATE} return 200 ok;",
        http="ssl_reject_handshake on;",
        listen=LISTEN,
        files=FILES,
    )
    assert get(nginx) == "ok"


def test_no_common_protocol_of_alpn(nginx: Nginx) -> None:
    nginx(f"{FRONT_CERTIFICATE} return 200 $ssl_alpn_protocol;", listen=LISTEN, files=FILES)
    assert get(nginx, alpn=("h2", "http/1.1")) == "http/1.1"
    assert "no application protocol" in get(nginx, alpn=("h2",)).lower().replace("_", " ")
    nginx.wait_for_log(
        r"\[info\] .*\*2 SSL_do_handshake\(\) failed "
        rf"\(SSL: error:0A0000EB:SSL routines::no application protocol\){SHAKING}"
    )


# -- failing --------------------------------------------------------------------------------


def test_alert_and_line_of_the_named_server(nginx: Nginx) -> None:
    two(nginx, "", "ssl_protocols TLSv1.3; error_log logs/front.log info;")
    assert get(nginx, "front.example", version=TLS12) == "TLSV1_ALERT_PROTOCOL_VERSION"
    assert get(nginx, version=TLS12) == "other"
    assert (
        "*1 SSL_do_handshake() failed (SSL: error:0A000102:SSL routines::unsupported protocol)"
        in (nginx.read("logs/front.log"))
    )
    assert "SSL_do_handshake" not in nginx.error_log()


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_alert_of_the_client(nginx: Nginx, version: ssl.TLSVersion) -> None:
    nginx(FRONT_CERTIFICATE, listen=LISTEN, files=FILES)
    context = client_context(version)
    context.verify_mode = ssl.CERT_REQUIRED
    with pytest.raises(ssl.SSLCertVerificationError), shaken(nginx, "front.example", context):
        pass
    nginx.wait_for_log(
        r"\[info\] .*\*1 SSL_do_handshake\(\) failed \(SSL: error:0A000418:SSL routines::"
        rf"tlsv1 alert unknown ca:SSL alert number 48\){SHAKING}"
    )


def test_client_leaves(nginx: Nginx) -> None:
    nginx(FRONT_CERTIFICATE, listen=LISTEN, files=FILES)
    first = hello()
    for data in (b"", first[:7], first):
        with nginx.connect() as client:
            client.wire.send(data)
            if data == first:
                client.wire.exactly(5)  # of the server's side
    nginx.wait_for_log(rf"\[info\] .*\*1 client closed connection{SHAKING}")
    nginx.wait_for_log(rf"\[info\] .*\*2 peer closed connection in SSL handshake{SHAKING}")


def test_client_resets(nginx: Nginx) -> None:
    nginx(FRONT_CERTIFICATE, listen=LISTEN, files=FILES)
    with nginx.connect() as client:
        client.wire.send(hello())
        client.wire.exactly(5)
        client.wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    nginx.wait_for_log(
        r"\[info\] .*\*1 peer closed connection in SSL handshake "
        rf"\(104: Connection reset by peer\){SHAKING}"
    )


@pytest.mark.parametrize("sent", [0, 1, 20, None])
def test_client_that_never_finishes(nginx: Nginx, sent: int | None) -> None:
    nginx(f"{FRONT_CERTIFICATE} client_header_timeout 100ms;", listen=LISTEN, files=FILES)
    nginx.raw(hello()[:sent])
    nginx.wait_for_log(rf"\[info\] .*\*1 client timed out \(110: \w+ timed out\){SHAKING}")


@pytest.mark.parametrize(
    "data, level",
    [
        (b"\x16" * 600, "info"),
        (b"\x16\x03\x01\x00\x04\x01\x00\x00\x00", "info"),
        (b"\x16\x03\x01\x00\x02\x05\x00" + b"\0" * 600, "info"),
        (b"\x80" * 600, "info"),
        (hello()[:80] + b"\xff" * 1200, "info"),
    ],
)
def test_no_hello(nginx: Nginx, data: bytes, level: str) -> None:
    """The worker refuses it and serves the next client."""
    nginx(f"{FRONT_CERTIFICATE} return 200 ok;", listen=LISTEN, files=FILES)
    nginx.raw(data)
    nginx.wait_for_log(rf"\[{level}\] .*\*1 SSL_do_handshake\(\) failed \(SSL: .*{SHAKING}")
    assert get(nginx) == "ok"


def test_hello_in_pieces(nginx: Nginx) -> None:
    """In records of one byte, and in packets of one byte."""
    two(nginx, "", "return 200 front;")
    whole = hello("front.example")
    pieces = b"".join(b"\x16\x03\x01\x00\x01" + whole[i : i + 1] for i in range(5, len(whole)))
    assert front_certificate(nginx, pieces, 7)
    assert front_certificate(nginx, whole, 1)


def front_certificate(nginx: Nginx, data: bytes, step: int) -> bool:
    """Whether the answer to this hello, in packets of so many bytes, is a server's hello."""
    with nginx.connect() as client:
        client.wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(data), step):
            client.wire.send(data[at : at + step])
        return client.wire.exactly(6)[::5] == b"\x16\x02"


# -- after the handshake --------------------------------------------------------------------


def test_ends_with_close_notify(nginx: Nginx) -> None:
    nginx(f"{FRONT_CERTIFICATE} return 200 ok;", listen=LISTEN, files=FILES)
    with shaken(nginx, suppress_ragged_eofs=False) as (_, wire):
        wire.send(b"GET / HTTP/1.0\r\n\r\n")
        assert wire.rest().endswith(b"\r\n\r\nok")


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_damaged_record(nginx: Nginx, version: ssl.TLSVersion) -> None:
    """The connection ends with an alert, and the log says why."""
    nginx(f"{FRONT_CERTIFICATE} return 200 ok;", listen=LISTEN, files=FILES)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context(version).wrap_bio(incoming, outgoing)
    with nginx.connect() as raw:
        while True:
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                raw.wire.send(outgoing.read())
                incoming.write(raw.wire.socket.recv(65536))
        raw.wire.send(outgoing.read() + b"\x17\x03\x03\x00\x20" + b"\0" * 32)
        incoming.write(raw.wire.rest())
        with pytest.raises(ssl.SSLError) as told:
            client.read()
    assert told.value.reason == "SSLV3_ALERT_BAD_RECORD_MAC"
    nginx.wait_for_log(
        r"\[info\] .*\*1 SSL_read\(\) failed \(SSL: .*error:0A000119:SSL routines::"
        r"decryption failed or bad record mac.*\) while waiting for request, "
        r"client: 127\.0\.0\.1, server: 127\.0\.0\.1:\d+$"
    )


def test_bodies(nginx: Nginx) -> None:
    """Of many records, in both directions, on one connection."""
    big = b"0123456789abcdef" * 200_000
    backend = nginx.backend("up", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    nginx(
        f"""
        {FRONT_CERTIFICATE}
        client_max_body_size 10m;
        location / {{ proxy_pass http://127.0.0.1:%%PORT_up%%; }}
        location = /big {{ }}
        """,
        listen=LISTEN,
        files=FILES | {"html/big": big},
    )
    with shaken(nginx) as (_, wire):
        wire.send(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
        for _ in range(2):
            answer = wire.answer()
            assert answer and answer.body == big
        wire.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3200000\r\n\r\n" + big)
        answer = wire.answer()
        assert answer and answer.text == "ok"
    assert backend.connections(1)[0].encode().endswith(b"\r\n\r\n" + big)


@pytest.mark.parametrize("keepalive", [0, 75])
def test_client_that_never_reads(nginx: Nginx, keepalive: int) -> None:
    nginx(
        f"{FRONT_CERTIFICATE} send_timeout 100ms; keepalive_timeout {keepalive};"
        f"return 200 {'x' * 4000}$request_uri$request_uri$request_uri;",
        http="large_client_header_buffers 4 64k;",
        listen=f"{LISTEN} sndbuf=4k",
        files=FILES,
    )
    with shaken(nginx) as (client, wire):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        wire.send(b"GET /" + b"x" * 60_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        nginx.wait_for_log(r"\[info\] .*\*1 client timed out \(110: \w+ timed out\).*, client: ")


# -- plain HTTP -----------------------------------------------------------------------------


def test_plain_request(nginx: Nginx) -> None:
    nginx(
        f"server_name front.example; {FRONT_CERTIFICATE} access_log logs/access.log;return 200 ok;",
        listen=LISTEN,
        files=FILES,
    )
    answer = nginx.raw(PLAIN)
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"<center>The plain HTTP request was sent to HTTPS port</center>" in answer
    assert b"\r\nConnection: close\r\n" in answer
    nginx.wait_for_log(
        r"\[info\] .*\*1 client sent plain HTTP request to HTTPS port while reading client request "
        r'headers, client: 127\.0\.0\.1, server: front\.example, request: "GET /a\?b HTTP/1\.1", '
        r'host: "front\.example"$'
    )
    (line,) = nginx.access_log(1)
    assert '"GET /a?b HTTP/1.1" 400 ' in line
    assert get(nginx) == "ok"


def test_plain_request_of_the_server_that_host_names(nginx: Nginx) -> None:
    """Through its error_page, with the request's body left unread."""
    page = "error_page 497 301 =307 https://$host:$server_port$request_uri;"
    two(nginx, "", f"{page} return 200 front;", r"~^(?<name>fr.nt)\.example$")
    answer = nginx.raw(PLAIN.replace(b"\r\n\r\n", b"\r\nContent-Length: 3\r\n\r\nabc"))
    assert answer.startswith(b"HTTP/1.1 307 Temporary Redirect\r\n")
    assert b"\r\nLocation: https://front.example:%d/a?b\r\n" % nginx.port() in answer
    assert nginx.raw(PLAIN.replace(b"front", b"other")).startswith(b"HTTP/1.1 400 ")


def test_plain_garbage(nginx: Nginx) -> None:
    nginx(f"{FRONT_CERTIFICATE} return 200 ok;", listen=LISTEN, files=FILES)
    assert nginx.raw(b"\x01\x02\x03\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    assert get(nginx) == "ok"


# -- configurations -------------------------------------------------------------------------


def test_certificates_that_are_missing(nginx: Nginx) -> None:
    """Only the default server needs some, unless it rejects handshakes."""
    missing = 'no "ssl_certificate" is defined for the "listen ... ssl" directive'
    nginx.rejects("listen 127.0.0.1:%%PORT_tls%% ssl;", missing)
    nginx.rejects(
        http=f"""
        ssl_certificate_key front.key;
        server {{ listen {LISTEN}; ssl_reject_handshake on; }}
        server {{ listen {LISTEN}; server_name a; }}
        """,
        message=missing,
        line=3,
    )


def test_keys_that_are_missing(nginx: Nginx) -> None:
    """Even of servers that do not speak TLS."""
    nginx.rejects(
        "ssl_certificate front.pem;",
        'no "ssl_certificate_key" is defined for certificate "front.pem"',
        line=0,
    )


def test_verify_client(nginx: Nginx) -> None:
    nginx.accepts("ssl_verify_client off;")
    nginx.rejects("ssl_verify_client no;", 'invalid value "no"', line=1)
    nginx.rejects(
        "ssl_verify_client off; ssl_verify_client off;",
        '"ssl_verify_client" directive is duplicate',
    )
