"""Checks the health of upstream servers."""

from __future__ import annotations

from ..conf.scope import Scope
from ..core.worker import WorkerLife
from ..errors import ConfError
from ..gateway.conf import gateway_of
from ..gateway.health import begin_checks, start_checks
from ..gateway.health_conf import HealthConf
from ..http.level import Level
from ..http.module import Module

upstream_hc = Module("upstream_hc", HealthConf)


@upstream_hc.after_merge
def check_place(conf: HealthConf, level: Level) -> None:
    """There must be servers to check."""
    if conf.checks and gateway_of(level) is None:
        statement = conf.checks[0].statement
        error = ConfError('"health_check" requires a directive such as "proxy_pass" beside it')
        raise error.at(statement.file, statement.line) if statement else error


@upstream_hc.after_read
def begin(scope: Scope) -> None:
    begin_checks(scope)


@upstream_hc.check_continues
def go_on(scope: Scope, old: Scope) -> None:
    begin_checks(scope, old)


@upstream_hc.worker_starts
def start(scope: Scope, life: WorkerLife) -> None:
    start_checks(scope, life)
