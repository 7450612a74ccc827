"""A server of "stream" passes connections to a host name, and there is no "resolver".

A name that comes from variables is resolved when a connection is made.  Without "resolver", each
such connection is closed, and "no resolver defined to resolve" is logged.

Bad:

    stream {
        map $ssl_preread_server_name $backend {
            app.example.com app.internal:8443;
            default         127.0.0.1:7443;
        }
        server { listen 443; ssl_preread on; proxy_pass $backend; }
    }

Good:

    stream {
        resolver 127.0.0.53;
        map $ssl_preread_server_name $backend {
            app.example.com app.internal:8443;
            default         127.0.0.1:7443;
        }
        server { listen 443; ssl_preread on; proxy_pass $backend; }
    }

Good:

    stream {
        upstream app { server 127.0.0.1:8443; }
        map $ssl_preread_server_name $backend {
            app.example.com app;
            default         127.0.0.1:7443;
        }
        server { listen 443; ssl_preread on; proxy_pass $backend; }
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ...gateway.groups import Upstreams
from ...modules.core.stream import StreamCoreConf
from ...modules.stream.proxy_conf import StreamProxyConf
from ...stream.level import stream_shared
from ...upstream.address import AddressError, parse_url
from ..finding import Severity
from ..model.configuration import Configuration
from ..rule import Hit, Rule

rule = Rule("G15", "resolver-missing", Severity.ERROR, missing=True)


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    groups = stream_shared(conf.scope, Upstreams)
    for block in conf.stream_servers:
        target = block[StreamProxyConf].target
        if target is None or target.url is not None or block[StreamCoreConf].resolver is not None:
            continue
        for value in block.values(target.text.text):
            name = _name_in(value, groups)
            if name:
                yield Hit(
                    block.set_by("proxy_pass"),
                    f'"{name}" cannot be resolved: there is no "resolver" for {block}',
                    'set "resolver"',
                    word=1,
                )
                break


def _name_in(value: str, groups: Upstreams) -> str:
    """The host name in a value, "" if it is a group, an address, or not known."""
    if "$" in value:
        return ""
    try:
        url = parse_url(value, default_port=0, resolve=False)
    except AddressError:
        return ""
    if url.addresses or url.text.startswith("unix:") or groups.find(url) is not None:
        return ""
    return url.host
