"""internal_redirect: redirects after limits and access checks."""

from __future__ import annotations

import pytest

from ..nginx import Nginx

pytestmark = pytest.mark.pyngx_only("NGINX Plus has it")


def test_redirects_after_access_checks(nginx: Nginx) -> None:
    nginx("""
        location /named { internal_redirect @named; }
        location /uri { internal_redirect /target?$arg_x; }
        location /kept { internal_redirect /target; }
        location /denied { deny all; internal_redirect /target; }
        location /returned { internal_redirect /target; return 200 first; }
        location /empty { internal_redirect $arg_none; empty_gif; }
        location @named { return 200 "named $uri"; }
        location /target { internal; return 200 "target $args"; }
        location /cycle { internal_redirect /cycle; }
        """)
    answers = {
        "/named": "named /named",
        "/uri?x=a": "target a",
        "/kept?b": "target b",
        "/returned": "first",
    }
    assert {uri: nginx.request(f"GET {uri}").text for uri in answers} == answers
    nginx.exchange("> GET /denied\n< 403\n\n> GET /empty\n< 200\n\n> GET /cycle\n< 500")


def test_rejected(nginx: Nginx) -> None:
    nginx.rejects(
        "internal_redirect /a; internal_redirect /b;",
        '"internal_redirect" directive is duplicate',
    )
