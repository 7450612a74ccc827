"""A server accepts TLS versions or ciphers that are broken.

SSLv3, TLS 1.0 and TLS 1.1 are deprecated (RFC 7568, RFC 8996); ciphers without encryption or
authentication, RC4, DES and export ciphers protect nothing.  The default of nginx is TLS 1.2 and
1.3.

Bad:

    server {
        listen 127.0.0.1:8443 ssl;
        ssl_certificate keys/ca.pem;
        ssl_certificate_key keys/ca.key;
        ssl_protocols TLSv1 TLSv1.1 TLSv1.2;
    }

Bad:

    server {
        listen 127.0.0.1:8443 ssl;
        ssl_certificate keys/ca.pem;
        ssl_certificate_key keys/ca.key;
        ssl_ciphers ALL:RC4+RSA:+HIGH;
    }

Bad:

    stream {
        server {
            listen 127.0.0.1:8883 ssl;
            ssl_certificate keys/ca.pem;
            ssl_certificate_key keys/ca.key;
            ssl_protocols TLSv1.1 TLSv1.2;
            proxy_pass 127.0.0.1:1883;
        }
    }

Good:

    server {
        listen 127.0.0.1:8443 ssl;
        ssl_certificate keys/ca.pem;
        ssl_certificate_key keys/ca.key;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_ciphers HIGH:!aNULL:!MD5;
    }
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...modules.core import CoreConf
from ...modules.ssl import SslConf
from ..finding import Severity
from ..model.block import Block
from ..model.configuration import Configuration
from ..model.said import Said
from ..rule import Hit, Rule

rule = Rule("G11", "weak-tls", Severity.WARN)
OLD = ("SSLv2", "SSLv3", "TLSv1", "TLSv1.1")
WEAK = re.compile(
    r"(?:^|[-+])(?:RC4|DES|3DES|eNULL|aNULL|NULL|EXP|EXPORT\d*|LOW|MD5|ADH|AECDH|COMPLEMENTOFALL"
    r"|DES-CBC3?)(?:$|[-+])"
)


@rule.each_server
def check(block: Block) -> Iterator[Hit]:
    if any(listen.ssl for listen in block[CoreConf].listens):
        yield from _check(block)


@rule.whole
def check_stream(conf: Configuration) -> Iterator[Hit]:
    for block in conf.stream_servers:
        if any(listen.ssl for listen in block.listens):
            yield from _check(block)


def _check(block: Said) -> Iterator[Hit]:
    conf = block[SslConf]
    old = [name for name in OLD if name in conf.ssl_protocols]
    if old:
        statement = block.set_by("ssl_protocols")
        yield Hit(
            statement,
            f"{', '.join(old)} {'are' if len(old) > 1 else 'is'} enabled",
            "TLSv1.2 TLSv1.3",
            word=1 + statement.args.index(old[0]) if old[0] in statement.args else None,
        )
    if weak := weak_ciphers(conf.ssl_ciphers):
        yield Hit(block.set_by("ssl_ciphers"), f'"{weak[0]}" is an accepted cipher', "remove it")


def weak_ciphers(text: str) -> list[str]:
    """The words of a list of ciphers that add broken ones, and are not taken away for ever."""
    words = [word for word in re.split(r"[: ,]+", text) if word]
    killed = {word[1:] for word in words if word.startswith("!")}
    return [
        word
        for word in words
        if word[0] not in "!-+@" and WEAK.search(word) and not _is_killed(word, killed)
    ]


def _is_killed(word: str, killed: set[str]) -> bool:
    return word in killed or bool(killed & {*re.split(r"[-+]", word)})
