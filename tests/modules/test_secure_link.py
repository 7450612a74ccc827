"""secure_link: links with a hash and an expiry time."""

from __future__ import annotations

import base64
import hashlib

import pytest

from ..nginx import Nginx

pytestmark = pytest.mark.needs("http_secure_link_module")
FUTURE, PAST = 4102444800, 1000000000


def signed(text: str) -> str:
    digest = hashlib.md5(text.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def test_hashes_and_times(nginx: Nginx) -> None:
    nginx("""
        location / {
            secure_link $arg_h,$arg_e;
            secure_link_md5 "secret$uri$arg_e";
            return 200 "[$secure_link,$secure_link_expires]";
        }
        location /forever { secure_link $arg_h; secure_link_md5 "secret$uri";
                            return 200 [$secure_link]; }
        location /unset { secure_link $arg_h; return 200 [$secure_link]; }
        """)
    good, old = signed(f"secret/a{FUTURE}"), signed(f"secret/a{PAST}")
    assert nginx.request(f"GET /a?h={good}&e={FUTURE}").text == f"[1,{FUTURE}]"
    assert nginx.request(f"GET /a?h={old}&e={PAST}").text == f"[0,{PAST}]"
    assert nginx.request(f"GET /b?h={good}&e={FUTURE}").text == f"[,{FUTURE}]"
    assert nginx.request(f"GET /a?h={good}&e={FUTURE}0").text == f"[,{FUTURE}0]"
    assert nginx.request(f"GET /a?h={good}").text == "[,]"
    assert nginx.request(f"GET /a?h=x&e={FUTURE}").text == f"[,{FUTURE}]"
    assert nginx.request(f"GET /a?h={good}&e=x").text == "[,]"
    assert nginx.request(f"GET /forever?h={signed('secret/forever')}").text == "[1]"
    assert nginx.request(f"GET /forever?h={signed('secret/forever')}===").text == "[]"
    assert nginx.request(f"GET /unset?h={good}").text == "[]"


def test_guards_a_location(nginx: Nginx) -> None:
    nginx.write("html/a", "text")
    nginx("""
        secure_link $arg_h; secure_link_md5 "$uri secret";
        location / { if ($secure_link = "") { return 403; } }
        """)
    assert nginx.request(f"GET /a?h={signed('/a secret')}").text == "text"
    nginx.exchange("> GET /a\n< 403\n\n> GET /a?h=x\n< 403")


def test_links_with_a_secret(nginx: Nginx) -> None:
    nginx("""
        location /p/ { secure_link_secret word; return 200 "[$secure_link]"; }
        location /n { secure_link_secret word; return 200 "[$secure_link]"; }
        """)
    digest = hashlib.md5(b"a/b?c=dword").hexdigest()
    assert nginx.request(f"GET /p/{digest}/a/b?c=d").text == "[a/b?c=d]"
    assert nginx.request(f"GET /p/{digest.upper()}/a/b?c=d").text == "[a/b?c=d]"
    assert nginx.request(f"GET /p/{digest}/a").text == "[]"
    assert nginx.request(f"GET /p/{digest[:31]}x/a/b?c=d").text == "[]"
    assert nginx.request(f"GET /p/{digest}").text == "[]"
    assert nginx.request("GET /n").text == "[]"


def test_both_forms_exclude_each_other(nginx: Nginx) -> None:
    nginx.rejects(
        "location / { secure_link_secret word; secure_link $arg_h; }",
        '"secure_link_secret" cannot be mixed with "secure_link" and "secure_link_md5"',
    )
