"""OpenSSL's shared library, and what is said where it is missing."""

from __future__ import annotations

import pytest

from pyngx_jwt.errors import ConfError
from pyngx_jwt.tls import library


def test_missing_library(monkeypatch: pytest.MonkeyPatch) -> None:
    version = library.openssl.OpenSSL_version_num()
    monkeypatch.setattr(library, "_candidates", lambda: ["/nonexistent/libssl.so", None])
    monkeypatch.setattr(library, "OLDEST", 0x90000000)  # what the interpreter has is too old
    with pytest.raises(ConfError, match=r"^TLS needs the shared library of OpenSSL 3\.0 or newer$"):
        _ = library.OpenSsl().SSL_new
    assert library.openssl.OpenSSL_version_num() == version  # what was open before still is


def test_functions_of_newer_versions() -> None:
    assert library.openssl.has("SSL_new")
    assert not library.openssl.has("SSL_no_such_function")


def test_loaded_when_it_is_used() -> None:
    """Parsing the declarations takes time, which a server without TLS does not spend."""
    assert "functions" not in vars(library.OpenSsl())
