"""auth_jwt_extract_...: claims in variables and fields, as in TeslaGov's module."""

from __future__ import annotations

import pytest

from pyngx_jwt.jwt import Json

from ..backend import Backend
from ..nginx import Nginx
from .plain_keys import HEX, auth, good, status
from .tokens import tampered

pytestmark = pytest.mark.pyngx_only("no test nginx has TeslaGov's module")
KEY = f"auth_jwt_key {HEX};"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
UP = "proxy_pass http://127.0.0.1:%%PORT_b%%;"
CLAIMS: dict[str, Json] = {
    "fooBar": "Mixed",
    "empty": "",
    "n": 5,
    "t": True,
    "list": ["a"],
    "object": {"a": "b"},
    "name": "J\u00fcrgen",
}
NAMES = "sub fooBar empty n t list object name absent"


def exported(backend: Backend, number: int = 0) -> list[str]:
    """The lines with "jwt" in their names that the upstream got."""
    head = backend.connections(number + 1)[number]
    return [line for line in head.split("\r\n")[1:] if "jwt" in line.partition(":")[0].lower()]


def proxied(nginx: Nginx, server: str) -> Backend:
    backend = nginx.backend("b", OK)
    nginx(server)
    return backend


# Variables.


def test_variables(nginx: Nginx) -> None:
    shown = " ".join(f"[$jwt_claim_{name}]" for name in NAMES.split())
    nginx(f"{KEY} auth_jwt_extract_var_claims {NAMES}; return 200 '{shown}';")
    nginx.exchange(f"""
        > GET /
        > {auth(good(**CLAIMS))}
        < 200
        <
        < [u1] [Mixed] [] [] [] [] [] [J\u00c3\u00bcrgen] []

        > GET /
        > {auth(tampered(good()))}
        < 200
        <
        < [] [] [] [] [] [] [] [] []

        > GET /
        < 200
        <
        < [] [] [] [] [] [] [] [] []
        """)


def test_variables_in_every_phase(nginx: Nginx) -> None:
    """Only a good token has values, wherever they are read."""
    nginx(
        f"""
        {KEY} auth_jwt_extract_var_claims sub; auth_jwt_extract_var_claims role;
        add_header X-Sub "[$jwt_claim_sub]" always;
        set $early "$jwt_claim_sub";
        if ($jwt_claim_role = admin) {{ return 204; }}
        location / {{ return 200 "$early $level"; }}
        location /off {{ auth_jwt_enabled off; return 200 "[$jwt_claim_sub]"; }}
        location /dynamic {{ auth_jwt_enabled $arg_e; return 200 "[$jwt_claim_sub]"; }}
        location /keyless {{ auth_jwt_key ""; return 200 "[$jwt_claim_sub]"; }}
        """,
        http="map $jwt_claim_role $level { user low; default none; }",
    )
    user, expired = auth(good(role="user")), auth(good(role="admin", exp=5))
    for uri, line, body in (
        ("/", user, "u1 low"),
        ("/", expired, " none"),
        ("/off", user, "[]"),
        ("/dynamic", user, "[u1]"),
        ("/dynamic?e=off", user, "[]"),
        ("/keyless", user, "[u1]"),
    ):
        assert nginx.request(f"GET {uri}", line).text == body, uri
    assert status(nginx, "/", auth(good(role="admin"))) == 204
    assert nginx.request("GET /", user).get("X-Sub") == "[u1]"


def test_fields_of_clients_are_dropped_in_all_of_many_servers(nginx: Nginx) -> None:
    """Also where "rewrite" and its like read them, which the servers before do not."""
    rewriting = """
        if ($http_jwt_sub = root) { return 200 spoofed; }
        location / { return 204; }"""
    plain = "location / { return 204; }"
    servers = "".join(
        f"server {{ listen 127.0.0.1:%%PORT%%; server_name s{number}; {body} }}"
        for number, body in enumerate([plain, plain, rewriting, rewriting])
    )
    nginx(http=f"{KEY} auth_jwt_enabled off; auth_jwt_extract_request_claims sub; {servers}")
    for number in range(4):
        answer = nginx.request("GET /", f"Host: s{number}", "JWT-sub: root")
        assert (answer.status, answer.text) == (204, "")


def test_lists_of_inner_levels_replace_those_of_outer_ones(nginx: Nginx) -> None:
    nginx(
        f"""
        {KEY} auth_jwt_extract_response_claims sub; auth_jwt_extract_response_claims role org;
        location /outer {{ try_files _ =204; }}
        location /inner {{ auth_jwt_extract_response_claims org; try_files _ =204; }}
        """
    )
    line = auth(good(role="r", org="o"))
    nginx.exchange(f"""
        > GET /outer
        > {line}
        < 204
        < JWT-sub: u1
        < JWT-role: r
        < JWT-org: o

        > GET /inner
        > {line}
        < 204
        < !JWT-sub
        < !JWT-role
        < JWT-org: o
        """)


# Fields.


def test_fields_for_clients(nginx: Nginx) -> None:
    nginx(
        f"""
        {KEY} auth_jwt_extract_response_claims {NAMES}; auth_jwt_extract_response_claims fooBar;
        add_header X "[$sent_http_jwt_sub] [$sent_http_jwt_foobar] [$sent_http_jwt_n]";
        location / {{ try_files _ =204; }}
        """
    )
    nginx.exchange(f"""
        > GET /
        > {auth(good(**CLAIMS))}
        < 204
        < JWT-sub: u1
        < JWT-fooBar: Mixed
        < JWT-name: J\u00c3\u00bcrgen
        < X: [u1] [Mixed] []
        < !JWT-empty
        < !JWT-n
        < !JWT-t
        < !JWT-list
        < !JWT-object
        < !JWT-absent

        > GET /
        > {auth(good(exp=5, **CLAIMS))}
        < 401
        < !JWT-sub
        """)


@pytest.mark.parametrize("name", ["https://example.com/roles", "a b", "gr\xf6\xdfe", ""])
def test_names_that_no_field_can_have(nginx: Nginx, name: str) -> None:
    """TeslaGov's module sends what others read as a shorter name, and the rest as its value."""
    backend = proxied(
        nginx,
        f"""
        {KEY} auth_jwt_extract_request_claims '{name}' sub;
        auth_jwt_extract_response_claims '{name}' sub; location / {{ {UP} }}
        """,
    )
    answer = nginx.request("GET /", auth(good(**{name: "x"})))
    assert [name for name, _ in answer.fields if name.startswith("JWT")] == ["JWT-sub"]
    assert exported(backend) == ["JWT-sub: u1"]
    assert f'"JWT-{name}" is not a valid header name, it is not sent' in nginx.read("logs/stderr")


def test_fields_for_upstreams(nginx: Nginx) -> None:
    backend = proxied(
        nginx, f"{KEY} location / {{ auth_jwt_extract_request_claims {NAMES}; {UP} }}"
    )
    assert status(nginx, "/", auth(good(**CLAIMS))) == 200
    assert exported(backend) == ["JWT-sub: u1", "JWT-fooBar: Mixed", "JWT-name: J\u00c3\u00bcrgen"]


def test_fields_as_variables(nginx: Nginx) -> None:
    nginx(
        f"""
        {KEY} auth_jwt_extract_request_claims sub fooBar user_id;
        auth_jwt_extract_response_claims user_id;
        location / {{
            add_header X "[$http_jwt_sub] [$http_jwt_foobar] [$http_jwt_user_id]" always;
            add_header Y "[$sent_http_jwt_user_id]" always;
            try_files _ =204;
        }}
        """
    )
    line = auth(good(fooBar="Mixed", user_id="7"))
    answer = nginx.request("GET /", line)
    assert (answer.get("X"), answer.get("Y")) == ("[u1] [Mixed] [7]", "[7]")
    assert nginx.request("GET /").get("X") == "[] [] []"


@pytest.mark.parametrize("text", ["a\r\nX-Evil: 1", "a\nb", "a\tb", "a\x7f", "\x1b[2J", "\x01"])
def test_control_characters(nginx: Nginx, text: str) -> None:
    """A claim cannot add a line to a request, a response or a log."""
    backend = proxied(
        nginx,
        f"""
        {KEY} auth_jwt_extract_request_claims evil sub; auth_jwt_extract_response_claims evil sub;
        auth_jwt_extract_var_claims evil;
        location / {{ add_header X "[$jwt_claim_evil]"; {UP} }}
        """,
    )
    answer = nginx.request("GET /", auth(good(evil=text)))
    assert [answer.get(name) for name in ("JWT-evil", "X-Evil", "JWT-sub", "X")] == [
        None,
        None,
        "u1",
        "[]",
    ]
    assert exported(backend) == ["JWT-sub: u1"]


# Nobody but the token speaks in these fields.

SPOOFED = ["JWT-sub: admin", "jwt-SUB: admin", "JWT_sub: admin", "JWT-role: admin", "jwt_role: x"]


@pytest.mark.parametrize("underscores", ["on", "off"])
@pytest.mark.parametrize(
    "location, token, left",
    [
        ("", {"role": "user"}, ["JWT-sub: u1", "JWT-role: user"]),
        ("", {"role": 5}, ["JWT-sub: u1"]),
        ("", {"sub": None}, []),
        ("auth_jwt_enabled off;", {}, []),
        ("auth_jwt_enabled $http_x;", {}, []),
        ("satisfy any; allow all;", None, []),
    ],
)
def test_fields_of_the_client(
    nginx: Nginx, underscores: str, location: str, token: dict[str, Json] | None, left: list[str]
) -> None:
    """TeslaGov's module leaves them in place, before its own."""
    backend = proxied(
        nginx,
        f"""
        {KEY} auth_jwt_extract_request_claims sub role; underscores_in_headers {underscores};
        location / {{ {location} {UP} }}
        """,
    )
    lines = [*SPOOFED, "JWT-other: kept", "X: off"]
    if token is not None:
        lines.append(auth(good(**token)))
    assert status(nginx, "/", *lines) == 200
    assert exported(backend) == ["JWT-other: kept", *left]


@pytest.mark.parametrize("place", ["", "http", "location"])
def test_fields_of_the_client_that_an_outer_list_has(nginx: Nginx, place: str) -> None:
    """An inner list replaces it for what is passed, not for what is taken from clients."""
    inner = f"location /in {{ auth_jwt_extract_request_claims role; {UP} }}"
    outer = "auth_jwt_extract_request_claims sub;"
    server = f"location / {{ {outer} {inner} {UP} }}"
    if place != "location":
        server = f"{outer if not place else ''} {inner} location / {{ {UP} }}"
    backend = nginx.backend("b", OK)
    nginx(f"{KEY} {server}", http=outer if place == "http" else "")
    for number, (uri, left) in enumerate({"/in": [], "/": ["JWT-role: admin"]}.items()):
        claims = {"sub": None, "role": None}
        assert status(nginx, uri, *SPOOFED[:4], auth(good(**claims))) == 200
        assert exported(backend, number) == left


def test_fields_of_the_client_before_the_access_phase(nginx: Nginx) -> None:
    nginx(
        f"""
        auth_jwt_extract_request_claims sub; {KEY}
        if ($http_jwt_sub = admin) {{ return 418; }}
        location / {{ return 200 "[$http_jwt_sub]"; }}
        """
    )
    assert nginx.request("GET /", "JWT-sub: admin").text == "[]"
    assert nginx.request("GET /", "JWT-sub: admin", auth(good())).text == "[]"


def test_fields_of_the_client_in_a_subrequest(nginx: Nginx) -> None:
    """Where no access phase runs nobody would take them away later."""
    backend = proxied(
        nginx,
        f"""
        location / {{ auth_request /check; try_files _ =204; }}
        location /check {{ {KEY} auth_jwt_extract_request_claims sub; {UP} }}
        """,
    )
    assert status(nginx, "/", "JWT-sub: admin") == 204
    assert exported(backend) == []


def test_fields_outlast_an_internal_redirect(nginx: Nginx) -> None:
    backend = proxied(
        nginx,
        f"""
        {KEY} auth_jwt_extract_request_claims sub; auth_jwt_extract_response_claims sub;
        location / {{ try_files _ @up; }}
        location /twice {{ try_files _ /again; }}
        location /again {{ {UP} }}
        location @up {{ auth_jwt_enabled off; {UP} }}
        """,
    )
    for number, uri in enumerate(("/", "/twice")):
        answer = nginx.request(f"GET {uri}", "JWT-sub: admin", auth(good()))
        assert (answer.status, answer.all("JWT-sub")) == (200, ["u1"])
        assert exported(backend, number) == ["JWT-sub: u1"]


def test_fields_of_the_next_request(nginx: Nginx) -> None:
    """What one request of a connection was told does not reach the other."""
    backend = proxied(nginx, f"{KEY} location / {{ auth_jwt_extract_request_claims sub; {UP} }}")
    with nginx.connect() as one:
        for number, sub in enumerate(("u1", "u2")):
            answer = one.request("GET /", auth(good(sub=sub)))
            assert answer and answer.status == 200
            assert exported(backend, number) == [f"JWT-sub: {sub}"]
