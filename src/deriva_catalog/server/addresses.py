"""Addresses of model resources: from raw segments to the element and the part of it.

Source: ERMrest, "URL space" and "Which status for what is missing".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast

from ..errors import BadRequest, NotFound, UnknownName
from ..model.address import Address
from ..model.elements import ForeignKey, Model, Table
from ..model.lookup import Element, column_of, find_element, find_key, find_table, table_at
from ..path.ast import TableName
from .messages import Request
from .requests import decoded

__all__ = ["References", "Target", "element_at", "references_at", "target_of"]

Collection = Literal["schema", "table", "column", "key", "foreignkey", "references"]
Part = Literal["comment", "annotation", "acl", "acl_binding"]

_PARTS: dict[str, tuple[Part, ...]] = {
    "catalog": ("annotation", "acl"),
    "schema": ("comment", "annotation", "acl"),
    "table": ("comment", "annotation", "acl", "acl_binding"),
    "column": ("comment", "annotation", "acl", "acl_binding"),
    "key": ("comment", "annotation"),
    "foreignkey": ("comment", "annotation", "acl", "acl_binding"),
}


@dataclass(frozen=True, slots=True)
class References:
    """Foreign keys by their columns and, if `table` is given, by the table they refer to.

    `by_columns` is True when the URL ends with the columns, False when ``reference`` follows.
    """

    columns: tuple[str, ...]
    by_columns: bool
    table: TableName | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """What a URL addresses: an element, a part of it, or a collection below it.

    `address` is that of the element (of a collection: of what holds it). `part` is a comment,
    the annotations or the like, `name` one of them.
    """

    address: Address
    kind: str
    collection: Collection | None = None
    references: References | None = None
    part: Part | None = None
    name: str | None = None
    target_table: TableName | None = None


class _Segments:
    """The segments of one request that were not understood yet."""

    def __init__(self, request: Request, segments: Sequence[str]) -> None:
        self.request = request
        self._left = list(segments)

    def names(self) -> tuple[str, ...]:
        """The names in the next segment, between commas."""
        return tuple(decoded(self.request, part) for part in self._left.pop(0).split(","))

    def name(self) -> str:
        return decoded(self.request, self._left.pop(0))

    def keyword(self, *words: str) -> str | None:
        """Move past the next segment if it is one of the words."""
        if self._left and self._left[0].lower() in words:
            return self._left.pop(0).lower()
        return None

    def table(self) -> TableName:
        parts = self._left.pop(0).removeprefix(":").split(":")
        if len(parts) > 2:
            raise BadRequest(f"No name of a table in {self.request.path!r}.")
        names = [decoded(self.request, part) for part in parts]
        return TableName(names[-1], names[0] if len(names) == 2 else None)

    def ends(self) -> bool:
        """Whether nothing is left."""
        return not self._left

    def ends_with_slash(self) -> bool:
        """Whether nothing but a closing slash is left at most."""
        return self._left in ([], [""])

    def nothing_there(self) -> NotFound:
        return NotFound(f"There is nothing at {self.request.path!r}.")


def target_of(request: Request, segments: Sequence[str]) -> Target:
    """What the segments after a catalog's identifier address in its model.

    Raises:
        BadRequest: a name is malformed.
        NotFound: no resource has an address of this form.
    """
    left = _Segments(request, segments)
    if left.keyword("schema") is None:
        return _part(left, Target(Address(), "catalog"))
    if left.ends_with_slash():
        return Target(Address(), "catalog", collection="schema")
    schema = Target(Address(left.name()), "schema")
    if left.keyword("table") is None:
        return _part(left, schema)
    if left.ends_with_slash():
        return replace(schema, collection="table")
    table = Target(replace(schema.address, table=left.name()), "table")
    match left.keyword("column", "key", "foreignkey"):
        case "column":
            return _column(left, table)
        case "key":
            return _key(left, table)
        case "foreignkey":
            return _foreign_key(left, table)
        case _:
            return _part(left, table)


def _part(left: _Segments, element: Target) -> Target:
    """The element itself, or one of its parts; nothing may follow."""
    if left.ends():
        return element
    part = cast("Part | None", left.keyword(*_PARTS[element.kind]))
    if part is None:
        raise left.nothing_there()
    target = replace(element, part=part)
    if left.ends() or (part == "comment" and left.ends_with_slash()):
        return target
    if part == "comment":
        raise left.nothing_there()
    if left.ends_with_slash():
        return target
    named = replace(target, name=left.name())
    if not left.ends():
        raise left.nothing_there()
    return named


def _column(left: _Segments, table: Target) -> Target:
    if left.ends_with_slash():
        return replace(table, collection="column")
    return _part(left, Target(replace(table.address, column=left.name()), "column"))


def _key(left: _Segments, table: Target) -> Target:
    if left.ends_with_slash():
        return replace(table, collection="key")
    return _part(left, Target(replace(table.address, key=left.names()), "key"))


def _foreign_key(left: _Segments, table: Target) -> Target:
    if left.ends_with_slash():
        return replace(table, collection="foreignkey")
    columns = left.names()
    found = replace(table, collection="references")
    if left.ends_with_slash():
        return replace(found, references=References(columns, by_columns=True))
    if left.keyword("reference") is None:
        raise left.nothing_there()
    if left.ends_with_slash():
        return replace(found, references=References(columns, by_columns=False))
    referred = left.table()
    if left.ends_with_slash():
        return replace(found, references=References(columns, False, referred))
    targets = left.names()
    address = replace(
        table.address,
        foreign_key=columns,
        referenced=(referred.schema or "", referred.name, targets),
    )
    return _part(left, Target(address, "foreignkey", target_table=referred))


# --- in a model --------------------------------------------------------------------------


def element_at(model: Model, target: Target) -> tuple[Address, Element]:
    """The element of a target, and its address with every table named by its schema.

    Raises:
        NotFound: the schema, table, column or key that the URL ends with does not exist.
        UnknownName: something on the way to it does not, or has no such part.
    """
    address = target.address
    if target.target_table is not None:
        address = _settled(model, target)
    try:
        return address, find_element(model, address)
    except NotFound as error:
        inner = target.part is not None or target.collection is not None
        if inner and target.kind in ("schema", "table"):
            raise UnknownName(error.message, hint=error.hint, **error.facts) from None
        raise


def _settled(model: Model, target: Target) -> Address:
    """The address of a foreign key, whose ways of being wrong have statuses of their own."""
    address = target.address
    assert address.foreign_key is not None
    assert address.referenced is not None
    assert target.target_table is not None
    table = table_at(model, str(address.schema), str(address.table))
    _refuse_no_reference(table, address.foreign_key)
    referred = find_table(model, target.target_table)
    find_key(referred, address.referenced[2])
    return replace(address, referenced=(referred.schema, referred.name, address.referenced[2]))


def _refuse_no_reference(table: Table, columns: Sequence[str]) -> None:
    for name in columns:
        column_of(table, name)
    if not any(set(fkey.columns) == set(columns) for fkey in table.foreign_keys):
        raise UnknownName(
            f"The columns {list(columns)!r} of table {table.qualified!r} are no foreign key."
        )


def references_at(model: Model, target: Target) -> list[Address]:
    """The foreign keys that a target without the referenced columns names.

    Raises:
        UnknownName: a column or table does not exist, or the columns are no foreign key.
        NotFound: the URL ends with columns that are no foreign key.
    """
    wanted = target.references
    assert wanted is not None
    table = table_at(model, str(target.address.schema), str(target.address.table))
    try:
        _refuse_no_reference(table, wanted.columns)
    except UnknownName as error:
        if wanted.by_columns and all(name in table.by_name for name in wanted.columns):
            raise NotFound(error.message, hint=error.hint) from None
        raise
    found = [fkey for fkey in table.foreign_keys if set(fkey.columns) == set(wanted.columns)]
    if wanted.table is not None:
        referred = find_table(model, wanted.table)
        place = (referred.schema, referred.name)
        found = [f for f in found if (f.referenced_schema, f.referenced_table) == place]
    return [_address_of(table, fkey) for fkey in found]


def _address_of(table: Table, fkey: ForeignKey) -> Address:
    referenced = (fkey.referenced_schema, fkey.referenced_table, fkey.referenced_columns)
    return Address(table.schema, table.name, foreign_key=fkey.columns, referenced=referenced)
