"""proxy_store and its like: responses that become files."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from ..applications import PROTOCOLS, Site
from ..backend import Peer
from ..nginx import Nginx
from ..wire import DEADLINE

HEAD = b"Content-Type: text/plain\r\nLast-Modified: Mon, 28 Sep 1970 06:00:00 GMT\r\n"
TEXT = HEAD + b"\r\nhello"
PASS = "cgi_pass 127.0.0.1:%%PORT_b%%;"
LONG = bytes(range(256)) * 4096


@pytest.fixture(params=PROTOCOLS)
def site(request: pytest.FixtureRequest, nginx: Nginx) -> Site:
    """A server, and one of the protocols."""
    return Site(nginx, request.param)


def files(nginx: Nginx) -> dict[str, int]:
    """The modes of the files below "kept"."""
    top = Path(nginx.prefix) / "kept"
    return {
        str(path.relative_to(top)): path.stat().st_mode & 0o777
        for path in top.rglob("*")
        if path.is_file()
    }


def stored(path: Path) -> bytes:
    """A file, once it is there: the client can have its response before."""
    deadline = time.monotonic() + DEADLINE
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return path.read_bytes()


def test_responses_are_stored(site: Site) -> None:
    site.application(TEXT, b"Status: 404\r\n\r\nno", b"Content-Length: 9\r\n\r\nhello", TEXT)
    site(f"""
        location /on/ {{ root kept; cgi_store on; {PASS} }}
        location /path/ {{ cgi_store %%DIR%%/kept/by$uri; cgi_store_access group:r all:r; {PASS} }}
        """)
    nginx = site.nginx
    nginx.exchange("> GET /on/a/b\n< 200\n<\n< hello\n\n> GET /on/none\n< 404\n<\n< no")
    nginx.raw(b"GET /on/cut HTTP/1.1\r\nHost: x\r\n\r\n")
    nginx.exchange("> GET /path/c\n< 200\n<\n< hello")
    assert {name: mode for name, mode in files(nginx).items() if name != "on/cut"} == {
        "on/a/b": 0o600,
        "by/path/c": 0o644,
    }
    path = Path(nginx.prefix) / "kept/on/a/b"
    assert path.read_text() == "hello" and path.stat().st_mtime == 23_349_600
    assert (path.parent.stat().st_mode & 0o777, path.parents[1].stat().st_mode & 0o777) == (
        0o700,
        0o700,
    )
    assert (Path(nginx.prefix) / "kept/by/path").stat().st_mode & 0o777 == 0o755


def http(*sent: bytes, nginx: Nginx) -> None:
    nginx.backend("b", *(b"HTTP/1.1 200 OK\r\n" + one for one in sent))


PROXY = "proxy_pass http://127.0.0.1:%%PORT_b%%;"
STORE = f"location / {{ root kept; proxy_store on; {PROXY} }}"


def test_what_is_stored_of_http(nginx: Nginx) -> None:
    """Chunked and empty responses are; those without a body, or without buffering, are not."""
    http(
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"Content-Length: 0\r\n\r\n",
        b"Content-Length: 5\r\n\r\n",
        b"Content-Length: 5\r\n\r\nhello",
        b"Content-Length: 5\r\nX-Accel-Buffering: no\r\n\r\nhello",
        b"Content-Length: 5\r\nX-Accel-Redirect: /else\r\n\r\nhello",
        nginx=nginx,
    )
    nginx(
        f"location /off {{ root kept; proxy_store on; proxy_buffering off; {PROXY} }}"
        "location /else { return 200 else; }" + STORE
    )
    for head in ("GET /chunked", "GET /empty", "HEAD /head", "GET /off", "GET /x", "GET /moved"):
        assert nginx.request(head).status == 200
    stored(Path(nginx.prefix) / "kept/empty")
    assert {*files(nginx)} == {"chunked", "empty"}
    assert nginx.read("kept/chunked") == "hello" and nginx.read("kept/empty") == ""


def test_a_long_response(nginx: Nginx) -> None:
    http(b"Content-Length: %d\r\n\r\n%b" % (len(LONG), LONG), nginx=nginx)
    nginx(STORE)
    assert nginx.request("GET /long").body == LONG
    assert stored(Path(nginx.prefix) / "kept/long") == LONG


def test_a_client_that_leaves(nginx: Nginx) -> None:
    """The response is stored all the same, and nothing is left behind."""

    def script(peer: Peer) -> None:
        peer.head()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(LONG))
        for at in range(0, len(LONG), 65536):
            peer.send(LONG[at : at + 65536])

    backend = nginx.backend("b", script)
    nginx(STORE + "proxy_temp_path temp 1 2;")
    with nginx.connect() as client:
        client.wire.send(b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n")
        client.wire.exactly(10)
    backend.connections(1)
    path = Path(nginx.prefix) / "kept/long"
    assert stored(path) == LONG
    assert not [x for x in (Path(nginx.prefix) / "temp").rglob("*") if x.is_file()]


def test_stored_files_are_served(nginx: Nginx) -> None:
    """The usual combination: what is missing is fetched once."""
    http(b"Content-Length: 5\r\n\r\nhello", b"Content-Length: 5\r\n\r\nother", nginx=nginx)
    nginx(f"""
        root kept;
        location / {{ try_files $uri @fetch; }}
        location @fetch {{ proxy_store on; proxy_store_access user:rw group:rw all:r; {PROXY} }}
        """)
    nginx.exchange("> GET /a\n< 200\n<\n< hello\n\n> GET /a\n< 200\n<\n< hello")
    assert files(nginx) == {"a": 0o664}


def test_storing_and_caching_on_different_levels(nginx: Nginx) -> None:
    http(b"Content-Length: 5\r\n\r\nhello", nginx=nginx)
    nginx(
        f"""
        root kept; proxy_store on; proxy_cache_valid 1m;
        add_header X-Cache $upstream_cache_status;
        location /cached {{ proxy_cache z; {PROXY} }}
        location / {{ {PROXY} }}
        """,
        http="proxy_cache_path %%DIR%%/cache keys_zone=z:1m;",
    )
    nginx.exchange("> GET /cached\n< 200\n< X-Cache: MISS\n\n> GET /stored\n< 200\n< !X-Cache")
    assert {*files(nginx)} == {"stored"}


def test_an_empty_path(nginx: Nginx) -> None:
    http(b"Content-Length: 5\r\n\r\nhello", nginx=nginx)
    nginx(f"location / {{ proxy_store $arg_to; {PROXY} }}")
    nginx.exchange("> GET /\n< 200\n<\n< hello\n\n> GET /?to=%%DIR%%/kept/x\n< 200\n<\n< hello")
    assert {*files(nginx)} == {"x"}


def test_a_directory_that_cannot_be_made(nginx: Nginx) -> None:
    http(b"Content-Length: 5\r\n\r\nhello", nginx=nginx)
    nginx(STORE, files={"kept": "a file"})
    nginx.exchange("> GET /a\n< 200\n<\n< hello")
    nginx.wait_for_log(r"\[crit\] .*(mkdir|rename)\(\) ")
    assert os.listdir(nginx.prefix)


@pytest.mark.parametrize(
    ("snippet", "message"),
    [
        ('proxy_store "";', "empty path"),
        ("proxy_store on; proxy_store off;", '"proxy_store" directive is duplicate'),
        ("proxy_store $none;", 'unknown "none" variable'),
        ("proxy_store_access user:x;", 'invalid value "user:x"'),
        ("proxy_store_access other:r;", 'invalid value "other:r"'),
        ("proxy_store_access;", 'invalid number of arguments in "proxy_store_access" directive'),
        (
            "proxy_store on; proxy_cache z;",
            '"proxy_cache" directive is incompatible with "proxy_store"',
        ),
        (
            "proxy_cache z; proxy_store on;",
            '"proxy_store" directive is incompatible with "proxy_cache"',
        ),
    ],
)  # fmt: skip
def test_rejected(nginx: Nginx, snippet: str, message: str) -> None:
    zone = "proxy_cache_path %%DIR%%/cache keys_zone=z:1m;"
    nginx.rejects(snippet + "location / { proxy_pass http://127.0.0.1:1; }", message, http=zone)
