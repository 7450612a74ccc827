"""What every match of a regular expression contains: a cheap reason not to look for one."""

from __future__ import annotations

import re

_QUANTIFIER = re.compile(r"(?:[*?+]|\{[0-9]*+,?[0-9]*\})[?+]?")
_OPTIONAL = re.compile(r"[*?{]")
# Groups whose inside has no effect on what is outside: plain ones, with or without a name,
# atomic ones, and assertions.
_GROUP = re.compile(r"\((?:\?(?:[:=!>]|<[=!A-Za-z_]|P<|'))?(?![?*])")
_CLASS = re.compile(r"\[\^?\]?(?:\\[\s\S]|\[:\^?[a-z]+:\]|[^\]\\\[]|\[(?![:.=]))*\]")
_KINDS = frozenset("dDwWsShHvVbBAzZ")  # of characters or places, after a backslash


def needle_of(text: str) -> str:
    """The longest text that is in all that the expression matches; "" if none is known."""
    return max((run for run in _runs(text) if run.isascii()), key=len, default="")


def beginning_of(text: str) -> str:
    """The text with which all begins that the expression matches; "" if none is known."""
    runs = _runs(text) if text.startswith("^") else []
    return runs[1] if len(runs) > 1 and runs[1].isascii() else ""


def _runs(text: str) -> list[str]:
    """The texts that are, in this order, in all that the expression matches: those in front of
    each "^", "$", ".", group and class, and the one behind the last.  No text if they are not
    known: anything that is not understood is a reason not to know."""
    runs, at = [""], 0
    while at < len(text):
        character = text[at]
        if character == "(":
            at = _end_of_group(text, at)
            if at < 0:
                return []
            runs.append("")
        elif character == "[":
            members = _CLASS.match(text, at)
            if members is None:
                return []
            at = members.end()
            runs.append("")
        elif character == "\\":
            following = text[at + 1 : at + 2]
            if following in _KINDS:
                runs.append("")
            elif not following.isascii() or following.isalnum() or not following:
                return []
            else:
                runs[-1] += following
            at += 2
        elif quantifier := _QUANTIFIER.match(text, at):
            if _OPTIONAL.match(character):
                runs[-1] = runs[-1][:-1]
            runs.append("")
            at = quantifier.end()
        elif character in "|){":
            return []
        else:
            runs[-1] += "" if character in "^$." else character
            if character in "^$.":
                runs.append("")
            at += 1
    return runs


def _end_of_group(text: str, at: int) -> int:
    """Behind the end of a group; -1 if it is not one of the plain kinds."""
    depth = 0
    while at < len(text):
        character = text[at]
        if character == "(":
            group = _GROUP.match(text, at)
            if group is None:
                return -1
            depth, at = depth + 1, group.end()
        elif character == "[":
            members = _CLASS.match(text, at)
            if members is None:
                return -1
            at = members.end()
        elif character == "\\":
            following = text[at + 1 : at + 2]
            if following in ("Q", "E", ""):
                return -1
            at += 2
        else:
            at += 1
            if character == ")":
                depth -= 1
                if not depth:
                    return at
    return -1
