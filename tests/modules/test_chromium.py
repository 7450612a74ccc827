"""A browser: Debian's Chromium, without a screen."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from ..authority import Authority
from ..nginx import Nginx

CHROMIUM = shutil.which("chromium") or ""
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed")

SERVER = Authority("localhost", ["localhost"])
FILES: dict[str, str | bytes] = {
    "server.pem": SERVER.pem,
    "server.key": SERVER.key_pem(),
    "html/index.html": """<!doctype html><title>page</title><body><script>
        const body = "x".repeat(100000)
        const ask = number => fetch("/api/" + number, {method: "POST", body})
        Promise.all([...Array(30).keys()].map(ask))
            .then(answers => Promise.all(answers.map(answer => answer.text())))
            .then(texts => document.body.textContent = texts.join(" ") + " end")
        </script>""",
}
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--ignore-certificate-errors", "--virtual-time-budget=20000", "--dump-dom"),
)


def page(nginx: Nginx) -> str:
    """What the page has become once its script has run."""
    profile = f"--user-data-dir={nginx.prefix / 'profile'}"
    command = [CHROMIUM, *OPTIONS, profile, f"https://localhost:{nginx.port()}/"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


@pytest.mark.parametrize("http2, protocol", [("on", "HTTP/2.0"), ("off", "HTTP/1.1")])
def test_a_page_with_thirty_requests(nginx: Nginx, http2: str, protocol: str) -> None:
    """One connection is enough for HTTP/2; they bring bodies, and go through an upstream."""
    nginx(
        "ssl_certificate server.pem; ssl_certificate_key server.key;"
        f"http2 {http2}; root html; location /api/ {{"
        "proxy_set_header X-Told $server_protocol:$connection;"
        "proxy_pass http://127.0.0.1:%%PORT_up%%; }",
        listen="127.0.0.1:%%PORT%% ssl",
        servers=[
            "listen 127.0.0.1:%%PORT_up%%;"
            'location / { return 200 "$uri:$content_length:$http_x_told"; }'
        ],
        files=FILES,
    )
    text = page(nginx)
    _, _, inside = text.partition("<body>")
    words = inside.partition(" end")[0].split()
    told = [word.split(":") for word in words]
    assert [uri for uri, *_ in told] == [f"/api/{number}" for number in range(30)], text
    assert {(size, spoken) for _, size, spoken, _ in told} == {("100000", protocol)}
    if http2 == "on":
        assert len({connection for *_, connection in told}) == 1
