"""The environment that "env" leaves to workers and to a new binary."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence


def environment(env: Sequence[str], present: Mapping[str, str]) -> dict[str, str]:
    """What "env" leaves of an environment: the named variables, and TZ."""
    kept = {}
    for entry in ("TZ", *env):
        name, sign, value = os.fsdecode(entry.encode("latin-1")).partition("=")
        if sign:
            kept[name] = value
        elif name in present:
            kept[name] = present[name]
    return kept


def set_environment(env: Sequence[str], present: Mapping[str, str]) -> None:
    kept = environment(env, present)
    os.environ.clear()
    os.environ.update(kept)
    time.tzset()
