"""TLS for clients, with or without certificates of theirs."""

from .conf import SslConf
from .module import ssl

__all__ = ["SslConf", "ssl"]
