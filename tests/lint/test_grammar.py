"""What is said of directives that nginx has in other editions, modules, and kinds of files."""

from __future__ import annotations

import pytest

from .kit import Linter

STREAM = "events {{ }} stream {{ {} }}"


def test_parameters_of_nginx_plus(linter: Linter) -> None:
    text = "events { } http { upstream u { zone z 1m; server 10.0.0.1 slow_start=30s; } }"
    for target in ("", "plus"):
        assert not linter.findings(text, target=target)
    (error,) = linter.findings(text, target="nginx")
    assert error.is_error and error.message == 'invalid parameter "slow_start=30s"'


def test_the_status_zone_of_a_stream_server(linter: Linter) -> None:
    text = STREAM.format("server { listen 1; status_zone z; proxy_pass a:1; }")
    for target in ("", "plus"):
        assert not [f for f in linter.findings(text, target=target) if f.is_error]
    assert "status_zone" in linter.findings(text, target="nginx")[-1].message


@pytest.mark.parametrize(
    "text",
    [
        "server { listen 53 udp; proxy_pass dns; proxy_timeout 1s; }",
        "server { listen 3306; proxy_pass db:3306; }",
        "upstream u { server a:1; } server { listen 1; proxy_pass u; }",
        "map $ssl_preread_server_name $u { default a:1; } server { listen 1; ssl_preread on; "
        "proxy_pass $u; }",
        "# mail\nserver { listen 25; protocol smtp; }",
    ],
)
def test_snippets_of_other_servers(linter: Linter, text: str) -> None:
    found = linter.findings(files={"part.conf": text}, paths=["part.conf"])
    assert not [f.message for f in found if f.is_error]


@pytest.mark.parametrize(
    "text",
    [
        "server { listen 80; location / { proxy_pass http://a; } }",
        "upstream u { server a:1; }",
        "server { listen 80; nope; location / { root /a; } }",
    ],
)
def test_snippets_of_http(linter: Linter, text: str) -> None:
    found = linter.findings(files={"part.conf": text}, paths=["part.conf"])
    assert [f.message for f in found if f.is_error] == (
        ['unknown directive "nope"'] if "nope" in text else []
    )


@pytest.mark.parametrize("server", ["server;", "server a:99999;", "server a weight=x;"])
def test_a_wrong_server_is_one_error(linter: Linter, server: str) -> None:
    text = (
        f"events {{ }}\nhttp {{\nupstream u {{\n{server}\n}}\n"
        "server { location / { proxy_pass http://u; } location /b { proxy_pass http://u; } } }"
    )
    (error,) = [f for f in linter.findings(text) if f.is_error]
    assert error.line == 4 and error.hint == "its syntax is: server address [parameter ...];"


def test_upstreams_without_servers_are_errors(linter: Linter) -> None:
    assert [f.message for f in linter.findings("events { } http { upstream u { } }")] == [
        "no servers are inside upstream"
    ]


@pytest.mark.parametrize(
    "directive",
    ["location ~ ( { }", 'if ($uri ~ "(") { return 403; }', "rewrite ( /;", "server_name ~(;"],
)
def test_wrong_expressions_are_wrong_values(linter: Linter, directive: str) -> None:
    (error,) = linter.findings(f"events {{ }} http {{ server {{ {directive} }} }}")
    assert error.is_error and error.rule == "invalid-value" and "pcre2" in error.message
    assert error.hint == ""


@pytest.mark.parametrize("newline", ["\n", " "])
def test_the_key_that_is_wrong_is_marked(linter: Linter, newline: str) -> None:
    lines = [
        "events { } http { server {",
        f"auth_jwt_key {'0123456789abcdef' * 4};",
        "location / {",
        "auth_jwt_enabled on;",
        "auth_jwt_key nothex;",
        "} } }",
    ]
    text = newline.join(lines)
    (warning,) = [f for f in linter.findings(text) if "hexadecimal" in f.message]
    line = text.splitlines()[warning.line - 1]
    assert line[warning.column - 1 :].startswith("auth_jwt_key nothex;")
    assert "in location /" in warning.message


TEMPLATE = """\
upstream app { server ${BACKEND_HOST}:${BACKEND_PORT}; }
upstream api { server ${OTHER___HOST}:${BACKEND_PORT}; }
server {
    listen ${PORT};
    server_name ${HOST} $OTHER_HOST;
    proxy_buffering ${BUFFERING};
    client_max_body_size ${SIZE}m;
    ssl_certificate ${CERTIFICATE};
    location /a { auth_jwt "x"; auth_jwt_key_file ${KEYS}; proxy_pass http://app; }
    location ~ ^/b { proxy_pass http://api; }
    location ~ ^/c { proxy_pass http://app; nope; }
}
"""


def test_templates(linter: Linter) -> None:
    files = {"templates/default.conf.template": TEMPLATE}
    found = linter.findings(files=files, paths=["templates"])
    places = [(f.line, f.column, f.rule) for f in found]
    assert (11, 45, "unknown-directive") in places
    assert [f.rule for f in found if f.is_error] == ["unknown-directive"]
    (door,) = [f for f in found if f.rule == "upstream-has-open-door"]
    assert door.line == 11 and not any(f.line == 10 for f in found)
    (clear,) = [f for f in found if f.rule == "bearer-over-cleartext"]
    assert "${PORT}" in clear.message


def test_keys_of_templates_are_not_judged(linter: Linter) -> None:
    text = "location / { auth_jwt on; auth_jwt_key %s utf8; auth_jwt_alg HS256; }"
    for key, found in (("${SECRET}", False), ("0000001", True)):
        files = {"a.conf.template": text % key}
        rules = [f.rule for f in linter.findings(files=files, paths=["a.conf.template"])]
        assert ("weak-key" in rules) is found


def test_templates_of_other_files_are_passed_over(linter: Linter) -> None:
    files = {"nginx.conf": "events { }", "mail.template": "Dear ${NAME},\nhello\n"}
    assert linter.findings(files=files, paths=["."]) == []
