"""random_index: a random file of a directory is its index."""

from __future__ import annotations

import pytest

from ..nginx import Nginx

pytestmark = pytest.mark.needs("http_random_index_module")


def test_picks_files(nginx: Nginx) -> None:
    for name in ("a", "b", ".hidden"):
        nginx.write(f"html/d/{name}", name)
    nginx.write("html/d/sub/c", "c")
    nginx.write("html/index.html", "index")
    nginx.write("html/e/sub/x", "x")
    nginx("""
        location / { }
        location /d/ { random_index on; }
        location /e/ { random_index on; }
        location /none/ { random_index on; }
        """)
    texts = {nginx.request("GET /d/?x").text for _ in range(40)}
    assert texts == {"a", "b"}
    nginx.exchange("> GET /\n< 200\n<\n< index\n\n> GET /e/\n< 403\n\n> GET /none/\n< 404")
    assert "opendir() " in nginx.error_log()
