"""The directives of proxying."""

from __future__ import annotations

from typing import NamedTuple

from ...conf.directive import (
    A_NUMBER,
    A_SIZE,
    EVERYWHERE,
    LIMIT_EXCEPT,
    LOCATION,
    LOCATION_IF,
    Conf,
    accepted,
    bitmask,
    buffers,
    directive,
    flag,
    number,
    offset,
    size,
    slot,
    string,
    time,
)
from ...conf.parse import Statement
from ...conf.values import parse_size
from ...errors import ConfError
from ...http.regex import Regex
from ...http.template import Template, template
from ...upstream.address import Url, parse_local, parse_upstream
from ..core import CoreConf

NEXT = (
    "error",
    "timeout",
    "denied",
    "invalid_header",
    "non_idempotent",
    "http_500",
    "http_502",
    "http_503",
    "http_504",
    "http_403",
    "http_404",
    "http_429",
    "off",
)
IGNORABLE = (
    "X-Accel-Redirect",
    "X-Accel-Expires",
    "X-Accel-Limit-Rate",
    "X-Accel-Buffering",
    "X-Accel-Charset",
    "Expires",
    "Cache-Control",
    "Set-Cookie",
    "Vary",
)
NO_URI = (
    '"proxy_pass" cannot have URI part in location given by regular expression, '
    'or inside named location, or inside "if" statement, or inside "limit_except" block'
)
PAGE = 4096  # bytes: nginx takes the memory page of x86
SOCKETS = "the kernel's sizes are used"


class Target(NamedTuple):
    """What proxy_pass names: `url` is None where variables decide per request."""

    text: Template
    url: Url | None
    scheme: str
    statement: Statement | None
    location: str  # the part of the URI that the target's URI replaces


class Redirect(NamedTuple):
    """One proxy_redirect; without both it is "default"."""

    pattern: Template | Regex | None
    replacement: Template | None


class CookieRule(NamedTuple):
    """One proxy_cookie_domain or proxy_cookie_path."""

    pattern: Template | Regex
    replacement: Template


def _temp_path(name: str, path: str, *levels: str) -> str:
    if any(not level.isdigit() or int(level) == 0 for level in levels):
        raise ConfError(f'"{name}" directive invalid value')
    return path


def _rate(name: str, text: str) -> Template | None:
    template = Template(text)
    if template.is_constant:
        try:
            parse_size(text)
        except ValueError:
            raise ConfError(f'"{name}" directive invalid value') from None
    return template if text != "0" else None


def _bind(name: str, text: str, *options: str) -> Template | None:
    """An address, or text with variables; raises ConfError in nginx's words."""
    template = Template(text)
    for option in options:
        if option != "transparent":
            raise ConfError(f'invalid parameter "{option}"')
        raise ConfError("transparent proxying is not supported")
    if text == "off" or not template.is_constant:
        return None if text == "off" else template
    if parse_local(text) is None:
        raise ConfError(f'invalid address "{text}"')
    return template


def _http_version(name: str, text: str) -> str:
    if text not in ("1.0", "1.1"):
        if text == "2":
            raise ConfError('"proxy_http_version 2" is not supported')
        raise ConfError(f'invalid value "{text}"')
    return text


class ProxyConf(Conf):
    proxy_bind = slot(
        None,
        _bind,
        EVERYWHERE,
        "Makes connections to the upstream come from a local address.",
        syntax="address | off",
        shown="—",
        arity=(1, 2),
    )
    proxy_buffer_size = size(
        PAGE, EVERYWHERE, "Sets the largest response head that is accepted.", shown="4k|8k"
    )
    proxy_buffering = flag(True, EVERYWHERE, "Reads the response as fast as it comes.")
    proxy_buffers = buffers(
        (8, PAGE), EVERYWHERE, "Sets the buffers of a response.", shown="8 4k|8k"
    )
    proxy_busy_buffers_size = size(
        2 * PAGE, EVERYWHERE, "Limits what waits for the client.", shown="8k|16k"
    )
    proxy_connect_timeout = time(60, EVERYWHERE, "Limits the time of connecting.", shown="60s")
    proxy_force_ranges = flag(False, EVERYWHERE, "Enables byte ranges for all responses.")
    proxy_headers_hash_bucket_size = accepted(
        EVERYWHERE, "the tables grow as needed", like=A_NUMBER
    )
    proxy_headers_hash_max_size = accepted(EVERYWHERE, "the tables grow as needed", like=A_NUMBER)
    proxy_http_version = slot(
        "1.1",
        _http_version,
        EVERYWHERE,
        "Sets the HTTP version spoken to the upstream.",
        syntax="1.0 | 1.1",
    )
    proxy_ignore_client_abort = flag(
        False, EVERYWHERE, "Goes on with the upstream when the client has gone."
    )
    proxy_ignore_headers = bitmask(
        frozenset(), IGNORABLE, EVERYWHERE, "Takes no notice of fields of the response.", "—"
    )
    proxy_intercept_errors = flag(
        False, EVERYWHERE, "Lets error_page answer responses with codes from 300 on."
    )
    proxy_limit_rate = slot(
        None,
        _rate,
        EVERYWHERE,
        "Limits the rate of reading from the upstream, in bytes per second.",
        syntax="rate",
        shown="0",
    )
    proxy_max_temp_file_size = offset(
        1 << 30,
        EVERYWHERE,
        "Limits the temporary file of a response; 0 keeps to memory.",
        shown="1024m",
    )
    proxy_method = template(None, EVERYWHERE, "Sets the method of requests to the upstream.")
    proxy_next_upstream = bitmask(
        frozenset({"error", "timeout"}),
        NEXT,
        EVERYWHERE,
        "Tells when a request is passed to the next server.",
        "error timeout",
    )
    proxy_next_upstream_timeout = time(
        0, EVERYWHERE, "Limits the time in which a request can be passed on.", shown="0"
    )
    proxy_next_upstream_tries = number(
        0, EVERYWHERE, "Limits how often a request is passed on.", shown="0"
    )
    proxy_pass_request_body = flag(True, EVERYWHERE, "Passes the request body.")
    proxy_pass_request_headers = flag(True, EVERYWHERE, "Passes the fields of the request.")
    proxy_pass_trailers = flag(False, EVERYWHERE, "Passes trailer fields of the response.")
    proxy_read_timeout = time(60, EVERYWHERE, "Sets the time between two reads.", shown="60s")
    proxy_request_buffering = flag(True, EVERYWHERE, "Reads the whole request body first.")
    proxy_send_lowat = accepted(EVERYWHERE, "the kernel decides", like=A_SIZE)
    proxy_send_timeout = time(60, EVERYWHERE, "Sets the time between two writes.", shown="60s")
    proxy_set_body = template(None, EVERYWHERE, "Sets the body of requests to the upstream.")
    proxy_socket_keepalive = flag(False, EVERYWHERE, "Turns SO_KEEPALIVE on.")
    proxy_socket_rcvbuf = accepted(EVERYWHERE, SOCKETS, like=A_SIZE)
    proxy_socket_sndbuf = accepted(EVERYWHERE, SOCKETS, like=A_SIZE)
    proxy_ssl_certificate = template(None, EVERYWHERE, "Sets the client certificate file.")
    proxy_ssl_certificate_key = template(None, EVERYWHERE, "Sets the client certificate's key.")
    proxy_ssl_certificate_cache = accepted(EVERYWHERE, "certificates are loaded once", most=4)
    proxy_ssl_ciphers = string("DEFAULT", EVERYWHERE, "Sets the ciphers, in OpenSSL's format.")
    proxy_ssl_crl = string("", EVERYWHERE, "Sets a file with revoked certificates.", syntax="file")
    proxy_ssl_name = template(
        Template("$proxy_host"), EVERYWHERE, "Sets the name the certificate is checked for."
    )
    proxy_ssl_password_file = string(
        "", EVERYWHERE, "Sets a file with passphrases of keys.", syntax="file"
    )
    proxy_ssl_protocols = bitmask(
        frozenset({"TLSv1.2", "TLSv1.3"}),
        ("SSLv2", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"),
        EVERYWHERE,
        "Enables the protocols.",
        "TLSv1.2 TLSv1.3",
    )
    proxy_ssl_server_name = flag(False, EVERYWHERE, "Sends the name of the server (SNI).")
    proxy_ssl_session_reuse = flag(True, EVERYWHERE, "Reuses TLS sessions.")
    proxy_ssl_trusted_certificate = string(
        "", EVERYWHERE, "Sets the file with trusted CA certificates.", syntax="file"
    )
    proxy_ssl_verify = flag(False, EVERYWHERE, "Verifies the upstream's certificate.")
    proxy_ssl_verify_depth = number(1, EVERYWHERE, "Sets the depth of the certificate chain.")
    proxy_temp_file_write_size = size(
        2 * PAGE, EVERYWHERE, "Limits a write to a temporary file.", shown="8k|16k"
    )
    proxy_temp_path = slot(
        "proxy_temp",
        _temp_path,
        EVERYWHERE,
        "Sets the directory of temporary files.",
        syntax="path [level1 [level2 [level3]]]",
        arity=(1, 4),
    )

    bound_below = frozenset({"set_headers", "proxy_set_body"})
    target: Target | None = None
    set_headers: tuple[tuple[str, Template], ...] = ()
    hidden: tuple[str, ...] = ()
    passed: tuple[str, ...] = ()
    redirects: tuple[Redirect, ...] | None = None
    cookie_domains: tuple[CookieRule, ...] = ()
    cookie_paths: tuple[CookieRule, ...] = ()
    cookie_flags: tuple[tuple[Template | Regex, tuple[Template, ...]], ...] = ()
    _target: Target | None = None

    @directive(LOCATION | LOCATION_IF | LIMIT_EXCEPT, syntax="proxy_pass URL")
    def proxy_pass(self, url: str) -> None:
        """Sets the server requests are passed to: http:// or https://, an address, a name or an
        upstream, and optionally a URI that replaces the location's part of the request's."""
        self.once("_target", "proxy_pass")
        text = Template(url)
        core = self._level[CoreConf]
        outer = self._level.outer[CoreConf]
        inner = bool(self._level.context & (LOCATION_IF | LIMIT_EXCEPT))
        name = outer if inner else core
        if not text.is_constant:
            self._target = Target(text, None, "", self._scope.statement, name._name)
            return
        scheme, address = split_scheme(url)
        port = 443 if scheme == "https" else 80
        parsed = parse_upstream(address, default_port=port, uri_part=True, resolve=False)
        if parsed.uri and (inner or name._regex or name.is_named):
            raise ConfError(NO_URI)
        self._target = Target(text, parsed, scheme, self._scope.statement, name._name)

    @directive(EVERYWHERE, default="Host $proxy_host")
    def proxy_set_header(self, field: str, value: str) -> None:
        """Sets or appends a field of requests to the upstream; one with an empty value is not
        passed.  Inherited if and only if none is set on this level."""
        found = vars(self).get("set_headers", ())
        self.set_headers = (*found, (field, Template(value)))

    @directive(EVERYWHERE)
    def proxy_hide_header(self, field: str) -> None:
        """Keeps a field of the response from the client."""
        self.hidden = (*vars(self).get("hidden", ()), field.lower())

    @directive(EVERYWHERE)
    def proxy_pass_header(self, field: str) -> None:
        """Passes a field of the response that is otherwise hidden."""
        self.passed = (*vars(self).get("passed", ()), field.lower())

    @directive(
        EVERYWHERE, default="default", syntax="proxy_redirect default | off | redirect replacement"
    )
    def proxy_redirect(self, redirect: str, replacement: str | None = None) -> None:
        """Rewrites Location and Refresh fields of the response."""
        found: tuple[Redirect, ...] = vars(self).get("redirects") or ()
        if replacement is None:
            if redirect == "off":
                self.redirects = found
            elif redirect == "default":
                self._check_default_redirect()
                self.redirects = (*found, Redirect(None, None))
            else:
                raise ConfError(f'invalid parameter "{redirect}"')
            return
        self.redirects = (*found, Redirect(self._pattern(redirect), Template(replacement)))

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
        """Changes the domain attribute of Set-Cookie fields; "~" before the domain makes it a
        regular expression, in any case."""
        if self._is_off("proxy_cookie_domain", "cookie_domains", domain, alone=replacement is None):
            self.cookie_domains = ()
            return
        pattern = self._pattern(domain, caseless=True)
        text = replacement or ""
        if not isinstance(pattern, Regex):
            pattern, text = Template(domain.removeprefix(".")), text.removeprefix(".")
        found = vars(self).get("cookie_domains", ())
        self.cookie_domains = (*found, CookieRule(pattern, Template(text)))

    @directive(EVERYWHERE, default="off", syntax="proxy_cookie_path off | path replacement")
    def proxy_cookie_path(self, path: str, replacement: str | None = None) -> None:
        """Changes the path attribute of Set-Cookie fields; "~" and "~*" before the path make it
        a regular expression."""
        if self._is_off("proxy_cookie_path", "cookie_paths", path, alone=replacement is None):
            self.cookie_paths = ()
            return
        found = vars(self).get("cookie_paths", ())
        rule = CookieRule(self._pattern(path), Template(replacement or ""))
        self.cookie_paths = (*found, rule)

    @directive(
        EVERYWHERE,
        default="off",
        arity=(1, 4),
        syntax="proxy_cookie_flags off | cookie [flag ...]",
    )
    def proxy_cookie_flags(self, cookie: str, *flags: str) -> None:
        """Sets flags of cookies: secure, httponly, samesite=strict, samesite=lax, samesite=none,
        and removes them: nosecure, nohttponly, nosamesite; "~" before the cookie's name makes it
        a regular expression, in any case."""
        if self._is_off("proxy_cookie_flags", "cookie_flags", cookie, alone=not flags):
            self.cookie_flags = ()
            return
        found = vars(self).get("cookie_flags", ())
        words = tuple(Template(flag) for flag in flags)
        self.cookie_flags = (*found, (self._pattern(cookie, caseless=True), words))

    def _is_off(self, directive: str, name: str, word: str, *, alone: bool) -> bool:
        """Whether a cookie directive is "off", which admits no other on this level."""
        if alone and word != "off":
            raise ConfError(f'invalid parameter "{word}"')
        found = vars(self).get(name)
        if found == () or (alone and found):
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
            self._level.variables.define_stored(captured)
        return regex

    def merge(self, outer: ProxyConf) -> None:
        """proxy_pass itself is taken over by "if" and "limit_except" blocks only."""
        super().merge(outer)
        if self._target is None and self._level.context & (LOCATION_IF | LIMIT_EXCEPT):
            self._target = outer._target


def check_buffers(conf: ProxyConf) -> None:
    """What ngx_http_proxy_merge_loc_conf says of buffers that do not fit together."""
    count, length = conf.proxy_buffers
    if count < 2:
        raise ConfError('there must be at least 2 "proxy_buffers"')
    most = max(conf.proxy_buffer_size, length)
    told = 'the maximum of the value of "proxy_buffer_size" and one of the "proxy_buffers"'
    busy = conf.proxy_busy_buffers_size if conf.is_set("proxy_busy_buffers_size") else 2 * most
    if busy < most:
        raise ConfError(f'"proxy_busy_buffers_size" must be equal to or greater than {told}')
    if busy > (count - 1) * length:
        raise ConfError(
            '"proxy_busy_buffers_size" must be less than the size of all "proxy_buffers" '
            "minus one buffer"
        )
    if conf.is_set("proxy_temp_file_write_size") and conf.proxy_temp_file_write_size < most:
        raise ConfError(f'"proxy_temp_file_write_size" must be equal to or greater than {told}')
    if 0 < conf.proxy_max_temp_file_size < most:
        raise ConfError(
            '"proxy_max_temp_file_size" must be equal to zero to disable temporary files usage '
            f"or must be equal to or greater than {told}"
        )


def split_scheme(url: str) -> tuple[str, str]:
    """The scheme of a proxied URL and what follows; raises nginx's error."""
    low = url[:8].lower()
    if low.startswith("http://"):
        return "http", url[7:]
    if low == "https://":
        return "https", url[8:]
    raise ConfError("invalid URL prefix")
