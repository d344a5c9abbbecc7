"""Putting values into a config: text is read by declared types, unknown names are refused."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flexlock.config.building import build
from flexlock.config.conversion import convert, is_deferred, nested_group
from flexlock.config.kinds import is_config_class
from flexlock.config.overrides import Override
from flexlock.config.scalars import settle, structure
from flexlock.config.schema import Group, Leaf
from flexlock.config.secrets import shown
from flexlock.errors import ConfigError
from flexlock.spelling import list_names, nearest

if TYPE_CHECKING:
    from omegaconf import DictConfig

__all__ = ["Draft", "apply_override", "converted_value", "merge_values", "put_value", "set_value"]


@dataclass(frozen=True, slots=True)
class Draft:
    """A config that is being put together, and the schema that its values must fit."""

    config: DictConfig
    schema: Group


def merge_values(draft: Draft, values: Mapping[Any, Any], *, where: str = "") -> None:
    """Merge a tree of values over a draft: mappings key by key, everything else replaced.

    Args:
        draft: Changed in place.
        values: Text or Python values.
        where: The file they come from, for error messages.

    Raises:
        ConfigError: A key is not part of the config, or a value does not fit its type.
    """
    _merge(draft.config, draft.schema, values, "", where)


def set_value(draft: Draft, key: str, value: Any, *, is_new: bool = False) -> None:
    """Set one value by its dotted key; a mapping is merged into a mapping.

    Args:
        draft: Changed in place.
        key: Dotted key; a number is an element of a list.
        value: Text (`scalars.read_text`) or a Python value.
        is_new: Whether the key may be one that the config does not have.

    Raises:
        ConfigError: The key is not part of the config, or the value does not fit its type.
    """
    container, schema, name, path = _descend(draft, key, is_new)
    leaf = _leaf_for(container, schema, name, path, is_new, "")
    _set(container, leaf, name, value, path, "")


def converted_value(draft: Draft, key: str, value: Any) -> Any:
    """Return a value as the config would hold it at a dotted key, as plain Python data.

    Args:
        draft: A scratch copy: the value is put into it.
        key: Dotted key.
        value: Text or a Python value.

    Raises:
        ConfigError: The key is not part of the config, or the value does not fit its type.
    """
    from omegaconf import Container, OmegaConf

    set_value(draft, key, value)
    container, _, name, _ = _descend(draft, key, False)
    node = container._get_node(_existing(container, name))
    is_container = isinstance(node, Container) and not node._is_interpolation()
    return OmegaConf.to_container(node, resolve=False) if is_container else node._value()


def apply_override(draft: Draft, override: Override) -> None:
    """Carry out one ``-o``.

    Raises:
        ConfigError: The key is not part of the config, or the value does not fit its type.
    """
    if override.action != "delete":
        set_value(draft, override.key, override.value, is_new=override.action == "add")
        return
    container, schema, name, path = _descend(draft, override.key, False)
    found = _existing(container, name)
    if found is None:
        raise _unknown(path, _names(container, schema), "")
    with _unlocked(container):
        del container[found]


def _merge(
    container: Any, schema: Group, values: Mapping[Any, Any], prefix: str, where: str
) -> None:
    for key, value in values.items():
        path = f"{prefix}{key}"
        leaf = _leaf_for(container, schema, str(key), path, False, where)
        _set(container, leaf, key, value, path, where)


def _set(container: Any, child: Leaf | Group, name: Any, value: Any, path: str, where: str) -> None:
    """Put a value at one place, going into mappings that are there already."""
    from omegaconf import DictConfig

    found = _existing(container, name)
    current = None if found is None else container._get_node(found)
    if isinstance(current, DictConfig) or isinstance(child, Group):
        value = structure(value)
    if isinstance(value, Mapping) and isinstance(current, DictConfig):
        is_usable = not (current._is_none() or current._is_missing() or current._is_interpolation())
        inner = child if isinstance(child, Group) else nested_group(child)
        if is_usable and not _is_list(container):
            _merge(current, inner or _element_group(child), value, f"{path}.", where)
            return
    if isinstance(child, Group):
        child = _leaf_of_group(child, value, path, where)
    try:
        converted = convert(value, child, path)
    except ConfigError as error:
        raise _located(error, where) from error
    put_value(container, name if found is None else found, converted, path)


def _leaf_of_group(group: Group, value: Any, path: str, where: str) -> Leaf:
    """Return the type that replaces a whole group: nothing, or text that is decided later."""
    settled = settle(value)
    cls = group.source if isinstance(group.source, type) else type(group.source)
    if isinstance(value, (Mapping, cls)):
        return Leaf(cls) if is_config_class(cls) else Leaf()
    if settled is None or is_deferred(value) or group.is_open:
        return Leaf()
    names = list_names(f"{path}.{name}" for name in group.fields)
    raise _located(
        ConfigError(
            f"{path!r} is a group of parameters, it cannot be {settled!r}.",
            hint=f"Set one of {names}.",
            key=path,
        ),
        where,
    )


def _element_group(child: Leaf | Group) -> Group:
    """Return the schema of a free mapping or list; ``dict[str, T]`` and ``list[T]`` type it."""
    if isinstance(child, Group):
        return child
    origin, arguments = typing.get_origin(child.annotation), typing.get_args(child.annotation)
    is_collection = isinstance(origin, type) and issubclass(origin, (Mapping, Sequence))
    return Group(element=arguments[-1] if is_collection and origin is not tuple else Any)


def put_value(container: Any, key: Any, value: Any, path: str) -> None:
    """Put a finished value into a container of OmegaConf, also where that is locked.

    Raises:
        ConfigError: OmegaConf refuses it, for example in a structured config.
    """
    from omegaconf.errors import OmegaConfBaseException

    try:
        with _unlocked(container):
            container[key] = value
    except OmegaConfBaseException as error:
        reason = str(error).splitlines()[0].rstrip(".")
        message = f"Cannot set {path!r} to {shown(path, value)}: {reason}."
        raise ConfigError(message, key=path) from error


def _unlocked(container: Any) -> Any:
    from omegaconf import flag_override

    return flag_override(container, ["readonly", "struct", "allow_objects"], [False, False, True])


def _descend(draft: Draft, key: str, is_new: bool) -> tuple[Any, Group, Any, str]:
    """Walk to the container of a dotted key; return it, its schema, the last name and the key."""
    from omegaconf import Container

    container: Any = draft.config
    schema = draft.schema
    *parents, last = key.split(".")
    walked = ""
    for part in parents:
        path = f"{walked}{part}"
        child = _leaf_for(container, schema, part, path, is_new, "")
        found = _existing(container, part)
        node = None if found is None else container._get_node(found)
        schema = child if isinstance(child, Group) else nested_group(child) or _element_group(child)
        if not isinstance(node, Container) or node._is_none() or node._is_interpolation():
            _refuse_scalar(node, child, path, key)
            fresh = build(schema) if schema.fields else {}
            if isinstance(child, Leaf):
                convert(fresh, child, path)  # whether it may be a mapping at all
            put_value(container, part if found is None else found, fresh, path)
            node = container._get_node(part if found is None else found)
        container, walked = node, f"{path}."
    if _is_list(container):
        return container, schema, _index(container, last, walked.strip(".")), key
    return container, schema, last, key


def _refuse_scalar(node: Any, child: Leaf | Group, path: str, key: str) -> None:
    value = None if node is None else node._value()
    if value is not None and value != "???" and not isinstance(child, Group):
        raise ConfigError(
            f"Cannot set {key!r}: {path!r} is the value {shown(path, value)}, "
            "it has no parameters.",
            hint=f"Set {path!r} itself.",
            key=key,
        )


def _leaf_for(
    container: Any, schema: Group, name: Any, path: str, is_new: bool, where: str
) -> Leaf | Group:
    """Return the schema of a name, or refuse a name that is not there."""
    if _is_list(container):
        _index(container, name, path.rpartition(".")[0])
        return Leaf(schema.element)
    child = schema.child(name)
    if child is not None:
        return child
    is_known = _existing(container, name) is not None or is_new or _is_section(str(name))
    if not (schema.is_open or is_known):
        raise _unknown(path, _names(container, schema), where)
    return Leaf(schema.element)


def _is_section(name: str) -> bool:
    return name == "runlock" or (name.startswith("_") and name.endswith("_"))


def _existing(container: Any, name: Any) -> Any:
    """Return the key of a container that a name means, or None; keys may also be numbers."""
    if _is_list(container):
        return int(name) if str(name).lstrip("-").isdigit() else None
    # Asking `in` would evaluate interpolations and deny parameters without a value.
    if name in container.keys():  # noqa: SIM118
        return name
    if isinstance(name, str):
        return next((key for key in container if str(key) == name), None)
    return None


def _is_list(container: Any) -> bool:
    return type(container).__name__ == "ListConfig"


def _index(container: Any, name: Any, path: str) -> int:
    text = str(name)
    if text.lstrip("-").isdigit() and -len(container) <= int(text) < len(container):
        return int(text)
    raise ConfigError(
        f"{path!r} is a list of {len(container)}, it has no element {text!r}.",
        hint="Count from 0, or set the whole list as [a, b].",
        key=path,
    )


def _names(container: Any, schema: Group) -> list[str]:
    return list(dict.fromkeys([*map(str, container.keys()), *schema.fields]))


def _unknown(path: str, names: Iterable[str], where: str) -> ConfigError:
    parent, _, name = path.rpartition(".")
    known = list(names)
    place = f" in {parent!r}" if parent else ""
    shown = list_names(n for n in known if not _is_section(n))
    more = f"`+{path}=...` adds a new one."
    if where and not parent:
        more = (
            f"`-o +{path}=...` adds a new one; --experiment {path} takes that part of a file alone."
        )
    return _located(
        ConfigError(
            f"There is no parameter {path!r}.{nearest(name, known)}",
            hint=f"Known{place}: {shown}. {more}",
            key=path,
            known=tuple(known),
        ),
        where,
    )


def _located(error: ConfigError, where: str) -> ConfigError:
    """Return the error with the file that the value came from."""
    if not where:
        return error
    return type(error)(f"{where}: {error.message}", hint=error.hint, **error.facts)
