"""``pyngx lint --reachability``: how every upstream is reached, with a token and without one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ...stream.contexts import STREAM
from ..model.backends import CHOSEN, passing
from ..model.block import Block
from ..model.configuration import Configuration
from ..read.texts import shown
from .destinations import backends_of
from .redirects import redirects


@dataclass(frozen=True, slots=True)
class RequestRoute:
    """A block that passes requests to a server, and how far clients get to it."""

    block: Block
    name: str
    state: str


OPEN, TOKEN, INTERNAL = "without a token", "with a token", "not by clients"


def routes(conf: Configuration) -> dict[str, list[RequestRoute]]:
    """The ways to each server, by its address."""
    exposed = _exposed(conf)
    by_backend: dict[str, list[RequestRoute]] = {}
    for block in conf.answering:
        for backend in sorted(backends_of(block)):
            route = RequestRoute(block, backend.name, _state(block, exposed))
            by_backend.setdefault(backend.key, []).append(route)
    return by_backend


def _state(block: Block, exposed: set[Block]) -> str:
    if block.is_protected:
        return TOKEN
    return OPEN if not block.is_internal or block in exposed else INTERNAL


def _exposed(conf: Configuration) -> set[Block]:
    """Internal blocks that requests without a token are redirected to: from open blocks, or
    when a token is refused."""
    exposed: set[Block] = set()
    edges = [edge for edge in redirects(conf) if edge.target.is_internal]
    while True:
        new = {
            edge.target
            for edge in edges
            if edge.target not in exposed
            and (edge.denied or not edge.source.is_protected)
            and (not edge.source.is_internal or edge.source in exposed)
        }
        if not new:
            return exposed
        exposed |= new


def reachability(conf: Configuration) -> str:
    """A text for people: the servers, and the ways to each."""
    lines: list[str] = []
    for key, ways in sorted(routes(conf).items()):
        names = sorted({route.name for route in ways} - {key, key.removesuffix(CHOSEN)})
        lines.append(f"{key}" + (f" ({', '.join(names)})" if names else ""))
        for state in (OPEN, TOKEN, INTERNAL):
            lines += _listed(state, [route for route in ways if route.state == state], conf)
        lines.append("")
    text = "\n".join(lines) or "nothing is passed on\n"
    if conf.analysis.root.inner(STREAM):
        text += '\nnot listed: what "stream" passes on\n'
    return shown(text)


def _excuses_options(conf: Configuration) -> bool:
    """Whether the JWT module lets OPTIONS pass whatever its token."""
    return "OPTIONS" in conf.dialect.excused | conf.dialect.exempt


def _listed(state: str, ways: list[RequestRoute], conf: Configuration) -> Iterator[str]:
    if ways:
        options = " (OPTIONS without one)" if state == TOKEN and _excuses_options(conf) else ""
        yield f"  {state}{options}:"
    for route in ways:
        statement = passing(route.block)
        file = statement.file.removeprefix(conf.options.conf_prefix)
        listens = ", ".join(listen.text for listen in route.block.server_listens)
        block = f"{file}:{statement.start_line}"
        yield f"    {route.block} of {route.block.server} on {listens}    [{block}]"
