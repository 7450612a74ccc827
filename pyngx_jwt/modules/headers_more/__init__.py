"""Sets and clears headers of responses and of requests."""

from .input import headers_more_input, set_request_header
from .output import BUILT_IN, headers_more, set_response_header

__all__ = [
    "BUILT_IN",
    "headers_more",
    "headers_more_input",
    "set_request_header",
    "set_response_header",
]
