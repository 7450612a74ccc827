"""Whatever is fed to the linter: it ends, says what is wrong, and never takes it for clean."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from pyngx_jwt.lint.read.includes import InputError
from pyngx_jwt.lint.read.snippet import guess_context
from pyngx_jwt.lint.rules import rules

from .kit import PAIRS, Linter

ROUNDS = 600
EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "nginx.conf"
TEXTS = [
    EXAMPLE.read_text(),
    *(path.read_text() for path in sorted(PAIRS.glob("*.conf"))),
    *(text for rule in rules() for kind in ("Bad", "Good") for text in rule.examples(kind)),
]
MARKS = ("{", "}", ";", '"', "'", "\\", "#", "$", "${", "\0", "\r", "~", "(", "\xff")


def cut(text: str, dice: random.Random) -> str:
    start = dice.randrange(len(text))
    return text[:start] + text[start + dice.randrange(1, 40) :]


def put(text: str, dice: random.Random) -> str:
    at = dice.randrange(len(text))
    return text[:at] + dice.choice(MARKS) + text[at:]


def flip(text: str, dice: random.Random) -> str:
    at = dice.randrange(len(text))
    return text[:at] + chr(ord(text[at]) % 256 ^ 1 << dice.randrange(8)) + text[at + 1 :]


def drop_line(text: str, dice: random.Random) -> str:
    lines = text.split("\n")
    del lines[dice.randrange(len(lines))]
    return "\n".join(lines)


def repeat_line(text: str, dice: random.Random) -> str:
    lines = text.split("\n")
    lines.insert(dice.randrange(len(lines)), dice.choice(lines))
    return "\n".join(lines)


def swap_words(text: str, dice: random.Random) -> str:
    words = text.split()
    return text.replace(dice.choice(words), dice.choice(words), 1) if words else text


def end(text: str, dice: random.Random) -> str:
    return text[: dice.randrange(len(text))]


CHANGES: tuple[Callable[[str, random.Random], str], ...] = (
    *(cut, put, flip, drop_line, repeat_line, swap_words, end),
)


@pytest.mark.parametrize("seed", range(6))
def test_changed_at_random(seed: int, linter: Linter) -> None:
    """No exception, no rule that breaks; the linter ends, or the test never would."""
    dice = random.Random(seed)
    for _ in range(ROUNDS // 6):
        text = dice.choice(TEXTS)
        for _ in range(dice.choice((1, 1, 2, 5))):
            text = dice.choice(CHANGES)(text, dice) if text else text
        linter.write({"nginx.conf": text.encode("latin-1", "replace")})
        report = linter.report()
        assert not report.crashes, f"{text}\n{report.crashes[0]}"


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_open_blocks_are_errors(text: str, linter: Linter) -> None:
    if "}" in text:
        # Without the end of its last block the file could be taken for another kind.
        report = linter.report(text[: text.rindex("}")] + "\n", context=guess_context(text))
        assert report.is_invalid


@pytest.mark.parametrize(
    "octets",
    [
        b"\0",
        b"\xff\xfe\0\0{",
        bytes(range(256)),
        b"}",
        b"{",
        b'"',
        b"a" * 5000,
        b"http {" * 500,
        b"events { } http { include nginx.conf; }",
    ],
)
def test_no_configuration(octets: bytes, linter: Linter) -> None:
    linter.write({"nginx.conf": octets})
    assert linter.report().is_invalid


def test_what_is_no_file(linter: Linter) -> None:
    (linter.folder / "empty").mkdir()
    for path in ("missing.conf", "empty", "*.none"):
        with pytest.raises(InputError):
            linter.report(paths=[path])


def test_requirements_that_are_no_json(linter: Linter) -> None:
    text = """
        location / {
            auth_jwt "api";
            auth_jwt_key_file keys/jwks.json;
            auth_jwt_require_header alg in 'json=["HS256", none]';
        }
        """
    assert not any(finding.is_error for finding in linter.findings(text))


def test_modules_are_loaded_before_all_blocks(linter: Linter) -> None:
    late = '"load_module" directive is specified too late'
    text = "events { } load_module modules/x.so; http { }"
    assert late in [finding.message for finding in linter.findings(text)]
    text = "load_module modules/x.so; events { } http { }"
    assert late not in [finding.message for finding in linter.findings(text)]


@pytest.mark.parametrize(
    ("host", "possible"),
    [
        ("backend", True),
        ("a_b.example.com", True),
        ("127.1", True),
        ("127>0.0.1", False),
        ("592.168.33.12", False),
        ("1270.0.1", False),
        ("key.invalid", False),
    ],
)
def test_names_that_no_host_can_have(host: str, possible: bool, linter: Linter) -> None:
    text = f"location / {{ proxy_pass http://{host}:80; }}"
    assert any(f.is_error for f in linter.findings(text)) is not possible
