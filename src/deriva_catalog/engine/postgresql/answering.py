"""Small reads by one message: a statement on its own sees one moment without a transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from ..texts import Text
from .address import psycopg

__all__ = ["answered", "limit"]

_BUDGET = "deriva_budget"
_CANCELED = "57014"
_LONGEST_MS = 2**31 - 1


def limit(budget_s: float | None) -> str:
    """What gives the statements of a transaction so many seconds; None: as the server has it."""
    return f"SET LOCAL statement_timeout = {_timeout(budget_s)}"


def answered(
    engine: sa.Engine,
    first: Text,
    second: Text,
    values: Mapping[str, Any],
    budget_s: float | None,
) -> tuple[Sequence[Any], list[str]] | None:
    """The row of one statement, and the texts that another selects, in their order.

    The budget is a setting of the connection, which it keeps: all transactions say their own.

    Args:
        engine: Whose connection is used.
        first: A statement without parameters that gives one row.
        second: A statement that selects one text for each row; its parameters have names.
        values: Those that it has not yet.
        budget_s: How many seconds it may take.

    Returns:
        None if it failed, other than for the time that it took: whoever asks again in a
        transaction is told why, or gets another connection if this one was lost.
    """
    whole = f"SELECT first.*, ARRAY({second.sql}) FROM ({first.sql}) AS first"
    lent = engine.raw_connection()
    try:
        driver: Any = lent.driver_connection
        try:
            if lent.info.get(_BUDGET) != budget_s:
                driver.execute(f"SET statement_timeout = {_timeout(budget_s)}")
                lent.info[_BUDGET] = budget_s
            *row, texts = driver.execute(whole, {**second.values, **values}).fetchone()
        except psycopg().Error as error:
            if driver.closed:
                lent.invalidate(error)
            if error.sqlstate == _CANCELED:
                raise
            return None
        return row, texts
    finally:
        lent.close()


def _timeout(budget_s: float | None) -> str:
    return "DEFAULT" if budget_s is None else str(max(1, min(int(budget_s * 1000), _LONGEST_MS)))
