"""Tables and columns as objects whose descriptions and titles can be assigned."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from deriva_catalog.interface import Address
from deriva_catalog.model.elements import Column, Table
from deriva_catalog.path.ast import TableName
from deriva_ml.core.exceptions import DerivaMLNotFoundError, some_of, translated

from .annotation_builders import TAG_DISPLAY, document_of

if TYPE_CHECKING:
    from deriva_ml.core.base import DerivaML
    from deriva_ml.core.session import Session

__all__ = ["ColumnHandle", "TableHandle"]


class _Described(ABC):
    """What tables and columns have in common; each assignment is one change of the catalog."""

    _session: Session

    @abstractmethod
    def _address(self) -> Address:
        """Where it is."""

    @abstractmethod
    def _element(self) -> Table | Column:
        """What the model knows of it."""

    @property
    def name(self) -> str:
        """Its name."""
        return self._element().name

    @property
    def description(self) -> str:
        """What it is; assigning writes it to the catalog."""
        return self._element().comment or ""

    @description.setter
    def description(self, value: str) -> None:
        with self._session.transaction():
            self._session.catalog.set_comment(self._address(), value or None)

    @property
    def display_name(self) -> str:
        """Its title on web pages: its name, unless another was given; assigning writes it."""
        shown = self._element().annotations.get(TAG_DISPLAY)
        title = shown.get("name") if isinstance(shown, Mapping) else None
        return self.name if title is None else str(title)

    @display_name.setter
    def display_name(self, value: str | None) -> None:
        kept = self.annotations.get(TAG_DISPLAY) or {}
        changed = {k: v for k, v in kept.items() if k not in ("name", "markdown_name")}
        self.set_annotation(TAG_DISPLAY, {**changed, "name": value} if value else changed or None)

    @property
    def annotations(self) -> dict[str, Any]:
        """Its annotations by tag, as the catalog has them."""
        found: dict[str, Any] = document_of(dict(self._element().annotations))
        return found

    @translated()
    def set_annotation(self, tag: str, value: Any) -> None:
        """Write one annotation, a document or a builder of one; None removes it."""
        with self._session.transaction():
            kept = {**self.annotations, tag: document_of(value)}
            present = {t: v for t, v in kept.items() if v is not None}
            self._session.catalog.set_annotations(self._address(), present)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._shown()!r})"

    def _shown(self) -> str:
        return self.name


class TableHandle(_Described):
    """A table that can be described and extended.

    Args:
        ml: The connection.
        table: The table, or its name.

    Raises:
        DerivaMLTableNotFound: There is no such table.
    """

    def __init__(self, ml: DerivaML, table: str | Table) -> None:
        found = ml.session.table(table)
        self._session = ml.session
        self._place = (found.schema, found.name)

    def _element(self) -> Table:
        return self.table

    def _address(self) -> Address:
        return Address(schema=self._place[0], table=self._place[1])

    def _shown(self) -> str:
        return ":".join(self._place)

    @property
    def table(self) -> Table:
        """The table as it is now."""
        return self._session.table(":".join(self._place))

    @property
    def schema_name(self) -> str:
        """The schema that it is in."""
        return self._place[0]

    @property
    def columns(self) -> list[ColumnHandle]:
        """Its columns, in their order."""
        return [ColumnHandle(self, c.name) for c in self.table.columns]

    def column(self, name: str) -> ColumnHandle:
        """One of its columns.

        Raises:
            DerivaMLNotFoundError: It has no such column.
        """
        return ColumnHandle(self, name)

    @translated()
    def add_column(self, definition: Any) -> ColumnHandle:
        """Add a column, given as a `ColumnDefinition` or its document, and return it."""
        document = definition if isinstance(definition, Mapping) else definition.to_dict()
        with self._session.transaction():
            schema, name = self._place
            made = self._session.catalog.create_column(TableName(name, schema), document)
        return ColumnHandle(self, made["name"])


class ColumnHandle(_Described):
    """A column that can be described.

    Args:
        table: Its table.
        name: Its name.

    Raises:
        DerivaMLNotFoundError: The table has no such column.
    """

    def __init__(self, table: TableHandle, name: str) -> None:
        self._table = table
        self._session = table._session
        self._name = name
        self._element()

    def _element(self) -> Column:
        found = self._table.table.by_name.get(self._name)
        if found is None:
            known = some_of(list(self._table.table.by_name))
            raise DerivaMLNotFoundError(
                f"{self._table!r} has no column {self._name!r}; it has {known}."
            )
        return found

    def _address(self) -> Address:
        schema, table = self._table._place
        return Address(schema=schema, table=table, column=self._name)

    def _shown(self) -> str:
        return f"{self._table._shown()}.{self._name}"

    @property
    def table(self) -> TableHandle:
        """Its table."""
        return self._table

    @property
    def type(self) -> str:
        """The name of its type."""
        return self._element().type.typename

    @property
    def nullok(self) -> bool:
        """Whether it may be empty."""
        return self._element().nullok
