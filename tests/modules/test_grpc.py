"""grpc_pass: what is gRPC's own."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
from pathlib import Path

import pytest

from ..authority import Authority
from ..backend import Backend, Peer
from ..http2_peer import Http2Peer, goaway, headers, serving
from ..nginx import Nginx

PASS = "location / { grpc_pass 127.0.0.1:%%PORT_b%%; }"
ROOT = Authority("root")
SITE = Authority("site.example", ["site.example"], ROOT)


def tell(call: Http2Peer) -> None:
    """Answers with the request's fields."""
    call.respond("".join(f"{name}={value}\n" for name, value in call.fields).encode("latin-1"))


# Where requests go.


@pytest.mark.parametrize(
    ("target", "authority"),
    [
        ("127.0.0.1:%%PORT_b%%", "127.0.0.1:%%PORT_b%%"),
        ("grpc://127.0.0.1:%%PORT_b%%", "127.0.0.1:%%PORT_b%%"),
        ("GRPC://u", "u"),
        ("$arg_to", "127.0.0.1:%%PORT_b%%"),
        ("grpc://$arg_to", "127.0.0.1:%%PORT_b%%"),
        ("grpc://$arg_group", "u"),
    ],
)
def test_target(nginx: Nginx, target: str, authority: str) -> None:
    nginx.backend("b", serving(tell))
    nginx(
        f"location / {{ grpc_pass {target}; }}", http="upstream u { server 127.0.0.1:%%PORT_b%%; }"
    )
    text = nginx.request("GET /?to=127.0.0.1:%%PORT_b%%&group=u").text
    assert nginx.filled(f":authority={authority}\n") in text
    assert ":scheme=http\n" in text


def test_unix_socket(nginx: Nginx) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(nginx.prefix / "s"))
    backend = Backend(listener, (serving(tell),))
    backend.start()
    nginx("location / { grpc_pass unix:%%DIR%%/s; }")
    assert ":authority=localhost\n" in nginx.request("GET /").text
    backend.stop()
    listener.close()


@pytest.mark.parametrize("target", ["http://127.0.0.1:%%PORT_b%%", "127.0.0.1", ":1"])
def test_target_of_a_variable_that_cannot_be(nginx: Nginx, target: str) -> None:
    nginx("location / { grpc_pass $arg_to; }")
    assert nginx.request(f"GET /?to={target}").status == 500
    nginx.wait_for_log(r"\[error\] .* in upstream")


def test_uri(nginx: Nginx) -> None:
    """As it was sent, or as it is after a change."""
    nginx.backend("b", serving(tell))
    nginx(
        """
        location /a { rewrite ^/a/(.*) "/x y/$1" break; grpc_pass 127.0.0.1:%%PORT_b%%; }
        location /args { set $args ""; grpc_pass 127.0.0.1:%%PORT_b%%; }
        """
        + PASS
    )
    for sent, path in {
        "/%61%20b?c=%20d": "/%61%20b?c=%20d",
        "/a/b?c": "/x%20y/b?c",
        "/args/?c": "/args/",
    }.items():
        assert f":path={path}\n" in nginx.request(f"GET {sent}").text


def test_method(nginx: Nginx) -> None:
    nginx.backend("b", serving(tell))
    nginx(PASS)
    for method in ("POST", "PUT", "BREW"):
        assert f":method={method}\n" in nginx.request(f"{method} /").text


# Fields.


@pytest.mark.parametrize(
    ("sent", "passed"),
    [("trailers", "trailers"), ("gzip, Trailers;q=1", "trailers"), ("gzip", None), ("", None)],
)
def test_te(nginx: Nginx, sent: str, passed: str | None) -> None:
    nginx.backend("b", serving(tell))
    nginx("location / { add_header X-TE $grpc_internal_trailers; grpc_pass 127.0.0.1:%%PORT_b%%; }")
    answer = nginx.request("GET /", f"TE: {sent}")
    assert answer.get("X-TE") == passed
    assert re.findall(r"^te=(.*)$", answer.text, re.M) == ([passed] if passed else [])


def test_defaults_that_are_replaced(nginx: Nginx) -> None:
    nginx.backend("b", serving(tell))
    nginx("""
        location / {
            grpc_set_header TE x; grpc_set_header Content-Length ""; grpc_set_header A b;
            grpc_pass 127.0.0.1:%%PORT_b%%;
            location /inner { grpc_set_header C d; grpc_pass 127.0.0.1:%%PORT_b%%; }
        }
        """)
    fields = nginx.request("POST /", "A: c", body="12").text.splitlines()
    assert {"te=x", "a=b"} <= {*fields} and "content-length=2" not in fields
    inner = nginx.request("POST /inner", body="12").text.splitlines()
    assert {"c=d", "content-length=2"} <= {*inner} and not {"te=x", "a=b"} & {*inner}


def test_blocks_that_take_over(nginx: Nginx) -> None:
    nginx.backend("b", serving(tell))
    nginx("""
        location / {
            grpc_pass 127.0.0.1:%%PORT_b%%;
            if ($arg_x) { set $y 1; }
            limit_except GET { deny all; }
        }
        location /if { if ($arg_x) { grpc_pass grpc://127.0.0.1:%%PORT_b%%; } }
        """)
    answers = {"GET /": 200, "GET /?x=1": 200, "POST /": 403, "GET /if": 404}
    assert {ask: nginx.request(ask).status for ask in answers} == answers
    assert ":path=/if?x=1\n" in nginx.request("GET /if?x=1").text


def test_response_fields(nginx: Nginx) -> None:
    def answer(call: Http2Peer) -> None:
        call.respond(b"x", ("date", "x"), ("server", "y"), ("x-accel-expires", "5"), ("x-a", "1"))

    nginx.backend("b", serving(answer))
    nginx("""
        location / { grpc_hide_header X-A; grpc_pass 127.0.0.1:%%PORT_b%%; }
        location /passed {
            grpc_pass_header Server; grpc_pass_header X-Accel-Expires;
            grpc_pass 127.0.0.1:%%PORT_b%%;
        }
        """)
    nginx.exchange("""
        > GET /
        < 200
        < !X-Accel-Expires
        < !X-A
        """)
    assert nginx.request("GET /").get("server") != "y"
    nginx.exchange("""
        > GET /passed
        < 200
        < server: y
        < x-accel-expires: 5
        < x-a: 1
        """)


def test_internal_redirect(nginx: Nginx) -> None:
    nginx.backend("b", serving(lambda call: call.respond(b"", ("x-accel-redirect", "/other"))))
    nginx(
        PASS
        + """
        location /ignored {
            grpc_ignore_headers X-Accel-Redirect; grpc_pass 127.0.0.1:%%PORT_b%%;
        }
        location /other { return 200 other; }
        """
    )
    assert nginx.request("GET /").text == "other"
    assert nginx.request("GET /ignored").text == ""


def test_errors_as_pages(nginx: Nginx) -> None:
    """The status of gRPC where HTTP has one: the recipe of nginx's documentation."""

    def answer(call: Http2Peer) -> None:
        call.send(headers(call.stream, ((":status", "503"), ("x", "y")), end=True))

    nginx.backend("b", serving(answer))
    nginx("""
        grpc_intercept_errors on;
        error_page 502 503 = @unavailable;
        location / { grpc_pass 127.0.0.1:%%PORT_b%%; }
        location /refused { grpc_pass 127.0.0.1:%%PORT_none%%; }
        location @unavailable {
            default_type application/grpc;
            add_header grpc-status 14; add_header grpc-message unavailable;
            return 204;
        }
        """)
    for uri in ("/", "/refused"):
        nginx.exchange(f"""
            > GET {uri}
            < 204
            < grpc-status: 14
            < grpc-message: unavailable
            """)


# Several servers.


@pytest.mark.parametrize(
    ("next_upstream", "status", "text"),
    [
        ("error", 502, None),
        ("error invalid_header", 200, "other"),
        ("http_503", 502, None),
        ("off", 502, None),
    ],
)
def test_next_upstream(nginx: Nginx, next_upstream: str, status: int, text: str | None) -> None:
    nginx.backend("b", serving(lambda call: call.send(goaway(0, 1))))
    nginx.backend("c", serving(lambda call: call.respond(b"other")))
    nginx(
        f"location / {{ grpc_next_upstream {next_upstream}; grpc_pass u; }}",
        http="upstream u { server 127.0.0.1:%%PORT_b%%; server 127.0.0.1:%%PORT_c%% backup; }",
    )
    answer = nginx.request("GET /")
    assert answer.status == status
    assert text is None or answer.text == text
    nginx.wait_for_log("upstream sent goaway with error 1")


@pytest.mark.parametrize(("limit", "status"), [("tries 1", 502), ("tries 2", 200)])
def test_limits_of_tries(nginx: Nginx, limit: str, status: int) -> None:
    nginx.backend("c", serving(lambda call: call.respond(b"other")))
    nginx(
        f"location / {{ grpc_next_upstream_{limit}; grpc_pass u; }}",
        http="upstream u { server 127.0.0.1:%%PORT_b%%; server 127.0.0.1:%%PORT_c%% backup; }",
    )
    assert nginx.request("GET /").status == status


# TLS.


def start_tls(nginx: Nginx, authority: Authority = SITE) -> list[tuple[str | None, str | None]]:
    """A server behind TLS; the names and protocols that were agreed on."""
    nginx.write("site.pem", authority.pem)
    nginx.write("site.key", authority.key_pem())
    nginx.write("root.pem", ROOT.pem)
    directory = Path(nginx.prefix)
    agreed: list[tuple[str | None, str | None]] = []

    def script(peer: Peer) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(directory / "site.pem", directory / "site.key")
        context.set_alpn_protocols(["http/1.1", "h2"])
        names: list[str | None] = []
        context.sni_callback = lambda _, name, __: names.append(name)
        connection = context.wrap_socket(peer.socket, server_side=True)
        agreed.append((names[0], connection.selected_alpn_protocol()))
        # the certificate may be refused
        with connection as peer.socket, contextlib.suppress(AssertionError):
            serving(tell)(peer)

    nginx.backend("b", script)
    return agreed


def test_tls(nginx: Nginx) -> None:
    """HTTP/2 is offered; nothing is verified and no name sent unless that is configured."""
    agreed = start_tls(nginx)
    nginx("""
        location / { grpc_pass grpcs://127.0.0.1:%%PORT_b%%; }
        location /variable { grpc_pass $arg_to; }
        """)
    assert ":scheme=https\n" in nginx.request("GET /").text
    assert nginx.request("GET /variable?to=grpcs://127.0.0.1:%%PORT_b%%").status == 200
    assert agreed == [(None, "h2")] * 2


def test_tls_of_proxied_http2(nginx: Nginx) -> None:
    agreed = start_tls(nginx)
    nginx("""
        proxy_http_version 2; proxy_ssl_server_name on; proxy_ssl_name site.example;
        proxy_ssl_verify on; proxy_ssl_trusted_certificate root.pem;
        location / { proxy_pass https://127.0.0.1:%%PORT_b%%; }
        """)
    assert ":scheme=https\n" in nginx.request("GET /").text
    assert agreed == [("site.example", "h2")]


def test_name_is_that_of_the_target(nginx: Nginx) -> None:
    agreed = start_tls(nginx)
    nginx(
        """
        grpc_ssl_verify on; grpc_ssl_trusted_certificate root.pem; grpc_ssl_server_name on;
        location / { grpc_pass grpcs://site.example; }
        location /variable { grpc_pass $arg_to; }
        location /named { grpc_ssl_name other.example; grpc_pass grpcs://site.example; }
        """,
        http="upstream site.example { server 127.0.0.1:%%PORT_b%%; }",
    )
    assert nginx.request("GET /").status == 200
    assert nginx.request("GET /variable?to=grpcs://site.example").status == 200
    assert nginx.request("GET /named").status == 502
    assert agreed[:2] == [("site.example", "h2")] * 2
    nginx.wait_for_log('upstream SSL certificate does not match "other.example"')
    nginx.wait_for_log(r'upstream: "grpcs://127\.0\.0\.1:\d+"')


# Configuration.


@pytest.mark.parametrize(
    ("snippet", "message"),
    [
        ("grpc_pass a:1;", '"grpc_pass" directive is not allowed here'),
        ("location / { grpc_pass a:1 b; }", 'invalid number of arguments in "grpc_pass" directive'),
        (
            "location / { grpc_pass 127.0.0.1:1; grpc_pass 127.0.0.1:2; }",
            '"grpc_pass" directive is duplicate',
        ),
        ("location / { limit_except GET { grpc_pass a:1; } }", re.compile(".*not allowed here")),
        ("location / { grpc_pass grpc://127.0.0.1; }", 'no port in upstream "127.0.0.1"'),
        ("location / { grpc_pass grpcs://; }", re.compile("no host in upstream .*")),
        ("location / { grpc_pass http://127.0.0.1:1; }", re.compile("invalid host in .*")),
        ("location / { grpc_pass $none; }", 'unknown "none" variable'),
        ("grpc_set_header A;", 'invalid number of arguments in "grpc_set_header" directive'),
        ("location / { grpc_set_header A $n; grpc_pass 127.0.0.1:1; }", 'unknown "n" variable'),
        ("grpc_next_upstream http_501;", 'invalid value "http_501"'),
        ("grpc_next_upstream updating;", 'invalid value "updating"'),
        ("grpc_next_upstream denied;", 'invalid value "denied"'),
        ("grpc_buffering on;", 'unknown directive "grpc_buffering"'),
        ("grpc_read_timeout x;", '"grpc_read_timeout" directive invalid value'),
        (
            "location / { grpc_ssl_verify on; grpc_pass grpcs://127.0.0.1:1; }",
            "no grpc_ssl_trusted_certificate for grpc_ssl_verify",
        ),
    ],
)  # fmt: skip
def test_rejected(nginx: Nginx, snippet: str, message: str | re.Pattern[str]) -> None:
    nginx.rejects(snippet, message)


def test_accepted(nginx: Nginx) -> None:
    nginx.write("root.pem", ROOT.pem)
    nginx.write("root.crl", ROOT.revoked(SITE))
    nginx.write("site.pem", SITE.pem)
    nginx.write("site.key", SITE.key_pem(b"secret"))
    nginx.write("password", "wrong\nsecret\n")
    nginx.accepts("""
        grpc_bind off; grpc_buffer_size 8k; grpc_connect_timeout 1s; grpc_hide_header X;
        grpc_ignore_headers Expires X-Accel-Redirect; grpc_intercept_errors on;
        grpc_next_upstream error timeout invalid_header non_idempotent http_502 http_429;
        grpc_next_upstream_timeout 1s; grpc_next_upstream_tries 2; grpc_pass_header X;
        grpc_read_timeout 1s; grpc_send_timeout 1s; grpc_set_header A b;
        grpc_socket_keepalive on; grpc_socket_rcvbuf 8k; grpc_socket_sndbuf 8k;
        location / {
            grpc_ssl_certificate site.pem; grpc_ssl_certificate_cache off;
            grpc_ssl_certificate_key site.key; grpc_ssl_ciphers HIGH; grpc_ssl_crl root.crl;
            grpc_ssl_name x; grpc_ssl_password_file password; grpc_ssl_protocols TLSv1.3;
            grpc_ssl_server_name on; grpc_ssl_session_reuse off; grpc_ssl_verify on;
            grpc_ssl_trusted_certificate root.pem; grpc_ssl_verify_depth 2;
            grpc_pass grpcs://127.0.0.1:1;
        }
        """)


@pytest.mark.parametrize("value", ["1", "1.2", "3", "2.0", "h2"])
def test_versions_of_http_that_there_are_not(nginx: Nginx, value: str) -> None:
    nginx.rejects(f"proxy_http_version {value};", f'invalid value "{value}"')
