"""Numbers with more digits than Python reads are those that nginx makes of them."""

from __future__ import annotations

import pytest

from ..nginx import Nginx

MANY = "9" * 5000
NONE = "0" * 5000


@pytest.mark.parametrize(
    ("range_", "status"),
    [
        (f"0-{MANY}", 416),
        (f"{MANY}-", 416),
        (f"-{MANY}", 416),
        (f"0-{NONE}3", 206),
        (f"-{NONE}3", 206),
        (f"0-1,5-{MANY}", 416),
    ],
)
def test_ranges(nginx: Nginx, range_: str, status: int) -> None:
    nginx("root html;", files={"html/a": "0123456789"})
    assert nginx.request("GET /a", f"Range: bytes={range_}").status == status


@pytest.mark.parametrize("address", [f"127.0.0.1:{MANY}", f"127.0.0.{MANY}:1"])
def test_addresses(nginx: Nginx, address: str) -> None:
    nginx("location / { proxy_pass http://$arg_to; }")
    assert nginx.request(f"GET /?to={address}").status in (500, 502)


@pytest.mark.needs("--with-http_slice_module")
@pytest.mark.parametrize("range_", [f"bytes={MANY}-", f"bytes=0-{MANY}"])
def test_slices(nginx: Nginx, range_: str) -> None:
    nginx(
        "slice 4; location / { proxy_pass http://127.0.0.1:%%PORT_up%%;"
        "proxy_set_header Range $slice_range; proxy_http_version 1.1; }",
        servers=["listen %%PORT_up%%; root html;"],
        files={"html/a": "0123456789"},
    )
    assert nginx.request("GET /a", f"Range: {range_}").status in (206, 416)


@pytest.mark.needs("--with-http_realip_module")
@pytest.mark.parametrize(
    ("value", "address"),
    [
        (f"1.2.3.{MANY}", "127.0.0.1"),
        (f"1.2.3.4:{MANY}", "127.0.0.1"),
        (f"[::1]:{MANY}", "127.0.0.1"),
        (f"1.2.3.{NONE}4", "1.2.3.4"),
        (f"1.2.3.4:{NONE}5", "1.2.3.4"),
    ],
)
def test_addresses_of_clients(nginx: Nginx, value: str, address: str) -> None:
    nginx(
        "set_real_ip_from 127.0.0.0/8; location / { return 200 $remote_addr; }"
        "location /for { real_ip_header X-Forwarded-For; }"
        "location /geo { return 200 $geo; }",
        http="geo $arg_a $geo { default none; 1.2.3.0/24 some; }"
        "geo $from { proxy 127.0.0.1; default none; 1.2.3.0/24 some; }"
        'log_format one "$uri $from"; access_log %%DIR%%/one.log one;',
    )
    assert nginx.request("GET /", f"X-Real-IP: {value}").body == address.encode()
    assert nginx.request("GET /for", f"X-Forwarded-For: {value}").status == 404
    of_v4 = ":" not in value
    place = b"some" if address == "1.2.3.4" and of_v4 else b"none"
    assert nginx.request(f"GET /geo?a={value}").body == place
