"""Models saved and loaded by the libraries that made them."""

import numpy as np
import pandas as pd
import pytest

from hamilton import driver
from hamilton.errors import MaterializationError
from hamilton.io.materialization import from_, to

rng = np.random.default_rng(7)
X = rng.random((60, 3))
Y = (X[:, 0] > 0.5).astype(int)


def flow(source_module, library, type_):
    module = source_module(
        f"import {library}\n\n"
        f"def model(fitted: {type_}) -> {type_}:\n    return fitted\n\n"
        f"def booster(raw: {library}.Booster) -> {library}.Booster:\n    return raw\n"
    )
    return driver.Builder().with_modules(module).build()


@pytest.mark.parametrize("suffix", ["json", "ubj"])
def test_xgboost_models_come_back(source_module, tmp_path, suffix):
    xgboost = pytest.importorskip("xgboost")
    dr = flow(source_module, "xgboost", "xgboost.XGBClassifier")
    fitted = xgboost.XGBClassifier(n_estimators=3).fit(X, Y)
    path = tmp_path / "new" / f"m.{suffix}"
    metadata, _ = dr.materialize(
        to.json(id="s", dependencies=["model"], path=str(path)), inputs={"fitted": fitted}
    )
    assert metadata["s"]["file_metadata"]["size"] == path.stat().st_size
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    _, values = dr.materialize(
        from_.json(target="fitted", path=str(path)),
        from_.json(target="raw", path=str(path)),
        additional_vars=["model", "booster"],
    )
    assert type(values["model"]) is xgboost.XGBClassifier
    assert np.array_equal(values["model"].predict(X), fitted.predict(X))
    assert values["booster"].num_boosted_rounds() == 3


def test_an_xgboost_model_needs_a_suffix_that_names_its_format(source_module, tmp_path):
    xgboost = pytest.importorskip("xgboost")
    dr = flow(source_module, "xgboost", "xgboost.XGBClassifier")
    fitted = xgboost.XGBClassifier(n_estimators=1).fit(X, Y)
    with pytest.raises(MaterializationError, match=r"ending in \.json or \.ubj"):
        dr.materialize(
            to.json(id="s", dependencies=["model"], path=str(tmp_path / "m.txt")),
            inputs={"fitted": fitted},
        )
    assert list(tmp_path.iterdir()) == []


def test_lightgbm_boosters_come_back(source_module, tmp_path):
    lightgbm = pytest.importorskip("lightgbm")
    dr = flow(source_module, "lightgbm", "lightgbm.LGBMClassifier")
    fitted = lightgbm.LGBMClassifier(n_estimators=3, verbose=-1).fit(X, Y)
    path = tmp_path / "new" / "m.txt"
    metadata, _ = dr.materialize(
        to.file(id="s", dependencies=["model"], path=str(path), num_iteration=2),
        inputs={"fitted": fitted},
    )
    assert metadata["s"]["file_metadata"]["size"] == path.stat().st_size
    _, values = dr.materialize(
        from_.file(target="raw", path=str(path)), additional_vars=["booster"]
    )
    assert values["booster"].num_trees() == 2
    expected = fitted.booster_.predict(X, num_iteration=2)
    assert np.allclose(values["booster"].predict(X), expected)
    again = tmp_path / "again.txt"
    dr.materialize(
        to.file(id="s", dependencies=["booster"], path=str(again)),
        inputs={"raw": values["booster"]},
    )
    assert "Tree=1" in again.read_text()


MODEL = """
import pandas as pd
from sklearn.linear_model import LinearRegression

def model(x: pd.DataFrame, y: pd.Series) -> LinearRegression:
    return LinearRegression().fit(x, y)

def slope(loaded: LinearRegression) -> float:
    return float(loaded.coef_[0])
"""
DATA = {"x": pd.DataFrame({"a": [0.0, 1.0, 2.0]}), "y": pd.Series([0.0, 2.0, 4.0])}


@pytest.fixture
def stores(tmp_path, monkeypatch):
    """MLflow with its own default store, and the URI of another for the tracker."""
    mlflow = pytest.importorskip("mlflow")
    pytest.importorskip("alembic")
    monkeypatch.chdir(tmp_path)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'default.db'}")
    yield f"sqlite:///{tmp_path / 'tracked.db'}"
    mlflow.set_tracking_uri(before)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_mlflow_models_belong_to_the_run_of_the_tracker(source_module, stores, tmp_path):
    import mlflow

    from hamilton.plugins.h_mlflow import MLFlowTracker

    default = mlflow.get_tracking_uri()
    tracker = MLFlowTracker(stores, artifact_location=(tmp_path / "kept").as_uri())
    module = source_module(MODEL)
    dr = driver.Builder().with_modules(module).with_adapters(tracker).build()
    saver = to.mlflow(
        id="saved",
        dependencies=["model"],
        path="line",
        register_as="Line",
        mlflow_kwargs={"serialization_format": "cloudpickle", "pip_requirements": ["scikit-learn"]},
    )
    metadata, _ = dr.materialize(saver, inputs=DATA)
    facts = metadata["saved"]["mlflow_model"]
    assert (facts["run_id"], facts["flavor"]) == (tracker.run_id, "sklearn")
    assert tracker.client.get_run(tracker.run_id).info.status == "FINISHED"
    assert mlflow.get_tracking_uri() == default

    mlflow.set_tracking_uri(stores)
    plain = driver.Builder().with_modules(module).build()
    for where in (
        {"run_id": tracker.run_id, "path": "line"},
        {"mode": "registry", "model_name": "Line", "version": 1},
        {"model_uri": facts["model_uri"]},
    ):
        _, values = plain.materialize(
            from_.mlflow(target="loaded", **where), additional_vars=["slope"]
        )
        assert values["slope"] == pytest.approx(2.0)


@pytest.mark.filterwarnings("ignore")
def test_mlflow_refuses_what_it_cannot_place(source_module, stores):
    module = source_module(
        "class Own:\n    pass\n\ndef own() -> Own:\n    return Own()\n\n"
        "def used(loaded: Own) -> int:\n    return 1\n"
    )
    dr = driver.Builder().with_modules(module).build()
    with pytest.raises(MaterializationError, match="no flavor for a"):
        dr.materialize(to.mlflow(id="s", dependencies=["own"]))
    with pytest.raises(MaterializationError, match="'nowhere' cannot be imported"):
        dr.materialize(to.mlflow(id="s", dependencies=["own"], flavor="nowhere"))
    with pytest.raises(MaterializationError, match="which model to load"):
        dr.materialize(from_.mlflow(target="loaded"), additional_vars=["used"])
