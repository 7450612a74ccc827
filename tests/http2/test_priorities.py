"""The tree of priorities, whatever a client says."""

from __future__ import annotations

from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyngx_jwt.http2.priorities import IDLE, Priorities
from pyngx_jwt.http2.stream import Stream

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
        assert priorities.first(streams.values()) in streams.values()


@pytest.mark.interpreted("streams are made up")
def test_the_weight_of_a_forgotten_stream_is_shared() -> None:
    one, two = (cast(Stream, _Waiting(number)) for number in (1, 3))
    priorities = Priorities({1: one, 3: two})
    priorities.set(5, 0, 256, exclusive=False)
    priorities.set(3, 5, 1, exclusive=False)
    assert priorities.first((two, one)) is one
    for number in range(IDLE):
        priorities.set(7 + 2 * number, 0, 1, exclusive=False)
    assert priorities.first((one, two)) is two  # of all of that weight


class _Waiting:
    def __init__(self, number: int) -> None:
        self.id = number
