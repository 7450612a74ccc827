"""Envoy and HAProxy configured for the rows that they can do, as far as nginx's words allow."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .nginx_conf import BODY
from .ports import Ports
from .rows import DISTINCT, SEVERAL, Row

EXTENSIONS = "type.googleapis.com/envoy.extensions"
CONNECTIONS = f"{EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager"
CONNECT_TIMEOUT = "5s"


def envoy_conf(rows: Sequence[Row], ports: Ports, folder: Path) -> str:
    """Envoy's bootstrap, in JSON: one cluster, a listener with TLS and one without."""
    resources = {
        "listeners": [
            _listener("plain", ports.plain, rows, folder, None),
            _listener("tls", ports.tls, rows, folder, _transport(folder)),
        ],
        "clusters": [_cluster(ports.upstream)],
    }
    return json.dumps({"static_resources": resources}, indent=1)


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _cluster(port: int) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": _address(port)}}
    return {
        "name": "backend",
        "connect_timeout": CONNECT_TIMEOUT,
        "load_assignment": {
            "cluster_name": "backend",
            "endpoints": [{"lb_endpoints": [endpoint]}],
        },
    }


def _transport(folder: Path) -> dict[str, Any]:
    pem = {"filename": str(folder / "server.pem")}
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": f"{EXTENSIONS}.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {
                "alpn_protocols": ["h2", "http/1.1"],
                "tls_certificates": [{"certificate_chain": pem, "private_key": pem}],
            },
        },
    }


def _listener(
    name: str, port: int, rows: Sequence[Row], folder: Path, transport: dict[str, Any] | None
) -> dict[str, Any]:
    manager = {
        "@type": CONNECTIONS,
        "stat_prefix": name,
        "generate_request_id": False,
        "access_log": _access_log([row for row in rows if "access_log" in row.conf], folder),
        "http_filters": _filters(rows, folder),
        "route_config": {
            "virtual_hosts": [
                {"name": "all", "domains": ["*"], "routes": [_route(row) for row in rows]}
            ]
        },
    }
    chain: dict[str, Any] = {
        "filters": [
            {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}
        ]
    }
    if transport is not None:
        chain["transport_socket"] = transport
    return {"name": name, "address": _address(port), "filter_chains": [chain]}


def _access_log(rows: Sequence[Row], folder: Path) -> list[dict[str, Any]]:
    return [
        {
            "name": "envoy.access_loggers.file",
            "filter": {
                "header_filter": {
                    "header": {"name": ":path", "string_match": {"prefix": row.prefix}}
                }
            },
            "typed_config": {
                "@type": f"{EXTENSIONS}.access_loggers.file.v3.FileAccessLog",
                "path": str(folder / f"{row.key}.log"),
            },
        }
        for row in rows
    ]


def _filters(rows: Sequence[Row], folder: Path) -> list[dict[str, Any]]:
    filters = [("jwt_authn", _tokens([row for row in rows if row.tokens], folder))]
    if any(row.gzips for row in rows):
        filters.append(("compressor", _compressor()))
    filters.append(("router", {"@type": f"{EXTENSIONS}.filters.http.router.v3.Router"}))
    return [{"name": f"envoy.filters.http.{name}", "typed_config": it} for name, it in filters]


def _tokens(rows: Sequence[Row], folder: Path) -> dict[str, Any]:
    provider = {
        "issuer": "https://issuer.example",
        "local_jwks": {"filename": str(folder / "jwks.json")},
        "from_headers": [{"name": "Authorization", "value_prefix": "Bearer "}],
        "from_params": ["token"],
        "forward": True,
        "jwt_cache_config": {"jwt_cache_size": min(DISTINCT, 4 * SEVERAL)},
    }
    return {
        "@type": f"{EXTENSIONS}.filters.http.jwt_authn.v3.JwtAuthentication",
        "providers": {"bench": provider},
        "rules": [
            {"match": {"prefix": row.prefix}, "requires": {"provider_name": "bench"}}
            for row in rows
        ],
    }


def _compressor() -> dict[str, Any]:
    return {
        "@type": f"{EXTENSIONS}.filters.http.compressor.v3.Compressor",
        "response_direction_config": {"common_config": {"content_type": ["application/json"]}},
        "compressor_library": {
            "name": "gzip",
            "typed_config": {
                "@type": f"{EXTENSIONS}.compression.gzip.compressor.v3.Gzip",
                "compression_level": "COMPRESSION_LEVEL_1",  # nginx's gzip_comp_level
            },
        },
    }


def _route(row: Row) -> dict[str, Any]:
    route: dict[str, Any] = {"match": {"prefix": row.prefix}}
    if "proxy_pass" in row.conf:
        route["route"] = {"cluster": "backend", "timeout": "0s"}
    else:
        route["direct_response"] = {"status": 200, "body": {"inline_string": BODY}}
    if "proxy_set_header" in row.conf:
        route["request_headers_to_add"] = [
            {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
            for name, value in (
                ("X-Real-IP", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"),
                ("X-Forwarded-For", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"),
                ("X-Forwarded-Host", "%REQ(:authority)%"),
                ("X-Scheme", "%REQ(:scheme)%"),
            )
        ]
    if not row.gzips:
        route["typed_per_filter_config"] = {
            "envoy.filters.http.compressor": {
                "@type": f"{EXTENSIONS}.filters.http.compressor.v3.CompressorPerRoute",
                "disabled": True,
            }
        }
    return route


HAPROXY = """\
global
    nbthread 1
    maxconn 4000
    tune.h2.max-concurrent-streams 100
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout http-request 60s
    http-reuse always
frontend all
    bind 127.0.0.1:{ports.plain}
    bind 127.0.0.1:{ports.tls} ssl crt {folder}/server.pem alpn h2,http/1.1
    acl static path_beg {static}
    acl token path_beg {token}
    acl compressed path_beg /gzip/
    http-request set-var(txn.token) http_auth_bearer if token
    http-request set-var(txn.token) url_param(token) if token !{{ var(txn.token) -m found }}
    http-request set-var(txn.alg) var(txn.token),jwt_header_query('$.alg') if token
    http-request set-var(txn.exp) var(txn.token),jwt_payload_query('$.exp','int') if token
    http-request set-var(txn.now) date() if token
    http-request deny if token !{{ var(txn.alg) -m str RS256 }}
    http-request deny if token !{{ var(txn.token),jwt_verify(txn.alg,"{folder}/rs256.pem") 1 }}
    http-request deny if token {{ var(txn.exp),sub(txn.now) -m int lt 0 }}
    http-request return status 200 content-type text/plain string "{small}" if static
    use_backend compressed if compressed
    default_backend plain
backend plain
    server upstream 127.0.0.1:{ports.upstream}
backend compressed
    filter compression
    compression algo gzip
    compression type application/json
    server upstream 127.0.0.1:{ports.upstream}
"""


def haproxy_conf(rows: Sequence[Row], ports: Ports, folder: Path) -> str:
    static = [row.prefix for row in rows if "proxy_pass" not in row.conf]
    token = [row.prefix for row in rows if row.tokens]
    return HAPROXY.format(
        ports=ports,
        folder=folder,
        static=" ".join(static) or "/none/",
        token=" ".join(token) or "/none/",
        small=BODY,
    )
