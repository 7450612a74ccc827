"""The server that a configuration is for: the values of --target."""

from __future__ import annotations

from dataclasses import dataclass

from ...conf.known import is_commercial
from ...conf.parse import Statement
from ...modules.auth_jwt import DIALECTS

_PYNGX = "pyngx_"
_OF_PLUS = {"server": "slow_start=", "random": "least_time="}  # directives, and parameters


@dataclass(frozen=True, slots=True)
class TargetServer:
    """The server that runs a configuration; without a name, one that has every known directive."""

    name: str = ""
    dialect: str = ""  # of JWT directives; "" is determined by the configuration

    @property
    def runs_all(self) -> bool:
        """Whether what pyngx does not run is but worth a note."""
        return self.name != "pyngx"

    @property
    def has_plus(self) -> bool:
        """Whether parameters of NGINX Plus exist there."""
        return self.name in ("", "pyngx", "plus")

    def has(self, name: str) -> bool:
        """Whether a directive exists there, if its modules are loaded."""
        if self.has_plus:
            return self.name != "plus" or not name.startswith(_PYNGX)
        if name.startswith(_PYNGX):
            return False
        if name.startswith("auth_jwt"):
            return self.name != "nginx"
        return not is_commercial(name)

    def lacks(self, statement: Statement) -> str:
        """A parameter that only NGINX Plus has, "" if there is none."""
        start = None if self.has_plus else _OF_PLUS.get(statement.name)
        if start is None:
            return ""
        return next((word for word in statement.args if word.startswith(start)), "")


TARGETS = {
    "nginx": TargetServer("nginx"),
    **{one.name: TargetServer(one.target or one.name, one.name) for one in DIALECTS},
    **{one.target: TargetServer(one.target, one.name) for one in DIALECTS if one.target},
    "pyngx": TargetServer("pyngx"),
}
