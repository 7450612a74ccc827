"""The state of a certificate, as its issuer reports it (RFC 6960; ngx_ssl_ocsp_verify)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from math import inf
from typing import Any, NamedTuple

from .certificate import seconds_of
from .errors import TlsError
from .library import openssl

GOOD, REVOKED, UNKNOWN = 0, 1, 2  # V_OCSP_CERTSTATUS
TRUST_OTHER, NO_VERIFY = 0x200, 0x10  # flags of a verification
_SKEW = 300  # seconds that clocks may differ


class OcspError(Exception):
    """The state is not known, and why."""


class Question(NamedTuple):
    """Whose state is asked for.  `chain` helps to verify the response."""

    certificate: Any
    issuer: Any
    chain: Sequence[Any] = ()
    flags: int = 0

    def encoded(self) -> bytes:
        """The request in DER; raises OcspError."""
        request = openssl.ffi.gc(openssl.OCSP_REQUEST_new(), openssl.OCSP_REQUEST_free)
        if openssl.OCSP_request_add0_id(request, self._identity()) == openssl.ffi.NULL:
            raise _failed("OCSP_request_add0_id() failed")
        return _der(openssl.i2d_OCSP_REQUEST, request)

    def _identity(self) -> Any:
        null = openssl.ffi.NULL
        identity = openssl.OCSP_cert_to_id(null, self.certificate, self.issuer)
        if identity == null:
            raise _failed("OCSP_cert_to_id() failed")
        return identity

    def answered(self, data: bytes, store: Any) -> Answer:
        """Verifies the response; raises OcspError."""
        response = parse_response(data)
        status = openssl.OCSP_response_status(response)
        if status != 0:
            words = openssl.ffi.string(openssl.OCSP_response_status_str(status)).decode()
            raise OcspError(f"OCSP response not successful ({status}: {words})")
        basic = openssl.OCSP_response_get1_basic(response)
        if basic == openssl.ffi.NULL:
            raise _failed("OCSP_response_get1_basic() failed")
        basic = openssl.ffi.gc(basic, openssl.OCSP_BASICRESP_free)
        self._verify(basic, store)
        return self._find(basic)

    def _verify(self, basic: Any, store: Any) -> None:
        others = openssl.ffi.gc(openssl.OPENSSL_sk_new_null(), openssl.OPENSSL_sk_free)
        for certificate in self.chain:
            openssl.OPENSSL_sk_push(others, certificate)
        if openssl.OCSP_basic_verify(basic, others, store, self.flags) != 1:
            raise _failed("OCSP_basic_verify() failed")

    def _find(self, basic: Any) -> Answer:
        ffi = openssl.ffi
        identity = ffi.gc(self._identity(), openssl.OCSP_CERTID_free)
        status, this, following = (
            ffi.new("int *"),
            ffi.new("ASN1_STRING **"),
            ffi.new("ASN1_STRING **"),
        )
        found = openssl.OCSP_resp_find_status(
            basic, identity, status, ffi.NULL, ffi.NULL, this, following
        )
        if found != 1:
            raise OcspError("certificate status not found in the OCSP response")
        if openssl.OCSP_check_validity(this[0], following[0], _SKEW, -1) != 1:
            raise _failed("OCSP_check_validity() failed")
        valid = inf if following[0] == ffi.NULL else seconds_of(following[0])
        return Answer(status[0], valid)


class Answer(NamedTuple):
    """A state, and until when it holds, in seconds since the epoch."""

    status: int
    valid: float

    @property
    def words(self) -> str:
        text: str = openssl.ffi.string(openssl.OCSP_cert_status_str(self.status)).decode()
        return text

    @property
    def lasts(self) -> float:
        """Until when it can be remembered."""
        return self.valid if self.valid != inf else time.time() + 3600


def parse_response(data: bytes) -> Any:
    """Raises OcspError."""
    memory = openssl.ffi.new("unsigned char[]", data)
    start = openssl.ffi.new("const unsigned char **", memory)
    response = openssl.d2i_OCSP_RESPONSE(openssl.ffi.NULL, start, len(data))
    if response == openssl.ffi.NULL:
        raise _failed("d2i_OCSP_RESPONSE() failed")
    return openssl.ffi.gc(response, openssl.OCSP_RESPONSE_free)


def encoded_response(data: bytes) -> bytes:
    """A response of a file, without what may follow it; raises OcspError."""
    return _der(openssl.i2d_OCSP_RESPONSE, parse_response(data))


def responder_of(certificate: Any) -> str:
    """The address of the responder that a certificate names, "" if it names none."""
    found = openssl.X509_get1_ocsp(certificate)
    if found == openssl.ffi.NULL:
        return ""
    found = openssl.ffi.gc(found, openssl.X509_email_free)
    if not openssl.OPENSSL_sk_num(found):
        return ""
    text = openssl.ffi.cast("char *", openssl.OPENSSL_sk_value(found, 0))
    return bytes(openssl.ffi.string(text)).decode("latin-1")


def _der(encode: Any, item: Any) -> bytes:
    ffi = openssl.ffi
    size = encode(item, ffi.NULL)
    if size <= 0:
        raise _failed("i2d_OCSP_REQUEST() failed")
    data = ffi.new("unsigned char[]", size)
    encode(item, ffi.new("unsigned char **", data))
    return bytes(ffi.buffer(data, size))


def _failed(text: str) -> OcspError:
    return OcspError(str(TlsError(text)))
