"""HTTP/3 towards clients: requests, responses, names, TLS, and how a connection ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pyngx_jwt.http3 import codes, frames

from ..authority import Authority
from ..http3client import Http3Client, headers, pseudo
from ..nginx import Nginx

pytestmark = pytest.mark.needs("http_v3_module")

QUIC = "127.0.0.1:%%PORT%% quic"
OWN = Authority("localhost", ["localhost"])
OTHER = Authority("other", ["other"])
CLIENTS = Authority("clients")
CLIENT = Authority("client", issuer=CLIENTS)
FILES = {
    "own.pem": OWN.pem,
    "own.key": OWN.key_pem(),
    "other.pem": OTHER.pem,
    "other.key": OTHER.key_pem(),
    "clients.pem": CLIENTS.pem,
}
TLS = "ssl_certificate own.pem; ssl_certificate_key own.key;"
CONF = """
    listen 127.0.0.1:%%PORT_tcp%%;
    root html;
    client_body_buffer_size 1k;
    access_log logs/access.log;
    add_header Alt-Svc 'h3=":%%PORT%%"; ma=86400';
    set $tls "$https|$ssl_protocol|$ssl_server_name";
    location = / { return 200 "$request|$http3|$server_protocol|$scheme|$tls"; }
    location /headers { return 200 "$http_x|$http_cookie|$host|$http_host"; }
    location /none { return 204; }
    location /drop { return 444; }
    location /moved { return 301 /elsewhere; }
    location /early { add_header A b always; return 403; }
    location /echo { client_max_body_size 0; proxy_pass http://127.0.0.1:%%PORT_up%%; }
    location /stream { client_max_body_size 0; proxy_request_buffering off; proxy_buffering off;
        proxy_http_version 1.1; proxy_pass http://127.0.0.1:%%PORT_up%%; }
    location /small { client_max_body_size 10; proxy_pass http://127.0.0.1:%%PORT_up%%; }
    """
UP = """
    listen 127.0.0.1:%%PORT_up%%; client_max_body_size 0; client_body_buffer_size 1m;
    location / { return 200 "$request_method $content_length"; }
    location /echo/headers { return 200 "$http_x $http_te"; }
    """


@pytest.fixture(scope="module")
def server(module_nginx: Nginx) -> Nginx:
    files = {**FILES, "html/a.txt": "text", "html/large": "0123456789abcdef" * 65536}
    module_nginx(CONF, http=TLS, listen=QUIC, servers=[UP], files=files)
    return module_nginx


def test_requests(server: Nginx) -> None:
    with server.http3() as client:
        client.exchange("""
            > GET /
            < 200
            < content-length: *
            < alt-svc ~ h3=":[0-9]+"; ma=86400
            < !connection
            < !transfer-encoding
            <
            < GET / HTTP/3.0|h3|HTTP/3.0|https|on|TLSv1.3|localhost

            > GET /headers
            > X: one
            > X: two
            > Cookie: a=b
            < 200
            <
            < one, two|a=b|localhost|

            > HEAD /a.txt
            < 200
            < content-length: 4
            <

            > GET /a.txt
            > Range: bytes=1-2
            < 206
            < content-range: bytes 1-2/4
            <
            < ex

            > GET /none
            < 204

            > GET /nowhere
            < 404

            > GET /early
            < 403
            < a: b

            > GET /moved
            < 301
            < location ~ https://localhost(:[0-9]+)?/elsewhere

            > CONNECT /
            < 405

            > TRACE /
            < 405
        """)


def test_several_requests_at_a_time(server: Nginx) -> None:
    with server.http3() as client:
        numbers = [client.open(pseudo(path=f"/headers?{n}")) for n in range(50)]
        bodies = [client.wait(number).body for number in numbers]
        assert bodies == [b"||localhost|"] * 50


def test_the_bytes_of_a_large_response(server: Nginx) -> None:
    with server.http3() as client:
        response = client.request("GET /large")
        assert len(response.body) == 1 << 20
        assert response.body == b"0123456789abcdef" * 65536


@pytest.mark.parametrize("path", ["/echo", "/stream"])
@pytest.mark.parametrize("size", [0, 1, 1000, 70_000, 500_000])
def test_request_bodies(server: Nginx, path: str, size: int) -> None:
    with server.http3() as client:
        number = client.open([*pseudo("POST", path), ("content-length", str(size))], b"x" * size)
        assert client.wait(number).body == f"POST {size}".encode()


def test_bodies_without_a_length(server: Nginx) -> None:
    with server.http3() as client:
        number = client.open(pseudo("PUT", "/echo"), b"a" * 3000, end=False)
        for _ in range(30):
            client.send(number, frames.frame(codes.DATA, b"b" * 3000))
        client.send(number, frames.frame(codes.DATA, b"the end"), end=True)
        assert client.wait(number).body == b"PUT 93007"


def test_fields_for_upstreams(server: Nginx) -> None:
    with server.http3() as client:
        fields = [*pseudo(path="/echo/headers"), ("x", "y"), ("te", "trailers")]
        assert client.wait(client.open(fields)).body == b"y "


def test_a_body_that_is_too_large(server: Nginx) -> None:
    with server.http3() as client:
        fields = [*pseudo("POST", "/small"), ("content-length", "11")]
        number = client.open(fields, b"hello world", end=False)
        response = client.wait(number)
        assert dict(response.fields)[":status"] == "413"
        client.until(lambda: number in client.stopped)
        assert client.stopped[number] == codes.NO_ERROR
        client.exchange("""
            > GET /none
            < 204
        """)


def test_the_access_log_has_all(server: Nginx) -> None:
    with server.http3() as client:
        client.request("GET /none?logged")
    assert any('"GET /none?logged HTTP/3.0" 204 0' in x for x in server.access_log(1))


def test_a_request_without_a_response(server: Nginx) -> None:
    with server.http3() as client:
        response = client.wait(client.open(pseudo(path="/drop")))
        assert response.reset is not None and not response.fields
        client.exchange("""
            > GET /none
            < 204
        """)


def test_http1_is_not_told_of_http3(server: Nginx) -> None:
    server.exchange(
        """
        > GET /headers
        < 200
        <
        < ||localhost|localhost
        """,
        "tcp",
    )


NAMED = """
    listen 127.0.0.1:%%PORT%% quic; server_name other;
    ssl_certificate other.pem; ssl_certificate_key other.key;
    location / { return 200 "other $ssl_server_name"; }
    """


def _peer(client: Http3Client) -> str:
    """The name of the server's certificate."""
    certificate = client.quic.tls._peer_certificate
    assert certificate is not None
    return certificate.subject.rfc4514_string()


def test_names_choose_certificates_and_servers(nginx: Nginx) -> None:
    refusing = """
        listen 127.0.0.1:%%PORT%% quic; server_name refused; ssl_reject_handshake on;
        """
    off = "listen 127.0.0.1:%%PORT%% quic; server_name off; http3 off;"
    nginx(
        "server_name localhost; location / { return 200 own; }",
        http=TLS,
        listen=QUIC,
        servers=[NAMED, refusing, off],
        files=FILES,
    )
    with nginx.http3() as client:
        assert _peer(client) == "CN=localhost"
        assert client.request("GET /").body == b"own"
        assert client.request("GET /", "Host: other").body == b"other localhost"
        assert dict(client.request("GET /", "Host: off").fields)[":status"] == "421"
    with nginx.http3(server_name="other") as client:
        assert _peer(client) == "CN=other"
        assert client.request("GET /", "Host: other").body == b"other other"
    with nginx.http3(server_name="unknown") as client:
        assert _peer(client) == "CN=localhost"
    for name in ("refused", "off"):
        with nginx.http3(server_name=name, connect=False) as client:
            client.quic.connect(client.server, 0.0)
            closed = client.wait_end()
            assert closed is not None
            assert closed[0] - 0x100 == {"refused": 112, "off": 120}[name]  # TLS alerts


def test_protocols(nginx: Nginx) -> None:
    nginx(
        "http3_hq on; location / { return 200 '$http3 $server_protocol'; }",
        http=TLS,
        listen=QUIC,
        files=FILES,
    )
    with nginx.http3() as client:
        assert client.request("GET /").body == b"h3 HTTP/3.0"
    with nginx.http3(alpn=("hq-interop",)) as client:
        number = client.begin(b"GET /\r\n", end=True)
        assert client.wait(number).body == b"hq "
    with nginx.http3(alpn=("hq-interop",)) as client:
        client.uni(codes.CONTROL)
        assert client.wait_end() == (codes.STREAM_CREATION_ERROR, "uni stream in hq mode")
    with nginx.http3(alpn=("h2",), connect=False) as client:
        client.quic.connect(client.server, 0.0)
        closed = client.wait_end()
        assert closed is not None and closed[0] == 0x100 + 120


def test_client_certificates(nginx: Nginx, tmp_path: Path) -> None:
    nginx(
        "ssl_client_certificate clients.pem; ssl_verify_client optional;"
        'location / { return 200 "$ssl_client_verify $ssl_client_s_dn"; }',
        http=TLS,
        listen=QUIC,
        files=FILES,
    )
    (tmp_path / "client.pem").write_text(CLIENT.pem)
    (tmp_path / "client.key").write_text(CLIENT.key_pem())
    (tmp_path / "wrong.pem").write_text(OTHER.pem)
    (tmp_path / "wrong.key").write_text(OTHER.key_pem())

    def shown(name: str) -> tuple[str, bytes]:
        with nginx.http3(connect=False) as client:
            if name:
                client.configuration.load_cert_chain(
                    str(tmp_path / f"{name}.pem"), str(tmp_path / f"{name}.key")
                )
            client.quic.connect(client.server, 0.0)
            client.until(lambda: client.handshake)
            client.uni(codes.CONTROL, frames.settings([]))
            response = client.request("GET /")
            return dict(response.fields)[":status"], response.body

    assert shown("client") == ("200", b"SUCCESS CN=client")
    assert shown("") == ("200", b"NONE ")
    assert shown("wrong")[0] == "400"


def test_sessions(nginx: Nginx) -> None:
    nginx(
        "ssl_session_cache shared:S:1m; location / { return 200 $ssl_session_reused; }",
        http=TLS,
        listen=QUIC,
        files=FILES,
    )
    with nginx.http3() as client:
        assert client.request("GET /").body == b"."
        client.until(lambda: client.tickets)
        ticket = client.tickets[0]
    with nginx.http3(ticket=ticket) as client:
        assert client.request("GET /").body == b"r"


def test_limits_of_a_connection(nginx: Nginx) -> None:
    nginx("keepalive_requests 3; location / { return 200 ok; }", http=TLS, listen=QUIC, files=FILES)
    with nginx.http3() as client:
        for _ in range(3):
            assert client.request("GET /").body == b"ok"
        assert client.wait_end() == (
            codes.NO_ERROR,
            "reached maximum number of requests",
        ) or client.closed == (codes.NO_ERROR, "connection shutdown")
        assert client.goaway == 12


def test_an_idle_connection_ends(nginx: Nginx) -> None:
    nginx("keepalive_timeout 1s; location / { return 200 ok; }", http=TLS, listen=QUIC, files=FILES)
    with nginx.http3() as client:
        assert client.request("GET /").body == b"ok"
        assert client.wait_end() is not None


def test_heads_in_their_time(nginx: Nginx) -> None:
    nginx(
        "client_header_timeout 1s; location / { return 200 ok; }",
        http=TLS,
        listen=QUIC,
        files=FILES,
    )
    with nginx.http3() as client:
        number = client.begin(headers(pseudo())[:-2])
        assert client.wait(number).reset == codes.GENERAL_PROTOCOL_ERROR
        client.exchange("""
            > GET /
            < 200
        """)


def test_certificates_that_variables_name(nginx: Nginx) -> None:
    nginx(
        "location / { return 200 $ssl_server_name; }",
        http="ssl_certificate $ssl_server_name.pem; ssl_certificate_key $ssl_server_name.key;",
        listen=QUIC,
        files={**FILES, "localhost.pem": OWN.pem, "localhost.key": OWN.key_pem()},
    )
    for name in ("localhost", "other"):
        with nginx.http3(server_name=name) as client:
            assert _peer(client) == f"CN={name}"
            assert client.request("GET /").body == name.encode()


INCOMPATIBLE = '"listen" directive "%s" parameter is incompatible with "quic"'
SERVER = "listen 127.0.0.1:%%PORT_x%% quic"


@pytest.mark.parametrize(
    ("snippet", "message"),
    [
        (f"{SERVER} ssl;", INCOMPATIBLE % "ssl"),
        (f"{SERVER} http2;", INCOMPATIBLE % "http2"),
        (f"{SERVER} backlog=5;", INCOMPATIBLE % "backlog"),
        (f"{SERVER} multipath;", INCOMPATIBLE % "multipath"),
        (f"{SERVER} deferred;", INCOMPATIBLE % "deferred"),
        (f"{SERVER} fastopen=5;", INCOMPATIBLE % "fastopen"),
        (f"{SERVER} so_keepalive=on;", INCOMPATIBLE % "so_keepalive"),
        (f"{SERVER} proxy_protocol;", INCOMPATIBLE % "proxy_protocol"),
        ("http3 yes;", 'invalid value "yes" in "http3" directive, it must be "on" or "off"'),
        ("http3 on; http3 on;", '"http3" directive is duplicate'),
        (
            "quic_host_key nowhere;",
            'open() "%%DIR%%/nowhere" failed (2: No such file or directory)',
        ),
        ("quic_host_key empty;", '"%%DIR%%/empty" zero key size'),
        (
            "http3_max_concurrent_streams a;",
            '"http3_max_concurrent_streams" directive invalid number',
        ),
        ("http3_stream_buffer_size a;", '"http3_stream_buffer_size" directive invalid value'),
    ],
)
def test_rejected(nginx: Nginx, snippet: str, message: str) -> None:
    nginx.write("empty", "")
    nginx.rejects(snippet, message)


@pytest.mark.pyngx_only("needs a kernel with eBPF")
def test_bpf_is_accepted(nginx: Nginx) -> None:
    assert nginx.accepts(main="quic_bpf on;")
    nginx.rejects(main="quic_bpf 1;", message=BPF)


BPF = 'invalid value "1" in "quic_bpf" directive, it must be "on" or "off"'


def test_certificates_are_needed(nginx: Nginx) -> None:
    nginx.rejects(
        SERVER + ";", 'no "ssl_certificate" is defined for the "listen ... quic" directive'
    )
    for name, text in FILES.items():
        nginx.write(name, text)
    nginx.rejects(
        f"{SERVER}; {TLS} ssl_protocols TLSv1.2;",
        '"ssl_protocols" must enable TLSv1.3 for the "listen ... quic" directive',
    )


def test_the_library_is_loaded_only_when_it_is_needed() -> None:
    code = "import sys, pyngx_jwt.cli, pyngx_jwt.server.serve; print('aioquic' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"
