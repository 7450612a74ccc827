"""Encodings, digests and times for Lua."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import time as clock
import zlib
from typing import Any

from ...http.date import http_date
from ...http.date import parse_http_time as parse_date
from .calls import Calls, LuaError
from .state import LuaRun

calls = Calls()

_BASE64 = re.compile(rb"[A-Za-z0-9+/]*")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_SQL = str.maketrans(
    {
        **{"\0": "\\0", "\b": "\\b", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\x1a": "\\Z"},
        **{"\\": "\\\\", "'": "\\'", '"': '\\"'},
    }
)
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


# What "ngx.escape_uri" escapes, by its second argument (ngx_http_lua_escape_uri): in paths, in
# arguments, in a component of either, in HTML, in "Refresh", and for memcached and mail.
_ESCAPES = tuple(
    re.compile(characters)
    for characters in (
        r"[\x00-\x20#%?\x7f-\xff]",
        r"[\x00-\x20#%+?\x7f-\xff]",
        r"[^A-Za-z0-9._~!'()*-]",
        r"""[\x00-\x20"#%'\x7f-\xff]""",
        r"""[\x00-\x20"%'\x7f-\xff]""",
        r"[\x00-\x20%]",
        r"[\x00-\x20%]",
    )
)


def _escaped(match: re.Match[str]) -> str:
    return f"%{ord(match[0]):02X}"


@calls
def escape_uri(text: str, kind: int) -> str:
    if not 0 <= kind < len(_ESCAPES):
        raise LuaError(f'"type" {kind} out of range')
    return _ESCAPES[int(kind)].sub(_escaped, text)


@calls
def unescape_uri(text: str) -> str:
    """What is no escape stays as it is."""
    if "+" in text:
        text = text.replace("+", " ")
    return _ESCAPE.sub(lambda m: chr(int(m[1], 16)), text) if "%" in text else text


@calls
def split_args(run: LuaRun, text: str, most: float) -> Any:
    """Names and values, flat, and whether there are more; a name without "=" has true."""
    flat: list[Any] = []
    parts = text.split("&")
    for part in parts:
        name, equals, value = part.partition("=")
        if not name:
            continue
        if 0 < most <= len(flat) // 2:
            break
        flat.append(unescape_uri(name))
        flat.append(unescape_uri(value) if equals else True)
    return run.machine.table(flat), 0 < most < len(parts)


@calls
def quote_sql(text: str) -> str:
    return "'" + text.translate(_SQL) + "'"


@calls
def encode_base64(text: str, no_padding: bool) -> str:
    data = binascii.b2a_base64(text.encode("latin-1"), newline=False)
    return (data.rstrip(b"=") if no_padding else data).decode("latin-1")


@calls
def decode_base64(text: str) -> str | None:
    """As ngx_decode_base64: ends at "=", and takes no other alphabet."""
    data = text.encode("latin-1")
    found = _BASE64.match(data)
    assert found is not None
    body = found[0]
    rest = data[len(body) :]
    if rest[:1] not in (b"", b"=") or len(body) % 4 == 1:
        return None
    return binascii.a2b_base64(body + b"=" * (-len(body) % 4)).decode("latin-1")


@calls
def decode_base64mime(text: str) -> str | None:
    """Ignores what is of no alphabet."""
    body = re.sub(rb"[^A-Za-z0-9+/]", b"", text.encode("latin-1").partition(b"=")[0])
    if len(body) % 4 == 1:
        return None
    return base64.b64decode(body + b"=" * (-len(body) % 4)).decode("latin-1")


@calls
def md5(text: str) -> str:
    return hashlib.md5(text.encode("latin-1")).hexdigest()


@calls
def md5_bin(text: str) -> bytes:
    return hashlib.md5(text.encode("latin-1")).digest()


@calls
def sha1_bin(text: str) -> bytes:
    return hashlib.sha1(text.encode("latin-1")).digest()


@calls
def crc32(text: str) -> int:
    return zlib.crc32(text.encode("latin-1"))


@calls
def hmac_sha1(key: str, text: str) -> bytes:
    return hmac.digest(key.encode("latin-1"), text.encode("latin-1"), "sha1")


@calls
def to_hex(text: str) -> str:
    return text.encode("latin-1").hex()


# -- times ----------------------------------------------------------------------------------


@calls
def now() -> float:
    """Seconds since the epoch, with milliseconds."""
    return int(clock.time() * 1000) / 1000


@calls
def time() -> int:
    return int(clock.time())


@calls
def monotonic() -> float:
    return int(clock.monotonic() * 1000) / 1000


@calls
def today() -> str:
    return clock.strftime("%Y-%m-%d")


@calls
def localtime() -> str:
    return clock.strftime("%Y-%m-%d %H:%M:%S")


@calls
def utctime() -> str:
    return clock.strftime("%Y-%m-%d %H:%M:%S", clock.gmtime())


@calls
def http_time(seconds: float) -> str:
    return http_date(int(seconds))


@calls
def cookie_time(seconds: float) -> str:
    """ngx_http_cookie_time: with dashes, and years of two digits up to 2037."""
    at = clock.gmtime(int(seconds))
    year = f"{at.tm_year:04d}" if at.tm_year > 2037 else f"{at.tm_year % 100:02d}"
    date = http_date(int(seconds))
    return f"{date[:4]} {date[5:7]}-{date[8:11]}-{year} {date[17:25]} GMT"


@calls
def parse_http_time(text: str) -> int | None:
    try:
        found = parse_date(text)
    except ValueError:
        return None
    return None if found is None or found < 0 else found
