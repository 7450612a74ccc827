"""Values of the core module's directives; all raise ConfError in nginx's words."""

from __future__ import annotations

from collections.abc import Iterator

from ...conf.values import parse_msec, parse_offset, parse_sec, parse_size
from ...dns import NameServers, Server
from ...errors import ConfError
from ...http.template import Template
from ...upstream.address import AddressError, parse_url

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


def parse_directio(name: str, text: str) -> int:
    try:
        return 0 if text == "off" else parse_offset(text)
    except ValueError:
        raise ConfError(f'"{name}" directive invalid value') from None


def parse_aio(name: str, text: str) -> str:
    if text not in ("on", "off") and not text.startswith("threads"):
        raise ConfError(f'"{name}" directive invalid value')
    return text


def parse_resolver(name: str, *words: str) -> NameServers:
    """The servers and how they are asked (ngx_resolver_create)."""
    servers: list[Server] = []
    values, zone = {"valid": 0, "ipv4": True, "ipv6": True}, ""
    for word in words:
        key, sign, value = word.partition("=")
        if not sign or key not in (*values, "status_zone"):
            servers += _name_servers(word)
        elif key == "status_zone":
            if not value:
                raise ConfError(f"invalid parameter: {word}")
            zone = value
        else:
            values[key] = _resolver_option(key, value, word)
    if not values["ipv4"] and not values["ipv6"]:
        raise ConfError('"ipv4" and "ipv6" cannot both be "off"')
    if not servers:
        raise ConfError("no name servers defined")
    return NameServers(words, tuple(servers), **values, status_zone=zone)  # type: ignore[arg-type]


def _resolver_option(key: str, value: str, word: str) -> int | bool:
    try:
        if key == "valid":
            return parse_sec(value)
        return {"on": True, "off": False}[value]
    except (ValueError, KeyError):
        raise ConfError(f"invalid parameter: {word}") from None


def _name_servers(word: str) -> Iterator[Server]:
    try:
        addresses = parse_url(word, default_port=53).addresses
    except AddressError as error:
        raise ConfError(f'{error} in resolver "{word}"') from None
    return (Server(one.name, one.host, one.port, one.family) for one in addresses)


def parse_size_template(directive: str, text: str) -> Template:
    template = Template(text)
    if template.is_constant:
        try:
            parse_size(text)
        except ValueError:
            raise ConfError(f'"{directive}" directive invalid value') from None
    return template
