"""Log messages about runs, tasks and nodes, and messages of functions that say where they arose.

::

    logger = get_logger(__name__)          # in the module of the functions


    def model(rows: list) -> dict:
        logger.info("fitting %d rows", len(rows))   # -> [1f0c2a9b] [model] fitting 10 rows
"""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hamilton.lifecycle.base import (
    BasePostGraphExecute,
    BasePostNodeExecute,
    BasePostTaskExecute,
    BasePostTaskExpand,
    BasePostTaskGroup,
    BasePostTaskReturn,
    BasePreGraphExecute,
    BasePreNodeExecute,
    BasePreTaskExecute,
    BasePreTaskSubmission,
)
from hamilton.node import Node

if TYPE_CHECKING:
    from hamilton.graph import FunctionGraph

__all__ = ["AsyncLoggingAdapter", "ContextLogger", "LoggingAdapter", "get_logger"]

_SHOWN = 8  # characters of a run's id


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in a run the code is that logs, and where the run itself was started."""

    run_id: str
    task_id: str | None
    node: str | None
    outer: _Place | None


_place: ContextVar[_Place | None] = ContextVar("logging_place", default=None)


def _enter(run_id: str, task_id: str | None = None, node: str | None = None) -> None:
    _place.set(_Place(run_id, task_id, node, _place.get()))


def _leave(run_id: str, task_id: str | None = None, node: str | None = None) -> None:
    here = _place.get()
    while here is not None and (here.run_id, here.task_id, here.node) != (run_id, task_id, node):
        here = here.outer  # what was entered below and never left, after a failure
    if here is not None:
        _place.set(here.outer)


class ContextLogger(logging.LoggerAdapter[logging.Logger]):
    """Puts the ids of run, task and node before each message, where there are any.

    The full ids are attributes of the record as well: ``hamilton_run_id``, ``hamilton_task_id``
    and ``hamilton_node``.
    """

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        """Returns the message with its place before it, and the ids as extra attributes."""
        here = _place.get()
        ids = {
            "hamilton_run_id": here.run_id if here else None,
            "hamilton_task_id": here.task_id if here else None,
            "hamilton_node": here.node if here else None,
        }
        kwargs["extra"] = {**(self.extra or {}), **(kwargs.get("extra") or {}), **ids}
        if here is None:
            return msg, kwargs
        shown = [here.run_id[:_SHOWN], here.task_id, here.node]
        prefix = " ".join(f"[{text}]" for text in shown if text)
        return f"{prefix} {msg}", kwargs


def get_logger(name: str | logging.Logger | None = None) -> ContextLogger:
    """Returns the logger of a name, default ``hamilton``, whose messages say where they arose.

    They do where a `LoggingAdapter` is among the adapters of the driver.
    """
    logger = name if isinstance(name, logging.Logger) else logging.getLogger(name or "hamilton")
    return ContextLogger(logger, {})


class LoggingAdapter(
    BasePreGraphExecute,
    BasePostTaskGroup,
    BasePostTaskExpand,
    BasePreTaskSubmission,
    BasePreTaskExecute,
    BasePreNodeExecute,
    BasePostNodeExecute,
    BasePostTaskExecute,
    BasePostTaskReturn,
    BasePostGraphExecute,
):
    """Logs what happens to runs, tasks and nodes, and tells `get_logger` loggers where they are.

    Runs and finished nodes are logged at INFO, everything else at DEBUG, failures at ERROR: a
    node's with its traceback.

    Args:
        logger: The logger or its name; default ``hamilton``.
    """

    def __init__(self, logger: str | logging.Logger | None = None) -> None:
        self.logger = get_logger(logger)

    def pre_graph_execute(
        self,
        *,
        run_id: str,
        graph: FunctionGraph,
        final_vars: list[str],
        inputs: dict[str, Any],
        overrides: dict[str, Any],
    ) -> None:
        """Logs the start of a run."""
        _enter(run_id)
        self.logger.info("Run started for %s", ", ".join(final_vars))

    def post_task_group(self, *, run_id: str, task_ids: list[str]) -> None:
        """Logs the tasks that the nodes were grouped into."""
        self.logger.debug("Grouped into tasks: %s", ", ".join(task_ids))

    def post_task_expand(self, *, run_id: str, task_id: str, parameters: dict[str, Any]) -> None:
        """Logs how many tasks a task spawns."""
        self.logger.debug("Task %s spawns %d tasks", task_id, len(parameters))

    def pre_task_submission(self, *, run_id: str, task_id: str, **kwargs: Any) -> None:
        """Logs that a task goes to its executor."""
        self.logger.debug("Task %s submitted", task_id)

    def pre_task_execute(self, *, run_id: str, task_id: str, **kwargs: Any) -> None:
        """Logs the start of a task, where it runs."""
        _enter(run_id, task_id)
        self.logger.debug("Task started")

    def pre_node_execute(
        self, *, run_id: str, node_: Node, kwargs: dict[str, Any], task_id: str | None = None
    ) -> None:
        """Logs the start of a node."""
        _enter(run_id, task_id, node_.name)
        self.logger.debug("Node started")

    def post_node_execute(
        self,
        *,
        run_id: str,
        node_: Node,
        kwargs: dict[str, Any],
        success: bool,
        error: Exception | None,
        result: Any,
        task_id: str | None = None,
    ) -> None:
        """Logs the end of a node."""
        if success:
            self.logger.info("Node finished")
        else:
            self.logger.error("Node failed: %s", error, exc_info=error)
        _leave(run_id, task_id, node_.name)

    def post_task_execute(
        self, *, run_id: str, task_id: str, success: bool, error: Exception | None, **kwargs: Any
    ) -> None:
        """Logs the end of a task, where it ran."""
        if success:
            self.logger.debug("Task finished")
        else:
            self.logger.error("Task failed: %s", error)
        _leave(run_id, task_id)

    def post_task_return(
        self, *, run_id: str, task_id: str, success: bool, error: Exception | None, **kwargs: Any
    ) -> None:
        """Logs that a task has come back."""
        self.logger.debug("Task %s returned", task_id)

    def post_graph_execute(
        self,
        *,
        run_id: str,
        graph: FunctionGraph,
        success: bool,
        error: Exception | None,
        results: Any,
    ) -> None:
        """Logs the end of a run."""
        if success:
            self.logger.info("Run finished")
        else:
            self.logger.error("Run failed: %s", error)
        _leave(run_id)


class AsyncLoggingAdapter(LoggingAdapter):
    """The same for `hamilton.async_driver.AsyncDriver`.

    Its hooks are plain functions on purpose: they run in the event-loop task of their node, so
    that what the node's function logs finds its place. A coroutine would run in another task.
    """
