"""The adapter that reads nodes back instead of computing them."""

from __future__ import annotations

import inspect
import logging
import os
import pickle
import sqlite3
import time
import uuid
import weakref
from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hamilton.caching._inspection import TOLD, RunInspection
from hamilton.caching._run import NEVER_HITS, CacheRun
from hamilton.caching.behavior import (
    FORMAT_TAG,
    BehaviorRules,
    CachingBehavior,
    Nodes,
    is_loader,
    is_saver,
)
from hamilton.caching.cache_key import create_cache_key
from hamilton.caching.code_version import node_code_version
from hamilton.caching.events import CachingEvent, CachingEventType, EventLog
from hamilton.caching.fingerprint import NotFingerprintable, fingerprint
from hamilton.caching.stores.base import (
    MetadataStore,
    ResultRetrievalError,
    ResultStore,
    search_data_adapter_registry,
)
from hamilton.caching.stores.sqlite import SQLiteMetadataStore, SQLiteResultStore
from hamilton.lifecycle.base import (
    BaseDoNodeExecute,
    BasePostGraphExecute,
    BasePreGraphExecute,
)
from hamilton.node import Node, NodeType

if TYPE_CHECKING:
    from hamilton.graph import FunctionGraph

__all__ = ["CachingBehavior", "CachingEvent", "CachingEventType", "HamiltonCacheAdapter"]

logger = logging.getLogger("hamilton.caching")

_MOST_RUNS = 100
_MOST_KEYS = 20_000
_UNSTORABLE = (pickle.PicklingError, TypeError, AttributeError, ValueError, RecursionError)
_MISSING = object()


class HamiltonCacheAdapter(
    RunInspection, BaseDoNodeExecute, BasePreGraphExecute, BasePostGraphExecute
):
    """Reads a node's value back when its code and everything it takes are as they were.

    It runs innermost, so that whatever other adapters do with a node happens around it. A value
    is identified by type and content, never by where it came from. A function that changes its
    arguments in place is not noticed.

    Values are kept as pickles: use only cache folders that you trust.

    Args:
        path: The folder of the default stores.
        metadata_store: Keeps key to data version; default SQLite in `path`.
        result_store: Keeps data version to value; default small values in that SQLite file and
            larger ones as files in `path`.
        default: Nodes to read, compute and keep; True for all.
        recompute: Nodes always to compute, and keep.
        ignore: Nodes whose value does not count for what depends on them.
        disable: Nodes outside the cache.
        default_behavior: For nodes not named and not tagged.
        default_loader_behavior: The same for nodes that read data from outside.
        default_saver_behavior: The same for nodes that write data to the outside.
        log_to_file: Also append every event to ``cache_logs.jsonl`` in `path`.
        follow_helpers: Let the code of helpers that a function calls count as its own.
        max_size: Bytes of values to keep at most; the ones unused for longest go first.
        max_age_s: Seconds to keep a value after its last use.

    Raises:
        ValueError: The lists contradict one another.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        metadata_store: MetadataStore | None = None,
        result_store: ResultStore | None = None,
        default: Nodes = None,
        recompute: Nodes = None,
        ignore: Nodes = None,
        disable: Nodes = None,
        default_behavior: CachingBehavior | str | None = None,
        default_loader_behavior: CachingBehavior | str | None = None,
        default_saver_behavior: CachingBehavior | str | None = None,
        log_to_file: bool = False,
        *,
        follow_helpers: bool = True,
        max_size: int | None = None,
        max_age_s: float | None = None,
    ) -> None:
        folder = Path(path if path is not None else ".hamilton_cache")
        own = metadata_store if isinstance(metadata_store, SQLiteMetadataStore) else None
        if metadata_store is None:
            own = metadata_store = SQLiteMetadataStore(folder)
        if result_store is None:
            database = (own or SQLiteMetadataStore(folder)).database
            result_store = SQLiteResultStore(
                database, folder, max_size=max_size, max_age_s=max_age_s
            )
        self.metadata_store = metadata_store
        self.result_store = result_store
        self.rules = BehaviorRules(
            default,
            recompute,
            ignore,
            disable,
            default_behavior,
            default_loader_behavior,
            default_saver_behavior,
        )
        self.follow_helpers = follow_helpers
        place = Path(getattr(metadata_store, "path", folder))
        self._log = EventLog(place / "cache_logs.jsonl") if log_to_file else None
        self._runs: dict[str, CacheRun] = {}
        self._keys: dict[tuple[Any, ...], str] = {}
        self._by_graph: weakref.WeakKeyDictionary[
            FunctionGraph, tuple[dict[str, CachingBehavior], dict[str, str]]
        ] = weakref.WeakKeyDictionary()

    # -- a run ------------------------------------------------------------------------------

    def pre_graph_execute(
        self,
        *,
        run_id: str,
        graph: FunctionGraph,
        final_vars: list[str],
        inputs: dict[str, Any],
        overrides: dict[str, Any],
    ) -> None:
        """Begins a run: resolves what to do with each node."""
        behaviors, code_versions = self._facts_of(graph)
        run = CacheRun(run_id, behaviors, code_versions, graph, tuple(final_vars))
        run.inputs, run.overrides = frozenset(inputs) | graph.config.keys(), frozenset(overrides)
        while len(self._runs) >= _MOST_RUNS:
            del self._runs[next(iter(self._runs))]
        self._runs[run_id] = run
        self.metadata_store.initialize(run_id)
        for names, kind in (
            (final_vars, CachingEventType.IS_FINAL_VAR),
            (inputs, CachingEventType.IS_INPUT),
            (overrides, CachingEventType.IS_OVERRIDE),
        ):
            for name in names:
                self._event(run, "adapter", kind, name, None)

    def _facts_of(self, graph: FunctionGraph) -> tuple[dict[str, CachingBehavior], dict[str, str]]:
        found = self._by_graph.get(graph)
        if found is None:
            found = self.rules.resolve(graph.nodes.values()), {}
            self._by_graph[graph] = found
        return found

    def post_graph_execute(
        self,
        *,
        run_id: str,
        graph: FunctionGraph,
        success: bool,
        error: Exception | None,
        results: Any,
    ) -> None:
        """Ends a run, failed ones too: what was computed is written, so that a rerun resumes."""
        run = self._runs.get(run_id)
        if run is not None:
            run.finish()
        self._flush()

    def _flush(self) -> None:
        try:
            self.result_store.flush()
            self.metadata_store.flush()
            if self._log is not None:
                self._log.flush()
            prune = getattr(self.result_store, "prune", None)
            limits = ("max_size", "max_age_s")
            if prune and any(getattr(self.result_store, n, None) is not None for n in limits):
                prune()
        except (sqlite3.Error, OSError) as error:
            logger.warning("The cache could not be written: %s", error)

    def _run(self, run_id: str, node: Node) -> CacheRun:
        run = self._runs.get(run_id)
        if run is None:
            # A worker process that was not there when the run began.
            run = CacheRun(run_id, self.rules.resolve([node]), {}, None, ())
            self._runs[run_id] = run
        elif node.name not in run.behaviors:
            run.behaviors.update(self.rules.resolve([node]))
        return run

    # -- a node -----------------------------------------------------------------------------

    def do_node_execute(
        self, *, run_id: str, node_: Node, kwargs: dict[str, Any], task_id: str | None = None
    ) -> Any:
        """Returns the value of a node, read back if it can be."""
        run = self._run(run_id, node_)
        behavior = run.behaviors[node_.name]
        self._event(
            run, "adapter", CachingEventType.RESOLVE_BEHAVIOR, node_.name, task_id, behavior.name
        )
        if behavior is CachingBehavior.DISABLE:
            run.record(node_.name, task_id, f"{NEVER_HITS[0]}{uuid.uuid4()}")
            return self._compute(run, node_, kwargs, task_id, None)
        versions = self._dependency_versions(run, node_, kwargs, task_id)
        if behavior is CachingBehavior.IGNORE:
            run.record(node_.name, task_id, run.ignored_version(versions))
            return self._compute(run, node_, kwargs, task_id, None)
        key = self._key(node_.name, self._code_version(run, node_), versions)
        run.cache_keys[node_.name, task_id] = key
        self._event(run, "adapter", CachingEventType.SET_CACHE_KEY, node_.name, task_id, key)
        hittable = not any(v.startswith(NEVER_HITS) for v in versions.values())
        if behavior is CachingBehavior.DEFAULT and hittable:
            found = self._read(run, node_, task_id, key)
            if found is not _MISSING:
                return found
        return self._compute(run, node_, kwargs, task_id, key if hittable else "")

    def _key(self, name: str, code_version: str, versions: Mapping[str, str]) -> str:
        parts = (name, code_version, *versions.items())
        key = self._keys.get(parts)
        if key is None:
            if len(self._keys) >= _MOST_KEYS:
                self._keys.clear()
            key = self._keys[parts] = create_cache_key(name, code_version, versions)
        return key

    def _code_version(self, run: CacheRun, node: Node) -> str:
        version = run.code_versions.get(node.name)
        if version is None:
            version = node_code_version(node, follow=self.follow_helpers)
            run.code_versions[node.name] = version
        return version

    def _dependency_versions(
        self, run: CacheRun, node: Node, kwargs: Mapping[str, Any], task_id: str | None
    ) -> dict[str, str]:
        versions = {}
        for name in node.input_types:
            if name in kwargs:
                versions[name] = self._version_of(run, name, kwargs[name], task_id)
            elif name in node.default_parameter_values:
                # The same key as if the default had been passed.
                value = node.default_parameter_values[name]
                versions[name] = self._fingerprint(run, name, value, task_id)
                kind = CachingEventType.IS_DEFAULT_PARAMETER_VALUE
                self._event(run, "adapter", kind, name, task_id)
        return versions

    def _version_of(self, run: CacheRun, name: str, value: Any, task_id: str | None) -> str:
        behavior = run.behaviors.get(name)
        if behavior is CachingBehavior.DISABLE:
            return run.recorded(name, task_id) or f"{NEVER_HITS[0]}{uuid.uuid4()}"
        if behavior is CachingBehavior.IGNORE:
            return run.version_of_ignored(name, task_id)
        known = run.produced.get((name, id(value)))
        if known is not None:
            return known
        version = self._fingerprint(run, name, value, task_id)
        if name in run.inputs or name in run.overrides:
            run.record(name, None, version, value)
        return version

    def _fingerprint(self, run: CacheRun, name: str, value: Any, task_id: str | None) -> str:
        try:
            return fingerprint(value)
        except NotFingerprintable as error:
            if name not in run.warned:
                run.warned.add(name)
                logger.warning("%s: what depends on it is computed anew. %s", name, error)
            kind = CachingEventType.UNHASHABLE_DATA_VERSION
            self._event(run, "adapter", kind, name, task_id)
            return f"{NEVER_HITS[1]}{uuid.uuid4()}"

    def _read(self, run: CacheRun, node: Node, task_id: str | None, key: str) -> Any:
        """Returns the kept value, or `_MISSING`; nothing that is wrong with a store gets out."""
        try:
            found = self._found(key)
            if found is None:
                kind = CachingEventType.MISSING_RESULT
                self._event(run, "metadata_store", kind, node.name, task_id, key)
                return _MISSING
            stored, value = found
        except (ResultRetrievalError, sqlite3.Error, OSError) as error:
            kind = CachingEventType.FAILED_RETRIEVAL
            self._event(run, "result_store", kind, node.name, task_id, key, str(error))
            return _MISSING
        self._event(run, "result_store", CachingEventType.GET_RESULT, node.name, task_id, stored)
        run.record(node.name, task_id, self._seen_version(run, node, value, task_id, stored), value)
        run.retrieved.add(node.name)
        return value

    def _found(self, key: str) -> tuple[str, Any] | None:
        """Returns the data version and the value kept for a key, or None."""
        keys, results = self.metadata_store, self.result_store
        if (
            isinstance(results, SQLiteResultStore)
            and isinstance(keys, SQLiteMetadataStore)
            and results.database is keys.database
        ):
            return results.find(keys, key)
        stored = keys.get(key)
        return None if stored is None else (stored, results.get(stored))

    def _seen_version(
        self, run: CacheRun, node: Node, value: Any, task_id: str | None, stored: str
    ) -> str:
        """Returns the version that what depends on a node sees of it."""
        if is_saver(node):
            return f"{node.name}__metadata"
        if is_loader(node) and isinstance(value, tuple) and len(value) == 2:
            return self._fingerprint(run, node.name, value[0], task_id)
        return stored

    def _compute(
        self,
        run: CacheRun,
        node: Node,
        kwargs: Mapping[str, Any],
        task_id: str | None,
        key: str | None,
    ) -> Any:
        """Runs the node; keeps its value when there is a key (empty: versions only)."""
        kind = CachingEventType.EXECUTE_NODE
        try:
            value = node.callable(**kwargs)
        except Exception:
            self._event(run, "adapter", CachingEventType.FAILED_EXECUTION, node.name, task_id)
            raise
        self._event(run, "adapter", kind, node.name, task_id)
        if key is None or node.node_role is NodeType.EXPAND:
            return value
        if inspect.isawaitable(value):
            return self._compute_async(run, node, value, task_id, key)
        self._keep(run, node, value, task_id, key)
        return value

    async def _compute_async(
        self, run: CacheRun, node: Node, pending: Awaitable[Any], task_id: str | None, key: str
    ) -> Any:
        value = await pending
        self._keep(run, node, value, task_id, key)
        return value

    def _keep(self, run: CacheRun, node: Node, value: Any, task_id: str | None, key: str) -> None:
        stored = self._fingerprint(run, node.name, value, task_id)
        self._event(run, "adapter", CachingEventType.SET_DATA_VERSION, node.name, task_id, stored)
        run.record(node.name, task_id, self._seen_version(run, node, value, task_id, stored), value)
        if not key or stored.startswith(NEVER_HITS):
            return
        try:
            self.result_store.set(stored, value, **self._format(node, value))
            self.metadata_store.set(
                key,
                stored,
                run.run_id,
                node_name=node.name,
                code_version=self._code_version(run, node),
            )
        except (*_UNSTORABLE, sqlite3.Error, OSError) as error:
            logger.warning("The value of %s could not be kept: %s", node.name, error)
            return
        self._event(run, "result_store", CachingEventType.SET_RESULT, node.name, task_id, stored)

    @staticmethod
    def _format(node: Node, value: Any) -> dict[str, Any]:
        name = node.tags.get(FORMAT_TAG)
        if name is None:
            return {}
        saver_cls, loader_cls = search_data_adapter_registry(str(name), type(value))
        return {"saver_cls": saver_cls, "loader_cls": loader_cls}

    def _event(
        self,
        run: CacheRun,
        actor: str,
        kind: CachingEventType,
        node_name: str,
        task_id: str | None,
        value: Any = None,
        msg: str | None = None,
    ) -> None:
        event = CachingEvent(run.run_id, actor, kind, node_name, task_id, msg, value, time.time())
        run.events.append(event)
        level = logging.INFO if kind in TOLD else logging.DEBUG
        if logger.isEnabledFor(level):
            logger.log(level, "%s", event)
        if self._log is not None:
            self._log.add(event)

    def prune(self, max_size: int | None = None, max_age_s: float | None = None) -> int:
        """Removes values beyond the limits and returns how many.

        Raises:
            TypeError: The result store cannot prune.
        """
        prune = getattr(self.result_store, "prune", None)
        if prune is None:
            raise TypeError(f"{type(self.result_store).__name__} cannot prune.")
        return int(prune(max_size, max_age_s))

    def _version_path(self, run: CacheRun) -> None:
        """Takes the code versions of a run where the source is: a worker may not have it."""
        if run.graph is not None and not run.path_versioned:
            for name in run.graph.upstream_order(run.final_vars, run.overrides):
                if name in run.graph.nodes:
                    self._code_version(run, run.graph.nodes[name])
            run.path_versioned = True

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        going = [run for run in self._runs.values() if not run.finished]
        for run in going:
            self._version_path(run)
        state["_runs"] = {run.run_id: run.for_worker() for run in going}
        state["_keys"] = {}
        del state["_by_graph"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._by_graph = weakref.WeakKeyDictionary()
