"""realip: all that goes by the client address goes by the new one."""

from __future__ import annotations

from ..nginx import Nginx


def test_geo_and_proxied_field(nginx: Nginx) -> None:
    nginx(
        """
        set_real_ip_from 127.0.0.1;
        location /geo { return 200 $place; }
        location /up { proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
                       proxy_pass http://127.0.0.1:%%PORT_up%%; }
        """,
        http="geo $place { default far; 192.0.2.0/24 near; }",
        servers=(
            'listen 127.0.0.1:%%PORT_up%%; location / { return 200 "$http_x_forwarded_for"; }',
        ),
    )
    nginx.exchange("""
        > GET /geo
        > X-Real-IP: 192.0.2.1
        < 200
        <
        < near

        > GET /geo
        < 200
        <
        < far

        > GET /up
        > X-Real-IP: 192.0.2.1
        > X-Forwarded-For: a
        < 200
        <
        < a, 192.0.2.1
        """)


def test_access_rules_of_pages_and_subrequests(nginx: Nginx) -> None:
    nginx(
        """
        set_real_ip_from 127.0.0.1;
        location /access { allow 192.0.2.1; deny all; error_page 403 /page; }
        location /page { return 200 "page $remote_addr"; }
        location /variable { auth_request /echo; auth_request_set $told $upstream_http_x;
                             try_files /x @told; }
        location @told { return 200 $told; }
        location = /echo { proxy_pass http://127.0.0.1:%%PORT_echo%%;
                           proxy_set_header X $remote_addr; }
        """,
        servers=("listen 127.0.0.1:%%PORT_echo%%; add_header X $http_x; return 204;",),
    )
    nginx.exchange("""
        > GET /access
        > X-Real-IP: 192.0.2.1
        < 404

        > GET /access
        > X-Real-IP: 192.0.2.2
        < 403
        <
        < page 192.0.2.2

        > GET /variable
        > X-Real-IP: 192.0.2.3
        < 200
        <
        < 192.0.2.3
        """)


def test_unix_sockets(nginx: Nginx) -> None:
    nginx(
        "location / { proxy_set_header X-Real-IP 10.1.1.1; proxy_pass http://unix:%%DIR%%/s; }",
        servers=(
            "listen unix:%%DIR%%/s; set_real_ip_from unix:;"
            'location / { return 200 "$remote_addr $realip_remote_addr"; }',
        ),
    )
    nginx.exchange("> GET /\n< 200\n<\n< 10.1.1.1 unix:")
