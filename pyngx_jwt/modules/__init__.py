"""The modules in nginx's order: handlers and filters run from the last to the first."""

from __future__ import annotations

from ..http.module import AnyModule
from .core import core
from .core_variables import core_variables
from .headers import headers
from .main import main
from .rewrite import rewrite

MODULES: tuple[AnyModule, ...] = (main, core, core_variables, rewrite, headers)
