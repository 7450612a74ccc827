"""Values of the core module's directives; all raise ConfError in nginx's words."""

from __future__ import annotations

import socket

from ...conf.hosts import look_up
from ...conf.values import parse_msec, parse_offset, parse_sec, parse_size
from ...errors import ConfError
from ...http.template import Template
from ..files import check_cache_words

MIN_POOL_SIZE = 112  # NGX_MIN_POOL_SIZE, bytes


def parse_keepalive_timeout(name: str, timeout: str, header: str = "") -> tuple[float, int]:
    try:
        return parse_msec(timeout) / 1000, parse_sec(header) if header else 0
    except ValueError:
        raise ConfError(f'"{name}" directive invalid value') from None


def parse_server_tokens(name: str, text: str) -> str:
    if text.lower() not in ("on", "off", "build"):
        raise ConfError(f'invalid value "{text}"')
    return text.lower()


def parse_pool_size(name: str, text: str) -> int:
    try:
        size = parse_size(text)
    except ValueError:
        raise ConfError(f'"{name}" directive invalid value') from None
    if size < MIN_POOL_SIZE:
        raise ConfError(f"the pool size must be no less than {MIN_POOL_SIZE}")
    if size % 16:
        raise ConfError("the pool size must be a multiple of 16")
    return size


def parse_open_file_cache(name: str, *words: str) -> tuple[str, ...]:
    if not check_cache_words(name, words, frozenset({"max"}), frozenset({"inactive"})):
        raise ConfError(f'"{name}" must have the "max" parameter')
    return words


def parse_directio(name: str, text: str) -> int:
    try:
        return 0 if text == "off" else parse_offset(text)
    except ValueError:
        raise ConfError(f'"{name}" directive invalid value') from None


def parse_aio(name: str, text: str) -> str:
    if text not in ("on", "off") and not text.startswith("threads"):
        raise ConfError(f'"{name}" directive invalid value')
    return text


def parse_resolver(name: str, *words: str) -> tuple[str, ...]:
    """Addresses, checked as nginx does; raises ConfError."""
    for word in words:
        key, sign, value = word.partition("=")
        if sign and key in ("valid", "ipv4", "ipv6", "status_zone"):
            _check_resolver_option(key, value, word)
        else:
            _check_resolver_address(word)
    return words


def _check_resolver_option(key: str, value: str, word: str) -> None:
    try:
        if key == "valid":
            parse_sec(value)
        elif key in ("ipv4", "ipv6") and value not in ("on", "off"):
            raise ValueError
    except ValueError:
        raise ConfError(f"invalid parameter: {word}") from None


def _check_resolver_address(word: str) -> None:
    host = word[1:].partition("]")[0] if word.startswith("[") else word.partition(":")[0]
    try:
        look_up(host, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        raise ConfError(f'host not found in resolver "{word}"') from None


def parse_size_template(directive: str, text: str) -> Template:
    template = Template(text)
    if template.is_constant:
        try:
            parse_size(text)
        except ValueError:
            raise ConfError(f'"{directive}" directive invalid value') from None
    return template
