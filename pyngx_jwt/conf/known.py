"""Which module a directive belongs to, for telling what is not implemented here.

Names only, from nginx's documentation and source and from a few modules by others (those are
named by their project). It is read when an unknown directive is met, and for nothing else.
"""

from __future__ import annotations

import json
from importlib import resources
from typing import Any


def module_of(name: str) -> str | None:
    """The modules that have a directive, as in "ngx_http_log_module, ngx_stream_log_module".

    None when nobody is known to have it.
    """
    modules: dict[str, list[str]] = _known()["modules"]
    return ", ".join(module for module, names in modules.items() if name in names) or None


def is_commercial(name: str) -> bool:
    """Whether a directive exists in NGINX Plus only."""
    return name in _known()["commercial"]


def _known() -> Any:
    return json.loads(resources.files(__package__).joinpath("known.json").read_bytes())
