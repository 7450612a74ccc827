"""A dialect is one value: what a test declares is chosen, read and served as those of the house."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pyngx_jwt import app
from pyngx_jwt.compile import load
from pyngx_jwt.conf.directive import flag, string
from pyngx_jwt.conf.parse import Statement
from pyngx_jwt.errors import ConfError
from pyngx_jwt.http.contexts import EVERYWHERE
from pyngx_jwt.http.level import Level
from pyngx_jwt.http.module import Module, Phase
from pyngx_jwt.http.request import Handler, Request
from pyngx_jwt.jwt import Reason, TokenPolicy, TokenRefusal, Verified, getter
from pyngx_jwt.log import Log, Severity
from pyngx_jwt.modules.auth_jwt import DIALECTS, KnownDialects, choose_dialect, dialect_of
from pyngx_jwt.modules.auth_jwt.conf import TokenConf
from pyngx_jwt.modules.auth_jwt.demands import Denial, RequestDemand
from pyngx_jwt.modules.auth_jwt.dialect import Clue, Dialect, DialectMark, Facts, clue
from pyngx_jwt.modules.auth_jwt.gate import Gate
from pyngx_jwt.modules.auth_jwt.level_keys import keyring_of
from pyngx_jwt.modules.auth_jwt.plan import Plan
from pyngx_jwt.modules.auth_jwt.settings import policy_with
from pyngx_jwt.modules.auth_jwt.variables import add_member_variables, look_for, settles
from pyngx_jwt.modules.auth_jwt.wire import bearer, no_challenge
from pyngx_jwt.modules.auth_jwt.words import LogLines
from pyngx_jwt.options import Options, resolve_options
from pyngx_jwt.server import door

from ..test_app import Client, Folder, folder, get, play
from .tokens import FILES, token

pytestmark = pytest.mark.pyngx_only("about dialects")
__all__ = ["folder"]


# -- a dialect --------------------------------------------------------------------------------


class TinyConf(TokenConf):
    auth_jwt_tiny = flag(False, EVERYWHERE, "Demands a token.")
    auth_jwt_tiny_sub = string("", EVERYWHERE, 'Demands this "sub".')


tiny = Module("auth_jwt_tiny", TinyConf)
settles(tiny)
add_member_variables(tiny, look_for(TinyConf), getter)


@tiny.handler(Phase.ACCESS)
def check_token(conf: TinyConf, level: Level) -> Handler | None:
    if not conf.auth_jwt_tiny:
        return None
    wanted = conf.auth_jwt_tiny_sub
    denial = Denial(403, TokenRefusal(Reason.CLAIM, "it is another"))

    def check(r: Request, verified: Verified) -> Denial | None:
        return denial if verified.claims.get("sub") != wanted else None

    gate = conf.gate = Gate(
        Plan(
            find_token=bearer,
            keyring=keyring_of(conf, level, policy_with(TINY.policy, level)),
            challenge=no_challenge,
            words=TINY.words,
            demands=(RequestDemand("auth_jwt_tiny_sub", (wanted,), check),) if wanted else (),
        )
    )
    return gate.handle


def shape(facts: Facts) -> Iterator[Clue]:
    return (clue(s, "tiny.json") for s in facts.key_files if s.args == ("tiny.json",))


def with_x(statement: Statement, facts: Facts) -> str | None:
    return "x" if statement.args == ("x",) else None


TINY = Dialect(
    name="tiny",
    project="test/tiny",
    module=tiny,
    policy=TokenPolicy(),
    words=lambda refusal: LogLines(Severity.ERR, ("tiny says no",)),
    marks=(DialectMark(frozenset({"auth_jwt_leeway"}), with_x),),
    shape=shape,
    advice={"auth_jwt_tinier": 'was never there: write "auth_jwt_tiny"'},
    switches=("auth_jwt_tiny",),
)
SIX = (*DIALECTS, TINY)


# -- and configurations that are written in it --------------------------------------------------

SERVER = """
    listen 127.0.0.1:8000;
    auth_jwt_tiny on;
    auth_jwt_key_file jwks.json;
    location / { return 204; }
    location /a { auth_jwt_tiny_sub u1; try_files /a =404; add_header X-Sub $jwt_claim_sub; }
    """
PLUS = """
    listen 127.0.0.1:8000;
    auth_jwt A;
    auth_jwt_key_file jwks.json;
    location /a { try_files /a =404; }
    """


def headers(**claims: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {token(**claims)}"}


def test_sixth_dialect_serves_beside_a_configuration_of_five(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write("jwks.json", FILES["jwks.json"])
    folder.write("html/a", "a")
    with monkeypatch.context() as patched:
        patched.setattr(door, "load", partial(load, things=(KnownDialects(SIX),)))
        served = folder.application(SERVER)
    assert dialect_of(served[app.CYCLE].scope) is TINY
    with pytest.raises(ConfError, match='unknown directive "auth_jwt_tiny"'):
        folder.application(SERVER)
    other = folder.application(PLUS)
    assert dialect_of(other[app.CYCLE].scope) is DIALECTS[0]

    async def talk(client: Client) -> None:
        assert (await get(client, "/a"))[0] == 401
        assert (await get(client, "/a", headers=headers(sub="u2")))[0] == 403
        assert await get(client, "/a", headers=headers(sub="u1")) == (200, "a")
        assert (await client.get("/a", headers=headers())).headers["X-Sub"] == "u1"

    async def talk_to_other(client: Client) -> None:
        assert (await get(client, "/a"))[0] == 401
        assert await get(client, "/a", headers=headers(sub="u2")) == (200, "a")

    play(served, talk)
    log = folder.read("error.log")
    assert "tiny says no (refused:" in log and "it is another" in log
    play(other, talk_to_other)


@pytest.mark.parametrize(
    "server, evidence",
    [
        ("auth_jwt_tiny on;", '"auth_jwt_tiny"'),  # no other dialect has it
        ("auth_jwt_leeway x;", '"auth_jwt_leeway x"'),
        ("auth_jwt_key_file tiny.json;", '"auth_jwt_key_file tiny.json"'),
    ],
)
def test_what_speaks_for_it(tmp_path: Path, server: str, evidence: str) -> None:
    choice = choose_dialect(options(tmp_path, server), known=SIX)
    assert (choice.name, [w.what for w in choice.evidence]) == ("tiny", [evidence])
    assert choose_dialect(options(tmp_path, server)).name != "tiny"


def test_errors_name_it(tmp_path: Path) -> None:
    for server, text in (
        (
            "auth_jwt_tiny on; auth_jwt_phase access;",
            r'two dialects: "auth_jwt_tiny" of "tiny" \(test/tiny\) in \S+ and "auth_jwt_phase"',
        ),
        (
            "auth_jwt_tiny on; pyngx_jwt_dialect plus;",
            'the "auth_jwt_tiny" directive belongs to the JWT dialect "tiny"',
        ),
        ("auth_jwt_tinier on;", 'the "auth_jwt_tinier" directive was never there'),
        ("pyngx_jwt_dialect nix;", "known are plus, pyngx, kjdev, tesla, maxlt, tizp, tiny"),
    ):
        with pytest.raises(ConfError, match=text):
            load(options(tmp_path, server), Log(), things=(KnownDialects(SIX),))


def options(prefix: Path, server: str) -> Options:
    conf = prefix / "nginx.conf"
    conf.write_text(f"events {{ }} http {{ server {{ {server} }} }}")
    return Options(*resolve_options(str(prefix), str(conf), None))


# -- those of the house -------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_dialect_speaks_of_directives_that_it_has(dialect: Dialect) -> None:
    marks = (*dialect.marks, *dialect.shared_marks)
    named = {name for mark in marks for name in mark.directives} | dialect.shared
    named |= {*dialect.switches, *dialect.key_directives, *dialect.own_keys}
    assert {name for name in named if not dialect.has(name)} == set()
    assert not [name for name in dialect.advice if any(one.has(name) for one in DIALECTS)]


def test_dialects_can_be_told_apart() -> None:
    names = [one.name for one in DIALECTS]
    targets = [one.target for one in DIALECTS if one.target]
    variables = [name for one in DIALECTS for name in one.variables]
    for values in (names, targets, variables):
        assert len(set(values)) == len(values)
