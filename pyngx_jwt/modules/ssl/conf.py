"""Sets certificates, protocols, sessions and client verification of TLS connections."""

from __future__ import annotations

from ...conf.directive import (
    UNLIMITED,
    Conf,
    bitmask,
    directive,
    enum,
    flag,
    number,
    own,
    seconds,
    size,
    string,
    time,
)
from ...conf.values import parse_number, parse_size
from ...errors import ConfError
from ...http.contexts import HTTP, SERVER
from ...http.ports import HandshakeCode, ServerTls
from ...http.tls import VERSIONS, certificate_cache, read_passwords
from ...log import errno_text
from ...stream.contexts import IN_STREAM, STREAM
from ...tls.pairs import PairCache
from ...tls.tickets import SIZES, TicketKey, key_of
from ...zones import Zone, Zones
from ..limits import SMALLEST

IN_HTTP = HTTP | SERVER
HERE = IN_HTTP | IN_STREAM
OUTERMOST = HTTP | STREAM
LONGEST_PROTOCOL = 255  # bytes of a name in ALPN
OFF, NONE, BUILTIN, SHARED = "off", "none", "builtin", "shared"


class SslConf(Conf):
    ssl_buffer_size = size(
        16384,
        IN_HTTP,
        "Limits the data in one TLS record. Small records let a client use the beginning of a "
        "response earlier; large ones need less processor time. More than 16k is the same as 16k.",
        shown="16k",
    )
    ssl_certificate_compression = flag(
        False,
        HERE,
        "Compresses certificates for clients that support it. Requires OpenSSL 3.2; with an older "
        "one it is ignored, with a warning.",
    )
    ssl_ciphers = string(
        "HIGH:!aNULL:!MD5",
        HERE,
        "Sets the ciphers, in OpenSSL's format. It does not affect TLS 1.3; those are set with "
        '"ssl_conf_command Ciphersuites".',
    )
    ssl_client_certificate = string(
        "",
        HERE,
        "Sets a PEM file with the CA certificates that client certificates are verified with. "
        "Their names are sent to clients.",
        syntax="file",
    )
    ssl_crl = string(
        "",
        HERE,
        "Sets a PEM file with certificate revocation lists that client certificates are checked "
        "against. There must be a list of every CA of the chain.",
        syntax="file",
    )
    ssl_dhparam = string("", HERE, "Sets a file with parameters for DHE ciphers.", syntax="file")
    ssl_early_data = flag(
        False,
        IN_HTTP,
        "Accepts early data of TLS 1.3 clients that resume a session. Requests in them can be "
        "repeated by an attacker: pass $ssl_early_data to the upstream in the header Early-Data, "
        "so that it can answer 425.",
    )
    ssl_ecdh_curve = string(
        "auto",
        HERE,
        "Sets the groups for the key exchange, separated by colons, the preferred one first. "
        '"auto" uses those of OpenSSL.',
        syntax="curve",
    )
    ssl_handshake_timeout = time(
        60,
        IN_STREAM,
        "Limits the time of the TLS handshake. Then the connection is closed.",
        shown="60s",
    )
    ssl_key_log = string(
        "",
        HERE,
        "Writes the keys of connections to a file, as Wireshark reads them (SSLKEYLOGFILE), for"
        " debugging. Who can read the file can decrypt the connections; it is made for its owner"
        " alone. Of NGINX Plus.",
        syntax="path",
    )
    ssl_ocsp = enum(
        "off",
        ("off", "on", "leaf"),
        HERE,
        "Asks the issuers of client certificates, with OCSP, whether they have revoked them: of "
        'all certificates of the chain, or with "leaf" of the client\'s own only. If the state is '
        'not known or not good, the verification fails. Requires "ssl_verify_client" with on or '
        "optional.",
    )
    ssl_ocsp_responder = string(
        "",
        HERE,
        "Sets the URL of an OCSP responder for all client certificates, in place of those that "
        'they name. Only "http://" is supported.',
        syntax="url",
    )
    ssl_prefer_server_ciphers = flag(
        False, HERE, "Prefers the server's order of ciphers over the client's."
    )
    ssl_protocols = bitmask(
        frozenset({"TLSv1.2", "TLSv1.3"}),
        VERSIONS,
        HERE,
        "Enables TLS versions. Those of the server that the client names with SNI apply.",
        "TLSv1.2 TLSv1.3",
    )
    ssl_reject_handshake = flag(
        False,
        HERE,
        "Rejects TLS handshakes for this server. In a default server, this rejects unknown "
        "names, and no certificate is needed.",
    )
    ssl_session_tickets = flag(
        True,
        HERE,
        "Enables session resumption with tickets. All workers can use the tickets of the others.",
    )
    ssl_session_timeout = seconds(
        300, HERE, "Sets for how long a session can be resumed.", shown="5m"
    )
    ssl_stapling = flag(
        False,
        HERE,
        "Sends clients the state of the server's certificate, as its issuer has signed it (OCSP "
        "stapling). The certificate of the issuer must be in the certificate file or in "
        '"ssl_trusted_certificate".',
    )
    ssl_stapling_file = string(
        "",
        HERE,
        "Sets a file with an OCSP response in DER to be sent in place of one that is requested.",
        syntax="file",
    )
    ssl_stapling_responder = string(
        "",
        HERE,
        "Sets the URL of the OCSP responder, in place of the one that the certificate names. Only "
        '"http://" is supported.',
        syntax="url",
    )
    ssl_stapling_verify = flag(
        False,
        HERE,
        "Verifies OCSP responses before they are sent. The certificates of the issuer and of those "
        'above it must be in "ssl_trusted_certificate".',
    )
    ssl_trusted_certificate = string(
        "",
        HERE,
        'Does the same as "ssl_client_certificate", without sending names of CAs to clients.',
        syntax="file",
    )
    ssl_verify_client = enum(
        "off",
        ("off", "on", "optional", "optional_no_ca"),
        HERE,
        'Requests a certificate of the client and verifies it. With "on", requests without a '
        "certificate are answered with 496, and those with one that cannot be verified with 495. "
        'With "optional", a certificate is only verified if the client has one. "optional_no_ca" '
        "accepts certificates of unknown CAs as well; their verification is left to the "
        'application, which finds the result in $ssl_client_verify. In "stream", a client that '
        "is refused is disconnected. A client must not request a "
        "server with this directive over a connection whose handshake was for another name: that "
        "is answered with 421.",
    )
    ssl_verify_depth = number(
        1, HERE, "Limits the number of CA certificates between the client's and a trusted one."
    )

    alpn: tuple[str, ...] = ()
    certificates: tuple[str, ...] = ()
    certificate_keys: tuple[str, ...] = ()
    certificate_cache: PairCache | None = None
    conf_commands: tuple[tuple[str, str], ...] = ()
    ocsp_zone: Zone | None = None
    passwords: tuple[bytes, ...] | None = None
    session_cache: tuple[str, int] | None = None  # a word, and how many sessions
    session_zone: Zone | None = None
    ticket_keys: tuple[TicketKey, ...] = ()
    tls: ServerTls | None = own(None)
    greet: HandshakeCode | None = None  # of other modules
    certify: HandshakeCode | None = None

    @directive(IN_STREAM, arity=(1, UNLIMITED))
    def ssl_alpn(self, *protocols: str) -> None:
        """Sets the protocols that the server speaks, the preferred one first.  A client that offers
        others with ALPN is refused."""
        self.once("alpn", "ssl_alpn")
        for protocol in protocols:
            if len(protocol) > LONGEST_PROTOCOL:
                raise ConfError("protocol too long")
        self.alpn = protocols

    @directive(HERE)
    def ssl_certificate(self, file: str) -> None:
        """Sets the server's certificate: a PEM file, which can continue with intermediate
        certificates, or the certificate itself after "data:".  Can contain variables, which are
        evaluated in each handshake.  Can be repeated for keys of different types (RSA and
        ECDSA)."""
        self.certificates = (*vars(self).get("certificates", ()), file)

    @directive(
        HERE, default="off", arity=(1, 3), syntax="{name} off | max=N [inactive=t] [valid=t];"
    )
    def ssl_certificate_cache(self, word: str, *words: str) -> None:
        """Keeps certificates and keys that variables name: how many, for how long after their last
        use ("inactive", 10 seconds by default), and for how long without looking whether the file
        has changed ("valid", 60 seconds).  Keys with a password are not kept."""
        self.once("certificate_cache", "ssl_certificate_cache")
        self.certificate_cache = certificate_cache("ssl_certificate_cache", (word, *words))

    @directive(HERE)
    def ssl_certificate_key(self, file: str) -> None:
        """Sets the key of the certificate: a PEM file, the key itself after "data:", or a key of an
        OpenSSL store ("store:uri") or engine ("engine:name:id")."""
        self.certificate_keys = (*vars(self).get("certificate_keys", ()), file)

    @directive(HERE)
    def ssl_conf_command(self, name: str, value: str) -> None:
        """Runs a configuration command of OpenSSL (SSL_CONF_cmd).  Can be repeated."""
        self.conf_commands = (*vars(self).get("conf_commands", ()), (name, value))

    @directive(HERE)
    def ssl_password_file(self, file: str) -> None:
        """Sets a file with passphrases for keys, one per line; all are tried."""
        self.once("passwords", "ssl_password_file")
        self.passwords = read_passwords(self.scope.conf_name(file))

    @directive(
        HERE,
        default="none",
        arity=(1, 2),
        syntax="{name} off | none | [builtin[:size]] [shared:name:size];",
    )
    def ssl_session_cache(self, word: str, *words: str) -> None:
        """Keeps sessions that clients can resume without tickets.  "shared" is a zone that all
        workers use and that a reload keeps; it also holds the keys of tickets, which are then
        replaced as time passes.  "builtin" is a cache of each worker.  "none" keeps nothing and
        does not tell the client, "off" does."""
        for text in (word, *words):
            kind, _, rest = text.partition(":")
            if text in (OFF, NONE, BUILTIN):
                self.session_cache = (text, 0)
            elif kind == BUILTIN and rest:
                self.session_cache = (BUILTIN, _sessions(text, rest))
            elif kind == SHARED:
                self.session_zone = self._zone("session cache", text, rest, "ssl")
            else:
                raise ConfError(f'invalid session cache "{text}"')
        if self.session_zone is not None and "session_cache" not in vars(self):
            self.session_cache = (SHARED, 0)

    @directive(HERE, default="off", syntax="{name} off | shared:name:size;")
    def ssl_ocsp_cache(self, cache: str) -> None:
        """Remembers the states of client certificates in a zone that all workers use."""
        self.once("ocsp_zone", "ssl_ocsp_cache")
        kind, _, rest = cache.partition(":")
        if cache == OFF:
            self.ocsp_zone = None
        elif kind == SHARED:
            self.ocsp_zone = self._zone("OCSP cache", cache, rest, "ssl_ocsp")
        else:
            raise ConfError(f'invalid OCSP cache "{cache}"')

    def _zone(self, what: str, text: str, rest: str, tag: str) -> Zone:
        name, colon, size = rest.partition(":")
        try:
            if not (name and colon):
                raise ValueError
            length = parse_size(size)
        except ValueError:
            raise ConfError(f'invalid {what} "{text}"') from None
        if length < SMALLEST:
            raise ConfError(f'{what} "{text}" is too small')
        return self.scope.shared(Zones).add(name, length, tag)

    @directive(HERE)
    def ssl_session_ticket_key(self, file: str) -> None:
        """Sets a file of 48 or 80 random bytes: the key of session tickets, with AES-128 or
        AES-256.  If it is repeated, the first key encrypts, and the others still decrypt.  Without
        it, keys are generated."""
        name = self.scope.conf_name(file)
        try:
            with open(name, "rb") as opened:
                data = opened.read(SIZES[-1] + 1)
        except OSError as error:
            raise ConfError(f'open() "{name}" failed {errno_text(error)}') from None
        if len(data) not in SIZES:
            raise ConfError(f'"{name}" must be 48 or 80 bytes')
        self.ticket_keys = (*vars(self).get("ticket_keys", ()), key_of(data))

    @property
    def is_inherited_whole(self) -> bool:
        return not self.level.context & OUTERMOST  # every server has a context of its own


def _sessions(text: str, number: str) -> int:
    try:
        return parse_number(number)
    except ValueError:
        raise ConfError(f'invalid session cache "{text}"') from None
