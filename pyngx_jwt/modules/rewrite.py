"""Changes request URIs with regular expressions, returns redirects, and chooses configurations
by conditions."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

from ..conf.directive import Conf, directive, flag, own
from ..errors import ConfError
from ..http.conditions import follow, may_follow_another
from ..http.contexts import CONDITIONS, EVERYWHERE, LOCATION, LOCATION_IF, SERVER, SERVER_IF
from ..http.level import Level
from ..http.module import Module, Phase
from ..http.operations import EXIT, Answer, Operation, in_order, once_settled, respond_with
from ..http.operations import run as run_in_order
from ..http.regex import Regex
from ..http.request import Handler, Request, Status
from ..http.settle import noted, settled
from ..http.template import Template, Text, getter_of
from ..http.uri import escape_args, unescape_redirect
from ..http.variables import Variables, variable_name
from ..log import Severity

HERE = SERVER | SERVER_IF | LOCATION | LOCATION_IF
Build = Callable[[Variables], Operation]
Condition = Callable[[Request], bool]
BuildCondition = Callable[[Variables], Condition]
_TARGETS = ("http://", "https://", "$scheme")


class BadValue(Exception):
    """A value that cannot be computed, and why."""


class RewriteConf(Conf):
    rewrite_log = flag(
        False,
        EVERYWHERE | SERVER_IF | LOCATION_IF,
        "Logs the steps of rewrite directives to error_log at level notice.",
    )
    uninitialized_variable_warn = flag(
        True,
        EVERYWHERE | SERVER_IF | LOCATION_IF,
        "Logs a warning if a variable is used that has not been set.",
    )

    operations: tuple[Build, ...] = own(())
    answers = own(False)  # whether one of them can end the request

    @directive(HERE)
    def break_(self) -> None:
        """Stops the rewrite directives of this level.  Processing of the request continues in the
        location."""
        self._add(lambda variables: _break)

    @directive(
        SERVER | LOCATION,
        opens=SERVER_IF | LOCATION_IF,
        syntax="if (condition)",
        arity=(1, float("inf")),
    )
    def if_(self, *condition: str) -> None:
        """Runs the rewrite directives in the block, and uses its configuration, if the condition is
        true.  Conditions: a variable that is neither empty nor "0", "=" and "!=", "~" and "~*" with
        a regular expression, "-f", "-d", "-e", "-x" for files, and their negations with "!".  In a
        location, only the last true block applies, and some directives, such as "try_files", are
        not inherited into it."""
        build = _parse_condition(self.level, condition)
        level = self.level
        level.outer[RewriteConf]._add(lambda variables: _if(build, level, variables))

    @directive(HERE, syntax="return code [text] | return code URL | return URL")
    def return_(self, code: str, text: str | None = None) -> None:
        """Stops processing and returns the code, with a text or, for 301, 302, 303, 307 and 308, a
        URL.  A URL without a code is a 302.  Code 444 closes the connection without a response.
        Access checks such as "auth_jwt" run later, so they do not protect the response."""
        status, template = _parse_return(code, text)
        self.answers = True
        self._add(_settled(lambda variables: _return(status, template, variables), noted))

    @directive(HERE, syntax="rewrite regex replacement [flag]")
    def rewrite(self, regex: str, replacement: str, flag: str = "") -> None:
        """Replaces the URI if it matches the regular expression.  Directives run in their order;
        "last" then selects a new location, "break" stays in this one, "redirect" (302) and
        "permanent" (301) redirect the client.  A replacement that starts with "http://", "https://"
        or "$scheme" also redirects.  The arguments are appended unless the replacement ends with
        "?"."""
        rule = _Rewrite(regex, replacement, flag)
        _declare_captures(self.level, rule.regex)
        self.answers = self.answers or bool(rule.redirect)
        self._add(_settled(rule.build))

    @directive(HERE, syntax="set $variable value")
    def set(self, variable: str, value: str) -> None:
        """Sets a variable to a value, which can contain text and variables."""
        self.assign(variable, Template(value).bind)

    def assign(self, variable: str, bind: Callable[[Variables], Text]) -> None:
        """Adds an operation that stores a value in a variable.  A value that cannot be computed
        is a BadValue; the request is then answered 500."""
        store = self.level.variables.define_stored(variable_name(variable), warns_unset)

        def build(variables: Variables) -> Operation:
            text = bind(variables)

            def run(r: Request) -> Status | None:
                try:
                    store(r, text(r))
                except BadValue as error:
                    r.log(Severity.ERR, str(error))
                    return 500
                return None

            return run

        self._add(_settled(build))

    def _add(self, build: Build) -> None:
        """Takes on an operation; tools can look on while it is run."""
        statement, watch, level = self.scope.statement, self.scope.watch, self.level
        self.operations += (lambda variables: watch.operation(build(variables), level, statement),)


rewrite = Module("rewrite", RewriteConf)


def warns_unset(r: Request, name: str) -> None:
    """What reading a variable that no "set" has reached says."""
    if r.location.conf(RewriteConf).uninitialized_variable_warn:
        r.log(Severity.WARN, f'using uninitialized "{name}" variable')


def _declare_captures(level: Level, regex: Regex) -> None:
    for name in regex.names:
        level.variables.define_stored(name)


def _break(r: Request) -> Status:
    if r.uri_changed:
        r.valid_location = r.uri_changed = False
    return EXIT


def _operations_of(level: Level) -> tuple[Operation, ...]:
    return tuple(build(level.variables) for build in level[RewriteConf].operations)


@rewrite.handler(Phase.REWRITE)
def run_operations(conf: RewriteConf, level: Level) -> Handler | None:
    """Stands in the server's and in the location's rewrite phase."""
    if not conf.operations:
        return None
    return in_order(_operations_of(level))


@rewrite.may_answer
def may_answer(conf: RewriteConf, level: Level) -> bool:
    """Whether the level's operations, or those of an "if" in it, can end a request."""
    inner = level.inner(CONDITIONS)
    return conf.answers or any(may_answer(at[RewriteConf], at) for at in inner)


def _if(build: BuildCondition, level: Level, variables: Variables) -> Operation:
    before = variables.unsettled_uses
    holds = build(variables)
    waits = variables.unsettled_uses > before
    operations = _operations_of(level)
    follows, outer = may_follow_another(level), level.outer

    def run(r: Request) -> Answer:
        if not holds(r):
            return None
        if level.location is not None:
            before, r.location = r.location, level.location
            if follows and outer is not None and outer.location is not None:
                follow(r, before, level.location, outer.location)
        return run_in_order(iter(operations), r)

    return once_settled(run, while_keys_are_asked_for=False) if waits else run


# -- what is not settled before the access phase ----------------------------------------------


def _settled(build: Build, find_out: Handler = settled) -> Build:
    """An operation with variables such as claims waits until they are known. One that only
    stores them does not end the request."""

    def build_settled(variables: Variables) -> Operation:
        before = variables.unsettled_uses
        operation = build(variables)
        if variables.unsettled_uses == before:
            return operation
        return once_settled(operation, find_out)

    return build_settled


# -- return ---------------------------------------------------------------------------------


def _parse_return(code: str, text: str | None) -> tuple[int, Template | None]:
    if code.isdigit():
        status = int(code)
        if status > 999:
            raise ConfError(f'invalid return code "{code}"')
        return status, None if text is None else Template(text)
    if text is None and code.startswith(_TARGETS):
        return 302, Template(code)
    raise ConfError(f'invalid return code "{code}"')


def _return(status: int, template: Template | None, variables: Variables) -> Operation:
    if template is None or not template.text:
        if status >= 400:
            return lambda r: status
        return respond_with(status, b"")
    if template.is_constant:
        return respond_with(status, template.text.encode("latin-1"))
    text = template.bind(variables)

    def respond(r: Request) -> Status:
        r.status = status
        return r.respond(status, text(r).encode("latin-1"))

    return respond


# -- if -------------------------------------------------------------------------------------

_FILE_TESTS: dict[str, Callable[[str], bool]] = {
    "f": os.path.isfile,
    "d": os.path.isdir,
    "e": os.path.exists,
    "x": lambda path: os.path.exists(path) and bool(os.stat(path).st_mode & 0o100),
}


def _parse_condition(level: Level, words: tuple[str, ...]) -> BuildCondition:
    """Raises ConfError as ngx_http_rewrite_if_condition."""
    first, last = words[0], words[-1]
    if not first.startswith("("):
        raise ConfError(f'invalid condition "{first}"')
    if not last.endswith(")"):
        shown = last.removeprefix("(") if len(words) == 1 else last
        raise ConfError(f'invalid condition "{shown}"')
    if first == "()":
        raise ConfError('invalid condition ")"')
    terms = [*words]
    terms[0] = terms[0][1:]
    if not terms[0]:
        terms.pop(0)
    terms[-1] = terms[-1][:-1]
    if not terms[-1] and len(terms) > 1:
        terms.pop()
    return _condition_of_terms(level, terms)


def _condition_of_terms(level: Level, terms: list[str]) -> BuildCondition:
    subject = terms[0] if terms else ""
    if len(subject) > 1 and subject.startswith("$"):
        template = Template(f"${{{subject[1:]}}}" if "{" not in subject else subject)
        if len(terms) == 1:
            return lambda variables: _true(template.bind(variables))
        if len(terms) > 3 or len(terms) == 2:
            if terms[1] not in ("=", "!=", "~", "~*", "!~", "!~*"):
                raise ConfError(f'unexpected "{terms[1]}" in condition')
            raise ConfError(f'invalid condition "{subject}"')
        return _comparison(level, template, terms[1], terms[2])
    if re.match(r"!?-[fdex]\Z", subject):
        if len(terms) != 2:
            raise ConfError(f'invalid condition "{subject}"')
        return _file_condition(subject, Template(terms[1]))
    raise ConfError(f'invalid condition "{subject}"')


def _comparison(level: Level, subject: Template, operator: str, value: str) -> BuildCondition:
    if operator in ("=", "!="):
        expected = Template(value)

        def build(variables: Variables) -> Condition:
            get, text = subject.bind(variables), expected.bind(variables)
            if operator == "=":
                return lambda r: get(r) == text(r)
            return lambda r: get(r) != text(r)

        return build
    if operator in ("~", "~*", "!~", "!~*"):
        regex = Regex(value, caseless=operator.endswith("*"))
        _declare_captures(level, regex)
        negative = operator.startswith("!")
        return lambda variables: _matches(subject.bind(variables), regex, negative)
    raise ConfError(f'unexpected "{operator}" in condition')


def _true(get: Text) -> Condition:
    return lambda r: get(r) not in ("", "0")


def _matches(get: Text, regex: Regex, negative: bool) -> Condition:
    if negative:
        return lambda r: not _match(regex, r, get(r))
    return lambda r: _match(regex, r, get(r))


def _match(regex: Regex, r: Request, subject: str) -> bool:
    """As elsewhere, but a failure also forgets what an earlier expression captured."""
    matched = regex.match(r, subject)
    if not matched:
        r.captures = None
    return matched


def _file_condition(test: str, path: Template) -> BuildCondition:
    negative, probe = test.startswith("!"), _FILE_TESTS[test[-1]]

    def build(variables: Variables) -> Condition:
        text = path.bind(variables)

        def holds(r: Request) -> bool:
            name = r.server.core.scope.full_name(text(r)).encode("latin-1")
            try:
                return probe(os.fsdecode(name)) is not negative
            except (OSError, ValueError):
                return negative

        return holds

    return build


# -- rewrite --------------------------------------------------------------------------------


class _Rewrite:
    """One "rewrite" directive, as ngx_http_script_regex_start_code and its end."""

    def __init__(self, regex: str, replacement: str, flag: str) -> None:
        if not replacement:
            raise ConfError("empty replacement")
        self.regex = Regex(regex)
        self.redirect = 302 if replacement.startswith(_TARGETS) else 0
        self.last = self.break_cycle = False
        self._take_flag(flag)
        self.add_args = not replacement.endswith("?")
        if not self.add_args:
            replacement = replacement[:-1]
        path, mark, args = replacement.partition("?")
        self.path, self.args = Template(path), Template(args) if mark else None
        self.mark = mark

    def _take_flag(self, flag: str) -> None:
        if flag == "last":
            self.last = True
        elif flag == "break":
            self.last = self.break_cycle = True
        elif flag in ("redirect", "permanent"):
            self.redirect = 302 if flag == "redirect" else 301
        elif flag:
            raise ConfError(f'invalid parameter "{flag}"')
        if self.redirect:
            self.last = True

    def build(self, variables: Variables) -> Operation:
        quoted = bool(self.redirect)
        path = _escaping(self.path, variables, quoted)
        args = _escaping(self.args, variables, True) if self.args is not None else None
        if self.redirect:
            return self._build_redirect(path, args)
        return self._build_internal(path, args)

    def _build_redirect(self, path: Text, args: Text | None) -> Operation:
        def run(r: Request) -> Status | None:
            if not self._matches(r):
                return None
            target = path(r) + (self.mark + args(r) if args else "")
            target = unescape_redirect(target)
            if self.add_args and r.args:
                target += ("&" if args else "?") + r.args
            self._log(r, "rewritten redirect", target)
            r.location_out = target
            return self.redirect

        return run

    def _build_internal(self, path: Text, args: Text | None) -> Operation:
        def run(r: Request) -> Status | None:
            if not self._matches(r):
                return None
            uri, new_args = path(r), args(r) if args else None
            r.internal, r.valid_unparsed_uri = True, False
            if new_args is not None:
                r.args = f"{new_args}&{r.args}" if self.add_args and r.args else new_args
            elif not self.add_args:
                r.args = ""
            r.uri_changed = not self.break_cycle
            r.valid_location = not self.break_cycle and r.valid_location
            self._log(r, "rewritten data", uri)
            r.uri = uri
            if not uri:
                r.log(Severity.ERR, "the rewritten URI has a zero length")
                return 500
            return EXIT if self.last else None

        return run

    def _matches(self, r: Request) -> bool:
        matched = _match(self.regex, r, r.uri)
        if r.location.conf(RewriteConf).rewrite_log:
            outcome = "matches" if matched else "does not match"
            r.log(Severity.NOTICE, f'"{self.regex.text}" {outcome} "{r.uri}"')
        return matched

    def _log(self, r: Request, what: str, target: str) -> None:
        if r.location.conf(RewriteConf).rewrite_log:
            r.log(Severity.NOTICE, f'{what}: "{target}", args: "{r.args}"')


def _escaping(template: Template, variables: Variables, quoted: bool) -> Text:
    """The text with captures escaped where nginx escapes them: in arguments and redirects,
    if the request's URI was escaped."""
    numbered = any(variable and name.startswith("$") for variable, name in template.parts)
    if not quoted or not numbered:
        return template.bind(variables)
    getters = [(getter_of(p, variables), p[0] and p[1].startswith("$")) for p in template.parts]

    def text(r: Request) -> str:
        escapes = r.quoted_uri or r.plus_in_uri
        values = [(get(r) or "", escaped) for get, escaped in getters]
        return "".join([escape_args(v) if e and escapes else v for v, e in values])

    return text
