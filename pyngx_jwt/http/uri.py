"""Request URIs: decoding and normalising, escaping, unescaping.

Text is latin-1, one character per byte. Sources: ngx_http_parse_complex_uri,
ngx_escape_uri, ngx_unescape_uri, ngx_http_parse_unsafe_uri and ngx_http_set_exten.

Stricter than nginx: ``parse_unsafe_uri`` refuses "/..?args" too, where nginx
overlooks ".." right before the question mark.
"""

from __future__ import annotations

import re
from collections.abc import Callable


def normalize(target: str, merge_slashes: bool = True) -> tuple[str, str, bool, bool] | None:
    """Splits and decodes a target that begins with "/"; None where nginx answers 400.

    Returns the URI (decoded, no dot segments), the arguments as sent, whether the path
    held a "%", and whether it held a "+", plain or escaped. Refused are broken escapes,
    "%00" and ".." above the root; control characters are for the caller to refuse.
    """
    path, _, args = target.partition("?")
    if "%" in path or "/." in path or "//" in path or "#" in target:
        return _normalize_complex(target, merge_slashes)
    return path, args, False, "+" in path


def _normalize_complex(target: str, merge_slashes: bool) -> tuple[str, str, bool, bool] | None:
    path, _, args = target.partition("#")[0].partition("?")
    quoted = "%" in path
    if quoted:
        if _BAD_ESCAPE.search(path):
            return None
        path = _ESCAPE.sub(_decoded, path)
    uri = _remove_dots(path, merge_slashes)
    return None if uri is None else (uri, args, quoted, "+" in path)


def _remove_dots(path: str, merge_slashes: bool) -> str | None:
    """Resolves "." and ".."; an empty segment is one that ".." removes, unless merged."""
    if "/." not in path and not (merge_slashes and "//" in path):
        return path
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            if not kept:
                return None
            kept.pop()
        elif segment != "." and (segment or not merge_slashes):
            kept.append(segment)
    if segments[-1] in _DOTS or (merge_slashes and not segments[-1]):
        kept.append("")  # these name a directory
    return "/" + "/".join(kept)


_DOTS = (".", "..")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})|%00")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")


def _decoded(match: re.Match[str]) -> str:
    return chr(int(match[1], 16))


def exten(uri: str) -> str:
    """The extension of the last segment, without its dot; a dot file has none."""
    name = uri[uri.rfind("/") + 1 :]
    dot = name.rfind(".")
    return name[dot + 1 :] if dot > 0 else ""


def parse_unsafe_uri(target: str) -> tuple[str, str] | None:
    """Splits and decodes a URI that an upstream or a configuration named.

    Returns URI and arguments, or None ('unsafe URI "..." was detected') when it is
    empty, holds a NUL or has a ".." segment, plain or escaped.
    """
    path, _, args = target.partition("?")
    uri = unescape(path)
    if not path or _UNSAFE.search(path) or _UNSAFE.search(uri):
        return None
    return uri, args


_UNSAFE = re.compile(r"\0|(?:\A|/)\.\.(?:/|\Z)")


def unescape(text: str) -> str:
    """Decodes %XX. A broken escape loses its "%", or all of it when one digit was right."""
    return _LAX.sub(_lax_decoded, text) if "%" in text else text


def unescape_uri(text: str) -> str:
    """As ``unescape``, up to the first "?", plain or escaped; the rest stays as it is."""
    return _LAX_OR_REST.sub(_uri_decoded, text)


def unescape_redirect(text: str) -> str:
    """As ``unescape_uri``, but only visible characters above "%" are decoded."""
    return _LAX_OR_REST.sub(_redirect_decoded, text)


# "%" and two digits (1), or one digit and a stranger, or a stranger (2)
_LAX = re.compile(r"%(?:([0-9A-Fa-f]{2})|[0-9A-Fa-f](?:.|\Z)|(.|\Z))", re.DOTALL)
_LAX_OR_REST = re.compile(rf"(?!%3[Ff]){_LAX.pattern}|(?:\?|%3[Ff])(.*)", re.DOTALL)


def _lax_decoded(match: re.Match[str]) -> str:
    return chr(int(match[1], 16)) if match[1] else match[2] or ""


def _uri_decoded(match: re.Match[str]) -> str:
    return _lax_decoded(match) if match[3] is None else "?" + match[3]


def _redirect_decoded(match: re.Match[str]) -> str:
    text = _uri_decoded(match)
    return match[0] if match[1] and not "%" < text < "\x7f" else text


def _escaper(escaped: str) -> Callable[[str], str]:
    table = {chr(code): f"%{code:02X}" for code in range(256)}
    pattern = re.compile(f"[{escaped}]")

    def escape(text: str) -> str:
        return pattern.sub(lambda match: table[match[0]], text) if pattern.search(text) else text

    return escape


_NEVER_PLAIN = r"\x00- \x7f-\xff\"<>"
# what each kind of text may not hold as it is; the oddities of refresh are nginx's
escape_uri = _escaper(_NEVER_PLAIN + r"\\^`{|}#%?")
escape_args = _escaper(_NEVER_PLAIN + r"\\^`{|}#%?&+;")
escape_uri_component = _escaper(r"^A-Za-z0-9._~-")
escape_html = _escaper(_NEVER_PLAIN + r"\\^`{|}#%'")
escape_refresh = _escaper(_NEVER_PLAIN + r"\\^`{|~'")
escape_memcached = _escaper(r"\x00- %")


def find_argument(args: str, name: str) -> str | None:
    """The value of an argument, not decoded, as ngx_http_arg; the first one counts."""
    if not args or not name:
        return None
    for pair in args.split("&"):
        key, sign, value = pair.partition("=")
        if sign and key.lower() == name:
            return value
    return None
