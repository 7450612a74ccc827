"""TLS in "stream": with clients, with upstreams, and passed on without a look inside."""

from __future__ import annotations

import os
import re
import socket
import ssl
from pathlib import Path

import pytest

from ..authority import Authority
from ..backend import Peer
from ..nginx import Nginx
from ..tls_client import client_context, shaken
from ..wire import DEADLINE

ROOT = Authority("root")
ONE = Authority("one.example", ["one.example"], ROOT)
TWO = Authority("two.example", ["two.example"], ROOT)
VISITOR = Authority("visitor", (), ROOT)
STRANGER = Authority("stranger")
FILES = {
    "root.pem": ROOT.pem,
    "one.pem": ONE.pem,
    "one.key": ONE.key_pem(),
    "two.pem": TWO.pem,
    "two.key": TWO.key_pem(),
    "secret.key": ONE.key_pem(b"open"),
    "words": "open\n",
    "visitor": VISITOR.pem + VISITOR.key_pem(),
    "stranger": STRANGER.pem + STRANGER.key_pem(),
}
LISTEN = "listen 127.0.0.1:%%PORT_a%% ssl;"
CERTIFICATE = "ssl_certificate one.pem; ssl_certificate_key one.key;"
SECOND = "ssl_certificate two.pem; ssl_certificate_key two.key;"
TLS12 = ssl.TLSVersion.TLSv1_2


def read(
    nginx: Nginx,
    name: str | None = None,
    context: ssl.SSLContext | None = None,
    sent: bytes = b"",
    port: str = "a",
) -> str:
    """What the server says after the handshake, or the name of the alert."""
    try:
        with shaken(nginx, name, context, port=port) as (_, wire):
            wire.send(sent)
            return wire.rest().decode()
    except ssl.SSLError as error:
        return error.reason or str(error)
    except (ConnectionError, OSError) as error:
        return type(error).__name__


# -- clients ---------------------------------------------------------------------------------


def test_variables(nginx: Nginx) -> None:
    text = (
        "$ssl_protocol $ssl_server_name $ssl_session_reused $ssl_alpn_protocol $ssl_client_verify"
    )
    nginx.stream(
        f'server {{ {LISTEN} {CERTIFICATE} return "{text}"; }}',
        files=FILES,
    )
    context = client_context(TLS12)
    assert read(nginx, "one.example", context) == "TLSv1.2 one.example .  NONE"
    assert read(nginx) == "TLSv1.3  .  NONE"


def test_the_name_selects_the_server(nginx: Nginx) -> None:
    nginx.stream(
        f"""
        server {{ {LISTEN} {CERTIFICATE} return "default $server_name"; }}
        server {{ {LISTEN} {SECOND} server_name two.example *.two.example; return $server_name; }}
        server {{ {LISTEN} server_name ~^(?<who>.+)\\.three$; {SECOND} return "three $who"; }}
        """,
        files=FILES,
    )
    assert read(nginx, "one.example") == "default "
    assert read(nginx, "a.two.example") == "two.example"
    assert read(nginx, "x.three") == "three x"
    with shaken(nginx, "two.example", port="a") as (client, _):
        certificate = client.getpeercert(binary_form=True)
    assert certificate and ssl.DER_cert_to_PEM_cert(certificate) == TWO.pem


def test_rejected_names(nginx: Nginx) -> None:
    nginx.stream(
        f"""
        server {{ {LISTEN} ssl_reject_handshake on; }}
        server {{ {LISTEN} {CERTIFICATE} server_name one.example; return one; }}
        """,
        files=FILES,
    )
    assert read(nginx, "one.example") == "one"
    assert read(nginx, "other.example") == "TLSV1_UNRECOGNIZED_NAME"


def test_protocols_offered_by_alpn(nginx: Nginx) -> None:
    nginx.stream(
        f"""
        server {{ {LISTEN} {CERTIFICATE} ssl_alpn first "second one"; return $ssl_alpn_protocol; }}
        """,
        files=FILES,
    )
    assert read(nginx, context=client_context(alpn=("second one", "first"))) == "first"
    assert read(nginx, context=client_context(alpn=("x", "second one"))) == "second one"
    assert "alert no application protocol" in read(nginx, context=client_context(alpn=("x",)))
    assert read(nginx) == ""


@pytest.mark.parametrize(
    ("mode", "identity", "expected"),
    [
        ("on", "visitor", "SUCCESS CN=visitor"),
        ("on", "", None),
        ("on", "stranger", None),
        ("optional", "", "NONE "),
        ("optional", "stranger", None),
        ("optional_no_ca", "stranger", "FAILED:self-signed certificate CN=stranger"),
    ],
)
def test_client_certificates(nginx: Nginx, mode: str, identity: str, expected: str | None) -> None:
    nginx.stream(
        f"""
        server {{
            {LISTEN} {CERTIFICATE}
            ssl_verify_client {mode}; ssl_client_certificate root.pem; ssl_verify_depth 2;
            return "$ssl_client_verify $ssl_client_s_dn";
        }}
        """,
        files=FILES,
    )
    file = nginx.prefix / identity if identity else None
    found = read(nginx, context=client_context(TLS12, identity=file))
    assert found == (expected if expected is not None else "")
    if expected is None:
        nginx.wait_for_log(
            r"client (sent no required SSL certificate|SSL certificate verify error: \(\d+:.*\))"
            " while SSL handshaking, client: "
        )


def test_a_client_without_tls(nginx: Nginx) -> None:
    nginx.stream(f"server {{ {LISTEN} {CERTIFICATE} return x; }}", files=FILES)
    assert b"x" not in nginx.raw(b"GET / HTTP/1.0\r\n\r\n", "a")
    nginx.wait_for_log(r"SSL_do_handshake\(\) failed .* while SSL handshaking, client: ")


def test_a_client_that_does_not_shake_hands(nginx: Nginx) -> None:
    nginx.stream(
        f"server {{ {LISTEN} {CERTIFICATE} ssl_handshake_timeout 300ms; return x; }}", files=FILES
    )
    assert nginx.raw(b"", "a") == b""
    with socket.create_connection(("127.0.0.1", nginx.port("a")), DEADLINE) as client:
        client.sendall(b"\x16\x03\x01\x01\x00\x01")
        assert client.recv(1) == b""


def test_a_client_that_leaves(nginx: Nginx) -> None:
    nginx.stream(f"server {{ {LISTEN} {CERTIFICATE} return x; }}", files=FILES)
    with socket.create_connection(("127.0.0.1", nginx.port("a")), DEADLINE) as client:
        client.sendall(b"\x16\x03\x01\x01\x00\x01")
    nginx.wait_for_log(r"peer closed connection in SSL handshake while SSL handshaking, client: ")


def test_sessions_are_resumed(nginx: Nginx) -> None:
    nginx.stream(
        f"""
        server {{ {LISTEN} {CERTIFICATE} ssl_session_cache shared:s:1m; ssl_session_tickets off;
                  ssl_session_timeout 1m; return $ssl_session_reused; }}
        """,
        files=FILES,
    )
    context, session, told = client_context(TLS12), None, []
    for _ in range(4):  # a cache may forget one
        with shaken(nginx, context=context, port="a", session=session) as (client, wire):
            told.append(wire.rest())
            session = client.session
        if told[-1] == b"r":
            break
    assert told[0] == b"."
    assert told[-1] == b"r"


def test_settings_of_openssl(nginx: Nginx) -> None:
    nginx.stream(
        f"""
        ssl_protocols TLSv1.2; ssl_ciphers ECDHE+AESGCM; ssl_prefer_server_ciphers on;
        ssl_ecdh_curve prime256v1; ssl_conf_command Options -SessionTicket;
        server {{ {LISTEN} ssl_certificate one.pem; ssl_certificate_key secret.key;
                  ssl_password_file words; return "$ssl_protocol $ssl_cipher $ssl_curve"; }}
        """,
        files=FILES,
    )
    assert re.fullmatch(r"TLSv1\.2 ECDHE-ECDSA-AES\d+-GCM-SHA\d+ prime256v1", read(nginx))


def test_certificates_named_by_variables(nginx: Nginx) -> None:
    nginx.stream(
        f"""
        map $ssl_server_name $site {{ default one; two.example two; }}
        server {{ {LISTEN} ssl_certificate $site.pem; ssl_certificate_key $site.key;
                  ssl_certificate_cache max=4; return x; }}
        """,
        files=FILES,
    )
    for name, authority in (("two.example", TWO), ("other", ONE)):
        with shaken(nginx, name, port="a") as (client, _):
            certificate = client.getpeercert(binary_form=True)
        assert certificate and ssl.DER_cert_to_PEM_cert(certificate) == authority.pem


# -- upstreams -------------------------------------------------------------------------------

SITE = f"listen 127.0.0.1:%%PORT_b%% ssl; {CERTIFICATE}"


def proxied(nginx: Nginx, settings: str, site: str = "return secret;") -> None:
    """Plain connections that are passed on by TLS."""
    nginx.stream(
        f"""
        server {{ listen 127.0.0.1:%%PORT_a%%; proxy_pass 127.0.0.1:%%PORT_b%%;
                  proxy_ssl on; {settings} }}
        server {{ {SITE} {site} }}
        """,
        files=FILES,
    )


def test_to_an_upstream(nginx: Nginx) -> None:
    proxied(nginx, "", 'return "$ssl_protocol $ssl_server_name"; ssl_protocols TLSv1.2;')
    assert nginx.raw(b"", "a") == b"TLSv1.2 "


def test_name_for_an_upstream(nginx: Nginx) -> None:
    proxied(
        nginx,
        "proxy_ssl_server_name on; proxy_ssl_name $name; set $name one.example;"
        " proxy_ssl_protocols TLSv1.3; proxy_ssl_session_reuse off;",
        "return $ssl_server_name;",
    )
    assert nginx.raw(b"", "a") == b"one.example"


def test_upstreams_are_verified(nginx: Nginx) -> None:
    proxied(
        nginx,
        "proxy_ssl_verify on; proxy_ssl_verify_depth 2; proxy_ssl_trusted_certificate root.pem;"
        " proxy_ssl_name one.example;",
    )
    assert nginx.raw(b"", "a") == b"secret"


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ("proxy_ssl_name two.example;", 'upstream SSL certificate does not match "two.example"'),
        (
            "proxy_ssl_trusted_certificate stranger; proxy_ssl_name one.example;",
            "upstream SSL certificate verify error: (21:unable to verify the first certificate)",
        ),
    ],
)
def test_other_upstreams_are_refused(nginx: Nginx, settings: str, text: str) -> None:
    trusted = "" if "trusted" in settings else "proxy_ssl_trusted_certificate root.pem;"
    proxied(nginx, f"proxy_ssl_verify on; proxy_ssl_verify_depth 2; {trusted} {settings}")
    assert nginx.raw(b"", "a") == b""
    nginx.wait_for_log(
        re.escape(f"{text} while SSL handshaking to upstream, client: 127.0.0.1, server: ")
    )


def test_certificate_for_an_upstream(nginx: Nginx) -> None:
    proxied(
        nginx,
        "proxy_ssl_certificate two.pem; proxy_ssl_certificate_key two.key;"
        " proxy_ssl_ciphers HIGH; proxy_ssl_conf_command Protocol TLSv1.2;",
        "ssl_verify_client on; ssl_client_certificate root.pem; return $ssl_client_s_dn;",
    )
    assert nginx.raw(b"", "a") == b"CN=two.example"


def test_alpn_for_an_upstream(nginx: Nginx) -> None:
    proxied(
        nginx,
        'proxy_ssl_alpn "" $name other; set $name first;',
        "ssl_alpn other first; return $ssl_alpn_protocol;",
    )
    assert nginx.raw(b"", "a") == b"other"


def test_the_proxy_header_comes_before_tls(nginx: Nginx) -> None:
    nginx.stream(
        f"""
        server {{ listen 127.0.0.1:%%PORT_a%%; proxy_pass 127.0.0.1:%%PORT_b%%;
                  proxy_ssl on; proxy_protocol on; }}
        server {{ listen 127.0.0.1:%%PORT_b%% ssl proxy_protocol; {CERTIFICATE}
                  return "$proxy_protocol_server_port $ssl_protocol"; }}
        """,
        files=FILES,
    )
    assert nginx.raw(b"", "a") == f"{nginx.port('a')} TLSv1.3".encode()


def test_from_tls_to_tls(nginx: Nginx) -> None:
    """And much of it, in both directions."""

    nginx.stream(
        f"""
        server {{ {LISTEN} {CERTIFICATE} proxy_pass 127.0.0.1:%%PORT_b%%; proxy_ssl on; }}
        server {{ listen 127.0.0.1:%%PORT_b%% ssl; {CERTIFICATE} proxy_pass 127.0.0.1:%%PORT_c%%; }}
        """,
        files=FILES,
    )

    def echo(peer: Peer) -> None:
        while data := peer.socket.recv(65536):
            peer.send(data)

    nginx.backend("c", echo)
    text = bytes(range(256)) * 4000
    with shaken(nginx, port="a") as (_, wire):
        wire.send(text[:1000])
        assert wire.exactly(1000) == text[:1000]
        wire.send(text[:200_000])
        assert wire.exactly(200_000) == text[:200_000]


def test_half_closed(nginx: Nginx) -> None:
    """The client has ended its direction, and still gets the answer."""

    def script(peer: Peer) -> None:
        assert peer.rest() == b"question"
        peer.send(b"answer")

    nginx.backend("c", script)
    nginx.stream(
        f"""
        proxy_half_close on;
        server {{ {LISTEN} {CERTIFICATE} proxy_pass 127.0.0.1:%%PORT_b%%; proxy_ssl on; }}
        server {{ listen 127.0.0.1:%%PORT_b%% ssl; {CERTIFICATE} proxy_pass 127.0.0.1:%%PORT_c%%; }}
        """,
        files=FILES,
    )
    with shaken(nginx, port="a") as (client, wire):
        wire.send(b"question")
        with socket.socket(fileno=os.dup(client.fileno())) as below:
            below.shutdown(socket.SHUT_WR)
        assert wire.rest() == b"answer"


# -- what a client says first ------------------------------------------------------------------


def backends(nginx: Nginx, servers: str) -> None:
    """Two sites with TLS, and what decides between them."""
    nginx.stream(
        f"""
        server {{ listen 127.0.0.1:%%PORT_one%% ssl; {CERTIFICATE} return one; }}
        server {{ listen 127.0.0.1:%%PORT_two%% ssl; {SECOND} return two; }}
        server {{ listen 127.0.0.1:%%PORT_plain%%; return plain; }}
        {servers}
        """,
        files=FILES,
    )


def test_routing_by_the_name_of_the_server(nginx: Nginx) -> None:
    """As docs/stream.md has it, with other addresses."""
    page = (Path(__file__).parents[2] / "docs/stream.md").read_text()
    (example,) = re.findall(
        r"## Routing by server name.*?```nginx\nstream \{\n(.*?)\n\}\n```", page, re.S
    )
    for old, new in (
        ("127.0.0.1:8443", "127.0.0.1:%%PORT_one%%"),
        ("127.0.0.1:9443", "127.0.0.1:%%PORT_two%%"),
        ("127.0.0.1:7443", "127.0.0.1:%%PORT_plain%%"),
        ("listen 443", "listen 127.0.0.1:%%PORT_a%%"),
    ):
        assert old in example
        example = example.replace(old, new)
    backends(nginx, example)
    assert read(nginx, "app.example.com") == "one"
    assert read(nginx, "v1.api.example.com") == "two"
    assert nginx.raw(b"GET / HTTP/1.0\r\n\r\n", "a") == b"plain"


def test_what_was_read_in_advance(nginx: Nginx) -> None:
    names = "$ssl_preread_protocol $ssl_preread_server_name $ssl_preread_alpn_protocols"
    nginx.stream(f'server {{ listen 127.0.0.1:%%PORT_a%%; ssl_preread on; return "{names}"; }}')
    outgoing = ssl.MemoryBIO()
    context = client_context(alpn=("h2", "http/1.1"))
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="a.example")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    hello = outgoing.read()
    assert nginx.raw(hello, "a") == b"TLSv1.3 a.example h2,http/1.1"
    assert nginx.raw(b"not TLS", "a") == b"  "
    old = bytes.fromhex("802e010301001500000010") + b"\0" * 40
    assert nginx.raw(old, "a") == b"TLSv1  "


@pytest.mark.parametrize("step", [1, 7, 100])
def test_in_pieces(nginx: Nginx, step: int) -> None:
    nginx.stream(
        "server { listen 127.0.0.1:%%PORT_a%%; ssl_preread on; return $ssl_preread_server_name; }"
    )
    outgoing = ssl.MemoryBIO()
    client = client_context(TLS12).wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="a.example")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    hello = outgoing.read()
    with nginx.connect("a") as conversation:
        conversation.wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(hello), step):
            conversation.wire.send(hello[at : at + step])
        assert conversation.wire.rest() == b"a.example"


def test_limits_of_what_is_read(nginx: Nginx) -> None:
    nginx.stream("""
        log_format status $status; access_log logs/access.log status;
        ssl_preread on;
        server { listen 127.0.0.1:%%PORT_a%%; preread_buffer_size 64; return x; }
        server { listen 127.0.0.1:%%PORT_b%%; preread_timeout 300ms; return x; }
        server { listen 127.0.0.1:%%PORT_c%%; preread_buffer_size 32k; return x; }
        server { listen 127.0.0.1:%%PORT_d%%; return x; }
        """)
    endless = b"\x16\x03\x01\x40\x00\x01"
    assert nginx.raw(endless + b"\0" * 100, "a") == b""
    nginx.wait_for_log(r"\[error\] .* preread buffer full while prereading client data, client: ")
    assert nginx.raw(endless, "b") == b""
    assert nginx.raw(b"", "b") == b""
    larger = b"\x16\x03\x01\x40\x01" + b"\1" * 0x4001  # than records of TLS can be
    assert nginx.raw(larger, "d") == b""
    wrong = b"\x16\x03\x01\x40\x01" + b"\2" * 0x4001
    assert nginx.raw(wrong, "c") == b"x"
    assert nginx.access_log(5) == ["400", "200", "200", "400", "200"]


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x00\x05hello",
        b"\x16\x03\x01\x00\x04\x01\x00\x00\x00",
        b"\x16\x03\x01\x00\x00" * 3 + b"\x17\x03\x01\x00\x00",
        b"\x16\x02\x01\x00\x01x",
        b"\0" * 100,
        bytes(range(256)),
        b"\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03\x03" + b"\xff" * 41,
    ],
)
def test_garbage_is_passed_on_as_it_is(nginx: Nginx, data: bytes) -> None:
    def hear(peer: Peer) -> None:
        peer.rest()

    received = nginx.backend("b", hear)
    nginx.stream(
        "server { listen 127.0.0.1:%%PORT_a%%; ssl_preread on; proxy_pass 127.0.0.1:%%PORT_b%%; }"
    )
    with nginx.connect("a") as conversation:
        conversation.wire.send(data)
    assert received.connections(1) == [data.decode("latin-1")]


# -- passed to another address -----------------------------------------------------------------


def test_pass_to_http(nginx: Nginx) -> None:
    """And to its TLS, which shakes hands with the client itself."""
    nginx(
        'return 200 "$scheme $remote_addr $server_port $host";',
        listen="127.0.0.1:%%PORT%% ssl",
        http=CERTIFICATE,
        files=FILES,
        servers=["listen 127.0.0.1:%%PORT_plain%%; return 200 plain;"],
        main="""stream {
            server { listen 127.0.0.1:%%PORT_a%%; ssl_preread on; pass 127.0.0.1:%%PORT_plain%%; }
            server { listen 127.0.0.1:%%PORT_a%%; server_name one.example;
                     pass 127.0.0.1:%%PORT%%; }
        }""",
    )
    assert nginx.request("GET /", port="a").text == "plain"
    with shaken(nginx, "one.example", port="a") as (_, wire):
        wire.send(b"GET / HTTP/1.0\r\nHost: one.example\r\n\r\n")
        answer = wire.answer()
    assert answer is not None
    assert answer.text.startswith("https 127.0.0.1 ") and answer.text.endswith(" one.example")


def test_pass_by_variable_and_to_nothing(nginx: Nginx) -> None:
    nginx.stream("""
        log_format status $status; access_log logs/access.log status;
        map $server_port $to {
            %%PORT_a%% 127.0.0.1:%%PORT_x%%; %%PORT_b%% 127.0.0.1:%%PORT_nothing%%;
            %%PORT_c%% 127.0.0.1; %%PORT_d%% no.such.name:80;
        }
        server { listen 127.0.0.1:%%PORT_a%%; listen 127.0.0.1:%%PORT_b%%;
                 listen 127.0.0.1:%%PORT_c%%; listen 127.0.0.1:%%PORT_d%%; pass $to; }
        server { listen 127.0.0.1:%%PORT_x%%; access_log off; return here; }
        """)
    assert nginx.raw(b"", "a") == b"here"
    for port, text in (
        ("b", f'port not found for "127.0.0.1:{nginx.port("nothing")}"'),
        ("c", 'no port in pass "127.0.0.1"'),
        ("d", 'no addresses in pass "no.such.name:80"'),
    ):
        assert nginx.raw(b"", port) == b""
        nginx.wait_for_log(re.escape(f"{text} while passing connection to port, client: "))
    assert nginx.access_log(3) == ["200", "500", "500"]


TLVS = " ".join(
    f"$proxy_protocol_tlv_{name}"
    for name in (
        *("authority", "alpn", "ssl_verify", "ssl_version", "ssl_cn", "ssl_cipher"),
        *("ssl_sig_alg", "ssl_key_alg"),
    )
)


@pytest.mark.pyngx_only("nginx has it since 1.31.4")
def test_what_the_proxy_protocol_says_of_tls(nginx: Nginx) -> None:
    """To servers of "stream" and of "http", which have the same variables."""
    nginx(
        f"listen 127.0.0.1:%%PORT_web%% proxy_protocol; location / {{ return 200 '{TLVS}'; }}",
        main=f"""stream {{
            ssl_alpn h2 http/1.1; ssl_verify_client optional; ssl_client_certificate root.pem;
            {CERTIFICATE} proxy_protocol v2;
            server {{ {LISTEN} proxy_pass 127.0.0.1:%%PORT_tlvs%%; }}
            server {{ listen 127.0.0.1:%%PORT_b%% ssl; proxy_pass 127.0.0.1:%%PORT_web%%; }}
            server {{ listen 127.0.0.1:%%PORT_tlvs%% proxy_protocol; return '{TLVS}'; }}
        }}""",
        files=FILES,
    )
    context = client_context(TLS12)
    context.set_alpn_protocols(["http/1.1"])
    context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    tls = "TLSv1.2{} ECDHE-ECDSA-AES128-GCM-SHA256 ecdsa-with-SHA256 EC256"
    text = f"one.example http/1.1 1 {tls.format(' ')}"
    assert read(nginx, "one.example", context) == text
    context.load_cert_chain(nginx.prefix / "visitor")
    text = f"one.example http/1.1 0 {tls.format(' visitor')}"
    assert read(nginx, "one.example", context) == text
    request = b"GET / HTTP/1.0\r\n\r\n"
    assert read(nginx, "one.example", context, request, "b").endswith(f"\r\n\r\n{text}")
