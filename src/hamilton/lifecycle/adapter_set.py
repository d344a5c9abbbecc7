"""The adapters of a driver as one thing, which knows who implements which extension point."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable
from typing import Any

from hamilton.lifecycle.points import LifecycleAdapter, lifecycle

__all__ = ["LifecycleAdapterSet"]

# Methods of which a run can use only one implementation; the others compose.
_SINGLE_METHODS = ("do_build_result", "do_remote_execute")
_NODE_POINTS = ("pre_node_execute", "post_node_execute", "do_node_execute", "do_remote_execute")
_RUN_POINTS = ("pre_graph_execute", "post_graph_execute")


class LifecycleAdapterSet:
    """The adapters of one driver, asked once who implements which extension point.

    Attributes:
        joins_nodes: Whether any adapter takes part in the execution of nodes.
        joins_runs: Whether any adapter is told of the start or the end of runs.

    Raises:
        ValueError: Two adapters implement a method of which only one can be used.
    """

    def __init__(self, *adapters: LifecycleAdapter) -> None:
        self._adapters = _checked(adapters)
        self._found: dict[tuple[str, bool], tuple[Callable[..., Any], ...]] = {}
        for adapter in self._adapters:
            for key in _implemented(adapter):
                self._found[key] = (*self._found.get(key, ()), getattr(adapter, key[0]))
        for name in _SINGLE_METHODS:
            if len(self._found.get((name, False), ())) > 1:
                raise ValueError(
                    "Multiple adapters cannot (currently) implement the same lifecycle method. "
                    f"Sync methods: [{name!r}]. Async methods: []. Adapters: "
                    f"{[type(f.__self__).__name__ for f in self._found[name, False]]}."  # type: ignore[attr-defined]
                )
        # Asked at every run, so answered here.
        self.joins_nodes = any(self.sync(point) for point in _NODE_POINTS)
        self.joins_runs = any(self._does(point, None) for point in _RUN_POINTS)

    @property
    def adapters(self) -> list[LifecycleAdapter]:
        """The adapters in the order in which they were given."""
        return list(self._adapters)

    @property
    def resolves_awaitables(self) -> bool:
        """Whether an adapter declares that it awaits what asynchronous functions return."""
        return any(getattr(a, "resolves_awaitables", False) for a in self._adapters)

    def sync(self, name: str) -> tuple[Callable[..., Any], ...]:
        """Returns the synchronous implementations of a point, in adapter order."""
        return self._found.get((name, False), ())

    def asynchronous(self, name: str) -> tuple[Callable[..., Any], ...]:
        """Returns the asynchronous implementations of a point, in adapter order."""
        return self._found.get((name, True), ())

    def does_hook(self, hook_name: str, is_async: bool | None = None) -> bool:
        """Returns whether any adapter implements a hook; both kinds when `is_async` is None."""
        return self._does(hook_name, is_async)

    def does_method(self, method_name: str, is_async: bool | None = None) -> bool:
        """Returns whether any adapter implements a method; both kinds when `is_async` is None."""
        return self._does(method_name, is_async)

    def does_validation(self, validator_name: str) -> bool:
        """Returns whether any adapter implements a validator."""
        return self._does(validator_name, False)

    def _does(self, name: str, is_async: bool | None) -> bool:
        kinds = (False, True) if is_async is None else (is_async,)
        return any((name, kind) in self._found for kind in kinds)

    def call_all_lifecycle_hooks_sync(self, hook_name: str, **kwargs: Any) -> None:
        """Calls a synchronous hook of every adapter that has it, in order."""
        for hook in self.sync(hook_name):
            hook(**kwargs)

    async def call_all_lifecycle_hooks_sync_and_async(self, hook_name: str, **kwargs: Any) -> None:
        """Calls a hook of every adapter; the asynchronous ones run concurrently."""
        import asyncio

        self.call_all_lifecycle_hooks_sync(hook_name, **kwargs)
        await asyncio.gather(*(hook(**kwargs) for hook in self.asynchronous(hook_name)))

    def call_all_validators_sync(
        self, validator_name: str, **kwargs: Any
    ) -> list[tuple[bool, Any]]:
        """Returns what every validator answers, in order."""
        return [validate(**kwargs) for validate in self.sync(validator_name)]

    def call_lifecycle_method_sync(self, method_name: str, **kwargs: Any) -> Any:
        """Returns what the first adapter implementing a method answers.

        Raises:
            ValueError: No adapter implements it.
        """
        for method in self.sync(method_name):
            return method(**kwargs)
        raise ValueError(f"No adapter implements the method {method_name!r}.")


def _checked(adapters: Iterable[LifecycleAdapter]) -> tuple[LifecycleAdapter, ...]:
    found = tuple(adapters)
    for adapter in found:
        if not isinstance(adapter, LifecycleAdapter):
            raise ValueError(
                f"{adapter!r} is not an adapter: pass an instance of a class that derives from "
                "hamilton.lifecycle classes or hamilton.base.ResultMixin."
            )
    return found


def _implemented(adapter: LifecycleAdapter) -> list[tuple[str, bool]]:
    """Returns the points an adapter implements as ``(name, is asynchronous)``."""
    skipped = _unchanged_points(adapter)
    found = []
    for name, entries in lifecycle.classes.items():
        if name not in skipped and any(isinstance(adapter, cls) for cls, _ in entries):
            found.append((name, inspect.iscoroutinefunction(getattr(adapter, name))))
    return found


def _unchanged_points(adapter: LifecycleAdapter) -> Collection[str]:
    """Returns the points an adapter inherits but leaves at what the driver does anyway."""
    ask: Callable[[], Collection[str]] | None = getattr(adapter, "unchanged_points", None)
    return () if ask is None else ask()
