"""Cookies of requests."""

from __future__ import annotations

from .request import Request


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
