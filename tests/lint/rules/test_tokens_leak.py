"""Tokens in queries, logs and on wires."""

from __future__ import annotations

import pytest

from ..kit import Linter

KEYS = "auth_jwt_key_file keys/jwks.json;"
AUTH = f'auth_jwt "api"; {KEYS}'
PASS = "proxy_pass http://127.0.0.1:9000;"


def http(text: str, before: str = "", listen: str = "127.0.0.1:8080") -> str:
    return f"events {{ }} http {{ {before} server {{ listen {listen}; {text} }} }}"


@pytest.mark.parametrize(
    ("token", "found"),
    [
        ("$arg_token", True),
        ("$either", True),
        ("$cookie_token", False),
        ("$http_x_token", False),
    ],
)
def test_token_in_query(linter: Linter, token: str, found: bool) -> None:
    before = 'map $cookie_t $either { "" $arg_t; default $cookie_t; }'
    text = http(f'location / {{ auth_jwt "api" token={token}; {KEYS} {PASS} }}', before)
    assert bool(linter.of("token-in-query", text)) is found


def test_token_in_query_of_max_lt(linter: Linter) -> None:
    key = "auth_jwt_key 0123456789abcdef0123456789abcdef;"
    text = http(f"location / {{ auth_jwt $arg_token; {key} {PASS} }}")
    assert linter.of("token-in-query", text, target="max-lt")


class TestAccessLog:
    RULE = "token-in-access-log"

    @pytest.mark.parametrize(
        ("format", "found"),
        [
            ("$http_authorization", True),
            ("$copy", True),
            ("$jwt_payload", True),
            ("$jwt_claim_sub", False),
            ("$has", False),
            ("$http_cookie", False),
        ],
    )
    def test_formats(self, linter: Linter, format: str, found: bool) -> None:
        before = f"""
            map $http_authorization $has {{ "" no; default yes; }}
            map $host $copy {{ default $http_authorization; }}
            log_format t '{format}'; access_log logs/a t;
            """
        text = http(f"location / {{ {AUTH} {PASS} }} location /b {{ {AUTH} {PASS} }}", before)
        assert len(linter.of(self.RULE, text)) == found

    def test_the_usual_format_has_the_query(self, linter: Linter) -> None:
        text = http(f'location / {{ auth_jwt "api" token=$arg_t; {KEYS} {PASS} }}')
        assert linter.of(self.RULE, text)
        assert not linter.of(self.RULE, text.replace("location /", "access_log off; location /"))

    def test_a_cookie_of_teslagov(self, linter: Linter) -> None:
        key = "auth_jwt_key 00112233445566778899aabbccddeeff; auth_jwt_location COOKIE=id;"
        text = http(
            f"location / {{ auth_jwt_enabled on; {key} {PASS} }}",
            "log_format t '$cookie_id'; access_log logs/a t;",
        )
        assert linter.of(self.RULE, text, target="teslagov")


@pytest.mark.parametrize(
    ("main", "server", "found"),
    [
        ("error_log logs/e debug;", "", True),
        ("error_log logs/e debug;", "error_log logs/f warn;", False),
        ("", "error_log logs/f debug_http;", True),
        ("error_log logs/e info;", "", False),
    ],
)
def test_debug_log(linter: Linter, main: str, server: str, found: bool) -> None:
    text = main + http(f"{server} location / {{ {AUTH} {PASS} }}")
    assert bool(linter.of("debug-log-with-auth", text)) is found


@pytest.mark.parametrize(
    ("listen", "more", "found"),
    [
        ("8080", "", True),
        ("192.0.2.1:8080", "", True),
        ("[::1]:8080", "", False),
        ("127.0.0.1:8080", "", False),
        ("unix:s.sock", "", False),
        ("8080", "return 301 https://$host$request_uri;", False),
    ],
)
def test_bearer_over_cleartext(linter: Linter, listen: str, more: str, found: bool) -> None:
    text = http(f"{more} location / {{ {AUTH} {PASS} }}", listen=listen)
    assert bool(linter.of("bearer-over-cleartext", text)) is found


@pytest.mark.parametrize(
    ("how", "found"),
    [
        ("proxy_pass https://192.0.2.1;", True),
        ("proxy_pass https://127.0.0.1;", False),
        ("proxy_pass http://192.0.2.1;", False),
        ('proxy_set_header Authorization ""; proxy_pass https://192.0.2.1;', False),
        ("uwsgi_pass suwsgi://192.0.2.1:1;", True),
        ("uwsgi_pass uwsgi://192.0.2.1:1;", False),
        ('uwsgi_param HTTP_AUTHORIZATION ""; uwsgi_pass suwsgi://192.0.2.1:1;', False),
    ],
)
def test_upstream_tls(linter: Linter, how: str, found: bool) -> None:
    text = http(f"location / {{ {AUTH} {how} }}")
    assert bool(linter.of("upstream-tls-unverified", text)) is found


def test_mirrors(linter: Linter) -> None:
    mirror = "location /m {{ internal; {} }}"
    text = f"location / {{ {AUTH} mirror /m; {PASS} }}"
    for how, found in (("return 204;", 0), (PASS, 0), ("proxy_pass http://127.0.0.1:9001;", 1)):
        assert len(linter.of("mirror-duplicates-token", http(text + mirror.format(how)))) == found
