"""Dataflows whose functions become columns of a Spark frame."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hamilton import base
from hamilton._matching import value_accepted
from hamilton.errors import DefinitionError, where
from hamilton.lifecycle.base import BaseDoValidateInput
from hamilton.node import Node
from hamilton.plugins._spark_columns import ColumnFunction, add_column, arranged, column_function
from hamilton.plugins._spark_types import (
    is_column_type,
    is_frame,
    is_frame_type,
    is_series_type,
    pyspark_sql,
    spark_type,
)

__all__ = ["SPARK_INPUT_CHECK", "PySparkUDFGraphAdapter", "SparkInputValidator"]


class SparkInputValidator(BaseDoValidateInput):
    """Accepts a Spark frame of any kind, Spark Connect's too, where one is annotated."""

    def do_validate_input(self, *, node_type: type, input_value: Any) -> bool:
        """Returns whether a value fits by the driver's rules, or both are Spark frames."""
        if is_frame_type(node_type) and is_frame(input_value):
            return True
        return value_accepted(node_type, input_value)


SPARK_INPUT_CHECK = SparkInputValidator()


@dataclass(frozen=True, slots=True, eq=False)
class _Pending:
    """A column that is going to be added to a frame.

    Attributes:
        frame: The frame that the run started from.
        name: Name of the column.
        function: What computes it; None for a column that the frame has.
        needs: The columns it is computed from.
        values: The other arguments.
    """

    frame: Any
    name: str
    function: ColumnFunction | None = None
    needs: tuple[_Pending, ...] = ()
    values: dict[str, Any] = field(default_factory=dict)


class PySparkUDFGraphAdapter(base.HamiltonGraphAdapter):
    """Appends the requested values to a Spark frame as columns; functions run on its workers.

    Inputs that are columns are given as the frame that has them:
    ``inputs={name: frame for name in frame.columns}``. Functions on pandas Series
    (``-> htypes.column[pd.Series, int]``) run over batches of rows, functions on single values
    (``-> int``) row by row, functions on Spark columns become expressions. Functions without
    columns run in this process and their values are handed to those that take them. What runs on
    the workers needs this package there.

    The result is the frame with the requested columns behind its own. Nothing is computed by Spark
    until that is used.
    """

    @staticmethod
    def check_input_type(node_type: type, input_value: Any) -> bool:
        """Returns whether a value fits; a frame stands for its column of the input's name."""
        if is_frame(input_value):
            return is_frame_type(node_type) or _can_be_column(node_type)
        return value_accepted(node_type, input_value)

    @staticmethod
    def check_node_type_equivalence(node_type: type, input_type: type) -> bool:
        """Returns whether the types are equal, or two ways of writing a column meet."""
        if node_type == input_type:
            return True
        pair = (node_type, input_type)
        whole = [is_series_type(t) or is_column_type(t) for t in pair]
        return any(whole) and all(map(_can_be_column, pair))

    def execute_node(self, node: Node, kwargs: dict[str, Any]) -> Any:
        """Returns a column to be added, or the value of a function that takes none.

        Raises:
            ValueError: Columns come from different frames, a frame lacks a column, or the
                function takes or returns columns in a way that cannot work.
        """
        columns = {
            name: value if isinstance(value, _Pending) else _given(name, value, node)
            for name, value in kwargs.items()
            if isinstance(value, _Pending)
            or (is_frame(value) and not is_frame_type(node.input_types[name][0]))
        }
        function = column_function(node, columns) if columns else None
        if function is None:
            return node.callable(**kwargs)
        frames = {id(column.frame): column.frame for column in columns.values()}
        if len(frames) > 1:
            raise ValueError(
                f"{where(node.function)} takes columns of {len(frames)} different frames: "
                f"{sorted(columns)}. Join the frames and pass the joined one for all of them."
            )
        values = {name: value for name, value in kwargs.items() if name not in columns}
        (frame,) = frames.values()
        return _Pending(frame, node.name, function, tuple(columns.values()), values)

    def resolve_outputs(self, outputs: dict[str, Any]) -> dict[str, Any]:
        """Returns each column as the frame with that column appended."""
        return {
            name: _with(value.frame, {name: value}) if isinstance(value, _Pending) else value
            for name, value in outputs.items()
        }

    def build_result(self, **outputs: Any) -> Any:  # type: ignore[override]
        """Returns the frame with the outputs appended; values that are no columns are repeated.

        Raises:
            ValueError: No output is a column, or columns come from different frames.
        """
        columns = {
            name: _Pending(value, name) if is_frame(value) else value
            for name, value in outputs.items()
            if isinstance(value, _Pending) or is_frame(value)
        }
        frames = {id(column.frame): column.frame for column in columns.values()}
        if len(frames) != 1:
            raise ValueError(
                f"The outputs {sorted(outputs)} come from {len(frames)} Spark frames, so they "
                "cannot be columns of one."
            )
        (frame,) = frames.values()
        found = _with(frame, columns)
        literal = pyspark_sql().functions.lit
        for name, value in outputs.items():
            if name not in columns:
                found = found.withColumn(name, literal(value))
        own = [name for name in found.columns if name not in outputs or name in frame.columns]
        return found.select(*own, *(name for name in outputs if name not in frame.columns))

    def output_type(self) -> type:
        """Returns the dataframe type of Spark SQL."""
        return pyspark_sql().DataFrame  # type: ignore[no-any-return]


def _can_be_column(type_: Any) -> bool:
    if is_series_type(type_) or is_column_type(type_):
        return True
    try:
        spark_type(type_)
    except DefinitionError:
        return False
    return True


def _given(name: str, frame: Any, node: Node) -> _Pending:
    if name not in frame.columns:
        raise ValueError(
            f"{where(node.function)} takes column {name!r}, which the frame given for it does not "
            f"have; it has {frame.columns}."
        )
    return _Pending(frame, name)


def _with(frame: Any, wanted: Mapping[str, _Pending]) -> Any:
    """Returns the frame with columns appended, each after those it is computed from."""
    computed = []
    extended = frame
    for column in _in_order(wanted.values()):
        if column.function is not None:
            computed.append(column.name)
            extended = add_column(extended, column.function, column.values)
    names = [column.name for column in wanted.values()]
    return arranged(extended, computed, names, only=False)


def _in_order(wanted: Iterable[_Pending]) -> list[_Pending]:
    """Returns columns and all they need, each once and after those it needs."""
    found: dict[int, _Pending] = {}
    stack = [(column, False) for column in reversed(list(wanted))]
    while stack:
        column, ready = stack.pop()
        if id(column) in found:
            continue
        if ready:
            found[id(column)] = column
        else:
            stack.append((column, True))
            stack.extend((need, False) for need in reversed(column.needs))
    return list(found.values())
