"""$jwt_...: what kjdev's module tells of a token."""

from __future__ import annotations

import time

import pytest

from pyngx_jwt.jwt import Json

from ..nginx import Nginx
from .tokens import FILES, KEY, KEYS, OTHER, bearer, tampered, token

pytestmark = pytest.mark.needs("auth-jwt")
DIALECT = "# written for kjdev/nginx-auth-jwt\n"
PAGES = {**FILES, "html/a": "content"}
A = "try_files /a =404;"
EXP = 4_102_444_800  # the year 2100


def line(claims: dict[str, Json], header: dict[str, Json] | None = None) -> str:
    return f"Authorization: Bearer {KEY.sign({'exp': EXP, **claims}, header or {})}"


VALUES: list[tuple[Json, str, str]] = [  # as a claim, and as a member of the header
    ("text", "text", "text"),
    ("", "", ""),
    ('a "b" [c]', 'a "b" [c]', 'a "b" [c]'),
    (5, "5", "5"),
    (-5, "-5", "-5"),
    (5.0, "5.0", "5.0"),
    (1.5, "1.5", "1.5"),
    (2**53, "9007199254740992", "9007199254740992"),
    (True, "true", "true"),
    (False, "false", "false"),
    (None, "null", "null"),
    (["a", "b"], "a,b", '["a","b"]'),
    (["a", 1, [True, "z"]], "a,1,true,z", '["a",1,[true,"z"]]'),
    ([], "", "[]"),
    ({}, "{}", "{}"),
    ({"z": "1", "b": [2, None]}, "{b:2,null,z:1}", '{"b":[2,null],"z":"1"}'),
    ("J\u00fcrgen", "J\u00fcrgen", "J\u00fcrgen"),
    (["J\u00fcrgen \u4e2d"], "J\u00fcrgen \u4e2d", '["J\u00fcrgen \u4e2d"]'),
    (['a"b\\c/d'], "a\\b\\\\c/d", '["a\\"b\\\\c/d"]'),
]


def test_rendering(nginx: Nginx) -> None:
    nginx(
        f"""
        {KEYS} auth_jwt "A"; root html;
        add_header X-Claim "[$jwt_claim_v]"; add_header X-Set "[$claim]";
        add_header X-Member "[$jwt_header_v]"; add_header X-Member-Set "[$member]";
        """,
        http=f"{DIALECT} auth_jwt_claim_set $claim v; auth_jwt_header_set $member v;",
        files=PAGES,
    )
    for value, claim, member in VALUES:
        answer = nginx.request("GET /a", line({"v": value}, {"v": value}))
        found = [answer.get(f"X-{n}") for n in ("Claim", "Set", "Member", "Member-Set")]
        claim, member = (f"[{text}]".encode().decode("latin-1") for text in (claim, member))
        assert found == [claim, claim, member, member], value


@pytest.mark.nginx_differs("it writes reals with 17 digits: 0.10000000000000001")
def test_reals_are_as_short_as_they_can_be(nginx: Nginx) -> None:
    nginx(
        f'{KEYS} auth_jwt "A"; root html; add_header X-V $jwt_claim_v;', http=DIALECT, files=PAGES
    )
    assert nginx.request("GET /a", line({"v": 0.1})).get("X-V") == "0.1"


def test_what_is_not_there(nginx: Nginx) -> None:
    nginx(
        f"""
        {KEYS} auth_jwt "A"; root html; access_log logs/claims.log claims;
        add_header X-None $jwt_claim_none; add_header X-Upper $jwt_claim_fooBar;
        add_header X-Set $upper; add_header X-Nested $nested; add_header X-Member $jwt_header_none;
        """,
        http=f"""
            {DIALECT} auth_jwt_claim_set $upper fooBar; auth_jwt_claim_set $nested o.x;
            log_format claims '[$jwt_claim_none] [$jwt_claim_empty] [$jwt_claim_sub]';
        """,
        files=PAGES,
    )
    nginx.exchange(f"""
        > GET /a
        > {bearer(fooBar="up", o={"x": 1}, empty="")}
        < 200
        < !X-None
        < !X-Upper
        < X-Set: up
        < !X-Nested
        < !X-Member
        """)
    assert nginx.access_log(1, "claims.log") == ["[-] [] [u1]"]


def test_nested(nginx: Nginx) -> None:
    """A matter of the location that asks."""
    names = ["deep", "dotted", "quoted", "member"]
    fields = "".join(f'add_header X-{name} "[${name}]";' for name in names)
    nginx(
        f"""
        {KEYS} auth_jwt "A"; root html; {fields} add_header X-Claim "[$jwt_claim_o_x]";
        location /dot {{ auth_jwt_allow_nested; {A} }}
        location /underscore {{ auth_jwt_allow_nested delimiter=_ quote=%; {A} }}
        """,
        http="""
            auth_jwt_claim_set $deep o.x.0; auth_jwt_claim_set $dotted a.b;
            auth_jwt_claim_set $quoted '"a.b"'; auth_jwt_header_set $member o.x;
        """,
        files=PAGES,
    )
    claims: dict[str, Json] = {"o": {"x": {"0": "1"}}, "a.b": "2", "a": {"b": "3"}, "o_x": "4"}
    for target, wanted in (
        ("/a", ["[]", "[2]", "[]", "[]", "[4]"]),
        ("/dot", ["[1]", "[3]", "[2]", '[{"0":"1"}]', "[4]"]),
        ("/underscore", ["[]", "[2]", "[]", "[]", "[{0:1}]"]),
    ):
        answer = nginx.request(f"GET {target}", line(claims, claims))
        assert [answer.get(f"X-{name}") for name in (*names, "Claim")] == wanted, target


def test_claims_and_time(nginx: Nginx) -> None:
    nginx(
        f"""
        {KEYS} auth_jwt "A"; root html; add_header X-Claims $jwt_claims;
        add_header X-Now $jwt_nowtime always; location /off {{ auth_jwt off; {A} }}
        """,
        files=PAGES,
    )
    claims: dict[str, Json] = {"z": 1, "a": {"c": [1.5, None], "b": "J\u00fc"}}
    text = f'{{"a":{{"b":"J\u00fc","c":[1.5,null]}},"exp":{EXP},"z":1}}'
    found = nginx.request("GET /a", line(claims)).get("X-Claims")
    assert found == text.encode().decode("latin-1")
    for target in ("/a", "/off"):
        assert abs(int(nginx.request(f"GET {target}").get("X-Now") or 0) - time.time()) < 5


# What is told of tokens that are not accepted.


def told(nginx: Nginx, server: str, http: str = "") -> None:
    nginx(
        f"""
        {KEYS} root html; auth_jwt "A"; access_log logs/claims.log claims;
        {server}
        """,
        http=f"{DIALECT} log_format claims '$jwt_claim_sub $jwt_claims $status'; {http}",
        files={**PAGES, "revoked.json": '{"u3": "x"}'},
    )


def test_nothing_of_a_refused_token(nginx: Nginx) -> None:
    """Unless it is auth_jwt_require that refuses it."""
    told(
        nginx,
        f"""
        location / {{
            auth_jwt_require_claim sub match ^u; auth_jwt_require_claim role eq $arg_role;
            auth_jwt_require_header typ eq JWT; auth_jwt_revocation_list_sub revoked.json;
        }}
        location /require {{ auth_jwt_require $arg_a error=403; {A} }}
        location /off {{ auth_jwt off; {A} }}
        """,
    )
    for target, sent, wanted in (
        ("/a", "Authorization: Bearer " + tampered(token()), "- - 401"),
        ("/a", bearer(OTHER), "- - 401"),
        ("/a", bearer(exp=1), "- - 401"),
        ("/a", bearer(sub="x"), "- - 401"),
        ("/a?role=%22y%22", bearer(role="x"), "- - 401"),
        ("/a?role=y", bearer(role="y"), "- - 401"),
        ("/a", bearer(sub="u3"), "- - 401"),
        ("/require", bearer(exp=EXP), f'u1 {{"exp":{EXP},"sub":"u1"}} 403'),
        ("/off", bearer(), "- - 200"),
    ):
        nginx.request(f"GET {target}", sent)
        lines = nginx.access_log(1, "claims.log")
        assert lines[-1].replace("\\x22", '"') == wanted, target
        (nginx.prefix / "logs/claims.log").write_text("")


def test_nothing_before_the_check(nginx: Nginx) -> None:
    told(
        nginx,
        f"""
        location / {{ set $early "[$jwt_claim_sub]"; add_header X-Early $early;
            add_header X-Late "[$jwt_claim_sub]"; }}
        location /return {{ return 200 "[$jwt_claim_sub$jwt_header_alg]"; }}
        location /if {{ if ($jwt_claim_sub) {{ return 403; }} {A} }}
        """,
    )
    nginx.exchange(f"""
        > GET /a
        > {bearer()}
        < 200
        < X-Early: []
        < X-Late: [u1]

        > GET /return
        > {bearer()}
        < 200
        <
        < []

        > GET /if
        > {bearer()}
        < 200
        """)
    assert nginx.access_log(3, "claims.log")[1] == "- - 200"


def test_signature_off(nginx: Nginx) -> None:
    """Who switches it off wants to see what he lets in."""
    told(nginx, 'auth_jwt_validate_sig off; add_header X-Sub "[$jwt_claim_sub]" always;')
    for text, wanted in (
        (tampered(token()), (200, "[u1]")),
        (token(exp=1), (401, "[]")),
    ):
        answer = nginx.request("GET /a", f"Authorization: Bearer {text}")
        assert (answer.status, answer.get("X-Sub")) == wanted


@pytest.mark.nginx_differs("it tells the header of whatever token it has decoded")
def test_header_of_a_refused_token(nginx: Nginx) -> None:
    told(nginx, 'add_header X-Alg "[$jwt_header_alg]" always;')
    assert nginx.request("GET /a", bearer()).get("X-Alg") == "[ES256]"
    for sent in (bearer(exp=1), f"Authorization: Bearer {tampered(token())}"):
        assert nginx.request("GET /a", sent).get("X-Alg") == "[]"


def test_after_internal_redirects(nginx: Nginx) -> None:
    """A location that demands no token tells what the one before it has accepted."""
    told(
        nginx,
        f"""
        location / {{ try_files /none @app; }}
        location @app {{
            auth_jwt off; set $sub "[$jwt_claim_sub]"; add_header X-Sub $sub always;
            add_header X-Late "[$jwt_claim_sub]" always; {A}
        }}
        location /refused {{ error_page 401 = @app; {A} }}
        location /require {{ auth_jwt_require $arg_a error=403; error_page 403 = @app; {A} }}
        location /again {{ try_files /none @again; }}
        location @again {{
            set $sub "[$jwt_claim_sub]"; add_header X-Sub $sub always;
            add_header X-Late "[$jwt_claim_sub]" always; {A}
        }}
        """,
    )
    bad = f"Authorization: Bearer {tampered(token())}"
    for target, sent, wanted in (
        ("/x", bearer(), (200, "[u1]", "[u1]")),
        ("/refused", bad, (200, "[]", "[]")),
        ("/refused", "X: y", (200, "[]", "[]")),
        ("/require", bearer(), (200, "[u1]", "[u1]")),
        ("/again", bearer(), (200, "[u1]", "[u1]")),
    ):
        answer = nginx.request(f"GET {target}", sent)
        assert (answer.status, answer.get("X-Sub"), answer.get("X-Late")) == wanted, target


def test_in_subrequests(nginx: Nginx) -> None:
    """What the request's own location has accepted."""
    told(
        nginx,
        f"""
        auth_request_set $seen $upstream_http_x_sub; add_header X-Seen $seen;
        location / {{ auth_request /auth; }}
        location /open {{ auth_jwt off; auth_request /auth; {A} }}
        location = /auth {{
            auth_jwt off; proxy_pass http://127.0.0.1:%%PORT%%/echo;
            proxy_set_header X-Sub "[$jwt_claim_sub]"; proxy_pass_request_headers off;
        }}
        location /echo {{ add_header X-Sub $http_x_sub; return 204; }}
        """,
    )
    assert nginx.request("GET /a", bearer()).get("X-Seen") == "[u1]"
    assert nginx.request("GET /open", bearer()).get("X-Seen") == "[]"


@pytest.mark.parametrize("text", ["a\r\nX-Evil: 1", "a\nb", "a\tb", "a\x7f", "\x01"])
@pytest.mark.nginx_differs("it copies control characters of strings into fields")
def test_control_characters(nginx: Nginx, text: str) -> None:
    nginx(
        f"""
        {KEYS} auth_jwt "A"; root html;
        add_header X-Sub "[$jwt_claim_sub]"; add_header X-Member "[$jwt_header_x]";
        """,
        http=DIALECT,
        files=PAGES,
    )
    nginx.exchange(f"""
        > GET /a
        > {line({"sub": text}, {"x": text})}
        < 200
        < X-Sub: []
        < X-Member: []
        < !X-Evil
        """)


def test_nothing_of_the_request_before(nginx: Nginx) -> None:
    told(
        nginx,
        f"""
        add_header X-Sub "[$jwt_claim_sub]" always;
        location /off {{ auth_jwt off; {A} }}
        """,
    )
    with nginx.connect() as client:
        for target, sent, sub in (
            ("/a", bearer(), "[u1]"),
            ("/off", bearer(), "[]"),
            ("/a", "X: y", "[]"),
            ("/a", bearer(sub="u2"), "[u2]"),
        ):
            answer = client.request(f"GET {target}", sent)
            assert answer and answer.get("X-Sub") == sub, target
