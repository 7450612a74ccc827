"""One configuration in which each HTTP module of nginx has a location, and requests of all kinds.

Methods, escapes and dots in paths, conditional and partial requests, cookies, codings and bodies
meet each content handler and filter. Limits by time are wide enough not to be met.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from random import Random

from .case import Case, Setting
from .raw import framed
from .requests import METHODS, mostly, path, split

KEY = base64.urlsafe_b64encode(b"k" * 32).rstrip(b"=").decode()
HTTP = """
map $http_x_map $mapped {
    hostnames; default none; a.example one; *.example two; ~^(?<rest>r.*)$ $rest;
}
map $arg_v $both { volatile; "" empty; ~*^a insensitive; a exact; default "$arg_v!"; }
geo $http_x_forwarded_for $near { default far; 10.0.0.0/8 ten; 10.1.0.0/16 one; 2001:db8::/32 six; }
split_clients $http_x_split $half { 50% first; 25.5% second; * third; }
limit_req_zone $binary_remote_addr zone=rate:1m rate=100000r/s;
limit_conn_zone $http_x_map zone=conns:1m;
log_format short '$request "$status" $body_bytes_sent';
upstream even { server 127.0.0.1:%%PORT_up%%; server 127.0.0.1:%%PORT_up%% backup; keepalive 2; }
upstream hashed { hash $request_uri consistent; server 127.0.0.1:%%PORT_up%%; }
proxy_cache_path modules keys_zone=m:1m;
charset_map koi8-r windows-1251 { CB EA; CF EE; C9 E8; }
types { text/html html; text/plain txt; text/css css; image/gif gif; application/json json; }
gzip_vary on; server_names_hash_bucket_size 128;
"""
SERVER = """
root html; charset_types text/plain text/html;
error_page 404 /missing.html; error_page 418 = @tea;
location / { index index.html index.txt; }
location = /end { return 200 end; }
location @tea { return 200 "tea $uri"; }
location /static/ { alias html/; if_modified_since before; etag off; }
location /exact/ { alias html/; if_modified_since exact; max_ranges 1; expires modified +1h; }
location /never/ { alias html/; max_ranges 0; expires -1; add_header X-A $request_method always; }
location /list/ { alias html/list/; autoindex on; autoindex_format json; }
location /xml/ { alias html/list/; autoindex on; autoindex_format xml; autoindex_exact_size off; }
location /page/ { alias html/list/; autoindex on; autoindex_localtime off; charset utf-8; }
location /koi/ { alias html/; charset windows-1251; source_charset koi8-r; }
location /gz/ { alias html/; gzip on; gzip_min_length 10; gzip_types text/plain application/json; }
location /pre/ { alias html/; ssi on; ssi_types text/plain; }
location /gif { empty_gif; }
location /maps { return 200 "$mapped|$rest|$both|$near|$half\\n"; }
location /vars {
    set $head "$uri|$args|$arg_a|$cookie_a|$http_a_b|$content_type|$host";
    return 200 "$head|$remote_user|$https|$request_length|$is_args\\n";
}
location /referer { valid_referers none blocked server_names *.ok.example ~^https?://re;
    if ($invalid_referer) { return 403 "$http_referer"; } return 200 "$invalid_referer"; }
location /browser {
    ancient_browser msie; modern_browser gecko 5;
    return 200 "$msie|$ancient_browser|$modern_browser";
}
location /userid {
    userid log; userid_name id; userid_expires max; userid_mark off;
    return 200 "$uid_got|$uid_reset";
}
location /auth { auth_basic "r \\"q\\""; auth_basic_user_file users; try_files /index.html =500; }
location /any {
    satisfy any; deny all; auth_basic r; auth_basic_user_file users; alias html/index.html;
}
location /access {
    allow 127.0.0.0/9; deny all; limit_except GET { deny all; } alias html/index.html;
}
location /sub {
    auth_request /check; auth_request_set $who $upstream_http_x_who; add_header X-Who $who;
    alias html/index.html;
}
location = /check {
    internal; proxy_pass http://127.0.0.1:%%PORT_up%%; proxy_pass_request_body off;
    proxy_set_header Content-Length "";
}
location /rate {
    limit_req zone=rate burst=100 nodelay; limit_conn conns 1000; limit_conn_status 429;
    alias html/index.html;
}
location /real {
    set_real_ip_from 127.0.0.1; real_ip_header X-Forwarded-For; real_ip_recursive on;
    return 200 "$remote_addr|$realip_remote_addr";
}
location /link/ {
    secure_link $arg_md5,$arg_e; secure_link_md5 "s$uri$secure_link_expires";
    if ($secure_link = "") { return 403; } if ($secure_link = "0") { return 410; } alias html/;
}
location /word/ {
    secure_link_secret s; if ($secure_link = "") { return 403; }
    rewrite ^ /static/$secure_link last;
}
location /mirror { mirror /copy; mirror_request_body on; proxy_pass http://even; }
location = /copy { internal; return 204; }
location /proxy/ {
    proxy_pass http://even/; proxy_http_version 1.1; proxy_set_header Connection "";
    proxy_set_header X-Uri $uri; proxy_hide_header X-Hidden; proxy_redirect default;
    proxy_cookie_path / /proxy/;
}
location /hash/ { proxy_pass http://hashed; proxy_method POST; proxy_set_body "b=$args"; }
location /cache/ {
    proxy_pass http://127.0.0.1:%%PORT_up%%; proxy_cache m;
    proxy_cache_key "$request_uri %%RUN%%"; proxy_cache_valid any 1m;
    proxy_cache_bypass $http_x_map; add_header X-Cache $upstream_cache_status;
}
location /var/ {
    set $to 127.0.0.1:%%PORT_up%%; proxy_pass http://$to$request_uri;
    proxy_pass_request_headers off; proxy_set_header X-Case $remote_port;
}
location /cgi/ {
    fastcgi_pass 127.0.0.1:%%PORT_closed%%; fastcgi_intercept_errors on; error_page 502 @down;
}
location /scgi/ { scgi_pass 127.0.0.1:%%PORT_closed%%; error_page 502 =503 @down; }
location /uwsgi/ { uwsgi_pass 127.0.0.1:%%PORT_closed%%; error_page 502 = @down; }
location /grpc/ { grpc_pass 127.0.0.1:%%PORT_closed%%; error_page 502 @down; }
location /memcached/ {
    set $memcached_key $uri; memcached_pass 127.0.0.1:%%PORT_closed%%;
    error_page 404 502 504 = @down;
}
location @down { return 200 "down $status $uri\\n"; }
location /rewrite/ {
    rewrite ^/rewrite/a/(.*)$ /vars/$1?x=$1 last; rewrite ^/rewrite/b /static/index.html break;
    rewrite ^/rewrite/c(.*)$ /to$1 permanent; rewrite ^/rewrite/d /to? redirect; root html;
}
location /if/ {
    set $s "$request_method$http_x_map"; if ($s = POST) { return 405 "$s"; }
    if ($http_cookie ~* "a=([^;]+)") { set $s "$1"; }
    if (!-e $request_filename) { return 402 "$s"; } root html;
}
location /try/ { try_files $uri $uri/ /static/$arg_v @tea; }
location ~ ^/re/(?<first>[^/]+)/(\\w*) { return 200 "$first|$2|$1"; }
location ~* \\.CSS$ { add_header X-Css yes; expires 1d; }
location /jwt { auth_jwt "api"; auth_jwt_key_file keys.json; return 200 "$jwt_claim_sub"; }
location /claims {
    auth_jwt "api" token=$cookie_t; auth_jwt_key_file keys.json;
    auth_jwt_require $jwt_claim_admin error=403; return 200 "$jwt_claims";
}
location /echo/ {
    echo "$echo_request_method $echo_request_uri"; echo -n "$request_body|";
    echo_after_body after;
}
location /more/ {
    more_set_headers -s "200 404" "X-More: $uri" "Server: s"; more_clear_headers X-A;
    more_set_input_headers "A-B: set"; add_header X-A a; return 200 "$http_a_b";
}
location /return { return 307 $request_uri; }
location /big { client_max_body_size 10; proxy_pass http://even; }
location /text { return 404 "text"; }
location /t { return 418; }
location /post { error_page 405 =200 $uri; root html; }
"""
NAMED = """
server_name named.example ~^(?<sub>\\w+)\\.re\\.example$ *.wild.example;
absolute_redirect off; port_in_redirect off; server_name_in_redirect on; msie_padding off;
chunked_transfer_encoding off; keepalive_requests 3;
location / { root html; }
location /dir { return 200 "$sub|$server_name|$host"; }
location = /end { return 200 end; }
location /p { proxy_pass http://even; }
"""
LIST = "index.html f.txt f.css i.gif sub/ sub/index.html pre.txt koi.txt x.json long.txt none"
PLACES = [
    *("/", "/static/", "/exact/", "/never/", "/list/", "/xml/", "/page/", "/koi/", "/gz/"),
    *("/pre/", "/gif", "/maps", "/vars", "/referer", "/browser", "/userid", "/auth", "/any"),
    *("/access", "/sub", "/rate", "/real", "/link/", "/word/", "/mirror", "/proxy/", "/hash/"),
    *("/cache/", "/var/", "/cgi/", "/scgi/", "/uwsgi/", "/grpc/", "/memcached/", "/rewrite/a/"),
    *("/rewrite/b", "/rewrite/c", "/rewrite/d", "/if/", "/try/", "/re/a/", "/jwt", "/claims"),
    *("/echo/", "/more/", "/return", "/big", "/text", "/t", "/post", "/sub"),
]
FILES = {
    "users": "u:{PLAIN}p\n",
    "keys.json": json.dumps({"keys": [{"kty": "oct", "kid": "k", "k": KEY}]}),
    "html/index.html": "<html>index</html>\n",
    "html/f.txt": "0123456789" * 3,
    "html/f.css": "a { b: c }",
    "html/i.gif": "GIF89a",
    "html/sub/index.html": "sub",
    "html/pre.txt": '<!--# set var="v" value="$args" -->[<!--# echo var="v" -->]'
    '<!--# if expr="$arg_a = /^b(.*)$/" -->yes <!--# echo var="1" -->'
    "<!--# else -->no<!--# endif -->"
    '<!--# include virtual="/static/f.txt" --><!--# block name="x" -->x<!--# endblock -->',
    "html/koi.txt": "\xcb\xcf\xc9",
    "html/list/a & b.txt": "ab",
    "html/list/<c>%.html": "c",
    "html/list/" + "d" * 60: "d",
    "html/x.json": '{"a": 1}' * 20,
    "html/long.txt": "long " * 3000,
    "html/missing.html": "missing",
}


def setting(r: Random, batch: int) -> Setting:
    return Setting(HTTP, (SERVER, NAMED), FILES)


def case(r: Random, setting: Setting, number: int) -> Case:
    return Case(split(r, b"".join(_request(r) for _ in range(r.choice((1, 1, 1, 2, 3))))))


def _request(r: Random) -> bytes:
    method = mostly(r, METHODS, ["PURGE", "CONNECT", "PROPFIND", "MKCOL"], 0.05)
    lines = [f"{method} {_target(r)} HTTP/1.{r.choice('1111110')}", f"Host: {_host(r)}"]
    lines += [_field(r) for _ in range(r.choice((0, 1, 1, 2, 3, 5)))]
    body = b""
    if method in ("POST", "PUT", "PATCH") or r.random() < 0.1:
        declared, body = framed(r, 0.03)
        lines += declared
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


def _host(r: Random) -> str:
    return mostly(r, ["a"], ["named.example", "x.re.example", "a.wild.example", "A:80"], 0.15)


def _target(r: Random) -> str:
    place = r.choice(PLACES)
    if r.random() < 0.4:
        return path(r, place, 0.05)
    if place in ("/link/", "/word/"):
        return _signed(r, place)
    name = r.choice(LIST.split()) if place.endswith("/") else ""
    return place + name + r.choice(("", "", "?a=b&v=A", "?a=b%20c&a=d", "?v=%41&a", "?&a=bxyz"))


def _signed(r: Random, place: str) -> str:
    """A link with its signature, which may be wrong or too old."""
    name = r.choice(("f.txt", "sub/index.html", "none"))
    if place == "/word/":
        signature = hashlib.md5(f"{name}s".encode()).hexdigest()
        return f"/word/{signature if r.random() < 0.8 else signature[:-1] + 'x'}/{name}"
    expires = r.choice(("1", "4000000000", "", "x"))
    digest = hashlib.md5(f"s/link/{name}{expires if expires.isdigit() else ''}".encode()).digest()
    text = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    return f"/link/{name}?md5={text if r.random() < 0.8 else text[1:]}&e={expires}"


def _field(r: Random) -> str:
    name = r.choice(list(VALUES))
    if name == "Authorization":
        return f"{name}: {r.choice((_basic(r), _bearer(r)))}"
    if name == "Cookie" and r.random() < 0.3:
        return f"Cookie: a=b; t={_token(r)}"
    return f"{name}: {r.choice(VALUES[name])}"


def _basic(r: Random) -> str:
    user = r.choice(("u:p", "u:p", "u:x", "x:p", "u", ":", "u:p:q"))
    return "Basic " + base64.b64encode(user.encode()).decode()


def _bearer(r: Random) -> str:
    return mostly(r, ["Bearer "], ["bearer ", "Bearer  ", "Bearer", "Token "], 0.1) + _token(r)


def _token(r: Random) -> str:
    """Signed by the key of the configuration, often; or damaged, or of another time."""
    claims = r.choice(
        ({"sub": "a"}, {"sub": "a", "admin": 1}, {"exp": 1}, {"exp": 4e9, "admin": 0}, {"nbf": 4e9})
    )
    head = _part({"alg": r.choice(("HS256",) * 5 + ("HS384", "none")), "typ": "JWT"})
    signed = f"{head}.{_part(claims)}"
    digest = hmac.new(b"k" * 32, signed.encode(), "sha256").digest()
    signature = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    token = f"{signed}.{signature}"
    return token if r.random() < 0.8 else r.choice((token[:-2], token + "A", signed + ".", "x.y.z"))


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


VALUES = {
    "Range": [
        "bytes=0-3",
        "bytes=-2",
        "bytes=2-",
        "bytes=0-1,3-4",
        "bytes=90-",
        "bytes=a",
        "x=0-1",
    ],
    "If-Modified-Since": ["Sun, 09 Sep 2001 01:46:40 GMT", "Mon, 10 Sep 2001 01:46:40 GMT", "x"],
    "If-Unmodified-Since": ["Sun, 09 Sep 2001 01:46:40 GMT", "Sat, 08 Sep 2001 01:46:40 GMT"],
    "If-None-Match": ["*", '"3b9aca00-1e"', 'W/"3b9aca00-1e"', '"x"', "x"],
    "If-Match": ["*", '"3b9aca00-1e"', 'W/"3b9aca00-1e"', '"x", "3b9aca00-1e"'],
    "If-Range": ['"3b9aca00-1e"', "Sun, 09 Sep 2001 01:46:40 GMT", "x"],
    "Accept-Encoding": ["gzip", "gzip;q=0", "deflate, gzip;q=0.5", "*", "br", "gzip; q=0.000"],
    "Cookie": ["a=b", "id=x; a=c", "a=b; a=d", "b=a", "=a; a", "a = b", "id=fwAAAQ"],
    "Referer": ["http://www.ok.example/x", "https://re/", "x", "", "http://a/", "ftp://ok.example"],
    "User-Agent": [
        *("Mozilla/4.0 (compatible; MSIE 6.0)", "Mozilla/5.0 (X11; rv:9) Gecko/20100101 Firefox/9"),
        *("curl/8", "", "Mozilla/5.0 Chrome/99.0 Safari/537.36"),
    ],
    "X-Map": ["a.example", "b.example", "A.EXAMPLE", "rest", "x", ".example", "*.example"],
    "X-Forwarded-For": ["10.1.2.3", "10.2.0.1, 1.2.3.4", "2001:db8::1", "x", "", "127.0.0.1, x"],
    "X-Split": ["a", "b", "c", "d", "e"],
    "X-Auth": ["200", "401", "403", "500", "204"],
    "A-B": ["c", "", " d "],
    "Content-Type": ["text/plain", "", "application/x-www-form-urlencoded", "a/b; charset=c"],
    "Connection": ["close", "keep-alive", "upgrade", "x"],
    "Upgrade": ["websocket", "h2c"],
    "Expect": ["100-continue"],
    "Via": ["1.1 x"],
    "Authorization": [""],
}
