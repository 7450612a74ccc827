"""Files that have been looked at as a whole give the same statements again."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyngx_jwt.conf.parse import END_BLOCK, EndBlock, Source, Statement
from pyngx_jwt.conf.scan import scan
from pyngx_jwt.conf.scanned import ScannedSource, scan_file
from pyngx_jwt.conf.watch import ConfFiles
from pyngx_jwt.errors import ConfError

Seen = list[tuple[Statement | EndBlock | str | None, int, int, int | None]]
TEXTS = [
    "",
    "# nothing\n\n",
    "a;\nb 'c d' \"e\";\n\nf {\n  g;\n  h {\n\n }\n}\n# end\n",
    "map $a $b {\n  default 1;\n  'x y' 2;\n}\nlast;",
    "location ~ ^/a {\n return 200;\n}\nc;",
]


def read(source: Source, *, entries: bool = False) -> Seen:
    """What comes of a source: tokens or errors, the line, the depth, the column of an error."""
    seen: Seen = []
    while True:
        column, token = None, None
        try:
            token = source.next_entry() if entries else source.next()
        except ConfError as error:
            seen.append((str(error), source.line, source.depth, error.column))
            if source.recover(source.depth - 1):
                return seen
        else:
            seen.append((token, source.line, source.depth, column))
            if token is None:
                return seen


@pytest.mark.parametrize("entries", [False, True])
@pytest.mark.parametrize("text", TEXTS)
def test_gives_the_same_again(text: str, entries: bool) -> None:
    scanned, is_whole = scan_file(Source("F", text))
    assert is_whole
    again = read(ScannedSource("F", scanned), entries=entries)
    assert again == read(Source("F", text), entries=entries)


@pytest.mark.parametrize("text", ["a", "a {", "}", "a 'b", "a {2}$ { }", "x_by_lua_block { "])
def test_errors_are_left_to_the_reader(text: str) -> None:
    assert not scan_file(Source("F", text))[1]


def test_only_what_has_not_changed(tmp_path: Path) -> None:
    path, files = tmp_path / "a.conf", ConfFiles()
    path.write_text("jwt;\n}")
    scan(str(path), str(tmp_path), "jwt", files)
    assert not isinstance(files.open(str(path)), ScannedSource)
    path.write_text("jwt { }")
    scan(str(path), str(tmp_path), "jwt", files)
    assert isinstance(files.open(str(path)), ScannedSource)
    path.write_text("jwt { a; }")
    assert isinstance(files.open(str(path)).next(), Statement)
    assert not isinstance(files.open(str(path)), ScannedSource)


def test_nothing_is_kept_once_all_is_read(tmp_path: Path) -> None:
    path, files = tmp_path / "a.conf", ConfFiles()
    path.write_text("jwt { }")
    scan(str(path), str(tmp_path), "jwt", files)
    files.forget()
    source = files.open(str(path))
    assert not isinstance(source, ScannedSource)
    assert isinstance(source.next(), Statement)
    assert source.next() is END_BLOCK
