"""pyngx_metrics: each name has a test with a value that could be another."""

from __future__ import annotations

import re
import socket
import ssl
import threading
import time
from collections import Counter
from pathlib import Path

import dns.rcode
import pytest

from pyngx_jwt import NGINX_VERSION
from pyngx_jwt.conf.scope import Scope
from pyngx_jwt.metrics.reloads import ReloadState
from pyngx_jwt.modules.api import metrics_pyngx
from pyngx_jwt.modules.api.exposition import Exposition
from pyngx_jwt.modules.api.snapshot import Snapshot
from pyngx_jwt.modules.api.vocabularies import VOCABULARIES
from pyngx_jwt.options import Options, resolve_options

from ..authority import Authority
from ..backend import Peer
from ..nameserver import FORMERR, NXDOMAIN, REFUSED, SERVFAIL, Refused, Step, records
from ..nginx import Nginx
from ..process.server import wait_for
from ..tls_client import ask, client_context
from ..wire import DEADLINE
from .test_metrics import METRICS, scrape
from .test_stream_proxy import connected
from .test_stream_status import metrics, start, zone_when
from .tokens import FILES, KEYS, Issuer, bearer

pytestmark = pytest.mark.pyngx_only("directives of NGINX Plus, and of our own")


def test_each_name_is_asserted_somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_pyngx, "reload_state", lambda _: ReloadState(1, 2, 3, 4, 5, 6))
    families: list[str] = []

    class Names(Exposition):
        def family(self, name: str, kind: str, about: str) -> None:
            super().family(name, kind, about)
            families.append(name)

    options = Options(*resolve_options(str(tmp_path), "nginx.conf", None))
    for writers in VOCABULARIES.values():
        for write in writers:
            write(Names(is_open=False), Snapshot(Scope(options, print)))
    assert len(families) == len(set(families)) > 120
    texts = [path.read_text() for path in Path(__file__).parent.glob("test_*.py")]
    words = set(re.findall(r"\w+", "\n".join(texts)))
    words |= {word.removesuffix("_bucket") for word in words}
    # Tests of "stream" leave out what all its names begin with.
    short = {name: name.removeprefix("nginxplus_stream_") for name in families}
    assert [name for name in families if not {name, short[name]} & words] == []


def test_connections_and_requests(nginx: Nginx) -> None:
    """One client waits after two requests, another one asks."""
    begun = time.time()
    nginx(f"location / {{ limit_req zone=all burst=9; empty_gif; }} {METRICS}",
          http="limit_req_zone $uri zone=all:256k rate=99r/s;")  # fmt: skip
    with nginx.connect() as client:
        client.exchange("> GET /\n< 200\n\n> GET /\n< 200\n")
        found = scrape(nginx)
    assert found["nginxplus_connections_accepted"] == 2
    assert found["nginxplus_connections_active"] == found["nginxplus_connections_idle"] == 1
    assert found["nginxplus_connections_dropped"] == 0
    assert found["nginxplus_http_requests_total"] == 3
    assert found["nginxplus_http_requests_current"] == 1
    connections = {
        status: found[f'nginx_vts_main_connections status="{status}"']
        for status in ["accepted", "active", "handled", "reading", "requests", "waiting", "writing"]
    }
    assert list(connections.values()) == [2, 2, 2, 0, 3, 1, 1]
    labels = next(key for key in found if key.startswith("nginxplus_worker_connection_active"))
    worker = labels.partition(" ")[2]
    assert re.fullmatch(r'id="0" pid="\d+"', worker)
    assert found[f"nginxplus_worker_connection_accepted {worker}"] == 2
    assert found[f"nginxplus_worker_connection_dropped {worker}"] == 0
    assert found[f"nginxplus_worker_connection_active {worker}"] == 1
    assert found[f"nginxplus_worker_connection_idle {worker}"] == 1
    assert found[f"nginxplus_worker_http_requests_total {worker}"] == 3
    assert found[f"nginxplus_worker_http_requests_current {worker}"] == 1
    pid = worker.partition(" ")[2] + ' worker="0"'
    assert found[f"pyngx_worker_connections {pid}"] == 2
    assert found[f"pyngx_worker_requests_total {pid}"] == 3
    assert begun - 1 <= found["nginx_vts_start_time_seconds"] <= time.time()
    assert found[f"pyngx_worker_start_time_seconds {pid}"] == found["nginx_vts_start_time_seconds"]
    (info,) = (key for key in found if key.startswith("nginx_vts_info "))
    assert f'version="{NGINX_VERSION}"' in info
    zone = 'use="limit_req" zone="all"'
    assert found[f"pyngx_zone_size_bytes {zone}"] == 256 << 10
    assert 0 < found[f"pyngx_zone_used_bytes {zone}"] <= 256 << 10


def test_bytes_of_clients(nginx: Nginx) -> None:
    nginx(
        f"""
        location / {{ status_zone site; return 200 0123456789; }}
        location = /cut {{ status_zone site; return 444; }}
        {METRICS}
        """,
        http="""server {
            listen 127.0.0.1:%%PORT_o%%; server_name o; status_zone other; return 201;
        }""",
    )
    question = b"POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc"
    answer = nginx.raw(question)
    cut, question_o = b"GET /cut HTTP/1.0\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n"
    assert nginx.raw(cut) == b""
    other = nginx.raw(question_o, "o")
    found = scrape(nginx)
    site = 'location_zone="site"'
    assert found[f"nginxplus_location_zone_sent {site}"] == len(answer)
    assert found[f"nginxplus_location_zone_received {site}"] == len(question) + len(cut)
    assert found[f"nginxplus_location_zone_discarded {site}"] == 1
    assert found[f'nginxplus_location_zone_responses_codes code="200" {site}'] == 1
    assert found['nginxplus_server_zone_sent server_zone="other"'] == len(other)
    assert found['nginx_vts_server_bytes_total direction="out" host="o"'] == len(other)
    assert found['nginx_vts_server_bytes_total direction="in" host="o"'] == len(question_o)
    total = len(other) + len(answer)
    assert found['nginx_vts_server_bytes_total direction="out" host="*"'] == total


def test_what_upstreams_send_and_how_long_it_takes(nginx: Nginx) -> None:
    """One in 0.1 seconds, and one that is not finished."""
    go_on, response = threading.Event(), b"HTTP/1.1 201 Made\r\nContent-Length: 4\r\n\r\nmade"

    heads: list[str] = []

    def slow(peer: Peer) -> None:
        heads.append(peer.request())
        time.sleep(0.1)  # what is measured
        peer.send(response)
        if not peer.closed():
            peer.request()
            go_on.wait(DEADLINE)
            peer.send(response)  # else the request is made again, over another connection

    backend = nginx.backend("up", slow)
    nginx(
        f"location / {{ proxy_pass http://backend; }} {METRICS}",
        http="""upstream backend {
            zone backend 64k; server 127.0.0.1:%%PORT_up%%; keepalive 4;
        }""",
    )
    assert nginx.request("GET /").status == 201
    head = heads[0]
    with nginx.connect() as client:
        client.wire.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        backend.wait_until_asked(2)
        found = scrape(nginx)
        go_on.set()
    server = nginx.filled('server="127.0.0.1:%%PORT_up%%" upstream="backend"')
    assert found[f"nginxplus_upstream_server_active {server}"] == 1
    assert found[f"nginxplus_upstream_server_sent {server}"] == len(head)
    assert found[f"nginxplus_upstream_server_received {server}"] == len(response)
    assert found[f"nginxplus_upstream_server_header_time {server}"] >= 100
    assert found[f"nginxplus_upstream_server_response_time {server}"] >= 100
    backend_labels = nginx.filled('backend="127.0.0.1:%%PORT_up%%"')
    group = 'upstream="backend"'
    for direction, size in (("out", len(response)), ("in", len(head))):
        name = f'nginx_vts_upstream_bytes_total {backend_labels} direction="{direction}" {group}'
        assert found[name] == size
    for code, count in (("2xx", 1), ("5xx", 0), ("total", 1)):
        name = f'nginx_vts_upstream_requests_total {backend_labels} code="{code}" {group}'
        assert found[name] == count
    assert found[f"nginx_vts_upstream_request_seconds_total {backend_labels} {group}"] >= 0.1
    assert found[f"nginx_vts_upstream_request_seconds {backend_labels} {group}"] >= 0.1
    name = f"nginx_vts_upstream_request_duration_seconds_bucket {backend_labels}"
    assert found[f'{name} le="0.05" {group}'] == 0
    assert found[f'{name} le="+Inf" {group}'] == 1
    name = "nginx_vts_server_request_duration_seconds_bucket"
    assert found[f'{name} host="_" le="0.05"'] == 0
    assert found['nginx_vts_server_request_seconds_total host="_"'] >= 0.1


class Origin:
    """What a cache stores for a second, or what fails."""

    def __init__(self) -> None:
        self.fails = False
        self.go_on, self.is_asked = threading.Event(), threading.Event()
        self.go_on.set()

    def __call__(self, peer: Peer) -> None:
        head = peer.request()
        if "/slow" in head and not self.go_on.is_set():
            self.is_asked.set()
            self.go_on.wait(DEADLINE)
        if self.fails:
            peer.send(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")
        elif "If-None-Match" in head:
            peer.send(b"HTTP/1.1 304 Same\r\nCache-Control: max-age=1\r\n\r\n")
        else:
            peer.send(
                b'HTTP/1.1 200 OK\r\nETag: "a"\r\nCache-Control: max-age=1\r\n'
                b"Content-Length: 7\r\n\r\ncontent"
            )


def test_all_that_a_cache_does(nginx: Nginx) -> None:
    origin, seen, sizes = Origin(), Counter[str](), Counter[str]()
    nginx.backend("up", origin)
    nginx(
        f"""
        add_header X-Cache $upstream_cache_status always;
        proxy_cache one; proxy_cache_bypass $arg_fresh; proxy_cache_key $uri;
        proxy_cache_use_stale http_500 updating;
        location / {{ proxy_pass http://127.0.0.1:%%PORT_up%%; }}
        location /same {{ proxy_cache_revalidate on; proxy_pass http://127.0.0.1:%%PORT_up%%; }}
        location /rare {{ proxy_cache_min_uses 5; proxy_pass http://127.0.0.1:%%PORT_up%%; }}
        {METRICS}
        """,
        http="proxy_cache_path %%DIR%%/cache keys_zone=one:1m max_size=2m;",
    )

    def get(uri: str) -> str:
        answer = nginx.request(f"GET {uri}")
        status = str(answer.get("X-Cache"))
        seen[status] += 1
        sizes[status] += len(answer.body)
        return status

    def until(uri: str, wanted: str) -> None:
        deadline = time.monotonic() + DEADLINE
        while get(uri) != wanted:
            assert time.monotonic() < deadline
            time.sleep(0.05)

    assert [get(uri) for uri in ("/a", "/same", "/slow")] == ["MISS"] * 3
    assert get("/a?fresh=1") == "BYPASS"
    get("/rare")
    until("/a", "EXPIRED")
    until("/same", "REVALIDATED")
    origin.go_on.clear()
    waiting = threading.Thread(target=lambda: until("/slow", "EXPIRED"))
    waiting.start()
    assert origin.is_asked.wait(DEADLINE)
    assert get("/slow") == "UPDATING"
    origin.go_on.set()
    waiting.join()
    origin.fails = True
    until("/a", "STALE")
    found = scrape(nginx)
    zone = 'zone="one"'
    counted = {
        "HIT": found[f"nginxplus_cache_hit_responses {zone}"],
        "STALE": found[f"nginxplus_cache_stale_responses {zone}"],
        "UPDATING": found[f"nginxplus_cache_updating_responses {zone}"],
        "REVALIDATED": found[f"nginxplus_cache_revalidated_responses {zone}"],
        "MISS": found[f"nginxplus_cache_miss_responses {zone}"],
        "EXPIRED": found[f"nginxplus_cache_expired_responses {zone}"],
        "BYPASS": found[f"nginxplus_cache_bypass_responses {zone}"],
        "SCARCE": found[f"nginxplus_cache_scarce_responses {zone}"],
    }
    assert counted == {status: seen[status] for status in counted}
    size = {
        "HIT": found[f"nginxplus_cache_hit_bytes {zone}"],
        "STALE": found[f"nginxplus_cache_stale_bytes {zone}"],
        "UPDATING": found[f"nginxplus_cache_updating_bytes {zone}"],
        "REVALIDATED": found[f"nginxplus_cache_revalidated_bytes {zone}"],
        "MISS": found[f"nginxplus_cache_miss_bytes {zone}"],
        "EXPIRED": found[f"nginxplus_cache_expired_bytes {zone}"],
        "BYPASS": found[f"nginxplus_cache_bypass_bytes {zone}"],
        "SCARCE": found[f"nginxplus_cache_scarce_bytes {zone}"],
    }
    assert size == {status: sizes[status] for status in size}
    assert found[f"nginxplus_cache_cold {zone}"] in (0, 1)
    written = {
        "MISS": found[f"nginxplus_cache_miss_responses_written {zone}"],
        "EXPIRED": found[f"nginxplus_cache_expired_responses_written {zone}"],
        "BYPASS": found[f"nginxplus_cache_bypass_responses_written {zone}"],
    }
    assert written == {"MISS": 3, "EXPIRED": 2, "BYPASS": 1}  # not of /rare
    octets = {
        "MISS": found[f"nginxplus_cache_miss_bytes_written {zone}"],
        "EXPIRED": found[f"nginxplus_cache_expired_bytes_written {zone}"],
        "BYPASS": found[f"nginxplus_cache_bypass_bytes_written {zone}"],
    }
    assert octets == {status: 7 * number for status, number in written.items()}
    one = 'cache_zone="one"'
    total = found[f'nginx_vts_cache_bytes_total {one} direction="out"']
    assert total == sum(sizes.values())
    assert found[f'nginx_vts_cache_usage_bytes cache_size="max" {one}'] == 2 << 20
    used = found[f'nginx_vts_cache_usage_bytes {"cache_size"}="used" {one}']
    assert used == found[f"nginxplus_cache_size {zone}"] > 0


def test_all_that_limits_do(nginx: Nginx) -> None:
    go_on = threading.Event()

    def wait(peer: Peer) -> None:
        peer.request()
        go_on.wait(DEADLINE)
        peer.send(b"HTTP/1.1 204 Done\r\n\r\n")

    backend = nginx.backend("up", wait)
    nginx(
        f"""
        location /delayed {{ limit_req zone=delayed burst=5; empty_gif; }}
        location /dry {{ limit_req zone=dry burst=1; limit_req_dry_run on; empty_gif; }}
        location /conn {{ limit_conn conn 1; proxy_pass http://127.0.0.1:%%PORT_up%%; }}
        location /try {{ limit_conn conn 1; limit_conn_dry_run on; empty_gif; }}
        {METRICS}
        """,
        http="""
            limit_req_zone all zone=delayed:64k rate=20r/s;
            limit_req_zone all zone=dry:64k rate=1r/m;
            limit_conn_zone all zone=conn:64k;
            """,
    )
    for _ in range(3):
        assert nginx.request("GET /delayed").status == 200
        assert nginx.request("GET /dry").status == 200
    with nginx.connect() as client:
        client.wire.send(b"GET /conn HTTP/1.1\r\nHost: a\r\n\r\n")
        backend.wait_until_asked()
        assert nginx.request("GET /conn").status == 503
        assert nginx.request("GET /try").status == 200
        go_on.set()
    found = scrape(nginx)
    delayed = found['nginxplus_limit_request_delayed zone="delayed"']
    assert delayed + found['nginxplus_limit_request_passed zone="delayed"'] == 3
    assert found['nginxplus_limit_request_passed zone="dry"'] == 1
    assert found['nginxplus_limit_request_delayed_dry_run zone="dry"'] == 1
    assert found['nginxplus_limit_request_rejected_dry_run zone="dry"'] == 1
    assert found['nginxplus_limit_connection_rejected zone="conn"'] == 1
    assert found['nginxplus_limit_connection_rejected_dry_run zone="conn"'] == 1


def test_what_name_servers_say(nginx: Nginx) -> None:
    zone: dict[str, Step | list[Step]] = {
        "ok.example": records("127.0.0.1"),
        "form.example": FORMERR,
        "fail.example": SERVFAIL,
        "none.example": NXDOMAIN,
        "notimp.example": Refused(dns.rcode.NOTIMP),
        "refused.example": REFUSED,
        "unknown.example": Refused(dns.rcode.YXDOMAIN),
    }
    server = nginx.names("dns", dict(zone))
    nginx(
        f"""
        resolver 127.0.0.1:%%PORT_dns%% ipv6=off status_zone=names; resolver_timeout 2s;
        location / {{ proxy_pass http://$host:%%PORT_up%%; }}
        {METRICS}
        """,
        servers=["listen 127.0.0.1:%%PORT_up%%; return 204;"],
    )
    for name in zone:
        expected = 204 if name == "ok.example" else 502
        assert nginx.request("GET /", f"Host: {name}").status == expected
    found, asked = scrape(nginx), server.asked
    label = 'resolver="names"'
    assert found[f"nginxplus_resolver_name {label}"] == len(zone)
    assert found[f"nginxplus_resolver_srv {label}"] == 0
    assert found[f"nginxplus_resolver_addr {label}"] == 0
    assert found[f"nginxplus_resolver_noerror {label}"] == asked["A ok.example"] == 1
    assert found[f"nginxplus_resolver_formerr {label}"] == asked["A form.example"]
    assert found[f"nginxplus_resolver_servfail {label}"] == asked["A fail.example"]
    assert found[f"nginxplus_resolver_nxdomain {label}"] == asked["A none.example"]
    assert found[f"nginxplus_resolver_notimp {label}"] == asked["A notimp.example"]
    assert found[f"nginxplus_resolver_refused {label}"] == asked["A refused.example"]
    assert found[f"nginxplus_resolver_unknown {label}"] == asked["A unknown.example"]
    assert found[f"nginxplus_resolver_timedout {label}"] == 2  # as two answers cannot be used


def test_handshakes(nginx: Nginx) -> None:
    site = Authority("front.example", ["front.example"])
    nginx(
        f"ssl_certificate a.pem; ssl_certificate_key a.key; return 200 x; {METRICS}",
        http=f"server {{ listen 127.0.0.1:%%PORT_m%%; {METRICS} }}",
        listen="127.0.0.1:%%PORT%% ssl",
        files={"a.pem": site.pem, "a.key": site.key_pem()},
    )
    context = client_context()
    _, session = ask(nginx, context=context)
    ask(nginx, context=context, session=session)
    doubting = ssl.create_default_context()  # it does not trust the certificate
    doubting.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        socket.create_connection(("127.0.0.1", nginx.port())) as client,
        pytest.raises(ssl.SSLError),
    ):
        doubting.wrap_socket(client, server_hostname="front.example")

    def counted(text: str) -> bool:
        answer = nginx.request("GET /metrics", port="m").text
        return re.search(f"^{text}$", answer, re.M) is not None

    wait_for("the failure", lambda: counted("nginxplus_ssl_handshakes_failed 1"))
    assert counted("nginxplus_ssl_handshakes 2")
    assert counted("nginxplus_ssl_session_reuses 1")


@pytest.mark.needs("auth-jwt")
def test_tokens_and_fetches(nginx: Nginx) -> None:
    issuer = Issuer()
    nginx.backend("issuer", issuer)
    nginx(
        f"""
        location / {{ auth_jwt A; {KEYS} root html; }}
        location /f {{ auth_jwt A; auth_jwt_key_request /keys; auth_jwt_key_cache 1h; root html; }}
        location = /keys {{ internal; proxy_pass http://127.0.0.1:%%PORT_issuer%%; }}
        {METRICS}
        """,
        http="pyngx_jwt_dialect plus;",
        files={**FILES, "html/a": "a", "html/f": "f"},
    )
    for number in range(3):
        assert nginx.request("GET /a", bearer(sub=str(number))).status == 200
    assert nginx.request("GET /f", bearer()).status == 200
    found = scrape(nginx)
    assert found["pyngx_jwt_cache_misses_total"] == 4
    assert 0 < found['pyngx_jwks_fetch_seconds_total source="/keys"'] < 60


def test_sessions_of_stream(nginx: Nginx) -> None:
    def slow(peer: Peer) -> None:
        data = peer.exactly(5)
        time.sleep(0.1)  # what is measured
        peer.send(data + data)
        peer.closed()

    nginx.backend("b", slow)
    start(
        nginx,
        """
        limit_conn_zone $protocol zone=conns:64k;
        upstream u { zone u 64k; server 127.0.0.1:%%PORT_b%% max_conns=9; }
        upstream gone {
            zone gone 64k;
            server 127.0.0.1:%%PORT_none%% fail_timeout=1h;
            server 127.0.0.1:%%PORT_other%% fail_timeout=1h;
        }
        upstream sick { zone sick 64k; server 127.0.0.1:%%PORT_none%%; }
        server {
            listen 127.0.0.1:%%PORT_a%%; status_zone front; limit_conn conns 1; proxy_pass u;
        }
        server { listen 127.0.0.1:%%PORT_c%%; proxy_pass gone; }
        server {
            listen 127.0.0.1:%%PORT_d%%; limit_conn conns 1; limit_conn_dry_run on; return x;
        }
        server { listen 127.0.0.1:%%PORT_e%%; status_zone on; pass 127.0.0.1:%%PORT_d%%; }
        server { listen 127.0.0.1:%%PORT_f%%; health_check interval=50ms; proxy_pass sick; }
        """,
    )
    peer, none = ("u", f"127.0.0.1:{nginx.port('b')}"), f"127.0.0.1:{nginx.port('none')}"
    with connected(nginx) as wire:
        wire.send(b"hello")
        assert wire.exactly(10) == b"hellohello"
        assert nginx.raw(b"", "a") == b""  # one too many
        assert nginx.raw(b"", "d") == b"x"
        zone_when(nginx, processing=1)
        during = metrics(nginx)
    assert nginx.raw(b"", "c") == b""
    assert nginx.raw(b"", "e") == b"x"
    zone_when(nginx, processing=0)
    wait_for(
        "a check", lambda: metrics(nginx)["upstream_server_health_checks_unhealthy", "sick", none]
    )
    found = metrics(nginx)
    assert during["server_zone_processing", "front"] == 1
    assert during["upstream_server_active", *peer] == 1
    assert found["server_zone_processing", "front"] == found["upstream_server_active", *peer] == 0
    assert found["server_zone_discarded", "on"] == 1
    assert found["upstream_server_limit", *peer] == 9
    assert found["upstream_server_sent", *peer] == 5
    assert found["upstream_server_received", *peer] == 10
    assert 0 <= found["upstream_server_connect_time", *peer] < 60_000
    assert found["upstream_server_response_time", *peer] >= 100
    assert found["upstream_server_fails", "gone", none] == 1
    assert found["upstream_server_unavail", "gone", none] == 1
    assert found["upstream_server_health_checks_checks", "sick", none] >= 1
    assert found["upstream_server_health_checks_fails", "sick", none] >= 1
    assert found["upstream_server_health_checks_unhealthy", "sick", none] == 1
    assert found["limit_connection_passed", "conns"] >= 1
    assert found["limit_connection_rejected", "conns"] == 1
    assert found["limit_connection_rejected_dry_run", "conns"] == 1
