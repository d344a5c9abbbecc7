"""How long a read may take.

The time counts while the database works: each piece of a stream may take as long as the whole of a
small answer, and the time that the reader of a stream takes for itself is not counted.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import sqlalchemy as sa

from ..errors import QueryTimeout

__all__ = ["Budget", "budget_of", "exceeded", "with_budget"]

_OPTION = "deriva_budget"


@dataclass(slots=True)
class Budget:
    """So many seconds from the latest start."""

    seconds: float
    until: float = 0.0

    def start(self) -> None:
        """Begin to count, or begin again."""
        self.until = time.monotonic() + self.seconds

    @property
    def left(self) -> float:
        """How many seconds are left; not below 0."""
        return max(0.0, self.until - time.monotonic())


def budget_of(connection: sa.Connection) -> Budget | None:
    """The budget of what is read through a connection now."""
    found = connection.get_execution_options().get(_OPTION)
    return found if isinstance(found, Budget) else None


def with_budget(connection: sa.Connection, seconds: float | None) -> Budget | None:
    """Give a connection a budget, which starts now, or take it away with None."""
    budget = None if seconds is None else Budget(seconds)
    if budget is not None:
        budget.start()
    connection.execution_options(**{_OPTION: budget})
    return budget


def exceeded() -> QueryTimeout:
    """The error for a read that took too long, with the words that clients look for."""
    return QueryTimeout(
        "Query run time limit exceeded.", hint="Ask for less, or for a part at a time."
    )
