"""Servers of "stream": addresses, phases, texts, variables and logs."""

from __future__ import annotations

import re

import pytest

from ..nginx import Nginx

LOCAL = "listen 127.0.0.1:%%PORT_a%%;"


def test_return_sends_a_text_and_closes(nginx: Nginx) -> None:
    nginx.stream(f'server {{ {LOCAL} return "from $remote_addr by $protocol\\n"; }}')
    assert nginx.raw(b"what a client sends is not read", "a") == b"from 127.0.0.1 by TCP\n"


def test_an_empty_text_closes(nginx: Nginx) -> None:
    nginx.stream(f'server {{ {LOCAL} return ""; }}')
    assert nginx.raw(b"", "a") == b""


def test_a_server_without_a_handler_closes(nginx: Nginx) -> None:
    nginx.stream(f"""
        log_format status $status; access_log logs/access.log status;
        server {{ {LOCAL} }}
        """)
    assert nginx.raw(b"", "a") == b""
    assert nginx.access_log(1) == ["500"]


def test_the_last_handler_counts(nginx: Nginx) -> None:
    nginx.stream(f"server {{ {LOCAL} proxy_pass 127.0.0.1:%%PORT_b%%; return b; }}")
    assert nginx.raw(b"", "a") == b"b"


def test_set_before_access_and_content(nginx: Nginx) -> None:
    nginx.stream(f"""
        map $a $b {{ default other; one mapped; }}
        server {{ {LOCAL} set $a one; set $c "$b $server_port"; return "$a $c"; }}
        """)
    assert nginx.raw(b"", "a") == f"one mapped {nginx.port('a')}".encode()


def test_variables_of_http_and_of_stream_are_apart(nginx: Nginx) -> None:
    """The same name means something else in each."""
    nginx(
        "return 200 $v;",
        http="map $uri $v { default http; }",
        main=f"stream {{ map $protocol $v {{ default stream; }} server {{ {LOCAL} return $v; }} }}",
    )
    assert nginx.raw(b"", "a") == b"stream"
    assert nginx.request("GET /").text == "http"


def test_log(nginx: Nginx) -> None:
    nginx.stream(f"""
        log_format line '$remote_addr "$status" $bytes_sent $bytes_received $protocol';
        log_format json escape=json '{{"t":"$text"}}';
        access_log logs/access.log line;
        map $server_port $text {{ %%PORT_b%% 'a "quoted" word'; }}
        server {{ {LOCAL} return 12345; }}
        server {{ listen 127.0.0.1:%%PORT_b%%; listen 127.0.0.1:%%PORT_c%%;
                  access_log logs/json.log json if=$text; return x; }}
        server {{ listen 127.0.0.1:%%PORT_d%%; access_log off; return y; }}
        """)
    assert nginx.raw(b"", "a") == b"12345"
    assert nginx.access_log(1) == ['127.0.0.1 "200" 5 0 TCP']
    assert nginx.raw(b"", "c") == b"x"
    assert nginx.raw(b"", "d") == b"y"
    assert nginx.raw(b"", "b") == b"x"
    assert nginx.access_log(1, "json.log") == [r'{"t":"a \"quoted\" word"}']


def test_error_log_of_a_server(nginx: Nginx) -> None:
    nginx.stream(f"server {{ {LOCAL} error_log logs/own.log info; return x; }}")
    assert nginx.raw(b"", "a") == b"x"
    assert re.search(
        rf"\[info\] \S+: \*1 client 127\.0\.0\.1:\d+ connected to 127\.0\.0\.1:{nginx.port('a')}",
        nginx.read("logs/own.log"),
    )


def test_several_addresses_and_a_range_of_ports(nginx: Nginx) -> None:
    first = nginx.port("a")
    nginx.stream(f"""
        server {{ listen 127.0.0.1:{first}-{first}; listen unix:%%DIR%%/sock;
                  return $server_addr; }}
        """)
    assert nginx.raw(b"", "a") == b"127.0.0.1"


def test_without_http(nginx: Nginx) -> None:
    """And what is in "http" is left alone."""
    nginx("return 200 http;", main=f"stream {{ server {{ {LOCAL} return stream; }} }}")
    assert nginx.raw(b"", "a") == b"stream"
    assert nginx.request("GET /").text == "http"


def test_reload_keeps_the_sockets(nginx: Nginx) -> None:
    nginx.stream(f"server {{ {LOCAL} return one; }}")
    assert nginx.raw(b"", "a") == b"one"
    nginx.reload(main=f"stream {{ server {{ {LOCAL} return two; }} }}")
    assert nginx.raw(b"", "a") == b"two"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("server { }", 'no "listen" is defined for server'),
        ("server { listen 127.0.0.1:1 default; }", 'invalid parameter "default"'),
        ("server { listen 127.0.0.1:1 http2; }", 'invalid parameter "http2"'),
        ("server { listen 127.0.0.1:1 quic; }", 'invalid parameter "quic"'),
        (
            "server { listen 127.0.0.1:1 udp ssl; }",
            '"listen" directive "ssl" parameter is incompatible with "udp"',
        ),
        (
            "server { listen 127.0.0.1:1 udp multipath; }",
            '"listen" directive "multipath" parameter is incompatible with "udp"',
        ),
        (
            "server { listen 127.0.0.1:1 udp backlog=5; }",
            '"listen" directive "backlog" parameter is incompatible with "udp"',
        ),
        ("server { listen 127.0.0.1:1; listen 127.0.0.1:1; }", "a duplicate listen 127.0.0.1:1"),
        (
            "server { listen 127.0.0.1:1; location / { } }",
            '"location" directive is not allowed here',
        ),
        ("server { listen 127.0.0.1:1; return a; return b; }", '"return" directive is duplicate'),
        ("server { listen 127.0.0.1:1; set x y; }", 'invalid variable name "x"'),
        ("server { listen 127.0.0.1:1; return $uri; }", 'unknown "uri" variable'),
        (
            "server { listen 127.0.0.1:1; set $remote_addr y; }",
            'the duplicate "remote_addr" variable',
        ),
        ("server { listen 127.0.0.1:1; proxy_pass 127.0.0.1; }", 'no port in upstream "127.0.0.1"'),
        ("server { listen 127.0.0.1:1; proxy_pass no.such; }", 'no port in upstream "no.such"'),
        (
            "server { listen 127.0.0.1:1; proxy_pass http://a:80; }",
            'invalid host in upstream "http://a:80"',
        ),
        ("server { listen 127.0.0.1:1; pass 127.0.0.1; }", '"pass" directive has no port'),
        ("server { listen 127.0.0.1:1; pass no.such:80; }", '"pass" directive has no addresses'),
        ("upstream u { server 127.0.0.1; }", 'no port in upstream "127.0.0.1"'),
        ("upstream u { }", "no servers are inside upstream"),
        (
            "upstream u { server 127.0.0.1:1; keepalive 3; }",
            '"keepalive" directive is not allowed here',
        ),
        ("upstream u { server 127.0.0.1:1; least_time header; }", 'invalid value "header"'),
        ("upstream u { server 127.0.0.1:1 route=a; }", 'invalid parameter "route=a"'),
        ("access_log x;", "log format is not specified"),
        ("access_log x combined;", 'unknown log format "combined"'),
        ("geo $x { proxy 127.0.0.1; }", 'invalid network "proxy"'),
        ("limit_conn_status 503;", '"limit_conn_status" directive is not allowed here'),
        (
            "proxy_protocol v3;",
            'invalid value "v3" in "proxy_protocol" directive, it must be "on" or "off"',
        ),
        (
            "proxy_ssl on; proxy_ssl_verify on; server { listen 127.0.0.1:1; }",
            "no proxy_ssl_trusted_certificate for proxy_ssl_verify",
        ),
        ("proxy_download_rate x;", '"proxy_download_rate" directive invalid value'),
        ("proxy_bind x;", 'invalid address "x"'),
        (
            "server { listen 127.0.0.1:1 ssl; return a; }",
            'no "ssl_certificate" is defined for the "listen ... ssl" directive',
        ),
    ],
)
def test_rejected(nginx: Nginx, text: str, message: str) -> None:
    output = nginx.refused(main=f"stream {{\n{text}\n}}")
    assert f"[emerg] {message}" in re.sub(r"\d+#\d+: ", "", output), output


def test_only_one_block(nginx: Nginx) -> None:
    nginx.rejects(main="stream { }\nstream { }", message='"stream" directive is duplicate', line=2)


@pytest.mark.pyngx_only("what nginx has or has not is another matter")
def test_what_is_missing_has_a_name(nginx: Nginx) -> None:
    main = "stream { server { listen 127.0.0.1:1; js_periodic a.b; return x; } }"
    message = 'the "js_periodic" directive of ngx_stream_js_module is not supported'
    assert f"{message} (remove it, or start with --allow-unsupported)" in nginx.refused(main=main)
    told = nginx.accepts(main=main, options=["--allow-unsupported"])
    assert f"{message} and is ignored in " in told


@pytest.mark.pyngx_only("what nginx has or has not is another matter")
def test_what_restricts_access_is_never_left_out(nginx: Nginx) -> None:
    for text in ("js_access x;", "js_preread x;"):
        main = f"stream {{ server {{ listen 127.0.0.1:1; {text} }} }}"
        assert " is not supported and is never ignored: " in nginx.refused(main=main)
