"""Asks name servers, until one answers (ngx_resolver.c)."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence

from ..log import Log, Severity, errno_text
from .errors import FORMAT_ERROR, REFUSED, error_text
from .line import Line, while_resolving
from .message import BadMessage, Head, Question, Reader, Response, query, read_head
from .servers import Server

RESEND_TIMEOUT = 5.0  # seconds; then the next server is asked
TCP_TIMEOUT = 5.0
MOST_MESSAGES = 4  # over TCP, then the server has had its chance


class Asked:
    """A question on its way."""

    __slots__ = ("answer", "data", "ident", "lines", "over_tcp", "question", "streams")

    def __init__(self, question: Question) -> None:
        self.question = question
        self.ident = secrets.randbits(16)
        self.data = query(question, self.ident)
        self.answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self.lines: set[Line] = set()
        self.streams: set[asyncio.Task[None]] = set()
        self.over_tcp = False

    def finish(self) -> None:
        """Nothing is waited for any more."""
        self.answer.cancel()
        for line in self.lines:
            line.leave(self)
        for stream in self.streams:
            stream.cancel()


class Client:
    """The name servers of one "resolver" directive, asked in turn."""

    def __init__(
        self, servers: Sequence[Server], log: Log, unusable: Callable[[int], None]
    ) -> None:
        """`unusable` is called with the code of an answer that is no answer to any question."""
        self.servers, self.log, self._unusable = servers, log, unusable
        self._last = 0
        self._asked: dict[Question, Asked] = {}
        self._lines: dict[Server, Line] = {}

    async def ask(self, *questions: Question) -> list[Response]:
        """The answers to questions, none of which is being asked already.

        It takes until there is one to each: the caller limits the time.  Raises BadName."""
        asked = [Asked(question) for question in questions]
        self._asked.update((one.question, one) for one in asked)
        turn = self._last
        self._last = (turn + 1) % len(self.servers)
        try:
            if not self._send(asked, turn):  # one more is tried at once
                turn += 1
                self._send(asked, turn)
            left = asked
            while left:
                _, pending = await asyncio.wait(
                    [one.answer for one in left], timeout=RESEND_TIMEOUT
                )
                left = [one for one in left if one.answer in pending]
                turn += 1
                self._send(left, turn)
            return [one.answer.result() for one in asked]
        finally:
            for one in asked:
                del self._asked[one.question]
                one.finish()

    def _send(self, asked: Sequence[Asked], turn: int) -> bool:
        """Asks a server; whether that could be sent."""
        server = self.servers[turn % len(self.servers)]
        for one in asked:
            if one.over_tcp:
                self._send_over_tcp(one, server)
            elif not self._send_over_udp(one, server):
                return False
        return True

    def _send_over_udp(self, one: Asked, server: Server) -> bool:
        try:
            line = self._line(one, server)
            line.send(one, one.data)
        except OSError as error:
            text = f"send() failed {errno_text(error)}"
            self.log.write(Severity.ERR, while_resolving(server, text))
            return False
        return True

    def _line(self, one: Asked, server: Server) -> Line:
        """The line on which the question has gone to the server, or a new one."""
        one.lines = {line for line in one.lines if line.is_open}
        for line in one.lines:
            if line.server == server:
                return line
        line = self._lines.get(server) or Line(server, self._received, self.log)
        if not line.takes_more:
            line = Line(server, self._received, self.log)
        self._lines[server] = line
        one.lines.add(line)
        return line

    def _send_over_tcp(self, one: Asked, server: Server) -> None:
        task = asyncio.get_running_loop().create_task(self._exchange(one, server))
        one.streams.add(task)
        task.add_done_callback(one.streams.discard)

    async def _exchange(self, one: Asked, server: Server) -> None:
        """Asks over TCP; a server that drips has the same time as one that is silent."""
        try:
            async with asyncio.timeout(TCP_TIMEOUT):
                reader, writer = await asyncio.open_connection(server.host, server.port)
                try:
                    writer.write(len(one.data).to_bytes(2, "big") + one.data)
                    for _ in range(MOST_MESSAGES):
                        length = int.from_bytes(await reader.readexactly(2), "big")
                        self._read(one, server, await reader.readexactly(length))
                        if one.answer.done():
                            return
                finally:
                    writer.close()
        except (TimeoutError, asyncio.IncompleteReadError):
            return
        except OSError as error:
            text = f"connect() to {server.name} failed {errno_text(error)}"
            self.log.write(Severity.ERR, while_resolving(server, text))

    # What comes in.

    def _received(self, line: Line, data: bytes) -> None:
        """A datagram: it must be from where the question went."""
        self._read(line, line.server, data)

    def _read(self, source: Line | Asked, server: Server, data: bytes) -> None:
        try:
            self._answer(source, server, data)
        except BadMessage as error:
            self.log.write(Severity.ERR, str(error))

    def _answer(self, source: Line | Asked, server: Server, data: bytes) -> None:
        over_tcp = isinstance(source, Asked)
        head = read_head(data)
        if not head.is_response or (head.is_truncated and over_tcp):
            way = "TCP" if over_tcp else "UDP"
            raise BadMessage(f"invalid {way} DNS response {head.ident} fl:{head.flags:04X}")
        if head.code == FORMAT_ERROR or head.code > REFUSED:
            self._unusable(head.code)
            raise BadMessage(self._complaint(head))
        reader = Reader(data, head)
        question = reader.question()
        asked = self._asked.get(question)
        if asked is None or asked.answer.done() or not (source is asked or source in asked.lines):
            raise BadMessage(f"unexpected DNS response for {question.name}")
        if head.ident != asked.ident:
            raise BadMessage(
                f"wrong ident {head.ident} in DNS response for {question.name}, "
                f"expect {asked.ident}"
            )
        if head.is_truncated:
            if not asked.over_tcp:
                asked.over_tcp = True
                self._send_over_tcp(asked, server)
            return
        response = reader.response(question)
        for kind in dict.fromkeys(response.unexpected):
            self.log.write(Severity.ERR, f"unexpected RR type {kind} in DNS response")
        asked.answer.set_result(response)

    def _complaint(self, head: Head) -> str:
        """What is logged of an answer that says the question is bad: there may be better ones."""
        text = f"DNS error ({error_text(head.code)}), query id:{head.ident}"
        for one in self._asked.values():
            if one.ident == head.ident and head.code == FORMAT_ERROR:
                return f'{text}, name:"{one.question.name}"'
        return text
