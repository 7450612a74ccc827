"""Pages of findings that do not come from rules: errors of the configuration, warnings, and
findings about the linter's own input."""

from __future__ import annotations

_NGINX_T = """"nginx -t" reports this error in the same words, and the server does not start.
It cannot be suppressed."""

# By name: meaning and remedy.
ERRORS = {
    "not-run-by-pyngx": """\
nginx has this directive, and pyngx does not support it.

This is a note, because the configuration may be meant for nginx; with "--target pyngx" it is an
error, as it is for "pyngx -t".  The hint describes the effect of "--allow-unsupported": it ignores
the directive, or answers 501 if the directive is a content handler; a directive that restricts
access is never ignored.  Directives that only tune performance are accepted without a note.""",
    "unknown-directive": f"""\
No known module has a directive of that name.

It is misspelled, or belongs to a third-party module that the linter does not know.  If the
configuration has "load_module", the directive may belong to that module, and the finding is only a
warning.  {_NGINX_T}""",
    "syntax": f"""\
The text cannot be parsed into directives and blocks.

A ";" or a brace is missing or superfluous, or a quoted string is not terminated.  {_NGINX_T}""",
    "misplaced-directive": f"""\
A directive or a block is not allowed in this block.

The hint lists the blocks where it is allowed.  {_NGINX_T}""",
    "wrong-arguments": f"""\
A directive has too few or too many arguments.

Often the ";" of the previous line is missing, or a value with spaces is not quoted.  {_NGINX_T}""",
    "duplicate": f"""\
Something is set, named or listened on twice, or two lines contradict each other.

The finding shows the other line if it is known.  {_NGINX_T}""",
    "unknown-name": f"""\
A name is used that is not defined: a variable, a log format, a zone.

In a snippet this is a note, because the file that includes the snippet may define the name.  Host
names are not resolved, so a host that does not exist is not reported.  {_NGINX_T}""",
    "missing-block": f"""\
The configuration has no "events" block.

nginx requires one, even if it is empty; pyngx does not.  {_NGINX_T}""",
    "unusable-file": f"""\
A file that the configuration names cannot be used: it is not of the expected kind.

For key files of tokens, which can still be fixed before the first request, this is a warning; for a
file that the server needs to start, it is an error.  {_NGINX_T}""",
    "not-on-this-machine": """\
A file, a directory or a user that the configuration names does not exist on this machine, or may
not be read.

The configuration may be meant for another machine, so this is a note.  What an included file
contains is then unknown: rules do not report the absence of what it may contain.  "--root
/etc/nginx=./nginx" reads the files of a directory from another one.  On the server itself, set the
severity of this name to "error" in the settings file.""",
    "invalid-value": f"""\
A directive has an invalid argument.

The hint shows the syntax if it is known.  {_NGINX_T}""",
    "invalid-configuration": f"""\
Any other error of the configuration.

{_NGINX_T}""",
    "nginx-warning": """\
"nginx -t" warns about this, in the same words; or nginx would only notice at the first request, for
example that variables refer to each other.

The server starts nevertheless.""",
    "not-read": """\
One of several files contains no nginx configuration and was skipped.

If it is one, pass it as the only PATH.""",
    "bad-suppression": """\
An "ignore" comment names no rule or an unknown one, or gives no reason.

    # pyngx: ignore[rule] reason""",
    "unused-suppression": """\
An "ignore" comment suppresses nothing.

Remove it before it hides another finding.""",
}
