"""A key is accepted for several algorithms, although only one is used.

Without "alg" in a JWK, every algorithm of its family is accepted: an RSA key for RS256 also
verifies RS512 and PS256, a secret for HS256 also HS512.  RFC 8725, section 3.1, requires binding
a key to one algorithm.  Add "alg" to the key, or allow only one: with "auth_jwt_algorithm", with
"auth_jwt_alg" in max-lt's module, or with "auth_jwt_require_header alg eq RS256" in kjdev's.

Bad:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/noalg.json;
        proxy_pass http://127.0.0.1:9000;
    }

Good:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        proxy_pass http://127.0.0.1:9000;
    }

Good:

    location /api/ {
        auth_jwt "api";
        auth_jwt_algorithm HS256;
        auth_jwt_key_file keys/noalg.json;
        proxy_pass http://127.0.0.1:9000;
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ...jwt import Key, Requirement
from ..finding import Severity
from ..model.block import Block
from ..model.configuration import Configuration
from ..model.keys import KeySource, key_sources, policy_of
from ..rule import Hit, Rule

rule = Rule("J03", "key-alg-unpinned", Severity.WARN)


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    if not conf.dialect.pins_algorithms:  # its directive names the family only
        return
    for source in key_sources(conf):
        if all(map(_demands_alg, source.blocks)) or all(
            block.auth.takes_any_algorithm for block in source.blocks
        ):
            continue  # the latter is reported where the algorithm is missing
        loose = [key for key in source.keys if len(source.algorithms(key)) > 1]
        if loose:
            names = ", ".join(sorted(source.algorithms(loose[0])))
            yield Hit(source.statement, f"{_named(loose[0])} verifies {names}", _hint(source))


def _demands_alg(block: Block) -> bool:
    return any(
        isinstance(demand, Requirement) and demand.in_header and demand.path == ("alg",)
        for demand in policy_of(block).demands
    )


def _named(key: Key) -> str:
    return "the key" if key.kid is None else f'the key "{key.kid}"'


def _hint(source: KeySource) -> str:
    if source.is_jwk_set:
        return 'add "alg" to the key'
    return 'set the algorithm with "auth_jwt_alg"'
