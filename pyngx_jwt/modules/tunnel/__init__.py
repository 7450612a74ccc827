"""Connects clients with other servers: a forward proxy for CONNECT requests.

Without restrictions this is an open proxy, which reaches hosts of the internal network as well.
Limit it with auth_basic, allow and deny, tunnel_allow_upstream, or a map of permitted targets.
"""

from __future__ import annotations

from .conf import TunnelConf
from .module import tunnel

__all__ = ["TunnelConf", "tunnel"]
