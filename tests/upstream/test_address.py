"""Addresses of upstream servers."""

from __future__ import annotations

import socket

import pytest

from pyngx_jwt.errors import ConfError
from pyngx_jwt.upstream import parse_upstream, parse_url


@pytest.mark.parametrize(
    "text, names, host, port, no_port, uri",
    [
        ("127.0.0.1", "127.0.0.1:80", "127.0.0.1", 80, True, ""),
        ("127.0.0.1:8080", "127.0.0.1:8080", "127.0.0.1", 8080, False, ""),
        ("127.0.0.01:08080/a:b", "127.0.0.1:8080", "127.0.0.01", 8080, False, "/a:b"),
        ("1..2.3", "1.0.2.3:80", "1..2.3", 80, True, ""),
        ("127.0.0.1?a=/b:1", "127.0.0.1:80", "127.0.0.1", 80, True, "?a=/b:1"),
        ("127.0.0.1:1?a", "127.0.0.1:1", "127.0.0.1", 1, False, "?a"),
        ("[::1]", "[::1]:80", "[::1]", 80, True, ""),
        ("[0:0::0:1]:8080/x?y", "[::1]:8080", "[0:0::0:1]", 8080, False, "/x?y"),
        ("[::ffff:1.2.3.4]:1", "[::ffff:1.2.3.4]:1", "[::ffff:1.2.3.4]", 1, False, ""),
        ("unix:/run/a", "unix:/run/a", "/run/a", 0, False, ""),
        ("UNIX:/run/a:/x:y", "unix:/run/a", "/run/a", 0, False, "/x:y"),
        ("unix:a:", "unix:a", "a", 0, False, ""),
    ],
)
def test_parsed(text: str, names: str, host: str, port: int, no_port: bool, uri: str) -> None:
    url = parse_url(text, default_port=80, uri_part=True)
    assert " ".join(address.name for address in url.addresses) == names
    assert (url.text, url.host, url.port, url.no_port, url.uri) == (text, host, port, no_port, uri)


@pytest.mark.parametrize(
    "text, reason",
    [
        ("", "no host"),
        (":80", "no host"),
        ("[]:80", "no host"),
        ("a:", "invalid port"),
        ("a:0", "invalid port"),
        ("a:65536", "invalid port"),
        ("a:+1", "invalid port"),
        ("a:b:1", "invalid port"),
        ("[::1]:", "invalid port"),
        ("[::1]:x", "invalid port"),
        ("[::1", "invalid host"),
        ("[::1]x", "invalid host"),
        ("a/b", "invalid host"),
        ("a?b", "invalid host"),
        ("[::1]/", "invalid host"),
        ("[x]:80", "invalid IPv6 address"),
        ("unix:", "no path in the unix domain socket"),
        ("unix:" + "a" * 108, "too long path in the unix domain socket"),
        ("nowhere.invalid", "host not found"),
        ("a.." + "b" * 70 + ":80", "host not found"),
    ],
)
def test_rejected(text: str, reason: str) -> None:
    with pytest.raises(ConfError) as raised:
        parse_upstream(text, default_port=80)
    assert str(raised.value) == f'{reason} in upstream "{text}"'


def test_a_name_stands_for_all_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 0, 0, 0)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0)),
        (socket.AF_UNIX, socket.SOCK_STREAM, 6, "", ("x",)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **named: found)
    url = parse_url("two.example:8080")
    assert [address.name for address in url.addresses] == ["[::1]:8080", "127.0.0.1:8080"]
    assert url.family == socket.AF_INET6


def test_a_name_may_be_left_alone() -> None:
    url = parse_url("nowhere.invalid:8080", resolve=False)
    assert (url.host, url.port, url.addresses) == ("nowhere.invalid", 8080, ())


def test_localhost() -> None:
    addresses = parse_url("localhost:1").addresses
    assert {address.host for address in addresses} <= {"127.0.0.1", "::1"}
    assert addresses
