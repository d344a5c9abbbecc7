"""Runs as OpenTelemetry traces: a span for the run, and one within it for each node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hamilton.lifecycle.base import (
    BasePostGraphExecute,
    BasePostNodeExecute,
    BasePreGraphExecute,
    BasePreNodeExecute,
)
from hamilton.node import Node
from hamilton.plugins._shipping import missing_library

if TYPE_CHECKING:
    from hamilton.graph import FunctionGraph

__all__ = ["OpenTelemetryTracer"]

_DEFAULT_NAME = "hamilton"


@dataclass(frozen=True, slots=True)
class _Open:
    """A span that has not ended, and what takes it out of the current context again."""

    span: Any
    token: Any


class OpenTelemetryTracer(
    BasePreGraphExecute, BasePreNodeExecute, BasePostNodeExecute, BasePostGraphExecute
):
    """Traces every run of the driver.

    A node's span is the current one while the node runs, so that spans which its function opens
    lie within it. In other threads and processes the spans of nodes still belong to the run; in
    processes they need a tracer provider of that process. Values are not recorded.

    Args:
        tracer_name: Name of the tracer to take from the global provider; default ``hamilton``.
        tracer: A tracer to use instead.

    Raises:
        ImportError: OpenTelemetry is not installed.
        ValueError: Both arguments are given.

    Source: OpenTelemetry specification, tracing API; semantic conventions for exceptions.
    """

    def __init__(self, tracer_name: str | None = None, tracer: Any = None) -> None:
        try:
            from opentelemetry import trace
        except ImportError:
            raise missing_library("opentelemetry", "'derivaml[observing]'") from None
        if tracer_name is not None and tracer is not None:
            raise ValueError("Give either tracer_name or tracer, not both.")
        self._name = tracer_name or _DEFAULT_NAME
        self._tracer = tracer if tracer is not None else trace.get_tracer(self._name)
        self._runs: dict[str, _Open] = {}
        self._parents: dict[str, Any] = {}  # span contexts of runs that began elsewhere
        self._nodes: dict[tuple[str, str | None, str], _Open] = {}

    def _start(self, name: str, parent: Any, attributes: dict[str, Any]) -> _Open:
        """Returns a span that has begun and is the current one."""
        from opentelemetry import context, trace

        within = None if parent is None else trace.set_span_in_context(parent)
        span = self._tracer.start_span(name, context=within, attributes=attributes)
        return _Open(span, context.attach(trace.set_span_in_context(span)))

    @staticmethod
    def _end(opened: _Open, error: Exception | None) -> None:
        from opentelemetry import context
        from opentelemetry.trace import Status, StatusCode

        if error is None:
            opened.span.set_status(Status(StatusCode.OK))
        else:
            opened.span.record_exception(error)
            opened.span.set_status(Status(StatusCode.ERROR, f"{type(error).__name__}: {error}"))
        opened.span.end()
        context.detach(opened.token)

    def _parent(self, run_id: str) -> Any:
        from opentelemetry.trace import NonRecordingSpan

        if run_id in self._runs:
            return self._runs[run_id].span
        known = self._parents.get(run_id)
        return None if known is None else NonRecordingSpan(known)

    def pre_graph_execute(
        self,
        *,
        run_id: str,
        graph: FunctionGraph,
        final_vars: list[str],
        inputs: dict[str, Any],
        overrides: dict[str, Any],
    ) -> None:
        """Begins the span of the run, within the current one if there is any."""
        attributes = {
            "hamilton.run_id": run_id,
            "hamilton.outputs": list(final_vars),
            "hamilton.inputs": sorted(inputs),
            "hamilton.overrides": sorted(overrides),
        }
        self._runs[run_id] = self._start("hamilton.run", None, attributes)

    def pre_node_execute(
        self, *, run_id: str, node_: Node, kwargs: dict[str, Any], task_id: str | None = None
    ) -> None:
        """Begins the span of a node."""
        attributes = {
            "hamilton.run_id": run_id,
            "hamilton.node": node_.name,
            "hamilton.type": str(node_.type),
            **({"hamilton.task_id": task_id} if task_id else {}),
            **({"code.namespace": node_.tags["module"]} if "module" in node_.tags else {}),
        }
        self._nodes[run_id, task_id, node_.name] = self._start(
            node_.name, self._parent(run_id), attributes
        )

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
        """Ends the span of a node."""
        opened = self._nodes.pop((run_id, task_id, node_.name), None)
        if opened is not None:
            self._end(opened, error)

    def post_graph_execute(
        self,
        *,
        run_id: str,
        graph: FunctionGraph,
        success: bool,
        error: Exception | None,
        results: Any,
    ) -> None:
        """Ends the span of the run."""
        opened = self._runs.pop(run_id, None)
        if opened is not None:
            self._end(opened, error)

    def __getstate__(self) -> dict[str, Any]:
        contexts = {run_id: opened.span.get_span_context() for run_id, opened in self._runs.items()}
        return {"_name": self._name, "_parents": {**self._parents, **contexts}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["_name"])  # type: ignore[misc]
        self._parents = state["_parents"]
