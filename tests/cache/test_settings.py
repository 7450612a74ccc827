"""proxy_cache_path: values, and nginx's words for what it refuses."""

from __future__ import annotations

import pytest

from pyngx_jwt.cache import CacheSettings, HashedPath, parse_settings
from pyngx_jwt.errors import ConfError

ZONE = "keys_zone=one:10m"


def test_defaults() -> None:
    settings = parse_settings("proxy_cache_path", "/cache/", ZONE)
    assert settings == CacheSettings(HashedPath("/cache"), "one", 10 << 20)
    assert settings.use_temp_path and settings.inactive == 600 and not settings.min_free
    assert (settings.manager_files, settings.loader_files) == (100, 100)
    assert settings.manager_sleep == settings.loader_sleep == 0.05
    assert settings.manager_threshold == settings.loader_threshold == 0.2


def test_all_parameters() -> None:
    text = (
        "levels=1:2:2 use_temp_path=off inactive=1h max_size=2g min_free=1m manager_files=1 "
        "manager_sleep=2 manager_threshold=3ms loader_files=4 loader_sleep=5s loader_threshold=6 "
        "purger=on purger_files=7 purger_sleep=8 purger_threshold=9ms"
    )
    assert parse_settings("proxy_cache_path", "/c", *text.split(), ZONE) == CacheSettings(
        HashedPath("/c", (1, 2, 2)),
        "one",
        10 << 20,
        use_temp_path=False,
        inactive=3600,
        max_size=2 << 30,
        min_free=1 << 20,
        manager_files=1,
        manager_sleep=2.0,
        manager_threshold=0.003,
        loader_files=4,
        loader_sleep=5.0,
        loader_threshold=6.0,
        purger=True,
        purger_files=7,
        purger_sleep=8.0,
        purger_threshold=0.009,
    )


REFUSED = {
    "levels=3": 'invalid "levels" "levels=3"',
    "levels=1:": 'invalid "levels" "levels=1:"',
    "levels=1:2:1:2": 'invalid "levels" "levels=1:2:1:2"',
    "levels=12": 'invalid "levels" "levels=12"',
    "use_temp_path=no": (
        'invalid use_temp_path value "use_temp_path=no", it must be "on" or "off"'
    ),
    "keys_zone=one": 'invalid keys zone size "keys_zone=one"',
    "keys_zone=one:x": 'invalid keys zone size "keys_zone=one:x"',
    "keys_zone=one:8191": 'keys zone "keys_zone=one:8191" is too small',
    "inactive=x": 'invalid inactive value "inactive=x"',
    "max_size=-1": 'invalid max_size value "max_size=-1"',
    "min_free=": 'invalid min_free value "min_free="',
    "manager_files=x": 'invalid manager_files value "manager_files=x"',
    "loader_sleep=1x": 'invalid loader_sleep value "loader_sleep=1x"',
    "purger=yes": 'invalid purger value "purger=yes", it must be "on" or "off"',
    "purger_files=x": 'invalid purger_files value "purger_files=x"',
    "purge=on": 'invalid parameter "purge=on"',
    "levels": 'invalid parameter "levels"',
    "keys_zone=:10m": '"proxy_cache_path" must have "keys_zone" parameter',
}


@pytest.mark.parametrize("parameter", REFUSED)
def test_refused(parameter: str) -> None:
    with pytest.raises(ConfError) as error:
        parse_settings("proxy_cache_path", "/c", parameter)
    assert str(error.value) == REFUSED[parameter]


def test_without_a_zone() -> None:
    with pytest.raises(ConfError, match='"fastcgi_cache_path" must have "keys_zone" parameter'):
        parse_settings("fastcgi_cache_path", "/c", "levels=")


@pytest.mark.parametrize(
    ("levels", "path"),
    [
        ((), "/c/b7f54b2df7773722d382f4809d65029c"),
        ((1, 2), "/c/c/29/b7f54b2df7773722d382f4809d65029c"),
        ((2, 1, 2), "/c/9c/2/50/b7f54b2df7773722d382f4809d65029c"),
    ],
)
def test_paths(levels: tuple[int, ...], path: str) -> None:
    assert HashedPath("/c", levels).file("b7f54b2df7773722d382f4809d65029c") == path
