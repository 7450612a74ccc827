"""Failures that end a request with status 500 and whose reason is in the log already."""

from __future__ import annotations


class RequestFailed(Exception):
    """The request cannot go on; the log has the reason, and the client gets 500."""
