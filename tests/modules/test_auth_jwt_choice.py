"""auth_jwt: keys that the token itself chooses, by what it says before it is verified."""

from __future__ import annotations

import pytest

from pyngx_jwt.modules.auth_jwt.keyring import VARIABLE_SOURCES

from ..jwt.keys import signing_key
from ..nginx import Nginx
from .tokens import FILES, OTHER, Issuer, bearer, token

pytestmark = [
    pytest.mark.needs("auth-jwt"),
    pytest.mark.pyngx_only("kjdev's module tells nothing of a token before it is verified"),
]
PAGES = {**FILES, "html/a": "content", "html/b": "content"}

CHOICE = """
    map $jwt_claim_iss $keys { a %%DIR%%/jwks.json; b %%DIR%%/other.json; default none.json; }
"""
BY_ISSUER = 'root html; auth_jwt "A"; auth_jwt_key_file $keys;'


def status(nginx: Nginx, line: str) -> int:
    return nginx.request("GET /a", line).status


def test_issuer_chooses_its_keys(nginx: Nginx) -> None:
    """And a token is good by the keys of the issuer that it names, however often it is shown."""
    nginx(BY_ISSUER, http=CHOICE, files=PAGES)
    for _ in range(3):
        assert status(nginx, bearer(iss="a")) == 200
        assert status(nginx, bearer(OTHER, iss="b")) == 200
        assert status(nginx, bearer(iss="b")) == 401
        assert status(nginx, bearer(OTHER, iss="a")) == 401
    assert status(nginx, bearer(iss="c")) == 500  # a file that is not there
    assert status(nginx, "Authorization: Bearer x.y.z") == 401
    assert status(nginx, "Authorization: Bearer x") == 401


def test_only_the_choice_sees_what_is_not_verified(nginx: Nginx) -> None:
    nginx(
        """
        root html; auth_jwt_key_file $keys;
        location / {
            auth_jwt "A"; add_header X-Sub "[$jwt_claim_sub]" always;
            if ($jwt_claim_sub) { set $seen 1; }
            add_header X-Seen "[$seen]" always;
        }
        """,
        http=CHOICE,
        files=PAGES,
    )
    good = nginx.request("GET /a", bearer(iss="a"))
    assert (good.status, good.get("X-Sub"), good.get("X-Seen")) == (200, "[u1]", "[1]")
    bad = nginx.request("GET /a", bearer(iss="b"))
    assert (bad.status, bad.get("X-Sub"), bad.get("X-Seen")) == (401, "[]", "[]")


def test_token_that_changes_before_the_access_phase(nginx: Nginx) -> None:
    """The keys that one token has chosen are not those of another."""
    nginx(
        """
        root html; auth_jwt_key_file $keys;
        location / {
            set $tok $arg_first;
            auth_jwt "A" token=$tok;
            if ($jwt_claim_iss) { set $tok $arg_second; }
        }
        """,
        http=CHOICE,
        files=PAGES,
    )
    a, b, forged = token(iss="a"), token(OTHER, iss="b"), token(iss="b")
    assert nginx.request(f"GET /a?first={a}&second={b}").status == 200
    assert nginx.request(f"GET /a?first={a}&second={forged}").status == 401


def test_kid_in_the_name_of_a_location(nginx: Nginx) -> None:
    """A subrequest for each kid; what leads elsewhere is not even asked for."""
    nginx.backend("issuer", issuer := Issuer())
    nginx(
        """
        root html; auth_jwt "A"; auth_jwt_key_request /_k/$jwt_header_kid;
        location /_k/ { internal; proxy_pass http://127.0.0.1:%%PORT_issuer%%; }
        """,
        files=PAGES,
    )
    assert status(nginx, bearer()) == 200
    assert status(nginx, bearer(OTHER)) == 401
    assert {head.split()[1] for head in issuer.asked} == {"/_k/k1", "/_k/k2"}
    for kid in ("../x", "a/../../x", "..", "x?y", "x#y"):
        assert status(nginx, bearer(signing_key("ES256", kid))) == 401
    assert {head.split()[1] for head in issuer.asked} == {"/_k/k1", "/_k/k2"}
    nginx.wait_for_log(r'\[warn\].* "\$jwt_header_kid" of the token is no part of "/_k/')


@pytest.mark.parametrize(
    "line", ["auth_jwt_key_file $jwt_claim_a;", "auth_jwt_key_request ${jwt_claim_a}/x;"]
)
def test_tokens_do_not_name_any_file(nginx: Nginx, line: str) -> None:
    assert 'begins with "$jwt_claim_a"' in nginx.refused(f'auth_jwt "A"; {line}')


def test_claim_that_tells_where_the_token_is(nginx: Nginx) -> None:
    """Which nobody can mean."""
    nginx(
        'root html; auth_jwt "A" token=$where; auth_jwt_key_file jwks.json;',
        http='map $jwt_claim_where $where { default $arg_t; x ""; }',
        files=PAGES,
    )
    assert nginx.request(f"GET /a?t={token()}").status == 200
    assert nginx.request("GET /a").status == 401
    nginx.wait_for_log(r'\[error\].* cycle while evaluating variable "jwt_claim_"')
    assert 'the token "$where" depends on a claim of the token itself' in nginx.read("logs/stderr")


@pytest.mark.parametrize(
    "lines",
    [
        "pyngx_jwt_dialect maxlt; | auth_jwt on; auth_jwt_key_file $keys;",
        "pyngx_jwt_dialect tesla; | auth_jwt_enabled on; auth_jwt_key_file $keys;",
        "pyngx_jwt_dialect kjdev; | auth_jwt A; auth_jwt_key_file $keys;",
    ],
)
def test_keys_of_one_request_are_not_those_of_the_next(nginx: Nginx, lines: str) -> None:
    http, _, server = lines.partition("|")
    nginx(
        f"root html; {server}",
        http=f"{http} map $arg_k $keys {{ b %%DIR%%/other.json; default %%DIR%%/jwks.json; }}",
        files=PAGES,
    )
    for _ in range(2):
        assert nginx.request("GET /a", bearer()).status == 200
        assert nginx.request("GET /a?k=b", bearer()).status == 401
        assert nginx.request("GET /a?k=b", bearer(OTHER)).status == 200


@pytest.mark.parametrize("dialect", ["maxlt", "kjdev"])
def test_dialects_that_tell_nothing_of_unverified_tokens(nginx: Nginx, dialect: str) -> None:
    switch = "on" if dialect == "maxlt" else "A"
    nginx(
        f"root html; auth_jwt {switch}; auth_jwt_key_file $keys;",
        http=f"""
        pyngx_jwt_dialect {dialect};
        map $jwt_claim_iss $keys {{ "" %%DIR%%/other.json; default %%DIR%%/jwks.json; }}
        """,
        files=PAGES,
    )
    assert status(nginx, bearer(iss="a")) == 401
    assert status(nginx, bearer(OTHER, iss="a")) == 200


def test_names_that_clients_make_up(nginx: Nginx) -> None:
    """As many as there are do not make a worker forget keys that outlast their file."""
    nginx(
        'root html; auth_jwt "A"; auth_jwt_key_file $arg_keys.json;',
        files=PAGES,
    )
    wanted = nginx.request("GET /a?keys=jwks", bearer())
    assert wanted.status == nginx.request("GET /a?keys=jwks", bearer()).status == 200
    (nginx.prefix / "jwks.json").unlink()
    (nginx.prefix / "jwks.json").symlink_to("jwks.json")  # it is there, and cannot be read
    for number in range(VARIABLE_SOURCES + 1):
        assert nginx.request(f"GET /a?keys={number}", bearer()).status == 500
    assert nginx.request("GET /a?keys=jwks", bearer()).status == 200
