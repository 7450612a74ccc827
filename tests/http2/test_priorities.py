"""The tree of priorities, whatever a client says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyngx_jwt.http2.priorities import IDLE, Priorities
from pyngx_jwt.http2.stream import Stream

from ..steps import steps_of

NUMBER = st.integers(0, 60)
SAID = st.lists(st.tuples(NUMBER.filter(bool), NUMBER, st.integers(1, 256), st.booleans()))


@pytest.mark.interpreted("streams are made up")
@given(st.sets(NUMBER.filter(bool), max_size=5), SAID)
def test_there_is_always_a_first_one(
    numbers: set[int], said: list[tuple[int, int, int, bool]]
) -> None:
    streams = {number: cast(Stream, _Waiting(number)) for number in numbers}
    priorities: Any = Priorities(streams)
    for number, depends_on, weight, exclusive in said:
        if number != depends_on:  # which ends the connection
            priorities.set(number, depends_on, weight, exclusive=exclusive)
        for node in priorities._nodes.values():
            assert node in node.parent.children
            above, at = set(), node
            while at is not priorities._root:
                assert at.number not in above
                above.add(at.number)
                at = at.parent
    assert len(priorities._nodes) <= len(streams) + IDLE
    if streams:
        assert first(priorities, streams.values()) in streams.values()


@pytest.mark.interpreted("streams are made up")
def test_the_weight_of_a_forgotten_stream_is_shared() -> None:
    one, two = (cast(Stream, _Waiting(number)) for number in (1, 3))
    priorities = Priorities({1: one, 3: two})
    priorities.set(5, 0, 256, exclusive=False)
    priorities.set(3, 5, 1, exclusive=False)
    assert first(priorities, (two, one)) is one
    for number in range(IDLE):
        priorities.set(7 + 2 * number, 0, 1, exclusive=False)
    assert first(priorities, (one, two)) is two  # of all of that weight


@pytest.mark.interpreted("streams are made up, and steps are counted")
def test_a_long_chain_is_followed_once() -> None:
    count = 1000
    numbers = range(1, 2 * count, 2)
    streams = {number: cast(Stream, _Waiting(number)) for number in numbers}
    priorities = Priorities(streams)
    for number in numbers[1:]:
        priorities.set(number, number - 2, 256, exclusive=True)
    turns: list[list[Stream]] = []
    backwards = list(reversed(streams.values()))
    assert steps_of(lambda: turns.extend(priorities.in_turn(backwards))) < 50 * count
    assert turns == [[stream] for stream in streams.values()]
    assert steps_of(lambda: priorities.in_turn(backwards)) < 20 * count
    assert priorities.steps == 0  # though each set the one before as the only one


def test_moving_many_takes_steps() -> None:
    streams = {number: cast(Stream, _Waiting(number)) for number in range(1, 200, 2)}
    priorities = Priorities(streams)
    for times in range(1, 11):
        priorities.set(1 + 2 * times, 0, 16, exclusive=True)
    assert priorities.steps >= 99  # nine times there was but one to move
    before = priorities.steps
    assert steps_of(lambda: priorities.set(1, 0, 16, exclusive=False)) < 50
    assert priorities.steps == before


def test_streams_that_last_are_passed_once() -> None:
    """Not each time that one is forgotten."""
    streams = {number: cast(Stream, _Waiting(number)) for number in range(1, 2000, 2)}
    priorities = Priorities(streams)
    for number in range(2001, 2001 + 2 * IDLE, 2):
        priorities.set(number, 0, 16, exclusive=False)

    def more() -> None:
        for number in range(4001, 4001 + 2 * IDLE, 2):
            priorities.set(number, 0, 16, exclusive=False)

    assert steps_of(more) < 10 * len(streams)


def first(priorities: Priorities, waiting: Iterable[Stream]) -> Stream:
    return priorities.in_turn(waiting)[0][0]


class _Waiting:
    def __init__(self, number: int) -> None:
        self.id = number
