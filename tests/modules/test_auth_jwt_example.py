"""examples/nginx.conf, and the configuration that the project began with."""

from __future__ import annotations

import datetime
import ipaddress
import os
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pyngx_jwt.compile import load
from pyngx_jwt.http.contexts import LOCATION, SERVER, http_levels
from pyngx_jwt.http.level import Level
from pyngx_jwt.log import Log
from pyngx_jwt.modules.core import CoreConf
from pyngx_jwt.options import Options, resolve_options

from ..jwt.keys import jwks, signing_key
from ..nginx import Nginx
from .tokens import EXP, tampered

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/nginx.conf"
SEED = ROOT / "tests/data/seed.conf"

HANDLERS = """
127.0.0.1:18080: index static log
  location = /: rewrite index static log
  location /api/: auth_jwt_pyngx proxy log
    location /api/write/: auth_jwt_pyngx proxy log
  location = /_jwks: proxy log
127.0.0.1:18081: index static
  location /: rewrite index static
127.0.0.1:18082: index static
"""


def handlers(level: Level, depth: int = 0) -> Iterator[str]:
    """The modules that a request meets at a level and inside of it, in their order."""
    location, conf = level.location, level[CoreConf]
    assert location is not None
    name = f"location {conf.modifier} {conf.name}".replace("  ", " ")
    if level.context is SERVER:
        name = conf.listens[0].text
    all_of_them = (*location.rewrite, *location.handlers, *location.log_handlers)
    named = {handler: name for phase in level.handlers.values() for name, handler in phase}
    modules = [
        named.get(handler) or getattr(handler, "__module__", "").split(".")[2].removesuffix("_line")
        for handler in all_of_them
    ]
    yield f"{'  ' * depth}{name}: {' '.join(modules)}"
    for inner in level.inner(LOCATION):
        yield from handlers(inner, depth + 1)


def test_what_is_not_configured_does_not_run(tmp_path: Path) -> None:
    arguments = resolve_options(str(tmp_path), str(EXAMPLE), "stderr")
    (http,) = http_levels(load(Options(*arguments), Log()).root)
    lines = [line for server in http.inner(SERVER) for line in handlers(server)]
    assert lines == HANDLERS.strip().split("\n")


@contextmanager
def example(tmp_path: Path, nginx: Nginx, *options: str) -> Iterator[subprocess.Popen[str]]:
    """examples/run.py, on other ports."""
    text = re.sub(r"\b1808[012]\b", lambda port: str(nginx.port(port[0])), EXAMPLE.read_text())
    conf = tmp_path / "example.conf"
    conf.write_text(text)
    command = [sys.executable, str(ROOT / "examples/run.py"), "--conf", str(conf), *options]
    process = subprocess.Popen(
        [*command, "--folder", str(tmp_path / "run")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


ANSWERS = """
    GET /api/orders without a token:
        401 Unauthorized
        WWW-Authenticate: Bearer realm="API"

    GET /api/orders with a valid token:
        200 OK
      and the backend received
        X-JWT-Sub: alice
        X-JWT-Scope: read

    GET /api/orders with an expired token:
        401 Unauthorized
        WWW-Authenticate: Bearer realm="API", error="invalid_token"
    """


@pytest.mark.pyngx_only("the example is ours")
def test_example_once(tmp_path: Path, nginx: Nginx) -> None:
    with example(tmp_path, nginx, "--once") as process:
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0, output
        assert output.strip() == textwrap.dedent(ANSWERS).strip()
    assert (tmp_path / "run/key.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.pyngx_only("the example is ours")
def test_example_plays_on(tmp_path: Path, nginx: Nginx) -> None:
    with example(tmp_path, nginx) as process:
        assert process.stdout is not None
        token = next(line for line in process.stdout if line.startswith("eyJ")).strip()
        line = f"Authorization: Bearer {token}"
        nginx.exchange(
            f"""
            > GET /
            < 200
            <
            < public
            <

            > GET /api/x
            > {line}
            > X-JWT-Sub: root
            > X-JWT-Scope: write
            < 200
            <
            < X-JWT-Sub: alice
            < X-JWT-Scope: read
            <

            > GET /api/write/x
            > {line}
            < 403

            > GET /api/x
            > Authorization: Bearer {tampered(token)}
            < 401

            > GET /_jwks
            < 404
            """,
            port="18080",
        )


# The configuration that the project began with: ports, paths and hosts are replaced, no more.

ISSUER = "https://my-api-a32f34.zuplo.api/__zuplo/issuer"
KEY, NEXT = signing_key("RS256", "k1"), signing_key("RS256", "k2")
BEHIND = """
    server {
        listen 127.0.0.1:%%PORT_backend%%;
        location / { return 200 "$http_x_jwt_sub $http_x_jwt_iss\n"; }
    }
    server {
        listen 127.0.0.1:%%PORT_issuer%% ssl;
        ssl_certificate issuer.pem;
        ssl_certificate_key issuer.key;
        location / { root html; access_log logs/issuer.log; }
    }
"""


class Seed(Nginx):
    """The server of the seed configuration, as it is but for what `changes` replaces."""

    changes: dict[str, str] = {}  # noqa: RUF012

    def _configure(self, *_: object) -> None:
        text = SEED.read_text()
        for old, new in self.changes.items():
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        self.write("nginx.conf", self.filled(text))

    def _arguments(self, log: str = "error.log") -> list[str]:
        user = "user root; " if os.geteuid() == 0 else ""
        told = f"{user}daemon off; pid logs/nginx.pid; error_log logs/error.log info;"
        return [*super()._arguments(log), "-g", told]


CHANGES = {
    "/etc/nginx/jwks.json": "%%DIR%%/jwks.json",
    "listen 80;": "listen 127.0.0.1:%%PORT%%;",
    "http://backend;": "http://127.0.0.1:%%PORT_backend%%;",
    f"proxy_pass {ISSUER}": "proxy_pass https://127.0.0.1:%%PORT_issuer%%/__zuplo/issuer",
    "/var/cache/nginx/jwks": "%%DIR%%/cache",
    "    # Cache for JWKS\n": f"{BEHIND}    # Cache for JWKS\n",
}
FILE = "    auth_jwt_key_file %%DIR%%/jwks.json;\n"


@pytest.fixture
def seed(tmp_path: Path) -> Iterator[Seed]:
    (tmp_path / "seed").mkdir()
    server = Seed(tmp_path / "seed")
    certificate, key = self_signed()
    server.write("issuer.pem", certificate)
    server.write("issuer.key", key)
    server.write("html/__zuplo/issuer/.well-known/jwks.json", jwks(KEY))
    server.changes = CHANGES
    yield server
    server.stop()
    server.check_logs()


def self_signed() -> tuple[bytes, bytes]:
    """A certificate for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "issuer")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    kind, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return certificate.public_bytes(pem), key.private_bytes(pem, kind, plain)


def bearer(key: object = KEY, **claims: object) -> str:
    members = {"iss": ISSUER, "sub": "u1", "exp": EXP, **claims}
    return f"Authorization: Bearer {key.sign(members)}"  # type: ignore[attr-defined]


def play(seed: Seed) -> None:
    seed.exchange(f"""
        > GET /protected/x
        > Host: api.example.com
        > {bearer()}
        > X-JWT-Sub: root
        < 200
        <
        < u1 {ISSUER}
        <

        > GET /protected/x
        < 401
        < WWW-Authenticate: Bearer realm="API"

        > GET /protected/x
        > {bearer(iss="https://elsewhere/")}
        < 401
        < WWW-Authenticate: Bearer realm="API", error="invalid_token"

        > GET /protected/x
        > {bearer(exp=1_700_000_000)}
        < 401

        > GET /protected/x
        > {bearer(signing_key("ES256", "k1"))}
        < 401

        > GET /_jwks
        < 404
        """)


@pytest.mark.pyngx_only("no nginx has all of these directives")
def test_seed(seed: Seed) -> None:
    seed.write("jwks.json", jwks(KEY))
    seed()
    assert 'no "events" section in configuration' in seed.read("logs/stderr")
    play(seed)
    assert not seed.read("logs/issuer.log"), "nobody asks for /_jwks"


@pytest.mark.pyngx_only("no nginx has all of these directives")
@pytest.mark.parametrize("with_file", [True, False])
def test_seed_with_key_request(seed: Seed, with_file: bool) -> None:
    """With the commented line enabled, besides the file or instead of it."""
    seed.changes = {**CHANGES, "# auth_jwt_key_request": "auth_jwt_key_request"}
    if with_file:
        seed.write("jwks.json", jwks(NEXT))
    else:
        seed.changes["    auth_jwt_key_file /etc/nginx/jwks.json;\n"] = ""
        del seed.changes["/etc/nginx/jwks.json"]
    seed()
    play(seed)
    assert seed.request("GET /protected/x", bearer(NEXT)).status == (200 if with_file else 401)
    # Once for its keys, and once more for those of a kid that is not among them.
    assert len(seed.read("logs/issuer.log").splitlines()) == (1 if with_file else 2)
    keys = [path for path in (seed.prefix / "cache").rglob("*") if path.is_file()]
    assert len(keys) == 1 and b'"k1"' in keys[0].read_bytes()
