"""Serves a page that shows the statistics of the API."""

from __future__ import annotations

import hashlib
from base64 import b64encode

from ...conf.directive import Conf, directive, own
from ...errors import ConfError
from ...http.contexts import LOCATION, SERVER
from ...http.level import Level
from ...http.module import Module
from ...http.request import Handler, Request, Status
from .page import BODY, SCRIPT, STYLE
from .text import shown


class DashboardConf(Conf):
    _api = own("")

    @directive(SERVER | LOCATION, syntax="pyngx_dashboard [api=uri];")
    def pyngx_dashboard(self, parameter: str = "api=/api/") -> None:
        """Returns a page with the statistics of the location with "api" at the URI, "/api/" by
        default, which the browser asks every two seconds.  The page loads nothing else.  Restrict
        access to both.  An addition of pyngx."""
        name, _, uri = parameter.partition("=")
        if name != "api" or not uri.startswith("/") or uri.startswith("//"):
            raise ConfError(f'invalid parameter "{parameter}"')
        self.once("_api", "pyngx_dashboard")
        self._api = uri if uri.endswith("/") else f"{uri}/"


dashboard = Module("dashboard", DashboardConf)


@dashboard.content
def send_page(conf: DashboardConf, level: Level) -> Handler | None:
    if not conf._api:
        return None
    page = page_for(shown(conf._api)).encode()
    policy = (
        f"default-src 'none'; connect-src 'self'; script-src {_source(SCRIPT)}; "
        f"style-src {_source(STYLE)}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )

    def handle(r: Request) -> Status:
        if r.method not in ("GET", "HEAD"):
            return 405
        r.add_header("Content-Security-Policy", policy)
        r.add_header("X-Content-Type-Options", "nosniff")
        r.add_header("Referrer-Policy", "no-referrer")
        return r.respond(200, page, "text/html; charset=utf-8")

    return handle


def page_for(api: str) -> str:
    """The page for the API at a URI."""
    from html import escape  # which takes time to import

    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n<title>pyngx</title>\n'
        f'<style>{STYLE}</style>\n</head>\n<body data-api="{escape(api)}">{BODY}'
        f"<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )


def _source(text: str) -> str:
    """The text as a source that a policy allows."""
    digest = b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
