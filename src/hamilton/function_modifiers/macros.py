"""Modifiers that replace a function's body (`does`, `dynamic_transform`, `model`), and pipes."""

from __future__ import annotations

import ast
import inspect
import textwrap
import types
from collections.abc import Callable
from typing import Any

from hamilton.errors import where
from hamilton.function_modifiers.base import InvalidDecoratorException, NodeCreator, adapted
from hamilton.function_modifiers.pipes import (
    Applicable,
    NotSameModuleError,
    SingleTargetError,
    apply_to,
    mutate,
    pipe,
    pipe_input,
    pipe_output,
    step,
)
from hamilton.node import Node, node_of_function, resolved_annotations

__all__ = [
    "Applicable",
    "NotSameModuleError",
    "SingleTargetError",
    "apply_to",
    "does",
    "dynamic_transform",
    "ensure_function_empty",
    "model",
    "mutate",
    "pipe",
    "pipe_input",
    "pipe_output",
    "step",
]


def ensure_function_empty(fn: Callable[..., Any]) -> None:
    """Refuses a function whose body is more than ``pass``, ``...`` or a docstring.

    Raises:
        InvalidDecoratorException: The body does something.
    """
    if not _is_empty(fn):
        raise InvalidDecoratorException(
            f"The body of {where(fn)} is not used, so it must be empty: write only `pass`, and "
            "a docstring if you like.",
            function=fn,
        )


def _is_empty(fn: Callable[..., Any]) -> bool:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(fn)))
    except (OSError, SyntaxError):
        return _has_empty_code(fn)
    definition = tree.body[0]
    if not isinstance(definition, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return _has_empty_code(fn)
    return all(
        isinstance(statement, ast.Pass)
        or (
            isinstance(statement, ast.Expr)
            and isinstance(statement.value, ast.Constant)
            and (statement.value.value is ... or isinstance(statement.value.value, str))
        )
        for statement in definition.body
    )


def _has_empty_code(fn: Callable[..., Any]) -> bool:
    """Compares with the code of an empty function, when there is no source to look at."""

    def empty() -> None:
        pass

    code = getattr(fn, "__code__", None)
    return isinstance(code, types.CodeType) and code.co_code == empty.__code__.co_code


class does(NodeCreator):
    """Lets another function compute the node; the decorated one lends name, types and docstring.

    Args:
        replacing_function: Computes the value.
        **argument_mapping: ``{parameter of the replacing function: parameter of the other}``.
    """

    def __init__(self, replacing_function: Callable[..., Any], **argument_mapping: Any) -> None:
        self.replacing_function = replacing_function
        self.argument_mapping = argument_mapping

    def validate(self, fn: Callable[..., Any]) -> None:
        """Refuses bodies that are not empty and signatures that do not fit."""
        ensure_function_empty(fn)
        parameters = inspect.signature(fn).parameters
        for name, parameter in parameters.items():
            if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                raise InvalidDecoratorException(
                    f"@does: parameter {name!r} of {where(fn)} cannot be passed by keyword.",
                    function=fn,
                )
        unknown = [p for p in self._mapped_from() if p not in parameters]
        if unknown:
            raise InvalidDecoratorException(
                f"@does maps {unknown}, which are no parameters of {where(fn)}: "
                f"{list(parameters)}.",
                function=fn,
            )
        try:
            inspect.signature(self.replacing_function).bind(**self._renamed(dict(parameters)))
        except TypeError as error:
            raise InvalidDecoratorException(
                f"@does: {where(self.replacing_function)} cannot be called with the parameters "
                f"{list(parameters)} of {where(fn)}: {error}.",
                function=fn,
            ) from error

    def _mapped_from(self) -> list[str]:
        return [getattr(old, "source", old) for old in self.argument_mapping.values()]

    def _renamed(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        back = {getattr(old, "source", old): new for new, old in self.argument_mapping.items()}
        return {back.get(name, name): value for name, value in kwargs.items()}

    def generate_nodes(self, fn: Callable[..., Any], config: dict[str, Any]) -> list[Node]:
        """Returns the node of the function with the other computation."""
        node = node_of_function(fn)
        defaults = node.default_parameter_values

        def arguments(kwargs: dict[str, Any]) -> dict[str, Any]:
            return self._renamed({**defaults, **kwargs})

        return [node.copy_with(callabl=adapted(self.replacing_function, arguments))]


class dynamic_transform(NodeCreator):
    """Deprecated: lets an object built from configuration compute the node.

    Args:
        transform_cls: Subclass of ``hamilton.models.DynamicTransformBase``.
        config_param: Configuration key whose value is passed to it.
        **extra_transform_params: Passed to it as they are.
    """

    def __init__(
        self, transform_cls: type, config_param: str, **extra_transform_params: Any
    ) -> None:
        self.transform_cls = transform_cls
        self.config_param = config_param
        self.extra_transform_params = extra_transform_params

    def optional_config(self) -> dict[str, Any] | None:
        """Returns None: the configuration is looked at in `generate_nodes`."""
        return None

    def validate(self, fn: Callable[..., Any]) -> None:
        """Refuses functions with a body or with parameters."""
        ensure_function_empty(fn)
        if inspect.signature(fn).parameters:
            raise InvalidDecoratorException(
                f"@{self.name}: {where(fn)} must have no parameters; the transform names its "
                "dependencies itself.",
                function=fn,
            )
        returned = resolved_annotations(fn).get("return")
        if getattr(returned, "__name__", "") != "Series":
            raise InvalidDecoratorException(
                f"@{self.name}: {where(fn)} must return a pandas Series, not {returned!r}.",
                function=fn,
            )

    def generate_nodes(self, fn: Callable[..., Any], config: dict[str, Any]) -> list[Node]:
        """Returns the node that the transform computes."""
        if self.config_param not in config:
            raise InvalidDecoratorException(
                f"@{self.name}: configuration key {self.config_param!r}, needed by {where(fn)}, "
                f"is missing. Given: {sorted(config)}.",
                function=fn,
            )
        transform = self.transform_cls(
            config[self.config_param], fn.__name__, **self.extra_transform_params
        )
        node = node_of_function(fn)
        return [
            node.copy_with(
                callabl=transform.compute,
                input_types=dict.fromkeys(transform.get_dependents(), node.type),
            )
        ]


class model(dynamic_transform):
    """Deprecated: lets a model built from configuration compute the node.

    Args:
        model_cls: Subclass of ``hamilton.models.BaseModel``.
        config_param: Configuration key whose value is passed to it.
        **extra_model_params: Passed to it as they are.
    """

    def __init__(self, model_cls: type, config_param: str, **extra_model_params: Any) -> None:
        super().__init__(model_cls, config_param, **extra_model_params)
