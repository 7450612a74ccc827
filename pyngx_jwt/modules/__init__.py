"""The modules in nginx's order: handlers and filters run from the last to the first."""

from __future__ import annotations

from ..http.module import AnyModule
from .core import core
from .core_variables import core_variables
from .geo import geo
from .headers import headers
from .log import log
from .main import main
from .map import map_
from .proxy import proxy
from .rewrite import rewrite
from .split_clients import split_clients
from .ssl import ssl
from .upstream import upstream

MODULES: tuple[AnyModule, ...] = (
    main,
    core,
    log,
    ssl,
    upstream,
    core_variables,
    geo,
    map_,
    split_clients,
    rewrite,
    proxy,
    headers,
)
