"""Reads the identifier and user name of an MQTT client before its connection is passed on."""

from __future__ import annotations

from ...conf.directive import Conf, flag
from ...stream.contexts import IN_STREAM
from ...stream.level import StreamLevel
from ...stream.module import StreamModule
from ...stream.mqtt import Connect, Incomplete, NotMqtt, read_connect
from ...stream.session import AGAIN, Status, StreamHandler, StreamPhase, StreamSession

CONNECT = "mqtt_preread"  # in the contexts of a session


class MqttPrereadConf(Conf):
    mqtt_preread = flag(
        False,
        IN_STREAM,
        "Reads the CONNECT packet with which a client of MQTT 3.1.1 or 5.0 begins: its identifier "
        "and its user name. What was read is passed on. If the client does not speak MQTT, the "
        "variables are empty. Neither is verified by reading it.",
    )


stream_mqtt_preread = StreamModule("stream_mqtt_preread", MqttPrereadConf)


@stream_mqtt_preread.handler(StreamPhase.PREREAD)
def read_packet(conf: MqttPrereadConf, level: StreamLevel) -> StreamHandler | None:
    if not conf.mqtt_preread:
        return None

    def handle(s: StreamSession) -> Status | None:
        if s.is_udp:
            return None
        data = s.channel.buffer[: s.server.preread_buffer_size]
        try:
            s.contexts[CONNECT] = read_connect(data, to_password=False)
        except NotMqtt:
            return None
        except Incomplete:
            return AGAIN
        return None

    return handle


def _connect(s: StreamSession) -> Connect | None:
    connect: Connect | None = s.contexts.get(CONNECT)
    return connect


@stream_mqtt_preread.variable("mqtt_preread_clientid")
def mqtt_preread_clientid(s: StreamSession) -> str | None:
    """Identifier that an MQTT client gives itself."""
    connect = _connect(s)
    return None if connect is None else connect.clientid


@stream_mqtt_preread.variable("mqtt_preread_username")
def mqtt_preread_username(s: StreamSession) -> str | None:
    """User name that an MQTT client gives."""
    connect = _connect(s)
    return None if connect is None else connect.username
