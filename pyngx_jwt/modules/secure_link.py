"""Checks links that are signed and have an expiry time."""

from __future__ import annotations

import hashlib
import hmac
import string
import time

from ..conf.directive import Conf, directive
from ..conf.values import parse_number
from ..errors import ConfError
from ..http.basic import decode_base64url
from ..http.contexts import EVERYWHERE, LOCATION
from ..http.level import Level
from ..http.module import Module
from ..http.request import Request
from ..http.template import Template, Text, template

EXPIRES = "secure_link_expires"
HASH_LENGTH, LONGEST = 16, 24  # bytes of the hash, characters of it in a link
SECRET_HASH = 32  # hexadecimal digits


class SecureLinkConf(Conf):
    is_inherited_whole = True  # a block without any of the directives merges nothing

    secure_link = template(
        None,
        EVERYWHERE,
        "Sets where the hash of a link is, with the time at which the link expires after a comma. "
        'The link is valid if the hash is that of "secure_link_md5"; see $secure_link. The '
        "module rejects nothing by itself.",
        syntax="expression",
    )
    secure_link_md5 = template(
        None,
        EVERYWHERE,
        "Sets the text whose MD5 hash, as URL-safe Base64, a link must contain. It should contain "
        "the link, a secret, and possibly the client address.",
        syntax="expression",
    )
    secret = ""
    bound: tuple[Text, Text] | None = None

    @directive(LOCATION)
    def secure_link_secret(self, word: str) -> None:
        """Sets the secret of links in the form "/prefix/hash/link", where the hash is the MD5 hash
        of the link and the secret in hexadecimal.  $secure_link is then the link."""
        self.once("secret", "secure_link_secret")
        self.secret = word

    def merge(self, outer: SecureLinkConf) -> None:
        """Both forms exclude each other."""
        if self.secret:
            if self.is_set("secure_link") or self.is_set("secure_link_md5"):
                others = '"secure_link" and "secure_link_md5"'
                raise ConfError(f'"secure_link_secret" cannot be mixed with {others}')
            return
        newer = self.is_set("secure_link") or self.is_set("secure_link_md5")
        super().merge(outer)
        if newer or self.secure_link or self.secure_link_md5:
            self.secret = ""


secure_link = Module("secure_link", SecureLinkConf)


@secure_link.after_merge
def bind_texts(conf: SecureLinkConf, level: Level) -> None:
    link, text = conf.secure_link, conf.secure_link_md5
    conf.bound = None
    if isinstance(link, Template) and isinstance(text, Template):
        conf.bound = link.bind(level.variables), text.bind(level.variables)


@secure_link.variable("secure_link")
def secure_link_(r: Request) -> str | None:
    """ "1" if the link is valid, "0" if it has expired, otherwise empty.  With
    "secure_link_secret", the link without its hash."""
    conf: SecureLinkConf = r.location.conf(SecureLinkConf)
    if conf.secret:
        return _link_with_secret(r, conf.secret)
    if conf.bound is None:
        return None
    link, text = conf.bound
    hashed, comma, expires = link(r).partition(",")
    moment = _seconds(expires) if comma else None
    if comma:
        if not moment:
            return None
        r.contexts[EXPIRES] = expires
    decoded = decode_base64url(hashed) if len(hashed) <= LONGEST else None
    if decoded is None or len(decoded) != HASH_LENGTH:
        return None
    expected = hashlib.md5(text(r).encode("latin-1")).digest()
    if not hmac.compare_digest(decoded.encode("latin-1"), expected):
        return None
    return "0" if moment and moment < time.time() else "1"


def _seconds(text: str) -> int | None:
    try:
        return parse_number(text)
    except ValueError:
        return None


def _link_with_secret(r: Request, secret: str) -> str | None:
    parts = r.unparsed_uri[1:].split("/", 2)
    if len(parts) < 3 or len(parts[1]) != SECRET_HASH or not parts[2]:
        return None
    if parts[1].strip(string.hexdigits):
        return None
    expected = hashlib.md5((parts[2] + secret).encode("latin-1")).digest()
    return parts[2] if hmac.compare_digest(bytes.fromhex(parts[1]), expected) else None


@secure_link.variable("secure_link_expires")
def secure_link_expires(r: Request) -> str | None:
    """The time at which the link expires, once $secure_link has been used."""
    value: str | None = r.contexts.get(EXPIRES)
    return value
