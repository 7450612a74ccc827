"""Claims by dialect, source of keys, place and phase: they tell the same wherever they are used.

Keys by request are never at hand here: the key location's upstream is named by a variable, so
each request fetches them anew.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import pytest

from ..nginx import Nginx
from .plain_keys import pem
from .tokens import FILES, KEY, Issuer, bearer, tampered, token

pytestmark = pytest.mark.needs("auth-jwt")
PEM = pem(KEY)


class Dialect(NamedTuple):
    """How the words are, by which it is known, and where its keys can come from."""

    on: str
    off: str
    mark: str
    keys: dict[str, str]
    value: str = "[u1]"  # what "[$jwt_claim_sub]" is


JWKS = "auth_jwt_key_file jwks.json;"
NAMED = "set $keys %%DIR%%/jwks.json; auth_jwt_key_file $keys;"
REQUEST = "auth_jwt_key_request /_jwks;"
PLUS_KEYS = {"file": JWKS, "variable": NAMED, "request": REQUEST}
ES256 = "auth_jwt_algorithm ES256;"
DIALECTS = {
    "plus": Dialect('auth_jwt "A";', "auth_jwt off;", "pyngx_jwt_dialect plus;", PLUS_KEYS),
    "pyngx": Dialect('auth_jwt "A";', "auth_jwt off;", "pyngx_jwt_dialect pyngx;", PLUS_KEYS),
    "kjdev": Dialect(
        'auth_jwt "A";', "auth_jwt off;", "# written for kjdev/nginx-auth-jwt\n", PLUS_KEYS
    ),
    "tesla": Dialect(
        "auth_jwt_enabled on; auth_jwt_extract_var_claims sub;",
        "auth_jwt_enabled off;",
        "pyngx_jwt_dialect tesla;",
        {
            "file": f"auth_jwt_use_keyfile on; auth_jwt_keyfile_path %%DIR%%/key.pem; {ES256}",
            "inline": f'auth_jwt_key "{PEM}"; {ES256}',
            "request": REQUEST,
        },
    ),
    "maxlt": Dialect(
        "auth_jwt on;",
        "auth_jwt off;",
        "pyngx_jwt_dialect maxlt;",
        {
            "file": "auth_jwt_key %%DIR%%/key.pem file;",
            "inline": f'auth_jwt_key "{PEM}";',
            "request": REQUEST,
        },
        '["u1"]',
    ),
    "tizp": Dialect(
        'auth_jwt "A"; auth_jwt_alg ES256;',
        "auth_jwt off;",
        "pyngx_jwt_dialect tizp;",
        {"file": "auth_jwt_key_file %%DIR%%/key.pem;", "request": REQUEST},
    ),
}
# Dialects of which a location that demands no token tells what the one before has verified.
LASTING = {"plus", "pyngx", "kjdev", "tizp"}

PHASES = ("server", "rewrite", "preaccess", "precontent", "header", "log")
# Path, whether a token is demanded where it leads to, whether that is by a name (and so the
# server's rewrite phase is not run again).
PLACES = {
    "plain": (True, False),
    "named": (False, True),
    "named-again": (True, True),
    "error-page": (False, False),
    "try-files": (False, False),
    "index/": (False, False),
    "accel": (False, False),
    "subrequest": (False, False),
    "subrequest-again": (True, False),
}

REPORT = """
    set $early "[$jwt_claim_sub]"; limit_req zone=users burst=1000 nodelay;
    try_files /$jwt_claim_sub /nobody =404;
"""
SUBREQUEST = """
    set $early "[$jwt_claim_sub]"; limit_req zone=users burst=1000 nodelay;
    proxy_set_header X-Rewrite $early; proxy_set_header X-Server $server;
    proxy_set_header X-Preaccess $limit_req_status; proxy_set_header X-Content "[$jwt_claim_sub]";
    proxy_pass_request_headers off; proxy_pass http://127.0.0.1:%%PORT_echo%%;
"""
HTTP = """
    limit_req_zone $jwt_claim_sub zone=users:1m rate=1000r/s;
    log_format claims '$request_uri [$jwt_claim_sub]';
    server {
        listen 127.0.0.1:%%PORT_echo%%;
        location / {
            add_header X-Server $http_x_server; add_header X-Rewrite $http_x_rewrite;
            add_header X-Preaccess $http_x_preaccess; add_header X-Content $http_x_content;
            return 204;
        }
    }
"""
PAGES = {
    **FILES,
    **{"key.pem": PEM, "html/u1": "u1", 'html/"u1"': "u1", "html/nobody": "nobody"},
    "html/index/index.html": "",
}


def site(dialect: Dialect, keys: str) -> str:
    off = dialect.off
    return f"""
        {dialect.on} {keys} root html; access_log logs/claims.log claims;
        if ($uri = /_jwks) {{ break; }}
        set $server "[$jwt_claim_sub]";
        add_header X-Server $server always; add_header X-Rewrite $early always;
        add_header X-Preaccess $limit_req_status always;
        add_header X-Header "[$jwt_claim_sub]" always;
        location = /_jwks {{
            internal; {off} set $issuer 127.0.0.1:%%PORT_issuer%%;
            proxy_pass http://$issuer/jwks;
        }}
        location /plain {{ {REPORT} }}
        location /named {{ try_files /none @named; }}
        location @named {{ {off} {REPORT} }}
        location /named-again {{ try_files /none @again; }}
        location @again {{ {REPORT} }}
        location /error-page {{ error_page 404 = /open/a; try_files /none =404; }}
        location /try-files {{ try_files /none /open/a; }}
        location /index/ {{ }}
        location = /index/index.html {{ {off} {REPORT} }}
        location /accel {{ proxy_pass http://127.0.0.1:%%PORT_accel%%; }}
        location /open/ {{ internal; {off} {REPORT} }}
        location /refused {{ error_page 401 302 = @named; try_files /none =404; }}

        auth_request_set $sub_server $upstream_http_x_server;
        auth_request_set $sub_rewrite $upstream_http_x_rewrite;
        auth_request_set $sub_preaccess $upstream_http_x_preaccess;
        auth_request_set $sub_content $upstream_http_x_content;
        location /subrequest {{ auth_request /asked; {told_of_subrequest()} }}
        location = /asked {{ internal; {off} {SUBREQUEST} }}
        location /subrequest-again {{ auth_request /asked-again; {told_of_subrequest()} }}
        location = /asked-again {{ internal; {SUBREQUEST} }}
    """


def told_of_subrequest() -> str:
    return """
        add_header X-Server $sub_server; add_header X-Rewrite $sub_rewrite;
        add_header X-Preaccess $sub_preaccess; add_header X-Header $sub_content;
        try_files /$jwt_claim_sub /nobody =404;
    """


ACCEL = b"HTTP/1.1 200 OK\r\nX-Accel-Redirect: /open/a\r\nContent-Length: 0\r\n\r\n"
COMBINATIONS = [(name, source) for name, d in DIALECTS.items() for source in d.keys]


class Site(NamedTuple):
    nginx: Nginx
    name: str

    def rows(self, place: str, *fields: str) -> dict[str, str | None]:
        """What each phase has told."""
        before = len(self.nginx.read("logs/claims.log").splitlines())
        answer = self.nginx.request(f"GET /{place}", *fields)
        line = self.nginx.access_log(before + 1, "claims.log")[-1]
        told = {name: answer.get(f"X-{name}") for name in PHASES}
        log = line.removeprefix(f"/{place} ").replace("\\x22", '"')
        return {**told, "precontent": answer.text, "log": log.replace("[-]", "[]")}


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(
            one,
            id="-".join(one),
            marks=() if one[0] == "kjdev" else pytest.mark.pyngx_only("the test nginx is kjdev's"),
        )
        for one in COMBINATIONS
    ],
)
def served(request: pytest.FixtureRequest, module_nginx: Nginx) -> Site:
    name, source = request.param
    dialect = DIALECTS[name]
    server, http = site(dialect, dialect.keys[source]), dialect.mark + HTTP
    if module_nginx.process is None:
        module_nginx.backend("issuer", Issuer())
        module_nginx.backend("accel", ACCEL)
        module_nginx(server, http=http, files=PAGES)
    else:
        module_nginx.reload(server, http=http)
    return Site(module_nginx, name)


def wanted(name: str, place: str) -> dict[str, str | None]:
    """What each phase has to tell."""
    value, nothing = DIALECTS[name].value, "[]"
    demanded, by_name = PLACES[place]
    known = demanded or name in LASTING
    redirected = place != "plain"
    early = known and (name != "kjdev" or redirected)
    server = name != "kjdev" or (redirected and not by_name)
    return {
        "server": value if server else nothing,
        "rewrite": value if early else nothing,
        "preaccess": "PASSED" if early else None,
        "precontent": "u1" if known or "sub" in place else "nobody",
        "header": value if known else nothing,
        "log": value if known or "sub" in place else nothing,
    }


@pytest.mark.parametrize("place", PLACES)
def test_claims(served: Site, place: str) -> None:
    assert served.rows(place, bearer()) == wanted(served.name, place)


@pytest.mark.parametrize("place, sent", [*product(["plain", "refused"], ["tampered", "late", ""])])
def test_nothing_of_a_refused_token(served: Site, place: str, sent: str) -> None:
    fields = {
        "tampered": (f"Authorization: Bearer {tampered(token())}",),
        "late": (bearer(exp=1),),
        "": (),
    }[sent]
    told = served.rows(place, *fields)
    assert [told[phase] for phase in ("server", "header", "log")] == ["[]"] * 3
    assert told["rewrite"] in ("[]", None) and told["preaccess"] is None
    assert told["precontent"] == "nobody" or place == "plain"
