"""Failures that end a request and whose reason is in the log already."""

from __future__ import annotations


class RequestFailed(Exception):
    """The request cannot go on; the log has the reason, and the client gets 500."""


class Unavailable(RequestFailed):
    """The same with 503: what the request needs is not there yet."""
