"""Pages of what is found by other names than those of rules: errors of the configuration itself,
warnings, and what concerns the linter's own doing."""

from __future__ import annotations

_NGINX_T = """It is what "nginx -t" tells, in nginx's words, and the server does not start with it.
It cannot be silenced."""

# By name: what it means, and what to do.
ERRORS = {
    "not-run-by-pyngx": """\
A directive that nginx has and pyngx does not run.

It is a note, as nginx may be meant to run the configuration; with "--target pyngx" it is an error,
as it is for "pyngx -t".  The hint says what "--allow-unsupported" does: it leaves the directive
out, or answers 501 where it would answer requests; what guards something is never left out.  What
is only tuning is accepted, and no note is made.""",
    "unknown-directive": f"""\
No module that is known here has a directive of that name.

It is misspelled, or of a module that is neither nginx's own nor widespread; if the configuration
has "load_module" it may be of what is loaded there, and is but a warning.  {_NGINX_T}""",
    "syntax": f"""\
The text cannot be read as statements and blocks.

A ";" or a brace is missing or one too many, or a quoted word has no end.  {_NGINX_T}""",
    "misplaced-directive": f"""\
A directive or a block stands in a block that it cannot be in.

The hint says where it can be.  {_NGINX_T}""",
    "wrong-arguments": f"""\
A directive has too few or too many arguments.

Often the ";" of the line before is missing, or a value with blanks has no quotes.  {_NGINX_T}""",
    "duplicate": f"""\
Something is set, named or listened on twice, or two lines contradict each other.

The place of the other one is told, where it is known.  {_NGINX_T}""",
    "unknown-name": f"""\
Something is referred to that is defined nowhere: a variable, a log format, a zone.

Of a snippet it is a note, as it may be defined in what includes the snippet.  No name is looked up
here, so a host that does not exist is not found.  {_NGINX_T}""",
    "missing-block": f"""\
The configuration has no "events" block.

nginx demands one, if an empty one; pyngx does not.  {_NGINX_T}""",
    "unusable-file": f"""\
A file that the configuration names cannot be used: it is not there, cannot be read, or is not
what it should be.

Keys of tokens that can still be mended before the first request are a warning; a file that the
server needs to start is an error.  If the configuration is for another machine, the file may be
there.  {_NGINX_T}""",
    "invalid-value": f"""\
A directive has an argument that it does not take.

The hint tells its syntax, where it is known.  {_NGINX_T}""",
    "invalid-configuration": f"""\
Any other error of the configuration.

{_NGINX_T}""",
    "nginx-warning": """\
What "nginx -t" warns of, in its words, and what nginx would only find out by the first request,
such as variables that need each other.

The server starts all the same.""",
    "not-read": """\
A file among several has nothing in it that nginx knows, and was not read.

Name it alone if it is nginx's all the same.""",
    "bad-suppression": """\
A comment that silences findings names no rule, names an unknown one, or gives no reason.

    # pyngx: ignore[rule] reason""",
    "unused-suppression": """\
A comment silences a finding that there is not.

It can be left out, before it hides another one some day.""",
}
