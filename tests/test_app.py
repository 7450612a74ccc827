"""A configuration as an aiohttp application."""

from __future__ import annotations

import asyncio
import gc
import gzip
import re
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop
from aiohttp import ClientError, web
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

import pyngx_jwt
from examples import run as example
from pyngx_jwt.app import CYCLE, application
from pyngx_jwt.errors import ConfError
from pyngx_jwt.server import adapter

from .ports import free_port
from .wire import DEADLINE

ROOT = Path(__file__).parent.parent
Client = TestClient[web.Request, web.Application]
Talk = Callable[[Client], Awaitable[None]]
SERVER = """
    listen 127.0.0.1:8000;
    location / { return 200 "$request_method $uri $args"; }
    """


class Folder:
    """A prefix with a configuration, and what talks to its application."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, name: str, text: str) -> None:
        file = self.path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)

    def application(self, server: str = SERVER, http: str = "", **more: Any) -> web.Application:
        """The application of a configuration made of these snippets."""
        blocks = f"{textwrap.dedent(http)}\nserver {{\n{textwrap.dedent(server)}\n}}"
        self.write(
            "nginx.conf",
            f"error_log error.log info;\nevents {{}}\nhttp {{\naccess_log off;\n{blocks}\n}}\n",
        )
        return application("nginx.conf", prefix=self.path, **more)

    def talk(self, talk: Talk, server: str = SERVER, http: str = "", **more: Any) -> None:
        """Plays against the application of the snippets."""
        play(self.application(server, http, **more), talk)

    def read(self, name: str) -> str:
        return (self.path / name).read_text("latin-1")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def play(app: web.Application, talk: Talk) -> None:
    """Runs the application and a client of it; a test of either must not take long."""

    async def main() -> None:
        async with asyncio.timeout(DEADLINE), TestClient(TestServer(app)) as client:
            await talk(client)

    asyncio.run(main())


async def get(client: Client, path: str | URL, **more: Any) -> tuple[int, str]:
    async with client.get(path, **more) as answer:
        return answer.status, await answer.text()


async def raw(client: Client, data: bytes) -> bytes:
    """All that is answered until the server closes."""
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(data)
    answer = await reader.read()
    writer.close()
    return answer


# -- requests and answers -------------------------------------------------------------------


def test_request_goes_through_the_phases(folder: Folder) -> None:
    async def talk(client: Client) -> None:
        assert await get(client, "/a%20b?c=d") == (200, "GET /a b c=d")
        async with client.put("/x") as answer:
            assert (answer.status, await answer.text()) == (200, "PUT /x ")
            assert answer.headers["Content-Type"] == "text/plain"
            assert answer.headers["Server"] == f"nginx/{pyngx_jwt.NGINX_VERSION}"
            assert answer.headers["Content-Length"] == "7"

    folder.talk(talk)


def test_uri_is_read_as_the_server_reads_it(folder: Folder) -> None:
    """Not as yarl does: what location is found must not depend on the door."""

    async def talk(client: Client) -> None:
        assert await get(client, URL("/a/%2e%2e//secret/%2561", encoded=True)) == (200, "secret")
        lines = b"GET /a/../secret/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        assert (await raw(client, lines)).endswith(b"secret")

    folder.talk(
        talk,
        """
        listen 8000;
        location / { return 403; }
        location /secret/ { return 200 secret; }
        """,
    )


def test_error_pages_and_headers_are_the_configurations(folder: Folder) -> None:
    async def talk(client: Client) -> None:
        async with client.get("/x") as answer:
            assert (answer.status, answer.reason) == (404, "Not Found")
            assert await answer.text() == "sorry"
            assert answer.headers.getall("X-Two") == ["1", "2"]
        async with client.get("/empty") as answer:
            assert answer.status == 204
            assert "Content-Type" not in answer.headers
        async with client.get("/r", allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (301, "http://other/")

    folder.talk(
        talk,
        """
        listen 8000;
        add_header X-Two 1 always; add_header X-Two 2 always;
        error_page 404 /404.html;
        location = /404.html { return 200 sorry; }
        location /x { return 404; }
        location /empty { return 204; }
        location /r { return 301 http://other/; }
        """,
    )


def test_file_of_any_size(folder: Folder) -> None:
    size = 1_000_000
    folder.write("html/big", "x" * size)

    async def talk(client: Client) -> None:
        status, text = await get(client, "/big")
        assert (status, len(text)) == (200, size)
        async with client.head("/big") as answer:
            assert answer.headers["Content-Length"] == str(size)
        status, text = await get(client, "/big", headers={"Range": "bytes=-3"})
        assert (status, text) == (206, "xxx")

    folder.talk(talk, "listen 8000; root html;")


def test_field_values_are_bytes_of_utf8(folder: Folder) -> None:
    async def talk(client: Client) -> None:
        head = b"GET / HTTP/1.1\r\nHost: x\r\nX: \xc3\xa9\r\nConnection: close\r\n\r\n"
        answer = await raw(client, head)
        assert b"\r\nX-Echo: \xc3\xa9\r\n" in answer and answer.endswith(b"\xc3\xa9")

    folder.talk(talk, "listen 8000; location / { add_header X-Echo $http_x; return 200 $http_x; }")


def test_head_is_judged_by_the_server(folder: Folder) -> None:
    """aiohttp lets pass what ours drops, or refuses with its own page."""

    async def talk(client: Client) -> None:
        lines = b"GET / HTTP/1.1\r\nHost: x\r\nbad_name: 1\r\nConnection: close\r\n\r\n"
        assert (await raw(client, lines)).endswith(b"[]")
        lines = b"TRACE / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        assert (await raw(client, lines)).startswith(b"HTTP/1.1 405 Not Allowed\r\n")
        lines = b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"
        assert b" 400 Bad Request\r\n" in await raw(client, lines)

    folder.talk(talk, 'listen 8000; location / { return 200 "[$http_bad_name]"; }')
    log = folder.read("error.log")
    assert 'client sent invalid header line: "bad_name: 1"' in log
    assert "client sent TRACE method" in log


def test_closed_without_an_answer(folder: Folder) -> None:
    async def talk(client: Client) -> None:
        with pytest.raises(ClientError):
            await get(client, "/")

    folder.talk(talk, "listen 8000; location / { return 444; }")


# -- which server ---------------------------------------------------------------------------

SERVERS = """
    server { listen 8001; server_name a; return 200 a-8001; }
    server { listen 8002; server_name a; return 200 a-8002; }
    server { listen 8002; server_name *.b; return 200 b-8002; }
    server { listen 8002 default_server; server_name c; return 200 c-8002; }
    server { listen 8002; server_name ~^(?<who>r.)$; return 200 $who-8002; }
    """


@pytest.mark.parametrize(
    ("listen", "host", "answer"),
    [
        (None, "a", "a-8001"),
        (None, "x.b:99", "a-8001"),
        (None, "c", "a-8001"),
        (None, "rx", "a-8001"),
        (None, "nobody", "a-8001"),
        ("0.0.0.0:8002", "a", "a-8002"),
        ("0.0.0.0:8002", "x.b:99", "b-8002"),
        ("0.0.0.0:8002", "rx", "rx-8002"),
        ("0.0.0.0:8002", "nobody", "c-8002"),
    ],
)
def test_server_of_a_host(folder: Folder, listen: str | None, host: str, answer: str) -> None:
    async def talk(client: Client) -> None:
        assert await get(client, "/", headers={"Host": host}) == (200, answer)

    folder.talk(talk, "listen 8003; server_name z; return 200 z-8003;", SERVERS, listen=listen)


def test_unknown_address_is_refused(folder: Folder) -> None:
    with pytest.raises(ValueError, match=r"'1.2.3.4:5', only on 127.0.0.1:8000"):
        folder.application(listen="1.2.3.4:5")


def test_configuration_errors_are_raised_at_once(folder: Folder) -> None:
    with pytest.raises(ConfError, match=r'unknown directive "oops" in .*/nginx.conf:8'):
        folder.application("listen 8000;\noops 1;")
    folder.write("nginx.conf", "events {} http {}")
    with pytest.raises(ConfError, match="no servers"):
        application("nginx.conf", prefix=folder.path)


def test_unsupported_directives_can_be_left_out(
    folder: Folder, capfd: pytest.CaptureFixture[str]
) -> None:
    snippet = "listen 8000; root .; location ~ php$ { js_content main.x; } subs_filter a b;"
    folder.path.joinpath("config.php").write_text("<?php")
    with pytest.raises(ConfError, match="js_content"):
        folder.application(snippet)
    with pytest.raises(ConfError, match=r"modsecurity.*never ignored"):
        folder.application(f"{snippet} modsecurity on;", allow_unsupported=True)

    async def talk(client: Client) -> None:
        assert (await get(client, "/config.php"))[0] == 501
        assert (await get(client, "/nginx.conf"))[0] == 200

    capfd.readouterr()
    folder.talk(talk, snippet, allow_unsupported=True)
    told = capfd.readouterr().err
    assert told.count("[warn]") == 2
    assert 'the "js_content" directive' in told and 'the "subs_filter" directive' in told


# -- request bodies -------------------------------------------------------------------------

ECHO = """
    listen 8000; client_max_body_size 100k; client_body_temp_path temp;
    location / { proxy_pass http://127.0.0.1:%d; }
    location /stream { proxy_request_buffering off; proxy_pass http://127.0.0.1:%d; }
    """


@asynccontextmanager
async def upstream(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> AsyncIterator[int]:
    """An upstream server; its port."""
    app = web.Application(handler_args={"auto_decompress": False})
    app.router.add_route("*", "/{path:.*}", handler)
    async with TestServer(app) as server:
        assert server.port is not None
        yield server.port


async def echo(request: web.Request) -> web.Response:
    encoding = request.headers.get("Content-Encoding", "-")
    return web.Response(body=await request.read(), headers={"X-Encoding": encoding})


def proxied(
    folder: Folder,
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    server: str,
    talk: Talk,
) -> None:
    """Plays against the application with an upstream, its port for each %d of the snippet."""

    async def main() -> None:
        async with asyncio.timeout(DEADLINE), upstream(handler) as port:
            app = folder.application(server.replace("%d", str(port)))
            async with TestClient(TestServer(app)) as client:
                await talk(client)

    asyncio.run(main())


@pytest.mark.parametrize("path", ["/", "/stream"])
@pytest.mark.parametrize("chunked", [False, True])
def test_body_is_passed_on(folder: Folder, path: str, chunked: bool) -> None:
    (folder.path / "temp").mkdir()

    async def talk(client: Client) -> None:
        data = b"0123456789" * 9000
        body: Any = _pieces(data) if chunked else data
        async with client.post(path, data=body) as answer:
            assert (answer.status, await answer.read()) == (200, data)

    proxied(folder, echo, ECHO, talk)


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(data), 10000):
        yield data[at : at + 10000]


@pytest.mark.parametrize("chunked", [False, True])
def test_body_that_is_too_large(folder: Folder, chunked: bool) -> None:
    async def talk(client: Client) -> None:
        data = b"x" * 200_000
        body: Any = _pieces(data) if chunked else data
        async with client.post("/", data=body) as answer:
            assert answer.status == 413
            assert "<h1>413 Request Entity Too Large</h1>" in await answer.text()

    proxied(folder, echo, ECHO, talk)


def test_encoded_body_stays_as_it_is(folder: Folder) -> None:
    async def talk(client: Client) -> None:
        data = gzip.compress(b"x" * 1000)
        async with client.post("/", data=data, headers={"Content-Encoding": "gzip"}) as answer:
            assert (answer.headers["X-Encoding"], await answer.read()) == ("gzip", data)

    proxied(folder, echo, ECHO, talk)


def test_client_that_waits_for_100_continue(folder: Folder) -> None:
    async def talk(client: Client) -> None:
        reader, writer = await asyncio.open_connection(client.host, client.port)
        head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n"
        writer.write(head + b"Connection: close\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"abc")
        assert (await reader.read()).endswith(b"\r\n\r\nabc")
        writer.close()

    proxied(folder, echo, ECHO, talk)


def test_nobody_is_told_to_continue_for_nothing(folder: Folder) -> None:
    async def talk(client: Client) -> None:
        head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n"
        answer = await raw(client, head + b"Connection: close\r\n\r\nabc")
        assert answer.startswith(b"HTTP/1.1 403 Forbidden\r\n")

    folder.talk(talk, "listen 8000; location / { return 403; }")


def test_body_that_does_not_come(folder: Folder) -> None:
    async def talk(client: Client) -> None:
        head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nab"
        assert await raw(client, head) == b""

    proxied(folder, echo, f"client_body_timeout 100ms; {ECHO}", talk)
    assert "client timed out" in folder.read("error.log")


# -- streams, tunnels, clients that go away -------------------------------------------------


def test_unbuffered_answer_comes_as_it_is_made(folder: Folder) -> None:
    go_on = asyncio.Event()

    async def events(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await go_on.wait()
        await response.write(b"one")
        go_on.clear()
        await go_on.wait()
        await response.write(b"two")
        return response

    async def talk(client: Client) -> None:
        async with client.get("/") as answer:  # has its head before there is a body
            go_on.set()
            assert await answer.content.read(3) == b"one"
            go_on.set()
            assert await answer.content.read() == b"two"

    server = "listen 8000; proxy_buffering off; location / { proxy_pass http://127.0.0.1:%d; }"
    proxied(folder, events, server, talk)


def test_answer_that_is_cut_is_not_taken_for_whole(folder: Folder) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"some")
        assert request.transport is not None
        request.transport.close()
        return response

    async def talk(client: Client) -> None:
        async with client.get("/") as answer:
            assert answer.status == 200
            with pytest.raises(ClientError):
                await answer.read()

    proxied(folder, cut, "listen 8000; location / { proxy_pass http://127.0.0.1:%d; }", talk)


def test_web_socket(folder: Folder) -> None:
    async def shout(request: web.Request) -> web.StreamResponse:
        told = web.WebSocketResponse()
        await told.prepare(request)
        async for message in told:
            await told.send_str(message.data.upper())
        return told

    async def talk(client: Client) -> None:
        async with client.ws_connect("/") as heard:
            for word in ("one", "x" * 200_000):
                await heard.send_str(word)
                assert await heard.receive_str() == word.upper()

    server = """
        listen 8000;
        location / {
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection upgrade;
            proxy_pass http://127.0.0.1:%d;
        }
        """
    proxied(folder, shout, server, talk)


@pytest.mark.parametrize("ignore", ["off", "on"])
def test_client_that_goes_away(folder: Folder, ignore: str) -> None:
    """The upstream's request ends with the client's, unless it is told to go on."""
    ended: asyncio.Queue[str] = asyncio.Queue()
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        begun.set()
        try:
            await go_on.wait()
        except asyncio.CancelledError:  # the test server's way to tell
            ended.put_nowait("gone")
            raise
        ended.put_nowait("there")
        return web.Response()

    async def talk(client: Client) -> None:
        _, writer = await asyncio.open_connection(client.host, client.port)
        writer.write(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        await begun.wait()
        writer.close()
        if ignore == "off":
            assert await ended.get() == "gone"
        else:
            await asyncio.sleep(0.1)
            go_on.set()
            assert await ended.get() == "there"
        while "/slow" not in folder.read("access.log"):
            await asyncio.sleep(0.01)

    server = f"""
        listen 8000; access_log access.log; proxy_ignore_client_abort {ignore};
        location / {{ proxy_pass http://127.0.0.1:%d; }}
        """
    proxied(folder, slow, server, talk)
    status = re.findall(r'" (\d+) ', folder.read("access.log"))
    assert status == (["499"] if ignore == "off" else ["200"])


def test_mirrored_request_does_not_hold_back_the_answer(folder: Folder) -> None:
    folder.write("html/file", "answer")
    go_on = asyncio.Event()

    async def slow(request: web.Request) -> web.Response:
        await go_on.wait()
        return web.Response()

    async def talk(client: Client) -> None:
        assert await get(client, "/file") == (200, "answer")
        go_on.set()

    server = """
        listen 8000; root html;
        location / { mirror /mirror; }
        location /mirror { proxy_pass http://127.0.0.1:%d; }
        """
    proxied(folder, slow, server, talk)


# -- life -----------------------------------------------------------------------------------


def test_requests_are_logged(folder: Folder) -> None:
    async def talk(client: Client) -> None:
        for path in ("/a", "/b"):
            await get(client, path)
        async with client.get("/c", headers={"Connection": "close"}):
            pass

    server = "listen 8000; access_log access.log short; location / { return 200 hello; }"
    form = "$remote_addr $connection $connection_requests $request_uri $status $body_bytes_sent"
    folder.talk(talk, server, f'log_format short "{form}";')
    assert folder.read("access.log").splitlines() == [
        "127.0.0.1 1 1 /a 200 5",
        "127.0.0.1 1 2 /b 200 5",
        "127.0.0.1 1 3 /c 200 5",
    ]


def test_files_are_open_between_startup_and_cleanup(folder: Folder) -> None:
    app = folder.application(f"{SERVER} access_log access.log combined buffer=32k;")
    files = [*app[CYCLE].open_files]
    assert {Path(file.name).name for file in files} == {"error.log", "access.log"}
    assert all(file.fd == -1 for file in files)

    async def talk(client: Client) -> None:
        await get(client, "/buffered")
        assert all(file.fd >= 0 for file in files)
        assert not folder.read("access.log")

    play(app, talk)
    assert all(file.fd == -1 for file in files)
    assert "/buffered" in folder.read("access.log")


def test_connections_to_upstreams_are_kept_and_closed(folder: Folder) -> None:
    seen: list[Any] = []

    async def who(request: web.Request) -> web.Response:
        seen.append(request.transport)
        return web.Response()

    async def main() -> None:
        async with asyncio.timeout(DEADLINE), upstream(who) as port:
            app = folder.application(
                "listen 8000; location / { proxy_http_version 1.1; proxy_set_header Connection"
                ' ""; proxy_pass http://back; }',
                f"upstream back {{ server 127.0.0.1:{port}; keepalive 4; }}",
            )
            async with TestClient(TestServer(app)) as client:
                await get(client, "/")
                await get(client, "/")
                assert seen[0] is seen[1] and not seen[0].is_closing()
            while not seen[0].is_closing():
                await asyncio.sleep(0.01)

    asyncio.run(main())


def test_cache(folder: Folder) -> None:
    """Its folder, its zone and its keepers live as long as the application."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(text="kept", headers={"Cache-Control": "max-age=60"})

    async def main() -> None:
        async with asyncio.timeout(DEADLINE), upstream(answer) as port:
            app = folder.application(
                "listen 8000; add_header X-Cache $upstream_cache_status; proxy_cache one;"
                f"location / {{ proxy_pass http://127.0.0.1:{port}; }}",
                "proxy_cache_path cache levels=1 keys_zone=one:1m;",
            )
            async with TestClient(TestServer(app)) as client:
                for status in ("MISS", "HIT"):
                    async with client.get("/x") as told:
                        assert (told.headers["X-Cache"], await told.text()) == (status, "kept")

    asyncio.run(main())
    assert asked == ["/x"]
    assert [path for path in (folder.path / "cache").rglob("*") if path.is_file()]


def test_counts_of_connections(folder: Folder) -> None:
    async def talk(client: Client) -> None:
        await get(client, "/", headers={"Connection": "close"})
        _, text = await get(client, "/")
        assert "Active connections: 1 " in text
        assert "\n 2 2 2 \nReading: 0 Writing: 1 Waiting: 0 " in text

    folder.talk(talk, "listen 8000; location / { stub_status; }")


def test_header_names_are_judged_by_the_server_of_the_host(folder: Folder) -> None:
    async def talk(client: Client) -> None:
        for host, answer in (("lax", "[1]"), ("strict", "[]")):
            status, text = await get(client, "/", headers={"Host": host, "a_b": "1"})
            assert (status, text) == (200, answer)

    servers = """
        server { listen 8000; server_name strict; return 200 [$http_a_b]; }
        server { listen 8000; server_name lax; underscores_in_headers on; return 200 [$http_a_b]; }
        """
    folder.talk(talk, "listen 8001;", servers)


def test_example(folder: Folder) -> None:
    """One configuration, an application for each address that it listens on."""
    addresses = ["18080", "18081", "18082"]
    text = (ROOT / "examples/nginx.conf").read_text()
    ports = [free_port() for _ in addresses]
    for old, new in zip(addresses, ports, strict=True):
        text = text.replace(old, str(new))
    folder.write("nginx.conf", text)
    key = example.prepare(folder.path)
    tokens = dict(example.tokens(key, f"http://127.0.0.1:{ports[2]}"))

    def door(port: int) -> TestServer:
        listen = f"127.0.0.1:{port}"
        return TestServer(application("nginx.conf", prefix=folder.path, listen=listen), port=port)

    async def main() -> None:
        client = TestClient(door(ports[0]))
        async with asyncio.timeout(DEADLINE), door(ports[1]), door(ports[2]), client:
            assert await get(client, "/") == (200, "public\n")
            for label, token in tokens.items():
                headers = {"Authorization": f"Bearer {token}", "X-JWT-Sub": "root"}
                status, body = await get(client, "/api/x", headers=headers)
                good = label == "with a valid token"
                assert status == (200 if good else 401)
                assert ("X-JWT-Sub: alice" in body) is good

    asyncio.run(main())


def test_nothing_is_kept_of_closed_connections(folder: Folder) -> None:
    async def talk(client: Client) -> None:
        for _ in range(3):
            await raw(client, b"GET / HTTP/1.0\r\n\r\n")
        await asyncio.sleep(0)
        gc.collect()
        kept = [thing for thing in gc.get_objects() if type(thing) is adapter.Client]
        assert len(kept) <= 1

    folder.talk(talk)


def test_mounted_in_another_application(folder: Folder) -> None:
    """The configuration sees the whole path; a body that aiohttp has decoded is refused."""
    app = web.Application()
    app.add_subapp("/api/", folder.application())

    async def talk(client: Client) -> None:
        assert await get(client, "/api/x?y") == (200, "GET /api/x y")
        assert (await get(client, "/other"))[0] == 404
        headers = {"Content-Encoding": "gzip"}
        async with client.post("/api/x", data=gzip.compress(b"x"), headers=headers) as answer:
            assert answer.status == 415

    play(app, talk)


@pytest.mark.parametrize("mount", ["", "/api"])
@pytest.mark.parametrize("path", ["/a%0ab", "/%0a", "/a%0d", "/%0a/", "/a%2f", "/a//"])
def test_every_path_is_ours(folder: Folder, mount: str, path: str) -> None:
    """And none is aiohttp's, whose own page is in no log of ours."""
    app = folder.application("listen 8000; access_log access.log; return 200 ours;")
    if mount:
        outer = web.Application()
        outer.add_subapp(mount, app)
        app = outer

    async def talk(client: Client) -> None:
        assert await get(client, URL(mount + path, encoded=True)) == (200, "ours")
        assert (await get(client, mount or "/"))[1] == "ours"

    play(app, talk)
    assert f'"GET {mount}{path} HTTP/1.1" 200' in folder.read("access.log")


def test_options_of_the_server(folder: Folder) -> None:
    async def talk(client: Client) -> None:
        answer = await raw(client, b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400 ") and b"nginx/" in answer

    folder.talk(talk)


def test_on_uvloop(folder: Folder) -> None:
    async def main() -> None:
        async with TestClient(TestServer(folder.application())) as client:
            assert await get(client, "/x") == (200, "GET /x ")

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def test_package_imports_nothing_before_it_is_asked() -> None:
    """The command line answers -V in no time only if this is so."""
    script = (
        "from __future__ import annotations; import sys; before = set(sys.modules);"
        "import pyngx_jwt; print(sorted(set(sys.modules) - before));"
        "print(pyngx_jwt.application.__module__)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert ran.stdout.splitlines() == ["['pyngx_jwt']", "pyngx_jwt.app"]
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = pyngx_jwt.nothing


def test_a_fetch_of_keys_has_an_end(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if the issuer goes on to send something now and then."""
    monkeypatch.setattr("pyngx_jwt.modules.auth_jwt.key_request.FETCH", 0.3)
    ended = asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        gone = asyncio.ensure_future(reader.read())
        while not gone.done():
            writer.write(b" ")
            await asyncio.wait([gone], timeout=0.01)
        writer.close()
        ended.set()

    async def talk(client: Client) -> None:
        issuer = await asyncio.start_server(drip, "127.0.0.1", port)
        async with issuer:
            answer = await client.get("/", headers={"Authorization": "Bearer e30.e30.e30"})
            assert answer.status == 500
            await asyncio.wait_for(ended.wait(), DEADLINE)
        assert 'key request "/_jwks" failed: no end in 0.3 seconds' in folder.read("error.log")

    port = free_port()
    folder.talk(
        talk,
        f"""
        listen 127.0.0.1:8000;
        location / {{ auth_jwt A; auth_jwt_key_request /_jwks; }}
        location = /_jwks {{ internal; proxy_pass http://127.0.0.1:{port}; }}
        """,
    )
