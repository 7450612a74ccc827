"""proxy_cache_path and its kin: the parameters of one cache."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from ..conf.values import parse_msec, parse_number, parse_offset, parse_sec, parse_size
from ..errors import ConfError

T = TypeVar("T")

SMALLEST_ZONE = 2 * 4096  # bytes: two pages
UNLIMITED = 2**63 - 1


@dataclass(frozen=True, slots=True)
class HashedPath:
    """A directory whose files are in directories named after the last characters of their names."""

    name: str
    levels: tuple[int, ...] = ()

    def file(self, name: str) -> str:
        """Where the file of that name is (ngx_create_hashed_filename)."""
        path, end = self.name, len(name)
        for level in self.levels:
            path += f"/{name[end - level : end]}"
            end -= level
        return f"{path}/{name}"


class CacheSettings(NamedTuple):
    """One proxy_cache_path; sizes are bytes, times seconds."""

    path: HashedPath
    zone: str
    zone_size: int
    use_temp_path: bool = True
    inactive: int = 600
    max_size: int = UNLIMITED
    min_free: int = 0
    manager_files: int = 100
    manager_sleep: float = 0.05
    manager_threshold: float = 0.2
    loader_files: int = 100
    loader_sleep: float = 0.05
    loader_threshold: float = 0.2
    purger: bool = False
    purger_files: int = 10
    purger_sleep: float = 0.05
    purger_threshold: float = 0.05


def parse_settings(directive: str, path: str, *parameters: str) -> CacheSettings:
    """The directive's arguments; ``path`` is absolute already (ngx_http_file_cache_set_slot)."""
    levels: tuple[int, ...] = ()
    zone: tuple[str, int] = ("", 0)
    values: dict[str, int | float | bool] = {}
    for parameter in parameters:
        name, equals, value = parameter.partition("=")
        if equals and name == "levels":
            levels = parse_levels(value)
        elif equals and name == "keys_zone":
            zone = _keys_zone(parameter, value)
        elif equals and name in _VALUES:
            values[name] = _VALUES[name](name, value, parameter)
        else:
            raise ConfError(f'invalid parameter "{parameter}"')
    if not zone[0] or not zone[1]:
        raise ConfError(f'"{directive}" must have "keys_zone" parameter')
    hashed = HashedPath(path.removesuffix("/"), levels)
    return CacheSettings(hashed, *zone, **values)  # type: ignore[arg-type]


def parse_levels(text: str) -> tuple[int, ...]:
    """``1:2``: up to three levels of one or two characters."""
    words = text.split(":") if text else []
    if len(words) > 3 or any(word not in ("1", "2") for word in words):
        raise ConfError(f'invalid "levels" "levels={text}"')
    return tuple(int(word) for word in words)


def _keys_zone(parameter: str, value: str) -> tuple[str, int]:
    name, _, text = value.partition(":")
    try:
        size = parse_size(text)
    except ValueError:
        raise ConfError(f'invalid keys zone size "{parameter}"') from None
    if size < SMALLEST_ZONE:
        raise ConfError(f'keys zone "{parameter}" is too small')
    return name, size


def _on_off(name: str, value: str, parameter: str) -> bool:
    if value not in ("on", "off"):
        raise ConfError(f'invalid {name} value "{parameter}", it must be "on" or "off"')
    return value == "on"


def _value(parse: Callable[[str], T]) -> Callable[[str, str, str], T]:
    def parse_value(name: str, value: str, parameter: str) -> T:
        try:
            return parse(value)
        except ValueError:
            raise ConfError(f'invalid {name} value "{parameter}"') from None

    return parse_value


def _milliseconds(text: str) -> float:
    return parse_msec(text) / 1000


_VALUES: dict[str, Callable[[str, str, str], int | float | bool]] = {
    "use_temp_path": _on_off,
    "purger": _on_off,
    "inactive": _value(parse_sec),
    "max_size": _value(parse_offset),
    "min_free": _value(parse_offset),
    **{f"{who}_files": _value(parse_number) for who in ("manager", "loader", "purger")},
    **{f"{who}_sleep": _value(_milliseconds) for who in ("manager", "loader", "purger")},
    **{f"{who}_threshold": _value(_milliseconds) for who in ("manager", "loader", "purger")},
}
