"""Claims before the access phase: what needs one waits for the keys, and nothing else does."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pyngx_jwt.compile import load
from pyngx_jwt.http.contexts import LOCATION, SERVER, http_levels
from pyngx_jwt.log import Log
from pyngx_jwt.options import Options, resolve_options

from ..backend import Peer
from ..jwt.keys import jwks
from ..nginx import Nginx
from ..wire import DEADLINE
from .tokens import FILES, KEYS, OTHER, Issuer, bearer, tampered, token

pytestmark = pytest.mark.needs("auth-jwt")
PAGES = {**FILES, "html/a": "content"}
A = "try_files /a =404;"
OK = b"HTTP/1.1 204 No Content\r\n\r\n"
ON = 'auth_jwt "A"; auth_jwt_key_request /_jwks;'
SHARED = "location = /_jwks { internal; proxy_pass http://127.0.0.1:%%PORT_issuer%%; }"
# Each request asks for itself: the upstream is named by a variable.
OWN = """
    location = /_jwks { internal; set $to 127.0.0.1:%%PORT_issuer%%; proxy_pass http://$to/; }
"""
EMPTY_BEFORE = "in kjdev's module claims have no values before the access phase"
PLUS = "pyngx_jwt_dialect plus;"


def serve(nginx: Nginx, server: str, *, http: str = "", issuer: Issuer | None = None) -> Issuer:
    found = issuer or Issuer()
    nginx.backend("issuer", found)
    nginx(f"root html; {server}", http=f"{PLUS} {http}", files=PAGES)
    return found


def statuses(nginx: Nginx, targets: str, *fields: str) -> list[int]:
    return [nginx.request(f"GET {target}", *fields).status for target in targets.split()]


# Everything in the rewrite phase.


@pytest.mark.pyngx_only(EMPTY_BEFORE)
@pytest.mark.parametrize("server_rewrites", ["", "set $any thing;"])
def test_each_operation_waits(nginx: Nginx, server_rewrites: str) -> None:
    """However the rewrite phase goes on after it."""
    issuer = serve(
        nginx,
        f"""
        {server_rewrites} {ON} {OWN}
        location /if {{ if ($jwt_claim_sub != u1) {{ return 403; }} {A} }}
        location /unless {{ if ($jwt_claim_role = banned) {{ return 403; }} {A} }}
        location /match {{ if ($jwt_claim_sub ~ ^u(?<rest>.)) {{ return 200 "$rest"; }} {A} }}
        location /map {{ if ($banned) {{ return 403; }} {A} }}
        location /return {{ return 200 "$jwt_claim_sub"; }}
        location /redirect {{ rewrite ^ /to/$jwt_claim_sub? redirect; }}
        location /inner {{
            if ($arg_a) {{
                set $who $jwt_claim_sub; set $again "$who $jwt_claim_sub"; break;
            }}
            return 200 "[$again]";
        }}
        location /last {{
            if ($jwt_claim_sub = u1) {{ rewrite ^ /moved last; return 500; }} return 403;
        }}
        location /moved {{ set $who $jwt_claim_sub; add_header X-Who $who; {A} }}
        location /break {{ set $who $jwt_claim_sub; break; return 403; }}
        """,
        http="map $jwt_claim_role $banned { default 0; banned 1; }",
    )
    good, bad = bearer(role="banned"), f"Authorization: Bearer {tampered(token())}"
    assert statuses(nginx, "/if /unless /map /last", good) == [200, 403, 403, 200]
    assert statuses(nginx, "/if /unless /map /last", bad) == [403, 401, 401, 403]
    assert nginx.request("GET /match", good).text == "1"
    assert nginx.request("GET /return", good).text == "u1"
    location = nginx.request("GET /redirect", good).get("Location") or ""
    assert location.endswith("/to/u1")
    assert nginx.request("GET /inner?a=1", good).status == 404  # "break" leaves the location
    assert nginx.request("GET /last", good).get("X-Who") == "u1"
    assert nginx.request("GET /break", good).status == 404
    asked = len(issuer.asked)
    nginx.request("GET /inner", good)
    nginx.request("GET /if")
    assert len(issuer.asked) == asked  # without a claim, or without a token, nothing waits


@pytest.mark.pyngx_only(EMPTY_BEFORE)
def test_a_request_asks_once(nginx: Nginx) -> None:
    issuer = serve(
        nginx,
        f"""
        {ON} {OWN} set $first $jwt_claim_sub;
        location / {{
            set $second $jwt_claim_sub; limit_req zone=users burst=9; limit_conn open 9;
            if ($jwt_claim_sub = u1) {{ set $third $jwt_claim_sub; }}
            add_header X-All "$first $second $third $limit_req_status $limit_conn_status"; {A}
        }}
        """,
        http="""
            limit_req_zone $jwt_claim_sub zone=users:1m rate=1000r/s;
            limit_conn_zone $jwt_claim_sub zone=open:1m;
        """,
    )
    answer = nginx.request("GET /a", bearer())
    assert answer.get("X-All") == "u1 u1 u1 PASSED PASSED"
    assert len(issuer.asked) == 1


@pytest.mark.pyngx_only(EMPTY_BEFORE)
def test_the_token_that_set_names(nginx: Nginx) -> None:
    """What a variable says by then counts; the access phase looks at what it says in the end."""
    serve(
        nginx,
        f"""
        auth_jwt A token=$token; auth_jwt_key_request /_jwks; {OWN}
        add_header X-Who "[$who]"; add_header X-Sub "[$jwt_claim_sub]";
        location / {{
            set $token $arg_first; set $who $jwt_claim_sub; set $token $arg_last;
            error_page 401 = @refused; {A}
        }}
        location @refused {{ auth_jwt off; {A} }}
        """,
    )
    good, bad = token(), tampered(token())
    for target, told in (
        (f"/a?first={good}&last={good}", ("[u1]", "[u1]")),
        (f"/a?first={good}&last={bad}", ("[u1]", "[]")),
        (f"/a?first={good}", ("[u1]", "[]")),
        (f"/a?first={bad}&last={good}", ("[]", "[u1]")),
    ):
        answer = nginx.request(f"GET {target}")
        assert (answer.get("X-Who"), answer.get("X-Sub")) == told, target


@pytest.mark.pyngx_only(EMPTY_BEFORE)
@pytest.mark.parametrize("keys", [f"auth_jwt_key_request /_jwks; {SHARED}", KEYS])
def test_rotated_keys(nginx: Nginx, keys: str) -> None:
    """An unknown kid has newer keys looked for at the first use of a claim."""
    issuer = serve(
        nginx,
        f"""
        auth_jwt A; {keys}
        location / {{ if ($jwt_claim_sub != u1) {{ return 403; }} {A} }}
        """,
    )
    assert statuses(nginx, "/a", bearer()) == [200]
    issuer.body = jwks(OTHER)
    nginx.write("jwks.json", jwks(OTHER))
    assert statuses(nginx, "/a", bearer(OTHER)) == [200]


@pytest.mark.pyngx_only(EMPTY_BEFORE)
def test_limits_count_verified_tokens(nginx: Nginx) -> None:
    serve(
        nginx,
        f"""
        {OWN} limit_req_status 429; auth_jwt_key_request /_jwks;
        location / {{ auth_jwt A; limit_req zone=users; {A} }}
        location /writers {{ limit_except GET {{ auth_jwt A; }} limit_req zone=users; {A} }}
        location /page {{ auth_jwt A; limit_req zone=users; error_page 429 = @slow; {A} }}
        location @slow {{ return 200 "slow down, $jwt_claim_sub"; }}
        """,
        http="limit_req_zone $jwt_claim_sub zone=users:1m rate=1r/m;",
    )
    bad = f"Authorization: Bearer {tampered(token())}"
    assert statuses(nginx, "/a /a", bad) == [401, 401]
    assert statuses(nginx, "/a /a", bearer()) == [200, 429]
    assert statuses(nginx, "/a /a", bad) == [401, 401]
    assert nginx.request("GET /page", bearer()).text == "slow down, u1"
    assert nginx.request("HEAD /a", bearer(sub="u2")).status == 200
    assert nginx.request("HEAD /a", bearer(sub="u2")).status == 429
    assert statuses(nginx, "/writers /writers", bearer(sub="u3")) == [200, 200]
    for status in (404, 429):
        assert nginx.request("POST /writers", bearer(sub="u3")).status == status


# After an answer that came before the access phase.


@pytest.mark.pyngx_only(EMPTY_BEFORE)
def test_fields_and_log_of_early_answers(nginx: Nginx) -> None:
    issuer = serve(
        nginx,
        f"""
        {ON} {OWN}
        location /field {{ add_header X-Sub "[$jwt_claim_sub]"; return 204; }}
        location /if {{ if ($arg_a) {{ add_header X-Sub "[$jwt_claim_sub]"; return 204; }} }}
        location /log {{ access_log logs/claims.log claims; return 204; }}
        location /none {{ return 204; }}
        location /text {{ return 200 "[$jwt_claim_sub]"; }}
        """,
        http="log_format claims '[$jwt_claim_sub]';",
    )
    assert nginx.request("GET /field", bearer()).get("X-Sub") == "[u1]"
    assert nginx.request("GET /if?a=1", bearer()).get("X-Sub") == "[u1]"
    nginx.request("GET /log", bearer())
    asked = len(issuer.asked)
    nginx.request("GET /none", bearer())
    assert len(issuer.asked) == asked
    issuer.status = "500 Oops"
    answer = nginx.request("GET /field", bearer())
    assert (answer.status, answer.get("X-Sub")) == (204, "[]")  # nothing is decided by it
    assert nginx.request("GET /text", bearer()).text == "[]"
    nginx.request("GET /log", bearer())
    assert nginx.access_log(2, "claims.log") == ["[u1]", "[-]"]


# Keys that cannot be had.

BROKEN = """
    location / { if ($jwt_claim_role = banned) { return 403; } try_files /a =404; }
    location /told {
        add_header X-Sub $jwt_claim_sub; if ($jwt_claim_sub != u1) { return 204; }
        try_files /a =404;
    }
    location /only { if ($jwt_claim_sub != u1) { return 204; } try_files /a =404; }
    location /limited { limit_req zone=users; try_files /a =404; }
    location /own { satisfy any; allow all; if ($jwt_claim_role = banned) { return 403; } }
    location /sub { OFF auth_request /asked; try_files /a =404; }
    location = /asked { internal; if ($jwt_claim_role = banned) { return 403; } return 204; }
"""


@pytest.mark.pyngx_only("of pyngx")
@pytest.mark.parametrize(
    "dialect, on, off, found",
    [
        ("plus", 'auth_jwt "A";', "auth_jwt off;", [500, 500, 500, 500, 500, 500]),
        (
            "tizp",
            'auth_jwt "A"; auth_jwt_alg ES256;',
            "auth_jwt off;",
            [503, 503, 503, 503, 200, 500],
        ),
        ("maxlt", "auth_jwt on;", "auth_jwt off;", [503, 503, 503, 503, 200, 500]),
        (
            "tesla",
            "auth_jwt_extract_var_claims sub role;",
            "auth_jwt_enabled off;",
            [503, 503, 503, 503, 200, 500],
        ),
    ],
)
@pytest.mark.parametrize("key_location", [SHARED, OWN])
def test_keys_cannot_be_had(
    nginx: Nginx, key_location: str, dialect: str, on: str, off: str, found: list[int]
) -> None:
    """A condition is not decided without its claim; another permission makes up for a 401."""
    nginx.backend("issuer", Issuer(status="500 Oops"))
    nginx(
        f"root html; {on} auth_jwt_key_request /_jwks; {key_location} {BROKEN.replace('OFF', off)}",
        http=f"pyngx_jwt_dialect {dialect}; limit_req_zone $jwt_claim_sub zone=users:1m rate=1r/m;",
        files={**PAGES, "html/own": "content"},
    )
    assert statuses(nginx, "/a /told /only /limited /own /sub", bearer(role="banned")) == found
    assert nginx.request("GET /a").status == 401


@pytest.mark.pyngx_only("of pyngx")
def test_a_file_that_cannot_be_had(nginx: Nginx) -> None:
    serve(
        nginx,
        f"""
        auth_jwt A; auth_jwt_key_file none.json;
        {BROKEN.replace("OFF", "auth_jwt off;")}
        """,
        http="limit_req_zone $jwt_claim_sub zone=users:1m rate=1r/m;",
    )
    found = statuses(nginx, "/a /told /only /limited /own /sub", bearer(role="banned"))
    assert found == [500] * 6


@pytest.mark.pyngx_only("of pyngx")
def test_one_of_two_key_locations(nginx: Nginx) -> None:
    """Where the other's keys would do, too: a token of them passes, others are in doubt."""
    nginx.backend("issuer", Issuer())
    nginx(
        f"""
        root html; auth_jwt on; auth_jwt_key_request /_jwks; auth_jwt_key_request /down; {SHARED}
        location = /down {{ internal; proxy_pass http://127.0.0.1:%%PORT_none%%; }}
        location / {{ if ($jwt_claim_role = '"banned"') {{ return 403; }} {A} }}
        """,
        http="pyngx_jwt_dialect maxlt;",
        files=PAGES,
    )
    assert statuses(nginx, "/a", bearer()) == [200]
    assert statuses(nginx, "/a", bearer(role="banned")) == [403]
    assert statuses(nginx, "/a", bearer(OTHER, role="banned")) == [503]


@pytest.mark.pyngx_only("of NGINX Plus")
def test_not_demanded_and_not_to_be_had(nginx: Nginx) -> None:
    """Nothing is guarded: the claims are empty."""
    issuer = serve(
        nginx,
        f"""
        auth_jwt off token=$arg_t; auth_jwt_key_request /_jwks; {OWN}
        location / {{
            set $who "[$jwt_claim_sub]"; add_header X-Who $who;
            add_header X-Sub "[$jwt_claim_sub]"; {A}
        }}
        """,
    )
    answer = nginx.request(f"GET /a?t={token()}")
    assert (answer.status, answer.get("X-Who"), answer.get("X-Sub")) == (200, "[u1]", "[u1]")
    assert len(issuer.asked) == 1
    issuer.status = "500 Oops"
    answer = nginx.request(f"GET /a?t={token()}")
    assert (answer.status, answer.get("X-Who"), answer.get("X-Sub")) == (200, "[]", "[]")
    nginx.wait_for_log('auth_jwt: key request "/_jwks" failed: status 500')
    assert len(issuer.asked) == 2
    assert nginx.error_log().count('auth_jwt: key request "/_jwks" failed') == 1


# The request for keys itself.


@pytest.mark.pyngx_only(EMPTY_BEFORE)
@pytest.mark.parametrize("key_location", [SHARED, OWN])
@pytest.mark.parametrize(
    "condition", ["if ($jwt_claim_sub != u1) { return 403; }", "if ($not_u1) { return 403; }"]
)
def test_conditions_of_the_server(nginx: Nginx, key_location: str, condition: str) -> None:
    """They hold for clients, and not for the subrequest that has to answer first."""
    serve(
        nginx,
        f"{ON} {key_location} {condition} location / {{ {A} }}",
        http="map $jwt_claim_sub $not_u1 { default 1; u1 0; }",
    )
    assert statuses(nginx, "/a /a", bearer()) == [200, 200]
    assert statuses(nginx, "/a", bearer(sub="u2")) == [403]
    assert statuses(nginx, "/a /_jwks") == [403, 403]


@pytest.mark.pyngx_only("of pyngx")
@pytest.mark.parametrize(
    "inside",
    [
        "proxy_set_header X-Sub $jwt_claim_sub;",
        "limit_req zone=users;",
        "set $who $jwt_claim_sub;",
        "proxy_set_header X-Sub $who; set $who $named;",
        "error_page 404 = /_jwks2;",
    ],
)
def test_claims_in_the_key_location(nginx: Nginx, inside: str) -> None:
    """They are empty there, as nobody can know them yet."""
    issuer = Issuer()
    serve(
        nginx,
        f"""
        {ON} limit_req_status 429;
        location = /_jwks {{ {inside} proxy_pass http://127.0.0.1:%%PORT_issuer%%; }}
        location / {{ if ($jwt_claim_sub != u1) {{ return 403; }} {A} }}
        """,
        http="""
            limit_req_zone $jwt_claim_sub zone=users:1m rate=1r/m;
            map $jwt_claim_sub $named { default nobody; ~. $jwt_claim_sub; }
        """,
        issuer=issuer,
    )
    assert statuses(nginx, "/a", bearer()) == [200]
    assert not any("u1" in head for head in issuer.asked)


@pytest.mark.pyngx_only("in kjdev's module keys cannot be fetched in that phase")
@pytest.mark.parametrize("key_location", [SHARED, OWN])
def test_a_key_location_that_demands_a_token(nginx: Nginx, key_location: str) -> None:
    """It would be needed to verify the token that it demands."""
    issuer = Issuer()
    nginx.backend("issuer", issuer)
    nginx(
        f"root html; {ON} auth_jwt_phase preaccess; {key_location} location / {{ {A} }}",
        files=PAGES,
    )
    assert statuses(nginx, "/a", bearer()) == [401]
    nginx.wait_for_log('key request "/_jwks" is asked for while keys are: cycle')
    assert not issuer.asked


# Other locations and requests.


def test_the_target_demands_its_own(nginx: Nginx) -> None:
    """What another location has verified with other keys is nothing to one that has a say."""
    nginx(
        f"""
        root html;
        location /weak {{ auth_jwt A; {KEYS} try_files /none @strong; }}
        location @strong {{ auth_jwt A; auth_jwt_key_file other.json; {A} }}
        """,
        files=PAGES,
    )
    assert statuses(nginx, "/weak", bearer(OTHER)) == [401]
    assert statuses(nginx, "/weak") == [401]


@pytest.mark.pyngx_only("kjdev's module takes over what the first location found")
@pytest.mark.parametrize("dialect", ["plus", "kjdev"])
def test_nothing_of_other_keys(nginx: Nginx, dialect: str) -> None:
    nginx(
        f"""
        root html; add_header X-Sub "[$jwt_claim_sub]" always;
        location /weak {{ auth_jwt A; {KEYS} try_files /none @strong; }}
        location @strong {{
            auth_jwt A; auth_jwt_key_file other.json; set $who "[$jwt_claim_sub]";
            add_header X-Who $who always; add_header X-Sub "[$jwt_claim_sub]" always;
            error_page 401 = @refused; {A}
        }}
        location @refused {{ auth_jwt off; {A} }}
        """,
        http=f"pyngx_jwt_dialect {dialect};",
        files=PAGES,
    )
    answer = nginx.request("GET /weak", bearer())
    assert (answer.status, answer.get("X-Sub")) == (200, "[]")  # the page of the refusal


@pytest.mark.pyngx_only("of NGINX Plus")
def test_subrequests_keep_theirs_to_themselves(nginx: Nginx) -> None:
    """The request they are made for tells what its own locations have verified, if anything."""
    nginx.backend("b", OK)
    nginx(
        f"""
        root html; auth_request_set $seen $upstream_http_x_sub;
        location / {{ auth_request /asked; add_header X-Sub "[$jwt_claim_sub]"; {A} }}
        location = /asked {{
            internal; auth_jwt A; {KEYS} proxy_set_header X-Sub $jwt_claim_sub;
            proxy_pass http://127.0.0.1:%%PORT_b%%;
        }}
        """,
        http=PLUS,
        files=PAGES,
    )
    assert nginx.request("GET /a", bearer()).get("X-Sub") == "[]"


@pytest.mark.parametrize(
    "dialect",
    [
        "# written for kjdev/nginx-auth-jwt\n",
        pytest.param(PLUS, marks=pytest.mark.pyngx_only("not in the test nginx")),
    ],
)
def test_mirrors(nginx: Nginx, dialect: str) -> None:
    mirrored: list[str] = []

    def keep(peer: Peer) -> None:
        mirrored.append(peer.request())
        peer.send(OK)

    backend = nginx.backend("mirror", keep)
    nginx(
        f"""
        root html;
        location / {{ auth_jwt A; {KEYS} mirror /mirror; {A} }}
        location = /mirror {{
            internal; proxy_pass http://127.0.0.1:%%PORT_mirror%%;
            proxy_set_header X-Sub "[$jwt_claim_sub]"; proxy_set_header Authorization "";
        }}
        """,
        http=dialect,
        files=PAGES,
    )
    assert statuses(nginx, "/a", bearer()) == [200]
    backend.connections(1)
    assert "X-Sub: [u1]" in mirrored[0]


@pytest.mark.pyngx_only("of pyngx")
@pytest.mark.parametrize("dialect", ["plus", "maxlt"])
def test_what_the_target_of_auth_request_verifies(nginx: Nginx, dialect: str) -> None:
    """It enforces nothing itself; whoever asks for its claims waits for its keys."""
    issuer, on = Issuer(), {"plus": "auth_jwt A;", "maxlt": "auth_jwt on;"}[dialect]
    nginx.backend("issuer", issuer)
    nginx.backend("b", OK)
    nginx(
        f"""
        root html; {OWN}
        location / {{
            auth_request /asked; auth_request_set $who $jwt_claim_sub;
            add_header X-Who "[$who]" always; {A}
        }}
        location = /asked {{
            internal; {on} auth_jwt_key_request /_jwks; proxy_pass http://127.0.0.1:%%PORT_b%%;
        }}
        """,
        http=f"pyngx_jwt_dialect {dialect};",
        files=PAGES,
    )
    answer = nginx.request("GET /a", bearer())
    assert (answer.status, (answer.get("X-Who") or "").replace('"', "")) == (200, "[u1]")
    answer = nginx.request("GET /a", f"Authorization: Bearer {tampered(token())}")
    assert (answer.status, answer.get("X-Who")) == (200, "[]")
    issuer.status = "500 Oops"
    answer = nginx.request("GET /a", bearer())
    assert answer.status == 500  # of auth_request, for 500 or 503


@pytest.mark.parametrize(
    "dialect",
    [
        "# written for kjdev/nginx-auth-jwt\n",
        pytest.param(PLUS, marks=pytest.mark.pyngx_only("not in the test nginx")),
    ],
)
def test_updates_in_the_background(nginx: Nginx, dialect: str) -> None:
    """A cache that asks anew asks for the same client."""
    asked: list[str] = []

    def answer(peer: Peer) -> None:
        asked.append(peer.request())
        peer.send(b"HTTP/1.1 200 OK\r\nCache-Control: max-age=1\r\nContent-Length: 0\r\n\r\n")

    nginx.backend("b", answer)
    nginx.backend("issuer", Issuer())
    nginx(
        f"""
        {OWN} root html;
        location / {{
            {ON} proxy_cache c; proxy_cache_use_stale updating; proxy_cache_background_update on;
            proxy_cache_key $uri; proxy_set_header X-Sub "[$jwt_claim_sub]";
            proxy_pass http://127.0.0.1:%%PORT_b%%; add_header X-Cache $upstream_cache_status;
        }}
        """,
        http=f"{dialect} proxy_cache_path cache keys_zone=c:1m;",
        files=PAGES,
    )
    deadline = time.monotonic() + DEADLINE
    while nginx.request("GET /a", bearer()).get("X-Cache") != "STALE":
        assert time.monotonic() < deadline
    while len(asked) < 2:
        assert time.monotonic() < deadline
    assert all("\r\nX-Sub: [u1]\r\n" in head for head in asked)


# What is added to a configuration for that.

PLACES = """
    location /plain { auth_jwt A; proxy_set_header X-Sub $jwt_claim_sub; proxy_pass $to; }
    location /set { auth_jwt A; set $who $jwt_claim_sub; }
    location /limit { auth_jwt A; limit_req zone=users; }
    location /map { auth_jwt A; limit_req zone=mapped; }
    location /address { auth_jwt A; limit_req zone=addresses; return 204; }
    location /field { auth_jwt A; add_header X-Sub $jwt_claim_sub; return 204; }
    location /later { auth_jwt A; add_header X-Sub $jwt_claim_sub; set $any thing; }
    location /open { limit_req zone=users; set $who $jwt_claim_sub; }
"""
ZONES = """
    limit_req_zone $jwt_claim_sub zone=users:1m rate=1r/s;
    limit_req_zone $of_map zone=mapped:1m rate=1r/s;
    limit_req_zone $remote_addr zone=addresses:1m rate=1r/s;
    map $split $of_map { default x; }
    split_clients $jwt_claim_sub $split { * y; }
"""


@pytest.mark.parametrize(
    "keys, added",
    [
        ("pyngx_allow_unsigned on;", {}),
        *(
            (
                keys,
                {
                    "/plain": ["subrequests"],
                    "/limit": ["handlers", "subrequests"],
                    "/map": ["handlers", "subrequests"],
                    "/field": ["rewrite", "subrequests"],
                    "/later": ["subrequests"],
                },
            )
            for keys in (KEYS, "auth_jwt_key_request /_jwks;")
        ),
    ],
)
def test_nothing_is_added_where_nothing_waits(
    tmp_path: Path, keys: str, added: dict[str, list[str]]
) -> None:
    conf = tmp_path / "nginx.conf"
    (tmp_path / "jwks.json").write_text(FILES["jwks.json"])
    conf.write_text(
        f"pid nginx.pid; events {{ }} http {{ {PLUS} access_log off; {ZONES}"
        f"server {{ listen 1; set $to http://127.0.0.1; {keys} {PLACES} }} }}"
    )
    options = Options(*resolve_options(str(tmp_path), str(conf), "stderr"))
    (http,) = http_levels(load(options, Log()).root)
    found: dict[str, list[str]] = {}
    for level in http.inner(SERVER)[0].inner(LOCATION):
        at = level.location
        assert at is not None
        for name, handlers in (
            ("rewrite", at.rewrite),
            ("handlers", at.handlers),
            ("subrequests", at.subrequest_handlers),
        ):
            if any(handler.__module__ == "pyngx_jwt.http.settle" for handler in handlers):
                found.setdefault(at.name, []).append(name)
    assert found == added
