"""Which module a directive belongs to."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pyngx_jwt.conf import known
from pyngx_jwt.conf.known import (
    Class,
    class_of,
    classed,
    is_commercial,
    module_of,
    names,
    reason_of,
)
from pyngx_jwt.modules import MODULES

DATA = Path(known.__file__).with_name("known.json")
# What only matters to a guard, which is always an error, or to a handler, which answers 501.
HARMLESS = {
    *("auth_http_header", "auth_http_pass_client_cert"),
    *("auth_http_timeout", "auth_pam_service_name", "auth_pam_set_pam_env"),
    *("modsecurity_transaction_id", "modsecurity_use_error_log"),
    "upload_store_access",
}


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


OURS = {name for module in MODULES for name in module.conf.directives} | {"include"}


def test_each_directive_is_there_or_in_one_class() -> None:
    found = [name for kind in Class for name in classed(kind)]
    assert names() - OURS - {*found} == set()
    assert {*found} - names() == set()
    listed = json.loads(DATA.read_text())["classes"]
    each = [name for kind in ("handler", "effect", "tuning") for name in listed[kind]]
    each += [name for group in listed["guard"].values() for name in group]
    assert sorted(each) == sorted(found)  # none twice


def test_what_passes_requests_on_is_a_handler() -> None:
    missing = {name for name in names() - OURS if re.search(r"_pass$|^content_by|_content$", name)}
    assert missing - {"nchan_redis_pass"} <= {*classed(Class.HANDLER)}


def test_what_sounds_like_a_guard_is_one() -> None:
    sounds = r"auth|access|secure|verify_client|reject|oidc|modsecurity|naxsi|allow_upstream"
    missing = {name for name in names() - OURS if re.search(sounds, name)}
    settings = {name for name in missing if class_of(name) is Class.TUNING}
    assert settings == HARMLESS
    assert missing - settings == {name for name in missing if class_of(name) is Class.GUARD}


@pytest.mark.parametrize(
    ("name", "args", "kind"),
    [
        ("subs_filter", ("a", "b"), Class.EFFECT),
        ("f4f_buffer_size", ("8k",), Class.TUNING),
        ("f4f", (), Class.HANDLER),
        ("ssl_reject_handshake", ("on",), Class.GUARD),
        ("ssl_reject_handshake", ("off",), Class.TUNING),
        ("ssl_reject_handshake", ("off", "off"), Class.GUARD),
        ("ssl_session_fetch_by_lua_file", ("off",), Class.GUARD),
        ("unheard_of", (), Class.GUARD),
    ],
)
def test_class_of(name: str, args: tuple[str, ...], kind: Class) -> None:
    assert class_of(name, args) is kind


def test_reason_of() -> None:
    assert reason_of("ssl_session_fetch_by_lua_block").startswith("it decides which TLS clients")
    assert reason_of("unheard_of") == "it controls access"


def test_is_commercial() -> None:
    assert is_commercial("zone_sync")
    assert not is_commercial("zone")
    assert not is_commercial("unheard_of")
