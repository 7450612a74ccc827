"""pyngx_jwt_...: limits and switches, whatever the dialect."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from pyngx_jwt.jwt import Json

from ..jwt.keys import SECRET, hs, jwks, secret, signing_key
from ..nginx import Nginx
from .plain_keys import HEX, PAGE, auth, claims_of, good, pem, status
from .tokens import Issuer

pytestmark = pytest.mark.pyngx_only("directives of ours")
RSA = signing_key("RS256")
CONFIGURATIONS = {
    "plus": "auth_jwt A; auth_jwt_key_file jwks.json;",
    "pyngx": "auth_jwt A; auth_jwt_key_file jwks.json;",
    "kjdev": "auth_jwt A; auth_jwt_key_file jwks.json;",
    "tesla": f"auth_jwt_key {HEX};",
    "maxlt": f"auth_jwt on; auth_jwt_key {HEX} hex;",
    "tizp": "auth_jwt A; auth_jwt_key_file %%DIR%%/secret; auth_jwt_alg HS256;",
}
FILES: dict[str, str | bytes] = {**PAGE, "jwks.json": jwks(secret()), "secret": SECRET}
ALL = pytest.mark.parametrize("dialect", CONFIGURATIONS)


def serve(nginx: Nginx, dialect: str, *, http: str = "", server: str = "") -> None:
    nginx(
        f"{CONFIGURATIONS[dialect]} root html; large_client_header_buffers 4 64k; {server}",
        http=f"pyngx_jwt_dialect {dialect}; {http}",
        files={**FILES, "html/b": ""},
    )


def nested(depth: int) -> Json:
    value: Json = 1
    for _ in range(depth):
        value = [value]
    return value


# Tokens.

OVERSIZE = {
    "token": good(x="y" * 13000),
    "header": hs(claims_of(), {"alg": "HS256", "x": "y" * 7000}),
    "depth": good(x=nested(10)),
}


@ALL
def test_tokens_beyond_the_limits(nginx: Nginx, dialect: str) -> None:
    serve(nginx, dialect)
    assert status(nginx, "/a", auth(good(x="y" * 10000))) == 200
    assert status(nginx, "/a", auth(hs(claims_of(), {"alg": "HS256", "x": "y" * 5000}))) == 200
    assert status(nginx, "/a", auth(good(x=nested(9)))) == 200
    for text in OVERSIZE.values():
        assert status(nginx, "/a", auth(text)) == 401


@ALL
def test_larger_limits(nginx: Nginx, dialect: str) -> None:
    limits = "pyngx_jwt_max_token_size 20k; pyngx_jwt_max_header_size 10k; pyngx_jwt_max_depth 11;"
    serve(nginx, dialect, http=limits)
    for text in OVERSIZE.values():
        assert status(nginx, "/a", auth(text)) == 200


@ALL
@pytest.mark.parametrize(
    "limit, beyond",
    [
        ("token_size 200", good(x="y" * 100)),
        ("header_size 20", hs(claims_of(), {"alg": "HS256", "typ": "JWT"})),
        ("depth 3", good(x=nested(3))),
    ],
)
def test_smaller_limits(nginx: Nginx, dialect: str, limit: str, beyond: str) -> None:
    serve(nginx, dialect, http=f"pyngx_jwt_max_{limit};")
    assert status(nginx, "/a", auth(beyond)) == 401
    assert status(nginx, "/a", auth(hs(claims_of(x=nested(2)), b'{"alg":"HS256"}'))) == 200


@pytest.mark.parametrize("size, found", [("", "u1"), ("100", ""), ("40k", "u1")])
def test_tokens_that_are_only_looked_at(nginx: Nginx, size: str, found: str) -> None:
    nginx(
        "auth_jwt off token=$http_t; location / { return 200 $jwt_claim_sub; }",
        http=f"pyngx_jwt_dialect plus; {f'pyngx_jwt_max_token_size {size};' if size else ''}",
    )
    assert nginx.request("GET /", f"T: {good()}").text == found


def test_a_megabyte(nginx: Nginx) -> None:
    """Limits of the head come first, and where they are wide a glance is enough."""
    nginx(
        f"{CONFIGURATIONS['tesla']} auth_jwt_location HEADER=X-Token; root html;",
        http="client_header_buffer_size 1k;",
        servers=[
            f"""
            listen 127.0.0.1:%%PORT_wide%%; large_client_header_buffers 4 2m;
            {CONFIGURATIONS["tesla"]} root html;
            """
        ],
        files=PAGE,
    )
    huge = "A" * 1_000_000
    assert status(nginx, "/a", f"X-Token: {huge}") == 400
    assert nginx.request("GET /a", auth(huge), port="wide").status == 401
    assert nginx.request("GET /a", auth(f"{huge}.{huge[1:]}."), port="wide").status == 401
    assert nginx.request("GET /a", auth(good()), port="wide").status == 200
    lines = [line for line in nginx.error_log().splitlines() if "refused: " in line]
    assert len(lines) == 2
    assert all("malformed token: longer than 16384 bytes" in line for line in lines)
    assert all(len(line) < 300 for line in lines)


# Sets of keys.


def key_set(keys: int = 1, padding: int = 0) -> str:
    """With the secret as the last of some keys, in a text of so many bytes at least."""
    others = [secret(b"%032d" % n, kid=f"k{n}") for n in range(keys - 1)]
    return json.dumps({"x": "y" * padding, "keys": [*others, secret()]})


SIZE, KEYS, DEPTH = (
    ("pyngx_jwt_max_key_set_size", "512k", "1k"),
    ("pyngx_jwt_max_keys", "65", "1"),
    ("pyngx_jwt_max_depth", "12", "1"),
)
AFTER = ["before", "LIMIT", "include limit.conf;"]
DEEP = json.dumps({"x": nested(10), "keys": [secret()]})


@pytest.mark.parametrize("after", AFTER)
@pytest.mark.parametrize("dialect", ["plus", "pyngx", "kjdev"])
@pytest.mark.parametrize(
    "limit, text", [(SIZE, key_set(1, 256 * 1024)), (KEYS, key_set(65)), (DEPTH, DEEP)]
)
def test_larger_sets(
    nginx: Nginx, dialect: str, limit: tuple[str, str, str], text: str, after: str
) -> None:
    """Wherever in "http" the limit stands, and although files are read at once."""
    name, value, _ = limit
    serve_set(nginx, dialect, text, f"{name} {value};", after)
    assert status(nginx, "/a", auth(good())) == 200


@pytest.mark.parametrize("after", AFTER)
@pytest.mark.parametrize(
    "limit, text, told",
    [
        (SIZE, key_set(1, 1024), "JWK Set is longer than 1024 bytes"),
        (KEYS, key_set(2), "JWK Set has more than 1 keys"),
        (DEPTH, key_set(1), "JWK Set is not valid JSON: "),
    ],
)
def test_smaller_sets(
    nginx: Nginx, limit: tuple[str, str, str], text: str, told: str, after: str
) -> None:
    name, _, value = limit
    serve_set(nginx, "plus", text, f"{name} {value};", after)
    assert status(nginx, "/a", auth(good())) == 500
    assert told in nginx.read("logs/stderr")


def serve_set(nginx: Nginx, dialect: str, text: str, limit: str, after: str) -> None:
    server = 'server { listen 127.0.0.1:%%PORT%%; auth_jwt "A"; auth_jwt_key_file jwks.json; }'
    first, last = (limit, "") if after == "before" else ("", after.replace("LIMIT", limit))
    nginx(
        http=f"pyngx_jwt_dialect {dialect}; {first} root html; {server} {last}",
        listen="127.0.0.1:%%PORT_other%%",
        files={**PAGE, "jwks.json": text, "limit.conf": limit},
    )


def test_limits_with_the_dialect_from_the_command_line(nginx: Nginx) -> None:
    nginx.write("jwks.json", key_set(65))
    text, limit = CONFIGURATIONS["kjdev"], "pyngx_jwt_max_keys 65;"
    nginx.accepts(f"{text}", http=limit, options=["--jwt-dialect", "kjdev"])


@pytest.mark.parametrize("limit, found", [("", 500), ("pyngx_jwt_max_key_set_size 512k;", 200)])
def test_sets_of_an_issuer(nginx: Nginx, limit: str, found: int) -> None:
    nginx.backend("issuer", Issuer(key_set(1, 256 * 1024)))
    nginx(
        """
        auth_jwt "A"; auth_jwt_key_request /_jwks; root html; auth_jwt_type signed;
        location = /_jwks { auth_jwt off; proxy_pass http://127.0.0.1:%%PORT_issuer%%; }
        """,
        http=limit,
        files=PAGE,
    )
    assert status(nginx, "/a", auth(good())) == found
    if found == 500:
        nginx.wait_for_log('key request "/_jwks" failed: more than 262144 bytes')


@pytest.mark.parametrize(
    "text",
    [
        "auth_jwt_key_file %%DIR%%/huge; auth_jwt A;",
        "auth_jwt_key_file %%DIR%%/$arg_f; auth_jwt A;",
    ],
)
def test_a_huge_file(nginx: Nginx, text: str) -> None:
    """It is not read, nor held in memory."""
    size = 1024 * 1024 * 1024
    with nginx.write("huge", b'{"keys":[').open("ab") as file:
        file.truncate(size)
    nginx(f"{text} auth_jwt_type signed; root html;", files=PAGE)
    assert status(nginx, "/a?f=huge", auth(good())) == 500
    told = 'huge" cannot be used: JWK Set is longer than 262144 bytes'
    assert told in nginx.error_log() + nginx.read("logs/stderr")
    pids = re.findall(r"start worker process (\d+)", nginx.error_log()) or [str(nginx.pid())]
    for pid in pids:
        peak = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        assert peak and int(peak[1]) * 1024 < size / 4


@pytest.mark.parametrize(
    "dialect, text, message",
    [
        (
            "maxlt",
            "auth_jwt_key %%DIR%%/huge file;",
            'JWT: Invalid key: key file "%%DIR%%/huge" cannot be used: key is longer than 4 bytes',
        ),
        (
            "tizp",
            "auth_jwt_key_file %%DIR%%/huge;",
            '"auth_jwt_key_file" cannot be used: key file "%%DIR%%/huge" cannot be used: '
            "key is longer than 4 bytes",
        ),
        (
            "tesla",
            "auth_jwt_algorithm RS256; auth_jwt_use_keyfile on; "
            "auth_jwt_keyfile_path %%DIR%%/huge;",
            'key file "%%DIR%%/huge" cannot be used: PEM is longer than 4 bytes',
        ),
        (
            "kjdev",
            "auth_jwt_key_file %%DIR%%/huge;",
            '"auth_jwt_key_file" directive failed to load jwks file: "%%DIR%%/huge"',
        ),
    ],
)
def test_other_key_files(nginx: Nginx, dialect: str, text: str, message: str) -> None:
    nginx.write("huge", pem(RSA))
    nginx.rejects(
        f"location / {{ {text} }}",
        message,
        http=f"pyngx_jwt_dialect {dialect}; pyngx_jwt_max_key_set_size 4;",
    )


@pytest.mark.parametrize(
    "name", ["max_token_size", "max_header_size", "max_depth", "max_key_set_size", "max_keys"]
)
@pytest.mark.parametrize("value", ["0", "-1", "x", "1g", '""'])
def test_rejected(nginx: Nginx, name: str, value: str) -> None:
    name = f"pyngx_jwt_{name}"
    text = f"{name} {value};"
    nginx.rejects(http=text, message=f'"{name}" directive invalid value', line=1)
    nginx.rejects(http=f"{name} 5; {name} 5;", message=f'"{name}" directive is duplicate', line=1)
    nginx.rejects(f"{name} 5;", f'"{name}" directive is not allowed here', line=1)


# Switches.


@ALL
def test_nbf(nginx: Nginx, dialect: str) -> None:
    """Refused by default, also where the module does not look at it."""
    serve(
        nginx,
        dialect,
        http="pyngx_jwt_validate_nbf on;",
        server="location /b { pyngx_jwt_validate_nbf off; }",
    )
    now = int(time.time())
    for nbf, found in ((now - 5, (200, 200)), (now + 3600, (401, 200)), ("x", (401, 200))):
        line = auth(good(nbf=nbf))
        assert (status(nginx, "/a", line), status(nginx, "/b", line)) == found
    assert status(nginx, "/b", auth(good(exp=now - 5))) == 401


@pytest.mark.parametrize(
    "dialect, text, message",
    [
        ("plus", 'auth_jwt "A";', '"auth_jwt" is on without keys in location /: name an *'),
        ("pyngx", 'auth_jwt "A";', '"auth_jwt" is on without keys in location /: name an *'),
        ("tesla", "auth_jwt_enabled on;", "auth_jwt is on without a key in location /, every *"),
        ("maxlt", "auth_jwt on;", "JWT: key not set *"),
    ],
)
def test_no_keys(nginx: Nginx, dialect: str, text: str, message: str) -> None:
    nginx.rejects(
        f"location / {{ {text} }}",
        re.compile(message.replace("*", ".*")),
        http=f"pyngx_jwt_dialect {dialect}; pyngx_allow_unsigned off;",
    )


@pytest.mark.parametrize(
    "dialect, text, found",
    [
        ("plus", 'auth_jwt "A";', [401, 401, 200, 200]),  # any signature, as NGINX Plus has it
        ("pyngx", 'auth_jwt "A";', [401, 401, 200, 200]),
        ("kjdev", 'auth_jwt "A";', [401, 401, 401, 401]),
        ("tesla", "auth_jwt_enabled on;", [200, 200, 200, 200]),  # everybody
        ("tizp", 'auth_jwt "A"; auth_jwt_alg HS256;', [401, 401, 401, 401]),
    ],
)
def test_allow_unsigned(nginx: Nginx, dialect: str, text: str, found: list[int]) -> None:
    nginx(
        f"{text} root html;",
        http=f"pyngx_jwt_dialect {dialect}; pyngx_allow_unsigned on;",
        files=PAGE,
    )
    lines = ["A: b", auth("abc"), auth(good()), auth(hs(claims_of(), octets=b"other"))]
    assert [status(nginx, "/a", line) for line in lines] == found
    none = auth(hs(claims_of(), {"alg": "none"}))
    assert (status(nginx, "/a", none) == 200) is (dialect == "tesla")


def test_allow_unsigned_with_keys(nginx: Nginx) -> None:
    """Where there are keys it changes nothing."""
    for_all = "pyngx_allow_unsigned on;"
    serve(nginx, "plus", http=for_all)
    assert status(nginx, "/a", auth(hs(claims_of(), octets=b"other"))) == 401
    message = re.compile(r'JWT: key not set \(JWT dialect "maxlt": .*\)')
    nginx.rejects("auth_jwt on;", message, http=f"pyngx_jwt_dialect maxlt; {for_all}")
