"""From a configuration to its findings."""

from __future__ import annotations

import hashlib
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import repeat

from ..conf.hosts import no_network
from ..conf.parse import Statement
from .errors import diagnose
from .finding import Finding, Related, Severity, Spot
from .model.configuration import Configuration
from .read.analysis import Analysis, analyse
from .read.inputs import Input, Inputs
from .read.snippet import FRAME
from .read.texts import Texts
from .report import suppress
from .report.result import Report
from .report.settings import LintSettings
from .rule import Hit, Rule
from .rules import rules

NOT_READ = "not-read"


def lint(inputs: Inputs, settings: LintSettings) -> Report:
    """Lints what is asked for; the findings are in the order of files and lines."""
    report = Report()
    for configuration in inputs.configurations(report.files):
        _lint_one(configuration, settings, report)
    for path in inputs.paths_read:
        if inputs.is_foreign(path) and path not in report.files and not inputs.is_skipped(path):
            text = "nothing in it is a directive of nginx, it was not read"
            report.findings.append(Finding(NOT_READ, Severity.WARN, Spot(path, 1, 1), text))
    report.findings = _numbered(sorted(set(report.findings), key=_order))
    return report


def _lint_one(configuration: Input, settings: LintSettings, report: Report) -> None:
    analysis = analyse(configuration.options, configuration.files, settings.target)
    report.configurations += 1
    diagnosed = diagnose.findings(analysis, is_snippet=configuration.is_snippet)
    findings = [f for f in diagnosed if f.is_error or settings.wants(f.rule)]
    conf = Configuration(analysis)
    with no_network():
        for rule in rules():
            if settings.wants(rule.name):
                findings += _run(rule, conf, report)
    findings = [f for f in findings if not f.file.endswith(FRAME) and _is_wanted(f, configuration)]
    findings = [f for f in map(_restored, findings, repeat(analysis)) if f is not None]
    if settings.severities:
        findings = [replace(f, severity=settings.severity(f.rule, f.severity)) for f in findings]
    kept, silenced = suppress.apply(findings, analysis, settings, configuration.only)
    report.suppressed += silenced
    report.findings += [_with_fingerprint(f, analysis) for f in kept]
    for path in analysis.texts.by_path:
        if not path.endswith(FRAME):
            report.files.add(path)
            report.texts.setdefault(path, analysis.texts)


def _run(rule: Rule, conf: Configuration, report: Report) -> list[Finding]:
    try:
        return [_finding(rule, hit, conf.texts) for hit in rule.run(conf)]
    except Exception:
        report.crashes.append(f"{rule.name}: {traceback.format_exc()}")
        return []


def _finding(rule: Rule, hit: Hit, texts: Texts) -> Finding:
    related = (Related(texts.whole(statement), what) for statement, what in hit.related)
    return Finding(
        rule.name,
        hit.severity or rule.severity,
        _spot(hit.where, hit.word, texts),
        hit.message,
        hit.hint,
        tuple(related),
    )


def _spot(where: Statement | Spot, word: int | None, texts: Texts) -> Spot:
    if isinstance(where, Spot):
        return where
    return texts.whole(where) if word is None else texts.word(where, word)


def _is_wanted(finding: Finding, configuration: Input) -> bool:
    return not configuration.only or finding.file in configuration.only


def _restored(finding: Finding, analysis: Analysis) -> Finding | None:
    """With placeholders of templates instead of what was read for them; None if it is about the
    latter."""
    templates, spot = analysis.templates, finding.spot
    if spot.file not in templates.originals or not spot.line:
        return finding
    start, end = analysis.texts.offsets(spot)
    about_keys = analysis.texts.by_path[spot.file].startswith("auth_jwt", start)
    if templates.has_placeholder(spot.file, start, end) and (
        finding.is_error or finding.rule == diagnose.ABSENT or about_keys
    ):
        return None
    message, hint = templates.restore(finding.message), templates.restore(finding.hint)
    return replace(finding, message=message, hint=hint)


def _order(finding: Finding) -> tuple[str | int, ...]:
    spot = finding.spot
    end = spot.end_line, spot.end_column
    return spot.file, spot.line, spot.column, *end, finding.rule, finding.message


def _with_fingerprint(finding: Finding, analysis: Analysis) -> Finding:
    """Of the rule, the file and the text of the line: it survives what moves lines, and is the
    same wherever the files are."""
    path = _portable(finding.file, analysis)
    line = " ".join(analysis.texts.line(finding.file, finding.line).split())
    message = _portable(finding.message, analysis)
    text = "\0".join((finding.rule, path, line, message))
    digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return replace(finding, fingerprint=digest)


def _portable(text: str, analysis: Analysis) -> str:
    """A text without the directories in which the files are on this machine."""
    for root, directory in analysis.machine.roots:
        text = text.replace(f"{directory}/", f"{root}/")
    return text.replace(analysis.options.conf_prefix, "").replace(analysis.options.prefix, "")


def _numbered(findings: list[Finding]) -> list[Finding]:
    """Findings whose fingerprint is the same are numbered in their order."""
    counts: Counter[str] = Counter()
    numbered = []
    for finding in findings:
        counts[finding.fingerprint] += 1
        count = counts[finding.fingerprint]
        if count > 1:
            finding = replace(finding, fingerprint=f"{finding.fingerprint}-{count}")
        numbered.append(finding)
    return numbered


def at_least(findings: Iterable[Finding], severity: Severity) -> Iterator[Finding]:
    """Those of at least a severity."""
    return (finding for finding in findings if finding.severity >= severity)
