"""A key request passes on "Accept-Encoding", so the key server may send compressed keys.

The client's "Accept-Encoding" is passed on with the subrequest.  kjdev's module refuses
compressed keys, and others cannot read them: browsers then get 401, while curl works.  Do not
pass it on: use "proxy_pass_request_headers off", or set the header to an empty value.  pyngx
itself passes on only "User-Agent".  If the key server gets the client's token or cookies as well,
only that is reported.

Bad:

    location / {
        auth_jwt "api";
        auth_jwt_key_request /_jwks;
        proxy_pass http://127.0.0.1:9000;
    }
    location = /_jwks {
        internal;
        proxy_set_header Authorization "";
        proxy_set_header Cookie "";
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
        proxy_set_header Authorization "";
        proxy_set_header Cookie "";
        proxy_set_header Accept-Encoding "";
        proxy_pass http://127.0.0.1:9001/jwks.json;
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ...modules.gunzip import GunzipConf
from ..finding import Severity
from ..flow.fields import passes_on, removal
from ..flow.jwks import leaks, nginx_key_locations
from ..model.configuration import Configuration
from ..rule import Hit, Rule

rule = Rule("J15", "jwks-compressed", Severity.INFO, missing=True)


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    for fetched in nginx_key_locations(conf):
        expanded = fetched.block[GunzipConf].gunzip and conf.dialect.expands_keys
        if passes_on(fetched.block, "accept-encoding") and not (expanded or leaks(fetched)):
            yield fetched.fault(
                "keys may be compressed, because clients accept that, and then cannot be used",
                removal(fetched.block, "Accept-Encoding"),
            )
