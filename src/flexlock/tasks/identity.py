"""Which task a set of values is, and what its directory is called."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from flexlock.config.scalars import parse_scalar

__all__ = ["canonical_json", "task_id", "task_name"]

_MAX_NAME_BYTES = 120
_UNSAFE = re.compile(r"[^A-Za-z0-9._+@-]")


def canonical_json(value: Any) -> str:
    """Return JSON that is the same text for equal values: keys sorted, no spaces.

    Values that JSON does not know are written as their `repr`.
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=repr
    )


def task_id(values: Mapping[str, Any], copy: int = 1) -> str:
    """Return the id of a task; `copy` counts equal tasks, where these are wanted, from one."""
    digest = hashlib.sha256(canonical_json(dict(values)).encode()).hexdigest()
    return digest if copy == 1 else f"{digest}-{copy}"


def task_name(values: Mapping[str, Any], copy: int = 1) -> str:
    """Return a readable directory name, such as ``lr=0.1,depth=3``, that depends on values only.

    Eight digits of the id follow where the text alone does not say which values it means: when it
    is too long, has characters that do not belong into a file name, or reads as another type (the
    text ``1`` beside the number 1). Copies after the first end in ``~2``, ``~3`` ...
    """
    parts = [(_UNSAFE.sub("-", key), *_spell(value)) for key, value in values.items()]
    name = ",".join(f"{key}={text}" for key, text, _ in parts)
    exact = all(told for _, _, told in parts) and all(not _UNSAFE.search(key) for key in values)
    suffix = "" if exact and len(name) <= _MAX_NAME_BYTES else f"-{task_id(values)[:8]}"
    tail = suffix if copy == 1 else f"{suffix}~{copy}"
    return name[: _MAX_NAME_BYTES - len(tail)] + tail


def _spell(value: Any) -> tuple[str, bool]:
    """Return the text for a value, and whether only this value has it."""
    text = value if isinstance(value, str) else canonical_json(value)
    safe = _UNSAFE.sub("-", text)
    return safe, safe == text != "" and _reads_as(text, value)


def _reads_as(text: str, value: Any) -> bool:
    again = parse_scalar(text)
    return type(again) is type(value) and bool(again == value)
