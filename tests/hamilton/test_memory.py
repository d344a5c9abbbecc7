"""Intermediate values live until their last use and no longer, however a dataflow runs."""

import asyncio
import tracemalloc

import pytest

from hamilton import async_driver, driver
from hamilton.ad_hoc_utils import module_from_source
from hamilton.execution.executors import MultiThreadingExecutor
from hamilton.lifecycle import NodeExecutionHook

SIZE = 1 << 20
LAST = "f39"


class Silent(NodeExecutionHook):
    def run_before_node_execution(self, **kwargs):
        pass

    def run_after_node_execution(self, **kwargs):
        pass


@pytest.fixture
def builder(source_module):
    lines = [f"def f0() -> bytearray:\n    return bytearray({SIZE})\n"]
    lines += [
        f"def f{i}(f{i - 1}: bytearray) -> bytearray:\n    return bytearray(f{i - 1})\n"
        for i in range(1, 40)
    ]
    return driver.Builder().with_modules(source_module("\n".join(lines)))


def flat(builder, tmp_path):
    dr = builder.build()
    return lambda: len(dr.execute([LAST])[LAST])


def straight(builder, tmp_path):
    dr = builder.build()
    for _ in range(20):
        dr.execute([LAST])
    return lambda: len(dr.execute([LAST])[LAST])


def hooks(builder, tmp_path):
    dr = builder.with_adapters(Silent()).build()
    return lambda: len(dr.execute([LAST])[LAST])


def tasks(builder, tmp_path):
    dr = builder.enable_dynamic_execution().build()
    return lambda: len(dr.execute([LAST])[LAST])


def threads(builder, tmp_path):
    tasks = builder.enable_dynamic_execution()
    dr = tasks.with_local_executor(MultiThreadingExecutor(2)).build()
    return lambda: len(dr.execute([LAST])[LAST])


def kept(builder, tmp_path):
    """Computes and writes every value: each run is of a cache that is empty."""
    folders = (tmp_path / str(i) for i in range(9))

    def run():
        return len(builder.copy().with_cache(next(folders)).build().execute([LAST])[LAST])

    return run


def read_back(builder, tmp_path):
    dr = builder.with_cache(tmp_path).build()
    return lambda: len(dr.execute([LAST])[LAST])


def event_loop(builder, tmp_path):
    asynchronous = async_driver.Builder().with_modules(*builder.modules)

    async def run():
        # The length only: `asyncio.run` itself takes the repr of what its coroutine returns.
        return len((await (await asynchronous.build()).execute([LAST]))[LAST])

    return lambda: asyncio.run(run())


def coroutines(builder, tmp_path):
    text = builder.modules[0].__dataflow_source__.replace("def f", "async def f")
    return event_loop(driver.Builder().with_modules(module_from_source(text)), tmp_path)


@pytest.mark.parametrize(
    "mode", [coroutines, flat, straight, hooks, tasks, threads, event_loop, kept, read_back]
)
def test_a_chain_holds_at_most_three_values(builder, tmp_path, mode):
    run = mode(builder, tmp_path)
    run()  # what is imported and compiled once is not what is measured
    tracemalloc.start()
    try:
        assert run() == SIZE
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3 * SIZE
