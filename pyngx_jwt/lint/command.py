"""``pyngx lint [PATH...]``: finds errors and security problems in configurations.

Configurations are read as the server reads them, offline and without privileges.
"""

from __future__ import annotations

import argparse
import os
import traceback
from dataclasses import replace

from .arguments import PROGRAM, lint_parser
from .errors.diagnose import findings
from .errors.pages import ERRORS
from .flow.reach import reachability
from .model.configuration import Configuration
from .read.analysis import analyse
from .read.includes import InputError
from .read.inputs import Inputs
from .read.machine import with_roots
from .read.snippet import CONTEXTS
from .read.target import TARGETS
from .report import REPORTERS
from .report.baseline import read_baseline, without_known, write_baseline
from .report.names import is_rule
from .report.output import (
    CLEAN,
    FOUND,
    INTERNAL,
    INVALID,
    is_terminal,
    misused,
    print_text,
    say,
    standard_input,
)
from .report.result import Report
from .report.settings import SEVERITIES, LintSettings, SettingsError, find_settings, read_settings
from .rules import rule_named
from .run import lint


def main(words: list[str]) -> int:
    """Runs ``pyngx lint`` with the arguments `words` (latin-1)."""
    arguments = lint_parser().parse_args(words)
    arguments.paths += [arguments.conf] if arguments.conf is not None else []
    if arguments.explain is not None:
        return _explain(arguments.explain)
    try:
        settings = _settings(arguments)
        return _lint(arguments, settings)
    except SettingsError as error:
        return misused(PROGRAM, str(error))
    except InputError as error:
        return say(str(error), INVALID)
    except Exception:
        return say(f"internal error: {traceback.format_exc()}", INTERNAL)


def _lint(arguments: argparse.Namespace, settings: LintSettings) -> int:
    inputs = Inputs(
        arguments.paths or [_default_path(arguments.prefix)],
        arguments.prefix,
        CONTEXTS.get(arguments.context, ""),
        standard_input() if "-" in arguments.paths else None,
        arguments.stdin_filename or "",
        arguments.jwt_dialect or settings.target.dialect,
        settings.roots,
        settings.offline,
    )
    if arguments.reachability:
        return _reachability(inputs, settings)
    report = lint(inputs, settings)
    if arguments.write_baseline:
        write_baseline(arguments.write_baseline, report.findings)
        return CLEAN
    if settings.baseline:
        report.findings = without_known(report.findings, read_baseline(settings.baseline))
    colour = arguments.color == "always" or (arguments.color == "auto" and is_terminal())
    print_text(REPORTERS[arguments.format](report, colour))
    for crash in report.crashes:
        say(f"internal error in the rule {crash}", INTERNAL)
    return _status(report, settings)


def _reachability(inputs: Inputs, settings: LintSettings) -> int:
    """An invalid configuration is reported as far as it could be read."""
    status = CLEAN
    for configuration in inputs.configurations(frozenset()):
        analysis = analyse(configuration.options, configuration.files, settings.target)
        if any(finding.is_error for finding in findings(analysis)):
            status = say(f"the configuration {configuration.path} is invalid", INVALID)
        print_text(reachability(Configuration(analysis)))
    return status


def _status(report: Report, settings: LintSettings) -> int:
    if report.crashes:
        return INTERNAL
    if report.is_invalid:
        return INVALID
    return FOUND if report.worst() >= settings.fail_on else CLEAN


def _settings(arguments: argparse.Namespace) -> LintSettings:
    path = arguments.config or find_settings(os.getcwd())
    settings = read_settings(path) if path else LintSettings()
    if arguments.fail_on:
        settings = replace(settings, fail_on=SEVERITIES[arguments.fail_on])
    if arguments.target:
        settings = replace(settings, target=TARGETS[arguments.target])
    if arguments.baseline:
        settings = replace(settings, baseline=arguments.baseline)
    if arguments.offline:
        settings = replace(settings, offline=True)
    if arguments.root:
        settings = replace(settings, roots=_roots(arguments.root))
    if arguments.select:
        settings = replace(settings, select=_rules(arguments.select))
    if arguments.ignore:
        settings = replace(settings, ignore=_rules(arguments.ignore))
    return settings


def _roots(given: list[str]) -> tuple[tuple[str, str], ...]:
    """The directories of DIR=HERE; relative ones are from the current directory."""
    pairs = []
    for text in given:
        root, equals, here = text.partition("=")
        if not equals or not root.startswith("/") or not here:
            raise SettingsError(f'--root needs DIR=HERE, not "{text}"')
        pairs.append((root, os.path.join(os.getcwdb().decode("latin-1"), here)))
    return with_roots(pairs)


def _rules(given: list[str]) -> frozenset[str]:
    names = [name for text in given for name in text.split(",")]
    if unknown := [name for name in names if not is_rule(name)]:
        raise SettingsError(f'there is no rule "{unknown[0]}"')
    return frozenset(names)


def _default_path(prefix: str | None) -> str:
    from ..options import resolve_options

    return resolve_options(prefix, None, None)[1]


def _explain(name: str) -> int:
    rule = rule_named(name)
    if rule is None and name in ERRORS:
        print_text(f"{name}\n\n{ERRORS[name]}\n")
        return CLEAN
    if rule is None:
        return misused(PROGRAM, f'there is no rule "{name}"')
    print_text(f"{rule.name} ({rule.id}, {rule.severity.word})\n\n{rule.page}\n")
    return CLEAN
