"""crossplane's payload: the same as crossplane's own, and back to a text that means the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import crossplane  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyngx_jwt.conf.parse import Source, Statement
from pyngx_jwt.conf.payload import ParsedStatement, Payload, build, payload
from pyngx_jwt.errors import ConfError

Write = Callable[..., str]

ORDINARY = r"""
# a comment
user nobody;
events { worker_connections 64; }
http {
    log_format main '$remote_addr "$request" '
                    "$status";
    map $http_upgrade $connection_upgrade {
        default upgrade;
        ""      close;
        ~*\.(png|jpg)$ image;
    }
    upstream api { server 127.0.0.1:8080 max_fails=2; }
    server {
        listen 127.0.0.1:8000;
        server_name .example.org
                    ~^(?<sub>\w+)\.example\.net$;
        location ~ "^/[0-9a-f]{8}/" {
            if ($request_method = "POST") { return 405; }
            if ( $arg_x ) { return 403; }
            set $a "${sub}x";
            add_header X-A 'it"s' always;
            proxy_pass http://api$request_uri;
        }
        location = /é { return 200 "a b; {c}"; }
    }
}
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str, name: str = "nginx.conf") -> str:
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return write


def meaning(text: str) -> list[object]:
    """What nginx reads: words and marks."""
    source, read = Source("F", text), list[object]()
    while (got := source.next()) is not None:
        if isinstance(got, Statement):
            read.append((got.name, got.args, got.opens))
        else:
            read.append(got)
    return read


def of(*statements: ParsedStatement) -> Payload:
    file = {"file": "F", "status": "ok", "errors": [], "parsed": list(statements)}
    through_json: Payload = json.loads(json.dumps({"status": "ok", "errors": [], "config": [file]}))
    return through_json


def test_same_as_crossplane(write: Write, tmp_path: Path) -> None:
    path = write(ORDINARY + "include *.inc;\n include b.inc;")
    write("env A;", "a.inc")
    write("env B;\ninclude a.inc;", "b.inc")
    got = payload(path, str(tmp_path))
    assert got == crossplane.parse(path)
    assert [file["file"][-5:] for file in got["config"]] == [".conf", "a.inc", "b.inc"]


def test_there_and_back(write: Write) -> None:
    text = ORDINARY.encode().decode("latin-1")
    text = text.replace("( $arg_x )", "($arg_x)").replace('"POST")', "POST)")
    assert meaning(build(payload(write(ORDINARY), ""))) == meaning(text)


def test_crossplanes_payload_is_written_too(write: Write) -> None:
    path = write(ORDINARY)
    again = build(crossplane.parse(path, comments=True))
    assert again.startswith("# a comment\n")
    assert meaning(again) == meaning(build(payload(path, "")))


def test_includes_are_put_in_place(write: Write, tmp_path: Path) -> None:
    path = write("events {\n include *.inc;\n}\ninclude none*; include a.inc;")
    write("use epoll;", "a.inc")
    again = build(payload(path, str(tmp_path)))
    assert again == "events {\n    use epoll;\n}\nuse epoll;\n"


def test_a_circle_is_refused(write: Write, tmp_path: Path) -> None:
    path = write("include nginx.conf;")
    with pytest.raises(ConfError, match="includes itself"):
        build(payload(path, str(tmp_path)))


@pytest.mark.parametrize(
    ("text", "error", "line"),
    [
        ("a {\n b\n}", 'unexpected "}" in F:3', 3),
        ("\ninclude none;", 'open() "D/none" failed (2: No such file or directory) in F:2', 2),
        ("location / { if $a = b) {} }", 'invalid condition "$a" in F:1', 1),
        ("location / { if ($a = b {} }", 'invalid condition "b" in F:1', 1),
        ("location / { if {} }", 'invalid condition "" in F:1', 1),
        ("a;\ncontent_by_lua_block{ x ",
         'Lua code block missing the closing long bracket "}" in F:2', 2),
    ],
)  # fmt: skip
def test_errors(write: Write, tmp_path: Path, text: str, error: str, line: int) -> None:
    path = write(text)
    error = error.replace("F", path).replace("D/", f"{tmp_path}/").replace(f"{path}irst", "First")
    got = payload(path, str(tmp_path))
    assert got["status"] == got["config"][0]["status"] == "failed"
    assert got["errors"] == [{"file": path, "error": error, "line": line}]
    assert got["config"][0]["errors"] == [{"error": error, "line": line}]
    assert got["config"][0]["parsed"] == []


def test_a_main_file_that_is_not_there(tmp_path: Path) -> None:
    got = payload(f"{tmp_path}/none", "")
    error = f'open() "{tmp_path}/none" failed (2: No such file or directory)'
    assert got["errors"] == [{"file": f"{tmp_path}/none", "error": error, "line": None}]


word = st.text(st.sampled_from("ab$ {};'\"\\#()ntr\n\t\r\0\x85\xa0\xe9\xc3*")) | st.sampled_from(
    ["if", "${", "#", "(", ")", "\xc3\xa9", "a\\", "\\n"]
)


@given(st.lists(word, min_size=1, max_size=4), st.booleans())
def test_any_words_there_and_back(
    tmp_path_factory: pytest.TempPathFactory, words: list[str], opens: bool
) -> None:
    """Words are quoted by hand here, read, written, and read again."""
    quoted = ['"{}"'.format(w.replace("\\", "\\\\").replace('"', '\\"')) for w in words]
    text = " ".join(quoted) + (" {}" if opens else ";")
    path = tmp_path_factory.getbasetemp() / "words.conf"
    path.write_bytes(text.encode("latin-1"))
    got = payload(str(path), "/")
    if words[0] in ("include", "if") and got["status"] == "failed":
        return
    again = build(json.loads(json.dumps(got)))
    if words[0] == "if" and opens:
        assert meaning(again)[0][0] == "if"  # type: ignore[index]
    else:
        assert meaning(again) == meaning(text)


def test_an_entry_called_if_keeps_its_words() -> None:
    entry: ParsedStatement = {"directive": "if", "line": 1, "args": ["a b", "("]}
    assert build(of(entry)) == '"if" "a b" (;\n'


def test_a_condition_that_starts_with_a_quoted_word() -> None:
    statement: ParsedStatement = {"directive": "if", "line": 1, "args": ["$a b"], "block": []}
    assert meaning(build(of(statement)))[0] == ("if", ("(", "$a b", ")"), True)
