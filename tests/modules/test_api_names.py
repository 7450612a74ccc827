"""api: servers of groups whose names are resolved at run time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from ..nameserver import NameServer, Step
from ..nginx import Nginx
from .test_api import API, fault, get, send
from .test_upstream_resolve import UP, at, services, wait_for

pytestmark = pytest.mark.pyngx_only("nginx has no API, and that of NGINX Plus is not at hand")
PASSING = f"location / {{ proxy_pass http://u; add_header X-Addr $upstream_addr always; }} {API}"
SERVERS = "/http/upstreams/u/servers"
RESOLVER = "resolver 127.0.0.1:%%PORT_dns%% ipv6=off;"


def begin(nginx: Nginx, group: str, zone: dict[str, Step | list[Step]]) -> NameServer:
    names = nginx.names("dns", zone)
    nginx(
        PASSING,
        http=f"{RESOLVER} upstream u {{ zone u 64k; {group} }}",
        servers=UP,
        main="worker_processes 2;",
        files={"servers.conf": ""},
    )
    return names


def until(find: Callable[[], Any], wanted: Any) -> None:
    deadline = time.monotonic() + 30
    while (found := find()) != wanted:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def listed(nginx: Nginx) -> list[tuple[int, str, str | None]]:
    return [(one["id"], one["server"], one.get("parent")) for one in get(nginx, SERVERS)]


def test_names_of_the_configuration(nginx: Nginx) -> None:
    """The name is a server, which cannot be sent anything, and its addresses are servers."""
    begin(nginx, "server a.example:%%PORT_up%% resolve weight=3;", {"a.example": at(2, 3)})
    wait_for(nginx, "127.0.0.2", "127.0.0.3")
    name, port = nginx.filled("a.example:%%PORT_up%%"), nginx.port("up")
    assert listed(nginx) == [
        (0, name, None),
        (1, f"127.0.0.2:{port}", "0"),
        (2, f"127.0.0.3:{port}", "0"),
    ]
    assert get(nginx, f"{SERVERS}/2")["host"] == "a.example"
    peers = get(nginx, "/http/upstreams/u")["peers"]
    assert [(one["id"], one["name"], one["weight"]) for one in peers] == [
        (1, name, 3),
        (2, name, 3),
    ]


def test_changes(nginx: Nginx) -> None:
    """Those of a name are those of its addresses, which have some of their own."""
    begin(nginx, "server a.example:%%PORT_up%% resolve;", {"a.example": at(2, 3)})
    wait_for(nginx, "127.0.0.2", "127.0.0.3")
    assert send(nginx, "PATCH", f"{SERVERS}/0", {"weight": 4, "max_fails": 7}).status == 200
    found = get(nginx, SERVERS)
    assert [(one["weight"], one["max_fails"]) for one in found] == [(4, 7)] * 3
    assert send(nginx, "PATCH", f"{SERVERS}/2", {"down": True}).status == 200
    wait_for(nginx, "127.0.0.2")
    refused = send(nginx, "PATCH", f"{SERVERS}/2", {"server": "127.0.0.9:1"})
    assert fault(refused)[1:] == ("UpstreamServerImmutable", 'server "2" address is immutable')
    refused = send(nginx, "DELETE", f"{SERVERS}/2")
    assert fault(refused)[1:] == ("UpstreamServerImmutable", 'server "2" not removable')
    refused = send(nginx, "PATCH", f"{SERVERS}/0", {"server": "b.example:1"})
    assert fault(refused)[1] == "UpstreamServerImmutable"
    assert json.loads(send(nginx, "DELETE", f"{SERVERS}/0").text) == []
    assert nginx.request("GET /").status == 502


def test_a_name_is_added(nginx: Nginx) -> None:
    """By any worker; one resolves it, and again, until it is removed."""
    names = begin(nginx, "server 127.0.0.9:%%PORT_up%%;", {"b.example": at(2)})
    name = nginx.filled("b.example:%%PORT_up%%")
    made = send(nginx, "POST", SERVERS, {"server": name, "max_conns": 9})
    assert made.status == 201 and json.loads(made.text)["server"] == name
    wait_for(nginx, "127.0.0.2", "127.0.0.9")
    number = json.loads(made.text)["id"]
    child = get(nginx, SERVERS)[-1]
    assert (child["parent"], child["host"], child["max_conns"]) == (str(number), "b.example", 9)
    names.zone["b.example"] = at(3, 4)
    wait_for(nginx, "127.0.0.3", "127.0.0.4", "127.0.0.9")
    assert send(nginx, "DELETE", f"{SERVERS}/{number}").status == 200
    wait_for(nginx, "127.0.0.9")
    assert [one[0] for one in listed(nginx)] == [0]
    asked = names.asked["A b.example"]
    again = send(nginx, "POST", SERVERS, {"server": name})
    names.wait_until_asked("A b.example", asked + 1)
    assert json.loads(again.text)["id"] > child["id"]


def test_a_service(nginx: Nginx) -> None:
    """Its records have the ports and weights."""
    up = nginx.port("up")
    records = services(f"1 3 {up} b.example", f"1 1 {up} c.example")
    zone: dict[str, Step | list[Step]] = {
        "_http._tcp.s.example": records,
        "b.example": at(2),
        "c.example": at(3),
    }
    begin(nginx, "server 127.0.0.9:%%PORT_up%%;", zone)
    made = send(nginx, "POST", SERVERS, {"server": "s.example", "service": "http"})
    assert json.loads(made.text)["service"] == "http"
    wait_for(nginx, "127.0.0.2", "127.0.0.3", "127.0.0.9")
    assert [(one["id"], one["weight"]) for one in get(nginx, SERVERS)] == [
        *((0, 1), (1, 1), (2, 3), (3, 1))
    ]
    assert get(nginx, f"{SERVERS}/2")["host"] == "s.example"
    peers = get(nginx, SERVERS.removesuffix("/servers"))["peers"]
    assert [peer.get("service") for peer in peers] == [None, "http", "http"]
    refused = send(nginx, "PATCH", f"{SERVERS}/2", {"weight": 9})
    code, text = "UpstreamServerWeightImmutable", 'server "2" weight is immutable'
    assert fault(refused) == (400, code, text)
    assert send(nginx, "PATCH", f"{SERVERS}/1", {"weight": 2}).status == 200
    until(lambda: [one["weight"] for one in get(nginx, SERVERS)], [1, 2, 2, 2])


def test_a_change_ends_with_the_address(nginx: Nginx) -> None:
    """An address that comes again is another server."""
    names = begin(nginx, "server a.example:%%PORT_up%% resolve;", {"a.example": at(2, 3)})
    wait_for(nginx, "127.0.0.2", "127.0.0.3")
    assert send(nginx, "PATCH", f"{SERVERS}/2", {"down": True}).status == 200
    names.zone["a.example"] = at(2)
    until(lambda: [one[0] for one in listed(nginx)], [0, 1])
    names.zone["a.example"] = at(2, 3)
    wait_for(nginx, "127.0.0.2", "127.0.0.3")


def test_the_state_file(nginx: Nginx) -> None:
    """It has the names, and not what they stand for today."""
    begin(nginx, "state servers.conf;", {"b.example": at(2)})
    name = nginx.filled("b.example:%%PORT_up%%")
    assert send(nginx, "POST", SERVERS, {"server": name, "weight": 2}).status == 201
    wait_for(nginx, "127.0.0.2")
    assert send(nginx, "PATCH", f"{SERVERS}/1", {"max_fails": 3}).status == 200
    assert nginx.read("servers.conf") == f"server {name} resolve weight=2;\n"
    group = f"{RESOLVER} upstream u {{ zone u 64k; state servers.conf; }}"
    nginx.reload(PASSING, http=group)
    wait_for(nginx, "127.0.0.2")
    assert listed(nginx)[0][1] == name
