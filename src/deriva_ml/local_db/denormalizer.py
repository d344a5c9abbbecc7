"""Wide tables as an object: of a dataset, or of rows that are given themselves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Self

from deriva_catalog.model.elements import Table
from deriva_ml.core.exceptions import DerivaMLRidsNotFound, DerivaMLValidationError, translated
from deriva_ml.core.session import Session
from deriva_ml.dataset import denormalized as _denormalized
from deriva_ml.dataset.versions import DatasetVersion
from deriva_ml.denormalize import Source, anchors_of_rows, feature_values
from deriva_ml.denormalize.rows import rows_by_rid
from deriva_ml.feature.record import FeatureRecord, Selector, reduce_with_selector

if TYPE_CHECKING:
    from deriva_ml.core.base import DerivaML
    from deriva_ml.dataset.bag import DatasetBag
    from deriva_ml.dataset.dataset import Dataset
    from deriva_ml.feature.definition import Feature

__all__ = ["Denormalizer"]

Version = DatasetVersion | str | None


class Denormalizer:
    """Makes wide tables of a dataset, live or in a bag.

    Args:
        dataset: The dataset.
        version: Which version of it; None means as it is.
    """

    def __init__(self, dataset: Dataset | DatasetBag, *, version: Version = None) -> None:
        self._source = dataset.denormalization_source(version)

    @classmethod
    @translated()
    def from_rids(
        cls,
        anchors: Iterable[str | tuple[str | Table, str]],
        *,
        ml: DerivaML | DatasetBag | None = None,
        dataset_rid: str | None = None,
        version: Version = None,
    ) -> Self:
        """Makes wide tables of what belongs to some rows, in place of a dataset's members.

        Args:
            anchors: RIDs, or pairs of a table and a RID, which saves looking up their tables.
            ml: The connection, or a bag; must be given.
            dataset_rid: The dataset whose memberships count where a table of memberships is asked
                for; needed for a version.
            version: Which version of that dataset the rows are read at.

        Raises:
            DerivaMLRidsNotFound: Some rows do not exist, or are not in the table given.
            DerivaMLValidationError: `ml` is not given, or a version without a dataset.
        """
        if ml is None:
            raise DerivaMLValidationError("Say where the rows are: give ml, a connection or a bag.")
        if version is not None and dataset_rid is None:
            raise DerivaMLValidationError("A version is one of a dataset: give dataset_rid, too.")
        datasets = ml.datasets
        if dataset_rid is not None:
            datasets = datasets.at_version(dataset_rid, version)
        session = datasets.session
        rows, tables = _located(session, list(anchors))
        family: tuple[str, ...] = ()
        if dataset_rid is not None:
            family = (dataset_rid, *datasets.children(dataset_rid, recurse=True))
        given = anchors_of_rows(rows, tables, family)
        made = object.__new__(cls)
        bag = getattr(ml, "denormalization_source", None)
        kind = bag().kind if bag else "snapshot" if session.is_snapshot else "catalog"
        made._source = Source(session, kind, dataset_rid, given)
        return made

    def denormalization_source(self, version: Version = None) -> Source:
        """Where the rows come from.

        Raises:
            DerivaMLValidationError: A version is given; it is chosen when this is made.
        """
        if version is not None:
            raise DerivaMLValidationError(
                "A Denormalizer is of one version: make another one with version=..."
            )
        return self._source

    as_dataframe = _denormalized.get_denormalized_as_dataframe
    as_dict = _denormalized.get_denormalized_as_dict
    columns = _denormalized.list_denormalized_columns
    describe = _denormalized.describe_denormalized
    list_paths = _denormalized.list_schema_paths

    def feature_records(
        self, feature: str | Feature, *, selector: Selector | None = None
    ) -> Iterator[FeatureRecord]:
        """Values of a feature about rows that belong to the dataset, in the order of the rows.

        Args:
            feature: A feature, its name, or ``Table:name`` where several tables have it.
            selector: Chooses one value for each row (and qualifiers); None keeps all.

        Raises:
            DerivaMLTableNotFound: There is no such feature.
            DerivaMLDenormalizeError: Several tables have a feature of that name.
        """
        with translated():
            found, records = feature_values(self._source, feature)
        if selector is None:
            return iter(records)
        qualifiers = found.qualifier_columns
        return reduce_with_selector(records, found.target_column, selector, qualifiers)


def _located(
    session: Session, anchors: list[str | tuple[str | Table, str]]
) -> tuple[dict[tuple[str, str], list[str]], dict[tuple[str, str], Table]]:
    """The rows by their tables.

    Raises:
        DerivaMLRidsNotFound: Some are not there, or not in the table that they were given with.

    Cost: a few queries for the RIDs that are alone, one for each table of the others.
    """
    rids: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    tables: dict[tuple[str, str], Table] = {}
    alone = [a for a in anchors if isinstance(a, str)]
    found = session.catalog.resolve_rids(alone) if alone else {}
    places = {rid: place for rid, place in found.items() if place.deleted_at is None}
    missing = {rid for rid in alone if rid not in places}
    said: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for anchor in anchors:
        if isinstance(anchor, str):
            if anchor in missing:
                continue
            place = places[anchor]
            table, rid = session.table(f"{place.schema}:{place.table}"), anchor
        else:
            table, rid = session.table(anchor[0]), anchor[1]
            said[table.schema, table.name].add(rid)
        key = (table.schema, table.name)
        tables[key] = table
        rids[key].append(rid)
    for key, wanted in said.items():
        there = rows_by_rid(session, tables[key], ["RID"], sorted(wanted)).columns["RID"]
        missing |= wanted.difference(there.tolist())
    if missing:
        raise DerivaMLRidsNotFound(sorted(missing))
    return dict(rids), tables
