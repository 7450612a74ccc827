"""The output of "nginx -T" can be explained, on any machine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ..jwt.keys import jwks
from .setups import CLAIMS, FORGED, KEY

ROOT = Path(__file__).parents[2]
URL = "https://api.example/x"
DUMP = """nginx: configuration file /etc/elsewhere/nginx.conf test is successful
# configuration file /etc/elsewhere/nginx.conf:
user nobody-here;
events { }
http {
    include conf.d/*.conf;
    include mime.types;
}

# configuration file /etc/elsewhere/mime.types:
types { text/html html; }

# configuration file /etc/elsewhere/conf.d/api.conf:
server {
    listen 443 ssl; server_name api.example;
    ssl_certificate api.pem; ssl_certificate_key api.key;
    auth_jwt api; auth_jwt_type signed; auth_jwt_key_file keys.json;
    location / { proxy_pass http://backend:9000; }
}

"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "dump.txt").write_text(DUMP)
    (tmp_path / "jwks.json").write_text(jwks(KEY))
    return tmp_path


def run(directory: Path, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pyngx_jwt", "explain", *words]
    environment = {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, cwd=directory, env=environment, input=stdin, text=True, capture_output=True
    )


def explained(directory: Path, *words: str, stdin: str = "") -> dict[str, object]:
    result = run(directory, "--format", "json", *words, URL, stdin=stdin)
    assert result.returncode == 0, result.stderr
    document: dict[str, object] = json.loads(result.stdout)
    return document


def outcome(document: dict[str, object]) -> tuple[object, object]:
    result = document["outcome"]
    assert isinstance(result, dict)
    return result["verdict"], result["status"]


def test_dump(directory: Path) -> None:
    good, forged = KEY.sign(CLAIMS), FORGED.sign(CLAIMS)
    document = explained(directory, "-c", "dump.txt", "--token", good)
    assert document["configuration"] == "/etc/elsewhere/nginx.conf"
    assert outcome(document)[0] == "unknown"
    remarks = document["remarks"]
    assert isinstance(remarks, list)
    assert remarks[0].startswith("a dump of nginx -T; ")
    assert 'getpwnam("nobody-here") failed in /etc/elsewhere/nginx.conf:1' in remarks[1]
    assert 'cannot load certificate "/etc/elsewhere/api.pem"' in remarks[2]
    keys = ("-c", "dump.txt", "--jwks", "jwks.json", "--token")
    assert outcome(explained(directory, *keys, good)) == ("admitted", None)
    assert outcome(explained(directory, *keys, forged)) == ("refused", 401)


def test_lines_are_those_of_the_files(directory: Path) -> None:
    document = explained(directory, "-c", "dump.txt")
    checks = document["checks"]
    assert isinstance(checks, list)
    places = {(line["directive"], line["file"], line["line"]) for line in checks}
    assert ("auth_jwt", "/etc/elsewhere/conf.d/api.conf", 4) in places


def test_dump_on_standard_input(directory: Path) -> None:
    assert outcome(explained(directory, "-c", "-", stdin=DUMP)) == ("refused", 401)
    result = run(directory, "-c", "-", URL, stdin="events { }")
    assert result.returncode == 4
    assert result.stderr == (
        'pyngx explain: "-c -" requires a dump of "nginx -T" on standard input\n'
    )


def test_other_errors_are_not_passed_over(directory: Path) -> None:
    result = run(directory, "-c", "-", URL, stdin=DUMP.replace("auth_jwt api", "auth_nope api"))
    assert result.returncode == 2
    text = 'unknown directive "auth_nope" in /etc/elsewhere/conf.d/api.conf:4'
    assert result.stderr == f"pyngx explain: {text}\n"


@pytest.mark.parametrize(
    ("words", "dialect"),
    [
        ((), "plus"),
        (("--target", "kjdev"), "kjdev"),
        (("--target", "nginx"), "plus"),
        (("--jwt-dialect", "kjdev"), "kjdev"),
    ],
)
def test_target(words: tuple[str, ...], dialect: str, directory: Path) -> None:
    text = DUMP.replace("auth_jwt_type signed; ", "")
    document = explained(directory, "-c", "-", *words, stdin=text)
    found = document["dialect"]
    assert isinstance(found, dict) and found["name"] == dialect
