"""Annotations of tables and columns: changed here first, then written together."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from deriva_catalog.interface import Address
from deriva_catalog.model.elements import Column, Table
from deriva_ml.model.annotation_builders import (
    CONTEXT_FILTER,
    TAG_COLUMN_DISPLAY,
    TAG_DISPLAY,
    TAG_TABLE_DISPLAY,
    TAG_VISIBLE_COLUMNS,
    TAG_VISIBLE_FOREIGN_KEYS,
    document_of,
)

from .constants import STRICT_PREALLOCATED_RID
from .exceptions import DerivaMLNotFoundError, DerivaMLValidationError, some_of, translated
from .session import Session

__all__ = ["Annotations"]

_TABLE_TAGS = {
    "display": TAG_DISPLAY,
    "visible_columns": TAG_VISIBLE_COLUMNS,
    "visible_foreign_keys": TAG_VISIBLE_FOREIGN_KEYS,
    "table_display": TAG_TABLE_DISPLAY,
}
_COLUMN_TAGS = {"display": TAG_DISPLAY, "column_display": TAG_COLUMN_DISPLAY}
_Place = tuple[str, str, str | None]


class Annotations:
    """The annotations of a catalog's tables, with the changes that are not written yet.

    Args:
        session: The session on the catalog.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._staged: dict[_Place, dict[str, Any]] = {}

    # --- reading ---------------------------------------------------------------------

    @translated()
    def of_table(self, table: str | Table) -> dict[str, Any]:
        """The annotations of a table by short names, with its schema and name.

        Raises:
            DerivaMLTableNotFound: There is no such table.
        """
        found = self._session.table(table)
        shown = {name: self._value(found, None, tag) for name, tag in _TABLE_TAGS.items()}
        return {"schema": found.schema, "table": found.name, **shown}

    @translated()
    def of_column(self, table: str | Table, column: str) -> dict[str, Any]:
        """The annotations of a column by short names, with the names of its table and its own.

        Raises:
            DerivaMLNotFoundError: The table has no such column.
        """
        found = self._session.table(table)
        self._column(found, column)
        shown = {name: self._value(found, column, tag) for name, tag in _COLUMN_TAGS.items()}
        return {"schema": found.schema, "table": found.name, "column": column, **shown}

    @property
    def staged(self) -> int:
        """How many changes are not written yet."""
        return sum(len(changes) for changes in self._staged.values())

    def _value(self, table: Table, column: str | None, tag: str) -> Any:
        changes = self._staged.get((table.schema, table.name, column), {})
        if tag in changes:
            return changes[tag]
        element: Table | Column = table if column is None else table.by_name[column]
        return document_of(element.annotations.get(tag))

    def _column(self, table: Table, name: str) -> Column:
        found = table.by_name.get(name)
        if found is None:
            near = difflib.get_close_matches(str(name), table.by_name, n=1)
            hint = (
                f"Did you mean {near[0]!r}?" if near else f"It has {some_of(list(table.by_name))}."
            )
            raise DerivaMLNotFoundError(f"Table {table.qualified!r} has no column {name!r}. {hint}")
        return found

    # --- changing --------------------------------------------------------------------

    @translated()
    def set(self, table: str | Table, tag: str, value: Any, column: str | None = None) -> None:
        """Set an annotation of a table or a column; None removes it. Nothing is written yet.

        Raises:
            DerivaMLTableNotFound: There is no such table.
            DerivaMLNotFoundError: The table has no such column.
            DerivaMLValidationError: The value is neither a document nor a builder of one.
        """
        document = document_of(value)
        if not (document is None or isinstance(document, Mapping | bool)):
            raise DerivaMLValidationError(
                f"An annotation is a document (a dictionary) or a builder of one, not {value!r}."
            )
        found = self._session.table(table)
        if column is not None:
            self._column(found, column)
        self._staged.setdefault((found.schema, found.name, column), {})[tag] = document

    @translated()
    def set_strict_preallocated_rid(self, table: str | Table, strict: bool = True) -> None:
        """Let files of an asset table be inserted only under RIDs that were leased before.

        Raises:
            DerivaMLTableTypeError: It is not an asset table.
        """
        asset = self._session.model.asset(table)
        self.set(asset, STRICT_PREALLOCATED_RID, True if strict else None)

    def is_strict_preallocated_rid(self, table: str | Table) -> bool:
        """Whether that is so, changes that are not written yet included.

        Raises:
            DerivaMLTableTypeError: It is not an asset table.
        """
        asset = self._session.model.asset(table)
        return bool(self._value(asset, None, STRICT_PREALLOCATED_RID))

    @translated()
    def apply(self) -> int:
        """Write the changes, all of them or none; returns how many.

        Raises:
            DerivaMLReadOnlyError: The session is on a snapshot.
            DerivaMLPermissionError: We may not change annotations.
        """
        count = self.staged
        with self._session.transaction():
            for (schema, name, column), changes in self._staged.items():
                table = self._session.table(f"{schema}:{name}")
                element = table if column is None else self._column(table, column)
                merged = {**element.annotations, **changes}
                kept = {tag: value for tag, value in merged.items() if value is not None}
                address = Address(schema=schema, table=name, column=column)
                self._session.catalog.set_annotations(address, kept)
        self._staged.clear()
        return count

    # --- lists by context ------------------------------------------------------------

    def add(
        self, table: str | Table, tag: str, context: str, item: Any, position: int | None = None
    ) -> list[Any]:
        """Put an item into the list of a context, at its end or a position; returns the list.

        A context that has no list begins with what is shown without one, so that nothing else
        disappears.

        Raises:
            DerivaMLNotFoundError: There is no such column or foreign key.
            DerivaMLValidationError: The item is in the list already, or the position is not, or the
                context has a document, as "filter" has.
        """

        def change(found: Table, items: list[Any]) -> list[Any]:
            made = self._item(found, tag, item)
            if made in items:
                raise DerivaMLValidationError(f"{made!r} is shown in {context!r} already.")
            at = len(items) if position is None else _index(position, len(items) + 1)
            return [*items[:at], made, *items[at:]]

        return self._change(table, tag, context, change)

    def remove(self, table: str | Table, tag: str, context: str, item: Any) -> list[Any]:
        """Take an item, given as it is listed or by its place, from a list; returns the list.

        Raises:
            DerivaMLNotFoundError: It is not in the list.
            DerivaMLValidationError: There is no such place, or the context
                has a document, as "filter" has.
        """

        def change(found: Table, items: list[Any]) -> list[Any]:
            at = self._place(found, items, item, context)
            return [*items[:at], *items[at + 1 :]]

        return self._change(table, tag, context, change)

    def reorder(
        self, table: str | Table, tag: str, context: str, new_order: Sequence[Any]
    ) -> list[Any]:
        """Sort a list anew: by items, or by their places now; returns the list.

        Raises:
            DerivaMLNotFoundError: Something is not in the list.
            DerivaMLValidationError: It does not name each item once, or the context
                has a document, as "filter" has.
        """

        def change(found: Table, items: list[Any]) -> list[Any]:
            places = [self._place(found, items, item, context) for item in new_order]
            if sorted(places) != list(range(len(items))):
                raise DerivaMLValidationError(
                    f"The new order must name each of the {len(items)} items of {context!r} "
                    f"once, not {list(new_order)!r}."
                )
            return [items[at] for at in places]

        return self._change(table, tag, context, change)

    @translated()
    def _change(
        self,
        table: str | Table,
        tag: str,
        context: str,
        change: Callable[[Table, list[Any]], list[Any]],
    ) -> list[Any]:
        found = self._session.table(table)
        document = dict(self._value(found, None, tag) or {})
        if context == CONTEXT_FILTER or isinstance(document.get(context), Mapping):
            raise DerivaMLValidationError(
                f"{context!r} of table {found.qualified!r} is not a list but a document, such as "
                "that of facets; set the whole annotation instead."
            )
        items = change(found, self._listed(found, tag, document, context))
        self.set(found, tag, {**document, context: items})
        return list(items)

    def _listed(
        self, table: Table, tag: str, document: Mapping[str, Any], context: str
    ) -> list[Any]:
        """The list that applies to a context: its own, that of a wider one, or the default."""
        wider = context
        seen: set[str] = set()
        while wider not in seen:
            seen.add(wider)
            value = document.get(wider)
            if isinstance(value, list):
                return list(value)
            if isinstance(value, str):
                wider = value  # the list of another context
            elif "/" in wider:
                wider = wider.rpartition("/")[0]
            else:
                wider = "*"
        return self._shown_without(table, tag)

    def _shown_without(self, table: Table, tag: str) -> list[Any]:
        if tag == TAG_VISIBLE_COLUMNS:
            return ["RID", *(c.name for c in table.columns if not c.is_system)]
        model = self._session.model.model
        inbound = model.inbound.get((table.schema, table.name), ())
        return [[t.schema, f.name] for t, f in inbound]

    def _place(self, table: Table, items: list[Any], item: Any, context: str) -> int:
        if isinstance(item, int) and not isinstance(item, bool):
            return _index(item, len(items))
        wanted = document_of(item)
        if wanted not in items:
            raise DerivaMLNotFoundError(
                f"{wanted!r} is not shown in {context!r} of table {table.qualified!r}; what is: "
                f"{some_of(items)}."
            )
        return items.index(wanted)

    def _item(self, table: Table, tag: str, item: Any) -> Any:
        """An item in the form in which it is listed, checked against the table."""
        made = document_of(item)
        if isinstance(made, str) and tag == TAG_VISIBLE_COLUMNS:
            return self._column(table, made).name
        if isinstance(made, list) and len(made) == 2 and all(isinstance(p, str) for p in made):
            return self._constraint(table, tag, made)
        if isinstance(made, Mapping) and made.keys() & {"source", "sourcekey"}:
            if tag == TAG_VISIBLE_COLUMNS and isinstance(made.get("source"), str):
                self._column(table, made["source"])
            return made
        raise DerivaMLValidationError(
            f"{item!r} cannot be shown: give a column's name, [schema, constraint] of a foreign "
            "key, or a document with source or sourcekey."
        )

    def _constraint(self, table: Table, tag: str, names: list[str]) -> list[str]:
        inbound = self._session.model.model.inbound.get((table.schema, table.name), ())
        constraints = [f.name for f in table.foreign_keys] + [k.name for k in table.keys]
        own = [[table.schema, name] for name in constraints]
        known = own if tag == TAG_VISIBLE_COLUMNS else [[t.schema, f.name] for t, f in inbound]
        if names not in known:
            raise DerivaMLNotFoundError(
                f"Table {table.qualified!r} has no constraint {names!r} to show; it has "
                f"{some_of(known) or 'none'}."
            )
        return names


def _index(position: Any, length: int) -> int:
    """A place in a list; negative ones count from its end."""
    if not isinstance(position, int) or isinstance(position, bool):
        raise DerivaMLValidationError(f"A place in a list is a number, not {position!r}.")
    if not -length <= position < length:
        raise DerivaMLValidationError(f"There is no place {position} in a list of {length}.")
    return position % length
