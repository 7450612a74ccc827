"""ssi: commands in pages are processed."""

from __future__ import annotations

import queue
import re

import pytest

from ..backend import Peer
from ..nginx import Nginx
from ..wire import DEADLINE

STUB = '<!--#block name="b" -->stub<!--#endblock -->'
ECHO = '<!--#echo var="x" encoding="none" -->'
ERROR = "[an error occurred while processing the directive]"
LOCATIONS = """
    ssi on;
    location /part { ssi off; return 200 "part $args"; }
    location /html { default_type text/html; return 200 'in <!--#echo var="arg_x" -->'; }
    location /nothing { return 204; }
    location /html404 { return 404; }
    location /missing { return 404; }
    location /slow { proxy_pass http://127.0.0.1:%%PORT_slow%%; }
    """


def page(nginx: Nginx, text: str, uri: str = "GET /a.html?a=1&h=<%26>") -> str:
    nginx.backend("slow", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow")
    nginx.write("html/a.html", text)
    nginx(LOCATIONS)
    return nginx.request(uri).text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain <b> <!-- x --> <!-", "plain <b> <!-- x --> "),
        ('[<!--#echo var="arg_a" -->]', "[1]"),
        ('<!--#echo var="ARG_A"-->', "1"),
        ('<!--#echo var="nothing" -->', "(none)"),
        ('<!--#echo var="nothing" default="d" -->', "d"),
        ('<!--#echo var="nothing" default="" -->', ""),
        ('<!--#set var="x" value="<$arg_a>" --><!--#echo var="x" -->', "&lt;1&gt;"),
        ('<!--#set var="x" value="< >" --><!--#echo var="x" encoding="url" -->', "%3C%20%3E"),
        ('<!--#set var="x" value="<>" --><!--#echo var="x" encoding="none" -->', "<>"),
        ('<!--#set var="x" value="a\\"b\\$c\\d" -->' + ECHO, 'a"b$c\\d'),
        ('<!--#set var="x" value="${arg_a}2" --><!--#echo var="x" -->', "12"),
        ('<!--#if expr="$arg_a" -->yes<!--#else -->no<!--#endif -->', "yes"),
        ('<!--#if expr="$nothing" -->yes<!--#else -->no<!--#endif -->', "no"),
        ('<!--#if expr="$arg_a = 1" -->yes<!--#endif -->', "yes"),
        ('<!--#if expr="$arg_a != 1" -->1<!--#elif expr="$arg_a=1" -->2<!--#endif -->', "2"),
        ('<!--#if expr="$arg_a" -->1<!--#elif expr="$arg_a" -->2<!--#else -->3<!--#endif -->', "1"),
        ('<!--#if expr="$uri = /\\.(?P<x>h.+)\\$/" --><!--#echo var="0" -->,' + ECHO, ".html,html"),
        ('<!--#if expr="$arg_a = /2/" -->y<!--#endif -->n', "n"),
        ('<!--#if expr="$nothing" --><!--#include virtual="/part" --><!--#endif -->', ""),
        ('<!--#config errmsg="oops" --><!--#nothing -->', "oops"),
        ("<!--#nothing -->", ERROR),
        ("<!--#endif -->", ERROR),
        ('<!--#echo var="a" var="b" -->', ERROR),
        ("<!--#echo -->", ERROR),
        ('<!--#echo x="a" -->', ERROR),
        ("<!--#echo var=a -->.", f"{ERROR}."),
        ('<!--#echo var="a"x -->.', f"{ERROR}."),
        ('<!--#echo var="a" -x>-->.', f"{ERROR}."),
        ('<!--#set var="x" value="$" -->', ERROR),
        ('<!--#if expr="a b" -->x<!--#endif -->', f"{ERROR}x{ERROR}"),
        ('[<!--#include virtual="/part?x" -->]', "[part x]"),
        ('[<!--#include virtual="part?$arg_a" -->]', "[part 1]"),
        ('[<!--#include file="part" -->]', "[part ]"),
        ('<!--#include virtual="/html?x=2" -->', "in 2"),
        ('<!--#include virtual="/slow" -->1<!--#include virtual="/part" -->2', "slow1part 2"),
        ('<!--#include virtual="/slow" wait="yes" -->1<!--#include virtual="/part" -->',
         "slow1part "),
        ('<!--#include virtual="/part?x" set="y" -->[<!--#echo var="y" -->]', "[part x]"),
        ('<!--#include virtual="/missing" set="y" -->[<!--#echo var="y" -->]', "[]"),
        (STUB + '<!--#include virtual="/nothing" stub="b" -->', "stub"),
        (STUB + '<!--#include virtual="/missing" stub="b" -->', "stub"),
        (STUB + '<!--#include virtual="/part" stub="b" -->', "part "),
        (
            '<!--#block name="b" --><!--#echo var="arg_x" --><!--#include virtual="/part" -->'
            '<!--#endblock --><!--#include virtual="/html404?x=1" stub="b" -->.',
            "1part .",
        ),
        ('<!--#include virtual="/part" stub="b" -->', ERROR),
        ('<!--#include virtual="/part" file="x" -->', ERROR),
        ("<!--#include -->", ERROR),
        ('<!--#include virtual="/../x" -->', ERROR),
        ('<!--#include virtual="/part" wait="x" -->', ERROR),
    ],
)  # fmt: skip
def test_commands(nginx: Nginx, text: str, expected: str) -> None:
    assert page(nginx, text) == expected


def test_error_pages_are_included(nginx: Nginx) -> None:
    assert re.fullmatch(
        r"\[<html>.*404 Not Found.*</html>\r\n\]",
        page(nginx, '[<!--#include virtual="/missing" -->]'),
        re.DOTALL,
    )


def test_dates(nginx: Nginx) -> None:
    text = f"""<!--#echo var="date_gmt" -->|<!--#config timefmt="%s" -->
<!--#echo var="date_local" -->
<!--#config timefmt="%Y" --><!--#set var="x" value="$date_local" -->{ECHO}"""
    assert re.fullmatch(
        r"\w+, \d\d-\w+-\d{4} \d\d:\d\d:\d\d \w+\|\n\d{10}\n\d{4}", page(nginx, text)
    )


def test_a_format_of_dates_ends_at_a_nul(nginx: Nginx) -> None:
    text = '<!--#config timefmt="%Y\0 %H" --><!--#echo var="date_gmt" -->|end'
    assert re.fullmatch(r"\d{4}\|end", page(nginx, text))


def test_headers(nginx: Nginx) -> None:
    nginx.write("html/a.html", "text")
    nginx.write("html/a.txt", '<!--#echo var="uri" -->')
    nginx("""
        location / { ssi on; }
        location /typed/ { alias html/; ssi on; ssi_types text/plain; }
        location /kept/ { alias html/; ssi on; ssi_last_modified on; }
        location /silent/ { ssi on; ssi_silent_errors on; default_type text/html;
                            return 200 'x<!--#nothing -->y'; }
        location /short/ { ssi on; ssi_value_length 4; default_type text/html;
                           return 200 '<!--#set var="12345" value="1" -->y'; }
        """)
    nginx.exchange("""
        > GET /a.html
        < 200
        < !Content-Length
        < !ETag
        < !Last-Modified
        < !Accept-Ranges
        <
        < text

        > HEAD /a.html
        < 200
        < !Content-Length

        > GET /a.txt
        < 200
        <
        < <!--#echo var="uri" -->

        > GET /typed/a.txt
        < 200
        <
        < /typed/a.txt

        > GET /silent/
        < 200
        <
        < xy

        > GET /short/
        < 200
        <
        < [an error occurred while processing the directive]y
        """)
    answer = nginx.request("GET /kept/a.html")
    assert (answer.get("ETag") or "").startswith('W/"') and answer.get("Last-Modified")


@pytest.mark.parametrize("size", [1, 3, 7])
def test_commands_in_several_pieces(nginx: Nginx, size: int) -> None:
    body = '1<!--#set var="a" value="2" --><!--#echo var="a" --><!-3'
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    chunks = "".join(f"{len(piece):x}\r\n{piece}\r\n" for piece in pieces)
    head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n"
    nginx.backend("main", f"{head}{chunks}0\r\n\r\n".encode())
    nginx("""location / { ssi on; proxy_buffering off; proxy_http_version 1.1;
                          proxy_pass http://127.0.0.1:%%PORT_main%%; }""")
    assert nginx.request("GET /").text == "12<!-3"


@pytest.mark.needs("http_gunzip_module")
@pytest.mark.needs("http_sub_module")
def test_with_gzip_and_sub_filter(nginx: Nginx) -> None:
    nginx.write("html/a.html", '<!--#include virtual="/part" -->.')
    nginx("""
        location / { ssi on; gzip on; gzip_min_length 0; sub_filter . !; }
        location /part { return 200 part; }
        location /in/ { gunzip on; proxy_set_header Accept-Encoding gzip;
                        proxy_http_version 1.1; proxy_pass http://127.0.0.1:%%PORT%%/; }
        """)
    nginx.exchange("> GET /in/a.html\n< 200\n<\n< part!")


def test_a_page_that_includes_itself(nginx: Nginx) -> None:
    text = page(nginx, '1<!--#include virtual="/a.html" -->')
    assert text.startswith("1" * 50)
    assert "subrequests cycle while processing" in nginx.error_log()


def test_too_large_for_a_variable(nginx: Nginx) -> None:
    nginx.write("html/a.html", '[<!--#include virtual="/big" set="x" --><!--#echo var="x" -->]')
    nginx("""
        ssi on; subrequest_output_buffer_size 16;
        location /big { proxy_pass http://127.0.0.1:%%PORT_big%%; }
        """)
    nginx.backend("big", b"HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n12345678901234567")
    assert nginx.raw(b"GET /a.html HTTP/1.0\r\n\r\n") == b""


def test_includes_end_with_a_client_that_leaves(nginx: Nginx) -> None:
    ended = queue.Queue[bytes]()

    def silent(peer: Peer) -> None:
        peer.request()
        ended.put(peer.socket.recv(1))

    backend = nginx.backend("slow", silent)
    nginx.write("html/a.html", 'a<!--#include virtual="/slow" -->b<!--#include virtual="/slow" -->')
    nginx(LOCATIONS)
    with nginx.connect() as connection:
        connection.wire.send(b"GET /a.html HTTP/1.1\r\nHost: a\r\n\r\n")
        backend.wait_until_asked()
    assert ended.get(timeout=DEADLINE) == b""
