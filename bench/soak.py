"""Mixed load with a reload each minute: python -m bench.soak --minutes 60 --rate 150.

Requests of many kinds, right and wrong ones, over HTTP/1, TLS and HTTP/2, go to a master with two
workers.  Every response is compared with what it has to be.  At the end there are the requests,
the responses that were wrong, and memory and descriptors of the workers at start and end.

A client may meet a connection that the server closes while idle, as each reload does: it asks once
more on a new one if nothing of a response has come, as RFC 9110 section 9.2.2 has it, and also
where GOAWAY says that a request was not looked at.
"""

from __future__ import annotations

import argparse
import contextlib
import getpass
import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jwcrypto.jwt import JWT  # type: ignore[import-untyped]

from tests.authority import Authority
from tests.http2client import Http2Client

from .ports import free_ports
from .tokens import jwks, key

CLIENTS = 12
LINGERS = 50  # requests on a connection, about
SLOW = 20.0  # seconds after which a response is a failure
CONF = """
user {user}; daemon off; master_process on; worker_processes 2; pid pid; error_log error.log info;
events {{ worker_connections 512; }}
http {{
    access_log access.log combined buffer=32k flush=1s;
    proxy_cache_path cache levels=1:2 keys_zone=c:4m max_size=4m inactive=1m;
    limit_req_zone $arg_key zone=r:1m rate=1r/m;
    limit_conn_zone $binary_remote_addr zone=n:1m;
    upstream back {{ zone back 64k; server 127.0.0.1:{back}; server 127.0.0.1:{closed} backup; }}
    gzip on; gzip_min_length 100; gzip_types text/plain;
    server {{
        listen 127.0.0.1:{plain};
        listen 127.0.0.1:{tls} ssl; http2 on;
        ssl_certificate cert.pem; ssl_certificate_key key.pem;
        ssl_session_cache shared:s:1m;
        client_max_body_size 200k; limit_conn n 400;
        location = /text {{ add_header X-Generation {generation}; return 200 "$arg_v\\n"; }}
        location /files/ {{ alias {folder}/files/; open_file_cache max=20 inactive=10s; }}
        location /proxied/ {{ proxy_pass http://back/; proxy_set_header X-Id $arg_v; }}
        location /moved {{ proxy_pass http://127.0.0.1:{closed}; error_page 502 =200 /text?$args; }}
        location /cached/ {{
            proxy_cache c; proxy_cache_key $uri; proxy_cache_valid 200 2s;
            proxy_cache_lock on; proxy_cache_use_stale updating error; proxy_pass http://back/;
        }}
        location /token {{
            auth_jwt "soak"; auth_jwt_key_file jwks.json; alias {folder}/files/small;
        }}
        location /asked {{ auth_request /ask; alias {folder}/files/small; }}
        location = /ask {{ internal; proxy_pass http://back/ask; proxy_pass_request_body off; }}
        location /once {{ limit_req zone=r; limit_req_status 429; alias {folder}/files/small; }}
        location /ssi/ {{ ssi on; alias {folder}/files/; }}
        location /upload {{
            proxy_pass http://back/length; proxy_http_version 1.1;
            proxy_next_upstream error timeout non_idempotent;
        }}
        location /gone {{ return 410; }}
    }}
    server {{
        listen 127.0.0.1:{back}; access_log off;
        location / {{ return 200 "id=$http_x_id\\n"; }}
        location /big {{ alias {folder}/files/big; }}
        location /ask {{ return 204; }}
        location /length {{ return 200 "$http_content_length\\n"; }}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request, and how it is answered: with one of the statuses, and the body of a 200."""

    kind: str
    head: tuple[str, ...]
    statuses: tuple[int, ...]
    body: bytes | None = None  # None: any
    sent: bytes = b""


@dataclass(slots=True)
class Tally:
    """What has happened, of all clients."""

    requests: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    again: int = 0  # requests that were sent on a second connection
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, kind: str, failure: str = "") -> None:
        with self.lock:
            self.requests[kind] += 1
            if failure:
                self.failures.append(f"{time.strftime('%H:%M:%S')} {kind}: {failure}")
                print(self.failures[-1], flush=True)


class Mix:
    """Makes requests; each random number generator has its own."""

    def __init__(self, files: dict[str, bytes], good: str, expired: str) -> None:
        self.files, self.good, self.expired = files, good, expired

    def one(self, r: random.Random) -> Wanted:
        made: Sequence[Callable[[random.Random], Wanted]] = (
            *([self._text] * 3 + [self._file] * 3 + [self._proxied] * 4 + [self._token] * 3),
            *(self._cached, self._cached, self._refused, self._asked, self._once, self._ssi),
            *(self._upload, self._gone, self._moved, self._too_large),
        )
        return r.choice(made)(r)

    def _text(self, r: random.Random) -> Wanted:
        value = f"{r.random()}"
        return Wanted("return", (f"GET /text?v={value}",), (200,), f"{value}\n".encode())

    def _file(self, r: random.Random) -> Wanted:
        name = r.choice(list(self.files))
        return Wanted("file", (f"GET /files/{name}",), (200,), self.files[name])

    def _proxied(self, r: random.Random) -> Wanted:
        value = f"{r.random()}"
        return Wanted("proxied", (f"GET /proxied/x?v={value}",), (200,), f"id={value}\n".encode())

    def _cached(self, r: random.Random) -> Wanted:
        name = f"GET /cached/{r.choice(('big', 'a', 'b', r.randrange(2000)))}"
        return Wanted("cached", (name,), (200,), self.files["big"] if "big" in name else b"id=\n")

    def _token(self, r: random.Random) -> Wanted:
        head = ("GET /token", f"Authorization: Bearer {self.good}")
        return Wanted("token", head, (200,), self.files["small"])

    def _refused(self, r: random.Random) -> Wanted:
        bad = r.choice((self.expired, self.good[:-8], "x", ""))
        return Wanted("refused token", ("GET /token", f"Authorization: Bearer {bad}"), (401,))

    def _asked(self, r: random.Random) -> Wanted:
        return Wanted("auth_request", ("GET /asked",), (200,), self.files["small"])

    def _once(self, r: random.Random) -> Wanted:
        key = r.randrange(10**9)
        return Wanted("limit_req", (f"GET /once?key={key}",), (200,), self.files["small"])

    def _ssi(self, r: random.Random) -> Wanted:
        return Wanted("ssi", ("GET /ssi/page.html",), (200,), b"<small\n>")

    def _upload(self, r: random.Random) -> Wanted:
        data = b"u" * r.choice((1, 100, 20_000, 150_000))
        head = ("POST /upload", f"Content-Length: {len(data)}")
        return Wanted("upload", head, (200,), b"%d\n" % len(data), data)

    def _too_large(self, r: random.Random) -> Wanted:
        return Wanted(
            "too large", ("POST /upload", "Content-Length: 300000"), (413,), sent=b"x" * 300_000
        )

    def _gone(self, r: random.Random) -> Wanted:
        return Wanted("gone", ("GET /gone",), (410,))

    def _moved(self, r: random.Random) -> Wanted:
        return Wanted("no upstream", ("GET /moved?v=m",), (200,), b"m\n")


class Dropped(Exception):
    """The connection has ended before anything of a response has come."""


class Http1:
    """A client on one connection at a time."""

    def __init__(self, connect: Callable[[], socket.socket]) -> None:
        self._connect = connect
        self._socket: socket.socket | None = None
        self.fresh = True  # nothing was asked on it

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket, self.fresh = None, True

    def ask(self, wanted: Wanted) -> tuple[int, bytes]:
        """Status and body; raises Dropped."""
        if self._socket is None:
            self._socket = self._connect()
        lines = (f"{wanted.head[0]} HTTP/1.1", "Host: soak", *wanted.head[1:], "", "")
        with contextlib.suppress(OSError):  # the response says why
            self._socket.sendall("\r\n".join(lines).encode() + wanted.sent)
        return self._answer()

    def _answer(self) -> tuple[int, bytes]:
        assert self._socket is not None
        file = self._socket.makefile("rb")
        try:
            line = file.readline()
        except ConnectionError:
            line = b""
        if not line:
            raise Dropped
        self.fresh = False
        fields = dict[bytes, bytes]()
        while (field_line := file.readline()) not in (b"\r\n", b""):
            name, _, value = field_line.partition(b":")
            fields[name.lower()] = value.strip()
        if fields.get(b"transfer-encoding") == b"chunked":
            body = b"".join(_chunks(file.readline, file.read))
        else:
            body = file.read(int(fields.get(b"content-length", b"0")))
        if fields.get(b"connection") == b"close":
            self.close()
        return int(line.split()[1]), body


def _chunks(line: Callable[[], bytes], read: Callable[[int], bytes]) -> Iterator[bytes]:
    while size := int(line(), 16):
        yield read(size)
        line()
    line()


class Http2:
    """The same over HTTP/2."""

    def __init__(self, connect: Callable[[], socket.socket]) -> None:
        self._connect = connect
        self._client: Http2Client | None = None
        self.fresh = True

    def close(self) -> None:
        if self._client is not None:
            self._client.socket.close()
        self._client, self.fresh = None, True

    def ask(self, wanted: Wanted) -> tuple[int, bytes]:
        """Status and body; raises Dropped."""
        if self._client is None:
            self._client = Http2Client(self._connect(), "soak")
        client = self._client
        try:
            response = client.request(*wanted.head, body=wanted.sent.decode())
        except (ConnectionError, ssl.SSLError, AssertionError):
            self.fresh = self.fresh and client.goaway is None
            raise Dropped from None
        self.fresh = False
        if client.goaway is not None and not response.fields:  # the request was not looked at
            raise Dropped
        answer = response.answer()
        if answer is None:
            raise ConnectionError(f"no response: {response}")
        if client.goaway is not None:
            self.close()
        return int(answer.status), answer.body


@dataclass(slots=True)
class Client:
    """One thread: asks, at a rate, until the end."""

    number: int
    mix: Mix
    tally: Tally
    talker: Http1 | Http2
    rate: float
    until: float

    def run(self) -> None:
        r = random.Random(self.number)
        following = time.monotonic()
        while (now := time.monotonic()) < self.until:
            if now < following:
                time.sleep(following - now)
            following = max(now, following) + r.expovariate(self.rate)
            wanted = self.mix.one(r)
            self.tally.add(wanted.kind, self._failure(wanted))
            if wanted.statuses == (413,) or r.random() < 1 / LINGERS:
                self.talker.close()

    def _failure(self, wanted: Wanted) -> str:
        try:
            status, body = self._ask(wanted)
        except (OSError, ValueError, AssertionError) as error:
            self.talker.close()
            return repr(error)
        except Dropped:
            self.talker.close()
            return "the connection ended without a response"
        if status not in wanted.statuses:
            return f"{status} instead of {wanted.statuses}: {body[:100]!r}"
        if status == 200 and wanted.body is not None and body != wanted.body:
            return f"{len(body)} bytes of body are not the right ones: {body[:60]!r}"
        return ""

    def _ask(self, wanted: Wanted) -> tuple[int, bytes]:
        for _ in range(3):
            fresh = self.talker.fresh
            try:
                return self.talker.ask(wanted)
            except Dropped:
                self.talker.close()
                if fresh:
                    raise
                with self.tally.lock:
                    self.tally.again += 1
        raise Dropped


def garbage(port: int, until: float, tally: Tally) -> None:
    """Clients that send nonsense, that leave, and that wait."""
    r = random.Random(0)
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as peer:
            peer.sendall(r.choice(NONSENSE))
            if r.random() < 0.5:
                peer.settimeout(1)
                peer.recv(100)
        tally.add("garbage")
        time.sleep(0.5)


NONSENSE = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01",
    b"GET / HTTP/1.1\r\n",
    b"GET /files/big HTTP/1.1\r\nHost: x\r\n\r\n" * 20,
    b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc",
    b"POST /upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 40,
    b"\0" * 5000,
)


def usage(master: int) -> list[str]:
    """Memory and descriptors of the workers."""
    found = []
    children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    for pid in children:
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            sizes = {x.split()[0]: int(x.split()[1]) for x in text.splitlines()[1:]}
            count = len(os.listdir(f"/proc/{pid}/fd"))
            found.append(f"{sizes['Rss:'] / 1024:.1f} MB, {count} descriptors")
    return found


def write(folder: Path, ports: dict[str, int], generation: int) -> None:
    text = CONF.format(folder=folder, generation=generation, user=getpass.getuser(), **ports)
    (folder / "nginx.conf").write_text(text)


def prepare(folder: Path, ports: dict[str, int]) -> Mix:
    authority = Authority("soak", ["soak"])
    (folder / "cert.pem").write_text(authority.pem)
    (folder / "key.pem").write_text(authority.key_pem())
    (folder / "jwks.json").write_text(jwks())
    files = {"small": b"small\n", "big": b"0123456789abcdef" * 20_000}
    (folder / "files").mkdir()
    for name, data in files.items():
        (folder / "files" / name).write_bytes(data)
    page = '<<!--# include virtual="/files/small" -->>'
    (folder / "files" / "page.html").write_text(page)
    write(folder, ports, 0)
    return Mix(files, _token(86400), _token(-86400))


def _token(seconds: int) -> str:
    """One that expires in so many."""
    claims = {"sub": "soak", "exp": int(time.time()) + seconds}
    signed = JWT(header={"alg": "RS256", "kid": "rs256"}, claims=claims)
    signed.make_signed_token(key("RS256"))
    text: str = signed.serialize()
    return text


def clients(mix: Mix, ports: dict[str, int], tally: Tally, rate: float, end: float) -> list[Client]:
    """A third each by HTTP/1, by TLS, and by HTTP/2 over TLS."""

    def plain() -> socket.socket:
        return socket.create_connection(("127.0.0.1", ports["plain"]), SLOW)

    def over_tls(protocol: str) -> Callable[[], socket.socket]:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols([protocol])

        def connect() -> socket.socket:
            peer = socket.create_connection(("127.0.0.1", ports["tls"]), SLOW)
            return context.wrap_socket(peer, server_hostname="soak")

        return connect

    made: Sequence[Callable[[], Http1 | Http2]] = (
        lambda: Http1(plain),
        lambda: Http1(over_tls("http/1.1")),
        lambda: Http2(over_tls("h2")),
    )
    return [
        Client(number, mix, tally, made[number % 3](), rate / CLIENTS, end)
        for number in range(CLIENTS)
    ]


def soak(folder: Path, minutes: float, rate: float, every: float) -> int:
    names = ("plain", "tls", "back", "closed")
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    mix, tally = prepare(folder, ports), Tally()
    command = [sys.executable, "-m", "pyngx_jwt", "-p", str(folder), "-c", "nginx.conf"]
    with subprocess.Popen(command) as server:
        try:
            _wait_for(ports["plain"])
            end = time.monotonic() + minutes * 60
            every_client = clients(mix, ports, tally, rate, end)
            threads = [threading.Thread(target=client.run) for client in every_client]
            threads.append(threading.Thread(target=garbage, args=(ports["plain"], end, tally)))
            for thread in threads:
                thread.start()
            reloads = _reload(server, folder, ports, end, every)
            for thread in threads:
                thread.join()
        finally:
            server.send_signal(signal.SIGTERM)
    _report(tally, reloads, folder)
    return 1 if tally.failures else 0


def _wait_for(port: int) -> None:
    for _ in range(300):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    sys.exit("the server does not start")


def _reload(
    server: subprocess.Popen[bytes], folder: Path, ports: dict[str, int], end: float, every: float
) -> int:
    """Reloads until the end; the number of reloads."""
    done = 0
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, every / 2))
        if done in (0, 1) or left < every:
            print(f"after {done} reloads:", *usage(server.pid), sep="\n    ", flush=True)
        if left < every:
            break
        time.sleep(every / 2)
        done += 1
        write(folder, ports, done)
        server.send_signal(signal.SIGHUP)
    return done


def _report(tally: Tally, reloads: int, folder: Path) -> None:
    total = sum(tally.requests.values())
    print(f"{total} requests, {reloads} reloads, {tally.again} asked again on a new connection")
    print(", ".join(f"{number} {kind}" for kind, number in tally.requests.most_common()))
    log = (folder / "error.log").read_text(errors="replace").splitlines()
    bad = [x for x in log if any(f"[{w}]" in x for w in ("alert", "emerg", "crit"))]
    bad += [line for line in log if "unexpected error" in line or "Traceback" in line]
    print(f"{len(bad)} lines at crit and above, or of bugs", *bad[:10], sep="\n    ")
    print(f"{len(tally.failures)} wrong responses")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rate", type=float, default=150, help="requests a second of all clients")
    parser.add_argument("--every", type=float, default=60, help="seconds between reloads")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak") as folder:
        return soak(Path(folder), given.minutes, given.rate, given.every)


if __name__ == "__main__":
    sys.exit(main())
