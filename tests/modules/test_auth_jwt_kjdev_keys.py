"""Keys and revocation lists, as kjdev's module has them."""

from __future__ import annotations

import json
import os
import time

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pyngx_jwt.jwt import Json
from pyngx_jwt.jwt.mint import SigningKey

from ..jwt.keys import hs, jwks, secret, signing_key, without
from ..nginx import Nginx
from ..wire import DEADLINE
from .tokens import FILES, KEY, KEYS, OTHER, Issuer, bearer, tampered, token

pytestmark = pytest.mark.needs("auth-jwt")
DIALECT = "# written for kjdev/nginx-auth-jwt\n"
A = "try_files /a =404;"
THIRD = signing_key("ES256", "k3")
RSA = signing_key("RS256", "rsa")


def pem(key: SigningKey) -> str:
    public = key.jwk.get_op_key("verify")
    text: bytes = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return text.decode()


def keyval(*keys: SigningKey) -> str:
    return json.dumps({key.jwk.get("kid"): pem(key) for key in keys})


PAGES = {
    **FILES,
    "third.json": jwks(THIRD),
    "pem.json": keyval(KEY, RSA),
    "html/a": "content",
    "html/keys.json": FILES["jwks.json"],
    "html/pem.json": keyval(OTHER, RSA),
    "html/third.json": jwks(THIRD),
    "html/junk.json": "junk",
}


def status(nginx: Nginx, key: SigningKey, target: str = "/a") -> int:
    return nginx.request(f"GET {target}", bearer(key)).status


def statuses(nginx: Nginx, target: str) -> list[int]:
    """With tokens of each of these."""
    return [status(nginx, key, target) for key in (KEY, OTHER, THIRD, RSA)]


# Files.


def test_files_in_both_forms(nginx: Nginx) -> None:
    nginx(
        f"""
        auth_jwt "A"; root html;
        location / {{ auth_jwt_key_file jwks.json jwks; }}
        location /keyval {{ auth_jwt_key_file pem.json keyval; {A} }}
        location /short {{ auth_jwt_key_file pem.json k; {A} }}
        location /both {{
            auth_jwt_key_file other.json; auth_jwt_key_file pem.json keyval; {A}
        }}
        """,
        files=PAGES,
    )
    assert statuses(nginx, "/a") == [200, 401, 401, 401]
    assert statuses(nginx, "/keyval") == [200, 401, 401, 200]
    assert statuses(nginx, "/short") == [200, 401, 401, 200]
    assert statuses(nginx, "/both") == [200, 200, 401, 200]


def test_sources_add_up(nginx: Nginx) -> None:
    nginx(
        f"""
        auth_jwt "A"; root html; auth_jwt_key_file other.json;
        location / {{ auth_jwt_key_request /keys/third.json; }}
        location /server {{ {A} }}
        location /keys {{ internal; auth_jwt off; alias html; }}
        """,
        http="auth_jwt_key_file jwks.json jwks;",
        files=PAGES,
    )
    assert statuses(nginx, "/a") == [200, 200, 200, 401]
    assert statuses(nginx, "/server") == [200, 200, 401, 401]


def test_limit_except_adds_keys(nginx: Nginx) -> None:
    nginx(
        """
        auth_jwt "A"; root html; auth_jwt_key_file other.json;
        location / { limit_except POST { auth_jwt_key_file pem.json keyval; } }
        """,
        files=PAGES,
    )
    assert statuses(nginx, "/a") == [200, 200, 401, 200]
    assert nginx.request("POST /a", bearer(OTHER)).status == 405
    assert nginx.request("POST /a", bearer()).status == 401


def test_kids(nginx: Nginx) -> None:
    """A kid that a set knows is tried there alone; another one with the keys without names."""
    unnamed = without(OTHER, "kid")
    nginx(
        f"""
        auth_jwt "A"; root html;
        location / {{ auth_jwt_key_file both.json; }}
        location /sets {{ auth_jwt_key_file jwks.json; auth_jwt_key_file unnamed.json; {A} }}
        location /named {{ auth_jwt_key_file jwks.json; auth_jwt_key_file third.json; {A} }}
        """,
        http=DIALECT,
        files={**PAGES, "both.json": jwks(KEY, unnamed), "unnamed.json": jwks(unnamed)},
    )
    exp = int(time.time()) + 60
    cases: list[tuple[str, SigningKey, dict[str, Json], int]] = [
        ("/a", KEY, {}, 200),
        ("/a", OTHER, {}, 200),
        ("/a", KEY, {"kid": "x"}, 401),
        ("/a", KEY, {"kid": 5}, 200),
        ("/a", OTHER, {"kid": "k1"}, 401),
        ("/sets", KEY, {}, 200),
        ("/sets", OTHER, {"kid": "x"}, 200),
        ("/sets", OTHER, {"kid": "k1"}, 200),  # the other set does not know it
        ("/named", KEY, {"kid": "x"}, 401),
        ("/named", KEY, {"kid": ""}, 200),
        ("/named", THIRD, {"kid": "k1"}, 401),
    ]
    for target, key, header, wanted in cases:
        sent = f"Authorization: Bearer {key.sign({'exp': exp}, header)}"
        assert nginx.request(f"GET {target}", sent).status == wanted, (target, header)


def test_file_by_variable(nginx: Nginx) -> None:
    """What cannot be read is left out."""
    nginx(
        f"""
        auth_jwt "A"; root html; auth_jwt_key_file $file; auth_jwt_key_file $pem keyval;
        location / {{ }}
        location /more {{ auth_jwt_key_file third.json; {A} }}
        """,
        http="""
            map $arg_f $file { default ""; ~. %%DIR%%/$arg_f.json; }
            map $arg_p $pem { default ""; ~. %%DIR%%/$arg_p.json; }
        """,
        files={**PAGES, "junk.json": "junk"},
    )
    for target, wanted in (
        ("/a?f=jwks", [200, 401, 401, 401]),
        ("/a?f=other&p=pem", [200, 200, 401, 200]),
        ("/a", [401] * 4),
        ("/a?f=junk", [401] * 4),
        ("/a?f=none&p=none", [401] * 4),
        ("/more?f=none", [401, 401, 200, 401]),
        ("/more?f=jwks", [200, 401, 200, 401]),
    ):
        assert statuses(nginx, target) == wanted, target
    here = nginx.filled("%%DIR%%")
    nginx.wait_for_log(rf'\[error\].* auth_jwt: failed to load jwks file: "{here}/none.json"')
    nginx.wait_for_log(rf'\[error\].* auth_jwt: failed to load key file: "{here}/none.json"')
    nginx.wait_for_log("auth_jwt: rejected due to without signature key")


@pytest.mark.nginx_differs("it takes a whole variable or none")
def test_variables_inside_of_names(nginx: Nginx) -> None:
    nginx(
        f"""
        auth_jwt "A"; root html;
        location / {{ auth_jwt_key_file $arg_f.json jwks; }}
        location /uri {{ auth_jwt_key_request /$arg_f.json jwks; {A} }}
        location ~ json$ {{ auth_jwt off; internal; }}
        """,
        files=PAGES,
    )
    assert statuses(nginx, "/a?f=other") == [401, 200, 401, 401]
    assert statuses(nginx, "/uri?f=third") == [401, 401, 200, 401]


@pytest.mark.nginx_differs("it reads files once")
def test_changed_file(nginx: Nginx) -> None:
    nginx(f'{KEYS} auth_jwt "A"; root html;', http=DIALECT, files=PAGES)
    assert status(nginx, KEY) == 200
    nginx.write("jwks.json", jwks(OTHER))
    assert status(nginx, OTHER) == 200
    assert status(nginx, KEY) == 401


@pytest.mark.parametrize(
    "content",
    ["", "junk", "{}", '{"keys": []}', "[]", json.dumps(KEY.members()), jwks({"kty": "x"})],
)
def test_unusable_file(nginx: Nginx, content: str) -> None:
    nginx.write("bad.json", content)
    text = '"auth_jwt_key_file" directive failed to load {} file: "%%DIR%%/bad.json"'
    nginx.rejects("auth_jwt_key_file bad.json jwks;", text.format("jwks"), line=1)
    nginx.rejects("auth_jwt_key_file bad.json keyval;", text.format("key"), line=1)


K, R = KEY.members(), RSA.members()
OPS = without(KEY, "use")


@pytest.mark.parametrize(
    "keys, usable",
    [
        ([{**K, "use": "enc"}], False),
        ([{**K, "use": "enc", "kid": "z"}, R], True),
        ([{**OPS, "key_ops": ["verify"]}], True),
        ([{**K, "kid": ""}], False),
        ([{**K, "kid": ""}, R], True),
        ([{"kty": "x"}, K], True),
        ([{"kid": "x"}], False),
        (["x"], False),
        (["x", K], True),
        ([{**K, "x": "AAAA"}], False),
        ([{**K, "x": "AAAA"}, R], True),
        ([{**K, "crv": "P-999"}], False),
        ([{**K, "crv": "P-999"}, R], True),
        ([{**K, "x": f"{K['x']}="}], True),
        ([K, K], True),
        ([KEY.members(private=True)], True),
        ([{**K, "x5c": ["AAAA"], "jku": "x"}], True),
        ([{"kty": "RSA", "e": "AQAB"}], False),
        ([{"kty": "RSA", "e": "AQAB"}, K], True),
        ([{"kty": "oct", "k": ""}], False),
        ([{"kty": "oct", "k": "YWI"}], True),
        ([{"kty": "oct", "k": "+/+/"}], False),
        ([signing_key("EdDSA", "e", "Ed448").members()], True),
        ([signing_key("ES256K", "e").members()], True),
    ],
)
def test_sets(nginx: Nginx, keys: list[Json], usable: bool) -> None:
    nginx.write("keys.json", jwks(*keys))
    if usable:
        nginx.accepts("auth_jwt_key_file keys.json jwks;")
    else:
        text = '"auth_jwt_key_file" directive failed to load jwks file: "%%DIR%%/keys.json"'
        nginx.rejects("auth_jwt_key_file keys.json jwks;", text)


@pytest.mark.nginx_differs("one malformed key disables the set (RFC 7517, section 5)")
@pytest.mark.parametrize("x", ["!!", "+/+/", K["y"]], ids=["sign", "base64", "off the curve"])
def test_malformed_key_beside_another(nginx: Nginx, x: Json) -> None:
    nginx.write("keys.json", jwks({**K, "x": x}, R))
    assert "is skipped" in nginx.accepts("auth_jwt_key_file keys.json jwks;")


@pytest.mark.nginx_differs("it takes keys that no token could be verified with, or that are twins")
@pytest.mark.parametrize(
    "keys",
    [
        [{**OPS, "key_ops": ["sign"]}],
        [{**K, "kid": 5}],
        [{**K, "alg": "RS256"}],
        [{**K, "alg": "XX"}],
        [K, {**OTHER.members(), "kid": "k1"}],
    ],
)
def test_useless_keys(nginx: Nginx, keys: list[Json]) -> None:
    nginx.write("keys.json", jwks(*keys))
    text = '"auth_jwt_key_file" directive failed to load jwks file: "%%DIR%%/keys.json"'
    nginx.rejects("auth_jwt_key_file keys.json jwks;", text)
    nginx.write("keys.json", jwks(*keys, R))
    nginx.accepts("auth_jwt_key_file keys.json jwks;")


@pytest.mark.nginx_differs("it skips RSA keys of less than 2048 bits")
def test_weak_key(nginx: Nginx) -> None:
    """With a warning."""
    nginx.write("keys.json", jwks(SigningKey.generate("RS256", "weak", bits=1024)))
    assert "RSA modulus of 1024 bits is weak" in nginx.accepts("auth_jwt_key_file keys.json jwks;")


def test_unusable_files_by_size(nginx: Nginx) -> None:
    text = '"auth_jwt_key_file" directive failed to load jwks file: "%%DIR%%/{}"'
    nginx.write("big.json", jwks(KEY) + " " * 262144)
    nginx.write("many.json", jwks(*(signing_key("HS256", f"k{n}") for n in range(65))))
    for name in ("big.json", "many.json", "none.json"):
        nginx.rejects(f"auth_jwt_key_file {name} jwks;", text.format(name), line=1)


def test_secrets_are_no_keyval(nginx: Nginx) -> None:
    nginx.write("secret.json", '{"k1": "0123456789abcdef0123456789abcdef"}')
    text = '"auth_jwt_key_file" directive failed to load key file: "%%DIR%%/secret.json"'
    nginx.rejects("auth_jwt_key_file secret.json keyval;", text, line=1)


# Subrequests.

REQUESTS = f"""
    auth_jwt "A"; root html;
    location /jwks {{ auth_jwt_key_request /keys.json jwks; {A} }}
    location /keyval {{ auth_jwt_key_request /pem.json keyval; {A} }}
    location /several {{
        auth_jwt_key_request /keys.json; auth_jwt_key_request /junk.json;
        auth_jwt_key_request /none.json; auth_jwt_key_request /pem.json keyval; {A}
    }}
    location /variable {{ auth_jwt_key_request $arg_uri; {A} }}
    location /bad {{ auth_jwt_key_request /junk.json keyval; {A} }}
    location /none {{ auth_jwt_key_request /none.json; {A} }}
    location ~ json$ {{ auth_jwt off; internal; }}
"""


def test_requests(nginx: Nginx) -> None:
    """Those that bring no keys are left out."""
    nginx(REQUESTS, files=PAGES)
    for target, wanted in (
        ("/jwks", [200, 401, 401, 401]),
        ("/keyval", [401, 200, 401, 200]),
        ("/several", [200, 200, 401, 200]),
        ("/variable?uri=/third.json", [401, 401, 200, 401]),
        ("/variable?uri=/keys.json", [200, 401, 401, 401]),
        ("/variable?uri=/none.json", [401] * 4),
        ("/variable", [401] * 4),
        ("/bad", [401] * 4),
        ("/none", [401] * 4),
    ):
        assert statuses(nginx, target) == wanted, target
    nginx.wait_for_log(r'\[error\].* auth_jwt: failed to load jwks: "/junk.json"')
    nginx.wait_for_log(r'\[error\].* auth_jwt: failed to load key: "/junk.json"')
    nginx.wait_for_log(r"\[info\].* auth_jwt: rejected due to without signature key")


def test_compressed_answer(nginx: Nginx) -> None:
    """Good keys of other sources do not make up for it."""
    nginx.backend("issuer", Issuer(jwks(KEY), "200 OK", "Content-Encoding: gzip"))
    nginx(
        f"""
        auth_jwt "A"; root html; {KEYS}
        location / {{ auth_jwt_key_request /_jwks; }}
        location /keyval {{ auth_jwt_key_request /_jwks keyval; {A} }}
        location = /_jwks {{ internal; auth_jwt off; proxy_pass http://127.0.0.1:%%PORT_issuer%%; }}
        """,
        http=DIALECT,
        files=PAGES,
    )
    text = r"\[error\].* auth_jwt: {} subrequest returned compressed response "
    rest = r"\(Content-Encoding: gzip\), rejecting"
    for target, what in (("/a", "JWKS"), ("/keyval", "key")):
        nginx.exchange(f"""
            > GET {target}
            > {bearer()}
            < 401
            < WWW-Authenticate: Bearer realm="A", error="invalid_token"
            """)
        nginx.wait_for_log(text.format(what) + rest)


@pytest.mark.nginx_differs("it takes keys from an answer of any status")
@pytest.mark.parametrize("line", ["500 Internal Server Error", "404 Not Found", "302 Found"])
def test_only_an_answer_with_status_200_counts(nginx: Nginx, line: str) -> None:
    nginx.backend("issuer", Issuer(jwks(KEY), line, "Location: /elsewhere"))
    nginx(
        f"""
        auth_jwt "A"; root html; auth_jwt_key_request /_jwks jwks;
        location = /_jwks {{ internal; proxy_pass http://127.0.0.1:%%PORT_issuer%%; }}
        location /file {{ auth_jwt_key_file other.json; {A} }}
        """,
        files=PAGES,
    )
    assert status(nginx, KEY) == 401
    nginx.wait_for_log('auth_jwt: failed to load jwks: "/_jwks"')
    assert statuses(nginx, "/file") == [401, 200, 401, 401]


def test_issuer_that_is_down(nginx: Nginx) -> None:
    nginx(
        """
        auth_jwt "A"; root html; auth_jwt_key_request /_jwks jwks;
        location / { auth_jwt_key_file other.json; }
        location = /_jwks { internal; proxy_pass http://127.0.0.1:%%PORT_issuer%%; }
        """,
        files=PAGES,
    )
    assert statuses(nginx, "/a") == [401, 200, 401, 401]


@pytest.mark.nginx_differs("it relies on the location's cache, and asks once more for each request")
def test_rotation(nginx: Nginx) -> None:
    """Requests share an answer; an unknown kid has the cache passed by."""
    issuer = Issuer()
    nginx.backend("issuer", issuer)
    nginx(
        """
        auth_jwt "A"; root html; auth_jwt_key_request /_jwks jwks;
        location = /_jwks {
            internal; proxy_cache keys; proxy_cache_valid 200 1h;
            proxy_pass http://127.0.0.1:%%PORT_issuer%%;
        }
        """,
        http="proxy_cache_path %%DIR%%/cache keys_zone=keys:1m;",
        files=PAGES,
    )
    assert status(nginx, KEY) == 200
    issuer.body = jwks(THIRD)
    assert status(nginx, KEY) == 200
    assert len(issuer.asked) == 1
    assert status(nginx, THIRD) == 200
    assert status(nginx, KEY) == 401
    assert len(issuer.asked) == 2


@pytest.mark.nginx_differs("it cannot fetch keys in the preaccess phase")
def test_request_before_access(nginx: Nginx) -> None:
    nginx(
        """
        auth_jwt "A"; root html; auth_jwt_phase preaccess; auth_jwt_key_request /keys.json;
        location ~ json$ { auth_jwt off; internal; }
        """,
        files=PAGES,
    )
    assert statuses(nginx, "/a") == [200, 401, 401, 401]


# What verifies.


def test_algorithm_and_key(nginx: Nginx) -> None:
    octets = b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
    nginx(
        f"""
        auth_jwt "A"; root html;
        location / {{ auth_jwt_key_file named.json; }}
        location /any {{ auth_jwt_key_file any.json; {A} }}
        location /pem {{ auth_jwt_key_file pem.json keyval; {A} }}
        """,
        files={
            **PAGES,
            "named.json": jwks(secret(octets, alg="HS256", kid="s")),
            "any.json": jwks(secret(octets), without(RSA, "alg", "kid")),
        },
    )
    exp = int(time.time()) + 60
    forged = hs({"exp": exp}, {"alg": "HS256", "kid": "rsa"}, pem(RSA).encode())
    for target, text, wanted in (
        ("/a", hs({"exp": exp}, {"alg": "HS256", "kid": "s"}, octets), 200),
        ("/a", hs({"exp": exp}, {"alg": "HS512", "kid": "s"}, octets), 401),
        ("/any", hs({"exp": exp}, {"alg": "HS512"}, octets), 200),
        ("/any", hs({"exp": exp}, {"alg": "HS256"}, pem(RSA).encode()), 401),
        ("/any", RSA.sign({"exp": exp}), 200),
        ("/any", tampered(RSA.sign({"exp": exp})), 401),
        ("/pem", RSA.sign({"exp": exp}), 200),
        ("/pem", forged, 401),
    ):
        sent = f"Authorization: Bearer {text}"
        assert nginx.request(f"GET {target}", sent).status == wanted, (target, text)


# Revocation lists.


def revoking(nginx: Nginx) -> None:
    nginx(
        f"""
        {KEYS} auth_jwt_key_file other.json; auth_jwt "A"; root html;
        auth_jwt_revocation_list_sub one.json;
        location / {{ }}
        location /more {{
            auth_jwt_revocation_list_sub two.json; auth_jwt_revocation_list_sub three.json; {A}
        }}
        location /kid {{ auth_jwt_revocation_list_kid kids.json; {A} }}
        location /except {{
            {A} limit_except POST {{ auth_jwt_revocation_list_sub two.json; }}
        }}
        location /off {{ auth_jwt off; {A} }}
        """,
        http=f"{DIALECT} auth_jwt_revocation_list_sub zero.json;",
        files={
            **PAGES,
            "zero.json": '{"u0": {"why": "0"}}',
            "one.json": '{"u1": {"by": "x", "at": 5}, "us": null, "J\\u00fc": 1}',
            "two.json": '{"u2": "two", "u3": "two"}',
            "three.json": '{"u3": "three"}',
            "kids.json": '{"k2": {}}',
        },
    )


def test_revoked(nginx: Nginx) -> None:
    revoking(nginx)
    exp = int(time.time()) + 60
    for target, text, wanted in (
        ("/a", token(sub="u"), 200),
        ("/a", token(sub="u0"), 401),
        ("/a", token(sub="u1"), 401),
        ("/a", token(sub="us"), 401),
        ("/a", token(sub="J\u00fc"), 401),
        ("/a", token(sub="U1"), 200),
        ("/a", token(sub="u2"), 200),
        ("/a", token(sub=""), 200),
        ("/a", token(sub=None), 401),
        ("/a", token(sub=5), 401),
        ("/more", token(sub="u0"), 401),
        ("/more", token(sub="u1"), 401),
        ("/more", token(sub="u2"), 401),
        ("/more", token(sub="u3"), 401),
        ("/more", token(sub="u4"), 200),
        ("/kid", token(sub="u"), 200),
        ("/kid", token(OTHER, sub="u"), 401),
        ("/kid", KEY.sign({"exp": exp, "sub": "u"}, {"kid": ""}), 401),
        ("/kid", KEY.sign({"exp": exp, "sub": "u"}, {"kid": 5}), 401),
        ("/kid", token(sub="u1"), 401),
        ("/except", token(sub="u2"), 401),
        ("/off", token(sub="u0"), 200),
    ):
        sent = f"Authorization: Bearer {text}"
        assert nginx.request(f"GET {target}", sent).status == wanted, (target, text)
    assert nginx.request("POST /except", bearer(sub="u2")).status == 405


def test_what_the_log_says_of_revoked_tokens(nginx: Nginx) -> None:
    """A value that is in several lists of a level is told as the last of them has it."""
    revoking(nginx)
    for target, sent, text in (
        ("/a", bearer(sub="u0"), 'sub in revocation list: sub="u0" {"why":"0"}'),
        ("/a", bearer(sub="u1"), 'sub in revocation list: sub="u1" {"by":"x","at":5}'),
        ("/more", bearer(sub="u3"), 'sub in revocation list: sub="u3" "three"'),
        ("/kid", bearer(OTHER, sub="u"), 'kid in revocation list: kid="k2" {}'),
    ):
        assert nginx.request(f"GET {target}", sent).status == 401
        assert "[info] " in nginx.wait_for_log(f"auth_jwt: rejected due to {text}")
    sent = f"Authorization: Bearer {KEY.sign({'sub': 'u'}, {'kid': ''})}"
    assert nginx.request("GET /kid", sent).status == 401
    nginx.wait_for_log("rejected due to kid cannot be empty when revocation_kids set")


@pytest.mark.nginx_differs("it reads revocation lists once")
def test_changed_list(nginx: Nginx) -> None:
    """A list that becomes bad leaves in force what it held before."""
    revoking(nginx)

    def eventually(wanted: int, sub: str) -> None:
        deadline = time.monotonic() + DEADLINE
        while nginx.request("GET /a", bearer(sub=sub)).status != wanted:
            assert time.monotonic() < deadline

    assert nginx.request("GET /a", bearer(sub="new")).status == 200
    nginx.write("one.json", '{"new": 1}')
    eventually(401, "new")
    eventually(200, "u1")
    nginx.write("one.json", '{"new": ')
    nginx.request("GET /a", bearer(sub="x"))
    deadline = time.monotonic() + DEADLINE
    while "one.json" not in nginx.error_log():
        nginx.request("GET /a", bearer(sub="x"))
        assert time.monotonic() < deadline
    assert nginx.request("GET /a", bearer(sub="new")).status == 401
    nginx.write("one.json", "{}")
    eventually(200, "new")
    os.unlink(nginx.prefix / "zero.json")
    deadline = time.monotonic() + DEADLINE
    while "zero.json" not in nginx.error_log():
        nginx.request("GET /a", bearer(sub="x"))
        assert time.monotonic() < deadline
    assert nginx.request("GET /a", bearer(sub="u0")).status == 401


@pytest.mark.parametrize("content", ["", "junk", "[]", '"u1"', None])
@pytest.mark.parametrize("name", ["sub", "kid"])
def test_unusable_list(nginx: Nginx, name: str, content: str | None) -> None:
    if content is not None:
        nginx.write("list.json", content)
    nginx.rejects(
        f"auth_jwt_revocation_list_{name} list.json;",
        f'"auth_jwt_revocation_list_{name}" directive failed to load file: "%%DIR%%/list.json"',
        line=1,
    )


def test_list_that_is_too_large(nginx: Nginx) -> None:
    nginx.write("list.json", "{" + " " * 2**20 + "}")
    nginx.rejects(
        "auth_jwt_revocation_list_sub list.json;",
        '"auth_jwt_revocation_list_sub" directive failed to load file: "%%DIR%%/list.json"',
    )
    nginx.write("list.json", "{" + " " * (2**20 - 2) + "}")
    nginx.accepts("auth_jwt_revocation_list_sub list.json;")


@pytest.mark.pyngx_only("about our words")
def test_what_is_wrong_with_a_file_is_told(nginx: Nginx) -> None:
    nginx.write("list", "[]")
    for text, why in (
        ("auth_jwt_key_file none.json jwks;", "(2: No such file or directory)"),
        ("auth_jwt_key_file list jwks;", 'JWK Set is not an object with an array "keys"'),
        ("auth_jwt_revocation_list_sub list;", "not a JSON object"),
    ):
        told = nginx.refused(text)
        assert "nginx: [warn] auth_jwt: " in told and f"cannot be used: {why}" in told
