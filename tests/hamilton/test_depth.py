"""A chain twice as deep as Python's recursion limit does all that a small one does."""

import asyncio
import json
import pickle
import sys

import pytest

from hamilton import async_driver, driver
from hamilton.ad_hoc_utils import module_from_source
from hamilton.errors import CycleError
from hamilton.execution.executors import MultiProcessingExecutor, MultiThreadingExecutor

DEPTH = 2000
LAST = f"f{DEPTH - 1}"
INPUTS = {"x": 0}
EXPECTED = {LAST: DEPTH - 1}


def chain(first, keyword="def"):
    links = (
        f"\n{keyword} f{i}(f{i - 1}: int) -> int:\n    return f{i - 1} + 1\n"
        for i in range(1, DEPTH)
    )
    return first + "".join(links)


@pytest.fixture(scope="module")
def module():
    assert sys.getrecursionlimit() <= 1000
    return module_from_source(chain("def f0(x: int) -> int:\n    return x\n"))


@pytest.fixture
def builder(module):
    return driver.Builder().with_modules(module)


def test_it_runs_also_when_it_runs_often(builder):
    dr = builder.build()
    assert [dr.execute([LAST], inputs=INPUTS) for _ in range(14)] == [EXPECTED] * 14


@pytest.mark.slow
def test_it_runs_as_tasks_and_in_threads(builder):
    tasks = builder.enable_dynamic_execution()
    assert tasks.copy().build().execute([LAST], inputs=INPUTS) == EXPECTED
    threads = tasks.with_local_executor(MultiThreadingExecutor(2)).build()
    assert threads.execute([LAST], inputs=INPUTS) == EXPECTED


@pytest.mark.slow
def test_it_is_the_body_of_a_block_in_processes():
    text = chain(
        "from hamilton.htypes import Collect, Parallelizable\n\n"
        "def it() -> Parallelizable[int]:\n    return [0, 1]\n\n"
        "def f0(it: int) -> int:\n    return it\n"
    )
    collecting = f"\ndef c({LAST}: Collect[int]) -> list:\n    return list({LAST})\n"
    builder = driver.Builder().with_modules(module_from_source(text + collecting))
    tasks = builder.enable_dynamic_execution()
    dr = tasks.with_remote_executor(MultiProcessingExecutor(2)).build()
    assert dr.execute(["c"]) == {"c": [DEPTH - 1, DEPTH]}


@pytest.mark.slow
def test_it_is_cached_and_read_back(builder, tmp_path):
    cached = builder.with_cache(tmp_path)
    assert cached.build().execute([LAST], inputs=INPUTS) == EXPECTED
    dr = cached.build()
    assert dr.execute([LAST], inputs=INPUTS) == EXPECTED
    events = dr.cache.logs(dr.cache.last_run_id)
    assert {several[0].event_type.value for several in events.values()} == {"get_result"}
    assert len(events) == DEPTH


@pytest.mark.slow
def test_it_runs_in_an_event_loop_and_is_cached_there(module, tmp_path):
    builder = async_driver.Builder().with_modules(module)

    async def main():
        found = [await (await builder.build()).execute([LAST], inputs=INPUTS)]
        cached = await builder.with_cache(tmp_path).build()
        return [*found, await cached.execute([LAST], inputs=INPUTS)]

    assert asyncio.run(main()) == [EXPECTED, EXPECTED]


def test_it_may_consist_of_coroutines():
    text = chain("async def f0(x: int) -> int:\n    return x\n", "async def")
    dr = async_driver.Builder().with_modules(module_from_source(text)).build_without_init()
    assert asyncio.run(dr.execute([LAST], inputs=INPUTS)) == EXPECTED


def test_its_driver_pickles(builder):
    copy = pickle.loads(pickle.dumps(builder.build()))
    assert copy.execute([LAST], inputs=INPUTS) == EXPECTED


@pytest.mark.slow
def test_it_is_drawn_queried_and_exported(builder, tmp_path):
    dr = builder.build()
    picture = dr.visualize_execution([LAST], tmp_path / "chain.svg", inputs=INPUTS)
    assert LAST in (tmp_path / "chain.svg").read_text()
    assert LAST in picture.source
    assert LAST in picture.mermaid
    assert len(dr.what_is_the_path_between("f0", LAST)) == DEPTH
    assert not dr.has_cycles([LAST])
    assert len(json.loads(dr.export_execution([LAST]))["nodes"]) == DEPTH + 1


def test_a_loop_of_this_length_is_named_and_can_be_cut():
    text = chain(f"def f0({LAST}: int) -> int:\n    return 1\n")
    dr = driver.Builder().with_modules(module_from_source(text)).build()
    with pytest.raises(CycleError, match=r"f0 -> f1 -> .* more \.\.\. -> f0") as error:
        dr.execute([LAST])
    assert len(error.value.path) == DEPTH
    assert len(str(error.value)) < 2000
    assert dr.execute([LAST], overrides={"f0": 0}) == EXPECTED
