"""Opens files for locations; part of nginx's core module."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from typing import NamedTuple

from ..conf.directive import Conf, directive, flag, number, seconds
from ..conf.scope import Scope
from ..conf.values import parse_number, parse_sec
from ..errors import ConfError
from ..http.contexts import EVERYWHERE
from ..http.files import FORBIDDEN, MISSING, FileAccess, Symlinks, files_of
from ..http.level import Level
from ..http.module import Module
from ..http.open_files import Keeping, OpenFiles, kept_open
from ..http.request import Request, Status
from ..http.template import Template
from ..log import Severity, errno_text

CACHE_WORDS = frozenset({"max"}), frozenset({"inactive"})


class OpenFileCaches(list[OpenFiles]):
    """All of a configuration, whose files are closed with it."""


class FilesConf(Conf):
    kept_open: OpenFiles | None = None
    symlinks = Symlinks.ALLOWED
    symlinks_from: Template | None = None

    @directive(EVERYWHERE, default="off", syntax="{name} off | max=number [inactive=time]")
    def open_file_cache(self, word: str, other: str = "") -> None:
        """Keeps the files that were used last open, at most "max" in each worker, until they have
        not been used for "inactive" (60s).  Files that are replaced or removed are noticed after
        "open_file_cache_valid"."""
        self.once("kept_open", "open_file_cache")
        words = (word, other) if other else (word,)
        if not check_cache_words("open_file_cache", words, *CACHE_WORDS):
            raise ConfError('"open_file_cache" must have the "max" parameter')
        values = dict(each.split("=", 1) for each in words if each != "off")
        self.kept_open = None
        if "off" not in words:
            inactive = parse_sec(values.get("inactive", "60s"))
            self.kept_open = OpenFiles(parse_number(values["max"]), inactive)
            self.scope.shared(OpenFileCaches).append(self.kept_open)

    open_file_cache_errors = flag(
        False,
        EVERYWHERE,
        'Remembers that files are missing or cannot be opened, for "open_file_cache_valid".',
    )
    open_file_cache_min_uses = number(
        1,
        EVERYWHERE,
        "Sets how often a file must be used before it is kept open. The uses count while it is "
        'among the files of "open_file_cache".',
    )
    open_file_cache_valid = seconds(
        60,
        EVERYWHERE,
        'Sets the time after which a file of "open_file_cache" is opened again.',
        shown="60s",
    )

    @directive(
        EVERYWHERE, default="off", syntax="disable_symlinks off | on | if_not_owner [from=part]"
    )
    def disable_symlinks(self, mode: str, part: str = "") -> None:
        """Refuses to open files through symbolic links: with "on" through any, with "if_not_owner"
        through those that belong to a different user than their target.  With "from=", only the
        rest of the path after that part is checked."""
        if "symlinks" in vars(self):
            raise ConfError('"disable_symlinks" directive is duplicate')
        modes = [word for word in (mode, part) if word in {kind.value for kind in Symlinks}]
        sources = [word for word in (mode, part) if word.startswith("from=")]
        for word in filter(None, (mode, part)):
            if word not in modes and word not in sources:
                raise ConfError(f'invalid parameter "{word}"')
        if not modes:
            raise ConfError('"disable_symlinks" must have "off", "on" or "if_not_owner" parameter')
        if part and not sources:
            raise ConfError(f'duplicate parameters "{mode} {part}"')
        if sources and modes[0] == "off":
            raise ConfError('"from=" cannot be used with "off" parameter')
        self.symlinks = Symlinks(modes[0])
        self.symlinks_from = Template(sources[0][5:]) if sources else None


files = Module("files", FilesConf)


def bind_files(level: Level) -> FileAccess:
    """How requests of a level open files."""
    conf = level[FilesConf]
    symlinks, kept = conf.symlinks, conf.kept_open
    source = conf.symlinks_from.bind(level.variables) if conf.symlinks_from else None
    access = files_of(symlinks, source)
    if kept is None:
        return access
    keeping = Keeping(
        conf.open_file_cache_valid, conf.open_file_cache_min_uses, conf.open_file_cache_errors
    )
    return kept_open(access, kept, keeping, lambda r: (symlinks, source(r) if source else ""))


@files.process_exits
def close_files(scope: Scope) -> None:
    for kept in scope.shared(OpenFileCaches):
        kept.close()


def open_failed(
    r: Request, path: str, error: OSError, files: FileAccess, log_not_found: bool
) -> Status:
    """Logs why a file cannot be opened; returns the code of the response."""
    level, status = Severity.CRIT, 500
    if error.errno in MISSING:
        level, status = Severity.ERR, 404
    elif error.errno in FORBIDDEN:
        level, status = Severity.ERR, 403
    if status != 404 or log_not_found:
        r.log(level, f'{files.open_call} "{path}" failed {errno_text(error)}')
    return status


class OpenedFile(NamedTuple):
    """The file that a request is for."""

    path: str
    fd: int
    info: os.stat_result


def bind_media(
    path_of: Callable[[Request], str], files: FileAccess, log_not_found: bool
) -> Callable[[Request], OpenedFile | Status | None]:
    """A function that opens the file of a request for a handler that sends parts of it; what is
    not a file is left to other handlers."""

    def open_file(r: Request) -> OpenedFile | Status | None:
        if r.method not in ("GET", "HEAD"):
            return 405
        if r.uri.endswith("/"):
            return None
        path = path_of(r)
        try:
            fd = files.open(r, path)
        except OSError as error:
            return open_failed(r, path, error, files, log_not_found)
        info = os.fstat(fd)
        if stat.S_ISREG(info.st_mode):
            return OpenedFile(path, fd, info)
        os.close(fd)
        return None

    return open_file


def opendir_failed(r: Request, path: str, error: OSError) -> Status:
    """Logs why a directory cannot be read; returns the code of the response."""
    level, status = Severity.CRIT, 500
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
        level, status = Severity.ERR, 404
    elif error.errno == errno.EACCES:
        level, status = Severity.ERR, 403
    r.log(level, f'opendir() "{path}" failed {errno_text(error)}')
    return status


def check_cache_words(
    name: str, words: tuple[str, ...], numbers: frozenset[str], times: frozenset[str]
) -> bool:
    """Checks the parameters of a cache of open files; False if "max" is missing."""
    most = 0
    for word in words:
        key, _, value = word.partition("=")
        try:
            if key in numbers:
                count = parse_number(value)
                most = count if key == "max" else most
            elif key in times:
                parse_sec(value)
            elif word != "off":
                raise ValueError
        except ValueError:
            raise ConfError(f'invalid "{name}" parameter "{word}"') from None
    return bool(most) or "off" in words
