"""Figures of plotly and displays of scikit-learn saved through the driver."""

import shutil

import pytest

from hamilton import driver
from hamilton.errors import MaterializationError
from hamilton.io.materialization import to

BROWSERS = ("chromium", "google-chrome", "chrome")


@pytest.fixture
def plotted(source_module):
    pytest.importorskip("plotly")
    module = source_module(
        "import plotly.graph_objects as go\n\n"
        "def plot() -> go.Figure:\n    return go.Figure(go.Scatter(x=[1, 2], y=[3, 4]))\n"
    )
    return driver.Builder().with_modules(module).build()


def test_a_plotly_figure_is_saved_as_a_page(plotted, tmp_path):
    path = tmp_path / "new" / "p.html"
    saver = to.html(id="s", dependencies=["plot"], include_plotlyjs="cdn", path=str(path))
    metadata, _ = plotted.materialize(saver)
    assert "<html>" in path.read_text()
    assert metadata["s"]["file_metadata"]["size"] == path.stat().st_size
    assert [p.name for p in path.parent.iterdir()] == ["p.html"]


@pytest.mark.slow
@pytest.mark.skipif(
    not any(map(shutil.which, BROWSERS)), reason="images of plotly need Chrome or Chromium"
)
def test_a_plotly_figure_is_saved_as_an_image(plotted, tmp_path):
    pytest.importorskip("kaleido")
    path = tmp_path / "new" / "p.png"
    metadata, _ = plotted.materialize(
        to.plotly(id="s", dependencies=["plot"], path=str(path), width=200, height=100)
    )
    assert path.read_bytes().startswith(b"\x89PNG")
    assert metadata["s"]["file_metadata"]["size"] == path.stat().st_size


def test_a_plotly_image_without_a_browser_says_what_to_do(plotted, tmp_path, monkeypatch):
    pytest.importorskip("kaleido")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "none"))
    path = tmp_path / "p.png"
    with pytest.raises(MaterializationError, match=r"Install Chrome or Chromium, or .* to\.html"):
        plotted.materialize(to.plotly(id="s", dependencies=["plot"], path=str(path)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("key", ["png", "plt"])
def test_displays_are_saved_plotted_or_not(source_module, tmp_path, key):
    pytest.importorskip("sklearn")
    module = source_module(
        "import numpy as np\nfrom sklearn.metrics import ConfusionMatrixDisplay\n\n"
        "def display() -> ConfusionMatrixDisplay:\n"
        "    return ConfusionMatrixDisplay(np.eye(2, dtype=int))\n"
    )
    dr = driver.Builder().with_modules(module).build()
    path = tmp_path / "new" / "p.png"
    metadata, values = dr.materialize(
        getattr(to, key)(id="s", dependencies=["display"], path=str(path)),
        additional_vars=["display"],
    )
    assert path.read_bytes().startswith(b"\x89PNG")
    assert metadata["s"]["file_metadata"]["size"] == path.stat().st_size
    assert not hasattr(values["display"], "figure_")
