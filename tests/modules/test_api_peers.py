"""api: what is known of the servers of groups, beside their requests."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from ..authority import DAY, NOW, Authority
from ..backend import Peer
from ..nginx import Nginx
from ..wire import DEADLINE
from .test_api import API, get, send
from .test_api_names import until
from .test_metrics import METRICS, scrape
from .test_upstream_queue import GET, held

pytestmark = pytest.mark.pyngx_only("nginx has no API, and that of NGINX Plus is not at hand")
ROOT = Authority("root")
SITES = {
    "good": Authority("site.example", ["site.example"], ROOT),
    "old": Authority("site.example", ["site.example"], ROOT, end=NOW - DAY / 2),
    "revoked": Authority("site.example", ["site.example"], ROOT),
    "other": Authority("site.example", ["site.example"]),
    "renamed": Authority("other.example", ["other.example"], ROOT),
}
FILES = {
    **{f"{name}.pem": site.pem for name, site in SITES.items()},
    **{f"{name}.key": site.key_pem() for name, site in SITES.items()},
    "root.pem": ROOT.pem,
    "crl.pem": ROOT.revoked(SITES["revoked"]),
}
OUTCOMES = {
    *("handshakes", "handshakes_failed", "session_reuses", "no_common_protocol"),
    *("no_common_cipher", "handshake_timeout", "peer_rejected_cert", "verify_failures"),
}
REJECTED = bytes.fromhex("15 0303 0002 022a")  # the alert bad_certificate


def verifying(prefix: str) -> str:
    return (
        f"{prefix}_verify on; {prefix}_name site.example;"
        f" {prefix}_trusted_certificate root.pem; {prefix}_crl crl.pem;"
    )


def group(name: str, port: str = "", more: str = "") -> str:
    server = f"server 127.0.0.1:%%PORT_{port or name}%%;"
    return f"upstream {name} {{ zone {name} 64k; {server} {more} }}"


def site(name: str, more: str = "return 204;") -> str:
    """A server with a certificate of SITES."""
    return (
        f"listen 127.0.0.1:%%PORT_{name}%% ssl;"
        f" ssl_certificate {name}.pem; ssl_certificate_key {name}.key; {more}"
    )


def counted(nginx: Nginx, name: str, branch: str = "http") -> dict[str, int]:
    """The handshakes with the server of a group, as far as they are not zero."""
    found: dict[str, Any] = get(nginx, f"/{branch}/upstreams/{name}")["peers"][0]["ssl"]
    assert set(found) == OUTCOMES
    failures = found.pop("verify_failures")
    assert set(failures) == {"expired_cert", "revoked_cert", "hostname_mismatch", "other"}
    return {key: n for key, n in {**found, **failures}.items() if n}


def test_handshakes_with_servers(nginx: Nginx) -> None:
    nginx(
        f"location / {{ proxy_pass https://good; }} {API} {METRICS}",
        http=group("good", more="keepalive 0;")
        + "upstream plain { zone plain 64k; server 127.0.0.1:1; }",
        servers=[site("good")],
        files=FILES,
    )
    for _ in range(3):
        assert nginx.request("GET /").status == 204
    assert counted(nginx, "good") == {"handshakes": 3, "session_reuses": 2}
    assert counted(nginx, "plain") == {}
    found = scrape(nginx)
    server = nginx.filled('server="127.0.0.1:%%PORT_good%%" upstream="good"')
    assert found[f"nginxplus_upstream_server_ssl_handshakes {server}"] == 3
    assert found[f"nginxplus_upstream_server_ssl_session_reuses {server}"] == 2
    assert found[f"nginxplus_upstream_server_ssl_handshakes_failed {server}"] == 0
    assert send(nginx, "DELETE", "/http/upstreams/good").status == 204
    assert counted(nginx, "good") == {}


def test_connections_that_are_kept(nginx: Nginx) -> None:
    """One handshake is for all requests of a connection."""
    nginx(
        f"location / {{ proxy_pass https://good; }} {API} {METRICS}",
        http=group("good", more="keepalive 4;"),
        servers=[site("good")],
        files=FILES,
    )
    for _ in range(3):
        assert nginx.request("GET /").status == 204
    assert counted(nginx, "good") == {"handshakes": 1}
    assert get(nginx, "/http/upstreams/good")["keepalive"] == 1
    assert scrape(nginx)['nginxplus_upstream_keepalive upstream="good"'] == 1


@pytest.mark.parametrize(
    ("name", "failure"),
    [
        ("old", "expired_cert"),
        ("revoked", "revoked_cert"),
        ("other", "other"),
        ("renamed", "hostname_mismatch"),
    ],
)
def test_certificates_of_servers(nginx: Nginx, name: str, failure: str) -> None:
    """The handshake is complete, and what is sent over it is nothing."""
    nginx(
        f"location / {{ proxy_pass https://{name}; {verifying('proxy_ssl')} }} {API}",
        http=group(name),
        servers=[site(name)],
        files=FILES,
    )
    assert nginx.request("GET /").status == 502
    assert counted(nginx, name) == {"handshakes": 1, failure: 1}


def answering(data: bytes) -> Callable[[Peer], None]:
    """What follows on a ClientHello."""

    def script(peer: Peer) -> None:
        peer.exactly(5)
        peer.send(data)
        peer.closed()

    return script


@pytest.mark.parametrize(
    ("data", "outcome"),
    [(REJECTED, {"peer_rejected_cert": 1}), (b"HTTP/1.0 400 Bad Request\r\n\r\n", {})],
)
def test_handshakes_that_fail(nginx: Nginx, data: bytes, outcome: dict[str, int]) -> None:
    nginx.backend("up", answering(data))
    nginx(f"location / {{ proxy_pass https://up; }} {API} {METRICS}", http=group("up"))
    assert nginx.request("GET /").status == 502
    assert counted(nginx, "up") == {"handshakes_failed": 1, **outcome}
    server = nginx.filled('server="127.0.0.1:%%PORT_up%%" upstream="up"')
    assert scrape(nginx)[f"nginxplus_upstream_server_ssl_handshakes_failed {server}"] == 1


def test_no_version_in_common(nginx: Nginx) -> None:
    nginx(
        f"location / {{ proxy_pass https://good; proxy_ssl_protocols TLSv1.2; }} {API}",
        http=group("good"),
        servers=[site("good", "ssl_protocols TLSv1.3; return 204;")],
        files=FILES,
    )
    assert nginx.request("GET /").status == 502
    assert counted(nginx, "good") == {"handshakes_failed": 1, "no_common_protocol": 1}


def test_handshakes_that_take_too_long(nginx: Nginx) -> None:
    gate = threading.Event()

    def silent(peer: Peer) -> None:
        assert gate.wait(DEADLINE)

    nginx.backend("up", silent)
    nginx(
        f"location / {{ proxy_pass https://up; proxy_connect_timeout 2s; }} {API}",
        http=group("up"),
    )
    assert nginx.request("GET /").status == 504
    gate.set()
    assert counted(nginx, "up") == {"handshakes_failed": 1, "handshake_timeout": 1}


def test_handshakes_of_stream(nginx: Nginx) -> None:
    def passes(port: str, name: str, more: str = "") -> str:
        return (
            f"server {{ listen 127.0.0.1:%%PORT_{port}%%; proxy_pass {name}; proxy_ssl on;"
            f" {more} }}"
        )

    nginx(
        f"{API} {METRICS}",
        main=f"""stream {{
            {group("good")} {group("bad", "good")}
            server {{ {site("good", "return up;")} }}
            {passes("a", "good")} {passes("b", "bad", verifying("proxy_ssl").replace("site", "x"))}
        }}""",
        files=FILES,
    )
    for _ in range(2):
        assert nginx.raw(b"", "a") == b"up"
    assert nginx.raw(b"", "b") == b""
    wanted = {"handshakes": 2, "session_reuses": 1}
    until(lambda: counted(nginx, "good", "stream"), wanted)
    wanted = {"handshakes": 1, "hostname_mismatch": 1}
    until(lambda: counted(nginx, "bad", "stream"), wanted)
    found = scrape(nginx)
    server = nginx.filled('server="127.0.0.1:%%PORT_good%%" upstream="good"')
    assert found[f"nginxplus_stream_upstream_server_ssl_handshakes {server}"] == 2
    assert found[f"nginxplus_stream_upstream_server_ssl_session_reuses {server}"] == 1
    assert found[f"nginxplus_stream_upstream_server_ssl_handshakes_failed {server}"] == 0
    assert send(nginx, "DELETE", "/stream/upstreams/good").status == 204
    assert counted(nginx, "good", "stream") == {}


def test_a_queue(nginx: Nginx) -> None:
    gate = threading.Event()
    backend = nginx.backend("up", held(gate))
    nginx(
        f"location / {{ proxy_pass http://up; }} {API}",
        http="upstream up { zone up 64k; server 127.0.0.1:%%PORT_up%% max_conns=1; queue 1; }",
    )

    def queue() -> Any:
        return get(nginx, "/http/upstreams/up")["queue"]

    assert queue() == {"size": 0, "max_size": 1, "overflows": 0}
    with nginx.connect() as one, nginx.connect() as two:
        one.wire.send(GET)
        backend.wait_until_asked()
        two.wire.send(GET)
        until(queue, {"size": 1, "max_size": 1, "overflows": 0})
        assert nginx.request("GET /").status == 502
        assert queue() == {"size": 1, "max_size": 1, "overflows": 1}
        gate.set()
        assert two.wire.answer("GET") is not None
    assert queue() == {"size": 0, "max_size": 1, "overflows": 1}
    assert send(nginx, "DELETE", "/http/upstreams/up").status == 204
    assert queue() == {"size": 0, "max_size": 1, "overflows": 0}


@pytest.mark.parametrize("branch", ["http", "stream"])
def test_the_last_health_check(nginx: Nginx, branch: str) -> None:
    group = """upstream u {
        zone u 64k; server 127.0.0.1:%%PORT_up%%; server 127.0.0.1:%%PORT_none%%;
    }"""
    check = "health_check interval=50ms;"
    tcp = f"server {{ listen 127.0.0.1:%%PORT_tcp%%; proxy_pass u; {check} }}"
    is_http = branch == "http"
    nginx(
        f"{f'location / {{ proxy_pass http://u; {check} }}' if is_http else ''} {API}",
        http=(group if is_http else "")
        + "upstream unchecked { zone unchecked 64k; server 127.0.0.1:1; }",
        servers=["listen 127.0.0.1:%%PORT_up%%; return 204;"],
        main="" if is_http else f"stream {{ {group} {tcp} }}",
    )

    def passed() -> list[bool | None]:
        peers = get(nginx, f"/{branch}/upstreams/u")["peers"]
        return [peer["health_checks"].get("last_passed") for peer in peers]

    def fails() -> list[bool]:
        peers = get(nginx, f"/{branch}/upstreams/u")["peers"]
        return ["downstart" in peer and peer["downtime"] > 0 for peer in peers]

    until(passed, [True, False])
    until(fails, [False, True])
    checks = get(nginx, "/http/upstreams/unchecked")["peers"][0]["health_checks"]
    assert checks == {"checks": 0, "fails": 0, "unhealthy": 0}


def test_removed_while_it_is_used(nginx: Nginx) -> None:
    gate = threading.Event()
    backend = nginx.backend("up", held(gate))
    nginx(f"location / {{ proxy_pass http://up; }} {API} {METRICS}", http=group("up"))
    path = "/http/upstreams/up"
    with nginx.connect() as client:
        client.wire.send(GET)
        backend.wait_until_asked()
        assert get(nginx, path)["zombies"] == 0
        assert send(nginx, "DELETE", f"{path}/servers/0").status == 200
        assert (found := get(nginx, path))["zombies"] == 1 and found["peers"] == []
        assert scrape(nginx)['nginxplus_upstream_zombies upstream="up"'] == 1
        gate.set()
        assert client.wire.answer("GET") is not None
    until(lambda: get(nginx, path)["zombies"], 0)


def test_removed_while_a_session_uses_it(nginx: Nginx) -> None:
    gate = threading.Event()

    def held(peer: Peer) -> None:
        peer.send(b"up")
        assert gate.wait(DEADLINE)

    nginx.backend("up", held)
    tcp = "server { listen 127.0.0.1:%%PORT_tcp%%; proxy_pass up; }"
    nginx(f"{API} {METRICS}", main=f"stream {{ {group('up')} {tcp} }}")
    path = "/stream/upstreams/up"
    with nginx.connect("tcp") as client:
        assert client.wire.exactly(2) == b"up"
        assert get(nginx, path)["zombies"] == 0
        assert send(nginx, "DELETE", f"{path}/servers/0").status == 200
        assert get(nginx, path)["zombies"] == 1
        assert scrape(nginx)['nginxplus_stream_upstream_zombies upstream="up"'] == 1
        gate.set()
        assert client.wire.closed()
    until(lambda: get(nginx, path)["zombies"], 0)


def timestamp(nginx: Nginx) -> datetime:
    return time_of(get(nginx, "/nginx")["timestamp"])


def time_of(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z")


@pytest.mark.parametrize("branch", ["http", "stream"])
def test_how_long_a_server_fails(nginx: Nginx, branch: str) -> None:
    """Not while it is down because the configuration says so."""
    servers = "server 127.0.0.1:%%PORT_a%% fail_timeout=1h; server 127.0.0.1:%%PORT_b%% down;"
    group = f"upstream u {{ zone u 64k; {servers} server 127.0.0.1:%%PORT_up%% backup; }}"
    is_http = branch == "http"
    tcp = "server { listen 127.0.0.1:%%PORT_tcp%%; proxy_pass u; }"
    nginx(
        f"{'location / { proxy_pass http://u; }' if is_http else ''} {API}",
        http=group if is_http else "",
        servers=["listen 127.0.0.1:%%PORT_up%%; return 204;"],
        main="" if is_http else f"stream {{ {group} {tcp} }}",
    )

    def peers() -> Any:
        return get(nginx, f"/{branch}/upstreams/u")["peers"]

    before = timestamp(nginx)
    assert [(peer["downtime"], "downstart" in peer) for peer in peers()] == [(0, False)] * 3
    assert b" 204 " in nginx.raw(b"GET / HTTP/1.0\r\n\r\n", "" if is_http else "tcp")
    until(lambda: [peer["downtime"] > 0 for peer in peers()], [True, False, False])
    assert ["downstart" in peer for peer in peers()] == [True, False, False]
    failing = peers()[0]
    assert failing["state"] == "unavail"
    # The times of failures are whole seconds.
    assert before - timedelta(seconds=2) <= time_of(failing["downstart"]) <= timestamp(nginx)
