"""Which blocks admit every client, and which of them lead to the same thing."""

from __future__ import annotations

import socket
from ipaddress import ip_address

from ...conf.known import ENTRY, Class, class_of, reason_of
from ...conf.parse import Statement
from ...http.listen import Listen
from ...http.module import Phase
from ...modules.core import CoreConf
from ...modules.internal_redirect import InternalRedirectConf
from ...modules.secure_link import SecureLinkConf
from ..model.block import REDIRECT, Block
from .destinations import backends_of, passes_raw

_DIRECTORY = "root "


def is_open(block: Block) -> bool:
    """Whether every client is answered there without credentials of any kind."""
    location = block.level.location
    if (
        location is None
        or location.internal
        or block.auth.wanted
        or block.is_left
        or block.given(REDIRECT)
    ):
        return False
    return not is_guarded(block)


def is_reachable(listen: Listen) -> bool:
    """Whether clients on other machines can connect there."""
    if listen.family == socket.AF_UNIX:
        return False
    return not ip_address(listen.host.partition("%")[0]).is_loopback


def is_turned_off(block: Block) -> bool:
    """Whether the configuration says so: tokens are required around, and "off" is here."""
    return block.switch.args[:1] == ("off",)


def is_guarded(block: Block) -> bool:
    """Whether anything but tokens decides who is let in: addresses, passwords, subrequests, or
    another location; or may do so in a file that could not be read."""
    if block.is_partial:
        return True
    location = block.level.location
    if location is not None and len(location.handlers) > len(location.subrequest_handlers):
        return True  # handlers of the access phase
    links = block[SecureLinkConf]
    if links.secure_link or links.secret or block[InternalRedirectConf].uri:
        return True  # a condition checks links; other locations have checks of their own
    return any(is_guard(s) for around in block.outward() for s in notes_of(around))


def is_guard(statement: Statement) -> bool:
    """Whether a directive that is not run would decide who is let in."""
    kind = class_of(statement.name, statement.args)
    return kind is Class.GUARD and reason_of(statement.name) == ENTRY


def notes_of(block: Block) -> list[Statement]:
    """The directives of this block that are known and not run."""
    return block.analysis.collector.notes_of(block.level)


def contents_of(block: Block) -> frozenset[str]:
    """What answers: servers that requests are passed to, else a directory of files."""
    backends = backends_of(block)
    if backends:
        return frozenset(backend.key for backend in backends)
    handlers = [s for s in notes_of(block) if class_of(s.name) is Class.HANDLER]
    if handlers:
        return frozenset(f"{s.name} {s.args[:1]}" for s in handlers)
    exclusive = block.level.handlers.get(Phase.CONTENT, ())
    if len(exclusive) == 1:  # stub_status and the like; files have several
        name = exclusive[0][0]
        words = [" ".join(s.args) for s in block.own if name == "echo" and s.name[:4] == name]
        return frozenset({" ".join([name, *words])})
    return frozenset({f"{_DIRECTORY}{block[CoreConf].root_path.text}"})


def serves_files(block: Block) -> bool:
    """Whether it passes no requests on."""
    return all(content.startswith(_DIRECTORY) for content in contents_of(block))


def leads_out(block: Block, other: Block) -> bool:
    """Whether the application gets URIs of a prefix as clients write them, so that "/..;/" may
    lead from there to another location."""
    core, target = block[CoreConf], block.target
    if not block.is_location or core.modifier not in ("", "^~") or target is None:
        return False
    if any(around.given("rewrite") for around in block.outward()):
        return False
    inside = other[CoreConf].name.startswith(core.name)
    return passes_raw(block) and not (block.server is not other.server and inside)


def is_same(one: Block, other: Block) -> bool:
    """Whether both give the same things."""
    return bool(contents_of(one) & contents_of(other))
