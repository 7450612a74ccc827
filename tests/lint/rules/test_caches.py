"""Caches of protected locations."""

from __future__ import annotations

import pytest

from ..kit import Linter

AUTH = 'auth_jwt "api"; auth_jwt_key_file keys/jwks.json;'
CACHE = "proxy_cache z; proxy_cache_valid 200 1m;"
PASS = "proxy_pass http://127.0.0.1:9000;"


def http(*servers: str, maps: str = "") -> str:
    shown = "".join(f"server {{ listen 127.0.0.1:80{n}; {s} }}" for n, s in enumerate(servers, 10))
    return f"events {{ }} http {{ proxy_cache_path c keys_zone=z:1m; {maps} {shown} }}"


class TestKey:
    RULE = "cache-key-without-identity"

    @pytest.mark.parametrize(
        ("key", "found"),
        [
            ("", False),  # without a key nothing is kept
            ("scgi_cache_key $uri;", True),
            ("scgi_cache_key $uri$jwt_claim_sub;", False),
        ],
    )
    def test_scgi(self, linter: Linter, key: str, found: bool) -> None:
        text = http(
            f"""location / {{ {AUTH} scgi_cache s; scgi_cache_valid 1m; {key}
                              scgi_pass 127.0.0.1:9000; }}""",
            maps="scgi_cache_path s keys_zone=s:1m;",
        )
        hits = linter.of(self.RULE, text)
        assert [hit.hint for hit in hits] == (['add a claim to "scgi_cache_key"'] if found else [])

    @pytest.mark.parametrize(
        "more",
        [
            "proxy_cache_key $uri$jwt_claim_sub;",
            "proxy_cache_key $uri$http_authorization;",
            "proxy_cache_key $uri$who;",
            "proxy_no_cache $http_authorization;",
            "internal;",
            "proxy_cache off;",
        ],
    )
    def test_silent(self, linter: Linter, more: str) -> None:
        cache = "" if "off" in more else CACHE
        text = http(
            f"location / {{ {AUTH} {cache} {more} {PASS} }}",
            maps="map $jwt_claim_plan $who { default a; x b; }",
        )
        assert not linter.of(self.RULE, text)

    def test_conditions_on_claims_tell_users_apart(self, linter: Linter) -> None:
        for variable, found in (("$jwt_claim_sub", 0), ("$arg_a", 1)):
            key = f"set $k a; if ({variable} = b) {{ set $k b; }} proxy_cache_key $uri$k;"
            text = http(f"location / {{ {AUTH} {CACHE} {key} {PASS} }}")
            assert len(linter.of(self.RULE, text)) == found

    def test_the_cookie_that_tokens_come_in_tells_users_apart(self, linter: Linter) -> None:
        auth = 'auth_jwt "api" token=$cookie_t; auth_jwt_key_file keys/jwks.json;'
        for key, found in (("$uri$cookie_t", 0), ("$uri", 1)):
            text = http(f"location / {{ {auth} {CACHE} proxy_cache_key {key}; {PASS} }}")
            assert len(linter.of(self.RULE, text)) == found

    def test_inherited_lines_are_told_once(self, linter: Linter) -> None:
        places = "".join(f"location /{n} {{ {PASS} }}" for n in range(3))
        assert len(linter.of(self.RULE, http(f"{AUTH} {CACHE} {places}"))) == 1


class TestSharedZone:
    RULE = "cache-zone-shared-with-public"

    @pytest.mark.parametrize(
        ("one", "two", "found"),
        [
            (f"location / {{ {AUTH} {CACHE} {PASS} }}", f"location / {{ {CACHE} {PASS} }}", True),
            (
                f"location /a/ {{ {AUTH} {CACHE} {PASS} }}",
                f"location /b/ {{ {CACHE} {PASS} }}",
                False,
            ),
            (
                f"location /a/ {{ {AUTH} {CACHE} {PASS} }}",
                f"location / {{ {CACHE} {PASS} }}",
                True,
            ),
            (
                f"location / {{ {AUTH} {CACHE} {PASS} }}",
                f"location / {{ {CACHE} proxy_pass http://127.0.0.1:9001; }}",
                False,
            ),
            (
                f"server_name a; location / {{ {AUTH} {CACHE} proxy_cache_key $host$uri; {PASS} }}",
                f"server_name b; location / {{ {CACHE} proxy_cache_key $host$uri; {PASS} }}",
                False,
            ),
        ],
    )
    def test_two_servers(self, linter: Linter, one: str, two: str, found: bool) -> None:
        assert bool(linter.of(self.RULE, http(one, two))) is found

    def test_one_server(self, linter: Linter) -> None:
        both = f"location /a/ {{ {AUTH} {CACHE} {PASS} }} location /b/ {{ {CACHE} {PASS} }}"
        assert not linter.of(self.RULE, http(both))
        assert linter.of(self.RULE, http(f"proxy_cache_key $arg_id; {both}"))


@pytest.mark.parametrize(
    ("valid", "found"),
    [
        ("any 1m", True),
        ("401 1m", True),
        ("502 1m", True),
        ("any 0", False),
        ("404 1m", False),
        ("1m", False),
    ],
)
def test_cache_errors(linter: Linter, valid: str, found: bool) -> None:
    text = http(f"location / {{ proxy_cache z; proxy_cache_valid {valid}; {PASS} }}")
    assert bool(linter.of("cache-errors", text)) is found


def test_a_cache_that_can_keep_nothing(linter: Linter) -> None:
    ignored = "proxy_ignore_headers X-Accel-Expires Expires Cache-Control;"
    found = linter.of(
        "cache-inert", http(f"location / {{ proxy_cache z; {ignored} {PASS} }}"), settings=None
    )
    assert [f.severity.word for f in found] == ["warn"]


@pytest.mark.parametrize(
    ("how", "severity"),
    [
        ("expires 1h;", "info"),
        ("expires max;", "info"),
        ("expires -1;", ""),
        ("expires epoch;", ""),
        ('expires 1h; add_header Cache-Control "private";', ""),
        ("add_header Cache-Control s-maxage=60;", "warn"),
        ("add_header Cache-Control max-age=60;", ""),
    ],
)
def test_protected_public_cacheable(linter: Linter, how: str, severity: str) -> None:
    found = linter.of("protected-public-cacheable", http(f"location / {{ {AUTH} {how} {PASS} }}"))
    assert [f.severity.word for f in found] == ([severity] if severity else [])
