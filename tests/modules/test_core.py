"""Servers, locations and what the core module does with them."""

from __future__ import annotations

import errno
import socket

import pytest

from ..nginx import Nginx
from ..wire import DEADLINE

SOL_MPTCP, MPTCP_INFO = 284, 1  # as <linux/mptcp.h> has them


def test_location_selection(nginx: Nginx) -> None:
    nginx("""
        location = /               { return 200 exact-root; }
        location = /exact          { return 200 exact; }
        location /                 { return 200 root; }
        location /a                { return 200 a; }
        location /a/b/             { return 200 a/b/; }
        location ^~ /images/       { return 200 images; }
        location ~ \\.(gif|jpg)$   { return 200 regex; }
        location ~* \\.PNG$        { return 200 regex-i; }
        location ~ ^/order/first   { return 200 first; }
        location ~ ^/order/        { return 200 second; }
        location /order/first/long { return 200 never; }
        location ^~ /long          { return 200 long; }
        location /longer           { return 200 longer; }
        location "/quoted name"    { return 200 quoted; }
        """)
    for path, told in [
        ("/", "exact-root"),
        ("/exact", "exact"),
        ("/exact/", "root"),
        ("/exactly", "root"),
        ("/b", "root"),
        ("/a", "a"),
        ("/ab", "a"),
        ("/a/b", "a"),
        ("/a/b/c", "a/b/"),
        ("/A", "root"),
        ("/images/x.gif", "images"),
        ("/a/x.gif", "regex"),
        ("/x.GIF", "root"),
        ("/x.png", "regex-i"),
        ("/x.PnG", "regex-i"),
        ("/order/first/long", "first"),
        ("/order/other", "second"),
        ("/long.gif", "long"),
        ("/longer.gif", "regex"),
        ("/longer", "longer"),
        ("/quoted%20name", "quoted"),
        ("/exact?x=/a", "exact"),
    ]:
        nginx.exchange(f"> GET {path}\n< 200\n<\n< {told}")


@pytest.mark.parametrize("words", ["~", "~*", '~ ""', '~* ""', "^~", '^~ ""', '""'])
def test_location_without_a_uri(nginx: Nginx, words: str) -> None:
    """The empty text is the beginning of every URI, and every URI matches it."""
    nginx(f"location {words} {{ return 200 all; }}")
    assert nginx.request("GET /a").text == nginx.request("GET /").text == "all"


@pytest.mark.parametrize("first", ["/ { return 200 prefix; } location ~", "= { } location ^~"])
def test_order_of_locations_without_a_uri(nginx: Nginx, first: str) -> None:
    nginx(f"location {first} {{ return 200 first; }} location ~ a {{ }}")
    assert nginx.request("GET /a").text == "first"


@pytest.mark.parametrize("address", ["127.0.0.1:80/x", "8080/", "localhost?x", "[::1]:80/", "[/"])
def test_listen_takes_no_path(nginx: Nginx, address: str) -> None:
    message = f'invalid host in "{address}" of the "listen" directive'
    nginx.rejects(http=f"server {{ listen {address}; }}", message=message)
    nginx.rejects(main=f"stream {{ server {{ listen {address}; return x; }} }}", message=message)


def test_no_location(nginx: Nginx) -> None:
    nginx("location /a { return 200; }")
    nginx.exchange("> GET /b\n< 404")


def test_nested_locations(nginx: Nginx) -> None:
    nginx("""
        location /outer {
            location = /outer/exact { return 200 exact; }
            location /outer/in {
                location ~ \\.deep$ { return 200 deep; }
                return 200 in;
            }
            location ~ \\.txt$ { return 200 txt; }
            return 200 outer;
        }
        location ^~ /no-regex {
            location ~ \\.txt$ { return 200 own-regex; }
            return 200 no-regex;
        }
        location ~ ^/regex/ {
            location ~ b$ { return 200 regex-b; }
            return 200 regex;
        }
        location ~ \\.(txt|deep)$ { return 200 server-regex; }
        """)
    for path, told in [
        ("/outer", "outer"),
        ("/outer/exact", "exact"),
        ("/outer/in", "in"),
        ("/outer/in.deep", "deep"),
        ("/outer/in.txt", "txt"),
        ("/outer/x.txt", "txt"),
        ("/outer/x.deep", "server-regex"),
        ("/no-regex/x.txt", "own-regex"),
        ("/no-regex/x.deep", "no-regex"),
        ("/regex/a", "regex"),
        ("/regex/b", "regex-b"),
        ("/x.txt", "server-regex"),
    ]:
        nginx.exchange(f"> GET {path}\n< 200\n<\n< {told}")


def test_auto_redirect(nginx: Nginx) -> None:
    """A proxied prefix with a slash at its end redirects the request without it."""
    nginx(
        """
        location /app/ { proxy_pass http://127.0.0.1:%%PORT_b%%; }
        location /both/ { proxy_pass http://127.0.0.1:%%PORT_b%%; }
        location = /both { return 200 exact; }
        location /static/ { return 200 static; }
        location /twice/ { add_header X-Here no always; proxy_pass http://127.0.0.1:%%PORT_b%%; }
        location = /twice/ { add_header X-Here exact always; return 200 exact; }
        """,
        servers=["listen 127.0.0.1:%%PORT_b%%; return 200 $request_uri;"],
    )
    nginx.exchange("""
        > GET /twice
        < 301
        < Location: http://localhost:%%PORT%%/twice/
        < X-Here: exact
        """)
    nginx.exchange("""
        > GET /app?a=b
        < 301
        < Location: http://localhost:%%PORT%%/app/?a=b

        > POST /app
        < 301

        > GET /app/
        < 200
        <
        < /app/

        > GET /both
        < 200
        <
        < exact

        > GET /static
        < 404
        """)


@pytest.fixture(scope="module")
def names(module_nginx: Nginx) -> Nginx:
    """Many servers on one port."""
    servers = [
        "listen 127.0.0.1:%%PORT_v%%; server_name first.example; return 200 first;",
        "listen 127.0.0.1:%%PORT_v%% default_server; server_name _; return 200 default;",
        "listen 127.0.0.1:%%PORT_v%%; server_name exact.example other.example; return 200 exact;",
        "listen 127.0.0.1:%%PORT_v%%; server_name *.wild.example; return 200 leading;",
        "listen 127.0.0.1:%%PORT_v%%; server_name *.deep.wild.example; return 200 longer;",
        "listen 127.0.0.1:%%PORT_v%%; server_name .dot.example; return 200 dot;",
        "listen 127.0.0.1:%%PORT_v%%; server_name www.tail.*; return 200 trailing;",
        "listen 127.0.0.1:%%PORT_v%%; server_name www.tail.long.*; return 200 trailing-long;",
        r"listen 127.0.0.1:%%PORT_v%%; server_name ~^(?<sub>\w+)\.re\.example$; return 200 re:$sub;",  # noqa: E501
        r"listen 127.0.0.1:%%PORT_v%%; server_name ~^a\.re; return 200 second-regex;",
        "listen 127.0.0.1:%%PORT_v%%; server_name both.wild.example; return 200 both-exact;",
        r"listen 127.0.0.1:%%PORT_v%%; server_name ~\.wild\.example$; return 200 never;",
        'listen 127.0.0.1:%%PORT_v%%; server_name "" nameless; return 200 "empty:$server_name";',
        "listen 127.0.0.1:%%PORT_v%%; server_name UPPER.Example; return 200 upper;",
        "listen 127.0.0.1:%%PORT_w%%; server_name one; return 200 one;",
        "listen 127.0.0.1:%%PORT_w%%; server_name two; return 200 two;",
        "listen 127.0.0.1:%%PORT_h%%; server_name $hostname; return 200 host;",
    ]
    module_nginx("return 200;", servers=servers)
    return module_nginx


@pytest.mark.parametrize(
    "host, told",
    [
        ("first.example", "first"),
        ("FIRST.example", "first"),
        ("first.example.", "first"),
        ("first.example:81", "first"),
        ("exact.example", "exact"),
        ("other.example", "exact"),
        ("a.wild.example", "leading"),
        ("a.b.wild.example", "leading"),
        ("wild.example", "default"),
        ("a.deep.wild.example", "longer"),
        ("dot.example", "dot"),
        ("a.dot.example", "dot"),
        ("adot.example", "default"),
        ("www.tail.org", "trailing"),
        ("www.tail.co.uk", "trailing"),
        ("www.tail.long.org", "trailing-long"),
        ("www.tail", "default"),
        ("abc.re.example", "re:abc"),
        ("ABC.re.example", "re:abc"),
        ("a.re", "second-regex"),
        ("both.wild.example", "both-exact"),
        ("upper.example", "upper"),
        ("nobody", "default"),
        ("127.0.0.1", "default"),
        ("[::1]:80", "default"),
    ],
)
def test_server_name(names: Nginx, host: str, told: str) -> None:
    names.exchange(f"> GET /\n> Host: {host}\n< 200\n<\n< {told}", "v")


def test_server_without_host(names: Nginx) -> None:
    names.exchange("> GET / HTTP/1.0\n< 200\n<\n< empty:", "v")


def test_first_server_is_default(names: Nginx) -> None:
    names.exchange("> GET /\n> Host: nobody\n< 200\n<\n< one", "w")
    names.exchange("> GET /\n> Host: two\n< 200\n<\n< two", "w")


def test_absolute_uri_names_the_server(names: Nginx) -> None:
    """The host in the request line wins over the Host field."""
    names.exchange("> GET http://exact.example/x\n> Host: first.example\n< 200\n<\n< exact", "v")


def test_error_page(nginx: Nginx) -> None:
    nginx(
        """
        error_page 404 /page404;
        error_page 500 502 503 504 /page50x;
        error_page 403 =200 /changed;
        error_page 401 = /answer;
        error_page 402 http://example.org/pay;
        error_page 405 =301 http://example.org/gone;
        error_page 410 @named;
        error_page 406 =200 @named;
        error_page 411 /variable$uri;
        error_page 412 /nowhere;
        error_page 413 /args?code=413;
        location = /page404 { return 200 "not found: $uri $request_uri $status"; }
        location = /page50x { internal; return 200 "broken"; }
        location = /changed { return 200 changed; }
        location = /answer  { return 202 answer; }
        location @named     { return 200 "named $uri"; }
        location /variable  { return 200 "$uri"; }
        location /args      { return 200 "$uri $args"; }
        location /400 { return 400; }
        location /401 { return 401; }
        location /402 { return 402; }
        location /403 { return 403; }
        location /405 { return 405; }
        location /406 { return 406; }
        location /410 { return 410; }
        location /411 { return 411; }
        location /412 { return 412; }
        location /413 { return 413; }
        location /503 { return 503; }
        location /text { return 404 "own text"; }
        location /own {
            error_page 503 /page404;
            location /own/404 { return 404; }
            location /own/503 { return 503; }
        }
        """
    )
    nginx.exchange("""
        > GET /missing?a=b
        < 404 Not Found
        <
        < not found: /page404 /missing?a=b 404

        > HEAD /missing
        < 404
        <

        > POST /missing
        < 404
        <~ not found

        > GET /503
        < 503
        <
        < broken

        > GET /page50x
        < 404

        > GET /403
        < 200
        <
        < changed

        > GET /401
        < 202
        <
        < answer

        > GET /402
        < 302 Moved Temporarily
        < Location: http://example.org/pay

        > GET /405
        < 301 Moved Permanently
        < Location: http://example.org/gone

        > GET /410
        < 410 Gone
        <
        < named /410

        > GET /406
        < 200
        <
        < named /406

        > GET /411
        < 411
        <
        < /variable/411

        > GET /412
        < 404 Not Found
        <~ <h1>404 Not Found</h1>

        > GET /413
        < 413
        <
        < /args code=413

        > GET /400
        < 400
        <~ <h1>400 Bad Request</h1>

        > GET /text
        < 404
        <
        < own text

        > GET /own/503
        < 503
        <~ not found

        > GET /own/404
        < 404
        <~ <h1>404 Not Found</h1>
        """)


def test_named_error_page_after_a_rewrite(nginx: Nginx) -> None:
    """The new URI does not lead away from the named location."""
    nginx("""
        error_page 403 =200 @denied;
        location / { return 200 open; }
        location @denied { return 200 "denied $uri $args"; }
        rewrite ^/a /b?c=d;
        if ($uri = /b) { return 403; }
        """)
    nginx.exchange("""
        > GET /a
        < 200
        <
        < denied /b c=d

        > GET /other
        < 200
        <
        < open
        """)


def test_recursive_error_pages(nginx: Nginx) -> None:
    nginx("""
        location /once {
            error_page 403 /second;
            return 403;
        }
        location /twice {
            recursive_error_pages on;
            error_page 403 /second;
            return 403;
        }
        location /second {
            recursive_error_pages on;
            error_page 404 /third;
            return 404;
        }
        location /plain {
            error_page 403 /plain2;
            return 403;
        }
        location /plain2 {
            error_page 404 /third;
            return 404;
        }
        location /third { return 200 third; }
        location /loop {
            recursive_error_pages on;
            error_page 404 /loop;
            return 404;
        }
        """)
    nginx.exchange("""
        > GET /plain
        < 404
        <~ <h1>404 Not Found</h1>

        > GET /twice
        < 404
        <
        < third

        > GET /once
        < 404
        <~ <h1>404 Not Found</h1>

        > GET /loop
        < 500
        <~ <h1>500 Internal Server Error</h1>
        """)


def test_error_pages_built_in(nginx: Nginx) -> None:
    titles = {
        400: "400 Bad Request",
        401: "401 Authorization Required",
        402: "402 Payment Required",
        403: "403 Forbidden",
        404: "404 Not Found",
        405: "405 Not Allowed",
        406: "406 Not Acceptable",
        409: "409 Conflict",
        410: "410 Gone",
        411: "411 Length Required",
        412: "412 Precondition Failed",
        413: "413 Request Entity Too Large",
        414: "414 Request-URI Too Large",
        415: "415 Unsupported Media Type",
        416: "416 Requested Range Not Satisfiable",
        421: "421 Misdirected Request",
        429: "429 Too Many Requests",
        500: "500 Internal Server Error",
        501: "501 Not Implemented",
        502: "502 Bad Gateway",
        503: "503 Service Temporarily Unavailable",
        504: "504 Gateway Time-out",
        505: "505 HTTP Version Not Supported",
        507: "507 Insufficient Storage",
    }
    nginx(
        "server_tokens off;"
        + "".join(f"location /{code} {{ return {code}; }}\n" for code in titles)
    )
    for code, title in titles.items():
        answer = nginx.request(f"GET /{code}")
        assert (answer.status, answer.get("Content-Type")) == (code, "text/html")
        assert answer.text == (
            f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n"
            f"<center><h1>{title}</h1></center>\r\n<hr><center>nginx</center>\r\n"
            "</body>\r\n</html>\r\n"
        )


@pytest.mark.parametrize("code", [408, 444])
def test_closed_without_an_answer(nginx: Nginx, code: int) -> None:
    nginx(f"return {code};")
    nginx.exchange("> GET /\n< closed")


def test_error_pages_are_padded_for_msie(nginx: Nginx) -> None:
    nginx("""
        server_tokens off;
        location /off { msie_padding off; return 404; }
        location / { return 404; }
        """)
    agent = "User-Agent: Mozilla/4.0 (compatible; MSIE 6.0)"
    assert "<!-- a padding to disable MSIE" in nginx.request("GET /", agent).text
    assert "padding" not in nginx.request("GET /off", agent).text
    assert "padding" not in nginx.request("GET /").text


def test_server_tokens(nginx: Nginx) -> None:
    nginx("""
        location /on  { return 404; }
        location /off { server_tokens off; return 404; }
        """)
    nginx.exchange("""
        > GET /on
        < 404
        < Server ~ nginx/\\d+\\.\\d+\\.\\d+
        <~ <hr><center>nginx/\\d+\\.\\d+\\.\\d+</center>

        > GET /off
        < 404
        < Server: nginx
        <~ <hr><center>nginx</center>
        """)


def test_try_files(nginx: Nginx) -> None:
    nginx(
        """
        location /plain   { try_files $uri $uri/ /fallback; }
        location /code    { try_files $uri =403; }
        location /named   { try_files $uri @named; }
        location /args    { try_files $uri /fallback?a=$uri&$args; }
        location /noargs  { try_files $uri /fallback; }
        location /absolute { try_files /plain/file =404; }
        location /201     { try_files /nothing =201; }
        location /204     { try_files /nothing =204; }
        location /alias/  { alias %%DIR%%/html/plain/; try_files $uri =404; }
        location /proxied { try_files $uri @proxy; }
        location @proxy   { proxy_pass http://127.0.0.1:%%PORT_b%%; }
        location @named   { return 200 "named $uri"; }
        location /fallback { return 200 "fallback $uri $args"; }
        """,
        files={
            "html/plain/file": "file",
            "html/plain/dir/index.html": "index",
            "html/code/x": "x",
            "html/proxied/here": "here",
        },
        servers=["listen 127.0.0.1:%%PORT_b%%; return 200 upstream:$request_uri;"],
    )
    nginx.exchange("""
        > GET /plain/file
        < 200
        <
        < file

        > GET /plain/dir
        < 301

        > GET /plain/dir/
        < 200
        <
        < index

        > GET /plain/nothing?a=b
        < 200
        <
        < fallback /fallback

        > GET /code/x
        < 200

        > GET /code/y
        < 403

        > GET /named/y
        < 200
        <
        < named /named/y

        > GET /args/y?c=d
        < 200
        <
        < fallback /fallback a=/args/y&c=d

        > GET /noargs/y?c=d
        < 200
        <
        < fallback /fallback

        > GET /absolute
        < 200
        <
        < file

        > GET /201
        < 201
        < Content-Length: 0

        > GET /204
        < 204

        > GET /alias/file
        < 200
        <
        < file

        > GET /alias/nothing
        < 404

        > GET /proxied/here
        < 200
        <
        < here

        > GET /proxied/gone?x=y
        < 200
        <
        < upstream:/proxied/gone?x=y
        """)


def test_root_and_alias(nginx: Nginx) -> None:
    nginx(
        """
        root %%DIR%%/one;
        location /sub     { }
        location /two/    { root %%DIR%%; }
        location /alias/  { alias %%DIR%%/two/; }
        location /a       { alias %%DIR%%/two; }
        location = /exact { alias %%DIR%%/two/f; }
        location ~ ^/re/(.*)$ { alias %%DIR%%/two/$1; }
        location /rel/    { alias two/; }
        location /var/    { root %%DIR%%/$arg_r; }
        location /slash/  { root %%DIR%%/one/; }
        """,
        files={
            "one/f": "one/f",
            "one/sub/f": "one/sub/f",
            "one/slash/f": "one/slash/f",
            "two/f": "two/f",
            "two/var/f": "two/var/f",
        },
    )
    for path, told in [
        ("/f", "one/f"),
        ("/sub/f", "one/sub/f"),
        ("/two/f", "two/f"),
        ("/alias/f", "two/f"),
        ("/a/f", "two/f"),
        ("/exact", "two/f"),
        ("/re/f", "two/f"),
        ("/rel/f", "two/f"),
        ("/var/f?r=two", "two/var/f"),
        ("/slash/f", "one/slash/f"),
    ]:
        nginx.exchange(f"> GET {path}\n< 200\n<\n< {told}")
    nginx.exchange("> GET /var/f?r=none\n< 404\n\n> GET /alias/g\n< 404")


@pytest.mark.parametrize(
    "inside",
    [
        "",
        "try_files $uri =404;",
        "index f;",
        "autoindex on;",
        "if (-f $request_filename) { return 200 file; }",
    ],
)
def test_alias_of_a_rewritten_uri(nginx: Nginx, inside: str) -> None:
    """An alias replaces the location's prefix, which the new URI may not have."""
    nginx(
        f"""
        location /alias/ {{
            alias %%DIR%%/two/;
            location /alias/nested/ {{ rewrite ^ /f break; {inside} }}
            location /alias/nested/kept {{ rewrite ^ /alias/f last; }}
            rewrite ^/alias/d$ / break;
            rewrite ^ /f break;
            {inside}
        }}
        """,
        files={"two/f": "f"},
    )
    nginx.trouble_is_expected = True
    for uri in ("/alias/d", "/alias/f", "/alias/nested/f", "/alias/nested/kept"):
        nginx.exchange(f"> GET {uri}\n< 500")
    assert (
        '"alias" cannot be used in location "/alias/" where URI was rewritten' in nginx.error_log()
    )


def test_satisfy(nginx: Nginx) -> None:
    nginx(
        """
        location /all/allow  { allow all; auth_basic closed; auth_basic_user_file users; }
        location /all/deny   { deny all; auth_basic closed; auth_basic_user_file users; }
        location /any/allow  { satisfy any; allow all; auth_basic closed;
                               auth_basic_user_file users; }
        location /any/deny   { satisfy any; deny all; auth_basic closed;
                               auth_basic_user_file users; }
        location /any/none   { satisfy any; }
        location /any/single { satisfy any; deny all; }
        """,
        files={
            "users": "joe:{PLAIN}secret\n",
            **{f"html/{name}": "in" for name in ("all/allow", "all/deny")},
            **{f"html/any/{name}": "in" for name in ("allow", "deny", "none", "single")},
        },
    )
    nginx.exchange("""
        > GET /all/allow
        < 401
        < WWW-Authenticate: Basic realm="closed"

        > GET /all/allow
        > Authorization: Basic am9lOnNlY3JldA==
        < 200

        > GET /all/deny
        > Authorization: Basic am9lOnNlY3JldA==
        < 403

        > GET /all/deny
        < 403

        > GET /any/allow
        < 200
        < !WWW-Authenticate

        > GET /any/deny
        < 401
        < WWW-Authenticate: Basic realm="closed"

        > GET /any/deny
        > Authorization: Basic am9lOnNlY3JldA==
        < 200

        > GET /any/none
        < 200

        > GET /any/single
        < 403
        """)


def test_limit_except(nginx: Nginx) -> None:
    nginx(
        """
        location /get { limit_except GET { deny all; } proxy_pass http://127.0.0.1:%%PORT_b%%; }
        location /post { limit_except POST PUT { deny all; }
                         proxy_pass http://127.0.0.1:%%PORT_b%%; }
        location /auth { limit_except GET { auth_basic x; auth_basic_user_file users; }
                         proxy_pass http://127.0.0.1:%%PORT_b%%; }
        """,
        servers=["listen 127.0.0.1:%%PORT_b%%; return 200 $request_method;"],
        files={"users": "joe:{PLAIN}secret\n"},
    )
    nginx.exchange("""
        > GET /get
        < 200
        <
        < GET

        > HEAD /get
        < 200

        > POST /get
        < 403

        > OPTIONS /get
        < 403

        > POST /post
        < 200

        > PUT /post
        < 200

        > GET /post
        < 403

        > HEAD /post
        < 403

        > GET /auth
        < 200

        > DELETE /auth
        < 401

        > DELETE /auth
        > Authorization: Basic am9lOnNlY3JldA==
        < 200
        <
        < DELETE
        """)


def test_internal(nginx: Nginx) -> None:
    nginx("""
        location /internal { internal; return 200 internal; }
        location /try { try_files /nothing /internal; }
        location /rewrite { rewrite ^ /internal last; }
        location /page { error_page 404 =200 /internal; return 404; }
        """)
    nginx.exchange("""
        > GET /internal
        < 404

        > GET /try
        < 200
        <
        < internal

        > GET /rewrite
        < 200

        > GET /page
        < 200
        """)


def test_internal_redirect_limit(nginx: Nginx) -> None:
    nginx("location / { try_files /nothing /again; }")
    nginx.exchange("> GET /x\n< 500")
    nginx.wait_for_log(
        r'rewrite or internal redirection cycle while internally redirecting to "/ag'
    )


def test_client_max_body_size(nginx: Nginx) -> None:
    nginx(
        """
        client_max_body_size 4;
        location / { proxy_pass http://127.0.0.1:%%PORT_b%%; }
        location /off { client_max_body_size 0; proxy_pass http://127.0.0.1:%%PORT_b%%; }
        location /k { client_max_body_size 1k; proxy_pass http://127.0.0.1:%%PORT_b%%; }
        location /return { return 200; }
        """,
        servers=["listen 127.0.0.1:%%PORT_b%%; return 200 $content_length;"],
    )
    nginx.exchange("""
        > POST /
        >
        > 1234
        < 200
        <
        < 4

        > POST /
        >
        > 12345
        < 413 Request Entity Too Large
        < Connection: close
        <~ <h1>413 Request Entity Too Large</h1>

        > POST /
        > Transfer-Encoding: chunked
        >
        > 123
        > 456
        < 413

        > POST /
        > Transfer-Encoding: chunked
        >
        > 123
        < 200

        > POST /off
        >
        > 123456789
        < 200

        > POST /k
        >
        > 123456789
        < 200

        > POST /return
        >
        > 12345
        < 413
        """)
    nginx.wait_for_log(
        r"\[error\].*client intended to send too large body: 5 bytes, client: 127\.0\.0\.1, "
        r'server: , request: "POST / HTTP/1\.1", host: "localhost"'
    )
    nginx.wait_for_log(r"client intended to send too large chunked body: \d+\+\d+ bytes")


def test_types(nginx: Nginx) -> None:
    nginx(
        """
        location /default { }
        location /none { types { } default_type ""; }
        location /own { types { a/b x y; text/upper UP; } default_type d/e; }
        location /charset { types { text/html html; } default_type "text/plain; charset=utf-8"; }
        location /variable { default_type $arg_t; return 200 x; }
        """,
        files={
            "html/default/a.html": "",
            "html/default/a.HTM": "",
            "html/default/a.gif": "",
            "html/default/a.jpg": "",
            "html/default/a": "",
            "html/default/.html": "",
            "html/default/a.b.html": "",
            "html/default/a.unknown": "",
            "html/none/a.html": "",
            "html/own/a.x": "",
            "html/own/a.y": "",
            "html/own/a.up": "",
            "html/own/a.html": "",
            "html/charset/a": "",
        },
    )
    for path, kind in [
        ("/default/a.html", "text/html"),
        ("/default/a.HTM", "text/plain"),
        ("/default/a.gif", "image/gif"),
        ("/default/a.jpg", "image/jpeg"),
        ("/default/a", "text/plain"),
        ("/default/.html", "text/plain"),
        ("/default/a.b.html", "text/html"),
        ("/default/a.unknown", "text/plain"),
        ("/own/a.x", "a/b"),
        ("/own/a.y", "a/b"),
        ("/own/a.up", "text/upper"),
        ("/own/a.html", "d/e"),
        ("/charset/a", "text/plain; charset=utf-8"),
    ]:
        nginx.exchange(f"> GET {path}\n< 200\n< Content-Type: {kind}")
    assert not nginx.request("GET /none/a.html").get("Content-Type")


def test_locations_inside_an_internal_one_are_internal(nginx: Nginx) -> None:
    nginx(
        """
        location /private/ {
            internal;
            location ~ \\.txt$ { expires 1h; }
            location /private/deep/ { location /private/deep/er/ { expires 1h; } }
            location ^~ /private/no-regex/ { return 200 no-regex; }
            location = /private/exact { return 200 exact; }
            location /private/passed { proxy_pass http://127.0.0.1:%%PORT_none%%; }
        }
        location /open/ { rewrite ^/open(.*) /private$1 last; }
        """,
        files={"html/private/a.txt": "text", "html/private/deep/er/b": "deeper"},
    )
    for uri in ("a.txt", "deep/er/b", "no-regex/x", "exact", "passed", "deep/"):
        assert nginx.request(f"GET /private/{uri}").status == 404
    assert nginx.request("GET /open/a.txt").text == "text"
    assert nginx.request("GET /open/deep/er/b").text == "deeper"
    assert nginx.request("GET /open/exact").text == "exact"


def test_a_wildcard_takes_an_empty_label(nginx: Nginx) -> None:
    nginx(
        "return 200 default;",
        servers=["listen 127.0.0.1:%%PORT%%; server_name *.c.d; return 200 wildcard;"],
    )
    got = nginx.raw(b"GET / HTTP/1.1\r\nHost: .c.d\r\nConnection: close\r\n\r\n")
    assert got.endswith(b"wildcard")


@pytest.mark.parametrize("name", ["named", "~^name"])
def test_what_is_read_before_host_is_read_as_by_the_default_server(nginx: Nginx, name: str) -> None:
    """The URI, and the lines before Host; what stands behind it the named server reads."""
    nginx(
        "return 200 default;",
        servers=[
            f"""
            listen 127.0.0.1:%%PORT%%; server_name {name};
            merge_slashes off; underscores_in_headers on; large_client_header_buffers 4 1k;
            return 200 "$uri [$http_a_b][$http_c_d]";
            """
        ],
    )
    head = b"GET /s//x%b HTTP/1.1\r\nA_b: 1\r\nHost: named\r\nC_d: 2\r\nConnection: close\r\n\r\n"
    assert nginx.raw(head % b"").endswith(b"/s/x [][2]")
    assert nginx.raw(head % (b"y" * 2000)).endswith(b"y [][2]")
    # The request line of a request to a proxy names the server before any line is read.
    head = b"GET http://named:80/s//x HTTP/1.1\r\nA_b: 1\r\nHost: other\r\nC_d: 2\r\n"
    assert nginx.raw(head + b"Connection: close\r\n\r\n").endswith(b"/s/x [1][2]")


@pytest.mark.parametrize("name", ["a.example", "*.example", r"~^(?<host_part>\w)\."])
def test_a_refused_request_belongs_to_the_server_that_it_named(nginx: Nginx, name: str) -> None:
    nginx(
        "return 200 default;",
        servers=[
            f"""
            listen 127.0.0.1:%%PORT%%; server_name {name};
            error_page 405 501 =200 @refused;
            location @refused {{ return 200 "$server_name refused $status"; }}
            """
        ],
    )
    for line in (b"TRACE / HTTP/1.1", b"GET / HTTP/1.1\r\nTransfer-Encoding: x"):
        got = nginx.raw(line + b"\r\nHost: a.example\r\nConnection: close\r\n\r\n")
        assert b" refused 200" in got


def test_a_wrong_body_is_found_by_the_page_of_another_error(nginx: Nginx) -> None:
    """A file that is sent instead of it wants the body out of the way; a built-in page does not,
    but closes the connection."""
    nginx(
        """
        location /page/ { error_page 404 /page.html; }
        location /named/ { error_page 404 = @named; }
        location @named { return 200 named; }
        location = /page.html { error_page 400 =200 @never; }
        location @never { return 200 never; }
        location /built-in/ { }
        location /caught/ { error_page 400 =200 @caught; }
        location @caught { return 200 caught; }
        """,
        files={"html/page.html": "page", "html/caught/x": "x"},
    )
    request = b"GET %b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nwrong\r\n"
    for path, status, end in (
        (b"/page/x", b"400 Bad Request", b"</html>\r\n"),
        (b"/named/x", b"400 Bad Request", b"</html>\r\n"),
        (b"/built-in/x", b"404 Not Found", b"</html>\r\n"),
        (b"/caught/x", b"200 OK", b"caught"),
    ):
        got = nginx.raw(request % path)
        assert got.startswith(b"HTTP/1.1 " + status), path
        assert got.count(b"HTTP/1.1") == 1 and b"Connection: close" in got
        assert got.endswith(end)


def test_msie_refresh(nginx: Nginx) -> None:
    nginx("""
        msie_refresh on;
        location / { return 301 "/a b#c"; }
        location /page { error_page 404 http://example.org/x; }
        location /other { return 307 /x; }
        location /off { msie_refresh off; return 301 /x; }
        """)
    msie = "> User-Agent: Mozilla/4.0 (compatible; MSIE 8.0)"
    head, tail = '<html><head><meta http-equiv="Refresh" content="0; URL=', '"></head><body></body>'
    for uri, target in (("/", "/a%20b#c"), ("/page", "http://example.org/x")):
        answer = nginx.request(f"GET {uri}", msie.removeprefix("> "))
        assert answer.status == 200 and answer.text == f"{head}{target}{tail}</html>\r\n"
        assert answer.get("Location") is None
    nginx.exchange(f"""
        > GET /off
        {msie}
        < 301

        > GET /other
        {msie}
        < 307

        > GET /
        < 301
        """)


def test_modules_look_at_the_first_of_repeated_lines(nginx: Nginx) -> None:
    """Variables have all of them."""
    nginx(
        """
        location /referer {
            valid_referers *.good.example;
            if ($invalid_referer) { return 403 $http_referer; }
            return 200 $http_referer;
        }
        location /browser {
            modern_browser gecko 5; modern_browser_value modern;
            return 200 "[$modern_browser]";
        }
        location /gzip {
            gzip on; gzip_min_length 1; gzip_types text/plain; gzip_disable "old";
            alias html/a.txt;
        }
        """,
        files={"html/a.txt": "text " * 20},
    )
    nginx.exchange("""
        > GET /referer
        > Referer: http://www.good.example/
        > Referer: http://bad.example/
        < 200
        <
        < http://www.good.example/, http://bad.example/

        > GET /referer
        > Referer: http://bad.example/
        > Referer: http://www.good.example/
        < 403

        > GET /browser
        > User-Agent: Mozilla/5.0 (X11; rv:9) Gecko/20100101 Firefox/9
        > User-Agent: curl
        < 200
        <
        < [modern]

        > GET /browser
        > User-Agent: curl
        > User-Agent: Mozilla/5.0 (X11; rv:9) Gecko/20100101 Firefox/9
        < 200
        <
        < []

        > GET /gzip
        > Accept-Encoding: identity
        > Accept-Encoding: gzip
        < 200
        < !Content-Encoding

        > GET /gzip
        > Accept-Encoding: gzip
        > Accept-Encoding: gzip;q=0
        > User-Agent: new
        > User-Agent: old
        < 200
        < Content-Encoding: gzip
        """)


@pytest.mark.parametrize("option", ["multipath", ""])
def test_multipath(nginx: Nginx, option: str) -> None:
    """A client that asks for MPTCP gets it where the server has it, and TCP where not."""
    try:
        client = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_MPTCP)
    except OSError as error:
        pytest.skip(f"no MPTCP: {error}")
    with client:
        nginx(
            "location / { return 200 ok; }",
            servers=[f"listen 127.0.0.1:%%PORT_m%% {option}; return 200 $remote_addr;"],
        )
        client.settimeout(DEADLINE)
        client.connect(("127.0.0.1", nginx.port("m")))
        assert _has_paths(client) is bool(option)
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        came = b""
        while data := client.recv(65536):
            came += data
        assert came.endswith(b"127.0.0.1")


def _has_paths(client: socket.socket) -> bool:
    """Whether the connection has not fallen back to TCP."""
    try:
        client.getsockopt(SOL_MPTCP, MPTCP_INFO, 4)
    except OSError as error:
        assert error.errno == errno.EOPNOTSUPP
        return False
    return True
