"""Certificates of clients: who is let in, who is not, and what variables tell of them."""

from __future__ import annotations

import hashlib
import re
import ssl

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from ..authority import Authority
from ..nginx import Nginx
from ..tls_client import ask, client_context, shaken

SERVER = Authority("front.example")
ROOT, STRANGER = Authority("root"), Authority("stranger")
MIDDLE = Authority("middle", (), ROOT)
CLIENT, DISTANT = Authority("client", (), ROOT), Authority("distant", (), MIDDLE)
UNKNOWN = Authority("unknown", (), STRANGER)
NOBODY = None
FILES = {
    "front.pem": SERVER.pem,
    "front.key": SERVER.key_pem(),
    "root.pem": ROOT.pem,
    "stranger.pem": STRANGER.pem,
}
LISTEN = "127.0.0.1:%%PORT%% ssl"
TLS = "ssl_certificate front.pem; ssl_certificate_key front.key;"
VERIFIES = "ssl_verify_client on; ssl_client_certificate root.pem;"
ANSWER = "return 200 $ssl_client_verify;"


def front(nginx: Nginx, settings: str, answer: str = ANSWER) -> None:
    nginx(f"{TLS} {settings} location / {{ {answer} }}", listen=LISTEN, files=FILES)


def context_of(
    nginx: Nginx, client: Authority | None, *chain: Authority, version: ssl.TLSVersion | None = None
) -> ssl.SSLContext:
    """A client that has a certificate, or none."""
    if client is None:
        return client_context(version)
    text = "".join(each.pem for each in (client, *chain)) + client.key_pem()
    return client_context(version, identity=nginx.write("client.pem", text))


def told(nginx: Nginx, client: Authority | None, *chain: Authority) -> str:
    """Status and body, or what nginx's page says is wrong."""
    answer, _ = ask(nginx, context=context_of(nginx, client, *chain))
    page = re.findall("<center>(.*?)</center>", answer.text)
    return f"{answer.status} {page[1] if page else answer.text}"


# -- who is let in --------------------------------------------------------------------------

NO_CERTIFICATE = "400 No required SSL certificate was sent"
BAD_CERTIFICATE = "400 The SSL certificate error"
UNKNOWN_ISSUER = "FAILED:unable to verify the first certificate"


@pytest.mark.parametrize(
    "mode, expected",
    [
        ("off", ("200 NONE", "200 NONE", "200 NONE")),
        ("on", (NO_CERTIFICATE, "200 SUCCESS", BAD_CERTIFICATE)),
        ("optional", ("200 NONE", "200 SUCCESS", BAD_CERTIFICATE)),
        ("optional_no_ca", ("200 NONE", "200 SUCCESS", f"200 {UNKNOWN_ISSUER}")),
    ],
)
def test_modes(nginx: Nginx, mode: str, expected: tuple[str, ...]) -> None:
    front(nginx, f"ssl_verify_client {mode}; ssl_client_certificate root.pem;")
    for client, answer in zip((NOBODY, CLIENT, UNKNOWN), expected, strict=True):
        assert told(nginx, client) == answer


def test_refused_in_the_log(nginx: Nginx) -> None:
    front(nginx, "ssl_verify_client on; ssl_client_certificate root.pem;")
    told(nginx, NOBODY)
    nginx.wait_for_log(
        r"\[info\] .*client sent no required SSL certificate while reading client request headers,"
    )
    told(nginx, UNKNOWN)
    nginx.wait_for_log(
        r"\[info\] .*client SSL certificate verify error: \(21:unable to verify the first "
        r"certificate\) while reading client request headers,"
    )


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_versions(nginx: Nginx, version: ssl.TLSVersion) -> None:
    front(nginx, "ssl_verify_client on; ssl_client_certificate root.pem;")
    for client, status in ((NOBODY, 400), (CLIENT, 200), (UNKNOWN, 400)):
        answer, _ = ask(nginx, context=context_of(nginx, client, version=version))
        assert answer.status == status


def test_connection_stays_refused(nginx: Nginx) -> None:
    """A second request over the connection is no way in, and neither is another method."""
    front(nginx, VERIFIES)
    for client in (NOBODY, UNKNOWN):
        for method in ("POST", "OPTIONS", "HEAD"):
            with shaken(nginx, context=context_of(nginx, client)) as (_, wire):
                wire.send(f"{method} / HTTP/1.1\r\nHost: x\r\n\r\n".encode() * 2)
                answers = wire.rest().decode("latin-1")
                assert answers.startswith("HTTP/1.1 400 ") and " 200 " not in answers


def test_error_pages(nginx: Nginx) -> None:
    front(
        nginx,
        "ssl_verify_client on; ssl_client_certificate root.pem;"
        "error_page 495 /495; error_page 496 =401 /496;"
        "location ~ ^/49 { internal; return 403 $uri:$ssl_client_verify; }",
    )
    for client, expected in ((NOBODY, "401 /496:NONE"), (UNKNOWN, f"400 /495:{UNKNOWN_ISSUER}")):
        assert told(nginx, client) == expected
    assert told(nginx, CLIENT) == "200 SUCCESS"


def test_error_page_elsewhere(nginx: Nginx) -> None:
    """A page of the error is not looked at once more."""
    front(
        nginx,
        "ssl_verify_client on; ssl_client_certificate root.pem; error_page 496 = @other;"
        "location @other { return 200 other; }",
    )
    assert told(nginx, NOBODY) == "200 other"


def test_checked_before_anything_else(nginx: Nginx) -> None:
    """What a server does with "return" and "rewrite" comes later."""
    nginx(
        f"{TLS} {VERIFIES} return 200 $ssl_client_s_dn;",
        listen=LISTEN,
        files=FILES,
    )
    assert told(nginx, NOBODY).startswith("400")
    assert told(nginx, CLIENT) == "200 CN=client"


def test_plain_port_of_the_same_server(nginx: Nginx) -> None:
    """There is no TLS there, and nothing to verify."""
    nginx(
        f"listen 127.0.0.1:%%PORT_plain%%; {TLS} ssl_verify_client on;"
        'ssl_client_certificate root.pem; return 200 "$scheme $ssl_client_verify";',
        listen=LISTEN,
        files=FILES,
    )
    assert nginx.request("GET /", port="plain").text == "http "
    assert told(nginx, NOBODY).startswith("400")


# -- whom is trusted ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings, expected",
    [
        ("ssl_client_certificate root.pem;", "root"),
        ("ssl_trusted_certificate root.pem;", ""),
        ("ssl_client_certificate stranger.pem; ssl_trusted_certificate root.pem;", "stranger"),
    ],
)
def test_names_of_authorities(nginx: Nginx, settings: str, expected: str) -> None:
    """Those of ssl_trusted_certificate are not sent; both are trusted."""
    front(nginx, f"ssl_verify_client on; {settings}")
    assert told(nginx, CLIENT) == "200 SUCCESS"
    names = _requested_names(nginx)
    assert [name for name in (b"root", b"stranger") if name in names] == (
        [expected.encode()] if expected else []
    )


def _requested_names(nginx: Nginx) -> bytes:
    """What TLS 1.2 sends in the clear: the server's flight with its request for a certificate."""
    with shaken(nginx, context=client_context(ssl.TLSVersion.TLSv1_2)):
        pass
    context = client_context(ssl.TLSVersion.TLSv1_2)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    with nginx.connect() as conversation:
        conversation.wire.send(outgoing.read())
        flight = b""
        while b"\x0e\x00\x00\x00" not in flight:  # the end of the server's part
            flight += conversation.wire.socket.recv(65536)
    return flight.partition(b"front.example")[2].rpartition(b"front.example")[2]


@pytest.mark.parametrize("depth, expected", [(0, "400"), (1, "200"), (2, "200")])
def test_depth(nginx: Nginx, depth: int, expected: str) -> None:
    front(
        nginx,
        f"ssl_verify_client on; ssl_client_certificate root.pem; ssl_verify_depth {depth};",
    )
    assert told(nginx, DISTANT, MIDDLE).startswith(expected)


def test_without_the_certificate_between(nginx: Nginx) -> None:
    front(nginx, "ssl_verify_client on; ssl_client_certificate root.pem;")
    assert told(nginx, DISTANT).startswith("400")
    assert told(nginx, DISTANT, MIDDLE) == "200 SUCCESS"


@pytest.mark.parametrize("revoked, expected", [((), "200"), ((CLIENT,), "400")])
def test_revoked(nginx: Nginx, revoked: tuple[Authority, ...], expected: str) -> None:
    nginx.write("list.pem", ROOT.revoked(*revoked))
    front(nginx, "ssl_verify_client on; ssl_client_certificate root.pem; ssl_crl list.pem;")
    assert told(nginx, CLIENT).startswith(expected)


def test_list_of_another_authority(nginx: Nginx) -> None:
    """Without a list of the authority nobody is let in."""
    nginx.write("list.pem", STRANGER.revoked())
    front(nginx, "ssl_verify_client on; ssl_client_certificate root.pem; ssl_crl list.pem;")
    assert told(nginx, CLIENT).startswith("400")
    nginx.wait_for_log(r"verify error: \(3:unable to get certificate CRL\)")


MISSING = re.compile(r'cannot load certificate ".*none\.pem": BIO_new_file.*')
EMPTY = re.compile(r'cannot load certificate ".*front\.key": PEM_read_bio_X509_AUX\(\) failed.*')
NO_LIST = re.compile(r'cannot load CRL ".*front\.pem": PEM_read_bio_X509_CRL\(\) failed.*')


def test_rejected(nginx: Nginx) -> None:
    nginx.write("front.pem", SERVER.pem)
    nginx.write("front.key", SERVER.key_pem())
    nginx.rejects("ssl_verify_client maybe;", 'invalid value "maybe"', line=1)
    for mode in ("on", "optional"):
        nginx.rejects(
            f"{TLS} ssl_verify_client {mode};",
            "no ssl_client_certificate or ssl_trusted_certificate for ssl_verify_client",
            line=0,
        )
    nginx.accepts(f"{TLS} ssl_verify_client optional_no_ca;")
    nginx.rejects(f"{TLS} ssl_verify_client on; ssl_client_certificate none.pem;", MISSING, line=0)
    nginx.rejects(f"{TLS} ssl_trusted_certificate front.key;", EMPTY, line=0)
    nginx.rejects(f"{TLS} ssl_crl front.pem;", NO_LIST, line=0)


# -- servers of one address -----------------------------------------------------------------


def two(nginx: Nginx, default: str, named: str) -> None:
    """A default server, and one for "named"."""
    nginx(
        f"{TLS} {default} return 200 default:$ssl_client_verify;",
        listen=f"{LISTEN} default_server",
        servers=[f"listen {LISTEN}; server_name named; {TLS} {named} return 200 named;"],
        files=FILES,
    )


def test_server_of_the_handshake_counts(nginx: Nginx) -> None:
    two(nginx, "", VERIFIES)
    context = context_of(nginx, CLIENT)
    assert ask(nginx, "named", context=context)[0].text == "named"
    assert ask(nginx, "named")[0].status == 400
    assert ask(nginx, "other")[0].text == "default:NONE"


def test_misdirected(nginx: Nginx) -> None:
    """A handshake for a server that does not verify is not one for a server that does."""
    two(nginx, "server_name default;", VERIFIES)
    for context in (None, context_of(nginx, CLIENT)):
        answer, _ = ask(nginx, "default", "GET / HTTP/1.0", "Host: named", context=context)
        assert answer.status == 421
    nginx.wait_for_log(
        r"\[info\] .*client attempted to request the server name different from the one that was "
        r"negotiated while reading client request headers,"
    )


def test_a_server_that_does_not_verify_may_be_requested(nginx: Nginx) -> None:
    two(nginx, "server_name default;", VERIFIES)
    context = context_of(nginx, CLIENT)
    answer, _ = ask(nginx, "named", "GET / HTTP/1.0", "Host: default", context=context)
    assert answer.text == "default:SUCCESS"


@pytest.mark.nginx_differs("it takes what another server has verified with other authorities")
@pytest.mark.parametrize("default", ["", VERIFIES.replace("root", "stranger")])
def test_no_name_is_no_way_around(nginx: Nginx, default: str) -> None:
    """Nor is a name that no server has: the handshake is the default server's."""
    two(nginx, default, VERIFIES)
    for name in (None, "other"):
        for client in (NOBODY, CLIENT, UNKNOWN):
            context = context_of(nginx, client)
            answer, _ = ask(nginx, name, "GET / HTTP/1.0", "Host: named", context=context)
            assert answer.status == 421


LAX = pytest.mark.nginx_differs("it looks at ssl_client_certificate only")

# -- sessions -------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("cache", ["", "ssl_session_cache shared:SSL:1m;"])
@pytest.mark.parametrize("tickets", ["on", "off"])
def test_resumed(nginx: Nginx, version: ssl.TLSVersion, cache: str, tickets: str) -> None:
    """A resumed session has the certificate of the first handshake; a refused one is of no use."""
    front(
        nginx,
        f"{VERIFIES} {cache} ssl_session_tickets {tickets};",
        'return 200 "$ssl_session_reused $ssl_client_verify $ssl_client_s_dn";',
    )
    context = context_of(nginx, CLIENT, version=version)
    answer, session = ask(nginx, context=context)
    assert answer.text == ". SUCCESS CN=client"
    answer, _ = ask(nginx, context=context, session=session)
    can_be_resumed = tickets == "on" or bool(cache)
    assert answer.text == f"{'r' if can_be_resumed else '.'} SUCCESS CN=client"
    for client in (NOBODY, UNKNOWN):
        context = context_of(nginx, client, version=version)
        answer, session = ask(nginx, context=context)
        assert answer.status == 400
        assert ask(nginx, context=context, session=session)[0].status == 400


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("kind", ["client", pytest.param("trusted", marks=LAX)])
def test_resumed_at_another_server(nginx: Nginx, version: ssl.TLSVersion, kind: str) -> None:
    """Servers with one certificate, one ticket key and other authorities: a session of the one
    is no way into the other."""
    nginx.write("ticket.key", bytes(range(80)))
    common = f"{TLS} ssl_session_ticket_key ticket.key; ssl_verify_client on;"
    nginx(
        f"{common} ssl_{kind}_certificate stranger.pem; server_name first; return 200 first;",
        listen=f"{LISTEN} default_server",
        servers=[
            f"listen {LISTEN}; server_name second; {common} ssl_{kind}_certificate root.pem;"
            "return 200 second;"
        ],
        files=FILES,
    )
    context = context_of(nginx, UNKNOWN, version=version)
    answer, session = ask(nginx, "first", context=context)
    assert answer.text == "first"
    assert ask(nginx, "second", context=context, session=session)[0].status == 400


# -- variables ------------------------------------------------------------------------------

NAMES = ("s_dn", "i_dn", "s_dn_legacy", "i_dn_legacy", "serial", "fingerprint", "v_remain")


def test_variables(nginx: Nginx) -> None:
    values = " | ".join(f"$ssl_client_{name}" for name in NAMES)
    front(nginx, VERIFIES, f'return 200 "{values}";')
    certificate = CLIENT.certificate
    digest = hashlib.sha1(certificate.public_bytes(Encoding.DER)).hexdigest()
    serial = f"{certificate.serial_number:X}"
    serial = serial if len(serial) % 2 == 0 else f"0{serial}"
    assert told(nginx, CLIENT) == (
        f"200 CN=client | CN=root | /CN=client | /CN=root | {serial} | {digest} | 0"
    )


def test_times(nginx: Nginx) -> None:
    front(nginx, VERIFIES, 'return 200 "$ssl_client_v_start | $ssl_client_v_end";')
    certificate = CLIENT.certificate
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    times = [f"{at:%b} {at.day:2d} {at:%H:%M:%S %Y} GMT" for at in (start, end)]
    assert told(nginx, CLIENT) == f"200 {times[0]} | {times[1]}"


def test_certificate(nginx: Nginx) -> None:
    front(nginx, VERIFIES, 'return 200 "[$ssl_client_raw_cert][$ssl_client_cert]";')
    tabs = CLIENT.pem.strip().replace("\n", "\n\t")
    assert told(nginx, CLIENT) == f"200 [{CLIENT.pem}][{tabs}]"


def test_escaped_certificate(nginx: Nginx) -> None:
    front(nginx, VERIFIES, "return 200 $ssl_client_escaped_cert;")
    escaped = "".join(
        char if char.isalnum() or char in "-._~" else f"%{ord(char):02X}" for char in CLIENT.pem
    )
    assert told(nginx, CLIENT) == f"200 {escaped}"


def test_no_certificate_no_variables(nginx: Nginx) -> None:
    names = (*NAMES, "cert", "raw_cert", "escaped_cert", "v_start", "v_end")
    values = "".join(f"$ssl_client_{name}" for name in names)
    front(nginx, VERIFIES.replace("on", "optional", 1), f'return 200 "[{values}]";')
    assert told(nginx, NOBODY) == "200 []"


@pytest.mark.pyngx_only("a variable of pyngx")
def test_thumbprint(nginx: Nginx) -> None:
    """RFC 8705, 3.1."""
    front(nginx, VERIFIES, "return 200 $ssl_client_thumbprint;")
    assert told(nginx, CLIENT) == f"200 {CLIENT.thumbprint}"
