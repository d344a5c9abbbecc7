"""The executor that runs a request as tasks: event driven, each completion in constant time."""

from __future__ import annotations

import itertools
import queue
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from hamilton._executors import GraphExecutor
from hamilton._layout import as_items
from hamilton._request import Request
from hamilton.execution.blocks import Program, Repeat, item_count, item_values
from hamilton.execution.executors import (
    DefaultExecutionManager,
    ExecutionManager,
    MultiThreadingExecutor,
    SynchronousLocalTaskExecutor,
    TaskExecutor,
    TaskFuture,
    TaskState,
)
from hamilton.execution.grouping import (
    GroupByRepeatableBlocks,
    GroupingStrategy,
    NodeGroupPurpose,
)
from hamilton.execution.tasks import TaskImplementation
from hamilton.execution.units import Unit, compile_units
from hamilton.lifecycle.base import LifecycleAdapterSet
from hamilton.node import Node

__all__ = ["TaskBasedGraphExecutor", "task_based_executor"]

_POLL_S = 0.002
_TASK_HOOKS = (
    "pre_task_submission",
    "pre_task_execute",
    "post_task_execute",
    "post_task_return",
    "post_task_group",
)


class TaskBasedGraphExecutor(GraphExecutor):
    """Runs a request as tasks on executors; values are dropped after the last task needing them.

    Args:
        execution_manager: Says which executor runs which task.
        grouping_strategy: Says which nodes make a task.
        adapter: The adapters of the driver.
    """

    def __init__(
        self,
        execution_manager: ExecutionManager,
        grouping_strategy: GroupingStrategy,
        adapter: LifecycleAdapterSet,
    ) -> None:
        self.execution_manager = execution_manager
        self.grouping_strategy = grouping_strategy
        self.adapter = adapter

    def validate(self, nodes_to_execute: Sequence[Node]) -> None:
        """Accepts all nodes: blocks are checked when the request is compiled."""

    def execute(self, request: Request, values: Mapping[str, Any], run_id: str) -> dict[str, Any]:
        """Returns the requested values; inside a block these are lists over the items."""
        if request.compiled is None:
            told = any(self.adapter.does_hook(hook) for hook in _TASK_HOOKS)
            request.compiled = compile_units(request, self.grouping_strategy, inputs=told)
        units: list[Unit] = request.compiled
        if self.adapter.does_hook("post_task_group"):
            self.adapter.call_all_lifecycle_hooks_sync(
                "post_task_group", run_id=run_id, task_ids=[unit.base_id for unit in units]
            )
        env = {name: values[name] for name in request.available}
        overrides = {name: env[name] for name in request.overrides if name in env}
        self.execution_manager.init()
        try:
            run = _Run(self, units, env, overrides, request.outputs, run_id)
            run.to_the_end()
        finally:
            self.execution_manager.finalize()
        return {name: env[name] for name in request.outputs}


@dataclass(eq=False)
class _Spread:
    """The items of one repeated unit that are still to be started or to come back."""

    position: int
    started: int
    count: int
    returned: int
    gathered: dict[str, list[Any]]
    payload: dict[str, bytes]


@dataclass(eq=False)
class _Flight:
    """A task on its way."""

    task: TaskImplementation
    future: TaskFuture
    position: int
    spread: _Spread | None
    index: int


class _Run:
    """The state of one execution."""

    def __init__(
        self,
        executor: TaskBasedGraphExecutor,
        units: list[Unit],
        env: dict[str, Any],
        overrides: dict[str, Any],
        outputs: Sequence[str],
        run_id: str,
    ) -> None:
        self.manager = executor.execution_manager
        self.adapter = executor.adapter
        self.units = units
        self.env = env
        self.overrides = overrides
        self.run_id = run_id
        self.waiting = [len(unit.waits_for) for unit in units]
        self.users: dict[str, int] = dict.fromkeys(outputs, 1)
        for unit in units:
            for name in unit.takes:
                self.users[name] = self.users.get(name, 0) + 1
        self.ready = deque(i for i, n in enumerate(self.waiting) if n == 0)
        self.spreads: deque[_Spread] = deque()
        self.parked: deque[int] = deque()
        # Told by number: a future that held its own flight would live until the next sweep for
        # cycles, and with it the values of the task.
        self.flights: dict[int, _Flight] = {}
        self.numbers = itertools.count()
        self.done: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.polled: list[_Flight] = []
        self.flying = 0
        self.watched = any(
            self.adapter.does_hook(h) for h in ("pre_task_submission", "post_task_return")
        )

    def to_the_end(self) -> None:
        """Starts what is ready and takes in what has ended, until nothing is left."""
        while True:
            self._start_ready()
            if not self.flying:
                if self.ready or self.spreads or self.parked:
                    continue
                return
            self._take_in(self._next_flight())

    def _start_ready(self) -> None:
        while self.ready:
            position = self.ready.popleft()
            unit = self.units[position]
            if isinstance(unit.work, Repeat):
                self._open(position, unit.work)
            else:
                self.parked.append(position)
        for _ in range(len(self.parked)):
            position = self.parked.popleft()
            if not self._start(position, None, 0):
                self.parked.append(position)
        for _ in range(len(self.spreads)):
            spread = self.spreads.popleft()
            if self._start_items(spread):
                self.spreads.append(spread)

    def _open(self, position: int, repeat: Repeat) -> None:
        env = self.env
        if repeat.expander in env:
            env[repeat.expander] = as_items(env[repeat.expander])
        count = item_count(repeat, env)
        gathered: dict[str, list[Any]] = {name: [None] * count for name in repeat.exports}
        if not count:
            self._finish(position, gathered)
            return
        self.spreads.append(_Spread(position, 0, count, 0, gathered, {}))

    def _start_items(self, spread: _Spread) -> bool:
        """Starts items of a block; returns whether some are left for later."""
        while spread.started < spread.count:
            if not self._start(spread.position, spread, spread.started):
                return True
            spread.started += 1
        return False

    def _start(self, position: int, spread: _Spread | None, index: int) -> bool:
        """Starts a task unless its executor is busy; returns whether it did."""
        unit = self.units[position]
        task = self._task(unit, spread, index)
        executor = self.manager.get_executor_for_task(task)
        if not executor.can_submit_task():
            return False
        if self.watched:
            self.adapter.call_all_lifecycle_hooks_sync(
                "pre_task_submission",
                run_id=self.run_id,
                task_id=task.task_id,
                nodes=task.nodes,
                inputs=task.dynamic_inputs,
                overrides=task.overrides,
                spawning_task_id=task.spawning_task_id,
                purpose=task.purpose,
            )
        future = executor.submit_task(task)
        flight = _Flight(task, future, position, spread, index)
        state = future.get_state()
        if TaskState.is_terminal(state):
            del task, future
            self._take_in(flight)
            return True
        self.flying += 1
        number = next(self.numbers)
        self.flights[number] = flight
        if not future.when_done(partial(self.done.put, number)):
            self.polled.append(self.flights.pop(number))
        return True

    def _task(self, unit: Unit, spread: _Spread | None, index: int) -> TaskImplementation:
        if spread is not None and isinstance(unit.work, Repeat):
            inputs = item_values(unit.work, self.env, index)
            task_id = f"{unit.spawned_by}.{index}.{unit.base_id}"
            program, payload = unit.work.body, spread.payload
        elif isinstance(unit.work, Program):
            inputs = {name: self.env[name] for name in unit.takes}
            task_id, program, payload = unit.base_id, unit.work, {}
        else:
            raise AssertionError("a repetition is started item by item")
        return TaskImplementation(
            task_id,
            unit.base_id,
            self.run_id,
            unit.nodes,
            unit.purpose,
            program,
            inputs,
            {n: inputs[n] for n in self.overrides if n in inputs} if self.overrides else {},
            unit.gives,
            unit.spawned_by,
            self.adapter,
            payload,
        )

    def _next_flight(self) -> _Flight:
        while True:
            flight = self._polled_flight() if self.polled else None
            if flight is None:
                try:
                    number = self.done.get(timeout=_POLL_S if self.polled else None)
                except queue.Empty:
                    continue
                flight = self.flights.pop(number)
            self.flying -= 1
            return flight

    def _polled_flight(self) -> _Flight | None:
        for flight in self.polled:
            if TaskState.is_terminal(flight.future.get_state()):
                self.polled.remove(flight)
                return flight
        return None

    def _take_in(self, flight: _Flight) -> None:
        result: dict[str, Any] | None = None
        failure: BaseException | None = None
        try:
            result = flight.future.get_result()
            if flight.future.get_state() is TaskState.FAILED:
                raise (
                    result
                    if isinstance(result, BaseException)
                    else RuntimeError(
                        f"Task {flight.task.task_id!r} failed; its executor says: {result!r}."
                    )
                )
        except BaseException as error:
            failure = error
            raise
        finally:
            if self.watched:
                self._tell_returned(flight.task, result, failure)
        unit = self.units[flight.position]
        spread = flight.spread
        if spread is None:
            if unit.purpose is NodeGroupPurpose.EXPAND_UNORDERED:
                self._tell_expanded(unit, result)
            self._finish(flight.position, result)
            return
        for name, values in spread.gathered.items():
            values[flight.index] = result[name]
        spread.returned += 1
        if spread.returned == spread.count:
            self._finish(flight.position, spread.gathered)

    def _tell_returned(
        self, task: TaskImplementation, result: Any, failure: BaseException | None
    ) -> None:
        self.adapter.call_all_lifecycle_hooks_sync(
            "post_task_return",
            run_id=self.run_id,
            task_id=task.task_id,
            nodes=task.nodes,
            result=result,
            success=failure is None,
            error=failure,
            spawning_task_id=task.spawning_task_id,
            purpose=task.purpose,
        )

    def _tell_expanded(self, unit: Unit, result: Mapping[str, Any]) -> None:
        name = unit.nodes[0].name
        if not self.adapter.does_hook("post_task_expand") or name not in result:
            return
        parameters = {
            f"{unit.base_id}.{i}.block-{name}": item for i, item in enumerate(result[name])
        }
        self.adapter.call_all_lifecycle_hooks_sync(
            "post_task_expand", run_id=self.run_id, task_id=unit.base_id, parameters=parameters
        )

    def _finish(self, position: int, result: Mapping[str, Any]) -> None:
        unit, env = self.units[position], self.env
        env.update(result)
        for name in unit.takes:
            self.users[name] -= 1
            if not self.users[name]:
                env.pop(name, None)
        for other in unit.wakes:
            self.waiting[other] -= 1
            if not self.waiting[other]:
                self.ready.append(other)


def task_based_executor(
    adapters: LifecycleAdapterSet,
    execution_manager: ExecutionManager | None,
    local_executor: TaskExecutor | None,
    remote_executor: TaskExecutor | None,
    grouping_strategy: GroupingStrategy | None,
) -> TaskBasedGraphExecutor:
    """Returns the executor a builder asks for: threads for blocks unless told otherwise."""
    manager = execution_manager or DefaultExecutionManager(
        local_executor or SynchronousLocalTaskExecutor(),
        remote_executor or MultiThreadingExecutor(max_tasks=10),
    )
    return TaskBasedGraphExecutor(manager, grouping_strategy or GroupByRepeatableBlocks(), adapters)
