"""api: TLS handshakes with clients, of all of them and of the servers with a status_zone."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
from typing import Any

import pytest

from ..authority import DAY, NOW, Authority
from ..nginx import Nginx
from ..tls_client import client_context, shaken
from .test_api import API, get, send
from .test_api_names import until
from .test_metrics import METRICS, scrape

pytestmark = pytest.mark.pyngx_only("nginx has no API, and that of NGINX Plus is not at hand")
SERVER, ROOT = Authority("front.example", ["front.example"]), Authority("root")
KNOWN, REVOKED = Authority("known", (), ROOT), Authority("revoked", (), ROOT)
EXPIRED, STRANGER = Authority("expired", (), ROOT, end=NOW - DAY / 2), Authority("stranger")
FILES = {
    "front.pem": SERVER.pem,
    "front.key": SERVER.key_pem(),
    "root.pem": ROOT.pem,
    "crl.pem": ROOT.revoked(REVOKED),
}
TLS = "ssl_certificate front.pem; ssl_certificate_key front.key;"
HERE = f"{API} {METRICS}"
LISTEN = "listen 127.0.0.1:%%PORT_tls%% ssl;"
VERIFIES = "ssl_verify_client on; ssl_client_certificate root.pem; ssl_crl crl.pem;"
OUTCOMES = {
    *("handshakes", "handshakes_failed", "session_reuses", "no_common_protocol"),
    *("no_common_cipher", "handshake_timeout", "peer_rejected_cert", "verify_failures"),
}


def counted(nginx: Nginx, path: str) -> dict[str, int]:
    """What is not zero."""
    found: dict[str, Any] = get(nginx, path)
    found = found if path == "/ssl" else found["ssl"]
    assert set(found) == OUTCOMES
    failures = found.pop("verify_failures")
    return {name: n for name, n in {**found, **failures}.items() if n}


def refused(nginx: Nginx, context: ssl.SSLContext, name: str | None = None) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)), shaken(nginx, name, context, port="tls"):
        pass


def ask(
    nginx: Nginx,
    name: str | None = None,
    context: ssl.SSLContext | None = None,
    session: ssl.SSLSession | None = None,
) -> tuple[int, ssl.SSLSession | None]:
    """The status of a response, and the session."""
    with shaken(nginx, name, context, port="tls", session=session) as (client, wire):
        wire.send(f"GET / HTTP/1.0\r\nHost: {name}\r\n\r\n".encode())
        answer = wire.answer()
        assert answer is not None
        return answer.status, client.session


def identity(nginx: Nginx, client: Authority) -> ssl.SSLContext:
    return client_context(identity=nginx.write("client.pem", client.pem + client.key_pem()))


def test_of_virtual_servers(nginx: Nginx) -> None:
    """Who names no server, or another one, is counted by the default server."""
    nginx(
        HERE,
        servers=[
            f"{LISTEN} status_zone one; server_name one; {TLS} return 200 one;",
            f"{LISTEN} status_zone two; server_name two; {TLS} return 204;",
            f"{LISTEN} server_name three; {TLS} return 204;",
            f"{LISTEN} status_zone four; server_name four; ssl_reject_handshake on;",
        ],
        files=FILES,
    )
    context = client_context()
    _, session = ask(nginx, "one", context=context)
    ask(nginx, "one", context=context, session=session)
    ask(nginx, "two")
    ask(nginx, "three")
    ask(nginx)
    refused(nginx, client_context(), "four")
    zones = "/http/server_zones"
    assert counted(nginx, f"{zones}/one") == {"handshakes": 3, "session_reuses": 1}
    assert counted(nginx, f"{zones}/two") == {"handshakes": 1}
    assert counted(nginx, f"{zones}/four") == {"handshakes_failed": 1}
    total = {"handshakes": 5, "session_reuses": 1, "handshakes_failed": 1}
    assert counted(nginx, "/ssl") == total
    found = scrape(nginx)
    assert found['nginxplus_server_zone_ssl_handshakes server_zone="one"'] == 3
    assert found['nginxplus_server_zone_ssl_session_reuses server_zone="one"'] == 1
    assert found['nginxplus_server_zone_ssl_handshakes_failed server_zone="four"'] == 1
    assert send(nginx, "DELETE", f"{zones}/one").status == 204
    assert counted(nginx, f"{zones}/one") == {} and counted(nginx, "/ssl") == total


def test_why_handshakes_fail(nginx: Nginx) -> None:
    nginx(
        HERE,
        servers=[
            f"{LISTEN} status_zone one; {TLS} client_header_timeout 100ms; return 200 one;"
            " ssl_protocols TLSv1.2; ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256;"
        ],
        files=FILES,
    )

    def one() -> dict[str, int]:
        return counted(nginx, "/http/server_zones/one")

    refused(nginx, client_context(ssl.TLSVersion.TLSv1_3))
    until(one, {"handshakes_failed": 1, "no_common_protocol": 1})
    refused(nginx, client_context(ciphers="ECDHE-ECDSA-AES256-GCM-SHA384"))
    until(one, {"handshakes_failed": 2, "no_common_protocol": 1, "no_common_cipher": 1})
    doubting = ssl.create_default_context()  # it does not trust the certificate
    refused(nginx, doubting, "front.example")
    found = {"no_common_protocol": 1, "no_common_cipher": 1, "peer_rejected_cert": 1}
    until(one, {"handshakes_failed": 3, **found})
    with socket.create_connection(("127.0.0.1", nginx.port("tls"))) as silent:
        silent.sendall(b"\x16\x03\x01")
        until(one, {"handshakes_failed": 4, **found, "handshake_timeout": 1})
    with socket.create_connection(("127.0.0.1", nginx.port("tls"))) as leaving:
        leaving.sendall(b"\x16")
    until(one, {"handshakes_failed": 5, **found, "handshake_timeout": 1})


def test_certificates_of_clients(nginx: Nginx) -> None:
    """The handshake is complete, the request is refused."""
    nginx(
        HERE,
        servers=[f"{LISTEN} status_zone one; {TLS} {VERIFIES} return 200 one;"],
        files=FILES,
    )
    seen = {}
    for count, (name, client) in enumerate(
        (("no_cert", None), ("expired_cert", EXPIRED), ("revoked_cert", REVOKED),
         ("other", STRANGER)), 1
    ):  # fmt: skip
        context = client_context() if client is None else identity(nginx, client)
        assert ask(nginx, context=context)[0] == 400
        seen[name] = 1
        until(lambda: counted(nginx, "/http/server_zones/one"), {"handshakes": count, **seen})
    assert ask(nginx, context=identity(nginx, KNOWN))[0] == 200
    assert counted(nginx, "/ssl") == {"handshakes": 5, **seen}


@pytest.mark.needs("http_v3_module")
def test_quic(nginx: Nginx) -> None:
    """Over UDP it is the same."""
    quic = "listen 127.0.0.1:%%PORT%% quic;"
    nginx(
        f"status_zone one; ssl_protocols TLSv1.3; {TLS} location / {{ return 200 one; }}",
        http=f"server {{ listen 127.0.0.1:%%PORT_api%%; {API} }}",
        listen="127.0.0.1:%%PORT%% quic",
        servers=[f"{quic} status_zone two; server_name two; ssl_reject_handshake on;"],
        files=FILES,
    )

    def zone(name: str) -> dict[str, int]:
        answer = nginx.request(f"GET /api/9/http/server_zones/{name}", port="api")
        found: dict[str, int] = json.loads(answer.text)["ssl"]
        return {key: found[key] for key in ("handshakes", "handshakes_failed", "session_reuses")}

    with nginx.http3() as client:
        assert client.request("GET /").body == b"one"
        client.until(lambda: client.tickets)
        ticket = client.tickets[0]
    with nginx.http3(ticket=ticket) as client:
        assert client.request("GET /").body == b"one"
    with nginx.http3(server_name="two", connect=False) as client:
        client.quic.connect(client.server, 0.0)
        assert client.wait_end() is not None
    assert zone("one") == {"handshakes": 2, "handshakes_failed": 0, "session_reuses": 1}
    assert zone("two") == {"handshakes": 0, "handshakes_failed": 1, "session_reuses": 0}


def test_stream(nginx: Nginx) -> None:
    nginx(
        HERE,
        main="stream { server { listen 127.0.0.1:%%PORT_up%% ssl; status_zone tcp; return up;"
        f" {TLS} {VERIFIES} ssl_handshake_timeout 2s; }} }}",
        files=FILES,
    )

    def tcp() -> dict[str, int]:
        return counted(nginx, "/stream/server_zones/tcp")

    with shaken(nginx, context=identity(nginx, KNOWN), port="up") as (client, _):
        assert client.recv(9) == b"up"
    with (
        contextlib.suppress(ssl.SSLError, ConnectionError),
        shaken(nginx, port="up") as (client, _),
    ):
        assert client.recv(9) == b""
    until(tcp, {"handshakes": 2, "no_cert": 1})
    with socket.create_connection(("127.0.0.1", nginx.port("up"))) as silent:
        silent.sendall(b"\x16\x03\x01")
        until(tcp, {"handshakes": 2, "no_cert": 1, "handshakes_failed": 1, "handshake_timeout": 1})
    with socket.create_connection(("127.0.0.1", nginx.port("up"))) as leaving:
        leaving.sendall(b"\x16")
    wanted = {"handshakes": 2, "no_cert": 1, "handshakes_failed": 2, "handshake_timeout": 1}
    until(tcp, wanted)
    assert counted(nginx, "/ssl") == wanted
    found = scrape(nginx)
    zone = 'server_zone="tcp"'
    assert found[f"nginxplus_stream_server_zone_ssl_handshakes {zone}"] == 2
    assert found[f"nginxplus_stream_server_zone_ssl_handshakes_failed {zone}"] == 2
    assert found[f"nginxplus_stream_server_zone_ssl_session_reuses {zone}"] == 0
    assert send(nginx, "DELETE", "/stream/server_zones/tcp").status == 204
    assert tcp() == {}
