"""Where a catalog comes from: a record that the catalog itself keeps, as an annotation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final
from urllib.parse import urlsplit

from deriva_catalog.interface import Address, Catalog
from deriva_ml.core.exceptions import DerivaMLValidationError, translated

__all__ = [
    "CATALOG_PROVENANCE_URL",
    "CatalogCreationMethod",
    "CatalogProvenance",
    "CloneDetails",
    "get_catalog_provenance",
    "set_catalog_provenance",
]

CATALOG_PROVENANCE_URL: Final = "tag:deriva-ml.org,2025:catalog-provenance"
"""The annotation of a catalog that holds the record."""


class CatalogCreationMethod(StrEnum):
    """How a catalog came into being."""

    CLONE = "clone"
    CREATE = "create"
    SCHEMA = "schema"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class CloneDetails:
    """What was cloned, how, and what became of it.

    Attributes:
        source_hostname: Host of the catalog that was cloned.
        source_catalog_id: Its number or alias.
        source_snapshot: The snapshot of it that was cloned.
        source_schema_url: Where its schema document is.
        orphan_strategy: What was done about references to rows that were not cloned.
        truncate_oversized: Whether values were cut; never, here.
        prune_hidden_fkeys: Whether references were left out since their target was hidden; never,
            here.
        schema_only: Whether tables alone were cloned, without rows.
        asset_mode: What was done about files.
        exclude_schemas: Schemas that were left out.
        exclude_objects: Tables that were left out.
        add_ml_schema: Whether the ML schema was added afterwards.
        copy_annotations: Whether annotations were cloned.
        copy_policy: Whether access control lists were cloned.
        rows_copied: How many rows were inserted.
        rows_skipped: How many rows were there already.
        skipped_rids: RIDs of rows that were not cloned.
        truncated_count: How many values were cut; 0, here.
        orphan_rows_removed: How many rows were left out since they referred to nothing.
        orphan_rows_nullified: How many references to nothing were cleared.
        fkeys_pruned: How many references were left out; 0, here.
        assets_localized: Whether the files were brought along, then or later.
        assets_localized_at: When, as ISO 8601.
        asset_source_hostname: Host that the files are at, or came from.
        assets_copied: How many files were brought along.
        assets_skipped: How many files stayed where they are, or were there already.
        assets_failed: How many files could not be brought.
    """

    source_hostname: str
    source_catalog_id: str
    source_snapshot: str | None = None
    source_schema_url: str | None = None
    orphan_strategy: str = "fail"
    truncate_oversized: bool = False
    prune_hidden_fkeys: bool = False
    schema_only: bool = False
    asset_mode: str = "rows_only"
    exclude_schemas: tuple[str, ...] = ()
    exclude_objects: tuple[str, ...] = ()
    add_ml_schema: bool = False
    copy_annotations: bool = True
    copy_policy: bool = False
    rows_copied: int = 0
    rows_skipped: int = 0
    skipped_rids: tuple[str, ...] = ()
    truncated_count: int = 0
    orphan_rows_removed: int = 0
    orphan_rows_nullified: int = 0
    fkeys_pruned: int = 0
    assets_localized: bool = False
    assets_localized_at: str | None = None
    asset_source_hostname: str | None = None
    assets_copied: int = 0
    assets_skipped: int = 0
    assets_failed: int = 0


@dataclass(frozen=True, slots=True)
class CatalogProvenance:
    """Where a catalog comes from.

    Attributes:
        creation_method: How it came into being.
        created_at: When, as ISO 8601 in UTC.
        hostname: Where it is.
        catalog_id: Its number.
        created_by: Who made it.
        name: What people call it.
        description: What it is for.
        workflow_url: Where the code is that made it.
        workflow_version: Version of that code.
        clone_details: What it is a clone of, if it is one.
    """

    creation_method: CatalogCreationMethod
    created_at: str
    hostname: str
    catalog_id: str
    created_by: str | None = None
    name: str | None = None
    description: str | None = None
    workflow_url: str | None = None
    workflow_version: str | None = None
    clone_details: CloneDetails | None = field(default=None)

    @property
    def is_clone(self) -> bool:
        """Whether the catalog was cloned from another."""
        return self.creation_method is CatalogCreationMethod.CLONE

    def to_dict(self) -> dict[str, Any]:
        """The record as a JSON document."""
        return asdict(self)


@translated()
def set_catalog_provenance(
    catalog: Catalog | Any,
    name: str | None = None,
    description: str | None = None,
    workflow_url: str | None = None,
    workflow_version: str | None = None,
    creation_method: CatalogCreationMethod | str = CatalogCreationMethod.CREATE,
    clone_details: CloneDetails | None = None,
) -> CatalogProvenance:
    """Write down where a catalog comes from; a record that is there is replaced.

    Args:
        catalog: The catalog, or a `DerivaML` on it.
        name: What people call it.
        description: What it is for.
        workflow_url: Where the code is that made it.
        workflow_version: Version of that code.
        creation_method: How it came into being.
        clone_details: What it is a clone of.

    Returns:
        The record.

    Raises:
        DerivaMLValidationError: There is no such creation method.
        DerivaMLPermissionError: You do not own the catalog.
    """
    target = _catalog(catalog)
    try:
        method = CatalogCreationMethod(creation_method)
    except ValueError as error:
        known = ", ".join(m.value for m in CatalogCreationMethod)
        raise DerivaMLValidationError(
            f"A catalog is not made by {creation_method!r}; the methods are {known}."
        ) from error
    record = CatalogProvenance(
        creation_method=method,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        hostname=urlsplit(target.url).netloc or "localhost",
        catalog_id="" if _is_building(target.id) else target.id,
        created_by=getattr(target, "client", None),
        name=name,
        description=description,
        workflow_url=workflow_url,
        workflow_version=workflow_version,
        clone_details=clone_details,
    )
    keep(target, record)
    return record


def _is_building(catalog_id: str) -> bool:
    """Whether a catalog was being made: it gets its number when it is complete."""
    from deriva_catalog.catalog.places import BUILDING

    return catalog_id.startswith(BUILDING)


@translated()
def get_catalog_provenance(catalog: Catalog | Any) -> CatalogProvenance | None:
    """Where a catalog comes from; None when it has no record.

    Args:
        catalog: The catalog, or a `DerivaML` on it.

    A record that another program wrote is read as far as it is understood.
    """
    target = _catalog(catalog)
    document = target.model.annotations.get(CATALOG_PROVENANCE_URL)
    if not isinstance(document, Mapping):
        return None
    known = {f.name: document[f.name] for f in fields(CatalogProvenance) if f.name in document}
    method = known.get("creation_method")
    if method not in {m.value for m in CatalogCreationMethod}:
        method = CatalogCreationMethod.UNKNOWN
    details = known.get("clone_details")
    defaults = {"created_at": "", "hostname": "", "catalog_id": ""}
    recorded = str(known.get("catalog_id") or "")
    if not recorded or _is_building(recorded):
        known["catalog_id"] = target.id
    return CatalogProvenance(
        **{
            **defaults,
            **known,
            "creation_method": CatalogCreationMethod(method),
            "clone_details": _details(details) if isinstance(details, Mapping) else None,
        }
    )


def keep(catalog: Catalog, record: CatalogProvenance) -> None:
    """Write a record."""
    catalog.set_annotation(Address(), CATALOG_PROVENANCE_URL, _plain(record.to_dict()))


def _details(document: Mapping[str, Any]) -> CloneDetails:
    known = {f.name: document[f.name] for f in fields(CloneDetails) if f.name in document}
    listed = {
        name: tuple(value or ()) if isinstance(value, list) or value is None else value
        for name, value in known.items()
        if name in ("exclude_schemas", "exclude_objects", "skipped_rids")
    }
    return CloneDetails(**{"source_hostname": "", "source_catalog_id": "", **known, **listed})


def _plain(value: Any) -> Any:
    """The value as JSON has it: lists for tuples."""
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, StrEnum) else value


def _catalog(catalog: Any) -> Catalog:
    """The catalog of a connection, or the catalog that is given."""
    inner: Catalog = getattr(catalog, "catalog", catalog)
    return inner
