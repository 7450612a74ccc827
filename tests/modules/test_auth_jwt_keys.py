"""auth_jwt: where keys come from, and what happens when they change or cannot be had."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from ..backend import Peer
from ..jwt.keys import jwks, secret, without
from ..nginx import Nginx
from ..wire import DEADLINE
from .tokens import FILES, KEY, OTHER, Issuer, asked_for_three, bearer, tampered, token

pytestmark = pytest.mark.needs("auth-jwt")
KJDEV = "kjdev's module fetches keys for each request and answers 401 if it cannot"
PAGES = {**FILES, "html/a": "content", "html/b": "content"}
JWKS = """
    location = /_jwks { internal; proxy_pass http://127.0.0.1:%%PORT_issuer%%/jwks.json; }
"""
REQUEST = f'root html; auth_jwt "A"; auth_jwt_key_request /_jwks; {JWKS}'


KEYS = "map $host $memcached_key { default keys; }"


def status(nginx: Nginx, line: str, target: str = "/a") -> int:
    return nginx.request(f"GET {target}", line).status


def eventually(nginx: Nginx, line: str, wanted: int, target: str = "/a") -> None:
    deadline = time.monotonic() + DEADLINE
    while (found := status(nginx, line, target)) != wanted:
        assert time.monotonic() < deadline, f"still {found}"
        time.sleep(0.05)


# Files.


def test_file(nginx: Nginx) -> None:
    nginx(
        """
        root html; auth_jwt "A"; auth_jwt_key_file jwks.json;
        location / { }
        location /b { auth_jwt_key_file %%DIR%%/other.json; }
        """,
        files=PAGES,
    )
    assert status(nginx, bearer()) == 200
    assert status(nginx, bearer(OTHER)) == 401
    assert status(nginx, bearer(OTHER), "/b") == 200


def test_several_files(nginx: Nginx) -> None:
    nginx(
        """
        root html; auth_jwt "A"; auth_jwt_key_file jwks.json; auth_jwt_key_file other.json;
        """,
        files=PAGES,
    )
    assert status(nginx, bearer()) == 200
    assert status(nginx, bearer(OTHER)) == 200


@pytest.mark.pyngx_only("kjdev's module adds the files of outer levels")
def test_files_replace_those_of_outer_levels(nginx: Nginx) -> None:
    nginx(
        """
        root html; auth_jwt "A"; auth_jwt_key_file jwks.json;
        location /b { auth_jwt_key_file other.json; }
        """,
        files=PAGES,
    )
    assert status(nginx, bearer(), "/b") == 401
    assert status(nginx, bearer(OTHER), "/b") == 200


def test_file_by_variable(nginx: Nginx) -> None:
    nginx(
        'root html; auth_jwt "A"; auth_jwt_key_file $file;',
        http="map $arg_file $file { default %%DIR%%/$arg_file.json; }",
        files=PAGES,
    )
    assert status(nginx, bearer(), "/a?file=jwks") == 200
    assert status(nginx, bearer(), "/a?file=other") == 401
    assert status(nginx, bearer(OTHER), "/a?file=other") == 200


@pytest.mark.pyngx_only(KJDEV)
def test_file_by_variable_that_cannot_be_read(nginx: Nginx) -> None:
    nginx('root html; auth_jwt "A"; auth_jwt_key_file $arg_file;', files=PAGES)
    assert status(nginx, bearer(), "/a?file=none") == 500
    assert status(nginx, bearer(), "/a") == 500
    nginx.wait_for_log(r"\[error\].*none\" cannot be used: \(2: No such file")


@pytest.mark.pyngx_only("kjdev's module reads files once")
def test_changed_file(nginx: Nginx) -> None:
    """An unknown kid makes us look at once, everything else within a second."""
    nginx('root html; auth_jwt "A"; auth_jwt_key_file jwks.json;', files=PAGES)
    assert status(nginx, bearer()) == 200
    nginx.write("jwks.json", jwks(OTHER))
    assert status(nginx, bearer(OTHER)) == 200
    assert status(nginx, bearer()) == 401
    nginx.write("jwks.json", jwks(without(KEY, "kid")))
    eventually(nginx, bearer(), 200)


@pytest.mark.pyngx_only("kjdev's module reads files once")
def test_bad_file(nginx: Nginx) -> None:
    """A first look at it may have been too early, so it takes a second one."""
    nginx('root html; auth_jwt "A"; auth_jwt_key_file jwks.json;', files=PAGES)
    assert status(nginx, bearer()) == 200
    nginx.write("jwks.json", jwks(KEY)[:-10])
    eventually(nginx, bearer(), 500)
    log = nginx.error_log()
    assert "is not valid JSON" in log and "; its last keys are still used" in log
    nginx.write("jwks.json", jwks(KEY))
    eventually(nginx, bearer(), 200)
    (nginx.prefix / "jwks.json").unlink()
    eventually(nginx, bearer(), 500)
    nginx.write("jwks.json", jwks(KEY))
    eventually(nginx, bearer(), 200)
    (nginx.prefix / "jwks.json").unlink()
    os.mkfifo(nginx.prefix / "jwks.json")  # reading it would never end
    eventually(nginx, bearer(), 500)
    assert 'jwks.json" cannot be used: not a regular file' in nginx.error_log()


@pytest.mark.pyngx_only("kjdev's module does not start without its keys")
def test_missing_file(nginx: Nginx) -> None:
    nginx('root html; auth_jwt "A"; auth_jwt_key_file late.json;', files=PAGES)
    nginx.wait_for_log(r"\[warn\].*late\.json\" cannot be used")
    assert nginx.request("GET /a").status == 401
    assert status(nginx, bearer()) == 500
    nginx.write("late.json", jwks(KEY))
    eventually(nginx, bearer(), 200)


@pytest.mark.pyngx_only("kjdev's module refuses tokens without keys")
def test_no_keys(nginx: Nginx) -> None:
    """What NGINX Plus does by default, if it is asked for: but never without any algorithm."""
    nginx('root html; auth_jwt "A"; pyngx_allow_unsigned on;', files=PAGES)
    assert status(nginx, bearer()) == 200
    assert status(nginx, f"Authorization: Bearer {tampered(token())}") == 200
    assert status(nginx, bearer(exp=1)) == 401
    none = "eyJhbGciOiJub25lIn0.e30."
    assert status(nginx, f"Authorization: Bearer {none}") == 401
    assert nginx.request("GET /a").status == 401


# Subrequests.


def test_request(nginx: Nginx) -> None:
    nginx.backend("issuer", Issuer())
    nginx(REQUEST, files=PAGES)
    assert status(nginx, bearer()) == 200
    assert status(nginx, bearer(OTHER)) == 401
    assert nginx.request("GET /_jwks").status == 404


def test_request_and_file(nginx: Nginx) -> None:
    nginx.backend("issuer", Issuer())
    nginx(f"{REQUEST} auth_jwt_key_file other.json;", files=PAGES)
    assert status(nginx, bearer()) == 200
    assert status(nginx, bearer(OTHER)) == 200


def test_no_request_without_a_token(nginx: Nginx) -> None:
    issuer = Issuer()
    nginx.backend("issuer", issuer)
    nginx(REQUEST, files=PAGES)
    assert nginx.request("GET /a").status == 401
    assert not issuer.asked


@pytest.mark.pyngx_only(KJDEV)
@pytest.mark.parametrize(
    "issuer, reason",
    [
        (Issuer("", "404 Not Found"), "status 404"),
        (Issuer("", "500 Internal Server Error"), "status 500"),
        (Issuer("", "204 No Content"), "status 204"),
        (Issuer("", "302 Found", "Location: /elsewhere"), "status 302"),
        (Issuer("", "200 OK", "Content-Encoding: gzip"), 'content coding "gzip"'),
        (Issuer("junk"), "JWK Set is not valid JSON"),
        (Issuer('{"keys": []}'), "no usable key in the JWK Set"),
        (Issuer(jwks(KEY) + " " * 262144), "more than 262144 bytes"),
    ],
)
def test_unusable_answers(nginx: Nginx, issuer: Issuer, reason: str) -> None:
    nginx.backend("issuer", issuer)
    nginx(f"{REQUEST} auth_jwt_key_file jwks.json;", files=PAGES)
    assert status(nginx, bearer()) == 500
    nginx.wait_for_log(rf'\[error\].* auth_jwt: key request "/_jwks" failed: {reason}')


@pytest.mark.pyngx_only(KJDEV)
def test_issuer_that_is_down_and_comes_back(nginx: Nginx) -> None:
    nginx(REQUEST, files=PAGES)
    assert status(nginx, bearer()) == 500
    nginx.wait_for_log('key request "/_jwks" failed: status 502')
    nginx.backend("issuer", Issuer())
    eventually(nginx, bearer(), 200)


@pytest.mark.pyngx_only(KJDEV)
def test_answer_cut_short(nginx: Nginx) -> None:
    body = jwks(KEY).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body) + 1}\r\n\r\n".encode()
    nginx.backend("issuer", head + body)
    nginx(REQUEST, files=PAGES)
    assert status(nginx, bearer()) == 500


@pytest.mark.pyngx_only(KJDEV)
def test_requests_share_an_answer(nginx: Nginx) -> None:
    issuer = Issuer()
    issuer.go_on.clear()
    nginx.backend("issuer", issuer)
    nginx(REQUEST, files=PAGES)
    line = bearer()
    with ThreadPoolExecutor(20) as pool:
        answers = [pool.submit(status, nginx, line) for _ in range(20)]
        issuer.wait(1)
        time.sleep(0.2)  # for a second one that must not come
        fetched = time.monotonic()
        issuer.go_on.set()
        assert [answer.result() for answer in answers] == [200] * 20
    while len(issuer.asked) == 1:
        assert status(nginx, line) == 200
    assert len(issuer.asked) == 2
    assert 0.9 < time.monotonic() - fetched < DEADLINE  # a second


@pytest.mark.pyngx_only(KJDEV)
def test_one_answer_serves_others_when_its_client_has_gone(nginx: Nginx) -> None:
    issuer = Issuer()
    issuer.go_on.clear()
    nginx.backend("issuer", issuer)
    nginx(REQUEST, files=PAGES)
    with ThreadPoolExecutor(1) as pool, nginx.connect() as first:
        first.wire.send(f"GET /a HTTP/1.1\r\nHost: a\r\n{bearer()}\r\n\r\n".encode())
        issuer.wait(1)
        second = pool.submit(status, nginx, bearer())
        time.sleep(0.1)
        first.wire.close()
        nginx.wait_for_log("client prematurely closed connection")
        issuer.go_on.set()
        assert second.result() == 200
    assert len(issuer.asked) == 1


@pytest.mark.pyngx_only("a directive that kjdev's module does not have")
def test_key_cache(nginx: Nginx) -> None:
    issuer = Issuer()
    nginx.backend("issuer", issuer)
    nginx(f"{REQUEST} auth_jwt_key_cache 2s; pyngx_jwt_keys_stale 0;", files=PAGES)
    assert status(nginx, bearer()) == 200
    issuer.status = "503 Service Unavailable"
    time.sleep(1.2)
    assert status(nginx, bearer()) == 200
    assert len(issuer.asked) == 1
    eventually(nginx, bearer(), 500)
    issuer.status = "200 OK"
    eventually(nginx, bearer(), 200)


@pytest.mark.pyngx_only("what an issuer is sent")
def test_what_the_issuer_is_told(nginx: Nginx) -> None:
    """Neither the token nor what would make the answer another one for this client only."""
    issuer = Issuer()
    nginx.backend("issuer", issuer)
    nginx(REQUEST, files=PAGES)
    answer = nginx.request(
        "POST /a",
        bearer(),
        "Cookie: a=b",
        "Accept-Encoding: gzip",
        "If-None-Match: *",
        "Range: bytes=0-1",
        "User-Agent: test",
        body="x=y",
    )
    assert answer.status == 405
    assert issuer.asked[0].split("\r\n") == [
        "GET /jwks.json HTTP/1.1",
        nginx.filled("Host: 127.0.0.1:%%PORT_issuer%%"),
        "User-Agent: test",
        "",
        "",
    ]


@pytest.mark.pyngx_only(KJDEV)
def test_the_body_is_not_waited_for(nginx: Nginx) -> None:
    nginx.backend("issuer", Issuer())
    nginx(REQUEST, files=PAGES)
    with nginx.connect() as client:
        client.wire.send(
            f"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n{bearer(OTHER)}\r\n\r\n".encode()
        )
        answer = client.wire.answer()
        assert answer is not None and answer.status == 401


def test_local_answer(nginx: Nginx) -> None:
    """A location that is not proxied, asked by a client whose fields do not matter to it."""
    nginx(
        """
        root html; auth_jwt "A"; auth_jwt_key_request /keys.json;
        location = /keys.json { internal; auth_jwt off; }
        """,
        files={**PAGES, "html/keys.json": FILES["jwks.json"]},
    )
    fields = (
        "If-None-Match: *",
        "Range: bytes=0-1",
        "If-Modified-Since: Mon, 28 Sep 2099 06:00:00 GMT",
    )
    assert nginx.request("GET /a", bearer(), *fields).status in (200, 206, 304)
    assert nginx.request("GET /a", bearer()).status == 200


def test_recursion(nginx: Nginx) -> None:
    """A protected key location: access is not checked in subrequests."""
    nginx.backend("issuer", Issuer())
    nginx(REQUEST.replace("internal;", 'auth_jwt "B";'), files=PAGES)
    assert status(nginx, bearer()) == 200
    assert nginx.request("GET /_jwks").status == 401


# Tenants.

TENANTS = """
    root html; auth_jwt "A";
    location = /_jwks { internal; proxy_pass http://$issuer/jwks.json; }
"""
MAP = "map $host $issuer { one 127.0.0.1:%%PORT_one%%; two 127.0.0.1:%%PORT_two%%; }"


@pytest.mark.pyngx_only("kjdev's module puts an answer where other requests take it for theirs")
@pytest.mark.parametrize("uri", ["/_jwks", "/_jwks?$host"])
def test_keys_of_tenants_are_kept_apart(nginx: Nginx, uri: str) -> None:
    nginx.backend("one", Issuer(jwks(KEY)))
    nginx.backend("two", Issuer(jwks(OTHER)))
    nginx(f"{TENANTS} auth_jwt_key_request {uri};", http=MAP, files=PAGES)
    expected = {("one", KEY): 200, ("two", KEY): 401, ("one", OTHER): 401, ("two", OTHER): 200}
    with ThreadPoolExecutor(8) as pool:
        asked = [
            (wanted, pool.submit(nginx.request, "GET /a", f"Host: {host}", bearer(key)))
            for (host, key), wanted in [*expected.items()] * 8
        ]
        for wanted, answer in asked:
            assert answer.result().status == wanted


@pytest.mark.parametrize(
    "location, shared",
    [
        ("", True),
        ("proxy_set_header Host $proxy_host;", True),
        ("proxy_set_header X-Real-IP $remote_addr;", True),
        ("proxy_set_header Host $host;", False),
        ("proxy_set_header Host $http_host;", False),
        ("proxy_method $request_method;", False),
        ("proxy_set_header X-Args $args;", True),
        ("proxy_set_body $request_uri;", False),
        ("set $x 1;", False),
        ("rewrite ^ /elsewhere break;", False),
        ("error_page 404 =200 /other; proxy_intercept_errors on;", True),
        ("add_header X-A $host; charset utf-8; gzip on; expires 1h;", True),
        ("proxy_ssl_name $host;", False),
        ("proxy_ssl_name keys.example.com;", True),
        ("proxy_bind $server_addr;", False),
        ("sub_filter a b;", False),
        ("ssi on;", False),
        ("more_set_input_headers 'X-A: $host';", False),
        ("more_set_input_headers 'X-A: b';", False),  # it could be "-t" of what clients send
        ("mirror /none;", True),
        ("limit_except GET { deny all; }", True),
    ],
)
@pytest.mark.pyngx_only(KJDEV)
def test_what_can_be_shared(nginx: Nginx, location: str, shared: bool) -> None:
    """Only what is the same for whoever asks."""
    issuer = Issuer()
    nginx.backend("issuer", issuer)
    nginx(REQUEST.replace("internal;", f"internal; {location}"), files=PAGES)
    line = bearer()
    asked = asked_for_three(lambda: status(nginx, line), lambda: len(issuer.asked))
    assert asked <= 1 if shared else asked == 3


@pytest.mark.parametrize(
    "method, shared",
    [
        ("", True),
        ("least_conn;", True),
        ("random;", True),
        ("hash $http_x_tenant;", False),
        ("hash $http_x_tenant consistent;", False),
        ("ip_hash;", False),
        ("sticky route $cookie_a;", False),
        ("balancer_by_lua_block { }", False),
    ],
)
@pytest.mark.pyngx_only(KJDEV)
def test_what_a_group_can_share(nginx: Nginx, method: str, shared: bool) -> None:
    """Its servers are taken to be alike, unless it is the request that chooses one of them."""
    if "lua" in method:
        pytest.importorskip("lupa")
        method = method.replace(
            "{ }",
            "{ require('ngx.balancer').set_current_peer('127.0.0.1', %%PORT_issuer%%) }",
        )
    issuer = Issuer()
    nginx.backend("issuer", issuer)
    group = f"upstream keys {{ server 127.0.0.1:%%PORT_issuer%%; {method} }}"
    if not method.startswith("sticky"):
        group = f"upstream keys {{ {method} server 127.0.0.1:%%PORT_issuer%%; }}"
    nginx(REQUEST.replace("127.0.0.1:%%PORT_issuer%%", "keys"), http=group, files=PAGES)
    asked = asked_for_three(lambda: status(nginx, bearer()), lambda: len(issuer.asked))
    assert asked <= 1 if shared else asked == 3


@pytest.mark.pyngx_only(KJDEV)
@pytest.mark.parametrize(
    "server, shared",
    [
        ("set_real_ip_from 127.0.0.1;", True),
        ("if ($args) { set $x 1; }", False),
        ("rewrite ^/_x /_y;", False),
    ],
)
def test_what_a_server_can_share(nginx: Nginx, server: str, shared: bool) -> None:
    issuer = Issuer()
    nginx.backend("issuer", issuer)
    nginx(f"{server} {REQUEST}", files=PAGES)
    asked = asked_for_three(lambda: status(nginx, bearer()), lambda: len(issuer.asked))
    assert asked <= 1 if shared else asked == 3


@pytest.mark.pyngx_only(KJDEV)
@pytest.mark.parametrize(
    ("location", "shared"),
    [
        ("scgi_pass 127.0.0.1:%%PORT_scgi%%;", False),  # the application is told the client's host
        ("scgi_param HTTP_HOST keys; scgi_pass 127.0.0.1:%%PORT_scgi%%;", True),
        (
            "scgi_param HTTP_HOST keys; scgi_param A $request_uri;"
            "scgi_pass 127.0.0.1:%%PORT_scgi%%;",
            False,
        ),
        ("memcached_pass 127.0.0.1:%%PORT_memcached%%;", False),
    ],
)
def test_what_other_protocols_can_share(nginx: Nginx, location: str, shared: bool) -> None:
    keys = jwks(KEY).encode()

    def scgi(peer: Peer) -> None:
        peer.exactly(int(peer.until(b":")[:-1]) + 1)
        peer.send(b"\r\n" + keys)

    def memcached(peer: Peer) -> None:
        peer.until(b"\r\n")
        peer.send(b"VALUE keys 0 %d\r\n%b\r\nEND\r\n" % (len(keys), keys))

    backends = nginx.backend("scgi", scgi), nginx.backend("memcached", memcached)
    server = REQUEST.replace("proxy_pass http://127.0.0.1:%%PORT_issuer%%/jwks.json;", location)
    nginx(server, files=PAGES, http=KEYS)
    asked = asked_for_three(
        lambda: status(nginx, bearer()), lambda: sum(backend.accepted for backend in backends)
    )
    assert asked <= 1 if shared else asked == 3


@pytest.mark.pyngx_only(KJDEV)
def test_nothing_is_shared_that_another_location_answers(nginx: Nginx) -> None:
    """Such as an error page, which can be chosen by the request."""
    nginx.backend("issuer", Issuer("", "404 Not Found"))
    nginx(
        REQUEST.replace(
            "internal;", "internal; proxy_intercept_errors on; error_page 404 = /$host.json;"
        )
        + "location ~ json { auth_jwt off; }",
        files={**PAGES, "html/one.json": jwks(KEY), "html/two.json": jwks(OTHER)},
    )
    for host, key, wanted in (
        ("one", KEY, 200),
        ("two", KEY, 401),
        ("two", OTHER, 200),
        ("one", OTHER, 401),
    ):
        assert nginx.request("GET /a", f"Host: {host}", bearer(key)).status == wanted


# Rotation.


@pytest.mark.pyngx_only(KJDEV)
def test_rotation(nginx: Nginx) -> None:
    issuer = Issuer()
    nginx.backend("issuer", issuer)
    nginx(f"{REQUEST} auth_jwt_key_cache 1h;", files=PAGES)
    assert status(nginx, bearer()) == 200
    issuer.body = jwks(KEY, OTHER)
    assert status(nginx, bearer()) == 200
    assert len(issuer.asked) == 1
    assert status(nginx, bearer(OTHER)) == 200
    assert len(issuer.asked) == 2
    assert status(nginx, bearer()) == 200
    assert status(nginx, bearer(OTHER)) == 200
    assert len(issuer.asked) == 2


@pytest.mark.pyngx_only(KJDEV)
def test_unknown_kids_do_not_flood_the_issuer(nginx: Nginx) -> None:
    issuer = Issuer()
    nginx.backend("issuer", issuer)
    nginx(f"{REQUEST} auth_jwt_key_cache 1h;", files=PAGES)
    for number in range(20):
        header = KEY.sign({"sub": "u"}, {"kid": f"x{number}"})
        assert status(nginx, f"Authorization: Bearer {header}") == 401
    assert status(nginx, bearer()) == 200
    assert len(issuer.asked) == 2
    nginx.wait_for_log('refused: unknown kid: kid "x19" and alg ES256')


@pytest.mark.pyngx_only(KJDEV)
def test_known_keys_go_on_during_a_refresh(nginx: Nginx) -> None:
    issuer = Issuer()
    nginx.backend("issuer", issuer)
    nginx(f"{REQUEST} auth_jwt_key_cache 1h;", files=PAGES)
    assert status(nginx, bearer()) == 200
    issuer.go_on.clear()
    issuer.body = jwks(OTHER)
    with ThreadPoolExecutor(5) as pool:
        new = [pool.submit(status, nginx, bearer(OTHER)) for _ in range(5)]
        issuer.wait(2)
        assert status(nginx, bearer()) == 200
        issuer.go_on.set()
        assert [answer.result() for answer in new] == [200] * 5
    assert len(issuer.asked) == 2
    assert status(nginx, bearer()) == 401


@pytest.mark.pyngx_only(KJDEV)
def test_failed_refresh(nginx: Nginx) -> None:
    issuer = Issuer()
    nginx.backend("issuer", issuer)
    nginx(f"{REQUEST} auth_jwt_key_cache 1h;", files=PAGES)
    assert status(nginx, bearer()) == 200
    issuer.status = "503 Service Unavailable"
    assert status(nginx, bearer(OTHER)) == 401
    assert status(nginx, bearer()) == 200
    nginx.wait_for_log(r"\[warn\].* failed: status 503; the last keys are still used")


@pytest.mark.pyngx_only(KJDEV)
def test_servers_have_keys_of_their_own(nginx: Nginx) -> None:
    """The same URI is another location in another server."""
    nginx.backend("issuer", Issuer())
    nginx.backend("two", Issuer(jwks(secret(b"x" * 32))))
    server = f"""
        listen 127.0.0.1:%%PORT%%; server_name two; root html; auth_jwt "A";
        {JWKS.replace("PORT_issuer", "PORT_two")}
    """
    nginx(
        f'root html; auth_jwt "A"; {JWKS}',
        http="auth_jwt_key_request /_jwks; auth_jwt_key_cache 1h;",
        servers=[server],
        files=PAGES,
    )
    assert status(nginx, bearer()) == 200
    assert nginx.request("GET /a", "Host: two", bearer()).status == 401
    assert status(nginx, bearer()) == 200


@pytest.mark.pyngx_only(KJDEV)
def test_stopping_during_a_fetch(nginx: Nginx) -> None:
    issuer = Issuer()
    issuer.go_on.clear()
    nginx.backend("issuer", issuer)
    nginx(REQUEST, files=PAGES)
    with nginx.connect() as client:
        client.wire.send(f"GET /a HTTP/1.1\r\nHost: a\r\n{bearer()}\r\n\r\n".encode())
        issuer.wait(1)
        nginx.stop()
    issuer.go_on.set()
    assert "Task" not in nginx.error_log() + nginx.read("logs/stderr")
