"""What clients put into variables: hosts, line ends, expressions."""

from __future__ import annotations

import pytest

from pyngx_jwt.lint.flow.ambiguity import attack_on
from pyngx_jwt.lint.flow.pattern import (
    LINE_END,
    MANY,
    PatternError,
    chars_of,
    count,
    firsts,
    groups,
    is_nullable,
    mask_of,
    parse_pattern,
)

from ..kit import Linter


def http(text: str, before: str = "") -> str:
    server = f"server {{ listen 127.0.0.1:8080; server_name a.example; {text} }}"
    return f"events {{ }} http {{ {before} {server} }}"


CATCH_ALL = "server { listen 127.0.0.1:8080 default_server; return 444; }"


class TestSsrf:
    @pytest.mark.parametrize(
        ("how", "found"),
        [
            ("location / { proxy_pass http://$arg_host; }", True),
            ("location / { proxy_pass $arg_url; }", True),
            ("location / { proxy_pass http://$host; }", True),
            ("location /u { proxy_pass http:/$uri; }", True),
            ("location / { set $b $http_x_backend; proxy_pass http://$b; }", True),
            ("location / { set $b app.internal; proxy_pass http://$b; }", False),
            ("location / { proxy_pass http://127.0.0.1:9000$request_uri; }", False),
            ("location / { proxy_pass http://127.0.0.1:9000/$arg_x; }", False),
            ("location / { proxy_pass http://127.0.0.1:$arg_port; }", True),
            ("location ~ ^/a(.*) { proxy_pass http://app$1; }", True),
            ("location ~ ^/a(/.*) { proxy_pass http://app$1; }", False),
            ("location ~ ^/a(/.*)?$ { proxy_pass http://app$1; }", False),
            ("location ~ ^/([a-z]+)/ { proxy_pass http://$1.internal; }", False),
            ("location ~ ^/([a-z]+)/ { proxy_pass http://app-$1; }", False),
            ("location ~ ^/([a-z]+)/ { proxy_pass http://$1:8000; }", True),
            ("location ~ ^/([^/]+)/ { proxy_pass http://app.$1; }", True),
            ("location ~ ^/(?<to>one|two)/ { proxy_pass http://$to; }", False),
            ("location ~ ^/(.*) { internal; proxy_pass http://$1; }", False),
            ("if ($arg_b ~ (.+)) { set $b $1; } location / { proxy_pass http://$b; }", True),
            (
                "if ($arg_b ~ ^(a|b)$) { set $b $1; } location ~ (.+) { proxy_pass http://$b; }",
                False,
            ),
        ],
    )
    def test_hosts(self, linter: Linter, how: str, found: bool) -> None:
        assert bool(linter.of("ssrf", http(how))) is found

    def test_the_host_of_a_server_that_is_no_default(self, linter: Linter) -> None:
        text = http("location / { proxy_pass http://$host; }", CATCH_ALL)
        assert not linter.of("ssrf", text)

    def test_a_map_of_constants(self, linter: Linter) -> None:
        text = http("location / { proxy_pass http://$b; }", "map $arg_b $b { default one; x two; }")
        assert not linter.of("ssrf", text)
        text = text.replace("x two", '"~(.+)" $1')
        assert linter.of("ssrf", text)


@pytest.mark.parametrize(
    ("how", "found"),
    [
        ("return 301 https://a.example$uri;", True),
        ("return 301 https://a.example$request_uri;", False),
        ("return 200 $uri;", False),
        ("location = /a { return 301 https://a.example$uri; }", False),
        ("location ~ ^/(.*)$ { return 301 https://a.example/$1; }", False),
        ("location ~ ^/([^/]*)$ { return 301 https://a.example/$1; }", True),
        (r"location ~ ^/(\w+\s)$ { return 301 https://a.example/$1; }", True),
        ("location ~ ^/(?s)(.*)$ { return 301 https://a.example/$1; }", True),
        ("rewrite ^/([^?]*) https://a.example/$1 permanent;", False),
        ("rewrite ^ https://a.example$uri permanent;", True),
        ("rewrite ^/(.*) /$uri last;", False),
        ("location / { proxy_set_header X-Uri $uri; }", True),
        ("location / { set $x $document_uri; add_header X-Uri $x; }", True),
        ("location / { proxy_pass http://127.0.0.1:9000$uri; }", True),
        ("if ($request_uri ~ ^/([^?]*)) { return 302 /x/$1; }", False),
    ],
)
def test_http_splitting(linter: Linter, how: str, found: bool) -> None:
    assert bool(linter.of("http-splitting", http(how))) is found


@pytest.mark.parametrize(
    ("value", "before", "severity"),
    [
        ("$http_host", "", "info"),
        ("$http_host", CATCH_ALL, "warn"),
        ("$http_x_forwarded_host", "", "warn"),
        ("$host", CATCH_ALL, ""),
        ("$proxy_host", "", ""),
    ],
)
def test_host_spoofing(linter: Linter, value: str, before: str, severity: str) -> None:
    text = http(
        f"location / {{ proxy_set_header Host {value}; proxy_pass http://127.0.0.1:9000; }}",
        before,
    )
    found = linter.of("host-spoofing", text)
    assert [f.severity.word for f in found] == ([severity] if severity else [])


class TestRegexDos:
    @pytest.mark.parametrize(
        "text",
        [
            r"^/(a+)+$",
            r"^/([a-z]+)*\.php$",
            r"(x+x+)+y",
            r"^(?:.*,)*x$",
            r"(?:\s*gzip\s*,?)*deflate",
            r"^/(a|a)*b$",
            r"^/(\w+\s?)*$",
            r"^/((a{1,20}){1,20}){1,20}b",
        ],
    )
    def test_exponential(self, text: str) -> None:
        assert attack_on(text, beginning="/")

    @pytest.mark.parametrize(
        "text",
        [
            r"\.(jpg|png|gif)$",
            r"^/(.*)/(.*)\.php(.*)$",
            r"^/(?>a+)+b",
            r"^/(a++)+b",
            r"^/(.*)*",
            r"^/([^/]+/)+x$",
            r"^/[a-z0-9]+(?:-[a-z0-9]+)*$",
            r"(a",
        ],
    )
    def test_not_exponential(self, text: str) -> None:
        assert not attack_on(text, beginning="/")

    @pytest.mark.parametrize(
        ("how", "found"),
        [
            ("if ($http_user_agent ~ ^(a+)+$) { return 403; }", True),
            ("if ($request_method ~ ^(a+)+$) { return 403; }", False),
            ("rewrite ^/(a+)+$ / last;", True),
            ("location ~ ^/(a+)+$ { internal; }", False),
        ],
    )
    def test_subjects(self, linter: Linter, how: str, found: bool) -> None:
        assert bool(linter.of("regex-dos", http(how))) is found


class TestPattern:
    @pytest.mark.parametrize(
        ("text", "characters"),
        [
            ("[a-c]", "abc"),
            ("[^\\x00-\\x60\\x64-\\xff]", "abc"),
            (r"\x61|\142|c", ""),
            ("(?i:a)b", "aAb"),
            ("a(?#no)b", "ab"),
            (r"\Qa.\E.?+", ""),
            ("[[:digit:]]{2,3}", "0123456789"),
            (r"(?=b)a(?!c)\b$", "a"),
            ("(*UTF8)a", "a"),
        ],
    )
    def test_characters(self, text: str, characters: str) -> None:
        try:
            tree = parse_pattern(text)
        except PatternError:
            assert not characters
        else:
            assert not characters or chars_of(tree) == mask_of(characters)

    def test_groups(self) -> None:
        tree = parse_pattern(r"^/(.*)(?:x|(?<name>[^/]+))(?P<b>/a)?('c')?")
        found = [(g.number, g.name, bool(chars_of(g) & LINE_END)) for g in groups(tree)]
        assert found == [(1, "", False), (2, "name", True), (3, "b", False), (4, "", False)]

    def test_what_is_told(self) -> None:
        assert count(parse_pattern("(one|two)[0-9]")) == 20
        assert count(parse_pattern("a*")) == MANY
        assert is_nullable(parse_pattern("a*(b|)c?"))
        assert firsts(parse_pattern("a?b")) == mask_of("ab")

    @pytest.mark.parametrize("text", ["(a", "a)", "*a", r"(a)\1", "[a", "(?|a)", "(?R)"])
    def test_not_understood(self, text: str) -> None:
        with pytest.raises(PatternError):
            parse_pattern(text)
