"""How a bag is to be loaded into a catalog, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal, get_args, get_type_hints

from ..errors import BadRequest

__all__ = ["LoadPolicy", "Loaded", "TableKey"]

TableKey = tuple[str, str]
"""A table as (schema, name)."""


@dataclass(frozen=True, slots=True)
class LoadPolicy:
    """What to do where a bag and a catalog may differ.

    Attributes:
        rids: ``keep`` the row identifiers of the bag, and refuse it when the catalog has one of
            them elsewhere; or take ``fresh`` ones, the same ones each time the bag is loaded.
        system_columns: ``keep`` who made and changed the rows and when, which only owners of the
            catalog may; or ``fresh``: the one who loads, now.
        existing: A row that the catalog has with other content: ``refuse`` the bag, ``keep`` what
            the catalog has, or ``replace`` it.
        vocabularies: A term that the catalog has by that name: ``merge`` takes the catalog's,
            ``refuse`` refuses the bag when they say different things, ``replace`` gives the
            catalog's the description and synonyms of the bag.
        dangling: A reference to a row that is neither in the bag nor in the catalog: ``refuse``
            the bag, ``delete`` the row that has it and those that refer to that, or ``clear`` it.
        files: ``rows`` brings no files: the URLs keep pointing to where the files are; ``missing``
            uploads files that the catalog's store does not have; ``all`` uploads every file.
        annotations: Whether tables that are created get the annotations of the bag's.
        access: Whether they get its access control lists.
        exclude_schemas: Schemas whose tables are left out, beside ``public``.
        exclude_tables: Tables that are left out.
    """

    rids: Literal["keep", "fresh"] = "keep"
    system_columns: Literal["keep", "fresh"] = "keep"
    existing: Literal["refuse", "keep", "replace"] = "refuse"
    vocabularies: Literal["merge", "refuse", "replace"] = "merge"
    dangling: Literal["refuse", "delete", "clear"] = "refuse"
    files: Literal["rows", "missing", "all"] = "rows"
    annotations: bool = True
    access: bool = False
    exclude_schemas: frozenset[str] = frozenset()
    exclude_tables: frozenset[TableKey] = frozenset()

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for each in fields(self):
            words, value = get_args(hints[each.name]), getattr(self, each.name)
            if words and all(isinstance(w, str) for w in words) and value not in words:
                raise BadRequest(
                    f"LoadPolicy.{each.name} is {' or '.join(map(repr, words))}, not {value!r}."
                )

    def covers(self, key: TableKey) -> bool:
        """Whether rows of that table are loaded."""
        left_out = key[0] == PUBLIC or key[0] in self.exclude_schemas
        return not left_out and key not in self.exclude_tables


PUBLIC: Final = "public"
"""The schema of what a catalog keeps for itself."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What loading a bag did.

    Attributes:
        snapshot: The snapshot of the catalog that has it all; empty while it is not known.
        tables_created: Tables that were made.
        columns_created: Columns that were added to tables, as (schema, table, column).
        inserted: How many rows were inserted, by table.
        updated: How many rows were replaced, by table.
        present: How many rows were there already, by table; terms and other rows that are the
            same under another identifier are among them.
        deleted: How many rows were left out since they referred to nothing, by table.
        cleared: How many references to nothing were cleared, by table.
        uploaded: Files that were brought into the store.
        reused: Files that the store had.
        listed: Files that stay where they are.
        rids: The identifiers of the rows that have another one in the catalog than in the bag.
    """

    snapshot: str
    tables_created: tuple[TableKey, ...] = ()
    columns_created: tuple[tuple[str, str, str], ...] = ()
    inserted: Mapping[TableKey, int] = field(default_factory=dict)
    updated: Mapping[TableKey, int] = field(default_factory=dict)
    present: Mapping[TableKey, int] = field(default_factory=dict)
    deleted: Mapping[TableKey, int] = field(default_factory=dict)
    cleared: Mapping[TableKey, int] = field(default_factory=dict)
    uploaded: int = 0
    reused: int = 0
    listed: int = 0
    rids: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def changed(self) -> bool:
        """Whether the catalog is another than before."""
        return bool(self.tables_created or self.columns_created or self.inserted or self.updated)

    @property
    def rows_inserted(self) -> int:
        """How many rows were inserted in all."""
        return sum(self.inserted.values())


def some_of(lines: Any, most: int = 10) -> str:
    """The first of many findings, for a message, one a line."""
    found = list(lines)
    more = f"\n- And {len(found) - most} more." if len(found) > most else ""
    return "".join(f"\n- {line}." for line in found[:most]) + more
