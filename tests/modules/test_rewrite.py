"""return, rewrite, break, if, set and their kin."""

from __future__ import annotations

import pytest

from ..nginx import Nginx


def test_return(nginx: Nginx) -> None:
    nginx(
        """
        location /text     { return 200 hello; }
        location /empty    { return 200 ""; }
        location /no-text  { return 200; }
        location /variable { return 200 "$uri?$args"; }
        location /created  { return 201 made; }
        location /204      { return 204 "not sent"; }
        location /404      { return 404; }
        location /404-text { return 404 "not here"; }
        location /500-text { return 500 "broken"; }
        location /odd      { return 599 odd; }
        location /299      { return 299; }
        location /444      { return 444; }
        location /typed    { default_type application/json; return 200 []; }
        location /untyped  { default_type ""; return 200 x; }
        """,
        http="default_type text/plain;",
    )
    nginx.exchange("""
        > GET /text
        < HTTP/1.1 200 OK
        < Server ~ .+
        < Date ~ [A-Z][a-z]{2}, \\d\\d [A-Z][a-z]{2} \\d{4} \\d\\d:\\d\\d:\\d\\d GMT
        < Content-Type: text/plain
        < Content-Length: 5
        < Connection: close
        < !Last-Modified
        < !ETag
        < !Accept-Ranges
        <
        < hello

        > HEAD /text
        < 200
        < Content-Length: 5
        <

        > POST /text
        < 200
        <
        < hello

        > GET /empty
        < 200
        < Content-Length: 0
        < Content-Type: text/plain
        <

        > GET /no-text
        < 200
        < Content-Length: 0
        <

        > GET /variable?a=1&b
        < 200
        <
        < /variable?a=1&b

        > GET /created
        < 201 Created
        <
        < made

        > GET /204
        < 204 No Content
        < !Content-Length
        < !Content-Type
        <

        > GET /404
        < 404 Not Found
        < Content-Type: text/html
        <~ <center><h1>404 Not Found</h1></center>

        > GET /404-text
        < 404 Not Found
        < Content-Type: text/plain
        < Content-Length: 8
        <
        < not here

        > GET /500-text
        < 500 Internal Server Error
        <
        < broken

        > GET /odd
        < 599
        <
        < odd

        > GET /299
        < 299
        < Content-Length: 0

        > GET /444
        < closed

        > GET /typed
        < 200
        < Content-Type: application/json
        <
        < []

        > GET /untyped
        < 200
        <
        < x
        """)


def test_return_with_a_body(nginx: Nginx) -> None:
    """The request body is discarded, also when the connection stays."""
    nginx("location / { return 200 $request_method; }")
    with nginx.connect() as client:
        client.exchange("""
            > POST /
            >
            > some body
            < 200
            <
            < POST

            > PUT /
            > Transfer-Encoding: chunked
            >
            > one
            > two
            < 200
            <
            < PUT

            > GET /
            < 200
            <
            < GET
            """)


def test_redirect(nginx: Nginx) -> None:
    nginx("""
        location /301 { return 301 /new?$args; }
        location /302 { return 302 http://example.org/a; }
        location /303 { return 303 /see; }
        location /307 { return 307 /same; }
        location /308 { return 308 $scheme://$host/x; }
        location /url { return http://example.org/$uri; }
        location /https { return https://example.org/; }
        location /scheme { return $scheme://example.org/; }
        location /rel { return 301 relative; }
        location /empty { return 301 ""; }
        location /300 { return 300 text; }
        """)
    nginx.exchange("""
        > GET /301?a=b
        < 301 Moved Permanently
        < Location: http://localhost:%%PORT%%/new?a=b
        < Content-Type: text/html
        <~ <head><title>301 Moved Permanently</title></head>

        > GET /302
        < 302 Moved Temporarily
        < Location: http://example.org/a
        <~ <h1>302 Found</h1>

        > GET /303
        < 303 See Other
        < Location: http://localhost:%%PORT%%/see

        > GET /307
        < 307 Temporary Redirect
        < Location: http://localhost:%%PORT%%/same

        > GET /308
        < 308 Permanent Redirect
        < Location: http://localhost/x

        > GET /url
        < 302
        < Location: http://example.org//url

        > GET /https
        < 302
        < Location: https://example.org/

        > GET /scheme
        < 302
        < Location: http://example.org/

        > GET /rel
        < 301
        < Location: relative

        > HEAD /301
        < 301
        < Location: http://localhost:%%PORT%%/new?
        < Content-Length: *
        <

        > GET /300
        < 300
        < !Location
        <
        < text
        """)


@pytest.mark.parametrize(
    "settings, host, location",
    [
        ("", "example.org", "http://example.org:%%PORT%%/b"),
        ("", "example.org:1", "http://example.org:%%PORT%%/b"),
        ("", "EXAMPLE.org.", "http://example.org:%%PORT%%/b"),
        ("port_in_redirect off;", "example.org", "http://example.org/b"),
        ("server_name_in_redirect on;", "x", "http://first.example:%%PORT%%/b"),
        ("server_name_in_redirect on; port_in_redirect off;", "x", "http://first.example/b"),
        ("absolute_redirect off;", "example.org", "/b"),
    ],
)
def test_redirect_base(nginx: Nginx, settings: str, host: str, location: str) -> None:
    nginx(f"server_name first.example second.example; {settings} location / {{ return 301 /b; }}")
    nginx.exchange(f"""
        > GET /
        > Host: {host}
        < 301
        < Location: {location}
        """)


def test_redirect_without_host(nginx: Nginx) -> None:
    nginx("server_name named; return 301 /b;")
    nginx.exchange("""
        > GET / HTTP/1.0
        < 301
        < Location: http://127.0.0.1:%%PORT%%/b
        """)


def test_return_in_server(nginx: Nginx) -> None:
    """The server's rewrite phase comes before any location."""
    nginx(
        """
        if ($arg_stop) { return 403; }
        location / { return 200 location; }
        """,
        servers=["listen 127.0.0.1:%%PORT_b%%; return 200 server; location / { return 404; }"],
    )
    nginx.exchange("""
        > GET /
        < 200
        <
        < location

        > GET /?stop=1
        < 403
        """)
    nginx.exchange("> GET /any\n< 200\n<\n< server", "b")


def test_rewrite_flags(nginx: Nginx) -> None:
    nginx("""
        add_header X-Seen "$uri?$args";
        location /last/  { rewrite ^/last/(.*) /target/$1 last; return 500; }
        location /break/ { rewrite ^/break/(.*) /target/$1 break; return 200 "not reached $uri"; }
        location /plain/ { rewrite ^/plain/(.*) /target/$1; rewrite nope /x; }
        location /both/  { rewrite ^/both/a /both/b; rewrite ^/both/b /target/ab last; }
        location /seq/   { rewrite ^/seq/a /seq/b; return 200 $uri; }
        location /redirect/  { rewrite ^/redirect/(.*) /to/$1 redirect; }
        location /permanent/ { rewrite ^/permanent/(.*) /to/$1 permanent; }
        location /http/  { rewrite ^/http/(.*) http://example.org/$1; }
        location /https/ { rewrite ^/https/(.*) https://example.org/$1 permanent; }
        location /target/ { return 200 "target $uri"; }
        """)
    nginx.write("html/target/f", "file")
    nginx.exchange("""
        > GET /last/f
        < 200
        <
        < target /target/f

        > GET /break/f
        < 200
        < X-Seen: /target/f?
        <
        < file

        > GET /plain/f
        < 200
        <
        < target /target/f

        > GET /both/a
        < 200
        <
        < target /target/ab

        > GET /seq/a
        < 200
        <
        < /seq/b

        > GET /redirect/f?a=b
        < 302
        < Location: http://localhost:%%PORT%%/to/f?a=b

        > GET /permanent/f
        < 301
        < Location: http://localhost:%%PORT%%/to/f

        > GET /http/f?a=b
        < 302
        < Location: http://example.org/f?a=b

        > GET /https/f
        < 301
        < Location: https://example.org/f
        """)


def test_rewrite_arguments(nginx: Nginx) -> None:
    nginx("""
        location /keep/    { rewrite ^/keep/(\\w+)$ /show/$1 last; }
        location /add/     { rewrite ^/add/(\\w+)$ /show?user=$1 last; }
        location /replace/ { rewrite ^/replace/(\\w+)$ /show?user=$1? last; }
        location /drop/    { rewrite ^ /show? last; }
        location /args/    { rewrite ^/args/(.*) /show?$args&x=$1? last; }
        location /redirect/ { rewrite ^/redirect/(.*) /show/$1? redirect; }
        location /set/     { set $args "z=1"; rewrite ^ /show last; }
        location /show     { return 200 "$uri?$args $request_uri"; }
        """)
    nginx.exchange("""
        > GET /keep/a?b=c
        < 200
        <
        < /show/a?b=c /keep/a?b=c

        > GET /keep/a
        < 200
        <
        < /show/a? /keep/a

        > GET /add/joe?b=c
        < 200
        <
        < /show?user=joe&b=c /add/joe?b=c

        > GET /add/joe
        < 200
        <
        < /show?user=joe /add/joe

        > GET /replace/joe?b=c
        < 200
        <
        < /show?user=joe /replace/joe?b=c

        > GET /drop/?b=c
        < 200
        <
        < /show? /drop/?b=c

        > GET /args/v?b=c
        < 200
        <
        < /show?b=c&x=v /args/v?b=c

        > GET /redirect/v?b=c
        < 302
        < Location: http://localhost:%%PORT%%/show/v

        > GET /set/?b=c
        < 200
        <
        < /show?z=1 /set/?b=c
        """)


def test_rewrite_escaping(nginx: Nginx) -> None:
    """Captures of the decoded URI are escaped again in a redirect and in arguments."""
    nginx("""
        location /redirect/ { rewrite ^/redirect/(.*) /to/$1 redirect; }
        location /arg/      { rewrite ^/arg/(.*) /show?a=$1 last; }
        location /uri/      { rewrite ^/uri/(.*) /show/$1 last; }
        location /return/   { return 302 /to$uri; }
        location /show      { return 200 "$uri?$args"; }
        """)
    nginx.exchange("""
        > GET /redirect/a%20b
        < 302
        < Location: http://localhost:%%PORT%%/to/a%20b

        > GET /redirect/a%3Fb%25c
        < 302
        < Location: http://localhost:%%PORT%%/to/a?b%25c

        > GET /arg/a%26b%20c
        < 200
        <
        < /show?a=a%26b%20c

        > GET /arg/a%3Db%2Bc
        < 200
        <~ ^/show\\?a=a(=|%3D)b%2Bc$

        > GET /uri/a%20b%25
        < 200
        <
        < /show/a b%?

        > GET /return/a%20b
        < 302
        < Location: http://localhost:%%PORT%%/to/return/a b
        """)


def test_rewrite_cycle(nginx: Nginx) -> None:
    nginx("""
        rewrite_log on;
        location /loop { rewrite ^ /loop last; }
        location /n    { rewrite ^/n(x*)$ /n$1x last; return 200 $uri; }
        location /ten/ {
            rewrite "^/ten/(1{10})$" /done/$1 last;
            rewrite ^/ten/(1*)$    /ten/1$1 last;
        }
        location /done { return 200 done; }
        """)
    nginx.exchange("""
        > GET /loop
        < 500

        > GET /n
        < 500

        > GET /ten/1
        < 200
        <
        < done

        > GET /ten/
        < 500
        """)
    nginx.wait_for_log(
        r'\[error\].*rewrite or internal redirection cycle while processing "/loop"', 1
    )


def test_rewrite_log(nginx: Nginx) -> None:
    nginx(
        """
        rewrite_log on;
        location /a { rewrite ^/a(.*) /b$1; rewrite ^/nope /x; return 204; }
        """,
        main="error_log logs/error.log notice;",
    )
    nginx.exchange("> GET /ax?y=z\n< 204")
    nginx.wait_for_log(r'\[notice\] .*: \*\d+ "\^/a\(\.\*\)" matches "/ax", client: 127\.0\.0\.1')
    nginx.wait_for_log(r'\[notice\] .*: \*\d+ rewritten data: "/bx", args: "y=z", client')
    nginx.wait_for_log(r'\[notice\] .*: \*\d+ "\^/nope" does not match "/bx", client')


def test_if_variable(nginx: Nginx) -> None:
    nginx("""
        location / {
            set $r "";
            if ($arg_a)           { set $r "${r}set "; }
            if ($arg_a = x)       { set $r "${r}eq "; }
            if ($arg_a != x)      { set $r "${r}ne "; }
            if ($arg_a ~ ^X)      { set $r "${r}re "; }
            if ($arg_a ~* ^X)     { set $r "${r}rei "; }
            if ($arg_a !~ ^X)     { set $r "${r}nre "; }
            if ($arg_a !~* ^X)    { set $r "${r}nrei "; }
            if ($arg_a = "")      { set $r "${r}empty "; }
            if ($arg_a = "a b")   { set $r "${r}quoted "; }
            if ( $arg_a = spaced ) { set $r "${r}spaced "; }
            return 200 "[$r]";
        }
        """)
    for query, told in [
        ("a=x", "set eq rei nre "),
        ("a=X", "set ne re rei "),
        ("a=y", "set ne nre nrei "),
        ("a=", "ne nre nrei empty "),
        ("", "ne nre nrei empty "),
        ("a=0", "ne nre nrei "),
        ("a=00", "set ne nre nrei "),
        ("a=spaced", "set ne nre nrei spaced "),
        ("a=a%20b", "set ne nre nrei "),
    ]:
        nginx.exchange(f"> GET /?{query}\n< 200\n<\n< [{told}]")


def test_if_file(nginx: Nginx) -> None:
    nginx(
        """
        root %%DIR%%/files;
        location / {
            set $r "";
            if (-f $request_filename)  { set $r "${r}f "; }
            if (!-f $request_filename) { set $r "${r}!f "; }
            if (-d $request_filename)  { set $r "${r}d "; }
            if (!-d $request_filename) { set $r "${r}!d "; }
            if (-e $request_filename)  { set $r "${r}e "; }
            if (!-e $request_filename) { set $r "${r}!e "; }
            if (-x $request_filename)  { set $r "${r}x "; }
            if (!-x $request_filename) { set $r "${r}!x "; }
            return 200 "[$r]";
        }
        location /literal { if (-f %%DIR%%/files/plain) { return 200 there; } return 404; }
        location /part { if (-f $document_root/plain) { return 200 there; } return 404; }
        """,
        files={"files/plain": "x", "files/program": "x", "files/dir/index.html": "x"},
    )
    (nginx.prefix / "files/program").chmod(0o755)
    (nginx.prefix / "files/link").symlink_to("plain")
    (nginx.prefix / "files/dangling").symlink_to("nowhere")
    for path, told in [
        ("/plain", "f !d e !x "),
        ("/program", "f !d e x "),
        ("/dir", "!f d e x "),
        ("/nothing", "!f !d !e !x "),
        ("/link", "f !d e !x "),
        ("/dangling", "!f !d !e !x "),
        ("/plain/below", "!f !d !e !x "),
    ]:
        nginx.exchange(f"> GET {path}\n< 200\n<\n< [{told}]")
    nginx.exchange("> GET /literal\n< 200\n\n> GET /part\n< 200")


def test_if_is_a_location(nginx: Nginx) -> None:
    """A true "if" with other directives replaces the location's; the last one wins."""
    nginx("""
        location / {
            add_header X-Outer 1;
            if ($arg_a) { add_header X-A 1; }
            if ($arg_b) { add_header X-B 1; }
            if ($arg_set) { set $x 1; }
            if ($arg_root) { root %%DIR%%/other; }
            if ($arg_stop) { break; }
            if ($arg_late) { add_header X-Late 1; }
        }
        """)
    nginx.write("html/f", "html")
    nginx.write("other/f", "other")
    nginx.exchange("""
        > GET /f
        < 200
        < X-Outer: 1
        < !X-A
        <
        < html

        > GET /f?a=1
        < 200
        < X-A: 1
        < !X-Outer

        > GET /f?a=1&b=1
        < 200
        < X-B: 1
        < !X-A
        < !X-Outer

        > GET /f?set=1
        < 200
        < X-Outer: 1

        > GET /f?root=1
        < 200
        < X-Outer: 1
        <
        < other

        > GET /f?a=1&root=1
        < 200
        < X-Outer: 1
        < !X-A
        <
        < other

        > GET /f?stop=1&late=1
        < 200
        < X-Outer: 1
        < !X-Late
        """)


def test_if_inherits_handler(nginx: Nginx) -> None:
    """A proxied location stays one inside of "if"."""
    nginx(
        """
        location / {
            proxy_pass http://127.0.0.1:%%PORT_b%%;
            if ($arg_a) { add_header X-A 1; }
            if ($arg_c) { proxy_pass http://127.0.0.1:%%PORT_c%%; }
        }
        """,
        servers=[
            "listen 127.0.0.1:%%PORT_b%%; return 200 b:$request_uri;",
            "listen 127.0.0.1:%%PORT_c%%; return 200 c:$request_uri;",
        ],
    )
    nginx.exchange("""
        > GET /x
        < 200
        < !X-A
        <
        < b:/x

        > GET /x?a=1
        < 200
        < X-A: 1
        <
        < b:/x?a=1

        > GET /x?c=1
        < 200
        <
        < c:/x?c=1
        """)


@pytest.mark.trouble("nginx logs it as an alert")
def test_an_upstream_of_an_if_that_another_one_follows(nginx: Nginx) -> None:
    """The files of the location do not take its place."""
    nginx(
        """
        location / {
            root html;
            if ($arg_a) { proxy_pass http://127.0.0.1:%%PORT_b%%; }
            if ($arg_b) { add_header X-B 1; }
            if ($arg_c) { add_header X-C 1; }
            if ($arg_d) { proxy_pass http://127.0.0.1:%%PORT_b%%; }
            if ($arg_e) { return 200 e; }
        }
        error_page 500 =200 /error/f?b=1;
        location /error/ {
            alias html/;
            if ($arg_a) { proxy_pass http://127.0.0.1:%%PORT_b%%; }
            if ($arg_b) { add_header X-Error 1; }
        }
        """,
        servers=["listen 127.0.0.1:%%PORT_b%%; return 200 b:$request_uri;"],
        files={"html/f": "file"},
    )
    nginx.exchange("""
        > GET /f?a=1
        < 200
        <
        < b:/f?a=1

        > GET /f?b=1&c=1
        < 200
        < X-C: 1
        <
        < file

        > GET /f?a=1&b=1
        < 200
        < X-Error: 1
        <
        < file

        > GET /f?a=1&c=1&d=1
        < 200
        <
        < b:/f?a=1&c=1&d=1

        > GET /f?a=1&b=1&e=1
        < 200
        <
        < e
        """)
    assert "no upstream configuration" in nginx.error_log()


@pytest.mark.trouble("nginx logs it as an alert")
@pytest.mark.parametrize("other", ["fastcgi", "uwsgi", "scgi", "grpc", "memcached"])
def test_upstreams_of_several_protocols_in_one_location(nginx: Nginx, other: str) -> None:
    """The protocol is that of the last "if" that names one, the upstream that of the last "if"."""
    key = "set $memcached_key x;" if other == "memcached" else ""
    nginx(
        f"""
        {key}
        location /http/ {{
            proxy_pass http://127.0.0.1:%%PORT_b%%;
            if ($arg_a) {{ {other}_pass 127.0.0.1:1; }}
            if ($arg_b) {{ set $y 1; }}
            if ($arg_c) {{ proxy_pass http://127.0.0.1:%%PORT_c%%; }}
            if ($arg_d) {{ set $y 1; }}
        }}
        location /other/ {{
            {other}_pass 127.0.0.1:1;
            if ($arg_a) {{ proxy_pass http://127.0.0.1:%%PORT_b%%; }}
            if ($arg_b) {{ set $y 1; }}
            if ($arg_c) {{ proxy_pass http://127.0.0.1:%%PORT_c%%; }}
        }}
        """,
        servers=[
            "listen 127.0.0.1:%%PORT_b%%; return 200 b;",
            "listen 127.0.0.1:%%PORT_c%%; return 200 c;",
        ],
    )
    nginx.exchange("""
        > GET /http/?b=1
        < 200
        <
        < b

        > GET /http/?a=1
        < 502

        > GET /http/?a=1&b=1
        < 500

        > GET /http/?a=1&d=1
        < 500

        > GET /http/?a=1&b=1&c=1
        < 200
        <
        < c

        > GET /http/?a=1&b=1&c=1&d=1
        < 200
        <
        < b

        > GET /other/?b=1
        < 502

        > GET /other/?a=1
        < 200
        <
        < b

        > GET /other/?a=1&b=1
        < 500

        > GET /other/?a=1&b=1&c=1
        < 200
        <
        < c
        """)
    nginx.wait_for_log("no upstream configuration")


def test_captures(nginx: Nginx) -> None:
    nginx("""
        location ~ ^/loc/(?<first>\\w+)/(\\w+)$ { return 200 "$first $1 $2 [$3]"; }
        location /if/ {
            if ($uri ~ ^/if/(\\d+)-(?<name>\\w+)) { return 200 "$1 $name $2"; }
            return 200 "none [$1][$name]";
        }
        location /rewrite/ { rewrite ^/rewrite/(?<word>.*)$ /shown last; }
        location /shown { return 200 "$word"; }
        location /overwritten/ {
            if ($uri ~ ^/(over)) { set $kept $1; }
            if ($uri ~ (/.*)$) { set $now $1; }
            return 200 "$kept $now";
        }
        location ~* "^/brace/(\\d{2,3})$" { return 200 "$1"; }
        location /failed/ {
            if ($uri ~ ^/(failed)) { set $x 1; }
            if ($uri ~ ^/(nothing)) { set $x 2; }
            return 200 "[$1]";
        }
        location /optional/ { if ($uri ~ ^/optional/(a)?(b)?$) { return 200 "[$1][$2]"; } }
        """)
    nginx.exchange("""
        > GET /loc/one/two
        < 200
        <
        < one one two []

        > GET /if/12-ab
        < 200
        <
        < 12 ab ab

        > GET /if/x
        < 200
        <
        < none [][]

        > GET /rewrite/some%20word
        < 200
        <
        < some word

        > GET /overwritten/x
        < 200
        <
        < over /overwritten/x

        > GET /brace/123
        < 200
        <
        < 123

        > GET /brace/1
        < 404

        > GET /failed/
        < 200
        <
        < []

        > GET /optional/b
        < 200
        <
        < [][b]
        """)


def test_set(nginx: Nginx) -> None:
    nginx(
        """
        set $server_wide "s:$uri";
        set $a 1;
        location /a { set $a 2; set $b "$a$a"; return 200 "$a $b $server_wide"; }
        location /unset { return 200 "[$b]"; }
        location /self { set $a "${a}x"; set $a "${a}x"; return 200 $a; }
        location /quote { set $q 'it''s'; return 200 $q; }
        location /adjacent { return 200 "${a}b$a-$a.$a"; }
        location /redirect { set $b kept; rewrite ^ /unset last; }
        location /case { set $MiXed 1; return 200 "$mixed"; }
        """.replace("'it''s'", '"it\'s"')
    )
    nginx.exchange("""
        > GET /a
        < 200
        <
        < 2 22 s:/a

        > GET /unset
        < 200
        <
        < []

        > GET /self
        < 200
        <
        < 1xx

        > GET /quote
        < 200
        <
        < it's

        > GET /adjacent
        < 200
        <
        < 1b1-1.1

        > GET /redirect
        < 200
        <
        < [kept]

        > GET /case
        < 200
        <
        < 1
        """)


def test_unset_variable_is_warned_of(nginx: Nginx) -> None:
    nginx("""
        location /warn { if ($arg_x) { set $v 1; } return 200 "[$v]"; }
        location /quiet {
            uninitialized_variable_warn off;
            if ($arg_x) { set $w 1; }
            return 200 "[$w]";
        }
        """)
    nginx.exchange("> GET /quiet\n< 200\n<\n< []\n\n> GET /warn\n< 200\n<\n< []")
    nginx.wait_for_log(r'\[warn\].* using uninitialized "v" variable, client')
    assert '"w" variable' not in nginx.error_log()


def test_break(nginx: Nginx) -> None:
    nginx("""
        rewrite ^/server/(.*) /moved/$1;
        if ($arg_break) { break; }
        rewrite ^/moved/a /moved/b;
        location /in { set $x 1; break; set $x 2; return 200 $x; }
        location /moved { add_header X-Uri $uri; }
        """)
    nginx.write("html/moved/a", "a")
    nginx.write("html/moved/b", "b")
    nginx.write("html/in", "file")
    nginx.exchange("""
        > GET /server/a
        < 200
        <
        < b

        > GET /server/a?break=1
        < 200
        <
        < a

        > GET /in
        < 200
        <
        < file
        """)


def test_nested_locations_do_not_inherit(nginx: Nginx) -> None:
    """Rewrite directives hold for their own level only."""
    nginx("""
        set $who server;
        location /outer {
            set $who outer;
            if ($arg_no) { return 403; }
            location /outer/inner { return 200 $who; }
            return 200 $who;
        }
        """)
    nginx.exchange("""
        > GET /outer
        < 200
        <
        < outer

        > GET /outer/inner
        < 200
        <
        < server

        > GET /outer/inner?no=1
        < 200

        > GET /outer?no=1
        < 403
        """)


def test_regular_expressions(nginx: Nginx) -> None:
    """The expressions are PCRE's, on bytes and with case folded for ASCII at least."""
    nginx("""
        location ~ ^/look(?=ahead) { return 200 ahead; }
        location ~ ^/possessive/(?>a+)b$ { return 200 possessive; }
        location ~ "^/\\x{41}$" { return 200 hex; }
        location ~ ^/any/.$ { return 200 any; }
        location ~ (?i)^/INLINE { return 200 inline; }
        location ~ ^/named/(?P<p_name>.*)$ { return 200 $p_name; }
        location ~ /end$ { return 200 end; }
        """)
    nginx.exchange("""
        > GET /lookahead
        < 200
        <
        < ahead

        > GET /possessive/aab
        < 200

        > GET /A
        < 200
        <
        < hex

        > GET /any/%E9
        < 200

        > GET /any/%C3%A9
        < 404

        > GET /inline
        < 200

        > GET /named/it
        < 200
        <
        < it

        > GET /the/end%0A
        < 200
        <
        < end
        """)
