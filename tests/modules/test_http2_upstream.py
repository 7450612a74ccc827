"""HTTP/2 to upstreams: proxy_http_version 2 and grpc_pass, as clients of HTTP/1 see them."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hyperframe.frame import DataFrame, Frame, PingFrame, SettingsFrame, WindowUpdateFrame

from pyngx_jwt.cache import CacheKey, key_line, new_header, pack

from ..backend import Backend
from ..http2_peer import (
    OK,
    PROTOCOLS,
    Application,
    Http2Peer,
    continuation,
    data,
    goaway,
    headers,
    joined,
    ping,
    reset,
    serving,
    settings,
    speaking,
    window,
)
from ..nginx import Nginx
from ..wire import DEADLINE

KEEPING = "upstream u { server 127.0.0.1:%%PORT_b%%; keepalive 4; }"
TEXTS = "upstream (sent|rejected|violated|prematurely closed stream)"
DOING = "while reading response header"
HEAD = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Site:
    """A server under test; what is called h2_* in a configuration is the protocol's directive."""

    nginx: Nginx
    protocol: str

    def __call__(self, snippet: str = "location / { h2_pass %%B%%; }", *, http: str = "") -> None:
        self.nginx(self.named(snippet), http=self.named(http))

    def named(self, text: str) -> str:
        scheme = "http://" if self.protocol == "proxy" else ""
        text = text.replace("h2_pass ", f"h2_pass {scheme}").replace("h2_", f"{self.protocol}_")
        text = text.replace("%%B%%", "127.0.0.1:%%PORT_b%%")
        return "proxy_http_version 2;" + text if "_pass" in text else text

    def server(self, *applications: Application, values: dict[int, int] | None = None) -> Backend:
        return self.nginx.backend("b", serving(*applications, settings=values))

    @property
    def port(self) -> str:
        return self.nginx.filled("127.0.0.1:%%PORT_b%%")


@pytest.fixture(params=PROTOCOLS)
def site(request: pytest.FixtureRequest, nginx: Nginx) -> Iterator[Site]:
    yield Site(nginx, request.param)


# Requests.


def test_request(site: Site) -> None:
    calls: list[Http2Peer] = []

    def answer(call: Http2Peer) -> None:
        calls.append(call)
        call.respond(b"hello", ("x-answer", "1"))

    site.server(answer)
    site()
    site.nginx.exchange("""
        > GET /a%20b?c
        > X-One: 1
        > Proxy-Connection: x
        > Keep-Alive: 1
        > TE: gzip
        < 200
        < x-answer: 1
        <
        < hello
        """)
    assert calls[0].fields == [
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/a%20b?c"),
        (":authority", site.port),
        ("x-one", "1"),
    ]


def test_body_and_its_length(site: Site) -> None:
    bodies: list[tuple[str, bytes]] = []

    def answer(call: Http2Peer) -> None:
        length = dict(call.fields).get("content-length", "")
        bodies.append((length, b"".join(x.data for x in call.frames if isinstance(x, DataFrame))))
        call.respond(b"ok")

    site.server(answer)
    site()
    assert site.nginx.request("POST /", body="12345").text == "ok"
    assert bodies == [("5", b"12345")]


def test_chunked_body(site: Site) -> None:
    """Chunks are a matter of HTTP/1."""
    calls: list[Http2Peer] = []

    def answer(call: Http2Peer) -> None:
        calls.append(call)
        call.respond(b"ok")

    site.server(answer)
    site()
    raw = site.nginx.raw(
        b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    )
    assert raw.endswith(b"ok") or raw.endswith(b"ok\r\n0\r\n\r\n")
    call = calls[0]
    assert b"".join(x.data for x in call.frames if isinstance(x, DataFrame)) == b"abcde"
    assert "transfer-encoding" not in dict(call.fields)


def test_set_header(site: Site) -> None:
    """One that is empty is not sent."""
    calls: list[Http2Peer] = []

    def answer(call: Http2Peer) -> None:
        calls.append(call)
        call.respond()

    site.server(answer)
    site("""
        h2_set_header X-One "$arg_a b"; h2_set_header X-Two "";
        location / { h2_pass %%B%%; }
        """)
    site.nginx.exchange("""
        > GET /?a=1
        > X-Two: 2
        < 200
        """)
    fields = dict(calls[0].fields)
    assert fields["x-one"] == "1 b"
    assert not {"x-two", "host"} & fields.keys()


@pytest.mark.pyngx_only("nginx has it since 1.31.4")
def test_set_host(site: Site) -> None:
    """The last Host is the authority; where it is empty, the upstream's name is."""
    calls: list[Http2Peer] = []

    def answer(call: Http2Peer) -> None:
        calls.append(call)
        call.respond()

    site.server(answer)
    site("""
        h2_set_header Host first; h2_set_header HOST $arg_a;
        location / { h2_pass %%B%%; }
        """)
    site.nginx.exchange("> GET /?a=b\n< 200\n\n> GET /\n< 200")
    fields = [dict(call.fields) for call in calls]
    assert [got[":authority"] for got in fields] == ["b", site.nginx.filled("127.0.0.1:%%PORT_b%%")]
    assert not any("host" in got for got in fields)


@pytest.mark.nginx_differs("it sends the line break")
def test_a_line_break_is_no_field(site: Site) -> None:
    backend = site.server(lambda call: call.respond())
    site("""
        location / { h2_set_header X "a
b: c"; h2_pass %%B%%; }
        """)
    assert site.nginx.request("GET /").status == 500
    assert backend.asked == 0


def test_long_head_is_split(site: Site) -> None:
    calls: list[Http2Peer] = []

    def answer(call: Http2Peer) -> None:
        calls.append(call)
        call.respond()

    site.server(answer)
    # characters that compression does not shorten
    site(f"set $x {'~' * 2500}; location / {{ h2_pass %%B%%; h2_set_header X {'$x' * 8}; }}")
    assert site.nginx.request("GET /").status == 200
    assert calls[0]["x"] == "~" * 20000
    kinds = [type(frame).__name__ for frame in calls[0].frames if frame.stream_id]
    assert kinds == ["HeadersFrame", "ContinuationFrame"]


def test_frames_of_the_beginning(site: Site) -> None:
    """No pushes, nothing to remember; the settings are acknowledged."""
    calls: list[Http2Peer] = []

    def answer(call: Http2Peer) -> None:
        calls.append(call)
        call.send(ping())
        while not any(isinstance(frame, PingFrame) for frame in call.frames):
            call.frame()
        call.respond()

    site.server(answer, values={SettingsFrame.INITIAL_WINDOW_SIZE: 1000})
    site()
    assert site.nginx.request("GET /").status == 200
    (first, *_), (ack, pong) = (
        calls[0].frames[:2],
        [x for x in calls[0].frames if x.flags and "ACK" in x.flags],
    )
    assert isinstance(first, SettingsFrame)
    assert first.settings[SettingsFrame.ENABLE_PUSH] == 0
    assert first.settings[SettingsFrame.HEADER_TABLE_SIZE] == 0
    assert isinstance(ack, SettingsFrame) and isinstance(pong, PingFrame)
    assert pong.opaque_data == b"12345678"


# Responses.


def test_body_in_frames_with_padding(site: Site) -> None:
    def answer(call: Http2Peer) -> None:
        one, two = data(call.stream, b"hel", padding=5), data(call.stream, b"lo", padding=200)
        empty = data(call.stream, b"", end=True)
        call.send(headers(call.stream), one, settings(), two, ping(), empty)

    site.server(answer)
    site()
    assert site.nginx.request("GET /").text == "hello"


def test_head_in_frames(site: Site) -> None:
    def answer(call: Http2Peer) -> None:
        number = call.stream
        call.send(
            headers(number, whole=False),
            continuation(number, (("x-one", "1"),), whole=False),
            continuation(number, (), whole=False),
            continuation(number, (("x-two", "2"), ("content-length", "5"))),
            data(number, b"hello", end=True),
        )

    site.server(answer)
    site()
    site.nginx.exchange("""
        > GET /
        < 200
        < x-one: 1
        < x-two: 2
        < Content-Length: 5
        <
        < hello
        """)


def test_bodiless(site: Site) -> None:
    """What a head says of a length is not waited for."""

    def answer(call: Http2Peer) -> None:
        status = "304" if call[":path"] == "/304" else "204" if call[":path"] == "/204" else "200"
        length = () if status == "204" else (("content-length", "5"),)
        head = headers(call.stream, ((":status", status), *length))
        call.send(head, data(call.stream, b"", end=True))

    site.server(answer)
    site()
    site.nginx.exchange("""
        > HEAD /
        < 200
        < Content-Length: 5
        <

        > GET /304
        < 304
        <

        > GET /204
        < 204
        <
        """)


def test_no_body_and_no_length(site: Site) -> None:
    """gRPC's responses that are nothing but trailers have a length of 0."""
    site.server(lambda call: call.respond())
    site()
    raw = site.nginx.raw(HEAD)
    if site.protocol == "grpc":
        assert b"\r\nContent-Length: 0\r\n" in raw and raw.endswith(b"\r\n\r\n")
    else:
        assert b"\r\nTransfer-Encoding: chunked\r\n" in raw and raw.endswith(b"\r\n0\r\n\r\n")


def test_trailers(site: Site) -> None:
    site.server(lambda call: call.respond(b"hello", trailers=(("x-end", "1"), ("x-more", "2"))))
    site("proxy_pass_trailers on; location / { h2_pass %%B%%; }")
    answer = site.nginx.request("GET /", "TE: trailers")
    assert answer.text == "hello"
    assert answer.trailers == (("x-end", "1"), ("x-more", "2"))


@pytest.mark.parametrize("length", [(), (("content-length", "5"),)])
def test_trailers_for_clients_of_http2(site: Site, length: tuple[tuple[str, str], ...]) -> None:
    """The length that is announced is not the end of the response."""

    def answer(call: Http2Peer) -> None:
        number = call.stream
        call.send(headers(number, (*OK, *length)), data(number, b"hello"))
        call.send(headers(number, (("x-end", "1"),), end=True))

    site.server(answer)
    site("http2 on; proxy_pass_trailers on; location / { h2_pass %%B%%; }")
    with site.nginx.http2() as client:
        found = client.request("GET /", "TE: trailers")
        assert (found.body, found.trailers) == (b"hello", (("x-end", "1"),))


def test_trailers_are_not_passed_on_by_default(nginx: Nginx) -> None:
    site = Site(nginx, "proxy")
    site.server(lambda call: call.respond(b"hello", trailers=(("x-end", "1"),)))
    site()
    answer = nginx.request("GET /", "TE: trailers")
    assert (answer.text, answer.trailers) == ("hello", ())


def test_early_hints(site: Site) -> None:
    def answer(call: Http2Peer) -> None:
        hint = (":status", "103"), ("link", "</x>")
        call.send(headers(call.stream, hint), headers(call.stream, hint))
        call.respond(b"hello")

    site.server(answer)
    site("early_hints 1; location / { h2_pass %%B%%; }")
    found = site.nginx.request("GET /")
    assert [(x.status, x.get("link")) for x in found.interim] == [(103, "</x>")] * 2
    assert found.text == "hello"


def test_answer_before_the_request_is_sent(site: Site) -> None:
    """The rest of the request is still passed on, as far as there is one."""
    ready = threading.Event()

    def script(server: Http2Peer) -> None:
        call = server.head()
        call.data(3)
        call.send(headers(call.stream), data(call.stream, b"first "))
        ready.set()
        call.send(data(call.stream, call.data(3), end=True))

    site.nginx.backend("b", speaking(script))
    site("proxy_request_buffering off; proxy_buffering off; location / { h2_pass %%B%%; }")
    with site.nginx.connect() as client:
        client.wire.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nabc")
        assert ready.wait(DEADLINE)
        client.wire.until(b"first ")
        client.wire.send(b"def")
        client.wire.until(b"def")


def test_the_rest_of_the_request_after_the_response_has_begun(site: Site) -> None:
    """Of one that was read into a file as well."""
    rest: list[bytes] = []

    def script(server: Http2Peer) -> None:
        server.head()
        server.data(65535)
        server.send(headers(server.stream), data(server.stream, b"first "))
        server.send(window(0, 100_000), window(server.stream, 100_000))
        rest.append(server.body())
        server.send(data(server.stream, b"last", end=True))

    site.nginx.backend("b", speaking(script))
    site("client_max_body_size 0; location / { h2_pass %%B%%; }")
    assert site.nginx.request("POST /", body="x" * 100_000).text == "first last"
    assert rest == [b"x" * 34465]


def test_a_response_to_a_part_of_the_request(site: Site) -> None:
    """It is passed on, and the connection is of no more use."""

    def script(server: Http2Peer) -> None:
        server.head()
        server.respond(b"enough")

    other = serving(lambda call: call.respond(b"other"))
    backend = site.nginx.backend("b", speaking(script), other)
    site("client_max_body_size 0; location / { h2_pass u; }", http=KEEPING)
    assert site.nginx.request("POST /", body="x" * 200_000).text == "enough"
    assert site.nginx.request("GET /").text == "other"
    assert backend.accepted == 2


def test_other_methods_and_bodies(nginx: Nginx) -> None:
    calls: list[Http2Peer] = []

    def answer(call: Http2Peer) -> None:
        calls.append(call)
        call.respond()

    site = Site(nginx, "proxy")
    site.server(answer)
    site("""
        proxy_method PUT;
        location /body { proxy_set_body "<$arg_a>"; proxy_pass http://%%B%%; }
        location /none {
            proxy_pass_request_body off; proxy_set_header Content-Length "";
            proxy_pass http://%%B%%;
        }
        location /bare { proxy_pass_request_headers off; proxy_pass http://%%B%%/other; }
        """)
    for uri in ("/body?a=b", "/none", "/bare"):
        assert nginx.request(f"POST {uri}", "X: y", body="12345").status == 200
    bodies = [[x.data for x in call.frames if isinstance(x, DataFrame)] for call in calls]
    assert [b"".join(parts) for parts in bodies] == [b"<b>", b"", b"12345"]
    assert {call[":method"] for call in calls} == {"PUT"}
    assert [dict(call.fields).get("content-length") for call in calls] == ["3", None, "5"]
    assert [dict(call.fields).get("x") for call in calls] == ["y", "y", None]
    assert calls[2][":path"] == "/other"


def test_nobody_asks_for_an_upgrade(nginx: Nginx) -> None:
    calls: list[Http2Peer] = []

    def answer(call: Http2Peer) -> None:
        calls.append(call)
        call.respond(b"plain")

    site = Site(nginx, "proxy")
    site.server(answer)
    site("location / { proxy_pass http://%%B%%; }")
    assert nginx.request("GET /", "Upgrade: websocket").text == "plain"
    assert "upgrade" not in dict(calls[0].fields)


def test_client_that_goes_away(site: Site) -> None:
    """The connection is closed: a server learns of it."""
    begun, closed = threading.Event(), threading.Event()

    def script(server: Http2Peer) -> None:
        server.request()
        begun.set()
        server.peer.rest()
        closed.set()

    site.nginx.backend("b", speaking(script))
    site()
    with site.nginx.connect() as client:
        client.wire.send(HEAD)
        assert begun.wait(DEADLINE)
    assert closed.wait(DEADLINE)


# Connections.


def test_kept_connection(site: Site) -> None:
    streams: list[int] = []

    def answer(call: Http2Peer) -> None:
        streams.append(call.stream)
        call.respond(b"hello")

    backend = site.server(answer, answer, answer)
    site("location / { h2_pass u; }", http=KEEPING)
    for _ in range(3):
        assert site.nginx.request("GET /").text == "hello"
    assert (streams, backend.accepted) == ([1, 3, 5], 1)


def test_window_of_the_settings_is_kept(site: Site) -> None:
    pieces: list[bytes] = []

    def first(call: Http2Peer) -> None:
        call.send(settings({SettingsFrame.INITIAL_WINDOW_SIZE: 2}))
        call.respond(b"hello")

    def script(server: Http2Peer) -> None:
        first(server.request())
        server.head()
        pieces.append(server.data(2))
        server.send(settings({SettingsFrame.INITIAL_WINDOW_SIZE: 5}))
        pieces.append(server.data(3))
        server.respond(b"again")

    backend = site.nginx.backend("b", speaking(script))
    site("location / { h2_pass u; }", http=KEEPING)
    assert site.nginx.request("GET /").text == "hello"
    assert site.nginx.request("POST /", body="12345").text == "again"
    assert (pieces, backend.accepted) == ([b"12", b"345"], 1)


def reused(site: Site, application: Application) -> bool:
    """Whether another request follows on the connection of one that is answered so."""

    def first(server: Http2Peer) -> None:
        application(server.request())
        with contextlib.suppress(AssertionError):  # which says that the connection is closed
            server.request().respond(b"second")

    other = serving(lambda call: call.respond(b"other"))
    backend = site.nginx.backend("b", speaking(first), other)
    site("location / { h2_pass u; }", http=KEEPING)
    assert site.nginx.request("GET /").text == "hello"
    text = site.nginx.request("GET /").text
    assert (text, backend.accepted) in (("second", 1), ("other", 2))
    return text == "second"


def test_a_reset_without_error_after_the_end(site: Site) -> None:
    def answer(call: Http2Peer) -> None:
        number = call.stream
        call.send(headers(number), data(number, b"hello", end=True), reset(number), window(0, 9))

    assert reused(site, answer)


def test_goaway_after_the_stream(site: Site) -> None:
    """The response is passed on, and that was the last one."""

    def answer(call: Http2Peer) -> None:
        number = call.stream
        call.send(goaway(number, 5), headers(number), data(number, b"hello", end=True))

    assert not reused(site, answer)


@pytest.mark.nginx_differs("it closes the connection")
def test_control_frames_between_requests(site: Site) -> None:
    """They are answered, and the connection is kept."""
    acknowledged = threading.Event()

    def script(server: Http2Peer) -> None:
        server.request().respond(b"hello")
        server.send(window(0, 100), ping())
        while not isinstance(server.frame(), PingFrame):
            pass
        acknowledged.set()
        server.request().respond(b"second")

    backend = site.nginx.backend("b", speaking(script))
    site("location / { h2_pass u; }", http=KEEPING)
    assert site.nginx.request("GET /").text == "hello"
    assert acknowledged.wait(DEADLINE)
    assert (site.nginx.request("GET /").text, backend.accepted) == ("second", 1)


def test_goaway_between_requests(site: Site) -> None:
    gone = threading.Event()

    def script(server: Http2Peer) -> None:
        server.request().respond(b"hello")
        server.send(goaway(1))
        server.peer.rest()
        gone.set()

    other = serving(lambda call: call.respond(b"other"))
    backend = site.nginx.backend("b", speaking(script), other)
    site("location / { h2_pass u; }", http=KEEPING)
    assert site.nginx.request("GET /").text == "hello"
    assert gone.wait(DEADLINE)
    assert (site.nginx.request("GET /").text, backend.accepted) == ("other", 2)


# Windows.


def test_request_waits_for_windows(site: Site) -> None:
    """Of the stream and of the connection: neither is exceeded."""
    sizes: list[int] = []

    def script(server: Http2Peer) -> None:
        server.head()
        sizes.append(len(server.data(65535)))
        server.send(window(server.stream, 10), window(0, 5))
        sizes.append(len(server.data(5)))
        server.send(window(0, 100000), window(server.stream, 100000))
        sizes.append(len(server.body()))
        server.respond(b"ok")

    site.nginx.backend("b", speaking(script))
    site("client_max_body_size 1m; location / { h2_pass %%B%%; }")
    assert site.nginx.request("POST /", body="x" * 100000).text == "ok"
    assert sizes == [65535, 5, 34460]


def test_windows_that_stay_closed(site: Site) -> None:
    def script(server: Http2Peer) -> None:
        server.head()
        server.data(65535)
        server.peer.rest(60)

    site.nginx.backend("b", speaking(script))
    site("client_max_body_size 0; h2_send_timeout 400ms; location / { h2_pass %%B%%; }")
    assert site.nginx.request("POST /", body="x" * 100_000).status == 504
    site.nginx.wait_for_log(r"upstream timed out \(110: .*\) while sending request to upstream")


def test_long_request(site: Site) -> None:
    sizes: list[int] = []

    def answer(server: Http2Peer) -> None:
        server.head()
        sizes.append(len(server.body()))
        server.respond(b"ok")

    site.nginx.backend("b", speaking(answer))
    site("client_max_body_size 0; proxy_request_buffering off; location / { h2_pass %%B%%; }")
    assert site.nginx.request("POST /", body="x" * 20_000_000).text == "ok"
    assert sizes == [20_000_000]


def test_long_response(site: Site) -> None:
    """Longer than any window: what has been passed on makes room.  Nor is it taken for a flood."""
    body = bytes(range(256)) * 80_000  # 20 MB

    def script(server: Http2Peer) -> None:
        server.request()
        first = next(x for x in server.frames if isinstance(x, SettingsFrame))
        room = min(first.settings[SettingsFrame.INITIAL_WINDOW_SIZE], len(body))
        server.send(headers(server.stream))
        at = 0
        while at < len(body):
            while room <= 0:
                frame = server.frame()
                if isinstance(frame, WindowUpdateFrame) and frame.stream_id:
                    room += frame.window_increment
            piece = body[at : at + min(room, 16384)]
            at, room = at + len(piece), room - len(piece)
            server.send(data(server.stream, piece, end=at == len(body)))

    site.nginx.backend("b", speaking(script))
    site()
    assert site.nginx.request("GET /").body == body


@pytest.mark.nginx_differs("it opens all windows, and reads as much as there is room for")
def test_slow_client(site: Site) -> None:
    """The server has to wait, and what it says of the request is read nevertheless."""
    sent: list[int] = []
    answered = threading.Event()

    def script(server: Http2Peer) -> None:
        server.request()
        first = next(x for x in server.frames if isinstance(x, SettingsFrame))
        room = first.settings[SettingsFrame.INITIAL_WINDOW_SIZE]
        server.send(headers(server.stream), ping())
        while not isinstance(server.frame(), PingFrame):
            pass
        total = 0
        while True:  # as much as is taken
            while room > 0:
                server.send(data(server.stream, bytes(min(room, 16384))))
                total += min(room, 16384)
                room -= min(room, 16384)
            server.send(ping(b"abcdefgh"))
            while not isinstance(frame := server.frame(), PingFrame):
                if isinstance(frame, WindowUpdateFrame) and frame.stream_id:
                    room += frame.window_increment
            if room <= 0:
                break
        sent.append(total)
        answered.set()

    site.nginx.backend("b", speaking(script))
    site("proxy_max_temp_file_size 0; location / { h2_pass %%B%%; }")
    with site.nginx.connect() as client:
        client.wire.send(HEAD)
        assert answered.wait(DEADLINE)
    assert sent[0] < 20_000_000  # what the kernels hold, and one window


# What a server must not send.

Frames = list[Frame | bytes]
FULL = "x" * 3000
INVALID: dict[str, Frames] = {
    "no status": [headers(1, (("x", "y"),))],
    "no fields but a length": [headers(1, (("content-length", "5"),))],
    "two statuses": [headers(1, (*OK, *OK))],
    "a status behind a field": [headers(1, (("x", "y"), *OK))],
    "a status of two digits": [headers(1, ((":status", "20"),))],
    "a status of letters": [headers(1, ((":status", "abc"),))],
    "101": [headers(1, ((":status", "101"),))],
    "100": [headers(1, ((":status", "100"),))],
    "a field of requests": [headers(1, (*OK, (":path", "/")))],
    "an upper-case name": [headers(1, (*OK, ("X", "y")))],
    "a blank in a name": [headers(1, (*OK, ("x y", "z")))],
    "a colon in a name": [headers(1, (*OK, ("x:y", "z")))],
    "a line break in a name": [headers(1, (*OK, ("x\ny", "z")))],
    "a line break in a value": [headers(1, (*OK, ("x", "y\r\nz: 1")))],
    "NUL in a value": [headers(1, (*OK, ("x", "y\0")))],
    "an empty name": [headers(1, (*OK, ("", "y")))],
    "two lengths": [headers(1, (*OK, ("content-length", "5"), ("content-length", "6")))],
    "a length of letters": [headers(1, (*OK, ("content-length", "x")))],
    "too long a field": [headers(1, (*OK, ("x", "y" * 5000)))],
    "too many fields": [headers(1, (*OK, ("x", FULL), ("y", FULL)))],
    "fields in too many frames": [
        headers(1, whole=False),
        *[continuation(1, (("x", "y" * 100),), whole=False)] * 50,
    ],
    "a body without a head": [data(1, b"x")],
    "a frame between those of a head": [headers(1, whole=False), ping()],
    "CONTINUATION without HEADERS": [continuation(1, OK)],
    "another stream": [headers(3, end=True)],
    "a pushed stream": [b"\0\0\4\5\4\0\0\0\1\0\0\0\2"],
    "a reset": [reset(1, 7)],
    "goaway before the stream": [goaway(0, 2)],
    "too long a frame": [b"\xff\xff\xff\0\0\0\0\0\1"],
    "an index of no entry": [b"\0\0\1\1\5\0\0\0\1\xfe"],
    "an index of zero": [b"\0\0\1\1\5\0\0\0\1\x80"],
    "bytes behind a head": [b"\0\0\2\1\5\0\0\0\1\x88\x40"],
    "padding longer than the frame": [b"\0\0\2\1\x0d\0\0\0\1\x09\x88"],
    "settings on a stream": [b"\0\0\0\4\0\0\0\0\1"],
    "settings of five bytes": [b"\0\0\5\4\0\0\0\0\0\0\0\0\0\0"],
    "too large a window in settings": [b"\0\0\6\4\0\0\0\0\0\0\4\xff\xff\xff\xff"],
    "ping on a stream": [b"\0\0\x08\6\0\0\0\0\1" + bytes(8)],
    "ping of seven bytes": [b"\0\0\7\6\0\0\0\0\0" + bytes(7)],
    "reset of three bytes": [b"\0\0\3\3\0\0\0\0\1" + bytes(3)],
    "goaway of seven bytes": [b"\0\0\7\7\0\0\0\0\0" + bytes(7)],
    "goaway on a stream": [b"\0\0\x08\7\0\0\0\0\1" + bytes(8)],
    "a window update of three bytes": [b"\0\0\3\x08\0\0\0\0\0" + bytes(3)],
    "too large a window": [window(0, 2**31 - 1)],
    "too large a window of the stream": [window(1, 2**31 - 1)],
    "HTTP/1": [b"HTTP/1.1 200 OK\r\n\r\n"],
}


@pytest.mark.parametrize("name", INVALID)
def test_invalid_response(site: Site, name: str) -> None:
    backend = site.nginx.backend("b", serving(lambda call: refused(call, INVALID[name])))
    site("h2_read_timeout 5s; location / { h2_pass %%B%%; }")
    assert site.nginx.request("GET /").status == 502
    site.nginx.wait_for_log(rf"\[error\] .*{TEXTS}.*{DOING}")
    assert not backend.failures


def refused(call: Http2Peer, frames: Frames) -> None:
    """The connection is closed, though there would be more."""
    call.send(*frames)
    call.peer.rest()


BODY = headers(1, (*OK, ("content-length", "5")))
CUT: dict[str, Frames] = {
    "too short": [BODY, data(1, b"hel", end=True)],
    "too short, with trailers": [BODY, data(1, b"hel"), headers(1, (("x", "y"),), end=True)],
    "too long": [BODY, data(1, b"hel"), data(1, b"lo you")],
    "none": [headers(1, (*OK, ("content-length", "5")), end=True)],
    "a reset": [BODY, data(1, b"hel"), reset(1)],
    "goaway": [BODY, data(1, b"hel"), goaway(0)],
    "trailers that do not end": [BODY, data(1, b"hello"), headers(1, (("x", "y"),))],
    "a status in trailers": [BODY, data(1, b"hello"), headers(1, OK, end=True)],
    "an invalid trailer": [BODY, data(1, b"hello"), headers(1, (("X", "y"),), end=True)],
    "another stream": [BODY, data(1, b"hel"), data(3, b"lo", end=True)],
    "padding longer than the frame": [BODY, b"\0\0\2\0\x08\0\0\0\1\x09x"],
}


NOT_YET = pytest.mark.nginx_differs("1.31.3 takes it for a response of no length")


@pytest.mark.parametrize(
    "name", [pytest.param(x, marks=[NOT_YET] if x == "none" else []) for x in CUT]
)
def test_invalid_body(site: Site, name: str) -> None:
    """The client can see that something is missing."""
    site.server(lambda call: refused(call, CUT[name]))
    site("proxy_buffering off; h2_read_timeout 5s; location / { h2_pass %%B%%; }")
    raw = site.nginx.raw(HEAD)
    body = raw.partition(b"\r\n\r\n")[2]
    assert b"hello" not in body or name in ("trailers that do not end", *TRAILERS), raw
    site.nginx.wait_for_log(rf"\[error\] .*{TEXTS}")


TRAILERS = ("a status in trailers", "an invalid trailer")


def test_several_resets_after_the_end(site: Site) -> None:
    def answer(call: Http2Peer) -> None:
        number = call.stream
        end = data(number, b"hello", end=True)
        call.send(headers(number), b"".join(x.serialize() for x in (end, *[reset(number)] * 3)))

    site.server(answer)
    site("proxy_buffering off; location / { h2_pass %%B%%; }")
    assert not site.nginx.raw(HEAD).endswith(b"0\r\n\r\n")


def test_control_frames_without_end(site: Site) -> None:
    """A server that sends nothing else does not keep the worker busy for ever."""

    def flood(call: Http2Peer) -> None:
        while True:
            call.send(*[ping()] * 100)

    site.server(flood)
    site()
    assert site.nginx.request("GET /").status == 502


def test_next_server(site: Site) -> None:
    site.server(lambda call: call.send(goaway(0, 1)))
    site.nginx.backend("c", serving(lambda call: call.respond(b"other")))
    site(
        "h2_next_upstream error invalid_header; location / { h2_pass u; }",
        http="upstream u { server 127.0.0.1:%%PORT_b%%; server 127.0.0.1:%%PORT_c%% backup; }",
    )
    assert site.nginx.request("GET /").text == "other"


# The cache of proxy_pass.

CACHE = "proxy_cache_path %%DIR%%/cache keys_zone=z:1m;"
CACHED = """
    proxy_http_version 2; proxy_cache z; proxy_cache_key $uri; proxy_cache_valid any 1m;
    add_header X-C $upstream_cache_status always;
    location / { proxy_pass http://127.0.0.1:%%PORT_b%%; }
    location /error { error_page 404 /x; proxy_pass http://127.0.0.1:%%PORT_b%%; }
    """


OF_HTTP1 = pytest.mark.nginx_differs("it does not read what was kept of HTTP/1")


@pytest.mark.parametrize("length", [0, 5, 50000])
def test_cache(nginx: Nginx, length: int) -> None:
    body = b"x" * length

    def answer(call: Http2Peer) -> None:
        fields = (":status", "404"), ("x-a", "b"), ("content-type", "text/plain")
        pieces = [body[at : at + 16384] for at in range(0, length, 16384)]
        call.send(headers(call.stream, fields), *[data(call.stream, piece) for piece in pieces])
        call.send(headers(call.stream, (("x-trailer", "1"),), end=True))

    backend = nginx.backend("b", serving(answer))
    nginx(CACHED, http=CACHE)
    for status in ("MISS", "HIT"):
        found = nginx.request("GET /a")
        assert (found.status, found.get("X-C"), found.get("x-a")) == (404, status, "b")
        assert (found.body, found.get("Content-Type")) == (body, "text/plain")
    assert backend.asked == 1


@pytest.mark.parametrize(
    "frames",
    [
        [headers(1, (*OK, ("content-type", "text/plain"), ("x-a", "b")))],
        [settings(), headers(1, whole=False), continuation(1, (("x-a", "b"),))],
        [settings({1: 5}), window(0, 5), b"\0\0\x0b\1\x2c\0\0\0\7\3\0\0\0\0\7\x88\x20", bytes(3)],
        pytest.param([b"HTTP/1.1 200 OK\r\nX-A: b\r\n\r\n"], marks=OF_HTTP1),
    ],
)  # fmt: skip
def test_files_of_the_cache(nginx: Nginx, frames: Frames) -> None:
    """The head is in the frames in which it came; the body is not."""
    head = joined(frames)
    key = CacheKey.of("/a")
    header = new_header(key, key.header_start + len(head), valid_sec=int(time.time()) + 3600)
    assert header is not None
    nginx.write(f"cache/{key.md5.hex()}", pack(header) + key_line(key) + head + b"hello")
    nginx(CACHED, http=CACHE)
    nginx.exchange("> GET /a\n< 200\n< X-C: HIT\n<\n< hello")


@pytest.mark.parametrize("frame", [b"\0\0\1\1\4\0\0\0\1\xfe", b"\0\0\5\1\4\0\0\0\1\x88", b"x"])
def test_a_file_that_holds_no_head(nginx: Nginx, frame: bytes) -> None:
    key = CacheKey.of("/a")
    header = new_header(key, key.header_start + len(frame), valid_sec=int(time.time()) + 3600)
    assert header is not None
    nginx.write(f"cache/{key.md5.hex()}", pack(header) + key_line(key) + frame)
    nginx(CACHED, http=CACHE)
    assert nginx.request("GET /a").status in (500, 502)


def test_revalidation(nginx: Nginx) -> None:
    asked: list[dict[str, str]] = []

    def answer(call: Http2Peer) -> None:
        asked.append(dict(call.fields))
        fields = ("etag", '"e"'), ("x-accel-expires", "@1")
        if "if-none-match" in asked[-1]:
            call.send(headers(call.stream, ((":status", "304"), *fields), end=True))
        else:
            call.respond(b"hello", *fields)

    nginx.backend("b", serving(answer))
    nginx(
        "proxy_cache_revalidate on; proxy_ignore_headers X-Accel-Expires;"
        + CACHED.replace("any 1m", "any 1s"),
        http=CACHE,
    )
    status = ""
    while status != "REVALIDATED":
        found = nginx.request("GET /a")
        status = found.get("X-C") or ""
        assert status in ("MISS", "HIT", "REVALIDATED") and found.text == "hello"
    assert asked[-1]["if-none-match"] == '"e"'
