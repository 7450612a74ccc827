"""A file for TLS is of another kind than its directive expects.

A private key instead of a certificate, a certificate instead of a list of revoked ones, or a binary
file (DER) where nginx reads text (PEM): nginx does not start.  This also covers files of
directives that pyngx does not use.  A private key in a file of certificates that clients or servers
are verified with is a warning: it does not belong there.

Bad:

    server {
        listen 127.0.0.1:8443 ssl;
        ssl_certificate keys/ca.pem;
        ssl_certificate_key keys/ca.key;
        ssl_client_certificate keys/ca.key;
    }

Good:

    server {
        listen 127.0.0.1:8443 ssl;
        ssl_certificate keys/ca.pem;
        ssl_certificate_key keys/ca.key;
        ssl_client_certificate keys/ca.pem;
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ...conf.parse import Statement
from ..finding import Severity
from ..model.configuration import Configuration
from ..model.pem import NOT_PEM, kind_of, labels_of, read_octets
from ..rule import Hit, Rule

rule = Rule("D28", "tls-file-form", Severity.ERROR)
# What files are for, by the ends of their directives; the first that fits.
_WANTED = (
    ("ssl_certificate_key", "a private key", ("PRIVATE KEY",)),
    ("ssl_crl", "a list of revoked certificates", ("X509 CRL",)),
    ("ssl_dhparam", "DH parameters", ("DH PARAMETERS",)),  # also "X9.42 DH PARAMETERS"
    ("ssl_certificate", "a certificate", ("CERTIFICATE",)),
    ("ssl_client_certificate", "a certificate", ("CERTIFICATE",)),
    ("ssl_trusted_certificate", "a certificate", ("CERTIFICATE",)),
)
_PUBLIC = ("ssl_client_certificate", "ssl_trusted_certificate")


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    analysis = conf.analysis
    own = [s for name in analysis.names() if "ssl_" in name for _, s in analysis.named(name)]
    for statement in (*own, *analysis.collector.foreign_statements):
        expected = next((row for row in _WANTED if statement.name.endswith(row[0])), None)
        if expected is not None and statement.args and "$" not in statement.args[0]:
            yield from _check(statement, expected, conf)


def _check(
    statement: Statement, expected: tuple[str, str, tuple[str, ...]], conf: Configuration
) -> Iterator[Hit]:
    path = conf.scope.conf_name(statement.args[0])
    octets = read_octets(path)
    if not octets or _is_reported(path, conf):
        return
    name, what, labels = expected
    found = labels_of(octets)
    if not any(label.endswith(end) for label in found for end in labels):
        kind = kind_of(octets)
        text = f'"{statement.args[0]}" is {kind}, not {what}'
        if kind == NOT_PEM:
            text = f'"{statement.args[0]}" does not contain {what} in PEM'
        yield Hit(statement, text, word=1)
    elif name in _PUBLIC and any(label.endswith("PRIVATE KEY") for label in found):
        text = f'"{statement.args[0]}" also contains a private key'
        yield Hit(statement, text, "remove it", word=1, severity=Severity.WARN)


def _is_reported(path: str, conf: Configuration) -> bool:
    """Whether loading the file is an error already."""
    troubles = conf.analysis.collector.troubles
    return any(f'"{path}"' in str(trouble.error.args[0]) for trouble in troubles)
