"""Validates JSON Web Tokens, as the module kjdev/nginx-auth-jwt does (dialect "kjdev").

Lists of keys, requirements and revoked values accumulate from outer to inner levels.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Self

from ....conf.directive import directive, enum, flag
from ....conf.parse import Statement
from ....errors import ConfError
from ....http.contexts import EVERYWHERE, HTTP
from ....http.level import Level
from ....http.module import Module, Phase
from ....http.request import OK, Handler, Request, Status
from ....http.template import Template
from ....http.variables import Getter, unsettled, variable_name
from ....jwt import (
    Json,
    KeySet,
    Presence,
    Reason,
    Token,
    TokenPolicy,
    TokenRefusal,
    Verified,
    Verifier,
    find,
    read,
    render_flat,
    render_plain,
    render_sorted,
)
from ....jwt.requirements import (
    MISSING,
    Step,
)
from ....log import Severity
from ..blocks import place_of, warn
from ..conditions import (
    MemberDemand,
    NestedNames,
    fixed_requirement,
    parse_demand,
    utf8,
    varying_demand,
)
from ..conf import INSIDE, Compared, TokenConf
from ..contexts import now_of
from ..demands import Denial, RequestDemand, Required, compile_required
from ..dialect import Clue, Dialect, DialectMark, Facts, clue
from ..gate import Gate
from ..key_sets import JWKS, KeyForm, KeyName
from ..keyring import Keyring
from ..level_keys import keyring_of
from ..plan import Challenger, FindToken, Plan
from ..revocation import RevocationFile, RevocationFiles
from ..settings import policy_with, status_without_keys
from ..sources import Sources
from ..variables import Render, look_after_check, now_text, settles
from ..wire import compile_challenge, compile_token, exact_bearer, quoted
from ..words import kjdev_words

KEYVAL = KeyForm("key", KeySet.parse_pem_map)


class KjdevConf(TokenConf):
    auth_jwt_validate_exp = flag(
        True,
        INSIDE,
        'Requires an "exp" that is in the future. If off, "exp" is not checked, and a stolen '
        "token is valid forever.",
    )
    auth_jwt_validate_sig = flag(
        True, INSIDE, "Checks signatures. If off, anyone can create valid tokens."
    )
    auth_jwt_phase = enum(
        "access",
        ("preaccess", "access"),
        EVERYWHERE,
        'Sets the phase in which tokens are checked. In "preaccess" they are checked before '
        '"limit_req" and "limit_conn", and regardless of "satisfy".',
    )

    realm = ""
    enabled = False
    token: Template | None = None
    members: tuple[MemberDemand, ...] = ()
    revoked: tuple[RevocationFile, ...] = ()
    nesting = NestedNames()

    @property
    def needs_keys(self) -> bool:
        return self.auth_jwt_validate_sig

    @property
    def is_early(self) -> bool:
        return self.auth_jwt_phase == "preaccess"

    @property
    def compared(self) -> tuple[Compared, ...]:
        return tuple(
            Compared("" if one.in_header else _outermost(one.field), (one.expected,))
            for one in self.members
        )

    def merge(self, outer: Self) -> None:
        """Lists add up, those of the outer level first."""
        for name in ("key_files", "key_requests", "required", "members", "revoked"):
            if name in vars(self) and name in vars(outer):
                setattr(self, name, (*getattr(outer, name), *getattr(self, name)))
        super().merge(outer)

    @directive(INSIDE, syntax="auth_jwt realm [token=$variable] | off;", default="off")
    def auth_jwt(self, realm: str, parameter: str = "") -> None:
        """Requires a valid token, from the Authorization header ("Bearer", in exactly this
        spelling) or from the variable of "token=".  "exp" is required in this dialect.  The realm
        is literal: variables in it are not replaced.  "off" cancels an inherited value."""
        self.enabled = realm != "off"
        if not self.enabled:
            return
        self.realm = realm
        if parameter:
            name, _, variable = parameter.partition("token=")
            if name or not variable:
                raise ConfError('"auth_jwt" directive no token specified')
            if not variable.startswith("$"):
                raise ConfError('"auth_jwt" directive token is not a variable specified')
            self.token = Template(variable)

    @directive(INSIDE, syntax="auth_jwt_key_file file [jwks | keyval];")
    def auth_jwt_key_file(self, file: str, form: str = "jwks") -> None:
        """Sets a file with keys: a JWK Set, or with "keyval" a JSON object of key IDs and PEM keys.
        All files and key requests of a level and its outer levels are used together.  Unlike in the
        module, the file is re-read within a second after a change."""
        kind = _form("auth_jwt_key_file", file, form)
        if "$" not in file:
            full = self.scope.conf_name(file)
            if failure := self.scope.shared(Sources).file(full, kind).read(self.scope):
                self.scope.warn(f"auth_jwt: {failure.text}")
                raise ConfError(
                    f'"auth_jwt_key_file" directive failed to load {kind.name} file: "{full}"'
                )
        self._add("key_files", KeyName(Template(file), kind))

    @directive(INSIDE, syntax="auth_jwt_key_request uri [jwks | keyval];")
    def auth_jwt_key_request(self, uri: str, form: str = "jwks") -> None:
        """Fetches keys with a subrequest to the URI, as a JWK Set or, with "keyval", as a JSON
        object of key IDs and PEM keys.  Keys from all sources are used together.  Unlike in the
        module, the status must be 200, requests share a response for a second if it cannot depend
        on the client, and a token that no current key verifies triggers
        a refresh."""
        kind = _form("auth_jwt_key_request", uri, form)
        self._add("key_requests", KeyName(Template(uri), kind))

    def _add(self, name: str, value: object) -> None:
        setattr(self, name, (*vars(self).get(name, ()), value))

    @directive(HTTP)
    def auth_jwt_claim_set(self, variable: str, name: str) -> None:
        """Sets a variable to a claim.  With "auth_jwt_allow_nested", the name can address a nested
        member."""
        self._define("auth_jwt_claim_set", variable, _claim, name, render_flat)

    @directive(HTTP)
    def auth_jwt_header_set(self, variable: str, name: str) -> None:
        """Sets a variable to a member of the JOSE header.  With "auth_jwt_allow_nested", the name
        can address a nested member."""
        self._define("auth_jwt_header_set", variable, _member, name, render_plain)

    def _define(
        self, directive: str, variable: str, make: Callable[..., Getter], name: str, render: Render
    ) -> None:
        if not variable.startswith("$"):
            raise ConfError(f'"{directive}" directive not a variable specified')
        self.level.variables.define(variable_name(variable), make(utf8(name), render))

    @directive(INSIDE, syntax="auth_jwt_require $value ... [error=status];")
    def auth_jwt_require(self, value: str, *values: str) -> None:
        """Requires that all values are neither empty nor "0", after the token has been verified.
        Each value must start with a variable.  "error=" sets the status.  Requirements of all
        levels apply."""
        texts, status = [value, *values], 401
        if texts[-1].startswith("error="):
            status = _status(texts.pop().removeprefix("error="))
        if not texts:
            raise ConfError('"auth_jwt_require" directive at least one variable must be specified')
        if not all(text.startswith("$") for text in texts):
            raise ConfError('"auth_jwt_require" directive not a variable specified')
        self._add("required", Required(tuple(Template(text) for text in texts), status))

    @directive(INSIDE)
    def auth_jwt_require_claim(self, field: str, operator: str, expected: str) -> None:
        """Requires a condition on a claim: eq, ne, gt, ge, lt, le, any, intersect, nintersect, in,
        nin or match, negated by a preceding "!".  The expected value is text, JSON after "json=",
        or a variable that contains JSON.  Requirements of all levels apply.  Unlike in the module,
        a requirement on "exp" does not replace the check of "exp"."""
        name = "auth_jwt_require_claim"
        self._add("members", parse_demand(name, field, operator, expected, in_header=False))

    @directive(INSIDE)
    def auth_jwt_require_header(self, field: str, operator: str, expected: str) -> None:
        """Requires a condition on a member of the JOSE header, in the format of
        "auth_jwt_require_claim".  Unlike in the module, a requirement that allows "alg" none is an
        error."""
        name = "auth_jwt_require_header"
        self._add("members", parse_demand(name, field, operator, expected, in_header=True))

    @directive(INSIDE)
    def auth_jwt_revocation_list_sub(self, file: str) -> None:
        """Sets a file with a JSON object; tokens whose "sub" is one of its names are refused.
        Unlike in the module, the file is re-read within a second after a change."""
        self._revoke("auth_jwt_revocation_list_sub", file, in_header=False)

    @directive(INSIDE)
    def auth_jwt_revocation_list_kid(self, file: str) -> None:
        """Sets a file with a JSON object; tokens whose "kid" is one of its names are refused.
        Unlike in the module, the file is re-read within a second after a change."""
        self._revoke("auth_jwt_revocation_list_kid", file, in_header=True)

    def _revoke(self, directive: str, file: str, *, in_header: bool) -> None:
        if not file:
            raise ConfError(f'"{directive}" directive is empty')
        full = self.scope.conf_name(file)
        revocations = self.scope.shared(RevocationFiles).file(full, in_header, self.scope.statement)
        if failure := revocations.load():
            self.scope.warn(f'auth_jwt: revocation list "{full}" cannot be used: {failure}')
            raise ConfError(f'"{directive}" directive failed to load file: "{full}"')
        self._add("revoked", revocations)

    @directive(EVERYWHERE, syntax="auth_jwt_allow_nested [delimiter=text] [quote=text];")
    def auth_jwt_allow_nested(self, first: str | None = None, second: str | None = None) -> None:
        """Lets the names of claims and header members address nested objects, separated by the
        delimiter.  A name that contains the delimiter can be quoted."""
        delimiter, mark = vars(self).get("nesting", NestedNames(".", '"'))
        for parameter in (first, second):
            if parameter is None:
                continue
            name, _, text = parameter.partition("=")
            if name == "delimiter" and text:
                delimiter = utf8(text)
            elif name == "quote" and text:
                mark = utf8(text)
            else:
                raise ConfError(f'"auth_jwt_allow_nested" invalid parameter "{parameter}"')
        self.nesting = NestedNames(delimiter, mark)


look = look_after_check(KjdevConf)


def _outermost(field: str) -> str:
    """The member that a field such as "aud", ".aud[0]" or '."aud"' is in."""
    return field.lstrip(".").partition("[")[0].partition(".")[0].strip('"')


def _form(directive: str, name: str, form: str) -> KeyForm:
    if not name:
        raise ConfError(f'"{directive}" directive is empty')
    if form and "keyval".startswith(form):
        return KEYVAL
    if not "jwks".startswith(form):
        raise ConfError(f'"{directive}" directive format is incorrect')
    return JWKS


def _status(text: str) -> int:
    code = int(text) if text.isascii() and text.isdigit() and len(text) < 5 else 0
    if not 400 <= code <= 599 or code in (444, 499):
        raise ConfError(
            '"auth_jwt_require" directive error code must be 400-599 '
            f'(excluding 444 and 499): "{text}"'
        )
    return code


# -- building ---------------------------------------------------------------------------------


def build(conf: KjdevConf, level: Level, phase: Phase) -> Handler | None:
    """The handler, in the phase that auth_jwt_phase chose."""
    if not conf.enabled or phase.name != conf.auth_jwt_phase.upper():
        return None
    if not conf.auth_jwt_validate_sig:
        text = "anyone can create tokens that are accepted"
        warn(level, f'"auth_jwt_validate_sig off" in {place_of(level)}: {text}')
    demands = (
        *(revocation(file) for file in reversed(conf.revoked)),
        *(varying_demand(demand, conf, level) for demand in _varying(conf)),
        *compile_required(conf.required, level),
    )
    gate = conf.gate = Gate(
        Plan(
            find_token=_find_token(conf, level),
            keyring=_keyring(conf, level),
            challenge=_challenge(conf, level),
            words=KJDEV.words,
            demands=demands,
            no_token=_no_token(conf, level),
            broken_keys=401,
            unavailable=status_without_keys(level, 401),
            lasting=True,
            early=False,
            before=_ignored(phase),
            accepted=_challenged(conf, level),
            explain=_explain(conf, level),
        )
    )
    return gate.handle


def _find_token(conf: KjdevConf, level: Level) -> FindToken:
    return compile_token(conf.token, level, of_another=True) if conf.token else exact_bearer


def _no_token(conf: KjdevConf, level: Level) -> Callable[[Request], TokenRefusal]:
    """A variable that is not there is another thing than an empty one."""
    empty, unset = (
        TokenRefusal(Reason.MISSING, ""),
        TokenRefusal(Reason.MISSING, "", {"variable": True}),
    )
    if conf.token is None:
        return lambda r: empty
    get = level.variables.resolve(conf.token.names[0])
    return lambda r: unset if get(r) is None else empty


def _explain(conf: KjdevConf, level: Level) -> Callable[[Request, str, TokenRefusal], TokenRefusal]:
    """kjdev's module checks the signature last, and logs the first check that fails.

    Here a token is verified first; only the reason that is logged for a refused token is
    determined in that order."""
    policy = replace(policy_of(conf, level), check_signature=False, demands=())
    if policy.nbf is not Presence.IGNORED:
        policy = replace(policy, nbf=Presence.IGNORED)
    dates = Verifier(policy, ())
    revoked = [revocation(file) for file in reversed(conf.revoked)]
    members = {
        in_header: [
            varying_demand(w, conf, level) for w in conf.members if w.in_header is in_header
        ]
        for in_header in (False, True)
    }

    def explain(r: Request, text: str, refusal: TokenRefusal) -> TokenRefusal:
        token = read(text, policy.limits, padded=policy.padded)
        if isinstance(token, TokenRefusal) or refusal.reason is Reason.CONDITION:
            return refusal
        unverified = Verified(token.claims, token.header, token.payload, 0, 0, token.payload)
        for demand in (*revoked, *members[False]):
            if denial := demand.check(r, unverified):
                return denial.refusal
        outcome = dates.verify(text, now_of(r))
        if isinstance(outcome, TokenRefusal) and outcome.reason is not Reason.ALGORITHM:
            return outcome
        for demand in members[True]:
            if denial := demand.check(r, unverified):
                return denial.refusal
        return refusal

    return explain


def _ignored(phase: Phase) -> Callable[[Request], None]:
    """What kjdev's module says in the phase that was not chosen."""
    other = Phase.ACCESS if phase is Phase.PREACCESS else Phase.PREACCESS
    text = f"auth_jwt: ignore phase: {other.name}"
    return lambda r: r.log(Severity.DEBUG, text)


def _keyring(conf: KjdevConf, level: Level) -> Keyring:
    policy = policy_of(conf, level)
    keyring = None
    if policy.check_signature:
        keyring = keyring_of(conf, level, policy, lenient=True)
    return keyring or Keyring(level, policy, ())


def policy_of(conf: KjdevConf, level: Level) -> TokenPolicy:
    """The requirements of a level that have no variables."""
    constant = (w for w in conf.members if w.expected.is_constant)
    return policy_with(
        replace(
            KJDEV.policy,
            leeway=conf.auth_jwt_leeway,
            exp=Presence.REQUIRED if conf.auth_jwt_validate_exp else Presence.IGNORED,
            check_signature=conf.auth_jwt_validate_sig,
            demands=tuple(fixed_requirement(demand, conf) for demand in constant),
        ),
        level,
    )


def _varying(conf: KjdevConf) -> tuple[MemberDemand, ...]:
    return tuple(demand for demand in conf.members if not demand.expected.is_constant)


def revocation(file: RevocationFile) -> RequestDemand:
    """What is in the file now is refused."""

    def check(r: Request, token: Verified) -> Denial | None:
        refusal = file.current(r).refusal(token.header, token.claims)
        return None if refusal is None else Denial(401, refusal)

    kind = "kid" if file.in_header else "sub"
    return RequestDemand(f"auth_jwt_revocation_list_{kind}", (file.name,), check)


def _challenge(conf: KjdevConf, level: Level) -> Challenger:
    """Only clients that sent "Bearer" are challenged, whatever the status."""
    realm = quoted(conf.realm)

    def usual(r: Request, token: str, status: Status) -> str:
        error = "" if status == OK or not token else ', error="invalid_token"'
        return f'Bearer realm="{realm}"{error}'

    chosen = compile_challenge(conf, level, usual, always=True)
    if conf.token is not None:
        return lambda r, token, status: ""
    return lambda r, token, status: chosen(r, token, status) if token else ""


def _challenged(conf: KjdevConf, level: Level) -> Callable[[Request, Verified], None] | None:
    """An accepted token is answered with a challenge, too."""
    if conf.token is not None:
        return None
    challenge = _challenge(conf, level)

    def accepted(r: Request, token: Verified) -> None:
        field = challenge(r, "token", OK)
        if field and ("WWW-Authenticate", field) not in r.headers_out:  # after a redirect it is
            r.add_header("WWW-Authenticate", field)

    return accepted


# -- variables --------------------------------------------------------------------------------


def _claim(name: str, render: Render) -> Getter:
    return _getter(name, render, lambda token: token.claims)


def _member(name: str, render: Render) -> Getter:
    return _getter(name, render, lambda token: token.header)


def _getter(
    name: str, render: Render, members: Callable[[Verified | Token], dict[str, Json]]
) -> Getter:
    """How deep the name leads is a matter of the location that asks."""
    paths: dict[NestedNames, tuple[Step, ...] | None] = {}

    def get(r: Request) -> str | None:
        token = look(r)
        if token is None:
            return None
        nesting: NestedNames = r.location.conf(KjdevConf).nesting
        if nesting not in paths:
            paths[nesting] = nesting.path(name)
        path = paths[nesting]
        value = MISSING if path is None else find(members(token), path)
        return None if value is MISSING else render(value)  # type: ignore[arg-type]

    return unsettled(get)


auth_jwt_kjdev = Module("auth_jwt_kjdev", KjdevConf)
settles(auth_jwt_kjdev)


@auth_jwt_kjdev.handler(Phase.PREACCESS)
def check_before(conf: KjdevConf, level: Level) -> Handler | None:
    """Checks tokens in the preaccess phase, if auth_jwt_phase is "preaccess"."""
    return build(conf, level, Phase.PREACCESS)


@auth_jwt_kjdev.handler(Phase.ACCESS)
def check_token(conf: KjdevConf, level: Level) -> Handler | None:
    """Checks tokens in the access phase, the default."""
    return build(conf, level, Phase.ACCESS)


@auth_jwt_kjdev.prefix("jwt_claim_")
def jwt_claim(name: str) -> Getter:
    """A claim of the verified token.  The name is in lower case.  Strings are as
    they are; other values are JSON without brackets and quotes."""
    return _claim(name, render_flat)


@auth_jwt_kjdev.prefix("jwt_header_")
def jwt_header(name: str) -> Getter:
    """A member of the verified token's JOSE header."""
    return _member(name, render_plain)


@auth_jwt_kjdev.variable("jwt_claims")
@unsettled
def jwt_claims(r: Request) -> str | None:
    """The claims as JSON, members sorted by name."""
    token = look(r)
    return render_sorted(token.claims) if token is not None else None


@auth_jwt_kjdev.variable("jwt_nowtime")
def jwt_nowtime(r: Request) -> str:
    """Seconds since the epoch."""
    return now_text(r)


# -- the dialect ------------------------------------------------------------------------------

_REPOSITORY = "kjdev/nginx-auth-jwt"  # in a comment
_WORD = re.compile(
    r"""#[^\n]*+|"(?:[^"\\]|\\.)*+"?|'(?:[^'\\]|\\.)*+'?|(?:[^ \t\r\n;{}\\]|\\.?)++""", re.DOTALL
)


def _with_form(statement: Statement, facts: Facts) -> str | None:
    """A source of keys with their form."""
    return " ".join(statement.args) if len(statement.args) == 2 else None


def _foreign_status(statement: Statement, facts: Facts) -> str | None:
    """A status that NGINX Plus does not take."""
    word = statement.args[-1] if statement.args else ""
    is_status = word.startswith("error=") and word[6:].isdigit()
    return word if is_status and word not in ("error=401", "error=403") else None


def _shape(facts: Facts) -> Iterator[Clue]:
    """NGINX Plus loads no such module, nor has comments about it."""
    if not facts.common:
        return
    if facts.module is not None:
        yield clue(facts.module, facts.module.args[0])
        return
    for path, text in facts.texts.items():
        if line := _credit(text):
            yield Clue("a comment", path, line)
            return


def _credit(text: str) -> int:
    """The line of a comment, not of a string, that names the repository of kjdev's module."""
    if _REPOSITORY in text:
        for word in _WORD.finditer(text):
            if word[0].startswith("#") and _REPOSITORY in word[0]:
                return text.count("\n", 0, word.start()) + 1
    return 0


def _instead(text: str) -> str:
    return f"belongs to kjdev's module before 0.5: {text}"


KJDEV = Dialect(
    name="kjdev",
    project=_REPOSITORY,
    module=auth_jwt_kjdev,
    policy=TokenPolicy(exp=Presence.REQUIRED),
    words=kjdev_words,
    target="kjdev",
    marks=(DialectMark(frozenset({"auth_jwt_key_file", "auth_jwt_key_request"}), _with_form),),
    weak_marks=(
        DialectMark(frozenset({"auth_jwt_require"}), _foreign_status, rank=0),
        DialectMark(frozenset({"auth_jwt_www_authenticate"}), rank=1),
    ),
    variables=frozenset({"jwt_claims", "jwt_nowtime"}),
    shape=_shape,
    advice={
        "auth_jwt_validate_alg": _instead('write "auth_jwt_require_header alg eq NAME"'),
        "auth_jwt_validate_aud": _instead('write "auth_jwt_require_claim aud eq VALUE"'),
        "auth_jwt_validate_iss": _instead('write "auth_jwt_require_claim iss eq VALUE"'),
        "auth_jwt_validate_iat": _instead('write "auth_jwt_require_claim iat le $jwt_nowtime"'),
        "auth_jwt_validate_nbf": _instead('leave it out, "nbf" is checked if the token has it'),
        "auth_jwt_validate_nonce": _instead('write "auth_jwt_require_claim nonce eq VALUE"'),
    },
    expands_keys=False,
    adds_up=True,
)
