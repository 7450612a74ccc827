"""What the JWT dialects have in common: sources of keys, leeway, challenge, conditions.

Each dialect's conf extends ``TokenConf`` by what is its own, and says by its properties what any
reader of a configuration may ask.
"""

from __future__ import annotations

from typing import NamedTuple

from ...conf.directive import Conf, directive, own, seconds, slot
from ...errors import ConfError
from ...http.contexts import EVERYWHERE, LIMIT_EXCEPT
from ...http.template import Template
from .demands import Required
from .gate import Gate
from .issuer import check_url
from .key_sets import JWKS, KeyForm, KeyName
from .sources import Sources

INSIDE = EVERYWHERE | LIMIT_EXCEPT


class Compared(NamedTuple):
    """A member of the token that is held against values, and these."""

    claim: str  # "" if it is one of the JOSE header
    values: tuple[Template, ...]


class IssuerName(NamedTuple):
    """One pyngx_jwt_issuer."""

    url: str
    jwks: str
    trusted: str


class Challenge(NamedTuple):
    """One auth_jwt_www_authenticate: what takes the place of the dialect's own challenge."""

    text: Template | None  # None: the dialect's own
    shown: bool = True


def _challenge(name: str, text: str) -> Challenge:
    if text in ("on", "off"):
        return Challenge(None, text == "on")
    return Challenge(Template(text))


def _check_begin(directive: str, text: Template) -> None:
    """A token that names the whole path names a file, or location, that it has its own keys
    in."""
    variable, name = text.parts[0] if text.parts else (False, "")
    if variable and name.startswith("jwt_"):
        raise ConfError(
            f'"{directive}" begins with "${name}": tokens could name the file or location of their '
            'own keys, put a directory before it or use a "map"'
        )


class TokenConf(Conf):
    auth_jwt_leeway = seconds(
        0,
        EVERYWHERE,
        'Sets the clock skew that is tolerated when "exp" and "nbf" are checked.',
        shown="0s",
    )
    auth_jwt_www_authenticate: Challenge | None = slot(
        None,
        _challenge,
        INSIDE,
        'Sets the WWW-Authenticate header of 401 responses: "on" for the dialect\'s own, "off" '
        "for none, or a text.",
        syntax="on | off | string",
        shown="on",
    )

    jwk_set = JWKS
    key_files: tuple[KeyName, ...] = ()
    key_requests: tuple[KeyName, ...] = ()
    issuers: tuple[IssuerName, ...] = ()
    required: tuple[Required, ...] = ()
    gate: Gate | None = own(None)  # what this level compiles to

    @directive(INSIDE)
    def auth_jwt_key_file(self, file: str) -> None:
        """Sets a file with a JWK Set.  A relative name starts from the directory of the
        configuration file.  The keys of all files and key requests of a level are used together.
        Workers check the file once a second and re-read it after a change, without a reload."""
        self.add_file(file, self.jwk_set)

    @directive(INSIDE)
    def auth_jwt_key_request(self, uri: str) -> None:
        """Fetches a JWK Set with a subrequest to the URI, which a location with "proxy_pass" and
        "proxy_cache" should answer.  The keys of all requests and files of a level are used
        together.  Unlike in nginx, requests share a response for one second if it cannot depend on
        the client, and a token that no current key verifies triggers
        a refresh."""
        self.add_request(uri, self.jwk_set)

    def add_file(self, file: str, form: KeyForm) -> None:
        path = Template(file)
        _check_begin("auth_jwt_key_file", path)
        if path.is_constant:
            source = self.scope.shared(Sources).file(self.scope.conf_name(file), form)
            source.load(self.scope)
        self.key_files = (*vars(self).get("key_files", ()), KeyName(path, form))

    def add_request(self, uri: str, form: KeyForm) -> None:
        requests, text = vars(self).get("key_requests", ()), Template(uri)
        _check_begin("auth_jwt_key_request", text)
        self.key_requests = (*requests, KeyName(text, form))

    @directive(INSIDE, syntax="pyngx_jwt_issuer URL [jwks=URL] [trusted=file];", arity=(1, 3))
    def pyngx_jwt_issuer(self, url: str, *parameters: str) -> None:
        """Accepts tokens of an issuer, whose "iss" is this URL, with the keys of this issuer and no
        others.  The keys are found by its description at "/.well-known/openid-configuration" below
        the URL, or are at the URL of "jwks".  The workers fetch them when they start, and
        again in the background after the time in Cache-Control, at least one minute and at most
        one hour; the directives of proxies have no part in it.  "trusted" is a file with the
        certificates that the issuer's is verified by, instead of those of the system.  If the
        issuer is down, its last keys stay in use ("pyngx_jwt_keys_stale"); before there were any,
        its tokens are answered 503 with Retry-After.  Several issuers can be named; they are
        inherited if and only if the level has none of its own.  An addition of pyngx, in all
        dialects."""
        given = {"jwks": "", "trusted": ""}
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name not in given or not value:
                raise ConfError(f'invalid parameter "{parameter}"')
            given[name] = value
        check_url("pyngx_jwt_issuer", url)
        if given["jwks"]:
            check_url("pyngx_jwt_issuer", given["jwks"])
        one = IssuerName(url, given["jwks"], given["trusted"])
        self.issuers = (*vars(self).get("issuers", ()), one)

    @property
    def has_key_source(self) -> bool:
        return bool(self.key_files or self.key_requests or self.issuers)

    @property
    def is_inherited_whole(self) -> bool:
        return self.is_empty  # otherwise every level has a gate of its own

    # -- what is alike in all dialects -------------------------------------------------------

    @property
    def is_wanted(self) -> bool:
        """Whether the directives show that tokens are expected to be validated, compiled or not."""
        return False

    @property
    def has_key(self) -> bool:
        """Whether any source of keys is named."""
        return self.has_key_source

    @property
    def needs_keys(self) -> bool:
        """Whether nothing can be accepted without keys."""
        return True

    @property
    def key_lifetime(self) -> float:
        """The seconds for which the module itself keeps keys that it has fetched."""
        return 0

    @property
    def token(self) -> Template | None:
        """The variable that tokens are taken from, None for fields and cookies."""
        return None

    @property
    def carriers(self) -> frozenset[str] | None:
        """The variables of the field or cookie that tokens come in; None if `token` says it."""
        return None if self.token is not None else frozenset({"http_authorization"})

    @property
    def condition(self) -> Template | None:
        """What decides for each request whether it is validated at all."""
        return None

    @property
    def is_early(self) -> bool:
        """Whether tokens are validated before the access phase."""
        return False

    @property
    def demanded_values(self) -> tuple[Required, ...]:
        """What must be neither empty nor "0"."""
        return self.required

    @property
    def compared(self) -> tuple[Compared, ...]:
        """The claims and header members that are held against values."""
        return ()

    @property
    def claim_fields(self) -> tuple[str, ...]:
        """The fields in which the module itself passes claims to upstreams."""
        return ()
