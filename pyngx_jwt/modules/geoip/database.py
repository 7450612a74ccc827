"""Reads MaxMind's legacy GeoIP databases (".dat")."""

from __future__ import annotations

import json
from functools import cache
from typing import NamedTuple

COUNTRY_BEGIN = 16776960
MARK = b"\xff\xff\xff"  # before the structure info at the end of a file
LONGEST_INFO = 20  # bytes
OFFSET = 105  # between old and new numbers of types
COUNTRY, CITY_REV1, CITY_REV0, ISP, ORG = 1, 2, 6, 4, 5
ASNUM, DOMAIN, COUNTRY_V6 = 9, 11, 12
ASNUM_V6, ISP_V6, ORG_V6, DOMAIN_V6, CITY_REV1_V6, CITY_REV0_V6 = 21, 22, 23, 24, 30, 31
COUNTRIES = frozenset({COUNTRY, COUNTRY_V6})
CITIES = frozenset({CITY_REV0, CITY_REV1, CITY_REV0_V6, CITY_REV1_V6})
ORGANIZATIONS = frozenset({ISP, ORG, ASNUM, DOMAIN, ISP_V6, ORG_V6, ASNUM_V6, DOMAIN_V6})
_LONG_RECORDS = frozenset({ISP, ORG, DOMAIN, ISP_V6, ORG_V6, DOMAIN_V6})
_V6 = frozenset({COUNTRY_V6, ASNUM_V6, ISP_V6, ORG_V6, DOMAIN_V6, CITY_REV1_V6, CITY_REV0_V6})
_NO_ADDRESS = b"\xff\xff\xff\xff"
_UNITED_STATES = "US"


class Country(NamedTuple):
    code: str
    code3: str
    continent: str
    name: str


class City(NamedTuple):
    """A record of a city; the numbers of areas are those of the United States."""

    country: Country
    region: str
    city: str
    postal_code: str
    latitude: float
    longitude: float
    dma_code: int
    area_code: int


@cache
def countries() -> tuple[Country, ...]:
    """The countries by the number that databases have for them; the first is none."""
    from importlib import resources  # which takes time to import

    rows = json.loads(resources.files(__package__).joinpath("countries.json").read_bytes())
    return tuple(Country(code, code3, continent, name) for code, code3, continent, name in rows)


class Database:
    """One database in memory; raises OSError, or ValueError if it has no structure."""

    def __init__(self, path: str, *, utf8: bool = False) -> None:
        with open(path.encode("latin-1"), "rb") as file:
            self._data = file.read()
        if len(self._data) < 6:
            raise ValueError(path)
        self._utf8 = utf8
        self.type = COUNTRY
        self._begin = COUNTRY_BEGIN
        self._read_structure()
        self._size = 4 if self.type in _LONG_RECORDS else 3

    def _read_structure(self) -> None:
        at = self._data.rfind(MARK, max(len(self._data) - LONGEST_INFO - 3, 0))
        if at < 0 or at + 3 >= len(self._data):
            return
        number = self._data[at + 3]
        self.type = number - OFFSET if number > OFFSET else number
        if self.type not in COUNTRIES:
            self._begin = int.from_bytes(self._data[at + 4 : at + 7], "little")

    def _find(self, packed: bytes) -> int:
        """The record of an address: above the number of nodes; 0 for a broken database."""
        if self.type in _V6:
            address = packed if len(packed) == 16 else bytes(10) + b"\xff\xff" + packed
        else:
            address = packed if len(packed) == 4 else _NO_ADDRESS
        bits, size, node = int.from_bytes(address), self._size, 0
        for shift in reversed(range(8 * len(address))):
            at = (2 * node + (bits >> shift & 1)) * size
            record = int.from_bytes(self._data[at : at + size], "little")
            if record >= self._begin:
                return record
            node = record
        return 0

    def country(self, packed: bytes) -> Country | None:
        number = self._find(packed) - self._begin
        return countries()[number] if 0 < number < len(countries()) else None

    def _record(self, packed: bytes) -> bytes | None:
        record = self._find(packed)
        if record <= self._begin:
            return None
        return self._data[record + (2 * self._size - 1) * self._begin :][:1024]

    def organization(self, packed: bytes) -> str | None:
        data = self._record(packed)
        return None if data is None else self._text(data.partition(b"\0")[0])

    def city(self, packed: bytes) -> City | None:
        data = self._record(packed)
        if not data or data[0] >= len(countries()):
            return None
        country = countries()[data[0]]
        region, city, postal_code, rest = (*data[1:].split(b"\0", 3), b"", b"", b"", b"")[:4]
        latitude, longitude, areas = (
            int.from_bytes(rest[at : at + 3], "little") for at in (0, 3, 6)
        )
        has_areas = self.type in (CITY_REV1, CITY_REV1_V6) and country.code == _UNITED_STATES
        dma_code, area_code = divmod(areas, 1000) if has_areas else (0, 0)
        return City(
            country,
            region.decode("latin-1"),
            self._text(city),
            postal_code.decode("latin-1"),
            latitude / 10000 - 180,
            longitude / 10000 - 180,
            dma_code,
            area_code,
        )

    def _text(self, data: bytes) -> str:
        """Text is ISO 8859-1 in the file; with "utf8" it is converted."""
        text = data.decode("latin-1")
        return text.encode("utf-8").decode("latin-1") if self._utf8 else text
