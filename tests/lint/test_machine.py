"""Configurations that are meant for another machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyngx_jwt.lint.finding import Severity
from pyngx_jwt.lint.read.machine import is_absent
from pyngx_jwt.lint.report.settings import LintSettings

from .kit import Linter

ABSENT = "not-on-this-machine"
HTTP = "events {{ }}\nhttp {{\n{}\n}}\n"


def absent(linter: Linter, text: str, **options: object) -> list[tuple[int, int, str]]:
    """The notes; there must be no error."""
    found = linter.findings(text, **options)
    assert not [f.message for f in found if f.is_error]
    return [(f.line, f.column, f.message) for f in found if f.rule == ABSENT]


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("include /nope/a.conf;", 9, 'open() "/nope/a.conf" failed (2: No such file or directory)'),
        ("include /nope/*.conf;", 9, 'the directory "/nope" is not on this machine'),
        ("auth_basic_user_file /nope;", 0, ""),  # read with each request
        ('auth_jwt "x"; auth_jwt_key_file k.json;', 15, "auth_jwt: key file "),
        ("map $uri $x { include /nope; }", 1, 'open() "/nope" failed'),
        (
            "server { listen 443 ssl; ssl_certificate c/a.pem; ssl_certificate_key c/a.key; }",
            42,
            "cannot load certificate ",
        ),
        (
            "proxy_ssl_verify on; proxy_ssl_trusted_certificate ca.pem;"
            "server { location / { proxy_pass https://a; } }",
            52,
            "cannot load certificate ",
        ),
    ],
)
def test_what_is_missing_is_a_note(linter: Linter, text: str, column: int, message: str) -> None:
    found = absent(linter, HTTP.format(text))
    assert [(line, at) for line, at, _ in found] == ([(3, column)] if message else [])
    assert all(text.startswith(message) for _, _, text in found)


def test_users_are_notes(linter: Linter) -> None:
    text = "user no-such-user;\nevents { }\n"
    assert absent(linter, text) == [(1, 6, 'getpwnam("no-such-user") failed')]
    assert not absent(linter, text, offline=True)


def test_files_of_the_wrong_kind_are_errors(linter: Linter) -> None:
    text = "server { listen 443 ssl; ssl_certificate a; ssl_certificate_key a; }"
    found = linter.findings(HTTP.format(text), files={"a": "none"})
    assert [f.rule for f in found if f.is_error] == ["unusable-file"]


def test_a_key_file_that_fails_is_reported_once(linter: Linter) -> None:
    text = 'auth_jwt "x"; auth_jwt_phase access; auth_jwt_key_file bad.json;'
    found = linter.findings(HTTP.format(text), files={"bad.json": "none"})
    (error,) = [f for f in found if f.rule in ("unusable-file", ABSENT)]
    assert error.is_error and "cannot be used" in error.hint


def test_severities_and_suppressions_apply(linter: Linter) -> None:
    text = HTTP.format("include /nope/a.conf;")
    settings = LintSettings(severities=((ABSENT, Severity.ERROR),))
    (finding,) = linter.findings(text, settings=settings)
    assert finding.severity is Severity.ERROR and not finding.is_error
    text = HTTP.format(f"include /nope/a.conf; # pyngx: ignore[{ABSENT}] of the package")
    assert linter.findings(text) == []


ROOTED = HTTP.format("include /etc/app/conf.d/*.conf; include /etc/app/tls.conf;")
PARTS = {
    "app/conf.d/a.conf": 'server { location / { auth_jwt "x"; return 403; } }',
    "app/tls.conf": "server { listen 443 ssl; ssl_certificate /etc/app/c; ssl_certificate_key k; }",
}


def test_roots(linter: Linter) -> None:
    roots = ("/etc/app", f"{linter.folder}/app")
    files = {**PARTS, "app/c": "none", "k": (linter.folder / "keys/ca.key").read_bytes()}
    found = linter.findings(ROOTED, files=files, roots=(roots,))
    places = [(f.file.removeprefix(f"{linter.folder}/"), f.rule) for f in found]
    assert places == [
        ("app/conf.d/a.conf", "auth-without-key"),
        ("app/tls.conf", "unusable-file"),
    ]
    assert '"/etc/app/c"' in found[1].message  # as the configuration calls it
    assert found[1].column == 42


def test_the_names_of_findings_can_be_ignored(linter: Linter) -> None:
    text = HTTP.format("include /nope/a.conf;")
    assert linter.findings(text, settings=LintSettings(ignore=frozenset({ABSENT}))) == []
    assert linter.findings(text, settings=LintSettings(select=frozenset({"satisfy-any"}))) == []


def test_a_baseline_holds_wherever_the_files_are(linter: Linter, tmp_path: Path) -> None:
    text = HTTP.format(
        "server { listen 443 ssl; ssl_certificate a.pem; ssl_certificate_key a.pem; }"
        "include /etc/app/a.conf;"
    )
    inner = "server { listen 444 ssl; ssl_certificate /etc/app/c; ssl_certificate_key c; }"

    def fingerprints(folder: str) -> list[str]:
        files = {f"{folder}/nginx.conf": text, f"{folder}/app/a.conf": inner}
        roots = (("/etc/app", f"{tmp_path}/{folder}/app"),)
        found = linter.findings(files=files, paths=[f"{folder}/nginx.conf"], roots=roots)
        return sorted(f.fingerprint for f in found if f.rule == ABSENT)

    assert len(fingerprints("one")) == 2
    assert fingerprints("one") == fingerprints("two")


def test_the_deepest_root_is_used(linter: Linter) -> None:
    roots = (("/etc", "/nope"), ("/etc/app", f"{linter.folder}/app"))
    files = {**PARTS, "app/tls.conf": ""}
    assert not absent(linter, ROOTED, files=files, roots=roots)
    text = HTTP.format("include /etc/apple/x.conf;")
    assert len(absent(linter, text, roots=roots)) == 1


def test_a_root_is_proposed(linter: Linter) -> None:
    found = linter.findings(ROOTED.replace("/app/conf.d", "/conf.d"), files={"conf.d/a.conf": ""})
    hint = f"--root /etc={linter.folder} reads it from there"
    assert [f.hint for f in found if f.rule == ABSENT] == [hint, ""]


def test_a_snippet_is_found_in_an_nginx_conf_that_includes_it_by_a_root(linter: Linter) -> None:
    files = {"nginx.conf": ROOTED, **PARTS, "app/conf.d/a.conf": "server { return 403; nope; }"}
    roots = (("/etc/app", f"{linter.folder}/app"),)
    found = linter.findings(files=files, paths=["app/conf.d/a.conf"], roots=roots)
    assert [f.message for f in found] == ['unknown directive "nope"']


def test_offline_looks_only_at_files_of_the_configuration(linter: Linter, tmp_path: Path) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-outside.conf"
    outside.write_text("nope;")
    text = HTTP.format(f"include {outside}; include own.conf;")
    files = {"own.conf": "nope2;"}
    found = linter.findings(text, files=files)
    assert [f.message for f in found if f.is_error] == [
        'unknown directive "nope"',
        'unknown directive "nope2"',
    ]
    found = linter.findings(text, files=files, offline=True)
    assert [f.message for f in found if f.is_error] == ['unknown directive "nope2"']
    (note,) = [f for f in found if f.rule == ABSENT]
    assert f'"{outside}"' in note.message


def test_a_dump_looks_at_no_file_of_this_machine(linter: Linter) -> None:
    key = f"{linter.folder}/keys/world.json"
    inside = f'server {{ location / {{ auth_jwt "x"; auth_jwt_key_file {key}; }} }}'
    dump = f"# configuration file /etc/nginx/nginx.conf:\n{HTTP.format(inside)}\n"
    found = linter.findings(paths=["-"], stdin=dump)
    assert "key-file-permissions" not in [f.rule for f in found]
    assert [f.line for f in found if f.rule == ABSENT] == [3]


MISSING = "include /nope/locations.conf;"
KEYS = 'location /a { auth_jwt "x"; auth_jwt_key_request /keys; proxy_pass http://192.0.2.1; }'


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("jwks-target-missing", f"{KEYS} @"),
        ("jwks-over-http", f"{KEYS} location / {{ proxy_pass http://192.0.2.9; }} @"),
        (
            "auth-in-subrequest",
            "location /a { auth_request /x; } @ location / { auth_jwt x; "
            "auth_jwt_key_file keys/jwks.json; }",
        ),
        ("auth-without-key", 'location / { auth_jwt "x"; return 403; @ }'),
        ("auth-without-key", '@ location / { auth_jwt "x"; return 403; }'),
        ("no-iss-aud", 'location / { auth_jwt "x"; auth_jwt_key_file keys/jwks.json; @ }'),
        (
            "upstream-has-open-door",
            'location /a { auth_jwt "x"; auth_jwt_key_file keys/jwks.json; proxy_pass http://b; }'
            "location ~ ^/b { proxy_pass http://b; @ }",
        ),
    ],
)
def test_what_may_be_in_a_missing_file_is_not_reported(
    linter: Linter, rule: str, text: str
) -> None:
    server = "events {{ }} http {{ server {{ listen 80; {} }} }}".format
    assert linter.of(rule, server(text.replace("@", "")))
    assert not linter.of(rule, server(text.replace("@", MISSING)))


def test_names_that_a_missing_file_may_define_are_notes(linter: Linter) -> None:
    text = "server { access_log a.log main; location / { limit_req zone=z; return 403 $nope; } }"
    assert len([f for f in linter.findings(HTTP.format(text)) if f.is_error]) == 3
    assert len(absent(linter, HTTP.format(f"{text} {MISSING}"))) == 1


def test_what_is_in_files_of_packages_is_known(linter: Linter) -> None:
    text = HTTP.format("include /nope/mime.types; server { location / { auth_jwt x; } }")
    assert "auth-without-key" in [f.rule for f in linter.findings(text)]


def test_entries_of_a_missing_file_are_unknown(linter: Linter) -> None:
    text = """
        map $uri $ok { default 1; @ }
        server { location / { auth_jwt "x"; auth_jwt_key_file keys/jwks.json;
            auth_jwt_require $ok; return 403; } }"""
    assert linter.of("require-always-true", HTTP.format(text.replace("@", "")))
    assert not linter.of("require-always-true", HTTP.format(text.replace("@", "include /nope;")))


def test_no_name_is_looked_up_for_listen(linter: Linter) -> None:
    text = 'server { listen app.example:80; location / { auth_jwt "x"; root /a; } }'
    (finding,) = linter.of("bearer-over-cleartext", HTTP.format(text))
    assert "app.example:80" in finding.message


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ('auth_jwt: key file "k" cannot be used: (13: Permission denied)', True),
        (
            'auth_jwt: "k" cannot be read by the user of the workers, "nobody" (13: Permission '
            "denied)",
            False,
        ),
        ('open() "k" failed (21: Is a directory)', False),
    ],
)
def test_what_is_missing(message: str, found: bool) -> None:
    assert is_absent(message) is found
