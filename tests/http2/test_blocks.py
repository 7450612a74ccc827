"""Header blocks, held against the examples of RFC 7541 and against hpack's own decoder."""

from __future__ import annotations

from typing import Any

import pytest
from hpack import Decoder, Encoder
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hypothesis import given
from hypothesis import strategies as st

from pyngx_jwt.http2.blocks import BlockReader, Field, write_block
from pyngx_jwt.http2.frames import (
    COMPRESSION_ERROR,
    ENHANCE_YOUR_CALM,
    FRAME_SIZE_ERROR,
    PROTOCOL_ERROR,
    Fault,
)
from pyngx_jwt.http2.strings import number, written

# RFC 7541, C.4: three requests of a connection, with Huffman coding.
REQUESTS = [
    ("828684418cf1e3c2e5f23a6ba0ab90f4ff", "GET http / www.example.com"),
    ("828684be5886a8eb10649cbf", "GET http / www.example.com cache-control: no-cache"),
    (
        "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
        "GET https /index.html www.example.com custom-key: custom-value",
    ),
]
INDEX = "client sent header block with too long header index value"
UPDATE = "client sent header block with too long size update value"
TEXT = st.text(st.characters(max_codepoint=255), max_size=40)
FIELDS = st.lists(st.tuples(TEXT.filter(bool), TEXT), max_size=8)


def reader(most_field: int = 8192, most_block: int = 32768) -> BlockReader:
    return BlockReader("client", most_field, most_block)


def read(block: bytes, blocks: BlockReader | None = None) -> list[Field]:
    fields = (blocks or reader()).feed(block, last=True)
    assert fields is not None
    return list(fields)


def decoded(block: bytes) -> list[Any]:
    """What hpack reads, with an empty table."""
    return list(Decoder().decode(block))


def test_examples() -> None:
    blocks = reader()
    for encoded, told in REQUESTS:
        method, scheme, path, authority, *rest = told.split(" ", 4)
        fields = [
            *((":method", method), (":scheme", scheme), (":path", path)),
            (":authority", authority),
            *[(name, value) for name, _, value in (field.partition(": ") for field in rest)],
        ]
        assert read(bytes.fromhex(encoded), blocks) == fields


@given(st.lists(FIELDS, max_size=6), st.integers(1, 7))
def test_every_block_of_another_encoder(blocks: list[list[Field]], piece: int) -> None:
    """Whole or in pieces: what hpack's encoder writes is read."""
    encoder, whole, pieces = Encoder(), reader(), reader()
    for fields in blocks:
        pairs = [(n.encode("latin-1"), v.encode("latin-1")) for n, v in fields]
        block = encoder.encode(pairs)
        assert read(block, whole) == fields
        for at in range(0, len(block), piece):
            assert pieces.feed(block[at : at + piece], last=False) is None
        assert pieces.feed(b"", last=True) == fields


PATH = bytes.fromhex("8287 0403 2f6162")  # GET, https, and /ab as a literal


@pytest.mark.parametrize("again", [PATH, bytes.fromhex("828784")])
@pytest.mark.parametrize("piece", [1, 3])
def test_pieces_after_a_block_that_came_again(again: bytes, piece: int) -> None:
    blocks, other = reader(), bytes.fromhex("8287 0402 2f63 ba")
    assert read(again, blocks) == read(again, blocks)
    for at in range(0, len(other), piece):
        assert blocks.feed(other[at : at + piece], last=False) is None
    assert blocks.feed(b"", last=True) == decoded(other)


@pytest.mark.parametrize("cut", [bytes.fromhex("828704"), bytes.fromhex("8287040a2f61")])
def test_a_block_that_ends_in_its_path_is_none_that_came_before(cut: bytes) -> None:
    blocks = reader()
    read(PATH, blocks)
    with pytest.raises(Fault) as caught:
        blocks.feed(cut, last=True)
    assert caught.value.code == FRAME_SIZE_ERROR


@given(st.lists(st.tuples(st.sampled_from(range(4)), st.integers(0, 20)), min_size=2, max_size=9))
def test_the_same_blocks_again_whole_and_in_pieces(sent: list[tuple[int, int]]) -> None:
    blocks = reader()
    requests = [PATH, PATH[:3] + b"\x02/x", bytes.fromhex("828784"), PATH + b"\x00\x01a\x01b"]
    for chosen, at in sent:
        block = requests[chosen]
        if at < len(block):
            assert blocks.feed(block[:at], last=False) is None
            fields = blocks.feed(block[at:], last=True)
        else:
            fields = blocks.feed(block, last=True)
        assert fields == decoded(block)


@given(st.lists(st.tuples(FIELDS, st.sampled_from((0, 40, 64, 100, 300, 4096))), max_size=8))
def test_tables_of_changing_sizes(blocks: list[tuple[list[Field], int]]) -> None:
    """Entries are forgotten when hpack's encoder forgets them, or it would be misunderstood."""
    encoder, blocks_read = Encoder(), reader()
    for fields, size in blocks:
        encoder.header_table_size = size
        pairs = [(n.encode("latin-1"), v.encode("latin-1")) for n, v in fields]
        assert read(encoder.encode(pairs + pairs), blocks_read) == fields + fields
        entries = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in _entries(encoder)]
        assert list(blocks_read._dynamic.entries) == entries


def _entries(encoder: Encoder) -> list[tuple[bytes, bytes]]:
    return list(encoder.header_table.dynamic_entries)


@given(st.binary(max_size=200))
def test_the_code_of_another_encoder(data: bytes) -> None:
    text = data.decode("latin-1")
    code = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH).encode(data)
    if len(code) < len(data):
        assert written(text) == number(len(code), 0x7F, 0x80) + code
    else:
        assert written(text) == number(len(data), 0x7F, 0) + data


@given(FIELDS)
def test_another_decoder_reads_ours(fields: list[Field]) -> None:
    lines = str.maketrans("\r\n", "  ")
    wanted = [
        (n.lower().encode("latin-1"), v.translate(lines).encode("latin-1")) for n, v in fields
    ]
    assert [tuple(f) for f in Decoder().decode(write_block(fields), raw=True)] == wanted


def test_a_block_that_comes_again_is_the_same_list_until_the_table_changes() -> None:
    blocks = reader()
    block = bytes.fromhex("8286840f0d0130")
    assert blocks.feed(block, last=True) is blocks.feed(block, last=True)
    read(bytes.fromhex("4001610162"), blocks)  # a: b is entry 62
    first = blocks.feed(b"\xbe", last=True)
    assert first == [("a", "b")] and blocks.feed(b"\xbe", last=True) is first
    read(bytes.fromhex("4001630164"), blocks)
    assert read(b"\xbe", blocks) == [("c", "d")]
    read(b"\x20", blocks)  # the table is emptied
    with pytest.raises(Fault):
        read(b"\xbe", blocks)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), TEXT), max_size=20))
def test_blocks_that_are_alike_but_for_their_paths(sent: list[tuple[int, int, str]]) -> None:
    """What is remembered makes no difference, with fields that change the table among them."""
    remembers, encoder = reader(), Encoder()
    ends = (b"\x87\x81", b"\x87\xbe", b"\x10\1a\1b")
    for start, end, path in sent:
        change = encoder.encode([("x", path)]) if start == 2 else b""
        forgets = reader()
        forgets._dynamic.entries.extend(remembers._dynamic.entries)
        block = change + (b"\x82", b"\x83", b"\x82")[start] + b"\4" + written(path) + ends[end]
        try:
            fields = read(block, forgets)
        except Fault:
            with pytest.raises(Fault):
                read(block, remembers)
            return
        assert read(block, remembers) == read(block, remembers) == fields


def test_a_path_that_makes_a_known_block_too_large() -> None:
    blocks = reader(most_field=200, most_block=100)
    assert read(b"\x82\4\1/\x87", blocks)
    assert read(b"\x82\4\2/a\x87", blocks)
    with pytest.raises(Fault, match=r"too large header$"):
        read(b"\x82\4\x7f\x01/" + b"a" * 127 + b"\x87", blocks)


@pytest.mark.parametrize(
    ("block", "code", "text"),
    [
        ("80", COMPRESSION_ERROR, "client sent invalid hpack table index 0"),
        ("be", COMPRESSION_ERROR, "client sent out of bound hpack table index: 0"),
        ("7f0001", COMPRESSION_ERROR, "client sent out of bound hpack table index: 1"),
        ("ffffffff01", COMPRESSION_ERROR, INDEX),
        ("3fffffffff", COMPRESSION_ERROR, UPDATE),
        ("3fe21f", COMPRESSION_ERROR, "client sent invalid table size update: 4097"),
        ("007fffffff", COMPRESSION_ERROR, "client sent header field with too long length value"),
        ("0000", PROTOCOL_ERROR, "client sent zero header name length"),
        ("0084ffffffff0161", COMPRESSION_ERROR, "client sent invalid encoded header field"),
        ("0003616263", FRAME_SIZE_ERROR, "client sent header block with incorrect length"),
        ("000461", FRAME_SIZE_ERROR, "client sent header block with incorrect length"),
        ("00", FRAME_SIZE_ERROR, "client sent header block with incorrect length"),
        ("7f", FRAME_SIZE_ERROR, "client sent header block with incorrect length"),
        ("00017f7f8e01", ENHANCE_YOUR_CALM, "client sent too large header field"),
    ],
)  # fmt: skip
def test_refused(block: str, code: int, text: str) -> None:
    with pytest.raises(Fault, match=f"^{text}$") as caught:
        read(bytes.fromhex(block), reader(most_field=256))
    assert caught.value.code == code


def test_a_name_that_is_too_long_is_refused_before_it_has_come() -> None:
    with pytest.raises(Fault, match="too large header field"):
        reader(most_field=256).feed(bytes.fromhex("007f8201"), last=False)


def test_entries_are_not_expanded_beyond_the_limit() -> None:
    """4 KB in the table, referred to by each byte of a block."""
    blocks = reader()
    read(b"\x40\x01a\x7f\xa1\x1e" + b"v" * 4000, blocks)
    with pytest.raises(Fault, match=r"^client sent too large header$"):
        blocks.feed(b"\xbe" * 16384, last=True)
    assert len(blocks._fields) <= 8


def test_the_table_is_bounded() -> None:
    blocks = reader()
    for n in range(2000):
        read(b"\x40\x04%04d\x14" % n + b"v" * 20, blocks)
    assert len(blocks._dynamic.entries) == 4096 // (32 + 24)


def test_a_whole_octet_of_padding_is_accepted() -> None:
    """As in nginx, where the code of a string fills its last octet."""
    assert read(bytes.fromhex("00016181ff")) == [("a", "")]


def test_a_peer_that_was_allowed_no_table() -> None:
    """It may repeat that, and no more."""
    blocks = BlockReader("upstream", 100, 100, 0)
    assert read(b"\x20\x40\x01a\x01b", blocks) == [("a", "b")]
    with pytest.raises(Fault, match="out of bound hpack table index: 0"):
        read(b"\xbe", blocks)
    with pytest.raises(Fault, match="invalid table size update: 1"):
        read(b"\x21", BlockReader("upstream", 100, 100, 0))


def test_limits_apply_to_the_blocks_that_follow() -> None:
    """To one that has been read before as well."""
    blocks, block = reader(), b"\0\x01a\x05bbbbb"
    assert read(block, blocks) == [("a", "bbbbb")]
    blocks.limit(5, 5)
    with pytest.raises(Fault, match=r"too large header$"):
        read(block, blocks)
