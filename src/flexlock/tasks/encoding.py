"""Configuration values as JSON text that another process reads back unchanged.

Plain values are plain JSON. A path, a member of an enumeration and, where nothing else helps, a
pickled object are dictionaries with one key that begins with ``!``.
"""

from __future__ import annotations

import base64
import json
import pickle
from dataclasses import asdict
from enum import Enum
from pathlib import PurePath, PurePosixPath, PureWindowsPath
from typing import Any

from flexlock.target import Target

__all__ = ["decode", "encode"]

_PATHS: dict[str, type[PurePath]] = {
    kind.__name__: kind for kind in (PurePosixPath, PureWindowsPath)
}


def encode(value: Any) -> str:
    """Return a value as JSON text for `decode`. The order of keys is kept.

    Raises:
        TypeError, pickle.PicklingError: An object in it cannot be pickled.
    """
    return json.dumps(_to_plain(value), ensure_ascii=False)


def decode(text: str) -> Any:
    """Return the value that `encode` was given. Text from elsewhere must not be trusted."""
    return json.loads(text, object_hook=_from_tag)


def _to_plain(value: Any) -> Any:
    if value is None or type(value) in (bool, int, float, str):
        return value
    if type(value) in (list, tuple):
        return [_to_plain(item) for item in value]
    if type(value) is dict:
        if all(isinstance(key, str) and not key.startswith("!") for key in value):
            return {key: _to_plain(item) for key, item in value.items()}
        return {"!items": [[_to_plain(key), _to_plain(item)] for key, item in value.items()]}
    if isinstance(value, PurePath):
        kind = type(value).__name__
        return {"!path": str(value), "kind": kind} if kind in _PATHS else {"!path": str(value)}
    if isinstance(value, Enum) and (target := Target.of(type(value))).is_importable:
        return {"!enum": asdict(target), "name": value.name}
    return {"!pickle": base64.b64encode(_pickle(value)).decode()}


def _from_tag(document: dict[str, Any]) -> Any:
    if "!items" in document:
        return {_hashable(key): item for key, item in document["!items"]}
    if "!path" in document:
        from pathlib import Path

        return _PATHS.get(document.get("kind", ""), Path)(document["!path"])
    if "!enum" in document:
        enumeration: Any = Target(**document["!enum"]).load()
        return enumeration[document["name"]]
    if "!pickle" in document:
        return pickle.loads(base64.b64decode(document["!pickle"]))
    return document


def _hashable(key: Any) -> Any:
    return tuple(key) if isinstance(key, list) else key


def _pickle(value: Any) -> bytes:
    """Pickle by value what lives in ``__main__``, which a worker does not have."""
    import cloudpickle

    return bytes(cloudpickle.dumps(value))
