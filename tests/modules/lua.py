"""Lua in the server under test: pyngx has it, and Debian's nginx with libnginx-mod-http-lua.

TEST_NGINX_BINARY=/usr/sbin/nginx pytest tests/modules/test_lua*.py
"""

from __future__ import annotations

from pathlib import Path

import pytest

from ..launch import BINARY

DEBIAN = "/usr/sbin/nginx"
FILES = [Path("/usr/lib/nginx/modules", f"{n}_module.so") for n in ("ndk_http", "ngx_http_lua")]
HAS_LUA = BINARY is None or (BINARY == DEBIAN and all(file.exists() for file in FILES))
NEEDS_LUA = pytest.mark.skipif(not HAS_LUA, reason="this nginx cannot run Lua")
LOAD = "".join(f"load_module {file}; " for file in FILES) if BINARY else ""
