"""Creates variables that depend on the client's country, region, city or organization."""

from .module import geoip, stream_geoip

__all__ = ["geoip", "stream_geoip"]
