"""Configurations of the shape that ingress controllers and the OpenID Connect sample for
NGINX Plus produce."""

from __future__ import annotations

import gzip

import pytest

from pyngx_jwt.jwt import Json

from ..jwt.keys import encryption_key, jwks
from ..nginx import Nginx
from .tokens import FILES, KEY, OTHER, Issuer, bearer, tampered, token

pytestmark = [
    pytest.mark.needs("auth-jwt"),
    pytest.mark.pyngx_only("the module of this nginx is of another dialect"),
]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

# An ingress controller's server with a policy that takes keys from an issuer.
INGRESS = """
    server_tokens off; set $service "a"; set $resource_type "virtualserver";

    location = /_jwks_uri_server_policy_default_api {
        internal; proxy_method GET; proxy_set_header Content-Length ""; proxy_set_header Host idp;
        proxy_ssl_server_name on; proxy_set_header Accept-Encoding "";
        proxy_pass http://127.0.0.1:%%PORT_issuer%%/jwks;
    }
    location / {
        auth_jwt "API of $host" token=$http_token;
        auth_jwt_key_request /_jwks_uri_server_policy_default_api;
        auth_jwt_key_cache 1h; auth_jwt_leeway 30s;
        auth_jwt_require $jwt_claim_sub $allowed error=403;
        set $default_connection_header close; client_max_body_size 1m;
        proxy_set_header X-Real-IP $remote_addr; proxy_set_header Host "$host";
        proxy_set_header X-User $jwt_claim_sub; proxy_set_header X-Groups $groups;
        proxy_pass http://127.0.0.1:%%PORT_app%%; proxy_next_upstream error timeout;
    }
    location /secret {
        auth_jwt "realm" token=$cookie_auth_token; auth_jwt_key_file secrets/default-jwk;
        proxy_pass http://127.0.0.1:%%PORT_app%%;
    }
    location @login_url_server { internal; return 302 https://login.example.com; }
    location /login {
        error_page 401 @login_url_server; auth_jwt "realm"; auth_jwt_key_file secrets/default-jwk;
        proxy_pass http://127.0.0.1:%%PORT_app%%;
    }
"""


def test_ingress(nginx: Nginx) -> None:
    issuer = Issuer()
    nginx.backend("issuer", issuer)
    app = nginx.backend("app", OK)
    nginx(
        INGRESS,
        http="""
            auth_jwt_claim_set $groups realm_access groups;
            map $jwt_claim_org $allowed { default 0; "example" 1; }
        """,
        files={**FILES, "secrets/default-jwk": jwks(OTHER)},
    )
    claims: dict[str, Json] = {"org": "example", "realm_access": {"groups": ["a", "b"]}}
    for target, sent, wanted in (
        ("/", f"Token: {token(KEY, **claims)}", 200),
        ("/", f"Token: {token(KEY, org='other')}", 403),
        ("/", f"Token: {token(KEY, org='example', sub=None)}", 403),
        ("/", bearer(KEY, **claims), 401),
        ("/secret", f"Cookie: a=b; auth_token={token(OTHER)}", 200),
        ("/secret", f"Cookie: auth_token={token()}", 401),
        ("/login", "X: y", 302),
        ("/login", bearer(OTHER), 200),
    ):
        assert nginx.request(f"GET {target}", sent).status == wanted, (target, sent)
    head = app.connections(1)[0]
    assert "X-User: u1\r\n" in head and "X-Groups: a,b\r\n" in head
    assert len(issuer.asked) == 1
    refused = nginx.request("GET /", "Host: api", f"Token: {tampered(token())}")
    assert refused.get("WWW-Authenticate") == 'Bearer realm="API of api", error="invalid_token"'


# The location for keys as the documentation has it.
KEYS = """
    gunzip on; subrequest_output_buffer_size 32k; resolver 127.0.0.1;
    location = /_jwks_uri {
        internal; proxy_method GET; client_max_body_size 0; proxy_ssl_server_name on;
        proxy_cache jwk; proxy_cache_valid 200 12h;
        proxy_cache_use_stale error timeout updating; proxy_set_header Content-Length "";
        proxy_ignore_headers Cache-Control Expires Set-Cookie; proxy_pass $jwt_keyfile;
    }
"""
ZONE = "proxy_cache_path %%DIR%%/jwk levels=1 keys_zone=jwk:64k max_size=1m;"


def test_location_for_keys(nginx: Nginx) -> None:
    """Its cache keeps them whatever the issuer says of that, and whoever asks."""
    issuer = Issuer(jwks(KEY), "200 OK", "Cache-Control: no-store", "Set-Cookie: a=b")
    nginx.backend("issuer", issuer)
    nginx(
        f'root html; auth_jwt "A"; auth_jwt_key_request /_jwks_uri; {KEYS}',
        http=f"{ZONE} map $host $jwt_keyfile {{ default http://127.0.0.1:%%PORT_issuer%%/k; }}",
        files={**FILES, "html/a": "content"},
    )
    for host in ("one", "two"):
        assert nginx.request("GET /a", f"Host: {host}", bearer()).status == 200
        assert nginx.request("POST /a", f"Host: {host}", bearer(), body="x").status == 405
    assert len(issuer.asked) == 1
    assert issuer.asked[0].startswith("GET /k HTTP/1.")
    assert "authorization" not in issuer.asked[0].lower()
    assert nginx.request("GET /_jwks_uri").status == 404


def test_compressed_keys_are_unpacked(nginx: Nginx) -> None:
    """By "gunzip on"."""
    nginx.backend(
        "issuer", Issuer(gzip.compress(jwks(KEY).encode()), "200 OK", "Content-Encoding: gzip")
    )
    nginx(
        f'root html; auth_jwt "A"; auth_jwt_key_request /_jwks_uri; {KEYS}',
        http=f"{ZONE} map $host $jwt_keyfile {{ default http://127.0.0.1:%%PORT_issuer%%/k; }}",
        files={**FILES, "html/a": "content"},
    )
    assert nginx.request("GET /a", bearer(), "Accept-Encoding: gzip").status == 200


# OpenID Connect: sessions in cookies here, as the sample's scripts and zones are not.
OIDC = f"""
    {KEYS} access_log logs/main.log main_jwt;
    set $internal_error_message "NGINX / OpenID Connect login failure\\n";
    location / {{
        auth_jwt "" token=$session_jwt; error_page 401 = @do_oidc_flow;
        auth_jwt_key_request /_jwks_uri;
        proxy_set_header username $jwt_claim_sub; proxy_pass http://127.0.0.1:%%PORT_app%%;
    }}
    location /file {{
        auth_jwt "" token=$session_jwt; error_page 401 = @do_oidc_flow;
        auth_jwt_key_file $oidc_keys; proxy_pass http://127.0.0.1:%%PORT_app%%;
    }}
    location @do_oidc_flow {{
        default_type text/plain;
        return 302 $oidc_endpoint?client_id=c&redirect_uri=$redirect_base/_codexch&$args;
    }}
    location = /_codexch {{
        error_page 500 502 504 @oidc_error; return 502;
    }}
    location = /_id_token_validation {{
        internal; auth_jwt "" token=$arg_token; error_page 500 502 504 @oidc_error;
        return 200 "$jwt_header_alg $jwt_claim_sub $jwt_claim_aud";
    }}
    location = /logout {{ add_header Set-Cookie "auth_token=; $oidc_cookie_flags"; return 200; }}
    location @oidc_error {{ default_type text/plain; return 500 $internal_error_message; }}
"""


def test_openid_connect(nginx: Nginx) -> None:
    nginx.backend("issuer", Issuer())
    app = nginx.backend("app", OK)
    nginx(
        OIDC,
        http=f"""
            {ZONE}
            map $host $jwt_keyfile {{ default http://127.0.0.1:%%PORT_issuer%%/k; }}
            map $host $oidc_keys {{ default %%DIR%%/other.json; }}
            map $host $oidc_endpoint {{ default https://idp.example/auth; }}
            map $scheme $oidc_cookie_flags {{ https "Path=/; Secure;"; default "Path=/;"; }}
            map $proto $redirect_base {{ default $proto://$host; }}
            map $http_x_forwarded_proto $proto {{ "" $scheme; default $http_x_forwarded_proto; }}
            map $cookie_auth_token $session_jwt {{ default $cookie_auth_token; }}
            log_format main_jwt '$jwt_claim_sub $status';
        """,
        files={**FILES, "html/a": "content"},
    )
    nginx.exchange(f"""
        > GET /page?x=1
        < 302
        < Location: https://idp.example/auth?client_id=c&redirect_uri=http://localhost/_codexch&x=1
        < WWW-Authenticate: Bearer realm=""

        > GET /page
        > Cookie: auth_token={token(exp=5)}
        < 302

        > GET /page
        > Cookie: auth_token={token()}
        < 200
        <
        < ok

        > GET /file
        > Cookie: auth_token={token()}
        < 302

        > GET /file
        > Cookie: auth_token={token(OTHER)}
        < 200

        > GET /_codexch
        < 502
        <
        < NGINX / OpenID Connect login failure
        <

        > GET /_id_token_validation?token={token()}
        < 404
        """)
    assert "username: u1\r\n" in app.connections(1)[0]
    assert nginx.access_log(3, "main.log")[:3] == ["- 302", "- 302", "u1 200"]


@pytest.mark.parametrize("switch, told", [("", "[]"), ("pyngx_allow_unsigned on;", "[u1]")])
def test_unverified_look_at_a_token(nginx: Nginx, switch: str, told: str) -> None:
    """What the sample does with an id token: an internal location without keys, the variables
    of which a subrequest reads.  Of a token that nobody can verify they tell only if asked."""
    nginx(
        f"""
        root html;
        location /a {{
            auth_request /_id_token_validation; auth_request_set $told $upstream_http_x_told;
            add_header X-Told $told;
        }}
        location = /_id_token_validation {{
            internal; auth_jwt "" token=$cookie_t; {switch}
            proxy_set_header X-Told "[$jwt_claim_sub]"; proxy_pass http://127.0.0.1:%%PORT%%/echo;
        }}
        location /echo {{ add_header X-Told $http_x_told; return 204; }}
        """,
        http="pyngx_jwt_dialect plus;",
        files={**FILES, "html/a": "content"},
    )
    assert nginx.request("GET /a", f"Cookie: t={token()}").get("X-Told") == told


def test_encrypted_sessions(nginx: Nginx) -> None:
    key = encryption_key("A256KW", "A256GCM", "session")
    nginx(
        """
        root html; auth_jwt "" token=$cookie_s; auth_jwt_type nested;
        auth_jwt_key_file secrets/session; auth_jwt_key_file jwks.json; error_page 401 = @login;
        add_header X-User $jwt_claim_sub;
        location @login { auth_jwt off; return 302 /login?from=$request_uri; }
        """,
        files={**FILES, "html/a": "content", "secrets/session": jwks(key)},
    )
    nginx.exchange(f"""
        > GET /a
        > Cookie: s={key.encrypt(token())}
        < 200
        < X-User: u1

        > GET /a
        > Cookie: s={key.encrypt(token(OTHER))}
        < 302
        < !X-User

        > GET /a
        > Cookie: s={token()}
        < 302
        """)
