"""Explanations look into the cache: a response that is there is the answer."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator

import pytest

from pyngx_jwt.explain.explainer import Explainer, Explanation
from pyngx_jwt.explain.request import RequestSpec, parse_url

from ..nginx import Nginx
from .offline import options_of

pytestmark = pytest.mark.pyngx_only("about a command of pyngx")
SERVER = """
    proxy_cache z; proxy_cache_valid 200 1m; proxy_cache_key $uri;
    location / { proxy_pass http://127.0.0.1:%%PORT_b%%; }
    location /bypass { proxy_cache_bypass $arg_no $http_x;
        proxy_pass http://127.0.0.1:%%PORT_b%%; }
    location /stale { proxy_cache_use_stale updating; proxy_cache_background_update on;
        proxy_pass http://127.0.0.1:%%PORT_b%%; }
    location /again { proxy_cache_revalidate on; proxy_pass http://127.0.0.1:%%PORT_b%%; }
    """
BACKEND = """
    listen 127.0.0.1:%%PORT_b%%;
    location / { add_header Vary X-V; add_header
        Last-Modified "Mon, 30 Nov 2026 00:00:00 GMT"; return 200 "$uri"; }
    """
HTTP = "proxy_cache_path cache levels=1:2 keys_zone=z:1m;"


@pytest.fixture
def cached(nginx: Nginx) -> Iterator[Nginx]:
    """A server whose cache has some responses."""
    nginx(SERVER, http=HTTP, servers=[BACKEND])
    for target in ("/a", "/bypass/a", "/stale/a", "/again/a"):
        assert nginx.request(f"GET {target}").status == 200
    with contextlib.chdir(nginx.prefix):
        yield nginx


def look(
    nginx: Nginx, target: str, *fields: str, later: int = 0, method: str = "GET"
) -> Explanation:
    url = parse_url(f"http://127.0.0.1:{nginx.port()}{target}")
    explainer = Explainer(options_of(nginx.prefix), time.time() + later)
    return explainer.explain(RequestSpec(url, method, fields), "")


def verdict(explanation: Explanation) -> tuple[str, str]:
    """The status of the cache, and why."""
    lines = explanation.trip.lines
    at = next(number for number, line in enumerate(lines) if line.name == "cache")
    status, _, reason = lines[at + 1].text.partition(": ")
    return status, reason


def test_hit(cached: Nginx) -> None:
    before = sorted(os.walk(cached.prefix / "cache"))
    explanation = look(cached, "/a")
    status, reason = verdict(explanation)
    assert status == "HIT" and " expires in " in reason and str(cached.prefix) in reason
    assert explanation.trip.upstream is None
    assert (explanation.way.status, explanation.way.body) == (200, b"/a")
    assert explanation.trip.lines[-1].text == "the cache answers: 200 OK"
    assert sorted(os.walk(cached.prefix / "cache")) == before


def test_miss(cached: Nginx) -> None:
    explanation = look(cached, "/b")
    status, reason = verdict(explanation)
    assert status == "MISS" and reason.startswith(f"there is no file {cached.prefix}/cache/")
    assert explanation.trip.upstream is not None
    assert explanation.trip.upstream.cache_status == "MISS"


def test_variant(cached: Nginx) -> None:
    assert verdict(look(cached, "/a", "X-V: other"))[0] == "MISS"


def test_expired(cached: Nginx) -> None:
    explanation = look(cached, "/a", later=120)
    status, reason = verdict(explanation)
    assert status == "EXPIRED" and " expired " in reason and reason.endswith(" ago")
    upstream = explanation.trip.upstream
    assert upstream is not None and b"If-Modified-Since" not in upstream.head


def test_revalidation(cached: Nginx) -> None:
    upstream = look(cached, "/again/a", later=120).trip.upstream
    assert upstream is not None
    assert b"If-Modified-Since: Mon, 30 Nov 2026 00:00:00 GMT\r\n" in upstream.head


def test_stale(cached: Nginx) -> None:
    explanation = look(cached, "/stale/a", later=120)
    assert verdict(explanation)[0] == "STALE"
    assert (explanation.way.status, explanation.way.body) == (200, b"/stale/a")


def test_bypass(cached: Nginx) -> None:
    assert verdict(look(cached, "/bypass/a"))[0] == "HIT"
    assert verdict(look(cached, "/bypass/a?no=0"))[0] == "HIT"
    explanation = look(cached, "/bypass/a?no=1")
    assert verdict(explanation) == ("BYPASS", "$arg_no $http_x")
    assert explanation.trip.upstream is not None


def test_method_that_is_not_cached(cached: Nginx) -> None:
    explanation = look(cached, "/a", method="POST")
    assert not any(line.name == "cache" for line in explanation.trip.lines)


def test_file_that_is_broken(cached: Nginx) -> None:
    for directory, _, names in os.walk(cached.prefix / "cache"):
        for name in names:
            with open(f"{directory}/{name}", "r+b") as file:
                file.truncate(10)
    status, reason = verdict(look(cached, "/a"))
    assert status == "MISS" and reason.endswith("is too small")
