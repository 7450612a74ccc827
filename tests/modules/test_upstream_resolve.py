"""Servers whose names are resolved at run time: they come, move and go."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from ..backend import Peer
from ..nameserver import NXDOMAIN, SERVFAIL, NameServer, Step, records
from ..nginx import Nginx
from ..wire import DEADLINE

UP = ["listen %%PORT_up%%; return 200 $server_addr;"]
PASSING = "location / { proxy_pass http://u; add_header X-Addr $upstream_addr always; }"
RESOLVER = "resolver 127.0.0.1:%%PORT_dns%% ipv6=off;"


def at(*numbers: int, ttl: int = 1) -> Step:
    """Addresses of the machine, by their last numbers."""
    return records(*[f"127.0.0.{number}" for number in numbers], ttl=ttl)


def grouped(
    nginx: Nginx,
    zone: dict[str, Step | list[Step]],
    servers: str = "server a.example:%%PORT_up%% resolve;",
    *,
    main: str = "",
) -> NameServer:
    names = nginx.names("dns", zone)
    nginx(
        PASSING,
        http=f"{RESOLVER} upstream u {{ zone z 64k; {servers} }}",
        servers=UP,
        main=main,
    )
    return names


def wait_for(nginx: Nginx, *hosts: str, port: str = "up", rounds: int = 400) -> None:
    """Until requests go to these addresses, and to no others."""
    wanted = {f"{host}:{nginx.port(port)}" for host in hosts} or {"u"}
    pause = threading.Event()
    for _ in range(rounds):
        count = 2 * len(wanted)
        seen = {nginx.request("GET /").get("X-Addr") for _ in range(count)}
        if seen == wanted:
            return
        pause.wait(0.05)
    raise AssertionError(f"not {wanted}, but {seen}")


def test_addresses_come_and_go(nginx: Nginx) -> None:
    names = grouped(nginx, {"a.example": at(2)})
    wait_for(nginx, "127.0.0.2")
    names.zone["a.example"] = at(3, 4)
    wait_for(nginx, "127.0.0.3", "127.0.0.4")
    names.zone["a.example"] = SERVFAIL
    nginx.wait_for_log(
        r"\[error\] [0-9#]+: a\.example could not be resolved \(2: Server failure\)$"
    )
    wait_for(nginx, "127.0.0.3", "127.0.0.4")  # a failure says nothing of them


def test_a_name_that_is_gone(nginx: Nginx) -> None:
    names = grouped(nginx, {"a.example": at(2)})
    wait_for(nginx, "127.0.0.2")
    names.zone["a.example"] = NXDOMAIN
    wait_for(nginx)
    nginx.wait_for_log(r"a\.example could not be resolved \(3: Host not found\)$")
    nginx.wait_for_log(r"\[error\] .*no live upstreams while connecting to upstream")


def test_fixed_servers_stay(nginx: Nginx) -> None:
    names = grouped(
        nginx,
        {"a.example": at(2), "b.example": NXDOMAIN},
        "server 127.0.0.1:%%PORT_up%%; server a.example:%%PORT_up%% resolve;"
        "server b.example:%%PORT_up%% resolve;",
    )
    wait_for(nginx, "127.0.0.1", "127.0.0.2")
    names.zone["a.example"] = NXDOMAIN
    wait_for(nginx, "127.0.0.1")


def test_backup_servers(nginx: Nginx) -> None:
    names = grouped(
        nginx,
        {"a.example": NXDOMAIN, "b.example": at(5)},
        "server a.example:%%PORT_up%% resolve; server b.example:%%PORT_up%% resolve backup;",
    )
    wait_for(nginx, "127.0.0.5")
    assert names.asked["A a.example"]


@pytest.mark.parametrize(
    "method",
    ["least_conn", "ip_hash", "hash $remote_addr", "hash $remote_addr consistent", "random"],
)
def test_methods(nginx: Nginx, method: str) -> None:
    names = grouped(nginx, {"a.example": at(2)}, f"{method}; server a.example:%%PORT_up%% resolve;")
    wait_for(nginx, "127.0.0.2")
    names.zone["a.example"] = at(3)
    wait_for(nginx, "127.0.0.3")


def test_parameters_are_those_of_the_directive(nginx: Nginx) -> None:
    grouped(
        nginx,
        {"a.example": at(2, ttl=60), "b.example": at(3, ttl=60)},
        "server a.example:%%PORT_up%% resolve weight=3; server b.example:%%PORT_up%% resolve;",
    )
    wait_for(nginx, "127.0.0.2", "127.0.0.3")
    seen = Counter(nginx.request("GET /").text for _ in range(12))
    assert seen == {"127.0.0.2": 9, "127.0.0.3": 3}


def test_an_address_is_not_resolved(nginx: Nginx) -> None:
    names = grouped(nginx, {}, "server 127.0.0.1:%%PORT_up%% resolve;")
    assert nginx.request("GET /").text == "127.0.0.1"
    assert not names.asked


def test_the_resolver_of_the_group(nginx: Nginx) -> None:
    other = nginx.names("other", {"a.example": at(2, ttl=60)})
    own = "resolver 127.0.0.1:%%PORT_other%% valid=1h; resolver_timeout 3s;"
    names = grouped(nginx, {}, f"{own} server a.example:%%PORT_up%% resolve;")
    wait_for(nginx, "127.0.0.2")
    assert other.asked.total() == 2 and not names.asked


# SRV records.


def services(*texts: str, ttl: int = 1) -> Step:
    return records(*[f"SRV {text}." for text in texts], ttl=ttl)


def test_services(nginx: Nginx) -> None:
    """They name hosts and ports; those with a lower priority are backup servers."""
    up, other = nginx.port("up"), nginx.port("other")
    names = nginx.names(
        "dns",
        {
            "_http._tcp.s.example": services(f"1 3 {up} a.example", f"1 1 {up} b.example"),
            "tcp.s.example": services(f"1 0 {up} a.example", f"2 0 {up} c.example"),
            "a.example": at(2),
            "b.example": at(3),
            "c.example": at(4),
        },
    )
    nginx(
        PASSING,
        http=f"{RESOLVER} upstream u {{ zone z 64k; server s.example service=http resolve; }}",
        servers=[*UP, "listen %%PORT_other%%; return 200 $server_addr;"],
    )
    wait_for(nginx, "127.0.0.2", "127.0.0.3")
    seen = Counter(nginx.request("GET /").text for _ in range(12))
    assert seen == {"127.0.0.2": 9, "127.0.0.3": 3}
    names.zone["_http._tcp.s.example"] = services(
        f"2 1 {other} a.example", f"1 1 {other} none.example", f"5 1 {up} c.example"
    )
    wait_for(nginx, "127.0.0.2", port="other")
    nginx.wait_for_log(
        r"\[error\] .*: none\.example could not be resolved \(3: Host not found\) "
        r"while resolving service http of s\.example$"
    )


def test_backup_services(nginx: Nginx) -> None:
    up, dead = nginx.port("up"), nginx.port("dead")
    zone: dict[str, Step | list[Step]] = {
        "x.y.s.example": services(f"1 1 {dead} a.example", f"2 1 {up} b.example"),
        "a.example": at(2),
        "b.example": at(3),
    }
    grouped(nginx, zone, "server s.example service=x.y resolve;")
    nginx.wait_for_log("", 1)
    pause = threading.Event()
    while (answer := nginx.request("GET /")).status != 200:
        pause.wait(0.05)
    assert answer.text == "127.0.0.3"


def test_a_service_without_hosts(nginx: Nginx) -> None:
    grouped(nginx, {}, "server s.example service=http resolve;")
    nginx.wait_for_log(
        r"\[error\] .*: service http of s\.example could not be resolved \(3: Host not found\)$"
    )
    assert nginx.request("GET /").status == 502


# Workers, reloads and requests under way.


def test_one_worker_asks_for_all(nginx: Nginx) -> None:
    names = grouped(nginx, {"a.example": at(2, ttl=60)}, main="worker_processes 4;")
    wait_for(nginx, "127.0.0.2")
    seen = Counter(nginx.request("GET /").text for _ in range(40))
    assert seen == {"127.0.0.2": 40}
    assert names.asked == {"A a.example": 1}


def test_addresses_outlive_a_reload(nginx: Nginx) -> None:
    names = grouped(nginx, {"a.example": at(2, ttl=60)})
    wait_for(nginx, "127.0.0.2")
    names.zone["a.example"] = None
    nginx.reload(
        PASSING + "server_name x; } server { listen %%PORT_up%%; return 200 $server_addr;",
        http=f"{RESOLVER} upstream u {{ zone z 128k; server a.example:%%PORT_up%% resolve; }}",
    )
    assert nginx.request("GET /").text == "127.0.0.2"
    assert names.asked == {"A a.example": 1}


def test_a_worker_that_is_killed(nginx: Nginx) -> None:
    names = grouped(nginx, {"a.example": at(2)}, main="worker_processes 1;")
    wait_for(nginx, "127.0.0.2")
    nginx.trouble_is_expected = True
    (worker,) = children(nginx.pid())
    os.kill(worker, signal.SIGKILL)
    nginx.wait_for_log(r"worker process \d+ exited on signal 9")
    names.zone["a.example"] = at(3)
    pause = threading.Event()
    while not children(nginx.pid()) - {worker}:
        pause.wait(0.05)
    wait_for(nginx, "127.0.0.3")


def children(pid: int) -> set[int]:
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return {int(child) for child in file.read().split()}


def test_a_request_ends_where_it_began(nginx: Nginx) -> None:
    moved = threading.Event()

    def slow(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nol")
        moved.wait(DEADLINE)
        peer.send(b"d!")

    nginx.backend("old", slow)
    names = nginx.names(
        "dns",
        {
            "_http._tcp.s.example": services(f"1 1 {nginx.port('old')} a.example"),
            "a.example": at(1),
        },
    )
    nginx(
        "proxy_buffering off;" + PASSING,
        http=f"{RESOLVER} upstream u {{ zone z 64k; server s.example service=http resolve; }}",
        servers=UP,
    )
    nginx.wait_for_log("", 1)
    names.wait_until_asked("A a.example")
    with ThreadPoolExecutor(1) as pool:
        pause = threading.Event()
        while not nginx._backends[0].asked:
            begun = pool.submit(nginx.request, "GET /")
            pause.wait(0.1)
        names.zone["_http._tcp.s.example"] = services(f"1 1 {nginx.port('up')} a.example")
        names.wait_until_asked("SRV _http._tcp.s.example", 3)
        wait_for(nginx, "127.0.0.1")
        moved.set()
        assert begun.result(20).text == "old!"


def test_no_request_is_lost(nginx: Nginx) -> None:
    """The name moves while requests come, on all workers."""
    names = grouped(nginx, {"a.example": at(2, 3)}, main="worker_processes 2;")
    wait_for(nginx, "127.0.0.2", "127.0.0.3")
    stop = threading.Event()
    seen: Counter[tuple[int, str]] = Counter()

    def load() -> None:
        while not stop.is_set():
            answer = nginx.request("GET /")
            seen[answer.status, answer.text] += 1

    with ThreadPoolExecutor(4) as pool:
        loads = [pool.submit(load) for _ in range(4)]
        for move in range(4):
            names.zone["a.example"] = at(4 + 2 * move, 5 + 2 * move)
            names.wait_until_asked("A a.example", names.asked["A a.example"] + 2)
        stop.set()
        for one in loads:
            one.result()
    assert {status for status, _ in seen} == {200}, seen
    assert len(seen) >= 4


def test_more_addresses_than_there_is_room_for(nginx: Nginx) -> None:
    many = [f"127.0.{n >> 8}.{n & 255}" for n in range(1, 2000)]
    names = nginx.names("dns", {"a.example": records(*many, truncated=True)})
    nginx(
        PASSING,
        http=f"{RESOLVER} upstream u {{ zone z 32k; server a.example:%%PORT_up%% resolve; }}",
        servers=UP,
    )
    names.wait_until_asked("TCP A a.example")
    nginx.wait_for_log(
        r'\[error\] .*: cannot add new server to upstream "u", memory exhausted$', seconds=20
    )
    pause = threading.Event()
    while nginx.request("GET /").status != 200:
        pause.wait(0.05)


# What is refused.


def test_a_zone_is_required(nginx: Nginx) -> None:
    nginx.rejects(
        http="upstream u { server a.example resolve; } resolver 127.0.0.1;",
        message=re.compile(
            r'resolving names at run time requires upstream "u" in \S+/nginx\.conf:6 '
            "to be in shared memory"
        ),
    )


def test_a_resolver_is_required(nginx: Nginx) -> None:
    group = "upstream u { zone z 64k; server a.example resolve; }"
    told = 'no resolver defined to resolve names at run time in upstream "u"'
    nginx.rejects("resolver 127.0.0.1;", told, http=group)
    nginx.accepts(http=f"{group} resolver 127.0.0.1;")


@pytest.mark.pyngx_only("it is about what Python loads, and when")
def test_workers_load_no_library(nginx: Nginx) -> None:
    """The user of the workers may not be able to read it."""
    conf = nginx.write(
        "conf",
        "events { } http { upstream u { zone u 64k; resolver 127.0.0.1; server a.example resolve; }"
        " server { listen 127.0.0.1:1; location / { proxy_pass http://u; } } }",
    )
    command = [sys.executable, "-X", "importtime", "-m", "pyngx_jwt", "-t"]
    command += ["-c", str(conf), "-p", str(nginx.prefix)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and " dns.name\n" in done.stderr, done.stderr
