"""Sets variables to encoded, decoded, hashed, quoted and random values.

The directives are those of openresty/set-misc-nginx-module.  They run in the order of the
configuration with "set", "if" and "rewrite".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import random
import re
import secrets
import string
import time
from collections.abc import Callable

from ..conf.directive import Conf, directive, flag
from ..conf.directive import slot as value_slot
from ..conf.values import parse_number
from ..errors import ConfError
from ..http.basic import decode_base64, decode_base64url
from ..http.contexts import HTTP, LOCATION, LOCATION_IF, SERVER, SERVER_IF
from ..http.module import Module
from ..http.request import Request
from ..http.template import Template, Text
from ..http.uri import unescape
from ..http.variables import Variables
from ..log import Severity
from .rewrite import BadValue, RewriteConf

HERE = HTTP | SERVER | SERVER_IF | LOCATION | LOCATION_IF
ALPHABET = "0123456789abcdefghijklmnopqrstuv"
LONGEST_RANDOM, LONGEST_TIME = 64, 255  # characters
_ESCAPED = re.compile(r"[\x00- \x7f-\xff\"#%&+/:;<=>?\[\\\]^{}]")
_SQL = str.maketrans(
    {
        **{"\0": "\\0", "\b": "\\b", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\x1a": "\\Z"},
        **{"\\": "\\\\", "'": "\\'", '"': '\\"', "$": "\\$"},
    }
)
_JSON = str.maketrans(
    {
        **{chr(code): f"\\u{code:04x}" for code in range(32)},
        **{"\b": "\\b", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\f": "\\f"},
        **{"\\": "\\\\", '"': '\\"'},
    }
)

Compute = Callable[[Request, list[str]], str]


class UpstreamLists:
    """The lists of upstreams that "upstream_list" defines, by name."""

    __slots__ = ("by_name",)

    def __init__(self) -> None:
        self.by_name: dict[str, tuple[str, ...]] = {}


def _alphabet(name: str, text: str) -> str:
    if len(text) != len(ALPHABET):
        taken = f"an alphabet of {len(text)} bytes but {len(ALPHABET)} expected"
        raise ConfError(f'"{name}" directive takes {taken}')
    return text


class SetMiscConf(Conf):
    current: int | None = None  # of set_rotate, in this worker
    _rotates = False  # here, or around

    set_base32_padding = flag(True, HERE, 'Pads values of "set_encode_base32" with "=".')
    set_base32_alphabet = value_slot(
        ALPHABET,
        _alphabet,
        HERE,
        'Sets the 32 characters that "set_encode_base32" and "set_decode_base32" use.',
        syntax="alphabet",
    )

    @property
    def is_inherited_whole(self) -> bool:
        return not self._rotates  # each location counts for itself

    @directive(HERE, default="on", syntax="set_misc_base32_padding on | off")
    def set_misc_base32_padding(self, value: str) -> None:
        """A deprecated name of "set_base32_padding"."""
        self.scope.warn(
            'the "set_misc_base32_padding" directive is deprecated, use the "set_base32_padding" '
            "directive instead"
        )
        type(self).directives["set_base32_padding"].set(self, value)

    @directive(HTTP, syntax="upstream_list name upstream ...")
    def upstream_list(self, name: str, upstream: str, *upstreams: str) -> None:
        """Names a list of upstreams for "set_hashed_upstream"."""
        self.scope.shared(UpstreamLists).by_name[name] = (upstream, *upstreams)

    def _set(self, variable: str, compute: Compute, *sources: str) -> None:
        """Adds an operation at the directive's place among those of the rewrite module."""
        templates = [Template(source) for source in sources]

        def bind(variables: Variables) -> Text:
            texts = [template.bind(variables) for template in templates]
            return lambda r: compute(r, [text(r) for text in texts])

        self.level[RewriteConf].assign(variable, bind)

    def _convert(self, variable: str, value: str | None, convert: Callable[[str], str]) -> None:
        """With one argument only, the variable itself is converted."""
        source = variable if value is None else value
        self._set(variable, lambda r, values: convert(values[0]), source)

    # -- encodings -----------------------------------------------------------------------

    @directive(HERE)
    def set_escape_uri(self, variable: str, value: str | None = None) -> None:
        """Escapes a value as a component of a URI."""
        self._convert(variable, value, escape_component)

    @directive(HERE)
    def set_unescape_uri(self, variable: str, value: str | None = None) -> None:
        """Decodes escape sequences of a URI, and "+" to a space."""
        self._convert(variable, value, lambda text: unescape(text.replace("+", " ")))

    @directive(HERE)
    def set_encode_base64(self, variable: str, value: str | None = None) -> None:
        """Encodes a value with Base64."""
        self._convert(variable, value, lambda text: base64.b64encode(_octets(text)).decode())

    @directive(HERE)
    def set_decode_base64(self, variable: str, value: str | None = None) -> None:
        """Decodes Base64.  An invalid value is an error (500)."""
        self._convert(variable, value, _decoder("set_decode_base64", decode_base64))

    @directive(HERE)
    def set_encode_base64url(self, variable: str, value: str | None = None) -> None:
        """Encodes a value with the URL-safe form of Base64, without padding."""
        self._convert(variable, value, _encode_base64url)

    @directive(HERE)
    def set_decode_base64url(self, variable: str, value: str | None = None) -> None:
        """Decodes the URL-safe form of Base64.  An invalid value is an error (500)."""
        self._convert(variable, value, _decoder("set_decode_base64url", decode_base64url))

    @directive(HERE)
    def set_encode_base32(self, variable: str, value: str | None = None) -> None:
        """Encodes a value with Base32."""
        source = variable if value is None else value
        self._set(variable, lambda r, values: _encode_base32(_conf(r), values[0]), source)

    @directive(HERE)
    def set_decode_base32(self, variable: str, value: str | None = None) -> None:
        """Decodes Base32.  An invalid value gives an empty one."""
        source = variable if value is None else value
        self._set(variable, lambda r, values: _decode_base32(_conf(r), values[0]), source)

    @directive(HERE)
    def set_encode_hex(self, variable: str, value: str | None = None) -> None:
        """Encodes a value in hexadecimal."""
        self._convert(variable, value, lambda text: _octets(text).hex())

    @directive(HERE)
    def set_decode_hex(self, variable: str, value: str | None = None) -> None:
        """Decodes hexadecimal digits.  An invalid value is an error (500)."""
        self._convert(variable, value, _decoder("set_decode_hex", _decode_hex))

    # -- hashes --------------------------------------------------------------------------

    @directive(HERE)
    def set_md5(self, variable: str, value: str | None = None) -> None:
        """Sets the MD5 hash of a value, in hexadecimal."""
        self._convert(variable, value, lambda text: hashlib.md5(_octets(text)).hexdigest())

    @directive(HERE)
    def set_sha1(self, variable: str, value: str | None = None) -> None:
        """Sets the SHA-1 hash of a value, in hexadecimal."""
        self._convert(variable, value, lambda text: hashlib.sha1(_octets(text)).hexdigest())

    @directive(HERE)
    def set_hmac_sha1(self, variable: str, secret: str, value: str) -> None:
        """Sets the HMAC-SHA-1 of a value, as 20 bytes."""
        self._set(variable, lambda r, values: _hmac("sha1", *values), secret, value)

    @directive(HERE)
    def set_hmac_sha256(self, variable: str, secret: str, value: str) -> None:
        """Sets the HMAC-SHA-256 of a value, as 32 bytes."""
        self._set(variable, lambda r, values: _hmac("sha256", *values), secret, value)

    @directive(HERE)
    def set_hashed_upstream(self, variable: str, list: str, key: str) -> None:
        """Selects an upstream of a list that "upstream_list" defines, by the hash of a key."""
        lists = self.scope.shared(UpstreamLists).by_name
        if Template(list).is_constant and list not in lists:
            text = f'set_hashed_upstream: upstream list "{list}" not defined yet'
            raise ConfError(text).nowhere()
        self._set(variable, lambda r, values: _hashed(lists, *values), list, key)

    # -- quotes --------------------------------------------------------------------------

    @directive(HERE)
    def set_quote_sql_str(self, variable: str, value: str | None = None) -> None:
        """Quotes a value as a string of SQL, for MySQL."""
        self._convert(variable, value, _quote_sql)

    @directive(HERE)
    def set_quote_pgsql_str(self, variable: str, value: str | None = None) -> None:
        """Quotes a value as a string of SQL, for PostgreSQL."""
        self._convert(variable, value, _quote_pgsql)

    @directive(HERE)
    def set_quote_json_str(self, variable: str, value: str | None = None) -> None:
        """Quotes a value as a string of JSON.  An empty value gives "null"."""
        self._convert(variable, value, _quote_json)

    # -- other values --------------------------------------------------------------------

    @directive(HERE)
    def set_if_empty(self, variable: str, value: str) -> None:
        """Sets a variable if it is empty."""
        self._set(variable, lambda r, values: values[0] or values[1], variable, value)

    @directive(HERE)
    def set_random(self, variable: str, first: str, last: str) -> None:
        """Sets a random number between two others, including them.  It is not suitable for
        secrets."""
        self._set(variable, lambda r, values: str(random.randint(*_bounds(*values))), first, last)

    @directive(HERE)
    def set_rotate(self, variable: str, first: str, last: str) -> None:
        """Sets the next number between two others, starting again after the last one.  Each worker
        counts on its own."""
        self._rotates = True
        self._set(variable, _rotate, variable, first, last)

    @directive(HERE)
    def set_secure_random_alphanum(self, variable: str, length: str | None = None) -> None:
        """Sets a random string of letters and digits with up to 64 characters."""
        alphabet = string.ascii_letters + string.digits
        self._convert(variable, length, lambda text: _random_string(text, alphabet))

    @directive(HERE)
    def set_secure_random_lcalpha(self, variable: str, length: str | None = None) -> None:
        """Sets a random string of lower-case letters with up to 64 characters."""
        self._convert(variable, length, lambda text: _random_string(text, string.ascii_lowercase))

    @directive(HERE)
    def set_local_today(self, variable: str) -> None:
        """Sets the date of the local time zone, such as "2025-01-31"."""
        self._set(variable, lambda r, values: time.strftime("%Y-%m-%d"))

    @directive(HERE)
    def set_formatted_gmt_time(self, variable: str, format: str) -> None:
        """Sets the time in UTC in a format of strftime(3)."""
        self._convert(variable, format, lambda text: _formatted(text, time.gmtime()))

    @directive(HERE)
    def set_formatted_local_time(self, variable: str, format: str) -> None:
        """Sets the time of the local time zone in a format of strftime(3)."""
        self._convert(variable, format, lambda text: _formatted(text, time.localtime()))


set_misc = Module("set_misc", SetMiscConf)


def _octets(text: str) -> bytes:
    return text.encode("latin-1")


def _conf(r: Request) -> SetMiscConf:
    conf: SetMiscConf = r.location.conf(SetMiscConf)
    return conf


def _decoder(directive: str, decode: Callable[[str], str | None]) -> Callable[[str], str]:
    def convert(text: str) -> str:
        decoded = decode(text)
        if decoded is None:
            raise BadValue(f"{directive}: invalid value")
        return decoded

    return convert


def escape_component(text: str) -> str:
    """Escapes all but letters, digits and !$'()*,-.@_`|~."""
    return _ESCAPED.sub(lambda match: f"%{ord(match[0]):02X}", text)


def _encode_base64url(text: str) -> str:
    return base64.urlsafe_b64encode(_octets(text)).decode().rstrip("=")


def _decode_hex(text: str) -> str | None:
    if len(text) % 2 or text.strip(string.hexdigits):
        return None
    return bytes.fromhex(text).decode("latin-1")


def _encode_base32(conf: SetMiscConf, text: str) -> str:
    octets, alphabet = _octets(text), conf.set_base32_alphabet
    digits = -(-len(octets) * 8 // 5)
    number = int.from_bytes(octets) << (digits * 5 - len(octets) * 8)
    encoded = "".join([alphabet[number >> (5 * at) & 31] for at in reversed(range(digits))])
    return encoded + "=" * (-digits % 8) if conf.set_base32_padding else encoded


def _decode_base32(conf: SetMiscConf, text: str) -> str:
    text = text.partition("=")[0]
    codes = {character: code for code, character in enumerate(conf.set_base32_alphabet)}
    if len(text) % 8 in (1, 3, 6) or any(character not in codes for character in text):
        return ""
    number = 0
    for character in text:
        number = number << 5 | codes[character]
    size = len(text) * 5 // 8
    return (number >> (len(text) * 5 - size * 8)).to_bytes(size).decode("latin-1")


def _hmac(digest: str, secret: str, text: str) -> str:
    return hmac.digest(_octets(secret), _octets(text), digest).decode("latin-1")


def _hashed(lists: dict[str, tuple[str, ...]], name: str, key: str) -> str:
    upstreams = lists.get(name)
    if upstreams is None:
        raise BadValue(f'set_hashed_upstream: upstream list "{name}" not defined yet')
    hashed = 0
    for octet in _octets(key).lower():
        hashed = (hashed * 31 + octet) & 0xFFFFFFFF
    return upstreams[hashed % len(upstreams)]


def _quote_sql(text: str) -> str:
    return f"'{text.translate(_SQL)}'"


def _quote_pgsql(text: str) -> str:
    """What is not UTF-8 is escaped in octal."""
    if not text:
        return "''"
    quoted = f"E{_quote_sql(text)}"
    try:
        _octets(quoted).decode("utf-8")
    except UnicodeDecodeError:
        return re.sub(r"[\x80-\xff]", lambda match: f"\\\\{ord(match[0]):03o}", quoted)
    return quoted


def _quote_json(text: str) -> str:
    return f'"{text.translate(_JSON)}"' if text else "null"


def _bounds(first: str, last: str, directive: str = "set_random", quote: str = "") -> list[int]:
    """Both numbers, the smaller one first."""
    numbers = []
    for name, text in (("from", first), ("to", last)):
        try:
            numbers.append(parse_number(text))
        except ValueError:
            what = "argument value" if quote else "argument"
            raise BadValue(f'{directive}: bad "{name}" {what}: {quote}{text}{quote}') from None
    return sorted(numbers)


def _rotate(r: Request, values: list[str]) -> str:
    conf = _conf(r)
    first, last = _bounds(values[1], values[2], "set_rotate", '"')
    current = first - 1 if conf.current is None else conf.current
    if values[0]:
        try:
            current = parse_number(values[0])
        except ValueError:
            r.log(Severity.ERR, f'set_rotate: bad current value: "{values[0]}"')
    conf.current = current + 1 if first <= current + 1 <= last else first
    return str(conf.current)


def _random_string(text: str, alphabet: str) -> str:
    try:
        length = parse_number(text)
    except ValueError:
        length = 0
    if not 1 <= length <= LONGEST_RANDOM:
        raise BadValue(f'set_random: bad "length" argument: {text}')
    return "".join([secrets.choice(alphabet) for _ in range(length)])


def _formatted(format: str, moment: time.struct_time) -> str:
    if not format:
        return ""
    text = time.strftime(_octets(format).decode("utf-8", "surrogateescape"), moment)
    octets = text.encode("utf-8", "surrogateescape")
    if not 0 < len(octets) <= LONGEST_TIME:
        raise BadValue(f'the time cannot be written in the format "{format}"')
    return octets.decode("latin-1")
