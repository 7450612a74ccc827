"""Hands connections over to another listen address."""

from __future__ import annotations

from ...conf.directive import Conf, directive, own
from ...errors import ConfError
from ...http.template import Template
from ...log import Severity
from ...stream.contexts import STREAM_SERVER
from ...stream.level import StreamLevel
from ...stream.module import StreamModule
from ...stream.session import SERVER_ERROR, SUCCESS, Status, StreamHandler, StreamSession
from ...upstream.address import AddressError, PeerAddress, Url, parse_url
from ..core.stream import takes_over


class PassConf(Conf):
    address: PeerAddress | None = own(None)
    text: Template | None = own(None)

    @directive(STREAM_SERVER)
    def pass_(self, address: str) -> None:
        """Hands the connection over to an address that a server listens on, of "stream" or "http":
        that goes on as if it had accepted it.  The value can contain variables, but must be an
        address with a port, or a unix socket.  Not for UDP."""
        if self.address is not None or self.text is not None:
            raise ConfError('"pass" directive is duplicate')
        takes_over(self)
        template = Template(address)
        if not template.is_constant:
            self.text = template
            return
        try:
            url = _parsed(address)
        except AddressError as error:
            raise ConfError(f'{error} in "{address}" of the "pass" directive') from None
        if not url.addresses:
            raise ConfError('"pass" directive has no addresses')
        if _has_no_port(url):
            raise ConfError('"pass" directive has no port')
        self.address = url.addresses[0]


stream_pass = StreamModule("stream_pass", PassConf)


def _parsed(text: str) -> Url:
    return parse_url(text, default_port=0, resolve=False)


def _has_no_port(url: Url) -> bool:
    return url.no_port and not url.text.startswith("unix:")


@stream_pass.content
def hand_over(conf: PassConf, level: StreamLevel) -> StreamHandler | None:
    if conf.address is None and conf.text is None:
        return None
    fixed = conf.address
    text_of = conf.text.bind(level.variables) if conf.text is not None else None

    def address_of(s: StreamSession) -> PeerAddress | None:
        if fixed is not None:
            return fixed
        text = text_of(s) if text_of is not None else ""
        try:
            url = _parsed(text)
        except AddressError as error:
            s.log(Severity.ERR, f'{error} in pass "{text}"')
            return None
        if not url.addresses or _has_no_port(url):
            missing = "port" if url.addresses else "addresses"
            s.log(Severity.ERR, f'no {missing} in pass "{text}"')
            return None
        return url.addresses[0]

    def handle(s: StreamSession) -> Status:
        s.action = "passing connection to port"
        if s.is_udp:
            s.log(Severity.ERR, "cannot pass udp connection")
            return SERVER_ERROR
        if s.was_preread and s.channel.tls is not None and s.channel.buffer:
            s.log(Severity.ERR, "cannot pass connection with preread data")
            return SERVER_ERROR
        address = address_of(s)
        if address is None:
            return SERVER_ERROR
        s.passed_to = address.name
        return SUCCESS

    return handle
