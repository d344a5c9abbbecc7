"""Data paths in Python: ``catalog.path.schema.Table`` and what can be asked of it.

Every step returns a new object; nothing is asked of the catalog until rows are wanted.

Example::

    image = catalog.path.digits.Image
    subject = catalog.path.digits.Subject
    path = image.filter(image.Length > 1000).link(subject)
    path.attributes(image.RID, subject.Name).sort(subject.Name).fetch(limit=10)
    path.groupby(subject.Name).attributes(images=Cnt(image.RID)).dataframe()

Names that are no Python names, or that are methods here, are reached as items:
``table["filter"]``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NoReturn

from ..errors import BadRequest, UnknownName
from ..model.elements import Schema
from .ast import (
    AggregateQuery,
    AttributeGroupQuery,
    AttributeQuery,
    EntityQuery,
    Path,
    Restrict,
    Root,
    TableName,
)
from .check import check_path
from .columns import AnyColumn, BinCall, ColumnRef, Condition, FunctionCall, Instance
from .executor import Executor, Row
from .given import check_columns, check_keys, rows_of
from .joins import Endpoint, JoinPair, Link, endpoint_link, explicit_link, join_kind, table_link
from .names import suggestion, unknown
from .printer import print_path
from .results import ResultSet, html_table
from .scope import Namer, Scope

JoinKind = Literal["inner", "left", "right", "full"]
On = Endpoint | Sequence[Endpoint] | Sequence[JoinPair]


class PathBuilder:
    """The start of every path: the schemas of a catalog, by attribute or item."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def __getitem__(self, name: str) -> SchemaPath:
        schemas = self._executor.model.schemas
        if name not in schemas:
            raise unknown("schema", name, "The catalog", schemas)
        return SchemaPath(self._executor, schemas[name])

    def __getattr__(self, name: str) -> SchemaPath:
        _refuse_special(self, name)
        return self[name]

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *_attributes(self._executor.model.schemas)]

    def __repr__(self) -> str:
        return f"<path builder: {', '.join(sorted(self._executor.model.schemas))}>"

    def _ipython_key_completions_(self) -> list[str]:
        return sorted(self._executor.model.schemas)

    def _repr_html_(self) -> str:
        schemas = self._executor.model.schemas
        rows = [(n, len(s.tables), s.comment) for n, s in sorted(schemas.items())]
        return html_table("Schemas", ("schema", "tables", "comment"), rows)


class SchemaPath:
    """The tables of a schema, by attribute or item."""

    def __init__(self, executor: Executor, schema: Schema) -> None:
        self._executor = executor
        self._schema = schema

    def __getitem__(self, name: str) -> TablePath:
        tables = self._schema.tables
        if name not in tables:
            raise unknown("table", name, f"Schema {self._schema.name!r}", tables)
        path = Path(Root(TableName(name, self._schema.name)))
        return TablePath(self._executor, Scope(path, (Instance(tables[name]),), 0))

    def __getattr__(self, name: str) -> TablePath:
        _refuse_special(self, name)
        return self[name]

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *_attributes(self._schema.tables)]

    def __repr__(self) -> str:
        return f"<schema {self._schema.name}: {', '.join(sorted(self._schema.tables))}>"

    def _ipython_key_completions_(self) -> list[str]:
        return sorted(self._schema.tables)

    def _repr_html_(self) -> str:
        tables = self._schema.tables
        rows = [(n, len(t.columns), t.comment) for n, t in sorted(tables.items())]
        title = f"Tables of {self._schema.name}"
        return html_table(title, ("table", "columns", "comment"), rows)


class TablePath:
    """A path of joined tables; its context is the table joined last.

    Columns of the context are attributes or items.
    """

    def __init__(self, executor: Executor, scope: Scope) -> None:
        self._executor = executor
        self._scope = scope

    @property
    def _instance(self) -> Instance:
        return self._scope.instances[self._scope.context]

    def __getitem__(self, name: str) -> ColumnRef:
        table = self._scope.table
        if name not in table.by_name:
            raise unknown("column", name, f"Table {table.qualified!r}", table.by_name)
        return ColumnRef(self._instance, table.by_name[name])

    def __getattr__(self, name: str) -> ColumnRef:
        _refuse_special(self, name)
        return self[name]

    def __iter__(self) -> NoReturn:
        raise TypeError("A path is not a sequence of rows: iterate over path.entities().")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *_attributes(self._scope.table.by_name)]

    def __str__(self) -> str:
        """The text of the path in a URL."""
        return print_path(self._scope.path)

    def __repr__(self) -> str:
        return f"<path {self}>"

    def _ipython_key_completions_(self) -> list[str]:
        return [c.name for c in self._scope.table.columns]

    def _repr_html_(self) -> str:
        rows = [
            (c.name, c.type.typename, "" if c.nullok else "required", c.comment)
            for c in self._scope.table.columns
        ]
        return html_table(str(self), ("column", "type", "", "comment"), rows)

    def as_path(self) -> Path:
        """The tree of this path."""
        return self._scope.path

    def any_column(self) -> AnyColumn:
        """All text-searchable columns of the context at once, for conditions."""
        return AnyColumn(self._instance)

    # --- steps -----------------------------------------------------------------------

    def alias(self, name: str) -> TablePath:
        """The path with a name for its context table, to tell occurrences of a table apart.

        Columns taken from the result belong to the named occurrence.

        Raises:
            BadRequest: The context has another name, or the name is taken.
        """
        known = self._scope.alias_at(self._scope.context)
        if known is not None:
            raise BadRequest(
                f"The table {self._scope.table.qualified!r} is already called {known!r} here.",
                hint="Name a table once, before it is used from other tables of the path.",
                alias=known,
            )
        if name in self._scope.aliases():
            raise BadRequest(f"The path already has a table called {name!r}.", alias=name)
        scope, _ = self._scope.named(self._scope.context, name)
        instances = list(scope.instances)
        instances[scope.context] = Instance(scope.table, name)
        return self._with(Scope(scope.path, tuple(instances), scope.context))

    def filter(self, condition: Condition) -> TablePath:
        """The path with only the rows that meet a condition."""
        if not isinstance(condition, Condition):
            raise BadRequest(
                f"filter() is given a {type(condition).__name__}, expected a condition.",
                hint="Write one by comparing a column: table.Name == 'x'.",
            )
        namer = Namer(self._scope)
        tree = condition.to_filter(namer.tested)
        return self._with(namer.scope.extended(Restrict(tree)))

    def link(
        self,
        other: TablePath,
        *,
        on: On | None = None,
        join: JoinKind = "inner",
        alias: str | None = None,
    ) -> TablePath:
        """The path joined with another table, which becomes the context.

        Args:
            other: The table to join, without filters or links of its own.
            on: Columns of one side of a foreign key (of this path or of `other`; a string
                names a column of the context), or pairs ``[(left, right)]`` to equate with
                or without a foreign key. None: every foreign key between the context and
                `other`.
            join: Which unmatched rows to keep, with NULLs for the other side: none for
                ``inner``, those of the path for ``left``, of `other` for ``right``.
            alias: A name for the joined occurrence, if `other` has none.

        Raises:
            Conflict: The model has no such foreign key, or several.
            UnknownName: A column does not exist.
        """
        instance = _joinable(other)
        name = alias if alias is not None else instance.alias
        outer = join_kind(join)
        namer = Namer(self._scope)
        model = self._executor.model
        endpoints, pairs = _split_on(on)
        if pairs:
            link: Link = explicit_link(namer, instance, pairs, outer, name)
        elif endpoints:
            link = endpoint_link(model, namer, instance, endpoints, outer, name)
        else:
            link = table_link(model, self._scope.table, instance.table, outer, name)
        if name != instance.alias:
            instance = Instance(instance.table, name)
        return self._with(namer.scope.joined(link, instance))

    def context(self, instance: str | TablePath) -> TablePath:
        """The path with an earlier table as its context, by alias or as it was joined.

        Raises:
            UnknownName: The path has no such table, or several.
        """
        if not isinstance(instance, str):
            return self._with(self._scope.moved(self._scope.find(_joinable(instance))))
        aliases = self._scope.aliases()
        if instance not in aliases:
            raise UnknownName(
                f"The path has no table called {instance!r}.",
                hint=suggestion(instance, aliases),
                alias=instance,
            )
        return self._with(self._scope.moved(aliases[instance]))

    def reset(self) -> TablePath:
        """The path with its first table as the context."""
        return self._with(self._scope.moved(0))

    # --- results ---------------------------------------------------------------------

    def entities(self) -> ResultSet:
        """The distinct rows of the context table, with all columns."""
        return ResultSet(self._executor, self._scope, EntityQuery(self._scope.path))

    def attributes(
        self,
        *columns: ColumnRef | BinCall | TablePath,
        **named: ColumnRef | BinCall | TablePath,
    ) -> ResultSet:
        """Chosen columns, one row for each row of the context table; a table means all its own.

        Keywords are output names. Of several rows joined to one of the context, some one
        gives the values.
        """
        namer = Namer(self._scope)
        items = namer.items(columns, named)
        query = AttributeQuery(namer.scope.path, items)
        return ResultSet(self._executor, namer.scope, query)

    def groupby(
        self, *keys: ColumnRef | BinCall | TablePath, **named: ColumnRef | BinCall | TablePath
    ) -> Grouping:
        """The joined rows grouped by columns or bins; keywords are output names."""
        return Grouping(self._executor, self._scope, keys, named)

    def aggregates(self, /, **named: FunctionCall) -> ResultSet:
        """One row of functions over all joined rows; keywords are output names."""
        namer = Namer(self._scope)
        items = namer.items((), named)
        query = AggregateQuery(namer.scope.path, items)
        return ResultSet(self._executor, namer.scope, query)

    # --- writing ---------------------------------------------------------------------

    def insert(
        self,
        rows: Iterable[Mapping[str, Any]],
        *,
        defaults: Iterable[str] = (),
        nondefaults: Iterable[str] = (),
        on_conflict: Literal["skip"] | None = None,
        returning: bool = True,
    ) -> list[Row]:
        """Insert rows into the table; a missing member is NULL unless it is in `defaults`.

        Returns the inserted rows with all columns.

        Raises:
            BadRequest: This is not a plain table, or these are no rows.
            UnknownName: A row has a value for a column that the table does not have.
        """
        table = self._plain("insert")
        given = rows_of(rows, "insert")
        check_columns(given, self._scope.table)
        return self._executor.insert(
            table,
            given,
            defaults=defaults,
            nondefaults=nondefaults,
            on_conflict=on_conflict,
            returning=returning,
        )

    def update(
        self,
        rows: Iterable[Mapping[str, Any]],
        *,
        keys: Sequence[str] = ("RID",),
        targets: Sequence[str] | None = None,
    ) -> list[Row]:
        """Set `targets` of the rows that match on `keys`; returns what was applied.

        Raises:
            BadRequest: This is not a plain table, or a row has not all of the keys.
        """
        table = self._plain("update")
        given = rows_of(rows, "update")
        check_keys(given, keys)
        return self._executor.update(table, given, keys=keys, targets=targets)

    def delete(self, *, all_rows: bool = False) -> int:
        """Delete the context's rows that the path reaches; returns how many.

        Raises:
            BadRequest: The path has no filter or link, and `all_rows` is not set.
        """
        if not self._scope.path.elements and not all_rows:
            raise BadRequest(
                f"delete() would empty the table {self._scope.table.qualified!r}.",
                hint="Filter first, or say so: delete(all_rows=True).",
            )
        check_path(self._scope.path)
        return self._executor.delete(self._scope.path)

    def _plain(self, act: str) -> TableName:
        if self._scope.path.elements:
            raise BadRequest(
                f"{act}() is called on the path {str(self)!r}, expected a table alone.",
                hint="Call it on catalog.path[schema][table], without filter() and link().",
            )
        return self._scope.path.root.table

    def _with(self, scope: Scope) -> TablePath:
        return TablePath(self._executor, scope)


class Grouping:
    """Joined rows grouped by keys."""

    def __init__(
        self,
        executor: Executor,
        scope: Scope,
        keys: tuple[ColumnRef | BinCall | TablePath, ...],
        named: Mapping[str, ColumnRef | BinCall | TablePath],
    ) -> None:
        self._executor = executor
        self._scope = scope
        self._keys = keys
        self._named = named

    def attributes(
        self, *columns: ColumnRef, **named: ColumnRef | BinCall | FunctionCall
    ) -> ResultSet:
        """One row for each group: the keys, then these; without any, the distinct keys.

        A plain column gives the value of some row of the group.
        """
        namer = Namer(self._scope)
        keys = namer.items(self._keys, self._named)
        values = namer.items(columns, named)
        query = AttributeGroupQuery(namer.scope.path, keys, values)
        return ResultSet(self._executor, namer.scope, query)


def _joinable(other: TablePath) -> Instance:
    if not isinstance(other, TablePath):
        raise BadRequest(
            f"A {type(other).__name__} is not a table of the path builder.",
            hint="Use catalog.path[schema][table].",
        )
    if other._scope.path.elements:
        raise BadRequest(
            f"The path {str(other)!r} cannot be joined as a table.",
            hint="Join the plain table first, then filter.",
        )
    return other._instance


def _split_on(on: On | None) -> tuple[list[Endpoint], list[JoinPair]]:
    """The columns or the pairs of the argument `on`."""
    if on is None:
        return [], []
    given = [on] if isinstance(on, str | ColumnRef) else list(on)
    endpoints = [e for e in given if isinstance(e, str | ColumnRef)]
    pairs = [(p[0], p[1]) for p in given if isinstance(p, tuple | list) and len(p) == 2]
    if not given or len(given) not in (len(endpoints), len(pairs)):
        raise BadRequest(
            f"link() is given on={on!r}, expected columns or pairs of columns.",
            hint="Write on=table.Column, or on=[(left.Column, right.Column)].",
        )
    return endpoints, pairs


def _attributes(names: Iterable[str]) -> list[str]:
    return [n for n in names if n.isidentifier()]


def _refuse_special(target: object, name: str) -> None:
    """Python asks objects for special names; those are never looked up in the model."""
    if name.startswith("_"):
        raise AttributeError(f"{type(target).__name__} has no attribute {name!r}.")
