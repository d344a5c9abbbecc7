"""A dataset that Croissant describes as one of the catalog: tables with rows, and files.

Everything but the upload of the description is one transaction: tables, terms, rows, and the
dataset whose members the rows are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deriva_catalog.errors import Conflict
from deriva_catalog.model.elements import SYSTEM_COLUMNS
from deriva_catalog.model.literals import text_encoder
from deriva_catalog.model.typenames import parse_type
from deriva_ml.core.enums import MLAsset
from deriva_ml.core.exceptions import (
    DerivaMLDataError,
    DerivaMLValidationError,
    some_of,
    translated,
)
from deriva_ml.core.logging_config import get_logger
from deriva_ml.core.query import name_of
from deriva_ml.core.schema_definitions import ColumnDef, ForeignKeyDef, KeyDef, TableDef
from deriva_ml.model.catalog import VOCABULARY_COLUMNS

from .croissant_reading import ReadCroissant, ReadField, RecordSet, read_croissant, records
from .reading import verified

if TYPE_CHECKING:
    from deriva_catalog.model.elements import Table
    from deriva_ml.core.base import DerivaML
    from deriva_ml.dataset.dataset import Dataset
    from deriva_ml.execution.execution import Execution
    from deriva_ml.execution.workflow import Workflow

__all__ = ["import_croissant"]

_log = get_logger(__name__)
_AT_ONCE = 10_000
_OF_TERMS = {column.lower(): column for column in VOCABULARY_COLUMNS}
_LIST = text_encoder(parse_type("text[]"))
_SYSTEM = frozenset(name.lower() for name in SYSTEM_COLUMNS)
_PATTERNS = {
    "url": frozenset({"url", "filename", "length", "md5", "description"}),
    "uri": frozenset({"id", "uri", "name", "description", "synonyms"}),
    "execution": frozenset({"execution", "feature_name"}),
}
"""Columns that make a table an asset table, a vocabulary or a feature; and the one to rename."""


def import_croissant(
    ml: DerivaML,
    path: str | Path,
    *,
    prefix: str = "",
    schema: str | None = None,
    dataset_types: str | Iterable[str] | None = None,
    description: str | None = None,
    workflow: Workflow | str | None = None,
) -> Dataset:
    """See `DerivaML.import_croissant`."""
    found = read_croissant(Path(path))
    folder = found.file.parent
    rows = {record_set.file for record_set in found.record_sets}
    every = verified(folder, (*found.listed, *found.others))
    files = {f.file.path: f for f in every if f.file.path not in rows}
    if not files and not found.record_sets:
        raise DerivaMLDataError(
            f"Nothing that {str(found.file)!r} describes can be read: {some_of(found.left_out)}."
        )
    if found.left_out:
        _log.warning("Left out of %s: %s.", found.file, some_of(found.left_out))
    plan = _Plan(ml, found, prefix, ml.model.schema_for(schema))
    about = description if description is not None else _described(found)
    with ml.create_execution(description=f"Import {found.name}.", workflow=workflow) as execution:
        with translated(), ml.session.transaction():
            dataset = plan.write(execution, dataset_types, about)
            if files:
                specs = [file.spec() for file in files.values()]
                text = f"Files of {found.name}."
                other = execution.add_files(specs, None, text, root_name=folder.name)
                dataset.add_dataset_members({"Dataset": [other.rid]})
        execution.asset_file_path(
            MLAsset.execution_metadata,
            found.file,
            MLAsset.execution_metadata,
            copy_file=True,
            description=f"The description of dataset {dataset.rid}, word for word.",
        )
    execution.upload_execution_outputs()
    return dataset


def _described(found: ReadCroissant) -> str:
    return "\n\n".join(text for text in (found.name, found.description) if text)


class _Plan:
    """What is to be made of the record sets of a description."""

    def __init__(self, ml: DerivaML, found: ReadCroissant, prefix: str, schema: str) -> None:
        self.ml = ml
        self.schema = schema
        self.names = {r.identifier: _table_name(prefix + r.name) for r in found.record_sets}
        self.fields = {f.identifier: (r, f) for r in found.record_sets for f in r.fields}
        self.columns = {k: v for r in found.record_sets for k, v in _column_names(r).items()}
        self.record_sets = list(_in_order(found.record_sets, self.fields))
        self._check()

    def _check(self) -> None:
        """Refuse names that are taken, before anything is written."""
        names = list(self.names.values())
        twice = sorted({name for name in names if names.count(name) > 1})
        schemas = (self.ml.ml_schema, *self.ml.model.domain_schemas)
        taken = sorted({n for n in names for s in schemas if n in self._tables(s)})
        if twice or taken:
            raise DerivaMLValidationError(
                f"The tables {twice or taken} of the dataset "
                f"{'have one name' if twice else 'are in the catalog already'}; give their names "
                "a beginning of their own with prefix='...'."
            )

    def _tables(self, schema: str) -> Mapping[str, Table]:
        return self.ml.model.schemas[schema].tables

    def write(
        self, execution: Execution, dataset_types: str | Iterable[str] | None, about: str
    ) -> Dataset:
        """Create the tables and the dataset, inside a transaction."""
        made: set[str] = set()
        members: dict[str, list[str]] = {}
        for record_set in self.record_sets:
            name = self.names[record_set.identifier]
            if _is_vocabulary(record_set):
                self._vocabulary(record_set, name)
            else:
                table = self._table(record_set, name, made)
                members[name] = list(self._rows(record_set, table))
                self.ml.add_dataset_element_type(f"{self.schema}:{name}")
            made.add(record_set.identifier)
        dataset = execution.create_dataset(dataset_types, description=about)
        rows = {name: rids for name, rids in members.items() if rids}
        if rows:
            dataset.add_dataset_members(rows)
        return dataset

    def _vocabulary(self, record_set: RecordSet, name: str) -> None:
        text = record_set.description
        table = self.ml.create_vocabulary(name, text, self.schema, update_navbar=False)
        # The catalog gives identifiers to the terms that have none.
        batches: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        for record in records(record_set):
            term = _term(record)
            missing = tuple(c for c in ("ID", "URI") if term.get(c) is None)
            kept = {c: value for c, value in term.items() if c not in missing}
            batches.setdefault(missing, []).append(kept)
        for missing, terms in batches.items():
            self.ml.catalog.insert(name_of(table), terms, defaults=missing, returning=False)

    def _table(self, record_set: RecordSet, name: str, made: set[str]) -> Table:
        key = self.columns.get(record_set.key or "")
        definition = TableDef(
            name,
            [
                ColumnDef(
                    self.columns[f.identifier],
                    f.storage + ("[]" if f.repeated else ""),
                    comment=f.description,
                )
                for f in record_set.fields
            ],
            [KeyDef((key,))] if key is not None else [],
            list(self._foreign_keys(record_set, made)),
            comment=record_set.description,
        )
        return self.ml.tables.create(definition, self.schema, update_navbar=False)

    def _foreign_keys(self, record_set: RecordSet, made: set[str]) -> Iterator[ForeignKeyDef]:
        """References to the key of a table that is there already."""
        for field in record_set.fields:
            target, column = self.fields.get(field.references or "", (None, None))
            if target is None or column is None or field.repeated:
                continue
            if target.identifier in made and target.key == column.identifier:
                to = "Name" if _is_vocabulary(target) else self.columns[column.identifier]
                yield ForeignKeyDef(
                    (self.columns[field.identifier],),
                    self.schema,
                    self.names[target.identifier],
                    (to,),
                )

    def _rows(self, record_set: RecordSet, table: Table) -> Iterator[str]:
        """Insert the records; gives the RIDs of their rows."""
        names = {f.name: self.columns[f.identifier] for f in record_set.fields}
        batch: list[dict[str, Any]] = []
        for record in records(record_set):
            batch.append({names[name]: value for name, value in record.items()})
            if len(batch) == _AT_ONCE:
                yield from self._insert(table, batch)
                batch = []
        if batch:
            yield from self._insert(table, batch)

    def _insert(self, table: Table, rows: list[dict[str, Any]]) -> list[str]:
        return [str(row["RID"]) for row in self.ml.catalog.insert(name_of(table), rows)]


def _in_order(
    record_sets: Iterable[RecordSet], fields: Mapping[str, tuple[RecordSet, ReadField]]
) -> Iterator[RecordSet]:
    """Record sets after those that they refer to, as far as they do not go in a circle."""
    done: set[str] = set()

    def visit(record_set: RecordSet) -> Iterator[RecordSet]:
        if record_set.identifier in done:
            return
        done.add(record_set.identifier)
        for field in record_set.fields:
            target = fields.get(field.references or "")
            if target is not None:
                yield from visit(target[0])
        yield record_set

    for record_set in record_sets:
        yield from visit(record_set)


def _is_vocabulary(record_set: RecordSet) -> bool:
    """Whether the records are terms by name, and all that is told of them has a column there."""
    own = [f for f in record_set.fields if f.name.lower() not in _SYSTEM]
    names = [f.name.lower() for f in own]
    by_name = any(f.identifier == record_set.key and f.name.lower() == "name" for f in own)
    return (
        record_set.is_enumeration
        and by_name
        and len(set(names)) == len(names)
        and set(names) <= _OF_TERMS.keys()
        and not any(f.repeated and f.name.lower() != "synonyms" for f in own)
    )


def _term(record: Mapping[str, Any]) -> dict[str, Any]:
    """The row of a term."""
    found: dict[str, Any] = {"Description": "", "Synonyms": []}
    for name, value in record.items():
        column = _OF_TERMS.get(name.lower())
        if column == "Synonyms":
            found[column] = _words(value)
        elif column is not None and value is not None:
            found[column] = str(value)
    return found


def _words(value: Any) -> list[str]:
    """Synonyms: a list, a list as the CSV files of bags have it, or one word."""
    if isinstance(value, str):
        with suppress(Conflict):
            value = json.loads(str(_LIST(value)))
    words = value if isinstance(value, list) else [value]
    return [str(word) for word in words if word is not None]


def _table_name(name: str) -> str:
    return name.replace("/", "_").replace(":", "_").strip() or "Records"


def _column_names(record_set: RecordSet) -> dict[str, str]:
    """The names of the columns, by the ``@id`` of the field.

    None is that of a system column; and a table must not look like one that means more to
    DerivaML (an asset table, a vocabulary, a feature) by the names of its columns.
    """
    names = {field.name.lower() for field in record_set.fields}
    avoided = set(_SYSTEM)
    for telling, pattern in _PATTERNS.items():
        if pattern <= names:
            avoided.add(telling)
    return {
        f.identifier: f"Source_{f.name}" if f.name.lower() in avoided else f.name
        for f in record_set.fields
    }
