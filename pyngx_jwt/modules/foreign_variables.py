"""Variables of nginx modules that pyngx does not have: as without the modules' directives."""

from __future__ import annotations

from ..conf.directive import Conf
from ..http.module import Module
from ..http.request import Request


class ForeignVariablesConf(Conf):
    """It has no directives."""


foreign_variables = Module("foreign_variables", ForeignVariablesConf)


@foreign_variables.variable("http3")
def http3(r: Request) -> str | None:
    """Empty: HTTP/3 is not supported."""
    return None
