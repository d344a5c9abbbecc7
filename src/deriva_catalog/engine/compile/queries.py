"""From a query to one statement.

Entity and attribute queries have one row for each row of the context; attributegroup and
aggregate work on the joined relation. Where the path's foreign keys say that no row can come
twice, nothing is grouped and the statement is a plain join.

Source: ERMrest, "path semantics" and "Reading".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from ...model.elements import Model, Table
from ...path.ast import (
    Aggregate,
    AggregateQuery,
    AttributeGroupQuery,
    AttributeQuery,
    ColumnName,
    EntityQuery,
    Item,
    Path,
    Query,
    Star,
    Window,
)
from ...path.ast import Rights as RightsOfRow
from ...path.check import check_path, check_query
from ..dialect import Expressions, Rights, Stored, owner_rights
from ..resolve import Resolved, resolve
from .filters import searches_texts
from .guarded import Source
from .outputs import (
    SENSITIVE,
    Compiled,
    Output,
    Wanted,
    column_outputs,
    grouped_output,
    late_rights,
    plain_output,
    row_of_rights,
    single_output,
    wanted,
)
from .relation import (
    Relation,
    Setting,
    among,
    build,
    build_rows,
    check_touched,
    closure,
    identity,
    joined_instances,
    nullable_instances,
    pruned,
)
from .windows import is_last_page, order_by, page_tests, sort_keys

_Make = Callable[[Wanted, Relation, Setting], Output]


def compile_query(
    query: Query,
    model: Model,
    source: Source,
    expressions: Expressions,
    rights: Rights = owner_rights,
    *,
    has_costly_rights: Callable[[Table], bool] | None = None,
) -> Compiled:
    """Compile a query to one statement.

    Args:
        query: What to read.
        model: The model that its names belong to.
        source: Where the rows of a table come from; ``.c`` is keyed by column names.
        expressions: How the database says things.
        rights: What the caller may do with a row, for ``trs`` and ``tcrs``.
        has_costly_rights: Whether those on a table's rows are worked out for each row; then
            they are for no row but the page's.

    Raises:
        BadRequest: the query is malformed, or a literal is no number for a numeric column.
        UnknownName: it names a table, column or alias that does not exist.
        Conflict: it is ambiguous, or something does not fit the type of a column.
        CatalogError: what `source` raises for a table, or a guarded table for a column.
    """
    check_query(query)
    searches = searches_texts(query.path)
    setting = Setting(model, source, expressions, rights, has_costly_rights, searches)
    resolved = resolve(query.path, model)
    match query:
        case EntityQuery(_, window):
            items = wanted([Item(Star())], resolved)
            return _rows_of_context(resolved, setting, items, window, entity=True)
        case AttributeQuery(_, given, window):
            items = wanted(given, resolved)
            return _rows_of_context(resolved, setting, items, window, entity=False)
        case AttributeGroupQuery(_, keys, values, window):
            found = wanted([*keys, *values], resolved)
            count = len(wanted(keys, resolved))
            return _groups(resolved, setting, found[:count], found[count:], window)
        case AggregateQuery(_, values, limit):
            return _aggregate(resolved, setting, wanted(values, resolved), limit)


def compile_rows(
    path: Path,
    model: Model,
    source: Source,
    expressions: Expressions,
) -> tuple[Table, sa.Select[Any]]:
    """The context's table, and the statement for the identities (RIDs) of its rows, each once.

    Raises:
        BadRequest, UnknownName, Conflict: as `compile_query`.
    """
    check_path(path)
    setting = Setting(model, source, expressions, owner_rights, searches=searches_texts(path))
    resolved = resolve(path, model)
    check_touched(resolved, setting)
    context = resolved.context
    relation = build_rows(resolved, setting, context, {context})
    assert relation is not None, "the context determines itself"
    here = relation.columns[context]
    names = identity(resolved.table, here)
    chosen = relation.select(*(here[n].label(n.strip("\0")) for n in names))
    return resolved.table, chosen


# --- entity and attribute ----------------------------------------------------------------


def _rows_of_context(
    resolved: Resolved, setting: Setting, items: list[Wanted], window: Window, *, entity: bool
) -> Compiled:
    check_touched(resolved, setting)
    context = resolved.context
    needed = {context}.union(*(item.instances for item in items))
    plan = _Plan(resolved, setting, context, items, plain_output, window, entity)
    relation = build_rows(resolved, setting, context, needed)
    if relation is not None:
        return _windowed(plan, relation)
    # Some value comes from an instance with many rows for one of the context: take one of them.
    whole = build(pruned(resolved, needed), setting, "i")
    outputs = [plain_output(item, whole, setting) for item in items]
    here = whole.columns[context]
    keys = [here[name] for name in identity(resolved.table, here)]
    if context in whole.nullable:
        whole.where.append(keys[0].is_not(None))
    picked = setting.expressions.one_row_per(whole.select(*_labelled(outputs)), keys)
    return _over_subquery(plan, picked, outputs)


# --- attributegroup and aggregate --------------------------------------------------------


def _groups(
    resolved: Resolved,
    setting: Setting,
    keys: list[Wanted],
    values: list[Wanted],
    window: Window,
) -> Compiled:
    check_touched(resolved, setting)
    items = [*keys, *values]
    absent = nullable_instances(resolved)
    for start in _determining(resolved, keys):
        if start in absent:
            continue
        needed = {start}.union(*(item.instances for item in items))
        path = pruned(resolved, needed)
        if _counts(values) and not joined_instances(path) <= closure(path, start).keys():
            continue
        relation = build_rows(resolved, setting, start, needed)
        if relation is not None:
            plan = _Plan(resolved, setting, start, items, single_output, window)
            return _windowed(plan, relation)
    needed = set[int]().union(*(item.instances for item in items))
    whole = build(pruned(resolved, needed), setting, "i")
    outputs = [plain_output(key, whole, setting) for key in keys]
    grouping = [output.value for output in outputs]
    late = [value for value in values if _is_costly(value, setting)]
    outputs += [_grouped(value, whole, setting) for value in values]
    plan = _Plan(resolved, setting, resolved.context, items, grouped_output, window)
    inner = whole.select(*_labelled(outputs)).group_by(*grouping)
    return _over_subquery(plan, inner, outputs, late)


def _grouped(item: Wanted, whole: Relation, setting: Setting) -> Output:
    """An output of a group; where rights are costly, the row that they will be worked out for."""
    if not _is_costly(item, setting):
        return grouped_output(item, whole, setting)
    row = row_of_rights(item, whole)
    return replace(row, value=setting.expressions.any_value(row.value))


def _is_costly(item: Wanted, setting: Setting) -> bool:
    if setting.has_costly_rights is None or not isinstance(item.expression, RightsOfRow):
        return False
    assert item.instance is not None, "rights are those on a row"
    return setting.has_costly_rights(item.instance.table)


def _determining(resolved: Resolved, keys: list[Wanted]) -> list[int]:
    """The instances of which the group keys hold a whole key: one group is one of their rows."""
    named: dict[int, set[str]] = {}
    for item in keys:
        if isinstance(item.expression, ColumnName) and item.instance and item.column:
            named.setdefault(item.instance.index, set()).add(item.column)
    found = []
    for index, columns in named.items():
        table = resolved.instances[index].table
        for key in table.keys:
            if columns.issuperset(key.columns) and not any(
                table.by_name[c].nullok for c in key.columns
            ):
                found.append(index)
                break
    return found


def _counts(values: Sequence[Wanted]) -> bool:
    """Whether some value depends on how often a row is joined."""
    return any(
        isinstance(v.expression, Aggregate) and v.expression.function in SENSITIVE for v in values
    )


def _aggregate(
    resolved: Resolved, setting: Setting, items: list[Wanted], limit: int | None
) -> Compiled:
    check_touched(resolved, setting)
    needed = {resolved.context}.union(*(item.instances for item in items))
    relation = build(pruned(resolved, needed), setting, "i")
    outputs = [grouped_output(item, relation, setting) for item in items]
    plan = _Plan(resolved, setting, resolved.context, items, grouped_output, Window(limit=limit))
    return _over_subquery(plan, relation.select(*_labelled(outputs)), outputs)


# --- windows over them -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Plan:
    """What to make of a relation that has one row for each row of the instance `start`."""

    resolved: Resolved
    setting: Setting
    start: int
    items: list[Wanted]
    make: _Make
    window: Window
    entity: bool = False


def _windowed(plan: _Plan, relation: Relation) -> Compiled:
    """The outputs over a relation that need not be grouped, sorted and cut."""
    window, expressions = plan.window, plan.setting.expressions
    outputs = [plan.make(item, relation, plan.setting) for item in plan.items]
    keys = sort_keys(window, outputs, expressions, entity=plan.entity)
    values = tuple(output.value for output in outputs)
    columns = column_outputs(outputs)
    page = _page_first(plan, relation, outputs)
    if page is not None:
        select = page.select(*_labelled(outputs)).order_by(*order_by(keys))
        return Compiled(select, columns, values, expressions)
    select = relation.select(*_labelled(outputs)).where(*page_tests(window, keys, expressions))
    select = select.order_by(*order_by(keys)).limit(window.limit)
    return Compiled(select, columns, values, expressions)


def _page_first(plan: _Plan, relation: Relation, outputs: Sequence[Output]) -> Relation | None:
    """The relation cut to the rows of the page, which are found before the rest is looked up.

    Left joins that only supply values, and values that are made of whole rows, then cost
    something for the rows of the page only. None when there is nothing to gain.
    """
    window, setting = plan.window, plan.setting
    sorted_by = {key.name for key in window.sort}
    needed = {plan.start}.union(*(o.instances for o in outputs if o.name in sorted_by))
    backwards = is_last_page(window)
    if window.limit is None or not window.sort:
        return None
    small = pruned(plan.resolved, needed)
    costly = any(_is_costly(item, setting) for item in plan.items)
    smaller = joined_instances(small) != joined_instances(plan.resolved)
    if not (backwards or costly or smaller):
        return None
    narrow = build_rows(plan.resolved, setting, plan.start, needed)
    if narrow is None:
        return None
    made = [plan.make(item, narrow, setting) for item in plan.items if item.name in sorted_by]
    keys = sort_keys(window, made, setting.expressions, entity=plan.entity)
    rows = narrow.columns[plan.start]
    names = identity(plan.resolved.instances[plan.start].table, rows)
    found = (
        narrow.select(*(rows[name] for name in names))
        .where(*page_tests(window, keys, setting.expressions))
        .order_by(*order_by(keys, backwards=backwards))
        .limit(window.limit)
    )
    here = [relation.columns[plan.start][name] for name in names]
    test = among(here, sa.select(found.subquery("p")))
    return replace(relation, where=[test])


def _over_subquery(
    plan: _Plan, inner: sa.Select[Any], outputs: list[Output], late: Sequence[Wanted] = ()
) -> Compiled:
    """The rows of a grouped statement, sorted and cut; then the rights that are `late`."""
    window, expressions = plan.window, plan.setting.expressions
    rows = inner.subquery("g")
    made = [replace(o, value=rows.c[f"o{i}"]) for i, o in enumerate(outputs)]
    keys = sort_keys(window, made, expressions, entity=plan.entity)
    tests = page_tests(window, keys, expressions)
    backwards = is_last_page(window)
    values = tuple(o.value for o in made)
    order = order_by(keys, backwards=backwards)
    select = sa.select(*_labelled(made)).where(*tests).order_by(*order).limit(window.limit)
    if backwards or late:
        rows = select.subquery("b")
        made = [replace(o, value=rows.c[f"o{i}"]) for i, o in enumerate(outputs)]
        keys = sort_keys(window, made, expressions, entity=plan.entity)
        rights = {one.name: one for one in late}
        made = [
            replace(o, value=late_rights(rights[o.name], o.value, plan.setting))
            if o.name in rights
            else o
            for o in made
        ]
        values = tuple(o.value for o in made)
        select = sa.select(*_labelled(made)).order_by(*order_by(keys))
    return Compiled(select, column_outputs(outputs), values, expressions)


def _labelled(outputs: Sequence[Output]) -> list[sa.Label[Any]]:
    """The outputs under names that no query has chosen, untouched on their way out."""
    return [sa.type_coerce(o.value, Stored()).label(f"o{i}") for i, o in enumerate(outputs)]
