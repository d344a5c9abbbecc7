"""The driver: builds a dataflow from modules and runs what is asked of it."""

from __future__ import annotations

import logging
import uuid
import warnings
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from hamilton import node as node_module
from hamilton._executors import DefaultGraphExecutor, GraphExecutor
from hamilton._keywords import names_keywords
from hamilton._request import Request, RequestCache, requested_names
from hamilton.errors import (
    CycleError,
    DataflowError,
    InvalidExecutorException,
    RequestError,
    close_names,
)
from hamilton.graph import FunctionGraph, find_cycle, unknown_nodes_error
from hamilton.graph_types import HamiltonNode
from hamilton.lifecycle.base import LifecycleAdapter, LifecycleAdapterSet
from hamilton.visualization import driver_views

if TYPE_CHECKING:
    from hamilton._builder import Builder
    from hamilton.caching.adapter import HamiltonCacheAdapter
    from hamilton.execution.graph_executor import TaskBasedGraphExecutor
    from hamilton.io.materialization import ExtractorFactory, MaterializerFactory

__all__ = [
    "Builder",
    "DefaultGraphExecutor",
    "Driver",
    "GraphExecutor",
    "InvalidExecutorException",
    "TaskBasedGraphExecutor",
    "Variable",
]

logger = logging.getLogger(__name__)

Variable = HamiltonNode

_LAZY = {
    "Builder": "hamilton._builder",
    "TaskBasedGraphExecutor": "hamilton.execution.graph_executor",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        import importlib

        value = getattr(importlib.import_module(_LAZY[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class Driver:
    """Builds the dataflow of some modules under a configuration, and runs it.

    Args:
        config: Shapes the dataflow and supplies values; copied.
        *modules: Modules whose functions become nodes.
        adapter: One adapter or several. When none builds results, ``execute`` returns a pandas
            DataFrame.
        allow_module_overrides: A function of a later module replaces one of the same name.

    Raises:
        ValueError: A function cannot become a node, names clash, types of an edge differ, or two
            adapters claim a step of which there is one.

    Example:
        >>> from hamilton import ad_hoc_utils, base, driver
        >>> def b(a: int) -> int:
        ...     return a + 1
        >>> module = ad_hoc_utils.create_temporary_module(b)
        >>> dr = driver.Driver({}, module, adapter=base.DefaultAdapter())
        >>> dr.execute(["b"], inputs={"a": 1})
        {'b': 2}
    """

    @names_keywords
    def __init__(
        self,
        config: Mapping[str, Any],
        *modules: ModuleType,
        adapter: LifecycleAdapter | Sequence[LifecycleAdapter] | LifecycleAdapterSet | None = None,
        allow_module_overrides: bool = False,
        _materializers: Sequence[MaterializerFactory | ExtractorFactory] | None = None,
        _graph_executor: GraphExecutor | None = None,
        _use_legacy_adapter: bool = True,
    ) -> None:
        self.driver_run_id = uuid.uuid4()
        self.adapter = self.normalize_adapter_input(adapter, _use_legacy_adapter)
        self.adapter.call_all_lifecycle_hooks_sync("pre_do_anything")
        if not isinstance(config, Mapping):
            raise RequestError(
                f"The config must be a dictionary, not {type(config).__name__}; the first "
                "argument of Driver is the config, modules come after it."
            )
        for module in modules:
            if not isinstance(module, ModuleType):
                raise RequestError(
                    f"{module!r} is not a module; pass imported modules, for example "
                    "importlib.import_module('my_functions')."
                )
        self.config = dict(config)
        self.graph_modules = modules
        self._allow_module_overrides = allow_module_overrides
        self._materializers = tuple(_materializers or ())
        self.graph_executor = _graph_executor or DefaultGraphExecutor(self.adapter)
        try:
            self.graph = self._build_graph()
        except (DataflowError, NameError, TypeError) as error:
            logger.error("The dataflow could not be built: %s", error)
            raise
        self._requests = RequestCache(self.graph)
        self.adapter.call_all_lifecycle_hooks_sync(
            "post_graph_construct",
            graph=self.graph,
            modules=list(modules),
            config=self.config,
        )

    def _build_graph(self) -> FunctionGraph:
        graph = FunctionGraph.from_modules(
            *self.graph_modules,
            config=self.config,
            adapter=self.adapter,
            allow_module_overrides=self._allow_module_overrides,
        )
        if not self._materializers:
            return graph
        from hamilton.io.materialization import modify_graph

        return modify_graph(graph, self._materializers)

    @staticmethod
    def normalize_adapter_input(
        adapter: LifecycleAdapter | Sequence[LifecycleAdapter] | LifecycleAdapterSet | None,
        use_legacy_adapter: bool = True,
    ) -> LifecycleAdapterSet:
        """Returns the adapters as a set; the pandas result builder is added when none builds."""
        if isinstance(adapter, LifecycleAdapterSet):
            found = adapter
        elif adapter is None:
            found = LifecycleAdapterSet()
        elif isinstance(adapter, (list, tuple)):
            found = LifecycleAdapterSet(*adapter)
        else:
            found = LifecycleAdapterSet(adapter)  # type: ignore[arg-type]
        if use_legacy_adapter and not found.does_method("do_build_result"):
            from hamilton.base import PandasDataFrameResult

            found = LifecycleAdapterSet(*found.adapters, PandasDataFrameResult())
        return found

    @names_keywords
    def execute(
        self,
        final_vars: Sequence[str | Callable[..., Any] | Variable],
        overrides: Mapping[str, Any] | None = None,
        display_graph: bool = False,
        inputs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Computes the requested values and returns them as the result builder makes it.

        Everything is checked before anything runs. Values are shared, not copied, between the
        functions that take them. Nothing is remembered between calls.

        Args:
            final_vars: Names, functions of the driver's modules, or variables.
            overrides: Values that replace nodes; nothing upstream of them is computed.
            display_graph: Deprecated; draws the graph first.
            inputs: Values for this run; disjoint from the configuration.

        Returns:
            What the result builder makes; without one, a dictionary in the order requested.

        Raises:
            ValueError: Unknown names, missing or wrongly typed values, clashing dictionaries, or
                a loop on the requested path.
        """
        if display_graph:
            self._display_deprecated(final_vars)
        names = requested_names(final_vars, self.graph_modules)
        return self._run(self._requests, names, inputs or {}, overrides or {})

    @names_keywords
    def execute_all(
        self,
        overrides: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Computes every function of the dataflow; nodes that only save something are left out.

        Returns and raises what `execute` does for all those names.
        """
        names = [
            node.name
            for node in self.graph.get_nodes()
            if not node.user_defined and not node.tags.get("hamilton.data_saver")
        ]
        return self.execute(names, overrides=overrides, inputs=inputs)

    @names_keywords
    def raw_execute(
        self,
        final_vars: Sequence[str],
        overrides: Mapping[str, Any] | None = None,
        display_graph: bool = False,
        inputs: Mapping[str, Any] | None = None,
        _fn_graph: FunctionGraph | None = None,
    ) -> dict[str, Any]:
        """Deprecated: like `execute`, but returns the dictionary without building a result."""
        warnings.warn(
            "Driver.raw_execute is deprecated; use execute with base.DefaultAdapter().",
            DeprecationWarning,
            stacklevel=3,
        )
        if display_graph:
            self._display_deprecated(final_vars)
        requests = self._requests if _fn_graph is None else RequestCache(_fn_graph)
        names = requested_names(final_vars, self.graph_modules)
        found: dict[str, Any] = self._run(
            requests, names, inputs or {}, overrides or {}, build=False
        )
        return found

    def _run(
        self,
        requests: RequestCache,
        names: Sequence[str],
        inputs: Mapping[str, Any],
        overrides: Mapping[str, Any],
        build: bool = True,
    ) -> Any:
        adapters = self.adapter
        if not adapters.joins_runs:
            run_id = str(uuid.uuid4()) if adapters.joins_nodes else ""
            return self._compute(requests, names, inputs, overrides, run_id, build)
        run_id = str(uuid.uuid4())
        results, failure = None, None
        try:
            adapters.call_all_lifecycle_hooks_sync(
                "pre_graph_execute",
                run_id=run_id,
                graph=requests.graph,
                final_vars=list(names),
                inputs=dict(inputs),
                overrides=dict(overrides),
            )
            results = self._compute(requests, names, inputs, overrides, run_id, build)
        except BaseException as error:
            failure = error
            raise
        finally:
            adapters.call_all_lifecycle_hooks_sync(
                "post_graph_execute",
                run_id=run_id,
                graph=requests.graph,
                success=failure is None,
                error=failure,
                results=results,
            )
        return results

    def _compute(
        self,
        requests: RequestCache,
        names: Sequence[str],
        inputs: Mapping[str, Any],
        overrides: Mapping[str, Any],
        run_id: str,
        build: bool,
    ) -> Any:
        request = requests.get(names, inputs, overrides)
        values = {**self.config, **inputs, **overrides}
        request.check_values(values)
        if not request.accepted:
            self.graph_executor.accept(request)
            request.accepted = True
        outputs = self.graph_executor.execute(request, values, run_id)
        if not build:
            # Adapters that run nodes elsewhere give promises, which no builder resolves here.
            for adapter in self.adapter.adapters:
                resolve = getattr(adapter, "resolve_outputs", None)
                outputs = resolve(outputs) if resolve is not None else outputs
            return outputs
        builders = self.adapter.sync("do_build_result")
        return builders[0](outputs=outputs) if builders else outputs

    def _display_deprecated(self, final_vars: Sequence[Any]) -> None:
        warnings.warn(
            "display_graph=True is deprecated; call visualize_execution.",
            DeprecationWarning,
            stacklevel=4,
        )
        if self.has_cycles(final_vars):
            raise CycleError("Error: cycles detected in your graph.", self.graph.cycle)
        self.visualize_execution(final_vars, "test-output/execute.gv", bypass_validation=True)

    @names_keywords
    def materialize(
        self,
        *materializers: MaterializerFactory | ExtractorFactory,
        additional_vars: Sequence[str | Callable[..., Any] | Variable] | None = None,
        overrides: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Runs savers (and loaders) given for this call only.

        Args:
            *materializers: Made by ``to.<key>(...)`` and ``from_.<key>(...)``.
            additional_vars: Values to compute and return as well.
            overrides: As for `execute`.
            inputs: As for `execute`.

        Returns:
            ``({saver id: metadata}, {additional name: value})``.

        Raises:
            ValueError: Nothing is requested, or an id, target or dependency does not fit.
        """
        requests, savers, names = self._overlay(materializers, additional_vars)
        found: dict[str, Any] = self._run(
            requests, [*savers, *names], inputs or {}, overrides or {}, build=False
        )
        return {n: found[n] for n in savers}, {n: found[n] for n in names}

    def _overlay(
        self, materializers: Sequence[Any], additional_vars: Sequence[Any] | None
    ) -> tuple[RequestCache, list[str], list[str]]:
        """Returns the graph with materializers laid over it, saver ids, and names to compute."""
        from hamilton.io.materialization import modify_graph, saver_ids

        names = requested_names(additional_vars or [], self.graph_modules)
        savers = saver_ids(materializers)
        if not savers and not names:
            raise RequestError(
                "No output requested. Pass at least one materializer that saves (to.<key>) or "
                "additional_vars."
            )
        graph = modify_graph(self.graph, materializers)
        self.adapter.call_all_lifecycle_hooks_sync(
            "post_graph_construct",
            graph=graph,
            modules=list(self.graph_modules),
            config=self.config,
        )
        return RequestCache(graph), savers, names

    @names_keywords
    def validate_execution(
        self,
        final_vars: Sequence[str | Callable[..., Any] | Variable],
        overrides: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
    ) -> None:
        """Raises what `execute` would raise before running anything."""
        self._validated(
            self._requests, requested_names(final_vars, self.graph_modules), inputs, overrides
        )

    @names_keywords
    def validate_materialization(
        self,
        *materializers: MaterializerFactory | ExtractorFactory,
        additional_vars: Sequence[str | Callable[..., Any] | Variable] | None = None,
        overrides: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
    ) -> None:
        """Raises what `materialize` would raise before running anything."""
        requests, savers, names = self._overlay(materializers, additional_vars)
        self._validated(requests, [*savers, *names], inputs, overrides)

    def _validated(
        self,
        requests: RequestCache,
        names: Sequence[str],
        inputs: Mapping[str, Any] | None,
        overrides: Mapping[str, Any] | None,
    ) -> Request:
        request = requests.get(names, inputs or {}, overrides or {})
        request.check_values({**self.config, **(inputs or {}), **(overrides or {})})
        self.graph_executor.accept(request)
        return request

    @staticmethod
    def validate_inputs(
        fn_graph: FunctionGraph,
        adapter: LifecycleAdapterSet,
        user_nodes: Sequence[node_module.Node],
        inputs: Mapping[str, Any] | None = None,
        nodes_set: Sequence[node_module.Node] | None = None,
    ) -> None:
        """Raises `ValueError` when supplied values do not satisfy the given external nodes."""
        names = [n.name for n in (nodes_set if nodes_set is not None else user_nodes)]
        requests = RequestCache(fn_graph)
        supplied = {k: v for k, v in (inputs or {}).items() if k not in fn_graph.config}
        requests.get(names, supplied, {}).check_values({**fn_graph.config, **supplied})

    @names_keywords
    def list_available_variables(
        self, *, tag_filter: Mapping[str, str | list[str] | None] | None = None
    ) -> list[HamiltonNode]:
        """Returns all nodes, inputs and configuration values included.

        Args:
            tag_filter: Every key must match: None means the tag is present, a list means any.

        Raises:
            ValueError: A filter value is not a string, a non-empty list of strings or None.
        """
        nodes = self.graph.get_nodes()
        if tag_filter:
            nodes = [n for n in nodes if node_module.matches_query(n.tags, tag_filter)]
        return [HamiltonNode.from_node(node) for node in nodes]

    display_all_functions = driver_views.display_all_functions
    visualize_execution = driver_views.visualize_execution
    visualize_materialization = driver_views.visualize_materialization
    display_upstream_of = driver_views.display_upstream_of
    display_downstream_of = driver_views.display_downstream_of
    visualize_path_between = driver_views.visualize_path_between

    def _repr_mimebundle_(
        self, include: Any = None, exclude: Any = None, **kwargs: Any
    ) -> dict[str, str]:
        return self.display_all_functions()._repr_mimebundle_(include, exclude)

    def _views(self, names: Sequence[str]) -> list[HamiltonNode]:
        return [HamiltonNode.from_node(self.graph.nodes[n]) for n in names if n in self.graph.nodes]

    def _known(self, names: Sequence[str]) -> None:
        unknown = [n for n in names if n not in self.graph.nodes]
        if unknown:
            raise unknown_nodes_error(self.graph, unknown)

    def what_is_upstream_of(self, *node_names: str) -> list[HamiltonNode]:
        """Returns the named nodes and everything they need, dependencies first."""
        self._known(node_names)
        return self._views(self.graph.upstream_order(node_names))

    def what_is_downstream_of(self, *node_names: str) -> list[HamiltonNode]:
        """Returns the named nodes and everything that needs them, dependencies first."""
        self._known(node_names)
        return self._views(self.graph.downstream_order(node_names))

    def what_is_the_path_between(
        self, upstream_node_name: str, downstream_node_name: str
    ) -> list[HamiltonNode]:
        """Returns the nodes on any way between two nodes, both included; empty without a way.

        Raises:
            ValueError: A name is unknown.
        """
        for kind, name in (
            ("Upstream", upstream_node_name),
            ("Downstream", downstream_node_name),
        ):
            if name not in self.graph.nodes:
                raise RequestError(
                    f"{kind} node {name} not found in graph. Close: "
                    f"{close_names(name, self.graph.nodes)}.",
                    node=name,
                    candidates=close_names(name, self.graph.nodes),
                )
        return self._views(self.graph.path_between(upstream_node_name, downstream_node_name))

    @names_keywords
    def export_execution(
        self,
        final_vars: Sequence[str | Callable[..., Any] | Variable],
        inputs: Mapping[str, Any] | None = None,
        overrides: Mapping[str, Any] | None = None,
    ) -> str:
        """Returns the nodes that `execute` would touch as JSON, for viewing and comparing.

        `hamilton.graph_export.import_graph` reads it.
        """
        from hamilton.graph_export import graph_as_json

        names = requested_names(final_vars, self.graph_modules)
        request = self._requests.get(names, inputs or {}, overrides or {})
        return graph_as_json(self.graph, [node.name for node in request.path])

    def has_cycles(self, final_vars: Sequence[Any]) -> bool:
        """Returns whether the path to the requested values has a loop."""
        names = requested_names(final_vars, self.graph_modules)
        return bool(find_cycle(self.graph.nodes, names))

    @property
    def cache(self) -> HamiltonCacheAdapter | None:
        """The cache of this driver, or None."""
        from hamilton._builder import cache_of

        return cache_of(self.adapter.adapters)

    def __getstate__(self) -> dict[str, Any]:
        from hamilton._pickling import module_state

        return {
            "driver_run_id": self.driver_run_id,
            "config": self.config,
            "modules": [module_state(module) for module in self.graph_modules],
            "adapters": self.adapter.adapters,
            "executor": self.graph_executor,
            "allow_module_overrides": self._allow_module_overrides,
            "materializers": self._materializers,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        from hamilton._pickling import restored_modules

        self.driver_run_id = state["driver_run_id"]
        self.config = state["config"]
        self.graph_modules = tuple(restored_modules(state["modules"]))
        self.adapter = LifecycleAdapterSet(*state["adapters"])
        self._allow_module_overrides = state["allow_module_overrides"]
        self._materializers = state["materializers"]
        self.graph_executor = state["executor"]
        self.graph = self._build_graph()
        self._requests = RequestCache(self.graph)
