"""Leases: row identifiers that were given to tokens, and what became of them.

A token keeps its RID for good. While nothing was made of the RID, the lease is a live row; when
a row with the RID is inserted, the lease is consumed, and its closed version remains. That holds
as well for a lease that was taken and consumed in one transaction: `history.close` keeps its
version, although it had no duration and no snapshot shows it. Forgetting history forgets no lease.

Source: ERMrest, "RID leases".
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from ..model.elements import Model, Table
from .effects import Removal, open_rows, perform
from .history import LEASES
from .moments import Reading
from .relation import Tables
from .transaction import Writing

__all__ = ["consume", "given_to", "lease_table", "looked_up"]


def lease_table(model: Model) -> Table:
    """The table of leases."""
    schema, name = LEASES
    return model.schemas[schema].tables[name]


def given_to(writing: Writing, tokens: Sequence[str]) -> dict[str, str]:
    """The RIDs that this client's tokens have; tokens without one are left out."""
    given = writing.storage.text_values(list(dict.fromkeys(tokens)))
    owner = (writing.client,)
    return _found(writing.connection, writing.model, writing.tables, given, owner)


def looked_up(
    moment: Reading,
    tables: Tables,
    tokens: Sequence[str],
    client: str | None,
    *,
    only_own: bool = False,
) -> dict[str, str]:
    """The RIDs that tokens have, those of `client` before those of others (or `only_own`)."""
    given = moment.texts(list(dict.fromkeys(tokens)))
    if only_own:
        return _found(moment.connection, moment.model, tables, given, (client,))
    anyone = _found(moment.connection, moment.model, tables, given)
    return anyone | _found(moment.connection, moment.model, tables, given, (client,))


def _found(
    connection: sa.Connection,
    model: Model,
    tables: Tables,
    given: sa.FromClause,
    owner: tuple[str | None] | None = None,
) -> dict[str, str]:
    found: dict[str, str] = {}
    table = lease_table(model)
    for source in (tables.history(table), tables.live(table)):
        known = sa.select(source.c.ID, source.c.RID).where(
            source.c.ID.in_(sa.select(given.c.value))
        )
        if owner is not None:
            known = known.where(source.c.RCB.is_not_distinct_from(owner[0]))
        found |= {str(row[0]): str(row[1]) for row in connection.execute(known)}
    return found


def consume(writing: Writing, table: Table, rids: Sequence[str]) -> None:
    """Remove the leases on RIDs that rows of `table` were inserted with."""
    leases = lease_table(writing.model)
    if table.rid == leases.rid:
        return
    lease = writing.tables.live(leases)
    rows = open_rows(writing, leases)
    with writing.temporary(sa.Column("r", sa.Text, primary_key=True)) as given:
        writing.load(given, [(rid,) for rid in rids])
        used = sa.select(lease.c.RID).where(lease.c.RID.in_(sa.select(given.c.r)))
        count = writing.run(sa.insert(rows).from_select(["r"], used)).rowcount
    if count:
        perform(writing, Removal(leases, rows))
    else:
        writing.drop_temporary(rows)
