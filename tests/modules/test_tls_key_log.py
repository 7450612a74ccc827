"""The keys of TLS connections in files, for those who look at the connections."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from ..authority import Authority
from ..nginx import Nginx
from ..tls_client import client_context, shaken

pytestmark = pytest.mark.pyngx_only("the directives are NGINX Plus's")

ONE = Authority("one.example")
FILES = {"pem": ONE.pem, "key": ONE.key_pem()}
TLS = "ssl_certificate pem; ssl_certificate_key key;"
LISTEN = "127.0.0.1:%%PORT%% ssl"
TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


def lines(file: Path) -> set[str]:
    found = file.read_text().splitlines()
    return {line for line in found if not line.startswith("#")}


def keys_of_client(nginx: Nginx, version: ssl.TLSVersion | None = None, port: str = "") -> set[str]:
    """Those of a connection, as its client knows them."""
    context = client_context(version)
    context.keylog_filename = str(nginx.prefix / "client.keys")
    with shaken(nginx, context=context, port=port) as (_, wire):
        wire.send(b"GET / HTTP/1.0\r\n\r\n")
        wire.rest()
    return lines(nginx.prefix / "client.keys")


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_of_clients(nginx: Nginx, version: ssl.TLSVersion) -> None:
    nginx(f"{TLS} ssl_key_log logs/keys; return 204;", listen=LISTEN, files=FILES)
    keys = keys_of_client(nginx, version)
    assert keys
    assert lines(nginx.prefix / "logs/keys") == keys


def test_file_is_for_its_owner(nginx: Nginx) -> None:
    nginx(f"{TLS} ssl_key_log logs/keys; return 204;", listen=LISTEN, files=FILES)
    assert (nginx.prefix / "logs/keys").stat().st_mode & 0o777 == 0o600


def test_none_without_the_directive(nginx: Nginx) -> None:
    nginx(
        f"{TLS} return 204;",
        http=f"server {{ listen 127.0.0.1:%%PORT_b%% ssl; {TLS} ssl_key_log logs/keys; }}",
        listen=LISTEN,
        files=FILES,
    )
    assert keys_of_client(nginx)
    assert lines(nginx.prefix / "logs/keys") == set()


@pytest.mark.parametrize(
    "passed",
    [
        "proxy_pass https://127.0.0.1:%%PORT_a%%; proxy_ssl_key_log logs/keys;",
        "grpc_pass grpcs://127.0.0.1:%%PORT_a%%; grpc_ssl_key_log logs/keys;",
        "uwsgi_pass suwsgi://127.0.0.1:%%PORT_a%%; uwsgi_ssl_key_log logs/keys;",
    ],
)
def test_of_upstreams(nginx: Nginx, passed: str) -> None:
    """What answers speaks HTTP in all cases: the handshake is what counts."""
    nginx(
        f"location / {{ {passed} }}",
        http="server { listen 127.0.0.1:%%PORT_a%% ssl; http2 on;"
        f"{TLS} ssl_key_log logs/server.keys; }}",
        files=FILES,
    )
    nginx.request("GET / HTTP/1.1", "Host: a")
    keys = lines(nginx.prefix / "logs/keys")
    assert keys
    assert keys == lines(nginx.prefix / "logs/server.keys")


def test_of_streams(nginx: Nginx) -> None:
    nginx.stream(
        f"""
        server {{ listen 127.0.0.1:%%PORT_a%% ssl; {TLS} ssl_key_log logs/front.keys;
            proxy_pass 127.0.0.1:%%PORT_b%%; proxy_ssl on; proxy_ssl_key_log logs/keys; }}
        server {{ listen 127.0.0.1:%%PORT_b%% ssl; {TLS} ssl_key_log logs/server.keys; return a; }}
        """,
        files=FILES,
    )
    assert keys_of_client(nginx, port="a") == lines(nginx.prefix / "logs/front.keys")
    assert lines(nginx.prefix / "logs/keys") == lines(nginx.prefix / "logs/server.keys") != set()


@pytest.mark.needs("http_v3_module")
def test_over_quic(nginx: Nginx) -> None:
    nginx(
        f"{TLS} ssl_key_log logs/keys; return 204;",
        listen="127.0.0.1:%%PORT%% quic",
        files=FILES,
    )
    with nginx.http3() as client:
        client.request("GET / HTTP/3.0", "Host: one.example")
    names = {line.split()[0] for line in lines(nginx.prefix / "logs/keys")}
    assert {"CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0"} <= names


def test_unwritable(nginx: Nginx) -> None:
    for name, text in FILES.items():
        nginx.write(name, text)
    nginx.rejects(
        f"{TLS} ssl_key_log none/keys;",
        'open() "%%DIR%%/none/keys" failed (2: No such file or directory)',
        line=0,
    )
