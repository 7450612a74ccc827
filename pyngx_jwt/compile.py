"""Statements to the objects that serve requests."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, TypeVar

from .cache import Caches
from .conf.directive import (
    HTTP,
    LIMIT_EXCEPT,
    LOCATION,
    LOCATION_IF,
    MAIN,
    SERVER,
    SERVER_IF,
    Conf,
    Context,
    Directive,
)
from .conf.known import BLOCKS, declarations, declared_in
from .conf.parse import END_BLOCK, Source, Statement, command_line
from .conf.scope import Scope
from .conf.shape import check_shape
from .conf.watch import Watch
from .errors import ConfError
from .http.auth_delay import delayed
from .http.level import Level
from .http.listen import Listen
from .http.location import Location, Server, ServerNames, Tree, is_server_name
from .http.module import AnyModule, Phase
from .http.regex import Regex
from .http.request import Handler, Settle
from .http.satisfy import satisfy_any
from .http.settle import noted, settled
from .http.template import Template
from .http.variables import Variables
from .log import Level as LogLevel
from .log import Log, OpenFiles
from .modules import MODULES
from .modules.auth_jwt import (
    Choice,
    check_readable,
    choose_dialect,
    foreign_directive,
    prepare_key_sets,
)
from .modules.core import CoreConf, compile_core
from .modules.limit_conn import LimitConnZones
from .modules.limit_req import LimitReqZones
from .modules.main import Logs, MainConf, User
from .modules.missing import leave_out
from .modules.rewrite import may_answer
from .modules.ssl import SslConf
from .modules.stub_status import Statistics
from .modules.stub_status import prepare as prepare_statistics
from .modules.upstream import UpstreamConf
from .options import Options
from .zones import Zones

B = TypeVar("B")
C = TypeVar("C", bound=Conf)
Table = dict[str, list[tuple[type[Conf], Directive]]]
MAX_INCLUDES = 64  # deeper ones can only be a circle


def directives_of(modules: tuple[AnyModule, ...]) -> Table:
    """What each name means to these modules, in different contexts perhaps."""
    table: Table = {}
    for module in modules:
        for name, directive in module.conf.directives.items():
            table.setdefault(name, []).append((module.conf, directive))
    return table


# -- reading --------------------------------------------------------------------------------


@dataclass(slots=True)
class Reader:
    """Runs statements as they are read, file by file, level by level."""

    scope: Scope
    table: Table
    files: dict[str, str] = field(default_factory=dict)
    depth: int = 0

    def run(self, source: Source, level: Level) -> None:
        """Runs a file, or a block of it, to its end."""
        while True:
            depth, statement = source.depth, None
            try:
                found = source.next()
                if not isinstance(found, Statement):
                    return
                statement = found
                self._apply(statement, source, level)
            except ConfError as error:
                self._fail(error, source, level, statement)
                if source.recover(depth, statement):
                    return

    def _fail(
        self, error: ConfError, source: Source, level: Level, statement: Statement | None
    ) -> None:
        self.scope.watch.failed(source.locate(error), level, statement)

    def open(self, path: str) -> Source:
        source = self.scope.files.read(path)
        self.files.setdefault(path, source.text)
        return source

    def _included(self, statement: Statement) -> Iterator[Source]:
        if len(statement.args) != 1:
            raise ConfError('invalid number of arguments in "include" directive')
        for path in self.scope.files.expand(statement.args[0], self.scope.options.conf_prefix):
            self.scope.watch.included(statement, path)
            yield self.open(path)

    def _apply(self, statement: Statement, source: Source, level: Level) -> None:
        if statement.name == "include" and not statement.opens:
            self._include(statement, level)
            return
        found = self._find(statement, source, level)
        if found is None:
            return
        kind, directive = found
        self.scope.statement = statement
        self.scope.watch.seen(statement, level)
        if directive.raw:
            entries = self._entries(statement, source)
            directive.set(level[kind], *statement.args, entries=entries)
        elif directive.opens:
            self._open(statement, directive, kind, source, level)
            return
        else:
            directive.set(level[kind], *statement.args)
        level.statements.setdefault(statement.name, []).append(statement)

    def _include(self, statement: Statement, level: Level) -> None:
        if self.depth == MAX_INCLUDES:
            raise ConfError(f'too many nested includes, "{statement.args[0]}" includes itself')
        self.depth += 1
        try:
            for included in self._included(statement):
                self.run(included, level)
        finally:
            self.depth -= 1

    def _open(
        self,
        statement: Statement,
        directive: Directive,
        kind: type[Any],
        source: Source,
        level: Level,
    ) -> None:
        assert directive.opens is not None
        opens = directive.opens
        if opens is LOCATION_IF and level.context is SERVER:
            opens = SERVER_IF
        inner = Level(opens, self.scope, level)
        if opens is Context.EVENTS:
            inner.confs = level.confs
        try:
            directive.set(inner[kind], *statement.args)
        except ConfError as error:
            self._fail(error, source, level, statement)
        else:
            if opens is not Context.EVENTS:
                level.levels.append(inner)
        self.scope.watch.opened(inner)
        self.run(source, inner)
        if opens is Context.UPSTREAM and not inner[UpstreamConf]._servers:
            raise ConfError("no servers are inside upstream")
        if opens is HTTP:
            finish_http(inner)

    def _entries(self, block: Statement, source: Source) -> Iterator[Statement]:
        while (entry := source.next_entry()) is not None and entry is not END_BLOCK:
            assert isinstance(entry, Statement)
            if entry.name == "include" and len(entry.args) == 1:
                for included in self._included(entry):
                    yield from self._entries(block, included)
            else:
                self.scope.statement = entry
                self.scope.watch.seen_entry(entry, block)
                yield entry

    def _find(
        self, statement: Statement, source: Source, level: Level
    ) -> tuple[type[Conf], Directive] | None:
        """The checks of ngx_conf_handler(), in its order and its words."""
        name = statement.name
        declared = self.table.get(name)
        for kind, directive in declared or ():
            if directive.contexts & level.context:
                check_shape(statement, (directive,))
                return kind, directive
        if self.scope.watch.foreign(statement, source, level):
            return None
        if declared:
            raise ConfError(f'"{name}" directive is not allowed here')
        self._unknown(statement, source, level)
        return None

    def _unknown(self, statement: Statement, source: Source, level: Level) -> None:
        """Raises, or leaves out what nginx has and we do not, if that may be."""
        name = statement.name
        if advice := foreign_directive(name, self.scope.dialect):
            raise ConfError(advice)
        if not declarations(name):
            raise ConfError(f'unknown directive "{name}"')
        declared_in(statement, BLOCKS[level.context])
        leave_out(statement, level)
        if statement.opens:
            _skip_block(source)


def _skip_block(source: Source) -> None:
    depth = 1
    while depth:
        statement = source.next()
        if statement is END_BLOCK:
            depth -= 1
        elif isinstance(statement, Statement) and statement.opens:
            depth += 1


# -- merging and building -------------------------------------------------------------------


def merge(level: Level, outer: Level) -> None:
    """Hands down what is not set, from the outside in."""
    if level.context & (SERVER_IF | LOCATION_IF | LIMIT_EXCEPT):
        level[CoreConf]._name = outer[CoreConf]._name
        level[CoreConf]._modifier = outer[CoreConf]._modifier
        level[CoreConf]._regex = outer[CoreConf]._regex
    for module in level.scope.modules:
        try:
            level[module.conf].merge(outer[module.conf])
        except ConfError as error:
            level.scope.watch.failed(error, level)
    for inner in level.levels:
        if not inner.context & Context.UPSTREAM:
            merge(inner, level)


def walk(level: Level) -> Iterator[Level]:
    """A level and all inside it, from the outside in."""
    yield level
    for inner in level.levels:
        if not inner.context & Context.UPSTREAM:
            yield from walk(inner)


def finish_http(http: Level) -> None:
    """What ngx_http_block does at the end of http: merging, checks, locations."""
    for server in http.inner(SERVER):
        merge(server, http)
    for server in http.inner(SERVER):
        _check_locations(server)
    failed = http.scope.watch.failed
    checks = [(module.conf, module.check) for module in http.scope.modules if module.check]
    for level in walk(http):
        for conf, check in checks:
            try:
                check(level[conf], level)
            except ConfError as error:
                failed(error, level)
    check_variables(http)
    http.scope.statement = None
    while True:
        try:
            http.variables.build_all()
            break
        except ConfError as error:
            failed(error, http)
    for circle in http.variables.circles:
        http.scope.statement = circle.statement
        http.scope.warn(circle.text)
    http.scope.statement = None
    built = http.scope.shared(Built)
    for level in http.inner(SERVER):
        built.servers.append((level, compile_server(level)))
    build_ports(http, built)


def check_variables(http: Level) -> None:
    """Every variable that is named exists, used or not (ngx_http_variables_init_vars)."""
    seen: set[int] = set()  # values that levels have from outer ones are looked at once
    for level in walk(http):
        for conf in level.confs.values():
            for name, value in list(vars(conf).items()):
                if level is http and name in conf.bound_below:
                    continue
                if type(value) not in _PLAIN and id(value) not in seen:
                    seen.add(id(value))
                    for template in _templates(value):
                        _check_template(template, level)
    for thing in list(http.scope.things.values()):
        for template in _templates(vars(thing) if hasattr(thing, "__dict__") else ()):
            _check_template(template, http)


def _check_template(template: Template, level: Level) -> None:
    for name in template.names:
        if not name.startswith("$"):
            try:
                level.variables.resolve(name)
            except ConfError as error:
                level.scope.watch.failed(error, level)
                level.variables.defined[name.lower()] = lambda r: None


_PLAIN = frozenset({str, int, float, bool, type(None), frozenset, Level, Scope})


def _templates(value: object) -> Iterator[Template]:
    """The templates in a value of a conf, however deep in its tuples and records."""
    if isinstance(value, Template):
        yield value
    elif isinstance(value, Mapping):
        yield from _templates(tuple(value.values()))
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _templates(item)
    elif is_dataclass(value) and not isinstance(value, (type, Scope)):
        for field_of in fields(value):
            yield from _templates(getattr(value, field_of.name))


@dataclass(slots=True)
class Built:
    """The compiled http block; empty if there is none."""

    servers: list[tuple[Level, Server]] = field(default_factory=list)
    ports: dict[str, Port] = field(default_factory=dict)


@dataclass(slots=True)
class Address:
    """The servers of one address that is listened on."""

    listen: Listen
    names: ServerNames
    default_given: bool = False
    levels: list[tuple[Level, Server]] = field(default_factory=list)
    tls: dict[Server, ssl.SSLContext] | None = None  # without those that refuse handshakes


@dataclass(slots=True)
class Port:
    """A socket: its own address, and others that a wildcard takes in."""

    listen: Listen
    address: Address
    others: dict[str, Address] = field(default_factory=dict)

    @property
    def addresses(self) -> tuple[Address, ...]:
        return self.address, *self.others.values()

    def address_of(self, name: Any) -> Address:
        """The address that a connection has come to; `name` is its socket's own."""
        host = name[0] if isinstance(name, tuple) else ""
        return self.others.get(host, self.address)

    def log(self, server: Server, level: LogLevel, text: str, peer: Any, number: int) -> None:
        """Logs what happened to a connection before it brought a request."""
        client = peer[0] if isinstance(peer, tuple) else "unix:"
        server.location.log.write(
            level, f"{text}, client: {client}, server: {self.listen.text}", number
        )


def compile_server(level: Level) -> Server:
    """A server with its locations."""
    server = Server()
    server.core = level[CoreConf]
    server.name = server.core.server_name_value
    server.named = {}
    server.location = compile_location(level)
    server.rewrite = server.location.rewrite
    post_read = _handlers(level, Phase.POST_READ)
    server.rewrite = (*post_read, *server.location.rewrite)
    server.location.rewrite = ()
    server.tree = server.location.tree
    for inner in level.inner(LOCATION):
        conf = inner[CoreConf]
        if conf.is_named and inner.location:
            server.named[conf._name] = inner.location
    return server


def compile_location(level: Level) -> Location:
    """Keeps only what this level's configuration calls for, inner levels first."""
    location = level.location = Location()
    for inner in level.levels:
        compile_location(inner)
    location.conf = level.__getitem__
    try:
        compile_core(level, location)
        location.log = level.scope.shared(Logs).of(level[MainConf])
    except ConfError as error:
        level.scope.watch.failed(error, level)
    uses = level.variables
    location.rewrite = () if level.context & LOCATION_IF else _handlers(level, Phase.REWRITE)
    at_first = uses.unsettled_uses
    before = _handlers(level, Phase.PREACCESS)
    early = uses.unsettled_uses > at_first
    access = satisfying(_handlers(level, Phase.ACCESS), level)
    if delay := level[CoreConf].auth_delay:
        access = tuple(delayed(handler, delay) for handler in access)
    at_access = uses.unsettled_uses
    after = (*_handlers(level, Phase.PRECONTENT), *_content(level, location))
    at_end = uses.unsettled_uses
    location.header_filters = tuple(
        built
        for module in reversed(level.scope.modules)
        if module.header_filter_builder
        and (built := _built(module.header_filter_builder, level[module.conf], level))
    )
    location.log_handlers = tuple(
        built
        for module in reversed(level.scope.modules)
        if module.log_builder and (built := _built(module.log_builder, level[module.conf], level))
    )
    location.tells_late = uses.unsettled_uses > at_end
    location.handlers = (*before, *access, *after)
    location.subrequest_handlers = (*before, *after)
    location.settle = _settle(level)
    if location.settle is not None:
        late = uses.unsettled_uses > at_access
        _settle_early(level, location, preaccess=early, content=late)
    limits = [inner for inner in level.levels if inner.context & LIMIT_EXCEPT]
    location.limit_except = None
    if limits and limits[-1].location:
        location.limit_except = (limits[-1][CoreConf]._methods, limits[-1].location)
    location.tree = build_tree(level)
    return location


def _settle(level: Level) -> Settle | None:
    """What finds out what unsettled variables tell; at most one module has such."""
    built = (
        _built(module.settle_builder, level[module.conf], level)
        for module in level.scope.modules
        if module.settle_builder
    )
    return next((settle for settle in built if settle is not None), None)


def _settle_early(level: Level, location: Location, *, preaccess: bool, content: bool) -> None:
    """Puts that in front of what uses such variables though the access phase, which settles
    them, has not been: it comes later, or not at all as a "return" has answered, or in
    subrequests.  In the rewrite phase each operation sees to itself."""
    inner = [level, *level.inner(LOCATION_IF | SERVER_IF)]
    if may_answer(level) and any(at.location and at.location.tells_late for at in inner):
        location.rewrite = (noted, *location.rewrite)
    if preaccess:
        location.handlers = (settled, *location.handlers)
    if preaccess or content:
        location.subrequest_handlers = (settled, *location.subrequest_handlers)


def satisfying(access: tuple[Handler, ...], level: Level) -> tuple[Handler, ...]:
    """The handlers of the access phase, as one if one permission is enough."""
    any_is_enough = access and level[CoreConf].satisfy == "any"
    return (satisfy_any(access),) if any_is_enough else access


def _handlers(level: Level, phase: Phase) -> tuple[Handler, ...]:
    named = level.handlers[phase] = [
        (module.name, level.scope.watch.built(handler, level, module.name, phase))
        for module in reversed(level.scope.modules)
        if phase in module.handlers
        and (handler := _built(module.handlers[phase], level[module.conf], level))
    ]
    return tuple(handler for _, handler in named)


def _built(build: Callable[[C, Level], B | None], conf: C, level: Level) -> B | None:
    """What a builder makes of a level, None if it fails."""
    watch = level.scope.watch
    try:
        return build(conf, level)
    except watch.caught as error:
        watch.failed(error, level)
        return None


def _content(level: Level, location: Location) -> tuple[Handler, ...]:
    found = _exclusive(level, level)
    if found is None and level.context & LOCATION_IF and level.outer:
        found = _exclusive(level.outer, level)  # what answers is not changed by "if" alone
    location.auto_redirect = False
    if found is None:
        return _handlers(level, Phase.CONTENT)
    module, handler = found
    handler = level.scope.watch.built(handler, level, module.name, Phase.CONTENT)
    level.handlers[Phase.CONTENT] = [(module.name, handler)]
    location.auto_redirect = module.adds_slash and location.name.endswith("/")
    return (handler,)


def _exclusive(given: Level, level: Level) -> tuple[AnyModule, Handler] | None:
    """The content handler that `given` has and that leaves no room for others, for `level`."""
    for module in reversed(level.scope.modules):
        build = module.exclusive_content
        if build and (handler := _built(build, given[module.conf], level)):
            return module, handler
    return None


def _check_locations(level: Level) -> None:
    seen: set[tuple[bool, str]] = set()
    for inner in level.inner(LOCATION):
        conf = inner[CoreConf]
        _check_locations(inner)
        if conf._regex or conf.is_named:
            continue
        key = (conf._modifier == "=", conf._name)
        if key in seen:
            error = ConfError(f'duplicate location "{conf._name}"')
            level.scope.watch.failed(error.at(*_place(inner)), inner)
        seen.add(key)


def build_tree(level: Level) -> Tree | None:
    """The locations of a level, None if there are none."""
    exact: dict[str, Location] = {}
    prefixes: dict[str, Location] = {}
    regexes: list[tuple[Regex, Location]] = []
    for inner in level.inner(LOCATION):
        conf, location = inner[CoreConf], inner.location
        assert location is not None
        if conf._regex:
            regexes.append((conf._regex, location))
        elif conf._modifier == "=":
            exact[conf._name] = location
        elif not conf.is_named:
            prefixes[conf._name] = location
    if not (exact or prefixes or regexes):
        return None
    return Tree(exact, prefixes, tuple(regexes))


# -- listening ------------------------------------------------------------------------------


def build_ports(http: Level, built: Built) -> None:
    """Which socket serves which servers, as ngx_http_optimize_servers."""
    addresses: dict[str, Address] = {}
    for level, server in built.servers:
        conf = level[CoreConf]
        for listen in conf.listens or _default_listen():
            try:
                _add_address(addresses, listen, level, server)
            except ConfError as error:
                http.scope.watch.failed(error, level)
    for address in addresses.values():
        try:
            _add_names(address, http.scope)
            if address.listen.ssl:
                _add_tls(address)
        except ConfError as error:
            http.scope.watch.failed(error, address.levels[0][0])
    built.ports = _group(addresses)


def _default_listen() -> tuple[Listen, ...]:
    return (Listen(socket.AF_INET, "0.0.0.0", 80 if os.geteuid() == 0 else 8000),)


def _add_address(
    addresses: dict[str, Address], listen: Listen, level: Level, server: Server
) -> None:
    address = addresses.get(listen.text)
    if address is None:
        address = addresses[listen.text] = Address(listen, ServerNames(server))
    elif listen.options_set:
        if address.listen.options_set:
            raise ConfError(f"duplicate listen options for {listen.text}").at(*_place(level))
        address.listen = _with_flags(listen, address.listen)
    else:
        address.listen = _with_flags(address.listen, listen)
    if listen.default_server:
        if address.default_given:
            raise ConfError(f"a duplicate default server for {listen.text}").at(*_place(level))
        address.default_given, address.names.default = True, server
    address.levels.append((level, server))


def _place(level: Level) -> tuple[str, int]:
    assert level.statement is not None
    return level.statement.file, level.statement.line


def _with_flags(listen: Listen, other: Listen) -> Listen:
    return replace(
        listen,
        ssl=listen.ssl or other.ssl,
        proxy_protocol=listen.proxy_protocol or other.proxy_protocol,
    )


def _add_names(address: Address, scope: Scope) -> None:
    """A single server needs no names, unless its expressions capture."""
    if len(address.levels) == 1:
        regexes = tuple(address.levels[0][0][CoreConf]._name_regexes.values())
        if not regexes or not regexes[-1].groups:
            return
    for level, server in address.levels:
        for name in level[CoreConf].server_names or ("",):
            if name.startswith("~"):
                address.names.add_regex(level[CoreConf]._name_regexes[name], server)
                continue
            told = f'"{name}" on {address.listen.text}'
            if not is_server_name(name):
                raise ConfError(f"invalid server name or wildcard {told}").nowhere()
            if not address.names.add(name, server):
                scope.statement = level.statement
                scope.warn_at(f"conflicting server name {told}, ignored")


def _add_tls(address: Address) -> None:
    """Finds the contexts; a server without certificates shows those of the default server
    (ngx_http_ssl_init)."""
    confs = {server: level[SslConf] for level, server in address.levels}
    default = confs[address.names.default]
    if not default.certificates:
        _check_certificates(address)
    address.tls = {}
    for server, conf in confs.items():
        context = conf._context or default._context
        if context is not None and not conf.ssl_reject_handshake:
            address.tls[server] = context


def _check_certificates(address: Address) -> None:
    default = address.names.default
    for level, _ in sorted(address.levels, key=lambda x: x[1] is not default):
        conf, statement = level[SslConf], level.statement
        assert statement is not None
        if not (conf.ssl_reject_handshake or conf.certificates):
            raise ConfError(
                'no "ssl_certificate" is defined for the "listen ... ssl" directive'
            ).at(statement.file, statement.start_line)


def _group(addresses: dict[str, Address]) -> dict[str, Port]:
    """A wildcard's socket takes in the other addresses of its port, unless they bind."""
    wildcards = {
        (a.listen.family, a.listen.port): Port(a.listen, a)
        for a in addresses.values()
        if a.listen.wildcard
    }
    ports = {port.listen.text: port for port in wildcards.values()}
    for text, address in addresses.items():
        listen = address.listen
        wildcard = wildcards.get((listen.family, listen.port))
        if listen.wildcard:
            continue
        if wildcard and not listen.bind and listen.family != socket.AF_UNIX:
            wildcard.others[listen.host] = address
        else:
            ports[text] = Port(listen, address)
    return ports


# -- the whole ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MainSettings:
    """The main directives that concern processes; times in seconds, paths full."""

    daemon: bool
    master_process: bool
    pid: str
    worker_processes: int
    worker_rlimit_nofile: int
    worker_shutdown_timeout: float
    working_directory: str
    user: tuple[int, int] | None
    env: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cycle:
    """A loaded configuration: what the process, the server and the linter read."""

    main: MainSettings
    listens: tuple[Listen, ...]
    ports: dict[str, Port]
    log: Log
    open_files: OpenFiles
    folders: tuple[str, ...]
    files: tuple[tuple[str, str], ...]
    root: Level
    options: Options

    @property
    def scope(self) -> Scope:
        return self.root.scope

    @property
    def understanding(self) -> str:
        """How the configuration was read, where that was not plain."""
        choice: Choice = self.scope.things[Choice]
        return choice.text

    @property
    def statistics(self) -> Statistics:
        return self.scope.shared(Statistics)

    @property
    def zones(self) -> Zones:
        """What the workers share; started by whoever starts them."""
        return self.scope.shared(Zones)

    @property
    def caches(self) -> Caches:
        """One worker looks after them."""
        return self.scope.shared(Caches)

    def check_user(self, user: User) -> None:
        """Raises ConfError if the workers, who are that user, cannot read what they have to."""
        check_readable(self.scope, user)

    def check_continues(self, old: Cycle) -> None:
        """Raises ConfError if a reload cannot put this in the place of ``old``."""
        self.caches.check_continues(old.caches)
        for kind in (LimitReqZones, LimitConnZones):
            self.scope.shared(kind).check_continues(old.scope.shared(kind))


def load(options: Options, log: Log, watch: Watch | None = None) -> Cycle:
    """Reads and compiles a configuration; raises ConfError.  Warnings go to the log."""
    scope = scope_of(options, choose_dialect(options), lambda text: log.write(LogLevel.WARN, text))
    if watch is not None:
        scope.watch = watch
    root, reader = read(scope)
    main = root[MainConf]
    if not main.has_events:
        scope.statement = None
        scope.warn('no "events" section in configuration, nginx refuses to start without one')
    return _cycle(scope, root, reader)


def scope_of(options: Options, choice: Choice, warn: Callable[[str], None]) -> Scope:
    """What a configuration of this dialect is read with."""
    modules = tuple(m for m in MODULES if not m.dialects or choice.name in m.dialects)
    scope = Scope(options, warn, choice.name, modules)
    scope.things[Choice] = choice
    prepare_key_sets(scope, choice)
    return scope


def read(scope: Scope) -> tuple[Level, Reader]:
    """Reads a configuration and compiles what is in its http block."""
    options = scope.options
    _declare_variables(scope)
    reader, root = Reader(scope, directives_of(scope.modules)), Level(MAIN, scope)
    if options.directives:
        reader.run(command_line(options.directives), root)
    reader.run(reader.open(options.conf_file), root)
    return root, reader


def _declare_variables(scope: Scope) -> None:
    variables = scope.shared(Variables)
    for module in scope.modules:
        variables.builtin.update(module.variables)
        variables.setters.update(module.setters)
        variables.prefixes.update(module.prefixes)


def _cycle(scope: Scope, root: Level, reader: Reader) -> Cycle:
    conf, options = root[MainConf], scope.options
    ports = scope.shared(Built).ports
    pid = options.full_name(conf.pid if conf.is_set("pid") else options.layout.pid_path)
    settings = MainSettings(
        conf.daemon,
        conf.master_process,
        pid,
        conf.workers or os.cpu_count() or 1,
        conf.worker_rlimit_nofile,
        conf.worker_shutdown_timeout,
        conf.working_directory,
        conf.user_ids,
        conf.environment,
    )
    files = scope.shared(OpenFiles)
    log = scope.shared(Logs).finish(conf, options.error_log)
    scope.shared(Caches).log = log
    prepare_statistics(scope)
    return Cycle(
        settings,
        tuple(port.listen for port in ports.values()),
        ports,
        log,
        files,
        tuple(scope.folders),
        tuple(reader.files.items()),
        root,
        options,
    )
