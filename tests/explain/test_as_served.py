"""What is explained is what a server does: each request is sent, too."""

from __future__ import annotations

import itertools

import pytest

from pyngx_jwt.explain.explainer import LET_IN, Explainer, Explanation, final_status
from pyngx_jwt.explain.places import place_of_token, put_token
from pyngx_jwt.explain.request import Ask, parse_url

from ..nginx import Nginx
from ..wire import Answer
from .asked import options_of
from .setups import NOW, SETUPS, files, tokens

ORIGIN = "http://localhost:%%PORT%%"
pytestmark = pytest.mark.pyngx_only("about a command of pyngx")


def told(explained: Explanation) -> tuple[bool, int, str, str]:
    r = explained.r
    status = final_status(explained) if explained.verdict != LET_IN else 200
    passes = explained.verdict == LET_IN
    if passes and r.status >= 300:  # a redirect, or a page of its own
        status = r.status
    challenge = r.sent_header("www-authenticate") or ""
    return passes, status, challenge, r.location_out or ""


def served(answer: Answer) -> tuple[int, str, str]:
    challenge = ", ".join(answer.all("WWW-Authenticate"))
    return answer.status, challenge, answer.get("Location") or ""


@pytest.mark.parametrize("name", SETUPS)
def test_as_served(name: str, nginx: Nginx, monkeypatch: pytest.MonkeyPatch) -> None:
    setup = SETUPS[name]
    monkeypatch.chdir(nginx.prefix)  # some dialects take files from there
    nginx(setup.server, files=files())
    explainer, port = Explainer(options_of(nginx.prefix), NOW), nginx.port()
    for (what, token), path, method in itertools.product(
        tokens(setup).items(), setup.paths, ("GET", "OPTIONS")
    ):
        url = parse_url(f"http://127.0.0.1:{port}{path}")
        ask = Ask(url, method, ("Host: localhost",))
        explained = explainer.explain(ask, token)
        level = explained.trip.gated
        sent = put_token(ask, token, place_of_token(level)) if level is not None else ask
        answer = nginx.request(f"{method} {sent.url.target}", *sent.fields)
        passes, status, challenge, location = told(explained)
        shown = f"{name}: token {what}, {method} {path}: {explained.trip.lines}"
        if passes and answer.status == 405:  # what serves files is not asked here
            continue
        absolute = location if "://" in location or not location else f"{ORIGIN}{location}"
        assert (status, challenge, absolute.replace("%%PORT%%", str(port))) == served(answer), shown
