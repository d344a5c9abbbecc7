"""Where tasks write: each in a directory of its own, below the directory of the sweep."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from flexlock.config.interpolation import find_references
from flexlock.config.resolvers import register_resolvers
from flexlock.errors import ConfigError
from flexlock.tasks.model import Task

if TYPE_CHECKING:
    from omegaconf import DictConfig

__all__ = ["SAVE_DIR", "merge_task", "place_tasks", "put_task", "stored_directory", "sweep_root"]

SAVE_DIR = "save_dir"


def sweep_root(base: DictConfig) -> Path | None:
    """Return the directory of a sweep: the ``save_dir`` of its base config.

    Where that depends on the tasks (``results/${param}/fit``), it is the part before: ``results``.
    None without a ``save_dir``.

    Args:
        base: The base config, with everything evaluated that does not depend on the tasks.
    """
    text = _raw_save_dir(base)
    if text is None:
        return None
    if not _is_open(text):
        return Path(_as_text(base))
    fixed = text[: next(find_references(text)).start]
    return Path(fixed) if fixed.endswith("/") else Path(fixed).parent


def place_tasks(base: DictConfig, tasks: Sequence[Task], root: Path) -> list[Path]:
    """Return the directory of each task.

    A task that sets ``save_dir`` itself, or whose ``save_dir`` contains what it sets, writes there;
    every other writes to a directory of its own name in `root`. Tasks that would share a directory
    get one of their own name below it.

    Raises:
        ConfigError: A ``save_dir`` cannot be evaluated.
    """
    text = _raw_save_dir(base)
    depends = text is not None and _is_open(text)
    chosen = [
        _own_directory(base, task) if depends or SAVE_DIR in task.values else None for task in tasks
    ]
    shared = Counter(os.path.normpath(path) for path in chosen if path is not None)
    directories = []
    for task, path in zip(tasks, chosen, strict=True):
        if path is None:
            directories.append(root / task.name)
        elif shared[os.path.normpath(path)] > 1 or os.path.normpath(path) == os.path.normpath(root):
            directories.append(path / task.name)
        else:
            directories.append(path)
    return directories


def merge_task(
    base: DictConfig, values: Mapping[str, Any], directory: Path | None = None
) -> DictConfig:
    """Return the config of one task: a copy of the base with the task's values and its directory.

    The directory is its ``save_dir``, where the config has one.

    Raises:
        ConfigError: A value cannot be put where its key says.
    """
    import copy

    return put_task(copy.deepcopy(base), values, directory)


def put_task(
    config: DictConfig, values: Mapping[str, Any], directory: Path | None = None
) -> DictConfig:
    """Put the values of a task and its directory into a config, and return that.

    Raises:
        ConfigError: A value cannot be put where its key says.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        for key, value in values.items():
            if "." in key or "[" in key:
                OmegaConf.update(config, key, value, merge=False, force_add=True)
            else:
                config[key] = value
        node = config._get_node(SAVE_DIR)
        if directory is not None and node is not None:
            is_path = isinstance(node._value(), PurePath)
            config[SAVE_DIR] = Path(directory) if is_path else str(directory)
    except OmegaConfBaseException as cause:
        message = f"The task {dict(values)!r} does not fit the config: {cause}."
        raise ConfigError(message, hint="Check the key given to --task_to.") from cause
    return config


def stored_directory(directory: Path, root: Path) -> str:
    """Return a directory as the queue keeps it: relative to the sweep's when it lies below it."""
    # Not `resolve`: symbolic links stay what the user wrote.
    absolute = os.path.abspath(directory)  # noqa: PTH100
    base = os.path.join(os.path.abspath(root), "")  # noqa: PTH100, PTH118
    return absolute[len(base) :] if absolute.startswith(base) else absolute


def _own_directory(base: DictConfig, task: Task) -> Path:
    return Path(_as_text(merge_task(base, task.values)))


def _as_text(config: DictConfig) -> str:
    """Return the ``save_dir`` of a config, without evaluating anything else of it."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    register_resolvers()
    try:
        value = OmegaConf.select(config, SAVE_DIR)
    except OmegaConfBaseException as cause:
        message = f"The save_dir of a task cannot be evaluated: {cause}."
        raise ConfigError(message, hint="Check the keys that it refers to.") from cause
    if isinstance(value, (str, PurePath)) and str(value):
        return str(value)
    message = f"The save_dir of a task must be a path, not {value!r}."
    raise ConfigError(message, hint="Give it a text.", value=value)


def _raw_save_dir(base: DictConfig) -> str | None:
    node = base._get_node(SAVE_DIR)
    value = None if node is None else node._value()
    return None if value in (None, "", "???") else str(value)


def _is_open(text: str) -> bool:
    return next(find_references(text), None) is not None
