"""Whether the workers can read the files that the master has read as root.

They look at them every second: of a file that only root can read they would never see a change.
"""

from __future__ import annotations

import os

from ...conf.parse import Statement
from ...conf.scope import Scope
from ...core.module import User
from ...core.user import acting_as, name_of
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
    name = name_of(user)
    with acting_as(user) as acting:
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
