"""A key set that only verifies tokens contains a private key.

Signatures are verified with the public key.  With the private key in the file, a leaked file or
backup of the proxy is enough to sign tokens as the issuer.  Remove the members "d", "p", "q",
"dp", "dq" and "qi".  Decryption keys ("use" is "enc", "auth_jwt_type encrypted") need them.

Bad:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/private.json;
        proxy_pass http://127.0.0.1:9000;
    }

Good:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        proxy_pass http://127.0.0.1:9000;
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ...jwt import Form
from ..finding import Severity
from ..model.configuration import Configuration
from ..model.keys import PRIVATE, is_for_signatures, is_private, key_sources, policy_of
from ..rule import Hit, Rule

rule = Rule("J06", "private-key-in-jwks", Severity.ERROR)


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    for source in key_sources(conf):
        forms = {policy_of(block).form for block in source.blocks}
        for number, jwk in enumerate(source.jwks):
            unpaired = is_private(jwk) and is_for_signatures(jwk)
            if unpaired and (forms == {Form.SIGNED} or jwk.get("use") == "sig"):
                kid = jwk.get("kid")
                named = f'"{kid}"' if isinstance(kid, str) else str(number)
                members = ", ".join(f'"{name}"' for name in sorted(PRIVATE.intersection(jwk)))
                yield Hit(
                    source.statement,
                    f"key {named} is a private key: {members}",
                    "the public key is enough to verify tokens",
                )
