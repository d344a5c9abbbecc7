"""How the results of a listing are ordered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["SortSpec", "resolve_sort"]

SortSpec = bool | Callable[[Any], Any] | None
"""``None`` or ``False``: no ordering; ``True``: the method's own; a callable: the caller's."""


def resolve_sort(
    sort: SortSpec, default_callable: Callable[[Any], Any], path: Any
) -> list[Any] | None:
    """Return the sort keys for `path`, or None when no ordering is asked for.

    Args:
        sort: What the caller gave. A callable receives `path` and returns one key or a list.
        default_callable: The ordering of the method, used for ``True``; called like the caller's.
        path: The table path whose columns the keys are made of.

    Raises:
        TypeError: `sort` is neither a bool, a callable nor None.
    """
    if sort is None or sort is False:
        return None
    chosen: object = default_callable if sort is True else sort
    if not callable(chosen):
        msg = (
            f"sort is {sort!r}; it takes None or False (any order), True (newest first), or a "
            "callable that receives the table path and returns sort keys."
        )
        raise TypeError(msg)
    keys = chosen(path)
    return list(keys) if isinstance(keys, list | tuple) else [keys]
