"""Certificates of servers, from wherever they come, and their states."""

from __future__ import annotations

import re
import ssl
import subprocess
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from ..authority import DAY, NOW, Authority
from ..nginx import Nginx
from ..tls_client import ask, client_context, shaken
from ..wire import DEADLINE

ROOT = Authority("root")
ONE, TWO = Authority("one.example", (), ROOT), Authority("two.example", (), ROOT)
FILES = {
    "one.pem": ONE.pem,
    "one.key": ONE.key_pem(),
    "two.pem": TWO.pem,
    "two.key": TWO.key_pem(),
    "root.pem": ROOT.pem,
    "locked.key": ONE.key_pem(b"secret"),
    "words": "wrong\nsecret\r\n",
}
LISTEN = "127.0.0.1:%%PORT%% ssl"
TLS = "ssl_certificate one.pem; ssl_certificate_key one.key;"


def shown(nginx: Nginx, name: str | None = None, context: ssl.SSLContext | None = None) -> str:
    """Whose certificate a server shows, "" if none."""
    try:
        with shaken(nginx, name, context) as (client, _):
            data = client.getpeercert(binary_form=True)
    except ssl.SSLError:
        return ""
    assert data is not None
    found = x509.load_der_x509_certificate(data).subject.rfc4514_string()
    return found.removeprefix("CN=").removesuffix(".example")


# -- from variables -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cache", ["", "ssl_certificate_cache max=8;", "ssl_certificate_cache off;"]
)
def test_of_the_name(nginx: Nginx, cache: str) -> None:
    nginx(
        f"{cache} ssl_certificate $ssl_server_name.pem; ssl_certificate_key $ssl_server_name.key;"
        "return 200 $ssl_server_name;",
        listen=LISTEN,
        files=FILES,
    )
    for _ in range(2):
        assert shown(nginx, "one") == "one"
        assert shown(nginx, "two") == "two"
    assert ask(nginx, "one")[0].text == "one"
    assert shown(nginx, "none") == ""
    nginx.wait_for_log(
        r'\[error\] .*cannot load certificate ".*none\.pem": BIO_new_file\(\) failed '
        r"\(SSL: error:80000002:.*\) while SSL handshaking, client: 127\.0\.0\.1, server: "
    )
    nginx.wait_for_log(
        r"\[info\] .*SSL_do_handshake\(\) failed .*error:0A000179:SSL routines::cert cb error\)"
    )


def test_of_a_map(nginx: Nginx) -> None:
    nginx(
        "ssl_certificate $name.pem; ssl_certificate_key $name.key;",
        http="map $ssl_server_name $name { default one; other.test two; }",
        listen=LISTEN,
        files=FILES,
    )
    assert [shown(nginx, name) for name in (None, "x.test", "other.test")] == ["one", "one", "two"]


def test_with_a_password(nginx: Nginx) -> None:
    nginx(
        "ssl_password_file words; ssl_certificate $n.pem; ssl_certificate_key locked.key;",
        http="map $ssl_server_name $n { default one; }",
        listen=LISTEN,
        files=FILES,
    )
    assert shown(nginx) == "one"


def test_replaced_files(nginx: Nginx) -> None:
    """Without a cache they count at once; with one when they do not fit any more."""
    nginx(
        "ssl_certificate $n.pem; ssl_certificate_key $n.key; ssl_certificate_cache max=4 valid=1d;",
        http="map $ssl_server_name $n { default one; }",
        listen=LISTEN,
        files=FILES,
    )
    assert shown(nginx) == "one"
    for name in ("one.pem", "one.key"):
        nginx.write(name, FILES[name.replace("one", "two")])
    assert shown(nginx) == "one"


def test_uncached_files_are_read_anew(nginx: Nginx) -> None:
    nginx(
        "ssl_certificate $n.pem; ssl_certificate_key $n.key;",
        http="map $ssl_server_name $n { default one; }",
        listen=LISTEN,
        files=FILES,
    )
    assert shown(nginx) == "one"
    for name in ("one.pem", "one.key"):
        nginx.write(name, FILES[name.replace("one", "two")])
    assert shown(nginx) == "two"


@pytest.mark.parametrize(
    "words, message",
    [
        ("inactive=1m", '"ssl_certificate_cache" must have the "max" parameter'),
        ("max=0", 'invalid parameter "max=0"'),
        ("max=1 valid=x", 'invalid parameter "valid=x"'),
        ("max=1 some", 'invalid parameter "some"'),
    ],
)
def test_rejected_caches(nginx: Nginx, words: str, message: str) -> None:
    nginx.rejects(f"ssl_certificate_cache {words};", message, line=1)
    name = "proxy_ssl_certificate_cache"
    nginx.rejects(f"{name} {words};", message.replace("ssl_certificate_cache", name), line=1)


# -- in the configuration, with passwords, of several kinds ---------------------------------


def test_data(nginx: Nginx) -> None:
    nginx(
        f'ssl_certificate "data:{ONE.pem}"; ssl_certificate_key "data:{ONE.key_pem()}";',
        listen=LISTEN,
    )
    assert shown(nginx) == "one"


def test_data_in_variables(nginx: Nginx) -> None:
    nginx(
        "ssl_certificate data:$pem; ssl_certificate_key data:$key; ssl_certificate_cache max=4;",
        http=f'map $ssl_server_name $pem {{ default "{ONE.pem}"; two "{TWO.pem}"; }}'
        f'map $ssl_server_name $key {{ default "{ONE.key_pem()}"; two "{TWO.key_pem()}"; }}',
        listen=LISTEN,
    )
    assert [shown(nginx, name) for name in ("one", "two", "two", "one")] == [
        "one",
        "two",
        "two",
        "one",
    ]


def test_password_file(nginx: Nginx) -> None:
    nginx(
        "ssl_password_file words; ssl_certificate one.pem; ssl_certificate_key locked.key;",
        listen=LISTEN,
        files=FILES,
    )
    assert shown(nginx) == "one"


def test_wrong_password(nginx: Nginx) -> None:
    for name, text in FILES.items():
        nginx.write(name, text)
    nginx.write("words", "wrong\n")
    nginx.rejects(
        "ssl_password_file words; ssl_certificate one.pem; ssl_certificate_key locked.key;",
        re.compile(r'cannot load certificate key ".*locked\.key": PEM_read_bio_PrivateKey\(\) .*'),
        line=0,
    )
    nginx.rejects(
        "ssl_password_file none;",
        'open() "%%DIR%%/none" failed (2: No such file or directory)',
        line=1,
    )


def test_key_of_another(nginx: Nginx) -> None:
    for name, text in FILES.items():
        nginx.write(name, text)
    nginx.rejects(
        "ssl_certificate one.pem; ssl_certificate_key two.key;",
        'SSL_CTX_use_PrivateKey("%%DIR%%/two.key") failed (SSL: error:05800074:x509 certificate '
        "routines::key values mismatch)",
        line=0,
    )


def test_of_two_kinds(nginx: Nginx) -> None:
    """RSA and ECDSA: the client's signature algorithms choose."""
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=rsa.example -keyout"
    (nginx.prefix / "rsa.key").touch()
    words = [*command.split(), "rsa.key", "-out", "rsa.pem"]
    subprocess.run(words, cwd=nginx.prefix, check=True, capture_output=True)
    nginx(
        f"{TLS} ssl_certificate rsa.pem; ssl_certificate_key rsa.key;", listen=LISTEN, files=FILES
    )
    found = [
        shown(nginx, context=client_context(ssl.TLSVersion.TLSv1_2, ciphers=ciphers))
        for ciphers in ("ECDHE+aECDSA", "ECDHE+aRSA")
    ]
    assert found == ["one", "rsa"]


# -- what OpenSSL is told -------------------------------------------------------------------


def test_configuration_commands(nginx: Nginx) -> None:
    nginx(
        f"{TLS} ssl_conf_command Ciphersuites TLS_CHACHA20_POLY1305_SHA256;"
        "ssl_conf_command MaxProtocol TLSv1.3; return 200 $ssl_cipher;",
        listen=LISTEN,
        files=FILES,
    )
    assert ask(nginx)[0].text == "TLS_CHACHA20_POLY1305_SHA256"


def test_rejected_commands(nginx: Nginx) -> None:
    for name, text in FILES.items():
        nginx.write(name, text)
    nginx.rejects(
        f"{TLS} ssl_conf_command Some thing;",
        re.compile(r'SSL_CONF_cmd\("Some", "thing"\) failed \(SSL: error:.*unknown cmd name:.*'),
        line=0,
    )
    nginx.rejects(
        f"{TLS} ssl_ecdh_curve none;",
        re.compile(r'SSL_CTX_set1_curves_list\("none"\) failed.*'),
        line=0,
    )


@pytest.mark.parametrize("curves, told", [("secp384r1", "secp384r1"), ("prime256v1", "prime256v1")])
def test_curves(nginx: Nginx, curves: str, told: str) -> None:
    nginx(
        f'{TLS} ssl_ecdh_curve {curves}; return 200 "$ssl_curve $ssl_curves";',
        listen=LISTEN,
        files=FILES,
    )
    curve, offered = ask(nginx)[0].text.split()
    assert curve == told and told in offered.split(":")


def test_buffer_size(nginx: Nginx) -> None:
    """The body of a response comes in records of at most this size."""
    nginx(
        f"{TLS} ssl_buffer_size 1k; location / {{ root html; }}",
        listen=LISTEN,
        files={**FILES, "html/big": b"x" * 8192},
    )
    with shaken(nginx) as (client, wire):
        wire.send(b"GET /big HTTP/1.0\r\n\r\n")
        sizes, total = [], 0
        while part := client.recv(65536):
            sizes.append(len(part))
            total += len(part)
    assert max(sizes) <= 1024 and total > 8192


def test_dh_parameters(nginx: Nginx) -> None:
    command = "openssl dhparam -dsaparam 1024"
    done = subprocess.run(command.split(), capture_output=True, check=True)
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=rsa -keyout rsa.key"
    subprocess.run([*command.split(), "-out", "rsa.pem"], cwd=nginx.prefix, check=True)
    nginx(
        "ssl_certificate rsa.pem; ssl_certificate_key rsa.key; ssl_dhparam dh.pem;"
        "ssl_ciphers DHE:@SECLEVEL=0; return 200 $ssl_cipher;",
        listen=LISTEN,
        files={"dh.pem": done.stdout},
    )
    context = client_context(ssl.TLSVersion.TLSv1_2, ciphers="DHE:@SECLEVEL=0")
    assert ask(nginx, context=context)[0].text.startswith("DHE-RSA-")


# -- states of certificates -----------------------------------------------------------------


def state(issuer: Authority, of: Authority, *, revoked: bool = False) -> bytes:
    """What a responder says about a certificate, in DER."""
    status = ocsp.OCSPCertStatus.REVOKED if revoked else ocsp.OCSPCertStatus.GOOD
    builder = ocsp.OCSPResponseBuilder().add_response(
        of.certificate,
        issuer.certificate,
        hashes.SHA1(),
        status,
        NOW - DAY,
        NOW + DAY,
        NOW - DAY if revoked else None,
        None,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.NAME, issuer.certificate)
    builder = builder.certificates([issuer.certificate])
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.DER)


class Responder:
    """Answers OCSP requests, all in the same way, and counts them."""

    def __init__(self, answer: bytes) -> None:
        responder, self.answer, self.count = self, answer, 0
        self.asked = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                responder.count += 1
                self.send_response(200)
                self.send_header("Content-Type", "application/ocsp-response")
                self.end_headers()
                self.wfile.write(responder.answer)
                responder.asked.set()

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def responders() -> Callable[[bytes], Responder]:
    return Responder


def stapled(nginx: Nginx) -> str:
    """What openssl's client says of the state that came with the handshake."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{nginx.port()}", "-status"]
    done = subprocess.run(command, input=b"", capture_output=True, timeout=60, check=False)
    text = done.stdout.decode("latin-1")
    if "OCSP response: no response sent" in text:
        return "none"
    found = re.search(r"Cert Status: (\w+)", text)
    return found[1] if found else text


@pytest.mark.parametrize("revoked, expected", [(False, "good"), (True, "revoked")])
def test_stapling_file(nginx: Nginx, revoked: bool, expected: str) -> None:
    nginx(
        f"{TLS} ssl_stapling on; ssl_stapling_file state.der;",
        listen=LISTEN,
        files={**FILES, "state.der": state(ROOT, ONE, revoked=revoked)},
    )
    assert stapled(nginx) == expected


@pytest.mark.parametrize("verify", ["on", "off"])
def test_stapling_responder(
    nginx: Nginx, responders: Callable[[bytes], Responder], verify: str
) -> None:
    responder = responders(state(ROOT, ONE))
    nginx(
        f"{TLS} ssl_stapling on; ssl_stapling_responder {responder.url};"
        f"ssl_trusted_certificate root.pem; ssl_stapling_verify {verify};",
        listen=LISTEN,
        files=FILES,
    )
    assert stapled(nginx) == "none"  # it makes the server ask
    assert responder.asked.wait(DEADLINE)
    assert "good" in [stapled(nginx) for _ in range(5)] and responder.count == 1


@pytest.mark.parametrize("kind", ["revoked", "of another", "signed by another", "nonsense"])
def test_states_that_are_not_stapled(
    nginx: Nginx, responders: Callable[[bytes], Responder], kind: str
) -> None:
    answer = {
        "revoked": state(ROOT, ONE, revoked=True),
        "of another": state(ROOT, TWO),
        "signed by another": state(Authority("root"), ONE),
        "nonsense": b"nonsense",
    }[kind]
    responder = responders(answer)
    nginx(
        f"{TLS} ssl_stapling on; ssl_stapling_responder {responder.url};"
        "ssl_trusted_certificate root.pem; ssl_stapling_verify on;",
        listen=LISTEN,
        files=FILES,
    )
    assert stapled(nginx) == "none"
    nginx.wait_for_log(r"\[error\] .* while requesting certificate status, responder: 127\.0\.0\.1")
    assert stapled(nginx) == "none"


def test_stapling_is_left_out_with_a_warning(nginx: Nginx) -> None:
    for name, text in FILES.items():
        nginx.write(name, text)
    for settings, warning in (
        ("", "issuer certificate not found for certificate"),
        ("ssl_trusted_certificate root.pem;", "no OCSP responder URL in the certificate"),
        (
            "ssl_trusted_certificate root.pem; ssl_stapling_responder https://a;",
            'invalid URL prefix in OCSP responder "https://a" in the certificate',
        ),
    ):
        output = nginx.accepts(f"{TLS} ssl_stapling on; {settings}")
        assert f'[warn] "ssl_stapling" ignored, {warning}' in re.sub(r" \d+#\d+:", "", output)
    nginx.rejects(
        f"{TLS} ssl_stapling on; ssl_certificate_compression on;",
        '"ssl_stapling" is incompatible with "ssl_certificate_compression"',
        line=0,
    )


CLIENT = Authority("client", (), ROOT)


@pytest.mark.parametrize("mode", ["on", "leaf"])
@pytest.mark.parametrize(
    "answer, expected",
    [
        (state(ROOT, CLIENT), "SUCCESS"),
        (state(ROOT, CLIENT, revoked=True), "FAILED:certificate revoked"),
        (state(ROOT, ONE), "FAILED:certificate status request failed"),
        (state(Authority("root"), CLIENT), "FAILED:certificate status request failed"),
        (b"nonsense", "FAILED:certificate status request failed"),
    ],
)
def test_states_of_clients(
    nginx: Nginx, responders: Callable[[bytes], Responder], mode: str, answer: bytes, expected: str
) -> None:
    responder = responders(answer)
    nginx(
        f"{TLS} ssl_verify_client on; ssl_client_certificate root.pem; ssl_ocsp {mode};"
        f"ssl_ocsp_responder {responder.url}; error_page 495 =200 /end;"
        "location / { return 200 $ssl_client_verify; }",
        listen=LISTEN,
        files=FILES,
    )
    context = _client(nginx)
    assert ask(nginx, context=context)[0].text == expected
    assert responder.count == 1
    assert ask(nginx, context=client_context())[0].status == 400


def _client(nginx: Nginx) -> ssl.SSLContext:
    return client_context(identity=nginx.write("client.pem", CLIENT.pem + CLIENT.key_pem()))


@pytest.mark.parametrize("cache, asked", [("", 3), ("ssl_ocsp_cache shared:O:1m;", 1)])
def test_remembered_states(
    nginx: Nginx, responders: Callable[[bytes], Responder], cache: str, asked: int
) -> None:
    responder = responders(state(ROOT, CLIENT))
    nginx(
        f"{TLS} ssl_verify_client on; ssl_client_certificate root.pem; ssl_ocsp on; {cache}"
        f"ssl_ocsp_responder {responder.url}; return 200 $ssl_client_verify;",
        listen=LISTEN,
        files=FILES,
        main="worker_processes 2;",
    )
    context = _client(nginx)
    for _ in range(3):
        assert ask(nginx, context=context)[0].text == "SUCCESS"
    assert responder.count == asked


def test_no_responder(nginx: Nginx) -> None:
    """A state that cannot be had is not a good one."""
    nginx(
        f"{TLS} ssl_verify_client on; ssl_client_certificate root.pem; ssl_ocsp on;"
        "return 200 $ssl_client_verify;",
        listen=LISTEN,
        files=FILES,
    )
    assert ask(nginx, context=_client(nginx))[0].status == 400
    nginx.wait_for_log(r"\[error\] .*no OCSP responder URL in certificate while ")


@pytest.mark.parametrize(
    "settings, message",
    [
        (
            "ssl_verify_client optional_no_ca; ssl_ocsp on;",
            '"ssl_ocsp" is incompatible with "ssl_verify_client optional_no_ca"',
        ),
        (
            "ssl_ocsp on; ssl_ocsp_responder https://a;",
            'invalid URL prefix in OCSP responder "https://a" in "ssl_ocsp_responder"',
        ),
    ],
)
def test_rejected_states(nginx: Nginx, settings: str, message: str) -> None:
    for name, text in FILES.items():
        nginx.write(name, text)
    nginx.rejects(f"{TLS} {settings}", message, line=0)


@pytest.mark.parametrize(
    "value, message",
    [
        ("shared:O", 'invalid OCSP cache "shared:O"'),
        ("shared:O:1k", 'OCSP cache "shared:O:1k" is too small'),
        ("some", 'invalid OCSP cache "some"'),
    ],
)
def test_rejected_state_caches(nginx: Nginx, value: str, message: str) -> None:
    nginx.rejects(f"ssl_ocsp_cache {value};", message, line=1)
