"""pyngx_dashboard: a page that shows what the API says, also in a browser."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ..nginx import Nginx

pytestmark = pytest.mark.pyngx_only("a directive of our own")
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--hide-scrollbars", "--window-size=1200,900"),
)
PAGE = """
    status_zone site;
    location = / { pyngx_dashboard api=/status/api; }
    location /status/api/ { api; }
    location /a { status_zone pages; proxy_pass http://backend; }
    """
GROUP = """
    upstream backend {
        zone backend 64k;
        server 127.0.0.1:%%PORT_up%%;
        server 127.0.0.1:%%PORT_none%% down;
    }
    """


STREAM = """
    stream {
        upstream behind { zone behind 64k; server 127.0.0.1:%%PORT_up%%; }
        server { listen 127.0.0.1:%%PORT_stream%%; status_zone front; proxy_pass behind; }
    }
    """
SHARED = """
    pyngx_zone_store redis://127.0.0.1:%%PORT_none%%;
    keyval_zone zone=sessions:32k sync;
    """


def test_the_page(nginx: Nginx) -> None:
    nginx(PAGE, http=GROUP)
    answer = nginx.request("GET /")
    assert answer.status == 200
    assert answer.get("Content-Type") == "text/html; charset=utf-8"
    assert 'data-api="/status/api/"' in answer.text
    assert "default-src 'none'" in str(answer.get("Content-Security-Policy"))
    assert not re.search(r"https?://|src=|href=", answer.text)  # nothing is loaded
    titles = re.findall("<h2>(.+?)</h2>", answer.text)
    assert "Queues" in titles and "Groups of servers" in titles and "Groups" not in titles
    assert nginx.request("POST /").status == 405


def test_rejected(nginx: Nginx) -> None:
    for parameter in ("api=api", "api=//host/", "x=/", "api="):
        nginx.rejects(f"pyngx_dashboard {parameter};", f'invalid parameter "{parameter}"')


@pytest.mark.skipif(BROWSER is None, reason="chromium is not installed")
def test_in_a_browser(nginx: Nginx, tmp_path: Path) -> None:
    """The page asks the API, within its own policy."""
    servers = ["listen 127.0.0.1:%%PORT_up%%; return 200 hello;"]
    nginx(PAGE, http=GROUP + SHARED, servers=servers, main=STREAM)
    assert b"400 Bad Request" in nginx.raw(b"x y\r\n\r\n", "stream")
    for _ in range(3):
        assert nginx.request("GET /a").status == 200
    shot = tmp_path / "page.png"
    assert BROWSER is not None
    done = subprocess.run(
        [
            BROWSER,
            *FLAGS,
            f"--user-data-dir={tmp_path / 'profile'}",
            "--virtual-time-budget=8000",
            f"--screenshot={shot}",
            "--dump-dom",
            f"http://127.0.0.1:{nginx.port()}/",
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    found, _, script = done.stdout.partition("<script>")
    assert script
    assert "no answer of the API" not in found
    peers = ("backend / 127.0.0.1:%%PORT_up%%", "behind / 127.0.0.1:%%PORT_up%%")
    shown = ("site", "pages", "requests/s", "front", "sessions", "TLS fails", "0 / 0")
    for text in (*shown, *map(nginx.filled, peers)):
        assert text in found
    assert '<td class="up">up</td>' in found and '<td class="down">down</td>' in found
    assert "Content Security Policy" not in done.stderr
