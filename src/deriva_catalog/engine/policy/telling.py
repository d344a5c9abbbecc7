"""What errors tell a client: nothing that it may not read.

An integrity error names a constraint and values. The constraint may be hidden from the client,
and the values may come from rows or cells that it cannot select. Then the error says what
happened without them.

Source: ERMrest, "Error responses" (the sentences) and "Access control" (what is hidden).
"""

from __future__ import annotations

from collections.abc import Iterable

from ...access import Client
from ...access.decisions import Decisions, decisions_for
from ...errors import (
    BadRequest,
    CatalogError,
    ForeignKeyViolation,
    NotNullViolation,
    UniqueViolation,
)
from ...model.elements import ForeignKey, Key, Model, Table

__all__ = ["discreet", "told_to"]


def told_to(error: CatalogError, model: Model, client: Client | None) -> CatalogError:
    """An error of writing as a client may read it; the error itself when it tells nothing hidden.

    Args:
        error: What happened.
        model: The model that it happened in.
        client: Who is told; None is somebody whom nothing restricts.
    """
    decisions = decisions_for(model, client)
    return error if decisions.is_owner_of_everything else discreet(error, decisions)


def discreet(error: CatalogError, decisions: Decisions) -> CatalogError:
    """The error as the client may read it; the error itself when it tells nothing hidden.

    The owner of a table may read all of it, also what is about a constraint to come.
    """
    table = _visible(decisions, error.facts.get("table"))
    if table is not None and decisions.owns_table(table):
        return error
    match error:
        case UniqueViolation():
            return _unique(error, decisions)
        case ForeignKeyViolation():
            return _foreign_key(error, decisions)
        case NotNullViolation():
            return _not_null(error, decisions)
        case BadRequest() if "key" in error.facts:
            return _repeated(error, decisions)
        case _:
            return error


def _unique(error: UniqueViolation, decisions: Decisions) -> CatalogError:
    table = _visible(decisions, error.facts.get("table"))
    key = None if table is None else _key(table, error.facts.get("key"))
    if table is None or key is None:
        return UniqueViolation(
            "Input data violates model. ERROR:  duplicate key value violates a unique constraint"
        )
    if error.facts.get("given") or _reads(decisions, table, key.columns):
        return error
    return UniqueViolation(
        "Input data violates model. ERROR:  duplicate key value violates unique constraint "
        f'"{key.name}"\nDETAIL:  A row with the same ({", ".join(key.columns)}) already exists.',
        table=table.qualified,
        key=key.name,
    )


def _foreign_key(error: ForeignKeyViolation, decisions: Decisions) -> CatalogError:
    table = _visible(decisions, error.facts.get("table"))
    fkey = None if table is None else _fkey(table, error.facts.get("foreign_key"))
    if table is None or fkey is None:
        return ForeignKeyViolation(
            "Input data violates model. ERROR:  the change violates a foreign key constraint"
        )
    target = _visible(decisions, f"{fkey.referenced_schema}:{fkey.referenced_table}")
    referring = bool(error.facts.get("referring"))
    where, columns = (table, fkey.columns) if referring else (target, fkey.referenced_columns)
    if error.facts.get("given") or (where is not None and _reads(decisions, where, columns)):
        return error
    key = f"The key ({', '.join(columns)})"
    if referring:
        message = (
            f'Input data violates model. ERROR:  insert or update on table "{table.name}" violates '
            f'foreign key constraint "{fkey.name}"\nDETAIL:  {key} is not present in table '
            f'"{fkey.referenced_table}".'
        )
    else:
        message = (
            f'update or delete on table "{fkey.referenced_table}" violates foreign key constraint '
            f'"{fkey.name}" on table "{table.name}"\nDETAIL:  {key} of a row is still referenced '
            f'from table "{table.name}".'
        )
    return ForeignKeyViolation(message, table=table.qualified, foreign_key=fkey.name)


def _not_null(error: NotNullViolation, decisions: Decisions) -> CatalogError:
    table = _visible(decisions, error.facts.get("table"))
    if table is not None and error.facts.get("column") in table.by_name:
        return error
    return NotNullViolation(
        "Input data violates model. ERROR:  null value in a column that must have a value"
    )


def _repeated(error: BadRequest, decisions: Decisions) -> CatalogError:
    table = _visible(decisions, error.facts.get("table"))
    names = error.facts.get("key")
    known = set() if table is None else table.by_name.keys()
    if isinstance(names, tuple) and known >= set(names):
        return error
    return BadRequest("Two input rows have the same key.", hint="Send each row once.")


def _visible(decisions: Decisions, qualified: object) -> Table | None:
    tables = decisions.visible().tables()
    return next((table for table in tables if table.qualified == qualified), None)


def _key(table: Table, name: object) -> Key | None:
    return next((key for key in table.keys if key.name == name), None)


def _fkey(table: Table, name: object) -> ForeignKey | None:
    return next((fkey for fkey in table.foreign_keys if fkey.name == name), None)


def _reads(decisions: Decisions, table: Table, columns: Iterable[str]) -> bool:
    """Whether the client reads these columns of every row."""
    return decisions.table(table, "select") is True and all(
        decisions.column(table, table.by_name[name], "select") is True for name in columns
    )
