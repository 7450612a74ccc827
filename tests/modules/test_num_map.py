"""num_map: variables that depend on numbers."""

from __future__ import annotations

import pytest

from ..nginx import Nginx

pytestmark = pytest.mark.pyngx_only("NGINX Plus has it")


def test_numbers_and_ranges(nginx: Nginx) -> None:
    nginx(
        "location / { return 200 [$class]; }",
        http="""num_map $arg_n $class {
            default none; 80 web; 443 web$uri; <=1023 low; 8080-8090 alternative; <2000 mid;
            >=60000 high; -5 negative; }""",
    )
    numbers = ("80", "443", "79", "0", "1024", "2000", "8080", "8090", "8091", "60000", "-5")
    values = [nginx.request(f"GET /?n={number}").text[1:-1] for number in numbers]
    assert values == [
        *("web", "web/", "low", "low", "mid", "none", "alternative", "alternative", "none"),
        *("high", "negative"),
    ]
    for text in ("", "x", "80x", "8" * 30):
        assert nginx.request(f"GET /?n={text}").text == "[none]"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("a b;", 'invalid number or range "a"'),
        ("5-1 b;", 'invalid number or range "5-1"'),
        ("80 a; 80 b;", 'conflicting parameter "80"'),
        ("default a; default b;", "duplicate default num_map parameter"),
        ("80 a b;", "invalid number of the num_map parameters"),
    ],
)
def test_rejected(nginx: Nginx, entry: str, message: str) -> None:
    nginx.rejects(http=f"num_map $arg_n $x {{ {entry} }}", message=message)
