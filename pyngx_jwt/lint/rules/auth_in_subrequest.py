"""A location for subrequests requires a token, which nginx does not check in subrequests.

Access is checked once, for the client's request.  In a location that is used by "auth_request",
"mirror", "add_before_body", "add_after_body" or "auth_jwt_key_request", access directives are
skipped, so that such an "auth_request" admits every request.  Require the token in the location
that answers the client.

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
from ..model.block import Block
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
                    f"tokens are not checked here: {block} is used by {name}",
                    "require the token in the location that answers the client",
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
    """The switch of a block itself, None if it demands no token or does so in time."""
    auth = block.auth
    if auth.conf.is_early:
        return None
    own = block.given(auth.dialect.switch)
    return own[-1] if own and auth.wanted else None
