"""Configurations of many locations, and requests to them, for what is both explained and served.

A request is "METHOD TARGET | Name: value | ...", with ``port=NAME`` or ``body=LENGTH`` among the
parts.  The upstream answers 200, the one called "no" answers 401.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..jwt.keys import jwks
from .setups import CLAIMS, FORGED, KEY, NOW

GOOD, BAD, LATE = KEY.sign(CLAIMS), FORGED.sign(CLAIMS), KEY.sign({**CLAIMS, "exp": NOW - 60})
BEARER = {"": "", "good": GOOD, "bad": BAD, "late": LATE, "broken": "a.b"}


@dataclass(frozen=True, slots=True)
class Group:
    """A configuration and what is sent there; names of variables are not looked up twice."""

    name: str
    server: str
    requests: str
    http: str = ""
    servers: tuple[str, ...] = ()
    files: Mapping[str, str | bytes] = field(default_factory=dict)

    @property
    def lines(self) -> list[str]:
        return [line.strip() for line in self.requests.splitlines() if line.strip()]


def products(methods: str, targets: str, *fields: str) -> str:
    """Requests of all methods for all targets, with each of the headers."""
    return "\n".join(
        f"{method} {target}{f' | {header}' if header else ''}"
        for method in methods.split()
        for target in targets.split()
        for header in fields or ("",)
    )


def bearers(*names: str) -> tuple[str, ...]:
    return tuple(f"Authorization: Bearer {BEARER[name]}" if name else "" for name in names)


CODES = (204, 307, 400, 410, 499, 500, 599, 408)
HTML: dict[str, str | bytes] = {
    "html/index.html": "home",
    "html/a.html": "<p>a",
    "html/a.txt": "text" * 100,
    "html/a.txt.gz": b"\x1f\x8b\x08\x00nothing of gzip",
    "html/empty/x/y.txt": "y",
    "html/dir/index.htm": "dir",
    "html/with space/index.html": "space",
    "html/sub/page.html": "page",
    "html/401.html": "please",
    "html/404.html": "nowhere",
    "html/big.bin": bytes(300_000),
    "users": "alice:{PLAIN}secret\n",
    "jwks.json": jwks(KEY),
}

ROWS = Group(
    "rows",
    r"""
    root html; auth_jwt_key_file jwks.json;
    location / { }
    location ~ \.html$ { auth_jwt "site"; }
    location /login-elsewhere { auth_jwt A; error_page 401 =302 https://login.example/?r=$uri; }
    location /loop { rewrite ^ /loop last; }
    location /loop2 { try_files /nothing /loop2; }
    location /up { proxy_pass http://127.0.0.1:%%PORT_up%%; }
    location /missing { error_page 404 = @named; }
    location @named { auth_jwt "named"; proxy_pass http://127.0.0.1:%%PORT_up%%; }
    location /plain { }
    location /gif { empty_gif; }
    location /444 { return 444; }
    location /page401 { auth_jwt A; error_page 401 /401.txt; }
    location /page403 { deny all; error_page 403 /403.txt; }
    location = /401.txt { return 200 "please"; }
    location = /403.txt { return 200 "never"; }
    location /file401 { auth_jwt A; error_page 401 /a.txt; }
    location /file403 { deny all; error_page 403 /a.txt; }
    location /x-admin { if ($http_x_admin) { return 200 admin; } return 403; }
    location /e401 { auth_jwt A; error_page 401 = @e401; }
    location @e401 { return 401 '{}'; }
    location /open-door { auth_jwt A; error_page 401 = /open;
        proxy_pass http://127.0.0.1:%%PORT_up%%; }
    location /open { proxy_pass http://127.0.0.1:%%PORT_up%%; }
    location /limited { limit_req zone=r burst=1000 nodelay; limit_conn c 1000; return 204; }
    """,
    "\n".join(
        (
            products("GET HEAD POST", "/ /index.html /a.html /a.txt", *bearers("", "good", "bad")),
            products("GET HEAD TRACE", "/login-elsewhere /loop /loop2 /up", *bearers("", "good")),
            products("GET HEAD", "/missing /missing/x /plain/none", *bearers("", "good", "bad")),
            products("GET POST PUT DELETE", "/dir /empty /empty/ /a.txt /gif /none /444"),
            products("GET POST", "/page401 /page403 /file401 /file403", *bearers("", "bad")),
            products("GET", "/x-admin", "", "X_Admin: 1", "X-Admin: 1"),
            products("GET POST OPTIONS", "/e401 /open-door /open", *bearers("", "bad", "good")),
            products("GET", "/limited"),
            "GET / | Host: API.example.com. | port=named\nGET / | Host: x | port=named",
            "GET / | Host: api.example.com.:8080 | port=named",
        )
    ),
    http="""
    limit_req_zone $remote_addr zone=r:1m rate=1000r/s; limit_conn_zone $remote_addr zone=c:1m;
    """,
    servers=(
        "listen 127.0.0.1:%%PORT_named%%; server_name other.example; return 200 other;",
        """listen 127.0.0.1:%%PORT_named%%; server_name api.example.com;
        auth_jwt "api"; auth_jwt_key_file jwks.json;""",
    ),
    files=HTML,
)

NAMES = Group(
    "names",
    r"""
    server_name one.example *.wild.example tail.*; merge_slashes on;
    location / { return 200 "root $uri $args"; }
    location /a { return 200 a; }
    location ^~ /a/b { return 200 b; }
    location = /a/e { return 200 e; }
    location ~ \.x$ { return 200 "x $server_name"; }
    location ~* ^/UP(?<rest>.*)$ { return 200 "up $rest"; }
    location ~ ^/a { return 200 second; }
    location /in { internal; return 200 in; }
    location /w { limit_except GET { deny all; } return 200 w; }
    location /n/ { return 200 n; location /n/m { return 201 m; location ~ z$ { return 202; } } }
    location /slash/ { proxy_pass http://127.0.0.1:%%PORT_up%%; }
    location /exact/ { proxy_pass http://127.0.0.1:%%PORT_up%%/y/; location = /exact/z {
        return 205; } }
    location /small { client_max_body_size 10; proxy_pass http://127.0.0.1:%%PORT_up%%; }
    """,
    "\n".join(
        (
            products(
                "GET",
                "/ /a/z.x /a/b.x /a/e /a/f /b /up/x /UPx /in /w /n/ /n/m /n/mz /n /slash /slash?q=1"
                " /exact /exact/z /exact/a%20b /%61/e //a///e /a/../b.x /./a/e/. /%zz /%00 /a%2fb"
                " /a/b/../../in /in%2f /..%2f",
            ),
            products("POST DELETE HEAD", "/w /in /slash"),
            products("POST", "/small", "body=10", "body=11", "body=0"),
            products(
                "GET",
                "/ /a/z.x",
                *(
                    f"Host: {host} | port=hosts"
                    for host in (
                        *(
                            "one.example",
                            "ONE.example.",
                            "a.wild.example",
                            "wild.example",
                            "tail.q",
                        ),
                        *("r12", "none", "dot.example", "x.dot.example", "1.2.3.4", "[::1]:80"),
                    )
                ),
            ),
            "GET / | Host: a b\nGET / | Host: a/b\nGET /  | Host: ..\nGET / | Host:",
            "GET http://one.example/a/e\nGET http://r7/q | port=hosts\nGET a",
            "G3T /\nget /a/e\nGET /a/e | X Bad: 1\nGET /a/e | Content-Length: x",
            "GET / | Content-Length: 1, 2\nPOST / | Transfer-Encoding: gzip\nOPTIONS *",
        )
    ),
    servers=(
        "listen 127.0.0.1:%%PORT_hosts%% default_server; server_name _; return 200 default;",
        "listen 127.0.0.1:%%PORT_hosts%%; server_name one.example *.wild.example; return 201 one;",
        "listen 127.0.0.1:%%PORT_hosts%%; server_name tail.*; return 202 tail;",
        'listen 127.0.0.1:%%PORT_hosts%%; server_name ~^r(?<n>\\d+)$; return 203 "r $n";',
        "listen 127.0.0.1:%%PORT_hosts%%; server_name .dot.example; return 207 dot;",
    ),
)

REWRITES = Group(
    "rewrites",
    r"""
    root html; set $first 1;
    rewrite ^/old/(.*)$ /new/$1 last;
    rewrite ^/moved/(.*)$ /$1? permanent;
    if ($arg_server) { return 418 "teapot $arg_server"; }
    if ($host = blocked.example) { return 403; }
    location / {
        if ($arg_q = 1) { set $b 2; }
        if ($arg_q ~* ^(n+)o$) { return 403 "no $1"; }
        if (-f $document_root/a.txt) { set $there 1; }
        if (!-e $document_root$uri) { set $gone 1; }
        if ($request_method !~ ^(GET|HEAD)$) { return 405; }
        return 200 "$first $b $uri $there $gone";
    }
    location /r { rewrite ^/r(.*)$ /s$1?x=1; rewrite ^/s(.*)$ /t$1 break; root html; }
    location /b { rewrite ^/b/(.*)$ /$1 break; }
    location /t { return 200 "t $uri $args"; }
    location /s { return 302 /t$is_args$args; }
    location /red { rewrite ^/red/(.*) https://other.example/$1 redirect; }
    location /to { return 301 http://other.example$request_uri; }
    location /url { return http://there.example/; }
    location /codes/204 { return 204; }
    location /codes/307 { return 307 /a; }
    location /codes/400 { return 400; }
    location /codes/410 { return 410 gone; }
    location /codes/499 { return 499; }
    location /codes/500 { return 500; }
    location /codes/599 { return 599 odd; }
    location /codes/408 { return 408; }
    location /cycle { rewrite ^/cycle/(.*)$ /cycle2/$1 last; }
    location /cycle2 { rewrite ^/cycle2/(.*)$ /cycle/$1 last; }
    location /in-if { if ($arg_x) { add_header X 1; proxy_pass http://127.0.0.1:%%PORT_up%%; }
        root html; }
    location /last { if ($arg_a) { rewrite ^ /a.txt last; } deny all; }
    location = /a.txt { allow all; }
    location /mapped { return 203 "code"; }
    location /absolute { absolute_redirect off; return 301 /x; }
    location /port { port_in_redirect off; return 301 /x; }
    location /name { server_name_in_redirect on; return 301 /x; }
    """,
    "\n".join(
        (
            products(
                "GET POST HEAD",
                "/ /old/x?q=1 /moved/y?a=b /?q=nno /a.txt /r/a.txt /b/a.txt /t?z /s?y=1 /red/q"
                " /to?u /url /in-if /in-if?x=1 /last /last?a=1 /mapped",
            ),
            products("GET", " ".join(f"/codes/{code}" for code in CODES)),
            products("GET", "/cycle/a /absolute /port /name /?server=1 /red/a%20b /moved/a%20b"),
            "GET / | Host: blocked.example\nGET / | Host: BLOCKED.example:80",
        )
    ),
    files=HTML,
)

FILES = Group(
    "files",
    r"""
    root html; charset utf-8;
    location / { }
    location /dir { index index.htm; }
    location /index/ { alias %%DIR%%/html/; index none.html /a.txt; }
    location /auto/ { alias %%DIR%%/html/empty/; autoindex on; }
    location /nolist/ { alias %%DIR%%/html/empty/; }
    location /sub { try_files $uri $uri/ $uri.html /a.txt; }
    location /code { try_files /none =410; }
    location /named { try_files /none @fallback; }
    location @fallback { return 203 "named $uri"; }
    location /toproxy { try_files $uri @proxy; }
    location @proxy { proxy_pass http://127.0.0.1:%%PORT_up%%; }
    location /query { try_files /none /args?$args&x=1; }
    location /args { return 200 "$uri $args"; }
    location /alias/ { alias %%DIR%%/html/sub/; }
    location ~ ^/regex/(.*)$ { alias %%DIR%%/html/$1; }
    location /static-gz/ { alias %%DIR%%/html/; gzip_static on; }
    location /gz/ { alias %%DIR%%/html/; gzip on; gzip_min_length 1; gzip_types text/plain; }
    location /err/ { error_page 404 /a.txt; }
    location /err2/ { error_page 404 =200 /a.txt; error_page 405 = @fallback; }
    location /err3/ { error_page 404 /none/either; }
    location /err4/ { recursive_error_pages on; error_page 404 /err/deep; }
    location /err5/ { error_page 404 = https://elsewhere.example/; error_page 403 =301 /x; }
    location /err6/ { error_page 404 =307 http://other.example$uri; }
    location /err7/ { error_page 404 = @none; }
    location /headers { add_header X-A "$uri"; expires 1h; alias %%DIR%%/html/a.txt; }
    location /noranges { alias %%DIR%%/html/a.txt; max_ranges 0; }
    location /etagless { alias %%DIR%%/html/a.txt; etag off; if_modified_since before; }
    location /rated { alias %%DIR%%/html/a.txt; limit_rate 100k; }
    location /types { types { } default_type text/weird; alias %%DIR%%/html/a.txt; }
    location /ms { return 404; }
    location /links { disable_symlinks on; alias %%DIR%%/html/a.txt; }
    """,
    "\n".join(
        (
            products(
                "GET HEAD POST DELETE",
                "/ /a.html /none /dir /dir/ /empty /empty/ /index/ /nolist/ /sub /sub/ /sub/page"
                " /sub/none /code /named /toproxy /toproxy/x?y /query?z=1 /alias/page.html /alias"
                " /regex/a.html /regex/none /err/x /err2/x /err3/x /err4/x /err5/x /err6/x /err7/x"
                " /with%20space /with%20space/ /big.bin",
            ),
            products("GET HEAD", "/auto/ /auto/x/ /auto/none/ /headers /types /ms /links /rated"),
            products(
                "GET HEAD",
                "/a.txt /static-gz/a.txt /gz/a.txt /gz/a.html",
                *("", "Accept-Encoding: gzip", "Accept-Encoding: identity"),
            ),
            products(
                "GET HEAD",
                "/a.txt /noranges /etagless",
                *(
                    "Range: bytes=0-3",
                    "Range: bytes=-5",
                    "Range: bytes=1000-",
                    "Range: bytes=0-0,2-2",
                ),
                *("Range: lines=1", "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT"),
                *('If-Match: "nope"', "If-None-Match: *", "If-Match: *"),
                "If-Unmodified-Since: Mon, 01 Jan 2001 00:00:00 GMT",
            ),
        )
    ),
    files=HTML,
)

ACCESS = Group(
    "access",
    r"""
    root html;
    location /deny { deny all; }
    location /allow { allow 127.0.0.0/8; deny all; }
    location /deny1 { deny 127.0.0.1; allow all; }
    location /basic { auth_basic "b"; auth_basic_user_file %%DIR%%/users; return 200; }
    location /basicfile { auth_basic "b\"x"; auth_basic_user_file %%DIR%%/users;
        alias %%DIR%%/html/a.txt; }
    location /basicoff { auth_basic off; alias %%DIR%%/html/a.txt; }
    location /nofile { auth_basic "b"; auth_basic_user_file %%DIR%%/missing;
        alias %%DIR%%/html/a.txt; }
    location /any { satisfy any; deny all; auth_basic "b"; auth_basic_user_file %%DIR%%/users;
        alias %%DIR%%/html/a.txt; }
    location /any2 { satisfy any; allow 127.0.0.1; deny all; auth_basic "b";
        auth_basic_user_file %%DIR%%/users; alias %%DIR%%/html/a.txt; }
    location /all { satisfy all; allow all; auth_basic "b"; auth_basic_user_file %%DIR%%/users;
        alias %%DIR%%/html/a.txt; }
    location /delay { auth_delay 10ms; auth_basic "b"; auth_basic_user_file %%DIR%%/users;
        alias %%DIR%%/html/a.txt; }
    location /ask204 { auth_request /answer/204; alias %%DIR%%/html/a.txt; }
    location /ask401 { auth_request /answer/401; alias %%DIR%%/html/a.txt; }
    location /ask403 { auth_request /answer/403; error_page 403 = @denied;
        alias %%DIR%%/html/a.txt; }
    location /ask404 { auth_request /answer/404; alias %%DIR%%/html/a.txt; }
    location /ask302 { auth_request /answer/302; alias %%DIR%%/html/a.txt; }
    location /askfile { auth_request /a.txt; alias %%DIR%%/html/a.txt; }
    location /asknone { auth_request /none; alias %%DIR%%/html/a.txt; }
    location /askyes { auth_request /yes; auth_request_set $who $upstream_status;
        alias %%DIR%%/html/a.txt; }
    location /askno { auth_request /no; error_page 401 = @denied; alias %%DIR%%/html/a.txt; }
    location /askany { satisfy any; auth_request /no; allow all; alias %%DIR%%/html/a.txt; }
    location /askproxied { auth_request /yes; proxy_set_header X-Who "$remote_user";
        proxy_pass http://127.0.0.1:%%PORT_up%%; }
    location = /yes { internal; proxy_pass http://127.0.0.1:%%PORT_yes%%;
        proxy_pass_request_body off; proxy_set_header Content-Length ""; }
    location = /no { internal; proxy_pass http://127.0.0.1:%%PORT_no%%; }
    location /answer/204 { return 204; }
    location /answer/401 { return 401; }
    location /answer/403 { return 403; }
    location /answer/404 { return 404; }
    location /answer/302 { return 302 /x; }
    location @denied { return 200 "denied $uri"; }
    location /methods { limit_except GET POST { auth_basic "w";
        auth_basic_user_file %%DIR%%/users; } alias %%DIR%%/html/a.txt; }
    location /real { set_real_ip_from 127.0.0.1; real_ip_header X-Real-IP; allow 10.0.0.1;
        deny all; alias %%DIR%%/html/a.txt; }
    location /forwarded { set_real_ip_from 127.0.0.0/8; set_real_ip_from 10.0.0.0/8;
        real_ip_header X-Forwarded-For; real_ip_recursive on; deny 192.0.2.7;
        return 200 "r $remote_addr"; }
    location /referer { valid_referers none blocked *.example; if ($invalid_referer) {
        return 403; } return 200 "came"; }
    location /geo { if ($near) { return 200 near; } return 403; }
    location /map { if ($class = low) { return 200 low; } if ($class = "bad") { return 403; }
        return 200 "$class"; }
    location /split { return 200 "$half"; }
    location /limits { limit_req zone=r burst=1000 nodelay; limit_conn c 1000;
        alias %%DIR%%/html/a.txt; }
    location /status { stub_status; }
    location /gif { empty_gif; }
    location /mirror { mirror /copy; alias %%DIR%%/html/a.txt; }
    location /copy { internal; proxy_pass http://127.0.0.1:%%PORT_copy%%; }
    location /tokens { server_tokens off; return 404; }
    location /lang { if ($http_accept_language ~ ^de) { return 302 /de; } return 302 /en; }
    location /cookie { if ($cookie_user = "admin") { return 200 hi; } return 401; }
    location /errors { deny all; error_page 403 /errors/page; location /errors/page { allow all;
        return 200 "page"; } }
    """,
    "\n".join(
        (
            products(
                "GET HEAD",
                "/deny /allow /deny1 /nofile /basicoff /ask204 /ask401 /ask403 /ask404 /ask302"
                " /askfile /asknone /askyes /askno /askany /askproxied /yes /no /split /limits /gif"
                " /mirror /tokens /geo /errors /errors/page /status",
            ),
            products(
                "GET POST PUT",
                "/basic /basicfile /any /any2 /all /delay /methods",
                *("", "Authorization: Basic YWxpY2U6c2VjcmV0", "Authorization: Basic YWxpY2U6bm8="),
                "Authorization: Bearer x",
            ),
            products("GET", "/real /forwarded", "", "X-Real-IP: 10.0.0.1", "X-Real-IP: no"),
            products("GET", "/forwarded", "X-Forwarded-For: 192.0.2.7, 10.1.1.1"),
            products("GET", "/referer", "", "Referer: http://a.example/", "Referer: http://b.org/"),
            products("GET", "/map?c=1 /map?c=7 /map?c=x /map", "", "User-Agent: a"),
            products("GET", "/lang", "", "Accept-Language: de-DE", "Accept-Language: fr"),
            products("GET", "/cookie", "", "Cookie: user=admin", "Cookie: a=b; user=x"),
            products("POST", "/askproxied /askyes /mirror /basic", "body=5"),
        )
    ),
    http="""
    geo $near { default 0; 127.0.0.1/32 1; }
    map $arg_c $class { 1 low; ~^[5-9] high; x bad; default none; }
    split_clients $uri $half { 50% first; * second; }
    limit_req_zone $remote_addr zone=r:1m rate=1000r/s; limit_conn_zone $remote_addr zone=c:1m;
    """,
    files=HTML,
)

PROXY = Group(
    "proxy",
    r"""
    location / { proxy_pass http://127.0.0.1:%%PORT_up%%; }
    location /uri/ { proxy_pass http://127.0.0.1:%%PORT_up%%/v1/; }
    location /plain { proxy_pass http://127.0.0.1:%%PORT_up%%/x; }
    location /group { proxy_pass http://app; }
    location /groupuri { proxy_pass http://app/base?fixed=1; }
    location ~ ^/var/(.*)$ { proxy_pass http://127.0.0.1:%%PORT_up%%/q/$1$is_args$args; }
    location /vargroup { set $to app; proxy_pass http://$to; }
    location /varhost { set $to localhost; proxy_pass http://$to:%%PORT_up%%;
        resolver 127.0.0.1:%%PORT_dns%%; }
    location /nohost { set $to localhost; proxy_pass http://$to:%%PORT_up%%; }
    location /novar { set $to ""; proxy_pass http://$to; }
    location /badvar { set $to "ftp://x"; proxy_pass $to; }
    location /headers { proxy_pass http://app; proxy_set_header Host $host;
        proxy_set_header X-Uri $uri;
        proxy_set_header X-Args "$args"; proxy_set_header X-Empty "";
        proxy_set_header X-Method $request_method;
        proxy_set_header X-Real-IP $remote_addr;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Scheme $scheme; proxy_set_header X-Port $server_port;
        proxy_set_header X-Name $server_name;
        proxy_set_header X-Up $proxy_host:$proxy_port; proxy_set_header Accept-Encoding ""; }
    location /http10 { proxy_pass http://app; proxy_http_version 1.0; }
    location /upgrade { proxy_pass http://app; proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection "upgrade"; }
    location /method { proxy_pass http://app; proxy_method PATCH; }
    location /body { proxy_pass http://app; proxy_set_body "fixed $uri"; }
    location /nobody { proxy_pass http://app; proxy_pass_request_body off;
        proxy_set_header Content-Length ""; }
    location /noheaders { proxy_pass http://app; proxy_pass_request_headers off; }
    location /stream { proxy_pass http://app; proxy_request_buffering off; }
    location /small { client_max_body_size 4; proxy_pass http://app; }
    location /buffer { client_body_buffer_size 8; proxy_pass http://app; }
    location /cached { proxy_cache z; proxy_cache_valid 1m; proxy_pass http://app; }
    location /keyed { proxy_cache z; proxy_cache_key "k$uri$arg_x";
        proxy_cache_methods GET HEAD POST; proxy_pass http://app; }
    location /asis { proxy_cache z; proxy_cache_convert_head off;
        proxy_cache_key "h$request_method$uri"; proxy_pass http://app; }
    location /offset { proxy_cache z; proxy_cache_max_range_offset 10; proxy_pass http://app; }
    location /nocache { proxy_cache $off; proxy_pass http://app; }
    location /split { proxy_pass http://app; proxy_set_header X-Split $arg_v; }
    location /rewritten { rewrite ^/rewritten/(.*)$ /r/$1 break;
        proxy_pass http://127.0.0.1:%%PORT_up%%; }
    location /rewriteuri { rewrite ^/rewriteuri/(.*)$ /r/$1?b=1 break;
        proxy_pass http://127.0.0.1:%%PORT_up%%/z; }
    location /excepted { limit_except GET { proxy_pass http://127.0.0.1:%%PORT_up%%; }
        proxy_pass http://app; }
    location /if { if ($arg_z) { proxy_pass http://127.0.0.1:%%PORT_up%%; }
        proxy_pass http://app/in; }
    location /interna { internal; proxy_pass http://app; }
    location /errpage { return 404; error_page 404 /uri/page?e=1; }
    location /errpage200 { return 404; error_page 404 =200 /uri/page; }
    location /errnamed { deny all; error_page 403 = @up; }
    location @up { proxy_pass http://app; proxy_set_header X-Why $status; }
    location /mirrored { mirror /copy; mirror_request_body on; proxy_pass http://app; }
    location = /copy { internal; proxy_pass http://127.0.0.1:%%PORT_copy%%; }
    location /claims { proxy_pass http://app; proxy_set_header X-Id "$http_x_id";
        proxy_set_header X-Cookie $cookie_a; }
    location /inherit { proxy_set_header X-In 1; location /inherit/a { proxy_pass http://app; }
        location /inherit/b { proxy_pass http://app; proxy_set_header X-Own 2; } }
    location /notrun { js_content a.b; }
    location /notrun2 { error_page 501 = @up; js_content a.b; }
    location /empty { rewrite ^ /? break; proxy_pass http://app; }
    """,
    "\n".join(
        (
            products(
                "GET HEAD POST DELETE",
                "/ /x?y=1 /uri/a%20b?c /uri/%2e /plain/z /plain /group/x /groupuri/x?q /var/a?b=1"
                " /vargroup/x /varhost/y /nohost /novar /badvar /headers/a%41?b /http10 /method"
                " /body/q /nobody /noheaders /stream /excepted/x /if /if?z=1 /interna /errpage"
                " /errpage200 /errnamed/a /mirrored /rewritten/a%20b?q /rewriteuri/a /inherit/a"
                " /inherit/b /notrun /notrun2 /empty/x",
                "Accept-Encoding: gzip",
            ),
            products(
                "POST PUT",
                "/group /headers /body/x /nobody /noheaders /stream /small /buffer /method /http10"
                " /mirrored /excepted /errnamed /errpage /rewritten/x",
                *("body=3", "body=10", "Content-Length: 0"),
            ),
            products("GET", "/cached/a /keyed/a?x=1 /asis/a /offset/a /nocache/a"),
            products("HEAD", "/cached/b /keyed/b?x=2 /asis/a /offset/b /nocache/b"),
            products("POST", "/cached/c /keyed/c?x=3 /nocache/c", "body=4"),
            "GET /cached/d | If-None-Match: x | Range: bytes=0-1 | If-Modified-Since: x",
            "GET /offset/d | Range: bytes=0-1\nGET /offset/e | Range: bytes=20-\n",
            "GET /asis/f | Range: bytes=-1",
            "GET /claims | X-Id: 5 | Cookie: a=b | Cookie: c=d | X-ID: 6",
            "GET /upgrade | Upgrade: websocket | Expect: x | TE: trailers | Keep-Alive: 5",
            "GET /headers | X-Uri: mine | X_Uri: x | X-Forwarded-For: 1.2.3.4 | Host: h.example:81",
            "GET /split?v=a%0d%0ab\nGET /split?v=ab\nGET /x | Proxy-Connection: close",
            "GET http://localhost/group?x\nGET http://localhost?q\nPOST /x | Expect: 100-continue",
        )
    ),
    http="""
    upstream app { server 127.0.0.1:%%PORT_up%%; }
    map $uri $off { default off; }
    proxy_cache_path cache keys_zone=z:1m;
    """,
)

TOKENS = Group(
    "tokens",
    r"""
    root html; auth_jwt_key_file jwks.json;
    location /a { auth_jwt "A"; proxy_set_header X-User $jwt_claim_sub;
        proxy_pass http://127.0.0.1:%%PORT_up%%; }
    location /claim { auth_jwt "C"; if ($jwt_claim_sub = alice) { return 200 alice; }
        alias %%DIR%%/html/a.txt; }
    location /roles { auth_jwt "R"; auth_jwt_require $ok error=403; alias %%DIR%%/html/a.txt; }
    location /roles403 { auth_jwt "R"; auth_jwt_require $arg_ok error=403;
        error_page 403 = @forbidden; alias %%DIR%%/html/a.txt; }
    location @forbidden { auth_jwt off; return 404 "no such $uri"; }
    location /any { satisfy any; deny all; auth_jwt "any"; alias %%DIR%%/html/a.txt; }
    location /keys { auth_jwt "K"; auth_jwt_key_request /_jwks;
        proxy_set_header X-User $jwt_claim_sub; proxy_pass http://127.0.0.1:%%PORT_up%%; }
    location /keysfile { auth_jwt "K"; auth_jwt_key_request /_jwks; alias %%DIR%%/html/a.txt; }
    location /keysany { satisfy any; allow 127.0.0.1; auth_jwt "K"; auth_jwt_key_request /_jwks;
        alias %%DIR%%/html/a.txt; }
    location /keysreq { auth_jwt "K"; auth_jwt_key_request /_jwks;
        auth_jwt_require $arg_x error=403; alias %%DIR%%/html/a.txt; }
    location /keyslogin { auth_jwt "K"; auth_jwt_key_request /_jwks; error_page 401 =302 /login;
        alias %%DIR%%/html/a.txt; }
    location = /_jwks { internal; proxy_pass http://127.0.0.1:%%PORT_idp%%; proxy_cache z;
        proxy_cache_valid 1m; }
    location /badkeys { auth_jwt "K"; auth_jwt_key_file none.json; alias %%DIR%%/html/a.txt; }
    location /cookie { auth_jwt "K" token=$cookie_t; alias %%DIR%%/html/a.txt; }
    location /both { auth_jwt "K"; auth_request /sub; alias %%DIR%%/html/a.txt; }
    location /sub { return 204; }
    location /redirect { auth_jwt "K"; error_page 401 = @login; alias %%DIR%%/html/a.txt; }
    location @login { return 302 /login?next=$request_uri; }
    location /cached { auth_jwt "K"; proxy_cache z; proxy_cache_key $jwt_claim_sub$uri;
        proxy_pass http://127.0.0.1:%%PORT_up%%; }
    location /excepted { limit_except GET { auth_jwt "W"; } alias %%DIR%%/html/a.txt; }
    """,
    products(
        "GET HEAD POST",
        "/a /claim /roles?ok=1 /roles /roles403 /roles403?ok=1 /any /badkeys /cookie /both"
        " /redirect /excepted /keys /keysfile /keysany /keysreq /keysreq?x=1 /keyslogin",
        *bearers("", "good", "bad", "late", "broken"),
    )
    + "\n"
    + products("GET", "/cookie", f"Cookie: t={GOOD}", f"Cookie: t={BAD}", f"Cookie: t={GOOD}; t=x")
    + "\n"
    + products("GET", "/cached/1", *bearers("", "good", "bad")),
    http="""
    map $jwt_claim_sub$arg_ok $ok { alice1 1; default 0; }
    proxy_cache_path cache keys_zone=z:1m;
    """,
    files=HTML,
)

GROUPS = {group.name: group for group in (ROWS, NAMES, REWRITES, FILES, ACCESS, PROXY, TOKENS)}
