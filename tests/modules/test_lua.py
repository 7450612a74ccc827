"""Authentication and what comes with it, as configurations with Lua do it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

import pytest

from ..authority import Authority
from ..nginx import Nginx
from .lua import LOAD, NEEDS_LUA

pytestmark = NEEDS_LUA


def test_bearer_token(nginx: Nginx) -> None:
    nginx(
        """
        location / {
            access_by_lua_block {
                local header = ngx.var.http_authorization
                local token = header and header:match("^Bearer%s+(%S+)$")
                if token ~= "secret" then
                    ngx.header["WWW-Authenticate"] = 'Bearer realm="api"'
                    return ngx.exit(ngx.HTTP_UNAUTHORIZED)
                end
            }
            content_by_lua_block { ngx.print("in") }
        }
        """,
        main=LOAD,
    )
    nginx.exchange("""
        > GET /
        < 401
        < WWW-Authenticate: Bearer realm="api"

        > GET /
        > Authorization: Bearer secret
        < 200
        <
        < in

        > GET /
        > Authorization: Bearer secreT
        < 401

        > GET /
        > Authorization: Basic secret
        < 401
        """)


def test_refusal_with_a_body(nginx: Nginx) -> None:
    nginx(
        """
        access_by_lua_block {
            if not ngx.var.arg_key then
                ngx.status = ngx.HTTP_FORBIDDEN
                ngx.header.content_type = "application/json; charset=utf-8"
                ngx.print('{"error":"no key"}')
                return ngx.exit(ngx.HTTP_FORBIDDEN)
            end
        }
        location / { content_by_lua_block { ngx.print("key ", ngx.var.arg_key) } }
        """,
        main=LOAD,
    )
    nginx.exchange("""
        > GET /
        < 403
        < Content-Type: application/json; charset=utf-8
        <
        < {"error":"no key"}

        > GET / HTTP/1.0
        < 403
        < Content-Length: 18

        > GET /?key=1
        < 200
        <
        < key 1
        """)


def test_password(nginx: Nginx) -> None:
    nginx(
        """
        location / {
            access_by_lua_block {
                local users = {bob = "pa:ss"}
                local text = (ngx.var.http_authorization or ""):match("^Basic (.+)$")
                local name, password = (text and ngx.decode_base64(text) or ""):match("^(.-):(.*)$")
                if not name or users[name] ~= password then
                    ngx.header.www_authenticate = 'Basic realm="x"'
                    ngx.exit(401)
                end
                ngx.req.set_header("X-User", name)
                ngx.req.clear_header("Authorization")
            }
            content_by_lua_block {
                ngx.print(ngx.var.http_x_user, " ", tostring(ngx.var.http_authorization))
            }
        }
        """,
        main=LOAD,
    )
    right = base64.b64encode(b"bob:pa:ss").decode()
    nginx.exchange(f"""
        > GET /
        > Authorization: Basic {right}
        < 200
        <
        < bob nil

        > GET /
        > Authorization: Basic {right[:-4]}
        < 401
        < www-authenticate: Basic realm="x"

        > GET /
        > Authorization: Basic %%%
        < 401
        """)


def test_signed_links(nginx: Nginx) -> None:
    nginx(
        """
        location / {
            access_by_lua_block {
                local args = ngx.req.get_uri_args()
                local text = ngx.var.uri .. args.expires
                local wanted = ngx.encode_base64(ngx.hmac_sha1("key", text))
                if args.signature ~= wanted or tonumber(args.expires) < ngx.time() then
                    ngx.exit(ngx.HTTP_GONE)
                end
            }
            content_by_lua_block { ngx.print("file") }
        }
        """,
        main=LOAD,
    )

    def signed(expires: str) -> str:
        digest = hmac.digest(b"key", f"/a{expires}".encode(), "sha1")
        text = base64.b64encode(digest).decode().replace("+", "%2B").replace("=", "%3D")
        return f"/a?expires={expires}&signature={text}"

    assert nginx.request(f"GET {signed('4000000000')}").status == 200
    assert nginx.request(f"GET {signed('1000000000')}").status == 410
    assert nginx.request(f"GET {signed('4000000000')}x").status == 410
    assert nginx.request("GET /a").status == 500  # nil is not concatenated


def test_subrequest_decides(nginx: Nginx) -> None:
    nginx(
        """
        location / {
            access_by_lua_block {
                local answer = ngx.location.capture("/auth", {args = {uri = ngx.var.uri}})
                if answer.status ~= 200 then
                    return ngx.exit(answer.status == 401 and 401 or 503)
                end
                ngx.req.set_header("X-User", answer.header["X-User"])
            }
            content_by_lua_block { ngx.print(ngx.var.http_x_user) }
        }
        location = /auth {
            internal;
            content_by_lua_block {
                if ngx.unescape_uri(ngx.var.arg_uri) == "/broken" then error("broken") end
                if not ngx.var.cookie_id then ngx.exit(401) end
                ngx.header["X-User"] = ngx.var.cookie_id
                ngx.exit(200)
            }
        }
        """,
        main=LOAD,
    )
    nginx.exchange("""
        > GET /x
        < 401

        > GET /x
        > Cookie: id=ann
        < 200
        <
        < ann

        > GET /broken
        > Cookie: id=ann
        < 503

        > GET /auth
        < 404
        """)


def test_sessions_and_revocation(nginx: Nginx) -> None:
    nginx(
        """
        location /login {
            content_by_lua_block {
                local id = ngx.md5(ngx.var.arg_user)
                ngx.shared.sessions:set(id, ngx.var.arg_user, 60)
                ngx.header["Set-Cookie"] = {"id=" .. id .. "; HttpOnly", "seen=1"}
                ngx.print("ok")
            }
        }
        location /logout {
            content_by_lua_block { ngx.shared.sessions:delete(ngx.var.cookie_id) ngx.print("out") }
        }
        location / {
            access_by_lua_block {
                local id = ngx.var.cookie_id
                local user = id and ngx.shared.sessions:get(id)
                if not user then
                    return ngx.redirect("/login?to=" .. ngx.escape_uri(ngx.var.request_uri))
                end
                ngx.ctx.user = user
            }
            content_by_lua_block { ngx.print("hello ", ngx.ctx.user) }
        }
        """,
        http="lua_shared_dict sessions 1m;",
        main=LOAD,
    )
    id_of_ann = hashlib.md5(b"ann").hexdigest()
    nginx.exchange(f"""
        > GET /private?a=b
        < 302
        < Location: /login?to=%2Fprivate%3Fa%3Db

        > GET /login?user=ann
        < 200
        < Set-Cookie: id={id_of_ann}; HttpOnly
        < Set-Cookie: seen=1

        > GET /private
        > Cookie: seen=1; id={id_of_ann}
        < 200
        <
        < hello ann

        > GET /logout
        > Cookie: id={id_of_ann}
        < 200

        > GET /private
        > Cookie: id={id_of_ann}
        < 302
        """)


def test_limit_by_counting(nginx: Nginx) -> None:
    nginx(
        """
        location / {
            access_by_lua_block {
                local count, failure = ngx.shared.counts:incr(ngx.var.arg_user or "", 1, 0, 60)
                if failure == nil and count > 2 then return ngx.exit(429) end
                if failure then return ngx.exit(500) end
            }
            content_by_lua_block { ngx.print("ok") }
        }
        """,
        http="lua_shared_dict counts 100k;",
        main=LOAD,
    )
    codes = [nginx.request("GET /?user=a").status for _ in range(4)]
    assert codes == [200, 200, 429, 429]
    assert nginx.request("GET /?user=b").status == 200
    assert nginx.request("GET /").status == 500  # a key must not be empty


def test_body_decides(nginx: Nginx) -> None:
    nginx(
        """
        location / {
            access_by_lua_block {
                ngx.req.read_body()
                local args = ngx.req.get_post_args()
                if args.token ~= "t" then return ngx.exit(403) end
                ngx.req.set_body_data("user=" .. args.user)
            }
            content_by_lua_block {
                ngx.print(ngx.req.get_body_data(), " ", ngx.var.content_length)
            }
        }
        """,
        main=LOAD,
    )
    nginx.exchange("""
        > POST /
        > Content-Length: 15
        >
        > token=t&user=me
        < 200
        <
        < user=me 7

        > POST /
        > Content-Length: 7
        >
        > token=x
        < 403

        > GET /
        < 403
        """)


def test_header_for_the_upstream(nginx: Nginx) -> None:
    nginx(
        """
        set $tenant "";
        location / {
            set_by_lua_block $tenant {
                local name = ngx.var.http_x_key or ""
                return name:match("^(%a+)%-") or "none"
            }
            access_by_lua_block {
                if ngx.var.tenant == "none" then ngx.exit(403) end
                ngx.req.clear_header("X-Key")
            }
            proxy_set_header X-Tenant $tenant;
            proxy_pass http://127.0.0.1:%%PORT%%/upstream;
        }
        location /upstream {
            content_by_lua_block {
                ngx.print(ngx.var.http_x_tenant, " ", tostring(ngx.var.http_x_key))
            }
        }
        """,
        main=LOAD,
    )
    nginx.exchange("""
        > GET /
        > X-Key: acme-123
        < 200
        <
        < acme nil

        > GET /
        > X-Key: 123
        < 403
        """)


def test_routes(nginx: Nginx) -> None:
    nginx(
        """
        location / {
            rewrite_by_lua_block {
                if ngx.var.arg_v == "2" then ngx.req.set_uri("/v2" .. ngx.var.uri, true) end
                if ngx.var.arg_v == "3" then return ngx.exec("/v3", "from=" .. ngx.var.uri) end
                if ngx.var.arg_v == "4" then return ngx.exec("@four") end
            }
            content_by_lua_block { ngx.print("v1") }
        }
        location /v2 { content_by_lua_block { ngx.print("v2 ", ngx.var.uri, " ", ngx.var.args) } }
        location /v3 { internal; content_by_lua_block { ngx.print("v3 ", ngx.var.args) } }
        location @four { content_by_lua_block { ngx.print("v4 ", ngx.var.uri) } }
        """,
        main=LOAD,
    )
    nginx.exchange("""
        > GET /a
        < 200
        <
        < v1

        > GET /a?v=2
        < 200
        <
        < v2 /v2/a v=2

        > GET /a?v=3
        < 200
        <
        < v3 from=/a

        > GET /a?v=4
        < 200
        <
        < v4 /a

        > GET /v3
        < 404
        """)


def test_response_is_changed(nginx: Nginx) -> None:
    nginx(
        """
        location / {
            proxy_pass http://127.0.0.1:%%PORT%%/upstream;
            header_filter_by_lua_block {
                ngx.header["X-Internal"] = nil
                ngx.header["X-Phase"] = ngx.get_phase() .. ngx.status
                ngx.header.content_length = nil
            }
            body_filter_by_lua_block {
                ngx.arg[1] = ngx.re.gsub(ngx.arg[1], "[0-9]{4}", "****", "jo")
                if ngx.arg[2] then ngx.arg[1] = ngx.arg[1] .. "end" end
            }
        }
        location /upstream { add_header X-Internal x; return 200 "card 1234 5678 "; }
        """,
        main=LOAD,
    )
    nginx.exchange("""
        > GET /
        < 200
        < !X-Internal
        < X-Phase: header_filter200
        <
        < card **** **** end
        """)


def test_errors_refuse(nginx: Nginx) -> None:
    """What fails, what is missing and what cannot be read never lets a request pass."""
    nginx(
        """
        location /error { access_by_lua_block { error("no") } return 200; }
        location / { content_by_lua_block { ngx.print("in") } }
        location /a { access_by_lua_block { error("no") } content_by_lua_block { ngx.print("in") } }
        location /b { access_by_lua_block { local x = nil; x.y = 1 }
                      content_by_lua_block { ngx.print("in") } }
        location /c { access_by_lua_block { if then } content_by_lua_block { ngx.print("in") } }
        location /d { access_by_lua_block { ngx.no_such_function() }
                      content_by_lua_block { ngx.print("in") } }
        location /e { access_by_lua_block { require("no.such.module") }
                      content_by_lua_block { ngx.print("in") } }
        location /f { access_by_lua_file none.lua; content_by_lua_block { ngx.print("in") } }
        location /g { access_by_lua_block { error({code = 200}) }
                      content_by_lua_block { ngx.print("in") } }
        location /h { rewrite_by_lua_block { error("no") }
                      content_by_lua_block { ngx.print("in") } }
        location /i { set_by_lua_block $x { error("no") } content_by_lua_block { ngx.print("in") } }
        location /j { access_by_lua_block { coroutine.wrap(function() error("no") end)() }
                      content_by_lua_block { ngx.print("in") } }
        """,
        main=LOAD,
    )
    for name in "abcdeghij":
        assert nginx.request(f"GET /{name}").status == 500, name
    assert nginx.request("GET /f").status == 404
    assert nginx.request("GET /").body == b"in"
    nginx.wait_for_log(r"\[error\].*lua entry thread aborted: runtime error: access_by_lua")
    nginx.wait_for_log(r"\[error\].*failed to load inlined Lua code: access_by_lua")


def test_access_is_of_the_client_only(nginx: Nginx) -> None:
    nginx(
        """
        access_by_lua_block { if not ngx.var.arg_in then ngx.exit(403) end }
        location / { content_by_lua_block { ngx.print(ngx.location.capture("/part").body) } }
        location /part { content_by_lua_block { ngx.print("part") } }
        location /open { access_by_lua_block { ngx.log(ngx.INFO, "open") } return 200; }
        location /other { access_by_lua_block { } content_by_lua_block { ngx.print("other") } }
        """,
        main=LOAD,
    )
    nginx.exchange("""
        > GET /
        < 403

        > GET /part
        < 403

        > GET /?in=1
        < 200
        <
        < part

        > GET /other
        < 200
        """)


def test_one_permission_is_enough(nginx: Nginx) -> None:
    nginx(
        """
        satisfy any;
        deny all;
        location / {
            access_by_lua_block {
                if ngx.var.arg_a == "ok" then return ngx.exit(ngx.OK) end
                if ngx.var.arg_a == "end" then return end
                ngx.exit(403)
            }
            content_by_lua_block { ngx.print("in") }
        }
        """,
        main=LOAD,
    )
    codes = [nginx.request(f"GET /?a={a}").status for a in ("ok", "end", "no")]
    assert codes == [200, 200, 403]


def test_preflight_and_methods(nginx: Nginx) -> None:
    nginx(
        """
        location / {
            access_by_lua_block {
                local method = ngx.req.get_method()
                ngx.header["Access-Control-Allow-Origin"] = ngx.var.http_origin
                if method == "OPTIONS" then return ngx.exit(ngx.HTTP_NO_CONTENT) end
                if method ~= "GET" then return ngx.exit(ngx.HTTP_NOT_ALLOWED) end
            }
            content_by_lua_block { ngx.print("got") }
        }
        """,
        main=LOAD,
    )
    nginx.exchange("""
        > OPTIONS /
        > Origin: http://a
        < 204
        < Access-Control-Allow-Origin: http://a

        > DELETE /
        < 405

        > GET /
        < 200
        <
        < got
        """)


def test_modules_and_init(nginx: Nginx) -> None:
    nginx(
        """
        location / {
            access_by_lua_block { require("guard").check(roles) }
            content_by_lua_block { ngx.print(ngx.ctx.role, " ", started, " ", ngx.var.arg_user) }
        }
        """,
        http="""
        lua_package_path "%%DIR%%/lua/?.lua;;";
        init_by_lua_block { roles = {ann = "admin"} }
        init_worker_by_lua_block { started = ngx.get_phase() }
        """,
        main=LOAD,
        files={
            "lua/guard.lua": """
            local guard = {}
            function guard.check(roles)
                local role = roles[ngx.var.arg_user]
                if not role then return ngx.exit(ngx.HTTP_FORBIDDEN) end
                ngx.ctx.role = role
            end
            return guard
            """
        },
    )
    nginx.exchange("""
        > GET /?user=ann
        < 200
        <
        < admin init_worker ann

        > GET /?user=bob
        < 403
        """)


def test_keys_are_fetched_over_a_socket(nginx: Nginx) -> None:
    nginx.backend("keys", b"+OK\r\n$3\r\nabc\r\n")
    nginx(
        """
        location / {
            access_by_lua_block {
                local key = ngx.shared.keys:get("key")
                if not key then
                    local sock = ngx.socket.tcp()
                    sock:settimeout(20000)
                    local ok, failure = sock:connect("127.0.0.1", %%PORT_keys%%)
                    if not ok then ngx.log(ngx.ERR, failure) return ngx.exit(503) end
                    sock:send({"GET ", "key", "\\r\\n\\r\\n"})
                    assert(sock:receive() == "+OK")
                    local length = tonumber(sock:receive():sub(2))
                    key = sock:receive(length)
                    sock:close()
                    ngx.shared.keys:set("key", key, 60)
                end
                if ngx.var.arg_key ~= key then ngx.exit(403) end
            }
            content_by_lua_block { ngx.print("in") }
        }
        location /down {
            access_by_lua_block {
                local ok, failure = ngx.socket.connect("127.0.0.1", %%PORT_none%%)
                if not ok then ngx.header["X-Why"] = failure return ngx.exit(503) end
            }
            content_by_lua_block { ngx.print("in") }
        }
        """,
        http="lua_shared_dict keys 100k; lua_socket_log_errors off;",
        main=LOAD,
    )
    nginx.exchange("""
        > GET /?key=abc
        < 200

        > GET /?key=abd
        < 403

        > GET /down
        < 503
        < X-Why: connection refused
        """)


def test_timers(nginx: Nginx) -> None:
    nginx(
        """
        location / {
            content_by_lua_block {
                for _ = 1, 100 do
                    if ngx.shared.state:get("ticks") == 2 then break end
                    ngx.sleep(0.02)
                end
                ngx.print(ngx.shared.state:get("ticks"), " ", ngx.shared.state:get("phase"))
            }
        }
        """,
        http="""
        lua_shared_dict state 100k;
        lua_max_pending_timers 10;
        lua_max_running_timers 10;
        init_worker_by_lua_block {
            local function tick(premature, again)
                if premature then return end
                ngx.shared.state:incr("ticks", 1, 0)
                ngx.shared.state:set("phase", ngx.get_phase())
                if again then assert(ngx.timer.at(0.01, tick, false)) end
            end
            assert(ngx.timer.at(0, tick, true))
        }
        """,
        main=LOAD,
    )
    assert nginx.request("GET /").body == b"2 timer"


def test_several_at_once(nginx: Nginx) -> None:
    nginx(
        """
        location / {
            content_by_lua_block {
                local gate = require("ngx.semaphore").new(0)
                local function ask(name, waits)
                    if waits then gate:wait(60) end
                    return name, ngx.location.capture("/part", {args = {a = name}}).body
                end
                local slow = ngx.thread.spawn(ask, "slow", true)
                local fast = ngx.thread.spawn(ask, "fast", false)
                ngx.say(select(2, ngx.thread.wait(slow, fast)))
                gate:post(1)
                ngx.say(select(2, ngx.thread.wait(slow)))
                local one, two = ngx.location.capture_multi {
                    {"/part", {args = "a=1"}}, {"/part", {args = "a=2"}},
                }
                ngx.say(one.body, two.body)
                local broken = ngx.thread.spawn(function() error("broken") end)
                ngx.say((ngx.thread.wait(broken)))
                ngx.thread.spawn(function() ngx.sleep(0.01) ngx.exit(200) end)
                ngx.sleep(100)
                ngx.say("never")
            }
        }
        location /part { content_by_lua_block { ngx.print("<", ngx.var.arg_a, ">") } }
        """,
        main=LOAD,
    )
    body = nginx.request("GET /").body
    assert body.split() == [b"fast<fast>", b"slow<slow>", b"<1><2>", b"false"]
    nginx.wait_for_log("lua user thread aborted: runtime error")


def test_requests_are_counted(nginx: Nginx) -> None:
    nginx(
        """
        log_by_lua_block {
            ngx.shared.counts:incr(ngx.status .. (ngx.ctx.who or "?"), 1, 0)
        }
        location / {
            access_by_lua_block { ngx.ctx.who = "ann" }
            content_by_lua_block { ngx.exit(ngx.var.arg_code == "1" and 418 or 200) }
        }
        location = /count {
            log_by_lua_block { }
            content_by_lua_block {
                ngx.print(ngx.shared.counts:get("200ann"), " ", ngx.shared.counts:get("418ann"))
            }
        }
        """,
        http="lua_shared_dict counts 100k;",
        main=LOAD,
    )
    for path in ("/", "/", "/?code=1"):
        nginx.request(f"GET {path}")
    assert nginx.request("GET /count").body == b"2 1"


def test_files(nginx: Nginx) -> None:
    nginx(
        """
        location / {
            rewrite_by_lua_file lua/rewrite.lua;
            access_by_lua_file lua/access_$arg_kind.lua;
            content_by_lua_file lua/content.lua;
            header_filter_by_lua_file lua/header.lua;
            body_filter_by_lua_file lua/body.lua;
            log_by_lua_file lua/log.lua;
            set_by_lua_file $set lua/set.lua 1 2;
        }
        """,
        http="init_by_lua_file lua/init.lua; init_worker_by_lua_file lua/worker.lua;",
        main=LOAD,
        files={
            "lua/init.lua": "first = 1",
            "lua/worker.lua": "second = first + 1",
            "lua/rewrite.lua": "ngx.ctx.rewritten = 'r'",
            "lua/access_a.lua": "#!/usr/bin/lua\nngx.ctx.kind = 'a'",
            "lua/access_b.lua": "ngx.exit(403)",
            "lua/content.lua": "ngx.print(ngx.ctx.rewritten, ngx.ctx.kind, ngx.var.set, second)",
            "lua/header.lua": "ngx.header['X-Kind'] = ngx.ctx.kind",
            "lua/body.lua": "ngx.arg[1] = ngx.arg[1]:upper()",
            "lua/log.lua": "ngx.log(ngx.NOTICE, 'logged ', ngx.ctx.kind)",
            "lua/set.lua": "return ngx.arg[1] + ngx.arg[2]",
        },
    )
    nginx.exchange("""
        > GET /?kind=a
        < 200
        < X-Kind: a
        <
        < RA32

        > GET /?kind=b
        < 403

        > GET /
        < 404
        """)
    line = nginx.wait_for_log("logged a")
    assert re.search(r"\[notice\].*\[lua\] log\.lua:1: logged a", line)


def test_code_in_arguments(nginx: Nginx) -> None:
    nginx(
        r"""
        location / {
            set_by_lua $sum 'return ngx.arg[1] + 1' 41;
            rewrite_by_lua 'ngx.ctx.a = "\'q\'"';
            access_by_lua 'if ngx.var.arg_no then ngx.exit(403) end';
            content_by_lua "ngx.print(ngx.ctx.a, ngx.var.sum)";
            header_filter_by_lua 'ngx.header.x = "h"';
            body_filter_by_lua 'ngx.arg[1] = ngx.arg[1]:gsub("q", "Q")';
            log_by_lua 'ngx.log(ngx.WARN, "logged")';
        }
        """,
        http="init_by_lua 'a = 1'; init_worker_by_lua 'b = a';",
        main=LOAD,
    )
    nginx.exchange("""
        > GET /
        < 200
        < x: h
        <
        < 'Q'42

        > GET /?no=1
        < 403
        """)
    nginx.wait_for_log(r"\[warn\].*logged")


def test_if_decides_which_code_runs(nginx: Nginx) -> None:
    nginx(
        """
        location /a { if ($arg_x) { rewrite_by_lua_block { ngx.exit(403) } }
                      content_by_lua_block { ngx.print("in") } }
        location /b { rewrite_by_lua_block { ngx.exit(402) } if ($arg_x) { set $y 1; }
                      content_by_lua_block { ngx.print("in") } }
        location /c { if ($arg_x) { access_by_lua_block { ngx.exit(401) } }
                      content_by_lua_block { ngx.print("in") } }
        location /d { set $v 1; rewrite_by_lua_block { ngx.var.v = ngx.var.v .. "lua" }
                      if ($v = 1) { set $v 2; } content_by_lua_block { ngx.print(ngx.var.v) } }
        """,
        main=LOAD,
    )
    codes = [nginx.request(f"GET /{path}").status for path in ("a", "a?x=1", "b", "b?x=1", "c")]
    assert codes == [200, 403, 402, 402, 200]
    assert nginx.request("GET /c?x=1").status == 401
    assert nginx.request("GET /d").body == b"2lua"


def test_server_wide_code_is_for_all(nginx: Nginx) -> None:
    """Also for requests that no location is for."""
    nginx(
        """
        rewrite_by_lua_block { if ngx.var.arg_x then ngx.exit(403) end }
        access_by_lua_block { if ngx.var.arg_y then ngx.exit(410) end }
        location = /a { return 200 a; }
        """,
        main=LOAD,
    )
    codes = [nginx.request(f"GET {path}").status for path in ("/none?x=1", "/none?y=1", "/none")]
    assert codes == [403, 410, 404]


ROOT = Authority("root")
SITE = Authority("site.example", ["site.example"], ROOT)


@pytest.mark.parametrize(
    "name, verifies, trusted, told",
    [
        ("site.example", "true", "root", "hello site.example"),
        ("other.example", "false", "root", "hello other.example"),
        ("other.example", "true", "root", "certificate host mismatch"),
        ("site.example", "true", "front", ": unable to "),  # 20 or 21
    ],
)
def test_socket_with_tls(nginx: Nginx, name: str, verifies: str, trusted: str, told: str) -> None:
    nginx(
        f"""
        lua_ssl_trusted_certificate {trusted}.pem;
        location / {{
            content_by_lua_block {{
                local sock = ngx.socket.tcp()
                assert(sock:connect("127.0.0.1", %%PORT_tls%%))
                local done, failure = sock:sslhandshake(nil, "{name}", {verifies})
                if not done then return ngx.print(failure) end
                sock:send("GET / HTTP/1.0\\r\\nHost: x\\r\\n\\r\\n")
                ngx.print((sock:receive("*a"):gsub(".*\\r\\n\\r\\n", "")))
            }}
        }}
        """,
        main=LOAD,
        servers=[
            "listen 127.0.0.1:%%PORT_tls%% ssl; ssl_certificate site.pem;"
            'ssl_certificate_key site.key; return 200 "hello $ssl_server_name";'
        ],
        files={
            "site.pem": SITE.pem,
            "site.key": SITE.key_pem(),
            "root.pem": ROOT.pem,
            "front.pem": Authority("front").pem,
        },
    )
    assert told in nginx.request("GET /").text


def test_code_chooses_the_server(nginx: Nginx) -> None:
    nginx(
        """
        location / { set $where ""; access_by_lua_block { ngx.ctx.to = ngx.var.arg_to }
                     proxy_pass http://chosen; }
        """,
        http="""
        upstream chosen {
            server 127.0.0.1:%%PORT_default%%;
            balancer_by_lua_block {
                local balancer = require "ngx.balancer"
                local to = ngx.ctx.to
                if to == "error" then error("no") end
                if to == "exit" then return ngx.exit(403) end
                if to == "name" then
                    ngx.log(ngx.WARN, "refused: ", select(2, balancer.set_current_peer("a.b", 1)))
                end
                if to == "retry" then
                    if balancer.get_last_failure() then
                        to = "one"
                    else
                        balancer.set_more_tries(1)
                        assert(balancer.set_current_peer("127.0.0.1", %%PORT_none%%))
                        return
                    end
                end
                if to == "one" then
                    assert(balancer.set_current_peer("127.0.0.1", %%PORT_one%%))
                elseif to == "two" then
                    assert(balancer.set_current_peer("127.0.0.1:%%PORT_two%%"))
                end
            }
        }
        """,
        main=LOAD,
        servers=[
            f"listen 127.0.0.1:%%PORT_{name}%%; return 200 {name};"
            for name in ("one", "two", "default")
        ],
    )
    answers = [nginx.request(f"GET /?to={to}") for to in ("one", "two", "retry")]
    assert [answer.body for answer in answers] == [b"one", b"two", b"one"]
    codes = [nginx.request(f"GET /?to={to}").status for to in ("error", "exit")]
    assert codes == [500, 500]
    if LOAD == "":
        assert nginx.request("GET /?to=none").body == b"default"
        assert nginx.request("GET /?to=name").body == b"default"
        nginx.wait_for_log("refused: no host allowed")
