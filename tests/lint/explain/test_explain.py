"""pyngx explain: what becomes of a request, with places."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest

from pyngx_jwt.jwt.mint import SigningKey
from pyngx_jwt.lint.analysis import analyse
from pyngx_jwt.lint.explain.journey import explain
from pyngx_jwt.lint.explain.request import Asked, Wrong
from pyngx_jwt.lint.inputs import Request
from pyngx_jwt.lint.model import Configuration
from pyngx_jwt.lint.target import Target

from ..kit import PAIRS, Linter

PEM = Path(__file__).parents[1] / "rules" / "public.pem"
SEED = Path(__file__).parents[2] / "data" / "seed.conf"


def ask(linter: Linter, text: str, method: str, url: str, *fields: str) -> str:
    """The account of a request; the text is the inside of http, from its line 1 on."""
    linter.write({"nginx.conf": f"events {{ }} http {{ {textwrap.dedent(text)} }}\n"})
    return ask_file(linter, method, url, *fields)


def ask_file(linter: Linter, method: str, url: str, *fields: str) -> str:
    request = Request([f"{linter.folder}/nginx.conf"], f"{linter.folder}/")
    (found,) = request.inputs(())
    conf = Configuration(analyse(found.options, found.files, Target()))
    given = tuple((name, value) for name, _, value in (f.partition(": ") for f in fields))
    return explain(conf, Asked(method, url, given)).text(f"{linter.folder}/")


def told(text: str) -> str:
    return textwrap.dedent(text).lstrip("\n")


NAMES = """\

server { listen 80; server_name a.example; return 200 a; }
server { listen 80; server_name *.b.example; return 200 b; }
server { listen 80 default_server; server_name ~^c\\d; return 200 "c $host"; }
server { listen 81; return 301 https://$host$request_uri; }
"""


@pytest.mark.parametrize(
    ("url", "server", "answer"),
    [
        ("http://a.example/", "server a.example: the exact name a.example", "200: a"),
        ("http://x.b.example/", "server *.b.example: the wildcard name *.b.example", "200: b"),
        ("http://c1/", "server ~^c\\d: the expression ~^c\\d", "200: c c1"),
        ("http://d/", 'the default server, named so (no name fits "d")', "200: c d"),
        ("http://a.example:81/x?y", "the only one", "301 to https://a.example/x?y"),
    ],
)
def test_server(linter: Linter, url: str, server: str, answer: str) -> None:
    account = ask(linter, NAMES, "GET", url)
    assert server in account
    assert account.endswith(f"answers {answer}\n")


def test_other_protocols(linter: Linter) -> None:
    """What an application is told, and what memcached is asked for."""
    text = """\

        scgi_cache_path cache keys_zone=z:1m;
        server {
            listen 80; set $memcached_key $uri;
            location / { scgi_pass 127.0.0.1:9; scgi_param A $request_uri;
                         scgi_cache z; scgi_cache_key $uri; scgi_cache_valid 1m; }
            location /m { memcached_pass 127.0.0.1:8; }
        }
        """
    account = ask(linter, text, "GET", "http://h/x?y", "X-User: me")
    assert "looked for in the cache z    [nginx.conf:6]" in account
    assert "by the key /x    [nginx.conf:6]" in account
    assert "kept 1m    [nginx.conf:6]" in account
    assert "passed to scgi://127.0.0.1:9    [nginx.conf:5]" in account
    assert "CONTENT_LENGTH: 0\n" in account and "HTTP_X_USER: me\n" in account
    assert "A: /x?y    [nginx.conf:5]\n" in account
    account = ask(linter, text, "GET", "http://h/m?y")
    assert "passed to memcached://127.0.0.1:8: get /m    [nginx.conf:7]" in account


def test_why_other_servers_lost(linter: Linter) -> None:
    account = ask(linter, NAMES, "GET", "http://a.example/")
    assert account == told("""
        GET http://a.example/
          listens on 0.0.0.0:80    [nginx.conf:2]
          server a.example: the exact name a.example    [nginx.conf:2]
            not server *.b.example: *.b.example    [nginx.conf:3]
            not server ~^c\\d: ~^c\\d    [nginx.conf:4]
          return 200 a: answers    [nginx.conf:2]
          answers 200: a
        """)


LOCATIONS = """\

server {
    location / { return 200 root; }
    location /a { return 200 a; }
    location ^~ /a/b { return 200 b; }
    location = /a/e { return 200 e; }
    location ~ \\.x$ { return 200 x; }
    location ~ ^/a { return 200 second; }
    location /in { internal; }
    location /w { limit_except GET { deny all; } return 200 w; }
}
"""


@pytest.mark.parametrize(
    ("uri", "lines"),
    [
        (
            "/a/z.x",
            """
            location ~ \\.x$: the first expression that matches    [nginx.conf:7]
              not location /: an expression wins over a prefix    [nginx.conf:3]
              not location /a: an expression wins over a prefix    [nginx.conf:4]
              not location ~ ^/a: it stands behind the one that matched    [nginx.conf:8]
            """,
        ),
        (
            "/a/b.x",
            """
            location ^~ /a/b: the longest prefix, and ^~ keeps expressions out    [nginx.conf:5]
              not location /: a shorter prefix    [nginx.conf:3]
              not location /a: a shorter prefix    [nginx.conf:4]
              not location ~ \\.x$: ^~ keeps expressions out    [nginx.conf:7]
              not location ~ ^/a: ^~ keeps expressions out    [nginx.conf:8]
            """,
        ),
        (
            "/a/e",
            """
            location = /a/e: equal to the URI    [nginx.conf:6]
              not location /: a shorter prefix    [nginx.conf:3]
              not location /a: a shorter prefix    [nginx.conf:4]
              not location ~ ^/a: expressions are not tried once a URI is equal    [nginx.conf:8]
            """,
        ),
        (
            "/in",
            """
            location /in: the longest prefix    [nginx.conf:9]
              not location /: a shorter prefix    [nginx.conf:3]
            location /in is internal: clients get 404    [nginx.conf:9]
            """,
        ),
    ],
)
def test_location(linter: Linter, uri: str, lines: str) -> None:
    account = ask(linter, LOCATIONS, "GET", f"http://a{uri}")
    assert textwrap.indent(told(lines), "  ") in account


def test_rewrites_step_by_step(linter: Linter) -> None:
    text = """\

    server {
        set $a 1;
        rewrite ^/old/(.*)$ /new/$1 last;
        rewrite ^/never /x;
        location / {
            if ($arg_q = 1) { set $b 2; }
            if ($arg_q = 2) { return 403; }
            return 200 "$a $b $uri";
        }
    }
    """
    account = ask(linter, text, "GET", "http://a/old/x?q=1")
    assert account == told("""
        GET http://a/old/x?q=1
          listens on 0.0.0.0:80    [nginx.conf:2]
          server: the default server, the first one (the only one)    [nginx.conf:2]
          set $a 1: $a is "1"    [nginx.conf:3]
          rewrite ^/old/(.*)$ /new/$1 last: /old/x?q=1 becomes /new/x?q=1    [nginx.conf:4]
          location /: the longest prefix    [nginx.conf:6]
          if ($arg_q = 1): the condition holds, $b is "2"    [nginx.conf:7]
          if ($arg_q = 2): the condition does not hold    [nginx.conf:8]
          return 200 $a $b $uri: answers    [nginx.conf:9]
          answers 200: 1 2 /new/x
        """)


def test_seed(linter: Linter) -> None:
    linter.write({"nginx.conf": SEED.read_bytes()})
    account = ask_file(linter, "GET", "http://api.example.com/protected")
    assert "location /protected: the longest prefix    [nginx.conf:16]" in account
    assert 'a token is needed, from the Authorization field ("Bearer")' in account
    assert "algorithms: RS256, as the key allows    [nginx.conf:18]" in account
    assert "claim iss https://my-api-a32f34.zuplo.api/__zuplo/issuer    [nginx.conf:21]" in account
    assert account.endswith("    => refuses with 401\n  answers 401\n")
    account = ask_file(linter, "GET", "http://api.example.com/_jwks")
    assert account.endswith("is internal: clients get 404    [nginx.conf:32]\n  answers 404\n")


PROXY = """\

proxy_cache_path cache keys_zone=z:1m;
upstream app { server 127.0.0.1:9000; server 127.0.0.1:9001 backup; }
server {
    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        auth_jwt_require $jwt_claim_sub error=403;
        proxy_set_header X-Sub $jwt_claim_sub;
        proxy_cache z;
        proxy_cache_key "$jwt_claim_sub$uri";
        proxy_cache_valid 200 1m;
        proxy_pass http://app/v1/;
    }
}
"""


def token(**claims: str) -> str:
    (members,) = json.loads((PAIRS / "keys/jwks.json").read_text())["keys"]
    return SigningKey.from_members(members).sign(claims)


def test_a_good_token(linter: Linter) -> None:
    field = f"Authorization: Bearer {token(sub='alice')}"
    account = ask(linter, PROXY, "GET", "http://a/api/x?y", field, "X-Sub: root")
    rest = account[account.index("  a token is needed") :]
    lines = [line for line in rest.splitlines() if "Authorization: Bearer" not in line]
    assert textwrap.dedent("\n".join(lines)) + "\n" == told("""
          a token is needed, from the Authorization field ("Bearer")    [nginx.conf:6]
            keys of the file keys/jwks.json: k1 HS256    [nginx.conf:7]
            algorithms: HS256
            exp checked if present, nbf checked if present
            neither empty nor "0": $jwt_claim_sub, else 403    [nginx.conf:8]
            => lets it pass
          looked for in the cache z    [nginx.conf:10]
            by the key alice/api/x    [nginx.conf:11]
            kept 200 1m    [nginx.conf:12]
          passed to http://app: GET /v1/x?y HTTP/1.1    [nginx.conf:13]
            upstream app    [nginx.conf:3]
              server 127.0.0.1:9000    [nginx.conf:3]
              server 127.0.0.1:9001 backup    [nginx.conf:3]
            Host: app
            X-Sub: alice    [nginx.conf:9]
        """)


def test_a_bad_token(linter: Linter) -> None:
    account = ask(linter, PROXY, "GET", "http://a/api/", f"Authorization: Bearer {token()}")
    assert 'auth_jwt_require value "$jwt_claim_sub" is empty or "0"' in account
    assert account.endswith("    => refuses with 403\n  answers 403\n")


@pytest.mark.parametrize(
    ("directives", "lines"),
    [
        (
            "auth_jwt_key 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff;\n"
            "auth_jwt_enabled on; auth_jwt_location COOKIE=jwt;\n"
            "auth_jwt_validate_sub on;",
            """
            a token is needed, from the cookie jwt    [nginx.conf:3]
              a key of the configuration itself    [nginx.conf:2]
              algorithms: HS256, HS384, HS512
              exp has to be present, nbf checked if present
              "sub" has to be a string    [nginx.conf:4]
            """,
        ),
        (
            "auth_jwt_use_keyfile on; auth_jwt_keyfile_path {keys}/key.pem;\n"
            "auth_jwt_algorithm ES256; auth_jwt_enabled on;\n"
            "auth_jwt_location HEADER=X-Token; auth_jwt_validate_sub off;",
            """
            a token is needed, from the X-Token field (with or without "Bearer")    [nginx.conf:3]
              the key of the file {keys}/key.pem    [nginx.conf:2]
              algorithms: ES256    [nginx.conf:3]
              exp has to be present, nbf checked if present
              a token without "exp" is refused
            """,
        ),
        (
            "auth_jwt $cookie_jwt;\n"
            "auth_jwt_key {keys}/key.pem file;\n"
            "auth_jwt_require $jwt_claim_a $jwt_claim_b error=403;",
            """
            a token is needed, from $cookie_jwt    [nginx.conf:2]
              the key of the file {keys}/key.pem    [nginx.conf:3]
              algorithms: ES256
              exp checked if present, nbf checked if present
              neither empty nor "0": $jwt_claim_a $jwt_claim_b, else 403    [nginx.conf:4]
            """,
        ),
        (
            'auth_jwt "x" token=$arg_t; auth_jwt_key_file keys/jwks.json;\n'
            "auth_jwt_key_file keys/nope.json;",
            """
            a token is needed, from $arg_t    [nginx.conf:2]
              keys of the file keys/jwks.json: k1 HS256    [nginx.conf:2]
              keys of the file keys/nope.json: it cannot be used    [nginx.conf:3]
              algorithms: any that a key allows
            """,
        ),
        (
            'auth_jwt "x"; auth_jwt_key_file keys/$jwt_claim_iss.json;',
            """
            a token is needed, from the Authorization field ("Bearer")    [nginx.conf:2]
              keys of the file keys/$jwt_claim_iss.json    [nginx.conf:2]
              algorithms: any that a key allows
            """,
        ),
        (
            'auth_jwt "x"; auth_jwt_algorithm ES256; auth_jwt_key_file keys/jwks.json;',
            """
            a token is needed, from the Authorization field ("Bearer")    [nginx.conf:2]
              keys of the file keys/jwks.json: k1 HS256    [nginx.conf:2]
              algorithms: none, no key allows one that is accepted    [nginx.conf:2]
            """,
        ),
    ],
)
def test_what_tokens_are_held_against(linter: Linter, directives: str, lines: str) -> None:
    keys = f"{linter.folder}/keys"
    text = directives.replace("{keys}", keys)
    linter.write({"keys/key.pem": PEM.read_bytes()})
    account = ask(linter, f"\nserver {{ {text} location / {{ }} }}", "GET", "http://a/")
    assert textwrap.indent(told(lines), "  ").replace("{keys}", keys) in account


def test_keys_are_not_fetched(linter: Linter) -> None:
    text = """\
    server {
        auth_jwt_key_request /_jwks;
        location / { auth_jwt x; proxy_pass http://127.0.0.1:9; }
        location = /_jwks { internal; proxy_pass http://idp.example/keys; }
    }
    """
    account = ask(linter, text, "GET", "http://a/", f"Authorization: Bearer {token()}")
    assert "from location = /_jwks: http://idp.example/keys" in account
    assert "=> the keys would have to be fetched, which is not done here" in account
    assert "passed to http://127.0.0.1:9: GET / HTTP/1.1" in account


def test_checks_in_order(linter: Linter) -> None:
    text = """\

    server {
        satisfy any;
        allow 10.0.0.0/8;
        deny all;
        auth_basic "x"; auth_basic_user_file users;
        location / { root /srv; }
        location /b { satisfy all; auth_request /auth; }
        location /auth { proxy_pass http://127.0.0.1:9; }
    }
    """
    account = ask(linter, text, "GET", "http://a/f")
    rest = account[account.index("  satisfy any") :]
    assert "deny all fits 127.0.0.1    [nginx.conf:5]\n    => refuses with 403" in rest
    assert "a user and a password are needed    [nginx.conf:6]" in rest
    assert "=> refuses with 401" in rest
    assert rest.endswith("  answers 401\n")


def test_error_pages_and_named_locations(linter: Linter) -> None:
    text = """\
    server {
        location / { deny all; error_page 403 = @open; }
        location @open { proxy_pass http://127.0.0.1:9; }
        location /t { try_files $uri @open; }
    }
    """
    account = ask(linter, text, "GET", "http://a/x")
    assert "error_page for 403: @open" in account
    assert "location @open: by its name" in account
    assert "passed to http://127.0.0.1:9: GET /x HTTP/1.1" in account
    account = ask(linter, text, "GET", "http://a/t")
    assert "redirected internally to @open" in account


def test_questions_that_cannot_be_asked(linter: Linter) -> None:
    for url in ("http://a/%zz", "ftp://a/", "nope"):
        with pytest.raises(Wrong):
            ask(linter, NAMES, "GET", url)
    with pytest.raises(Wrong, match="no server"):
        ask(linter, "", "GET", "http://a/")


def test_what_is_not_run_answers_501(linter: Linter) -> None:
    text = """
    server {
        error_page 404 /x;
        location / {
            uwsgi_pass a:1;
            if ($arg_a) { set $b 1; }
        }
        location /passenger { passenger_enabled on; }
        location /off { passenger_enabled off; return 204; }
    }
    """
    for url in ("http://a/", "http://a/?a=1"):
        told = ask(linter, text, "GET", url)
        assert "  pyngx does not run uwsgi_pass    [nginx.conf:5]\n  answers 501\n" in told
        assert "served from" not in told
    assert "  answers 501\n" in ask(linter, text, "GET", "http://a/passenger/x")
    assert "  answers 204\n" in ask(linter, text, "GET", "http://a/off")
