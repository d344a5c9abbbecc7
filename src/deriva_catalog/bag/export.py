"""Writing rows of a catalog, their schema and their files, into a bag.

Layout: ``data/schema.json``, ``data/<schema>/<Table>.csv`` and
``data/asset/<RID>/<Table>/<file name>``.
"""

from __future__ import annotations

import io
import json
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from ..errors import BadRequest
from ..interface import Catalog, Row
from ..model.elements import Table
from ..model.lookup import table_at
from ..objects import ObjectVersion
from ..objects.content import Progress, content_key
from ..objects.names import PREFIX
from ..path import ast
from .catalog import CATALOG_LABEL, SNAPSHOT_LABEL
from .index import SCHEMA
from .names import portable_name
from .tags import Digests
from .writer import BagWriter

ASSET = "tag:isrd.isi.edu,2017:asset"
"""The annotation of a column that holds the URLs of files."""

TableKey = tuple[str, str]
Rows = Collection[str] | Literal["all"]
Files = Literal["link", "copy", "list", "none"]
_AT_ONCE = 50_000
_MANY = 2_000
"""Rows from which on it may be faster to read a whole table than to look each of them up."""
_MOST_SORTED = 500_000
_WORTH_READING = 2
"""How many times the wanted rows a table may have for that."""
_PIECE = 5_000
_LIST_HOST = "deriva://localhost"


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote: rows by table, files and their bytes.

    `payload` has the digests of every payload file by algorithm, `paths` every file and folder
    that is there.
    """

    directory: Path
    snapshot: str
    rows: Mapping[TableKey, int]
    files: int
    length: int
    payload: Mapping[str, Digests] = field(repr=False)
    paths: Sequence[str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class _AssetColumns:
    """The columns of an asset table that tell of its files."""

    url: str
    filename: str | None
    length: str | None
    md5: str | None
    sha256: str | None


def export_bag(
    catalog: Catalog,
    directory: Path | str,
    rows: Mapping[TableKey, Rows],
    *,
    files: Files = "link",
    asset_tables: Collection[TableKey] | None = None,
    addresses: Sequence[str] = (),
    info: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> Exported:
    """Write rows and files into a new bag, all as of one snapshot.

    Args:
        catalog: The catalog, or a snapshot of it; of a live one, its latest snapshot is taken.
        directory: Where the bag shall be; must not exist.
        rows: The RIDs wanted of each table, or ``"all"``; RIDs that do not exist are left out.
        files: ``link`` hard-links files into the bag where that is possible (they are then
            read-only, and the superuser, whom that does not stop, gets copies), ``copy`` copies
            them, ``list`` lists them in ``fetch.txt`` only, ``none`` leaves them out. Files that
            are not in this catalog are always listed. Listed is the ``file:`` URL of the stored
            object when objects are files of this machine, and its address on the server when the
            catalog is served.
        asset_tables: Of which of the tables the files are wanted; default: all that have any.
        addresses: Where the catalog's objects are served as well, such as ``https://host``: further
            sources of its files, after that which is listed anyway.
        info: Labels and values for ``bag-info.txt``, beside the catalog's own.
        progress: Told the bytes of each piece of file.

    Raises:
        Conflict: `directory` exists.
        BadRequest: An option has no such value, or a file has no length or MD5 in its row.
        NotFound: There is no such table, or a file is missing in the object store.
        Unavailable: The bag cannot be written.
    """
    if files not in ("link", "copy", "list", "none"):
        raise BadRequest(f"files={files!r} is none of 'link', 'copy', 'list' and 'none'.")
    for name, wanted in rows.items():
        if isinstance(wanted, str) and wanted != "all":
            raise BadRequest(
                f"The rows of {':'.join(name)} are given as the text {wanted!r}.",
                hint="Give RIDs in a list, or 'all'.",
            )
    directory = Path(directory)
    fixed = catalog if catalog.snaptime is not None else catalog.at(catalog.latest_snapshot())
    model = fixed.model
    tables = {key: table_at(model, *key) for key in sorted(rows)}
    labels = {CATALOG_LABEL: fixed.id, SNAPSHOT_LABEL: str(fixed.snaptime)} | dict(info or {})
    counts: dict[TableKey, int] = {}
    with BagWriter(directory, labels) as bag:
        document = json.dumps(fixed.document(), ensure_ascii=False, sort_keys=True)
        bag.add(SCHEMA, document.encode() + b"\n")
        for key, table in tables.items():
            source = _CsvRows(fixed, table, rows[key])
            with closing(source.pieces()) as pieces:  # the reading ends with what broke the bag
                bag.add(f"data/{_part(table.schema)}/{_part(table.name)}.csv", pieces)
            counts[key] = source.rows
        written = _Files(fixed, bag, files, addresses, progress)
        if files != "none":
            for key in tables if asset_tables is None else sorted(asset_tables):
                columns = _asset_columns(table_at(model, *key))
                if columns is not None and key in tables:
                    written.add(tables[key], columns, rows[key])
    return Exported(
        directory=directory,
        snapshot=str(fixed.snaptime),
        rows=counts,
        files=written.files,
        length=written.length,
        payload=bag.payload,
        paths=bag.paths,
    )


def _part(name: str) -> str:
    if portable_name(name) != name:
        raise BadRequest(
            f"The name {name!r} cannot be that of a file in a bag.",
            hint="Rename the schema or table, or leave it out.",
        )
    return name


# --- rows --------------------------------------------------------------------------------


def _path(table: Table) -> ast.Path:
    return ast.Path(ast.Root(ast.TableName(table.name, table.schema)))


def _whole(table: Table) -> ast.EntityQuery:
    """All rows in the order of their RIDs."""
    return ast.EntityQuery(_path(table), ast.Window(sort=(ast.SortKey("RID"),)))


def _queries(table: Table, wanted: Rows) -> Iterator[ast.EntityQuery]:
    """Queries that together give the wanted rows in the order of their RIDs."""
    if isinstance(wanted, str):
        yield _whole(table)
        return
    root, window = _path(table).root, _whole(table).window
    rids = sorted(set(wanted))
    for start in range(0, len(rids), _AT_ONCE):
        some = ast.AnyOf(tuple(rids[start : start + _AT_ONCE]))
        among = ast.Comparison(ast.ColumnName("RID"), ast.Operator.EQ, some)
        yield ast.EntityQuery(ast.Path(root, (ast.Restrict(among),)), window)


class _CsvRows:
    """The CSV of a table, made by the database; `rows` are counted as they pass."""

    def __init__(self, catalog: Catalog, table: Table, wanted: Rows) -> None:
        self._catalog = catalog
        self._table = table
        self._wanted = wanted
        self.rows = 0

    def pieces(self) -> Generator[bytes, None, None]:
        """Yield the bytes, with one header."""
        if self._worth_reading_all():
            every = ast.EntityQuery(_path(self._table))
            stream = self._catalog.stream(every, "text/csv", arrays_json=True)
            header, records = _picked(stream, {rid.encode() for rid in self._wanted})
            yield header
            for start in range(0, len(records), _PIECE):
                yield b"".join(records[start : start + _PIECE])
            self.rows = len(records)
            return
        headed = False
        for query in _queries(self._table, self._wanted):
            whole = self._catalog.stream(query, "text/csv", arrays_json=True)
            yield from self._counted(_without_header(whole) if headed else whole, headed)
            headed = True
        if not headed:
            yield csv_header(self._table)

    def _worth_reading_all(self) -> bool:
        """Whether reading all rows and picking is faster than looking up the wanted ones.

        They are sorted here, which databases do more slowly for the past; in memory, so that very
        large tables are left to them.
        """
        if isinstance(self._wanted, str) or not _MANY <= len(self._wanted) <= _MOST_SORTED:
            return False
        if self._table.columns[0].name != "RID":
            return False
        return self._catalog.count(_path(self._table)) <= _WORTH_READING * len(self._wanted)

    def _counted(self, pieces: Iterable[bytes], headed: bool) -> Iterator[bytes]:
        ends = _RecordCounter()
        for piece in pieces:
            ends.count(piece)
            yield piece
        self.rows += ends.records - (0 if headed else 1)


def _picked(pieces: Iterator[bytes], rids: Collection[bytes]) -> tuple[bytes, list[bytes]]:
    """The header of a CSV, and those of its records whose first field is one of `rids`, sorted."""
    header, kept, rest = b"", [], b""
    for piece in pieces:
        data = rest + piece
        end = data.rfind(b"\n") + 1
        if not end or data.count(b'"', 0, end) % 2:  # the last line end is inside quotes
            rest = data
            continue
        records, rest = _records(data[:end]), data[end:]
        if not header:
            header = next(records)
        kept += [record for record in records if record[: record.find(b",")] in rids]
    kept.sort()
    return header, kept


def _records(data: bytes) -> Iterator[bytes]:
    """The records in whole lines of a CSV: lines, save for line ends inside quotes."""
    lines = io.BytesIO(data)
    if b'"' not in data:
        yield from lines
        return
    for line in lines:
        record = line
        while record.count(b'"') % 2:
            record += next(lines)
        yield record


class _RecordCounter:
    """Counts the line ends of CSV that are outside quotes."""

    def __init__(self) -> None:
        self.records = 0
        self._quotes = 0

    def count(self, piece: bytes) -> None:
        """Take the next piece."""
        if b'"' not in piece:
            if self._quotes % 2 == 0:
                self.records += piece.count(b"\n")
            return
        for number, part in enumerate(piece.split(b'"'), start=self._quotes):
            if number % 2 == 0:
                self.records += part.count(b"\n")
        self._quotes += piece.count(b'"')


def _without_header(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Drop the first record: names of columns, perhaps with line ends inside quotes."""
    head = b""
    for piece in pieces:
        head += piece
        end = -1
        while (end := head.find(b"\n", end + 1)) >= 0:
            if head.count(b'"', 0, end) % 2 == 0:
                yield head[end + 1 :]
                yield from pieces
                return


def csv_header(table: Table) -> bytes:
    """The first line of a table's CSV."""
    return ",".join(_quoted(column.name) for column in table.columns).encode() + b"\n"


def _quoted(name: str) -> str:
    if not name or any(c in name for c in ',"\r\n'):
        return '"' + name.replace('"', '""') + '"'
    return name


# --- files -------------------------------------------------------------------------------


def _asset_columns(table: Table) -> _AssetColumns | None:
    """The columns that the annotation names; None when the table holds no files."""
    for column in table.columns:
        found = column.annotations.get(ASSET)
        if isinstance(found, Mapping):
            return _AssetColumns(
                column.name,
                *(
                    str(found[name]) if found.get(name) in table.by_name else None
                    for name in ("filename_column", "byte_count_column", "md5", "sha256")
                ),
            )
    return None


class _Files:
    """Puts the files of asset rows into a bag."""

    def __init__(
        self,
        catalog: Catalog,
        bag: BagWriter,
        files: Files,
        addresses: Sequence[str],
        progress: Progress | None,
    ) -> None:
        self._catalog = catalog
        self._bag = bag
        self._mode = files
        self._addresses = [address.rstrip("/") for address in addresses]
        self._progress = progress
        directory = catalog.objects.content.directory if files != "none" else None
        self._folder = None if directory is None else directory.absolute().as_uri()
        address = urlsplit(catalog.url)
        is_served = address.scheme in ("http", "https")
        self._origin = f"{address.scheme}://{address.netloc}" if is_served else None
        self.files = 0
        self.length = 0

    def add(self, table: Table, columns: _AssetColumns, wanted: Rows) -> None:
        """Add the files of a table's rows."""
        for query in _queries(table, wanted):
            rows = [row for row in self._catalog.fetch(query) if row[columns.url]]
            own = [row[columns.url] for row in rows if row[columns.url].startswith(PREFIX + "/")]
            known = self._catalog.objects.stat_many(own) if own else {}
            place = _part(table.name)
            for row in rows:
                self._one(place, columns, row, known)

    def _one(
        self, place: str, columns: _AssetColumns, row: Row, known: Mapping[str, ObjectVersion]
    ) -> None:
        url = str(row[columns.url])
        name = row.get(columns.filename or "") or url.rsplit("/", 1)[-1]
        path = f"data/asset/{row['RID']}/{place}/{portable_name(str(name))}"
        self.files += 1
        if not url.startswith(PREFIX + "/"):
            self.length += self._list_foreign(path, url, columns, row)
            return
        found = known.get(url) or self._catalog.objects.stat(url)
        self.length += found.length
        listed = [self._address(found), *(f"{a}{found.url}" for a in self._addresses)]
        if self._mode == "list":
            self._bag.add_fetch(
                path, listed, length=found.length, md5=found.md5, sha256=found.sha256
            )
            return
        self._bag.add_stored(
            path,
            self._catalog.objects.content,
            found.content,
            link=self._mode == "link",
            url=listed,
            progress=self._progress,
        )

    def _address(self, found: ObjectVersion) -> str:
        """Where tools that know nothing of catalogs find the bytes; a name if they cannot."""
        if self._origin is not None:
            return self._origin + found.url  # a service finds there what its catalogs have
        if self._folder is None:
            return f"{_LIST_HOST}/{self._catalog.id}{found.url}"
        return f"{self._folder}/{content_key(found.sha256)}"

    def _list_foreign(self, path: str, url: str, columns: _AssetColumns, row: Row) -> int:
        length, md5 = row.get(columns.length or ""), row.get(columns.md5 or "")
        if length is None or not md5:
            raise BadRequest(
                f"The file {url!r} of row {row['RID']!r} cannot be listed in a bag: its row tells "
                f"{'no length' if length is None else 'no MD5'}.",
                hint="Correct the row, or leave the files of its table out.",
                rid=row["RID"],
            )
        sha256 = row.get(columns.sha256 or "")
        self._bag.add_fetch(path, url, length=int(length), md5=str(md5), sha256=sha256)
        return int(length)
