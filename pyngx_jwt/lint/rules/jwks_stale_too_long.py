"""Keys are cached for more than a day.

A key that the issuer has withdrawn, for example because it was stolen, remains valid here for
that time.  Ten minutes to a few hours are enough to reduce the load on the key server.

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
            proxy_cache_valid 200 30d;
            proxy_pass http://127.0.0.1:9001/jwks.json;
        }
    }

Bad:

    location / {
        auth_jwt "api";
        auth_jwt_key_request /_jwks;
        auth_jwt_key_cache 7d;
        proxy_pass http://127.0.0.1:9000;
    }
    location = /_jwks {
        internal;
        proxy_pass http://127.0.0.1:9001/jwks.json;
    }

Good:

    location / {
        auth_jwt "api";
        auth_jwt_key_request /_jwks;
        auth_jwt_key_cache 10m;
        proxy_pass http://127.0.0.1:9000;
    }
    location = /_jwks {
        internal;
        proxy_pass http://127.0.0.1:9001/jwks.json;
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ..finding import Severity
from ..flow.jwks import kept_by_module, kept_in_cache, key_locations
from ..model.block import Block
from ..model.configuration import Configuration
from ..rule import Hit, Rule

rule = Rule("J16", "jwks-stale-too-long", Severity.WARN)
DAY = 24 * 60 * 60  # seconds


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    for fetched in key_locations(conf):
        seconds = kept_in_cache(fetched.block)
        if seconds > DAY:
            where = fetched.block.set_by(fetched.block.named("cache_valid"))
            yield Hit(where, _message(seconds), related=fetched.related)
        seconds = int(kept_by_module(fetched.asking))
        if seconds > DAY:
            yield Hit(
                fetched.asking.set_by("auth_jwt_key_cache"),
                _message(seconds),
                related=fetched.related,
            )


@rule.each_location
def check_files(block: Block) -> Iterator[Hit]:
    """In NGINX Plus keys of a file are kept as well."""
    seconds = int(kept_by_module(block))
    if block.auth.wanted and block.auth.key_files and seconds > DAY:
        yield Hit(block.set_by("auth_jwt_key_cache"), _message(seconds))


def _message(seconds: int) -> str:
    return f"keys are cached for {seconds / DAY:.3g} days, even if they are withdrawn meanwhile"
