"""auth_jwt as kjdev's module has it: which requests pass, and what the others are answered."""

from __future__ import annotations

import re
import time

import pytest

from pyngx_jwt.jwt import Json

from ..jwt.keys import jwks, signing_key
from ..nginx import Nginx
from .tokens import FILES, KEY, KEYS, OTHER, bearer, tampered, token

pytestmark = pytest.mark.needs("auth-jwt")
DIALECT = "# written for kjdev/nginx-auth-jwt\n"
PAGES = {**FILES, "html/a": "content"}
A = "try_files /a =404;"
FAR = 4_102_444_800  # the year 2100


def status(nginx: Nginx, target: str, *lines: str) -> int:
    return nginx.request(f"GET {target}", *lines).status


@pytest.mark.nginx_differs("the module adds the field for each location that looks at the token")
def test_challenge_once(nginx: Nginx) -> None:
    """The index is another request for the locations, but not for the client."""
    nginx(
        f'{KEYS} auth_jwt "A"; auth_jwt_phase access; root html; index a;',
        files=PAGES,
    )
    answer = nginx.request("GET /", bearer())
    assert (answer.status, answer.get("WWW-Authenticate")) == (200, 'Bearer realm="A"')


def test_challenge(nginx: Nginx) -> None:
    """Of who sent "Bearer", and that with an accepted token, too."""
    nginx(f'{KEYS} auth_jwt "my $realm"; auth_jwt_phase access; root html;', files=PAGES)
    nginx.exchange(f"""
        > GET /a
        > {bearer()}
        < 200
        < WWW-Authenticate: Bearer realm="my $realm"

        > GET /a
        > Authorization: Bearer {tampered(token())}
        < 401
        < WWW-Authenticate: Bearer realm="my $realm", error="invalid_token"

        > GET /a
        > Authorization: Bearer abc
        < 401
        < WWW-Authenticate: Bearer realm="my $realm", error="invalid_token"

        > GET /a
        > {bearer(exp=5)}
        < 401
        < WWW-Authenticate: Bearer realm="my $realm", error="invalid_token"

        > GET /a
        < 401
        < !WWW-Authenticate

        > GET /a
        > Authorization: bearer {token()}
        < 401
        < !WWW-Authenticate

        > GET /a
        > Authorization: Bearer
        < 401
        < !WWW-Authenticate

        > OPTIONS /a
        < 401
        < !WWW-Authenticate
        """)


def test_chosen_challenge(nginx: Nginx) -> None:
    nginx(
        f"""
        {KEYS} auth_jwt "R"; root html; auth_jwt_www_authenticate off;
        location / {{ }}
        location /on {{ auth_jwt_www_authenticate on; {A} }}
        location /text {{
            auth_jwt_www_authenticate 'Bearer resource="$host$uri"'; {A}
            location /text/inner {{ {A} }}
        }}
        location /empty {{ auth_jwt_www_authenticate $arg_challenge; {A} }}
        location /cookie {{ auth_jwt "R" token=$cookie_t; auth_jwt_www_authenticate on; {A} }}
        location /named {{ auth_jwt_www_authenticate Named; error_page 401 = @named; }}
        location @named {{ return 403 named; }}
        """,
        http=DIALECT,
        files=PAGES,
    )
    good, bad = bearer(), f"Authorization: Bearer {tampered(token())}"
    for target, line, wanted in (
        ("/a", good, (200, None)),
        ("/a", bad, (401, None)),
        ("/on", good, (200, 'Bearer realm="R"')),
        ("/on", bad, (401, 'Bearer realm="R", error="invalid_token"')),
        ("/text", good, (200, 'Bearer resource="localhost/text"')),
        ("/text", bad, (401, 'Bearer resource="localhost/text"')),
        ("/text", "X: y", (401, None)),
        ("/text/inner", bad, (401, 'Bearer resource="localhost/text/inner"')),
        ("/empty", bad, (401, None)),
        ("/empty?challenge=x", bad, (401, "x")),
        ("/cookie", f"Cookie: t={token()}", (200, None)),
        ("/cookie", f"Cookie: t={tampered(token())}", (401, None)),
        ("/cookie", good, (401, None)),
        ("/named", bad, (403, "Named")),
    ):
        answer = nginx.request(f"GET {target}", line)
        assert (answer.status, answer.get("WWW-Authenticate")) == wanted, (target, line)


@pytest.mark.nginx_differs("it copies the realm as it stands")
def test_quotes_in_the_realm(nginx: Nginx) -> None:
    nginx(f"{KEYS} auth_jwt 'a \"b\" \\\\c'; root html;", http=DIALECT, files=PAGES)
    answer = nginx.request("GET /a", bearer())
    assert answer.get("WWW-Authenticate") == 'Bearer realm="a \\"b\\" \\\\c"'


# Switches and levels.


def test_off_and_levels(nginx: Nginx) -> None:
    """Realm, switch and token are inherited each for itself."""
    nginx(
        f"""
        {KEYS} auth_jwt "S" token=$arg_t; root html;
        location / {{ }}
        location /again {{ auth_jwt "L"; {A} }}
        location /off {{ auth_jwt off; {A} location /off/on {{ auth_jwt "B"; {A} }} }}
        location /twice {{ auth_jwt "C" token=$arg_x; auth_jwt "D" token=$arg_y; {A} }}
        location /reset {{ auth_jwt off; auth_jwt "E"; {A} }}
        location /ignored {{ auth_jwt off token=$arg_x; {A} }}
        """,
        http=DIALECT,
        files=PAGES,
    )
    good = token()
    for target, wanted in (
        ("/a?t=", 200),
        ("/a?x=", 401),
        ("/again?t=", 200),
        ("/off?x=", 200),
        ("/off/on?t=", 200),
        ("/off/on?x=", 401),
        ("/twice?y=", 200),
        ("/twice?x=", 401),
        ("/reset?t=", 200),
        ("/reset?x=", 401),
        ("/ignored?x=", 200),
    ):
        assert status(nginx, f"{target}{good}") == wanted, target
    assert status(nginx, "/again", bearer()) == 401


def test_limit_except(nginx: Nginx) -> None:
    nginx(
        f"""
        {KEYS} auth_jwt "S"; root html;
        location / {{
            auth_jwt off; limit_except GET {{ auth_jwt "W"; auth_jwt_require $arg_a error=418; }}
        }}
        location /b {{ limit_except POST {{ auth_jwt_validate_exp off; }} }}
        """,
        files={**PAGES, "html/b": ""},
    )
    late, good = bearer(exp=1), bearer()
    for request, line, wanted in (
        ("GET /a", "X: y", 200),
        ("DELETE /a", "X: y", 401),
        ("DELETE /a", good, 418),
        ("DELETE /a?a=1", good, 405),
        ("GET /b", late, 200),
        ("POST /b", late, 401),
        ("POST /b", good, 405),
    ):
        assert nginx.request(request, line).status == wanted, (request, line)


def test_satisfy(nginx: Nginx) -> None:
    nginx(
        f"""
        {KEYS} auth_jwt "S"; root html; satisfy any;
        location / {{ allow 127.0.0.1; deny all; }}
        location /deny {{ deny all; {A} }}
        location /status {{ deny all; auth_jwt_require $arg_a error=403; {A} }}
        location /ends {{ allow 127.0.0.1; auth_jwt_require $arg_a error=418; {A} }}
        location /all {{ satisfy all; deny all; {A} }}
        """,
        http=DIALECT,
        files=PAGES,
    )
    good, bad = bearer(), f"Authorization: Bearer {tampered(token())}"
    for target, line, wanted in (
        ("/a", "X: y", (200, None)),
        ("/a", bad, (200, None)),
        ("/deny", good, (200, None)),
        ("/deny", bad, (401, 'Bearer realm="S", error="invalid_token"')),
        ("/deny", "X: y", (401, None)),
        ("/status", good, (403, 'Bearer realm="S", error="invalid_token"')),
        ("/status?a=1", good, (200, None)),
        ("/ends", good, (418, 'Bearer realm="S", error="invalid_token"')),
        ("/ends?a=1", good, (200, None)),
        ("/all", bad, (401, 'Bearer realm="S", error="invalid_token"')),
        ("/all", good, (403, 'Bearer realm="S"')),
    ):
        answer = nginx.request(f"GET {target}", line)
        assert (answer.status, answer.get("WWW-Authenticate")) == wanted, (target, line)


def test_require(nginx: Nginx) -> None:
    """The first value that is empty or "0" decides, outer levels first."""
    nginx(
        f"""
        {KEYS} auth_jwt "S"; root html; auth_jwt_require $arg_c$arg_d error=404;
        auth_jwt_require $arg_e;
        location / {{ auth_jwt_require $arg_f $arg_g error=503; }}
        location /s {{ {A} }}
        location /claim {{ auth_jwt_require $jwt_claim_role error=403; {A} }}
        """,
        http=f"{DIALECT} auth_jwt_require $arg_a error=599; auth_jwt_require $arg_b error=400;",
        files=PAGES,
    )
    every = "a=1&b=1&c=1&e=1&f=1&g=1"
    for target, wanted in (
        (f"/a?{every}", 200),
        (f"/a?{every.replace('c=1', 'd=x')}", 200),
        (f"/a?{every.replace('a=1', 'a=0')}", 599),
        (f"/a?{every.replace('b=1', 'b=')}", 400),
        (f"/a?{every.replace('c=1', '')}", 404),
        (f"/a?{every.replace('c=1', 'd=0')}", 404),
        (f"/a?{every.replace('e=1', '')}", 401),
        (f"/a?{every.replace('f=1', 'f=00')}", 200),
        (f"/a?{every.replace('f=1', 'f=0')}", 503),
        (f"/a?{every.replace('g=1', 'g=0')}", 503),
        ("/a", 599),
        ("/s?a=1&b=1&c=1&e=1", 200),
        ("/s?a=1&b=1&c=1", 401),
        ("/claim?a=1&b=1&c=1&e=1", 403),
    ):
        assert status(nginx, target, bearer()) == wanted, target
    assert status(nginx, "/claim?a=1&b=1&c=1&e=1", bearer(role="x")) == 200
    assert status(nginx, "/claim?a=1&b=1&c=1&e=1", bearer(role=0)) == 403
    assert status(nginx, "/a", bearer(exp=1)) == 401


# Times.


def test_exp(nginx: Nginx) -> None:
    nginx(
        f"""
        {KEYS} auth_jwt "S"; root html;
        location / {{ }}
        location /lax {{ auth_jwt_leeway 1m; {A} }}
        location /off {{ auth_jwt_validate_exp off; {A}
            location /off/on {{ auth_jwt_validate_exp on; {A} }} }}
        """,
        files=PAGES,
    )
    now = int(time.time())
    cases: list[tuple[str, Json, int]] = [
        ("/a", now + 50, 200),
        ("/a", now + 50.5, 200),
        ("/a", now - 5.5, 401),
        ("/a", now - 1, 401),
        ("/a", None, 401),
        ("/a", str(now + 50), 401),
        ("/a", True, 401),
        ("/a", [now + 50], 401),
        ("/a", {}, 401),
        ("/a", -5, 401),
        ("/a", 1e15, 200),
        ("/a", 1e20, 401),
        ("/lax", now - 30, 200),
        ("/lax", now - 65, 401),
        ("/off", now - 65, 200),
        ("/off", None, 200),
        ("/off", "x", 200),
        ("/off/on", None, 401),
    ]
    for target, exp, wanted in cases:
        assert status(nginx, target, bearer(exp=exp)) == wanted, (target, exp)


@pytest.mark.nginx_differs("it looks at nbf only where a requirement says so")
def test_nbf(nginx: Nginx) -> None:
    nginx(
        f"""
        {KEYS} auth_jwt "S"; root html;
        location / {{ auth_jwt_leeway 1m; }}
        location /off {{ pyngx_jwt_validate_nbf off; {A} }}
        """,
        http=DIALECT,
        files=PAGES,
    )
    later = int(time.time()) + 90
    assert status(nginx, "/a", bearer(nbf=later)) == 401
    assert status(nginx, "/a", bearer(nbf=later - 60)) == 200
    assert status(nginx, "/off", bearer(nbf=later)) == 200


# Signatures.


def test_signature_off(nginx: Nginx) -> None:
    """All else is looked at, and "none" is refused nonetheless."""
    nginx(
        f"""
        auth_jwt "S"; root html; auth_jwt_validate_sig off;
        location / {{ auth_jwt_require_claim sub eq u1; add_header X-Sub $jwt_claim_sub; }}
        location /on {{ auth_jwt_validate_sig on; {KEYS} {A} }}
        location /none {{ auth_jwt_validate_sig on; {A} }}
        """,
        files=PAGES,
    )
    for target, text, wanted in (
        ("/a", token(), 200),
        ("/a", tampered(token()), 200),
        ("/a", token(OTHER), 200),
        ("/a", token(exp=1), 401),
        ("/a", token(sub="u2"), 401),
        ("/a", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1MSIsImV4cCI6NDEwMjQ0NDgwMH0.", 401),
        ("/a", "abc", 401),
        ("/on", token(), 200),
        ("/on", tampered(token()), 401),
        ("/none", token(), 401),
    ):
        assert status(nginx, target, f"Authorization: Bearer {text}") == wanted, (target, text)


@pytest.mark.nginx_differs("a requirement on alg that is met switches its check of signatures off")
def test_a_demand_on_alg_does_not_admit_unsigned_tokens(nginx: Nginx) -> None:
    nginx(
        f'{KEYS} auth_jwt "S"; root html; auth_jwt_require_header alg in $algs;',
        http='map $host $algs { default \'["ES256","none"]\'; }',
        files=PAGES,
    )
    none = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1MSIsImV4cCI6NDEwMjQ0NDgwMH0."
    assert status(nginx, "/a", bearer()) == 200
    assert status(nginx, "/a", f"Authorization: Bearer {none}") == 401
    nginx.wait_for_log("auth_jwt: rejected due to none algorithm")


# What is in a token.


def holding(nginx: Nginx, texts: list[str]) -> list[int]:
    nginx(
        f'{KEYS} auth_jwt "S"; root html; large_client_header_buffers 4 32k;',
        http=DIALECT,
        files=PAGES,
    )
    return [status(nginx, "/a", f"Authorization: Bearer {text}") for text in texts]


def claim(value: str) -> str:
    return KEY.sign(f'{{"exp":{FAR},"x":{value}}}'.encode())


def test_tokens(nginx: Nginx) -> None:
    good = [
        claim(f" {value} ")
        for value in (
            *("[0]", '"\\ud83d\\ude00"', "9223372036854775807", "-0.0", "1e22", '{"":1}'),
            "[" * 10 + "]" * 10,
            str([0] * 100),
            f'"{"x" * 4096}"',
        )
    ]
    bad = [
        claim(value)
        for value in (
            *('"\\ud83d"', '"\\u0000"', '"\n"', "1e400", "NaN", "01", "'x'", "[1,]", "", "1}"),
            *('{"a":1,"a":2}', "[" * 11 + "]" * 11, f'"{"x" * 12300}"'),
        )
    ]
    bad += [
        KEY.sign(b"\xef\xbb\xbf{}"),
        KEY.sign(b'{"exp":4102444800,"x":"\xff"}'),
        claim("1") + "A",
    ]
    assert holding(nginx, good + bad) == [200] * len(good) + [401] * len(bad)


@pytest.mark.nginx_differs("it has limits for every array, string, object and number")
def test_only_the_whole_is_limited(nginx: Nginx) -> None:
    values = (str([0] * 101), f'"{"x" * 4097}"', str({str(n): 0 for n in range(257)}), str(2**63))
    assert holding(nginx, [claim(value.replace("'", '"')) for value in values]) == [200] * 4


@pytest.mark.nginx_differs("it lets them pass")
def test_what_readers_disagree_about(nginx: Nginx) -> None:
    late = KEY.sign({"exp": 2**53 + 2})
    headers: list[dict[str, Json]] = [{"crit": ["x"], "x": 1}, {"b64": False}]
    texts = [late, *(KEY.sign({"exp": FAR}, header) for header in headers), token() + "=="]
    assert holding(nginx, texts) == [401] * 4


# Phases.


def test_preaccess(nginx: Nginx) -> None:
    """A refused request does not count for limit_req, and the limit can be one of claims."""
    nginx(
        f"""
        {KEYS} auth_jwt "S"; root html; limit_req_status 429;
        location / {{ limit_req zone=subs; }}
        location /early {{ auth_jwt_phase preaccess; limit_req zone=subs; {A} }}
        location /both {{
            auth_jwt_phase PREACCESS; satisfy any; allow 127.0.0.1; deny all; {A}
        }}
        """,
        http=f"{DIALECT} limit_req_zone $jwt_claim_sub zone=subs:1m rate=1r/m;",
        files=PAGES,
    )
    bad = f"Authorization: Bearer {tampered(token())}"
    for target, line, wanted in (
        ("/a", bearer(), 200),
        ("/a", bearer(), 200),  # no claim is known before the access phase
        ("/early", bad, 401),
        ("/early", bad, 401),
        ("/early", bearer(), 200),
        ("/early", bearer(), 429),
        ("/early", bad, 401),
        ("/early", bearer(sub="u2"), 200),
        ("/both", "X: y", 401),  # it is not asked whether others are satisfied
        ("/both", bearer(), 200),
    ):
        assert status(nginx, target, line) == wanted, (target, line)


@pytest.mark.pyngx_only("of a build with --with-debug")
def test_phases_are_told_at_debug(nginx: Nginx) -> None:
    nginx(
        f"""
        {KEYS} auth_jwt "S"; error_log logs/debug.log debug; root html;
        location /early {{ auth_jwt_phase preaccess; {A} }}
        """,
        http=DIALECT,
        files=PAGES,
    )
    assert status(nginx, "/early", bearer()) == 200
    assert "[debug]" in nginx.read("logs/debug.log")
    assert re.search("auth_jwt: ignore phase: ACCESS$", nginx.read("logs/debug.log"), re.M)


# Other locations.


@pytest.mark.nginx_differs("it takes over what the first location found")
def test_evaluated_anew_after_an_internal_redirect(nginx: Nginx) -> None:
    nginx(
        f"""
        {KEYS} root html;
        location /weak {{
            auth_jwt_validate_sig off; auth_jwt "W"; error_page 404 = /strong;
        }}
        location /off {{ auth_jwt off; error_page 404 = /strong; }}
        location /strong {{
            auth_jwt "S"; auth_jwt_require_claim role eq admin; add_header X-Role $jwt_claim_role;
            {A}
        }}
        """,
        files=PAGES,
    )
    for target in ("/weak", "/off"):
        assert status(nginx, target, bearer(role="admin")) == 200
        assert status(nginx, target, bearer(role="user")) == 401
        assert status(nginx, target, bearer(OTHER, role="admin")) == 401


def test_algorithms(nginx: Nginx) -> None:
    """ES256K, too, which NGINX Plus has not."""
    keys = [signing_key(alg, alg) for alg in ("ES256K", "PS384", "EdDSA", "HS512")]
    nginx(
        f'{KEYS} auth_jwt "S"; root html;', http=DIALECT, files={**PAGES, "jwks.json": jwks(*keys)}
    )
    for key in keys:
        assert status(nginx, "/a", bearer(key)) == 200, key.alg
        text = key.sign({"exp": FAR}, {"kid": keys[0].alg if key is not keys[0] else "PS384"})
        assert status(nginx, "/a", f"Authorization: Bearer {text}") == 401, key.alg
    assert status(nginx, "/a", bearer(KEY)) == 401
