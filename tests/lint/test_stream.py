"""Blocks of "stream": their errors are found as those of "http" are, and rules leave them alone."""

from __future__ import annotations

from .kit import Linter

MANY = """\
events { }
stream {
    map $ssl_preread_server_name $to { default 127.0.0.1:9; default 127.0.0.1:8; }
    upstream u { server 127.0.0.1:1; keepalive 3; }
    server { listen 443; ssl_preread on; proxy_pas $to; }
    server { listen 53 udp; return $uri; js_access x; zone_sync; }
    server { }
    server { listen 54 udp ssl; proxy_pass no_such_host_at_all; }
}
http { server { listen 80; return 200 $bytes_received; } }
"""


def test_errors(linter: Linter) -> None:
    found = [(f.line, f.message) for f in linter.findings(MANY) if f.is_error]
    assert sorted(found) == [
        (3, "duplicate default map parameter"),
        (4, '"keepalive" directive is not allowed here'),
        (5, 'unknown directive "proxy_pas"'),
        (6, 'unknown "uri" variable'),
        (7, 'no "listen" is defined for server'),
        (8, '"listen" directive "ssl" parameter is incompatible with "udp"'),
        (8, 'no port in upstream "no_such_host_at_all"'),
        (10, 'unknown "bytes_received" variable'),
    ]


def test_what_pyngx_does_not_run(linter: Linter) -> None:
    notes = [f for f in linter.findings(MANY) if f.rule == "not-run-by-pyngx"]
    assert [f.message for f in notes] == [
        'pyngx does not support "js_access" (ngx_stream_js_module)',
        'pyngx does not support "zone_sync" (NGINX Plus, ngx_stream_zone_sync_module)',
    ]


def test_a_good_one(linter: Linter) -> None:
    assert (
        linter.findings("""
            events { }
            stream {
                log_format l $status; access_log logs/x l;
                ssl_protocols TLSv1; proxy_ssl on;
                server { listen 127.0.0.1:1; proxy_pass 127.0.0.1:2; allow 127.0.0.1; deny all; }
                server { listen 127.0.0.1:1 udp; proxy_pass $to; set $to 127.0.0.1:3; }
            }
            """)
        == []
    )
