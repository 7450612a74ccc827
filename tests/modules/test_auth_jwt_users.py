"""auth_jwt: key files that the workers, who are no longer root, cannot read."""

from __future__ import annotations

import grp
import os
import pwd
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..jwt.keys import jwks
from ..ports import free_port
from ..wire import DEADLINE
from .plain_keys import pem
from .tokens import FILES, KEY, OTHER, bearer

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="changes users")

NOBODY = f"nobody {grp.getgrgid(pwd.getpwnam('nobody').pw_gid).gr_name}"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody may enter, with key files in it."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o755)
        for file, content in FILES.items():
            (path / file).write_text(content)
        yield path


def write(folder: Path, server: str, http: str = "", user: str = "") -> Path:
    conf = folder / "nginx.conf"
    conf.write_text(
        f"user {user or NOBODY}; error_log error.log; pid nginx.pid; events {{ }} http {{ {http}\n"
        f"server {{ listen 127.0.0.1:1; location / {{\n{server}\n}} }} }}"
    )
    return conf


def run(*arguments: str | Path) -> tuple[int, str]:
    command = [sys.executable, "-m", "pyngx_jwt", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def checked(conf: Path) -> tuple[int, str]:
    return run("-t", "-p", conf.parent, "-c", conf)


def test_key_file_of_root(folder: Path) -> None:
    conf, path = write(folder, "auth_jwt A; auth_jwt_key_file jwks.json;"), folder / "jwks.json"
    assert checked(conf)[0] == 0
    path.chmod(0o600)
    text = f'"{path}" cannot be read by the user of the workers, "nobody" (13: Permission denied)'
    status, output = checked(conf)
    assert status == 1
    assert re.search(rf"\[emerg\] .*auth_jwt: {re.escape(f'{text} in {conf}:3')}", output), output
    _, output = run("lint", conf)
    assert f"{conf}:3:13: warn: auth_jwt: {text} [unusable-file]" in output
    folder.chmod(0o700)  # the folder of the copy that is looked at is of no interest
    _, output = run("lint", conf)
    assert "cannot be read" not in output


def test_folder_of_root(folder: Path) -> None:
    conf = write(folder, "auth_jwt A; auth_jwt_key_file keys/a.json;")
    (folder / "keys").mkdir(0o700)
    (folder / "keys/a.json").write_text(jwks(KEY))
    status, output = checked(conf)
    assert status == 1 and 'keys/a.json" cannot be read by the user of the workers' in output


@pytest.mark.parametrize(
    "dialect, server",
    [
        ("kjdev", "auth_jwt A; auth_jwt_key_file DIR/jwks.json;"),
        (
            "kjdev",
            "auth_jwt A; auth_jwt_key_file other.json; auth_jwt_revocation_list_sub jwks.json;",
        ),
        ("maxlt", "auth_jwt on; auth_jwt_key DIR/key.pem file;"),
        ("maxlt", "auth_jwt on; auth_jwt_key_file jwks.json;"),
        ("tizp", "auth_jwt A; auth_jwt_alg ES256; auth_jwt_key_file DIR/key.pem;"),
        (
            "tesla",
            "auth_jwt_algorithm ES256; auth_jwt_use_keyfile on;auth_jwt_keyfile_path DIR/key.pem;",
        ),
        ("tesla", "auth_jwt_enabled on; auth_jwt_key_file jwks.json;"),
    ],
)
def test_dialects_that_read_files_with_the_configuration(
    folder: Path, dialect: str, server: str
) -> None:
    """They start, and see changes by a reload as their modules do."""
    conf = write(folder, server.replace("DIR", str(folder)), f"pyngx_jwt_dialect {dialect};")
    (folder / "key.pem").write_text(pem(KEY))
    for name in ("jwks.json", "key.pem"):
        (folder / name).chmod(0o600)
    status, output = checked(conf)
    assert status == 0
    assert re.search(
        r'\[warn\] .*(?:jwks\.json|key\.pem)" cannot be read by the user of the workers, "nobody" '
        r"\(13: Permission denied\), changes are seen by a reload only in .*nginx\.conf:[23]",
        output,
    )
    _, output = run("lint", conf)
    assert re.search(r'warn: auth_jwt: ".*" cannot be read by .*\[unusable-file\]', output)


def test_groups_count(folder: Path) -> None:
    conf = write(folder, "auth_jwt A; auth_jwt_key_file jwks.json;")
    os.chown(folder / "jwks.json", 0, pwd.getpwnam("nobody").pw_gid)
    (folder / "jwks.json").chmod(0o640)
    assert checked(conf)[0] == 0


def test_root_itself(folder: Path) -> None:
    conf = write(folder, "auth_jwt A; auth_jwt_key_file jwks.json;", user="root")
    (folder / "jwks.json").chmod(0o600)
    assert checked(conf)[0] == 0


def test_rotation_by_root(folder: Path) -> None:
    """A new file that the workers cannot read leaves the last keys in force."""
    port = free_port()
    conf = write(folder, "root html; auth_jwt A; auth_jwt_key_file jwks.json;")
    conf.write_text(conf.read_text().replace("127.0.0.1:1;", f"127.0.0.1:{port};"))
    (folder / "html").mkdir()
    (folder / "html/a").write_text("content")
    options = ["-p", str(folder), "-c", str(conf), "-g", "daemon off;"]
    server = subprocess.Popen([sys.executable, "-m", "pyngx_jwt", *options])
    try:
        until(lambda: status(port, bearer()) == 200)
        for mode in (0o600, 0o644):
            (folder / "new").write_text(jwks(OTHER))
            (folder / "new").chmod(mode)
            (folder / "new").rename(folder / "jwks.json")
            if mode == 0o600:
                began = time.monotonic()
                while time.monotonic() - began < 3.2:  # three looks
                    assert status(port, bearer()) == 200
                    time.sleep(0.05)
                assert (folder / "error.log").read_text().count(LAST) == 1
        until(lambda: status(port, bearer(OTHER)) == 200)
        assert status(port, bearer()) == 401
    finally:
        server.terminate()
        server.wait(DEADLINE)


LAST = "cannot be used: (13: Permission denied); its last keys are still used"


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def status(port: int, line: str) -> int:
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as client:
            client.sendall(f"GET /a HTTP/1.0\r\n{line}\r\n\r\n".encode())
            return int(client.makefile("rb").readline().split()[1])
    except OSError:
        return 0
