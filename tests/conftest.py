"""Fixtures and markers of the tests that have a server."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from pyngx_jwt.features import is_compiled

from .launch import BINARY, build
from .nginx import Nginx

SERVERS = {"nginx", "module_nginx"}  # the fixtures

# How long an example takes is the machine's affair.
settings.register_profile("pyngx", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("pyngx")


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[Nginx]:
    """A server for one test."""
    server = Nginx(tmp_path)
    yield server
    server.stop()
    server.check_logs()


@pytest.fixture(scope="module")
def module_nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    """A server for all tests of a file; the file's own fixture starts it."""
    server = Nginx(tmp_path_factory.mktemp("nginx"))
    yield server
    server.stop()
    server.check_logs()


@pytest.fixture(autouse=True)
def _clean_logs(request: pytest.FixtureRequest) -> Iterator[None]:
    """No [alert], no [emerg], no traceback, unless the test is marked "trouble"."""
    servers = [request.getfixturevalue(name) for name in SERVERS & set(request.fixturenames)]
    for server in servers:
        server.trouble_is_expected = request.node.get_closest_marker("trouble") is not None
    yield
    for server in servers:
        server.check_logs()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With a real nginx only what has a server is run."""
    if BINARY:
        served = [item for item in items if SERVERS & set(getattr(item, "fixturenames", ()))]
        config.hook.pytest_deselected(items=[item for item in items if item not in served])
        items[:] = served


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Keys and tokens are made anew in each process, and no test is named after one."""
    return argname if isinstance(val, str | bytes) and len(val) > 60 else None


def pytest_runtest_setup(item: pytest.Item) -> None:
    if is_compiled():
        for marker in item.iter_markers("interpreted"):
            pytest.skip(f"interpreted: {marker.args[0]}")
    if not BINARY:
        return
    for name in ("pyngx_only", "nginx_differs"):
        for marker in item.iter_markers(name):
            pytest.skip(f"{name}: {marker.args[0]}")
    for marker in item.iter_markers("needs"):
        if marker.args[0] not in _build():
            pytest.skip(f"this nginx was built without {marker.args[0]}")


_build = cache(build)


@pytest.fixture(autouse=True)
def broken_pipes_are_errors() -> Iterator[None]:
    """A command that a test runs in this process has it end at a closed pipe; the next test must
    not."""
    yield
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
