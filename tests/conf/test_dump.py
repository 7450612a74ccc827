"""pyngx dump."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONF = b"""events {}  # nothing
http {
    include inc/*.conf;
    server { location ~ "^/a{2}" { return 200 "a \xe9"; } }
}
"""


def dump(folder: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "pyngx_jwt", "dump", *words]
    environment = {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=60)


def write(folder: Path, included: bytes = b"map $a $b { default 1; }\n") -> None:
    (folder / "inc").mkdir()
    (folder / "nginx.conf").write_bytes(CONF)
    (folder / "inc/map.conf").write_bytes(included)


def test_json_is_a_payload(tmp_path: Path) -> None:
    write(tmp_path)
    told = dump(tmp_path, "nginx.conf")
    assert (told.returncode, told.stderr) == (0, b"")
    payload = json.loads(told.stdout)
    main, included = payload["config"]
    assert (payload["status"], payload["errors"]) == ("ok", [])
    assert main["file"] == f"{tmp_path}/nginx.conf"
    assert [statement["directive"] for statement in main["parsed"]] == ["events", "http"]
    include, server = main["parsed"][1]["block"]
    assert (include["line"], include["includes"]) == (3, [1])
    assert server["block"][0]["block"][0]["args"] == ["200", "a \udce9"]
    assert included["parsed"][0]["args"] == ["$a", "$b"]


def test_text_is_one_file_that_reads_the_same(tmp_path: Path) -> None:
    write(tmp_path)
    told = dump(tmp_path, "--format", "conf", f"{tmp_path}/nginx.conf")
    assert (told.returncode, told.stderr) == (0, b"")
    assert told.stdout == (
        b"events {\n}\nhttp {\n    map $a $b {\n        default 1;\n    }\n"
        b"    server {\n        location ~ ^/a{2} {\n"
        b'            return 200 "a \xe9";\n        }\n    }\n}\n'
    ).replace(b"^/a{2}", b'"^/a{2}"')
    (tmp_path / "again.conf").write_bytes(told.stdout)
    assert dump(tmp_path, "again.conf", "--format=conf").stdout == told.stdout


def test_errors_are_told_and_in_the_json(tmp_path: Path) -> None:
    write(tmp_path, b"map $a $b {\n")
    told = dump(tmp_path, "nginx.conf")
    sentence = f'unexpected end of file, expecting "}}" in {tmp_path}/inc/map.conf:2'
    assert (told.returncode, told.stderr) == (2, f"nginx: [emerg] {sentence}\n".encode())
    payload = json.loads(told.stdout)
    assert payload["status"] == "failed"
    assert [error["error"] for error in payload["errors"]] == [sentence]
    told = dump(tmp_path, "nginx.conf", "--format", "conf")
    assert (told.returncode, told.stdout) == (2, b"")


def test_circle_of_includes(tmp_path: Path) -> None:
    write(tmp_path, b"include nginx.conf;\n")
    told = dump(tmp_path, "nginx.conf", "--format", "conf")
    assert (told.returncode, told.stdout) == (2, b"")
    assert told.stderr.endswith(b'nginx.conf" includes itself\n')


def test_missing_file_and_wrong_words(tmp_path: Path) -> None:
    told = dump(tmp_path, "x.conf")
    failed = f'open() "{tmp_path}/x.conf" failed (2: No such file or directory)'
    assert (told.returncode, told.stderr) == (2, f"nginx: [emerg] {failed}\n".encode())
    assert dump(tmp_path).returncode == 4
    assert dump(tmp_path, "x.conf", "--format", "xml").returncode == 4


def test_reader_that_has_had_enough(tmp_path: Path) -> None:
    write(tmp_path)
    command = f'"{sys.executable}" -m pyngx_jwt dump nginx.conf >/dev/full'
    ran = subprocess.run(
        ["/bin/sh", "-c", command], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True
    )
    assert ran.returncode == 2
    assert ran.stderr == b"nginx: [emerg] write() to stdout failed (28: No space left on device)\n"
