"""Nodes of the dataflow: what a function becomes once its modifiers are applied.

A node is never changed after it was made; modifiers make changed copies with `Node.copy_with`.
The graph that takes a node in sets its back reference, from which `dependencies` and
`depended_on_by` are answered.
"""

from __future__ import annotations

import builtins
import enum
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from hamilton.errors import DefinitionError, where
from hamilton.htypes import is_collect_type, is_parallelizable_type

if TYPE_CHECKING:
    from hamilton.graph import FunctionGraph

__all__ = ["DependencyType", "Node", "NodeType", "matches_query"]

NON_FINAL_TAG = "hamilton.non_final_node"
_VARIADIC = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS
_NONE_TYPE = type(None)


class NodeType(enum.Enum):
    """How a node gets its value."""

    STANDARD = 1
    EXTERNAL = 2
    PRIOR_RUN = 3
    EXPAND = 4
    COLLECT = 5


class DependencyType(enum.Enum):
    """Whether a node can do without a dependency."""

    REQUIRED = 1
    OPTIONAL = 2

    @staticmethod
    def from_parameter(parameter: inspect.Parameter) -> DependencyType:
        """Returns OPTIONAL for a parameter with a default value, else REQUIRED."""
        if parameter.default is inspect.Parameter.empty:
            return DependencyType.REQUIRED
        return DependencyType.OPTIONAL


REQUIRED, OPTIONAL = DependencyType.REQUIRED, DependencyType.OPTIONAL


class Node:
    """One step of a dataflow: a name, a type, a callable and what the callable needs.

    Args:
        name: Unique name in the graph.
        typ: Type of the value.
        doc_string: Documentation shown to users.
        callabl: Computes the value from keyword arguments; None for external inputs.
        node_source: Where the value comes from.
        input_types: ``{dependency: type}`` or ``{dependency: (type, DependencyType)}``.
        tags: Free metadata.
        namespace: Prefix parts given by sub-dags.
        originating_functions: User functions this node was made of, innermost first.
        optional_values: Default values of optional dependencies.
        positional: The callable takes the dependencies positionally in the order of
            `input_types`, which is faster than by keyword.
    """

    __slots__ = (
        "_callable",
        "_graph",
        "_role",
        "default_parameter_values",
        "documentation",
        "input_types",
        "name",
        "namespace",
        "originating_functions",
        "positional",
        "tags",
        "type",
    )

    def __init__(
        self,
        name: str,
        typ: Any,
        doc_string: str = "",
        callabl: Callable[..., Any] | None = None,
        node_source: NodeType = NodeType.STANDARD,
        input_types: Mapping[str, Any] | None = None,
        tags: dict[str, Any] | None = None,
        namespace: tuple[str, ...] = (),
        originating_functions: tuple[Callable[..., Any], ...] | None = None,
        optional_values: dict[str, Any] | None = None,
        *,
        positional: bool = False,
    ) -> None:
        self.name = name
        self.type = typ
        self.documentation = doc_string
        self._callable = callabl
        self._role = node_source
        self.namespace = namespace
        self.originating_functions = originating_functions
        self.default_parameter_values = optional_values or {}
        self.tags = tags if tags is not None else {}
        self.positional = positional
        self._graph: FunctionGraph | None = None
        self.input_types: dict[str, tuple[Any, DependencyType]] = (
            {} if input_types is None else _with_dependency_types(input_types)
        )

    @property
    def callable(self) -> Callable[..., Any]:
        """The function that computes the value from keyword arguments."""
        if self._callable is None:
            raise DefinitionError(f"{self.name!r} is an input: it has no function.", node=self.name)
        return self._callable

    @property
    def node_role(self) -> NodeType:
        """How the node gets its value."""
        return self._role

    @property
    def user_defined(self) -> bool:
        """Whether the value is supplied by the caller."""
        return self._role is NodeType.EXTERNAL

    @property
    def dependencies(self) -> list[Node]:
        """Nodes this one takes values from, in parameter order."""
        if self._graph is None:
            return []
        nodes = self._graph.nodes
        return [nodes[name] for name in self.input_types if name in nodes]

    @property
    def depended_on_by(self) -> list[Node]:
        """Nodes that take the value of this one."""
        return [] if self._graph is None else self._graph.dependents_of(self.name)

    @property
    def function(self) -> Callable[..., Any] | None:
        """The user function that this node comes from, or None."""
        return self.originating_functions[0] if self.originating_functions else None

    @property
    def is_async(self) -> bool:
        """Whether the callable must be awaited."""
        return inspect.iscoroutinefunction(self._callable)

    @property
    def collect_dependency(self) -> Node:
        """The node whose branches are gathered here."""
        for name, (type_, _) in self.input_types.items():
            if is_collect_type(type_) and self._graph is not None:
                return self._graph.nodes[name]
        raise DefinitionError(f"{self.name!r} has no Collect parameter.", node=self.name)

    def copy_with(self, **changes: Any) -> Node:
        """Returns a copy in which the named constructor arguments are replaced."""
        given: dict[str, Any] = {
            "name": self.name,
            "typ": self.type,
            "doc_string": self.documentation,
            "callabl": self._callable,
            "node_source": self._role,
            "input_types": self.input_types,
            "tags": self.tags,
            "namespace": self.namespace,
            "originating_functions": self.originating_functions,
            "optional_values": self.default_parameter_values,
            "positional": self.positional,
        }
        if "callabl" in changes or "input_types" in changes:
            given["positional"] = False
        given.update(changes)
        return Node(**given)

    def with_tags(self, tags: Mapping[str, Any]) -> Node:
        """Returns a copy with `tags` merged over the present ones."""
        return self.copy_with(tags={**self.tags, **tags})

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Computes the value."""
        return self.callable(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<Node {self.name!r} of {self.type!r}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Node):
            return NotImplemented
        return (
            self.name == other.name
            and self.type == other.type
            and self.documentation == other.documentation
            and self.tags == other.tags
            and self._role is other._role
            and self.input_types == other.input_types
        )

    def __hash__(self) -> int:
        return hash(self.name)

    def __getstate__(self) -> dict[str, Any]:
        return {slot: getattr(self, slot) for slot in Node.__slots__ if slot != "_graph"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._graph = None
        for slot, value in state.items():
            setattr(self, slot, value)

    @staticmethod
    def from_fn(fn: Callable[..., Any], name: str | None = None) -> Node:
        """Returns the node of a plain function, see `node_of_function`."""
        return node_of_function(fn, name)


def _with_dependency_types(
    input_types: Mapping[str, Any],
) -> dict[str, tuple[Any, DependencyType]]:
    return {
        name: value
        if type(value) is tuple and len(value) == 2 and isinstance(value[1], DependencyType)
        else (value, REQUIRED)
        for name, value in input_types.items()
    }


def role_of(
    return_type: Any, parameter_types: Mapping[str, tuple[Any, DependencyType]]
) -> NodeType:
    """Returns EXPAND, COLLECT or STANDARD according to the annotations."""
    if not isinstance(return_type, type) and is_parallelizable_type(return_type):
        return NodeType.EXPAND
    for type_, _ in parameter_types.values():
        if not isinstance(type_, type) and is_collect_type(type_):
            return NodeType.COLLECT
    return NodeType.STANDARD


def node_of_function(fn: Callable[..., Any], name: str | None = None) -> Node:
    """Returns the node that a function stands for, modifiers left aside.

    Raises:
        DefinitionError: The return or a parameter has no annotation, or a parameter is
            positional-only or variadic.
        NameError: A string annotation names something unknown.
    """
    annotations = resolved_annotations(fn)
    if "return" not in annotations:
        raise DefinitionError(
            f"Missing type hint for return value in function {fn.__qualname__}. "
            f"Write `def {fn.__name__}(...) -> SomeType:` at {where(fn)}.",
            function=fn,
        )
    return_type = annotations["return"]
    input_types, defaults, positional = signature_types(fn, annotations)
    return Node(
        name or fn.__name__,
        return_type,
        fn.__doc__ or "",
        fn,
        role_of(return_type, input_types),
        input_types,
        {"module": fn.__module__},
        (),
        (fn,),
        defaults,
        positional=positional,
    )


def resolved_annotations(fn: Callable[..., Any]) -> dict[str, Any]:
    """Returns the annotations of a function with strings evaluated and ``None`` as NoneType."""
    raw = getattr(fn, "__annotations__", None)
    if raw is None:
        return typing.get_type_hints(fn, include_extras=True)
    found = {}
    for name, value in raw.items():
        # Plain classes and their names need no evaluation; anything else does.
        known = _named(fn, value) if type(value) is str else value
        if known is None:
            known = _NONE_TYPE
        if not isinstance(known, type):
            return typing.get_type_hints(fn, include_extras=True)
        found[name] = known
    return found


def _named(fn: Callable[..., Any], name: str) -> Any:
    """Returns what a bare name in an annotation stands for, or the text when it is no name."""
    if name == "None":
        return None
    scope: dict[str, Any] = getattr(fn, "__globals__", {})
    found = scope.get(name, name)
    return getattr(builtins, name, name) if found is name else found


def signature_types(
    fn: Callable[..., Any], annotations: Mapping[str, Any]
) -> tuple[dict[str, tuple[Any, DependencyType]], dict[str, Any], bool]:
    """Returns parameter types, default values, and whether positional calls are safe."""
    code = getattr(fn, "__code__", None)
    plain = type(fn) is types.FunctionType and not _hides_signature(fn)
    if code is None or not plain or code.co_flags & _VARIADIC or code.co_posonlyargcount:
        return _types_from_signature(fn, annotations)
    count = code.co_argcount
    names = code.co_varnames[: count + code.co_kwonlyargcount]
    defaults: dict[str, Any] = {}
    positional_defaults = fn.__defaults__
    if positional_defaults:
        start = count - len(positional_defaults)
        defaults.update(zip(names[start:count], positional_defaults, strict=True))
    if fn.__kwdefaults__:
        defaults.update(fn.__kwdefaults__)
    found: dict[str, tuple[Any, DependencyType]] = {}
    for name in names:
        if name not in annotations:
            raise _missing_hint(fn, name)
        found[name] = (annotations[name], OPTIONAL if name in defaults else REQUIRED)
    return found, defaults, not code.co_kwonlyargcount


def _hides_signature(fn: Callable[..., Any]) -> bool:
    extra = fn.__dict__
    return bool(extra) and ("__wrapped__" in extra or "__signature__" in extra)


def _types_from_signature(
    fn: Callable[..., Any], annotations: Mapping[str, Any]
) -> tuple[dict[str, tuple[Any, DependencyType]], dict[str, Any], bool]:
    found: dict[str, tuple[Any, DependencyType]] = {}
    defaults: dict[str, Any] = {}
    for name, parameter in inspect.signature(fn).parameters.items():
        if parameter.kind not in (
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            inspect.Parameter.KEYWORD_ONLY,
        ):
            raise DefinitionError(
                f"Parameter {str(parameter)!r} of {where(fn)} is {parameter.kind.description}; "
                f"nodes are called by keyword, so write {name!r} as an ordinary parameter.",
                function=fn,
            )
        if name not in annotations:
            raise _missing_hint(fn, name)
        found[name] = (annotations[name], DependencyType.from_parameter(parameter))
        if parameter.default is not inspect.Parameter.empty:
            defaults[name] = parameter.default
    return found, defaults, False


def _missing_hint(fn: Callable[..., Any], name: str) -> DefinitionError:
    return DefinitionError(
        f"Missing type hint for {name} in function {fn.__name__}. Please add one to fix. "
        f"It is defined at {where(fn)}.",
        function=fn,
    )


def matches_query(tags: Mapping[str, Any], query: Mapping[str, Any]) -> bool:
    """Returns whether tags satisfy a filter: every key matches, a list of values means any.

    Raises:
        ValueError: A filter value is not a string, a non-empty list of strings or None.
    """
    return all(
        [key in tags and _value_matches(tags[key], _wanted(value)) for key, value in query.items()]
    )


def _wanted(value: Any) -> set[str] | None:
    if value is None:
        return None
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not values or not all(isinstance(v, str) for v in values):
        raise ValueError("All tag query values must be a string or list of strings")
    return set(values)


def _value_matches(present: Any, wanted: set[str] | None) -> bool:
    if wanted is None:
        return True
    return bool(wanted & (set(present) if isinstance(present, list) else {present}))
