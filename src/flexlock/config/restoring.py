"""From the finished config back to what its author declared: types checked, instances made."""

from __future__ import annotations

import collections.abc
import copy
import dataclasses
import inspect
import types
import typing
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flexlock.config.attributes import hints_of, pydantic_allows_extra
from flexlock.config.conversion import convert, default_values
from flexlock.config.kinds import is_config_class, is_omegaconf, kind_of, pydantic_fields
from flexlock.config.merging import Draft, put_value
from flexlock.config.reading import read
from flexlock.config.resolving import resolve
from flexlock.config.schema import Group, Leaf
from flexlock.config.secrets import shown
from flexlock.errors import ConfigError

if TYPE_CHECKING:
    from omegaconf import DictConfig

__all__ = ["arguments_of", "check_types", "finish", "restore"]


def finish(draft: Draft) -> DictConfig:
    """Return the values of a draft: interpolations evaluated, types checked, models validated.

    Raises:
        UnresolvedInterpolationError: An interpolation has no value.
        ConfigError: A parameter has no value, or one does not fit; the message names key, type and
            value.
    """
    config = resolve(draft.config)
    check_types(config, draft.schema)
    return config


def check_types(config: DictConfig, schema: Group) -> None:
    """Make the values of a resolved config fit their declared types, in place.

    Raises:
        ConfigError: A value does not fit, or a pydantic model refuses it.
    """
    _check(config, schema, "")


def restore(source: object, config: DictConfig) -> Any:
    """Return an instance of what a config was made from, with the values of a resolved config.

    A class gives an instance of it, an instance a copy with new values, a mapping a dictionary, a
    function the dictionary of its arguments. An OmegaConf config is returned as it is.

    Raises:
        ConfigError: The class refuses the values; its own error is the cause.
    """
    from omegaconf import OmegaConf

    if is_omegaconf(source) or source is None:
        return config
    values: Any = OmegaConf.to_container(config, resolve=True)
    try:
        return _make(source, values)
    except ConfigError:
        raise
    except (TypeError, ValueError, AttributeError) as error:
        name = getattr(source, "__name__", type(source).__name__)
        raise ConfigError(
            f"{name} does not take this config: {error}.", hint="Correct the values it names."
        ) from error


def arguments_of(function: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return plain values as the keyword arguments of a function, by its annotations."""
    hints = hints_of(inspect.unwrap(getattr(function, "func", function)))
    parameters = inspect.signature(function).parameters
    return {
        name: _fit(value, hints.get(name, Any), _default_of(parameters.get(name)))
        for name, value in values.items()
        if not (name.startswith("_") and name.endswith("_"))
    }


def _default_of(parameter: inspect.Parameter | None) -> Any:
    has_none = parameter is None or parameter.default is parameter.empty
    return None if has_none or parameter is None else parameter.default


def _check(config: Any, schema: Group, prefix: str) -> None:
    if config._is_none():
        return
    if schema.source is not None and kind_of(schema.source) == "pydantic":
        _validate(config, schema.source, prefix)
        return
    for key in list(config.keys()):
        child = schema.child(key) or Leaf(schema.element)
        node = config._get_node(key)
        path = f"{prefix}{key}"
        if isinstance(child, Group):
            if type(node).__name__ == "DictConfig":
                _check(node, child, f"{path}.")
        elif child.annotation is not Any:
            _check_leaf(config, key, child, path)


def _check_leaf(config: Any, key: Any, leaf: Leaf, path: str) -> None:
    from omegaconf import OmegaConf

    value = config[key]
    before = OmegaConf.to_container(value, resolve=True) if is_omegaconf(value) else value
    after = convert(before, leaf, path)
    if type(after) is not type(before) or after != before:
        put_value(config, key, after, path)


def _validate(config: Any, source: Any, prefix: str) -> None:
    """Let a pydantic model check a part of the config, and take over what it made of it."""
    from omegaconf import OmegaConf

    values: Any = OmegaConf.to_container(config, resolve=True)
    cls = source if isinstance(source, type) else type(source)
    model = _pydantic_model(cls, values, prefix)
    for name, value in default_values(read(model)).items():
        if name in values or value is not None:
            put_value(config, name, value, f"{prefix}{name}")


def _pydantic_model(cls: Any, values: Mapping[str, Any], prefix: str) -> Any:
    fields = pydantic_fields(cls)
    data = {_alias(fields[name], name): v for name, v in values.items() if name in fields}
    if pydantic_allows_extra(cls):
        data |= {n: v for n, v in values.items() if n not in fields and not _is_section(n)}
    validate = getattr(cls, "model_validate", None) or cls.parse_obj
    try:
        return validate(data)
    except ValueError as error:  # pydantic's own error is one
        details = error.errors() if hasattr(error, "errors") else []
        if not details:
            raise ConfigError(f"{cls.__name__} refuses the config: {error}.") from error
        first = details[0]
        key = prefix + ".".join(str(part) for part in first["loc"])
        value = first.get("input", _at(data, first["loc"]))
        more = f" ({len(details) - 1} more)" if len(details) > 1 else ""
        raise ConfigError(
            f"{key.rstrip('.')!r} cannot be {shown(key, value)}: {first['msg']}.{more}", key=key
        ) from error


def _is_section(name: str) -> bool:
    return name == "runlock" or (name.startswith("_") and name.endswith("_"))


def _alias(info: Any, name: str) -> str:
    for attribute in ("validation_alias", "alias"):
        alias = getattr(info, attribute, None)
        if isinstance(alias, str):
            return alias
    return name


def _at(data: Any, location: tuple[Any, ...]) -> Any:
    for part in location:
        if not isinstance(data, (dict, list)):
            break
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            break
    return data


def _make(source: Any, values: Mapping[str, Any]) -> Any:
    kind = kind_of(source)
    if kind in ("empty", "omegaconf"):
        return dict(values)
    if kind == "function":
        return arguments_of(source, values)
    if kind == "mapping":
        return {key: _fit(value, Any, source.get(key)) for key, value in values.items()}
    cls: Any = source if isinstance(source, type) else type(source)
    if kind == "pydantic":
        return _pydantic_model(cls, values, "")
    hints = hints_of(cls)
    fitted = {
        name: _fit(value, hints.get(name, Any), getattr(source, name, None))
        for name, value in values.items()
    }
    if kind == "typed_dict":
        return fitted
    if kind == "namespace":
        return cls(**fitted)
    return _instance(kind, source, cls, fitted)


def _instance(kind: str, source: Any, cls: Any, values: dict[str, Any]) -> Any:
    if kind == "dataclass":
        names = {f.name: f.name for f in dataclasses.fields(cls) if f.init}
        later = set(values) - {f.name for f in dataclasses.fields(cls)}
    elif kind == "attrs":
        names = {a.name: a.alias or a.name.lstrip("_") for a in cls.__attrs_attrs__ if a.init}
        later = set()
    elif kind == "named_tuple":
        names, later = {name: name for name in cls._fields}, set()
    elif source is cls:
        parameters = inspect.signature(cls).parameters
        names = {name: name for name in parameters if name in values}
        later = set(values) - set(names)
    else:
        instance = copy.copy(source)
        _set_attributes(instance, values)
        return instance
    instance = cls(**{names[name]: value for name, value in values.items() if name in names})
    _set_attributes(instance, {name: values[name] for name in values if name in later})
    return instance


def _set_attributes(instance: Any, values: Mapping[str, Any]) -> None:
    missing = object()
    for name, value in values.items():
        old = getattr(instance, name, missing)
        if old is missing and _is_section(name):
            continue
        if old is missing or type(old) is not type(value) or old != value:
            object.__setattr__(instance, name, value)  # also where the class is frozen


def _fit(value: Any, annotation: Any, example: Any) -> Any:
    """Return plain data as the declared collection or class; `example` stands in for a type."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Annotated, typing.Required, typing.NotRequired, typing.Final):
        return _fit(value, arguments[0], example)
    if origin in (typing.Union, types.UnionType):
        return _fit(value, _member_for(value, arguments), example)
    if isinstance(value, dict):
        return _fit_dict(value, annotation, arguments, example)
    if isinstance(value, list):
        return _fit_list(value, origin or annotation, arguments, example)
    return value


def _member_for(value: Any, members: tuple[Any, ...]) -> Any:
    """Return the member of a union that a dictionary or list was made from."""
    for member in members:
        kind = typing.get_origin(member) or member
        if isinstance(value, dict) and (is_config_class(member) or kind is dict):
            return member
        if isinstance(value, list) and kind in _COLLECTIONS:
            return member
    return Any


def _fit_dict(value: Any, annotation: Any, arguments: tuple[Any, ...], example: Any) -> Any:
    if is_config_class(annotation):
        is_same = isinstance(example, annotation) and not isinstance(example, dict)
        return _make(example if is_same else annotation, value)
    if annotation is Any and _is_nested(example):
        return _make(example, value)
    element = arguments[1] if len(arguments) == 2 else Any
    examples = example if isinstance(example, Mapping) else {}
    return {k: _fit(v, element, examples.get(k)) for k, v in value.items()}


def _is_nested(example: Any) -> bool:
    if example is None or isinstance(example, (Mapping, list, tuple)) or is_omegaconf(example):
        return hasattr(example, "_fields")
    try:
        return kind_of(example) not in ("function", "mapping")
    except ConfigError:
        return False


_COLLECTIONS: dict[Any, Any] = {
    tuple: tuple,
    set: set,
    frozenset: frozenset,
    collections.abc.Set: set,
    collections.abc.MutableSet: set,
    list: list,
    collections.abc.Sequence: list,
    collections.abc.MutableSequence: list,
    collections.abc.Collection: list,
    collections.abc.Iterable: list,
}


def _fit_list(value: Any, kind: Any, arguments: tuple[Any, ...], example: Any) -> Any:
    if is_config_class(kind) and hasattr(kind, "_fields"):
        return kind(*value)
    if kind is tuple and arguments and arguments[-1] is not Ellipsis:
        items = [_fit(v, a, None) for v, a in zip(value, arguments, strict=False)]
    else:
        items = [_fit(v, arguments[0] if arguments else Any, None) for v in value]
    if kind is Any and isinstance(example, (tuple, set, frozenset)):
        return type(example)(items) if not hasattr(example, "_fields") else type(example)(*items)
    return _COLLECTIONS.get(kind, list)(items)
