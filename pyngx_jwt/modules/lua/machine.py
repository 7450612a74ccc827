"""A Lua state with the API of OpenResty, and the code of the configuration that it has loaded."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, NamedTuple

from ...http.failure import RequestFailed
from ...http.request import HeaderRefused
from ...http.session import Session
from ...http.variables import Get
from ...log import Log, Severity
from .calls import LuaError
from .chunk import BoundChunk
from .conf import LuaSettings
from .connections import Pools
from .conversions import CONVERSIONS
from .library import new_runtime
from .regexes import RegexCache
from .state import LuaRun

PREFIXES = ("/usr/local/openresty/site/lualib/", "/usr/local/openresty/lualib/")
SHARED = ("/usr/local/share/lua/5.1/", "/usr/share/lua/5.1/")
C_MODULES = ("/usr/local/lib/lua/5.1/",)


class CannotLoad(Exception):
    """Code that cannot be run at all, and the status that a request with it gets."""

    def __init__(self, kind: str, reason: str, status: int = 500) -> None:
        super().__init__(f"failed to load {kind}: {reason}")
        self.reason, self.status = reason, status


@cache
def own_code(name: str) -> str:
    """A file of this package."""
    from importlib import resources  # which takes time to import

    file = resources.files(__package__).joinpath(f"code/{name}.lua")
    return file.read_text("latin-1")


class Surroundings(NamedTuple):
    """What a Lua state is made in: the configuration and the process."""

    settings: LuaSettings
    log: Log
    prefix: str
    dictionaries: dict[str, Any]
    functions: dict[str, Callable[..., Any]]
    config: dict[str, Any]
    pools: Pools


class Links:
    """What functions that Lua holds know of their state: a reference to the state itself would
    keep it for ever."""

    __slots__ = ("error", "log")

    def __init__(self, error: Any, log: Log) -> None:
        self.error: Any = error  # the mark of a failure
        self.log = log

    def warn(self, run: Any, text: str) -> None:
        """A request has written a global variable."""
        text = f"[lua] _G write guard: {text}"
        if isinstance(run, LuaRun):
            run.log(Severity.WARN, text)
        else:
            self.log.write(Severity.WARN, text)


class Machine:
    """One Lua state.  It is used by one thread."""

    def __init__(self, around: Surroundings) -> None:
        self.around = around
        self.runtime = runtime = new_runtime()
        self._globals = runtime.globals()
        self._load_text = self._globals.loadstring
        self._chunks: dict[str, Any] = {}
        self._failing: dict[str, CannotLoad] = {}
        self.pools = around.pools
        settings = around.settings
        self.regexes = RegexCache(settings.regex_cache, settings.regex_match_limit)
        self.getters: dict[str, Get[Any]] = {}  # of variables
        self.conversions: dict[str, Callable[[str], str]] = CONVERSIONS
        self._links = Links(runtime.table(), around.log)
        self._set_paths()
        self._start()

    def _start(self) -> None:
        settings, new = self.around.settings, self.runtime.table_from
        functions = new({n: _guarded(f, self._links) for n, f in self.around.functions.items()})
        options = new(
            {
                "timeout": settings.timeout or None,
                "config": new(self.around.config),
                "dictionaries": new(self.around.dictionaries),
                "warn": self._links.warn,
            }
        )
        core = self._run_own("core", functions, self._links.error, options)
        self.enter, self.call, self.step = core.enter, core.call, core.step
        self.filter, self.set = core.filter, core.set
        ngx = self._run_own("api", functions, core, options)
        self._globals.ngx = ngx
        self._run_own("json", ngx)
        self._run_own("socket", functions, core, ngx)
        self._run_own("shims", functions, core, ngx, options)
        self._run_own("ssl", functions, core)
        if self.around.config["subsystem"] == "stream":
            self._run_own("stream", functions, core, ngx)
        self._new_globals = self._run_own("globals", ngx, core, options)
        self._set_globals = self._globals.setfenv
        self._plain_shared = self._load_text("return {is_request = ...}", "=pyngx")

    def _run_own(self, name: str, *arguments: Any) -> Any:
        load = self._load_text(own_code(name), f"=pyngx/{name}.lua")
        if isinstance(load, tuple):
            raise RuntimeError(load[1])
        return load(*arguments)

    def __del__(self) -> None:
        """The last reference to the state goes with this."""
        links = getattr(self, "_links", None)
        if links is not None:
            links.error = None

    def _set_paths(self) -> None:
        settings, package = self.around.settings, self._globals.package
        defaults = [
            f"{at}{form}" for at in (*PREFIXES, *SHARED) for form in ("?.lua", "?/init.lua")
        ]
        defaults.append("./?.lua")
        path = os.environ.get("LUA_PATH_5_1") or os.environ.get("LUA_PATH") or ";;"
        cpath = os.environ.get("LUA_CPATH_5_1") or os.environ.get("LUA_CPATH") or ";;"
        default = _expanded(path, ";".join(defaults))
        own = [f"{at}?.so" for at in (*PREFIXES, *C_MODULES)]
        c_default = _expanded(cpath, ";".join([*own, package.cpath]))
        prefix = self.around.prefix
        package.path = _prefixed(settings.package_path, default, prefix)
        package.cpath = _prefixed(settings.package_cpath, c_default, prefix)

    # -- code ------------------------------------------------------------------------------

    def load(self, bound: BoundChunk, r: Session | None) -> Any:
        """The function of a directive; raises CannotLoad."""
        chunk = bound.chunk
        path = bound.path(r) if bound.path is not None and r is not None else ""
        if chunk.path is not None and not path:
            path = chunk.path.text
        key = path or f"{chunk.name}\0{chunk.text}"
        make = self._chunks.get(key)
        if make is None:
            failing = self._failing.get(key)
            if failing is not None:
                raise failing
            make = self._chunks[key] = self._loaded(chunk.name, chunk.text, path, key)
        if not self.around.settings.isolated:
            return make
        code = make()
        if r is not None:
            self._set_globals(code, self._new_globals())
        return code

    def _loaded(self, name: str, text: str, path: str, key: str) -> Any:
        kind, label = "inlined Lua code", f"={name}"
        if path:
            full = path if path.startswith("/") else f"{self.around.prefix}{path}"
            kind, label = f'external Lua file "{full}"', f"@{full}"
            try:
                with open(full.encode("latin-1"), "rb") as file:
                    text = file.read().decode("latin-1")
            except OSError as error:
                reason = f"cannot open {full}: {os.strerror(error.errno or 0)}"
                status = 404 if error.errno == errno.ENOENT else 503
                raise CannotLoad(kind, reason, status) from None
            if text.startswith("#"):
                text = f"--{text}"
        if self.around.settings.isolated:
            checked = self._load_text(text, label)
            if not isinstance(checked, tuple):
                text = f"return function(...) {text}\nend"
        loaded = self._load_text(text, label)
        if isinstance(loaded, tuple):
            failure = CannotLoad(kind, loaded[1])
            if not path:  # a file may be mended
                self._failing[key] = failure
            raise failure
        return loaded

    def new_shared(self, is_request: bool) -> Any:
        """The table that runs of the same request, or timer, share."""
        return self._plain_shared(is_request)

    def table(self, items: Iterable[Any]) -> Any:
        return self.runtime.table_from(items)

    def collect(self) -> None:
        self._globals.collectgarbage("collect")


def _guarded(function: Callable[..., Any], links: Links) -> Callable[..., Any]:
    """Failures become what Lua raises as its own errors; those that the engine wants to know stay
    in the run."""

    def call(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except LuaError as error:
            return links.error, str(error)
        except (HeaderRefused, RequestFailed, ConnectionError) as error:
            run = arguments[0] if arguments else None
            if isinstance(run, LuaRun):
                run.failure = error
            return links.error, f"the request has failed: {error!r}"
        except Exception as error:
            links.log.write(Severity.ERR, f"unexpected error: {error!r}")
            return links.error, f"unexpected error: {error!r}"

    return call


def _expanded(path: str, default: str) -> str:
    """ ";;" stands for the default."""
    full = path.replace(";;", f";{default};")
    return full.strip(";")


def _prefixed(path: str | None, default: str, prefix: str) -> str:
    if path is None:
        return default
    return _expanded(path.replace("$prefix", prefix).replace("${prefix}", prefix), default)
