"""Adapters for long work: trying again, and giving up after a time.

Both are set for all nodes by their arguments and for one node by tags: ``retry`` (a number of
further attempts) and ``timeout`` (seconds). Asynchronous functions are served as well.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from hamilton.lifecycle.base import BaseDoNodeExecute
from hamilton.node import Node

__all__ = ["RetryAdapter", "TimeoutAdapter"]

logger = logging.getLogger(__name__)


class RetryAdapter(BaseDoNodeExecute):
    """Runs a failing node again.

    Args:
        retries: Further attempts after the first.
        on: Exceptions after which to try again.
        wait_s: Seconds before the first further attempt; doubled for each one after it.
        node_filter: None for all nodes, a name, names, or ``f(name, tags) -> bool``. A node with
            the tag ``retry`` is retried that often, whatever the filter says.
    """

    def __init__(
        self,
        retries: int = 2,
        on: type[Exception] | tuple[type[Exception], ...] = Exception,
        wait_s: float = 0.0,
        node_filter: Any = None,
    ) -> None:
        from hamilton.lifecycle.default import chosen

        if retries < 0:
            raise ValueError(f"retries must not be negative, found {retries!r}.")
        self.retries = retries
        self.on = on
        self.wait_s = wait_s
        self._chosen = chosen(node_filter)

    def _attempts(self, node: Node) -> int:
        tagged = node.tags.get("retry")
        if tagged is not None:
            return 1 + int(tagged)
        return 1 + self.retries if self._chosen(node.name, node.tags) else 1

    def do_node_execute(
        self, *, run_id: str, node_: Node, kwargs: dict[str, Any], task_id: str | None = None
    ) -> Any:
        """Returns the value of the first attempt that succeeds, or raises the last error."""
        attempts, call = self._attempts(node_), node_.callable
        if inspect.iscoroutinefunction(call):
            return self._run_async(node_.name, call, kwargs, attempts)
        for attempt in range(1, attempts + 1):
            try:
                return call(**kwargs)
            except self.on as error:
                if attempt == attempts:
                    raise
                self._tell(node_.name, attempt, attempts, error)
                time.sleep(self.wait_s * 2 ** (attempt - 1))
        raise AssertionError("unreachable: there is at least one attempt")

    async def _run_async(
        self, name: str, call: Callable[..., Any], kwargs: dict[str, Any], attempts: int
    ) -> Any:
        for attempt in range(1, attempts + 1):
            try:
                return await call(**kwargs)
            except self.on as error:
                if attempt == attempts:
                    raise
                self._tell(name, attempt, attempts, error)
                await asyncio.sleep(self.wait_s * 2 ** (attempt - 1))
        raise AssertionError("unreachable: there is at least one attempt")

    @staticmethod
    def _tell(name: str, attempt: int, attempts: int, error: Exception) -> None:
        logger.warning("Node %r failed (attempt %d of %d): %s", name, attempt, attempts, error)


class TimeoutAdapter(BaseDoNodeExecute):
    """Raises `TimeoutError` for a node that takes too long.

    A function that runs in a thread cannot be stopped from outside: it is left behind in a
    daemon thread and its result is thrown away. Asynchronous functions are cancelled.

    Args:
        timeout_s: Seconds a node may take; None limits only nodes with the tag ``timeout``.
        node_filter: None for all nodes, a name, names, or ``f(name, tags) -> bool``.
    """

    def __init__(self, timeout_s: float | None = None, node_filter: Any = None) -> None:
        from hamilton.lifecycle.default import chosen

        self.timeout_s = timeout_s
        self._chosen = chosen(node_filter)

    def _limit(self, node: Node) -> float | None:
        tagged = node.tags.get("timeout")
        if tagged is not None:
            return float(tagged)
        return self.timeout_s if self._chosen(node.name, node.tags) else None

    def do_node_execute(
        self, *, run_id: str, node_: Node, kwargs: dict[str, Any], task_id: str | None = None
    ) -> Any:
        """Returns the value of the node.

        Raises:
            TimeoutError: The node took longer than it may.
        """
        limit, call = self._limit(node_), node_.callable
        if limit is None:
            return call(**kwargs)
        if inspect.iscoroutinefunction(call):
            return self._run_async(node_.name, call, kwargs, limit)
        outcome: dict[str, Any] = {}

        def work() -> None:
            try:
                outcome["value"] = call(**kwargs)
            except BaseException as error:  # noqa: BLE001 - handed to the waiting thread
                outcome["error"] = error

        thread = threading.Thread(target=work, name=f"timeout-{node_.name}", daemon=True)
        thread.start()
        thread.join(limit)
        if thread.is_alive():
            raise TimeoutError(f"Node {node_.name!r} took longer than {limit} seconds.")
        if "error" in outcome:
            raise outcome["error"]
        return outcome["value"]

    @staticmethod
    async def _run_async(
        name: str, call: Callable[..., Any], kwargs: dict[str, Any], limit: float
    ) -> Any:
        try:
            return await asyncio.wait_for(call(**kwargs), limit)
        except TimeoutError as error:
            raise TimeoutError(f"Node {name!r} took longer than {limit} seconds.") from error
