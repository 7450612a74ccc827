"""Sends a text and closes the connection."""

from __future__ import annotations

import asyncio

from ...conf.directive import Conf, directive, own
from ...errors import ConfError
from ...http.template import Template
from ...log import Severity
from ...stream.contexts import STREAM_SERVER
from ...stream.level import StreamLevel
from ...stream.module import StreamModule
from ...stream.session import SUCCESS, TIMED_OUT, Status, StreamHandler, StreamSession
from ..core.stream import takes_over

SECONDS = 5  # for a client to take the text


class ReturnConf(Conf):
    text: Template | None = own(None)

    @directive(STREAM_SERVER)
    def return_(self, value: str) -> None:
        """Sends the value, which can contain variables, and closes the connection."""
        if self.text is not None:
            raise ConfError('"return" directive is duplicate')
        self.text = Template(value)
        takes_over(self)


stream_return = StreamModule("stream_return", ReturnConf)


@stream_return.content
def send_text(conf: ReturnConf, level: StreamLevel) -> StreamHandler | None:
    if conf.text is None:
        return None
    text_of = conf.text.bind(level.variables)

    async def handle(s: StreamSession) -> Status:
        s.action = "returning text"
        if text := text_of(s):
            s.channel.write(text.encode("latin-1"))
            try:
                async with asyncio.timeout(SECONDS):
                    await s.channel.drain()
            except TimeoutError:
                s.log(Severity.INFO, TIMED_OUT)
        return SUCCESS

    return handle
