"""Changes files with the WebDAV methods PUT, DELETE, MKCOL, COPY and MOVE."""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Awaitable

from ..conf.directive import Conf, bitmask, flag, number, slot
from ..errors import ConfError
from ..http.body import KeptBody, read_body
from ..http.contexts import EVERYWHERE
from ..http.date import parse_http_time
from ..http.level import Level
from ..http.module import Module, Phase
from ..http.request import Handler, Request, Status
from ..http.uri import escape_uri, parse_unsafe_uri
from ..log import Severity, errno_text
from .core import CoreConf

INFINITY, INVALID = -1, -2  # depths
PATH_ERRORS = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG})
SHIFTS = {"user": 6, "group": 3, "all": 0}
RIGHTS = {"rw": 6, "r": 4}
_SLASHES = re.compile(r"//+")


def _access(name: str, *words: str) -> int:
    access, has_user = 0, False
    for word in words:
        who, _, rights = word.partition(":")
        if who not in SHIFTS or rights not in RIGHTS:
            raise ConfError(f'invalid value "{word}"')
        access |= RIGHTS[rights] << SHIFTS[who]
        has_user = has_user or who == "user"
    return access if has_user else access | 0o600


class DavConf(Conf):
    dav_methods = bitmask(
        frozenset({"off"}),
        ("off", "put", "delete", "mkcol", "copy", "move"),
        EVERYWHERE,
        "Allows methods that change files. Restrict access to such locations.",
        "off",
    )
    create_full_put_path = flag(
        False, EVERYWHERE, "Creates missing directories of the path for PUT requests."
    )
    min_delete_depth = number(
        0, EVERYWHERE, "Allows DELETE only for URIs with at least this number of path elements."
    )
    dav_access = slot(
        0o600,
        _access,
        EVERYWHERE,
        "Sets the permissions of new files and directories.",
        syntax="users:permissions ...",
        shown="user:rw",
        arity=(1, 3),
    )


dav = Module("dav", DavConf)


@dav.handler(Phase.CONTENT)
def change_files(conf: DavConf, level: Level) -> Handler | None:
    methods = {name.upper() for name in conf.dav_methods - {"off"}}
    if not methods or level.location is None:
        return None
    files = DavFiles(conf, level)
    handlers = {
        "PUT": files.put,
        "DELETE": files.delete,
        "MKCOL": files.make_collection,
        "COPY": files.copy_or_move,
        "MOVE": files.copy_or_move,
    }

    def handle(r: Request) -> Awaitable[Status] | Status | None:
        return handlers[r.method](r) if r.method in methods else None

    return handle


class DavFiles:
    """The methods of a location."""

    def __init__(self, conf: DavConf, level: Level) -> None:
        assert level.location is not None
        self.conf, self.core = conf, level[CoreConf]
        self.path_of, self.alias = level.location.path_of, level[CoreConf].alias_length

    # -- PUT -----------------------------------------------------------------------------

    def put(self, r: Request) -> Awaitable[Status] | Status:
        if r.uri.endswith("/"):
            return _refused(r, 409, "cannot PUT to a collection")
        if "content-range" in r.index:
            return _refused(r, 501, "PUT with range is unsupported")
        return self._put(r)

    async def _put(self, r: Request) -> Status:
        body = await read_body(r)
        path = self.path_of(r)
        target = path.encode("latin-1")
        status = 204 if os.path.lexists(target) and os.path.exists(target) else 201
        if os.path.isdir(target):
            why = errno_text(OSError(errno.EISDIR, ""))
            return _refused(r, 409, f'"{path}" could not be created {why}')
        try:
            source = self._file_of(body)
        except OSError as error:
            r.log(Severity.CRIT, f'open() for the body of "{path}" failed {errno_text(error)}')
            return 500
        date = parse_http_time(r.first_line("date") or "")
        if not _rename(r, source, target, self.conf, date=date, creates=self._creates):
            _remove(source)
            return 500
        return _finish(r, status, has_location=status == 201)

    @property
    def _creates(self) -> bool:
        return self.conf.create_full_put_path

    def _file_of(self, body: KeptBody) -> bytes:
        """The name of a file with the body, which is the caller's; raises OSError."""
        if body.fd >= 0 and body.path:
            body.keep = True
            return body.path.encode("latin-1")
        directory = self.core.temp_directory().encode("latin-1")
        descriptor, name = tempfile.mkstemp(dir=directory)
        with open(descriptor, "wb") as file:
            for data in body.chunks():
                file.write(data)
        return name

    # -- DELETE, MKCOL -------------------------------------------------------------------

    def delete(self, r: Request) -> Status:
        if _has_body(r):
            return _refused(r, 415, "DELETE with body is unsupported")
        least = self.conf.min_delete_depth
        if least and len([part for part in _elements(r.uri) if part]) < least:
            depth = r.uri.count("/")
            return _refused(r, 409, f"insufficient URI depth:{depth} to DELETE")
        path = self.path_of(r)
        try:
            info = os.lstat(path.encode("latin-1"))
        except OSError as error:
            return _failed(r, error, 409 if error.errno == errno.ENOTDIR else 404, "lstat()", path)
        is_dir = stat.S_ISDIR(info.st_mode)
        if is_dir and not r.uri.endswith("/"):
            why = errno_text(OSError(errno.EISDIR, ""))
            return _refused(r, 409, f'DELETE "{path}" failed {why}')
        depth = _depth(r, INFINITY if is_dir else 0)
        if is_dir and depth != INFINITY:
            return _refused(r, 400, '"Depth" header must be infinity')
        if depth not in (0, INFINITY):
            return _refused(r, 400, '"Depth" header must be 0 or infinity')
        status = _delete(r, path.rstrip("/") if is_dir else path, is_dir)
        return status or _finish(r, 204)

    def make_collection(self, r: Request) -> Status:
        if _has_body(r):
            return _refused(r, 415, "MKCOL with body is unsupported")
        if not r.uri.endswith("/"):
            return _refused(r, 409, "MKCOL can create a collection only")
        path = self.path_of(r)[:-1]
        try:
            os.mkdir(path.encode("latin-1"), _dir_access(self.conf.dav_access))
        except OSError as error:
            return _failed(r, error, 409, "mkdir()", path)
        return _finish(r, 201, has_location=True)

    # -- COPY, MOVE ----------------------------------------------------------------------

    def copy_or_move(self, r: Request) -> Status:
        if _has_body(r):
            return _refused(r, 415, "COPY and MOVE with body are unsupported")
        destination = r.first_line("destination")
        if destination is None:
            return _refused(r, 400, 'client sent no "Destination" header')
        uri = self._destination(r, destination)
        if isinstance(uri, int):
            return uri
        overwrite = _overwrite(r)
        depth = _depth(r, INFINITY)
        if depth != INFINITY and not (r.method == "COPY" and depth == 0):
            allowed = "0 or infinity" if r.method == "COPY" else "infinity"
            return _refused(r, 400, f'"Depth" header must be {allowed}')
        if overwrite is None:
            sent = r.first_line("overwrite")
            return _refused(r, 400, f'client sent invalid "Overwrite" header: "{sent}"')
        source = _SLASHES.sub("/", self.path_of(r))
        own, r.uri = r.uri, uri
        target = _SLASHES.sub("/", self.path_of(r))
        r.uri = own
        return self._copy_or_move(r, source, target, destination, overwrite=overwrite)

    def _destination(self, r: Request, text: str) -> str | Status:
        """The URI that a Destination header names, or the code of the response."""
        invalid = f'client sent invalid "Destination" header: "{text}"'
        path = text
        if not text.startswith("/"):
            if not r.host:
                return _refused(r, 400, 'client sent no "Host" header')
            scheme = "https://" if r.connection.ssl else "http://"
            if not text.startswith(scheme):
                return _refused(r, 400, invalid)
            rest = text[len(scheme) :]
            if not rest.startswith(r.host):
                why = "is handled by different repository than the source URI"
                return _refused(r, 400, f'"Destination" URI "{text}" {why}')
            slash = rest.find("/", len(r.host))
            if slash < 0:
                return _refused(r, 400, invalid)
            path = rest[slash:]
        parts = parse_unsafe_uri(path)
        if parts is None:
            return _refused(r, 400, invalid)
        if r.uri.endswith("/") is not path.endswith("/"):
            both = f'both URI "{r.uri}" and "Destination" URI "{text}"'
            return _refused(r, 409, f"{both} should be either collections or non-collections")
        if self.alias > 0 and len(parts[0]) < self.alias:
            return _refused(r, 400, invalid)
        return parts[0]

    def _copy_or_move(
        self, r: Request, source: str, target: str, destination: str, *, overwrite: bool
    ) -> Status:
        slash, target = target.endswith("/"), target.removesuffix("/")
        verb = f'"{r.uri}" could not be {r.method}ed to collection "{destination}"'
        if not _apart(source.removesuffix("/"), target, slash):
            return _refused(r, 403, verb)
        try:
            existing: os.stat_result | None = os.lstat(target.encode("latin-1"))
        except OSError as error:
            if error.errno != errno.ENOENT:
                return _failed(r, error, 404, "lstat()", target)
            existing = None
        is_dir = existing is not None and stat.S_ISDIR(existing.st_mode)
        if is_dir and not slash:
            return _refused(r, 409, verb)
        if existing is not None and not overwrite:
            why = errno_text(OSError(errno.EEXIST, ""))
            return _refused(r, 412, f'"{target}" could not be created {why}')
        try:
            info = os.lstat(source.encode("latin-1"))
        except OSError as error:
            return _failed(r, error, 404, "lstat()", source)
        if not stat.S_ISDIR(info.st_mode):
            return self._file(r, source, target, info)
        if not r.uri.endswith("/"):
            return _refused(r, 400, f'"{r.uri}" is collection')
        if existing is not None and (status := _delete(r, target, is_dir)):
            return status
        return self._collection(r, source.removesuffix("/"), target)

    def _file(self, r: Request, source: str, target: str, info: os.stat_result) -> Status:
        names = source.encode("latin-1"), target.encode("latin-1")
        if r.method == "MOVE":
            done = _rename(r, *names, self.conf, keeps_access=True, creates=True)
        else:
            done = _copy(r, *names, info)
        return _finish(r, 204) if done else 500

    def _collection(self, r: Request, source: str, target: str) -> Status:
        names = source.encode("latin-1"), target.encode("latin-1")
        if r.method == "MOVE":
            try:
                os.rename(*names)
                return _finish(r, 201)
            except OSError:
                r.log(Severity.INFO, f'"{source}" cannot be renamed, it is copied')
        try:
            _copy_tree(r, *names)
        except OSError as error:
            return _failed(r, error, 404, "mkdir()", target)
        if r.method == "MOVE" and (status := _delete(r, source, True)):
            return status
        return _finish(r, 201)


def _refused(r: Request, status: Status, text: str) -> Status:
    r.log(Severity.ERR, text)
    return status


def _failed(r: Request, error: OSError, missing: Status, call: str, path: str) -> Status:
    """Logs an error; the code of the response, `missing` for paths that do not exist."""
    level, status = Severity.ERR, missing
    if error.errno in (errno.EACCES, errno.EPERM):
        status = 403
    elif error.errno == errno.EEXIST:
        status = 405
    elif error.errno not in PATH_ERRORS:
        level, status = Severity.CRIT, 507 if error.errno == errno.ENOSPC else 500
    r.log(level, f'{call} "{path}" failed {errno_text(error)}')
    return status


def _finish(r: Request, status: Status, *, has_location: bool = False) -> Status:
    """A response without a body."""
    r.status, r.content_length = status, 0 if status == 201 else -1
    if has_location:
        r.location_out = escape_uri(r.uri)
    r.header_only = True
    r.send_header()
    return r.finish()


def _has_body(r: Request) -> bool:
    return r.content_length_in > 0 or r.chunked_in


def _elements(uri: str) -> list[str]:
    """The elements of a path that count for "min_delete_depth"."""
    return uri.removesuffix("/").split("/")[1:]


def _depth(r: Request, default: int) -> int:
    text = r.first_line("depth")
    if text is None:
        return default
    depths = {"0": 0, "1": 1, "infinity": INFINITY}
    if text not in depths:
        r.log(Severity.ERR, f'client sent invalid "Depth" header: "{text}"')
    return depths.get(text, INVALID)


def _overwrite(r: Request) -> bool | None:
    """None if the Overwrite header is not valid."""
    sent = r.first_line("overwrite")
    return {None: True, "T": True, "t": True, "F": False, "f": False}.get(sent)


def _apart(source: str, target: str, slash: bool) -> bool:
    """Whether the paths are different, and none of two collections is in the other."""
    if source == target:
        return False
    inside = source.startswith(f"{target}/") or target.startswith(f"{source}/")
    return not (slash and inside)


def _dir_access(access: int) -> int:
    return access | (access & 0o444) >> 2


def _remove(name: bytes) -> None:
    try:
        os.unlink(name)
    except OSError:
        return


def _rename(
    r: Request,
    source: bytes,
    target: bytes,
    conf: DavConf,
    *,
    date: int | None = None,
    creates: bool,
    keeps_access: bool = False,
) -> bool:
    """Moves a file into its place (ngx_ext_rename_file)."""
    try:
        if not keeps_access:
            os.chmod(source, conf.dav_access)
        if date is not None:
            os.utime(source, (date, date))
        if creates:
            parent = os.path.dirname(target)
            _make_directories(parent, _dir_access(conf.dav_access))
        _move(source, target)
    except OSError as error:
        name = source.decode("latin-1"), target.decode("latin-1")
        r.log(Severity.CRIT, f'rename() "{name[0]}" to "{name[1]}" failed {errno_text(error)}')
        return False
    return True


def _make_directories(path: bytes, access: int) -> None:
    if path and not os.path.isdir(path):
        _make_directories(os.path.dirname(path), access)
        os.mkdir(path, access)


def _move(source: bytes, target: bytes) -> None:
    """Replaces the target at once, also from another file system."""
    try:
        os.rename(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        near = target + b".%010d" % os.getpid()
        shutil.copy2(source, near)
        os.rename(near, target)
        os.unlink(source)


def _copy(r: Request, source: bytes, target: bytes, info: os.stat_result) -> bool:
    try:
        shutil.copyfile(source, target)
        os.chmod(target, stat.S_IMODE(info.st_mode))
        os.utime(target, (info.st_mtime, info.st_mtime))
    except OSError as error:
        name = source.decode("latin-1")
        r.log(Severity.CRIT, f'copying "{name}" failed {errno_text(error)}')
        return False
    return True


def _copy_tree(r: Request, source: bytes, target: bytes) -> None:
    """Copies a directory; raises OSError if the new one cannot be made."""
    info = os.stat(source)
    os.mkdir(target, stat.S_IMODE(info.st_mode))
    with os.scandir(source) as items:
        for item in items:
            name = os.path.join(target, item.name)
            if item.is_dir():
                _copy_tree(r, item.path, name)
            elif item.is_file():
                _copy(r, item.path, name, item.stat())
    os.utime(target, (info.st_mtime, info.st_mtime))


def _delete(r: Request, path: str, is_dir: bool) -> Status:
    """Deletes a file, or a directory with its contents; 0 if that is done."""
    name = path.encode("latin-1")
    if not is_dir:
        try:
            os.unlink(name)
        except OSError as error:
            return _failed(r, error, 404, "unlink()", path)
        return 0
    try:
        _delete_contents(r, name)
        os.rmdir(name)
    except OSError as error:
        return _failed(r, error, 404, "rmdir()", path)
    return 0


def _delete_contents(r: Request, name: bytes) -> None:
    with os.scandir(name) as items:
        for item in items:
            path = os.fsdecode(item.path)
            try:
                if item.is_dir(follow_symlinks=False):
                    _delete_contents(r, item.path)
                    os.rmdir(item.path)
                else:
                    os.unlink(item.path)
            except OSError as error:
                _failed(r, error, 404, "unlink()", path)
