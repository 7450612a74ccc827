"""What the key server is sent."""

from __future__ import annotations

import re

import pytest

from ..kit import Linter

RULE = "jwks-leaks-credentials"
TEXT = """
    location / { auth_jwt "a"; auth_jwt_key_request /_jwks; }
    location = /_jwks { internal; %s proxy_pass http://127.0.0.1:1; }
    """


def _told(linter: Linter, inside: str) -> list[str]:
    messages = [f.message for f in linter.of(RULE, TEXT % inside)]
    before, after = "the client's ", r" (is|are) sent to the key server"
    return [re.sub(after, "", text.removeprefix(before)) for text in messages]


def test_each_field(linter: Linter) -> None:
    assert _told(linter, "") == ["Authorization and Cookie"]
    assert _told(linter, 'proxy_set_header authorization "";') == ["Cookie"]
    assert _told(linter, NONE) == []
    assert _told(linter, "proxy_pass_request_headers off;") == []


NONE = 'proxy_set_header Authorization ""; proxy_set_header Cookie "";'


@pytest.mark.parametrize(
    ("rule", "inside"), [("jwks-not-cached", ""), (RULE, ""), ("jwks-compressed", NONE)]
)
def test_pyngx_has_none_of_these_faults(linter: Linter, rule: str, inside: str) -> None:
    text = TEXT % inside
    assert linter.of(rule, text) and linter.of(rule, text, target="plus")
    assert not linter.of(rule, text, target="pyngx")
    claim = f"auth_jwt_validate_claim iss x; {text}"
    assert not linter.of(rule, claim, context="http.server")


def test_a_value_of_our_own(linter: Linter) -> None:
    fields = 'proxy_set_header Authorization "Basic eDp5"; proxy_set_header Cookie %s;'
    assert _told(linter, fields % '""') == []
    assert _told(linter, fields % "$http_cookie") == ["Cookie"]
    assert _told(linter, fields % "s=$cookie_s") == ["Cookie"]
