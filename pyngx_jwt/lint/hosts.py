"""Which servers answer for hosts that nobody has named."""

from __future__ import annotations

from .model import Configuration
from .place import Place


def open_servers(conf: Configuration) -> frozenset[Place]:
    """The servers that get requests with any Host field: the default ones of addresses."""
    return frozenset(
        conf.place(level)
        for address in conf.addresses
        for level, server in address.levels
        if server is address.names.default
    )
