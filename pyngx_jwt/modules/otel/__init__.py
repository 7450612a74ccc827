"""Traces requests, and sends the spans to an OpenTelemetry collector (OTLP over gRPC).

Directives and variables are those of nginxinc/nginx-otel.  The package opentelemetry-proto is
needed: `pip install 'pyngx-jwt[otel]'`.
"""

from .module import otel

__all__ = ["otel"]
