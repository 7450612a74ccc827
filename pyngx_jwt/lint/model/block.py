"""A block of the http server as rules look at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, TypeVar

from ...conf.context import Contexts
from ...conf.parse import Statement
from ...gateway.cache_conf import CachedConf
from ...gateway.conf import GatewayConf, PassTarget, gateway_of
from ...http.contexts import (
    CONDITIONS,
    IN_LOCATION,
    LIMIT_EXCEPT,
    LOCATION,
    SERVER,
    SERVER_IF,
    UPSTREAM,
)
from ...http.level import Level
from ...http.listen import Listen
from ...modules.access import AccessConf
from ...modules.core import CoreConf
from ...modules.proxy.conf import ProxyConf
from ..read.analysis import Analysis
from ..read.snippet import FRAME
from .auth import Auth, auth_of
from .leaving import answers_all, leaves
from .said import Said

T = TypeVar("T")
ANSWERING, OF_SERVER = LOCATION | IN_LOCATION, SERVER | SERVER_IF
REDIRECT = "internal_redirect"  # to where requests go on once access has been checked
ACCESS_CODE = ("access_by_lua_block", "access_by_lua", "access_by_lua_file")
CLAIMS = (
    *("auth_jwt_validate_claim", "auth_jwt_require_claim", "auth_jwt_require_header"),
    "auth_jwt_validate_sub",
)


class Block(Said):
    """One level: its merged configuration, and the statements that it comes from."""

    level: Level

    def __init__(self, level: Level, outer: Block | None, analysis: Analysis) -> None:
        super().__init__(level, analysis)
        self.level, self.outer = level, outer
        self.context = context = level.context
        self.is_location, self.is_server = bool(context & LOCATION), bool(context & SERVER)
        self._around: tuple[Block, ...] = (self, *(outer._around if outer is not None else ()))
        self._memory: dict[Callable[[Block], Any], Any] = {}

    def __str__(self) -> str:
        """As messages name it: "location /api/", "server", "if in location /"."""
        if self.is_location:
            core = self[CoreConf]
            return f"location {core.modifier} {core.name}".replace("  ", " ")
        if self.is_server:
            names = self[CoreConf].server_names
            return f"server {names[0]}" if names else "server"
        if self.outer is not None and self.is_condition:
            return f"if in {self.outer}"
        if self.outer is not None and self.level.context & LIMIT_EXCEPT:
            return f"limit_except in {self.outer}"
        return self.level.context.name

    # -- where it is ---------------------------------------------------------------------------

    def outward(self) -> tuple[Block, ...]:
        """It and the blocks around it, up to http."""
        return self._around

    @property
    def root(self) -> Block:
        """The outermost block: http."""
        return self._around[-1]

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The blocks in it, without upstreams."""
        levels = (level for level in self.level.levels if not level.context & UPSTREAM)
        return tuple(Block(level, self, self.analysis) for level in levels)

    def inner(self, contexts: Contexts) -> Iterator[Block]:
        """The blocks in it of a kind."""
        return (block for block in self.blocks if block.context & contexts)

    def walk(self) -> Iterator[Block]:
        """It and all in it, from the outside in, without upstreams."""
        yield self
        for block in self.blocks:
            yield from block.walk()

    def once(self, make: Callable[[Block], T]) -> T:
        """What is derived from the whole http block, once for all rules."""
        memory = self.root._memory
        if make not in memory:
            memory[make] = make(self.root)
        value: T = memory[make]
        return value

    @cached_property
    def server(self) -> Block:
        """The server it is in; http is its own."""
        return next((block for block in self.outward() if block.is_server), self)

    @property
    def server_listens(self) -> tuple[Listen, ...]:
        """What the server it is in listens on."""
        return self.server[CoreConf].listens

    @property
    def is_condition(self) -> bool:
        """Whether it is the block of an "if"."""
        return bool(self.context & CONDITIONS)

    def has_failed(self, *names: str) -> bool:
        """Whether a statement of these names is wrong, here or in a block around it."""
        return any(s.name in names for s in self.analysis.failed_at(self.level))

    @property
    def is_in_snippet(self) -> bool:
        """Whether what includes the file is not known."""
        return self.root.statement.file.endswith(FRAME)

    @property
    def is_incomplete(self) -> bool:
        """Whether a file that this block itself includes could not be read."""
        return self.level in self.analysis.collector.unread

    @property
    def is_internal(self) -> bool:
        """Whether clients cannot ask for it: "internal", or a named location."""
        location = self.level.location
        return location is not None and location.internal

    @cached_property
    def answers(self) -> bool:
        """Whether requests can end here: a location, a block in one, or a server without any
        that takes every URI."""
        if self.context & ANSWERING:
            return True
        return self.is_server and not any(
            block[CoreConf].name == "/" and block[CoreConf].modifier in ("", "^~")
            for block in self.inner(LOCATION)
        )

    # -- what is said --------------------------------------------------------------------------

    @property
    def switch(self) -> Statement:
        """The statement by which tokens are demanded here."""
        return self.set_by(self.auth.dialect.switch)

    @property
    def access_code(self) -> Statement | None:
        """The statement with the Lua that checks access here, None if there is none."""
        return self.find(*ACCESS_CODE)

    @property
    def claims(self) -> list[Statement]:
        """The statements that demand something of claims, as they count: where those of all
        levels add up, those of the outer ones first."""
        levels = [block.given(*CLAIMS) for block in self.outward()]
        if not self.auth.dialect.adds_up:
            levels = next(([level] for level in levels if level), [])
        return [statement for level in reversed(levels) for statement in level]

    # -- what it does --------------------------------------------------------------------------

    @cached_property
    def auth(self) -> Auth:
        """What is demanded of tokens here, whatever the dialect."""
        return auth_of(self.level)

    @property
    def is_protected(self) -> bool:
        """Whether every request that is answered here has a valid token: one is demanded, and
        with "satisfy any" no address is let in without one."""
        any_is_enough = self[CoreConf].satisfy == "any"
        lets_in = any_is_enough and any(not rule.deny for rule in self[AccessConf].rules)
        return self.auth.demanded and not lets_in

    @cached_property
    def target(self) -> PassTarget | None:
        """Where requests are passed to by this block itself, None if they are not."""
        return None if self.is_left or self.given(REDIRECT) else self.gateway.target

    @cached_property
    def is_left(self) -> bool:
        """Whether no request stays here: "return" answers it, or a rewrite leads it on."""
        if self.context & OF_SERVER:
            return any(map(answers_all, self.given("return", "rewrite")))
        if any(map(leaves, self.given("return", "rewrite"))):
            return True
        around = self.outer if self.context & IN_LOCATION else None
        return (around or self.server).is_left if self.outer is not None else False

    @cached_property
    def gateway(self) -> GatewayConf:
        """The conf of the protocol by which this block passes requests on; where it does not,
        that of proxying."""
        return gateway_of(self.level) or self[ProxyConf]

    def named(self, name: str) -> str:
        """The full name of a directive that each protocol has under its own prefix, as the one
        by which this block passes requests on has it: "cache" is "proxy_cache"."""
        return f"{self.gateway.prefix}_{name}"

    @property
    def caching(self) -> CachedConf:
        """What is said of caching for the requests that are passed on."""
        conf = self.gateway
        return conf if isinstance(conf, CachedConf) else CachedConf(self.level.scope, self.level)
