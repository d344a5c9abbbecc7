"""Rows that feature values refer to are looked up when the values are staged, as terms are.

A wrong RID is then told where it was given, while the run can still be mended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from deriva_catalog.interface import RowLocation
from deriva_catalog.model.elements import Table
from deriva_catalog.path.ast import ColumnName, Comparison, Operator, Query
from deriva_ml.core.exceptions import DerivaMLRidsNotFound
from deriva_ml.core.query import any_of, attributes, path_of
from deriva_ml.feature.definition import EXECUTION, Feature

from .run import Run

__all__ = ["check_rows"]

_SHOWN = 10
_FEW = 20
"""For so many RIDs the rows that follow are read along."""
_AHEAD = 1000
"""How many rows these are; more RIDs than that are counted, and read if some are missing."""


def check_rows(run: Run, feature: Feature, rows: Iterable[Mapping[str, Any]]) -> None:
    """Refuse values of a feature that name no row of the table that they refer to.

    Marks for files that get their RIDs with the commit are passed over, and so are tables that the
    commit inserts rows of.

    Args:
        run: The execution.
        feature: The feature.
        rows: The values as rows of its table.

    Cost:
        One query for each table that is referred to by RID; what was read before is known, with
        a thousand rows more where few are asked for. Without a connection nothing is looked up,
        and the upload refuses what is no row.

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
        name = f"{reference.referenced_schema}:{reference.referenced_table}"
        known = run.feature_rows.setdefault(name, set())
        given = {v for row in values if isinstance(v := row.get(column), str)}
        unseen = sorted(given - known)
        if not unseen or name in run.facts.get("tables", {}):
            continue
        table = run.session.table(name)
        known |= _found(run, table, unseen)
        if missing := sorted(given - known):
            _refuse(run, feature, column, table, missing)


def _found(run: Run, table: Table, rids: Sequence[str]) -> set[str]:
    """Those of the RIDs that are rows of the table, and perhaps others."""
    found: set[str] = set()
    if len(rids) <= _FEW:  # whoever gives value by value goes on with the next rows, mostly
        ahead = Comparison(ColumnName("RID"), Operator.GEQ, rids[0])
        found |= _rids(run, attributes(table, ("RID",), ahead, sort=("RID",), limit=_AHEAD))
    if rest := [rid for rid in rids if rid not in found]:
        mine = any_of("RID", rest)
        if len(rest) > _AHEAD and run.session.catalog.count(path_of(table, mine)) == len(rest):
            return found.union(rest)
        found |= _rids(run, attributes(table, ("RID",), mine))
    return found


def _rids(run: Run, query: Query) -> set[str]:
    return {row["RID"] for row in run.session.fetch(query)}


def _refuse(run: Run, feature: Feature, column: str, table: Table, missing: Sequence[str]) -> None:
    """Refuse what is no row of the table; a row that is there but may not be read passes."""
    places = run.session.catalog.resolve_rids(missing)
    wrong = [rid for rid in missing if not _is_row(rid, places.get(rid), table)]
    if not wrong:
        run.feature_rows[table.qualified].update(missing)
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
