"""Processes requests that end with a slash: looks for index files."""

from __future__ import annotations

import errno
import stat

from ..conf.directive import Conf, directive
from ..errors import ConfError
from ..http.contexts import EVERYWHERE
from ..http.files import FileAccess
from ..http.level import Level
from ..http.module import Module, Phase
from ..http.request import Handler, Request, Status
from ..http.template import Template
from ..log import Severity, errno_text
from .core import CoreConf
from .files import bind_files

METHODS = frozenset({"GET", "HEAD", "POST"})
LINKS = frozenset({errno.EMLINK, errno.ELOOP})
UNREADABLE = frozenset({errno.ENOTDIR, errno.ENAMETOOLONG, errno.EACCES})


class IndexConf(Conf):
    names: tuple[Template, ...] = (Template("index.html"),)

    @directive(EVERYWHERE, default="index.html", syntax="index file ...")
    def index(self, file: str, *files: str) -> None:
        """Sets the files that are tried, in this order, for requests that end with a slash.  The
        last one can be an absolute URI.  A file that exists causes an internal redirect, which may
        select another location."""
        words = (file, *files)
        for word in words:
            if word.startswith("/") and word is not words[-1]:
                self.scope.warn('only the last index in "index" directive should be absolute')
            if not word:
                raise ConfError(f'index "{word}" in "index" directive is invalid')
        self.names = (*vars(self).get("names", ()), *map(Template, words))


index = Module("index", IndexConf)


@index.handler(Phase.CONTENT)
def find_index(conf: IndexConf, level: Level) -> Handler:
    names = [name.bind(level.variables) for name in conf.names]
    location, errors = level.location, IndexErrors(level)
    assert location is not None
    path_of = location.path_of

    def handle(r: Request) -> Status | None:
        if not r.uri.endswith("/") or r.method not in METHODS:
            return None
        path, tested = path_of(r), False
        for text in names:
            name = text(r)
            if name.startswith("/"):
                return r.redirect(name, r.args)
            try:
                errors.files.stat(r, path + name)
            except OSError as error:
                rc = errors.missing(r, path, name, error, tested)
                if rc is not None:
                    return rc
                tested = True
            else:
                return r.redirect(r.uri + name, r.args)
        return None

    return handle


class IndexErrors:
    """Responses to errors of an index file."""

    def __init__(self, level: Level) -> None:
        self.files: FileAccess = bind_files(level)
        self.log_not_found = level[CoreConf].log_not_found

    def missing(
        self, r: Request, path: str, name: str, error: OSError, tested: bool
    ) -> Status | None:
        """None if the next file may be tried."""
        full = path + name
        if error.errno in LINKS:
            return 403
        if error.errno in UNREADABLE:
            return self._error(r, full, error)
        if not tested:
            rc = self._test(r, path, full)
            if rc is not None:
                return rc
        if error.errno == errno.ENOENT:
            return None
        r.log(Severity.CRIT, f'{self.files.stat_call} "{full}" failed {errno_text(error)}')
        return 500

    def _test(self, r: Request, path: str, full: str) -> Status | None:
        """None if the directory is there (ngx_http_index_test_dir)."""
        directory = path[:-1] if path.endswith("/") and len(path) > 1 else path
        try:
            info = self.files.stat(r, directory)
        except OSError as error:
            if error.errno in LINKS:
                return 403
            if error.errno == errno.ENOENT:
                return self._error(r, full, error)
            if error.errno == errno.EACCES:
                return None
            r.log(Severity.CRIT, f'{self.files.stat_call} "{directory}" failed {errno_text(error)}')
            return 500
        if stat.S_ISDIR(info.st_mode):
            return None
        r.log(Severity.ALERT, f'"{full}" is not a directory')
        return 500

    def _error(self, r: Request, full: str, error: OSError) -> Status:
        if error.errno == errno.EACCES:
            r.log(Severity.ERR, f'"{full}" is forbidden {errno_text(error)}')
            return 403
        if self.log_not_found:
            r.log(Severity.ERR, f'"{full}" is not found {errno_text(error)}')
        return 404
