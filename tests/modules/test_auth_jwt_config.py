"""What a configuration with auth_jwt may say."""

from __future__ import annotations

import pytest

from ..nginx import Nginx
from .tokens import FILES, KEYS

pytestmark = pytest.mark.needs("auth-jwt")
KJDEV = "the module of this nginx is of another dialect"


def write(nginx: Nginx) -> None:
    for path, content in FILES.items():
        nginx.write(path, content)


@pytest.mark.parametrize("directive", ["auth_jwt", "auth_jwt a token=$arg_a b"])
def test_number_of_arguments(nginx: Nginx, directive: str) -> None:
    nginx.rejects(f"{directive};", 'invalid number of arguments in "auth_jwt" directive')


@pytest.mark.parametrize("directive", ["auth_jwt_claim_set $a b", "auth_jwt_header_set $a b"])
def test_set_belongs_into_http(nginx: Nginx, directive: str) -> None:
    name = directive.split()[0]
    nginx.rejects(f"{directive};", f'"{name}" directive is not allowed here')
    nginx.accepts(http=f"{directive};")


def test_unknown_variables(nginx: Nginx) -> None:
    write(nginx)
    for text in ('auth_jwt "A"; auth_jwt_require $nope;', 'auth_jwt "A" token=$nope;'):
        nginx.rejects(f"{text} {KEYS}", 'unknown "nope" variable')


@pytest.mark.pyngx_only("kjdev's module takes the realm, and the value of a claim, as they stand")
def test_unknown_variables_in_other_places(nginx: Nginx) -> None:
    for text in (
        'auth_jwt "$nope"; auth_jwt_key_file k;',
        'auth_jwt "A"; auth_jwt_key_file $nope;',
        'auth_jwt "A"; auth_jwt_key_request /$nope;',
        'auth_jwt "A"; auth_jwt_key_file k; auth_jwt_validate_claim a $nope;',
    ):
        nginx.rejects(text, 'unknown "nope" variable')


def test_accepted(nginx: Nginx) -> None:
    write(nginx)
    nginx.accepts(
        """
        auth_jwt "A" token=$arg_t; auth_jwt_leeway 1h30m;
        auth_jwt_key_file jwks.json; auth_jwt_key_file %%DIR%%/other.json;
        auth_jwt_key_request /jwks; auth_jwt_key_request /others;
        auth_jwt_require $arg_a error=403; auth_jwt_require $arg_b $arg_c;
        location / { auth_jwt off; limit_except GET { auth_jwt "B"; auth_jwt_require $arg_d; } }
        """
    )


@pytest.mark.pyngx_only("kjdev's module refuses tokens, NGINX Plus takes any")
def test_keys_are_needed(nginx: Nginx) -> None:
    how = (
        'name an "auth_jwt_key_file" or "auth_jwt_key_request", or accept unsigned tokens with '
        '"pyngx_allow_unsigned on"'
    )
    for text, place, line in (
        ('auth_jwt "A";', "server", None),
        ("\nlocation = /a {\nauth_jwt A; }", "location = /a", 1),
        (
            'auth_jwt "A"; location / { auth_jwt off; location /a { auth_jwt B; } }',
            "location /a",
            1,
        ),
        ("location / { limit_except GET { auth_jwt A; } }", "location /", 1),
    ):
        nginx.rejects(text, f'"auth_jwt" is on without keys in {place}: {how}', line=line)
    write(nginx)
    for text in (
        'auth_jwt "A"; location / { auth_jwt_key_file jwks.json; }',
        'auth_jwt "A"; location / { auth_jwt off; }',
        "location / { auth_jwt off token=$arg_t; }",
        'location = /_token_validation { internal; auth_jwt "" token=$arg_token; }',
        'auth_jwt "A"; pyngx_allow_unsigned on;',
    ):
        nginx.accepts(text)


@pytest.mark.pyngx_only(KJDEV)
@pytest.mark.parametrize(
    "text, message",
    [
        ("auth_jwt a b;", 'invalid parameter "b"'),
        ("auth_jwt a token=b;", 'invalid parameter "token=b"'),
        ("auth_jwt a; auth_jwt b;", '"auth_jwt" directive is duplicate'),
        ("auth_jwt off off;", 'invalid parameter "off"'),
        ("auth_jwt_type jws;", 'invalid value "jws"'),
        ("auth_jwt_leeway -1;", '"auth_jwt_leeway" directive invalid value'),
        ("auth_jwt_key_cache x;", '"auth_jwt_key_cache" directive invalid value'),
        ("auth_jwt_require a;", 'invalid parameter "a"'),
        ("auth_jwt_require $arg_a a;", 'invalid parameter "a"'),
        ("auth_jwt_require error=401 $arg_a;", 'invalid parameter "error=401"'),
        ("auth_jwt_require error=401;", '"auth_jwt_require" has no value'),
        ("auth_jwt a; auth_jwt_algorithm none;", 'invalid value "none"'),
        ("auth_jwt a; auth_jwt_algorithm rs256;", 'invalid value "rs256"'),
        ("auth_jwt_algorithm;", 'invalid number of arguments in "auth_jwt_algorithm" directive'),
        (
            "auth_jwt_algorithm RS256; auth_jwt_algorithm ES256;",
            '"auth_jwt_algorithm" directive is duplicate',
        ),
        (
            "auth_jwt_validate_claim iss;",
            'invalid number of arguments in "auth_jwt_validate_claim" directive',
        ),
        ("auth_jwt_validate_claim iss \xff;", '"iss" or its value is not UTF-8'),
        ("location / { if ($args) { auth_jwt a; } }", '"auth_jwt" directive is not allowed here'),
    ],
)
def test_rejected(nginx: Nginx, text: str, message: str) -> None:
    nginx.rejects(text, message, line=1)


@pytest.mark.pyngx_only("kjdev's module has other words for it")
def test_rejected_in_http(nginx: Nginx) -> None:
    nginx.rejects(http="auth_jwt_claim_set a b;", message='invalid variable name "a"', line=1)
    nginx.rejects(http="auth_jwt_claim_set $uri b;", message='the duplicate "uri" variable', line=1)
    nginx.rejects(
        http="auth_jwt_claim_set $a;",
        message='invalid number of arguments in "auth_jwt_claim_set" directive',
        line=1,
    )


@pytest.mark.pyngx_only("kjdev's module does not start without its keys")
def test_key_files_are_read_at_load(nginx: Nginx) -> None:
    nginx.write("bad.json", "{}")
    nginx.write("weak.json", '{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}')
    told = nginx.accepts("""
        auth_jwt_key_file none.json;
        auth_jwt_key_file bad.json;
        auth_jwt_key_file weak.json;
        auth_jwt_key_file $arg_file;
        """)
    here = nginx.filled("%%DIR%%")
    missing, bad, weak, *rest = (line for line in told.splitlines() if "[warn]" in line)
    assert missing == (
        f'nginx: [warn] auth_jwt: key file "{here}/none.json" cannot be used: '
        f"(2: No such file or directory) in {here}/nginx.conf:9"
    )
    assert f'key file "{here}/bad.json" cannot be used: JWK Set is not an object' in bad
    assert f'key file "{here}/weak.json": key 0: secret of 6 bytes is weak' in weak
    assert not rest
