"""Lines of access logs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from pyngx_jwt.http.failure import RequestFailed
from pyngx_jwt.http.log_line import bind_line
from pyngx_jwt.http.session import Session
from pyngx_jwt.http.template import Template
from pyngx_jwt.http.variables import Variables
from pyngx_jwt.log import Log, Severity


class Served(Session):
    """A session that keeps what is logged of it."""

    def __init__(self) -> None:
        self.connection = cast(Any, SimpleNamespace(number=1))
        self.texts: list[str] = []

    def log(self, level: Severity, text: str) -> None:
        self.texts.append(text)

    @property
    def error_log(self) -> Log:
        return cast(Log, SimpleNamespace(write=lambda *what, **how: self.texts.append(what[1])))


@pytest.mark.interpreted("a session is made in the test")
def test_a_variable_that_fails_costs_its_value_only() -> None:
    def wrong(r: Any) -> str:
        raise ValueError("wrong")

    def logged(r: Any) -> str:
        raise RequestFailed("its reason is in the log")

    variables = Variables()
    variables.builtin.update(wrong=wrong, logged=logged, right=lambda r: "yes")
    line = bind_line(Template("$right $wrong|$logged|$right").parts, "default", variables)
    served = Served()
    assert line(cast(Any, served)) == b"yes -|-|yes\n"
    summary, trace = served.texts
    assert summary == "unexpected error: ValueError('wrong')"
    assert trace.startswith("Traceback")
