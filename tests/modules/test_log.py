"""access_log and log_format."""

from __future__ import annotations

import gzip
import os
import re
import signal

import pytest

from ..nginx import Nginx


def test_combined(nginx: Nginx) -> None:
    nginx("access_log logs/access.log; location / { return 200 hello; }")
    nginx.exchange("""
        > GET /a?b=c
        > User-Agent: agent "x"
        > Referer: http://example.org/
        > Authorization: Basic am9lOng=
        < 200

        > GET /
        < 200
        """)
    first, second = nginx.access_log(2)
    time = r"\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]"
    assert re.fullmatch(
        rf'127\.0\.0\.1 - joe {time} "GET /a\?b=c HTTP/1\.1" 200 5 "http://example\.org/" '
        r'"agent \\x22x\\x22"',
        first,
    )
    assert re.fullmatch(rf'127\.0\.0\.1 - - {time} "GET / HTTP/1\.1" 200 5 "-" "-"', second)


@pytest.mark.parametrize(
    "escape, told",
    [
        ("", r"\x22q\x22 b\x5Cs t\x09 u\xC3\xA9|-|"),
        ("escape=default", r"\x22q\x22 b\x5Cs t\x09 u\xC3\xA9|-|"),
        ("escape=json", 'r\\"q\\" b\\\\s t\\t u\xc3\xa9||'.removeprefix("r")),
        ("escape=none", '"q" b\\s t\t u\xc3\xa9||'),
    ],
)
def test_escape(nginx: Nginx, escape: str, told: str) -> None:
    nginx(
        "access_log logs/access.log f; return 204;",
        http=f'log_format f {escape} "$http_x|$http_none|$arg_empty";',
    )
    nginx.exchange('> GET /?empty=\n> X: "q" b\\s t\t u\xc3\xa9\n< 204')
    assert nginx.access_log(1) == [told]


def test_json_control_characters(nginx: Nginx) -> None:
    nginx(
        """
        access_log logs/json.log json;
        access_log logs/default.log default;
        location / { return 204; }
        """,
        http='log_format json escape=json "$uri"; log_format default "$uri";',
    )
    nginx.exchange("> GET /%01%08%0A%0C%0D%1F%22%5C%7F%FF\n< 204")
    assert nginx.access_log(1, "json.log") == ['/\\u0001\\b\\n\\f\\r\\u001F\\"\\\\\x7f\xff']
    assert nginx.access_log(1, "default.log") == [r"/\x01\x08\x0A\x0C\x0D\x1F\x22\x5C\x7F\xFF"]


def test_format_is_joined(nginx: Nginx) -> None:
    nginx(
        "access_log logs/access.log f; return 204;",
        http="log_format f '$request_method' ' \"$uri\" ' \"${status}x\" '\t[$is_args]';",
    )
    nginx.exchange("> GET /a\n< 204")
    assert nginx.access_log(1) == ['GET "/a" 204x\t[]']


def test_levels(nginx: Nginx) -> None:
    nginx(
        """
        access_log logs/server.log uri;
        location / { return 204; }
        location /off { access_log off; return 204; }
        location /own { access_log logs/own.log uri; return 204; }
        location /two {
            access_log logs/own.log uri;
            access_log logs/two.log status;
            return 204;
        }
        location /redirected { rewrite ^ /own last; }
        """,
        http='log_format uri "$uri"; log_format status "$status";',
    )
    for path in ("/", "/off", "/own", "/two", "/redirected", "/nothing%zz"):
        nginx.request(f"GET {path}")
    assert nginx.access_log(3, "own.log") == ["/own", "/two", "/own"]
    assert nginx.access_log(1, "two.log") == ["204"]
    assert nginx.access_log(2, "server.log") == ["/", ""]


def test_condition(nginx: Nginx) -> None:
    nginx(
        """
        access_log logs/access.log uri if=$arg_log;
        location / { return 204; }
        """,
        http='log_format uri "$request_uri";',
    )
    for query in ("log=1", "log=0", "log=", "", "log=00", "log=no"):
        nginx.exchange(f"> GET /?{query}\n< 204")
    assert nginx.access_log(3) == ["/?log=1", "/?log=00", "/?log=no"]


@pytest.mark.parametrize("log", ["", 'access_log logs/access.log f "if=$wrong";'])
def test_a_variable_that_fails_costs_its_value_only(nginx: Nginx, log: str) -> None:
    """A client must not be able to leave the log."""
    nginx(
        f"{log or 'access_log logs/access.log f;'} return 200;",
        http=r"""
        log_format f "$uri [$wrong] $status";
        map $uri $wrong { default x; "~(*LIMIT_MATCH=1)^/(?:f|fr)+ont$" 1; }
        """,
    )
    nginx.exchange("""
        > GET /frfrfrf
        < 200
        """)
    (line,) = nginx.access_log(1)
    assert re.fullmatch(r"/frfrfrf \[.?\] 200", line)


def test_variable_in_the_path(nginx: Nginx) -> None:
    nginx(
        "access_log logs/$arg_name.log uri; location / { return 204; }",
        http='log_format uri "$request_uri";',
    )
    nginx.exchange("> GET /?name=a\n< 204\n\n> GET /?name=b\n< 204\n\n> GET /?name=a\n< 204")
    assert nginx.access_log(2, "a.log") == ["/?name=a"] * 2
    assert nginx.access_log(1, "b.log") == ["/?name=b"]


def test_variables(nginx: Nginx) -> None:
    nginx(
        """
        access_log logs/access.log f;
        location / { return 200 hello; }
        location /post { client_max_body_size 1; proxy_pass http://127.0.0.1:%%PORT_none%%; }
        """,
        http="""
        log_format f "$status $bytes_sent $body_bytes_sent $request_length $request_time "
                     "$connection $connection_requests $pipe $msec $time_iso8601";
        """,
    )
    answer = nginx.raw(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    head, _, _ = answer.partition(b"\r\n\r\n")
    (line,) = nginx.access_log(1)
    assert re.fullmatch(
        rf"200 {len(answer)} 5 46 \d+\.\d{{3}} \d+ 1 \. \d{{10}}\.\d{{3}} "
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d",
        line,
    )
    assert len(answer) == len(head) + 4 + 5


def test_strings_of_a_format_are_parsed_one_by_one(nginx: Nginx) -> None:
    nginx(
        "access_log logs/access.log f; return 200 ok;",
        http="""log_format f '$status' 'x' ' $arg_a' 'b ${arg_a}' '$arg_a';""",
    )
    nginx.raw(b"GET /?a=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert nginx.access_log(1) == ["200x 1b 11"]


def test_a_variable_does_not_go_on_in_the_next_string(nginx: Nginx) -> None:
    nginx.rejects(http="log_format f '$' 'status';", message='invalid parameter "$"')


def test_status_of_odd_requests(nginx: Nginx) -> None:
    """Also what was never a request is logged."""
    nginx(
        """
        access_log logs/access.log f;
        location / { return 200 hello; }
        location /closed { return 444; }
        """,
        http='log_format f "$status|$request|$request_method|$uri|$body_bytes_sent";',
    )
    nginx.exchange("> GET /closed\n< closed")
    nginx.raw(b"nonsense\r\n\r\n")
    nginx.raw(b"GET /a%zz HTTP/1.1\r\n\r\n")
    nginx.raw(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
    nginx.raw(b"GET /\r\n")
    nginx.exchange("> HEAD /\n< 200")
    closed, nonsense, escape, hostless, ancient, head = nginx.access_log(6)
    assert closed == "444|GET /closed HTTP/1.1|GET|/closed|0"
    assert re.fullmatch(r"400\|nonsense\|-?\|-?\|\d+", nonsense)
    assert re.fullmatch(r"400\|GET /a%zz HTTP/1\.1\|GET\|-?\|\d+", escape)
    assert re.fullmatch(r"400\|GET / HTTP/1\.1\|GET\|/\|\d+", hostless)
    assert ancient == "200|GET /|GET|/|5"
    assert head == "200|HEAD / HTTP/1.1|HEAD|/|0"


def test_keepalive_requests_are_told_apart(nginx: Nginx) -> None:
    nginx(
        "access_log logs/access.log f; location / { return 200 x; }",
        http='log_format f "$connection_requests$pipe $request_uri";',
    )
    with nginx.connect() as client:
        client.wire.send(b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n")
        client.wire.answer()
        client.wire.answer()
        client.exchange("> GET /3\n< 200")
    assert nginx.access_log(3) == ["1. /1", "2p /2", "3. /3"]


def test_buffer(nginx: Nginx) -> None:
    """A buffered line is written when the buffer is full, old, or the log is reopened."""
    nginx(
        """
        location / { access_log logs/size.log uri buffer=50; return 204; }
        location /flush { access_log logs/flush.log uri buffer=1k flush=200ms; return 204; }
        location /end { access_log logs/end.log uri buffer=1k; return 204; }
        """,
        http='log_format uri "$uri";',
    )
    nginx.exchange("> GET /1234567890123456789\n< 204")
    assert nginx.access_log(0, "size.log") == []
    nginx.exchange("> GET /1234567890123456789\n< 204")
    assert nginx.access_log(0, "size.log") == []
    nginx.exchange("> GET /1234567890123456789\n< 204")
    assert nginx.access_log(1, "size.log")
    nginx.exchange("> GET /flush\n< 204")
    assert nginx.access_log(0, "flush.log") == []
    assert nginx.access_log(1, "flush.log") == ["/flush"]
    nginx.exchange("> GET /end\n< 204")
    assert nginx.access_log(0, "end.log") == []
    nginx.stop(signal.SIGQUIT)
    assert nginx.access_log(1, "end.log") == ["/end"]


def test_gzip(nginx: Nginx) -> None:
    nginx(
        "access_log logs/access.log.gz uri gzip flush=100ms; location / { return 204; }",
        http='log_format uri "$uri";',
    )
    nginx.exchange("> GET /a\n< 204\n\n> GET /b\n< 204")
    nginx.stop(signal.SIGQUIT)
    assert gzip.decompress((nginx.prefix / "logs/access.log.gz").read_bytes()) == b"/a\n/b\n"


def test_reopen(nginx: Nginx) -> None:
    nginx(
        "access_log logs/access.log uri; location / { return 204; }",
        http='log_format uri "$uri";',
    )
    nginx.exchange("> GET /before\n< 204")
    nginx.access_log(1)
    os.rename(nginx.prefix / "logs/access.log", nginx.prefix / "logs/old.log")
    nginx.send_signal(signal.SIGUSR1)
    nginx.wait_for_log(": reopening logs", 2)
    nginx.exchange("> GET /after\n< 204")
    assert nginx.access_log(1) == ["/after"]
    assert nginx.access_log(1, "old.log") == ["/before"]


def test_upstream_variables_of_a_local_answer(nginx: Nginx) -> None:
    nginx(
        "access_log logs/access.log f; location / { return 204; }",
        http='log_format f "$upstream_addr|$upstream_status|$upstream_response_time";',
    )
    nginx.exchange("> GET /\n< 204")
    assert nginx.access_log(1) == ["-|-|-"]


def test_subrequests(nginx: Nginx) -> None:
    """Only with log_subrequest are they logged, before the main request."""
    nginx(
        """
        access_log logs/access.log uri;
        location / { auth_request /auth; log_subrequest on; }
        location /auth { log_subrequest on; return 204; }
        location /quiet { auth_request /auth2; }
        location /auth2 { return 204; }
        """,
        http='log_format uri "$uri";',
    )
    nginx.exchange("> GET /a\n< 404\n\n> GET /quiet\n< 404")
    assert nginx.access_log(3) == ["/auth", "/a", "/quiet"]


@pytest.mark.nginx_differs("it writes what came")
def test_no_client_writes_lines_of_its_own(nginx: Nginx) -> None:
    nginx("location / { root %%DIR%%/html; }")
    forged = "2026/01/01 00:00:00 [notice] forged"
    assert nginx.request(f"GET /a%0a{forged.replace(' ', '%20')}").status == 404
    nginx.wait_for_log(r"\\x0A2026/01/01 00:00:00 \[notice\] forged\" failed")
    assert not re.search("^2026/01/01", nginx.error_log(), re.M)
