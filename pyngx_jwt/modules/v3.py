"""HTTP/3 towards clients, over QUIC, on addresses with "listen ... quic".

It needs the package aioquic: `pip install 'pyngx-jwt[http3]'`. Clients learn of it from a header
such as `add_header Alt-Svc 'h3=":443"; ma=86400';`.
"""

from __future__ import annotations

import os

from ..conf.directive import MAIN, Conf, accepted, directive, flag, number, size
from ..errors import ConfError
from ..extras import HTTP3, check
from ..http.contexts import HTTP, SERVER
from ..http.module import Module
from ..http.ports import Http3, ListenAddress
from ..http.request import Request
from ..http.tls import HQ
from ..log import errno_text

HERE = HTTP | SERVER
KEY_SIZE = 32  # bytes of a host key that is drawn


class V3Conf(Conf):
    http3 = flag(True, HERE, 'Enables HTTP/3 on addresses with "listen ... quic".')
    http3_hq = flag(
        False, HERE, "Enables HTTP/0.9 over QUIC (hq-interop), which interoperability tests use."
    )
    http3_max_concurrent_streams = number(
        128, HERE, "Limits the number of requests that a connection serves at the same time."
    )
    http3_stream_buffer_size = size(
        65536,
        HERE,
        "Limits the bytes of a stream that wait: of a request body until they are read, and of a "
        "response until the client has acknowledged them.",
        shown="64k",
    )
    quic_active_connection_id_limit = number(
        2, HERE, "Sets how many connection ids of a client are remembered for each connection."
    )
    quic_bpf = accepted(
        MAIN,
        "packets find the worker of their connection by its id, without eBPF",
        like=flag(False, MAIN, ""),
    )
    quic_gso = flag(
        False, HERE, "Passes several packets to the kernel in one system call (UDP_SEGMENT)."
    )
    quic_retry = flag(
        False,
        HERE,
        "Lets clients show that they are at their address before a connection begins. It costs "
        "them a round trip, unless they have a token of an earlier connection.",
    )
    host_key: bytes = b""  # of the file, "" for one that is drawn

    @directive(HERE, syntax="{name} file;", default="—")
    def quic_host_key(self, name: str) -> None:
        """Sets a file with the secret of tokens and stateless resets. Without it, one is generated
        when the configuration is loaded, and clients cannot use the tokens of an earlier one."""
        self.once("host_key", "quic_host_key")
        path = self.scope.conf_name(name)
        try:
            with open(path, "rb") as file:
                key = file.read()
        except OSError as error:
            raise ConfError(f'open() "{path}" failed {errno_text(error)}') from None
        if not key:
            raise ConfError(f'"{path}" zero key size')
        self.host_key = key


v3 = Module("v3", V3Conf)


@v3.listens
def enable(address: ListenAddress) -> None:
    """Finds what the servers of an address allow QUIC connections."""
    if not address.listen.quic:
        return
    listens = (x for level, _ in address.levels for x in level.statements.get("listen", ()))
    check('the "quic" parameter of "listen"', HTTP3, next(x for x in listens if "quic" in x.args))
    for level, server in address.levels:
        conf = level[V3Conf]
        if not conf.host_key:
            conf.host_key = os.urandom(KEY_SIZE)
        address.http3[server] = Http3(
            conf.http3,
            conf.http3_hq,
            conf.http3_max_concurrent_streams,
            conf.http3_stream_buffer_size,
            conf.quic_active_connection_id_limit,
            conf.quic_retry,
            conf.quic_gso,
            conf.host_key,
        )


@v3.variable("http3")
def http3(r: Request) -> str | None:
    """ "h3" for HTTP/3, "hq" for HTTP/0.9 over QUIC, empty for other protocols."""
    if r.http_version == 3000:
        return "h3"
    tls = r.connection.ssl
    return "hq" if tls is not None and tls.alpn == HQ else None
