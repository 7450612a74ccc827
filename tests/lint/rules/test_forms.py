"""Other forms of what rules report: other dialects, levels, and ways to the same thing."""

from __future__ import annotations

import pytest

from ..kit import Linter
from .test_silence import APP, KEY, server

EXPIRY = "exp-not-required"
SECRET = f"auth_jwt_key {'0123456789abcdef' * 4}"


@pytest.mark.parametrize(
    ("directives", "is_reported"),
    [
        (f"{KEY}", True),
        (f"{KEY} auth_jwt_require $jwt_claim_exp;", False),
        (f"{KEY} satisfy any; allow 10.0.0.0/8; deny all;", True),
        (f"auth_jwt on; {SECRET} hex; auth_jwt_alg HS256;", True),
        (f"auth_jwt on; {SECRET} hex; auth_jwt_require $jwt_claim_exp;", False),
        (f"auth_jwt_enabled on; {SECRET};", False),
        (f"{KEY} auth_jwt_phase access;", False),
        (f"auth_jwt_key_file keys/jwks.json; limit_except GET {{ {KEY} }}", True),
    ],
)
def test_tokens_without_an_expiry(linter: Linter, directives: str, is_reported: bool) -> None:
    for location in ("location /", "location @name"):
        found = linter.of(EXPIRY, server(f"{location} {{ {directives} }}"))
        assert bool(found) is is_reported


ZONE = "proxy_cache_path c keys_zone=z:1m;"
CACHED = "proxy_cache z; proxy_cache_valid 1m;"
SHARED = "cache-zone-shared-with-public"


@pytest.mark.parametrize(
    ("key", "protected", "public", "is_reported"),
    [
        ("", APP, "location /pub/ { proxy_pass http://127.0.0.1:9000/priv/;", True),
        ("", APP, "location /pub/ { proxy_pass http://127.0.0.1:9000/pub/;", False),
        ("", APP, "location /pub/ { proxy_pass http://127.0.0.1:9000/;", True),
        ("", APP, f"location /pub/ {{ {APP}", False),
        ("", APP, f"location /pub/ {{ rewrite ^/pub/(.*) /priv/$1 break; {APP}", True),
        ("$uri", APP, f"location /pub/ {{ rewrite ^/pub/(.*) /priv/$1 break; {APP}", True),
        ("$request_uri", APP, f"location /pub/ {{ rewrite ^/pub/(.*) /priv/$1 break; {APP}", False),
        ("$arg_id", APP, f"location /pub/ {{ {APP}", True),
    ],
)
def test_keys_of_public_responses(
    linter: Linter, key: str, protected: str, public: str, is_reported: bool
) -> None:
    line = f"{CACHED} {f'proxy_cache_key {key};' if key else ''}"
    text = server(f"location /priv/ {{ {KEY} {line} {protected} }} {public} {line} }}", ZONE)
    assert bool(linter.of(SHARED, text)) is is_reported


@pytest.mark.parametrize(
    ("inside", "is_reported"),
    [
        ("proxy_pass https://192.0.2.1;", True),
        ("proxy_pass https://127.0.0.1;", False),
        ("set $to https://192.0.2.1; proxy_pass $to;", True),
        ("set $to http://192.0.2.1; proxy_pass $to;", False),
        ("proxy_pass $scheme_of_app://192.0.2.1;", True),
        ('proxy_set_header Authorization ""; proxy_pass https://192.0.2.1;', False),
        (
            'proxy_set_header Authorization ""; proxy_set_header X-Token $http_authorization;'
            "proxy_pass https://192.0.2.1;",
            True,
        ),
        ('auth_jwt "x" token=$arg_t; proxy_pass https://192.0.2.1;', True),
        ('auth_jwt "x" token=$arg_t; proxy_pass https://192.0.2.1$uri;', False),
        ('auth_jwt "x" token=$cookie_t; proxy_pass https://192.0.2.1;', True),
        ("grpc_pass grpcs://192.0.2.1:1;", True),
        (
            "grpc_pass grpcs://192.0.2.1:1; grpc_ssl_verify on;"
            "grpc_ssl_trusted_certificate keys/ca.pem;",
            False,
        ),
        ('grpc_pass grpcs://192.0.2.1:1; grpc_set_header Authorization "";', False),
        ("grpc_pass grpc://192.0.2.1:1;", False),
        ("uwsgi_pass suwsgi://192.0.2.1:1;", True),
        ("if ($arg_x) { proxy_pass https://192.0.2.1; }", True),
        ("limit_except GET { proxy_pass https://192.0.2.1; }", True),
    ],
)
def test_tokens_to_servers_that_are_not_verified(
    linter: Linter, inside: str, is_reported: bool
) -> None:
    scheme = "map $host $scheme_of_app { default https; }"
    text = server(f"auth_jwt_key_file keys/jwks.json; location / {{ @ {inside} }}", scheme)
    text = text.replace("@", "" if "auth_jwt " in inside else 'auth_jwt "x";')
    assert bool(linter.of("upstream-tls-unverified", text)) is is_reported


DECIDER = "location / {{ auth_request /d; {} }} location = /d {{ internal; proxy_cache z; {} }}"


@pytest.mark.parametrize(
    ("inside", "is_reported"),
    [
        (APP, True),
        (f"{APP} proxy_cache_key $request_uri;", True),
        (f"{APP} proxy_cache_key $http_host$uri;", True),
        (f"{APP} proxy_cache_key $http_authorization;", False),
        (f"{APP} proxy_cache_key $uri$http_cookie;", False),
        (f"{APP} proxy_cache_key $cookie_session;", False),
        (f"{APP} proxy_cache_key $http_x_api_key;", False),
        (f"{APP} proxy_cache_key $remote_addr;", False),
        (f"{APP} proxy_cache_key $session;", False),
        (f"{APP} proxy_no_cache $http_cookie;", False),
        (f"{APP} proxy_cache off;", False),
        ("proxy_pass http://127.0.0.1:9000/check?s=$cookie_s;", False),
    ],
)
def test_decisions_for_all_clients(linter: Linter, inside: str, is_reported: bool) -> None:
    table = f"{ZONE} map $http_cookie $session {{ default $cookie_s; }}"
    text = DECIDER.format(APP, inside)
    text = text.replace("proxy_cache z; ", "") if "cache off" in inside else text
    found = linter.of("auth-request-cached", server(text, table))
    assert bool(found) is is_reported
    inherited = f"auth_request /d; location / {{ {APP} }} {text.partition('} ')[2]}"
    assert bool(linter.of("auth-request-cached", server(inherited, table))) is is_reported


TWO = "auth_jwt_key_file keys/jwks.json; auth_jwt_key_file keys/world.json;"
ISSUERS = "keys-of-several-issuers"


@pytest.mark.parametrize(
    ("http", "keys", "demand", "is_reported"),
    [
        ("", TWO, "auth_jwt_validate_claim iss a b;", True),
        ("", TWO, "auth_jwt_validate_claim iss a;", False),
        (
            "",
            TWO,
            "auth_jwt_validate_claim iss a b; pyngx_jwt_key_issuer keys/jwks.json a;"
            "pyngx_jwt_key_issuer keys/world.json b;",
            False,
        ),
        ("", TWO, "auth_jwt_validate_claim aud a b;", False),
        ("", "auth_jwt_key_file keys/jwks.json;", "auth_jwt_validate_claim iss a b;", False),
        ("", TWO, 'auth_jwt_require_claim iss in \'json=["a", "b"]\';', True),
        ("", TWO, "auth_jwt_require_claim iss eq a;", False),
        ("map $jwt_claim_iss $ok { a 1; b 1; default 0; }", TWO, "auth_jwt_require $ok;", True),
        ("map $jwt_claim_iss $ok { a 1; default 0; }", TWO, "auth_jwt_require $ok;", False),
        (
            'map "$jwt_claim_iss $jwt_header_kid" $ok { "a 1" 1; "b 2" 1; }',
            TWO,
            "auth_jwt_validate_claim iss a b; auth_jwt_require $ok;",
            False,
        ),
        (
            "map $jwt_claim_iss $keys { a keys/jwks.json; b keys/world.json; }",
            "auth_jwt_key_file $keys;",
            "auth_jwt_validate_claim iss a b;",
            False,
        ),
        (
            "",
            "auth_jwt_key_file keys/jwks.json; auth_jwt_key_request /k;",
            "auth_jwt_validate_claim iss a b;",
            True,
        ),
    ],
)
def test_keys_that_are_not_bound_to_issuers(
    linter: Linter, http: str, keys: str, demand: str, is_reported: bool
) -> None:
    text = server(f'location / {{ auth_jwt "x"; {keys} {demand} }} location = /k {{ }}', http)
    assert bool(linter.of(ISSUERS, text)) is is_reported
    outer = server(f'{keys} {demand} location / {{ auth_jwt "x"; }} location = /k {{ }}', http)
    assert bool(linter.of(ISSUERS, outer)) is is_reported


EARLY = "claim-before-keys"


@pytest.mark.parametrize(
    ("http", "inside", "is_reported"),
    [
        ("", f"if ($jwt_claim_a) {{ return 403; }} location / {{ {KEY} }}", True),
        ("", f"set $user $jwt_claim_sub; location / {{ {KEY} }}", True),
        ("", f"{KEY} if ($jwt_claim_a) {{ return 403; }} location / {{ }}", False),
        (
            "map $jwt_payload $ok { a 1; }",
            f"if ($ok) {{ return 403; }} location / {{ {KEY} }}",
            True,
        ),
        ("", f"if ($http_a) {{ return 403; }} location / {{ {KEY} }}", False),
        ("", f"location / {{ {KEY} if ($jwt_claim_a) {{ return 403; }} }}", False),
        (
            "",
            f"location / {{ {KEY} auth_jwt_phase access; if ($jwt_claim_a) {{ return 403; }} }}",
            True,
        ),
        ("", f"location / {{ {KEY} auth_jwt_phase access; return 200 $jwt_claim_a; }}", True),
        (
            "",
            'location / { auth_jwt "x"; auth_jwt_key_request /k; } '
            "location = /k { internal; proxy_pass http://127.0.0.1/$jwt_claim_t; }",
            True,
        ),
        (
            "",
            'location / { auth_jwt "x"; auth_jwt_key_request /k; } '
            "location = /k { internal; proxy_pass http://127.0.0.1/$http_t; }",
            False,
        ),
    ],
)
def test_claims_before_tokens_are_verified(
    linter: Linter, http: str, inside: str, is_reported: bool
) -> None:
    assert bool(linter.of(EARLY, server(inside, http))) is is_reported


FORM = "tls-file-form"


@pytest.mark.parametrize(
    ("directive", "kind"),
    [
        ("ssl_client_certificate keys/ca.key", "is a private key, not a certificate"),
        ("ssl_trusted_certificate keys/ca.pem", ""),
        ("ssl_crl keys/ca.pem", "is a certificate, not a list of revoked certificates"),
        ("ssl_dhparam keys/ca.pem", "is a certificate, not DH parameters"),
        ("ssl_dhparam keys/dh.pem", ""),
        ("proxy_ssl_trusted_certificate keys/der", "is binary (DER), not a certificate"),
        ("proxy_ssl_certificate_key keys/jwks.json", "does not contain a private key in PEM"),
        ("grpc_ssl_certificate_key keys/ca.pem", "is a certificate, not a private key"),
        ("ssl_client_certificate keys/both.pem", "also contains a private key"),
        ("ssl_client_certificate keys/none.pem", ""),
        ("ssl_certificate $host", ""),
    ],
)
def test_files_for_tls(linter: Linter, directive: str, kind: str) -> None:
    parts = [(linter.folder / "keys" / name).read_bytes() for name in ("ca.pem", "ca.key")]
    dh = b"-----BEGIN X9.42 DH PARAMETERS-----\nMA==\n-----END X9.42 DH PARAMETERS-----\n"
    files = {"keys/der": b"\x30\x82\x01", "keys/both.pem": b"".join(parts), "keys/dh.pem": dh}
    found = linter.findings(server(f"location / {{ }} {directive};"), files=files, only=FORM)
    messages = [f.message for f in found if f.rule == FORM]
    assert messages == ([f'"{directive.split()[1]}" {kind}'] if kind else [])


def test_a_file_that_openssl_refuses_is_named_once(linter: Linter) -> None:
    text = server("ssl_certificate keys/ca.key; ssl_certificate_key keys/ca.key;")
    text = text.replace("listen 127.0.0.1:80;", "listen 127.0.0.1:443 ssl;")
    found = [f for f in linter.findings(text) if f.rule in ("unusable-file", FORM)]
    assert [(f.rule, f.hint) for f in found] == [("unusable-file", "the file is a private key")]


@pytest.mark.parametrize(
    ("target", "is_reported"),
    [
        ("https://idp.example", True),
        ("$scheme_of_app://idp.example", True),
        ("$idp", True),
        ("http://127.0.0.1:1", False),
    ],
)
def test_keys_from_servers_that_are_not_verified(
    linter: Linter, target: str, is_reported: bool
) -> None:
    scheme = "map $host $scheme_of_app { default https; }"
    text = server(
        'location / { auth_jwt "x"; auth_jwt_key_request /k; } '
        f"location = /k {{ internal; set $idp https://idp.example; proxy_pass {target}; }}",
        scheme,
    )
    assert bool(linter.of("jwks-tls-unverified", text)) is is_reported


@pytest.mark.parametrize(
    ("rule", "inside"),
    [
        ("validation-disabled", "auth_jwt_validate_sig off;"),
        ("leeway-too-large", "auth_jwt_leeway 1h;"),
        ("no-iss-aud", ""),
    ],
)
def test_tokens_that_are_one_of_two_ways_in(linter: Linter, rule: str, inside: str) -> None:
    text = server(f"satisfy any; allow 10.0.0.0/8; deny all; location / {{ {KEY} {inside} }}")
    assert linter.of(rule, text)
