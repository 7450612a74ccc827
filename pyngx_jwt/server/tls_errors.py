"""OpenSSL's errors in nginx's words and at its levels (ngx_ssl_connection_error)."""

from __future__ import annotations

import re
import ssl

from ..log import Severity

# Reasons that are a client's fault, with OpenSSL's numbers; others are of level crit.
_REASONS = {
    "NO_SUITABLE_KEY_SHARE": 101,
    "BAD_ALERT": 102,
    "BAD_CHANGE_CIPHER_SPEC": 103,
    "BAD_KEY_SHARE": 108,
    "BAD_EXTENSION": 110,
    "BAD_DIGEST_LENGTH": 111,
    "MISSING_SIGALGS_EXTENSION": 112,
    "BAD_PACKET_LENGTH": 115,
    "NO_SUITABLE_SIGNATURE_ALGORITHM": 118,
    "BAD_KEY_UPDATE": 122,
    "BLOCK_CIPHER_PAD_IS_WRONG": 129,
    "CCS_RECEIVED_EARLY": 133,
    "DECODE_ERROR": 137,
    "DATA_BETWEEN_CCS_AND_FINISHED": 145,
    "DATA_LENGTH_TOO_LONG": 146,
    "DIGEST_CHECK_FAILED": 149,
    "ENCRYPTED_LENGTH_TOO_LONG": 150,
    "ERROR_IN_RECEIVED_CIPHER_LIST": 151,
    "EXCESSIVE_MESSAGE_SIZE": 152,
    "GOT_A_FIN_BEFORE_A_CCS": 154,
    "HTTPS_PROXY_REQUEST": 155,
    "HTTP_REQUEST": 156,
    "LENGTH_MISMATCH": 159,
    "LENGTH_TOO_SHORT": 160,
    "NO_CIPHERS_SPECIFIED": 183,
    "BAD_CIPHER": 186,
    "NO_COMPRESSION_SPECIFIED": 187,
    "NO_SHARED_CIPHER": 193,
    "PACKET_LENGTH_TOO_LONG": 198,
    "RECORD_LENGTH_MISMATCH": 213,
    "CLIENTHELLO_TLSEXT": 226,
    "PARSE_TLSEXT": 227,
    "CALLBACK_FAILED": 234,
    "NO_APPLICATION_PROTOCOL": 235,
    "UNEXPECTED_MESSAGE": 244,
    "UNEXPECTED_RECORD": 245,
    "UNKNOWN_ALERT_TYPE": 246,
    "UNKNOWN_PROTOCOL": 252,
    "INVALID_COMPRESSION_LIST": 256,
    "UNSUPPORTED_PROTOCOL": 258,
    "WRONG_VERSION_NUMBER": 267,
    "TOO_MUCH_SKIPPED_EARLY_DATA": 270,
    "BAD_LENGTH": 271,
    "DECRYPTION_FAILED_OR_BAD_RECORD_MAC": 281,
    "APPLICATION_DATA_AFTER_CLOSE_NOTIFY": 291,
    "BAD_LEGACY_VERSION": 292,
    "MIXED_HANDSHAKE_AND_NON_HANDSHAKE_DATA": 293,
    "RECORD_TOO_SMALL": 298,
    "SSL3_SESSION_ID_TOO_LONG": 300,
    "BAD_ECPOINT": 306,
    "RECORD_LAYER_FAILURE": 313,
    "RENEGOTIATE_EXT_TOO_LONG": 335,
    "RENEGOTIATION_ENCODING_ERR": 336,
    "RENEGOTIATION_MISMATCH": 337,
    "UNSAFE_LEGACY_RENEGOTIATION_DISABLED": 338,
    "SCSV_RECEIVED_WHEN_RENEGOTIATING": 345,
    "INAPPROPRIATE_FALLBACK": 373,
    "NO_SHARED_SIGNATURE_ALGORITHMS": 376,
    "CERT_CB_ERROR": 377,
    "VERSION_TOO_LOW": 396,
    "TOO_MANY_WARN_ALERTS": 409,
    "BAD_RECORD_TYPE": 443,
}
_ALERT = re.compile(r"(?:SSLV3_ALERT|TLSV1_ALERT|TLSV13_ALERT|TLSV1)_(\w+)")
_ALERTS = {  # those that Python has no name for
    "DECRYPTION_FAILED": 21,
    "NO_CERTIFICATE": 41,
    "EXPORT_RESTRICTION": 60,
    "INAPPROPRIATE_FALLBACK": 86,
    "MISSING_EXTENSION": 109,
    "CERTIFICATE_REQUIRED": 116,
    "NO_APPLICATION_PROTOCOL": 120,
    **{alert.name.removeprefix("ALERT_DESCRIPTION_"): int(alert) for alert in ssl.AlertDescription},
}
_ALERT_OFFSET = 1000  # of the reasons that are alerts (SSL_AD_REASON_OFFSET)
_SSL = 20 << 23  # the library's part of an error's number
_WORDS = re.compile(r"(?:\[.*?\] )?(.*?)(?: \(_ssl\.c:\d+\))?")


def describe(error: ssl.SSLError) -> tuple[Severity, str]:
    """The level of an error, and "(SSL: error:...)"."""
    name, words = error.reason or "", _words(error)
    alert = _ALERT.fullmatch(name)
    if alert is not None:
        number = _ALERTS.get(alert[1], 0)
        return (
            Severity.INFO,
            f"{text_of(_ALERT_OFFSET + number, words)[:-1]}:SSL alert number {number})",
        )
    if name in _REASONS:
        return Severity.INFO, text_of(_REASONS[name], words)
    return Severity.CRIT, f"(SSL: {words})"


def text_of(number: int, words: str) -> str:
    """An error of OpenSSL's library "ssl" as ERR_error_string_n() writes it."""
    return f"(SSL: error:{_SSL | number:08X}:SSL routines::{words})"


def _words(error: ssl.SSLError) -> str:
    words = _WORDS.fullmatch(str(error.args[-1]))
    return words[1] if words else str(error)
