"""Rows by RID, links to them, and new tables."""

from __future__ import annotations

import pytest

from deriva_ml.core.base import DerivaML
from deriva_ml.core.definitions import BuiltinTypes, ColumnDefinition, TableDefinition
from deriva_ml.core.exceptions import (
    DerivaMLException,
    DerivaMLNotFoundError,
    DerivaMLRidsNotFound,
    DerivaMLTableNotFound,
    DerivaMLTableTypeError,
    DerivaMLValidationError,
)
from deriva_ml.dataset import DatasetSpec

from ..conftest import Zoo


def test_a_rid_leads_to_its_row(ml: DerivaML, zoo: Zoo) -> None:
    found = ml.resolve_rid(zoo.images[0])
    assert (found.table.name, found.rid) == ("Image", zoo.images[0])
    assert found.datapath.entities().fetch()[0]["Filename"] == "0.png"
    assert ml.retrieve_rid(zoo.subjects[0])["Name"] == "Tom"


def test_many_rids_are_resolved_at_once(ml: DerivaML, zoo: Zoo) -> None:
    found = ml.resolve_rids([*zoo.images, zoo.subjects[0], zoo.images[0]])
    assert len(found) == 9
    assert {r.table_name for r in found.values()} == {"Image", "Subject"}


def test_missing_rids_are_named(ml: DerivaML, zoo: Zoo) -> None:
    with pytest.raises(DerivaMLRidsNotFound, match="ZZZZ") as caught:
        ml.resolve_rids([zoo.images[0], "ZZZZ"])
    assert caught.value.missing_rids == ["ZZZZ"]
    with pytest.raises(DerivaMLRidsNotFound):
        ml.resolve_rids([zoo.images[0]], candidate_tables=["Subject"])


@pytest.mark.parametrize("rid", ["", "abc", "1-2", 7, None, "1ABC@2"])
def test_a_malformed_rid_is_one_clear_error(ml: DerivaML, rid: object) -> None:
    with pytest.raises(DerivaMLValidationError, match="not a RID"):
        ml.retrieve_rid(rid)  # type: ignore[arg-type]


def test_a_citation_is_permanent_and_stays_itself(ml: DerivaML, zoo: Zoo) -> None:
    link = ml.cite(zoo.images[0])
    at = ml.catalog.latest_snapshot()  # `ml` is a directory, which is nobody else's business
    assert link == f"https://localhost/id/{ml.catalog_id}/{zoo.images[0]}@{at}"
    assert ml.cite(link) == link
    assert ml.cite({"RID": zoo.images[0]}, current=True).endswith(f"/{zoo.images[0]}")
    assert ml.cite("0000") == "dry-run (rid=0000)"
    with pytest.raises(DerivaMLException):
        ml.cite({"Name": "x"})


def test_whatever_the_catalog_has_can_be_cited(ml: DerivaML, zoo: Zoo) -> None:
    dataset = ml.datasets.create(["Training"], "d", zoo.execution)
    first = dataset.current_version
    dataset.add_dataset_members([zoo.subjects[0]])
    execution = ml.lookup_execution(zoo.execution)
    things = {
        dataset.dataset_rid: dataset,
        zoo.images[0]: ml.lookup_asset(zoo.images[0]),
        zoo.execution: execution,
        str(execution.workflow_rid): execution.workflow,
        ml.lookup_term("Image_Class", "cat").rid: ml.lookup_term("Image_Class", "cat"),
    }
    for rid, thing in things.items():
        assert ml.cite(thing) == ml.cite(rid)
        assert ml.cite(thing, current=True).endswith(f"/id/{ml.catalog_id}/{rid}")
    snapshot = dataset.dataset_history()[0].snapshot
    assert ml.cite(f"{dataset.dataset_rid}@{first}").endswith(f"/{dataset.dataset_rid}@{snapshot}")
    assert ml.cite(DatasetSpec(rid=dataset.dataset_rid, version=first)) == ml.cite(
        f"{dataset.dataset_rid}@{first}"
    )
    assert str(snapshot) not in ml.cite(dataset)
    with pytest.raises(DerivaMLNotFoundError, match=r"9\.9\.9"):
        ml.cite(f"{dataset.dataset_rid}@9.9.9")


def test_tables_and_rows_have_pages(ml: DerivaML, zoo: Zoo) -> None:
    assert ml.chaise_url("Image").endswith("/zoo:Image")
    assert ml.chaise_url(zoo.images[0]).endswith(f"/zoo:Image/RID={zoo.images[0]}")
    with pytest.raises(DerivaMLTableNotFound):
        ml.chaise_url("Imag")


def test_tables_are_read_as_rows_and_as_frames(ml: DerivaML, zoo: Zoo) -> None:
    assert [r["Filename"] for r in ml.get_table_as_dict("Image")] == [f"{i}.png" for i in range(8)]
    frame = ml.get_table_as_dataframe("Image")
    assert frame["Length"].tolist() == list(range(8))


def test_an_unknown_table_is_named_with_near_ones(ml: DerivaML) -> None:
    with pytest.raises(DerivaMLTableNotFound, match="Did you mean 'Image'"):
        ml.get_table_as_dict("Imgae")


def test_an_asset_table_comes_with_its_links_and_type(ml: DerivaML) -> None:
    columns = [ColumnDefinition("Lens", BuiltinTypes.text)]
    table = ml.create_asset("Photo", columns, referenced_tables=["Subject"])
    assert ml.model.is_asset(table)
    assert ml.model.asset_metadata(table) == {"Lens", "Subject"}
    assert ml.model.asset_type_table(table) is not None
    assert ml.model.asset_execution_table(table) is not None
    assert ml.lookup_term("Asset_Type", "Photo").name == "Photo"
    assert "Photo" in {t.name for t in ml.list_asset_tables()}


def test_an_association_is_defined_then_created(ml: DerivaML) -> None:
    columns = [ColumnDefinition("Weight", BuiltinTypes.float8)]
    ml.create_table(ml.define_association(["Subject", "Image_Class"], metadata=columns))
    table, first, second = ml.model.find_association("Image_Class", "Subject")
    assert (table.name, first, second) == ("Subject_Image_Class", "Image_Class", "Subject")
    assert not ml.model.is_association(table)
    assert ml.model.is_association(table, pure=False)


@pytest.mark.parametrize(
    "attempt",
    [
        lambda ml: ml.create_table(TableDefinition("Subject")),
        lambda ml: ml.create_table(TableDefinition("")),
        lambda ml: ml.create_table(3),
        lambda ml: ml.create_vocabulary("Image_Class"),
        lambda ml: ml.create_asset("Image"),
        lambda ml: ml.create_asset("X", referenced_tables=["Nowhere"]),
        lambda ml: ml.create_table(TableDefinition("X"), schema="nowhere"),
        lambda ml: ml.create_table(TableDefinition("X", [ColumnDefinition("c", "no_such_type")])),
        lambda ml: ml.create_table(ml.define_association(["Subject", "Image"], table_name="Image")),
        lambda ml: ml.define_association(["Subject"]),
    ],
)
def test_tables_that_cannot_be_made_change_nothing(ml: DerivaML, attempt: object) -> None:
    before = ml.catalog.latest_snapshot()
    with pytest.raises(DerivaMLException):
        attempt(ml)  # type: ignore[operator]
    assert ml.catalog.latest_snapshot() == before


def test_kinds_of_tables_are_told_apart(ml: DerivaML) -> None:
    model = ml.model
    assert model.is_vocabulary("Image_Class")
    assert not model.is_vocabulary("Image")
    assert model.is_association("Image_Asset_Type")
    assert not model.is_association("Image_Execution")
    assert model.is_association("Image_Execution", pure=False)
    assert model.is_association("Execution_Image_Label", pure=False, max_arity=None)
    with pytest.raises(DerivaMLTableTypeError):
        model.asset("Subject")
