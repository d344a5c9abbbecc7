"""What a client may write: checked before, while and after rows are put into tables.

Static rights are checked before anything else. What depends on rows is checked by one statement
over all rows at issue, and refuses the request as a whole. Rows that the client cannot select
are none of them: they do not match. Whatever follows from a change (the actions of foreign
keys, the records of clients) is done by the catalog itself and not checked.

Source: ERMrest, "Access control" (effects, evaluation), "RID leases" and "Writing".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from ...access import Client
from ...access.decisions import Decisions, shown
from ...errors import CatalogError, Forbidden
from ...model.elements import Column, ForeignKey, Model, Table
from ...model.lookup import column_of, find_table, table_at
from ...path.ast import TableName
from ..compile import ROW, Guarded, Readable
from ..dialect import Test, Value
from ..history import LEASES
from ..options import Options
from ..transaction import Writing
from .bindings import granted, roles_parameter
from .rules import Grant, Rules

__all__ = ["Guard", "Seen"]

_OWNERS_ONLY = ("RCT", "RCB", "RMT", "RMB")


@dataclass(frozen=True, slots=True)
class Seen:
    """The rows of a table that somebody can select.

    Asking `columns` for one that may not be read raises. `shows_rids` says whether the RIDs are
    among what can be read; `rid` is there in any case.
    """

    rows: sa.FromClause
    columns: Mapping[str, Value]
    rid: Value
    shows_rids: bool = True

    @classmethod
    def of(cls, rows: sa.FromClause) -> Seen:
        """All rows, with all of their columns."""
        return cls(rows, dict(rows.c.items()), rows.c.RID)


class Guard:
    """Watches over one client in one writing transaction."""

    def __init__(self, writing: Writing, rules: Rules, client: Client) -> None:
        self._writing = writing
        self._rules = rules
        self._client = client
        self.parameters = roles_parameter(client)

    @property
    def decisions(self) -> Decisions:
        """What the client may do, as far as that follows from the lists."""
        return self._rules.decisions

    @property
    def rules(self) -> Rules:
        """What the client may read, to compile the paths of what is deleted against."""
        return self._rules

    @property
    def model(self) -> Model:
        """The model that names are looked up in."""
        return self.decisions.visible()

    def found(self, name: TableName) -> Table:
        """The whole table that a name means to the client; raises as `find_table` does."""
        seen = find_table(self.model, name)
        return table_at(self._writing.model, seen.schema, seen.name)

    def visible(self, table: Table) -> Table:
        """A table of the whole model as the client may know it."""
        return self.model.schemas[table.schema].tables[table.name]

    def require(self, table: Table, right: str) -> None:
        """Refuse a client who has a right on no row of a table.

        Raises:
            NotAuthenticated, Forbidden: neither lists nor bindings give it.
        """
        self.decisions.require_table(table, right)

    def bound(self, select: sa.Select[Any]) -> sa.Select[Any]:
        """A query with the client's roles in it, to be a part of a statement that writes."""
        return select.params(self.parameters)

    # --- insertion -------------------------------------------------------------------

    def allow_insertion(self, table: Table, options: Options) -> Options:
        """Check the static rights to insert rows.

        Returns the options with the columns that the client does not know among the defaults.

        Raises:
            NotAuthenticated, Forbidden: the client may not insert, or not into a column that is
                not to have its default.
            UnknownName: the options name an unknown column.
        """
        visible = self.visible(table)
        for name in (*options.defaults, *options.nondefaults):
            column_of(visible, name)
        self.require(table, "insert")
        for name in _OWNERS_ONLY:
            if name in options.nondefaults:
                raise self._denied(
                    f"Only owners of the catalog can give values of column {name!r} of "
                    f"{shown(table)}.",
                    hint="Leave it out of nondefaults.",
                )
        for column in visible.columns:
            system = column.is_system and column.name not in options.nondefaults
            if column.name not in options.defaults and not system:
                self._require_insert(table, column.name)
        hidden = table.by_name.keys() - visible.by_name.keys()
        return replace(options, defaults=options.defaults | hidden)

    def _require_insert(self, table: Table, name: str) -> None:
        if self.decisions.column(table, table.by_name[name], "insert") is not True:
            raise self._denied(
                f"The client has no insert access on {shown(table, table.by_name[name])}.",
                hint="Let the column have its default: name it in defaults.",
            )

    def check_given_rids(self, table: Table, rids: Sequence[str], options: Options) -> None:
        """Check that row identifiers given by the client are leased to it.

        A lease that was consumed counts for a row that is there, which is skipped: so the
        repetition of a request whose answer was lost does nothing.

        Raises:
            Forbidden: one is not.
        """
        if "RID" not in options.nondefaults:
            return
        writing = self._writing
        given = writing.storage.text_values(list(dict.fromkeys(rids)))
        leases = writing.model.schemas[LEASES[0]].tables[LEASES[1]]
        fine = [self._leased(writing.tables.live(leases), given)]
        if options.on_conflict == "skip":
            live = writing.tables.live(table)
            here = sa.select(sa.literal(1)).select_from(live).where(given.c.value == live.c.RID)
            consumed = self._leased(writing.tables.history(leases), given)
            fine.append(sa.and_(sa.exists(here.correlate(given)), consumed))
        unfit = sa.select(given.c.value).where(sa.not_(sa.or_(*fine))).limit(1)
        found = writing.run(unfit).scalar()
        if found is not None:
            raise Forbidden(
                f"The RID {found!r} is not leased to the client.",
                hint="Lease RIDs before rows are inserted with them, or let the catalog choose.",
                rid=found,
            )

    def _leased(self, leases: sa.FromClause, given: sa.FromClause) -> Test:
        own = leases.c.RCB.is_not_distinct_from(self._client.id)
        same = given.c.value == leases.c.RID
        found = sa.select(sa.literal(1)).select_from(leases).where(own, same)
        return sa.exists(found.correlate(given))

    def check_new_references(
        self, table: Table, options: Options, columns: Mapping[str, Sequence[Any]]
    ) -> None:
        """Check that the client may refer to what new rows are going to refer to.

        That is before they are there: a new row must not be what grants its own reference.

        Args:
            table: The table.
            options: Says which columns have values that the client gave.
            columns: The stored values of the rows by column.

        Raises:
            NotAuthenticated, Forbidden: a foreign key or its binding does not allow it.
        """
        chosen = {
            c.name
            for c in table.columns
            if c.name not in options.defaults and (not c.is_system or c.name in options.nondefaults)
        }
        for fkey in table.foreign_keys:
            if not chosen & set(fkey.columns) or self._allows(table, fkey, "insert"):
                continue
            rows = zip(*(columns[name] for name in fkey.columns), strict=True)
            complete = [values for values in dict.fromkeys(rows) if None not in values]
            if complete:
                self._check_values(table, fkey, complete)

    def _check_values(
        self, table: Table, fkey: ForeignKey, references: Sequence[tuple[Any, ...]]
    ) -> None:
        live = self._writing.tables.live(table)
        columns = [sa.Column(f"v{n}", live.c[name].type) for n, name in enumerate(fkey.columns)]
        with self._writing.temporary(*columns) as given:
            self._writing.load(given, references)
            values = dict(zip(fkey.columns, given.c, strict=True))
            self._check_references(table, fkey, "insert", given, values)

    def told(self, table: Table) -> tuple[Column, ...]:
        """The columns of inserted rows that the client is told: all that it knows of.

        A new row holds nothing but what the client gave, defaults that are in the model, and
        who wrote it when.
        """
        return self.visible(table).columns

    # --- references ------------------------------------------------------------------

    def _allows(self, table: Table, fkey: ForeignKey, right: str) -> bool:
        return self.decisions.foreign_key(table, fkey, right) is True

    def _check_references(
        self,
        table: Table,
        fkey: ForeignKey,
        right: str,
        rows: sa.FromClause,
        values: Mapping[str, Value],
    ) -> None:
        """Refuse rows with a reference that the client may not make.

        A reference to nothing is left to the foreign key's own check if the client could see
        that there is nothing; to others it is as forbidden as one to a row that is not granted.
        """
        complete = [value.is_not(None) for value in values.values()]
        refused = sa.select(sa.literal(1)).select_from(rows).where(*complete)
        right_on_rows = self.decisions.foreign_key(table, fkey, right)
        if right_on_rows is None:
            model = self._writing.model
            target = table_at(model, fkey.referenced_schema, fkey.referenced_table)
            bindings = self.decisions.foreign_key_bindings(table, fkey, right).values()
            row = self._writing.tables.live(target).alias("target")
            pairs = fkey.mapping.items()
            partner = sa.and_(*(row.c[there] == values[here] for here, there in pairs))
            found = sa.select(sa.literal(1)).select_from(row).where(partner).correlate_except(row)
            test = granted(self._rules.grounds, target, bindings, row)
            refused = refused.where(sa.not_(sa.exists(found.where(test))))
            if self._sees_all(target, fkey.referenced_columns):
                refused = refused.where(sa.exists(found))
        if self._writing.run(refused.limit(1), self.parameters).first() is not None:
            raise self._denied(
                f"The client has no {right} access on {self._shown_key(table, fkey)} for one or "
                f"more rows in table {shown(table)}."
            )

    def _sees_all(self, table: Table, columns: Iterable[str]) -> bool:
        if self.decisions.table(table, "select") is not True:
            return False
        return all(
            self.decisions.column(table, table.by_name[name], "select") is True for name in columns
        )

    def _shown_key(self, table: Table, fkey: ForeignKey) -> str:
        if any(known.name == fkey.name for known in self.visible(table).foreign_keys):
            return f"foreign key :{table.schema}:{fkey.name}"
        return "a foreign key"

    # --- rows that exist -------------------------------------------------------------

    def seen(self, table: Table) -> Seen:
        """The rows of a table that the client can select."""
        rows = self._rules.source(self.visible(table))
        if not isinstance(rows, Guarded):
            return Seen.of(rows)
        alias = rows.rows.alias("seen")
        columns = Readable({key: alias.c[n] for key, n in rows.names.items()}, rows.refuse)
        shows_rids = ROW not in columns
        return Seen(alias, columns, columns["RID" if shows_rids else ROW], shows_rids)

    def allow_update(self, table: Table, keys: Iterable[str], targets: Iterable[str]) -> None:
        """Check the static rights to select rows by `keys` and to update `targets`."""
        self.require(table, "update")
        for names, right in ((keys, "select"), (targets, "update")):
            for name in names:
                self.decisions.require_column(table, table.by_name[name], right)

    def keep_seen(self, table: Table, rows: sa.Table) -> None:
        """Leave out of a task the rows that the client cannot select."""
        seen = self.seen(table)
        if seen.rows is self._writing.tables.live(table):
            return
        found = sa.select(sa.literal(1)).select_from(seen.rows).where(seen.rid == rows.c.r)
        visible = sa.exists(self.bound(found.correlate(rows)))
        self._writing.run(sa.delete(rows).where(sa.not_(visible)))

    def check_update(
        self, table: Table, rows: sa.Table, names: Sequence[str], *, clears: bool = False
    ) -> None:
        """Check that the client may update columns of all rows of a task.

        Args:
            table: The table.
            rows: The task's rows, with their RIDs in ``r`` and new values in ``v0``, ``v1`` ...
            names: The columns that get the new values.
            clears: Whether all of those are NULL.

        Raises:
            NotAuthenticated, Forbidden: one of the rows or references is not granted.
        """
        rules = self._rules.of(table, "update")
        self._check_rows(table, rows, "update", [rules.rows, *(rules.cells[n] for n in names)])
        if clears:
            return
        live = self._writing.tables.live(table)
        # The second condition says nothing new, but that few rows of the table are meant.
        same = sa.and_(rows.c.r == live.c.RID, live.c.RID.in_(sa.select(rows.c.r)))
        joined = rows.join(live, same)
        new = {name: rows.c[f"v{n}"] for n, name in enumerate(names)}
        for fkey in table.foreign_keys:
            if set(fkey.columns) & set(names) and not self._allows(table, fkey, "update"):
                values = {name: new.get(name, live.c[name]) for name in fkey.columns}
                self._check_references(table, fkey, "update", joined, values)

    def check_deletion(self, table: Table, rows: sa.Table) -> None:
        """Check that the client may delete all rows of a task; see `check_update`."""
        self._check_rows(table, rows, "delete", [self._rules.of(table, "delete").rows])

    def _check_rows(
        self, table: Table, rows: sa.Table, right: str, grants: Sequence[Grant]
    ) -> None:
        dynamic: list[Grant] = []
        dynamic += [g for n, g in enumerate(grants) if g is not True and g not in grants[:n]]
        if not dynamic:
            return
        live = self._writing.tables.live(table)
        tests = [self._rules.test(table, grant, live) for grant in dynamic]
        fails = sa.case((sa.and_(*tests), sa.literal(1))).is_(None)
        chosen = live.c.RID.in_(sa.select(rows.c.r))
        refused = sa.select(live.c.RID).where(chosen, fails).limit(1)
        if self._writing.run(refused, self.parameters).first() is not None:
            raise self._denied(
                f"The client has no {right} access on one or more rows in table {shown(table)}."
            )

    def _denied(self, message: str, *, hint: str = "") -> CatalogError:
        return self.decisions.denied(message, hint=hint)
