import asyncio
import gc
import inspect

import pandas as pd
import pytest

from hamilton import ad_hoc_utils, async_driver, base
from hamilton.io.materialization import to
from hamilton.lifecycle import GracefulErrorAdapter, NodeExecutionHook, RetryAdapter
from hamilton.lifecycle import base as points

TEXT = """
import asyncio
from hamilton.function_modifiers import (
    check_output, extract_fields, parameterize, pipe_output, step, value,
)
from hamilton.htypes import Collect, Parallelizable

async def a(x: int) -> int:
    await asyncio.sleep(0)
    return x + 1

async def b(x: int) -> int:
    return x * 10

def c(a: int, b: int) -> int:
    return a + b

@extract_fields({"k": int})
async def fields(c: int) -> dict:
    return {"k": c}

@parameterize(one={"n": value(1)}, two={"n": value(2)})
async def plus(a: int, n: int) -> int:
    return a + n

async def _double(v: int) -> int:
    return v * 2

@pipe_output(step(_double))
async def piped(a: int) -> int:
    return a

@check_output(range=(0, 100), importance="fail")
async def checked(a: int) -> int:
    return a

async def it(c: int) -> Parallelizable[int]:
    return [1, 2, 3]

async def w(it: int) -> int:
    return it * 2

def gathered(w: Collect[int]) -> int:
    return sum(w)
"""


@pytest.fixture
def module():
    return ad_hoc_utils.module_from_source(TEXT)


def run(coroutine):
    return asyncio.run(coroutine)


async def built(module, *adapters):
    return await async_driver.Builder().with_modules(module).with_adapters(*adapters).build()


def test_async_and_plain_functions_mix(module):
    async def main():
        dr = await built(module)
        names = ["c", "k", "one", "two", "piped", "checked", "gathered", "w"]
        return await dr.execute(names, inputs={"x": 1})

    assert run(main()) == {
        "c": 12,
        "k": 12,
        "one": 3,
        "two": 4,
        "piped": 4,
        "checked": 2,
        "gathered": 12,
        "w": [2, 4, 6],
    }


def test_independent_nodes_overlap():
    module = ad_hoc_utils.module_from_source(
        """
import asyncio

class Gate:
    first = second = None

async def first() -> int:
    Gate.first.set()
    await asyncio.wait_for(Gate.second.wait(), 5)
    return 1

async def second() -> int:
    Gate.second.set()
    await asyncio.wait_for(Gate.first.wait(), 5)
    return 2

def both(first: int, second: int) -> int:
    return first + second
"""
    )

    async def main():
        module.Gate.first, module.Gate.second = asyncio.Event(), asyncio.Event()
        return await (await built(module)).execute(["both"])

    assert run(main()) == {"both": 3}


def test_inputs_are_checked_as_by_the_synchronous_driver(module):
    async def main(**inputs):
        return await (await built(module)).execute(["c"], inputs=inputs)

    with pytest.raises(ValueError, match="Error: Required input x not provided"):
        run(main())
    with pytest.raises(ValueError, match="Type requirement mismatch"):
        run(main(x="text"))


def test_classic_constructor_builds_frames_and_takes_builders(module):
    async def main():
        frame = await async_driver.AsyncDriver({}, module).execute(["c"], inputs={"x": 1})
        dr = async_driver.AsyncDriver({}, module, result_builder=base.DictResult())
        return (
            frame,
            await dr.execute(["c"], inputs={"x": 1}),
            await dr.raw_execute(["a"], inputs={"x": 1}),
        )

    frame, result, raw = run(main())
    assert isinstance(frame, pd.DataFrame)
    assert result == {"c": 12}
    assert raw == {"a": 2}
    with pytest.raises(ValueError, match="More than one result builder"):
        async_driver.AsyncDriver(
            {}, module, result_builder=base.DictResult(), adapters=[base.DictResult()]
        )


def test_builder_refuses_graph_adapters(module):
    with pytest.raises(ValueError, match=r"with_adapter\(\) is not supported for the async driver"):
        async_driver.Builder().with_adapter(base.DefaultAdapter())


def test_methods_are_coroutine_functions_that_name_the_right_keyword(module):
    for method in ("execute", "raw_execute", "materialize"):
        assert inspect.iscoroutinefunction(getattr(async_driver.AsyncDriver, method))
    dr = async_driver.Builder().with_modules(module).build_without_init()
    with pytest.raises(TypeError, match="Did you mean 'inputs'"):
        run(dr.execute(["a"], input={}))


def test_display_graph_is_refused(module):
    async def main():
        await (await built(module)).execute(["c"], display_graph=True, inputs={"x": 1})

    with pytest.raises(ValueError, match="display_graph"):
        run(main())


class AsyncWatcher(
    points.BasePostGraphConstructAsync,
    points.BasePreGraphExecuteAsync,
    points.BasePreNodeExecuteAsync,
    points.BasePostNodeExecuteAsync,
    points.BasePostGraphExecuteAsync,
):
    def __init__(self):
        self.seen = []
        self.started = 0

    async def ainit(self):
        self.started += 1

    async def post_graph_construct(self, *, graph, modules, config):
        self.seen.append("constructed")

    async def pre_graph_execute(self, *, run_id, graph, final_vars, inputs, overrides):
        self.seen.append("start")

    async def pre_node_execute(self, *, run_id, node_, kwargs, task_id=None):
        self.seen.append(f"pre {node_.name} {kwargs}")

    async def post_node_execute(
        self, *, run_id, node_, kwargs, success, error, result, task_id=None
    ):
        self.seen.append(f"post {node_.name} {result}")

    async def post_graph_execute(self, *, run_id, graph, success, error, results):
        self.seen.append(f"end {success}")


class PlainWatcher(NodeExecutionHook):
    def __init__(self):
        self.seen = []

    def run_before_node_execution(self, *, node_name, node_kwargs, **kwargs):
        self.seen.append((node_name, node_kwargs))

    def run_after_node_execution(self, *, node_name, result, **kwargs):
        self.seen.append((node_name, result))


def test_hooks_of_both_kinds_see_awaited_values(module):
    watcher, plain = AsyncWatcher(), PlainWatcher()

    async def main():
        dr = await built(module, watcher, plain)
        await dr.ainit()
        await dr.execute(["c"], inputs={"x": 1})

    run(main())
    assert watcher.started == 1
    assert watcher.seen[:2] == ["constructed", "start"]
    assert watcher.seen[-3:] == ["pre c {'a': 2, 'b': 10}", "post c 12", "end True"]
    assert plain.seen[-2:] == [("c", {"a": 2, "b": 10}), ("c", 12)]


def test_adapters_around_nodes_await(module):
    flaky = ad_hoc_utils.module_from_source(
        """
class Log:
    attempts = 0

async def f() -> int:
    Log.attempts += 1
    if Log.attempts < 3:
        raise OSError("not yet")
    return Log.attempts

async def g() -> int:
    raise OSError("never")
"""
    )

    async def main():
        dr = await built(flaky, GracefulErrorAdapter(OSError, "failed"), RetryAdapter(retries=2))
        return await dr.execute(["f", "g"])

    assert run(main()) == {"f": 3, "g": "failed"}


def test_failure_cancels_the_others_and_is_annotated():
    module = ad_hoc_utils.module_from_source(
        """
import asyncio

class Log:
    cancelled = False

async def slow() -> int:
    try:
        await asyncio.sleep(30)
    except asyncio.CancelledError:
        Log.cancelled = True
        raise
    return 1

async def broken() -> int:
    await asyncio.sleep(0)
    raise KeyError("no")
"""
    )

    async def main():
        await (await built(module)).execute(["slow", "broken"])

    with pytest.raises(KeyError) as error:
        run(main())
    assert module.Log.cancelled
    assert "In node 'broken'" in error.value.__notes__[0]


def test_failure_before_the_others_begin_leaves_nothing_behind():
    async def waiting() -> int:
        await asyncio.sleep(60)
        return 1

    def broken(waiting: int) -> int:
        return waiting

    def at_once() -> int:
        raise KeyError("plain")

    module = ad_hoc_utils.create_temporary_module(waiting, broken, at_once)
    dr = async_driver.Builder().with_modules(module).build_without_init()
    # A coroutine that is never awaited, or a failure that nobody asks for, would be a warning.
    for _ in range(2):
        with pytest.raises(KeyError, match="plain"):
            asyncio.run(dr.execute(["waiting", "broken", "at_once"]))
        gc.collect()


def test_materialize(module, tmp_path):
    async def main():
        dr = await built(module)
        return await dr.materialize(
            to.json(id="saved", dependencies=["fields"], path=str(tmp_path / "f.json")),
            additional_vars=["a"],
            inputs={"x": 1},
        )

    metadata, values = run(main())
    assert values == {"a": 2}
    assert (tmp_path / "f.json").read_text() == '{"k": 12}'
    assert metadata["saved"]["file_metadata"]["size"] == 9
