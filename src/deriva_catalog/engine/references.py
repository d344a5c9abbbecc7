"""Foreign keys: whether they hold, when that is decided, and what to say when they do not.

A statement that may have broken a foreign key looks only at the values that it touched, with
one anti-join that the indexes serve. Values without a partner are remembered and looked at
again before the commit. So rows may come in any order inside a transaction, also in cycles,
and a transaction of one statement is told at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from ..errors import ForeignKeyViolation
from ..model.elements import ForeignKey, Table
from .transaction import Reference, Writing, foreign_key_of
from .uniqueness import show

_MOST_REMEMBERED = 10_000


def check_rows(
    writing: Writing,
    table: Table,
    foreign_keys: Iterable[ForeignKey],
    rows: sa.ColumnElement[bool],
) -> None:
    """Remember the values of changed rows that refer to nothing yet."""
    for fkey in foreign_keys:
        query = dangling(writing, table, fkey).where(rows).distinct()
        _remember(writing, table, fkey, query, referring=True)


def check_inserted(
    writing: Writing,
    table: Table,
    columns: Mapping[str, Sequence[Any]],
    new: sa.ColumnElement[bool],
    recorded: str | None = None,
) -> None:
    """Remember the values of new rows that refer to nothing yet.

    Args:
        writing: The transaction.
        table: The table.
        columns: The stored values of the rows by column name. Rows that were skipped may be
            among them: what is remembered is compared with the table before the commit.
        new: Whether a row of the table is one of the new ones.
        recorded: A client whose record is known to be there, so that it need not be looked for.
    """
    for fkey in table.foreign_keys:
        texts = _texts(columns[fkey.columns[0]]) if len(fkey.columns) == 1 else None
        if texts is None:
            # Not DISTINCT: for its sake SQLite would walk through an index of the whole table.
            query = dangling(writing, table, fkey).where(new)
        elif recorded is not None and texts == [recorded] and _is_to_client(fkey):
            continue
        elif texts:
            query = _without_partner(writing, table, fkey, texts)
        else:
            continue
        _remember(writing, table, fkey, query, referring=True)


def _is_to_client(fkey: ForeignKey) -> bool:
    target = (fkey.referenced_schema, fkey.referenced_table, fkey.referenced_columns)
    return target == ("public", "ERMrest_Client", ("ID",))


def _texts(values: Sequence[Any]) -> list[str] | None:
    """The different values but NULL, in their order; None when some are no texts."""
    found = dict.fromkeys(values)
    found.pop(None, None)
    return list(found) if set(map(type, found)) <= {str} else None


def _without_partner(
    writing: Writing, table: Table, fkey: ForeignKey, texts: Sequence[str]
) -> sa.Select[*tuple[Any, ...]]:
    """Those of the values that the foreign key does not find."""
    target = writing.tables.live(_target(writing, table, fkey))
    given = writing.storage.text_values(texts).c.value
    partner = target.c[fkey.referenced_columns[0]] == given
    return sa.select(given).where(
        ~sa.exists(sa.select(sa.literal(1)).select_from(target).where(partner))
    )


def check_all_rows(writing: Writing, table: Table, fkey: ForeignKey) -> None:
    """Raise when existing rows contradict a new foreign key.

    Raises:
        ForeignKeyViolation: a row refers to nothing.
    """
    found = writing.run(dangling(writing, table, fkey).limit(1)).first()
    if found is not None:
        raise _refers_to_nothing(table, fkey, tuple(found))


def remember_orphans(
    writing: Writing, table: Table, fkey: ForeignKey, values: Sequence[tuple[Any, ...]]
) -> None:
    """Remember values that rows of `table` refer to and that are about to disappear."""
    if values:
        kept = tuple(tuple(v) for v in values)
        reference = Reference(table.rid, fkey.rid, kept, from_referring=False)
        writing.references.append(reference)


def settle(writing: Writing) -> None:
    """Look again at everything that was remembered; called before the commit.

    Raises:
        ForeignKeyViolation: a row refers to nothing.
    """
    for reference in writing.references:
        found = foreign_key_of(writing.model, reference)
        if found is None:
            continue
        table, fkey = found
        broken = _still_broken(writing, table, fkey, reference.values)
        if broken is None:
            continue
        if reference.from_referring:
            raise _refers_to_nothing(table, fkey, broken)
        raise still_referenced(table, fkey, broken)
    writing.references.clear()


def _remember(
    writing: Writing,
    table: Table,
    fkey: ForeignKey,
    query: sa.Select[*tuple[Any, ...]],
    *,
    referring: bool,
) -> None:
    values = writing.run(query.limit(_MOST_REMEMBERED + 1)).all()
    if len(values) > _MOST_REMEMBERED:
        # Too many to keep in memory one by one: look at the whole table before the commit.
        kept: tuple[tuple[Any, ...], ...] = ()
    elif values:
        kept = tuple(tuple(row) for row in values)
    else:
        return
    writing.references.append(Reference(table.rid, fkey.rid, kept, from_referring=referring))


def referenced_table(writing: Writing, fkey: ForeignKey) -> Table:
    """The table that a foreign key refers to, in the current model."""
    return writing.model.schemas[fkey.referenced_schema].tables[fkey.referenced_table]


def dangling(writing: Writing, table: Table, fkey: ForeignKey) -> sa.Select[*tuple[Any, ...]]:
    """The values of all rows that have a complete reference to nothing."""
    live = writing.tables.live(table)
    target = writing.tables.live(_target(writing, table, fkey)).alias("target")
    columns = [live.c[name] for name in fkey.columns]
    partner = sa.and_(*(target.c[there] == live.c[here] for here, there in fkey.mapping.items()))
    return (
        sa.select(*columns)
        .where(*(column.is_not(None) for column in columns))
        .where(~sa.exists(sa.select(sa.literal(1)).select_from(target).where(partner)))
    )


def _target(writing: Writing, table: Table, fkey: ForeignKey) -> Table:
    if (fkey.referenced_schema, fkey.referenced_table) == (table.schema, table.name):
        return table
    return referenced_table(writing, fkey)


def _still_broken(
    writing: Writing, table: Table, fkey: ForeignKey, values: tuple[tuple[Any, ...], ...]
) -> tuple[Any, ...] | None:
    query = dangling(writing, table, fkey).limit(1)
    if not values:
        found = writing.run(query).first()
        return None if found is None else tuple(found)
    live = writing.tables.live(table)
    columns = [sa.Column(f"v{n}", live.c[name].type) for n, name in enumerate(fkey.columns)]
    with writing.temporary(*columns) as suspects:
        writing.load(suspects, values)
        pairs = zip(fkey.columns, suspects.c, strict=True)
        at_issue = sa.and_(*(live.c[name] == value for name, value in pairs))
        found = writing.run(query.where(at_issue)).first()
    return None if found is None else tuple(found)


def _refers_to_nothing(
    table: Table, fkey: ForeignKey, values: Sequence[Any]
) -> ForeignKeyViolation:
    return ForeignKeyViolation(
        f'Input data violates model. ERROR:  insert or update on table "{table.name}" violates '
        f'foreign key constraint "{fkey.name}"\nDETAIL:  Key ({", ".join(fkey.columns)})='
        f'({show(values)}) is not present in table "{fkey.referenced_table}".',
        table=table.qualified,
        foreign_key=fkey.name,
        values=tuple(values),
        referring=True,
    )


def still_referenced(table: Table, fkey: ForeignKey, values: Sequence[Any]) -> ForeignKeyViolation:
    """The error for removing values that rows of `table` refer to."""
    return ForeignKeyViolation(
        f'update or delete on table "{fkey.referenced_table}" violates foreign key constraint '
        f'"{fkey.name}" on table "{table.name}"\nDETAIL:  Key '
        f"({', '.join(fkey.referenced_columns)})=({show(values)}) is still referenced from "
        f'table "{table.name}".',
        table=table.qualified,
        foreign_key=fkey.name,
        values=tuple(values),
    )
