"""proxy_cache: what is kept, for how long, and what is on the disk."""

from __future__ import annotations

import hashlib
import os
import signal
import struct
import threading
import time
from pathlib import Path

import lmdb
import pytest

from ..backend import Backend, Peer, Script
from ..nginx import Nginx
from ..wire import DEADLINE

ZONE = "proxy_cache_path %%DIR%%/cache levels=1:2 keys_zone=one:1m;"
BASE = """
    proxy_cache one;
    proxy_cache_key $request_uri;
    proxy_cache_valid 200 1m;
    add_header X-Cache $upstream_cache_status always;
"""
UP = "proxy_pass http://127.0.0.1:%%PORT_b%%;"


def counting(*fields: str, status: str = "200 OK", body: str = "") -> Script:
    """Answers with the number of the request, or with the body."""
    count = iter(range(1, 1000))
    lock = threading.Lock()

    def script(peer: Peer) -> None:
        while not peer.closed():
            peer.request()
            with lock:
                text = body or str(next(count))
            head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(text)}", *fields])
            peer.send(f"{head}\r\n\r\n{text}".encode())

    return script


def serve(nginx: Nginx, location: str = "", *fields: str, zone: str = ZONE) -> Backend:
    backend = nginx.backend("b", counting(*fields))
    nginx(f"location / {{ {BASE} {location} {UP} }}", http=zone)
    return backend


def told(nginx: Nginx, target: str = "/", *fields: str) -> str:
    """The cache status and the body."""
    answer = nginx.request(f"GET {target}", *fields)
    return f"{answer.get('X-Cache')} {answer.text}"


def test_hit(nginx: Nginx) -> None:
    serve(nginx)
    assert told(nginx) == "MISS 1"
    assert told(nginx) == "HIT 1"
    assert told(nginx, "/?a") == "MISS 2"
    assert told(nginx) == "HIT 1"
    nginx.exchange("""
        > HEAD /
        < 200
        < X-Cache: HIT
        < Content-Length: 1
        <

        > POST /
        < 200
        < !X-Cache
        <
        < 3

        > GET / HTTP/1.0
        < 200
        < X-Cache: HIT
        <
        < 1
        """)


def test_fields_of_a_hit(nginx: Nginx) -> None:
    """The stored head is told again, with a Date of its own."""
    nginx.backend(
        "b",
        b'HTTP/1.1 200 Fine\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT\r\nETag: "e"\r\n'
        b"Last-Modified: Tue, 14 Nov 2023 22:13:20 GMT\r\nX-Up: 1\r\nContent-Type: a/b\r\n"
        b"Accept-Ranges: bytes\r\n"
        b"X-Accel-Expires: 60\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
    )
    nginx(f"location / {{ {BASE} {UP} }}", http=ZONE)
    for status in ("MISS", "HIT"):
        nginx.exchange(f"""
            > GET /
            < 200 Fine
            < Date ~ .* 20(?!23)\\d\\d .*
            < ETag: "e"
            < Accept-Ranges: bytes
            < Last-Modified: Tue, 14 Nov 2023 22:13:20 GMT
            < X-Up: 1
            < Content-Type: a/b
            < Content-Length: 5
            < X-Cache: {status}
            < !X-Accel-Expires
            <
            < hello
            """)
    nginx.exchange("""
        > GET /
        > Range: bytes=1-2
        < 206
        < Content-Range: bytes 1-2/5
        <
        < el

        > GET /
        > If-None-Match: "e"
        < 304
        < X-Cache: HIT

        > GET /
        > If-Modified-Since: Tue, 14 Nov 2023 22:13:20 GMT
        < 304
        """)


def test_ranges_and_conditions_are_not_sent_upstream(nginx: Nginx) -> None:
    backend = serve(nginx)
    told(nginx, "/", "Range: bytes=0-0", "If-None-Match: x", "If-Modified-Since: x", "X-Kept: 1")
    nginx.stop()
    (received,) = backend.connections(1)
    assert "X-Kept: 1" in received
    assert "Range" not in received
    assert "If-" not in received


@pytest.mark.parametrize(
    "fields, cached",
    [
        ((), True),
        (("Cache-Control: max-age=60",), True),
        (("Cache-Control: s-maxage=60, max-age=0",), True),
        (("Cache-Control: public",), True),
        (("Cache-Control: max-age=0",), False),
        (("Cache-Control: no-cache",), False),
        (("Cache-Control: no-store",), False),
        (("Cache-Control: private",), False),
        (("Cache-Control: PRIVATE, max-age=60",), False),
        (("Cache-Control: max-age=60", "Cache-Control: no-cache"), False),
        (("Expires: Thu, 31 Dec 2037 23:55:55 GMT",), True),
        (("Expires: Thu, 01 Jan 1970 00:00:01 GMT",), False),
        (("Expires: nonsense",), False),
        (("Expires: Thu, 01 Jan 1970 00:00:01 GMT", "Cache-Control: max-age=60"), True),
        (("X-Accel-Expires: 60",), True),
        (("X-Accel-Expires: 0",), False),
        (("X-Accel-Expires: @2000000000",), True),
        (("X-Accel-Expires: 60", "Cache-Control: no-store"), True),
        (("Cache-Control: no-store", "X-Accel-Expires: 60"), True),
        (("X-Accel-Expires: 0", "Cache-Control: max-age=60"), False),
        (("Set-Cookie: a=1",), False),
        (("Vary: *",), False),
        (("Vary: Accept",), True),
    ],
)
def test_what_upstream_says(nginx: Nginx, fields: tuple[str, ...], cached: bool) -> None:
    serve(nginx, "", *fields)
    assert told(nginx) == "MISS 1"
    assert told(nginx) == ("HIT 1" if cached else "MISS 2")


@pytest.mark.parametrize(
    "ignored, field",
    [
        ("Cache-Control", "Cache-Control: no-store"),
        ("Expires", "Expires: Thu, 01 Jan 1970 00:00:01 GMT"),
        ("Set-Cookie", "Set-Cookie: a=1"),
        ("Vary", "Vary: *"),
        ("X-Accel-Expires", "X-Accel-Expires: 0"),
    ],
)
def test_ignored(nginx: Nginx, ignored: str, field: str) -> None:
    serve(nginx, f"proxy_ignore_headers {ignored};", field)
    assert [told(nginx), told(nginx)] == ["MISS 1", "HIT 1"]


@pytest.mark.parametrize(
    "valid, status, cached",
    [
        ("", "404 Not Found", False),
        ("proxy_cache_valid 404 1m;", "404 Not Found", True),
        ("proxy_cache_valid any 1m;", "500 Error", True),
        ("proxy_cache_valid 1m;", "301 Moved", True),
        ("proxy_cache_valid 1m;", "404 Not Found", False),
        ("proxy_cache_valid 404 0;", "404 Not Found", False),
    ],
)
def test_valid(nginx: Nginx, valid: str, status: str, cached: bool) -> None:
    nginx.backend("b", counting(status=status))
    nginx(f"location / {{ {BASE} {valid} {UP} }}", http=ZONE)
    assert [told(nginx), told(nginx)] == ["MISS 1", "HIT 1" if cached else "MISS 2"]


def test_upstream_may_be_more_generous(nginx: Nginx) -> None:
    """What has no proxy_cache_valid is kept if the upstream says so."""
    nginx.backend("b", counting("Cache-Control: max-age=60", status="404 Not Found"))
    nginx(f"location / {{ {BASE} {UP} }}", http=ZONE)
    assert [told(nginx), told(nginx)] == ["MISS 1", "HIT 1"]


def test_methods(nginx: Nginx) -> None:
    serve(nginx, "proxy_cache_methods POST;")
    for status in ("MISS", "HIT"):
        nginx.exchange(f"> POST /\n< 200\n< X-Cache: {status}\n<\n< 1")
    nginx.exchange("> PUT /\n< 200\n< !X-Cache\n<\n< 2")


def test_head_is_fetched_as_get(nginx: Nginx) -> None:
    backend = serve(nginx)
    nginx.exchange("> HEAD /\n< 200\n< X-Cache: MISS\n<\n\n> GET /\n< 200\n< X-Cache: HIT\n<\n< 1")
    nginx.stop()
    assert backend.connections(1)[0].startswith("GET / ")


def test_bypass_and_no_cache(nginx: Nginx) -> None:
    serve(nginx, "proxy_cache_bypass $arg_bypass $http_x_bypass; proxy_no_cache $arg_no;")
    assert told(nginx, "/?a") == "MISS 1"
    assert told(nginx, "/?a", "X-Bypass: 1") == "BYPASS 2"
    assert told(nginx, "/?a") == "HIT 2"
    assert told(nginx, "/?a", "X-Bypass: 0") == "HIT 2"
    assert told(nginx, "/?no=1") == "MISS 3"
    assert told(nginx, "/?no=1") == "MISS 4"
    assert told(nginx, "/?no=0") == "MISS 5"
    assert told(nginx, "/?no=0") == "HIT 5"


def test_min_uses(nginx: Nginx) -> None:
    serve(nginx, "proxy_cache_min_uses 3;")
    assert [told(nginx) for _ in range(5)] == ["MISS 1", "MISS 2", "MISS 3", "HIT 3", "HIT 3"]


def test_key(nginx: Nginx) -> None:
    backend = nginx.backend("b", counting())
    nginx(
        f"""
        proxy_cache one;
        proxy_cache_valid 1m;
        add_header X-Cache $upstream_cache_status;
        location /default {{ {UP} }}
        location /cookie {{ proxy_cache_key "$uri|$cookie_u"; {UP} }}
        """,
        http=ZONE,
    )
    assert told(nginx, "/default") == "MISS 1"
    assert told(nginx, "/default", "Host: other") == "HIT 1"
    assert told(nginx, "/cookie?a", "Cookie: u=1") == "MISS 2"
    assert told(nginx, "/cookie?b", "Cookie: u=1") == "HIT 2"
    assert told(nginx, "/cookie?a", "Cookie: u=2") == "MISS 3"
    assert backend.accepted >= 1


def test_vary(nginx: Nginx) -> None:
    serve(nginx, "", "Vary: Accept-Language, X-Other")
    assert told(nginx, "/", "Accept-Language: en") == "MISS 1"
    assert told(nginx, "/", "Accept-Language: de") == "MISS 2"
    assert told(nginx, "/", "Accept-Language: en") == "HIT 1"
    assert told(nginx, "/", "Accept-Language: de") == "HIT 2"
    assert told(nginx, "/", "Accept-Language: de", "X-Other: 1") == "MISS 3"
    assert told(nginx, "/", "Accept-Language: de", "X-Unrelated: 1") == "HIT 2"


# An upstream in trouble.


def failing(first: bytes, later: bytes) -> Script:
    """The first request has the one answer, all later ones the other."""
    answers = iter([first])

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(next(answers, later))

    return script


GOOD = b"HTTP/1.1 200 OK\r\nCache-Control: max-age=1%s\r\nContent-Length: 4\r\n\r\ngood"


# A setting, what the first answer adds to Cache-Control, the second answer, and the outcome.
STALE = [
    ("", b"", b"", (502, None)),
    ("proxy_cache_use_stale error;", b"", b"", (200, "STALE")),
    ("proxy_cache_use_stale timeout;", b"", b"", (502, None)),
    (
        "proxy_cache_use_stale invalid_header;",
        b"",
        b"HTTP/1.1 200 OK\r\nX Y\r\n\r\n",
        (200, "STALE"),
    ),
    ("proxy_cache_use_stale http_500;", b"", b"HTTP/1.1 500 X\r\n\r\n", (200, "STALE")),
    ("proxy_cache_use_stale http_503;", b"", b"HTTP/1.1 500 X\r\n\r\n", (500, "EXPIRED")),
    ("proxy_cache_use_stale http_404;", b"", b"HTTP/1.1 404 X\r\n\r\n", (200, "STALE")),
    ("proxy_cache_use_stale off;", b"", b"HTTP/1.1 500 X\r\n\r\n", (500, "EXPIRED")),
    ("", b", stale-if-error=60", b"", (200, "STALE")),
    ("", b", stale-if-error=60", b"HTTP/1.1 500 X\r\n\r\n", (500, "EXPIRED")),
    ("", b"", GOOD % b"", (200, "EXPIRED")),
]


def test_stale(nginx: Nginx) -> None:
    locations = ""
    for number, (setting, extra, later, _) in enumerate(STALE):
        nginx.backend(f"b{number}", failing(GOOD % extra, later))
        locations += (
            f"location /{number} {{ {setting} proxy_pass http://127.0.0.1:%%PORT_b{number}%%; }}\n"
        )
    nginx(BASE + locations, http=ZONE)
    for number in range(len(STALE)):
        assert told(nginx, f"/{number}") == "MISS good"
        assert told(nginx, f"/{number}") == "HIT good"
    time.sleep(2.1)
    for number, (setting, extra, later, expected) in enumerate(STALE):
        answer = nginx.request(f"GET /{number}")
        found = (answer.status, answer.get("X-Cache") if answer.status != 502 else None)
        assert found == expected, (setting, extra, later)
        assert (answer.text == "good") == (answer.status == 200)


@pytest.mark.parametrize(
    ("head", "kept"),
    [
        (b"", True),
        (b"HTTP/1.1 200 OK\r\nX-Own: 1\r\nSet-Coo", True),
        (b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1", True),
        (b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nX-O", False),
        (b"HTTP/1.1 200 OK\r\nVary: *\r\n", False),
        (b"HTTP/1.1 200 OK\r\nX-Accel-Expires: 0\r\n", False),
        (b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nX Y\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nCache-Control: no-store\r\n", True),
        (b"HTTP/1.1 200 OK\r\nX Y\r\nSet-Cookie: a=1\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\nVary: *\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: x\r\nVary: *\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\nVary: *\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nVary: *\r\nContent-Length: x\r\n\r\n", False),
    ],
)
def test_a_failure_is_kept_unless_the_begun_head_forbids_it(
    nginx: Nginx, head: bytes, kept: bool
) -> None:
    nginx.backend("b", head)
    nginx(f"location / {{ {BASE} proxy_cache_valid 502 1m; {UP} }}", http=ZONE)
    answers = [nginx.request("GET /") for _ in range(2)]
    assert [answer.status for answer in answers] == [502, 502]
    assert answers[1].get("X-Cache") == ("HIT" if kept else "MISS")


def slow_update(go_on: threading.Event) -> Script:
    """Answers the first request at once and the others later, with their number."""
    count = iter(range(1, 100))

    def script(peer: Peer) -> None:
        peer.request()
        number = next(count)
        if number > 1:
            assert go_on.wait(DEADLINE)
        peer.send(
            b"HTTP/1.1 200 OK\r\nCache-Control: max-age=1\r\nContent-Length: 1\r\n"
            b"Connection: close\r\n\r\n%d" % number
        )

    return script


def test_updating(nginx: Nginx) -> None:
    """While one request fetches, the others have the old answer."""
    go_on = threading.Event()
    backend = nginx.backend("b", slow_update(go_on))
    nginx(f"location / {{ {BASE} proxy_cache_use_stale updating; {UP} }}", http=ZONE)
    assert told(nginx) == "MISS 1"
    time.sleep(2.1)
    with nginx.connect() as client:
        client.wire.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        backend.wait_until_asked(2)
        assert told(nginx) == "UPDATING 1"
        go_on.set()
        answer = client.wire.answer()
    assert answer
    assert (answer.get("X-Cache"), answer.text) == ("EXPIRED", "2")
    assert told(nginx) == "HIT 2"


def test_background_update(nginx: Nginx) -> None:
    go_on = threading.Event()
    nginx.backend("b", slow_update(go_on))
    nginx(
        f"""location / {{
            {BASE}
            proxy_cache_use_stale updating;
            proxy_cache_background_update on;
            {UP}
        }}""",
        http=ZONE,
    )
    assert told(nginx) == "MISS 1"
    time.sleep(2.1)
    assert told(nginx) == "STALE 1"
    assert told(nginx) == "UPDATING 1"
    go_on.set()
    deadline = time.monotonic() + DEADLINE
    while (now := told(nginx)) != "HIT 2" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert now == "HIT 2"


def validated(validator: str, seen: list[str]) -> Script:
    """Has the validator, and answers 304 to a request with a condition."""

    def script(peer: Peer) -> None:
        head = peer.request()
        seen.append(head)
        common = f"Cache-Control: max-age=1\r\n{validator}\r\nConnection: close\r\n"
        if "\r\nIf-" in head:
            peer.send(f"HTTP/1.1 304 Not Modified\r\n{common}\r\n".encode())
        else:
            peer.send(f"HTTP/1.1 200 OK\r\n{common}Content-Length: 3\r\n\r\nold".encode())

    return script


def test_revalidate(nginx: Nginx) -> None:
    date = "Tue, 14 Nov 2023 22:13:20 GMT"
    by_tag: list[str] = []
    by_date: list[str] = []
    nginx.backend("tag", validated('ETag: "v"', by_tag))
    nginx.backend("date", validated(f"Last-Modified: {date}", by_date))
    nginx(
        f"""
        proxy_cache_revalidate on;
        {BASE}
        location /tag {{ proxy_pass http://127.0.0.1:%%PORT_tag%%; }}
        location /date {{ proxy_pass http://127.0.0.1:%%PORT_date%%; }}
        """,
        http=ZONE,
    )
    assert [told(nginx, path) for path in ("/tag", "/date")] == ["MISS old"] * 2
    time.sleep(2.1)
    assert [told(nginx, path) for path in ("/tag", "/date")] == ["REVALIDATED old"] * 2
    assert [told(nginx, path) for path in ("/tag", "/date")] == ["HIT old"] * 2
    assert 'If-None-Match: "v"\r\n' in by_tag[1]
    assert f"If-Modified-Since: {date}\r\n" in by_date[1]
    assert (len(by_tag), len(by_date)) == (2, 2)


# Several at once.


def test_lock(nginx: Nginx) -> None:
    """One request fetches, the others wait for it."""
    release = threading.Event()

    def script(peer: Peer) -> None:
        peer.request()
        assert release.wait(DEADLINE)
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    backend = nginx.backend("b", script)
    nginx(f"location / {{ {BASE} proxy_cache_lock on; {UP} }}", http=ZONE)
    request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    with nginx.connect() as first, nginx.connect() as second, nginx.connect() as third:
        first.wire.send(request)
        backend.wait_until_asked()
        second.wire.send(request)
        third.wire.send(request)
        assert second.wire.silent(0.1)
        release.set()
        answers = [client.wire.answer() for client in (first, second, third)]
    assert [a and (a.get("X-Cache"), a.text) for a in answers] == [
        ("MISS", "ok"),
        ("HIT", "ok"),
        ("HIT", "ok"),
    ]
    assert backend.accepted == 1


def test_lock_timeout(nginx: Nginx) -> None:
    release = threading.Event()

    def slow(peer: Peer) -> None:
        peer.request()
        assert release.wait(DEADLINE)
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow")

    backend = nginx.backend("b", slow, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nquick")
    nginx(
        f"location / {{ {BASE} proxy_cache_lock on; proxy_cache_lock_timeout 200ms; {UP} }}",
        http=ZONE,
    )
    with nginx.connect() as first:
        first.wire.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        backend.wait_until_asked()
        assert told(nginx) == "MISS quick"
        release.set()
        answer = first.wire.answer()
    assert answer and answer.text == "slow"
    assert told(nginx) == "HIT slow"
    assert backend.accepted == 2


# The disk.


def cached_files(nginx: Nginx, count: int) -> list[Path]:
    """The files in the cache, once there are so many."""
    deadline = time.monotonic() + DEADLINE
    while True:
        files = [path for path in (nginx.prefix / "cache").rglob("*") if path.is_file()]
        if len(files) == count:
            return files
        assert time.monotonic() < deadline, files
        time.sleep(0.02)


def test_file(nginx: Nginx) -> None:
    """The file is of nginx's form, and its name the key's digest."""
    nginx.backend(
        "b",
        b'HTTP/1.1 200 OK\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT\r\nETag: "e"\r\n'
        b"Connection: close\r\nContent-Length: 5\r\n\r\nhello",
    )
    nginx(f"location / {{ {BASE} {UP} }}", http=ZONE)
    began = int(time.time())
    assert told(nginx, "/a?b") == "MISS hello"
    (path,) = cached_files(nginx, 1)
    ended = time.time()
    name = hashlib.md5(b"/a?b").hexdigest()
    assert path == nginx.prefix / "cache" / name[-1] / name[-3:-1] / name
    data = path.read_bytes()
    version, valid, updating, error, modified, date = struct.unpack_from("=Qqqqqq", data)
    assert version == 5
    assert began - 1 <= valid - 60 <= ended + 1
    assert (updating, error) == (0, 0)
    assert modified == -1
    assert began - 1 <= date <= ended + 1
    assert (
        b'\nKEY: /a?b\nHTTP/1.1 200 OK\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT\r\nETag: "e"\r\n'
        in data
    )
    assert data.endswith(b"\r\n\r\nhello")


def test_survives_a_restart(nginx: Nginx) -> None:
    backend = serve(nginx)
    assert told(nginx) == "MISS 1"
    cached_files(nginx, 1)
    nginx.reload(f"location / {{ {BASE} {UP} }}", http=ZONE)
    assert told(nginx) == "HIT 1"
    assert backend.accepted == 1


def test_file_is_removed(nginx: Nginx) -> None:
    """A purge from outside: without its file an entry is a miss."""
    serve(nginx)
    assert told(nginx) == "MISS 1"
    for path in cached_files(nginx, 1):
        path.unlink()
    assert told(nginx) == "MISS 2"
    assert told(nginx) == "HIT 2"


def test_file_of_another_key(nginx: Nginx) -> None:
    """A file that is damaged, or not of its key, is not served."""
    serve(nginx)
    assert told(nginx, "/a") == "MISS 1"
    (path,) = cached_files(nginx, 1)
    path.write_bytes(b"x" * 500)
    assert told(nginx, "/a").split()[0] != "HIT"


@pytest.mark.parametrize(
    "levels, widths",
    [("", []), ("levels=2", [2]), ("levels=1:2", [1, 2]), ("levels=2:2:1", [2, 2, 1])],
)
def test_levels(nginx: Nginx, levels: str, widths: list[int]) -> None:
    serve(nginx, zone=f"proxy_cache_path %%DIR%%/cache {levels} keys_zone=one:1m;")
    assert told(nginx) == "MISS 1"
    assert told(nginx) == "HIT 1"
    (path,) = cached_files(nginx, 1)
    name = rest = hashlib.md5(b"/").hexdigest()
    folders = ""
    for width in widths:
        rest, part = rest[:-width], rest[-width:]
        folders += part + "/"
    assert path == nginx.prefix / "cache" / folders / name


def test_inactive(nginx: Nginx) -> None:
    """What nobody asks for is removed by the manager."""
    zone = "proxy_cache_path %%DIR%%/cache keys_zone=one:1m inactive=1s;"
    serve(nginx, zone=zone)
    assert told(nginx) == "MISS 1"
    cached_files(nginx, 1)
    nginx.reload(f"location / {{ {BASE} {UP} }}", http=zone)  # its first look comes at once
    cached_files(nginx, 0)
    assert told(nginx) == "MISS 2"


def test_off(nginx: Nginx) -> None:
    nginx.backend("b", counting())
    nginx(
        f"""
        {BASE}
        location / {{ {UP} }}
        location /off {{ proxy_cache off; {UP} }}
        location /variable {{ proxy_cache $arg_zone; {UP} }}
        """,
        http=ZONE,
    )
    assert [told(nginx), told(nginx)] == ["MISS 1", "HIT 1"]
    assert [told(nginx, "/off"), told(nginx, "/off")] == ["None 2", "None 3"]
    assert told(nginx, "/variable?zone=one") == "MISS 4"
    assert told(nginx, "/variable?zone=one") == "HIT 4"
    assert told(nginx, "/variable?zone=off") == "None 5"


def test_big_answer_with_a_slow_reader(nginx: Nginx) -> None:
    body = b"0123456789" * 200_000
    nginx.backend("b", b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    nginx(f"location / {{ {BASE} {UP} }}", http=ZONE)
    for status in ("MISS", "HIT"):
        answer = nginx.request("GET /")
        assert (answer.get("X-Cache"), answer.body == body) == (status, True)


def test_truncated_answers_are_not_kept(nginx: Nginx) -> None:
    good = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"
    nginx.backend("b", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", good)
    nginx(f"location / {{ {BASE} {UP} }}", http=ZONE)
    assert nginx.raw(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").endswith(b"half")
    assert told(nginx) == "MISS good"
    assert told(nginx) == "HIT good"


@pytest.mark.nginx_differs("it sends what is there")
@pytest.mark.parametrize("change", [-1, 1])
def test_a_file_that_is_cut_is_fetched_again(nginx: Nginx, change: int) -> None:
    serve(nginx)
    assert told(nginx) == "MISS 1"
    (file,) = cached_files(nginx, 1)
    nginx.reload(f"location / {{ {BASE} {UP} }}", http=ZONE)  # forgets what is in memory
    data = file.read_bytes()
    file.write_bytes(data[:change] if change < 0 else data + b"x")
    assert told(nginx) == "MISS 2"
    assert told(nginx) == "HIT 2"


def test_age_is_not_added(nginx: Nginx) -> None:
    serve(nginx)
    told(nginx)
    nginx.exchange("> GET /\n< 200\n< X-Cache: HIT\n< !Age")


def test_shared_by_workers(nginx: Nginx) -> None:
    nginx.backend("b", counting())
    nginx(f"location / {{ {BASE} {UP} }}", http=ZONE, main="worker_processes 2;")
    assert told(nginx) == "MISS 1"
    cached_files(nginx, 1)
    assert {told(nginx) for _ in range(10)} == {"HIT 1"}


@pytest.mark.pyngx_only("how the zones are kept")
@pytest.mark.trouble("a worker is killed")
def test_workers_that_end_leave_no_place_taken(nginx: Nginx) -> None:
    """Otherwise a zone could be opened by no more workers after so many reloads."""
    nginx.backend("b", counting())
    snippet = f"location / {{ {BASE} {UP} }}"
    nginx(snippet, http=ZONE)
    for _ in range(3):
        assert told(nginx).endswith(" 1")
        nginx.reload(snippet, http=ZONE)
    assert told(nginx) == "HIT 1"
    nginx.wait_for_log(r"worker process \d+ exited with code 0", 3)
    (killed,) = _workers(nginx)
    os.kill(killed, signal.SIGKILL)
    nginx.wait_for_log(r"\[notice\] .*start worker process", 5)
    assert told(nginx) == "HIT 1"
    (worker,) = _workers(nginx)
    assert {reader for reader in _readers(worker) if reader != os.getpid()} == {worker}


def _workers(nginx: Nginx) -> list[int]:
    pid = nginx.pid()
    return [int(x) for x in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _readers(worker: int) -> set[int]:
    """The processes that have a place in the zone that the worker has open."""
    files = [os.readlink(f"/proc/{worker}/fd/{fd}") for fd in os.listdir(f"/proc/{worker}/fd")]
    (zone,) = {name for name in files if "/pyngx." in name and name[-1].isdigit()}
    with lmdb.open(zone, subdir=False, readonly=True) as environment:
        lines = environment.readers().splitlines()[1:]
    return {int(line.split()[0]) for line in lines}
