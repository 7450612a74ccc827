"""The recipes of docs/recipes, each with the application server that it is for."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from ..collector import Collector
from ..nginx import Nginx
from ..wire import DEADLINE
from .tokens import FILES, token

RECIPES = Path(__file__).parent.parent.parent / "docs/recipes"
OURS = {"iss": "https://idp.example.com", "aud": "api"}
WSGI = """
def application(environ, start_response):
    if environ["PATH_INFO"].endswith("/broken"):
        start_response("200 OK", [("Content-Length", "9")])
        return [b"cut"]
    start_response("201 Made", [("X-Method", environ["REQUEST_METHOD"]), ("Set-Cookie", "a=b")])
    length = int(environ["CONTENT_LENGTH"] or 0)
    body = environ["wsgi.input"].read(length)
    words = environ["REQUEST_URI"], environ["QUERY_STRING"], environ["JWT_SUB"], body.decode()
    return ["|".join(words).encode()]
"""
PHP = """<?php
http_response_code(201);
header("X-Method: " . $_SERVER["REQUEST_METHOD"]);
header("Set-Cookie: a=b");
if (str_contains($_SERVER["REQUEST_URI"], "/warning")) error_log("something is wrong");
if (str_contains($_SERVER["REQUEST_URI"], "/long")) echo str_repeat("0123456789", 100000);
echo implode("|", [$_SERVER["REQUEST_URI"], $_SERVER["QUERY_STRING"], $_SERVER["JWT_SUB"],
                   file_get_contents("php://input")]);
"""

PYNGX_ONLY = pytest.mark.pyngx_only("auth_jwt_validate_claim is a directive of pyngx")


def program(*names: str) -> str:
    """The first of these programs that there is; skips the test if there is none."""
    found = next((path for name in names if (path := shutil.which(name))), None)
    return found or pytest.skip(f"no {names[0]}: see docs/testing.md")


Start = Callable[[Sequence[str], Path], None]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts an application server, and waits until its socket is there."""
    processes: list[subprocess.Popen[bytes]] = []

    def run(command: Sequence[str], socket: Path) -> None:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        processes.append(process)
        deadline = time.monotonic() + DEADLINE
        while not socket.exists():
            assert process.poll() is None and time.monotonic() < deadline, command
            time.sleep(0.02)

    yield run
    for process in processes:
        process.terminate()
        process.wait(DEADLINE)


def recipe(nginx: Nginx, name: str, socket: Path) -> None:
    """Starts the configuration of a recipe, with the paths and the port of this test."""
    (text,) = re.findall(r"```nginx\n(.*?)```", (RECIPES / name).read_text(), re.DOTALL)
    before, _, server = text.partition("server {\n")
    server = re.sub(r"    (listen|ssl_certificate(_key)?) .*;\n", "", server)  # no TLS here
    paths = {"/run/php/php-fpm.sock": str(socket), "/run/app/uwsgi.sock": str(socket)}
    for old, new in {**paths, "/srv/app/": "%%DIR%%/app/"}.items():
        before, server = before.replace(old, new), server.replace(old, new)
    nginx(server.rstrip()[:-1], http=before, files={"app/keys.json": FILES["jwks.json"]})


@pytest.fixture
def php(nginx: Nginx, start: Start, tmp_path: Path) -> Nginx:
    fpm = program("php-fpm", "php-fpm8.4", "php-fpm8.3", "php-fpm8.2")
    socket = tmp_path / "php.sock"
    conf = tmp_path / "fpm.conf"
    conf.write_text(f"""
[global]
error_log = {tmp_path}/fpm.log
[www]
user = root
group = root
listen = {socket}
pm = static
pm.max_children = 2
""")
    nginx.write("app/public/index.php", PHP)
    nginx.write("app/public/style.css", "css")
    nginx.write("app/public/other.php", "source")
    start([fpm, "-F", "-R", "-n", "-y", str(conf)], socket)
    recipe(nginx, "php.md", socket)
    return nginx


@PYNGX_ONLY
def test_php(php: Nginx) -> None:
    php.exchange(f"""
        > GET /style.css
        < 200
        <
        < css

        > GET /a/b?c=d
        < 201
        < X-Method: GET
        < Set-Cookie: a=b
        < Content-Type: text/html; charset=UTF-8
        <
        < /a/b?c=d|c=d||

        > POST /form
        >
        > x=y
        < 201
        < X-Method: POST
        <
        < /form|||x=y

        > GET /api/x
        < 401

        > GET /api/x
        > Authorization: Bearer {token(sub="me")}
        < 401

        > GET /api/x
        > Authorization: Bearer {token(sub="me", **OURS)}
        < 201
        <
        < /api/x||me|

        > GET /other.php
        < 404

        > GET /index.php
        < 404
        """)


@PYNGX_ONLY
def test_php_with_more(php: Nginx) -> None:
    """HEAD, a long body, a long answer, and what goes to the log, over kept connections."""
    assert php.request("HEAD /a").status == 201
    body = "x" * 300_000
    assert php.request("POST /a", body=body).body == f"/a|||{body}".encode()
    assert len(php.request("GET /long").body) == 1_000_000 + len("/long|||")
    assert php.request("GET /warning").status == 201
    php.wait_for_log(r'\[error\] .*FastCGI sent in stderr: "PHP message: something is wrong')


@pytest.fixture
def uwsgi(nginx: Nginx, start: Start, tmp_path: Path) -> Nginx:
    server = program("uwsgi")
    socket = tmp_path / "uwsgi.sock"
    nginx.write("app/static/style.css", "css")
    nginx.write("app/wsgi.py", WSGI)
    command = ["--master", "--socket", str(socket), "--wsgi-file", f"{nginx.prefix}/app/wsgi.py"]
    start([server, *command, "--die-on-term"], socket)
    recipe(nginx, "python.md", socket)
    return nginx


@PYNGX_ONLY
def test_python(uwsgi: Nginx) -> None:
    uwsgi.exchange(f"""
        > GET /static/style.css
        < 200
        <
        < css

        > GET /a/b?c=d
        < 201
        < X-Method: GET
        < Set-Cookie: a=b
        <
        < /a/b?c=d|c=d||

        > POST /form
        >
        > x=y
        < 201
        < X-Method: POST
        <
        < /form|||x=y

        > HEAD /a
        < 201

        > GET /api/x
        < 401

        > GET /API/x
        < 401

        > GET /api/x
        > Authorization: Bearer {token(sub="me")}
        < 401

        > GET /api/x
        > Authorization: Bearer {token(sub="me", **OURS)}
        < 201
        <
        < /api/x||me|
        """)
    body = "x" * 300_000
    assert uwsgi.request("POST /a", body=body).body == f"/a|||{body}".encode()
    raw = uwsgi.raw(b"GET /broken HTTP/1.1\r\nHost: x\r\n\r\n")
    assert raw.endswith(b"\r\n\r\ncut")
    uwsgi.wait_for_log("upstream prematurely closed connection while reading upstream")


@PYNGX_ONLY
def test_tracing(nginx: Nginx) -> None:
    collector = Collector(nginx.port("o"))
    collector.start()
    (text,) = re.findall(r"```nginx\n(.*?)```", (RECIPES / "tracing.md").read_text(), re.DOTALL)
    before, _, server = text.partition("server {\n")
    server = re.sub(r"    (listen|ssl_certificate(_key)?) .*;\n", "", server)
    app = "127.0.0.1:%%PORT_app%%"
    for old, new in {"127.0.0.1:8000": app, "/srv/": "", "/var/log/nginx/": "logs/"}.items():
        server = server.replace(old, new)
    before = before.replace("127.0.0.1:4317", "127.0.0.1:%%PORT_o%%")
    before += """server { listen 127.0.0.1:%%PORT_app%%; otel_trace off;
        return 200 $http_traceparent; }"""
    nginx(server.rstrip()[:-1], http=before, files={"app/keys.json": FILES["jwks.json"]})
    trace = "0af7651916cd43dd8448eb211c80319c"
    client = f"traceparent: 00-{trace}-b9c7c989f97918e1-01"
    nginx.exchange(f"> GET /healthz\n> {client}\n< 204\n")
    nginx.exchange(f"> GET /\n> {client}\n< 401\n")
    assert collector.span().attributes["enduser.id"] == ""
    seen = nginx.request("GET /", client, f"Authorization: Bearer {token(**OURS, sub='me')}").text
    span = collector.span()
    assert seen == f"00-{trace}-{span.message.span_id.hex()}-01"
    assert span.attributes["enduser.id"] == "me"
    assert float(span.attributes["upstream.time"]) >= 0
    assert span.resource == {"service.name": "edge", "deployment.environment": "production"}
    line = nginx.access_log(3, "traced.log")[-1]
    assert line.endswith(f" trace={trace} span={span.message.span_id.hex()}")
    assert " - me [" in line
    assert collector.is_empty
    collector.stop()


def test_recipes_are_listed() -> None:
    names = {path.name for path in RECIPES.glob("*.md")} - {"README.md"}
    assert set(re.findall(r"\]\((\w+\.md)\)", (RECIPES / "README.md").read_text())) == names
