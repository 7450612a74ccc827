"""Sets and clears headers of requests.

The directives are those of openresty/headers-more-nginx-module.
"""

from __future__ import annotations

from collections.abc import Callable

from ...conf.directive import directive
from ...conf.values import parse_number
from ...http.level import Level
from ...http.module import Module, Phase
from ...http.request import Handler, Request, Status
from ...http.variables import Variables
from ...http1.host import validate_host
from .commands import HERE, CommandsConf, HeaderChange


class InputHeadersConf(CommandsConf):
    @directive(HERE, syntax="more_set_input_headers [-r] [-t types] 'name: value' ...")
    def more_set_input_headers(self, header: str, *more: str) -> None:
        """Sets headers of the request, at the end of the rewrite phase: access checks such as
        "auth_jwt", and upstreams, get the new values.  "-r" replaces headers only if they exist;
        "-t" limits the directive to requests with these MIME types."""
        self.add("more_set_input_headers", (header, *more), "tr")

    @directive(HERE, syntax="more_clear_input_headers [-t types] name ...")
    def more_clear_input_headers(self, header: str, *more: str) -> None:
        """Removes headers of the request, at the end of the rewrite phase.  A name that ends with
        "*" stands for all names with the prefix."""
        self.add("more_clear_input_headers", (header, *more), "tr", clear=True)


headers_more_input = Module("headers_more_input", InputHeadersConf)


@headers_more_input.handler(Phase.REWRITE)
def change_request(conf: InputHeadersConf, level: Level) -> Handler | None:
    if not conf.commands or level.location is None:
        return None
    bound = [
        (command, [_input_change(h, command.replace, level.variables) for h in command.headers])
        for command in conf.commands
    ]

    def handle(r: Request) -> Status | None:
        if r.http_version < 1000:
            return None
        for command, changes in bound:
            if command.types and r.first_line("content-type") not in command.types:
                continue
            for change in changes:
                if not change(r):
                    return 500
        return None

    return handle


def _input_change(
    header: HeaderChange, replace: bool, variables: Variables
) -> Callable[[Request], bool]:
    value, key, matches = header.value.bind(variables), header.key, header.pattern

    def change_input(r: Request) -> bool:
        """False if the value is not valid."""
        text = value(r)
        if not text:
            return _remove(r, matches)
        return (replace and key not in r.index) or _set(r, header.name, text)

    return change_input


def set_request_header(r: Request, name: str, values: list[str]) -> bool:
    """Replaces a header of the request by one for each value, or removes it; False if a value is
    not valid."""
    key = name.lower()
    if not values or values == [""]:
        return _remove(r, lambda other: other == key)
    if not _set(r, name, values[0]):
        return False
    if len(values) > 1:
        r.headers_in = [*r.headers_in, *((name, value) for value in values[1:])]
        joint = "; " if key == "cookie" else ", "
        r.index = {**r.index, key: joint.join(values)}
    return True


def _remove(r: Request, matches: Callable[[str], bool]) -> bool:
    removed = [key for key in r.index if matches(key)]
    if removed:
        r.headers_in = [(name, value) for name, value in r.headers_in if not matches(name.lower())]
        r.index = {key: value for key, value in r.index.items() if not matches(key)}
    return all(_note(r, key, "") for key in removed)


def _set(r: Request, name: str, text: str) -> bool:
    """Gives the first header of that name the value and removes the others."""
    key, headers, pending = name.lower(), [], True
    for other, value in r.headers_in:
        if other.lower() != key:
            headers.append((other, value))
        elif pending:
            headers.append((other, text))
            pending = False
    if pending:
        headers.append((name, text))
    r.headers_in, r.index = headers, {**r.index, key: text}
    return _note(r, key, text)


def _note(r: Request, key: str, text: str) -> bool:
    """Keeps what a request knows of a header up to date; False if it is not valid."""
    if key == "host":
        host = validate_host(text) if text else ("", 0)
        if host is None:
            return False
        r.host = host[0]
    elif key == "content-length":
        try:
            r.content_length_in = parse_number(text) if text else -1
        except ValueError:
            return False
    elif key == "connection" and "close" in text.lower():
        r.keep_alive = False
    return True
