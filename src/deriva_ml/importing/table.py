"""A table in a file as rows of a table of the catalog, and a dataset of them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from deriva_catalog.interface import Row
from deriva_catalog.model.elements import Table
from deriva_ml.core.arguments import check_text, words
from deriva_ml.core.definitions import ColumnDef, KeyDef, TableDef
from deriva_ml.core.exceptions import (
    DerivaMLDataError,
    DerivaMLValidationError,
    some_of,
    translated,
)
from deriva_ml.core.query import any_of, entities, name_of
from deriva_ml.dataset.history import FIRST_VERSION, Versions

from .bringing import ingest
from .datasets import existing_tree, write_tree
from .frames import Columns, column_type, json_value, read_columns
from .plan import Node, check_existing
from .result import ImportResult
from .targets import Kept, compared_as_text, existing_table, kept, text_columns

if TYPE_CHECKING:
    from deriva_ml.core.base import DerivaML
    from deriva_ml.execution.execution import Execution

__all__ = ["import_table"]

_ROWS = 10_000
_VALUES = 20_000


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of a file, and which the catalog has: RIDs by number, and those that differ."""

    rows: list[Row]
    known: dict[str | int, str]
    differing: list[int]


@translated()
def import_table(
    ml: DerivaML,
    path: Path | str,
    table: str | None = None,
    *,
    key: str | Iterable[str] | None = None,
    existing: Literal["refuse", "replace"] = "refuse",
    description: str = "",
    dataset_types: str | Iterable[str] | None = None,
    schema: str | None = None,
    execution: Execution | None = None,
) -> ImportResult:
    """Bring the rows of a CSV, Parquet or JSON lines file into the catalog, as a dataset.

    A new table gets the columns of the file, with types that fit their values. Rows that the
    table has already are found by their key, or else by all of their columns, and not inserted
    again. Columns of texts that a table has keep the spelling of a CSV file, such as ``1.10``.

    Args:
        ml: The connection.
        path: The file.
        table: The table that the rows go to; it is made when there is none. None means the name
            of the file.
        key: The column, or columns, that tell rows from each other; a new table has a key on them.
        existing: A row that the table has under its key with other values: ``refuse`` the file,
            or ``replace`` the values.
        description: Of the dataset; empty means one that names the file.
        dataset_types: Terms of ``Dataset_Type``.
        schema: Of a new table; None means the default one.
        execution: The execution that imports; None means one of its own, which declares `path` as
            its input.

    Returns:
        The dataset, and the RIDs of the rows by their number, from 0.

    Raises:
        DerivaMLNotFoundError: There is no such file.
        DerivaMLValidationError: It cannot be read, has no rows, or its columns do not fit.
        DerivaMLDataError: A key is repeated or empty, or the catalog has other values under one.
    """
    check_existing(existing)
    file = Path(path).expanduser()
    name = table or _table_name(file)
    target = existing_table(ml, name, schema)
    columns = read_columns(file, text_columns(target))
    keys = words(key, "key")
    rows = _rows(columns)
    _check(file, columns, keys, rows)
    if target is not None:
        _fit(target, columns, file)
    found = _compare(ml, target, rows, keys)
    if found.differing and existing == "refuse":
        told = [", ".join(f"{k}={rows[n][k]!r}" for k in keys) for n in found.differing]
        raise DerivaMLDataError(
            f"Table {name!r} has {len(told)} rows of {file.name!r} with other values: "
            f"{some_of(told)}. Import with existing='replace' to take those of the file."
        )
    text = check_text(description, "description") or f"Rows of {file.name}."
    types = tuple(words(dataset_types, "dataset_types"))
    node = Node(text, types, tuple(range(len(rows))))
    if target is not None and len(found.known) == len(rows) and not found.differing:
        there = existing_tree(ml.session, target, node, found.known)
        if there is not None:
            return ImportResult(ml.lookup_dataset(there), None, found.known, 0, len(rows))
    with (
        ingest(ml, execution, f"Import of {file.name}", (str(file),)) as run,
        ml.session.transaction() as transaction,
    ):
        target = target or _create(ml, name, schema, columns, keys, file)
        rids = _write(ml, target, found)
        ml.add_dataset_element_type(target)
        root, made = write_tree(ml.session, ml.vocabularies, target, node, rids)
        Versions(ml.session).begin(made, FIRST_VERSION, run.execution_rid, transaction.snaptime)
    added = len(rids) - len(found.known)
    return ImportResult(ml.lookup_dataset(root), run.execution_rid, rids, added, len(found.known))


# --- what the file has -------------------------------------------------------------------


def _table_name(file: Path) -> str:
    name = re.sub(r"\W+", "_", file.stem).strip("_")
    if not name:
        raise DerivaMLValidationError(f"{file.name!r} gives no name for a table; pass table=.")
    return name


def _rows(columns: Columns) -> list[Row]:
    names = list(columns)
    values = zip(*columns.values(), strict=True)
    return [dict(zip(names, map(json_value, each), strict=True)) for each in values]


def _check(file: Path, columns: Columns, keys: Sequence[str], rows: Sequence[Row]) -> None:
    if not rows:
        raise DerivaMLValidationError(f"{str(file)!r} has no rows.")
    unknown = [k for k in keys if k not in columns]
    if unknown:
        raise DerivaMLValidationError(
            f"{file.name!r} has no column {unknown[0]!r} to be a key; it has "
            f"{some_of(list(columns))}."
        )
    for column, values in columns.items():
        column_type(column, values)
    if not keys:
        return
    given = Counter(tuple(_frozen(row[k]) for k in keys) for row in rows)
    repeated = [k for k, n in given.items() if n > 1]
    empty = [n for n, row in enumerate(rows) if any(row[k] is None for k in keys)]
    if repeated or empty:
        what = f"is repeated: {some_of(repeated)}" if repeated else f"is empty in row {empty[0]}"
        raise DerivaMLDataError(f"The key {', '.join(keys)} of {file.name!r} {what}.")


def _frozen(value: Any) -> Any:
    return json.dumps(value, sort_keys=True) if isinstance(value, list | dict) else value


# --- what the catalog has ----------------------------------------------------------------


def _fit(target: Table, columns: Columns, file: Path) -> None:
    missing = [c for c in columns if c not in target.by_name]
    needed = [
        c.name
        for c in target.columns
        if not (c.nullok or c.is_system or c.name in columns) and c.default is None
    ]
    if missing or needed:
        what = f"has no column {missing[0]!r}" if missing else f"needs values of {needed[0]!r}"
        raise DerivaMLValidationError(
            f"The rows of {file.name!r} do not fit table {target.qualified!r}, which {what}."
        )


def _compare(ml: DerivaML, target: Table | None, rows: list[Row], keys: Sequence[str]) -> _Rows:
    if target is None:
        return _Rows(rows, {}, [])
    names = list(rows[0])
    every = kept(target, names)
    compared = {name: every[name] for name in keys or names}
    by_key: dict[tuple[Any, ...], list[Row]] = {}
    for row in _candidates(ml, target, rows, keys, every):
        by_key.setdefault(_values(row, compared), []).append(row)
    known: dict[str | int, str] = {}
    differing: list[int] = []
    for number, row in enumerate(rows):
        matches = by_key.get(_values(row, compared))
        if matches:
            other = matches[0] if keys else matches.pop(0)
            known[number] = other["RID"]
            if keys and _values(row, every) != _values(other, every):
                differing.append(number)
    return _Rows(rows, known, differing)


def _candidates(
    ml: DerivaML, target: Table, rows: list[Row], keys: Sequence[str], every: Kept
) -> Iterable[Row]:
    """The rows of the table that may be some of these."""
    asked = next((k for k in keys if compared_as_text(target.by_name[k])), None)
    if asked is None:
        return ml.session.fetch(entities(target, sort=("RID",)))
    wanted = sorted({str(every[asked](row[asked])) for row in rows})
    found: list[Row] = []
    for start in range(0, len(wanted), _VALUES):
        some = any_of(asked, wanted[start : start + _VALUES])
        found += ml.session.fetch(entities(target, some, sort=("RID",)))
    return found


def _values(row: Mapping[str, Any], columns: Kept) -> tuple[Any, ...]:
    """Values that can be compared."""
    return tuple(kept_as(row[name]) for name, kept_as in columns.items())


# --- writing -----------------------------------------------------------------------------


def _create(
    ml: DerivaML,
    name: str,
    schema: str | None,
    columns: Columns,
    keys: Sequence[str],
    file: Path,
) -> Table:
    given, _, bare = name.rpartition(":")
    definitions: list[ColumnDef | dict[str, Any]] = [
        ColumnDef(column, column_type(column, values), nullok=column not in keys)
        for column, values in columns.items()
    ]
    unique: list[KeyDef | dict[str, Any]] = (
        [KeyDef(tuple(keys), f"{bare}_{'_'.join(keys)}_key")] if keys else []
    )
    definition = TableDef(bare, definitions, unique, comment=f"Rows of {file.name}.")
    return ml.create_table(definition, schema or given or None)


def _write(ml: DerivaML, target: Table, found: _Rows) -> dict[str | int, str]:
    rids = dict(found.known)
    new = [n for n in range(len(found.rows)) if n not in rids]
    names = list(found.rows[0])
    others = [c.name for c in target.columns if not c.is_system and c.name not in names]
    for start in range(0, len(new), _ROWS):
        some = new[start : start + _ROWS]
        made = ml.catalog.insert(name_of(target), [found.rows[n] for n in some], defaults=others)
        rids |= {n: str(row["RID"]) for n, row in zip(some, made, strict=True)}
    if found.differing:
        changes = [{"RID": rids[n], **found.rows[n]} for n in found.differing]
        ml.catalog.update(name_of(target), changes, targets=names)
    return rids
