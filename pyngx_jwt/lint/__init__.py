"""Finds errors and security problems in configurations.

command: ``pyngx lint``.  inputs, files, snippet: reading the input.  analysis, collect, foreign,
target: compiling it as for serving, and collecting all errors; diagnose, statements, conflicts,
guess: errors as findings.  model, place, auth, jwks, backends, probe: the compiled configuration as
rules see it.  rule, rules: the rules, one per file.  run, suppress, baseline, settings, report:
from rules to output.
"""
