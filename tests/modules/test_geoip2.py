"""geoip2: variables from MaxMind's databases."""

from __future__ import annotations

import ipaddress
import struct
from typing import Any

import pytest

from ..nginx import Nginx

pytest.importorskip("maxminddb")
pytestmark = pytest.mark.pyngx_only("nginx needs leev/ngx_http_geoip2_module")
RECORD = {
    "country": {"iso_code": "RU", "names": {"en": "Russia", "ru": "\u0420"}, "in_eu": True},
    "location": {"latitude": 55.75, "accuracy": 20},
    "subdivisions": [{"iso_code": "MOW"}],
}


UINT16, UINT32, UINT64 = 5, 6, 9  # types


def number(value: int, kind: int = UINT32) -> bytes:
    data = value.to_bytes((value.bit_length() + 7) // 8)
    start = bytes([kind << 5 | len(data)]) if kind < 8 else bytes([len(data), kind - 7])
    return start + data


def encoded(value: Any) -> bytes:
    """A value in the format of MaxMind DB."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, bool):
        return bytes([int(value), 14 - 7])
    if isinstance(value, int):
        return number(value)
    if isinstance(value, float):
        return bytes([3 << 5 | 8]) + struct.pack(">d", value)
    if isinstance(value, str):
        data = value.encode()
        size = (
            bytes([2 << 5 | len(data)]) if len(data) < 29 else bytes([2 << 5 | 29, len(data) - 29])
        )
        return size + data
    if isinstance(value, list):
        return bytes([len(value), 11 - 7]) + b"".join(map(encoded, value))
    members = b"".join(encoded(key) + encoded(member) for key, member in value.items())
    return bytes([7 << 5 | len(value)]) + members


def database(network: str, record: Any, epoch: int = 1_700_000_000) -> bytes:
    """A database of IPv4 with one network."""
    where = ipaddress.IPv4Network(network)
    count = where.prefixlen
    bits, nodes = int(where.network_address), b""
    for depth in range(count):
        pair = [count, count]
        last = depth == count - 1
        pair[bits >> (31 - depth) & 1] = count + 16 if last else depth + 1
        nodes += b"".join(number.to_bytes(3) for number in pair)
    metadata = {
        "node_count": count,
        "record_size": number(24, UINT16),
        "ip_version": number(4, UINT16),
        "database_type": "Test",
        "languages": ["en"],
        "binary_format_major_version": number(2, UINT16),
        "binary_format_minor_version": number(0, UINT16),
        "build_epoch": number(epoch, UINT64),
        "description": {"en": "Test"},
    }
    return nodes + bytes(16) + encoded(record) + b"\xab\xcd\xefMaxMind.com" + encoded(metadata)


def test_variables(nginx: Nginx) -> None:
    nginx.write("a.mmdb", database("10.0.0.0/8", RECORD))
    nginx(
        """
        location / { return 200 "$code|$name|$eu|$latitude|$accuracy|$first|$none|$map|$built"; }
        location /russian { return 200 $russian; }
        location /arg { return 200 [$of_arg]; }
        """,
        http="""
        geoip2_proxy 127.0.0.0/8; geoip2_proxy_recursive on;
        geoip2 a.mmdb {
            auto_reload 1h;
            $code default=XX country iso_code;
            $name country names en;
            $russian country names ru;
            $eu country in_eu;
            $latitude location latitude;
            $accuracy location accuracy;
            $first subdivisions 0 iso_code;
            $none subdivisions 5 iso_code;
            $map country;
            $of_arg default=none source=$arg_ip country iso_code;
            $built metadata build_epoch;
        }""",
    )
    inside = "X-Forwarded-For: 10.1.2.3, 127.0.0.5"
    assert nginx.request("GET /", inside).text == "RU|Russia|1|55.75000|20|MOW|||1700000000"
    assert nginx.request("GET /").text == "XX||||||||1700000000"
    assert nginx.request("GET /russian", inside).body == "\u0420".encode()
    addresses = ("10.0.0.1", "11.0.0.1", "::1", "x", "")
    values = [nginx.request(f"GET /arg?ip={address}").text for address in addresses]
    assert values == ["[RU]", "[none]", "[none]", "[none]", "[none]"]


def test_names_of_the_geoip_module(nginx: Nginx) -> None:
    """Configurations use them for what they define: nginx seldom loads that module."""
    nginx.write("a.mmdb", database("10.0.0.0/8", RECORD))
    nginx(
        "set $geoip_city ours;"
        'location / { return 200 "$geoip_country_code|$geoip_city|$geoip_org"; }',
        http="""
            geoip2 a.mmdb { $geoip_country_code default=XX source=$arg_ip country iso_code; }
            map $arg_ip $geoip_org { default mapped; }
        """,
    )
    assert nginx.request("GET /?ip=10.0.0.1").text == "RU|ours|mapped"
    assert nginx.request("GET /?ip=11.0.0.1").text == "XX|ours|mapped"


@pytest.mark.parametrize(
    ("http", "message"),
    [
        ("geoip2 a.mmdb { x y; }", 'invalid setting "x"'),
        ("geoip2 a.mmdb { auto_reload; }", "invalid number of arguments for auto_reload"),
        ("geoip2 a.mmdb { auto_reload x; }", 'invalid interval for auto_reload "x"'),
        ("geoip2 a.mmdb { $x metadata y; }", 'invalid metadata "y"'),
        ("geoip2 a.mmdb { $x source=y z; }", 'invalid source variable name "y"'),
        ("geoip2 a.mmdb { $x a=b z; }", 'invalid setting "a=b" for "$x"'),
        ("geoip2 a.mmdb { } geoip2 a.mmdb { }", "Duplicate GeoIP2 mmdb - %%DIR%%/a.mmdb"),
        ("geoip2_proxy x;", 'invalid network "x"'),
    ],
)
def test_rejected(nginx: Nginx, http: str, message: str) -> None:
    nginx.write("a.mmdb", database("10.0.0.0/8", RECORD))
    nginx.rejects(http=http, message=message)


def test_missing_files(nginx: Nginx) -> None:
    nginx.write("text.mmdb", "text")
    for name in ("none", "text"):
        refusal = nginx.refused(http=f"geoip2 {name}.mmdb {{ }}")
        assert f'MMDB_open("{nginx.prefix}/{name}.mmdb") failed - ' in refusal
        assert "Errno" not in refusal
