"""empty_gif: a picture of one pixel."""

from __future__ import annotations

from ..nginx import Nginx

PICTURE = bytes.fromhex(
    "474946383961 01000100 80 01 00 000000 ffffff 21f904 01 0000 01 00"
    "2c 00000000 01000100 00 02 02 4c01 00 3b"
)


def test_picture(nginx: Nginx) -> None:
    nginx("location /x { empty_gif; location /x/y { } if ($arg_if) { } }", files={"html/x": ""})
    assert nginx.request("GET /x").body == PICTURE
    nginx.exchange("""
        > GET /x
        < 200
        < Content-Type: image/gif
        < Content-Length: 43
        < Last-Modified: Mon, 28 Sep 1970 06:00:00 GMT
        < !ETag
        < !Accept-Ranges

        > HEAD /x
        < 200
        < Content-Length: 43
        <

        > GET /x
        > If-Modified-Since: Mon, 28 Sep 1970 06:00:00 GMT
        < 304

        > POST /x
        < 405

        > GET /x/y
        < 404
        """)


def test_rejected(nginx: Nginx) -> None:
    nginx.rejects("empty_gif;", '"empty_gif" directive is not allowed here')
    nginx.rejects(
        "location / { empty_gif on; }", 'invalid number of arguments in "empty_gif" directive'
    )


def test_no_slash_is_added(nginx: Nginx) -> None:
    """Only what is passed on to an upstream is redirected to the location's name."""
    nginx("location /gif/ { empty_gif; } location / { return 404; }")
    assert nginx.request("GET /gif").status == 404
