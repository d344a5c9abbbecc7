import asyncio
import threading
from typing import ClassVar

import pytest

from hamilton import ad_hoc_utils, async_driver, driver
from hamilton.execution.executors import MultiProcessingExecutor, MultiThreadingExecutor
from hamilton.function_modifiers import cache, dataloader, datasaver, parameterize, value
from hamilton.lifecycle import GracefulErrorAdapter, RetryAdapter, TimeoutAdapter
from hamilton.plugins.h_threadpool import FutureAdapter

BLOCKS = """
from hamilton.htypes import Collect, Parallelizable

def item(n: int) -> Parallelizable[int]:
    yield from range(n)

def square(item: int) -> int:
    return item**2

def more(square: int, n: int) -> int:
    return square + 1

def total(more: Collect[int]) -> int:
    return sum(more)
"""


def events(dr, node):
    found = dr.cache.logs(dr.cache.last_run_id)
    return sorted(
        e.event_type.value
        for key, several in found.items()
        if key == node or (isinstance(key, tuple) and key[0] == node)
        for e in several
    )


@pytest.mark.parametrize("executor", ["here", "threads", "processes"])
def test_blocks_are_read_back_item_by_item(tmp_path, executor):
    module = ad_hoc_utils.module_from_source(BLOCKS)

    def made():
        builder = driver.Builder().with_modules(module).with_cache(tmp_path)
        builder = builder.enable_dynamic_execution()
        if executor == "threads":
            builder = builder.with_remote_executor(MultiThreadingExecutor(4))
        elif executor == "processes":
            builder = builder.with_remote_executor(MultiProcessingExecutor(1))
        return builder.build()

    assert made().execute(["total"], inputs={"n": 3}) == {"total": 8}
    again = made()
    assert again.execute(["total"], inputs={"n": 3}) == {"total": 8}
    assert events(again, "total") == ["get_result"]
    wider = made()
    assert wider.execute(["total"], inputs={"n": 5}) == {"total": 35}
    store = wider.cache.metadata_store
    new = [e["node_name"] for e in store.get_run(wider.cache.last_run_id)]
    assert new.count("square") == 2
    assert new.count("more") == 5


@pytest.mark.parametrize("behavior", ["disable", "ignore"])
def test_a_block_outside_the_cache_gives_right_totals(tmp_path, behavior):
    module = ad_hoc_utils.module_from_source(BLOCKS)
    found = []
    for n in (3, 3, 4):
        builder = driver.Builder().with_modules(module).enable_dynamic_execution()
        dr = builder.with_cache(tmp_path, **{behavior: ["square"]}).build()
        found.append(dr.execute(["total"], inputs={"n": n})["total"])
    assert found == [8, 8, 18]


def test_the_asynchronous_driver_reads_back(tmp_path):
    class Log:
        ran: ClassVar[list] = []

    async def slow(x: int) -> int:
        Log.ran.append("slow")
        await asyncio.sleep(0)
        return x + 1

    def plain(slow: int) -> int:
        Log.ran.append("plain")
        return slow * 2

    module = ad_hoc_utils.create_temporary_module(slow, plain)

    async def once():
        dr = await async_driver.Builder().with_modules(module).with_cache(tmp_path).build()
        return await dr.execute(["plain"], inputs={"x": 1})

    assert [asyncio.run(once()), asyncio.run(once())] == [{"plain": 4}, {"plain": 4}]
    assert Log.ran == ["slow", "plain"]


def test_sentinels_of_caught_errors_are_not_kept(tmp_path):
    class Log:
        fail = True

    def shaky(x: int) -> int:
        if Log.fail:
            raise OSError("away")
        return x

    def after(shaky: int) -> int:
        return shaky + 1

    module = ad_hoc_utils.create_temporary_module(shaky, after)

    def run():
        builder = driver.Builder().with_modules(module).with_cache(tmp_path)
        dr = builder.with_adapters(GracefulErrorAdapter(OSError, sentinel_value=None)).build()
        return dr.execute(["after"], inputs={"x": 1})

    assert run() == {"after": None}
    Log.fail = False
    assert run() == {"after": 2}


def test_retries_happen_around_the_cache(tmp_path):
    class Log:
        left = 2

    def shaky(x: int) -> int:
        Log.left -= 1
        if Log.left:
            raise OSError("away")
        return x

    module = ad_hoc_utils.create_temporary_module(shaky)
    builder = driver.Builder().with_modules(module).with_cache(tmp_path)
    dr = builder.with_adapters(RetryAdapter(retries=3, wait_s=0)).build()
    assert dr.execute(["shaky"], inputs={"x": 1}) == {"shaky": 1}
    assert dr.execute(["shaky"], inputs={"x": 1}) == {"shaky": 1}
    assert Log.left == 0


WEATHER = """
from hamilton.htypes import Collect, Parallelizable

class Log:
    ran = []
    storm = True

def start(x: int) -> int:
    Log.ran.append("start")
    return x

def shaky(start: int) -> int:
    Log.ran.append("shaky")
    if Log.storm:
        raise OSError("away")
    return start + 1

def after(shaky: int, start: int) -> int:
    Log.ran.append("after")
    return shaky + start

def beside(start: int) -> int:
    Log.ran.append("beside")
    return start * 10

def item(x: int) -> Parallelizable[int]:
    return list(range(x))

def worked(item: int, start: int) -> int:
    Log.ran.append(f"worked {item}")
    if Log.storm and item == 1:
        raise OSError("away")
    return item + start

def gathered(worked: Collect[int]) -> list:
    Log.ran.append("gathered")
    return list(worked)
"""


def in_thread_pool(module, path, adapters):
    pool = FutureAdapter(max_workers=3)
    builder = driver.Builder().with_modules(module).with_cache(path)
    return builder.with_adapters(*adapters, pool).build().execute


def in_task_threads(module, path, adapters):
    builder = driver.Builder().with_modules(module).with_cache(path).with_adapters(*adapters)
    tasks = builder.enable_dynamic_execution().with_local_executor(MultiThreadingExecutor(2))
    return tasks.with_remote_executor(MultiThreadingExecutor(3)).build().execute


def in_event_loop(module, path, adapters):
    builder = async_driver.Builder().with_modules(module).with_cache(path).with_adapters(*adapters)
    dr = builder.build_without_init()
    return lambda names, inputs: asyncio.run(dr.execute(names, inputs=inputs))


def outputs_of(way):
    """Everything that this way of running can run."""
    return ["after", "beside"] + ([] if way is in_thread_pool else ["gathered"])


def weather(way, path, adapters=()):
    """Returns the module and how to run everything."""
    module = ad_hoc_utils.module_from_source(WEATHER)
    names = outputs_of(way)

    def run():
        module.Log.ran.clear()
        return way(module, path, adapters)(names, inputs={"x": 3})

    return module, run


CALM = {"after": 7, "beside": 30, "gathered": [3, 4, 5]}


@pytest.mark.parametrize("way", [in_thread_pool, in_task_threads, in_event_loop])
def test_cache_threads_and_graceful_errors_compose(tmp_path, way):
    graceful = GracefulErrorAdapter(OSError, sentinel_value=None)
    module, run = weather(way, tmp_path, [graceful])
    stormy = {"after": None, "beside": 30, "gathered": [3, None, 5]}
    calm = {name: CALM[name] for name in outputs_of(way)}
    assert run() == {name: stormy[name] for name in outputs_of(way)}
    module.Log.storm = False
    assert run() == calm
    # What had failed, and what had seen a sentinel; nothing else.
    assert set(module.Log.ran) <= {"shaky", "after", "worked 1", "gathered"}
    assert run() == calm
    assert module.Log.ran == []


@pytest.mark.parametrize("way", [in_thread_pool, in_task_threads, in_event_loop])
def test_a_failed_run_goes_on_from_what_it_had(tmp_path, way):
    module, run = weather(way, tmp_path)
    with pytest.raises(OSError, match="away") as error:
        run()
    assert "In node " in error.value.__notes__[0]
    done = set(module.Log.ran)
    calm = {name: CALM[name] for name in outputs_of(way)}
    module.Log.storm = False
    assert run() == calm
    assert "start" in done
    assert "start" not in module.Log.ran
    assert run() == calm
    assert module.Log.ran == []


def test_a_node_that_took_too_long_is_tried_again_and_kept(tmp_path):
    class Log:
        ran: ClassVar[list] = []
        free = threading.Event()

    def slow_once(x: int) -> int:
        Log.ran.append("slow_once")
        if len(Log.ran) == 1:
            Log.free.wait(30)
        return x + 1

    module = ad_hoc_utils.create_temporary_module(slow_once)

    def run():
        builder = driver.Builder().with_modules(module).with_cache(tmp_path)
        dr = builder.with_adapters(RetryAdapter(retries=1), TimeoutAdapter(0.2)).build()
        return dr.execute(["slow_once"], inputs={"x": 1})

    try:
        assert run() == {"slow_once": 2}
        assert run() == {"slow_once": 2}
        assert len(Log.ran) == 2
    finally:
        Log.free.set()


def test_a_tag_decides_unless_the_driver_says_otherwise(tmp_path):
    @cache(behavior="recompute")
    def tagged(x: int) -> int:
        return x

    module = ad_hoc_utils.create_temporary_module(tagged)

    def kinds(**options):
        dr = driver.Builder().with_modules(module).with_cache(tmp_path, **options).build()
        for _ in range(2):
            dr.execute(["tagged"], inputs={"x": 1})
        return events(dr, "tagged")

    assert kinds() == ["execute_node"]
    assert kinds(default=["tagged"]) == ["get_result"]


def test_a_format_writes_with_its_saver_and_reads_back(tmp_path):
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")

    @cache(format="parquet")
    def table() -> pd.DataFrame:
        return pd.DataFrame({"a": [1, 2]})

    @cache(format="json")
    def facts() -> dict:
        return {"a": 1}

    module = ad_hoc_utils.create_temporary_module(table, facts)
    for kind in ("execute_node", "get_result"):
        dr = driver.Builder().with_modules(module).with_cache(tmp_path).build()
        found = dr.execute(["table", "facts"])
        assert found["table"].to_dict("list") == {"a": [1, 2]}
        assert found["facts"] == {"a": 1}
        assert events(dr, "table") == [kind]
    assert {f.suffix for f in tmp_path.iterdir()} >= {".parquet", ".json"}


def test_a_format_that_loses_something_is_for_reading_only(tmp_path):
    @cache(format="json")
    def pairs(x: int) -> dict:
        return {x: (x, x)}  # JSON has neither such keys nor tuples

    module = ad_hoc_utils.create_temporary_module(pairs)
    for kind in ("execute_node", "get_result"):
        dr = driver.Builder().with_modules(module).with_cache(tmp_path).build()
        assert dr.execute(["pairs"], inputs={"x": 1}) == {"pairs": {1: (1, 1)}}
        assert events(dr, "pairs") == [kind]
    (document,) = tmp_path.glob("*.json")
    assert document.read_text() == '{"1": [1, 1]}'


def test_a_damaged_file_of_a_format_is_a_miss(tmp_path):
    @cache(format="json")
    def number(x: int) -> dict:
        return {"value": 1234}

    module = ad_hoc_utils.create_temporary_module(number)

    def run():
        dr = driver.Builder().with_modules(module).with_cache(tmp_path).build()
        assert dr.execute(["number"], inputs={"x": 1}) == {"number": {"value": 1234}}
        return events(dr, "number")

    assert [run(), run()] == [["execute_node"], ["get_result"]]
    (file,) = tmp_path.glob("*.json")
    file.write_text('{"value": 12}')
    assert [run(), run()] == [["execute_node"], ["get_result"]]


def test_a_literal_bound_by_a_modifier_counts(tmp_path):
    def build(number):
        @parameterize(out={"n": value(number)})
        def made(n: int) -> int:
            return n * 10

        module = ad_hoc_utils.create_temporary_module(made)
        return driver.Builder().with_modules(module).with_cache(tmp_path).build()

    assert build(1).execute(["out"]) == {"out": 10}
    assert build(2).execute(["out"]) == {"out": 20}
    again = build(1)
    assert again.execute(["out"]) == {"out": 10}
    assert events(again, "out") == ["get_result"]


def test_metadata_of_a_loader_does_not_count_and_a_saver_can_be_repeated(tmp_path):
    class Log:
        stamp = 0
        saved = 0

    @dataloader()
    def raw() -> tuple[list, dict]:
        Log.stamp += 1
        return [1, 2], {"read at": Log.stamp}

    def doubled(raw: list) -> list:
        return [2 * r for r in raw]

    @datasaver()
    def kept(doubled: list) -> dict:
        Log.saved += 1
        return {"saved": Log.saved}

    module = ad_hoc_utils.create_temporary_module(raw, doubled, kept)

    def made():
        builder = driver.Builder().with_modules(module)
        return builder.with_cache(
            tmp_path, default_loader_behavior="recompute", default_saver_behavior="recompute"
        ).build()

    for _ in range(2):
        dr = made()
        assert dr.execute(["doubled", "kept"])["doubled"] == [2, 4]
    assert (Log.stamp, Log.saved) == (2, 2)
    assert events(dr, "doubled") == ["get_result"]
