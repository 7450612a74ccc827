"""Changes the identifier, user name and password of MQTT clients."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from ...conf.directive import A_SIZE, Conf, accepted, buffers, directive, flag, own
from ...errors import ConfError
from ...http.template import Template
from ...log import Severity
from ...stream.contexts import IN_STREAM, STREAM_SERVER
from ...stream.level import StreamLevel
from ...stream.module import StreamModule
from ...stream.mqtt import Incomplete, NotMqtt, length_of, read_connect
from ...stream.session import TIMED_OUT, StreamSession

FIELDS = ("clientid", "username", "password")
# Reads what a client says first, in so many seconds; what the upstream gets, None if it cannot be.
ReadOpening = Callable[[StreamSession, float], Awaitable[bytes | None]]


class MqttConf(Conf):
    mqtt = flag(
        False,
        IN_STREAM,
        "Requires that clients begin with a CONNECT packet of MQTT 3.1.1 or 5.0, and passes it on "
        'with the fields that "mqtt_set_connect" sets. Other connections are closed. Later '
        'packets are passed on unchanged. For TCP with "proxy_pass".',
    )
    mqtt_buffers = buffers(
        (100, 1024),
        IN_STREAM,
        "Limits the size of the CONNECT packet to the total size of these buffers.",
        shown="100 1k",
    )
    mqtt_rewrite_buffer_size = accepted(
        STREAM_SERVER, '"mqtt_buffers" limits the size of the packet', like=A_SIZE
    )
    fields: tuple[tuple[str, Template], ...] = own(())

    @directive(STREAM_SERVER, syntax="mqtt_set_connect clientid | username | password value;")
    def mqtt_set_connect(self, field: str, value: str) -> None:
        """Sets a field of the CONNECT packet that is passed on.  The value can contain
        variables."""
        if field not in FIELDS:
            raise ConfError(f'unknown field "{field}"')
        if any(name == field for name, _ in self.fields):
            raise ConfError(f'field "{field}" is duplicate')
        self.fields = (*self.fields, (field, Template(value)))


stream_mqtt = StreamModule("stream_mqtt", MqttConf)


@stream_mqtt.after_merge
def bind_fields(conf: MqttConf, level: StreamLevel) -> None:
    """Reports unknown variables, whether "mqtt" is on or not."""
    for _, value in conf.fields:
        value.bind(level.variables)


def opening_of(level: StreamLevel) -> ReadOpening | None:
    """What reads the CONNECT packet, if that is configured."""
    conf = level[MqttConf]
    if not conf.mqtt:
        return None
    values = [(name, value.bind(level.variables)) for name, value in conf.fields]
    count, size = conf.mqtt_buffers
    most = count * size

    async def read(s: StreamSession, seconds: float) -> bytes | None:
        s.action = "reading MQTT CONNECT packet"
        try:
            async with asyncio.timeout(seconds):
                data = await _packet(s, most)
        except TimeoutError:
            s.log(Severity.INFO, TIMED_OUT)
            return None
        return _changed(s, data) if data is not None else None

    def _changed(s: StreamSession, data: bytes) -> bytes | None:
        try:
            connect = read_connect(data)
            for name, value_of in values:
                setattr(connect, name, value_of(s))
            return connect.encode()
        except (NotMqtt, Incomplete):
            s.log(Severity.ERR, "client sent invalid MQTT CONNECT packet")
        except ValueError as error:
            s.log(Severity.ERR, f"MQTT CONNECT packet cannot be changed: {error}")
        return None

    return read


async def _packet(s: StreamSession, most: int) -> bytes | None:
    """The bytes of the first packet; None if they are no such packet, or do not come."""
    channel = s.channel
    while True:
        try:
            length = length_of(channel.buffer)
        except NotMqtt:
            s.log(Severity.ERR, "client sent no MQTT CONNECT packet")
            return None
        except Incomplete:
            length = 0
        if length > most:
            s.log(Severity.ERR, f"MQTT CONNECT packet is too large: {length} bytes")
            return None
        if length and len(channel.buffer) >= length:
            return await channel.read(length)
        if not await channel.more():
            s.note("client disconnected before MQTT CONNECT")
            return None
