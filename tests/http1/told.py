"""How a server understood raw bytes, in one line of text.

That is "METHOD target -> URI ?args @host:port X-A connection", or the status and what is logged:
"400 line: invalid method" is "client sent invalid method while reading client request line".
"""

from __future__ import annotations

import re

from pyngx_jwt.http1.head import (
    HeadOptions,
    PartialHead,
    RefusedHead,
    RequestHead,
    find_head_end,
    parse_head,
)

from .oracle import Oracle

DEFAULTS = HeadOptions()
SERVER = """
    return 200 "$request_method $request_uri -> $uri ?$args @$host:$request_port $http_x_a";
"""


def told_by_us(raw: bytes, options: HeadOptions = DEFAULTS) -> str:
    end = find_head_end(raw)
    found = parse_head(raw[:end], options) if end >= 0 else PartialHead(options).feed(raw)
    if isinstance(found, RefusedHead):
        return _short(f"{found.status} {found.message}")
    assert isinstance(found, RequestHead)
    return _short(
        f"{found.method} {found.unparsed_uri} -> {found.uri} ?{found.args} "
        f"@{found.host}:{found.port or ''} {found.index.get('x-a', '')} "
        f"{'keep' if found.keep_alive else 'close'}"
        f"{f' dropped {len(found.dropped)}' if found.dropped else ''}"
    )


def told_by_nginx(oracle: Oracle, raw: bytes, server: int = 0) -> str:
    head, body, logged = oracle.ask(raw, server)
    found = re.match(r"HTTP/1.1 (\d+)", head) or re.search(r"<title>(\d+)", body)
    if found and found[1] != "200":
        status = "494" if "Header Or Cookie Too Large" in body else found[1]
        return _short(f"{status} {logged[-1]}")
    dropped = sum("invalid header line" in line for line in logged)
    return _short(
        f"{body} {'keep' if 'Connection: keep-alive' in head else 'close'}"
        f"{f' dropped {dropped}' if dropped else ''}"
    )


def _short(text: str) -> str:
    text = re.sub(r'(too long header line: ").*?"', r'\1..."', text, flags=re.DOTALL)
    text = re.sub(
        r"^(\d+) client sent (.*) while reading client request (\w+)$", r"\1 \3: \2", text
    )
    text = text.replace(", previous value: ", " after ").replace(
        "duplicate header line", "duplicate"
    )
    return re.sub(r"(.)\1{99,}", lambda match: f"{match[1]}*{len(match[0])}", text)
