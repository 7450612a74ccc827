"""A resolver that asks the name servers of "resolver", and nobody else.

    given = NameServers(("127.0.0.1",), (Server("127.0.0.1:53", "127.0.0.1", 53, AF_INET),))
    resolver = Resolvers().of(given, log)
    addresses = await resolver.resolve("backend.example", 30.0)   # ResolveError
    services = await resolver.resolve_service("example.com", "http", 30.0)

A resolver has no sockets while it has no questions, and belongs to one event loop.
"""

from .answers import Addresses, Located, Resolves, Service, Services
from .errors import NOT_FOUND, ResolveError, error_text
from .resolvers import Resolvers
from .servers import NameServers, Server

__all__ = [
    "NOT_FOUND",
    "Addresses",
    "Located",
    "NameServers",
    "ResolveError",
    "Resolvers",
    "Resolves",
    "Server",
    "Service",
    "Services",
    "error_text",
]
