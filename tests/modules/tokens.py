"""Tokens, keys and snippets for the tests of auth_jwt."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from pyngx_jwt.jwt import Json
from pyngx_jwt.jwt.mint import SigningKey

from ..backend import Peer
from ..jwt.keys import jwks, signing_key
from ..wire import DEADLINE

KEY = signing_key("ES256", "k1")
OTHER = signing_key("ES256", "k2")
FILES = {"jwks.json": jwks(KEY), "other.json": jwks(OTHER)}
KEYS = "auth_jwt_key_file jwks.json;"
EXP = 4_102_444_800  # the year 2100


def token(key: SigningKey = KEY, /, **claims: Json) -> str:
    """A token that is good for an hour, unless the claims say otherwise; None leaves one out."""
    members: dict[str, Json] = {"sub": "u1", "exp": EXP, **claims}
    return key.sign({name: value for name, value in members.items() if value is not None})


def bearer(key: SigningKey = KEY, /, **claims: Json) -> str:
    """The line of a request head with such a token."""
    return f"Authorization: Bearer {token(key, **claims)}"


def tampered(text: str) -> str:
    """The token with another first character of its signature."""
    head, _, signature = text.rpartition(".")
    return f"{head}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"


def asked_for_three(ask: Callable[[], int], asked: Callable[[], int]) -> int:
    """How often keys are fetched for three requests in one second: so long can an answer be
    shared.  A machine that takes longer tries again."""
    deadline = time.monotonic() + DEADLINE
    while True:
        before, began = asked(), time.monotonic()
        assert [ask() for _ in range(3)] == [200] * 3
        if time.monotonic() - began < 1:
            return asked() - before
        assert time.monotonic() < deadline


class Issuer:
    """Answers with a key set, however often it is asked; what it says can be changed."""

    def __init__(self, body: str | bytes = "", status: str = "200 OK", *fields: str) -> None:
        self.body, self.status, self.fields = body or jwks(KEY), status, fields
        self.go_on = threading.Event()
        self.go_on.set()
        self.asked: list[str] = []  # heads of requests

    def __call__(self, peer: Peer) -> None:
        while not peer.closed():
            self.asked.append(peer.request())
            self.go_on.wait(DEADLINE)
            body = self.body if isinstance(self.body, bytes) else self.body.encode("latin-1")
            head = [f"HTTP/1.1 {self.status}", f"Content-Length: {len(body)}", *self.fields]
            peer.send("\r\n".join([*head, "", ""]).encode("latin-1") + body)

    def wait(self, count: int) -> None:
        """Until it has been asked so often."""
        deadline = time.monotonic() + DEADLINE
        while len(self.asked) < count:
            assert time.monotonic() < deadline, self.asked
            time.sleep(0.005)
