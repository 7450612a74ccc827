"""Which module a directive belongs to."""

from __future__ import annotations

import pytest

from pyngx_jwt.conf.known import is_commercial, module_of


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("gunzip", "ngx_http_gunzip_module"),
        ("worker_processes", "ngx_core_module"),
        ("access_log", "ngx_http_log_module, ngx_stream_log_module"),
        ("access_by_lua_block", "openresty/lua-nginx-module"),
        ("gunzipp", None),
        ("", None),
    ],
)
def test_module_of(name: str, module: str | None) -> None:
    assert module_of(name) == module


def test_is_commercial() -> None:
    assert is_commercial("zone_sync")
    assert not is_commercial("zone")
    assert not is_commercial("unheard_of")
