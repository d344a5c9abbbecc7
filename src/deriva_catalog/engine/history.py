"""Closing row versions: copying rows that are about to change into the history table."""

from __future__ import annotations

import sqlalchemy as sa

from ..model.elements import Table
from .relation import END, START, captures_history
from .transaction import Writing

LEASES = ("public", "ERMrest_RID_Lease")
"""Schema and name of the table of leases, every version of whose rows is kept (see `leases`)."""


def close(writing: Writing, table: Table, rows: sa.ColumnElement[bool]) -> None:
    """Copy the live rows that satisfy `rows` to the history, as ended by this transaction.

    Versions that began in this very transaction are not copied: nobody can ever ask for them.
    Those of leases are, since their tokens can be asked for. The caller then changes the rows and
    sets their version start, or deletes them.
    """
    keeps_all = (table.schema, table.name) == LEASES
    if not (keeps_all or captures_history(table)):
        return
    live = writing.tables.live(table)
    history = writing.tables.history(table)
    names = [c.name for c in table.columns]
    versions = sa.select(
        *(live.c[name] for name in names),
        live.c[START],
        sa.bindparam("ended", writing.time, sa.BigInteger()),
    ).where(rows)
    if not keeps_all:
        earlier = live.c[START] < sa.bindparam("now", writing.time, sa.BigInteger())
        versions = versions.where(earlier)
    targets = [*(history.c[name] for name in names), history.c[START], history.c[END]]
    writing.run(sa.insert(history).from_select(targets, versions))


def close_all(writing: Writing, table: Table) -> None:
    """Close the version of every live row and begin a new one, equal to it."""
    close(writing, table, sa.true())
    live = writing.tables.live(table)
    writing.run(sa.update(live).values({live.c[START]: writing.time}))
