"""The API of Lua, call by call: tests/data/lua_api.txt has locations, requests and responses.

=== name
the inside of location /name
>>> GET /name
Header: value
body: of the request
<<< 200
the body of the response, of pages without one
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ..nginx import Nginx
from .lua import LOAD, NEEDS_LUA

pytestmark = NEEDS_LUA
DATA = Path(__file__).parent.parent / "data/lua_api.txt"

SERVER = """
    set $v ''; set $w abc;
    location /e { return 404; }
    location @e { content_by_lua_block { ngx.say('named ', ngx.status, ngx.ctx.a) } }
    location @login { return 302 /login; }
    location @args { content_by_lua_block { ngx.say("named [", ngx.var.args or "", "]") } }
    location /echoed/ { content_by_lua_block { ngx.print(ngx.var.uri) } }
    location /slowly { content_by_lua_block { ngx.sleep(0.01) ngx.print("late") } }
    location /capv {
        content_by_lua_block {
            ngx.say('w=', ngx.var.w, ' ctx=', ngx.ctx.k, ngx.is_subrequest)
            ngx.var.w = 'changed'
        }
    }
"""


@dataclass(slots=True)
class Call:
    """One request and its answer."""

    head: list[str]
    body: str = ""
    status: int = 0
    answer: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Case:
    name: str
    location: str
    calls: list[Call] = field(default_factory=list)


def cases() -> Iterator[Case]:
    for block in DATA.read_text().split("\n\n=== "):
        name, location, *lines = block.removeprefix("=== ").rstrip("\n").split("\n")
        case = Case(name, location)
        for line in lines:
            if line.startswith(">>> "):
                case.calls.append(Call([line.removeprefix(">>> ")]))
            elif line.startswith("<<< "):
                case.calls[-1].status = int(line.removeprefix("<<< "))
            elif case.calls[-1].status:
                case.calls[-1].answer.append(line)
            elif line.startswith("body: "):
                case.calls[-1].body = line.removeprefix("body: ")
            else:
                case.calls[-1].head.append(line)
        yield case


CASES = list(cases())


@pytest.fixture(scope="module")
def server(module_nginx: Nginx) -> Nginx:
    locations = [f"location /{case.name} {{\n{case.location}\n}}" for case in CASES]
    module_nginx(
        SERVER + "\n".join(locations),
        http="lua_shared_dict d 1m;",
        main=LOAD,
        files={"x.lua": "ngx.say('file ', ngx.var.uri)"},
    )
    return module_nginx


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_call(server: Nginx, case: Case) -> None:
    for call in case.calls:
        head = [*call.head]
        if call.body:
            head.append(f"Content-Length: {len(call.body)}")
        answer = server.request(*head, body=call.body)
        assert answer.status == call.status
        if call.answer:
            assert answer.body.decode("latin-1").rstrip("\n").split("\n") == call.answer
