"""auth_jwt: which requests pass."""

from __future__ import annotations

import time

import pytest

from ..nginx import Nginx
from .tokens import FILES, KEY, KEYS, OTHER, bearer, tampered, token

pytestmark = pytest.mark.needs("auth-jwt")
PROTECTED = f"""
    {KEYS}
    location / {{ auth_jwt "API"; root html; }}
"""


def test_valid_token_passes(nginx: Nginx) -> None:
    nginx(PROTECTED, files={**FILES, "html/a": "content"})
    nginx.exchange(f"""
        > GET /a
        > {bearer()}
        < 200
        <
        < content

        > GET /a
        < 401 Unauthorized
        < WWW-Authenticate: Bearer realm="API"

        > GET /a
        > Authorization: Bearer {tampered(token())}
        < 401
        < WWW-Authenticate: Bearer realm="API", error="invalid_token"
        """)
