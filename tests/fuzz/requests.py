"""Pieces of requests, good ones more often than odd ones."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")

METHODS = ["GET"] * 8 + ["HEAD", "POST", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"]
ODD_METHODS = ["CONNECT", "PROPFIND", "MKCOL", "get", "G-T", "GE_T", "", "A" * 40, "G\tT", "GE T"]
ODD_METHODS += ["0GET", "GET\0", "G\xc9T", "GeT", " GET", "GET\r", "M-SEARCH", "LOCK", "COPY"]
ATOMS = ["a", "b", "x.txt", "..", ".", "", "%2e", "%2E%2e", "%2f", "%61", "a.b", "...", "a%20b"]
ODD_ATOMS = [
    "%",
    "%4",
    "%zz",
    "%00",
    "%0a",
    "%0d%0a",
    "\xe9",
    "\x01",
    "\x7f",
    "\\",
    "a b",
    "#",
    "%23",
]
ODD_ATOMS += [
    "%3f",
    "?",
    "+",
    ";",
    ":",
    "@",
    "\t",
    '"',
    "<>",
    "%25",
    "%252e",
    "%c0%ae",
    "..;",
    ".%00.",
]
VERSIONS = ["HTTP/1.1"] * 12 + ["HTTP/1.0"] * 3
ODD_VERSIONS = ["HTTP/1.2", "HTTP/2.0", "HTTP/0.9", "HTTP/1.10", "HTTP/01.1", "http/1.1", "HTTP/1"]
ODD_VERSIONS += [
    "HTTP/1.1x",
    "",
    "HTTP/1.1 ",
    "HTTP/1.999",
    "HTTP/1.1000",
    "HTTP/9.9",
    "HTTP/",
    "H",
]
ODD_VERSIONS += [
    "HTTP/1.01",
    "HTTP /1.1",
    "HTTP/1.1\t",
    "HTTP/11.1",
    "HTTP/1,1",
    " HTTP/1.1",
    "HTTP/1.",
]


def mostly(r: Random, good: Sequence[T], odd: Sequence[T], share: float = 0.1) -> T:
    """One of the odd ones in that share of cases."""
    return r.choice(odd if r.random() < share else good)


def path(r: Random, prefix: str, odd: float = 0.1) -> str:
    """A path below the prefix, seldom a long one."""
    atoms = [mostly(r, ATOMS, ODD_ATOMS, odd) for _ in range(r.choice((0, 1, 1, 2, 3, 4)))]
    if r.random() < 0.03:
        atoms *= r.randrange(1, 2000)
    text = prefix + "/".join(atoms)
    if r.random() < 0.3:
        text += "?" + r.choice(("", "a=b", "a=%20&b", "?", "a/../b", "x=%zz", "a?b", "a#b"))
    return text[: r.choice((1000, 8100, 8150, 8200, 9000))]


def target(r: Random, prefixes: Sequence[str], odd: float = 0.1) -> str:
    """What stands behind the method."""
    origin = path(r, r.choice(prefixes), odd)
    if r.random() < 0.9:
        return origin
    scheme = r.choice(("http", "https", "HTTP", "ftp", "a+b", "1a", "", "h t"))
    host = r.choice(
        ("h", "H.Example", "h:80", "h:", "u@h", "[::1]", "[::1]:8", "", "h%41", "h_", "1.2.3.4")
    )
    forms = [f"{scheme}://{host}{origin}", f"{scheme}://{host}", f"{scheme}://{host}?a=b", "*"]
    return r.choice([*forms, "h:443", f"//{host}{origin}", origin[1:], f"{scheme}:{origin}"])


def split(r: Random, data: bytes) -> tuple[bytes, ...]:
    """The bytes in one packet or in several."""
    cuts = sorted(r.randrange(len(data) + 1) for _ in range(r.choice((0, 0, 0, 0, 1, 1, 2, 4))))
    packets = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    return tuple(packet for packet in packets if packet) or (b"",)


def chunked(r: Random, body: bytes, odd: float = 0.1) -> bytes:
    """The body in chunks."""
    data = b""
    while body:
        size = r.randrange(1, len(body) + 1)
        written = b"%x" % size
        extension = b""
        if r.random() < odd:
            written = r.choice(ODD_SIZES) % size
        if r.random() < odd:
            extension = r.choice(EXTENSIONS)
        end = b"\r\n" if r.random() > odd / 3 else r.choice((b"\n", b"", b"\r", b"x\r\n"))
        data += written + extension + b"\r\n" + body[:size] + end
        body = body[size:]
    last = b"0" if r.random() > odd / 2 else r.choice((b"000", b"0;a", b"", b"-0", b"0 ", b"0x0"))
    trailers = b"" if r.random() > odd else r.choice(TRAILERS)
    return data + last + b"\r\n" + trailers + b"\r\n"


ODD_SIZES = [
    b"%X",
    b"0%x",
    b"000000000000%x",
    b" %x",
    b"%x ",
    b"0x%x",
    b"+%x",
    b"-%x",
    b"%xg",
    b"%x\t",
]
ODD_SIZES += [b"ffffffffffffffff%x", b"7fffffffffffffff%.0x", b"1%x", b"%x\n", b"%x\r", b"\r\n%x"]
EXTENSIONS = [
    b";a",
    b";a=b",
    b' ; a="b"',
    b";",
    b";a=b;c",
    b"; \t",
    b";a\n",
    b';"\r\n"',
    b" a",
    b";\xe9",
]
EXTENSIONS += [b";a\x01", b";a\r", b"\t;a", b";" + b"a" * 500]
TRAILERS = [
    b"A: b\r\n",
    b"A: b\nC: d\r\n",
    b"Content-Length: 9\r\n",
    b"A\r\n",
    b" a\r\n",
    b"A : b\r\n",
]
TRAILERS += [
    b"A: b\r\r\n",
    b"A: b\rc\r\n",
    b": a\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"A: \x01\r\n",
]
