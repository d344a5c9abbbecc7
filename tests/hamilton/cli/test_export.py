import json

import pytest

from hamilton import ad_hoc_utils, driver
from hamilton.graph_export import diff_graphs, import_graph
from hamilton.graph_types import HamiltonGraph
from hamilton.visualization.views import draw_view

SOURCE = '''
def a(x: int, key: str) -> int:
    """Adds one."""
    return x + 1

def b(a: int, y: float = 1.0) -> int:
    return a

def unused(x: int) -> int:
    return x
'''


@pytest.fixture
def dr():
    module = ad_hoc_utils.module_from_source(SOURCE)
    return driver.Builder().with_modules(module).with_config({"key": "v"}).build()


def test_an_export_holds_what_the_run_would_touch(dr):
    found = json.loads(dr.export_execution(["b"], inputs={"x": 1}))
    assert [node["name"] for node in found["nodes"]] == ["a", "b", "key", "x", "y"]
    assert ["a", "b"] in found["edges"]
    assert found["config"] == ["key"]
    assert found["nodes"][0]["documentation"] == "Adds one."
    assert found["nodes"][0]["required_dependencies"] == ["key", "x"]


def test_an_export_comes_back_for_viewing(dr):
    graph = import_graph(dr.export_execution(["b"], inputs={"x": 1}))
    assert graph["b"].optional_dependencies == {"y"}
    assert graph["a"].version == HamiltonGraph.from_graph(dr.graph)["a"].version
    assert "x" in {n.name for n in graph.filter_nodes(lambda n: n.is_external_input)}
    assert "a: int <- " in draw_view(graph).text
    assert diff_graphs(graph, graph).as_dict()["edit"] == {}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 9, "nodes": []}'])
def test_what_is_no_export_is_refused(text):
    with pytest.raises(ValueError, match="export"):
        import_graph(text)
