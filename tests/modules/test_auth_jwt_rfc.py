"""auth_jwt: what the RFCs say of tokens, in all dialects."""

from __future__ import annotations

import time

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from pyngx_jwt.jwt import Json
from pyngx_jwt.jwt.encoding import encode_base64url, encode_json

from ..jwt.keys import jwks, signing_key, without
from ..nginx import Nginx
from .plain_keys import pem
from .tokens import EXP, FILES, KEY, bearer, token

pytestmark = pytest.mark.pyngx_only("of dialects that one nginx does not have at once")
ED, ED448 = signing_key("EdDSA"), signing_key("EdDSA", crv="Ed448")
DIALECTS = {
    "plus": "auth_jwt A; auth_jwt_key_file jwks.json;",
    "kjdev": "auth_jwt A; auth_jwt_key_file jwks.json;",
    "tesla": "auth_jwt_algorithm ALG; auth_jwt_use_keyfile on; auth_jwt_keyfile_path DIR/key.pem;",
    "maxlt": "auth_jwt on; auth_jwt_key DIR/key.pem file;",
    "tizp": "auth_jwt A; auth_jwt_alg ALG; auth_jwt_key_file DIR/key.pem;",
}
in_all_dialects = pytest.mark.parametrize("name", DIALECTS)
PAGES = {"html/a": "content"}


def serve(nginx: Nginx, name: str, more: str = "", key: object = KEY, alg: str = "ES256") -> None:
    assert isinstance(key, type(KEY))
    nginx.write("jwks.json", jwks(without(key, "alg")))
    nginx.write("key.pem", pem(key))
    text = DIALECTS[name].replace("DIR", str(nginx.prefix)).replace("ALG", alg)
    nginx(f"root html; {text} {more}", http=f"pyngx_jwt_dialect {name};", files=PAGES)


def status(nginx: Nginx, line: str) -> int:
    return nginx.request("GET /a", line).status


# -- RFC 6750, section 2.1; RFC 9110, section 11.4


@pytest.mark.parametrize(
    "name, passes",
    # The modules of the last three accept one space only.
    [("plus", True), ("tizp", True), ("kjdev", False), ("tesla", False), ("maxlt", False)],
)
def test_spaces_after_the_scheme(nginx: Nginx, name: str, passes: bool) -> None:
    serve(nginx, name)
    assert status(nginx, bearer()) == 200
    for spaces in ("  ", "     "):
        line = f"Authorization: Bearer{spaces}{token()}"
        assert status(nginx, line) == (200 if passes else 401)


@pytest.mark.parametrize(
    "value, reason",
    [
        ("JWT TOKEN", 'no token: the scheme of the Authorization header is not "Bearer"'),
        ("TOKEN", 'no token: the scheme of the Authorization header is not "Bearer"'),
        ("Bearer\tTOKEN", 'no token: the scheme of the Authorization header is not "Bearer"'),
        ("Bearer", "no token"),
        ("Bearer  ", "no token"),
        ('Bearer "TOKEN"', "malformed token: signature is not canonical base64url"),
        ("Bearer Bearer TOKEN", "malformed token: header is not canonical base64url"),
        ("Bearer TOKEN=", "malformed token: signature is padded base64url"),
        ("Bearer TOKEN+", "malformed token: signature is not canonical base64url"),
    ],
)
def test_reason_of_a_header_that_is_not_understood(nginx: Nginx, value: str, reason: str) -> None:
    serve(nginx, "plus")
    assert status(nginx, f"Authorization: {value.replace('TOKEN', token())}") == 401
    nginx.wait_for_log(f"refused: {reason}, client: ")


# -- RFC 7515, section 2: no padding


def padded_token(claims: dict[str, Json]) -> str:
    """As the load balancers of AWS make it: each part is padded, and signed so."""

    def part(octets: bytes) -> bytes:
        text = encode_base64url(octets)
        return text + b"=" * (-len(text) % 4)

    header: dict[str, Json] = {"typ": "JWT", "kid": "k1", "alg": "ES256", "iss": "xy"}
    signed = b".".join(part(encode_json(members).encode()) for members in (header, claims))
    assert signed.count(b"=") > 1
    r, s = decode_dss_signature(KEY.jwk.get_op_key("sign").sign(signed, ECDSA(SHA256())))
    return (signed + b"." + part(r.to_bytes(32) + s.to_bytes(32))).decode()


PADDED = padded_token({"sub": "u1", "exp": EXP})


@in_all_dialects
def test_padded_tokens_need_a_switch(nginx: Nginx, name: str) -> None:
    serve(nginx, name, "location /on { alias html/a; pyngx_jwt_allow_padding on; }")
    line = f"Authorization: Bearer {PADDED}"
    assert status(nginx, line) == 401
    nginx.wait_for_log("malformed token: .* is padded base64url")
    assert nginx.request("GET /on", line).status == 200
    assert nginx.request("GET /on", bearer()).status == 200


@pytest.mark.parametrize(
    "text",
    [
        PADDED + "=",
        PADDED.rstrip("="),  # its signature is the same, but not of a padded form: still good
        PADDED.replace("=.", ".", 1),
        PADDED.replace("=", ""),
        PADDED.replace("=.", "==.", 1),
        "=".join(token().rpartition(".")[::2]) + ".",
    ],
)
def test_padding_has_one_form(nginx: Nginx, text: str) -> None:
    """What was signed cannot be padded otherwise; the signature itself may lack its padding."""
    serve(nginx, "plus", "pyngx_jwt_allow_padding on;")
    good = text == PADDED.rstrip("=")
    assert status(nginx, f"Authorization: Bearer {text}") == (200 if good else 401)


def test_padded_token_chooses_its_keys(nginx: Nginx) -> None:
    keys = "auth_jwt_key_file keys/$jwt_header_iss.json;"
    files = {**PAGES, "keys/xy.json": FILES["jwks.json"]}
    nginx(f"root html; auth_jwt A; {keys} pyngx_jwt_allow_padding on;", files=files)
    assert status(nginx, f"Authorization: Bearer {PADDED}") == 200


def test_variables_of_a_padded_token_that_is_not_verified(nginx: Nginx) -> None:
    nginx(
        """
        auth_jwt off token=$arg_t; add_header X "sub=$jwt_claim_sub" always;
        location /off { }
        location /on { pyngx_jwt_allow_padding on; }
        """
    )
    nginx.exchange(f"""
        > GET /off?t={PADDED}
        < 404
        < X: sub=

        > GET /on?t={PADDED}
        < 404
        < X: sub=u1
        """)


# -- RFC 7519, section 2: a NumericDate may have a fraction


@in_all_dialects
def test_fraction_of_a_date(nginx: Nginx, name: str) -> None:
    """TeslaGov's and tizpuppi's modules refuse one in "exp", and do not look at "nbf"."""
    serve(nginx, name)
    now = time.time()
    assert status(nginx, bearer(nbf=int(now) - 5.5)) == 200
    assert status(nginx, bearer(nbf=int(now) + 1000.5)) == 401
    refuses = name in ("tesla", "tizp")
    assert status(nginx, bearer(exp=int(now) + 1000.5)) == (401 if refuses else 200)
    assert status(nginx, bearer(exp=int(now) - 5.5)) == 401


# -- RFC 9864, section 2.2


@in_all_dialects
@pytest.mark.parametrize("key, name_of_it", [(ED, "Ed25519"), (ED448, "Ed448")])
def test_fully_specified_names(nginx: Nginx, name: str, key: object, name_of_it: str) -> None:
    """Both names are of the same algorithm, unless the configuration has the newer one."""
    assert isinstance(key, type(KEY))
    claims: dict[str, Json] = {"sub": "u", "exp": EXP}
    serve(nginx, name, key=key, alg="EdDSA")
    for alg in ("EdDSA", name_of_it):
        assert status(nginx, f"Authorization: Bearer {key.sign(claims, {'alg': alg})}") == 200
    other = "Ed448" if name_of_it == "Ed25519" else "Ed25519"
    for alg in (other, "ESP256", "ed25519", "none"):
        assert status(nginx, f"Authorization: Bearer {key.sign(claims, {'alg': alg})}") == 401


@pytest.mark.parametrize(
    "dialect, directive",
    [("pyngx", "auth_jwt_algorithm"), ("tizp", "auth_jwt_alg"), ("maxlt", "auth_jwt_alg")],
)
def test_allowed_names(nginx: Nginx, dialect: str, directive: str) -> None:
    nginx.write("key.pem", pem(ED))
    keys = {
        "pyngx": "auth_jwt A; auth_jwt_key_file jwks.json;",
        "tizp": f"auth_jwt A; auth_jwt_key_file {nginx.prefix}/key.pem;",
        "maxlt": f"auth_jwt on; auth_jwt_key {nginx.prefix}/key.pem file;",
    }
    nginx(
        f"""
        {keys[dialect]}
        location /old {{ alias html/a; {directive} EdDSA; }}
        location /new {{ alias html/a; {directive} Ed25519; }}
        location /other {{ alias html/a; {directive} Ed448; }}
        """,
        http=f"pyngx_jwt_dialect {dialect};",
        files={**PAGES, "jwks.json": jwks({**ED.members(), "alg": "Ed25519"})},
    )
    claims: dict[str, Json] = {"sub": "u", "exp": EXP}
    tokens = (ED.sign(claims, {"alg": alg}) for alg in ("EdDSA", "Ed25519"))
    lines = [f"Authorization: Bearer {text}" for text in tokens]
    for path, statuses in (("old", [200, 200]), ("new", [401, 200]), ("other", [401, 401])):
        assert [nginx.request(f"GET /{path}", line).status for line in lines] == statuses


# -- names and words of claims (RFC 8693, section 4.2)


@pytest.mark.parametrize(
    "requirement, claims, passes",
    [
        ("scope read", {"scope": "read"}, True),
        ("scope read", {"scope": "write read"}, True),
        ("scope read write", {"scope": "write"}, True),
        ("scope read", {"scope": "readonly"}, False),
        ("scope read", {"scope": "read,write"}, False),
        ("scope read", {"scope": ["write", "read"]}, True),
        ("scope read", {"scope": ["write read"]}, False),
        ('scope "write read"', {"scope": "write read"}, True),
        ('scope "write read"', {"scope": "read write"}, False),
        ("scope read", {"scope": ""}, False),
        ("scp read", {"scp": "write read"}, True),
        (".ext.scope read", {"ext": {"scope": "write read"}}, True),
        ("sub alice", {"sub": "bob alice"}, False),
        ("realm_access.roles admin", {"realm_access": {"roles": ["user", "admin"]}}, True),
        (".realm_access.roles admin", {"realm_access": {"roles": ["user", "admin"]}}, True),
        ("realm_access.roles admin", {"realm_access": {"roles": ["user", "x,admin"]}}, False),
        ("realm_access.roles admin", {"realm_access": ["admin"]}, False),
        ("realm_access.roles admin", {"realm_access": {"roles": "admin"}}, True),
        ("realm_access.roles admin", {"realm_access.roles": ["admin"]}, False),
        ('."realm_access.roles" admin', {"realm_access.roles": ["admin"]}, True),
        (".a[1] x", {"a": ["y", "x"]}, True),
        (".a[1] y", {"a": ["y", "x"]}, False),
        ("cognito:groups admin", {"cognito:groups": ["admin"]}, True),
        ("https://a.example/roles admin", {"https://a.example/roles": ["admin"]}, True),
        ("a.b.c 1", {"a": {"b": {"c": 1}}}, True),
        ("a.b.c true", {"a": {"b": {"c": True}}}, True),
        ("scope $arg_want", {"scope": "write read"}, True),
        ("realm_access.roles $arg_want", {"realm_access": {"roles": ["read"]}}, True),
    ],
)
def test_claim_that_is_required(
    nginx: Nginx, requirement: str, claims: dict[str, Json], passes: bool
) -> None:
    server = f"{DIALECTS['plus']} auth_jwt_validate_claim {requirement};"
    nginx(f"root html; {server}", files={**PAGES, **FILES})
    status = nginx.request("GET /a?want=read", bearer(**claims)).status
    assert status == (200 if passes else 401)


@pytest.mark.parametrize(
    "name, message",
    [
        (
            "$roles",
            '"auth_jwt_validate_claim" takes the name of a claim, not the variable "$roles"',
        ),
        ("a$b", '"auth_jwt_validate_claim" takes the name of a claim, not the variable "a$b"'),
        ("a..b", '"a..b" is neither the name of a claim nor a path'),
        (".a.", '".a." is neither the name of a claim nor a path'),
        ("a.", '"a." is neither the name of a claim nor a path'),
        (".", '"." is neither the name of a claim nor a path'),
        ("[x]", '"[x]" is neither the name of a claim nor a path'),
    ],
)
def test_names_that_are_not_of_claims(nginx: Nginx, name: str, message: str) -> None:
    nginx.write("jwks.json", FILES["jwks.json"])
    server = f"{DIALECTS['plus']} auth_jwt_validate_claim {name} admin;"
    nginx.rejects(server, message)
