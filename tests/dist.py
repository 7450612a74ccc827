"""Checks what ``make dist`` has built: ``python -m tests.dist DIRECTORY``.

The files must have all that is needed and nothing else, and a clean virtual environment with the
wheel must check a configuration and serve a request.
"""

from __future__ import annotations

import getpass
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

from .ports import free_port

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "pyngx_jwt"
DATA = ("py.typed", ".json", ".lua", ".html")  # what is not Python, and is needed to run
# The first folders, or files, that may be in the archives.
IN_SDIST = {
    *("CHANGELOG.md", "LICENSE", "MANIFEST.in", "PKG-INFO", "README.md", "pyngx_jwt"),
    *("pyngx_jwt.egg-info", "pyproject.toml", "setup.cfg", "setup.py"),
}
CONF = """
user {user};  # an interpreter below /root is of no use to others
events {{}}
http {{
    server {{
        listen 127.0.0.1:{port};
        location / {{ return 200 "served by a wheel"; }}
        location /api/ {{
            auth_jwt "API";
            auth_jwt_key_file keys.json;
            return 200;
        }}
    }}
}}
"""
DEADLINE = 30.0  # seconds that a start may take


class Wrong(Exception):
    """What is wrong with an archive."""


def main(arguments: list[str]) -> int:
    folder = Path(arguments[0])
    try:
        for wheel in folder.glob("*.whl"):
            check_wheel(wheel)
        for sdist in folder.glob("*.tar.gz"):
            check_sdist(sdist)
        for wheel in usable(folder):
            check_installed(wheel, arguments[1:] or [sys.executable])
    except Wrong as wrong:
        print(wrong, file=sys.stderr)
        return 1
    return 0


def data_files() -> set[str]:
    """The files beside the code that have to be installed, as an archive names them."""
    paths = (path for path in PACKAGE.rglob("*") if path.is_file())
    return {str(path.relative_to(ROOT)) for path in paths if path.name.endswith(DATA)}


def check_wheel(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    expect(wheel, data_files() - names, "lacks")
    folders = {name.split("/")[0] for name in names}
    others = {x for x in folders if x != "pyngx_jwt" and not x.endswith(".dist-info")}
    # mypyc has a module of its own beside the package.
    expect(wheel, {x for x in others if "__mypyc" not in x}, "should not have")


def check_sdist(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()} - {""}
    expect(sdist, data_files() - names, "lacks")
    expect(sdist, {name for name in names if name.split("/")[0] not in IN_SDIST}, "should not have")


def expect(archive: Path, wrong: set[str], verb: str) -> None:
    if wrong:
        raise Wrong(f"{archive.name} {verb} {', '.join(sorted(wrong))}")


def usable(folder: Path) -> list[Path]:
    """The wheels that this interpreter takes, by their names."""
    tag = f"cp{sys.version_info[0]}{sys.version_info[1]}-"
    return [x for x in folder.glob("*.whl") if "-py3-none-any" in x.name or tag in x.name]


def check_installed(wheel: Path, interpreters: list[str]) -> None:
    for interpreter in interpreters:
        with tempfile.TemporaryDirectory() as name:
            _check_in(Path(name), wheel, interpreter)


def _check_in(folder: Path, wheel: Path, interpreter: str) -> None:
    run(interpreter, "-m", "venv", str(folder / "venv"))
    run(str(folder / "venv/bin/pip"), "install", "-q", str(wheel))
    pyngx = str(folder / "venv/bin/pyngx")
    port = free_port()
    (folder / "nginx.conf").write_text(CONF.format(port=port, user=getpass.getuser()))
    run(pyngx, "token", "--key", str(folder / "key"), "--jwks-out", str(folder / "keys.json"))
    run(pyngx, "-t", "-p", str(folder), "-e", "stderr")
    process = subprocess.Popen([pyngx, "-p", str(folder), "-g", "daemon off;"])
    try:
        text = fetch(f"http://127.0.0.1:{port}/", process)
    finally:
        process.terminate()
        process.wait()
    if text != b"served by a wheel":
        raise Wrong(f"{wheel.name} answers {text!r}")
    version = subprocess.check_output([interpreter, "--version"], text=True).strip()
    print(f"{wheel.name}: checks and serves on {version}")


def fetch(url: str, process: subprocess.Popen[bytes]) -> bytes:
    until = time.monotonic() + DEADLINE
    while process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=DEADLINE) as response:
                body: bytes = response.read()
                return body
        except ConnectionError as error:
            failure: Exception = error
        except urllib.error.URLError as error:
            failure = error
        if time.monotonic() > until:
            raise Wrong(f"{url}: {failure}")
        time.sleep(0.05)
    raise Wrong(f"pyngx ended with {process.returncode}")


def run(*command: str) -> None:
    ended = subprocess.run(command, capture_output=True, text=True)
    if ended.returncode:
        raise Wrong(f"{' '.join(command)}: {ended.stdout}{ended.stderr}")


def extras() -> dict[str, list[str]]:
    """The optional dependencies of the project."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found: dict[str, list[str]] = project["optional-dependencies"]
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
