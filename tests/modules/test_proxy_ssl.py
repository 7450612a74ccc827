"""TLS to upstreams: what is verified, sent, resumed and refused."""

from __future__ import annotations

import re
import threading

import pytest

from ..authority import Authority
from ..backend import Peer
from ..nginx import Nginx
from ..wire import DEADLINE

ONLY_HERE = pytest.mark.nginx_differs("it shares them, whatever their TLS settings are")

ROOT = Authority("root")
SITE = Authority("site.example", ["site.example", "*.wild.example"], ROOT)
MIDDLE = Authority("middle", (), ROOT)
TLS = """
    listen 127.0.0.1:%%PORT_tls%% ssl;
    ssl_certificate site.pem;
    ssl_certificate_key site.key;
    return 200 "$ssl_session_reused $ssl_protocol";
"""


def site(nginx: Nginx, settings: str, authority: Authority = SITE, chain: str = "") -> None:
    """A location with these settings before a server with this certificate."""
    nginx.write("site.pem", authority.pem + chain)
    nginx.write("site.key", authority.key_pem())
    nginx.write("root.pem", ROOT.pem)
    nginx(f"location / {{ {settings} proxy_pass https://127.0.0.1:%%PORT_tls%%; }}", servers=[TLS])


def test_nothing_is_verified_unless_told(nginx: Nginx) -> None:
    site(nginx, "")
    nginx.exchange("> GET /\n< 200")


@pytest.mark.parametrize(
    "name", ["site.example", "SITE.example", "a.wild.example", "site.example:443"]
)
@pytest.mark.parametrize("sent", ["on", "off"])
def test_verified(nginx: Nginx, name: str, sent: str) -> None:
    site(
        nginx,
        f"proxy_ssl_verify on; proxy_ssl_trusted_certificate root.pem;"
        f"proxy_ssl_name {name}; proxy_ssl_server_name {sent};",
    )
    nginx.exchange("> GET /\n< 200")


@pytest.mark.parametrize("name", ["other.example", "a.b.wild.example", "wild.example", "127.0.0.1"])
@pytest.mark.parametrize("sent", ["on", "off"])
def test_not_the_name(nginx: Nginx, name: str, sent: str) -> None:
    site(
        nginx,
        f"proxy_ssl_verify on; proxy_ssl_trusted_certificate root.pem;"
        f"proxy_ssl_name {name}; proxy_ssl_server_name {sent};",
    )
    nginx.exchange("> GET /\n< 502\n\n> GET /\n< 502")
    nginx.wait_for_log(
        rf'\[error\] .*upstream SSL certificate does not match "{name}" '
        "while SSL handshaking to upstream, client: "
    )


def test_common_name_counts_if_there_is_no_other(nginx: Nginx) -> None:
    settings = (
        "proxy_ssl_verify on; proxy_ssl_trusted_certificate root.pem; proxy_ssl_name only.example;"
    )
    site(nginx, settings, Authority("only.example", (), ROOT))
    nginx.exchange("> GET /\n< 200")


def test_common_name_counts_for_nothing_beside_others(nginx: Nginx) -> None:
    settings = (
        "proxy_ssl_verify on; proxy_ssl_trusted_certificate root.pem; proxy_ssl_name cn.example;"
    )
    site(nginx, settings, Authority("cn.example", ["dns.example"], ROOT))
    nginx.exchange("> GET /\n< 502")


def test_untrusted(nginx: Nginx) -> None:
    settings = (
        "proxy_ssl_verify on; proxy_ssl_trusted_certificate root.pem; proxy_ssl_name site.example;"
    )
    site(nginx, settings, Authority("site.example", ["site.example"]))
    nginx.exchange("> GET /\n< 502")
    nginx.wait_for_log(
        r"\[error\] .*upstream SSL certificate verify error: \(18:self[- ]signed certificate\) "
        "while SSL handshaking to upstream, client: "
    )


@pytest.mark.parametrize("depth, status", [("", 502), ("proxy_ssl_verify_depth 2;", 200)])
def test_depth(nginx: Nginx, depth: str, status: int) -> None:
    """How many may stand between the server's certificate and the one that is trusted."""
    lower = Authority("lower", (), MIDDLE)
    settings = (
        f"proxy_ssl_verify on; proxy_ssl_trusted_certificate root.pem; {depth}"
        "proxy_ssl_name deep.example;"
    )
    deep = Authority("deep.example", (), lower)
    site(nginx, settings, deep, lower.pem + MIDDLE.pem)
    nginx.exchange(f"> GET /\n< {status}\n\n> GET /\n< {status}")


def test_one_between_is_the_default_depth(nginx: Nginx) -> None:
    settings = (
        "proxy_ssl_verify on; proxy_ssl_trusted_certificate root.pem; proxy_ssl_name x.example;"
    )
    site(nginx, settings, Authority("x.example", (), MIDDLE), MIDDLE.pem)
    nginx.exchange("> GET /\n< 200")


@pytest.mark.parametrize("revoked, status", [((), 200), ((SITE,), 502)])
def test_revoked(nginx: Nginx, revoked: tuple[Authority, ...], status: int) -> None:
    nginx.write("list.pem", ROOT.revoked(*revoked))
    site(
        nginx,
        "proxy_ssl_verify on; proxy_ssl_trusted_certificate root.pem; proxy_ssl_crl list.pem;"
        "proxy_ssl_name site.example;",
    )
    nginx.exchange(f"> GET /\n< {status}")


@pytest.mark.parametrize("protocol", ["TLSv1.2", "TLSv1.3"])
def test_sessions(nginx: Nginx, protocol: str) -> None:
    """They are resumed unless that is off."""
    nginx.write("site.pem", SITE.pem)
    nginx.write("site.key", SITE.key_pem())
    nginx(
        f"""
        proxy_ssl_protocols {protocol};
        proxy_ssl_name site.example;
        location / {{ proxy_pass https://127.0.0.1:%%PORT_tls%%; }}
        location /off {{
            proxy_ssl_session_reuse off;
            proxy_pass https://127.0.0.1:%%PORT_tls%%;
        }}
        """,
        servers=[TLS],
    )
    nginx.exchange(f"""
        > GET /
        < 200
        <
        < . {protocol}

        > GET /
        < 200
        <
        < r {protocol}

        > GET /off
        < 200
        <
        < . {protocol}

        > GET /off
        < 200
        <
        < . {protocol}
        """)


def test_sessions_are_for_a_name(nginx: Nginx) -> None:
    site(
        nginx,
        "proxy_ssl_verify on; proxy_ssl_trusted_certificate root.pem; proxy_ssl_name $arg_name;",
    )
    nginx.exchange("""
        > GET /?name=site.example
        < 200
        <
        < . TLSv1.3

        > GET /?name=site.example
        < 200
        <
        < r TLSv1.3

        > GET /?name=other.example
        < 502
        """)


def test_kept_connections(nginx: Nginx) -> None:
    nginx.write("site.pem", SITE.pem)
    nginx.write("site.key", SITE.key_pem())
    nginx(
        "location / { proxy_pass https://u; }",
        http="upstream u { server 127.0.0.1:%%PORT_tls%%; }",
        servers=[TLS.replace("$ssl_session_reused $ssl_protocol", "$connection")],
    )
    assert len({nginx.request("GET /").text for _ in range(3)}) == 1


def test_client_key_with_a_password(nginx: Nginx) -> None:
    nginx.write("client.pem", SITE.pem)
    nginx.write("client.key", SITE.key_pem(b"second"))
    nginx.write("passwords", "first\nsecond\n")
    settings = "proxy_ssl_certificate client.pem; proxy_ssl_certificate_key client.key;"
    site(nginx, f"{settings} proxy_ssl_password_file passwords;")
    nginx.exchange("> GET /\n< 200")


def test_rejected(nginx: Nginx) -> None:
    nginx.rejects(
        "location / { proxy_ssl_verify on; proxy_pass https://127.0.0.1; }",
        "no proxy_ssl_trusted_certificate for proxy_ssl_verify",
        line=0,
    )
    nginx.write("client.pem", SITE.pem)
    nginx.rejects(
        "location / { proxy_ssl_certificate client.pem; proxy_pass https://127.0.0.1; }",
        'no "proxy_ssl_certificate_key" is defined for certificate "client.pem"',
        line=0,
    )


DIFFERENT = {
    "plain": "proxy_pass http://u;",
    "tls": "proxy_pass https://u;",
    "verified": "proxy_pass https://u; proxy_ssl_verify on; proxy_ssl_name site.example; "
    "proxy_ssl_trusted_certificate root.pem;",
    "named": "proxy_pass https://u; proxy_ssl_server_name on; proxy_ssl_name site.example;",
    "named by variable": "proxy_pass https://u; proxy_ssl_server_name on; "
    "proxy_ssl_name $arg_name;",
    "with a certificate": "proxy_pass https://u; proxy_ssl_certificate site.pem; "
    "proxy_ssl_certificate_key site.key;",
    "protocols": "proxy_pass https://u; proxy_ssl_protocols TLSv1.2;",
    "bound": "proxy_pass https://u; proxy_bind 127.0.0.2;",
    "bound by variable": "proxy_pass https://u; proxy_bind $arg_bind;",
    "by variable": "set $where u; proxy_pass https://$where;",
}
PAIRS = [(a, b) for a in DIFFERENT for b in DIFFERENT if a != b and "plain" not in (a, b)]


@pytest.mark.parametrize("keepalive", ["8 local", pytest.param("8", marks=ONLY_HERE)])
@pytest.mark.parametrize("first, second", PAIRS)
def test_locations_do_not_share_connections(
    nginx: Nginx, keepalive: str, first: str, second: str
) -> None:
    """What was agreed upon for one location says nothing about another."""
    nginx.write("site.pem", SITE.pem)
    nginx.write("site.key", SITE.key_pem())
    nginx.write("root.pem", ROOT.pem)
    nginx(
        f"""
        proxy_ssl_session_reuse off;
        location /1 {{ {DIFFERENT[first]} }}
        location /2 {{ {DIFFERENT[second]} }}
        """,
        http=f"upstream u {{ server 127.0.0.1:%%PORT_tls%%; keepalive {keepalive}; }}",
        servers=[TLS.replace("$ssl_session_reused $ssl_protocol", "$connection")],
    )
    query = "?name=other.example&bind=127.0.0.3"
    one = [nginx.request(f"GET /1{query}").text for _ in range(2)]
    two = [nginx.request(f"GET /2{query}").text for _ in range(2)]
    assert one[0] == one[1] and two[0] == two[1] and one[0] != two[0]


@pytest.mark.nginx_differs("it does not look at what the name or the address was")
@pytest.mark.parametrize("argument", ["name", "bind"])
def test_requests_of_a_location_may_differ(nginx: Nginx, argument: str) -> None:
    nginx.write("site.pem", SITE.pem)
    nginx.write("site.key", SITE.key_pem())
    both = f"{DIFFERENT['named by variable']} proxy_bind $arg_bind;"
    nginx(
        f"location / {{ {both} }}",
        http="upstream u { server 127.0.0.1:%%PORT_tls%%; keepalive 8; }",
        servers=[TLS.replace("$ssl_session_reused $ssl_protocol", "$connection")],
    )
    values = {"name": ("a.example", "b.example"), "bind": ("127.0.0.2", "127.0.0.3")}[argument]
    found = [nginx.request(f"GET /?{argument}={value}").text for value in (*values, *values)]
    assert found[:2] == found[2:] and found[0] != found[1]


def test_an_unverified_connection_does_not_serve_who_wants_it_verified(nginx: Nginx) -> None:
    nginx.write("site.pem", SITE.pem)
    nginx.write("site.key", SITE.key_pem())
    nginx.write("other.pem", Authority("other").pem)
    nginx(
        """
        location /loose { proxy_pass https://u; }
        location /strict {
            proxy_ssl_verify on; proxy_ssl_trusted_certificate other.pem;
            proxy_pass https://u;
        }
        """,
        http="upstream u { server 127.0.0.1:%%PORT_tls%%; }",
        servers=[TLS],
    )
    assert nginx.request("GET /loose").status == 200
    assert nginx.request("GET /strict").status == 502


# -- our own certificate --------------------------------------------------------------------

FIRST, SECOND = Authority("first", (), ROOT), Authority("second", (), ROOT)
VERIFYING = f"""
    {TLS.partition("return")[0]}
    ssl_verify_client optional; ssl_client_certificate root.pem;
    return 200 "$ssl_client_s_dn $connection_requests $ssl_cipher";
"""


def client(nginx: Nginx, settings: str, http: str = "") -> None:
    """A location that passes requests on, with a certificate, over kept connections."""
    for each in (FIRST, SECOND):
        name = each.name.rfc4514_string().removeprefix("CN=")
        nginx.write(f"{name}.pem", each.pem)
        nginx.write(f"{name}.key", each.key_pem())
    nginx.write("site.pem", SITE.pem)
    nginx.write("site.key", SITE.key_pem())
    nginx.write("root.pem", ROOT.pem)
    nginx(
        f"location / {{ {settings} proxy_pass https://behind; }}",
        http=f"proxy_http_version 1.1; proxy_set_header Connection ''; {http}"
        "upstream behind { server 127.0.0.1:%%PORT_tls%%; keepalive 4; }",
        servers=[VERIFYING],
    )


def subject(nginx: Nginx, uri: str) -> str:
    return nginx.request(f"GET {uri}").text.partition(" ")[0]


NAMED = "proxy_ssl_certificate $arg_c.pem; proxy_ssl_certificate_key $arg_c.key;"


APART = "proxy_ssl_session_reuse off; proxy_set_header Connection close;"
TOGETHER = pytest.mark.nginx_differs(
    "it resumes sessions and uses connections of other certificates"
)


@pytest.mark.parametrize("cache", ["", "proxy_ssl_certificate_cache max=4;"])
@pytest.mark.parametrize("kept", [APART, pytest.param("", marks=TOGETHER)])
def test_certificate_of_variables(nginx: Nginx, cache: str, kept: str) -> None:
    """Who is logged in as one client does not act for another."""
    client(nginx, f"{NAMED} {cache} {kept}")
    for name in ("first", "second", "first"):
        assert subject(nginx, f"/?c={name}") == f"CN={name}"


def test_no_certificate_if_the_variable_is_empty(nginx: Nginx) -> None:
    client(
        nginx,
        f"proxy_ssl_certificate $name; proxy_ssl_certificate_key first.key; {APART}",
        "map $arg_c $name { default ''; first first.pem; }",
    )
    assert [subject(nginx, uri) for uri in ("/?c=first", "/")] == ["CN=first", ""]


def test_certificate_that_cannot_be_had(nginx: Nginx) -> None:
    client(nginx, NAMED)
    assert nginx.request("GET /?c=third").status == 500
    nginx.wait_for_log(r'\[error\] .*cannot load certificate ".*third\.pem": BIO_new_file\(\) ')


def test_certificate_in_the_configuration(nginx: Nginx) -> None:
    client(
        nginx,
        f'proxy_ssl_certificate "data:{FIRST.pem}";'
        f'proxy_ssl_certificate_key "data:{FIRST.key_pem()}";',
    )
    assert subject(nginx, "/") == "CN=first"


def test_configuration_commands(nginx: Nginx) -> None:
    client(nginx, "proxy_ssl_conf_command Ciphersuites TLS_CHACHA20_POLY1305_SHA256;")
    assert nginx.request("GET /").text.endswith(" TLS_CHACHA20_POLY1305_SHA256")


@pytest.mark.parametrize(
    "command, to",
    [
        ("proxy_ssl_conf_command", "proxy_pass https://127.0.0.1"),
        ("uwsgi_ssl_conf_command", "uwsgi_pass suwsgi://127.0.0.1:1"),
        ("grpc_ssl_conf_command", "grpc_pass grpcs://127.0.0.1:1"),
    ],
)
def test_rejected_commands(nginx: Nginx, command: str, to: str) -> None:
    nginx.rejects(
        f"location / {{ {command} Some thing; {to}; }}",
        re.compile(r'SSL_CONF_cmd\("Some", "thing"\) failed \(SSL: error:.*'),
        line=0,
    )


def test_a_handshake_that_takes_too_long(nginx: Nginx) -> None:
    """The log has what it was that took too long."""
    gate = threading.Event()

    def silent(peer: Peer) -> None:
        assert gate.wait(DEADLINE)

    nginx.backend("up", silent)
    nginx(
        "location / { proxy_connect_timeout 2s; proxy_pass https://127.0.0.1:%%PORT_up%%; }",
    )
    nginx.exchange("> GET /\n< 504")
    gate.set()
    nginx.wait_for_log(
        r"\[error\] .*upstream timed out \(110: [A-Z]\w+ timed out\) "
        "while SSL handshaking to upstream, client: "
    )
