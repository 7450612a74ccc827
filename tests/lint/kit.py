"""Linting in the tests: texts in, findings out, all in this process."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pyngx_jwt.lint.finding import Finding
from pyngx_jwt.lint.read.inputs import Inputs
from pyngx_jwt.lint.read.machine import with_roots
from pyngx_jwt.lint.read.target import TARGETS
from pyngx_jwt.lint.report.result import Report
from pyngx_jwt.lint.report.settings import LintSettings
from pyngx_jwt.lint.run import lint

ASIDE = frozenset({"ambiguous-dialect"})  # nearly any short text has it
PAIRS = Path(__file__).parent.parent / "data" / "lint_rules"


@cache
def authority() -> dict[str, bytes]:
    """A certificate that signs itself, and its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + timedelta(days=1))
    certificate = builder.sign(key, hashes.SHA256())
    forms = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    return {
        "ca.pem": certificate.public_bytes(forms[0]),
        "ca.key": key.private_bytes(*forms, serialization.NoEncryption()),
    }


@dataclass(slots=True)
class Linter:
    """A folder with configurations; it has the keys that examples name."""

    folder: Path

    def __post_init__(self) -> None:
        shutil.copytree(PAIRS / "keys", self.folder / "keys")
        for name, data in authority().items():
            (self.folder / "keys" / name).write_bytes(data)
        for key in (self.folder / "keys").iterdir():
            key.chmod(0o644 if key.name == "world.json" else 0o600)

    def write(self, files: Mapping[str, str | bytes]) -> None:
        """Writes files, by their paths in the folder."""
        for name, content in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    def report(
        self,
        text: str = "",
        *,
        context: str = "",
        paths: Iterable[str] = ("nginx.conf",),
        files: Mapping[str, str | bytes] | None = None,
        stdin: str | None = None,
        stdin_name: str = "",
        target: str = "",
        settings: LintSettings | None = None,
        only: str = "",
        roots: tuple[tuple[str, str], ...] = (),
        offline: bool = False,
    ) -> Report:
        """Lints "nginx.conf" with this text, or other paths of the folder."""
        self.write({**({"nginx.conf": text} if text else {}), **(files or {})})
        select = frozenset({only} if only else ())
        chosen = settings or LintSettings(select=select, ignore=ASIDE - select)
        if target:
            chosen = replace(chosen, target=TARGETS[target])
        names = [name if name == "-" else f"{self.folder}/{name}" for name in paths]
        prefix = f"{self.folder}/"
        dialect = chosen.target.dialect
        inputs = Inputs(
            names, prefix, context, stdin, stdin_name, dialect, with_roots(roots), offline
        )
        return lint(inputs, chosen)

    def findings(self, text: str = "", **options: object) -> list[Finding]:
        """What is found."""
        report = self.report(text, **options)  # type: ignore[arg-type]
        assert not report.crashes, report.crashes[0]
        return report.findings

    def of(self, rule: str, text: str, **options: object) -> list[Finding]:
        """What one rule finds; nothing else may make the text invalid."""
        found = self.findings(text, only=rule, **options)
        errors = [f"{f.spot}: {f.message}" for f in found if f.is_error and f.rule != rule]
        assert not errors, "\n".join(errors)
        return [finding for finding in found if finding.rule == rule]

    def told(self, text: str = "", **options: object) -> list[str]:
        """What is found, as "line:column severity rule"."""
        found = self.findings(text, **options)
        return [f"{f.line}:{f.column} {f.severity.word} {f.rule}" for f in found]
