"""Sessions of "stream" in which nothing is sent stay open for more than a day.

A client that has lost its network sends no goodbye.  Its session, and the connection to the
upstream, stay until "proxy_timeout" is over, and many of them use up the connections that a
database allows.  Set a shorter "proxy_timeout", or let the kernel find out which ends are gone:
"so_keepalive=on" in "listen", and "proxy_socket_keepalive on".

Bad:

    stream {
        server {
            listen 5432;
            proxy_timeout 30d;
            proxy_pass 127.0.0.1:5433;
        }
    }

Good:

    stream {
        server {
            listen 5432 so_keepalive=on;
            proxy_timeout 30d;
            proxy_socket_keepalive on;
            proxy_pass 127.0.0.1:5433;
        }
    }

Good:

    stream {
        server {
            listen 5432;
            proxy_timeout 1h;
            proxy_pass 127.0.0.1:5433;
        }
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ...modules.stream.proxy_conf import StreamProxyConf
from ..finding import Severity
from ..model.configuration import Configuration
from ..rule import Hit, Rule

rule = Rule("G14", "session-timeout-long", Severity.INFO)
DAY = 86400  # seconds
KEEPING = "so_keepalive="


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    for block in conf.stream_servers:
        proxy = block[StreamProxyConf]
        if proxy.target is None or proxy.proxy_timeout <= DAY:
            continue
        listens = block.given("listen")
        keeps = all(
            any(w.startswith(KEEPING) and w != f"{KEEPING}off" for w in s.args) for s in listens
        )
        if not (keeps and proxy.socket_keepalive):
            yield Hit(
                block.set_by("proxy_timeout"),
                f"sessions of {block} stay open for {proxy.proxy_timeout // DAY:.0f} days after "
                "one side has vanished",
                'set a shorter time, or "so_keepalive=on" and "proxy_socket_keepalive on"',
                word=1,
            )
