"""Reads SSI commands, character by character (ngx_http_ssi_parse)."""

from __future__ import annotations

from collections.abc import Callable

START = "<!--#"
SPACES = " \r\n\t"
LONGEST_NAME = 32  # characters of a command's or a parameter's name


class CommandReader:
    """One command after its start; raises nothing, but logs what is wrong and skips to "-->"."""

    def __init__(self, longest_value: int, log: Callable[[str], None]) -> None:
        self._longest, self._log = longest_value, log
        self.name = ""
        self.params: list[tuple[str, str]] = []
        self.failed = self.done = False
        self._key = self._value = self._quote = ""
        self._state = self._before_name
        self._dashes = 0

    def read(self, text: str, at: int) -> int:
        """Takes characters up to the end of the command; returns the position after them."""
        while at < len(text) and not self.done:
            self._state(text[at])
            at += 1
        return at

    def _fail(self, complaint: str, character: str = "") -> None:
        """What follows is skipped; a dash may begin the end already."""
        self._log(complaint)
        self.failed = True
        self._dashes = 1 if character == "-" else 0
        self._state = self._skip

    def _skip(self, character: str) -> None:
        if character == ">" and self._dashes >= 2:
            self.done = True
        elif character == "-":
            self._dashes = min(self._dashes + 1, 2) if self._dashes < 2 else 0
        else:
            self._dashes = 0

    def _before_name(self, character: str) -> None:
        if character not in SPACES:
            self.name = character
            self._state = self._in_name

    def _in_name(self, character: str) -> None:
        if character in SPACES:
            self._state = self._before_param
        elif character == "-":
            self._state = self._dash
        elif len(self.name) == LONGEST_NAME:
            self._fail(f'the "{self.name}{character}..." SSI command is too long')
        else:
            self.name += character

    def _before_param(self, character: str) -> None:
        if character == "-":
            self._state = self._dash
        elif character not in SPACES:
            self._key, self._value = character, ""
            self._state = self._in_param

    def _in_param(self, character: str) -> None:
        if character in SPACES:
            self._state = self._before_equal
        elif character == "=":
            self._state = self._before_value
        elif character == "-":
            self._unexpected(character, f'after "{self._key}" parameter')
        elif len(self._key) == LONGEST_NAME:
            what = f'too long "{self._key}{character}..." parameter'
            self._fail(f'{what} in "{self.name}" SSI command')
        else:
            self._key += character

    def _before_equal(self, character: str) -> None:
        if character == "=":
            self._state = self._before_value
        elif character not in SPACES:
            self._unexpected(character, f'after "{self._key}" parameter')

    def _before_value(self, character: str) -> None:
        if character in "\"'":
            self._quote = character
            self._state = self._in_value
        elif character not in SPACES:
            self._unexpected(character, f'before value of "{self._key}" parameter')

    def _in_value(self, character: str) -> None:
        if character == self._quote:
            self.params.append((self._key, self._value))
            self._state = self._after_value
        else:
            if character == "\\":
                self._state = self._after_backslash
            self._take(character)

    def _after_backslash(self, character: str) -> None:
        self._state = self._in_value
        self._take(character)

    def _take(self, character: str) -> None:
        if len(self._value) == self._longest:
            what = f'too long "{self._value}{character}..." value of "{self._key}" parameter'
            self._fail(f'{what} in "{self.name}" SSI command')
        else:
            self._value += character

    def _after_value(self, character: str) -> None:
        if character in SPACES:
            self._state = self._before_param
        elif character == "-":
            self._state = self._dash
        else:
            what = f'after "{self._value}" value of "{self._key}" parameter'
            self._fail(f'unexpected "{character}" symbol {what} in "{self.name}" SSI command')

    def _dash(self, character: str) -> None:
        if character == "-":
            self._state = self._end
        else:
            self._fail(f'unexpected "{character}" symbol in "{self.name}" SSI command')

    def _end(self, character: str) -> None:
        if character == ">":
            self.done = True
        else:
            self._fail(f'unexpected "{character}" symbol in "{self.name}" SSI command')

    def _unexpected(self, character: str, where: str) -> None:
        complaint = f'unexpected "{character}" symbol {where} in "{self.name}" SSI command'
        self._fail(complaint, character)
