"""What many response heads have in common."""

from __future__ import annotations

from pyngx_jwt.http1.response_head import MAX_PLAIN, DateClock


def start(line: str) -> str:
    return f"HTTP/1.1 {line}\r\nServer: s\r\nDate: "


def test_beginnings_are_told_apart_by_all_that_is_in_them() -> None:
    clock = DateClock()
    clock.tick()
    for _ in range(2):
        assert clock.head(200, "", "s") == f"{start('200 OK')}{clock.date}\r\n"
        assert clock.head(200, "200 Fine", "s") == f"{start('200 Fine')}{clock.date}\r\n"
        assert clock.head(200, "200 ", "s") == f"{start('200 ')}{clock.date}\r\n"
        assert clock.head(404, "", "s") == f"{start('404 Not Found')}{clock.date}\r\n"
        assert clock.head(99, "", "s") == f"{start('099 ')}{clock.date}\r\n"
        assert "Server: t\r\n" in clock.head(200, "", "t")


def test_not_all_reasons_are_kept() -> None:
    """An upstream may send another one each time."""
    clock = DateClock()
    clock.tick()
    for number in range(2 * MAX_PLAIN):
        line = f"200 {number}"
        assert clock.head(200, line, "s").startswith(start(line))
    assert len(clock._heads) == MAX_PLAIN
