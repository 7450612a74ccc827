"""A public regular expression location gets requests that are meant for a protected prefix.

Regular expressions take precedence over plain prefixes: with "location ~ \\.json$" next to a
protected "location /admin/", /admin/users.json requires no token.  Use "location ^~ /admin/",
which takes precedence over regular expressions, or require tokens in both.

Bad:

    location /admin/ {
        auth_jwt "admin";
        auth_jwt_key_file keys/jwks.json;
        proxy_pass http://127.0.0.1:9000;
    }
    location ~ \\.json$ { proxy_pass http://127.0.0.1:9000; }

Good:

    location ^~ /admin/ {
        auth_jwt "admin";
        auth_jwt_key_file keys/jwks.json;
        proxy_pass http://127.0.0.1:9000;
    }
    location ~ \\.json$ { proxy_pass http://127.0.0.1:9000; }
"""

from __future__ import annotations

from collections.abc import Iterator

from ...http.regex import Regex, RegexFailed
from ...modules.core import CoreConf
from ..finding import Severity
from ..flow.doors import contents_of, is_open
from ..flow.samples import head, sample
from ..model.block import Block
from ..model.probe import location_of
from ..rule import Hit, Rule

rule = Rule("J32", "regex-shadows-protected-prefix", Severity.ERROR, missing=True)


@rule.each_server
def check(server: Block) -> Iterator[Hit]:
    locations = [block for block in server.walk() if block.is_location]
    guarded = [(block, contents_of(block)) for block in locations if _is_guarded_prefix(block)]
    if not guarded:
        return
    for block in locations:
        if block[CoreConf].regex is None or not is_open(block):
            continue
        contents = contents_of(block)
        same = [other for other, others in guarded if contents & others]
        rest = [other for other, others in guarded if not contents & others]
        yield from _first(block, same, Severity.ERROR) or _first(block, rest, Severity.INFO)


def _is_guarded_prefix(block: Block) -> bool:
    core = block[CoreConf]
    return core.modifier == "" and not core.is_named and block.auth.wanted and core.name != "/"


def _first(block: Block, guarded: list[Block], severity: Severity) -> list[Hit]:
    """What is found with the first prefix of which the expression takes URIs."""
    begins = head(_regex(block).text).lower()
    for other in guarded:
        prefix = other[CoreConf].name
        low = prefix.lower()
        if not (low.startswith(begins) or begins.startswith(low)):
            continue
        if uri := _taken(block, prefix):
            related = ((other.statement, "a token is required here"),)
            text = f"{uri} reaches {block}, which requires no token, instead of {other}"
            hint = f"use location ^~ {prefix}"
            return [Hit(block.statement, text, hint, related, severity=severity)]
    return []


def _taken(block: Block, prefix: str) -> str:
    """A URI of the prefix that the expression takes, "" if none is found."""
    regex = _regex(block)
    anything, inside = sample(regex.text), prefix.strip("/")
    fillings = (f"{prefix[1:]}x", f"{prefix}x", inside)
    tried = (
        f"{prefix}x{anything}",
        f"{prefix}{anything}",
        *(sample(regex.text, f) for f in fillings),
    )
    for uri in tried:
        matches = uri.startswith(prefix) and _matches(regex, uri)
        if matches and location_of(block.server, uri) is block:
            return uri
    return ""


def _regex(block: Block) -> Regex:
    regex = block[CoreConf].regex
    assert regex is not None
    return regex


def _matches(regex: Regex, uri: str) -> bool:
    try:
        return regex.test(uri)
    except RegexFailed:
        return False
