"""What a plugin says when its library is not installed."""

import importlib
import sys

import pytest


@pytest.mark.parametrize(
    ("module", "make", "library", "extra"),
    [
        ("h_narwhals", lambda m: m.NarwhalsAdapter(), "narwhals", "observing"),
        ("h_opentelemetry", lambda m: m.OpenTelemetryTracer(), "opentelemetry", "observing"),
        ("h_slack", lambda m: m.SlackNotifier("k", "#c"), "slack_sdk", "observing"),
        ("h_diskcache", lambda m: m.DiskCacheAdapter(), "diskcache", "observing"),
        ("h_kedro", lambda m: m.kedro_pipeline_to_driver(), "kedro", "bridges"),
        ("h_mlflow", lambda m: m.MLFlowTracker(), "mlflow", "tracking"),
        (
            "h_openlineage",
            lambda m: m.OpenLineageAdapter(None, "n", "j"),
            "openlineage",
            "tracking",
        ),
        ("h_polars", lambda m: m.PolarsDataFrameResult().output_type(), "polars", "dataflow"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.startswith("h_") else "",
)
def test_the_line_that_installs_it(monkeypatch, module, make, library, extra):
    found = importlib.import_module(f"hamilton.plugins.{module}")
    for name in [library, *(n for n in sys.modules if n.startswith(f"{library}."))]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=rf"{library} is not installed.*derivaml\[{extra}\]"):
        make(found)


def test_an_image_of_plotly_without_kaleido(monkeypatch, tmp_path):
    pytest.importorskip("plotly")
    import plotly.graph_objects as go

    from hamilton.plugins import plotly_extensions

    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delitem(sys.modules, "kaleido", raising=False)
    saver = plotly_extensions.PlotlyStaticWriter(path=tmp_path / "p.png")
    with pytest.raises(ImportError, match=r"kaleido is not installed.*derivaml\[plots\]"):
        saver.save_data(go.Figure())
