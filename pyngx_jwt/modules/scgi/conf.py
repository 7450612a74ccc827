"""Passes requests to SCGI applications."""

from __future__ import annotations

from ...gateway.params_conf import ParamsConf


class ScgiConf(ParamsConf, prefix="scgi"):
    """All of its directives are shared with other protocols."""
