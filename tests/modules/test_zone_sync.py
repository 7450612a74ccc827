"""zone_sync: configurations of NGINX Plus, whose zones a store shares."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..nginx import Nginx
from ..process.server import wait_for
from ..redis_server import Machines, RedisServer, machines_in, redis_server, statuses

pytestmark = pytest.mark.pyngx_only("nginx has no zone_sync, and NGINX Plus is not at hand")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as server:
        yield server


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Machines]:
    with machines_in(tmp_path) as machines:
        yield machines


# All directives of the module, as a cluster may have them.
CLUSTER = """
    stream {
        resolver 127.0.0.1:%%PORT_dns%% valid=20s;
        zone_sync_connect_timeout 5s;
        zone_sync_ssl off;
        server {
            listen 127.0.0.1:%%PORT_sync%%;
            zone_sync;
            zone_sync_server cluster.example.com:9000 resolve;
            zone_sync_buffers 256 4k;
            zone_sync_connect_retry_interval 1s;
            zone_sync_interval 1s;
            zone_sync_recv_buffer_size 1m;
            zone_sync_timeout 5s;
            zone_sync_ssl on;
            zone_sync_ssl_certificate localhost.crt;
            zone_sync_ssl_certificate_key localhost.key;
            zone_sync_ssl_ciphers HIGH;
            zone_sync_ssl_conf_command Options PrioritizeChaCha;
            zone_sync_ssl_crl crl.pem;
            zone_sync_ssl_name cluster.example.com;
            zone_sync_ssl_password_file passwords;
            zone_sync_ssl_protocols TLSv1.2 TLSv1.3;
            zone_sync_ssl_server_name on;
            zone_sync_ssl_trusted_certificate ca.crt;
            zone_sync_ssl_verify on;
            zone_sync_ssl_verify_depth 2;
        }
    }
"""
HTTP = """
    limit_req_zone $arg_key zone=one:1m rate=1r/m sync;
    keyval_zone zone=values:1m state=values.json timeout=1h sync;
    keyval $arg_key $value zone=values;
    upstream backend {
        zone backend 64k;
        server 127.0.0.1:%%PORT_a%%;
        sticky learn create=$upstream_cookie_s lookup=$cookie_s zone=sessions:1m sync;
    }
"""
SERVER = """
    location /x { limit_req zone=one burst=4 nodelay; empty_gif; }
    location /put { set $value $arg_to; return 200; }
    location /get { return 200 "[$value]"; }
    location /app { proxy_pass http://backend; }
"""


def test_a_cluster(store: RedisServer, machines: Machines) -> None:
    """One directive more, and the zones are shared."""
    http = f"{HTTP} pyngx_zone_store {store.url};"
    one, other = machines(2, SERVER, http, main=CLUSTER)
    assert statuses([one, other], "/x?key=a", 7) == [200] * 5 + [503] * 2
    one.request("GET /put?key=a&to=1")
    wait_for("the value", lambda: other.request("GET /get?key=a").body == b"[1]")
    assert one.raw(b"", "sync") == b""
    one.wait_for_log('zones are shared by "pyngx_zone_store", not by connections')


SYNC = "stream {\nserver {\nlisten 127.0.0.1:%%PORT_sync%%;\nzone_sync;\n"


@pytest.mark.parametrize(
    ("more", "store", "line", "message"),
    [
        (
            *("", "", 4),
            '"zone_sync" needs a Redis or Valkey server: add "pyngx_zone_store redis://HOST;" to '
            'the "http" block',
        ),
        (
            *("zone_sync_ssl on;", "pyngx_zone_store redis://10.0.0.1;", 5),
            '"zone_sync_ssl" needs "pyngx_zone_store" with a URL with "rediss"',
        ),
        (
            *("zone_sync_ssl on;\nzone_sync_ssl_crl x;", "pyngx_zone_store rediss://10.0.0.1;", 6),
            '"zone_sync_ssl_crl" needs "pyngx_zone_store" with the parameter "crl"',
        ),
        ("zone_sync_server a.example.com:1 x;", "", 5, 'invalid parameter "x"'),
        (
            *("zone_sync_server a.example.com;", "", 5),
            'no port in "a.example.com" of the "zone_sync_server" directive',
        ),
        ("zone_sync_buffers 8 x;", "", 5, '"zone_sync_buffers" directive invalid value'),
        ("zone_sync_interval x;", "", 5, '"zone_sync_interval" directive invalid value'),
        ("zone_sync;", "", 5, '"zone_sync" directive is duplicate'),
    ],
)
def test_rejected(nginx: Nginx, more: str, store: str, line: int, message: str) -> None:
    nginx.rejects(main=f"{SYNC}{more}\n}}\n}}\n{store}", line=line, message=message)


@pytest.mark.parametrize(
    "store", ["redis://127.0.0.1", "redis://[::1]:7000", "unix:///x", "rediss://10.0.0.1"]
)
def test_encrypted_zones_do_not_leave_in_clear(nginx: Nginx, store: str) -> None:
    main = f"{SYNC}zone_sync_ssl on;\n}}\n}}"
    nginx.accepts(main=main, http=f"pyngx_zone_store {store};")
