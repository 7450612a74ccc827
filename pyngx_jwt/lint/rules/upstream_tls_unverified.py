"""Tokens are passed over TLS to a server whose certificate is not verified.

"proxy_ssl_verify" is off by default: the token can be sent to an attacker who responds in place
of the upstream.  Also set the file of trusted certificates, and "proxy_ssl_server_name" for
servers with several names.

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

from ..finding import Severity
from ..flow.fields import forwarded, shown
from ..flow.jwks import key_locations
from ..model.backends import backends_of, passing, speaks_tls, verifies
from ..model.block import Block
from ..model.configuration import Configuration
from ..rule import Hit, Rule

rule = Rule("J64", "upstream-tls-unverified", Severity.WARN, missing=True)
NEAR = ("127.", "localhost:", "[::1]", "unix:")


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    fetching = {id(fetched.block) for fetched in key_locations(conf)}  # have their own rules
    for block in conf.answering:
        if id(block) not in fetching:
            yield from _check(block)


def _check(block: Block) -> Iterator[Hit]:
    target = block.target
    if target is None or not block.auth.wanted or verifies(block):
        return
    if not speaks_tls(block):
        return
    if target.url is not None and all(b.key.startswith(NEAR) for b in backends_of(block)):
        return
    field = next(forwarded(block, block), "")
    if field:
        yield Hit(
            passing(block),
            f'{block} passes tokens in "{shown(field)}" to {target.text.text}, whose '
            "certificate is not verified",
            f'set "{block.named("ssl_verify")} on" and "{block.named("ssl_trusted_certificate")}"',
        )
