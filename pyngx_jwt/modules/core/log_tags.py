"""What "error_log_tag" adds to messages about requests."""

from __future__ import annotations

from collections.abc import Callable

from ...http.failure import RequestFailed
from ...http.request import Request
from ...http.template import Template
from ...http.variables import Variables

TELLING = "error_log_tag"  # in r.contexts: values are being found, which can log themselves


def bind_log_tags(
    tags: tuple[tuple[str, Template], ...], variables: Variables
) -> Callable[[Request], str] | None:
    """A function that returns the text for a message."""
    if not tags:
        return None
    bound = [(name, value.bind(variables)) for name, value in tags]

    def tell(r: Request) -> str:
        if TELLING in r.contexts:
            return ""
        r.contexts[TELLING] = True
        try:
            return "".join(f', {name}: "{_quoted(value(r))}"' for name, value in bound)
        except RequestFailed:
            return ""
        finally:
            r.contexts.pop(TELLING, None)

    return tell


def _quoted(value: str) -> str:
    """Nothing that looks like another field can be in it."""
    return value.replace("\\", "\\x5C").replace('"', "\\x22")
