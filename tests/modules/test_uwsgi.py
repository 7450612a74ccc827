"""uwsgi_pass: what is uwsgi's own."""

from __future__ import annotations

import contextlib
import re
import ssl
from pathlib import Path

import pytest

from ..applications import Call, Site, serving
from ..authority import Authority
from ..backend import Backend, Peer
from ..nginx import Nginx

PASS = "location / { uwsgi_pass 127.0.0.1:%%PORT_b%%; }"
TEXT = b"Content-Type: text/plain\r\n\r\nhello"
ROOT = Authority("root")
SITE = Authority("site.example", ["site.example"], ROOT)


def test_packet(nginx: Nginx) -> None:
    backend = Site(nginx, "uwsgi").application(TEXT)
    nginx(
        "location / { uwsgi_param A b; uwsgi_param E $arg_e; uwsgi_pass 127.0.0.1:%%PORT_b%%;"
        "uwsgi_modifier1 30; uwsgi_modifier2 255; }"
    )
    assert nginx.raw(b"GET / HTTP/1.0\r\nHost: h\r\nX-Y: z\r\n\r\n").endswith(b"\r\nhello")
    pairs = "\1\0A\1\0b\1\0E\0\0\x09\0HTTP_HOST\1\0h\x08\0HTTP_X_Y\1\0z"
    assert backend.connections(1) == [f"\x1e{chr(len(pairs))}\0\xff{pairs}"]


def test_string(nginx: Nginx) -> None:
    calls: list[Call] = []

    def application(call: Call) -> None:
        calls.append(call)
        call.send(TEXT)

    Site(nginx, "uwsgi").application(application)
    nginx('uwsgi_string "\1\0S\2\0to";' + PASS)
    assert nginx.request("GET /").status == 200
    assert calls[0].environ[-1] == ("S", "to")


@pytest.mark.trouble("nginx has an [alert] for it")
def test_packet_that_is_too_big(nginx: Nginx) -> None:
    Site(nginx, "uwsgi").application(TEXT)
    nginx("large_client_header_buffers 8 64k;" + PASS)
    assert nginx.request("GET /", f"X: {'x' * 60000}", f"Y: {'y' * 5000}").status == 200
    assert nginx.request("GET /", f"X: {'x' * 60000}", f"Y: {'y' * 6000}").status == 500
    nginx.wait_for_log(r"uwsgi request is too big: \d+")


@pytest.mark.parametrize("address", ["uwsgi://127.0.0.1:%%PORT_b%%", "UWSGI://$arg_to"])
def test_scheme(nginx: Nginx, address: str) -> None:
    Site(nginx, "uwsgi").application(TEXT)
    nginx(f"location / {{ uwsgi_pass {address}; }}")
    assert nginx.request("GET /?to=127.0.0.1:%%PORT_b%%").status == 200


# TLS.


def start_tls(nginx: Nginx, authority: Authority = SITE) -> Backend:
    """An application behind TLS that says which name it was asked for by."""
    nginx.write("site.pem", authority.pem)
    nginx.write("site.key", authority.key_pem())
    nginx.write("root.pem", ROOT.pem)
    directory = Path(nginx.prefix)

    def script(peer: Peer) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(directory / "site.pem", directory / "site.key")
        names: list[str | None] = []
        context.sni_callback = lambda _, name, __: names.append(name)
        connection = context.wrap_socket(peer.socket, server_side=True)
        # the certificate may be refused
        with connection as peer.socket, contextlib.suppress(AssertionError):
            serving("uwsgi", b"X-Name: %b\r\n\r\nhello" % str(names[0]).encode())(peer)

    return nginx.backend("b", script)


def test_tls(nginx: Nginx) -> None:
    """Neither is the certificate verified nor a name sent unless that is configured."""
    start_tls(nginx)
    nginx("""
        location / { uwsgi_pass suwsgi://127.0.0.1:%%PORT_b%%; }
        location /variable { uwsgi_pass $arg_to; }
        """)
    nginx.exchange("""
        > GET /
        < 200
        < X-Name: None
        <
        < hello

        > GET /variable?to=suwsgi://127.0.0.1:%%PORT_b%%
        < 200
        """)


def test_name_is_that_of_the_target(nginx: Nginx) -> None:
    """Without uwsgi_ssl_name, and it is not the name of a server of the group."""
    start_tls(nginx)
    nginx(
        """
        uwsgi_ssl_verify on; uwsgi_ssl_trusted_certificate root.pem; uwsgi_ssl_server_name on;
        location / { uwsgi_pass suwsgi://site.example; }
        location /variable { uwsgi_pass $arg_to; }
        location /named { uwsgi_ssl_name other.example; uwsgi_pass suwsgi://site.example; }
        """,
        http="upstream site.example { server 127.0.0.1:%%PORT_b%%; }",
    )
    nginx.exchange("""
        > GET /
        < 200
        < X-Name: site.example

        > GET /variable?to=suwsgi://site.example
        < 200
        < X-Name: site.example

        > GET /named
        < 502
        """)
    nginx.wait_for_log('upstream SSL certificate does not match "other.example"')
    nginx.wait_for_log(r'upstream: "suwsgi://127\.0\.0\.1:\d+"')


# Configuration.


@pytest.mark.parametrize(
    ("snippet", "message"),
    [
        ("uwsgi_modifier1 256;", "value must be between 0 and 255"),
        ("uwsgi_modifier2 x;", '"uwsgi_modifier2" directive invalid number'),
        ("location / { uwsgi_pass suwsgi://; }", re.compile("no host in upstream .*")),
        (
            "location / { uwsgi_pass http://127.0.0.1:1; }",
            re.compile("invalid host in .*"),
        ),
        (
            "location / { uwsgi_ssl_verify on; uwsgi_pass suwsgi://127.0.0.1:1; }",
            "no uwsgi_ssl_trusted_certificate for uwsgi_ssl_verify",
        ),
    ],
)
def test_rejected(nginx: Nginx, snippet: str, message: str | re.Pattern[str]) -> None:
    nginx.rejects(snippet, message)


def test_accepted(nginx: Nginx) -> None:
    nginx.write("root.pem", ROOT.pem)
    nginx.write("root.crl", ROOT.revoked(SITE))
    nginx.write("site.pem", SITE.pem)
    nginx.write("site.key", SITE.key_pem(b"secret"))
    nginx.write("password", "wrong\nsecret\n")
    nginx.accepts("""
        location / {
            uwsgi_ssl_certificate site.pem; uwsgi_ssl_certificate_cache off;
            uwsgi_ssl_certificate_key site.key; uwsgi_ssl_ciphers HIGH; uwsgi_ssl_crl root.crl;
            uwsgi_ssl_name x; uwsgi_ssl_password_file password; uwsgi_ssl_protocols TLSv1.3;
            uwsgi_ssl_server_name on; uwsgi_ssl_session_reuse off; uwsgi_ssl_verify on;
            uwsgi_ssl_trusted_certificate root.pem; uwsgi_ssl_verify_depth 2;
            uwsgi_pass suwsgi://127.0.0.1:1;
        }
        """)
