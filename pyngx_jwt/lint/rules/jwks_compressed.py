"""The key server may send keys compressed, as the client accepts that.

"Accept-Encoding" of the client's request is passed on with the subrequest.  kjdev's module
refuses compressed keys, and others cannot read them: browsers then get 401, and curl does not.
Pass none: "proxy_pass_request_headers off", or set that field to an empty text.  pyngx itself
passes "User-Agent" alone.

Bad:

    location / {
        auth_jwt "api";
        auth_jwt_key_request /_jwks;
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
        proxy_pass http://127.0.0.1:9000;
    }
    location = /_jwks {
        internal;
        proxy_set_header Accept-Encoding "";
        proxy_pass http://127.0.0.1:9001/jwks.json;
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ...modules.gunzip import GunzipConf
from ..fields import passes_on
from ..finding import Severity
from ..jwks import nginx_key_locations
from ..model import Configuration
from ..rule import Hit, Rule

rule = Rule("J15", "jwks-compressed", Severity.INFO)


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    for found in nginx_key_locations(conf):
        expanded = found.place[GunzipConf].gunzip and conf.dialect.expands_keys
        if passes_on(found.place, "accept-encoding") and not expanded:
            yield found.fault(
                "keys may come compressed, as clients accept that, and are of no use then",
                'proxy_set_header Accept-Encoding ""',
            )
