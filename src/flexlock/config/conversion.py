"""Making a value fit the type that its field declares.

Text (`PlainText`) is read by the declared type, other values are checked and converted where
nothing is lost. Types that this module does not know are not checked.
"""

from __future__ import annotations

import collections.abc
import datetime
import enum
import pathlib
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

from flexlock.config.kinds import is_config_class, is_omegaconf
from flexlock.config.reading import read
from flexlock.config.scalars import PlainText, parse_plain, settle, structure
from flexlock.config.schema import Absence, Group, Leaf, type_text
from flexlock.config.secrets import shown
from flexlock.errors import ConfigError
from flexlock.spelling import list_names, nearest

__all__ = ["MISSING_TEXT", "convert", "default_values", "is_deferred", "nested_group"]

MISSING_TEXT = "???"
"""How OmegaConf writes a value that must be given."""

_TRUE = frozenset({"true", "yes", "on", "1", "y"})
_FALSE = frozenset({"false", "no", "off", "0", "n"})
_SEQUENCES = (
    list,
    set,
    frozenset,
    collections.abc.Sequence,
    collections.abc.MutableSequence,
    collections.abc.Collection,
    collections.abc.Iterable,
    collections.abc.Set,
    collections.abc.MutableSet,
)
_MAPPINGS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
_DATES = (datetime.datetime, datetime.date, datetime.time)


class _Mismatch(Exception):
    """A value does not fit; the message says why when the type alone does not."""


def convert(value: Any, leaf: Leaf, key: str) -> Any:
    """Return a value as the type of a leaf.

    Interpolations (``${...}``) and ``???`` pass: what they become is converted later.

    Args:
        value: Text or a Python value.
        leaf: Declares the type.
        key: Dotted key, for the error message.

    Raises:
        ConfigError: The value does not fit. The message names key, type and value.
    """
    if is_omegaconf(value):
        value = _unwrapped(value)
    if is_deferred(value):
        return str(value)
    try:
        return _convert(value, leaf.annotation)
    except _Mismatch as mismatch:
        if leaf.is_hint:
            return settle(value)
        reason = f" ({mismatch})" if str(mismatch) else ""
        expected = type_text(leaf.annotation)
        plain = str(value) if isinstance(value, PlainText) else value
        raise ConfigError(
            f"{key!r} must be {expected}, not {shown(key, plain)}{reason}.", key=key, type=expected
        ) from None


def is_deferred(value: Any) -> bool:
    """Whether a value is text that OmegaConf decides later: an interpolation or ``???``.

    A list or dictionary with interpolations inside is not: its elements are looked at one by one.
    """
    if not isinstance(value, str):
        return False
    is_collection = isinstance(value, PlainText) and value.strip()[:1] in ("[", "{")
    return value == MISSING_TEXT or ("${" in value and not is_collection)


def default_values(group: Group) -> dict[Any, Any]:
    """Return the values of a group as plain dictionaries and lists; ``???`` where one is missing.

    Values that may be left out are left out.
    """
    values: dict[Any, Any] = {}
    for name, child in group.fields.items():
        if isinstance(child, Group):
            values[name] = default_values(child)
        elif child.default is Absence.REQUIRED:
            values[name] = MISSING_TEXT
        elif child.default is not Absence.OPTIONAL:
            values[name] = _plain_default(child.default)
    return values


def nested_group(leaf: Leaf) -> Group | None:
    """Return the schema of a leaf whose type is a config class, such as ``Optimizer | None``."""
    members = typing.get_args(leaf.annotation) or (leaf.annotation,)
    classes = [member for member in members if is_config_class(member)]
    return read(classes[0]) if len(classes) == 1 else None


def _plain_default(value: Any) -> Any:
    """Return a default with the configs inside its lists and dictionaries as dictionaries."""
    if isinstance(value, Mapping) and not is_omegaconf(value):
        return {key: _plain_default(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        return [_plain_default(item) for item in value]
    if is_config_class(type(value)) and not isinstance(value, type):
        return default_values(read(value))
    return value


def _convert(value: Any, annotation: Any) -> Any:
    if is_deferred(value):
        return str(value)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Annotated, typing.Required, typing.NotRequired, typing.Final):
        return _convert(value, arguments[0])
    if origin in (typing.Union, types.UnionType):
        return _to_union(value, arguments)
    if origin is typing.Literal:
        return _to_literal(value, arguments)
    if annotation is Any:
        return settle(value)
    kind = origin or annotation
    if kind is tuple:
        return _to_tuple(value, arguments)
    if kind in _SEQUENCES:
        return _to_list(value, arguments[0] if arguments else Any)
    if kind in _MAPPINGS:
        return _to_dict(value, arguments or (Any, Any))
    if annotation is None or annotation is types.NoneType:
        return _to_none(value)
    if isinstance(annotation, type):
        return _to_class(value, annotation)
    return settle(value)


def _to_class(value: Any, cls: type) -> Any:
    if cls in _SCALARS:
        return _SCALARS[cls](value)
    if issubclass(cls, pathlib.PurePath):
        return _to_path(value, cls)
    if issubclass(cls, enum.Enum):
        return _to_enum(value, cls)
    if cls in _DATES:
        return _to_date(value, cls)
    if is_config_class(cls):
        return _to_group(value, cls)
    if isinstance(value, cls):
        return value
    if hasattr(cls, "get_secret_value") and isinstance(value, (str, bytes)):
        make: Callable[[Any], Any] = cls
        return make(str(value) if isinstance(value, str) else value)
    return settle(value)


def _to_none(value: Any) -> None:
    if settle(value) is not None:
        raise _Mismatch


def _to_bool(value: Any) -> bool:
    if isinstance(value, str):
        word = value.strip().lower()
        if word in _TRUE or word in _FALSE:
            return word in _TRUE
    elif isinstance(value, bool) or type(value).__name__ == "bool_":
        return bool(value)
    raise _Mismatch("write true or false")


def _to_int(value: Any) -> int:
    number = _number(value)
    if isinstance(number, float):
        if not number.is_integer():
            raise _Mismatch
        return int(number)
    return number


def _to_float(value: Any) -> float:
    return float(_number(value))


def _number(value: Any) -> int | float:
    if isinstance(value, str):
        value = parse_plain(value.strip())
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        value = value.item()  # a NumPy scalar
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _Mismatch
    return value


def _to_str(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float, pathlib.PurePath)):
        raise _Mismatch
    return str(value)


def _to_bytes(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if not isinstance(value, bytes):
        raise _Mismatch
    return value


_SCALARS: dict[type, Callable[[Any], Any]] = {
    bool: _to_bool,
    int: _to_int,
    float: _to_float,
    str: _to_str,
    bytes: _to_bytes,
    object: settle,
}


def _to_path(value: Any, cls: type[pathlib.PurePath]) -> pathlib.PurePath:
    if isinstance(value, pathlib.PurePath):
        return value
    if not isinstance(value, str) or not value:
        raise _Mismatch
    concrete = pathlib.Path if cls in (pathlib.PosixPath, pathlib.WindowsPath) else cls
    return concrete(str(value))


def _to_enum(value: Any, cls: type[enum.Enum]) -> enum.Enum:
    if isinstance(value, cls):
        return value
    if isinstance(value, str) and value.strip().removeprefix(f"{cls.__name__}.") in cls.__members__:
        return cls[value.strip().removeprefix(f"{cls.__name__}.")]
    for candidate in (settle(value), str(value)):
        try:
            return cls(candidate)
        except (ValueError, TypeError):
            continue
    raise _Mismatch(nearest(str(value), cls.__members__).strip())


def _to_date(value: Any, cls: Any) -> Any:
    if isinstance(value, cls):
        return value
    try:
        return cls.fromisoformat(value)
    except (TypeError, ValueError):
        raise _Mismatch("write it as in ISO 8601") from None


def _to_literal(value: Any, options: tuple[Any, ...]) -> Any:
    settled = settle(value)
    for option in options:
        is_same = option == settled and type(option) is type(settled)
        if is_same or (isinstance(option, str) and isinstance(value, str) and option == value):
            return option
        if isinstance(option, enum.Enum) and str(value) in (option.name, str(option)):
            return option
    raise _Mismatch(nearest(str(value), [str(o) for o in options]).strip())


def _to_union(value: Any, members: tuple[Any, ...]) -> Any:
    is_optional = types.NoneType in members
    if value is None or (is_optional and isinstance(value, PlainText) and _says_none(value)):
        return _to_none(None) if is_optional else _mismatch()
    rest = [member for member in members if member is not types.NoneType]
    settled = settle(value)
    for member in rest:  # a value that is already of one of the types stays as it is
        if isinstance(member, type) and type(settled) is member:
            return settled
    # Text goes last: it would take everything.
    for member in sorted(rest, key=lambda m: m is str):
        try:
            return _convert(value, member)
        except _Mismatch:
            continue
    return _mismatch()


def _says_none(text: str) -> bool:
    return bool(text.strip()) and parse_plain(text.strip()) is None


def _mismatch() -> typing.NoReturn:
    raise _Mismatch


def _items(value: Any) -> list[Any]:
    value = structure(value)
    if isinstance(value, (list, tuple, set, frozenset)):
        return list(value)
    if isinstance(value, (str, bytes, Mapping)) or not hasattr(value, "__iter__"):
        raise _Mismatch("write a list as [a, b]")
    return list(value)


def _to_list(value: Any, element: Any) -> list[Any]:
    return [_convert(item, element) for item in _items(value)]


def _to_tuple(value: Any, elements: tuple[Any, ...]) -> list[Any]:
    items = _items(value)
    if not elements or elements[-1] is Ellipsis:
        return [_convert(item, elements[0] if elements else Any) for item in items]
    if len(items) != len(elements):
        raise _Mismatch(f"{len(elements)} values are needed")
    return [_convert(item, element) for item, element in zip(items, elements, strict=True)]


def _to_dict(value: Any, arguments: tuple[Any, ...]) -> dict[Any, Any]:
    value = structure(value)
    if not isinstance(value, Mapping):
        raise _Mismatch("write a dictionary as {a: 1}")
    key_type, value_type = arguments[0], arguments[-1]
    return {_convert(k, key_type): _convert(v, value_type) for k, v in value.items()}


def _to_group(value: Any, cls: type) -> dict[str, Any]:
    """Fill the fields of a nested config class from a mapping or an instance."""
    value = structure(value)
    if isinstance(value, cls) and not isinstance(value, dict):
        return default_values(read(value))
    if not isinstance(value, Mapping):
        raise _Mismatch("write its parameters as {a: 1}")
    group = read(cls)
    values = default_values(group)
    for name, item in value.items():
        child = group.fields.get(name)
        if child is None and not group.is_open:
            raise _Mismatch(
                f"it has no parameter {name!r}, but {list_names(group.fields)}."
                f"{nearest(str(name), group.fields)}"
            )
        if isinstance(child, Group) and isinstance(item, Mapping):
            values[name] = _to_group(item, child.source) if child.source else settle(dict(item))
        else:
            values[name] = _convert(item, child.annotation if isinstance(child, Leaf) else Any)
    return values


def _unwrapped(value: Any) -> Any:
    from omegaconf import OmegaConf

    return OmegaConf.to_container(value, resolve=False)
