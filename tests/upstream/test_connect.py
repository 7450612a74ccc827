"""Ways to a server, and what bars them."""

from __future__ import annotations

import asyncio
import datetime
import socket
import ssl
import sys
from pathlib import Path

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pyngx_jwt.tls.context import Context
from pyngx_jwt.tls.credentials import load_authorities
from pyngx_jwt.upstream import (
    ConnectError,
    PeerAddress,
    PeerConnection,
    PeerHandshake,
    PeerSettings,
    connect,
)
from pyngx_jwt.upstream.address import Local, inet_address, unix_address

from ..ports import free_port
from .peers import ADDRESS, GET, answering, connected, read_all, run, served

SETTINGS = PeerSettings()
VERSIONS = ("TLSv1.2", "TLSv1.3")
HASTY = PeerSettings(connect_timeout=0.05)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def test_refused() -> None:
    port = free_port()
    with pytest.raises(ConnectError) as raised:
        run(connect(inet_address("127.0.0.1", port), SETTINGS))
    assert str(raised.value) == "connect() failed (111: Connection refused)"
    assert not raised.value.timed_out


def test_no_such_socket(tmp_path: Path) -> None:
    name = f"unix:{tmp_path}/none"
    with pytest.raises(ConnectError) as raised:
        run(connect(unix_address(f"{tmp_path}/none"), SETTINGS))
    assert str(raised.value) == f"connect() to {name} failed (2: No such file or directory)"
    assert raised.value.critical


def test_a_local_address_that_is_not_ours() -> None:
    async def main() -> None:
        async with served(answering(OK)) as server:
            await connect(server.address, SETTINGS, local=Local("192.0.2.1", 0))

    with pytest.raises(ConnectError) as raised:
        run(main())
    assert str(raised.value) == "bind(192.0.2.1) failed (99: Cannot assign requested address)"


def test_local_address() -> None:
    async def main() -> str:
        found: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            found.set_result(writer.get_extra_info("peername")[0])

        async with served(script) as server:
            connection = await connect(server.address, SETTINGS, local=Local("127.0.0.9", 0))
            connection.close()
            return await found

    assert run(main()) == "127.0.0.9"


def test_unix_socket(tmp_path: Path) -> None:
    async def main() -> bytes:
        async with served(answering(OK), path=f"{tmp_path}/socket") as server:
            connection = await connect(server.address, SETTINGS)
            connection.begin(GET, SETTINGS)
            body = await read_all(connection)
            connection.close()
            return body

    assert run(main()) == b"ok"


def test_keepalive_of_the_socket() -> None:
    async def main() -> list[int]:
        found = []
        async with served(answering(OK)) as server:
            for wanted in (False, True):
                settings = PeerSettings(socket_keepalive=wanted)
                connection = await connect(server.address, settings)
                sock = connection._transport.get_extra_info("socket")
                found.append(sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))
                connection.close()
        return found

    assert run(main()) == [0, 1]


def test_without_a_task() -> None:
    """The engine runs a handler ahead of its task."""
    loop = uvloop.new_event_loop()
    result: list[PeerConnection] = []

    async def main(address: PeerAddress) -> None:
        assert asyncio.current_task(loop) is None
        result.append(await connect(address, SETTINGS))
        loop.stop()

    with socket.create_server(("127.0.0.1", 0)) as server:
        coroutine = main(inet_address("127.0.0.1", server.getsockname()[1]))

        def step() -> None:
            try:
                future = coroutine.send(None)
            except StopIteration:
                return
            future._asyncio_future_blocking = False
            future.add_done_callback(lambda _: step())

        loop.call_soon(step)
        loop.call_later(5, loop.stop)
        loop.run_forever()
        assert result
        result[0].close()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


def test_timeout_covers_the_handshake() -> None:
    async def main() -> None:
        async with served(silent) as server:
            with pytest.raises(ConnectError) as raised:
                await connect(server.address, HASTY, ssl=lenient())
            assert raised.value.timed_out
            assert str(raised.value) == "upstream timed out (110: Connection timed out)"
            await server.ended.get()  # nothing is left of it

    run(main())


def test_an_abandoned_attempt_leaves_nothing() -> None:
    async def main() -> None:
        async with served(silent) as server:
            attempt = asyncio.create_task(connect(server.address, SETTINGS, ssl=lenient()))
            while not server.connections:
                await asyncio.sleep(0)
            attempt.cancel()
            await server.ended.get()

    run(main())


@pytest.mark.interpreted("replaces _open()")
def test_abandoned_at_the_last_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        made, transport = connected()

        async def open_at_once(*_: object) -> PeerConnection:
            return made

        monkeypatch.setattr(sys.modules[connect.__module__], "_open", open_at_once)
        attempt = asyncio.create_task(connect(ADDRESS, SETTINGS))
        await asyncio.sleep(0)  # it opens
        await asyncio.sleep(0)  # it is open, and nobody knows yet
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
        await asyncio.sleep(0)
        assert transport.closed

    run(main())


def test_no_tls_at_the_other_end() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        await reader.read()

    async def main() -> None:
        async with served(talk) as server:
            with pytest.raises(ConnectError, match=r"^SSL_do_handshake\(\) failed \(SSL: "):
                await connect(server.address, SETTINGS, ssl=lenient())
        async with served(hang_up) as server:
            with pytest.raises(ConnectError):
                await connect(server.address, SETTINGS, ssl=lenient())

    run(main())


def test_tls(certificate: Path) -> None:
    names: list[str | None] = []

    async def main() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        context.sni_callback = lambda _, name, __: names.append(name)
        trusting = PeerHandshake(_verifying(certificate), "upstream.example", True, True)
        other = PeerHandshake(trusting.context, "other.example", True, True)
        async with served(answering(OK, OK), tls=context) as server:
            address = server.address
            for client in (lenient(), trusting):
                connection = await connect(address, SETTINGS, ssl=client)
                for _ in range(2):
                    connection.begin(GET, SETTINGS)
                    assert await read_all(connection) == b"ok"
                    assert connection.reusable
                assert connection.ssl_object is not None
                connection.close()
            with pytest.raises(ConnectError, match=r'does not match "other.example"'):
                await connect(address, SETTINGS, ssl=other)

    run(main())
    assert names == [None, "upstream.example", "other.example"]


def test_alpn(certificate: Path) -> None:
    """Protocols are offered, and the connection knows which one was chosen."""

    async def main() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        context.set_alpn_protocols(["http/1.1", "h2"])
        async with served(answering(OK), tls=context) as server:
            for offered, chosen in (((b"h2", b"x"), "h2"), ((b"x",), ""), ((), "")):
                handshake = PeerHandshake(Context(VERSIONS), alpn=offered)
                connection = await connect(server.address, SETTINGS, ssl=handshake)
                assert connection.ssl_object is not None
                assert connection.ssl_object.alpn == chosen
                connection.close()

    run(main())


def _verifying(certificate: Path) -> Context:
    context = Context(VERSIONS)
    context.verify(1)
    context.trust("", load_authorities(str(certificate)))
    return context


def lenient() -> PeerHandshake:
    return PeerHandshake(Context(VERSIONS))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and its self-signed certificate for upstream.example."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "upstream.example")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("upstream.example")]), False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path
