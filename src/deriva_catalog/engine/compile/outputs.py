"""What a compiled query returns, and how a projected expression becomes an output.

Source: ERMrest, "Reading".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ...errors import BadRequest, Conflict
from ...model.elements import ColumnType, Table
from ...model.types import function_allowed, function_result
from ...path.ast import (
    Aggregate,
    Bin,
    ColumnName,
    Function,
    Item,
    Rights,
    RightsFunction,
    Star,
)
from ..dialect import Bins, Expressions, Field, Value
from ..resolve import Instance, Resolved
from .guarded import ROW, Columns
from .relation import Relation, Setting, identity

_BOOLEAN = ColumnType("boolean")
_INTEGER = ColumnType("int8")
_ARRAYS = (Function.ARRAY, Function.ARRAY_D)
SENSITIVE = frozenset({Function.CNT, Function.SUM, Function.AVG, Function.ARRAY})
"""Functions whose result changes when a row of the group is counted twice."""


@dataclass(frozen=True, slots=True)
class OutputColumn:
    """A column of the result; `type` is None when its values are JSON texts."""

    name: str
    type: ColumnType | None


@dataclass(frozen=True, slots=True)
class Compiled:
    """One statement and what it returns.

    `select` has the columns in output order, as stored; `values` are the same columns as
    expressions of the database that `expressions` speaks to, with which a statement that
    serialises them can be made.
    """

    select: sa.Select[Any]
    columns: tuple[OutputColumn, ...]
    values: tuple[Value, ...]
    expressions: Expressions

    @property
    def fields(self) -> list[Field]:
        """Name, expression and type of each column."""
        pairs = zip(self.columns, self.values, strict=True)
        return [(column.name, value, column.type) for column, value in pairs]


@dataclass(frozen=True, slots=True)
class Output:
    """One output column over a relation: its value and what orders it.

    `type` is None when `value` is a JSON text; `sortable` says whether it has an order.
    """

    name: str
    value: Value
    type: ColumnType | None
    nullable: bool
    instances: frozenset[int]
    is_bin: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """One projected item with its names resolved: what is known before any SQL.

    `instance` is None only for ``cnt(*)``; `column` is None for whole rows.
    """

    name: str
    expression: ColumnName | Star | Bin | Aggregate | Rights
    instance: Instance | None
    column: str | None

    @property
    def instances(self) -> frozenset[int]:
        """The instances that the item takes values from."""
        return frozenset() if self.instance is None else frozenset({self.instance.index})


def wanted(items: Iterable[Item], resolved: Resolved) -> list[Wanted]:
    """The items of a projection, ``*`` expanded.

    Raises:
        UnknownName: a column or alias does not exist.
        Conflict: a function does not apply to the type of its column.
        BadRequest: two outputs have one name.
    """
    found: list[Wanted] = []
    for item in items:
        found += _expand(item, resolved)
    seen: set[str] = set()
    for one in found:
        if one.name in seen:
            raise BadRequest(
                f"Two outputs are called {one.name!r}.",
                hint=f"Give one of them another name, such as {one.name}_2:=...",
                output=one.name,
            )
        seen.add(one.name)
    return found


def _expand(item: Item, resolved: Resolved) -> list[Wanted]:
    expression = item.expression
    match expression:
        case Star(alias):
            instance = resolved.star(expression)
            prefix = "" if alias is None else f"{alias}:"
            return [
                Wanted(f"{prefix}{c.name}", ColumnName(c.name), instance, c.name)
                for c in instance.table.columns
            ]
        case ColumnName(name):
            reference = resolved.column(expression)
            output = item.output or name
            return [Wanted(output, expression, reference.instance, reference.column.name)]
        case Bin(column) | Rights(_, column):
            reference = resolved.column(column)
            name = _named(item)
            return [Wanted(name, expression, reference.instance, reference.column.name)]
        case Aggregate(function, argument):
            return [_expand_aggregate(_named(item), expression, function, argument, resolved)]


def _named(item: Item) -> str:
    if item.output is None:
        raise BadRequest("A function has no output name.", hint="Write name:=function(...).")
    return item.output


def _expand_aggregate(
    name: str,
    expression: Aggregate,
    function: Function,
    argument: ColumnName | Star,
    resolved: Resolved,
) -> Wanted:
    if isinstance(argument, ColumnName):
        reference = resolved.column(argument)
        if not function_allowed(function.value, reference.column.type):
            raise Conflict(
                f"{function.value}() cannot be applied to column {reference.column.name!r}"
                f" of type {reference.column.type.typename}.",
                column=reference.column.name,
            )
        return Wanted(name, expression, reference.instance, reference.column.name)
    instance = resolved.star(argument)
    if function is Function.CNT and argument.alias is None:
        return Wanted(name, expression, None, None)
    return Wanted(name, expression, instance, None)


# --- expressions -------------------------------------------------------------------------


def plain_output(item: Wanted, relation: Relation, setting: Setting) -> Output:
    """A column, ``bin(...)`` or rights of the row at hand."""
    assert item.instance is not None, "only cnt(*) has no instance"
    assert item.column is not None, "only functions of rows have no column"
    instance, value = item.instance, relation.columns[item.instance.index][item.column]
    column = instance.table.by_name[item.column]
    absent = instance.index in relation.nullable
    match item.expression:
        case Bin(_, count, lower, upper):
            bins = Bins(int(count), lower, upper)
            made = setting.expressions.bin(value, column.type, bins)
            return Output(item.name, made, None, True, item.instances, is_bin=True)
        case Rights(function):
            made = _rights(function, instance, relation, setting)
            return Output(item.name, made, None, absent, item.instances)
        case _:
            nullable = column.nullok or absent
            return Output(item.name, value, column.type, nullable, item.instances)


def _rights(
    function: RightsFunction, instance: Instance, relation: Relation, setting: Setting
) -> Value:
    made = _rights_on(function, instance.table, relation.columns[instance.index], setting)
    return _if_present(made, instance, relation)


def row_of_rights(item: Wanted, relation: Relation) -> Output:
    """What tells the row apart that ``trs`` or ``tcrs`` is about; some row of a group."""
    assert item.instance is not None, "rights are those on a row"
    columns = relation.columns[item.instance.index]
    value = columns[_single_identity(item.instance.table, columns)]
    return Output(item.name, value, None, True, item.instances)


def late_rights(item: Wanted, row: Value, setting: Setting) -> Value:
    """``trs`` or ``tcrs`` of a row that `row_of_rights` has told apart; NULL for no row."""
    assert item.instance is not None, "rights are those on a row"
    assert isinstance(item.expression, Rights), "only rights are late"
    made = _rights_on(item.expression.function, item.instance.table, {ROW: row}, setting)
    return sa.case((row.is_not(None), made))


def _single_identity(table: Table, columns: Columns) -> str:
    names = identity(table, columns)
    assert len(names) == 1, "tables with rights have RIDs"
    return names[0]


def _rights_on(function: RightsFunction, table: Table, columns: Columns, setting: Setting) -> Value:
    rights = setting.rights(function, table, columns)
    fields: list[Field] = [("update", rights.update, _BOOLEAN), ("delete", rights.delete, _BOOLEAN)]
    make = setting.expressions.json_object
    if function is RightsFunction.TCRS:
        each = [(name, test, _BOOLEAN) for name, test in rights.column_update.items()]
        fields.append(("column_update", make(each), None))
    return make(fields)


def _if_present(value: Value, instance: Instance, relation: Relation) -> Value:
    """The value, NULL where the instance is absent."""
    if instance.index not in relation.nullable:
        return value
    columns = relation.columns[instance.index]
    key = columns[identity(instance.table, columns)[0]]
    return sa.case((key.is_not(None), value))


def _row(instance: Instance, relation: Relation, setting: Setting) -> Value:
    """The row of an instance as a JSON object; NULL where it is absent."""
    columns = relation.columns[instance.index]
    fields = [(c.name, columns[c.name], c.type) for c in instance.table.columns]
    return _if_present(setting.expressions.json_object(fields), instance, relation)


def _element(item: Wanted, relation: Relation, setting: Setting) -> Value:
    """What ``array(...)`` collects, as a JSON text."""
    assert item.instance is not None, "array() has an instance"
    if item.column is None:
        row = _row(item.instance, relation, setting)
        return setting.expressions.json_text(row, None)
    column = item.instance.table.by_name[item.column]
    value = relation.columns[item.instance.index][item.column]
    return setting.expressions.json_text(value, column.type)


def _argument(item: Wanted, relation: Relation) -> tuple[Value, ColumnType]:
    """What a function other than ``array`` is applied to; for ``alias:*`` its identity."""
    assert item.instance is not None, "only cnt(*) has no instance"
    table, columns = item.instance.table, relation.columns[item.instance.index]
    name = item.column or identity(table, columns)[0]
    return columns[name], ColumnType("text") if name == ROW else table.by_name[name].type


def grouped_output(item: Wanted, relation: Relation, setting: Setting) -> Output:
    """An aggregate over a group of rows, or some value of the group."""
    make = setting.expressions
    if not isinstance(item.expression, Aggregate):
        plain = plain_output(item, relation, setting)
        value = make.any_value(plain.value)
        return Output(item.name, value, plain.type, True, item.instances, plain.is_bin)
    function = item.expression.function
    if function in _ARRAYS:
        element = _element(item, relation, setting)
        value = make.array(element, distinct=function is Function.ARRAY_D)
        return Output(item.name, value, None, True, item.instances)
    if item.instance is None:
        return Output(item.name, sa.func.count(), _INTEGER, False, item.instances)
    value, column_type = _argument(item, relation)
    made = make.aggregate(function, value, column_type)
    result = function_result(function.value, column_type)
    nullable = function not in (Function.CNT, Function.CNT_D)
    return Output(item.name, made, result, nullable, item.instances)


def single_output(item: Wanted, relation: Relation, setting: Setting) -> Output:
    """What `grouped_output` gives for a group of exactly one row, without grouping."""
    make = setting.expressions
    if not isinstance(item.expression, Aggregate):
        return plain_output(item, relation, setting)
    function = item.expression.function
    if function in _ARRAYS:
        value = make.array_of_one(_element(item, relation, setting))
        return Output(item.name, value, None, False, item.instances)
    if item.instance is None:
        return Output(item.name, sa.literal(1), _INTEGER, False, item.instances)
    value, column_type = _argument(item, relation)
    result = function_result(function.value, column_type)
    if function in (Function.CNT, Function.CNT_D):
        made: Value = sa.case((value.is_(None), 0), else_=1)
        return Output(item.name, made, result, False, item.instances)
    if result.storage == "float8" and column_type.storage != "float8":
        value = sa.cast(value, sa.REAL) if function is Function.AVG else value
    return Output(item.name, value, result, True, item.instances)


def column_outputs(outputs: Sequence[Output]) -> tuple[OutputColumn, ...]:
    """The description of a result's columns."""
    return tuple(OutputColumn(o.name, o.type) for o in outputs)
