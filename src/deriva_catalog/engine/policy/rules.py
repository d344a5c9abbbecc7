"""What one kind of client may read: guarded tables, and rights on rows.

`Rules` belong to one model, the rows of one moment, and all clients for whom the decisions are
the same. They say for each table which rows are there, which cells are NULL and which columns
may not be touched, and leave to the compiler everything else: a query is compiled against
the visible model and the guarded tables as if there were nothing more.

A table that is not restricted is read as it is, at no cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import sqlalchemy as sa

from ...access.decisions import Decisions
from ...errors import CatalogError
from ...model.elements import Column, Model, Table
from ...path.ast import RightsFunction
from ..compile import GRANTED, ROW, Guarded
from ..dialect import RowRights, Test, Value
from .bindings import Binding, Grounds, granted

__all__ = ["Grant", "Rules", "TableRules"]

Grant = bool | tuple[Binding, ...]
"""Whether a right is given: always, never, or where one of some bindings grants it."""


@dataclass(frozen=True, slots=True)
class TableRules:
    """How a right on a table is given: on its rows, and beyond that on its cells.

    A cell's right is what its row and its column both grant.
    """

    rows: Grant
    cells: Mapping[str, Grant]

    @property
    def depends(self) -> bool:
        """Whether anything depends on the row."""
        grants = (self.rows, *self.cells.values())
        return any(not isinstance(grant, bool) for grant in grants)


class Rules:
    """The rules of one moment for the clients of some decisions. Usable from many threads."""

    def __init__(self, decisions: Decisions, grounds: Grounds) -> None:
        self.decisions = decisions
        self.grounds = grounds
        self._rules: dict[tuple[str, str, str], TableRules] = {}
        self._sources: dict[tuple[str, str, bool], sa.FromClause | Guarded] = {}
        self.model = self._with_masks(decisions.visible())

    def _with_masks(self, model: Model) -> Model:
        """The visible model with the columns that may read NULL declared so."""
        schemas = dict(model.schemas)
        for table in model.tables():
            masked = self._masked(table)
            if masked is not table:
                home = schemas[table.schema]
                schemas[table.schema] = replace(home, tables={**home.tables, table.name: masked})
        return model if schemas == dict(model.schemas) else replace(model, schemas=schemas)

    def _masked(self, table: Table) -> Table:
        if not any(c.acls or c.acl_bindings for c in self.whole(table).columns):
            return table
        cells = self.of(table, "select").cells
        masked = {name for name, grant in cells.items() if not isinstance(grant, bool)}
        if not masked:
            return table
        columns = [replace(c, nullok=True) if c.name in masked else c for c in table.columns]
        return replace(table, columns=tuple(columns))

    # --- who is granted what ---------------------------------------------------------

    def whole(self, table: Table) -> Table:
        """The table with all of its columns, of a table of the visible model."""
        return self.decisions.model.schemas[table.schema].tables[table.name]

    def of(self, table: Table, right: str) -> TableRules:
        """How ``select``, ``update`` or ``delete`` is given on a table."""
        key = (table.schema, table.name, right)
        found = self._rules.get(key)
        if found is None:
            whole = self.whole(table)
            rows = self._rows(whole, right)
            columns = whole.columns if right != "delete" else ()
            cells = {c.name: self._cells(whole, c, right, rows) for c in columns}
            found = self._rules[key] = TableRules(rows, cells)
        return found

    def _rows(self, table: Table, right: str) -> Grant:
        given = self.decisions.table(table, right)
        if given is not None:
            return given
        return tuple(self.decisions.table_bindings(table, right).values())

    def _cells(self, table: Table, column: Column, right: str, rows: Grant) -> Grant:
        given = self.decisions.column(table, column, right)
        if given is not None:
            return given
        if self.decisions.column_lists(table, column, right):
            return True
        bindings = tuple(self.decisions.column_bindings(table, column, right).values())
        if not isinstance(rows, bool) and all(binding in bindings for binding in rows):
            return True  # whatever grants the row grants the cell
        return bindings

    def test(self, table: Table, grant: Grant, row: sa.FromClause) -> Test:
        """Whether a grant holds for a row, a relation with all columns of the table."""
        if isinstance(grant, bool):
            return sa.true() if grant else sa.false()
        return granted(self.grounds, self.whole(table), grant, row)

    # --- reading ---------------------------------------------------------------------

    def source(self, table: Table) -> sa.FromClause | Guarded:
        """The rows and cells of a table of the visible model that may be read.

        Raises:
            NotAuthenticated, Forbidden: the client may read none.
        """
        return self._source(table, False)

    def _source(self, table: Table, searched: bool) -> sa.FromClause | Guarded:
        key = (table.schema, table.name, searched)
        found = self._sources.get(key)
        if found is None:
            self.decisions.require_table(table, "select")
            found = self._sources[key] = self._made(table, searched)
        return found

    def _made(self, table: Table, searched: bool) -> sa.FromClause | Guarded:
        rules = self.of(table, "select")
        rows = self.grounds.relation(self.whole(table))
        cells = {c.name: rules.cells[c.name] for c in table.columns}
        whole = "RID" in cells and all(grant is True for grant in cells.values())
        if rules.rows is True and whole:
            return rows
        values = {
            name: self._cell(table, rows, name, grant)
            for name, grant in cells.items()
            if grant is not False
        }
        if cells.get("RID") is not True:
            values[ROW] = rows.c.RID
        granted_row = self.test(table, rules.rows, rows)
        if searched:
            values[GRANTED] = sa.case((granted_row, sa.literal_column("1")))
        names = {name: f"v{n}" for n, name in enumerate(values)}
        select = sa.select(*(v.label(names[name]) for name, v in values.items()))
        select = select.select_from(rows)
        if rules.rows is not True:
            select = select.where(granted_row)
        again = None if rules.rows is True or searched else partial(self._searched, table)
        return Guarded(select.subquery(), names, partial(self._refusal, table), again)

    def _searched(self, table: Table) -> Guarded:
        made = self._source(table, True)
        assert isinstance(made, Guarded), "a table that is guarded is so when it is searched"
        return made

    def _cell(self, table: Table, rows: sa.FromClause, name: str, grant: Grant) -> Value:
        value: Value = rows.c[name]
        if grant is True:
            return value
        return sa.case((self.test(table, grant, rows), value))

    def _refusal(self, table: Table, name: str) -> CatalogError:
        try:
            self.decisions.require_column(table, table.by_name[name], "select")
        except CatalogError as error:
            return error
        raise AssertionError(f"column {name!r} of {table.qualified!r} can be read")

    # --- rights on rows --------------------------------------------------------------

    def has_costly_rights(self, table: Table) -> bool:
        """Whether rights on the rows of a table have to be worked out for each row."""
        return self.of(table, "update").depends or self.of(table, "delete").depends

    def rights(
        self, function: RightsFunction, table: Table, columns: Mapping[str, Value]
    ) -> RowRights:
        """What the client may do with a row, of which `columns` hold the identity."""
        update, delete = self.of(table, "update"), self.of(table, "delete")
        rid = columns[ROW] if ROW in columns else columns["RID"]
        each: dict[str, Test] = {}
        if function is RightsFunction.TCRS:
            for column in table.columns:
                cell = False if column.is_system else update.cells[column.name]
                each[column.name] = self._on_row(table, rid, update.rows, cell)
        return RowRights(
            update=self._on_row(table, rid, update.rows),
            delete=self._on_row(table, rid, delete.rows),
            column_update=each,
        )

    def _on_row(self, table: Table, rid: Value, *grants: Grant) -> Test:
        if False in grants:
            return sa.false()
        dynamic = [grant for grant in grants if grant is not True]
        if not dynamic:
            return sa.true()
        row = self.grounds.relation(self.whole(table)).alias()
        tests = [self.test(table, grant, row) for grant in dynamic]
        found: sa.Select[Any] = sa.select(sa.literal_column("1")).select_from(row)
        return sa.exists(found.where(rid == row.c.RID, *tests))
