"""Traces of requests for an OpenTelemetry collector."""

from .module import otel

__all__ = ["otel"]
