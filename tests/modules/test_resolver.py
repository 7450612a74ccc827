"""Names that variables give: who is asked, how often, and what becomes of bad answers."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack

import dns.message
import dns.rrset
import pytest

from ..nameserver import (
    FORMERR,
    NOTIMP,
    NXDOMAIN,
    REFUSED,
    SERVFAIL,
    YXDOMAIN,
    NameServer,
    Raw,
    Slow,
    Step,
    records,
)
from ..nginx import Nginx

HERE = records("127.0.0.1")
ANSWERING = ["listen %%PORT_up%%; return 200 $server_addr;"]


def resolving(
    nginx: Nginx,
    zone: dict[str, Step | list[Step]],
    *,
    parameters: str = "",
    timeout: str = "10s",
    more: str = "",
) -> NameServer:
    """A server that passes each request to the host that it names."""
    server = nginx.names("dns", zone)
    nginx(
        f"""
        resolver {more} 127.0.0.1:%%PORT_dns%% {parameters};
        resolver_timeout {timeout};
        location / {{
            proxy_pass http://$host:%%PORT_up%%;
            add_header X-Addr $upstream_addr;
        }}
        """,
        servers=ANSWERING,
    )
    return server


def status(nginx: Nginx, name: str) -> int:
    return nginx.request("GET /", f"Host: {name}").status


def test_a_name_is_asked_once(nginx: Nginx) -> None:
    server = resolving(nginx, {"a.example": HERE})
    for name in ("a.example", "A.Example", "a.example."):
        assert nginx.request("GET /", f"Host: {name}").text == "127.0.0.1"
    assert server.asked == {"A a.example": 1, "AAAA a.example": 1}


@pytest.mark.pyngx_only("nginx asks a server from one port as long as it runs")
def test_questions_come_from_many_ports(nginx: Nginx) -> None:
    server = resolving(nginx, {f"{n}.example": HERE for n in range(40)})
    for number in range(40):
        assert status(nginx, f"{number}.example") == 200
    assert len(server.sources) > 3


@pytest.mark.parametrize(
    ("parameters", "asked"),
    [("ipv6=off", {"A a.example"}), ("ipv4=off", {"AAAA a.example"})],
)
def test_families(nginx: Nginx, parameters: str, asked: set[str]) -> None:
    server = resolving(nginx, {"a.example": records("127.0.0.1", "::1")}, parameters=parameters)
    status(nginx, "a.example")
    assert set(server.asked) == asked


def test_all_addresses_are_tried(nginx: Nginx) -> None:
    resolving(nginx, {"a.example": records("127.0.0.2", "127.0.0.3", "127.0.0.4")})
    port = nginx.port("up")
    seen = {nginx.request("GET /", "Host: a.example").get("X-Addr") for _ in range(30)}
    assert seen == {f"127.0.0.{n}:{port}" for n in (2, 3, 4)}


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (NXDOMAIN, "3: Host not found"),
        (SERVFAIL, "2: Server failure"),
        (NOTIMP, "4: Unimplemented"),
        (REFUSED, "5: Operation refused"),
        (records(), "3: Host not found"),
    ],
)
def test_failures(nginx: Nginx, step: Step, reason: str) -> None:
    server = resolving(nginx, {"a.example": step})
    assert status(nginx, "A.example") == 502
    nginx.wait_for_log(
        rf"\[error\] .*: \*\d+ a\.example could not be resolved \({reason}\), client"
    )
    server.zone["a.example"] = HERE  # a failure is not remembered
    assert status(nginx, "a.example") == 200


@pytest.mark.parametrize(
    ("step", "line"),
    [
        (None, ""),
        (FORMERR, r'DNS error \(1: Format error\), query id:\d+, name:"a\.example"$'),
        (YXDOMAIN, r"DNS error \(6: Unknown error\), query id:\d+$"),
    ],
)
def test_silence(nginx: Nginx, step: Step, line: str) -> None:
    resolving(nginx, {"a.example": step}, timeout="1s")
    assert status(nginx, "a.example") == 502
    nginx.wait_for_log(r"a\.example could not be resolved \(110: Operation timed out\)")
    nginx.wait_for_log(rf"\[error\] .*{line}")


@pytest.mark.parametrize("host", ["a..example", ".example", "a.example.."])
def test_names_that_dns_cannot_have(nginx: Nginx, host: str) -> None:
    server = nginx.names("dns", {})
    nginx(
        f"resolver 127.0.0.1:%%PORT_dns%%; set $to {host}; location / {{ proxy_pass http://$to; }}"
    )
    assert status(nginx, "localhost") == 502
    nginx.wait_for_log(r"example\.? could not be resolved \(3: Host not found\)")
    assert not server.asked


def test_aliases(nginx: Nginx) -> None:
    names: dict[str, Step | list[Step]] = {
        f"{n}.example": records(f"CNAME {n + 1}.example.") for n in range(3)
    }
    server = resolving(nginx, {**names, "3.example": HERE})
    assert status(nginx, "0.example") == status(nginx, "2.example") == 200
    assert server.asked["A 0.example"] == server.asked["A 3.example"] == 1


def test_an_alias_with_its_address(nginx: Nginx) -> None:
    answer = records("CNAME b.example.", "127.0.0.1")
    server = resolving(nginx, {"a.example": answer}, parameters="ipv6=off")
    assert status(nginx, "a.example") == 200
    assert set(server.asked) == {"A a.example"}


def test_aliases_in_a_circle(nginx: Nginx) -> None:
    server = resolving(
        nginx,
        {"a.example": records("CNAME b.example."), "b.example": records("CNAME a.example.")},
    )
    assert status(nginx, "a.example") == 502
    nginx.wait_for_log(r"a\.example could not be resolved \(3: Host not found\)")
    assert server.asked["A a.example"] == 1


def test_a_long_chain_of_aliases(nginx: Nginx) -> None:
    """Fifty are followed."""
    names: dict[str, Step | list[Step]] = {
        f"{n}.example": records(f"CNAME {n + 1}.example.") for n in range(60)
    }
    resolving(nginx, {**names, "60.example": HERE})
    assert status(nginx, "10.example") == 200
    assert status(nginx, "9.example") == 502


def test_valid_replaces_the_ttl(nginx: Nginx) -> None:
    server = resolving(nginx, {"a.example": records("127.0.0.1", ttl=0)}, parameters="valid=1h")
    assert status(nginx, "a.example") == 200
    server.zone["a.example"] = SERVFAIL
    for _ in range(20):
        assert status(nginx, "a.example") == 200


def test_a_short_ttl(nginx: Nginx) -> None:
    server = resolving(nginx, {"a.example": records("127.0.0.1", ttl=1)})
    assert status(nginx, "a.example") == 200
    server.zone["a.example"] = records("127.0.0.2", ttl=1)
    deadline = threading.Event()
    while nginx.request("GET /", "Host: a.example").text == "127.0.0.1":
        assert server.asked["A a.example"] < 10
        deadline.wait(0.1)
    assert server.asked["A a.example"] >= 2


def test_requests_wait_for_one_answer(nginx: Nginx) -> None:
    answer = threading.Event()
    server = resolving(nginx, {"a.example": Slow(HERE, answer)})
    request = b"GET / HTTP/1.0\r\nHost: a.example\r\n\r\n"
    with ExitStack() as stack:
        with socket.create_connection(("127.0.0.1", nginx.port())) as leaver:
            leaver.sendall(request)
            server.wait_until_asked("A a.example")
            clients = [stack.enter_context(nginx.connect()).wire for _ in range(8)]
            for client in clients:
                client.send(request)
            assert status(nginx, "127.0.0.1") == 200  # the others' requests have been read
        answer.set()
        assert [getattr(client.answer(), "status", 0) for client in clients] == [200] * 8
    assert server.asked["A a.example"] == 1


def test_truncated_answers_come_over_tcp(nginx: Nginx) -> None:
    many = [f"127.0.0.{n}" for n in range(1, 200)]
    server = resolving(nginx, {"a.example": records(*many, truncated=True)})
    assert status(nginx, "a.example") == 200
    assert server.asked["TCP A a.example"] == 1


def test_the_next_server_is_asked(nginx: Nginx) -> None:
    """At once if the question cannot be sent, after some seconds if there is no answer."""
    silent = nginx.names("silent", {"a.example": None})
    server = resolving(nginx, {"a.example": HERE}, more="127.0.0.1:%%PORT_silent%%", timeout="20s")
    assert status(nginx, "a.example") == 200
    assert silent.asked["A a.example"] == server.asked["A a.example"] == 1


def test_servers_are_asked_in_turn(nginx: Nginx) -> None:
    other = nginx.names("other", {f"{n}.example": HERE for n in range(6)})
    server = resolving(
        nginx, {f"{n}.example": HERE for n in range(6)}, more="127.0.0.1:%%PORT_other%%"
    )
    for number in range(6):
        assert status(nginx, f"{number}.example") == 200
    assert other.asked.total() == server.asked.total() == 6


def test_nobody_listens(nginx: Nginx) -> None:
    nginx(
        """
        resolver 127.0.0.1:%%PORT_nobody%% ipv6=off;
        resolver_timeout 1s;
        location / { proxy_pass http://$host; }
        """
    )
    assert status(nginx, "a.example") == 502
    nginx.wait_for_log(
        rf"recv\(\) failed \(111: Connection refused\) while resolving, "
        rf"resolver: 127\.0\.0\.1:{nginx.port('nobody')}$"
    )


# Lies.


def answered(data: bytes, *, name: str = "", ident: int | None = None, ip: str = "") -> bytes:
    """The answer to a question, or one to another."""
    query = dns.message.from_wire(data)
    if name:
        query = dns.message.make_query(name, query.question[0].rdtype, id=query.id)
    if ident is not None:
        query.id = (query.id + ident) % 65536
    answer = dns.message.make_response(query)
    if ip:
        answer.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "A", ip))
    return answer.to_wire()


def lies(data: bytes) -> list[bytes]:
    """What a forger sends, and then the truth."""
    good = answered(data, ip="127.0.0.1")
    return [
        b"",
        data[:5],
        b"\xff" * 100,
        data,  # the question
        answered(data, ident=1, ip="127.0.0.66"),
        answered(data, name="b.example", ip="127.0.0.66"),
        good[:2] + b"\x8f\x80" + good[4:],  # another kind of message
        good[:4] + b"\x00\x02" + good[6:],  # two questions
        good[:6] + b"\xff\xff" + good[8:],  # records that are not there
        good[:-1],
        good[: len(data)] + b"\xc0" + bytes((len(data),)) + good[len(data) + 2 :],
        good[: len(data)] + b"\x80\x0c" + good[len(data) + 2 :],
        good + b"x" * 8192,
        good,
    ]


def test_lies(nginx: Nginx) -> None:
    resolving(nginx, {"a.example": Raw(lies)}, parameters="ipv6=off")
    assert nginx.request("GET /", "Host: a.example").text == "127.0.0.1"
    for line in (
        "short DNS response",
        r"wrong ident \d+ in DNS response for a\.example, expect \d+",
        r"unexpected DNS response for b\.example",
        r"invalid UDP DNS response \d+ fl:8F80",
        "invalid number of questions in DNS response",
    ):
        nginx.wait_for_log(rf"\[error\] .*: {line}$")


def test_names_of_records(nginx: Nginx) -> None:
    """They need not be the name that was asked for; a record needs one."""

    def renamed(name: bytes) -> Raw:
        def make(data: bytes) -> list[bytes]:
            good = answered(data, ip="127.0.0.1")
            return [good[: len(data)] + name + good[len(data) + 2 :]]

        return Raw(make)

    names = {
        "pointer.example": renamed(b"\xc0\x0c"),
        "plain.example": renamed(b"\1x\3xyz\0"),
        "none.example": renamed(b"\0"),
        "endless.example": renamed(b"\x3f"),
    }
    resolving(nginx, {**names}, parameters="ipv6=off", timeout="1s")
    assert status(nginx, "pointer.example") == status(nginx, "plain.example") == 200
    assert status(nginx, "none.example") == status(nginx, "endless.example") == 502
    nginx.wait_for_log("invalid name in DNS response$")
    nginx.wait_for_log("short DNS response$")


def test_a_record_of_another_family(nginx: Nginx) -> None:
    def wrong(data: bytes) -> list[bytes]:
        return [answered(data, ip="127.0.0.66")]

    resolving(nginx, {"a.example": Raw(wrong)}, parameters="ipv4=off", timeout="1s")
    assert status(nginx, "a.example") == 502
    nginx.wait_for_log(r"\[error\] .*: unexpected A record in DNS response$")


# Who resolves names.


@pytest.mark.parametrize("protocol", ["fastcgi", "uwsgi", "scgi", "grpc"])
def test_all_protocols(nginx: Nginx, protocol: str) -> None:
    server = nginx.names("dns", {"a.example": NXDOMAIN})
    nginx(f"""
        resolver 127.0.0.1:%%PORT_dns%%;
        location / {{ {protocol}_pass $host:9000; }}
        """)
    assert status(nginx, "a.example") == 502
    nginx.wait_for_log(r"a\.example could not be resolved \(3: Host not found\)")
    assert server.asked["A a.example"] == 1


def test_each_directive_has_a_memory_of_its_own(nginx: Nginx) -> None:
    server = nginx.names("dns", {"a.example": HERE})
    nginx(
        """
        resolver 127.0.0.1:%%PORT_dns%%;
        location / { proxy_pass http://$host:%%PORT_up%%; }
        location /same { proxy_pass http://$host:%%PORT_up%%; }
        location /other {
            resolver 127.0.0.1:%%PORT_dns%%;
            proxy_pass http://$host:%%PORT_up%%;
        }
        """,
        servers=ANSWERING,
    )
    for path in ("/", "/same", "/other", "/other"):
        assert nginx.request(f"GET {path}", "Host: a.example").status == 200
    assert server.asked["A a.example"] == 2


def test_an_address_needs_no_server(nginx: Nginx) -> None:
    server = resolving(nginx, {})
    assert status(nginx, "127.0.0.1") == 200
    assert not server.asked
