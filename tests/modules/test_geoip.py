"""geoip: variables from MaxMind's legacy databases."""

from __future__ import annotations

import pytest

from ..nginx import Nginx

pytestmark = pytest.mark.needs("http_geoip_module")


def tree(size: int, leaf: int) -> bytes:
    """A tree of 32 nodes in which 10.0.0.1 leads to the record after that of no address."""
    data = b""
    for depth in range(32):
        bit = 10 << 24 | 1
        last = depth == 31
        pair = [32, 32]
        pair[bit >> (31 - depth) & 1] = leaf if last else depth + 1
        data += b"".join(record.to_bytes(size, "little") for record in pair)
    return data


def info(kind: int, nodes: int = 32) -> bytes:
    return bytes(3) + b"\xff\xff\xff" + bytes([kind]) + nodes.to_bytes(3, "little")


def degrees(value: float) -> bytes:
    return int((value + 180) * 10000).to_bytes(3, "little")


MOSCOW = b"\xb948\0M\xfcnchen\x00119034\0" + degrees(55.7543) + degrees(37.6202) + bytes(3)
CITY = tree(3, 33) + b"\0" + MOSCOW + info(2)
ORG = tree(4, 33) + b"\0" + b"Nginx\0" + info(5)


def country() -> bytes:
    data = tree(3, 16776960 + 185)
    none = (16776960).to_bytes(3, "little")
    fixed = b""
    for at in range(0, len(data), 3):
        record = data[at : at + 3]
        fixed += none if record == (32).to_bytes(3, "little") and at // 6 != 31 else record
    return fixed + bytes(3)


def test_variables(nginx: Nginx) -> None:
    nginx.write("city.dat", CITY)
    nginx.write("org.dat", ORG)
    nginx.write("country.dat", country())
    nginx(
        """
        location / { return 200 "$geoip_city_country_code|$geoip_city_country_code3|\
$geoip_city_country_name|$geoip_city_continent_code|$geoip_region|$geoip_postal_code|\
$geoip_latitude|$geoip_longitude|$geoip_dma_code|$geoip_area_code|$geoip_org"; }
        location /city { return 200 [$geoip_city]; }
        location /country { return 200 "[$geoip_country_code|$geoip_country_code3|\
$geoip_country_name]"; }
        """,
        http="""geoip_proxy 127.0.0.0/8; geoip_proxy_recursive on; geoip_city %%DIR%%/city.dat utf8;
                geoip_org %%DIR%%/org.dat; geoip_country %%DIR%%/country.dat;""",
    )
    client = "X-Forwarded-For: 10.0.0.1"
    assert nginx.request("GET /", client).text == (
        "RU|RUS|Russian Federation|EU|48|119034|55.7543|37.6202|0|0|Nginx"
    )
    assert nginx.request("GET /city", client).body == "[M\u00fcnchen]".encode()
    assert nginx.request("GET /country", client).text == "[RU|RUS|Russian Federation]"
    recursive = "X-Forwarded-For: 10.0.0.1, 127.0.0.2"
    assert nginx.request("GET /country", recursive).text == "[RU|RUS|Russian Federation]"
    other = "X-Forwarded-For: 11.0.0.1"
    assert nginx.request("GET /", other).text == "|" * 10
    assert nginx.request("GET /country", other).text == "[||]"
    assert nginx.request("GET /country").text == "[||]"


def test_rejected(nginx: Nginx) -> None:
    nginx.write("city.dat", CITY)
    path = nginx.prefix / "city.dat"
    nginx.rejects(http="geoip_country none.dat;", message='GeoIP_open("none.dat") failed')
    nginx.rejects(http=f"geoip_city {path} x;", message='invalid parameter "x"')
    nginx.rejects(http=f"geoip_country {path};", message=f'invalid GeoIP database "{path}" type:2')
    nginx.rejects(http="geoip_proxy x;", message='invalid network "x"')
