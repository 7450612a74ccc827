"""Compiles the path of a request with mypyc if PYNGX_COMPILE=1 is set; without it, nothing is.

PYNGX_COMPILE_JOBS C compilers run at a time, by default one for each processor.

The sources are the same either way, and what is not listed here runs interpreted beside what is.
One rule comes with it: no interpreted class is derived from a compiled one.
"""

from __future__ import annotations

import os
import re
import runpy
import sys
import tomllib
from pathlib import Path
from typing import Any

from setuptools import setup

ROOT = Path(__file__).parent
PACKAGE = ROOT / "pyngx_jwt"
# Directories, and files: what a request, its exchange with an upstream or its token go through.
COMPILED = (
    *("cache", "compile", "gateway", "http", "http1", "http2", "jwt", "log", "upstream", "zones"),
    *("modules/auth_jwt", "modules/proxy"),
    *(
        f"conf/{name}.py"
        for name in ("block", "context", "entries", "parse", "running", "scan", "scanned")
    ),
    *(f"conf/{name}.py" for name in ("scope", "shape", "tokens", "values")),
    "core/logs.py",
    *(f"modules/core/{name}.py" for name in ("error_pages", "locations", "module", "paths")),
    *("modules/core/server_names.py", "modules/map_table.py", "modules/upstream/passing.py"),
    *("modules/core_variables.py", "modules/not_modified.py", "modules/range.py"),
    "modules/session_variables.py",
    *("modules/static.py", "modules/ssi/commands.py"),
    *(f"modules/{name}/wire.py" for name in ("fastcgi", "grpc", "memcached", "scgi", "uwsgi")),
    *("modules/memcached/module.py", "modules/tunnel/module.py", "modules/tunnel/wire.py"),
    *("server/accept.py", "server/adapter.py", "server/asgi.py", "server/connection.py"),
    *("server/deadline.py", "server/sockets.py", "server/watch.py"),
    *("server/framing.py", "server/front_end.py", "server/http1.py", "server/http2.py"),
    *("server/http3.py", "server/input.py", "server/pushing.py", "server/stream.py"),
    *("server/stream_clients.py", "stream/level.py", "stream/session.py"),
    *(f"tls/{name}.py" for name in ("connection", "early", "quic", "transport")),
    *("explain/request.py", "lint/model/probe.py"),  # their requests are derived from Request
)
# Of those directories, what runs while a configuration is loaded.  Directives are class
# attributes that are computed, and exceptions have defaults on their classes: mypyc has neither.
INTERPRETED = frozenset(
    (
        *("gateway/cache_conf.py", "gateway/conf.py", "gateway/health_conf.py"),
        "gateway/params_conf.py",
        *("gateway/tls.py", "http/listen.py"),  # a generic dataclass with slots in the first
        *("http/module.py", "http/ports.py", "http/tls.py", "http/whole_body.py"),
        "http/session_module.py",
        "jwt/jwk.py",
        *("modules/auth_jwt/conf.py", "modules/auth_jwt/settings.py", "modules/proxy/conf.py"),
        "upstream/errors.py",
        *("zones/lifecycle.py", "zones/lmdb_environment.py"),
        # Compiled, a connection that was given up is not always replaced.
        *("zones/redis_connection.py", "zones/redis_limits.py", "zones/redis_link.py"),
        *("zones/copies.py", "zones/redis_map.py"),
    )
)


def compiled() -> list[str]:
    """The sources to compile; an __init__.py only gathers names."""
    paths = (
        path
        for entry in COMPILED
        for path in (sorted((PACKAGE / entry).glob("*.py")) or [PACKAGE / entry])
    )
    return [
        str(path.relative_to(ROOT))
        for path in paths
        if path.name != "__init__.py" and str(path.relative_to(PACKAGE)) not in INTERPRETED
    ]


def extensions() -> list[Any]:
    """One library with all of it, and a module for each source that finds its part there."""
    from mypyc.build import mypycify

    level = os.environ.get("PYNGX_COMPILE_LEVEL", "3")  # -O3; 0 compiles in a third of the time
    return mypycify(
        ["--strict", "--follow-imports=silent", *compiled()],
        opt_level=level,
        debug_level="0",
        multi_file=True,
        group_name="pyngx_jwt",
    )


FUNCTION = re.compile(r"^(?!typedef)([\w ]+[ *])(\w+)(\([^;]*\));", re.M)  # type, name, rest
# Every function that is declared is a pointer here, which the calls go through.
CALLS = """
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
{declarations}
static struct {{ const char *name; void **at; }} functions[] = {{ {table} {{0, 0}} }};

static int pyngx_open(const char *library, unsigned long oldest)
{{
    void *handle = dlopen(*library ? library : NULL, RTLD_LAZY);
    unsigned long (*version)(void) = NULL;
    if (handle) *(void **)&version = dlsym(handle, "OpenSSL_version_num");
    if (!version || version() < oldest || !dlsym(handle, "SSL_new"))
        return 0;  /* the calls go where they went */
    for (int i = 0; functions[i].name; i++)
        *functions[i].at = dlsym(handle, functions[i].name);
    return 1;
}}

static int pyngx_has(const char *name)
{{
    for (int i = 0; functions[i].name; i++)
        if (!strcmp(functions[i].name, name)) return *functions[i].at != NULL;
    return 0;
}}

static void pyngx_show(BUF_MEM *window, char *data, size_t length)
{{
    window->data = data;
    window->length = length;
}}
"""
OF_CALLS = """
int pyngx_open(const char *, unsigned long);
int pyngx_has(const char *);
void pyngx_show(BUF_MEM *, char *, size_t);
"""


def calls() -> Any:
    """The calls of OpenSSL, compiled from the declarations that cffi reads at run time otherwise.

    Which library they go to is known when one is opened: nothing is linked with OpenSSL here."""
    from cffi import FFI

    declared = runpy.run_path(str(PACKAGE / "tls/declarations.py"))["FUNCTIONS"]
    names = [match[2] for match in FUNCTION.finditer(declared)]
    builder = FFI()
    builder.cdef(declared + OF_CALLS)
    builder.set_source(
        "pyngx_jwt.tls._calls",
        CALLS.format(
            declarations=FUNCTION.sub(r"static \1(*\2)\3;", declared),
            table="".join(f'{{"{name}", (void **)&{name}}}, ' for name in names),
        ),
        libraries=[] if sys.platform == "darwin" else ["dl"],
    )
    return builder.distutils_extension(str(ROOT / "build"))


def compiler() -> list[str]:
    """What compiling needs: mypy of one version, and all that it takes types from."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    types = ["types-cachetools", "types-cffi", *project["dependencies"]]
    return ["mypy==2.4.1", "pybind11>=2.13", *types]


if os.environ.get("PYNGX_COMPILE", "0") == "0":
    setup()
elif {"egg_info", "dist_info", "sdist"}.intersection(sys.argv):  # nothing is built yet
    setup(setup_requires=compiler())
else:
    from pybind11.setup_helpers import ParallelCompile

    with ParallelCompile("PYNGX_COMPILE_JOBS"):
        setup(ext_modules=[*extensions(), calls()])
