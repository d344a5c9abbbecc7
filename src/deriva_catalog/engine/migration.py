"""Bringing databases that older releases made to the present layout."""

from __future__ import annotations

import sqlalchemy as sa

from .ddl import WITHOUT_INDEX, drop_index, index_name, indexes
from .layout import history_name, live_name
from .store import Store
from .tables import FORMAT, META
from .transaction import Writing


def upgrade(store: Store) -> None:
    """Change the database to the present layout; nothing happens if it has that already.

    A database that was opened for reading only is left alone: older layouts can be read as well.

    - Format 1 kept indexes of ``RCB`` and ``RMB``, which slow writing.

    Raises:
        Corrupted: the database is no catalog, or a newer release wrote it.
    """
    if store.check_format() == FORMAT or store.storage.readonly:
        return
    with store.writing() as writing:
        # Another process may have been faster, but doing it again does no harm.
        _drop_user_indexes(writing)
        here = META.c.name == "format"
        writing.run(sa.update(META).where(here).values(value=str(FORMAT)))


def _drop_user_indexes(writing: Writing) -> None:
    for table in writing.model.tables():
        wanted = indexes(table)
        for columns in WITHOUT_INDEX:
            physical = tuple(table.by_name[c].physical for c in columns if c in table.by_name)
            for place in (live_name(table), history_name(table)):
                name = index_name(place, physical)
                if physical and name not in wanted:
                    drop_index(writing.connection, name)
