"""Whether the workers can read the files that the master has read as root.

They look at them every second: of a file that only root can read they would never see a change.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager

from ...conf.parse import Statement
from ...conf.scope import Scope
from ...core.module import User
from ...errors import ConfError
from ...log import errno_text
from .dialect import dialect_of
from .key_file import KeyFile
from .revocation import RevocationFile, RevocationFiles
from .settings import jwt_settings
from .sources import Sources


@jwt_settings.check_user
def check_readable(scope: Scope, user: User) -> None:
    """Raises ConfError of the first file that the user cannot read, or warns of all of them,
    as far as this process may act as that user.

    Modules that do not read key files with each request read them with the configuration, so that
    files of root alone are usual, and changes wait for a reload."""
    for text, statement in _unreadable(scope, user, by_themselves=False):
        scope.statement = statement
        if dialect_of(scope).rereads_keys:
            place = (statement.file, statement.line) if statement is not None else ("", 0)
            raise ConfError(text).at(*place)
        scope.warn(f"{text}, changes are seen by a reload only")


def warn_of_unreadable(scope: Scope, user: User) -> None:
    """Warns of files that the user cannot read.  The configuration may be a copy in a directory
    of another user: so only of files whose directory the user can search."""
    for text, statement in _unreadable(scope, user, by_themselves=True):
        scope.statement = statement
        scope.warn(text)


def _unreadable(
    scope: Scope, user: User, *, by_themselves: bool
) -> list[tuple[str, Statement | None]]:
    """What is wrong, and the statements that name the files."""
    files: list[KeyFile | RevocationFile] = [
        *scope.shared(Sources).usable_files,
        *scope.shared(RevocationFiles).files,
    ]
    unreadable: list[tuple[str, Statement | None]] = []
    name = _name_of(user)
    with _acting_as(user) as acting:
        for file in files if acting else ():
            path = file.path.encode("latin-1")
            try:
                os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
            except OSError as error:
                if by_themselves and not os.access(
                    os.path.dirname(path), os.X_OK, effective_ids=True
                ):
                    continue
                what = f"cannot be read by the user of the workers, {name} {errno_text(error)}"
                unreadable.append((f'auth_jwt: "{file.path}" {what}', file.statement))
    return unreadable


@contextmanager
def _acting_as(user: User) -> Iterator[bool]:
    """Whether it is so: in a container root may lack the right to."""
    uid, gid = user
    own_uid, own_gid, own_groups = os.geteuid(), os.getegid(), os.getgroups()
    try:
        os.setgroups(_groups_of(user))
        os.setegid(gid)
        os.seteuid(uid)
        acting = True
    except PermissionError:
        acting = False
    try:
        yield acting
    finally:
        if os.geteuid() != own_uid:
            os.seteuid(own_uid)
        if os.getegid() != own_gid:
            os.setegid(own_gid)
        if own_uid == 0 and os.getgroups() != own_groups:
            os.setgroups(own_groups)


def _groups_of(user: User) -> list[int]:
    """As initgroups(3), with which workers begin."""
    uid, gid = user
    try:
        return os.getgrouplist(pwd.getpwuid(uid).pw_name, gid)
    except KeyError:
        return [gid]


def _name_of(user: User) -> str:
    try:
        return f'"{pwd.getpwuid(user[0]).pw_name}"'
    except KeyError:
        return str(user[0])
