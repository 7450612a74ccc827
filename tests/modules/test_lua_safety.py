"""Lua and workers: crashes, endless loops, globals, memory, and what all of them share."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..nginx import Nginx
from .lua import LOAD, NEEDS_LUA

pytestmark = NEEDS_LUA
OWN = pytest.mark.pyngx_only("a directive of pyngx")
NEWER = pytest.mark.pyngx_only("Debian's module is older")
CRASH = pytest.mark.trouble("a worker dies")


@CRASH
def test_a_crash_takes_one_worker_which_is_replaced(nginx: Nginx) -> None:
    nginx(
        """
        location / { content_by_lua_block { ngx.print("here") } }
        location /crash {
            access_by_lua_block { local ffi = require("ffi") ffi.cast("int *", 8)[0] = 1 }
            content_by_lua_block { ngx.print("in") }
        }
        """,
        main=LOAD,
    )
    assert nginx.request("GET /").body == b"here"
    assert nginx.raw(b"GET /crash HTTP/1.0\r\n\r\n") == b""
    nginx.wait_for_log(r"exited on signal 11")
    nginx.wait_for_log(r"start worker process", 2)
    assert nginx.request("GET /").body == b"here"


@OWN
def test_endless_loops_are_errors(nginx: Nginx) -> None:
    nginx(
        """
        location / {
            access_by_lua_block { while ngx.var.arg_x do end }
            content_by_lua_block { ngx.print("in") }
        }
        location /filter { return 200 x; header_filter_by_lua_block { while true do end } }
        """,
        http="pyngx_lua_timeout 200ms;",
    )
    assert nginx.request("GET /?x=1").status == 500
    assert nginx.request("GET /").body == b"in"
    nginx.wait_for_log(r"\[error\].*pyngx_lua_timeout: the code has run for 0.2 seconds")
    assert nginx.raw(b"GET /filter HTTP/1.0\r\n\r\n") == b""


@OWN
@CRASH
def test_a_loop_that_catches_its_end_ends_the_worker(nginx: Nginx) -> None:
    nginx(
        """
        location / {
            content_by_lua_block {
                while ngx.var.arg_x do pcall(function() while true do end end) end
                ngx.print("in")
            }
        }
        """,
        http="pyngx_lua_timeout 100ms;",
    )
    assert nginx.raw(b"GET /?x=1 HTTP/1.0\r\n\r\n", seconds=60) == b""
    nginx.wait_for_log("code of Lua does not end, the worker exits")
    nginx.wait_for_log(r"start worker process", 2)
    assert nginx.request("GET /").body == b"in"


@OWN
def test_code_of_the_master_has_no_limit(nginx: Nginx) -> None:
    """Nobody waits for it, and a reload must not end the master."""
    nginx(
        "location / { content_by_lua_block { ngx.print(turns) } }",
        http="""
        pyngx_lua_timeout 1ms;
        init_by_lua_block {
            turns = 0
            while turns < 20000000 do pcall(function() turns = turns + 1 end) end
        }
        """,
    )
    assert nginx.request("GET /").body == b"20000000"


@OWN
@CRASH
def test_a_function_of_c_that_does_not_end_ends_the_worker(nginx: Nginx) -> None:
    nginx(
        """
        location / {
            set_by_lua_block $set { return "in" }
            content_by_lua_block {
                if ngx.var.arg_x then string.match(string.rep("a", 5000), "a*a*a*a*b") end
                ngx.print(ngx.var.set)
            }
        }
        """,
        http="pyngx_lua_timeout 100ms;",
    )
    assert nginx.request("GET /").body == b"in"
    assert nginx.raw(b"GET /?x=1 HTTP/1.0\r\n\r\n", seconds=60) == b""
    nginx.wait_for_log(r"exited on signal 26")
    nginx.wait_for_log(r"start worker process", 2)
    assert nginx.request("GET /").body == b"in"


@pytest.mark.pyngx_only("lua-nginx-module makes of them what the processor does")
@pytest.mark.parametrize("number", ["1e300", "-1e300", "1/0", "0/0", "2^31"])
def test_numbers_that_are_no_c_int(nginx: Nginx, number: str) -> None:
    nginx(
        f"""
        location /exit {{ content_by_lua_block {{ ngx.exit({number}) }} }}
        location /status {{ content_by_lua_block {{ ngx.status = {number} ngx.say("x") }} }}
        """,
        main=LOAD,
    )
    assert nginx.request("GET /exit").status == 500
    assert nginx.request("GET /status").status == 500
    nginx.wait_for_log("bad argument #1 to .exit. .number out of range")
    nginx.wait_for_log("bad argument to .ngx.status.: number out of range")


def test_globals_are_seen_by_other_requests(nginx: Nginx) -> None:
    nginx(
        """
        location / {
            content_by_lua_block { user = user or ngx.var.arg_user; ngx.print(user) }
        }
        """,
        main=LOAD,
    )
    assert nginx.request("GET /?user=ann").body == b"ann"
    assert nginx.request("GET /?user=bob").body == b"ann"
    nginx.wait_for_log(r"\[warn\].*writing a global Lua variable \('user'\) which may lead to race")


@OWN
def test_globals_of_a_request(nginx: Nginx) -> None:
    nginx(
        """
        location / {
            access_by_lua_block { count = (count or 0) + 1 }
            content_by_lua_block {
                user = user or ngx.var.arg_user
                function shout() return user:upper() end
                ngx.print(shout(), shared, tostring(_G.user), tostring(count))
            }
        }
        """,
        http="pyngx_lua_isolate on; init_by_lua_block { shared = 's' }",
    )
    assert nginx.request("GET /?user=ann").body == b"ANNsannnil"
    assert nginx.request("GET /?user=bob").body == b"BOBsbobnil"


@OWN
def test_requests_leave_nothing(nginx: Nginx) -> None:
    nginx(
        """
        keepalive_requests 100000;
        location / {
            access_by_lua_block {
                ngx.ctx.text = ("x"):rep(1000)
                if ngx.var.arg_wait then ngx.sleep(0) end
                ngx.req.set_header("X-A", ngx.ctx.text)
            }
            content_by_lua_block { ngx.ctx.more = ngx.req.get_headers() ngx.print("ok") }
            header_filter_by_lua_block { ngx.header["X-A"] = "a" }
            log_by_lua_block { ngx.ctx.last = ngx.status }
        }
        location /memory {
            content_by_lua_block {
                collectgarbage() collectgarbage()
                local file = io.open("/proc/self/statm")
                local pages = file:read("*a"):match("^%d+ (%d+)")
                file:close()
                ngx.print(pages * 4, " ", math.floor(collectgarbage("count")))
            }
        }
        """
    )

    def used() -> tuple[int, int]:
        """Kilobytes of the worker, and of these Lua's."""
        worker, lua = nginx.request("GET /memory").body.split()
        return int(worker), int(lua)

    def ask(count: int) -> None:
        batch = (b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /?wait=1 HTTP/1.1\r\nHost: a\r\n\r\n") * 100
        last = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        for _ in range(count // 2000):
            answers = nginx.raw(batch * 10 + last, seconds=60)
            assert answers.count(b"HTTP/1.1 200 OK") == 2001

    ask(6000)
    worker, lua = used()
    ask(24000)
    worker_after, lua_after = used()
    assert lua_after < lua + 2000
    assert worker_after < worker + 8000


@OWN
def test_states_of_each_request_are_dropped(nginx: Nginx) -> None:
    nginx(
        """
        lua_code_cache off;
        location / { content_by_lua_file lua/a.lua; }
        location /count { content_by_lua_block { count = (count or 0) + 1 ngx.print(count) } }
        location /memory {
            content_by_lua_block {
                local file = io.open("/proc/self/statm")
                ngx.print(file:read("*a"):match("^%d+ (%d+)") * 4)
            }
        }
        """,
        files={"lua/a.lua": "ngx.print('one')"},
    )
    assert nginx.request("GET /").body == b"one"
    nginx.write("lua/a.lua", "ngx.print('two')")
    assert nginx.request("GET /").body == b"two"
    assert [nginx.request("GET /count").body for _ in range(20)] == [b"1"] * 20
    before = int(nginx.request("GET /memory").body)
    for _ in range(100):
        nginx.request("GET /count")
    assert int(nginx.request("GET /memory").body) < before + 30000


def test_workers_share_dictionaries(nginx: Nginx) -> None:
    nginx(
        """
        location / {
            content_by_lua_block {
                ngx.shared.all:incr("requests", 1, 0)
                ngx.shared.all:set("worker" .. ngx.worker.pid(), true)
                ngx.print(ngx.shared.all:get("requests"))
            }
        }
        location /start { content_by_lua_block { ngx.print(ngx.shared.all:get("started")) } }
        """,
        http="""
        lua_shared_dict all 1m;
        init_worker_by_lua_block { ngx.shared.all:incr("started", 1, 0) }
        """,
        main=f"{LOAD} worker_processes 2;",
    )
    seen = [int(nginx.request("GET /").body) for _ in range(20)]
    assert seen == list(range(1, 21))
    nginx.wait_for_log("start worker process", 2)
    for _ in range(100):
        if nginx.request("GET /start").body == b"2":
            break
    assert nginx.request("GET /start").body == b"2"


def test_dictionaries_survive_a_reload(nginx: Nginx) -> None:
    http = "lua_shared_dict all 1m; init_by_lua_block { ngx.shared.all:incr('starts', 1, 0) }"
    server = "location / { content_by_lua_block { ngx.print(ngx.shared.all:get('starts')) } }"
    nginx(server, http=http, main=LOAD)
    assert nginx.request("GET /").body == b"1"
    nginx.reload(server, http=http, main=LOAD)
    assert nginx.request("GET /").body == b"2"


def test_dictionaries_make_room(nginx: Nginx) -> None:
    nginx(
        """
        location / {
            content_by_lua_block {
                local dict, forced = ngx.shared.small, false
                for number = 1, 500 do
                    local ok, failure, evicted = dict:set("key" .. number, ("x"):rep(200))
                    if not ok then ngx.print(failure) return end
                    forced = forced or evicted
                end
                local kept = dict:get_keys(0)
                ngx.print(tostring(forced), #kept > 5, #kept < 500, #dict:get("key500"), " ")
                ngx.print((select(2, dict:safe_set("new", ("x"):rep(40000)))))
            }
        }
        """,
        http="lua_shared_dict small 32k;",
        main=LOAD,
    )
    assert nginx.request("GET /").body == b"truetruetrue200 no memory"


@pytest.mark.trouble("the server does not start")
def test_an_error_in_init_stops_the_start(nginx: Nginx) -> None:
    with pytest.raises(AssertionError, match="exit status 1"):
        nginx("", http="init_by_lua_block { error('no') }", main=LOAD)
    assert "init_by_lua error: init_by_lua(nginx.conf:" in nginx.read("logs/error.log")


@OWN
def test_an_error_in_init_leaves_what_runs(nginx: Nginx) -> None:
    nginx("location / { return 200 old; }", http="init_by_lua_block { a = 1 }")
    with pytest.raises(AssertionError):
        nginx.reload("location / { return 200 new; }", http="init_by_lua_block { error('no') }")
    nginx.trouble_is_expected = True
    assert nginx.request("GET /").body == b"old"


def test_workers_say_good_bye(nginx: Nginx) -> None:
    nginx(
        "location / { content_by_lua_block { ngx.print('ok') } }",
        http="""
        exit_worker_by_lua_block { ngx.log(ngx.WARN, "good bye from ", ngx.get_phase()) }
        """,
        main=LOAD,
    )
    assert nginx.request("GET /").body == b"ok"
    nginx.reload("location / { return 200 ok; }", main=LOAD)
    nginx.wait_for_log("good bye from exit_worker")


@pytest.mark.parametrize(
    "setting",
    [
        "lua_code_cache on",
        "lua_need_request_body off",
        "lua_http10_buffering on",
        "lua_check_client_abort on",
        "lua_use_default_type on",
        "lua_transform_underscores_in_response_headers on",
        "lua_socket_log_errors off",
        "lua_socket_connect_timeout 1s",
        "lua_socket_send_timeout 1s",
        "lua_socket_read_timeout 1s",
        "lua_socket_keepalive_timeout 1s",
        "lua_socket_buffer_size 8k",
        "lua_socket_send_lowat 0",
        "lua_socket_pool_size 10",
        "lua_ssl_protocols TLSv1.2",
        "lua_ssl_ciphers HIGH",
        "lua_ssl_verify_depth 2",
        "rewrite_by_lua_no_postpone on",
        "access_by_lua_no_postpone on",
        "lua_package_path '/x/?.lua;;'",
        "lua_package_cpath '/x/?.so;;'",
        "lua_regex_cache_max_entries 10",
        "lua_regex_match_limit 1000",
        "lua_max_pending_timers 10",
        "lua_max_running_timers 10",
        "lua_malloc_trim 10",
        "lua_thread_cache_max_entries 10",
        "lua_sa_restart on",
        "lua_worker_thread_vm_pool_size 2",
    ],
)
def test_settings(nginx: Nginx, setting: str) -> None:
    nginx.accepts(http=f"{setting};", main=LOAD)
    nginx.rejects(
        http=f"{setting.split()[0]};",
        main=LOAD,
        message=f'invalid number of arguments in "{setting.split()[0]}" directive',
    )


@NEWER
def test_newer_settings(nginx: Nginx) -> None:
    nginx.accepts(
        """
        server_rewrite_by_lua_file x.lua;
        lua_ssl_certificate a.pem; lua_ssl_certificate_key a.key; lua_ssl_crl b.pem;
        lua_ssl_trusted_certificate c.pem;
        location / { precontent_by_lua_file x.lua; }
        """,
        http="""
        precontent_by_lua_no_postpone on; lua_load_resty_core on;
        exit_worker_by_lua_file x.lua;
        upstream u { server 127.0.0.1:1; balancer_by_lua_file x.lua; }
        """,
    )


@NEWER
def test_newer_phases(nginx: Nginx) -> None:
    nginx(
        """
        server_rewrite_by_lua_block { if ngx.var.arg_a then ngx.exit(403) end ngx.ctx.s = "s" }
        location / {
            precontent_by_lua_block { if ngx.var.arg_b then ngx.exit(410) end ngx.ctx.p = "p" }
            content_by_lua_block { ngx.print(ngx.ctx.s, ngx.ctx.p) }
        }
        """
    )
    assert nginx.request("GET /").body == b"sp"
    codes = [nginx.request(f"GET {path}").status for path in ("/?a=1", "/?b=1", "/none?a=1")]
    assert codes == [403, 410, 403]


def test_before_the_others(nginx: Nginx) -> None:
    nginx(
        """
        location / {
            set $v "";
            rewrite_by_lua_block { ngx.ctx.v = ngx.var.v or "unset" }
            set $v set;
            deny all;
            access_by_lua_block { if ngx.var.arg_x then ngx.exit(410) end }
            content_by_lua_block { ngx.print("in") }
        }
        """,
        http="rewrite_by_lua_no_postpone on; access_by_lua_no_postpone on;",
        main=LOAD,
    )
    assert nginx.request("GET /?x=1").status == 410
    assert nginx.request("GET /").status == 403


@pytest.mark.parametrize(
    ("snippet", "message"),
    [
        ("content_by_lua_block { }", '"content_by_lua_block" directive is not allowed here'),
        ("location / { access_by_lua_block x; }",
         'directive "access_by_lua_block" has no opening "{"'),
        ("location / { access_by_lua_block x { } }",
         'invalid number of arguments in "access_by_lua_block" directive'),
        ("location / { access_by_lua_file; }",
         'invalid number of arguments in "access_by_lua_file" directive'),
    ],
)  # fmt: skip
def test_wrong_directives(nginx: Nginx, snippet: str, message: str) -> None:
    nginx.rejects(snippet, message, main=LOAD)


@pytest.mark.pyngx_only("the words differ")
def test_what_is_missing_is_an_error(nginx: Nginx) -> None:
    for name in ("ssl_session_fetch_by_lua_block", "ssl_session_store_by_lua_block"):
        assert f'the "{name}" directive of' in nginx.refused(http=f"{name} {{ a = '}}' }}")
    nginx.rejects(http="lua_shared_dict a 1k;", message='invalid lua shared dict size "1k"')
    twice = "location / { access_by_lua_block { } access_by_lua_block { } }"
    nginx.rejects(twice, '"access_by_lua_block" directive is duplicate')


@pytest.mark.pyngx_only("it is about what pyngx provides")
def test_old_bindings_of_openssl(nginx: Nginx, tmp_path: Path) -> None:
    """lua-resty-jwt 0.1 has them; those of other versions are loaded as they are."""
    nginx(
        """
        location / {
            content_by_lua_block {
                local hmac = require("resty.hmac"):new("key", require("resty.hmac").ALGOS.SHA256)
                ngx.print(hmac:final("text", true):sub(1, 8), " ", require("resty.evp").version)
            }
        }
        """,
        http='lua_package_path "%%DIR%%/lua/?.lua;;";',
        files={
            "lua/resty/hmac.lua": "require('ffi').cdef'void HMAC_CTX_init(void *x);'",
            "lua/resty/evp.lua": """
            local evp = {version = "EVP_MD_CTX_new", PublicKey = {}}
            function evp.PublicKey.new(self, pem) self.pem = pem return self end
            return evp
            """,
        },
    )
    assert nginx.request("GET /").body == b"6afa9046 EVP_MD_CTX_new"


@pytest.mark.pyngx_only("in OpenResty the class is the only object, with the last key")
def test_keys_are_kept_apart(nginx: Nginx) -> None:
    nginx(
        """
        location / {
            content_by_lua_block {
                local Key = require("resty.evp").PublicKey
                local a, b = Key:new("a"), Key:new("b")
                ngx.print(a.pem, b.pem, a == Key:new("a"), a:name(), loads)
                for number = 1, 500 do Key:new("key" .. number) end
                ngx.print(" ", a == Key:new("a"))
            }
        }
        """,
        http='lua_package_path "%%DIR%%/lua/?.lua;;"; init_by_lua_block { loads = 0 }',
        files={
            "lua/resty/evp.lua": """
            local Key = {}
            function Key.new(self, pem) loads = loads + 1 self.pem = pem return self end
            function Key.name(self) return "<" .. self.pem .. ">" end
            return {PublicKey = Key}
            """,
        },
    )
    assert nginx.request("GET /").body == b"abtrue<a>2 false"
