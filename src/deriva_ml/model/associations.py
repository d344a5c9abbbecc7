"""Tables that link other tables: how to recognise them and how to find them."""

from __future__ import annotations

from dataclasses import dataclass

from deriva_catalog.model.elements import SYSTEM_COLUMNS, ForeignKey, Key, Model, Table
from deriva_ml.core.exceptions import AmbiguousAssociationException, NoAssociationException


@dataclass(frozen=True)
class Association:
    """A table whose key is made of references to other tables.

    Attributes:
        table: The linking table.
        links: The foreign keys that its key consists of.
        qualifiers: Columns of the key that refer to nothing.
        metadata: Columns outside the key that the system does not maintain.
    """

    table: Table
    links: tuple[ForeignKey, ...]
    qualifiers: tuple[str, ...]
    metadata: tuple[str, ...]


def association_of(table: Table) -> Association | None:
    """How `table` associates others: by the key with the most links; None when by none."""
    found = [a for a in (_by_key(table, k) for k in table.keys) if a is not None]
    return max(found, key=lambda a: (len(a.links), -len(a.qualifiers)), default=None)


def _by_key(table: Table, key: Key) -> Association | None:
    columns = set(key.columns)
    if columns & set(SYSTEM_COLUMNS):
        return None
    links = tuple(f for f in table.foreign_keys if set(f.columns) <= columns)
    linked = {c for f in links for c in f.columns}
    if len(links) < 2:
        return None
    metadata = (c.name for c in table.columns if not c.is_system and c.name not in columns)
    return Association(
        table, links, tuple(c for c in key.columns if c not in linked), tuple(metadata)
    )


def find_association(model: Model, first: Table, second: Table) -> tuple[Table, str, str]:
    """The table that links two others, with the column that refers to each.

    Raises:
        NoAssociationException: There is none.
        AmbiguousAssociationException: There are several.
    """
    found = [
        (link.table, a, b)
        for link in _linking(model, first)
        for a, b in _columns(link, first, second)
    ]
    if not found:
        raise NoAssociationException(
            f"No table links {first.qualified!r} with {second.qualified!r}."
        )
    if len(found) > 1:
        names = sorted({t.qualified for t, _, _ in found})
        raise AmbiguousAssociationException(
            f"Several tables link {first.qualified!r} with {second.qualified!r}: {names}."
        )
    return found[0]


def _linking(model: Model, table: Table) -> list[Association]:
    inbound = model.inbound.get((table.schema, table.name), ())
    tables = {t.qualified: t for t, _ in inbound}
    found = (association_of(t) for _, t in sorted(tables.items()))
    return [a for a in found if a is not None and len(a.links) == 2 and not a.qualifiers]


def _columns(link: Association, first: Table, second: Table) -> list[tuple[str, str]]:
    one, other = link.links
    pairs = [(one, other)] if first == second else [(one, other), (other, one)]
    return [
        (a.columns[0], b.columns[0])
        for a, b in pairs
        if refers_to(a, first) and refers_to(b, second)
    ]


def refers_to(fkey: ForeignKey, table: Table) -> bool:
    """Whether the foreign key refers to `table`."""
    return (fkey.referenced_schema, fkey.referenced_table) == (table.schema, table.name)
