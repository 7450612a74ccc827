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
