"""The rewrite phase, directive by directive."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from ..conf.parse import Statement
from ..http.contexts import LOCATION_IF, SERVER_IF
from ..http.level import Level
from ..http.operations import EXIT
from ..http.request import Request, Status
from ..http.status import DONE
from ..http.template import Template
from .carriers import switch_words
from .definitions import VariableDefinitions
from .lines import Line, Result, shown
from .trip import Trip, level_of, status_text

_VARIABLE = re.compile(r"\$(?:\w+|\{\w+\})")


class RewriteStep:
    """One directive while it runs; `is_gated` says whether a level requires tokens."""

    def __init__(
        self,
        trip: Trip,
        is_gated: Callable[[Level], bool],
        definitions: VariableDefinitions,
        r: Request,
        level: Level,
        statement: Statement,
    ) -> None:
        self.trip, self.is_gated, self.definitions = trip, is_gated, definitions
        self.r, self.level, self.statement = r, level, statement
        self.values = self._values() if statement.name == "if" else []
        self.at = len(self.trip.lines)
        self.uri, self.args, self.variables = r.uri, r.args, dict(r.variables)
        self.trip.logged = len(self.trip.log)

    def _values(self) -> list[Line]:
        """The variables of a condition, with their values and where these are from."""
        logged, lines = len(self.trip.log), list[Line]()
        for name in dict.fromkeys(_VARIABLE.findall(" ".join(self.statement.args))):
            value = Template(name).bind(self.level.variables)(self.r)
            lines.append(Line(Result.NOTE, "", f'{name} is "{shown(value)}"'))
            lines += self.definitions.explain(Template(name), self.level, self.r)
        del self.trip.log[logged:]  # evaluating the condition logs it again
        return lines

    async def wait(self, answer: Awaitable[Status | None]) -> Status | None:
        return self.done(await answer)

    def done(self, rc: Status | None) -> Status | None:
        """Adds the effect of the directive; inner directives have added theirs before."""
        name, words = self.statement.name, " ".join(self.statement.args)
        if name == "if":
            self._condition(words)
        elif rc is not None and rc != EXIT:
            self._answered(rc)
        elif name == "rewrite":
            self._rewritten()
        elif rc == EXIT:
            self.trip.add(Result.NOTE, name, "ends the directives here", self.statement)
        else:
            self._set()
        return rc

    def _condition(self, words: str) -> None:
        inner = (i for i in self.level.inner(LOCATION_IF | SERVER_IF))
        at = next((i for i in inner if i.statement is self.statement), None)
        holds = at is not None and self.r.location is at.location
        verb = "holds" if holds else "does not hold"
        mark = Result.NOTE if holds else Result.SKIPPED
        self.trip.add(mark, "if", f"{shown(words)} {verb}", self.statement, at=self.at)
        self.trip.lines[self.at + 1 : self.at + 1] = self.values

    def _rewritten(self) -> None:
        r = self.r
        if (r.uri, r.args) == (self.uri, self.args) and not r.uri_changed:
            self.trip.add(Result.SKIPPED, "rewrite", "does not match", self.statement)
            return
        uri = f"{r.uri}?{r.args}" if r.args else r.uri
        self.trip.add(Result.NOTE, "rewrite", f'the URI is now "{shown(uri)}"', self.statement)

    def _set(self) -> None:
        name = self.statement.args[0].removeprefix("$").lower()
        statement = self.statement
        text, result = f'${name} is "{shown(self.r.variables.get(name, ""))}"', Result.NOTE
        if "_by_lua" in statement.name:
            place = f"{statement.file}:{statement.start_line}"
            text = f"Lua decides ${name}, set_by_lua at {place}: it is taken to be empty"
            result = Result.UNKNOWN
        self.trip.add(result, statement.name, text, statement)

    def _answered(self, rc: Status) -> None:
        """A "return" or a redirect: the rewrite phase precedes the access phase."""
        r, trip = self.r, self.trip
        status = r.status if rc == DONE else rc
        text = f"answers {status} before the access phase"
        if rc == 444:
            text = "closes the connection without an answer, before the access phase"
        at = level_of(r.location)
        for level in (at, self.level):
            if level.location is not None and self.is_gated(level):
                text += f": the token that {switch_words(level)} requires is not checked"
                break
        if status == 500 and len(trip.log) > trip.logged:
            text = f"{shown(trip.log[-1].text)}: {status_text(status)}"
        line = trip.add(Result.NOTE, self.statement.name, text, self.statement)
        if status >= 400:
            trip.refuse(line, status)
        else:
            trip.answer(line, status)
