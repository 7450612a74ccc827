"""Status lines and the built-in pages, in nginx's words."""

from __future__ import annotations

from typing import Final

# Final names are constants where the code is compiled; others are looked up in the module.
OK: Final = 0  # "go on, and this was allowed"; None is "no opinion"
DONE: Final = -4  # the response has been sent, or will be by the handler that returned this
REDIRECT: Final = -10  # the request has a new URI or server: run all phases again
NAMED: Final = -11  # the request has a named location: run the phases from its rewrites
CLOSE: Final = 444  # close the connection without an answer
MISDIRECTED: Final = 421
CERTIFICATE_ERROR: Final = 495
NO_CERTIFICATE: Final = 496
TO_HTTPS: Final = 497  # plain HTTP where TLS is spoken
CLIENT_CLOSED: Final = 499

REASONS: Final = {
    100: "Continue",
    101: "Switching Protocols",
    103: "Early Hints",
    200: "OK",
    201: "Created",
    202: "Accepted",
    204: "No Content",
    206: "Partial Content",
    301: "Moved Permanently",
    302: "Moved Temporarily",
    303: "See Other",
    304: "Not Modified",
    307: "Temporary Redirect",
    308: "Permanent Redirect",
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Not Allowed",
    406: "Not Acceptable",
    407: "Proxy Authentication Required",
    408: "Request Time-out",
    409: "Conflict",
    410: "Gone",
    411: "Length Required",
    412: "Precondition Failed",
    413: "Request Entity Too Large",
    414: "Request-URI Too Large",
    415: "Unsupported Media Type",
    416: "Requested Range Not Satisfiable",
    421: "Misdirected Request",
    429: "Too Many Requests",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Temporarily Unavailable",
    504: "Gateway Time-out",
    505: "HTTP Version Not Supported",
    507: "Insufficient Storage",
}

# Titles of pages that differ from the status line, or stand for nginx's own codes.
_TITLES = {
    302: "302 Found",
    401: "401 Authorization Required",
    494: "400 Request Header Or Cookie Too Large",
    495: "400 The SSL certificate error",
    496: "400 No required SSL certificate was sent",
    497: "400 The plain HTTP request was sent to HTTPS port",
}
_HEADINGS = {
    494: ("400 Bad Request", "Request Header Or Cookie Too Large"),
    495: ("400 Bad Request", "The SSL certificate error"),
    496: ("400 Bad Request", "No required SSL certificate was sent"),
    497: ("400 Bad Request", "The plain HTTP request was sent to HTTPS port"),
}
_PAGES = frozenset(
    [301, 302, 303, 307, 308, *range(400, 417), 421, 429, 494, 495, 496, 497, *range(500, 506), 507]
)
_PADDING = "<!-- a padding to disable MSIE and Chrome friendly error page -->\r\n" * 6

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


def shown_status(status: int) -> int:
    """The status told to the client for one of nginx's own codes."""
    return 400 if 494 <= status <= 497 else status


def page(status: int, signature: str, *, padding: bool = False) -> bytes:
    """The built-in page, b"" where there is none; `signature` is what server_tokens allows."""
    if status not in _PAGES:
        return b""
    title = _TITLES.get(status) or f"{status} {REASONS[status]}"
    heading, text = _HEADINGS.get(status, (title, ""))
    note = f"<center>{text}</center>\r\n" if text else ""
    return (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n"
        f"<center><h1>{heading}</h1></center>\r\n{note}"
        f"<hr><center>{signature}</center>\r\n</body>\r\n</html>\r\n"
        f"{_PADDING if padding and status >= 400 else ''}"
    ).encode("latin-1")
