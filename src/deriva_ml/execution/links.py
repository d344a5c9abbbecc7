"""Which execution read what, and which made it: the links of a catalog, read in sets.

A question names many executions or artifacts at once and costs one query for each table of links.
After `Links.read_whole`, the tables are in memory and nothing more is asked of the catalog.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from deriva_catalog.interface import Row
from deriva_catalog.model.elements import Table
from deriva_catalog.path.ast import AttributeGroupQuery, ColumnName, ExplicitLink, Item, Path, Root
from deriva_ml.core.exceptions import DerivaMLValidationError
from deriva_ml.core.query import any_of, attributes, equals, name_of, path_of
from deriva_ml.core.session import Session
from deriva_ml.dataset.versions import DatasetVersion
from deriva_ml.model.catalog import DerivaModel

__all__ = ["Artifact", "Links", "Relation", "Version", "newest"]

ArtifactKind = Literal["Dataset", "Asset", "Feature"]


@dataclass(frozen=True, slots=True)
class Artifact:
    """Something that executions make and read.

    Attributes:
        kind: What it is.
        rid: Its RID.
        table: Its table, as ``schema:Table``.
        version: Of a dataset, the label of the version; None when it has no version.
        version_rid: Of a dataset, the RID of the version's row.
    """

    kind: ArtifactKind
    rid: str
    table: str
    version: str | None = None
    version_rid: str | None = None

    @property
    def key(self) -> str:
        """What names it in a graph: its RID, with the version of a dataset."""
        return self.rid if self.version is None else f"{self.rid}@{self.version}"


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a dataset, and the execution that made it."""

    rid: str
    dataset: str
    label: str
    execution: str | None

    @property
    def order(self) -> tuple[bool, DatasetVersion]:
        """By which versions are sorted; a label that is none comes before all others."""
        try:
            return True, DatasetVersion.parse(self.label)
        except DerivaMLValidationError:
            return False, DatasetVersion(0)


def newest(versions: Iterable[Version]) -> Version | None:
    """The newest version: ``1.2.0.post1.dev1`` comes after ``1.2.0`` and before ``1.2.1``."""
    return max(versions, key=lambda v: v.order, default=None)


class Relation:
    """Some columns of a table of links, asked for by the values of one of them.

    Args:
        session: The session on the catalog.
        table: The table.
        columns: The columns.
        steps: What restricts the rows.
    """

    def __init__(self, session: Session, table: Table, columns: Iterable[str], *steps: Any) -> None:
        self._session = session
        self._table = table
        self._columns = tuple(columns)
        self._steps = steps
        self._rows: list[Row] | None = None
        self._by: dict[str, dict[str, list[Row]]] = {}

    def read_whole(self) -> None:
        """Keep all rows, so that no further question goes to the catalog."""
        if self._rows is None:
            self._rows = self._session.fetch(attributes(self._table, self._columns, *self._steps))

    def rows(self, column: str, values: Collection[str]) -> Iterator[Row]:
        """The rows with one of `values` in `column`."""
        if not values:
            return iter(())
        if self._rows is not None:
            index = self._index(column)
            return (row for value in values for row in index.get(value, ()))
        query = attributes(self._table, self._columns, *self._steps, any_of(column, values))
        return iter(self._session.fetch(query))

    def _index(self, column: str) -> dict[str, list[Row]]:
        if column not in self._by:
            index: dict[str, list[Row]] = {}
            for row in self._rows or ():
                index.setdefault(row[column], []).append(row)
            self._by[column] = index
        return self._by[column]


class Links:
    """The links between executions, datasets and assets of a catalog, or of a snapshot of it."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._datasets = session.ml("Dataset").qualified
        readings = ("Execution", "Dataset", "Dataset_Version")
        self._readings = Relation(session, session.ml("Dataset_Execution"), readings)
        versions = ("RID", "Dataset", "Version", "Execution")
        self._made = Relation(session, session.ml("Dataset_Version"), versions)
        self._roles = {role: _asset_links(session, role) for role in ("Input", "Output")}
        self._versions: dict[str, list[Version]] = {}

    def read_whole(self) -> None:
        """Bring all links into memory, a query for each table; what comes then asks nothing."""
        for relation in (self._readings, self._made):
            relation.read_whole()
        for role in self._roles.values():
            for _, relation in role:
                relation.read_whole()

    # --- versions --------------------------------------------------------------------

    def versions(self, dataset: str) -> list[Version]:
        """The versions of a dataset."""
        self._load([dataset])
        return self._versions[dataset]

    def dataset(self, rid: str, version_rid: str | None = None) -> Artifact:
        """A dataset at a version; without one at its newest."""
        known = self.versions(rid)
        found = next((v for v in known if v.rid == version_rid), None) or newest(known)
        if found is None:
            return Artifact("Dataset", rid, self._datasets)
        return Artifact("Dataset", rid, self._datasets, found.label, found.rid)

    def _load(self, datasets: Iterable[str]) -> None:
        missing = [d for d in dict.fromkeys(datasets) if d not in self._versions]
        for rid in missing:
            self._versions[rid] = []
        for row in self._made.rows("Dataset", missing):
            made = Version(row["RID"], row["Dataset"], row["Version"] or "", row["Execution"])
            self._versions[made.dataset].append(made)

    # --- from executions to artifacts ------------------------------------------------

    def read_by(self, executions: Collection[str]) -> dict[str, list[Artifact]]:
        """What each execution read: datasets at the version that was read, then assets."""
        rows = list(self._readings.rows("Execution", executions))
        self._load(row["Dataset"] for row in rows)
        found: dict[str, list[Artifact]] = {}
        for row in rows:
            made = self.dataset(row["Dataset"], row["Dataset_Version"])
            found.setdefault(row["Execution"], []).append(made)
        return self._with_assets(found, "Input", executions)

    def made_by(self, executions: Collection[str]) -> dict[str, list[Artifact]]:
        """What each execution made: versions of datasets, then assets."""
        found: dict[str, list[Artifact]] = {}
        for row in self._made.rows("Execution", executions):
            if row["Dataset"] is None:
                continue
            made = Artifact("Dataset", row["Dataset"], self._datasets, row["Version"], row["RID"])
            found.setdefault(row["Execution"], []).append(made)
        return self._with_assets(found, "Output", executions)

    def _with_assets(
        self, found: dict[str, list[Artifact]], role: str, executions: Collection[str]
    ) -> dict[str, list[Artifact]]:
        for table, relation in self._roles[role]:
            for row in relation.rows("Execution", executions):
                asset = Artifact("Asset", row[table.name], table.qualified)
                found.setdefault(row["Execution"], []).append(asset)
        return {e: sorted(set(a), key=_order) for e, a in found.items()}

    # --- from artifacts to executions ------------------------------------------------

    def makers(self, artifacts: Collection[Artifact]) -> dict[Artifact, list[str]]:
        """The executions that made each artifact; several when the same file was made again.

        A version of a dataset that no execution claims counts as made by those that made the
        assets which are its members now.
        """
        found: dict[Artifact, list[str]] = {}
        unclaimed: dict[str, list[Artifact]] = {}
        datasets = [a for a in artifacts if a.kind == "Dataset"]
        self._load(a.rid for a in datasets)
        for artifact in datasets:
            versions = {v.rid: v.execution for v in self._versions[artifact.rid]}
            maker = versions.get(artifact.version_rid or "")
            if maker is not None:
                found[artifact] = [maker]
            else:
                unclaimed.setdefault(artifact.rid, []).append(artifact)
        for dataset, makers in self._makers_of_members(unclaimed).items():
            found.update((artifact, makers) for artifact in unclaimed[dataset])
        return self._with_links(found, "Output", artifacts)

    def readers(self, artifacts: Collection[Artifact]) -> dict[Artifact, list[str]]:
        """The executions that read each artifact; a dataset at that very version."""
        datasets = [a for a in artifacts if a.kind == "Dataset"]
        rids = dict.fromkeys(a.rid for a in datasets)
        rows = list(self._readings.rows("Dataset", rids))
        self._load(row["Dataset"] for row in rows if row["Dataset_Version"] is None)
        read: dict[tuple[str, str | None], list[str]] = {}
        for row in rows:
            version = row["Dataset_Version"] or self.dataset(row["Dataset"]).version_rid
            read.setdefault((row["Dataset"], version), []).append(row["Execution"])
        found = {
            a: sorted(set(read[a.rid, a.version_rid]))
            for a in datasets
            if (a.rid, a.version_rid) in read
        }
        return self._with_links(found, "Input", artifacts)

    def _with_links(
        self, found: dict[Artifact, list[str]], role: str, artifacts: Iterable[Artifact]
    ) -> dict[Artifact, list[str]]:
        by_table: dict[str, dict[str, Artifact]] = {}
        for artifact in artifacts:
            if artifact.kind == "Asset":
                by_table.setdefault(artifact.table, {})[artifact.rid] = artifact
        for table, relation in self._roles[role]:
            wanted = by_table.get(table.qualified, {})
            for row in relation.rows(table.name, wanted):
                found.setdefault(wanted[row[table.name]], []).append(row["Execution"])
        return found

    def _makers_of_members(self, datasets: Collection[str]) -> dict[str, list[str]]:
        found: dict[str, set[str]] = {}
        for members, asset, makers in _membership(self._session.model) if datasets else ():
            query = _makers_of_members(members, asset, makers, datasets)
            for row in self._session.fetch(query):
                found.setdefault(row["Dataset"], set()).add(row["Execution"])
        return {dataset: sorted(makers) for dataset, makers in found.items()}


def _order(artifact: Artifact) -> tuple[bool, str, str, str]:
    return artifact.kind != "Dataset", artifact.table, artifact.rid, artifact.version or ""


def _asset_links(session: Session, role: str) -> list[tuple[Table, Relation]]:
    found = []
    for asset in session.model.find_assets():
        links = session.model.asset_execution_table(asset)
        if links is not None:
            columns = (asset.name, "Execution", "RID")
            found.append((asset, Relation(session, links, columns, equals("Asset_Role", role))))
    return found


def _membership(model: DerivaModel) -> Iterator[tuple[Table, Table, Table]]:
    """Each asset table that datasets have members of: links to datasets, assets, executions."""
    dataset = model.ml_table("Dataset")
    for asset in model.find_assets():
        makers = model.asset_execution_table(asset)
        for schema in (asset.schema, dataset.schema):
            members = model.schemas[schema].tables.get(f"Dataset_{asset.name}")
            if members is not None and makers is not None:
                yield members, asset, makers
                break


def _makers_of_members(
    members: Table, asset: Table, makers: Table, datasets: Collection[str]
) -> AttributeGroupQuery:
    made = ColumnName(asset.name, qualifier=makers.name, schema=makers.schema)
    restricted = path_of(members, any_of("Dataset", datasets)).elements
    joined = ExplicitLink((ColumnName(asset.name),), (made,))
    output = path_of(makers, equals("Asset_Role", "Output")).elements
    path = Path(Root(name_of(members), alias="m"), (*restricted, joined, *output))
    keys = (Item(ColumnName("Dataset", qualifier="m")), Item(ColumnName("Execution")))
    return AttributeGroupQuery(path, keys)
