"""Kedro pipelines as dataflows."""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from hamilton import ad_hoc_utils, driver
from hamilton.function_modifiers.base import NodeCreator
from hamilton.node import Node
from hamilton.plugins._shipping import missing_library

if TYPE_CHECKING:
    import types

    from hamilton._builder import Builder

__all__ = ["kedro_pipeline_to_driver"]

_PARAMETER = "params:"


def kedro_pipeline_to_driver(*pipelines: Any, builder: Builder | None = None) -> driver.Driver:
    """Returns a driver for the nodes of Kedro pipelines.

    A node that writes one dataset becomes a node of that dataset's name; one that writes several
    becomes a node of its own name, and one for each dataset. Datasets that no node writes, and
    parameters without their ``params:``, are inputs. No catalog is read or written: save with
    ``to.kedro`` and load with ``from_.kedro``.

    Args:
        *pipelines: Pipelines of Kedro.
        builder: What to build the driver with, adapters and all; it stays as it is.

    Raises:
        ImportError: Kedro is not installed.
        ValueError: Two nodes write the same dataset.
    """
    try:
        import kedro.pipeline  # noqa: F401
    except ImportError:
        raise missing_library("kedro", "'derivaml[bridges]'") from None
    # Pipelines may share nodes, which are equal then.
    nodes = list(dict.fromkeys(node for pipeline in pipelines for node in pipeline.nodes))
    datasets = {name for node in nodes for name in (*node.inputs, *node.outputs)}
    functions = [_function(i, node, datasets) for i, node in enumerate(nodes)]
    module = ad_hoc_utils.create_temporary_module(*functions)
    base = driver.Builder() if builder is None else builder.copy()
    return base.with_modules(module).build()


class _KedroNode(NodeCreator):
    """Makes the nodes of one node of Kedro.

    Args:
        node: The node of Kedro.
        name: The name of the node that runs it.
    """

    def __init__(self, node: Any, name: str) -> None:
        self.node = node
        self.node_name = name

    def generate_nodes(self, fn: Callable[..., Any], config: dict[str, Any]) -> list[Node]:
        """Returns the node that runs it, and one for each dataset if there are several."""
        outputs = list(self.node.outputs)
        function = _plain_function(self.node.func)
        names = {_input_name(name): name for name in self.node.inputs}
        one = outputs[0] if len(outputs) == 1 else None
        tags = {"module": function.__module__, "kedro.node": self.node.name}
        runner = Node(
            self.node_name,
            Any if one is None else _returned(function),
            function.__doc__ or "",
            partial(_run, self.node, names, one),
            input_types=dict.fromkeys(names, Any),
            tags=tags,
            originating_functions=(function,),
        )
        if one is not None:
            return [runner]
        return [
            runner,
            *(
                Node(
                    output,
                    Any,
                    f"What {self.node_name} writes as {output}.",
                    partial(_picked, self.node_name, output),
                    input_types={self.node_name: Any},
                    tags=tags,
                    originating_functions=(function,),
                )
                for output in outputs
            ),
        ]


def _input_name(name: str) -> str:
    return name.removeprefix(_PARAMETER)


def _run(node: Any, names: Mapping[str, str], one: str | None, /, **kwargs: Any) -> Any:
    """Returns what Kedro writes when it runs a node: its datasets by name, or the only one."""
    written = node.run({names[name]: value for name, value in kwargs.items()})
    return written if one is None else written[one]


def _picked(name: str, output: str, /, **kwargs: Any) -> Any:
    return kwargs[name][output]


def _plain_function(function: Any) -> types.FunctionType:
    """Returns the function below partials and callable objects, which carries name and source."""
    while isinstance(function, partial):
        function = function.func
    plain: Any = function if hasattr(function, "__code__") else type(function).__call__
    return typing.cast("types.FunctionType", plain)


def _returned(function: Any) -> Any:
    """Returns the annotated type, or Any: Kedro asks for no annotations."""
    try:
        return typing.get_type_hints(function).get("return", Any)
    except NameError:
        return Any


def _function(index: int, node: Any, datasets: set[str]) -> Callable[..., Any]:
    """Returns a function whose nodes are those of a node of Kedro."""
    outputs = node.outputs
    name = outputs[0] if len(outputs) == 1 else node.name
    if len(outputs) != 1 and name in datasets:
        name = f"{name}.outputs"  # a node and a dataset may be called the same

    def made() -> None:
        """Stands for a node of Kedro."""

    made.__name__ = made.__qualname__ = f"kedro_node_{index}"
    decorated: Callable[..., Any] = _KedroNode(node, name)(made)
    return decorated
