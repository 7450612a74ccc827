"""Whose JWT directives a configuration has."""

from __future__ import annotations

import re

import pytest

from ..nginx import Nginx
from .tokens import FILES, KEYS

pytestmark = pytest.mark.pyngx_only("about dialects")
SECRET = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
LOAD = "load_module modules/ngx_http_auth_jwt_module.so;"


def dialect(nginx: Nginx, server: str, *, http: str = "", main: str = "") -> tuple[str, list[str]]:
    """What "-t -v" says: the dialect, and what speaks for it, each with its line."""
    for path, content in FILES.items():
        nginx.write(path, content)
    told = nginx.accepts(server, http=http, main=main, options=["-v"]).replace("nginx: ", "")
    head, *lines = told.partition("JWT dialect: ")[2].splitlines()
    evidence = [re.sub(r" in \S*/nginx\.conf:(\d+)", r" \1", line) for line in lines]
    return head.partition(" ")[0].strip('",'), [e.strip() for e in evidence if e[:2] == "  "]


@pytest.mark.parametrize(
    "server, name, evidence",
    [
        # What only one of them has.
        ('auth_jwt A; KEYS auth_jwt_validate_claim iss "x";', "pyngx", '"auth_jwt_validate_claim"'),
        ("auth_jwt A; KEYS auth_jwt_algorithm RS256;", "pyngx", '"auth_jwt_algorithm"'),
        ("auth_jwt A; KEYS auth_jwt_type signed;", "plus", '"auth_jwt_type"'),
        ("auth_jwt A; KEYS auth_jwt_key_cache 1h;", "plus", '"auth_jwt_key_cache"'),
        ("auth_jwt A; KEYS auth_jwt_validate_exp off;", "kjdev", '"auth_jwt_validate_exp"'),
        ("auth_jwt A; KEYS auth_jwt_require_claim a eq b;", "kjdev", '"auth_jwt_require_claim"'),
        ("auth_jwt A; auth_jwt_key_file jwks.json jwks;", "kjdev", "jwks.json jwks"),
        ("auth_jwt A; KEYS auth_jwt_require $arg_a error=418;", "kjdev", "error=418"),
        ("auth_jwt A; KEYS add_header X $jwt_nowtime;", "kjdev", '"$jwt_nowtime"'),
        ("auth_jwt_key SECRET; auth_jwt_redirect on;", "tesla", '"auth_jwt_redirect"'),
        ("auth_jwt_key SECRET; auth_jwt_algorithm HS256;", "tesla", '"auth_jwt_algorithm"'),
        ("auth_jwt_key SECRET; auth_jwt_extract_sub off;", "tesla", '"auth_jwt_extract_sub"'),
        ("auth_jwt_key SECRET hex;", "maxlt", '"auth_jwt_key hex"'),
        ("auth_jwt on; auth_jwt_key SECRET; auth_jwt_alg any;", "maxlt", '"auth_jwt_alg"'),
        ("auth_jwt A; auth_jwt_alg HS256; auth_jwt_key_file secret;", "tizp", '"auth_jwt_alg"'),
        # What counts if there is nothing better.
        ("auth_jwt A; KEYS auth_jwt_www_authenticate off;", "kjdev", "auth_jwt_www_authenticate"),
        ('auth_jwt "A at $uri"; KEYS', "plus", "A at $uri"),
        # The shape.
        ("auth_jwt_key SECRET;", "tesla", '"auth_jwt_key"'),
        ("auth_jwt on; auth_jwt_key SECRET;", "maxlt", '"auth_jwt_key"'),
        ("auth_jwt $cookie_t; auth_jwt_key SECRET;", "maxlt", '"auth_jwt_key"'),
        ("auth_jwt_key SECRET; auth_jwt_www_authenticate off;", "tesla", '"auth_jwt_key"'),
        ("auth_jwt_key SECRET; add_header X $http_jwt_sub;", "tesla", '"auth_jwt_key"'),
        (
            "auth_jwt on; auth_jwt_key SECRET; auth_jwt_www_authenticate off;",
            "maxlt",
            '"auth_jwt_key"',
        ),
        ("auth_jwt A; auth_jwt_key_file key.pem;", "tizp", "with a PEM"),
        ("auth_jwt A; auth_jwt_key_file secret;", "tizp", "with a raw secret"),
        ("auth_jwt A; KEYS", "plus", '"auth_jwt A"'),
        ("auth_jwt A; auth_jwt_key_request /k;", "plus", '"auth_jwt A"'),
        # as built by kjdev/nginx-auth-jwt
        ("# as kjdev/nginx-auth-jwt wants it\nauth_jwt A; KEYS", "kjdev", "a comment"),
        (
            "auth_jwt A; KEYS set $a '\n# kjdev/nginx-auth-jwt';  # not kjdev's",
            "plus",
            '"auth_jwt A"',
        ),
    ],
)
def test_recognized(
    nginx: Nginx, monkeypatch: pytest.MonkeyPatch, server: str, name: str, evidence: str
) -> None:
    monkeypatch.chdir(nginx.prefix)  # tizpuppi's module takes files from there
    nginx.write("key.pem", PEM)
    nginx.write("secret", f"{SECRET}\n")
    text = server.replace("KEYS", KEYS).replace("SECRET", SECRET)
    found, places = dialect(nginx, text)
    assert found == name
    assert evidence in places[0], places


PEM = """\
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEz9TaQ872ZindjMOoSK7+J81Hzbuz
ipk+Vbi+S4b1IM06lRrscHrwOw5RbDVUnwpYyARt4HoqN33HeJNGfUsoCw==
-----END PUBLIC KEY-----
"""


def test_none(nginx: Nginx) -> None:
    assert dialect(nginx, "return 200;") == ("none", [])
    assert dialect(nginx, "auth_jwt off;") == ("none", [])


def test_a_key_and_only_off_is_unclear(nginx: Nginx) -> None:
    """TeslaGov's module has no "auth_jwt"; with max-lt's everybody would pass."""
    text = f"location / {{ auth_jwt off; }} auth_jwt_key {SECRET};"
    nginx.rejects(text, re.compile('JWT dialect unclear: with "auth_jwt_key" .*'), line=1)
    nginx.accepts(text, http="pyngx_jwt_dialect maxlt;")


def test_a_loaded_module_is_not_that_of_plus(nginx: Nginx) -> None:
    """NGINX Plus has no such file; its tokens without "exp", for one, kjdev's refuses."""
    found, places = dialect(nginx, f"auth_jwt A; {KEYS}", main=LOAD)
    assert found == "kjdev"
    assert places == ['"load_module modules/ngx_http_auth_jwt_module.so" 2']
    assert dialect(nginx, "auth_jwt off;", main=LOAD)[0] == "none"
    claim = f"auth_jwt A; {KEYS} auth_jwt_validate_claim iss x;"
    assert dialect(nginx, claim, main=LOAD)[0] == "pyngx"


def test_ambiguity_is_told(nginx: Nginx) -> None:
    _, places = dialect(nginx, f"auth_jwt A; {KEYS}")
    assert places[-1].startswith('ambiguous: "kjdev" has the same directives, but requires "exp", ')
    assert '"exp"' in places[-1] and '"nbf"' in places[-1] and "500" in places[-1]
    _, places = dialect(nginx, f"auth_jwt A; {KEYS}", http="pyngx_jwt_dialect plus;")
    assert places == ['"pyngx_jwt_dialect" 6']


def test_marks_in_an_included_file(nginx: Nginx) -> None:
    nginx.write("conf.d/jwt.conf", "auth_jwt_validate_sig on;")
    found, places = dialect(nginx, f"auth_jwt A; {KEYS} include conf.d/*.conf;")
    assert found == "kjdev"
    assert places[0] == nginx.filled('"auth_jwt_validate_sig" in %%DIR%%/conf.d/jwt.conf:1')


def test_comments_and_text_are_no_marks(nginx: Nginx) -> None:
    text = f'# auth_jwt_redirect on;\nauth_jwt "auth_jwt_redirect on"; {KEYS}'
    assert dialect(nginx, text)[0] == "plus"


def test_two_dialects(nginx: Nginx) -> None:
    nginx.rejects(
        'auth_jwt_redirect on;\nauth_jwt "A";\nauth_jwt_phase access;',
        'JWT directives of two dialects: "auth_jwt_redirect" of "tesla" '
        "(TeslaGov/ngx-http-auth-jwt-module) in %%DIR%%/nginx.conf:9 and "
        '"auth_jwt_phase" of "kjdev" (kjdev/nginx-auth-jwt) in %%DIR%%/nginx.conf:11; '
        '"pyngx_jwt_dialect NAME;" in "http" sets the dialect',
        line=0,
    )
    nginx.rejects(
        "auth_jwt_type signed; auth_jwt_validate_exp on;",
        re.compile('JWT directives of two dialects: "auth_jwt_type" of "plus".*'),
        line=0,
    )


def test_pinned(nginx: Nginx) -> None:
    nginx.rejects(
        'auth_jwt "A"; auth_jwt_redirect on;',
        'the "auth_jwt_redirect" directive belongs to the JWT dialect "tesla" '
        '(TeslaGov/ngx-http-auth-jwt-module), and the configuration is read as "plus"',
        http="pyngx_jwt_dialect plus;",
        line=1,
    )
    nginx.rejects(
        'auth_jwt "A"; auth_jwt_validate_claim iss x;',
        'the "auth_jwt_validate_claim" directive belongs to the JWT dialect "pyngx" '
        '(NGINX Plus and pyngx), and the configuration is read as "plus"',
        http="pyngx_jwt_dialect plus;",
        line=1,
    )
    assert dialect(nginx, f"auth_jwt A; {KEYS}", http="pyngx_jwt_dialect kjdev;")[0] == "kjdev"
    nginx.rejects(
        http="pyngx_jwt_dialect lua;",
        message='unknown JWT dialect "lua", known are plus, pyngx, kjdev, tesla, maxlt, tizp',
        line=1,
    )
    nginx.rejects(
        http="pyngx_jwt_dialect plus; pyngx_jwt_dialect plus;",
        message='"pyngx_jwt_dialect" directive is duplicate',
    )
    nginx.rejects(
        "pyngx_jwt_dialect plus;", '"pyngx_jwt_dialect" directive is not allowed here', line=1
    )


@pytest.mark.parametrize(
    "directive, advice",
    [
        (
            "auth_jwt_validate_aud x",
            'belongs to kjdev\'s module before 0.5: write "auth_jwt_require_claim aud eq VALUE"',
        ),
        (
            "auth_jwt_public_key /etc/key.pem",
            'exists in no JWT module: write "auth_jwt_key_file FILE" with a JWK Set, or '
            '"auth_jwt_keyfile_path FILE" with a PEM',
        ),
        (
            "auth_jwt_bypass_methods GET",
            "belongs to dafanasiev's module, which is not supported: "
            'write "limit_except METHOD ... { auth_jwt ...; }"',
        ),
    ],
)
def test_advice(nginx: Nginx, directive: str, advice: str) -> None:
    name = directive.split()[0]
    nginx.rejects(f"{directive};", f'the "{name}" directive {advice}', line=1)


def test_key_file_of_max_lt_2(nginx: Nginx) -> None:
    nginx.write("key.pem", PEM)
    nginx.rejects(
        "auth_jwt on; auth_jwt_key_file key.pem;",
        '"auth_jwt_key_file" with a PEM belongs to max-lt\'s module before 3.0: '
        'write "auth_jwt_key key.pem file"',
        line=1,
    )
