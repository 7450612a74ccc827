"""Clients choose the server that requests are passed to.

If a variable in the host or port of "proxy_pass" contains client input, clients can make the
proxy send requests to any server that it can reach, especially internal ones (server-side
request forgery).  Select from constant values with a "map", or restrict the input to known names
with a regular expression.  A capture directly after the host that need not start with a slash is
part of the host: http://backend$1 can become "backend.example.com".  In "stream", the name that a
TLS client requests ($ssl_preread_server_name) is client input, too.

Bad:

    location ~ ^/proxy/([^/]+)/(.*)$ {
        proxy_pass http://$1/$2;
    }

Bad:

    location ~ ^/api(.*)$ {
        proxy_pass http://backend$1;
    }

Bad:

    stream {
        server {
            listen 443;
            resolver 127.0.0.53;
            ssl_preread on;
            proxy_pass $ssl_preread_server_name:443;
        }
    }

Good:

    stream {
        map $ssl_preread_server_name $backend {
            hostnames;
            .example.com $ssl_preread_server_name:443;
            default      127.0.0.1:8443;
        }
        server {
            listen 443;
            resolver 127.0.0.53;
            ssl_preread on;
            proxy_pass $backend;
        }
    }

Good:

    location ~ ^/proxy/(blue|green)/(.*)$ {
        proxy_pass http://$1/$2;
    }

Good:

    location ~ ^/api(/.*)$ {
        proxy_pass http://backend$1;
    }
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...modules.stream.proxy_conf import StreamProxyConf
from ..finding import Severity
from ..flow.destinations import HOST_ENDS, begins_a_path
from ..flow.flow import Origin, Row, flow_of
from ..flow.pattern import ALL, chars_of, count, mask_of
from ..model.backends import passing
from ..model.configuration import Configuration
from ..model.hosts import open_servers
from ..model.stream import CHOSEN
from ..rule import Hit, Rule

rule = Rule("G03", "ssrf", Severity.ERROR)
FEW = 300  # texts that an expression takes: a list, not a choice
DOT = mask_of(".")
MOST_PORT = 65535
_FIRST = re.compile(r"\$\{?(\w+)")
HOSTS = ("host", "http_host")
Piece = str | Origin


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    open_ones = open_servers(conf)
    for block in conf.answering:
        target = block.target
        if target is None or target.url is not None or block.is_internal:
            continue
        is_open = block.server in open_ones
        for row in flow_of(block).expand(target.text, block):
            choice = chosen(_authority(row, is_open), is_open)
            if choice is not None:
                yield Hit(
                    passing(block),
                    f"clients choose the upstream server of {block}: "
                    f"{_named(choice)} is in its host or port",
                    'select from constant values with a "map"',
                    word=1,
                )
                break


@rule.whole
def check_stream(conf: Configuration) -> Iterator[Hit]:
    for block in conf.stream_servers:
        target = block[StreamProxyConf].target
        for value in block.values(target.text.text) if target is not None else ():
            match = _FIRST.match(value)
            if match is not None and match[1] in CHOSEN:
                yield Hit(
                    block.set_by("proxy_pass"),
                    f"clients choose the upstream server of {block}: ${match[1]} is its host",
                    'select from constant values with a "map"',
                    word=1,
                )
                break


def _named(origin: Origin) -> str:
    return f"a part of ${origin.name}" if origin.part is not None else f"${origin.name}"


def _authority(row: Row, is_open: bool) -> list[Piece]:
    """What stands between the scheme and the path."""
    if not row or (isinstance(row[0], Origin) and is_free(row[0], is_open)):
        return list(row[:1])
    joined: list[Piece] = []
    for piece in row:
        if joined and isinstance(piece, str) and isinstance(joined[-1], str):
            joined[-1] += piece
        else:
            joined.append(piece)
    after = joined[1] if joined[1:] else ""
    if isinstance(joined[0], Origin) and isinstance(after, str) and after.startswith("://"):
        joined = [f"http{after}", *joined[2:]]  # the scheme, which may be one of few
    if isinstance(joined[0], str):
        head, sign, rest = joined[0].partition("://")
        if not sign and head.endswith("/") and len(joined) > 1:
            return joined[1:2]  # "http:/$uri": the first part of the path is the host
        joined[0] = rest
    pieces: list[Piece] = []
    for at, piece in enumerate(joined):
        if isinstance(piece, Origin):
            if begins_a_path(piece):
                break
            pieces.append(piece)
            continue
        end = min((e for mark in "/?" if (e := piece.find(mark)) >= 0), default=-1)
        if end >= 0 and (at or piece):
            return [*pieces, piece[:end]]
        pieces.append(piece)
    return pieces


def is_free(origin: Origin, is_open: bool) -> bool:
    """Whether clients write it, and not just choose one of few."""
    if not origin.is_chosen or (origin.name in HOSTS and not is_open):
        return False
    return origin.part is None or count(origin.part) > FEW


def chosen(authority: list[Piece], is_open: bool) -> Origin | None:
    """What lets clients choose the host, or the port; None if nothing does."""
    for at, piece in enumerate(authority):
        if not isinstance(piece, Origin) or not is_free(piece, is_open):
            continue
        if len(authority) == 1:
            return piece
        mask = ALL if piece.part is None else chars_of(piece.part)
        before = "".join(p if isinstance(p, str) else "x" for p in authority[:at])
        after = "".join(p if isinstance(p, str) else "" for p in authority[at + 1 :])
        _, colon, port = before.rpartition("]")[2].partition(":")
        if port.isdigit() and int(port) * 10 > MOST_PORT:
            continue  # one more digit, or anything else, makes it invalid
        in_port = bool(colon)
        if mask & HOST_ENDS or in_port:
            if mask & DOT or in_port or not before:
                return piece
        elif "." not in after.partition(":")[0].rstrip(".") and (mask & DOT or not before):
            return piece
    return None
