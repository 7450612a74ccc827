"""A configuration as an ASGI application, alone and with an application behind it."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from pyngx_jwt.asgi import application
from pyngx_jwt.errors import ConfError
from pyngx_jwt.server.asgi import App, Message, Receive, Scope, Send

from .jwt.keys import jwks
from .modules.tokens import KEY, bearer
from .ports import free_port
from .wire import DEADLINE

Talk = Callable[[httpx.AsyncClient], Awaitable[None]]


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with what it got, in two parts."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    names = {name: value for name, value in scope["headers"]}
    lines = [scope["method"], scope["path"], scope["query_string"].decode(), body.decode()]
    lines += [names.get(b"x-user", b"").decode(), scope["client"][0]]
    headers = [(b"content-type", b"text/plain"), (b"x-from", b"app"), (b"set-cookie", b"a=b")]
    status = 200 if scope["path"] == "/ok" else 201
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": "|".join(lines).encode(), "more_body": True})
    await send({"type": "http.response.body", "body": b"."})


@asynccontextmanager
async def living(app: App) -> AsyncIterator[None]:
    """Between the startup and the shutdown of its lifespan."""
    to_app: asyncio.Queue[Message] = asyncio.Queue()
    from_app: asyncio.Queue[Message] = asyncio.Queue()
    task = asyncio.create_task(
        app({"type": "lifespan", "asgi": {"version": "3.0"}}, to_app.get, from_app.put)
    )
    task.add_done_callback(lambda _: from_app.put_nowait({"type": "the end"}))
    await to_app.put({"type": "lifespan.startup"})
    first = await from_app.get()
    if first["type"] == "the end":
        await task  # raises why
    assert first["type"] == "lifespan.startup.complete"
    try:
        yield
    finally:
        await to_app.put({"type": "lifespan.shutdown"})
        assert (await from_app.get())["type"] == "lifespan.shutdown.complete"
        await task


class Folder:
    """A prefix with a configuration."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "jwks.json").write_text(jwks(KEY))

    def application(self, server: str, app: App | None = None, http: str = "") -> App:
        text = textwrap.dedent(server)
        (self.path / "nginx.conf").write_text(
            "error_log error.log info; events {}\n"
            f"http {{ access_log access.log; {http}\nserver {{ listen 127.0.0.1:80; {text} }} }}\n"
        )
        return application("nginx.conf", app, prefix=self.path)

    def talk(self, talk: Talk, server: str, app: App | None = None, http: str = "") -> None:
        async def run() -> None:
            served = self.application(server, app, http)
            transport = httpx.ASGITransport(served, client=("192.0.2.1", 123))
            async with living(served), httpx.AsyncClient(transport=transport) as client:
                client.base_url = "http://test"
                await talk(client)

        asyncio.run(run())

    def ask(self, block: str, app: App | None = None, /, **more: Any) -> tuple[int, str]:
        """The status and body for a scope with these members."""
        scope: dict[str, Any] = {
            **{"type": "http", "method": "GET", "path": "/", "http_version": "1.1"},
            **{"headers": [(b"host", b"x")], "client": ("192.0.2.1", 1), "server": ("x", 80)},
            **more,
        }
        answer: list[Message] = []
        body = asyncio.Queue[Message]()
        body.put_nowait({"type": "http.request", "body": b"", "more_body": False})

        async def send(message: Message) -> None:
            answer.append(message)

        async def run() -> None:
            served = self.application(block, app)
            async with living(served):
                await served(scope, body.get, send)

        asyncio.run(run())
        text = b"".join(message["body"] for message in answer[1:])
        return answer[0]["status"], text.decode()

    def log(self) -> str:
        return (self.path / "error.log").read_text("latin-1")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_serves_a_configuration(folder: Folder) -> None:
    async def talk(client: httpx.AsyncClient) -> None:
        answer = await client.get("/a%20b?c=d")
        assert (answer.status_code, answer.text) == (200, "GET /a b c=d 192.0.2.1 http")
        assert answer.headers["server"].startswith("nginx/")
        assert answer.headers["content-length"] == str(len(answer.text))
        answer = await client.head("/")
        assert (answer.status_code, answer.content) == (200, b"")
        assert (await client.post("/none", content=b"x" * 100_000)).status_code == 404
        assert (await client.get("/", headers={"Host": ""})).status_code == 400

    server = """
        location / { return 200 "$request_method $uri $args $remote_addr $scheme"; }
        location /none { root none; }
    """
    folder.talk(talk, server)
    assert '"GET /a%20b?c=d HTTP/1.1" 200' in (folder.path / "access.log").read_text()


GUARDED = """
    location / { pyngx_app; add_header X-Added yes; }
    location /api/ {
        auth_jwt "API";
        auth_jwt_key_file jwks.json;
        more_set_input_headers "X-User: $jwt_claim_sub";
        pyngx_app;
    }
    location /old/ { rewrite ^/old/(.*) /new/$1 break; pyngx_app; }
    location /small { client_max_body_size 10; pyngx_app; }
"""


def test_an_application_behind_it(folder: Folder) -> None:
    async def talk(client: httpx.AsyncClient) -> None:
        answer = await client.get("/x?y")
        assert (answer.status_code, answer.text) == (201, "GET|/x|y|||192.0.2.1.")
        assert (answer.headers["x-from"], answer.headers["x-added"]) == ("app", "yes")
        assert answer.headers["set-cookie"] == "a=b"
        assert answer.headers["content-type"] == "text/plain"
        answer = await client.post("/x", content=b"body")
        assert answer.text == "POST|/x||body||192.0.2.1."
        assert (await client.get("/api/x", headers={"X-User": "forged"})).status_code == 401
        name, _, value = bearer().partition(": ")
        answer = await client.get("/api/x", headers={"X-User": "forged", name: value})
        assert answer.text == "GET|/api/x|||u1|192.0.2.1."
        assert (await client.get("/old/a")).text.startswith("GET|/new/a|")
        assert (await client.post("/small", content=b"x" * 11)).status_code == 413
        body = b"".join([b"z" * 300_000])

        async def pieces() -> AsyncIterator[bytes]:
            yield body[:200_000]
            yield body[200_000:]

        answer = await client.post("/x", content=pieces())
        assert answer.text == f"POST|/x||{body.decode()}||192.0.2.1."
        assert (await client.post("/small", content=pieces())).status_code == 413

    folder.talk(talk, GUARDED, echo)


def test_filters_apply_to_the_application(folder: Folder) -> None:
    async def talk(client: httpx.AsyncClient) -> None:
        answer = await client.get("/ok", headers={"Accept-Encoding": "gzip"})
        assert answer.headers["content-encoding"] == "gzip"
        assert answer.text.startswith("GET|/ok|")

    folder.talk(talk, "gzip on; gzip_types text/plain; gzip_min_length 0;" + GUARDED, echo)


def test_applications_that_fail(folder: Folder) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await echo(scope, receive, send)
        elif scope["path"] == "/late":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"part", "more_body": True})
            raise RuntimeError("late")
        elif scope["path"] == "/raises":
            raise RuntimeError("broken")

    async def talk(client: httpx.AsyncClient) -> None:
        assert (await client.get("/raises")).status_code == 500
        assert (await client.get("/silent")).status_code == 500
        with pytest.raises(AssertionError):  # the response is not complete
            await client.get("/late")

    folder.talk(talk, "location / { pyngx_app; }", app)
    assert "the application failed: RuntimeError('broken')" in folder.log()


def test_a_client_that_leaves(folder: Folder) -> None:
    """The application is told, as it is by its server."""
    told: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await echo(scope, receive, send)
            return
        try:
            assert (await receive())["type"] == "http.request"
            told.append((await receive())["type"])
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            told.append("cancelled")
            raise

    async def run() -> None:
        served = folder.application("location / { pyngx_app; }", app)
        messages: asyncio.Queue[Message] = asyncio.Queue()
        scope: dict[str, Any] = {
            "type": "http",
            "method": "GET",
            "path": "/",
            "headers": [(b"host", b"x")],
            "http_version": "1.1",
        }

        async def send(message: Message) -> None:
            raise AssertionError(message)

        async with living(served):
            request = asyncio.create_task(served(scope, messages.get, send))
            await asyncio.sleep(0)
            await messages.put({"type": "http.disconnect"})
            await request

    asyncio.run(run())
    assert told in (["http.disconnect", "cancelled"], ["cancelled"])
    assert "client prematurely closed connection" in folder.log()
    assert (folder.path / "access.log").read_text().split('"')[2].split()[0] == "499"


def showing(*names: str) -> App:
    """An application that answers with members of its scope."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await echo(scope, receive, send)
            return
        text = "|".join(repr(scope.get(name)) for name in names)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": text.encode()})

    return app


@pytest.mark.parametrize(
    ("raw", "path", "again"),
    [
        (b"/pub/..%252fadm/x", "/pub/..%2fadm/x", b"/pub/..%252fadm/x"),
        (b"/pub/%2e%2e%2fpub/x", "/pub/x", b"/pub/x"),
        (b"/pub/a%3fb%23%0d%0aX:%20y", "/pub/a?b#\r\nX: y", b"/pub/a%3Fb%23%0D%0AX:%20y"),
        (b"/pub/%c3%a9%ff", "/pub/\xe9\ufffd", b"/pub/%C3%A9%FF"),
        (b"/old/a%20%25", "/new/a %", b"/new/a%20%25"),
    ],
)
def test_the_raw_path_is_escaped(folder: Folder, raw: bytes, path: str, again: bytes) -> None:
    """What decodes it gets the path whose location was found, not another one."""
    server = "location / { pyngx_app; } location /adm/ { return 403; }"
    server += "location /old/ { rewrite ^/old(/.*)$ /new$1 break; pyngx_app; }"
    answer = folder.ask(server, showing("path", "raw_path"), raw_path=raw)
    assert answer == (200, f"{path!r}|{again!r}")


CLIENTS = """
    set_real_ip_from unix:;
    set_real_ip_from 127.0.0.1;
    location / { return 200 "$remote_addr|$remote_port"; }
    location /net { allow 10.0.0.0/8; allow 2001:db8::/32; deny all; stub_status; }
    location /unix { allow unix:; deny all; stub_status; }
"""


@pytest.mark.parametrize(
    ("client", "server", "seen", "net", "unix"),
    [
        (("10.0.0.1", 7), ("x", 80), "10.0.0.1|7", 200, 403),
        (("2001:db8::1%eth0", 7), ("x", 80), "2001:db8::1%eth0|7", 200, 403),
        (("10.0.0.1", None), ("x", 80), "10.0.0.1|", 200, 403),
        (("10.0.0.1", 0), None, "10.0.0.1|", 200, 403),
        (("10.0.0.1", 0), ("/run/x", None), "10.0.0.1|", 200, 403),
        (("unknown", 0), ("x", 80), "unknown|", 403, 403),
        (("10.0.0.1\0", 0), ("x", 80), "unknown|", 403, 403),
        (("\xe9", 0), ("/run/x", None), "unknown|", 403, 403),
        (None, ("x", 80), "unknown|", 403, 403),
        (None, None, "unknown|", 403, 403),
        (None, ("/run/x", None), "unix:|", 403, 200),
    ],
)
def test_clients(folder: Folder, client: Any, server: Any, seen: str, net: int, unix: int) -> None:
    """One that is no address is in no network, and not at the other end of a unix socket."""
    ends = {"client": client, "server": server}
    assert folder.ask(CLIENTS, **ends) == (200, seen)
    assert folder.ask(CLIENTS, path="/net", **ends)[0] == net
    assert folder.ask(CLIENTS, path="/unix", **ends)[0] == unix
    headers = [(b"host", b"x"), (b"x-real-ip", b"1.2.3.4")]
    answer = folder.ask(CLIENTS, headers=headers, **ends)
    assert answer == (200, "1.2.3.4|" if unix == 200 else seen)


def test_a_client_that_is_no_address_is_logged(folder: Folder) -> None:
    folder.ask(CLIENTS, client=("unknown", 0))
    assert "[warn]" in folder.log() and 'no IP address of a client: "unknown"' in folder.log()


def test_the_client_of_the_application(folder: Folder) -> None:
    server = "location / { pyngx_app; }"
    for client, seen in ((("10.0.0.1", None), ("10.0.0.1", 0)), (("x", 1), ("unknown", 0))):
        answer = folder.ask(server, showing("client"), client=client)
        assert answer == (200, repr(seen))


@pytest.mark.parametrize(
    "more",
    [
        {"headers": [(b"host", b"x"), (b"a", b"b\r\nx-in: y")]},
        {"headers": [(b"host", b"x"), (b"a", b"b\nx-in: y")]},
        {"headers": [(b"host", b"x"), (b"a", b"b\0c")]},
        {"headers": [(b"host", b"x"), (b"a\r\nx-in", b"y")]},
        {"headers": [(b"host", b"x"), (b"x-in: y", b"z")]},
        {"raw_path": b"/x HTTP/1.1\r\nx-in: y"},
        {"query_string": b"a HTTP/1.1\r\nx-in: y"},
        {"method": "GET /y HTTP/1.1\r\nHost: z\r\nx-in: y\r\n\r\nGET"},
    ],
)
def test_a_head_that_would_be_another_one(folder: Folder, more: dict[str, Any]) -> None:
    assert folder.ask('return 200 "[$http_x_in]";', **more)[0] == 400


def test_extensions_that_are_not_ours_are_not_offered(folder: Folder) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await echo(scope, receive, send)
            return
        assert scope["extensions"] == {"tls": {"tls_version": 772}}
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.pathsend", "path": "/etc/hostname"})

    given = {"tls": {"tls_version": 772}, "http.response.pathsend": {}, "http.response.push": {}}
    assert folder.ask("location / { pyngx_app; }", app, extensions=given)[0] == 500
    assert "no message of a response: 'http.response.pathsend'" in folder.log()


@pytest.mark.parametrize("length", [b"-5", b"x", b"1_0"])
def test_a_length_that_is_none(folder: Folder, length: bytes) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await echo(scope, receive, send)
            return
        headers = [(b"content-length", length)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})

    assert folder.ask("location / { pyngx_app; }", app)[0] == 500
    assert "not a Content-Length: " in folder.log()


@pytest.mark.parametrize(
    "setting", ['more_set_input_headers "X-User: $b";', "set $args $b;"], ids=["header", "args"]
)
def test_a_line_break_does_not_reach_the_application(folder: Folder, setting: str) -> None:
    server = f'location ~ "(?s)^/(?<b>.*)$" {{ {setting} pyngx_app; }}'
    assert folder.ask(server, showing("path"), raw_path=b"/a")[0] == 200
    assert folder.ask(server, showing("path"), raw_path=b"/a%0d%0aX:%20y")[0] == 500
    assert "line break in a request to the application" in folder.log()


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"/sub/adm/x", 403),
        (b"/sub/pub/../adm/x", 403),
        (b"/sub/pub/x", 200),
        (b"/sub", 200),
        (b"/sub/../adm/x", 404),
        (b"/sub/%2e%2e/adm/x", 404),
        (b"/sub/../subway", 404),
        (b"/adm/x", 200),  # a server that leaves the root out of the path
    ],
)
def test_mounted_under_a_root(folder: Folder, raw: bytes, status: int) -> None:
    """An application behind takes a path that is not under its root for one without it."""
    server = "location / { pyngx_app; } location /sub/adm/ { return 403; }"
    answer = folder.ask(server, showing("path"), root_path="/sub", raw_path=raw)
    assert answer[0] == status


def test_without_an_application(folder: Folder) -> None:
    """The configuration is one of an application, and is not served by itself."""

    async def run() -> None:
        async with living(folder.application(GUARDED)):
            raise AssertionError("started")

    with pytest.raises(ConfError, match='"pyngx_app" needs an application'):
        asyncio.run(run())


def test_websockets_are_refused(folder: Folder) -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def run() -> None:
        await folder.application(GUARDED, echo)({"type": "websocket"}, receive, send)

    asyncio.run(run())
    assert sent == [{"type": "websocket.close", "code": 1008}]


RECIPE = Path(__file__).parent.parent / "docs/recipes/fastapi.md"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """The recipe under uvicorn: its URL."""
    (conf,) = re.findall(r"```nginx\n(.*?)```", RECIPE.read_text(), re.DOTALL)
    (code,) = re.findall(r"```python\n(.*?)```", RECIPE.read_text(), re.DOTALL)
    (tmp_path / "static").mkdir()
    (tmp_path / "static/a.css").write_text("css")
    (tmp_path / "keys.json").write_text(jwks(KEY))
    (tmp_path / "mime.types").write_text("types { text/css css; }")
    (tmp_path / "nginx.conf").write_text(conf.replace("/srv/app", str(tmp_path)))
    (tmp_path / "main.py").write_text(code.replace("/srv/app", str(tmp_path)))
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "main:app", "--port", str(port)]
    environ = {**os.environ, "PYTHONPATH": f"{RECIPE.parent.parent.parent}"}
    with (tmp_path / "out").open("w") as out:
        process = subprocess.Popen(command, cwd=tmp_path, stdout=out, stderr=out, env=environ)
    until = time.monotonic() + DEADLINE
    while "Uvicorn running" not in (tmp_path / "out").read_text():
        assert process.poll() is None and time.monotonic() < until, (tmp_path / "out").read_text()
        time.sleep(0.02)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(30)
    assert "Traceback" not in (tmp_path / "out").read_text()


def test_fastapi_under_uvicorn(served: str) -> None:
    with httpx.Client(base_url=served) as client:
        assert client.get("/health").json() == "ok"
        assert client.get("/static/a.css").text == "css"
        assert client.get("/api/me", headers={"X-User": "forged"}).status_code == 401
        assert client.get("/API/me").status_code == 401
        assert client.get("/docs").status_code == 404  # no location passes it on
        name, _, value = bearer(iss="https://idp.example.com", aud="api", scope="read").partition(
            ": "
        )
        answer = client.get("/api/me", headers={name: value, "X-User": "forged"})
        assert answer.json() == {"user": "u1", "scope": "read"}
        assert (
            client.post("/api/me", headers={name: value}, content=b"x" * 70_000).status_code == 405
        )
