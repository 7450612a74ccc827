"""The names of nginx-prometheus-exporter for nginx, which reads stub_status."""

from __future__ import annotations

from .exposition import Exposition
from .snapshot import Snapshot


def write_nginx(out: Exposition, snapshot: Snapshot) -> None:
    clients = snapshot.clients()
    for name, kind, about, value in (
        ("connections_accepted", "counter", "Accepted client connections", clients.accepted),
        ("connections_active", "gauge", "Active client connections", clients.active),
        ("connections_handled", "counter", "Handled client connections", clients.accepted),
        (
            "connections_reading",
            "gauge",
            "Connections where NGINX is reading the request header",
            clients.reading,
        ),
        ("connections_waiting", "gauge", "Idle client connections", clients.waiting),
        (
            "connections_writing",
            "gauge",
            "Connections where NGINX is writing the response back to the client",
            clients.writing,
        ),
        ("http_requests_total", "counter", "Total http requests", clients.requests),
        ("up", "gauge", "Status of the last metric scrape", 1),
    ):
        out.one(f"nginx_{name}", kind, about, value)
