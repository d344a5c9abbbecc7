"""Rows that feature values refer to are looked up when the values are staged, as terms are.

A wrong RID is then told where it was given, while the run can still be mended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from deriva_catalog.interface import RowLocation
from deriva_catalog.model.elements import Table
from deriva_ml.core.exceptions import DerivaMLRidsNotFound
from deriva_ml.core.query import any_of, attributes, path_of
from deriva_ml.feature.definition import EXECUTION, Feature

from .run import Run

__all__ = ["check_rows"]

_SHOWN = 10


def check_rows(run: Run, feature: Feature, rows: Iterable[Mapping[str, Any]]) -> None:
    """Refuse values of a feature that name no row of the table that they refer to.

    Marks for files that get their RIDs with the commit are passed over, and so are tables that the
    commit inserts rows of.

    Args:
        run: The execution.
        feature: The feature.
        rows: The values as rows of its table.

    Cost:
        One query for each table that is referred to by RID; RIDs that were looked up before are
        known. Without a connection nothing is looked up, and the upload refuses what is no row.

    Raises:
        DerivaMLRidsNotFound: A value names no row, or one of another table.
    """
    if run.session.is_offline:
        return
    values = list(rows)
    for reference in feature.feature_table.foreign_keys:
        (column, *_), referenced = reference.columns, reference.referenced_columns
        if referenced != ("RID",) or column == EXECUTION:
            continue
        schema = run.session.model.schemas[reference.referenced_schema]
        table = schema.tables[reference.referenced_table]
        known = run.feature_rows.setdefault(table.qualified, set())
        given = {v for row in values if isinstance(v := row.get(column), str)}
        unseen = sorted(given - known)
        if not unseen or table.qualified in run.facts.get("tables", {}):
            continue
        if run.session.catalog.count(path_of(table, any_of("RID", unseen))) != len(unseen):
            _refuse_missing(run, feature, column, table, unseen)
        known.update(unseen)


def _refuse_missing(
    run: Run, feature: Feature, column: str, table: Table, rids: Sequence[str]
) -> None:
    """Refuse the RIDs that no row of the table has; rows that may only be referred to pass."""
    query = attributes(table, ("RID",), any_of("RID", rids))
    found = {row["RID"] for row in run.session.fetch(query)}
    missing = [rid for rid in rids if rid not in found]
    places = run.session.catalog.resolve_rids(missing)
    wrong = [rid for rid in missing if not _is_row(rid, places.get(rid), table)]
    if not wrong:
        return
    shown = ", ".join(f"{rid!r} ({_where(places.get(rid))})" for rid in wrong[:_SHOWN])
    more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
    raise DerivaMLRidsNotFound(
        wrong,
        f"{column} of feature {str(feature)!r} is the RID of a row of table {table.name!r}, not "
        f"{shown}{more}. None of the values is kept.",
    )


def _is_row(rid: str, place: RowLocation | None, table: Table) -> bool:
    if place is None or place.deleted_at is not None or place.rid != rid:
        return False
    return (place.schema, place.table) == (table.schema, table.name)


def _where(place: RowLocation | None) -> str:
    if place is None:
        return "no row of this catalog"
    deleted = f", deleted at {place.deleted_at}" if place.deleted_at is not None else ""
    return f"of table {place.table!r}{deleted}"
