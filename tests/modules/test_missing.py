"""What nginx has and pyngx has not: left out without ever opening a door."""

from __future__ import annotations

import re

import pytest

from pyngx_jwt.conf.known import Class, classed, declarations

from ..launch import start
from ..nginx import Nginx
from ..wire import DEADLINE

LENIENT = ("--allow-unsupported",)
SOURCE = "<?php $password = 'hunter2'; ?>"
FILES = {"html/config.php": SOURCE, "html/index.html": "index", "html/sub/config.php": SOURCE}
NJS = pytest.mark.pyngx_only("nginx has njs, or does not know it")
NOT_ANSWERED = ": requests that it would answer get a 501"
SUPPORTED = pytest.mark.nginx_differs("it has these directives")


@NJS
def test_sources_are_never_handed_out(nginx: Nginx) -> None:
    nginx(
        r"""
        root html;
        index config.php index.html;
        location / { try_files $uri $uri/ @app; }
        location ~ \.php$ {
            js_fetch_timeout 5s;
            js_content main.answer;
        }
        location @app { js_content main.answer; }
        """,
        files=FILES,
        options=LENIENT,
    )
    nginx.exchange("""
        > GET /config.php
        < 501

        > HEAD /config.php
        < 501

        > POST /config.php
        > Content-Length: 3
        >
        > a=b
        < 501

        > GET /
        < 501

        > GET /sub/
        < 501

        > GET /index.html
        < 200
        <
        < index

        > GET /nowhere
        < 501
        """)
    nginx.wait_for_log(r'\[error\] .*"js_content" is not supported in \S+nginx\.conf:\d+, client')


@NJS
def test_what_is_in_the_location_of_a_missing_handler(nginx: Nginx) -> None:
    """ "if" and "limit_except" take it over, nested locations do not, as in nginx."""
    nginx(
        """
        root html;
        location /a {
            js_content main.answer;
            if ($arg_x) { set $y 1; }
            limit_except GET { deny all; }
            location /a/inner { return 200 inner; }
            location /a/files { alias html/; }
        }
        location /b {
            alias html/;
            if ($arg_x) { js_content main.answer; }
            limit_except GET { allow all; }
        }
        location /d {
            proxy_pass http://127.0.0.1:%%PORT%%/a/inner;
            if ($arg_x) { js_content main.answer; }
            limit_except GET { js_content main.answer; }
        }
        location /e { js_content main.answer; limit_except GET { allow all; } }
        location /f { perl Module::handler; return 204; }
        """,
        servers=["listen 127.0.0.1:%%PORT_up%%; return 200 up;"],
        files=FILES,
        options=LENIENT,
    )
    answers = {
        "GET /a/config.php": 501,
        "GET /a/config.php?x=1": 501,
        "POST /a/config.php": 403,
        "GET /a/inner": 200,
        "GET /a/files/index.html": 200,
        "GET /b/config.php": 200,
        "GET /b/config.php?x=1": 501,
        "GET /d": 200,
        "GET /d?x=1": 501,
        "POST /d": 501,
        "GET /e": 501,
        "POST /e": 501,
        "GET /f": 204,
    }
    assert {ask: nginx.request(ask).status for ask in answers} == answers


@NJS
def test_an_if_may_pass_requests_on_in_its_place(nginx: Nginx) -> None:
    nginx(
        """
        location / {
            js_content main.answer;
            if ($arg_x) { proxy_pass http://127.0.0.1:%%PORT_up%%; }
            limit_except GET { proxy_pass http://127.0.0.1:%%PORT_up%%; }
        }
        """,
        servers=["listen 127.0.0.1:%%PORT_up%%; return 200 up;"],
        options=LENIENT,
    )
    nginx.exchange("""
        > GET /
        < 501

        > GET /?x=1
        < 200
        <
        < up

        > PUT /
        < 200
        <
        < up
        """)


@NJS
def test_handlers_of_inner_levels(nginx: Nginx) -> None:
    """What nginx hands down is handed down, and answers where nothing passes requests on."""
    nginx(
        """
        root html;
        passenger_enabled on;
        location /off/ { passenger_enabled off; alias html/; }
        location /passed { proxy_pass http://127.0.0.1:%%PORT_up%%; }
        location /returned { return 200 returned; }
        location /nested/ { location /nested/deep { } }
        """,
        servers=["listen 127.0.0.1:%%PORT_up%%; return 200 up;"],
        files=FILES,
        options=LENIENT,
    )
    answers = {
        "GET /config.php": 501,
        "GET /": 501,
        "GET /off/config.php": 200,
        "GET /passed": 200,
        "GET /returned": 200,
        "GET /nested/deep": 501,
    }
    assert {ask: nginx.request(ask).status for ask in answers} == answers


@NJS
def test_checks_come_before_and_error_pages_after(nginx: Nginx) -> None:
    nginx(
        """
        error_page 501 /sorry;
        location /sorry { return 200 sorry; }
        location /denied { deny all; js_content main.answer; }
        location /asked { auth_request /auth; return 200; }
        location /guarded { auth_request /auth; alias html/; }
        location = /auth { internal; js_content main.answer; }
        location / { js_content main.answer; }
        """,
        files=FILES,
        options=LENIENT,
    )
    nginx.exchange("""
        > GET /denied
        < 403

        > GET /guarded/config.php
        < 500

        > GET /
        < 501
        <
        < sorry
        """)


def test_an_if_keeps_what_answers(nginx: Nginx) -> None:
    nginx("location /picture { empty_gif; if ($arg_x) { add_header X-If 1; } }")
    nginx.exchange("""
        > GET /picture?x=1
        < 200
        < Content-Type: image/gif
        < X-If: 1
        """)


@NJS
@pytest.mark.parametrize("word", ["reload", "reopen", "quit"])
def test_signals_are_sent_without_the_option(nginx: Nginx, word: str) -> None:
    nginx("location / { js_content main.answer; }", options=LENIENT)
    sent = start(["-s", word, *nginx._arguments()], nginx.prefix / "logs/sent")
    assert sent.wait(DEADLINE) == 0, nginx.read("logs/sent")
    words = {
        "reload": "gracefully shutting down",
        "reopen": "reopening logs",
        "quit": "shutting down",
    }
    nginx.wait_for_log(words[word])
    if word == "quit":
        assert nginx.process and nginx.process.wait(DEADLINE) == 0
        nginx.process = None


@pytest.mark.pyngx_only("nginx has them, or does not know them")
@pytest.mark.parametrize(
    ("snippet", "consequence"),
    [
        ("location / { js_content main.answer; }", NOT_ANSWERED),
        ("location @named { js_content main.answer; }", NOT_ANSWERED),
        ("location / { location /in { js_content main.answer; } }", NOT_ANSWERED),
        ("location / { if ($arg_x) { js_content main.answer; } }", NOT_ANSWERED),
        ("location / { limit_except GET { js_content main.answer; } }", NOT_ANSWERED),
        ("location / { f4f; }", NOT_ANSWERED),
        ("subs_filter a b;", " and is ignored"),
    ],
)
def test_what_is_left_out(nginx: Nginx, snippet: str, consequence: str) -> None:
    """An error, and with the option a warning that names the place."""
    name = re.split(r"[ ;]", snippet.rpartition("{ ")[2])[0]
    missing = rf'the "{name}" directive of \S+ is not supported'
    advice = r" \(remove it, or start with --allow-unsupported\)"
    nginx.rejects(snippet, re.compile(missing + advice), line=1)
    told = nginx.accepts(snippet, options=LENIENT)
    assert re.search(rf"\[warn\] {missing}{consequence} in \S+nginx\.conf:\d", told)


@SUPPORTED
@pytest.mark.parametrize(
    ("snippet", "why"),
    [
        ("location / { js_access main.check; }", "it controls access"),
        ("modsecurity on;", "it controls access"),
        ("location / { SecRulesEnabled; }", "it controls access"),
        ("location / { proxy_ssl_verify_by_lua_file x.lua; }",
         "it selects servers depending on the client"),
        ("ssl on;", "it decides which TLS clients and connections are accepted"),
    ],
)  # fmt: skip
def test_guards(nginx: Nginx, snippet: str, why: str) -> None:
    """Always an error."""
    pattern = re.compile(rf'the "\w+" directive of .+ is not supported and is never ignored: {why}')
    nginx.rejects(snippet, pattern, line=1)
    nginx.rejects(snippet, pattern, line=1, options=LENIENT)


@SUPPORTED
def test_guards_of_addresses(nginx: Nginx) -> None:
    for text in ("perl_set $x y;", "js_set $x main.x;"):
        found = nginx.refused(http=text)
        assert "never ignored: its variables may control access" in found


@NJS
def test_tuning_is_accepted(nginx: Nginx) -> None:
    nginx(
        """
        root html;
        location / { js_fetch_timeout 5s; f4f_buffer_size 1m; }
        """,
        http="""
            f4f_buffer_size 8k; js_fetch_timeout 5s; http3_stream_buffer_size 64k;
            http2_max_concurrent_streams 64;
            """,
        files=FILES,
    )
    nginx.exchange("""
        > GET /index.html
        < 200
        <
        < index
        """)
    assert "[warn]" not in nginx.read("logs/stderr")


@SUPPORTED
@pytest.mark.parametrize(
    "snippet",
    [
        "status_zone z;",
        "otel_span_name x;",
        "http3 on; quic_retry on;",
        "brotli on; brotli_types text/css;",
        "vhost_traffic_status_zone;",
    ],
)
def test_tuning_of_others(nginx: Nginx, snippet: str) -> None:
    at = {"server": snippet} if "zone;" not in snippet else {"http": snippet}
    assert "[warn]" not in nginx.accepts(**at)


def test_what_is_turned_off_is_no_more_than_tuning(nginx: Nginx) -> None:
    nginx.accepts("ssi off; ssl_reject_handshake off; ssl_verify_client off; userid off;")
    nginx.accepts("location / { proxy_store off; }")


@pytest.mark.needs("http_dav_module")
def test_dav_that_is_turned_off(nginx: Nginx) -> None:
    nginx.accepts("location / { dav_methods off; }")


@NJS
def test_its_place_and_arguments_are_checked(nginx: Nginx) -> None:
    nginx.rejects("js_content x;", '"js_content" directive is not allowed here')
    nginx.rejects("f4f_buffer_size;", 'invalid number of arguments in "f4f_buffer_size" directive')
    nginx.rejects("location / { f4f a; }", 'invalid number of arguments in "f4f" directive')
    nginx.rejects("js_import a { }", 'directive "js_import" is not terminated by ";"')
    nginx.rejects(
        main="f4f_buffer_size 8k;",
        message='"f4f_buffer_size" directive is not allowed here',
    )


@SUPPORTED
def test_other_servers_are_left_out_with_all_that_is_in_them(nginx: Nginx) -> None:
    main = "mail { server { listen 1; ssl_verify_client on; map a b { c d; } proxy_pass u; } }"
    found = nginx.refused(main=main)
    assert 'the "mail" directive of ngx_mail_core_module is not supported (remove it' in found
    told = nginx.accepts(main=main, options=LENIENT)
    assert "is not supported and is ignored, with all that is in its block in " in told


def in_locations(name: str) -> str:
    """The directive with as many arguments as it has to have, "" if it cannot stand in a
    location."""
    fewest = [x.fewest for x in declarations(name) if x.allows("http.location") and not x.is_block]
    return " ".join([name, *["x"] * max(fewest[0], 0)]) if fewest else ""


MISSING_HANDLERS = [text for name in classed(Class.HANDLER) if (text := in_locations(name))]


@NJS
def test_no_handler_that_is_missing_hands_out_files(nginx: Nginx) -> None:
    """Each of them."""
    assert len(MISSING_HANDLERS) > 10
    locations = "\n".join(
        f"location /{n}/ {{ alias html/; {text}; }}" for n, text in enumerate(MISSING_HANDLERS)
    )
    nginx(locations, files=FILES, options=LENIENT)
    statuses = {
        text: nginx.request(f"GET /{n}/config.php").status
        for n, text in enumerate(MISSING_HANDLERS)
    }
    assert statuses == dict.fromkeys(MISSING_HANDLERS, 501)
