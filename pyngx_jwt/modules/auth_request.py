"""Limits access by the result of a subrequest."""

from __future__ import annotations

from ..conf.directive import Conf, directive
from ..errors import ConfError
from ..http.body import KeptBody
from ..http.contexts import EVERYWHERE
from ..http.level import Level
from ..http.module import Module, Phase
from ..http.request import OK, Handler, Request, Status
from ..http.settle import settled
from ..http.subrequest import is_whole, subrequest
from ..http.template import Template
from ..http.variables import Setter, variable_name
from ..log import Severity

CHALLENGE = "www-authenticate"


class AuthRequestConf(Conf):
    uri = ""
    assignments: tuple[tuple[Setter, Template], ...] = ()

    @directive(EVERYWHERE, default="off", syntax="auth_request uri | off")
    def auth_request(self, uri: str) -> None:
        """Admits a request if a subrequest to the URI returns 2xx.  401 and 403 are passed on, and
        any other code is an error (500).  Inherited; "off" cancels it.  The subrequest's location
        is not subject to access checks itself."""
        if "uri" in vars(self):
            raise ConfError('"auth_request" directive is duplicate')
        self.uri = "" if uri == "off" else uri

    @directive(EVERYWHERE, syntax="auth_request_set $variable value")
    def auth_request_set(self, variable: str, value: str) -> None:
        """Sets a variable after the subrequest of "auth_request".  The value can use variables of
        the subrequest, such as $upstream_http_NAME."""
        store = self.level.variables.define_stored(variable_name(variable))
        self.assignments = (*vars(self).get("assignments", ()), (store, Template(value)))


auth_request = Module("auth_request", AuthRequestConf)


@auth_request.handler(Phase.ACCESS)
def ask(conf: AuthRequestConf, level: Level) -> Handler | None:
    if not conf.uri:
        return None
    uri, variables = conf.uri, level.variables
    before = variables.unsettled_uses
    assignments = [(store, value.bind(variables)) for store, value in conf.assignments]
    waits = variables.unsettled_uses > before

    async def handle(r: Request) -> Status | None:
        sub = await subrequest(r, uri, body=KeptBody(), header_only=True)
        if waits:
            rc = settled(sub)
            if rc is not None and not isinstance(rc, int):
                rc = await rc
            sub.status = rc or sub.status
        for store, value in assignments:
            store(r, value(sub))
        return _judge(r, sub)

    return handle


def _judge(r: Request, sub: Request) -> Status:
    if sub.status == 401:
        r.headers_out += [pair for pair in sub.headers_out if pair[0].lower() == CHALLENGE]
    if sub.status in (401, 403):
        return sub.status
    if 200 <= sub.status < 300 and is_whole(sub):
        return OK
    doing = " while sending to client" if sub.upstream_states else ""
    r.log(Severity.ERR, f"auth request unexpected status: {sub.status}{doing}")
    return 500
