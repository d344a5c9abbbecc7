"""Errors of the dataflow, each carrying what it is about as attributes.

::

    DataflowError
      DefinitionError          ValueError      a function cannot become a node
        DuplicateNodeError                     one name, two definitions
      EdgeTypeError            ValueError      producer and consumer disagree on a type
      CycleError               ValueError, RecursionError
      RequestError             ValueError      outputs, inputs or overrides make no sense
        UnknownNodesError
        InputError                             missing or wrongly typed values, all gathered
      BlockError               ValueError      a parallel block that cannot be run as written
      SlurmError               RuntimeError    a task lost on a cluster; in hamilton.plugins.h_slurm
      MaterializationError     RuntimeError    a loader or saver cannot do its work here
      TaskError                RuntimeError    a task in another process ended with nothing
                                               that can be raised here
      InvalidExecutorException Exception       the executor cannot run these nodes

Classes keep the built-in exception that callers catch.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

__all__ = [
    "BlockError",
    "CycleError",
    "DataflowError",
    "DefinitionError",
    "DuplicateNodeError",
    "EdgeTypeError",
    "InputError",
    "InvalidExecutorException",
    "MaterializationError",
    "RequestError",
    "TaskError",
    "UnknownNodesError",
    "close_names",
    "short_repr",
    "where",
]


class DataflowError(Exception):
    """Base of the errors raised by the dataflow.

    Args:
        message: What happened to which thing, and what to do next.
        node: Name of the node concerned.
        function: The function concerned; its file and line become attributes.
        candidates: Names that were probably meant.
    """

    def __init__(
        self,
        message: str,
        *,
        node: str | None = None,
        function: Callable[..., Any] | None = None,
        candidates: Sequence[str] = (),
    ) -> None:
        super().__init__(message)
        self.node = node
        self.function = getattr(function, "__qualname__", None)
        code = getattr(function, "__code__", None)
        self.file: str | None = getattr(code, "co_filename", None)
        self.line: int | None = getattr(code, "co_firstlineno", None)
        self.candidates = tuple(candidates)


class DefinitionError(DataflowError, ValueError):
    """A function cannot be turned into a node as it is written."""


class DuplicateNodeError(DefinitionError):
    """Two functions define the same node name."""


class EdgeTypeError(DataflowError, ValueError):
    """The type a node produces does not fit the parameter that takes it."""


class CycleError(DataflowError, ValueError, RecursionError):
    """Nodes on the requested path need each other; `path` names the loop."""

    def __init__(self, message: str, path: Sequence[str] = ()) -> None:
        super().__init__(message, node=path[0] if path else None)
        self.path = tuple(path)


class RequestError(DataflowError, ValueError):
    """What was asked of the driver makes no sense for its graph."""


class UnknownNodesError(RequestError):
    """A requested name is neither a node nor a supplied value."""


class InputError(RequestError):
    """Values are missing or of the wrong type; `problems` lists each as one sentence."""

    def __init__(self, message: str, problems: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class BlockError(DataflowError, ValueError):
    """A ``Parallelizable`` ... ``Collect`` block cannot be run as it is written."""


class MaterializationError(DataflowError, RuntimeError):
    """A loader or saver cannot do its work, for want of a program or of a usable target."""


class TaskError(DataflowError, RuntimeError):
    """A task in another process ended in a way that cannot be raised here: the message tells it."""


class InvalidExecutorException(Exception):
    """The graph executor in use cannot run the nodes that were requested."""


def close_names(name: str, known: Iterable[str], limit: int = 3) -> list[str]:
    """Returns up to `limit` known names that look like `name`, best first."""
    return difflib.get_close_matches(name, list(known), n=limit, cutoff=0.6)


def short_repr(value: Any, limit: int = 50) -> str:
    """Returns a repr of at most `limit` characters that is never the whole of a large value."""
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        return f"<{type(value).__name__} of shape {shape}>"
    if isinstance(value, (str, bytes)):
        text = repr(value[:limit])
    elif isinstance(value, (list, tuple, set, frozenset, dict)) and len(value) > limit:
        return f"<{type(value).__name__} of {len(value)} items>"
    else:
        try:
            text = repr(value)
        except Exception as error:  # noqa: BLE001 - a user's __repr__ must not hide the real error
            return f"<{type(value).__name__} whose repr raised {type(error).__name__}>"
    return text if len(text) <= limit else text[: limit - 3] + "..."


def where(function: Callable[..., Any] | None) -> str:
    """Returns ``qualname (file:line)`` for a function, or ``an input`` when there is none."""
    if function is None:
        return "an input"
    name = getattr(function, "__qualname__", repr(function))
    code = getattr(function, "__code__", None)
    if code is None:
        return str(name)
    return f"{name} ({code.co_filename}:{code.co_firstlineno})"
