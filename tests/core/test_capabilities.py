"""What a process may do when it has stopped to be root."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from pyngx_jwt.core.capabilities import hold_capabilities, keep_net_raw
from tests.forks import in_child

NOBODY, CAP_NET_RAW = 65534, 1 << 13


def capabilities() -> int:
    match = re.search(r"^CapEff:\s*([0-9a-f]+)$", Path("/proc/self/status").read_text(), re.M)
    assert match
    return int(match[1], 16)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has capabilities to keep")
def test_one_is_kept() -> None:
    def work() -> None:
        hold_capabilities()
        os.setuid(NOBODY)
        keep_net_raw()
        assert capabilities() == CAP_NET_RAW

    assert in_child(work) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has capabilities to lose")
def test_none_is_kept_otherwise() -> None:
    def work() -> None:
        os.setuid(NOBODY)
        assert not capabilities()
        with pytest.raises(OSError, match=r"capset\(\)"):
            keep_net_raw()

    assert in_child(work) == 0
