"""Passes connections and datagrams on to upstream servers.

The directives for TLS with the upstream are the same as in `http`.
"""

from __future__ import annotations

from ...conf.directive import UNLIMITED, directive, flag, number, size, slot, time
from ...conf.values import parse_size
from ...errors import ConfError
from ...gateway.conf import PassTarget, TlsConf
from ...gateway.groups import Upstreams
from ...http.template import Template
from ...stream.contexts import IN_STREAM, STREAM_SERVER
from ...upstream.address import parse_upstream
from ..core.stream import takes_over

ANY_NUMBER = -1
VERSIONS = {"off": 0, "on": 1, "v2": 2}  # of the PROXY protocol
# What there is no request for, and what is declared anew.
NOT_HERE = frozenset(
    {"allow_upstream", "buffer_size", "next_upstream", "read_timeout"}
    | {"request_dynamic", "send_timeout"}
)


def _rate(name: str, text: str) -> Template:
    template = Template(text)
    if template.is_constant:
        try:
            parse_size(text)
        except ValueError:
            raise ConfError(f'"{name}" directive invalid value') from None
    return template


def _version(name: str, text: str) -> int:
    if text.lower() not in VERSIONS:
        complaint = f'invalid value "{text}" in "{name}" directive'
        raise ConfError(f'{complaint}, it must be "on" or "off"')
    return VERSIONS[text.lower()]


NO_RATE: Template | None = None


class StreamProxyConf(TlsConf, prefix="proxy", contexts=IN_STREAM, without=NOT_HERE):
    proxy_buffer_size = size(
        16384,
        IN_STREAM,
        "Limits the data that is read from a client or an upstream before it is passed on.",
        shown="16k",
    )
    proxy_download_rate = slot(
        NO_RATE,
        _rate,
        IN_STREAM,
        "Limits the rate of reading from the upstream, in bytes per second, for each connection. "
        "0 disables the limit.",
        syntax="rate",
        shown="0",
    )
    proxy_half_close = flag(
        False,
        IN_STREAM,
        "Passes on that one side has ended its direction of a TCP connection, and goes on with the "
        "other direction. If off, the session ends.",
    )
    proxy_next_upstream = flag(
        True,
        IN_STREAM,
        "Tries the next server if a connection to the upstream cannot be established.",
    )
    proxy_protocol = slot(
        0,
        _version,
        IN_STREAM,
        'Sends the PROXY protocol header to the upstream: of version 1, or of version 2 with "v2".',
        syntax="on | off | v2",
        shown="off",
    )
    proxy_requests = number(
        0,
        IN_STREAM,
        "Sets the number of datagrams of a client after which further ones begin a new session. "
        "With 0, all of them belong to one, until its timeout.",
        shown="0",
    )
    proxy_responses: int = number(
        ANY_NUMBER,
        IN_STREAM,
        "Sets the number of datagrams that the upstream sends for one of the client. When they "
        "have come, the session ends. With 0, none is expected. By default, the session ends by "
        "its timeout.",
        shown="—",
    )
    proxy_session_drop = flag(
        False,
        IN_STREAM,
        "Ends the sessions with a server that was removed from its group, or is down or unhealthy, "
        'as soon as the client or the server sends more. The group must have a "zone".',
    )
    proxy_ssl = flag(False, IN_STREAM, "Uses TLS for connections to the upstream.")
    proxy_timeout = time(
        600,
        IN_STREAM,
        "Limits the time in which nothing goes either way, of the client or the upstream.",
        shown="10m",
    )
    proxy_upload_rate = slot(
        NO_RATE,
        _rate,
        IN_STREAM,
        "Limits the rate of reading from the client, in bytes per second, for each connection. "
        "0 disables the limit.",
        syntax="rate",
        shown="0",
    )

    alpn: tuple[Template, ...] = ()

    @directive(STREAM_SERVER)
    def proxy_pass(self, address: str) -> None:
        """Sets the server that connections are passed to: an address with a port, a unix socket, or
        the name of an "upstream" block.  The value can contain variables.  A host name is resolved
        when the configuration is loaded, and one in variables by "resolver"."""
        self.once("_target", "proxy_pass")
        text, url = Template(address), None
        if text.is_constant:
            url = parse_upstream(address, resolve=False)
            if url.uri:
                raise ConfError(f'invalid host in upstream "{address}"')
        self._target = PassTarget(text, url, "", self.scope.statement, "")
        if url is not None:
            self.level.shared(Upstreams).expect(url, self.scope.statement)
        takes_over(self)

    @directive(IN_STREAM, arity=(1, UNLIMITED))
    def proxy_ssl_alpn(self, *protocols: str) -> None:
        """Sets the protocols that are offered to the upstream by ALPN, the preferred one first.
        Values can contain variables, and empty ones are left out."""
        self.once("alpn", "proxy_ssl_alpn")
        self.alpn = tuple(Template(protocol) for protocol in protocols)

    @directive(IN_STREAM)
    def proxy_downstream_buffer(self, size: str) -> None:
        """An old name of "proxy_buffer_size"."""
        self._set_buffer("proxy_downstream_buffer", size)

    @directive(IN_STREAM)
    def proxy_upstream_buffer(self, size: str) -> None:
        """An old name of "proxy_buffer_size"."""
        self._set_buffer("proxy_upstream_buffer", size)

    def _set_buffer(self, name: str, text: str) -> None:
        self.once("proxy_buffer_size", name)
        try:
            self.proxy_buffer_size = parse_size(text)
        except ValueError:
            raise ConfError(f'"{name}" directive invalid value') from None
        self.scope.warn(
            f'the "{name}" directive is deprecated, use the "proxy_buffer_size" directive instead'
        )

    @property
    def target(self) -> PassTarget | None:
        """A server has one target, and hands it on to nothing."""
        return self._target
