"""What a wide table would be, without making it: its plan in plain values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from deriva_catalog.model.elements import Table
from deriva_ml.core.disk import size_text
from deriva_ml.core.exceptions import (
    DerivaMLDenormalizeAmbiguousPath,
    DerivaMLException,
    translated,
)
from deriva_ml.core.query import attributes, name_of
from deriva_ml.core.session import Session

from .grain import candidates, choose_grain, rises
from .graph import Graph, key_of, tables_on
from .plan import Plan, make_plan
from .request import Request, Tables, find_table, resolve
from .scope import Anchors, find_scope
from .ways import ambiguities
from .wide_table import (
    Source,
    WideTable,
    between_tables,
    columns_of,
    joined_tables,
    orphan_count,
)

__all__ = ["describe", "estimate_size", "schema_paths"]

Description = dict[str, Any]

_SAMPLE = 100


def describe(
    find_source: Callable[[], Source],
    include_tables: Tables,
    *,
    row_per: str | Table | None = None,
    via: Tables = None,
    ignore_unrelated_anchors: bool = False,
) -> Description:
    """What a wide table would be; what stands in its way is among the ``warnings``.

    Never raises one of our errors. All keys are always there; what is not known is None, or
    empty.

    Args:
        find_source: Gives where the rows come from, which may fail.
        include_tables: See `make_wide_table`, as for the others.
        row_per: What a row stands for.
        via: Tables that lead from one to another.
        ignore_unrelated_anchors: Whether members that have nothing to do with it are left out.
    """
    found = _empty(include_tables, row_per, via)
    try:
        with translated():
            source = find_source()
            found["source"] = source.kind
            _fill(found, source, (include_tables, row_per, via), ignore_unrelated_anchors)
    except DerivaMLException as error:
        found["warnings"].append(str(error))
    return found


def _empty(include: Tables, row_per: Any, via: Tables) -> Description:
    return {
        "row_per": None,
        "row_per_source": "auto-inferred" if row_per is None else "explicit",
        "row_per_candidates": [],
        "columns": [],
        "include_tables": _names(include),
        "via": _names(via),
        "join_path": [],
        "transparent_intermediates": [],
        "ambiguities": [],
        "estimated_row_count": {
            "in_scope_row_per_rows": None,
            "orphan_rows": None,
            "total": None,
        },
        "anchors": {"total": 0, "by_type": {}},
        "source": None,
        "warnings": [],
    }


def _names(given: Any) -> list[str]:
    if given is None:
        return []
    listed = given if isinstance(given, Iterable) and not isinstance(given, str) else [given]
    return [t.name if isinstance(t, Table) else str(t) for t in listed]


def _fill(
    found: Description, source: Source, asked: tuple[Tables, Any, Tables], ignore: bool
) -> None:
    anchors = source.anchors()
    found["anchors"] = {"total": sum(anchors.counts.values()), "by_type": anchors.counts}
    graph = source.graph()
    include, row_per, via = asked
    request = resolve(graph, include, row_per, via)
    found["row_per_candidates"] = [a.label for a in candidates(graph, request)]
    grain = choose_grain(graph, request)
    found["row_per"] = _label(request, grain)
    found["ambiguities"] = [_ambiguity(e) for e in ambiguities(graph, request, grain)]
    plan = make_plan(graph, include, row_per, via)
    found["columns"] = columns_of(plan)
    found["join_path"] = joined_tables(plan)
    found["transparent_intermediates"] = between_tables(plan)
    _count(found, source, plan, anchors, ignore)


def _label(request: Request, table: Table) -> str:
    return next(a.label for a in request.include if key_of(a.table) == key_of(table))


def _ambiguity(error: DerivaMLDenormalizeAmbiguousPath) -> Description:
    return {
        "from_table": error.from_table,
        "to_table": error.to_table,
        "paths": error.paths,
        "suggested_intermediates": error.suggested_intermediates,
    }


def _count(found: Description, source: Source, plan: Plan, anchors: Anchors, ignore: bool) -> None:
    scope = find_scope(source.session, plan.graph, plan.grain, anchors)
    if scope.unrelated:
        left_out = "are left out" if ignore else "would be refused"
        found["warnings"].append(
            f"Members of {list(scope.unrelated)} have nothing to do with {plan.grain.name!r} and "
            f"{left_out}."
        )
    orphans = orphan_count(WideTable(source.session, plan, anchors, scope))
    found["estimated_row_count"] = {
        "in_scope_row_per_rows": len(scope.rids),
        "orphan_rows": orphans,
        "total": len(scope.rids) + orphans,
    }


# --- ways between tables -----------------------------------------------------------------


@translated()
def schema_paths(source: Source, tables: Tables = None) -> Description:
    """How the tables that a dataset's members lead to are linked.

    Returns:
        ``member_types`` and ``anchor_types``: names of tables with members, and of those that the
        rows of a wide table are found from (the same, unless rows were given themselves).
        ``reachable_tables``, ``association_tables``, ``feature_tables``: names of tables.
        ``schema_paths``: for each pair of table names the ways from the first, which refers to
        the second, perhaps over others: ``path`` with the names of all tables, ``direct`` when
        there is none between.
    """
    graph, anchors = source.graph(), source.anchors()
    starts = list(anchors.tables.values())
    near = graph.connected(starts) if starts else set()
    reachable = [t for k, t in sorted(graph.tables.items()) if k in near]
    asked = _listed(graph, tables) if tables is not None else reachable
    members = anchors.tables if anchors.members is None else anchors.members
    return {
        "member_types": sorted(name for _, name in members),
        "anchor_types": sorted(t.name for t in starts),
        "reachable_tables": sorted(t.name for t in reachable),
        "association_tables": sorted(t.name for t in reachable if _links(graph, t)),
        "feature_tables": sorted(t.name for t in reachable if key_of(t) in graph.features),
        "schema_paths": _paths(graph, asked),
    }


def _listed(graph: Graph, tables: Tables) -> list[Table]:
    given = [tables] if isinstance(tables, str | Table) else list(tables or ())
    return [find_table(graph, t) for t in given]


def _links(graph: Graph, table: Table) -> bool:
    return key_of(table) in graph.associations and key_of(table) not in graph.features


def _paths(graph: Graph, tables: list[Table]) -> dict[tuple[str, str], list[Mapping[str, Any]]]:
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for start in tables:
        for goal in tables:
            if key_of(start) == key_of(goal):
                continue
            for way in graph.ways(start, goal, rises(graph)):
                path = [t.name for t in tables_on(start, way)]
                ways = found.setdefault((start.name, goal.name), [])
                ways.append({"path": path, "direct": len(way) == 1})
    return found


# --- sizes -------------------------------------------------------------------------------


def estimate_size(
    session: Session, include_tables: Tables, row_per: str | Table | None = None, via: Tables = None
) -> Description:
    """How large a wide table over the whole catalog would be.

    Returns:
        ``row_per``, ``columns`` (names and types), ``join_path``; ``tables`` with ``row_count``
        and ``estimated_bytes`` of each table joined; ``row_count``, ``estimated_bytes`` and
        ``estimated_size`` (as ``1.2 GB``) of the wide table, as CSV text. Bytes follow from up
        to 100 rows of each table.

    Cost: two queries for each table.
    """
    with translated():
        plan = make_plan(Graph(session.model), include_tables, row_per, via)
        rows, width, tables = 0.0, 0.0, {}
        counts: list[int] = []
        for place, node in enumerate(plan.nodes):
            count = session.catalog.count(name_of(node.table))
            each = _mean_bytes(session, plan, place)
            counts.append(count)
            tables[node.table.name] = {"row_count": count, "estimated_bytes": round(each * count)}
            if node.parent is None:
                rows = float(count)
            elif node.step is not None and not node.step.up:
                rows *= max(1.0, count / max(counts[node.parent], 1))
            width += each
    return {
        "row_per": _label(plan.request, plan.grain),
        "columns": columns_of(plan),
        "join_path": joined_tables(plan),
        "tables": tables,
        "row_count": round(rows),
        "estimated_bytes": round(rows * width),
        "estimated_size": size_text(round(rows * width)),
    }


def _mean_bytes(session: Session, plan: Plan, place: int) -> float:
    """The mean length of a row's shown columns as CSV text."""
    names = [c.column.name for c in plan.shown(place)]
    if not names:
        return 0.0
    rows = session.fetch(attributes(plan.nodes[place].table, names, limit=_SAMPLE))
    texts = ("" if v is None else str(v) for row in rows for v in row.values())
    return sum(len(t.encode()) + 1 for t in texts) / max(len(rows), 1)
