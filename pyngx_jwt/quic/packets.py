"""Packets that belong to no connection: their heads, and the answers that need no state."""

from __future__ import annotations

import os
from dataclasses import dataclass

from aioquic._buffer import Buffer, BufferReadError
from aioquic.quic.crypto import CryptoPair
from aioquic.quic.packet import (
    QuicFrameType,
    QuicPacketType,
    QuicProtocolVersion,
    encode_quic_retry,
    encode_quic_version_negotiation,
    pull_quic_header,
)
from aioquic.quic.packet_builder import QuicPacketBuilder

from .ids import SIZE, new_id
from .tokens import RESET_SIZE, Tokens

VERSION = int(QuicProtocolVersion.VERSION_1)
LEAST_INITIAL = 1200  # bytes of a datagram that begins a connection
LEAST_ID = 8  # bytes of the id that a client draws for its first packet
_LONG, _FIXED = 0x80, 0x40  # bits of the first byte
_LEAST_RESET, _MOST_RESET = 43, 1200  # bytes (NGX_QUIC_MIN_SR_PACKET, NGX_QUIC_MAX_SR_PACKET)
_LEAST_PACKET = 21  # bytes of what can be answered by a reset (NGX_QUIC_MIN_PKT_LEN)
_CLOSE_CAPACITY = 64
INVALID_TOKEN = 0x0B


@dataclass(frozen=True, slots=True)
class Head:
    """What the first packet of a datagram shows."""

    destination: bytes
    source: bytes = b""
    version: int | None = None  # None in packets of an established connection
    is_initial: bool = False
    token: bytes = b""


def destination_of(data: bytes) -> bytes | None:
    """The connection id that a datagram is for, None if it cannot be read."""
    if not data:
        return None
    if not data[0] & _LONG:
        return data[1 : 1 + SIZE] if len(data) > SIZE else None
    if len(data) < 7:
        return None
    end = 6 + data[5]
    return data[6:end] if len(data) > end else None


def read_head(data: bytes) -> Head | None:
    """The head of the first packet, None if there is no good one."""
    if data[0] & _LONG and int.from_bytes(data[1:5]) not in (VERSION, 0):
        return _of_unknown_version(data)
    try:
        header = pull_quic_header(Buffer(data=data), host_cid_length=SIZE)
    except (ValueError, BufferReadError):
        return None
    if header.packet_type == QuicPacketType.VERSION_NEGOTIATION:
        return None
    return Head(
        header.destination_cid,
        header.source_cid,
        header.version,
        header.packet_type == QuicPacketType.INITIAL,
        header.token,
    )


def _of_unknown_version(data: bytes) -> Head | None:
    """Such a packet has nothing in common with ours but its ids (RFC 8999, 5.1)."""
    destination = destination_of(data)
    if destination is None:
        return None
    start = 6 + len(destination)
    source = data[start + 1 : start + 1 + data[start]]
    if len(source) < data[start]:
        return None
    return Head(destination, source, int.from_bytes(data[1:5]))


def negotiate_version(head: Head) -> bytes:
    """Tells a client which versions there are."""
    return encode_quic_version_negotiation(
        source_cid=head.destination, destination_cid=head.source, supported_versions=[VERSION]
    )


def retry(head: Head, tokens: Tokens, client: tuple[str, int], owner: bytes) -> bytes:
    """Lets a client show that it is at its address."""
    return encode_quic_retry(
        version=VERSION,
        source_cid=new_id(owner),
        destination_cid=head.source,
        original_destination_cid=head.destination,
        retry_token=tokens.for_retry(client, head.destination),
    )


def close_early(head: Head, code: int, reason: str) -> bytes:
    """Ends a connection that does not exist yet."""
    crypto = CryptoPair()
    crypto.setup_initial(cid=head.destination, is_client=False, version=VERSION)
    builder = QuicPacketBuilder(
        host_cid=head.destination,
        is_client=False,
        max_datagram_size=LEAST_INITIAL,
        packet_number=0,
        peer_cid=head.source,
        version=VERSION,
    )
    builder.start_packet(QuicPacketType.INITIAL, crypto)
    buf = builder.start_frame(QuicFrameType.TRANSPORT_CLOSE, capacity=_CLOSE_CAPACITY)
    buf.push_uint_var(code)
    buf.push_uint_var(int(QuicFrameType.PADDING))
    text = reason.encode()
    buf.push_uint_var(len(text))
    buf.push_bytes(text)
    datagrams, _ = builder.flush()
    return datagrams[0]


def reset(head: Head, size: int, tokens: Tokens) -> bytes:
    """Tells a client that its connection is gone, b"" where that could go on forever; `size` is
    that of its datagram, and the answer is shorter."""
    if size <= _LEAST_PACKET:
        return b""
    if size <= _LEAST_RESET:
        length = size - 1
    else:
        most = min(_MOST_RESET, size)
        length = _LEAST_RESET + int.from_bytes(os.urandom(2)) % (most - _LEAST_RESET)
    noise = bytearray(os.urandom(length - RESET_SIZE))
    noise[0] = noise[0] & ~_LONG | _FIXED
    return bytes(noise) + tokens.reset_token(head.destination)
