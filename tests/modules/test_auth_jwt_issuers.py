"""pyngx_jwt_key_issuer: keys that verify tokens of their issuers only, in all dialects."""

from __future__ import annotations

import pytest

from ..jwt.keys import SECRET, hs, jwks
from ..nginx import Nginx
from .plain_keys import HEX, pem
from .tokens import EXP, FILES, KEY, OTHER, Issuer, bearer

pytestmark = pytest.mark.pyngx_only("a directive of pyngx")
A, B = "https://a.example", "https://b.example"
ON = {
    "plus": "auth_jwt A;",
    "kjdev": "auth_jwt A;",
    "tesla": "auth_jwt_enabled on; auth_jwt_algorithm ES256;",
    "maxlt": "auth_jwt on;",
    "tizp": "auth_jwt A; auth_jwt_alg ES256;",
}
PAGES = {**FILES, "html/a": "content"}
BOUND = f"pyngx_jwt_key_issuer jwks.json {A}; pyngx_jwt_key_issuer other.json {B};"
TWO_FILES = "auth_jwt_key_file jwks.json; auth_jwt_key_file other.json;"
LOCATION = "location = /_jwks { internal; proxy_pass http://127.0.0.1:%%PORT_issuer%%/k; }"


def status(nginx: Nginx, line: str, path: str = "/a") -> int:
    return nginx.request(f"GET {path}", line).status


@pytest.mark.parametrize("name", ["plus", "kjdev", "tesla", "maxlt"])
def test_keys_of_files(nginx: Nginx, name: str) -> None:
    http = f"pyngx_jwt_dialect {name};"
    nginx(f"root html; {ON[name]} {TWO_FILES} {BOUND}", http=http, files=PAGES)
    assert status(nginx, bearer(iss=A)) == status(nginx, bearer(OTHER, iss=B)) == 200
    for line in (
        bearer(iss=B),
        bearer(OTHER, iss=A),
        bearer(),
        bearer(iss=[A]),
        bearer(iss=None),
        bearer(iss=f"{A}/"),
    ):
        assert status(nginx, line) == 401
    nginx.wait_for_log(
        'refused: key of another issuer: the key of kid "k1" is not for the "iss" of the token'
    )


@pytest.mark.parametrize("name", ON)
def test_keys_of_a_request(nginx: Nginx, name: str) -> None:
    nginx.backend("issuer", Issuer(jwks(KEY)))
    server = f"{ON[name]} auth_jwt_key_request /_jwks; pyngx_jwt_key_issuer /_jwks {A} {B};"
    nginx(f"root html; {server} {LOCATION}", http=f"pyngx_jwt_dialect {name};", files=PAGES)
    assert status(nginx, bearer(iss=A)) == status(nginx, bearer(iss=B)) == 200
    assert status(nginx, bearer(iss="https://c.example")) == 401


@pytest.mark.parametrize(
    "name, server, source",
    [
        ("maxlt", "auth_jwt on; auth_jwt_key DIR/key.pem file;", "DIR/key.pem"),
        ("tizp", "auth_jwt A; auth_jwt_alg ES256; auth_jwt_key_file DIR/key.pem;", "DIR/key.pem"),
        (
            "tesla",
            "auth_jwt_algorithm ES256; auth_jwt_use_keyfile on; auth_jwt_keyfile_path DIR/key.pem;",
            "DIR/key.pem",
        ),
    ],
)
def test_keys_in_pem(nginx: Nginx, name: str, server: str, source: str) -> None:
    nginx.write("key.pem", pem(KEY))
    text = f"{server} pyngx_jwt_key_issuer {source} {A};".replace("DIR", str(nginx.prefix))
    nginx(f"root html; {text}", http=f"pyngx_jwt_dialect {name};", files=PAGES)
    assert status(nginx, bearer(iss=A)) == 200
    assert status(nginx, bearer(iss=B)) == 401


@pytest.mark.parametrize(
    "name, server",
    [("maxlt", f"auth_jwt on; auth_jwt_key {HEX} hex;"), ("tesla", f"auth_jwt_key {HEX};")],
)
def test_secret_of_the_configuration(nginx: Nginx, name: str, server: str) -> None:
    text = f"root html; {server} pyngx_jwt_key_issuer auth_jwt_key {A};"
    nginx(text, http=f"pyngx_jwt_dialect {name};", files=PAGES)
    for issuer, expected in ((A, 200), (B, 401)):
        text = hs({"iss": issuer, "sub": "u", "exp": EXP}, {"alg": "HS256"}, SECRET)
        assert status(nginx, f"Authorization: Bearer {text}") == expected


def test_source_with_several_issuers(nginx: Nginx) -> None:
    """In one directive or in several."""
    nginx(
        f"""
        root html; auth_jwt A; auth_jwt_key_file jwks.json;
        pyngx_jwt_key_issuer jwks.json {A} x; pyngx_jwt_key_issuer %%DIR%%/jwks.json {B};
        """,
        files=PAGES,
    )
    assert [status(nginx, bearer(iss=iss)) for iss in (A, "x", B, "y")] == [200, 200, 200, 401]


def test_keys_that_a_token_chooses(nginx: Nginx) -> None:
    """A source without issuers has no keys."""
    nginx(
        f"root html; auth_jwt A; auth_jwt_key_file $keys; {BOUND}",
        http=f"map $jwt_claim_iss $keys {{ {A} jwks.json; {B} jwks.json; default third.json; }}",
        files={**PAGES, "third.json": jwks(KEY)},
    )
    assert status(nginx, bearer(iss=A)) == 200
    assert status(nginx, bearer(iss=B)) == 401
    assert status(nginx, bearer(iss="x")) == 401
    nginx.wait_for_log(r'\[error\].*third\.json" has no pyngx_jwt_key_issuer')


def test_inheritance(nginx: Nginx) -> None:
    nginx(
        f"""
        {ON["plus"]} {TWO_FILES} {BOUND}
        location /a {{ alias html/a; }}
        location /b {{
            alias html/a; pyngx_jwt_key_issuer jwks.json {B}; pyngx_jwt_key_issuer other.json {B};
        }}
        """,
        files=PAGES,
    )
    for path, issuer in (("/a", A), ("/b", B)):
        assert status(nginx, bearer(iss=issuer), path) == 200
    for path, issuer in (("/a", B), ("/b", A)):
        for _ in range(3):  # also if it has been accepted elsewhere, and is remembered
            assert status(nginx, bearer(iss=issuer), path) == 401


def test_variables_of_a_token_with_a_key_of_another_issuer(nginx: Nginx) -> None:
    nginx(
        f"""
        {TWO_FILES} {BOUND} error_page 401 = @x;
        location /a {{ auth_jwt A; alias html/a; }}
        location @x {{ add_header X "sub=$jwt_claim_sub" always; return 403; }}
        """,
        files=PAGES,
    )
    nginx.exchange(f"""
        > GET /a
        > {bearer(iss=B)}
        < 403
        < X: sub=
        """)


@pytest.mark.parametrize(
    "server, message",
    [
        (
            f"{TWO_FILES} pyngx_jwt_key_issuer jwks.json {A};",
            'key file "%%DIR%%/other.json" has no "pyngx_jwt_key_issuer" in server, '
            "and others have",
        ),
        (
            f"auth_jwt_key_request /_jwks; pyngx_jwt_key_issuer /jwks {A};",
            'key request "/_jwks" has no "pyngx_jwt_key_issuer" in server, and others have',
        ),
        (
            "auth_jwt_key_file jwks.json; pyngx_jwt_key_issuer jwks.json;",
            'invalid number of arguments in "pyngx_jwt_key_issuer" directive',
        ),
    ],
)
def test_rejected(nginx: Nginx, server: str, message: str) -> None:
    for path, content in FILES.items():
        nginx.write(path, content)
    nginx.rejects(f"auth_jwt A; {server}", message)
