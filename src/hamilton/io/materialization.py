"""Savers and loaders laid over a dataflow for one call, or for good by the builder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hamilton._request import requested_names
from hamilton.errors import RequestError, close_names
from hamilton.function_modifiers.adapters import (
    adapter_names,
    bound_arguments,
    choose_adapter,
    loader_node,
    saver_node,
    selector_node,
)
from hamilton.graph import FunctionGraph
from hamilton.node import Node

__all__ = [
    "Extract",
    "ExtractorFactory",
    "Materialize",
    "MaterializerFactory",
    "from_",
    "modify_graph",
    "saver_ids",
    "to",
]


class MaterializerFactory:
    """A saver for some values of a dataflow.

    Args:
        id: Name of the saving node.
        key: Key of the saver.
        dependencies: Names, functions or variables to save.
        result_builder: Combines several dependencies into what is saved.
        **data_saver_kwargs: Arguments of the saver.

    Raises:
        ValueError: There are several dependencies and nothing combines them.
    """

    def __init__(
        self,
        id: str,
        key: str,
        dependencies: Sequence[Any],
        result_builder: Any = None,
        **data_saver_kwargs: Any,
    ) -> None:
        if isinstance(dependencies, str):
            raise ValueError(
                f"dependencies is the string {dependencies!r}; pass a list: [{dependencies!r}]."
            )
        if len(dependencies) != 1 and result_builder is None:
            raise ValueError(
                "Must specify result builder via combine= keyword argument when the materializer "
                f"{id!r} has {len(dependencies)} dependencies."
            )
        self.id = id
        self.key = key
        self.dependencies = list(dependencies)
        self.result_builder = result_builder
        self.data_saver_kwargs = data_saver_kwargs

    def generate_nodes(self, graph: FunctionGraph) -> list[Node]:
        """Returns the saving node, and the combining one before it when there is one."""
        names = requested_names(self.dependencies, graph.modules)
        unknown = [name for name in names if name not in graph.nodes]
        if unknown:
            raise RequestError(
                f"Materializer {self.id} has dependencies that are not in the graph: {unknown}.",
                node=self.id,
                candidates=[c for n in unknown for c in close_names(n, graph.nodes)],
            )
        found: list[Node] = []
        if self.result_builder is None:
            source, type_ = names[0], graph.nodes[names[0]].type
        else:
            combined = self._combining_node(names, graph)
            source, type_ = combined.name, combined.type
            found.append(combined)
        adapter = choose_adapter("savers", self.key, type_)
        arguments = bound_arguments(adapter, self.data_saver_kwargs)
        found.append(saver_node(self.id, source, type_, adapter, arguments, None))
        return found

    def _combining_node(self, names: Sequence[str], graph: FunctionGraph) -> Node:
        builder = self.result_builder

        def combine(**kwargs: Any) -> Any:
            return builder.build_result(**{name: kwargs[name] for name in names})

        answer = getattr(builder, "output_type", None)
        return Node(
            f"{self.id}_build_result",
            Any if answer is None else answer(),
            f"Combines {', '.join(names)} for {self.id}.",
            combine,
            input_types={name: graph.nodes[name].type for name in names},
        )


class ExtractorFactory:
    """A loader for one value of a dataflow.

    Args:
        target: The function or input that is replaced.
        key: Key of the loader.
        **data_loader_kwargs: Arguments of the loader.
    """

    def __init__(self, target: str, key: str, **data_loader_kwargs: Any) -> None:
        self.target = target
        self.key = key
        self.data_loader_kwargs = data_loader_kwargs

    def generate_nodes(self, graph: FunctionGraph) -> list[Node]:
        """Returns the loading node and the one that takes the target's place."""
        if self.target not in graph.nodes:
            close = close_names(self.target, graph.nodes)
            raise RequestError(
                f"Could not find node with name: {self.target}. Close: {close}.",
                node=self.target,
                candidates=close,
            )
        type_ = graph.nodes[self.target].type
        adapter = choose_adapter("loaders", self.key, type_)
        arguments = bound_arguments(adapter, self.data_loader_kwargs)
        loader = loader_node(
            f"load_data.{self.target}", type_, adapter, arguments, self.target, None
        )
        return [loader, selector_node(self.target, type_, loader, self.target, None)]


class _MaterializerMeta(type):
    def __getattr__(cls, key: str) -> Callable[..., MaterializerFactory]:
        if key.startswith("__"):
            raise AttributeError(key)
        adapter_names("savers", key)

        def made(
            id: str, dependencies: Sequence[Any], combine: Any = None, **kwargs: Any
        ) -> MaterializerFactory:
            return MaterializerFactory(id, key, dependencies, combine, **kwargs)

        return made


class Materialize(metaclass=_MaterializerMeta):
    """``to.<key>(id, dependencies, combine=None, **arguments)`` makes a saver."""


class _ExtractorMeta(type):
    def __getattr__(cls, key: str) -> Callable[..., ExtractorFactory]:
        if key.startswith("__"):
            raise AttributeError(key)
        adapter_names("loaders", key)

        def made(target: str, **kwargs: Any) -> ExtractorFactory:
            return ExtractorFactory(target, key, **kwargs)

        return made


class Extract(metaclass=_ExtractorMeta):
    """``from_.<key>(target, **arguments)`` makes a loader."""


to = Materialize
from_ = Extract


def saver_ids(materializers: Sequence[Any]) -> list[str]:
    """Returns the ids of the savers among materializers."""
    return [m.id for m in materializers if isinstance(m, MaterializerFactory)]


def modify_graph(
    graph: FunctionGraph, materializers: Sequence[MaterializerFactory | ExtractorFactory]
) -> FunctionGraph:
    """Returns the graph with loaders and savers laid over it; the given graph stays as it is.

    Raises:
        ValueError: A target or dependency does not exist, or an id is taken.
    """
    for entry in materializers:
        if not isinstance(entry, (MaterializerFactory, ExtractorFactory)):
            raise RequestError(
                f"{entry!r} is no materializer; use to.<key>(...) or from_.<key>(...)."
            )
    extractors = [m for m in materializers if isinstance(m, ExtractorFactory)]
    loading = [node for factory in extractors for node in factory.generate_nodes(graph)]
    loaded = graph.with_nodes(loading) if loading else graph
    savers = [m for m in materializers if isinstance(m, MaterializerFactory)]
    saving: dict[str, Node] = {}
    for factory in savers:
        for node in factory.generate_nodes(loaded):
            if node.name in loaded.nodes or node.name in saving:
                raise RequestError(
                    f"Duplicate node names found: { {node.name} }. Give the materializer another "
                    "id.",
                    node=node.name,
                )
            saving[node.name] = node
    return loaded.with_nodes(saving.values()) if saving else loaded
