"""The same tokens in three dialects, beside what was seen of the modules themselves."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from pyngx_jwt.jwt import Json
from pyngx_jwt.jwt.encoding import encode_base64url

from ..jwt.keys import hs, jwks, secret, signing_key
from ..nginx import Nginx
from .plain_keys import HEX, auth, claims_of, good, pem
from .tokens import tampered

pytestmark = pytest.mark.pyngx_only("no test nginx has all of these modules")

RSA = signing_key("RS256", "rsa")
ONE, TWO = secret(kid="one"), secret(b"another secret, of thirty-two by", kid="two")
NOW = int(time.time())
FAR = 4_102_444_800  # the year 2100
T = good()
RS = RSA.sign(claims_of())
BODY = json.dumps(claims_of()).encode()


class Row(NamedTuple):
    """One request, and its status by dialect: None if the question does not arise."""

    name: str
    uri: str
    line: str
    seen: tuple[int | None, int | None, int | None]  # of TeslaGov's, max-lt's, kjdev's module
    ours: tuple[int | None, int | None, int | None] | None = None  # where that is another
    why: str = ""
    method: str = "GET"


def signed(payload: bytes, header: dict[str, Json] | None = None) -> str:
    return auth(hs(payload, header))


def unsigned(alg: str) -> str:
    head = encode_base64url(json.dumps({"alg": alg}).encode()).decode()
    return auth(f"{head}.{encode_base64url(BODY).decode()}.")


def with_kid(kid: Json) -> str:
    return auth(hs(claims_of(), {"alg": "HS256", "kid": kid}))


ALL, NONE = (200, 200, 200), (401, 401, 401)
KJDEV, RS_ONLY = (None, None, 401), "trailing text is no part of a signature"
STRICT = "two readers must not read a token differently"

ROWS = (
    # Where it stands.
    Row("Bearer T", "/hs", auth(T), ALL),
    Row("bearer T", "/hs", auth(T, "bearer "), (200, 401, 401)),
    Row("T", "/hs", auth(T, ""), (200, 401, 401)),
    Row("two blanks", "/hs", auth(T, "Bearer  "), NONE),
    Row("no token", "/hs", "A: b", NONE),
    Row("abc", "/hs", auth("abc"), NONE),
    # Signatures.
    Row("another signature", "/hs", auth(tampered(T)), NONE),
    Row("end of the signature", "/hs", auth(T[:-3] + "AAA"), NONE),
    Row("empty signature", "/hs", auth(T.rpartition(".")[0] + "."), NONE),
    Row("none", "/hs", unsigned("none"), NONE),
    Row("HS512", "/hs", auth(good("HS512")), ALL),
    Row("HS512 for HS256", "/pinned", auth(good("HS512")), (None, 401, 401)),
    Row("fourth segment", "/hs", auth(T + ".AA"), NONE),
    Row("fourth segment, RS", "/rs", auth(RS + ".AA"), (200, None, 401), NONE, RS_ONLY),
    Row("padding", "/hs", auth(T + "="), (401, 401, 200), NONE, STRICT),
    Row("padding, RS", "/rs", auth(RS + "=="), (200, None, 200), NONE, STRICT),
    Row("RS", "/rs", auth(RS), ALL),
    Row(
        "HMAC by the PEM",
        "/rs",
        auth(hs(claims_of(), octets=pem(RSA).encode())),
        (200, 401, 401),
        NONE,
        "a public key is no secret",
    ),
    # exp and nbf.
    Row("exp past", "/hs", auth(good(exp=NOW - 9)), NONE),
    Row("exp absent", "/hs", auth(good(exp=None)), (401, 200, 401)),
    Row("exp absent, off", "/noexp", auth(good(exp=None)), (None, None, 200)),
    Row("exp float", "/hs", auth(good(exp=FAR + 0.5)), (401, 200, 200)),
    Row("exp string", "/hs", auth(good(exp=str(FAR))), NONE),
    Row("exp 0", "/hs", auth(good(exp=0)), NONE),
    Row("exp null", "/hs", signed(b'{"sub":"u1","exp":null}'), NONE),
    Row("exp true", "/hs", auth(good(exp=True)), NONE),
    Row("exp 1e15", "/hs", signed(b'{"sub":"u1","exp":1e15}'), (401, 200, 200)),
    Row("exp 1e20", "/hs", signed(b'{"sub":"u1","exp":1e20}'), NONE),
    Row(
        "nbf",
        "/hs",
        auth(good(nbf=FAR)),
        ALL,
        NONE,
        "who issues a token for tomorrow means that (pyngx_jwt_validate_nbf off)",
    ),
    Row("nbf, off", "/nbf", auth(good(nbf=FAR)), ALL),
    # JSON.
    Row(
        "repeated members",
        "/hs",
        signed(b'{"sub":"u1","exp":5,"sub":"u2","exp":%d}' % (FAR)),
        (200, 200, 401),
        NONE,
        STRICT,
    ),
    Row("array", "/hs", signed(b"[1]"), (401, 200, 401), NONE, "it has no claims"),
    Row("NUL and junk", "/hs", signed(BODY + b"\0junk"), (200, 200, 401), NONE, STRICT),
    Row("NUL in a claim", "/hs", auth(good(a="\0")), NONE),
    Row(
        "crit and b64",
        "/hs",
        signed(BODY, {"alg": "HS256", "crit": ["b64"], "b64": False}),
        ALL,
        NONE,
        "what is critical has to be understood (RFC 7515, section 4.1.11)",
    ),
    Row("b64", "/hs", signed(BODY, {"alg": "HS256", "b64": False}), ALL, NONE, STRICT),
    # kid.
    Row("unknown kid", "/kids", with_kid("three"), (None, None, 401)),
    Row("another kid", "/kids", with_kid("two"), (None, None, 401)),
    Row("no kid", "/kids", auth(T), (None, None, 200)),
    Row("kid is a number", "/kids", with_kid(1), (None, None, 200)),
    Row("kid without meaning", "/hs", with_kid("../../dev/null"), ALL),
    # Around it.
    Row("OPTIONS", "/options", "A: b", (200, 200, 401), method="OPTIONS"),
    Row("satisfy any, allowed", "/any/allow", auth(tampered(T)), ALL),
    Row("satisfy any, denied", "/any/deny", "A: b", NONE),
    Row("satisfy any, denied, token", "/any/deny", auth(T), ALL),
    Row("satisfy all, denied", "/all", "A: b", NONE),
    Row("satisfy all, denied, token", "/all", auth(T), (403, 403, 403)),
    Row("return", "/return", "A: b", ALL),
    Row("require error=403", "/require", auth(T), (None, 403, 403)),
    # Keys that cannot be had.
    Row("no key", "/nokey", "A: b", (200, None, 401)),
    *(Row(f"keys: {n}", f"/{n}", auth(T), KJDEV) for n in ("junk", "missing", "dead", "gzip")),
    Row(
        "keys: status 500",
        "/broken",
        auth(T),
        (None, None, 200),
        KJDEV,
        "an error page is no key set, whatever it looks like",
    ),
    Row("keys: junk, and a good file", "/mixed", auth(T), (None, None, 200)),
)
DIALECTS = ("tesla", "maxlt", "kjdev")
PLACES = """
    location /hs { }
    location /any/allow { satisfy any; allow all; }
    location /any/deny { satisfy any; deny all; }
    location /all { deny all; }
    location /nbf { pyngx_jwt_validate_nbf off; }
    location /return { return 200; }
    location /options { proxy_pass http://127.0.0.1:%%PORT_keys%%; }
"""
KEYED = PLACES.replace("{", "{ auth_jwt_key_file hs.json;")
CONFIGURATIONS = {
    "tesla": f"""
        auth_jwt_key {HEX}; auth_jwt_redirect off; {PLACES}
        location /rs {{ auth_jwt_algorithm RS256; auth_jwt_key '{pem(RSA)}'; }}
        location /nokey {{ auth_jwt_enabled off; }}
        """,
    "maxlt": f"""
        auth_jwt on; auth_jwt_key {HEX} hex; {PLACES}
        location /rs {{ auth_jwt_key '{pem(RSA)}'; }}
        location /pinned {{ auth_jwt_alg HS256; }}
        location /require {{ auth_jwt_require $arg_no error=403; }}
        """,
    "kjdev": f"""
        auth_jwt A; auth_jwt_validate_exp on; {KEYED}
        location /rs {{ auth_jwt_key_file rs.json; }}
        location /pinned {{ auth_jwt_key_file hs.json; auth_jwt_require_header alg eq HS256; }}
        location /noexp {{ auth_jwt_key_file hs.json; auth_jwt_validate_exp off; }}
        location /require {{ auth_jwt_key_file hs.json; auth_jwt_require $arg_no error=403; }}
        location /kids {{ auth_jwt_key_file kids.json; }}
        location /mixed {{ auth_jwt_key_file hs.json; auth_jwt_key_request /_junk; }}
        location /junk {{ auth_jwt_key_request /_junk; }}
        location /missing {{ auth_jwt_key_request /_missing; }}
        location /dead {{ auth_jwt_key_request /_dead; }}
        location /gzip {{ auth_jwt_key_request /_gzip; }}
        location /broken {{ auth_jwt_key_request /_broken; }}
        location /_ {{ auth_jwt off; proxy_pass http://127.0.0.1:%%PORT_keys%%; }}
        location /_dead {{ auth_jwt off; proxy_pass http://127.0.0.1:%%PORT_dead%%; }}
        """,
}
KEYS = jwks(secret())
ISSUER = f"""
    listen 127.0.0.1:%%PORT_keys%%;
    location /options {{ return 200; }}
    location /_junk {{ return 200 junk; }}
    location /_gzip {{ add_header Content-Encoding gzip; return 200 '{KEYS}'; }}
    location /_broken {{ return 500 '{KEYS}'; }}
"""
FILES = {
    "hs.json": KEYS,
    "rs.json": jwks(RSA),
    "kids.json": jwks(ONE, TWO),
    **{f"html{row.uri}": "" for row in ROWS},
}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Nginx]]:
    """One for each dialect."""
    started = {name: Nginx(tmp_path_factory.mktemp(name)) for name in DIALECTS}
    for name, server in started.items():
        server(f"root html; {CONFIGURATIONS[name]}", servers=[ISSUER], files=FILES)
    yield started
    for server in started.values():
        server.stop()
        server.check_logs()


def cases() -> Iterator[object]:
    for row in ROWS:
        for dialect, found in zip(DIALECTS, row.ours or row.seen, strict=True):
            if found is not None:
                yield pytest.param(dialect, row, found, id=f"{row.name}-{dialect}")


@pytest.mark.parametrize("dialect, row, found", [*cases()])
def test_vector(servers: dict[str, Nginx], dialect: str, row: Row, found: int) -> None:
    assert servers[dialect].request(f"{row.method} {row.uri}", row.line).status == found


def test_deviations_have_reasons() -> None:
    assert [row.name for row in ROWS if (row.ours is not None) is not bool(row.why)] == []
    assert [row.name for row in ROWS if row.ours == row.seen] == []


def test_deviations_are_stricter() -> None:
    """What the modules refuse is refused here."""
    for row in ROWS:
        for seen, ours in zip(row.seen, row.ours or row.seen, strict=True):
            assert seen in (None, ours) or (seen == 200 and ours == 401), row.name
