"""Loaders and savers made from the signatures of a library's readers and writers.

Their arguments are exactly those of the function they stand for in the installed version, the
first ones renamed to what users of the dataflow type. Where the function takes any further
keywords, the adapter takes them as one dictionary, under the name that the function gives them.
"""

from __future__ import annotations

import copy
import dataclasses
import inspect
from collections.abc import Callable, Collection
from functools import partial
from os import PathLike
from typing import Any
from urllib.parse import urlparse

from hamilton.io.data_adapters import DataLoader, DataSaver
from hamilton.io.files import atomic_path
from hamilton.io.utils import (
    get_dataframe_metadata,
    get_file_and_dataframe_metadata,
    get_sql_metadata,
)

__all__ = ["Kind", "MirroredReader", "MirroredWriter", "file_kind", "mirrored"]


@dataclasses.dataclass(frozen=True)
class Kind:
    """One reader or writer of a library, and what its first arguments are called here.

    Attributes:
        key: Key of the adapter.
        class_name: Name of the class to make.
        function: Name of the library's function.
        renamed: The library's names of the required arguments to ours.
        types: Types that are loaded or saved.
    """

    key: str
    class_name: str
    function: str
    renamed: dict[str, str]
    types: tuple[Any, ...]


def file_kind(
    key: str, class_name: str, function: str, first: str, public: str, *types: Any
) -> Kind:
    """Returns a kind whose only required argument is the file."""
    return Kind(key, class_name, function, {first: public}, types)


class _Mirrored:
    """What the made classes share."""

    _kind: Kind
    _function: Callable[..., Any]
    _back: dict[str, str]
    _keywords: str | None

    @classmethod
    def name(cls) -> str:
        """Returns the key of the adapter."""
        return cls._kind.key

    @classmethod
    def applicable_types(cls) -> Collection[Any]:
        """Returns the types that are loaded or saved."""
        return list(cls._kind.types)

    def _given(self) -> dict[str, Any]:
        """Returns the arguments that differ from their defaults, under the library's names."""
        found = {
            self._back.get(field.name, field.name): getattr(self, field.name)
            for field in dataclasses.fields(self)  # type: ignore[arg-type]
            if getattr(self, field.name) is not field.default
        }
        if self._keywords is not None:
            found.update(found.pop(self._keywords, None) or {})
        return found

    def _target(self) -> Any:
        """Returns the first argument: the file, or the query or table."""
        return getattr(self, next(iter(self._kind.renamed.values())))

    @property
    def _is_database(self) -> bool:
        """Whether the data lies in a database instead of a file."""
        return len(self._kind.renamed) > 1

    def _metadata(self, data: Any, rows: Any) -> dict[str, Any]:
        """Returns what is known of the file or table and of the data."""
        frame = data[0] if isinstance(data, list) and data else data
        target = self._target()
        if self._is_database:
            return {**get_sql_metadata(str(target), rows), **get_dataframe_metadata(frame)}
        if isinstance(target, (str, PathLike)):
            return get_file_and_dataframe_metadata(target, frame)
        return get_dataframe_metadata(frame)


class MirroredReader(_Mirrored, DataLoader):
    """Stands for a function that reads."""

    def load_data(self, type_: type[Any]) -> tuple[Any, dict[str, Any]]:
        """Returns what the library reads, with metadata."""
        found = self._picked(type(self)._function(**self._given()), type_)
        return found, self._metadata(found, found if self._is_database else None)

    def _picked(self, found: Any, type_: Any) -> Any:
        """Returns the value to hand on; subclasses pick among several."""
        return found


class MirroredWriter(_Mirrored, DataSaver):
    """Stands for a method that writes."""

    def save_data(self, data: Any) -> dict[str, Any]:
        """Has the library write, files in one piece, and returns metadata."""
        arguments = self._given()
        data = self._prepared(data)
        write = getattr(data, self._kind.function)
        rows = None
        if self._is_database:
            rows = write(**arguments)
        elif _is_local_file(self._target()):
            with atomic_path(arguments.pop(next(iter(self._kind.renamed)))) as draft:
                write(draft, **arguments)
        else:
            write(arguments.pop(next(iter(self._kind.renamed))), **arguments)
        return self._metadata(data, rows)

    def _prepared(self, data: Any) -> Any:
        """Returns the data in the form that has the method."""
        return data


def _is_local_file(target: Any) -> bool:
    if not isinstance(target, (str, PathLike)):
        return False
    return len(urlparse(str(target)).scheme) <= 1


def mirrored(kind: Kind, base: type, function: Callable[..., Any], module: str) -> Any:
    """Returns the adapter class for a kind, a dataclass with the function's arguments."""
    required: list[tuple[str, Any, Any]] = []
    optional: list[tuple[str, Any, Any]] = []
    back = {public: name for name, public in kind.renamed.items()}
    keywords: str | None = None
    for name, parameter in inspect.signature(function).parameters.items():
        if name == "self" or parameter.kind is parameter.VAR_POSITIONAL:
            continue
        if parameter.kind is parameter.VAR_KEYWORD:
            keywords = name
            optional.append((name, Any, dataclasses.field(default=None)))
            continue
        if name in kind.renamed:
            required.append((kind.renamed[name], Any, dataclasses.field()))
            continue
        public = name
        if hasattr(base, name):  # an argument called like one of the adapter's own methods
            public = f"{name}_"
            back[public] = name
        if parameter.default is parameter.empty:
            required.append((public, Any, dataclasses.field()))
        elif parameter.default.__hash__ is None:
            # A list or dictionary as default: each instance gets a copy.
            factory: Callable[[], Any] = partial(copy.copy, parameter.default)
            optional.append((public, Any, dataclasses.field(default_factory=factory)))
        else:
            optional.append((public, Any, dataclasses.field(default=parameter.default)))
    return dataclasses.make_dataclass(
        kind.class_name,
        required + optional,
        bases=(base,),
        namespace={
            "_kind": kind,
            "_back": back,
            "_keywords": keywords,
            "_function": staticmethod(function),
            "__module__": module,
            "__doc__": f"Stands for ``{kind.function}``, with its arguments.",
        },
    )
