"""$jwt_...: what a configuration sees of a token."""

from __future__ import annotations

import pytest

from pyngx_jwt.jwt import Json

from ..backend import Backend
from ..nginx import Nginx
from .tokens import FILES, KEY, KEYS, OTHER, Issuer, bearer, tampered, token

pytestmark = pytest.mark.needs("auth-jwt")
PAGES = {**FILES, "html/a": "content"}
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
CLAIMS: dict[str, Json] = {
    "sub": "u1",
    "n": 5,
    "t": True,
    "f": False,
    "scope": "read write",
    "aud": ["a", "b"],
    "mixed": ["a", 1, [True, "z"]],
    "realm": {"roles": ["r1", "r2"]},
    "name": "J\u00fcrgen \u4e2d",
    "empty": "",
    "null": None,
}


def passed(backend: Backend, number: int = 0) -> dict[str, str]:
    """The fields that the upstream got with a request, by lower-case name."""
    lines = backend.connections(number + 1)[number].split("\r\n")[1:]
    fields = [line.partition(": ") for line in lines if line]
    names = [name.lower() for name, _, _ in fields]
    assert len(names) == len(set(names)), lines
    return {name.lower(): value for name, _, value in fields}


def proxied(*fields: str) -> str:
    lines = "\n".join(f"proxy_set_header {field};" for field in fields)
    return f"""
        {KEYS} auth_jwt "A";
        location / {{ {lines} proxy_pass http://127.0.0.1:%%PORT_b%%; }}
    """


def test_claims_go_upstream(nginx: Nginx) -> None:
    backend = nginx.backend("b", OK)
    names = [name for name in CLAIMS if name not in ("realm", "null")]
    nginx(proxied(*(f"X-JWT-{name} $jwt_claim_{name}" for name in names)), files=FILES)
    line = f"Authorization: Bearer {KEY.sign({**CLAIMS, 'exp': 4102444800})}"
    assert nginx.request("GET /", line).status == 200
    fields = passed(backend)
    assert {name: fields.get(f"x-jwt-{name}") for name in names} == {
        "sub": "u1",
        "n": "5",
        "t": "true",
        "f": "false",
        "scope": "read write",
        "aud": "a,b",
        "mixed": "a,1,true,z",
        "name": "J\u00fcrgen \u4e2d".encode().decode("latin-1"),
        "empty": None,
    }


def test_fields_of_the_client_never_pass(nginx: Nginx) -> None:
    """A claim takes the place of the field, and so does the absence of one."""
    backend = nginx.backend("b", OK)
    nginx(proxied("X-JWT-Sub $jwt_claim_sub", "X-JWT-Role $jwt_claim_role"), files=FILES)
    forged = ("X-JWT-Sub: root", "x-jwt-sub: root", "X-JWT-ROLE: admin", "X_JWT_Role: admin")
    assert nginx.request("GET /", bearer(), *forged).status == 200
    fields = passed(backend)
    assert fields["x-jwt-sub"] == "u1"
    assert not any("role" in name for name in fields)


@pytest.mark.parametrize("text", ["a\r\nX-Evil: 1", "a\nb", "a\tb", "a\x7f", "\x1b[2J", "\x01"])
@pytest.mark.pyngx_only("nginx copies control characters of claims into fields")
def test_control_characters(nginx: Nginx, text: str) -> None:
    """Such a claim is as good as none, in fields either way and in the log."""
    backend = nginx.backend("b", OK)
    nginx(
        proxied("X-Sub $jwt_claim_sub", "X-List $jwt_claim_list", "X-Deep $deep")
        + "add_header X-Out $jwt_claim_sub; access_log logs/claims.log claims;",
        http="auth_jwt_claim_set $deep d e; log_format claims '[$jwt_claim_sub]';",
        files=FILES,
    )
    line = bearer(sub=text, list=["x", text], d={"e": text})
    nginx.exchange(f"""
        > GET /
        > {line}
        < 200
        < !X-Out
        < !X-Evil
        """)
    assert not {"x-sub", "x-list", "x-deep", "x-evil"} & set(passed(backend))
    assert nginx.access_log(1, "claims.log") == ["[-]"]


@pytest.mark.pyngx_only("keyval is of NGINX Plus")
def test_a_list_of_revoked_tokens(nginx: Nginx) -> None:
    """As docs/sharing.md has it: what the list cannot name is not let through either."""
    nginx(
        f"{KEYS} auth_jwt A; auth_jwt_require $jwt_claim_jti $not_revoked; root html;",
        http="""
        keyval_zone zone=revoked:64k state=revoked.json;
        keyval $jwt_claim_jti $revoked zone=revoked;
        map $revoked $not_revoked { "" 1; default 0; }
        """,
        files={**PAGES, "revoked.json": '{"a": "1"}'},
    )
    for claims, status in [
        ({"jti": "b"}, 200),
        ({"jti": "a"}, 401),
        ({"jti": "a\t"}, 401),
        ({}, 401),
    ]:
        nginx.exchange(f"> GET /a\n> {bearer(**claims)}\n< {status}")


def test_objects_and_paths(nginx: Nginx) -> None:
    nginx(
        f"""
        {KEYS} auth_jwt "A"; root html;
        add_header X-One $one; add_header X-Alg $alg; add_header X-Kid $jwt_header_kid;
        """,
        http="auth_jwt_claim_set $one sub; auth_jwt_header_set $alg alg;",
        files=PAGES,
    )
    nginx.exchange(f"""
        > GET /a
        > {bearer()}
        < 200
        < X-One: u1
        < X-Alg: ES256
        < X-Kid: k1
        """)


@pytest.mark.pyngx_only("kjdev's module takes one name, and writes objects in its own way")
def test_paths(nginx: Nginx) -> None:
    nginx(
        f"""
        {KEYS} auth_jwt "A"; root html;
        add_header X-Roles $roles; add_header X-Dotted $dotted; add_header X-None $none;
        add_header X-Upper $upper; add_header X-Realm $jwt_claim_realm;
        add_header X-Lower $jwt_claim_fooBar; add_header X-Jwk $jwk;
        """,
        http="""
            auth_jwt_claim_set $roles realm roles; auth_jwt_claim_set $dotted a.b "c d";
            auth_jwt_claim_set $none realm roles r1; auth_jwt_claim_set $upper fooBar;
            auth_jwt_header_set $jwk jwk kty;
        """,
        files=PAGES,
    )
    claims: dict[str, Json] = {**CLAIMS, "a.b": {"c d": "e"}, "fooBar": "up"}
    line = f"Authorization: Bearer {KEY.sign(claims, {'jwk': {'kty': 'x'}})}"
    nginx.exchange(f"""
        > GET /a
        > {line}
        < 200
        < X-Roles: r1,r2
        < X-Dotted: e
        < !X-None
        < X-Upper: up
        < X-Realm: {{"roles":["r1","r2"]}}
        < !X-Lower
        < X-Jwk: x
        """)


@pytest.mark.pyngx_only("kjdev's module has $jwt_claims instead")
def test_payload(nginx: Nginx) -> None:
    nginx(f'{KEYS} auth_jwt "A"; root html; add_header X-P $jwt_payload;', files=PAGES)
    line = "Authorization: Bearer " + KEY.sign(b'{ "sub":\n"u1" }')
    nginx.exchange(f"""
        > GET /a
        > {line}
        < 200
        < X-P: {{ "sub": "u1" }}
        """)


def test_nothing_of_a_refused_token(nginx: Nginx) -> None:
    nginx(
        f"""
        {KEYS} root html; auth_jwt "A"; add_header X-Sub "[$jwt_claim_sub]" always;
        access_log logs/claims.log claims;
        location / {{ error_page 401 = @refused; }}
        location @refused {{ auth_jwt off; return 401 "[$jwt_claim_sub]"; }}
        location /plain {{ try_files /a =404; }}
        """,
        http="log_format claims '[$jwt_claim_sub] $status';",
        files=PAGES,
    )
    bad = tampered(token())
    nginx.exchange(f"""
        > GET /a
        > Authorization: Bearer {bad}
        < 401
        < X-Sub: []
        <
        < []

        > GET /plain
        > Authorization: Bearer {bad}
        < 401
        < X-Sub: []

        > GET /plain
        > {bearer()}
        < 200
        < X-Sub: [u1]
        """)
    assert nginx.access_log(3, "claims.log") == ["[-] 401", "[-] 401", "[u1] 200"]


@pytest.mark.pyngx_only("in kjdev's module claims have no values before the access phase")
def test_before_the_access_phase(nginx: Nginx) -> None:
    """NGINX Plus tells unverified claims there; we verify first."""
    nginx(
        f"""
        {KEYS} auth_jwt "A";
        location / {{ return 200 "$jwt_claim_sub $known"; }}
        location /if {{ if ($jwt_claim_sub = u1) {{ return 204; }} return 403; }}
        location /none {{ auth_jwt off; return 200 "[$jwt_claim_sub]"; }}
        """,
        http="map $jwt_claim_sub $known { u1 yes; default no; }",
        files=PAGES,
    )
    nginx.exchange(f"""
        > GET /
        > {bearer()}
        < 200
        <
        < u1 yes

        > GET /
        > Authorization: Bearer {tampered(token())}
        < 200
        <
        <  no

        > GET /
        > {bearer(exp=1)}
        < 200
        <
        <  no

        > GET /if
        > {bearer()}
        < 204

        > GET /if
        > {bearer(OTHER)}
        < 403

        > GET /none
        > {bearer()}
        < 200
        <
        < []
        """)


@pytest.mark.pyngx_only("of NGINX Plus")
def test_off_with_a_token(nginx: Nginx) -> None:
    """Nothing is enforced; without keys nothing is verified either, as NGINX Plus has it."""
    issuer = Issuer()
    nginx.backend("issuer", issuer)
    nginx(
        f"""
        root html; add_header X-Sub "[$jwt_claim_sub]";
        location /verified {{ {KEYS} auth_jwt off token=$arg_t; try_files /a =404; }}
        location /unverified {{ auth_jwt off token=$arg_t; try_files /a =404; }}
        location /fetched {{
            auth_jwt off token=$arg_t; auth_jwt_key_request /_jwks; try_files /a =404;
        }}
        location = /_jwks {{ internal; proxy_pass http://127.0.0.1:%%PORT_issuer%%; }}
        location /child {{
            {KEYS} auth_jwt "A";
            location /child/off {{ auth_jwt off; try_files /a =404; }}
        }}
        """,
        files=PAGES,
    )
    good, bad = token(), tampered(token())
    for target, sub in (
        (f"/verified?t={good}", "u1"),
        (f"/verified?t={bad}", ""),
        ("/verified", ""),
        (f"/unverified?t={good}", "u1"),
        (f"/unverified?t={bad}", "u1"),
        (f"/unverified?t={token(exp=1)}", "u1"),
        ("/unverified?t=junk", ""),
        (f"/fetched?t={good}", "u1"),
        (f"/fetched?t={bad}", ""),
        (f"/child/off?t={good}", ""),
    ):
        answer = nginx.request(f"GET {target}", bearer(sub="other"))
        assert (answer.status, answer.get("X-Sub")) == (200, f"[{sub}]"), target
    issuer.status = "500 Internal Server Error"


def test_subrequests_look_for_themselves(nginx: Nginx) -> None:
    """The target of auth_request has its own auth_jwt, which it does not enforce."""
    backend = nginx.backend("b", OK)
    nginx(
        f"""
        {KEYS} root html;
        location /a {{ auth_request /auth; }}
        location = /auth {{
            internal; auth_jwt "A"; proxy_pass http://127.0.0.1:%%PORT_b%%;
            proxy_set_header X-Sub "[$jwt_claim_sub]"; proxy_pass_request_headers off;
        }}
        """,
        files=PAGES,
    )
    assert nginx.request("GET /a", f"Authorization: Bearer {tampered(token())}").status == 200
    assert passed(backend)["x-sub"] == "[]"


@pytest.mark.pyngx_only("as nginx has it, what is found before the token is verified stays")
@pytest.mark.parametrize(
    "http",
    [
        "map $jwt_claim_sub $allowed { default 1; banned 0; }",
        "map $jwt_claim_sub $banned { default no; banned yes; }"
        " map $banned $allowed { default 1; yes 0; }",
        "map x $allowed { default $again; } map $jwt_payload $again { default 1; ~banned 0; }",
    ],
)
def test_a_map_of_claims_is_not_stale(nginx: Nginx, http: str) -> None:
    nginx.backend("issuer", Issuer())
    nginx(
        """
        root html; if ($allowed = 9) { return 418; }
        location /a { auth_jwt A; auth_jwt_key_request /_jwks; auth_jwt_require $allowed; }
        location = /_jwks { internal; proxy_pass http://127.0.0.1:%%PORT_issuer%%; }
        """,
        http=http,
        files=PAGES,
    )
    assert nginx.request("GET /a", bearer(sub="banned")).status == 401
    assert nginx.request("GET /a", bearer()).status == 200
