"""auth_jwt_type and what else is NGINX Plus alone; the rest of it is in test_auth_jwt.py."""

from __future__ import annotations

import itertools
import json
import time
from dataclasses import replace

import pytest

from pyngx_jwt.jwt import ALGORITHMS, CONTENT_ENCRYPTION, KEY_MANAGEMENT, Json
from pyngx_jwt.jwt.mint import EncryptionKey, SigningKey

from ..jwt.keys import encryption_key, jwks, signing_key, without
from ..nginx import Nginx
from .tokens import FILES, KEY, KEYS, OTHER, Issuer, bearer, tampered, token

pytestmark = [
    pytest.mark.needs("auth-jwt"),
    pytest.mark.pyngx_only("the module of this nginx is of another dialect"),
]
A = "try_files /a =404;"
PAGES = {**FILES, "html/a": "content"}
EXP = 4_102_444_800  # the year 2100
CLAIMS: dict[str, Json] = {"sub": "u1", "exp": EXP, "aud": ["a", "b"]}
BODY = json.dumps(CLAIMS, separators=(",", ":"))

RSA, RSA_ENC = signing_key("RS256", "rsa"), encryption_key("RSA-OAEP", "A128GCM", "rsa-enc")
OTHERS = [
    *(
        signing_key(alg, alg)
        for alg in ("HS256", "HS384", "HS512", "ES256", "ES384", "ES512", "ES256K")
    ),
    signing_key("EdDSA", "Ed25519", "Ed25519"),
    signing_key("EdDSA", "Ed448", "Ed448"),
]
SIGNING = [
    *(replace(RSA, alg=alg) for alg in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")),
    *OTHERS,
    *(replace(key, alg=str(key.members()["crv"])) for key in OTHERS if key.alg == "EdDSA"),
]
SECRETS = [alg for alg in KEY_MANAGEMENT if alg != "dir" and not alg.startswith("RSA")]


def encrypting(alg: str, enc: str) -> EncryptionKey:
    """The key to encrypt with for these: one RSA key for all that take one."""
    if alg.startswith("RSA"):
        return replace(RSA_ENC, alg=alg, enc=enc)
    if alg == "dir":
        return encryption_key(alg, enc, f"dir-{enc}")
    return replace(encryption_key(alg, "A128GCM", f"enc-{alg}"), enc=enc)


def any_alg(key: SigningKey | EncryptionKey) -> dict[str, Json]:
    return {name: value for name, value in key.members().items() if name != "alg"}


SIGNING_SET = jwks(any_alg(RSA), *OTHERS)
ENCRYPTION_SET = jwks(
    any_alg(RSA_ENC),
    *(encrypting(alg, "A128GCM") for alg in SECRETS),
    *(encrypting("dir", enc) for enc in CONTENT_ENCRYPTION),
)
HEADERS = """
    add_header X-Sub $jwt_claim_sub; add_header X-Aud $aud; add_header X-Kid $jwt_header_kid;
    add_header X-Payload $jwt_payload; add_header X-Enc $enc;
"""


@pytest.fixture(scope="module")
def server(module_nginx: Nginx) -> Nginx:
    """A location for each form of tokens."""
    module_nginx(
        f"""
        auth_jwt "A"; root html; {HEADERS} large_client_header_buffers 4 16k;
        location / {{ auth_jwt_key_file sig.json; }}
        location /encrypted {{ auth_jwt_type encrypted; auth_jwt_key_file enc.json; {A} }}
        location /nested {{
            auth_jwt_type nested; auth_jwt_key_file enc.json; auth_jwt_key_file sig.json; {A}
        }}
        """,
        http="auth_jwt_claim_set $aud aud; auth_jwt_header_set $enc enc;",
        files={**PAGES, "sig.json": SIGNING_SET, "enc.json": ENCRYPTION_SET},
    )
    return module_nginx


assert {key.alg for key in SIGNING} == ALGORITHMS.keys()


def told(server: Nginx, target: str, text: str) -> list[str | None]:
    answer = server.request(f"GET {target}", f"Authorization: Bearer {text}")
    names = ("X-Sub", "X-Aud", "X-Kid", "X-Payload", "X-Enc")
    return [str(answer.status), *(answer.get(name) for name in names)]


@pytest.mark.parametrize("key", SIGNING, ids=lambda key: f"{key.alg} {key.jwk['kty']}")
def test_signed(server: Nginx, key: SigningKey) -> None:
    kid = str(key.jwk.get("kid"))
    assert told(server, "/a", key.sign(CLAIMS)) == ["200", "u1", "a,b", kid, BODY, None]
    for target, text in (
        ("/a", tampered(key.sign(CLAIMS))),
        ("/encrypted", key.sign(CLAIMS)),
        ("/nested", key.sign(CLAIMS)),
        ("/a", key.sign({**CLAIMS, "exp": 5})),
    ):
        assert told(server, target, text) == ["401"] + [None] * 5


PAIRS = list(itertools.product(KEY_MANAGEMENT, CONTENT_ENCRYPTION))


@pytest.mark.parametrize("alg, enc", PAIRS)
def test_encrypted(server: Nginx, alg: str, enc: str) -> None:
    key = encrypting(alg, enc)
    text, kid = key.encrypt(CLAIMS), str(key.jwk.get("kid"))
    assert told(server, "/encrypted", text) == ["200", "u1", "a,b", kid, BODY, enc]
    inner = SIGNING[-1].sign(CLAIMS)
    assert told(server, "/nested", key.encrypt(inner)) == ["200", "u1", "a,b", kid, inner, enc]
    for target, bad in (
        ("/a", text),
        ("/nested", text),
        ("/encrypted", key.encrypt(inner)),
        ("/encrypted", tampered(text)),
        ("/encrypted", key.encrypt({**CLAIMS, "exp": 5})),
        ("/nested", key.encrypt(tampered(inner))),
        ("/nested", key.encrypt(SIGNING[-1].sign({"nbf": EXP}))),
    ):
        assert told(server, target, bad) == ["401"] + [None] * 5


@pytest.mark.parametrize(
    "text",
    [
        signing_key("ES256K", "k", copy=1).sign(CLAIMS),
        replace(RSA, alg="RS256").sign(CLAIMS, {"kid": "Ed25519"}),
        encryption_key("A128KW", "A128GCM", "other").encrypt(CLAIMS),
        encryption_key("A128KW", "A128GCM", "enc-A128KW", copy=1).encrypt(CLAIMS),
        encrypting("A128KW", "A128GCM").encrypt(CLAIMS, {"zip": "DEF"}),
        encrypting("A128KW", "A128GCM").encrypt(CLAIMS, {"crit": ["exp"]}),
        encrypting("A128KW", "A128GCM").encrypt(CLAIMS, {"alg": "dir"}),
        encrypting("A128KW", "A128GCM").encrypt(b"[1]"),
    ],
)
def test_refused_in_every_form(server: Nginx, text: str) -> None:
    for target in ("/a", "/encrypted", "/nested"):
        assert told(server, target, text)[0] == "401"


def test_decryption_alone_is_said_to_have_failed(server: Nginx) -> None:
    before = len(server.error_log())
    text = encrypting("RSA-OAEP", "A128GCM").encrypt(CLAIMS)
    assert told(server, "/encrypted", tampered(text))[0] == "401"
    log = server.error_log()[before:]
    assert "refused: cannot be decrypted: " in log
    assert not any(part in log for part in text.split("."))


# Variables.


def test_paths_in_all_forms(nginx: Nginx) -> None:
    """Inside of objects; arrays are joined by commas, whatever is in them."""
    key = encrypting("A256KW", "A256GCM")
    nginx(
        f"""
        auth_jwt "A"; root html; auth_jwt_key_file all.json;
        add_header X-Roles $roles; add_header X-Deep $deep; add_header X-Jwk $jwk;
        add_header X-Dotted $dotted; add_header X-Through $through; add_header X-Whole $whole;
        location / {{ }}
        location /encrypted {{ auth_jwt_type encrypted; {A} }}
        location /nested {{ auth_jwt_type nested; {A} }}
        """,
        http="""
            auth_jwt_claim_set $roles realm_access roles; auth_jwt_claim_set $deep a b c d;
            auth_jwt_claim_set $dotted a.b; auth_jwt_claim_set $through l x;
            auth_jwt_claim_set $whole a b; auth_jwt_header_set $jwk jwk nested v;
        """,
        files={**PAGES, "all.json": jwks(KEY, key)},
    )
    claims: dict[str, Json] = {
        "realm_access": {"roles": ["r1", 2, True, None, {"x": 1}]},
        "a": {"b": {"c": {"d": 1.5}}},
        "a.b": "dotted",
        "l": [{"x": "y"}],
    }
    header: dict[str, Json] = {"jwk": {"nested": {"v": ["p", "q"]}}}
    for target, text in (
        ("/a", KEY.sign(claims, header)),
        ("/encrypted", key.encrypt(claims, header)),
        ("/nested", key.encrypt(KEY.sign(claims), header)),
    ):
        nginx.exchange(f"""
            > GET {target}
            > Authorization: Bearer {text}
            < 200
            < X-Roles: r1,2,true,,{{"x":1}}
            < X-Deep: 1.5
            < X-Dotted: dotted
            < !X-Through
            < X-Whole: {{"c":{{"d":1.5}}}}
            < X-Jwk: p,q
            """)


def test_encrypted_tokens_before_the_access_phase(nginx: Nginx) -> None:
    """As of signed tokens, something is told of good ones only."""
    key = encrypting("A256KW", "A256GCM")
    nginx(
        """
        auth_jwt "A"; auth_jwt_type encrypted; auth_jwt_key_file enc.json;
        location / { return 200 "[$jwt_claim_sub|$jwt_payload]"; }
        location /off { auth_jwt off token=$arg_t; return 200 "[$jwt_claim_sub]"; }
        location /keyless { auth_jwt_key_file none.json; return 200 "[$jwt_claim_sub]"; }
        """,
        files={"enc.json": jwks(key)},
    )
    good = key.encrypt(CLAIMS)
    for target, text, body in (
        ("/", good, f"[u1|{BODY}]"),
        ("/", tampered(good), "[|]"),
        ("/", KEY.sign(CLAIMS), "[|]"),
        (f"/off?t={good}", "x", "[u1]"),
        (f"/off?t={tampered(good)}", good, "[]"),
        ("/keyless", good, "[]"),
    ):
        answer = nginx.request(f"GET {target}", f"Authorization: Bearer {text}")
        assert (answer.status, answer.text) == (200, body), target


# Requirements.


def test_require_on_levels(nginx: Nginx) -> None:
    """A level's own take the place of all that the outer one has, statuses and all."""
    nginx(
        f"""
        {KEYS} root html; auth_jwt "A"; auth_jwt_require $arg_s error=403; auth_jwt_require $arg_t;
        location / {{ }}
        location /own {{
            auth_jwt_require $arg_x$arg_y "$arg_z,"; auth_jwt_require $role error=403; {A}
            limit_except GET {{ auth_jwt_require $arg_w error=403; }}
            location /own/inner {{ {A} }}
        }}
        """,
        http="map $jwt_claim_role $role { admin 1; user 0; default ''; }",
        files=PAGES,
    )
    for request, role, wanted in (
        ("GET /a", "user", 403),
        ("GET /a?s=1", "user", 401),
        ("GET /a?s=1&t=1", "user", 200),
        ("GET /own?x=1", "admin", 200),
        ("GET /own?y=0", "admin", 401),
        ("GET /own?x=1", "user", 403),
        ("GET /own?x=1", "none", 403),
        ("GET /own/inner?x=1", "user", 403),
        ("GET /own/inner?x=1", "admin", 200),
        ("DELETE /own?x=1", "admin", 403),
        ("DELETE /own?w=1", "user", 405),
    ):
        assert nginx.request(request, bearer(role=role)).status == wanted, (request, role)


# Other challenges.


def test_chosen_challenge(nginx: Nginx) -> None:
    """A directive that other modules have, too: it does not say whose the configuration is."""
    nginx(
        f"""
        {KEYS} auth_jwt "R"; root html; auth_jwt_www_authenticate 'Bearer resource="$host"';
        location / {{ }}
        location /on {{ auth_jwt_www_authenticate on; {A} }}
        location /off {{ auth_jwt_www_authenticate off; {A} }}
        location /require {{ auth_jwt_require $arg_a error=403; {A} }}
        location /controls {{ auth_jwt_www_authenticate "Bearer x=$uri"; {A} }}
        """,
        http="pyngx_jwt_dialect plus;",
        files=PAGES,
    )
    for target, sent, wanted in (
        ("/a", "X: y", (401, 'Bearer resource="localhost"')),
        ("/a", bearer(exp=5), (401, 'Bearer resource="localhost"')),
        ("/a", bearer(), (200, None)),
        ("/a", bearer(exp=None), (200, None)),
        ("/on", "X: y", (401, 'Bearer realm="R"')),
        ("/on", bearer(exp=5), (401, 'Bearer realm="R", error="invalid_token"')),
        ("/off", "X: y", (401, None)),
        ("/require", bearer(), (403, None)),
        ("/controls%0d%0aX-Evil:1", "X: y", (401, "Bearer x=/controlsX-Evil:1")),
    ):
        answer = nginx.request(f"GET {target}", sent)
        assert (answer.status, answer.get("WWW-Authenticate")) == wanted, target


# Levels.


def test_limit_except(nginx: Nginx) -> None:
    """Every directive that may stand there counts there."""
    key = encrypting("A256KW", "A256GCM")
    nginx(
        f"""
        {KEYS} auth_jwt "A"; root html;
        location / {{
            limit_except GET {{
                auth_jwt "B" token=$arg_t; auth_jwt_type encrypted; auth_jwt_key_file enc.json;
                auth_jwt_require $arg_a error=403;
            }}
        }}
        location /off {{ {A} limit_except GET {{ auth_jwt off token=$arg_t; }} }}
        """,
        files={**PAGES, "enc.json": jwks(key)},
    )
    text = key.encrypt(CLAIMS)
    for request, sent, wanted in (
        ("GET /a", bearer(), 200),
        (f"GET /a?t={text}", "X: y", 401),
        (f"DELETE /a?a=1&t={text}", "X: y", 405),
        (f"DELETE /a?t={text}", "X: y", 403),
        (f"DELETE /a?a=1&t={token()}", "X: y", 401),
        ("DELETE /a?a=1", bearer(), 401),
        ("GET /off", "X: y", 401),
        ("DELETE /off", "X: y", 405),
    ):
        assert nginx.request(request, sent).status == wanted, request
    assert 'realm="B"' in (nginx.request("DELETE /a").get("WWW-Authenticate") or "")


def test_leeway(nginx: Nginx) -> None:
    """From the very second of exp on a token is refused, with what leeway adds to it."""
    nginx(
        f"""
        {KEYS} auth_jwt "A"; root html; auth_jwt_leeway 100;
        location / {{ }}
        location /none {{ auth_jwt_leeway 0; {A} }}
        """,
        files=PAGES,
    )
    now = int(time.time())
    for target, claims, wanted in (
        ("/a", {"exp": now - 50}, 200),
        ("/a", {"exp": now - 100}, 401),
        ("/a", {"nbf": now + 90}, 200),
        ("/a", {"nbf": now + 150}, 401),
        ("/none", {"exp": now}, 401),
        ("/none", {"exp": now + 50, "nbf": now}, 200),
        ("/none", {"nbf": now + 50}, 401),
    ):
        assert nginx.request(f"GET {target}", bearer(**claims)).status == wanted, (target, claims)


# Keys.


def test_every_source_has_to_work(nginx: Nginx) -> None:
    """Unlike in kjdev's module, one that does not is not made up for by another."""
    nginx.backend("good", Issuer(jwks(OTHER)))
    nginx.backend("bad", Issuer("junk"))
    nginx(
        f"""
        auth_jwt "A"; root html;
        location / {{ auth_jwt_key_file jwks.json; auth_jwt_key_request /good; }}
        location /file {{ auth_jwt_key_file jwks.json; auth_jwt_key_file $arg_f; {A} }}
        location /request {{
            auth_jwt_key_file jwks.json; auth_jwt_key_request /good; auth_jwt_key_request /bad; {A}
        }}
        location /uri {{ auth_jwt_key_request /good; auth_jwt_key_request $arg_u; {A} }}
        location /part {{
            auth_jwt_key_request /$arg_u; auth_jwt_key_file %%DIR%%/$arg_f.json; {A}
        }}
        location = /good {{ internal; proxy_pass http://127.0.0.1:%%PORT_good%%; }}
        location = /bad {{ internal; proxy_pass http://127.0.0.1:%%PORT_bad%%; }}
        """,
        files=PAGES,
    )
    for target, mine, others in (
        ("/a", 200, 200),
        ("/file", 500, 500),
        ("/file?f=other.json", 200, 200),
        ("/file?f=none.json", 500, 500),
        ("/request", 500, 500),
        ("/uri?u=/good", 401, 200),
        ("/uri?u=/bad", 500, 500),
        ("/uri?u=/none", 500, 500),
        ("/uri", 500, 500),
        ("/part?u=good&f=jwks", 200, 200),
        ("/part?u=good&f=other", 401, 200),
        ("/part?u=bad&f=jwks", 500, 500),
        ("/part?u=good&f=none", 500, 500),
    ):
        found = [nginx.request(f"GET {target}", bearer(key)).status for key in (KEY, OTHER)]
        assert found == [mine, others], target


def test_rotation_of_keys_that_decrypt(nginx: Nginx) -> None:
    """An unknown kid has newer ones fetched."""
    old, new = encrypting("A256KW", "A256GCM"), encryption_key("A256KW", "A256GCM", "new")
    issuer = Issuer(jwks(old, KEY))
    nginx.backend("issuer", issuer)
    nginx(
        f"""
        auth_jwt "A"; root html; auth_jwt_key_request /_jwks; auth_jwt_key_cache 1h;
        location / {{ auth_jwt_type encrypted; }}
        location /nested {{ auth_jwt_type nested; {A} }}
        location = /_jwks {{ internal; proxy_pass http://127.0.0.1:%%PORT_issuer%%; }}
        """,
        files=PAGES,
    )

    def status(text: str, target: str = "/a") -> int:
        return nginx.request(f"GET {target}", f"Authorization: Bearer {text}").status

    assert status(old.encrypt(CLAIMS)) == 200
    issuer.body = jwks(new, OTHER)
    assert status(old.encrypt(CLAIMS)) == 200
    assert status(new.encrypt(CLAIMS)) == 200
    assert status(old.encrypt(CLAIMS)) == 401
    assert status(new.encrypt(OTHER.sign(CLAIMS)), "/nested") == 200
    assert len(issuer.asked) == 2


def test_key_cache_is_not_for_uris_with_variables(nginx: Nginx) -> None:
    one, two = Issuer(jwks(KEY)), Issuer(jwks(OTHER))
    nginx.backend("one", one)
    nginx.backend("two", two)
    nginx(
        """
        auth_jwt "A"; root html; auth_jwt_key_cache 1h; auth_jwt_key_request /$arg_k;
        location = /one { internal; proxy_pass http://127.0.0.1:%%PORT_one%%; set $x 1; }
        location = /two { internal; proxy_pass http://127.0.0.1:%%PORT_two%%; set $x 1; }
        """,
        files=PAGES,
    )
    for target, wanted in (("/a?k=one", 200), ("/a?k=two", 401), ("/a?k=one", 200)):
        assert nginx.request(f"GET {target}", bearer()).status == wanted
    assert (len(one.asked), len(two.asked)) in ((2, 1), (2, 2))  # a refresh for the unknown kid


def test_one_key_for_two_uses(nginx: Nginx) -> None:
    """A key that is to verify does not decrypt, and the other way round."""
    key = encryption_key("A256KW", "A256GCM", "both")
    verify = {**without(signing_key("HS256", "both"), "alg"), "k": key.members()["k"]}
    nginx(
        f"""
        auth_jwt "A"; root html;
        location / {{ auth_jwt_key_file enc.json; }}
        location /encrypted {{ auth_jwt_type encrypted; auth_jwt_key_file sig.json; {A} }}
        """,
        files={**PAGES, "enc.json": jwks(key), "sig.json": jwks(verify)},
    )
    text = f"Authorization: Bearer {key.encrypt(CLAIMS)}"
    signed = SigningKey("HS256", SigningKey.from_members({**verify, "alg": "HS256"}).jwk)
    assert nginx.request("GET /encrypted", text).status == 401
    assert nginx.request("GET /a", f"Authorization: Bearer {signed.sign(CLAIMS)}").status == 401


# What is ours.


def test_extensions_in_all_forms(nginx: Nginx) -> None:
    """Of a nested token, algorithm and claims are those of the inner one."""
    key = encrypting("A256KW", "A256GCM")
    nginx(
        f"""
        auth_jwt "A"; root html; auth_jwt_key_file all.json;
        auth_jwt_algorithm ES256; auth_jwt_validate_claim aud b $arg_aud;
        location / {{ }}
        location /encrypted {{ auth_jwt_type encrypted; {A} }}
        location /nested {{
            auth_jwt_type nested; {A} limit_except GET {{ auth_jwt_validate_claim sub admin; }}
        }}
        location /own {{ auth_jwt_algorithm RS256 HS512; auth_jwt_validate_claim sub u1; {A} }}
        """,
        files={**PAGES, "all.json": jwks(KEY, key, RSA)},
    )
    other: dict[str, Json] = {**CLAIMS, "aud": "c"}
    for request, text, wanted in (
        ("GET /a", KEY.sign(CLAIMS), 200),
        ("GET /a", KEY.sign(other), 401),
        ("GET /a?aud=c", KEY.sign(other), 200),
        ("GET /a", RSA.sign(CLAIMS), 401),
        ("GET /encrypted", key.encrypt(CLAIMS), 200),
        ("GET /encrypted", key.encrypt(other), 401),
        ("GET /nested", key.encrypt(KEY.sign(CLAIMS)), 200),
        ("GET /nested", key.encrypt(KEY.sign(other)), 401),
        ("GET /nested?aud=c", key.encrypt(KEY.sign(other)), 200),
        ("GET /nested", key.encrypt(RSA.sign(CLAIMS)), 401),
        ("DELETE /nested", key.encrypt(KEY.sign(CLAIMS)), 401),
        ("DELETE /nested", key.encrypt(KEY.sign({**CLAIMS, "sub": "admin"})), 405),
        ("GET /own", RSA.sign(other), 200),
        ("GET /own", KEY.sign(CLAIMS), 401),
    ):
        sent = f"Authorization: Bearer {text}"
        assert nginx.request(request, sent).status == wanted, (request, text)


def test_other_sources_in_all_forms(nginx: Nginx) -> None:
    key = encrypting("dir", "A256GCM")
    nginx(
        f"""
        root html; auth_jwt_key_file all.json;
        location / {{ auth_jwt "A" token=$arg_t; }}
        location /encrypted {{ auth_jwt "A" token=$arg_t; auth_jwt_type encrypted; {A} }}
        """,
        files={**PAGES, "all.json": jwks(KEY, key)},
    )
    for target, text, wanted in (
        ("/a", token(), 200),
        ("/a", key.encrypt(CLAIMS), 401),
        ("/encrypted", key.encrypt(CLAIMS), 200),
        ("/encrypted", token(), 401),
        ("/encrypted", key.encrypt(CLAIMS).rpartition(".")[0], 401),
        ("/encrypted", "....", 401),
    ):
        assert nginx.request(f"GET {target}?t={text}").status == wanted, (target, text)
