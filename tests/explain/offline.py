"""Asking for explanations without a server."""

from __future__ import annotations

from pathlib import Path

from pyngx_jwt.explain.explainer import Explainer, Explanation
from pyngx_jwt.explain.request import RequestSpec, parse_field, parse_url
from pyngx_jwt.options import Options, resolve_options

from .setups import NOW


def options_of(folder: Path) -> Options:
    conf = folder / "nginx.conf"
    return Options(*resolve_options(str(folder), str(conf), None), allow_unsupported=True)


def explain(
    folder: Path,
    server: str,
    token: str,
    url: str = "http://localhost/a",
    *fields: str,
    method: str = "GET",
    http: str = "",
    now: float = NOW,
    keys: bytes | None = None,
    client: str = "127.0.0.1",
) -> Explanation:
    """What is explanation of a request to a server with this in its block."""
    text = f"events {{ }}\nhttp {{\n{http}\nserver {{ listen 80; {server}\n}} }}\n"
    (folder / "nginx.conf").write_text(text)
    lines = tuple(parse_field(field) for field in fields)
    asked = RequestSpec(parse_url(url), method, lines, client)
    return Explainer(options_of(folder), now, keys).explain(asked, token)
