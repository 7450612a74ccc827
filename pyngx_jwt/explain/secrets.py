"""Credentials in the output: explanations are pasted into tickets and chats."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from ..http.request import Request
from .lines import shown

SHORTEST = 8  # characters of a token that is looked for: a shorter one could be any word
CARRIERS = ("authorization", "proxy-authorization")
_JWT = re.compile(r"(?<![\w-])eyJ[\w-]+\.[\w-]*\.[\w-]*(?:\.[\w-]*\.[\w-]*)?")
_CREDENTIALS = re.compile(r"(?<=authorization: )(\w+ )([^\s\"\\]+)", re.I)


def digest_of(secret: str) -> str:
    """What stands for a token or password: the same for the same one."""
    digest = hashlib.sha256(secret.encode("latin-1", "replace")).hexdigest()[:8]
    return f"sha256:{digest}"


def without_secrets(text: str, r: Request, tokens: Iterable[str]) -> str:
    """A text in which digests stand for tokens, for all that looks like one, and for the
    credentials of the request and of header lines."""
    found = {*tokens, *(r.index.get(name, "").rpartition(" ")[2] for name in CARRIERS)}
    for token in sorted((t for t in found if len(t) >= SHORTEST), key=len, reverse=True):
        whole = rf"(?<![\w.+/-]){re.escape(shown(token))}(?![\w.+/-])"
        text = re.sub(whole, digest_of(token), text)
    text = _JWT.sub(lambda match: digest_of(match[0]), text)
    return _CREDENTIALS.sub(_hidden, text)


def _hidden(match: re.Match[str]) -> str:
    secret = match[2]
    return match[1] + (secret if secret.startswith("sha256:") else digest_of(secret))
