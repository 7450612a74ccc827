"""Calls of a real gRPC client to a real gRPC server (grpcio), through the server under test."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ..authority import Authority
from ..nginx import Nginx
from .tokens import FILES, token

grpc = pytest.importorskip("grpc")

RECIPE = Path(__file__).parent.parent.parent / "docs/recipes/grpc.md"
SITE = Authority("localhost", ["localhost"])
SECONDS = 20  # for a call, unless it is about deadlines
SERVICE = "echo.Echo"

PYNGX_ONLY = pytest.mark.pyngx_only("auth_jwt_validate_claim is a directive of pyngx")


@dataclass
class Echo:
    """A service of all four kinds of calls; messages are bytes."""

    cancelled: threading.Event = field(default_factory=threading.Event)
    begun: threading.Event = field(default_factory=threading.Event)

    def unary(self, message: bytes, context: Any) -> bytes:
        context.send_initial_metadata((("x-first", "1"),))
        context.set_trailing_metadata((("x-last", "2"), ("x-data-bin", b"\0\xff")))
        return message

    def user(self, message: bytes, context: Any) -> bytes:
        return str(dict(context.invocation_metadata()).get("x-user", "nobody")).encode()

    def fail(self, message: bytes, context: Any) -> bytes:
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "no: ü")
        raise AssertionError

    def wait(self, message: bytes, context: Any) -> bytes:
        context.add_callback(self.cancelled.set)
        self.begun.set()
        self.cancelled.wait(SECONDS)
        return b""

    def spread(self, message: bytes, context: Any) -> Iterator[bytes]:
        for n in range(int(message)):
            yield b"%d" % n * 1000

    def collect(self, messages: Iterator[bytes], context: Any) -> bytes:
        return b"%d" % sum(map(len, messages))

    def chat(self, messages: Iterator[bytes], context: Any) -> Iterator[bytes]:
        for message in messages:
            yield message.upper()

    @property
    def handlers(self) -> Any:
        kinds = {
            "Unary": grpc.unary_unary_rpc_method_handler(self.unary),
            "User": grpc.unary_unary_rpc_method_handler(self.user),
            "Fail": grpc.unary_unary_rpc_method_handler(self.fail),
            "Wait": grpc.unary_unary_rpc_method_handler(self.wait),
            "Spread": grpc.unary_stream_rpc_method_handler(self.spread),
            "Collect": grpc.stream_unary_rpc_method_handler(self.collect),
            "Chat": grpc.stream_stream_rpc_method_handler(self.chat),
        }
        return grpc.method_handlers_generic_handler(SERVICE, kinds)


@dataclass
class Site:
    """The server under test between the two."""

    nginx: Nginx
    echo: Echo
    server_port: int
    channels: list[Any] = field(default_factory=list)

    def __call__(self, snippet: str = "", *, http: str = "") -> Any:
        """Serves, and returns a channel of a client."""
        server = f"http2 on; {snippet or 'location / { grpc_pass u; }'}"
        upstream = f"upstream u {{ server 127.0.0.1:{self.server_port}; keepalive 4; }}"
        self.nginx(server, http=upstream + http)
        return self.channel()

    def channel(self) -> Any:
        channel = grpc.insecure_channel(self.nginx.filled("127.0.0.1:%%PORT%%"))
        self.channels.append(channel)
        return channel


@pytest.fixture
def site(nginx: Nginx) -> Iterator[Site]:
    echo = Echo()
    server = grpc.server(ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers((echo.handlers,))
    found = Site(nginx, echo, server.add_insecure_port("127.0.0.1:0"))
    server.start()
    yield found
    for channel in found.channels:
        channel.close()
    echo.cancelled.set()
    server.stop(None).wait(SECONDS)


def call(channel: Any, name: str, kind: str = "unary_unary") -> Any:
    return getattr(channel, kind)(f"/{SERVICE}/{name}")


@pytest.mark.parametrize("size", [0, 5, 100_000, 3_000_000])
def test_unary(site: Site, size: int) -> None:
    channel = site("client_max_body_size 0; location / { grpc_pass u; }")
    message = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    for _ in range(2):
        answer, told = call(channel, "Unary").with_call(message, timeout=SECONDS)
        assert answer == message
        assert dict(told.initial_metadata())["x-first"] == "1"
        trailing = dict(told.trailing_metadata())
        assert (trailing["x-last"], trailing["x-data-bin"]) == ("2", b"\0\xff")


def test_status(site: Site) -> None:
    channel = site()
    with pytest.raises(grpc.RpcError) as caught:
        call(channel, "Fail")(b"", timeout=SECONDS)
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert caught.value.details() == "no: ü"
    with pytest.raises(grpc.RpcError) as caught:
        call(channel, "Missing")(b"", timeout=SECONDS)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_stream_of_the_server(site: Site) -> None:
    found = list(call(site(), "Spread", "unary_stream")(b"300", timeout=SECONDS))
    assert found == [b"%d" % n * 1000 for n in range(300)]


def test_stream_of_the_client(site: Site) -> None:
    messages = (b"x" * 1000 for _ in range(300))
    assert call(site(), "Collect", "stream_unary")(messages, timeout=SECONDS) == b"300000"


def test_both_streams_at_once(site: Site) -> None:
    """Each message is an answer to the one before."""
    received = threading.Semaphore(1)

    def ask() -> Iterator[bytes]:
        for n in range(20):
            assert received.acquire(timeout=SECONDS)
            yield b"message %d" % n

    answers = []
    for answer in call(site(), "Chat", "stream_stream")(ask(), timeout=SECONDS):
        answers.append(answer)
        received.release()
    assert answers == [b"MESSAGE %d" % n for n in range(20)]


def test_much_in_both_directions(site: Site) -> None:
    """A client that writes all before it reads: windows fill, and nothing stands still."""
    messages = [b"%d " % n * 1000 for n in range(200)]
    channel = site("client_max_body_size 0; location / { grpc_pass u; }")
    answers = list(call(channel, "Chat", "stream_stream")(iter(messages), timeout=SECONDS))
    assert answers == [message.upper() for message in messages]


def test_calls_at_once(site: Site) -> None:
    channel = site()
    messages = [b"%d" % n for n in range(30)]
    pending = [call(channel, "Unary").future(message, timeout=SECONDS) for message in messages]
    assert [one.result(SECONDS) for one in pending] == messages


def test_deadline(site: Site) -> None:
    """It ends the call at the server as well."""
    channel = site()
    with pytest.raises(grpc.RpcError) as caught:
        call(channel, "Wait")(b"", timeout=0.5)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert site.echo.cancelled.wait(SECONDS)


def test_cancellation(site: Site) -> None:
    pending = call(site(), "Wait").future(b"", timeout=SECONDS)
    assert site.echo.begun.wait(SECONDS)
    assert pending.cancel()
    assert site.echo.cancelled.wait(SECONDS)


def test_server_that_is_not_there(site: Site) -> None:
    channel = site("location / { grpc_pass 127.0.0.1:%%PORT_none%%; }")
    with pytest.raises(grpc.RpcError) as caught:
        call(channel, "Unary")(b"", timeout=SECONDS)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_error_page(site: Site) -> None:
    channel = site("""
        error_page 502 = @unavailable;
        location / { grpc_pass 127.0.0.1:%%PORT_none%%; }
        location @unavailable {
            default_type application/grpc;
            add_header grpc-status 10; add_header grpc-message "try again";
            return 204;
        }
        """)
    with pytest.raises(grpc.RpcError) as caught:
        call(channel, "Unary")(b"", timeout=SECONDS)
    assert caught.value.code() is grpc.StatusCode.ABORTED
    assert caught.value.details() == "try again"


@PYNGX_ONLY
def test_recipe(site: Site) -> None:
    """With TLS: gRPC behind JWT."""
    (text,) = re.findall(r"```nginx\n(.*?)```", RECIPE.read_text(), re.DOTALL)
    text = text.replace("127.0.0.1:50051", f"127.0.0.1:{site.server_port}")
    text = text.replace("/srv/app/", "%%DIR%%/")
    before, _, server = text.partition("server {\n")
    server = server.replace("    listen 443 ssl;\n", "").rstrip()[:-1]
    files = {"keys.json": FILES["jwks.json"], "site.pem": SITE.pem, "site.key": SITE.key_pem()}
    site.nginx(server, http=before, files=files, listen="127.0.0.1:%%PORT%% ssl")
    trusted = grpc.ssl_channel_credentials(SITE.pem.encode())
    names = (("grpc.ssl_target_name_override", "localhost"),)
    target = site.nginx.filled("127.0.0.1:%%PORT%%")
    channel = grpc.secure_channel(target, trusted, names)
    site.channels.append(channel)
    good = token(sub="alice", iss="https://idp.example.com", aud="api")
    bearer = (("authorization", f"Bearer {good}"), ("x-user", "mallory"))
    assert call(channel, "User")(b"", timeout=SECONDS, metadata=bearer) == b"alice"
    with pytest.raises(grpc.RpcError) as caught:
        call(channel, "User")(b"", timeout=SECONDS)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    with pytest.raises(grpc.RpcError) as caught:
        health = channel.unary_unary("/grpc.health.v1.Health/Check")
        health(b"", timeout=SECONDS)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
