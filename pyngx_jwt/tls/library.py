"""OpenSSL's shared library, the one that Python's own ``ssl`` uses where there is one.

Nothing is loaded before it is needed: a configuration without TLS does not pay for it.  A wheel has
the calls compiled (setup.py), at a third of what it costs to make them from the declarations; the
library that they go to is found in the same way.
"""

from __future__ import annotations

import ctypes.util
import os
import sys
from functools import cached_property
from typing import Any

from ..errors import ConfError
from .declarations import FUNCTIONS

OLDEST = 0x30000000  # version 3.0
SIZE = 32768  # bytes of the buffer below: a record and what TLS adds to it fit in


class OpenSsl:
    """The functions of the library as attributes; raises ConfError where it is missing."""

    @cached_property
    def calls(self) -> Any:
        """The module that is compiled from the declarations, None in a checkout."""
        try:
            from . import _calls  # type: ignore[attr-defined]
        except ImportError:
            return None
        return _calls

    @cached_property
    def ffi(self) -> Any:
        if self.calls is not None:
            return self.calls.ffi
        from cffi import FFI

        ffi = FFI()
        ffi.cdef(FUNCTIONS)
        return ffi

    @cached_property
    def functions(self) -> Any:
        for name in _candidates():
            try:
                functions = self._open(name)
                if functions.SSL_new and functions.OpenSSL_version_num() >= OLDEST:
                    return functions
            except (OSError, AttributeError):
                continue
        raise ConfError("TLS needs the shared library of OpenSSL 3.0 or newer").nowhere()

    def _open(self, name: str | None) -> Any:
        if self.calls is None:
            return self.ffi.dlopen(name)
        return _Compiled(self.calls.lib, name)

    @cached_property
    def show(self) -> Any:
        """Lets a BUF_MEM show bytes, which the caller keeps."""
        return self._show if self.calls is None else self.calls.lib.pyngx_show

    def _show(self, window: Any, data: bytes, length: int) -> None:
        window.data, window.length = self.ffi.from_buffer(data), length

    @cached_property
    def buffer(self) -> Any:
        """Memory for what is read from the library and copied at once."""
        return self.ffi.new("char[]", SIZE)

    @cached_property
    def view(self) -> Any:
        """The same memory; a slice of it is bytes."""
        return self.ffi.buffer(self.buffer)

    def has(self, name: str) -> bool:
        """Whether this version has a function."""
        return hasattr(self.functions, name)

    def __getattr__(self, name: str) -> Any:
        function = getattr(self.functions, name)
        setattr(self, name, function)  # the next look finds it without us
        return function


class _Compiled:
    """Compiled calls of a library's functions; one that it has not is an AttributeError."""

    def __init__(self, calls: Any, name: str | None) -> None:
        self._calls = calls
        if not calls.pyngx_open(b"" if name is None else os.fsencode(name), OLDEST):
            raise OSError

    def __getattr__(self, name: str) -> Any:
        if not self._calls.pyngx_has(name.encode()):
            raise AttributeError(name)
        return getattr(self._calls, name)


def _candidates() -> list[str | None]:
    """Names of libraries; a handle of Python's module finds what it is linked to."""
    import _ssl

    found = ctypes.util.find_library("ssl")
    own = getattr(_ssl, "__file__", None)  # none where it is part of the interpreter
    return [own, *([None] if sys.platform != "win32" else []), *([found] if found else [])]


openssl = OpenSsl()
