"""Creates variables that depend on the client's country, region, city or organization.

Legacy databases (".dat") are read; there are no names of regions.
"""

from __future__ import annotations

from collections.abc import Callable

from ...conf.directive import Conf, directive, flag
from ...errors import ConfError
from ...http.cidr import Network, Networks, plain
from ...http.contexts import HTTP
from ...http.module import Module
from ...http.session import Session
from ...stream.contexts import STREAM
from ...stream.module import StreamModule
from ..addresses import declared_network, reported_address
from .database import CITIES, COUNTRIES, ORGANIZATIONS, City, Country, Database


class GeoipConf(Conf):
    country: Database | None = None
    city: Database | None = None
    org: Database | None = None
    proxies: tuple[Network, ...] = ()

    @directive(HTTP | STREAM, syntax="geoip_country file [utf8]")
    def geoip_country(self, file: str, charset: str = "") -> None:
        """Sets the database of countries, for $geoip_country_code and its like.  A relative name
        starts from the prefix."""
        self.once("country", "geoip_country")
        self.country = self._open(file, charset, COUNTRIES)

    @directive(HTTP | STREAM, syntax="geoip_city file [utf8]")
    def geoip_city(self, file: str, charset: str = "") -> None:
        """Sets the database of cities, for $geoip_city and its like."""
        self.once("city", "geoip_city")
        self.city = self._open(file, charset, CITIES)

    @directive(HTTP | STREAM, syntax="geoip_org file [utf8]")
    def geoip_org(self, file: str, charset: str = "") -> None:
        """Sets the database of organizations, for $geoip_org."""
        self.once("org", "geoip_org")
        self.org = self._open(file, charset, ORGANIZATIONS)

    @directive(HTTP, syntax="geoip_proxy address | CIDR")
    def geoip_proxy(self, address: str) -> None:
        """Trusts an address or network: for requests from it, the address in X-Forwarded-For is
        looked up."""
        network = declared_network(self.scope, address)
        self.proxies = (*vars(self).get("proxies", ()), network)

    geoip_proxy_recursive = flag(
        False,
        HTTP,
        "Uses the last address of X-Forwarded-For that is not trusted. If off, the last one.",
    )

    def _open(self, file: str, charset: str, types: frozenset[int]) -> Database:
        name = self.scope.full_name(file)
        try:
            database = Database(name, utf8=charset == "utf8")
        except (OSError, ValueError):
            raise ConfError(f'GeoIP_open("{file}") failed') from None
        if charset not in ("", "utf8"):
            raise ConfError(f'invalid parameter "{charset}"')
        if database.type not in types:
            raise ConfError(f'invalid GeoIP database "{file}" type:{database.type}')
        return database


geoip = Module("geoip", GeoipConf)


def _address(r: Session, conf: GeoipConf) -> bytes:
    packed = r.connection.binary_remote_addr
    if conf.proxies:
        recursive = conf.geoip_proxy_recursive
        packed = reported_address(r, packed, Networks(conf.proxies), recursive=recursive)
    return plain(packed)


def _country(r: Session, value: Callable[[Country], str]) -> str | None:
    conf = r.conf(GeoipConf)
    country = conf.country.country(_address(r, conf)) if conf.country else None
    return value(country) if country else None


def _city(r: Session, value: Callable[[City], str]) -> str | None:
    conf = r.conf(GeoipConf)
    city = conf.city.city(_address(r, conf)) if conf.city else None
    return value(city) or None if city else None


@geoip.variable("geoip_country_code")
def geoip_country_code(r: Session) -> str | None:
    """Country code with two letters, such as "RU"."""
    return _country(r, lambda country: country.code)


@geoip.variable("geoip_country_code3")
def geoip_country_code3(r: Session) -> str | None:
    """Country code with three letters, such as "RUS"."""
    return _country(r, lambda country: country.code3)


@geoip.variable("geoip_country_name")
def geoip_country_name(r: Session) -> str | None:
    """Name of the country."""
    return _country(r, lambda country: country.name)


@geoip.variable("geoip_org")
def geoip_org(r: Session) -> str | None:
    """Name of the organization."""
    conf = r.conf(GeoipConf)
    return conf.org.organization(_address(r, conf)) if conf.org else None


@geoip.variable("geoip_city_continent_code")
def geoip_city_continent_code(r: Session) -> str | None:
    """Continent code from the database of cities."""
    return _city(r, lambda city: city.country.continent)


@geoip.variable("geoip_city_country_code")
def geoip_city_country_code(r: Session) -> str | None:
    """Country code with two letters from the database of cities."""
    return _city(r, lambda city: city.country.code)


@geoip.variable("geoip_city_country_code3")
def geoip_city_country_code3(r: Session) -> str | None:
    """Country code with three letters from the database of cities."""
    return _city(r, lambda city: city.country.code3)


@geoip.variable("geoip_city_country_name")
def geoip_city_country_name(r: Session) -> str | None:
    """Name of the country from the database of cities."""
    return _city(r, lambda city: city.country.name)


@geoip.variable("geoip_region")
def geoip_region(r: Session) -> str | None:
    """Code of the region."""
    return _city(r, lambda city: city.region)


@geoip.variable("geoip_region_name")
def geoip_region_name(r: Session) -> str | None:
    """Empty: names of regions are not part of databases."""
    return None


@geoip.variable("geoip_city")
def geoip_city(r: Session) -> str | None:
    """Name of the city."""
    return _city(r, lambda city: city.city)


@geoip.variable("geoip_postal_code")
def geoip_postal_code(r: Session) -> str | None:
    """Postal code."""
    return _city(r, lambda city: city.postal_code)


@geoip.variable("geoip_latitude")
def geoip_latitude(r: Session) -> str | None:
    """Latitude, with four decimals."""
    return _city(r, lambda city: f"{city.latitude:.4f}")


@geoip.variable("geoip_longitude")
def geoip_longitude(r: Session) -> str | None:
    """Longitude, with four decimals."""
    return _city(r, lambda city: f"{city.longitude:.4f}")


@geoip.variable("geoip_dma_code")
def geoip_dma_code(r: Session) -> str | None:
    """DMA code of a region of the United States."""
    return _city(r, lambda city: str(city.dma_code))


@geoip.variable("geoip_area_code")
def geoip_area_code(r: Session) -> str | None:
    """Telephone area code of a region of the United States."""
    return _city(r, lambda city: str(city.area_code))


# Where nginx has not loaded its module, configurations define these names in other ways.
geoip.changeable.update(geoip.variables)

stream_geoip = StreamModule("stream_geoip", GeoipConf)
stream_geoip.take_variables(geoip)
