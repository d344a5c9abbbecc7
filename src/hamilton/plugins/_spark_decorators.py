"""Function modifiers that compute columns of a Spark frame before a function runs."""

from __future__ import annotations

import graphlib
import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal

from hamilton.errors import CycleError, where
from hamilton.function_modifiers.base import (
    InvalidDecoratorException,
    NodeInjector,
    NodeTransformer,
)
from hamilton.function_modifiers.recursive import collect_nodes, prefixed
from hamilton.function_modifiers.with_columns import moved_inside, refuse_passed_names
from hamilton.node import NON_FINAL_TAG, Node
from hamilton.plugins._spark_columns import (
    ColumnFunction,
    FrameFunction,
    add_column,
    arranged,
    column_function,
)
from hamilton.plugins._spark_types import is_column_type, is_frame_type, pyspark_sql

__all__ = ["require_columns", "select", "with_columns"]


class with_columns(NodeInjector):
    """Computes columns of a Spark frame by functions and hands the function the extended frame.

    Functions on pandas Series (``-> htypes.column[pd.Series, int]``) run on the workers over
    batches of rows, functions on single values (``-> int``) row by row, functions on Spark's own
    columns become expressions. Functions that take no column run in this process, as ever. What
    runs on the workers needs this package there.

    Every column is a node ``<namespace>.<name>`` whose value is the frame up to that column; the
    last is ``<namespace>._append``.

    Args:
        *load_from: Modules and functions that compute columns.
        columns_to_pass: Columns of the frame that the functions may take by name.
        pass_dataframe_as: Name of the parameter by which functions take the frame as a whole.
        on_input: Not for Spark: the frame is the first parameter that is a Spark DataFrame.
        select: Names of the results to have; every column by default.
        namespace: Prefix of the nodes; the function's name by default.
        mode: ``"append"`` to the frame, or ``"select"`` these alone.
        config_required: Configuration keys that the functions look at; None means all.

    Raises:
        ValueError: Columns are passed in no way or in two, a function has the name of a passed
            column, or the mode is unknown.
        NotImplementedError: `on_input` is given.
    """

    def __init__(
        self,
        *load_from: ModuleType | Callable[..., Any],
        columns_to_pass: list[str] | None = None,
        pass_dataframe_as: str | None = None,
        on_input: str | None = None,
        select: list[str] | None = None,
        namespace: str | None = None,
        mode: Literal["append", "select"] = "append",
        config_required: list[str] | None = None,
    ) -> None:
        if on_input is not None:
            raise NotImplementedError(
                "on_input is not for Spark: the first parameter that is a Spark DataFrame is "
                "used; name it for the functions with pass_dataframe_as."
            )
        if (columns_to_pass is None) == (pass_dataframe_as is None):
            raise ValueError(
                "Columns are passed in exactly one way: columns_to_pass=[...] takes columns of "
                "the frame, pass_dataframe_as='...' passes the frame as a whole."
            )
        if mode not in ("append", "select"):
            raise ValueError(f"mode is 'append' or 'select', found {mode!r}.")
        self.load_from = load_from
        refuse_passed_names(load_from, columns_to_pass)
        self.columns_to_pass = columns_to_pass
        self.pass_dataframe_as = pass_dataframe_as
        self.select = select
        self.namespace = namespace
        self.mode = mode
        self.config_required = config_required

    def required_config(self) -> list[str] | None:
        """Returns the declared keys, or None for all."""
        return self.config_required

    def validate(self, fn: Callable[..., Any]) -> None:
        """Refuses functions without parameters."""
        if not inspect.signature(fn).parameters:
            raise ValueError(f"@{self.name}: {where(fn)} has no parameters to take a frame from.")

    def inject_nodes(
        self, params: dict[str, Any], config: dict[str, Any], fn: Callable[..., Any]
    ) -> tuple[list[Node], dict[str, str]]:
        """Returns the chain of frames with its inputs, and the rewired parameter."""
        pyspark_sql()
        frame_name = next((name for name, type_ in params.items() if is_frame_type(type_)), None)
        if frame_name is None:
            raise InvalidDecoratorException(
                f"@{self.name}: {where(fn)} has no parameter that is a pyspark.sql.DataFrame; it "
                f"has {params}.",
                function=fn,
            )
        inner = collect_nodes(self.load_from, config)
        chain = _Chain(
            self.namespace or fn.__name__,
            frame_name,
            params[frame_name],
            self.pass_dataframe_as,
            frozenset(node.name for node in inner),
            fn,
        )
        columns, others = _classified(_in_order(inner), self.columns_to_pass or ())
        names = self._selected([node.name for node in inner], columns, fn)
        nodes = [chain.plain(node) for node in others]
        place = frame_name
        for function in columns.values():
            nodes.append(chain.link(function, place))
            place = nodes[-1].name
        nodes.append(chain.end(place, columns, names, only=self.mode == "select"))
        return nodes, {frame_name: nodes[-1].name}

    def _selected(
        self, names: Sequence[str], columns: Collection[str], fn: Callable[..., Any]
    ) -> list[str]:
        """Returns the columns to have, in the order of the functions unless one is asked for."""
        if self.select is None:
            return [name for name in names if name in columns]
        known = {*columns, *(self.columns_to_pass or () if self.mode == "select" else ())}
        unknown = [name for name in self.select if name not in known]
        if unknown:
            raise ValueError(
                f"@{self.name} of {where(fn)} selects {unknown}, which no function gives as a "
                f"column. There are {sorted(known)}."
            )
        return list(self.select)


class select(with_columns):
    """Computes columns of a Spark frame and hands the function a frame of just these.

    Args:
        *load_from: Modules and functions that compute columns.
        columns_to_pass: Columns of the frame that the functions may take by name.
        pass_dataframe_as: Name of the parameter by which functions take the frame as a whole.
        output_cols: Columns to have, computed or passed; every computed one by default.
        namespace: Prefix of the nodes; the function's name by default.
        config_required: Configuration keys that the functions look at; None means all.
    """

    def __init__(
        self,
        *load_from: ModuleType | Callable[..., Any],
        columns_to_pass: list[str] | None = None,
        pass_dataframe_as: str | None = None,
        output_cols: list[str] | None = None,
        namespace: str | None = None,
        config_required: list[str] | None = None,
    ) -> None:
        super().__init__(
            *load_from,
            columns_to_pass=columns_to_pass,
            pass_dataframe_as=pass_dataframe_as,
            select=output_cols,
            namespace=namespace,
            mode="select",
            config_required=config_required,
        )


class require_columns(NodeTransformer):
    """Lets a function on a whole Spark frame depend on columns of it, and give one back.

    The function takes a ``pyspark.sql.DataFrame`` and returns a ``pyspark.sql.Column``. Inside
    `with_columns`, `select` or `PySparkUDFGraphAdapter` it is given a frame with the columns.

    Args:
        *columns: Names of the columns.

    Raises:
        ValueError: No column is named.
    """

    def __init__(self, *columns: str) -> None:
        super().__init__(None)
        if not columns:
            raise ValueError("@require_columns needs the name of at least one column.")
        self.columns = columns

    def transform_node(
        self, node_: Node, config: dict[str, Any], fn: Callable[..., Any]
    ) -> Collection[Node]:
        """Returns the node with the columns in place of the frame."""
        sql = pyspark_sql()
        frames = [n for n, (type_, _) in node_.input_types.items() if is_frame_type(type_)]
        if len(frames) != 1 or not is_column_type(node_.type):
            raise InvalidDecoratorException(
                f"@require_columns: {where(fn)} must have exactly one parameter that is a "
                "pyspark.sql.DataFrame and return a pyspark.sql.Column.",
                node=node_.name,
                function=fn,
            )
        others = {n: v for n, v in node_.input_types.items() if n != frames[0]}
        return [
            node_.copy_with(
                callabl=FrameFunction(node_.callable, frames[0]),
                input_types={**dict.fromkeys(self.columns, sql.Column), **others},
            )
        ]


def _in_order(inner: Sequence[Node]) -> list[Node]:
    """Returns nodes so that each comes after those it needs."""
    by_name = {node.name: node for node in inner}
    needs = {node.name: [d for d in node.input_types if d in by_name] for node in inner}
    try:
        return [by_name[name] for name in graphlib.TopologicalSorter(needs).static_order()]
    except graphlib.CycleError as error:
        path = list(error.args[1])
        raise CycleError(f"Columns need each other: {' -> '.join(path)}.", path) from None


def _classified(
    inner: Sequence[Node], passed: Collection[str]
) -> tuple[dict[str, ColumnFunction], list[Node]]:
    """Returns the functions that make columns, by name, and the other nodes."""
    columns: dict[str, ColumnFunction] = {}
    others = []
    for node in inner:
        function = column_function(node, {*passed, *columns})
        if function is None:
            others.append(node)
        else:
            columns[node.name] = function
    return columns, others


@dataclass(frozen=True, slots=True)
class _Chain:
    """What the nodes of one decorated function have in common.

    Attributes:
        namespace: Prefix of the nodes.
        frame_name: Where the frame comes from.
        frame_type: Its type.
        known_as: The parameter by which functions take the whole frame.
        inner: Names of all nodes in the namespace.
        fn: The decorated function.
    """

    namespace: str
    frame_name: str
    frame_type: Any
    known_as: str | None
    inner: frozenset[str]
    fn: Callable[..., Any]

    def outside(self, dependency: str) -> str:
        """Returns the node in the graph that stands for a dependency of a function."""
        if dependency == self.known_as:
            return self.frame_name
        return prefixed(dependency, self.namespace) if dependency in self.inner else dependency

    def plain(self, node: Node) -> Node:
        """Returns a node that makes no column, moved into the namespace."""
        rename = {d: self.outside(d) for d in node.input_types if self.outside(d) != d}
        return moved_inside(node, self.namespace, rename)

    def link(self, function: ColumnFunction, place: str) -> Node:
        """Returns the node that adds a column to the frame that node `place` gives."""
        node = function.node
        source = {d: self.outside(d) for d in node.input_types if d not in function.columns}

        def extended(**kwargs: Any) -> Any:
            values = {d: kwargs[at] for d, at in source.items() if at in kwargs}
            return add_column(kwargs[place], function, values)

        return Node(
            prefixed(node.name, self.namespace),
            self.frame_type,
            node.documentation,
            extended,
            input_types={
                place: self.frame_type,
                **{at: node.input_types[d] for d, at in source.items() if at != place},
            },
            tags={**node.tags, NON_FINAL_TAG: True},
            namespace=(self.namespace, *node.namespace),
            originating_functions=node.originating_functions,
            optional_values={
                at: node.default_parameter_values[d]
                for d, at in source.items()
                if d in node.default_parameter_values
            },
        )

    def end(
        self, place: str, computed: Mapping[str, Any], names: Sequence[str], *, only: bool
    ) -> Node:
        """Returns the node that gives the function its frame."""

        def appended(**kwargs: Any) -> Any:
            return arranged(kwargs[place], tuple(computed), names, only)

        return Node(
            prefixed("_append", self.namespace),
            self.frame_type,
            f"{self.frame_name} with {', '.join(names)}.",
            appended,
            input_types={place: self.frame_type},
            tags={"module": self.fn.__module__, NON_FINAL_TAG: True},
            namespace=(self.namespace,),
            originating_functions=(self.fn,),
        )
