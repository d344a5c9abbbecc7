"""Reading what Croissant describes on this machine: files, and the rows of record sets.

What is not understood (archives, addresses on the web, record sets that join or transform) is told
as left out; the description itself is kept word for word by whoever imports it.
"""

from __future__ import annotations

import csv
import fnmatch
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from deriva_ml.core.exceptions import DerivaMLDataError, DerivaMLNotFoundError

from .croissant import CROISSANT_FILE
from .json_ld import read_json
from .reading import CrateFile, inside

__all__ = ["ReadCroissant", "ReadField", "RecordSet", "read_croissant", "records"]

_STORAGE = {
    "Boolean": "boolean",
    "Date": "date",
    "DateTime": "timestamptz",
    "Float": "float8",
    "Float16": "float8",
    "Float32": "float8",
    "Float64": "float8",
    "Integer": "int8",
    "Int8": "int8",
    "Int16": "int8",
    "Int32": "int8",
    "Int64": "int8",
    "Number": "float8",
    "UInt8": "int8",
    "UInt16": "int8",
    "UInt32": "int8",
}
_TRUE, _FALSE = frozenset({"true", "t", "1", "yes"}), frozenset({"false", "f", "0", "no"})
_DELIMITERS = {"text/csv": ",", "text/tab-separated-values": "\t"}
_LONGEST_CELL = 2**31 - 1
_PARQUET = frozenset({"application/x-parquet", "application/vnd.apache.parquet"})
_LINES = frozenset({"application/jsonl", "application/jsonlines", "application/x-ndjson"})


@dataclass(frozen=True, slots=True)
class ReadField:
    """A field of a record set.

    Attributes:
        identifier: Its ``@id``.
        name: Its name.
        description: What it is.
        storage: The type of the catalog's column.
        column: The column of the file; for records in the description itself, the field's key.
        repeated: Whether it has lists of values.
        references: The ``@id`` of the field that it refers to.
    """

    identifier: str
    name: str
    description: str
    storage: str
    column: str
    repeated: bool
    references: str | None


@dataclass(frozen=True, slots=True)
class RecordSet:
    """A record set whose rows can be read.

    Attributes:
        identifier: Its ``@id``.
        name: Its name.
        description: What it is.
        fields: Its fields.
        key: The ``@id`` of the only field that identifies a record, if there is one.
        is_enumeration: Whether it is a list of terms.
        file: The file with its rows; None where the description has them.
        encoding: The media type of the file.
        data: The rows, where the description has them.
    """

    identifier: str
    name: str
    description: str
    fields: tuple[ReadField, ...]
    key: str | None
    is_enumeration: bool
    file: Path | None
    encoding: str
    data: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class ReadCroissant:
    """A described dataset on this machine.

    Attributes:
        file: The description.
        name: What the dataset is called.
        description: What it is.
        listed: The files that are described one by one.
        others: Files that are described as sets only.
        record_sets: The record sets whose rows can be read.
        left_out: What cannot be read, and why.
    """

    file: Path
    name: str
    description: str
    listed: tuple[CrateFile, ...]
    others: tuple[CrateFile, ...]
    record_sets: tuple[RecordSet, ...]
    left_out: tuple[str, ...]


def read_croissant(path: Path) -> ReadCroissant:
    """Read a description: a file, or ``croissant.json`` in a directory; no row is read.

    Raises:
        DerivaMLNotFoundError: There is none.
        DerivaMLDataError: It is malformed, or a path leads out of its directory.
    """
    file = path / CROISSANT_FILE if path.is_dir() else path
    if not file.is_file():
        raise DerivaMLNotFoundError(f"There is no description of a dataset at {str(file)!r}.")
    file = file.absolute()
    try:
        document = read_json(file)
    except (OSError, ValueError, RecursionError) as error:
        raise DerivaMLDataError(f"{str(file)!r} is not a JSON document: {error}.") from error
    if not isinstance(document, Mapping) or "distribution" not in document:
        raise DerivaMLDataError(f"{str(file)!r} is not a description in Croissant.")
    reader = _Reader(file.parent)
    reader.read(document)
    listed = {f.path for f in reader.objects.values()}
    return ReadCroissant(
        file,
        _text(document.get("name")) or file.parent.name,
        _text(document.get("description")),
        tuple(reader.objects[i] for i in sorted(reader.objects)),
        tuple(reader.sets[p] for p in sorted(reader.sets.keys() - listed)),
        tuple(reader.record_sets),
        tuple(reader.left_out),
    )


class _Reader:
    """Collects what a description tells."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.objects: dict[str, CrateFile] = {}
        self.encodings: dict[str, str] = {}
        self.sets: dict[Path, CrateFile] = {}
        self.record_sets: list[RecordSet] = []
        self.left_out: list[str] = []

    def read(self, document: Mapping[str, Any]) -> None:
        for entry in _mappings(document, "distribution", "the description"):
            kinds = _kinds(entry)
            identifier = _identifier(entry)
            reason = None
            if entry.get("containedIn"):
                reason = "it is inside of another file"
            elif "FileObject" in kinds:
                reason = self._object(identifier, entry)
            elif "FileSet" in kinds:
                self._set(entry)
            else:
                reason = f"things of the kind {kinds} are not read"
            if reason is not None:
                self.left_out.append(f"{identifier!r}: {reason}")
        for entry in _mappings(document, "recordSet", "the description"):
            found = self._record_set(entry)
            if isinstance(found, str):
                self.left_out.append(f"{_identifier(entry)!r}: {found}")
            else:
                self.record_sets.append(found)

    def _object(self, identifier: str, entry: Mapping[str, Any]) -> str | None:
        url = str(entry.get("contentUrl", ""))
        if not url or urlsplit(url).scheme:
            return "it is not on this machine"
        size = str(entry.get("contentSize", "")).strip().removesuffix("B").strip()
        digests = {n: str(entry[n]).lower() for n in ("md5", "sha256") if entry.get(n)}
        self.objects[identifier] = CrateFile(
            inside(self.folder, unquote(url)),
            _text(entry.get("description")),
            int(size) if size.isdecimal() else None,
            digests,
        )
        self.encodings[identifier] = str(entry.get("encodingFormat", ""))
        return None

    def _set(self, entry: Mapping[str, Any]) -> None:
        wanted = [str(pattern) for pattern in _many(entry.get("includes"))]
        unwanted = [str(pattern) for pattern in _many(entry.get("excludes"))]
        base = self.folder.resolve()
        for path in self.folder.rglob("*"):
            name = path.relative_to(self.folder).as_posix()
            if (
                any(fnmatch.fnmatchcase(name, pattern) for pattern in wanted)
                and not any(fnmatch.fnmatchcase(name, pattern) for pattern in unwanted)
                and path.is_file()
                and path.resolve().is_relative_to(base)
            ):
                self.sets[path] = CrateFile(path, _text(entry.get("description")), None, {})

    # --- record sets -----------------------------------------------------------------

    def _record_set(self, entry: Mapping[str, Any]) -> RecordSet | str:
        """A record set, or why its rows cannot be read."""
        identifier = _identifier(entry)
        data = _mappings(entry, "data", repr(identifier))
        fields: list[ReadField] = []
        sources: set[str] = set()
        for given in _mappings(entry, "field", repr(identifier)):
            source = _mapping(given, "source", identifier)
            extract = _mapping(source, "extract", identifier)
            place = _identifier(source.get("fileObject") or {})
            column = extract.get("column")
            if not data:
                if place not in self.objects or not isinstance(column, str):
                    return "its fields are not columns of a file on this machine"
                if not _harmless(source.get("transform")):
                    return "its fields are computed"
                sources.add(place)
            fields.append(_field(given, column if isinstance(column, str) else ""))
        if not fields or (not data and len(sources) != 1):
            return "its fields are not columns of one file"
        file = self.objects[next(iter(sources))] if sources else None
        encoding = self.encodings[next(iter(sources))] if sources else ""
        if file is not None and encoding not in {*_DELIMITERS, *_PARQUET, *_LINES}:
            return f"files of the kind {encoding!r} are not read"
        keys = [_identifier(key) for key in _many(entry.get("key"))]
        return RecordSet(
            identifier,
            _text(entry.get("name")) or identifier,
            _text(entry.get("description")),
            tuple(fields),
            keys[0] if len(keys) == 1 else None,
            any("Enumeration" in str(kind) for kind in _many(entry.get("dataType"))),
            None if file is None else file.path,
            encoding,
            tuple(data),
        )


def _field(given: Mapping[str, Any], column: str) -> ReadField:
    identifier = _identifier(given)
    kinds = [_plain(kind) for kind in _many(given.get("dataType"))]
    storage = next((_STORAGE[kind] for kind in kinds if kind in _STORAGE), "text")
    target = given.get("references") or {}
    inner = target.get("field") if isinstance(target, Mapping) else None
    reference = _identifier(inner if inner is not None else target)
    return ReadField(
        identifier,
        _text(given.get("name")) or identifier.rpartition("/")[2],
        _text(given.get("description")),
        storage,
        column,
        bool(given.get("repeated") or given.get("isArray")),
        reference or None,
    )


def _harmless(transform: Any) -> bool:
    """Whether a transformation only tells truth values apart, which is done here anyway."""
    return transform is None or transform == {"regex": "(t)|f()"}


def _many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _mappings(entry: Mapping[str, Any], name: str, whole: str) -> list[Mapping[str, Any]]:
    """What must be a list of objects of JSON, or one alone."""
    found = _many(entry.get(name))
    if wrong := [value for value in found if not isinstance(value, Mapping)]:
        raise DerivaMLDataError(
            f"{name!r} of {whole} has {wrong[0]!r}, which is no JSON object; nothing was imported."
        )
    return found


def _mapping(entry: Mapping[str, Any], name: str, record_set: str) -> Mapping[str, Any]:
    """What must be an object of JSON, and may be missing."""
    about = f"field {_identifier(entry)!r} of {record_set!r}"
    found = _mappings(entry, name, about)
    if len(found) > 1:
        raise DerivaMLDataError(f"{name!r} of {about} has {len(found)} values; it takes one.")
    return found[0] if found else {}


def _kinds(entry: Mapping[str, Any]) -> list[str]:
    """The types of an entry, without their namespaces."""
    return [_plain(kind) for kind in _many(entry.get("@type"))]


def _plain(kind: Any) -> str:
    return str(kind).rpartition(":")[2].rpartition("/")[2]


def _identifier(entry: Any) -> str:
    if isinstance(entry, Mapping):
        return str(entry.get("@id") or entry.get("name") or "")
    return str(entry or "")


def _text(value: Any) -> str:
    if isinstance(value, Mapping):  # by language
        return next((str(v) for v in value.values()), "")
    return str(value) if isinstance(value, str | int | float) else ""


# --- rows --------------------------------------------------------------------------------


def records(record_set: RecordSet) -> Iterator[dict[str, Any]]:
    """The records of a record set by field name, in the form that a catalog takes.

    Raises:
        DerivaMLDataError: The file is malformed or lacks a column, or a value is not of its
            field's type.
        ImportError: It is a Parquet file, and pyarrow is not installed.
    """
    is_delimited = record_set.file is not None and record_set.encoding in _DELIMITERS
    for number, row in enumerate(_rows(record_set), start=1):
        found: dict[str, Any] = {}
        for field in record_set.fields:
            value = row.get(field.column)
            if not field.column:
                value = row.get(field.identifier, row.get(field.name))
            if value == "" and is_delimited:
                value = None  # such files have no other way to say so
            try:
                found[field.name] = _cast(field, value)
            except (TypeError, ValueError, OverflowError) as error:
                raise DerivaMLDataError(
                    f"Record {number} of {record_set.name!r} has {value!r} as {field.name!r}, "
                    f"which is no {field.storage}."
                ) from error
        yield found


def _rows(record_set: RecordSet) -> Iterator[Mapping[str, Any]]:
    if record_set.file is None:
        yield from record_set.data
    elif record_set.encoding in _DELIMITERS:
        yield from _delimited(record_set, record_set.file)
    elif record_set.encoding in _LINES:
        yield from _lines(record_set, record_set.file)
    else:
        yield from _parquet(record_set, record_set.file)


@contextmanager
def _reading(record_set: RecordSet, *failures: type[Exception]) -> Iterator[None]:
    """Tell which file is malformed; used around reading alone, never around who takes the rows.

    Args:
        record_set: Whose file is read.
        failures: What the library that reads the file raises besides what all of them raise.
    """
    expected: tuple[type[Exception], ...] = (csv.Error, ValueError, RecursionError, *failures)
    try:
        yield
    except expected as error:
        raise DerivaMLDataError(
            f"{str(record_set.file)!r} with the rows of {record_set.name!r} is no "
            f"{record_set.encoding!r}: {error}."
        ) from error


def _lines(record_set: RecordSet, file: Path) -> Iterator[Mapping[str, Any]]:
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            with _reading(record_set):
                row = json.loads(line)
                if not isinstance(row, Mapping):
                    raise ValueError(f"line {number} is no JSON object")
            yield row


def _delimited(record_set: RecordSet, file: Path) -> Iterator[Mapping[str, Any]]:
    with file.open(newline="", encoding="utf-8-sig") as lines:
        with _reading(record_set), _long_cells():
            reader = csv.DictReader(lines, delimiter=_DELIMITERS[record_set.encoding])
            names = reader.fieldnames or ()
        _require(record_set, names)
        while True:
            with _reading(record_set), _long_cells():
                row = next(reader, None)
            if row is None:
                return
            yield row


@contextmanager
def _long_cells() -> Iterator[None]:
    """Let cells be as long as they are; the limit is one for the whole process."""
    usual = csv.field_size_limit(_LONGEST_CELL)
    try:
        yield
    finally:
        csv.field_size_limit(usual)


def _parquet(record_set: RecordSet, file: Path) -> Iterator[Mapping[str, Any]]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise ImportError(
            "Parquet files need pyarrow, which is not installed. Install it: pip install "
            "'derivaml[dataflow]'."
        ) from error
    failures = (ArrowException, OSError)  # a damaged page is an OSError
    with _reading(record_set, *failures):
        opened = parquet.ParquetFile(file)
    with opened:
        _require(record_set, opened.schema_arrow.names)
        batches = opened.iter_batches()
        while True:
            with _reading(record_set, *failures):
                batch = next(batches, None)
            if batch is None:
                return
            yield from batch.to_pylist()


def _require(record_set: RecordSet, columns: Any) -> None:
    missing = [f.column for f in record_set.fields if f.column not in columns]
    if missing:
        raise DerivaMLDataError(
            f"{str(record_set.file)!r} lacks the columns {missing} of {record_set.name!r}."
        )


def _cast(field: ReadField, value: Any) -> Any:
    if value is not None and field.repeated:
        return [_cast_one(field.storage, item) for item in _many(value)]
    return _cast_one(field.storage, value)


def _cast_one(storage: str, value: Any) -> Any:
    if value is None:
        return None
    if storage == "boolean":
        word = str(value).strip().lower()
        if word not in _TRUE | _FALSE:
            raise ValueError(value)
        return word in _TRUE
    if storage == "int8":
        return _whole(value)
    if storage == "float8":
        return float(value)
    return _as_text(value)


def _whole(value: Any) -> int:
    if isinstance(value, str):
        try:
            return int(value)  # a float keeps fewer digits
        except ValueError:
            value = float(value)
    number = int(value)
    if number != value:
        raise ValueError(value)
    return number


def _as_text(value: Any) -> str:
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    if isinstance(value, dict | list):
        return json.dumps(value, default=_as_text, ensure_ascii=False)
    return value.decode() if isinstance(value, bytes) else str(value)
