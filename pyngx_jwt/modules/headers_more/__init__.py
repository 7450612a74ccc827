"""Sets and clears headers of responses and of requests."""

from .input import headers_more_input
from .output import headers_more

__all__ = ["headers_more", "headers_more_input"]
