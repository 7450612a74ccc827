"""What is reported of a request on its way: server, location, rewrites, access, upstream."""

from __future__ import annotations

import hashlib
import json
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from pyngx_jwt.errors import WrongWords
from pyngx_jwt.explain.command import main
from pyngx_jwt.explain.explainer import ADMITTED, UNKNOWN, Explainer, Explanation
from pyngx_jwt.explain.report import as_json, as_text
from pyngx_jwt.explain.request import RequestSpec, parse_field, parse_url
from pyngx_jwt.options import Options, resolve_options

from ..authority import Authority
from .setups import CLAIMS, KEY, NOW, files

SEED = Path(__file__).parents[1] / "data" / "seed.conf"
GOOD = KEY.sign(CLAIMS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with keys and files."""
    for name, content in files().items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return tmp_path


def explain(
    folder: Path, text: str, url: str, *fields: str, method: str = "GET", token: str = ""
) -> Explanation:
    """What is reported of a request; the text is the inside of http, from its line 1 on."""
    conf = folder / "nginx.conf"
    conf.write_text(f"events {{ }} http {{ {textwrap.dedent(text)} }}\n")
    return ask_file(conf, url, *fields, method=method, token=token)


def ask_file(
    conf: Path, url: str, *fields: str, method: str = "GET", token: str = ""
) -> Explanation:
    found = resolve_options(str(conf.parent), str(conf), None)
    options = Options(*found, allow_unsupported=True)
    asked = RequestSpec(parse_url(url), method, tuple(map(parse_field, fields)))
    return Explainer(options, NOW).explain(asked, token)


def rows(explanation: Explanation, *names: str) -> list[str]:
    """Name, text and line of the facts with these names, and of those that belong to them."""
    found, taken = list[str](), False
    for line in explanation.trip.lines:
        taken = line.name in names or (not line.name and taken)
        if taken:
            at = f" [{line.statement.line}]" if line.statement is not None else ""
            found.append(f"{line.name}: {line.text}{at}" if line.name else f"  {line.text}{at}")
    return found


def answer(explanation: Explanation) -> str:
    """The row of the report that says what the client gets."""
    (row,) = (x for x in as_text(explanation).splitlines() if x.split()[:1] == ["answer"])
    return row.partition("answer")[2].strip()


NAMES = """\

server { listen 80; server_name a.example; return 200 a; }
server { listen 80; server_name *.b.example; return 200 b; }
server { listen 80 default_server; server_name ~^c\\d; return 200 "c $host"; }
server { listen 81; return 301 https://$host$request_uri; }
"""


@pytest.mark.parametrize(
    ("url", "lines", "text"),
    [
        (
            "http://a.example/",
            ["a.example, on 0.0.0.0:80 [2]", "the exact name a.example [2]"],
            "a",
        ),
        ("http://x.b.example/", ["*.b.example, on", "the wildcard name *.b.example [3]"], "b"),
        ("http://c1/", ["~^c\\d, on 0.0.0.0:80 [4]", "the expression ~^c\\d [4]"], "c c1"),
        ("http://d/", ["the default server there [4]", 'no server_name matches "d"'], "c d"),
    ],
)
def test_server(folder: Path, url: str, lines: list[str], text: str) -> None:
    explanation = explain(folder, NAMES, url)
    found = rows(explanation, "server")
    assert lines[0] in found[0] and lines[1] in found[1]
    assert answer(explanation) == f'200 OK, body "{text}"'


def test_only_server_of_an_address(folder: Path) -> None:
    explanation = explain(folder, NAMES, "http://a.example:81/x?y")
    assert rows(explanation, "server") == [
        "server: without a name, on 0.0.0.0:81, the default server there [5]"
    ]
    assert answer(explanation) == "301 Moved Permanently"
    assert "  Location: https://a.example/x?y\n" in as_text(explanation)


def test_why_other_servers_lost(folder: Path) -> None:
    assert rows(explain(folder, NAMES, "http://a.example/"), "server", "return") == [
        "server: a.example, on 0.0.0.0:80 [2]",
        "  the exact name a.example [2]",
        "  not server *.b.example [3]",
        "  not server ~^c\\d [4]",
        "return: answers 200 before the access phase [2]",
    ]


LOCATIONS = """\

server {
    location / { return 200 root; }
    location /a { return 200 a; }
    location ^~ /a/b { return 200 b; }
    location = /a/e { return 200 e; }
    location ~ \\.x$ { return 200 x; }
    location ~ ^/a { return 200 second; }
    location /in { internal; }
    location /n { location /n/m { return 200; } }
}
"""


@pytest.mark.parametrize(
    ("uri", "lines"),
    [
        (
            "/a/z.x",
            """
            location: ~ \\.x$ [7]
              the first regular expression that matches [7]
              not /: a regular expression wins over a prefix [3]
              not /a: a regular expression wins over a prefix [4]
              not ~ ^/a: it stands behind the one that matched [8]
            """,
        ),
        (
            "/a/b.x",
            """
            location: ^~ /a/b [5]
              the longest prefix, and ^~ rules out regular expressions [5]
              not /: a shorter prefix [3]
              not /a: a shorter prefix [4]
              not ~ \\.x$: ^~ rules out regular expressions [7]
              not ~ ^/a: ^~ rules out regular expressions [8]
            """,
        ),
        (
            "/a/e",
            """
            location: = /a/e [6]
              equal to the URI [6]
              not /: a shorter prefix [3]
              not /a: a shorter prefix [4]
              not ~ ^/a: regular expressions are not tried once a URI is equal [8]
            """,
        ),
        (
            "/n/m",
            """
            location: /n/m [10]
              in /n: the longest prefix [10]
              not /: a shorter prefix [3]
              the longest prefix [10]
            """,
        ),
    ],
)
def test_location(folder: Path, uri: str, lines: str) -> None:
    explanation = explain(folder, LOCATIONS, f"http://a{uri}")
    assert rows(explanation, "location") == textwrap.dedent(lines).strip("\n").splitlines()


def test_internal_location(folder: Path) -> None:
    explanation = explain(folder, LOCATIONS, "http://a/in")
    assert rows(explanation, "internal") == [
        "internal: only internal requests come here: 404 Not Found [9]"
    ]
    assert explanation.trip.decided is not None and explanation.trip.decided.name == "internal"
    assert answer(explanation).startswith("404 Not Found")


def test_rewrites_step_by_step(folder: Path) -> None:
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
    explanation = explain(folder, text, "http://a/old/x?q=1")
    assert rows(explanation, "set", "rewrite", "if", "return") == [
        'set: $a is "1" [3]',
        'rewrite: the URI is now "/new/x?q=1" [4]',
        "if: ($arg_q = 1) holds [7]",
        '  $arg_q is "1"',
        'set: $b is "2" [7]',
        "if: ($arg_q = 2) does not hold [8]",
        '  $arg_q is "1"',
        "return: answers 200 before the access phase [9]",
    ]
    assert answer(explanation) == '200 OK, body "1 2 /new/x"'
    explanation = explain(folder, text, "http://a/never")
    assert rows(explanation, "rewrite")[1:] == ['rewrite: the URI is now "/x" [5]']


def test_seed(folder: Path) -> None:
    conf = folder / "nginx.conf"
    conf.write_bytes(SEED.read_bytes())
    explanation = ask_file(conf, "http://api.example.com/protected")
    assert rows(explanation, "location")[0] == "location: /protected [16]"
    assert rows(explanation, "auth_jwt")[0].startswith("auth_jwt: token required: auth_jwt ")
    assert answer(explanation).startswith("401 Unauthorized")
    assert answer(ask_file(conf, "http://api.example.com/_jwks")).startswith("404 Not Found")


PROXY = """\

proxy_cache_path cache keys_zone=z:1m;
upstream app { server 127.0.0.1:9000; server 127.0.0.1:9001 backup; }
server {
    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file jwks.json;
        auth_jwt_require $jwt_claim_sub error=403;
        proxy_set_header X-Sub $jwt_claim_sub;
        proxy_cache z;
        proxy_cache_key "$jwt_claim_sub$uri";
        proxy_cache_valid 200 1m;
        proxy_pass http://app/v1/;
    }
}
"""


def test_head_that_is_sent_upstream(folder: Path) -> None:
    explanation = explain(folder, PROXY, "http://a/api/x?y", "X-Sub: root", token=GOOD)
    assert explanation.verdict == ADMITTED
    assert rows(explanation, "require", "cache", "content", "upstream")[:-1] == [
        'require: $jwt_claim_sub is "alice" [8]',
        'cache: z: looked for by the key "alice/api/x" [10]',
        f"  MISS: there is no file {folder}/cache/ee440e5d46c5cbdcfe057f0e2a8cccbf",
        "  kept: proxy_cache_valid 200 1m [12]",
        "content: the request is passed to http://app/v1/ [13]",
        "upstream: GET /v1/x?y HTTP/1.1 [13]",
        "  Host: app",
        "  X-Sub: alice [9]",
    ]
    assert answer(explanation) == "(from the upstream)"
    assert as_text(explanation).endswith("\nadmitted\n  the upstream answers\n")


def test_value_that_is_required(folder: Path) -> None:
    token = KEY.sign({"iss": "me"})
    explanation = explain(folder, PROXY, "http://a/api/", token=token)
    assert rows(explanation, "require") == [
        'require: $jwt_claim_sub is "", so the status is 403 [8]',
    ]
    assert answer(explanation).startswith("403 Forbidden")


def test_keys_are_not_fetched(folder: Path) -> None:
    text = """\

    server {
        auth_jwt_key_request /_jwks;
        location / { auth_jwt x; proxy_set_header X-User $jwt_claim_sub;
            error_page 401 = /login; proxy_pass http://127.0.0.1:9; }
        location = /_jwks { internal; proxy_pass http://idp.example/keys; }
        location /login { auth_jwt off; return 302 /in; }
    }
    """
    explanation = explain(folder, text, "http://a/", token=GOOD)
    assert explanation.verdict == UNKNOWN and explanation.denied is not None
    assert (
        explanation.trip.upstream is not None
        and b"\r\nX-User: alice\r\n" in explanation.trip.upstream.head
    )
    assert explanation.denied.status == 302 and explanation.trip.log == []
    shown = as_text(explanation)
    assert (
        '\n  the keys of key request "/_jwks"\nif it is admitted: the upstream answers\n' in shown
    )
    assert "\nif not: 302 Moved Temporarily\n" in shown and "\n  Location: http://a/in\n" in shown


def test_claims_are_known_before_the_access_phase(folder: Path) -> None:
    text = """\

    server {
        auth_jwt_key_request /_jwks;
        location / { auth_jwt x; if ($jwt_claim_sub = alice) { return 204; } return 403; }
        location = /_jwks { internal; proxy_pass http://idp.example/keys; }
    }
    """
    explanation = explain(folder, text, "http://a/", token=GOOD)
    assert explanation.verdict == UNKNOWN and explanation.denied is not None
    assert (explanation.way.status, explanation.denied.status) == (204, 403)


def test_checks_in_order(folder: Path) -> None:
    text = """\

    server {
        satisfy any;
        allow 10.0.0.0/8;
        deny all;
        auth_basic "x"; auth_basic_user_file users;
        location / { root /srv; }
        location /l { satisfy all; allow all; limit_req zone=r; limit_conn c 5; return 200; }
        location /m { limit_req zone=r; limit_conn c 5; satisfy all; }
    }
    limit_req_zone $arg_k zone=r:1m rate=1r/s;
    limit_conn_zone $remote_addr zone=c:1m;
    """
    (folder / "users").write_text("")
    explanation = explain(folder, text, "http://a/f")
    assert rows(explanation, "access", "auth_basic") == [
        "access: client 127.0.0.1 is refused: 403 Forbidden [5]",
        'auth_basic: no user and password in "Authorization": 401 Unauthorized [6]',
    ]
    assert answer(explanation).startswith("401 Unauthorized")
    assert explanation.trip.decided is not None and explanation.trip.decided.name == "auth_basic"
    explanation = explain(folder, text, "http://a/m?k=v")
    assert sorted(rows(explanation, "limit_req", "limit_conn")) == [
        'limit_conn: not counted here: c 5, by $remote_addr, which is "127.0.0.1" [9]',
        'limit_req: not counted here: zone=r, by $arg_k, which is "v" [9]',
    ]


def test_subrequest_with_its_reasons(folder: Path) -> None:
    text = """\

    server {
        location / { auth_request /ask/x; return 404; }
        location /b { auth_request /ask/x; }
        location /ask { if ($arg_ok) { return 204; } return 403; }
        location /c { auth_request /far; }
        location /far { proxy_pass http://far.example; }
    }
    """
    explanation = explain(folder, text, "http://a/b")
    assert rows(explanation, "auth_request") == [
        "auth_request: location /ask answers /ask/x: 403 Forbidden [4]",
        "  return: answers 403 before the access phase [5]",
    ]
    explanation = explain(folder, text, "http://a/c")
    assert rows(explanation, "auth_request")[0] == (
        "auth_request: location /far passes it to http://far.example, which is not contacted [6]"
    )
    assert explanation.trip.questions == ["the answer of auth_request /far"]


def test_error_pages_and_named_locations(folder: Path) -> None:
    text = """\

    server {
        location / { deny all; error_page 403 = @open; }
        location @open { proxy_pass http://127.0.0.1:9; }
        location /t { try_files $uri @open; }
    }
    """
    explanation = explain(folder, text, "http://a/x")
    assert rows(explanation, "error_page") == ["error_page: of 403: continues at @open [3]"]
    assert rows(explanation, "location")[-2:] == ["location: @open [4]", "  by its name [4]"]
    assert explanation.verdict == ADMITTED and explanation.trip.refused is not None
    assert "admitted despite the refusal: error_page leads to an upstream\n" in as_text(explanation)
    explanation = explain(folder, text, "http://a/t")
    assert rows(explanation, "try_files") == ['try_files: leads to "@open" [5]']


def test_what_cannot_be_asked(folder: Path) -> None:
    for url in ("ftp://a/", "nope"):
        with pytest.raises(WrongWords):
            explain(folder, NAMES, url)
    with pytest.raises(WrongWords, match="no server"):
        explain(folder, "", "http://a/")
    assert answer(explain(folder, NAMES, "http://a/%zz")).startswith("400 Bad Request")


def test_path_alone_comes_to_the_host_of_the_header(folder: Path) -> None:
    explanation = explain(folder, NAMES, "/x", "Host: x.b.example")
    assert answer(explanation) == '200 OK, body "b"'
    assert answer(explain(folder, NAMES, "/x")) == '200 OK, body "c localhost"'


@pytest.mark.parametrize("protocol", ["scgi", "uwsgi", "fastcgi"])
def test_parameters_that_are_sent_to_an_application(folder: Path, protocol: str) -> None:
    text = f"""
    server {{ location / {{
        {protocol}_param A $arg_a;
        {protocol}_pass 127.0.0.1:9000;
    }} }}
    """
    explanation = explain(folder, text, "http://a/?a=bc")
    length = ["  CONTENT_LENGTH: 0"] if protocol == "scgi" else []
    assert rows(explanation, "content") == [
        "content: the request is passed to 127.0.0.1:9000 [4]",
        *length,
        "  A: bc [3]",
        "  HTTP_HOST: a",
    ]


def test_requests_over_http2(folder: Path) -> None:
    """They are written as in HTTP/1."""
    text = """
    server {
        proxy_http_version 2;
        location / { proxy_set_header A $arg_a; proxy_pass http://127.0.0.1:9; }
        location /grpc { grpc_set_header A $arg_a; grpc_pass 127.0.0.1:9; }
    }
    """
    for path, number in (("/x?a=bc", 4), ("/grpc/x?a=bc", 5)):
        explanation = explain(folder, text, f"http://a{path}")
        assert rows(explanation, "upstream") == [
            f"upstream: GET {path} HTTP/2 [{number}]",
            "  host: 127.0.0.1:9",
            f"  a: bc [{number}]",
        ]


def test_what_is_not_run_answers_501(folder: Path) -> None:
    text = """
    server {
        error_page 404 /x;
        location / {
            js_content a;
            if ($arg_a) { set $b 1; }
        }
        location /passenger { passenger_enabled on; }
        location /off { passenger_enabled off; return 204; }
    }
    """
    for url in ("http://a/", "http://a/?a=1"):
        explanation = explain(folder, text, url)
        assert rows(explanation, "content") == [
            "content: pyngx does not run js_content: 501 Not Implemented [5]"
        ]
        assert explanation.way.status == 501
    assert explain(folder, text, "http://a/passenger/x").way.status == 501
    assert explain(folder, text, "http://a/off").way.status == 204


def test_plain_http_where_tls_is_spoken(folder: Path) -> None:
    pem = Authority("a")
    (folder / "a.pem").write_text(pem.pem + pem.key_pem())
    text = """
    server { listen 443 ssl; ssl_certificate a.pem; ssl_certificate_key a.pem;
        error_page 497 https://$host$request_uri; return 200 "$https $server_addr"; }
    """
    explanation = explain(folder, text, "https://a/x")
    assert answer(explanation) == '200 OK, body "on 127.0.0.1"'
    explanation = explain(folder, text, "http://a:443/x")
    assert explanation.way.status == 302 and "  Location: https://a/x\n" in as_text(explanation)


def test_expression_of_a_server_name_that_fails(folder: Path) -> None:
    text = "server { server_name ~^(a+)+(a+)+(a+)+$; } server { server_name b; }"
    explanation = explain(folder, text, f"http://{'a' * 60}b/")
    assert explanation.way.status == 500
    assert explanation.trip.decided is not None and explanation.trip.decided.name == "request"


def test_body_that_is_too_large(folder: Path) -> None:
    text = "server { client_max_body_size 5; location / { proxy_pass http://127.0.0.1:9; } }"
    for fields, status in (
        (("Content-Length: 5",), None),
        (("Content-Length: 6",), 413),
        (("Transfer-Encoding: chunked",), None),
    ):
        assert explain(folder, text, "http://a/", *fields, method="POST").way.status == status
    asked = RequestSpec(parse_url("http://a/"), "POST", ("Transfer-Encoding: chunked",), body=6)
    found = Options(*resolve_options(str(folder), str(folder / "nginx.conf"), None))
    assert Explainer(found, NOW).explain(asked, "").way.status == 413


DECISIONS = """\

root html; auth_jwt_key_file jwks.json;
server {
    location /e401 { auth_jwt A; error_page 401 = @e401; }
    location @e401 { return 401 '{}'; }
    location /door { auth_jwt A; error_page 401 = /open; }
    location /open { proxy_pass http://127.0.0.1:9; }
    location /gone { error_page 404 = @named; }
    location @named { auth_jwt A; proxy_pass http://127.0.0.1:9; }
    location /again { deny all; error_page 403 /again/page; location /again/page { deny all; } }
    location /none { error_page 404 /404; }
    location = /404 { return 200 "nothing"; }
    location /loop { rewrite ^ /loop last; }
    location /to { return 301 /x; }
    location /dir/ { alias %s/html/; index none; }
    location /any { satisfy any; deny all; auth_jwt A; }
}
"""


@pytest.mark.parametrize(
    ("uri", "method", "decided", "line", "text"),
    [
        ("/e401", "GET", "token", 4, "refused: 401 Unauthorized"),
        (
            "/door",
            "GET",
            "token",
            6,
            "admitted despite the refusal: error_page leads to an upstream",
        ),
        ("/gone", "GET", "token", 9, "refused: 401 Unauthorized"),
        ("/again", "GET", "access", 10, "refused: 403 Forbidden"),
        ("/none", "GET", "content", 2, "admitted: no token was checked\n  404 Not Found"),
        ("/loop", "GET", "location", None, "refused: 500 Internal Server Error"),
        ("/to", "GET", "return", 14, "admitted: no token was checked\n  301 Moved Permanently"),
        ("/dir/", "GET", "location", None, "admitted: no token was checked\n  403 Forbidden"),
        ("/a", "PUT", "content", 2, "admitted: no token was checked\n  405 Not Allowed"),
        ("/any", "GET", "token", 16, "refused: 401 Unauthorized"),
    ],
)
def test_what_decided(
    folder: Path, uri: str, method: str, decided: str, line: int | None, text: str
) -> None:
    explanation = explain(folder, DECISIONS % folder, f"http://a{uri}", method=method)
    found = explanation.trip.decided
    assert found is not None
    statement = found.statement
    shown = as_text(explanation)
    assert (found.name, statement and statement.line, f"\n\n{text}\n" in shown) == (
        decided,
        line,
        True,
    ), shown


DIGEST = f"sha256:{hashlib.sha256(GOOD.encode()).hexdigest()[:8]}"
CARRIED = """
server { listen 80; server_name a; location / { proxy_pass http://127.0.0.1:9/$arg_t;
    proxy_set_header X-Copy $http_authorization; set $copy $cookie_t; proxy_cache z;
    proxy_cache_key $http_authorization; } }
proxy_cache_path c keys_zone=z:1m;
"""


@pytest.mark.parametrize("form", [as_text, as_json])
@pytest.mark.parametrize(
    "uri, field, secret",
    [
        (f"/?t={GOOD}", "A: b", GOOD),
        ("/", f"Authorization: Bearer {GOOD}", GOOD),
        ("/", f"Cookie: a=b; t={GOOD}", GOOD),
        ("/", "Authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("/", "Proxy-Authorization: Basic YTpi", "YTpi"),
    ],
)
def test_credentials_are_not_shown(
    folder: Path, form: Callable[[Explanation], str], uri: str, field: str, secret: str
) -> None:
    shown = form(explain(folder, CARRIED, f"http://a{uri}", field))
    assert secret not in shown
    assert f"sha256:{hashlib.sha256(secret.encode()).hexdigest()[:8]}" in shown


def test_an_opaque_token_is_not_shown(folder: Path) -> None:
    text = """server { location / { auth_jwt A; auth_jwt_key_file jwks.json; error_page 401 = @x; }
        location @x { proxy_pass http://127.0.0.1:9/?t=$arg_t; set $t "<$http_authorization>";
            proxy_set_header X-Token $t; } }"""
    explanation = explain(folder, text, "http://a/", token="opaque-token")
    assert "X-Token: <Bearer sha256:" in as_text(explanation)
    assert "opaque-token" not in as_text(explanation) + as_json(explanation)


TLS_AND_PLAIN = """
server { listen 18195; server_name a.example; return 200 plain; }
server { listen 18195; server_name b.example; return 200 b; }
server { listen 18196 ssl; server_name a.example; ssl_certificate c.pem; ssl_certificate_key c.key;
    return 200 tls; }
"""


@pytest.mark.parametrize("scheme, port, found", [("https", 18196, "tls"), ("http", 18195, "plain")])
def test_the_scheme_chooses_where_no_port_does(
    folder: Path, scheme: str, port: int, found: str
) -> None:
    site = Authority("a.example")
    (folder / "c.pem").write_text(site.pem)
    (folder / "c.key").write_text(site.key_pem())
    explanation = explain(folder, TLS_AND_PLAIN, f"{scheme}://a.example/")
    assert answer(explanation) == f'200 OK, body "{found}"'
    assert f"taken as on 0.0.0.0:{port}\n" in as_text(explanation)


def test_without_directives_about_tokens(folder: Path) -> None:
    text = 'server { listen 80; server_name *.example; return 200 "a\\n\\"";\n}'
    shown = as_text(explain(folder, text, "http://a.example/"))
    assert "dialect" not in shown and "token" not in shown
    assert "the wildcard name *.example" in shown  # although no other server is there
    assert '200 OK, body "a\\n\\""\n' in shown
    assert shown.endswith("\nadmitted\n")


def test_json(folder: Path) -> None:
    explanation = explain(folder, PROXY, "http://a/api/x", token=GOOD)
    outcome = json.loads(as_json(explanation))["outcome"]
    assert (outcome["verdict"], outcome["status"], outcome["otherwise"]) == ("admitted", None, None)
    assert outcome["answered_by"] == "upstream"
    assert outcome["upstream"] == {
        "to": "http://app/v1/",
        "head": explanation.trip.upstream.head.decode().replace(GOOD, DIGEST)
        if explanation.trip.upstream is not None
        else "",
        "cache": "z",
        "cache_key": "alice/api/x",
        "cache_status": "MISS",
    }
    closed = explain(folder, "server { return 444; }", "http://a/")
    assert json.loads(as_json(closed))["outcome"]["answered_by"] == "closed"


def test_command_without_a_file(folder: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """It is the one that the server would read."""
    explain(folder, "server { return 204; }", "http://a/")  # writes the file
    assert main(["-p", str(folder), "http://a/"]) == 0
    assert b"204 No Content" in capfdbinary.readouterr().out


def test_command(folder: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    explain(folder, PROXY, "http://a/")  # writes the file
    conf = ["-c", str(folder / "nginx.conf"), "-p", str(folder)]
    for words in (
        ["POST", "--body", "5", "http://a/api/x"],
        ["-X", "POST", "http://a/api/x", "-H", "Content-Length: 5"],
        ["/api/x", "-X", "POST", "--body=5", "--format", "json"],
    ):
        assert main([*conf, *words, "--token", GOOD, "--client", "10.0.0.1"]) == 0
        out = capfdbinary.readouterr().out
        assert b"POST" in out and b"Content-Length: 5" in out
    assert main([*conf, "/api/", "--token", GOOD, "--now", "+2h"]) == 0
    assert b"refused: 401" in capfdbinary.readouterr().out
    assert main([*conf, "/api/", "--now", "soon"]) == 4
    with pytest.raises(SystemExit, match="4"):
        main([*conf, "GET", "/api/", "/a"])
    assert main([*conf, "/api/", "--jwks", "none"]) == 2


def test_connection_that_is_closed(folder: Path) -> None:
    explanation = explain(folder, "server { location / { return 444; } }", "http://a/")
    assert (explanation.way.status, explanation.verdict) == (None, "refused")
    assert answer(explanation) == "the connection is closed"


@pytest.mark.parametrize("method", ["DELETE", "PUT", "MKCOL", "MOVE"])
def test_files_are_not_changed(folder: Path, method: str) -> None:
    (folder / "www").mkdir()
    (folder / "www" / "a.txt").write_text("a")
    text = f"""server {{ listen 1; root {folder}/www; dav_methods {method};
        location / {{ }} }}"""
    destination = "Destination: http://a:1/b.txt"
    explanation = explain(folder, text, "http://a:1/a.txt", destination, method=method)
    (line,) = rows(explanation, "content")
    assert line == (f"content: {method} would change {folder}/www/a.txt, which is not tried [1]")
    assert [path.name for path in (folder / "www").iterdir()] == ["a.txt"]
    assert (folder / "www" / "a.txt").read_text() == "a"
    assert '200 OK, body "a"' in as_text(explain(folder, text, "http://a:1/a.txt"))


@pytest.mark.parametrize(
    ("location", "method", "text"),
    [
        ("proxy_cache_purge $arg_p;", "GET", "GET would purge entries of a cache"),
        ("proxy_cache_purge PURGE from all;", "PURGE", "PURGE would purge entries of a cache"),
        ("proxy_cache_purge PURGE from 10.9.9.9;", "PURGE", "PURGE may not purge entries"),
        ("proxy_cache_purge one $uri;", "GET", "GET would purge entries of a cache"),
    ],
)
def test_nothing_is_purged(folder: Path, location: str, method: str, text: str) -> None:
    passes = "" if "one $uri" in location else "proxy_cache one; proxy_pass http://127.0.0.1:1;"
    conf = f"""proxy_cache_path {folder}/cache keys_zone=one:1m;
        server {{ listen 1; location / {{ {location} {passes} }} }}"""
    (line,) = rows(explain(folder, conf, "http://a:1/a?p=1", method=method), "content")
    assert text in line and line.endswith("[2]")


def test_values_of_zones_are_not_known(folder: Path) -> None:
    text = """keyval_zone zone=k:1m state=k.json; keyval $arg_k $v zone=k;
        server { listen 1;
            location / { return 200 "<$v>"; }
            location /set { set $v new; return 200 "<$v>"; }
        }"""
    explanation = explain(folder, text, "http://a:1/?k=1")
    assert '200 OK, body "<>"' in as_text(explanation)
    assert any("keyval" in remark for remark in explanation.remarks)
    assert '200 OK, body "<new>"' in as_text(explain(folder, text, "http://a:1/set?k=1"))
    assert not (folder / "k.json").exists()


def test_echo_is_named(folder: Path) -> None:
    explanation = explain(
        folder, "server { listen 1; echo_status 201; location / { echo a; } }", "http://a:1/"
    )
    assert rows(explanation, "content") == [
        "content: the request is answered by echo a: 201 Created [1]"
    ]
