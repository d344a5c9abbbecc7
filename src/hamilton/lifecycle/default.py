"""Adapters that come with the package."""

from __future__ import annotations

import inspect
import logging
import pdb
import random
import shelve
import time
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any, TypeVar

from hamilton.errors import short_repr
from hamilton.graph_types import hash_source_code
from hamilton.htypes import check_instance, first_argument, is_collect_type, is_parallelizable_type
from hamilton.lifecycle.api import (
    EdgeConnectionHook,
    NodeExecutionHook,
    NodeExecutionMethod,
)
from hamilton.lifecycle.base import BaseDoNodeExecute
from hamilton.node import Node, NodeType

__all__ = [
    "CacheAdapter",
    "FunctionInputOutputTypeChecker",
    "GracefulErrorAdapter",
    "MutationDetector",
    "NoEdgeAndInputTypeChecking",
    "PDBDebugger",
    "PrintLn",
    "PrintLnHook",
    "SlowDownYouMoveTooFast",
    "accept_error_sentinels",
    "chosen",
]

logger = logging.getLogger(__name__)

F = TypeVar("F", bound=Callable[..., Any])
NodeFilter = None | str | list[str] | Callable[[str, dict[str, Any]], bool]
_ACCEPTS = "__accepts_error_sentinels__"


def chosen(node_filter: NodeFilter) -> Callable[[str, dict[str, Any]], bool]:
    """Returns the predicate that a node filter stands for.

    Raises:
        ValueError: The filter is neither None, a name, a list of names nor callable.
    """
    if node_filter is None:
        return lambda name, tags: True
    if isinstance(node_filter, str):
        return lambda name, tags: name == node_filter
    if callable(node_filter):
        return node_filter
    if isinstance(node_filter, (list, tuple, set, frozenset)):
        names = frozenset(node_filter)
        return lambda name, tags: name in names
    raise ValueError(
        f"node_filter must be None, a name, a list of names or f(name, tags), not {node_filter!r}."
    )


class PrintLn(NodeExecutionHook):
    """Tells of each node when it starts and ends.

    Args:
        verbosity: 1 tells names, times and success; 2 adds inputs and results.
        print_fn: Takes each line.
        node_filter: None for all nodes, a name, names, or ``f(name, tags) -> bool``.

    Raises:
        ValueError: The verbosity is neither 1 nor 2.
    """

    def __init__(
        self,
        verbosity: int = 1,
        print_fn: Callable[[str], Any] = print,
        node_filter: NodeFilter = None,
    ) -> None:
        if verbosity not in (1, 2):
            raise ValueError(f"Verbosity must be 1 or 2, got {verbosity}.")
        self.verbosity = verbosity
        self.print_fn = print_fn
        self._chosen = chosen(node_filter)
        self._started: dict[tuple[str, str | None, str], float] = {}

    def run_before_node_execution(
        self,
        *,
        node_name: str,
        node_tags: dict[str, Any],
        node_kwargs: dict[str, Any],
        task_id: str | None,
        run_id: str,
        **future_kwargs: Any,
    ) -> None:
        """Tells that a node starts."""
        if not self._chosen(node_name, node_tags):
            return
        line = f"Executing node: {node_name}."
        if self.verbosity == 2:
            line += f" Inputs: {', '.join(f'{k}={v!r}' for k, v in node_kwargs.items())}"
        self.print_fn(line)
        self._started[run_id, task_id, node_name] = time.perf_counter()

    def run_after_node_execution(
        self,
        *,
        node_name: str,
        node_tags: dict[str, Any],
        result: Any,
        success: bool,
        task_id: str | None,
        run_id: str,
        **future_kwargs: Any,
    ) -> None:
        """Tells that a node has ended."""
        if not self._chosen(node_name, node_tags):
            return
        started = self._started.pop((run_id, task_id, node_name), None)
        taken = "unknown" if started is None else f"{(time.perf_counter() - started) * 1000:.3f}ms"
        status = "Success" if success else "Failure"
        line = f"Finished debugging node: {node_name} in {taken}. Status: {status}."
        if self.verbosity == 2 and success:
            line += f" Result: {result!r}"
        self.print_fn(line)


PrintLnHook = PrintLn


class PDBDebugger(NodeExecutionHook, NodeExecutionMethod):
    """Stops in the debugger at chosen nodes.

    Args:
        node_filter: A name, names, or ``f(name, tags) -> bool``; None stops at every node.
        before: Stop before the node.
        during: Stop inside the node's function, on its first line; `CONTEXT` holds its data.
        after: Stop after the node.
    """

    CONTEXT: dict[str, Any] = {}  # noqa: RUF012 - shared on purpose: read from the debugger

    def __init__(
        self,
        node_filter: NodeFilter,
        before: bool = False,
        during: bool = False,
        after: bool = False,
    ) -> None:
        self._chosen = chosen(node_filter)
        self.run_before = before
        self.run_during = during
        self.run_after = after

    def run_before_node_execution(
        self, *, node_name: str, node_tags: dict[str, Any], **future_kwargs: Any
    ) -> None:
        """Stops before a chosen node."""
        if self.run_before and self._chosen(node_name, node_tags):
            logger.warning("Stopped before node %r.", node_name)
            pdb.set_trace()

    def run_to_execute_node(
        self,
        *,
        node_name: str,
        node_tags: dict[str, Any],
        node_callable: Callable[..., Any],
        node_kwargs: dict[str, Any],
        task_id: str | None,
        is_expand: bool,
        is_collect: bool,
        **future_kwargs: Any,
    ) -> Any:
        """Runs the node, in the debugger when it is chosen."""
        if not (self.run_during and self._chosen(node_name, node_tags)):
            return node_callable(**node_kwargs)
        PDBDebugger.CONTEXT = {
            "node_name": node_name,
            "node_tags": node_tags,
            "node_callable": node_callable,
            "node_kwargs": node_kwargs,
            "task_id": task_id,
            "future_kwargs": future_kwargs,
        }
        logger.warning("Stopped in node %r; PDBDebugger.CONTEXT holds its data.", node_name)
        return pdb.runcall(node_callable, **node_kwargs)

    def run_after_node_execution(
        self, *, node_name: str, node_tags: dict[str, Any], **future_kwargs: Any
    ) -> None:
        """Stops after a chosen node."""
        if self.run_after and self._chosen(node_name, node_tags):
            logger.warning("Stopped after node %r.", node_name)
            pdb.set_trace()


class FunctionInputOutputTypeChecker(NodeExecutionHook):
    """Checks every value against its annotation while the dataflow runs, into containers.

    Args:
        check_input: Check what functions receive.
        check_output: Check what they return.
    """

    def __init__(self, check_input: bool = True, check_output: bool = True) -> None:
        self.check_input = check_input
        self.check_output = check_output

    def run_before_node_execution(
        self,
        *,
        node_name: str,
        node_kwargs: dict[str, Any],
        node_input_types: dict[str, Any],
        **future_kwargs: Any,
    ) -> None:
        """Checks the arguments of a node.

        Raises:
            TypeError: One is not of its annotated type.
        """
        if not self.check_input:
            return
        for name, value in node_kwargs.items():
            expected = node_input_types.get(name, Any)
            if is_collect_type(expected):
                expected = list[first_argument(expected)]  # type: ignore[misc]
            if not check_instance(value, expected):
                raise TypeError(
                    f"Node {node_name} received an input of type {type(value)} for {name}, "
                    f"expected {expected}. The value is {short_repr(value)}."
                )

    def run_after_node_execution(
        self,
        *,
        node_name: str,
        node_return_type: Any,
        result: Any,
        success: bool,
        **future_kwargs: Any,
    ) -> None:
        """Checks the result of a node.

        Raises:
            TypeError: It is not of the annotated type.
        """
        if not (self.check_output and success) or is_parallelizable_type(node_return_type):
            return
        if inspect.isawaitable(result):
            return
        if not check_instance(result, node_return_type):
            raise TypeError(
                f"Node {node_name} returned a result of type {type(result)}, "
                f"expected {node_return_type}. The value is {short_repr(result)}."
            )


class NoEdgeAndInputTypeChecking(EdgeConnectionHook):
    """Permits every edge and every supplied value."""

    def check_edge_types_match(self, type_from: type, type_to: type, **kwargs: Any) -> bool:
        """Returns True."""
        return True

    def validate_input(self, node_type: type, input_value: Any, **kwargs: Any) -> bool:
        """Returns True."""
        return True


def accept_error_sentinels(func: F) -> F:
    """Marks a function that wants to receive the sentinels of `GracefulErrorAdapter`."""
    setattr(func, _ACCEPTS, True)
    return func


class GracefulErrorAdapter(BaseDoNodeExecute):
    """Lets a run go on when nodes fail: a failing node yields a sentinel instead.

    Nodes that receive a sentinel are skipped and yield it too, unless they are decorated with
    `accept_error_sentinels`.

    Args:
        error_to_catch: The exception that counts as a failure.
        sentinel_value: What failing nodes yield.
        try_all_parallel: For a function that fails while it lists items: keep the items before
            the failure, followed by one sentinel; False gives a single sentinel.
        allow_injection: Let functions marked with `accept_error_sentinels` receive sentinels.
    """

    def __init__(
        self,
        error_to_catch: type[Exception],
        sentinel_value: Any = None,
        try_all_parallel: bool = True,
        allow_injection: bool = True,
    ) -> None:
        self.error_to_catch = error_to_catch
        self.sentinel_value = sentinel_value
        self.try_all_parallel = try_all_parallel
        self.allow_injection = allow_injection

    def do_node_execute(
        self, *, run_id: str, node_: Node, kwargs: dict[str, Any], task_id: str | None = None
    ) -> Any:
        """Runs the node with its function's mark in view."""
        function = node_.function
        return self.run_to_execute_node(
            node_name=node_.name,
            node_tags=node_.tags,
            node_callable=node_.callable,
            node_kwargs=kwargs,
            task_id=task_id,
            is_expand=node_.node_role is NodeType.EXPAND,
            is_collect=node_.node_role is NodeType.COLLECT,
            accepts_sentinels=bool(getattr(function, _ACCEPTS, False)),
        )

    def run_to_execute_node(
        self,
        *,
        node_name: str,
        node_tags: dict[str, Any],
        node_callable: Callable[..., Any],
        node_kwargs: dict[str, Any],
        task_id: str | None,
        is_expand: bool,
        is_collect: bool,
        **future_kwargs: Any,
    ) -> Any:
        """Returns the node's value or the sentinel."""
        accepts = future_kwargs.get("accepts_sentinels") or getattr(node_callable, _ACCEPTS, False)
        takes = self.allow_injection and accepts
        if not takes and any(self._is_sentinel(value) for value in node_kwargs.values()):
            return [self.sentinel_value] if is_expand else self.sentinel_value
        if inspect.iscoroutinefunction(node_callable):
            return self._run_async(node_name, node_callable, node_kwargs)
        try:
            result = node_callable(**node_kwargs)
        except self.error_to_catch as error:
            self._tell(node_name, error)
            return [self.sentinel_value] if is_expand else self.sentinel_value
        return self._items(node_name, result) if is_expand else result

    def _is_sentinel(self, value: Any) -> bool:
        if value is self.sentinel_value:
            return True
        # Values from other processes are equal without being the same object.
        return type(value) is type(self.sentinel_value) and self._equal(value)

    def _equal(self, value: Any) -> bool:
        try:
            return bool(value == self.sentinel_value)
        except (ValueError, TypeError):
            return False

    def _items(self, node_name: str, result: Iterable[Any]) -> list[Any]:
        items: list[Any] = []
        try:
            for item in result:
                items.append(item)
        except self.error_to_catch as error:
            self._tell(node_name, error)
            return [*items, self.sentinel_value] if self.try_all_parallel else [self.sentinel_value]
        return items

    async def _run_async(
        self, node_name: str, node_callable: Callable[..., Any], node_kwargs: dict[str, Any]
    ) -> Any:
        try:
            return await node_callable(**node_kwargs)
        except self.error_to_catch as error:
            self._tell(node_name, error)
            return self.sentinel_value

    @staticmethod
    def _tell(node_name: str, error: Exception) -> None:
        logger.exception("Node %r failed and yields the sentinel.", node_name, exc_info=error)


class SlowDownYouMoveTooFast(NodeExecutionHook):
    """Sleeps before every node for a normally distributed time.

    Args:
        sleep_time_mean: Mean in seconds.
        sleep_time_std: Standard deviation in seconds.
    """

    def __init__(self, sleep_time_mean: float, sleep_time_std: float) -> None:
        self.sleep_time_mean = sleep_time_mean
        self.sleep_time_std = sleep_time_std

    def run_before_node_execution(self, **future_kwargs: Any) -> None:
        """Sleeps."""
        time.sleep(max(0.0, random.gauss(self.sleep_time_mean, self.sleep_time_std)))

    def run_after_node_execution(self, **future_kwargs: Any) -> None:
        """Does nothing."""


class MutationDetector(NodeExecutionHook):
    """Raises when a function changes a value it was given, which others may share.

    Values are compared by their pickles before and after; what cannot be pickled is not watched.
    """

    def __init__(self) -> None:
        self._before: dict[tuple[str, str | None, str], dict[str, bytes]] = {}

    @staticmethod
    def _pickles(kwargs: dict[str, Any]) -> dict[str, bytes]:
        import pickle

        found = {}
        for name, value in kwargs.items():
            try:
                found[name] = pickle.dumps(value)
            except (pickle.PicklingError, TypeError, AttributeError):
                continue
        return found

    def run_before_node_execution(
        self,
        *,
        node_name: str,
        node_kwargs: dict[str, Any],
        task_id: str | None,
        run_id: str,
        **future_kwargs: Any,
    ) -> None:
        """Remembers the arguments."""
        self._before[run_id, task_id, node_name] = self._pickles(node_kwargs)

    def run_after_node_execution(
        self,
        *,
        node_name: str,
        node_kwargs: dict[str, Any],
        success: bool,
        task_id: str | None,
        run_id: str,
        **future_kwargs: Any,
    ) -> None:
        """Compares the arguments.

        Raises:
            ValueError: One was changed.
        """
        before = self._before.pop((run_id, task_id, node_name), {})
        if not success:
            return
        after = self._pickles(node_kwargs)
        changed = sorted(name for name, data in before.items() if after.get(name) != data)
        if changed:
            raise ValueError(
                f"Node {node_name!r} changed its arguments {changed}, which other nodes may "
                "share. Copy them in the function before changing them."
            )


class CacheAdapter(BaseDoNodeExecute):
    """Deprecated: keeps results of chosen nodes in a shelf, by code and arguments.

    Args:
        cache_vars: Names of the nodes to keep; None keeps all.
        cache_path: Where the shelf is.
    """

    def __init__(
        self, cache_vars: Collection[str] | None = None, cache_path: str = "./hamilton-cache"
    ) -> None:
        import warnings

        warnings.warn(
            "CacheAdapter is deprecated; use driver.Builder().with_cache().",
            DeprecationWarning,
            stacklevel=2,
        )
        self.cache_vars = None if cache_vars is None else frozenset(cache_vars)
        self.cache_path = cache_path

    def do_node_execute(
        self, *, run_id: str, node_: Node, kwargs: dict[str, Any], task_id: str | None = None
    ) -> Any:
        """Returns the kept value, or computes and keeps it."""
        if self.cache_vars is not None and node_.name not in self.cache_vars:
            return node_.callable(**kwargs)
        key = self._key(node_, kwargs)
        Path(self.cache_path).parent.mkdir(parents=True, exist_ok=True)
        with shelve.open(self.cache_path) as shelf:
            if key in shelf:
                return shelf[key]
        value = node_.callable(**kwargs)
        with shelve.open(self.cache_path) as shelf:
            shelf[key] = value
        return value

    @staticmethod
    def _key(node: Node, kwargs: dict[str, Any]) -> str:
        import hashlib
        import pickle

        function = node.function
        code = "" if function is None else hash_source_code(function, strip=True)
        content = hashlib.sha256(pickle.dumps(sorted(kwargs.items()))).hexdigest()
        return f"{node.name}-{code}-{content}"
