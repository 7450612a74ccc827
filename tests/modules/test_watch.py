"""pyngx_watch in a running server."""

from __future__ import annotations

import time

import pytest

from ..authority import Authority
from ..nginx import Nginx
from ..wire import DEADLINE

pytestmark = pytest.mark.pyngx_only("a directive of our own")
processes = pytest.mark.parametrize("master", ["on", "off"])
WATCH = "pyngx_watch on quiet=100ms; master_process {};"


def wait_for(nginx: Nginx, text: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while nginx.request("GET /").text != text:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def replace(nginx: Nginx, path: str, content: str) -> None:
    """Writes a file that is never seen half written."""
    nginx.write("new", content).rename(nginx.prefix / path)


@processes
def test_included_files(nginx: Nginx, master: str) -> None:
    """They are loaded again, also those that are new; what is wrong is not."""
    nginx(
        "include conf.d/*.conf;",
        main=WATCH.format(master),
        files={"conf.d/a.conf": "location / { return 200 one; }"},
    )
    assert nginx.request("GET /").text == "one"
    replace(nginx, "conf.d/a.conf", "location / { return 200 two; }")
    wait_for(nginx, "two")
    nginx.trouble_is_expected = True
    replace(nginx, "conf.d/b.conf", "nonsense;")
    nginx.wait_for_log(r'\[emerg\].* unknown directive "nonsense"')
    assert nginx.request("GET /").text == "two"
    replace(nginx, "conf.d/b.conf", "add_header X new;")
    deadline = time.monotonic() + DEADLINE
    while nginx.request("GET /").get("X") != "new":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert nginx.error_log().count("the files of the configuration have changed") == 3


def test_certificates(nginx: Nginx) -> None:
    files: dict[str, str] = {}
    for name in ("first", "second"):
        made = Authority(f"{name}.example")
        files |= {f"{name}/crt": made.pem, f"{name}/key": made.key_pem()}
    (nginx.prefix / "now").symlink_to("first")
    nginx(
        "location / { return 200 $ssl_server_name; }",
        listen="127.0.0.1:%%PORT%%",
        main="pyngx_watch on; master_process on;",
        servers=[
            "listen 127.0.0.1:%%PORT_tls%% ssl; ssl_certificate now/crt; "
            "ssl_certificate_key now/key;"
        ],
        files=files,
    )
    (nginx.prefix / "next").symlink_to("second")
    (nginx.prefix / "next").rename(nginx.prefix / "now")  # both at once
    nginx.wait_for_log("the files of the configuration have changed")
    nginx.wait_for_log("gracefully shutting down")


def test_rejected(nginx: Nginx) -> None:
    nginx.rejects("", 'invalid parameter "quiet=x"', main="pyngx_watch on quiet=x;")
    text = 'invalid value "yes" in "pyngx_watch" directive, it must be "on" or "off"'
    nginx.rejects("", text, main="pyngx_watch yes;")
    nginx.rejects(
        "", '"pyngx_watch" directive is duplicate', main="pyngx_watch on; pyngx_watch on;"
    )
