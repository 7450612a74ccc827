"""Statistics that all workers count in, of whatever kind.

A worker counts in rows of its own memory and adds them to a zone once in a second, so that any
worker can report the sums of all.  Nothing is counted unless a configuration reports it.
"""

from .tallies import Row, Tallies

__all__ = ["Row", "Tallies"]
