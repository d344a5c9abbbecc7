import os
import threading
import warnings

import pandas as pd
import pytest

from hamilton import ad_hoc_utils, base, driver
from hamilton.io.materialization import to
from hamilton.lifecycle.api import NodeExecutionHook
from hamilton.plugins.h_threadpool import FutureAdapter


def built(module, *adapters, cache=None):
    builder = driver.Builder().with_modules(module).with_adapters(*adapters)
    return (builder.with_cache(cache) if cache else builder).build()


class Threads(NodeExecutionHook):
    def __init__(self):
        self.seen = {}

    def run_before_node_execution(self, *, node_name, node_kwargs, **future_kwargs):
        self.seen[node_name] = threading.current_thread().name, node_kwargs

    def run_after_node_execution(self, **future_kwargs):
        pass


def test_threads_run_nodes_with_hooks_around_real_values(module):
    threads = Threads()
    dr = built(module, FutureAdapter(thread_name_prefix="pool"), threads)
    assert dr.execute(["both", "one"], inputs={"x": 1}) == {"both": 4, "one": 2}
    name, kwargs = threads.seen["both"]
    assert name.startswith("pool")
    assert kwargs == {"one": 2, "two": 2}


def test_one_thread_is_enough_for_any_graph(module):
    dr = built(module, FutureAdapter(max_workers=1))
    assert dr.execute(["both"], inputs={"x": 1}) == {"both": 4}


def test_independent_nodes_overlap_in_threads():
    barrier = threading.Barrier(2, timeout=10)

    def left() -> int:
        return barrier.wait()

    def right() -> int:
        return barrier.wait()

    module = ad_hoc_utils.create_temporary_module(left, right)
    found = built(module, FutureAdapter(max_workers=2)).execute(["left", "right"])
    assert sorted(found.values()) == [0, 1]


def test_a_failing_node_in_a_thread_raises_with_its_note(module):
    with pytest.raises(ValueError, match="cannot go on") as caught:
        built(module, FutureAdapter()).execute(["broken"], inputs={"x": 1})
    assert "In node 'broken'" in caught.value.__notes__[0]


def test_threads_build_the_result_that_was_asked_for(module):
    dr = built(module, FutureAdapter(result_builder=base.PandasDataFrameResult()))
    found = dr.execute(["one", "two"], inputs={"x": 1})
    assert found.to_dict("list") == {"one": [2], "two": [2]}


def test_savers_get_values_and_not_promises(module, tmp_path):
    dr = built(module, FutureAdapter())
    saver = to.pickle(id="saved", dependencies=["both"], path=str(tmp_path / "b.pkl"))
    metadata, values = dr.materialize(saver, additional_vars=["one"], inputs={"x": 1})
    assert values == {"one": 2}
    assert pd.read_pickle(tmp_path / "b.pkl") == 4
    assert "saved" in metadata


def test_the_cache_works_around_threads(module, tmp_path):
    for kind in ("execute_node", "get_result"):
        dr = built(module, FutureAdapter(), cache=tmp_path)
        assert dr.execute(["both"], inputs={"x": 1}) == {"both": 4}
        events = dr.cache.logs(dr.cache.last_run_id)
        assert {e.event_type.value for n in ("one", "two", "both") for e in events[n]} == {kind}


@pytest.mark.slow
def test_loky_processes_run_blocks_and_fill_the_cache(module, tmp_path):
    pytest.importorskip("joblib")
    from hamilton.plugins.h_joblib import LokyExecutor

    def made():
        builder = driver.Builder().with_modules(module).with_cache(tmp_path)
        return builder.enable_dynamic_execution().with_remote_executor(LokyExecutor(2)).build()

    assert made().execute(["total"], inputs={"x": 5}) == {"total": 30}
    dr = made()
    assert dr.execute(["total", "square"], inputs={"x": 6})["square"] == [0, 1, 4, 9, 16, 25]
    keys = [e["node_name"] for e in dr.cache.metadata_store.get_run(dr.cache.last_run_id)]
    assert keys.count("square") == 1


@pytest.fixture(scope="module")
def dask_client():
    distributed = pytest.importorskip("distributed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with (
            distributed.LocalCluster(
                n_workers=1, threads_per_worker=2, dashboard_address=None
            ) as cluster,
            distributed.Client(cluster) as client,
        ):
            yield client


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
class TestDask:
    def test_nodes_run_on_the_cluster(self, dask_client, module):
        from hamilton.plugins.h_dask import DaskGraphAdapter

        dr = built(module, DaskGraphAdapter(dask_client))
        found = dr.execute(["both", "place"], inputs={"x": 1})
        assert found["both"] == 4
        assert found["place"][0] != os.getpid()
        assert dr.execute(["both"], inputs={"x": 2}) == {"both": 7}

    def test_a_failure_says_in_which_node(self, dask_client, module):
        from hamilton.plugins.h_dask import DaskGraphAdapter

        with pytest.raises(ValueError, match="cannot go on") as caught:
            built(module, DaskGraphAdapter(dask_client)).execute(["broken"], inputs={"x": 1})
        assert "In node 'broken'" in caught.value.__notes__[0]

    def test_the_cache_works_on_the_cluster(self, dask_client, module, tmp_path):
        from hamilton.plugins.h_dask import DaskGraphAdapter

        for _ in range(2):
            dr = built(module, DaskGraphAdapter(dask_client), cache=tmp_path)
            assert dr.execute(["both"], inputs={"x": 1}) == {"both": 4}
        local = built(module, cache=tmp_path)
        local.execute(["both"], inputs={"x": 1})
        event = local.cache.logs(local.cache.last_run_id)["both"][0]
        assert event.event_type.value == "get_result"

    def test_blocks_run_on_the_cluster(self, dask_client, module):
        from hamilton.plugins.h_dask import DaskExecutor

        builder = driver.Builder().with_modules(module).enable_dynamic_execution()
        dr = builder.with_remote_executor(DaskExecutor(client=dask_client)).build()
        assert dr.execute(["total"], inputs={"x": 5}) == {"total": 30}

    def test_collections_are_computed_where_they_are_lazy(self, dask_client):
        dd = pytest.importorskip("dask.dataframe")
        from hamilton.plugins.h_dask import DaskDataFrameResult, DaskGraphAdapter

        def doubled(column: pd.Series) -> pd.Series:
            return column * 2

        module = ad_hoc_utils.create_temporary_module(doubled)
        adapter = DaskGraphAdapter(dask_client, DaskDataFrameResult(), use_delayed=False)
        column = dd.from_pandas(pd.Series([1, 2, 3], name="column"), npartitions=2)
        dr = driver.Driver({"k": 7}, module, adapter=adapter)
        found = dr.execute(["column", "doubled", "k"], inputs={"column": column})
        assert found.to_dict("list") == {
            "column": [1, 2, 3],
            "doubled": [2, 4, 6],
            "k": [7, 7, 7],
        }

    def test_a_frame_result_mixes_series_frames_and_scalars(self, dask_client):
        from hamilton.plugins.h_dask import DaskDataFrameResult

        frame = DaskDataFrameResult.build_result(
            a=pd.Series([1, 2]), f=pd.DataFrame({"b": [3, 4]}), c=5
        )
        assert frame.compute().to_dict("list") == {"a": [1, 2], "b": [3, 4], "c": [5, 5]}
        with pytest.raises(ValueError, match="needs a series or a frame"):
            DaskDataFrameResult.build_result(c=5)


@pytest.fixture(scope="module")
def running_ray():
    ray = pytest.importorskip("ray")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
        yield ray
        ray.shutdown()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
class TestRay:
    def test_nodes_are_remote_calls(self, running_ray, module):
        from hamilton.plugins.h_ray import RayGraphAdapter

        dr = built(module, RayGraphAdapter(base.DictResult()))
        found = dr.execute(["both", "place"], inputs={"x": 1})
        assert found["both"] == 4
        assert found["place"][0] != os.getpid()

    def test_a_failure_is_the_users_own(self, running_ray, module):
        from hamilton.plugins.h_ray import RayGraphAdapter

        dr = built(module, RayGraphAdapter(base.DictResult()))
        with pytest.raises(ValueError, match="cannot go on") as caught:
            dr.execute(["broken"], inputs={"x": 1})
        assert "In node 'broken'" in caught.value.__notes__[0]

    def test_the_cache_works_on_ray(self, running_ray, module, tmp_path):
        from hamilton.plugins.h_ray import RayGraphAdapter

        dr = built(module, RayGraphAdapter(base.DictResult()), cache=tmp_path)
        assert dr.execute(["both"], inputs={"x": 1}) == {"both": 4}
        local = built(module, cache=tmp_path)
        local.execute(["both"], inputs={"x": 1})
        event = local.cache.logs(local.cache.last_run_id)["both"][0]
        assert event.event_type.value == "get_result"

    def test_blocks_run_on_ray(self, running_ray, module):
        from hamilton.plugins.h_ray import RayTaskExecutor

        builder = driver.Builder().with_modules(module).enable_dynamic_execution()
        dr = builder.with_remote_executor(RayTaskExecutor(skip_init=True)).build()
        assert dr.execute(["total"], inputs={"x": 5}) == {"total": 30}

    def test_a_result_builder_is_required(self, running_ray):
        from hamilton.plugins.h_ray import RayGraphAdapter

        with pytest.raises(ValueError, match="result_builder"):
            RayGraphAdapter(None)
