"""One cache for several processes that may be killed at any moment: a read is right or a miss."""

import random
import subprocess
import sys

import pytest

from hamilton import driver
from hamilton.ad_hoc_utils import module_from_source

# Values of every form in which they are kept: in the database, in a file, through a saver.
NODES = """
from hamilton.function_modifiers import cache

def small(x: int) -> int:
    return x * 3

def large(small: int) -> bytes:
    return bytes([small % 251]) * 60_000

@cache(format="json")
def document(small: int) -> dict:
    return {"value": small, "more": list(range(200))}

def last(large: bytes, document: dict) -> tuple:
    return large[0], len(large), document["value"], sum(document["more"])
"""
WORKER = """
import sys
sys.path[:0] = {path!r}
from hamilton import driver
from hamilton.ad_hoc_utils import module_from_source
module = module_from_source({nodes!r})
dr = driver.Builder().with_modules(module).with_cache({cache!r}).build()
while True:
    for x in range(12):
        dr.execute(["last"], inputs={{"x": x}})
        print(x, flush=True)
    dr.cache.result_store.delete_all()
"""


def expected(x):
    return {"last": (x * 3 % 251, 60_000, x * 3, sum(range(200)))}


def started(cache):
    code = WORKER.format(path=sys.path, nodes=NODES, cache=str(cache))
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.slow
def test_what_killed_processes_leave_behind_is_right_or_absent(tmp_path):
    chooser = random.Random(7)
    module = module_from_source(NODES)
    workers = [started(tmp_path) for _ in range(2)]
    try:
        for turn in range(6):
            victim = workers[turn % 2]
            # Somewhere in the run after one that has ended, and in the middle of what others do.
            for _ in range(chooser.randint(1, 20)):
                assert victim.stdout.readline()
            victim.kill()
            _, errors = victim.communicate()
            assert errors == ""
            workers[turn % 2] = started(tmp_path)
            dr = driver.Builder().with_modules(module).with_cache(tmp_path).build()
            for x in range(12):
                assert dr.execute(["last"], inputs={"x": x}) == expected(x)
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()
    assert not list(tmp_path.glob("*.damaged"))
    dr = driver.Builder().with_modules(module).with_cache(tmp_path).build()
    for _ in range(2):
        assert [dr.execute(["last"], inputs={"x": x}) for x in range(12)] == [
            expected(x) for x in range(12)
        ]
    told = dr.cache.logs(dr.cache.last_run_id)["last"]
    assert [event.event_type.value for event in told] == ["get_result"]
