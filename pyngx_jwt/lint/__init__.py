"""Tells what is wrong with a configuration, before it is a hole.

command: ``pyngx lint``.  inputs, files, snippet: what is read.  analysis, collect, foreign,
target: it is compiled as for serving, and everything that is wrong is taken down; diagnose,
statements, conflicts, guess: as findings.  model, place, auth, jwks, backends, probe: a compiled
configuration as rules look at it.  rule, rules: the rules, one a file.  run, suppress, baseline,
settings, report: from rules to what is told.
"""
