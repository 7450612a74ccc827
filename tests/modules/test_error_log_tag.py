"""error_log_tag: fields of messages about requests."""

from __future__ import annotations

import pytest

from ..nginx import Nginx

pytestmark = pytest.mark.pyngx_only("of NGINX Plus")


def test_fields(nginx: Nginx) -> None:
    """Of the level itself, or of the one around it."""
    nginx(
        """
        error_log_tag server outer; error_log_tag kind $arg_kind;
        location /inherited/ { root html; }
        location /own/ { error_log_tag uri "at $uri"; root html; }
        """,
    )
    nginx.request("GET /inherited/x?kind=%22a")
    assert nginx.wait_for_log("/inherited/x").endswith(', server: "outer", kind: "%22a"')
    nginx.request("GET /own/x")
    assert nginx.wait_for_log("/own/x").endswith(', uri: "at /own/x"')


def test_nothing_looks_like_another_field(nginx: Nginx) -> None:
    nginx("error_log_tag agent $http_user_agent; location / { root html; }")
    nginx.request("GET /x", 'User-Agent: a", client: "b\\')
    assert nginx.wait_for_log("/x").endswith(r', agent: "a\x22, client: \x22b\x5C"')


def test_a_value_that_logs_itself(nginx: Nginx) -> None:
    """A variable without a value is warned of."""
    nginx(
        "error_log_tag own $own; error_log logs/error.log info;"
        "location / { root html; } location /set { set $own x; }"
    )
    assert nginx.request("GET /x").status == 404
    nginx.wait_for_log('using uninitialized "own" variable')
    assert nginx.wait_for_log("open.. .*failed").endswith(', own: ""')
