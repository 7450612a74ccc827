"""The fields of requests to upstreams: which are set, which the client's own pass for, and which
of them carry the token."""

from __future__ import annotations

from collections.abc import Iterator

from ...conf.parse import Statement
from ...gateway.conf import GatewayConf, SentHeader
from ...http.template import Template
from ...modules.headers_more.input import InputHeadersConf
from ..model.block import Block
from .flow import flow_of

_QUERY = frozenset({"args", "query_string", "request_uri"})
BEARER = frozenset({"http_authorization"})


def set_fields(block: Block) -> dict[str, tuple[str, Template]]:
    """What proxy_set_header or its like says here, inherited or not: by the field's name in
    lower case."""
    return {low: (name, value) for low, name, value in block.gateway.fields}


def identity_fields(block: Block) -> dict[str, str]:
    """The names of fields that pass claims to upstreams, by themselves in lower case."""
    flow = flow_of(block)
    fields = {
        low: name
        for low, (name, value) in set_fields(block).items()
        if flow.has_claims(value, block) and low != "authorization"
    }
    if block.target is not None:
        fields |= {name.lower(): name for name in block.auth.conf.claim_fields}
    return fields


def passes_on(block: Block, low: str) -> bool:
    """Whether a field of the client, named in lower case, reaches the upstream, or a part."""
    if block.target is None or not block.gateway.set_by:  # memcached takes no fields
        return False
    given, changed = set_fields(block).get(low), _changed(block, low)
    if changed is not None and variable_of(low) not in flow_of(block).names(changed, block):
        return False
    if given is None:
        return block.gateway.pass_request_headers and low not in identity_fields(block)
    names = flow_of(block).names(given[1], block)
    cookies = low == "cookie" and any(name.startswith("cookie_") for name in names)
    return cookies or variable_of(low) in names


def _changed(block: Block, low: str) -> Template | None:
    """What headers-more puts in the place of a field of every request, None if nothing."""
    for command in block[InputHeadersConf].commands:
        for header in () if command.types else command.headers:
            if header.pattern(low):
                return header.value
    return None


def variable_of(low: str) -> str:
    """The variable of a field of the client."""
    return f"http_{low.replace('-', '_')}"


def carriers(block: Block) -> frozenset[str]:
    """The variables that tokens come in: $http_authorization, $cookie_NAME, $arg_NAME..."""
    token = block.auth.token
    if token is not None:
        return flow_of(block).names(token, block)
    return block.auth.conf.carriers or BEARER


def is_from_client(block: Block) -> bool:
    """Whether clients send the tokens themselves; otherwise another party has kept and checked
    them, as the OpenID Connect client of NGINX Plus does in "keyval"."""
    token = block.auth.token
    return token is None or any(o.is_chosen for o in flow_of(block).origins(token, block))


def field_of(variable: str) -> str:
    """The field that a variable is of, in lower case, "" if it is of none."""
    if variable.startswith("cookie_"):
        return "cookie"
    return variable[5:].replace("_", "-") if variable.startswith("http_") else ""


def token_fields(block: Block) -> list[str]:
    """The fields in which tokens come."""
    return sorted({field_of(variable) for variable in carriers(block)} - {""})


def forwarded(block: Block, by: Block) -> Iterator[str]:
    """Those fields with the tokens of a block that another one, or itself, passes on."""
    return (low for low in token_fields(block) if passes_on(by, low))


def token_ways(block: Block) -> Iterator[str]:
    """In what the tokens of a block reach its upstream, as messages name it."""
    fields = list(forwarded(block, block))
    yield from (f'"{shown(low)}"' for low in fields)
    if block.target is None:
        return
    own, flow = carriers(block), flow_of(block)
    for low, (name, value) in set_fields(block).items():
        if low not in fields and own & flow.names(value, block):
            yield f'"{name}"'
    if any(name in _QUERY or name.startswith("arg_") for name in own):
        text = block.target.text
        if block.target.url is not None or not _QUERY.isdisjoint(text.names):
            yield "the query string"


def shown(low: str) -> str:
    """The name of a field as people write it."""
    return "-".join(word.capitalize() for word in low.split("-"))


def removal(block: Block, name: str) -> str:
    """The directive that keeps a field of the client from the upstream of a block."""
    gateway = block.gateway
    if gateway.set_by == "param":
        name = f"HTTP_{name.upper().replace('-', '_')}"
    return f'{gateway.prefix}_{gateway.set_by} {name} "";'


def lost_fields(block: Block) -> Iterator[tuple[str, Statement]]:
    """The fields with claims that outer levels set and that do not count here: their names in
    lower case, and what sets them."""
    if block.target is None or block.is_internal:
        return
    kind = type(block.gateway)
    levels = [outer for outer in block.outward() if own_fields(outer, kind)]
    known = {field.low for outer in levels[:1] for field in own_fields(outer, kind)}
    for outer in levels[1:]:
        for low, name, value in own_fields(outer, kind):
            if low not in known and flow_of(block).has_claims(value, block):
                known.add(low)
                yield low, statement_of(outer, name, kind)


def protocols(block: Block) -> list[type[GatewayConf]]:
    """All by which requests can be passed on."""
    return block.once(_protocols)


def _protocols(http: Block) -> list[type[GatewayConf]]:
    confs = (module.conf for module in http.level.scope.modules)
    return [conf for conf in confs if issubclass(conf, GatewayConf)]


def own_protocols(block: Block) -> list[type[GatewayConf]]:
    """Those whose fields a level itself sets."""
    return [kind for kind in protocols(block) if block.given(_setter(kind))]


def own_fields(block: Block, kind: type[GatewayConf]) -> list[SentHeader]:
    """What a level itself sets, by a protocol's directive."""
    return [*block[kind].fields] if block.given(_setter(kind)) else []


def statement_of(block: Block, name: str, kind: type[GatewayConf]) -> Statement:
    """What sets a field on a level."""
    given = block.given(_setter(kind))
    return next((s for s in given if s.args[0] == name), block.statement)


def _setter(kind: type[GatewayConf]) -> str:
    return f"{kind.prefix}_{kind.set_by}"
