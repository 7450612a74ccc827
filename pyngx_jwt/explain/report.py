"""An explanation as text, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ..http.redirect import absolute_location
from ..http.request import Request
from .explainer import REFUSED, UNKNOWN, Explanation, Outcome
from .lines import HINT, Line, Result, place_of, printable, shown
from .secrets import without_secrets
from .trip import status_text

MARKS = {
    Result.PASSED: "ok",
    Result.FAILED: "FAIL",
    Result.SKIPPED: "-",
    Result.UNKNOWN: "?",
    Result.NOTE: "",
}
SHOWN_BODY = 60  # bytes


# -- as text ----------------------------------------------------------------------------------


def as_text(explanation: Explanation) -> str:
    """Columns of marks, checks, facts, and the file and line of the statement that decided."""
    rows = [
        *_dialect_row(explanation),
        *(("", "remark", remark, "") for remark in explanation.remarks),
        ("", "request", shown(explanation.spec.text), ""),
    ]
    rows += [
        (MARKS[x.mark], x.name, x.text, place_of(x.statement))
        for x in explanation.trip.lines
        if x.name != HINT or explanation.verdict != REFUSED  # else the end has it
    ]
    rows.append(("", "answer", _answer_row(explanation.way), ""))
    width = max(len(name) for _, name, _, _ in rows)
    lines = []
    for mark, name, text, place in rows:
        end = f"  [{place}]" if place else ""
        lines.append(f"{mark:4} {name:{width}}  {text}{end}")
    text = "\n".join([*lines, "", *_outcome(explanation)]) + "\n"
    return without_secrets(text, explanation.r, explanation.trip.tokens)


def _dialect_row(explanation: Explanation) -> Iterator[tuple[str, str, str, str]]:
    """The JWT dialect, if the configuration has directives of one."""
    choice = explanation.choice
    if not explanation.knows_tokens:
        return
    place = ""
    if choice.evidence:
        first, *others = choice.evidence
        more = f", and {len(others)} more" if others else ""
        place = f"{shown(first.what)} in {shown(first.place)}{more}"
    yield "", "dialect", f'"{choice.name}" ({choice.dialect.project})', place


def _answer_row(way: Outcome) -> str:
    body = way.body
    if way.trip.upstream is not None:
        status = f", with the status {status_text(way.status)}" if way.status else ""
        return f"(from the upstream){status}"
    if way.status is None or not body or way.r.err_status:
        return answer_text(way)
    text = json.dumps(body[:SHOWN_BODY].decode("utf-8", "replace"), ensure_ascii=False)
    more = "..." if len(body) > SHOWN_BODY else ""
    return f"{answer_text(way)}, body {printable(text)}{more}"


def _outcome(explanation: Explanation) -> Iterator[str]:
    way = explanation.way
    if explanation.verdict == REFUSED:
        yield f"refused: {status_text(way.status)}"
        yield from _because(way)
        yield from (f"  hint: {line.text}" for line in way.trip.lines if line.name == HINT)
        if explanation.denied is not None:
            yield f"  or {answer_text(explanation.denied)}: that depends on"
            yield from (f"    {question}" for question in way.trip.questions)
    elif explanation.verdict == UNKNOWN:
        assert explanation.denied is not None
        yield "unknown: no check refuses the request, but the outcome depends on"
        yield from (f"  {question}" for question in way.trip.questions)
        yield f"if it is admitted: {answer_text(way)}"
        yield f"if not: {answer_text(explanation.denied)}"
        way = explanation.denied
    else:
        yield from _admitted(explanation)
    for name, value in (("WWW-Authenticate", challenge(way.r)), ("Location", location(way.r))):
        if value:
            yield f"  {name}: {shown(value)}"
    if way.trip.refused is not None and way.trip.log_question:
        yield f"  log: the line depends on {way.trip.log_question}"
    for entry in explanation.trip.log:
        yield f"  log [{entry.level}]: {shown(entry.text)}"
        if not entry.written:
            place = f" in {place_of(entry.statement)}" if entry.statement else ""
            yield f'    not written: error_log{place} takes "{entry.taken}" and worse'


def _admitted(explanation: Explanation) -> Iterator[str]:
    trip = explanation.trip
    if trip.refused is not None:
        yield "admitted despite the refusal: error_page leads to an upstream"
        yield from _because(explanation.way)
    else:
        is_open = trip.gated is None and explanation.knows_tokens
        yield "admitted: no token was checked" if is_open else "admitted"
    if trip.upstream is not None or explanation.way.status != 200:
        yield f"  {answer_text(explanation.way)}"
        if (
            trip.upstream is None
            and explanation.way.trip.decided is not None
            and explanation.way.status != 200
        ):
            yield from _because(explanation.way)


def _because(way: Outcome) -> Iterator[str]:
    line = way.trip.decided
    assert line is not None
    statement = line.statement
    place = f"  [{statement.name} in {place_of(statement)}]" if statement else ""
    yield f"  because of {line.name}: {line.text}{place}"


def answer_text(way: Outcome) -> str:
    """The response that the client gets."""
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


def as_json(explanation: Explanation) -> str:
    """The explanation for programs."""
    trip, exam = explanation.trip, explanation.trip.examination
    choice = explanation.choice
    document = {
        "configuration": shown(explanation.options.conf_file),
        "remarks": list(explanation.remarks),
        "dialect": {
            "name": choice.name,
            "project": choice.dialect.project,
            "evidence": [
                {"what": shown(w.what), "file": shown(w.file), "line": w.line}
                for w in choice.evidence
            ],
            "ambiguous": choice.ambiguous,
        },
        "request": shown(explanation.spec.text),
        "now": explanation.now,
        "checks": [_line(line) for line in trip.lines],
        "token": None
        if exam is None
        else {"header": exam.header, "claims": exam.claims, "verified": exam.vouched},
        "outcome": {
            "verdict": explanation.verdict,
            **_way(explanation.way),
            "depends_on": [] if explanation.denied is None else trip.questions,
            "otherwise": None if explanation.denied is None else _way(explanation.denied),
            "log": [
                {"level": e.level, "text": shown(e.text), "written": e.written} for e in trip.log
            ],
        },
    }
    return without_secrets(json.dumps(document, indent=2) + "\n", explanation.r, trip.tokens)


def _way(way: Outcome) -> dict[str, Any]:
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
            "cache_status": upstream.cache_status or None,
        },
    }


def _answered_by(way: Outcome) -> str:
    if way.trip.upstream is not None:
        return "upstream"
    return "closed" if way.status is None else "server"


def _line(line: Line) -> dict[str, Any]:
    statement = line.statement
    return {
        "check": line.name,
        "result": line.mark,
        "text": line.text,
        "file": None if statement is None else shown(statement.file),
        "line": None if statement is None else statement.line,
        "directive": None if statement is None else shown(statement.name),
    }
