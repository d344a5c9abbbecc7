"""The driver for asynchronous functions: independent nodes overlap in one event loop."""

from __future__ import annotations

import inspect
import uuid
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any, Self

from hamilton import driver
from hamilton._async_loop import run_plan_async, run_program_async
from hamilton._builder import Builder as SynchronousBuilder
from hamilton._executors import GraphExecutor
from hamilton._keywords import names_keywords
from hamilton._request import Request, RequestCache, requested_names
from hamilton.lifecycle.base import BaseDoBuildResult, LifecycleAdapter, LifecycleAdapterSet
from hamilton.node import Node, NodeType

__all__ = ["AsyncDriver", "AsyncGraphAdapter", "Builder"]


class AsyncGraphAdapter(BaseDoBuildResult):
    """Declares that asynchronous functions are awaited, and builds the result.

    Args:
        result_builder: Builds the result; None means a dictionary.
    """

    resolves_awaitables = True

    def __init__(self, result_builder: Any = None) -> None:
        self.result_builder = result_builder

    def do_build_result(self, *, outputs: dict[str, Any]) -> Any:
        """Returns what the builder makes, or the dictionary."""
        if self.result_builder is None:
            return outputs
        return self.result_builder.build_result(**outputs)


class _NoExecutor(GraphExecutor):
    """Stands where the synchronous executor would: the event loop does the work."""

    def validate(self, nodes_to_execute: Sequence[Node]) -> None:
        """Accepts all nodes."""

    def execute(self, request: Request, values: Mapping[str, Any], run_id: str) -> dict[str, Any]:
        """Refuses: the asynchronous driver has coroutine methods.

        Raises:
            RuntimeError: Always.
        """
        raise RuntimeError("Use `await` with the methods of the asynchronous driver.")


class AsyncDriver(driver.Driver):
    """A driver whose ``execute`` is a coroutine.

    Functions may be asynchronous or plain; plain ones run in the event loop's thread. Inputs are
    checked as by the synchronous driver, and ``Parallelizable`` blocks run their items together.

    Args:
        config: As for `driver.Driver`.
        *modules: As for `driver.Driver`.
        result_builder: Builds the result; pandas DataFrames by default.
        adapters: Lifecycle adapters, asynchronous or not.
        allow_module_overrides: As for `driver.Driver`.

    Raises:
        ValueError: There is more than one result builder.
    """

    @names_keywords
    def __init__(
        self,
        config: Mapping[str, Any],
        *modules: ModuleType,
        result_builder: Any = None,
        adapters: Sequence[LifecycleAdapter] | None = None,
        allow_module_overrides: bool = False,
        _materializers: Sequence[Any] | None = None,
        _dict_result: bool = False,
    ) -> None:
        given = list(adapters or ())
        builders = [a for a in given if isinstance(a, BaseDoBuildResult)]
        if len(builders) + (result_builder is not None) > 1:
            raise ValueError(
                "More than one result builder is given: "
                f"{[type(b).__name__ for b in builders]} and {result_builder!r}. Choose one."
            )
        if not builders:
            if result_builder is None and not _dict_result:
                from hamilton.base import PandasDataFrameResult

                result_builder = PandasDataFrameResult()
            given.append(AsyncGraphAdapter(result_builder))
        else:
            given.append(_Awaiting())
        self._initialized = False
        super().__init__(
            config,
            *modules,
            adapter=LifecycleAdapterSet(*given),
            allow_module_overrides=allow_module_overrides,
            _materializers=_materializers,
            _graph_executor=_NoExecutor(),
            _use_legacy_adapter=False,
        )

    async def ainit(self) -> Self:
        """Runs asynchronous construction hooks and adapters' own ``ainit``, once."""
        if self._initialized:
            return self
        self._initialized = True
        for hook in self.adapter.asynchronous("post_graph_construct"):
            await hook(graph=self.graph, modules=list(self.graph_modules), config=self.config)
        for adapter in self.adapter.adapters:
            start: Callable[[], Any] | None = getattr(adapter, "ainit", None)
            if start is not None:
                started = start()
                if inspect.isawaitable(started):
                    await started
        return self

    @names_keywords
    async def execute(
        self,
        final_vars: Sequence[Any],
        overrides: Mapping[str, Any] | None = None,
        display_graph: bool = False,
        inputs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Computes the requested values and returns them as the result builder makes it.

        Raises:
            ValueError: As for the synchronous driver; also when `display_graph` is True.
        """
        if display_graph:
            raise ValueError("display_graph=True is not available; call visualize_execution.")
        names = requested_names(final_vars, self.graph_modules)
        return await self._run_async(self._requests, names, inputs or {}, overrides or {}, True)

    @names_keywords
    async def raw_execute(  # type: ignore[override]
        self,
        final_vars: Sequence[Any],
        overrides: Mapping[str, Any] | None = None,
        display_graph: bool = False,
        inputs: Mapping[str, Any] | None = None,
        _fn_graph: Any = None,
    ) -> dict[str, Any]:
        """Computes the requested values and returns the dictionary.

        Raises:
            ValueError: As for the synchronous driver; also when `display_graph` is True.
        """
        if display_graph:
            raise ValueError("display_graph=True is not available; call visualize_execution.")
        requests = self._requests if _fn_graph is None else RequestCache(_fn_graph)
        names = requested_names(final_vars, self.graph_modules)
        found: dict[str, Any] = await self._run_async(
            requests, names, inputs or {}, overrides or {}, False
        )
        return found

    @names_keywords
    async def materialize(  # type: ignore[override]
        self,
        *materializers: Any,
        additional_vars: Sequence[Any] | None = None,
        overrides: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Runs savers (and loaders) given for this call only; see `driver.Driver.materialize`."""
        requests, savers, names = self._overlay(materializers, additional_vars)
        found = await self._run_async(
            requests, [*savers, *names], inputs or {}, overrides or {}, False
        )
        return {n: found[n] for n in savers}, {n: found[n] for n in names}

    async def _run_async(
        self,
        requests: RequestCache,
        names: Sequence[str],
        inputs: Mapping[str, Any],
        overrides: Mapping[str, Any],
        build: bool,
    ) -> Any:
        await self.ainit()
        run_id = str(uuid.uuid4())
        tell = self.adapter.call_all_lifecycle_hooks_sync_and_async
        results, failure = None, None
        try:
            await tell(
                "pre_graph_execute",
                run_id=run_id,
                graph=requests.graph,
                final_vars=list(names),
                inputs=dict(inputs),
                overrides=dict(overrides),
            )
            outputs = await self._outputs(requests, names, inputs, overrides, run_id)
            builders = self.adapter.sync("do_build_result") if build else ()
            results = builders[0](outputs=outputs) if builders else outputs
        except BaseException as error:
            failure = error
            raise
        finally:
            await tell(
                "post_graph_execute",
                run_id=run_id,
                graph=requests.graph,
                success=failure is None,
                error=failure,
                results=results,
            )
        return results

    async def _outputs(
        self,
        requests: RequestCache,
        names: Sequence[str],
        inputs: Mapping[str, Any],
        overrides: Mapping[str, Any],
        run_id: str,
    ) -> dict[str, Any]:
        request = requests.get(names, inputs, overrides)
        values = {**self.config, **inputs, **overrides}
        request.check_values(values)
        if not any(n.node_role in (NodeType.EXPAND, NodeType.COLLECT) for n in request.order):
            return await run_plan_async(request.plan, values, self.adapter, run_id)
        if request.compiled is None:
            request.compiled = _program(request)
        start = {name: values[name] for name in request.available}
        return await run_program_async(request.compiled, start, self.adapter, run_id)


def _program(request: Request) -> Any:
    from hamilton.execution.blocks import block_stacks, compile_program

    graph = request.graph
    names = graph.upstream_order(request.outputs)
    stacks = block_stacks([graph.nodes[n] for n in names if n in graph.nodes])
    return compile_program(request.order, stacks, 0, request.available, request.outputs)


class _Awaiting(LifecycleAdapter):
    """Declares that asynchronous functions are awaited, beside a result builder of the user's."""

    resolves_awaitables = True


class Builder(SynchronousBuilder):
    """Builds asynchronous drivers; the result is a dictionary unless an adapter builds another."""

    def with_adapter(self, adapter: LifecycleAdapter) -> Self:
        """Refuses: there is no single graph adapter here.

        Raises:
            ValueError: Always.
        """
        raise ValueError(
            "Builder().with_adapter() is not supported for the async driver. Use with_adapters."
        )

    def enable_dynamic_execution(self, *, allow_experimental_mode: bool = True) -> Self:
        """Changes nothing: ``Parallelizable`` blocks always run in the event loop."""
        return self

    def build_without_init(self) -> AsyncDriver:
        """Returns the driver; `AsyncDriver.ainit` runs at the first ``execute``."""
        return AsyncDriver(
            self.config,
            *self.modules,
            adapters=self._adapter_set().adapters,
            allow_module_overrides=self._allow_module_overrides,
            _materializers=self.materializers,
            _dict_result=True,
        )

    async def build(self) -> AsyncDriver:  # type: ignore[override]
        """Returns the initialised driver."""
        return await self.build_without_init().ainit()
