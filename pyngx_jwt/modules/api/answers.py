"""What the API answers with: JSON, and errors as NGINX Plus words them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

Value = str | int | float | bool | None | Sequence["Value"] | Mapping[str, "Value"]
HREF = "https://nginx.org/en/docs/http/ngx_http_api_module.html"


class Answer(NamedTuple):
    """A response; None as the value is an empty body."""

    status: int
    value: Value = None
    location: str = ""  # of what was made


class ApiError(Exception):
    """Why a request cannot be answered, or a change not be made."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status, self.code, self.text = status, code, text

    def body(self, request_id: str, version: int) -> Value:
        """The body of the response; old versions have two fields more, which are empty."""
        error: Value = {"status": self.status, "text": self.text, "code": self.code}
        old = {"path": "", "method": ""} if version < 4 else {}
        return {**old, "error": error, "request_id": request_id, "href": HREF}


def parsed(body: bytes) -> Any:
    """The value of a JSON document; raises ApiError.

    Surrogates that are alone are refused as well: what holds them has no form in UTF-8, and a
    replacement would make one key of several."""
    try:
        value = json.loads(body, parse_constant=_refuse)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise ApiError(415, "JsonError", "json error") from None
    return value


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def not_found(code: str = "PathNotFound", text: str = "path not found") -> ApiError:
    """404."""
    return ApiError(404, code, text)


def method_disabled(method: str) -> ApiError:
    """405, for methods that no resource, or not this one, has."""
    return ApiError(405, "MethodDisabled", f"{method} method disabled")
