"""What kjdev's module logs, for those who look for its lines."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from pyngx_jwt.jwt import Json

from ..jwt.keys import signing_key
from ..nginx import Nginx
from .tokens import FILES, KEY, KEYS, OTHER, bearer, tampered, token

pytestmark = pytest.mark.needs("auth-jwt")
A = "try_files /a =404;"
EXP = 4_102_444_800  # the year 2100
PAST = 1_700_000_000
FAILED = "rejected due to missing signature key or signature validate failure"
UNSIGNED = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1MSIsImV4cCI6NDEwMjQ0NDgwMH0."


@pytest.fixture(scope="module")
def server(module_nginx: Nginx) -> Nginx:
    module_nginx(
        f"""
        {KEYS} auth_jwt "A"; root html;
        location /cookie {{ auth_jwt "A" token=$cookie_t; {A} }}
        location /value {{ auth_jwt "A" token=$arg_t; {A} }}
        location /text {{ auth_jwt_require_claim sub eq Bob; {A} }}
        location /json {{ auth_jwt_require_claim o ge 'json={{"z": 1.0, "a":  []}}'; {A} }}
        location /variable {{ auth_jwt_require_claim n !in $arg_v; {A} }}
        location /told {{ auth_jwt_require_claim .s match $arg_v; {A} }}
        location /path {{ auth_jwt_require_claim .o.l[0] eq b; {A} }}
        location /quoted {{ auth_jwt_require_claim '."o"' eq b; {A} }}
        location /header {{ auth_jwt_require_header typ match ^x; {A} }}
        location /missing {{ auth_jwt_require_claim nothing ne x; {A} }}
        location /missing-header {{ auth_jwt_require_header .no.thing ne x; {A} }}
        location /require {{ auth_jwt_require $arg_a $arg_b$arg_c error=403; {A} }}
        location /lax {{ auth_jwt_leeway 10; {A} }}
        location /nbf {{ auth_jwt_leeway 10; auth_jwt_require_claim nbf le json=1000; {A} }}
        location /late {{
            auth_jwt_leeway 10; auth_jwt_require_claim exp gt json=2000; {A}
            auth_jwt_validate_exp off;
        }}
        location /keyless {{ auth_jwt_require_claim sub eq u1; {A} }}
        """,
        files={**FILES, "html/a": "content"},
        servers=[
            f"""
            listen 127.0.0.1:%%PORT%%; server_name keyless; root html; auth_jwt "A";
            auth_jwt_phase access; location /file {{ auth_jwt_key_file $arg_f; {A} }}
            """
        ],
    )
    return module_nginx


def line(claims: dict[str, Json]) -> str:
    return f"Authorization: Bearer {KEY.sign({'exp': EXP, 'sub': 'u1', **claims})}"


def told() -> Iterator[tuple[str, str, list[str]]]:
    """The target, the request's line, and what is told."""
    none = "[info] token was not provided"
    parse = "[info] failed to parse jwt token"
    yield "/", "X: y", [none]
    yield "/", "Authorization: Basic dTpw", [none]
    yield "/", f"Authorization: bearer {token()}", [none]
    yield "/cookie", "X: y", ["[error] token variable specified was not provided"]
    yield "/value?t=", "X: y", [none]
    yield "/", "Authorization: Bearer abc", [parse]
    yield "/", f"Authorization: Bearer {token()}.x", [parse]
    yield "/", f"Authorization: Bearer {token(x='y' * 20000)}"[:7000], [parse]
    bad = f"Authorization: Bearer {tampered(token())}"
    yield (
        "/",
        bad,
        ['[info] rejected due to signature validate failure: kid="k1"', f"[info] {FAILED}"],
    )
    yield "/", bearer(OTHER), [f"[info] {FAILED}"]
    yield (
        "/",
        bearer(signing_key("HS256", "k1")),
        ['[info] rejected due to signature validate failure: kid="k1"', f"[info] {FAILED}"],
    )
    unnamed = {"kid": ""}
    yield "/", f"Authorization: Bearer {OTHER.sign({'exp': EXP}, unnamed)}", [f"[info] {FAILED}"]
    yield "/", f"Authorization: Bearer {UNSIGNED}", ["[info] rejected due to none algorithm"]
    text = f"[info] rejected due to token expired: exp={PAST}: greater than expected=NOW actual="
    yield "/", bearer(exp=PAST), [f"{text}{PAST}"]
    yield "/", bearer(exp=PAST + 0.5), [f"{text}{PAST}"]
    yield "/lax", bearer(exp=PAST), [f"{text}{PAST + 10}"]
    yield "/", bearer(exp=0), [text.replace(str(PAST), "0") + "0"]
    yield "/", bearer(exp=None), [text.replace(str(PAST), "0") + "0"]
    yield "/lax", bearer(exp=None), [text.replace(str(PAST), "0") + "10"]
    for negative in (-5, -2):
        yield "/", bearer(exp=negative), [text.replace(str(PAST), str(negative)) + str(negative)]
    unreadable: list[Json] = ["soon", True, -1, -5.5, 1e20, [5], {}]
    for exp in unreadable:
        yield "/", line({"exp": exp}), ["[error] rejected due to exp claim could not be obtained"]
    claim = "[info] rejected due to {} claim requirement: {}"
    yield "/text", bearer(), [claim.format("sub", '""u1"" is not "eq" "Bob"')]
    yield "/text", bearer(sub="J\u00fc"), [claim.format("sub", '""J\u00fc"" is not "eq" "Bob"')]
    yield (
        "/text",
        line({"sub": ["b", {"z": 1, "a": None}]}),
        [claim.format("sub", '"["b",{"a":null,"z":1}]" is not "eq" "Bob"')],
    )
    yield "/json", line({"o": 5}), [claim.format("o", '"5" is not "ge" "{"z": 1.0, "a":  []}"')]
    yield "/variable?v=[5]", line({"n": 5}), [claim.format("n", '"5" is not "!in" "[5]"')]
    yield "/variable?v=x", line({"n": 5}), ["[error] failed to json load claim requirement: n"]
    yield (
        "/variable",
        line({"n": 5}),
        ["[error] require variable specified was not provided: $arg_v"],
    )
    yield "/variable?v=x", bearer(), ["[error] rejected due to missing claim: n"]
    yield "/variable?v=[1", line({"n": 5}), ["[error] failed to json load claim requirement: n"]
    yield "/told?v=[1", line({"s": "x"}), ["[error] failed to json load claim requirement: s"]
    yield "/told?v=json=1", line({"s": "x"}), ["[error] failed to json load claim requirement: s"]
    yield "/told?v=[1", bearer(), ["[error] rejected due to missing claim: s"]
    yield "/told?v=5", line({"s": "x"}), [claim.format("s", '""x"" is not "match" "5"')]
    yield '/told?v="y"', line({"s": "x"}), [claim.format("s", '""x"" is not "match" ""y""')]
    yield "/path", line({"o": {"l": ["a"]}}), [claim.format(".o.l[0]", '""a"" is not "eq" "b"')]
    yield "/path", line({"o": {"l": []}}), ["[error] rejected due to missing claim: .o.l[0]"]
    yield "/quoted", line({"o": True}), [claim.format("o", '"true" is not "eq" "b"')]
    yield (
        "/header",
        bearer(),
        ['[info] rejected due to typ header requirement: ""JWT"" is not "match" "^x"'],
    )
    yield "/missing", bearer(), ["[error] rejected due to missing claim: nothing"]
    yield "/missing-header", bearer(), ["[error] rejected due to missing header: .no.thing"]
    yield "/require", bearer(), ["[info] rejected due to $arg_a variable invalid"]
    yield "/require?a=1&b=0", bearer(), ["[info] rejected due to $arg_b$arg_c variable invalid"]
    yield "/nbf", bearer(nbf=1011), [claim.format("nbf", '"1011" is not "le" "1000"')]
    yield "/late", bearer(exp=1990), [claim.format("exp", '"1990" is not "gt" "2000"')]
    # What is told first, of a token with several faults.
    yield (
        "/text",
        f"Authorization: Bearer {tampered(token(exp=PAST))}",
        [claim.format("sub", '""u1"" is not "eq" "Bob"')],
    )
    yield "/header", f"Authorization: Bearer {tampered(token(exp=PAST))}", [f"{text}{PAST}"]
    yield (
        "/header",
        bad,
        ['[info] rejected due to typ header requirement: ""JWT"" is not "match" "^x"'],
    )


CASES = list(told())


@pytest.mark.parametrize("number", range(len(CASES)))
def test_told(server: Nginx, number: int) -> None:
    """Each of them once, and nothing else of the dialect."""
    target, sent, wanted = CASES[number]
    before = len(server.error_log())
    assert server.request(f"GET {target}", sent).status == (403 if "require" in target else 401)
    assert said(server, before) == wanted


def said(server: Nginx, before: int) -> list[str]:
    """The lines of the module since then; what we add to them is left out."""
    lines = [text for text in server.error_log()[before:].splitlines() if "auth_jwt: " in text]
    found = []
    for text in lines:
        level = re.search(r"\[\w+\]", text)
        rest = text.partition("auth_jwt: ")[2].partition(", client: ")[0]
        if re.match(r"(token sha256:\w+ )?refused: ", rest):
            assert "[notice]" in text
            continue
        rest = re.sub(r" \((token sha256:\w+ )?refused: .*\)$| \(key file .*\)$", "", rest)
        rest = re.sub(r"(?<=expected=)\d+", "NOW", rest)
        assert level
        found.append(f"{level[0]} {rest.encode('latin-1').decode()}")
    return found


@pytest.mark.parametrize(
    "target, sent, wanted",
    [
        ("/", bearer(), ["[info] rejected due to without signature key"]),
        (
            "/file?f=none",
            bearer(),
            [
                '[error] failed to load jwks file: "none"',
                "[info] rejected due to without signature key",
            ],
        ),
    ],
)
def test_keyless(server: Nginx, target: str, sent: str, wanted: list[str]) -> None:
    before = len(server.error_log())
    assert server.request(f"GET {target}", "Host: keyless", sent).status == 401
    here = server.filled("%%DIR%%/")
    assert [text.replace(here, "") for text in said(server, before)] == wanted


@pytest.mark.pyngx_only("about our words")
def test_the_reason_is_added(server: Nginx) -> None:
    before = len(server.error_log())
    assert server.request("GET /text", bearer()).status == 401
    theirs, ours = server.error_log()[before:].splitlines()
    assert "[info]" in theirs and ' "Bob", client' in theirs
    assert re.search(
        r"\[notice\] .*: token sha256:[0-9a-f]{8} refused: claim mismatch: .*, cl", ours
    )
