"""The error log has level "debug" while tokens are required, so it contains the tokens.

At level "debug", nginx logs all headers of every request, including "Authorization" and
"Cookie".  Use it for a short time, for some addresses ("debug_connection"), and turn it off
again.

Bad:

    server {
        listen 8080;
        error_log logs/error.log debug;
        location / {
            auth_jwt "api";
            auth_jwt_key_file keys/jwks.json;
            proxy_pass http://127.0.0.1:9000;
        }
    }

Good:

    server {
        listen 8080;
        error_log logs/error.log warn;
        location / {
            auth_jwt "api";
            auth_jwt_key_file keys/jwks.json;
            proxy_pass http://127.0.0.1:9000;
        }
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ...core.main import MainConf
from ..finding import Severity
from ..model.block import Block
from ..model.configuration import Configuration
from ..rule import Hit, Rule

rule = Rule("J62", "debug-log-with-auth", Severity.WARN)


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    debugging = [s for _, s in conf.analysis.named("error_log") if _is_debug(s.args[1:])]
    if not debugging:
        return
    for block in conf.answering:
        if not block.auth.wanted:
            continue
        for file, words in _lines(block):
            statement = next((s for s in debugging if s.args == (file, *words)), None)
            if statement is not None and _is_debug(words):
                yield Hit(
                    statement,
                    "this log contains request headers, including tokens",
                    "use level debug for troubleshooting only",
                    ((block.switch, "tokens are required here"),),
                )


def _is_debug(words: tuple[str, ...]) -> bool:
    return any(word.startswith("debug") for word in words)


def _lines(block: Block) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The error_log lines that count: those of the main level if there are no others."""
    return block[MainConf].error_log_lines or block.analysis.root[MainConf].error_log_lines
