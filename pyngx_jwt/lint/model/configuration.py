"""A compiled configuration as rules look at it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from ...conf.parse import Statement
from ...http.contexts import HTTP, SERVER, http_levels
from ...http.level import Level
from ...http.ports import AddressOf, Built, ListenAddress
from ...modules.auth_jwt import Dialect
from ...stream.contexts import STREAM, STREAM_SERVER
from ...stream.level import StreamLevel
from ...stream.ports import StreamBuilt
from ...stream.session import StreamServer
from ..read.analysis import Analysis
from ..read.texts import Texts
from .block import Block
from .stream import StreamBlock


class Configuration:
    """Its blocks, and what refers to what."""

    def __init__(self, analysis: Analysis) -> None:
        self.analysis = analysis
        self.scope = analysis.scope
        self.options = analysis.options

    @property
    def dialect(self) -> Dialect:
        """That of its JWT directives."""
        return self.analysis.choice.dialect

    @property
    def is_dialect_guessed(self) -> bool:
        """Whether another dialect could be meant."""
        choice = self.analysis.choice
        return choice.ambiguous or not (choice.evidence or choice.pinned)

    @property
    def is_for_pyngx(self) -> bool:
        """Whether nothing else can run it: by its dialect, or by --target."""
        return self.dialect.only_pyngx or not self.analysis.collector.target.runs_all

    @property
    def texts(self) -> Texts:
        return self.analysis.texts

    @cached_property
    def http(self) -> Block | None:
        """The http block, None if there is none."""
        levels = http_levels(self.analysis.root)
        return Block(levels[0], None, self.analysis) if levels else None

    def block(self, level: Level) -> Block:
        """The block of a level; one that is not part of the http server, or that could not be
        set up, is known only to itself and the blocks in it."""
        block = self._by_level.get(level)
        if block is None:
            around = None if level.context & HTTP else level.outer
            outer = None if around is None else self.block(around)
            block = self._by_level[level] = Block(level, outer, self.analysis)
        return block

    @cached_property
    def _by_level(self) -> dict[Level, Block]:
        return {block.level: block for block in self.blocks}

    @cached_property
    def servers(self) -> tuple[Block, ...]:
        """The servers in their order."""
        return tuple(self.http.inner(SERVER)) if self.http else ()

    @cached_property
    def stream(self) -> tuple[StreamBlock, ...]:
        """The blocks of "stream": itself, then its servers; none if there is no such block."""
        blocks: list[StreamBlock] = []
        for level in self.analysis.root.inner(STREAM):
            assert isinstance(level, StreamLevel)
            outer = StreamBlock(level, None, self.analysis)
            inner = (one for one in level.inner(STREAM_SERVER) if isinstance(one, StreamLevel))
            blocks += [outer, *(StreamBlock(one, outer, self.analysis) for one in inner)]
        return tuple(blocks)

    @property
    def stream_servers(self) -> tuple[StreamBlock, ...]:
        return tuple(block for block in self.stream if block.outer is not None)

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """All blocks of the http server, from the outside in; none of the upstreams."""
        return tuple(self.http.walk()) if self.http else ()

    @cached_property
    def answering(self) -> tuple[Block, ...]:
        """The blocks that answer requests."""
        return tuple(block for block in self.blocks if block.answers)

    def statements(self, *names: str) -> Iterator[tuple[Block, Statement]]:
        """All statements of these names within http, with their blocks."""
        for level, statement in self.analysis.named(*names):
            if isinstance(level, Level):
                yield self.block(level), statement

    @cached_property
    def stream_addresses(self) -> tuple[AddressOf[StreamServer], ...]:
        """Those of "stream"."""
        ports = self.scope.shared(StreamBuilt).ports.values()
        return tuple(address for port in ports for address in port.addresses)

    @cached_property
    def addresses(self) -> tuple[ListenAddress, ...]:
        """The addresses that are listened on, with their servers."""
        ports = self.scope.shared(Built).ports.values()
        return tuple(address for port in ports for address in port.addresses)
