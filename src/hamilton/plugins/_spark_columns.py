"""Columns of a Spark frame computed by functions, and the chain of frames that holds them.

A function becomes a column in one of three ways: on pandas Series it runs over batches of rows
on the workers, on single values it runs row by row on the workers, on Spark's own columns or
frame it makes an expression and no Python runs on the workers.

A computed column may have the name of one that the frame has. Until the end it is held under
another name, so that functions which asked for the frame's own column get that one.
"""

from __future__ import annotations

import enum
import functools
import pickle
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hamilton.errors import DefinitionError, short_repr, where
from hamilton.node import Node
from hamilton.plugins._shipping import ShippedCall, shipped
from hamilton.plugins._spark_types import (
    is_column_type,
    is_frame_type,
    is_series_type,
    pyspark_sql,
    returned_type,
)

__all__ = [
    "ColumnFunction",
    "FrameFunction",
    "Kind",
    "add_column",
    "arranged",
    "column_function",
    "held",
]

_REPLACES = "__replaces"


class Kind(enum.Enum):
    """How a function makes a column."""

    PANDAS = "on batches of rows"
    ROW = "row by row"
    EXPRESSION = "as an expression"


class FrameFunction:
    """What ``@require_columns`` makes of a function: it takes columns and is given their frame."""

    def __init__(self, function: Callable[..., Any], parameter: str) -> None:
        self.function = function
        self.parameter = parameter

    def __call__(self, **kwargs: Any) -> Any:
        """Refuses: only what builds a Spark frame can call such a function."""
        raise TypeError(
            f"{where(self.function)} carries @require_columns, so it runs only inside "
            "h_spark.with_columns or h_spark.select, or with PySparkUDFGraphAdapter."
        )


@dataclass(frozen=True, slots=True)
class ColumnFunction:
    """A function that makes a column.

    Attributes:
        node: The function as a node.
        kind: How it makes the column.
        columns: Names among its dependencies that are columns.
    """

    node: Node
    kind: Kind
    columns: tuple[str, ...]

    def column(self, frame: Any, values: Mapping[str, Any]) -> Any:
        """Returns the column, for a frame that holds what it needs.

        Args:
            frame: The frame that the column is going to be added to.
            values: The dependencies that are no columns.

        Raises:
            DefinitionError: It asks for a column that the frame has and a function replaces.
            TypeError: A value cannot be sent to the workers.
        """
        sql = pyspark_sql()
        arguments = {name: sql.functions.col(quoted(held(frame, name))) for name in self.columns}
        work = self.node.callable
        if isinstance(work, FrameFunction):
            replaced = [name for name in self.columns if held(frame, name) != name]
            if replaced:
                raise DefinitionError(
                    f"{where(work.function)} requires {replaced}, which the frame has and a "
                    "function computes anew; give that function another name.",
                    node=self.node.name,
                    function=work.function,
                )
            return work.function(**{work.parameter: frame}, **values)
        if self.kind is Kind.EXPRESSION:
            return work(**arguments, **values)
        call = ShippedCall(_shipped_with(self.node, values))
        type_ = returned_type(self.node.type)
        if self.kind is Kind.PANDAS:
            udf = sql.functions.pandas_udf(_on_series(call, self.columns), type_)
        else:
            udf = sql.functions.udf(_on_values(call, self.columns), type_)
        return udf(*arguments.values())


def column_function(node: Node, columns: Collection[str]) -> ColumnFunction | None:
    """Returns how a node makes a column, or None when it makes something else.

    Args:
        node: The function as a node.
        columns: Names that are columns.

    Raises:
        DefinitionError: It takes or returns columns in a way that cannot work.
    """
    taken = tuple(name for name in node.input_types if name in columns)
    if isinstance(node.callable, FrameFunction):
        return ColumnFunction(node, Kind.EXPRESSION, taken)
    if is_column_type(node.type):
        kind = Kind.EXPRESSION
    elif is_series_type(node.type):
        kind = Kind.PANDAS
    elif taken:
        kind = Kind.ROW
    else:
        _refuse_columns(node, node.input_types, "nothing gives that column; pass it by name")
        return None
    others = [name for name in node.input_types if name not in columns]
    _refuse_columns(node, others, "nothing gives that column; pass it by name")
    if kind is Kind.PANDAS:
        wrong = [n for n in taken if not is_series_type(node.input_types[n][0])]
        _refuse(node, wrong, "a function that returns a Series takes columns as pd.Series")
        if not taken:
            raise DefinitionError(
                f"{where(node.function)} returns a Series but takes no column, so its length is "
                "unknown.",
                node=node.name,
                function=node.function,
            )
    elif kind is Kind.EXPRESSION:
        wrong = [n for n in taken if not is_column_type(node.input_types[n][0])]
        _refuse(node, wrong, "a function that returns a Column takes columns as Column")
    else:
        _refuse_columns(node, taken, "a function of single values takes columns as single values")
    if kind is not Kind.EXPRESSION:
        frames = [n for n in others if is_frame_type(node.input_types[n][0])]
        _refuse(node, frames, "only a function that returns a Column can take a whole frame")
        _known_type(node)
    return ColumnFunction(node, kind, taken)


def _known_type(node: Node) -> None:
    try:
        returned_type(node.type)
    except DefinitionError as error:
        raise DefinitionError(
            f"{where(node.function)} cannot make a column: {error}",
            node=node.name,
            function=node.function,
        ) from error


def _refuse_columns(node: Node, names: Iterable[str], why: str) -> None:
    found = [
        n
        for n in names
        if is_series_type(node.input_types[n][0]) or is_column_type(node.input_types[n][0])
    ]
    _refuse(node, found, why)


def _refuse(node: Node, names: Sequence[str], why: str) -> None:
    if names:
        raise DefinitionError(
            f"{where(node.function)} takes {', '.join(map(repr, names))} in a way that cannot "
            f"work: {why}.",
            node=node.name,
            function=node.function,
            candidates=names,
        )


def _shipped_with(node: Node, values: Mapping[str, Any]) -> bytes:
    """Returns a node's function, some of its arguments given, as bytes for `ShippedCall`."""
    work = functools.partial(node.callable, **values) if values else node.callable
    try:
        return shipped(work, node)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        given = ", ".join(f"{name}={short_repr(value)}" for name, value in values.items())
        raise TypeError(
            f"Column {node.name!r} cannot be computed by Spark's workers: its function or one of "
            f"its values ({given or 'none'}) cannot be pickled ({error})."
        ) from error


def _on_series(call: ShippedCall, names: Sequence[str]) -> Callable[..., Any]:
    import pandas as pd

    def compute(*columns: Any) -> Any:
        return call(**dict(zip(names, columns, strict=True)))

    # Spark reads from these that Series go in and one comes out.
    compute.__annotations__ = {"columns": pd.Series, "return": pd.Series}
    return compute


def _on_values(call: ShippedCall, names: Sequence[str]) -> Callable[..., Any]:
    def compute(*values: Any) -> Any:
        found = call(**dict(zip(names, values, strict=True)))
        # Spark's serializer does not take numpy's scalars.
        return found.item() if type(found).__module__ == "numpy" else found

    return compute


def quoted(name: str) -> str:
    """Returns a column name such that Spark takes dots in it as they are."""
    return "`" + name.replace("`", "``") + "`"


def held(frame: Any, name: str) -> str:
    """Returns the name under which a chained frame holds a column."""
    other = name + _REPLACES
    return other if other in frame.columns else name


def add_column(frame: Any, function: ColumnFunction, values: Mapping[str, Any]) -> Any:
    """Returns the frame with the column of a function added, under the name it is held."""
    name = function.node.name
    column = function.column(frame, values)
    return frame.withColumn(name + _REPLACES if name in frame.columns else name, column)


def arranged(frame: Any, computed: Collection[str], names: Sequence[str], only: bool) -> Any:
    """Returns the frame that ends a chain: columns as asked for, under their own names.

    Args:
        frame: The last frame of the chain.
        computed: Every column that the chain added.
        names: Columns to have, in order.
        only: Have just these; False puts them behind the columns that the first frame had,
            replacing those of the same name.
    """
    column = pyspark_sql().functions.col
    places = {name: held(frame, name) for name in (*computed, *names)}
    if only:
        order = list(names)
    else:
        added = {place for name, place in places.items() if name in computed}
        own = [name for name in frame.columns if name not in added]
        order = [*own, *(name for name in names if name not in own)]
    chosen = {name: places[name] if name in names else name for name in order}
    return frame.select(*[column(quoted(at)).alias(name) for name, at in chosen.items()])
