"""Sessions of clients: tickets and caches that workers share and a reload keeps."""

from __future__ import annotations

import os
import ssl
import subprocess

import pytest

from ..authority import Authority
from ..nginx import Nginx
from ..tls_client import ask, client_context

SERVER, OTHER = Authority("front.example"), Authority("other.example")
FILES: dict[str, str | bytes] = {
    "front.pem": SERVER.pem,
    "front.key": SERVER.key_pem(),
    "other.pem": OTHER.pem,
    "other.key": OTHER.key_pem(),
    "a.ticket": os.urandom(80),
    "b.ticket": os.urandom(48),
}
LISTEN = "127.0.0.1:%%PORT%% ssl"
TLS = "ssl_certificate front.pem; ssl_certificate_key front.key;"
ANSWER = 'return 200 "$ssl_session_reused $pid";'
TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
VERSIONS = pytest.mark.parametrize("version", [TLS12, TLS13])


def front(nginx: Nginx, settings: str, main: str = "") -> None:
    nginx(f"{TLS} {settings} {ANSWER}", listen=LISTEN, files=FILES, main=main)


def again(nginx: Nginx, session: ssl.SSLSession | None, context: ssl.SSLContext) -> str:
    """Whether a session is resumed."""
    return ask(nginx, context=context, session=session)[0].text.split()[0]


@VERSIONS
@pytest.mark.parametrize(
    "settings, expected",
    [
        ("", "r"),
        ("ssl_session_cache off;", "r"),
        ("ssl_session_tickets off;", "."),
        ("ssl_session_tickets off; ssl_session_cache none;", "."),
        ("ssl_session_tickets off; ssl_session_cache builtin;", "r"),
        ("ssl_session_tickets off; ssl_session_cache builtin:100;", "r"),
        ("ssl_session_tickets off; ssl_session_cache shared:S:1m;", "r"),
        ("ssl_session_tickets off; ssl_session_cache builtin:100 shared:S:1m;", "r"),
        ("ssl_session_cache shared:S:1m;", "r"),
        ("ssl_session_ticket_key a.ticket;", "r"),
        ("ssl_session_ticket_key b.ticket;", "r"),
    ],
)
def test_resumed(nginx: Nginx, version: ssl.TLSVersion, settings: str, expected: str) -> None:
    front(nginx, settings)
    context = client_context(version)
    answer, session = ask(nginx, context=context)
    assert answer.text.startswith(". ")
    assert again(nginx, session, context) == expected


@VERSIONS
@pytest.mark.parametrize(
    "settings", ["", "ssl_session_cache shared:S:1m;", "ssl_session_ticket_key a.ticket;"]
)
def test_by_all_workers(nginx: Nginx, version: ssl.TLSVersion, settings: str) -> None:
    front(nginx, settings, main="worker_processes 3;")
    context = client_context(version)
    _, session = ask(nginx, context=context)
    _expect_of_workers(nginx, context, session, "r")


@VERSIONS
def test_by_all_workers_without_tickets(nginx: Nginx, version: ssl.TLSVersion) -> None:
    settings = "ssl_session_tickets off; ssl_session_cache shared:S:1m;"
    front(nginx, settings, main="worker_processes 3;")
    context = client_context(version)
    for _ in range(8):
        _, session = ask(nginx, context=context)
        assert again(nginx, session, context) == "r"


def _expect_of_workers(
    nginx: Nginx, context: ssl.SSLContext, session: ssl.SSLSession | None, expected: str
) -> None:
    found = [ask(nginx, context=context, session=session)[0].text.split() for _ in range(12)]
    assert {reused for reused, _ in found} == {expected}


KEPT = (
    "ssl_session_cache shared:S:1m;",
    "ssl_session_tickets off; ssl_session_cache shared:S:1m;",
    "ssl_session_ticket_key a.ticket;",
)


@VERSIONS
@pytest.mark.parametrize("settings, expected", [*((kept, "r") for kept in KEPT), ("", ".")])
def test_kept_by_a_reload(
    nginx: Nginx, version: ssl.TLSVersion, settings: str, expected: str
) -> None:
    server = f"listen {LISTEN}; {TLS} {settings} {ANSWER}"
    nginx(http=f"server {{ {server} }}", listen="127.0.0.1:%%PORT_x%%", files=FILES)
    context = client_context(version)
    _, session = ask(nginx, context=context)
    nginx.reload(http=f"server {{ {server} }}")
    assert again(nginx, session, context) == expected


def test_ticket_keys_in_turn(nginx: Nginx) -> None:
    """The first key encrypts; a second one decrypts what was encrypted before a reload."""

    def server(*keys: str) -> str:
        named = "".join(f"ssl_session_ticket_key {key}.ticket;" for key in keys)
        return f"server {{ listen {LISTEN}; {TLS} {named} {ANSWER} }}"

    nginx(http=server("a"), listen="127.0.0.1:%%PORT_x%%", files=FILES)
    context = client_context(TLS12)
    _, session = ask(nginx, context=context)
    for keys, expected in ((("b", "a"), "r"), (("b",), ".")):
        nginx.reload(http=server(*keys))
        assert again(nginx, session, context) == expected


def test_timeout_of_a_session(nginx: Nginx) -> None:
    front(nginx, "ssl_session_timeout 10m;")
    _, session = ask(nginx, context=client_context(TLS12))
    assert session is not None and session.ticket_lifetime_hint == 600


@pytest.mark.parametrize("cache", ["", "ssl_session_cache shared:S:1m;"])
def test_not_for_another_certificate(nginx: Nginx, cache: str) -> None:
    """Servers that share a cache, or a key, do not take each other's sessions."""
    nginx(
        f"{TLS} {ANSWER}",
        http=f"{cache} ssl_session_ticket_key a.ticket;",
        listen=f"{LISTEN} default_server",
        servers=[
            f"listen {LISTEN}; server_name other; ssl_certificate other.pem;"
            f"ssl_certificate_key other.key; {ANSWER}"
        ],
        files=FILES,
    )
    context = client_context(TLS12)
    _, session = ask(nginx, "x", context=context)
    assert ask(nginx, "x", context=context, session=session)[0].text.startswith("r")
    assert ask(nginx, "other", context=context, session=session)[0].text.startswith(".")


@pytest.mark.parametrize(
    "directive, message",
    [
        ("ssl_session_cache shared:S;", 'invalid session cache "shared:S"'),
        ("ssl_session_cache shared::1m;", 'invalid session cache "shared::1m"'),
        ("ssl_session_cache shared:S:x;", 'invalid session cache "shared:S:x"'),
        ("ssl_session_cache shared:S:8k;", 'session cache "shared:S:8k" is too small'),
        ("ssl_session_cache builtin:x;", 'invalid session cache "builtin:x"'),
        ("ssl_session_cache some;", 'invalid session cache "some"'),
    ],
)
def test_rejected(nginx: Nginx, directive: str, message: str) -> None:
    nginx.rejects(directive, message, line=1)


def test_rejected_keys(nginx: Nginx) -> None:
    nginx.write("short.key", "x" * 47)
    for name in ("front.pem", "front.key"):
        nginx.write(name, FILES[name])
    nginx.rejects(
        f"{TLS} ssl_session_ticket_key short.key;", '"%%DIR%%/short.key" must be 48 or 80 bytes'
    )
    nginx.rejects(
        f"{TLS} ssl_session_ticket_key none.key;",
        'open() "%%DIR%%/none.key" failed (2: No such file or directory)',
    )


# -- early data -----------------------------------------------------------------------------


def early(nginx: Nginx, request: str, late: str = "") -> str:
    """What openssl's client gets for a request that it sends with its hello, and for a late one."""
    nginx.write("request", request)
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{nginx.port()}", "-tls1_3", "-quiet"]
    session = str(nginx.prefix / "session")
    for words, text in (
        (["-sess_out", session], REQUEST),
        (["-sess_in", session, "-early_data", str(nginx.prefix / "request")], late),
    ):
        done = subprocess.run(
            [*command, *words], input=text.encode(), capture_output=True, timeout=60, check=False
        )
    return done.stdout.decode("latin-1")


REQUEST = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    "allowed, late, expected", [("on", "", "[r 1]"), ("off", "the same", "[r ]")]
)
def test_early_data(nginx: Nginx, allowed: str, late: str, expected: str) -> None:
    """What is not allowed is not looked at, and the client sends it again."""
    nginx(
        f'{TLS} ssl_early_data {allowed}; return 200 "[$ssl_session_reused $ssl_early_data]";',
        listen=LISTEN,
        files=FILES,
    )
    # Nothing is early that is read after the client has finished its handshake.
    tries = 5 if allowed == "on" else 1
    assert any(expected in early(nginx, REQUEST, late and REQUEST) for _ in range(tries))


def test_early_body(nginx: Nginx) -> None:
    """A request of several records, passed on as one."""
    nginx(
        f"{TLS} ssl_early_data on;"
        "location / { proxy_set_header Early-Data $ssl_early_data; "
        "proxy_pass http://127.0.0.1:%%PORT_up%%; }",
        listen=LISTEN,
        servers=[
            "listen 127.0.0.1:%%PORT_up%%; location / { proxy_set_body x;"
            "proxy_pass http://127.0.0.1:%%PORT_up%%/end?$content_length:$http_early_data; }"
            "location /end { return 200 [$args]; }"
        ],
        files=FILES,
    )
    body = "x" * 4000
    post = f"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 4000\r\n\r\n{body}"
    assert "[4000:1]" in early(nginx, post)
