"""Reports what the workers do: statistics, metrics for Prometheus, health.

status, stream_status: what is counted, and where.  snapshot: the sums of all workers with what the
configuration says of them.  metrics, exposition: the text for Prometheus.
api, tree, stream_tree, answers: what NGINX Plus has at the paths of its API.  servers, keyvals:
changes.
dashboard, page: a page that shows it.
"""

from __future__ import annotations

from .api import api
from .dashboard import dashboard
from .health import health
from .metrics import metrics
from .status import status
from .stream_status import stream_status

API_MODULES = (status, metrics, api, health, dashboard)

__all__ = ["API_MODULES", "stream_status"]
