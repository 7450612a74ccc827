"""Passes requests to gRPC servers."""

from __future__ import annotations

from .conf import GrpcConf
from .module import grpc

__all__ = ["GrpcConf", "grpc"]
