"""Location and Refresh fields rewritten (ngx_http_proxy_rewrite_redirect)."""

from __future__ import annotations

from collections.abc import Callable

from ...gateway.answer import Copy
from ...http.level import Level
from ...http.regex import Regex
from ...http.request import Request
from ...http.template import Template, Text
from .conf import ProxyConf, RedirectRule

Rewrite = Callable[[Request, str, int], "str | None"]


def compile_redirects(conf: ProxyConf, level: Level) -> dict[str, Copy]:
    """How the fields that proxy_redirect is about are copied."""
    rewrite = _compile_rules(conf, level)
    return {"location": _copy_location(rewrite), "refresh": _copy_refresh(rewrite)}


def _copy_location(rewrite: Rewrite | None) -> Copy:
    def copy(r: Request, name: str, value: str) -> None:
        changed = rewrite(r, value, 0) if rewrite else None
        if changed is not None:
            r.location_out = changed
        else:
            r.add_header(name, value)

    return copy


def _copy_refresh(rewrite: Rewrite | None) -> Copy:
    def copy(r: Request, name: str, value: str) -> None:
        at = value.lower().find("url=")
        changed = rewrite(r, value, at + 4) if rewrite and at >= 0 else None
        r.add_header(name, value if changed is None else changed)

    return copy


def _compile_rules(conf: ProxyConf, level: Level) -> Rewrite | None:
    """A function that rewrites a Location, None where proxy_redirect is off."""
    redirects = (RedirectRule(None, None),) if conf.redirects is None else conf.redirects
    rules = [rule for redirect in redirects if (rule := _compile_rule(redirect, conf, level))]
    if not rules:
        return None

    def rewrite(r: Request, value: str, prefix: int) -> str | None:
        for rule in rules:
            changed = rule(r, value, prefix)
            if changed is not None:
                return changed
        return None

    return rewrite


def _compile_rule(redirect: RedirectRule, conf: ProxyConf, level: Level) -> Rewrite | None:
    if redirect.pattern is None or redirect.replacement is None:
        return _default_rule(conf)
    replacement = redirect.replacement.bind(level.variables)
    if isinstance(redirect.pattern, Regex):
        return _regex_rule(redirect.pattern, replacement)
    return _text_rule(redirect.pattern.bind(level.variables), replacement)


def _default_rule(conf: ProxyConf) -> Rewrite | None:
    target = conf.target
    if target is None or target.url is None:
        return None
    if target.url.uri:
        url, location = target.text.text, target.location
    else:
        url, location = f"{target.text.text}/", "/"
    return _text_rule(Template(url).bind_constant(), Template(location).bind_constant())


def _text_rule(pattern: Text, replacement: Text) -> Rewrite:
    def rewrite(r: Request, value: str, prefix: int) -> str | None:
        start = pattern(r)
        if not value.startswith(start, prefix):
            return None
        return value[:prefix] + replacement(r) + value[prefix + len(start) :]

    return rewrite


def _regex_rule(pattern: Regex, replacement: Text) -> Rewrite:
    def rewrite(r: Request, value: str, prefix: int) -> str | None:
        if not pattern.match(r, value[prefix:]):
            return None
        return value[:prefix] + replacement(r)

    return rewrite
