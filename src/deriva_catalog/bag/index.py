"""The index of a bag: its tables in one SQLite file, built once.

The tables lie in it as in a catalog, without history, so that the same queries run on both.
The file appears when it is complete, and remembers the manifests it was built from.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..engine.ddl import indexes
from ..engine.layout import VERSION_START, live_name
from ..engine.sqlite.types import storage_type
from ..errors import CatalogError, Corrupted, NotFound
from ..model.documents import load_stored, read_model, stored_document
from ..model.elements import Column, ColumnType, Model, Schema, Table
from ..model.types import Family, family, text_encoder
from .csvfile import Batch, Record, read_batches, read_records
from .names import inside
from .staging import staging
from .tags import Digests, read_bag
from .validation import damage

FORMAT = 1
SCHEMA = "data/schema.json"
_ASSETS = "data/asset/"
_MODELS_KEPT = 8
"""The bags of one catalog nearly always have the same model: it is read once."""
_WORTH_AN_INDEX = 100
"""Rows from which on finding one by an index beats looking at all."""
_AS_TEXT = (Family.TEXT, Family.UUID, Family.OTHER)


def bag_digest(directory: Path) -> str:
    """Return a digest of a bag's manifests: equal bags have equal ones.

    Raises:
        NotFound: There is no bag in the directory.
    """
    hasher = hashlib.sha256()
    manifests = sorted(directory.glob("manifest-*.txt"))
    if not manifests:
        raise NotFound(
            f"There is no bag in {str(directory)!r}: it has no manifest.",
            hint="Check the path; a bag that was packed must be unpacked first.",
        )
    for manifest in manifests:
        data = manifest.read_bytes()
        hasher.update(f"{manifest.name} {len(data)}\n".encode() + data)
    return hasher.hexdigest()


def is_current(index: Path, digest: str) -> bool:
    """Whether `index` was built by this release from the bag with that digest."""
    if not index.is_file():
        return False
    try:
        with closing(_connected(index)) as connection:
            row = connection.execute("SELECT format, digest FROM _bag").fetchone()
    except sqlite3.Error:
        return False  # damaged, or something else: it is built again
    return bool(row == (FORMAT, digest))


def load_model(index: Path) -> Model:
    """Return the model that an index was built with."""
    try:
        with closing(_connected(index)) as connection:
            (blob,) = connection.execute("SELECT model FROM _bag").fetchone()
        return _unpacked(blob)
    except (sqlite3.Error, zlib.error, ValueError) as error:
        raise Corrupted(
            f"The index {str(index)!r} of a bag is damaged: {error}.",
            hint="Remove it; it is built again.",
        ) from error


@lru_cache(maxsize=_MODELS_KEPT)
def _unpacked(blob: bytes) -> Model:
    return load_stored(json.loads(zlib.decompress(blob)))


def _connected(index: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{index.absolute().as_uri()}?mode=ro", uri=True)


def build_index(
    directory: Path, index: Path, digest: str, payload: Mapping[str, Digests] | None = None
) -> None:
    """Read a bag's tables into a new index, which replaces the one that is there.

    Args:
        directory: The bag.
        index: Where the index shall be.
        digest: What `bag_digest` says of the bag.
        payload: What its manifests say; they are read when this is None.

    Raises:
        Corrupted: The bag is damaged, or its tables do not fit its schema document.
        Unavailable: The index cannot be written.
    """
    listed = read_bag(directory).payload if payload is None else payload
    model, packed = _read_schema(directory, listed)
    files = _tables_of(directory, listed, model)
    with staging(index.absolute(), f"building the index {str(index)!r}") as temporaries:
        building = temporaries / "index"
        with closing(sqlite3.connect(building, isolation_level=None)) as connection:
            # Nothing is lost when the building is interrupted: it is begun again.
            for setting in ("journal_mode=OFF", "synchronous=OFF", "temp_store=MEMORY"):
                connection.execute(f"PRAGMA {setting}").close()
            connection.execute("BEGIN")
            types = _StorageTypes()
            for table in model.tables():
                _create(connection, table, types)
                rows = _load(connection, table, files.get((table.schema, table.name), []))
                if rows >= _WORTH_AN_INDEX:
                    _create_indexes(connection, table)
            connection.execute("CREATE TABLE _bag (format INTEGER, digest TEXT, model BLOB)")
            connection.execute("INSERT INTO _bag VALUES (?, ?, ?)", (FORMAT, digest, packed))
            connection.execute("COMMIT")
            connection.execute("PRAGMA analysis_limit=1000").close()
            connection.execute("ANALYZE")
        with building.open("rb") as written:
            os.fsync(written.fileno())
        building.replace(index)


# --- what the bag holds ------------------------------------------------------------------


def _read_schema(bag: Path, listed: Mapping[str, Digests]) -> tuple[Model, bytes]:
    """Return the model, and how it is kept in an index."""
    file = _verified(bag, listed, SCHEMA)
    try:
        return _exported(file.read_bytes())
    except ValueError as error:  # CatalogError's BadRequest is one, too
        raise Corrupted(
            f"{str(file)!r} is no schema document: {error}.",
            hint="Only bags that were exported from a catalog can be opened as one.",
        ) from error


@lru_cache(maxsize=_MODELS_KEPT)
def _exported(document: bytes) -> tuple[Model, bytes]:
    model = _with_own_rids(read_model(json.loads(document)))
    return model, zlib.compress(json.dumps(stored_document(model)).encode())


def _verified(bag: Path, payload: Mapping[str, Digests], path: str) -> Path:
    """Return a payload file whose bytes are those listed.

    Raises:
        Corrupted: It is missing or damaged.
    """
    listed = payload.get(path)
    file = inside(bag, path)
    if listed is None or not file.is_file():
        raise Corrupted(
            f"The bag {str(bag)!r} has no {path!r}.",
            hint="Only bags that were exported from a catalog can be opened as one.",
        )
    problem = damage(file, listed)
    if problem is not None:
        raise Corrupted(
            f"{path!r} in the bag {str(bag)!r} {problem}.",
            hint="The bag is damaged; remove it and get it again.",
            path=path,
        )
    return file


def _tables_of(
    bag: Path, listed: Mapping[str, Digests], model: Model
) -> dict[tuple[str, str], list[Path]]:
    """Return the CSV files of each table.

    A bag has ``data/<schema>/<Table>.csv``. Older ones have files of that name anywhere, whose
    rows together are the table's; the schema is then the one that has such a table, with the
    columns of the file.
    """
    found: dict[tuple[str, str], list[Path]] = {}
    by_name: dict[str, list[Table]] = {}
    for table in model.tables():
        by_name.setdefault(table.name, []).append(table)
    for path in sorted(listed):
        if not path.endswith(".csv") or path.startswith(_ASSETS):
            continue
        *_, folder, file = path.split("/")
        candidates = by_name.get(file.removesuffix(".csv"), [])
        exact = [t for t in candidates if path == f"data/{t.schema}/{t.name}.csv"]
        chosen = exact or [t for t in candidates if t.schema == folder] or candidates
        if len(chosen) > 1:
            chosen = _fitting(_verified(bag, listed, path), chosen)
        if len(chosen) > 1:
            raise Corrupted(
                f"{path!r} in the bag {str(bag)!r} may be any of "
                f"{', '.join(t.qualified for t in chosen)}."
            )
        if chosen:
            key = chosen[0].schema, chosen[0].name
            found.setdefault(key, []).append(_verified(bag, listed, path))
    return found


def _fitting(file: Path, tables: list[Table]) -> list[Table]:
    """Those of some tables that have all columns of a CSV file."""
    header = next(read_records(file), (0, []))[1]
    return [table for table in tables if all(name in table.by_name for name in header)]


def _with_own_rids(model: Model) -> Model:
    """The model with an identifier of its own for each element that lacks one.

    Documents of older servers have none; physical names are made of them.
    """
    taken: set[str] = set()

    def own(rid: str, place: str) -> str:
        chosen = rid.replace("-", "")
        if not chosen.isalnum() or not chosen.isascii() or chosen in taken:
            chosen = "X" + hashlib.sha256(place.encode()).hexdigest()[:24].upper()
        taken.add(chosen)
        return chosen if chosen != rid.replace("-", "") else rid

    def table(t: Table) -> Table:
        place = f"{t.schema}\0{t.name}"
        return replace(
            t,
            rid=own(t.rid, place),
            columns=tuple(replace(c, rid=own(c.rid, f"{place}\0c{c.name}")) for c in t.columns),
            keys=tuple(
                replace(k, rid=own(k.rid, f"{place}\0k{','.join(k.columns)}")) for k in t.keys
            ),
        )

    def schema(s: Schema) -> Schema:
        return replace(s, tables={name: table(t) for name, t in s.tables.items()})

    return replace(model, schemas={name: schema(s) for name, s in model.schemas.items()})


# --- into the database -------------------------------------------------------------------


class _StorageTypes:
    """The types of SQLite's columns as text; a model has few, in hundreds of columns."""

    def __init__(self) -> None:
        self._known: dict[ColumnType, str] = {}

    def __getitem__(self, kind: ColumnType) -> str:
        text = self._known.get(kind)
        if text is None:
            from sqlalchemy.dialects import sqlite

            text = str(storage_type(kind).compile(dialect=sqlite.dialect()))
            self._known[kind] = text
        return text


def _create(connection: sqlite3.Connection, table: Table, types: _StorageTypes) -> None:
    columns = [f'"{c.physical}" {types[c.type]}' for c in table.columns]
    columns.append(f'"{VERSION_START}" BIGINT')
    connection.execute(f'CREATE TABLE "{live_name(table)}" ({", ".join(columns)})')


def _create_indexes(connection: sqlite3.Connection, table: Table) -> None:
    live = live_name(table)
    for name, index in indexes(table).items():
        if index.table == live:
            # A bag is taken as it is: uniqueness was the business of the catalog.
            columns = ", ".join(f'"{c}"' for c in index.columns)
            connection.execute(f'CREATE INDEX "{name}" ON "{live}" ({columns})')


def _load(connection: sqlite3.Connection, table: Table, files: Sequence[Path]) -> int:
    """Load the rows of the files; returns how many they were."""
    loaded = 0
    seen: set[str] | None = set() if len(files) > 1 else None
    for file in files:
        batches = read_batches(file)
        first = next(batches, None)
        if first is None:
            raise Corrupted(f"{str(file)!r} is empty: it has no header.")
        columns = _header(table, list(first.records[0]), file)
        names = ", ".join(f'"{c.physical}"' for c in columns)
        marks = ", ".join("?" for _ in columns)
        statement = (
            f'INSERT INTO "{live_name(table)}" ({names}, "{VERSION_START}") VALUES ({marks}, 0)'
        )
        encoders = [_column_encoder(column) for column in columns]
        rid = next((n for n, column in enumerate(columns) if column.name == "RID"), None)
        for batch in batches:
            _check_widths(batch, len(columns), file)
            rows = batch.records if seen is None or rid is None else _unseen(batch, rid, seen)
            if not rows:
                continue
            values = _columns(rows, exact=batch.exact)
            encoded = _encoded(encoders, values, columns, file)
            connection.executemany(statement, zip(*encoded, strict=True))
            loaded += len(rows)
    return loaded


def _header(table: Table, names: Record, file: Path) -> list[Column]:
    unknown = [name for name in names if name not in table.by_name]
    if unknown or len(set(names)) < len(names):
        raise Corrupted(
            f"The header of {str(file)!r} names the columns {names!r}, but table "
            f"{table.qualified!r} has {list(table.by_name)!r}.",
            hint="The bag's schema document belongs to other tables; get the bag again.",
        )
    return [table.by_name[str(name)] for name in names]


def _columns(
    rows: Sequence[Sequence[str | None]], *, exact: bool
) -> Iterator[Sequence[str | None]]:
    """The columns of some rows, with None for NULL."""
    for column in zip(*rows, strict=True):
        yield column if exact or "" not in column else [value or None for value in column]


def _check_widths(batch: Batch, width: int, file: Path) -> None:
    if set(map(len, batch.records)) == {width}:
        return
    for line, record in zip(batch.lines, batch.records, strict=True):
        if len(record) != width:
            raise Corrupted(
                f"The record of line {line} of {str(file)!r} has {len(record)} fields, the header "
                f"{width}.",
                hint="Get the bag again from where it was made.",
            )


def _unseen(batch: Batch, rid: int, seen: set[str]) -> list[Sequence[str | None]]:
    kept = []
    for record in batch.records:
        key = str(record[rid])
        if key not in seen:
            seen.add(key)
            kept.append(record)
    return kept


ColumnEncoder = Callable[[Sequence[str | None]], Sequence[Any]]


def _column_encoder(column: Column) -> ColumnEncoder:
    if family(column.type) in _AS_TEXT:
        return lambda values: values
    encode = text_encoder(column.type, column.name)

    def encoded(values: Sequence[str | None]) -> Sequence[Any]:
        # Columns of a bag repeat themselves (times of creation, flags): each value once.
        known: dict[str | None, Any] = {v: encode(v) for v in set(values) if v is not None}
        return [known.get(v) for v in values]

    return encoded


def _encoded(
    encoders: Sequence[ColumnEncoder],
    values: Iterable[Sequence[str | None]],
    columns: Sequence[Column],
    file: Path,
) -> Iterator[Sequence[Any]]:
    for encode, cells, column in zip(encoders, values, columns, strict=True):
        try:
            yield encode(cells)
        except CatalogError as error:
            raise Corrupted(
                f"Column {column.name!r} of {str(file)!r} has a value that is none of its type: "
                f"{error.message}.",
                hint="Get the bag again from where it was made.",
            ) from error
