"""Running plans and programs in an event loop: nodes overlap as far as their inputs allow."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from hamilton._layout import as_items
from hamilton._loop import annotate_failure, call_node_async
from hamilton._plan import Plan, Step
from hamilton.lifecycle.base import LifecycleAdapterSet
from hamilton.node import NodeType

if TYPE_CHECKING:
    from hamilton.execution.blocks import Program, Repeat

__all__ = ["run_plan_async", "run_program_async"]

_NODE_POINTS = ("pre_node_execute", "post_node_execute", "do_node_execute")


def _asynchronous_adapters(adapters: LifecycleAdapterSet) -> LifecycleAdapterSet | None:
    return adapters if any(adapters._does(point, None) for point in _NODE_POINTS) else None


async def run_plan_async(
    plan: Plan,
    values: Mapping[str, Any],
    adapters: LifecycleAdapterSet,
    run_id: str,
    task_id: str | None = None,
) -> dict[str, Any]:
    """Computes a plan and returns its outputs by name.

    Plain functions whose inputs are there run at once; everything else becomes a task that waits
    for its inputs. When a node fails, the others are cancelled.
    """
    slots = plan.start(values)
    hooked = _asynchronous_adapters(adapters)
    pending: dict[int, asyncio.Task[Any]] = {}
    tasks = _Tasks()
    try:
        for step in plan.steps:
            waits = {s: pending[s] for s in step.slots if s in pending}
            arguments = {n: slots[s] for n, s in zip(step.names, step.slots, strict=True)}
            if waits or hooked is not None or step.node.is_async:
                pending[step.out] = tasks.start(
                    partial(_run_step, step, arguments, waits, hooked, run_id, task_id)
                )
            else:
                slots[step.out] = _call(step, arguments)
            for slot in step.drops:
                slots[slot] = None
                pending.pop(slot, None)
            del arguments, waits
        await tasks.all_ended()
    except BaseException:
        await tasks.cancel()
        raise
    for slot, task in pending.items():
        slots[slot] = task.result()
    return plan.results(slots)


class _Tasks:
    """The tasks of a run that have not ended well. Those that have are let go, with their values.

    They note their end themselves: a callback of the loop would come later than the next tasks.
    """

    def __init__(self) -> None:
        self._open: dict[int, asyncio.Task[Any]] = {}
        self._started = 0
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def start(self, work: Callable[[], Awaitable[Any]]) -> asyncio.Task[Any]:
        number = self._started = self._started + 1
        task = self._open[number] = asyncio.create_task(self._followed(number, work))
        return task

    async def _followed(self, number: int, work: Callable[[], Awaitable[Any]]) -> Any:
        try:
            result = await work()
        except asyncio.CancelledError:
            self._ended.cancel()
            raise
        except BaseException as error:
            if not self._ended.done():
                self._ended.set_exception(error)
            raise
        del self._open[number]
        if not self._open and not self._ended.done():
            self._ended.set_result(None)
        return result

    async def all_ended(self) -> None:
        """Returns when all have ended well, or raises as soon as one has not."""
        if self._open:
            await self._ended

    async def cancel(self) -> None:
        """Cancels what goes on, and waits for its end."""
        for task in self._open.values():
            task.cancel()
        await asyncio.gather(*self._open.values(), return_exceptions=True)
        if self._ended.done() and not self._ended.cancelled():
            self._ended.exception()  # what is raised may be the failure of something else


def _call(step: Step, arguments: dict[str, Any]) -> Any:
    try:
        result = step.node.callable(**arguments)
        return as_items(result) if step.node._role is NodeType.EXPAND else result
    except Exception as error:
        annotate_failure(error, step.node, arguments)
        raise


async def _run_step(
    step: Step,
    arguments: dict[str, Any],
    waits: Mapping[int, asyncio.Task[Any]],
    adapters: LifecycleAdapterSet | None,
    run_id: str,
    task_id: str | None,
) -> Any:
    for name, slot in zip(step.names, step.slots, strict=True):
        if slot in waits:
            arguments[name] = await waits[slot]
    try:
        if adapters is not None:
            return await call_node_async(adapters, step.node, run_id, task_id, arguments)
        result = step.node.callable(**arguments)
        if step.node.is_async:
            result = await result
        return as_items(result) if step.node._role is NodeType.EXPAND else result
    except Exception as error:
        annotate_failure(error, step.node, arguments)
        raise


async def run_program_async(
    program: Program,
    values: Mapping[str, Any],
    adapters: LifecycleAdapterSet,
    run_id: str,
    task_id: str | None = None,
) -> dict[str, Any]:
    """Computes a program with parallel blocks; the items of a block overlap."""
    env = dict(values)
    for segment in program.segments:
        work = segment.work
        if isinstance(work, Plan):
            env.update(await run_plan_async(work, env, adapters, run_id, task_id))
        else:
            env.update(await _repeat_async(work, env, adapters, run_id, task_id))
        for name in segment.drops:
            env.pop(name, None)
    return {name: env[name] for name in program.outputs}


async def _repeat_async(
    repeat: Repeat,
    env: dict[str, Any],
    adapters: LifecycleAdapterSet,
    run_id: str,
    task_id: str | None,
) -> dict[str, list[Any]]:
    from hamilton.execution.blocks import item_count, item_values

    if repeat.expander in env:
        env[repeat.expander] = as_items(env[repeat.expander])
    prefix = f"{task_id}." if task_id else ""
    items = [
        asyncio.create_task(
            run_program_async(
                repeat.body,
                item_values(repeat, env, index),
                adapters,
                run_id,
                f"{prefix}expand-{repeat.expander}.{index}.block-{repeat.expander}",
            )
        )
        for index in range(item_count(repeat, env))
    ]
    try:
        found = await asyncio.gather(*items)
    except BaseException:
        for item in items:
            item.cancel()
        await asyncio.gather(*items, return_exceptions=True)
        raise
    return {name: [result[name] for result in found] for name in repeat.exports}
