"""The key server can prevent that keys are cached, in spite of "proxy_cache_valid".

"Cache-Control" and "Expires" of a response take precedence over "proxy_cache_valid", and some
issuers send "Cache-Control: no-cache" with their keys: then the cache keeps nothing, and keys are
fetched for every request.  Add "proxy_ignore_headers", or use "auth_jwt_key_cache".

Bad:

    proxy_cache_path cache keys_zone=jwks:1m;
    server {
        location / {
            auth_jwt "api";
            auth_jwt_key_request /_jwks;
            proxy_pass http://127.0.0.1:9000;
        }
        location = /_jwks {
            internal;
            proxy_cache jwks;
            proxy_cache_valid 200 10m;
            proxy_pass http://127.0.0.1:9001/jwks.json;
        }
    }

Good:

    proxy_cache_path cache keys_zone=jwks:1m;
    server {
        location / {
            auth_jwt "api";
            auth_jwt_key_request /_jwks;
            proxy_pass http://127.0.0.1:9000;
        }
        location = /_jwks {
            internal;
            proxy_cache jwks;
            proxy_cache_valid 200 10m;
            proxy_ignore_headers Cache-Control Expires;
            proxy_pass http://127.0.0.1:9001/jwks.json;
        }
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ..finding import Severity
from ..flow.jwks import kept_by_module, kept_in_cache, nginx_key_locations
from ..model.configuration import Configuration
from ..rule import Hit, Rule

rule = Rule("J18", "jwks-cache-overruled", Severity.INFO, missing=True)
DECISIVE = ("Cache-Control", "Expires")  # issuers do not send X-Accel-Expires


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    for fetched in nginx_key_locations(conf):
        block = fetched.block
        if kept_by_module(fetched.asking) or not kept_in_cache(block):
            continue
        heeded = [name for name in DECISIVE if name not in block.gateway.ignore_headers]
        if heeded:
            valid, ignore = block.named("cache_valid"), block.named("ignore_headers")
            yield Hit(
                block.set_by(valid),
                f'"{heeded[0]}" of the key server takes precedence over "{valid}", and may say '
                "that keys must not be cached",
                f'add "{ignore} {" ".join(DECISIVE)}"',
                fetched.related,
            )
