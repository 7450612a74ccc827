"""Processes SSI (Server Side Includes) commands in responses."""

from .module import ssi

__all__ = ["ssi"]
