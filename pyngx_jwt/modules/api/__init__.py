"""Reports what the workers do: statistics, metrics for Prometheus, health.

status: what is counted, and where.  snapshot: the sums of all workers with what the configuration
says of them.  metrics, exposition: the text for Prometheus.
"""

from __future__ import annotations

from .metrics import metrics
from .status import status

API_MODULES = (status, metrics)

__all__ = ["API_MODULES"]
