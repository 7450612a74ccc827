"""Servers and locations as such: aliases, fields, conditions, TLS."""

from __future__ import annotations

import pytest

from pyngx_jwt.lint.rules.weak_tls import weak_ciphers

from ..kit import Linter


def http(text: str, before: str = "") -> str:
    return f"events {{ }} http {{ {before} server {{ listen 127.0.0.1:8080; {text} }} }}"


@pytest.mark.parametrize(
    ("how", "found"),
    [
        ("location /a { alias /srv/a/; }", True),
        ("location ^~ /a { alias /srv/a/; location ~ png$ { } }", True),
        ("location /a/ { alias /srv/a/; }", False),
        ("location /a { alias /srv/a; }", False),
        ("location = /a { alias /srv/a/; }", False),
        ("location ~ ^/a(.*) { alias /srv/a/; }", False),
        ("location /a { alias /srv/a/; } location /a.. { return 404; }", False),
        ("location /a { internal; alias /srv/a/; }", False),
    ],
)
def test_alias_traversal(linter: Linter, how: str, found: bool) -> None:
    assert bool(linter.of("alias-traversal", http(how))) is found


@pytest.mark.parametrize(
    ("inner", "found"),
    [
        ("add_header A b;", True),
        ("", False),
        ("add_header A b; add_header x-frame-options DENY;", False),
        ("add_header_inherit merge; add_header A b;", False),
    ],
)
def test_add_header_redefinition(linter: Linter, inner: str, found: bool) -> None:
    text = http(f"add_header X-Frame-Options DENY; add_header X b; location / {{ {inner} }}")
    assert bool(linter.of("add-header-redefinition", text)) is found


@pytest.mark.parametrize(
    ("inner", "found"),
    [
        ("try_files $uri /x; if ($arg_a) { set $b 1; }", True),
        ("try_files $uri /x; if ($arg_a) { return 403; }", False),
        ("try_files $uri /x; if ($arg_a) { rewrite ^ /y last; }", False),
        ("if ($arg_a) { expires 1h; } if ($arg_b) { expires 2h; }", True),
        ("if ($arg_a = 1) { expires 1h; } if ($arg_a = 2) { expires 2h; }", False),
        ("if ($arg_a) { expires 1h; } if ($arg_b) { set $b 1; }", False),
        ("if ($arg_a) { expires 1h; }", False),
    ],
)
def test_if_is_evil(linter: Linter, inner: str, found: bool) -> None:
    assert bool(linter.of("if-is-evil", http(f"location / {{ {inner} }}"))) is found


@pytest.mark.parametrize(
    ("resolver", "passing", "severity"),
    [
        ("8.8.8.8", "http://$b", "warn"),
        ("[2001:4860:4860::8888]:53", "http://$b", "warn"),
        ("8.8.8.8 valid=10s", "http://127.0.0.1:9000", "info"),
        ("127.0.0.53 10.0.0.2", "http://$b", ""),
    ],
)
def test_external_resolver(linter: Linter, resolver: str, passing: str, severity: str) -> None:
    text = http(f"resolver {resolver}; set $b app.example; location / {{ proxy_pass {passing}; }}")
    found = linter.of("external-resolver", text)
    assert [f.severity.word for f in found] == ([severity] if severity else [])


@pytest.mark.parametrize(("resolve", "severity"), [("resolve", "warn"), ("", "info")])
def test_external_resolver_of_a_group(linter: Linter, resolve: str, severity: str) -> None:
    group = f"upstream u {{ zone z 64k; server app.example {resolve}; }} resolver 8.8.8.8;"
    text = f"events {{ }} http {{ {group} server {{ listen 80; }} }}"
    found = linter.of("external-resolver", text)
    assert [f.severity.word for f in found] == [severity]


@pytest.mark.parametrize(
    ("first", "found"),
    [
        ("listen 127.0.0.1:8080; server_name a;", True),
        ("listen 127.0.0.1:8080 default_server; server_name a;", False),
        ("listen 127.0.0.1:8080; server_name _;", False),
        ("listen 127.0.0.1:8081; server_name a;", False),
    ],
)
def test_missing_default_server(linter: Linter, first: str, found: bool) -> None:
    text = http("server_name b;", f"server {{ {first} }}")
    assert bool(linter.of("missing-default-server", text)) is found


@pytest.mark.parametrize(
    ("first", "found"),
    [
        ("listen 127.0.0.1:8443; ssl_preread on; server_name a;", True),
        ("listen 127.0.0.1:8443 default_server; ssl_preread on; server_name a;", False),
        ("listen 127.0.0.1:8443; ssl_preread on;", False),
        ("listen 127.0.0.1:8444; ssl_preread on; server_name a;", False),
    ],
)
def test_missing_default_server_of_stream(linter: Linter, first: str, found: bool) -> None:
    second = "server { listen 127.0.0.1:8443; server_name b; return b; }"
    text = f"events {{ }} stream {{ server {{ {first} return a; }} {second} }}"
    hits = linter.of("missing-default-server", text)
    assert bool(hits) is found
    assert all("serves unknown names on 127.0.0.1:8443" in str(hit) for hit in hits)


@pytest.mark.parametrize(
    ("ciphers", "weak"),
    [
        ("HIGH:!aNULL:!MD5", []),
        ("ECDHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-SHA", []),
        ("ALL:!ADH:RC4+RSA:+HIGH", ["RC4+RSA"]),
        ("ECDHE-RSA-RC4-SHA:DES-CBC3-SHA", ["ECDHE-RSA-RC4-SHA", "DES-CBC3-SHA"]),
        ("RC4:HIGH:!RC4", []),
        ("EECDH+AESGCM:-3DES", []),
    ],
)
def test_weak_ciphers(ciphers: str, weak: list[str]) -> None:
    assert weak_ciphers(ciphers) == weak


def test_old_tls_is_no_matter_without_tls(linter: Linter) -> None:
    assert not linter.of("weak-tls", http("ssl_protocols TLSv1;"))


def test_valid_referers(linter: Linter) -> None:
    text = http("location / { valid_referers none a.example; }")
    found = linter.of("valid-referers-none", text)
    assert len(found) == 1
