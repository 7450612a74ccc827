"""pyngx_zone_store: TLS, passwords and users, databases, Sentinel and Redis Cluster."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from ..authority import Authority
from ..ports import free_port
from ..process.server import wait_for
from ..redis_server import (
    Machines,
    RedisServer,
    machines_in,
    redis_server,
    statuses,
    wait_until,
)

pytestmark = pytest.mark.pyngx_only("zones are shared between machines by pyngx")
SECRET = "s3cr3t:/?#@"
LIMITED = "location /x { limit_req zone=one burst=4 nodelay; empty_gif; }"
WHOLE = """
    pyngx_zone_store {store} timeout=2s;
    limit_req_zone $arg_key zone=one:1m rate=1r/m sync;
    limit_conn_zone $arg_key zone=two:1m sync;
    keyval_zone zone=values:1m timeout=1h sync;
    keyval $arg_key $value zone=values;
"""
LOCATIONS = """
    location /x { limit_conn two 5; limit_req zone=one burst=4 nodelay; empty_gif; }
    location /put { set $value $arg_to; return 200; }
    location /get { return 200 "[$value]"; }
"""


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Machines]:
    with machines_in(tmp_path) as machines:
        yield machines


def check(machines: Machines, store: str) -> None:
    """Two machines share all that can be shared."""
    one, other = machines(2, LOCATIONS, WHOLE.format(store=store))
    assert statuses([one, other], "/x?key=a", 7) == [200] * 5 + [503] * 2
    one.request("GET /put?key=a&to=1")
    wait_for("the value", lambda: other.request("GET /get?key=a").body == b"[1]")
    for machine in (one, other):
        assert SECRET not in machine.error_log()
        assert "cannot be used" not in machine.error_log()


# -- passwords, users and databases -----------------------------------------------------------


def test_a_password(tmp_path: Path, machines: Machines) -> None:
    (tmp_path / "password").write_text(f"{SECRET}\nanother line\n")
    with redis_server(tmp_path, "--requirepass", SECRET) as server:
        check(machines, f"{server.url} password_file={tmp_path}/password")


def test_a_password_in_the_url(tmp_path: Path, machines: Machines) -> None:
    with redis_server(tmp_path, "--requirepass", SECRET) as server:
        check(machines, f'"unix://:s3cr3t%3A%2F%3F%23%40@{server.path}?db=3"')
        with server.client(password=SECRET, db=3) as client:
            assert client.hget("pyngx:values:map", "a")


# What a user is allowed to do; docs/sharing.md has it.
RULES = (
    "~pyngx:* resetchannels -@all +script|load +evalsha +eval +select +time +get +set +exists "
    "+expire +hgetall +hincrby +hdel +hset +hsetnx +hget +hscan +xadd +xread +xrevrange"
)


def test_a_user_who_may_do_nothing_else(tmp_path: Path, machines: Machines) -> None:
    (tmp_path / "password").write_text(SECRET)
    (tmp_path / "users").write_text(f"user default off\nuser gate on >{SECRET} {RULES}\n")
    with redis_server(tmp_path, "--aclfile", f"{tmp_path}/users") as server:
        check(machines, f"{server.url}?db=2 user=gate password_file={tmp_path}/password")


def test_the_rules_are_documented() -> None:
    text = (Path(__file__).parents[2] / "docs/sharing.md").read_text()
    assert RULES.replace(" ", "") in text.replace("\n", "").replace(" ", "")


@pytest.mark.parametrize("password", ["", "wrong"])
def test_a_wrong_password(tmp_path: Path, machines: Machines, password: str) -> None:
    (tmp_path / "password").write_text(password or "-")
    parameter = f"password_file={tmp_path}/password" if password else ""
    with redis_server(tmp_path, "--requirepass", SECRET) as server:
        http = WHOLE.format(store=f"{server.url} fallback=deny {parameter}")
        machine = machines.start(LOCATIONS, http)
        machine.wait_for_log(r"cannot be used \((WRONGPASS|NOAUTH) ")
        assert machine.request("GET /x?key=a").status == 503
        assert password == "" or f"({password}" not in machine.error_log()


# -- TLS --------------------------------------------------------------------------------------


class Certificates:
    """An authority, and a server and a client with certificates of it."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self.path = directory
        self.authority = Authority("an authority")
        self.server = Authority("a server", ["store.example"], self.authority)
        client = Authority("a client", issuer=self.authority)
        files = {
            "ca.pem": self.authority.pem,
            "server.pem": self.server.pem,
            "server.key": self.server.key_pem(),
            "client.pem": client.pem,
            "client.key": client.key_pem(),
            "other.pem": Authority("another authority").pem,
            "none.crl": self.authority.revoked(),
            "server.crl": self.authority.revoked(self.server),
        }
        for name, text in files.items():
            (directory / name).write_text(text)

    @contextlib.contextmanager
    def serve(self, directory: Path, *options: str) -> Iterator[int]:
        port, path = free_port(), self.path
        arguments = [
            *("--tls-port", str(port), "--tls-ca-cert-file", f"{path}/ca.pem"),
            *("--tls-cert-file", f"{path}/server.pem", "--tls-key-file", f"{path}/server.key"),
        ]
        with redis_server(directory, *arguments, *options):
            yield port


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path / "tls")


def test_a_client_with_a_certificate(
    tmp_path: Path, machines: Machines, certificates: Certificates
) -> None:
    path = certificates.path
    with certificates.serve(tmp_path, "--tls-auth-clients", "yes") as port:
        check(
            machines,
            f"rediss://127.0.0.1:{port} trusted_certificate={path}/ca.pem crl={path}/none.crl "
            f"certificate={path}/client.pem certificate_key={path}/client.key "
            "server_name=store.example",
        )


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ("server_name=store.example", "CERTIFICATE_VERIFY"),
        ("trusted_certificate={path}/other.pem server_name=store.example", "CERTIFICATE_VERIFY"),
        ("trusted_certificate={path}/ca.pem", "certificate is not valid for '127.0.0.1'"),
        ("trusted_certificate={path}/ca.pem server_name=x.example", "certificate is not valid for"),
        (
            "trusted_certificate={path}/ca.pem server_name=store.example crl={path}/server.crl",
            "certificate revoked",
        ),
    ],
)
def test_a_server_that_is_not_trusted(
    tmp_path: Path, machines: Machines, certificates: Certificates, parameters: str, reason: str
) -> None:
    with certificates.serve(tmp_path, "--tls-auth-clients", "no") as port:
        words = parameters.format(path=certificates.path)
        http = WHOLE.format(store=f"rediss://127.0.0.1:{port} fallback=deny {words}")
        machine = machines.start(LOCATIONS, http)
        machine.wait_for_log(rf"cannot be used \(.*{reason}")
        assert machine.request("GET /x?key=a").status == 503


def test_a_server_without_tls(tmp_path: Path, machines: Machines) -> None:
    """Nothing is sent to it in clear."""
    port = free_port()
    with redis_server(tmp_path, "--port", str(port)) as server:
        http = WHOLE.format(store=f"rediss://127.0.0.1:{port}")
        machine = machines.start(LOCATIONS, http)
        machine.wait_for_log(r"cannot be used")
        with server.client() as client:
            assert "evalsha" not in client.info("commandstats")
            assert not client.keys()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ("trusted_certificate=none.pem", 'cannot use the files "{dir}/none.pem": '),
        ("crl=none.pem", 'cannot use the files "{dir}/none.pem": '),
        ("certificate=a.pem certificate_key=b.pem", 'cannot use the files "{dir}/a.pem", '),
    ],
)
def test_files_that_are_missing(machines: Machines, files: str, message: str) -> None:
    from ..nginx import Nginx

    nginx: Nginx = machines.new()
    output = nginx.refused(http=f"pyngx_zone_store rediss://x {files};")
    assert message.format(dir=nginx.prefix) in output
    assert "No such file" in output


# -- Sentinel ---------------------------------------------------------------------------------


def test_sentinel(tmp_path: Path, machines: Machines) -> None:
    """The server that takes the place of another is found."""
    first, second, watching = free_port(), free_port(), free_port()
    conf = tmp_path / "sentinel.conf"
    conf.write_text(
        f"port {watching}\nrequirepass watch\nsentinel monitor main 127.0.0.1 {first} 1\n"
        "sentinel down-after-milliseconds main 300\nsentinel failover-timeout main 2000\n"
        f'sentinel auth-pass main "{SECRET}"\n'
    )
    (tmp_path / "password").write_text(SECRET)
    (tmp_path / "watch").write_text("watch")
    secret = ("--requirepass", SECRET, "--masterauth", SECRET)
    with (
        redis_server(tmp_path, "--port", str(first), *secret, name="first") as primary,
        redis_server(
            tmp_path,
            *("--port", str(second), "--replicaof", f"127.0.0.1 {first}"),
            *secret,
            name="second",
        ) as replica,
        redis_server(tmp_path, str(conf), "--sentinel", name="sentinel") as sentinel,
    ):
        with sentinel.client(password="watch") as client:
            wait_for(
                "the replica",
                lambda: client.execute_command("SENTINEL", "REPLICAS", "main") != [],
            )
        store = f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{watching}/main/1"
        check(
            machines,
            f"{store} password_file={tmp_path}/password "
            f"sentinel_password_file={tmp_path}/watch fallback=deny",
        )
        one, other = machines.all
        with replica.client(password=SECRET, db=1) as client:
            wait_for("the copy", lambda: client.hget("pyngx:values:map", "a"))
        primary.kill()
        for machine in (one, other):
            wait_until(machine, "DOWN")
        for machine in (one, other):
            wait_until(machine, "UP")
        assert statuses([one, other], "/x?key=b", 7) == [200] * 5 + [503] * 2
        with replica.client(password=SECRET, db=1) as client:
            assert client.role()[0] == b"master" and client.keys("pyngx:one:rate:*")


def test_a_service_that_the_sentinel_does_not_know(tmp_path: Path, machines: Machines) -> None:
    port, conf = free_port(), tmp_path / "sentinel.conf"
    conf.write_text(f"port {port}\n")
    with redis_server(tmp_path, str(conf), "--sentinel"):
        http = WHOLE.format(store=f"redis+sentinel://127.0.0.1:{port}/main")
        machine = machines.start(LOCATIONS, http)
        machine.wait_for_log(r'cannot be used \(the Sentinel knows no "main"\)')


# -- Redis Cluster ----------------------------------------------------------------------------


class Cluster:
    """Two nodes, of which each has half of the slots."""

    def __init__(self, directory: Path, ends: contextlib.ExitStack) -> None:
        self.ports, buses = [free_port(), free_port()], [free_port(), free_port()]
        self.nodes: list[RedisServer] = []
        for number, port in enumerate(self.ports):
            options = ["--port", str(port), "--cluster-port", str(buses[number])]
            options += ["--cluster-enabled", "yes", "--cluster-config-file", f"nodes{number}"]
            name = f"node{number}"
            self.nodes.append(ends.enter_context(redis_server(directory, *options, name=name)))
        self.clients = [ends.enter_context(node.client()) for node in self.nodes]
        first, second = self.clients
        first.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 8191)
        second.execute_command("CLUSTER", "ADDSLOTSRANGE", 8192, 16383)
        first.execute_command("CLUSTER", "MEET", "127.0.0.1", self.ports[1], buses[1])
        self.ids = [client.execute_command("CLUSTER", "MYID") for client in self.clients]
        for client in self.clients:
            wait_for("the cluster", partial(self._is_ok, client))

    def _is_ok(self, client: Any) -> bool:
        found: bytes = client.execute_command("CLUSTER", "INFO")
        return b"cluster_state:ok" in found

    def move(self, slot: int, target: int) -> None:
        """Without the keys in it, as if they had been lost."""
        for client in self.clients:
            client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", self.ids[target])


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with contextlib.ExitStack() as ends:
        yield Cluster(tmp_path, ends)


@pytest.mark.parametrize("seed", [0, 1])
def test_cluster(machines: Machines, cluster: Cluster, seed: int) -> None:
    """The node with the keys is found, by any other, and again when they move."""
    check(machines, f"redis+cluster://127.0.0.1:{cluster.ports[seed]} fallback=deny")
    slot = int(cluster.clients[0].execute_command("CLUSTER", "KEYSLOT", "{pyngx}:"))
    holder = slot // 8192
    names = cluster.clients[holder].keys()
    assert names and all(name.startswith(b"{pyngx}:") for name in names)
    cluster.clients[holder].flushall()
    cluster.move(slot, 1 - holder)
    one, other = machines.all
    one.request("GET /x?key=other")  # finds that the slot has moved
    for machine in (one, other):
        machine.request("GET /x?key=other")
        wait_until(machine, "UP")
    wait_for("the keys", lambda: cluster.clients[1 - holder].keys() != [])
    assert statuses([one, other], "/x?key=z", 7) == [200] * 5 + [503] * 2


def test_a_node_of_a_cluster_as_a_server(machines: Machines, cluster: Cluster) -> None:
    """Its error is in the log."""
    store = f"redis://127.0.0.1:{cluster.ports[0]}"
    http = f"""
        pyngx_zone_store {store};
        limit_req_zone $arg_key zone=one:1m rate=1r/m sync;
        limit_req_zone $arg_key zone=two:1m rate=1r/m sync;"""
    location = "location /x { limit_req zone=one; limit_req zone=two; empty_gif; }"
    machine = machines.start(location, http)

    keys = count()

    def complaint() -> str:
        machine.request(f"GET /x?key={next(keys)}")  # one that is over its limit here is not sent
        return machine.error_log()

    wait_for("the error", lambda: re.search(r"cannot be used \((CROSSSLOT|MOVED) ", complaint()))
