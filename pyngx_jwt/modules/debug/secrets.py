"""What must not be seen in lines of the level "debug"."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ...http.basic import decode_base64
from ...http.request import Request
from ...http.session import Session
from ...http.uri import unescape

HIDDEN = "***"
LEAST = 4  # characters: what is shorter is part of too many words
# What has such a word in its name is a secret; WWW-Authenticate is none.
_SECRET = re.compile(
    r"auth(?!enticate$)|cookie|jwt|key|passphrase|passw|pwd|secret|session|token", re.IGNORECASE
)
# Variables that are a field, cookie or argument of this name.
_SOURCES = re.compile(r"(?:(?:sent_|upstream_)?(?:http|trailer)|arg)_|(?:upstream_)?(cookie)_")
_TOKEN = re.compile(r"eyJ[\w+/=.!~-]+|(?<==)[\w-]+\.[\w-]+\.[\w-]*")
_ARGUMENT = re.compile(r"(?<![^?&\"\s])([^?&=\"\s]+)=([^?&\"\s]+)")
_KEPT = "secrets of debug"  # in what modules keep of the request


def is_secret(name: str) -> bool:
    """Whether a field or argument of this name, which may be escaped, is one."""
    return _SECRET.search(unescape(name) if "%" in name else name) is not None


def is_secret_variable(name: str) -> bool:
    """Whether it is a copy of such a field or argument, or of a cookie."""
    source = _SOURCES.match(name)
    return source is not None and (bool(source[1]) or is_secret(name[source.end() :]))


def learn(s: Session, values: Iterable[str]) -> None:
    """Has them hidden in what is logged of a request from now on."""
    _known(s).update(value for value in values if len(value) >= LEAST)


def learn_fields(s: Session, fields: Iterable[tuple[str, str]]) -> None:
    """The same for those of a head that are secret."""
    learn(s, _of_fields(fields))


def hidden(s: Session, text: str) -> str:
    """Text without the secrets of the request, and without what looks like one."""
    for secret in sorted(_known(s), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return _ARGUMENT.sub(_hide_argument, _TOKEN.sub(HIDDEN, text))


def _hide_argument(found: re.Match[str]) -> str:
    return f"{found[1]}={HIDDEN}" if is_secret(found[1]) else found[0]


def _known(s: Session) -> set[str]:
    """The secrets of the client's request, which its subrequests have in common; internal
    redirects leave them alone."""
    main = s.main
    kept = main.contexts
    if isinstance(main, Request):
        if main.lasting is None:
            main.lasting = {}
        kept = main.lasting
    known: set[str] | None = kept.get(_KEPT)
    if known is None:
        known = kept[_KEPT] = set()
        if isinstance(main, Request):
            learn_fields(main, main.headers_in)
            learn(main, _of_arguments(main.unparsed_uri.partition("?")[2]))
    return known


def _of_arguments(args: str) -> Iterator[str]:
    for pair in args.split("&"):
        name, _, value = pair.partition("=")
        if is_secret(name):
            yield from (value, unescape(value))


def _of_fields(fields: Iterable[tuple[str, str]]) -> Iterator[str]:
    for name, value in fields:
        if name.lower() in ("cookie", "set-cookie"):
            yield value
            for pair in value.split(";") if name.lower() == "cookie" else (value.split(";")[0],):
                yield pair.partition("=")[2].strip(' "')
        elif is_secret(name):
            yield value
            yield from _of_credentials(value)


def _of_credentials(value: str) -> Iterator[str]:
    """What comes after the scheme, and of Basic the password."""
    scheme, _, rest = value.partition(" ")
    yield rest.strip()
    if scheme.lower() == "basic":
        decoded = decode_base64(rest.strip()) or ""
        yield from (decoded, decoded.partition(":")[2])
