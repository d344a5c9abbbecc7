"""The older cache: tagged nodes as files, read back whatever has changed.

Neither changed code nor changed inputs are noticed. `Builder.with_cache` notices both.
"""

from __future__ import annotations

import functools
import json
import os
import pickle
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from hamilton import base
from hamilton.node import Node

__all__ = [
    "CachingGraphAdapter",
    "read_feather",
    "read_json",
    "read_parquet",
    "read_pickle",
    "write_feather",
    "write_json",
    "write_parquet",
    "write_pickle",
]


@functools.singledispatch
def write_json(data: Any, path: str, name: str) -> None:
    """Writes a value as JSON; register further types."""
    _refuse("json", data, name)


@write_json.register(dict)
@write_json.register(list)
@write_json.register(str)
@write_json.register(int)
@write_json.register(float)
def _write_plain_json(data: Any, path: str, name: str) -> None:
    Path(path).write_text(json.dumps(data))


@functools.singledispatch
def read_json(empty: Any, path: str) -> Any:
    """Reads a value of the type of `empty` from JSON; register further types."""
    return json.loads(Path(path).read_text())


@functools.singledispatch
def write_feather(data: Any, path: str, name: str) -> None:
    """Writes a frame as feather; register further types."""
    if hasattr(data, "to_feather"):
        data.to_feather(path)
    elif hasattr(data, "to_frame"):
        data.to_frame(name=data.name if data.name is not None else name).to_feather(path)
    else:
        _refuse("feather", data, name)


@functools.singledispatch
def read_feather(empty: Any, path: str) -> Any:
    """Reads a frame or series of the type of `empty` from feather."""
    import pandas as pd

    return _of_type(empty, pd.read_feather(path))


@functools.singledispatch
def write_parquet(data: Any, path: str, name: str) -> None:
    """Writes a frame as parquet; register further types."""
    if hasattr(data, "to_parquet"):
        data.to_parquet(path)
    elif hasattr(data, "to_frame"):
        data.to_frame(name=data.name if data.name is not None else name).to_parquet(path)
    else:
        _refuse("parquet", data, name)


@functools.singledispatch
def read_parquet(empty: Any, path: str) -> Any:
    """Reads a frame or series of the type of `empty` from parquet."""
    import pandas as pd

    return _of_type(empty, pd.read_parquet(path))


def write_pickle(data: Any, path: str, name: str) -> None:
    """Writes a value as a pickle."""
    Path(path).write_bytes(pickle.dumps(data))


def read_pickle(empty: Any, path: str) -> Any:
    """Reads a value from a pickle."""
    return pickle.loads(Path(path).read_bytes())


def _of_type(empty: Any, frame: Any) -> Any:
    return frame if hasattr(empty, "columns") else frame.iloc[:, 0]


def _refuse(format: str, data: Any, name: str) -> None:
    raise NotImplementedError(
        f"Node {name!r} gives a {type(data).__name__}, which has no writer for {format!r}; "
        f"register one, or tag the node with cache='pickle'."
    )


_WRITERS: dict[str, Callable[..., Any]] = {
    "json": write_json,
    "feather": write_feather,
    "parquet": write_parquet,
    "pickle": write_pickle,
}
_READERS: dict[str, Callable[..., Any]] = {
    "json": read_json,
    "feather": read_feather,
    "parquet": read_parquet,
    "pickle": read_pickle,
}


class CachingGraphAdapter(base.SimplePythonGraphAdapter):
    """Writes nodes tagged ``cache="<format>"`` to files and reads them back on later runs.

    Args:
        cache_path: The folder; made when it is missing.
        *args: Arguments of `hamilton.base.SimplePythonGraphAdapter`.
        force_compute: Nodes to compute anyway.
        writers: Further formats: ``f(data, path, name)``.
        readers: Further formats: ``f(empty instance of the type, path)``.
        **kwargs: Arguments of `hamilton.base.SimplePythonGraphAdapter`.
    """

    def __init__(
        self,
        cache_path: str | os.PathLike[str],
        *args: Any,
        force_compute: Iterable[str] | None = None,
        writers: Mapping[str, Callable[..., Any]] | None = None,
        readers: Mapping[str, Callable[..., Any]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        warnings.warn(
            "CachingGraphAdapter notices neither changed code nor changed inputs; use "
            "driver.Builder().with_cache().",
            DeprecationWarning,
            stacklevel=2,
        )
        self.cache_path = Path(cache_path)
        self.force_compute = set(force_compute or ())
        self.writers = {**_WRITERS, **(writers or {})}
        self.readers = {**_READERS, **(readers or {})}
        self.computed_nodes: set[str] = set()

    def execute_node(self, node: Node, kwargs: dict[str, Any]) -> Any:
        """Returns the node's value, from its file if nothing above it was computed anew.

        Raises:
            ValueError: The tag names an unknown format.
            NotImplementedError: The format has no writer for the value's type.
        """
        format = node.tags.get("cache")
        if format is None:
            return node.callable(**kwargs)
        if format not in self.writers or format not in self.readers:
            raise ValueError(
                f"Node {node.name!r} is tagged with the unknown cache format {format!r}; known "
                f"are {sorted(self.writers)}."
            )
        file = self.cache_path / f"{node.name}.{format}"
        if file.exists() and not self._must_compute(node):
            return self.readers[format](_empty(node.type), str(file))
        self.computed_nodes.add(node.name)
        value = node.callable(**kwargs)
        self.cache_path.mkdir(parents=True, exist_ok=True)
        self.writers[format](value, str(file), node.name)
        return value

    def _must_compute(self, node: Node) -> bool:
        if node.name in self.force_compute:
            return True
        waiting, seen = [node], {node.name}
        while waiting:
            for above in waiting.pop().dependencies:
                if above.name in self.computed_nodes:
                    return True
                if above.name not in seen:
                    seen.add(above.name)
                    waiting.append(above)
        return False

    def build_result(self, **outputs: Any) -> Any:  # type: ignore[override]
        """Returns the result; the next run begins with nothing computed."""
        self.computed_nodes.clear()
        return super().build_result(**outputs)


def _empty(type_: Any) -> Any:
    """Returns an empty instance of a type for the dispatch of readers; None when it has none."""
    import typing

    kind = typing.get_origin(type_) or type_
    try:
        return kind()
    except TypeError:
        return None
