"""The recipe for OpenID Connect: lua-resty-openidc, unmodified, and an issuer in the same server.

TEST_LUA_LIBRARIES names a directory with resty/openidc.lua and what it needs: lua-resty-http,
lua-resty-jwt, lua-resty-session, lua-resty-openssl, lua-resty-hmac, lua-resty-string.  Their
sources are not part of this project.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from jwcrypto.jwk import JWK  # type: ignore[import-untyped]

from ..nginx import Nginx
from ..wire import Answer
from .lua import LOAD, NEEDS_LUA

LIBRARIES = os.environ.get("TEST_LUA_LIBRARIES", "")
HERE = bool(LIBRARIES) and (Path(LIBRARIES) / "resty/openidc.lua").exists()
pytestmark = [
    NEEDS_LUA,
    pytest.mark.skipif(not HERE, reason="TEST_LUA_LIBRARIES names no lua-resty-openidc"),
]
ROOT = Path(__file__).parent.parent.parent
CONF = (ROOT / "tests/data/lua_oidc.conf").read_text()
RECIPE = (ROOT / "docs/recipes/openid.md").read_text().split("```nginx\n")[1].split("```")[0]
KEY, OTHER = JWK.generate(kty="RSA", size=2048, kid="one"), JWK.generate(kty="RSA", size=2048)
ISSUER = """
local file = assert(io.open(ngx.config.prefix() .. "issuer.pem"))
local key = file:read("*a")
file:close()
return {
    token = function(claims)
        claims.iss = "http://127.0.0.1:" .. ngx.var.server_port
        claims.iat, claims.exp = ngx.time(), ngx.time() + 300
        local header = {alg = "RS256", typ = "JWT", kid = "one"}
        return require("resty.jwt"):sign(key, {header = header, payload = claims})
    end,
}
"""


def recipe() -> str:
    """With the issuer, the application and the libraries of this test."""
    text = RECIPE
    for old, new in (
        ("https://id.example.com", "http://127.0.0.1:%%PORT%%"),
        ("https://app.example.com", "http://127.0.0.1:%%PORT_front%%"),
        ("/etc/pyngx/lua/", f"{LIBRARIES}/"),
        ("resolver 127.0.0.53;", ""),
        ("listen 8080;", "listen 127.0.0.1:%%PORT_front%%;"),
        ("127.0.0.1:9000", "127.0.0.1:%%PORT_app%%"),
    ):
        assert old in text, old
        text = text.replace(old, new)
    return text.replace('lua_package_path "', 'lua_package_path "%%DIR%%/?.lua;')


@pytest.fixture
def server(nginx: Nginx) -> Nginx:
    nginx(
        CONF,
        http=f"""
        {recipe()}
        lua_shared_dict codes 1m;
        server {{ listen 127.0.0.1:%%PORT_app%%; return 200 "$uri for $http_x_user"; }}
        """,
        main=f"{LOAD} env CLIENT_ID=rp; env CLIENT_SECRET=s3cret;"
        " env SESSION_SECRET=of-more-than-thirty-two-bytes-as-it-must;",
        files={
            "issuer.lua": ISSUER,
            "issuer.pem": KEY.export_to_pem(private_key=True, password=None).decode(),
            "jwks.json": '{"keys": [' + KEY.export_public() + "]}",
        },
    )
    return nginx


def front(server: Nginx, *head: str) -> Answer:
    """What the recipe's server answers."""
    return server.request(*head, port="front")


def test_tokens_of_the_issuer(server: Nginx) -> None:
    token = server.request("GET /mint?aud=api").text
    for _ in range(2):  # with what was fetched, and with what is remembered
        answer = front(server, "GET /api/a", f"Authorization: Bearer {token}")
        assert (answer.status, answer.text) == (200, "/api/a for bob")


def test_other_tokens(server: Nginx) -> None:
    head, payload, signature = server.request("GET /mint?aud=api").text.split(".")
    wrong = signature[:-8] + signature[:8]
    none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0"  # {"alg":"none","typ":"JWT"}
    for token in (f"{head}.{payload}.{wrong}", f"{none}.{payload}.", "x", f"{head}.{payload}."):
        assert front(server, "GET /api/a", f"Authorization: Bearer {token}").status == 401, token
    other = server.request("GET /mint?aud=other").text
    assert front(server, "GET /api/a", f"Authorization: Bearer {other}").status == 401
    assert front(server, "GET /api/a").status == 401


def test_introspection(server: Nginx) -> None:
    assert (
        front(server, "GET /opaque/a", "Authorization: Bearer 0paque").text == "/opaque/a for ann"
    )
    assert front(server, "GET /opaque/a", "Authorization: Bearer other").status == 401
    assert front(server, "GET /opaque/a").status == 401


def test_login(server: Nginx) -> None:
    ports = {str(server.port(name)): name for name in ("", "front")}
    jar: dict[str, str] = {}

    def get(url: str) -> Answer:
        """Of the server that the URL names, the recipe's without one."""
        host, _, path = url.removeprefix("http://").partition("/")
        port = ports[host.partition(":")[2]] if host else "front"
        head = [f"GET /{path}", f"Host: {host or 'app.example.com'}"]
        if jar and port:
            head.append("Cookie: " + "; ".join(f"{name}={value}" for name, value in jar.items()))
        answer = server.request(*head, port=port)
        for value in answer.all("Set-Cookie"):
            name, _, rest = value.partition("=")
            jar[name] = rest.partition(";")[0]
        return answer

    def lead(answer: Answer) -> str:
        location = answer.get("Location")
        assert answer.status == 302 and location
        return location

    issuer = lead(get("/start?a=b"))
    assert "/authorize?" in issuer
    callback = lead(get(issuer))
    assert "/callback?code=c0de" in callback
    start = lead(get(callback))
    assert start == "/start?a=b"
    assert get(start).text == "/start for ann"
    assert "for ann" not in get(callback).text  # state and code are used up
    jar.clear()
    assert get("/start").status == 302
