"""Lua in TLS handshakes: certificates and hellos that code looks at, and "ngx.ssl"."""

from __future__ import annotations

import ssl
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from ..authority import Authority
from ..nginx import Nginx
from ..tls_client import ask, client_context
from .lua import LOAD, NEEDS_LUA
from .test_tls_certificates import FILES, LISTEN, ROOT, TLS, TWO, shown

pytestmark = NEEDS_LUA
CLIENT = Authority("client.example", (), ROOT)
LUA = {
    **FILES,
    "two.der": TWO.certificate.public_bytes(Encoding.DER).decode("latin-1"),
    "client.pem": CLIENT.pem + CLIENT.key_pem(),
    "files.lua": """
        return function(name)
            local file = assert(io.open(ngx.config.prefix() .. name, "rb"))
            local text = file:read("*a")
            file:close()
            return text
        end
    """,
}
PATH = "lua_package_path '%%DIR%%/?.lua;;';"
SHOW_TWO = """
    local ssl, read = require "ngx.ssl", require "files"
    if ssl.server_name() ~= "two" then return end
    assert(ssl.clear_certs())
    assert(ssl.set_cert(assert(ssl.parse_pem_cert(read("two.pem")))))
    assert(ssl.set_priv_key(assert(ssl.parse_pem_priv_key(read("two.key")))))
"""


def test_code_shows_certificates(nginx: Nginx) -> None:
    nginx(
        f"{TLS} ssl_certificate_by_lua_block {{ {SHOW_TWO} }} return 200 $ssl_server_name;",
        listen=LISTEN,
        http=PATH,
        main=LOAD,
        files=LUA,
    )
    assert [shown(nginx, name) for name in ("two", "one", None)] == ["two", "one", "one"]
    assert ask(nginx, "two")[0].text == "two"


def test_certificates_in_der(nginx: Nginx) -> None:
    nginx(
        f"""
        {TLS} ssl_certificate_by_lua_block {{
            local ssl, read = require "ngx.ssl", require "files"
            assert(ssl.clear_certs())
            assert(ssl.set_der_cert(assert(ssl.cert_pem_to_der(read("two.pem")))))
            assert(ssl.set_der_priv_key(assert(ssl.priv_key_pem_to_der(read("two.key")))))
        }}
        """,
        listen=LISTEN,
        http=PATH,
        main=LOAD,
        files=LUA,
    )
    assert shown(nginx) == "two"


def test_code_that_waits(nginx: Nginx) -> None:
    """Handshakes of other clients go on meanwhile."""
    nginx(
        f"""
        {TLS} ssl_certificate_by_lua_block {{
            local ssl = require "ngx.ssl"
            ngx.ctx.waits = ssl.server_name() == "two"
            while ngx.ctx.waits and not ngx.shared.d:get("seen") do ngx.sleep(0.01) end
            if not ngx.ctx.waits then ngx.shared.d:set("seen", true) end
            local sock = ngx.socket.tcp()
            assert(sock:connect("127.0.0.1", %%PORT_plain%%))
            assert(sock:send("GET / HTTP/1.0\\r\\n\\r\\n"))
            assert(sock:receive("*a"):find("hello$"))
            {SHOW_TWO}
        }}
        return 200 ok;
        """,
        listen=LISTEN,
        http=f"""
        {PATH} lua_shared_dict d 1m;
        server {{ listen 127.0.0.1:%%PORT_plain%%; return 200 hello; }}
        """,
        main=LOAD,
        files=LUA,
    )
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(shown, nginx, "two")
        assert shown(nginx, "one") == "one"
        assert waiting.result() == "two"


@pytest.mark.parametrize(
    ("code", "logged"),
    [
        ("ngx.exit(ngx.ERROR)", "cert cb error"),
        ("error('no')", "lua entry thread aborted: runtime error: .*no"),
        ("ngx.sleep(0.001) error('no')", "lua entry thread aborted: runtime error: .*no"),
        ("ngx.sleep(0.001) ngx.exit(ngx.ERROR)", "cert cb error"),
        (
            "local a = ngx.var.uri",
            "API disabled in the (context of ssl_certificate_by_lua|current context)",
        ),
        ("ngx.say('x')", "API disabled in the (context of ssl_certificate_by_lua|current context)"),
        (
            "ngx.req.get_headers()",
            "API disabled in the (context of ssl_certificate_by_lua|current context)",
        ),
    ],
)
def test_code_that_refuses(nginx: Nginx, code: str, logged: str) -> None:
    nginx(
        f"{TLS} ssl_certificate_by_lua_block {{ {code} }} return 200 never;",
        listen=LISTEN,
        main=LOAD,
        files=LUA,
    )
    assert shown(nginx) == ""
    nginx.wait_for_log(logged)


def test_exit_is_not_always_an_end(nginx: Nginx) -> None:
    nginx(
        f"{TLS} ssl_certificate_by_lua_block {{ ngx.exit(ngx.OK) }} return 200 ok;",
        listen=LISTEN,
        main=LOAD,
        files=LUA,
    )
    assert ask(nginx)[0].text == "ok"


@pytest.mark.pyngx_only("a directive that names no file is caught when the code runs")
def test_a_missing_file_refuses(nginx: Nginx) -> None:
    nginx(f"{TLS} ssl_certificate_by_lua_file none.lua;", listen=LISTEN, files=LUA)
    assert shown(nginx) == ""
    nginx.wait_for_log("failed to load external Lua file .*none.lua")


def test_wrong_certificates(nginx: Nginx) -> None:
    nginx(
        f"""
        {TLS} ssl_certificate_by_lua_block {{
            local ssl, read = require "ngx.ssl", require "files"
            local said = {{}}
            local function note(ok, failure) said[#said + 1] = tostring(ok) .. " " .. failure end
            note(ssl.parse_pem_cert("nothing"))
            note(ssl.parse_pem_priv_key("nothing"))
            note(ssl.set_der_cert("nothing"))
            note(ssl.set_der_priv_key("nothing"))
            assert(ssl.set_cert(assert(ssl.parse_pem_cert(read("two.pem")))))
            note(ssl.set_priv_key(assert(ssl.parse_pem_priv_key(read("one.key")))))
            ngx.log(ngx.WARN, table.concat(said, "|"))
        }}
        """,
        listen=LISTEN,
        http=PATH,
        main=LOAD,
        files=LUA,
    )
    shown(nginx)
    nginx.wait_for_log(
        r"nil PEM_read_bio_X509(_AUX)?\(\) failed\|nil PEM_read_bio_PrivateKey\(\) failed"
        r"\|nil d2i_X509_bio\(\) failed\|nil d2i_PrivateKey_bio\(\) failed"
        r"\|nil SSL_use_PrivateKey\(\) failed, context: ssl_certificate_by_lua\*, client: 127"
    )


def test_facts_of_the_connection(nginx: Nginx) -> None:
    nginx(
        f"""
        {TLS} ssl_certificate_by_lua_block {{
            local ssl = require "ngx.ssl"
            local address, kind = ssl.raw_client_addr()
            local own, own_kind = ssl.raw_server_addr()
            ngx.log(ngx.WARN, ngx.get_phase(), " ", kind, " ",
                table.concat({{address:byte(1, -1)}}, "."), " ", own_kind, " ", #own, " ",
                ssl.server_port() == %%PORT%%, " ", ssl.get_tls1_version(), " ",
                ssl.get_tls1_version_str(), " ", tostring(ssl.server_name()))
        }}
        location / {{
            content_by_lua_block {{
                local ssl = require "ngx.ssl"
                ngx.print(ssl.server_name(), " ", ssl.get_tls1_version_str())
            }}
        }}
        """,
        listen=LISTEN,
        main=LOAD,
        files=LUA,
    )
    context = client_context(ssl.TLSVersion.TLSv1_2)
    assert ask(nginx, "a.test", context=context)[0].text == "a.test TLSv1.2"
    nginx.wait_for_log(r"ssl_cert inet 127.0.0.1 inet 4 true 771 TLSv1.2 a.test")


@pytest.mark.nginx_differs("Debian's module is older")
def test_client_certificates_on_demand(nginx: Nginx) -> None:
    nginx(
        f"""
        {TLS} ssl_certificate_by_lua_block {{
            local ssl, read = require "ngx.ssl", require "files"
            if ssl.server_name() == "inner" then
                assert(ssl.verify_client(assert(ssl.parse_pem_cert(read("root.pem"))), 2))
            end
        }}
        location / {{ return 200 "$ssl_client_verify $ssl_client_s_dn"; }}
        """,
        listen=LISTEN,
        http=PATH,
        main=LOAD,
        files=LUA,
    )
    identity = client_context(identity=nginx.prefix / "client.pem")
    assert ask(nginx, "inner", context=identity)[0].text == "SUCCESS CN=client.example"
    assert ask(nginx, "inner")[0].text == "NONE "
    assert ask(nginx, "outer", context=identity)[0].text == "NONE "


# -- the client's hello ---------------------------------------------------------------------


@pytest.mark.nginx_differs("Debian's module is older")
def test_the_hello(nginx: Nginx) -> None:
    nginx(
        f"""
        {TLS} ssl_client_hello_by_lua_block {{
            local hello = require "ngx.ssl.clienthello"
            ngx.ctx.name = hello.get_client_hello_server_name()
            ngx.log(ngx.WARN, ngx.get_phase(), " ", tostring(ngx.ctx.name), " ",
                hello.get_client_hello_ext(16) or "none", " ",
                tostring(hello.get_client_hello_ext(9999)), " ",
                table.concat(hello.get_supported_versions(), ","))
            if ngx.ctx.name == "bad" then ngx.exit(ngx.ERROR) end
            if ngx.ctx.name == "old" then assert(hello.set_protocols({{"TLSv1.2"}})) end
            if ngx.ctx.name == "slow" then ngx.sleep(0.001) end
        }}
        ssl_certificate_by_lua_block {{ ngx.log(ngx.WARN, "later ", tostring(ngx.ctx.name)) }}
        ssl_protocols TLSv1.2 TLSv1.3;
        return 200 $ssl_protocol;
        """,
        listen=LISTEN,
        main=LOAD,
        files=LUA,
    )
    context = client_context(alpn=("http/1.1",))
    assert ask(nginx, "new", context=context)[0].text == "TLSv1.3"
    nginx.wait_for_log(r"ssl_client_hello new .*http/1.1 nil TLSv1.2,TLSv1.3")
    assert ask(nginx, "old")[0].text == "TLSv1.2"
    assert ask(nginx, "slow")[0].text == "TLSv1.3"
    assert shown(nginx, "bad") == ""
    nginx.wait_for_log(r"SSL_do_handshake\(\) failed .*callback failed")
    nginx.wait_for_log("later new")


@pytest.mark.nginx_differs("Debian's module wants a certificate there")
def test_the_hello_where_the_default_server_refuses(nginx: Nginx) -> None:
    nginx(
        """
        ssl_reject_handshake on;
        ssl_client_hello_by_lua_block {
            if require("ngx.ssl.clienthello").get_client_hello_server_name() == "two.example" then
                ngx.exit(ngx.ERROR)
            end
        }
        """,
        listen=f"{LISTEN} default_server",
        http=f"""
        server {{
            listen 127.0.0.1:%%PORT%% ssl; server_name one.example two.example; {TLS}
            return 200 ok;
        }}
        """,
        files=LUA,
    )
    assert [shown(nginx, name) for name in ("one.example", "two.example", "x")] == ["one", "", ""]


@pytest.mark.pyngx_only("functions that are missing")
def test_what_is_missing_refuses_the_handshake(nginx: Nginx) -> None:
    nginx(
        f"""
        {TLS} ssl_certificate_by_lua_block {{ require("ngx.ocsp").set_ocsp_status_resp("x") }}
        """,
        listen=LISTEN,
        files=LUA,
    )
    assert shown(nginx) == ""
    nginx.wait_for_log("ngx.ocsp.set_ocsp_status_resp is not supported by pyngx")


@pytest.mark.parametrize(
    ("block", "file"),
    [
        ("ssl_certificate_by_lua_block", "ssl_certificate_by_lua_file"),
        ("ssl_client_hello_by_lua_block", "ssl_client_hello_by_lua_file"),
    ],
)
def test_settings(nginx: Nginx, block: str, file: str) -> None:
    nginx(f"{TLS} {block} {{ }} return 200 ok;", listen=LISTEN, main=LOAD, files=LUA)
    assert ask(nginx)[0].text == "ok"
    nginx.rejects(f"{block} {{ }} {file} x.lua;", f'"{file}" directive is duplicate', main=LOAD)


@pytest.mark.pyngx_only("nginx without HTTP/3 does not read it")
@pytest.mark.parametrize("phase", ["client_hello", "certificate"])
def test_no_code_is_left_out_over_quic(nginx: Nginx, phase: str) -> None:
    for name, content in FILES.items():
        nginx.write(name, content)
    nginx.rejects(
        message='"ssl_client_hello_by_lua" and "ssl_certificate_by_lua" are not supported for the '
        '"listen ... quic" directive',
        http=f"""
        server {{
            listen 127.0.0.1:%%PORT_q%% quic;
            {TLS}
            ssl_{phase}_by_lua_block {{ ngx.exit(ngx.ERROR) }}
        }}
        """,
    )


@pytest.mark.pyngx_only("memory of our workers")
def test_handshakes_leave_nothing(nginx: Nginx) -> None:
    nginx(
        f"""
        {TLS} ssl_client_hello_by_lua_block {{ ngx.ctx.text = ("x"):rep(10000) .. ngx.now() }}
        ssl_certificate_by_lua_block {{ ngx.sleep(0) {SHOW_TWO} }}
        location / {{
            content_by_lua_block {{
                collectgarbage() collectgarbage()
                ngx.print(math.floor(collectgarbage("count")))
            }}
        }}
        """,
        listen=LISTEN,
        http=PATH,
        files=LUA,
    )

    def used() -> int:
        """Kilobytes of Lua after a hundred handshakes more."""
        for _ in range(100):
            assert shown(nginx, "two") == "two"
        return int(ask(nginx, "two")[0].text)

    before = used()
    assert used() < before + 300  # what stayed of each would be 1000
