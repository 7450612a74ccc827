"""Processes requests that end with a slash: lists the directory."""

from __future__ import annotations

import os
import re
import stat
import time
from typing import NamedTuple

from ..conf.directive import Conf, enum, flag
from ..http.contexts import EVERYWHERE
from ..http.date import http_date
from ..http.escape import escape_html, escape_json
from ..http.level import Level
from ..http.module import Module, Phase
from ..http.request import Handler, Request, Status
from ..http.uri import escape_uri_component
from ..log import Severity
from .files import opendir_failed

METHODS = frozenset({"GET", "HEAD"})
WIDTH = 50  # characters of a name that are shown
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
TYPES = {"json": "application/json", "jsonp": "application/javascript", "xml": "text/xml"}
_CALLBACK = re.compile(r"[A-Za-z0-9_.]*")
_UNITS = ((1 << 30, (1 << 30) - 1, "G"), (1 << 20, (1 << 20) - 1, "M"), (1 << 10, 9999, "K"))


class DirectoryEntry(NamedTuple):
    """A file of the listing; `time` is that of its last modification."""

    name: str
    kind: str  # "directory", "file" or "other"
    size: int
    time: int

    @property
    def is_dir(self) -> bool:
        return self.kind == "directory"


class AutoindexConf(Conf):
    autoindex = flag(False, EVERYWHERE, "Lists the directory if it has no index file.")
    autoindex_exact_size = flag(
        True, EVERYWHERE, "Shows exact sizes in HTML listings; if off, rounded ones."
    )
    autoindex_format = enum(
        "html", ("html", "json", "jsonp", "xml"), EVERYWHERE, "Sets the format of listings."
    )
    autoindex_localtime = flag(
        False, EVERYWHERE, "Shows times in HTML listings in the local time zone; if off, in UTC."
    )


autoindex = Module("autoindex", AutoindexConf)


@autoindex.handler(Phase.CONTENT)
def list_directory(conf: AutoindexConf, level: Level) -> Handler | None:
    if not conf.autoindex or level.location is None:
        return None
    path_of, callback_of = level.location.path_of, level.variables.resolve("arg_callback")

    def handle(r: Request) -> Status | None:
        if not r.uri.endswith("/") or r.method not in METHODS:
            return None
        callback = ""
        if conf.autoindex_format == "jsonp":
            callback = callback_of(r) or ""
            if not _is_name(r, callback):
                return 400
        path = path_of(r)
        path = path[:-1] if len(path) > 1 else path
        try:
            entries = read_directory(path.encode("latin-1"))
        except OSError as error:
            return opendir_failed(r, path, error)
        return _send(r, conf, entries, callback)

    return handle


def _is_name(r: Request, callback: str) -> bool:
    if len(callback) > 128:
        r.log(Severity.INFO, f'client sent too long callback name: "{callback}"')
        return False
    if not _CALLBACK.fullmatch(callback):
        r.log(Severity.INFO, f'client sent invalid callback name: "{callback}"')
        return False
    return True


def read_directory(path: bytes) -> list[DirectoryEntry]:
    """The entries that are not hidden, directories first; raises OSError."""
    entries = []
    with os.scandir(path) as items:
        for item in items:
            if item.name.startswith(b"."):
                continue
            try:
                info = item.stat()
            except PermissionError:
                continue
            except OSError:  # a link that leads nowhere
                info = item.stat(follow_symlinks=False)
            name = item.name.decode("latin-1")
            entries.append(
                DirectoryEntry(name, _kind(info), info.st_size, int(info[stat.ST_MTIME]))
            )
    return sorted(entries, key=lambda entry: (not entry.is_dir, entry.name))


def _kind(info: os.stat_result) -> str:
    if stat.S_ISDIR(info.st_mode):
        return "directory"
    return "file" if stat.S_ISREG(info.st_mode) else "other"


def _send(r: Request, conf: AutoindexConf, entries: list[DirectoryEntry], callback: str) -> Status:
    how = conf.autoindex_format
    if how == "jsonp" and not callback:
        how = "json"
    r.status, r.content_type = 200, TYPES.get(how, "text/html")
    if how == "xml":
        r.charset = "utf-8"
    r.send_header()
    if r.header_only:
        return r.finish()
    if how == "xml":
        text = as_xml(entries)
    elif how == "html":
        text = as_html(r, conf, entries)
    else:
        text = as_json(entries)
        text = f"/* callback */\r\n{callback}({text});" if callback else text
    r.write(text.encode("latin-1"))
    return r.finish()


# -- formats --------------------------------------------------------------------------------


def as_html(r: Request, conf: AutoindexConf, entries: list[DirectoryEntry]) -> str:
    title = escape_html(r.uri)
    utf8 = r.charset.lower() == "utf-8"
    offset = time.localtime().tm_gmtoff if conf.autoindex_localtime else 0
    lines = [
        f"{_link(entry, utf8)} {_html_time(entry.time + offset)} "
        f"{_html_size(entry, conf.autoindex_exact_size)}\r\n"
        for entry in entries
    ]
    return (
        f"<html>\r\n<head><title>Index of {title}</title></head>\r\n<body>\r\n"
        f'<h1>Index of {title}</h1><hr><pre><a href="../">../</a>\r\n{"".join(lines)}'
        "</pre><hr></body>\r\n</html>\r\n"
    )


def _link(entry: DirectoryEntry, utf8: bool) -> str:
    slash = "/" if entry.is_dir else ""
    name = _characters(entry.name) if utf8 else entry.name
    if len(name) > WIDTH:
        shown, rest = name[: WIDTH - 3], ".&gt;"
        label = f"{escape_html(_bytes(shown, utf8))}.{rest}</a>"
    else:
        mark = slash if len(name) < WIDTH else ""
        padding = " " * (WIDTH - len(name) - len(mark))
        label = f"{escape_html(entry.name)}{mark}</a>{padding}"
    return f'<a href="{escape_uri_component(entry.name)}{slash}">{label}'


def _characters(name: str) -> str:
    """The characters of a name whose bytes are UTF-8, else its bytes."""
    try:
        return name.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return name


def _bytes(text: str, utf8: bool) -> str:
    return text.encode("utf-8").decode("latin-1") if utf8 else text


def _html_time(moment: int) -> str:
    at = time.gmtime(moment)
    date = f"{at.tm_mday:02}-{MONTHS[at.tm_mon - 1]}-{at.tm_year}"
    return f"{date} {at.tm_hour:02}:{at.tm_min:02}"


def _html_size(entry: DirectoryEntry, exact: bool) -> str:
    if entry.is_dir:
        return "-".rjust(19 if exact else 7)
    if exact:
        return f"{entry.size:19}"
    for unit, least, letter in _UNITS:
        if entry.size > least:
            return f"{(entry.size + unit // 2) // unit:6}{letter}"
    return f" {entry.size:6}"


def as_json(entries: list[DirectoryEntry]) -> str:
    items = []
    for entry in entries:
        size = f', "size":{entry.size}' if entry.kind == "file" else ""
        items.append(
            f'\r\n{{ "name":"{escape_json(entry.name)}", "type":"{entry.kind}", '
            f'"mtime":"{http_date(entry.time)}"{size} }}'
        )
    return f"[{','.join(items)}\r\n]"


def as_xml(entries: list[DirectoryEntry]) -> str:
    items = []
    for entry in entries:
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(entry.time))
        size = f' size="{entry.size}"' if entry.kind == "file" else ""
        name = escape_html(entry.name)
        items.append(f'<{entry.kind} mtime="{moment}"{size}>{name}</{entry.kind}>\r\n')
    return f'<?xml version="1.0"?>\r\n<list>\r\n{"".join(items)}</list>\r\n'
