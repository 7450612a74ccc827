"""A configuration for each dialect, and tokens with everything that can be wrong with one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from pyngx_jwt.jwt import Json
from pyngx_jwt.jwt.encoding import encode_base64url, encode_json
from pyngx_jwt.jwt.mint import SigningKey

from ..jwt.keys import jwks, signing_key

NOW = int(time.time())
SECRET = bytes(range(32))
HEX = SECRET.hex()
KEY, OTHER = signing_key("RS256", "k1"), signing_key("RS256", "k2")
FORGED = signing_key("RS256", "k1", copy=1)
HMAC = SigningKey.from_secret("HS256", SECRET)
FORGED_HMAC = SigningKey.from_secret("HS256", bytes(32))
CLAIMS: dict[str, Json] = {"sub": "alice", "iss": "me", "exp": NOW + 3600, "roles": ["a", "b"]}


@dataclass(frozen=True, slots=True)
class Setup:
    """What stands in the server, and the key with which its tokens are good."""

    name: str
    server: str
    key: SigningKey
    forged: SigningKey
    paths: tuple[str, ...]
    http: str = ""
    files: Mapping[str, str | bytes] = field(default_factory=dict)


def files() -> dict[str, str | bytes]:
    return {
        "jwks.json": jwks(KEY),
        "both.json": jwks(KEY, signing_key("ES256", "e1")),
        "map.json": f'{{"k1": {encode_json(KEY.pem().decode())}}}',
        "key.pem": KEY.pem(),
        "secret": SECRET,
        "revoked.json": '{"bob": {"why": "gone"}}',
        "html/index.html": "index",
        **{f"html/{name}": "content" for name in (*"abcdefghij", "page", "tried")},
    }


PLUS = """
    root html; auth_jwt_key_file jwks.json; auth_jwt_type signed;
    location /a { auth_jwt "A"; }
    location /b { auth_jwt "B"; auth_jwt_require $jwt_claim_sub $arg_x error=403; }
    location /c { auth_jwt "C"; auth_jwt_require $jwt_claim_iss; auth_jwt_leeway 10s; }
    location /d { auth_jwt "D" token=$cookie_t; }
    location /e { auth_jwt "E" token=$arg_t; satisfy any; allow 127.0.0.1; deny all; }
    location /f { auth_jwt "F" token=$http_x_token; satisfy any; deny all; }
    location /g { auth_jwt "G"; limit_except GET { auth_jwt off; } }
    location /h { auth_jwt "H"; auth_jwt_key_file missing.json; }
    location /i { auth_jwt off; }
    location /j { auth_jwt "J"; auth_jwt_key_file both.json; deny 127.0.0.1; }
    location /return { auth_jwt "R"; return 200 "not asked"; }
    location /rewritten { rewrite ^ /a last; }
    location /tried { try_files /nothing /a; auth_jwt "T"; }
    location /if { auth_jwt "I"; if ($arg_no) { return 418; } root html; try_files /a =404; }
    location /page { auth_jwt "P"; error_page 401 = @login; }
    location @login { return 302 /login; }
    location /hidden { internal; }
"""
PLUS_PATHS = (
    *("/a", "/b", "/b?x=1", "/b?x=0", "/c", "/d", "/e", "/f", "/g", "/h", "/i", "/j", "/return"),
    *("/rewritten", "/tried", "/if", "/if?no=1", "/page", "/hidden"),
)

PYNGX = """
    root html; auth_jwt_key_file jwks.json;
    location /a { auth_jwt "A"; auth_jwt_validate_claim iss you me; }
    location /b { auth_jwt "B"; auth_jwt_validate_claim roles b; auth_jwt_validate_claim n 1; }
    location /c { auth_jwt "C"; auth_jwt_algorithm ES256; }
    location /d { auth_jwt "D"; auth_jwt_validate_claim iss $arg_iss; }
"""

KJDEV = """
    root html; auth_jwt_key_file jwks.json jwks; auth_jwt_revocation_list_sub revoked.json;
    location /a { auth_jwt "A"; }
    location /b { auth_jwt "B"; auth_jwt_require_claim iss eq me; auth_jwt_require_claim .roles[0]
        in json=["a"]; auth_jwt_require_header alg eq RS256; }
    location /c { auth_jwt "C"; auth_jwt_require_claim iss ne me; }
    location /d { auth_jwt "D" token=$cookie_t; auth_jwt_validate_exp off; }
    location /e { auth_jwt "E"; auth_jwt_validate_sig off; }
    location /f { auth_jwt "F"; auth_jwt_require $jwt_claim_sub $arg_x error=418; }
    location /g { auth_jwt "G"; auth_jwt_phase preaccess; deny all; }
    location /h { auth_jwt "H"; auth_jwt_require_claim exp gt $jwt_nowtime; }
    location /i { auth_jwt "I"; auth_jwt_key_file map.json keyval; auth_jwt_www_authenticate off; }
    location /j { auth_jwt off; }
"""

TESLA = f"""
    root html; auth_jwt_key "{HEX}"; auth_jwt_algorithm HS256;
    auth_jwt_extract_response_claims sub;
    location /a {{ auth_jwt_enabled on; }}
    location /b {{ auth_jwt_enabled $arg_on; }}
    location /c {{ auth_jwt_location COOKIE=t; auth_jwt_validate_sub on; }}
    location /d {{ auth_jwt_redirect on; auth_jwt_loginurl https://login.example/; }}
    location /e {{ auth_jwt_location HEADER=X-Token; }}
    location /f {{ auth_jwt_enabled off; }}
    location /g {{ auth_jwt_algorithm RS256; auth_jwt_use_keyfile on;
        auth_jwt_keyfile_path key.pem; auth_jwt_key ""; }}
"""

MAXLT = f"""
    root html; auth_jwt_key {HEX} hex;
    location /a {{ auth_jwt on; }}
    location /b {{ auth_jwt $cookie_t; auth_jwt_alg HS256; }}
    location /c {{ auth_jwt on; auth_jwt_alg HS512; }}
    location /d {{ auth_jwt on; auth_jwt_require $jwt_claim_sub $arg_x error=403; }}
    location /e {{ auth_jwt off; }}
    location /f {{ auth_jwt on; auth_jwt_key key.pem file; }}
"""

TIZP = """
    root html; auth_jwt_key_file secret; auth_jwt_alg HS256;
    location /a { auth_jwt "A"; }
    location /b { auth_jwt "B" token=$arg_t; }
    location /c { auth_jwt "C"; auth_jwt_alg RS256; }
    location /d { auth_jwt "D"; auth_jwt_key_file key.pem; auth_jwt_alg RS256; }
    location /e { auth_jwt off; }
"""


def _letters(last: str) -> tuple[str, ...]:
    return tuple(f"/{letter}" for letter in "abcdefghij" if letter <= last)


SETUPS = {
    setup.name: setup
    for setup in (
        Setup("plus", PLUS, KEY, FORGED, PLUS_PATHS),
        Setup("pyngx", PYNGX, KEY, FORGED, (*_letters("d"), "/d?iss=me")),
        Setup("kjdev", KJDEV, KEY, FORGED, (*_letters("j"), "/f?x=1")),
        Setup("tesla", TESLA, HMAC, FORGED_HMAC, (*_letters("g"), "/b?on=off", "/b?on=on")),
        Setup("maxlt", MAXLT, HMAC, FORGED_HMAC, (*_letters("f"), "/d?x=1")),
        Setup("tizp", TIZP, HMAC, FORGED_HMAC, _letters("e")),
    )
}


def tokens(setup: Setup) -> dict[str, str]:
    """By what is wrong with them."""
    key = setup.key
    good = key.sign(CLAIMS)
    other_alg = "HS384" if key.alg == "HS256" else "PS512"
    without_exp = {name: value for name, value in CLAIMS.items() if name != "exp"}
    return {
        "none": "",
        "good": good,
        "forged": setup.forged.sign(CLAIMS),
        "of another type": (KEY if key is HMAC else HMAC).sign(CLAIMS, {"kid": "k1"}),
        "of another name": key.sign(CLAIMS, {"kid": "k9"}),
        "of another algorithm": key.sign(CLAIMS, {"alg": other_alg}),
        "unsigned": f"{_part({'alg': 'none'})}.{_part(CLAIMS)}.",
        "expired": key.sign({**CLAIMS, "exp": NOW - 60}),
        "without exp": key.sign(without_exp),
        "early": key.sign({**CLAIMS, "nbf": NOW + 36000}),
        "with a date that is none": key.sign({**CLAIMS, "exp": "soon"}),
        "of somebody": key.sign({**CLAIMS, "sub": 5, "iss": "you", "n": 1}),
        "revoked": key.sign({**CLAIMS, "sub": "bob"}),
        "malformed": "a.b",
        "cut": good[:-9],
        "critical": key.sign(CLAIMS, {"crit": ["x"], "x": 1}),
        "an array": key.sign(b"[1]"),
    }


def _part(members: Json) -> str:
    return encode_base64url(encode_json(members).encode()).decode()
