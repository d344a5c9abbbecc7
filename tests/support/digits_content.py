"""What is in the catalog of a digits project, in words that two runs of it share."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deriva_catalog.catalog.local import LocalCatalog
from deriva_catalog.catalog.opening import open_local

# What differs between any two runs: identifiers, moments, durations, where objects lie.
_VARYING = {"RID", "RCT", "RMT", "RCB", "RMB", "ID", "URI", "URL", "Snapshot", "Start", "Stop"}
_VARYING |= {"Execution_Duration", "Download_Duration", "Upload_Duration"}
# Metadata files tell moments and places.
_VARYING_CONTENT = {"MD5", "Length"}
# Clients and leases say who asked, not what there is.
_SYSTEM = {"public"}

Row = dict[str, Any]
Content = dict[str, Counter[str]]


def _directory(home: Path) -> Path | None:
    found = sorted(path.parent for path in (home / "catalogs").glob("*/catalog.db"))
    assert len(found) <= 1, f"more than one catalog: {found}"
    return found[0] if found else None


@dataclass(frozen=True)
class _Reference:
    """A foreign key of one column."""

    column: str
    table: str
    key: str


class _Normal:
    """The content of a catalog with identifiers replaced by what they stand for."""

    def __init__(self, catalog: LocalCatalog) -> None:
        self.rows: dict[str, list[Row]] = {}
        self.references: dict[str, list[_Reference]] = {}
        for schema, described in catalog.document()["schemas"].items():
            if schema in _SYSTEM:
                continue
            for name, table in described["tables"].items():
                self.rows[name] = catalog.fetch(f"entity/{schema}:{name}")
                self.references[name] = [
                    _Reference(
                        key["foreign_key_columns"][0]["column_name"],
                        key["referenced_columns"][0]["table_name"],
                        key["referenced_columns"][0]["column_name"],
                    )
                    for key in table["foreign_keys"]
                    if key["foreign_key_columns"][0]["column_name"] not in _VARYING
                ]
        self._by_key: dict[tuple[str, str], dict[Any, Row]] = {}

    def content(self) -> Content:
        return {
            name: Counter(self._line(name, row) for row in rows) for name, rows in self.rows.items()
        }

    def unattached(self) -> list[str]:
        """Assets that no execution is recorded for: half of an upload."""
        return [
            f"{table} {row['RID']}: {row['Filename']}"
            for table, rows in self.rows.items()
            if f"{table}_Execution" in self.rows and rows and "Filename" in rows[0]
            for row in rows
            if row["RID"] not in {link[table] for link in self.rows[f"{table}_Execution"]}
        ]

    def _line(self, table: str, row: Row) -> str:
        leads = {ref.column: ref for ref in self.references[table]}
        shown = {}
        for column, value in row.items():
            if column in _VARYING or (table == "Execution_Metadata" and column in _VARYING_CONTENT):
                continue
            if column in leads and value is not None:
                shown[column] = self._named(leads[column], value)
            elif column == "Filename":
                shown[column] = _plain(value)
            else:
                shown[column] = value
        return repr(sorted(shown.items()))

    def _named(self, ref: _Reference, value: Any) -> str:
        """Name a row by what people know it by; a dangling reference names itself."""
        place = (ref.table, ref.key)
        if place not in self._by_key:
            self._by_key[place] = {row[ref.key]: row for row in self.rows[ref.table]}
        row = self._by_key[place].get(value)
        if row is None:
            return f"nothing: {value}"
        if ref.table == "Dataset_Version":
            dataset = self._named(_Reference("Dataset", "Dataset", "RID"), row["Dataset"])
            return f"{dataset}@{row['Version']}"
        for column in ("Name", "Filename"):
            if column in row:
                return _plain(row[column])
        return str(row["Description"])


def _plain(name: str) -> str:
    """A file name without the moment or identifier in it."""
    rid = r"[0-9A-Z]{1,4}(?:-[0-9A-Z]{4})*"
    moment = r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d"
    return re.sub(rf"{moment}[_-]{rid}|(?<=split_config_){rid}", "*", name)


def content(home: Path) -> Content | None:
    """Rows by table, counted; None before there is a catalog that can be opened."""
    directory = _directory(home)
    if directory is None:
        return None
    catalog = open_local(directory)
    try:
        return _Normal(catalog).content()
    finally:
        catalog.close()


def problems(home: Path) -> list[Any]:
    """What is not whole in the catalog: rows, files, and assets that no execution made."""
    directory = _directory(home)
    assert directory is not None
    catalog = open_local(directory)
    try:
        return list(catalog.check()) + _Normal(catalog).unattached()
    finally:
        catalog.close()


def difference(found: Content, expected: Content) -> list[str]:
    """Rows that are too many, and rows that are missing."""
    lines = []
    for table in sorted(found.keys() | expected.keys()):
        have, want = found.get(table, Counter()), expected.get(table, Counter())
        lines += [f"{table}: {n} too many: {row}" for row, n in (have - want).items()]
        lines += [f"{table}: {n} missing: {row}" for row, n in (want - have).items()]
    return lines
