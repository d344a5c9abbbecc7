"""From a resolved path to a FROM clause: joins, filters, and which rows determine which.

An instance B is *determined* by an instance A when each row of A meets at most one row of B:
the join equates all columns of some key of B. What is determined by the context can be joined
without producing its rows twice; everything else has to become an existence test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from ...errors import BadRequest
from ...model.elements import Model, Table
from ...path.ast import And, ColumnName, Comparison, Filter, IsNull, Not, Or, Outer
from ..dialect import Expressions, Rights, Test, Value
from ..resolve import Condition, Instance, Join, Resolved
from .filters import predicate
from .guarded import ROW, Columns, Guarded, Readable, Source


@dataclass(frozen=True, slots=True)
class Setting:
    """What every part of the compilation of one query needs."""

    model: Model
    source: Source
    expressions: Expressions
    rights: Rights
    has_costly_rights: Callable[[Table], bool] | None = None
    searches: bool = False


@dataclass(slots=True)
class Relation:
    """Joined instances: a FROM clause, conditions, and the columns of each instance.

    `nullable` holds the instances that are absent (all NULL) in some rows.
    """

    joined: sa.FromClause
    columns: dict[int, Columns]
    where: list[Test] = field(default_factory=list)
    nullable: set[int] = field(default_factory=set)

    def select(self, *columns: Value) -> sa.Select[Any]:
        """A statement over the relation."""
        return sa.select(*columns).select_from(self.joined).where(*self.where)


def identity(table: Table, columns: Columns) -> tuple[str, ...]:
    """The columns that tell rows apart: RID, else the shortest key without nullable columns."""
    if ROW in columns:
        return (ROW,)
    if "RID" in table.by_name:
        return ("RID",)
    keys = [k.columns for k in table.keys if not any(table.by_name[c].nullok for c in k.columns)]
    if not keys:
        raise BadRequest(
            f"Table {table.qualified!r} has no key, so its rows cannot be told apart.",
            hint="Read it with attributegroup.",
        )
    return min(keys, key=len)


# --- which rows determine which ----------------------------------------------------------


def _is_key(table: Table, columns: Iterable[str]) -> bool:
    given = set(columns)
    return any(given.issuperset(key.columns) for key in table.keys)


def leads_to_one(resolved: Resolved, join: Join, *, forward: bool) -> bool:
    """Whether a row on one side of a join meets at most one row on the other."""
    if len(join.alternatives) != 1:
        return False
    target = join.right if forward else join.left
    columns = [pair[1 if forward else 0] for pair in join.alternatives[0]]
    return _is_key(resolved.instances[target].table, columns)


def closure(resolved: Resolved, start: int) -> dict[int, Join | None]:
    """The instances that `start` determines, each with a join that leads to it, in order.

    A join is given with the known side on its left, whichever way the path wrote it.
    """
    found: dict[int, Join | None] = {start: None}
    joins = [s for s in resolved.steps if isinstance(s, Join)]
    grown = True
    while grown:
        grown = False
        for join in joins:
            if join.outer in (Outer.RIGHT, Outer.FULL):
                continue
            if join.left in found and join.right not in found:
                if leads_to_one(resolved, join, forward=True):
                    found[join.right] = join
                    grown = True
            elif (
                join.right in found
                and join.left not in found
                and join.outer is None
                and leads_to_one(resolved, join, forward=False)
            ):
                found[join.left] = _reversed(join)
                grown = True
    return found


def _reversed(join: Join) -> Join:
    turned = tuple(tuple((b, a) for a, b in pairs) for pairs in join.alternatives)
    return Join(join.right, join.left, turned)


def mentioned(resolved: Resolved, condition: Condition) -> set[int]:
    """The instances whose columns a filter names."""
    found: set[int] = set()

    def visit(term: Filter) -> None:
        match term:
            case And(terms) | Or(terms):
                for one in terms:
                    visit(one)
            case Not(one):
                visit(one)
            case IsNull(column) | Comparison(ColumnName() as column):
                found.add(resolved.column(column, condition.context).instance.index)
            case Comparison(star):
                assert not isinstance(star, ColumnName), "columns are handled above"
                found.add(resolved.star(star, condition.context).index)

    visit(condition.filter)
    return found


def pruned(resolved: Resolved, needed: Iterable[int]) -> Resolved:
    """The path without left joins that neither add rows nor supply anything that is needed."""
    if any(isinstance(s, Join) and s.outer in (Outer.RIGHT, Outer.FULL) for s in resolved.steps):
        return resolved
    used = set(needed)
    kept: list[Join | Condition] = []
    for step in reversed(resolved.steps):
        if isinstance(step, Condition):
            used |= mentioned(resolved, step)
        elif (
            step.outer is Outer.LEFT
            and step.right not in used
            and leads_to_one(resolved, step, forward=True)
        ):
            continue
        else:
            used |= {step.left, step.right}
        kept.append(step)
    if len(kept) == len(resolved.steps):
        return resolved
    return replace(resolved, steps=tuple(reversed(kept)))


def joined_instances(resolved: Resolved) -> set[int]:
    """The instances that the steps of a path join."""
    joins = [s for s in resolved.steps if isinstance(s, Join)]
    return {0, *(j.left for j in joins), *(j.right for j in joins)}


def nullable_instances(resolved: Resolved) -> set[int]:
    """The instances that outer joins leave absent in some rows."""
    found: set[int] = set()
    known = {0}
    for step in resolved.steps:
        if not isinstance(step, Join):
            continue
        if step.outer in (Outer.RIGHT, Outer.FULL):
            found |= known
        if step.outer in (Outer.LEFT, Outer.FULL):
            found.add(step.right)
        known.add(step.right)
    return found


# --- FROM clauses ------------------------------------------------------------------------


def build(resolved: Resolved, setting: Setting, prefix: str) -> Relation:
    """The whole relation that a path denotes; `prefix` begins the names of its instances."""
    joins = sum(isinstance(s, Join) for s in resolved.steps)
    if joins >= setting.expressions.most_joined:
        raise BadRequest(
            f"The path joins {joins + 1} tables; at most {setting.expressions.most_joined} can be.",
            hint="Ask for less at once.",
        )
    relation = _start(resolved.instances[0], setting, prefix)
    for step in resolved.steps:
        if isinstance(step, Join):
            _join(relation, step, resolved, setting, prefix)
        else:
            relation.where.append(predicate(step, resolved, relation.columns, setting.expressions))
    return relation


def build_rows(
    resolved: Resolved, setting: Setting, start: int, needed: set[int]
) -> Relation | None:
    """A relation with one row for each row of `start` that the path reaches.

    It has the columns of all instances in `needed`; None when `start` does not determine them.
    """
    path = pruned(resolved, needed | {start})
    reached = closure(path, start)
    if joined_instances(path) <= reached.keys():
        relation = build(path, setting, "i")
        if start not in relation.nullable:
            return relation
    if not needed <= reached.keys():
        return None
    relation = _start(resolved.instances[start], setting, "r")
    for join in _route(reached, needed):
        _join(relation, join, resolved, setting, "r")
    relation.where.append(reached_test(path, setting, relation, start))
    return relation


def reached_test(resolved: Resolved, setting: Setting, relation: Relation, start: int) -> Test:
    """Whether a row of `start` in `relation` is among those that the path reaches."""
    names = identity(resolved.instances[start].table, relation.columns[start])
    whole = build(resolved, setting, "i")
    rows = whole.select(*(whole.columns[start][name] for name in names))
    return among([relation.columns[start][name] for name in names], rows)


def among(values: list[Value], rows: sa.Select[Any]) -> Test:
    """Whether the values are one of the rows."""
    return (values[0] if len(values) == 1 else sa.tuple_(*values)).in_(rows)


def _route(reached: dict[int, Join | None], needed: set[int]) -> list[Join]:
    """The joins that lead to what is needed, in an order in which they can be made."""
    wanted: set[int] = set()
    for index in needed:
        while index not in wanted:
            wanted.add(index)
            join = reached[index]
            if join is None:
                break
            index = join.left
    return [join for index, join in reached.items() if join is not None and index in wanted]


def _start(instance: Instance, setting: Setting, prefix: str) -> Relation:
    alias, columns = _rows_of(instance, setting, prefix)
    return Relation(alias, {instance.index: columns})


def _rows_of(instance: Instance, setting: Setting, prefix: str) -> tuple[sa.FromClause, Columns]:
    rows, name = setting.source(instance.table), f"{prefix}{instance.index}"
    if isinstance(rows, Guarded):
        if setting.searches and rows.searched is not None:
            rows = rows.searched()
        alias = rows.rows.alias(name)
        found = {key: alias.c[column] for key, column in rows.names.items()}
        return alias, Readable(found, rows.refuse)
    alias = rows.alias(name)
    return alias, {c.name: alias.c[c.name] for c in instance.table.columns}


def check_touched(resolved: Resolved, setting: Setting) -> None:
    """Refuse a path that joins a table, or joins by a column, that may not be read.

    Whatever else names a column asks for its value, which raises as well; a join may be left out
    of the statement, and is refused all the same. Names that mean nothing come first.
    """
    for step in resolved.steps:
        if isinstance(step, Condition):
            mentioned(resolved, step)
    sources = [setting.source(instance.table) for instance in resolved.instances]
    if not any(isinstance(rows, Guarded) for rows in sources):
        return
    for step in resolved.steps:
        if not isinstance(step, Join):
            continue
        for pair in {pair for pairs in step.alternatives for pair in pairs}:
            for index, name in zip((step.left, step.right), pair, strict=True):
                rows = sources[index]
                if isinstance(rows, Guarded) and name not in rows.names:
                    raise rows.refuse(name)


def _join(
    relation: Relation, join: Join, resolved: Resolved, setting: Setting, prefix: str
) -> None:
    instance = resolved.instances[join.right]
    alias, columns = _rows_of(instance, setting, prefix)
    if join.outer is Outer.FULL:
        setting.expressions.check_join(Outer.FULL)
        _settle(relation)
    before = set(relation.columns)
    relation.columns[instance.index] = columns
    left, right = relation.columns[join.left], relation.columns[join.right]
    test = sa.or_(
        *(sa.and_(*(left[a] == right[b] for a, b in pairs)) for pairs in join.alternatives)
    )
    match join.outer:
        case None:
            relation.joined = relation.joined.join(alias, test)
        case Outer.LEFT:
            relation.joined = relation.joined.outerjoin(alias, test)
            relation.nullable.add(instance.index)
        case Outer.RIGHT:
            # Filters so far apply to the left side before the join: rows of it that fail them
            # match nothing, and what matches nothing on the left side is not kept anyway.
            relation.joined = alias.outerjoin(relation.joined, sa.and_(test, *relation.where))
            relation.where = []
            relation.nullable |= before
        case Outer.FULL:
            relation.joined = relation.joined.outerjoin(alias, test, full=True)
            relation.nullable |= {*before, instance.index}


def _settle(relation: Relation) -> None:
    """Apply the filters so far inside a subquery, so that an outer join comes after them."""
    if not relation.where:
        return
    labelled = {
        (index, name): column.label(f"c{index}_{number}")
        for index, columns in relation.columns.items()
        for number, (name, column) in enumerate(columns.items())
    }
    inner = relation.select(*labelled.values()).subquery(f"s{len(relation.columns)}")
    settled: dict[int, Columns] = {}
    for index, columns in relation.columns.items():
        found = {name: inner.c[labelled[index, name].name] for name in columns}
        if isinstance(columns, Readable):
            settled[index] = Readable(found, columns.refuse)
        else:
            settled[index] = found
    relation.columns = settled
    relation.joined = inner
    relation.where = []
