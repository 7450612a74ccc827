"""A block of "stream" as rules look at it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...conf.parse import Statement
from ...errors import ConfError
from ...http.listen import Listen
from ...http.template import Template
from ...modules.core.stream import StreamCoreConf
from ...stream.level import StreamLevel
from ..read.analysis import Analysis
from .said import Said

# What clients choose, of which the configuration need know nothing.
CHOSEN = frozenset(
    {"ssl_preread_server_name", "ssl_preread_alpn_protocols", "ssl_server_name"}
    | {"mqtt_preread_clientid", "mqtt_preread_username"}
)
MOST = 200  # values of a text with variables
_ENTRIES = ("map", "geo", "split_clients")
_PARAMETERS = frozenset({"hostnames", "volatile", "include", "ranges", "delete", "proxy"})


class StreamBlock(Said):
    """The block "stream", or a server in it."""

    def __init__(self, level: StreamLevel, outer: StreamBlock | None, analysis: Analysis) -> None:
        super().__init__(level, analysis)
        self.outer = outer

    def __str__(self) -> str:
        """As messages name it."""
        return "stream" if self.outer is None else "server in stream"

    def outward(self) -> Sequence[StreamBlock]:
        return (self,) if self.outer is None else (self, self.outer)

    @property
    def listens(self) -> tuple[Listen, ...]:
        return self[StreamCoreConf].listens

    def values(self, text: str, *, depth: int = 4) -> Iterator[str]:
        """What a text can become, as far as the configuration says: variables that it does not
        define stay.  Of a map whose keys restrict what clients choose, a value that repeats it is
        left out."""
        for _, value in zip(range(MOST), self._values(text, depth), strict=False):
            yield value

    def _values(self, text: str, depth: int) -> Iterator[str]:
        try:
            parts = Template(text).parts
        except ConfError:  # which is reported
            return
        for at, (is_variable, name) in enumerate(parts):
            values = list(self._definitions(name)) if is_variable and depth else []
            if values:
                before = "".join(_written(part) for part in parts[:at])
                after = "".join(_written(part) for part in parts[at + 1 :])
                for value in values:
                    yield from self._values(before + value + after, depth - 1)
                return
        yield text

    def _definitions(self, name: str) -> Iterator[str]:
        """The values that the configuration gives a variable."""
        for block in self.outward():
            for statement in block.given("set"):
                if statement.args[0] == f"${name}":
                    yield statement.args[1]
            for statement in block.given(*_ENTRIES):
                if statement.args[-1] == f"${name}":
                    yield from self._entries(statement)

    def _entries(self, statement: Statement) -> Iterator[str]:
        source = statement.args[0].strip("${}")
        for entry in self.analysis.entries(statement):
            if entry.name in _PARAMETERS or len(entry.args) != 1:
                continue
            is_same = source in entry.args[0] and entry.args[0].startswith("$")
            if entry.name == "default" or not is_same:
                yield entry.args[0]


def _written(part: tuple[bool, str]) -> str:
    is_variable, name = part
    if not is_variable:
        return name
    return name if name.startswith("$") else f"${{{name}}}"
