"""Lists of revoked values: JSON objects in files, read again when they have changed."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Mapping

from ...conf.parse import Statement
from ...http.request import Request
from ...jwt import Json, Revocation
from ...jwt.encoding import decode_json
from ...log import Severity, fault_text

LIST_SIZE = 1024 * 1024  # bytes
LOOK = 1.0  # seconds between two looks


class RevocationFile:
    """What a file revokes.  A file that becomes bad leaves in force what it held before."""

    __slots__ = ("_bad", "_found", "_identity", "_path", "_until", "in_header", "name", "statement")

    def __init__(self, path: str, in_header: bool, statement: Statement | None) -> None:
        self.name, self._path, self.in_header = path, path.encode("latin-1"), in_header
        self.statement = statement  # that names it first
        self._bad = ""  # the fault that has been logged
        self._found = Revocation(in_header, {})
        self._identity: tuple[int, int, int] | None = None
        self._until = 0.0

    @property
    def path(self) -> str:
        """The full path."""
        return self.name

    def load(self) -> str:
        """Reads the file with the configuration, and says what is wrong with it, if anything."""
        return self._read()

    def current(self, r: Request) -> Revocation:
        """What is revoked; the file is looked at not more than once in a second."""
        now = time.time()
        if not 0 <= self._until - now <= LOOK:
            self._until = now + LOOK
            failure, before = self._read(), self._bad
            self._bad = failure
            if failure and failure != before:
                text = f'revocation list "{self.name}" cannot be used: {failure}'
                r.log(Severity.ERR, f"auth_jwt: {text}; what it held before is still refused")
        return self._found

    def _read(self) -> str:
        """Reads what is new in the file, and says what is wrong with it."""
        try:
            status = os.stat(self._path)
            if not stat.S_ISREG(status.st_mode):
                raise ValueError("not a regular file")
            identity = status.st_mtime_ns, status.st_ino, status.st_size
            if identity == self._identity:
                return ""
            values = self._parse(status.st_size)
        except (OSError, ValueError) as error:
            return fault_text(error)
        self._identity = identity
        self._found = Revocation(self.in_header, values)
        return ""

    def _parse(self, size: int) -> Mapping[str, Json]:
        if not 0 < size <= LIST_SIZE:
            raise ValueError(f"not between 1 and {LIST_SIZE} bytes")
        with open(self._path, "rb") as file:
            values = decode_json(file.read(LIST_SIZE + 1))
        if not isinstance(values, dict):
            raise ValueError("not a JSON object")
        return values


class RevocationFiles:
    """The lists of a configuration: levels that have the same share it."""

    def __init__(self) -> None:
        self._files: dict[tuple[str, bool], RevocationFile] = {}

    def file(
        self, path: str, in_header: bool, statement: Statement | None = None
    ) -> RevocationFile:
        """The list in the file of this full path, as a statement names it."""
        key = (path, in_header)
        return self._files.setdefault(key, RevocationFile(path, in_header, statement))

    @property
    def files(self) -> list[RevocationFile]:
        """All of them."""
        return list(self._files.values())
