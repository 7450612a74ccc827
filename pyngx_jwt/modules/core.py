"""Servers, locations and the settings that apply to every request."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from .. import NGINX_VERSION
from ..conf.directive import (
    A_FLAG,
    A_NUMBER,
    A_SIZE,
    MAIN,
    UNLIMITED,
    Conf,
    accepted,
    bitmask,
    buffers,
    directive,
    enum,
    flag,
    number,
    offset,
    own,
    seconds,
    size,
    slot,
    string,
    time,
)
from ..conf.hosts import look_up
from ..conf.parse import Statement
from ..conf.values import parse_msec, parse_number, parse_offset, parse_sec, parse_size
from ..errors import ConfError
from ..http.browser import is_msie6, is_safari
from ..http.contexts import EVERYWHERE, HTTP, LIMIT_EXCEPT, LOCATION, LOCATION_IF, SERVER, SERVER_IF
from ..http.level import Level
from ..http.listen import Listen, parse_listen
from ..http.module import Module
from ..http.names import ascii_lower
from ..http.regex import Regex
from ..http.request import KeepAlive, Location, Request
from ..http.template import Template, Text, bind_size
from ..http.uri import escape_uri
from ..http.variables import once_at_a_time

METHODS = frozenset(
    [
        "GET",
        "HEAD",
        "POST",
        "PUT",
        "DELETE",
        "MKCOL",
        "COPY",
        "MOVE",
        "OPTIONS",
        "PROPFIND",
        "PROPPATCH",
        "LOCK",
        "UNLOCK",
        "PATCH",
    ]
)
DEFAULT_TYPES = {"html": "text/html", "gif": "image/gif", "jpg": "image/jpeg"}
TUNING = "memory is managed by the interpreter"
TABLES = "the tables grow as needed"
NO_WORDS: tuple[str, ...] = ()
MIN_POOL_SIZE = 112  # NGX_MIN_POOL_SIZE, bytes


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """One error_page directive; `overwrite` is -1 to keep the code, 0 for the answer's own."""

    codes: tuple[int, ...]
    overwrite: int
    uri: Template


@dataclass(frozen=True, slots=True)
class BoundErrorPage:
    overwrite: int
    uri: Text
    constant_args: str | None


def _keepalive_timeout(name: str, timeout: str, header: str = "") -> tuple[float, int]:
    try:
        return parse_msec(timeout) / 1000, parse_sec(header) if header else 0
    except ValueError:
        raise ConfError(f'"{name}" directive invalid value') from None


def _server_tokens(name: str, text: str) -> str:
    if text.lower() not in ("on", "off", "build"):
        raise ConfError(f'invalid value "{text}"')
    return text.lower()


def _pool_size(name: str, text: str) -> int:
    try:
        found = parse_size(text)
    except ValueError:
        raise ConfError(f'"{name}" directive invalid value') from None
    if found < MIN_POOL_SIZE:
        raise ConfError(f"the pool size must be no less than {MIN_POOL_SIZE}")
    if found % 16:
        raise ConfError("the pool size must be a multiple of 16")
    return found


def _open_file_cache(name: str, *words: str) -> tuple[str, ...]:
    most = 0
    for word in words:
        key, _, value = word.partition("=")
        try:
            if key == "max":
                most = parse_number(value)
            elif key == "inactive":
                parse_sec(value)
            elif word != "off":
                raise ValueError
        except ValueError:
            raise ConfError(f'invalid "{name}" parameter "{word}"') from None
    if not most and "off" not in words:
        raise ConfError(f'"{name}" must have the "max" parameter')
    return words


def _directio(name: str, text: str) -> int:
    try:
        return 0 if text == "off" else parse_offset(text)
    except ValueError:
        raise ConfError(f'"{name}" directive invalid value') from None


def _aio(name: str, text: str) -> str:
    if text not in ("on", "off") and not text.startswith("threads"):
        raise ConfError(f'"{name}" directive invalid value')
    return text


def _resolver(name: str, *words: str) -> tuple[str, ...]:
    """Addresses, checked as nginx does; raises ConfError."""
    for word in words:
        key, sign, value = word.partition("=")
        if sign and key in ("valid", "ipv4", "ipv6", "status_zone"):
            _check_resolver_option(key, value, word)
        else:
            _check_resolver_address(word)
    return words


def _check_resolver_option(key: str, value: str, word: str) -> None:
    try:
        if key == "valid":
            parse_sec(value)
        elif key in ("ipv4", "ipv6") and value not in ("on", "off"):
            raise ValueError
    except ValueError:
        raise ConfError(f"invalid parameter: {word}") from None


def _check_resolver_address(word: str) -> None:
    host = word[1:].partition("]")[0] if word.startswith("[") else word.partition(":")[0]
    try:
        look_up(host, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        raise ConfError(f'host not found in resolver "{word}"') from None


class CoreConf(Conf):
    absolute_redirect = flag(
        True,
        EVERYWHERE,
        "Makes redirects that the server generates absolute: scheme, host and port are added to"
        ' the path. "server_name_in_redirect" and "port_in_redirect" select host and port.',
    )
    aio = accepted(EVERYWHERE, "files are read by the event loop", like=slot("off", _aio, HTTP, ""))
    aio_write = accepted(EVERYWHERE, "files are written by the event loop", like=A_FLAG)
    auth_delay = time(
        0,
        EVERYWHERE,
        "Delays responses with code 401, to slow down guessing of passwords and tokens. 0 "
        "disables the delay.",
        shown="0s",
    )
    chunked_transfer_encoding = flag(
        True,
        EVERYWHERE,
        "Allows chunked transfer encoding in HTTP/1.1 responses. If off, the end of a response "
        "of unknown length is marked by closing the connection.",
    )
    client_body_buffer_size = size(
        8192,
        EVERYWHERE,
        "Sets the part of a request body that is kept in memory. A larger body is written to a "
        'file in the directory of "client_body_temp_path".',
        shown="8k|16k",
    )
    client_body_in_file_only = enum(
        "off",
        ("off", "on", "clean"),
        EVERYWHERE,
        'Saves every request body to a file. With "on", the file is kept after the request, '
        'with "clean" it is removed.',
    )
    client_body_in_single_buffer = accepted(
        EVERYWHERE, "a body in memory is always one buffer", like=A_FLAG
    )
    client_body_timeout = time(
        60,
        EVERYWHERE,
        "Limits the time between two reads of a request body, not the time for the whole body. "
        "The connection is then closed, with 408 in access_log.",
        shown="60s",
    )
    client_header_buffer_size = size(
        1024,
        HTTP | SERVER,
        "Sets the size of the first buffer for a request head. Heads that do not fit use "
        '"large_client_header_buffers".',
        shown="1k",
    )
    client_header_timeout = time(
        60,
        HTTP | SERVER,
        "Limits the time in which a request head must be received completely. The connection is"
        " then closed, with 408 in access_log if a request had begun.",
        shown="60s",
    )
    client_max_body_size = offset(
        1 << 20,
        EVERYWHERE,
        "Limits the size of a request body; a larger one is answered with 413. 0 disables the "
        "limit. Also applies to chunked bodies, as they are read.",
        shown="1m",
    )
    connection_pool_size = accepted(HTTP | SERVER, TUNING, like=slot(512, _pool_size, HTTP, ""))
    default_type = string(
        "text/plain",
        EVERYWHERE,
        'Sets the MIME type of responses whose file name extension is not listed in "types".',
    )
    directio = accepted(
        EVERYWHERE, "files are read through the page cache", like=slot(0, _directio, HTTP, "")
    )
    directio_alignment = accepted(
        EVERYWHERE, "files are read through the page cache", like=offset(512, HTTP, "", shown="512")
    )
    etag = flag(
        True,
        EVERYWHERE,
        "Adds the ETag header to responses from static files. It is made of the modification "
        "time and the size.",
    )
    http2 = accepted(HTTP | SERVER, "clients are offered HTTP/1.1 only", like=A_FLAG)
    if_modified_since = enum(
        "exact",
        ("off", "exact", "before"),
        EVERYWHERE,
        "Sets how the modification time of a response is compared with the request's "
        'If-Modified-Since: an "exact" match, "before" for not later than that, or "off" to '
        "ignore the header.",
    )
    ignore_invalid_headers = flag(
        True,
        HTTP | SERVER,
        "Drops request headers with invalid names instead of passing them on. Names with "
        'underscores depend on "underscores_in_headers".',
    )
    keepalive_disable = bitmask(
        frozenset({"msie6"}),
        ("none", "msie6", "safari"),
        EVERYWHERE,
        'Disables keep-alive connections for browsers that handle them incorrectly: "msie6" '
        'after a POST request, "safari" on macOS.',
        "msie6",
    )
    keepalive_min_timeout = time(
        0,
        EVERYWHERE,
        "Keeps idle connections open for at least this time when a worker shuts down. 0 closes "
        "them immediately.",
        shown="0",
    )
    keepalive_requests = number(
        1000,
        EVERYWHERE,
        "Limits the number of requests on one connection. Then the connection is closed.",
    )
    keepalive_time = time(
        3600,
        EVERYWHERE,
        "Limits the time during which a connection accepts requests. After that, the connection"
        " is closed with the next response.",
        shown="1h",
    )
    keepalive_timeout = slot(
        (75.0, 0),
        _keepalive_timeout,
        EVERYWHERE,
        "Sets how long an idle connection stays open; 0 disables keep-alive. The second "
        "parameter is sent to the client in a Keep-Alive header.",
        syntax="timeout [header_timeout]",
        shown="75s",
        arity=(1, 2),
    )
    large_client_header_buffers = buffers(
        (4, 8192),
        HTTP | SERVER,
        "Sets number and size of the buffers for large request heads. A request line must fit "
        "into one buffer, or the response is 414; so must a header line, or the response is "
        "400.",
        shown="4 8k",
    )
    lingering_close = enum(
        "on",
        ("off", "on", "always"),
        EVERYWHERE,
        "Sets whether a connection is read for a while before it is closed, so that the client "
        'gets the response even if it is still sending. "on" does so if data may be unread, '
        '"always" in any case, "off" never.',
    )
    lingering_time = time(
        30, EVERYWHERE, 'Limits the total time of lingering, see "lingering_close".', shown="30s"
    )
    lingering_timeout = time(
        5,
        EVERYWHERE,
        'Limits the time between two reads while lingering, see "lingering_close".',
        shown="5s",
    )
    log_not_found = flag(True, EVERYWHERE, "Logs files that are not found to error_log.")
    log_subrequest = flag(False, EVERYWHERE, "Writes subrequests to access_log.")
    max_headers = number(
        1000,
        HTTP | SERVER,
        "Limits the number of headers of a request. A request with more is answered with 400.",
    )
    merge_slashes = flag(
        True,
        HTTP | SERVER,
        "Replaces adjacent slashes in a URI with one, before locations are selected. Turning "
        'this off can bypass protected locations, because many applications treat "//" like '
        '"/".',
    )
    max_ranges = number(
        1 << 31,
        EVERYWHERE,
        "Limits the number of ranges in a request. If there are more, the whole response is "
        "sent. 0 disables ranges.",
        shown="—",
    )
    msie_padding = flag(
        True,
        EVERYWHERE,
        "Pads error pages for old versions of Internet Explorer, which otherwise replace short "
        "ones with their own.",
    )
    msie_refresh = accepted(
        EVERYWHERE, "redirects are always answered with the status", like=A_FLAG
    )
    open_file_cache = accepted(
        EVERYWHERE,
        "files are opened for each request",
        like=slot(NO_WORDS, _open_file_cache, HTTP, "", arity=(1, 2)),
    )
    open_file_cache_errors = accepted(EVERYWHERE, "files are opened for each request", like=A_FLAG)
    open_file_cache_min_uses = accepted(
        EVERYWHERE, "files are opened for each request", like=A_NUMBER
    )
    open_file_cache_valid = accepted(
        EVERYWHERE, "files are opened for each request", like=seconds(60, HTTP, "", shown="60s")
    )
    output_buffers = accepted(
        EVERYWHERE,
        "files are read in pieces of one size",
        like=buffers((2, 32768), HTTP, "", shown="2 32k"),
    )
    port_in_redirect = flag(True, EVERYWHERE, "Adds the server's port to absolute redirects.")
    postpone_output = accepted(EVERYWHERE, "output is sent as soon as there is any", like=A_SIZE)
    read_ahead = accepted(EVERYWHERE, "the kernel reads ahead", like=size(0, HTTP, "", shown="0"))
    recursive_error_pages = flag(
        False,
        EVERYWHERE,
        'Allows "error_page" to apply again to the response of an error page. Otherwise only '
        "the first one applies.",
    )
    request_pool_size = accepted(HTTP | SERVER, TUNING, like=slot(512, _pool_size, HTTP, ""))
    reset_timedout_connection = flag(
        False,
        EVERYWHERE,
        "Resets timed out connections, and those closed with 444, instead of closing them. This"
        " frees their memory immediately.",
    )
    resolver_timeout = accepted(
        EVERYWHERE,
        "the system's resolver has its own",
        like=time(30, HTTP, "", shown="30s"),
    )
    resolver = slot(
        NO_WORDS,
        _resolver,
        EVERYWHERE,
        "Names servers for DNS. Unlike in nginx, these servers are not queried: host names in "
        "variables are resolved by the system's resolver, in a thread. Without the directive, "
        "such names are an error, as in nginx.",
        syntax="address ...",
        shown="—",
        arity=(1, UNLIMITED),
    )
    satisfy = enum(
        "all",
        ("all", "any"),
        EVERYWHERE,
        "Sets whether a request needs the permission of all access modules or of any of them: "
        '"allow" and "deny", "auth_basic", "auth_request" and "auth_jwt". With "any", a '
        "permitted address makes a token unnecessary.",
    )
    send_lowat = accepted(EVERYWHERE, "the kernel decides", like=A_SIZE)
    send_timeout = time(
        60,
        EVERYWHERE,
        "Limits the time between two writes to the client, not the time for the whole response."
        " Then the connection is closed.",
        shown="60s",
    )
    sendfile = accepted(
        EVERYWHERE | LOCATION_IF, "files are read and written", like=flag(False, HTTP, "")
    )
    sendfile_max_chunk = accepted(EVERYWHERE, "files are read and written", like=A_SIZE)
    server_name_in_redirect = flag(
        False,
        EVERYWHERE,
        'Uses the first "server_name" in absolute redirects. Otherwise the Host header of the '
        "request is used.",
    )
    server_names_hash_bucket_size = accepted(HTTP, TABLES, like=A_NUMBER)
    server_names_hash_max_size = accepted(HTTP, TABLES, like=A_NUMBER)
    server_tokens = slot(
        "on",
        _server_tokens,
        EVERYWHERE,
        'Sets whether the version is shown in the Server header and on error pages. "build" '
        "shows the build name as well.",
        syntax="on | off | build",
    )
    subrequest_output_buffer_size = accepted(
        EVERYWHERE,
        "the size depends on the module that makes the subrequest",
        like=size(4096, HTTP, "", shown="4k|8k"),
    )
    tcp_nodelay = accepted(EVERYWHERE, "it is always on", like=flag(True, HTTP, ""))
    tcp_nopush = accepted(
        EVERYWHERE, "headers and body are sent together anyway", like=flag(False, HTTP, "")
    )
    types_hash_bucket_size = accepted(EVERYWHERE, TABLES, like=A_NUMBER)
    types_hash_max_size = accepted(EVERYWHERE, TABLES, like=A_NUMBER)
    underscores_in_headers = flag(
        False,
        HTTP | SERVER,
        "Allows underscores in names of request headers. Otherwise, such a header is invalid, "
        'and dropped if "ignore_invalid_headers" is on. Many applications cannot distinguish '
        '"X_User" from "X-User".',
    )
    variables_hash_bucket_size = accepted(HTTP, TABLES, like=A_NUMBER)
    variables_hash_max_size = accepted(HTTP, TABLES, like=A_NUMBER)

    name = own("")
    modifier = own("")
    regex: Regex | None = own(None)
    methods: frozenset[str] = own(frozenset())
    internal_only = False
    name_regexes: Mapping[str, Regex] = own(MappingProxyType({}))
    error_pages: tuple[ErrorPage, ...] = ()
    type_table: dict[str, str] | None = None
    root_path: Template = Template("html")
    alias_of: Level | None = None
    early_hints_of: tuple[Template, ...] = ()
    limit_rate_value: Template | None = None
    limit_rate_start: Template | None = None
    temp_path = "client_body_temp"
    server_names: tuple[str, ...] = ()
    has_http = False
    listens: tuple[Listen, ...] = ()

    @directive(MAIN, opens=HTTP)
    def http(self) -> None:
        """Contains the configuration of the HTTP server."""
        self.level.outer[CoreConf].once("has_http", "http")
        self.level.outer[CoreConf].has_http = True

    @directive(HTTP, opens=SERVER)
    def server(self) -> None:
        """Contains the configuration of a virtual server."""

    @directive(SERVER, default="*:80 | *:8000")
    def listen(self, address: str, *parameters: str) -> None:
        """Sets the address and port, or the unix socket, that the server accepts connections on.
        The server with "default_server", or the first one of the address, handles requests with an
        unknown host.  Parameters: default_server, ssl, proxy_protocol, backlog, rcvbuf, sndbuf,
        bind, reuseport, deferred, ipv6only, so_keepalive, fastopen.  "http2" is accepted, but
        clients are offered HTTP/1.1 only."""
        found = parse_listen(address, parameters)
        if "http2" in parameters:
            self.scope.warn(
                'the "listen ... http2" directive is deprecated, use the "http2" directive instead'
            )
        known = {listen.text for listen in vars(self).get("listens", ())}
        for listen in found:
            if listen.text in known:
                raise ConfError(f"a duplicate listen {listen.text}")
        self.listens = (*vars(self).get("listens", ()), *found)

    @directive(SERVER, default='""')
    def server_name(self, name: str, *names: str) -> None:
        """Sets the names of a virtual server: exact, "*.example.com", "www.example.*" or "~regex".
        The order of precedence is exact names, the longest leading wildcard, the longest trailing
        wildcard, and the first matching regular expression."""
        for word in (name, *names):
            if word.startswith("~"):
                self._add_name_regex(word)
            elif word.startswith(("*", ".")) and not _WILDCARD.match(word):
                raise ConfError(f'server name "{word}" is invalid')
            if "/" in word:
                self.scope.warn(f'server name "{word}" has suspicious symbols')
            if word.lower() == "$hostname":
                word = socket.gethostname()
            self.server_names = (*vars(self).get("server_names", ()), _lower_name(word))

    def _add_name_regex(self, word: str) -> None:
        if len(word) == 1:
            raise ConfError(f'empty regex in server name "{word}"')
        regex = Regex(word[1:], caseless=word != ascii_lower(word))
        self.name_regexes = {**self.name_regexes, word: regex}
        for captured in regex.names:
            self.level.variables.define_stored(captured)

    @directive(SERVER | LOCATION, opens=LOCATION, syntax="location [ = | ~ | ~* | ^~ ] uri")
    def location(self, modifier: str, uri: str = "") -> None:
        """Sets the configuration for requests with a URI that starts with the prefix, equals it
        ("="), or matches a regular expression ("~", and "~*" for any case).  The longest prefix is
        selected first; regular expressions are then tried in their order, unless the prefix is
        marked with "^~".  "@name" defines a named location for internal redirects."""
        self.modifier, self.name = _split_location(modifier, uri)
        if self.modifier in ("~", "~*"):
            self.regex = Regex(self.name, caseless=self.modifier == "~*")
            for name in self.regex.names:
                self.level.variables.define_stored(name)
        outer = self.level.outer
        if outer.context & LOCATION:
            _check_nesting(self, outer[CoreConf])
        elif self.name.startswith("@") and not outer.context & SERVER:
            raise ConfError(f'named location "{self.name}" can be on the server level only')

    @directive(LOCATION)
    def internal(self) -> None:
        """Restricts a location to internal requests: error pages, "index", "try_files", "rewrite",
        X-Accel-Redirect and subrequests.  Client requests get 404.  Unlike in nginx, nested
        locations inherit it."""
        self.internal_only = True

    @directive(LOCATION, opens=LIMIT_EXCEPT)
    def limit_except(self, method: str, *methods: str) -> None:
        """Contains directives that apply to all methods except the listed ones, usually "allow" and
        "deny", or "auth_jwt".  GET includes HEAD."""
        allowed = set()
        for name in (method, *methods):
            if name.upper() not in METHODS:
                raise ConfError(f'invalid method "{name}"')
            allowed.add(name.upper())
        if "GET" in allowed:
            allowed.add("HEAD")
        self.methods = frozenset(allowed)

    @directive(EVERYWHERE, arity=(1, UNLIMITED))
    def early_hints(self, *values: str) -> None:
        """Passes early hints (103) of an upstream on to the client if at least one of the values is
        neither empty nor "0".  By default they are dropped."""
        told = tuple(Template(value) for value in values)
        self.early_hints_of = (*vars(self).get("early_hints_of", ()), *told)

    @directive(EVERYWHERE | LOCATION_IF, default="html")
    def root(self, path: str) -> None:
        """Sets the directory that files are served from: the path is this value with the whole URI
        appended.  Compare "alias", which replaces the location's prefix."""
        if "root_path" in vars(self):
            kind = "alias" if "alias_of" in vars(self) else "root"
            if kind == "alias":
                raise ConfError(
                    '"root" directive is duplicate, "alias" directive was specified earlier'
                )
            raise ConfError('"root" directive is duplicate')
        if "document_root" in Template(path).names or "realpath_root" in Template(path).names:
            name = next(n for n in Template(path).names if n in ("document_root", "realpath_root"))
            raise ConfError(f'the ${name} variable cannot be used in the "root" directive')
        self.root_path = Template(path)

    @directive(LOCATION)
    def alias(self, path: str) -> None:
        """Replaces the location's prefix with a path to find the file for a request.  In a location
        with a regular expression, the value must contain captures that make up the whole path.
        Compare "root", which appends the whole URI."""
        if "root_path" in vars(self):
            earlier = "alias" if "alias_of" in vars(self) else "root"
            text = "" if earlier == "alias" else ', "root" directive was specified earlier'
            raise ConfError(f'"alias" directive is duplicate{text}')
        if self.name.startswith("@"):
            raise ConfError('the "alias" directive cannot be used inside the named location')
        self.root_path, self.alias_of = Template(path), self.level

    @directive(EVERYWHERE, raw=True, syntax="types")
    def types(self, *, entries: Iterable[Statement]) -> None:
        """Maps file name extensions to MIME types.  Extensions are compared in any case.  Usually
        the file "mime.types" is included here."""
        table = dict(vars(self).get("type_table") or {})
        for entry in entries:
            for extension in entry.args:
                table[extension.lower()] = entry.name
        self.type_table = table

    @directive(EVERYWHERE | LOCATION_IF, syntax="error_page code ... [=[response]] uri")
    def error_page(self, code: str, *codes_and_uri: str) -> None:
        """Sets the URI that is shown for the given codes: an internal redirect, a named location,
        or a redirect to another site if it is a complete URL.  "=code" changes the response code,
        and a bare "=" uses the code of the error page's own response.  Inherited if and only if the
        level has none of its own."""
        words = (code, *codes_and_uri)
        if len(words) < 2:
            raise ConfError('invalid number of arguments in "error_page" directive')
        page = _parse_error_page(words)
        self.error_pages = (*vars(self).get("error_pages", ()), page)

    @directive(EVERYWHERE | LOCATION_IF, default="0")
    def limit_rate(self, rate: str) -> None:
        """Limits the rate of a response, in bytes per second.  The limit is per request, so a
        client with several connections gets a multiple of it.  0 disables the limit."""
        self.once("limit_rate_value")
        self.limit_rate_value = _size_template("limit_rate", rate)

    @directive(EVERYWHERE | LOCATION_IF, default="0")
    def limit_rate_after(self, size: str) -> None:
        """Sets the number of bytes that are sent before "limit_rate" applies."""
        self.once("limit_rate_start")
        self.limit_rate_start = _size_template("limit_rate_after", size)

    @directive(EVERYWHERE, default="client_body_temp")
    def client_body_temp_path(self, path: str, *levels: str) -> None:
        """Sets the directory for temporary files with request bodies.  Up to three levels of
        subdirectories can be configured."""
        self.once("temp_path")
        self.temp_path = path

    @property
    def server_name_value(self) -> str:
        """The first name, as $server_name and the log tell it."""
        return self.server_names[0].removeprefix(".") if self.server_names else ""

    @property
    def signature(self) -> str:
        """What the Server field and error pages say."""
        return "nginx" if self.server_tokens == "off" else f"nginx/{NGINX_VERSION}"

    def temp_folder(self) -> str:
        """The directory of client_body_temp_path."""
        if not self.is_set("temp_path"):
            return self.scope.full_name(self.scope.options.layout.temp("client_body_temp"))
        return self.scope.full_name(self.temp_path)

    @property
    def escaped_name(self) -> str:
        """The location's name as a redirect tells it."""
        return escape_uri(self.name)

    @property
    def is_named(self) -> bool:
        return self.name.startswith("@") and not self.modifier

    def merge(self, outer: CoreConf) -> None:
        """ "types" come with "default_type"; a root and the alias flag go together.  A block
        inside a location is called like it."""
        if self.level.context & (SERVER_IF | LOCATION_IF | LIMIT_EXCEPT):
            self.name, self.modifier, self.regex = outer.name, outer.modifier, outer.regex
        if "root_path" in vars(self) and "alias_of" not in vars(self):
            self.alias_of = None
        super().merge(outer)

    @property
    def alias_length(self) -> int:
        """Bytes of the URI that an alias replaces; -1 for a regular expression; 0: no alias."""
        if self.alias_of is None:
            return 0
        declared = self.alias_of[CoreConf]
        return -1 if declared.regex else len(declared.name)


_WILDCARD = re.compile(r"\*\..|\..", re.S)


def _lower_name(name: str) -> str:
    return name if name.startswith("~") else ascii_lower(name)


@lru_cache(maxsize=8)
def _disables(browsers: frozenset[str]) -> Callable[[Request], bool] | None:
    if "safari" not in browsers and "msie6" not in browsers:
        return None

    def disabled(r: Request) -> bool:
        agent = r.index.get("user-agent")
        if not agent:
            return False
        if "msie6" in browsers and r.original_method == "POST" and is_msie6(agent):
            return True
        return "safari" in browsers and is_safari(agent)

    return disabled


_GLUED = re.compile(r"(=|\^~|~\*|~)(.+)", re.S)


def _split_location(modifier: str, uri: str) -> tuple[str, str]:
    if uri:
        if modifier not in ("=", "^~", "~", "~*"):
            raise ConfError(f'invalid location modifier "{modifier}"')
        return modifier, uri
    glued = _GLUED.match(modifier)
    return (glued[1], glued[2]) if glued else ("", modifier)


def _check_nesting(inner: CoreConf, outer: CoreConf) -> None:
    name, around = inner.name, outer.name
    if outer.modifier == "=":
        raise ConfError(f'location "{name}" cannot be inside the exact location "{around}"')
    if outer.is_named:
        raise ConfError(f'location "{name}" cannot be inside the named location "{around}"')
    if inner.is_named:
        raise ConfError(f'named location "{name}" can be on the server level only')
    if not inner.regex and not name.startswith(around):
        raise ConfError(f'location "{name}" is outside location "{around}"')


def _parse_error_page(words: tuple[str, ...]) -> ErrorPage:
    *codes, uri = words
    overwrite = -1
    if codes[-1].startswith("="):
        text = codes.pop()[1:]
        if not codes:
            raise ConfError(f'invalid value "={text}"')
        try:
            overwrite = parse_number(text) if text else 0
        except ValueError:
            raise ConfError(f'invalid value "={text}"') from None
    return ErrorPage(tuple(_error_code(code) for code in codes), overwrite, Template(uri))


def _error_code(text: str) -> int:
    try:
        code = parse_number(text)
    except ValueError:
        raise ConfError(f'invalid value "{text}"') from None
    if code == 499:
        raise ConfError(f'invalid value "{text}"')
    if not 300 <= code <= 599:
        raise ConfError(f'value "{text}" must be between 300 and 599')
    return 494 if code == 494 else code


core = Module("core", CoreConf)


@core.after_merge
def check_level(conf: CoreConf, level: Level) -> None:
    """Large buffers hold at least what a connection's pool does; the folder of request bodies
    is made at start if it is missing."""
    if conf.large_client_header_buffers[1] < conf.connection_pool_size:
        raise ConfError(
            'the "large_client_header_buffers" size must be equal to or greater than '
            '"connection_pool_size"'
        )
    level.scope.folders[conf.temp_folder()] = None


def bind_error_pages(level: Level) -> dict[int, BoundErrorPage]:
    """The error pages of a level by code; of several for a code the first counts."""
    bound: dict[int, BoundErrorPage] = {}
    for page in level[CoreConf].error_pages:
        constant = page.uri.is_constant
        uri, args = page.uri, None
        if constant and page.uri.text.startswith("/"):
            path, _, rest = page.uri.text.partition("?")
            uri, args = Template(path), rest
        text = uri.bind(level.variables)
        for code in page.codes:
            own = page.overwrite < 0 and 494 <= code <= 497  # the client is told another one
            overwrite = 400 if own else page.overwrite
            bound.setdefault(code, BoundErrorPage(overwrite, text, args))
    return bound


def bind_content_type(level: Level) -> Callable[[str], str]:
    """A function from a URI to its MIME type, by the extension in any case."""
    conf = level[CoreConf]
    table = DEFAULT_TYPES if conf.type_table is None else conf.type_table
    default = conf.default_type

    def content_type_of(uri: str) -> str:
        dot = uri.rfind(".")
        if dot <= 0 or uri[dot - 1] == "/" or uri.find("/", dot) >= 0:
            return default
        extension = uri[dot + 1 :]
        return table.get(extension) or table.get(extension.lower()) or default

    return content_type_of


def bind_root(level: Level) -> Callable[[Request], str]:
    """A function from a request to its root or alias."""
    conf = level[CoreConf]
    full = conf.scope.full_name
    if conf.root_path.is_constant:
        root = full(conf.root_path.text)
        return lambda r: root
    text = once_at_a_time("document_root", conf.root_path.bind(level.variables))
    return lambda r: full(text(r) or "")


def bind_path(level: Level, root_of: Callable[[Request], str]) -> Callable[[Request], str]:
    """A function from a request to the file its URI names, by root or alias."""
    conf = level[CoreConf]
    length = conf.alias_length
    constant = conf.root_path.is_constant
    root = conf.scope.full_name(conf.root_path.text) if constant else ""

    def by_root(r: Request) -> str:
        return (root if constant else root_of(r)) + r.uri

    def by_alias(r: Request) -> str:
        if length < 0:
            return root_of(r) + r.uri if r.add_uri_to_alias else root_of(r)
        return root_of(r) + r.uri[length:]

    return by_alias if length else by_root


def compile_core(level: Level, location: Location) -> None:
    """Fills in what the core module gives to a location."""
    conf = level[CoreConf]
    location.name, location.core = conf.name, conf
    location.internal = (conf.internal_only and bool(level.context & LOCATION)) or conf.is_named
    location.limit_rate = bind_size(conf.limit_rate_value, level.variables)
    location.limit_rate_after = bind_size(conf.limit_rate_start, level.variables)
    location.signature = conf.signature
    allowed = conf.keepalive_requests if conf.keepalive_timeout[0] > 0 else 0
    browsers = conf.keepalive_disable
    disabled, any_method = _disables(browsers), "safari" in browsers
    location.keepalive = KeepAlive(allowed, conf.keepalive_time, disabled, any_method)
    location.exact = conf.modifier == "="
    location.no_regex = conf.modifier == "^~"
    location.content_type_of = bind_content_type(level)
    location.root_of = bind_root(level)
    location.path_of = bind_path(level, location.root_of)
    location.error_pages = dict(bind_error_pages(level))


def _size_template(directive: str, text: str) -> Template:
    template = Template(text)
    if template.is_constant:
        try:
            parse_size(text)
        except ValueError:
            raise ConfError(f'"{directive}" directive invalid value') from None
    return template
