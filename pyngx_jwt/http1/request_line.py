"""Request lines (ngx_http_parse_request_line, ngx_http_process_request_uri)."""

from __future__ import annotations

import re
from typing import Final

from ..http.head import RequestHead
from ..http.uri import normalize
from .head_types import HeadOptions, Refusal
from .host import LITERAL, validate_host


def read_request_line(head: RequestHead, options: HeadOptions) -> Refusal | None:
    return None if read_usual_line(head, options) else _read_odd_request_line(head, options)


def read_usual_line(head: RequestHead, options: HeadOptions) -> bool:
    """Reads a request line as nearly all are; False if it is another, whatever its merit."""
    line = head.request_line
    if line.startswith("GET "):  # as most do: nothing is searched or looked up
        method, at = "GET", 3
    else:
        at = line.find(" ")
        found = _METHODS.get(line[:at])
        if found is None:
            return False
        method = found
    if line.endswith(" HTTP/1.1"):
        version = 1001
    elif line.endswith(" HTTP/1.0"):
        version = 1000
    else:
        return False
    target = line[at + 1 : -9]
    if target[:1] != "/" or " " in target or not target.isprintable():
        return False
    normal = normalize(target, options.merge_slashes)
    if normal is None:
        return False
    head.method, head.http_version = method, version
    head.unparsed_uri, head.valid_unparsed_uri = target, True
    head.uri, head.args, quoted, plus = normal
    if quoted or plus:
        head.quoted_uri, head.plus_in_uri = quoted, plus
    return True


_USUAL = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")
_METHODS: Final = {method: method for method in _USUAL}  # the one object for each


def _read_odd_request_line(head: RequestHead, options: HeadOptions) -> Refusal | None:
    """Any request line: all methods and protocols, absolute and authority form."""
    line = head.request_line
    match = _METHOD(line)
    if match is None:
        return INVALID_METHOD
    head.method = match[1]
    match = (_AUTHORITY if head.method == "CONNECT" else _TARGET)(line, match.end())
    if match is None:
        return _INVALID_REQUEST
    host, target, protocol = match.groups()
    wrong = _read_protocol(head, protocol)
    if wrong is not None:
        return wrong
    normal = normalize(target if target[:1] == "/" else f"/{target}", options.merge_slashes)
    if normal is None:
        return _INVALID_REQUEST
    head.unparsed_uri = target or "/"
    head.valid_unparsed_uri = target[:1] != "?"
    head.uri, head.args, head.quoted_uri, head.plus_in_uri = normal
    if host is None:
        return None
    valid = validate_host(host)
    if valid is None:
        return 400, "client sent invalid host in request line"
    head.host, head.port = valid
    return None


def _read_protocol(head: RequestHead, protocol: str) -> Refusal | None:
    if not protocol:
        head.http_version = 9
        if head.method == "GET":
            return None
        return 400, "client sent invalid method in HTTP/0.9 request"
    if _NEW_PROTOCOL(protocol):
        return 505, "client sent invalid version"
    match = _PROTOCOL(protocol)
    if match is None:
        return _INVALID_REQUEST
    head.http_version = 1000 + int(match[1] or 0)
    return None


INVALID_METHOD: Final = (400, "client sent invalid method")
_INVALID_REQUEST: Final = (400, "client sent invalid request")
_METHOD: Final = re.compile("([A-Z_-]+) ").match
method_beginning: Final = re.compile(r"[A-Z_-]*(?: |\Z)").match
_NAME = r"[A-Za-z0-9.-]*"
# each with the groups host, target, protocol
_AUTHORITY: Final = re.compile(rf" *((?:{_NAME}|{LITERAL}):[0-9]+)() +(.*)", re.DOTALL).match
_TARGET: Final = re.compile(
    rf" *(?:[A-Za-z][A-Za-z0-9+.-]*://((?:{_NAME}|{LITERAL})(?::[0-9]*)?)(?=[ /?])|(?=/))"
    r"((?:[/?][^\x00- \x7f]*)?)(?: +|\Z)(.*)",
    re.DOTALL,
).match
_NEW_PROTOCOL: Final = re.compile("HTTP/(?:[2-9]|1[0-9])").match
_PROTOCOL: Final = re.compile(r"HTTP/1\.(?=[0-9])0*([0-9]{0,3}) *").fullmatch
