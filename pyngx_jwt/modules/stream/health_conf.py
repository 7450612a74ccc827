"""Checks the health of upstream servers of "stream"."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from ...conf.directive import UNLIMITED, Conf, directive, own, time
from ...conf.parse import Statement
from ...conf.scope import located
from ...errors import ConfError
from ...gateway.health_conf import (
    COMMON_PARSERS,
    DeclaredChecks,
    HealthCheck,
    check_persistent,
    set_parameter,
)
from ...http.regex import Regex
from ...stream.contexts import IN_STREAM, STREAM, STREAM_SERVER

_HEX = re.compile(r"\\x([0-9A-Fa-f]{2})")


class StreamTests:
    """A "match" block: what is sent, and whether what has come so far passes."""

    __slots__ = ("expects", "send")

    def __init__(self) -> None:
        self.send: bytes | None = None
        self.expects: Callable[[str], bool] | None = None

    def passes(self, seen: bytes) -> bool:
        return self.expects is None or self.expects(seen.decode("latin-1"))


class StreamMatchBlocks(dict[str, StreamTests]):
    """The "match" blocks of a configuration, by name."""


class StreamHealthConf(Conf):
    checks: tuple[HealthCheck, ...] = own(())

    health_check_timeout = time(
        5, IN_STREAM, 'Limits the time that a "health_check" of a server takes.', shown="5s"
    )

    @directive(
        STREAM_SERVER,
        syntax="health_check [interval=time] [jitter=time] [fails=number] [passes=number] "
        "[mandatory [persistent]] [match=name] [port=number] [udp]",
        arity=(0, UNLIMITED),
    )
    def health_check(self, *parameters: str) -> None:
        """Checks the servers of the group that the server passes its connections to, and passes no
        connections to servers that fail.  The group must have a "zone".  Each server is checked
        every "interval" (5 seconds), delayed by up to "jitter".  A server is unhealthy after
        "fails" failed checks in a row, and healthy after "passes" passed ones; the default is 1.
        It passes if a connection can be established, with TLS if "proxy_ssl" is on, and if it
        passes the tests of "match".  With "udp", a datagram is sent: the server passes unless an
        ICMP message says that it cannot be reached, and passes the tests of "match".  With
        "mandatory", servers get no connections before their first check, except after a reload if
        they were healthy and "persistent" is set.  "port" is another port that is checked."""
        check = HealthCheck(statement=self.scope.statement)
        for parameter in parameters:
            if parameter == "udp":
                check.udp = True
            else:
                set_parameter(check, parameter, COMMON_PARSERS)
        check_persistent(check)
        self.level.shared(DeclaredChecks).append(check)
        self.checks = (*self.checks, check)

    @directive(STREAM, raw=True, syntax="match name { ... }")
    def match(self, name: str, *, entries: Iterable[Statement]) -> None:
        """Defines a test for "health_check".  "send" is a text that is sent to the server.
        "expect" is a text that the response must contain, or, after "~" or "~*" (which ignores
        case), a regular expression that must match it; at most "proxy_buffer_size" bytes are
        read.  In texts, "\\\\x" with two digits is the byte with that hexadecimal number."""
        blocks = self.level.shared(StreamMatchBlocks)
        if name in blocks:
            raise ConfError(f'duplicate match "{name}"')
        tests = blocks[name] = StreamTests()
        for entry in entries:
            with located(entry):
                _add(tests, entry.name, entry.args)


def _add(tests: StreamTests, kind: str, words: tuple[str, ...]) -> None:
    if kind not in ("send", "expect"):
        raise ConfError(f'unknown directive "{kind}"')
    if getattr(tests, "expects" if kind == "expect" else "send") is not None:
        raise ConfError(f'"{kind}" directive is duplicate')
    is_regex = kind == "expect" and len(words) == 2
    if len(words) != 1 and not is_regex:
        raise ConfError(f'invalid number of arguments in "{kind}" directive')
    if is_regex:
        if words[0] not in ("~", "~*"):
            raise ConfError(f'invalid parameter "{words[0]}"')
        tests.expects = Regex(words[1], caseless=words[0] == "~*").test
        return
    text = _HEX.sub(lambda match: chr(int(match[1], 16)), words[0])
    if kind == "send":
        tests.send = text.encode("latin-1")
    else:
        tests.expects = lambda seen: text in seen
