"""Looking at the runs of a cache: events, versions, keys and drawings."""

from __future__ import annotations

import abc
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from hamilton.caching.behavior import CachingBehavior
from hamilton.caching.events import CachingEvent, CachingEventType
from hamilton.caching.fingerprint import fingerprint

if TYPE_CHECKING:
    from hamilton.caching._run import CacheRun
    from hamilton.caching.stores.base import MetadataStore
    from hamilton.node import Node

__all__ = ["TOLD", "RunInspection"]

# What ``logs(level="info")`` keeps.
TOLD = frozenset({CachingEventType.GET_RESULT, CachingEventType.EXECUTE_NODE})


class RunInspection(abc.ABC):
    """What a cache tells about its runs; the cache itself makes and changes them."""

    metadata_store: MetadataStore
    _runs: dict[str, CacheRun]

    @abc.abstractmethod
    def _code_version(self, run: CacheRun, node: Node) -> str:
        """Returns the code version of a node, taken once a run."""

    @property
    def run_ids(self) -> list[str]:
        """Ids of the runs of this driver, oldest first; the newest hundred are kept."""
        return list(self._runs)

    @property
    def last_run_id(self) -> str | None:
        """Id of the newest run of this driver; None before the first."""
        return next(reversed(self._runs), None)

    def _known(self, run_id: str | None) -> CacheRun:
        wanted = run_id or self.last_run_id
        if wanted is None or wanted not in self._runs:
            raise IndexError(f"There is no run {wanted!r}; known are {self.run_ids[-5:]}.")
        return self._runs[wanted]

    @property
    def behaviors(self) -> dict[str, dict[str, CachingBehavior]]:
        """The behaviour of every node, by run."""
        return {run_id: dict(run.behaviors) for run_id, run in self._runs.items()}

    @property
    def code_versions(self) -> dict[str, dict[str, str]]:
        """The code version of every node that was looked at, by run."""
        return {run_id: dict(run.code_versions) for run_id, run in self._runs.items()}

    @property
    def data_versions(self) -> dict[str, dict[Any, str]]:
        """The data version of every value, by run; keys are names, or ``(name, task id)``."""
        return {run_id: run.by_name(run.data_versions) for run_id, run in self._runs.items()}

    @property
    def cache_keys(self) -> dict[str, dict[Any, str]]:
        """The cache key of every node, by run; keys are names, or ``(name, task id)``."""
        return {run_id: run.by_name(run.cache_keys) for run_id, run in self._runs.items()}

    def logs(
        self, run_id: str | None = None, level: Literal["info", "debug"] = "info"
    ) -> dict[Any, Any]:
        """Returns the events of one run by node, or of all runs by run id.

        Args:
            run_id: The run; None for all.
            level: ``info`` keeps only whether nodes were computed or read back.
        """
        if run_id is None:
            return {known: self._events(run, level) for known, run in self._runs.items()}
        return self._events(self._known(run_id), level)

    @staticmethod
    def _events(run: CacheRun, level: str) -> dict[Any, list[CachingEvent]]:
        found: dict[Any, list[CachingEvent]] = {}
        for event in run.events:
            if level == "debug" or event.event_type in TOLD:
                name = event.node_name
                found.setdefault((name, event.task_id) if event.task_id else name, []).append(event)
        return found

    def view_run(
        self, run_id: str | None = None, output_file_path: str | os.PathLike[str] | None = None
    ) -> Any:
        """Draws a run; nodes read from the cache have a thick border.

        Raises:
            ValueError: The run was made of tasks, in which a node has several values.
        """
        run = self._known(run_id)
        if any(task_id for _, task_id in run.data_versions):
            raise ValueError("`view_run` cannot draw a task-based run: nodes have several values.")
        if run.graph is None:
            raise ValueError(f"The graph of run {run.run_id!r} is not known in this process.")
        from hamilton.visualization.views import draw_request

        return draw_request(
            run.graph,
            run.final_vars,
            inputs=run.inputs,
            overrides=run.overrides,
            cached=run.retrieved,
            output_file_path=output_file_path,
        )

    def version_data(self, result: Any, run_id: str | None = None) -> str:
        """Returns the data version that a value has.

        Raises:
            NotFingerprintable: It has none.
        """
        return fingerprint(result)

    def version_code(self, node_name: str, run_id: str | None = None) -> str:
        """Returns the code version of a node as of a run, by default the last."""
        run = self._known(run_id)
        if node_name not in run.code_versions and run.graph and node_name in run.graph.nodes:
            return self._code_version(run, run.graph.nodes[node_name])
        if node_name not in run.code_versions:
            raise KeyError(f"Run {run.run_id!r} has no node {node_name!r}.")
        return run.code_versions[node_name]

    def get_cache_key(self, run_id: str, node_name: str, task_id: str | None = None) -> str:
        """Returns the cache key of a node in a run.

        Raises:
            KeyError: The node did not come to a key in that run.
        """
        keys = self._known(run_id).cache_keys
        if (node_name, task_id) not in keys:
            raise KeyError(f"Node {node_name!r} has no cache key in run {run_id!r}.")
        return keys[node_name, task_id]

    def get_data_version(
        self,
        run_id: str,
        node_name: str,
        cache_key: str | None = None,
        task_id: str | None = None,
    ) -> str | None:
        """Returns the data version of a node in a run, or the one kept for a cache key."""
        if cache_key is not None:
            return self.metadata_store.get(cache_key)
        return self._known(run_id).data_versions.get((node_name, task_id))

    def resolve_behaviors(self, run_id: str) -> dict[str, CachingBehavior]:
        """Returns the behaviour of every node of a run's graph."""
        return dict(self._known(run_id).behaviors)

    def resolve_code_versions(
        self,
        run_id: str,
        final_vars: Iterable[str] | None = None,
        inputs: Mapping[str, Any] | None = None,
        overrides: Mapping[str, Any] | None = None,
    ) -> dict[str, str]:
        """Returns the code versions of a run's graph, or of what a request would touch."""
        run = self._known(run_id)
        if run.graph is None:
            return dict(run.code_versions)
        nodes: Iterable[Node] = run.graph.nodes.values()
        if final_vars is not None:
            nodes, _ = run.graph.get_upstream_nodes(final_vars, inputs, overrides)
        return {node.name: self._code_version(run, node) for node in nodes}
