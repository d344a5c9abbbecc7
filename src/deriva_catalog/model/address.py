"""Addresses of model elements."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import BadRequest

__all__ = ["Address", "require_address"]


@dataclass(frozen=True, slots=True)
class Address:
    """Names one model element: the catalog, a schema, a table, or something of a table.

    `key` and `foreign_key` hold column names, in any order for a key. `referenced` says which
    (schema, table, columns) a foreign key refers to; it is needed only when several foreign
    keys share the same columns.
    """

    schema: str | None = None
    table: str | None = None
    column: str | None = None
    key: tuple[str, ...] | None = None
    foreign_key: tuple[str, ...] | None = None
    referenced: tuple[str, str, tuple[str, ...]] | None = None


def require_address(given: object) -> None:
    """Raise `BadRequest` if something is no address."""
    if not isinstance(given, Address):
        shown = repr(given)[:80] if isinstance(given, str | tuple) else type(given).__name__
        raise BadRequest(
            f"An element of the model is named by an Address, not by {shown}.",
            hint="Write Address('lab', 'Image') for a table, Address() for the catalog.",
        )
