"""Clients that people use, over HTTP/3: Chromium and curl."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ..nginx import Nginx
from .test_http3 import FILES, OWN, QUIC, TLS

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
CURL = shutil.which("curl")
PARTS = 30
PAGE = """<!doctype html><title>-</title><body><script>
const parts = [...Array(%d).keys()].map(n => fetch("/part?" + n).then(r => r.text()));
const sent = fetch("/echo", {method: "POST", body: "x".repeat(300000)}).then(r => r.text());
Promise.all([...parts, sent]).then(texts => { document.title = [...new Set(texts)].join(" "); });
</script>"""
SERVER = """
    listen 127.0.0.1:%%PORT%% ssl;
    http2 on;
    client_body_buffer_size 1m;
    location / { default_type text/html; root html; index page; }
    location /part { return 200 "$server_protocol"; }
    location /echo { proxy_pass http://127.0.0.1:%%PORT_up%%; }
    """
UP = """
    listen 127.0.0.1:%%PORT_up%%; client_body_buffer_size 1m;
    location / { return 200 "$content_length"; }
    """


@cache
def speaks_http3() -> bool:
    """Whether this curl does."""
    if CURL is None:
        return False
    return "HTTP3" in subprocess.check_output([CURL, "-V"], text=True)


def serve(nginx: Nginx) -> None:
    files = {**FILES, "html/page": PAGE % PARTS}
    nginx(SERVER, http=TLS, listen=QUIC, servers=[UP], files=files)


def pin() -> str:
    """The key that Chromium is to take, whoever has signed it."""
    key = OWN.certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(key).digest()).decode()


@pytest.mark.needs("http_v3_module")
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_chromium(nginx: Nginx, tmp_path: Path) -> None:
    """A page with thirty parts and a body to send."""
    serve(nginx)
    address = f"localhost:{nginx.port()}"
    command = [
        str(CHROMIUM),
        *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
        *("--no-first-run", "--disable-background-networking", "--no-proxy-server"),
        "--host-resolver-rules=MAP localhost 127.0.0.1",
        f"--user-data-dir={tmp_path / 'profile'}",
        f"--ignore-certificate-errors-spki-list={pin()}",
        *("--enable-quic", f"--origin-to-force-quic-on={address}"),
        *("--virtual-time-budget=30000", "--dump-dom", f"https://{address}/"),
    ]
    environment = {**os.environ, "HOME": str(tmp_path)}
    page = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=120, env=environment
    ).stdout.decode()
    title = re.search("<title>(.*?)</title>", page)
    assert title and title[1] == "HTTP/3.0 300000"


@pytest.mark.needs("http_v3_module")
@pytest.mark.skipif(not speaks_http3(), reason="there is no curl with HTTP/3")
def test_curl(nginx: Nginx) -> None:
    serve(nginx)
    url = f"https://localhost:{nginx.port()}/part"
    command = [str(CURL), "-sk", "--http3-only", "--resolve", f"localhost:{nginx.port()}:127.0.0.1"]
    assert subprocess.check_output([*command, url], text=True) == "HTTP/3.0"
