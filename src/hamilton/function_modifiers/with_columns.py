"""Columns of a dataframe computed by functions and appended to it before a function runs."""

from __future__ import annotations

import abc
import inspect
from collections.abc import Callable, Collection, Mapping
from types import ModuleType
from typing import Any

from hamilton.errors import close_names, where
from hamilton.function_modifiers.base import (
    InvalidDecoratorException,
    NodeInjector,
    renamed_inputs,
)
from hamilton.function_modifiers.recursive import collect_functions, collect_nodes, prefixed
from hamilton.node import NON_FINAL_TAG, Node

__all__ = ["WithColumnsBase", "moved_inside", "refuse_passed_names"]


class WithColumnsBase(NodeInjector, abc.ABC):
    """Computes columns from a dataframe parameter and hands the function the extended frame.

    Args:
        *load_from: Modules and functions that compute columns.
        columns_to_pass: Columns of the first parameter that the functions may take by name.
        pass_dataframe_as: Only for Spark.
        on_input: The parameter that the functions take as a whole, instead of columns.
        select: Names of the results to append; every column by default.
        namespace: Prefix of the nodes; the function's name by default.
        config_required: Configuration keys that the functions look at; None means all.

    Raises:
        ValueError: Columns are passed in no way or in two, or a function has the name of a
            passed column.
    """

    def __init__(
        self,
        *load_from: ModuleType | Callable[..., Any],
        columns_to_pass: list[str] | None = None,
        pass_dataframe_as: str | None = None,
        on_input: str | None = None,
        select: list[str] | None = None,
        namespace: str | None = None,
        config_required: list[str] | None = None,
    ) -> None:
        if pass_dataframe_as is not None:
            raise NotImplementedError("pass_dataframe_as is only for Spark; use on_input.")
        if (columns_to_pass is None) == (on_input is None):
            raise ValueError(
                "Columns are passed in exactly one way: columns_to_pass=[...] takes columns of the "
                "first parameter, on_input='...' passes that dataframe as a whole."
            )
        self.load_from = load_from
        refuse_passed_names(load_from, columns_to_pass)
        self.columns_to_pass = columns_to_pass
        self.on_input = on_input
        self.select = select
        self.namespace = namespace
        self.config_required = config_required

    @abc.abstractmethod
    def append(self, frame: Any, columns: Mapping[str, Any]) -> Any:
        """Returns the frame with the columns added or replaced."""

    def required_config(self) -> list[str] | None:
        """Returns the declared keys, or None for all."""
        return self.config_required

    def validate(self, fn: Callable[..., Any]) -> None:
        """Refuses functions without the dataframe parameter."""
        parameters = list(inspect.signature(fn).parameters)
        if not parameters:
            raise ValueError(f"@with_columns: {where(fn)} has no parameters to take a frame from.")
        if self.on_input is not None and self.on_input not in parameters:
            raise InvalidDecoratorException(
                f"@with_columns: {where(fn)} has no parameter {self.on_input!r}; it has "
                f"{parameters}.",
                function=fn,
                candidates=close_names(self.on_input, parameters),
            )

    def inject_nodes(
        self, params: dict[str, Any], config: dict[str, Any], fn: Callable[..., Any]
    ) -> tuple[list[Node], dict[str, str]]:
        """Returns the column nodes and the appending one, and the rewired parameter."""
        from hamilton import registry

        namespace = self.namespace or fn.__name__
        frame_name = self.on_input or next(iter(inspect.signature(fn).parameters))
        frame_type = params[frame_name]
        column_type = registry.get_column_type_from_df_type(frame_type)
        nodes = [
            _column_node(name, namespace, frame_name, frame_type, column_type, fn)
            for name in self.columns_to_pass or []
        ]
        inner = collect_nodes(self.load_from, config)
        known = {*(n.name for n in inner), *(self.columns_to_pass or [])}
        for node in inner:
            rename = {d: prefixed(d, namespace) for d in node.input_types if d in known}
            nodes.append(moved_inside(node, namespace, rename))
        chosen = self._selected(inner, column_type, fn)
        append = self._append_node(chosen, namespace, frame_name, frame_type, fn)
        return [*nodes, append], {frame_name: append.name}

    def _selected(
        self, inner: Collection[Node], column_type: Any, fn: Callable[..., Any]
    ) -> dict[str, Any]:
        types = {node.name: node.type for node in inner}
        if self.select is None:
            return {n: t for n, t in types.items() if t is column_type}
        unknown = [name for name in self.select if name not in types]
        if unknown:
            raise ValueError(
                f"@with_columns of {where(fn)} selects {unknown}, which no function gives. "
                f"There are {sorted(types)}."
            )
        return {name: types[name] for name in self.select}

    def _append_node(
        self,
        chosen: Mapping[str, Any],
        namespace: str,
        frame_name: str,
        frame_type: Any,
        fn: Callable[..., Any],
    ) -> Node:
        def appended(**kwargs: Any) -> Any:
            columns = {name: kwargs[prefixed(name, namespace)] for name in chosen}
            return self.append(kwargs[frame_name], columns)

        return Node(
            f"{namespace}._append",
            frame_type,
            f"{frame_name} with {', '.join(chosen)}.",
            appended,
            input_types={
                frame_name: frame_type,
                **{prefixed(name, namespace): type_ for name, type_ in chosen.items()},
            },
            tags={"module": fn.__module__, NON_FINAL_TAG: True},
            namespace=(namespace,),
            originating_functions=(fn,),
        )


def refuse_passed_names(
    load_from: Collection[ModuleType | Callable[..., Any]], columns_to_pass: list[str] | None
) -> None:
    """Raises ValueError when a function has the name of a passed column, or there is none."""
    for function in collect_functions(load_from):
        if columns_to_pass is not None and function.__name__ in columns_to_pass:
            raise ValueError(
                f"{where(function)} has the name of a passed column; rename the function."
            )


def moved_inside(node: Node, namespace: str, rename: Mapping[str, str]) -> Node:
    """Returns a copy of a node inside a namespace, its dependencies renamed."""
    moved = renamed_inputs(node, rename) if rename else node
    return moved.copy_with(
        name=prefixed(node.name, namespace),
        tags={**node.tags, NON_FINAL_TAG: True},
        namespace=(namespace, *node.namespace),
        positional=moved.positional,
    )


def _column_node(
    name: str,
    namespace: str,
    frame_name: str,
    frame_type: Any,
    column_type: Any,
    fn: Callable[..., Any],
) -> Node:
    def column(**kwargs: Any) -> Any:
        from hamilton import registry

        return registry.get_column(kwargs[frame_name], name)

    return Node(
        prefixed(name, namespace),
        column_type,
        f"Column {name} of {frame_name}.",
        column,
        input_types={frame_name: frame_type},
        tags={"module": fn.__module__, NON_FINAL_TAG: True},
        namespace=(namespace,),
        originating_functions=(fn,),
    )
