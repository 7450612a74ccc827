"""Requests over HTTP/3, sent by the tests' own client.

A client in Python keeps no server busy; but what counts is the processor time of the server.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from tests.http2client import Response
from tests.http3client import Http3Client

STREAMS = 10  # at a time


def ask(port: int, texts: Sequence[bytes], seconds: float, asked: int = 0) -> int:
    """The number of answers to these requests in turn, beginning after so many of them.  Raises
    ConnectionError for one that fails."""
    until, count = time.monotonic() + seconds, 0
    with Http3Client(port) as client:
        while not count or time.monotonic() < until:
            at = asked + count
            turn = [texts[number % len(texts)] for number in range(at, at + STREAMS)]
            for response in _answers(client, turn):
                if not response.ended or response.fields[0] != (":status", "200"):
                    raise ConnectionError(f"{response.fields or response.reset}")
            count += len(turn)
    return count


def ask_once(port: int, text: bytes) -> tuple[int, bytes]:
    """Status and body of the answer."""
    with Http3Client(port) as client:
        (response,) = _answers(client, [text])
        return int(dict(response.fields).get(":status", "0")), response.body


def _answers(client: Http3Client, texts: Sequence[bytes]) -> list[Response]:
    numbers = [client.send_request(text.decode("latin-1")) for text in texts]
    return [client.wait(number) for number in numbers]
