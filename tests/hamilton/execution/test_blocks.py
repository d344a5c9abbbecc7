"""Parallel blocks on every executor: values, order, nesting, overrides, failures."""

import copyreg
import threading

import pytest

from hamilton import driver
from hamilton.errors import BlockError, InvalidExecutorException, TaskError
from hamilton.execution import grouping
from hamilton.execution.executors import (
    DefaultExecutionManager,
    ExecutionManager,
    MultiProcessingExecutor,
    MultiThreadingExecutor,
    SynchronousLocalTaskExecutor,
    TaskExecutor,
    TaskFuture,
    TaskState,
    base_execute_task,
)

TEXT = """
from hamilton.function_modifiers import extract_fields
from hamilton.htypes import Collect, Parallelizable

def it(n: int) -> Parallelizable[int]:
    yield from range(n)

def w(it: int, k: int) -> int:
    return it * k

def v(it: int, w: int) -> int:
    return it + w

def c(w: Collect[int]) -> int:
    return sum(w)

def d(v: Collect[int], w: Collect[int]) -> int:
    return sum(v) - sum(w)

def after(v: int, c: int) -> int:
    return v + c

def afters(after: Collect[int]) -> list:
    return list(after)

def sub(w: int) -> Parallelizable[int]:
    return list(range(w + 1))

def inner(sub: int, it: int) -> int:
    return sub * 10 + it

def inners(inner: Collect[int]) -> int:
    return sum(inner)

def total(inners: Collect[int]) -> int:
    return sum(inners)

def both(w: Collect[int]) -> Parallelizable[int]:
    return [x + 1 for x in w]

def again(both: int) -> int:
    return both * 2

def second(again: Collect[int]) -> int:
    return sum(again)

def direct(it: Collect[int]) -> list:
    return list(it)

@extract_fields({"field": int})
def fields(it: int) -> dict:
    return {"field": it}

def gathered(field: Collect[int]) -> int:
    return sum(field)
"""
EXPECTED = {
    "c": 6,
    "d": 3,
    "afters": [6, 9, 12],
    "total": 143,
    "second": 18,
    "direct": [0, 1, 2],
    "gathered": 3,
    "w": [0, 2, 4],
    "inner": [[0], [1, 11, 21], [2, 12, 22, 32, 42]],
    "it": [0, 1, 2],
}
INPUTS = {"n": 3, "k": 2}


@pytest.fixture
def blocks(source_module):
    module = source_module(TEXT)

    def make(executor=None, **options):
        builder = driver.Builder().with_modules(module).enable_dynamic_execution()
        return builder.with_remote_executor(executor or SynchronousLocalTaskExecutor()).build()

    return make


@pytest.mark.parametrize(
    "executor",
    [SynchronousLocalTaskExecutor(), MultiThreadingExecutor(4)],
    ids=["synchronous", "threads"],
)
@pytest.mark.parametrize("name", list(EXPECTED))
def test_each_value_alone(blocks, executor, name):
    assert blocks(executor).execute([name], inputs=INPUTS) == {name: EXPECTED[name]}


@pytest.mark.slow
def test_everything_at_once_in_processes(blocks):
    assert blocks(MultiProcessingExecutor(2)).execute(list(EXPECTED), inputs=INPUTS) == EXPECTED


def test_everything_at_once_in_threads(blocks):
    assert blocks(MultiThreadingExecutor(4)).execute(list(EXPECTED), inputs=INPUTS) == EXPECTED


def test_empty_expansion_collects_nothing(blocks):
    result = blocks().execute(["c", "afters", "w", "total"], inputs={"n": 0, "k": 1})
    assert result == {"c": 0, "afters": [], "w": [], "total": 0}


def test_override_of_the_expanding_node_is_expanded(blocks):
    result = blocks().execute(["c", "d"], inputs=INPUTS, overrides={"it": [5, 6]})
    assert result == {"c": 22, "d": 11}


def test_override_inside_a_block_is_one_value_per_item(blocks):
    dr = blocks()
    assert dr.execute(["c"], inputs=INPUTS, overrides={"w": [1, 2, 3]}) == {"c": 6}
    assert dr.execute(["d"], inputs=INPUTS, overrides={"w": [1, 2, 3]}) == {"d": 3}
    with pytest.raises(BlockError, match="lengths differ"):
        dr.execute(["d"], inputs=INPUTS, overrides={"w": [1, 2]})
    with pytest.raises(BlockError, match="one element per item"):
        dr.execute(["d"], inputs=INPUTS, overrides={"w": 5})


def test_results_come_in_item_order_whatever_finishes_first(source_module):
    module = source_module(
        """
import copyreg
import threading
from hamilton.htypes import Collect, Parallelizable

gate = threading.Event()

def it() -> Parallelizable[int]:
    return [0, 1]

def w(it: int) -> int:
    if it == 0:
        assert gate.wait(5)
    else:
        gate.set()
    return it

def c(w: Collect[int]) -> list:
    return list(w)
"""
    )
    dr = driver.Builder().with_modules(module).enable_dynamic_execution().build()
    assert dr.execute(["c"]) == {"c": [0, 1]}


def test_default_executor_refuses_blocks(build):
    with pytest.raises(
        InvalidExecutorException, match="Default graph executor cannot handle parallelizable"
    ):
        build(TEXT).execute(["c"], inputs=INPUTS)
    assert driver.InvalidExecutorException is InvalidExecutorException


def test_failing_item_stops_the_rest_and_keeps_its_error(source_module):
    module = source_module(
        """
from hamilton.htypes import Collect, Parallelizable

ran = []

def it() -> Parallelizable[int]:
    return list(range(1000))

def w(it: int) -> int:
    ran.append(it)
    if it == 3:
        raise KeyError(it)
    return it

def c(w: Collect[int]) -> list:
    return list(w)
"""
    )
    builder = driver.Builder().with_modules(module).enable_dynamic_execution()
    with pytest.raises(KeyError) as error:
        builder.with_remote_executor(MultiThreadingExecutor(2)).build().execute(["c"])
    assert "In node 'w'" in error.value.__notes__[0]
    assert "it=3" in error.value.__notes__[0]
    assert len(module.ran) < 100


def test_thousands_of_items_wait_for_a_busy_executor(source_module):
    module = source_module(
        """
from hamilton.htypes import Collect, Parallelizable

def it() -> Parallelizable[int]:
    return list(range(3000))

def w(it: int) -> int:
    return it

def c(w: Collect[int]) -> int:
    return sum(w)
"""
    )
    builder = driver.Builder().with_modules(module).enable_dynamic_execution()
    dr = builder.with_remote_executor(MultiThreadingExecutor(1)).build()
    assert dr.execute(["c"]) == {"c": sum(range(3000))}


@pytest.mark.parametrize(
    "text",
    [
        "def c(w: Collect[int]) -> int:\n    return 1\n\ndef w() -> int:\n    return 1\n",
        (
            "def p() -> Parallelizable[int]:\n    return [1]\n\n"
            "def q() -> Parallelizable[int]:\n    return [1]\n\n"
            "def c(p: int, q: int) -> int:\n    return 1\n"
        ),
        (
            "def p() -> Parallelizable[int]:\n    return [1]\n\n"
            "def w(p: int) -> int:\n    return 1\n\n"
            "def c(p: int, w: Collect[int]) -> int:\n    return 1\n"
        ),
    ],
    ids=["collect outside", "two blocks", "own block"],
)
def test_blocks_that_make_no_sense_are_explained(source_module, text):
    module = source_module("from hamilton.htypes import Collect, Parallelizable\n\n" + text)
    dr = driver.Builder().with_modules(module).enable_dynamic_execution().build()
    with pytest.raises(BlockError):
        dr.execute(["c"])


@pytest.mark.parametrize(
    "strategy",
    [
        grouping.GroupNodesIndividually(),
        grouping.GroupNodesAllAsOne(),
        grouping.GroupNodesByLevel(),
        grouping.GroupByRepeatableBlocks(),
    ],
    ids=lambda s: type(s).__name__,
)
def test_grouping_strategies_give_the_same_values(source_module, strategy):
    module = source_module(
        "def a(x: int) -> int:\n    return x\n\ndef b(a: int) -> int:\n    return a + 1\n\n"
        "def c(a: int, b: int) -> int:\n    return a + b\n"
    )
    builder = driver.Builder().with_modules(module).enable_dynamic_execution()
    dr = builder.with_grouping_strategy(strategy).build()
    assert dr.execute(["c", "a"], inputs={"x": 1}) == {"c": 3, "a": 1}


def test_groups_that_need_each_other_are_refused(source_module):
    class Crossed(grouping.GroupingStrategy):
        def group_nodes(self, nodes):
            by_name = {node.name: node for node in nodes}
            return [
                grouping.NodeGroup(
                    base_id,
                    None,
                    [by_name[n] for n in names],
                    grouping.NodeGroupPurpose.EXECUTE_SINGLE,
                )
                for base_id, names in {"ends": "ac", "middle": "b"}.items()
            ]

    module = source_module(
        "def a() -> int:\n    return 1\n\ndef b(a: int) -> int:\n    return a\n\n"
        "def c(b: int) -> int:\n    return b\n"
    )
    builder = driver.Builder().with_modules(module).enable_dynamic_execution()
    dr = builder.with_grouping_strategy(Crossed()).build()
    with pytest.raises(BlockError, match=r"\['ends', 'middle'\] of Crossed need each other"):
        dr.execute(["c"])


def test_group_ids(source_module):
    dr = driver.Builder().with_modules(source_module(TEXT)).enable_dynamic_execution().build()
    names = ["it", "w", "c"]
    nodes = [dr.graph.nodes[n] for n in names]
    groups = grouping.GroupByRepeatableBlocks().group_nodes(nodes)
    assert [(g.base_id, g.purpose.name, g.spawning_task_base_id) for g in groups] == [
        ("expand-it", "EXPAND_UNORDERED", None),
        ("block-it", "EXECUTE_BLOCK", "expand-it"),
        ("collect-c", "GATHER", None),
    ]
    assert [g.base_id for g in grouping.GroupNodesAllAsOne().group_nodes(nodes)] == ["root"]
    levels = grouping.GroupNodesByLevel().group_nodes(nodes)
    assert [g.base_id for g in levels] == ["level_0", "level_1", "level_2"]


class Polled(TaskFuture):
    def __init__(self, task):
        self.result = None
        self.thread = threading.Thread(target=self.work, args=(task,))
        self.thread.start()

    def work(self, task):
        self.result = base_execute_task(task)

    def get_state(self):
        return TaskState.RUNNING if self.thread.is_alive() else TaskState.SUCCESSFUL

    def get_result(self):
        self.thread.join()
        return self.result


class OwnExecutor(TaskExecutor):
    def __init__(self):
        self.tasks = []
        self.calls = []

    def init(self):
        self.calls.append("init")

    def finalize(self):
        self.calls.append("finalize")

    def can_submit_task(self):
        return True

    def submit_task(self, task):
        self.tasks.append((task.task_id, task.purpose.name))
        return Polled(task)


def test_own_executor_and_manager(source_module):
    executor = OwnExecutor()

    class Manager(ExecutionManager):
        def get_executor_for_task(self, task):
            return executor

    dr = (
        driver.Builder()
        .with_modules(source_module(TEXT))
        .enable_dynamic_execution()
        .with_execution_manager(Manager([executor]))
        .build()
    )
    assert dr.execute(["c"], inputs=INPUTS) == {"c": 6}
    assert executor.calls == ["init", "finalize"]
    assert ("expand-it.2.block-it", "EXECUTE_BLOCK") in executor.tasks


def test_default_manager_sends_blocks_to_the_remote_executor():
    local, remote = SynchronousLocalTaskExecutor(), OwnExecutor()
    manager = DefaultExecutionManager(local, remote)
    assert manager.executors == [local, remote]
    assert isinstance(DefaultExecutionManager().remote_executor, MultiProcessingExecutor)


def test_pool_must_be_made_once():
    executor = MultiThreadingExecutor(1)
    with pytest.raises(RuntimeError, match="finalize"):
        executor.finalize()
    executor.init()
    with pytest.raises(RuntimeError, match="init"):
        executor.init()
    executor.finalize()
    with pytest.raises(ValueError, match="at least 1"):
        MultiThreadingExecutor(0)


@pytest.mark.slow
def test_decorated_and_local_functions_run_in_processes(blocks):
    result = blocks(MultiProcessingExecutor(2)).execute(["gathered"], inputs=INPUTS)
    assert result == {"gathered": 3}


@pytest.mark.slow
def test_unpicklable_input_is_named(source_module):
    module = source_module(
        """
from hamilton.htypes import Collect, Parallelizable

def it() -> Parallelizable[int]:
    return [1]

def w(it: int, lock: object) -> int:
    return it

def c(w: Collect[int]) -> int:
    return sum(w)
"""
    )
    builder = driver.Builder().with_modules(module).enable_dynamic_execution()
    dr = builder.with_remote_executor(MultiProcessingExecutor(1)).build()
    with pytest.raises(TypeError, match=r"input lock \(a lock\) cannot be pickled"):
        dr.execute(["c"], inputs={"lock": threading.Lock()})


PROCESSES = """
import os
import copyreg
import threading
from hamilton.htypes import Collect, Parallelizable

class Odd(Exception):
    def __init__(self, code, place):
        super().__init__(f"{code} at {place}")
        self.place = place

class Locked(Exception):
    def __init__(self):
        super().__init__(threading.Lock())

def it() -> Parallelizable[int]:
    return list(range(6))

def w(it: int, how: str) -> object:
    if it == 3 and how == "plain":
        raise KeyError("inner")
    if it == 3 and how == "odd":
        raise Odd(1, "home")
    if it == 3 and how == "locked":
        raise Locked
    if it == 3 and how == "output":
        return threading.Lock()
    if it == 3 and how == "crash":
        os._exit(3)
    return lambda: it

def c(w: Collect[object]) -> list:
    return [f() for f in w]
"""


@pytest.fixture
def in_processes(importable):
    module = importable("tasks_in_processes", PROCESSES)
    builder = driver.Builder().with_modules(module).enable_dynamic_execution()
    dr = builder.with_remote_executor(MultiProcessingExecutor(2)).build()
    return lambda how: dr.execute(["c"], inputs={"how": how})["c"]


@pytest.fixture(params=["pickle", "tblib"])
def pickling(request):
    """How exceptions travel; Dask's distributed has tblib send their causes, too."""
    before = dict(copyreg.dispatch_table)
    if request.param == "tblib":
        pytest.importorskip("tblib.pickling_support").install()
    yield
    copyreg.dispatch_table.clear()
    copyreg.dispatch_table.update(before)


@pytest.mark.slow
def test_local_functions_come_back_from_processes(in_processes):
    assert in_processes("well") == [0, 1, 2, 3, 4, 5]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "error", "text"),
    [
        ("plain", KeyError, "inner"),
        ("locked", TaskError, "failed with Locked: .* In node 'w', function w .*it=3"),
        ("output", TypeError, r"output w \(a lock\) cannot be pickled"),
        ("crash", TaskError, r"ended at once while 'expand-it\.\d\.block-it' or one beside"),
    ],
)
def test_what_goes_wrong_in_a_process_is_told(pickling, in_processes, how, error, text):
    with pytest.raises(error, match=text) as found:
        in_processes(how)
    if how == "plain":
        assert "In node 'w', function w" in found.value.__notes__[0]
        assert "it=3" in found.value.__notes__[0]


@pytest.mark.slow
def test_an_exception_of_unusual_construction_comes_back_as_itself(pickling, in_processes):
    import tasks_in_processes

    with pytest.raises(tasks_in_processes.Odd, match="1 at home") as found:
        in_processes("odd")
    assert found.value.place == "home"
    assert "it=3" in found.value.__notes__[0]
