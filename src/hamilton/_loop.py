"""Running a plan: the bare loop, and the loop with adapters at the nodes.

Which one runs is decided once per driver: a run pays for extension points only
when an adapter implements them. Neither recurses, so graphs may be of any depth.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from hamilton._layout import BY_KEYWORD, DROP, MANY, ONE, TWO, as_items
from hamilton._plan import Plan, Step
from hamilton.errors import short_repr, where
from hamilton.lifecycle.base import LifecycleAdapterSet
from hamilton.node import Node, NodeType

if TYPE_CHECKING:
    from hamilton._straight import StraightLine

__all__ = ["annotate_failure", "call_node", "call_node_async", "run_plan"]

logger = logging.getLogger("hamilton.execution")

_TOTAL_INPUT_TEXT = 1000
# Writing a plan out costs about as much as 30 runs of the loop save.
_RUNS_BEFORE_STRAIGHT = 12
_LONGEST_STRAIGHT = 20_000


def run_plan(
    plan: Plan,
    values: Mapping[str, Any],
    adapters: LifecycleAdapterSet | None = None,
    run_id: str = "",
    task_id: str | None = None,
) -> dict[str, Any]:
    """Computes a plan and returns its outputs by name.

    Args:
        plan: What to run.
        values: The values the plan starts from, by name.
        adapters: The adapters to involve at each node; None runs the bare loop.
        run_id: Passed to the adapters.
        task_id: Passed to the adapters; None outside task-based runs.
    """
    if adapters is None:
        if plan.straight is not None:
            return _run_straight(plan, plan.straight, values)
        slots = plan.start(values)
        _run_bare(plan, slots)
        _count_run(plan)
    else:
        slots = plan.start(values)
        _run_hooked(plan, slots, adapters, run_id, task_id)
    return plan.results(slots)


def _count_run(plan: Plan) -> None:
    """Counts a run of the bare loop; a plan that runs often is written out as one function."""
    plan.runs += 1
    if plan.runs >= _RUNS_BEFORE_STRAIGHT and len(plan) <= _LONGEST_STRAIGHT:
        from hamilton._straight import StraightLine

        plan.straight = StraightLine(plan)


def _run_straight(plan: Plan, straight: StraightLine, values: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return straight.run(values)
    except Exception as error:
        failed = straight.failed_step(error.__traceback__)
        if failed is not None:
            step, arguments = failed
            annotate_failure(error, step.node, arguments)
        raise


def _run_bare(plan: Plan, slots: list[Any]) -> None:
    out = -1
    try:
        for kind, function, a, b, out in plan.operations:
            if kind == ONE:
                slots[out] = function(slots[a])
            elif kind == TWO:
                slots[out] = function(slots[a], slots[b])
            elif kind == MANY:
                slots[out] = function(*a(slots))
            elif kind == DROP:
                for slot in b:
                    slots[slot] = None
            elif kind == BY_KEYWORD:
                slots[out] = function(**{n: slots[s] for n, s in zip(a, b)})  # noqa: B905
            else:
                slots[out] = function()
    except Exception as error:
        step = next(s for s in plan.steps if s.out == out)
        annotate_failure(error, step.node, _arguments(step, slots))
        raise


def _arguments(step: Step, slots: Sequence[Any]) -> dict[str, Any]:
    return {n: slots[s] for n, s in zip(step.names, step.slots, strict=True)}


def _run_hooked(
    plan: Plan, slots: list[Any], adapters: LifecycleAdapterSet, run_id: str, task_id: str | None
) -> None:
    remote = adapters.sync("do_remote_execute")
    for step in plan.steps:
        node, kwargs = step.node, _arguments(step, slots)
        try:
            if remote:
                lifecycle = partial(call_node, adapters, node, run_id, task_id)
                slots[step.out] = remote[0](
                    node=node, execute_lifecycle_for_node=lifecycle, **kwargs
                )
            else:
                slots[step.out] = call_node(adapters, node, run_id, task_id, **kwargs)
        except Exception as error:
            annotate_failure(error, node, kwargs)
            raise
        del kwargs
        for slot in step.drops:
            slots[slot] = None


def call_node(
    adapters: LifecycleAdapterSet,
    node: Node,
    run_id: str,
    task_id: str | None,
    /,
    **kwargs: Any,
) -> Any:
    """Runs one node between its hooks, through every adapter that replaces its execution."""
    for hook in adapters.sync("pre_node_execute"):
        hook(run_id=run_id, node_=node, kwargs=kwargs, task_id=task_id)
    failure: Exception | None = None
    result: Any = None
    try:
        methods = adapters.sync("do_node_execute")
        if methods:
            result = _wrapped(methods, node, run_id, task_id, kwargs)
        else:
            result = node.callable(**kwargs)
        if node._role is NodeType.EXPAND:
            result = as_items(result)
    except Exception as error:
        failure = error
        raise
    finally:
        for hook in adapters.sync("post_node_execute"):
            hook(
                run_id=run_id,
                node_=node,
                kwargs=kwargs,
                success=failure is None,
                error=failure,
                result=result,
                task_id=task_id,
            )
    return result


def _wrapped(
    methods: Sequence[Callable[..., Any]],
    node: Node,
    run_id: str,
    task_id: str | None,
    kwargs: dict[str, Any],
) -> Any:
    """Calls the first method; each receives the next one as its node's callable."""
    inner = node
    if len(methods) > 1:
        call = _call_method_async if node.is_async else _call_method
        for method in methods[:0:-1]:
            inner = node.copy_with(callabl=partial(call, method, inner, run_id, task_id))
    return methods[0](run_id=run_id, node_=inner, kwargs=kwargs, task_id=task_id)


def _call_method(
    method: Callable[..., Any], node: Node, run_id: str, task_id: str | None, /, **kwargs: Any
) -> Any:
    return method(run_id=run_id, node_=node, kwargs=kwargs, task_id=task_id)


async def _call_method_async(
    method: Callable[..., Any], node: Node, run_id: str, task_id: str | None, /, **kwargs: Any
) -> Any:
    result = method(run_id=run_id, node_=node, kwargs=kwargs, task_id=task_id)
    return await result if inspect.isawaitable(result) else result


async def call_node_async(
    adapters: LifecycleAdapterSet,
    node: Node,
    run_id: str,
    task_id: str | None,
    kwargs: dict[str, Any],
) -> Any:
    """Like `call_node`, with asynchronous functions, hooks and methods as well."""
    await adapters.call_all_lifecycle_hooks_sync_and_async(
        "pre_node_execute", run_id=run_id, node_=node, kwargs=kwargs, task_id=task_id
    )
    failure: Exception | None = None
    result: Any = None
    try:
        methods = (*adapters.sync("do_node_execute"), *adapters.asynchronous("do_node_execute"))
        if methods:
            result = _wrapped(methods, node, run_id, task_id, kwargs)
        else:
            result = node.callable(**kwargs)
        if inspect.isawaitable(result):
            result = await result
        if node._role is NodeType.EXPAND:
            result = as_items(result)
    except Exception as error:
        failure = error
        raise
    finally:
        await adapters.call_all_lifecycle_hooks_sync_and_async(
            "post_node_execute",
            run_id=run_id,
            node_=node,
            kwargs=kwargs,
            success=failure is None,
            error=failure,
            result=result,
            task_id=task_id,
        )
    return result


def annotate_failure(error: BaseException, node: Node, kwargs: Mapping[str, Any]) -> None:
    """Notes on an exception, once, in which node, function and with which inputs it arose."""
    if getattr(error, "__dataflow_node__", None) is not None:
        return
    text = ", ".join(f"{name}={short_repr(value)}" for name, value in kwargs.items())
    if len(text) > _TOTAL_INPUT_TEXT:
        text = text[:_TOTAL_INPUT_TEXT] + "..."
    note = (
        f"In node {node.name!r}, function {where(node.function)}, "
        f"module {node.tags.get('module', 'unknown')}, with inputs: {text or 'none'}"
    )
    try:
        error.__dataflow_node__ = node.name  # type: ignore[attr-defined]
    except AttributeError:
        if note in getattr(error, "__notes__", ()):
            return
    error.add_note(note)
    logger.error("%s: %s. %s", type(error).__name__, error, note)
