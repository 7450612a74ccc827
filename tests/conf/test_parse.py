"""Reading files: statements, blocks, includes, and nginx's words for what is wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyngx_jwt.conf.parse import (
    END_BLOCK,
    EndBlock,
    Source,
    Statement,
    command_line,
    expand,
    full_name,
    read_source,
)
from pyngx_jwt.errors import ConfError

from .real import Verdict, nginx_says

__all__ = ["nginx_says"]

LONG = "x" * 5000

# Text with an error in it, and nginx's sentence. Names are chosen to be allowed by nginx.
WRONG = [
    ("events {\n\n", 'unexpected end of file, expecting "}" in F:3'),
    ("events {}\n}\n", 'unexpected "}" in F:2'),
    ("events {\n use\n}\n", 'unexpected "}" in F:3'),
    ("events {}\nuser", 'unexpected end of file, expecting ";" or "}" in F:2'),
    ("user a\\", 'unexpected end of file, expecting ";" or "}" in F:1'),
    ("user 'a;\n\n", 'unexpected end of file, expecting ";" or "}" in F:3'),
    ("user \"a';\n", 'unexpected end of file, expecting ";" or "}" in F:2'),
    ("user 'a'\n", 'unexpected end of file, expecting ";" or "}" in F:2'),
    ("\n;", 'unexpected ";" in F:2'),
    ("events {}\n {}", 'unexpected "{" in F:2'),
    ("\nuser 'a'b;", 'unexpected "b" in F:2'),
    ("user 'a\n''b';", 'unexpected "\'" in F:2'),
    ("user 'a'};", 'unexpected "}" in F:1'),
    ("user 'a'#\n;", 'unexpected "#" in F:1'),
    ("user 'a'\xe9;", 'unexpected "\xe9" in F:1'),
    (f"\nuser {LONG};\n", 'too long parameter "xxxxxxxxxx..." started in F:2'),
    (f"\nuser\n# {LONG}\n;\n", 'too long parameter "# xxxxxxxx..." started in F:3'),
    (f"\nuser 'x\n{LONG}';\n", probably := "too long parameter, probably missing terminating \"'\" "
     "character in F:2"),
    (f"\nuser 'x\n{LONG}\n", probably),
    ("http { types {\n a {} } }", 'unexpected "{" in F:2'),
    ("http { map $a $b {\n a {} } }", 'unexpected "{" in F:2'),
]  # fmt: skip

WRONG_ON_THE_COMMAND_LINE = [
    ("user a", 'unexpected end of parameter, expecting ";" in command line'),
    ("user 'a;", 'unexpected end of parameter, expecting ";" in command line'),
    ("}", 'unexpected "}" in command line'),
    (";", 'unexpected ";" in command line'),
    ("events {}", "block directives are not supported in -g option in command line"),
]


def error_of(source: Source) -> str:
    """Reads all of it; the insides of types and map are entries."""
    entries = 0
    try:
        while (got := source.next_entry() if entries else source.next()) is not None:
            if isinstance(got, Statement) and got.name in ("types", "map"):
                entries = source.depth
            elif isinstance(got, EndBlock) and source.depth < entries:
                entries = 0
    except ConfError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(("text", "sentence"), WRONG)
def test_wrong(text: str, sentence: str) -> None:
    assert error_of(Source("F", text)) == sentence


@pytest.mark.parametrize(("text", "sentence"), WRONG)
def test_nginx_has_the_same_words(text: str, sentence: str, nginx_says: Verdict) -> None:
    assert nginx_says(text) == sentence


@pytest.mark.parametrize(("text", "sentence"), WRONG_ON_THE_COMMAND_LINE)
def test_wrong_on_the_command_line(text: str, sentence: str, nginx_says: Verdict) -> None:
    assert error_of(command_line(text)) == sentence
    assert nginx_says("", text) == sentence


def test_the_command_line_has_no_longest_word() -> None:
    statement = command_line(f"user {LONG} a;").next()
    assert isinstance(statement, Statement)
    assert statement.args == (LONG, "a")


def test_statements_and_their_places() -> None:
    source = Source("F", 'events {\n  a "b"\n    c; }\n')
    assert source.next() == Statement("events", (), True, "F", 1, 8, 1, 1, (False,))
    assert source.depth == 1
    a = Statement("a", ("b", "c"), False, "F", 3, 6, 2, 3, (False, True, False))
    assert (source.next(), source.line) == (a, 3)
    assert (source.next(), source.line, source.depth) == (END_BLOCK, 3, 0)
    assert (source.next(), source.line) == (None, 4)


def test_a_statement_is_handed_out_before_a_later_error() -> None:
    source = Source("F", "a;\nb {\n c;\n 'd'e;")
    names = [got.name for _ in range(3) if isinstance(got := source.next(), Statement)]
    assert names == ["a", "b", "c"]
    with pytest.raises(ConfError, match=r'^unexpected "e" in F:4$'):
        source.next()


def test_locate_gives_the_place_that_nginx_would_report_now() -> None:
    source = Source("F", "a {\n\n}")
    source.next()
    assert str(source.locate(ConfError("wrong"))) == "wrong in F:1"
    source.next()
    assert str(source.locate(ConfError("wrong"))) == "wrong in F:3"
    assert str(source.locate(ConfError("wrong").at("G", 9))) == "wrong in G:9"
    assert str(source.locate(ConfError("wrong").nowhere())) == "wrong"
    assert str(command_line("a;").locate(ConfError("wrong"))) == "wrong in command line"


def test_entries() -> None:
    source = Source("F", '"" 1; ~*x{2} 2;')
    entry = source.next_entry()
    assert isinstance(entry, Statement)
    assert (entry.name, entry.args) == ("", ("1",))
    with pytest.raises(ConfError, match=r'unexpected "{" in F:1'):
        source.next_entry()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("x_by_lua_block{ ngx.exit(403) }", " ngx.exit(403) "),
        ("set_by_lua_block $x{return 1}", "return 1"),
        ("x_by_lua_block { a = {1, {2}} }", " a = {1, {2}} "),
        ("x_by_lua_block { a = '}' b = \"{'\" }", " a = '}' b = \"{'\" "),
        ("x_by_lua_block { -- it's }\n}", " -- it's }\n"),
        ("x_by_lua_block { --[[ } ]] --[==[ ]] } ]==] }", " --[[ } ]] --[==[ ]] } ]==] "),
        (
            "x_by_lua_block { a = [[ it's } ]] .. [=[ ]] } ]=] }",
            " a = [[ it's } ]] .. [=[ ]] } ]=] ",
        ),
        ("x_by_lua_block { a = '\\'}' }", " a = '\\'}' "),
        ("x_by_lua_block { \xff\r\n}", " \xff\r\n"),
        ("x_by_lua_block {}", ""),
    ],
)
def test_lua(text: str, code: str) -> None:
    source = Source("F", f"{text} next;")
    block = source.next()
    assert isinstance(block, Statement)
    assert (block.lua, block.opens) == (code, True)
    assert source.next() is END_BLOCK
    following = source.next()
    assert isinstance(following, Statement)
    assert (following.name, following.line) == ("next", 1 + text.count("\n"))


def test_lua_without_an_end() -> None:
    source = Source("F", "a;\nx_by_lua_block { a = '}'\n")
    source.next()
    with pytest.raises(ConfError, match="missing the closing"):
        source.next()


class TestReading:
    def test_a_file(self, tmp_path: Path) -> None:
        path = tmp_path / "a"
        path.write_bytes(b"a \xff\r\n;" + b"#" * 100_000)
        source = read_source(str(path))
        assert (source.path, source.text.encode("latin-1")) == (str(path), path.read_bytes())

    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(ConfError) as error:
            read_source(f"{tmp_path}/a")
        assert str(error.value) == f'open() "{tmp_path}/a" failed (2: No such file or directory)'
        assert str(error.value.at("F", 1)).endswith(" in F:1")

    def test_a_folder_has_no_place(self, tmp_path: Path) -> None:
        with pytest.raises(ConfError) as error:
            read_source(str(tmp_path))
        expected = f'pread() "{tmp_path}" failed (21: Is a directory)'
        assert str(error.value.at("F", 1)) == expected

    def test_a_name_in_bytes(self, tmp_path: Path) -> None:
        path = os.fsencode(tmp_path) + b"/\xff"
        Path(os.fsdecode(path)).write_text("a;")
        assert read_source(path.decode("latin-1")).text == "a;"

    def test_a_device_is_as_long_as_it_says(self) -> None:
        assert read_source("/dev/zero").text == ""


class TestIncludes:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> str:
        for name in ("b.conf", "a.conf", "B.conf", ".h.conf", "a[1].conf", "é.conf", "d/x.conf"):
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            path.touch()
        return f"{tmp_path}/"

    @pytest.mark.parametrize(
        ("pattern", "names"),
        [
            ("*.conf", ["B.conf", "a.conf", "a[1].conf", "b.conf", "\xc3\xa9.conf"]),
            ("?.conf", ["B.conf", "a.conf", "b.conf"]),
            ("[!a]*.conf", ["B.conf", "b.conf", "\xc3\xa9.conf"]),
            ("[^a]*.conf", ["B.conf", "b.conf", "\xc3\xa9.conf"]),
            (r"a\[[0-9]].conf", ["a[1].conf"]),
            ("*/*", ["d/x.conf"]),
            ("**/x.conf", ["d/x.conf"]),
            (".*.conf", [".h.conf"]),
            ("none*", []),
            ("none", ["none"]),
            ("none\0*", ["none"]),
        ],
    )
    def test_expand(self, folder: str, pattern: str, names: list[str]) -> None:
        assert expand(pattern, folder) == [folder + name for name in names]
        assert expand(folder + pattern, "/elsewhere") == [folder + name for name in names]

    def test_nginx_includes_the_same(self, folder: str, nginx_says: Verdict) -> None:
        for number, path in enumerate(paths := expand("*.conf", folder)):
            text = f"worker_processes auto;\n wrong{number};"
            Path(os.fsdecode(path.encode("latin-1"))).write_text(text if number else "")
        wrong = f'"worker_processes" directive is duplicate in {paths[2]}:1'
        Path(paths[1]).write_text("worker_processes auto;")
        assert nginx_says(f"include {folder}[^x]*.conf;") == wrong

    def test_full_name(self) -> None:
        assert full_name("a", "/b") == full_name("a", "/b/") == full_name("/b/a", "/c") == "/b/a"
        assert full_name("a\0b", "/") == "/a"
