"""Blocks of "stream": their errors are found as those of "http" are, and rules that concern them
look at them."""

from __future__ import annotations

from .kit import Linter

MANY = """\
events { }
stream {
    map $ssl_preread_server_name $to { default 127.0.0.1:9; default 127.0.0.1:8; }
    upstream u { server 127.0.0.1:1; keepalive 3; }
    server { listen 443; ssl_preread on; proxy_pas $to; }
    server { listen 53 udp; return $uri; js_access x; }
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


def names_of(linter: Linter, text: str) -> list[tuple[int, str]]:
    found = linter.findings(f"events {{ }}\nstream {{\n{text}\n}}")
    return [(f.line, f.rule) for f in found]


def test_what_clients_choose(linter: Linter) -> None:
    """Through variables and maps; a name that a key restricts is no choice."""
    text = """\
resolver 127.0.0.1; ssl_preread on;
map $ssl_preread_server_name $a { default $ssl_preread_server_name; x.example 127.0.0.1:1; }
map $ssl_preread_server_name $b { hostnames; .example $ssl_preread_server_name; default x; }
server { listen 1; set $c $a:443; proxy_pass $c; }
server { listen 2; proxy_pass $b:443; }
server { listen 3; proxy_pass x-$ssl_preread_server_name.example:443; }
server { listen 4; proxy_pass ${mqtt_preread_clientid}.example:443; mqtt_preread on; }"""
    assert names_of(linter, text) == [(6, "ssrf"), (9, "ssrf")]


def test_names_without_a_resolver(linter: Linter) -> None:
    text = """\
upstream group { server 127.0.0.1:1; }
map $remote_addr $a { default group; 10.0.0.1 unix:/tmp/s; 10.0.0.2 [::1]:3; }
map $remote_addr $b { default group; 10.0.0.1 host:4; volatile; }
server { listen 1; proxy_pass $a; }
server { listen 2; proxy_pass $b; }
server { listen 3; proxy_pass $b; resolver 127.0.0.1; }
server { listen 4; proxy_pass $remote_addr:5; }"""
    assert names_of(linter, text) == [(7, "resolver-missing")]


def test_a_public_resolver(linter: Linter) -> None:
    assert names_of(
        linter, "resolver 8.8.8.8; server { listen 1; proxy_pass $server_name:1; }"
    ) == [(3, "external-resolver")]


def test_lists_of_addresses(linter: Linter) -> None:
    text = """\
allow 10.0.0.1;
server { listen 1; return x; }
server { listen 2; return x; deny all; }
server { listen 3; return x; allow all; }"""
    assert names_of(linter, text) == [(3, "access-list-open")]


def test_ciphers_and_versions(linter: Linter) -> None:
    text = """\
ssl_certificate keys/ca.pem; ssl_certificate_key keys/ca.key;
ssl_protocols TLSv1 TLSv1.2;
server { listen 1; return x; }
server { listen 2 ssl; return x; ssl_ciphers ALL:RC4+RSA:+HIGH; }"""
    assert names_of(linter, text) == [(4, "weak-tls"), (6, "weak-tls")]
