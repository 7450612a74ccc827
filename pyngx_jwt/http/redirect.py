"""Where a redirect leads, as clients are told."""

from __future__ import annotations

from .request import Request


def absolute_location(r: Request) -> str:
    """A Location that begins with a slash gets scheme, host and port, if so configured."""
    target, core = r.location_out or "", r.location.core
    if not target.startswith("/") or not core.absolute_redirect:
        return target
    host = r.host
    if core.server_name_in_redirect and r.server.name:
        host = r.server.name
    elif not host:
        host = r.connection.server_addr
    scheme = "https" if r.connection.ssl else "http"
    port = r.connection.server_port
    if (
        not core.port_in_redirect
        or port in ("", "0")
        or port == ("443" if r.connection.ssl else "80")
    ):
        port = ""
    return f"{scheme}://{host}{':' if port else ''}{port}{target}"
