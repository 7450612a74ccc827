"""The numbers of connections are counted by all processes of a server together."""

from __future__ import annotations

import os
from itertools import islice

from pyngx_jwt.process.numbers import connection_numbers

EACH = 20_000  # enough for processes to meet


def test_numbers_go_up_from_one() -> None:
    assert list(islice(connection_numbers(), 3)) == [1, 2, 3]


def test_processes_never_get_the_same_number() -> None:
    numbers = connection_numbers()
    ends = []
    for _ in range(4):
        reader, writer = os.pipe()
        if os.fork() == 0:
            try:
                taken = list(islice(numbers, EACH))
                os.write(writer, " ".join(map(str, taken)).encode())
            finally:
                os._exit(0)
        os.close(writer)
        ends.append(reader)
    texts = []
    for reader in ends:
        with os.fdopen(reader) as file:
            texts.append(file.read())
    for _ in ends:
        os.wait()
    taken = [int(word) for text in texts for word in text.split()]
    assert sorted(taken) == list(range(1, 4 * EACH + 1))
    assert next(numbers) == 4 * EACH + 1
