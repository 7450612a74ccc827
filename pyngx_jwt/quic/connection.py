"""One QUIC connection of a server: aioquic's, with nginx's limits and our TLS.

Otherwise than aioquic's own: windows grow when the bytes have been used, not when they have come;
connection ids name the worker; tokens and stateless resets are those of the host key.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from aioquic import tls
from aioquic._buffer import Buffer
from aioquic.quic import events
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import (
    QuicConnection,
    QuicConnectionError,
    QuicConnectionId,
    QuicReceiveContext,
)
from aioquic.quic.packet import QuicErrorCode, QuicFrameType, QuicProtocolVersion
from aioquic.quic.packet_builder import QuicPacketBuilder
from aioquic.quic.recovery import QuicPacketRecovery, QuicPacketSpace
from aioquic.quic.stream import QuicStream, QuicStreamReceiver, QuicStreamSender

from ..tls.hello import Hello
from ..tls.quic import QuicTlsConnection
from .handshake import Handshake
from .ids import SIZE, new_id
from .tokens import Tokens

FEW = 16  # streams that are not worth looking at
UNI_STREAMS = 3  # that a client may open (NGX_HTTP_V3_MAX_UNI_STREAMS)
_LIMIT_CAPACITY = 9  # bytes of a frame with one number
_STREAM_LIMIT_CAPACITY = 17
# A packet counts as so many bytes more than it is long: floods of small ones cost Python most for
# each byte.
PACKET_COST = 64
TOLERATED = 1 << 20  # bytes that carry nothing, on top of eight times what does
# What has come of a stream beyond a gap is kept in parts, and each frame is compared with them. An
# eighth of the packets of a window may be lost; frames of single bytes are no way to send.
MOST_PARTS = 256
MOST_CRYPTO = 65535  # bytes of a handshake beyond a gap (NGX_QUIC_MAX_BUFFERED)
logging.getLogger("quic").addHandler(logging.NullHandler())  # what is wrong is logged by us


@dataclass(frozen=True, slots=True)
class Settings:
    """What a server allows a connection, and what it is known by."""

    streams: int  # requests at a time
    buffer: int  # bytes of a stream that wait at either end
    idle: float  # seconds
    connection_ids: int  # of the client's that we remember
    tokens: Tokens
    gives_tokens: bool  # for later connections

    def configuration(self) -> QuicConfiguration:
        """The same, for aioquic."""
        configuration = QuicConfiguration(
            is_client=False,
            connection_id_length=SIZE,
            idle_timeout=self.idle,
            max_data=(self.streams + UNI_STREAMS) * self.buffer,
            max_stream_data=self.buffer,
            supported_versions=[QuicProtocolVersion.VERSION_1],
        )
        # It wants certificates for its own TLS, which is not used.
        configuration.certificate = configuration.private_key = True
        return configuration


class _Recovery(QuicPacketRecovery):
    """Asks for an acknowledgement, as nginx does, where aioquic would send data once more that may
    have come: what is lost is then known."""

    def reschedule_data(self, *, now: float, speed_up_handshake: bool = False) -> None:
        if self.handshake_confirmed and not speed_up_handshake:
            self._send_probe()
        else:
            super().reschedule_data(now=now, speed_up_handshake=speed_up_handshake)


class Listener(Protocol):
    """What is told of what has happened on a connection."""

    def opened(self) -> None:
        """The handshake is complete."""

    def stream_data(self, number: int, data: bytes, end: bool) -> None:
        """Bytes of a stream have come, or its end."""

    def stream_reset(self, number: int, code: int) -> None:
        """The client sends no more on a stream."""

    def stream_refused(self, number: int, code: int) -> None:
        """The client wants no more of a stream."""

    def id_retired(self, name: bytes) -> None:
        """An id of the connection is not used any more."""

    def ended(self, code: int, text: str) -> None:
        """The connection is over."""


@dataclass(frozen=True, slots=True)
class Origin:
    """How a connection has begun."""

    original: bytes  # the id that the client's first packet was sent to
    retried: bytes | None  # the id of the Retry packet that it has answered
    is_validated: bool  # whether the client has shown that it is at its address


class Connection(QuicConnection):
    """`failure` is why the handshake has failed."""

    def __init__(
        self,
        settings: Settings,
        configuration: QuicConfiguration,
        owner: bytes,
        origin: Origin,
        open_tls: Callable[[Hello], QuicTlsConnection],
    ) -> None:
        """`owner` is the worker's name, and `open_tls` finds the server of a client (Handshake)."""
        super().__init__(
            configuration=configuration,
            original_destination_connection_id=origin.original,
            retry_source_connection_id=origin.retried,
        )
        self.settings, self._owner, self._origin = settings, owner, origin
        self._loss = _Recovery(
            congestion_control_algorithm=configuration.congestion_control_algorithm,
            initial_rtt=configuration.initial_rtt,
            max_datagram_size=configuration.max_datagram_size,
            peer_completed_address_validation=True,
            send_probe=self._send_probe,
            logger=self._logger,
        )
        self._open_tls = open_tls
        self.failure: Exception | None = None
        self.new_ids: list[bytes] = []  # that packets may be sent to from now on
        self._cost = 0  # bytes that have come
        self._resets: set[int] = set()  # streams of which the client has said so
        self._local_active_connection_id_limit = settings.connection_ids
        self._local_max_streams_bidi.value = self._local_max_streams_bidi.sent = settings.streams
        self._local_max_streams_uni.value = self._local_max_streams_uni.sent = UNI_STREAMS
        self._host_cids.clear()
        first = self._add_id()
        first.was_sent = True
        self._host_cid_seq = 1
        self.host_cid = self._local_initial_source_connection_id = first.cid

    def _add_id(self) -> QuicConnectionId:
        cid = new_id(self._owner)
        added = QuicConnectionId(
            cid=cid,
            sequence_number=self._host_cid_seq,
            stateless_reset_token=self.settings.tokens.reset_token(cid),
        )
        self._host_cids.append(added)
        self.new_ids.append(cid)
        return added

    def _replenish_connection_ids(self) -> None:
        while len(self._host_cids) < min(8, self._remote_active_connection_id_limit):
            self._add_id()
            self._host_cid_seq += 1

    # -- the handshake ---------------------------------------------------------------------

    def _initialize(self, peer_cid: bytes) -> None:
        super()._initialize(peer_cid)
        handshake = Handshake(self._open_tls, self._put_message, self._fail)
        handshake.handshake_extensions = self.tls.handshake_extensions
        handshake.alpn_cb = self._alpn_handler
        handshake.update_traffic_key_cb = self._update_traffic_key
        self.tls: Any = handshake
        self._network_paths[0].is_validated = self._origin.is_validated

    def _put_message(self, epoch: tls.Epoch, data: bytes) -> None:
        self._crypto_streams[epoch].sender.write(data)

    def _fail(self, failure: Exception) -> None:
        self.failure = failure

    def _handle_crypto_frame(
        self, context: QuicReceiveContext, frame_type: int, buf: Buffer
    ) -> None:
        self.tls.epoch = context.epoch
        at = buf.tell()
        end = buf.pull_uint_var() + buf.pull_uint_var()
        buf.seek(at)
        receiver = self._crypto_streams[context.epoch].receiver
        if end - receiver.starting_offset() > MOST_CRYPTO:
            raise QuicConnectionError(
                QuicErrorCode.CRYPTO_BUFFER_EXCEEDED, frame_type, "too much crypto buffering"
            )
        super()._handle_crypto_frame(context, frame_type, buf)
        _check_parts(receiver, frame_type)

    @property
    def proven_address(self) -> Any:
        """Where the client is, once it has shown that it gets what is sent there; until then, or
        when it has moved, None."""
        paths = self._network_paths
        return paths[0].addr if paths and paths[0].is_validated else None

    @property
    def has_begun(self) -> bool:
        """Whether a packet of the client could be decrypted."""
        return self._peer_cid.sequence_number is not None

    @property
    def is_open(self) -> bool:
        """Whether the handshake is complete."""
        return self._handshake_complete

    @property
    def handshake(self) -> Handshake:
        """The TLS of the connection, once there has been a packet."""
        handshake: Handshake = self.tls
        return handshake

    def _write_handshake_done_frame(self, builder: QuicPacketBuilder) -> None:
        super()._write_handshake_done_frame(builder)
        address = self.get_peer_address()
        if self.settings.gives_tokens and address is not None:
            token = self.settings.tokens.for_later(address[:2])
            buf = builder.start_frame(QuicFrameType.NEW_TOKEN, capacity=4 + len(token))
            buf.push_uint_var(len(token))
            buf.push_bytes(token)

    # -- limits ----------------------------------------------------------------------------

    def receive_datagram(self, data: bytes, addr: Any, now: float) -> None:
        """A client stays where it is until the handshake is complete (RFC 9000, 9): a packet of the
        handshake that comes from elsewhere would pass for a proof of that address."""
        paths = self._network_paths
        if paths and not self._handshake_complete and addr != paths[0].addr:
            return
        self._cost += len(data)
        super().receive_datagram(data, addr, now)
        payload = self._local_max_data.used + self._remote_max_data_used
        if self._cost // 8 > payload + TOLERATED:
            self.close(QuicErrorCode.NO_ERROR, QuicFrameType.PADDING, "QUIC flood detected")

    def _payload_received(
        self, context: QuicReceiveContext, plain: bytes, crypto_frame_required: bool = False
    ) -> tuple[bool, bool]:
        self._cost += PACKET_COST
        return super()._payload_received(context, plain, crypto_frame_required)

    def _handle_stream_frame(
        self, context: QuicReceiveContext, frame_type: int, buf: Buffer
    ) -> None:
        at = buf.tell()
        number = buf.pull_uint_var()
        buf.seek(at)
        super()._handle_stream_frame(context, frame_type, buf)
        stream = self._streams.get(number)
        if stream is not None:
            _check_parts(stream.receiver, frame_type)

    def _handle_reset_stream_frame(
        self, context: QuicReceiveContext, frame_type: int, buf: Buffer
    ) -> None:
        """A client can give up a request that has come whole: aioquic reports only others."""
        at = buf.tell()
        number, code = buf.pull_uint_var(), buf.pull_uint_var()
        buf.seek(at)
        stream = self._streams.get(number)
        is_whole = stream is not None and stream.receiver.is_finished
        super()._handle_reset_stream_frame(context, frame_type, buf)
        if is_whole and number not in self._resets:
            self._events.append(events.StreamReset(error_code=code, stream_id=number))
        self._resets.add(number)
        if len(self._resets) > 2 * len(self._streams) + FEW:  # most of them are over
            self._resets.intersection_update(self._streams)

    def _write_connection_limits(self, builder: QuicPacketBuilder, space: QuicPacketSpace) -> None:
        """The windows of the streams are the limit of what waits: that of the connection follows
        what has come."""
        data = self._local_max_data
        window = self._configuration.max_data
        if data.value - data.used < window // 2:
            data.value = data.used + window
        for limit in (data, self._local_max_streams_bidi, self._local_max_streams_uni):
            if limit.value != limit.sent:
                buf = builder.start_frame(
                    limit.frame_type,
                    capacity=_LIMIT_CAPACITY,
                    handler=self._on_connection_limit_delivery,
                    handler_args=(limit,),
                )
                buf.push_uint_var(limit.value)
                limit.sent = limit.value

    def _write_stream_limits(
        self, builder: QuicPacketBuilder, space: QuicPacketSpace, stream: QuicStream
    ) -> None:
        number = stream.stream_id
        if number is not None and stream.max_stream_data_local_sent != stream.max_stream_data_local:
            buf = builder.start_frame(
                QuicFrameType.MAX_STREAM_DATA,
                capacity=_STREAM_LIMIT_CAPACITY,
                handler=self._on_max_stream_data_delivery,
                handler_args=(stream,),
            )
            buf.push_uint_var(number)
            buf.push_uint_var(stream.max_stream_data_local)
            stream.max_stream_data_local_sent = stream.max_stream_data_local

    # -- what has happened -----------------------------------------------------------------

    def tell(self, listener: Listener) -> None:
        """Tells what has happened since the last time."""
        while (event := self.next_event()) is not None:
            if isinstance(event, events.StreamDataReceived):
                listener.stream_data(event.stream_id, event.data, event.end_stream)
            elif isinstance(event, events.HandshakeCompleted):
                listener.opened()
            elif isinstance(event, events.StreamReset):
                listener.stream_reset(event.stream_id, event.error_code)
            elif isinstance(event, events.StopSendingReceived):
                listener.stream_refused(event.stream_id, event.error_code)
            elif isinstance(event, events.ConnectionIdRetired):
                listener.id_retired(event.connection_id)
            elif isinstance(event, events.ConnectionTerminated):
                listener.ended(event.error_code, event.reason_phrase)

    @property
    def is_closing(self) -> bool:
        """Whether either side has closed the connection."""
        return self._close_event is not None

    @property
    def violation(self) -> str:
        """What we are about to tell the client that it has done, "" if nothing."""
        event = self._close_event
        return event.reason_phrase if self._close_pending and event is not None else ""

    # -- streams ---------------------------------------------------------------------------

    def new_stream(self) -> int:
        """The number of another stream of ours, in one direction."""
        return self.get_next_available_stream_id(is_unidirectional=True)

    def widen(self, number: int) -> None:
        """What has come on a stream has been used: so much more may come."""
        stream = self._streams.get(number)
        if stream is None or stream.receiver.is_finished:
            return
        limit = stream.receiver.starting_offset() + self.settings.buffer
        # A frame for each half of the window, not for each packet.
        if limit - stream.max_stream_data_local >= self.settings.buffer // 2:
            stream.max_stream_data_local = limit

    def room(self, number: int) -> int:
        """How many bytes can be sent on a stream before the client has acknowledged some; -1 if
        none can be any more."""
        stream = self._streams.get(number)
        if stream is None or not _can_send(stream.sender):
            return -1
        sender = stream.sender
        return self.settings.buffer - (sender._buffer_stop - sender._buffer_start)

    def send_stream_data(self, stream_id: int, data: bytes, end_stream: bool = False) -> None:
        """What a client has said that it does not want is not sent."""
        stream = self._streams.get(stream_id)
        if stream is None or _can_send(stream.sender):
            super().send_stream_data(stream_id, data, end_stream)

    @property
    def is_delivered(self) -> bool:
        """Whether the client has acknowledged all that was sent in answer to it."""
        return all(x.sender.is_finished for n, x in self._streams.items() if not n & 2)

    def reset(self, number: int, code: int) -> None:
        """Sends no more on a stream."""
        if number in self._streams:
            self.reset_stream(number, code)

    def stop(self, number: int, code: int) -> None:
        """Lets the client send no more on a stream."""
        stream = self._streams.get(number)
        if stream is not None and not stream.receiver.is_finished:
            self.stop_stream(number, code)

    def shut(self, code: int, text: str) -> None:
        """Closes the connection with a code of the application."""
        self.close(code, None, text)


def _check_parts(receiver: QuicStreamReceiver, frame_type: int) -> None:
    if len(receiver._ranges) > MOST_PARTS:
        raise QuicConnectionError(QuicErrorCode.INTERNAL_ERROR, frame_type, "too many gaps")


def _can_send(sender: QuicStreamSender) -> bool:
    return not sender.is_finished and sender._reset_error_code is None
