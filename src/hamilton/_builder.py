"""The builder: a driver put together step by step."""

from __future__ import annotations

import copy
import os
import sys
from collections.abc import Iterable
from types import ModuleType
from typing import TYPE_CHECKING, Any, Self

from hamilton._keywords import names_keywords
from hamilton.driver import Driver
from hamilton.lifecycle.base import LifecycleAdapter, LifecycleAdapterSet

if TYPE_CHECKING:
    from hamilton.caching.adapter import HamiltonCacheAdapter
    from hamilton.caching.behavior import CachingBehavior, Nodes
    from hamilton.caching.stores.base import MetadataStore, ResultStore
    from hamilton.execution.executors import ExecutionManager, TaskExecutor
    from hamilton.execution.grouping import GroupingStrategy

    Behavior = CachingBehavior | str

__all__ = ["Builder"]


class Builder:
    """Collects what a driver is made of; every method returns the builder.

    The built driver returns a dictionary unless an adapter builds something else.
    """

    def __init__(self) -> None:
        self.config: dict[str, Any] = {}
        self.modules: list[ModuleType] = []
        self.materializers: list[Any] = []
        self.legacy_graph_adapter: LifecycleAdapter | None = None
        self.adapters: list[LifecycleAdapter] = []
        self.v2_executor = False
        self.execution_manager: ExecutionManager | None = None
        self.local_executor: TaskExecutor | None = None
        self.remote_executor: TaskExecutor | None = None
        self.grouping_strategy: GroupingStrategy | None = None
        self._allow_module_overrides = False

    def with_modules(self, *modules: ModuleType) -> Self:
        """Adds modules."""
        self.modules.extend(modules)
        return self

    def with_config(self, config: dict[str, Any]) -> Self:
        """Merges configuration; later values win."""
        self.config.update(config)
        return self

    def with_adapter(self, adapter: LifecycleAdapter) -> Self:
        """Sets the single graph adapter.

        Raises:
            ValueError: It has been set before.
        """
        if self.legacy_graph_adapter is not None:
            raise ValueError("Cannot set adapter twice. Use with_adapters for several.")
        self.legacy_graph_adapter = adapter
        return self

    def with_adapters(self, *adapters: LifecycleAdapter) -> Self:
        """Adds lifecycle adapters; those that run nodes wrap one another, the first outermost.

        Raises:
            ValueError: A second cache is among them.
        """
        caches = [a for a in (*self.adapters, *adapters) if _is_cache(a)]
        if len(caches) > 1:
            raise ValueError("Cannot use multiple cache adapters: a driver has one cache.")
        self.adapters.extend(adapters)
        return self

    @names_keywords
    def with_cache(
        self,
        path: str | os.PathLike[str] = ".hamilton_cache",
        metadata_store: MetadataStore | None = None,
        result_store: ResultStore | None = None,
        default: Nodes = None,
        recompute: Nodes = None,
        ignore: Nodes = None,
        disable: Nodes = None,
        default_behavior: Behavior = "default",
        default_loader_behavior: Behavior = "default",
        default_saver_behavior: Behavior = "default",
        log_to_file: bool = False,
        *,
        follow_helpers: bool = True,
        max_size: int | None = None,
        max_age_s: float | None = None,
    ) -> Self:
        """Keeps what nodes compute, and reads it back while code and inputs are as they were.

        The arguments are those of `hamilton.caching.adapter.HamiltonCacheAdapter`.

        Raises:
            ValueError: There is a cache already, or the arguments contradict one another.
        """
        from hamilton.caching.adapter import HamiltonCacheAdapter

        return self.with_adapters(
            HamiltonCacheAdapter(
                path,
                metadata_store,
                result_store,
                default,
                recompute,
                ignore,
                disable,
                default_behavior,
                default_loader_behavior,
                default_saver_behavior,
                log_to_file,
                follow_helpers=follow_helpers,
                max_size=max_size,
                max_age_s=max_age_s,
            )
        )

    def with_materializers(self, *materializers: Any) -> Self:
        """Adds savers and loaders to the dataflow, requestable by id.

        Raises:
            ValueError: An argument is not made by ``to.<key>(...)`` or ``from_.<key>(...)``.
        """
        from hamilton.io.materialization import ExtractorFactory, MaterializerFactory

        if any(isinstance(m, (list, tuple)) for m in materializers):
            raise ValueError(
                "with_materializers received a list; unpack it: with_materializers(*materializers)."
            )
        wrong = [
            m for m in materializers if not isinstance(m, (ExtractorFactory, MaterializerFactory))
        ]
        if wrong:
            raise ValueError(
                f"with_materializers takes what to.<key>(...) and from_.<key>(...) return; "
                f"received {wrong}."
            )
        self.materializers.extend(materializers)
        return self

    @names_keywords
    def enable_dynamic_execution(self, *, allow_experimental_mode: bool = True) -> Self:
        """Switches to task-based execution, which runs ``Parallelizable`` blocks.

        Raises:
            ValueError: `allow_experimental_mode` is False.
        """
        if not allow_experimental_mode:
            raise ValueError(
                "enable_dynamic_execution was called with allow_experimental_mode=False; leave "
                "the argument out or pass True."
            )
        self.v2_executor = True
        return self

    def with_execution_manager(self, execution_manager: ExecutionManager) -> Self:
        """Sets which executor runs which task.

        Raises:
            ValueError: Dynamic execution is off, or an executor or manager is set already.
        """
        self._require_dynamic("an execution manager")
        if self.remote_executor is not None or self.local_executor is not None:
            raise ValueError("Cannot set an execution manager together with executors.")
        if self.execution_manager is not None:
            raise ValueError("Cannot set the execution manager twice.")
        self.execution_manager = execution_manager
        return self

    def with_remote_executor(self, remote_executor: TaskExecutor) -> Self:
        """Sets the executor of the repeated tasks of parallel blocks.

        Raises:
            ValueError: Dynamic execution is off, or it or a manager is set already.
        """
        self._require_dynamic("a remote executor")
        if self.execution_manager is not None or self.remote_executor is not None:
            raise ValueError("Cannot set the remote executor twice or beside an execution manager.")
        self.remote_executor = remote_executor
        return self

    def with_local_executor(self, local_executor: TaskExecutor) -> Self:
        """Sets the executor of all other tasks.

        Raises:
            ValueError: Dynamic execution is off, or it or a manager is set already.
        """
        self._require_dynamic("a local executor")
        if self.execution_manager is not None or self.local_executor is not None:
            raise ValueError("Cannot set the local executor twice or beside an execution manager.")
        self.local_executor = local_executor
        return self

    def with_grouping_strategy(self, grouping_strategy: GroupingStrategy) -> Self:
        """Sets how nodes are grouped into tasks.

        Raises:
            ValueError: Dynamic execution is off, or a strategy is set already.
        """
        self._require_dynamic("a grouping strategy")
        if self.grouping_strategy is not None:
            raise ValueError("Cannot set the grouping strategy twice.")
        self.grouping_strategy = grouping_strategy
        return self

    def _require_dynamic(self, what: str) -> None:
        if not self.v2_executor:
            raise ValueError(
                f"Cannot set {what} without first enabling dynamic execution: call "
                "enable_dynamic_execution() before."
            )

    def allow_module_overrides(self) -> Self:
        """Lets functions of later modules replace those of the same name in earlier ones."""
        self._allow_module_overrides = True
        return self

    def copy(self) -> Self:
        """Returns a builder of the same state whose collections can be changed apart."""
        new = copy.copy(self)
        new.config = dict(self.config)
        new.modules = list(self.modules)
        new.materializers = list(self.materializers)
        new.adapters = list(self.adapters)
        return new

    def _adapter_set(self) -> LifecycleAdapterSet:
        adapters = list(self.adapters)
        if self.legacy_graph_adapter is not None:
            adapters.append(self.legacy_graph_adapter)
        # The cache runs innermost: what other adapters make of a node must not be kept.
        adapters.sort(key=_is_cache)
        return LifecycleAdapterSet(*adapters)

    def build(self) -> Driver:
        """Returns the driver."""
        adapters = self._adapter_set()
        executor = None
        if self.v2_executor:
            from hamilton.execution.graph_executor import task_based_executor

            executor = task_based_executor(
                adapters,
                self.execution_manager,
                self.local_executor,
                self.remote_executor,
                self.grouping_strategy,
            )
        return Driver(
            self.config,
            *self.modules,
            adapter=adapters,
            allow_module_overrides=self._allow_module_overrides,
            _materializers=self.materializers,
            _graph_executor=executor,
            _use_legacy_adapter=False,
        )


def _is_cache(adapter: object) -> bool:
    # A module that nobody has imported has no instances; nothing is loaded only to ask.
    module = sys.modules.get("hamilton.caching.adapter")
    return module is not None and isinstance(adapter, module.HamiltonCacheAdapter)


def cache_of(adapters: Iterable[Any]) -> HamiltonCacheAdapter | None:
    """Returns the cache among adapters, or None."""
    return next((a for a in adapters if _is_cache(a)), None)
