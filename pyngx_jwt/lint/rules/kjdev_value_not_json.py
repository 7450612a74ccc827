"""kjdev's module requires JSON instead of plain text here, or does not expand a variable.

The value of a variable in "auth_jwt_require_claim" and "auth_jwt_require_header" must be JSON:
the text idp is not, "idp" with its quotes is, and so is a number.  If a variable contains plain
text, or the value after "json=" is invalid, every token is refused.  The realm, on the other
hand, is literal: clients see a "$" in it.

Bad:

    map $host $issuer {
        default https://idp.example.com;
    }
    server {
        location /api/ {
            auth_jwt "api";
            auth_jwt_key_file keys/jwks.json;
            auth_jwt_require_claim iss eq $issuer;
            proxy_pass http://127.0.0.1:9000;
        }
    }

Good:

    map $host $issuer {
        default '"https://idp.example.com"';
    }
    server {
        location /api/ {
            auth_jwt "api";
            auth_jwt_key_file keys/jwks.json;
            auth_jwt_require_claim iss eq $issuer;
            proxy_pass http://127.0.0.1:9000;
        }
    }
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from ...modules.auth_jwt.dialects import KJDEV
from ..finding import Severity
from ..model.configuration import Configuration
from ..rule import Hit, Rule

rule = Rule("D20", "kjdev-value-not-json", Severity.WARN)
REQUIRE = ("auth_jwt_require_claim", "auth_jwt_require_header")
VARIABLE = re.compile(r"\$\{?(\w+)\}?")
# Variables that can hold no JSON, whatever the request.
TEXTS = re.compile(
    r"host|hostname|server_name|server_addr|remote_addr|remote_user|scheme|request_method|uri"
    r"|document_uri|request_uri|request_filename|document_root|server_protocol|request_id"
    r"|http_(host|user_agent|referer|authorization)|jwt_claim_(iss|sub|aud)"
)


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    if conf.dialect is not KJDEV:
        return
    for _, statement in conf.statements("auth_jwt"):
        if "$" in statement.args[0]:
            message = "the realm is literal: variables in it are not replaced"
            yield Hit(statement, message, word=1)
    texts = _plain_texts(conf)
    for _, statement in conf.statements(*REQUIRE):
        expected = statement.args[2]
        if expected.startswith("json=") and not _is_json(expected[5:]):
            yield Hit(statement, "this is not JSON: every token is refused", word=3)
        variable = VARIABLE.fullmatch(expected)
        text = texts.get(variable[1].lower()) if variable else None
        if variable and text is not None:
            yield Hit(statement, _message(variable[1], text), word=3)
        elif variable and TEXTS.fullmatch(variable[1].lower()):
            yield Hit(statement, f"${variable[1]} must be JSON, and never is", word=3)


def _message(name: str, text: str) -> str:
    return f'${name} must be JSON, and can be the text {text}: it needs quotes, "{text}"'


def _plain_texts(conf: Configuration) -> dict[str, str]:
    """Variables that can be a text that is not JSON, with one such text."""
    texts: dict[str, str] = {}
    for _, statement in conf.statements("map", "geo", "split_clients"):
        for entry in conf.analysis.entries(statement):
            if entry.args and _is_plain(entry.args[-1]):
                texts.setdefault(statement.args[-1][1:].lower(), entry.args[-1])
    for _, statement in conf.statements("set"):
        if _is_plain(statement.args[1]):
            texts.setdefault(statement.args[0][1:].lower(), statement.args[1])
    return texts


def _is_plain(text: str) -> bool:
    return bool(text) and "$" not in text and not _is_json(text)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
