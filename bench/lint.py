"""Processor time of ``pyngx lint`` over the size of a configuration: python -m bench.lint."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

SIZES = (1_000, 10_000, 100_000)  # lines
ROUNDS = 3
LOCATIONS = 20  # of a server


def configuration(lines: int) -> str:
    """Servers with locations that proxy, some of them with tokens."""
    parts = ["events { }", "http {", "    upstream app { server 127.0.0.1:9000; }"]
    count, number = len(parts) + 1, 0
    while count < lines:
        server = [*_server(number)]
        parts += server
        count, number = count + len(server), number + 1
    return "\n".join([*parts, "}"]) + "\n"


def _server(number: int) -> Iterator[str]:
    yield from ("    server {", "        listen 127.0.0.1:8080;")
    yield f"        server_name s{number}.example.com;"
    for at in range(LOCATIONS):
        yield f"        location /app{at}/ {{"
        yield "            proxy_set_header Host $host;"
        yield "            proxy_read_timeout 30s;"
        yield "            proxy_pass http://app;"
        yield "        }"
    yield from ("        location / {", '            auth_jwt "api";')
    yield from ("            auth_jwt_key_request /_jwks;", "            proxy_pass http://app;")
    yield from ("        }", "        location = /_jwks {", "            internal;")
    yield from ("            proxy_pass http://127.0.0.1:9001;", "        }", "    }")


def seconds(path: Path) -> float:
    """User and system time of one run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "pyngx_jwt", "lint", "--format", "json", str(path)]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for lines in SIZES:
            path = Path(folder, f"{lines}.conf")
            path.write_text(configuration(lines))
            best = min(seconds(path) for _ in range(ROUNDS))
            print(f"{lines:>8} lines  {best:6.2f} s")


if __name__ == "__main__":
    main()
