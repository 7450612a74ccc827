"""Tokens are passed on over TLS to a server whose certificate is not checked.

"proxy_ssl_verify" is off by default: the token goes to whoever answers in the place of the
upstream.  Together with it go the file of trusted certificates and "proxy_ssl_server_name", for
servers that have several names.

Bad:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        proxy_pass https://192.0.2.10;
    }

Good:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        proxy_ssl_verify on;
        proxy_ssl_trusted_certificate keys/ca.pem;
        proxy_pass https://192.0.2.10;
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ..backends import backends_of, passing, verifies
from ..fields import forwarded, shown
from ..finding import Severity
from ..place import Place
from ..rule import Hit, Rule

rule = Rule("J64", "upstream-tls-unverified", Severity.WARN)
NEAR = ("127.", "localhost:", "[::1]", "unix:")


@rule.each_location
def check(place: Place) -> Iterator[Hit]:
    target = place.target
    if target is None or not place.auth.wanted or verifies(place):
        return
    if not target.text.text.lower().startswith("https:"):
        return
    if target.url is not None and all(b.key.startswith(NEAR) for b in backends_of(place)):
        return
    found = next(forwarded(place, place), "")
    if found:
        yield Hit(
            passing(place),
            f'{place} passes tokens on in "{shown(found)}" to {target.text.text}, and its '
            "certificate is not checked",
            'turn "proxy_ssl_verify" on and name the "proxy_ssl_trusted_certificate"',
        )
