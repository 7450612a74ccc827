"""autoindex: listings of directories."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pytest

from ..nginx import Nginx

WHEN = 1_700_000_000  # Tue, 14 Nov 2023 22:13:20 GMT
LONG = "l" * 51


@pytest.fixture(scope="module")
def site(module_nginx: Nginx) -> Iterator[Nginx]:
    module_nginx(
        """
        autoindex on;
        location /off/ { autoindex off; }
        location /rounded/ { alias %%DIR%%/html/sizes/; autoindex_exact_size off; }
        location /json/ { alias %%DIR%%/html/list/; autoindex_format json; }
        location /jsonp/ { alias %%DIR%%/html/list/; autoindex_format jsonp; }
        location /xml/ { alias %%DIR%%/html/list/; autoindex_format xml; }
        location /local/ { alias %%DIR%%/html/list/; autoindex_localtime on; }
        location /missing/ { }
        """,
        files={
            "html/list/b.txt": "12345",
            'html/list/a&<">.txt': "",
            "html/list/.hidden": "",
            "html/list/z/x": "",
            "html/list/" + LONG: "x",
            "html/list/" + "f" * 50: "x",
            "html/list/with space%?#;": "x",
            'html/list/j\\"\n\x01': "",
            "html/list/gr\xfc\xdfe": "",
            "html/sizes/a": b"x" * 9999,
            "html/sizes/b": b"x" * 10000,
            "html/sizes/c": b"x" * (10 * 1024 + 512),
            "html/sizes/d": b"x" * (1024 * 1024 - 1),
            "html/sizes/e": b"x" * (1024 * 1024 * 3 // 2),
            "html/off/x": "",
            "html/indexed/index.html": "index",
        },
    )
    root = module_nginx.prefix / "html"
    (root / "list/to-nowhere").symlink_to("nowhere")
    (root / "list/to-z").symlink_to("z")
    os.mkfifo(root / "list/pipe")
    for folder, _, names in os.walk(bytes(root)):
        for name in [b".", *names]:
            os.utime(os.path.join(folder, name), (WHEN, WHEN), follow_symlinks=False)
    os.utime(root / "list/z", (WHEN, WHEN))
    yield module_nginx


def padded(name: str, label: str, size: str) -> str:
    width = len(re.sub(r"&\w+;", ".", label))
    return f'<a href="{name}">{label}</a>{" " * (50 - width)} 14-Nov-2023 22:13 {size:>19}'


def test_html(site: Nginx) -> None:
    answer = site.request("GET /list/")
    assert (answer.status, answer.get("Content-Type")) == (200, "text/html")
    assert answer.get("Content-Length") is None
    assert answer.text.split("\r\n") == [
        "<html>",
        "<head><title>Index of /list/</title></head>",
        "<body>",
        '<h1>Index of /list/</h1><hr><pre><a href="../">../</a>',
        padded("to-z/", "to-z/", "-"),
        padded("z/", "z/", "-"),
        padded("a%26%3C%22%3E.txt", "a&amp;&lt;&quot;&gt;.txt", "0"),
        padded("b.txt", "b.txt", "5"),
        padded("f" * 50, "f" * 50, "1"),
        padded("gr%C3%BC%C3%9Fe", "gr\xc3\xbc\xc3\x9fe", "0"),
        padded("j%5C%22%0A%01", "j\\&quot;\n\x01", "0"),
        padded(LONG, LONG[:47] + "..&gt;", "1"),
        padded("pipe", "pipe", "0"),
        padded("to-nowhere", "to-nowhere", "7"),
        padded("with%20space%25%3F%23%3B", "with space%?#;", "1"),
        "</pre><hr></body>",
        "</html>",
        "",
    ]


def test_rounded_sizes(site: Nginx) -> None:
    lines = site.request("GET /rounded/").text.split("\r\n")[4:9]
    assert [line[-7:] for line in lines] == ["   9999", "    10K", "    11K", "  1024K", "     2M"]


def test_json(site: Nginx) -> None:
    answer = site.request("GET /json/")
    assert answer.get("Content-Type") == "application/json"
    date = '"mtime":"Tue, 14 Nov 2023 22:13:20 GMT"'
    text = answer.text
    assert text.startswith(f'[\r\n{{ "name":"to-z", "type":"directory", {date} }},\r\n')
    assert f'{{ "name":"b.txt", "type":"file", {date}, "size":5 }},' in text
    assert f'{{ "name":"a&<\\">.txt", "type":"file", {date}, "size":0 }},' in text
    assert '"name":"j\\\\\\"\\n\\u0001"' in text
    assert f'{{ "name":"pipe", "type":"other", {date} }},' in text
    assert text.endswith(" }\r\n]")


def test_jsonp(site: Nginx) -> None:
    answer = site.request("GET /jsonp/?callback=a.b_1")
    assert answer.get("Content-Type") == "application/javascript"
    assert answer.text.startswith("/* callback */\r\na.b_1([\r\n{ ")
    assert answer.text.endswith("\r\n]);")
    assert site.request("GET /jsonp/").get("Content-Type") == "application/json"
    assert site.request("GET /jsonp/?callback=").text.startswith("[\r\n")
    assert site.request("GET /jsonp/?callback=a-b").status == 400
    assert site.request(f"GET /jsonp/?callback={'a' * 129}").status == 400
    site.wait_for_log(r'\[info\] .* client sent invalid callback name: "a-b", client')
    site.wait_for_log(r'\[info\] .* client sent too long callback name: "a+", client')


def test_xml(site: Nginx) -> None:
    answer = site.request("GET /xml/")
    assert answer.get("Content-Type") == "text/xml; charset=utf-8"
    lines = answer.text.split("\r\n")
    date = 'mtime="2023-11-14T22:13:20Z"'
    assert lines[:3] == [
        '<?xml version="1.0"?>',
        "<list>",
        f"<directory {date}>to-z</directory>",
    ]
    assert f'<file {date} size="0">a&amp;&lt;&quot;&gt;.txt</file>' in lines
    assert f"<other {date}>pipe</other>" in lines
    assert lines[-2:] == ["</list>", ""]


def test_when(site: Nginx) -> None:
    site.exchange("""
        > GET /off/
        < 403

        > GET /indexed/
        < 200
        <
        < index

        > HEAD /list/
        < 200
        < Content-Type: text/html
        <

        > POST /list/
        < 403

        > PUT /list/
        < 405

        > GET /missing/
        < 404

        > GET /list
        < 301

        > GET /local/
        < 200
        """)


def test_empty(nginx: Nginx) -> None:
    nginx("location / { autoindex on; autoindex_format json; }")
    assert nginx.request("GET /").text == "[\r\n]"


@pytest.mark.parametrize(
    ("directive", "message"),
    [
        ("autoindex_format text;", 'invalid value "text"'),
        (
            "autoindex yes;",
            'invalid value "yes" in "autoindex" directive, it must be "on" or "off"',
        ),
    ],
)
def test_rejected(nginx: Nginx, directive: str, message: str) -> None:
    nginx.rejects(directive, message)
