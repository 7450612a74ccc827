"""Whether the issuers of a client's certificates have revoked them (ngx_ssl_ocsp_validate)."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

from ..metrics.handshakes import IS_REVOKED
from ..zones.store import Records
from .certificate import encoded
from .connection import TlsConnection
from .ocsp import GOOD, REVOKED, OcspError, Question, responder_of
from .responder import Responder, parse_responder

_REQUEST_FAILED = "certificate status request failed"


class ClientStatus(NamedTuple):
    """Asks the responder that is given, or those that the certificates name; `records` remembers
    the answers of all workers."""

    only_leaf: bool
    responder: Responder | None = None
    records: Records | None = None

    async def check(self, tls: TlsConnection, log: Callable[[str], None]) -> str:
        """What is wrong with the client's certificates, "" if nothing is."""
        chain = tls.verified_chain()
        if not chain:
            return _REQUEST_FAILED
        issued = list(pairwise(chain))
        for certificate, issuer in issued[:1] if self.only_leaf else issued:
            question = Question(certificate, issuer, chain)
            try:
                status = await self._status(question, tls)
            except OcspError as error:
                log(str(error))
                return _REQUEST_FAILED
            if status != GOOD:
                return IS_REVOKED if status == REVOKED else "certificate status unknown"
        return ""

    async def _status(self, question: Question, tls: TlsConnection) -> int:
        responder = self.responder or _named_by(question.certificate)
        name = _name(question)
        known = self.records.get(name, time.time()) if self.records is not None else None
        if known:
            return known[0]
        answer, _ = await responder.ask(question, tls.context.store)
        if self.records is not None:
            self.records.put(name, bytes((answer.status,)), answer.lasts)
        return answer.status


def _named_by(certificate: Any) -> Responder:
    url = responder_of(certificate)
    if not url:
        raise OcspError("no OCSP responder URL in certificate")
    try:
        responder = parse_responder(url)
    except ValueError as error:
        raise OcspError(f'{error} in OCSP responder "{url}" in certificate') from None
    if responder is None:
        raise OcspError(f'invalid URL prefix in OCSP responder "{url}" in certificate')
    return responder


def _name(question: Question) -> bytes:
    digest = hashlib.sha256(encoded(question.issuer))
    digest.update(encoded(question.certificate))
    return digest.digest()
