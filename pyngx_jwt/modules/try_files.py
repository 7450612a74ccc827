"""Uses the first file of a list that exists."""

from __future__ import annotations

import errno
import stat
from typing import NamedTuple

from ..conf.directive import UNLIMITED, Conf, directive, own
from ..conf.values import parse_number
from ..errors import ConfError
from ..http.contexts import LOCATION, SERVER
from ..http.files import FileAccess
from ..http.level import Level
from ..http.module import Module, Phase
from ..http.request import Handler, Request, Status
from ..http.template import Template, Text
from ..log import Severity, errno_text
from .core import CoreConf
from .files import bind_files

MISSING = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG})


class Candidate(NamedTuple):
    """One name; `is_dir` was written as a slash at its end."""

    name: Template
    is_dir: bool


class TryFilesConf(Conf):
    """Nothing of it is inherited, not even by an "if" inside the location."""

    candidates: tuple[Candidate, ...] = own(())
    fallback = own(Template(""))
    code = own(0)

    @directive(
        SERVER | LOCATION,
        syntax="try_files file ... uri | try_files file ... =code",
        arity=(2, UNLIMITED),
    )
    def try_files(self, file: str, *files: str) -> None:
        """Checks files, or directories if the name ends with a slash, in this order and uses the
        first that exists.  If none exists, redirects internally to the last parameter, a URI or a
        named location, or returns its code.  The target has its own access checks."""
        if self.candidates:
            raise ConfError('"try_files" directive is duplicate')
        *names, last = file, *files
        self.candidates = tuple(
            Candidate(Template(name.removesuffix("/")), name.endswith("/")) for name in names
        )
        self.fallback, self.code = Template(last), _code(last)


def _code(text: str) -> int:
    if not text.startswith("="):
        return 0
    try:
        code = parse_number(text[1:])
    except ValueError:
        code = 1000
    if code > 999:
        raise ConfError(f'invalid code "{text}"')
    return code


try_files = Module("try_files", TryFilesConf)


@try_files.handler(Phase.PRECONTENT)
def find_file(conf: TryFilesConf, level: Level) -> Handler | None:
    if not conf.candidates:
        return None
    names, files = CandidateNames(level), bind_files(level)
    tests = [(names.bind(c.name, level), c.is_dir) for c in conf.candidates]
    fallback, code = names.bind(conf.fallback, level), conf.code

    def handle(r: Request) -> Status | None:
        root = names.root(r)
        for name, is_dir in tests:
            text = name(r)
            if _exists(r, files, root + text, is_dir):
                names.use(r, text, is_dir)
                return None
        if code:
            return code
        target = fallback(r)
        if target.startswith("@"):
            return r.go_named(target)
        uri, _, args = target.partition("?")
        return r.redirect(uri, args)

    return handle


def _exists(r: Request, files: FileAccess, path: str, is_dir: bool) -> bool:
    try:
        return stat.S_ISDIR(files.stat(r, path).st_mode) is is_dir
    except OSError as error:
        if error.errno not in MISSING:
            r.log(Severity.CRIT, f'{files.stat_call} "{path}" failed {errno_text(error)}')
        return False


class CandidateNames:
    """Where names lead to: below the root, or, with an alias, without the location's name."""

    def __init__(self, level: Level) -> None:
        assert level.location is not None
        self.path_of, self.alias = level.location.path_of, level[CoreConf].alias_length

    def bind(self, name: Template, level: Level) -> Text:
        """The text of a name; with variables it loses what the alias stands for."""
        text, alias = name.bind(level.variables), self.alias
        if alias <= 0 or name.is_constant:
            return text

        def stripped(r: Request) -> str:
            name = text(r)
            return name[alias:] if name.startswith(r.uri[:alias]) else name

        return stripped

    def root(self, r: Request) -> str:
        """The path of the request without the part that is its URI."""
        path = self.path_of(r)
        below = 0 if self.alias < 0 else len(r.uri) - self.alias
        return path[: len(path) - below] if below > 0 else path

    def use(self, r: Request, text: str, is_dir: bool) -> None:
        """Makes the file that exists the one of the request."""
        if self.alias > 0:
            r.uri = r.uri[: self.alias] + text
        elif not self.alias:
            r.uri = text
        elif not is_dir:
            r.uri, r.add_uri_to_alias = text, True
