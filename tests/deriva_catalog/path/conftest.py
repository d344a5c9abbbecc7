"""A small model, and a catalog that holds its rows in memory and writes down what it is asked."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from deriva_catalog.model.elements import Column, ColumnType, ForeignKey, Key, Model, Schema, Table
from deriva_catalog.path.builder import PathBuilder

TEXT, INT, FLOAT = ColumnType("text"), ColumnType("int8"), ColumnType("float8")
TIME, JSON, BOOL = ColumnType("timestamptz"), ColumnType("jsonb"), ColumnType("boolean")


def _table(name: str, columns: dict[str, ColumnType], *fkeys: tuple[str, str, str]) -> Table:
    columns = {"RID": TEXT, **columns}
    return Table(
        rid=name,
        schema="lab",
        name=name,
        columns=tuple(Column(f"{name}-{c}", c, t) for c, t in columns.items()),
        keys=(Key(f"{name}-k", f"{name}_RID_key", ("RID",)),),
        foreign_keys=tuple(
            ForeignKey(f"{name}-{c}", f"{name}_{c}_fkey", (c,), "lab", target, (key,))
            for c, target, key in fkeys
        ),
    )


IMAGE = {
    "Length": INT,
    "Score": FLOAT,
    "Taken": TIME,
    "Public": BOOL,
    "Notes": TEXT,
    "Meta": JSON,
    "Tags": ColumnType("text[]", TEXT, True),
    "Subject": TEXT,
    "Parent": TEXT,
    "filter": TEXT,
    "odd name": TEXT,
}


@dataclass
class MemoryCatalog:
    """Answers every query with `rows`, cut at the limit, and keeps what it was asked."""

    model: Model
    rows: list[dict[str, Any]] = field(default_factory=list)
    asked: list[Any] = field(default_factory=list)

    def fetch(self, query):
        self.asked.append(query)
        limit = query.limit if hasattr(query, "limit") else query.window.limit
        return self.rows[:limit]

    def stream(self, query, media_type):
        self.asked.append((query, media_type))
        yield b"[]\n"

    def count(self, path):
        self.asked.append(path)
        return len(self.rows)

    def insert(self, table, rows, **options):
        self.asked.append((table, rows, options))
        return rows

    def update(self, table, rows, **options):
        self.asked.append((table, rows, options))
        return rows

    def delete(self, path):
        self.asked.append(path)
        return len(self.rows)


@pytest.fixture
def catalog():
    tables = [
        _table("Image", IMAGE, ("Subject", "Subject", "RID"), ("Parent", "Image", "RID")),
        _table("Subject", {"Name": TEXT, "Site": TEXT}, ("Site", "Site", "RID")),
        _table("Site", {"Name": TEXT}),
        _table(
            "Pair",
            {"Left": TEXT, "Right": TEXT},
            ("Left", "Subject", "RID"),
            ("Right", "Subject", "RID"),
        ),
    ]
    schema = Schema("s", "lab", {t.name: t for t in tables}, comment="<b>bold</b>")
    return MemoryCatalog(Model(1, {"lab": schema}))


@pytest.fixture
def lab(catalog):
    return PathBuilder(catalog).lab
