"""A location for subrequests requires a token, which nginx does not check in subrequests.

Access is checked once, for the client's request.  In a location that is used by "auth_request",
"mirror", "add_before_body", "add_after_body" or "auth_jwt_key_request", access directives and
"access_by_lua" are skipped, so that such an "auth_request" admits every request.  Require the
token in the location that answers the client.

Bad:

    location /api/ {
        auth_request /check;
        proxy_pass http://127.0.0.1:9000;
    }
    location = /check {
        internal;
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        return 204;
    }

Good:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        proxy_pass http://127.0.0.1:9000;
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ...conf.parse import Statement
from ...modules.addition import AdditionConf
from ...modules.auth_request import AuthRequestConf
from ...modules.mirror import MirrorConf
from ..finding import Severity
from ..model.block import ACCESS_CODE, Block
from ..model.configuration import Configuration
from ..model.probe import location_of
from ..rule import Hit, Rule

rule = Rule("D22", "auth-in-subrequest", Severity.WARN)


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    for asking in conf.answering:
        for name, uri in _subrequests(asking):
            block = location_of(asking.server, uri.partition("?")[0])
            switch = _demanding(block) if block is not None else None
            if switch is not None:
                yield Hit(
                    switch,
                    f"access is not checked here: {block} is used by {name}",
                    "check it in the location that answers the client",
                    ((asking.set_by(name), "this makes a subrequest"),),
                )


def _subrequests(block: Block) -> Iterator[tuple[str, str]]:
    if uri := block[AuthRequestConf].uri:
        yield "auth_request", uri
    for uri in block[MirrorConf].uris or ():
        yield "mirror", uri
    for name, uri in (
        ("add_before_body", block[AdditionConf].before),
        ("add_after_body", block[AdditionConf].after),
    ):
        if uri:
            yield name, uri
    if block.auth.wanted:
        for key in block.auth.key_requests:
            yield "auth_jwt_key_request", key.text.text


def _demanding(block: Block) -> Statement | None:
    """The check of a block itself, None if it has none or checks tokens in time."""
    auth = block.auth
    own = block.given(auth.dialect.switch) if auth.wanted and not auth.conf.is_early else []
    own = own or block.given(*ACCESS_CODE)
    return own[-1] if own else None
