"""The directives of openresty/lua-nginx-module."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from ...conf.directive import (
    A_FLAG,
    A_NUMBER,
    A_SIZE,
    Conf,
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
from ...http.variables import Variables, variable_name
from ...stream.contexts import IN_STREAM, STREAM, STREAM_SERVER, STREAM_UPSTREAM
from ...tls.context import Context
from ...zones import Zone, Zones
from ..core.stream import takes_over
from ..rewrite import RewriteConf
from ..ssl import SslConf
from ..upstream import Method, UpstreamConf
from .balancing import BalancerCode, ByCode, RunBalancer
from .chunk import BoundChunk, Chunk, external, inline
from .forms import in_block, in_file, in_text, inside
from .library import check_installed
from .phases import (
    ACCESS,
    BALANCER,
    BODY_FILTER,
    CERTIFICATE,
    CLIENT_HELLO,
    CONTENT,
    EXIT_WORKER,
    HEADER_FILTER,
    INIT,
    INIT_WORKER,
    LOG,
    PRECONTENT,
    PREREAD,
    REWRITE,
    SERVER_REWRITE,
)

HERE = EVERYWHERE | LOCATION_IF
ANYWHERE = HERE | IN_STREAM
LEVELS = EVERYWHERE | IN_STREAM
OUTERMOST = HTTP | STREAM
HANDSHAKES = HTTP | SERVER
GROUPS = UPSTREAM | STREAM_UPSTREAM
SERVES = LOCATION | LOCATION_IF | STREAM_SERVER
SETTING = SERVER | SERVER_IF | LOCATION | LOCATION_IF
SMALLEST_DICTIONARY = 8191  # bytes

RunHandshake = Callable[["LuaConf", BoundChunk, str, Greeting], Awaitable[bool] | bool]
RunSet = Callable[[Request, BoundChunk, list[str]], str]


class LuaSettings:
    """What all levels of "http", or of "stream", share: it is of the Lua state and not of a
    location."""

    __slots__ = (
        "dictionaries",
        "exit_worker",
        "init",
        "init_worker",
        "isolated",
        "package_cpath",
        "package_path",
        "pending_timers",
        "regex_cache",
        "regex_match_limit",
        "running_timers",
        "timeout",
        "used",
    )

    def __init__(self) -> None:
        self.used = False
        self.package_path: str | None = None
        self.package_cpath: str | None = None
        self.dictionaries: dict[str, Zone] = {}
        self.init: Chunk | None = None
        self.init_worker: Chunk | None = None
        self.exit_worker: Chunk | None = None
        self.regex_cache = 1024
        self.regex_match_limit = 0
        self.running_timers = 256
        self.pending_timers = 1024
        self.timeout = 0.0  # seconds that code may run without a wait; 0 is any
        self.isolated = False


def _greet(conf: LuaConf, chunk: Chunk) -> None:
    conf.take_part("ssl_client_hello", chunk)


def _certify(conf: LuaConf, chunk: Chunk) -> None:
    conf.take_part("ssl_cert", chunk)


def _balance(conf: LuaConf, chunk: Chunk) -> None:
    conf.balance(chunk)


class LuaConf(Conf):
    """Handlers, and settings of what they do."""

    init_by_lua_block = in_block("init", OUTERMOST, INIT)
    init_by_lua = in_text("init", OUTERMOST, INIT)
    init_by_lua_file = in_file("init", OUTERMOST, INIT)
    init_worker_by_lua_block = in_block("init_worker", OUTERMOST, INIT_WORKER)
    init_worker_by_lua = in_text("init_worker", OUTERMOST, INIT_WORKER)
    init_worker_by_lua_file = in_file("init_worker", OUTERMOST, INIT_WORKER)
    exit_worker_by_lua_block = in_block("exit_worker", HTTP, EXIT_WORKER)
    exit_worker_by_lua_file = in_file("exit_worker", HTTP, EXIT_WORKER)

    preread: Chunk | None = None
    preread_by_lua_block = in_block("preread", IN_STREAM, PREREAD)
    preread_by_lua_file = in_file("preread", IN_STREAM, PREREAD)
    preread_by_lua_no_postpone = flag(
        False,
        STREAM,
        'Runs "preread_by_lua" before "ssl_preread" and others of its phase, not after them.  They'
        " are then left out, unless the code ends with `ngx.exit(ngx.DECLINED)`.",
    )

    ssl_client_hello_by_lua_block = in_block("ssl_client_hello", HANDSHAKES, CLIENT_HELLO, _greet)
    ssl_client_hello_by_lua_file = in_file("ssl_client_hello", HANDSHAKES, CLIENT_HELLO, _greet)
    ssl_certificate_by_lua_block = in_block("ssl_certificate", HANDSHAKES, CERTIFICATE, _certify)
    ssl_certificate_by_lua_file = in_file("ssl_certificate", HANDSHAKES, CERTIFICATE, _certify)
    balancer_by_lua_block = in_block("balancer", GROUPS, BALANCER, _balance)
    balancer_by_lua_file = in_file("balancer", GROUPS, BALANCER, _balance)

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
    content_by_lua_block = in_block("content", SERVES, CONTENT)
    content_by_lua = in_text("content", SERVES, CONTENT)
    content_by_lua_file = in_file("content", SERVES, CONTENT)
    header_filter_by_lua_block = in_block("header_filter", HERE, HEADER_FILTER)
    header_filter_by_lua = in_text("header_filter", HERE, HEADER_FILTER)
    header_filter_by_lua_file = in_file("header_filter", HERE, HEADER_FILTER)
    body_filter_by_lua_block = in_block("body_filter", HERE, BODY_FILTER)
    body_filter_by_lua = in_text("body_filter", HERE, BODY_FILTER)
    body_filter_by_lua_file = in_file("body_filter", HERE, BODY_FILTER)
    log_by_lua_block = in_block("log", ANYWHERE, LOG)
    log_by_lua = in_text("log", HERE, LOG)
    log_by_lua_file = in_file("log", ANYWHERE, LOG)

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
        ANYWHERE,
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
    lua_socket_log_errors = flag(True, ANYWHERE, "Logs errors of sockets.")
    lua_socket_connect_timeout = time(
        60, ANYWHERE, "Limits the time to open a connection of a socket.", shown="60s"
    )
    lua_socket_send_timeout = time(
        60, ANYWHERE, "Limits the time that sending to a socket waits.", shown="60s"
    )
    lua_socket_read_timeout = time(
        60, ANYWHERE, "Limits the time that reading from a socket waits.", shown="60s"
    )
    lua_socket_keepalive_timeout = time(
        60,
        ANYWHERE,
        "Limits the time that an idle connection is kept for the next use.",
        shown="60s",
    )
    lua_socket_buffer_size = accepted(
        ANYWHERE, "sockets are read as the system has the data", like=A_SIZE
    )
    lua_socket_pool_size = number(
        30, ANYWHERE, "Limits the idle connections to each server that a worker keeps."
    )
    lua_ssl_protocols = bitmask(
        frozenset({"TLSv1.2", "TLSv1.3"}),
        VERSIONS,
        LEVELS,
        "Enables TLS versions for sockets.",
        "TLSv1.2 TLSv1.3",
    )
    lua_ssl_ciphers = string("DEFAULT", LEVELS, "Sets the ciphers of sockets.")
    lua_ssl_verify_depth = number(
        1, LEVELS, "Limits the length of the certificate chains that sockets accept."
    )
    lua_ssl_trusted_certificate = string(
        "",
        LEVELS,
        "Sets a PEM file with the CA certificates that sockets verify servers with.",
        syntax="file",
    )
    lua_ssl_crl = string(
        "", LEVELS, "Sets a PEM file with certificate revocation lists.", syntax="file"
    )
    lua_ssl_certificate = string(
        "", LEVELS, "Sets the client certificate of sockets.", syntax="file"
    )
    lua_ssl_certificate_key = string(
        "", LEVELS, 'Sets the key of "lua_ssl_certificate".', syntax="file"
    )
    lua_socket_send_lowat = accepted(ANYWHERE, "the event loop decides when to write", like=A_SIZE)
    lua_load_resty_core = accepted(OUTERMOST, "it is always there", like=A_FLAG)
    lua_thread_cache_max_entries = accepted(HTTP, "coroutines are cheap to make", like=A_NUMBER)
    lua_malloc_trim = accepted(OUTERMOST, "the memory allocator decides", like=A_NUMBER)
    lua_sa_restart = accepted(OUTERMOST, "system calls are restarted always", like=A_FLAG)
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
        settings: LuaSettings = self.level.shared(LuaSettings)
        return settings

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
        if attribute == "content" and self.is_of_stream:
            takes_over(self)

    @property
    def is_of_stream(self) -> bool:
        return bool(self.level.context & (IN_STREAM | STREAM_UPSTREAM))

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

    @directive(OUTERMOST)
    def lua_package_path(self, path: str) -> None:
        """Sets where "require" finds modules of Lua; ";;" stands for the default path."""
        self._once("package_path", "lua_package_path", path)

    @directive(OUTERMOST)
    def lua_package_cpath(self, path: str) -> None:
        """Sets where "require" finds modules in C; ";;" stands for the default path."""
        self._once("package_cpath", "lua_package_cpath", path)

    def _once(self, attribute: str, name: str, value: str) -> None:
        if getattr(self.settings, attribute) is not None:
            raise ConfError(f'"{name}" directive is duplicate')
        setattr(self.settings, attribute, value)

    @directive(OUTERMOST)
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
        use = "stream_lua" if self.is_of_stream else "lua"
        settings.dictionaries[name] = self.scope.shared(Zones).add(name, length, use)

    @directive(STREAM)
    def lua_add_variable(self, variable: str) -> None:
        """Declares a variable that code can set; until then it has no value.  If there is such a
        variable, nothing happens."""
        name, variables = variable_name(variable), self.level.variables
        if not variables.has_name(name):
            variables.define(name, lambda s: s.variables.get(name.lower()))

    @directive(OUTERMOST)
    def lua_max_running_timers(self, number: str) -> None:
        """Limits the timers that run at once in a worker (256)."""
        self.settings.running_timers = _number("lua_max_running_timers", number)

    @directive(OUTERMOST)
    def lua_max_pending_timers(self, number: str) -> None:
        """Limits the timers of a worker that wait to run (1024)."""
        self.settings.pending_timers = _number("lua_max_pending_timers", number)

    @directive(OUTERMOST)
    def lua_regex_cache_max_entries(self, number: str) -> None:
        """Limits the expressions that a worker keeps compiled for the option "o" (1024)."""
        self.settings.regex_cache = _number("lua_regex_cache_max_entries", number)

    @directive(OUTERMOST)
    def lua_regex_match_limit(self, number: str) -> None:
        """Sets PCRE's limit of steps for an expression; 0 is its default."""
        self.settings.regex_match_limit = _number("lua_regex_match_limit", number)

    @directive(OUTERMOST)
    def pyngx_lua_timeout(self, time: str) -> None:
        """Limits the processor time that code of a request uses between two waits.  More is an
        error of the code; code that goes on ends the worker, which is replaced: after twice the
        time, or after three times and a second if a function in C, such as string.match, does not
        return (by signal 26, SIGVTALRM).  The code is then interpreted and not compiled, which is
        slower.  Not in nginx, where an endless loop blocks the worker."""
        try:
            self.settings.timeout = parse_msec(time) / 1000
        except ValueError:
            raise ConfError('"pyngx_lua_timeout" directive invalid value') from None

    @directive(OUTERMOST, syntax="pyngx_lua_isolate on | off")
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
        self._set(variable, inline(self.scope, "set_by_lua", inside(self, entries)), ())

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
