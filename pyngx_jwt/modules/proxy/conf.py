"""Passes requests to HTTP servers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ...conf.directive import A_NUMBER, A_SIZE, accepted, directive, flag, slot
from ...errors import ConfError
from ...gateway.cache_conf import CachedConf
from ...gateway.conf import PassTarget, SentHeader, TlsConf
from ...gateway.scheme import Scheme, split_scheme
from ...http.contexts import EVERYWHERE, IN_LOCATION, LIMIT_EXCEPT, LOCATION, LOCATION_IF
from ...http.regex import Regex
from ...http.template import Template, template
from ...upstream.address import parse_upstream
from ..core import CoreConf

SCHEMES = {"http": Scheme(80), "https": Scheme(443, tls=True)}
NO_URI = (
    '"proxy_pass" cannot have URI part in location given by regular expression, '
    'or inside named location, or inside "if" statement, or inside "limit_except" block'
)


class RedirectRule(NamedTuple):
    """One proxy_redirect; without both it is "default"."""

    pattern: Template | Regex | None
    replacement: Template | None


class CookieRule(NamedTuple):
    """One proxy_cookie_domain or proxy_cookie_path."""

    pattern: Template | Regex
    replacement: Template


def _http_version(name: str, text: str) -> str:
    if text not in ("1.0", "1.1", "2"):
        raise ConfError(f'invalid value "{text}"')
    return text


class ProxyConf(CachedConf, TlsConf, prefix="proxy"):
    proxy_cache_convert_head = flag(
        True,
        EVERYWHERE,
        "Sends GET to the upstream for a HEAD request, so that the response can be cached. If "
        "off, add $request_method to the cache key.",
    )
    proxy_headers_hash_bucket_size = accepted(
        EVERYWHERE, "the tables grow as needed", like=A_NUMBER
    )
    proxy_headers_hash_max_size = accepted(EVERYWHERE, "the tables grow as needed", like=A_NUMBER)
    proxy_http_version = slot(
        "1.1",
        _http_version,
        EVERYWHERE,
        "Sets the HTTP version of requests to the upstream. Keep-alive connections require 1.1 or "
        "2. With 2, the upstream must speak HTTP/2 at once: over TLS it is offered with ALPN, "
        'without TLS it is assumed. "Host" is sent as ":authority". '
        "Connections are not upgraded.",
        syntax="1.0 | 1.1 | 2",
    )
    proxy_method = template(
        None,
        EVERYWHERE,
        "Sets the method of requests to the upstream instead of the client's. The value can "
        "contain variables.",
    )
    proxy_pass_trailers = flag(False, EVERYWHERE, "Passes trailers of the response to the client.")
    proxy_send_lowat = accepted(EVERYWHERE, "the kernel decides", like=A_SIZE)
    proxy_set_body = template(
        None,
        EVERYWHERE,
        "Sets the body of requests to the upstream instead of the client's. The value can "
        "contain variables.",
    )

    bound_below = frozenset({"set_headers", "proxy_set_body"})
    set_by = "set_header"
    default_key = True
    schemes = SCHEMES
    set_headers: tuple[tuple[str, Template], ...] = ()
    redirects: tuple[RedirectRule, ...] | None = None
    cookie_domains: tuple[CookieRule, ...] = ()
    cookie_paths: tuple[CookieRule, ...] = ()
    cookie_flags: tuple[tuple[Template | Regex, tuple[Template, ...]], ...] = ()

    @directive(LOCATION | LOCATION_IF | LIMIT_EXCEPT, syntax="proxy_pass URL")
    def proxy_pass(self, url: str) -> None:
        """Sets the server that requests are passed to: a URL with http:// or https:// and an
        address, a host name or the name of an "upstream" block.  If the URL has a URI part, it
        replaces the location's part of the request URI; without one, the URI is passed as the
        client sent it.  With variables, the server is determined for each request; host names then
        need a "resolver"."""
        self.once("_target", "proxy_pass")
        text = Template(url)
        core = self.level[CoreConf]
        outer = self.level.outer[CoreConf]
        inner = bool(self.level.context & IN_LOCATION)
        name = outer if inner else core
        if not text.is_constant:
            self.pass_to(PassTarget(text, None, "", self.scope.statement, name.name))
            return
        scheme, address = split_scheme(url, SCHEMES)
        port = SCHEMES[scheme].port
        parsed = parse_upstream(address, default_port=port, uri_part=True, resolve=False)
        if parsed.uri and (inner or name.regex or name.is_named):
            raise ConfError(NO_URI)
        self.pass_to(PassTarget(text, parsed, scheme, self.scope.statement, name.name))

    @directive(EVERYWHERE, default="Host $proxy_host")
    def proxy_set_header(self, field: str, value: str) -> None:
        """Sets a header of requests to the upstream, or removes the client's if the value is empty.
        Inherited if and only if the level has none of its own: one header in a location loses all
        inherited ones.  By default, Host is $proxy_host and Connection is removed.  An empty Host
        is $proxy_host as well, unless "proxy_http_version" is 1.0.  Unlike in nginx, a line break
        in a value is an error (500)."""
        others = vars(self).get("set_headers", ())
        self.set_headers = (*others, (field, Template(value)))

    @directive(
        EVERYWHERE, default="default", syntax="proxy_redirect default | off | redirect replacement"
    )
    def proxy_redirect(self, redirect: str, replacement: str | None = None) -> None:
        """Replaces text in the Location and Refresh headers of the response.  "default" replaces
        the URL of "proxy_pass" with the location's prefix, so that redirects of the upstream stay
        in the location.  A text that starts with "~" is a regular expression, with "~*" in any
        case."""
        others: tuple[RedirectRule, ...] = vars(self).get("redirects") or ()
        if replacement is None:
            if redirect == "off":
                self.redirects = others
            elif redirect == "default":
                self._check_default_redirect()
                self.redirects = (*others, RedirectRule(None, None))
            else:
                raise ConfError(f'invalid parameter "{redirect}"')
            return
        self.redirects = (*others, RedirectRule(self._pattern(redirect), Template(replacement)))

    def _check_default_redirect(self) -> None:
        target = self._target
        if target is None:
            raise ConfError(
                '"proxy_redirect default" should be placed after the "proxy_pass" directive'
            )
        if target.url is None:
            raise ConfError(
                '"proxy_redirect default" cannot be used with "proxy_pass" directive with variables'
            )

    @directive(EVERYWHERE, default="off", syntax="proxy_cookie_domain off | domain replacement")
    def proxy_cookie_domain(self, domain: str, replacement: str | None = None) -> None:
        """Replaces the domain attribute in Set-Cookie headers of the response.  A domain that
        starts with "~" is a regular expression, in any case.  The first matching rule applies."""
        if self._is_off("proxy_cookie_domain", "cookie_domains", domain, alone=replacement is None):
            self.cookie_domains = ()
            return
        pattern = self._pattern(domain, caseless=True)
        text = replacement or ""
        if not isinstance(pattern, Regex):
            pattern, text = Template(domain.removeprefix(".")), text.removeprefix(".")
        others = vars(self).get("cookie_domains", ())
        self.cookie_domains = (*others, CookieRule(pattern, Template(text)))

    @directive(EVERYWHERE, default="off", syntax="proxy_cookie_path off | path replacement")
    def proxy_cookie_path(self, path: str, replacement: str | None = None) -> None:
        """Replaces the path attribute in Set-Cookie headers of the response.  A path that starts
        with "~" is a regular expression, with "~*" in any case.  The first matching rule applies.
        """
        if self._is_off("proxy_cookie_path", "cookie_paths", path, alone=replacement is None):
            self.cookie_paths = ()
            return
        others = vars(self).get("cookie_paths", ())
        rule = CookieRule(self._pattern(path), Template(replacement or ""))
        self.cookie_paths = (*others, rule)

    @directive(
        EVERYWHERE,
        default="off",
        arity=(1, 4),
        syntax="proxy_cookie_flags off | cookie [flag ...]",
    )
    def proxy_cookie_flags(self, cookie: str, *flags: str) -> None:
        """Changes the flags of cookies in the response: secure, httponly, samesite=strict,
        samesite=lax and samesite=none add a flag, nosecure, nohttponly and nosamesite remove it.  A
        cookie name that starts with "~" is a regular expression, in any case."""
        if self._is_off("proxy_cookie_flags", "cookie_flags", cookie, alone=not flags):
            self.cookie_flags = ()
            return
        others = vars(self).get("cookie_flags", ())
        words = tuple(Template(flag) for flag in flags)
        self.cookie_flags = (*others, (self._pattern(cookie, caseless=True), words))

    def _is_off(self, directive: str, name: str, word: str, *, alone: bool) -> bool:
        """Whether a cookie directive is "off", which admits no other on this level."""
        if alone and word != "off":
            raise ConfError(f'invalid parameter "{word}"')
        others = vars(self).get(name)
        if others == () or (alone and others):
            raise ConfError(f'"{directive}" directive is duplicate')
        return alone

    def _pattern(self, text: str, *, caseless: bool = False) -> Template | Regex:
        """ "~re" and "~*re" are regular expressions, everything else is text with variables.

        Where matching is `caseless` anyway a star has no special meaning."""
        if not text.startswith("~"):
            return Template(text)
        if caseless:
            regex = Regex(text[1:], caseless=True)
        else:
            starred = text.startswith("~*")
            regex = Regex(text[2 if starred else 1 :], caseless=starred)
        for captured in regex.names:
            self.level.variables.define_stored(captured)
        return regex

    @property
    def fields(self) -> Iterable[SentHeader]:
        """Those of proxy_set_header."""
        return (SentHeader(name.lower(), name, value) for name, value in self.set_headers)

    @property
    def sent(self) -> Iterable[Template | None]:
        """The method, the body and the values of fields."""
        return self.proxy_method, self.proxy_set_body, *(value for _, value in self.set_headers)

    @property
    def cache_convert_head(self) -> bool:  # type: ignore[override]
        """Whether a GET fetches what HEAD asks for."""
        return self.proxy_cache_convert_head

    @property
    def pass_trailers(self) -> bool:  # type: ignore[override]
        """Whether trailers of the response go on to the client."""
        return self.proxy_pass_trailers
