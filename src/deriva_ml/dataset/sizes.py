"""How large the bag of a dataset version is, or would be."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deriva_catalog.bag import open_bag, read_bag
from deriva_catalog.bag.export import csv_header
from deriva_catalog.model.elements import Table
from deriva_catalog.path.ast import Filter
from deriva_ml.core.disk import size_text
from deriva_ml.core.exceptions import DerivaMLTableNotFound
from deriva_ml.core.query import any_of, entities, path_of
from deriva_ml.core.session import Session
from deriva_ml.model.catalog import DerivaModel

from .bag_cache import BagCache
from .cache import BagKey
from .history import Versions
from .reach import Reached, asset_tables, reach

__all__ = ["TableSize", "bag_info", "estimate_bag_size", "snapshot_of"]

TableKey = tuple[str, str]
_SAMPLE = 100
"""Rows from which the length of a table's CSV is inferred."""


@dataclass(frozen=True, slots=True)
class TableSize:
    """One table of a bag.

    Attributes:
        row_count: Its rows.
        csv_bytes: Bytes of its CSV.
        asset_bytes: Bytes of its files, as far as the rows tell.
        is_asset: Whether its rows have files.
        incomplete: Whether some rows do not tell how long their files are.
    """

    row_count: int
    csv_bytes: int
    asset_bytes: int = 0
    is_asset: bool = False
    incomplete: bool = False


def estimate_bag_size(session: Session, key: BagKey, *, concurrency: int = 8) -> dict[str, Any]:
    """How large a bag is: exact for one that is in the cache, else estimated from the rows.

    Nothing is downloaded but the references between rows and a sample of each table.

    Args:
        session: The connection.
        key: Which bag.
        concurrency: How many questions are asked of a served catalog at the same time.

    Returns:
        ``tables`` (for each its ``row_count``, ``is_asset``, ``asset_bytes``, ``csv_bytes`` and
        ``incomplete``), ``total_rows``, ``total_asset_bytes``, ``total_csv_bytes``,
        ``total_estimated_bytes`` (each of the last three also as a text: ``..._size``),
        ``incomplete`` and ``incomplete_tables``: where rows do not tell the length of their files.

    Raises:
        DerivaMLNotFoundError: The dataset has no such version.
        DerivaMLTableNotFound: A table to leave out does not exist.

    Cost: the queries of the walk (see `reach`) and one for each table; none for a cached bag.
    """
    kept = BagCache(session.cache_dir).path(key)
    if kept is not None:
        return _document(_measured(session, kept))
    past = snapshot_of(session, key)
    reached = reach(past, key.dataset, key.exclude_tables, concurrency=concurrency)
    return _document(_estimated(past, reached, concurrency))


def bag_info(session: Session, key: BagKey, *, concurrency: int = 8) -> dict[str, Any]:
    """What `estimate_bag_size` says, and what is on this machine.

    Adds ``status`` (see `CacheStatus`), ``cache_path`` (None if it is not here) and
    ``versions_cached``.
    """
    cache = BagCache(session.cache_dir, session.identity)
    path = cache.path(key)
    return {
        **estimate_bag_size(session, key, concurrency=concurrency),
        "status": cache.status(key).value,
        "cache_path": None if path is None else str(path),
        "versions_cached": cache.versions(key.dataset),
    }


def snapshot_of(session: Session, key: BagKey) -> Session:
    """The session at the snapshot of a version.

    Raises:
        DerivaMLNotFoundError: The dataset has no such version.
        DerivaMLTableNotFound: A table to leave out does not exist.
    """
    past = session.at(Versions(session).snapshot(key.dataset, key.version))
    known = {table.name for table in past.model.tables()}
    for name in sorted(key.exclude_tables - known):
        raise DerivaMLTableNotFound(name, f"There is no table {name!r} to leave out of the bag.")
    return past


# --- from the catalog --------------------------------------------------------------------


def _estimated(past: Session, reached: Reached, concurrency: int) -> dict[TableKey, TableSize]:
    wanted: list[TableKey] = sorted({*reached.rids, *reached.whole})
    tables = {key: past.model.schemas[key[0]].tables[key[1]] for key in wanted}

    def one(key: TableKey) -> TableSize:
        if key in reached.whole:
            rows, csv_bytes = _whole(past, tables[key])
        else:
            rids = reached.rids[key]
            rows, csv_bytes = len(rids), _sampled(past, tables[key], rids)
        return TableSize(
            rows,
            csv_bytes,
            reached.lengths.get(key, 0),
            key in reached.lengths,
            key in reached.unmeasured,
        )

    is_served = past.catalog.url.startswith(("http://", "https://"))
    if not is_served or concurrency <= 1:
        return {key: one(key) for key in wanted}
    with ThreadPoolExecutor(concurrency, thread_name_prefix="sizes") as pool:
        return dict(zip(wanted, pool.map(one, wanted), strict=True))


def _sampled(past: Session, table: Table, rids: Collection[str]) -> int:
    """The length of the CSV of some rows, inferred from a sample spread over all of them."""
    ordered = list(rids)
    step = max(1, -(-len(ordered) // _SAMPLE))
    sample = ordered[::step]
    if not sample:
        return len(csv_header(table))
    header, body = _csv(past, table, any_of("RID", sample))
    return header + round(body * len(ordered) / len(sample))


def _whole(past: Session, table: Table) -> tuple[int, int]:
    """Rows and length of the CSV of all rows; a count is asked for beyond the sample only."""
    query = entities(table, sort=("RID",), limit=_SAMPLE)
    header, body, rows = _measure(past, query)
    if rows < _SAMPLE:
        return rows, header + body
    count = past.catalog.count(path_of(table))
    return count, header + round(body * count / rows)


def _csv(past: Session, table: Table, *filters: Filter) -> tuple[int, int]:
    header, body, _ = _measure(past, entities(table, *filters))
    return header, body


def _measure(past: Session, query: Any) -> tuple[int, int, int]:
    """Bytes of the header and of the rows of a result, and how many rows it has."""
    data = b"".join(past.catalog.stream(query, "text/csv", arrays_json=True))
    records = list(_records(data))
    header = len(records[0]) if records else 0
    return header, len(data) - header, max(0, len(records) - 1)


def _records(data: bytes) -> Iterable[bytes]:
    """The records of a CSV: lines, save for line ends inside quotes."""
    record = b""
    for line in data.splitlines(keepends=True):
        record += line
        if record.endswith(b"\n") and record.count(b'"') % 2 == 0:
            yield record
            record = b""
    if record:
        yield record


# --- from the bag ------------------------------------------------------------------------


def _measured(session: Session, path: Path) -> dict[TableKey, TableSize]:
    """The tables of a bag that is here: nothing is asked of the catalog."""
    bag, catalog = read_bag(path), open_bag(path)
    try:
        files = _files_by_table(path, bag.fetch, bag.payload)
        model = DerivaModel(catalog, session.ml_schema)
        assets = {(t.schema, t.name) for t in asset_tables(model)}
        found: dict[TableKey, TableSize] = {}
        for csv in (p for p in bag.payload if p.endswith(".csv") and p.count("/") == 2):
            _, schema, name = csv.split("/")
            key = (schema, name.removesuffix(".csv"))
            table = catalog.model.schemas[key[0]].tables[key[1]]
            found[key] = TableSize(
                row_count=catalog.count(path_of(table)),
                csv_bytes=(path / csv).stat().st_size,
                asset_bytes=files.get(key[1], 0),
                is_asset=key in assets,
            )
        return found
    finally:
        catalog.close()


def _files_by_table(
    path: Path, listed: Iterable[Any], payload: Mapping[str, object]
) -> dict[str, int]:
    lengths = {entry.path: entry.length or 0 for entry in listed}
    found: dict[str, int] = {}
    for file in payload:
        parts = file.split("/")
        if len(parts) == 5 and parts[1] == "asset":
            length = lengths[file] if file in lengths else (path / file).stat().st_size
            found[parts[3]] = found.get(parts[3], 0) + length
    return found


# --- as told -----------------------------------------------------------------------------


def _document(sizes: Mapping[TableKey, TableSize]) -> dict[str, Any]:
    names = [name for _, name in sizes]
    told = {
        (name if names.count(name) == 1 else f"{schema}:{name}"): size
        for (schema, name), size in sizes.items()
    }
    assets = sum(size.asset_bytes for size in told.values())
    csvs = sum(size.csv_bytes for size in told.values())
    incomplete = sorted(name for name, size in told.items() if size.incomplete)
    return {
        "tables": {
            name: {
                "row_count": size.row_count,
                "is_asset": size.is_asset,
                "asset_bytes": size.asset_bytes,
                "csv_bytes": size.csv_bytes,
                "incomplete": size.incomplete,
            }
            for name, size in told.items()
        },
        "total_rows": sum(size.row_count for size in told.values()),
        "total_asset_bytes": assets,
        "total_asset_size": size_text(assets),
        "total_csv_bytes": csvs,
        "total_csv_size": size_text(csvs),
        "total_estimated_bytes": assets + csvs,
        "total_estimated_size": size_text(assets + csvs),
        "incomplete": bool(incomplete),
        "incomplete_tables": incomplete,
    }
