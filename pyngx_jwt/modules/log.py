"""Writes access logs."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from ..conf.block import ConfBlock
from ..conf.directive import Conf, accepted, directive, own, slot
from ..conf.parse import Statement
from ..conf.values import parse_msec, parse_number, parse_size
from ..core.logs import syslog_server
from ..errors import ConfError
from ..http.block import SessionBlock
from ..http.contexts import EVERYWHERE, HTTP, LIMIT_EXCEPT, LOCATION_IF
from ..http.engine import log_failure
from ..http.level import Level
from ..http.log_line import bind_line, bind_value, each_line, to_file
from ..http.module import Module
from ..http.request import Request
from ..http.session import Session
from ..http.template import Part, Template, TextOf, getter_of
from ..http.variables import R, VariableTable
from ..log import Buffer, OpenFile, OpenFiles, Severity, errno_text, parse_syslog
from ..stream.contexts import IN_STREAM, STREAM
from ..stream.level import StreamLevel
from ..stream.module import StreamModule
from ..stream.session import StreamSession
from .files import check_cache_words

COMBINED = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent '
    '"$http_referer" "$http_user_agent"'
)
DEFAULT_BUFFER = 65536
Write = Callable[[Any, bytes], None]


class Format(NamedTuple):
    """One log_format: its strings, which are parsed one by one, and how values are escaped
    (default, json, none)."""

    templates: tuple[Template, ...]
    escape: str = "default"


class Formats:
    """The formats of a configuration by name."""

    def __init__(self) -> None:
        self.default = "combined"
        self.by_name = {self.default: Format((Template(COMBINED),))}


class StreamFormats(Formats):
    """Those of "stream", where none is given."""

    def __init__(self) -> None:
        self.default = ""
        self.by_name = {}


def formats_of(level: ConfBlock) -> Formats:
    """The formats that can be used in a block."""
    return level.shared(StreamFormats if level.context & IN_STREAM else Formats)


class AccessLog(NamedTuple):
    """One access_log directive."""

    path: str
    format: str
    condition: Template | None = None
    buffer: Buffer | None = None
    statement: Statement | None = None


def _open_log_file_cache(name: str, *words: str) -> tuple[str, ...]:
    numbers, times = frozenset({"max", "min_uses"}), frozenset({"inactive", "valid"})
    if not check_cache_words(name, words, numbers, times):
        raise ConfError(f'"{name}" must have "max" parameter')
    return words


NO_WORDS: tuple[str, ...] = ()


class LogConf(Conf):
    open_log_file_cache = accepted(
        EVERYWHERE | IN_STREAM,
        "files with variables are opened each time",
        like=slot(NO_WORDS, _open_log_file_cache, HTTP, "", arity=(1, 4)),
    )

    logs: tuple[AccessLog, ...] | None = None
    _off = own(False)  # whatever else this level has

    @directive(
        EVERYWHERE | LOCATION_IF | LIMIT_EXCEPT | IN_STREAM, default="logs/access.log combined"
    )
    def access_log(self, path: str, *parameters: str) -> None:
        """Sets the destination and format of the access log: a file or a syslog server.  "off"
        cancels all logs of the level.  Parameters: the name of a format, "buffer=size" and
        "flush=time", "gzip[=level]", "if=condition".  Without a buffer, every request makes a
        system call.  In "stream" there is no log by default, and no default format."""
        if path == "off":
            if parameters:
                raise ConfError(f'invalid parameter "{parameters[0]}"')
            self.logs, self._off = (), True
            return
        formats = formats_of(self.level)
        name = formats.default
        if parameters:
            name, *rest = parameters
            parameters = tuple(rest)
        if not name:
            raise ConfError("log format is not specified")
        if name not in formats.by_name:
            raise ConfError(f'unknown log format "{name}"')
        log = _parse_parameters(path, name, parameters, self.scope.statement)
        if path.startswith("syslog:"):
            parse_syslog(path[7:], socket.gethostname(), syslog_server)
        elif Template(path).is_constant:  # opened even if no server is left that uses it
            file = self.scope.shared(OpenFiles).add(self.scope.full_name(path))
            if log.buffer is not None:
                file.set_buffer(log.buffer, path)
        if not self._off:
            self.logs = (*(vars(self).get("logs") or ()), log)

    @directive(HTTP | STREAM, default='combined "..."')
    def log_format(self, name: str, string: str, *strings: str) -> None:
        """Defines a log format with variables.  "escape=json" or "escape=none" changes how
        characters in the values are escaped."""
        formats = formats_of(self.level).by_name
        if name in formats:
            raise ConfError(f'duplicate "log_format" name "{name}"')
        escape = "default"
        texts = (string, *strings)
        if string.startswith("escape="):
            escape, texts = string[7:], strings
            if escape not in ("default", "json", "none"):
                raise ConfError(f'unknown log format escaping "{escape}"')
        formats[name] = Format(tuple(map(piece_of_format, texts)), escape)


log = Module("log", LogConf)


def piece_of_format(text: str) -> Template:
    """One string; log_format reads its variables itself, with an error of its own
    (ngx_http_log_compile_format)."""
    try:
        return Template(text)
    except ConfError as error:
        if error.args[0] != "invalid variable name":
            raise
        raise ConfError(f'invalid parameter "{text}"') from None


def _parse_parameters(
    path: str, name: str, parameters: tuple[str, ...], statement: Statement | None
) -> AccessLog:
    size, flush, gzip = 0, 0.0, 0
    condition = None
    for parameter in parameters:
        key, sign, value = parameter.partition("=")
        if key == "buffer" and sign:
            size = _parsed(parse_size, value, f'invalid buffer size "{value}"')
        elif key == "flush" and sign:
            flush = _parsed(parse_msec, value, f'invalid flush time "{value}"') / 1000
        elif key == "gzip":
            gzip = _parsed(parse_number, value, "") if sign else 1
            size = size or DEFAULT_BUFFER
            if not 1 <= gzip <= 9:
                raise ConfError(f'invalid compression level "{value}"')
        elif key == "if" and sign:
            condition = Template(value)
        else:
            raise ConfError(f'invalid parameter "{parameter}"')
    if flush and not size:
        raise ConfError(f'no buffer is defined for access_log "{path}"')
    if size and path.startswith("syslog:"):
        raise ConfError("logs to syslog cannot be buffered")
    if size and not Template(path).is_constant:
        raise ConfError("buffered logs cannot have variables in name")
    return AccessLog(path, name, condition, Buffer(size, flush, gzip) if size else None, statement)


def _parsed(parse: Callable[[str], int], text: str, complaint: str) -> int:
    try:
        value = parse(text)
    except ValueError:
        value = 0
    if not value:
        raise ConfError(complaint or f'invalid compression level "{text}"')
    return value


# -- lines ----------------------------------------------------------------------------------


def compile_format(format: Format, variables: VariableTable[R]) -> Callable[[R], bytes]:
    """A function that writes a session's line, with its newline."""
    parts = [part for template in format.templates for part in template.parts]
    return bind_line(parts, format.escape, variables)


def piece(part: Part, escape: str, variables: VariableTable[R]) -> TextOf[R]:
    """What one part of a format writes for a session."""
    get = getter_of(part, variables)
    if part[0]:
        return bind_value(get, escape)
    text = part[1]
    return lambda r: text


# -- where they go --------------------------------------------------------------------------


def _writer(access: AccessLog, level: SessionBlock) -> Write:
    scope = level.scope
    if access.path.startswith("syslog:"):
        peer = parse_syslog(access.path[7:], socket.gethostname(), syslog_server)

        def to_syslog(r: Session, line: bytes) -> None:
            peer.send(line[:-1])

        return to_syslog
    template = Template(scope.full_name(access.path))
    if not template.is_constant:
        return _variable_writer(template.bind(level.variables))
    file: OpenFile = scope.shared(OpenFiles).add(scope.full_name(access.path))
    if access.buffer:
        file.set_buffer(access.buffer, access.path)
    if level.context & IN_STREAM:
        return lambda s, line: file.write(line, s.server.log)
    return to_file(file)


def _variable_writer(path: Callable[[Any], str]) -> Write:
    """Opens the file for each line, if the root of a request exists."""

    def write(r: Session, line: bytes) -> None:
        if isinstance(r, Request) and not _has_root(r):
            return
        name = path(r)
        try:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            fd = os.open(name.encode("latin-1"), flags, 0o644)
        except OSError as error:
            r.log(Severity.CRIT, f'open() "{name}" failed {errno_text(error)}')
            return
        try:
            os.write(fd, line)
        finally:
            os.close(fd)

    return write


def _has_root(r: Request) -> bool:
    root = r.location.root_of(r)
    try:
        if stat.S_ISDIR(os.stat(root.encode("latin-1")).st_mode):
            return True
        raise NotADirectoryError(errno.ENOTDIR, "")
    except OSError as error:
        r.log(Severity.ERR, f'testing "{root}" existence failed {errno_text(error)}')
        return False


@log.log
def log_request(conf: LogConf, level: Level) -> Callable[[Request], None] | None:
    """Writes the request's lines to all logs of its location."""
    return level.variables.once((log_request, conf), lambda: _compile_logs(conf, level))


def _compile_logs(conf: LogConf, level: Level) -> Callable[[Request], None] | None:
    logs = conf.logs
    if logs is None:
        options = level.scope.options
        logs = (AccessLog(options.layout.http_log_path, "combined"),)
    return _all_of(logs, level)


def _all_of(logs: Iterable[AccessLog], level: SessionBlock) -> Callable[[Any], None] | None:
    writers = [_one(access, level) for access in logs]
    if not writers:
        return None

    def write(r: Session) -> None:
        for one in writers:
            try:
                one(r)
            except Exception as error:  # costs the line of that log
                log_failure(r, error)

    return writers[0] if len(writers) == 1 else write


def _one(access: AccessLog, level: SessionBlock) -> Callable[[Any], None]:
    format = formats_of(level).by_name[access.format]
    line, write = compile_format(format, level.variables), _writer(access, level)
    if access.condition is None:
        return each_line(line, write)
    condition = access.condition.bind(level.variables)

    def is_wanted(r: Session) -> bool:
        """A condition that fails must not keep a request out of the log."""
        try:
            return condition(r) not in ("", "0")
        except Exception as error:
            log_failure(r, error)
            return True

    def conditional(r: Session) -> None:
        if is_wanted(r):
            write(r, line(r))

    return conditional


stream_log = StreamModule("stream_log", LogConf)


@stream_log.log
def log_session(conf: LogConf, level: StreamLevel) -> Callable[[StreamSession], None] | None:
    """Writes the session's lines to all logs of its server."""
    return _all_of(conf.logs or (), level)
