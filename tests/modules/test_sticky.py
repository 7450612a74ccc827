"""Clients that stay with a server: by a cookie, by a route, by a session that is learned."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Sequence
from hashlib import md5

import pytest

from ..backend import Peer
from ..nginx import Nginx
from ..wire import DEADLINE

NAMES = ("a", "b", "c")
NAMED = [f"listen 127.0.0.1:%%PORT_{n}%%; return 200 {n};" for n in NAMES]
DEAD = "127.0.0.1:%%PORT_dead%%"


def servers(parameters: Sequence[str] = ("", "", "")) -> str:
    pairs = zip(NAMES, parameters, strict=False)
    return "".join(f"server 127.0.0.1:%%PORT_{n}%% {words};" for n, words in pairs)


def grouped(nginx: Nginx, group: str, settings: str = "", http: str = "") -> None:
    nginx(
        f"location / {{ {settings} proxy_pass http://u; }}",
        http=f"{http} upstream u {{ {group} }}",
        servers=NAMED,
    )


def id_of(nginx: Nginx, name: str) -> str:
    return md5(f"127.0.0.1:{nginx.port(name)}".encode()).hexdigest()


def asked(nginx: Nginx, count: int, *fields: str, target: str = "/") -> str:
    """The servers that answered, in order."""
    return "".join(nginx.request(f"GET {target}", *fields).text for _ in range(count))


METHODS = ["", "least_conn;", "hash $remote_port;", "hash $remote_port consistent;", "ip_hash;"]
METHODS += ["random;", "random two;"]


@pytest.mark.parametrize("zone", ["", "zone u 64k;"])
@pytest.mark.parametrize("method", METHODS)
def test_cookie(nginx: Nginx, method: str, zone: str) -> None:
    """The cookie names the server, whatever the method, and is set with each response."""
    grouped(nginx, f"{zone} {method} {servers()} sticky cookie srv;")
    for name in NAMES:
        cookie = f"srv={id_of(nginx, name)}"
        for _ in range(3):
            answer = nginx.request("GET /", f"Cookie: x=1; {cookie}")
            assert answer.text == name
            assert answer.all("Set-Cookie") == [cookie]


def test_cookie_of_a_client_that_has_none(nginx: Nginx) -> None:
    grouped(nginx, servers() + "sticky cookie srv;")
    for field in ("Cookie: other=x", "Cookie: srv=", "Cookie: srv=nonsense"):
        answer = nginx.request("GET /", field)
        assert answer.all("Set-Cookie") == [f"srv={id_of(nginx, answer.text)}"]


def test_attributes(nginx: Nginx) -> None:
    grouped(
        nginx,
        servers(("route=one", "", ""))
        + "sticky cookie srv domain=.$arg_d path=/x secure httponly samesite=LAX;",
    )
    answer = nginx.request("GET /?d=example.org", "Cookie: srv=one")
    assert answer.all("Set-Cookie") == [
        "srv=one; domain=.example.org; httponly; secure; samesite=LAX; path=/x"
    ]


@pytest.mark.parametrize(
    "value, sent",
    [("None", "; samesite=None"), ("other", "; samesite=strict"), ("", "")],
)
def test_samesite_of_a_variable(nginx: Nginx, value: str, sent: str) -> None:
    grouped(nginx, "server 127.0.0.1:%%PORT_a%% route=one; sticky cookie srv samesite=$arg_s;")
    answer = nginx.request(f"GET /?s={value}")
    assert answer.all("Set-Cookie") == [f"srv=one{sent}"]


def test_expires(nginx: Nginx) -> None:
    one = "server 127.0.0.1:%%PORT_a%% route=one;"
    nginx(
        """
        location /max { proxy_pass http://max; }
        location /hour { proxy_pass http://hour; }
        """,
        http=f"""
        upstream max {{ {one} sticky cookie s expires=max; }}
        upstream hour {{ {one} sticky cookie s expires=1h; }}
        """,
        servers=NAMED,
    )
    assert nginx.request("GET /max").all("Set-Cookie") == [
        "s=one; expires=Thu, 31-Dec-37 23:55:55 GMT; max-age=315360000"
    ]
    (cookie,) = nginx.request("GET /hour").all("Set-Cookie")
    day = "[A-Z][a-z]{2}, [0-9]{2}-[A-Z][a-z]{2}-[0-9]{2} [0-9:]{8} GMT"
    assert re.fullmatch(f"s=one; expires={day}; max-age=3600", cookie)


def test_cookie_of_the_server_that_answers(nginx: Nginx) -> None:
    """Another server takes over, and the client is tied to that one, with one cookie."""
    grouped(
        nginx,
        f"server {DEAD} route=dead; server 127.0.0.1:%%PORT_a%% route=a; sticky cookie srv;",
    )
    for _ in range(2):
        answer = nginx.request("GET /", "Cookie: srv=dead")
        assert (answer.text, answer.all("Set-Cookie")) == ("a", ["srv=a"])


def test_cookie_with_an_error(nginx: Nginx) -> None:
    grouped(nginx, f"server {DEAD} route=dead; sticky cookie srv;")
    answer = nginx.request("GET /")
    assert (answer.status, answer.all("Set-Cookie")) == (502, ["srv=dead"])


def test_cookie_beside_those_of_the_server(nginx: Nginx) -> None:
    nginx.backend("own", b"HTTP/1.1 200 OK\r\nSet-Cookie: own=1\r\nContent-Length: 0\r\n\r\n")
    nginx(
        "location / { proxy_pass http://u; }",
        http="upstream u { server 127.0.0.1:%%PORT_own%% route=r; sticky cookie srv; }",
    )
    assert nginx.request("GET /").all("Set-Cookie") == ["srv=r", "own=1"]


def test_route(nginx: Nginx) -> None:
    grouped(
        nginx,
        servers(("route=A", "route=B", "")) + "sticky route $cookie_route $arg_route;",
    )
    assert asked(nginx, 3, target="/?route=B") == "bbb"
    assert asked(nginx, 3, "Cookie: route=A", target="/?route=B") == "aaa"
    assert asked(nginx, 2, target=f"/?route={id_of(nginx, 'c')}") == "cc"
    assert set(asked(nginx, 9, target="/?route=unknown")) == {"a", "b", "c"}
    assert nginx.request("GET /?route=A").all("Set-Cookie") == []


def test_route_is_told_by_case(nginx: Nginx) -> None:
    grouped(nginx, servers(("route=A", "route=a", "")) + "sticky route $arg_route;")
    assert asked(nginx, 2, target="/?route=A") + asked(nginx, 2, target="/?route=a") == "aabb"


def test_turns_out_of_order_are_paid_for(nginx: Nginx) -> None:
    """What a server gets from tied clients counts in the rounds of the others, once in a row."""
    grouped(nginx, servers() + "sticky route $arg_route;")
    tied = f"/?route={id_of(nginx, 'a')}"
    assert asked(nginx, 2, target=tied) + asked(nginx, 5) == "aa" + "bcabc"


@pytest.mark.parametrize("zone", ["", "zone u 64k;"])
def test_drain(nginx: Nginx, zone: str) -> None:
    """Only the clients that are tied to the server get there."""
    grouped(nginx, zone + servers(("route=A drain", "", "")) + "sticky route $arg_route;")
    assert asked(nginx, 4) == "bcbc"
    assert asked(nginx, 2, target="/?route=A") == "aa"


def test_drain_of_the_only_server(nginx: Nginx) -> None:
    grouped(nginx, "server 127.0.0.1:%%PORT_a%% route=A drain; sticky route $arg_route;")
    assert nginx.request("GET /").status == 502
    assert asked(nginx, 2, target="/?route=A") == "aa"


def test_down_is_down_for_tied_clients(nginx: Nginx) -> None:
    grouped(nginx, servers(("route=A down", "", "")) + "sticky route $arg_route;")
    assert asked(nginx, 4, target="/?route=A") == "bcbc"


def test_full_server(nginx: Nginx) -> None:
    """Its clients go elsewhere as long as it is full."""

    def slow(peer: Peer) -> None:
        peer.request()
        peer.closed()

    nginx.backend("slow", slow)
    nginx(
        "location / { proxy_pass http://u; }",
        http="""
        upstream u {
            server 127.0.0.1:%%PORT_slow%% route=slow max_conns=1;
            server 127.0.0.1:%%PORT_a%%;
            sticky route $arg_route;
        }
        """,
        servers=NAMED,
    )
    with nginx.connect() as client:
        client.wire.send(b"GET /?route=slow HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.wire.silent(0.1)
        assert asked(nginx, 2, target="/?route=slow") == "aa"


def test_backup_server(nginx: Nginx) -> None:
    """It is found by its route once no other server can be used."""
    grouped(
        nginx,
        f"server {DEAD} route=dead; server 127.0.0.1:%%PORT_a%% backup route=A;"
        "server 127.0.0.1:%%PORT_b%% backup route=B; sticky route $arg_route;",
    )
    assert asked(nginx, 3, target="/?route=B") == "bbb"


# -- sessions that are learned -------------------------------------------------------------------

LEARN = "sticky learn create=$upstream_cookie_s create=$upstream_http_x_s lookup=$cookie_s"


BEGINNING = [
    f"listen 127.0.0.1:%%PORT_{n}%%;"
    f"location / {{ if ($arg_new) {{ add_header Set-Cookie s=$arg_new; }} return 200 {n}; }}"
    for n in NAMES
]


def learning(nginx: Nginx, words: str = "", group: str = "") -> None:
    """Servers that begin a session of the name that "new" asks for."""
    nginx(
        "location / { proxy_pass http://u; }",
        http=f"upstream u {{ {group} {servers()} {LEARN} zone=sessions:64k {words}; }}",
        servers=BEGINNING,
    )


@pytest.mark.parametrize("words", ["", "header"])
@pytest.mark.parametrize("group", ["", "zone u 64k; least_conn;"])
def test_learn(nginx: Nginx, group: str, words: str) -> None:
    learning(nginx, words, group)
    nginx.request("GET /")
    first = nginx.request("GET /?new=one").text
    second = nginx.request("GET /?new=two").text
    assert first != second
    for _ in range(2):
        assert asked(nginx, 2, "Cookie: s=one") == first * 2
        assert asked(nginx, 2, "Cookie: s=two") == second * 2


def test_learn_by_the_first_variable(nginx: Nginx) -> None:
    nginx(
        "location / { proxy_pass http://u; }",
        http=f"upstream u {{ {servers()} {LEARN} zone=sessions:64k; }}",
        servers=[
            f"listen 127.0.0.1:%%PORT_{n}%%; add_header X-S header-$arg_n; return 200 {n};"
            for n in NAMES
        ],
    )
    name = nginx.request("GET /?n=1").text
    assert asked(nginx, 3, "Cookie: s=header-1") == name * 3


def test_learned_session_moves(nginx: Nginx) -> None:
    """With a session that another server has begun the client goes to that one."""
    learning(nginx, group="")
    first = nginx.request("GET /?new=one").text
    second = nginx.request("GET /?new=one").text
    assert first != second
    assert asked(nginx, 3, "Cookie: s=one") == second * 3


def test_learned_session_expires(nginx: Nginx) -> None:
    """It is only as old as its last use."""
    learning(nginx, "timeout=700ms")
    name = nginx.request("GET /?new=one").text
    deadline = time.monotonic() + DEADLINE
    while asked(nginx, 1, "Cookie: s=one") == name and time.monotonic() < deadline:
        time.sleep(0.8)
    assert time.monotonic() < deadline


def test_learned_sessions_survive_a_reload(nginx: Nginx) -> None:
    group = f"upstream u {{ {servers()} {LEARN} zone=sessions:64k; }}"
    others = "".join(f"server {{ {text} }}" for text in BEGINNING)
    here = "location / { proxy_pass http://u; }"
    nginx(here, http=group + others)
    nginx.request("GET /")
    name = nginx.request("GET /?new=one").text
    nginx.reload(here, http=group + others)
    assert asked(nginx, 4, "Cookie: s=one") == name * 4


def test_learn_after_the_head(nginx: Nginx) -> None:
    """With "header" the session counts before the response ends."""

    def begins(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nSet-Cookie: s=one\r\nContent-Length: 4\r\n\r\nab")
        peer.closed()

    nginx.backend("begins", begins)
    nginx(
        "location / { proxy_buffering off; proxy_pass http://u; }",
        http=f"""
        upstream u {{
            server 127.0.0.1:%%PORT_begins%%; server 127.0.0.1:%%PORT_a%%;
            {LEARN} zone=sessions:64k header;
        }}
        """,
        servers=NAMED,
    )
    with nginx.connect() as client, nginx.connect() as other:
        client.wire.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        client.wire.until(b"\r\n\r\n")
        other.wire.send(b"GET / HTTP/1.1\r\nHost: x\r\nCookie: s=one\r\n\r\n")
        assert b"s=one" in other.wire.until(b"\r\n\r\n")


# -- configurations ------------------------------------------------------------------------------

ZONE = "zone=s:64k"


@pytest.mark.parametrize(
    "words, error",
    [
        ("cookie", 'invalid number of arguments in "sticky" directive'),
        ("cake x", 'unknown parameter "cake"'),
        ('cookie ""', '"sticky" directive empty cookie name'),
        ("cookie x y", 'unknown parameter "y"'),
        ("cookie x domain=", '"sticky" directive no value for "domain"'),
        ("cookie x domain=a domain=b", '"sticky" directive parameter "domain" is duplicate'),
        ("cookie x domain=$nope", 'unknown "nope" variable'),
        ("cookie x path=", '"sticky" directive no value for "path"'),
        ("cookie x path=/ path=/", '"sticky" directive parameter "path" is duplicate'),
        ("cookie x expires=soon", '"sticky" directive invalid "expires" parameter value'),
        ("cookie x expires=1 expires=2", '"sticky" directive parameter "expires" is duplicate'),
        ("cookie x secure secure", '"sticky" directive parameter "secure" is duplicate'),
        ("cookie x httponly httponly", '"sticky" directive parameter "httponly" is duplicate'),
        ("cookie x samesite=any", '"sticky" directive invalid "samesite" parameter value'),
        ("cookie x samesite=", '"sticky" directive invalid "samesite" parameter value'),
        ("cookie x samesite=lax samesite=lax",
         '"sticky" directive parameter "samesite" is duplicate'),
        ("route x", 'invalid variable name "x"'),
        ("route $nope", 'unknown "nope" variable'),
        ("learn create=$a", '"sticky" directive "lookup" parameter is not specified'),
        (f"learn {ZONE}", '"sticky" directive "lookup" parameter is not specified'),
        ("learn lookup=$uri zone=s:64k", '"sticky" directive "create" parameter is not specified'),
        ("learn lookup=$uri create=$uri", '"sticky" directive "zone" parameter is not specified'),
        ("learn lookup=uri create=$uri",
         '"sticky" directive missing variable in the "lookup" parameter'),
        ("learn create=uri lookup=$uri",
         '"sticky" directive missing variable in the "create" parameter'),
        ("learn zone=s create=$uri", '"sticky" directive zone size is not specified'),
        ("learn zone=:64k create=$uri", '"sticky" directive zone name is not specified'),
        ("learn zone=s:much create=$uri", '"sticky" directive invalid zone size'),
        ("learn zone=s:31k create=$uri", '"sticky" directive zone is too small'),
        (f"learn {ZONE} {ZONE}", '"sticky" directive duplicate zone'),
        ("learn timeout=0 create=$uri", '"sticky" directive invalid timeout'),
        ("learn timeout=1 timeout=1", '"sticky" directive duplicate timeout'),
        ("learn sticky create=$uri", 'unknown parameter "sticky"'),
    ],
)  # fmt: skip
def test_rejected(nginx: Nginx, words: str, error: str) -> None:
    nginx.rejects(http=f"upstream u {{ server 127.0.0.1:1; sticky {words}; }}", message=error)


@pytest.mark.pyngx_only("nginx does not know the parameter, which is one of NGINX Plus")
def test_sync_needs_a_store(nginx: Nginx) -> None:
    nginx.rejects(
        http=f"upstream u {{ server 127.0.0.1:1; {LEARN} {ZONE} sync; }}",
        message='the parameter "sync" of the zone "s" needs a Redis or Valkey server: add '
        '"pyngx_zone_store redis://HOST;" to the "http" block',
        line=1,
    )


def test_rejected_together(nginx: Nginx) -> None:
    one = "server 127.0.0.1:1;"
    nginx.rejects(
        http=f"upstream u {{ {one} sticky cookie a; sticky cookie b; }}",
        message='"sticky" directive is duplicate',
    )
    learn = f"{LEARN} {ZONE};"
    nginx.rejects(
        http=f"upstream u {{ {one} {learn} }} upstream v {{ {one} {learn} }}",
        message='sticky zone "s" is already used in upstream "u"',
    )
    for parameter, error in (
        ("route=", "route is empty"),
        (f"route={'r' * 33}", "route is longer than 32"),
        ("drain=1", 'invalid parameter "drain=1"'),
        ("route", 'invalid parameter "route"'),
    ):
        nginx.rejects(http=f"upstream u {{ server 127.0.0.1:1 {parameter}; }}", message=error)


def test_zone_cannot_change_its_group(nginx: Nginx) -> None:
    nginx.trouble_is_expected = True
    nginx("return 204;", http=f"upstream u {{ server 127.0.0.1:1; {LEARN} {ZONE}; }}")
    nginx.write("nginx.conf", nginx.read("nginx.conf").replace("upstream u ", "upstream v "))
    nginx.send_signal(signal.SIGHUP)
    nginx.wait_for_log(
        'sticky zone "s" is used in upstream "v" while previously it was used in upstream "u"'
    )


def test_method_after_sticky_displaces_it(nginx: Nginx) -> None:
    """nginx warns, and clients are not tied any more."""
    group = f"{servers(('route=A', '', ''))} sticky route $arg_route; least_conn;"
    assert "load balancing method redefined" in nginx.accepts(http=f"upstream u {{ {group} }}")
    grouped(nginx, group)
    assert set(asked(nginx, 6, target="/?route=A")) == {"a", "b", "c"}
