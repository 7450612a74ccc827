"""The transcripts themselves: what holds, and how a difference is told."""

from __future__ import annotations

import socket

import pytest

from .transcript import exchanges
from .wire import Answer, Wire

ANSWER = Answer(
    "1.1",
    200,
    "OK",
    (("X-A", "1"), ("X-A", "2"), ("Content-Length", "6")),
    b"hello\n",
    (("X-T", "t"),),
)


@pytest.mark.parametrize(
    "expected",
    [
        "< 200",
        "< 200 OK",
        "< HTTP/1.1 200 OK",
        "< 200\n< X-A: 1\n< X-A: 2",
        "< 200\n< X-A: *\n< X-A ~ \\d",
        "< 200\n< !X-B\n<+ X-T: t\n<+ !X-U",
        "< 200\n<~ l+o\n<\n< hello\n<",
    ],
)
def test_holds(expected: str) -> None:
    (exchange,) = exchanges("> GET /\n" + expected)
    assert exchange.told(ANSWER) == exchange.text


@pytest.mark.parametrize(
    "expected, told",
    [
        ("< 404", "< 200"),
        ("< 200 Ok", "< 200 OK"),
        ("< HTTP/1.0 200 OK", "< HTTP/1.1 200 OK"),
        ("< closed", "< 200"),
        ("< 200\n< X-A: 1", "< 200\n< X-A: 1\n< X-A: 2"),
        ("< 200\n< X-A: 2\n< X-A: 1", "< 200\n< X-A: 1\n< X-A: 2"),
        ("< 200\n< x-a: 1\n< x-a: 2", "< 200\n< X-A: 1\n< X-A: 2"),
        ("< 200\n< !Content-Length", "< 200\n< Content-Length: 6"),
        ("< 200\n< Content-Length ~ \\d{2}", "< 200\n< Content-Length: 6"),
        ("< 200\n< X-B: 1", "< 200\n< !X-B"),
        ("< 200\n<+ X-T: u", "< 200\n<+ X-T: t"),
        ("< 200\n<\n< hello", "< 200\n<\n< hello\n<"),
        ("< 200\n<", "< 200\n<\n< hello\n<"),
        ("< 200\n<~ bye", "< 200\n<~ hello\\n"),
        ("< 103\n< 200", "< 200"),
    ],
)
def test_a_difference_is_told(expected: str, told: str) -> None:
    (exchange,) = exchanges("> GET /\n" + expected)
    assert exchange.told(ANSWER) == "> GET /\n" + told


def test_interim_responses_are_told() -> None:
    interim = Answer("1.1", 103, "Early Hints", (("Link", "a"),))
    answer = Answer("1.1", 200, "OK", (), interim=(interim,))
    (written,) = exchanges("> GET /\n< 103\n< Link: a\n< 200")
    (forgotten,) = exchanges("> GET /\n< 200")
    assert written.told(answer) == written.text
    assert forgotten.told(answer) == "> GET /\n< 103\n< 200"


def test_closed() -> None:
    (exchange,) = exchanges("> GET /\n< 200\n< X: 1")
    assert exchange.told(None) == "> GET /\n< closed"


@pytest.mark.parametrize(
    "lines, sent",
    [
        ("> GET /a", "GET /a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
        ("> GET /a HTTP/1.0", "GET /a HTTP/1.0\r\n\r\n"),
        ("> GET /a\n> !Host\n> connection: x", "GET /a HTTP/1.1\r\nconnection: x\r\n\r\n"),
        (
            "> POST /a HTTP/1.0\n>\n> 1\n> 2",
            "POST /a HTTP/1.0\r\nContent-Length: 3\r\n\r\n1\n2",
        ),
        (
            "> POST /a HTTP/1.0\n> Transfer-Encoding: chunked\n>\n> one\n> two",
            "POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"
            "3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n",
        ),
    ],
)
def test_request(lines: str, sent: str) -> None:
    (exchange,) = exchanges(lines)
    assert exchange.request().decode() == sent


def _answer(data: bytes) -> Answer | None:
    client, server = socket.socketpair()
    with client, server:
        server.sendall(data)
        server.shutdown(socket.SHUT_WR)
        return Wire(client).answer()


@pytest.mark.parametrize(
    "data, body",
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", b"ab"),
        (b"HTTP/1.0 200\r\n\r\nabc", b"abc"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nT: 1\r\n\r\n",
            b"ab",
        ),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    ],
)
def test_read(data: bytes, body: bytes) -> None:
    answer = _answer(data)
    assert answer
    assert answer.body == body


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nBad name: 1\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
)
def test_refused(data: bytes) -> None:
    with pytest.raises(AssertionError):
        _answer(data)
