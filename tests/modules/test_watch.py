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


@processes
def test_included_files(nginx: Nginx, master: str) -> None:
    """They are loaded again, also those that are new; what is wrong is not."""
    nginx(
        "include conf.d/*.conf;",
        main=WATCH.format(master),
        files={"conf.d/a.conf": "location / { return 200 one; }"},
    )
    assert nginx.request("GET /").text == "one"
    nginx.write("conf.d/a.conf", "location / { return 200 two; }")
    wait_for(nginx, "two")
    nginx.trouble_is_expected = True
    nginx.write("conf.d/b.conf", "nonsense;")
    nginx.wait_for_log(r'\[emerg\].* unknown directive "nonsense"')
    assert nginx.request("GET /").text == "two"
    nginx.write("conf.d/b.conf", "add_header X new;")
    deadline = time.monotonic() + DEADLINE
    while nginx.request("GET /").get("X") != "new":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert nginx.error_log().count("the files of the configuration have changed") == 3


def test_certificates(nginx: Nginx) -> None:
    first, second = Authority("a.example"), Authority("b.example")
    nginx(
        "location / { return 200 $ssl_server_name; }",
        listen="127.0.0.1:%%PORT%%",
        main="pyngx_watch on; master_process on;",
        servers=[
            "listen 127.0.0.1:%%PORT_tls%% ssl; ssl_certificate one.crt; "
            "ssl_certificate_key one.key;"
        ],
        files={"one.crt": first.pem, "one.key": first.key_pem()},
    )
    nginx.write("one.key", second.key_pem())
    nginx.write("one.crt", second.pem)
    nginx.wait_for_log("the files of the configuration have changed")
    nginx.wait_for_log("gracefully shutting down", seconds=15)


def test_rejected(nginx: Nginx) -> None:
    nginx.rejects("", 'invalid parameter "quiet=x"', main="pyngx_watch on quiet=x;")
    text = 'invalid value "yes" in "pyngx_watch" directive, it must be "on" or "off"'
    nginx.rejects("", text, main="pyngx_watch yes;")
    nginx.rejects(
        "", '"pyngx_watch" directive is duplicate', main="pyngx_watch on; pyngx_watch on;"
    )
