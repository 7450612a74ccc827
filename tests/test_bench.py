"""What `make bench` sends, and how it sums up what it has measured."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.load import Percentiles
from bench.requests import requests, targets
from bench.rows import ROWS, Row, chosen
from bench.servers import NGINX, PYNGX, Used
from bench.summary import Columns, Results, cell, head, latency_table, line, ratio_cell, ratios

(STATIC,) = chosen("static")
(CACHE,) = chosen("cache")


def lines_of(request: bytes) -> list[str]:
    return request.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]


def test_requests_differ() -> None:
    texts = requests(STATIC, ("a.b.c", "d.e.f"), varied=True)
    assert len(set(texts)) == len(texts) == 3000
    assert len({text.split()[1] for text in texts}) > 2900
    for number, text in enumerate(texts):
        lines = lines_of(text)
        ordinary = [x for x in lines if not x.startswith(("Host:", "Authorization:"))]
        assert 8 <= len(ordinary) <= 12
        assert f"Authorization: Bearer {('a.b.c', 'd.e.f')[number % 2]}" in lines


def test_one_request_is_repeated() -> None:
    assert (
        requests(STATIC, ("a.b.c",), varied=False) == requests(STATIC, ("a.b.c",), varied=True)[:1]
    )


def test_more_tokens_than_requests() -> None:
    tokens = [f"t{number}" for number in range(5000)]
    assert len(requests(STATIC, tokens, varied=True)) == 5000
    told = targets(STATIC, tokens, varied=True)
    assert [target.rpartition("token=")[2] for target in told] == (tokens)[: len(told)]


def test_as_many_paths_as_wanted() -> None:
    told = targets(CACHE, (), varied=True)
    assert len({target.partition("?")[0] for target in told}) == CACHE.paths


def test_a_body_and_the_end_of_a_connection() -> None:
    row = replace(STATIC, body=4096, closes=True)
    (text,) = requests(row, (), varied=False)
    before, _, body = text.partition(b"\r\n\r\n")
    assert before.startswith(b"POST ") and len(body) == 4096
    assert {"Content-Length: 4096", "Connection: close"} <= set(lines_of(text))


def test_rows_are_chosen_by_key() -> None:
    assert chosen("") == ROWS
    assert [row.key for row in chosen("rs256,static proxied")] == ["static", "proxied", "rs256"]
    with pytest.raises(ValueError, match="no row nothing; there are: static log"):
        chosen("static nothing")


def test_keys_and_prefixes_are_unique() -> None:
    assert len({row.prefix for row in ROWS}) == len(ROWS)


def used(*figures: float) -> list[Used]:
    """One round each: a third of it in the system."""
    return [Used(figure * 2 / 3, figure / 3) for figure in figures]


def test_ratios_are_of_pairs() -> None:
    assert ratios(used(30, 9, 90), used(10, 9, 30)) == pytest.approx([1, 3, 3])
    assert ratio_cell(used(30, 9, 90), used(10, 9, 30)) == "**3.00** (1.00-3.00)"


def test_rounds_that_are_missing_are_noticed() -> None:
    with pytest.raises(ValueError, match="shorter"):
        ratios(used(1, 2), used(1))


def test_a_cell_has_medians() -> None:
    assert cell(used(9, 30, 300)) == "30.0 (20.0 + 10.0)"
    assert cell(used(300)) == "300 (200 + 100)"
    assert cell([]) == "—"


def test_a_line_of_the_table() -> None:
    results = Results()
    results.varied[STATIC.key, NGINX] = used(10, 12, 11)
    results.varied[STATIC.key, PYNGX] = used(20, 24, 33)
    results.varied[STATIC.key, "Envoy"] = used(15, 15, 15)
    results.identical[STATIC.key, NGINX] = used(5, 5, 5)
    results.identical[STATIC.key, PYNGX] = used(6, 6, 6)
    results.varied[STATIC.key, "old"] = used(30, 36, 33)
    columns = Columns([PYNGX, "old"], ["Envoy", "HAProxy"])
    told = line(STATIC, results, columns)
    assert told == (
        f"| {STATIC.name} | 11.0 (7.3 + 3.7) | 24.0 (16.0 + 8.0) | **2.00** (2.00-3.00)"
        " | 6.0 / 5.0 = 1.20 | 33.0 (22.0 + 11.0) **3.00** | 15.0 (10.0 + 5.0) | — |"
    )
    assert {text.count("|") for text in [told, *head(columns).split("\n")]} == {9}


def test_what_nginx_cannot_do() -> None:
    (row,) = (row for row in ROWS if row.key == "newdir")
    results = Results()
    results.varied[row.key, PYNGX] = used(30)
    results.identical[row.key, PYNGX] = used(20)
    assert (
        line(row, results, Columns([PYNGX])) == f"| {row.name} | — | 30.0 (20.0 + 10.0) | — | — |"
    )


def test_latencies_are_medians_of_each_percentile() -> None:
    results = Results()
    results.latency["static", NGINX] = [
        Percentiles(1, 2, 3),
        Percentiles(2, 9, 4),
        Percentiles(3, 1, 500),
    ]
    results.last_of_new = {NGINX: [5, 7, 90], PYNGX: [200]}
    rows: list[Row] = [STATIC, CACHE]
    assert latency_table(rows, Results(), [NGINX, PYNGX]) == ""
    assert latency_table(rows, results, [NGINX, PYNGX]).split("\n") == [
        "| milliseconds | nginx | pyngx |",
        "|---|---:|---:|",
        f"| {STATIC.name}: p50 / p99 / p99.9 | 2.0 / 2.0 / 4.0 | — |",
        "| the last of 200 new connections beside 200 busy ones | 7.0 | 200 |",
    ]
