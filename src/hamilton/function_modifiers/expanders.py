"""Modifiers that make several nodes of one function by binding its parameters differently."""

from __future__ import annotations

import string
import warnings
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from hamilton.errors import close_names, where
from hamilton.function_modifiers.base import (
    InvalidDecoratorException,
    NodeExpander,
    adapted,
    then,
)
from hamilton.function_modifiers.dependencies import (
    ConfigDependency,
    GroupedDependency,
    GroupedDictDependency,
    GroupedListDependency,
    LiteralDependency,
    ParametrizedDependency,
    UpstreamDependency,
    as_dependency,
    item_type,
    resolve_configuration,
    source,
    value,
)
from hamilton.node import REQUIRED, DependencyType, Node, resolved_annotations

__all__ = [
    "ParameterizedExtract",
    "inject",
    "parameterize",
    "parameterize_extract_columns",
    "parameterize_sources",
    "parameterize_values",
    "parameterized_inputs",
    "parametrized",
    "parametrized_input",
]

Mappings = Mapping[str, ParametrizedDependency]
_OUTPUT_NAME = "output_name"


def bind(node: Node, mapping: Mappings, **changes: Any) -> Node:
    """Returns a copy of a node with parameters bound to other nodes, literals and groups."""
    inputs: dict[str, tuple[Any, DependencyType]] = {}
    defaults: dict[str, Any] = {}
    for name, (type_, kind) in node.input_types.items():
        bound = mapping.get(name)
        if bound is None or isinstance(bound, UpstreamDependency):
            new = name if bound is None else bound.source
            if new not in inputs or kind is REQUIRED:
                inputs[new] = (type_, kind)
            if name in node.default_parameter_values:
                defaults[new] = node.default_parameter_values[name]
        elif isinstance(bound, GroupedDependency):
            inner = item_type(bound, type_)
            inputs.update((n, (inner, REQUIRED)) for n in _group_sources(bound))
    return node.copy_with(
        callabl=adapted(node.callable, _argument_maker(tuple(node.input_types), mapping)),
        input_types=inputs,
        optional_values=defaults,
        **changes,
    )


def _group_sources(bound: GroupedDependency) -> list[str]:
    members: Collection[ParametrizedDependency]
    if isinstance(bound, GroupedListDependency):
        members = bound.sources
    elif isinstance(bound, GroupedDictDependency):
        members = bound.sources.values()
    else:
        members = ()
    return [m.source for m in members if isinstance(m, UpstreamDependency)]


def _argument_maker(
    names: tuple[str, ...], mapping: Mappings
) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Returns the translation from the values of dependencies to the function's arguments."""
    renamed = {
        name: mapping[name].source if name in mapping else name  # type: ignore[attr-defined]
        for name in names
        if name not in mapping or isinstance(mapping[name], UpstreamDependency)
    }
    computed = {name: mapping[name] for name in names if name not in renamed}

    def arguments(kwargs: dict[str, Any]) -> dict[str, Any]:
        found = {name: kwargs[new] for name, new in renamed.items() if new in kwargs}
        for name, bound in computed.items():
            found[name] = _value_of(bound, kwargs)
        return found

    return arguments


def _value_of(bound: ParametrizedDependency, kwargs: Mapping[str, Any]) -> Any:
    if isinstance(bound, LiteralDependency):
        return bound.value
    if isinstance(bound, UpstreamDependency):
        return kwargs[bound.source]
    if isinstance(bound, GroupedListDependency):
        return [_value_of(member, kwargs) for member in bound.sources]
    if isinstance(bound, GroupedDictDependency):
        return {key: _value_of(member, kwargs) for key, member in bound.sources.items()}
    raise InvalidDecoratorException(f"{bound!r} cannot be used as an argument.")


class _Template(dict[str, str]):
    """Values of a docstring template; unknown fields stand for themselves."""

    def __missing__(self, key: str) -> str:
        return key


class parameterize(NodeExpander):
    """Makes one node per keyword: its parameters are bound as the mapping says.

    Args:
        **parametrization: ``{node name: mapping}`` or ``{node name: (mapping, docstring)}``, a
            mapping being ``{parameter: source(...) | value(...) | group(...) | literal}``.
            Docstrings may hold ``{parameter}`` and ``{output_name}``.
    """

    def __init__(
        self,
        **parametrization: Mapping[str, Any] | tuple[Mapping[str, Any], str],
    ) -> None:
        self.parameterization: dict[str, dict[str, ParametrizedDependency]] = {}
        self.documentation: dict[str, str] = {}
        for output, given in parametrization.items():
            mapping, doc = given if isinstance(given, tuple) else (given, None)
            if not isinstance(mapping, Mapping):
                raise InvalidDecoratorException(
                    f"@{self.name}: {output!r} must be given a dictionary from parameters to "
                    f"source(...) or value(...), found {mapping!r}."
                )
            self.parameterization[output] = {k: as_dependency(v) for k, v in mapping.items()}
            if doc is not None:
                self.documentation[output] = doc

    def required_config(self) -> list[str]:
        """Returns the configuration keys that mappings refer to."""
        return sorted(
            {
                bound.source
                for mapping in self.parameterization.values()
                for bound in mapping.values()
                if isinstance(bound, ConfigDependency)
            }
        )

    def validate(self, fn: Callable[..., Any]) -> None:
        """Refuses unknown parameters, unfit groups and broken docstring templates."""
        annotations = resolved_annotations(fn)
        parameters = [name for name in annotations if name != "return"]
        if _OUTPUT_NAME in parameters:
            raise InvalidDecoratorException(
                f"{_OUTPUT_NAME!r} is reserved for docstrings of @{self.name}; rename that "
                f"parameter of {where(fn)}.",
                function=fn,
            )
        for output, mapping in self.parameterization.items():
            for name, bound in mapping.items():
                if name not in parameters:
                    raise InvalidDecoratorException(
                        f"@{self.name} binds {name!r} for {output!r}, but {where(fn)} has no such "
                        f"parameter. It has {parameters}.",
                        function=fn,
                        candidates=close_names(name, parameters),
                    )
                if isinstance(bound, GroupedDependency):
                    item_type(bound, annotations[name])
            self.format_doc_string(self.documentation.get(output) or fn.__doc__, output)

    def format_doc_string(self, doc: str | None, output_name: str) -> str:
        """Returns a docstring with its fields filled in for one output.

        Raises:
            InvalidDecoratorException: The template is broken.
        """
        if not doc:
            return ""
        texts = {
            name: str(getattr(bound, "source", getattr(bound, "value", bound)))
            for name, bound in self.parameterization[output_name].items()
        }
        fields = _Template({**texts, _OUTPUT_NAME: output_name})
        try:
            return string.Formatter().vformat(doc, (), fields)
        except (ValueError, IndexError, AttributeError, TypeError) as error:
            raise InvalidDecoratorException(
                f"The docstring of {output_name!r} is not a usable template ({error}); write "
                "braces that are not fields as {{ and }}."
            ) from error

    def expand_node(
        self, node_: Node, config: dict[str, Any], fn: Callable[..., Any]
    ) -> Collection[Node]:
        """Returns one node per output."""
        return [
            bind(
                node_,
                {k: resolve_configuration(b, config) for k, b in mapping.items()},
                name=self._node_name(node_, output),
                doc_string=self.format_doc_string(
                    self.documentation.get(output) or node_.documentation, output
                ),
            )
            for output, mapping in self.parameterization.items()
        ]

    def _node_name(self, node_: Node, output: str) -> str:
        return output


class parameterize_values(parameterize):
    """Makes one node per value of a single parameter.

    Args:
        parameter: The parameter.
        assigned_output: ``{(node name, docstring): value}`` or ``{node name: value}``.
    """

    def __init__(self, parameter: str, assigned_output: Mapping[Any, Any]) -> None:
        given: dict[str, Any] = {}
        for key, literal in assigned_output.items():
            name, doc = key if isinstance(key, tuple) else (key, None)
            if not isinstance(name, str):
                raise InvalidDecoratorException(
                    f"@{type(self).__name__}: keys are (node name, docstring), found {key!r}."
                )
            mapping = {parameter: value(literal)}
            given[name] = mapping if doc is None else (mapping, doc)
        super().__init__(**given)


class parameterize_sources(parameterize):
    """Makes one node per keyword, its parameters taken from other nodes.

    Args:
        **parameterization: ``{node name: {parameter: other node}}``.

    Raises:
        ValueError: Nothing is given.
    """

    def __init__(self, **parameterization: Mapping[str, str]) -> None:
        if not parameterization:
            raise ValueError(
                f"@{type(self).__name__} needs at least one output: name={{parameter: node}}."
            )
        super().__init__(
            **{
                output: {name: source(other) for name, other in mapping.items()}
                for output, mapping in parameterization.items()
            }
        )


def _deprecated(old: str, new: str) -> None:
    warnings.warn(f"@{old} is deprecated; use @{new}.", DeprecationWarning, stacklevel=3)


class parametrized(parameterize_values):
    """Deprecated name of `parameterize_values`."""

    def __init__(self, parameter: str, assigned_output: Mapping[Any, Any]) -> None:
        _deprecated("parametrized", "parameterize_values")
        super().__init__(parameter, assigned_output)


class parametrized_input(parameterize):
    """Deprecated: one node per source of a single parameter.

    Args:
        parameter: The parameter.
        variable_inputs: ``{other node: (node name, docstring)}``.
    """

    def __init__(self, parameter: str, variable_inputs: Mapping[str, tuple[str, str]]) -> None:
        _deprecated("parametrized_input", "parameterize")
        given = {
            name: ({parameter: source(other)}, doc)
            for other, (name, doc) in variable_inputs.items()
        }
        super().__init__(**given)


class parameterized_inputs(parameterize_sources):
    """Deprecated name of `parameterize_sources`."""

    def __init__(self, **parameterization: Mapping[str, str]) -> None:
        _deprecated("parameterized_inputs", "parameterize_sources")
        super().__init__(**parameterization)


class inject(parameterize):
    """Binds parameters of a function to other nodes, literals, groups or configuration values."""

    def __init__(self, **key_mapping: Any) -> None:
        super().__init__(**{_INJECTED: key_mapping})

    def format_doc_string(self, doc: str | None, output_name: str) -> str:
        """Returns the docstring as it is: there is one output, and no template."""
        return doc or ""

    def _node_name(self, node_: Node, output: str) -> str:
        return node_.name


_INJECTED = "injected"


@dataclass(frozen=True)
class ParameterizedExtract:
    """One entry of `parameterize_extract_columns`: the columns, and how parameters are bound."""

    outputs: tuple[str, ...]
    input_mapping: Mapping[str, Any]


class parameterize_extract_columns(NodeExpander):
    """Makes one dataframe node per entry, and one column node per output of each entry.

    Args:
        *extract_config: The entries.
        reassign_columns: The frame's columns are renamed to the outputs, in order.
    """

    def __init__(
        self, *extract_config: ParameterizedExtract, reassign_columns: bool = True
    ) -> None:
        self.extract_config = extract_config
        self.reassign_columns = reassign_columns

    def expand_node(
        self, node_: Node, config: dict[str, Any], fn: Callable[..., Any]
    ) -> Collection[Node]:
        """Returns the frame and column nodes of every entry."""
        from hamilton.function_modifiers.extractors import extract_columns

        found: list[Node] = []
        for position, entry in enumerate(self.extract_config):
            mapping = {k: as_dependency(v) for k, v in entry.input_mapping.items()}
            frame = bind(node_, mapping, name=f"{node_.name}__{position}")
            if self.reassign_columns:
                rename = _column_renamer(tuple(entry.outputs))
                frame = frame.copy_with(callabl=then(frame.callable, rename))
            extract = extract_columns(*entry.outputs)
            found.extend([frame, *extract.parts(frame, fn)])
        return found


def _column_renamer(names: tuple[str, ...]) -> Callable[[Any], Any]:
    def rename(frame: Any) -> Any:
        frame.columns = list(names)
        return frame

    return rename
