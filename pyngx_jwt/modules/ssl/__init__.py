"""TLS for clients, with or without certificates of theirs."""

from .conf import SslConf
from .module import ssl, stream_ssl

__all__ = ["SslConf", "ssl", "stream_ssl"]
