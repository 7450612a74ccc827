"""auth_jwt_key, auth_jwt_algorithm, auth_jwt_keyfile_path: keys as in TeslaGov's module."""

from __future__ import annotations

import pytest

from pyngx_jwt.jwt import ALGORITHMS

from ..jwt.keys import SECRET, hs, jwks, signing_key, without
from ..nginx import Nginx
from .plain_keys import (
    EC,
    ED,
    HEX,
    PAGE,
    RSA,
    auth,
    claims_of,
    good,
    pem,
    sentences,
    status,
    wait_for,
)
from .tokens import Issuer, tampered

pytestmark = pytest.mark.pyngx_only("no test nginx has TeslaGov's module")
OTHERS = sorted(name for name in ALGORITHMS if name[:2] != "HS")
KIND = {"R": RSA, "P": RSA, "E": EC}


@pytest.mark.parametrize("key", [HEX, HEX.upper()])
def test_secret_in_hex(nginx: Nginx, key: str) -> None:
    nginx(f"auth_jwt_key {key}; root html;", files=PAGE)
    assert status(nginx, "/a", auth(good())) == 200
    assert status(nginx, "/a", auth(hs(claims_of(), octets=key.encode()))) == 401


@pytest.mark.parametrize("key", ["xyz", "abc", "0x00", "0$0", "00 11"])
def test_secret_that_is_no_hex(nginx: Nginx, key: str) -> None:
    """Nobody passes, and nothing else happens."""
    nginx(f"auth_jwt_key '{key}'; root html; add_header X '[$http_a]' always;", files=PAGE)
    assert status(nginx, "/a", auth(good())) == 401
    assert status(nginx, "/a", auth("abc")) == 401
    assert status(nginx, "/a", auth(hs(claims_of(), octets=b""))) == 401
    assert status(nginx, "/a") == 401
    told = "error: failed to turn hex key into binary"
    assert sentences(nginx) == [told, told, told, "error: failed to find a JWT"]
    told = nginx.accepts(f"location /x {{ auth_jwt_key '{key}'; }}")
    assert '"auth_jwt_key" is not hexadecimal in location /x, every token is refused' in told


@pytest.mark.parametrize("configured", ["HS256", "HS384", "HS512", None])
def test_any_hash_with_a_secret(nginx: Nginx, configured: str | None) -> None:
    """TeslaGov's module looks at the token's alg alone: so much is told."""
    line = f"auth_jwt_algorithm {configured};" if configured else ""
    nginx(f"auth_jwt_key {HEX}; {line} root html;", files=PAGE)
    for alg in ("HS256", "HS384", "HS512"):
        assert status(nginx, "/a", auth(good(alg))) == 200
    told = [line for line in nginx.error_log().splitlines() if "accepted, as" in line]
    mine = configured or "HS256"
    others = [alg for alg in ("HS256", "HS384", "HS512") if alg != mine]
    assert len(told) == len(others)
    for alg, line in zip(others, told, strict=True):
        assert f"[info] {line.partition('[info] ')[2]}" in line
        assert f'auth_jwt: token with "alg" {alg} accepted, as {mine}, client: ' in line


@pytest.mark.parametrize("alg", OTHERS)
@pytest.mark.parametrize("inline", [True, False])
def test_public_keys(nginx: Nginx, monkeypatch: pytest.MonkeyPatch, alg: str, inline: bool) -> None:
    """PS..., ES256K and EdDSA are ours."""
    monkeypatch.chdir(nginx.prefix)
    key = signing_key(alg)
    where = f"auth_jwt_key '{pem(key)}';" if inline else FROM_FILE
    nginx(f"auth_jwt_algorithm {alg}; {where} root html;", files={**PAGE, "key.pem": pem(key)})
    assert status(nginx, "/a", auth(key.sign(claims_of()))) == 200
    assert status(nginx, "/a", auth(tampered(key.sign(claims_of())))) == 401
    assert status(nginx, "/a", auth(signing_key(alg, copy=1).sign(claims_of()))) == 401
    # What is public is no secret.
    for octets in (pem(key).encode(), pem(key).strip().encode(), b""):
        assert status(nginx, "/a", auth(hs(claims_of(), octets=octets))) == 401


FROM_FILE = "auth_jwt_use_keyfile on; auth_jwt_keyfile_path key.pem;"


def test_algorithms_of_other_families(nginx: Nginx) -> None:
    """The algorithm's family is pinned, the hash is not."""
    nginx(
        f"""
        root html;
        location /rs {{ auth_jwt_algorithm RS512; auth_jwt_key '{pem(RSA)}'; }}
        location /ps {{ auth_jwt_algorithm PS256; auth_jwt_key '{pem(RSA)}'; }}
        location /es {{ auth_jwt_algorithm ES256; auth_jwt_key '{pem(EC)}'; }}
        location /hs {{ auth_jwt_key {HEX}; }}
        """,
        files=dict.fromkeys(("html/rs", "html/ps", "html/es", "html/hs"), ""),
    )
    pss = type(RSA)("PS384", RSA.jwk)
    tokens = {
        "RS256": RSA.sign(claims_of()),
        "PS384": pss.sign(claims_of()),
        "ES256": EC.sign(claims_of()),
        "EdDSA": ED.sign(claims_of()),
        "HS256": good(),
        "none": hs(claims_of(), {"alg": "none"}),
        "hs256": hs(claims_of(), {"alg": "hs256"}),
    }
    accepted = {
        (uri, alg)
        for uri in ("/rs", "/ps", "/es", "/hs")
        for alg, text in tokens.items()
        if status(nginx, uri, auth(text)) == 200
    }
    assert accepted == {("/rs", "RS256"), ("/ps", "PS384"), ("/es", "ES256"), ("/hs", "HS256")}


def test_curve_and_algorithm(nginx: Nginx) -> None:
    big = signing_key("ES384")
    nginx(f"auth_jwt_algorithm ES256; auth_jwt_key '{pem(big)}'; root html;", files=PAGE)
    assert status(nginx, "/a", auth(big.sign(claims_of()))) == 200
    # Signed by P-384, and said to be ES256.
    assert status(nginx, "/a", auth(big.sign(claims_of(), {"alg": "ES256"}))) == 401


@pytest.mark.parametrize(
    "text, message, line",
    [
        ("auth_jwt_use_keyfile on;", "keyfile_path not specified", 2),
        (
            "auth_jwt_use_keyfile on; auth_jwt_keyfile_path /no/such;",
            'failed to open public key file "/no/such" (2: No such file or directory)',
            2,
        ),
        (
            "auth_jwt_use_keyfile on; auth_jwt_keyfile_path %%DIR%%/empty;",
            'invalid public key file size of 0: "%%DIR%%/empty"',
            2,
        ),
        (
            "auth_jwt_use_keyfile on; auth_jwt_keyfile_path %%DIR%%/private.pem;",
            'key file "%%DIR%%/private.pem" cannot be used: '
            "no usable key: a private key, where a public one is wanted",
            2,
        ),
        (
            "auth_jwt_use_keyfile on; auth_jwt_keyfile_path %%DIR%%/secret;",
            'key file "%%DIR%%/secret" cannot be used: no usable key: not in PEM',
            2,
        ),
        (
            "auth_jwt_keyfile_path %%DIR%%/key.pem;",
            '"auth_jwt_keyfile_path" without "auth_jwt_use_keyfile on" in location /',
            2,
        ),
        (
            "auth_jwt_key not-a-pem;",
            '"auth_jwt_key" cannot be used: no usable key: not in PEM',
            2,
        ),
    ],
)
def test_bad_keys(nginx: Nginx, text: str, message: str, line: int) -> None:
    nginx.write("empty", "")
    nginx.write("key.pem", pem(RSA))
    nginx.write("private.pem", "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n")
    nginx.write("secret", HEX)
    nginx.rejects(f"auth_jwt_algorithm RS256;\nlocation / {{ {text} }}", message, line=line)


@pytest.mark.parametrize(
    "text", [FROM_FILE, "auth_jwt_keyfile_path key.pem;", f"auth_jwt_key {HEX}; {FROM_FILE}"]
)
@pytest.mark.parametrize("alg", ["HS256", "HS512", None])
def test_key_file_for_a_secret(nginx: Nginx, text: str, alg: str | None) -> None:
    """TeslaGov's module refuses every token then."""
    line = f"auth_jwt_algorithm {alg};" if alg else ""
    nginx.rejects(
        f"location /a {{ {text} {line} }}",
        'a key file needs "auth_jwt_algorithm RS256" or such in location /a, '
        f'with "{alg or "HS256"}" every token would be refused',
        line=1,
    )


def test_unused_path(nginx: Nginx) -> None:
    """Beside a key, and with use_keyfile off, the path does not count."""
    nginx(
        f"auth_jwt_key {HEX}; auth_jwt_use_keyfile off; auth_jwt_keyfile_path /no/such; root html;",
        files=PAGE,
    )
    assert status(nginx, "/a", auth(good())) == 200


def test_path_is_from_the_working_directory(nginx: Nginx, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = nginx.prefix / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    nginx.write("elsewhere/key.pem", pem(RSA))
    nginx(f"auth_jwt_algorithm RS256; {FROM_FILE} root html;", files=PAGE)
    assert status(nginx, "/a", auth(RSA.sign(claims_of()))) == 200


def test_new_key_in_the_file(nginx: Nginx) -> None:
    path = "auth_jwt_use_keyfile on; auth_jwt_keyfile_path %%DIR%%/key.pem;"
    nginx(f"auth_jwt_algorithm RS256; {path} root html;", files={**PAGE, "key.pem": pem(RSA)})
    other = signing_key("RS256", copy=1)
    assert status(nginx, "/a", auth(RSA.sign(claims_of()))) == 200
    nginx.write("key.pem", pem(other))
    wait_for(nginx, 200, "/a", auth(other.sign(claims_of())))
    assert status(nginx, "/a", auth(RSA.sign(claims_of()))) == 401


def test_weak_secret_is_warned_of(nginx: Nginx) -> None:
    assert "secret of 4 bytes is weak" in nginx.accepts("auth_jwt_key abcdef12;")


# JWK Sets, which TeslaGov's module does not know.

ONE, TWO = signing_key("RS256", "one"), signing_key("ES256", "two")


def test_jwk_set_in_a_file(nginx: Nginx) -> None:
    nginx(
        """
        auth_jwt_key_file jwks.json; auth_jwt_redirect off; root html;
        location /b { auth_jwt_algorithm RS256; }
        """,
        files={**PAGE, "html/b": "", "jwks.json": jwks(ONE, TWO)},
    )
    assert status(nginx, "/a", auth(ONE.sign(claims_of()))) == 200
    assert status(nginx, "/a", auth(TWO.sign(claims_of()), "")) == 200
    assert status(nginx, "/b", auth(ONE.sign(claims_of()))) == 200
    assert status(nginx, "/b", auth(TWO.sign(claims_of()))) == 401
    assert status(nginx, "/a", auth(good())) == 401


def test_jwk_set_beside_a_key(nginx: Nginx) -> None:
    """Both count, in the key's family."""
    nginx(
        f"auth_jwt_key {HEX}; auth_jwt_key_file jwks.json; auth_jwt_redirect off; root html;",
        files={**PAGE, "jwks.json": jwks(ONE, without(signing_key("HS256", "h"), "alg"))},
    )
    assert status(nginx, "/a", auth(good())) == 200
    assert status(nginx, "/a", auth(signing_key("HS256", "h").sign(claims_of()))) == 200
    assert status(nginx, "/a", auth(ONE.sign(claims_of()))) == 401
    assert status(nginx, "/a", auth(hs(claims_of(), {"alg": "HS256", "kid": "x"}, SECRET))) == 200


def test_key_request_and_rotation(nginx: Nginx) -> None:
    """An unknown kid has newer keys fetched, and the token waits for them."""
    issuer = Issuer(jwks(ONE))
    nginx.backend("issuer", issuer)
    nginx(
        """
        auth_jwt_key_request /_jwks; auth_jwt_redirect off; root html;
        location = /_jwks {
            internal; auth_jwt_enabled off; proxy_pass http://127.0.0.1:%%PORT_issuer%%;
            proxy_cache keys; proxy_cache_valid 200 1h;
        }
        """,
        http="proxy_cache_path cache keys_zone=keys:1m;",
        files=PAGE,
    )
    one, two = auth(ONE.sign(claims_of())), auth(TWO.sign(claims_of()))
    assert status(nginx, "/a", one) == 200
    issuer.body = jwks(ONE, TWO)
    assert status(nginx, "/a", one) == 200
    assert len(issuer.asked) == 1
    assert status(nginx, "/a", two) == 200
    assert len(issuer.asked) == 2
    foreign = signing_key("ES256", "three").sign(claims_of())
    assert status(nginx, "/a", auth(foreign)) == 401
    assert len(issuer.asked) == 2  # not more often than once in ten seconds


def test_key_request_that_fails(nginx: Nginx) -> None:
    nginx(
        """
        auth_jwt_key_request /_jwks; auth_jwt_redirect off; root html;
        location = /_jwks { internal; auth_jwt_enabled off; return 404; }
        """,
        files=PAGE,
    )
    assert status(nginx, "/a", auth(ONE.sign(claims_of()))) == 503
    assert nginx.request("OPTIONS /a", auth(ONE.sign(claims_of()))).status != 503
    nginx.wait_for_log(r'\[error\] .*auth_jwt: .*key request "/_jwks" failed: status 404')
