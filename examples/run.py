"""Plays the example: keys, a server for examples/nginx.conf, and requests to it.

    python examples/run.py          leaves the server running until Ctrl-C
    python examples/run.py --once   stops it after the requests

All files are made below run/, beside this folder.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

from pyngx_jwt.jwt import Json
from pyngx_jwt.jwt.mint import SigningKey, key_set

HERE = Path(__file__).parent


def main() -> int:
    """The exit status: 0 if all three answers are as they should be."""
    parser = argparse.ArgumentParser(description="Plays examples/nginx.conf.")
    parser.add_argument("--once", action="store_true", help="stop after the requests")
    parser.add_argument("--conf", type=Path, default=HERE / "nginx.conf")
    parser.add_argument("--folder", type=Path, default=HERE.parent / "run", help="for its files")
    arguments = parser.parse_args()
    conf, folder = arguments.conf.resolve(), arguments.folder.resolve()
    text = conf.read_text()
    host, port = re.findall(r"listen ([\d.]+):(\d+);", text)[0]
    issuer = re.findall(r'auth_jwt_validate_claim iss "(.*)";', text)[0]
    key = prepare(folder)
    with serving(conf, folder, (host, int(port))):
        answered = [ask(host, int(port), label, token) for label, token in tokens(key, issuer)]
        if not arguments.once:
            wait(host, int(port), key, issuer)
    return 0 if answered == [401, 200, 401] else 1


def prepare(folder: Path) -> SigningKey:
    """Folders, and the issuer's key pair, of which it publishes the public half."""
    for name in ("logs", "cache", "issuer/.well-known"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    private = folder / "key.json"
    if private.exists():
        key = SigningKey.from_members(json.loads(private.read_text()))
    else:
        key = SigningKey.generate("RS256", "example-1")
        private.touch(mode=0o600)
        private.write_text(json.dumps(key.members(private=True)))
    (folder / "issuer/.well-known/jwks.json").write_text(key_set(key))
    return key


def tokens(key: SigningKey, issuer: str) -> Iterator[tuple[str, str]]:
    """The requests: without a token, with a valid one, with an expired one."""
    now = int(time.time())
    claims: dict[str, Json] = {"iss": issuer, "sub": "alice", "scope": "read", "iat": now}
    yield "without a token", ""
    yield "with a valid token", key.sign({**claims, "exp": now + 3600})
    yield "with an expired token", key.sign({**claims, "exp": now - 60})


@contextmanager
def serving(conf: Path, folder: Path, address: tuple[str, int]) -> Iterator[None]:
    """The server, from its first connection to its end."""
    if reachable(address):
        raise SystemExit("something else listens on {}:{} already".format(*address))
    user = "user root; " if os.geteuid() == 0 else ""
    command = [sys.executable, "-m", "pyngx_jwt", "-p", str(folder), "-c", str(conf)]
    process = subprocess.Popen([*command, "-g", f"{user}daemon off;"])
    try:
        deadline = time.monotonic() + 15
        while not reachable(address):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("the server did not start")
            time.sleep(0.05)
        yield
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGQUIT)
        process.wait()


def reachable(address: tuple[str, int]) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(address) == 0


def ask(host: str, port: int, label: str, token: str) -> int:
    """Sends one request, prints its answer, and returns the status."""
    connection = HTTPConnection(host, port, timeout=10)
    # Somebody who tries to pass for another: the backend gets to see the token's claim.
    fields = {"X-JWT-Sub": "root"}
    if token:
        fields["Authorization"] = f"Bearer {token}"
    connection.request("GET", "/api/orders", headers=fields)
    response = connection.getresponse()
    body = response.read().decode()
    print(f"GET /api/orders {label}:\n    {response.status} {response.reason}")
    if challenge := response.headers["WWW-Authenticate"]:
        print(f"    WWW-Authenticate: {challenge}")
    if response.status == 200:
        print("  and the backend received\n    " + body.rstrip("\n").replace("\n", "\n    "))
    print(flush=True)
    connection.close()
    return response.status


def wait(host: str, port: int, key: SigningKey, issuer: str) -> None:
    """Until Ctrl-C, or until it is told to end."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    token = dict(tokens(key, issuer))["with a valid token"]
    print(f"Serving http://{host}:{port}/ until Ctrl-C; a token that is valid for an hour:\n")
    print(token, flush=True)
    signal.pause()
    print()


if __name__ == "__main__":
    raise SystemExit(main())
