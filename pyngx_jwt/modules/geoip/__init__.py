"""Creates variables that depend on the client's country, region, city or organization."""

from .module import geoip

__all__ = ["geoip"]
