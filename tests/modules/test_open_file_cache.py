"""open_file_cache: files stay open between requests."""

from __future__ import annotations

import os

import pytest

from pyngx_jwt.http.open_files import Keeping, OpenFiles

from ..nginx import Nginx

PUT = {"html/a": "old", "html/b": "b", "html/index/index.html": "old"}


def replace(nginx: Nginx, path: str, text: str) -> None:
    """Puts another file in the place of the one that may be open."""
    nginx.write("html/new", text)
    os.rename(nginx.prefix / "html/new", nginx.prefix / "html" / path)


def text_of(nginx: Nginx, path: str) -> str:
    return nginx.request(f"GET {path}").text


def test_kept_open(nginx: Nginx) -> None:
    nginx("open_file_cache max=10;", files=PUT)
    for _ in range(2):
        assert text_of(nginx, "/a") == "old"
        replace(nginx, "a", "new")
    os.unlink(nginx.prefix / "html/a")
    assert text_of(nginx, "/a") == "old"


def test_a_file_of_its_own_for_each_response(nginx: Nginx) -> None:
    nginx("open_file_cache max=10;", files={"html/long": "x" * 300_000})
    with nginx.connect() as one, nginx.connect() as other:
        for client in (one, other, one):
            answer = client.request("GET /long")
            assert answer is not None and len(answer.body) == 300_000


def test_opened_again_when_no_longer_valid(nginx: Nginx) -> None:
    nginx("open_file_cache max=10; open_file_cache_valid 0;", files=PUT)
    assert text_of(nginx, "/a") == "old"
    replace(nginx, "a", "new")
    assert text_of(nginx, "/a") == "new"


def test_missing_files(nginx: Nginx) -> None:
    nginx(
        """
        open_file_cache max=10;
        location /off { alias %%DIR%%/html/off; }
        location /on { open_file_cache_errors on; alias %%DIR%%/html/on; }
        """
    )
    for name, status in (("off", 200), ("on", 404)):
        assert nginx.request(f"GET /{name}").status == 404
        nginx.write(f"html/{name}", "there")
        assert nginx.request(f"GET /{name}").status == status


def test_uses_before_it_is_kept(nginx: Nginx) -> None:
    nginx("open_file_cache max=10; open_file_cache_min_uses 3;", files=PUT)
    texts = []
    for text in "12345":
        replace(nginx, "a", text)
        texts.append(text_of(nginx, "/a"))
    assert texts == ["1", "2", "3", "3", "3"]


def test_most_files(nginx: Nginx) -> None:
    nginx("open_file_cache max=1;", files=PUT)
    text_of(nginx, "/a")
    text_of(nginx, "/b")
    replace(nginx, "a", "new")
    assert text_of(nginx, "/a") == "new"


def test_of_each_level(nginx: Nginx) -> None:
    nginx(
        """
        open_file_cache max=10;
        location /off { open_file_cache off; alias %%DIR%%/html/a; }
        location /own { open_file_cache max=10 inactive=1m; alias %%DIR%%/html/a; }
        """,
        files=PUT,
    )
    assert text_of(nginx, "/a") == "old"
    replace(nginx, "a", "new")
    assert [text_of(nginx, path) for path in ("/off", "/own", "/a")] == ["new", "new", "old"]
    replace(nginx, "a", "newer")
    assert [text_of(nginx, path) for path in ("/off", "/own", "/a")] == ["newer", "new", "old"]


def test_index_and_try_files(nginx: Nginx) -> None:
    nginx("open_file_cache max=10; location /t { try_files $uri /a; }", files=PUT)
    assert text_of(nginx, "/index/") == text_of(nginx, "/t") == "old"
    replace(nginx, "index/index.html", "new")
    replace(nginx, "t", "t")
    assert text_of(nginx, "/index/") == "old"
    assert text_of(nginx, "/t") == "t"


def test_symlinks_are_checked_all_the_same(nginx: Nginx) -> None:
    nginx(
        """
        open_file_cache max=10;
        location /free { alias %%DIR%%/html/link; }
        location /strict { disable_symlinks on; alias %%DIR%%/html/link; }
        """,
        files=PUT,
    )
    (nginx.prefix / "html/link").symlink_to("a")
    assert text_of(nginx, "/free") == "old"
    assert nginx.request("GET /strict").status == 403
    assert text_of(nginx, "/free") == "old"


@pytest.mark.parametrize("reload", [False, True])
def test_a_reload_forgets_them(nginx: Nginx, reload: bool) -> None:
    nginx("open_file_cache max=10;", files=PUT)
    assert text_of(nginx, "/a") == "old"
    replace(nginx, "a", "new")
    if reload:
        nginx.reload("open_file_cache max=10;")
    assert text_of(nginx, "/a") == ("new" if reload else "old")


@pytest.mark.parametrize(
    ("directive", "message"),
    [
        ("open_file_cache inactive=1m;", '"open_file_cache" must have the "max" parameter'),
        ("open_file_cache max=x;", 'invalid "open_file_cache" parameter "max=x"'),
        ("open_file_cache max=1 inactive=x;", 'invalid "open_file_cache" parameter "inactive=x"'),
        ("open_file_cache off; open_file_cache off;", '"open_file_cache" directive is duplicate'),
        ("open_file_cache_valid x;", '"open_file_cache_valid" directive invalid value'),
        ("open_file_cache_min_uses x;", '"open_file_cache_min_uses" directive invalid number'),
        (
            "open_file_cache_errors x;",
            'invalid value "x" in "open_file_cache_errors" directive, it must be "on" or "off"',
        ),
    ],
)
def test_rejected(nginx: Nginx, directive: str, message: str) -> None:
    nginx.rejects(directive, message)


def test_inactive_ones_are_closed() -> None:
    files, keeping = OpenFiles(10, 0.0), Keeping(60.0, 1, errors=False)
    for name in "abc":
        os.close(files.open(name, keeping, lambda: os.open("/", os.O_RDONLY)))
    assert list(files.files) == ["c"]
    (known,) = files.files.values()
    assert os.fstat(known.fd)
    files.close()
    assert known.fd == -1 and not files.files
