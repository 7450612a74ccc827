"""auth_jwt: issuers that fail after they have answered, in all dialects."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pyngx_jwt.app import application
from pyngx_jwt.modules.auth_jwt.key_request import RETRY, retry_delay

from ..backend import Backend
from ..jwt.keys import jwks
from ..nginx import Nginx
from ..test_app import Client, play
from ..wire import DEADLINE
from .tokens import FILES, KEY, OTHER, Issuer, bearer, tampered

pytestmark = [
    pytest.mark.needs("auth-jwt"),
    pytest.mark.pyngx_only("of dialects that one nginx does not have at once, and of our own"),
]
DIALECTS = {
    "plus": ("auth_jwt A;", 500),
    "kjdev": ("auth_jwt A;", 401),
    "tesla": ("auth_jwt_enabled on; auth_jwt_algorithm ES256;", 503),
    "maxlt": ("auth_jwt on;", 503),
    "tizp": ("auth_jwt A; auth_jwt_alg ES256;", 503),
}
in_all_dialects = pytest.mark.parametrize("name", DIALECTS)
PAGES = {**FILES, "html/a": "content"}
LOCATION = """
    location = /_jwks {
        internal;
        proxy_pass http://127.0.0.1:%%PORT_issuer%%/jwks.json;
        proxy_cache keys; proxy_cache_valid 200 10m;
        proxy_cache_use_stale error timeout updating http_500 http_502 http_503 http_504;
    }
"""
CACHE = "proxy_cache_path %%DIR%%/cache keys_zone=keys:1m;"
UNAVAILABLE = "503 Service Unavailable"
KEPT = "the last keys are still used"


def serve(nginx: Nginx, name: str, issuer: Issuer, server: str = "") -> None:
    nginx.backend("issuer", issuer)
    keys = "auth_jwt_key_request /_jwks;"
    http = f"{CACHE} pyngx_jwt_dialect {name};"
    nginx(f"root html; {DIALECTS[name][0]} {keys} {server} {LOCATION}", http=http, files=PAGES)


def status(nginx: Nginx, line: str = "") -> int:
    return nginx.request("GET /a", line or bearer()).status


def eventually(nginx: Nginx, wanted: int, line: str = "") -> None:
    deadline = time.monotonic() + DEADLINE
    while (current := status(nginx, line)) != wanted:
        assert time.monotonic() < deadline, f"still {current}"
        time.sleep(0.02)


def survives(nginx: Nginx, issuer: Issuer, fetches: int = 2) -> None:
    """Requests pass until the location has failed that often."""
    count = len(issuer.asked)
    deadline = time.monotonic() + DEADLINE
    while len(issuer.asked) < count + fetches:
        assert status(nginx) == 200
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert status(nginx) == 200


@pytest.mark.parametrize(
    "field", ["Cache-Control: no-cache", "Cache-Control: private", "Set-Cookie: a=b", "Vary: *"]
)
def test_answer_that_no_cache_keeps_outlasts_its_issuer(nginx: Nginx, field: str) -> None:
    """It is in no cache that could answer in its place."""
    issuer = Issuer("", "200 OK", field)
    serve(nginx, "plus", issuer)
    assert status(nginx) == 200
    issuer.status = UNAVAILABLE
    survives(nginx, issuer)
    nginx.wait_for_log(rf"\[error\].* failed: status 503; {KEPT}")
    assert nginx.error_log().count(KEPT) == 1
    assert status(nginx, bearer(OTHER)) == 401
    issuer.status, issuer.body = "200 OK", jwks(OTHER)
    eventually(nginx, 200, bearer(OTHER))
    assert status(nginx) == 401


@in_all_dialects
def test_keys_outlast_their_issuer_for_a_time(nginx: Nginx, name: str) -> None:
    issuer = Issuer("", "200 OK", "Cache-Control: no-cache")
    serve(nginx, name, issuer, "pyngx_jwt_keys_stale 3s;")
    assert status(nginx) == 200
    issuer.status = UNAVAILABLE
    survives(nginx, issuer, 1)
    eventually(nginx, DIALECTS[name][1])
    issuer.status = "200 OK"
    eventually(nginx, 200)


@in_all_dialects
def test_no_time_is_no_keys(nginx: Nginx, name: str) -> None:
    issuer = Issuer("", "200 OK", "Cache-Control: no-cache")
    serve(nginx, name, issuer, "pyngx_jwt_keys_stale 0;")
    assert status(nginx) == 200
    issuer.status = UNAVAILABLE
    eventually(nginx, DIALECTS[name][1])
    assert KEPT not in nginx.error_log()


@in_all_dialects
def test_keys_that_could_never_be_had(nginx: Nginx, name: str) -> None:
    serve(nginx, name, Issuer("", UNAVAILABLE))
    assert status(nginx) == DIALECTS[name][1]


@in_all_dialects
@pytest.mark.parametrize("wanted", [401, 500, 503])
def test_the_status_can_be_chosen(nginx: Nginx, name: str, wanted: int) -> None:
    issuer = Issuer("", UNAVAILABLE)
    serve(nginx, name, issuer, f"pyngx_jwt_keys_unavailable {wanted};")
    answer = nginx.request("GET /a", bearer())
    assert answer.status == wanted
    assert answer.get("Retry-After") == ("5" if wanted == 503 else None)
    assert nginx.request("GET /a").status == 401  # it is no matter of keys


def test_keys_at_hand_are_used_meanwhile(nginx: Nginx) -> None:
    """Only a token that the missing keys may be for has to wait for them."""
    keys = "auth_jwt_key_file own.json; pyngx_jwt_keys_unavailable 503;"
    nginx.write("own.json", jwks(OTHER))
    issuer = Issuer("", UNAVAILABLE)
    serve(nginx, "kjdev", issuer, keys)
    assert status(nginx, bearer(OTHER)) == 200
    assert status(nginx, bearer()) == 503
    assert status(nginx, bearer(OTHER, exp=1)) == 401
    assert status(nginx, "Authorization: Bearer x.y.z") == 401
    issuer.status = "200 OK"
    eventually(nginx, 200)
    assert status(nginx, tampered(bearer())) == 401


@pytest.mark.parametrize("name", ["kjdev", "tesla", "maxlt", "tizp"])
def test_another_permission_is_as_good(nginx: Nginx, name: str) -> None:
    more = "pyngx_jwt_keys_unavailable 503; satisfy any; allow 127.0.0.1; deny all;"
    serve(nginx, name, Issuer("", UNAVAILABLE), more)
    assert status(nginx) == 200


@pytest.mark.parametrize("name", ["kjdev", "tesla", "maxlt", "tizp"])
def test_keys_that_are_withdrawn_are_not_unavailable(nginx: Nginx, name: str) -> None:
    serve(nginx, name, Issuer('{"keys": []}'), "pyngx_jwt_keys_unavailable 503;")
    assert status(nginx) == 401


class Clock:
    """The time that the server sees, in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead, real = 0.0, time.time
        for name in ("time.time", "pyngx_jwt.modules.auth_jwt.gate.time"):
            monkeypatch.setattr(name, lambda: real() + self.ahead)


@in_all_dialects
def test_an_issuer_that_is_down_for_an_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Its keys are used for an hour, however often they are needed, and not much longer."""
    clock, issuer = Clock(monkeypatch), Issuer("", "200 OK", "Cache-Control: no-cache")
    listener = socket.create_server(("127.0.0.1", 0))
    backend = Backend(listener, (issuer,))
    backend.start()
    port = listener.getsockname()[1]
    (tmp_path / "a").write_text("content")
    (tmp_path / "nginx.conf").write_text(f"""
        error_log error.log; events {{ }}
        http {{ access_log off; pyngx_jwt_dialect {name}; server {{
            root .; {DIALECTS[name][0]} auth_jwt_key_request /_jwks;
            location = /_jwks {{ internal; proxy_pass http://127.0.0.1:{port}/; }}
        }} }}""")

    async def talk(client: Client) -> None:
        async def get(line: str = "") -> int:
            name, _, value = (line or bearer()).partition(": ")
            async with client.get("/a", headers={name: value}) as answer:
                return answer.status

        async def pass_time(seconds: float, pieces: int) -> list[int]:
            found = []
            for _ in range(pieces):
                clock.ahead += seconds / pieces
                found.append(await get())
            return found

        unavailable = DIALECTS[name][1]
        assert await get() == 200
        issuer.status = UNAVAILABLE
        assert await pass_time(3500, 50) == [200] * 50
        assert await pass_time(110, 1) == [unavailable]
        assert await pass_time(86400, 5) == [unavailable] * 5
        issuer.status = "200 OK"
        assert await pass_time(2, 1) == [200]
        clock.ahead -= 7200  # the clock was wrong
        asked, issuer.body = len(issuer.asked), jwks(KEY, OTHER)
        assert [await get() for _ in range(5)] == [200] * 5
        assert len(issuer.asked) <= asked + 1
        assert await get(bearer(OTHER)) == 200
        issuer.status = UNAVAILABLE
        assert await pass_time(3500, 1) == [200]
        assert await pass_time(7200, 1) == [unavailable]

    play(application("nginx.conf", prefix=tmp_path), talk)
    backend.stop()
    listener.close()


def test_requests_do_not_wait_for_an_issuer_that_hangs(nginx: Nginx) -> None:
    """But for the first ones, shortly."""
    issuer = Issuer("", "200 OK", "Cache-Control: no-cache")
    serve(nginx, "plus", issuer)
    assert status(nginx) == 200
    issuer.go_on.clear()
    survives(nginx, issuer, 1)
    nginx.wait_for_log(rf"\[error\].* takes more than 2 seconds; {KEPT}")
    for _ in range(20):
        assert status(nginx) == 200
    assert len(issuer.asked) == 2
    issuer.body = jwks(OTHER)
    issuer.go_on.set()
    eventually(nginx, 200, bearer(OTHER))


def test_requests_that_wait_together_are_one_failure(nginx: Nginx) -> None:
    """The pause until the next fetch grows with fetches, not with requests."""
    issuer = Issuer("", "200 OK", "Cache-Control: no-cache")
    serve(nginx, "plus", issuer)
    assert status(nginx) == 200
    issuer.go_on.clear()
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda _: survives(nginx, issuer, 1), range(12)))
    issuer.status = UNAVAILABLE
    issuer.go_on.set()
    survives(nginx, issuer, 2)


def test_withdrawn_keys_do_not_come_back(nginx: Nginx) -> None:
    """Not even if the issuer fails afterwards."""
    issuer = Issuer("", "200 OK", "Cache-Control: no-cache")
    serve(nginx, "plus", issuer)
    assert status(nginx) == 200
    issuer.body = '{"keys": []}'
    eventually(nginx, 500)
    issuer.status = UNAVAILABLE
    count = len(issuer.asked)
    while len(issuer.asked) < count + 2:
        assert status(nginx) == 500
        time.sleep(0.02)


def test_levels_have_times_of_their_own(nginx: Nginx) -> None:
    issuer = Issuer("", "200 OK", "Cache-Control: no-cache")
    serve(nginx, "plus", issuer, "location /b { pyngx_jwt_keys_stale 0; } ")
    nginx.write("html/b", "content")
    assert status(nginx) == nginx.request("GET /b", bearer()).status == 200
    issuer.status = UNAVAILABLE
    deadline = time.monotonic() + DEADLINE
    while nginx.request("GET /b", bearer()).status != 500:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert status(nginx) == 200


def test_fetches_become_seldom() -> None:
    """And workers do not make them at the same time."""
    for failures, longest in ((1, 1), (2, 2), (3, 4), (6, 32), (7, RETRY), (1000, RETRY)):
        delays = {retry_delay(failures) for _ in range(50)}
        assert len(delays) > 40
        assert longest / 2 <= min(delays) and max(delays) <= longest


def test_rejected(nginx: Nginx) -> None:
    nginx.rejects("pyngx_jwt_keys_unavailable 200;", 'invalid value "200"')
    nginx.rejects("pyngx_jwt_keys_stale soon;", '"pyngx_jwt_keys_stale" directive invalid value')
