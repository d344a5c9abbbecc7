"""Task lists as words of Hydra: each line, item or row is the overrides of one job."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from .errors import translated_tasks

__all__ = ["read_words", "word_of"]


def read_words(files: Sequence[str], key: str | None) -> list[list[str]]:
    """Return the overrides of each task, in the order of the lists.

    Args:
        files: Task lists, read as `flexlock.tasks.read_tasks` does; ``-`` is standard input.
        key: What a value is for; None when the tasks are mappings.

    Raises:
        DerivaMLConfigurationError: A list is missing, cannot be read, or holds values and there
            is no key for them.
    """
    from flexlock.tasks import read_tasks

    with translated_tasks():
        tasks = read_tasks(list(files), key=key)
    return [[word_of(name, value) for name, value in task.values.items()] for task in tasks]


def word_of(key: str, value: Any) -> str:
    """Return the override that gives `value` to `key`: ``model_config.epochs=3``."""
    return f"{key}={_spelled(value)}"


def _spelled(value: Any) -> str:
    from deriva_ml.cli.overrides import quoted

    if isinstance(value, str):
        return f"'{value}'" if value.isascii() and value.isdigit() else quoted(value)
    if isinstance(value, Mapping):
        inside = ",".join(f"{quoted(str(k))}:{_spelled(v)}" for k, v in value.items())
        return f"{{{inside}}}"
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_spelled, value))}]"
    if isinstance(value, float):
        return repr(value)  # inf and nan are written as Hydra reads them
    return json.dumps(value, default=str)
