"""Good forms of what rules report: one that is silent, beside a bad one that is not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ..kit import Linter

KEY = 'auth_jwt "x"; auth_jwt_key_file keys/jwks.json;'
APP = "proxy_pass http://127.0.0.1:9000;"
SERVER = "events {{ }} http {{ {} server {{ listen 127.0.0.1:80; {} }} }}"


def server(inside: str, http: str = "") -> str:
    return SERVER.format(http, inside)


@pytest.mark.parametrize(
    ("rule", "bad", "good"),
    [
        (  # code that is not run answers
            "error-page-fallback-unprotected",
            f"location /a {{ {KEY} error_page 401 = @x; js_content a.b; }}"
            "location @x { js_content a.b; }",
            f"location /a {{ {KEY} error_page 401 = @x; js_content a.b; }}"
            "location @x { js_content a.c; }",
        ),
        (
            "error-page-fallback-unprotected",
            f"location /a {{ {KEY} error_page 401 = @x; }} location @x {{ }}",
            f"location /a {{ {KEY} error_page 401 = @x; }} location @x {{ empty_gif; }}",
        ),
        (  # "return" ends a request before it is passed on
            "identity-header-spoofable",
            f"location /a {{ {KEY} proxy_set_header X-User $jwt_claim_sub; {APP} }}"
            f"location /b {{ {APP} }}",
            f"location /a {{ {KEY} proxy_set_header X-User $jwt_claim_sub; {APP} }}"
            f"location /b {{ proxy_set_header X-User ''; {APP} if ($arg_x) {{ return 403; }} }}"
            f"location /c {{ {APP} return 404; }}",
        ),
        (
            "upstream-tls-unverified",
            f"location /a {{ {KEY} proxy_pass https://192.0.2.1; }}",
            f"location /a {{ {KEY} return 403; proxy_pass https://192.0.2.1; }}",
        ),
        (
            "upstream-has-open-door",
            f"location /a {{ {KEY} {APP} }} location ~ ^/b {{ {APP} }}",
            f"location /a {{ {KEY} {APP} }} location ~ ^/b {{ rewrite ^ /x last; {APP} }}",
        ),
        (  # guards that pyngx does not run
            "upstream-has-open-door",
            f"location /a {{ {KEY} {APP} }} location ~ ^/b {{ {APP} }}",
            f"location /a {{ {KEY} {APP} }} location ~ ^/b {{ auth_oidc x; {APP} }}",
        ),
        (
            "exact-or-case-gap",
            f"location = /a {{ {KEY} {APP} }} location / {{ {APP} }}",
            f"location = /a {{ {KEY} {APP} }} location / {{ auth_oidc x; {APP} }}",
        ),
        (
            "exact-or-case-gap",
            f"location = /a {{ {KEY} {APP} }} location / {{ {APP} }}",
            f"location = /a {{ {KEY} {APP} }} location / {{ internal_redirect @x; {APP} }}",
        ),
        (  # an "off" is said to be intended, once
            "upstream-has-open-door",
            f"location ~ ^/a {{ {KEY} {APP} location ~ ^/a/b {{ {APP} }} }}"
            f"location ~ ^/c {{ {APP} }}",
            f"location ~ ^/a {{ {KEY} {APP} location ~ ^/a/b {{ auth_jwt off; {APP} }} }}",
        ),
        (  # claims are checked by another module, or before the token is kept
            "no-iss-aud",
            f"location /a {{ {KEY} }}",
            f"location /a {{ {KEY} auth_require $jwt_claim_aud; }}",
        ),
        (
            "no-iss-aud",
            f"location /a {{ {KEY} auth_require $jwt_claim_admin; }}",
            f"location /a {{ {KEY} js_access a.b; }}",
        ),
        (
            "no-iss-aud",
            f"location /a {{ {KEY} }}",
            f"location /a {{ {KEY} auth_request /b; }} location = /b {{ internal; }}",
        ),
        (  # the issuer chooses the keys
            "no-iss-aud",
            'location / { auth_jwt "x"; auth_jwt_key_request /k/$arg_a; }',
            'location / { auth_jwt "x"; auth_jwt_key_request /k/$jwt_claim_iss; }',
        ),
        (  # the rest of the URI is not used
            "alias-traversal",
            "location /i { alias /srv/i/; try_files $uri =404; }",
            "location /i { alias /srv/i/; try_files index.html =404; }",
        ),
        (  # requirements for all locations of a server
            "require-without-auth",
            "auth_jwt_key_file keys/jwks.json; auth_jwt_require $jwt_claim_a; location /a { }",
            "auth_jwt_key_file keys/jwks.json; auth_jwt_require $jwt_claim_a;"
            'location /a { auth_jwt "x"; }',
        ),
        (  # other rules are about the location of keys
            "upstream-tls-unverified",
            f"{KEY} location / {{ proxy_pass https://192.0.2.1; }}",
            'auth_jwt "x"; auth_jwt_key_request /k; location / { }'
            "location = /k { internal; proxy_pass https://192.0.2.1; }",
        ),
        (
            "jwks-compressed",
            'auth_jwt "x"; auth_jwt_key_request /k; location = /k { internal; '
            "proxy_set_header Authorization ''; proxy_set_header Cookie '';"
            "proxy_pass http://127.0.0.1:1; }",
            'auth_jwt "x"; auth_jwt_key_request /k; location = /k { internal; '
            "proxy_pass http://127.0.0.1:1; }",
        ),
    ],
)
def test_forms(linter: Linter, rule: str, bad: str, good: str) -> None:
    assert linter.of(rule, server(bad))
    assert not linter.of(rule, server(good))


def test_tokens_that_clients_do_not_send_have_been_checked(linter: Linter) -> None:
    session = "keyval_zone zone=z:1m; keyval $cookie_s $id_token zone=z;"
    text = 'location / {{ auth_jwt "x" token={}; auth_jwt_key_file keys/jwks.json; }}'
    assert linter.of("no-iss-aud", server(text.format("$cookie_t"), session))
    assert not linter.of("no-iss-aud", server(text.format("$id_token"), session))


@pytest.mark.parametrize(
    ("condition", "answer", "is_silent"),
    [
        ("$scheme = http", "return 301 https://$host$request_uri", True),
        ("$scheme != https", "return 403", True),
        ('$https = ""', "rewrite ^ https://$host$uri permanent", True),
        ("$http_x_forwarded_proto != https", "return 308 https://a$uri", True),
        ("$scheme = https", "return 301 https://b/", False),
        ("$scheme = http", "set $a 1", False),
        ("$scheme = http", "rewrite ^/x https://a/ permanent", False),
    ],
)
def test_connections_without_tls_are_refused(
    linter: Linter, condition: str, answer: str, is_silent: bool
) -> None:
    test = f"if ({condition}) {{ {answer}; }}"
    for inside in (f"{test} location / {{ {KEY} {APP} }}", f"location / {{ {test} {KEY} {APP} }}"):
        text = f"events {{ }} http {{ server {{ listen 80; {inside} }} }}"
        assert bool(linter.of("bearer-over-cleartext", text)) is not is_silent


@pytest.mark.parametrize("rule", ["weak-key", "key-alg-unpinned", "jwks-unusable"])
@pytest.mark.parametrize(
    ("switch", "outer", "inner"),
    [
        ("auth_jwt on;", "auth_jwt_key short utf8;", "auth_jwt_key /nope file;"),
        (
            'auth_jwt "x"; auth_jwt_phase access;',
            "auth_jwt_key_file keys/short.json;",
            "auth_jwt_key_file keys/nope.json;",
        ),
    ],
)
def test_keys_that_cannot_be_read_are_not_those_around(
    linter: Linter, rule: str, switch: str, outer: str, inner: str
) -> None:
    text = "events {{ }} http {{ server {{ {} location / {{ {} {} }} }} }}"
    if rule == "weak-key":
        assert linter.of(rule, text.format(outer, switch, ""))
    assert not linter.of(rule, text.format(outer, switch, inner))


def test_limits_behind_the_check(linter: Linter) -> None:
    zone = "limit_req_zone $jwt_claim_sub zone=u:1m rate=1r/s;"
    rule, limit = "claim-in-limit-key", "limit_req zone=u;"
    assert linter.of(rule, server(f"location / {{ {KEY} {limit} {APP} }}", zone))
    behind = f"location / {{ {KEY} internal_redirect @x; }} location @x {{ {limit} {APP} }}"
    assert not linter.of(rule, server(behind, zone))
    pyngx = "auth_jwt_validate_claim aud x;"  # which verifies first
    assert not linter.of(rule, server(f"location / {{ {KEY} {pyngx} {limit} {APP} }}", zone))


def test_quotes_are_a_sign_of_another_dialect(linter: Linter) -> None:
    table = "map $jwt_claim_role $ok { '\"admin\"' 1; }"
    with_keys = server(f"location / {{ {KEY} auth_jwt_require $ok; }}", table)
    assert linter.of("claim-quotes", with_keys)
    assert not linter.of("claim-quotes", f"{table} server {{ auth_jwt_require $ok; }}")


@pytest.mark.parametrize("rule", ["auth-without-key", "maxlt-any-algorithm", "no-iss-aud"])
@pytest.mark.parametrize(
    "wrong", ["auth_jwt_key a b c d e;", "auth_jwt_key_file;", "auth_jwt_alg HS257;", "auth_jwt;"]
)
def test_after_an_error_nothing_is_missing(linter: Linter, rule: str, wrong: str) -> None:
    for switch in ("auth_jwt on;", 'auth_jwt "x";'):
        text = server(f"location / {{ {switch} {wrong} {APP} }}")
        assert rule not in [f.rule for f in linter.findings(text)]


def test_a_directive_with_an_error_is_not_missing(linter: Linter) -> None:
    text = (
        "proxy_cache_path c keys_zone=z:1m; server { location / { proxy_cache z; %s"
        "proxy_pass http://a; } }"
    )
    assert linter.of("cache-inert", text % "")
    found = linter.findings(text % "proxy_cache_valid 200 x;")
    assert [f.rule for f in found] == ["invalid-value"]


def test_what_a_fragment_lacks_is_a_note(linter: Linter) -> None:
    for text, whole in (
        ('location / { auth_jwt "x"; root /a; }', False),
        (server('location / { auth_jwt "x"; root /a; }'), True),
    ):
        (finding,) = [f for f in linter.findings(text) if f.rule == "auth-without-key"]
        assert finding.severity.word == ("error" if whole else "info")


def test_one_cause_is_reported_once_at_a_location(linter: Linter) -> None:
    text = server(f"location /a/ {{ {KEY} {APP} }} location /b/ {{ {APP} }}")
    rules = [f.rule for f in linter.findings(text)]
    assert "raw-uri-to-upstream" in rules and "upstream-has-open-door" not in rules


def test_the_example_of_the_documentation_has_no_errors(linter: Linter) -> None:
    page = (Path(__file__).parents[3] / "docs/jwt/README.md").read_text()
    match = re.search(r"^```nginx\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert match is not None
    found = linter.findings(match[1])
    assert not [f.message for f in found if f.severity.word == "error"]
