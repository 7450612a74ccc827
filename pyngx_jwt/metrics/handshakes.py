"""Counts TLS handshakes: with clients all of them, and those of servers with a status_zone; with
servers of groups those of each server."""

from __future__ import annotations

from .kinds import TLS, TLS_DONE, TLS_FAILED, TLS_REUSED, TLS_VERIFY, Kind
from .tallies import Row, Tallies

# Results of a verification (x509_vfy.h).
_EXPIRED, _REVOKED, _HOSTNAME = (9, 10), 23, 62
IS_REVOKED = "certificate revoked"  # of the issuer


class HandshakeCounts:
    """Counts in some rows."""

    __slots__ = ("_rows", "_tallies")

    def __init__(self, tallies: Tallies, *rows: Row) -> None:
        self._tallies, self._rows = tallies, rows

    def add(self, *outcomes: int) -> None:
        if self._tallies.wanted:  # which is not known before all of the configuration is read
            for row in self._rows:
                for outcome in outcomes:
                    row.add(outcome)

    def done(self, *, is_resumed: bool, verify_failure: int = 0) -> None:
        """A handshake that is complete; the failure is one of verify_failure()."""
        self.add(TLS_DONE)
        if is_resumed:
            self.add(TLS_REUSED)
        if verify_failure:
            self.add(verify_failure)

    def failed(self, outcome: int = 0) -> None:
        """The outcome is the reason, 0 if it has no number of its own."""
        self.add(TLS_FAILED)
        if outcome:
            self.add(outcome)


UNCOUNTED = HandshakeCounts(Tallies())


def of_clients(tallies: Tallies, kind: Kind, zone: str) -> HandshakeCounts:
    """Those with the clients of servers of one status_zone, or of none."""
    rows = (tallies.row(TLS), tallies.row(kind, zone)) if zone else (tallies.row(TLS),)
    return HandshakeCounts(tallies, *rows)


def of_peer(tallies: Tallies, kind: Kind, group: str, peer: str) -> HandshakeCounts:
    """Those with a server of a group that has a zone."""
    return HandshakeCounts(tallies, tallies.row(kind, group, peer)) if tallies.wanted else UNCOUNTED


def verify_failure(error: int, status_error: str = "") -> int:
    """What a peer's certificate counts as by the results of its verification and of asking its
    issuer; 0 if nothing is wrong with it."""
    if error in _EXPIRED:
        return TLS_VERIFY["expired_cert"]
    if error == _REVOKED or status_error == IS_REVOKED:
        return TLS_VERIFY["revoked_cert"]
    if error == _HOSTNAME:
        return TLS_VERIFY["hostname_mismatch"]
    return TLS_VERIFY["other"] if error or status_error else 0
