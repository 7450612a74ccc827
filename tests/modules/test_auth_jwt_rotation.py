"""auth_jwt: keys that change at the issuer, in whatever way it does that, in all dialects."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from pyngx_jwt.jwt import Json
from pyngx_jwt.jwt.mint import SigningKey

from ..jwt.keys import jwks, signing_key, without
from ..nginx import Nginx
from .tokens import FILES, KEY, OTHER, Issuer, bearer, tampered, token

pytestmark = [
    pytest.mark.needs("auth-jwt"),
    pytest.mark.pyngx_only("of dialects that one nginx does not have at once, and of refreshes"),
]
DIALECTS = {
    "plus": "auth_jwt A;",
    "kjdev": "auth_jwt A;",
    "tesla": "auth_jwt_enabled on; auth_jwt_algorithm ES256;",
    "maxlt": "auth_jwt on;",
    "tizp": "auth_jwt A; auth_jwt_alg ES256;",
}
in_all_dialects = pytest.mark.parametrize("name", DIALECTS)
PAGES = {**FILES, "html/a": "content"}
LOCATION = """
    location = /_jwks {
        internal;
        proxy_pass http://127.0.0.1:%%PORT_issuer%%/jwks.json;
        proxy_cache keys; proxy_cache_valid 200 10m;
    }
"""
CACHE = "proxy_cache_path %%DIR%%/cache keys_zone=keys:1m;"
RENEWED = signing_key("ES256", "k1", copy=1)  # a new key with the old kid
UNNAMED = signing_key("ES256")
UNNAMED_TOO = signing_key("ES256", copy=1)


def serve(nginx: Nginx, name: str, issuer: Issuer) -> None:
    nginx.backend("issuer", issuer)
    keys = "auth_jwt_key_request /_jwks;"
    http = f"{CACHE} pyngx_jwt_dialect {name};"
    nginx(f"root html; {DIALECTS[name]} {keys} {LOCATION}", http=http, files=PAGES)


def status(nginx: Nginx, line: str) -> int:
    return nginx.request("GET /a", line).status


@in_all_dialects
@pytest.mark.parametrize(
    "before, after",
    [
        (KEY, OTHER),  # another kid
        (KEY, RENEWED),  # the same
        (UNNAMED, UNNAMED_TOO),  # none
        (UNNAMED, KEY),
        (KEY, UNNAMED),
    ],
)
def test_new_key_is_found_behind_a_cache(
    nginx: Nginx, name: str, before: SigningKey, after: SigningKey
) -> None:
    """Which holds the old set for ten minutes."""
    issuer = Issuer(jwks(before))
    serve(nginx, name, issuer)
    assert status(nginx, bearer(before)) == 200
    issuer.body = jwks(after)
    assert status(nginx, bearer(after)) == 200
    assert len(issuer.asked) == 2
    assert status(nginx, bearer(before)) == 401
    assert status(nginx, bearer(after)) == 200
    assert len(issuer.asked) == 2


def test_new_algorithm_with_the_old_kid(nginx: Nginx) -> None:
    after = signing_key("RS256", "k1")
    issuer = Issuer()
    serve(nginx, "plus", issuer)
    assert status(nginx, bearer()) == 200
    issuer.body = jwks(after)
    assert status(nginx, bearer(after)) == 200


def test_forged_tokens_do_not_flood_the_issuer(nginx: Nginx) -> None:
    """All of them lead to two fetches in ten seconds, one of them for unknown kids, for which
    only they wait."""
    issuer = Issuer()
    serve(nginx, "plus", issuer)
    assert status(nginx, bearer()) == 200
    issuer.go_on.clear()
    forged = [
        f"Authorization: Bearer {text}"
        for text in (tampered(token()), tampered(token(UNNAMED)), token(RENEWED), token(OTHER))
    ]
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(status, nginx, line) for line in forged]
        issuer.wait(2)
        assert status(nginx, bearer()) == 200
        issuer.go_on.set()
        assert [answer.result() for answer in answers] == [401] * 4
    for line in forged * 3:
        assert status(nginx, line) == 401
    assert len(issuer.asked) <= 3
    assert status(nginx, bearer()) == 200


def test_bad_signatures_do_not_delay_a_new_kid(nginx: Nginx) -> None:
    issuer = Issuer()
    serve(nginx, "plus", issuer)
    assert status(nginx, f"Authorization: Bearer {tampered(token())}") == 401
    assert len(issuer.asked) == 2
    issuer.body = jwks(OTHER)
    assert status(nginx, bearer(OTHER)) == 200


@pytest.mark.parametrize("after", [RENEWED, UNNAMED])
def test_changed_file_is_read_for_the_first_token_of_its_key(
    nginx: Nginx, after: SigningKey
) -> None:
    keys = "auth_jwt_key_file jwks.json;"
    nginx(f"root html; auth_jwt A; {keys}", files=PAGES)
    assert status(nginx, bearer()) == 200
    nginx.write("jwks.json", jwks(after) + " ")
    assert status(nginx, bearer(after)) == 200
    assert status(nginx, bearer()) == 401


# -- keys that cannot be used

BROKEN: list[dict[str, Json]] = [
    {**signing_key("RS256", "bad").members(), "n": "+/+/"},
    {**signing_key("ES256", "bad").members(), "y": "A" * 43},
    {"kty": "EC", "kid": "bad", "crv": "P-256", "x": "AA"},
    {"kty": "RSA", "kid": "bad", "x5c": ["MIIB"]},
    {"kty": "XYZ", "kid": "bad"},
    {**without(OTHER, "kid", "use"), "kid": "bad", "use": "enc"},
]


@in_all_dialects
@pytest.mark.parametrize("broken", BROKEN)
def test_unusable_key_does_not_disable_the_others(
    nginx: Nginx, name: str, broken: dict[str, Json]
) -> None:
    serve(nginx, name, Issuer(jwks(broken, KEY)))
    assert status(nginx, bearer()) == 200
    assert status(nginx, bearer(signing_key("ES256", "bad"))) == 401
    nginx.wait_for_log(r'\[warn\].* key request "/_jwks": key 0 \(kid "bad"\) is skipped')
    nginx.wait_for_log(r'refused: unknown kid: kid "bad" and alg ES256, .* its key is skipped: ')


@pytest.mark.parametrize("broken", BROKEN)
def test_unusable_key_in_a_file(nginx: Nginx, broken: dict[str, Json]) -> None:
    files = {**PAGES, "jwks.json": jwks(broken, KEY)}
    nginx("root html; auth_jwt A; auth_jwt_key_file jwks.json;", files=files)
    assert status(nginx, bearer()) == 200
    nginx.wait_for_log(r'\[warn\].*jwks\.json": key 0 \(kid "bad"\) is skipped')


def test_repaired_key_is_found(nginx: Nginx) -> None:
    """An unusable key is as good as none: its kid leads to a fetch."""
    issuer = Issuer(jwks({**OTHER.members(), "x": "!"}, KEY))
    serve(nginx, "plus", issuer)
    assert status(nginx, bearer()) == 200
    issuer.body = jwks(OTHER, KEY)
    assert status(nginx, bearer(OTHER)) == 200


def test_set_whose_keys_are_all_malformed_withdraws_none(nginx: Nginx) -> None:
    issuer = Issuer()
    nginx.backend("issuer", issuer)
    location = LOCATION.replace("proxy_cache keys;", "")
    nginx(
        f"root html; auth_jwt A; auth_jwt_key_request /_jwks; {location}", http=CACHE, files=PAGES
    )
    assert status(nginx, bearer()) == 200
    issuer.body = json.dumps({"keys": [{**KEY.members(), "x": "!"}]})
    while len(issuer.asked) < 3:
        assert status(nginx, bearer()) == 200
    nginx.wait_for_log('"x" is not base64url; the last keys are still used')
