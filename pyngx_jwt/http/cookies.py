"""Cookies: of requests, and what is set with those of responses."""

from __future__ import annotations

import time

from .request import Request

FOREVER = -1  # a lifetime: as long as browsers keep cookies


def cookie_expiry(seconds: int) -> str:
    """The time of the end of a cookie that is set now; the year has two digits up to 2037
    (ngx_http_cookie_time)."""
    if seconds == FOREVER:
        return "Thu, 31-Dec-37 23:55:55 GMT"
    at = time.gmtime(time.time() + seconds)
    year = "%Y" if at.tm_year > 2037 else "%y"
    return time.strftime(f"%a, %d-%b-{year} %H:%M:%S GMT", at)


def cookie_of(r: Request, name: str) -> str | None:
    """The first cookie of that name, as ngx_http_parse_multi_header_lines."""
    name = name.lower()
    for field, text in r.headers_in:
        if field.lower() == "cookie":
            for pair in text.split(";"):
                key, sign, value = pair.strip(" ").partition("=")
                if sign and key.strip(" ").lower() == name:
                    return value.strip(" ")
    return None
