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
from ..flow.destinations import backends_of
from ..flow.doors import notes_of
from ..flow.fields import token_ways
from ..flow.jwks import key_locations
from ..flow.tls import SECURE, passes_over_tls
from ..model.backends import passing, verifies
from ..model.block import Block
from ..model.configuration import Configuration
from ..rule import Hit, Rule

rule = Rule("J64", "upstream-tls-unverified", Severity.WARN, missing=True)
HIDING = {("header", "authorization"), ("param", "http_authorization"), ("headers", "off")}
NEAR = ("127.", "localhost:", "[::1]", "unix:")


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    fetching = {id(fetched.block) for fetched in key_locations(conf)}  # have their own rules
    for block in conf.answering:
        if id(block) not in fetching:
            yield from _check(block)
            yield from _check_not_run(block)


def _check(block: Block) -> Iterator[Hit]:
    target = block.target
    if target is None or not block.auth.wanted or verifies(block) or not passes_over_tls(block):
        return
    if target.url is not None and all(b.key.startswith(NEAR) for b in backends_of(block)):
        return
    way = next(token_ways(block), "")
    if way:
        yield Hit(
            passing(block),
            f"{block} passes tokens in {way} to {target.text.text}, whose certificate is not "
            "verified",
            f'set "{block.named("ssl_verify")} on" and "{block.named("ssl_trusted_certificate")}"',
        )


def _check_not_run(block: Block) -> Iterator[Hit]:
    """The same of protocols that pyngx does not have, which pass all fields on."""
    for passed in notes_of(block) if block.auth.wanted and not block.is_left else ():
        prefix, _, word = passed.name.rpartition("_")
        if word != "pass" or not "".join(passed.args[:1]).lower().startswith(SECURE):
            continue
        around = [
            (s.name, "".join(s.args[:1])) for outer in block.outward() for s in notes_of(outer)
        ]
        if (f"{prefix}_ssl_verify", "on") not in around and all(
            (name.rpartition("_")[2], field.lower()) not in HIDING for name, field in around
        ):
            yield Hit(
                passed,
                f'{block} passes tokens in "Authorization" to {passed.args[0]}, whose certificate '
                "is not verified",
                f'set "{prefix}_ssl_verify on" and "{prefix}_ssl_trusted_certificate"',
            )
