"""Runs Lua: the directives and the API of openresty/lua-nginx-module, with LuaJIT.

They need the package lupa: `pip install pyngx-jwt[lua]`.
"""

from .conf import SetRunner
from .filters import LuaHeaderFilter, lua_filters
from .handlers import LuaChoice, LuaHandler, lua

__all__ = ["LuaChoice", "LuaHandler", "LuaHeaderFilter", "SetRunner", "lua", "lua_filters"]
