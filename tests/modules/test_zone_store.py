"""pyngx_zone_store: zones that several machines share, each machine a server of its own."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from ..backend import Peer
from ..nginx import Nginx
from ..process.server import wait_for
from ..redis_server import (
    BadNetwork,
    Machines,
    RedisServer,
    machines_in,
    redis_server,
    statuses,
    wait_until,
)
from ..wire import DEADLINE

pytestmark = pytest.mark.pyngx_only("zones are shared between machines by pyngx")
UP = "location = /up { return 200 $pyngx_zone_store_status; }"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as server:
        yield server


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Machines]:
    with machines_in(tmp_path) as machines:
        yield machines


LIMITED = "location /x { limit_req zone=one burst=4 nodelay; empty_gif; }"


def rates(store: str, more: str = "", rate: str = "1r/m") -> str:
    return f"""
        pyngx_zone_store {store} {more};
        limit_req_zone $arg_key zone=one:1m rate={rate} sync;
    """


def test_a_rate_is_that_of_all_machines(store: RedisServer, machines: Machines) -> None:
    two = machines(2, LIMITED, rates(store.url))
    assert statuses(two, "/x?key=a", 8) == [200] * 5 + [503] * 3
    assert statuses(two, "/x?key=b", 2) == [200] * 2
    two[0].wait_for_log(r'limiting requests, excess: [45]\.\d+ by zone "one"')


def test_requests_above_the_limit_cost_the_store_nothing(
    store: RedisServer, machines: Machines
) -> None:
    (one, other) = machines(2, LIMITED, rates(store.url))
    statuses([one], "/x?key=a", 5)
    assert statuses([other], "/x?key=a", 1) == [503]  # only the store knows
    with store.client() as client:
        before = client.info("commandstats")["cmdstat_evalsha"]["calls"]
        assert statuses([one, other], "/x?key=a", 40) == [503] * 40
        after = client.info("commandstats")["cmdstat_evalsha"]["calls"]
    assert after == before


def test_delays_are_those_of_all_machines(store: RedisServer, machines: Machines) -> None:
    location = """
        location /x {
            limit_req zone=one burst=9; empty_gif; add_header X-Status $limit_req_status;
        }"""
    one, other = machines(2, location, rates(store.url, rate="50r/s"))
    assert one.request("GET /x?key=a").get("X-Status") == "PASSED"
    with ThreadPoolExecutor(6) as pool:
        said = [*pool.map(lambda n: (one, other)[n % 2].request("GET /x?key=a"), range(6))]
    assert "DELAYED" in {answer.get("X-Status") for answer in said}


def test_a_zone_of_this_machine_beside_a_shared_one(store: RedisServer, machines: Machines) -> None:
    http = rates(store.url) + "limit_req_zone $arg_own zone=own:1m rate=1r/m;"
    location = """
        location /x {
            limit_req zone=own nodelay;
            limit_req zone=one burst=4 nodelay;
            empty_gif;
        }"""
    two = machines(2, location, http)
    assert statuses(two, "/x?key=a&own=x", 4) == [200, 200, 503, 503]
    assert statuses(two, "/x?key=a", 5) == [200] * 3 + [503] * 2


@pytest.mark.parametrize("fallback", ["local", "deny"])
def test_without_the_store(store: RedisServer, machines: Machines, fallback: str) -> None:
    two = machines(2, LIMITED, rates(store.url, f"fallback={fallback}"))
    store.kill()
    for machine in two:
        wait_until(machine, "DOWN")
        machine.wait_for_log("zone store unix://.* cannot be used")
    expected = [200] * 10 + [503] * 2 if fallback == "local" else [503] * 12
    assert statuses(two, "/x?key=a", 12) == expected
    store.start()
    for machine in two:
        wait_until(machine, "UP")
        machine.wait_for_log("zone store unix://.* connected")
    assert statuses(two, "/x?key=b", 7) == [200] * 5 + [503] * 2


def test_a_zone_has_its_own_fallback(store: RedisServer, machines: Machines) -> None:
    http = f"""
        pyngx_zone_store {store.url};
        limit_req_zone $arg_key zone=one:1m rate=1r/m sync fallback=deny;
    """
    (one,) = machines(1, LIMITED, http)
    store.kill()
    wait_until(one, "DOWN")
    assert statuses([one], "/x?key=a", 1) == [503]
    one.wait_for_log('excess: unknown by zone "one": the zone store is down')


def test_this_machine_goes_on_with_what_it_has_counted(
    store: RedisServer, machines: Machines
) -> None:
    (one,) = machines(1, LIMITED, rates(store.url))
    assert statuses([one], "/x?key=a", 4) == [200] * 4
    store.kill()
    wait_until(one, "DOWN")
    assert statuses([one], "/x?key=a", 3) == [200, 503, 503]


def test_a_network_that_drips(
    store: RedisServer, machines: Machines, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Answers are there, or the fallback is used; other requests do not wait for either."""
    network = BadNetwork(tmp_path, store)
    request.addfinalizer(network.close)
    (one,) = machines(1, LIMITED, rates(network.url, "timeout=1s fallback=deny"))
    assert statuses([one], "/x?key=a", 2) == [200] * 2
    network.pause = 0.02
    results = statuses([one], "/x?key=b", 3)
    assert set(results) <= {200, 503}
    network.silent.set()
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(statuses, [one], f"/x?key={key}", 2) for key in "cdef"]
        assert one.request("GET /up").status == 200
        assert all(set(x.result()) <= {503} for x in waiting)
    wait_until(one, "DOWN")
    network.pause = 0.0
    network.silent.clear()
    wait_until(one, "UP")
    assert statuses([one], "/x?key=g", 6) == [200] * 5 + [503]


WRONG = [
    *(b"+OK\r\n", b":0\r\n", b":1\r\n", b":-1\r\n", b":9999\r\n", b"$-1\r\n", b"$3\r\nabc\r\n"),
    *(b"*0\r\n", b"*1\r\n:0\r\n", b"*2\r\n:0\r\n+x\r\n", b"*2\r\n:1\r\n:0\r\n"),
    *(b"*2\r\n:0\r\n:-1\r\n", b"*2\r\n:0\r\n:99999999999999\r\n", b"*2\r\n:2\r\n:9999999\r\n"),
    *(
        b"*3\r\n:0\r\n:0\r\n:0\r\n",
        b"\xff\0\r\n",
        b"*1\r\n" * 100_000,
        b"_\r\n",
        b"%1\r\n+a\r\n+b\r\n",
        b"*1000000000\r\n",
        b"$1000000000\r\n",
        b"*1000\r\n" * 1000,
        b"*2\r\n:0\r\n:0\r\n+more\r\n",
        b":0\r\n:0\r\n",
    ),
]


@pytest.mark.parametrize("kind", ["req", "conn"])
def test_answers_of_a_wrong_type(
    store: RedisServer,
    machines: Machines,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    kind: str,
) -> None:
    """They are no answers: the fallback is used, and the connection is given up."""
    network = BadNetwork(tmp_path, store)
    request.addfinalizer(network.close)
    location = """
        location /req { limit_req zone=req burst=4; empty_gif; }
        location /conn { limit_conn conn 3; empty_gif; }"""
    http = f"""
        pyngx_zone_store {network.url} timeout=10s fallback=deny;
        limit_req_zone $arg_key zone=req:1m rate=1r/m sync;
        limit_conn_zone $arg_key zone=conn:1m sync;"""
    (one,) = machines(1, location, http)
    fit = {b":0\r\n", b":1\r\n"} if kind == "conn" else set[bytes]()
    for number, wrong in enumerate(x for x in WRONG if x not in fit):
        network.instead = wrong
        assert one.request(f"GET /{kind}?key={number}").status == 503
        wait_until(one, "DOWN")
        network.instead = b""
        wait_until(one, "UP")
    one.wait_for_log(r"cannot be used \(unexpected response\)")
    assert "unexpected error" not in one.error_log()
    assert one.request(f"GET /{kind}?key=last").status == 200


@pytest.mark.parametrize("fallback", ["local", "deny"])
@pytest.mark.parametrize(
    "greeting",
    [
        *(b"", b"$5\r\nab", b"+OK", b"*1000000000\r\n", b"$1000000000\r\n"),
        *(b"*100000\r\n" * 1000, b"+OK\r\n" * 100_000, b"x" * 1_000_000, b"-ERR no\r\n"),
        b"\x16\x03\x01\x00\xa5\x01",
    ],
    ids=lambda greeting: repr(greeting[:12]),
)
def test_a_store_that_is_none(
    store: RedisServer,
    machines: Machines,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    greeting: bytes,
    fallback: str,
) -> None:
    """It takes nothing down and no memory, and is used as soon as it is one."""
    network = BadNetwork(tmp_path, store)
    request.addfinalizer(network.close)
    network.greeting = greeting
    http = rates(network.url, f"fallback={fallback}") + "keyval_zone zone=two:1m sync;"
    one = machines.start(f"{LIMITED} location /pid {{ return 200 $pid; }}", http)
    worker = Path(f"/proc/{one.request('GET /pid').text}/status")
    before = peak(worker)
    one.wait_for_log(r"zone store unix:\S+ cannot be used \(")
    expected = [200] * 5 + [503] if fallback == "local" else [503] * 6
    assert statuses([one], "/x?key=a", 6) == expected
    assert peak(worker) - before < 32_768
    network.greeting = None
    wait_until(one, "UP")
    assert statuses([one], "/x?key=b", 6) == [200] * 5 + [503]
    assert "unexpected error" not in one.error_log()


def peak(worker: Path) -> int:
    """The most virtual memory that the process has had, in kilobytes."""
    found = re.search(r"VmPeak:\s+(\d+) kB", worker.read_text())
    assert found
    return int(found[1])


def test_an_answer_that_is_too_long(
    store: RedisServer, machines: Machines, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """It is not read to its end."""
    network = BadNetwork(tmp_path, store)
    request.addfinalizer(network.close)
    (one,) = machines(1, LIMITED, rates(network.url, "timeout=10s fallback=deny"))
    network.instead = b"$100000000\r\n" + b"x" * (2 << 20)
    assert statuses([one], "/x?key=a", 1) == [503]
    one.wait_for_log(r"cannot be used \(unexpected response\)")


def test_killed_and_restarted_under_load(store: RedisServer, machines: Machines) -> None:
    """Every request is answered, and with "deny" no more are admitted than the bound says: each
    machine keeps the limit by itself, whatever the store has lost."""
    location = "location /x { limit_req zone=one burst=9 nodelay; empty_gif; }"
    two = machines(2, location, rates(store.url, "fallback=deny timeout=1s"))
    end = threading.Event()
    seen: list[int] = []

    def more() -> None:
        so_far = len(seen)
        wait_for("requests", lambda: len(seen) > so_far + 50)

    def load(machine: Nginx) -> None:
        while not end.is_set():
            seen.append(machine.request("GET /x?key=a").status)

    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(load, machine) for machine in two * 2]
        for _ in range(3):
            more()
            store.kill()
            more()
            store.start()
            for machine in two:
                wait_until(machine, "UP")
        end.set()
        for future in running:
            future.result()
    assert set(seen) == {200, 503}
    assert 10 <= seen.count(200) <= 10 * len(two)


HELD = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Slow:
    """Upstreams of machines that answer when they are told to."""

    def __init__(self, path: Path) -> None:
        self.go_on = threading.Event()
        self.asked = threading.Semaphore(0)
        self.path = path
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        path.chmod(0o666)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(peer,), daemon=True).start()

    def _answer(self, accepted: socket.socket) -> None:
        peer = Peer(accepted)
        peer.request()
        self.asked.release()
        self.go_on.wait(DEADLINE)
        with contextlib.suppress(OSError):
            peer.send(HELD)
        peer.close()

    def close(self) -> None:
        self.go_on.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def connections(store: str, more: str = "") -> str:
    return f"""
        pyngx_zone_store {store} {more};
        limit_conn_zone $arg_key zone=one:1m sync;
    """


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Slow]:
    upstream = Slow(tmp_path / "upstream.sock")
    yield upstream
    upstream.close()


def held(machine: Nginx, slow: Slow, ends: ExitStack, uri: str = "/slow?key=a") -> None:
    """A request in progress."""
    connection = ends.enter_context(machine.connect())
    connection.wire.send(f"GET {uri} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert slow.asked.acquire(timeout=DEADLINE)


def conn_machines(machines: Machines, slow: Slow, http: str) -> list[Nginx]:
    path = slow.path
    location = f"""
        location /slow {{ limit_conn one 3; proxy_pass http://unix:{path}:/; }}
        location /x {{ limit_conn one 3; empty_gif; }}
    """
    return machines(2, location, http)


def test_requests_in_progress_of_all_machines(
    store: RedisServer, machines: Machines, slow: Slow
) -> None:
    one, other = conn_machines(machines, slow, connections(store.url))
    with ExitStack() as ends:
        held(one, slow, ends)
        held(one, slow, ends)
        held(other, slow, ends)
        # Responses without a body are whole before they are counted: "/slow" is what is limited.
        assert one.request("GET /slow?key=a").status == 503
        assert other.request("GET /slow?key=a").status == 503
        assert one.request("GET /x?key=b").status == 200
        slow.go_on.set()
    wait_for("the end", lambda: other.request("GET /slow?key=a").status == 200)


def test_requests_in_progress_survive_a_restart_of_the_store(
    store: RedisServer, machines: Machines, slow: Slow
) -> None:
    one, other = conn_machines(machines, slow, connections(store.url))
    with ExitStack() as ends:
        for _ in range(3):
            held(one, slow, ends)
        store.kill()
        wait_until(other, "DOWN")
        store.start()
        for machine in (one, other):
            wait_until(machine, "UP")
        with store.client() as client:
            wait_for("the counts", lambda: client.hvals("pyngx:one:conn:a") == [b"3"])
        assert other.request("GET /slow?key=a").status == 503
        slow.go_on.set()
    wait_for("the end", lambda: other.request("GET /slow?key=a").status == 200)
    with store.client() as client:
        wait_for("no counts", lambda: not client.exists("pyngx:one:conn:a"))


def test_requests_of_a_dead_machine_are_not_counted(
    store: RedisServer, machines: Machines, slow: Slow
) -> None:
    one, _ = conn_machines(machines, slow, connections(store.url))
    with store.client() as client:
        client.hset("pyngx:one:conn:a", "dead", 3)  # gives no signs of life
    assert one.request("GET /x?key=a").status == 200


def test_requests_in_progress_without_the_store(
    store: RedisServer, machines: Machines, slow: Slow
) -> None:
    one, other = conn_machines(machines, slow, connections(store.url, "fallback=local"))
    with ExitStack() as ends:
        for _ in range(3):
            held(one, slow, ends)
        store.kill()
        for machine in (one, other):
            wait_until(machine, "DOWN")
        assert one.request("GET /slow?key=a").status == 503  # its own count holds
        assert other.request("GET /x?key=a").status == 200


KEYVAL = """
    pyngx_zone_store {store};
    keyval_zone zone=revoked:1m sync timeout=1h;
    keyval $arg_key $value zone=revoked;
"""
PUT = """
    location /put { set $value $arg_to; return 200; }
    location /get { return 200 "[$value]"; }
"""


def test_values_are_copied_to_all_machines(store: RedisServer, machines: Machines) -> None:
    one, other = machines(2, PUT, KEYVAL.format(store=store.url))
    one.request("GET /put?key=a&to=1")
    assert one.request("GET /get?key=a").body == b"[1]"
    wait_for("the copy", lambda: other.request("GET /get?key=a").body == b"[1]")
    other.request("GET /put?key=a&to=2")
    wait_for("the copy", lambda: one.request("GET /get?key=a").body == b"[2]")


def test_values_are_read_without_the_store_and_set_for_later(
    store: RedisServer, machines: Machines
) -> None:
    one, other = machines(2, PUT, KEYVAL.format(store=store.url))
    one.request("GET /put?key=a&to=1")
    wait_for("the copy", lambda: other.request("GET /get?key=a").body == b"[1]")
    store.kill()
    for machine in (one, other):
        wait_until(machine, "DOWN")
    assert other.request("GET /get?key=a").body == b"[1]"
    one.request("GET /put?key=b&to=2")
    assert other.request("GET /get?key=b").body == b"[]"
    store.start()  # without what it had
    wait_for("the copy", lambda: other.request("GET /get?key=b").body == b"[2]")
    with store.client() as client:
        wait_for("all of it", lambda: client.hlen("pyngx:revoked:map") == 2)


def test_values_that_are_removed(store: RedisServer, machines: Machines) -> None:
    api = "location /api/ { api write=on; }"
    one, other = machines(2, PUT + api, KEYVAL.format(store=store.url))
    one.request("GET /put?key=a&to=1")
    wait_for("the copy", partial(has, other, "a", b"[1]"))
    other.request("DELETE /api/9/http/keyvals/revoked")  # all of them
    one.request("GET /put?key=b&to=1")
    wait_for("the copy", partial(has, other, "b", b"[1]"))
    body = '{"b": null}'
    assert other.request("PATCH /api/9/http/keyvals/revoked", body=body).status == 204
    for key in "ab":
        wait_for("the end of it", partial(has, one, key, b"[]"))


def test_records_that_are_none(store: RedisServer, machines: Machines) -> None:
    """They are passed over; what comes after them is followed."""
    one, other = machines(2, PUT, KEYVAL.format(store=store.url))
    with store.client() as client:
        client.hset("pyngx:revoked:map", "x", "nothing")
        client.xadd("pyngx:revoked:map:log", {"k": "x", "r": "nothing"})
    one.request("GET /put?key=a&to=1")
    wait_for("the copy", partial(has, other, "a", b"[1]"))
    with store.client() as client:
        client.xadd("pyngx:revoked:map:log", {"k": "x"})  # the map is read again
        client.delete("pyngx:revoked:map:log")
    one.request("GET /put?key=b&to=1")
    wait_for("the copy", partial(has, other, "b", b"[1]"))


def has(machine: Nginx, key: str, value: bytes) -> bool:
    return machine.request(f"GET /get?key={key}").body == value


def test_a_new_machine_gets_all_values(
    store: RedisServer, machines: Machines, tmp_path: Path
) -> None:
    (one,) = machines(1, PUT, KEYVAL.format(store=store.url))
    for number in range(20):
        one.request(f"GET /put?key=k{number}&to={number}")
    with store.client() as client, client.pipeline() as pipe:
        for number in range(20, 1200):  # more than one step of a copy
            pipe.hset("pyngx:revoked:map", f"k{number}", b"%014d=%d" % (0, number))
        pipe.execute()
    prefix = tmp_path / "late"
    prefix.mkdir()
    late = Nginx(prefix)
    late(PUT + UP, http=KEYVAL.format(store=store.url))
    try:
        for number in (0, 19, 700, 1199):
            wait_for(f"k{number}", partial(has, late, f"k{number}", f"[{number}]".encode()))
    finally:
        late.stop()


def revoked(store: RedisServer, count: int, size: int = 20) -> None:
    """Puts so many values in the map, as machines do, and that of "last" after them."""
    with store.client() as client:
        names = [*(f"{n:0{size}}" for n in range(count)), "last"]
        record = b"%014d=1" % (10**14 - 1)
        changes = client.pipeline()
        changes.hset("pyngx:one:map", mapping=dict.fromkeys(names, record))
        changes.xadd("pyngx:one:map:log", {"k": "last", "r": record})
        changes.execute()  # a machine may have copied the map already


GET = """
    location /get { return 200 "[$value]"; }
    location /set { set $value $arg_v; return 200; }
    location /ready { pyngx_health ready; }
    location /pid { return 200 $pid; }
    location /metrics { pyngx_metrics; }
"""


def values(url: str, more: str = "", size: str = "1m") -> str:
    return f"""
        pyngx_zone_store {url};
        keyval_zone zone=one:{size} sync {more};
        keyval $arg_k $value zone=one;
        log_format values "[$value] $status";
        access_log values.log values;
    """


def test_a_machine_serves_when_it_has_the_copy(store: RedisServer, machines: Machines) -> None:
    """The first request already sees the last value."""
    revoked(store, 2000)
    one = machines.start(GET, values(store.url))
    assert one.request("GET /get?k=last").text == "[1]"
    assert one.request("GET /up").text == "UP"
    assert one.request("GET /ready").status == 200


def test_workers_serve_when_the_machine_has_the_copy(
    store: RedisServer, machines: Machines
) -> None:
    """One of them makes it, and all know."""
    revoked(store, 2000)
    one = machines.start(GET, values(store.url, "fallback=deny"), main="worker_processes 2;")
    for _ in range(20):
        assert one.request("GET /get?k=last").text == "[1]"


@pytest.mark.parametrize("where", ["zone", "store"])
def test_what_was_never_copied_is_not_known(
    store: RedisServer, machines: Machines, where: str
) -> None:
    """With "deny", requests that need it wait for the store."""
    revoked(store, 1)
    store.kill()
    http = values(store.url, "fallback=deny")
    if where == "store":
        http = values(f"{store.url} fallback=deny")
    one = machines.start(GET, http)
    one.wait_for_log('has not been copied yet: the zones "one"')
    assert one.request("GET /get?k=last").status == 503
    assert one.request("GET /up").text == "DOWN"
    reason = r"the zone \"one\" is not copied from the zone store yet"
    assert reason in one.request("GET /ready").text
    one.wait_for_log('keyval_zone "one" lacks values of the zone store')
    assert 'pyngx_zone_store_copy_complete{zone="one"} 0' in one.request("GET /metrics").text
    store.start()
    revoked(store, 1)
    wait_until(one, "UP")
    wait_for("the value", lambda: one.request("GET /get?k=last").text == "[1]")
    assert one.request("GET /ready").status == 200
    assert "unexpected error" not in one.error_log()


def test_what_was_never_copied_is_not_known_in_stream(
    store: RedisServer, machines: Machines
) -> None:
    store.kill()
    one = machines.start(
        "",
        f"pyngx_zone_store {store.url};",
        main="""
            stream {
                keyval_zone zone=one:1m sync fallback=deny;
                keyval key $value zone=one;
                log_format values "[$value] $status";
                access_log values.log values;
                server { listen 127.0.0.1:%%PORT_stream%%; return "[$value]"; }
            }""",
    )
    assert one.raw(b"", "stream") == b""
    wait_for("the log", lambda: one.read("values.log") == "[-] 503\n")
    store.start()
    wait_until(one, "UP")
    wait_for("an answer", lambda: one.raw(b"", "stream") == b"[]")


def test_what_was_never_copied_is_read_with_local(store: RedisServer, machines: Machines) -> None:
    store.kill()
    one = machines.start(GET, values(store.url))
    assert one.request("GET /get?k=last").text == "[]"
    assert one.request("GET /ready").status == 503


def test_a_copy_outlives_the_store_and_a_reload(store: RedisServer, machines: Machines) -> None:
    """Not so that of another store."""
    revoked(store, 1)
    http = values(store.url, "fallback=deny")
    one = machines.start(GET, http)
    assert one.request("GET /get?k=last").text == "[1]"
    store.kill()
    wait_until(one, "DOWN")
    one.reload(GET + UP, http=http)
    assert one.request("GET /get?k=last").text == "[1]"
    one.reload(GET + UP, http=values(f"{store.url} prefix=x:", "fallback=deny"))
    assert one.request("GET /get?k=last").status == 503


@pytest.mark.parametrize("fallback", ["local", "deny"])
def test_a_copy_without_room(store: RedisServer, machines: Machines, fallback: str) -> None:
    """What is missing is not missed in silence."""
    one = machines.start(GET, values(store.url, f"fallback={fallback}", size="32k"))
    assert one.request("GET /get?k=1").text == "[]"
    large = machines.start(GET, values(store.url))
    for number in range(300):
        assert large.request(f"GET /set?v=1&k={number:0200}").status == 200
    wait_until(one, "SYNC")
    one.wait_for_log('has changes of the zone "one" for which the zone has no room')
    assert large.request("GET /up").text == "UP"
    found = one.request("GET /get?k=x")
    assert (found.status, found.text) == (200, "[]") if fallback == "local" else found.status == 503
    assert one.request("GET /ready").status == (200 if fallback == "local" else 503)
    wait_for("the count", lambda: b"lost_changes_total{" in one.request("GET /metrics").body)


def test_a_copy_that_a_new_machine_has_no_room_for(store: RedisServer, machines: Machines) -> None:
    revoked(store, 500, 200)
    one = machines.start(GET, values(store.url, "fallback=deny", size="32k"))
    wait_until(one, "SYNC")
    assert one.request("GET /get?k=x").status == 503
    one.wait_for_log('has changes of the zone "one" for which the zone has no room')


def test_values_that_cannot_be_understood_are_reported(
    store: RedisServer, machines: Machines
) -> None:
    with store.client() as client:
        client.hset("pyngx:one:map", "last", "1")
    one = machines.start(GET, values(store.url))
    one.wait_for_log('has values of the zone "one" that cannot be understood')


def goes_to(machine: Nginx, session: str, server: bytes) -> bool:
    said = {machine.request(f"GET /?session={session}").body for _ in range(4)}
    return said == {server}


def test_sessions_are_copied_to_all_machines(store: RedisServer, machines: Machines) -> None:
    http = f"""
        pyngx_zone_store {store.url};
        upstream u {{
            server 127.0.0.1:%%PORT_a%% route=a;
            server 127.0.0.1:%%PORT_b%% route=b;
            sticky learn create=$upstream_http_x_session lookup=$arg_session
                zone=sessions:1m sync;
        }}
        server {{ listen 127.0.0.1:%%PORT_a%%; add_header X-Session $arg_new; return 200 a; }}
        server {{ listen 127.0.0.1:%%PORT_b%%; add_header X-Session $arg_new; return 200 b; }}
    """
    one, other = machines(2, "location / { proxy_pass http://u; }", http)
    # Servers of a group have the same addresses on all machines; here only their names are.
    for session in ("s1", "s2", "s3", "s4"):
        begun = one.request(f"GET /?new={session}").body
        wait_for("four in a row", partial(goes_to, other, session, begun))


@pytest.mark.parametrize(
    ("http", "message"),
    [
        (
            "limit_req_zone $arg_a zone=one:1m rate=1r/s sync;",
            'the parameter "sync" of the zone "one" needs a Redis or Valkey server: add '
            '"pyngx_zone_store redis://HOST;" to the "http" block',
        ),
        (
            "limit_req_zone $arg_a zone=one:1m rate=1r/s fallback=deny;",
            '"fallback" needs the parameter "sync"',
        ),
        (
            "limit_req_zone $arg_a zone=one:1m rate=1r/s sync fallback=x;",
            'invalid parameter "fallback=x"',
        ),
        ("limit_conn_zone $arg_a zone=one:1m x;", 'invalid parameter "x"'),
        ("keyval_zone zone=one:1m sync fallback=x;", 'invalid parameter "fallback=x"'),
        ("keyval_zone zone=one:1m fallback=deny;", '"fallback" needs the parameter "sync"'),
        ("pyngx_zone_store http://x;", 'invalid URL in "http://x"'),
        ("pyngx_zone_store redis://x timeout=0;", 'invalid parameter "timeout=0"'),
        ("pyngx_zone_store redis://x fallback=no;", 'invalid parameter "fallback=no"'),
        ("pyngx_zone_store redis://x y=z;", 'invalid parameter "y"'),
        ("pyngx_zone_store redis://x prefix=a prefix=b;", 'invalid parameter "prefix"'),
        ("pyngx_zone_store redis://x?db=1;", 'invalid URL "redis://x": it can have no parameters'),
        ("pyngx_zone_store redis://;", 'invalid URL "redis://": no host'),
        ("pyngx_zone_store redis://x/y;", 'invalid URL "redis://x/y": invalid database'),
        ("pyngx_zone_store redis://x:0;", 'invalid URL "redis://x:0": invalid port'),
        ("pyngx_zone_store unix://x;", 'invalid URL "unix://x": no path'),
        (
            "pyngx_zone_store redis://x,y;",
            'invalid URL "redis://x,y": several hosts need redis+sentinel:// or redis+cluster://',
        ),
        (
            "pyngx_zone_store redis+sentinel://x;",
            'invalid URL "redis+sentinel://x": no service name after the hosts',
        ),
        (
            "pyngx_zone_store redis+cluster://x/1;",
            'invalid URL "redis+cluster://x/1": a cluster has no databases',
        ),
        (
            "pyngx_zone_store redis+cluster://x prefix=a:;",
            'the prefix "a:" has no hash tag, such as in "{pyngx}:"',
        ),
        (
            "pyngx_zone_store redis://x trusted_certificate=ca.pem;",
            '"trusted_certificate" needs a URL with "rediss"',
        ),
        (
            "pyngx_zone_store rediss://x certificate=a.pem;",
            '"certificate" and "certificate_key" must be specified together',
        ),
        (
            "pyngx_zone_store redis://x sentinel_password_file=a;",
            '"sentinel_password_file" needs a URL with "+sentinel"',
        ),
        (
            "pyngx_zone_store redis://x user=a;",
            'the user "a" needs a password, such as in "password_file"',
        ),
        (
            "pyngx_zone_store redis://:a@x password_file=a;",
            "the password is both in the URL and in a file",
        ),
        (
            "pyngx_zone_store redis://x password_file=none;",
            'cannot read the password file "%%DIR%%/none": No such file or directory',
        ),
        (
            "pyngx_zone_store redis://x; pyngx_zone_store redis://y;",
            '"pyngx_zone_store" directive is duplicate',
        ),
    ],
)
def test_rejected(nginx: Nginx, http: str, message: str) -> None:
    nginx.rejects(message=message, http=http, line=1)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("redis://u:secret@x:y", 'invalid URL "redis://x:y": invalid port'),
        ("http://u:secret@x", 'invalid URL in "http://x"'),
        (
            "redis://u:secret@x?a=secret",
            'invalid URL "redis://x": it can have no parameters',
        ),
        ("redis://u:se#cret/@x/y", 'invalid URL "redis://x/y": invalid database'),
    ],
)
def test_secrets_are_not_shown(nginx: Nginx, url: str, message: str) -> None:
    nginx.rejects(message=message, http=f'pyngx_zone_store "{url}";')


def test_what_needs_the_store_has_a_place(nginx: Nginx) -> None:
    nginx.rejects(
        message=re.compile('the parameter "sync" of the zone "one" needs .*'),
        line=2,
        http="limit_req_zone $arg_a zone=two:1m rate=1r/s;\nkeyval_zone zone=one:1m sync;",
    )


STREAM = """
    stream {{
        {directive}
        keyval_zone zone=revoked:1m sync timeout=1h;
        keyval $remote_addr $value zone=revoked;
        limit_conn_zone $remote_addr zone=streams:1m sync;
        server {{ listen 127.0.0.1:%%PORT_put%%; set $value by_stream; return done; }}
        server {{ listen 127.0.0.1:%%PORT_get%%; return "[$value]"; }}
        server {{
            listen 127.0.0.1:%%PORT_held%%; limit_conn streams 2; proxy_pass unix:{path};
        }}
        server {{ listen 127.0.0.1:%%PORT_more%%; limit_conn streams 2; return "let in"; }}
    }}"""


@pytest.mark.parametrize("level", ["main", "http", "stream"])
def test_one_store_for_http_and_stream(
    store: RedisServer, machines: Machines, slow: Slow, level: str
) -> None:
    """It may stand after what uses it."""
    directive = f"pyngx_zone_store {store.url};"
    where = {name: directive if name == level else "" for name in ("main", "http", "stream")}
    main = STREAM.format(directive=where["stream"], path=slow.path) + where["main"]
    http = "limit_req_zone $arg_key zone=one:1m rate=1r/m sync;" + where["http"]
    one, other = machines(2, LIMITED, http, main=main)
    assert one.raw(b"", "put") == b"done"
    wait_for("the value", lambda: other.raw(b"", "get") == b"[by_stream]")
    assert statuses([one, other], "/x?key=a", 7) == [200] * 5 + [503] * 2
    with ExitStack() as ends:
        for machine in (one, other):
            wire = ends.enter_context(machine.connect("held")).wire
            wire.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert slow.asked.acquire(timeout=DEADLINE)
        assert one.raw(b"", "more") == b""
        other.raw(b"", "more")
        other.wait_for_log('limiting connections by zone "streams"')
        slow.go_on.set()
    wait_for("the end", lambda: one.raw(b"", "more") == b"let in")


def test_without_the_store_in_stream(store: RedisServer, machines: Machines, slow: Slow) -> None:
    directive = f"pyngx_zone_store {store.url} fallback=deny;"
    (one,) = machines(1, "", "", main=STREAM.format(directive=directive, path=slow.path))
    assert one.raw(b"", "more") == b"let in"
    store.kill()
    wait_until(one, "DOWN")
    assert one.raw(b"", "more") == b""
    one.wait_for_log('limiting connections by zone "streams": the zone store is down')
