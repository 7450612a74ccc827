"""Lua in "stream": its phases, the client's socket, output, upstreams and what is not there.

LUA_PATH with lua-resty-core, and TEST_NGINX_BINARY of an nginx with stream-lua-nginx-module."""

from __future__ import annotations

import contextlib
import re
import ssl

import pytest

from ..datagrams import UdpClient
from ..nginx import Nginx

pytestmark = pytest.mark.needs("stream-lua-nginx-module")

LOCAL = "listen 127.0.0.1:%%PORT_a%%;"
LOG = "log_format status $status; access_log logs/access.log status;"


def content(code: str, more: str = "") -> str:
    return f"{LOG} {more} server {{ {LOCAL} content_by_lua_block {{ {code} }} }}"


def preread(code: str, more: str = "") -> str:
    """Whoever gets through is told what is in `ngx.ctx`, and what is left to be read."""
    return f"""
        {LOG}
        server {{
            {LOCAL} {more}
            preread_by_lua_block {{
                local sock = assert(ngx.req.socket())
                {code}
            }}
            content_by_lua_block {{ ngx.print("in ", tostring(ngx.ctx.seen)) }}
        }}
        """


def client_hello(name: str) -> bytes:
    """What a TLS client says first."""
    outgoing = ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


def test_echo_of_lines(nginx: Nginx) -> None:
    nginx.stream(
        content("""
        local sock = assert(ngx.req.socket(true))
        while true do
            local line, failure = sock:receive()
            if not line then
                ngx.log(ngx.WARN, "the end: ", failure)
                return
            end
            ngx.say(#line, " ", line)
        end
        """)
    )
    with nginx.connect("a") as c:
        c.wire.send(b"one\r\nth")
        assert c.wire.until(b"\n") == b"3 one\n"
        c.wire.send(b"ree\n")
        assert c.wire.until(b"\n") == b"5 three\n"
    nginx.wait_for_log(
        r"\[warn\] \S+: \*\d+ stream \[lua\] content_by_lua\(nginx\.conf:\d+\):\d+: the end: "
        rf"closed, client: 127\.0\.0\.1, server: 127\.0\.0\.1:{nginx.port('a')}"
    )
    assert nginx.access_log(1) == ["200"]


def test_output(nginx: Nginx) -> None:
    """A table, ngx.null and numbers; nothing follows ngx.eof()."""
    nginx.stream(
        content("""
        ngx.print("a", 1, {"b", {2}}, nil, true, ngx.null)
        ngx.say()
        assert(ngx.flush(true) == 1)
        ngx.eof()
        local ok, failure = ngx.say("more")
        ngx.log(ngx.WARN, tostring(ok), " ", failure)
        """)
    )
    assert nginx.raw(b"", "a") == b"a1b2niltruenull\n"
    nginx.wait_for_log("nil seen eof")


def test_a_large_output_is_sent_whole(nginx: Nginx) -> None:
    nginx.stream(content('for _ = 1, 50 do ngx.print(("x"):rep(100000)) end'))
    assert len(nginx.raw(b"", "a")) == 5_000_000


def test_the_socket_and_output_together(nginx: Nginx) -> None:
    """It can be had once; its shutdown ends the output, and reading goes on."""
    nginx.stream(
        content("""
        local sock = ngx.req.socket()
        ngx.say(select(2, ngx.req.socket()))
        ngx.say(sock:send({"direct", "\\n"}))
        ngx.flush(true)
        ngx.log(ngx.WARN, "shut down: ", sock:shutdown("send"))
        ngx.log(ngx.WARN, "afterwards: ", select(2, ngx.say("x")))
        ngx.log(ngx.WARN, "received: ", (sock:receiveuntil("END")()))
        """)
    )
    with nginx.connect("a") as c:
        assert c.wire.rest() == b"duplicate call\ndirect\n7\n"
        c.wire.send(b"lateEND")
        nginx.wait_for_log("received: late")
    log = nginx.error_log()
    assert "shut down: 1" in log and "afterwards: seen eof" in log


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("ngx.exit(ngx.OK)", "200"),
        ("ngx.exit(403)", "403"),
        ("ngx.exit(ngx.ERROR)", "500"),
        ("ngx.thread.spawn(function() ngx.sleep(0.01) ngx.exit(503) end) ngx.sleep(60)", "503"),
    ],
)
def test_ends(nginx: Nginx, code: str, status: str) -> None:
    nginx.stream(content(f'ngx.print("x") {code} ngx.print("y")'))
    assert nginx.raw(b"", "a") == b"x"
    assert nginx.access_log(1) == [status]


def test_an_error_ends_the_session(nginx: Nginx) -> None:
    nginx.stream(content('ngx.print("x") error("no way")'))
    assert nginx.raw(b"", "a") == b"x"
    assert nginx.access_log(1) == ["500"]
    nginx.wait_for_log(r"lua entry thread aborted: runtime error: content_by_lua\(.*: no way")


def test_code_in_files(nginx: Nginx) -> None:
    """Their names can have variables."""
    nginx.write("lua/TCP.lua", 'ngx.print("file of ", ngx.var.protocol)')
    nginx.write("lua/log.lua", 'ngx.log(ngx.WARN, "over with ", ngx.var.status)')
    nginx.stream(f"""
        {LOG}
        log_by_lua_file lua/log.lua;
        server {{ {LOCAL} content_by_lua_file lua/$protocol.lua; }}
        server {{ listen 127.0.0.1:%%PORT_b%%; content_by_lua_file lua/none.lua; }}
        """)
    assert nginx.raw(b"", "a") == b"file of TCP"
    nginx.wait_for_log("over with 200")
    assert nginx.raw(b"", "b") == b""
    nginx.wait_for_log('failed to load external Lua file ".*/lua/none.lua": cannot open')
    assert nginx.access_log(2) == ["200", "500"]


# -- preread --------------------------------------------------------------------------------


def test_peek_leaves_what_it_sees(nginx: Nginx) -> None:
    nginx.stream(f"""
        server {{
            {LOCAL}
            preread_by_lua_block {{
                local sock = ngx.req.socket()
                local length = sock:peek(1):byte()
                ngx.ctx.seen = sock:peek(1 + length):sub(2)
                ngx.log(ngx.WARN, "seen ", ngx.ctx.seen)
            }}
            proxy_pass 127.0.0.1:%%PORT_b%%;
        }}
        server {{
            listen 127.0.0.1:%%PORT_b%%;
            content_by_lua_block {{ ngx.print("passed ", ngx.req.socket():receive(6)) }}
        }}
        """)
    with nginx.connect("a") as c:
        c.wire.send(b"\x05ab")
        c.wire.send(b"cde")
        assert c.wire.rest() == b"passed \x05abcde"
    nginx.wait_for_log("seen abcde while prereading client data, client: ")


@pytest.mark.parametrize(
    ("code", "status"),
    [("ngx.exit(403)", "403"), ("ngx.exit(ngx.ERROR)", "500"), ('error("no")', "500")],
)
def test_preread_refuses(nginx: Nginx, code: str, status: str) -> None:
    nginx.stream(preread(f'if sock:peek(1) == "n" then {code} end ngx.ctx.seen = sock:receive(1)'))
    assert nginx.raw(b"y", "a") == b"in y"
    assert nginx.raw(b"n", "a") == b""
    assert nginx.access_log(2) == ["200", status]


def test_preread_goes_on(nginx: Nginx) -> None:
    nginx.stream(preread("ngx.sleep(0.01) ngx.ctx.seen = 1 ngx.exit(ngx.OK) ngx.ctx.seen = 2"))
    assert nginx.raw(b"", "a") == b"in 1"


def test_preread_of_too_much(nginx: Nginx) -> None:
    nginx.stream(preread("ngx.ctx.seen = sock:peek(9)", "preread_buffer_size 8;"))
    assert nginx.raw(b"x" * 8, "a") == b""
    assert nginx.access_log(1) == ["400"]
    nginx.wait_for_log("preread buffer full while prereading client data")


def test_preread_of_nothing(nginx: Nginx) -> None:
    """The time that a client has for it passes."""
    nginx.stream(preread("ngx.ctx.seen = sock:peek(9)", "preread_timeout 50ms;"))
    with nginx.connect("a") as c:
        assert c.wire.rest() == b""
    assert nginx.access_log(1) == ["200"]


def test_peek_after_receive(nginx: Nginx) -> None:
    nginx.stream(preread("sock:receive(1) ngx.ctx.seen = select(2, pcall(sock.peek, sock, 1))"))
    assert nginx.raw(b"x", "a") == b"in attempt to peek on a consumed socket"


@pytest.mark.pyngx_only("nginx takes such a number for another one")
@pytest.mark.parametrize("size", ["0/0", "1/0", "-1/0"])
@pytest.mark.parametrize("call", ["peek", "receive", "receiveany"])
def test_sizes_that_are_no_numbers(nginx: Nginx, call: str, size: str) -> None:
    nginx.stream(preread(f"ngx.ctx.seen = select(2, pcall(sock.{call}, sock, {size}))"))
    assert re.match(rb"in bad argument #\d to '\w+' \(", nginx.raw(b"x", "a"))


@pytest.mark.parametrize(
    ("second", "said", "size"),
    [
        ("return sock:send(big)", "nilsocket busy writing, 8000000nil", 8_000_000),
        ("ngx.print(big) return ngx.flush(true)", "8000000nil, 1nil", 16_000_000),
    ],
)
def test_two_threads_that_send(nginx: Nginx, second: str, said: str, size: int) -> None:
    """Neither waits in vain for a client that takes its time."""
    nginx.stream(
        content(
            f"""
            local sock, big = ngx.req.socket(true), string.rep("x", 8000000)
            local said = {{}}
            local function run(send)
                local sent, failure = send()
                said[#said + 1] = tostring(sent) .. tostring(failure)
            end
            local one = ngx.thread.spawn(run, function() return sock:send(big) end)
            local two = ngx.thread.spawn(run, function() {second} end)
            ngx.thread.wait(one)
            ngx.thread.wait(two)
            table.sort(said, function(a, b) return #a > #b end)
            ngx.log(ngx.WARN, "said ", table.concat(said, ", "), ".")
            """
        )
    )
    with nginx.connect("a") as c:
        assert len(c.wire.rest()) == size
    nginx.wait_for_log(f"said {said}\\.")


def test_peek_in_another_phase(nginx: Nginx) -> None:
    nginx.stream(content("ngx.print(select(2, pcall(ngx.req.socket().peek, {}, 1)))"))
    assert nginx.raw(b"", "a") == b"API disabled in the context of content_by_lua*"


@pytest.mark.parametrize(
    ("order", "seen"),
    [
        pytest.param(
            *("off", "in true"),
            marks=pytest.mark.nginx_differs("only OpenResty's runs it after ssl_preread"),
        ),
        ("on", "in false"),
    ],
)
def test_order_of_the_phase(nginx: Nginx, order: str, seen: str) -> None:
    """At its end, or at its beginning: what comes after it is then left out."""
    nginx.stream(f"""
        preread_by_lua_no_postpone {order};
        server {{
            {LOCAL} ssl_preread on;
            preread_by_lua_block {{ ngx.ctx.seen = ngx.var.ssl_preread_protocol ~= nil }}
            content_by_lua_block {{
                ngx.req.socket():receive(7)
                ngx.print("in ", tostring(ngx.ctx.seen))
            }}
        }}
        """)
    assert nginx.raw(b"\x80\x05\x01\x03\x01ab", "a") == seen.encode()


@pytest.mark.nginx_differs("only OpenResty's runs it after ssl_preread")
def test_preread_of_the_server_that_a_client_names(nginx: Nginx) -> None:
    """Its code runs, and not that of the default server."""
    nginx.stream(f"""
        {LOG}
        server {{
            {LOCAL} ssl_preread on;
            preread_by_lua_block {{ ngx.exit(403) }}
            return default;
        }}
        server {{
            {LOCAL} server_name named.example;
            preread_by_lua_block {{ ngx.ctx.seen = ngx.var.ssl_preread_server_name }}
            content_by_lua_block {{ ngx.print("in ", ngx.ctx.seen) }}
        }}
        server {{
            {LOCAL} server_name shut.example;
            preread_by_lua_block {{ ngx.exit(503) }}
            return shut;
        }}
        """)
    assert nginx.raw(client_hello("named.example"), "a") == b"in named.example"
    assert nginx.raw(client_hello("shut.example"), "a") == b""
    assert nginx.raw(client_hello("other.example"), "a") == b""
    assert nginx.access_log(3) == ["200", "503", "403"]


# -- what all phases share ------------------------------------------------------------------


def test_variables_context_and_dictionaries(nginx: Nginx) -> None:
    nginx.stream(f"""
        lua_shared_dict counts 64k;
        lua_add_variable $told;
        log_format told $told; access_log logs/access.log told;
        init_by_lua_block {{ greeting = "hello" }}
        init_worker_by_lua_block {{ ngx.shared.counts:set("workers", ngx.worker.count()) }}
        map $told $loud {{ default no; me yes; }}
        server {{
            {LOCAL}
            set $own text;
            preread_by_lua_block {{ ngx.ctx.from = ngx.get_phase() }}
            content_by_lua_block {{
                local before = tostring(ngx.var.told)
                ngx.var.told = "me"
                ngx.say(greeting, " ", before, " ", ngx.var.told, " ", ngx.var.loud)
                ngx.var.own = ngx.var.own .. "!"
                ngx.say(ngx.var.own, " ", ngx.var.remote_addr, " ", tostring(ngx.var.nothing))
                ngx.say(ngx.ctx.from, " ", ngx.get_phase(), " ", ngx.config.subsystem)
                local counts = ngx.shared.counts
                ngx.say(counts:incr("visits", 1, 0), " ", counts:get("workers"))
            }}
            log_by_lua_block {{ ngx.log(ngx.WARN, ngx.get_phase(), " after ", ngx.ctx.from) }}
        }}
        """)
    assert nginx.raw(b"", "a").splitlines() == [
        b"hello nil me yes",
        b"text! 127.0.0.1 nil",
        b"preread content stream",
        b"1 1",
    ]
    assert nginx.raw(b"", "a").splitlines()[3] == b"2 1"
    assert nginx.access_log(2) == ["me", "me"]
    nginx.wait_for_log(r"stream \[lua\] log_by_lua\(nginx.conf:\d+\):1: log after preread", 2)


def test_logging_comes_before_the_access_log(nginx: Nginx) -> None:
    nginx.stream(f"""
        lua_add_variable $note;
        log_format note $note; access_log logs/access.log note;
        server {{
            {LOCAL} return x;
            log_by_lua_block {{ ngx.var.note = "noted " .. ngx.var.bytes_sent }}
        }}
        """)
    assert nginx.raw(b"", "a") == b"x"
    assert nginx.access_log(1) == ["noted 1"]


def test_sockets_and_timers(nginx: Nginx) -> None:
    nginx.backend("peer", b"pong")
    nginx.stream(
        content("""
        local sock = ngx.socket.tcp()
        assert(sock:connect("127.0.0.1", %%PORT_peer%%))
        assert(sock:send("GET /\\r\\n\\r\\n"))
        ngx.say(sock:receive("*a"))
        ngx.timer.at(0, function(early, word) ngx.log(ngx.WARN, "timer: ", word) end, "ping")
        """)
    )
    assert nginx.raw(b"", "a") == b"pong\n"
    nginx.wait_for_log(r"stream \[lua\] .*timer: ping, context: ngx\.timer")


def test_http_and_stream_have_nothing_in_common(nginx: Nginx) -> None:
    """What is about requests is not there."""
    names = "header HTTP_OK location redirect exec resp send_headers http_time headers_sent"
    nginx.stream(
        content(f"""
        for name in ("{names}"):gmatch("%S+") do ngx.say(name, " ", tostring(ngx[name])) end
        ngx.say(tostring(ngx.req.get_headers))
        """)
    )
    lines = nginx.raw(b"", "a").decode().splitlines()
    assert lines == [f"{name} nil" for name in names.split()] + ["nil"]


@pytest.mark.parametrize(
    "code", ['ngx.say("x")', "ngx.sleep(0)", "ngx.req.socket()", "ngx.exit(0)"]
)
def test_the_log_phase_cannot_wait(nginx: Nginx, code: str) -> None:
    nginx.stream(f"server {{ {LOCAL} return x; log_by_lua_block {{ {code} }} }}")
    assert nginx.raw(b"", "a") == b"x"
    nginx.wait_for_log(r"failed to run log_by_lua\*: .*API disabled in the context of log_by_lua\*")


@pytest.mark.pyngx_only("this nginx has no Lua in http beside it")
def test_two_states(nginx: Nginx) -> None:
    """Of "http" and of "stream", with dictionaries of their own."""
    nginx(
        "location / { content_by_lua_block { ngx.print(word, tostring(ngx.shared.s)) } }",
        http='init_by_lua_block { word = "http" } lua_shared_dict h 64k;',
        main=f"""
        stream {{
            init_by_lua_block {{ word = "stream" }}
            lua_shared_dict s 64k;
            server {{ {LOCAL} content_by_lua_block {{ ngx.print(word, tostring(ngx.shared.h)) }} }}
        }}
        """,
    )
    assert nginx.raw(b"", "a") == b"streamnil"
    assert nginx.request("GET /").text == "httpnil"


# -- upstreams ------------------------------------------------------------------------------


def test_balancer(nginx: Nginx) -> None:
    nginx.stream(f"""
        upstream chosen {{
            server 0.0.0.1:1;
            balancer_by_lua_block {{
                local balancer = require "ngx.balancer"
                if ngx.ctx.where == "x" then
                    return ngx.exit(ngx.ERROR)
                end
                if not balancer.get_last_failure() then
                    assert(balancer.set_more_tries(1))
                    return assert(balancer.set_current_peer("127.0.0.1", %%PORT_closed%%))
                end
                assert(balancer.set_current_peer("127.0.0.1", ngx.ctx.where))
            }}
        }}
        {LOG}
        server {{
            {LOCAL}
            preread_by_lua_block {{
                local line = ngx.req.socket():peek(1)
                ngx.ctx.where = line == "c" and %%PORT_c%% or line == "b" and %%PORT_b%% or line
            }}
            proxy_pass chosen;
        }}
        server {{ listen 127.0.0.1:%%PORT_b%%; access_log off;
                  content_by_lua_block {{ ngx.req.socket():receive(1) ngx.print("B") }} }}
        server {{ listen 127.0.0.1:%%PORT_c%%; access_log off;
                  content_by_lua_block {{ ngx.req.socket():receive(1) ngx.print("C") }} }}
        """)
    assert nginx.raw(b"b", "a") == b"B"
    assert nginx.raw(b"c", "a") == b"C"
    assert nginx.raw(b"x", "a") == b""
    assert nginx.access_log(3) == ["200", "200", "500"]


# -- UDP ------------------------------------------------------------------------------------


def test_datagrams(nginx: Nginx) -> None:
    nginx.stream("""
        server {
            listen 127.0.0.1:%%PORT_a%% udp;
            content_by_lua_block {
                local sock = ngx.req.socket()
                sock:send(sock:receive(3) .. "|" .. sock:receive())
                sock:send(select(2, sock:receive()))
                sock:send(select(2, pcall(ngx.say, "x")))
            }
        }
        """)
    with UdpClient(nginx.port("a")) as client:
        assert client.ask(b"abcdef") == b"abc|def"
        assert client.receive() == b"no more data"
        assert client.receive() == b"API disabled in the current context"


def test_datagrams_in_preread(nginx: Nginx) -> None:
    nginx.stream("""
        server {
            listen 127.0.0.1:%%PORT_a%% udp;
            preread_by_lua_block {
                local sock = ngx.req.socket()
                if sock:receive(2) ~= "ok" then return ngx.exit(403) end
                ngx.ctx.sock = sock
            }
            content_by_lua_block { ngx.ctx.sock:send("rest: " .. ngx.ctx.sock:receive()) }
        }
        """)
    with UdpClient(nginx.port("a")) as client:
        assert client.ask(b"ok and more") == b"rest:  and more"


# -- the configuration ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "content_by_lua_block { } content_by_lua_block { }",
            '"content_by_lua_block" directive is duplicate',
        ),
        (
            "preread_by_lua_block { } preread_by_lua_file x;",
            '"preread_by_lua_file" directive is duplicate',
        ),
        ("access_by_lua_block { }", '"access_by_lua_block" directive is not allowed here'),
        ("rewrite_by_lua_file x;", '"rewrite_by_lua_file" directive is not allowed here'),
        ("init_by_lua_block { }", '"init_by_lua_block" directive is not allowed here'),
        ("lua_need_request_body on;", '"lua_need_request_body" directive is not allowed here'),
    ],
)
@pytest.mark.nginx_differs("this one has no Lua in http, and does not know the directives")
def test_rejected(nginx: Nginx, text: str, message: str) -> None:
    nginx.rejects(main=f"stream {{ server {{ listen 127.0.0.1:1; {text} }} }}", message=message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lua_shared_dict d 4k;", 'invalid lua shared dict size "4k"'),
        ("lua_add_variable x;", 'invalid variable name "x"'),
        ("content_by_lua_block { }", '"content_by_lua_block" directive is not allowed here'),
    ],
)
def test_rejected_outside_of_servers(nginx: Nginx, text: str, message: str) -> None:
    nginx.rejects(main=f"stream {{ {text} }}", message=message)


def test_a_dictionary_is_not_for_http_too(nginx: Nginx) -> None:
    nginx.rejects(
        http="limit_req_zone $uri zone=one:64k rate=1r/s;",
        main="stream { lua_shared_dict one 64k; }",
        message=re.compile('the shared memory zone "one" .*'),
    )


@pytest.mark.pyngx_only("nginx has these")
@pytest.mark.parametrize(
    "text",
    [
        "lua_check_client_abort on;",
        "ssl_certificate_by_lua_block { }",
        "ssl_client_hello_by_lua_block { }",
    ],
)
def test_not_there(nginx: Nginx, text: str) -> None:
    """It is an error, and not left out."""
    nginx.rejects(
        main=f"stream {{ server {{ listen 127.0.0.1:1; {text} return x; }} }}",
        message=re.compile(f'.*"{text.partition(" ")[0]}" .*'),
    )
