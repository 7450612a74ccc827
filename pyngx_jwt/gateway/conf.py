"""Directives that several upstream protocols share, each under its own prefix.

A class with a table ``shared`` declares directives without a prefix: their values are attributes of
the same name.  A protocol's conf extends such classes and says its prefix:

    class ScgiConf(BufferedConf, prefix="scgi"): ...

has scgi_buffering, kept as ``conf.buffering``.  What a protocol lacks has the default value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar, NamedTuple

from ..cache import HashedPath
from ..conf.context import Contexts
from ..conf.directive import (
    A_SIZE,
    UNLIMITED,
    Conf,
    Declaration,
    accepted,
    bitmask,
    buffers,
    directive,
    flag,
    number,
    offset,
    own,
    size,
    slot,
    string,
    time,
)
from ..conf.parse import Statement
from ..conf.values import parse_size
from ..errors import ConfError
from ..http.contexts import EVERYWHERE, IN_LOCATION, LOCATION, LOCATION_IF
from ..http.level import Level
from ..http.template import Template, template, without_variables
from ..http.tls import VERSIONS, certificate_cache, read_passwords
from ..tls.pairs import PairCache
from ..upstream.address import Url, parse_local, parse_upstream
from .groups import Upstreams
from .scheme import BARE, Scheme, split_scheme

NEXT = (
    "error",
    "timeout",
    "denied",
    "invalid_header",
    "non_idempotent",
    "http_500",
    "http_502",
    "http_503",
    "http_504",
    "http_403",
    "http_404",
    "http_429",
    "off",
)
NEXT_UPSTREAM = (
    "Sets the errors and response codes after which a request is passed to the next server. A "
    'request that was sent with POST, LOCK or PATCH is repeated only with "non_idempotent". No '
    "other server is tried once part of the response has been sent to the client."
)
IGNORABLE = (
    "X-Accel-Redirect",
    "X-Accel-Expires",
    "X-Accel-Limit-Rate",
    "X-Accel-Buffering",
    "X-Accel-Charset",
    "Expires",
    "Cache-Control",
    "Set-Cookie",
    "Vary",
)
TEMP_PATH = HashedPath("", (1, 2))  # its levels where none are given
PAGE = 4096  # bytes: nginx takes the memory page of x86
SOCKETS = "the kernel's sizes are used"
NO_TEXTS: frozenset[str] = frozenset()


class PassTarget(NamedTuple):
    """Where a location passes its requests: `url` is None where variables decide per request."""

    text: Template
    url: Url | None
    scheme: str  # "" for protocols without
    statement: Statement | None
    location: str  # the part of the URI that the target's URI replaces


class Store(NamedTuple):
    """Where responses are stored; without a path where files of the same URI would be."""

    path: Template | None


class SentHeader(NamedTuple):
    """What takes the place of a field of the client: that field in lower case, the name by which
    it is set, and its value."""

    low: str
    name: str
    value: Template


def _temp_path(name: str, path: str, *levels: str) -> HashedPath:
    if any(not level.isdigit() or int(level) == 0 for level in levels):
        raise ConfError(f'"{name}" directive invalid value')
    return HashedPath(path, tuple(map(int, levels)))


_CLASSES = {"user": 6, "group": 3, "all": 0}  # where the bits of their rights are in a mode
_RIGHTS = {"r": 4, "rw": 6}


def _access(words: Iterable[str]) -> int:
    """The mode of "user:rw group:r"; the owner may read and write if nothing else is said."""
    words = tuple(words)
    mode = 0 if any(word.startswith("user:") for word in words) else 0o600
    for word in words:
        name, _, right = word.partition(":")
        if name not in _CLASSES or right not in _RIGHTS:
            raise ConfError(f'invalid value "{word}"')
        mode |= _RIGHTS[right] << _CLASSES[name]
    return mode


def _rate(name: str, text: str) -> Template | None:
    template = Template(text)
    if template.is_constant:
        try:
            parse_size(text)
        except ValueError:
            raise ConfError(f'"{name}" directive invalid value') from None
    return template if text != "0" else None


class BindTo(NamedTuple):
    """Where connections come from; `transparent` if the machine need not have that address."""

    address: Template
    transparent: bool


def _bind(name: str, text: str, *options: str) -> BindTo | None:
    """An address, or text with variables; raises ConfError in nginx's words."""
    if text == "off" and not options:
        return None
    address = Template(text)
    if address.is_constant and parse_local(text) is None:
        raise ConfError(f'invalid address "{text}"')
    for option in options:
        if option != "transparent":
            raise ConfError(f'invalid parameter "{option}"')
    return BindTo(address, bool(options))


class GatewayConf(Conf):
    """What every protocol has."""

    prefix: ClassVar[str] = ""
    schemes: ClassVar[Mapping[str, Scheme]] = BARE  # of targets
    shared: ClassVar[dict[str, Declaration]] = {}

    bind = slot(
        None,
        _bind,
        EVERYWHERE,
        "Sets the local address of connections to the upstream. The value can contain "
        'variables; "off" cancels an inherited value. With "transparent", it can be an address '
        "that the machine does not have, such as $remote_addr; workers keep the capability "
        "CAP_NET_RAW for that, and the replies must be routed to the machine.",
        syntax="address [transparent] | off",
        shown="—",
        arity=(1, 2),
    )
    buffer_size = size(
        PAGE,
        EVERYWHERE,
        "Limits the size of the response head. A larger one is an error, answered with 502. "
        "Unlike in nginx, the header of a cache file need not fit.",
        shown="4k|8k",
    )
    bind_dynamic = flag(
        False,
        EVERYWHERE,
        'Determines the address of "PREFIX_bind" again for each server that is tried. By default '
        "it is determined once per request.",
    )

    @directive(EVERYWHERE, arity=(1, UNLIMITED))
    def allow_upstream(self, *strings: str) -> None:
        """Connects to a server only if all of the values are neither empty nor "0".  They are
        evaluated for each server that is tried; $upstream_last_addr is its address.  For a server
        that is refused, the response is 502, unless "PREFIX_next_upstream" has "denied" and
        another server is permitted."""
        self.allowed = (*vars(self).get("allowed", ()), *map(Template, strings))

    request_dynamic = flag(
        False,
        EVERYWHERE,
        "Creates the request again for each server that is tried, so that its headers can depend on"
        " the server: $upstream_last_server_name is its name.",
    )
    connect_timeout = time(
        60,
        EVERYWHERE,
        "Limits the time to connect to the upstream, including the TLS handshake.",
        shown="60s",
    )
    next_upstream = bitmask(
        frozenset({"error", "timeout"}), NEXT, EVERYWHERE, NEXT_UPSTREAM, "error timeout"
    )
    next_upstream_timeout = time(
        0,
        EVERYWHERE,
        "Limits the time during which a request can be passed to the next server. 0 disables "
        "the limit.",
        shown="0",
    )
    next_upstream_tries = number(
        0,
        EVERYWHERE,
        "Limits the number of servers that are tried, including the first one. 0 disables the "
        "limit.",
        shown="0",
    )
    read_timeout = time(
        60,
        EVERYWHERE,
        "Limits the time between two reads from the upstream, not the time for the whole "
        "response. The response is 504 if nothing was sent to the client yet.",
        shown="60s",
    )
    send_timeout = time(
        60,
        EVERYWHERE,
        "Limits the time between two writes to the upstream, not the time for the whole request.",
        shown="60s",
    )
    socket_keepalive = flag(
        False,
        EVERYWHERE,
        "Enables TCP keep-alive probes (SO_KEEPALIVE) for connections to the upstream.",
    )
    socket_rcvbuf = accepted(EVERYWHERE, SOCKETS, like=A_SIZE)
    socket_sndbuf = accepted(EVERYWHERE, SOCKETS, like=A_SIZE)

    allowed: tuple[Template, ...] = ()

    # Of protocols that do not declare them.
    buffering: bool = True
    buffers: tuple[int, int] = (8, PAGE)
    busy_buffers_size: int = 2 * PAGE
    force_ranges: bool = False
    ignore_client_abort: bool = False
    ignore_headers: frozenset[str] = NO_TEXTS
    intercept_errors: bool = False
    intercepts_404: bool = False  # even without an error_page
    limit_rate: Template | None = None
    max_temp_file_size: int = 1 << 30
    pass_request_body: bool = True
    pass_request_headers: bool = True
    pass_trailers: bool = False
    request_buffering: bool = True
    temp_file_write_size: int = 2 * PAGE
    temp_path: HashedPath = TEMP_PATH
    hidden: tuple[str, ...] = ()
    passed: tuple[str, ...] = ()

    adds_slash: bool = True  # "/x" is redirected to a location "/x/" that passes requests on
    next_names: ClassVar[Mapping[str, str]] = {}  # of failures, where they are not usual
    set_by: ClassVar[str] = ""  # the directive, without its prefix, that sets what is sent

    _target: PassTarget | None = own(None)  # of a block that passes its requests on

    @classmethod
    def declare(cls, name: str, declaration: Declaration) -> None:
        """Keeps what is shared for the confs of the protocols."""
        if "shared" in vars(cls):
            cls.shared[name] = declaration
        else:
            super().declare(name, declaration)

    def __init_subclass__(
        cls,
        prefix: str = "",
        without: frozenset[str] = NO_TEXTS,
        contexts: Contexts | None = None,
    ) -> None:
        """Declares what its bases share, but for what is named, under the prefix; `contexts` are
        those of a server that is not HTTP's."""
        super().__init_subclass__()
        if not prefix:
            return
        cls.prefix = prefix
        for base in reversed(cls.__mro__):
            for name, declaration in vars(base).get("shared", {}).items():
                if name not in without:
                    full = f"{prefix}_{name}"
                    declared = declaration.declare(full, name)
                    here = contexts or declared.contexts
                    cls.directives[full] = declared._replace(contexts=here)

    @property
    def target(self) -> PassTarget | None:
        """Where this block passes its requests by this protocol, None if it does not."""
        return self._target if _passing(self.level) is type(self) else None

    def pass_to(self, target: PassTarget) -> None:
        """Of several directives of a block that pass requests on the last one counts."""
        self._target = target
        self.level.passes = type(self)
        if target.url is not None:
            self.level.shared(Upstreams).expect(target.url, target.statement)

    @property
    def next_kinds(self) -> frozenset[str]:
        """The failures after which the next server is tried."""
        words = self.next_upstream
        return NO_TEXTS if "off" in words else frozenset(self.next_names.get(x, x) for x in words)

    @property
    def fields(self) -> Iterable[SentHeader]:
        """What is sent in the place of fields of the client."""
        return ()

    @property
    def sent(self) -> Iterable[Template | None]:
        """The texts that decide what an upstream is sent, beyond the client's own fields."""
        return ()

    def merge(self, outer: GatewayConf) -> None:
        """The target itself is taken over by "if" and "limit_except" blocks only."""
        super().merge(outer)
        if self._target is None and self.level.context & IN_LOCATION:
            self._target = outer._target

    @property
    def is_inherited_whole(self) -> bool:
        return self._target is None

    @property
    def temp_directory(self) -> str:
        """The directory of temporary files, its full name."""
        if not self.is_set("temp_path"):
            return self.scope.temp_name(f"{self.prefix}_temp")
        return self.scope.full_name(self.temp_path.name)

    @property
    def temp_files(self) -> HashedPath:
        """Where temporary files are, below that directory."""
        return HashedPath(self.temp_directory, self.temp_path.levels)


class HiddenHeadersConf(GatewayConf):
    """Of protocols whose responses have headers."""

    shared: ClassVar[dict[str, Declaration]] = {}

    ignore_headers = bitmask(
        NO_TEXTS,
        IGNORABLE,
        EVERYWHERE,
        "Disables the processing of the listed response headers, for example caching headers or"
        " X-Accel-Redirect. Ignoring Set-Cookie or Cache-Control can put private responses into"
        " the cache.",
        "—",
    )
    intercept_errors = flag(
        False,
        EVERYWHERE,
        'Passes responses with code 300 and above to "error_page". Codes without an error page '
        "are sent to the client unchanged.",
    )

    @directive(EVERYWHERE)
    def hide_header(self, field: str) -> None:
        """Does not pass a response header of the upstream to the client, in addition to those that
        are hidden by default.  "PREFIX_pass_header" does the opposite."""
        self.hidden = (*vars(self).get("hidden", ()), field.lower())

    @directive(EVERYWHERE)
    def pass_header(self, field: str) -> None:
        """Passes a response header to the client that is hidden by default, such as Date, Server
        and X-Accel-Redirect."""
        self.passed = (*vars(self).get("passed", ()), field.lower())


class BufferedConf(HiddenHeadersConf):
    """Of protocols that buffer: HTTP/1 and those of application servers."""

    shared: ClassVar[dict[str, Declaration]] = {}

    buffering = flag(
        True,
        EVERYWHERE,
        "Reads the response into buffers while the client receives it, so that a slow client "
        "does not delay the upstream. If off, each piece is passed on as it arrives, and the "
        "response is not cached. The response header X-Accel-Buffering has precedence.",
    )
    buffers = buffers(
        (8, PAGE),
        EVERYWHERE,
        "Sets number and size of the buffers that are used to read a response ahead of the "
        "client. What exceeds them is written to a temporary file.",
        shown="8 4k|8k",
    )
    busy_buffers_size = size(
        2 * PAGE,
        EVERYWHERE,
        "Limits the part of the buffers that can be waiting for the client in nginx. Here the "
        "value is only checked against the other sizes and has no effect: data is sent as soon as "
        "it is read, and data that the client does not accept is limited by all buffers together.",
        shown="8k|16k",
    )
    force_ranges = flag(
        False,
        EVERYWHERE,
        "Enables byte ranges for responses of the upstream even if it does not announce them in"
        " Accept-Ranges.",
    )
    ignore_client_abort = flag(
        False,
        EVERYWHERE,
        "Lets the request to the upstream finish if the client closes the connection. By "
        "default it is cancelled.",
    )
    limit_rate = slot(
        None,
        _rate,
        EVERYWHERE,
        "Limits the rate of reading from the upstream, in bytes per second, for each request. "
        'Requires "PREFIX_buffering on". 0 disables the limit.',
        syntax="rate",
        shown="0",
    )
    max_temp_file_size = offset(
        1 << 30,
        EVERYWHERE,
        "Limits the temporary file of a response that the client takes more slowly than the "
        "upstream sends it. When it is full, the upstream has to wait. 0 disables temporary "
        "files. Responses that are cached or stored are not limited.",
        shown="1024m",
    )
    pass_request_body = flag(True, EVERYWHERE, "Passes the request body to the upstream.")
    pass_request_headers = flag(
        True,
        EVERYWHERE,
        "Passes the client's request headers to the upstream. Headers that the configuration "
        "sets are sent in any case.",
    )
    request_buffering = flag(
        True,
        EVERYWHERE,
        "Reads the whole request body before a server is contacted. If off, the body is passed "
        "on as it arrives, and the request cannot be passed to another server once sending has "
        "started.",
    )
    temp_file_write_size = size(
        2 * PAGE,
        EVERYWHERE,
        "Sets the size of a write to a temporary file.",
        shown="8k|16k",
    )
    temp_path = slot(
        TEMP_PATH,
        _temp_path,
        EVERYWHERE,
        "Sets the directory for temporary files: of responses that the client takes more slowly "
        "than the upstream sends them, of responses that are stored, and of cache entries that are "
        'being written, unless the cache has "use_temp_path=off". It should be on the same file '
        "system as the cache: otherwise entries are copied instead of renamed.",
        syntax="path [level1 [level2 [level3]]]",
        shown="PREFIX_temp",
        arity=(1, 4),
    )

    store_to: Store | None = None
    store_for: int = 0o600  # the mode of files that are stored

    @directive(EVERYWHERE, default="off", syntax="{name} on | off | string")
    def store(self, value: str) -> None:
        """Saves responses with code 200 to files: with "on" to where "root" or "alias" would look
        for them, with a string to that path, which can contain variables.  Files appear when they
        are complete and have the time of the Last-Modified header; they are neither updated nor
        removed.  Cannot be combined with "PREFIX_cache"; requires "PREFIX_buffering on"."""
        if "store_to" in vars(self):
            raise ConfError(f'"{self.prefix}_store" directive is duplicate')
        if value == "off":
            self.store_to = None
            return
        if not value:
            raise ConfError("empty path")
        if vars(self).get("zone") is not None:
            raise ConfError(
                f'"{self.prefix}_store" directive is incompatible with "{self.prefix}_cache"'
            )
        self.store_to = Store(None if value == "on" else Template(value))

    @directive(EVERYWHERE, default="user:rw", syntax="{name} users:permissions ...", arity=(1, 3))
    def store_access(self, *permissions: str) -> None:
        """Sets the permissions of files and directories that "PREFIX_store" creates: "user",
        "group" or "all", with "r" or "rw"."""
        if "store_for" in vars(self):
            raise ConfError(f'"{self.prefix}_store_access" directive is duplicate')
        self.store_for = _access(permissions)


class TlsConf(GatewayConf):
    """Of protocols that can be spoken over TLS."""

    shared: ClassVar[dict[str, Declaration]] = {}

    ssl_certificate = template(
        None,
        EVERYWHERE,
        "Sets the client certificate for upstreams that require one: a PEM file, or the "
        'certificate itself after "data:". Variables can name it; if their value is empty, no '
        "certificate is used.",
    )
    ssl_certificate_key = template(
        None,
        EVERYWHERE,
        'Sets the key of the client certificate: a PEM file, the key itself after "data:", or a '
        'key of an OpenSSL store ("store:uri") or engine ("engine:name:id"). Can contain '
        "variables.",
    )
    ssl_ciphers = string(
        "DEFAULT",
        EVERYWHERE,
        "Sets the ciphers for connections to the upstream, in OpenSSL's format.",
    )
    ssl_crl = string(
        "",
        EVERYWHERE,
        "Sets a PEM file with certificate revocation lists that the upstream's certificate is "
        'checked against. Requires "PREFIX_ssl_verify on".',
        syntax="file",
    )
    ssl_key_log = string(
        "",
        EVERYWHERE,
        "Writes the keys of connections to the upstream to a file, as Wireshark reads them"
        " (SSLKEYLOGFILE), for debugging. Who can read the file can decrypt the connections; it is"
        " made for its owner alone. Of NGINX Plus.",
        syntax="path",
    )
    ssl_name = template(
        None,
        EVERYWHERE,
        "Sets the host name that the upstream's certificate is verified against and that is "
        'sent with SNI. The port is removed. By default, it is the host of "PREFIX_pass".',
    )
    ssl_protocols = bitmask(
        frozenset({"TLSv1.2", "TLSv1.3"}),
        VERSIONS,
        EVERYWHERE,
        "Enables TLS versions for connections to the upstream.",
        "TLSv1.2 TLSv1.3",
    )
    ssl_server_name = flag(
        False,
        EVERYWHERE,
        "Sends the name of the server in the TLS handshake (SNI). It is off by default, as in "
        "nginx; servers with several certificates usually need it.",
    )
    ssl_session_reuse = flag(
        True,
        EVERYWHERE,
        "Resumes TLS sessions, which makes handshakes cheaper. Each worker has its own sessions.",
    )
    ssl_trusted_certificate = string(
        "",
        EVERYWHERE,
        "Sets a PEM file with the CA certificates that the upstream's certificate is verified "
        'with. Required for "PREFIX_ssl_verify on".',
        syntax="file",
    )
    ssl_verify = flag(
        False,
        EVERYWHERE,
        "Verifies the upstream's certificate: chain and host name. It is off by default, as in "
        "nginx: without it, a token can be sent to any server that responds in the upstream's "
        "place.",
    )
    ssl_verify_depth = number(
        1, EVERYWHERE, "Limits the length of the upstream's certificate chain."
    )

    certificate_cache: PairCache | None = None
    conf_commands: tuple[tuple[str, str], ...] = ()
    passwords: tuple[bytes, ...] | None = None

    @directive(
        EVERYWHERE,
        default="off",
        syntax="{name} off | max=N [inactive=time] [valid=time]",
        arity=(1, 3),
    )
    def ssl_certificate_cache(self, word: str, *words: str) -> None:
        """Keeps certificates and keys that variables name: how many, for how long after their last
        use ("inactive", 10 seconds by default), and for how long without looking whether the file
        has changed ("valid", 60 seconds).  Keys with a password are not kept."""
        self.once("certificate_cache", f"{self.prefix}_ssl_certificate_cache")
        name = f"{self.prefix}_ssl_certificate_cache"
        self.certificate_cache = certificate_cache(name, (word, *words))

    @directive(EVERYWHERE, syntax="{name} name value")
    def ssl_conf_command(self, name: str, value: str) -> None:
        """Runs a configuration command of OpenSSL (SSL_CONF_cmd) for connections to the upstream.
        Can be repeated."""
        self.conf_commands = (*vars(self).get("conf_commands", ()), (name, value))

    @directive(EVERYWHERE, syntax="{name} file")
    def ssl_password_file(self, file: str) -> None:
        """Sets a file with passphrases for the key of the client certificate, one per line; all
        are tried.  Unlike in nginx, a variable is an error."""
        name = f"{self.prefix}_ssl_password_file"
        self.once("passwords", name)
        self.passwords = read_passwords(self.scope.conf_name(without_variables(name, file)))


class AddressConf(GatewayConf):
    """Of protocols whose targets are addresses and nothing else."""

    shared: ClassVar[dict[str, Declaration]] = {}
    takes_variables: ClassVar[bool] = True

    @directive(LOCATION | LOCATION_IF)
    def pass_(self, address: str) -> None:
        """Sets the server that requests are passed to: an address with a port, a unix socket, or
        the name of an "upstream" block."""
        self.pass_to_address(address)

    def pass_to_address(self, address: str) -> None:
        self.once("_target", f"{self.prefix}_pass")
        text, scheme, url = Template(address), "", None
        if text.is_constant or not self.takes_variables:
            scheme, name = split_scheme(address, self.schemes)
            url = parse_upstream(name, resolve=False)
        self.pass_to(PassTarget(text, url, scheme, self.scope.statement, ""))

    @property
    def adds_slash(self) -> bool:  # type: ignore[override]
        """Not where variables name the address, as in nginx."""
        return self.target is not None and self.target.url is not None


def _passing(level: Level) -> type[GatewayConf] | None:
    """By which protocol a block passes its requests on; "if" and "limit_except" do as the block
    around them, where they have none of their own."""
    while level.passes is None and level.context & IN_LOCATION and level.outer:
        level = level.outer
    return level.passes


def gateway_of(level: Level) -> GatewayConf | None:
    """The conf of the protocol by which this very block passes its requests on."""
    kind = _passing(level)
    return None if kind is None else level[kind]


def check_buffers(conf: GatewayConf) -> None:
    """What nginx says of buffers that do not fit together (ngx_http_proxy_merge_loc_conf)."""
    count, length = conf.buffers
    prefix = conf.prefix
    if count < 2:
        raise ConfError(f'there must be at least 2 "{prefix}_buffers"')
    most = max(conf.buffer_size, length)
    of = f'the maximum of the value of "{prefix}_buffer_size" and one of the "{prefix}_buffers"'
    busy = conf.busy_buffers_size if conf.is_set("busy_buffers_size") else 2 * most
    if busy < most:
        raise ConfError(f'"{prefix}_busy_buffers_size" must be equal to or greater than {of}')
    if busy > (count - 1) * length:
        raise ConfError(
            f'"{prefix}_busy_buffers_size" must be less than the size of all "{prefix}_buffers" '
            "minus one buffer"
        )
    if conf.is_set("temp_file_write_size") and conf.temp_file_write_size < most:
        raise ConfError(f'"{prefix}_temp_file_write_size" must be equal to or greater than {of}')
    if 0 < conf.max_temp_file_size < most:
        raise ConfError(
            f'"{prefix}_max_temp_file_size" must be equal to zero to disable temporary files usage '
            f"or must be equal to or greater than {of}"
        )
