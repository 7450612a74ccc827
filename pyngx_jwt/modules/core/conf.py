"""Servers, locations and the settings that apply to every request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from ... import NGINX_VERSION
from ...conf.directive import MAIN, UNLIMITED, directive, own
from ...conf.parse import Statement
from ...errors import ConfError
from ...http.contexts import (
    EVERYWHERE,
    HTTP,
    LIMIT_EXCEPT,
    LOCATION,
    LOCATION_IF,
    SERVER,
    SERVER_IF,
)
from ...http.level import Level
from ...http.listen import Listen, parse_listen
from ...http.regex import Regex
from ...http.template import Template
from ...http.uri import escape_uri
from .error_pages import DeclaredErrorPage, parse_error_page
from .locations import split_location
from .server_names import add_server_names, first_name
from .settings import CoreSettings
from .values import parse_size_template

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


class CoreConf(CoreSettings):
    name = own("")
    modifier = own("")
    regex: Regex | None = own(None)
    methods: frozenset[str] = own(frozenset())
    allow_connect = own(False)  # of a server with "tunnel_pass"
    internal_only = False
    name_regexes: Mapping[str, Regex] = own(MappingProxyType({}))
    error_pages: tuple[DeclaredErrorPage, ...] = ()
    type_table: dict[str, str] | None = None
    root_path: Template = Template("html")
    alias_of: Level | None = None
    early_hints_of: tuple[Template, ...] = ()
    log_tags: tuple[tuple[str, Template], ...] = ()
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
        unknown host.  Parameters: default_server, ssl, http2, quic, proxy_protocol, backlog,
        rcvbuf, sndbuf, bind, reuseport, deferred, ipv6only, so_keepalive, fastopen, multipath.
        "http2" is the same as the directive "http2", for the address.  "quic" is for HTTP/3, over
        UDP, and "multipath" accepts MPTCP, on Linux."""
        listens = parse_listen(address, parameters)
        if "http2" in parameters:
            self.scope.warn(
                'the "listen ... http2" directive is deprecated, use the "http2" directive instead'
            )
        known = {listen.key for listen in vars(self).get("listens", ())}
        for listen in listens:
            if listen.key in known:
                raise ConfError(f"a duplicate listen {listen.text}")
        self.listens = (*vars(self).get("listens", ()), *listens)

    @directive(SERVER, default='""')
    def server_name(self, name: str, *names: str) -> None:
        """Sets the names of a virtual server: exact, "*.example.com", "www.example.*" or "~regex".
        The order of precedence is exact names, the longest leading wildcard, the longest trailing
        wildcard, and the first matching regular expression."""
        add_server_names(self, (name, *names))

    @directive(SERVER | LOCATION, opens=LOCATION, syntax="location [ = | ~ | ~* | ^~ ] uri")
    def location(self, modifier: str, uri: str | None = None) -> None:
        """Sets the configuration for requests with a URI that starts with the prefix, equals it
        ("="), or matches a regular expression ("~", and "~*" for any case).  The longest prefix is
        selected first; regular expressions are then tried in their order, unless the prefix is
        marked with "^~".  "@name" defines a named location for internal redirects."""
        self.modifier, self.name = split_location(modifier, uri)
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
        conditions = tuple(Template(value) for value in values)
        self.early_hints_of = (*vars(self).get("early_hints_of", ()), *conditions)

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
        # The URI begins with the slash that a directory may end with.
        self.root_path = Template(path[:-1] if path.endswith("/") and path != "/" else path)

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
            for extension in map(str.lower, entry.args):
                if extension in table:
                    self.scope.warn_at(
                        f'duplicate extension "{extension}", content type: "{entry.name}", '
                        f'previous content type: "{table[extension]}" in {entry.file}:{entry.line}'
                    )
                table[extension] = entry.name
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
        page = parse_error_page(words)
        self.error_pages = (*vars(self).get("error_pages", ()), page)

    @directive(EVERYWHERE)
    def error_log_tag(self, name: str, value: str) -> None:
        """Adds a field to the messages about requests in the error log, after those that all have.
        The value can contain variables, such as $request_id.  Inherited if and only if the level
        has none of its own."""
        self.log_tags = (*vars(self).get("log_tags", ()), (name, Template(value)))

    @directive(EVERYWHERE | LOCATION_IF, default="0")
    def limit_rate(self, rate: str) -> None:
        """Limits the rate of a response, in bytes per second.  The limit is per request, so a
        client with several connections gets a multiple of it.  0 disables the limit."""
        self.once("limit_rate_value")
        self.limit_rate_value = parse_size_template("limit_rate", rate)

    @directive(EVERYWHERE | LOCATION_IF, default="0")
    def limit_rate_after(self, size: str) -> None:
        """Sets the number of bytes that are sent before "limit_rate" applies."""
        self.once("limit_rate_start")
        self.limit_rate_start = parse_size_template("limit_rate_after", size)

    @directive(EVERYWHERE, default="client_body_temp")
    def client_body_temp_path(self, path: str, *levels: str) -> None:
        """Sets the directory for temporary files with request bodies.  Up to three levels of
        subdirectories can be configured."""
        self.once("temp_path")
        self.temp_path = path

    @property
    def server_name_value(self) -> str:
        """The first name, as in $server_name and in the log."""
        return first_name(self.server_names)

    @property
    def signature(self) -> str:
        """The text of the Server header and of error pages."""
        return "nginx" if self.server_tokens == "off" else f"nginx/{NGINX_VERSION}"

    def temp_directory(self) -> str:
        """The directory of client_body_temp_path."""
        if not self.is_set("temp_path"):
            return self.scope.temp_name("client_body_temp")
        return self.scope.full_name(self.temp_path)

    @property
    def escaped_name(self) -> str:
        """The location's name as part of a redirect."""
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
