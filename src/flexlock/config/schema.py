"""What a config looks like: names, types, defaults and words about them, as a small tree.

A `Group` is a mapping of names, a `Leaf` one value. Every kind of config is read into this form
(`kinds`), from which values are built, converted, documented and turned back into an instance.
OmegaConf is not needed for any of it.
"""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Absence", "Field", "Group", "Leaf", "fields_of", "type_text"]


class Absence(enum.Enum):
    """Why a leaf has no default value."""

    REQUIRED = "a value must be given"
    OPTIONAL = "may be left out; whoever makes the instance fills it in"


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value.

    `annotation` is the declared type, ``Any`` without one. An unannotated default of a type that
    text cannot spell (`Path`, an enumeration, a boolean written ``no``) is a hint: `is_hint` says
    that text which does not fit is kept as it is.
    """

    annotation: Any = Any
    default: Any = Absence.REQUIRED
    doc: str = ""
    is_hint: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """A mapping of names.

    `is_open` allows names that are not in `fields`; they then have the type `element`. `source` is
    the class, instance or function that the group was read from. Names are text, except the keys of
    dictionaries that are not.
    """

    fields: Mapping[Any, Leaf | Group] = field(default_factory=dict)
    is_open: bool = True
    element: Any = Any
    source: Any = None
    doc: str = ""

    def child(self, name: Any) -> Leaf | Group | None:
        """Return the schema of a name; ``"5"`` also finds the number 5."""
        found = self.fields.get(name)
        if found is None and isinstance(name, str):
            found = next((c for key, c in self.fields.items() if str(key) == name), None)
        return found


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter, as help texts show it.

    Attributes:
        name: Dotted key.
        type: The type in words, such as ``int`` or ``'a' | 'b'``.
        default: The default value, or an `Absence`.
        doc: One or more sentences, often empty.
    """

    name: str
    type: str
    default: Any
    doc: str = ""

    @property
    def is_required(self) -> bool:
        """Whether a value must be given."""
        return self.default is Absence.REQUIRED


def fields_of(group: Group, prefix: str = "") -> Iterator[Field]:
    """Yield the parameters below a group, depth first, in the order of their definition.

    Names like ``_target_`` are left out: they steer the machinery.
    """
    for raw, child in group.fields.items():
        name = str(raw)
        if name.startswith("_") and name.endswith("_"):
            continue
        key = f"{prefix}{name}"
        if isinstance(child, Leaf):
            yield Field(key, type_text(child.annotation, child.default), child.default, child.doc)
        elif child.fields:
            yield from fields_of(child, f"{key}.")
        else:
            yield Field(key, "dict", {}, child.doc)


def type_text(annotation: Any, default: Any = None) -> str:
    """Return a type in words; the default's type stands in for a missing annotation.

    Example:
        >>> type_text(int | None), type_text(list[str]), type_text(Any, 0.5)
        ('int | None', 'list[str]', 'float')
    """
    if annotation is Any:
        is_telling = default is not None and not isinstance(default, Absence)
        return _name(type(default)) if is_telling else "any"
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return type_text(arguments[0], default)
    if origin is typing.Literal:
        return " | ".join(repr(value) for value in arguments)
    if origin in (typing.Union, types.UnionType):
        return " | ".join(type_text(argument) for argument in arguments)
    if origin is not None and arguments:
        inner = ", ".join("..." if a is Ellipsis else type_text(a) for a in arguments)
        return f"{_name(origin)}[{inner}]"
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return " | ".join(member.name for member in annotation)
    return _name(annotation)


def _name(annotation: Any) -> str:
    if annotation is None or annotation is types.NoneType:
        return "None"
    if isinstance(annotation, type) and issubclass(annotation, Path):
        return "Path"
    name = getattr(annotation, "__name__", None)
    return name if isinstance(name, str) else str(annotation).removeprefix("typing.")
