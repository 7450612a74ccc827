"""Ports that tests hold for their servers."""

from __future__ import annotations

import socket

import pytest

from .ports import HOST, HeldPort


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_nobody_gets_it_by_chance(kind: socket.SocketKind) -> None:
    held = HeldPort()
    with socket.socket(socket.AF_INET, kind) as other:
        with pytest.raises(OSError, match="Address already in use"):
            other.bind((HOST, held.number))
        held.close()
        other.bind((HOST, held.number))


@pytest.mark.parametrize("host", [HOST, ""])
def test_a_server_gets_all_that_comes(host: str) -> None:
    held = HeldPort()
    with (
        socket.create_server((host, held.number)) as listener,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        datagrams.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        datagrams.bind((host, held.number))
        for bound in (listener, datagrams):
            bound.settimeout(10)
        socket.create_connection((HOST, held.number)).close()
        listener.accept()[0].close()
        for sent in (b"1", b"2"):
            client.sendto(sent, (HOST, held.number))
            assert datagrams.recv(9) == sent
    held.close()


def test_without_a_server_it_refuses() -> None:
    held = HeldPort()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, held.number))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect((HOST, held.number))
        client.settimeout(10)
        client.send(b"1")
        with pytest.raises(ConnectionRefusedError):
            client.recv(9)
    held.close()
