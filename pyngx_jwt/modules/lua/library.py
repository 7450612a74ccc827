"""LuaJIT, from the package lupa, and the OpenSSL that Lua libraries call by their FFI.

Only this file knows lupa.
"""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
from functools import cache
from importlib import import_module
from typing import Any

from ...extras import LUA, check

OPENSSL = ("libcrypto.so.3", "libssl.so.3")


def check_installed(directive: str) -> None:
    """Raises ConfError if Lua cannot be run."""
    check(f'the "{directive}" directive', LUA)


@cache
def luajit() -> Any:
    """The module lupa.luajit21.  C modules of Lua find the symbols of its library."""
    lupa = import_module("lupa")
    with lupa.allow_lua_module_loading():
        return import_module("lupa.luajit21")


@cache
def load_openssl() -> None:
    """Makes OpenSSL's symbols known to "ffi.C", as they are in nginx, which is linked with it.

    Without the library nothing happens here: what needs it fails and names the symbol."""
    for name in OPENSSL:
        found = name.removeprefix("lib").partition(".")[0]
        for candidate in (name, ctypes.util.find_library(found)):
            if candidate is not None:
                with contextlib.suppress(OSError):
                    ctypes.CDLL(candidate, mode=ctypes.RTLD_GLOBAL)
                    break


def new_runtime() -> Any:
    """A Lua state that knows nothing of Python but what it is given."""
    load_openssl()
    runtime = luajit().LuaRuntime(
        encoding="latin-1",
        source_encoding="latin-1",
        unpack_returned_tuples=True,
        register_eval=False,
        register_builtins=False,
    )
    runtime.globals().python = None
    return runtime
