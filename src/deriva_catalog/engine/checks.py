"""Whether what is stored is what the catalog promises: models, rows, history, constraints.

Every check is one statement per table and constraint and reads the whole of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from ..access import ANONYMOUS
from ..errors import CatalogError
from ..model.elements import Key, Table
from .ddl import indexes
from .history import LEASES
from .layout import history_name, live_name
from .references import dangling
from .relation import END, START
from .store import Store, stored_model
from .tables import MODEL
from .transaction import Writing
from .uniqueness import show

_MOST = 10


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong: its kind, the thing it is about, and what was found."""

    kind: str
    subject: str
    message: str


def check(store: Store) -> list[Finding]:
    """Everything that is wrong with the database of a catalog; an empty list if nothing is."""
    with store.reading() as moment:
        damage = [
            Finding("database", "catalog.db", line)
            for line in store.storage.problems(moment.connection)
        ]
        if damage:  # further answers could not be trusted
            return damage
        view = Writing(
            connection=moment.connection,
            storage=store.storage,
            tables=store.tables,
            time=0,
            actor=ANONYMOUS,
            model=moment.model,
        )
        return [*_models(view), *_tables(view)]


def _models(view: Writing) -> Iterator[Finding]:
    for time in view.run(sa.select(MODEL.c.time).order_by(MODEL.c.time)).scalars().all():
        try:
            stored_model(view.connection, time)
        except CatalogError as error:
            yield Finding("model", str(time), str(error))


def _tables(view: Writing) -> Iterator[Finding]:
    inspector = sa.inspect(view.connection)
    present = set(inspector.get_table_names())
    for table in view.model.tables():
        missing = [n for n in (live_name(table), history_name(table)) if n not in present]
        if missing:
            yield Finding("table", table.qualified, f"has no physical table {missing!r}")
            continue
        found = {
            str(index["name"])
            for name in (live_name(table), history_name(table))
            for index in inspector.get_indexes(name)
        }
        for name in sorted(indexes(table).keys() - found):
            yield Finding("index", table.qualified, f"has no index {name!r}")
        yield from _history(view, table)
        yield from _constraints(view, table)


def _history(view: Writing, table: Table) -> Iterator[Finding]:
    live, past = view.tables.live(table), view.tables.history(table)
    lasted = past.c[START] < past.c[END]
    if (table.schema, table.name) == LEASES:  # which may be taken and consumed at once
        lasted = past.c[START] <= past.c[END]
    empty = sa.select(past.c.RID).where(sa.not_(lasted))
    late = sa.select(live.c.RID).join(
        past, sa.and_(past.c.RID == live.c.RID, past.c[END] > live.c[START])
    )
    following = (
        sa.func.lead(past.c[START]).over(partition_by=past.c.RID, order_by=past.c[START])
    ).label("following")
    versions = sa.select(past.c.RID, past.c[END].label("ended"), following).subquery()
    overlapping = sa.select(versions.c.RID).where(versions.c.following < versions.c.ended)
    for query, message in (
        (empty, "has closed versions without duration"),
        (late, "has live rows that began before a closed version of them ended"),
        (overlapping, "has closed versions that overlap"),
    ):
        rids = view.run(query.distinct().limit(_MOST)).scalars().all()
        if rids:
            yield Finding("history", table.qualified, f"{message}: {', '.join(rids)}")


def _constraints(view: Writing, table: Table) -> Iterator[Finding]:
    live = view.tables.live(table)
    for column in table.columns:
        if column.nullok:
            continue
        rids = view.run(
            sa.select(live.c.RID).where(live.c[column.name].is_(None)).limit(_MOST)
        ).scalars()
        shown = ", ".join(map(str, rids))
        if shown:
            message = f"column {column.name!r} is empty in rows {shown}"
            yield Finding("not null", table.qualified, message)
    for key in table.keys:
        yield from _key(view, table, key)
    for fkey in table.foreign_keys:
        for row in view.run(dangling(view, table, fkey).distinct().limit(_MOST)):
            yield Finding(
                "foreign key",
                table.qualified,
                f"{fkey.name!r}: ({show(row)}) is not in {fkey.referenced_table!r}",
            )


def _key(view: Writing, table: Table, key: Key) -> Iterator[Finding]:
    live = view.tables.live(table)
    columns = [live.c[name] for name in key.columns]
    repeated = (
        sa.select(*columns)
        .where(*(column.is_not(None) for column in columns))
        .group_by(*columns)
        .having(sa.func.count() > 1)
        .limit(_MOST)
    )
    for row in view.run(repeated):
        yield Finding("key", table.qualified, f"{key.name!r}: ({show(row)}) occurs repeatedly")
