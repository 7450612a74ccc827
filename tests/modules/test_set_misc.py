"""The directives of set-misc: values are encoded, hashed and quoted in the rewrite phase."""

from __future__ import annotations

import re

import pytest

from ..nginx import Nginx

pytestmark = pytest.mark.pyngx_only("nginx needs openresty/set-misc-nginx-module")


def check(nginx: Nginx, directives: str, expected: str, uri: str = "/") -> None:
    """The value of $a after the directives."""
    nginx(f'location / {{ {directives} return 200 "[$a]"; }}')
    nginx.exchange(f"> GET {uri}\n< 200\n<\n< [{expected}]")


@pytest.mark.parametrize(
    ("directives", "expected"),
    [
        ("set_escape_uri $a 'a b?c=d/e+\\xff,`|~*!';", "a%20b%3Fc%3Dd%2Fe%2B%5Cxff,`|~*!"),
        ("set $a '[x]&%'; set_escape_uri $a;", "%5Bx%5D%26%25"),
        ("set_unescape_uri $a 'a+b%20c%2Fd%zz%4';", "a b c/dzz"),
        ("set_unescape_uri $a $arg_x;", "b c"),
        ("set_encode_base64 $a abcde;", "YWJjZGU="),
        ("set_decode_base64 $a YWJjZGU=;", "abcde"),
        ("set_encode_base64url $a 'x>?';", "eD4_"),
        ("set_decode_base64url $a Pj4_;", ">>?"),
        ("set_encode_base32 $a abcde;", "c5h66p35"),
        ("set_encode_base32 $a a;", "c4======"),
        ("set_base32_padding off; set_encode_base32 $a abcdef;", "c5h66p35co"),
        (
            "set_base32_alphabet ABCDEFGHIJKLMNOPQRSTUVWXYZ234567; set_encode_base32 $a abc;",
            "MFRGG===",
        ),
        ("set_decode_base32 $a c5h66p35co;", "abcdef"),
        ("set_decode_base32 $a c5h66p35c;", ""),
        ("set_misc_base32_padding off; set_encode_base32 $a a;", "c4"),
        ("set_encode_hex $a abc;", "616263"),
        ("set_decode_hex $a 616263;", "abc"),
        ("set_md5 $a hello;", "5d41402abc4b2a76b9719d911017c592"),
        ("set_sha1 $a hello;", "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d"),
        (
            "set_hmac_sha1 $a key text; set_encode_hex $a;",
            "369e2959eb49450338b212748f77d8ded74847bb",
        ),
        (
            "set_hmac_sha256 $a key text; set_encode_hex $a;",
            "6afa9046a9579cad143a384c1b564b9a250d27d6f6a63f9f20bf3a7594c9e2c6",
        ),
        ('set_quote_sql_str $a "it\'s\\n";', r"'it\'s\n'"),
        ("set_unescape_uri $a 'b%24%00%1a%22'; set_quote_sql_str $a;", r"""'b\$\0\Z\"'"""),
        (
            "set_unescape_uri $a 'x%C3%A9'; set_quote_pgsql_str $a; set_md5 $a;",
            "841e3b1de61f5637a87e11b2ab05012c",
        ),
        ("set_unescape_uri $a '%E9x'; set_quote_pgsql_str $a;", r"E'\\351x'"),
        ("set_quote_sql_str $a '';", "''"),
        ('set_quote_pgsql_str $a "it\'s";', "E'it\\'s'"),
        ('set_quote_json_str $a "a\\"b\\n";', '"a\\"b\\n"'),
        ("set_quote_json_str $a '';", "null"),
        ("set $a ''; set_if_empty $a other;", "other"),
        ("set $a own; set_if_empty $a other;", "own"),
        ("set_random $a 7 7;", "7"),
        ("set_rotate $a 3 5;", "3"),
        ("set $a 4; set_rotate $a 3 5;", "5"),
        ("set $a 5; set_rotate $a 5 3;", "3"),
        ("set_formatted_gmt_time $a '';", ""),
    ],
)
def test_values(nginx: Nginx, directives: str, expected: str) -> None:
    check(nginx, directives, expected, "/?x=b+c")


def test_runs_in_order_with_set_and_if(nginx: Nginx) -> None:
    check(
        nginx,
        'set $a x; set_md5 $b $a; if ($b ~ "^9dd4") { set_escape_uri $a "$a y"; } set $a "$a.";',
        "x%20y.",
    )


def test_random_strings(nginx: Nginx) -> None:
    nginx("""location / { set_secure_random_alphanum $a 32; set_secure_random_lcalpha $b 8;
                          return 200 "$a $b"; }""")
    first, second = nginx.request("GET /").text, nginx.request("GET /").text
    assert re.fullmatch(r"[A-Za-z0-9]{32} [a-z]{8}", first)
    assert first != second


def test_dates(nginx: Nginx) -> None:
    nginx("""location / { set_local_today $a; set_formatted_gmt_time $b "%Y-%m-%d %H:%M";
                          set_formatted_local_time $c "%Y"; return 200 "$a $b $c"; }""")
    day = r"\d{4}-\d\d-\d\d"
    assert re.fullmatch(rf"{day} {day} \d\d:\d\d \d{{4}}", nginx.request("GET /").text)


@pytest.mark.parametrize(
    ("directives", "message"),
    [
        ("set_decode_base64 $a '*';", "set_decode_base64: invalid value"),
        ("set_decode_base64url $a 'a+';", "set_decode_base64url: invalid value"),
        ("set_decode_hex $a abc;", "set_decode_hex: invalid value"),
        ("set_decode_hex $a xy;", "set_decode_hex: invalid value"),
        ("set_random $a x 2;", 'set_random: bad "from" argument: x'),
        ("set_random $a 1 $arg_no;", 'set_random: bad "to" argument: '),
        ("set_rotate $a 1 x;", 'set_rotate: bad "to" argument value: "x"'),
        ("set_secure_random_lcalpha $a 65;", 'set_random: bad "length" argument: 65'),
    ],
)
def test_invalid_values_are_errors(nginx: Nginx, directives: str, message: str) -> None:
    nginx(f"location / {{ {directives} return 200; }}")
    nginx.exchange("> GET /\n< 500")
    assert message in nginx.error_log()


def test_rotation_continues(nginx: Nginx) -> None:
    nginx("location / { set_rotate $a 1 3; return 200 $a; }")
    assert [nginx.request("GET /").text for _ in range(4)] == ["1", "2", "3", "1"]


def test_hashed_upstreams(nginx: Nginx) -> None:
    """The same key selects the same upstream, in any case."""
    nginx(
        'location / { set_hashed_upstream $a names $arg_k; return 200 "$a"; }',
        http="upstream_list names one two three;",
    )
    names = [nginx.request(f"GET /?k={key}").text for key in ("a", "b", "c", "A")]
    assert names == ["two", "three", "one", "two"]


@pytest.mark.parametrize(
    ("snippet", "message"),
    [
        ("set_md5 a b;", 'invalid variable name "a"'),
        ("set_md5 $host b;", 'the duplicate "host" variable'),
        (
            "set_base32_alphabet ab;",
            '"set_base32_alphabet" directive takes an alphabet of 2 bytes but 32 expected',
        ),
    ],
)
def test_rejected(nginx: Nginx, snippet: str, message: str) -> None:
    nginx.rejects(f"location / {{ {snippet} }}", message)
