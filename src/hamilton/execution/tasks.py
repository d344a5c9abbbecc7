"""Tasks: some nodes with the values they start from, and how they travel to other processes."""

from __future__ import annotations

import hashlib
import pickle
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING, Any

from hamilton.errors import TaskError
from hamilton.execution.blocks import Program
from hamilton.lifecycle.base import LifecycleAdapterSet
from hamilton.node import Node

if TYPE_CHECKING:
    from hamilton.execution.grouping import NodeGroupPurpose

__all__ = [
    "PackedTask",
    "TaskImplementation",
    "base_execute_task",
    "dumps",
    "pack_task",
    "run_in_process",
    "run_packed",
]


@dataclass(slots=True, eq=False)
class TaskImplementation:
    """One task, ready to run.

    Attributes:
        task_id: Unique in the run.
        base_id: The group it was made of.
        run_id: The run.
        nodes: What is computed.
        purpose: What the task is for.
        program: Computes the nodes.
        dynamic_inputs: Values it starts from, by name.
        overrides: Those among them that replace nodes.
        outputs_to_compute: Names to return.
        spawning_task_id: For repeated tasks, the task that listed the items.
        adapter: Adapters to involve where the task runs.
    """

    task_id: str
    base_id: str
    run_id: str
    nodes: list[Node]
    purpose: NodeGroupPurpose
    program: Program
    dynamic_inputs: dict[str, Any]
    overrides: dict[str, Any]
    outputs_to_compute: Sequence[str]
    spawning_task_id: str | None
    adapter: LifecycleAdapterSet
    shared_payload: dict[str, bytes] = field(default_factory=dict, repr=False)


def base_execute_task(task: TaskImplementation) -> dict[str, Any]:
    """Runs a task and returns its outputs by name; the function a remote executor ships."""
    adapters = task.adapter
    if not adapters.does_hook("pre_task_execute") and not adapters.does_hook("post_task_execute"):
        return _run(task)
    adapters.call_all_lifecycle_hooks_sync(
        "pre_task_execute",
        run_id=task.run_id,
        task_id=task.task_id,
        nodes=task.nodes,
        inputs=task.dynamic_inputs,
        overrides=task.overrides,
        spawning_task_id=task.spawning_task_id,
        purpose=task.purpose,
    )
    results: dict[str, Any] | None = None
    failure: BaseException | None = None
    try:
        results = _run(task)
    except BaseException as error:
        failure = error
        raise
    finally:
        adapters.call_all_lifecycle_hooks_sync(
            "post_task_execute",
            run_id=task.run_id,
            task_id=task.task_id,
            nodes=task.nodes,
            results=results,
            success=failure is None,
            error=failure,
            spawning_task_id=task.spawning_task_id,
            purpose=task.purpose,
        )
    return results


def _run(task: TaskImplementation) -> dict[str, Any]:
    hooked = task.adapter if task.adapter.joins_nodes else None
    return task.program.run(task.dynamic_inputs, hooked, task.run_id, task.task_id)


@dataclass(frozen=True, slots=True)
class PackedTask:
    """A task as bytes: what all items of a block share, and what is this item's own."""

    digest: str
    shared: bytes
    own: bytes


_unpacked: dict[str, tuple[Any, ...]] = {}
_MOST_UNPACKED = 64


_UNPICKLABLE = (pickle.PicklingError, TypeError, AttributeError)


def pack_task(task: TaskImplementation) -> PackedTask:
    """Returns a task as bytes; the shared part is pickled once for all items of a block.

    Raises:
        TypeError: A value, function or adapter cannot be pickled; the message says which.
    """
    payload = task.shared_payload
    if "shared" not in payload:
        parts = (task.nodes, task.program, task.adapter.adapters)
        shared = _pickled_shared(parts, task)
        payload["shared"] = shared
        payload["digest"] = hashlib.sha256(shared).hexdigest().encode()
    own = (
        task.task_id,
        task.base_id,
        task.run_id,
        task.purpose,
        task.dynamic_inputs,
        list(task.overrides),
        tuple(task.outputs_to_compute),
        task.spawning_task_id,
    )
    try:
        data = dumps(own)
    except _UNPICKLABLE as error:
        raise TypeError(_blame(task.dynamic_inputs, "input", task.task_id, error)) from error
    return PackedTask(payload["digest"].decode(), payload["shared"], data)


def _pickled_shared(parts: tuple[Any, ...], task: TaskImplementation) -> bytes:
    try:
        with _memory_modules_by_value(task.nodes):
            return dumps(parts)
    except _UNPICKLABLE as error:
        things: dict[str, Any] = {f"node {n.name!r}": n for n in task.nodes}
        things.update({f"adapter {type(a).__name__}": a for a in task.adapter.adapters})
        raise TypeError(_blame(things, "part", task.task_id, error)) from error


def _blame(things: Mapping[str, Any], kind: str, task_id: str, error: Exception) -> str:
    """Returns a message that names the things which cannot be pickled."""
    guilty = []
    for name, thing in things.items():
        try:
            dumps(thing)
        except _UNPICKLABLE:
            guilty.append(f"{name} (a {type(thing).__name__})")
    return (
        f"Task {task_id!r} cannot be sent to another process: {kind} "
        f"{', '.join(guilty) or 'unknown'} cannot be pickled ({error}). Use something it can be "
        "made from instead, or MultiThreadingExecutor."
    )


def dumps(thing: Any) -> bytes:
    """Returns a value as bytes, with cloudpickle when it is installed."""
    try:
        import cloudpickle
    except ImportError:
        return pickle.dumps(thing)
    data: bytes = cloudpickle.dumps(thing)
    return data


@contextmanager
def _memory_modules_by_value(nodes: Sequence[Node]) -> Iterator[None]:
    """Has functions of modules made in memory travel whole: a worker cannot import those."""
    import sys

    try:
        import cloudpickle
    except ImportError:
        yield
        return
    names = {f.__module__ for node in nodes for f in node.originating_functions or ()}
    modules: list[ModuleType] = [
        sys.modules[n]
        for n in names
        if n in sys.modules and n != "__main__" and sys.modules[n].__spec__ is None
    ]
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)


def run_packed(packed: PackedTask) -> dict[str, Any]:
    """Runs a packed task; the shared part is unpickled once per process."""
    parts = _unpacked.get(packed.digest)
    if parts is None:
        if len(_unpacked) >= _MOST_UNPACKED:
            _unpacked.clear()
        parts = _unpacked[packed.digest] = pickle.loads(packed.shared)
    nodes, program, adapters = parts
    task_id, base_id, run_id, purpose, inputs, overrides, outputs, spawning = pickle.loads(
        packed.own
    )
    return base_execute_task(
        TaskImplementation(
            task_id,
            base_id,
            run_id,
            nodes,
            purpose,
            program,
            inputs,
            {name: inputs[name] for name in overrides},
            outputs,
            spawning,
            LifecycleAdapterSet(*adapters),
        )
    )


def run_in_process(packed: PackedTask) -> bytes:
    """Runs a packed task; returns its outputs as bytes, so that trouble with them has a name.

    Raises:
        TypeError: An output cannot be pickled; the message says which.
        TaskError: A node failed with an exception that cannot be pickled in any way.
        Exception: What a node raised.
    """
    failed: tuple[Exception, str] | None = None
    try:
        outputs = run_packed(packed)
    except Exception as error:
        if _travels(error):
            raise
        failed = _carrier_of(error), "".join(traceback.format_exception(error))
    if failed is not None:
        # Its cause is told as text: where tblib is at work, causes and contexts travel too, and
        # this one cannot.
        raise failed[0] from RuntimeError(failed[1])
    try:
        return pickle.dumps(outputs, protocol=5)
    except _UNPICKLABLE:
        pass
    try:
        return dumps(outputs)
    except _UNPICKLABLE as error:
        raise TypeError(_blame(outputs, "output", pickle.loads(packed.own)[0], error)) from error


def _travels(thing: Any) -> bool:
    """Returns whether something comes out of pickling as what it was."""
    try:
        return type(pickle.loads(pickle.dumps(thing))) is type(thing)
    except Exception:  # noqa: BLE001 - what an exception's class does to be unpickled may fail anyhow
        return False


class _Carrier(Exception):
    """Takes the place of an exception on its way; what arrives is the exception."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (type(self.error), self.error.args, self.error.__dict__)


def _restored(cls: type[Exception], args: tuple[Any, ...], state: dict[str, Any]) -> Exception:
    # Without the constructor: its parameters need not be those in `args`.
    error = cls.__new__(cls)
    error.args = args
    error.__dict__.update(state)
    return error


def _carrier_of(error: Exception) -> Exception:
    """Returns an exception that travels and tells all that can be told of `error`."""
    carrier = _Carrier(error)
    try:
        pickle.loads(pickle.dumps(carrier))
    except Exception:  # noqa: BLE001 - as above
        notes = " ".join(getattr(error, "__notes__", ()))
        return TaskError(
            f"A task failed with {type(error).__qualname__}: {error}. {notes} The exception itself "
            "cannot be sent from one process to another.",
            node=getattr(error, "__dataflow_node__", None),
        )
    return carrier
