"""What classes carry: values, annotations, defaults and documentation, kind by kind."""

from __future__ import annotations

import dataclasses
import inspect
import sys
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from flexlock.config.schema import Absence

__all__ = [
    "attrs_default",
    "class_values",
    "dataclass_default",
    "first_line",
    "hints_of",
    "instance_values",
    "metadata_doc",
    "pydantic_allows_extra",
    "pydantic_default",
    "without_annotated",
]


DECLARATIONS = frozenset({"_outputs_", "_snapshot_"})
"""Names of a config that declare what a run leaves and what it tracks."""


def class_values(cls: type) -> Iterator[tuple[str, Any]]:
    """Yield the public class attributes that are values, those of base classes first."""
    values: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if base.__module__ == "builtins":
            continue
        for name, value in vars(base).items():
            is_inner = isinstance(value, type) and value.__qualname__.startswith(
                f"{base.__qualname__}."
            )
            is_value = not callable(value) and not hasattr(type(value), "__get__")
            is_module = isinstance(value, types.ModuleType)
            if _is_told(name) and (is_inner or (is_value and not is_module)):
                values[name] = value
            else:
                values.pop(name, None)  # overridden by a method
    yield from values.items()


def instance_values(instance: object) -> Iterator[tuple[str, Any]]:
    """Yield the public attributes of an instance, also those in slots."""
    for base in reversed(type(instance).__mro__):
        slots = vars(base).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if _is_told(name) and hasattr(instance, name):
                yield name, getattr(instance, name)
    for name, value in getattr(instance, "__dict__", {}).items():
        if _is_told(name):
            yield name, value


def _is_told(name: str) -> bool:
    """Whether an attribute belongs to the config: a public one, or one of `DECLARATIONS`."""
    return not name.startswith("_") or name in DECLARATIONS


def hints_of(source: Any) -> dict[str, Any]:
    """Return the resolved annotations; one that cannot be resolved counts as ``Any``."""
    try:
        return typing.get_type_hints(source, include_extras=True)
    except (NameError, TypeError, AttributeError, SyntaxError):
        return dict(_hints_one_by_one(source))


def _hints_one_by_one(source: Any) -> Iterator[tuple[str, Any]]:
    owners = reversed(source.__mro__) if isinstance(source, type) else [source]
    for owner in owners:
        namespace = vars(sys.modules.get(getattr(owner, "__module__", ""), types))
        for name, annotation in (
            inspect.get_annotations(owner).items() if owner is not object else ()
        ):
            if isinstance(annotation, str):
                try:
                    annotation = eval(annotation, dict(namespace))
                except (NameError, TypeError, AttributeError, SyntaxError):
                    annotation = Any
            yield name, annotation


def without_annotated(annotation: Any) -> tuple[Any, str]:
    """Return the type inside ``Annotated``, ``Required`` and the like, and a text in it."""
    doc = ""
    wrappers = (typing.Annotated, typing.Required, typing.NotRequired, typing.Final)
    while (origin := typing.get_origin(annotation)) in wrappers:
        arguments = typing.get_args(annotation)
        if origin is typing.Annotated:
            texts = [getattr(a, "documentation", a) for a in arguments[1:]]
            doc = doc or next((text for text in texts if isinstance(text, str)), "")
        annotation = arguments[0]
    return annotation, doc


def metadata_doc(metadata: Mapping[Any, Any]) -> str:
    """Return the text under ``help``, ``doc`` or ``description``, or nothing."""
    for key in ("help", "doc", "description"):
        if isinstance(metadata.get(key), str):
            return str(metadata[key])
    return ""


def dataclass_default(item: dataclasses.Field[Any]) -> Any:
    """Return the default of a field of a dataclass, or an `Absence`."""
    if item.default is not dataclasses.MISSING:
        return item.default
    if item.default_factory is not dataclasses.MISSING:
        return item.default_factory()
    return Absence.REQUIRED


def attrs_default(attribute: Any) -> Any:
    """Return the default of an attribute of an attrs class, or an `Absence`."""
    default = attribute.default
    if repr(default) == "NOTHING":
        return Absence.REQUIRED if attribute.init else Absence.OPTIONAL
    if hasattr(default, "takes_self"):
        return Absence.OPTIONAL if default.takes_self else default.factory()
    return default


def pydantic_default(info: Any) -> Any:
    """Return the default of a field of a pydantic model (1 or 2), or an `Absence`."""
    is_required = info.required if hasattr(info, "field_info") else info.is_required()
    if is_required:
        return Absence.REQUIRED
    factory = getattr(info, "default_factory", None)
    if factory is None:
        return info.default
    takes_data = getattr(info, "default_factory_takes_validated_data", False)
    return Absence.OPTIONAL if takes_data else factory()


def pydantic_allows_extra(cls: Any) -> bool:
    """Whether a pydantic model takes names that it does not declare."""
    settings = getattr(cls, "model_config", None)
    if settings is not None:
        return bool(settings.get("extra") == "allow")
    return str(getattr(cls.__config__, "extra", "")).endswith("allow")


def first_line(source: Any) -> str:
    """Return the first line of a class's or function's own docstring, or nothing."""
    doc = inspect.getdoc(source) if "__doc__" in getattr(source, "__dict__", {}) else None
    text = (doc or "").strip()
    if text.startswith(f"{getattr(source, '__name__', '')}("):
        return ""  # the docstring that dataclasses and named tuples make up
    return text.splitlines()[0] if text else ""
