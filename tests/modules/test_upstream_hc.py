"""Health checks: what is asked, what passes, and which servers get requests then."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from hyperframe.frame import DataFrame

from ..backend import Backend, Peer
from ..http2_peer import Http2Peer, serving
from ..nginx import Nginx
from ..wire import DEADLINE

pytestmark = pytest.mark.pyngx_only("health checks are a part of NGINX Plus")

CHECK = "health_check interval=50ms"


@dataclass
class Server:
    """A server whose responses to checks can be changed; other requests get its name."""

    name: str
    status: int = 200
    fields: str = ""
    body: str = "fine"
    uri: str = "/"  # of checks
    checks: list[str] = field(default_factory=list)  # the heads

    def __call__(self, peer: Peer) -> None:
        with suppress(AssertionError, TimeoutError):  # no other request comes
            while True:
                peer.send(self.respond(peer.request()))

    def respond(self, head: str) -> bytes:
        text, status, fields = self.name, 200, ""
        if head.startswith(f"GET {self.uri} "):
            self.checks.append(head)
            text, status, fields = self.body, self.status, self.fields
        lines = f"HTTP/1.1 {status} X\r\nContent-Length: {len(text)}\r\n{fields}\r\n"
        return f"{lines}{text}".encode()

    def wait(self, count: int = 1) -> None:
        """Until there were so many more checks."""
        wanted, deadline = len(self.checks) + count, time.monotonic() + DEADLINE
        while len(self.checks) < wanted:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def checked(
    nginx: Nginx, *servers: Server, check: str = CHECK, http: str = "", group: str = ""
) -> list[Backend]:
    backends = [nginx.backend(server.name, server) for server in servers]
    nginx(*configuration(*servers, check=check), http=http + grouped(*servers, group=group))
    return backends


def configuration(*servers: Server, check: str = CHECK) -> tuple[str]:
    return (f"location / {{ proxy_pass http://u; {check}; }}",)


def grouped(*servers: Server, group: str = "") -> str:
    lines = "".join(f"server 127.0.0.1:%%PORT_{server.name}%%; " for server in servers)
    return f"upstream u {{ zone u 64k; {group} {lines} }}"


def chosen(nginx: Nginx, count: int) -> str:
    return "".join(nginx.request("GET /x").text for _ in range(count))


UNHEALTHY, HEALTHY = "peer is unhealthy while", "peer is healthy while"


def test_a_server_fails_and_recovers(nginx: Nginx) -> None:
    a, b = Server("a"), Server("b")
    checked(nginx, a, b)
    a.wait()
    assert chosen(nginx, 4) == "abab"
    a.status = 404
    line = nginx.wait_for_log(UNHEALTHY)
    about = f'health check "" of peer 127.0.0.1:{nginx.port("a")} in upstream "u"'
    assert re.search(rf"\[warn\] [0-9#]+: {UNHEALTHY} checking status code, {about}$", line)
    assert chosen(nginx, 4) == "bbbb"
    a.status = 301
    line = nginx.wait_for_log(HEALTHY)
    assert re.search(rf"\[notice\] [0-9#]+: {HEALTHY} checking status code, {about}$", line)
    assert set(chosen(nginx, 4)) == {"a", "b"}
    assert nginx.error_log().count(UNHEALTHY) == nginx.error_log().count(HEALTHY) == 1


def test_the_request(nginx: Nginx) -> None:
    """It has the headers that the location sets, and no client."""
    a = Server("a", uri="/health?x=1")
    checked(
        nginx,
        a,
        check='proxy_set_header X-Client "<$remote_addr>"; proxy_set_header X-Uri $uri:$args;'
        "health_check interval=50ms uri=/health?x=1",
    )
    a.wait()
    lines = a.checks[0].split("\r\n")
    assert lines[0] == "GET /health?x=1 HTTP/1.1"
    assert {"Host: u", "X-Client: <>", "X-Uri: /health:x=1"} <= {*lines}


def test_refused_connections(nginx: Nginx) -> None:
    nginx.port("dead")
    a = Server("a")
    nginx.backend("a", a)
    nginx(
        *configuration(a),
        http="upstream u { zone u 64k; server 127.0.0.1:%%PORT_dead%%; "
        "server 127.0.0.1:%%PORT_a%%; }",
    )
    nginx.wait_for_log(f"{UNHEALTHY} connecting to upstream")
    line = nginx.wait_for_log("Connection refused")
    about = f'health check "" of peer 127.0.0.1:{nginx.port("dead")} in upstream "u"'
    assert f"connect() failed (111: Connection refused) while connecting to upstream, {about}" in (
        line
    )
    assert "[error]" in line and chosen(nginx, 3) == "aaa"
    assert "GET /x" not in nginx.error_log()


def test_no_response_in_time(nginx: Nginx) -> None:
    def silent(peer: Peer) -> None:
        peer.request()
        peer.closed()

    nginx.backend("a", silent)
    nginx(
        "location / { proxy_read_timeout 100ms; proxy_pass http://u; health_check; }",
        http="upstream u { zone u 64k; server 127.0.0.1:%%PORT_a%%; }",
    )
    nginx.wait_for_log(f"{UNHEALTHY} reading response header from upstream")
    assert "timed out" in nginx.error_log()
    assert nginx.request("GET /").status == 502
    assert "no live upstreams" in nginx.error_log()


def test_fails_and_passes(nginx: Nginx) -> None:
    a, b = Server("a"), Server("b")
    checked(nginx, a, b, check="health_check interval=100ms fails=3 passes=2")
    a.wait()
    a.status = 500
    before = len(a.checks)
    nginx.wait_for_log(UNHEALTHY)
    assert len(a.checks) - before >= 3
    a.status = 200
    before = len(a.checks)
    nginx.wait_for_log(HEALTHY)
    assert len(a.checks) - before >= 2


def test_mandatory(nginx: Nginx) -> None:
    """No request before the first check, whose result counts at once."""
    a, b = Server("a", status=500), Server("b", status=500)
    checked(nginx, a, b, check="health_check interval=300ms mandatory fails=3")
    assert nginx.request("GET /x").status == 502
    nginx.wait_for_log(UNHEALTHY, 2)
    assert nginx.request("GET /x").status == 502
    b.status = 200
    nginx.wait_for_log(HEALTHY)
    assert chosen(nginx, 3) == "bbb"


@pytest.mark.parametrize("persistent, expected", [("persistent", "aaaa"), ("", "")])
def test_after_a_reload(nginx: Nginx, persistent: str, expected: str) -> None:
    """Servers that were healthy go on at once, if that is wanted."""
    a, b = Server("a"), Server("b", status=500)
    check = f"health_check interval=1h mandatory {persistent}"
    checked(nginx, a, b, check=check)
    nginx.wait_for_log(HEALTHY)
    nginx.wait_for_log(UNHEALTHY)
    later = check + " jitter=1h"  # the first check never comes
    nginx.reload(*configuration(a, b, check=later), http=grouped(a, b))
    answers = [nginx.request("GET /x") for _ in range(4)]
    assert "".join(answer.text for answer in answers if answer.status == 200) == expected


def test_another_port(nginx: Nginx) -> None:
    a, b = Server("a"), Server("b", status=500)
    nginx.backend("b", b)
    checked(nginx, a, check=f"health_check interval=50ms port={nginx.port('b')}")
    line = nginx.wait_for_log(UNHEALTHY)
    about = f'health check "" of peer 127.0.0.1:{nginx.port("a")} in upstream "u"'
    assert line.endswith(f"{UNHEALTHY} checking status code, {about}, port {nginx.port('b')}")
    assert not a.checks


def test_kept_connections(nginx: Nginx) -> None:
    """Checks have connections of their own, and keep them if they are told to."""
    a = Server("a")
    (kept,) = checked(nginx, a, check=f"{CHECK} keepalive_time=1h")
    a.wait(4)
    assert kept.accepted == 1


def test_connections_are_closed(nginx: Nginx) -> None:
    a = Server("a")
    (closed,) = checked(nginx, a)
    a.wait(3)
    assert closed.accepted >= 3


def test_several_checks(nginx: Nginx) -> None:
    """One that fails is enough."""
    a = Server("a", status=404)
    checked(
        nginx,
        a,
        check=f"{CHECK} match=any; health_check interval=50ms uri=/other match=any",
        http="match any { status 100-599; } ",
    )
    a.wait(3)
    assert nginx.request("GET /x").text == "a"


def test_one_of_several_checks_fails(nginx: Nginx) -> None:
    a = Server("a", status=500)
    checked(nginx, a, check=f"{CHECK}; health_check interval=50ms uri=/other mandatory")
    nginx.wait_for_log(UNHEALTHY)
    a.wait(3)
    assert nginx.request("GET /x").status == 502
    before = nginx.error_log().count(HEALTHY)  # it may have passed the other check first
    a.status = 200
    nginx.wait_for_log(HEALTHY, before + 1)
    assert nginx.request("GET /x").text == "a"


def test_down_servers_are_not_checked(nginx: Nginx) -> None:
    a, b = Server("a"), Server("b")
    nginx.backend("a", a)
    nginx.backend("b", b)
    nginx(
        *configuration(a, b),
        http="upstream u { zone u 64k; server 127.0.0.1:%%PORT_a%% down; "
        "server 127.0.0.1:%%PORT_b%%; }",
    )
    b.wait(3)
    assert not a.checks


def test_all_workers_know(nginx: Nginx) -> None:
    a, b = Server("a", status=500), Server("b")
    nginx.backend("a", a)
    nginx.backend("b", b)
    nginx(*configuration(a, b), http=grouped(a, b), main="worker_processes 4;")
    nginx.wait_for_log(UNHEALTHY)
    assert chosen(nginx, 30) == "b" * 30
    assert nginx.error_log().count(UNHEALTHY) == 1


@pytest.mark.parametrize("method", ["least_conn", "hash $request_uri", "random", "ip_hash"])
def test_with_every_method(nginx: Nginx, method: str) -> None:
    a, b = Server("a", status=500), Server("b")
    checked(nginx, a, b, group=f"{method};")
    nginx.wait_for_log(UNHEALTHY)
    assert chosen(nginx, 6) == "bbbbbb"


def test_tied_clients_leave_unhealthy_servers(nginx: Nginx) -> None:
    a, b = Server("a", status=500), Server("b")
    nginx.backend("a", a)
    nginx.backend("b", b)
    nginx(
        *configuration(a, b),
        http="upstream u { zone u 64k; server 127.0.0.1:%%PORT_a%% route=a drain; "
        "server 127.0.0.1:%%PORT_b%%; sticky route $arg_r; }",
    )
    nginx.wait_for_log(UNHEALTHY)
    assert nginx.request("GET /x?r=a").text == "b"
    a.status = 200
    nginx.wait_for_log(HEALTHY)
    assert nginx.request("GET /x?r=a").text == "a"
    assert chosen(nginx, 3) == "bbb"


# -- gRPC ----------------------------------------------------------------------------------------

OF_HEALTH = {"SERVING": b"\x08\x01", "NOT_SERVING": b"\x08\x02", "UNKNOWN": b""}


def message(data: bytes) -> bytes:
    return b"\0" + len(data).to_bytes(4, "big") + data


@pytest.mark.parametrize(
    "words, says, status, passes",
    [
        ("", "SERVING", "0", True),
        ("", "NOT_SERVING", "0", False),
        ("", "UNKNOWN", "0", False),
        ("", "", "12", False),
        ("grpc_status=12", "", "12", True),
        ("grpc_status=12", "", "5", False),
        ("grpc_status=12", "SERVING", "0", True),
        ("grpc_service=echo.Echo", "SERVING", "0", True),
    ],
)
def test_grpc(nginx: Nginx, words: str, says: str, status: str, passes: bool) -> None:
    asked = list[tuple[dict[str, str], bytes]]()

    def respond(call: Http2Peer) -> None:
        sent = b"".join(frame.data for frame in call.frames if isinstance(frame, DataFrame))
        asked.append((dict(call.fields), sent))
        trailers = [("grpc-status", status)]
        if says:
            call.respond(message(OF_HEALTH[says]), trailers=trailers)
        else:
            call.respond(b"", *trailers)

    nginx.backend("b", serving(respond))
    nginx(
        f"location / {{ grpc_pass u; health_check mandatory type=grpc {words}; }}",
        http="upstream u { zone u 64k; server 127.0.0.1:%%PORT_b%%; }",
    )
    line = nginx.wait_for_log("peer is")
    assert f"{HEALTHY if passes else UNHEALTHY} checking grpc status" in line
    fields, sent = asked[0]
    assert fields[":method"] == "POST" and fields[":path"] == "/grpc.health.v1.Health/Check"
    assert (fields["content-type"], fields["te"]) == ("application/grpc", "trailers")
    service = words.removeprefix("grpc_service=") if "service" in words else ""
    named = b"\x0a" + bytes([len(service)]) + service.encode() if service else b""
    assert sent == message(named)


# -- match ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tests, passes, doing",
    [
        ("status 200;", True, "status code"),
        ("status 201 203-299;", False, "status code"),
        ("status 100-200;", True, "status code"),
        ("status ! 200;", False, "status code"),
        ("status ! 201 300-599;", True, "status code"),
        ("header X-A;", True, "header"),
        ("header x-a = one;", True, "header"),
        ("header X-A = two;", True, "header"),
        ("header X-A = three;", False, "header"),
        ("header X-A != three;", True, "header"),
        ("header X-A != two;", False, "header"),
        ("header X-B != two;", False, "header"),
        ("header X-A ~ ^o;", True, "header"),
        ("header X-A ~ z;", False, "header"),
        ("header X-A !~ z;", True, "header"),
        ("header X-A !~ w;", False, "header"),
        ("header ! X-A;", False, "header"),
        ("header ! X-B;", True, "header"),
        ('body ~ "is f";', True, "body"),
        ("body ~ ^fine;", False, "body"),
        ("body !~ maintenance;", True, "body"),
        ("body !~ fine;", False, "body"),
        ("require $good;", True, "variables"),
        ("require $good $upstream_http_x_a;", True, "variables"),
        ("require $good $zero;", False, "variables"),
        ("require $good $none;", False, "variables"),
        ("status 200; header X-A; body ~ fine;", True, "body"),
        ("status 200; header X-B; body ~ fine;", False, "header"),
    ],
)
def test_match(nginx: Nginx, tests: str, passes: bool, doing: str) -> None:
    a = Server("a", fields="X-A: one\r\nX-A: two\r\n", body="all is fine")
    checked(
        nginx,
        a,
        check="health_check match=m mandatory",
        http=f"""
        map $upstream_status $good {{ 200 1; }} map $uri $zero {{ default 0; }}
        map $uri $none {{ default ""; }}
        match m {{ {tests} }}
        """,
    )
    state = HEALTHY if passes else UNHEALTHY
    line = nginx.wait_for_log("peer is")
    assert f'{state} checking {doing}, health check "m" of' in line


def test_the_beginning_of_a_long_body(nginx: Nginx) -> None:
    a = Server("a", body="x" * (256 * 1024) + "late")
    checked(
        nginx,
        a,
        check="health_check match=m mandatory",
        http="match m { body ~ x$; body !~ late; } ",
    )
    nginx.wait_for_log(HEALTHY)


@pytest.mark.parametrize(
    "tests, error",
    [
        ("cookie x;", 'unknown directive "cookie"'),
        ("status;", 'invalid number of arguments in "status" directive'),
        ("status !;", 'invalid number of arguments in "status" directive'),
        ("status ok;", 'invalid status "ok"'),
        ("status 200-;", 'invalid status "200-"'),
        ("status 299-200;", 'invalid status range "299-200"'),
        ("header;", 'invalid number of arguments in "header" directive'),
        ("header !;", 'invalid number of arguments in "header" directive'),
        ("header a b;", 'invalid parameter "b"'),
        ("header a = b c;", 'invalid parameter "="'),
        ("header a == b;", 'invalid parameter "=="'),
        ("body x;", 'invalid number of arguments in "body" directive'),
        ("body = x;", 'invalid parameter "="'),
        ("require x;", 'invalid variable name "x"'),
    ],
)
def test_tests_are_rejected(nginx: Nginx, tests: str, error: str) -> None:
    nginx.rejects(http=f"match m {{\n{tests}\n}}", message=error, line=2)


def test_blocks_are_rejected(nginx: Nginx) -> None:
    nginx.rejects(http="match m { status 200; } match m { }", message='duplicate match "m"')
    nginx.rejects("match m { }", '"match" directive is not allowed here')
    nginx.rejects(http="match m { body ~ (; }", message=re.compile("pcre2_compile.* failed: .*"))


# -- configurations ------------------------------------------------------------------------------

GROUP = "upstream u { zone u 64k; server 127.0.0.1:1; } upstream v { server 127.0.0.1:1; }"


@pytest.mark.parametrize(
    "parameters, error",
    [
        ("interval=0", 'invalid parameter "interval=0"'),
        ("interval=x", 'invalid parameter "interval=x"'),
        ("jitter=", 'invalid parameter "jitter="'),
        ("fails=0", 'invalid parameter "fails=0"'),
        ("passes=x", 'invalid parameter "passes=x"'),
        ("uri=health", 'invalid parameter "uri=health"'),
        ("port=65536", 'invalid parameter "port=65536"'),
        ("mandatory=1", 'invalid parameter "mandatory=1"'),
        ("persistent", 'the "persistent" parameter requires "mandatory"'),
        ("other", 'invalid parameter "other"'),
        ("match=none", 'unknown match "none"'),
        ("type=grpc", '"type=grpc" requires "grpc_pass"'),
        ("type=http", 'invalid parameter "type=http"'),
        ("grpc_service=a type=grpc", '"grpc_service" must follow "type=grpc"'),
        ("uri=/x type=grpc", '"type=grpc" is incompatible with "uri" and "match"'),
        ("type=grpc grpc_status=x", 'invalid parameter "grpc_status=x"'),
    ],
)
def test_parameters_are_rejected(nginx: Nginx, parameters: str, error: str) -> None:
    nginx.rejects(
        f"location / {{\nproxy_pass http://u;\nhealth_check {parameters};\n}}",
        error,
        http=GROUP,
        line=3,
    )


@pytest.mark.parametrize(
    "target, error",
    [
        ("proxy_pass http://v;", '"health_check" requires a "zone" in upstream "v"'),
        ("proxy_pass http://127.0.0.1;",
         '"health_check" requires a "zone" in upstream "127.0.0.1"'),
        ("proxy_pass http://$arg_x;",
         '"health_check" requires a group of servers that is known by its name'),
        ("return 204;", '"health_check" requires a directive such as "proxy_pass" beside it'),
    ],
)  # fmt: skip
def test_a_group_with_a_zone_is_needed(nginx: Nginx, target: str, error: str) -> None:
    nginx.rejects(f"location / {{\n{target}\nhealth_check;\n}}", error, http=GROUP, line=3)


def test_not_in_a_server(nginx: Nginx) -> None:
    nginx.rejects("health_check;", '"health_check" directive is not allowed here')
