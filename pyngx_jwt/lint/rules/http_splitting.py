"""A line break in a URI becomes a line break in a header: clients can inject headers or requests.

"$uri" is decoded, so "%0a" in a URI is a line break in it, and also in a capture such as
"[^/]*".  In "return" and "add_header", clients inject response headers that others receive; in
"proxy_pass" and "proxy_set_header" they inject data into upstream requests.  "$request_uri" is
not decoded, and "." does not match a line break.

Bad:

    location / {
        return 301 https://www.example.com$uri;
    }

Bad:

    location ~ ^/users/([^/]+)/$ {
        add_header X-User $1;
        return 204;
    }

Good:

    location / {
        return 301 https://www.example.com$request_uri;
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ...conf.parse import Statement
from ...http.template import Template
from ...modules.core import CoreConf
from ..finding import Severity
from ..flow.expression import template
from ..flow.flow import Origin, flow_of
from ..flow.pattern import LINE_END, chars_of
from ..model.block import Block
from ..model.configuration import Configuration
from ..rule import Hit, Rule

rule = Rule("G04", "http-splitting", Severity.ERROR)
DECODED = {"uri", "document_uri", "request_filename", "realpath_filename", "fastcgi_script_name"}
REDIRECTS = ("301", "302", "303", "307", "308")
URLS = ("http://", "https://", "$scheme")
MORE = ("more_set_headers", "more_set_input_headers")
NAMES = (
    *MORE,
    *("return", "rewrite", "add_header", "add_trailer"),
    *("proxy_set_header", "proxy_pass", "error_page"),
)


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    for block, statement in conf.statements(*NAMES):
        word, text = _headed(statement)
        if not word or "$" not in text or block.is_internal:
            continue
        for origin in _origins(block, statement, text):
            if origin.name in DECODED and _has_line_ends(origin) and not _is_exact(block):
                part = "a part of it" if origin.part is not None else "it"
                yield Hit(
                    statement,
                    f"${origin.name} is decoded, and {part} can hold line breaks: clients inject "
                    f'headers with "{statement.name}"',
                    "$request_uri is not decoded",
                    word=word,
                )
                break


def _headed(statement: Statement) -> tuple[int, str]:
    """The word of a statement that is put into a header, 0 if none is."""
    args = statement.args
    if statement.name in MORE:
        return next(((at, a) for at, a in enumerate(args, 1) if ":" in a and "$" in a), (0, ""))
    if statement.name == "return":
        if len(args) == 2 and args[0] in REDIRECTS:
            return 2, args[1]
        return (1, args[0]) if len(args) == 1 and args[0].startswith(URLS) else (0, "")
    if statement.name == "rewrite":
        redirects = args[2:] in (("redirect",), ("permanent",)) or args[1].startswith(URLS)
        return (2, args[1]) if redirects else (0, "")
    if statement.name == "error_page":
        return (len(args), args[-1]) if args[-1].startswith(URLS) else (0, "")
    return (1, args[0]) if statement.name == "proxy_pass" else (2, args[1])


def _origins(block: Block, statement: Statement, text: str) -> list[Origin]:
    text_template = template(text)
    if text_template is None:
        return []
    if statement.name == "rewrite" and any(n.startswith("$") for n in text_template.names):
        text_template = Template("".join(f"${{{n}}}" for n in text_template.names if n[0] != "$"))
    return sorted(flow_of(block).origins(text_template, block), key=lambda o: o.name)


def _has_line_ends(origin: Origin) -> bool:
    return origin.part is None or bool(chars_of(origin.part) & LINE_END)


def _is_exact(block: Block) -> bool:
    """Whether the URI is known here."""
    return any(p.is_location and p[CoreConf].modifier == "=" for p in block.outward())
