"""What can go wrong with an upstream, of every protocol: the same faults, and the same ends."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from ..applications import STDOUT, Call, end_request, record
from ..backend import Peer
from ..http2_peer import OK, Http2Peer, continuation, data, headers, joined
from ..nginx import Nginx

BIG = b"X: " + b"y" * 5000 + b"\r\n"
CUT = "what the client gets ends before its length"
RESET = r"(recv|readv)\(\) failed \(104: Connection reset by peer\)"
CLOSED = "upstream prematurely closed connection"
TIMED_OUT = r"upstream timed out \(110: (Connection|Operation) timed out\)"
HEAD_PHASE = " while reading response header from upstream"
BODY_PHASE = " while (reading upstream|sending to client)"


@dataclass(frozen=True)
class Speech:
    """How a protocol says what the faults are made of; the body is "hello"."""

    read: Callable[[Peer], object]  # a request
    head: bytes  # of a response of 5 bytes
    start: bytes  # of the body: three bytes of it
    rest: bytes
    garbage: bytes
    big_head: bytes
    directive: str = ""  # the prefix of its directives, if that is not its name
    settings: str = ""
    too_big: str = "upstream sent too big header"


def call(protocol: str) -> Callable[[Peer], None]:
    return lambda peer: Call(peer, protocol).read_head()


def call_http2(peer: Peer) -> None:
    server = Http2Peer(peer).request()
    server.settle()


HTTP2 = (
    call_http2,
    joined([headers(1, (*OK, ("content-length", "5")))]),
    joined([data(1, b"hel")]),
    joined([data(1, b"lo", end=True)]),
    joined([continuation(1, OK)]),
    joined([headers(1, (*OK, ("x", "y" * 5000)))]),
)
TOO_LARGE = "upstream sent too large (http2 )?header"
CGI_HEAD = b"Content-Length: 5\r\n\r\n"
CGI = b"X\1: y\r\n\r\n", BIG
SPEECHES = {
    "proxy": Speech(
        Peer.head,
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        b"hel",
        b"lo",
        b"HTTP/1.1 200 OK\r\nX\1: y\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + BIG,
    ),
    "scgi": Speech(call("scgi"), CGI_HEAD, b"hel", b"lo", *CGI),
    "uwsgi": Speech(call("uwsgi"), CGI_HEAD, b"hel", b"lo", *CGI),
    "fastcgi": Speech(
        call("fastcgi"),
        record(STDOUT, CGI_HEAD),
        record(STDOUT, b"hello")[:-2],
        b"lo" + record(STDOUT) + end_request(),
        b"\1\6\7",
        record(STDOUT, BIG),
    ),
    "memcached": Speech(
        lambda peer: peer.until(b"\r\n"),
        b"VALUE /k 0 5\r\n",
        b"hel",
        b"lo\r\nEND\r\n",
        b"ERROR\r\n",
        BIG,
    ),
    "http2": Speech(*HTTP2, "proxy", "proxy_http_version 2;", TOO_LARGE),
    "grpc": Speech(*HTTP2, too_big=TOO_LARGE),
}


def refuses(peer: Peer, speech: Speech) -> None:
    raise AssertionError("nobody listens")


def resets_at_once(peer: Peer, speech: Speech) -> None:
    peer.reset()


def resets_after_the_request(peer: Peer, speech: Speech) -> None:
    speech.read(peer)
    peer.reset()


def closes_after_the_request(peer: Peer, speech: Speech) -> None:
    speech.read(peer)


def hangs(peer: Peer, speech: Speech) -> None:
    speech.read(peer)
    peer.rest()


def hangs_in_the_head(peer: Peer, speech: Speech) -> None:
    speech.read(peer)
    peer.send(speech.head[:9])
    peer.rest()


def closes_in_the_head(peer: Peer, speech: Speech) -> None:
    speech.read(peer)
    peer.send(speech.head[:9])


def sends_garbage(peer: Peer, speech: Speech) -> None:
    speech.read(peer)
    peer.send(speech.garbage)
    peer.rest()


def sends_too_big_a_head(peer: Peer, speech: Speech) -> None:
    speech.read(peer)
    peer.send(speech.big_head)
    peer.rest()


def drips(peer: Peer, speech: Speech) -> None:
    speech.read(peer)
    for byte in speech.head + speech.start + speech.rest:
        peer.send(bytes((byte,)))
        time.sleep(0.002)  # so that most bytes come alone


def closes_in_the_body(peer: Peer, speech: Speech) -> None:
    speech.read(peer)
    peer.send(speech.head + speech.start)


def resets_in_the_body(peer: Peer, speech: Speech) -> None:
    speech.read(peer)
    peer.send(speech.head + speech.start)
    peer.wait_until_read()  # a reset overtakes what has not been
    peer.reset()


def hangs_in_the_body(peer: Peer, speech: Speech) -> None:
    speech.read(peer)
    peer.send(speech.head + speech.start)
    peer.rest()


Fault = Callable[[Peer, Speech], None]
# The fault; what the client gets, alone and if there is another server; the line in the log.
FAULTS: list[tuple[Fault, int | str, int | str, str]] = [
    (refuses, 502, 200, r"connect\(\) failed \(111: Connection refused\) while connecting to up"),
    (resets_at_once, 502, 200, f"({RESET}|{CLOSED}){HEAD_PHASE}|(connect|writev).* failed .104: "),
    (resets_after_the_request, 502, 200, RESET + HEAD_PHASE),
    (closes_after_the_request, 502, 200, CLOSED + HEAD_PHASE),
    (hangs, 504, 200, TIMED_OUT + HEAD_PHASE),
    (hangs_in_the_head, 504, 200, TIMED_OUT + HEAD_PHASE),
    (closes_in_the_head, 502, 200, CLOSED + HEAD_PHASE),
    (sends_garbage, 502, 502, f"(upstream|memcached) sent (invalid|unexpected) .*{HEAD_PHASE}"),
    (sends_too_big_a_head, 502, 502, "%%TOO_BIG%%.*" + HEAD_PHASE),
    (drips, 200, 200, ""),
    (closes_in_the_body, CUT, CUT, CLOSED + BODY_PHASE),
    (resets_in_the_body, CUT, CUT, RESET + BODY_PHASE),
    (hangs_in_the_body, CUT, CUT, TIMED_OUT + BODY_PHASE),
]
HANGS = hangs, hangs_in_the_head, hangs_in_the_body
DIFFERENT: dict[tuple[str, Fault], str] = {
    ("fastcgi", closes_in_the_body): "it takes the end of the connection for that of the response",
}


def cases() -> list[object]:
    return [
        pytest.param(
            protocol,
            fault,
            outcome[has_other],
            text,
            has_other,
            id=f"{protocol}-{fault.__name__}{'-and-another-answers' * has_other}",
            marks=[pytest.mark.nginx_differs(DIFFERENT[protocol, fault])]
            if (protocol, fault) in DIFFERENT
            else [],
        )
        for protocol in SPEECHES
        for fault, *outcome, text in FAULTS
        for has_other in (False, True)
    ]


@pytest.mark.parametrize(("protocol", "fault", "expected", "text", "has_other"), cases())
def test_fault(
    nginx: Nginx, protocol: str, fault: Fault, expected: int | str, text: str, has_other: bool
) -> None:
    speech = SPEECHES[protocol]
    if fault is not refuses:
        nginx.backend("b", lambda peer: fault(peer, speech))

    def answers(peer: Peer) -> None:
        speech.read(peer)
        peer.send(speech.head + speech.start + speech.rest)

    nginx.backend("other", answers)
    other = "server 127.0.0.1:%%PORT_other%% backup;" if has_other else ""
    prefix = speech.directive or protocol
    patience = "1s" if fault in HANGS else "60s"
    scheme = "http://" if prefix == "proxy" else ""
    nginx(
        f"{prefix}_read_timeout {patience}; set $memcached_key /k; {speech.settings}"
        f"location / {{ {prefix}_pass {scheme}u; }}",
        http=f"upstream u {{ server 127.0.0.1:%%PORT_b%% max_fails=0; {other} }}",
    )
    raw = nginx.raw(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    head, _, body = raw.partition(b"\r\n\r\n")
    if expected == CUT:
        assert (b"Content-Length: 5" in head and body in (b"hel", b"")) or raw == b""
    else:
        assert head.startswith(b"HTTP/1.1 %d " % int(expected))
        assert expected != 200 or body == b"hello"
    if text:
        text = text.replace("%%TOO_BIG%%", speech.too_big)
        nginx.wait_for_log(rf"\[error\] .*{text}")
