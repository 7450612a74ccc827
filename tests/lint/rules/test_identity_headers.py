"""Fields that tell upstreams who somebody is, in all dialects."""

from __future__ import annotations

import pytest

from ..kit import Linter

PLUS = 'auth_jwt "api"; auth_jwt_key_file keys/jwks.json;'
MAXLT = "auth_jwt on; auth_jwt_key 0123456789abcdef0123456789abcdef;"
TESLA = "auth_jwt_enabled on; auth_jwt_key 00112233445566778899aabbccddeeff;"
DIALECTS = [
    pytest.param("plus", PLUS, "proxy_set_header X-Sub $jwt_claim_sub;", id="plus"),
    pytest.param("kjdev", PLUS, "proxy_set_header X-Sub $jwt_claim_sub;", id="kjdev"),
    pytest.param("max-lt", MAXLT, "proxy_set_header X-Sub $jwt_claim_sub;", id="max-lt"),
    pytest.param("teslagov", TESLA, "auth_jwt_extract_request_claims sub;", id="teslagov"),
]


def http(text: str) -> str:
    return f"events {{ }} http {{ {text} }}"


def server(text: str) -> str:
    return http(f"server {{ listen 127.0.0.1:8080; {text} }}")


class TestSpoofable:
    RULE = "identity-header-spoofable"

    @pytest.mark.parametrize(("target", "auth", "field"), DIALECTS)
    def test_a_sibling_of_the_same_upstream(
        self, linter: Linter, target: str, auth: str, field: str
    ) -> None:
        text = server(f"""
            location /a {{ {auth} {field} proxy_pass http://127.0.0.1:9000; }}
            location /b {{ proxy_pass http://127.0.0.1:9000; }}
            """)
        found = linter.of(self.RULE, text, target=target)
        assert len(found) == 1
        assert "through location /b" in found[0].message

    def test_the_fields_of_a_location_are_one_finding(self, linter: Linter) -> None:
        text = server(f"""
            location /a {{ {PLUS} proxy_set_header X-Sub $jwt_claim_sub;
                proxy_set_header X-Role $jwt_claim_role; proxy_pass http://127.0.0.1:9000; }}
            location /b {{ proxy_pass http://127.0.0.1:9000; }}
            """)
        (found,) = linter.of(self.RULE, text)
        assert found.message.startswith('clients can send "X-Sub", "X-Role" to ')
        assert found.hint == 'proxy_set_header X-Sub ""; proxy_set_header X-Role "";'

    @pytest.mark.parametrize(
        ("other", "found"),
        [
            ("scgi_pass 127.0.0.1:9000;", True),
            ('scgi_param HTTP_X_SUB ""; scgi_pass 127.0.0.1:9000;', False),
            ("scgi_pass_request_headers off; scgi_pass 127.0.0.1:9000;", False),
            ('proxy_set_header X-Sub ""; scgi_pass 127.0.0.1:9000;', True),
            ("memcached_pass 127.0.0.1:9000;", False),
        ],
    )
    def test_parameters(self, linter: Linter, other: str, found: bool) -> None:
        """Those of CGI, of an application behind SCGI."""
        text = server(f"""
            set $memcached_key $uri;
            location /a {{
                {PLUS} scgi_param HTTP_X_SUB $jwt_claim_sub; scgi_pass 127.0.0.1:9000;
            }}
            location /b {{ {other} }}
            """)
        assert bool(linter.of(self.RULE, text)) is found

    @pytest.mark.parametrize(
        "other",
        [
            "proxy_pass http://127.0.0.1:9001;",
            'proxy_set_header x-sub ""; proxy_pass http://127.0.0.1:9000;',
            "proxy_pass_request_headers off; proxy_pass http://127.0.0.1:9000;",
            "internal; proxy_pass http://127.0.0.1:9000;",
            "return 204;",
        ],
    )
    def test_not_if_the_field_does_not_get_there(self, linter: Linter, other: str) -> None:
        text = server(f"""
            location /a {{
                {PLUS} proxy_set_header X-Sub $jwt_claim_sub; proxy_pass http://127.0.0.1:9000;
            }}
            location /b {{ {other} }}
            """)
        assert not linter.of(self.RULE, text)

    def test_a_field_that_is_passed_on_by_name(self, linter: Linter) -> None:
        text = server(f"""
            location /a {{
                {PLUS} proxy_set_header X-Sub $jwt_claim_sub; proxy_pass http://127.0.0.1:9000;
            }}
            location /b {{
                proxy_set_header X-Sub $http_x_sub; proxy_pass http://127.0.0.1:9000;
            }}
            """)
        assert linter.of(self.RULE, text)

    def test_claims_are_followed_through_variables(self, linter: Linter) -> None:
        text = http(f"""
            auth_jwt_claim_set $who sub;
            map $who $user {{ "~(.*)" $1; }}
            upstream app {{ server 127.0.0.1:9000; }}
            server {{
                listen 127.0.0.1:8080;
                location /a {{
                    {PLUS} set $x $user; proxy_set_header X-Sub $x; proxy_pass http://app;
                }}
                location /b {{ proxy_pass http://127.0.0.1:9000; }}
            }}
            """)
        assert linter.of(self.RULE, text)

    def test_lost_by_inheritance_is_another_rule(self, linter: Linter) -> None:
        text = server(f"""
            {PLUS} proxy_set_header X-Sub $jwt_claim_sub;
            location /a {{ proxy_pass http://127.0.0.1:9000; }}
            location /b {{ proxy_set_header A b; proxy_pass http://127.0.0.1:9000; }}
            """)
        assert not linter.of(self.RULE, text)
        assert linter.of("identity-header-inheritance-lost", text)


class TestInheritance:
    RULE = "identity-header-inheritance-lost"

    @pytest.mark.parametrize(
        "inner",
        [
            "proxy_set_header A b; internal;",
            "proxy_set_header A b; return 204;",
            "proxy_set_header A b; proxy_set_header X-SUB $jwt_claim_sub;",
            "",
        ],
    )
    def test_silent(self, linter: Linter, inner: str) -> None:
        passing = "" if "return" in inner else "proxy_pass http://127.0.0.1:9000;"
        text = server(f"""
            {PLUS} proxy_set_header X-Sub $jwt_claim_sub; location / {{ {inner} {passing} }}
            """)
        assert not linter.of(self.RULE, text)


class TestUnderscores:
    RULE = "underscore-header-smuggling"

    @pytest.mark.parametrize(
        ("switch", "found"),
        [
            ("underscores_in_headers on;", True),
            ("ignore_invalid_headers off;", True),
            ('underscores_in_headers on; proxy_set_header X_Sub "";', False),
            ("underscores_in_headers off;", False),
        ],
    )
    def test_switches(self, linter: Linter, switch: str, found: bool) -> None:
        text = server(f"""
            {switch} {PLUS} proxy_set_header X-Sub $jwt_claim_sub;
            location / {{ proxy_pass http://127.0.0.1:9000; }}
            location /b {{ proxy_pass http://127.0.0.1:9000; }}
            """)
        assert len(linter.of(self.RULE, text)) == found


@pytest.mark.parametrize(
    ("field", "found"),
    [
        ("X-User $http_x_user", True),
        ("X-User-Id $arg_user", True),
        ("X-Roles $cookie_roles", True),
        ("X-User $jwt_claim_sub", False),
        ("X-User-Agent $http_user_agent", False),
        ("X-Request-Id $http_x_request_id", False),
        ("X-Forwarded-User $remote_user", False),
    ],
)
def test_identity_from_client(linter: Linter, field: str, found: bool) -> None:
    text = server(f"""
        location / {{ {PLUS} proxy_set_header {field}; proxy_pass http://127.0.0.1:9000; }}
        """)
    assert bool(linter.of("identity-from-client", text)) is found


@pytest.mark.parametrize(
    ("token", "fields", "found"),
    [
        ("", "", True),
        ("", "proxy_set_header Authorization $http_authorization;", True),
        ("", 'proxy_set_header Authorization "Basic c2VjcmV0";', False),
        ("", "proxy_pass_request_headers off;", False),
        ("token=$cookie_t", "", True),
        ("token=$cookie_t", 'proxy_set_header Cookie "";', False),
        ("token=$arg_t", "", False),
    ],
)
def test_token_forwarded(linter: Linter, token: str, fields: str, found: bool) -> None:
    text = server(f"""
        location / {{
            auth_jwt "api" {token}; auth_jwt_key_file keys/jwks.json;
            proxy_set_header X-Sub $jwt_claim_sub; {fields} proxy_pass http://127.0.0.1:9000;
        }}
        """)
    assert bool(linter.of("token-forwarded", text)) is found


@pytest.mark.parametrize(
    ("how", "found"),
    [
        ("proxy_pass http://$jwt_claim_tenant.internal;", True),
        ("set $x $jwt_claim_sub; root /srv/$x;", True),
        ("alias /srv/$jwt_claim_sub/;", True),
        ("if ($jwt_claim_sub ~ ^([a-z]+)$) { set $x $1; } root /srv/$x;", False),
        ("root /srv;", False),
    ],
)
def test_claim_in_target(linter: Linter, how: str, found: bool) -> None:
    assert bool(linter.of("claim-in-target", server(f"location /f/ {{ {PLUS} {how} }}"))) is found


PASSES = [
    ("proxy_set_header X-Sub", "proxy_pass http:", 'proxy_set_header Authorization "";'),
    ("grpc_set_header X-Sub", "grpc_pass grpc:", 'grpc_set_header Authorization "";'),
    ("fastcgi_param HTTP_X_SUB", "fastcgi_pass ", 'fastcgi_param HTTP_AUTHORIZATION "";'),
    ("uwsgi_param HTTP_X_SUB", "uwsgi_pass ", 'uwsgi_param HTTP_AUTHORIZATION "";'),
    ("scgi_param HTTP_X_SUB", "scgi_pass ", 'scgi_param HTTP_AUTHORIZATION "";'),
]


@pytest.mark.parametrize(("field", "passes", "removal"), PASSES)
def test_removal_of_tokens(linter: Linter, field: str, passes: str, removal: str) -> None:
    """The hint is a directive of the protocol by which the location passes requests on."""
    to = passes + ("//127.0.0.1:9000;" if passes.endswith(":") else "127.0.0.1:9000;")
    text = server(f"location / {{ {PLUS} {field} $jwt_claim_sub; %s {to} }}")
    (finding,) = linter.of("token-forwarded", text % "")
    assert finding.hint == f"the upstream does not need it: {removal}"
    assert not linter.of("token-forwarded", text % removal)
    mirrored = f"location / {{ {PLUS} mirror /m; return 204; }} location = /m {{ internal; {to} }}"
    (finding,) = linter.of("mirror-duplicates-token", server(mirrored))
    assert finding.hint == removal


@pytest.mark.parametrize(("field", "passes", "removal"), PASSES)
def test_removal_of_identities(linter: Linter, field: str, passes: str, removal: str) -> None:
    to = passes + ("//127.0.0.1:9000;" if passes.endswith(":") else "127.0.0.1:9000;")
    text = server(f"""
        location / {{ {PLUS} {field} $jwt_claim_sub; {to} }}
        location /open {{ %s {to} }}
        """)
    (finding,) = linter.of("identity-header-spoofable", text % "")
    assert finding.hint == f'{field} "";'
    assert not linter.of("identity-header-spoofable", text % finding.hint)
