"""Read-only views of nodes and graphs, as handed to users, with their code versions."""

from __future__ import annotations

import functools
import hashlib
import inspect
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hamilton._source import hash_source_code
from hamilton.htypes import get_type_as_string
from hamilton.node import DependencyType, Node

if TYPE_CHECKING:
    from hamilton.graph import FunctionGraph

__all__ = ["HamiltonGraph", "HamiltonNode", "hash_source_code"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=True)
class HamiltonNode:
    """A node as users see it.

    Attributes:
        name: Its name in the dataflow.
        type: The type of its value.
        tags: Its metadata.
        is_external_input: Whether the caller supplies the value.
        originating_functions: The functions it was made of, or None for inputs.
        documentation: The docstring.
        required_dependencies: Names it cannot do without.
        optional_dependencies: Names for which it has defaults.
        optional_dependencies_default_values: Those defaults.
    """

    name: str
    type: Any
    tags: dict[str, Any] = field(default_factory=dict)
    is_external_input: bool = False
    originating_functions: tuple[Callable[..., Any], ...] | None = None
    documentation: str | None = None
    required_dependencies: set[str] = field(default_factory=set)
    optional_dependencies: set[str] = field(default_factory=set)
    optional_dependencies_default_values: dict[str, Any] = field(default_factory=dict)

    @staticmethod
    def from_node(node: Node) -> HamiltonNode:
        """Returns the view of an internal node."""
        kinds = {name: kind for name, (_, kind) in node.input_types.items()}
        return HamiltonNode(
            name=node.name,
            type=node.type,
            tags=dict(node.tags),
            is_external_input=node.user_defined,
            originating_functions=node.originating_functions,
            documentation=node.documentation,
            required_dependencies={n for n, k in kinds.items() if k is DependencyType.REQUIRED},
            optional_dependencies={n for n, k in kinds.items() if k is DependencyType.OPTIONAL},
            optional_dependencies_default_values=dict(node.default_parameter_values),
        )

    @property
    def version(self) -> str | None:
        """The hash of the code behind the node; None when its source is not available.

        Whitespace, comments and docstrings do not change it. Inputs hash their name and type.
        """
        if self.originating_functions:
            function = self.originating_functions[0]
            try:
                return hash_source_code(function, strip=True)
            except (OSError, TypeError):
                logger.warning("The source of %r is not available: no code version.", self.name)
                return None
        if self.type is Any:
            return self.name
        return hashlib.sha256(f"{self.name}:{self.type!r}".encode()).hexdigest()

    def as_dict(self, include_optional_dependencies_default_values: bool = False) -> dict[str, Any]:
        """Returns the node as plain data; lists are sorted, types are text."""
        functions = self.originating_functions or ()
        found: dict[str, Any] = {
            "name": self.name,
            "tags": self.tags,
            "output_type": get_type_as_string(self.type) or "",
            "required_dependencies": sorted(self.required_dependencies),
            "optional_dependencies": sorted(self.optional_dependencies),
            "source": _source_of(functions[0]) if functions else None,
            "documentation": self.documentation,
            "version": self.version,
        }
        if include_optional_dependencies_default_values:
            found["optional_dependencies_default_values"] = (
                self.optional_dependencies_default_values
            )
        return found

    def __repr__(self) -> str:
        return f'Node("{self.name}": {get_type_as_string(self.type)})'

    def __hash__(self) -> int:
        return hash(self.name)


@dataclass
class HamiltonGraph:
    """A graph as users see it: its nodes, also reachable as ``graph["name"]``."""

    nodes: list[HamiltonNode]

    @staticmethod
    def from_graph(fn_graph: FunctionGraph) -> HamiltonGraph:
        """Returns the view of an internal graph."""
        return HamiltonGraph([HamiltonNode.from_node(node) for node in fn_graph.get_nodes()])

    @functools.cached_property
    def _by_name(self) -> dict[str, HamiltonNode]:
        return {node.name: node for node in self.nodes}

    @property
    def version(self) -> str:
        """The hash of all code versions, independent of order and of configuration values."""
        versions = sorted(v for v in (node.version for node in self.nodes) if v is not None)
        return hashlib.sha256(str(versions).encode()).hexdigest()

    def filter_nodes(self, filter: Callable[[HamiltonNode], bool]) -> list[HamiltonNode]:
        """Returns the nodes for which `filter` answers true."""
        return [node for node in self.nodes if filter(node)]

    def __getitem__(self, name: str) -> HamiltonNode:
        return self._by_name[name]

    def __contains__(self, name: object) -> bool:
        return name in self._by_name


def _source_of(function: Callable[..., Any]) -> str | None:
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        return None
