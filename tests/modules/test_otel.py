"""Spans for a collector, and the trace of a request from client to upstream."""

from __future__ import annotations

import asyncio
import gc
import re
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pyngx_jwt import NGINX_VERSION
from pyngx_jwt.modules.otel.exporter import Exporter, Span, Target

from ..authority import Authority
from ..backend import Peer
from ..collector import Collector
from ..nginx import Nginx
from ..process.server import wait_for

pytestmark = pytest.mark.pyngx_only("the nginx of these tests has no otel module")

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b9c7c989f97918e1"
STATE = "congo=ucfJifl5GOE,rojo=00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"


def exporter(more: str = "", interval: str = "1ms") -> str:
    return f"otel_exporter {{ endpoint 127.0.0.1:%%PORT_o%%; interval {interval}; {more} }}"


@pytest.fixture
def collector(nginx: Nginx) -> Iterator[Collector]:
    one = Collector(nginx.port("o"))
    one.start()
    yield one
    one.stop()


# What a span says.


@pytest.mark.parametrize(("path", "status"), [("/ok", 200), ("/err", 500)])
def test_attributes(nginx: Nginx, collector: Collector, path: str, status: int) -> None:
    nginx(
        """
        server_name site.example;
        location /ok { return 200 OK; }
        location /err { return 500 OK; }
        """,
        http=exporter() + "otel_trace on;",
    )
    head = "User-Agent: agent/1", "Content-Length: 3"
    answer = nginx.request(f"GET {path}?a=b", *head, body="abc")
    span = collector.span()
    attributes = span.attributes
    assert re.fullmatch(r"\d+", str(attributes.pop("net.sock.peer.port")))
    assert attributes == {
        "http.method": "GET",
        "http.target": f"{path}?a=b",
        "http.route": path,
        "http.scheme": "http",
        "http.flavor": "1.1",
        "http.user_agent": "agent/1",
        "http.request_content_length": 3,
        "http.response_content_length": len(answer.body),
        "http.status_code": status,
        "net.host.name": "site.example",
        "net.host.port": nginx.port(),
        "net.sock.peer.addr": "127.0.0.1",
    }
    assert span.name == path
    assert span.message.kind == 2
    assert span.message.status.code == (2 if status == 500 else 0)
    assert len(span.message.trace_id) == 16 and len(span.message.span_id) == 8
    assert span.message.parent_span_id == b"" and span.message.trace_state == ""
    assert 0 <= span.message.end_time_unix_nano - span.message.start_time_unix_nano < 60e9
    assert span.resource == {"service.name": "unknown_service:nginx"}
    assert collector.scope == ("nginx", NGINX_VERSION)


ECHO = """
    location = /upstream { return 200 "$http_traceparent|$http_tracestate"; }
"""
SELF = "proxy_pass http://127.0.0.1:%%PORT%%/upstream;"


@pytest.mark.parametrize("parent", [PARENT, ""], ids=["parent", "alone"])
@pytest.mark.parametrize("mode", ["ignore", "extract", "inject", "propagate"])
def test_context(nginx: Nginx, collector: Collector, mode: str, parent: str) -> None:
    """What a span belongs to, and what an upstream gets."""
    nginx(
        f"{ECHO} location / {{ otel_trace on; otel_trace_context {mode}; {SELF} }}",
        http=exporter(),
    )
    fields = [f"traceparent: {parent}", f"tracestate: {STATE}"] if parent else []
    passed = nginx.request("GET /", *fields).text
    span = collector.span().message
    assert collector.is_empty
    own = f"00-{span.trace_id.hex()}-{span.span_id.hex()}-01"
    if mode in ("extract", "propagate") and parent:
        assert span.trace_id.hex() == TRACE
        assert span.parent_span_id.hex() == SPAN
        assert span.trace_state == STATE
    else:
        assert span.trace_id.hex() != TRACE
        assert span.parent_span_id == b"" and span.trace_state == ""
    if mode in ("inject", "propagate"):
        assert passed == f"{own}|{span.trace_state}"
    else:
        assert passed == (f"{PARENT}|{STATE}" if parent else "|")


VARIABLES = "$otel_trace_id $otel_span_id $otel_parent_id $otel_parent_sampled"


@pytest.mark.parametrize(
    ("parent", "pattern"),
    [
        (PARENT, f"{TRACE} [0-9a-f]{{16}} {SPAN} 1"),
        (PARENT.upper(), f"{TRACE} [0-9a-f]{{16}} {SPAN} 1"),
        (PARENT[:-1] + "3", f"{TRACE} [0-9a-f]{{16}} {SPAN} 1"),
        (PARENT[:-1] + "2", f"{TRACE} [0-9a-f]{{16}} {SPAN} 0"),
        (PARENT + "-more", f"{TRACE} [0-9a-f]{{16}} {SPAN} 1"),
    ],
)
def test_a_trace_is_continued(nginx: Nginx, parent: str, pattern: str) -> None:
    nginx(f'otel_trace_context extract; location / {{ return 200 "{VARIABLES}"; }}')
    text = nginx.request("GET /", f"Traceparent: {parent}").text
    assert re.fullmatch(pattern, text)
    assert SPAN not in text.split()[1]


@pytest.mark.parametrize(
    "parent",
    [
        "",
        "garbage",
        "00-" * 3 + "01",
        f"00-{TRACE}-{SPAN}",
        f"01-{TRACE}-{SPAN}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-011",
        f"00-{TRACE}0-{SPAN}-01",
        f"00-{TRACE[:-1]}g-{SPAN}-01",
        f"00-{TRACE}-{SPAN[:-1]}\xb2-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f" 00_{TRACE}_{SPAN}_01",
        "0" * 4000,
    ],
)
def test_a_parent_that_is_not_well_formed_is_none(nginx: Nginx, parent: str) -> None:
    nginx(f"otel_trace_context propagate; {ECHO} location / {{ {SELF} }}")
    text = nginx.request("GET /", f"traceparent: {parent}", f"tracestate: {STATE}").text
    begun, _, state = text.partition("|")
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-00", begun)
    assert TRACE not in begun
    assert state == ""


def test_the_first_parent_counts(nginx: Nginx) -> None:
    nginx(f"otel_trace_context propagate; {ECHO} location / {{ {SELF} }}")
    other = PARENT.replace("0af", "fff")
    text = nginx.request("GET /", f"traceparent: {PARENT}", f"traceparent: {other}").text
    assert text.startswith(f"00-{TRACE}-") and "," not in text


def test_variables_are_those_of_the_span(nginx: Nginx, collector: Collector) -> None:
    nginx(f'otel_trace on; location / {{ return 200 "{VARIABLES}"; }}', http=exporter())
    trace, own, parent, sampled = nginx.request("GET /").text.split(" ")
    span = collector.span().message
    assert (trace, own) == (span.trace_id.hex(), span.span_id.hex())
    assert (parent, sampled) == ("", "0")


# What is traced.


@pytest.mark.parametrize(
    ("value", "sampled"), [("on", 1), ("1", 1), ("off", 0), ("0", 0), ("ON", 0), ("", 0)]
)
def test_the_value_decides(nginx: Nginx, collector: Collector, value: str, sampled: int) -> None:
    nginx(
        f"""
        {ECHO}
        location /a {{ otel_trace $arg_trace; otel_trace_context inject; {SELF} }}
        location /end {{ otel_trace on; return 200; }}
        """,
        http=exporter(),
    )
    assert nginx.request(f"GET /a?trace={value}").text.endswith(f"-0{sampled}|")
    nginx.request("GET /end")
    names = [collector.span().name for _ in range(1 + sampled)]
    assert sorted(names) == ["/a"] * sampled + ["/end"]


def test_a_share_of_traces(nginx: Nginx, collector: Collector) -> None:
    nginx(
        """
        otel_trace $ratio;
        location / { add_header X-Ratio $ratio; return 200 $otel_trace_id; }
        """,
        http=exporter("batch_size 1; batch_count 99;")
        + "split_clients $otel_trace_id $ratio { 50% on; * off; }",
    )
    answers = [nginx.request("GET /") for _ in range(40)]
    traced = {answer.text for answer in answers if answer.get("X-Ratio") == "on"}
    assert 0 < len(traced) < 40
    assert {collector.span().message.trace_id.hex() for _ in traced} == traced
    assert collector.is_empty


def test_those_that_the_client_traces(nginx: Nginx, collector: Collector) -> None:
    nginx(
        "location / { otel_trace $otel_parent_sampled; otel_trace_context extract; return 200; }",
        http=exporter(),
    )
    for flags, uri in (("00", "/a"), ("01", "/b")):
        nginx.request(f"GET {uri}", f"traceparent: {PARENT[:-2]}{flags}")
    assert collector.span().attributes["http.target"] == "/b"
    assert collector.is_empty


def test_the_first_location_decides_and_the_last_is_named(
    nginx: Nginx, collector: Collector
) -> None:
    nginx(
        """
        error_page 404 /page;
        location /on { otel_trace on; otel_span_attr own 1; return 404; }
        location /off { return 404; }
        location /last { otel_trace on; rewrite ^ /target last; }
        location /page { otel_trace $arg_page; otel_span_attr page $uri; return 200 page; }
        location /target { return 200; }
        location /end { otel_trace on; return 200; }
        """,
        http=exporter(),
    )
    nginx.request("GET /off?page=on")
    nginx.request("POST /on?page=off")
    span = collector.span()
    assert span.name == span.attributes["http.route"] == "/page"
    assert span.attributes["http.target"] == "/on?page=off"
    assert span.attributes["http.method"] == "GET"  # as error pages are asked for
    assert span.attributes["http.status_code"] == 404
    assert span.attributes["page"] == "/page"
    assert "own" not in span.attributes
    nginx.request("GET /last")
    assert collector.span().name == "/target"
    nginx.request("GET /end")
    assert collector.span().name == "/end"


def test_locations_of_all_kinds(nginx: Nginx, collector: Collector) -> None:
    nginx(
        r"""
        otel_trace on;
        if ($arg_gone) { return 410; }
        rewrite ^/old$ /exact;
        location = /exact { return 204; }
        location ~ ^/re(\d)$ { return 204; }
        location /if { if ($arg_a) { return 201; } return 202; }
        location /named { try_files /none @named; }
        location @named { return 204; }
        location /limited { limit_except GET { deny all; } return 202; }
        """,
        http=exporter(),
    )
    for request, name in (
        ("GET /exact?gone=1", ""),  # before any location
        ("GET /old", "/exact"),
        ("GET /re1", r"^/re(\d)$"),
        ("GET /if?a=1", "/if"),
        ("GET /if", "/if"),
        ("GET /named", "@named"),
        ("POST /limited", "/limited"),
    ):
        nginx.request(request)
        if name:
            assert collector.span().name == name
    nginx.request("GET /elsewhere")
    span = collector.span()
    assert span.name == "" and "http.route" not in span.attributes
    assert span.attributes["http.status_code"] == 404
    assert collector.is_empty


def test_subrequests_are_part_of_their_request(nginx: Nginx, collector: Collector) -> None:
    nginx(
        """
        otel_trace on; otel_trace_context propagate; log_subrequest on;
        location / { mirror /auth; auth_request /auth; auth_request_set $seen $upstream_http_x_seen;
            add_header X-Seen $seen always; add_header X-Own $otel_span_id always; }
        location = /auth { proxy_pass http://127.0.0.1:%%PORT_b%%; }
        """,
        http=exporter()
        + """server { listen 127.0.0.1:%%PORT_b%%; otel_trace off;
            add_header X-Seen "$http_traceparent $http_tracestate"; return 200; }""",
    )
    answer = nginx.request("GET /x", f"traceparent: {PARENT}", f"tracestate: {STATE}")
    own = collector.span().message.span_id.hex()
    assert answer.get("X-Own") == own
    assert answer.get("X-Seen") == f"00-{TRACE}-{own}-01 {STATE}"
    assert collector.is_empty


def test_protocols(nginx: Nginx, collector: Collector) -> None:
    nginx("otel_trace on; http2 on; location / { return 200 x; }", http=exporter())
    assert nginx.raw(b"GET /old\r\n") == b"x"
    old = collector.span().attributes
    assert "http.flavor" not in old and old["http.target"] == "/old"
    with nginx.http2() as client:
        client.exchange("> GET /new\n< 200\n")
        assert collector.span().attributes["http.flavor"] == "2.0"
    nginx.request("GET / HTTP/1.0", "Host: h.example:81")
    attributes = collector.span().attributes
    assert attributes["http.flavor"] == "1.0"
    assert attributes["net.host.name"] == "h.example"
    assert "http.user_agent" not in attributes


def test_names_and_attributes(nginx: Nginx, collector: Collector) -> None:
    nginx(
        """
        otel_span_name "$request_method $uri"; otel_span_attr outer 1;
        location /own {
            otel_span_attr http.request.completion $request_completion;
            otel_span_attr http.response.header.content.type $sent_http_content_type;
            otel_span_attr http.request.header.x $http_x;
            otel_span_attr constant "two words";
            return 200 x;
        }
        location /outer { return 200 x; }
        """,
        http=exporter() + "otel_trace on;",
    )
    nginx.request("GET /own", "X: \xc3\xa9\xff")
    span = collector.span()
    assert span.name == "GET /own"
    assert span.attributes["http.request.completion"] == "OK"
    assert span.attributes["http.response.header.content.type"] == ["text/plain"]
    assert span.attributes["http.request.header.x"] == ["\u00e9\ufffd"]  # what is not UTF-8
    assert span.attributes["constant"] == "two words"
    assert "outer" not in span.attributes
    nginx.request("GET /outer")
    assert collector.span().attributes["outer"] == "1"


def test_a_client_that_leaves(nginx: Nginx, collector: Collector) -> None:
    def wait(peer: Peer) -> None:
        peer.request()
        peer.closed()

    backend = nginx.backend("b", wait)
    nginx("location / { otel_trace on; proxy_pass http://127.0.0.1:%%PORT_b%%; }", http=exporter())
    with nginx.connect() as client:
        client.wire.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        backend.wait_until_asked()
    assert collector.span().attributes["http.status_code"] == 499


# Where spans go.


def test_batches(nginx: Nginx, collector: Collector) -> None:
    """Full ones are sent at once, the rest when the interval is over or the worker ends."""
    nginx(
        "otel_trace on; location / { return 200; }",
        http=exporter("batch_size 3; batch_count 3;", interval="1h"),
    )
    for _ in range(7):
        nginx.request("GET /")
    for _ in range(6):
        collector.span()
    assert collector.batches == [3, 3]
    nginx.stop()
    collector.span()
    assert collector.batches == [3, 3, 1]


def test_resource(nginx: Nginx, collector: Collector) -> None:
    nginx(
        "otel_trace on; location / { return 200; }",
        http=exporter()
        + """otel_service_name "test service"; otel_resource_attr my.name "my name";
        otel_resource_attr service.name x; otel_resource_attr my.name twice;""",
    )
    nginx.request("GET /")
    assert collector.span().resource == {"service.name": "test service", "my.name": "twice"}


def test_the_name_of_the_service_as_an_attribute(nginx: Nginx, collector: Collector) -> None:
    nginx(
        "otel_trace on; location / { return 200; }",
        http=exporter() + "otel_resource_attr service.name x;",
    )
    nginx.request("GET /")
    assert collector.span().resource == {"service.name": "x"}


def test_headers_of_exports(nginx: Nginx, collector: Collector) -> None:
    nginx(
        "otel_trace on; location / { return 200; }",
        http=exporter('header X-API-Token api.value; header Authorization "Basic value";'),
    )
    nginx.request("GET /")
    collector.span()
    metadata = dict(collector.metadata)
    assert metadata["x-api-token"] == "api.value"
    assert metadata["authorization"] == "Basic value"


LOCAL = Authority("localhost", ["localhost"])


def exports_by_tls(nginx: Nginx, trusted: Authority) -> Collector:
    certificate = LOCAL.key_pem().encode(), LOCAL.pem.encode()
    collector = Collector(nginx.port("o"), certificate)
    collector.start()
    nginx(
        "otel_trace on; location / { return 200; }",
        http="""otel_exporter {
            endpoint HTTPS://localhost:%%PORT_o%%; interval 1ms; trusted_certificate ca.pem;
        }""",
        files={"ca.pem": trusted.pem},
    )
    nginx.request("GET /")
    return collector


def test_tls(nginx: Nginx) -> None:
    collector = exports_by_tls(nginx, LOCAL)
    assert collector.span().name == "/"
    collector.stop()


def test_a_collector_that_is_not_trusted(nginx: Nginx) -> None:
    collector = exports_by_tls(nginx, Authority("localhost", ["localhost"]))
    nginx.wait_for_log(r"\[error\] .*OTel export failure: ", seconds=20)
    assert collector.is_empty
    collector.stop()


# A collector that is not there.

METRICS = "location = /metrics { otel_trace off; pyngx_metrics pyngx; }"


def outcomes(nginx: Nginx) -> dict[str, int]:
    pattern = r'^pyngx_otel_spans_total\{outcome="(\w+)"\} (\d+)$'
    found = re.findall(pattern, nginx.request("GET /metrics").text, re.M)
    return {outcome: int(count) for outcome, count in found}


def reaches(nginx: Nginx, expected: Callable[[dict[str, int]], bool]) -> None:
    wait_for("the counts", lambda: expected(outcomes(nginx)))


def test_a_collector_that_is_away_and_back(nginx: Nginx, collector: Collector) -> None:
    nginx(
        f"otel_trace on; {METRICS} location / {{ return 200; }}",
        http=exporter("batch_size 1;"),
    )
    nginx.request("GET /one")
    assert collector.span().attributes["http.target"] == "/one"
    reaches(nginx, lambda found: found["exported"] == 1)
    collector.stop()
    for _ in range(20):
        assert nginx.request("GET /lost").status == 200
    nginx.wait_for_log(r"\[error\] .*OTel export failure: ", seconds=20)
    reaches(nginx, lambda found: found["failed"] + found["dropped"] == 20)
    collector.start()

    def arrives() -> bool:
        nginx.request("GET /back")
        return not collector.is_empty

    wait_for("a span", arrives)
    assert collector.span().attributes["http.target"] == "/back"


def test_a_collector_that_does_not_answer(nginx: Nginx, collector: Collector) -> None:
    """Requests go on, what is kept is bounded, and the rest is counted."""
    collector.waits = threading.Event()
    nginx(
        f"otel_trace on; {METRICS} location / {{ return 200; }}",
        http=exporter("batch_size 2; batch_count 3;", interval="1h"),
    )
    for _ in range(20):
        assert nginx.request("GET /").status == 200
    reaches(nginx, lambda found: found == {"exported": 0, "failed": 0, "dropped": 14})
    nginx.wait_for_log(r"\[notice\] .*OTel dropped records: 1$")
    collector.waits.set()
    reaches(nginx, lambda found: found == {"exported": 6, "failed": 0, "dropped": 14})
    assert nginx.request("GET /").status == 200
    nginx.request("GET /")
    reaches(nginx, lambda found: found["exported"] == 8)


def test_a_worker_does_not_wait_for_such_a_collector(nginx: Nginx, collector: Collector) -> None:
    collector.waits = threading.Event()
    nginx("otel_trace on; location / { return 200; }", http=exporter("batch_size 1;"))
    nginx.request("GET /")
    nginx.stop()  # does not end otherwise


def test_spans_that_the_collector_rejects(nginx: Nginx, collector: Collector) -> None:
    collector.rejects = 2
    nginx(
        f"otel_trace on; {METRICS} location / {{ return 200; }}",
        http=exporter("batch_size 3;", "1h"),
    )
    for _ in range(3):
        nginx.request("GET /")
    reaches(nginx, lambda found: found == {"exported": 1, "failed": 2, "dropped": 0})
    nginx.wait_for_log(r"\[error\] .*OTel collector rejected 2 records: too many$")


def test_a_reload_sends_what_is_left(nginx: Nginx, collector: Collector) -> None:
    locations = "otel_trace on; location / { return 200; }"
    nginx(locations, http=exporter(interval="1h"))
    nginx.request("GET /old")
    nginx.reload(locations, http=exporter())
    assert collector.span().attributes["http.target"] == "/old"
    nginx.request("GET /new")
    assert collector.span().attributes["http.target"] == "/new"


# Configurations.


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("", '"otel_exporter" requires "endpoint"'),
        ("endpoint http://;", '"otel_exporter" requires "endpoint"'),
        ("what x;", 'unknown directive "what" in "otel_exporter"'),
        (
            "endpoint a b;",
            'invalid number of arguments in "endpoint" directive of "otel_exporter"',
        ),
        (
            "header a;",
            'invalid number of arguments in "header" directive of "otel_exporter"',
        ),
        ("endpoint a:1; endpoint b:1;", '"endpoint" directive of "otel_exporter" is duplicate'),
        ("interval x;", '"interval" directive of "otel_exporter" invalid value'),
        ("interval 0;", '"interval" directive of "otel_exporter" invalid value'),
        ("interval 1; interval 1;", '"interval" directive of "otel_exporter" is duplicate'),
        ("batch_size x;", '"batch_size" directive of "otel_exporter" invalid value'),
        ("batch_size 0;", '"batch_size" directive of "otel_exporter" invalid value'),
        ("batch_count -1;", '"batch_count" directive of "otel_exporter" invalid value'),
        ("header a:b c;", '"header" directive of "otel_exporter" has invalid header name'),
        ('header a "\xe9";', '"header" directive of "otel_exporter" has invalid header value'),
        (
            "trusted_certificate none.pem;",
            'failed to open "%%DIR%%/none.pem" (2: No such file or directory)',
        ),
    ],
)
def test_rejected_exporters(nginx: Nginx, block: str, message: str) -> None:
    nginx.rejects(http=f"otel_exporter {{ {block} }}", message=message, line=1)


@pytest.mark.parametrize(
    ("server", "message"),
    [
        ("otel_trace on;", '"otel_exporter" block is missing'),
        ("location / { otel_trace $a; }", '"otel_exporter" block is missing'),
        ("otel_trace_context all;", 'invalid value "all"'),
        ("otel_exporter { }", '"otel_exporter" directive is not allowed here'),
        ("if ($a) { otel_trace on; }", '"otel_trace" directive is not allowed here'),
        ("otel_span_attr a;", 'invalid number of arguments in "otel_span_attr" directive'),
    ],
)
def test_rejected(nginx: Nginx, server: str, message: str) -> None:
    nginx.rejects(server, message, line=1)


def test_rejected_together(nginx: Nginx) -> None:
    nginx.rejects(http=exporter() + exporter(), message='"otel_exporter" directive is duplicate')
    twice = "otel_service_name a; otel_service_name b;"
    nginx.rejects(http=twice, message='"otel_service_name" directive is duplicate')
    unknown = "otel_span_attr a $nothing;"
    nginx.rejects(unknown, re.compile('unknown "nothing" variable.*'), http=exporter())


def test_a_context_needs_no_collector(nginx: Nginx) -> None:
    nginx.accepts("otel_trace_context propagate; otel_span_name x;")


def test_a_batch_that_fails_leaves_nothing() -> None:
    """Garbage is collected rarely, and a batch is large."""
    errors: list[weakref.ref[Exception]] = []

    class Refused(Exception):
        def __init__(self) -> None:
            errors.append(weakref.ref(self))

        def details(self) -> str:
            return "no one there"

    class Channel:
        def unary_unary(self, method: str, response_deserializer: object) -> Any:
            async def call(batch: bytes, timeout: float, metadata: object) -> None:
                raise Refused

            return call

    library = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
    told: list[str] = []

    async def send() -> None:
        target = Target(Channel(), (), batch_size=1, batch_count=1, interval=1)
        one = Exporter(target, library, {}, lambda level, text: told.append(text))
        for _ in range(2):
            one.add(Span("a", b"", b"", b"", "", 0, 0, (), False))
            assert one.is_full
            while one.is_full:
                await asyncio.sleep(0)
        assert one.counts == [0, 2, 0]

    gc.disable()
    try:
        asyncio.run(send())
        assert [error() for error in errors] == [None, None]
    finally:
        gc.enable()
    assert told == ["OTel export failure: no one there"] * 2
