"""The recipes for issuers and APIs, each with the tokens and the key set URL of the product."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pyngx_jwt.jwt import Json
from pyngx_jwt.jwt.mint import SigningKey
from pyngx_jwt.lint.command import main as lint

from ..backend import Peer
from ..jwt.keys import jwks, signing_key
from ..nginx import Nginx
from ..process.server import wait_for
from .tokens import EXP, FILES, Issuer, bearer

RECIPES = Path(__file__).parent.parent.parent / "docs/recipes"
RSA = signing_key("RS256", "r1")
OTHER_RSA = signing_key("RS256", "r2")  # another issuer's
ED = signing_key("EdDSA", "e1")
TENANT, APP = "11111111-2222-3333-4444-555555555555", "66666666-7777-8888-9999-000000000000"
TLS = re.compile(
    r"^ *(listen 443 ssl|ssl_certificate|proxy_ssl_|resolver |server_name ).*;\n", re.M
)

pytestmark = pytest.mark.pyngx_only("auth_jwt_validate_claim is a directive of pyngx")


def recipe(name: str) -> str:
    (text,) = re.findall(r"```nginx\n(.*?)```", (RECIPES / name).read_text(), re.DOTALL)
    assert isinstance(text, str)
    return text


def serve(nginx: Nginx, name: str, issuers: dict[str, str]) -> None:
    """Starts the configuration of a recipe; ``issuers``: ports by the names of hosts."""
    text = TLS.sub("", recipe(name))
    for host, port in issuers.items():
        text = text.replace(f"server {host}:443 resolve;", f"server 127.0.0.1:%%PORT_{port}%%;")
    for old, new in {
        "proxy_pass https://": "proxy_pass http://",
        "127.0.0.1:8000": "127.0.0.1:%%PORT_app%%",
        "/srv/app/": "%%DIR%%/app/",
        "/run/nginx/": "%%DIR%%/",
        "/var/cache/nginx/": "%%DIR%%/",
    }.items():
        text = text.replace(old, new)
    first, *others = re.findall(r"^server \{\n(.*?)^\}\n", text, re.DOTALL | re.MULTILINE)
    http = re.sub(r"^server \{\n.*?^\}\n", "", text, count=0, flags=re.DOTALL | re.MULTILINE)
    http += "".join(f"server {{\n{other}}}\n" for other in others)
    nginx.backend("app", application)
    nginx(first, http=http, files={"app/keys.json": FILES["jwks.json"]})


def application(peer: Peer) -> None:
    """Answers with what it got."""
    while not peer.closed():
        head = peer.request()
        body = head.encode("latin-1")
        fields = "Access-Control-Allow-Origin: *\r\n"
        peer.send(f"HTTP/1.1 200 OK\r\n{fields}Content-Length: {len(body)}\r\n\r\n".encode() + body)


class Product(Issuer):
    """Has its key set at one path, which must be asked for with its own name."""

    def __init__(self, host: str, path: str, *keys: SigningKey) -> None:
        super().__init__(jwks(*keys), "200 OK", "Content-Type: application/json")
        self.expected = f"GET {path} HTTP/1."
        self.host = host

    def check(self) -> None:
        assert self.asked
        for head in self.asked:
            assert head.startswith(self.expected), head
            assert f"\r\nHost: {self.host}\r\n" in head
            assert "authorization" not in head.lower()


PRODUCTS: dict[str, tuple[str, str, dict[str, Json], dict[str, str], list[dict[str, Json]]]] = {
    "keycloak": (
        "keycloak.example.com",
        "/realms/shop/protocol/openid-connect/certs",
        {
            "exp": EXP,
            "iat": 1767225600,
            "auth_time": 1767225590,
            "jti": "onrtac:4c0a3a8a-3a47-4f2f-8e89-9e5f9b0a0a0a",
            "iss": "https://keycloak.example.com/realms/shop",
            "aud": ["shop-api", "account"],
            "sub": "f1c4f64e-2c0c-4cda-8c9f-9f3f8f3a2b0e",
            "typ": "Bearer",
            "azp": "shop-web",
            "sid": "0d6f9f2e",
            "acr": "1",
            "allowed-origins": ["https://shop.example.com"],
            "realm_access": {"roles": ["default-roles-shop", "customer"]},
            "resource_access": {"account": {"roles": ["view-profile"]}},
            "scope": "openid email profile",
            "email_verified": True,
            "preferred_username": "ada",
        },
        {"X-User": "f1c4f64e-2c0c-4cda-8c9f-9f3f8f3a2b0e", "X-Username": "ada"},
        [
            {"aud": "account"},
            {"typ": "ID"},
            {"typ": "Refresh"},
            {"iss": "https://keycloak.example.com/realms/master"},
            {"realm_access": {"roles": ["default-roles-shop"]}},
            {"realm_access": None, "roles": ["customer"]},
        ],
    ),
    "auth0": (
        "example.eu.auth0.com",
        "/.well-known/jwks.json",
        {
            "iss": "https://example.eu.auth0.com/",
            "sub": "auth0|58b3f1c4",
            "aud": ["https://api.example.com", "https://example.eu.auth0.com/userinfo"],
            "iat": 1767225600,
            "exp": EXP,
            "azp": "sAlZ0000",
            "scope": "openid profile read:orders",
            "permissions": ["read:orders"],
        },
        {"X-User": "auth0|58b3f1c4", "X-Client": "sAlZ0000"},
        [
            {"iss": "https://example.eu.auth0.com"},
            {"aud": "https://example.eu.auth0.com/userinfo"},
            {"permissions": []},
            {"permissions": ["read:orders:all"]},
        ],
    ),
    "entra": (
        "login.microsoftonline.com",
        f"/{TENANT}/discovery/v2.0/keys",
        {
            "aud": APP,
            "iss": f"https://login.microsoftonline.com/{TENANT}/v2.0",
            "iat": 1767225600,
            "nbf": 1767225600,
            "exp": EXP,
            "aio": "AUQAu",
            "azp": "client-1",
            "azpacr": "1",
            "name": "Ada",
            "oid": "oid-1",
            "preferred_username": "ada@example.com",
            "rh": "0.AX",
            "scp": "Orders.Write Orders.Read",
            "sub": "pairwise",
            "tid": TENANT,
            "uti": "u",
            "ver": "2.0",
        },
        {"X-User": "oid-1", "X-Client": "client-1"},
        [
            {"iss": f"https://sts.windows.net/{TENANT}/", "aud": f"api://{APP}"},
            {"aud": "00000003-0000-0000-c000-000000000000"},
            {"tid": "99999999-2222-3333-4444-555555555555"},
            {"scp": "Orders.ReadX"},
            {"scp": None, "roles": ["Orders.Read"]},
            {"scp": None},
            {"scp": "x|y|Orders.Read.All"},
        ],
    ),
    "okta": (
        "example.okta.com",
        "/oauth2/default/v1/keys",
        {
            "ver": 1,
            "jti": "AT.MNAoEQ",
            "iss": "https://example.okta.com/oauth2/default",
            "aud": "api://default",
            "iat": 1767225600,
            "exp": EXP,
            "cid": "0oa1",
            "uid": "00u1",
            "scp": ["openid", "orders.read"],
            "auth_time": 1767225590,
            "sub": "ada@example.com",
        },
        {"X-User": "ada@example.com", "X-Client": "0oa1"},
        [
            {"iss": "https://example.okta.com", "aud": "https://example.okta.com"},
            {"aud": "0oa1"},
            {"scp": ["openid"]},
        ],
    ),
    "cognito": (
        "cognito-idp.eu-central-1.amazonaws.com",
        "/eu-central-1_EXAMPLE/.well-known/jwks.json",
        {
            "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
            "cognito:groups": ["admin", "staff"],
            "iss": "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_EXAMPLE",
            "version": 2,
            "client_id": "1example23456789",
            "origin_jti": "o",
            "token_use": "access",
            "scope": "openid orders/read",
            "auth_time": 1767225590,
            "exp": EXP,
            "iat": 1767225600,
            "jti": "j",
            "username": "ada",
        },
        {"X-User": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "X-Groups": "admin,staff"},
        [
            {"token_use": "id", "client_id": None, "aud": "1example23456789"},
            {"client_id": "other"},
            {"scope": "aws.cognito.signin.user.admin"},
            {"iss": "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_OTHER"},
        ],
    ),
}


def authorization(key: SigningKey, claims: dict[str, Json], **changes: Json) -> str:
    merged = {**claims, **changes}
    given = {name: value for name, value in merged.items() if value is not None}
    return f"Authorization: Bearer {key.sign(given)}"


@pytest.mark.parametrize("name", PRODUCTS)
def test_issuer(nginx: Nginx, name: str) -> None:
    host, path, claims, headers, refused = PRODUCTS[name]
    issuer = Product(host, path, RSA)
    nginx.backend("issuer", issuer)
    serve(nginx, f"{name}.md", {host: "issuer"})
    answer = nginx.request("GET /api/orders", authorization(RSA, claims), "X-User: forged")
    assert answer.status == 200
    for header, value in headers.items():
        assert re.findall(rf"^{header}: (.*)\r$", answer.text, re.M) == [value]
    assert "authorization" not in answer.text.lower()
    assert nginx.request("GET /API/orders").status == 401
    always: list[dict[str, Json]] = [{"exp": 1}, {"exp": None}, {"aud": "x", "client_id": "x"}]
    for changes in always + refused:
        status = nginx.request("GET /api/x", authorization(RSA, claims, **changes)).status
        assert status in (401, 403), changes
    assert nginx.request("GET /api/x", authorization(OTHER_RSA, claims)).status == 401
    hs256 = signing_key("HS256", "r1")
    assert nginx.request("GET /api/x", authorization(hs256, claims)).status == 401
    assert nginx.request("GET /_keys").status == 404
    issuer.check()


def test_roles_of_applications_in_entra(nginx: Nginx) -> None:
    host, path, claims, _, _ = PRODUCTS["entra"]
    nginx.backend("issuer", Product(host, path, RSA))
    serve(nginx, "entra.md", {host: "issuer"})
    for roles, status in (
        (["Orders.Read.All"], 200),
        (["Other", "Orders.Read.All"], 200),
        (["Orders.Read.All.x"], 403),
        (["xOrders.Read.All"], 403),
    ):
        answer = nginx.request("GET /api/x", authorization(RSA, claims, scp=None, roles=[*roles]))
        assert answer.status == status, roles


GATEWAY: dict[str, Json] = {
    "iss": "https://my-api-main-a32f34.zuplo.app/__zuplo/issuer",
    "aud": "https://backend.example.com",
    "sub": "consumer-1",
    "exp": EXP,
}
CUSTOMER: dict[str, Json] = {
    "iss": "https://idp.example.com",
    "aud": ["https://backend.example.com"],
    "sub": "customer-1",
    "exp": EXP,
}


def test_zuplo(nginx: Nginx) -> None:
    host = "my-api-main-a32f34.zuplo.app"
    gateway = Product(host, "/__zuplo/issuer/.well-known/jwks.json", ED)
    issuer = Product("idp.example.com", "/.well-known/jwks.json", RSA)
    nginx.backend("gateway", gateway)
    nginx.backend("issuer", issuer)
    serve(nginx, "zuplo.md", {host: "gateway", "idp.example.com": "issuer"})
    answer = nginx.request("GET /orders/1", authorization(ED, GATEWAY), "X-Consumer: forged")
    assert answer.status == 200
    assert re.findall(r"^X-Consumer: (.*)\r$", answer.text, re.M) == ["consumer-1"]
    for refused in (
        authorization(RSA, CUSTOMER),
        authorization(RSA, GATEWAY),
        authorization(ED, GATEWAY, aud="https://other.example.com"),
        authorization(ED, GATEWAY, iss="https://my-api-preview.zuplo.app/__zuplo/issuer"),
        authorization(ED, GATEWAY, sub=None),
    ):
        assert nginx.request("GET /orders/1", refused).status == 401
    in_header = authorization(ED, GATEWAY).replace("Authorization: Bearer", "X-Gateway-Token:")
    answer = nginx.request("GET /me/x", authorization(RSA, CUSTOMER), in_header)
    assert answer.status == 200
    assert re.findall(r"^X-Consumer: (.*)\r$", answer.text, re.M) == ["customer-1"]
    assert "x-gateway-token" not in answer.text.lower()
    assert nginx.request("GET /me/x", authorization(RSA, CUSTOMER)).status == 401
    assert nginx.request("GET /me/x", in_header).status == 401
    assert nginx.request("GET /me/x", authorization(ED, GATEWAY), in_header).status == 401
    gateway.check()
    issuer.check()


OURS = {"iss": "https://idp.example.com", "aud": "api"}


def test_spa(nginx: Nginx) -> None:
    serve(nginx, "spa.md", {})
    nginx.exchange(f"""
        > OPTIONS /orders
        > Origin: https://app.example.com
        > Access-Control-Request-Method: POST
        > Access-Control-Request-Headers: authorization
        < 204
        < Access-Control-Allow-Origin: https://app.example.com
        < Access-Control-Allow-Headers: Authorization, Content-Type

        > OPTIONS /orders
        > Origin: https://app.example.com
        < 401

        > OPTIONS /orders
        > Origin: https://evil.example.com
        > Access-Control-Request-Method: POST
        < 401
        < !Access-Control-Allow-Origin

        > GET /orders
        > Origin: https://app.example.com
        < 401
        < Access-Control-Allow-Origin: https://app.example.com
        < Vary: Origin

        > GET /orders
        > Origin: https://app.example.com
        > {bearer(**OURS)}
        < 200
        < Access-Control-Allow-Origin: https://app.example.com

        > GET /orders
        > Origin: https://evil.example.com
        > {bearer(**OURS)}
        < 200
        < !Access-Control-Allow-Origin

        > GET /_preflight
        < 404
        """)


def test_websocket(nginx: Nginx) -> None:
    serve(nginx, "websocket.md", {})
    token = bearer(**OURS).rpartition(" ")[2]
    upgrade = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13")

    def protocols_of(*lines: str) -> list[str]:
        answer = nginx.request("GET /chat", *upgrade, *lines)
        assert answer.status == 200, lines
        assert token not in answer.text
        assert re.findall(r"^Upgrade: (.*)\r$", answer.text, re.M) == ["websocket"]
        found: list[str] = re.findall(r"^Sec-WebSocket-Protocol: (.*)\r$", answer.text, re.M)
        return found

    assert protocols_of(f"Authorization: Bearer {token}") == []
    assert protocols_of(f"Sec-WebSocket-Protocol: chat, token.{token}") == ["chat"]
    assert protocols_of(f"Sec-WebSocket-Protocol: token.{token}, chat, v2") == ["chat, v2"]
    assert protocols_of(f"Sec-WebSocket-Protocol: token.{token}") == []
    assert nginx.request("GET /chat", *upgrade).status == 401
    bad = f"Sec-WebSocket-Protocol: chat, token.{token[:-4]}AAAA"
    assert nginx.request("GET /chat", *upgrade, bad).status == 401


def test_limits(nginx: Nginx) -> None:
    serve(nginx, "limits.md", {})

    def statuses(count: int, *head: str, uri: str = "/") -> list[int]:
        return [nginx.request(f"GET {uri}", *head).status for _ in range(count)]

    free = bearer(sub="free", **OURS)
    assert statuses(8, free).count(429) >= 1
    premium = bearer(sub="premium", plan="premium", **OURS)
    assert statuses(12, premium) == [200] * 12
    assert statuses(1, bearer(sub="another", **OURS)) == [200]
    assert 401 in statuses(2)


def test_errors(nginx: Nginx) -> None:
    serve(nginx, "errors.md", {})
    answer = nginx.request("GET /")
    assert (answer.status, answer.get("Content-Type")) == (401, "application/problem+json")
    assert (answer.get("WWW-Authenticate") or "").startswith("Bearer")
    problem = json.loads(answer.text)
    assert (problem["status"], problem["title"]) == (401, "Unauthorized")
    (line,) = wait_for("the log", lambda: nginx.read("app/access.log").splitlines())
    assert problem["instance"] == f"urn:request:{json.loads(line)['id']}"
    assert nginx.request("GET /", bearer(**OURS)).status == 200
    answer = nginx.request("GET /%zz", bearer(**OURS))
    assert answer.status == 400


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.md")), ids=lambda path: path.stem)
def test_lint_accepts_the_recipes(path: Path, tmp_path: Path) -> None:
    found = re.findall(r"```nginx\n(.*?)```", path.read_text(), re.DOTALL)
    for text in found:
        whole = text if text.startswith("events") else f"events {{}}\nhttp {{\n{text}\n}}\n"
        (tmp_path / "nginx.conf").write_text(whole.replace("include mime.types;", ""))
        words = ["--offline", "--fail-on", "warn", str(tmp_path / "nginx.conf")]
        assert lint(words) == 0
