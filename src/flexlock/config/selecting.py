"""``--experiment``: one node of a larger config becomes the config of the run.

The node leaves its surroundings, so references out of it are written out: ``${data_root}`` of the
file becomes its value there, ``${process.save_dir}`` inside ``process`` becomes ``${save_dir}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flexlock.config.interpolation import escape, find_references
from flexlock.config.scalars import settle
from flexlock.errors import ConfigError
from flexlock.spelling import list_names, nearest

__all__ = ["select_node"]


def select_node(root: Mapping[str, Any], key: str, own_names: frozenset[str]) -> dict[str, Any]:
    """Return the mapping at a dotted key of a tree, independent of the rest of it.

    Args:
        root: The whole tree, as `loading.load_file` gives it.
        key: Dotted key of the node.
        own_names: Top-level names of the config that the node will be part of. References to
            these stay references.

    Raises:
        ConfigError: There is no such key (the message lists those there are), or it is a value.
    """
    node: Any = root
    walked: list[str] = []
    for part in key.split("."):
        if not isinstance(node, Mapping) or part not in node:
            raise _no_such_node(node, part, walked, key)
        node = node[part]
        walked.append(part)
    if not isinstance(node, Mapping):
        raise ConfigError(
            f"The experiment {key!r} is the value {settle(node)!r}, not a set of parameters.",
            hint=f"Choose one of {list_names(_mappings(root))}.",
            key=key,
        )
    names = own_names | {str(name) for name in node}
    return {
        str(name): _freed(value, root, tuple(walked), (str(name),), names)
        for name, value in node.items()
    }


def _no_such_node(node: Any, part: str, walked: list[str], key: str) -> ConfigError:
    available = _mappings(node) if isinstance(node, Mapping) else []
    place = f" below {'.'.join(walked)!r}" if walked else ""
    return ConfigError(
        f"There is no experiment {key!r}: no {part!r}{place}.{nearest(part, available)}",
        hint=f"Available: {list_names(available)}.",
        key=key,
        available=tuple(available),
    )


def _mappings(node: Mapping[str, Any]) -> list[str]:
    return [str(name) for name, value in node.items() if isinstance(value, Mapping)]


def _freed(
    value: Any,
    root: Mapping[str, Any],
    node: tuple[str, ...],
    place: tuple[str, ...],
    names: frozenset[str],
) -> Any:
    """Return a value with references out of the node replaced."""
    if isinstance(value, Mapping):
        return {k: _freed(v, root, node, (*place, str(k)), names) for k, v in value.items()}
    if isinstance(value, list):
        return [_freed(v, root, node, (*place, str(n)), names) for n, v in enumerate(value)]
    if isinstance(value, str) and "${" in value:
        return _freed_text(value, root, node, place, names)
    return value


def _freed_text(
    text: str,
    root: Mapping[str, Any],
    node: tuple[str, ...],
    place: tuple[str, ...],
    names: frozenset[str],
) -> Any:
    pieces: list[str] = []
    position = 0
    for reference in find_references(text):
        pieces.append(text[position : reference.start])
        position = reference.end
        if reference.resolver or "${" in reference.body:
            inner = _freed_text(reference.body, root, node, place, names)
            pieces.append("${" + str(inner) + "}")
            continue
        inside, outside = _target(reference.key, root, node, place, names)
        if inside is not None:
            pieces.append("${" + inside + "}")
            continue
        value = _value_at(root, outside)
        if (reference.start, reference.end) == (0, len(text)):
            return value
        pieces.append(_as_text(value))
    return "".join([*pieces, text[position:]])


def _target(
    key: str,
    root: Mapping[str, Any],
    node: tuple[str, ...],
    place: tuple[str, ...],
    names: frozenset[str],
) -> tuple[str | None, tuple[str, ...]]:
    """Return the reference as it reads inside the node, or the outer key that it means."""
    name = key.lstrip(".")
    dots = len(key) - len(name)
    parts = tuple(p for p in name.replace("[", ".").replace("]", "").split(".") if p)
    if dots:
        above = (*node, *place)
        if dots <= len(place):
            return key, ()
        absolute = (*above[: max(len(above) - dots, 0)], *parts)
    else:
        absolute = parts
    if absolute[: len(node)] == node and len(absolute) > len(node):
        return ".".join(absolute[len(node) :]), ()
    is_own = not dots and absolute and absolute[0] in names
    if is_own or not _has(root, absolute):
        return key, ()
    return None, absolute


def _has(root: Any, path: tuple[str, ...]) -> bool:
    for part in path:
        if not isinstance(root, Mapping) or part not in root:
            return False
        root = root[part]
    return bool(path)


def _value_at(root: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    """Return a value of the outer tree with its own references evaluated there."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    from flexlock.config.resolvers import register_resolvers

    register_resolvers()
    dotted = ".".join(path)
    try:
        whole = OmegaConf.create(settle(dict(root)), flags={"allow_objects": True})
        value = OmegaConf.select(whole, dotted)
        if OmegaConf.is_config(value):
            return _literals(OmegaConf.to_container(value, resolve=True))
    except OmegaConfBaseException as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise ConfigError(f"Cannot evaluate ${{{dotted}}}: {reason}.", key=dotted) from error
    return _literals(value)


def _literals(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _literals(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_literals(v) for v in value]
    return escape(value) if isinstance(value, str) else value


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else str(value)
