"""Explanations agree with the server: each request is also sent."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

from pyngx_jwt.explain.carriers import carrier_of, put_token
from pyngx_jwt.explain.explainer import ADMITTED, Explainer, Outcome
from pyngx_jwt.explain.report import challenge, location
from pyngx_jwt.explain.request import RequestSpec, parse_url

from ..backend import Peer, Script
from ..jwt.keys import jwks
from ..nameserver import records
from ..nginx import Nginx
from ..wire import Answer
from .offline import options_of
from .served import BEARER, GROUPS, Group
from .setups import KEY, NOW, SETUPS, files, tokens

pytestmark = pytest.mark.pyngx_only("about a command of pyngx")
ANSWERS = {"up": (200, ""), "yes": (204, ""), "no": (401, ""), "idp": (200, jwks(KEY))}
PAIRS = [(name, line) for name, group in GROUPS.items() for line in group.lines]


@dataclass(slots=True)
class Served:
    """A running server, and what the requests that its upstream got."""

    nginx: Nginx
    group: Group
    explainer: Explainer = field(init=False)
    without_keys: Explainer = field(init=False)
    heads: list[str] = field(default_factory=list)

    def spec(self, line: str) -> tuple[RequestSpec, bytes]:
        """The request as a question, and as bytes."""
        first, *parts = self.nginx.filled(line).split(" | ")
        method, _, target = first.partition(" ")
        given = dict(part.split("=", 1) for part in parts if part.startswith(("port=", "body=")))
        fields = [part for part in parts if not part.startswith(("port=", "body="))]
        body, port = int(given.get("body", 0)), self.nginx.port(given.get("port", ""))
        if not any(part.lower().startswith("host:") for part in fields):
            fields.insert(0, "Host: localhost")
        fields.append("Connection: close")
        url = parse_url(f"http://127.0.0.1:{port}/")._replace(target=target.strip())
        lines = [*fields, *([f"Content-Length: {body}"] if body else ())]
        head = "\r\n".join([f"{method} {target.strip()} HTTP/1.1", *lines, "", ""])
        return RequestSpec(url, method, tuple(fields), body=body), head.encode(
            "latin-1"
        ) + b"x" * body

    def send(self, line: str, method: str, data: bytes) -> Answer | None:
        """The server's answer, None if it closes without one; the upstream notes what it sees."""
        self.heads.clear()
        name = next((p[5:] for p in line.split(" | ") if p.startswith("port=")), "")
        with self.nginx.connect(name) as client:
            client.wire.send(data)
            return client.wire.answer(method)

    def script(self, name: str) -> Script:
        """What an upstream does."""
        status, body = ANSWERS[name]

        def serve(peer: Peer) -> None:
            head = peer.request()
            if name == "up":
                self.heads.append(head.partition("\r\n\r\n")[0] + "\r\n\r\n")
            length = "" if status == 204 else f"Content-Length: {len(body)}\r\n"
            sent = "" if head.startswith("HEAD ") else body
            peer.send(f"HTTP/1.1 {status} So\r\n{length}Connection: close\r\n\r\n{sent}".encode())

        return serve


@contextlib.contextmanager
def serving(group: Group, folder: Path) -> Iterator[Served]:
    """The server of a group."""
    nginx = Nginx(folder)
    served = Served(nginx, group)
    with contextlib.chdir(nginx.prefix):
        for name in ANSWERS:
            nginx.backend(name, served.script(name))
        nginx.names("dns", {"localhost": records("127.0.0.1")})
        nginx(
            group.server,
            http=group.http,
            servers=group.servers,
            files=group.files,
            options=["--allow-unsupported"],
        )
        served.explainer = Explainer(options_of(nginx.prefix), NOW, jwks(KEY).encode())
        served.without_keys = Explainer(options_of(nginx.prefix), NOW)
    try:
        yield served
    finally:
        nginx.stop()
    nginx.check_logs()


@pytest.fixture(scope="module")
def served_by(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Served]]:
    """The server of a group, by its name; started once."""
    with contextlib.ExitStack() as stack:

        @cache
        def start(name: str) -> Served:
            return stack.enter_context(serving(GROUPS[name], tmp_path_factory.mktemp(name)))

        yield start


def outcome_of(way: Outcome) -> tuple[object, ...]:
    """What the client gets, and what the upstream sees."""
    upstream = way.trip.upstream
    status = way.status or (None if upstream is None else 200)
    head = "" if upstream is None else upstream.head.decode("latin-1")
    return status, challenge(way.r), location(way.r), head


def answer_of(served: Served, answer: Answer | None) -> tuple[object, ...]:
    head = "".join(served.heads)
    if answer is None:
        return None, "", "", head
    return (
        answer.status,
        ", ".join(answer.all("WWW-Authenticate")),
        answer.get("Location") or "",
        head,
    )


@pytest.mark.parametrize(("name", "line"), PAIRS)
def test_as_served(name: str, line: str, served_by: Callable[[str], Served]) -> None:
    served = served_by(name)
    spec, data = served.spec(line)
    explained = served.explainer.explain(spec, "")
    blind = served.without_keys.explain(spec, "")
    answer = served.send(line, spec.method, data)
    result = answer_of(served, answer)
    ways = [way for way in (explained.way, explained.denied) if way is not None]
    assert result in [outcome_of(way) for way in ways], explained.trip.lines
    sent = explained.way
    if explained.denied is None and sent.trip.upstream is None and answer is not None:
        assert answer.body == sent.body or "/status" in line, sent.trip.lines
    ways = [way for way in (blind.way, blind.denied) if way is not None]
    assert result in [outcome_of(way) for way in ways], blind.trip.lines
    if BEARER["good"] in line and blind.verdict != ADMITTED:
        assert result == outcome_of(blind.way), blind.trip.lines


@pytest.mark.parametrize("name", SETUPS)
def test_tokens_as_served(name: str, nginx: Nginx, monkeypatch: pytest.MonkeyPatch) -> None:
    setup = SETUPS[name]
    monkeypatch.chdir(nginx.prefix)  # some dialects take files from there
    nginx(setup.server, files=files())
    explainer, port = Explainer(options_of(nginx.prefix), NOW), nginx.port()
    for (what, token), path, method in itertools.product(
        tokens(setup).items(), setup.paths, ("GET", "OPTIONS")
    ):
        url = parse_url(f"http://127.0.0.1:{port}{path}")
        spec = RequestSpec(url, method, ("Host: localhost",))
        explained = explainer.explain(spec, token)
        level = explained.trip.gated
        sent = put_token(spec, token, carrier_of(level)) if level is not None else spec
        answer = nginx.request(f"{method} {sent.url.target}", *sent.fields)
        shown = f"{name}: token {what}, {method} {path}: {explained.trip.lines}"
        given = (answer.status, ", ".join(answer.all("WWW-Authenticate")), answer.get("Location"))
        assert outcome_of(explained.way)[:3] == (*given[:2], given[2] or ""), shown
