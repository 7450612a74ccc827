"""Set-Cookie fields rewritten: domain, path and flags (ngx_http_proxy_rewrite_cookie)."""

from __future__ import annotations

from collections.abc import Callable

from ...http.level import Level
from ...http.regex import Regex
from ...http.request import Request
from ...http.template import Template
from .conf import CookieRule, ProxyConf

Attribute = tuple[str, "str | None"]  # as written; a flag has no value
Attributes = list[Attribute]  # the first one is the cookie itself
Change = Callable[[Request, str], "str | None"]
ChangeFlags = Callable[[Request, Attributes], "Attributes | None"]
Copy = Callable[[Request, str, str], None]

# The words of proxy_cookie_flags, those that win before those that lose: the attribute they
# are about and what replaces it.
_FLAGS: dict[str, tuple[str, Attribute | None]] = {
    "secure": ("secure", ("Secure", None)),
    "nosecure": ("secure", None),
    "httponly": ("httponly", ("HttpOnly", None)),
    "nohttponly": ("httponly", None),
    "samesite=strict": ("samesite", ("SameSite", "Strict")),
    "samesite=lax": ("samesite", ("SameSite", "Lax")),
    "samesite=none": ("samesite", ("SameSite", "None")),
    "nosamesite": ("samesite", None),
}


def compile_cookies(conf: ProxyConf, level: Level) -> Copy:
    """A function that adds a Set-Cookie field to the response."""
    changes = {
        "domain": [_compile_rule(rule, level, domain=True) for rule in conf.cookie_domains],
        "path": [_compile_rule(rule, level, domain=False) for rule in conf.cookie_paths],
    }
    flags = [_compile_flags(pattern, words, level) for pattern, words in conf.cookie_flags]
    if not (conf.cookie_domains or conf.cookie_paths or flags):
        return lambda r, name, value: r.add_header(name, value)

    def copy(r: Request, name: str, value: str) -> None:
        attributes = _split(value)
        if attributes[0][1] is not None:
            changed = _replace(r, attributes, changes)
            for change in flags:
                flagged = change(r, attributes)
                if flagged is not None:
                    changed, attributes = changed or flagged != attributes, flagged
                    break
            if changed:
                value = _join(attributes)
        r.add_header(name, value)

    return copy


def _split(value: str) -> Attributes:
    attributes: Attributes = []
    for part in value.split(";"):
        key, sign, text = part.partition("=")
        attributes.append((key.strip(" "), text.strip(" ") if sign else None))
    return attributes


def _join(attributes: Attributes) -> str:
    return "; ".join(key if value is None else f"{key}={value}" for key, value in attributes)


def _replace(r: Request, attributes: Attributes, changes: dict[str, list[Change]]) -> bool:
    """Applies the first rule that matches to each domain and path; whether one did."""
    changed = False
    for at, (key, value) in enumerate(attributes):
        rules = changes.get(key.lower(), ()) if at else ()
        for rule in rules:
            new = rule(r, value) if value is not None else None
            if new is not None:
                attributes[at] = (key, new)
                changed = True
                break
    return changed


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
        return dot + replacement(r)

    def change_path(r: Request, value: str) -> str | None:
        start = pattern(r)
        return replacement(r) + value[len(start) :] if value.startswith(start) else None

    return change_domain if domain else change_path


def _compile_flags(
    pattern: Template | Regex, words: tuple[Template, ...], level: Level
) -> ChangeFlags:
    texts = [word.bind(level.variables) for word in words]
    name = None if isinstance(pattern, Regex) else pattern.bind(level.variables)

    def change(r: Request, attributes: Attributes) -> Attributes | None:
        cookie = attributes[0][0]
        if isinstance(pattern, Regex):
            if not pattern.match(r, cookie):
                return None
        elif name is None or name(r).lower() != cookie.lower():
            return None
        return _with_flags(attributes, {text(r).lower() for text in texts})

    return change


def _with_flags(attributes: Attributes, words: set[str]) -> Attributes:
    """Words that are not flags are ignored."""
    wanted: dict[str, Attribute | None] = {}
    for word, (key, attribute) in _FLAGS.items():
        if word in words:
            wanted.setdefault(key, attribute)
    kept = attributes[:1]
    for attribute in attributes[1:]:
        key = attribute[0].lower()
        if key not in wanted:
            kept.append(attribute)
            continue
        new = wanted[key]
        if new is not None:
            kept.append(attribute if _same_value(attribute, new) else new)
            del wanted[key]
    return kept + [attribute for attribute in wanted.values() if attribute is not None]


def _same_value(attribute: Attribute, new: Attribute) -> bool:
    """Whether an attribute can stay as it was written; one without a value always can."""
    return new[1] is None or (attribute[1] or "").lower() == new[1].lower()
