"""try_files: the first file that exists, or a fallback."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..nginx import Nginx


@pytest.fixture(scope="module")
def site(module_nginx: Nginx) -> Iterator[Nginx]:
    module_nginx(
        """
        location / { try_files $uri $uri/ /fallback; }
        location = /fallback { return 200 "fallback $uri?$args"; }
        location @named { return 200 "named $uri?$args"; }

        location /code/ { try_files $uri =418; }
        location /code-page/ { error_page 404 = @named; try_files $uri =404; }
        location /named/ { try_files $uri @named; }
        location /args/ { try_files $uri /fallback?path=$uri&$args; }
        location /constant/ { try_files /constant.txt /constant/none =404; }
        location /only-dirs/ { try_files $uri/ =404; }
        location /data/ { alias %%DIR%%/other/; try_files $uri $uri/ =404; }
        location /data-fallback/ { alias %%DIR%%/other/; try_files $uri /data-fallback/$arg_to; }
        location ~ ^/regex/(.*) { alias %%DIR%%/other/; try_files $1 $1.txt =404; }
        location /loop/ { try_files $uri /loop/; }
        location /wide { try_files %%DIR%%/other/a.txt =404; }
        location /if/ { set $x 1; if ($x) { set $y 1; } try_files /a.txt =404; }
        location /outer/ { try_files /a.txt =404; location /outer/inner/ { } }
        location /to-proxy/ { try_files /nothing.html $uri @named; }
        """,
        files={
            "html/a.txt": "a",
            "html/dir/index.html": "dir index",
            "html/dir/b.txt": "b",
            "html/only-dirs/file": "",
            "html/only-dirs/dir/file": "",
            "html/constant.txt": "constant",
            "html/code/x y.txt": "blank",
            "html/outer/inner/c.txt": "c",
            "other/a.txt": "other a",
            "other/dir/index.html": "other dir",
        },
    )
    yield module_nginx


def test_file_directory_fallback(site: Nginx) -> None:
    site.exchange("""
        > GET /a.txt
        < 200
        < Content-Type: text/plain
        <
        < a

        > GET /dir/
        < 200
        <
        < dir index

        > GET /dir
        < 301
        < Location: http://localhost:%%PORT%%/dir/

        > GET /dir/none?x=y
        < 200
        <
        < fallback /fallback?

        > GET /code/x%20y.txt
        < 200
        <
        < blank
        """)


def test_fallbacks(site: Nginx) -> None:
    site.exchange("""
        > GET /code/none
        < 418

        > GET /code-page/none?q=1
        < 200
        <
        < named /code-page/none?q=1

        > GET /named/none?q=1
        < 200
        <
        < named /named/none?q=1

        > GET /args/none?q=1
        < 200
        <
        < fallback /fallback?path=/args/none&q=1

        > GET /constant/any
        < 200
        <
        < constant

        > GET /to-proxy/x
        < 200
        <
        < named /to-proxy/x?
        """)


def test_a_slash_at_the_end_means_a_directory(site: Nginx) -> None:
    site.exchange("""
        > GET /only-dirs/file
        < 404

        > GET /only-dirs/dir
        < 301
        """)


def test_alias(site: Nginx) -> None:
    site.exchange("""
        > GET /data/a.txt
        < 200
        <
        < other a

        > GET /data/dir/
        < 200
        <
        < other dir

        > GET /data/none
        < 404

        """)


def test_with_alias_a_fallback_with_variables_loses_the_location(site: Nginx) -> None:
    """An oddity of nginx: it redirects to "a.txt", which is in no location."""
    site.exchange("> GET /data-fallback/none?to=a.txt\n< 404")


def test_alias_in_a_regex_location(site: Nginx) -> None:
    site.exchange("""
        > GET /regex/a.txt
        < 200
        <
        < other a

        > GET /regex/a
        < 200
        <
        < other a

        > GET /regex/b
        < 404
        """)


def test_loop(site: Nginx) -> None:
    site.exchange("> GET /loop/none\n< 500")
    site.wait_for_log(
        'rewrite or internal redirection cycle while internally redirecting to "/loop/"'
    )


def test_below_the_root_even_if_absolute(site: Nginx) -> None:
    site.exchange("> GET /wide\n< 404")


def test_not_inherited(site: Nginx) -> None:
    site.exchange("""
        > GET /if/any
        < 404

        > GET /outer/inner/c.txt
        < 200
        <
        < c

        > GET /outer/any
        < 200
        <
        < a
        """)


def test_in_server_for_what_has_no_location(nginx: Nginx) -> None:
    nginx("try_files /a.txt =404; location /x { }", files={"html/a.txt": "a"})
    nginx.exchange("""
        > GET /any
        < 200
        <
        < a

        > GET /x
        < 404
        """)


def test_other_errors_are_logged(nginx: Nginx) -> None:
    nginx("location / { try_files /loop =404; }")
    (nginx.prefix / "html/loop").symlink_to("loop")
    nginx.exchange("> GET /\n< 404")
    nginx.wait_for_log(r'\[crit\] .* stat\(\) "\S+/html/loop" failed \(40: ')


@pytest.mark.parametrize(
    ("directive", "message"),
    [
        ("try_files $uri;", 'invalid number of arguments in "try_files" directive'),
        ("try_files $uri =x;", 'invalid code "=x"'),
        ("try_files $uri =1000;", 'invalid code "=1000"'),
        ("try_files a b; try_files a b;", '"try_files" directive is duplicate'),
    ],
)
def test_rejected(nginx: Nginx, directive: str, message: str) -> None:
    nginx.rejects(directive, message)


def test_unknown_variable(nginx: Nginx) -> None:
    nginx.rejects("try_files $nothing =404;", 'unknown "nothing" variable')
