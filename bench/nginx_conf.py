"""The configuration for pyngx and every nginx, and the one of the upstream behind all servers."""

from __future__ import annotations

import os
from collections.abc import Sequence

from .ports import Ports
from .rows import EXPRESSIONS, SMALL, Row

BODY = "x" * SMALL

GLOBALS = """\
daemon off;
{user}
worker_processes 1;
pid nginx.pid;
error_log error.log error;
events {{ worker_connections 2048; }}
"""

UPSTREAM = (
    GLOBALS
    + """\
http {{
    access_log off;
    default_type application/json;
    keepalive_requests 1000000000;
    server {{
        listen 127.0.0.1:{port};
        root {prefix};
        location / {{ default_type text/plain; return 200 "{small}"; }}
        location /json/ {{ rewrite ^ /json break; }}
        location /gzip/ {{ rewrite ^ /json break; }}
        location /big/ {{ rewrite ^ /big break; }}
    }}
}}
"""
)

SERVER = (
    GLOBALS
    + """\
http {{
    access_log off;
    default_type text/plain;
    keepalive_requests 1000000000;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_cache_path cache keys_zone=small:1m;
    upstream backend {{
        server 127.0.0.1:{ports.upstream};
        keepalive 512;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{ports.plain};
        listen 127.0.0.1:{ports.tls} ssl{h2_parameter};
        {quic}
        {h2_directive}
        ssl_certificate server.pem;
        ssl_certificate_key server.pem;
        {locations}
    }}
    server {{
        listen 127.0.0.1:{ports.regex};
        location / {{ return 404; }}
        {expressions}
        {matched_by_none}
    }}
}}
"""
)


def upstream_conf(port: int, prefix: str) -> str:
    return UPSTREAM.format(user=_user(), port=port, prefix=prefix, small=BODY)


def server_conf(rows: Sequence[Row], ports: Ports, prefix: str, *, old: bool = False) -> str:
    """`old`: for an nginx that knows "http2" as a parameter of "listen" only."""
    here = [row for row in rows if row.way != "regex"]
    return SERVER.format(
        user=_user(),
        ports=ports,
        quic=f"listen 127.0.0.1:{ports.tls} quic;" if any(r.load == "http3" for r in rows) else "",
        h2_parameter=" http2" if old else "",
        h2_directive="" if old else "http2 on;",
        locations="\n        ".join(_location(row, prefix) for row in here),
        expressions="\n        ".join(_expression(number) for number in range(EXPRESSIONS)),
        matched_by_none="\n        ".join(
            _location(row, prefix) for row in rows if row not in here
        ),
    )


def _location(row: Row, prefix: str) -> str:
    inside = row.conf.replace("{small}", BODY).replace("{prefix}", prefix)
    return f"location {row.prefix} {{ {inside} }}"


def _expression(number: int) -> str:
    """Such as are found in configurations: a beginning, an end, both, or a part."""
    kinds = (
        f"~ ^/legacy{number}/",
        rf"~* \.(gif|jpe?g|bak{number})$",
        rf"~ ^/api{number}/v(\d+)/",
        rf"~ /admin{number}/.*\.php$",
    )
    return f"location {kinds[number % len(kinds)]} {{ return 404; }}"


def _user() -> str:
    return "user root;" if os.geteuid() == 0 else ""
