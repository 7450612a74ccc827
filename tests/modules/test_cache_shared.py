"""proxy_cache: files that nginx has written, slow clients, errors that are kept, directives."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ..backend import Peer
from ..nginx import Nginx
from ..wire import DEADLINE
from .test_cache import BASE, UP, ZONE, cached_files, counting, serve, slow_update, told

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@contextmanager
def real_nginx(nginx: Nginx, location: str = "") -> Iterator[None]:
    """A real nginx on %%PORT_real%% with the same cache and backend."""
    oracle = pytest.importorskip("tests.oracle")
    try:
        binary = str(oracle.binary())
    except (ImportError, RuntimeError) as error:
        pytest.skip(str(error))
    user = "user root;" if os.geteuid() == 0 else ""
    nginx.write("real/logs/error.log", "")
    text = f"""
        daemon off; {user} pid logs/nginx.pid; error_log logs/error.log;
        events {{ }}
        http {{
            access_log off;
            {ZONE}
            server {{ listen 127.0.0.1:%%PORT_real%%; location / {{ {BASE} {location} {UP} }} }}
        }}
        """
    conf = nginx.write("real/nginx.conf", nginx.filled(text))
    process = subprocess.Popen([binary, "-p", str(conf.parent), "-c", str(conf), "-e", "stderr"])
    try:
        wait_for_port(nginx.port("real"))
        yield
    finally:
        process.terminate()
        process.wait(DEADLINE)


def wait_for_port(port: int) -> None:
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def told_by_real(nginx: Nginx, target: str, *fields: str) -> str:
    answer = nginx.request(f"GET {target}", *fields, port="real")
    return f"{answer.get('X-Cache')} {answer.text}"


@pytest.mark.parametrize("field", ["X-Any: 1", 'ETag: "e"', "Vary: Accept-Language", "Expires: 0"])
def test_nginx_and_we_share_a_directory(nginx: Nginx, field: str) -> None:
    """What one has written is a hit for the other."""
    accepts = "Accept-Language: de, en"
    serve(nginx, "proxy_ignore_headers Expires;", field)
    with real_nginx(nginx, "proxy_ignore_headers Expires;"):
        assert told_by_real(nginx, "/theirs", accepts) == "MISS 1"
        cached_files(nginx, 1)  # the answer comes first
        assert told(nginx, "/ours", accepts) == "MISS 2"
        cached_files(nginx, 2)
        assert told(nginx, "/theirs", accepts) == "HIT 1"
        assert told_by_real(nginx, "/ours", accepts) == "HIT 2"


def test_default_key_is_nginxs(nginx: Nginx) -> None:
    """The file's name is the key's digest: both find the same one."""
    nginx.backend("b", counting())
    nginx(
        """
        proxy_cache one; proxy_cache_valid 1m; add_header X-Cache $upstream_cache_status;
        location /a/ { proxy_pass http://127.0.0.1:%%PORT_b%%/b/; }
        location /c { proxy_pass http://127.0.0.1:%%PORT_b%%; }
        """,
        http=ZONE,
    )
    keys = [("/a/x?y", "/b/x?y"), ("/a/%41%20", "/b/A%20"), ("/c/%41%20", "/c/%41%20")]
    for count, (target, key) in enumerate(keys, 1):
        told(nginx, target)
        files = cached_files(nginx, count)
        name = hashlib.md5(nginx.filled(f"http://127.0.0.1:%%PORT_b%%{key}").encode()).hexdigest()
        assert name in [path.name for path in files]


# Damage.


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:100],
        lambda data: b"\x04" + data[1:],
        lambda data: data[:48] + b"\xff\xff\xff\xff" + data[52:],
        lambda data: data.replace(b"KEY: /", b"KEY: x"),
        lambda data: data[:54] + b"\xff\xff" + data[56:],
        lambda data: data.replace(b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n\x01 nonsense\r\n"),
        lambda data: b"",
    ],
    ids=["short", "version", "crc", "key", "start", "head", "empty"],
)
@pytest.mark.trouble("[crit] is told, and a traceback must not be")
def test_damaged_files_are_fetched_anew(nginx: Nginx, damage: object) -> None:
    assert callable(damage)
    serve(nginx)
    assert told(nginx) == "MISS 1"
    (path,) = cached_files(nginx, 1)
    path.write_bytes(damage(path.read_bytes()))
    assert told(nginx) == "MISS 2"
    assert told(nginx) == "HIT 2"
    assert "Traceback" not in nginx.error_log()


# Processes.


def test_reload_keeps_the_index(nginx: Nginx) -> None:
    """Uses are counted in the zone, not on the disk."""
    serve(nginx, "proxy_cache_min_uses 2;")
    assert told(nginx) == "MISS 1"
    nginx.reload(f"location / {{ {BASE} proxy_cache_min_uses 2; {UP} }}", http=ZONE)
    assert [told(nginx), told(nginx)] == ["MISS 2", "HIT 2"]


@pytest.mark.pyngx_only("nginx's single process logs to its clients after a reload")
def test_reload_without_master(nginx: Nginx) -> None:
    nginx.backend("b", counting())
    location = f"location / {{ {BASE} proxy_cache_min_uses 2; {UP} }}"
    nginx(location, http=ZONE, main="master_process off;")
    assert told(nginx) == "MISS 1"
    nginx.send_signal(signal.SIGHUP)
    nginx.wait_for_log("event method", 2)
    time.sleep(0.2)
    assert [told(nginx), told(nginx)] == ["MISS 2", "HIT 2"]


@pytest.mark.trouble("the reload is refused")
def test_reload_with_other_levels(nginx: Nginx) -> None:
    serve(nginx)
    assert told(nginx) == "MISS 1"
    with pytest.raises(AssertionError, match='cache "one" had previously different levels'):
        nginx.reload(f"location / {{ {BASE} {UP} }}", http=ZONE.replace("1:2", "2"))
    assert told(nginx) == "HIT 1"


def test_lock_over_workers(nginx: Nginx) -> None:
    release = threading.Event()

    def script(peer: Peer) -> None:
        peer.request()
        assert release.wait(DEADLINE)
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    backend = nginx.backend("b", script)
    location = f"location / {{ {BASE} proxy_cache_lock on; {UP} }}"
    nginx(location, http=ZONE, main="worker_processes 2;")
    clients = [socket.create_connection(("127.0.0.1", nginx.port())) for _ in range(8)]
    for client in clients:
        client.sendall(REQUEST)
    time.sleep(0.3)
    release.set()
    answers = [client.recv(65536) for client in clients]
    assert all(answer.endswith(b"ok") for answer in answers)
    assert backend.accepted == 1
    for client in clients:
        client.close()


# Clients.

BIG = b"0123456789abcdef" * (1 << 20)


def big_backend(nginx: Nginx) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BIG)
    nginx.backend("b", head + BIG, b"HTTP/1.1 500 Again\r\n\r\n")


def test_a_slow_client_does_not_hold_up_the_cache(nginx: Nginx) -> None:
    big_backend(nginx)
    nginx(f"location / {{ {BASE} {UP} }}", http=ZONE)
    with nginx.connect() as slow:
        slow.wire.send(REQUEST)
        stored_whole(nginx)
        answer = nginx.request("GET /")
        assert (answer.get("X-Cache"), answer.body == BIG) == ("HIT", True)
        late = slow.wire.answer()
    assert late
    assert (late.get("X-Cache"), late.body == BIG) == ("MISS", True)


def test_a_client_that_goes_does_not_stop_the_store(nginx: Nginx) -> None:
    big_backend(nginx)
    nginx(f"location / {{ {BASE} {UP} }}", http=ZONE)
    with nginx.connect() as client:
        client.wire.send(REQUEST)
        client.wire.until(b"0123")
    stored_whole(nginx)
    answer = nginx.request("GET /")
    assert (answer.get("X-Cache"), answer.body == BIG) == ("HIT", True)


def stored_whole(nginx: Nginx) -> Path:
    deadline = time.monotonic() + DEADLINE
    while True:
        found = [x for x in (nginx.prefix / "cache").rglob("*") if x.is_file()]
        if found and found[0].stat().st_size > len(BIG) and len(found[0].name) == 32:
            return found[0]
        assert time.monotonic() < deadline, found
        time.sleep(0.02)


def test_parts_of_a_big_answer(nginx: Nginx) -> None:
    head = b"HTTP/1.1 200 OK\r\nAccept-Ranges: bytes\r\nContent-Length: %d\r\n\r\n" % len(BIG)
    nginx.backend("b", head + BIG)
    nginx(f"location / {{ {BASE} {UP} }}", http=ZONE)
    for status in ("MISS", "HIT"):
        answer = nginx.request("GET /", "Range: bytes=1000000-1000003")
        assert (answer.status, answer.get("X-Cache"), answer.body) == (206, status, b"0123")
        stored_whole(nginx)


def test_head_of_a_big_answer(nginx: Nginx) -> None:
    big_backend(nginx)
    nginx(f"location / {{ {BASE} {UP} }}", http=ZONE)
    for status in ("MISS", "HIT"):
        answer = nginx.request("HEAD /")
        assert (answer.get("X-Cache"), answer.get("Content-Length")) == (status, str(len(BIG)))
        stored_whole(nginx)


def test_what_is_not_kept_is_not_said_to_be_unmodified(nginx: Nginx) -> None:
    """The upstream's answer to a condition is its own affair, unless it is kept."""
    nginx.backend("b", counting('ETag: "e"'))
    nginx(f"{BASE} location / {{ {UP} }} location /off {{ proxy_cache off; {UP} }}", http=ZONE)
    nginx.exchange("""
        > GET /
        > If-None-Match: "e"
        < 304
        < X-Cache: MISS

        > GET /off
        > If-None-Match: "e"
        < 200
        """)


# Errors and old answers.


def test_intercepted_errors_are_kept(nginx: Nginx) -> None:
    backend = nginx.backend("b", counting(status="404 Not Found"))
    nginx(
        f"""
        location / {{
            {BASE} proxy_cache_valid any 1m; proxy_intercept_errors on; error_page 404 @e; {UP}
        }}
        location @e {{ return 404 "ours $upstream_cache_status"; }}
        """,
        http=ZONE,
    )
    assert nginx.request("GET /").text == "ours MISS"
    assert nginx.request("GET /").text == "ours HIT"
    nginx.stop()
    assert len(backend.connections(1)) == 1


def test_failures_are_kept(nginx: Nginx) -> None:
    """A 502 of our own is answered again without asking."""
    backend = nginx.backend("b", b"", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    nginx(f"location / {{ {BASE} proxy_cache_valid 502 1s; {UP} }}", http=ZONE)
    for status in ("MISS", "HIT"):
        nginx.exchange(f"> GET /\n< 502\n< X-Cache: {status}")
    assert backend.accepted == 1
    time.sleep(2.1)
    assert told(nginx) == "MISS ok"


@pytest.mark.parametrize("background", ["off", "on"])
def test_stale_while_revalidate(nginx: Nginx, background: str) -> None:
    answers = iter([b"one", b"two"])

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(
            b"HTTP/1.1 200 OK\r\nCache-Control: max-age=1, stale-while-revalidate=60\r\n"
            b"Content-Length: 3\r\n\r\n" + next(answers, b"six")
        )

    nginx.backend("b", script)
    nginx(f"location / {{ {BASE} proxy_cache_background_update {background}; {UP} }}", http=ZONE)
    assert told(nginx) == "MISS one"
    time.sleep(2.1)
    assert told(nginx) == ("STALE one" if background == "on" else "EXPIRED two")
    deadline = time.monotonic() + DEADLINE
    while (answer := told(nginx)) != "HIT two":
        assert answer == "UPDATING one" and time.monotonic() < deadline
        time.sleep(0.05)


def test_a_stale_answer_is_fetched_once_in_the_background(nginx: Nginx) -> None:
    """Those who come meanwhile, over the same connection too, have the old one at once."""
    go_on = threading.Event()
    backend = nginx.backend("b", slow_update(go_on))
    nginx(
        f"location / {{ {BASE} proxy_cache_use_stale updating; "
        f"proxy_cache_background_update on; {UP} }}",
        http=ZONE,
    )
    assert told(nginx) == "MISS 1"
    time.sleep(2.1)
    assert [told(nginx) for _ in range(4)] == ["STALE 1"] + ["UPDATING 1"] * 3
    go_on.set()
    deadline = time.monotonic() + DEADLINE
    while (answer := told(nginx)) != "HIT 2":
        assert answer == "UPDATING 1" and time.monotonic() < deadline
        time.sleep(0.05)
    assert backend.accepted == 2


def test_upstreams_fields_of_a_hit(nginx: Nginx) -> None:
    nginx.backend("b", counting("X-Up: up"))
    nginx(f'location / {{ {BASE} add_header X-Told "$upstream_http_x_up"; {UP} }}', http=ZONE)
    for status in ("MISS", "HIT"):
        nginx.exchange(f"> GET /\n< 200\n< X-Cache: {status}\n< X-Told: up")


# Directives.

PATH = "proxy_cache_path %%DIR%%/c"


@pytest.mark.parametrize(
    "http, message, line",
    [
        (f"{PATH} levels=1;", '"proxy_cache_path" must have "keys_zone" parameter', 1),
        (f"{PATH} keys_zone=z;", 'invalid keys zone size "keys_zone=z"', 1),
        (f"{PATH} keys_zone=z:1;", 'keys zone "keys_zone=z:1" is too small', 1),
        (f"{PATH} keys_zone=z:1m levels=3;", 'invalid "levels" "levels=3"', 1),
        (f"{PATH} keys_zone=z:1m inactive=x;", 'invalid inactive value "inactive=x"', 1),
        (f"{PATH} keys_zone=z:1m other;", 'invalid parameter "other"', 1),
        (
            f"{PATH} keys_zone=z:1m;\n{PATH}2 keys_zone=z:1m;",
            'duplicate zone "z"',
            2,
        ),
        (
            f"{PATH} keys_zone=z:1m;\n{PATH}2 keys_zone=z:2m;",
            'the size 2097152 of shared memory zone "z" conflicts with '
            "already declared size 1048576",
            2,
        ),
        ("proxy_cache a;\nproxy_cache b;", '"proxy_cache" directive is duplicate', 2),
        ("proxy_cache_valid 99 1m;", 'invalid status "99"', 1),
        ("proxy_cache_valid 200 1x;", 'invalid time value "1x"', 1),
        ("proxy_cache_methods PUT;", 'invalid value "PUT"', 1),
        ("proxy_cache_use_stale denied;", 'invalid value "denied"', 1),
        ("proxy_cache_lock maybe;", None, 1),
        ("proxy_cache_key $nope;", 'unknown "nope" variable', None),
        ("proxy_cache nope;", '"proxy_cache" zone "nope" is unknown', None),
    ],
)
def test_refused(nginx: Nginx, http: str, message: str | None, line: int | None) -> None:
    nginx.rejects(
        "location / { proxy_pass http://127.0.0.1:1; proxy_cache $arg_x; }"
        if "$nope" in http
        else "",
        message
        or 'invalid value "maybe" in "proxy_cache_lock" directive, it must be "on" or "off"',
        http=http,
        line=None if "$nope" in http else line,
    )


def test_the_same_directory_twice(nginx: Nginx) -> None:
    http = f"{PATH} keys_zone=y:1m;\n{PATH} keys_zone=z:1m;"
    nginx.rejects("", http=http, message=_same_path(nginx))


def _same_path(nginx: Nginx) -> str:
    conf = nginx.prefix / "nginx.conf"
    return f'the same path name "{nginx.prefix}/c" used in {conf}:6 and'


def test_a_zone_may_follow_its_use(nginx: Nginx) -> None:
    nginx.accepts("proxy_cache z;", http="proxy_cache z;\nproxy_cache_path c keys_zone=z:1m;")
