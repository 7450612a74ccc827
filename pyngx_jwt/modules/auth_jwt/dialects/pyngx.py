"""Validates JSON Web Tokens, as ngx_http_auth_jwt_module of NGINX Plus does.

The directives of NGINX Plus (dialect "plus"), and with "auth_jwt_validate_claim" and
"auth_jwt_algorithm" those of pyngx (dialect "pyngx").
"""

from __future__ import annotations

from dataclasses import replace

from ....conf.directive import directive
from ....conf.parse import Statement
from ....errors import ConfError
from ....http.template import Template
from ....jwt import ALGORITHMS, ClaimRequirement, all_names
from ..conf import INSIDE
from ..dialect import DialectMark, Facts
from .plus import PLUS, ClaimDemand, PlusConf, declare


class PyngxConf(PlusConf):
    @directive(INSIDE)
    def auth_jwt_algorithm(self, algorithm: str, *algorithms: str) -> None:
        """Allows only these signature algorithms.  By default, all algorithms that fit the key are
        allowed.  An addition of pyngx."""
        if "algorithms" in vars(self):
            raise ConfError('"auth_jwt_algorithm" directive is duplicate')
        names = frozenset({algorithm, *algorithms})
        if unknown := sorted(names.difference(ALGORITHMS)):
            raise ConfError(f'invalid value "{unknown[0]}"')
        self.algorithms = all_names(names)

    @directive(INSIDE)
    def auth_jwt_validate_claim(self, name: str, value: str, *values: str) -> None:
        """Requires a claim with one of the values.  For an array, one element must match, and for
        "scope" and "scp", one word.  Dots in the name lead into objects ("realm_access.roles"); a
        name with "/" or ":" is one name, and any name can be quoted (."example.com".roles).  Values
        can contain variables; one that is then empty matches nothing.  All such directives must be
        met, or the response is 401.  Inherited if and only if the level has none of its own.  An
        addition of pyngx."""
        if "$" in name:
            raise ConfError(
                f'"auth_jwt_validate_claim" takes the name of a claim, not the variable "{name}"'
            )
        texts = tuple(Template(text) for text in (value, *values))
        constant = None
        try:
            if all(text.is_constant for text in texts):
                constant = ClaimRequirement.of(name, [text.text for text in texts])
            else:
                ClaimRequirement.of(name, [])
        except UnicodeError:
            raise ConfError(f'"{name}" or its value is not UTF-8') from None
        except ValueError:
            raise ConfError(f'"{name}" is neither the name of a claim nor a path') from None
        self.claims = (*vars(self).get("claims", ()), ClaimDemand(name, texts, constant))


auth_jwt_pyngx = declare(PyngxConf, "auth_jwt_pyngx")


def _algorithm(statement: Statement, facts: Facts) -> str | None:
    """Beside what NGINX Plus has; TeslaGov's module has auth_jwt_key."""
    return "" if facts.common and not facts.keys else None


PYNGX = replace(
    PLUS,
    name="pyngx",
    project="NGINX Plus and pyngx",
    module=auth_jwt_pyngx,
    extends=PLUS,
    target="",
    marks=(),
    shared_marks=(DialectMark(frozenset({"auth_jwt_algorithm"}), _algorithm),),
    weak_marks=(),
    shape=lambda facts: (),
    unsure="",
    shared=frozenset({"auth_jwt_algorithm"}),
    only_pyngx=True,
)
