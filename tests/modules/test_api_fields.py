"""api: the fields of NGINX Plus that its Go client reads, which nginx-prometheus-exporter uses."""

from __future__ import annotations

from typing import Any

import pytest

from ..nginx import Nginx
from .test_api import API, get
from .test_api_names import until

pytestmark = pytest.mark.pyngx_only("nginx has no API, and that of NGINX Plus is not at hand")
FAILURES = {"no_cert", "expired_cert", "revoked_cert", "hostname_mismatch", "other"}
TLS = {
    *("handshakes", "handshakes_failed", "session_reuses", "no_common_protocol"),
    *("no_common_cipher", "handshake_timeout", "peer_rejected_cert"),
}
OF_CLIENTS = TLS | {f"verify_failures.{name}" for name in FAILURES - {"hostname_mismatch"}}
OF_SERVERS = TLS | {f"verify_failures.{name}" for name in FAILURES - {"no_cert"}}
RESPONSES = {"1xx", "2xx", "3xx", "4xx", "5xx", "total"}
CONNECTIONS = {"accepted", "dropped", "active", "idle"}
READ, WRITTEN = {"responses", "bytes"}, {"responses_written", "bytes_written"}


def below(name: str, fields: set[str]) -> set[str]:
    return {f"{name}.{field}" for field in fields}


PEER = {
    *("id", "server", "name", "backup", "weight", "state", "active", "max_conns"),
    *("sent", "received", "fails", "unavail", "downtime", "response_time"),
    *below("health_checks", {"checks", "fails", "unhealthy", "last_passed"}),
    *below("ssl", OF_SERVERS),
}
WANTED: dict[str, set[str]] = {
    "nginx": {
        *("version", "build", "address", "generation", "load_timestamp", "timestamp"),
        *("pid", "ppid"),
    },
    "processes": {"respawned"},
    "connections": CONNECTIONS,
    "ssl": TLS | below("verify_failures", FAILURES),
    "slabs/u": {"pages.used", "pages.free"},
    "workers/0": {
        *("id", "pid", "http.requests.total", "http.requests.current"),
        *below("connections", CONNECTIONS),
    },
    "resolvers/dns": {
        *below("requests", {"name", "srv", "addr"}),
        *below("responses", {"noerror", "formerr", "servfail", "nxdomain", "notimp", "refused"}),
        *below("responses", {"timedout", "unknown"}),
    },
    "http/requests": {"total", "current"},
    "http/server_zones/site": {
        *("processing", "requests", "discarded", "received", "sent"),
        *below("responses", RESPONSES),
        *below("ssl", OF_CLIENTS),
    },
    "http/location_zones/place": {
        *("requests", "discarded", "received", "sent"),
        *below("responses", RESPONSES),
    },
    "http/caches/one": {
        *("size", "max_size", "cold"),
        *below("hit", READ),
        *below("stale", READ),
        *below("updating", READ),
        *below("revalidated", READ),
        *below("miss", READ | WRITTEN),
        *below("expired", READ | WRITTEN),
        *below("bypass", READ | WRITTEN),
    },
    "http/limit_reqs/rates": {
        *("passed", "delayed", "rejected", "delayed_dry_run", "rejected_dry_run"),
    },
    "http/limit_conns/conns": {"passed", "rejected", "rejected_dry_run"},
    "http/upstreams/u": {
        *("zone", "keepalive", "zombies", "queue.size", "queue.max_size", "queue.overflows"),
        *below("peers", PEER | {"requests", "header_time"} | below("responses", RESPONSES)),
    },
    "stream/server_zones/front": {
        *("processing", "connections", "discarded", "received", "sent"),
        *below("sessions", {"2xx", "4xx", "5xx", "total"}),
        *below("ssl", OF_CLIENTS),
    },
    "stream/limit_conns/tcps": {"passed", "rejected", "rejected_dry_run"},
    "stream/upstreams/t": {
        *("zone", "zombies"),
        *below("peers", PEER | {"connections", "connect_time", "first_byte_time"}),
    },
    "stream/zone_sync": below(
        "status", {"bytes_in", "msgs_in", "msgs_out", "bytes_out", "nodes_online"}
    ),
}


def fields(value: Any, at: str = "") -> dict[str, Any]:
    """The values by their paths; of a list those of its first member."""
    if isinstance(value, list):
        return fields(value[0], at) if value else {}
    if not isinstance(value, dict):
        return {at: value}
    return {
        path: found
        for name, member in value.items()
        for path, found in fields(member, f"{at}.{name}" if at else name).items()
    }


def test_all_of_them(nginx: Nginx) -> None:
    nginx(
        f"""
        status_zone site;
        location / {{
            status_zone place; limit_req zone=rates; limit_conn conns 9;
            proxy_cache one; proxy_pass http://u; health_check interval=50ms;
        }}
        location /named {{ proxy_pass http://$host; }}
        {API}
        """,
        http="""
            resolver 127.0.0.1 status_zone=dns;
            limit_req_zone $uri zone=rates:64k rate=9r/s; limit_conn_zone $uri zone=conns:64k;
            proxy_cache_path %%DIR%%/cache keys_zone=one:1m max_size=10m;
            upstream u { zone u 64k; server 127.0.0.1:%%PORT_up%% max_conns=9; queue 9; }
            """,
        main="""stream {
            limit_conn_zone $protocol zone=tcps:64k;
            upstream t { zone t 64k; server 127.0.0.1:%%PORT_up%% max_conns=9; }
            server {
                listen 127.0.0.1:%%PORT_tcp%%; status_zone front; limit_conn tcps 9;
                proxy_pass t; health_check interval=50ms;
            }
        }""",
        servers=["listen 127.0.0.1:%%PORT_up%%; return 204;"],
    )
    assert nginx.request("GET /").status == 204

    def passed(path: str) -> bool | None:
        passed: bool | None = fields(get(nginx, path)).get("peers.health_checks.last_passed")
        return passed

    until(lambda: passed("/http/upstreams/u"), True)
    until(lambda: passed("/stream/upstreams/t"), True)
    for path, wanted in WANTED.items():
        found = fields(get(nginx, f"/{path}"))
        assert wanted - found.keys() == set(), path
        texts = {"version", "build", "address", "load_timestamp", "timestamp", "zone"}
        texts |= {"peers.server", "peers.name", "peers.state"}
        for name in wanted:
            assert isinstance(found[name], str if name in texts else int), name
