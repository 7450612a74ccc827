"""Which of nginx's JWT modules a configuration is written for.

They share names of directives and differ in what these mean, so one is chosen for the whole
configuration.  Understood are those of NGINX Plus ("plus"), and our two additions to them
("pyngx"); what belongs to another module is an error that names it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...conf.directive import EVERYWHERE, LIMIT_EXCEPT, UNLIMITED, Conf, directive
from ...conf.parse import Statement
from ...errors import ConfError
from ...http.level import Level
from ...http.module import Module
from ..main import MainConf

SUPPORTED = ("plus", "pyngx")
PROJECTS = {
    "tesla": " (TeslaGov/ngx-http-auth-jwt-module)",
    "tesla1": " (TeslaGov/ngx-http-auth-jwt-module 1.x)",
    "maxlt": " (max-lt/nginx-jwt-module)",
    "kjdev": " (kjdev/nginx-auth-jwt)",
}


def not_supported(what: str, *dialects: str) -> ConfError:
    """The error for something that belongs to another dialect, or to one of several."""
    names = " or ".join(f'"{name}"{PROJECTS.get(name, "")}' for name in dialects)
    return ConfError(f"{what} belongs to the JWT dialect {names}, which is not supported yet")


def foreign(*dialects: str) -> Any:
    """A directive that only modules of these dialects have."""

    def refuse(conf: Conf, *words: str) -> None:
        assert conf._scope.statement is not None
        raise not_supported(f'the "{conf._scope.statement.name}" directive', *dialects)

    refuse.__doc__ = f"Belongs to the JWT dialect {' or '.join(dialects)}: not supported yet."
    return directive(EVERYWHERE | LIMIT_EXCEPT, arity=(0, UNLIMITED))(refuse)


class OtherDialectsConf(Conf):
    auth_jwt_alg = foreign("maxlt", "tizp")
    auth_jwt_allow_nested = foreign("kjdev")
    auth_jwt_bypass_methods = foreign("dafa")
    auth_jwt_cache = foreign("jwted")
    auth_jwt_enabled = foreign("tesla")
    auth_jwt_extract_request_claims = foreign("tesla")
    auth_jwt_extract_response_claims = foreign("tesla")
    auth_jwt_extract_sub = foreign("tesla1")
    auth_jwt_extract_var_claims = foreign("tesla")
    auth_jwt_key = foreign("tesla", "maxlt")
    auth_jwt_keyfile_path = foreign("tesla")
    auth_jwt_location = foreign("tesla")
    auth_jwt_loginurl = foreign("tesla")
    auth_jwt_phase = foreign("kjdev")
    auth_jwt_redirect = foreign("tesla")
    auth_jwt_require_claim = foreign("kjdev")
    auth_jwt_require_header = foreign("kjdev")
    auth_jwt_revocation_list_kid = foreign("kjdev")
    auth_jwt_revocation_list_sub = foreign("kjdev")
    auth_jwt_use_keyfile = foreign("tesla")
    auth_jwt_validate_alg = foreign("kjdev")
    auth_jwt_validate_aud = foreign("kjdev")
    auth_jwt_validate_email = foreign("tesla1")
    auth_jwt_validate_exp = foreign("kjdev")
    auth_jwt_validate_iat = foreign("kjdev")
    auth_jwt_validate_iss = foreign("kjdev")
    auth_jwt_validate_nbf = foreign("kjdev")
    auth_jwt_validate_nonce = foreign("kjdev")
    auth_jwt_validate_sig = foreign("kjdev")
    auth_jwt_validate_sub = foreign("tesla")
    auth_jwt_validation_type = foreign("tesla1")
    auth_jwt_www_authenticate = foreign("kjdev")


other_dialects = Module("auth_jwt_other_dialects", OtherDialectsConf)


def check_dialect(conf: Any, http: Level) -> None:
    """Raises ConfError if the directives of a whole "http" are not of a supported dialect."""
    chosen = conf.pyngx_jwt_dialect or http.scope.options.jwt_dialect
    if chosen not in ("", *SUPPORTED):
        raise not_supported("--jwt-dialect", chosen).nowhere()
    confs = [level[type(conf)] for level in _levels(http)]
    ours: list[Statement] = [c._extension for c in confs if c._extension is not None]
    if ours and chosen == "plus":
        error = ConfError(f'the "{ours[0].name}" directive is not of the JWT dialect "plus"')
        raise error.at(ours[0].file, ours[0].line)
    if not chosen and not any(c.claims for c in confs):
        _recognize(http, ours, any(_is_common(c) for c in confs))


def _recognize(http: Level, algorithms: list[Statement], common: bool) -> None:
    """Raises ConfError for what is, all things considered, of another dialect.

    auth_jwt_algorithm is also a directive of "tesla"; all else that "plus" has, "kjdev" has."""
    if algorithms and not common:
        first = algorithms[0]
        error = not_supported(f'the "{first.name}" directive on its own', "tesla")
        raise error.at(first.file, first.line)
    if common and not algorithms and _loads_module(http):
        error = not_supported("a configuration that loads a JWT module", "kjdev")
        raise ConfError(f'{error}; "pyngx_jwt_dialect plus;" reads it as NGINX Plus').nowhere()


def _levels(level: Level) -> Iterator[Level]:
    yield level
    for inner in level.levels:
        yield from _levels(inner)


def _is_common(conf: Any) -> bool:
    """Whether the level has what "plus" and "kjdev" have and "tesla" has not."""
    enforced = conf.auth_jwt is not None and conf.auth_jwt.enforced
    return enforced or bool(conf.key_files or conf.key_requests)


def _loads_module(http: Level) -> bool:
    main = http.outer
    return main is not None and any("auth_jwt" in name for name in main[MainConf].modules)
