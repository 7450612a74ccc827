"""Secrets, and names of files with them, in directives that take no variables."""

from __future__ import annotations

import re

import pytest

from ..nginx import Nginx

pytestmark = pytest.mark.nginx_differs(
    "the modules, and nginx, take a variable's name as it stands"
)
TOLD = 'variables are not supported in "{}", its {} would be used literally'


@pytest.mark.parametrize(
    "dialect, line, what",
    [
        ("maxlt", "auth_jwt_key $secret;", "secret"),
        ("maxlt", "auth_jwt_key $secret utf8;", "secret"),
        ("maxlt", "auth_jwt_key ${secret} utf8;", "secret"),
        ("maxlt", 'auth_jwt_key "a${secret}b" utf8;', "secret"),
        ("maxlt", "auth_jwt_key $secret hex;", "secret"),
        ("maxlt", "auth_jwt_key $secret base64;", "secret"),
        ("maxlt", "auth_jwt_key $file file;", "file name"),
        ("maxlt", "auth_jwt_key keys/$host.pem file;", "file name"),
        ("tesla", "auth_jwt_key $secret;", "secret"),
        ("tesla", "auth_jwt_key ${secret};", "secret"),
        ("tesla", "auth_jwt_keyfile_path keys/${host}.pem;", "file name"),
        ("tizp", "auth_jwt_key_file $file;", "file name"),
        ("plus", "proxy_ssl_password_file $file;", "file name"),
    ],
)
def test_variables(nginx: Nginx, dialect: str, line: str, what: str) -> None:
    told = TOLD.format(line.split()[0], what)
    nginx.rejects(line, told, line=1, http=f"pyngx_jwt_dialect {dialect};")


def test_dollars_of_a_secret(nginx: Nginx) -> None:
    """Which is text; but it is told how it was understood, and not which it is."""
    told = nginx.accepts('auth_jwt_key "pa$word-and-$2024-of-32-characters" utf8;')
    assert re.search(r'\[warn\] .*"\$" in "auth_jwt_key" is literal', told)
    assert "pa$word" not in told
