"""Passwords as files keep them, and the Authorization field."""

from __future__ import annotations

import base64
import hashlib

import pytest

from pyngx_jwt.http.basic import decode_base64, matches
from pyngx_jwt.modules.auth_basic import find_user


def ssha(password: str, salt: bytes) -> str:
    digest = hashlib.sha1(password.encode("latin-1") + salt).digest()
    return "{SSHA}" + base64.b64encode(digest + salt).decode()


# The password is "secret"; openssl passwd and crypt(3) made what is not readable.
KEPT = [
    "{PLAIN}secret",
    "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
    ssha("secret", b"salt"),
    ssha("secret", b"a much longer salt than is usual"),
    ssha("secret", b""),
    "$apr1$saltsalt$LrttParrLPdxvgutaSXWJ0",
    "abNANd1rDfiNc",
    "$1$saltsalt$9xy1btjgzLYfb7hivXtC//",
    "$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA",
    "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5"
    "hVO1",
]


@pytest.mark.parametrize("kept", KEPT)
def test_methods(kept: str) -> None:
    assert matches("secret", kept)
    assert not matches("Secret", kept)
    assert not matches("", kept)
    assert not matches("secre", kept)
    assert matches("secret\0 as C strings end", kept)


@pytest.mark.parametrize(
    ("password", "kept"),
    [
        ("x" * 37, "$apr1$12345678$gVG4XbKIWfBtSYJV0e8Kx1"),
        ("", "$apr1$a$lsAcX0kKaMIVmrCtUuk5b0"),
        ("", "{PLAIN}"),
        ("gr\xfc\xdfe", "{PLAIN}gr\xfc\xdfe"),
    ],
)
def test_odd_passwords(password: str, kept: str) -> None:
    assert matches(password, kept)


@pytest.mark.parametrize(
    "kept",
    [
        "",
        "secret",
        "{SHA}",
        "{SHA}5en6G6MezRroT3XKqkdPOmY/Bf",
        "{SSHA}",
        "{SSHA}AAA=",
        "{SSHA}!",
        "$apr1$saltsalt",
        "$apr1$saltsalt$",
        "$apr1$",
        "*0",
        "*1",
        "$9$unknown$x",
    ],
)
def test_broken_entries_match_nothing(kept: str) -> None:
    for password in ("", "secret"):
        try:
            assert not matches(password, kept)
        except OSError:
            assert not kept.startswith(("{", "$apr1$"))


@pytest.mark.parametrize(
    ("text", "decoded"),
    [
        ("YWI=", "ab"),
        ("YWI", "ab"),
        ("YWI=anything", "ab"),
        ("", ""),
        ("Y", None),
        ("YWJjZ", None),
        ("YW I", None),
        ("YW-_", None),
        ("/+/8", "\xff\xef\xfc"),
    ],
)
def test_base64(text: str, decoded: str | None) -> None:
    assert decode_base64(text) == decoded


@pytest.mark.parametrize(
    ("text", "user", "kept"),
    [
        ("a:1\nb:2\n", "a", "1"),
        ("a:1\nb:2\n", "b", "2"),
        ("a:1\nb:2", "b", "2"),
        ("a:1\r\nb:2\r\n", "a", "1"),
        ("a:1:comment\n", "a", "1"),
        ("#a:1\n", "a", None),
        ("#a:1\n", "#a", None),
        ("a:1\na:2\n", "a", "1"),
        ("aa:1\n", "a", None),
        ("a:1\n", "aa", None),
        ("x\n\na:1\n", "a", "1"),
        ("", "a", None),
        ("a", "a", None),
        ("a:", "a", ""),
    ],
)
def test_lines(text: str, user: str, kept: str | None) -> None:
    assert find_user(text, user) == kept
