import io
import json

import pandas as pd
import pytest

from hamilton import ad_hoc_utils, driver
from hamilton.io.materialization import from_, to


def built(module, *adapters):
    return driver.Builder().with_modules(module).with_adapters(*adapters).build()


def test_the_progress_bar_takes_one_step_a_node(module):
    from hamilton.plugins.h_tqdm import ProgressBar

    out = io.StringIO()
    bar = ProgressBar(desc="work", file=out)
    built(module, bar).execute(["both"], inputs={"x": 1})
    assert (bar.progress_bar.n, bar.progress_bar.total) == (3, 3)
    assert "work" in out.getvalue()
    assert "succeeded" in out.getvalue()


def test_the_progress_bar_closes_after_a_failure(module):
    from hamilton.plugins.h_tqdm import ProgressBar

    out = io.StringIO()
    with pytest.raises(ValueError, match="cannot go on"):
        built(module, ProgressBar(file=out)).execute(["broken"], inputs={"x": 1})
    assert "failed" in out.getvalue()


def test_rich_bars_show_run_and_expansion(module):
    from rich.console import Console

    from hamilton.plugins.h_rich import RichProgressBar

    out = io.StringIO()
    bar = RichProgressBar("all", console=Console(file=out, force_terminal=True, width=100))
    builder = driver.Builder().with_modules(module).with_adapters(bar)
    dr = builder.enable_dynamic_execution().build()
    assert dr.execute(["total"], inputs={"x": 4}) == {"total": 14}
    assert "all" in out.getvalue()
    assert "expand-item: items" in out.getvalue()


@pytest.fixture
def mlflow_uri(tmp_path):
    pytest.importorskip("mlflow")
    pytest.importorskip("alembic")
    return f"sqlite:///{tmp_path / 'runs.db'}"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_mlflow_keeps_parameters_metrics_and_artifacts(module, tmp_path, mlflow_uri):
    from hamilton.plugins.h_mlflow import MLFlowTracker

    tracker = MLFlowTracker(
        mlflow_uri,
        artifact_location=(tmp_path / "artifacts").as_uri(),
        experiment_name="trial",
        run_name="first",
        run_tags={"team": "a"},
    )
    dr = built(module, tracker)
    saver = to.json(id="saved", dependencies=["numbers"], path=str(tmp_path / "n.json"))

    def numbers(x: int) -> dict:
        return {"x": x}

    with_numbers = built(
        ad_hoc_utils.create_temporary_module(numbers),
        MLFlowTracker(mlflow_uri, experiment_name="trial"),
    )
    dr.execute(["both"], inputs={"x": 3})
    with_numbers.materialize(saver, inputs={"x": 1})
    with pytest.raises(ValueError, match="cannot go on"):
        dr.execute(["broken"], inputs={"x": 3})
    experiment = tracker.client.get_experiment_by_name("trial")
    runs = tracker.client.search_runs([experiment.experiment_id], order_by=["start_time"])
    assert [run.info.status for run in runs] == ["FINISHED", "FINISHED", "FAILED"]
    assert runs[0].data.params == {"x": "3"}
    assert runs[0].data.metrics == {"both": 10.0}
    assert runs[0].data.tags["team"] == "a"
    names = {f.path for f in tracker.client.list_artifacts(runs[0].info.run_id)}
    assert names == {"config.json", "hamilton_graph.json"}
    names = {f.path for f in tracker.client.list_artifacts(runs[1].info.run_id)}
    assert "n.json" in names


@pytest.mark.filterwarnings("ignore")
def test_openlineage_events_tell_start_data_and_end(tmp_path):
    pytest.importorskip("openlineage.client")
    from openlineage.client import OpenLineageClient
    from openlineage.client.transport.file import FileConfig, FileTransport

    from hamilton.plugins.h_openlineage import OpenLineageAdapter

    def doubled(raw: pd.DataFrame) -> pd.DataFrame:
        return raw * 2

    pd.DataFrame({"a": [1, 2]}).to_csv(tmp_path / "in.csv", index=False)
    log = tmp_path / "events.json"
    client = OpenLineageClient(transport=FileTransport(FileConfig(str(log), append=True)))
    dr = built(
        ad_hoc_utils.create_temporary_module(doubled), OpenLineageAdapter(client, "lab", "double")
    )
    dr.materialize(
        from_.csv(target="raw", path=str(tmp_path / "in.csv")),
        to.csv(id="out", dependencies=["doubled"], path=str(tmp_path / "out.csv")),
    )
    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert [e["eventType"] for e in events] == ["START", "RUNNING", "RUNNING", "COMPLETE"]
    assert len({e["run"]["runId"] for e in events}) == 1
    last = events[-1]
    assert last["job"]["namespace"] == "lab"
    assert "sourceCode" in last["job"]["facets"]
    assert last["inputs"][0]["name"].endswith("in.csv")
    assert last["inputs"][0]["facets"]["schema"]["fields"][0]["name"] == "a"
    assert last["outputs"][0]["name"].endswith("out.csv")


@pytest.mark.filterwarnings("ignore")
def test_openlineage_tells_why_a_run_failed(module, tmp_path):
    pytest.importorskip("openlineage.client")
    from openlineage.client import OpenLineageClient
    from openlineage.client.transport.file import FileConfig, FileTransport

    from hamilton.plugins.h_openlineage import OpenLineageAdapter

    log = tmp_path / "events.json"
    client = OpenLineageClient(transport=FileTransport(FileConfig(str(log), append=True)))
    with pytest.raises(ValueError, match="cannot go on"):
        built(module, OpenLineageAdapter(client, "lab", "j")).execute(["broken"], inputs={"x": 1})
    last = json.loads(log.read_text().splitlines()[-1])
    assert last["eventType"] == "FAIL"
    assert last["run"]["facets"]["errorMessage"]["message"] == "cannot go on"


def frames(columns):
    def table() -> pd.DataFrame:
        return pd.DataFrame(columns)

    return ad_hoc_utils.create_temporary_module(table)


def test_a_changed_schema_is_told(tmp_path):
    pytest.importorskip("pyarrow")
    from hamilton.plugins.h_schema import SchemaValidator

    first = SchemaValidator(tmp_path)
    built(frames({"a": [1], "b": [1.0]}), first).execute(["table"])
    built(frames({"a": [2], "b": [2.0]}), SchemaValidator(tmp_path)).execute(["table"])
    second = SchemaValidator(tmp_path)
    with pytest.warns(UserWarning, match="schema of 'table' has changed"):
        built(frames({"a": ["x"], "c": [1]}), second).execute(["table"])
    assert second.schema_diffs["table"]["b"] == "removed"
    assert second.schema_diffs["table"]["c"] == "added"
    assert second.schema_diffs["table"]["a"]["type"][0] == "int64"
    strict = SchemaValidator(tmp_path, importance="fail")
    with pytest.raises(RuntimeError, match="has changed"):
        built(frames({"z": [1]}), strict).execute(["table"])


def test_a_missing_schema_can_be_an_error(tmp_path):
    pytest.importorskip("pyarrow")
    from hamilton.plugins.h_schema import SchemaValidator

    strict = SchemaValidator(tmp_path, must_exist=True, importance="fail")
    with pytest.raises(FileNotFoundError, match="no kept schema"):
        built(frames({"a": [1]}), strict).execute(["table"])
    with pytest.raises(ValueError, match="importance"):
        SchemaValidator(tmp_path, importance="shout")


def test_results_come_as_polars_and_arrow(module):
    pl = pytest.importorskip("polars")
    pa = pytest.importorskip("pyarrow")
    from hamilton.plugins.h_polars import PolarsDataFrameResult
    from hamilton.plugins.h_polars_lazyframe import PolarsLazyFrameResult
    from hamilton.plugins.h_pyarrow import PyarrowTableResult

    def column() -> pl.Series:
        return pl.Series([1, 2])

    def number() -> int:
        return 5

    def frame() -> pd.DataFrame:
        return pd.DataFrame({"a": [1]})

    made = ad_hoc_utils.create_temporary_module(column, number, frame)
    found = built(made, PolarsDataFrameResult()).execute(["column", "number"])
    assert found.to_dict(as_series=False) == {"column": [1, 2], "number": [5, 5]}
    lazy = built(made, PolarsLazyFrameResult()).execute(["column"])
    assert isinstance(lazy, pl.LazyFrame)
    table = built(made, PyarrowTableResult()).execute(["frame"])
    assert isinstance(table, pa.Table)
    assert table.column_names == ["a"]
    with pytest.raises(ValueError, match="exactly one output"):
        built(made, PyarrowTableResult()).execute(["frame", "number"])
