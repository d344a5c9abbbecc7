"""Task lists as words of Hydra: each line, item or row is the overrides of one job."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from deriva_ml.core.exceptions import DerivaMLConfigurationError

from .errors import translated_tasks

__all__ = ["read_words", "word_of"]

_TO_ESCAPE = re.compile(r"[\\()\[\]{}:=, \t]")


def read_words(files: Sequence[str], key: str | None) -> list[list[str]]:
    """Return the overrides of each task, in the order of the lists.

    Args:
        files: Task lists, read as `flexlock.tasks.read_tasks` does; ``-`` is standard input.
        key: What a value is for; None when the tasks are mappings.

    Raises:
        DerivaMLConfigurationError: A list is missing, cannot be read, or holds values and there
            is no key for them; or a key inside a value has no form that Hydra reads.
    """
    from flexlock.tasks import read_tasks

    with translated_tasks():
        tasks = read_tasks(list(files), key=key)
    return [[word_of(name, value) for name, value in task.values.items()] for task in tasks]


def word_of(key: str, value: Any) -> str:
    """Return the override that gives `value` to `key`: ``model_config.epochs=3``.

    Raises:
        DerivaMLConfigurationError: A key of a mapping in it has no form that Hydra reads.
    """
    return f"{key}={_spelled(value)}"


def _spelled(value: Any) -> str:
    from deriva_ml.core.overrides import quoted

    if isinstance(value, str):
        return f"'{value}'" if value.isascii() and value.isdigit() else quoted(value)
    if isinstance(value, Mapping):
        inside = ",".join(f"{_spelled_key(k)}:{_spelled(v)}" for k, v in value.items())
        return f"{{{inside}}}"
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_spelled, value))}]"
    if isinstance(value, float):
        return repr(value)  # inf and nan are written as Hydra reads them
    return json.dumps(value, default=str)


def _spelled_key(key: Any) -> str:
    """Return a key of a mapping as Hydra reads it, which has no quotes for keys."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    written = _TO_ESCAPE.sub(r"\\\g<0>", key) if isinstance(key, str) else _spelled(key)
    try:
        read: Any = OverridesParser.create().parse_override(f"key={{{written}:0}}").value()
    except HydraException:
        read = {}
    if [(type(one), one) for one in read] != [(type(key), key)] or key is None:
        msg = f"The key {key!r} of a mapping in a task list cannot be written as a word of Hydra."
        raise DerivaMLConfigurationError(f"{msg} Use a name of letters, digits and underscores.")
    return written
