"""Variables of nginx modules whose directives pyngx does not have: as without these directives."""

from __future__ import annotations

import time

from ..conf.directive import Conf
from ..http.browser import is_msie as is_internet_explorer
from ..http.module import Module
from ..http.request import Request

DATE = "%A, %d-%b-%Y %H:%M:%S "  # the default "timefmt" of SSI


class ForeignVariablesConf(Conf):
    """It has no directives."""


foreign_variables = Module("foreign_variables", ForeignVariablesConf)


@foreign_variables.variable("date_gmt")
def date_gmt(r: Request) -> str | None:
    """Time in GMT, as "Monday, 30-Nov-2026 05:00:00 GMT" (ngx_http_ssi_module)."""
    return time.strftime(f"{DATE}GMT", time.gmtime())


@foreign_variables.variable("date_local")
def date_local(r: Request) -> str | None:
    """Time in the local time zone, in the same format (ngx_http_ssi_module)."""
    return time.strftime(f"{DATE}%Z")


@foreign_variables.variable("ancient_browser", changeable=True)
def ancient_browser(r: Request) -> str | None:
    """Always "1": no browser is declared as modern (ngx_http_browser_module)."""
    return "1"


@foreign_variables.variable("modern_browser", changeable=True)
def modern_browser(r: Request) -> str | None:
    """Always empty: no browser is declared as modern (ngx_http_browser_module)."""
    return None


@foreign_variables.variable("msie", changeable=True)
def msie(r: Request) -> str | None:
    """ "1" if the client is Internet Explorer (ngx_http_browser_module)."""
    return "1" if is_internet_explorer(r.index.get("user-agent") or "") else None


@foreign_variables.variable("fastcgi_script_name")
def fastcgi_script_name(r: Request) -> str | None:
    """The URI (ngx_http_fastcgi_module without "fastcgi_index" and "fastcgi_split_path_info")."""
    return r.uri


def _declare_empty() -> None:
    def of_fastcgi(r: Request) -> None:
        """Empty (ngx_http_fastcgi_module without "fastcgi_split_path_info")."""

    def of_secure_link(r: Request) -> None:
        """Empty (ngx_http_secure_link_module without "secure_link")."""

    def of_slice(r: Request) -> None:
        """Empty (ngx_http_slice_module without "slice")."""

    def of_userid(r: Request) -> None:
        """Empty (ngx_http_userid_module without "userid")."""

    def of_protocol(r: Request) -> None:
        """Empty: the protocol is not supported."""

    for names, get in (
        (("fastcgi_path_info",), of_fastcgi),
        (("secure_link", "secure_link_expires"), of_secure_link),
        (("slice_range",), of_slice),
        (("uid_got", "uid_set", "uid_reset"), of_userid),
        (("http2", "http3"), of_protocol),
    ):
        for name in names:
            foreign_variables.variable(name, changeable=name == "uid_reset")(get)


_declare_empty()
