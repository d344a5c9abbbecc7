"""Keeping a record of those who write: rows of ``public:ERMrest_Client`` and ``ERMrest_Group``.

They are kept out of the clock of snapshots: a record alone makes no snapshot.

Source: ERMrest, "Identity records".
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa

from ..access import Client
from ..model.elements import Table
from .inserting import insert
from .options import Options
from .texts import Text, text_of
from .transaction import Writing
from .updating import as_pairs, update

_PERSON = ("Display_Name", "Full_Name", "Email", "Client_Object")
_GROUP = ("Display_Name",)
_LOOKUPS: WeakKeyDictionary[sa.Table, dict[int, Text]] = WeakKeyDictionary()
"""For each live table: the statements that find records, by how many."""


def keep_identity(writing: Writing) -> None:
    """Make sure that the rows for the writing client and its groups are there and current."""
    client = writing.actor
    if client.id is None or writing.recorded == client.id:
        return
    _keep(writing, "ERMrest_Client", _PERSON, [_person(client)])
    if client.groups:
        rows = [{"ID": g.id, "Display_Name": g.display_name} for g in client.groups]
        _keep(writing, "ERMrest_Group", _GROUP, rows)
    writing.recorded = client.id


def _person(client: Client) -> dict[str, Any]:
    document = client.document()
    document.setdefault("display_name", client.id)
    return {
        "ID": client.id,
        "Display_Name": document["display_name"],
        "Full_Name": client.full_name,
        "Email": client.email,
        "Client_Object": document,
    }


def _keep(
    writing: Writing, name: str, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]
) -> None:
    table = writing.model.schemas["public"].tables[name]
    present = _present(writing, table, columns, [row["ID"] for row in rows])
    new = [row for row in rows if row["ID"] not in present]
    changed = [
        row
        for row in rows
        if row["ID"] in present and present[row["ID"]] != [row[column] for column in columns]
    ]
    if new:
        insert(writing, table, new, Options(), returning=False)
    if changed:
        update(writing, table, changed, as_pairs(["ID"]), as_pairs(columns))


def _present(
    writing: Writing, table: Table, columns: Sequence[str], ids: Sequence[Any]
) -> dict[str, list[Any]]:
    names = [f"id{n}" for n in range(len(ids))]
    text = _lookup(writing, writing.tables.live(table), columns, names)
    found = text.run(writing.connection, dict(zip(names, ids, strict=True)))
    return {row[0]: [_read(c, v) for c, v in zip(columns, row[1:], strict=True)] for row in found}


def _lookup(writing: Writing, live: sa.Table, columns: Sequence[str], names: Sequence[str]) -> Text:
    """The statement that finds so many records: each write needs it that follows another's."""
    known = _LOOKUPS.setdefault(live, {})
    if len(names) not in known:
        given = [sa.bindparam(name, type_=sa.Text) for name in names]
        wanted = sa.select(live.c.ID, *(live.c[column] for column in columns))
        known[len(names)] = text_of(wanted.where(live.c.ID.in_(given)), writing.connection.dialect)
    return known[len(names)]


def _read(column: str, value: Any) -> Any:
    return json.loads(value) if column == "Client_Object" and isinstance(value, str) else value
