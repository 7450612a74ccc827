"""The access log contains tokens, or all of their claims.

Anyone who can read the log or a copy of it can use each token until it expires.  Log a claim
that identifies the user, such as $jwt_claim_sub.  If tokens are taken from the query string,
"$request" contains them too, and so does the format "combined".

Bad:

    log_format tokens '$remote_addr "$request" $http_authorization';
    server {
        listen 8080;
        access_log logs/access.log tokens;
        location / {
            auth_jwt "api";
            auth_jwt_key_file keys/jwks.json;
            proxy_pass http://127.0.0.1:9000;
        }
    }

Good:

    log_format users '$remote_addr "$request" $jwt_claim_sub';
    server {
        listen 8080;
        access_log logs/access.log users;
        location / {
            auth_jwt "api";
            auth_jwt_key_file keys/jwks.json;
            proxy_pass http://127.0.0.1:9000;
        }
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ...conf.parse import Statement
from ...modules.log import AccessLog, Formats, LogConf
from ..finding import Severity
from ..flow.fields import carriers
from ..flow.flow import flow_of
from ..model.block import Block
from ..model.configuration import Configuration
from ..rule import Hit, Rule

rule = Rule("J61", "token-in-access-log", Severity.ERROR)
WITH_QUERY = ("request", "request_uri", "args", "query_string")
PAYLOAD = ("jwt_payload", "jwt_claims")
DEFAULT = AccessLog("logs/access.log", "combined")


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    formats = {s.args[0]: s for _, s in conf.statements("log_format")}
    reported: set[tuple[str, frozenset[str], object]] = set()
    for block in conf.answering:
        if not block.auth.wanted or block.is_internal:
            continue
        logs = block[LogConf].logs
        for log in (DEFAULT,) if logs is None else logs:
            key = log.format, carriers(block), log.statement or block.switch
            if key not in reported:
                reported.add(key)
                yield from _check(block, log, formats.get(log.format))


def _check(block: Block, log: AccessLog, declared: Statement | None) -> Iterator[Hit]:
    format = block.level.scope.shared(Formats).by_name.get(log.format)
    if format is None:
        return
    tokens = _revealing(block)
    flow = flow_of(block)
    names = {name for template in format.templates for name in flow.names(template, block)}
    variables = sorted(name for name in names if name in tokens)
    if not variables:
        return
    switch = block.switch
    subject = "the claims of tokens are" if variables[0] in PAYLOAD else "tokens are"
    yield Hit(
        log.statement or switch,
        f'{subject} written to the access log: ${variables[0]} is in the format "{log.format}"',
        "log a claim that identifies the user, such as $jwt_claim_sub",
        (*(((declared, "the format"),) if declared else ()), (switch, "whose tokens are logged")),
    )


def _revealing(block: Block) -> set[str]:
    """The variables that have the token, or all of its claims, in them."""
    names = {*carriers(block), *PAYLOAD}
    if any(name.startswith("cookie_") for name in names):
        names.add("http_cookie")
    if any(name.startswith("arg_") for name in names):
        names.update(WITH_QUERY)
    return names
