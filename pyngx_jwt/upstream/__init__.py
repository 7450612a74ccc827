"""Peers, balancing, idle connections and an HTTP/1 client for upstream servers.

Nothing here knows requests or directives.  How a proxy uses it, without its error cases:

    # at load
    url = parse_upstream("10.0.0.1:8080", default_port=80)         # ConfError
    server = PeerServer(url.text, url.addresses, weight=2)
    upstream = make_upstream("backend", [server], Keepalive())     # ConfError
    upstream = make_upstream("by key", [server], Keepalive(), ConsistentHash, key=function)
    upstream = address_upstream(url.host, server)                 # no "upstream" block
    settings = PeerSettings(read_timeout=60.0, buffer_size=4096)       # one for each location
    tag = upstream.pool.keepalive.tag(id(conf), tls_context)       # if there is a pool

    # for a request; each further try starts at get() while choice.tries
    choice = upstream.balancer.choose(upstream.key(request) if upstream.key else "")
    peer = choice.get(int(time.time()))        # None: "no live upstreams" (502)
    connection = upstream.pool.get(peer.name, tag)                 # if there is a pool
    if connection is None:
        connection = await connect(peer.address, settings, ssl=PeerHandshake(...))  # or None
    connection.begin(head, settings, head=method == "HEAD", more=has_body)
    while has_body and not connection.answered:
        connection.write(chunk, more=...)
        await connection.drain()
    response = await connection.receive()
    if response.body is None:                  # else: all of it came with the head
        while (data := await connection.read()) is not None:
            ...
    upstream.pool.put(connection, tag, loop.time())                # or connection.close()
    choice.free(False, int(time.time()))       # True: it failed; before the next get()

Every wait may raise an UpstreamError, see errors.py; str(error) is nginx's log message.
After an error, or if the rest is not wanted of a response, close() the connection.  A
pooled connection that fails before it answered (connection.requests > 1) deserves another
try that is not counted, as it may only have been closed while it idled.

- `PeerResponse.version` is 9 for an answer that is not HTTP: nginx logs "upstream sent no
  valid HTTP/1.0 header" and passes all of it on as a body.
- Balancers: RoundRobin, LeastConn, Random, IpHash, Hash, ConsistentHash; Shared puts one of
  them over a store of zones/, so that all workers know the same of the servers.
- A PeerHandshake tells connect() which name to send, what to verify and which session to resume.
- Interim responses are skipped; connection.on_early_hints gets the head of a 103.
- After a 101 read() and write() carry the raw bytes, both ways at once if need be.
- `PeerResponse.warning`, set when something follows the body, is for the log (warn).
- `PeerResponse.trailers` is complete when the body is, if PeerSettings.pass_trailers.
- Text is latin-1, one character for each byte; `names` are the field names in lower case.
"""

from .address import AddressError, PeerAddress, Url, parse_upstream, parse_url, resolve_host
from .balancer import Balancer, PeerChoice, RoundRobin
from .client import PeerConnection, PeerSettings
from .connect import connect
from .errors import (
    BadResponse,
    ConnectError,
    PrematureClose,
    ReadTimeout,
    SendTimeout,
    UpstreamError,
)
from .hash import ConsistentHash, Hash, IpHash
from .head import HTTP_09, HTTP_10, HTTP_11, Headers, PeerResponse
from .least_conn import LeastConn
from .peer import Peer, Peers, PeerServer, make_peers
from .pool import Keepalive, Pool
from .random import Random
from .shared import Shared
from .tls import PeerHandshake
from .upstream import Upstream, address_upstream, make_upstream

__all__ = [
    "HTTP_09",
    "HTTP_10",
    "HTTP_11",
    "AddressError",
    "BadResponse",
    "Balancer",
    "ConnectError",
    "ConsistentHash",
    "Hash",
    "Headers",
    "IpHash",
    "Keepalive",
    "LeastConn",
    "Peer",
    "PeerAddress",
    "PeerChoice",
    "PeerConnection",
    "PeerHandshake",
    "PeerResponse",
    "PeerServer",
    "PeerSettings",
    "Peers",
    "Pool",
    "PrematureClose",
    "Random",
    "ReadTimeout",
    "RoundRobin",
    "SendTimeout",
    "Shared",
    "Upstream",
    "UpstreamError",
    "Url",
    "address_upstream",
    "connect",
    "make_peers",
    "make_upstream",
    "parse_upstream",
    "parse_url",
    "resolve_host",
]
