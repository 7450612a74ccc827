"""What a configuration with auth_jwt may say."""

from __future__ import annotations

import pytest

from ..nginx import Nginx
from .tokens import FILES

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
    nginx.rejects('auth_jwt "A"; auth_jwt_require $nope;', 'unknown "nope" variable', line=0)
    nginx.rejects('auth_jwt "A" token=$nope;', 'unknown "nope" variable', line=0)


@pytest.mark.pyngx_only("kjdev's module takes the realm, and the value of a claim, as they stand")
def test_unknown_variables_in_other_places(nginx: Nginx) -> None:
    for text in (
        'auth_jwt "$nope";',
        'auth_jwt "A"; auth_jwt_key_file $nope;',
        'auth_jwt "A"; auth_jwt_key_request /$nope;',
        'auth_jwt "A"; auth_jwt_key_file k; auth_jwt_validate_claim a $nope;',
    ):
        nginx.rejects(text, 'unknown "nope" variable', line=0)


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


def test_without_keys_nothing_is_said(nginx: Nginx) -> None:
    assert nginx.accepts('auth_jwt "A"; return 200;') == nginx.filled(
        "nginx: the configuration file %%DIR%%/nginx.conf syntax is ok\n"
        "nginx: configuration file %%DIR%%/nginx.conf test is successful\n"
    )


@pytest.mark.pyngx_only(KJDEV)
@pytest.mark.parametrize(
    "text, message",
    [
        ("auth_jwt a b;", 'invalid parameter "b"'),
        ("auth_jwt a token=b;", 'invalid parameter "token=b"'),
        ("auth_jwt a; auth_jwt b;", '"auth_jwt" directive is duplicate'),
        ("auth_jwt off off;", 'invalid parameter "off"'),
        ("auth_jwt_type jws;", 'invalid value "jws"'),
        ("auth_jwt_type encrypted;", '"auth_jwt_type encrypted" is not supported yet'),
        ("auth_jwt_type nested;", '"auth_jwt_type nested" is not supported yet'),
        ("auth_jwt_leeway -1;", '"auth_jwt_leeway" directive invalid value'),
        ("auth_jwt_key_cache x;", '"auth_jwt_key_cache" directive invalid value'),
        ("auth_jwt_require a;", 'invalid parameter "a"'),
        ("auth_jwt_require $arg_a a;", 'invalid parameter "a"'),
        ("auth_jwt_require $arg_a error=200;", 'invalid parameter "error=200"'),
        ("auth_jwt_require error=401 $arg_a;", 'invalid parameter "error=401"'),
        ("auth_jwt_require error=401;", '"auth_jwt_require" has no value'),
        ("auth_jwt_algorithm none;", 'invalid value "none"'),
        ("auth_jwt_algorithm rs256;", 'invalid value "rs256"'),
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


# Dialects.

OTHERS = {
    "auth_jwt_enabled on": '"tesla" (TeslaGov/ngx-http-auth-jwt-module)',
    "auth_jwt_validate_email on": '"tesla1" (TeslaGov/ngx-http-auth-jwt-module 1.x)',
    "auth_jwt_key 00ff": (
        '"tesla" (TeslaGov/ngx-http-auth-jwt-module) or "maxlt" (max-lt/nginx-jwt-module)'
    ),
    "auth_jwt_alg any": '"maxlt" (max-lt/nginx-jwt-module) or "tizp"',
    "auth_jwt_validate_exp off": '"kjdev" (kjdev/nginx-auth-jwt)',
    "auth_jwt_require_claim iss eq x": '"kjdev" (kjdev/nginx-auth-jwt)',
}


@pytest.mark.pyngx_only("about dialects")
@pytest.mark.parametrize("directive", OTHERS)
def test_directives_of_other_dialects(nginx: Nginx, directive: str) -> None:
    name = directive.split()[0]
    for text in (f"{directive};", f"location / {{ {directive}; }}"):
        nginx.rejects(
            text,
            f'the "{name}" directive belongs to the JWT dialect {OTHERS[directive]}, '
            "which is not supported yet",
            line=1,
        )


@pytest.mark.pyngx_only("about dialects")
def test_parameters_of_other_dialects(nginx: Nginx) -> None:
    for text, what in (
        ("auth_jwt_key_file a keyval;", 'the parameter "keyval" of "auth_jwt_key_file"'),
        ("auth_jwt_key_request /a jwks;", 'the parameter "jwks" of "auth_jwt_key_request"'),
        ("auth_jwt_require $arg_a error=418;", 'the parameter "error=418"'),
    ):
        nginx.rejects(
            text,
            f'{what} belongs to the JWT dialect "kjdev" (kjdev/nginx-auth-jwt), '
            "which is not supported yet",
            line=1,
        )


@pytest.mark.pyngx_only("about dialects")
def test_choosing_a_dialect(nginx: Nginx) -> None:
    claim = 'auth_jwt "A"; auth_jwt_validate_claim iss x;'
    nginx.accepts(claim)
    nginx.accepts(claim, http="pyngx_jwt_dialect pyngx;")
    nginx.rejects(
        f"location / {{ {claim} }}",
        'the "auth_jwt_validate_claim" directive is not of the JWT dialect "plus"',
        http="pyngx_jwt_dialect plus;",
        line=1,
    )
    nginx.rejects(
        http="pyngx_jwt_dialect tesla;",
        message='the value "tesla" belongs to the JWT dialect "tesla" '
        "(TeslaGov/ngx-http-auth-jwt-module), which is not supported yet",
        line=1,
    )
    nginx.rejects(
        http="pyngx_jwt_dialect plus; pyngx_jwt_dialect plus;",
        message='"pyngx_jwt_dialect" directive is duplicate',
    )
    nginx.rejects(
        "pyngx_jwt_dialect plus;", '"pyngx_jwt_dialect" directive is not allowed here', line=1
    )


@pytest.mark.pyngx_only("about dialects")
def test_algorithm_is_a_directive_of_two_dialects(nginx: Nginx) -> None:
    nginx.rejects(
        "location / { auth_jwt_algorithm RS256; }",
        'the "auth_jwt_algorithm" directive on its own belongs to the JWT dialect "tesla" '
        "(TeslaGov/ngx-http-auth-jwt-module), which is not supported yet",
        line=1,
    )
    nginx.accepts('location / { auth_jwt "A"; auth_jwt_algorithm RS256; }')
    nginx.accepts('location / { auth_jwt "A"; }', http="auth_jwt_algorithm RS256;")
    nginx.accepts("location / { auth_jwt_algorithm RS256; }", http="pyngx_jwt_dialect pyngx;")


@pytest.mark.pyngx_only("about dialects")
def test_a_loaded_module_is_not_that_of_plus(nginx: Nginx) -> None:
    """What it accepts without a complaint, such as tokens without "exp", kjdev's refuses."""
    load = "load_module modules/ngx_http_auth_jwt_module.so;"
    nginx.rejects(
        'auth_jwt "A";',
        'a configuration that loads a JWT module belongs to the JWT dialect "kjdev" '
        '(kjdev/nginx-auth-jwt), which is not supported yet; "pyngx_jwt_dialect plus;" reads it '
        "as NGINX Plus",
        main=load,
        line=0,
    )
    nginx.accepts('auth_jwt "A";', main=load, http="pyngx_jwt_dialect plus;")
    nginx.accepts('auth_jwt "A"; auth_jwt_validate_claim iss x;', main=load)
    nginx.accepts("auth_jwt off;", main=load)
