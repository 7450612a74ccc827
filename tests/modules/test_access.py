"""allow and deny."""

from __future__ import annotations

from ..nginx import Nginx


def test_first_matching_rule_decides(nginx: Nginx) -> None:
    nginx("""
        location /allowed { allow 127.0.0.1; deny all; }
        location /denied  { deny 127.0.0.0/8; allow all; }
        location /range   { allow 127.0.0.0/30; deny all; }
        location /outside { allow 127.0.0.4/30; deny all; }
        location /other   { deny 10.0.0.0/8; }
        location /v6      { allow ::1; deny all; }
        location /v6-only { deny ::/0; }
        location /unix    { allow unix:; deny all; }
        location /zero    { deny 0.0.0.0/0; }
        location /order   { allow 127.0.0.1; deny 127.0.0.1; }
        location /open    { }
        """)
    nginx.exchange("""
        > GET /allowed
        < 404

        > GET /denied
        < 403

        > GET /range
        < 404

        > GET /outside
        < 403

        > GET /other
        < 404

        > GET /v6
        < 403

        > GET /v6-only
        < 404

        > GET /unix
        < 403

        > GET /zero
        < 403

        > GET /order
        < 404

        > GET /open
        < 404
        """)
    nginx.wait_for_log(
        r"\[error\] .*access forbidden by rule, client: 127\.0\.0\.1, server: , "
        r'request: "GET /denied HTTP/1\.1", host: "localhost"'
    )


def test_inheritance(nginx: Nginx) -> None:
    """Rules of a level replace those of the outer one."""
    nginx(
        """
        deny all;
        location /inherits { }
        location /own { allow 127.0.0.1; }
        location /own/deeper { location /own/deeper/still { } deny all; }
        """,
        servers=["listen 127.0.0.1:%%PORT_b%%; location / { }"],
        http="allow all;",
    )
    nginx.exchange("""
        > GET /inherits
        < 403

        > GET /own
        < 404

        > GET /own/deeper/still
        < 403
        """)
    nginx.exchange("> GET /x\n< 404", "b")


def test_return_comes_first(nginx: Nginx) -> None:
    """The rewrite phase is before the access phase."""
    nginx("location / { deny all; return 200 open; }")
    nginx.exchange("> GET /\n< 200\n<\n< open")


def test_error_page_of_a_denial(nginx: Nginx) -> None:
    nginx(
        """
        location / { deny all; error_page 403 /403.html; }
        location = /403.html { allow all; }
        location /closed/ { deny all; error_page 403 /closed/page; }
        location /silent { deny all; log_not_found off; }
        """,
        files={"html/403.html": "sorry"},
    )
    nginx.exchange("""
        > GET /x
        < 403
        <
        < sorry

        > POST /x
        < 403
        <
        < sorry

        > GET /closed/x
        < 403
        <~ <h1>403 Forbidden</h1>
        """)


def test_internal_redirects_are_checked_anew(nginx: Nginx) -> None:
    nginx("""
        location /in { try_files /nothing /closed; }
        location /closed { deny all; }
        """)
    nginx.exchange("> GET /in\n< 403")
