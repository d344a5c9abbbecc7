"""Bringing files of assets, which lie elsewhere, into the store of a catalog."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from deriva_catalog.bag import (
    FetchEntry,
    Fetcher,
    fetch_together,
    first_of,
    object_fetcher,
    url_fetcher,
)
from deriva_catalog.errors import CatalogError
from deriva_catalog.interface import Catalog, Row
from deriva_catalog.model.elements import Table
from deriva_catalog.objects import Content, Upload, encode_part
from deriva_ml.asset.download import safe_name
from deriva_ml.core.arguments import words
from deriva_ml.core.exceptions import (
    DerivaMLRidsNotFound,
    DerivaMLTableTypeError,
    DerivaMLValidationError,
    translated,
)
from deriva_ml.core.host import is_server, without_password
from deriva_ml.core.query import any_of, entities, name_of
from deriva_ml.core.rids import check_rids
from deriva_ml.model.catalog import DerivaModel

from .places import open_at
from .provenance import CatalogProvenance, get_catalog_provenance, keep

__all__ = ["LocalizeResult", "localize_assets"]

_PREFIX = "/hatrac/"
_AT_ONCE = 256
_WAITING = 1 << 30


@dataclass(frozen=True, slots=True)
class LocalizeResult:
    """What became of assets.

    Attributes:
        assets_processed: How many files were brought, or would be in a dry run.
        assets_skipped: How many were here already.
        assets_failed: How many could not be brought.
        errors: Why, one text for each of these.
        localized_assets: Of each asset that was brought: its RID, and the URL before and after.
        source_hostnames: Where the files were.
    """

    assets_processed: int = 0
    assets_skipped: int = 0
    assets_failed: int = 0
    errors: tuple[str, ...] = ()
    localized_assets: tuple[tuple[str, str, str], ...] = ()
    source_hostnames: tuple[str, ...] = ()


@dataclass(slots=True)
class _Findings:
    skipped: int = 0
    errors: list[str] = field(default_factory=list)
    brought: list[tuple[Row, Content]] = field(default_factory=list)
    hosts: dict[str, None] = field(default_factory=dict)


@translated()
def localize_assets(
    catalog: Catalog | Any,
    asset_table: str | Table,
    asset_rids: Iterable[str],
    schema_name: str | None = None,
    hatrac_namespace: str | None = None,
    chunk_size: int | None = None,
    dry_run: bool = False,
    source_hostname: str | None = None,
    *,
    source_catalog_id: str | int | None = None,
    source_credential: Mapping[str, Any] | None = None,
) -> LocalizeResult:
    """Copy the files of assets from where they are to this catalog, and let the rows say so.

    Bytes are compared with the length and MD5 of the row. A file that cannot be brought does not
    hinder the others; all rows are changed in one transaction.

    Args:
        catalog: The catalog, or a `DerivaML` on it.
        asset_table: The asset table.
        asset_rids: The assets.
        schema_name: Schema of the table; needed where several have one of that name.
        hatrac_namespace: Where objects go; None means ``/hatrac/<table>``.
        chunk_size: Bytes of files that wait on this machine before they are stored; a single file
            may have more. None means 1 GiB.
        dry_run: Only find out what there is to bring.
        source_hostname: Where files are whose URL does not say so; None means where the catalog
            was cloned from.
        source_catalog_id: The catalog there; None means the one that this was cloned from, if it
            was cloned from that host. Ignored for a directory.
        source_credential: What proves who you are to that server.

    Raises:
        DerivaMLTableTypeError: The table does not hold assets.
        DerivaMLRidsNotFound: It has no such asset.
        DerivaMLValidationError: `chunk_size` is not above zero.
    """
    if chunk_size is not None and chunk_size <= 0:
        raise DerivaMLValidationError(f"chunk_size is a number of bytes, not {chunk_size!r}.")
    target: Catalog = getattr(catalog, "catalog", catalog)
    table = _asset_table(target, asset_table, schema_name)
    rows = _rows(target, table, asset_rids)
    found = _Findings()
    wanted = list(_elsewhere(target, rows, found))
    namespace = hatrac_namespace or f"{_PREFIX}{encode_part(table.name)}"
    if dry_run:
        return _result(found, len(wanted), [])
    with ExitStack() as life:
        fetch = _fetcher(target, source_hostname, source_catalog_id, source_credential, life)
        directory = Path(life.enter_context(TemporaryDirectory()))
        for some in _batches(wanted, chunk_size or _WAITING):
            _bring(target, some, fetch, directory, found)
    changed = _name(target, table, namespace, found) if found.brought else []
    return _result(found, len(changed), changed)


def _asset_table(catalog: Catalog, given: str | Table, schema: str | None) -> Table:
    model = DerivaModel(catalog)
    name = f"{schema}:{given}" if schema is not None and isinstance(given, str) else given
    table = model.name_to_table(name)
    if not model.is_asset(table):
        raise DerivaMLTableTypeError(
            "asset table", table.name, f"Table {table.qualified!r} does not hold assets."
        )
    return table


def _rows(catalog: Catalog, table: Table, rids: Iterable[str]) -> list[Row]:
    wanted = check_rids(dict.fromkeys(words(rids, "asset_rids")))
    rows = catalog.fetch(entities(table, any_of("RID", wanted))) if wanted else []
    missing = set(wanted) - {row["RID"] for row in rows}
    if missing:
        raise DerivaMLRidsNotFound(sorted(missing))
    return rows


def _elsewhere(catalog: Catalog, rows: list[Row], found: _Findings) -> Iterator[Row]:
    """The rows whose file this catalog's store does not have."""
    own = [row["URL"] for row in rows if row["URL"].startswith(_PREFIX)]
    known = catalog.objects.stat_many(own) if own else {}
    for row in rows:
        url = str(row["URL"])
        if url in known:
            found.skipped += 1
        elif url.startswith("tag:"):
            found.errors.append(f"{row['RID']}: {url!r} does not say where the file is.")
        else:
            parts = urlsplit(url)
            found.hosts[parts.netloc or "localhost"] = None
            yield row


# --- getting bytes -----------------------------------------------------------------------


def _fetcher(
    target: Catalog,
    hostname: str | None,
    catalog_id: str | int | None,
    credential: Mapping[str, Any] | None,
    life: ExitStack,
) -> Fetcher:
    """What gets files: from the catalog that this was cloned from, else from their addresses."""
    plain = url_fetcher(local_files=True)
    record = get_catalog_provenance(target)
    details = None if record is None else record.clone_details
    if details is not None:
        hostname = hostname or details.source_hostname
        if catalog_id is None and _is_same_host(hostname, details.source_hostname):
            catalog_id = details.source_catalog_id
    if hostname is None:
        return plain
    source = open_at(hostname, catalog_id, credential)
    life.callback(source.close)
    address = urlsplit(source.url)
    own = ["", f"deriva://localhost/{source.id}"]
    if address.scheme in ("http", "https"):
        own.append(f"{address.scheme}://{address.netloc}")
    return first_of(object_fetcher(source.objects, own, link=False), plain)


def _is_same_host(one: str, other: str) -> bool:
    """Whether two host names mean the same place."""
    from deriva_catalog.catalog.remote import parse_host

    if is_server(one) and is_server(other):
        return parse_host(one) == parse_host(other)
    return without_password(one) == without_password(other)


def _batches(rows: list[Row], most: int) -> Iterator[list[Row]]:
    """Cut rows into parts whose files have no more bytes together, or are single."""
    batch: list[Row] = []
    length = 0
    for row in rows:
        if batch and (length + row["Length"] > most or len(batch) == _AT_ONCE):
            yield batch
            batch, length = [], 0
        batch.append(row)
        length += row["Length"]
    if batch:
        yield batch


def _bring(
    catalog: Catalog, rows: list[Row], fetch: Fetcher, directory: Path, found: _Findings
) -> None:
    """Fetch some files, and store the bytes of those that are as their rows say."""
    fetched: list[tuple[Row, Path]] = []
    wanted = [(_entry(row), directory / str(row["RID"])) for row in rows]
    came = fetch_together(fetch, wanted)
    for row, (entry, place) in zip(rows, wanted, strict=True):
        try:
            if place not in came:
                fetch(entry, place)
        except (CatalogError, OSError) as error:
            found.errors.append(f"{row['RID']}: {error}")
        else:
            fetched.append((row, place))
    contents = catalog.objects.content.add_many([place for _, place in fetched])
    for (row, place), content in zip(fetched, contents, strict=True):
        place.unlink()
        if (content.length, content.md5) == (row["Length"], row["MD5"]):
            found.brought.append((row, content))
        else:
            found.errors.append(
                f"{row['RID']}: {row['URL']!r} has {content.length} bytes and the MD5 "
                f"{content.md5}, the row says {row['Length']} and {row['MD5']}."
            )


def _entry(row: Row) -> FetchEntry:
    place = f"data/asset/{row['RID']}"
    return FetchEntry(str(row["URL"]), row["Length"], place, {"md5": row["MD5"]})


# --- naming them -------------------------------------------------------------------------


def _name(
    catalog: Catalog, table: Table, namespace: str, found: _Findings
) -> list[tuple[str, str, str]]:
    """Name the bytes and change the rows, in one transaction."""
    uploads = [
        Upload(
            f"{namespace.rstrip('/')}/{content.md5}.{encode_part(safe_name(row))}",
            content=content,
            filename=safe_name(row),
        )
        for row, content in found.brought
    ]
    catalog.objects.content.flush({content.sha256 for _, content in found.brought})
    with catalog.transaction():
        versions = catalog.objects.register(uploads, reuse=True)
        changes = [
            {"RID": row["RID"], "URL": version.url}
            for (row, _), version in zip(found.brought, versions, strict=True)
        ]
        catalog.update(name_of(table), changes, targets=("URL",))
        record = get_catalog_provenance(catalog)
        if record is not None and record.clone_details is not None:
            keep(catalog, _with_files(record, found))
    return [
        (row["RID"], row["URL"], version.url)
        for (row, _), version in zip(found.brought, versions, strict=True)
    ]


def _with_files(record: CatalogProvenance, found: _Findings) -> CatalogProvenance:
    details = record.clone_details
    assert details is not None
    return replace(
        record,
        clone_details=replace(
            details,
            assets_localized=True,
            assets_localized_at=datetime.now(UTC).isoformat(timespec="seconds"),
            assets_copied=details.assets_copied + len(found.brought),
            assets_failed=details.assets_failed + len(found.errors),
        ),
    )


def _result(
    found: _Findings, processed: int, changed: list[tuple[str, str, str]]
) -> LocalizeResult:
    return LocalizeResult(
        assets_processed=processed,
        assets_skipped=found.skipped,
        assets_failed=len(found.errors),
        errors=tuple(found.errors),
        localized_assets=tuple(changed),
        source_hostnames=tuple(found.hosts),
    )
