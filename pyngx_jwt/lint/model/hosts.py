"""Which servers answer for hosts that no "server_name" lists."""

from __future__ import annotations

import contextlib

from ...conf.parse import Statement
from ...errors import ConfError
from ...http.listen import Listen, parse_listen
from .block import Block
from .configuration import Configuration
from .said import Said


def open_servers(conf: Configuration) -> frozenset[Block]:
    """The servers that get requests with any Host field: the default ones of addresses."""
    return frozenset(
        conf.block(level)
        for address in conf.addresses
        for level, server in address.levels
        if server is address.names.default
    )


def listening(server: Said, text: str) -> Statement:
    """The "listen" of an address; what opens the server if there is none."""
    for statement in server.given("listen"):
        with contextlib.suppress(ConfError):  # which is reported
            if text in {listen.text for listen in parse_listen(statement.args[0], ())}:
                return statement
    return server.statement


def written_address(listen: Listen, statement: Statement) -> str:
    """The address that a "listen" means; as it is written if that is a name, which has not been
    looked up, or a number that stands for a placeholder."""
    word = statement.args[0] if statement.name == "listen" else ""
    is_name = word[:1] != "[" and not word.startswith("unix:") and any(map(str.isalpha, word))
    return word if is_name or word.startswith("0") else listen.text
