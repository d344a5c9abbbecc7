"""Features: their tables, records, selectors and values."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pandas as pd
import pytest
from pydantic import ValidationError

from deriva_catalog import snaptime
from deriva_catalog.path.ast import TableName
from deriva_ml.core.base import DerivaML
from deriva_ml.core.definitions import BuiltinTypes, ColumnDefinition
from deriva_ml.core.exceptions import (
    DerivaMLDataError,
    DerivaMLException,
    DerivaMLExecutionError,
    DerivaMLFeatureNotFound,
    DerivaMLInvalidTerm,
    DerivaMLMaterializeLimitExceeded,
    DerivaMLRidsNotFound,
    DerivaMLTableTypeError,
    DerivaMLValidationError,
)
from deriva_ml.core.query import equals, path_of
from deriva_ml.feature import FeatureRecord, reduce_with_selector

from ..conftest import Zoo, make_execution


def test_a_feature_is_a_table_of_three_links_and_values(ml: DerivaML) -> None:
    record = ml.create_feature(
        "Image",
        "Quality",
        terms=["Image_Class"],
        metadata=[ColumnDefinition("Score", BuiltinTypes.float8), "Subject"],
        optional=["Subject"],
    )
    feature = ml.lookup_feature("Image", "Quality")
    assert feature.feature_table.name == "Execution_Image_Quality"
    assert [c.name for c in feature.term_columns] == ["Image_Class"]
    assert [c.name for c in feature.value_columns] == ["Score", "Subject"]
    assert record.__name__ == "ImageFeatureQuality"
    assert record.feature == feature
    assert ml.lookup_term("Feature_Name", "Quality").name == "Quality"
    assert {str(f) for f in ml.find_features("Image")} == {"Image:Label", "Image:Quality"}
    assert repr(feature) == "<feature Image:Quality: Image_Class, Score, Subject>"
    assert ml.find_features("Subject") == []


def test_records_check_their_fields(ml: DerivaML) -> None:
    label = ml.feature_record_class("Image", "Label")
    made = label(Image="1AB", Image_Class="cat")
    assert made.to_row() == {
        "Execution": None,
        "Feature_Name": "Label",
        "Image": "1AB",
        "Image_Class": "cat",
    }
    with pytest.raises(ValidationError):
        label(Image="1AB", Image_Class="cat", Extra=1)
    with pytest.raises(ValidationError):
        label(Image_Class="cat")


def test_values_come_back_in_the_types_of_their_columns(ml: DerivaML, zoo: Zoo) -> None:
    types = {
        "when": BuiltinTypes.timestamptz,
        "day": BuiltinTypes.date,
        "count": BuiltinTypes.int4,
        "share": BuiltinTypes.float8,
        "sure": BuiltinTypes.boolean,
        "more": BuiltinTypes.jsonb,
        "words": "text[]",
    }
    columns = [ColumnDefinition(name, kind) for name, kind in types.items()]
    record = ml.create_feature("Image", "Many", metadata=columns)
    value = record(
        Image=zoo.images[0],
        Execution=zoo.execution,
        when=datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC),
        day=date(2026, 3, 4),
        count=3,
        share=0.25,
        sure=True,
        more={"a": [1]},
        words=["x", "y"],
    )
    ml.features.insert_values(ml.lookup_feature("Image", "Many"), [value.to_row()])
    (found,) = ml.feature_values("Image", "Many")
    assert found.model_dump(exclude={"RCT"}) == value.model_dump(exclude={"RCT"})
    assert found.RCT is not None


def test_selectors_choose_one_value_for_each_row(ml: DerivaML, zoo: Zoo) -> None:
    later = make_execution(ml, "Prediction")
    feature = ml.lookup_feature("Image", "Label")
    row = {"Execution": later, "Image": zoo.images[0], "Image_Class": "dog"}
    ml.features.insert_values(feature, [row])

    def label(selector: object) -> str:
        values = ml.feature_values("Image", "Label", selector)  # type: ignore[arg-type]
        assert len(values) == 8
        return next(str(v.Image_Class) for v in values if v.Image == zoo.images[0])  # type: ignore[attr-defined]

    assert len(ml.feature_values("Image", "Label")) == 9
    assert label(FeatureRecord.select_newest) == "dog"
    assert label(FeatureRecord.select_first) == "cat"
    by_run = ml.feature_values("Image", "Label", FeatureRecord.select_by_execution(later))
    assert [v.Execution for v in by_run] == [later]
    by_type = FeatureRecord.select_by_workflow("Prediction", container=ml)
    assert len(ml.feature_values("Image", "Label", by_type)) == 1


def test_the_value_of_the_majority_wins_and_the_newest_on_a_tie(ml: DerivaML) -> None:
    label = ml.feature_record_class("Image", "Label")
    votes = [
        label(Image="1A", Image_Class=c, RCT=f"2026-01-0{i}T00:00:00Z", Execution=f"{i}")
        for i, c in enumerate(("cat", "dog", "cat"), 1)
    ]
    select = label.select_majority_vote()
    assert select(votes).Execution == "3"  # type: ignore[union-attr]
    assert select(votes[:2]).Image_Class == "dog"  # type: ignore[union-attr]
    assert list(reduce_with_selector(votes, "Image", select)) == [votes[2]]


def test_a_vote_needs_to_know_its_column(ml: DerivaML) -> None:
    score = ColumnDefinition("Score", BuiltinTypes.float8)
    record = ml.create_feature("Image", "Score", metadata=[score])
    with pytest.raises(DerivaMLValidationError, match="which one to vote on"):
        record.select_majority_vote()
    with pytest.raises(DerivaMLValidationError, match="no column 'Kin'"):
        record.select_majority_vote("Kin")


def test_values_can_be_limited(ml: DerivaML, zoo: Zoo) -> None:
    assert len(ml.feature_values("Image", "Label", materialize_limit=8)) == 8
    with pytest.raises(DerivaMLMaterializeLimitExceeded) as caught:
        ml.feature_values("Image", "Label", materialize_limit=7)
    assert (caught.value.actual_count, caught.value.limit) == (8, 7)
    assert ml.feature_values("Image", "Label", execution_rids=[]) == []
    assert len(ml.feature_values("Image", "Label", execution_rids=[zoo.execution])) == 8


def test_a_dataset_has_the_values_of_its_own_rows(ml: DerivaML, zoo: Zoo) -> None:
    some = ml.datasets.create(members=zoo.images[:3])
    assert {v.Image for v in some.feature_values("Image", "Label")} == set(zoo.images[:3])  # type: ignore[attr-defined]
    by_subject = ml.datasets.create(members=zoo.subjects[:1])
    assert len(by_subject.feature_values("Image", "Label")) == 4


def test_many_values_are_one_change(ml: DerivaML, zoo: Zoo) -> None:
    feature = ml.lookup_feature("Image", "Label")
    rows = [
        {"Execution": e, "Image": i, "Image_Class": "cat"}
        for e in (make_execution(ml), make_execution(ml))
        for i in zoo.images
    ]
    assert ml.features.insert_values(feature, rows) == 16
    values = [v for v in ml.feature_values("Image", "Label") if v.Execution != zoo.execution]
    assert len({v.RCT for v in values}) == 1


@pytest.mark.slow
def test_a_hundred_thousand_values_are_one_snapshot(ml: DerivaML, zoo: Zoo) -> None:
    images = ml.catalog.insert(
        TableName("Image", "zoo"),
        [
            {"URL": f"tag:zoo,2026:m{i}", "Filename": f"m{i}", "Length": i, "MD5": f"{i:032x}"}
            for i in range(100_000)
        ],
    )
    feature = ml.lookup_feature("Image", "Label")
    rows = [
        {"Execution": zoo.execution, "Image": row["RID"], "Image_Class": ("cat", "dog")[n % 2]}
        for n, row in enumerate(images)
    ]
    values = TableName(feature.feature_table.name, feature.feature_table.schema)
    before = ml.catalog.latest_snapshot()
    assert ml.features.insert_values(feature, rows) == 100_000
    assert ml.catalog.count(values) == 100_008
    assert ml.catalog.at(before).count(values) == 8
    made = ml.catalog.path[values.schema][values.name].entities().fetch()
    latest = snaptime.parse(ml.catalog.latest_snapshot())
    assert sum(snaptime.parse(row["RCT"]) == latest for row in made) == 100_000


@pytest.mark.parametrize(
    "change",
    [
        {"Image_Class": "horse"},
        {"Image": "ZZZZ"},
        {"Image_Class": None},
        {"Execution": None},
    ],
)
def test_values_that_do_not_fit_are_refused_as_a_whole(
    ml: DerivaML, zoo: Zoo, change: dict[str, str | None]
) -> None:
    feature = ml.lookup_feature("Image", "Label")
    execution = make_execution(ml)
    good = [{"Execution": execution, "Image": image, "Image_Class": "cat"} for image in zoo.images]
    before = ml.catalog.latest_snapshot()
    with pytest.raises(DerivaMLDataError):
        ml.features.insert_values(feature, [*good[1:], {**good[0], **change}])
    with pytest.raises(DerivaMLDataError, match="same key"):
        ml.features.insert_values(feature, [good[0], good[0]])
    assert ml.catalog.latest_snapshot() == before


def test_a_label_that_is_no_term_is_refused_when_it_is_given(ml: DerivaML, zoo: Zoo) -> None:
    label = ml.feature_record_class("Image", "Label")
    with ml.create_execution(description="label") as run:
        good = label(Image=zoo.images[0], Image_Class="cat")
        with pytest.raises(DerivaMLInvalidTerm, match="Did you mean 'cat'"):
            run.add_features([good, label(Image=zoo.images[1], Image_Class="cta")])
        term = ml.add_term("Image_Class", "owl", description="A bird", synonyms=["strix"])
        with pytest.raises(DerivaMLInvalidTerm, match="the name 'owl'"):
            run.add_features(label(Image=zoo.images[1], Image_Class="strix"))
        run.add_features([good, label(Image=zoo.images[1], Image_Class=term.name)])
    run.upload_execution_outputs()
    made = ml.feature_values("Image", "Label", execution_rids=[run.execution_rid])
    assert sorted(value.Image_Class for value in made) == ["cat", "owl"]


def test_a_value_about_no_row_of_its_table_is_refused_when_it_is_given(
    ml: DerivaML, zoo: Zoo
) -> None:
    seen = ml.create_feature("Image", "Seen", metadata=["Subject"])
    gone = ml.catalog.insert(TableName("Subject", "zoo"), [{"Name": "Kim"}])[0]["RID"]
    ml.catalog.delete(path_of(ml.session.table("Subject"), equals("RID", gone)))
    image, subject = zoo.images[0], zoo.subjects[0]
    with ml.create_execution(description="look") as run:
        good = seen(Image=image, Subject=subject)
        for wrong, told in (
            (seen(Image="ZZZZ", Subject=subject), "Image of .*, not 'ZZZZ' .no row of this cat"),
            (seen(Image=subject, Subject=subject), f"not {subject!r} .of table 'Subject'"),
            (seen(Image=image, Subject=gone), f"Subject of .*, not {gone!r} .of .*, deleted at"),
            (seen(Image=image, Subject="no rid"), "Subject of .*, not .no rid"),
        ):
            with pytest.raises(DerivaMLRidsNotFound, match=told):
                run.add_features([good, wrong])
        assert run.pending_summary().total_pending_rows == 0
        run.add_features(good)
        assert run.pending_summary().total_pending_rows == 1


def test_rows_that_values_are_about_are_looked_up_some_at_a_time(
    ml: DerivaML, zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = ml.create_feature("Subject", "Seen", terms=["Image_Class"])
    names = [{"Name": str(number)} for number in range(1100)]
    rids = sorted(row["RID"] for row in ml.catalog.insert(TableName("Subject", "zoo"), names))
    asked: list[object] = []
    fetch = ml.catalog.fetch
    monkeypatch.setattr(ml.catalog, "fetch", lambda query: (asked.append(query), fetch(query))[1])
    with ml.create_execution(description="look") as run:
        run.add_features(seen(Subject=rids[0], Image_Class="cat"))
        asked.clear()
        for rid in rids[1:999]:
            run.add_features(seen(Subject=rid, Image_Class="cat"))
        assert asked == []
        run.add_features([seen(Subject=rid, Image_Class="cat") for rid in rids[999:]])
        with pytest.raises(DerivaMLRidsNotFound, match="'ZZZZ'"):
            run.add_features([seen(Subject=r, Image_Class="cat") for r in ("ZZZZ", *zoo.subjects)])


def test_a_value_may_be_about_a_row_that_comes_with_it(ml: DerivaML, zoo: Zoo) -> None:
    seen = ml.create_feature("Image", "Seen", metadata=["Subject"])
    rid = ml.catalog.lease_rids(["kim"])["kim"]
    with ml.create_execution(description="look") as run:
        run.table_path("Subject").write_text(f"RID,Name\n{rid},Kim\n")
        run.add_features(seen(Image=zoo.images[0], Subject=rid))
    run.upload_execution_outputs()
    (made,) = ml.feature_values("Image", "Seen")
    assert made.Subject == rid  # type: ignore[attr-defined]


def test_a_deleted_feature_takes_its_values_and_name_along(ml: DerivaML, zoo: Zoo) -> None:
    assert ml.delete_feature("Image", "Label")
    assert not ml.delete_feature("Image", "Label")
    with pytest.raises(DerivaMLFeatureNotFound, match="has none"):
        ml.lookup_feature("Image", "Label")
    with pytest.raises(DerivaMLInvalidTerm):
        ml.lookup_term("Feature_Name", "Label")


def test_a_feature_that_is_not_there_is_named_with_near_ones(ml: DerivaML) -> None:
    with pytest.raises(DerivaMLFeatureNotFound, match="Did you mean 'Label'"):
        ml.lookup_feature("Image", "Lable")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"terms": ["Subject"]}, DerivaMLTableTypeError),
        ({"assets": ["Subject"]}, DerivaMLTableTypeError),
        ({"terms": ["Nowhere"]}, DerivaMLException),
        ({"terms": "Image_Class"}, DerivaMLValidationError),
        ({}, DerivaMLValidationError),
        ({"terms": ["Image_Class"], "optional": ["Clas"]}, DerivaMLValidationError),
        ({"terms": ["Image_Class", "Image_Class"]}, DerivaMLValidationError),
        ({"feature_name": "Label", "terms": ["Image_Class"]}, DerivaMLValidationError),
        ({"feature_name": " ", "terms": ["Image_Class"]}, DerivaMLValidationError),
        ({"target_table": "Nowhere", "terms": ["Image_Class"]}, DerivaMLException),
    ],
)
def test_features_that_cannot_be_made_change_nothing(
    ml: DerivaML, arguments: dict[str, object], error: type[Exception]
) -> None:
    before = ml.catalog.latest_snapshot()
    given = {"target_table": "Image", "feature_name": "New", **arguments}
    with pytest.raises(error):
        ml.create_feature(**given)  # type: ignore[arg-type]
    assert ml.catalog.latest_snapshot() == before


def test_values_go_in_and_come_out_as_a_frame(ml: DerivaML, zoo: Zoo) -> None:
    made = ml.create_feature(
        "Image",
        "Size",
        metadata=[
            ColumnDefinition("Width", BuiltinTypes.int4),
            ColumnDefinition("Sharp", BuiltinTypes.boolean, nullok=True),
        ],
    )
    assert made.feature is not None
    given = pd.DataFrame(
        {"Image": zoo.images[:3], "Width": [3, 4, 5], "Sharp": [True, None, False]}
    )
    records = made.from_dataframe(given)
    assert [r.Sharp for r in records] == [True, None, False]  # type: ignore[attr-defined]
    rows = [{**r.to_row(), "Execution": zoo.execution} for r in records]
    ml.features.insert_values(made.feature, rows)
    frame = ml.get_feature_values_as_dataframe("Image", "Size")
    assert list(frame.columns) == ["Execution", "Feature_Name", "RCT", "Image", "Width", "Sharp"]
    assert frame["Width"].dtype.kind == "i"
    assert list(frame["Image"]) == zoo.images[:3]
    assert pd.isna(frame["Sharp"][1])
    again = made.from_dataframe(frame.assign(RCT=frame["RCT"].astype(str)))
    assert [r.Width for r in again] == [3, 4, 5]  # type: ignore[attr-defined]
    newest = FeatureRecord.select_newest
    pd.testing.assert_frame_equal(
        ml.get_feature_values_as_dataframe("Image", "Size", selector=newest), frame
    )
    assert ml.get_feature_values_as_dataframe("Image", "Size", execution_rids=[]).empty
    dataset = ml.datasets.create(members=zoo.images[1:2])
    assert list(dataset.get_feature_values_as_dataframe("Image", "Size")["Width"]) == [4]
    with pytest.raises(DerivaMLMaterializeLimitExceeded):
        ml.get_feature_values_as_dataframe("Image", "Size", materialize_limit=2)


def test_a_frame_with_other_columns_or_values_is_refused(ml: DerivaML) -> None:
    label = ml.feature_record_class("Image", "Label")
    with pytest.raises(DerivaMLValidationError, match="Colour"):
        label.from_dataframe(pd.DataFrame({"Image": ["1-A"], "Colour": ["red"]}))
    frame = pd.DataFrame({"Image": ["1-A", None], "Image_Class": ["cat", "cat"]})
    with pytest.raises(DerivaMLValidationError, match="row 1, Image"):
        label.from_dataframe(frame)


def test_values_without_an_execution_are_refused(ml: DerivaML) -> None:
    label = ml.feature_record_class("Image", "Label")
    with pytest.raises(DerivaMLExecutionError, match="create_execution"):
        ml.add_features([label(Image="1-A", Image_Class="cat")])
