"""The hooks of modules: when they are run, and what they can stop."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pyngx_jwt.compile import Cycle, load, scope_of
from pyngx_jwt.conf.block import ConfBlock
from pyngx_jwt.conf.directive import Conf
from pyngx_jwt.conf.parse import Statement
from pyngx_jwt.conf.scope import Scope
from pyngx_jwt.core.main import main
from pyngx_jwt.core.module import CoreModule, User
from pyngx_jwt.core.worker import WorkerLife
from pyngx_jwt.errors import ConfError
from pyngx_jwt.log import Log
from pyngx_jwt.modules import MODULES
from pyngx_jwt.options import DIRECTORY, Options
from pyngx_jwt.zones.store import Counts


class LifeConf(Conf):
    """Without directives."""


class Told:
    """A module that tells of its life."""

    def __init__(self) -> None:
        self.events: list[str] = []
        module = self.module = CoreModule("life", LifeConf)
        module.before_read(lambda scope: self.events.append("before read"))
        module.after_read(lambda scope: self.events.append("after read"))
        module.understanding(lambda scope: "read as life")
        module.unknown(self._unknown)
        module.check_user(self._check_user)
        module.check_continues(self._check_continues)
        module.worker_starts(lambda scope, life: self.events.append(f"worker {life.number}"))
        module.worker_ends(lambda scope: self.events.append("worker ends"))
        module.process_exits(lambda scope: self.events.append("exit"))

    def _unknown(self, statement: Statement, level: ConfBlock) -> bool:
        self.events.append(f"{statement.name} in {level.context.name}")
        return statement.name == "living"

    def _check_user(self, scope: Scope, user: User) -> None:
        raise ConfError(f"not as {user[0]}")

    def _check_continues(self, scope: Scope, old: Scope) -> None:
        if scope is old:
            raise ConfError("it is the same")


def options(folder: Path, text: str) -> Options:
    (folder / "nginx.conf").write_text(f"events {{ }} http {{ {text} }}")
    return Options(f"{folder}/", f"{folder}/nginx.conf", "", DIRECTORY)


def loaded(told: Told, folder: Path, text: str = "") -> Cycle:
    return load(options(folder, text), Log(), (told.module, *MODULES))


def test_a_configuration_from_its_first_statement_to_the_end_of_the_process(tmp_path: Path) -> None:
    told = Told()
    cycle = loaded(told, tmp_path)
    assert told.events == ["before read", "after read"]
    assert cycle.understanding.startswith("read as life\nJWT dialect: none")
    with pytest.raises(ConfError, match="not as 1"):
        cycle.check_user((1, 2))
    cycle.check_continues(loaded(told, tmp_path))
    with pytest.raises(ConfError, match="it is the same"):
        cycle.check_continues(cycle)
    cycle.exit()
    assert told.events[-1] == "exit"


def test_a_module_may_leave_out_what_none_has(tmp_path: Path) -> None:
    told = Told()
    loaded(told, tmp_path, "living { with { this; } } server { living; }")
    assert told.events[1:3] == ["living in http", "living in server"]
    with pytest.raises(ConfError, match=r'unknown directive "dying" in '):
        loaded(told, tmp_path, "server { dying; }")


def test_modules_of_other_dialects_have_no_part_in_it(tmp_path: Path) -> None:
    conf = options(tmp_path, 'server { auth_jwt_enabled on; auth_jwt_key "00"; }')
    scope = scope_of(conf, lambda text: None)
    names = {module.name for module in scope.modules}
    assert "auth_jwt_tesla" in names
    assert not names & {"auth_jwt", "auth_jwt_kjdev", "auth_jwt_maxlt"}


def test_what_a_worker_does_beside_serving(tmp_path: Path) -> None:
    """Tasks end where they have to: with the last connection that is accepted, or with the last
    request, and what is unfinished is waited for."""
    events: list[str] = []

    async def lasts(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            events.append(name)

    async def live() -> None:
        updates: set[asyncio.Task[None]] = set()
        module = CoreModule("life", LifeConf)

        @module.worker_starts
        def start(scope: Scope, life: WorkerLife) -> None:
            events.append(f"worker {life.number} with {life.count().active}")
            life.until_quit(lasts("keeper"))
            life.until_end(lasts("reports"))
            life.finishes(updates)

        module.worker_ends(lambda scope: events.append("end"))
        scope = scope_of(options(tmp_path, ""), lambda text: None, modules=(module,))
        life = WorkerLife(scope, lambda: Counts(active=7), 3)
        life.start()
        assert not life.is_busy
        updates.add(asyncio.create_task(lasts("update")))
        assert life.is_busy
        await asyncio.sleep(0)
        life.quit()
        await asyncio.sleep(0)
        assert events == ["worker 3 with 7", "keeper"]
        await life.end()

    asyncio.run(live())
    assert events[2:4] in (["reports", "update"], ["update", "reports"])
    assert events[4:] == ["end"]


def test_zones_are_opened_before_anything_needs_them() -> None:
    assert MODULES[0] is main
