"""The binary header: round trips, and files that are broken or hostile."""

from __future__ import annotations

import zlib
from hashlib import md5

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyngx_jwt.cache import CacheKey, Fault, Header, check, key_line, new_header, pack, unpack
from pyngx_jwt.cache.entry import HEADER_SIZE

LONG = 65535
KEY = CacheKey.of("http://127.0.0.1/a?b\xe9")
HEAD = b"HTTP/1.1 200 OK\r\nX: y\r\n\r\n"
seconds = st.integers(-(2**63), 2**63 - 1)
latin = st.text(st.characters(max_codepoint=255))


def stored(key: CacheKey = KEY, **fields: int) -> bytes:
    """A whole file."""
    header = new_header(key, key.header_start + len(HEAD), valid_sec=2**40)
    assert header is not None
    changed = Header(**{**header._asdict(), **fields})
    return pack(changed) + key_line(key) + HEAD + b"body"


def judged(data: bytes, key: CacheKey = KEY, longest: int = LONG) -> Header | Fault:
    return check(data, key, longest, len(data))


def test_key() -> None:
    text = b"http://127.0.0.1/a?b\xe9"
    assert (KEY.text, KEY.crc32, KEY.md5) == (text, zlib.crc32(text), md5(text).digest())
    assert KEY.header_start == 336 + 6 + len(text) + 1
    assert key_line(KEY) == b"\nKEY: " + text + b"\n"


def test_layout() -> None:
    """Where a C compiler puts the fields on x86-64."""
    header = Header(5, 1, 2, 3, -1, 4, 0x55667788, 6, 7, 8, 2, b"ab", 3, b"cde", b"v" * 16)
    data = pack(header)
    assert len(data) == HEADER_SIZE == 336
    at = {0: 5, 8: 1, 16: 2, 24: 3, 40: 4}
    assert {n: int.from_bytes(data[n : n + 8], "little") for n in at} == at
    assert data[32:40] == b"\xff" * 8 and data[48:52] == b"\x88\x77\x66\x55"
    assert data[52:61] == b"\6\0\7\0\x08\0\2ab" and not any(data[61:187])
    assert data[187:191] == b"\3cde" and not any(data[191:316])
    assert data[316:332] == b"v" * 16 and data[332:] == bytes(4)


@given(
    st.text(st.characters(max_codepoint=255), max_size=300),
    st.tuples(seconds, seconds, seconds, seconds, seconds),
    latin,
    latin,
    st.binary(min_size=16, max_size=16),
    st.integers(0, 60_000),
)
def test_round_trip(
    text: str,
    times: tuple[int, int, int, int, int],
    etag: str,
    vary: str,
    variant: bytes,
    head: int,
) -> None:
    key = CacheKey.of(text)
    valid, updating, error, modified, date = times
    header = new_header(
        key,
        key.header_start + head,
        valid_sec=valid,
        updating_sec=updating,
        error_sec=error,
        last_modified=modified,
        date=date,
        etag=etag,
        vary=vary,
        variant=variant,
    )
    assert header is not None
    data = pack(header) + key_line(key)
    assert len(data) == key.header_start
    found = check(data, key, LONG, len(data) + head)
    assert isinstance(found, Header)
    assert found[:6] == (5, *times) and found == unpack(data)
    assert found.etag == (etag if len(etag) <= 128 else "") and found.vary == vary[:128]
    assert found.variant == (variant if vary else bytes(16))
    assert pack(found) == data[:HEADER_SIZE]


@pytest.mark.parametrize("length", [127, 128, 129])
def test_longest_etag_and_vary(length: int) -> None:
    header = new_header(KEY, 500, valid_sec=1, etag="e" * length, vary="v" * length)
    assert header is not None
    assert header.etag == ("e" * length if length <= 128 else "")
    assert header.vary == "v" * min(length, 128)


def test_too_long_for_the_format() -> None:
    assert new_header(KEY, 65536, valid_sec=1) is None
    assert new_header(KEY, 65535, valid_sec=1) is not None


FAULTS: list[tuple[bytes, Fault]] = [
    (b"", Fault.SMALL),
    (stored()[: KEY.header_start - 1], Fault.SMALL),
    (stored(version=3), Fault.VERSION),
    (stored(crc32=1), Fault.COLLISION),
    (stored(header_start=KEY.header_start + 1), Fault.COLLISION),
    (stored().replace(b"127", b"128"), Fault.COLLISION),
    (stored(body_start=LONG), Fault.LONG_HEADER),
    (stored(vary_len=129), Fault.VARY_LENGTH),
    (stored(etag_len=129), Fault.INVALID_HEADER),
    (stored(body_start=KEY.header_start - 1), Fault.INVALID_HEADER),
    (stored()[:-5], Fault.INVALID_HEADER),
]


@pytest.mark.parametrize(("data", "fault"), FAULTS)
def test_faults(data: bytes, fault: Fault) -> None:
    assert judged(data, longest=LONG - 1) is fault


def test_a_good_one_and_its_edges() -> None:
    assert isinstance(judged(stored()), Header)
    assert isinstance(judged(stored()[:-4]), Header)  # an empty body
    start = KEY.header_start
    assert isinstance(judged(stored(body_start=start)), Header)  # HTTP/0.9
    assert isinstance(check(stored(), KEY, start + len(HEAD), 10_000), Header)
    assert check(stored(), KEY, start + len(HEAD) - 1, 10_000) is Fault.LONG_HEADER


def test_every_byte_flipped_and_every_length() -> None:
    """Never an exception, and what is accepted makes sense."""
    good = stored(etag_len=3, vary_len=3)
    for position in range(len(good)):
        for flip in (1, 0x80, 0xFF):
            data = bytearray(good)
            data[position] ^= flip
            assert_sane(bytes(data))
    for length in range(len(good)):
        assert_sane(good[:length])


@settings(max_examples=300)
@given(st.binary(max_size=600), st.integers(0, 600))
def test_any_bytes(data: bytes, keep: int) -> None:
    assert_sane(data)
    assert_sane(stored()[:keep] + data)


def assert_sane(data: bytes) -> None:
    found = judged(data, longest=500)
    if isinstance(found, Fault):
        assert found.text and found.level
    else:
        assert KEY.header_start <= found.body_start <= len(data)
        assert len(found.etag) <= 128 and len(found.vary) <= 128
