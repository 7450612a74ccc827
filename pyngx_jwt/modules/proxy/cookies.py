"""Set-Cookie fields rewritten: domain, path and flags (ngx_http_proxy_rewrite_cookie)."""

from __future__ import annotations

from collections.abc import Callable

from ...http.level import Level
from ...http.regex import Regex
from ...http.request import Request
from ...http.template import Template
from .conf import CookieRule, ProxyConf

Attributes = list[tuple[str, str]]  # as written; a flag has no "=" and an empty value
Change = Callable[[Request, str], "str | None"]
Copy = Callable[[Request, str, str], None]


def compile_cookies(conf: ProxyConf, level: Level) -> Copy:
    """A function that adds a Set-Cookie field to the response."""
    domains = [_compile_rule(rule, level, domain=True) for rule in conf.cookie_domains]
    paths = [_compile_rule(rule, level, domain=False) for rule in conf.cookie_paths]
    flags = [_compile_flags(pattern, words, level) for pattern, words in conf.cookie_flags]
    if not (domains or paths or flags):
        return lambda r, name, value: r.add_header(name, value)

    def copy(r: Request, name: str, value: str) -> None:
        attributes = _split(value)
        attributes = _replace(r, attributes, "domain", domains)
        attributes = _replace(r, attributes, "path", paths)
        for change in flags:
            changed = change(r, attributes)
            if changed is not None:
                attributes = changed
                break
        r.add_header(
            name, "; ".join(f"{k}={v}" if k[-1:] != "\0" else k[:-1] for k, v in attributes)
        )

    return copy


def _split(value: str) -> Attributes:
    """Cookie and attributes; the key of one without "=" is marked with a final NUL."""
    found: Attributes = []
    for part in value.split(";"):
        key, sign, text = part.strip(" ").partition("=")
        if key or sign:
            found.append((key, text) if sign else (key + "\0", ""))
    return found


def _replace(r: Request, attributes: Attributes, key: str, changes: list[Change]) -> Attributes:
    if not changes:
        return attributes
    found = attributes[:1]
    for name, value in attributes[1:]:
        if name.lower() == key:
            value = next((c for change in changes if (c := change(r, value)) is not None), value)
        found.append((name, value))
    return found


def _compile_rule(rule: CookieRule, level: Level, *, domain: bool) -> Change:
    replacement = rule.replacement.bind(level.variables)
    if isinstance(rule.pattern, Regex):
        regex = rule.pattern
        return lambda r, value: replacement(r) if regex.match(r, value) else None
    pattern = rule.pattern.bind(level.variables)

    def change_domain(r: Request, value: str) -> str | None:
        dot = "." if value.startswith(".") else ""
        if value[len(dot) :].lower() != pattern(r).lower():
            return None
        return replacement(r)

    def change_path(r: Request, value: str) -> str | None:
        start = pattern(r)
        return replacement(r) + value[len(start) :] if value.startswith(start) else None

    return change_domain if domain else change_path


def _compile_flags(
    pattern: Template | Regex, words: tuple[str, ...], level: Level
) -> Callable[[Request, Attributes], Attributes | None]:
    texts = [Template(word).bind(level.variables) for word in words]
    name = None if isinstance(pattern, Regex) else pattern.bind(level.variables)

    def change(r: Request, attributes: Attributes) -> Attributes | None:
        cookie = attributes[0][0]
        if isinstance(pattern, Regex):
            if not pattern.match(r, cookie):
                return None
        elif name is None or name(r) != cookie:
            return None
        for text in texts:
            attributes = _with_flag(attributes, text(r))
        return attributes

    return change


def _with_flag(attributes: Attributes, flag: str) -> Attributes:
    low = flag.lower()
    without = low.removeprefix("no") if low.startswith("no") else low.partition("=")[0]
    kept = attributes[:1] + [(k, v) for k, v in attributes[1:] if k.rstrip("\0").lower() != without]
    if low.startswith("no"):
        return kept
    shown = {"secure": "Secure", "httponly": "HttpOnly"}
    if low in shown:
        return [*kept, (shown[low] + "\0", "")]
    return [*kept, ("SameSite", low.partition("=")[2].capitalize())]
