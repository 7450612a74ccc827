"""What a configuration loads of TLS, and how often."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from pyngx_jwt.tls.errors import TlsError
from pyngx_jwt.tls.objects import TlsObjects

from ..authority import Authority

ONE = Authority("one.example")


def pipe(folder: Path, name: str, text: str) -> str:
    """A file that gives what it has to one reader, and keeps the next one waiting."""
    path = folder / name
    os.mkfifo(path)
    threading.Thread(target=lambda: path.write_text(text), daemon=True).start()
    return str(path)


def test_files_are_read_once(tmp_path: Path) -> None:
    certificate, key = pipe(tmp_path, "pem", ONE.pem), pipe(tmp_path, "key", ONE.key_pem())
    authority, crl = pipe(tmp_path, "root", ONE.pem), pipe(tmp_path, "crl", ONE.revoked())
    objects = TlsObjects()
    assert objects.pair(certificate, key, None) == objects.pair(certificate, key, None)
    assert objects.authorities(authority) is objects.authorities(authority)
    assert objects.crls(crl) is objects.crls(crl)


def test_a_certificate_and_an_authority_are_read_each_on_their_own(tmp_path: Path) -> None:
    (tmp_path / "pem").write_text(ONE.pem)
    (tmp_path / "key").write_text(ONE.key_pem())
    objects, name = TlsObjects(), str(tmp_path / "pem")
    assert objects.authorities(name) != objects.pair(name, str(tmp_path / "key"), None).chain


def test_the_password_of_one_server_does_not_serve_another(tmp_path: Path) -> None:
    (tmp_path / "pem").write_text(ONE.pem)
    (tmp_path / "key").write_text(ONE.key_pem(b"secret"))
    objects, pem, key = TlsObjects(), str(tmp_path / "pem"), str(tmp_path / "key")
    assert objects.pair(pem, key, [b"secret"])
    with pytest.raises(TlsError, match="cannot load certificate key"):
        objects.pair(pem, key, [b"wrong"])
