"""Which blocks lead to the same server, also where variables name it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ...errors import ConfError
from ...gateway.scheme import split_scheme
from ...upstream.address import AddressError, Url, parse_url
from ..model.backends import address_of, declared, servers_of
from ..model.block import Block
from .flow import Origin, Row, flow_of
from .pattern import firsts, mask_of

HOST_ENDS = mask_of("/?")
PATHS = {"uri", "document_uri", "request_uri"}
_RAW = "$request_uri"
_END = re.compile(r"[/?]")


class Backend(NamedTuple):
    """A server, or a text with variables that selects one; `name` is what the configuration
    calls it."""

    key: str
    name: str


def backends_of(block: Block) -> frozenset[Backend]:
    """The servers that a block passes requests to; none if it does not."""
    target = block.target
    if target is None:
        return frozenset()
    if target.url is not None:
        return _behind(block, target.url)
    urls = [_parsed(block, text) for text in _fixed_parts(block)]
    known = frozenset(backend for url in urls if url is not None for backend in _behind(block, url))
    return known or frozenset({Backend(target.text.text, target.text.text)})


def is_shared(one: Block, other: Block) -> bool:
    """Whether both lead to one server."""
    keys = {backend.key for backend in backends_of(one)}
    return bool(keys & {backend.key for backend in backends_of(other)})


def guarded_backends(blocks: Iterable[Block]) -> dict[str, Block]:
    """The servers that need a token somewhere, each with the first block that demands one."""
    guarded: dict[str, Block] = {}
    for block in blocks:
        if block.auth.wanted:
            for backend in backends_of(block):
                guarded.setdefault(backend.key, block)
    return guarded


def passes_raw(block: Block) -> bool:
    """Whether the URI is passed on as the client has written it."""
    target = block.target
    if target is None or target.url is not None:
        return target is not None and target.url is not None and not target.url.uri
    if target.text.text.endswith(_RAW):
        return True
    values = flow_of(block).values(target.text, block)
    return bool(values) and not any(_END.search(text.partition("://")[2]) for text in values)


def begins_a_path(origin: Origin) -> bool:
    """Whether what it holds ends the host that stands before it."""
    if origin.name == "is_args":
        return True
    if origin.part is None:
        return origin.name in PATHS
    return bool(firsts(origin.part)) and not firsts(origin.part) & ~HOST_ENDS


def _behind(block: Block, url: Url) -> frozenset[Backend]:
    group = declared(block, url)
    if group is not None:
        return frozenset(Backend(key, group.name) for key in servers_of(group))
    return frozenset({Backend(address_of(url), url.host)})


def _fixed_parts(block: Block) -> Iterator[str]:
    """What target texts with variables begin with, as far as that does not depend on requests and
    has the whole host."""
    assert block.target is not None
    text, flow = block.target.text, flow_of(block)
    values = flow.values(text, block)
    if values and not any("$" in value for value in values):
        yield from values
        return
    for row in flow.expand(text, block):
        if fixed := _fixed_part(row):
            yield fixed


def _fixed_part(row: Row) -> str:
    text = ""
    for piece in row:
        if isinstance(piece, Origin):
            has_host = begins_a_path(piece) or _END.search(text.partition("://")[2])
            return text if has_host else ""
        text += piece
    return text


def _parsed(block: Block, text: str) -> Url | None:
    schemes = block.gateway.schemes
    try:
        scheme, address = split_scheme(text, schemes)
        address = address if address.startswith("unix:") else _END.split(address)[0]
        return parse_url(address, default_port=schemes[scheme].port, resolve=False)
    except (AddressError, ConfError):
        return None
