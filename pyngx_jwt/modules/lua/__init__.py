"""Runs Lua: the directives and the API of openresty/lua-nginx-module, with LuaJIT.

They need the package lupa: `pip install pyngx-jwt[lua]`.
"""

from .filters import lua_filters
from .handlers import lua

__all__ = ["lua", "lua_filters"]
