"""Configs that can run: each names its function under ``_target_``.

The defaults of the function, of its signature or of the config class that it was decorated with,
lie under the values of the node; names that the function does not take are refused.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flexlock.config.building import build, to_config
from flexlock.config.interpolation import escape
from flexlock.config.kinds import is_omegaconf
from flexlock.config.loading import load_file, load_python_defaults
from flexlock.config.merging import Draft, apply_override, merge_values, put_value, set_value
from flexlock.config.overrides import read_overrides
from flexlock.config.reading import read
from flexlock.config.schema import Group
from flexlock.config.selecting import select_node
from flexlock.config.signature import instantiate, py2cfg
from flexlock.entry import Entry
from flexlock.errors import ConfigError
from flexlock.spelling import list_names, nearest
from flexlock.target import CALL_ATTRIBUTE, load_function

if TYPE_CHECKING:
    from omegaconf import DictConfig

__all__ = ["SAVE_DIR", "TARGET", "Node", "call_node", "load_defaults", "node_names", "prepare"]

TARGET = "_target_"
SAVE_DIR = "save_dir"
_POSITIONAL = ("_args_", "_partial_")
_FILES = (".yaml", ".yml", ".json", ".toml")

Overrides = Mapping[str, Any] | Sequence[str]


@dataclass(frozen=True, slots=True)
class Node:
    """A config that can run.

    Attributes:
        name: Its key in the project, or the name of its function.
        draft: Its values, interpolations unresolved, and the schema that they fit.
        function: What it runs.
    """

    name: str
    draft: Draft
    function: Callable[..., Any]

    @property
    def config(self) -> DictConfig:
        """The values."""
        return self.draft.config


def load_defaults(defaults: object) -> dict[str, Any]:
    """Return the tree of a project's defaults, interpolations unresolved.

    Args:
        defaults: A config of any kind; a config file; ``file.py``, ``file.py:NAME``,
            ``package.module:NAME`` or ``package.module.NAME``; None for nothing.

    Raises:
        ConfigError: There is no such file or name, or it is no config.
    """
    if isinstance(defaults, (str, Path)):
        text = str(defaults)
        if text.endswith(_FILES):
            from flexlock.config.scalars import settle

            return dict(settle(load_file(text)))
        defaults = load_python_defaults(text)
    return _tree(defaults)


def node_names(tree: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return the dotted keys of all nodes of a tree that name a function."""
    found = [prefix.rstrip(".")] if TARGET in tree and prefix else []
    for name, value in tree.items():
        if isinstance(value, Mapping) and TARGET not in tree:
            found += node_names(value, f"{prefix}{name}.")
    return found


def prepare(
    tree: Mapping[str, Any],
    what: object = None,
    *,
    overrides: Overrides = (),
    merge: object = None,
) -> Node:
    """Return a config that can run.

    Args:
        tree: The defaults of the project.
        what: A dotted key of the tree, a config with ``_target_``, a function, or None for the
            whole tree.
        overrides: Values by dotted keys, or words as after ``-o``.
        merge: A config, or a config file, whose values come before the overrides.

    Raises:
        ConfigError: There is no such node, it names no function, or a value does not fit.
    """
    name, node = _selected(tree, what)
    target = node.get(TARGET)
    if not target:
        known = node_names(tree)
        message = f"The config {name or 'of the project'!r} names no function."
        hint = f"Give it a _target_, as py2cfg does. There are: {list_names(known)}."
        raise ConfigError(message, hint=hint)
    function = target if callable(target) else load_function(str(target))
    draft = _draft(function, node)
    merge_values(draft, node, where=f"config {name}" if name else "")
    if merge is not None:
        given = load_defaults(merge)
        merge_values(draft, given, where=str(merge) if isinstance(merge, (str, Path)) else "merge")
    if isinstance(overrides, Mapping):
        for key, value in overrides.items():
            set_value(draft, key, value)
    else:
        for override in read_overrides(overrides):
            apply_override(draft, override)
    return Node(name or str(getattr(function, "__name__", "run")), draft, function)


def call_node(config: DictConfig) -> Any:
    """Run a finished config: call its function with its values.

    A decorated function gets the config; any other gets the values by name, nested configs with
    ``_target_`` made into what they name. ``save_dir`` is left out where the function does not take
    it: it is the directory of the run, see `flexlock.current_run`.
    """
    from omegaconf import OmegaConf

    function = load_function(str(config[TARGET]))
    values: dict[str, Any] = OmegaConf.to_container(config, resolve=True)  # type: ignore[assignment]
    leave_out = {TARGET, "_outputs_", "_snapshot_"}
    if SAVE_DIR not in _schema(function, values).fields and not _takes_any(function):
        leave_out.add(SAVE_DIR)
    if hasattr(function, CALL_ATTRIBUTE) or not (_has_targets(values) or _is_positional(values)):
        return _entry(function).call(_without(config, leave_out))
    kept = {key: _literal(value) for key, value in values.items() if key not in leave_out}
    return instantiate({**kept, TARGET: function})


def _literal(value: Any) -> Any:
    """Return a finished value so that nothing in it is taken for an interpolation."""
    if isinstance(value, dict):
        return {key: _literal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_literal(item) for item in value]
    return escape(value) if isinstance(value, str) else value


def _without(config: DictConfig, names: set[str]) -> DictConfig:
    """Return a config without some names; texts that look like interpolations stay as they are."""
    from omegaconf import flag_override

    inner = copy.deepcopy(config)
    with flag_override(inner, ["readonly", "struct"], False):
        for name in names & set(inner.keys()):
            del inner[name]
    return inner


# --- parts ----------------------------------------------------------------------------------


def _tree(config: object) -> dict[str, Any]:
    from omegaconf import OmegaConf

    if isinstance(config, Mapping) and not is_omegaconf(config):
        return {str(key): _inner(value) for key, value in config.items()}
    tree = OmegaConf.to_container(to_config(config), resolve=False)
    assert isinstance(tree, dict)
    return {str(key): value for key, value in tree.items()}


def _inner(value: Any) -> Any:
    """Return a value of a mapping; configs in it, such as those of py2cfg, become trees."""
    if is_omegaconf(value):
        from omegaconf import OmegaConf

        return OmegaConf.to_container(value, resolve=False)
    if isinstance(value, Mapping):
        return {str(key): _inner(item) for key, item in value.items()}
    return value


def _selected(tree: Mapping[str, Any], what: object) -> tuple[str, dict[str, Any]]:
    if what is None:
        return "", dict(tree)
    if isinstance(what, str):
        names = node_names(tree)
        if not tree:
            message = f"The project has no defaults, so there is no {what!r} in it."
            raise ConfigError(message, hint="Give Project(defaults=...), or submit a config.")
        if what.split(".", 1)[0] not in tree:
            message = f"There is no {what!r} in the project.{nearest(what, names)}"
            raise ConfigError(message, hint=f"There are: {list_names(names)}.", key=what)
        return what, select_node(tree, what, frozenset())
    if callable(what) and not is_omegaconf(what) and not isinstance(what, type):
        return "", _tree(py2cfg(what))
    return "", _tree(what)


def _draft(function: Callable[..., Any], node: Mapping[str, Any]) -> Draft:
    schema = _schema(function, node)
    draft = Draft(build(schema), schema)
    if SAVE_DIR not in schema.fields:
        put_value(draft.config, SAVE_DIR, None, SAVE_DIR)
    return draft


def _schema(function: Callable[..., Any], node: Mapping[str, Any]) -> Group:
    """Return what the function takes; with positional values only it knows."""
    if _is_positional(node):
        return Group()
    if isinstance(function, type):
        return read(function)
    source = _entry(function).source()
    return source if isinstance(source, Group) else read(source)


def _entry(function: Callable[..., Any]) -> Entry:
    entry = getattr(function, "entry", None)
    return entry if isinstance(entry, Entry) else Entry(function)


def _takes_any(function: Callable[..., Any]) -> bool:
    import inspect

    if isinstance(function, type) or isinstance(getattr(function, "entry", None), Entry):
        return False
    parameters = inspect.signature(function).parameters.values()
    return any(p.kind is p.VAR_KEYWORD for p in parameters)


def _is_positional(node: Mapping[str, Any]) -> bool:
    return any(node.get(name) for name in _POSITIONAL)


def _has_targets(value: Any, *, is_top: bool = True) -> bool:
    if isinstance(value, Mapping):
        own = TARGET in value and not is_top
        return own or any(_has_targets(item, is_top=False) for item in value.values())
    return isinstance(value, list) and any(_has_targets(item, is_top=False) for item in value)
