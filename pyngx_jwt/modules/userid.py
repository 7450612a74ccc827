"""Sets cookies that identify clients, and reads them."""

from __future__ import annotations

import base64
import os
import socket
import struct
import time

from ..conf.directive import Conf, bitmask, enum, number, slot, string
from ..conf.values import parse_sec
from ..errors import ConfError
from ..http.basic import decode_base64
from ..http.contexts import EVERYWHERE
from ..http.cookies import FOREVER, cookie_expiry, cookie_of
from ..http.level import Level
from ..http.module import Module
from ..http.request import HeaderFilter, Request
from ..log import Severity

KEY, RESET = "userid", "uid_reset"
LENGTH = 22  # characters of an identifier in Base64, without its padding
FLAGS = ("off", "secure", "httponly", "samesite=strict", "samesite=lax", "samesite=none")
FIRST_V1, FIRST_V2, STEP = 1, 0x03030302, 0x100


def _expires(name: str, text: str) -> int:
    if text in ("max", "off"):
        return FOREVER if text == "max" else 0
    try:
        return parse_sec(text)
    except ValueError:
        raise ConfError(f'"{name}" directive invalid value') from None


def _mark(name: str, text: str) -> str:
    if text == "off":
        return ""
    if len(text) != 1 or not (text == "=" or (text.isascii() and text.isalnum())):
        raise ConfError(f'"{name}" directive value must be "off" or a single letter, digit or "="')
    return text


class UseridConf(Conf):
    userid = enum(
        "off",
        ("off", "log", "v1", "on"),
        EVERYWHERE,
        'Sets cookies for clients that send none: "on" in version 2, "v1" in version 1. "log" '
        "only reads cookies.",
    )
    userid_domain = string("none", EVERYWHERE, "Sets the domain of the cookie.", syntax="name")
    userid_expires = slot(
        0,
        _expires,
        EVERYWHERE,
        'Sets how long browsers keep the cookie; with "off", until they are closed.',
        syntax="time | max | off",
        shown="off",
    )
    userid_flags = bitmask(
        frozenset({"off"}), FLAGS, EVERYWHERE, "Sets attributes of the cookie.", "off"
    )
    userid_mark = slot(
        "",
        _mark,
        EVERYWHERE,
        "Sets a character that marks cookies. A cookie with another mark is sent again, with the "
        "same identifier.",
        syntax="letter | digit | = | off",
        shown="off",
    )
    userid_name = string("uid", EVERYWHERE, "Sets the name of the cookie.", syntax="name")
    userid_p3p = string(
        "none", EVERYWHERE, "Sets the value of a P3P header that is sent with the cookie."
    )
    userid_path = string("/", EVERYWHERE, "Sets the path of the cookie.", syntax="path")
    userid_service = number(
        0,
        EVERYWHERE,
        "Sets a number that makes identifiers of several servers distinct. By default it is 0 in "
        "version 1 and the server's address in version 2.",
        shown="IP address of the server",
    )


userid = Module("userid", UseridConf)


class Sequence:
    """Numbers that make identifiers of a process distinct."""

    def __init__(self) -> None:
        self._v1, self._v2 = FIRST_V1 - STEP, FIRST_V2 - STEP
        self._start: tuple[int, int] = (0, 0)  # the process, and its part of identifiers

    @property
    def start(self) -> int:
        pid = os.getpid()
        if self._start[0] != pid:
            microseconds = time.time_ns() // 1000 % 1_000_000
            self._start = pid, ((microseconds // 20) << 16 | pid & 0xFFFF) & 0xFFFFFFFF
        return self._start[1]

    def next_v1(self) -> int:
        self._v1 = (self._v1 + STEP) & 0xFFFFFFFF
        return self._v1

    def next_v2(self) -> int:
        self._v2 = max((self._v2 + STEP) & 0xFFFFFFFF, FIRST_V2)
        return self._v2


class Identity:
    """The identifiers of a request, b"" if there is none: 16 bytes."""

    __slots__ = ("cookie", "received", "sent", "was_reset")

    def __init__(self) -> None:
        self.cookie = ""
        self.received = b""
        self.sent = b""
        self.was_reset = False


@userid.header_filter
def set_cookie(conf: UseridConf, level: Level) -> HeaderFilter | None:
    if conf.userid not in ("v1", "on"):
        return None

    def filter_header(r: Request) -> None:
        if r.parent is not None:
            return
        identity = _identity(r, conf)
        _choose(r, identity, conf)
        if identity.sent:
            r.headers_out.append(("Set-Cookie", _cookie(identity, conf)))
            if conf.userid_p3p != "none":
                r.headers_out.append(("P3P", conf.userid_p3p))

    return filter_header


def _conf(r: Request) -> UseridConf:
    conf: UseridConf = r.main.location.conf(UseridConf)
    return conf


@userid.variable("uid_got")
def uid_got(r: Request) -> str | None:
    """Name of the cookie and the identifier that the client has sent."""
    conf = _conf(r)
    if conf.userid == "off":
        return None
    return _shown(conf, _identity(r.main, conf).received)


@userid.variable("uid_set")
def uid_set(r: Request) -> str | None:
    """Name of the cookie and the identifier that is sent to the client."""
    conf = _conf(r)
    if conf.userid not in ("v1", "on"):
        return None
    identity = _identity(r.main, conf)
    _choose(r.main, identity, conf)
    return _shown(conf, identity.sent)


def _reset(r: Request, value: str) -> None:
    r.variables[RESET] = value


@userid.variable("uid_reset", set=_reset)
def uid_reset(r: Request) -> str:
    """If set to a value that is neither empty nor "0", the client gets another identifier; with
    "log", this is logged."""
    return r.variables.get(RESET, "")


def _shown(conf: UseridConf, uid: bytes) -> str | None:
    return f"{conf.userid_name}={_digits(uid)}" if uid else None


def _digits(uid: bytes) -> str:
    return "".join(f"{word:08X}" for word in struct.unpack("<4I", uid))


def _identity(r: Request, conf: UseridConf) -> Identity:
    identity: Identity | None = r.contexts.get(KEY)
    if identity is None:
        identity = r.contexts[KEY] = Identity()
        identity.cookie = cookie_of(r, conf.userid_name) or ""
        if identity.cookie:
            identity.received = _read(r, identity.cookie)
    return identity


def _read(r: Request, cookie: str) -> bytes:
    sent = r.index.get("cookie", "")
    if len(cookie) < LENGTH:
        r.log(Severity.ERR, f'client sent too short userid cookie "{sent}"')
        return b""
    text = decode_base64(cookie[:LENGTH])
    if text is None or len(text) != 16:
        r.log(Severity.ERR, f'client sent invalid userid cookie "{sent}"')
        return b""
    uid = text.encode("latin-1")
    return uid if any(uid[12:]) else b""


def _choose(r: Request, identity: Identity, conf: UseridConf) -> None:
    """Determines the identifier to send, if any (ngx_http_userid_create_uid)."""
    if identity.sent:
        return
    if identity.received:
        reset = r.variables.get(RESET, "")
        if reset in ("", "0"):
            mark = conf.userid_mark
            if mark and identity.cookie[LENGTH : LENGTH + 2] != f"{mark}=":
                identity.sent = identity.received
            return
        identity.was_reset = True
        if reset == "log":
            shown = f"{conf.userid_name}={_digits(identity.received)}"
            r.log(Severity.NOTICE, f'userid cookie "{shown}" was reset')
    sequence = conf.scope.shared(Sequence)
    identity.sent = _new_v1(conf, sequence) if conf.userid == "v1" else _new_v2(r, conf, sequence)


def _new_v1(conf: UseridConf, sequence: Sequence) -> bytes:
    numbers = conf.userid_service, int(time.time()), sequence.start, sequence.next_v1()
    return struct.pack("<4I", *numbers)


def _new_v2(r: Request, conf: UseridConf, sequence: Sequence) -> bytes:
    if conf.is_set("userid_service"):
        server = struct.pack(">I", conf.userid_service)
    else:
        server = _address(r.connection.server_addr)
    numbers = int(time.time()), sequence.start, sequence.next_v2()
    return server + struct.pack(">3I", *numbers)


def _address(text: str) -> bytes:
    """The last four bytes of an address."""
    if ":" in text and not text.startswith("unix:"):
        return socket.inet_pton(socket.AF_INET6, text)[12:]
    try:
        return socket.inet_aton(text)
    except OSError:
        return bytes(4)


def _cookie(identity: Identity, conf: UseridConf) -> str:
    mark = conf.userid_mark
    if identity.received and not identity.was_reset:
        value = f"{identity.cookie[:LENGTH]}{mark}="
    else:
        value = base64.b64encode(identity.sent).decode()
        value = f"{value[:LENGTH]}{mark or '='}="
    parts = [f"{conf.userid_name}={value}"]
    if conf.userid_expires:
        parts.append(f"expires={cookie_expiry(conf.userid_expires)}")
    if conf.userid_domain != "none":
        parts.append(f"domain={conf.userid_domain}")
    parts.append(f"path={conf.userid_path}")
    if "off" not in conf.userid_flags:
        parts += [flag for flag in FLAGS if flag in conf.userid_flags]
    return "; ".join(parts)
