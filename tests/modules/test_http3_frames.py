"""What the server says to single frames and fields, right and wrong ones.

What a connection says in the end is one line: the status of the response, the code of a reset
stream, or the code and the words with which the connection is closed.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pyngx_jwt.http2.strings import number, written
from pyngx_jwt.http3 import codes, frames
from pyngx_jwt.http3.frames import varint
from pyngx_jwt.http3.qpack import Field

from ..http3client import Http3Client, headers, pseudo
from ..nginx import Nginx
from .test_http3 import FILES, QUIC, TLS

pytestmark = pytest.mark.needs("http_v3_module")
RESET_STREAM, STOP_SENDING = 4, 5

CONF = """
    large_client_header_buffers 4 512;
    max_headers 10;
    client_body_buffer_size 1k;
    client_max_body_size 2k;
    location / { return 200 "$request_method|$uri|$args|$host|$http_x"; }
    location /body { proxy_pass http://127.0.0.1:%%PORT_none%%; error_page 502 = @read; }
    location @read { return 200 read; }
    """
GET = headers(pseudo())
Talk = Callable[[Http3Client], int]


@pytest.fixture(scope="module")
def server(module_nginx: Nginx) -> Nginx:
    module_nginx(CONF, http=TLS, listen=QUIC, files=FILES)
    return module_nginx


def outcome(client: Http3Client, stream: int) -> str:
    """What becomes of a stream, or of its connection."""
    response = client.responses[stream]
    client.until(lambda: response.ended or response.reset is not None)
    if client.closed is not None:
        return f"closed {client.closed[0]:#x} {client.closed[1]}"
    if response.fields:
        body = response.body.decode("latin-1")
        return dict(response.fields)[":status"] + (f" {body}" if "|" in body else "")
    return "nothing" if response.reset is None else f"reset {response.reset:#x}"


def head(*fields: Field, without: str = "") -> Talk:
    """A request with these fields after the usual ones, without one of those."""
    usual = [field for field in pseudo() if field[0] != without]
    return request(*usual, *fields)


def request(*fields: Field, body: bytes = b"", end: bool = True) -> Talk:
    return lambda client: client.open(fields, body, end=end)


def raw(*parts: bytes, end: bool = True) -> Talk:
    """Bytes of a stream of requests."""
    return lambda client: client.begin(b"".join(parts), end=end)


def data(payload: bytes) -> bytes:
    return frames.frame(codes.DATA, payload)


def section(*representations: bytes, prefix: bytes = b"\0\0") -> bytes:
    return frames.frame(codes.HEADERS, prefix + b"".join(representations))


POST = ((":method", "POST"), *pseudo(path="/body")[1:])
# GET, https, "/" of the static table, and an authority: what a good head has.
STATIC = (b"\xd1", b"\xd7", b"\xc1", b"\x50" + written("a"))

REQUESTS: dict[str, tuple[Talk, str]] = {
    "good": (raw(GET), "200 GET|/||localhost|"),
    "static entries": (raw(section(*STATIC)), "200 GET|/||a|"),
    "literal name": (
        raw(section(*STATIC, written("x", 7, 0x20) + written("y"))),
        "200 GET|/||a|y",
    ),
    "unknown frame first": (raw(frames.frame(0x21, b"grease"), GET), "200 GET|/||localhost|"),
    "empty unknown frame": (raw(frames.frame(0x21, b""), GET), "200 GET|/||localhost|"),
    "trailers": (
        raw(headers((*POST, ("content-length", "2"))), data(b"ab"), headers([("t", "v")])),
        "200",
    ),
    "unknown frame in body": (
        raw(headers(POST), data(b"a"), frames.frame(0x21, b"x"), data(b"b")),
        "200",
    ),
    "empty data frame": (raw(headers(POST), data(b"")), "200"),
    "DATA after trailers": (
        raw(
            headers((*POST, ("content-length", "1"))), data(b"a"), headers([("t", "v")]), data(b"b")
        ),
        "200",
    ),
    # -- frames that are not of a request's stream --
    "DATA first": (raw(data(b"x")), "reset 0x105"),
    "SETTINGS": (raw(frames.settings([])), "reset 0x105"),
    "GOAWAY": (raw(frames.goaway(0)), "reset 0x105"),
    "CANCEL_PUSH": (raw(frames.frame(codes.CANCEL_PUSH, b"\0")), "reset 0x105"),
    "PUSH_PROMISE": (raw(frames.frame(codes.PUSH_PROMISE, b"\0\0\0")), "reset 0x105"),
    "MAX_PUSH_ID": (raw(frames.frame(codes.MAX_PUSH_ID, b"\0")), "reset 0x105"),
    "PING of HTTP/2": (raw(frames.frame(0x6, b"12345678")), "reset 0x105"),
    "PRIORITY of HTTP/2": (raw(frames.frame(0x2, b"12345")), "reset 0x105"),
    "SETTINGS after the head": (
        raw(headers((*POST, ("content-length", "2"))), frames.settings([]), end=False),
        "reset 0x105",
    ),
    # -- heads that are broken --
    "empty HEADERS": (raw(frames.frame(codes.HEADERS, b"")), "reset 0x106"),
    "no fields": (raw(section()), "reset 0x106"),
    "half a prefix": (raw(frames.frame(codes.HEADERS, b"\0")), "reset 0x106"),
    "half a field": (raw(section(*STATIC[:3], b"\x50\x05ab")), "reset 0x106"),
    "static index too large": (raw(section(number(99, 0x3F, 0xC0))), "reset 0x200"),
    "dynamic index without a table": (raw(section(b"\x80")), "reset 0x200"),
    "post-base index without a table": (raw(section(b"\x10")), "reset 0x200"),
    "negative base": (raw(section(*STATIC, prefix=b"\0\x80")), "reset 0x200"),
    "required entries beyond all": (raw(section(*STATIC, prefix=b"\xff\xff\x01\0")), "reset 0x200"),
    "number too long": (raw(section(b"\xff" + b"\xff" * 10)), "reset 0x107"),
    "broken code": (raw(section(*STATIC[:3], b"\x50\x85\xff\xff\xff\xff\xff")), "reset 0x102"),
    "field line too long": (head(("x", "!" * 600)), "reset 0x107"),
    # -- frames that the end of the stream cuts off --
    "half a kind": (raw(b"\x40"), "reset 0x102"),
    "a kind only": (raw(b"\x01"), "reset 0x102"),
    "half a length": (raw(b"\x01\x40"), "reset 0x102"),
    "a length only": (raw(b"\x01\x40\x10"), "reset 0x102"),
    "half a prefix that is cut off": (raw(b"\x01\x40\x10\0"), "reset 0x102"),
    "a head that is cut off": (raw(GET[:-1]), "reset 0x102"),
    "an unknown frame that is cut off": (raw(b"\x21\x10ab"), "reset 0x102"),
    # -- pseudo headers --
    "no :method": (head(without=":method"), "400"),
    "no :scheme": (head(without=":scheme"), "400"),
    "no :path": (head(without=":path"), "400"),
    "no :authority": (head(without=":authority"), "400"),
    "host instead": (head(("host", "a"), without=":authority"), "200 GET|/||a|"),
    "both": (head(("host", "localhost")), "200 GET|/||localhost|"),
    "both, and different": (head(("host", "a")), "400"),
    "two :method": (request((":method", "GET"), *pseudo()), "400"),
    "two :path": (request((":path", "/"), *pseudo()), "400"),
    "two :scheme": (request((":scheme", "https"), *pseudo()), "400"),
    "two :authority": (request((":authority", "a"), *pseudo()), "400"),
    "pseudo header late": (head(("x", "y"), (":status", "200")), "400"),
    "unknown pseudo header": (request((":x", "y"), *pseudo()), "400"),
    "empty :path": (request((":path", ""), *pseudo()), "400"),
    "odd :path": (request(*pseudo(path="x")), "400"),
    "control character in :path": (request(*pseudo(path="/a\x01")), "400"),
    "odd :method": (request(*pseudo("get")), "400"),
    "odd :scheme": (request((":scheme", "1x"), *pseudo()), "400"),
    "odd :authority": (request(*pseudo(host="a b")), "400"),
    "arguments": (request(*pseudo(path="/a%20b?c=d")), "200 GET|/a b|c=d|localhost|"),
    # -- fields --
    "connection": (head(("connection", "close")), "400"),
    "keep-alive": (head(("keep-alive", "1")), "400"),
    "transfer-encoding": (head(("transfer-encoding", "chunked")), "400"),
    "upgrade": (head(("upgrade", "x")), "400"),
    "te": (head(("te", "gzip")), "400"),
    "te: trailers": (head(("te", "trailers")), "200 GET|/||localhost|"),
    "blank in a name": (head(("x y", "z")), "400"),
    "line feed in a value": (
        raw(section(*STATIC, written("x", 7, 0x20) + written("a\nb"))),
        "400",
    ),
    "underscore in a name": (head(("x_y", "z")), "200 GET|/||localhost|"),
    "upper case in a name": (
        raw(section(*STATIC, written("X", 7, 0x20) + written("y"))),
        "400",
    ),
    "fields too long together": (
        head(*((f"x{n}", "!" * 400) for n in range(6))),
        "400",
    ),
    "too many fields": (head(*((f"x{n}", "y") for n in range(11))), "400"),
    "bad length": (head(("content-length", "x")), "400"),
    # -- bodies --
    "less than announced": (
        request(*POST, ("content-length", "5"), body=b"abc"),
        "400",
    ),
    "more than announced": (
        request(*POST, ("content-length", "2"), body=b"abc"),
        "400",
    ),
    "as announced": (request(*POST, ("content-length", "3"), body=b"abc"), "200"),
    "too large": (request(*POST, ("content-length", "3000"), body=b"x" * 3000), "413"),
    "too large without a length": (request(*POST, body=b"x" * 3000), "413"),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_requests(server: Nginx, name: str) -> None:
    talk, expected = REQUESTS[name]
    with server.http3() as client:
        came = outcome(client, talk(client))
        assert came == expected
        # The connection goes on, whatever became of the stream.
        assert outcome(client, client.begin(GET, end=True)) == "200 GET|/||localhost|"


def control(payload: bytes) -> Callable[[Http3Client], None]:
    """Bytes of a control stream."""
    return lambda client: client.send(client.uni(codes.CONTROL), payload)


def encoder(payload: bytes) -> Callable[[Http3Client], None]:
    return lambda client: client.send(client.uni(codes.ENCODER), payload)


def decoder(payload: bytes) -> Callable[[Http3Client], None]:
    return lambda client: client.send(client.uni(codes.DECODER), payload)


def twice(client: Http3Client) -> None:
    client.uni(codes.CONTROL, frames.settings([]))
    client.uni(codes.CONTROL, frames.settings([]))


def ended(client: Http3Client) -> None:
    client.send(client.uni(codes.CONTROL, frames.settings([])), b"", end=True)


def abandoned(client: Http3Client) -> None:
    stream = client.uni(codes.CONTROL, frames.settings([]))
    client.until(lambda: False, 0.2)
    client.quic.reset_stream(stream, codes.NO_ERROR)


def push(client: Http3Client) -> None:
    client.uni(codes.PUSH, b"\0")


ERROR = "stream error"
CONNECTIONS: dict[str, tuple[Callable[[Http3Client], None], tuple[int, str]]] = {
    "no settings": (control(frames.goaway(0)), (codes.MISSING_SETTINGS, ERROR)),
    "settings twice": (control(frames.settings([]) * 2), (codes.FRAME_UNEXPECTED, ERROR)),
    "half a setting": (
        control(frames.frame(codes.SETTINGS, b"\x01")),
        (codes.SETTINGS_ERROR, ERROR),
    ),
    "DATA": (control(frames.settings([]) + data(b"x")), (codes.FRAME_UNEXPECTED, ERROR)),
    "HEADERS": (control(frames.settings([]) + GET), (codes.FRAME_UNEXPECTED, ERROR)),
    "PING of HTTP/2": (
        control(frames.settings([]) + frames.frame(0x6, b"")),
        (codes.FRAME_UNEXPECTED, ERROR),
    ),
    "CANCEL_PUSH": (
        control(frames.settings([]) + frames.frame(codes.CANCEL_PUSH, b"\0")),
        (codes.ID_ERROR, ERROR),
    ),
    "two control streams": (twice, (codes.STREAM_CREATION_ERROR, ERROR)),
    "end of the control stream": (ended, (codes.CLOSED_CRITICAL_STREAM, ERROR)),
    "unknown stream": (push, (codes.STREAM_CREATION_ERROR, ERROR)),
    "capacity too large": (encoder(number(4097, 0x1F, 0x20)), (codes.ENCODER_STREAM_ERROR, ERROR)),
    "entry without capacity": (
        encoder(written("a", 0x1F, 0x40) + written("b")),
        (codes.ENCODER_STREAM_ERROR, ERROR),
    ),
    "duplicate of nothing": (encoder(b"\0"), (codes.ENCODER_STREAM_ERROR, ERROR)),
    "static name too far": (
        encoder(number(4096, 0x1F, 0x20) + number(99, 0x3F, 0xC0) + written("x")),
        (codes.ENCODER_STREAM_ERROR, ERROR),
    ),
    "name of nothing": (
        encoder(number(4096, 0x1F, 0x20) + number(0, 0x3F, 0x80) + written("x")),
        (codes.ENCODER_STREAM_ERROR, ERROR),
    ),
    "string too long": (
        encoder(number(4096, 0x1F, 0x20) + written("x", 0x1F, 0x40) + number(513, 0x7F, 0)),
        (codes.EXCESSIVE_LOAD, ERROR),
    ),
    "acknowledgement of nothing": (decoder(b"\x80"), (codes.DECODER_STREAM_ERROR, ERROR)),
    "increment of nothing": (decoder(b"\x01"), (codes.DECODER_STREAM_ERROR, ERROR)),
}


@pytest.mark.parametrize("name", CONNECTIONS)
def test_connections(server: Nginx, name: str) -> None:
    talk, expected = CONNECTIONS[name]
    with server.http3(control=False) as client:
        talk(client)
        assert client.wait_end() == expected


def test_what_may_be_said(server: Nginx) -> None:
    """Unknown settings and frames, a GOAWAY, and the cancellation of a stream mean nothing."""
    with server.http3(control=False) as client:
        client.uni(
            codes.CONTROL,
            frames.settings([(0x21, 1), (0x1F * 2 + 0x21, 5)])
            + frames.frame(0x21, b"grease")
            + frames.goaway(0)
            + frames.frame(codes.MAX_PUSH_ID, b"\0"),
        )
        client.uni(codes.DECODER, b"\x40")
        client.uni(codes.ENCODER, number(100, 0x1F, 0x20))
        assert outcome(client, client.begin(GET, end=True)) == "200 GET|/||localhost|"


def test_the_table_of_the_client(server: Nginx) -> None:
    with server.http3(control=False) as client:
        client.uni(codes.CONTROL, frames.settings([]))
        table = client.uni(codes.ENCODER, number(200, 0x1F, 0x20))
        client.send(table, written("x", 0x1F, 0x40) + written("first"))
        name = number(0, 0x0F, 0x40) + written("other")
        entry = b"\x80"
        # Required insert count 1, base 1.
        assert outcome(
            client, client.begin(section(*STATIC, entry, prefix=b"\x02\0"), end=True)
        ) == ("200 GET|/||a|first")
        assert outcome(
            client, client.begin(section(*STATIC, name, prefix=b"\x02\0"), end=True)
        ) == ("200 GET|/||a|other")
        client.send(table, number(0, 0x3F, 0x80) + written("second") + b"\0")
        post = b"\x10"
        # Three entries; base 2 is before the third one, which is a duplicate of the second.
        assert outcome(
            client, client.begin(section(*STATIC, post, prefix=b"\x04\x80"), end=True)
        ) == ("200 GET|/||a|second")


def test_settings_that_are_not_looked_at(server: Nginx) -> None:
    """Those that come twice, those of HTTP/2, and unknown ones."""
    with server.http3(control=False) as client:
        client.uni(codes.CONTROL, frames.settings([(0x1, 0), (0x1, 1), (0x4, 65535), (0x21, 0)]))
        assert outcome(client, client.begin(GET, end=True)) == "200 GET|/||localhost|"


def test_a_head_waits_for_the_table(server: Nginx) -> None:
    with server.http3(control=False) as client:
        client.uni(codes.CONTROL, frames.settings([]))
        stream = client.begin(section(*STATIC, b"\x80", prefix=b"\x02\0"), end=True)
        assert not client.until(lambda: client.responses[stream].ended, 0.3)
        table = client.uni(codes.ENCODER, number(200, 0x1F, 0x20))
        client.send(table, written("x", 0x1F, 0x40) + written("late"))
        assert outcome(client, stream) == "200 GET|/||a|late"


def test_a_head_that_is_cut_off_and_waits_for_the_table(nginx: Nginx) -> None:
    """The end of the stream does not end the wait, as the table may grow; the clock does."""
    nginx(
        "client_header_timeout 1s; location / { return 200; }", http=TLS, listen=QUIC, files=FILES
    )
    with nginx.http3() as client:
        stream = client.begin(GET[:1] + b"\x10" + b"\x02\0", end=True)
        assert outcome(client, stream) == "reset 0x101"


def test_heads_in_pieces(server: Nginx) -> None:
    whole = headers([*pseudo(path="/piece"), ("x", "y" * 300)])
    with server.http3() as client:
        stream = client.begin(whole[:1])
        for at in range(1, len(whole), 7):
            client.send(stream, whole[at : at + 7], end=at + 7 >= len(whole))
            client.until(lambda: False, 0.002)
        assert outcome(client, stream) == f"200 GET|/piece||localhost|{'y' * 300}"


def test_a_client_that_leaves_a_request(server: Nginx) -> None:
    with server.http3() as client:
        stream = client.begin(headers(POST) + data(b"a"))
        client.until(lambda: False, 0.1)
        client.quic.reset_stream(stream, codes.REQUEST_CANCELLED)
        assert outcome(client, client.begin(GET, end=True)) == "200 GET|/||localhost|"


def test_requests_that_arrive_in_another_order(server: Nginx) -> None:
    """A packet that is late may hold a request that its client began first."""
    with server.http3() as client:
        first, deliver_first = client.hold(GET)
        second, deliver_second = client.hold(GET)
        deliver_second()
        assert outcome(client, second) == "200 GET|/||localhost|"
        deliver_first()
        assert outcome(client, first) == "200 GET|/||localhost|"


def test_a_request_that_is_late_when_the_connection_ends(nginx: Nginx) -> None:
    """What was begun before the last request is served as well."""
    conf = "keepalive_requests 2; location / { return 200 $request_method|$uri; }"
    nginx(conf, http=TLS, listen=QUIC, files=FILES)
    with nginx.http3() as client:
        first, deliver = client.hold(GET)
        assert outcome(client, client.begin(GET, end=True)) == "200 GET|/"
        deliver()
        assert outcome(client, first) == "200 GET|/"
        assert client.wait_end() == (codes.NO_ERROR, "reached maximum number of requests")


@pytest.mark.parametrize("kind", [STOP_SENDING, RESET_STREAM])
def test_a_client_that_leaves_a_request_before_it_sends_it(server: Nginx, kind: int) -> None:
    with server.http3() as client:
        stream, deliver = client.hold(GET)
        left = (kind, stream, codes.REQUEST_CANCELLED)
        client.send_frame(*left) if kind == STOP_SENDING else client.send_frame(*left, len(GET))
        client.until(lambda: client.responses[stream].reset is not None)
        deliver()
        assert outcome(client, stream).startswith("reset 0x10")
        assert outcome(client, client.begin(GET, end=True)) == "200 GET|/||localhost|"


def test_a_client_that_reads_no_decoder_stream(server: Nginx) -> None:
    """It says so in the packet that has something to be acknowledged there."""
    with server.http3() as client:
        assert outcome(client, client.begin(GET, end=True)) == "200 GET|/||localhost|"
        decoder = next(n for n in client.plain if n & 3 == 3 and client.plain[n][:1] == b"\3")
        table = client.quic.get_next_available_stream_id(is_unidirectional=True)
        insert = number(200, 0x1F, 0x20) + written("x", 0x1F, 0x40) + written("y")
        client.quic.send_stream_data(table, varint(codes.ENCODER) + insert)
        client.send_frame(STOP_SENDING, decoder, 0)
        assert client.wait_end() == (codes.CLOSED_CRITICAL_STREAM, "stream error")


def test_a_head_that_waits_for_the_table_is_not_kept_without_end(server: Nginx) -> None:
    with server.http3() as client:
        stream = client.begin(varint(codes.HEADERS) + varint(1 << 20) + b"\x02\0" + b"x" * 200_000)
        client.until(lambda: False, 0.5)
        limits = client.quic._streams[stream]
        assert limits.sender.highest_offset == limits.max_stream_data_remote == 65536


def test_numbers_of_any_length(server: Nginx) -> None:
    payload = GET[2:]
    long_kind = b"\xc0\0\0\0\0\0\0\x01"
    long_size = (0x80000000 | len(payload)).to_bytes(4)
    assert varint(len(payload)) == GET[1:2]
    with server.http3() as client:
        stream = client.begin(long_kind + long_size + payload, end=True)
        assert outcome(client, stream) == "200 GET|/||localhost|"


@pytest.mark.parametrize("end", [False, True])
def test_a_client_that_leaves_a_blocked_request(server: Nginx, end: bool) -> None:
    with server.http3(control=False) as client:
        client.uni(codes.CONTROL, frames.settings([]))
        stream = client.begin(section(*STATIC, b"\x80", prefix=b"\x02\0"), end=end)
        client.quic.reset_stream(stream, codes.REQUEST_CANCELLED)
        assert outcome(client, stream) == "400"


@pytest.mark.nginx_differs("it refuses long unknown frames that arrive in pieces within a body")
def test_frames_between_those_of_a_body(server: Nginx) -> None:
    """They do not count against the window of the body."""
    with server.http3() as client:
        stream = client.begin(headers((*POST, ("content-length", "2"))) + data(b"a"))
        for _ in range(20):
            client.send(stream, frames.frame(0x21, b"x" * 10_000))
        client.send(stream, data(b"b"), end=True)
        assert outcome(client, stream) == "200"
