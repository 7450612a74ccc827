"""What ``pyngx lint`` finds in the pairs of tests/data/lint_rules, beside others:
python -m bench.lint_peers --gixy PATH --crossplane PATH --nginx PATH [--format markdown].

Each rule has a bad and a good configuration that differ in what the rule is about. Another
program reacts to it if it tells of the bad one what it does not tell of the good one: a check
of gixy's, an error or a warning of "nginx -t", an error of "crossplane parse". What it tells of
both is no reaction. Programs that are not given are left out.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pyngx_jwt.lint.rules import rules
from tests.lint.kit import PAIRS, Linter

TIMEOUT = 60  # seconds
_PLACE = re.compile(r" in \S+:\d+$")
Ask = Callable[[Path], frozenset[str]]


class Row(NamedTuple):
    """One pair: the rule, what was found in both, and how the others reacted to the bad one."""

    name: str
    fires: bool
    silent: bool
    reactions: tuple[frozenset[str], ...]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    for name in ("gixy", "nginx", "crossplane"):
        parser.add_argument(f"--{name}", metavar="PATH", help=f"the program {name}")
    parser.add_argument("--format", choices=("text", "markdown"), default="text")
    args = parser.parse_args()
    peers: dict[str, Ask] = {}
    if args.gixy:
        peers["gixy"] = lambda path: ask_gixy(args.gixy, path)
    if args.nginx:
        peers["nginx -t"] = lambda path: ask_nginx(args.nginx, path)
    if args.crossplane:
        peers["crossplane"] = lambda path: ask_crossplane(args.crossplane, path)
    with tempfile.TemporaryDirectory() as folder:
        rows = list(compare(Path(folder), peers))
    show(rows, [*peers], "| " if args.format == "markdown" else "")
    return 0 if all(row.fires and row.silent for row in rows) else 1


def compare(folder: Path, peers: dict[str, Ask]) -> Iterator[Row]:
    """All pairs whose rule there is, in a folder of their own."""
    linter = Linter(folder)
    (folder / "logs").mkdir()
    known = {rule.id: rule.name for rule in rules()}
    for path in sorted(PAIRS.glob("*.bad.conf")):
        name = known.get(path.name[:3])
        if name is None:
            continue
        bad = Path(shutil.copy(path, folder))
        good = Path(shutil.copy(path.with_name(path.name.replace(".bad.", ".good.")), folder))
        found = {f.rule for f in linter.findings(paths=[bad.name])}
        found_in_good = {f.rule for f in linter.findings(paths=[good.name])}
        reactions = tuple(ask(bad) - ask(good) for ask in peers.values())
        shown = path.name[:3] + " " + name
        yield Row(shown, name in found, name not in found_in_good, reactions)


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, text=True, timeout=TIMEOUT, errors="replace", check=False
    )


def ask_gixy(program: str, path: Path) -> frozenset[str]:
    """The checks that found something, each with why."""
    done = run(program, "-f", "json", str(path))
    try:
        found: list[dict[str, Any]] = json.loads(done.stdout)
    except ValueError:
        sys.exit(f"{program}: {done.stderr or done.stdout}")
    return frozenset(f"{row['plugin']}\n{row['reason']}" for row in found)


def ask_nginx(program: str, path: Path) -> frozenset[str]:
    """The errors and warnings, without their places."""
    done = run(program, "-t", "-q", "-p", f"{path.parent}/", "-c", str(path), "-e", "stderr")
    lines = (line for line in done.stderr.splitlines() if "[" in line)
    return frozenset(_PLACE.sub("", line.partition("] ")[2]) for line in lines)


def ask_crossplane(program: str, path: Path) -> frozenset[str]:
    """The errors, without their places."""
    done = run(program, "parse", str(path))
    try:
        errors = json.loads(done.stdout)["errors"]
    except (ValueError, KeyError):
        sys.exit(f"{program}: {done.stderr or done.stdout}")
    return frozenset(_PLACE.sub("", str(row["error"])) for row in errors)


def show(rows: list[Row], peers: list[str], bar: str) -> None:
    """Prints the table and, at its end, the counts."""
    table = [("rule", "fires on bad", "silent on good", *peers)]
    table += [
        (row.name, _yes(row.fires), _yes(row.silent), *map(_told, row.reactions)) for row in rows
    ]
    counts = [sum(bool(row.reactions[at]) for row in rows) for at in range(len(peers))]
    fires, silent = sum(row.fires for row in rows), sum(row.silent for row in rows)
    table.append((f"all {len(rows)}", str(fires), str(silent), *map(str, counts)))
    widths = [max(len(line[at]) for line in table) for at in range(len(table[0]))]
    for number, line in enumerate(table):
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        print(f"{bar}{' | '.join(cells) if bar else '  '.join(cells)}{bar and ' |'}".rstrip())
        if bar and not number:
            print(f"|{'|'.join('-' * (width + 2) for width in widths)}|")


def _yes(value: bool) -> str:
    return "yes" if value else "NO"


def _told(reaction: frozenset[str]) -> str:
    return ", ".join(sorted({text.partition("\n")[0] for text in reaction})) or "-"


if __name__ == "__main__":
    sys.exit(main())
