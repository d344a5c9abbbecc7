"""The published value hashes (`hash_value` and its parts), whose texts never change.

They are kept for users who call them or register types on them. The cache itself identifies
values with `hamilton.caching.fingerprint.fingerprint`, which tells apart what these hashes
confuse (``1`` and ``"1"``, renamed columns, shapes); types registered here are honoured there.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import sys
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

__all__ = [
    "MAX_DEPTH",
    "NONE_HASH",
    "UNHASHABLE",
    "hash_bytes",
    "hash_mapping",
    "hash_numpy_array",
    "hash_pandas_obj",
    "hash_polars_column",
    "hash_polars_dataframe",
    "hash_primitive",
    "hash_repr",
    "hash_sequence",
    "hash_set",
    "hash_unordered_mapping",
    "hash_value",
    "set_max_depth",
]

MAX_DEPTH = 6
UNHASHABLE = "<unhashable>"
NONE_HASH = "<none>"

_REPR_MODULES = (set(sys.builtin_module_names) - {"builtins"}) | {"datetime"}


def set_max_depth(depth: int) -> None:
    """Sets how many objects deep `hash_value` looks before it answers `UNHASHABLE`."""
    global MAX_DEPTH
    MAX_DEPTH = depth


def _compact(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).decode()


@functools.singledispatch
def hash_value(obj: Any, *args: Any, depth: int = 0, **kwargs: Any) -> str:
    """Returns the hash of a value; register types with ``@hash_value.register(T)``.

    Objects are hashed by their attributes. `UNHASHABLE` stands for objects without attributes
    and for what lies deeper than `MAX_DEPTH` objects.
    """
    for module, kind, handler in _LIBRARY_HANDLERS:
        library = sys.modules.get(module)
        if library is not None and isinstance(obj, _members(library, kind)):
            return str(handler(obj, depth=depth))
    if depth > MAX_DEPTH:
        return UNHASHABLE
    if type(obj).__module__ in _REPR_MODULES and not callable(obj):
        return hash_repr(obj, depth=depth)
    attributes = getattr(obj, "__dict__", None)
    if attributes and not isinstance(obj, type) and not callable(obj):
        return hash_value(attributes, depth=depth + 1)
    return UNHASHABLE


def _members(library: Any, names: tuple[str, ...]) -> tuple[type, ...]:
    return tuple(getattr(library, name) for name in names)


@hash_value.register(type(None))
def _hash_none(obj: None, *args: Any, depth: int = 0, **kwargs: Any) -> str:
    return NONE_HASH


@hash_value.register(str)
@hash_value.register(int)
@hash_value.register(float)
@hash_value.register(bool)
def hash_primitive(obj: str | int | float | bool, *args: Any, depth: int = 0, **kwargs: Any) -> str:
    """Returns the MD5 of the value's text."""
    return _compact(hashlib.md5(str(obj).encode()).digest())


@hash_value.register(bytes)
def hash_bytes(obj: bytes, *args: Any, depth: int = 0, **kwargs: Any) -> str:
    """Returns the MD5 of bytes."""
    return _compact(hashlib.md5(obj).digest())


def hash_repr(obj: Any, *args: Any, depth: int = 0, **kwargs: Any) -> str:
    """Returns the hash of the value's repr."""
    return hash_primitive(repr(obj), depth=depth)


def _hash_texts(texts: Iterable[str]) -> str:
    digest = hashlib.sha224()
    for text in texts:
        digest.update(text.encode())
    return _compact(digest.digest())


@hash_value.register(Sequence)
def hash_sequence(obj: Sequence[Any], *args: Any, depth: int = 0, **kwargs: Any) -> str:
    """Returns the hash of the elements' hashes, in order."""
    return _hash_texts(hash_value(item, depth=depth + 1) for item in obj)


@hash_value.register(Mapping)
def hash_mapping(
    obj: Mapping[Any, Any], *args: Any, ignore_order: bool = True, depth: int = 0, **kwargs: Any
) -> str:
    """Returns the hash of the key and value hashes, sorted by key hash unless told otherwise."""
    pairs = [
        (hash_value(key, depth=depth + 1), hash_value(value, depth=depth + 1))
        for key, value in obj.items()
    ]
    if ignore_order:
        pairs.sort(key=lambda pair: pair[0])
    return _hash_texts(text for pair in pairs for text in pair)


def hash_unordered_mapping(
    obj: Mapping[Any, Any], *args: Any, depth: int = 0, **kwargs: Any
) -> str:
    """Returns `hash_mapping` with the order of keys ignored."""
    return hash_mapping(obj, ignore_order=True, depth=depth)


@hash_value.register(Set)
def hash_set(obj: Set[Any], *args: Any, depth: int = 0, **kwargs: Any) -> str:
    """Returns the hash of the sorted element hashes."""
    return _hash_texts(sorted(hash_value(item, depth=depth + 1) for item in obj))


def hash_pandas_obj(obj: Any, *args: Any, depth: int = 0, **kwargs: Any) -> str:
    """Returns the hash of ``{index value: row hash}`` of a pandas object, in row order."""
    from pandas.util import hash_pandas_object

    return hash_mapping(hash_pandas_object(obj).to_dict(), ignore_order=False, depth=depth + 1)


def hash_polars_dataframe(obj: Any, *args: Any, depth: int = 0, **kwargs: Any) -> str:
    """Returns the hash of the row hashes of a polars DataFrame."""
    return hash_sequence(obj.hash_rows().to_list(), depth=depth + 1)


def hash_polars_column(obj: Any, *args: Any, depth: int = 0, **kwargs: Any) -> str:
    """Returns the hash of the element hashes of a polars Series."""
    return hash_sequence(obj.hash().to_list(), depth=depth + 1)


def hash_numpy_array(obj: Any, *args: Any, depth: int = 0, **kwargs: Any) -> str:
    """Returns the hash of the raw data of an array; shape and dtype do not count."""
    return hash_bytes(obj.tobytes(), depth=depth)


# Looked at only once the library is imported by someone else, so that nothing heavy is loaded.
_LIBRARY_HANDLERS: tuple[tuple[str, tuple[str, ...], Any], ...] = (
    ("pandas", ("DataFrame", "Series", "Index"), hash_pandas_obj),
    ("polars", ("DataFrame",), hash_polars_dataframe),
    ("polars", ("Series",), hash_polars_column),
    ("numpy", ("ndarray",), hash_numpy_array),
)

_OWN_HANDLERS = frozenset(hash_value.registry.values())


def registered_handler(cls: type) -> Any:
    """Returns the handler a user registered on `hash_value` for a type, or None."""
    handler = hash_value.dispatch(cls)
    return None if handler in _OWN_HANDLERS else handler
