"""``pyngx token --explain``: why a request with a token would be let in, or refused."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..compile import load
from ..http.request import Request
from ..log import FileTarget, Level, Log, OpenFile
from ..modules.auth_jwt import Choice
from ..modules.auth_jwt.dialects import PROJECTS
from ..options import Options
from .lines import Line, Mark, place_of, shown
from .places import BEARER, place_of_token, put_token
from .request import Ask, AskError, make_request
from .walk import Trip, Walk, status_text

LET_IN, REFUSED, UNKNOWN = "let in", "refused", "unknown"
STATUS = {LET_IN: 0, REFUSED: 1, UNKNOWN: 3}  # of the command
_CONTROL = re.compile("[\0-\x1f\x7f]")
DOCUMENTATION = "192.0.2.1"  # RFC 5737: nobody's address
MARKS = {
    Mark.PASSED: "ok",
    Mark.FAILED: "FAIL",
    Mark.SKIPPED: "-",
    Mark.UNKNOWN: "?",
    Mark.NOTE: "",
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything that is told."""

    options: Options
    choice: Choice
    ask: Ask
    now: float
    trip: Trip
    r: Request

    @property
    def verdict(self) -> str:
        if self.trip.refused is not None:
            return REFUSED
        return UNKNOWN if self.trip.questions else LET_IN


class Explainer:
    """Explains requests to a configuration; raises ConfError if that cannot be loaded.

    `now` is the time that counts, and `keys` what key requests are answered with."""

    def __init__(self, options: Options, now: float, keys: bytes | None = None) -> None:
        with names_left_alone():
            self._cycle = load(options, Log(FileTarget(OpenFile(""), Level.ERR)))
        self._options, self._now, self._walk = options, now, Walk(self._cycle, now, keys)

    def explain(self, ask: Ask, token: str) -> Explanation:
        """Follows a request; raises AskError, and KeySetError for bad `keys`.

        The token is put where the location that the request comes to looks for it."""
        if _CONTROL.search(token):
            raise AskError("the token has a line break in it, or another control character")
        asked = put_token(ask, token, BEARER)
        trip, r = self._walk.go(make_request(self._cycle, asked), token)
        if trip.gated is not None:
            again = put_token(ask, token, place_of_token(trip.gated))
            if again != asked:
                trip, r = self._walk.go(make_request(self._cycle, again), token)
        choice: Choice = self._cycle.scope.things[Choice]
        return Explanation(self._options, choice, ask, self._now, trip, r)


@contextmanager
def names_left_alone() -> Iterator[None]:
    """Nobody is asked for the addresses of the names in the configuration: none is used."""
    real = socket.getaddrinfo

    def numeric(host: Any, port: Any, *args: Any, **more: Any) -> Any:
        name = host.decode("latin-1") if isinstance(host, bytes) else host
        more["flags"] = socket.AI_NUMERICHOST
        try:
            return real(name, port, *args[:3], **more)
        except socket.gaierror:
            known = "127.0.0.1" if name == "localhost" else DOCUMENTATION
            return real(known, port, *args[:3], **more)

    socket.getaddrinfo = numeric
    try:
        yield
    finally:
        socket.getaddrinfo = real


# -- as text ----------------------------------------------------------------------------------


def as_text(told: Explanation) -> str:
    """A column of marks, of checks, of facts, and where it is written so."""
    rows = [
        ("", "dialect", f'"{told.choice.name}" ({PROJECTS[told.choice.name]})', _evidence(told)),
        ("", "request", shown(told.ask.text), ""),
    ]
    rows += [(MARKS[x.mark], x.name, x.text, place_of(x.statement)) for x in told.trip.lines]
    width = max(len(name) for _, name, _, _ in rows)
    lines = []
    for mark, name, text, place in rows:
        end = f"  [{place}]" if place else ""
        lines.append(f"{mark:4} {name:{width}}  {text}{end}")
    return "\n".join([*lines, "", *_outcome(told)]) + "\n"


def _evidence(told: Explanation) -> str:
    evidence = told.choice.evidence
    if not evidence:
        return ""
    first = evidence[0]
    more = f", and {len(evidence) - 1} more" if len(evidence) > 1 else ""
    return f"{shown(first.what)} in {shown(first.place)}{more}"


def _outcome(told: Explanation) -> Iterator[str]:
    trip, r = told.trip, told.r
    if told.verdict == REFUSED:
        yield f"refused: {status_text(final_status(told))}"
        line = trip.refused
        assert line is not None
        found = line.statement
        place = f"  [{found.name} in {place_of(found)}]" if found else ""
        yield f"  because of {line.name}: {line.text}{place}"
    elif told.verdict == UNKNOWN:
        yield "unknown: nothing that can be seen here refuses the request, but it depends on"
        yield from (f"  {question}" for question in trip.questions)
    elif trip.gated is None:
        yield "let in: no token was asked for"
    else:
        yield "let in"
    for name in ("www-authenticate", "location"):
        if value := _sent(r, name):
            yield f"  {'WWW-Authenticate' if name[0] == 'w' else 'Location'}: {shown(value)}"
    for entry in trip.log:
        yield f"  log [{entry.level}]: {shown(entry.text)}"
        if not entry.written:
            place = f" in {place_of(entry.statement)}" if entry.statement else ""
            yield f'    not written: error_log{place} takes "{entry.taken}" and worse'


def final_status(told: Explanation) -> int:
    """What is sent, or would be; of an answer that is not made here the refusal's own."""
    return told.r.status or told.r.err_status or 200


def _sent(r: Request, name: str) -> str:
    if name == "location" and r.location_out:
        return r.location_out
    return r.sent_header(name) or ""


# -- as JSON ----------------------------------------------------------------------------------


def as_json(told: Explanation) -> str:
    """The same for programs."""
    trip, r, exam = told.trip, told.r, told.trip.examination
    choice = told.choice
    document = {
        "configuration": shown(told.options.conf_file),
        "dialect": {
            "name": choice.name,
            "project": PROJECTS[choice.name],
            "evidence": [
                {"what": shown(w.what), "file": shown(w.file), "line": w.line}
                for w in choice.evidence
            ],
            "ambiguous": choice.ambiguous,
        },
        "request": shown(told.ask.text),
        "now": told.now,
        "checks": [_line(line) for line in trip.lines],
        "token": None
        if exam is None
        else {"header": exam.header, "claims": exam.claims, "verified": exam.vouched},
        "outcome": {
            "verdict": told.verdict,
            "status": final_status(told) if told.verdict == REFUSED else None,
            "decided_by": None if trip.refused is None else _line(trip.refused),
            "depends_on": trip.questions if told.verdict == UNKNOWN else [],
            "www_authenticate": shown(_sent(r, "www-authenticate")),
            "location": shown(_sent(r, "location")),
            "log": [
                {"level": e.level, "text": shown(e.text), "written": e.written} for e in trip.log
            ],
        },
    }
    return json.dumps(document, indent=2) + "\n"


def _line(line: Line) -> dict[str, Any]:
    found = line.statement
    return {
        "check": line.name,
        "result": line.mark,
        "text": line.text,
        "file": None if found is None else shown(found.file),
        "line": None if found is None else found.line,
        "directive": None if found is None else shown(found.name),
    }
