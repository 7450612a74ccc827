"""Bodies of HTTP/2 that are larger than what a worker may keep."""

from __future__ import annotations

import os
import subprocess

from ..backend import Peer
from ..nginx import Nginx
from .test_http2 import curl_path
from .test_http2_floods import KEPT, MEGABYTE, memory


def test_large_bodies_are_not_kept(nginx: Nginx) -> None:
    """64 MiB to the upstream, and as much from there."""
    size = 64 * MEGABYTE

    def script(peer: Peer) -> None:
        peer.head()
        for _ in range(size // MEGABYTE):
            peer.exactly(MEGABYTE)
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // MEGABYTE):
            peer.send(bytes(MEGABYTE))

    nginx.backend("up", script)
    nginx(
        "http2 on; client_max_body_size 0; proxy_request_buffering off;"
        "proxy_max_temp_file_size 0; location / { proxy_pass http://127.0.0.1:%%PORT_up%%; }",
        main="worker_processes 1;",
    )
    body = nginx.write("body", bytes(size))
    before = memory(nginx)
    command = [curl_path(), "-s", "--http2-prior-knowledge", "-H", "Expect:", "-T", str(body)]
    command += ["-o", os.devnull, "-w", "%{http_version} %{size_upload} %{size_download}"]
    url = f"http://127.0.0.1:{nginx.port()}/"
    told = subprocess.check_output([*command, url], env={"no_proxy": "*"}, text=True, timeout=60)
    assert told == f"2 {size} {size}"
    assert memory(nginx, "VmHWM") - before < KEPT
