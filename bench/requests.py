"""The requests of a row: as browsers and programs send them, each one different, or one alone."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from pathlib import Path

from .rows import Row

COUNT = 3000  # different requests; more where there are more tokens
BROWSERS = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0"
    " Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
    " Version/{}.1 Safari/605.1.15",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:{0}.0) Gecko/20100101 Firefox/{0}.0",
    "okhttp/4.{}",
)
LANGUAGES = ("en-US,en;q=0.9", "de-DE,de;q=0.8,en;q=0.5", "fr", "ja,en-US;q=0.7,en;q=0.3")
WORDS = ("list", "detail", "search", "order", "account", "image", "basket", "report")

Head = list[tuple[str, str]]


def requests(row: Row, tokens: Sequence[str], *, varied: bool) -> list[bytes]:
    """All requests of a row, in the order in which they are sent."""
    heads = _heads(row, tokens, varied=varied)
    return [_compose(row, target, head, chance) for target, head, chance in heads]


def targets(row: Row, tokens: Sequence[str], *, varied: bool) -> list[str]:
    """The request targets alone, with a token in the query of each."""
    listed = [target for target, _, _ in _heads(row, (), varied=varied)]
    if not tokens:
        return listed
    joined = [f"{t}{'&' if '?' in t else '?'}token=" for t in listed]
    return [text + tokens[n % len(tokens)] for n, text in enumerate(joined)]


def common_head() -> Head:
    """The lines of one browser but for Host, as a connection of HTTP/2 repeats them."""
    return _lines(random.Random(0))[:8]


def write_requests(path: Path, texts: Iterable[bytes]) -> None:
    """Writes what wrk.lua reads: each text after its length and a line feed."""
    path.write_bytes(b"".join(b"%d\n%b\n" % (len(text), text) for text in texts))


def _heads(
    row: Row, tokens: Sequence[str], *, varied: bool
) -> list[tuple[str, Head, random.Random]]:
    found = []
    for number in range(max(COUNT, len(tokens)) if varied else 1):
        chance = random.Random(number)
        lines = _lines(chance)
        if tokens:
            lines.append(("Authorization", f"Bearer {tokens[number % len(tokens)]}"))
        chance.shuffle(lines)
        found.append((_target(row, number, chance), lines, chance))
    return found


def _target(row: Row, number: int, chance: random.Random) -> str:
    if row.paths:
        query = f"?v={chance.randrange(10**6)}"
        return f"{row.prefix}{number % row.paths}{query}"
    path = f"{row.prefix}{chance.choice(WORDS)}/{chance.randrange(10**7)}"
    query = f"?page={chance.randrange(100)}&sort={chance.choice(WORDS)}&t={chance.randrange(10**9)}"
    return path + query if number % 4 else path


def _lines(chance: random.Random) -> Head:
    """8 to 12 ordinary lines, Host and Authorization not counted."""
    version, language = chance.randrange(90, 140), chance.choice(LANGUAGES)
    always = [
        ("User-Agent", chance.choice(BROWSERS).format(version)),
        ("Accept", "application/json, text/plain, */*"),
        ("Accept-Encoding", "gzip, deflate, br"),
        ("Accept-Language", language),
        ("Cookie", f"session={chance.randbytes(16).hex()}; theme=dark; seen={version}"),
        ("Referer", f"https://bench.example/{chance.choice(WORDS)}?from={chance.randrange(10**6)}"),
        ("X-Request-Id", chance.randbytes(16).hex()),
        ("Sec-Fetch-Mode", chance.choice(("cors", "navigate", "no-cors"))),
    ]
    sometimes = [
        ("Cache-Control", "no-store"),
        ("Sec-Fetch-Site", "same-origin"),
        ("Priority", f"u={chance.randrange(7)}, i"),
        ("X-Client-Version", f"{version}.{chance.randrange(1000)}"),
    ]
    return always + chance.sample(sometimes, chance.randrange(len(sometimes) + 1))


def _compose(row: Row, target: str, head: Head, chance: random.Random) -> bytes:
    lines = [("Host", "bench.example"), *head]
    body = chance.randbytes(row.body)
    if body:
        lines.append(("Content-Type", "application/octet-stream"))
        lines.append(("Content-Length", str(len(body))))
    if row.closes:
        lines.append(("Connection", "close"))
    method = "POST" if body else "GET"
    text = "".join(f"{name}: {value}\r\n" for name, value in lines)
    return f"{method} {target} HTTP/1.1\r\n{text}\r\n".encode() + body
