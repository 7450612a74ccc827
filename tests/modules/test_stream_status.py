"""Statistics of "stream": zones, servers of groups and limits, in the API and in metrics."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ..nginx import Nginx
from ..redis_server import redis_server
from ..wire import DEADLINE
from .test_metrics import scrape
from .test_stream_proxy import connected, echo, saying

pytestmark = pytest.mark.pyngx_only("statistics of stream are a part of NGINX Plus")

INSIDE = "location /api/ { api write=on; } location = /metrics { pyngx_metrics plus; }"
SERVER = "listen 127.0.0.1:%%PORT_a%%; status_zone front; proxy_pass u;"
GROUP = "upstream u { zone u 64k; server 127.0.0.1:%%PORT_b%%; }"


def start(nginx: Nginx, stream: str) -> None:
    nginx(INSIDE, main=f"stream {{ {stream} }}")


def get(nginx: Nginx, path: str) -> Any:
    answer = nginx.request(f"GET /api/9/stream{path}")
    assert answer.status == 200, answer.text
    return json.loads(answer.text)


def send(nginx: Nginx, method: str, path: str, value: object = None) -> tuple[int, Any]:
    body = "" if value is None else json.dumps(value)
    line = f"{method} /api/9/stream{path}"
    answer = nginx.request(line, f"Content-Length: {len(body)}", body=body)
    return answer.status, json.loads(answer.text) if answer.text else None


def metrics(nginx: Nginx) -> dict[tuple[str, ...], float]:
    """Values by the name of the sample and the values of its labels, those of "stream"."""
    text = nginx.request("GET /metrics").text
    return {
        (
            sample.name.removeprefix("nginxplus_stream_").removesuffix("_total"),
            *sample.labels.values(),
        ): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("nginxplus_stream_")
    }


def zone_when(nginx: Nginx, **wanted: object) -> Any:
    """The zone "front" once it has these values."""
    deadline = time.monotonic() + DEADLINE
    while True:
        zone = get(nginx, "/server_zones/front")
        if all(zone[name] == value for name, value in wanted.items()):
            return zone
        assert time.monotonic() < deadline, zone
        time.sleep(0.02)


def test_the_tree(nginx: Nginx) -> None:
    start(nginx, f"{GROUP} server {{ {SERVER} }}")
    top = json.loads(nginx.request("GET /api/9/").text)
    assert top[4:6] == ["http", "stream"]
    assert get(nginx, "/") == ["server_zones", "limit_conns", "upstreams", "zone_sync", "keyvals"]
    error = nginx.request("GET /api/9/stream/server_zones/none")
    assert error.status == 404 and "ServerZoneNotFound" in error.text
    assert nginx.request("GET /api/9/stream/caches").status == 404
    assert nginx.request("GET /api/9/stream/upstreams/u/peers").status == 404


def test_sessions(nginx: Nginx) -> None:
    nginx.backend("b", echo)
    start(nginx, f"{GROUP} server {{ {SERVER} }}")
    with connected(nginx) as wire:
        wire.send(b"hello")
        assert wire.exactly(5) == b"hello"
        zone = zone_when(nginx, processing=1)
        assert zone["connections"] == 1 and zone["sessions"]["total"] == 0
        (peer,) = get(nginx, "/upstreams/u")["peers"]
        assert (peer["active"], peer["connections"], peer["state"]) == (1, 1, "up")
    zone = zone_when(nginx, processing=0)
    assert not any(number for number in zone.pop("ssl").values() if number.__class__ is int)
    assert zone == {
        "processing": 0,
        "connections": 1,
        "sessions": {"2xx": 1, "4xx": 0, "5xx": 0, "total": 1},
        "discarded": 0,
        "received": 5,
        "sent": 5,
    }
    (peer,) = get(nginx, "/upstreams/u")["peers"]
    assert (peer["active"], peer["connections"], peer["fails"]) == (0, 1, 0)
    assert (peer["received"], peer["sent"]) == (5, 5)
    assert {"connect_time", "first_byte_time", "response_time"} < set(peer)
    assert "requests" not in peer and "responses" not in peer
    counted, name = metrics(nginx), f"127.0.0.1:{nginx.port('b')}"
    assert counted["server_zone_connections", "front"] == 1
    assert counted["server_zone_sessions", "front", "2xx"] == 1
    assert counted["server_zone_received", "front"] == counted["server_zone_sent", "front"] == 5
    assert counted["upstream_server_state", "u", name] == 1
    assert counted["upstream_server_connections", "u", name] == 1
    assert counted["upstream_server_received", "u", name] == 5
    assert ("upstream_server_first_byte_time", "u", name) in counted
    assert send(nginx, "DELETE", "/server_zones/front")[0] == 204
    assert get(nginx, "/server_zones/front")["connections"] == 0


def test_how_sessions_end(nginx: Nginx) -> None:
    start(
        nginx,
        "server { listen 127.0.0.1:%%PORT_a%%; status_zone front; deny all; return x; }"
        "server { listen 127.0.0.1:%%PORT_c%%; status_zone front; "
        "proxy_pass 127.0.0.1:%%PORT_gone%%; }"
        "server { listen 127.0.0.1:%%PORT_d%% proxy_protocol; status_zone front; return x; }",
    )
    assert nginx.raw(b"", "a") == b"" == nginx.raw(b"", "c") == nginx.raw(b"no\r\n", "d")
    zone = zone_when(nginx, connections=3)
    assert zone["sessions"] == {"2xx": 0, "4xx": 2, "5xx": 1, "total": 3}


def test_connections_that_are_passed_on(nginx: Nginx) -> None:
    """They are another server's then."""
    start(
        nginx,
        "server { listen 127.0.0.1:%%PORT_a%%; status_zone front; pass 127.0.0.1:%%PORT_c%%; }"
        "server { listen 127.0.0.1:%%PORT_c%%; status_zone back; return x; }",
    )
    assert nginx.raw(b"", "a") == b"x"
    zone = zone_when(nginx, connections=1, processing=0)
    assert zone["discarded"] == 1 and zone["sessions"]["total"] == 0
    assert get(nginx, "/server_zones/back")["sessions"]["2xx"] == 1


def test_failures_of_servers(nginx: Nginx) -> None:
    nginx.backend("b", echo)
    start(
        nginx,
        "upstream u { zone u 64k; server 127.0.0.1:%%PORT_gone%%; server 127.0.0.1:%%PORT_b%%; }"
        f"server {{ {SERVER} }}",
    )
    with connected(nginx) as wire:
        wire.send(b"x")
        assert wire.exactly(1) == b"x"
    gone, there = get(nginx, "/upstreams/u")["peers"]
    assert (gone["fails"], gone["unavail"], gone["state"]) == (1, 1, "unavail")
    assert (gone["connections"], there["connections"], there["fails"]) == (0, 1, 0)


def test_limits(nginx: Nginx) -> None:
    nginx.backend("b", echo)
    start(
        nginx,
        f"limit_conn_zone $server_port zone=l:64k; {GROUP} server {{ limit_conn l 1; {SERVER} }}",
    )
    with connected(nginx) as wire:
        wire.send(b"x")
        assert wire.exactly(1) == b"x"
        assert nginx.raw(b"", "a") == b""
    wanted = {"passed": 1, "rejected": 1, "rejected_dry_run": 0}
    assert get(nginx, "/limit_conns") == {"l": wanted}
    counted = metrics(nginx)
    for name, value in wanted.items():
        assert counted[f"limit_connection_{name}", "l"] == value
    assert json.loads(nginx.request("GET /api/9/http/limit_conns").text) == {}


def test_changes_of_servers(nginx: Nginx) -> None:
    nginx.backend("b", saying(b"b"))
    nginx.backend("c", saying(b"c"))
    start(nginx, f"{GROUP} server {{ {SERVER} }}")
    added = {"server": f"127.0.0.1:{nginx.port('c')}"}
    status, server = send(nginx, "POST", "/upstreams/u/servers", added)
    assert (status, server["id"]) == (201, 1)
    assert not {"route", "drain"} & set(server)
    assert {nginx.raw(b"", "a") for _ in range(4)} == {b"b", b"c"}
    assert send(nginx, "PATCH", "/upstreams/u/servers/0", {"down": True})[0] == 200
    assert nginx.raw(b"", "a") == nginx.raw(b"", "a") == b"c"
    assert send(nginx, "DELETE", "/upstreams/u/servers/0")[0] == 200
    for wrong in ({"server": "127.0.0.1"}, {"server": "127.0.0.1:1", "route": "x"}):
        assert send(nginx, "POST", "/upstreams/u/servers", wrong)[0] == 400


def test_proxy_session_drop(nginx: Nginx) -> None:
    """Sessions with a server that is down end when something is sent."""
    nginx.backend("b", echo)
    start(
        nginx,
        f"{GROUP} server {{ {SERVER} proxy_session_drop on; }}"
        "server { listen 127.0.0.1:%%PORT_c%%; proxy_pass u; }",
    )
    with connected(nginx) as dropped, connected(nginx, "c") as kept:
        for wire in (dropped, kept):
            wire.send(b"x")
            assert wire.exactly(1) == b"x"
        assert send(nginx, "PATCH", "/upstreams/u/servers/0", {"down": True})[0] == 200
        time.sleep(0.1)  # so often, at most, is the group looked at
        for wire in (dropped, kept):
            wire.send(b"y")
        assert kept.exactly(1) == b"y"
        assert dropped.rest() == b""
    nginx.wait_for_log("upstream server is not used any more")


def test_nothing_is_counted_that_nothing_reports(nginx: Nginx) -> None:
    nginx.backend("b", echo)
    nginx.stream(f"{GROUP} server {{ {SERVER} }}")
    with connected(nginx) as wire:
        wire.send(b"x")
        assert wire.exactly(1) == b"x"


def test_rejected(nginx: Nginx) -> None:
    def rejects(line: str, why: str) -> None:
        assert why in nginx.refused(main=f"stream {{ server {{ listen 127.0.0.1:1; {line} }} }}")

    rejects('status_zone "";', 'invalid zone name ""')
    rejects("status_zone a; status_zone b;", '"status_zone" directive is duplicate')


def test_key_value_databases(nginx: Nginx) -> None:
    """Those of "stream" are not among those of "http"."""
    http = "keyval_zone zone=of_http:32k; keyval $arg_a $value zone=of_http;"
    stream = """
        keyval_zone zone=of_stream:32k timeout=1h;
        keyval $remote_addr $value zone=of_stream;
        server { listen 127.0.0.1:%%PORT_a%%; return "[$value]"; }"""
    nginx(INSIDE, http=http, main=f"stream {{ {stream} }}")
    assert get(nginx, "/keyvals/") == {"of_stream": {}}
    assert json.loads(nginx.request("GET /api/9/http/keyvals/").text) == {"of_http": {}}
    assert send(nginx, "POST", "/keyvals/of_stream", {"127.0.0.1": "one"})[0] == 201
    assert nginx.raw(b"", "a") == b"[one]"
    assert get(nginx, "/keyvals/of_stream") == {"127.0.0.1": "one"}
    status, error = send(nginx, "POST", "/keyvals/of_stream", {"127.0.0.1": "two"})
    assert (status, error["error"]["code"]) == (409, "KeyvalKeyExists")
    assert send(nginx, "PATCH", "/keyvals/of_stream", {"127.0.0.1": None})[0] == 204
    assert nginx.raw(b"", "a") == b"[]"
    status, error = send(nginx, "POST", "/keyvals/of_http", {"a": "1"})
    assert (status, error["error"]["code"]) == (404, "KeyvalNotFound")
    assert send(nginx, "DELETE", "/keyvals/of_stream")[0] == 204


def test_zones_of_several_machines(nginx: Nginx, tmp_path: Path) -> None:
    with redis_server(tmp_path / "redis") as server:
        http = f"""
            pyngx_zone_store {server.url} timeout=2s;
            limit_req_zone $uri zone=one:1m rate=100r/s sync;
            keyval_zone zone=two:32k sync timeout=1h;
            keyval_zone zone=own:32k;"""
        inside = f"{INSIDE} location /x {{ limit_req zone=one; empty_gif; }}"
        nginx(inside, http=http)
        synced = synced_when(nginx, nodes_online=1)
        assert synced["zones"] == {
            "one": {"records_pending": 0, "records_total": 0},
            "two": {"records_pending": 0, "records_total": 0},
        }
        assert set(synced["status"]) == {
            *("bytes_in", "msgs_in", "msgs_out", "bytes_out", "nodes_online"),
        }
        assert nginx.request("GET /x").status == 200
        path, body = "/api/9/http/keyvals/two", '{"a": "1"}'
        request = f"Content-Length: {len(body)}"
        assert nginx.request(f"POST {path}", request, body=body).status == 201
        synced = synced_when(nginx, msgs_in=1)
        assert synced["zones"]["one"]["records_total"] == 1
        assert synced["zones"]["two"] == {"records_pending": 0, "records_total": 1}
        assert synced["status"]["msgs_out"] >= 2
        assert synced["status"]["bytes_in"] > 0 < synced["status"]["bytes_out"]
        found = metrics(nginx)
        assert found["zone_sync_zone_records_pending", "two"] == 0
        assert found["zone_sync_status_nodes_online",] == 1
        assert found["zone_sync_status_msgs_in",] == 1
        assert found["zone_sync_status_msgs_out",] >= synced["status"]["msgs_out"]
        assert found["zone_sync_status_bytes_in",] >= synced["status"]["bytes_in"]
        assert found["zone_sync_status_bytes_out",] >= synced["status"]["bytes_out"]
        assert scrape(nginx)['nginxplus_stream_zone_sync_zone_records_total zone="two"'] == 1
    synced_when(nginx, nodes_online=0)
    body = '{"b": "1"}'
    assert nginx.request(f"POST {path}", request, body=body).status == 201
    assert get(nginx, "/zone_sync")["zones"]["two"] == {"records_pending": 1, "records_total": 2}
    assert nginx.request("GET /api/2/stream/zone_sync").status == 404


def synced_when(nginx: Nginx, **wanted: int) -> Any:
    """The status of the shared zones once it has these values."""
    deadline = time.monotonic() + DEADLINE
    while True:
        found = get(nginx, "/zone_sync")
        if all(found["status"][name] == value for name, value in wanted.items()):
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
