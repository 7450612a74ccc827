"""Passes requests to SCGI applications."""

from __future__ import annotations

from ...gateway.params import ParamsConf


class ScgiConf(ParamsConf, prefix="scgi"):
    """All of its directives are shared with other protocols."""
