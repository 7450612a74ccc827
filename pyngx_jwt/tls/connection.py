"""One TLS connection: bytes of the socket in and out, bytes of the user out and in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from .certificate import PeerCertificate
from .context import VERIFY_PEER, Context, accept_any, versions_off
from .credentials import Pair
from .errors import PeerClosed, TlsError
from .library import SIZE, openssl

RECORD = 16384  # no read brings more
WANT_READ, WANT_CERTIFICATE, _ENDED = 2, 4, 6  # SSL_get_error
_SET_EOF, _GET_MEMORY = 130, 115  # BIO_ctrl
_HOST_NAME = 55  # SSL_ctrl
_CHAIN, _CHAIN_CERTIFICATE, _VERIFY_STORE = 88, 89, 106
_UNKNOWN = 0x1000000  # a group without a number of its own (TLSEXT_nid_unknown)
_GET_GROUPS, _RAW_CIPHERS, _NEGOTIATED_GROUP = 90, 110, 134
_CLIENT_RANDOM = 32  # bytes
Choose = Callable[[Iterable[bytes]], bytes | None]
Certify = Callable[[], int]  # 1 is yes, 0 is no, and with -1 the handshake waits


class _Calls:
    """What every record takes of the library, which is looked up once."""

    __slots__ = ("buffer", "read", "show", "take", "view", "write")

    def __init__(self) -> None:
        self.buffer: Any = None
        self.read: Any = None
        self.show: Any = None
        self.take: Any = None
        self.view: Any = None
        self.write: Any = None

    def find(self) -> None:
        """Looks them up, when the first connection is there."""
        self.buffer, self.view = openssl.buffer, openssl.view
        self.show = openssl.show
        self.read, self.take, self.write = openssl.SSL_read, openssl.BIO_read, openssl.SSL_write


_calls: Final = _Calls()


class TlsConnection:
    """A connection of a context.  Nothing in here waits, or knows a socket."""

    __slots__ = (
        *("_data", "_incoming", "_outgoing", "_peer", "certify", "choose", "context", "host"),
        *("pointer", "status_error"),
    )

    def __init__(
        self,
        context: Context,
        choose: Choose = lambda offered: None,
        certify: Certify = lambda: 1,
        host: str = "",
    ) -> None:
        """For servers: `choose` is asked which of the client's protocols it shall be, `certify`
        shows certificates that the context does not know, and `host` is the one that the client
        has named, if it is known."""
        self.context, self.choose, self.certify, self.host = context, choose, certify, host
        if _calls.read is None:
            _calls.find()
        self.status_error = ""  # what is wrong with the peer's certificate, for its issuer
        self.pointer = openssl.ffi.gc(openssl.SSL_new(context.pointer), openssl.SSL_free)
        incoming, self._incoming = _window()
        self._outgoing = openssl.BIO_new(openssl.BIO_s_mem())
        openssl.SSL_set_bio(self.pointer, incoming, self._outgoing)
        self._data: Any = None  # what the window shows
        if context.is_server:
            openssl.SSL_set_accept_state(self.pointer)
        else:
            openssl.SSL_set_connect_state(self.pointer)
        self._peer: PeerCertificate | None = None

    # -- before the handshake --------------------------------------------------------------

    def name_host(self, name: bytes) -> None:
        """Asks for a host (SNI)."""
        openssl.SSL_ctrl(self.pointer, _HOST_NAME, 0, openssl.ffi.new("char[]", name))

    def offer(self, protocols: Iterable[bytes]) -> None:
        """Offers protocols (ALPN), the preferred one first."""
        names = b"".join(bytes((len(name),)) + name for name in protocols)
        openssl.SSL_set_alpn_protos(self.pointer, names, len(names))

    def show(self, pair: Pair) -> None:
        """Shows a certificate that the context does not know; raises TlsError."""
        self.show_chain(pair.chain, f'("{pair.name}")')
        self.show_key(pair.key, f'("{pair.key_name}")')

    def show_chain(self, chain: Sequence[Any], name: str = "()") -> None:
        """A certificate and those of its issuers; raises TlsError."""
        certificate, *issuers = chain
        if not openssl.SSL_use_certificate(self.pointer, certificate):
            raise TlsError(f"SSL_use_certificate{name} failed")
        openssl.SSL_ctrl(self.pointer, _CHAIN, 0, openssl.ffi.NULL)
        for issuer in issuers:
            openssl.SSL_ctrl(self.pointer, _CHAIN_CERTIFICATE, 1, issuer)

    def show_key(self, key: Any, name: str = "()") -> None:
        """The key of that certificate; raises TlsError."""
        if not openssl.SSL_use_PrivateKey(self.pointer, key):
            raise TlsError(f"SSL_use_PrivateKey{name} failed")

    def show_none(self) -> None:
        """Forgets the certificates of the context."""
        openssl.SSL_certs_clear(self.pointer)

    def allow_only(self, protocols: Iterable[str]) -> None:
        """Turns off all other versions of TLS."""
        openssl.SSL_set_options(self.pointer, versions_off(protocols))

    def verify(self, authorities: Iterable[Any], depth: int) -> None:
        """Asks for a client certificate, which these authorities must have issued if there are
        any; what is wrong with it is in the result of the handshake."""
        store = openssl.ffi.gc(openssl.X509_STORE_new(), openssl.X509_STORE_free)
        trusts = False
        for certificate in authorities:
            openssl.X509_STORE_add_cert(store, certificate)
            trusts = True
        openssl.SSL_set_verify(self.pointer, VERIFY_PEER, accept_any())
        openssl.SSL_set_verify_depth(self.pointer, depth)
        if trusts:
            openssl.SSL_ctrl(self.pointer, _VERIFY_STORE, 1, store)  # counted there, too

    @property
    def client_random(self) -> bytes:
        """What the client has sent for the secrets of this connection."""
        memory = openssl.ffi.new("unsigned char[]", _CLIENT_RANDOM)
        length = openssl.SSL_get_client_random(self.pointer, memory, _CLIENT_RANDOM)
        return bytes(openssl.ffi.buffer(memory, length))

    @property
    def version_number(self) -> int:
        """0x0303 is TLS 1.2."""
        number: int = openssl.SSL_version(self.pointer)
        return number

    # -- the socket's side -----------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """Takes what has come from the socket."""
        window = self._incoming
        if self._data is not None and window.length:
            data = openssl.ffi.buffer(window.data, window.length)[:] + data
        self._data = data
        _calls.show(window, data, len(data))

    @property
    def pending(self) -> int:
        """Bytes of the socket that have not been looked at; lets go of those that have been."""
        count: int = self._incoming.length
        if count == 0:
            self._data = None
        return count

    def take_early(self) -> bytes:
        """What has come with the handshake."""
        return b""

    def take(self) -> bytes:
        """What is to be sent, at most SIZE bytes; b"" if nothing is left."""
        count: int = _calls.take(self._outgoing, _calls.buffer, SIZE)
        data: bytes = _calls.view[:count] if count > 0 else b""
        return data

    # -- the user's side -------------------------------------------------------------------

    def handshake(self) -> bool:
        """Goes on with the handshake: whether it is complete.  Raises TlsError.

        It is not while it waits for more from the peer, or for what "certify" says."""
        openssl.ERR_clear_error()
        self.context.current = self
        try:
            answer = openssl.SSL_do_handshake(self.pointer)
        finally:
            self.context.current = None
        if answer == 1:
            return True
        error = openssl.SSL_get_error(self.pointer, answer)
        if error in (WANT_READ, WANT_CERTIFICATE):
            return False
        if error == _ENDED:
            raise PeerClosed
        raise TlsError("SSL_do_handshake() failed")

    def advance(self, send: Callable[[bytes], None]) -> bool:
        """As handshake(), and sends what there is to be sent, an alert above all."""
        try:
            return self.handshake()
        finally:
            while data := self.take():
                send(data)

    def read(self) -> bytes | None:
        """What one record holds, b"" at the end, None if more has to come.  Raises TlsError."""
        count: int = _calls.read(self.pointer, _calls.buffer, RECORD)
        if count > 0:
            data: bytes = _calls.view[:count]
            return data
        error = openssl.SSL_get_error(self.pointer, count)
        if error == WANT_READ:
            return None
        if error == _ENDED:
            return b""
        raise TlsError("SSL_read() failed")

    def write(self, data: bytes) -> None:
        """Encrypts; raises TlsError."""
        count: int = _calls.write(self.pointer, data, len(data))
        if count <= 0:
            raise TlsError("SSL_write() failed")

    def shut_down(self) -> None:
        """Says goodbye, unless there was an error."""
        openssl.SSL_shutdown(self.pointer)
        openssl.ERR_clear_error()

    # -- what was agreed upon --------------------------------------------------------------

    @property
    def version(self) -> str:
        return _text(openssl.SSL_get_version(self.pointer))

    @property
    def cipher(self) -> str:
        cipher = openssl.SSL_get_current_cipher(self.pointer)
        return "" if cipher == openssl.ffi.NULL else _text(openssl.SSL_CIPHER_get_name(cipher))

    @property
    def ciphers(self) -> list[str]:
        """Those of the client; a number if we do not know it.  None of a resumed session."""
        pointer = openssl.ffi.new("unsigned char **")
        size = openssl.SSL_ctrl(self.pointer, _RAW_CIPHERS, 0, openssl.ffi.NULL)
        length = openssl.SSL_ctrl(self.pointer, _RAW_CIPHERS, 0, pointer)
        found = []
        for at in range(0, max(length, 0), size):
            cipher = openssl.SSL_CIPHER_find(self.pointer, pointer[0] + at)
            if cipher == openssl.ffi.NULL:
                found.append("0x" + bytes(openssl.ffi.buffer(pointer[0] + at, size)).hex())
            else:
                found.append(_text(openssl.SSL_CIPHER_get_name(cipher)))
        return found

    @property
    def curve(self) -> str:
        """The group of the key exchange, "" if there was none."""
        number = openssl.SSL_ctrl(self.pointer, _NEGOTIATED_GROUP, 0, openssl.ffi.NULL)
        return self._group(number) if number else ""

    @property
    def curves(self) -> list[str]:
        """The groups that the client takes."""
        count = openssl.SSL_ctrl(self.pointer, _GET_GROUPS, 0, openssl.ffi.NULL)
        if count <= 0:
            return []
        numbers = openssl.ffi.new("int[]", count)
        openssl.SSL_ctrl(self.pointer, _GET_GROUPS, 0, numbers)
        return [self._group(number) for number in numbers]

    def _group(self, number: int) -> str:
        if not number & _UNKNOWN:
            return _text(openssl.OBJ_nid2sn(number))
        name = openssl.SSL_group_to_name(self.pointer, number)
        return f"0x{number & 0xFFFF:04x}" if name == openssl.ffi.NULL else _text(name)

    @property
    def sigalg(self) -> str:
        """The algorithm of our signature; "" if this version of OpenSSL does not say."""
        return self._signature("SSL_get0_signature_name")

    @property
    def peer_sigalg(self) -> str:
        """The algorithm of the peer's signature; "" if this version of OpenSSL does not say."""
        return self._signature("SSL_get0_peer_signature_name")

    def _signature(self, function: str) -> str:
        if not openssl.has(function):
            return ""
        name = openssl.ffi.new("const char **")
        return _text(name[0]) if getattr(openssl, function)(self.pointer, name) else ""

    @property
    def sigalgs(self) -> list[str]:
        """The numbers of the signature algorithms that the client takes."""
        null, found = openssl.ffi.NULL, []
        count = openssl.SSL_get_sigalgs(self.pointer, -1, null, null, null, null, null)
        signature, digest = openssl.ffi.new("unsigned char *"), openssl.ffi.new("unsigned char *")
        for at in range(max(count, 0)):
            openssl.SSL_get_sigalgs(self.pointer, at, null, null, null, signature, digest)
            found.append(f"0x{digest[0] << 8 | signature[0]:04x}")
        return found

    @property
    def alpn(self) -> str:
        """The protocol that was chosen, "" if none was."""
        name, length = openssl.ffi.new("const unsigned char **"), openssl.ffi.new("unsigned int *")
        openssl.SSL_get0_alpn_selected(self.pointer, name, length)
        return bytes(openssl.ffi.buffer(name[0], length[0])).decode("latin-1") if length[0] else ""

    @property
    def is_early(self) -> bool:
        """Whether the handshake is not complete: what is read can have been repeated."""
        return not openssl.SSL_is_init_finished(self.pointer)

    @property
    def is_resumed(self) -> bool:
        """Whether a session was resumed."""
        return bool(openssl.SSL_session_reused(self.pointer))

    @property
    def session_id(self) -> bytes:
        session, length = openssl.SSL_get_session(self.pointer), openssl.ffi.new("unsigned int *")
        if session == openssl.ffi.NULL:
            return b""
        data = openssl.SSL_SESSION_get_id(session, length)
        return bytes(openssl.ffi.buffer(data, length[0]))

    # -- sessions --------------------------------------------------------------------------

    def session(self) -> Any:
        """What a later connection can resume; None if nothing can be."""
        session = openssl.SSL_get1_session(self.pointer)
        if session == openssl.ffi.NULL:
            return None
        session = openssl.ffi.gc(session, openssl.SSL_SESSION_free)
        return session if openssl.SSL_SESSION_is_resumable(session) else None

    def resume(self, session: Any) -> None:
        """Offers to go on with a session, before the handshake."""
        openssl.SSL_set_session(self.pointer, session)

    def forget_session(self) -> None:
        """Lets nobody resume the session."""
        session = openssl.SSL_get_session(self.pointer)
        if session != openssl.ffi.NULL:
            openssl.SSL_CTX_remove_session(self.context.pointer, session)

    # -- the peer --------------------------------------------------------------------------

    @property
    def verify_error(self) -> int:
        """The number of what is wrong with the peer's certificate; 0 is nothing, or no
        certificate."""
        number: int = openssl.SSL_get_verify_result(self.pointer)
        return number

    def verified_chain(self) -> list[Any]:
        """The peer's certificate and those up to a trusted one; [] if they do not verify.

        A resumed session has only the certificates that the peer has sent, if at all."""
        chain = openssl.SSL_get0_verified_chain(self.pointer)
        if chain != openssl.ffi.NULL:
            return _items(chain)
        certificate = openssl.SSL_get1_peer_certificate(self.pointer)
        if certificate == openssl.ffi.NULL:
            return []
        certificate = openssl.ffi.gc(certificate, openssl.X509_free)
        search = openssl.ffi.gc(openssl.X509_STORE_CTX_new(), openssl.X509_STORE_CTX_free)
        sent = openssl.SSL_get_peer_cert_chain(self.pointer)
        openssl.X509_STORE_CTX_init(search, self.context.store, certificate, sent)
        if openssl.X509_verify_cert(search) <= 0:
            openssl.ERR_clear_error()
            return []
        return _items(openssl.X509_STORE_CTX_get0_chain(search))

    @property
    def peer(self) -> PeerCertificate | None:
        """The peer's certificate."""
        if self._peer is None:
            certificate = openssl.SSL_get1_peer_certificate(self.pointer)
            if certificate != openssl.ffi.NULL:
                self._peer = PeerCertificate(openssl.ffi.gc(certificate, openssl.X509_free))
        return self._peer

    @property
    def own(self) -> PeerCertificate | None:
        """Our certificate, which the peer has been shown."""
        certificate = openssl.SSL_get_certificate(self.pointer)
        return None if certificate == openssl.ffi.NULL else PeerCertificate(certificate)


def _window() -> tuple[Any, Any]:
    """Memory of ours that OpenSSL reads: its BIO, and the structure that says where it is.

    A function of the library is ten times the price of a field, so there is none for what
    comes from the socket (BIO_new_mem_buf, BIO_get_mem_ptr)."""
    ffi, memory = openssl.ffi, openssl.ffi.new("BUF_MEM **")
    bio = openssl.BIO_new_mem_buf(openssl.buffer, 0)
    openssl.BIO_ctrl(bio, _SET_EOF, -1, ffi.NULL)  # the end is not one of the connection
    openssl.BIO_ctrl(bio, _GET_MEMORY, 0, memory)
    return bio, memory[0]


def _items(certificates: Any) -> list[Any]:
    found = []
    for at in range(openssl.OPENSSL_sk_num(certificates)):
        certificate = openssl.ffi.cast("X509 *", openssl.OPENSSL_sk_value(certificates, at))
        openssl.X509_up_ref(certificate)
        found.append(openssl.ffi.gc(certificate, openssl.X509_free))
    return found


def _text(chars: Any) -> str:
    text: str = openssl.ffi.string(chars).decode("latin-1")
    return text
