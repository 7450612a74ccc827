"""split_clients: variables for A/B testing."""

from __future__ import annotations

import pytest

from ..nginx import Nginx

SPLIT = """
    split_clients $arg_id $variant {
        0.5%   tiny;
        33.3%  "one third";
        25%    quarter;
        *      "";
    }
    split_clients $arg_id$arg_salt $half { 50% a; 50% b; }
    split_clients $arg_id $some { 10% x; }
    """


def test_the_same_values_as_nginx(nginx: Nginx) -> None:
    """The values are those of nginx 1.31; the keys have every length modulo four."""
    nginx('location / { return 200 "$variant|$half|$some"; }', http=SPLIT)
    key = "k\xe4y-%2F"
    values = [nginx.request(f"GET /?id={key[:n]}").text for n in range(9)]
    assert values == [
        "tiny|a|x",
        "|b|",
        "|b|",
        "quarter|b|",
        "one third|a|",
        "quarter|a|",
        "|b|",
        "one third|a|",
        "one third|a|",
    ]


def test_shares(nginx: Nginx) -> None:
    nginx("location / { return 200 $variant; }", http=SPLIT)
    with nginx.connect() as connection:
        answers = [connection.request(f"GET /?id=client{n}") for n in range(1000)]
    values = [answer.text for answer in answers if answer]
    assert 270 < values.count("one third") < 400
    assert 200 < values.count("quarter") < 300
    assert values.count("tiny") < 20


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ("50 a;", 'invalid percent value "50"'),
        ("0% a;", 'invalid percent value "0%"'),
        ("0.001% a;", 'invalid percent value "0.001%"'),
        ("x% a;", 'invalid percent value "x%"'),
        ("60% a; 41% b;", "percent total is greater than 100%"),
        ("* a; 1% b;", "percent total is greater than 100%"),
    ],
)
def test_rejected(nginx: Nginx, entries: str, message: str) -> None:
    nginx.rejects(message=message, http=f"split_clients $arg_a $x {{ {entries} }}", line=1)


def test_variable_names(nginx: Nginx) -> None:
    nginx.rejects(message='invalid variable name "x"', http="split_clients $arg_a x { }")
    nginx.rejects(message='unknown "nothing" variable', http="split_clients $nothing $x { }")
