"""What is known of the distribution without building it."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

import pytest

from .dist import IN_SDIST, Wrong, check_sdist, check_wheel, data_files, extras

FOR_DEVELOPERS = {"bench", "dev", "dist", "docs"}


def test_all_has_every_extra() -> None:
    found = extras()
    names = sorted(found.keys() - FOR_DEVELOPERS - {"all"})
    assert found["all"] == [f"pyngx-jwt[{','.join(names)}]"]


def test_data_files_are_known() -> None:
    assert {"pyngx_jwt/py.typed", "pyngx_jwt/conf/known.json"} <= data_files()


@pytest.mark.parametrize(
    ("leave_out", "add", "message"),
    [
        ("", "", ""),
        ("pyngx_jwt/py.typed", "", "x.whl lacks pyngx_jwt/py.typed"),
        ("", "tests/dist.py", "x.whl should not have tests"),
    ],
)
def test_wheels(tmp_path: Path, leave_out: str, add: str, message: str) -> None:
    names = data_files() | {"pyngx_jwt/cli.py", "pyngx_jwt-1.dist-info/METADATA", add}
    with zipfile.ZipFile(tmp_path / "x.whl", "w") as archive:
        for name in names - {leave_out, ""}:
            archive.writestr(name, "")
    said = ""
    try:
        check_wheel(tmp_path / "x.whl")
    except Wrong as wrong:
        said = str(wrong)
    assert said == message


def test_sdists(tmp_path: Path) -> None:
    def pack(*names: str) -> Path:
        (tmp_path / "empty").write_text("")
        with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as archive:
            for name in names:
                archive.add(tmp_path / "empty", f"pyngx-1/{name}")
        return tmp_path / "x.tar.gz"

    whole = [*data_files(), *(IN_SDIST - {"pyngx_jwt"})]
    check_sdist(pack(*whole))
    with pytest.raises(Wrong, match=r"should not have docs/x\.md"):
        check_sdist(pack(*whole, "docs/x.md"))
