"""TeslaGov's module accepts tokens that use the public key as an HMAC secret.

"auth_jwt_algorithm" only determines how the module reads the key; the token itself selects the
algorithm.  A token with HS256 whose secret is the text of the public key, which may be known to
everyone, is accepted.  pyngx refuses such tokens.  If nginx also runs this configuration, use a
module that binds algorithms to keys, such as those that read JWK Sets.

Bad:

    auth_jwt_algorithm ES256;
    auth_jwt_key "-----BEGIN PUBLIC KEY-----
    MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE9w/M0wZ0TAf0nam0BWi/5e1uqQQE
    RAROUc2woQY/w5NpOrXZ8Gx8uaKhce4WLXXCkg97g+F/kjDhmAV4FO93ug==
    -----END PUBLIC KEY-----";
    location /api/ { proxy_pass http://127.0.0.1:9000; }

Good:

    auth_jwt_location HEADER=Authorization;
    auth_jwt_key_file keys/jwks.json;
    location /api/ { proxy_pass http://127.0.0.1:9000; }
"""

from __future__ import annotations

from collections.abc import Iterator

from ...modules.auth_jwt.dialects.tesla import TeslaConf
from ..finding import Severity
from ..model.block import Block
from ..rule import Hit, Rule

rule = Rule("D08", "tesla-key-as-secret", Severity.WARN)


@rule.each_location
def check(block: Block) -> Iterator[Hit]:
    conf = block.auth.conf
    if not isinstance(conf, TeslaConf) or not block.auth.demanded:
        return
    if conf.auth_jwt_algorithm.startswith("HS"):
        return
    names = ("auth_jwt_keyfile_path",) if conf.auth_jwt_use_keyfile else ("auth_jwt_key",)
    key = block.find(*names)
    if key is not None:
        yield Hit(
            key,
            "TeslaGov's module accepts HS256 tokens that are signed with this public key",
            "pyngx refuses them; nginx with this configuration does not",
            word=0,
        )
