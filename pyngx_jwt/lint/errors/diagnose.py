"""Errors and warnings of the configuration itself, as findings: nginx's text with a better place,
what it conflicts with, and what was perhaps meant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from ...conf.block import ConfBlock
from ...conf.known import Class, class_of, is_commercial, reason_of
from ...conf.parse import Statement
from ...http.contexts import CONDITIONS, LIMIT_EXCEPT, LOCATION, SERVER, UPSTREAM
from ...modules.auth_jwt import MixedDialects
from ..finding import Finding, Related, Severity, Spot
from ..model.keys import is_covered
from ..read.analysis import Analysis
from ..read.collect import Trouble
from ..read.machine import is_about_users, is_absent
from ..read.statements import as_written, named_by, quoted_in, search
from ..read.texts import Texts
from . import variables
from .conflicts import earlier
from .guess import hint_for, hint_for_absent, may_be_loaded

NOT_RUN = "not-run-by-pyngx"
ABSENT = "not-on-this-machine"
EMPTY_UPSTREAM = "no servers are inside upstream"
MIXED = "mixed-dialects"
_RULES = (  # of the text of an error, the first that fits
    (r"exists in no JWT module|belongs to .*'s module", "phantom-directive"),
    (r"not supported|^pyngx does not|are not used, the system", NOT_RUN),
    (r"unknown directive", "unknown-directive"),
    (r"^unexpected |^too long parameter|is not terminated by|has no opening", "syntax"),
    (r"is not allowed here|cannot be inside|is outside location", "misplaced-directive"),
    (r"^invalid number of (arguments|the map)", "wrong-arguments"),
    (r"JWT directives of two dialects|belongs to", MIXED),
    (r"duplicate|conflict|already", "duplicate"),
    (r"^unknown |is unknown$|^zero size|^no servers|^host not found", "unknown-name"),
    (r'^no "events"', "missing-block"),
    (r"^pcre2_compile", "invalid-value"),
    (r"failed|cannot load|cannot be used", "unusable-file"),
    (r"invalid|must be|cannot have|no host|missing", "invalid-value"),
)
IN_HTTP = SERVER | LOCATION | CONDITIONS | LIMIT_EXCEPT | UPSTREAM
_LEFT_OUT = {
    Class.HANDLER: "with --allow-unsupported, requests that it would answer get a 501",
    Class.EFFECT: "--allow-unsupported leaves it out",
}
NO_KEY = "JWT: key not set"
_ELSEWHERE = re.compile(
    r'^unknown ("\w+" variable|log format)|is unknown$|^zero size|^no "(ssl_certificate|events)'
    r"|^JWT: key not set\b|^no port in upstream"
)
_OF_HTTP = re.compile(r"^unknown log format|is unknown$|^zero size")
_VARIABLE = re.compile(r'unknown "(\w+)" variable|the variable "\$(\w+)"')
_NOT_LOADED = re.compile(r"directive failed to load")
_ZERO_SIZE = re.compile(r'zero size shared memory zone "(.*)"')
_PLACE = re.compile(r" in (\S.*):(\d+)\Z")
ERRORMIXED = "mixed-dialects"
ERROR_RULES = tuple(dict.fromkeys((*(rule for _, rule in _RULES), ABSENT, "invalid-configuration")))


def findings(analysis: Analysis, *, is_snippet: bool = False) -> Iterator[Finding]:
    """What is wrong, each thing once; what a snippet refers to may be elsewhere, as may be what
    a configuration refers to of which a part is not on this machine."""
    reported: set[tuple[str, Spot | str]] = set()
    for trouble, reason in _with_reasons(analysis.collector.troubles):
        if trouble.error.rule or _is_explained(trouble, analysis):
            continue
        finding = _finding(trouble, reason, analysis)
        if _may_be_elsewhere(finding.message, analysis, is_snippet=is_snippet):
            finding = replace(finding, severity=Severity.INFO, is_error=False)
        is_of_block = finding.message == EMPTY_UPSTREAM  # said of it, and where it is used
        key = finding.message, (trouble.error.place or "") if is_of_block else finding.spot
        if key not in reported:
            reported.add(key)
            yield finding
    for statement, module in analysis.collector.notes:
        kind = class_of(statement.name, statement.args)
        if kind is Class.TUNING:
            continue
        edition = "NGINX Plus, " if is_commercial(statement.name) else ""
        yield Finding(
            NOT_RUN,
            Severity.INFO,
            analysis.texts.word(statement),
            f'pyngx does not support "{statement.name}" ({edition}{module})',
            _LEFT_OUT.get(kind) or f"it is never ignored: {reason_of(statement.name)}",
        )


def _may_be_elsewhere(message: str, analysis: Analysis, *, is_snippet: bool) -> bool:
    """Whether what an error misses can be in what is not known here."""
    if not _ELSEWHERE.search(message):
        return False
    if is_snippet or not _OF_HTTP.search(message):
        return is_snippet or analysis.is_partial
    # Formats and zones are declared in "http" itself, whatever is included further in.
    return any(level is None or not level.context & IN_HTTP for level in analysis.collector.unread)


def _with_reasons(troubles: list[Trouble]) -> Iterator[tuple[Trouble, str]]:
    """The errors and warnings; if a directive fails because of a file, its error with what is
    wrong with the file, which the server logs in a warning."""
    failed = {t.statement for t in troubles if not t.is_warning and _NOT_LOADED.search(_text(t))}
    reasons: dict[Statement | None, str] = {}
    for trouble in troubles:
        if not trouble.is_warning or trouble.statement not in failed:
            yield trouble, reasons.get(trouble.statement, "")
        else:
            reasons[trouble.statement] = _text(trouble)


def _text(trouble: Trouble) -> str:
    return str(trouble.error.args[0])


def _is_explained(trouble: Trouble, analysis: Analysis) -> bool:
    """Whether a rule reports the same, or what pyngx does not run or this machine does not have
    explains an error."""
    message = str(trouble.error.args[0])
    if trouble.is_warning and is_covered(message):
        return True
    if rule_of(message) == MIXED and not isinstance(trouble.error, MixedDialects):
        # The conflict itself is reported, once.
        troubles = analysis.collector.troubles
        return any(isinstance(other.error, MixedDialects) for other in troubles)
    if analysis.machine.offline and is_about_users(message):
        return True
    if zone := _ZERO_SIZE.fullmatch(message):
        unknown = f'zone "{zone[1]}" is unknown'
        return any(_text(other).endswith(unknown) for other in analysis.collector.troubles)
    if message.startswith(NO_KEY):  # of max-lt's module; the key itself has been reported
        level = trouble.level
        return level is not None and any(
            s.name == "auth_jwt_key" and s.args[:1] != ("",)
            for around in _outward(level)
            for s in analysis.collector.statements.get(around, ())
        )
    if message != EMPTY_UPSTREAM:
        return variables.is_defined_elsewhere(trouble, analysis)
    places = (place_of(trouble.error.place), _place(trouble.statement))
    return any(
        level.statement is not None
        and (level.statement.file, level.statement.line) in places
        and any(statement.name == name for statement in statements)
        for name, by_level in (
            ("state", analysis.collector.foreign_by_level),
            ("server", analysis.collector.wrong),
        )
        for level, statements in by_level.items()
    )


def _outward(level: ConfBlock) -> Iterator[ConfBlock]:
    around: ConfBlock | None = level
    while around is not None:
        yield around
        around = around.outer


def _place(statement: Statement | None) -> tuple[str, int]:
    return (statement.file, statement.line) if statement is not None else ("", 0)


def reported_by(rule: str, analysis: Analysis) -> Iterator[tuple[Spot, str]]:
    """The errors that a rule reports itself, with their spots."""
    for trouble in analysis.collector.troubles:
        if trouble.error.rule == rule:
            message = str(trouble.error.args[0])
            yield _spot(trouble, message, analysis)[0], message


def _finding(trouble: Trouble, reason: str, analysis: Analysis) -> Finding:
    message = analysis.machine.original(_text(trouble))
    spot, statement = _spot(trouble, message, analysis)
    message = variables.not_here(message, analysis) or message
    here = rf'(upstream "[^"]*") in {re.escape(spot.file)}:{spot.line}\b'
    message = re.sub(here, r"\1", message)
    if is_absent(message) or is_absent(reason):
        hint = reason or hint_for_absent(message, analysis)
        return Finding(ABSENT, Severity.INFO, spot, message, hint)
    rule = rule_of(message)
    severity = Severity.WARN if trouble.is_warning else Severity.ERROR
    if rule == NOT_RUN and analysis.collector.target.runs_all:
        severity = Severity.INFO
    elif may_be_loaded(message, analysis) and not analysis.collector.target.name:
        severity = Severity.WARN
    related = earlier(message, statement, analysis)
    return Finding(
        _warning(message) if trouble.is_warning else rule,
        severity,
        spot,
        message,
        reason or hint_for(rule, message, trouble, analysis),
        tuple(Related(analysis.texts.whole(other), what) for other, what in related),
        is_error=severity is Severity.ERROR,
    )


def _warning(message: str) -> str:
    """nginx has no words for what is wrong with keys, nor for what is missing here."""
    if rule_of(message) == NOT_RUN:
        return NOT_RUN
    return "unusable-file" if message.startswith("auth_jwt: ") else "nginx-warning"


def rule_of(message: str) -> str:
    """The name under which an error is reported."""
    return next((rule for text, rule in _RULES if re.search(text, message)), ERROR_RULES[-1])


def _spot(trouble: Trouble, message: str, analysis: Analysis) -> tuple[Spot, Statement | None]:
    """Where it is, as narrow as possible, and the statement that it is about."""
    error, statement, texts = trouble.error, trouble.statement, analysis.texts
    if isinstance(error, MixedDialects):
        other = error.witnesses[1]
        return texts.line_spot(other.file, other.line), None
    file, line = place_of(error.place) or ("", 0)
    if error.column:
        return texts.at(file, line, error.column), None
    entry = None
    if statement is not None and file:
        entry = _entry_at(file, line, statement, analysis)
    if entry is not None:
        return _mark(message, entry, texts), entry
    if statement is not None and (not statement.opens or _is_about(message, statement)):
        return _mark(message, statement, texts), statement
    if trouble.is_warning and trouble.level is not None:
        own = search(message, trouble.level, analysis)
        if own is not None and own[0] in analysis.collector.statements.get(trouble.level, ()):
            return _mark(message, own[0], texts, own[1]), own[0]
    opening = trouble.level.statement if trouble.level is not None else None
    if opening is not None and (opening.file, opening.line) == (file, line):
        return _mark(message, opening, texts), opening
    if (there := _statement_at(file, line, message, trouble.level, analysis)) is not None:
        return _mark(message, there, texts), there
    match = search(as_written(message, analysis), trouble.level, analysis)
    if match is not None:
        return _mark(message, match[0], texts, match[1]), match[0]
    if opening is not None or statement is not None:
        opening = statement or opening
        assert opening is not None
        return texts.word(opening), opening
    if file:
        return texts.line_spot(file, line), None
    return Spot(analysis.options.conf_file, 1, 1), None


def _statement_at(
    file: str, line: int, message: str, level: ConfBlock | None, analysis: Analysis
) -> Statement | None:
    """The statement in a line, of a block or of one around it, that a message names."""
    for around in _outward(level) if level is not None else ():
        for s in analysis.collector.statements.get(around, ()):
            if (s.file, s.line) == (file, line) and f'"{s.name}' in message:
                return s
    return None


def _mark(message: str, statement: Statement, texts: Texts, word: int | None = None) -> Spot:
    """The word of a statement that an error is about, or the variable in it."""
    number = (named_by(message, statement) or 0) if word is None else word
    if match := _VARIABLE.search(message):
        return texts.variable(statement, number, match[1])
    return texts.word(statement, number)


def _is_about(message: str, statement: Statement) -> bool:
    """Of a block: whether it is itself that is wrong, and not something in it."""
    return named_by(message, statement) is not None or not quoted_in(message)


def _entry_at(file: str, line: int, statement: Statement, analysis: Analysis) -> Statement | None:
    entries = analysis.collector.entries.get(statement, [])
    return next((e for e in reversed(entries) if (e.file, e.line) == (file, line)), None)


def place_of(place: str | None) -> tuple[str, int] | None:
    """File and line of " in FILE:LINE"."""
    match = _PLACE.match(place or "")
    return (match[1], int(match[2])) if match else None
