"""add_header, add_trailer and expires."""

from __future__ import annotations

import email.utils
import time

import pytest

from ..nginx import Nginx

ALWAYS = (200, 201, 204, 206, 301, 302, 303, 304, 307, 308)


def test_added_to_successful_responses_unless_always(nginx: Nginx) -> None:
    codes = [*ALWAYS, 202, 203, 400, 401, 403, 404, 410, 500, 503]
    nginx(
        "".join(
            f"location /{code} {{ add_header X-Some a; add_header X-Always b always;"
            f" return {code}; }}\n"
            for code in codes
        )
    )
    for code in codes:
        answer = nginx.request(f"GET /{code}")
        assert answer.status == code
        assert answer.all("X-Some") == (["a"] if code in ALWAYS else [])
        assert answer.all("X-Always") == ["b"]


def test_value(nginx: Nginx) -> None:
    nginx("""
        location / {
            add_header X-Uri "at $uri";
            add_header X-Empty "";
            add_header X-Variable $arg_x;
            add_header X-Twice 1;
            add_header X-Twice 2;
            add_header x-lower lower;
            add_header X-Both "$arg_x$arg_y";
            add_header X-Type $sent_http_content_type;
            add_header X-Length $sent_http_content_length;
            add_header X-Status $status;
            return 200 hello;
        }
        """)
    nginx.exchange("""
        > GET /a
        < 200
        < X-Uri: at /a
        < !X-Empty
        < !X-Variable
        < X-Twice: 1
        < X-Twice: 2
        < x-lower: lower
        < !X-Both
        < X-Type: text/plain
        < X-Length: 5
        < X-Status: 200

        > GET /b?x=1&y=2
        < 200
        < X-Variable: 1
        < X-Both: 12
        """)


def test_inheritance(nginx: Nginx) -> None:
    nginx(
        """
        add_header X-Server 1;
        location /bare   { return 204; }
        location /own    { add_header X-Own 1; return 204; }
        location /nested { location /nested/in { return 204; } add_header X-Own 1; }
        location /if     { if ($arg_a) { return 204; } add_header X-Own 1; return 201; }
        location /expires { expires 1h; return 204; }
        """,
        http="add_header X-Http 1;",
    )
    nginx.exchange("""
        > GET /bare
        < 204
        < X-Server: 1
        < !X-Http

        > GET /own
        < 204
        < X-Own: 1
        < !X-Server

        > GET /nested/in
        < 204
        < X-Own: 1

        > GET /if?a=1
        < 204
        < X-Own: 1

        > GET /expires
        < 204
        < X-Server: 1
        < Cache-Control: max-age=3600
        """)


def test_inherit(nginx: Nginx) -> None:
    nginx("""
        add_header X-Server 1;
        add_trailer X-T-Server 1;
        location /off    { add_header_inherit off; return 204; }
        location /on     { add_header_inherit on; add_header X-Own 1; return 204; }
        location /merge  {
            add_header_inherit merge;
            add_header X-Own 1;
            location /merge/deeper { add_header X-Deep 1; return 204; }
            return 204;
        }
        """)
    nginx.exchange("""
        > GET /off
        < 204
        < !X-Server

        > GET /on
        < 204
        < X-Own: 1
        < !X-Server

        > GET /merge
        < 204
        < X-Own: 1
        < X-Server: 1

        > GET /merge/deeper
        < 204
        < X-Deep: 1
        < X-Own: 1
        < X-Server: 1
        """)


def test_special_fields(nginx: Nginx) -> None:
    """Cache-Control and Link may be repeated; Last-Modified and ETag are replaced."""
    nginx(
        """
        location /cache    { add_header Cache-Control a; add_header Cache-Control b; return 204; }
        location /both     { expires 1m; add_header Cache-Control private; return 204; }
        location /modified { add_header Last-Modified "Tue, 14 Nov 2023 22:13:20 GMT"; }
        location /unmodified { add_header Last-Modified ""; }
        location /etag     { add_header ETag '"mine"'; }
        location /no-etag  { add_header ETag ""; }
        location /server   { add_header Server other; return 204; }
        location /link     { add_header Link a; add_header Link b; return 204; }
        location /location { add_header Location /x; return 204; }
        location /type     { add_header Content-Type a/b; return 200 x; }
        """,
        files={
            "html/modified": "x",
            "html/unmodified": "x",
            "html/etag": "x",
            "html/no-etag": "x",
        },
    )
    nginx.exchange("""
        > GET /cache
        < 204
        < Cache-Control: a
        < Cache-Control: b

        > GET /both
        < 204
        < Cache-Control: max-age=60
        < Cache-Control: private

        > GET /modified
        < 200
        < Last-Modified: Tue, 14 Nov 2023 22:13:20 GMT

        > GET /modified
        > If-Modified-Since: Tue, 14 Nov 2023 22:13:20 GMT
        < 200

        > GET /unmodified
        < 200
        < !Last-Modified

        > GET /etag
        < 200
        < ETag: "mine"

        > GET /no-etag
        < 200
        < !ETag

        > GET /link
        < 204
        < Link: a
        < Link: b

        > GET /location
        < 204
        < Location: /x
        """)


def test_proxied(nginx: Nginx) -> None:
    nginx(
        """
        location / {
            proxy_pass http://127.0.0.1:%%PORT_b%%;
            add_header X-Added "$upstream_http_x_up";
            add_header X-Up mine;
        }
        location /page {
            proxy_intercept_errors on;
            proxy_pass http://127.0.0.1:%%PORT_b%%;
            error_page 404 /error;
            add_header X-Location one;
        }
        location /error { add_header X-Location two; return 200 page; }
        """,
        servers=[
            """
            listen 127.0.0.1:%%PORT_b%%;
            add_header X-Up up always;
            location / { return 200 x; }
            location /page { return 404; }
            """
        ],
    )
    nginx.exchange("""
        > GET /
        < 200
        < X-Added: up
        < X-Up: up
        < X-Up: mine

        > GET /page
        < 404
        < !X-Location
        """)


def test_trailer(nginx: Nginx) -> None:
    nginx(
        """
        location / { add_trailer X-T "$uri $bytes_sent"; add_trailer X-Empty ""; return 200 abc; }
        location /file { add_trailer X-T "t:$sent_http_content_length"; }
        location /404 { add_trailer X-T a; add_trailer X-Always b always; return 404; }
        location /off { add_trailer X-T a; chunked_transfer_encoding off; return 200 abc; }
        location /204 { add_trailer X-T a; return 204; }
        location /empty { add_trailer X-Empty "$arg_t"; return 200 abc; }
        """,
        files={"html/file": "file"},
    )
    nginx.exchange("""
        > GET /
        < 200
        < Transfer-Encoding: chunked
        < !Content-Length
        < !X-T
        <+ X-T ~ / \\d+
        <+ !X-Empty
        <
        < abc

        > GET /file
        < 200
        < Transfer-Encoding: chunked
        <+ X-T: t:
        <
        < file

        > GET / HTTP/1.0
        < 200
        < !Transfer-Encoding
        <+ !X-T
        <
        < abc

        > HEAD /
        < 200
        <+ !X-T
        <

        > GET /404
        < 404
        <+ !X-T
        <+ X-Always: b

        > GET /off
        < 200
        < !Transfer-Encoding
        <+ !X-T
        <
        < abc

        > GET /204
        < 204
        < !Transfer-Encoding

        > GET /empty
        < 200
        < Transfer-Encoding: chunked
        <+ !X-Empty
        """)


def after(answer_expires: str | None, answer_date: str | None) -> float:
    """The seconds between Date and Expires."""
    assert answer_expires and answer_date
    expires, date = map(email.utils.parsedate_to_datetime, (answer_expires, answer_date))
    return (expires - date).total_seconds()


@pytest.mark.parametrize(
    "setting, seconds, control",
    [
        ("1h", 3600, "max-age=3600"),
        ("+30", 30, "max-age=30"),
        ("0", 0, "max-age=0"),
        ("-1", -1, "no-cache"),
        ("-1d", -86400, "no-cache"),
        ("1d 2h 3m 4s".replace(" ", ""), 93784, "max-age=93784"),
        ("$arg_e", 60, "max-age=60"),
    ],
)
def test_expires(nginx: Nginx, setting: str, seconds: int, control: str) -> None:
    nginx(f"expires {setting}; return 200 x;")
    answer = nginx.request("GET /?e=1m")
    assert answer.get("Cache-Control") == control
    assert abs(after(answer.get("Expires"), answer.get("Date")) - seconds) <= 1


def test_expires_words(nginx: Nginx) -> None:
    nginx("""
        location / { expires max; return 200 x; }
        location /epoch { expires epoch; return 200 x; }
        location /off { expires off; return 200 x; }
        location /404 { expires 1h; return 404; }
        location /var { expires $arg_e; return 200 x; }
        """)
    nginx.exchange("""
        > GET /
        < 200
        < Expires: Thu, 31 Dec 2037 23:55:55 GMT
        < Cache-Control: max-age=315360000

        > GET /epoch
        < 200
        < Expires: Thu, 01 Jan 1970 00:00:01 GMT
        < Cache-Control: no-cache

        > GET /off
        < 200
        < !Expires
        < !Cache-Control

        > GET /404
        < 404
        < !Expires
        < !Cache-Control

        > GET /var?e=max
        < 200
        < Cache-Control: max-age=315360000

        > GET /var?e=epoch
        < 200
        < Cache-Control: no-cache

        > GET /var?e=off
        < 200
        < !Cache-Control

        > GET /var?e=
        < 200
        < !Cache-Control

        > GET /var?e=nonsense
        < 200
        < !Cache-Control
        """)


def test_expires_at_a_time_of_day(nginx: Nginx) -> None:
    nginx("expires @15h30m; return 200 x;", main="env TZ=UTC;")
    expires = nginx.request("GET /").get("Expires")
    assert expires
    assert time.localtime(email.utils.parsedate_to_datetime(expires).timestamp())[3:5] == (15, 30)


def test_expires_modified(nginx: Nginx) -> None:
    nginx("expires modified +1d;", files={"html/f": "x"})
    answer = nginx.request("GET /f")
    assert after(answer.get("Expires"), answer.get("Last-Modified")) == 86400


def test_expires_replaces_the_upstreams(nginx: Nginx) -> None:
    nginx(
        "location / { proxy_pass http://127.0.0.1:%%PORT_b%%; expires 1h; }"
        "location /off { proxy_pass http://127.0.0.1:%%PORT_b%%; expires off; }",
        servers=[
            """
            listen 127.0.0.1:%%PORT_b%%;
            add_header Expires "Thu, 01 Jan 1970 00:00:01 GMT";
            add_header Cache-Control private;
            return 200 x;
            """
        ],
    )
    nginx.exchange("""
        > GET /
        < 200
        < Expires ~ .* 20\\d\\d .*
        < Cache-Control: max-age=3600

        > GET /off
        < 200
        < Expires: Thu, 01 Jan 1970 00:00:01 GMT
        < Cache-Control: private
        """)
