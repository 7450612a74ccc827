"""An explanation as text, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ..http.request import Request
from ..http1.response_head import absolute_location
from .explainer import REFUSED, UNKNOWN, Explanation, Way
from .lines import Line, Mark, place_of, shown
from .trip import status_text

MARKS = {
    Mark.PASSED: "ok",
    Mark.FAILED: "FAIL",
    Mark.SKIPPED: "-",
    Mark.UNKNOWN: "?",
    Mark.NOTE: "",
}
SHOWN_BODY = 60  # bytes


# -- as text ----------------------------------------------------------------------------------


def as_text(told: Explanation) -> str:
    """A column of marks, of checks, of facts, and where it is written so."""
    rows = [
        ("", "dialect", f'"{told.choice.name}" ({told.choice.dialect.project})', _evidence(told)),
        ("", "request", shown(told.ask.text), ""),
    ]
    rows += [(MARKS[x.mark], x.name, x.text, place_of(x.statement)) for x in told.trip.lines]
    rows.append(("", "answer", _answer_row(told.way), ""))
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


def _answer_row(way: Way) -> str:
    body = way.body
    if way.trip.upstream is not None or way.status is None or not body or way.r.err_status:
        return answer_text(way)
    text = shown(body[:SHOWN_BODY].decode("latin-1"))
    return f"{answer_text(way)}: {text}{'...' if len(body) > SHOWN_BODY else ''}"


def _outcome(told: Explanation) -> Iterator[str]:
    way = told.way
    if told.verdict == REFUSED:
        yield f"refused: {status_text(way.status)}"
        yield from _because(way)
        if told.denied is not None:
            yield f"  or {answer_text(told.denied)}: that depends on"
            yield from (f"    {question}" for question in way.trip.questions)
    elif told.verdict == UNKNOWN:
        assert told.denied is not None
        yield "unknown: no check refuses the request, but the outcome depends on"
        yield from (f"  {question}" for question in way.trip.questions)
        yield f"if it is admitted: {answer_text(way)}"
        yield f"if not: {answer_text(told.denied)}"
        way = told.denied
    else:
        yield from _admitted(told)
    for name, value in (("WWW-Authenticate", challenge(way.r)), ("Location", location(way.r))):
        if value:
            yield f"  {name}: {shown(value)}"
    for entry in told.trip.log:
        yield f"  log [{entry.level}]: {shown(entry.text)}"
        if not entry.written:
            place = f" in {place_of(entry.statement)}" if entry.statement else ""
            yield f'    not written: error_log{place} takes "{entry.taken}" and worse'


def _admitted(told: Explanation) -> Iterator[str]:
    trip = told.trip
    if trip.refused is not None:
        yield "admitted despite the refusal: error_page leads to an upstream"
        yield from _because(told.way)
    else:
        yield "admitted" if trip.gated is not None else "admitted: no token was checked"
    if trip.upstream is not None or told.way.status != 200:
        yield f"  {answer_text(told.way)}"
        if trip.upstream is None and told.way.trip.decided is not None and told.way.status != 200:
            yield from _because(told.way)


def _because(way: Way) -> Iterator[str]:
    line = way.trip.decided
    assert line is not None
    found = line.statement
    place = f"  [{found.name} in {place_of(found)}]" if found else ""
    yield f"  because of {line.name}: {line.text}{place}"


def answer_text(way: Way) -> str:
    """What the client gets."""
    upstream = way.trip.upstream
    if upstream is None:
        return status_text(way.status)
    status = f", with the status {status_text(way.status)}" if way.status else ""
    return f"the upstream answers{status}"


def challenge(r: Request) -> str:
    return r.sent_header("www-authenticate") or ""


def location(r: Request) -> str:
    """The Location that is sent."""
    return r.sent_header("location") or (absolute_location(r) if r.location_out else "")


# -- as JSON ----------------------------------------------------------------------------------


def as_json(told: Explanation) -> str:
    """The same for programs."""
    trip, exam = told.trip, told.trip.examination
    choice = told.choice
    document = {
        "configuration": shown(told.options.conf_file),
        "dialect": {
            "name": choice.name,
            "project": choice.dialect.project,
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
            **_way(told.way),
            "depends_on": [] if told.denied is None else trip.questions,
            "otherwise": None if told.denied is None else _way(told.denied),
            "log": [
                {"level": e.level, "text": shown(e.text), "written": e.written} for e in trip.log
            ],
        },
    }
    return json.dumps(document, indent=2) + "\n"


def _way(way: Way) -> dict[str, Any]:
    upstream, decided = way.trip.upstream, way.trip.decided
    return {
        "status": way.status,
        "answered_by": _answered_by(way),
        "decided_by": None if decided is None else _line(decided),
        "www_authenticate": shown(challenge(way.r)),
        "location": shown(location(way.r)),
        "upstream": None
        if upstream is None
        else {
            "to": shown(upstream.to),
            "head": upstream.head.decode("latin-1"),
            "cache": shown(upstream.cache) or None,
            "cache_key": shown(upstream.key) or None,
        },
    }


def _answered_by(way: Way) -> str:
    if way.trip.upstream is not None:
        return "upstream"
    return "closed" if way.status is None else "server"


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
