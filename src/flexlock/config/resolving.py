"""The one step in which a config becomes values: interpolations are evaluated before the run.

`resolve` evaluates all of them and gives a config that can be read any number of times without
side effects. `pin` evaluates, when a sweep is submitted, what must be the same for all tasks.
`declared` tells which data and earlier runs a config names.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flexlock.config.interpolation import Reference, escape, find_references
from flexlock.config.resolvers import DEFERRED, memory_of, register_resolvers
from flexlock.errors import ConfigError, FlexLockError, UnresolvedInterpolationError
from flexlock.spelling import list_names

if TYPE_CHECKING:
    from omegaconf import DictConfig

__all__ = ["Declared", "declared", "forget_tracked", "pin", "resolve"]

SECTIONS = ("runlock", "_snapshot_")
"""Top-level keys of a config that may declare what is tracked."""


@dataclass(frozen=True, slots=True)
class Declared:
    """What a config says about tracking.

    Attributes:
        data: Paths from ``${runlock_data:...}`` and from lists of a ``runlock`` section.
        prevs: Paths from ``${runlock_prev:...}`` and of a ``runlock`` section.
        named: Data with names, from a mapping ``runlock: {data: {name: path}}``; each value is
            what ``runlock(data={name: value})`` takes.
        repos: The ``repos`` of a ``runlock`` section as it stands there, or None.
    """

    data: tuple[str, ...] = ()
    prevs: tuple[str, ...] = ()
    named: Mapping[str, Any] = field(default_factory=dict)
    repos: Any = None


def resolve(config: DictConfig, *, is_complete: bool = True) -> DictConfig:
    """Return a copy of a config in which every interpolation is replaced by its value.

    Args:
        config: The config; it is not changed, but keeps the time and the numbered paths that were
            used, so that resolving it again gives the same.
        is_complete: Whether every parameter must have a value.

    Raises:
        UnresolvedInterpolationError: An interpolation has no value; the message names its key.
        ConfigError: A parameter has no value, see `is_complete`.
    """
    register_resolvers()
    if is_complete:
        _refuse_missing(config)
    resolved = copy.deepcopy(config)
    root = resolved._get_root()
    memory = memory_of(root)
    if _has_interpolations(resolved):
        memory["data"], memory["prevs"] = [], []
        _resolve_container(resolved, "")
        kept = {k: v for k, v in memory.items() if k in ("instant", "vinc")}
        memory_of(config._get_root()).update(kept)
    if root is not resolved:
        resolved._set_parent(None)
        memory_of(resolved).update(memory)
    return resolved


def declared(config: DictConfig) -> Declared:
    """Return which data and earlier runs a config names, each path once.

    Raises:
        UnresolvedInterpolationError: An interpolation has no value.
    """
    from omegaconf import OmegaConf

    resolved = resolve(config, is_complete=False)
    memory = memory_of(resolved)
    data, prevs = list(memory.get("data", ())), list(memory.get("prevs", ()))
    named: dict[str, Any] = {}
    repos: Any = None
    for name in SECTIONS:
        section = resolved.get(name)
        if not isinstance(section, Mapping):
            continue
        given: Any = OmegaConf.to_container(section, resolve=True)
        entries = given.get("data")
        if isinstance(entries, Mapping):
            named |= {str(key): value for key, value in entries.items()}
        else:
            data += _paths(entries)
        prevs += _paths(given.get("prevs"))
        repos = given.get("repos", repos)
    named_paths = {str(v.get("path")) if isinstance(v, Mapping) else str(v) for v in named.values()}
    return Declared(
        tuple(path for path in dict.fromkeys(data) if path not in named_paths),
        tuple(dict.fromkeys(prevs)),
        named,
        repos,
    )


def pin(config: DictConfig, open_keys: frozenset[str] = frozenset()) -> DictConfig:
    """Return a copy of a config whose values no longer depend on when they are read.

    For sweeps: what does not depend on a key that the tasks set is evaluated now, so that every
    task sees the same time and the same numbered directory. ``${latest:...}`` and
    ``${run_lock:...}`` are left to each task, because tasks may change what they find, and so are
    ``${runlock_data:...}`` and ``${runlock_prev:...}``, which belong to the run that uses them.

    Args:
        config: The base config of the sweep.
        open_keys: Dotted keys that tasks will set.
    """
    register_resolvers()
    pinned = copy.deepcopy(config)
    for container, key, path in _leaves(pinned, ""):
        text = container._get_node(key)._value()
        if isinstance(text, str) and not _is_open(pinned, text, path, open_keys):
            _put_value(container, key, _evaluate(container, key, path))
        elif isinstance(text, str):
            _put(container, key, _pin_parts(pinned, container, text, path, open_keys))
    memory_of(config._get_root()).update(
        {k: v for k, v in memory_of(pinned._get_root()).items() if k in ("instant", "vinc")}
    )
    forget_tracked(pinned)
    return pinned


def forget_tracked(config: DictConfig) -> None:
    """Drop what the resolvers noted about data and earlier runs."""
    memory = memory_of(config._get_root())
    memory.pop("data", None)
    memory.pop("prevs", None)


def _paths(value: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, Mapping):
        value = list(value.values())
    return [str(v) for v in value] if isinstance(value, (list, tuple)) else [str(value)]


def _refuse_missing(config: DictConfig) -> None:
    missing = [
        path
        for container, key, path in _nodes(config, "")
        if container._get_node(key)._is_missing()
    ]
    if missing:
        example = missing[0]
        raise ConfigError(
            f"No value for {list_names(missing)}.",
            hint=f"Give it with `-o {example} VALUE`, in a --config file, or in the defaults.",
            keys=tuple(missing),
        )


def _nodes(container: Any, prefix: str) -> Iterator[tuple[Any, Any, str]]:
    """Yield (container, key, dotted key) of everything below a container, parents first."""
    from omegaconf import Container, DictConfig

    if container._is_none() or container._is_missing() or container._is_interpolation():
        return
    is_mapping = isinstance(container, DictConfig)
    for key in list(container.keys()) if is_mapping else range(len(container)):
        node = container._get_node(key)
        if node is None:
            continue
        path = f"{prefix}{key}"
        yield container, key, path
        if isinstance(node, Container):
            yield from _nodes(node, f"{path}.")


def _leaves(container: Any, prefix: str) -> Iterator[tuple[Any, Any, str]]:
    """Yield (container, key, dotted key) of every interpolation below a container."""
    for owner, key, path in _nodes(container, prefix):
        node = owner._get_node(key)
        # A text with nothing but escaped dollar signs is an interpolation to OmegaConf only.
        if node._is_interpolation() and next(find_references(str(node._value())), None):
            yield owner, key, path


def _has_interpolations(config: DictConfig) -> bool:
    return next(_leaves(config, ""), None) is not None


def _resolve_container(container: Any, prefix: str) -> None:
    for owner, key, path in list(_leaves(container, prefix)):
        _put_value(owner, key, _evaluate(owner, key, path))
        node = owner._get_node(key)
        if hasattr(node, "_get_node"):  # the value is a mapping or list with more inside
            _resolve_container(node, f"{path}.")


def _evaluate(container: Any, key: Any, path: str) -> Any:
    from omegaconf.errors import OmegaConfBaseException

    text = container._get_node(key)._value()
    try:
        return container[key]
    except FlexLockError:
        raise
    except OmegaConfBaseException as error:
        ours = _ours(error)
        if ours is not None:
            raise ours from None
        reason = str(error).splitlines()[0].strip().rstrip(".")
        raise UnresolvedInterpolationError(
            f"Cannot evaluate {text!r} of {path!r}: {reason}.",
            hint="A literal ${ is written \\${.",
            key=path,
        ) from error


def _ours(error: BaseException) -> FlexLockError | None:
    """Return the error of ours that a resolver raised and OmegaConf wrapped."""
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, FlexLockError):
        seen = seen.__cause__ or seen.__context__
    return seen


def _put_value(container: Any, key: Any, value: Any) -> None:
    """Put an evaluated value in place of its interpolation, as a literal."""
    if isinstance(value, str) and "${" in value:
        value = escape(value)
    _put(container, key, copy.deepcopy(value) if hasattr(value, "_set_parent") else value)


def _put(container: Any, key: Any, value: Any) -> None:
    from omegaconf import flag_override

    with flag_override(container, ["readonly", "struct"], False):
        container[key] = value


def _is_open(root: Any, text: str, path: str, open_keys: frozenset[str]) -> bool:
    """Whether the value of a text may still change after submission."""
    return any(_may_change(root, r, path, open_keys, ()) for r in find_references(text))


def _may_change(
    root: Any, reference: Reference, path: str, open_keys: frozenset[str], seen: tuple[str, ...]
) -> bool:
    inner = list(find_references(reference.body))
    if any(_may_change(root, r, path, open_keys, seen) for r in inner):
        return True
    if reference.resolver:
        return reference.resolver in DEFERRED or reference.resolver.startswith("runlock_")
    if inner:
        return True  # the key itself is computed
    target = _absolute(reference.key, path)
    if target in seen:
        return False
    if any(f"{target}.".startswith(f"{k}.") or f"{k}.".startswith(f"{target}.") for k in open_keys):
        return True
    return any(
        _may_change(root, r, where, open_keys, (*seen, target))
        for where, text in _texts_at(root, target)
        for r in find_references(text)
    )


def _absolute(key: str, path: str) -> str:
    """Return a reference as an absolute dotted key; `path` is where it stands."""
    name = key.lstrip(".")
    dots = len(key) - len(name)
    name = name.replace("[", ".").replace("]", "")
    if not dots:
        return name.strip(".")
    parents = path.split(".")
    return ".".join([*parents[: max(len(parents) - dots, 0)], *([name] if name else [])])


def _texts_at(root: Any, target: str) -> Iterator[tuple[str, str]]:
    """Yield (dotted key, text) of every interpolation at or below an absolute key."""
    node, walked = root, ""
    for part in target.split("."):
        if not hasattr(node, "_get_node") or node._is_interpolation():
            break
        try:
            node = node._get_node(int(part) if type(node).__name__ == "ListConfig" else part)
        except (ValueError, IndexError, TypeError):
            return
        walked = f"{walked}.{part}".strip(".")
        if node is None:
            return
    if node._is_interpolation():
        yield walked, str(node._value())
    elif hasattr(node, "_get_node"):
        for container, key, path in _leaves(node, f"{walked}."):
            yield path, str(container._get_node(key)._value())


def _pin_parts(root: Any, container: Any, text: str, path: str, open_keys: frozenset[str]) -> str:
    """Evaluate those parts of a text that are settled now; keep the others."""
    from omegaconf.errors import OmegaConfBaseException

    pieces: list[str] = []
    position = 0
    for reference in find_references(text):
        pieces.append(text[position : reference.start])
        position = reference.end
        part = text[reference.start : reference.end]
        if _may_change(root, reference, path, open_keys, ()):
            body = _pin_parts(root, container, reference.body, path, open_keys)
            pieces.append("${" + body + "}")
            continue
        try:
            evaluated = _evaluate_text(container, part)
        except OmegaConfBaseException:
            evaluated = None
        is_simple = isinstance(evaluated, (str, int, float, bool))
        pieces.append(escape(str(evaluated)) if is_simple else part)
    pieces.append(text[position:])
    return "".join(pieces)


def _evaluate_text(container: Any, text: str) -> Any:
    """Return the value that a text with interpolations has inside a container."""
    from omegaconf import AnyNode

    node = AnyNode(text)
    node._set_parent(container)
    node._set_key("_evaluated")
    return node._dereference_node()._value()
