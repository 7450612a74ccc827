"""Sets variables."""

from __future__ import annotations

from ...conf.directive import Conf, directive, own
from ...http.template import Template
from ...http.variables import variable_name
from ...stream.contexts import STREAM_SERVER
from ...stream.level import StreamLevel
from ...stream.module import StreamModule
from ...stream.session import Status, StreamHandler, StreamPhase, StreamSession


class SetConf(Conf):
    values: tuple[tuple[str, Template], ...] = own(())

    @directive(STREAM_SERVER)
    def set(self, variable: str, value: str) -> None:
        """Sets a variable when a connection has been accepted, before access is checked.  The value
        can contain variables."""
        name = variable_name(variable)
        self.level.variables.define_stored(name)
        self.values = (*self.values, (name, Template(value)))


stream_set = StreamModule("stream_set", SetConf)


@stream_set.handler(StreamPhase.PREACCESS)
def set_variables(conf: SetConf, level: StreamLevel) -> StreamHandler | None:
    if not conf.values:
        return None
    variables = level.variables
    bound = [(variables.define_stored(name), value.bind(variables)) for name, value in conf.values]

    def handle(s: StreamSession) -> Status | None:
        for store, value_of in bound:
            store(s, value_of(s))
        return None

    return handle
