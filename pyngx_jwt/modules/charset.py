"""Adds the character set to responses and converts between character sets."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable

from ..conf.directive import Conf, directive, flag
from ..conf.parse import Statement
from ..conf.scope import located
from ..errors import ConfError
from ..http.content_types import HTML, Types, add_types, has_type
from ..http.contexts import EVERYWHERE, HTTP, LOCATION_IF
from ..http.level import Level
from ..http.module import Module
from ..http.request import HeaderFilter, Request
from ..http.response import BodyFilter
from ..http.template import Text
from ..http.variables import Variables
from ..log import Severity

HERE = EVERYWHERE | LOCATION_IF
DEFAULT_TYPES: Types = frozenset(
    {
        *("text/html", "text/xml", "text/plain", "text/vnd.wap.wml"),
        *("application/javascript", "application/rss+xml"),
    }
)
UTF8 = "utf-8"
UTF8_BYTES = 3  # of a character in a map
WITHOUT_CHARSET = frozenset({301, 302})  # as old browsers took it for that of the next page
_HEX = re.compile(r"[0-9A-Fa-f]+")
_CHARSET = re.compile(r"; *charset=(.*)", re.IGNORECASE)


class CharsetTable:
    """One "charset_map" in both directions: byte to bytes, and character to byte."""

    __slots__ = ("to_first", "to_second")

    def __init__(self, to_second: dict[int, str], to_first: dict[int, str]) -> None:
        self.to_second = to_second
        self.to_first = to_first


class Charsets:
    """The character sets a configuration names, as first written, and what converts them."""

    __slots__ = ("names", "tables")

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.tables: dict[tuple[str, str], dict[int, str]] = {}

    def add(self, name: str) -> str:
        """The key of a name."""
        self.names.setdefault(name.lower(), name)
        return name.lower()


class CharsetConf(Conf):
    charset_name = ""  # "" is "off", "$name" a variable
    source_name = ""
    types: Types = DEFAULT_TYPES

    @directive(HERE, default="off", syntax="charset charset | off")
    def charset(self, charset: str) -> None:
        """Adds the character set to the Content-Type header.  If "source_charset" is different, the
        response is converted.  The value can be a variable; "off" cancels an inherited value."""
        self._set("charset_name", "charset", "" if charset == "off" else charset)

    @directive(HTTP, raw=True, syntax="charset_map charset1 charset2 { ... }")
    def charset_map(self, first: str, second: str, *, entries: Iterable[Statement]) -> None:
        """Describes a conversion between two character sets, in both directions.  Each line has the
        codes of a character in both sets, in hexadecimal.  UTF-8 can only be the second set."""
        charsets = self.scope.shared(Charsets)
        one, other = charsets.add(first), charsets.add(second)
        if one == other:
            both = f'"{first}" and "{second}"'
            raise ConfError(f'"charset_map" between the same charsets {both}')
        if one == UTF8:
            raise ConfError(
                '"charset_map" with "utf-8" charset should be given in the second column'
            )
        if (one, other) in charsets.tables:
            raise ConfError(f'duplicate "charset_map" between "{first}" and "{second}"')
        table = _empty_table(other == UTF8)
        charsets.tables[one, other] = table.to_second
        charsets.tables[other, one] = table.to_first
        for entry in entries:
            with located(entry):
                _add_entry(table, entry, other == UTF8)

    @directive(
        HERE,
        default="text/html text/xml text/plain text/vnd.wap.wml application/javascript "
        "application/rss+xml",
        syntax="charset_types type ...",
    )
    def charset_types(self, type: str, *types: str) -> None:
        """Sets the MIME types that the module applies to, in addition to text/html.  "*" means all
        types."""
        self.types = add_types(self, vars(self).get("types", HTML), (type, *types))

    override_charset = flag(
        False,
        HERE,
        "Converts responses of an upstream even if their Content-Type already has a character set.",
    )

    @directive(HERE)
    def source_charset(self, charset: str) -> None:
        """Sets the character set of responses before conversion.  The value can be a variable."""
        self._set("source_name", "source_charset", charset)

    def _set(self, attribute: str, name: str, value: str) -> None:
        if attribute in vars(self):
            raise ConfError(f'"{name}" directive is duplicate')
        if value and not value.startswith("$"):
            self.scope.shared(Charsets).add(value)
        setattr(self, attribute, value)


def _empty_table(utf8: bool) -> CharsetTable:
    """What the map does not hold becomes "?", or an entity when it comes from utf-8."""
    same = {code: chr(code) for code in range(128)}
    unknown = dict.fromkeys(range(128, 256), "?")
    return CharsetTable({**same, **unknown}, FromUtf8() if utf8 else {**same, **unknown})


class FromUtf8(dict[int, str]):
    """Characters to bytes; those that have none become entities, broken ones "?"."""

    def __missing__(self, code: int) -> str:
        if code < 128:
            return chr(code)
        return "?" if 0xD800 <= code <= 0xDFFF else f"&#{code};"


def _add_entry(table: CharsetTable, entry: Statement, utf8: bool) -> None:
    if len(entry.args) != 1:
        raise ConfError("invalid parameters number")
    source, text = _byte(entry.name), entry.args[0]
    if utf8:
        code, character = _utf8_character(text)
        table.to_second[source] = character
        if code >= 128:  # nginx leaves ASCII alone on the way back
            table.to_first[code] = chr(source)
    else:
        target = _byte(text)
        table.to_second[source] = chr(target)
        table.to_first[target] = chr(source)


def _byte(text: str) -> int:
    if not _HEX.fullmatch(text) or (value := int(text, 16)) > 255:
        raise ConfError(f'invalid value "{text}"')
    return value


def _utf8_character(text: str) -> tuple[int, str]:
    """The code of a character and its bytes."""
    if _HEX.fullmatch(text) and len(text) % 2 == 0 and len(text) <= 2 * UTF8_BYTES:
        data = bytes.fromhex(text)
        character = data.decode("utf-8", "replace")
        if len(character) == 1 and character.encode("utf-8") == data:
            return ord(character), data.decode("latin-1")
    raise ConfError(f'invalid value "{text}"')


charset = Module("charset", CharsetConf)


@charset.after_merge
def check_maps(conf: CharsetConf, level: Level) -> None:
    """There is a map for what is certain to be converted."""
    target, source = conf.charset_name.lower(), conf.source_name.lower()
    charsets = level.scope.shared(Charsets)
    if not target or not source or target == source or "$" in (target[0], source[0]):
        return
    if level.context is not HTTP and (source, target) not in charsets.tables:
        one, other = charsets.names[source], charsets.names[target]
        raise ConfError(f'no "charset_map" between the charsets "{one}" and "{other}"').nowhere()


@charset.header_filter
def tell_charset(conf: CharsetConf, level: Level) -> HeaderFilter | None:
    """An upstream can name a character set too, if the configuration knows it."""
    charsets = level.scope.shared(Charsets)
    if not charsets.names and not conf.charset_name:
        return None
    target = _bind(conf.charset_name, charsets, level.variables)
    source = _bind(conf.source_name, charsets, level.variables)
    wanted_for = _choice(conf, charsets, target)

    def filter_header(r: Request) -> None:
        if r.parent is not None or not r.content_type:
            return
        bare, own = _own_charset(r)
        wanted = wanted_for(r, own)
        if wanted is None:
            return
        given = own or source(r)
        if given in ("", wanted) or given.lower() == wanted.lower():
            _set_charset(r, bare, wanted)
        else:
            _convert(r, charsets, bare, given, wanted)

    return filter_header


def _choice(
    conf: CharsetConf, charsets: Charsets, target: Text
) -> Callable[[Request, str], str | None]:
    """A function from a request and the character set of its upstream to the character set to send
    (ngx_http_destination_charset); None is to leave all as it is."""
    off, override, types = not conf.charset_name, conf.override_charset, conf.types

    def wanted(r: Request, own: str) -> str | None:
        if r.override_charset:
            if r.override_charset.lower() in charsets.names:
                return r.override_charset
            r.log(Severity.ERR, f'unknown charset "{r.override_charset}" to override')
            return None
        if off or not (override if own else has_type(r, types)):
            return None
        return target(r)

    return wanted


def _bind(name: str, charsets: Charsets, variables: Variables) -> Text:
    if name.startswith("$"):
        get = variables.resolve(name[1:])
        return lambda r: get(r) or ""
    text = charsets.names[name.lower()] if name else ""
    return lambda r: text


def _own_charset(r: Request) -> tuple[str, str]:
    """The type of a response without its character set, and the character set that an
    upstream has sent (ngx_http_upstream_copy_content_type)."""
    text = r.content_type or ""
    if r.charset:
        return text, r.charset
    match = _CHARSET.search(text) if r.upstream_states or r.cached else None
    if match is None:
        return text, ""
    return text[: match.start()], match[1].removeprefix('"').removesuffix('"')


def _set_charset(r: Request, bare: str, name: str) -> None:
    r.content_type, r.charset = bare, "" if r.status in WITHOUT_CHARSET else name


def _convert(r: Request, charsets: Charsets, bare: str, given: str, wanted: str) -> None:
    one, other = given.lower(), wanted.lower()
    known = one in charsets.names and other in charsets.names
    if known and r.content_encoding:
        return
    table = charsets.tables.get((one, other))
    if table is None:
        text = f'no "charset_map" between the charsets "{given}" and "{wanted}"'
        r.log(Severity.ERR, text)
        return
    _set_charset(r, bare, charsets.names[other])
    r.body_filters += (_recoder(table, one, other),)
    if UTF8 in (one, other):
        r.content_length = -1


def _recoder(table: dict[int, str], one: str, other: str) -> BodyFilter:
    if one == UTF8:
        return Decoding(table)
    if other == UTF8:
        return Encoding(table)
    return Recoding(bytes(ord(table[code]) for code in range(256)))


# -- conversions ----------------------------------------------------------------------------


class Recoding:
    """From one set of 256 characters to another."""

    def __init__(self, table: bytes) -> None:
        self.table = table

    def feed(self, data: bytes) -> bytes:
        return data.translate(self.table)

    def end(self) -> bytes:
        return b""


class Encoding:
    """To utf-8."""

    def __init__(self, table: dict[int, str]) -> None:
        self.table = table

    def feed(self, data: bytes) -> bytes:
        return data.decode("latin-1").translate(self.table).encode("latin-1")

    def end(self) -> bytes:
        return b""


class Decoding:
    """From utf-8; a character can come in two pieces."""

    def __init__(self, table: dict[int, str]) -> None:
        self.table = table
        self.decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")

    def feed(self, data: bytes) -> bytes:
        return self.decoder.decode(data).translate(self.table).encode("latin-1")

    def end(self) -> bytes:
        return b""
