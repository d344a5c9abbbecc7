import logging
import shutil
import xml.etree.ElementTree as ET

import pytest

from hamilton import ad_hoc_utils, driver
from hamilton.visualization.dot import DrawingError
from hamilton.visualization.layout import lay_out
from hamilton.visualization.recorder import RunRecorder

SOURCE = """
def first(x: int, key: str) -> int:
    return x + 1

def second(first: int, y: float = 1.0) -> int:
    return first * 2

def third(second: int, first: int) -> dict[str, int]:
    return {"<b>": 1}

def last(third: dict, x: int) -> int:
    return 1
"""

needs_dot = pytest.mark.skipif(
    shutil.which("dot") is None, reason="graphviz's dot program is not installed"
)


@pytest.fixture
def dr():
    module = ad_hoc_utils.module_from_source(SOURCE)
    return driver.Builder().with_modules(module).with_config({"key": "v"}).build()


@pytest.fixture
def no_dot(monkeypatch):
    monkeypatch.setenv("PATH", "")


def keys(picture):
    return {box.key for box in picture.drawing.boxes}


def style(picture, key):
    return next(box.style for box in picture.drawing.boxes if box.key == key)


def links(picture):
    return {(link.source, link.target) for link in picture.drawing.links}


def test_every_function_and_its_inputs_are_drawn(dr):
    picture = dr.display_all_functions()
    assert keys(picture) == {
        *("first", "second", "third", "last", "key"),
        *("_first_inputs", "_second_inputs", "_last_inputs"),
    }
    assert ("first", "third") in links(picture)
    assert ("key", "first") in links(picture)
    assert style(picture, "key")["shape"] == "note"


def test_inputs_can_be_hidden_or_merged(dr):
    assert "_first_inputs" not in keys(dr.display_all_functions(hide_inputs=True))
    merged = dr.display_all_functions(deduplicate_inputs=True)
    assert "_last_inputs" not in keys(merged)
    assert {("_first_inputs", "first"), ("_first_inputs", "last")} <= links(merged)


def test_a_request_marks_outputs_and_cuts_overrides(dr):
    picture = dr.visualize_execution(["last"], inputs={"x": 1}, overrides={"second": 3})
    assert style(picture, "last")["fillcolor"] == "#FFC857"
    assert "diagonals" in style(picture, "second")["style"]
    assert ("first", "second") not in links(picture)
    assert [name for name, _ in picture.drawing.legend] == [
        *("config", "input", "function", "output", "override")
    ]


def test_missing_inputs_are_drawn_in_red_with_a_warning(dr, caplog):
    with caplog.at_level(logging.WARNING):
        picture = dr.visualize_execution(["last"])
    assert "Required input x" in caplog.text
    assert style(picture, "_first_inputs")["color"] == "red"
    assert "int (missing)" in picture.source


def test_a_wrong_input_is_refused_unless_validation_is_bypassed(dr):
    with pytest.raises(ValueError, match="bypass_validation=True"):
        dr.visualize_execution(["last"], inputs={"x": "text"})
    dr.visualize_execution(["last"], inputs={"x": "text"}, bypass_validation=True)


def test_the_seed_call_writes_dot_text_and_an_image(dr, tmp_path, no_dot):
    path = tmp_path / "my_file.dot"
    dr.visualize_execution(["last"], str(path), {})
    assert path.read_text().startswith("digraph {")
    ET.fromstring((tmp_path / "my_file.dot.svg").read_text())


@needs_dot
def test_graphviz_draws_every_format_that_it_knows(dr, tmp_path):
    dr.display_all_functions(tmp_path / "a.png")
    dr.display_all_functions(tmp_path / "b.anything", {"format": "pdf"}, keep_dot=True)
    dr.visualize_execution(["last"], tmp_path / "c.dot", {}, {"x": 1})
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "b.pdf").read_bytes().startswith(b"%PDF")
    assert (tmp_path / "b.dot").exists()
    assert (tmp_path / "c.dot.png").exists()
    assert "<svg" in dr.display_all_functions()._repr_svg_()


def test_an_image_format_without_graphviz_says_what_to_do(dr, tmp_path, no_dot):
    with pytest.raises(DrawingError, match="install graphviz"):
        dr.display_all_functions(tmp_path / "a.png")
    dr.display_all_functions(tmp_path / "a")
    assert (tmp_path / "a.svg").exists()


@pytest.mark.parametrize("suffix", ["svg", "html", "mmd", "txt", "dot"])
def test_texts_need_no_graphviz(dr, tmp_path, no_dot, suffix):
    path = tmp_path / "deep" / f"a.{suffix}"
    dr.display_all_functions(path)
    assert "third" in path.read_text()


@pytest.mark.parametrize("orient", ["LR", "RL", "TB", "BT"])
def test_the_built_in_writer_gives_well_formed_svg(dr, no_dot, orient):
    picture = dr.display_all_functions(orient=orient, group_by_module=True)
    root = ET.fromstring(picture.svg)
    texts = {t.text for t in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"first", "second", "third", "last", "Legend"} <= texts


def test_a_notebook_shows_the_driver_and_the_picture(dr, no_dot):
    bundle = dr._repr_mimebundle_()
    assert set(bundle) == {"image/svg+xml", "text/plain"}
    assert "<svg" in dr.display_all_functions()._repr_html_()


def test_neighbours_are_drawn_within_hops(dr):
    assert "last" not in keys(dr.display_upstream_of("third"))
    down = keys(dr.display_downstream_of("third", hide_inputs=True))
    assert down == {"third", "last", "second", "first"}
    near = dr.display_upstream_of("last", hops=1, hide_inputs=True)
    assert keys(near) == {"last", "third"}
    with pytest.raises(ValueError, match="Unknown nodes"):
        dr.display_upstream_of("thrid")


def test_a_path_is_red_and_alone_when_strict(dr):
    picture = dr.visualize_path_between("second", "last")
    assert style(picture, "third")["color"] == "red"
    assert "color" not in style(picture, "first")
    strict = dr.visualize_path_between("second", "last", strict_path_visualization=True)
    assert keys(strict) == {"second", "third", "last"}
    with pytest.raises(ValueError, match="No path found between last and first"):
        dr.visualize_path_between("last", "first")
    with pytest.raises(ValueError, match="Upstream node nothing not found"):
        dr.visualize_path_between("nothing", "last")


def test_a_style_function_changes_boxes_and_legend(dr):
    def red(*, node, node_class):
        return (
            ({"fillcolor": "red"}, node_class, "hot") if node.name == "first" else ({}, None, None)
        )

    picture = dr.display_all_functions(custom_style_function=red)
    assert style(picture, "first")["fillcolor"] == "red"
    assert picture.drawing.legend[-1][0] == "hot"
    with pytest.raises(ValueError, match="keyword-only"):
        dr.display_all_functions(custom_style_function=lambda node, node_class: None)


def test_graphviz_attributes_are_merged_over_the_defaults(dr):
    source = dr.display_all_functions(graphviz_kwargs={"graph_attr": {"ranksep": "2"}}).source
    assert 'ranksep="2"' in source
    with pytest.raises(ValueError, match="orient"):
        dr.display_all_functions(orient="sideways")


def test_modules_are_framed_and_types_escaped(dr):
    picture = dr.display_all_functions(group_by_module=True, show_legend=False)
    assert "cluster_module_" in picture.source
    assert "Legend" not in picture.source


def test_a_run_is_drawn_with_state_and_time(dr):
    recorder = RunRecorder()
    module = dr.graph_modules[0]
    with pytest.raises(ValueError, match="Nothing has run"):
        recorder.draw()
    watched = driver.Driver({"key": "v"}, module, adapter=recorder)
    watched.execute(["second"], inputs={"x": 1})
    assert recorder.status["second"].state == "ok"
    assert recorder.status["second"].seconds >= 0
    assert "ok, " in recorder.draw().source


def test_a_failed_node_is_drawn_as_failed():
    def broken() -> int:
        return 1 // 0

    recorder = RunRecorder()
    module = ad_hoc_utils.create_temporary_module(broken)
    dr = driver.Builder().with_modules(module).with_adapters(recorder).build()
    with pytest.raises(ZeroDivisionError):
        dr.execute(["broken"])
    picture = recorder.draw()
    assert "failed" in picture.text
    assert ("failed") in [name for name, _ in picture.drawing.legend]


def test_what_was_read_from_the_cache_is_marked(dr, tmp_path):
    builder = driver.Builder().with_modules(*dr.graph_modules).with_config({"key": "v"})
    cached = builder.with_cache(tmp_path).build()
    cached.execute(["second"], inputs={"x": 1})
    assert "#F06449" not in cached.cache.view_run().source
    cached.execute(["second"], inputs={"x": 1})
    assert style(cached.cache.view_run(), "first")["color"] == "#F06449"


def test_boxes_of_a_layer_do_not_overlap_and_arrows_point_forward():
    sizes = {f"n{i}": (50.0, 20.0) for i in range(40)}
    arrows = [(f"n{i // 3}", f"n{i}") for i in range(1, 40)] + [("n0", "n39"), ("n39", "n0")]
    layout = lay_out(sizes, arrows)
    places = list(layout.places.values())
    for i, one in enumerate(places):
        for other in places[:i]:
            apart = abs(one.x - other.x) >= 50 or abs(one.y - other.y) >= 20
            assert apart
    assert layout.places["n0"].x < layout.places["n1"].x < layout.places["n4"].x


def test_an_unknown_render_argument_is_named(dr, tmp_path):
    with pytest.warns(UserWarning, match="'cleanup'"):
        dr.display_all_functions(tmp_path / "a.svg", {"cleanup": True})
