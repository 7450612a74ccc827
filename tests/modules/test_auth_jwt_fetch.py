"""auth_jwt: issuers whose answers have no end, or are not what they should be."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from ..backend import Peer
from ..jwt.keys import jwks
from ..nginx import Nginx
from ..wire import DEADLINE
from .tokens import FILES, KEY, OTHER, Issuer, bearer

pytestmark = [
    pytest.mark.needs("auth-jwt"),
    pytest.mark.pyngx_only("kjdev's module fetches keys for each request, and answers 401 then"),
]
PAGES = {**FILES, "html/a": "content"}
JWKS = 'root html; auth_jwt "A"; auth_jwt_key_request /_jwks;'
LOCATION = """
    location = /_jwks { internal; proxy_pass http://127.0.0.1:%%PORT_issuer%%/jwks.json; }
"""
CACHED = "proxy_cache keys; proxy_cache_valid 200 10m; proxy_ignore_headers Cache-Control;"
CACHE = "proxy_cache_path %%DIR%%/cache keys_zone=keys:1m;"
SIZE = 256 * 1024


def status(nginx: Nginx, line: str = "") -> int:
    return nginx.request("GET /a", line or bearer()).status


def eventually(nginx: Nginx, line: str, wanted: int) -> None:
    deadline = time.monotonic() + DEADLINE  # a cache is asked past at most every 10 seconds
    while (found := status(nginx, line)) != wanted:
        assert time.monotonic() < deadline, f"still {found}"
        time.sleep(0.05)


@pytest.mark.parametrize("cached", ["", CACHED])
@pytest.mark.parametrize(
    "head, part",
    [
        (b"Transfer-Encoding: chunked\r\n\r\n", b"1000\r\n" + b" " * 4096 + b"\r\n"),
        (b"\r\n", b" " * 4096),
        (b"Content-Length: 300000000\r\n\r\n", b""),
    ],
)
def test_answer_without_end(nginx: Nginx, head: bytes, part: bytes, cached: str) -> None:
    """It ends for all who wait, where it becomes longer than a set can be."""
    ended: list[int] = []

    def endless(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\n" + head)
        sent = 0
        try:
            while part:
                peer.send(part)
                sent += len(part)
        except OSError:
            pass
        assert part or peer.closed()
        ended.append(sent)

    nginx.backend("issuer", endless)
    nginx(JWKS + cached + LOCATION, http=CACHE, files=PAGES)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: status(nginx), range(4))) == [500] * 4
    nginx.wait_for_log(r'\[error\].* key request "/_jwks" failed: more than 262144 bytes')
    deadline = time.monotonic() + DEADLINE
    while not ended:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(
    "body, fields",
    [
        ("<html>maintenance</html>", ()),
        ("", ()),
        ("[" * 5000, ()),
        (jwks(KEY), ("Content-Encoding: gzip",)),
        (" " * (SIZE + 1), ()),
        ('{"keys": []}', ()),
    ],
)
def test_bad_answer_in_a_cache(nginx: Nginx, body: str, fields: tuple[str, ...]) -> None:
    """The issuer is asked past it, and what it says then replaces it."""
    issuer = Issuer(body or b" ", "200 OK", *fields)
    nginx.backend("issuer", issuer)
    nginx(JWKS + CACHED + LOCATION, http=CACHE, files=PAGES)
    assert status(nginx) == 500
    issuer.body, issuer.fields = jwks(KEY), ()
    eventually(nginx, bearer(), 200)
    asked = len(issuer.asked)
    assert asked <= 3
    time.sleep(1.1)  # it is in the cache now
    assert status(nginx) == 200
    assert len(issuer.asked) == asked


def test_issuer_that_goes_on_with_bad_answers_is_not_flooded(nginx: Nginx) -> None:
    issuer = Issuer("<html>")
    nginx.backend("issuer", issuer)
    nginx(JWKS + CACHED + LOCATION, http=CACHE, files=PAGES)
    began = time.monotonic()
    while time.monotonic() - began < 3:
        assert status(nginx) == 500
    assert len(issuer.asked) == 2


def test_keys_outlast_what_cannot_be_read(nginx: Nginx) -> None:
    issuer = Issuer()
    nginx.backend("issuer", issuer)
    nginx(JWKS + LOCATION, files=PAGES)
    assert status(nginx) == 200
    issuer.body = "<html>maintenance</html>"
    issuer.wait(1)
    began = time.monotonic()
    while len(issuer.asked) < 4:
        assert status(nginx) == 200 and time.monotonic() - began < 10
    log = nginx.wait_for_log(r"\[error\].* not valid JSON.*; the last keys are still used")
    assert len(re.findall("the last keys are still used", nginx.error_log())) == 1, log
    issuer.body = jwks(OTHER)
    eventually(nginx, bearer(OTHER), 200)
    assert status(nginx) == 401


def test_keys_that_are_withdrawn_do_not_last(nginx: Nginx) -> None:
    issuer = Issuer()
    nginx.backend("issuer", issuer)
    nginx(JWKS + LOCATION, files=PAGES)
    assert status(nginx) == 200
    issuer.body = '{"keys": []}'
    eventually(nginx, bearer(), 500)
