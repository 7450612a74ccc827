"""Other spellings of what rules report, and of what they must not report.

Each rule has a bad and a good example on its page.  Here are the forms beside them: on other
levels, by other directives, with variables in between, in other dialects."""

from __future__ import annotations

import pytest

from ..kit import Linter
from .test_silence import APP, KEY, server

AUTH = 'auth_jwt "x";'
FILE = "auth_jwt_key_file keys/jwks.json;"
KEYS = 'auth_jwt "x"; auth_jwt_key_request /_jwks;'
FETCH = "internal; proxy_pass https://idp.example/jwks.json;"
SECRET = "auth_jwt_key 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
MAXLT = f"auth_jwt on; {SECRET} hex; auth_jwt_alg HS256;"
TESLA = f"auth_jwt_enabled on; {SECRET};"
ZONE = "proxy_cache_path c keys_zone=z:1m;"
CACHE = "proxy_cache z; proxy_cache_valid 1m;"
IDENTITY = "proxy_set_header X-User $jwt_claim_sub;"
TWO = "upstream app { server 127.0.0.1:9000; }"
Forms = tuple[str | tuple[str, str], ...]

# By rule: bad forms, then good ones; a pair is what stands in "http" and in "server".
SIBLINGS: dict[str, tuple[Forms, Forms]] = {
    "alias-traversal": (
        (
            "location /i { alias /srv/img/; autoindex on; }",
            'location ^~ "/i" { alias "/srv/img/"; }',
            "location /a { location /a/i { alias /srv/i/; } }",
            "location /i { alias $document_root/img/; }",
            "location /i { alias /srv/i/; if ($arg_x) { return 403; } }",
        ),
        (
            "location /i { alias /srv/img; }",
            "location /i/ { alias /srv/img/; }",
            "location = /i { alias /srv/img/; }",
            "location ~ ^/i(/.*)$ { alias /srv/img/$1; }",
            "location /i { internal; alias /srv/img/; }",
            "location /i { alias /srv/img/; } location ~ /i\\.\\. { return 404; }",
        ),
    ),
    "host-spoofing": (
        (
            f"location / {{ proxy_set_header HOST $http_host; {APP} }}",
            f'proxy_set_header Host "${{http_host}}"; location / {{ {APP} }}',
            f"set $h $http_host; location / {{ proxy_set_header Host $h; {APP} }}",
            (
                "map $http_x_forwarded_host $h { default $http_x_forwarded_host; '' $host; }",
                f"location / {{ proxy_set_header Host $h; {APP} }}",
            ),
            "location / { fastcgi_param HTTP_HOST $http_host; fastcgi_pass 127.0.0.1:9000; }",
            "location / { uwsgi_param HTTP_HOST $arg_h; uwsgi_pass 127.0.0.1:9000; }",
        ),
        (
            f"location / {{ proxy_set_header Host $host; {APP} }}",
            f"location / {{ proxy_set_header Host $proxy_host; {APP} }}",
            f"location / {{ proxy_set_header Host $server_name:$server_port; {APP} }}",
            f"location / {{ proxy_set_header X-Forwarded-Host $http_host; {APP} }}",
            (
                "map $http_host $h { hostnames; a.example a; default b; }",
                f"location / {{ proxy_set_header Host $h; {APP} }}",
            ),
        ),
    ),
    "ssrf": (
        (
            "location / { set_unescape_uri $to $arg_to; proxy_pass http://$to; }",
            "location / { set $d x; set_if_empty $d $http_x_to; proxy_pass http://$d; }",
            "location / { proxy_pass http://$echo_client_request_headers; }",
            "location / { set $to $arg_to; set_unescape_uri $to; proxy_pass http://$to; }",
            "location / { proxy_pass http://$arg_host; }",
            "location / { proxy_pass http://$cookie_backend$request_uri; }",
            "location / { set $to $http_x_backend; proxy_pass $scheme://$to; }",
            "location ~ ^/p/(https?)/(.*?)/(.*) { proxy_pass $1://$2/$3; }",
            "location ~ ^/p/(https?)/(.*)/ { set $s $1; set $to $2; proxy_pass $s://$to/; }",
            ("map $arg_b $to { default $arg_b; }", "location / { proxy_pass http://$to/; }"),
            "location ~ ^/p/(?<to>[^/]+) { proxy_pass http://$to; }",
            "location / { rewrite ^/(.+)$ $1 break; proxy_pass http://127.0.0.1:$arg_port; }",
            "location ~ ^/f/(.+)$ { fastcgi_pass $1:9000; }",
            "location / { if ($arg_x) { proxy_pass http://$arg_x; } }",
            "location ~ ^/api(.*)$ { proxy_pass http://10.0.0.1$1; }",
        ),
        (
            "location ~ ^/p/(https?)/(.*) { proxy_pass $1://10.0.0.1/$2; }",
            "location / { set_md5 $to $arg_to; proxy_pass http://$to.example; }",
            (
                "keyval_zone zone=k:1m; keyval $arg_to $to zone=k;",
                "location / { proxy_pass http://$to; }",
            ),
            "location / { proxy_pass http://127.0.0.1:9000$request_uri; }",
            "location / { proxy_pass http://127.0.0.1:9000/$arg_path; }",
            "location ~ ^/api(.*)$ { proxy_pass http://127.0.0.1:8088$1; }",
            "location ~ ^/api(.*)$ { proxy_pass http://app.example:8088$1; }",
            "location ~ ^/api(.*)$ { proxy_pass http://[::1]:8088$1; }",
            (
                "map $arg_b $to { a 127.0.0.1; b 127.0.0.2; }",
                "location / { proxy_pass http://$to; }",
            ),
            "location / { set $to 127.0.0.1; proxy_pass http://$to$uri$is_args$args; }",
            "location ~ ^/([a-z])/ { proxy_pass http://app-$1.example; }",
        ),
    ),
    "http-splitting": (
        (
            "location / { more_set_headers -s 200 'X-Uri: $uri'; }",
            f"location / {{ more_set_input_headers 'X-Uri: ${{document_uri}}'; {APP} }}",
            "location / { return 302 https://$host$uri; }",
            'location / { return 301 "https://a.example${document_uri}"; }',
            "location / { rewrite ^/(.*)$ https://a.example$uri; }",
            "location / { set $to $uri; return 307 /x$to; }",
            'location / { add_header X-Uri "<$uri>" always; }',
            f"location / {{ proxy_set_header X-Uri $uri; {APP} }}",
            "location ~ ^/(?<rest>[^/]*)$ { add_header X-Rest $rest; return 200; }",
            "location / { add_trailer X-Uri $uri; }",
        ),
        (
            "location / { more_set_headers 'X-Uri: $request_uri'; }",
            "location / { return 302 https://$host$request_uri; }",
            "location / { return 200 $uri; }",
            "location / { rewrite ^ $uri.html last; }",
            "location = /a { return 302 /b$uri; }",
            "location ~ ^/(?<rest>[a-z]*)$ { add_header X-Rest $rest; return 200; }",
            "location / { return 404 https://$host$uri; }",
        ),
    ),
    "add-header-redefinition": (
        (
            "add_header X-Frame-Options DENY; location / { add_header X-A 1; }",
            (
                "add_header Strict-Transport-Security max-age=1;",
                "location / { add_header X-A 1; }",
            ),
            "add_header x-frame-options DENY; location / { if ($arg_a) { add_header X-A 1; } }",
            "add_header Content-Security-Policy $host; location /a { location /a/b "
            "{ add_header X-A 1; } }",
        ),
        (
            "add_header X-Frame-Options DENY; location / { }",
            "add_header X-Frame-Options DENY; location / { add_header X-FRAME-OPTIONS "
            "SAMEORIGIN; }",
            "add_header X-Frame-Options DENY; location / { add_header_inherit merge; "
            "add_header X-A 1; }",
            "add_header X-Cache $upstream_cache_status; location / { add_header X-A 1; }",
            "add_header X-Frame-Options DENY; location / { expires 1h; add_trailer X-A 1; }",
        ),
    ),
    "valid-referers-none": (
        (
            "valid_referers none blocked a.example; location / { if ($invalid_referer) "
            "{ return 403; } }",
            "location ~ \\.png$ { valid_referers server_names none; }",
            "location / { valid_referers blocked; valid_referers none *.example; }",
        ),
        (
            "location / { valid_referers blocked a.example; }",
            "location / { valid_referers server_names none.example; }",
            "location / { valid_referers ~none; }",
        ),
    ),
    "regex-dos": (
        (
            "location ~ ^/(a+)+$ { }",
            "location ~* ^/([a-z]+)*x$ { }",
            "location / { rewrite ^/(.*a)*b$ /c; }",
            "location / { if ($http_user_agent ~* '(x+x+)+y') { return 403; } }",
            ("map $http_referer $a { '~^(\\w+\\s?)*$' 1; }", ""),
            "location / { location ~ ^/x/(b|bb)+$ { } }",
            "if ($args ~ '^(([a-z])+.)+[A-Z]$') { return 403; }",
        ),
        (
            "location ~ ^/(a+)$ { }",
            "location ~* ^/([a-z]+/)*x$ { }",
            "location / { rewrite ^/(.*)/(.*)$ /c; }",
            "location / { if ($request_method ~ '^(a+)+$') { return 403; } }",
            ("map $server_name $a { '~^(\\w+\\s?)*$' 1; }", ""),
            "location ~ ^/(?>a+)+$ { }",
        ),
    ),
    "external-resolver": (
        (
            "resolver 8.8.8.8; location / { proxy_pass http://$arg_a; }",
            ("resolver 127.0.0.1 1.1.1.1:53 valid=10s;", "location / { }"),
            'location / { resolver "[2606:4700:4700::1111]" ipv6=off; }',
            "location / { resolver 9.9.9.9 8.8.4.4; }",
        ),
        (
            "resolver 127.0.0.53;",
            "resolver 10.0.0.2 valid=30s;",
            "resolver dns.internal:53;",
            'resolver "[fd00::1]";',
        ),
    ),
    "if-is-evil": (
        (
            f"location / {{ try_files $uri =404; if ($arg_a) {{ {APP} }} }}",
            "location / { if ($arg_a) { add_header A 1; } if ($arg_b) { add_header B 1; } }",
            "location ~ ^/a { if ($host = a) { expires 1h; } if ($host != b) { gzip on; } }",
            "location /a { location /a/b { try_files $uri =404; if ($arg_a) { set $x 1; } } }",
        ),
        (
            "location / { if ($arg_a) { return 403; } try_files $uri =404; }",
            "location / { if ($arg_a) { set $x 1; } if ($arg_b) { set $x 2; } }",
            "location / { if ($host = a) { add_header A 1; } if ($host = b) { add_header B 1; } }",
            "location / { if ($arg_a) { rewrite ^ /b last; } try_files $uri =404; }",
        ),
    ),
    "auth-without-key": (
        (
            f"location / {{ {AUTH} auth_jwt_require $jwt_claim_sub; {APP} }}",
            f"{AUTH} auth_jwt_phase access; location /a/ {{ {APP} }}",
            'location ~ ^/a { auth_jwt "x" token=$cookie_t; auth_jwt_type signed; }',
            f"location @a {{ {AUTH} auth_jwt_leeway 5s; {APP} }}",
            f"location / {{ {FILE} limit_except GET {{ {AUTH} }} }} location /b {{ {AUTH} }}",
        ),
        (
            f"{FILE} location / {{ {AUTH} }}",
            (f"{FILE}", f"location / {{ {AUTH} }}"),
            f"location / {{ {KEYS} }} location = /_jwks {{ {FETCH} }}",
            f"{AUTH} location / {{ auth_jwt off; }} location /b {{ {FILE} }}",
            f"location / {{ {MAXLT} }}",
        ),
    ),
    "weak-key": (
        (
            f"location / {{ {AUTH} auth_jwt_key_file keys/short.json; }}",
            f"auth_jwt_key_file keys/short.json; location ~ ^/a {{ {AUTH} }}",
            "location / { auth_jwt on; auth_jwt_key secret; auth_jwt_alg HS256; }",
            "location / { auth_jwt on; auth_jwt_key 00112233445566778899aabbccddeeff hex; }",
            "location / { auth_jwt_enabled on; auth_jwt_key 00112233; }",
        ),
        (
            f"location / {{ {KEY} }}",
            f"location / {{ {MAXLT} }}",
            f"location / {{ {TESLA} }}",
            "auth_jwt_key_file keys/short.json; location / { }",
        ),
    ),
    "private-key-in-jwks": (
        (
            f"location / {{ {AUTH} auth_jwt_key_file keys/private.json; }}",
            f"auth_jwt_key_file keys/private.json; location @a {{ {AUTH} }}",
            f'auth_jwt_key_file "keys/private.json"; location / {{ {AUTH} auth_jwt_phase '
            f"access; }}",
        ),
        (
            f"location / {{ {KEY} }}",
            "location / { auth_jwt_key_file keys/private.json; }",
            f"location / {{ {AUTH} auth_jwt_type encrypted; auth_jwt_key_file "
            f"keys/private.json; }}",
        ),
    ),
    "key-file-permissions": (
        (
            f"location / {{ {AUTH} auth_jwt_key_file keys/world.json; }}",
            f"auth_jwt_key_file keys/world.json; location @a {{ {AUTH} }}",
            (
                "auth_jwt_key_file keys/world.json;",
                f"location / {{ limit_except GET {{ {AUTH} }} }}",
            ),
        ),
        (
            f"location / {{ {KEY} }}",
            "auth_jwt_key_file keys/world.json; location / { }",
            f"auth_jwt_key_file keys/world.json; location / {{ {KEY} }}",
        ),
    ),
    "jwks-location-public": (
        (
            f"location / {{ {KEYS} }} location = /_jwks {{ proxy_pass https://idp.example; }}",
            f"{KEYS} location /_jwks {{ auth_jwt off; proxy_pass https://idp.example; }}",
            f"location / {{ {KEYS} }} location ~ ^/_jwks$ {{ set $to https://idp.example; "
            "proxy_pass $to; }",
        ),
        (
            f"location / {{ {KEYS} }} location = /_jwks {{ {FETCH} }}",
            f"location / {{ {KEYS} }} location = /_jwks {{ deny all; proxy_pass "
            f"https://a.example; }}",
            f"{KEYS} location /_jwks {{ {FETCH} auth_jwt off; }}",
            f"location / {{ {KEYS} }} location = /_jwks {{ return 200 '{{}}'; }}",
        ),
    ),
    "jwks-over-http": (
        (
            f"location / {{ {KEYS} }} location = /_jwks {{ proxy_pass HTTP://192.0.2.1/k; }}",
            f"location / {{ {KEYS} }} location = /_jwks {{ set $to idp.example; "
            "proxy_pass http://$to/k; }",
            (
                "upstream idp { server 127.0.0.1:1; server 192.0.2.1:80; }",
                f"{KEYS} location /_jwks {{ proxy_pass http://idp/k; }}",
            ),
            (
                "map $host $idp { default http://idp.example; a https://a.example; }",
                f"location / {{ {KEYS} }} location = /_jwks {{ proxy_pass $idp; }}",
            ),
        ),
        (
            f"location / {{ {KEYS} }} location = /_jwks {{ proxy_pass https://idp.example; }}",
            f"location / {{ {KEYS} }} location = /_jwks {{ proxy_pass http://localhost:1; }}",
            f"location / {{ {KEYS} }} location = /_jwks {{ proxy_pass http://[::1]:1; }}",
            (
                "upstream idp { server unix:/run/idp.sock; }",
                f"location / {{ {KEYS} }} location = /_jwks {{ proxy_pass http://idp; }}",
            ),
        ),
    ),
    "jwks-leaks-credentials": (
        (
            f"location / {{ {KEYS} }} location = /_jwks {{ {FETCH} }}",
            f"location / {{ {KEYS} }} location = /_jwks {{ {FETCH} "
            "proxy_set_header Authorization ''; }",
            f"location / {{ {KEYS} }} location = /_jwks {{ {FETCH} proxy_set_header COOKIE ''; }}",
            f"location / {{ {KEYS} }} location = /_jwks {{ {FETCH} proxy_set_header Cookie '';"
            "set $t $http_authorization; proxy_set_header Authorization $t; }",
            f"proxy_set_header Cookie ''; location / {{ {KEYS} }} location = /_jwks {{ {FETCH} "
            "proxy_set_header Authorization ''; }",
        ),
        (
            f"location / {{ {KEYS} }} location = /_jwks {{ {FETCH} "
            "proxy_pass_request_headers off; }",
            f"location / {{ {KEYS} }} location = /_jwks {{ {FETCH} "
            "proxy_set_header AUTHORIZATION ''; proxy_set_header cookie \"\"; }",
            f"proxy_pass_request_headers off; location / {{ {KEYS} }} "
            f"location = /_jwks {{ {FETCH} }}",
            f"location / {{ {KEYS} }} location = /_jwks {{ {FETCH} proxy_set_header Cookie '';"
            "proxy_set_header Authorization 'Basic YTpi'; }",
        ),
    ),
    "jwks-compressed": (
        (
            f"location / {{ {KEYS} }} location = /_jwks {{ {FETCH} proxy_set_header Cookie '';"
            "proxy_set_header Authorization ''; }",
            f"location / {{ {KEYS} }} location = /_jwks {{ {FETCH} proxy_set_header Cookie '';"
            "proxy_set_header Authorization ''; "
            "proxy_set_header Accept-Encoding $http_accept_encoding; }",
            f"proxy_set_header Authorization ''; proxy_set_header Cookie '';"
            f"location / {{ {KEYS} }} location = /_jwks {{ {FETCH} }}",
        ),
        (
            f"location / {{ {KEYS} }} location = /_jwks {{ {FETCH} "
            "proxy_pass_request_headers off; }",
            f"location / {{ {KEYS} }} location = /_jwks {{ {FETCH} proxy_set_header Cookie '';"
            "proxy_set_header Authorization ''; proxy_set_header accept-encoding identity; }",
            f"location / {{ {KEYS} }} location = /_jwks {{ {FETCH} proxy_set_header Cookie '';"
            "proxy_set_header Authorization ''; gunzip on; }",
        ),
    ),
    "jwks-stale-too-long": (
        (
            (
                ZONE,
                f"location / {{ {KEYS} }} location = /_jwks {{ {FETCH} proxy_cache z; "
                "proxy_cache_valid any 2d; }",
            ),
            (
                f"{ZONE} proxy_cache z; proxy_cache_valid 7d;",
                f"location / {{ {KEYS} }} location = /_jwks {{ {FETCH} }}",
            ),
            f"{KEYS} auth_jwt_key_cache 25h; location / {{ }} location = /_jwks {{ {FETCH} }}",
            f"auth_jwt_key_cache 30d; location / {{ {KEY} }}",
        ),
        (
            (
                ZONE,
                f"location / {{ {KEYS} }} location = /_jwks {{ {FETCH} proxy_cache z; "
                "proxy_cache_valid 200 24h; }",
            ),
            (
                ZONE,
                f"location / {{ {KEYS} }} location = /_jwks {{ {FETCH} proxy_cache z; "
                "proxy_cache_valid 404 7d; proxy_cache_valid 200 1h; }",
            ),
            f"auth_jwt_key_cache 1d; location / {{ {KEY} }}",
            (
                ZONE,
                f"location / {{ {KEYS} }} location = /_jwks {{ {FETCH} }} "
                "location /a { proxy_cache z; proxy_cache_valid 30d; proxy_pass "
                "http://127.0.0.1; }",
            ),
        ),
    ),
    "jwks-not-cached": (
        (
            f"{KEYS} location / {{ }} location = /_jwks {{ {FETCH} }}",
            (
                f"{ZONE} proxy_cache_valid 10m;",
                f"location / {{ {KEYS} }} location = /_jwks {{ {FETCH} }}",
            ),
            (
                f"{ZONE} {CACHE}",
                f"location / {{ {KEYS} }} location = /_jwks {{ {FETCH} proxy_cache off; }}",
            ),
            (
                ZONE,
                f"location / {{ {KEYS} }} location = /_jwks {{ {FETCH} proxy_cache z; "
                "proxy_cache_valid 404 1m; }",
            ),
        ),
        (
            (
                ZONE,
                f"location / {{ {KEYS} }} location = /_jwks {{ {FETCH} proxy_cache z; "
                "proxy_ignore_headers Cache-Control Expires Set-Cookie X-Accel-Expires;"
                "proxy_cache_valid 200 10m; }",
            ),
            (
                f"{ZONE} {CACHE} proxy_ignore_headers cache-control expires;",
                f"location / {{ {KEYS} }} location = /_jwks {{ {FETCH} }}",
            ),
            f"auth_jwt_key_cache 10m; location / {{ {KEYS} }} location = /_jwks {{ {FETCH} }}",
            f"location / {{ {KEY} }} location = /_jwks {{ {FETCH} }}",
        ),
    ),
    "jwks-cache-overruled": (
        (
            (
                ZONE,
                f"location / {{ {KEYS} }} location = /_jwks {{ {FETCH} proxy_cache z; "
                "proxy_cache_valid 200 10m; }",
            ),
            (
                ZONE,
                f"location / {{ {KEYS} }} location = /_jwks {{ {FETCH} proxy_cache z; "
                "proxy_cache_valid 200 10m; proxy_ignore_headers Set-Cookie; }",
            ),
            (
                f"{ZONE} {CACHE} proxy_ignore_headers Expires;",
                f"{KEYS} location / {{ }} location = /_jwks {{ {FETCH} }}",
            ),
        ),
        (
            (
                ZONE,
                f"location / {{ {KEYS} }} location = /_jwks {{ {FETCH} proxy_cache z; "
                "proxy_cache_valid 200 10m; proxy_ignore_headers cache-control Expires; }",
            ),
            (
                f"{ZONE} {CACHE} proxy_ignore_headers Expires Cache-Control Set-Cookie;",
                f"{KEYS} location / {{ }} location = /_jwks {{ {FETCH} }}",
            ),
            (
                ZONE,
                f"location / {{ {KEYS} auth_jwt_key_cache 10m; }} location = /_jwks {{ {FETCH} "
                f"{CACHE} }}",
            ),
            f"location / {{ {KEYS} }} location = /_jwks {{ {FETCH} }}",
        ),
    ),
    "require-without-auth": (
        (
            f"{FILE} location / {{ auth_jwt_require $jwt_claim_sub; {APP} }}",
            f"{FILE} {AUTH} location / {{ auth_jwt off; auth_jwt_require $jwt_claim_sub; }}",
            f"{FILE} location / {{ auth_jwt_require_claim sub eq x; }}",
            f"location / {{ {KEY} }} location @a {{ auth_jwt_validate_claim iss a; {APP} }}",
            f"{FILE} location / {{ limit_except GET {{ auth_jwt_require $jwt_claim_a; }} }}",
        ),
        (
            f"location / {{ {KEY} auth_jwt_require $jwt_claim_sub; }}",
            f"{KEY} location / {{ auth_jwt_require $jwt_claim_sub; }}",
            f"{FILE} auth_jwt_require $jwt_claim_sub; location /a {{ location /a/b {{ {AUTH} }} }}",
            f"{FILE} location / {{ auth_jwt_require $jwt_claim_a; limit_except GET {{ {AUTH} }} }}",
        ),
    ),
    "require-split-over-levels": (
        (
            f"{KEY} auth_jwt_require $jwt_claim_a; location / {{ auth_jwt_require $jwt_claim_b; }}",
            (
                "auth_jwt_require $jwt_claim_a error=403;",
                f"location / {{ {KEY} auth_jwt_require $jwt_claim_b; }}",
            ),
            f"location /a {{ {KEY} auth_jwt_require $jwt_claim_a; location /a/b "
            "{ auth_jwt_require $jwt_claim_b; } }",
            f"{KEY} auth_jwt_require_claim sub eq a; location / {{ auth_jwt_require_claim "
            f"aud eq b; }}",
            f"{KEY} auth_jwt_validate_claim iss a; location / {{ auth_jwt_validate_claim aud b; }}",
        ),
        (
            f"{KEY} auth_jwt_require $jwt_claim_a; location / {{ }}",
            f"{KEY} auth_jwt_require $jwt_claim_a; location / "
            "{ auth_jwt_require $jwt_claim_a $jwt_claim_b; }",
            f"{KEY} auth_jwt_require $jwt_claim_a; location / {{ auth_jwt off; "
            "auth_jwt_require $jwt_claim_b; }",
            f"{KEY} location / {{ auth_jwt_require $jwt_claim_a; }} location /b "
            "{ auth_jwt_require $jwt_claim_b; }",
        ),
    ),
    "require-always-true": (
        (
            (
                "map $jwt_claim_role $ok { default 1; admin 2; }",
                f"location / {{ {KEY} auth_jwt_require $ok; }}",
            ),
            f"location / {{ {KEY} set $ok yes; auth_jwt_require $ok; }}",
            f"{KEY} auth_jwt_require $request_method; location / {{ }}",
            f"location / {{ {KEY} if ($jwt_claim_a) {{ return 403; }} "
            "auth_jwt_require ${request_id}; }",
            ("geo $ok { default 1; }", f"location / {{ {KEY} auth_jwt_require $ok; }}"),
            (
                "split_clients $remote_addr $ok { 50% a; * b; }",
                f"location / {{ {KEY} auth_jwt_require $ok error=403; }}",
            ),
        ),
        (
            (
                "map $jwt_claim_role $ok { admin 1; }",
                f"location / {{ {KEY} auth_jwt_require $ok; }}",
            ),
            (
                "map $jwt_claim_role $ok { default 0; admin 1; }",
                f"{KEY} auth_jwt_require $ok; location / {{ }}",
            ),
            f"location / {{ {KEY} auth_jwt_require $jwt_claim_sub; }}",
            (
                "geo $ok { default 0; 10.0.0.0/8 1; }",
                f"location / {{ {KEY} auth_jwt_require $ok; }}",
            ),
            f"location / {{ {KEY} if ($arg_x) {{ set $ok 1; }} auth_jwt_require $ok; }}",
        ),
    ),
    "auth-only-in-limit-except": (
        (
            f"location / {{ {FILE} limit_except GET {{ {AUTH} }} {APP} }}",
            f"{FILE} location ~ ^/a {{ limit_except get head {{ {AUTH} }} }}",
            f"location / {{ limit_except GET {{ {KEY} auth_jwt_require_claim sub eq a; }} {APP} }}",
            f"location / {{ limit_except POST {{ {KEY} }} fastcgi_pass 127.0.0.1:9; }}",
        ),
        (
            f"location / {{ {KEY} limit_except GET {{ {AUTH} }} }}",
            f"location / {{ {FILE} limit_except OPTIONS {{ {AUTH} }} }}",
            f"location / {{ {FILE} deny all; limit_except GET {{ {AUTH} }} }}",
            f"location / {{ internal; {FILE} limit_except GET {{ {AUTH} }} }}",
        ),
    ),
    "satisfy-any": (
        (
            f"satisfy any; location / {{ {KEY} allow 10.0.0.0/8; deny all; }}",
            (
                "satisfy ANY; allow 10.0.0.0/8; deny all;",
                f"location @a {{ {KEY} {APP} }}",
            ),
            f"location / {{ {KEY} satisfy any; allow unix:; deny all; }}",
            f"location / {{ {TESLA} satisfy any; allow all; }}",
        ),
        (
            f"satisfy any; location / {{ {KEY} satisfy all; allow 10.0.0.0/8; }}",
            f"location / {{ {KEY} satisfy any; deny all; }}",
            f"location / {{ {KEY} satisfy any; auth_basic a; auth_basic_user_file /x; }}",
            "location / { satisfy any; allow 10.0.0.0/8; deny all; }",
        ),
    ),
    "return-before-auth": (
        (
            f"{KEY} location / {{ return 200 ok; }}",
            f"location / {{ {KEY} if ($arg_a) {{ return 200 $http_cookie; }} }}",
            f"location / {{ {KEY} rewrite ^ /open last; }} location /open {{ {APP} }}",
            f"location / {{ {KEY} return 403; error_page 403 /open; }} location /open {{ {APP} }}",
            f"location / {{ {TESLA} return 201 created; }}",
            f"location / {{ {KEY} if ($arg_a) {{ rewrite ^ /open; }} }} location /open {{ {APP} }}",
        ),
        (
            f"location / {{ {KEY} return 403; }}",
            f"location / {{ {KEY} if ($request_method = OPTIONS) {{ return 200; }} }}",
            f"location / {{ {KEY} rewrite ^ /b last; }} location /b {{ {KEY} {APP} }}",
            f"location / {{ {KEY} rewrite ^/a/(.*) /$1 break; {APP} }}",
            f"location / {{ {KEY} return 204; }}",
            f"location @a {{ {KEY} return 200; }}",
        ),
    ),
    "auth-off-nested": (
        (
            f"{KEY} location / {{ auth_jwt off; {APP} }}",
            (f"{KEY}", f"location ~ ^/a {{ auth_jwt off; {APP} }}"),
            f"location /a {{ {KEY} location /a/b {{ auth_jwt off; }} }}",
            f"location / {{ {KEY} limit_except GET {{ auth_jwt off; }} }}",
            f"{TESLA} location / {{ auth_jwt_enabled off; {APP} }}",
            f"{MAXLT} location / {{ auth_jwt off; {APP} }}",
        ),
        (
            f"auth_jwt off; location / {{ {KEY} }} location /b {{ auth_jwt off; }}",
            f"{KEY} location / {{ auth_jwt off; internal; }}",
            f"{KEY} location @x {{ auth_jwt off; {APP} }}",
            f"{KEY} location / {{ auth_jwt off; return 301 /b; }}",
        ),
    ),
    "regex-shadows-protected-prefix": (
        (
            f"location /admin/ {{ {KEY} {APP} }} location ~ \\.php$ {{ {APP} }}",
            f"location /admin {{ {TESLA} {APP} }} location ~* \\.(css|js)$ {{ {APP} }}",
            (TWO, f"location /a/ {{ {KEY} proxy_pass http://app; }} location ~ /x$ {{ {APP} }}"),
            f"location /a/ {{ {KEY} fastcgi_pass 127.0.0.1:9; }} "
            "location ~ \\.php { fastcgi_pass 127.0.0.1:9; }",
            f"location /a/ {{ {KEY} }} location ~ \\.css$ {{ expires 1h; }}",
        ),
        (
            f"location ^~ /admin/ {{ {KEY} {APP} }} location ~ \\.php$ {{ {APP} }}",
            f"location /admin/ {{ {KEY} {APP} }} location ~ ^/b.*\\.php$ {{ {APP} }}",
            f"{KEY} location /admin/ {{ {APP} }} location ~ \\.php$ {{ {APP} }}",
            f"location /admin/ {{ {KEY} {APP} }} location ~ \\.php$ {{ deny all; {APP} }}",
            f"location /admin/ {{ {KEY} {APP} }} location ~ \\.php$ {{ return 404; }}",
        ),
    ),
    "exact-or-case-gap": (
        (
            f"location = /admin {{ {KEY} {APP} }} location / {{ {APP} }}",
            f"location /admin/ {{ {KEY} {APP} }} location / {{ {APP} }}",
            (TWO, f"location = /a {{ {TESLA} {APP} }} location ~ ^/ {{ proxy_pass http://app; }}"),
            f"location ^~ /Admin {{ {KEY} {APP} }} location / {{ {APP} }}",
        ),
        (
            f"location = /1 {{ {KEY} {APP} }} location /1/ {{ {KEY} {APP} }}",
            f"location = /1 {{ {KEY} {APP} }} location / {{ proxy_pass http://127.0.0.1:9001; }}",
            f"location = /1 {{ {KEY} {APP} }} location / {{ deny all; {APP} }}",
            f"location = /1 {{ {KEY} {APP} }} location / {{ return 404; }}",
        ),
    ),
    "error-page-fallback-unprotected": (
        (
            f"location / {{ {KEY} echo a; error_page 401 @o; }} location @o {{ echo a; }}",
            f"location / {{ {KEY} {APP} error_page 401 = @open; }} location @open {{ {APP} }}",
            f"error_page 401 403 =200 @o; location / {{ {KEY} {APP} }} location @o {{ {APP} }}",
            (
                TWO,
                f"location / {{ {TESLA} error_page 401 @o; proxy_pass http://app; }} "
                f"location @o {{ {APP} }}",
            ),
            f"location /a {{ {KEY} try_files $uri /b; }} location /b {{ {APP} }}",
            f"location / {{ {KEY} {APP} error_page 401 /o$uri; }} location /o/ {{ {APP} }}",
        ),
        (
            f"location / {{ {KEY} echo a; error_page 401 @o; }} location @o {{ echo b; }}",
            f"location / {{ {KEY} echo a; error_page 401 @o; }} location @o {{ empty_gif; }}",
            f"location / {{ {KEY} {APP} error_page 401 @o; }} location @o {{ {KEY} {APP} }}",
            f"location / {{ {KEY} {APP} error_page 401 @o; }} location @o {{ return 302 /login; }}",
            f"location / {{ {KEY} {APP} error_page 404 @o; }} location @o {{ {APP} }}",
            f"location / {{ {KEY} {APP} error_page 401 /401.html; }} location = /401.html {{ }}",
            f"location / {{ {KEY} {APP} error_page 401 @o; }} "
            "location @o { proxy_pass http://127.0.0.1:9001; }",
        ),
    ),
    "merge-slashes-off": (
        (
            f"merge_slashes off; location /a/ {{ {KEY} {APP} }} location / {{ {APP} }}",
            ("merge_slashes OFF;", f"location /a {{ {TESLA} {APP} }} location / {{ {APP} }}"),
            f"merge_slashes off; location = /a {{ {KEY} {APP} }} location ~ ^/ {{ {APP} }}",
        ),
        (
            f"location /a/ {{ {KEY} {APP} }} location / {{ {APP} }}",
            f"merge_slashes off; {KEY} location /a/ {{ {APP} }} location / {{ {APP} }}",
            f"merge_slashes off; location ~ ^/+a {{ {KEY} {APP} }} location / {{ {APP} }}",
            f"merge_slashes off; location /a {{ {KEY} {APP} }} location / {{ return 404; }}",
        ),
    ),
    "raw-uri-to-upstream": (
        (
            f"location /a/ {{ {KEY} {APP} }} location /b/ {{ set $app "
            f"http://127.0.0.1:9000; proxy_pass $app; }}",
            f"location /a/ {{ {KEY} {APP} }} location /b/ {{ {APP} }}",
            f"location /a/ {{ {KEY} {APP} }} location ^~ /b/ {{ {APP} }}",
            f"location /a/ {{ {KEY} {APP} }} location /b/ {{ set $x 127.0.0.1:9000; "
            "proxy_pass http://127.0.0.1:9000$request_uri; }",
            (TWO, f"location /a/ {{ {KEY} proxy_pass http://app; }} location /b/ {{ {APP} }}"),
        ),
        (
            f"location /a/ {{ {KEY} {APP} }} location /b/ {{ set $app "
            f"http://127.0.0.1:9000/b/; proxy_pass $app; }}",
            f"location /a/ {{ {KEY} {APP} }} location /b/ {{ proxy_pass "
            f"http://127.0.0.1:9000/b/; }}",
            f"location /a/ {{ {KEY} {APP} }} location = /b {{ {APP} }}",
            f"location /a/ {{ {KEY} {APP} }} location ~ ^/b/[a-z]+$ {{ {APP} }}",
            f"location /a/ {{ {KEY} {APP} }} location /b/ {{ auth_basic x; "
            f"auth_basic_user_file /x; {APP} }}",
            f"location /a/ {{ {KEY} {APP} }} location /b/ {{ proxy_pass http://127.0.0.1:9001; }}",
            f"location /a/ {{ {KEY} grpc_pass 127.0.0.1:9000; }} "
            "location /b/ { grpc_pass 127.0.0.1:9000; }",
        ),
    ),
    "upstream-has-open-door": (
        (
            f"location /a/ {{ {KEY} {APP} }} location = /b {{ set $app "
            f"http://127.0.0.1:9000; proxy_pass $app; }}",
            f"location /a/ {{ {KEY} set $to 127.0.0.1:9000; proxy_pass "
            f"http://$to/x/$arg_a; }} location = /b {{ {APP} }}",
            (
                "map $host $to { default 127.0.0.1:9000; a 127.0.0.1:9001; }",
                f"location /a/ {{ {KEY} {APP} }} location = /b {{ proxy_pass http://$to; }}",
            ),
            f"location /a/ {{ {KEY} uwsgi_pass 127.0.0.1:9; }} location = /b {{ uwsgi_pass "
            f"127.0.0.1:9; }}",
            f"location /a/ {{ {KEY} memcached_pass 127.0.0.1:9; }} location = /b {{ set "
            f"$memcached_key $uri; memcached_pass 127.0.0.1:9; }}",
            f"location /a/ {{ {KEY} {APP} }} location ~ ^/b/ {{ {APP} }}",
            (TWO, f"location /a/ {{ {TESLA} {APP} }} location = /b {{ proxy_pass http://app/x; }}"),
            (
                f"server {{ listen 127.0.0.1:81; {APP[:0]} location / {{ "
                "proxy_pass http://127.0.0.1:9000/; } }",
                f"location /a/ {{ {KEY} {APP} }}",
            ),
            f"location /a/ {{ {KEY} fastcgi_pass 127.0.0.1:9; }} location = /b "
            "{ fastcgi_pass 127.0.0.1:9; }",
            f"location /a/ {{ {KEY} {APP} }} location = /b {{ if ($arg_a) {{ {APP} }} }}",
        ),
        (
            f"location /a/ {{ {KEY} {APP} }} location = /b {{ set $app "
            f"http://127.0.0.1:9001; proxy_pass $app; }}",
            f"{KEY} location /a/ {{ {APP} }} location ~ ^/b/ {{ {APP} }}",
            f"location /a/ {{ {KEY} {APP} }} location = /b {{ internal; {APP} }}",
            f"location /a/ {{ {KEY} {APP} }} location = /b {{ deny all; {APP} }}",
            f"location /a/ {{ {KEY} {APP} }} location = /b {{ proxy_pass http://127.0.0.1:9001; }}",
        ),
    ),
    "identity-header-spoofable": (
        (
            f"location /a {{ {KEY} {IDENTITY} {APP} }} location /b {{ "
            f"more_clear_input_headers -t text/plain X-User; {APP} }}",
            f"location /a {{ {KEY} {IDENTITY} {APP} }} location /b {{ {APP} }}",
            f"location /a {{ {KEY} proxy_set_header X-USER $jwt_claim_sub; {APP} }} "
            f"location ~ ^/b {{ proxy_set_header X-User $http_x_user; {APP} }}",
            (
                TWO,
                f"location /a {{ {KEY} set $u $jwt_claim_sub; proxy_set_header X-User $u; {APP} }} "
                "location /b { proxy_pass http://app; }",
            ),
            (
                "map $jwt_claim_role $role { default $jwt_claim_role; }",
                f"location /a {{ {KEY} proxy_set_header X-Role r-$role; {APP} }} "
                f"location /b {{ {APP} }}",
            ),
            f"location /a {{ {KEY} fastcgi_param HTTP_X_USER $jwt_claim_sub; "
            "fastcgi_pass 127.0.0.1:9; } location /b { fastcgi_pass 127.0.0.1:9; }",
        ),
        (
            f"location /a {{ {KEY} {IDENTITY} {APP} }} location /b {{ "
            f"more_clear_input_headers X-User; {APP} }}",
            f"location /a {{ {KEY} {IDENTITY} {APP} }} location /b {{ "
            f"more_clear_input_headers 'x-*'; {APP} }}",
            f"more_set_input_headers 'X-User: anonymous'; location /a {{ {KEY} {IDENTITY} "
            f"{APP} }} location /b {{ {APP} }}",
            f"location /a {{ {KEY} {IDENTITY} {APP} }} location /b {{ "
            f"proxy_set_header X-User ''; {APP} }}",
            f"{IDENTITY} location /a {{ {KEY} {APP} }} location /b {{ {APP} }}",
            f"location /a {{ {KEY} {IDENTITY} {APP} }} location /b {{ "
            f"proxy_pass_request_headers off; {APP} }}",
            f"location /a {{ {KEY} {IDENTITY} {APP} }} location @b {{ {APP} }}",
            f"location /a {{ {KEY} {IDENTITY} {APP} }} location /b {{ return 404; {APP} }}",
        ),
    ),
    "identity-header-inheritance-lost": (
        (
            f"{KEY} {IDENTITY} location / {{ proxy_set_header Host $host; {APP} }}",
            (f"{IDENTITY}", f"{KEY} proxy_set_header A b; location / {{ {APP} }}"),
            f"{KEY} proxy_set_header X-User u-$jwt_claim_sub; location /a {{ location /a/b "
            f"{{ proxy_set_header Connection ''; {APP} }} }}",
            f"{KEY} set $u $jwt_claim_sub; proxy_set_header X-User $u; location ~ ^/a "
            f"{{ proxy_set_header Host $host; {APP} }}",
        ),
        (
            f"{KEY} {IDENTITY} location / {{ {APP} }}",
            f"{KEY} {IDENTITY} location / {{ proxy_set_header Host $host; "
            f"proxy_set_header x-user $jwt_claim_sub; {APP} }}",
            f"{KEY} {IDENTITY} location / {{ proxy_set_header Host $host; "
            f"proxy_set_header X-User ''; {APP} }}",
            f"{KEY} {IDENTITY} location / {{ proxy_set_header Host $host; "
            f"proxy_pass_request_headers off; {APP} }}",
        ),
    ),
    "underscore-header-smuggling": (
        (
            f"underscores_in_headers on; location / {{ {KEY} {IDENTITY} {APP} }}",
            ("ignore_invalid_headers off;", f"location / {{ {KEY} {IDENTITY} {APP} }}"),
            f"underscores_in_headers on; {KEY} proxy_set_header X-User-Id $jwt_claim_sub; "
            f"location ~ ^/a {{ {APP} }}",
        ),
        (
            f"location / {{ {KEY} {IDENTITY} {APP} }}",
            f"underscores_in_headers on; location / {{ {KEY} {IDENTITY} "
            f"proxy_set_header X_User ''; {APP} }}",
            f"underscores_in_headers on; location / {{ {KEY} proxy_set_header User "
            f"$jwt_claim_sub; {APP} }}",
            f"underscores_in_headers on; location / {{ {KEY} {IDENTITY} "
            f"proxy_pass_request_headers off; {APP} }}",
        ),
    ),
    "token-forwarded": (
        (
            f"location / {{ {KEY} {IDENTITY} {APP} }}",
            f"location / {{ {KEY} {IDENTITY} proxy_set_header X-Token $http_authorization; "
            f"proxy_set_header Authorization $http_authorization; {APP} }}",
            f'location / {{ auth_jwt "x" token=$cookie_t; {FILE} {IDENTITY} {APP} }}',
        ),
        (
            f"location / {{ {KEY} {IDENTITY} more_clear_input_headers Authorization; {APP} }}",
            f"location / {{ {KEY} {APP} }}",
            f"location / {{ {KEY} {IDENTITY} proxy_set_header AUTHORIZATION ''; {APP} }}",
            f"location / {{ {KEY} {IDENTITY} proxy_pass_request_headers off; {APP} }}",
        ),
    ),
    "claim-in-target": (
        (
            f"location / {{ {KEY} proxy_pass http://$jwt_claim_tenant.example; }}",
            f"location / {{ {KEY} set $t $jwt_claim_tenant; root /srv/$t; }}",
            (
                "map $jwt_claim_tenant $to { default $jwt_claim_tenant; }",
                f"location / {{ {KEY} proxy_pass http://127.0.0.1/$to; }}",
            ),
            f"location /a/ {{ {KEY} alias /srv/${{jwt_claim_sub}}/; }}",
            f"{KEY} root /srv/$jwt_claim_sub; location / {{ }}",
            f"location / {{ {KEY} fastcgi_pass $jwt_claim_app:9000; }}",
        ),
        (
            (
                "map $jwt_claim_tenant $to { a 127.0.0.1; b 127.0.0.2; }",
                f"location / {{ {KEY} proxy_pass http://$to; }}",
            ),
            f"location / {{ {KEY} {IDENTITY} {APP} }}",
            f"location / {{ {KEY} if ($jwt_claim_a ~ '^([a-z]+)$') {{ set $t $1; }} "
            "proxy_pass http://127.0.0.1/$t; }",
            f"location / {{ {KEY} proxy_pass http://127.0.0.1:9000$request_uri; }}",
        ),
    ),
    "identity-from-client": (
        (
            f"location / {{ {KEY} proxy_set_header X-User $uid_got; {APP} }}",
            f"location / {{ {KEY} set_decode_base64 $u $cookie_u; proxy_set_header X-User "
            f"$u; {APP} }}",
            f"location / {{ {KEY} proxy_set_header X-User $http_x_user; {APP} }}",
            f"{KEY} proxy_set_header X-Remote-User $arg_user; location / {{ {APP} }}",
            f"location / {{ {KEY} set $u $cookie_user; proxy_set_header X-User-ID $u; {APP} }}",
            (
                "map $http_x_role $role { default $http_x_role; }",
                f"location / {{ {KEY} proxy_set_header X-Roles $role; {APP} }}",
            ),
            f"location / {{ {KEY} fastcgi_param REMOTE_USER $http_x_user; "
            "fastcgi_pass 127.0.0.1:9; }",
        ),
        (
            (
                "keyval_zone zone=k:1m; keyval $cookie_sid $u zone=k;",
                f"location / {{ {KEY} proxy_set_header X-User $u; {APP} }}",
            ),
            f"location / {{ {KEY} {IDENTITY} {APP} }}",
            f"location / {{ {KEY} proxy_set_header X-User-Agent $http_user_agent; {APP} }}",
            f"location / {{ {KEY} proxy_set_header X-User ''; {APP} }}",
            f"location / {{ {KEY} proxy_set_header X-User $remote_user; {APP} }}",
            f"location / {{ proxy_set_header X-User $http_x_user; {APP} }}",
        ),
    ),
    "cache-key-without-identity": (
        (
            (ZONE, f"location / {{ {KEY} {CACHE} {APP} }}"),
            (f"{ZONE} {CACHE}", f"{KEY} location ~ ^/a {{ proxy_cache_key $host$uri; {APP} }}"),
            (
                "fastcgi_cache_path c keys_zone=z:1m;",
                f"location / {{ {KEY} fastcgi_cache z; fastcgi_cache_key $uri; "
                "fastcgi_pass 127.0.0.1:9; }",
            ),
            (ZONE, f"location / {{ {KEY} {CACHE} set $k $uri; proxy_cache_key $k; {APP} }}"),
        ),
        (
            (
                f"{ZONE} keyval_zone zone=k:1m; keyval $http_authorization $who zone=k;",
                f"location / {{ {KEY} {CACHE} proxy_cache_key $who$uri; {APP} }}",
            ),
            (
                ZONE,
                f"location / {{ {KEY} {CACHE} set_sha1 $who $http_authorization; "
                f"proxy_cache_key $who$uri; {APP} }}",
            ),
            (ZONE, f"location / {{ {KEY} {CACHE} proxy_cache_key $jwt_claim_sub$uri; {APP} }}"),
            (
                ZONE,
                f"location / {{ {KEY} {CACHE} proxy_cache_key $http_authorization$uri; {APP} }}",
            ),
            (
                f"{ZONE} map $jwt_claim_sub $who {{ default $jwt_claim_sub; }}",
                f"location / {{ {KEY} {CACHE} proxy_cache_key $who$uri; {APP} }}",
            ),
            (ZONE, f"location / {{ {KEY} {CACHE} proxy_no_cache $jwt_claim_sub; {APP} }}"),
            (ZONE, f"location / {{ {CACHE} {APP} }}"),
            (f"{ZONE} {CACHE}", f"location / {{ {KEY} proxy_cache off; {APP} }}"),
        ),
    ),
    "cache-ignores-private": (
        (
            (ZONE, f"location / {{ {KEY} {CACHE} proxy_ignore_headers Cache-Control; {APP} }}"),
            (
                f"{ZONE} {CACHE} proxy_ignore_headers set-cookie;",
                f"{KEY} location / {{ {APP} }}",
            ),
            (ZONE, f"location ~ a {{ {KEY} {CACHE} proxy_ignore_headers Expires Vary; {APP} }}"),
            (
                "fastcgi_cache_path c keys_zone=z:1m;",
                f"location / {{ {KEY} fastcgi_cache z; fastcgi_cache_key $uri; "
                "fastcgi_ignore_headers Cache-Control; fastcgi_pass 127.0.0.1:9; }",
            ),
        ),
        (
            (ZONE, f"location / {{ {KEY} {CACHE} proxy_ignore_headers X-Accel-Redirect; {APP} }}"),
            (ZONE, f"location / {{ {CACHE} proxy_ignore_headers Cache-Control; {APP} }}"),
            f"location / {{ {KEY} proxy_ignore_headers Cache-Control; {APP} }}",
        ),
    ),
    "cache-inert": (
        (
            (ZONE, f"location / {{ proxy_cache z; {APP} }}"),
            (f"{ZONE} proxy_cache z;", f"location ~ ^/a {{ {APP} }}"),
            (
                "uwsgi_cache_path c keys_zone=z:1m;",
                "location / { uwsgi_cache z; uwsgi_cache_key $uri; uwsgi_pass 127.0.0.1:9; }",
            ),
        ),
        (
            (f"{ZONE} proxy_cache_valid 1m;", f"location / {{ proxy_cache z; {APP} }}"),
            (ZONE, f"location / {{ proxy_cache z; proxy_cache_valid 200 1m; {APP} }}"),
            (f"{ZONE} proxy_cache z;", f"location / {{ proxy_cache off; {APP} }}"),
            (f"{ZONE} proxy_cache z;", "location / { return 200; }"),
        ),
    ),
    "cache-errors": (
        (
            (ZONE, f"location / {{ proxy_cache z; proxy_cache_valid any 1m; {APP} }}"),
            (
                f"{ZONE} proxy_cache_valid 200 502 1m;",
                f"location / {{ proxy_cache z; {APP} }}",
            ),
            (ZONE, f"location ~ a {{ proxy_cache z; proxy_cache_valid 401 403 5m; {APP} }}"),
            (
                "scgi_cache_path c keys_zone=z:1m;",
                "location / { scgi_cache z; scgi_cache_key $uri; scgi_cache_valid any 1m; "
                "scgi_pass 127.0.0.1:9; }",
            ),
        ),
        (
            (ZONE, f"location / {{ proxy_cache z; proxy_cache_valid 1m; {APP} }}"),
            (ZONE, f"location / {{ proxy_cache z; proxy_cache_valid 404 1m; {APP} }}"),
            (ZONE, f"location / {{ proxy_cache z; proxy_cache_valid any 0; {APP} }}"),
            (f"{ZONE} proxy_cache_valid any 1m;", f"location / {{ {APP} }}"),
        ),
    ),
    "protected-public-cacheable": (
        (
            f"location / {{ {KEY} add_header Cache-Control 'max-age=60, PUBLIC'; {APP} }}",
            (f"{KEY} add_header cache-control public always;", f"location / {{ {APP} }}"),
            f"location ~ ^/a {{ {KEY} add_header Cache-Control s-maxage=5; {APP} }}",
            f"location / {{ {KEY} expires max; {APP} }}",
            f"{TESLA} expires 1h; location / {{ {APP} }}",
            f"location / {{ {KEY} set $cc public; add_header Cache-Control $cc; {APP} }}",
        ),
        (
            f"location / {{ {KEY} add_header Cache-Control private; expires 1h; {APP} }}",
            f"location / {{ {KEY} expires -1; {APP} }}",
            f"location / {{ {KEY} expires off; add_header Cache-Control s-maxage=0; {APP} }}",
            f"expires 1h; location / {{ {APP} }}",
            f"location / {{ {KEY} expires epoch; {APP} }}",
        ),
    ),
    "token-in-query": (
        (
            f'location / {{ auth_jwt "x" token=$arg_t; {FILE} }}',
            f'{FILE} auth_jwt "x" "token=${{arg_access_token}}"; location / {{ }}',
            f'location / {{ set $t $arg_t; auth_jwt "x" token=$t; {FILE} }}',
            (
                "map $http_authorization $t { default $http_authorization; '' $arg_t; }",
                f'location ~ a {{ auth_jwt "x" token=$t; {FILE} }}',
            ),
            (
                "map $args $t { '~t=(?<tok>[^&]+)' $tok; }",
                f'location / {{ auth_jwt "x" token=$t; {FILE} }}',
            ),
            f"location / {{ auth_jwt $arg_t; {SECRET} hex; auth_jwt_alg HS256; }}",
        ),
        (
            f"location / {{ {KEY} }}",
            f'location / {{ auth_jwt "x" token=$cookie_t; {FILE} }}',
            f'location / {{ auth_jwt "x" token=$http_x_token; {FILE} }}',
            f'{FILE} auth_jwt "x" token=$arg_t; location / {{ auth_jwt off; }}',
        ),
    ),
    "token-in-access-log": (
        (
            (
                "log_format f '$http_authorization'; access_log /dev/null f;",
                f"location / {{ {KEY} }}",
            ),
            (
                'log_format f escape=json \'{"a":"$jwt_payload"}\';',
                f"{KEY} location / {{ access_log /dev/null f if=$host; }}",
            ),
            (
                "log_format f '$t'; map $http_authorization $t { default $http_authorization; }",
                f"access_log /dev/null f; location ~ a {{ {KEY} }}",
            ),
            (
                "log_format f '${cookie_t}'; access_log /dev/null f;",
                f'location / {{ auth_jwt "x" token=$cookie_t; {FILE} }}',
            ),
            f'location / {{ auth_jwt "x" token=$arg_t; {FILE} }}',
        ),
        (
            ("log_format f '$jwt_claim_sub'; access_log /dev/null f;", f"location / {{ {KEY} }}"),
            (
                "log_format f '$http_authorization';",
                f"location / {{ {KEY} access_log off; }} location /b {{ access_log /dev/null f; }}",
            ),
            (
                "log_format f '$remote_addr'; access_log /dev/null f;",
                f'location / {{ auth_jwt "x" token=$arg_t; {FILE} }}',
            ),
            f"location / {{ {KEY} }}",
        ),
    ),
    "debug-log-with-auth": (
        (
            f"error_log /dev/null debug; location / {{ {KEY} }}",
            ("error_log stderr debug;", f"{KEY} location ~ a {{ }}"),
            f"location / {{ {TESLA} error_log /dev/null debug; }}",
            f"error_log /dev/null debug_http; location / {{ {KEY} }}",
        ),
        (
            f"error_log /dev/null info; location / {{ {KEY} }}",
            f"error_log /dev/null debug; location / {{ {KEY} error_log /dev/null warn; }}",
            "error_log /dev/null debug; location / { }",
            f"error_log /var/log/debug; location / {{ {KEY} }}",
        ),
    ),
    "mirror-duplicates-token": (
        (
            f"location / {{ {KEY} mirror /m; {APP} }} location = /m {{ internal; "
            "proxy_pass http://127.0.0.1:9001; }",
            f"{KEY} mirror /m; location / {{ {APP} }} location /m {{ "
            "internal; proxy_pass http://127.0.0.1:9001; }",
            f'location / {{ auth_jwt "x" token=$cookie_t; {FILE} mirror /m; {APP} }} '
            "location = /m { internal; proxy_set_header Authorization ''; "
            "proxy_pass http://127.0.0.1:9001; }",
        ),
        (
            f"location / {{ {KEY} mirror /m; {APP} }} location = /m {{ internal; "
            "proxy_set_header Authorization ''; proxy_pass http://127.0.0.1:9001; }",
            f"location / {{ {KEY} mirror /m; {APP} }} location = /m {{ internal; {APP} }}",
            f"mirror /m; location / {{ {KEY} mirror off; {APP} }} location = /m {{ internal; "
            "proxy_pass http://127.0.0.1:9001; }",
            f"location / {{ {KEY} mirror /m; {APP} }} location = /m {{ internal; "
            "proxy_pass_request_headers off; proxy_pass http://127.0.0.1:9001; }",
        ),
    ),
    "auth-in-subrequest": (
        (
            f"location / {{ auth_request /d; {APP} }} location = /d {{ {KEY} {APP} }}",
            f"mirror /d; location / {{ {APP} }} location /d {{ {TESLA} {APP} }}",
            f"location / {{ add_before_body /d; {APP} }} location = /d {{ {KEY} }}",
            f"location / {{ {KEYS} }} location = /_jwks {{ {KEY} {FETCH} }}",
        ),
        (
            f"location / {{ {KEY} auth_request /d; {APP} }} location = /d {{ {APP} }}",
            f"location / {{ {APP} }} location = /d {{ {KEY} {APP} }}",
            f"location / {{ auth_request /d; {APP} }} location = /d {{ auth_jwt off; {APP} }}",
            f"auth_request /d; location / {{ auth_request off; {APP} }} location = /d "
            f"{{ auth_request off; {KEY} {APP} }}",
        ),
    ),
    "claim-name-case": (
        (
            f"location / {{ {KEY} proxy_set_header A $jwt_claim_userId; {APP} }}",
            ("map $jwt_claim_tenantId $t { a b; }", f"location / {{ {KEY} }}"),
            f"{KEY} location / {{ if ($jwt_claim_Role = a) {{ return 403; }} }}",
            f"location / {{ {KEY} auth_jwt_require $jwt_header_KID; }}",
        ),
        (
            f"location / {{ {KEY} proxy_set_header A $jwt_claim_user_id; {APP} }}",
            f"location / {{ {KEY} proxy_set_header A jwt_claim_userId; {APP} }}",
            (
                "auth_jwt_claim_set $uid userId;",
                f"location / {{ {KEY} proxy_set_header A $uid; {APP} }}",
            ),
        ),
    ),
    "realm-on": (
        (
            f"location / {{ auth_jwt on; {FILE} }}",
            f'{FILE} auth_jwt "on" token=$cookie_t; location / {{ }}',
            (f"{FILE} auth_jwt on;", "location / { auth_jwt_require $jwt_claim_a; }"),
        ),
        (
            f"location / {{ {KEY} }}",
            f"location / {{ {MAXLT} }}",
            f"location / {{ auth_jwt 'log on'; {FILE} }}",
            f"location / {{ {TESLA} }}",
        ),
    ),
    "secret-as-text": (
        (
            f"location / {{ {MAXLT} }}",
            f"{TESLA} location / {{ }}",
            (
                "auth_jwt on; auth_jwt_alg HS256; auth_jwt_key "
                "'MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=' base64;",
                "location / { }",
            ),
        ),
        (
            f"location / {{ {KEY} }}",
            f"location / {{ {KEYS} }} location = /_jwks {{ {FETCH} }}",
            "location / { auth_jwt off; }",
        ),
    ),
    "maxlt-any-algorithm": (
        (
            f"location / {{ auth_jwt on; {SECRET} hex; }}",
            f"auth_jwt on; {SECRET} hex; location ~ a {{ auth_jwt_alg any; }}",
            f"location @a {{ auth_jwt $cookie_t; {SECRET} hex; }}",
        ),
        (
            f"location / {{ {MAXLT} }}",
            f"auth_jwt_alg HS512; location / {{ auth_jwt on; {SECRET} hex; }}",
            f"location / {{ auth_jwt off; {SECRET} hex; }}",
        ),
    ),
    "key-alg-unpinned": (
        (
            f"location / {{ {AUTH} auth_jwt_key_file keys/noalg.json; }}",
            f"auth_jwt_key_file keys/noalg.json; location @a {{ {AUTH} }}",
            f"auth_jwt_key_file keys/noalg.json; location / {{ {AUTH} "
            "auth_jwt_require $jwt_header_alg; }",
        ),
        (
            f"location / {{ {KEY} }}",
            "auth_jwt_key_file keys/noalg.json; location / { }",
            f"location / {{ {AUTH} auth_jwt_key_file keys/noalg.json; "
            "auth_jwt_require_header alg eq HS256; }",
            f"location / {{ auth_jwt on; {SECRET} hex; }}",
        ),
    ),
    "weak-tls": (
        (
            "listen 127.0.0.1:443 ssl; ssl_protocols TLSv1 TLSv1.2; ssl_reject_handshake on;",
            ("ssl_protocols SSLv3 TLSv1.3;", "listen 127.0.0.1:443 ssl; ssl_reject_handshake on;"),
            "listen 127.0.0.1:443 ssl; ssl_ciphers 'HIGH:RC4-SHA'; ssl_reject_handshake on;",
            "listen 127.0.0.1:443 ssl; ssl_ciphers ALL:!aNULL:+LOW:DES-CBC3-SHA; "
            "ssl_reject_handshake on;",
        ),
        (
            "listen 127.0.0.1:443 ssl; ssl_protocols TLSv1.2 TLSv1.3; ssl_reject_handshake on;",
            ("ssl_protocols TLSv1;", ""),
            (
                "ssl_protocols TLSv1;",
                "listen 127.0.0.1:443 ssl; ssl_reject_handshake on; ssl_protocols TLSv1.3;",
            ),
            "listen 127.0.0.1:443 ssl; ssl_ciphers HIGH:!aNULL:!MD5; ssl_reject_handshake on;",
        ),
    ),
    "administration-open": (
        (
            "listen 8080; location /api { api; }",
            "listen 8080; location /api { api write=off; }",
            "listen [::]:80; location / { location /api/ { api write=on; } }",
            "listen 8080; location = /metrics { pyngx_metrics; }",
            "listen 8080; pyngx_metrics nginx;",
            "listen 8080; ssl_verify_client optional_no_ca; location /api { api; }",
        ),
        (
            "listen 127.0.0.1:8080; location /api { api write=on; }",
            "listen [::1]:8080; pyngx_metrics;",
            "listen unix:/run/api; location /api { api; }",
            "listen 8080; location /api { internal; api write=on; }",
            "listen 8080; location /api { api write=on; auth_basic x; auth_basic_user_file u; }",
            "listen 8080; allow 10.0.0.0/8; deny all; location /api { api write=on; }",
            f"listen 8080; {KEY} location /api {{ api write=on; }}",
            "listen 8080; location /api { api; auth_request /ask; }",
        ),
    ),
    "bearer-over-cleartext": (
        (
            f"listen 8080; location / {{ {KEY} }}",
            f"listen 127.0.0.1:81; listen [::]:8080; {KEY} location / {{ }}",
            f"listen 192.0.2.1:80; location ~ a {{ {TESLA} }}",
        ),
        (
            f"listen 127.0.0.2:81; location / {{ {KEY} }}",
            f"listen unix:/tmp/x.sock; location / {{ {KEY} }}",
            f"listen 8080; location / {{ {KEY} if ($scheme = http) {{ return 403; }} }}",
            f"listen 8080; if ($https = '') {{ return 301 https://$host$request_uri; }} "
            f"location / {{ {KEY} }}",
            f"listen 8080; return 301 https://$host$request_uri; location / {{ {KEY} }}",
        ),
    ),
    "claim-in-limit-key": (
        (
            (
                "limit_req_zone $jwt_claim_sub zone=l:1m rate=1r/s;",
                f"location / {{ {KEY} limit_req zone=l; auth_jwt_phase access; }}",
            ),
            (
                "limit_conn_zone u-$jwt_claim_sub zone=l:1m; limit_conn l 1;",
                f"location ~ a {{ {KEY} auth_jwt_leeway 1s; }}",
            ),
            (
                "map $jwt_claim_sub $who { default $jwt_claim_sub; } "
                "limit_req_zone $who zone=l:1m rate=1r/s;",
                f"{KEY} auth_jwt_leeway 1s; limit_req zone=l; location / {{ }}",
            ),
        ),
        (
            (
                "limit_req_zone $binary_remote_addr zone=l:1m rate=1r/s;",
                f"location / {{ {KEY} auth_jwt_leeway 1s; limit_req zone=l; }}",
            ),
            (
                "limit_req_zone $jwt_claim_sub zone=l:1m rate=1r/s;",
                f"location / {{ {KEY} auth_jwt_leeway 1s; }}",
            ),
            (
                "limit_req_zone $jwt_claim_sub zone=l:1m rate=1r/s;",
                f"location / {{ {KEY} auth_jwt_phase preaccess; }} "
                "location @l { limit_req zone=l; }",
            ),
        ),
    ),
    "jwks-mixed-families": (
        (
            f"location / {{ {AUTH} auth_jwt_key_file keys/mixed.json; }}",
            f"auth_jwt_key_file keys/mixed.json; location @a {{ {AUTH} }}",
            f"{FILE} auth_jwt_key_file keys/mixed.json; location ~ a "
            f"{{ limit_except GET {{ {AUTH} }} }}",
        ),
        (
            f"location / {{ {KEY} }}",
            "auth_jwt_key_file keys/mixed.json; location / { }",
            f"auth_jwt_key_file keys/mixed.json; location / {{ {KEY} }}",
        ),
    ),
    "jwks-unusable": (
        (
            f"location / {{ {AUTH} auth_jwt_key_file keys/empty.json; }}",
            f"auth_jwt_key_file keys/empty.json; location @a {{ {AUTH} }}",
            f"location / {{ {KEY} auth_jwt_key_file keys/empty.json; }}",
        ),
        (
            f"location / {{ {KEY} auth_jwt_type encrypted; }}",
            "auth_jwt_key_file keys/empty.json; location / { }",
            f"auth_jwt_key_file keys/empty.json; location / {{ {KEY} }}",
        ),
    ),
    "jwks-target-missing": (
        (
            f"location / {{ {KEYS} {APP} }}",
            f"location / {{ {KEYS} }} location /_jwks/ {{ {FETCH} }}",
            f"{KEYS} root /srv; location /a {{ }}",
            f"location / {{ {AUTH} auth_jwt_key_request @k; }} "
            "location @k { proxy_pass https://a.example; }",
        ),
        (
            f"location /a {{ {KEYS} }} location /_ {{ {FETCH} }}",
            f"location /a {{ {KEYS} }} location ~ ^/_jwks$ {{ proxy_pass https://a.example; }}",
            f"location / {{ {AUTH} auth_jwt_key_request /_jwks?a=b; }} "
            f"location = /_jwks {{ {FETCH} }}",
            f"rewrite ^/_jwks /k; location / {{ {KEYS} }}",
        ),
    ),
    "key-file-in-docroot": (
        (
            f"root .; location /a {{ {KEY} }} location / {{ }}",
            f"location /a {{ {KEY} }} location /k/ {{ alias keys/; }}",
            f"location /a {{ {KEY} }} location ~ \\.json$ {{ root .; }}",
            f"root .; {KEY} location / {{ }}",
        ),
        (
            f"root html; location /a {{ {KEY} }}",
            f"root .; location /a {{ {KEY} }} location /keys {{ deny all; }} "
            "location / { return 404; }",
            f"root .; location /a {{ {KEY} }} location ~ \\.json$ {{ return 404; }}",
            f"location /a {{ {KEY} }} location /k/ {{ internal; alias keys/; }}",
        ),
    ),
    "key-file-form": (
        (
            f"location / {{ {AUTH} auth_jwt_key_file https://idp.example/k; }}",
            f"{KEY} location / {{ auth_jwt_key_file http://a/b; }}",
            f"location / {{ {AUTH} auth_jwt_type signed; auth_jwt_key_file keys/ca.pem; }}",
        ),
        (
            f"location / {{ {KEY} }}",
            f"location / {{ {AUTH} auth_jwt_key_file $host; }}",
            f"location / {{ {KEYS} }} location = /_jwks {{ {FETCH} }}",
        ),
    ),
    "idle-key-line": (
        (
            f"location / {{ {AUTH} {FILE} {FILE} }}",
            f"location / {{ {KEY} }} location = /_jwks {{ {FETCH} }}",
            f"location / {{ {AUTH} auth_jwt_key_file $host; auth_jwt_key_cache 1h; }}",
        ),
        (
            f"location / {{ {KEYS} }} location = /_jwks {{ {FETCH} }}",
            f"{FILE} location / {{ {AUTH} {FILE} }}",
            f"location / {{ {KEY} auth_jwt_key_cache 1h; }}",
        ),
    ),
    "claim-quotes": (
        (
            ("map $jwt_claim_r $r { '\"admin\"' 1; }", f"location / {{ {KEY} }}"),
            ("map ${jwt_claim_r} $r { '~^\"admin' 1; }", f"location / {{ {KEY} }}"),
            f"location / {{ {KEY} if ($jwt_claim_r = '\"admin\"') {{ return 403; }} }}",
        ),
        (
            ("map $jwt_claim_r $r { admin 1; ~^root 1; }", f"location / {{ {KEY} }}"),
            ("map $http_r $r { '\"admin\"' 1; }", f"location / {{ {KEY} }}"),
            (
                "map $jwt_claim_a:$jwt_claim_b $r { '\"a\":b' 1; }",
                f"location / {{ {KEY} }}",
            ),
        ),
    ),
    "kjdev-dates-replaced": (
        (
            f"location / {{ {KEY} auth_jwt_require_claim exp gt 5; }}",
            f"{KEY} auth_jwt_require_claim .nbf ge $jwt_nowtime; location / {{ }}",
            f"location / {{ {KEY} set $n 5; auth_jwt_require_claim exp gt $n; }}",
        ),
        (
            f"location / {{ {KEY} auth_jwt_require_claim exp gt ${{jwt_nowtime}}; }}",
            f"location / {{ {KEY} set $n $jwt_nowtime; auth_jwt_require_claim exp gt $n; }}",
            f"location / {{ {KEY} auth_jwt_require_claim iat lt $jwt_nowtime; }}",
        ),
    ),
    "kjdev-value-not-json": (
        (
            f"location / {{ {KEY} set $v admin; auth_jwt_require_claim role eq $v; }}",
            f"location / {{ {KEY} auth_jwt_require_claim aud eq ${{server_name}}; }}",
            f"location / {{ {KEY} auth_jwt_require_claim aud eq json=abc; }}",
            ("map $host $v { default a; }", f"{KEY} auth_jwt_require_claim aud eq $v;"),
            f"location / {{ {FILE} auth_jwt 'a $host'; auth_jwt_require_claim aud eq b; }}",
        ),
        (
            ("map $host $v { default '\"a\"'; }", f"{KEY} auth_jwt_require_claim aud eq $v;"),
            f"location / {{ {KEY} auth_jwt_require_claim aud eq json=5; }}",
            f"location / {{ {KEY} auth_jwt_require_claim aud eq a; }}",
        ),
    ),
    "missing-default-server": (
        (
            ("server { listen 127.0.0.1:80; server_name b.example; }", "server_name a.example;"),
            (
                "server { listen 127.0.0.1:80; server_name ~^b; }",
                "server_name *.a.example www.a.example;",
            ),
        ),
        (
            "server_name a.example;",
            ("server { listen 127.0.0.1:80 default_server; }", "server_name a.example;"),
            (
                "server { listen 127.0.0.1:80; server_name _; return 444; }",
                "server_name a.example;",
            ),
            ("server { listen 127.0.0.1:81; server_name b.example; }", "server_name a.example;"),
        ),
    ),
}


def test_lost_headers_of_one_level_are_one_finding(linter: Linter) -> None:
    outer = "add_header X-Frame-Options DENY;"
    inner = [f"location /{n} {{ add_header A {n}; }}" for n in range(3)]
    (found,) = linter.of("add-header-redefinition", server(f"{outer} {' '.join(inner)}"))
    assert "location /0 and 2 more" in found.message
    assert [related.message for related in found.related] == [
        f"not sent by location /{n}" for n in range(3)
    ]
    other = "location /4 { add_header X-Frame-Options A; location /4/5 { add_header B 1; } }"
    assert len(linter.of("add-header-redefinition", server(f"{outer} {inner[0]} {other}"))) == 2


def _forms(which: int) -> list[tuple[str, str, str]]:
    return [
        (rule, *(("", form) if isinstance(form, str) else form))
        for rule, forms in SIBLINGS.items()
        for form in forms[which]
    ]


@pytest.mark.parametrize(("rule", "http", "inside"), _forms(0))
def test_is_reported(linter: Linter, rule: str, http: str, inside: str) -> None:
    assert linter.of(rule, server(inside, http))


@pytest.mark.parametrize(("rule", "http", "inside"), _forms(1))
def test_is_not_reported(linter: Linter, rule: str, http: str, inside: str) -> None:
    assert not linter.of(rule, server(inside, http))


@pytest.mark.parametrize("rule", SIBLINGS)
def test_has_several_of_both(rule: str) -> None:
    assert min(map(len, SIBLINGS[rule])) > 1
