"""Runs Lua: the directives and the API of openresty/lua-nginx-module, with LuaJIT.

They need the package lupa: `pip install 'pyngx-jwt[lua]'`.
"""

from .chunk import BoundChunk
from .conf import Runners
from .filters import LuaHeaderFilter, lua_filters
from .handlers import LuaChoice, LuaHandler, lua
from .stream import stream_lua, stream_lua_early

__all__ = [
    "BoundChunk",
    "LuaChoice",
    "LuaHandler",
    "LuaHeaderFilter",
    "Runners",
    "lua",
    "lua_filters",
    "stream_lua",
    "stream_lua_early",
]
