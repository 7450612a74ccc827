"""The groups of upstream servers of a configuration, declared and implied by addresses."""

from __future__ import annotations

from typing import Protocol

from ..conf.parse import Statement
from ..errors import ConfError
from ..upstream.address import AddressError, Url, resolve_host
from ..upstream.peer import PeerServer
from ..upstream.upstream import Upstream, address_upstream


class Declared(Protocol):
    """An "upstream" block."""

    def build(self) -> Upstream: ...
    def allow_changes(self, group: Upstream) -> None: ...  # while workers run
    @property
    def is_impartial(self) -> bool: ...  # the server does not depend on what is in a request
    @property
    def zone_name(self) -> str: ...  # "" without a zone
    @property
    def state_file(self) -> str: ...  # "" without one


class Upstreams:
    """All of them, by name or address."""

    def __init__(self) -> None:
        self.declared: dict[str, Declared] = {}  # names in lower case
        self._built: dict[str, Upstream] = {}
        self._implied: dict[tuple[str, int], Upstream] = {}
        self._expected: list[tuple[Url, Statement | None]] = []

    def expect(self, url: Url, statement: Statement | None) -> None:
        """A directive names a group or an address."""
        self._expected.append((url, statement))

    def resolve(self) -> None:
        """Resolves the addresses in the order in which they were read; can fail with nginx's error
        (ngx_http_upstream_init_main_conf)."""
        for url, statement in self._expected:
            if url.host.lower() not in self.declared:
                self.of_url(url, statement)

    def get(self, name: str) -> Upstream | None:
        """A declared group, which may be declared after its use."""
        name = name.lower()
        conf = self.declared.get(name)
        if conf is None:
            return None
        if name not in self._built:
            self._built[name] = conf.build()
        return self._built[name]

    def find(self, url: Url) -> Upstream | None:
        """The group that a URL with variables comes to: one that was declared or implied by
        another URL (ngx_http_upstream_init_request)."""
        upstream = self.get(url.host) if url.no_port else None
        return upstream or self._implied.get((url.host.lower(), url.port))

    def is_implied(self, host: str) -> bool:
        """Whether the configuration names the address outside of blocks."""
        return any(host.lower() == name for name, _ in self._implied)

    def of_url(self, url: Url, statement: Statement | None) -> Upstream:
        """The group an address stands for; resolving it can fail with nginx's error."""
        upstream = self.get(url.host)
        if upstream is not None:
            if not url.no_port:
                raise _placed(f'upstream "{url.host}" may not have port {url.port}', statement)
            return upstream
        key = (url.host.lower(), url.port)
        upstream = self._implied.get(key)
        if upstream is None:
            if not url.port and not url.text.startswith("unix:"):
                raise _placed(f'no port in upstream "{url.host}"', statement)
            try:
                addresses = url.addresses or resolve_host(url.host, url.port)
            except AddressError as error:
                raise _placed(f'{error} in upstream "{url.host}"', statement) from None
            upstream = self._implied[key] = address_upstream(
                url.host, PeerServer(url.host, addresses)
            )
        return upstream


def _placed(message: str, statement: Statement | None) -> ConfError:
    error = ConfError(message)
    return error.at(statement.file, statement.line) if statement else error
