import asyncio
import importlib
import json
import linecache
import logging
import subprocess
import sys
import threading

import pandas as pd
import pytest

from hamilton import ad_hoc_utils, driver
from hamilton.caching.cache_key import create_cache_key, decode_key
from hamilton.caching.events import CachingEventType
from hamilton.lifecycle.api import NodeExecutionMethod


def test_a_wrong_type_is_not_read_for_an_equal_text(build):
    def number() -> int:
        return 1

    def text() -> str:
        return "1"

    def pair() -> tuple:
        return (1,)

    def items() -> list:
        return [1]

    def absent() -> None:
        return None

    names = ["number", "text", "pair", "items", "absent"]
    for _ in range(2):
        found = build(number, text, pair, items, absent).execute(names)
        assert found == {"number": 1, "text": "1", "pair": (1,), "items": [1], "absent": None}
        assert type(found["pair"]) is tuple


def test_a_renamed_column_is_another_value(build):
    def columns(frame: pd.DataFrame) -> list:
        return list(frame.columns)

    dr = build(columns)
    assert dr.execute(["columns"], inputs={"frame": pd.DataFrame({"a": [1]})}) == {"columns": ["a"]}
    assert dr.execute(["columns"], inputs={"frame": pd.DataFrame({"b": [1]})}) == {"columns": ["b"]}


def test_a_default_and_the_same_value_passed_share_a_key(build):
    def f(x: int, step: int = 2) -> int:
        return x + step

    dr = build(f)
    dr.execute(["f"], inputs={"x": 1})
    first = dr.cache.get_cache_key(dr.cache.last_run_id, "f")
    dr.execute(["f"], inputs={"x": 1, "step": 2})
    assert dr.cache.get_cache_key(dr.cache.last_run_id, "f") == first
    dr.execute(["f"], inputs={"x": 1, "step": 3})
    assert dr.cache.get_cache_key(dr.cache.last_run_id, "f") != first


HELPERS = "def scale(x):\n    return x * {factor}\n\n\ndef shift(x):\n    return scale(x) + 1\n"
NODES = (
    "import {helpers} as h\n\nLIMIT = {limit}\n\n"
    "def f(x: int) -> int:\n    {comment}\n    return min(h.shift(x), LIMIT)\n"
)


@pytest.mark.parametrize(
    ("edit", "value"),
    [
        ({"comment": "# a remark"}, None),
        ({"factor": 3}, 31),
        ({"limit": 5}, 5),
    ],
)
def test_an_edit_of_a_helper_or_constant_counts_and_a_comment_does_not(
    tmp_path, monkeypatch, edit, value
):
    monkeypatch.syspath_prepend(tmp_path)
    name = f"nodes_{'_'.join(edit)}"
    facts = {"helpers": f"helpers_{name}", "comment": "# one", "factor": 2, "limit": 1000}

    def run():
        for module in (name, facts["helpers"]):
            sys.modules.pop(module, None)
        importlib.invalidate_caches()
        (tmp_path / f"{facts['helpers']}.py").write_text(HELPERS.format(**facts))
        (tmp_path / f"{name}.py").write_text(NODES.format(**facts))
        linecache.checkcache()
        module = importlib.import_module(name)
        dr = driver.Builder().with_modules(module).with_cache(tmp_path / "c").build()
        found = dr.execute(["f"], inputs={"x": 10})["f"]
        return found, dr.cache.logs(dr.cache.last_run_id)["f"][0].event_type

    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert run() == (21, CachingEventType.EXECUTE_NODE)
    facts.update(edit)
    if value is None:
        assert run() == (21, CachingEventType.GET_RESULT)
    else:
        assert run() == (value, CachingEventType.EXECUTE_NODE)


EDITED = """
def _helper(x, by={by}):
    return x + by

def f(x: int) -> int:
    return _helper(x) * {factor}
"""


@pytest.mark.parametrize("edit", [{"by": 5}, {"factor": 7}])
def test_a_file_edited_after_its_import_is_not_what_has_run(tmp_path, monkeypatch, edit):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    name, facts = f"edited_{'_'.join(edit)}", {"by": 1, "factor": 2}
    file = tmp_path / f"{name}.py"

    def imported():
        sys.modules.pop(name, None)
        importlib.invalidate_caches()
        file.write_text(EDITED.format(**facts))
        return importlib.import_module(name)

    def run(module):
        dr = driver.Builder().with_modules(module).with_cache(tmp_path / "c").build()
        return dr.execute(["f"], inputs={"x": 10})["f"]

    old = imported()
    facts.update(edit)
    file.write_text(EDITED.format(**facts) + "\n# longer than before\n")
    assert run(old) == 22
    assert run(imported()) == (10 + facts["by"]) * facts["factor"]


def test_an_unidentifiable_value_is_never_read_back(build, caplog):
    class Calls:
        count = 0

    def lock() -> threading.Thread:
        return threading.current_thread()

    def after(lock: threading.Thread) -> int:
        Calls.count += 1
        return 1

    dr = build(lock, after)
    with caplog.at_level(logging.WARNING, "hamilton.caching"):
        dr.execute(["after"])
        dr.execute(["after"])
    assert Calls.count == 2
    assert "lock" in caplog.text


def test_every_damaged_file_is_a_miss(chain):
    dr = chain.driver()
    dr.cache.result_store.inline_bytes = 0
    assert chain.ran(dr) == "a b c"
    for file in chain.path.iterdir():
        if file.suffix == "" and file.is_file():
            file.write_bytes(file.read_bytes()[:20])
    assert chain.ran(dr) == "a b c"
    assert chain.ran(dr) == ""
    for file in list(chain.path.iterdir()):
        file.write_bytes(b"\0" * 50)
    assert chain.ran(chain.driver()) == "a b c"


def test_a_failed_run_resumes_where_it_broke(chain):
    module = chain.module
    good = module.c

    def c(b: int) -> int:
        raise OSError("disk full")

    c.__module__ = module.__name__
    module.c = c
    with pytest.raises(OSError, match="disk full"):
        chain.ran(chain.driver())
    module.c = good
    assert chain.ran(chain.driver()) == "c"


def test_events_tell_what_was_read_and_computed(chain):
    dr = chain.driver(log_to_file=True)
    chain.ran(dr)
    chain.ran(dr)
    first, second = dr.cache.run_ids
    assert {e.event_type.value for e in dr.cache.logs(first)["a"]} == {"execute_node"}
    assert {e.event_type.value for e in dr.cache.logs(second)["a"]} == {"get_result"}
    assert set(dr.cache.logs()) == {first, second}
    kinds = [e.event_type.value for e in dr.cache.logs(second, level="debug")["c"]]
    assert kinds == ["is_final_var", "resolve_behavior", "set_cache_key", "get_result"]
    assert str(dr.cache.logs(first)["a"][0]) == "a::adapter::execute_node"
    lines = (chain.path / "cache_logs.jsonl").read_text().splitlines()
    assert {json.loads(line)["run_id"] for line in lines} == {first, second}


def test_versions_and_keys_can_be_looked_up(chain):
    dr = chain.driver()
    chain.ran(dr)
    cache, run = dr.cache, dr.cache.last_run_id
    key = cache.get_cache_key(run, "b")
    assert decode_key(key)["dependencies_data_versions"] == {"a": cache.version_data(2)}
    assert decode_key(key)["code_version"] == cache.version_code("b")
    assert cache.get_data_version(run, "b") == cache.data_versions[run]["b"]
    assert cache.get_data_version(run, "b", cache_key=key) == cache.version_data(4)
    assert cache.metadata_store.get_run_ids() == [run]
    assert cache.resolve_code_versions(run, ["a"]).keys() == {"a", "x"}
    assert cache.resolve_behaviors(run)["x"].name == "DEFAULT"
    with pytest.raises(KeyError):
        cache.get_cache_key(run, "nothing")
    with pytest.raises(IndexError):
        cache.logs("no run")


def test_keys_round_trip():
    key = create_cache_key("a.b", "0f", {"x": "1", "y": "2"})
    assert decode_key(key) == {
        "node_name": "a.b",
        "code_version": "0f",
        "dependencies_data_versions": {"x": "1", "y": "2"},
    }
    assert create_cache_key("a", "0f", {}) == "a-0f-<none>"
    with pytest.raises(ValueError, match="not a cache key"):
        decode_key("nonsense")


class Doubling(NodeExecutionMethod):
    def run_to_execute_node(self, *, node_callable, node_kwargs, **future_kwargs):
        return node_callable(**node_kwargs) * 2


def test_what_another_adapter_makes_of_a_value_is_not_kept(tmp_path, chain):
    def built():
        builder = driver.Builder().with_modules(chain.module).with_cache(chain.path)
        return builder.with_adapters(Doubling()).build()

    assert built().execute(["a"], inputs={"x": 1}) == {"a": 4}
    assert built().execute(["a"], inputs={"x": 1}) == {"a": 4}
    assert chain.ran(chain.driver(), final="a") == ""


def test_an_awaitable_is_kept_once_it_is_awaited(tmp_path):
    from hamilton.caching.adapter import HamiltonCacheAdapter
    from hamilton.node import node_of_function

    class Log:
        calls = 0

    async def f(x: int) -> int:
        Log.calls += 1
        return x + 1

    node = node_of_function(f)

    async def once():
        cache = HamiltonCacheAdapter(tmp_path)
        found = cache.do_node_execute(run_id="r", node_=node, kwargs={"x": 1})
        if asyncio.iscoroutine(found):
            found = await found
        cache._flush()
        return found

    assert [asyncio.run(once()), asyncio.run(once()), Log.calls] == [2, 2, 1]


WRITER = """
import sys
sys.path[:0] = {path!r}
from hamilton import ad_hoc_utils, driver
module = ad_hoc_utils.module_from_source(
    "def a(x: int) -> list:\\n    return [x] * 3000\\n\\n"
    "def b(a: list) -> int:\\n    return len(a)\\n"
)
dr = driver.Builder().with_modules(module).with_cache({cache!r}).build()
for x in range(40):
    assert dr.execute(["a", "b"], inputs={{"x": x}}) == {{"a": [x] * 3000, "b": 3000}}
"""


@pytest.mark.slow
def test_several_processes_share_a_cache(tmp_path):
    code = WRITER.format(path=sys.path, cache=str(tmp_path))
    running = [
        subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) for _ in range(3)
    ]
    errors = [process.communicate()[1].decode() for process in running]
    assert errors == ["", "", ""]
    assert [p.returncode for p in running] == [0, 0, 0]


def test_runs_can_be_made_in_several_threads(chain):
    dr = chain.driver()
    found = []

    def work(x):
        found.append(dr.execute(["c"], inputs={"x": x})["c"] == (x + 1) * 2 + 1)

    threads = [threading.Thread(target=work, args=(i % 4,)) for i in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 12


def test_collecting_in_a_global_list_does_not_change_the_code(tmp_path):
    source = (
        "SEEN = 3\nseen = []\n\ndef f(x: int) -> int:\n    seen.append(x)\n    return x + SEEN\n"
    )
    module = ad_hoc_utils.module_from_source(source)
    for _ in range(2):
        dr = driver.Builder().with_modules(module).with_cache(tmp_path).build()
        assert dr.execute(["f"], inputs={"x": 1}) == {"f": 4}
    assert module.seen == [1]
    module.SEEN = 4
    dr = driver.Builder().with_modules(module).with_cache(tmp_path).build()
    assert dr.execute(["f"], inputs={"x": 1}) == {"f": 5}


def test_a_constant_may_hold_the_function_that_names_it(tmp_path):
    source = """
def _plus(x, n={n}):
    return x + n if n else TABLE[0](x, 1)

TABLE = (_plus,)

def f(x: int) -> int:
    return TABLE[0](x)
"""

    def run(n):
        module = ad_hoc_utils.module_from_source(source.format(n=n))
        dr = driver.Builder().with_modules(module).with_cache(tmp_path).build()
        found = dr.execute(["f"], inputs={"x": 1})["f"]
        return found, dr.cache.logs(dr.cache.last_run_id)["f"][0].event_type.value

    assert run(2) == (3, "execute_node")
    assert run(2) == (3, "get_result")
    assert run(0) == (2, "execute_node")


def test_libraries_visible_from_elsewhere_are_no_part_of_the_project(tmp_path, monkeypatch):
    library = tmp_path / "dist-packages"
    library.mkdir()
    monkeypatch.syspath_prepend(library)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def run(text):
        sys.modules.pop("a_library", None)
        importlib.invalidate_caches()
        (library / "a_library.py").write_text(text)
        module = ad_hoc_utils.module_from_source(
            "from a_library import helper\n\ndef f(x: int) -> int:\n    return helper(x)\n"
        )
        dr = driver.Builder().with_modules(module).with_cache(tmp_path / "c").build()
        return dr.execute(["f"], inputs={"x": 1})["f"]

    assert run("def helper(x):\n    return x\n") == 1
    assert run("def helper(x):\n    return x + 100\n") == 1


def test_helpers_can_be_left_out_of_the_version(tmp_path):
    module = ad_hoc_utils.module_from_source(
        "def _helper(x):\n    return x\n\ndef f(x: int) -> int:\n    return _helper(x)\n"
    )

    def run():
        builder = driver.Builder().with_modules(module)
        return builder.with_cache(tmp_path, follow_helpers=False).build()

    run().execute(["f"], inputs={"x": 1})
    module._helper = lambda x: x + 100
    assert run().execute(["f"], inputs={"x": 1}) == {"f": 1}


def test_a_helper_of_a_notebook_or_script_counts(tmp_path):
    module = ad_hoc_utils.module_from_source(
        "def _helper(x):\n    return x\n\ndef f(x: int) -> int:\n    return _helper(x)\n"
    )

    def run():
        dr = driver.Builder().with_modules(module).with_cache(tmp_path).build()
        return dr.execute(["f"], inputs={"x": 1})["f"]

    assert run() == 1
    new = ad_hoc_utils.module_from_source("def _helper(x):\n    return x + 100\n", "other_helper")
    module._helper = new._helper
    assert run() == 101
