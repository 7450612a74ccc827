"""Finds errors and security problems in configurations.

Each room may use those that stand before it:

- finding: what is found, and where.
- read: reads what is asked for, compiles it as for serving, and collects all errors.
- model: the compiled configuration as rules see it: blocks, their JWT settings, keys, upstreams.
- rule: what a rule is.
- flow: what follows from the model: values of variables, redirects, header fields, open doors.
- errors: errors of the configuration itself as findings, and their pages.
- rules: the rules, one per file.
- report: settings, suppressions, baseline, output formats.
- run, arguments, command: ``pyngx lint``.
"""
