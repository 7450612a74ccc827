"""Errors: all of them in one run, where they are, what they conflict with, what was meant."""

from __future__ import annotations

import pytest

from pyngx_jwt.lint.finding import Severity

from .kit import Linter

MANY = """\
events { }
http {
    gzip_sttaic on;
    server {
        listen 80
        server_name a.example;
        location / { proxy_pass http://127.0.0.1:9000; proxi_set_header X 1; }
        location /x { root; client_max_body_size 1zz; }
        location /y { add_header X $nope; }
        location ~ ^/a{2}$ { return 200; }
        location /y { return 200; }
    }
    map $host $m { default 1; default 2; }
    server { listen 81; location / { return 200 "a"b; } }
    server { listen 82; location / { return 200 } }
}
"""


def test_all_of_them(linter: Linter) -> None:
    found = [(f.line, f.column, f.message) for f in linter.findings(MANY)]
    assert found == [
        (3, 5, 'unknown directive "gzip_sttaic"'),
        (6, 9, 'invalid parameter "server_name"'),
        (7, 56, 'unknown directive "proxi_set_header"'),
        (8, 23, 'invalid number of arguments in "root" directive'),
        (8, 29, '"client_max_body_size" directive invalid value'),
        (9, 36, 'unknown "nope" variable'),
        (10, 24, 'unknown directive "2}$"'),
        (11, 18, 'duplicate location "/y"'),
        (13, 31, "duplicate default map parameter"),
        (14, 52, 'unexpected "b"'),
        (15, 49, 'unexpected "}"'),
    ]


def test_what_was_meant(linter: Linter) -> None:
    hints = {f.message: f.hint for f in linter.findings(MANY)}
    assert hints['unknown directive "gzip_sttaic"'] == 'did you mean "gzip_static"?'
    assert "quotes" in hints['unknown directive "2}$"']
    assert '";" is missing' in hints['unexpected "}"']
    assert (
        hints['invalid parameter "server_name"'] == 'perhaps a ";" is missing before "server_name"'
    )
    wrong = hints['invalid number of arguments in "root" directive']
    assert wrong == "its syntax is: root path;"


def test_what_it_conflicts_with(linter: Linter) -> None:
    found = {f.message: f.related for f in linter.findings(MANY)}
    (related,) = found['duplicate location "/y"']
    assert (related.spot.line, related.message) == (9, "it is defined here first")


def test_twice_on_one_level(linter: Linter) -> None:
    text = "events { }\nhttp {\n  root a;\n  root b;\n}\n"
    (found,) = linter.findings(text)
    assert (found.line, found.message) == (4, '"root" directive is duplicate')
    assert found.related[0].spot.line == 3


def test_where_it_belongs(linter: Linter) -> None:
    (found,) = linter.findings("events { }\nhttp { user nobody; }\n")
    assert found.message == '"user" directive is not allowed here'
    assert found.hint == '"user" belongs in: main'


def test_braces_of_an_expression_do_not_end_blocks(linter: Linter) -> None:
    text = "events { }\nhttp { server {\nrewrite ^/a{2}$ /b;\n}\nserver { listen 81; nope; } }\n"
    assert [(f.line, f.rule) for f in linter.findings(text)] == [
        (3, "syntax"),
        (5, "unknown-directive"),
    ]


def test_what_pyngx_does_not_run_is_known(linter: Linter) -> None:
    text = """\
events { }
http {
    js_set $geo main.x;
    init_by_lua_block { local s = "}" -- it's }
    }
    upstream u { zone u 64k; resolver 127.0.0.1; server a.example resolve; }
    server {
        listen 443;
        location / { brotli on; js_content main.x; js_fetch_timeout 1s; }
        location /b { return 200 "$otel_trace_id $http3"; }
        location /c { js_periodic main.y; }
    }
}
stream { server { listen 53; mqtt on; proxy_pass a:1; } map $remote_addr $b { c d; } }
mail { server { listen 25; } }
"""
    found = linter.findings(text)
    assert {f.rule for f in found} == {"not-run-by-pyngx"}
    assert {f.severity.word for f in found} == {"info"}
    hints = {f.message.partition('"')[2].partition('"')[0]: f.hint for f in found}
    assert not {"brotli", "js_fetch_timeout"} & {*hints}  # these are accepted
    hint = "with --allow-unsupported, requests that it would answer get a 501"
    assert hints["js_content"] == hint
    assert hints["js_periodic"] == "--allow-unsupported leaves it out"
    assert hints["js_set"].startswith("it is never ignored: its variables may control access")


def test_places_are_not_repeated(linter: Linter) -> None:
    group = "events {{ }}\nhttp {{\n  upstream u {{ {} server a.example resolve; }}\n}}\n"
    for zone, message in (
        ("zone u 64k;", 'no resolver defined to resolve names at run time in upstream "u"'),
        ("", 'resolving names at run time requires upstream "u" to be in shared memory'),
    ):
        errors = [f for f in linter.findings(group.format(zone)) if f.is_error]
        assert [(f.line, f.message) for f in errors] == [(3, message)]


def test_an_unknown_zone_is_one_error(linter: Linter) -> None:
    text = "events { }\nhttp { server { proxy_cache nope; limit_conn none 1; } }\n"
    assert {f.message for f in linter.findings(text) if f.is_error} == {
        '"proxy_cache" zone "nope" is unknown',
        'zero size shared memory zone "none"',
    }


def test_modules_that_are_loaded_may_have_more(linter: Linter) -> None:
    text = "load_module x.so;\nevents { }\nhttp { quux on; gziip on; }\n"
    found = {f.message: (f.severity.word, f.is_error) for f in linter.findings(text)}
    assert found['unknown directive "quux"'] == ("warn", False)
    assert found['unknown directive "gziip"'] == ("error", True)


def test_its_grammar_is_checked(linter: Linter) -> None:
    text = """\
events { }
http { server {
    js_fetch_timeout;
    userid on off;
    js_content;
    mp4_buffer_size { }
} }
stream { root /; server { listen 53; proxy_timeout; nope; } }
"""
    assert [(f.line, f.message) for f in linter.findings(text) if f.is_error] == [
        (3, 'invalid number of arguments in "js_fetch_timeout" directive'),
        (4, 'invalid number of arguments in "userid" directive'),
        (5, '"js_content" directive is not allowed here'),
        (6, 'directive "mp4_buffer_size" is not terminated by ";"'),
        (8, '"root" directive is not allowed here'),
        (8, 'invalid number of arguments in "proxy_timeout" directive'),
        (8, 'unknown directive "nope"'),
    ]


def test_targets(linter: Linter) -> None:
    text = """\
events { }
http {
    pyngx_jwt_max_keys 9;
    server { auth_jwt "x"; auth_jwt_key_file keys/jwks.json; status_zone z; mp4_buffer_size 8k; }
    server { listen 81; location /x { subs_filter a b; } location / { js_content a; } }
}
"""

    def errors(target: str) -> list[str]:
        found = linter.findings(text, target=target)
        return [f.message for f in found if f.is_error]

    unknown = 'unknown directive "{}"'.format
    names = ("pyngx_jwt_max_keys", "auth_jwt", "auth_jwt_key_file", "status_zone")
    assert errors("nginx") == [unknown(name) for name in names]
    assert errors("kjdev") == [unknown(name) for name in ("pyngx_jwt_max_keys", "status_zone")]
    assert errors("plus") == [unknown("pyngx_jwt_max_keys")]
    assert len(errors("pyngx")) == 2  # what it does not run
    assert errors("") == []


def test_unknown_directives_of_a_target(linter: Linter) -> None:
    """The hint says who has the directive, and never proposes the same name."""
    text = """\
events { }
http {
    pyngx_jwt_max_keys 9;
    upstream u { server 127.0.0.1:1; queue 5; }
    server { auth_jwt "x"; auth_jwt_phase access; status_zone z; }
}
"""
    hints = {f.message.split('"')[1]: f.hint for f in linter.findings(text, target="nginx")}
    own = "ngx_http_auth_jwt_module"
    assert hints == {
        "pyngx_jwt_max_keys": "only pyngx has pyngx_jwt_max_keys",
        "queue": "queue belongs to NGINX Plus (ngx_http_upstream_module)",
        "auth_jwt": f"auth_jwt belongs to NGINX Plus ({own}), kjdev/nginx-auth-jwt, "
        "max-lt/nginx-jwt-module",
        "auth_jwt_phase": "auth_jwt_phase belongs to kjdev/nginx-auth-jwt",
        "status_zone": "status_zone belongs to NGINX Plus (ngx_http_api_module, "
        "ngx_http_status_module)",
    }


def test_no_name_is_looked_up(linter: Linter) -> None:
    text = """\
events { }
http {
    resolver dns.example;
    upstream u { server no-such-host.example; }
    server { location / { proxy_pass http://u; } location /b { proxy_pass http://c.invalid; } }
}
"""
    assert [f.message for f in linter.findings(text)] == ['host not found in upstream "c.invalid"']


def test_nothing_is_written(linter: Linter) -> None:
    text = """\
error_log logs/e.log;
events { }
http {
    proxy_cache_path cache keys_zone=z:1m;
    server { access_log logs/a.log; location / { proxy_cache z; proxy_pass http://b; } }
}
"""
    linter.report(text)
    assert {path.name for path in linter.folder.iterdir()} == {"keys", "nginx.conf"}


def test_two_dialects(linter: Linter) -> None:
    text = """\
events { }
http { server { location / {
    auth_jwt_enabled on;
    auth_jwt_validate_sig off;
    return 200;
} } }
"""
    found = [f for f in linter.findings(text) if f.rule == "mixed-dialects"]
    assert found and found[0].is_error


def test_no_events_where_pyngx_is_to_run_it(linter: Linter) -> None:
    """nginx does not start without, pyngx does."""
    (finding,) = linter.of("nginx-warning", "http { }", target="pyngx")
    assert (finding.severity, finding.is_error) == (Severity.WARN, False)
    (finding,) = linter.of("missing-block", "http { }")
    assert finding.is_error


def test_variables_that_need_each_other(linter: Linter) -> None:
    """Which nginx finds out by the first request."""
    text = """
    events { }
    http {
        map $arg_x $fine { default $host; }
        map $a $b { default $a; }
        map $b $a { default $b; }
    }
    """
    (finding,) = linter.of("nginx-warning", text)
    assert finding.message == 'cycle of variables: "$b" needs "$a", "$a" needs "$b"'
    assert finding.spot.line == 5


def test_files_that_include_themselves(linter: Linter) -> None:
    """In blocks that are run and in those that are not."""
    for name, text in (("http.conf", "http {{ {} }}"), ("mail.conf", "http {{ }}\nmail {{ {} }}")):
        files = {"nginx.conf": f"events {{ }}\n{text.format(f'include {name};')}\n"}
        files[name] = f"include {name};\n"
        found = [f.message for f in linter.findings(files=files) if f.is_error]
        assert found == [f'too many nested includes, "{name}" includes itself']


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("client_max_body_sise", 'did you mean "client_max_body_size"?'),
        ("proxy_header_set", 'did you mean "proxy_set_header"?'),
        ("auth_jwt_enable", 'did you mean "auth_jwt_enabled"?'),
        ("auth_token_enabled", "if it is of a module that nginx loads, pyngx does not have it"),
    ],
)
def test_another_word_is_not_a_misspelling(linter: Linter, name: str, hint: str) -> None:
    (found,) = [f for f in linter.findings(f"location / {{ {name} on; }}") if f.is_error]
    assert (found.rule, found.hint) == ("unknown-directive", hint)


@pytest.mark.parametrize(
    ("http", "inside", "is_error"),
    [
        ("", "include /nowhere/a.conf;", True),
        ("", "location /a { include /nowhere/a.conf; }", True),
        ("include /nowhere/a.conf;", "", False),
    ],
)
@pytest.mark.parametrize(
    "line", ["access_log /dev/null other;", "limit_req zone=other;", "proxy_cache other;"]
)
def test_what_only_http_declares(
    linter: Linter, http: str, inside: str, line: str, is_error: bool
) -> None:
    """A file that is missing further in cannot declare it."""
    text = f"events {{ }} http {{ {http} server {{ listen 1; {inside} location / {{ {line} }} }} }}"
    found = [f for f in linter.findings(text) if f.rule == "unknown-name"]
    assert {f.is_error for f in found} == {is_error}


def test_variables_may_be_set_in_any_file_that_is_missing(linter: Linter) -> None:
    text = "events { } http { server { listen 1; include /nowhere/a.conf; return 200 $other; } }"
    assert [f.is_error for f in linter.findings(text) if f.rule == "unknown-name"] == [False]


def test_statistics_of_rtmp_are_a_handler_of_a_known_module(linter: Linter) -> None:
    text = "location /stat { rtmp_stat all; rtmp_stat_stylesheet /stat.xsl; }"
    found = [f for f in linter.findings(text) if "rtmp" in f.message]
    assert [(f.rule, f.severity.word) for f in found] == [("not-run-by-pyngx", "info")]
    assert "501" in found[0].hint and "nginx-rtmp-module" in found[0].message


def test_a_conflict_of_dialects_is_one_finding(linter: Linter) -> None:
    text = """location / { auth_jwt on; auth_jwt_key secret; auth_jwt_alg HS256;
        auth_jwt_validate_sig on; auth_jwt_validate_exp on; }"""
    (found,) = [f for f in linter.findings(text) if f.rule == "mixed-dialects"]
    assert found.message.startswith("JWT directives of two dialects") and found.line == 2


def test_a_key_that_is_not_set(linter: Linter) -> None:
    """It is the directive that lacks it, not the end of the block around it."""
    http = "events { } http { server { listen 1;\nlocation / {\nauth_jwt on; } } }"
    (found,) = [f for f in linter.findings(http) if f.message.startswith("JWT: key not set")]
    assert (found.line, found.column) == (3, 1)


@pytest.mark.parametrize("place", ["http", "server"])
def test_stapling_that_is_ignored(linter: Linter, place: str) -> None:
    """The warning is about the directive, whatever was read last."""
    line = "ssl_stapling on;"
    http, server = (line, "") if place == "http" else ("", line)
    text = f"""events {{ }} http {{ {http}
        server {{ listen 443 ssl; {server} ssl_certificate keys/ca.pem;
        ssl_certificate_key keys/ca.key; rewrite ^ /a; }}
        server {{ listen 80; return 204; }} }}"""
    (found,) = [f for f in linter.findings(text) if '"ssl_stapling" ignored' in f.message]
    assert text.splitlines()[found.line - 1][found.column - 1 :].startswith("ssl_stapling on")
