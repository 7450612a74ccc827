"""The decision of a gate about a token, line by line."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from ..conf.parse import Statement
from ..http.level import Level
from ..http.request import Request
from ..http.template import Template
from ..jwt import (
    ClaimRequirement,
    Form,
    KeySet,
    Reason,
    Requirement,
    TextRequirement,
    TokenPolicy,
    TokenRefusal,
    Verified,
    Verifier,
    find,
)
from ..jwt.encoding import decode_base64url, quote
from ..jwt.examine import Check, Examination, Trial, examine
from ..jwt.requirements import MISSING, TokenDemand
from ..modules.auth_jwt import dialect_of
from ..modules.auth_jwt.contexts import KEY
from ..modules.auth_jwt.demands import Denial, RequestDemand
from ..modules.auth_jwt.gate import KEYLESS
from ..modules.auth_jwt.key_file import KeyFile
from ..modules.auth_jwt.key_request import KeyRequest
from ..modules.auth_jwt.key_sets import Failure
from ..modules.auth_jwt.sources import Source
from ..modules.auth_jwt.watch import GateWatch
from .carriers import carrier_of, hint_for_missing, switch_statements, switch_text, token_conf
from .definitions import VariableDefinitions
from .form import FormFault, faults_of, faults_of_json
from .hints import hint_for_signature, hint_of_other_key
from .lines import (
    HINT,
    SHOWN,
    Line,
    Result,
    date_text,
    distance_text,
    duration_text,
    key_kind,
    key_text,
    listed,
    printable,
    shown,
    statement_with,
    statements_of,
    value_text,
)
from .secrets import digest_of

ALGORITHMS = ("auth_jwt_algorithm", "auth_jwt_alg")
KEY_REQUEST = "auth_jwt_key_request"
UNVERIFIED = " (not verified)"
_EXPECTED = {
    Form.SIGNED: "a signed token",
    Form.ENCRYPTED: "an encrypted token",
    Form.NESTED: "a signed and then encrypted token",
}
_WAYS: dict[type[Source], str] = {KeyFile: "read", KeyRequest: "sent"}  # to keys


class GateReport(NamedTuple):
    """The lines of a gate; `open_question` names what the outcome depends on."""

    lines: list[Line]
    examination: Examination | None = None
    open_question: str = ""
    as_if: Verified | None = None  # the token if those keys verify it
    lacking: str = ""  # the sources without whose keys it is not known what would be logged


def report_gate(
    level: Level,
    r: Request,
    watch: GateWatch,
    definitions: VariableDefinitions,
    given: str,
    now: float,
) -> GateReport:
    """The gate's lines, after it has handled the request; `given` is the token to explain."""
    return _GateReporter(level, r, watch, definitions, now).report(given)


class _GateReporter:
    def __init__(
        self,
        level: Level,
        r: Request,
        watch: GateWatch,
        definitions: VariableDefinitions,
        now: float,
    ) -> None:
        self.level, self.r, self.watch, self.seen = level, r, watch, watch.report
        self.definitions, self.now, self.lines = definitions, now, list[Line]()
        self.missing = ""  # key requests without a given response
        self.every = dialect_of(level.scope).adds_up

    def add(self, mark: Result, name: str, text: str, statement: Statement | None = None) -> None:
        self.lines.append(Line(mark, name, text, statement))

    def hint(self, text: str, statement: Statement | None = None) -> None:
        """Adds what to do about the line before."""
        if text:
            self.add(Result.NOTE, HINT, text, statement)

    def _origins(self, text: Template | None) -> None:
        """Adds where the variables of a text have their values from."""
        if text is not None:
            self.lines += self.definitions.explain(text, self.level, self.r)

    def one(self, *names: str) -> Statement | None:
        """The statement that sets a value."""
        return statement_with(statements_of(self.level, *names))

    def some(self, name: str, *words: str) -> Statement | None:
        """The statement with these words, of one that can be repeated."""
        return statement_with(statements_of(self.level, name, every=self.every), *words)

    # -- the request -----------------------------------------------------------------------

    def report(self, given: str) -> GateReport:
        report, seen = self._report(given), self.seen
        if seen.rc is None and seen.refusal and self.r.method in self.watch.plan.excused:
            self.add(Result.NOTE, "method", f"{self.r.method} passes with any token")
        return report

    def _report(self, given: str) -> GateReport:
        switch = statement_with(switch_statements(self.level))
        words = switch_text(switch) if switch is not None else "auth_jwt"
        if switch is not None and switch.name in dialect_of(self.level.scope).own_keys:
            words = switch.name
        if not self.seen.applied:
            self.add(Result.SKIPPED, "auth_jwt", f"not for this request: {self._why_not()}", switch)
            self._origins(token_conf(self.level).condition)
            return GateReport(self.lines)
        self.add(Result.PASSED, "auth_jwt", f"token required: {words}", switch)
        if not self._token(given):
            return GateReport(self.lines)
        keys = self.seen.keys
        if keys is None:
            self.add(Result.FAILED, "keys", self.watch.plan.no_keys, switch)
            return GateReport(self.lines)
        self._sources()
        if isinstance(keys, Failure):
            return GateReport(self.lines)
        return self._judged(keys)

    def _why_not(self) -> str:
        if self.r.method in dialect_of(self.level.scope).exempt:
            return f"{self.r.method} needs no token in this dialect"
        enabled = token_conf(self.level).condition
        if enabled is None:
            return "its conditions are not met"
        value = enabled.bind(self.level.variables)(self.r)
        return f'{shown(enabled.text)} is "{shown(value)}"'

    def _token(self, given: str) -> bool:
        carrier, token = carrier_of(self.level), self.seen.token or ""
        where = self.one("auth_jwt_location") or statement_with(switch_statements(self.level))
        if not token:
            text = f'no token in "{carrier.text}"'
            if given:
                text += ", although one was given"
            self.add(Result.FAILED, "token", text, where)
            self.hint(hint_for_missing(self.r, carrier))
            self._origins(token_conf(self.level).token)
            return False
        text = f"in {carrier.text}: {len(token)} bytes, {digest_of(token)}"
        if given and token != given:
            text += ", not the given token"
        self.add(Result.PASSED, "token", text, where)
        return True

    # -- keys ------------------------------------------------------------------------------

    def _sources(self) -> None:
        for source in self.seen.sources:
            keys = self._keys_of(source)
            statement = self.statement_of(source)
            if statement is not None and statement.args:
                self._origins(Template(statement.args[0]))
            if isinstance(keys, Failure):
                others = isinstance(self.seen.keys, Verifier) and bool(self.seen.keys.key_sets)
                text = (
                    f"{shown(keys.text)}; the other key sources are used" if others else keys.text
                )
                self.add(Result.NOTE if others else Result.FAILED, "keys", shown(text), statement)
            elif source in self.seen.fetched and not keys.keys:
                verb = _WAYS.get(type(source), "asked")
                self.add(Result.UNKNOWN, "keys", f"{source.place} is not {verb} here", statement)
            else:
                names = listed(key_text(key) for key in keys.keys)
                self.add(Result.PASSED, "keys", f"{shown(source.place)}: {names}", statement)

    def _keys_of(self, source: Source) -> KeySet | Failure:
        keys = source.current(self.r, time.time())
        assert keys is not None  # requests have a stand-in
        return keys

    def _has_keys(self, source: Source) -> bool:
        keys = self._keys_of(source)
        return isinstance(keys, KeySet) and bool(keys.keys)

    def statement_of(self, source: Source) -> Statement | None:
        """The statement that names this source."""
        statements = statements_of(
            self.level, *dialect_of(self.level.scope).key_directives, KEY_REQUEST, every=True
        )
        name = source.place.partition('"')[2].rstrip('"')
        for statement in reversed(statements):
            word = statement.args[0]
            if name and (name == word.partition("?")[0] or name.endswith(f"/{word}")):
                return statement
        fixed = [s for s in statements if s.name == source.place]
        kind = KEY_REQUEST if source in self.seen.fetched else "auth_jwt_key_file"
        matching = fixed or [s for s in statements if s.name == kind]
        return matching[-1] if matching else None

    # -- the token -------------------------------------------------------------------------

    def _judged(self, verifier: Verifier) -> GateReport:
        assert self.seen.token is not None
        exam = examine(verifier, self.seen.token, self.now)
        self.missing = listed(s.place for s in self.seen.fetched if not self._has_keys(s))
        for check in exam.checks:
            self._check(check, exam, verifier)
        seen = self.seen
        as_if = None
        if seen.verified is None and self.missing and lacks_keys_only(exam):
            as_if = take_as_verified(self.r, exam)
        question = f"the keys of {self.missing}" if as_if is not None else ""
        verified = seen.verified or as_if
        if verified is not None:
            for demand, denial in self.watch.deny(self.r, verified):
                self._demand(demand, denial, vouched=seen.verified is not None)
        lacking = self.missing if seen.verified is None and _lacks_keys(exam) else ""
        if lacking:
            self.hint(f"give the keys of {lacking} with --jwks FILE")
        elif seen.would_refresh:
            self.add(Result.NOTE, "keys", "the server would fetch these keys again, and retry")
        return GateReport(self.lines, exam, question, as_if, lacking)

    def _check(self, check: Check, exam: Examination, verifier: Verifier) -> None:
        if self.missing and check.refusal is not None and check.refusal.reason in KEYLESS:
            text = f"not known: the keys of {self.missing} are not here"
            self.add(Result.UNKNOWN, check.name, text)
        elif check.name == "form":
            self._form(check, verifier.policy)
        elif check.trial is not None:
            report = {"algorithm": self._algorithm, "key": self._key}.get(check.name, self._trial)
            report(check, check.trial, verifier)
        elif check.name == "claims":
            self._claims(check, exam)
        elif check.name == "issuer":
            mark = Result.PASSED if check.refusal is None else Result.FAILED
            text = "the key is for it" if check.refusal is None else check.refusal.detail
            self.add(mark, "issuer", text, self.one("pyngx_jwt_key_issuer"))
        elif check.name in ("exp", "nbf"):
            self._time(check, exam, verifier.policy)
        elif check.demand is not None:
            self._requirement(check.demand, check.refusal, exam)

    def _form(self, check: Check, policy: TokenPolicy) -> None:
        statement = self.one("auth_jwt_type")
        inner = any(line.name == "decryption" for line in self.lines)
        if check.refusal is None:
            form = "the signed token inside" if inner else policy.form.value
            self.add(Result.PASSED, "form", form, statement)
            return
        expected = "a signed token inside" if inner else _EXPECTED[policy.form]
        text = f"{check.refusal.text} ({expected} is expected)"
        self.add(Result.FAILED, "form", text, statement)
        token = self.seen.token or ""
        for fault in faults_of(token, encrypted=policy.form is not Form.SIGNED and not inner):
            self._fault(fault)
        for name, octets in legible_parts(token):
            self.add(Result.NOTE, name, printable(octets.decode("utf-8", "replace")) + UNVERIFIED)

    def _fault(self, fault: FormFault) -> None:
        self.hint(f"the {fault.part} {fault.text}" + (f": {fault.advice}" if fault.advice else ""))

    def _algorithm(self, check: Check, trial: Trial, verifier: Verifier) -> None:
        policy, header = verifier.policy, trial.header
        self.add(Result.NOTE, "header", value_text(header))
        if check.refusal is None:
            algs = [header["alg"], header["enc"]] if "enc" in header else [header["alg"]]
            text = f"{' and '.join(map(value_text, algs))} allowed"
            self.add(Result.PASSED, "algorithm", text, self.one(*ALGORITHMS))
            return
        allowed = sorted(policy.algorithms)
        if "enc" in header and policy.form is not Form.SIGNED:
            allowed = [*sorted(policy.encryption_algorithms), *sorted(policy.content_encryptions)]
        text = f"{check.refusal.text}; allowed: {listed(allowed, 20) or 'none'}"
        self.add(Result.FAILED, "algorithm", text, self.one(*ALGORITHMS))

    def _key(self, check: Check, trial: Trial, verifier: Verifier) -> None:
        if not check.was_run:
            return
        kid = trial.header.get("kid")
        if check.refusal is None:
            keys = listed(key_text(key) for key in ([trial.key] if trial.key else trial.tried))
            source = self._source_of(trial.key_set, verifier)
            origin = f" from {shown(source.place)}" if source is not None else ""
            statement = None if source is None else self.statement_of(source)
            self.add(Result.PASSED, "key", f"{keys}{origin}", statement)
            return
        if check.refusal.reason is Reason.UNKNOWN_KID:
            known = sorted({name for s in verifier.key_sets for name in s.by_kid})
            names = listed(f'"{printable(name)}"' for name in known)
            text = f"no key has kid {value_text(kid)}; known: {names}"
            if trial.tried:
                text += f"; keys without kid do not match either: {len(trial.tried)} tried"
            if "unusable" in check.refusal.facts:
                text += f"; its key is skipped: {check.refusal.facts['unusable']}"
        elif trial.candidates:
            text = _wrong_kind(trial)
        else:
            text = f"there is none: {check.refusal.text}"
        sources = self.seen.sources
        statement = self.statement_of(sources[0]) if len(sources) == 1 else None
        self.add(Result.FAILED, "key", text, statement)
        self._skipped_keys(kid)

    def _skipped_keys(self, kid: object) -> None:
        """Adds the remarks about keys of this name that were skipped when they were read."""
        if not isinstance(kid, str):
            return
        for source in self.seen.sources:
            keys = self._keys_of(source)
            for remark in keys.warnings if isinstance(keys, KeySet) else ():
                if f"kid {quote(kid)}" in remark and "skipped" in remark:
                    self.hint(f"{shown(source.place)}: {remark}", self.statement_of(source))

    def _source_of(self, key_set: KeySet | None, verifier: Verifier) -> Source | None:
        """The verifier has a set of each source with keys, in the order of these."""
        sources = [s for s in self.seen.sources if isinstance(self._keys_of(s), KeySet)]
        pairs = zip(verifier.key_sets, sources, strict=False)
        return next((source for keys, source in pairs if keys is key_set), None)

    def _trial(self, check: Check, trial: Trial, verifier: Verifier) -> None:
        name = check.name
        if not check.was_run:
            why = self.one("auth_jwt_validate_sig", "pyngx_allow_unsigned")
            self.add(Result.SKIPPED, name, "not checked: a forged token is accepted", why)
        elif check.refusal is None:
            self.add(Result.PASSED, name, "good")
        else:
            tried = listed(key_text(key) for key in trial.tried)
            what = "does not verify" if name == "signature" else "cannot be decrypted"
            self.add(Result.FAILED, name, f"bad: {what} with {tried}")
            if name == "signature":
                self._signature_hints(trial, verifier)

    def _signature_hints(self, trial: Trial, verifier: Verifier) -> None:
        token, limits = self.seen.token or "", verifier.policy.limits
        other = hint_of_other_key(token, trial.tried, verifier.key_sets, limits)
        self.hint(other)
        for source in self.seen.sources:
            keys = self._keys_of(source)
            statement = self.statement_of(source)
            in_jwk = isinstance(source, KeyRequest) or (
                isinstance(source, KeyFile) and source.is_jwk_set
            )
            for key in keys.keys if isinstance(keys, KeySet) and not other else ():
                if key in trial.tried:
                    hint = hint_for_signature(token, key, statement, limits, in_jwk=in_jwk)
                    self.hint(hint, statement)

    def _claims(self, check: Check, exam: Examination) -> None:
        if check.refusal is not None:
            self.add(Result.FAILED, "claims", check.refusal.text)
            for fault in faults_of_json("claims", exam.payload):
                self._fault(fault)
            return
        mark = "" if exam.vouched else UNVERIFIED
        self.add(Result.NOTE, "claims", value_text(exam.claims) + mark)
        issued = exam.claims.get("iat")
        if isinstance(issued, int | float) and not isinstance(issued, bool):
            away = distance_text(issued, self.now)
            self.add(Result.NOTE, "iat", f"{date_text(issued)}, {away}; not a check")

    def _time(self, check: Check, exam: Examination, policy: TokenPolicy) -> None:
        name, value = check.name, exam.claims.get(check.name)
        leeway = f"; leeway {duration_text(policy.leeway)}" if policy.leeway else ""
        has_leeway = policy.leeway and name in exam.claims
        statement = self.one("auth_jwt_leeway") if has_leeway else None
        if isinstance(value, int | float) and not isinstance(value, bool):
            text = f"{date_text(value)}, {distance_text(value, self.now)}{leeway}"
        else:
            text = (
                f"{value_text(value)} is not a date"
                if name in exam.claims
                else "the token has none"
            )
        unverified = "" if exam.vouched else UNVERIFIED
        if not check.was_run:
            off = self.one({"exp": "auth_jwt_validate_exp", "nbf": "pyngx_jwt_validate_nbf"}[name])
            why = "not checked" if off is not None else "not reached"
            self.add(Result.SKIPPED, name, f"{text}: {why}", off)
        elif check.refusal is None:
            mark = Result.PASSED if name in exam.claims else Result.SKIPPED
            self.add(mark, name, text + unverified, statement)
        else:
            text = f"{check.refusal.reason}: {text}"
            if name not in exam.claims:
                text = f"{check.refusal.detail}, and has to be there"
            self.add(Result.FAILED, name, text + unverified, statement)

    # -- requirements ------------------------------------------------------------------------

    def _requirement(
        self, demand: TokenDemand, refusal: TokenRefusal | None, exam: Examination
    ) -> None:
        mark = Result.PASSED if refusal is None else Result.FAILED
        unverified = "" if exam.vouched else UNVERIFIED
        if isinstance(demand, ClaimRequirement):
            wanted = listed(map(value_text, demand.values))
            value = claim_text(find(exam.claims, demand.path))
            statement = self._by_latin("auth_jwt_validate_claim", demand.name, *demand.values)
            text = f"{printable(demand.name)} is {value}, expected {wanted}"
        elif isinstance(demand, Requirement):
            members = exam.header if demand.in_header else exam.claims
            directive = f"auth_jwt_require_{demand.kind}"
            statement = self._required(directive, demand)
            wanted = printable(demand.shown or "")
            value = claim_text(find(members, demand.path))
            text = f"{printable(demand.name)} is {value}, expected {demand.operator} {wanted}"
        elif isinstance(demand, TextRequirement):
            statement = self.one("auth_jwt_validate_sub")
            value = claim_text(exam.claims.get(demand.name, MISSING))
            text = f"{demand.name} is {value}, expected text"
        else:
            statement, text = None, "" if refusal is None else printable(refusal.text)
        self.add(
            mark,
            "claim" if not getattr(demand, "in_header", False) else "header",
            text + unverified,
            statement,
        )

    def _by_latin(self, directive: str, *words: str) -> Statement | None:
        return self.some(directive, *(w.encode().decode("latin-1") for w in words))

    def _required(self, directive: str, demand: Requirement) -> Statement | None:
        names = {demand.name, f".{demand.name}", f'."{demand.name}"'}
        shown_value = (demand.shown or "").encode().decode("latin-1")
        for s in statements_of(self.level, directive, every=True):
            field, operator, value = (*s.args, "", "", "")[:3]
            if field in names and operator == demand.operator and value.endswith(shown_value):
                return s
        return self._by_latin(directive, demand.name)

    def _demand(self, demand: RequestDemand, denial: Denial | None, *, vouched: bool) -> None:
        directive, words = demand.directive, demand.words
        mark = Result.PASSED if denial is None else Result.FAILED
        text = shown(" ".join(words))
        if directive == "auth_jwt_require":
            value = Template(" ".join(words)).bind(self.level.variables)(self.r)
            text = f'{text} is "{shown(value)}"'
        elif denial is not None:
            text += f": {printable(denial.refusal.text)}"
        if denial is not None and denial.status != 401:
            text += f", so the status is {denial.status}"
        if not vouched:
            text += UNVERIFIED
        self.add(mark, directive.removeprefix("auth_jwt_"), text, self._named(directive, words))
        if directive == "auth_jwt_require":
            self._origins(Template(" ".join(words)))

    def _named(self, directive: str, words: tuple[str, ...]) -> Statement | None:
        statements = statements_of(self.level, directive, every=self.every)
        if directive.startswith("auth_jwt_revocation"):
            path = " ".join(words)
            return next((s for s in statements if path.endswith(s.args[0])), None)
        return statement_with(statements, *words)


def _lacks_keys(exam: Examination) -> bool:
    """Whether other keys could turn a refusal into a pass, or another refusal."""
    refusals = (check.refusal for check in exam.checks)
    return any(refusal is not None and refusal.reason in KEYLESS for refusal in refusals)


def lacks_keys_only(exam: Examination) -> bool:
    """Whether other keys could turn every refusal into a pass."""
    refusals = [check.refusal for check in exam.checks if check.refusal is not None]
    return bool(refusals) and all(refusal.reason in KEYLESS for refusal in refusals)


def take_as_verified(r: Request, exam: Examination) -> Verified:
    """The token as it would be if a key verified it; variables have its claims."""
    as_if = Verified(exam.claims, exam.header, exam.payload, 0, 0, exam.payload)
    r.contexts[KEY] = (r.location, as_if)
    return as_if


def _wrong_kind(trial: Trial) -> str:
    """What the keys are instead."""
    kid, alg = trial.header.get("kid"), value_text(trial.header.get("alg"))
    use = "decrypt" if "enc" in trial.header else "verify"
    if kid in _kids(trial):
        kinds = listed(dict.fromkeys(map(key_kind, trial.candidates)))
        return f"kid {value_text(kid)} is {kinds}, which cannot {use} {alg}"
    kinds = listed(key_text(key) for key in trial.candidates)
    return f"no key can {use} {alg}: there is {kinds}"


def _kids(trial: Trial) -> set[str | None]:
    return {key.kid for key in trial.candidates if key.kid is not None}


def legible_parts(token: str) -> Iterator[tuple[str, bytes]]:
    """The header and payload of a malformed token, if they can be read."""
    for name, part in zip(("header", "claims"), token.split(".")[:2], strict=False):
        with suppress(ValueError, UnicodeError):
            octets = decode_base64url(part.rstrip("=").encode("latin-1"), canonical=False)
            if octets[:1] == b"{":
                yield name, octets[:SHOWN]


def claim_text(value: object) -> str:
    return "missing" if value is MISSING else value_text(value)
