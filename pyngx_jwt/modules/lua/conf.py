"""The directives of openresty/lua-nginx-module."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from ...conf.context import Contexts
from ...conf.directive import (
    A_FLAG,
    A_NUMBER,
    A_SIZE,
    Conf,
    Declaration,
    Directive,
    accepted,
    bitmask,
    directive,
    flag,
    number,
    own,
    string,
    time,
)
from ...conf.parse import Statement
from ...conf.values import parse_msec, parse_number, parse_size
from ...errors import ConfError
from ...http.contexts import EVERYWHERE, HTTP, LOCATION, LOCATION_IF, SERVER, SERVER_IF, UPSTREAM
from ...http.ports import Greeting
from ...http.request import Request
from ...http.template import Template, Text
from ...http.tls import VERSIONS
from ...http.variables import Variables
from ...tls.context import Context
from ...zones import Zone, Zones
from ..rewrite import RewriteConf
from ..ssl import SslConf
from ..upstream import Method, UpstreamConf
from .balancing import BalancerCode, ByCode, RunBalancer
from .chunk import BoundChunk, Chunk, external, inline
from .library import check_installed

HERE = EVERYWHERE | LOCATION_IF
SETTING = SERVER | SERVER_IF | LOCATION | LOCATION_IF
SMALLEST_DICTIONARY = 8191  # bytes

RunHandshake = Callable[["LuaConf", BoundChunk, str, Greeting], Awaitable[bool] | bool]
RunSet = Callable[[Request, BoundChunk, list[str]], str]


@dataclass(slots=True)
class LuaSettings:
    """What all levels share: it is of the Lua state and not of a location."""

    used: bool = False
    package_path: str | None = None
    package_cpath: str | None = None
    dictionaries: dict[str, Zone] = field(default_factory=dict)
    init: Chunk | None = None
    init_worker: Chunk | None = None
    exit_worker: Chunk | None = None
    regex_cache: int = 1024
    regex_match_limit: int = 0
    running_timers: int = 256
    pending_timers: int = 1024
    timeout: float = 0.0  # seconds that code may run without a wait; 0 is any
    isolated: bool = False


def in_block(attribute: str, contexts: Contexts, doc: str) -> Any:
    """ "x_by_lua_block { code }"."""

    def set_code(conf: LuaConf, *, entries: Iterable[Statement]) -> None:
        conf.keep(attribute, inline(conf.scope, f"{attribute}_by_lua", _inside(conf, entries)))

    return _declared(set_code, contexts, "{name} { code }", doc, raw=True)


def in_text(attribute: str, contexts: Contexts, doc: str) -> Any:
    """ "x_by_lua 'code'"."""

    def set_code(conf: LuaConf, code: str) -> None:
        conf.keep(attribute, inline(conf.scope, f"{attribute}_by_lua", code))

    return _declared(set_code, contexts, "{name} code;", doc)


def in_file(attribute: str, contexts: Contexts, doc: str) -> Any:
    """ "x_by_lua_file path"."""

    def set_code(conf: LuaConf, file: str) -> None:
        conf.keep(attribute, external(conf.scope, f"{attribute}_by_lua_file", file))

    return _declared(set_code, contexts, "{name} file;", doc)


def _declared(
    act: Callable[..., None], contexts: Contexts, syntax: str, doc: str, *, raw: bool = False
) -> Any:
    count = 0 if raw else 1

    def declare(name: str, attribute: str) -> Directive:
        shape = syntax.replace("{name}", name)
        return Directive(name, contexts, act, count, count, shape, "—", doc, raw=raw)

    return Declaration(None, declare)


def _inside(conf: Conf, entries: Iterable[Statement]) -> str:
    """The code of the block that is being read; its end is read, too."""
    statement = conf.scope.statement
    for _ in entries:
        raise ConfError("a block of Lua has no directives")
    assert statement is not None and statement.lua is not None
    return statement.lua


INIT = "Runs Lua when the server starts or is reloaded, in the master, before the workers start."
INIT_WORKER = "Runs Lua in each worker when it starts."
EXIT_WORKER = "Runs Lua in each worker when it ends."
SERVER_REWRITE = "Runs Lua before the location of a request is searched."
REWRITE = (
    "Runs Lua at the end of the rewrite phase, after directives such as `rewrite`.  Access checks"
    " come later."
)
ACCESS = (
    "Runs Lua at the end of the access phase, after checks such as `auth_jwt`.  The request goes"
    " on unless the code ends it with `ngx.exit(status)` or sends a response.  An error in the"
    " code is a 500.  It does not run for subrequests."
)
PRECONTENT = "Runs Lua after the access phase, before the content handler of the location."
CONTENT = "Runs Lua that makes the response."
HEADER_FILTER = "Runs Lua that changes the headers of the response.  It cannot wait."
BODY_FILTER = (
    "Runs Lua for each part of the response: `ngx.arg[1]` is the part, and `ngx.arg[2]` whether it"
    " is the last one.  It cannot wait."
)
BALANCER = (
    "Runs Lua that chooses the server of a request, with the module `ngx.balancer`, and again for"
    " each further attempt.  It cannot wait.  Without a choice, the servers of the group have their"
    " turns."
)
CLIENT_HELLO = (
    "Runs Lua when a client has said hello in TLS, before the server is chosen that it names; the"
    " code of the default server runs.  `ngx.exit(ngx.ERROR)`, or an error, ends the handshake."
    "  `ngx.ssl.clienthello` reads the hello.  The code can wait."
)
CERTIFICATE = (
    "Runs Lua when the server is to show its certificate, which `ngx.ssl` can replace.  It does"
    " not run when a client resumes a session.  `ngx.exit(ngx.ERROR)`, or an error, ends the"
    " handshake.  The code can wait.  The server needs an `ssl_certificate` all the same."
)
LOG = "Runs Lua at the end of the request.  It cannot wait."


def balancer_block() -> Any:
    def set_code(conf: LuaConf, *, entries: Iterable[Statement]) -> None:
        conf.balance(inline(conf.scope, "balancer_by_lua", _inside(conf, entries)))

    return _declared(set_code, UPSTREAM, "{name} { code }", BALANCER, raw=True)


def balancer_file() -> Any:
    def set_code(conf: LuaConf, file: str) -> None:
        conf.balance(external(conf.scope, "balancer_by_lua_file", file))

    return _declared(set_code, UPSTREAM, "{name} file;", BALANCER)


def in_handshake(attribute: str, phase: str, doc: str) -> tuple[Any, Any]:
    """Blocks and files of code that TLS runs."""
    tag = f"{attribute}_by_lua"

    def set_block(conf: LuaConf, *, entries: Iterable[Statement]) -> None:
        conf.take_part(phase, inline(conf.scope, tag, _inside(conf, entries)))

    def set_file(conf: LuaConf, file: str) -> None:
        conf.take_part(phase, external(conf.scope, f"{tag}_file", file))

    return (
        _declared(set_block, HTTP | SERVER, "{name} { code }", doc, raw=True),
        _declared(set_file, HTTP | SERVER, "{name} file;", doc),
    )


class LuaConf(Conf):
    """Handlers, and settings of what they do."""

    init_by_lua_block = in_block("init", HTTP, INIT)
    init_by_lua = in_text("init", HTTP, INIT)
    init_by_lua_file = in_file("init", HTTP, INIT)
    init_worker_by_lua_block = in_block("init_worker", HTTP, INIT_WORKER)
    init_worker_by_lua = in_text("init_worker", HTTP, INIT_WORKER)
    init_worker_by_lua_file = in_file("init_worker", HTTP, INIT_WORKER)
    exit_worker_by_lua_block = in_block("exit_worker", HTTP, EXIT_WORKER)
    exit_worker_by_lua_file = in_file("exit_worker", HTTP, EXIT_WORKER)

    ssl_client_hello_by_lua_block, ssl_client_hello_by_lua_file = in_handshake(
        "ssl_client_hello", "ssl_client_hello", CLIENT_HELLO
    )
    ssl_certificate_by_lua_block, ssl_certificate_by_lua_file = in_handshake(
        "ssl_certificate", "ssl_cert", CERTIFICATE
    )
    balancer_by_lua_block = balancer_block()
    balancer_by_lua_file = balancer_file()

    server_rewrite: Chunk | None = None
    rewrite: Chunk | None = None
    access: Chunk | None = None
    precontent: Chunk | None = None
    content: Chunk | None = own(None)
    header_filter: Chunk | None = None
    body_filter: Chunk | None = None
    log: Chunk | None = None

    server_rewrite_by_lua_block = in_block("server_rewrite", HTTP | SERVER, SERVER_REWRITE)
    server_rewrite_by_lua_file = in_file("server_rewrite", HTTP | SERVER, SERVER_REWRITE)
    rewrite_by_lua_block = in_block("rewrite", HERE, REWRITE)
    rewrite_by_lua = in_text("rewrite", HERE, REWRITE)
    rewrite_by_lua_file = in_file("rewrite", HERE, REWRITE)
    access_by_lua_block = in_block("access", HERE, ACCESS)
    access_by_lua = in_text("access", HERE, ACCESS)
    access_by_lua_file = in_file("access", HERE, ACCESS)
    precontent_by_lua_block = in_block("precontent", HERE, PRECONTENT)
    precontent_by_lua_file = in_file("precontent", HERE, PRECONTENT)
    content_by_lua_block = in_block("content", LOCATION | LOCATION_IF, CONTENT)
    content_by_lua = in_text("content", LOCATION | LOCATION_IF, CONTENT)
    content_by_lua_file = in_file("content", LOCATION | LOCATION_IF, CONTENT)
    header_filter_by_lua_block = in_block("header_filter", HERE, HEADER_FILTER)
    header_filter_by_lua = in_text("header_filter", HERE, HEADER_FILTER)
    header_filter_by_lua_file = in_file("header_filter", HERE, HEADER_FILTER)
    body_filter_by_lua_block = in_block("body_filter", HERE, BODY_FILTER)
    body_filter_by_lua = in_text("body_filter", HERE, BODY_FILTER)
    body_filter_by_lua_file = in_file("body_filter", HERE, BODY_FILTER)
    log_by_lua_block = in_block("log", HERE, LOG)
    log_by_lua = in_text("log", HERE, LOG)
    log_by_lua_file = in_file("log", HERE, LOG)

    rewrite_by_lua_no_postpone = flag(
        False,
        HTTP,
        'Runs "rewrite_by_lua" before the other directives of the rewrite phase, not after them.',
    )
    access_by_lua_no_postpone = flag(
        False,
        HTTP,
        'Runs "access_by_lua" before the other checks of the access phase, not after them.',
    )
    precontent_by_lua_no_postpone = flag(
        False,
        HTTP,
        'Runs "precontent_by_lua" before "try_files" and others of its phase, not after them.',
    )
    lua_code_cache = flag(
        True,
        HERE,
        "Keeps code and its state from request to request.  If off, each request has a new Lua"
        " state and reads files again, which is slow and meant for development.",
    )
    lua_need_request_body = flag(
        False, HERE, "Reads the request body before the code of a request runs."
    )
    lua_http10_buffering = flag(
        True,
        HERE,
        "Sends the response of a handler to an HTTP/1.0 client as a whole, with its length.",
    )
    lua_check_client_abort = flag(
        False,
        HERE,
        "Ends the code of a request when the client closes the connection.  If off, the code runs"
        " to its end.",
    )
    lua_use_default_type = flag(
        True, HERE, 'Sends the type that "types" and "default_type" say, unless the code sets one.'
    )
    lua_transform_underscores_in_response_headers = flag(
        True, HERE, 'Replaces "_" by "-" in names of headers that the code sets.'
    )
    lua_socket_log_errors = flag(True, HERE, "Logs errors of sockets.")
    lua_socket_connect_timeout = time(
        60, HERE, "Limits the time to open a connection of a socket.", shown="60s"
    )
    lua_socket_send_timeout = time(
        60, HERE, "Limits the time that sending to a socket waits.", shown="60s"
    )
    lua_socket_read_timeout = time(
        60, HERE, "Limits the time that reading from a socket waits.", shown="60s"
    )
    lua_socket_keepalive_timeout = time(
        60, HERE, "Limits the time that an idle connection is kept for the next use.", shown="60s"
    )
    lua_socket_buffer_size = accepted(
        HERE, "sockets are read as the system has the data", like=A_SIZE
    )
    lua_socket_pool_size = number(
        30, HERE, "Limits the idle connections to each server that a worker keeps."
    )
    lua_ssl_protocols = bitmask(
        frozenset({"TLSv1.2", "TLSv1.3"}),
        VERSIONS,
        EVERYWHERE,
        "Enables TLS versions for sockets.",
        "TLSv1.2 TLSv1.3",
    )
    lua_ssl_ciphers = string("DEFAULT", EVERYWHERE, "Sets the ciphers of sockets.")
    lua_ssl_verify_depth = number(
        1, EVERYWHERE, "Limits the length of the certificate chains that sockets accept."
    )
    lua_ssl_trusted_certificate = string(
        "",
        EVERYWHERE,
        "Sets a PEM file with the CA certificates that sockets verify servers with.",
        syntax="file",
    )
    lua_ssl_crl = string(
        "", EVERYWHERE, "Sets a PEM file with certificate revocation lists.", syntax="file"
    )
    lua_ssl_certificate = string(
        "", EVERYWHERE, "Sets the client certificate of sockets.", syntax="file"
    )
    lua_ssl_certificate_key = string(
        "", EVERYWHERE, 'Sets the key of "lua_ssl_certificate".', syntax="file"
    )
    lua_socket_send_lowat = accepted(HERE, "the event loop decides when to write", like=A_SIZE)
    lua_load_resty_core = accepted(HTTP, "it is always there", like=A_FLAG)
    lua_thread_cache_max_entries = accepted(HTTP, "coroutines are cheap to make", like=A_NUMBER)
    lua_malloc_trim = accepted(HTTP, "the memory allocator decides", like=A_NUMBER)
    lua_sa_restart = accepted(HTTP, "system calls are restarted always", like=A_FLAG)
    lua_worker_thread_vm_pool_size = accepted(
        HTTP, "there are no worker threads for Lua", like=A_NUMBER
    )

    @property
    def contexts(self) -> dict[bool, Context]:
        """Those of TLS that have been made for sockets, by whether they verify servers."""
        known: dict[bool, Context] = self.__dict__.setdefault("_contexts", {})
        return known

    @property
    def settings(self) -> LuaSettings:
        return self.scope.shared(LuaSettings)

    def keep(self, attribute: str, chunk: Chunk) -> None:
        """Takes on the code of a directive; raises ConfError if there is some already."""
        statement = self.scope.statement
        assert statement is not None
        check_installed(statement.name)
        settings = self.settings
        settings.used = True
        if hasattr(settings, attribute):
            if getattr(settings, attribute) is not None:
                raise ConfError(f'"{statement.name}" directive is duplicate')
            setattr(settings, attribute, chunk)
            return
        self.once(attribute, statement.name)
        setattr(self, attribute, chunk)

    def take_part(self, phase: str, chunk: Chunk) -> None:
        """Has code run in the handshakes of a server."""
        assert self.scope.statement is not None
        check_installed(self.scope.statement.name)
        self.once(phase, self.scope.statement.name)
        self.settings.used = True
        self.__dict__[phase] = chunk
        bound, run = BoundChunk(chunk, None), self.scope.shared(Runners).take_part

        def code(greeting: Greeting) -> Awaitable[bool] | bool:
            return run(self, bound, phase, greeting)

        ssl = self.level[SslConf]
        if phase == "ssl_cert":
            ssl.certify = code
        else:
            ssl.greet = code

    def balance(self, chunk: Chunk) -> None:
        """Has code choose the servers of a group."""
        assert self.scope.statement is not None
        check_installed(self.scope.statement.name)
        self.once("balancer", self.scope.statement.name)
        self.settings.used = True
        self.balancer = chunk
        code = BalancerCode(chunk, self.scope.shared(Runners).balance)
        self.level[UpstreamConf].set_method(Method(ByCode, key=code))

    balancer: Chunk | None = own(None)

    @directive(HTTP)
    def lua_package_path(self, path: str) -> None:
        """Sets where "require" finds modules of Lua; ";;" stands for the default path."""
        self._once("package_path", "lua_package_path", path)

    @directive(HTTP)
    def lua_package_cpath(self, path: str) -> None:
        """Sets where "require" finds modules in C; ";;" stands for the default path."""
        self._once("package_cpath", "lua_package_cpath", path)

    def _once(self, attribute: str, name: str, value: str) -> None:
        if getattr(self.settings, attribute) is not None:
            raise ConfError(f'"{name}" directive is duplicate')
        setattr(self.settings, attribute, value)

    @directive(HTTP)
    def lua_shared_dict(self, name: str, size: str) -> None:
        """Declares a dictionary that all workers share, for "ngx.shared"."""
        check_installed("lua_shared_dict")
        try:
            length = parse_size(size)
        except ValueError:
            length = 0
        if not name:
            raise ConfError(f'invalid lua shared dict name "{name}"')
        if length <= SMALLEST_DICTIONARY:
            raise ConfError(f'invalid lua shared dict size "{size}"')
        settings = self.settings
        if name in settings.dictionaries:
            raise ConfError(f'lua_shared_dict "{name}" is already defined as "{name}"')
        settings.used = True
        settings.dictionaries[name] = self.scope.shared(Zones).add(name, length, "lua")

    @directive(HTTP)
    def lua_max_running_timers(self, number: str) -> None:
        """Limits the timers that run at once in a worker (256)."""
        self.settings.running_timers = _number("lua_max_running_timers", number)

    @directive(HTTP)
    def lua_max_pending_timers(self, number: str) -> None:
        """Limits the timers of a worker that wait to run (1024)."""
        self.settings.pending_timers = _number("lua_max_pending_timers", number)

    @directive(HTTP)
    def lua_regex_cache_max_entries(self, number: str) -> None:
        """Limits the expressions that a worker keeps compiled for the option "o" (1024)."""
        self.settings.regex_cache = _number("lua_regex_cache_max_entries", number)

    @directive(HTTP)
    def lua_regex_match_limit(self, number: str) -> None:
        """Sets PCRE's limit of steps for an expression; 0 is its default."""
        self.settings.regex_match_limit = _number("lua_regex_match_limit", number)

    @directive(HTTP)
    def pyngx_lua_timeout(self, time: str) -> None:
        """Limits the processor time that code of a request uses between two waits.  More is an
        error of the code; code that goes on ends the worker, which is replaced.  The code is then
        interpreted and not compiled, which is slower.  Not in nginx, where an endless loop blocks
        the worker."""
        try:
            self.settings.timeout = parse_msec(time) / 1000
        except ValueError:
            raise ConfError('"pyngx_lua_timeout" directive invalid value') from None

    @directive(HTTP, syntax="pyngx_lua_isolate on | off")
    def pyngx_lua_isolate(self, value: str) -> None:
        """Gives each request its own table for the global variables that it writes.  If off, they
        are seen by other requests, as in nginx.  Not in nginx."""
        if value.lower() not in ("on", "off"):
            raise ConfError(
                f'invalid value "{value}" in "pyngx_lua_isolate" directive, it must be "on" or'
                ' "off"'
            )
        self.settings.isolated = value.lower() == "on"

    # -- variables -------------------------------------------------------------------------

    @directive(SETTING, raw=True, syntax="set_by_lua_block $variable { code }")
    def set_by_lua_block(self, variable: str, *, entries: Iterable[Statement]) -> None:
        """Sets a variable to what the code returns.  It runs in the order of the configuration
        with "set" and "rewrite", and cannot wait."""
        self._set(variable, inline(self.scope, "set_by_lua", _inside(self, entries)), ())

    @directive(SETTING, syntax="set_by_lua $variable code [argument ...]")
    def set_by_lua(self, variable: str, code: str, *arguments: str) -> None:
        """Sets a variable to what the code returns; its arguments are in "ngx.arg".  It cannot
        wait."""
        self._set(variable, inline(self.scope, "set_by_lua", code), arguments)

    @directive(SETTING, syntax="set_by_lua_file $variable file [argument ...]")
    def set_by_lua_file(self, variable: str, file: str, *arguments: str) -> None:
        """Sets a variable to what the code in a file returns.  It cannot wait."""
        self._set(variable, external(self.scope, "set_by_lua_file", file), arguments)

    def _set(self, variable: str, chunk: Chunk, arguments: tuple[str, ...]) -> None:
        check_installed("set_by_lua")
        self.settings.used = True
        templates = [Template(argument) for argument in arguments]
        runners = self.scope.shared(Runners)

        def bind(variables: Variables) -> Text:
            bound, texts = chunk.bind(variables), [t.bind(variables) for t in templates]
            return lambda r: runners.set(r, bound, [text(r) for text in texts])

        self.level[RewriteConf].assign(variable, bind)


class Runners:
    """What runs code for other modules: functions of this one's handlers.  Tools that must not run
    any put others in their place."""

    set: RunSet
    balance: RunBalancer
    take_part: RunHandshake


def _number(name: str, text: str) -> int:
    try:
        return parse_number(text)
    except ValueError:
        raise ConfError(f'"{name}" directive invalid number') from None
