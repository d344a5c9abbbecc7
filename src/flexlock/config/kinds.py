"""Which kind of config an object is.

A config is a plain class or an instance of one, a dataclass, a dictionary, an OmegaConf config, a
pydantic model, an attrs class, a named tuple, a typed dictionary, a namespace or a function with
its signature. None of the libraries behind these is imported here: their classes are recognised by
what they carry, so a library that is not loaded cannot be meant.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

from flexlock.errors import ConfigError

__all__ = [
    "ATOMS",
    "class_of",
    "is_attrs",
    "is_config_class",
    "is_namespace",
    "is_omegaconf",
    "kind_of",
    "pydantic_fields",
]

ATOMS = (str, bytes, bool, int, float, complex, type(None))
"""Types whose values are never configs."""


def kind_of(source: object) -> str:
    """Return the name of the kind of config that an object is.

    Raises:
        ConfigError: The object is not a config.
    """
    for kind, applies in _KINDS.items():
        if applies(source):
            return kind
    raise ConfigError(
        f"{source!r} is not a config.",
        hint="Give a class, an instance, a dictionary, or a function with defaults.",
    )


def is_omegaconf(value: object) -> bool:
    """Whether a value is a container of OmegaConf; False while OmegaConf is not loaded."""
    module = sys.modules.get("omegaconf")
    return module is not None and isinstance(value, module.Container)


def is_config_class(annotation: object) -> bool:
    """Whether a type annotation is a class whose instances are configs in their own right."""
    return isinstance(annotation, type) and (
        dataclasses.is_dataclass(annotation)
        or _is_pydantic(annotation)
        or is_attrs(annotation)
        or _is_named_tuple(annotation)
        or typing.is_typeddict(annotation)
    )


def class_of(source: object) -> type:
    """Return a class itself, or the class of an instance."""
    return source if isinstance(source, type) else type(source)


def _is_pydantic(source: object) -> bool:
    cls = class_of(source)
    is_new = hasattr(cls, "__pydantic_decorators__") and hasattr(cls, "model_fields")
    return is_new or (hasattr(cls, "__validators__") and hasattr(cls, "__fields__"))


def pydantic_fields(cls: Any) -> Mapping[str, Any]:
    """Return the fields of a pydantic model of version 1 or 2."""
    is_new = hasattr(cls, "model_fields")  # asking a new model for the old name would warn
    fields: Mapping[str, Any] = cls.model_fields if is_new else cls.__fields__
    return fields


def is_attrs(source: object) -> bool:
    """Whether a class, or that of an instance, was made by attrs."""
    return hasattr(class_of(source), "__attrs_attrs__")


def _is_named_tuple(source: object) -> bool:
    cls = class_of(source)
    return issubclass(cls, tuple) and hasattr(cls, "_field_defaults")


def is_namespace(source: object) -> bool:
    """Whether a value is a `SimpleNamespace` or the result of `argparse`."""
    if isinstance(source, types.SimpleNamespace):
        return True
    argparse = sys.modules.get("argparse")
    return argparse is not None and isinstance(source, argparse.Namespace)


def _is_callable(source: object) -> bool:
    return inspect.isroutine(source) or hasattr(source, "func")  # functions and partials


def _is_plain(source: object) -> bool:
    is_value = isinstance(source, (*ATOMS, list, tuple, set, frozenset, types.ModuleType))
    return not is_value and class_of(source).__module__ != "builtins"


_KINDS: dict[str, Callable[[object], bool]] = {
    "empty": lambda source: source is None,
    "omegaconf": is_omegaconf,
    "typed_dict": typing.is_typeddict,
    "mapping": lambda source: isinstance(source, Mapping),
    "pydantic": _is_pydantic,
    "attrs": is_attrs,
    "dataclass": dataclasses.is_dataclass,
    "named_tuple": _is_named_tuple,
    "namespace": is_namespace,
    "function": _is_callable,
    "plain": _is_plain,
}
