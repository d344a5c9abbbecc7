"""Cloning a catalog, or the part of it that belongs to some datasets, by way of a bag."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from deriva_catalog.bag import Loaded, TableKnowledge, load_bag, open_bag
from deriva_catalog.interface import Address, Catalog, Row
from deriva_catalog.model.elements import Table
from deriva_ml.core.arguments import words
from deriva_ml.core.definitions import (
    ML_SCHEMA,
    SENTINEL_EXECUTION_DESCRIPTION,
    SENTINEL_FILE_URL,
    SENTINEL_WORKFLOW_URL,
)
from deriva_ml.core.exceptions import DerivaMLValidationError, translated
from deriva_ml.core.host import is_directory
from deriva_ml.core.identity import give_identity, identity_of
from deriva_ml.core.query import attributes, equals, name_of
from deriva_ml.core.session import Session
from deriva_ml.dataset.download import Carriage, fetcher_for

from .places import create_at, directory_of, open_at
from .policy import AssetMode, ClonePolicy, OrphanStrategy
from .provenance import (
    CATALOG_PROVENANCE_URL,
    CatalogCreationMethod,
    CatalogProvenance,
    CloneDetails,
    get_catalog_provenance,
    set_catalog_provenance,
)
from .selecting import Anchors, bag_place, export_selection, opened_source, select_rows

__all__ = ["CloneViaBagResult", "clone_via_bag", "create_ml_workspace"]

TableKey = tuple[str, str]
_SENTINELS = (
    ("Workflow", "URL", SENTINEL_WORKFLOW_URL),
    ("File", "URL", SENTINEL_FILE_URL),
    ("Execution", "Description", SENTINEL_EXECUTION_DESCRIPTION),
)
_LEGACY = ("truncate_oversized", "prune_hidden_fkeys", "reinitialize_dataset_versions")


@dataclass(frozen=True, slots=True)
class CloneViaBagResult:
    """What was cloned.

    Attributes:
        hostname: Where the clone is.
        catalog_id: Its number; of a directory, its name.
        source_snapshot: The snapshot of the original that was cloned.
        loaded: Rows, tables and files, counted.
        provenance: What the clone says of its origin.
        bag: The bag that it went through, if it was kept.
    """

    hostname: str
    catalog_id: str
    source_snapshot: str
    loaded: Loaded
    provenance: CatalogProvenance | None
    bag: Path | None = None

    @property
    def rows_copied(self) -> int:
        """How many rows were inserted."""
        return self.loaded.rows_inserted

    @property
    def changed(self) -> bool:
        """Whether the destination is another than before."""
        return self.loaded.changed


@translated()
def clone_via_bag(
    *,
    source_hostname: str,
    source_catalog_id: str | int,
    dest_hostname: str,
    dest_catalog_id: str | int | None,
    anchors: Anchors | None = None,
    root_rid: str | None = None,
    output_dir: Path | str | None = None,
    policy: ClonePolicy | None = None,
    source_credential: Mapping[str, Any] | None = None,
    dest_credential: Mapping[str, Any] | None = None,
    alias: str | None = None,
) -> CloneViaBagResult:
    """Clone a catalog, or a part of it, into a catalog that exists or a new one.

    Rows keep their identifiers, makers and times, and all are written in one change: a process
    that is killed leaves the destination as it was. Cloning the same once more changes nothing.
    The current version of a dataset can be downloaded from the clone; the state at older versions
    is in the original only.

    Args:
        source_hostname: Where the original is: ``localhost``, a directory, a database or a server.
        source_catalog_id: Its number or alias, perhaps with ``@`` and a snapshot; ignored for a
            directory but for its snapshot.
        dest_hostname: Where the clone goes.
        dest_catalog_id: The catalog that it goes into; None means a new one. Ignored for a
            directory: that is the catalog which lies there, or a new one where none does.
        anchors: RIDs of rows, also by the names of their tables, that are cloned with all that
            belongs to them; with neither these nor `root_rid`, everything is.
        root_rid: RID of a dataset, which is cloned with those nested in it.
        output_dir: Where the bag is kept; None means nowhere.
        policy: What is cloned, and what happens where the two differ.
        source_credential: What proves who you are to the server of the original.
        dest_credential: What proves who you are to the server of the clone.
        alias: Name of a new catalog.

    Raises:
        DerivaMLNotFoundError: There is no such catalog, or no such row.
        DerivaMLDataError: The two contradict each other, or rows refer to what is not cloned, and
            the policy refuses that; the message lists where. Nothing was changed.
        DerivaMLValidationError: The original and the destination are the same catalog, or an
            argument means nothing.
        DerivaMLPermissionError: You may not read the original, or not write the destination.
    """
    policy = policy or ClonePolicy()
    if not isinstance(policy, ClonePolicy):
        raise DerivaMLValidationError(f"policy is a ClonePolicy, not {policy!r}.")
    with opened_source(source_hostname, source_catalog_id, source_credential) as source:
        if not _is_new(dest_hostname, dest_catalog_id):
            _refuse_itself(source, dest_hostname, dest_catalog_id, dest_credential)
        selection = select_rows(source, anchors, root_rid, policy)
        with bag_place(output_dir, source, selection) as place:
            if not place.exists():
                export_selection(source, selection, policy, place)
            clone = _Clone(source, place, policy)
            target, loaded = clone.into(dest_hostname, dest_catalog_id, dest_credential, alias)
            try:
                return CloneViaBagResult(
                    hostname=dest_hostname,
                    catalog_id=target.id,
                    source_snapshot=str(source.catalog.snaptime),
                    loaded=loaded,
                    provenance=get_catalog_provenance(target),
                    bag=None if output_dir is None else place,
                )
            finally:
                target.close()


def create_ml_workspace(
    source_hostname: str,
    source_catalog_id: str | int,
    root_rid: str,
    *,
    include_tables: Iterable[str] | None = None,
    exclude_objects: Iterable[str] | None = None,
    exclude_schemas: Iterable[str] | None = None,
    dest_hostname: str | None = None,
    asset_mode: AssetMode | str = AssetMode.ROWS_ONLY,
    orphan_strategy: OrphanStrategy | str = OrphanStrategy.FAIL,
    dest_catalog_id: str | int | None = None,
    output_dir: Path | str | None = None,
    alias: str | None = None,
    add_ml_schema: bool = True,
    copy_annotations: bool = True,
    copy_policy: bool = False,
    source_credential: Mapping[str, Any] | None = None,
    dest_credential: Mapping[str, Any] | None = None,
    **legacy: Any,
) -> CloneViaBagResult:
    """Clone a dataset into a catalog to work in: the older interface of `clone_via_bag`.

    Args:
        source_hostname: Where the original is.
        source_catalog_id: Its number or alias.
        root_rid: RID of the dataset.
        include_tables: Tables of which every row is cloned, too.
        exclude_objects: Tables that are left out.
        exclude_schemas: Schemas that are left out.
        dest_hostname: Where the workspace goes; None means where the original is, which cannot be
            if that is a directory.
        asset_mode: What happens to files.
        orphan_strategy: What happens to rows that refer to one that is not cloned.
        dest_catalog_id: The catalog that it goes into; None means a new one. Ignored for a
            directory: that is the catalog which lies there, or a new one where none does.
        output_dir: Where the bag is kept; None means nowhere.
        alias: Name of a new catalog.
        add_ml_schema: Whether the ML schema is completed with what every ML schema has.
        copy_annotations: Whether tables that are made get the annotations of the original.
        copy_policy: Whether they get its access control lists.
        source_credential: What proves who you are to the server of the original.
        dest_credential: What proves who you are to the server of the workspace.
        **legacy: Options that have no meaning any more (``truncate_oversized``,
            ``prune_hidden_fkeys``, ``reinitialize_dataset_versions``); a warning says so.

    Raises:
        TypeError: Another option is given.
        DerivaMLValidationError: The original is a directory, and there is no `dest_hostname`.
        DerivaMLException: See `clone_via_bag`.
    """
    unknown = [name for name in legacy if name not in _LEGACY]
    if unknown:
        raise TypeError(f"create_ml_workspace() takes no argument {unknown[0]!r}.")
    for name in legacy:
        warnings.warn(f"{name} has no meaning any more; leave it out.", FutureWarning, 2)
    if dest_hostname is None and is_directory(source_hostname):
        raise DerivaMLValidationError(
            f"The directory {source_hostname!r} is one catalog and has no room for another; say "
            "with dest_hostname where the workspace goes."
        )
    return clone_via_bag(
        source_hostname=source_hostname,
        source_catalog_id=source_catalog_id,
        dest_hostname=source_hostname if dest_hostname is None else dest_hostname,
        dest_catalog_id=dest_catalog_id,
        root_rid=root_rid,
        output_dir=output_dir,
        policy=ClonePolicy(
            asset_mode=cast("AssetMode", asset_mode),
            orphan_strategy=cast("OrphanStrategy", orphan_strategy),
            include_tables=tuple(words(include_tables, "include_tables")),
            exclude_schemas=tuple(words(exclude_schemas, "exclude_schemas")),
            exclude_objects=tuple(words(exclude_objects, "exclude_objects")),
            add_ml_schema=add_ml_schema,
            copy_annotations=copy_annotations,
            copy_policy=copy_policy,
        ),
        source_credential=source_credential,
        dest_credential=dest_credential,
        alias=alias,
    )


# --- into the destination ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Clone:
    """A bag of the original that is loaded somewhere."""

    source: Session
    bag: Path
    policy: ClonePolicy

    def into(
        self,
        hostname: str,
        catalog_id: str | int | None,
        credential: Mapping[str, Any] | None,
        alias: str | None,
    ) -> tuple[Catalog, Loaded]:
        """Load it into a catalog, which is made when there is none."""
        if _is_new(hostname, catalog_id):
            done: list[Loaded] = []

            def prepare(fresh: Catalog) -> None:
                done.append(self.load(fresh, new=True))

            made = create_at(hostname, prepare, alias=alias, credential=credential)
            return made, done[0]
        if alias is not None:
            raise DerivaMLValidationError(
                f"alias={alias!r} names a new catalog; leave dest_catalog_id out."
            )
        target = open_at(hostname, catalog_id, credential)
        try:
            return target, self.load(target)
        except BaseException:
            target.close()
            raise

    def _annotate(self, fresh: Catalog) -> None:
        """Give a new catalog the annotations of the original that are not about it alone."""
        own = {*fresh.model.annotations, CATALOG_PROVENANCE_URL}
        for tag, value in self.source.catalog.model.annotations.items():
            if self.policy.copy_annotations and tag not in own:
                fresh.set_annotation(Address(), tag, value)

    def load(self, target: Catalog, *, new: bool = False) -> Loaded:
        """Load the bag, and write down where it is from in the same change."""
        opened = open_bag(self.bag)
        try:
            versions = _current_versions(opened, self.source.ml_schema)
            later: list[str] = []

            def rewrite(table: Table, rows: list[Row], snapshot: str | None) -> list[Row]:
                if (table.schema, table.name) != (self.source.ml_schema, "Dataset_Version"):
                    return rows
                if snapshot is None:
                    later.extend(row["RID"] for row in rows if _is_shown(row, versions))
                return [
                    row | {"Snapshot": snapshot if _is_shown(row, versions) else None}
                    for row in rows
                ]

            def finish(catalog: Catalog, loaded: Loaded) -> None:
                self._finish(catalog, loaded, later)
                if new:
                    self._annotate(catalog)

            return load_bag(
                opened,
                target,
                self.policy.load_policy(opened.model),
                knowledge=self._knowledge(opened, target, rewrite),
                fetcher=fetcher_for(self.source, Carriage()),
                finish=finish,
            )
        finally:
            opened.close()

    def _knowledge(
        self, bag: Catalog, target: Catalog, rewrite: Callable[..., list[Row]]
    ) -> TableKnowledge:
        ml = self.source.ml_schema
        known: dict[str, str] = {}
        for name, column, value in _SENTINELS:
            mine, theirs = (_one(c, (ml, name), column, value) for c in (bag, target))
            if mine is not None and theirs is not None:
                known[mine] = theirs
        return TableKnowledge(
            identities={(ml, "Workflow"): ("URL", "Checksum"), (ml, "File"): ("URL",)},
            known=known,
            local_columns={(ml, "Dataset_Version"): ("Snapshot",)},
            rewrite=rewrite,
        )

    def _finish(self, catalog: Catalog, loaded: Loaded, later: list[str]) -> None:
        ml = self.source.ml_schema
        if later:
            rows = [
                {"RID": loaded.rids.get(rid, rid), "Snapshot": catalog.latest_snapshot()}
                for rid in later
            ]
            table = catalog.model.schemas[ml].tables["Dataset_Version"]
            catalog.update(name_of(table), rows, targets=("Snapshot",))
        if self.policy.add_ml_schema and ml == ML_SCHEMA and ml in catalog.model.schemas:
            from deriva_ml.schema import initialize_ml_schema

            initialize_ml_schema(catalog, ml)
        give_identity(catalog)
        set_catalog_provenance(
            catalog,
            name=self.source.project_name,
            description=f"Clone of catalog {self.source.catalog.id} of {self.source.hostname}.",
            creation_method=CatalogCreationMethod.CLONE,
            clone_details=self._details(loaded),
        )

    def _details(self, loaded: Loaded) -> CloneDetails:
        policy, host = self.policy, self.source.hostname
        brought = policy.asset_mode is not AssetMode.ROWS_ONLY
        return CloneDetails(
            source_hostname=self.source.catalog.url if is_directory(host) else host,
            source_catalog_id=self.source.catalog.id,
            source_snapshot=self.source.catalog.snaptime,
            source_schema_url=f"{self.source.catalog.url}/schema",
            orphan_strategy=policy.orphan_strategy.value,
            asset_mode=policy.asset_mode.value,
            exclude_schemas=policy.exclude_schemas,
            exclude_objects=policy.exclude_objects,
            add_ml_schema=policy.add_ml_schema,
            copy_annotations=policy.copy_annotations,
            copy_policy=policy.copy_policy,
            rows_copied=loaded.rows_inserted,
            rows_skipped=sum(loaded.present.values()),
            orphan_rows_removed=sum(loaded.deleted.values()),
            orphan_rows_nullified=sum(loaded.cleared.values()),
            assets_localized=brought,
            assets_localized_at=datetime.now(UTC).isoformat(timespec="seconds")
            if brought
            else None,
            asset_source_hostname=host,
            assets_copied=loaded.uploaded,
            assets_skipped=loaded.reused + loaded.listed,
        )


def _is_new(hostname: str, catalog_id: str | int | None) -> bool:
    """Whether a destination is a catalog that is still to be made."""
    from deriva_catalog.catalog.local import DATABASE

    if is_directory(hostname):
        return not (directory_of(hostname) / DATABASE).is_file()
    return catalog_id is None


def _refuse_itself(
    source: Session,
    hostname: str,
    catalog_id: str | int | None,
    credential: Mapping[str, Any] | None,
) -> None:
    """Refuse a destination that is the original, however the two are written."""
    target = open_at(hostname, catalog_id, credential)
    try:
        same = identity_of(target) == source.identity or (
            is_directory(hostname)
            and source.catalog.url.startswith("file:")
            and directory_of(hostname).samefile(directory_of(source.catalog.url))
        )
    finally:
        target.close()
    if same:
        raise DerivaMLValidationError(
            f"Catalog {source.catalog.id!r} of {source.hostname!r} cannot be cloned into itself; "
            "name another destination."
        )


def _current_versions(bag: Catalog, ml_schema: str) -> frozenset[str]:
    """The version rows whose state the bag shows: the current ones of its datasets."""
    schema = bag.model.schemas.get(ml_schema)
    if schema is None or "Dataset" not in schema.tables:
        return frozenset()
    rows = bag.fetch(attributes(schema.tables["Dataset"], ("Version",)))
    return frozenset(str(row["Version"]) for row in rows if row["Version"] is not None)


def _is_shown(row: Row, versions: frozenset[str]) -> bool:
    return row["RID"] in versions and row["Snapshot"] is not None


def _one(catalog: Catalog, key: TableKey, column: str, value: str) -> str | None:
    """RID of the first row of a table that has a value, if there are both."""
    schema = catalog.model.schemas.get(key[0])
    table = None if schema is None else schema.tables.get(key[1])
    if table is None:
        return None
    rows = catalog.fetch(attributes(table, ("RID",), equals(column, value), sort=("RID",), limit=1))
    return str(rows[0]["RID"]) if rows else None
