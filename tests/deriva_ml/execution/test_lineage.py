"""Lineage: back and forward, checked against a reference that goes one step at a time."""

from __future__ import annotations

import builtins
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deriva_ml.core.base import DerivaML
from deriva_ml.core.exceptions import (
    DerivaMLConfigurationError,
    DerivaMLException,
    DerivaMLNotFoundError,
    DerivaMLRidsNotFound,
    DerivaMLTableTypeError,
    DerivaMLValidationError,
)
from deriva_ml.execution.lineage import DownstreamResult, LineageNode, LineageResult
from deriva_ml.execution.lineage_lookup import lookup_lineage

from ..conftest import Stage, Zoo, fill_zoo
from .lineage_worlds import (
    Counting,
    Thing,
    World,
    chain,
    insert,
    insert_executions,
    insert_images,
    make_world,
)


@pytest.fixture(scope="module")
def shared(stage: Stage) -> DerivaML:
    """A catalog for tests that only add to it."""
    return stage.clear()


# --- against the reference -----------------------------------------------------------


def asked(world: World, thing: Thing) -> str:
    rid, version = thing
    return rid if version is None else f"{rid}@{world.versions[thing]}"


@pytest.mark.parametrize("seed", range(9))
def test_back_and_forward_agree_with_the_reference(shared: DerivaML, seed: int) -> None:
    world = make_world(shared, seed, acyclic=bool(seed % 3))
    rng = random.Random(seed)
    things: list[Thing] = [*world.versions, *((asset, None) for asset in world.assets)]
    for thing in rng.sample(things, 4):
        depth = rng.choice([None, None, 0, 1, 2])
        back = shared.lookup_lineage(asked(world, thing), depth=depth)
        check(world, back, world.makers(thing), depth, forward=False)
        onward = shared.lookup_lineage(asked(world, thing), depth=depth, direction="downstream")
        check(world, onward, world.readers(thing), depth, forward=True)
    for execution in rng.sample(world.executions, 2):
        check(world, shared.lookup_lineage(execution), {execution}, None, forward=False)


def check(
    world: World,
    result: LineageResult | DownstreamResult,
    starts: set[str],
    depth: int | None,
    *,
    forward: bool,
) -> None:
    everything = world.reached(starts, forward=forward)
    within = {e for e, step in everything.items() if depth is None or step <= depth}
    visited = result.execution_rids()
    assert len(visited) == len(set(visited)) == result.executions_visited
    assert set(visited) == within
    assert result.depth_capped == (within != set(everything))
    assert result.walked_complete == (within == set(everything))
    if within == set(everything):
        assert result.cycle_detected == world.has_cycle(within)
    near = world.makes if forward else world.reads
    for node in result.nodes():
        rid = node.execution.rid
        if not node.already_shown:
            datasets, assets = node._artifacts
            shown = {d.key for d in datasets} | {a.rid for a in assets}
            assert shown == {asked(world, t) for t in near.get(rid, ())}
            step = world.after(rid) if forward else world.before(rid)
            if everything[rid] != depth:
                assert {below.execution.rid for below in node._below} == step
    check_graph(world, result, within)


def check_graph(world: World, result: LineageResult | DownstreamResult, within: set[str]) -> None:
    """Every edge of the graph was written into the catalog."""
    links = {(asked(world, t), e) for e, things in world.reads.items() for t in things}
    links |= {(e, asked(world, t)) for e, things in world.makes.items() for t in things}
    graph = result.to_networkx()
    assert {rid for rid, kind in graph.nodes(data="kind") if kind == "Execution"} == within
    root = result.graph.root
    assert {(s, t) for s, t in graph.edges if root not in (s, t)} <= links


# --- which version, which execution --------------------------------------------------


def test_a_development_label_is_newer_than_the_release_before_it(shared: DerivaML) -> None:
    executions = insert_executions(shared, 4)
    (dataset,) = insert(shared, "Dataset", [{"Description": "d"}])
    labels = ["1.0.0.post1.dev2", "1.0.0", "0.9.0", "1.0.0.post1.dev10"]
    rows = [
        {"Dataset": dataset, "Version": label, "Execution": execution}
        for label, execution in zip(labels, executions, strict=True)
    ]
    insert(shared, "Dataset_Version", rows)
    result = shared.lookup_lineage(dataset)
    assert result.root.producing_execution is not None
    assert result.root.producing_execution.rid == executions[3]
    for label, execution in zip(labels, executions, strict=True):
        lineage = shared.lookup_lineage(f"{dataset}@{label}").lineage
        assert lineage is not None
        assert lineage.execution.rid == execution
        assert shared.lookup_lineage(dataset, version=label).lineage == lineage


def test_a_dataset_without_a_maker_comes_from_the_makers_of_its_members(
    shared: DerivaML,
) -> None:
    first, second = insert_executions(shared, 2)
    images = insert_images(shared, 3, "member")
    (dataset,) = insert(shared, "Dataset", [{"Description": "old"}])
    insert(shared, "Dataset_Version", [{"Dataset": dataset, "Version": "1.0.0"}])
    insert(shared, "Dataset_Image", [{"Dataset": dataset, "Image": i} for i in images], "zoo")
    makers = zip(images, (second, first, second), strict=True)
    links = [{"Image": i, "Execution": e, "Asset_Role": "Output"} for i, e in makers]
    insert(shared, "Image_Execution", links, "zoo")
    result = shared.lookup_lineage(dataset)
    assert [n.execution.rid for n in result.nodes()] == sorted([first, second])
    assert [n.execution.rid for n in result.others] == [max(first, second)]


def test_an_input_without_a_version_means_the_newest(shared: DerivaML) -> None:
    made, read = insert_executions(shared, 2)
    (dataset,) = insert(shared, "Dataset", [{"Description": "d"}])
    insert(shared, "Dataset_Version", [{"Dataset": dataset, "Version": "2.0.0", "Execution": made}])
    insert(shared, "Dataset_Execution", [{"Dataset": dataset, "Execution": read}])
    lineage = shared.lookup_lineage(read).lineage
    assert lineage is not None
    assert [d.version for d in lineage.consumed_datasets] == ["2.0.0"]
    assert [p.execution.rid for p in lineage.parents] == [made]
    onward = shared.lookup_lineage(made, direction="downstream")
    assert onward.execution_rids() == [made, read]


def test_a_feature_value_comes_from_its_execution(ml: DerivaML, zoo: Zoo) -> None:
    value = ml.get_table_as_dict("Execution_Image_Label")[0]
    result = ml.lookup_lineage(value["RID"])
    assert (result.root.type, result.root.description) == ("Feature", "Value of Image:Label")
    assert result.execution_rids() == [zoo.execution]
    assert ml.lookup_lineage(value["RID"], direction="downstream").consumers == []


def test_nobody_made_an_asset_that_no_execution_claims(shared: DerivaML) -> None:
    (image,) = insert_images(shared, 1, "orphan")
    result = shared.lookup_lineage(image)
    assert (result.lineage, result.root.producing_execution) == (None, None)
    assert (result.executions_visited, result.walked_complete) == (0, True)


def test_objects_stand_for_their_rows(ml: DerivaML, zoo: Zoo) -> None:
    dataset = ml.datasets.create(["Training"], "d", zoo.execution)
    expected = ml.lookup_lineage(dataset.dataset_rid)
    assert ml.lookup_lineage(dataset) == expected
    assert ml.lookup_lineage({"RID": dataset.dataset_rid}) == expected
    record = ml.lookup_execution(zoo.execution)
    assert ml.lookup_lineage(record).root.rid == zoo.execution


# --- limits --------------------------------------------------------------------------


def test_a_long_chain_is_followed_without_recursion(shared: DerivaML) -> None:
    *executions, last = chain(shared, 1500)
    result = shared.lookup_lineage(last, max_executions=10_000)
    assert result.execution_rids() == executions[::-1]
    assert result.walked_complete
    assert result.to_text().count("\n") > 1500
    assert result.to_networkx().number_of_edges() == 2 * 1500 - 1
    short = shared.lookup_lineage(last)
    assert short.executions_visited == 500
    assert not short.walked_complete
    assert not short.depth_capped
    assert short.execution_rids() == executions[:-501:-1]


def test_the_number_of_questions_does_not_grow_with_the_lineage(shared: DerivaML) -> None:
    asked = {}
    for length in (40, 400):
        *_, last = chain_once(shared, length)
        catalog: Any = Counting(shared.catalog)
        session = replace(shared.session, catalog=catalog)
        result = lookup_lineage(session, last, max_executions=10_000)
        assert result.executions_visited == length
        asked[length] = catalog.questions
    assert asked[40] == asked[400] < 100


def chain_once(ml: DerivaML, length: int) -> list[str]:
    executions = insert_executions(ml, length)
    images = insert_images(ml, length, f"once{length}-")
    links = [
        {"Image": image, "Execution": execution, "Asset_Role": role}
        for role, shown in (("Output", images), ("Input", [None, *images[:-1]]))
        for image, execution in zip(shown, executions, strict=True)
        if image is not None
    ]
    insert(ml, "Image_Execution", links, "zoo")
    return [*executions, images[-1]]


def test_wrong_questions_are_refused(ml: DerivaML, zoo: Zoo) -> None:
    with pytest.raises(DerivaMLRidsNotFound, match="ZZZZ"):
        ml.lookup_lineage("ZZZZ")
    workflow = ml.lookup_execution(zoo.execution).workflow_rid
    with pytest.raises(DerivaMLTableTypeError, match="'Workflow'"):
        ml.lookup_lineage(workflow)
    with pytest.raises(DerivaMLTableTypeError, match="'Subject'"):
        ml.lookup_lineage(zoo.subjects[0])
    with pytest.raises(DerivaMLValidationError, match="Only datasets have versions"):
        ml.lookup_lineage(zoo.execution, version="1.0.0")
    dataset = ml.datasets.create(["Training"], "d", zoo.execution)
    with pytest.raises(DerivaMLNotFoundError, match=r"no version '9\.0\.0'; it has '0\.1\.0'"):
        ml.lookup_lineage(f"{dataset.dataset_rid}@9.0.0")
    wrong: Any
    for wrong in (-1, True, 1.5):
        with pytest.raises(DerivaMLValidationError, match="depth"):
            ml.lookup_lineage(zoo.execution, depth=wrong)
    with pytest.raises(DerivaMLValidationError, match="max_executions"):
        ml.lookup_lineage(zoo.execution, max_executions=0)
    wrong = "sideways"
    with pytest.raises(DerivaMLValidationError, match="'sideways'"):
        ml.lookup_lineage(zoo.execution, direction=wrong)
    with pytest.raises(DerivaMLException, match="no RID"):
        ml.lookup_lineage(3)


# --- looking at it -------------------------------------------------------------------


@pytest.fixture
def shown(shared: DerivaML) -> LineageResult:
    """A lineage whose texts have characters with a meaning to the languages of graphs."""
    first, second = insert_executions(shared, 2, 'say "hi" <b> | {x}\\')
    (image,) = insert_images(shared, 1, f"shown{first}")
    links = [(first, "Output"), (second, "Input")]
    rows = [{"Image": image, "Execution": e, "Asset_Role": role} for e, role in links]
    insert(shared, "Image_Execution", rows, "zoo")
    return shared.lookup_lineage(second)


def test_a_result_prints_as_a_tree(shown: LineageResult) -> None:
    assert shown.lineage is not None
    parent = shown.lineage.parents[0].execution
    image = shown.lineage.consumed_assets[0]
    lines = str(shown).splitlines()
    assert lines[0] == f'Execution {shown.root.rid}: say "hi" <b> | {{x}}\\ 1'
    assert lines[2] == f"    - Image {image.rid} 0.png"
    assert lines[3].startswith(f"    {parent.rid} train.py (Uploaded)")


def test_a_result_shows_itself_in_a_notebook(shown: LineageResult) -> None:
    bundle = shown._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html", "text/vnd.mermaid"}
    assert "say &quot;hi&quot; &lt;b&gt;" in bundle["text/html"]
    assert "<b> |" not in bundle["text/html"]
    assert set(shown._repr_mimebundle_(include={"text/html"})) == {"text/html"}
    assert set(shown._repr_mimebundle_(exclude={"text/html"})) == set(bundle) - {"text/html"}


def test_mermaid_text_has_no_characters_that_end_a_label(shown: LineageResult) -> None:
    lines = shown.to_mermaid().splitlines()
    assert lines[0] == "flowchart LR"
    labels = [line for line in lines if '"' in line]
    assert len(labels) == 3
    assert all(line.count('"') == 2 for line in labels)
    assert sum("-->" in line for line in lines) == 2


def test_graphviz_draws_it(shown: LineageResult, tmp_path: Path) -> None:
    import shutil

    if shutil.which("dot") is None:
        pytest.skip("Graphviz is not installed")
    picture = shown.draw()
    assert isinstance(picture, str)
    assert picture.count('class="node"') == 3
    assert "<svg" in shown._repr_html_()
    assert shown.draw(tmp_path / "lineage.png") == tmp_path / "lineage.png"
    assert (tmp_path / "lineage.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(DerivaMLValidationError, match=r"lineage\.txt"):
        shown.draw(tmp_path / "lineage.txt")


def test_matplotlib_draws_it_where_graphviz_is_absent(
    shown: LineageResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "<svg" in shown.draw()  # type: ignore[operator]
    assert "<svg" not in shown._repr_html_()


def test_what_is_missing_is_named(
    shown: LineageResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported = builtins.__import__

    def absent(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.partition(".")[0] in ("networkx", "matplotlib"):
            raise ImportError(name)
        return imported(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", absent)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DerivaMLConfigurationError, match=r"derivaml\[lineage\]"):
        shown.to_networkx()
    with pytest.raises(DerivaMLConfigurationError, match=r"derivaml\[lineage\]"):
        shown.draw()


def test_a_result_that_was_read_back_can_still_be_drawn(shown: LineageResult) -> None:
    again = LineageResult.model_validate_json(shown.model_dump_json())
    assert again.model_dump() == shown.model_dump()
    assert set(again.to_networkx().nodes) == set(shown.to_networkx().nodes)
    with pytest.raises(ValueError, match="extra_forbidden"):
        LineageNode.model_validate({**shown.model_dump()["lineage"], "more": 1})


def test_the_past_has_its_own_lineage(ml: DerivaML) -> None:
    zoo = fill_zoo(ml)
    before = ml.catalog.latest_snapshot()
    link = {"Image": zoo.images[0], "Execution": zoo.execution, "Asset_Role": "Output"}
    insert(ml, "Image_Execution", [link], "zoo")
    assert ml.lookup_lineage(zoo.images[0]).execution_rids() == [zoo.execution]
    assert ml.catalog_snapshot(before).lookup_lineage(zoo.images[0]).lineage is None
