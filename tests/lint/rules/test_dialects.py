"""What the JWT dialects do not say alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..kit import Linter

SECRET = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
PUBLIC = (Path(__file__).parent / "public.pem").read_text()


def test_two_dialects_are_one_error_with_both_places(linter: Linter) -> None:
    text = """
        location / {
            auth_jwt "api";
            auth_jwt_phase preaccess;
            auth_jwt_key_file keys/jwks.json;
            auth_jwt_redirect on;
            auth_jwt_loginurl /login;
        }
        """
    found = [f for f in linter.findings(text) if f.is_error]
    assert [(f.rule, f.line) for f in found] == [("mixed-dialects", 6)]
    assert any("nginx.conf:4" in f.message and "nginx.conf:6" in f.message for f in found)


def test_a_directive_of_no_module_is_an_error_even_if_its_module_is_known(linter: Linter) -> None:
    text = 'location / { auth_jwt_bypass_methods GET; auth_jwt "a"; auth_jwt_key_file k.json; }'
    (found,) = linter.of("phantom-directive", text)
    assert found.is_error and "limit_except" in found.message


def test_algorithms_that_only_pyngx_has(linter: Linter) -> None:
    text = f"location / {{ auth_jwt_algorithm PS256; auth_jwt_key {_quoted(PUBLIC)}; }}"
    report = linter.findings(text, target="teslagov")
    assert "tesla-unknown-algorithm" in [f.rule for f in report]


def test_a_key_file_beside_the_default_algorithm(linter: Linter) -> None:
    linter.write({"key.pem": PUBLIC})
    file = f"auth_jwt_use_keyfile on; auth_jwt_keyfile_path {linter.folder}/key.pem;"
    rule = "tesla-key-file-ignored"
    assert linter.of(rule, f"location / {{ {file} }}")
    assert not linter.of(rule, f"location / {{ {file} auth_jwt_algorithm ES256; }}")
    assert not linter.of(rule, f"location / {{ {file} auth_jwt_enabled off; }}")


@pytest.mark.parametrize(
    ("directives", "outcome", "hint"),
    [
        ('auth_jwt "x"; auth_jwt_phase access;', "every token is refused", "auth_jwt_key_file"),
        ("auth_jwt_enabled on;", "every request, and pyngx does not", "auth_jwt_keyfile_path"),
        ('auth_jwt_enabled on; auth_jwt_key "";', "admits every request", "auth_jwt_key"),
        ("pyngx_allow_unsigned on; auth_jwt_enabled on;", "admits every request", "auth_jwt_key"),
    ],
)
def test_no_key(linter: Linter, directives: str, outcome: str, hint: str) -> None:
    found = linter.findings(f"location / {{ {directives} }}", only="auth-without-key")
    (hit,) = [finding for finding in found if finding.rule == "auth-without-key"]
    assert outcome in hit.message and hint in hit.hint


def test_no_key_of_max_lts_module_is_an_error_of_nginx(linter: Linter) -> None:
    found = linter.findings("events { } http { server { location / { auth_jwt on; } } }")
    rules = [f.rule for f in found if f.is_error or f.rule == "auth-without-key"]
    assert rules == ["invalid-configuration"]


@pytest.mark.parametrize(
    "directives",
    [
        'auth_jwt "x"; auth_jwt_phase access; auth_jwt_key_file nope.json;',
        'auth_jwt "x"; auth_jwt_alg HS256; auth_jwt_key_file nope.key;',
        "auth_jwt_enabled on; auth_jwt_keyfile_path /nope; auth_jwt_use_keyfile on;",
        "auth_jwt on; auth_jwt_key /nope file;",
    ],
)
def test_a_missing_key_file_is_one_note(linter: Linter, directives: str) -> None:
    found = linter.findings(f"location / {{ {directives} }}")
    assert not any(f.is_error for f in found)
    rules = [f.rule for f in found if f.rule not in ("no-iss-aud", "bearer-over-cleartext")]
    assert "not-on-this-machine" in rules and "auth-without-key" not in rules
    assert rules.count("not-on-this-machine") == 1


def test_no_key_is_needed_where_signatures_are_not_checked(linter: Linter) -> None:
    text = 'location / { auth_jwt "x"; auth_jwt_validate_sig off; }'
    assert not linter.of("auth-without-key", text)


def test_realms_on_inner_levels_are_told_each(linter: Linter) -> None:
    text = """
        auth_jwt_key_file keys/jwks.json;
        auth_jwt on;
        location /a { auth_jwt on; }
        location /b { auth_jwt "b"; }
        """
    assert [f.line for f in linter.of("realm-on", text)] == [3, 4]


def test_on_is_a_switch_of_max_lts_module(linter: Linter) -> None:
    text = f"location / {{ auth_jwt on; auth_jwt_key {SECRET} hex; }}"
    assert not linter.of("realm-on", text)
    (found,) = linter.of("maxlt-any-algorithm", text)
    assert found.column == 14


def test_algorithms_of_outer_levels_count(linter: Linter) -> None:
    text = f"auth_jwt_alg hs256; location / {{ auth_jwt on; auth_jwt_key {SECRET} hex; }}"
    assert not linter.of("maxlt-any-algorithm", text)


def _quoted(text: str) -> str:
    return f'"{text}"'


def test_names_with_capitals_in_any_word(linter: Linter) -> None:
    text = """
        log_format tokens "$jwt_claim_Sub ${jwt_header_Kid} $jwt_claim_sub";
        map $jwt_claim_userId $user { default $jwt_claim_deptNo; }
        server { location / { auth_jwt "a"; auth_jwt_key_file keys/jwks.json; } }
        """
    found = linter.of("claim-name-case", text)
    assert [(f.line, f.column) for f in found] == [(2, 27), (2, 27), (3, 13), (3, 47)]
    assert 'auth_jwt_header_set $variable Kid"' in found[1].hint


def test_names_of_teslagovs_module_keep_their_case(linter: Linter) -> None:
    text = f"""
        location / {{
            auth_jwt_key {SECRET};
            auth_jwt_extract_var_claims userId;
            proxy_set_header X-User $jwt_claim_userId;
        }}
        """
    assert not linter.of("claim-name-case", text)


def test_comparisons_with_json(linter: Linter) -> None:
    text = f"""
        map $jwt_claim_role $a {{ hostnames; default 0; '"x"' 1; 7 1; true 1; x 1; ~^x 1; ~x 1; }}
        map $jwt_claim_sub$uri $b {{ x 1; }}
        server {{
            auth_jwt_key {SECRET} hex;
            location / {{
                auth_jwt on;
                if ($jwt_claim_role = x) {{ return 403; }}
                if ($jwt_claim_role != '"x"') {{ return 403; }}
                if ($jwt_claim_role) {{ return 403; }}
            }}
        }}
        """
    found = linter.of("claim-quotes", text)
    assert [(f.line, f.column) for f in found] == [(2, 78), (2, 83), (8, 39)]


def test_comparisons_with_bare_texts(linter: Linter) -> None:
    text = """
        map $jwt_claim_role $a { '"x"' 1; x 1; '~^"x"' 1; "" 1; '~"' 1; }
        server { location / { auth_jwt "a"; auth_jwt_key_file keys/jwks.json; } }
        """
    assert [f.column for f in linter.of("claim-quotes", text)] == [34, 48]


def test_fields_with_claims_that_clients_can_spell_otherwise(linter: Linter) -> None:
    text = f"""
        underscores_in_headers on;
        auth_jwt_key {SECRET};
        auth_jwt_extract_request_claims sub;
        auth_jwt_extract_var_claims sub;
        location / {{ proxy_pass http://127.0.0.1:9000; }}
        location /x {{ auth_jwt_enabled off; }}
        location /y {{ proxy_set_header jwt-sub $jwt_claim_sub; }}
        """
    assert [f.line for f in linter.of("tesla-request-claims", text)] == [2, 4]


def test_limits_by_variables_that_come_of_claims(linter: Linter) -> None:
    text = """
        auth_jwt_claim_set $user name;
        map $user $key { default $uri; }
        limit_conn_zone $key zone=a:1m;
        limit_req_zone $user$uri zone=b:1m rate=1r/s;
        limit_req_zone $user zone=unused:1m rate=1r/s;
        server {
            auth_jwt "a";
            auth_jwt_key_file keys/jwks.json;
            location / { limit_conn a 1; limit_req zone=b; }
        }
        """
    found = linter.of("claim-in-limit-key", text)
    assert [(f.line, f.related[0].spot.line) for f in found] == [(4, 10), (5, 10)]


def test_limits_behind_the_check(linter: Linter) -> None:
    text = """
        limit_req_zone $jwt_claim_sub zone=a:1m rate=1r/s;
        server {
            auth_jwt "a";
            auth_jwt_key_file keys/jwks.json;
            auth_jwt_phase PHASE;
            location / { limit_req zone=a; }
        }
        """
    rule = "claim-in-limit-key"
    assert not linter.of(rule, text.replace("PHASE", "preaccess"))
    assert linter.of(rule, text.replace("PHASE", "access"))


def test_secrets_in_all_encodings_and_public_keys(linter: Linter) -> None:
    rule = "secret-as-text"
    for encoding in ("hex", "utf8", "base64", ""):
        text = f"auth_jwt on; auth_jwt_key {SECRET} {encoding}; location / {{ }}"
        assert len(linter.of(rule, text)) == (1 if encoding else 2)
    assert not linter.of(rule, f"auth_jwt on; auth_jwt_key {_quoted(PUBLIC)}; location / {{ }}")


def test_login_pages(linter: Linter) -> None:
    def told(listen: str, url: str) -> list[str]:
        text = f"""
            listen {listen};
            location / {{
                auth_jwt_key {SECRET}; auth_jwt_redirect on;
                {url}
            }}
            """
        return [f.message for f in linter.of("tesla-login-redirect", text, context="http.server")]

    assert not told("80", "auth_jwt_loginurl /login;")
    assert not told("unix:/tmp/s", "auth_jwt_loginurl /login;")
    assert told("80", "") and told("80", "auth_jwt_loginurl login;")
    assert "port 8443" in told("8443", "auth_jwt_loginurl /login;")[0]


def test_cookies(linter: Linter) -> None:
    def told(where: str) -> int:
        text = f"location / {{ auth_jwt_key {SECRET}; auth_jwt_location {where}; }}"
        return len(linter.of("tesla-token-location", text))

    assert told("COOKIE=jwt") and told("COOKIE=") and told("header=x") and told("QUERY=x")
    assert not told("HEADER=X-Token")


def test_values_of_requirements_that_are_no_json(linter: Linter) -> None:
    text = """
        map $uri $text { default '"a"'; /x b; }
        map $uri $json { default '"a"'; /x 5; /y $arg_x; }
        server {
            auth_jwt "a $host"; auth_jwt_key_file keys/jwks.json;
            location / {
                set $set idp;
                auth_jwt_require_claim iss eq $text;
                auth_jwt_require_claim iss eq $json;
                auth_jwt_require_claim iss eq $set;
                auth_jwt_require_claim iss eq ${host};
                auth_jwt_require_claim iss eq $arg_iss;
                auth_jwt_require_claim iss eq text;
                auth_jwt_require_header alg in 'json=["HS256", none]';
                auth_jwt_require_header alg in 'json=["HS256"]';
            }
        }
        """
    assert [f.line for f in linter.of("kjdev-value-not-json", text)] == [5, 8, 10, 11, 14]


def test_requirements_on_dates(linter: Linter) -> None:
    def told(requirement: str) -> int:
        line = f"auth_jwt_require_claim {requirement};"
        text = f'location / {{ auth_jwt "a"; auth_jwt_key_file keys/jwks.json; {line} }}'
        return len(linter.of("kjdev-dates-replaced", text))

    assert told("exp ge json=0") and told(".exp ne json=1") and told("nbf gt $jwt_nowtime")
    assert not told("exp gt $jwt_nowtime") and not told("nbf le ${jwt_nowtime}")
    assert not told("expires gt json=0")


def test_subrequests_that_demand_tokens(linter: Linter) -> None:
    text = """
        auth_jwt_key_file keys/jwks.json;
        location / { mirror /copy; auth_request /check?x; }
        location /copy { auth_jwt "a"; }
        location /check { auth_jwt "a"; }
        location /other { auth_jwt "a"; }
        """
    assert [f.line for f in linter.of("auth-in-subrequest", text)] == [4, 5]
    assert not linter.of("auth-in-subrequest", text + "auth_jwt_phase preaccess;")


def test_what_key_files_hold(linter: Linter) -> None:
    def told(name: str, content: str) -> int:
        linter.write({name: content})
        text = f'pyngx_jwt_dialect plus; server {{ auth_jwt "a"; auth_jwt_key_file {name}; }}'
        return len(linter.of("key-file-form", text))

    assert told("a.json", '{"kty": "oct", "k": "AAAA"}') and told("b.json", "[]")
    assert told("c.pem", PUBLIC)
    assert not told("d.json", '{"keys": []}') and not told("e.json", "{") and not told("f", "x")


def test_no_dialect_is_asked_for_where_it_is_known(linter: Linter) -> None:
    text = 'location / { auth_jwt "a"; auth_jwt_key_file keys/jwks.json; }'
    rule = "ambiguous-dialect"
    assert linter.of(rule, text) and not linter.of(rule, text, target="plus")
    assert not linter.of(rule, text.replace(" }", " auth_jwt_type signed; }"))


def test_key_lines_without_effect(linter: Linter) -> None:
    text = """
        auth_jwt "a";
        location / { auth_jwt_key_request /keys; auth_jwt_key_request /keys; }
        location /t { auth_jwt_key_request /$arg_t; auth_jwt_key_cache 1m; }
        location = /keys { internal; proxy_pass http://127.0.0.1:9000; }
        """
    assert [f.line for f in linter.of("idle-key-line", text)] == [3, 4]


def test_key_locations_that_are_asked(linter: Linter) -> None:
    text = """
        auth_jwt "a";
        location / { auth_jwt_key_request /_jwks?x; auth_jwt_key_cache 1m; }
        location = /_jwks { internal; proxy_pass http://127.0.0.1:9000; }
        location = /jwks.json { auth_jwt off; proxy_pass http://127.0.0.1:9000; }
        """
    assert not linter.of("idle-key-line", text)


def test_subrequests_of_other_modules(linter: Linter) -> None:
    text = """
        auth_jwt_key_file keys/jwks.json;
        location / { add_before_body /check; add_after_body /other; }
        location /check { auth_jwt "a"; }
        location /other { auth_jwt "a"; }
        """
    assert [f.line for f in linter.of("auth-in-subrequest", text)] == [4, 5]
