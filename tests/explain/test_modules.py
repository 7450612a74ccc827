"""Each module that can decide about a request has a line in its explanation."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from pyngx_jwt.explain.report import as_text
from pyngx_jwt.http.module import Module
from pyngx_jwt.modules import MODULES

from ..authority import Authority
from .test_walk import explain, folder

__all__ = ["folder"]  # a fixture


class Case(NamedTuple):
    """A server, a request to it, and the line that says what the module did."""

    server: str
    url: str
    name: str
    text: str
    http: str = ""
    fields: tuple[str, ...] = ()


SITE = Authority("localhost")
MEDIA = "a FLV and not enough of a film"
ANSWERS = "answers here, by what is only known while the server runs"
CASES = {
    "access": Case("deny all;", "/a.txt", "access", "client 127.0.0.1 is refused"),
    "api": Case("location / { api; }", "/9/nginx", "content", f"api {ANSWERS}"),
    "auth_basic": Case(
        'auth_basic x; auth_basic_user_file "a.txt";', "/", "auth_basic", "no user and password"
    ),
    "auth_request": Case(
        "location /in/ { auth_request /deny; } location /deny { return 403; }",
        *("/in/", "auth_request", "answers /deny: 403"),
    ),
    "auth_require": Case("auth_require $arg_a;", "/", "auth_require", "user is refused"),
    "autoindex": Case("autoindex on;", "/media/", "content", "by autoindex on: 200"),
    "brotli": Case("brotli_static always;", "/a.txt", "content", "by brotli_static always: 200"),
    "dashboard": Case(
        "location / { pyngx_dashboard api=/api/; }", "/", "content", "by pyngx_dashboard"
    ),
    "dav": Case("dav_methods DELETE;", "/a.txt", "content", "DELETE would change"),
    "echo": Case("location / { echo a; }", "/", "content", "by echo a: 200"),
    "empty_gif": Case("location / { empty_gif; }", "/", "content", "by empty_gif: 200"),
    "flv": Case("location / { flv; }", "/media/a.flv?start=2", "content", "by flv: 200"),
    "gzip_static": Case("gzip_static always;", "/a.txt", "content", "by gzip_static always"),
    "health": Case("location / { pyngx_health; }", "/", "content", f"pyngx_health {ANSWERS}"),
    "hls": Case("location / { hls; }", "/media/a.mp4.m3u8", "content", "by hls: "),
    "hosted": Case("location / { pyngx_app; }", "/", "content", f"pyngx_app {ANSWERS}"),
    "index": Case("index a.txt;", "/media/", "index", 'leads to "/media/a.txt"'),
    "internal_redirect": Case(
        "location / { internal_redirect /b; } location /b { return 204; }",
        *("/", "internal_redirect", 'leads to "/b"'),
    ),
    "limit_conn": Case(
        "limit_conn z 1;",
        "/a.txt",
        "limit_conn",
        'z 1, by $uri, which is "/a.txt"',
        "limit_conn_zone $uri zone=z:64k;",
    ),
    "limit_req": Case(
        "limit_req zone=z;",
        "/a.txt",
        "limit_req",
        'zone=z, by $uri, which is "/a.txt"',
        "limit_req_zone $uri zone=z:64k rate=1r/s;",
    ),
    "lua": Case(
        "location / { content_by_lua_block { ngx.exit(403) } }", "/", "content", "Lua answers here"
    ),
    "metrics": Case("location / { pyngx_metrics; }", "/", "content", f"pyngx_metrics {ANSWERS}"),
    "mirror": Case("mirror /m;", "/a.txt", "mirror", "a copy of the request goes to /m"),
    "missing": Case(
        "location / { js_content a; }", "/", "content", "pyngx does not run js_content"
    ),
    "mp4": Case("location / { mp4; }", "/media/a.mp4?start=2", "content", "by mp4: 500"),
    "otel": Case(
        "location / { otel_trace on; return 204; }",
        "/",
        "otel",
        "is traced: otel_trace on",
        "otel_exporter { endpoint localhost:4317; }",
    ),
    "random_index": Case("location / { random_index on; }", "/media/", "random_index", "leads to"),
    "realip": Case(
        "set_real_ip_from 127.0.0.1;",
        "/a.txt",
        "realip",
        "the client is 192.0.2.1",
        fields=("X-Real-IP: 192.0.2.1",),
    ),
    "rewrite": Case("return 204;", "/", "return", "answers 204"),
    "ssl": Case(
        "",
        "/a.txt",
        "request",
        "client sent plain HTTP request to HTTPS port",
        "server { listen 81 ssl; ssl_certificate cert.pem; ssl_certificate_key cert.pem; }",
    ),
    "static": Case("", "/a.txt", "content", "file "),
    "stub_status": Case("location / { stub_status; }", "/", "content", "by stub_status: 200"),
    "try_files": Case("try_files /none =404;", "/", "try_files", "answers 404"),
    "zstd": Case("zstd_static always;", "/a.txt", "content", "by zstd_static always: 200"),
    **{
        name: Case(f"location / {{ {name}_pass {url}; }}", "/", "content", f"is passed to {url}")
        for name, url in (
            ("proxy", "http://127.0.0.1:9"),
            ("fastcgi", "127.0.0.1:9"),
            ("uwsgi", "127.0.0.1:9"),
            ("scgi", "127.0.0.1:9"),
            ("grpc", "127.0.0.1:9"),
        )
    },
    "memcached": Case(
        "location / { set $memcached_key a; memcached_pass 127.0.0.1:9; }",
        *("/", "content", "is passed to 127.0.0.1:9"),
    ),
    "tunnel": Case("location / { tunnel_pass; }", "/", "content", "cannot be passed on: 405"),
}
METHODS = {"dav": "DELETE"}
# Modules with handlers that have no case here, and why.
REASONS = {
    "headers_more_input": "the head that an upstream gets shows what it has changed",
    "lua_filters": "it prepares other handlers of Lua, which have lines",
    **dict.fromkeys(
        (
            *("auth_jwt", "auth_jwt_pyngx", "auth_jwt_kjdev", "auth_jwt_tesla"),
            *("auth_jwt_maxlt", "auth_jwt_tizp"),
        ),
        "each refusal of each dialect is in test_explain.py",
    ),
}


def deciding() -> set[str]:
    """The modules that have handlers; filters only change responses."""
    modules = [module for module in MODULES if isinstance(module, Module)]
    return {x.name for x in modules if x.handlers or x.exclusive_content}


def test_all_are_here() -> None:
    assert set(CASES) | set(REASONS) == deciding()
    assert not set(CASES) & set(REASONS)


@pytest.mark.parametrize("name", CASES)
def test_explained(name: str, folder: Path) -> None:
    case = CASES[name]
    for file in ("a.txt", "a.txt.gz", "a.txt.br", "a.txt.zst", "media/a.flv", "media/a.mp4",
                 "media/a.txt"):  # fmt: skip
        (folder / "html" / file).parent.mkdir(exist_ok=True)
        (folder / "html" / file).write_text(MEDIA)
    (folder / "cert.pem").write_text(SITE.pem + SITE.key_pem())
    conf = f"{case.http}\nserver {{ listen 80; root html; {case.server} }}"
    port = ":81" if "listen 81" in case.http else ""
    method = METHODS.get(name, "GET")
    found = explain(folder, conf, f"http://localhost{port}{case.url}", *case.fields, method=method)
    lines = [line.text for line in found.trip.lines if line.name == case.name]
    assert [text for text in lines if case.text in text], as_text(found)


def test_spans(folder: Path) -> None:
    """What a collector gets."""
    conf = """
        otel_exporter { endpoint https://collector:4317; }
        otel_service_name shop;
        otel_trace $wanted;
        otel_trace_context propagate;
        otel_span_name "at $uri";
        otel_span_attr user.role $arg_role;
        map $arg_t $wanted { default $otel_parent_sampled; 1 on; }
        server { listen 80; location / { return 200; } }
        """
    lines = [x.text for x in explain(folder, conf, "/a?t=1&role=x").trip.lines if x.name == "otel"]
    assert lines == [
        'the request is traced: otel_trace $wanted, which is "on"',
        'the span "at /a" of "shop" goes to https://collector:4317',
        'attributes: user.role="x"',
        'the client names no trace, upstreams get "traceparent"',
    ]
    parent = f"traceparent: 00-{'ab' * 16}-{'cd' * 8}-00"
    lines = [x.text for x in explain(folder, conf, "/a", parent).trip.lines if x.name == "otel"]
    assert lines == [
        'the request is not traced: otel_trace $wanted, which is "0"',
        f'the trace {"ab" * 16} of the client is continued, upstreams get "traceparent"',
    ]
    for server, why in (
        ("location / { return 200; }", "no otel_trace"),
        ("otel_trace on; return 200;", "it does not get to a location"),
    ):
        conf = f"otel_exporter {{ endpoint collector:4317; }} server {{ listen 80; {server} }}"
        (line,) = [x for x in explain(folder, conf, "/").trip.lines if x.name == "otel"]
        assert (line.text, line.mark) == (f"the request is not traced: {why}", "skipped")
