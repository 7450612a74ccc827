"""The hook for pre-commit: which files of a repository it lints."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

HOOK = (Path(__file__).parent.parent.parent / ".pre-commit-hooks.yaml").read_text()


def is_linted(path: str) -> bool:
    """As pre-commit decides it: the expression is searched for in the path."""
    match = re.search(r"^  files: (.+)$", HOOK, re.MULTILINE)
    assert match is not None
    return re.search(match[1], path) is not None


@pytest.mark.parametrize(
    "path",
    [
        *("nginx.conf", "deploy/nginx.conf", "nginx-proxy.conf", "site.nginx.conf"),
        *("conf.d/default.conf", "etc/nginx/conf.d/a/b.conf", "snippets/tls.conf"),
        *("sites-available/example.org", "etc/nginx/sites-enabled/default"),
        *("templates/default.conf.template", "nginx/snippets/proxy.conf"),
    ],
)
def test_is_linted(path: str) -> None:
    assert is_linted(path)


@pytest.mark.parametrize(
    "path",
    [
        *("README.md", "php/conf.d/opcache.ini", "templates/index.html", "app.conf"),
        *("snippets/example.py", "my-conf.d/a.conf", "nginx.conf.md"),
    ],
)
def test_is_not_linted(path: str) -> None:
    assert not is_linted(path)
