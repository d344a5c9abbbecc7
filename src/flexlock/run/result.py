"""What a run returned, as it is written down."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

__all__ = ["LARGEST_RESULT", "recorded_result"]

LARGEST_RESULT = 1 << 20
"""Results whose JSON is longer than this (bytes) are not written into the run sheet."""
_LONGEST_TEXT = 1000


def recorded_result(value: Any) -> tuple[Any, str | None]:
    """Return a value as plain data, and a warning when something of it is not there.

    Mappings, lists, numbers, texts, booleans and None are kept; numpy's and the like become what
    their ``item()`` or ``tolist()`` gives. Anything else becomes a mapping of its type and its
    `repr`.
    """
    if value is None:
        return None, None
    plain = _plain(value)
    size = len(json.dumps(plain, default=str).encode())
    if size <= LARGEST_RESULT:
        return plain, None
    kind = _name_of(value)
    warning = (
        f"The result, a {kind}, takes {size} bytes and was not written down. "
        "Write it to a file in the save directory and return a summary."
    )
    return {"type": kind, "bytes": size}, warning


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    for method in ("tolist", "item"):
        convert = getattr(value, method, None)
        if callable(convert):
            return _plain_or_repr(value, convert)
    return {"type": _name_of(value), "repr": repr(value)[:_LONGEST_TEXT]}


def _plain_or_repr(value: Any, convert: Any) -> Any:
    try:
        converted = convert()
    except (TypeError, ValueError, RuntimeError):  # e.g. a tensor that lies on a device
        converted = value
    if type(converted) in (bool, int, float, str, list):
        return _plain(converted)
    return {"type": _name_of(value), "repr": repr(value)[:_LONGEST_TEXT]}


def _name_of(value: Any) -> str:
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
