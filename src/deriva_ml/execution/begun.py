"""Which executions this process has begun or taken up, for whoever reports on it.

As long as there is none, nothing was written to a catalog and what went wrong is the input.
"""

from __future__ import annotations

__all__ = ["begun", "note_begun"]

_rids: list[str] = []


def note_begun(rid: str) -> None:
    """Note that this process has created the execution `rid`, or goes on with it."""
    if rid not in _rids:
        _rids.append(rid)


def begun() -> tuple[str, ...]:
    """Return the RIDs in the order in which they were begun."""
    return tuple(_rids)
