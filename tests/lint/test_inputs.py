"""What is read: files, folders, patterns, standard input, dumps, snippets."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyngx_jwt.lint.read.includes import InputError

from .kit import Linter

OPEN = 'location /a { auth_jwt "x"; return 403; }'
MAIN = "events { }\nhttp { include conf.d/*.conf; }\n"
RULE = "auth-without-key"


def places(linter: Linter, **options: object) -> list[str]:
    found = linter.findings(**options)  # type: ignore[arg-type]
    return [f"{f.file.removeprefix(f'{linter.folder}/')}:{f.line} {f.rule}" for f in found]


def test_what_a_file_includes_is_read(linter: Linter) -> None:
    files = {"nginx.conf": MAIN, "conf.d/a.conf": f"server {{\n{OPEN} }}"}
    assert places(linter, files=files) == [f"conf.d/a.conf:2 {RULE}"]


def test_a_snippet_is_read_within_what_includes_it(linter: Linter) -> None:
    files = {
        "nginx.conf": "events { }\nhttp { nope; include conf.d/*.conf; }\n",
        "conf.d/a.conf": f"server {{ {OPEN} }}",
    }
    assert places(linter, files=files, paths=["conf.d/a.conf"]) == [f"conf.d/a.conf:1 {RULE}"]


@pytest.mark.parametrize(
    "snippet",
    [OPEN, f"server {{ {OPEN} }}", 'auth_jwt "x"; return 403;', "events {} http {}\n"],
)
def test_the_context_of_a_snippet_is_told_by_what_is_in_it(linter: Linter, snippet: str) -> None:
    found = linter.findings(files={"snippet": snippet}, paths=["snippet"])
    assert [f.rule for f in found] == ([RULE] if "auth_jwt" in snippet else [])


def test_what_a_snippet_refers_to_may_be_elsewhere(linter: Linter) -> None:
    text = "server { listen 443 ssl; access_log a.log main; return 403 $nope; limit_req zone=z; }"
    found = linter.findings(files={"snippet": text}, paths=["snippet"])
    assert len(found) == 4 and {f.severity.word for f in found} == {"info"}


def test_includes_are_taken_from_the_folder_of_nginx_conf(linter: Linter) -> None:
    files = {
        "nginx.conf": "events { }\nhttp { }\n",
        "parts/a.conf": "include parts/b.conf;\ninclude parts/c.conf;\n",
        "parts/b.conf": "add_header X y;",
        "parts/c.conf": OPEN,
    }
    assert places(linter, files=files, paths=["parts/a.conf"]) == [f"parts/c.conf:1 {RULE}"]


def test_the_context_can_be_given(linter: Linter) -> None:
    files = {"snippet": "proxy_read_timeout 1s;"}
    assert not places(linter, files=files, paths=["snippet"], context="http.location")
    found = places(linter, files=files, paths=["snippet"], context="main")
    assert "snippet:1 misplaced-directive" in found


def test_a_folder_is_searched(linter: Linter) -> None:
    files = {"nginx.conf": MAIN, "conf.d/a.conf": f"server {{ {OPEN} }}", "b.conf": OPEN}
    found = places(linter, files=files, paths=["."])
    assert found == [f"b.conf:1 {RULE}", f"conf.d/a.conf:1 {RULE}"]


def test_a_pattern_names_files(linter: Linter) -> None:
    files = {"a1.conf": OPEN, "a2.conf": OPEN, "b.conf": OPEN}
    found = places(linter, files=files, paths=["a*.conf"])
    assert found == [f"a1.conf:1 {RULE}", f"a2.conf:1 {RULE}"]


def test_standard_input_has_the_place_of_its_name(linter: Linter) -> None:
    files = {"nginx.conf": MAIN, "conf.d/a.conf": "nope;"}
    stdin = f"server {{\n\n{OPEN} }}"
    name = f"{linter.folder}/conf.d/a.conf"
    found = places(linter, files=files, paths=["-"], stdin=stdin, stdin_name=name)
    assert found == [f"conf.d/a.conf:3 {RULE}"]


DUMP = f"""\
nginx: the configuration file /etc/nginx/nginx.conf syntax is ok
nginx: configuration file /etc/nginx/nginx.conf test is successful
# configuration file /etc/nginx/nginx.conf:
events {{ }}
http {{
    include conf.d/*.conf;
}}

# configuration file /etc/nginx/conf.d/a.conf:
server {{

    {OPEN}
    gziip on;
}}

"""


def test_a_dump_is_split_into_its_files(linter: Linter) -> None:
    found = linter.findings(paths=["-"], stdin=DUMP)
    assert [(f.file, f.line, f.column, f.rule) for f in found] == [
        ("/etc/nginx/conf.d/a.conf", 3, 19, RULE),
        ("/etc/nginx/conf.d/a.conf", 4, 5, "unknown-directive"),
    ]


def test_a_dump_with_carriage_returns_is_read(linter: Linter) -> None:
    found = linter.findings(paths=["-"], stdin=DUMP.replace("\n", "\r\n"))
    assert [(f.file, f.line, f.column, f.rule) for f in found] == [
        ("/etc/nginx/conf.d/a.conf", 3, 19, RULE),
        ("/etc/nginx/conf.d/a.conf", 4, 5, "unknown-directive"),
    ]


def test_a_dump_of_a_relative_prefix_has_names_from_here(linter: Linter) -> None:
    found = linter.findings(paths=["-"], stdin=DUMP.replace("/etc/nginx/", "te/"))
    assert [(f.file, f.line, f.rule) for f in found] == [
        (f"{Path.cwd()}/te/conf.d/a.conf", 3, RULE),
        (f"{Path.cwd()}/te/conf.d/a.conf", 4, "unknown-directive"),
    ]


def test_a_dump_without_a_file_that_it_includes_is_read(linter: Linter) -> None:
    dump = "# configuration file te/a.conf:\nevents { }\ninclude b;\n"
    (note,) = linter.findings(paths=["-"], stdin=dump)
    assert note.rule == "not-on-this-machine" and not note.is_error


def test_a_dump_can_be_a_file(linter: Linter) -> None:
    found = linter.findings(files={"dump.txt": DUMP}, paths=["dump.txt"])
    assert [f.line for f in found] == [3, 4]


def test_what_an_include_in_a_comment_names_is_read(linter: Linter) -> None:
    main = "events { }\nhttp {\n# include a.conf;\n}\n"
    files = {"nginx.conf": main, "a.conf": f"server {{ {OPEN} }}"}
    for paths in (["."], ["a.conf"], ["nginx.conf", "a.conf"]):
        assert places(linter, files=files, paths=paths) == [f"a.conf:1 {RULE}"]


def test_what_is_none_of_nginx_is_told(linter: Linter) -> None:
    files = {"nginx.conf": "events { }\n", "php/www.conf": "[www]\nuser = www\n"}
    assert places(linter, files=files, paths=["."]) == ["php/www.conf:1 not-read"]
    assert "php/www.conf:3 syntax" in places(linter, files=files, paths=["php/www.conf"])


def test_what_is_not_there_is_an_error(linter: Linter) -> None:
    for path in ("nope.conf", "nope*.conf"):
        with pytest.raises(InputError):
            linter.report(paths=[path])
    (linter.folder / "empty").mkdir()
    with pytest.raises(InputError):
        linter.report(paths=["empty"])
    with pytest.raises(InputError):
        linter.report(paths=["-"], stdin=" \n")


def test_bytes_that_are_no_utf_8_are_read(linter: Linter) -> None:
    text = b'events { }\nhttp { server { return 403 "\xe9"; nope; } }\n'
    found = linter.findings(files={"nginx.conf": text})
    assert [(f.column, f.rule) for f in found] == [(33, "unknown-directive")]


def test_columns_count_characters(linter: Linter) -> None:
    found = linter.findings('events { }\nhttp { server { return 403 "é→"; nope; } }\n')
    assert [(f.column, f.rule) for f in found] == [(34, "unknown-directive")]
