"""What a configuration for kjdev's module may say, and what it is told otherwise."""

from __future__ import annotations

import re

import pytest

from ..nginx import Nginx
from .tokens import FILES, KEYS

pytestmark = pytest.mark.needs("auth-jwt")
MARK = "auth_jwt_phase access;"
HERE = '"{}" directive is not allowed here'
ARITY = 'invalid number of arguments in "{}" directive'
STATUS = '"auth_jwt_require" directive error code must be 400-599 (excluding 444 and 499): "{}"'
OPERATOR = '"{}" directive second argument should be one of available require operators'
PATH = '"auth_jwt_require_claim" directive invalid JQ-like field path syntax'
SET = "auth_jwt_claim_set"


@pytest.mark.parametrize(
    "text, message",
    [
        ("auth_jwt a b;", '"auth_jwt" directive no token specified'),
        ("auth_jwt a token=;", '"auth_jwt" directive no token specified'),
        ("auth_jwt a token=b;", '"auth_jwt" directive token is not a variable specified'),
        ("auth_jwt a b c;", ARITY.format("auth_jwt")),
        ("auth_jwt_key_file '';", '"auth_jwt_key_file" directive is empty'),
        ("auth_jwt_key_file a b;", '"auth_jwt_key_file" directive format is incorrect'),
        ("auth_jwt_key_file $arg_a jwkset;", '"auth_jwt_key_file" directive format is incorrect'),
        ("auth_jwt_key_file a jwks c;", ARITY.format("auth_jwt_key_file")),
        ("auth_jwt_key_request '';", '"auth_jwt_key_request" directive is empty'),
        ("auth_jwt_key_request /a b;", '"auth_jwt_key_request" directive format is incorrect'),
        (
            "auth_jwt_validate_exp x;",
            'invalid value "x" in "auth_jwt_validate_exp" directive, it must be "on" or "off"',
        ),
        (
            "auth_jwt_validate_sig x;",
            'invalid value "x" in "auth_jwt_validate_sig" directive, it must be "on" or "off"',
        ),
        (
            "auth_jwt_validate_exp on; auth_jwt_validate_exp on;",
            '"auth_jwt_validate_exp" directive is duplicate',
        ),
        ("auth_jwt_leeway x;", '"auth_jwt_leeway" directive invalid value'),
        ("auth_jwt_leeway 1; auth_jwt_leeway 2;", '"auth_jwt_leeway" directive is duplicate'),
        ("auth_jwt_phase x;", 'invalid value "x"'),
        (
            "auth_jwt_phase access; auth_jwt_phase access;",
            '"auth_jwt_phase" directive is duplicate',
        ),
        ("auth_jwt_require a;", '"auth_jwt_require" directive not a variable specified'),
        ("auth_jwt_require $arg_a b;", '"auth_jwt_require" directive not a variable specified'),
        (
            "auth_jwt_require error=403;",
            '"auth_jwt_require" directive at least one variable must be specified',
        ),
        (
            "auth_jwt_require error=403 $arg_a;",
            '"auth_jwt_require" directive not a variable specified',
        ),
        *(
            (f"auth_jwt_require $arg_a error={code};", STATUS.format(code))
            for code in ("399", "444", "499", "600", "x", "", "4o3", "-401", "04010")
        ),
        ("auth_jwt_require;", ARITY.format("auth_jwt_require")),
        ("auth_jwt_require_claim a eq;", ARITY.format("auth_jwt_require_claim")),
        ("auth_jwt_require_claim a eq b c;", ARITY.format("auth_jwt_require_claim")),
        (
            "auth_jwt_require_claim '' eq b;",
            '"auth_jwt_require_claim" directive first argument should not be empty',
        ),
        (
            "auth_jwt_require_claim a '' b;",
            '"auth_jwt_require_claim" directive second argument should not be empty',
        ),
        (
            "auth_jwt_require_claim a eq '';",
            '"auth_jwt_require_claim" directive third argument should be variable',
        ),
        *(
            (f"auth_jwt_require_claim a {word} b;", OPERATOR.format("auth_jwt_require_claim"))
            for word in ("==", "EQ", "!", "!!eq", "equals", "not", "e")
        ),
        ("auth_jwt_require_header a x b;", OPERATOR.format("auth_jwt_require_header")),
        *(
            (f"auth_jwt_require_claim {path} eq b;", PATH)
            for path in (
                ".",
                ".a.",
                ".a[",
                ".a[]",
                ".a[x]",
                ".a[*]",
                ".a[01]",
                ".1",
                "'.\"'",
                "'.\"\"'",
                "[-1]",
                ".a[1",
                ".a]",
                "..a",
                ".a\\ b",
            )
        ),
        (
            "auth_jwt_require_claim a match json=5;",
            '"auth_jwt_require_claim" directive match operator requires a JSON string pattern',
        ),
        (
            "auth_jwt_require_claim a match json=x;",
            '"auth_jwt_require_claim" directive match operator requires a JSON string pattern',
        ),
        (
            f"auth_jwt_require_claim a match {'x' * 1025};",
            '"auth_jwt_require_claim" directive regex pattern too large',
        ),
        ("auth_jwt_revocation_list_sub '';", '"auth_jwt_revocation_list_sub" directive is empty'),
        ("auth_jwt_revocation_list_kid;", ARITY.format("auth_jwt_revocation_list_kid")),
        ("auth_jwt_allow_nested a;", '"auth_jwt_allow_nested" invalid parameter "a"'),
        (
            "auth_jwt_allow_nested delimiter=;",
            '"auth_jwt_allow_nested" invalid parameter "delimiter="',
        ),
        ("auth_jwt_allow_nested quote=;", '"auth_jwt_allow_nested" invalid parameter "quote="'),
        ("auth_jwt_allow_nested delimiter=a quote=b c;", ARITY.format("auth_jwt_allow_nested")),
        (
            "auth_jwt_www_authenticate on; auth_jwt_www_authenticate off;",
            '"auth_jwt_www_authenticate" directive is duplicate',
        ),
        (f"{SET} $a b;", HERE.format(SET)),
        ("auth_jwt_header_set $a b;", HERE.format("auth_jwt_header_set")),
        *(
            (f"location / {{ limit_except GET {{ {name} {value}; }} }}", HERE.format(name))
            for name, value in (
                ("auth_jwt_leeway", "1"),
                ("auth_jwt_phase", "access"),
                ("auth_jwt_allow_nested", ""),
            )
        ),
        *(
            (f"location / {{ if ($args) {{ {name} {value}; }} }}", HERE.format(name))
            for name, value in (
                ("auth_jwt", "a"),
                ("auth_jwt_require", "$a"),
                ("auth_jwt_require_claim", "a eq b"),
                ("auth_jwt_key_file", "a"),
            )
        ),
    ],
)
def test_rejected(nginx: Nginx, text: str, message: str) -> None:
    mark = "" if "auth_jwt_phase" in text else MARK
    nginx.rejects(text, message, line=1, http=mark)


@pytest.mark.parametrize(
    "text, message",
    [
        (f"{SET} a b;", f'"{SET}" directive not a variable specified'),
        ("auth_jwt_header_set a b;", '"auth_jwt_header_set" directive not a variable specified'),
        (f"{SET} $a;", ARITY.format(SET)),
    ],
)
def test_rejected_in_http(nginx: Nginx, text: str, message: str) -> None:
    nginx.rejects(http=f"{text} auth_jwt_phase access;", message=message, line=1)


def test_bad_expression(nginx: Nginx) -> None:
    for pattern in ("(", 'json="("'):
        nginx.rejects(
            f"auth_jwt_require_claim a match '{pattern}';",
            re.compile(r'regex compile failed: pcre2?_compile\(\) failed: missing .* in "\("'),
            line=1,
        )


def test_unknown_variables(nginx: Nginx) -> None:
    nginx.write("jwks.json", FILES["jwks.json"])
    for text in (
        "auth_jwt A token=$nope;",
        "auth_jwt A; auth_jwt_require $nope;",
        "auth_jwt A; auth_jwt_require_claim a eq $nope;",
        "auth_jwt A; auth_jwt_require_header a eq x$nope;",
        "auth_jwt A; auth_jwt_key_file $nope;",
        "auth_jwt A; auth_jwt_key_request $nope;",
        "auth_jwt A; auth_jwt_www_authenticate x$nope;",
    ):
        nginx.rejects(f"{text} {KEYS}", 'unknown "nope" variable', http=MARK)


@pytest.mark.nginx_differs("it accepts unsigned tokens then")
@pytest.mark.parametrize("demand", ["eq none", 'in json=["HS256","none"]', 'any json=["none"]'])
def test_none_is_not_to_be_asked_for(nginx: Nginx, demand: str) -> None:
    operator, value = demand.split()
    for field in ("alg", ".alg"):
        nginx.rejects(
            f"auth_jwt_require_header {field} {operator} '{value}';",
            '"auth_jwt_require_header" directive admits unsigned tokens ("none"), '
            "which are always refused",
            line=1,
        )


def test_accepted(nginx: Nginx) -> None:
    for path, content in FILES.items():
        nginx.write(path, content)
    nginx.accepts(
        """
        auth_jwt "A" token=$arg_t; auth_jwt "B"; auth_jwt_leeway 1h30m; auth_jwt_phase Preaccess;
        auth_jwt_key_file jwks.json; auth_jwt_key_file %%DIR%%/other.json j;
        auth_jwt_key_request /jwks; auth_jwt_key_request $arg_uri keyval;
        auth_jwt_require $arg_a error=403; auth_jwt_require $arg_b-x $arg_c;
        auth_jwt_require_claim a !any $jwt_claims; auth_jwt_require_header .a[0] match ^x;
        auth_jwt_validate_exp OFF; auth_jwt_validate_sig On; auth_jwt_allow_nested;
        auth_jwt_www_authenticate "a $jwt_claim_sub";
        location / {
            auth_jwt off;
            limit_except GET {
                auth_jwt "C"; auth_jwt_require $arg_d; auth_jwt_require_claim a eq b;
                auth_jwt_validate_exp on; auth_jwt_validate_sig off; auth_jwt_key_file jwks.json;
                auth_jwt_www_authenticate off;
            }
        }
        """,
        http="auth_jwt_claim_set $x a; auth_jwt_header_set $y b;",
    )
