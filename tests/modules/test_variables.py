"""The variables of the core, of requests, connections and responses."""

from __future__ import annotations

import os
import re
import socket
import time

import pytest

from ..nginx import Nginx

NAMES = """
    args query_string is_args uri document_uri request_uri request request_method scheme host
    http_host hostname server_name server_addr server_port server_protocol remote_addr
    remote_port remote_user binary_remote_addr document_root realpath_root request_filename
    content_length content_type request_length request_time request_id request_completion
    msec time_iso8601 time_local pid nginx_version connection connection_requests
    connection_time pipe status bytes_sent body_bytes_sent limit_rate https
    arg_a arg_A arg_long_name arg_ cookie_c cookie_C cookie_other http_x http_x_two http_cookie
    http_user_agent http_referer http_via http_x_forwarded_for sent_http_content_type
    sent_http_x_set sent_http_none sent_http_content_length sent_http_connection
    sent_http_last_modified sent_http_location sent_http_cache_control
    proxy_add_x_forwarded_for is_request_port request_port tcpinfo_rtt
    proxy_protocol_addr request_body_file request_body
"""


@pytest.fixture(scope="module")
def site(module_nginx: Nginx) -> Nginx:
    """Answers with the value of the variable that the path names."""
    names = re.findall(r"\w+", NAMES)
    module_nginx(
        "\n".join(f'location = /{name} {{ return 200 "[${name}]"; }}' for name in names)
        + """
        server_name first.example second.example;
        location / { return 200 "[$uri]"; }
        location /rewritten { rewrite ^ /request_uri last; }
        location /root/ { root %%DIR%%/linked; add_header X-Root $document_root;
                          add_header X-Real $realpath_root; add_header X-File $request_filename; }
        location /alias/ { alias %%DIR%%/linked/; add_header X-Root $document_root;
                           add_header X-File $request_filename; }
        location /file { add_header X-Length "$sent_http_content_length";
                         add_header X-Modified "$sent_http_last_modified";
                         add_header X-Type "$sent_http_content_type"; }
        location /set { add_header X-Set value; add_header X-Copy $sent_http_x_set; return 200 x; }
        location /body { proxy_set_header X-Body "$request_body";
                         proxy_pass http://127.0.0.1:%%PORT_b%%; }
        """,
        servers=["listen 127.0.0.1:%%PORT_b%%; return 200 [$http_x_body];"],
        files={"html/file": "12345", "real/root/f": "x", "real/f": "x"},
    )
    (module_nginx.prefix / "linked").symlink_to("real")
    return module_nginx


def value(site: Nginx, target: str, *fields: str) -> str:
    text = site.request(f"GET /{target}", *fields).text
    assert text.startswith("[") and text.endswith("]"), text
    return text[1:-1]


@pytest.mark.parametrize(
    "target, told",
    [
        ("args?a=b&c", "a=b&c"),
        ("args?", ""),
        ("query_string?a=b", "a=b"),
        ("is_args?a", "?"),
        ("is_args?", ""),
        ("is_args", ""),
        ("uri?a=b", "/uri"),
        ("document_uri", "/document_uri"),
        ("request_uri?a=%20", "/request_uri?a=%20"),
        ("rewritten?a", "/rewritten?a"),
        ("request?x", "GET /request?x HTTP/1.1"),
        ("request_method", "GET"),
        ("scheme", "http"),
        ("https", ""),
        ("host", "localhost"),
        ("http_host", "localhost"),
        ("hostname", socket.gethostname().lower()),
        ("server_name", "first.example"),
        ("server_addr", "127.0.0.1"),
        ("server_port", "%%PORT%%"),
        ("server_protocol", "HTTP/1.1"),
        ("remote_addr", "127.0.0.1"),
        ("remote_user", ""),
        ("binary_remote_addr", "\x7f\0\0\1"),
        ("document_root", "%%DIR%%/html"),
        ("realpath_root", "%%DIR%%/html"),
        ("request_filename", "%%DIR%%/html/request_filename"),
        ("content_length", ""),
        ("content_type", ""),
        ("connection_requests", "1"),
        ("pipe", "."),
        ("status", "200"),
        ("bytes_sent", "0"),
        ("body_bytes_sent", "0"),
        ("limit_rate", "0"),
        ("request_completion", ""),
        ("arg_a?a=1", "1"),
        ("arg_a?A=1", "1"),
        ("arg_A?a=1", "1"),
        ("arg_a?b=2&a=1&a=3", "1"),
        ("arg_a?aa=2&a", ""),
        ("arg_a?a=", ""),
        ("arg_a?a=%20+x", "%20+x"),
        ("arg_a?a=b=c", "b=c"),
        ("arg_long_name?long-name=1&long_name=2", "2"),
        ("arg_?=1", ""),
        ("sent_http_none", ""),
        ("proxy_add_x_forwarded_for", "127.0.0.1"),
        ("request_port", ""),
        ("is_request_port", ""),
        ("proxy_protocol_addr", ""),
        ("request_body", ""),
        ("request_body_file", ""),
    ],
)
def test_value(site: Nginx, target: str, told: str) -> None:
    assert value(site, target) == site.filled(told)


@pytest.mark.parametrize(
    "target, field, told",
    [
        ("http_x", "X: 1", "1"),
        ("http_x", "x: 1\r\nX: 2", "1, 2"),
        ("http_x_two", "X-Two: a", "a"),
        ("http_cookie", "Cookie: a=1\r\nCookie: b=2", "a=1; b=2"),
        ("http_x_forwarded_for", "X-Forwarded-For: a\r\nX-Forwarded-For: b", "a, b"),
        ("http_user_agent", "User-Agent: x y", "x y"),
        ("http_referer", "Referer: x", "x"),
        ("http_via", "Via: x", "x"),
        ("cookie_c", "Cookie: c=1", "1"),
        ("cookie_C", "Cookie: c=1", "1"),
        ("cookie_c", "Cookie: C=1", "1"),
        ("cookie_c", "Cookie: a=1; c=2; b=3", "2"),
        ("cookie_c", "Cookie: a=1;c=2;c=3", "2"),
        ("cookie_c", "Cookie: cc=1", ""),
        ("cookie_c", "Cookie: a=1\r\nCookie: c=2", "2"),
        ("cookie_c", "Cookie: c=", ""),
        ("cookie_c", 'Cookie: c="1 2"', '"1 2"'),
        ("cookie_c", "Cookie: c = 1", "1"),
        ("cookie_other", "Cookie: c=1", ""),
        ("content_type", "Content-Type: a/b", "a/b"),
        ("content_length", "Content-Length: 0", "0"),
        ("proxy_add_x_forwarded_for", "X-Forwarded-For: 1.2.3.4", "1.2.3.4, 127.0.0.1"),
        ("host", "Host: SECOND.example:81", "second.example"),
        ("http_host", "Host: SECOND.example:81", "SECOND.example:81"),
        ("request_port", "Host: x:81", "81"),
        ("is_request_port", "Host: x:81", ":"),
        ("server_name", "Host: second.example", "first.example"),
        ("remote_user", "Authorization: Basic am9lOng=", "joe"),
        ("remote_user", "Authorization: Bearer x", ""),
    ],
)
def test_value_of_field(site: Nginx, target: str, field: str, told: str) -> None:
    assert value(site, target, *field.split("\r\n")) == told


@pytest.mark.parametrize(
    "target, pattern",
    [
        ("remote_port", r"[1-9]\d{3,4}"),
        ("msec", r"\d{10}\.\d{3}"),
        ("time_iso8601", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d"),
        ("time_local", r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}"),
        ("pid", r"\d+"),
        ("connection", r"\d+"),
        ("connection_time", r"0\.\d{3}"),
        ("request_time", r"0\.\d{3}"),
        ("request_id", r"[0-9a-f]{32}"),
        ("nginx_version", r"1\.\d+\.\d+"),
        ("tcpinfo_rtt", r"\d+"),
    ],
)
def test_form(site: Nginx, target: str, pattern: str) -> None:
    assert re.fullmatch(pattern, value(site, target))


def test_truth(site: Nginx) -> None:
    before = time.time()
    assert before - 1 <= float(value(site, "msec")) <= time.time() + 1
    assert value(site, "request_id") != value(site, "request_id")
    assert os.path.exists(f"/proc/{value(site, 'pid')}") or not os.path.exists("/proc")
    assert int(value(site, "connection")) < int(value(site, "connection"))
    request = b"GET /request_length HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert site.raw(request).endswith(b"[%d]" % len(request))


def test_request_length_counts_what_was_read(nginx: Nginx) -> None:
    """The framing of chunks belongs to it, a body that nothing reads does not."""
    nginx(
        """
        location /read {
            proxy_pass http://127.0.0.1:%%PORT_up%%; proxy_set_header L $request_length;
        }
        location /unread { return 200 "[$request_length]"; }
        """,
        servers=['listen 127.0.0.1:%%PORT_up%%; return 200 "[$http_l]";'],
    )
    for framing, body in (
        (b"Content-Length: 5", b"01234"),
        (b"Transfer-Encoding: chunked", b"2;x\r\n01\r\n3\r\n234\r\n0\r\n\r\n"),
    ):
        for path, counted in ((b"/read", len(body)), (b"/unread", 0)):
            head = b"POST %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%b\r\n\r\n"
            head = head % (path, framing)
            assert nginx.raw(head + body).endswith(b"[%d]" % (len(head) + counted)), path


def test_host_without_field(site: Nginx) -> None:
    """$host falls back on the name of the server."""
    assert site.raw(b"GET /host HTTP/1.0\r\n\r\n").endswith(b"[first.example]")
    assert site.raw(b"GET /http_host HTTP/1.0\r\n\r\n").endswith(b"[]")


def test_paths(site: Nginx) -> None:
    site.exchange("""
        > GET /root/f
        < 200
        < X-Root: %%DIR%%/linked
        < X-Real: %%DIR%%/real
        < X-File: %%DIR%%/linked/root/f

        > GET /alias/f
        < 200
        < X-Root: %%DIR%%/linked/
        < X-File: %%DIR%%/linked/f
        """)


def test_response(site: Nginx) -> None:
    site.exchange("""
        > GET /file
        < 200
        < X-Length: 5
        < X-Modified ~ .* GMT
        < X-Type: text/plain

        > GET /set
        < 200
        < X-Copy: value
        """)


def test_request_body(site: Nginx) -> None:
    site.exchange("""
        > POST /body
        >
        > some body
        < 200
        <
        < [some body]

        > POST /body
        > Transfer-Encoding: chunked
        >
        > in
        > parts
        < 200
        <
        < [inparts]
        """)


def test_keepalive(nginx: Nginx) -> None:
    nginx('location / { return 200 "$connection $connection_requests"; }')
    with nginx.connect() as client:
        answers = [client.request("GET /") for _ in range(3)]
    texts = [answer.text.split() for answer in answers if answer]
    assert len({connection for connection, _ in texts}) == 1
    assert [count for _, count in texts] == ["1", "2", "3"]


def test_limit_rate(nginx: Nginx) -> None:
    """The rate may be set by a variable."""
    nginx(
        """
        location / { set $limit_rate 20k; }
        location /directive { limit_rate 20k; limit_rate_after 30k; }
        """,
        files={"html/f": b"x" * 50_000, "html/directive": b"x" * 80_000},
    )
    before = time.monotonic()
    assert len(nginx.request("GET /f").body) == 50_000
    assert time.monotonic() - before > 0.9
    before = time.monotonic()
    assert len(nginx.request("GET /directive").body) == 80_000
    assert time.monotonic() - before > 0.9


def test_request_completion(nginx: Nginx) -> None:
    nginx(
        "access_log logs/access.log f; location / { return 200 x; }",
        http='log_format f "$request_completion|$sent_http_connection|$sent_http_content_length";',
    )
    nginx.exchange("> GET /\n< 200")
    assert nginx.access_log(1) == ["OK|close|1"]
