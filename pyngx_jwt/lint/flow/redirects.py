"""Internal redirects: from which blocks requests go on to which others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from ...conf.parse import Statement
from ...http.contexts import LOCATION
from ...modules.core import CoreConf, DeclaredErrorPage
from ..model.block import REDIRECT, Block
from ..model.configuration import Configuration
from ..model.leaving import LEAVING
from ..model.probe import location_of

_PATH = re.compile(r"\$\{?(?:uri|document_uri|request_uri)\b")
DENIALS = frozenset({401, 403})


class InternalRedirect(NamedTuple):
    """A way from one block to another; `denied` if it is taken when access is refused."""

    source: Block
    target: Block
    statement: Statement
    denied: bool


def redirects(conf: Configuration) -> Iterator[InternalRedirect]:
    """All redirects that follow from the configuration alone."""
    for block in conf.answering:
        yield from redirects_from(block)


def redirects_from(block: Block) -> Iterator[InternalRedirect]:
    """The ways out of a block: error_page, try_files, internal_redirect, rewrite."""
    for page in block[CoreConf].error_pages:
        statement = error_page_statement(block, page)
        denied = bool(DENIALS & set(page.codes))
        yield from _to(block, page.uri.text, statement, denied=denied)
    for statement in block.given("try_files"):
        yield from _to(block, statement.args[-1], statement)
    for statement in block.given(REDIRECT):
        yield from _to(block, statement.args[0], statement)
    for inner in _with_ifs(block):
        for statement in inner.given("rewrite"):
            flag = statement.args[2:3]
            if len(statement.args) > 1 and flag not in (("redirect",), ("permanent",), ("break",)):
                yield from _to(block, statement.args[1], statement)


def _with_ifs(block: Block) -> Iterator[Block]:
    yield block
    yield from (inner for inner in block.blocks if not inner.is_location)


def error_page_of(block: Block, code: int) -> DeclaredErrorPage | None:
    """The error_page that counts for a code."""
    pages = block[CoreConf].error_pages
    return next((page for page in pages if code in page.codes), None)


def error_page_statement(block: Block, page: DeclaredErrorPage) -> Statement:
    """Where it is written."""
    for around in block.outward():
        for statement in around.given("error_page"):
            if statement.args[-1] == page.uri.text:
                return statement
    return block.set_by("error_page")


def _to(
    block: Block, uri: str, statement: Statement, *, denied: bool = False
) -> Iterator[InternalRedirect]:
    if uri.startswith(("=", *LEAVING)):
        return
    target = find_target(block.server, uri)
    if target is not None and target is not block:
        yield InternalRedirect(block, target, statement, denied)


def find_target(server: Block, uri: str) -> Block | None:
    """The block of a named location, or of a URI as far as it has no variables."""
    if uri.startswith("@"):
        return next((p for p in server.inner(LOCATION) if p[CoreConf].name == uri), None)
    path = uri.partition("?")[0]
    fixed = path.partition("$")[0]
    if _PATH.match(path, len(fixed)):
        fixed += "/"
    if not fixed.startswith("/"):
        return None
    return location_of(server, fixed)
