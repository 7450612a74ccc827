"""api: statistics as JSON, and changes of groups and key-value databases."""

from __future__ import annotations

import json
import stat
import time
from typing import Any

import pytest

from ..nginx import Nginx
from ..wire import DEADLINE, Answer

pytestmark = pytest.mark.pyngx_only("nginx has no API, and that of NGINX Plus is not at hand")
API = "location /api/ { api write=on; }"
READ_ONLY = "location /api/ { api; }"
GROUP = """
    upstream backend {
        zone backend 64k;
        server 127.0.0.1:%%PORT_one%%;
        server 127.0.0.1:%%PORT_two%% backup;
    }
    """
ANSWERS = tuple(
    f"listen 127.0.0.1:%%PORT_{name}%%; return 200 {name};" for name in ("one", "two", "three")
)


UNPLAIN = "\0\t\n \"#$';\\{}\x7f"


def get(nginx: Nginx, path: str, status: int = 200) -> Any:
    answer = nginx.request(f"GET /api/9{path}")
    assert answer.status == status, answer.text
    assert answer.get("Content-Type") == "application/json"
    return json.loads(answer.text)


def send(nginx: Nginx, method: str, path: str, value: object = None) -> Answer:
    body = "" if value is None else value if isinstance(value, str) else json.dumps(value)
    return nginx.request(f"{method} /api/9{path}", f"Content-Length: {len(body)}", body=body)


def fault(answer: Answer) -> tuple[int, str, str]:
    found = json.loads(answer.text)
    assert found["error"]["status"] == answer.status
    assert len(found["request_id"]) == 32 and found["href"].startswith("https://nginx.org/")
    return answer.status, found["error"]["code"], found["error"]["text"]


def status_of(code: str) -> int:
    return 415 if code == "JsonError" else 400


def test_the_tree(nginx: Nginx) -> None:
    nginx(f"status_zone site; {READ_ONLY}", http=GROUP)
    assert json.loads(nginx.request("GET /api/").text) == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    top = get(nginx, "/")
    assert top == [
        *("nginx", "processes", "connections", "slabs", "http", "resolvers", "ssl", "workers"),
    ]
    inside = get(nginx, "/http")
    assert {"requests", "server_zones", "upstreams", "keyvals"} <= set(inside)
    for name in top:
        get(nginx, f"/{name}/")
    for name in inside:
        get(nginx, f"/http/{name}")
    assert json.loads(nginx.request("GET /api/1/nginx").text)["generation"] == 1
    assert get(nginx, "/connections")["active"] == 1
    assert get(nginx, "/http/requests")["current"] == 1


def test_the_server(nginx: Nginx) -> None:
    nginx(READ_ONLY, main="worker_processes 2;")
    found = get(nginx, "/nginx")
    assert set(found) == {
        *("version", "build", "address", "generation", "load_timestamp", "timestamp"),
        *("pid", "ppid"),
    }
    assert found["address"] == "127.0.0.1" and found["build"].startswith("pyngx-")
    assert found["load_timestamp"] <= found["timestamp"] and found["timestamp"].endswith("Z")
    chosen = get(nginx, "/nginx?fields=version,ppid")
    assert chosen == {"version": found["version"], "ppid": found["ppid"]}
    assert get(nginx, "/processes") == {"respawned": 0}
    deadline = time.monotonic() + DEADLINE
    while len(workers := get(nginx, "/workers/")) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert [one["id"] for one in workers] == [0, 1]
    assert get(nginx, "/workers/1")["pid"] == workers[1]["pid"]


def test_workers_are_reset(nginx: Nginx) -> None:
    nginx(API)
    assert get(nginx, "/nginx")
    before = get(nginx, "/workers/0")
    assert before["connections"]["accepted"] == before["http"]["requests"]["total"]
    for path in ("/workers/0", "/workers/"):
        assert send(nginx, "DELETE", path).status == 204
        after = get(nginx, "/workers/")[0]
        assert after["connections"]["accepted"] == after["http"]["requests"]["total"] == 1
    assert get(nginx, "/http/requests")["total"] == before["http"]["requests"]["total"] + 5
    assert fault(send(nginx, "DELETE", "/workers/1"))[:2] == (404, "WorkerNotFound")


def test_slabs(nginx: Nginx) -> None:
    nginx(API, http=GROUP)
    found = get(nginx, "/slabs/backend")
    assert found["slots"] == {} and found["pages"]["used"] + found["pages"]["free"] == 16
    assert send(nginx, "DELETE", "/slabs/backend").status == 204
    assert fault(send(nginx, "DELETE", "/slabs/"))[:2] == (405, "MethodDisabled")


def test_zones(nginx: Nginx) -> None:
    nginx(f"status_zone site; location /a {{ status_zone loc; return 204; }} {READ_ONLY}")
    nginx.request("GET /a")
    zone = get(nginx, "/http/server_zones/site")
    assert zone["requests"] == 2 and zone["processing"] == 1  # with this request
    assert zone["responses"]["2xx"] == zone["responses"]["total"] == 1
    assert zone["responses"]["codes"] == {"204": 1}
    assert get(nginx, "/http/location_zones/")["loc"]["requests"] == 1
    assert get(nginx, "/http/server_zones/?fields=") == ["site"]
    assert get(nginx, "/http/location_zones/?fields=requests") == {"loc": {"requests": 1}}
    error = nginx.request("GET /api/9/http/server_zones/other")
    assert fault(error) == (404, "ServerZoneNotFound", "server zone not found")


def test_reset(nginx: Nginx) -> None:
    nginx(f"status_zone site; {API} location /a {{ status_zone loc; return 204; }}", http=GROUP)
    for _ in range(3):
        nginx.request("GET /a")
    assert get(nginx, "/http/location_zones/loc")["requests"] == 3
    assert send(nginx, "DELETE", "/http/location_zones/loc").status == 204
    zone = get(nginx, "/http/location_zones/loc")
    assert zone["requests"] == 0 and zone["responses"]["codes"] == {}
    assert send(nginx, "DELETE", "/http/upstreams/backend").status == 204
    assert send(nginx, "DELETE", "/connections").status == 204
    assert get(nginx, "/connections")["accepted"] == 1


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("GET /api/9/none", (404, "PathNotFound", "path not found")),
        ("GET /api/9/nginx/more", (404, "PathNotFound", "path not found")),
        ("GET /api/0/nginx", (404, "UnknownVersion", "unknown version")),
        ("GET /api/9/http/upstreams/x", (404, "UpstreamNotFound", "upstream not found")),
        ("GET /api/9/http/caches/x", (404, "CacheNotFound", "cache not found")),
        ("GET /api/9/slabs/x", (404, "SlabNotFound", "slab not found")),
        ("PUT /api/9/nginx", (405, "MethodDisabled", "PUT method disabled")),
        ("DELETE /api/9/nginx", (405, "MethodDisabled", "DELETE method disabled")),
        (
            "GET /api/9/http/upstreams/backend/servers/7",
            (404, "UpstreamServerNotFound", 'server with ID "7" does not exist'),
        ),
        (
            "GET /api/9/http/upstreams/backend/servers/x",
            (400, "UpstreamBadServerId", "invalid server ID"),
        ),
        (
            f"GET /api/9/http/upstreams/backend/servers/{'9' * 5000}",
            (400, "UpstreamBadServerId", "invalid server ID"),
        ),
        (
            f"DELETE /api/9/http/upstreams/backend/servers/{'9' * 20}",
            (400, "UpstreamBadServerId", "invalid server ID"),
        ),
        ("GET /api/9/http/upstreams/lone/servers", (400, "UpstreamStatic", "upstream is static")),
    ],
)
def test_errors(nginx: Nginx, line: str, wanted: tuple[int, str, str]) -> None:
    nginx(API, http=GROUP + "upstream lone { server 127.0.0.1:1; }")
    assert fault(nginx.request(line)) == wanted


def test_without_write(nginx: Nginx) -> None:
    nginx(READ_ONLY, http=GROUP)
    for method in ("POST", "PATCH", "DELETE"):
        answer = send(nginx, method, "/http/upstreams/backend/servers", {"server": "127.0.0.1"})
        assert fault(answer) == (405, "MethodDisabled", f"{method} method disabled")


def test_servers_are_shown(nginx: Nginx) -> None:
    nginx(f"location / {{ proxy_pass http://backend; }} {API}", http=GROUP, servers=ANSWERS)
    assert nginx.request("GET /").text == "one"
    first, second = get(nginx, "/http/upstreams/backend/servers")
    assert first == {
        "id": 0,
        "server": nginx.filled("127.0.0.1:%%PORT_one%%"),
        "weight": 1,
        "max_conns": 0,
        "max_fails": 1,
        "fail_timeout": "10s",
        "slow_start": "0s",
        "route": "",
        "backup": False,
        "down": False,
    }
    assert second["backup"] is True and second["id"] == 1
    assert get(nginx, "/http/upstreams/backend/servers/1") == second
    group = get(nginx, "/http/upstreams/backend")
    assert group["zone"] == "backend"
    peer = group["peers"][0]
    assert (peer["id"], peer["state"], peer["requests"]) == (0, "up", 1)
    assert peer["responses"]["codes"] == {"200": 1} and peer["health_checks"]["checks"] == 0


def test_servers_are_changed(nginx: Nginx) -> None:
    """For all workers, of which any may get a request."""
    nginx(
        f"location / {{ proxy_pass http://backend; }} {API}",
        http=GROUP,
        servers=ANSWERS,
        main="worker_processes 2;",
    )

    def seen() -> set[str]:
        return {nginx.request("GET /").text for _ in range(8)}

    assert seen() == {"one"}
    three = nginx.filled("127.0.0.1:%%PORT_three%%")
    made = send(nginx, "POST", "/http/upstreams/backend/servers/", {"server": three, "weight": 2})
    assert made.status == 201
    assert made.get("Location") == "/api/9/http/upstreams/backend/servers/2"
    found = json.loads(made.text)
    assert (found["id"], found["server"], found["weight"]) == (2, three, 2)
    assert seen() == {"one", "three"}
    drained = send(nginx, "PATCH", "/http/upstreams/backend/servers/0", {"down": True})
    assert drained.status == 200 and json.loads(drained.text)["down"] is True
    assert seen() == {"three"}
    peers = get(nginx, "/http/upstreams/backend")["peers"]
    assert {peer["id"]: peer["state"] for peer in peers} == {0: "down", 1: "up", 2: "up"}
    left = send(nginx, "DELETE", "/http/upstreams/backend/servers/2")
    assert left.status == 200 and [one["id"] for one in json.loads(left.text)] == [0, 1]
    assert seen() == {"two"}  # the backup one
    assert send(nginx, "PATCH", "/http/upstreams/backend/servers/0", {"down": False}).status == 200
    assert send(nginx, "DELETE", "/http/upstreams/backend/servers/1").status == 200
    assert seen() == {"one"}
    assert send(nginx, "DELETE", "/http/upstreams/backend/servers/0").status == 200
    assert get(nginx, "/http/upstreams/backend/servers") == []
    assert nginx.request("GET /").status == 502
    again = send(nginx, "POST", "/http/upstreams/backend/servers", {"server": three})
    assert json.loads(again.text)["id"] == 3  # an ID is not used twice
    assert seen() == {"three"}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("{", "JsonError"),
        ("[" * 100_000, "JsonError"),
        (r'{"server": "\ud800"}', "JsonError"),
        (r'{"server": "127.0.0.1:1", "\ud800": 1}', "JsonError"),
        (r'{"server": "127.0.0.1:1", "route": "\ud800"}', "JsonError"),
        ('{"server": "127.0.0.1:1", "weight": ' + "9" * 5000 + "}", "JsonError"),
        ({"server": "127.0.0.1:1", "fail_timeout": "9" * 5000}, "UpstreamBadFailTimeout"),
        ({"server": "127.0.0.1:1", "slow_start": "²"}, "UpstreamBadSlowStart"),
        ({"server": "127.0.0.1:" + "9" * 5000}, "UpstreamBadAddress"),
        ("[]", "UpstreamConfFormatError"),
        ({}, "UpstreamConfFormatError"),
        ({"server": "127.0.0.1:1", "wait": 1}, "UpstreamConfFormatError"),
        ({"server": "127.0.0.1:1", "weight": 0}, "UpstreamBadWeight"),
        ({"server": "127.0.0.1:1", "max_conns": -1}, "UpstreamBadMaxConns"),
        ({"server": "127.0.0.1:1", "max_fails": 1 << 31}, "UpstreamBadMaxFails"),
        ({"server": "127.0.0.1:1", "max_fails": True}, "UpstreamConfFormatError"),
        ({"server": "127.0.0.1:1", "weight": [1]}, "UpstreamConfFormatError"),
        ({"server": "127.0.0.1:1", "weight": "2"}, "UpstreamConfFormatError"),
        ({"server": "127.0.0.1:1", "down": 1}, "UpstreamConfFormatError"),
        ({"server": "127.0.0.1:1", "fail_timeout": "x"}, "UpstreamBadFailTimeout"),
        ({"server": "127.0.0.1:1", "route": "a;b"}, "UpstreamBadRoute"),
        ({"server": "127.0.0.1:1", "route": "a" * 33}, "UpstreamBadRoute"),
        ({"server": "127.0.0.1:1", "route": "abc\\"}, "UpstreamBadRoute"),
        ({"server": "127.0.0.1:1", "route": '"x'}, "UpstreamBadRoute"),
        ({"server": "127.0.0.1:99999"}, "UpstreamBadAddress"),
        ({"server": "name.example"}, "UpstreamConfNoResolver"),
        ({"server": "name.example", "service": ""}, "UpstreamBadService"),
        ({"server": "name.example", "service": 1}, "UpstreamConfFormatError"),
        ({"server": "name.example:1", "service": "http"}, "UpstreamBadAddress"),
        ({"server": "127.0.0.1", "service": "http"}, "UpstreamBadAddress"),
        ({"server": "name.example", "service": "a b"}, "UpstreamBadService"),
        ({"server": "name.example", "service": "x; server 6.6.6.6:80"}, "UpstreamBadService"),
        ({"server": "name.example", "service": "x;\n} broken {"}, "UpstreamBadService"),
        ({"server": "name.example", "service": "y" * 1025}, "UpstreamBadService"),
        ({"server": "é" * 511 + ".a:80"}, "UpstreamBadAddress"),
        *(({"server": f"unix:/{c}"}, "UpstreamBadAddress") for c in UNPLAIN),
        *(({"server": f"{c}x:80"}, "UpstreamBadAddress") for c in UNPLAIN),
        *(({"server": "x", "service": f"_{c}"}, "UpstreamBadService") for c in UNPLAIN),
        *(({"server": "127.0.0.1:1", "route": c}, "UpstreamBadRoute") for c in UNPLAIN),
        ({"server": "unix:/a; b"}, "UpstreamBadAddress"),
        ({"server": 7}, "UpstreamBadAddress"),
    ],
)
def test_servers_that_are_refused(nginx: Nginx, body: object, code: str) -> None:
    nginx(API, http=GROUP)
    answer = send(nginx, "POST", "/http/upstreams/backend/servers", body)
    assert fault(answer)[:2] == (status_of(code), code)
    assert len(get(nginx, "/http/upstreams/backend/servers")) == 2


def test_the_state_file(nginx: Nginx) -> None:
    """What was changed is there after a start."""
    group = "upstream backend { zone backend 64k; state servers.conf; }"
    nginx(
        f"location / {{ proxy_pass http://backend; }} {API}",
        http=group,
        servers=ANSWERS,
        files={"servers.conf": ""},
    )
    for name, more in (("one", {}), ("three", {"max_fails": 0, "route": "r", "backup": True})):
        server = nginx.filled(f"127.0.0.1:%%PORT_{name}%%")
        made = send(nginx, "POST", "/http/upstreams/backend/servers", {"server": server, **more})
        assert made.status == 201
    assert nginx.read("servers.conf") == nginx.filled(
        "server 127.0.0.1:%%PORT_one%%;\n"
        "server 127.0.0.1:%%PORT_three%% max_fails=0 route=r backup;\n"
    )
    assert stat.S_IMODE((nginx.prefix / "servers.conf").stat().st_mode) == 0o600
    nginx.reload(f"location / {{ proxy_pass http://backend; }} {API}", http=group)
    found = get(nginx, "/http/upstreams/backend/servers")
    assert [(one["route"], one["backup"]) for one in found] == [("", False), ("r", True)]


def test_a_state_file_that_cannot_say_it(nginx: Nginx) -> None:
    """A name that needs quotes is not written without them."""
    text = 'server "unix:/nowhere/a b";\n'
    group = "upstream backend { zone backend 64k; state servers.conf; }"
    nginx(API, http=group, files={"servers.conf": text})
    path = "/http/upstreams/backend/servers"
    assert send(nginx, "POST", path, {"server": "127.0.0.1:1"}).status == 201
    nginx.wait_for_log(r'state file ".*" cannot be written: "unix:.*/a b" cannot be in it')
    assert nginx.read("servers.conf") == text


def test_key_value_databases(nginx: Nginx) -> None:
    nginx(
        f"location / {{ return 200 [$value]; }} {API}",
        http="keyval_zone zone=one:32k state=%%DIR%%/state.json; keyval $arg_k $value zone=one;",
    )
    path = "/http/keyvals/one"
    assert get(nginx, path) == {} and get(nginx, "/http/keyvals/") == {"one": {}}
    assert send(nginx, "POST", path, {"a": "é"}).status == 201
    assert fault(send(nginx, "POST", path, {"a": "2"}))[:2] == (409, "KeyvalKeyExists")
    assert nginx.request("GET /?k=a").body.decode() == "[é]"
    assert send(nginx, "PATCH", path, {"a": "2"}).status == 204
    assert get(nginx, path + "?key=a") == {"a": "2"}
    assert fault(send(nginx, "PATCH", path, {"b": "2"}))[:2] == (404, "KeyvalKeyNotFound")
    assert send(nginx, "POST", path, {"b": {"value": "3", "expire": 3600000}}).status == 201
    assert get(nginx, path) == {"a": "2", "b": "3"}
    assert send(nginx, "PATCH", path, {"b": None}).status == 204
    assert get(nginx, path) == {"a": "2"}
    assert nginx.request("GET /api/9/http/keyvals/one?key=b").status == 404
    assert send(nginx, "DELETE", path).status == 204
    assert get(nginx, path) == {}
    for body, code in (
        ("{", "JsonError"),
        ({}, "KeyvalEmptyRequest"),
        ({"a": "1", "b": "2"}, "KeyvalFormatError"),
        ({"a": 1}, "KeyvalFormatError"),
        ("[]", "KeyvalFormatError"),
        ("[" * 100_000, "JsonError"),
        (r'{"\ud800": "1"}', "JsonError"),
        (r'{"a": "\ud800"}', "JsonError"),
        ('{"a": {"value": "1", "expire": NaN}}', "JsonError"),
        ('{"a": {"value": "1", "expire": 1e400}}', "KeyvalFormatError"),
        ('{"a": {"value": "1", "expire": 99999999999999999999}}', "KeyvalFormatError"),
        ('{"a": {"value": "1", "expire": -1}}', "KeyvalFormatError"),
        ({"a": {"value": "1", "expire": 10**400}}, "KeyvalFormatError"),
    ):
        assert fault(send(nginx, "POST", path, body))[:2] == (status_of(code), code)
    assert fault(send(nginx, "POST", "/http/keyvals/x", {"a": "1"}))[1] == "KeyvalNotFound"
    assert get(nginx, path) == {}


def test_one_key_is_removed(nginx: Nginx) -> None:
    nginx(
        f"location / {{ return 204; }} {API}",
        http="keyval_zone zone=one:32k; keyval $arg_k $value zone=one;",
    )
    for key in ("a", "b"):
        assert send(nginx, "POST", "/http/keyvals/one", {key: "1"}).status == 201
    assert send(nginx, "DELETE", "/http/keyvals/one?key=a").status == 204
    assert get(nginx, "/http/keyvals/one") == {"b": "1"}
    gone = send(nginx, "DELETE", "/http/keyvals/one?key=a")
    assert fault(gone)[:2] == (404, "KeyvalKeyNotFound")
    assert get(nginx, "/http/keyvals/one") == {"b": "1"}


def test_keys_that_are_not_utf_8_are_removed(nginx: Nginx) -> None:
    nginx(
        f"location / {{ set $value 1; return 204; }}location /get {{ return 200 [$value]; }} {API}",
        http="keyval_zone zone=one:32k; keyval $arg_k $value zone=one;",
    )
    for key in (b"\xff", b"\xfe"):
        nginx.request("GET /?k=" + key.decode("latin-1"))
        assert nginx.request("GET /get?k=" + key.decode("latin-1")).body == b"[1]"
    assert send(nginx, "DELETE", "/http/keyvals/one").status == 204
    assert get(nginx, "/http/keyvals/one") == {}


def test_rejected(nginx: Nginx) -> None:
    nginx.rejects("location /api { api on; }", 'invalid parameter "on"')
    nginx.rejects("api;", '"api" directive is not allowed here')
    nginx.rejects("location /api { api; api; }", '"api" directive is duplicate')


@pytest.mark.parametrize(
    ("version", "missing"),
    [(9, set[str]()), (8, {"workers"}), (5, {"workers"}), (4, {"workers", "resolvers"})],
)
def test_what_old_versions_have(nginx: Nginx, version: int, missing: set[str]) -> None:
    nginx(READ_ONLY)
    top = set(json.loads(nginx.request(f"GET /api/{version}/").text))
    assert top == {*get(nginx, "/")} - missing
    inside = set(json.loads(nginx.request(f"GET /api/{version}/http").text))
    assert ("limit_reqs" in inside) is (version > 5)
    assert ("location_zones" in inside) is (version > 4)
    for name in missing:
        assert nginx.request(f"GET /api/{version}/{name}").status == 404


def test_errors_of_old_versions(nginx: Nginx) -> None:
    """They have two fields that later ones do not have."""
    nginx(READ_ONLY)
    for version in (3, 4):
        body = json.loads(nginx.request(f"GET /api/{version}/none").text)
        assert body["error"]["code"] == "PathNotFound"
        assert ("path" in body and "method" in body) is (version == 3)


def test_a_group_without_backup_servers(nginx: Nginx) -> None:
    nginx(API, http="upstream u { zone u 64k; hash $uri; server 127.0.0.1:1; }")
    answer = send(nginx, "POST", "/http/upstreams/u/servers", {"server": "::1", "backup": True})
    assert fault(answer)[:2] == (400, "UpstreamBadAddress")
    server = {"server": "127.0.0.1:2", "backup": True}
    answer = send(nginx, "POST", "/http/upstreams/u/servers", server)
    assert fault(answer) == (400, "UpstreamNoBackup", 'upstream "u" has no backup')
