"""The rules of wide tables, each asked of a live dataset, of its version and of its bag."""

from __future__ import annotations

import pytest

from deriva_ml.core.base import DerivaML
from deriva_ml.core.exceptions import (
    DerivaMLDenormalizeAmbiguousPath,
    DerivaMLDenormalizeDownstreamLeaf,
    DerivaMLDenormalizeError,
    DerivaMLDenormalizeMultiLeaf,
    DerivaMLDenormalizeNoSink,
    DerivaMLDenormalizeUnrelatedAnchor,
    DerivaMLNotFoundError,
    DerivaMLTableNotFound,
    DerivaMLValidationError,
)
from deriva_ml.feature.record import FeatureRecord

from .answers import Everywhere
from .conftest import Clinic, insert


@pytest.fixture(scope="module")
def images(ml: DerivaML, clinic: Clinic) -> Everywhere:
    """A dataset of all images."""
    return Everywhere.of(ml.datasets.create(members=clinic.images))


@pytest.fixture(scope="module")
def subjects(ml: DerivaML, clinic: Clinic) -> Everywhere:
    """A dataset of all subjects."""
    return Everywhere.of(ml.datasets.create(members=clinic.subjects))


# --- what a row stands for ---------------------------------------------------------------


def test_a_row_stands_for_the_table_that_no_other_refers_to(images: Everywhere) -> None:
    frame = images.frame(["Subject", "Visit", "Image"])
    assert len(frame) == 4
    assert images.live.describe_denormalized(["Subject", "Visit", "Image"])["row_per"] == "Image"


def test_several_tables_that_could_give_the_rows_are_refused(images: Everywhere) -> None:
    error = images.error(DerivaMLDenormalizeMultiLeaf, ["Image", "Report", "Visit"])
    assert error.candidates == ["Image", "Report"]
    assert error.include_tables == ["Image", "Report", "Visit"]
    assert error.bridge_suggestions == []


def test_tables_that_would_link_the_candidates_are_suggested(images: Everywhere) -> None:
    error = images.error(DerivaMLDenormalizeMultiLeaf, ["Report", "Subject"])
    assert error.candidates == ["Report", "Subject"]
    assert error.bridge_suggestions == ["Visit"]
    assert "Visit" in str(error)
    linked = images.error(DerivaMLDenormalizeMultiLeaf, ["Subject", "Disease"])
    assert linked.bridge_suggestions == ["Subject_Disease"]


def test_a_table_in_via_connects_the_request(images: Everywhere) -> None:
    frame = images.frame(["Image", "Subject"], via=["Visit"])
    assert not [c for c in frame.columns if c.startswith("Visit.")]
    assert frame["Subject.Name"].tolist() == ["Ann", "Ann", "Bob", None]


def test_tables_that_refer_to_each_other_in_a_circle_are_refused(images: Everywhere) -> None:
    error = images.error(DerivaMLDenormalizeNoSink, ["Dataset", "Dataset_Version"])
    assert "row_per" in str(error)


def test_row_per_must_be_asked_for(images: Everywhere) -> None:
    with pytest.raises(ValueError, match="row_per='Report' is not among include_tables"):
        images.frame(["Image"], row_per="Report")


def test_tables_with_many_rows_for_one_are_refused(subjects: Everywhere) -> None:
    error = subjects.error(
        DerivaMLDenormalizeDownstreamLeaf, ["Subject", "Image", "Report"], row_per="Subject"
    )
    assert error.row_per == "Subject"
    assert error.downstream_tables == ["Image", "Report"]


# --- columns -----------------------------------------------------------------------------


def test_columns_are_those_of_the_tables_without_the_systems_own(images: Everywhere) -> None:
    frame = images.frame(["Visit", "Site"])
    columns = ["Visit.RID", "Visit.Day", "Visit.Weight", "Visit.Subject", "Visit.Site"]
    assert list(frame.columns) == [*columns, "Site.RID", "Site.City"]
    assert images.live.list_denormalized_columns(["Visit", "Site"])[:2] == [
        ("Visit.RID", "ermrest_rid"),
        ("Visit.Day", "date"),
    ]


def test_columns_of_the_system_are_there_when_asked_for(images: Everywhere) -> None:
    frame = images.frame(["Visit"], system_columns=["RCT"])
    assert list(frame.columns)[:2] == ["Visit.RID", "Visit.RCT"]
    with pytest.raises(DerivaMLValidationError, match="'Day' is no system column"):
        images.frame(["Visit"], system_columns=["Day"])


def test_the_schema_is_named_when_there_are_several(images: Everywhere) -> None:
    frame = images.frame(["Image", "Execution"], row_per="Image", via=["Image_Execution"])
    assert "clinic.Image.RID" in frame.columns
    assert "deriva-ml.Execution.Status" in frame.columns


def test_frames_are_typed_by_the_model(images: Everywhere) -> None:
    frame = images.frame(["Visit", "Subject"])
    kinds = [str(frame[c].dtype) for c in ("Visit.Day", "Visit.Weight", "Subject.Age")]
    assert kinds == ["datetime64[us]", "float64", "Int64"]


def test_no_rows_give_a_frame_with_all_columns(ml: DerivaML, clinic: Clinic) -> None:
    empty = Everywhere.of(ml.datasets.create())
    frame = empty.frame(["Image", "Visit"])
    assert len(frame) == 0
    assert frame.columns.tolist() == [
        name for name, _ in empty.live.list_denormalized_columns(["Image", "Visit"])
    ]


def test_the_name_of_a_feature_stands_for_its_table(images: Everywhere) -> None:
    rows = images.rows(["Image", "Grade"], "Image.Filename", "Grade.Quality")
    good = [("0.png", "good"), ("0.png", "bad"), ("1.png", None), ("2.png", "good")]
    assert rows == [*good, ("3.png", None)]
    table = images.rows(["Image", "Execution_Image_Grade"], "Execution_Image_Grade.Quality")
    assert [q for (q,) in table] == [q for _, q in rows]


def test_a_feature_of_several_tables_must_be_told_apart(images: Everywhere) -> None:
    error = images.error(DerivaMLDenormalizeError, ["Image", "Mood"])
    assert "'Image:Mood', 'Subject:Mood'" in str(error)
    assert len(images.frame(["Image", "Image:Mood"])) == 4


def test_tables_of_one_name_have_columns_of_their_own(images: Everywhere) -> None:
    frame = images.frame(["Image", "Visit", "Subject", "Image:Mood", "Subject:Mood"])
    scores = [c for c in frame.columns if c.endswith(".Score")]
    assert scores == ["Image_Mood.Score", "Subject_Mood.Score"]
    described = images.live.describe_denormalized(["Image:Mood", "Subject:Mood"])
    assert described["row_per_candidates"] == ["Image_Mood", "Subject_Mood"]


def test_an_unknown_name_is_neither_a_table_nor_a_feature(images: Everywhere) -> None:
    error = images.error(DerivaMLTableNotFound, ["Image", "Grad"])
    assert error.table_name == "Grad"
    assert "Did you mean 'Grade'" in str(error)
    assert "'Grade', 'Mood'" in str(error)


@pytest.mark.parametrize("tables", [[], None, "", [3], [["Image"]], 7])
def test_what_names_no_tables_is_refused(images: Everywhere, tables: object) -> None:
    with pytest.raises((DerivaMLValidationError, DerivaMLTableNotFound)):
        images.live.get_denormalized_as_dataframe(tables)
    assert images.live.describe_denormalized(tables)["warnings"]


# --- joining -----------------------------------------------------------------------------


def test_what_is_referred_to_is_repeated_on_each_row(images: Everywhere) -> None:
    rows = images.rows(["Image", "Visit", "Site"], "Image.Filename", "Visit.Weight", "Site.City")
    graz = [("0.png", 60.5, "Graz"), ("1.png", 60.5, "Graz")]
    assert rows == [*graz, ("2.png", 80.0, None), ("3.png", None, None)]


def test_links_between_two_tables_multiply_rows(images: Everywhere) -> None:
    request = ["Image", "Visit", "Subject", "Disease"]
    rows = images.rows(request, "Image.Filename", "Disease.Title", row_per="Image")
    assert rows == [
        ("0.png", "flu"),
        ("0.png", "gout"),
        ("1.png", "flu"),
        ("1.png", "gout"),
        ("2.png", "gout"),
        ("3.png", None),
    ]
    description = images.live.describe_denormalized(request, row_per="Image")
    assert description["transparent_intermediates"] == ["Subject_Disease"]
    assert description["join_path"][0] == "Image"


def test_a_link_that_is_named_gives_columns_too(subjects: Everywhere) -> None:
    rows = subjects.rows(
        ["Subject", "Subject_Disease", "Disease"],
        "Subject.Name",
        "Subject_Disease.Disease",
        "Disease.RID",
        row_per="Subject",
    )
    assert [(n, a == b, a is None) for n, a, b in rows] == [
        ("Ann", True, False),
        ("Ann", True, False),
        ("Bob", True, False),
        ("Cy", True, True),
    ]


def test_values_of_a_feature_lead_on_to_what_they_refer_to(images: Everywhere) -> None:
    rows = images.rows(["Image", "Grade", "Quality"], "Image.Filename", "Quality.Description")
    assert rows[:3] == [("0.png", "Good."), ("0.png", "Bad."), ("1.png", None)]


def test_a_selector_chooses_one_value_for_each_row(images: Everywhere) -> None:
    tables = ["Image", "Grade"]
    rows = images.rows(
        tables, "Image.Filename", "Grade.Quality", selector=FeatureRecord.select_newest
    )
    assert rows == [("0.png", "bad"), ("1.png", None), ("2.png", "good"), ("3.png", None)]


def test_a_row_for_which_no_value_is_chosen_has_none(images: Everywhere, clinic: Clinic) -> None:
    first = FeatureRecord.select_by_execution(clinic.executions[0])
    rows = images.rows(["Image", "Grade"], "Image.Filename", "Grade.Quality", selector=first)
    assert rows == [("0.png", "good"), ("1.png", None), ("2.png", None), ("3.png", None)]


def test_a_selector_chooses_between_rows_that_are_values_themselves(images: Everywhere) -> None:
    rows = images.rows(
        ["Image", "Grade"],
        "Image.Filename",
        "Grade.Quality",
        row_per="Grade",
        selector=FeatureRecord.select_first,
    )
    assert rows[:2] == [("0.png", "good"), ("2.png", "good")]


@pytest.mark.parametrize("tables", [["Image"], ["Image", "Grade", "Image:Mood"]])
def test_a_selector_needs_exactly_one_feature(images: Everywhere, tables: list[str]) -> None:
    with pytest.raises(ValueError, match="exactly one feature"):
        images.frame(tables, selector=FeatureRecord.select_newest)


def test_a_selector_must_return_what_it_was_given(images: Everywhere) -> None:
    def other(records: list[FeatureRecord]) -> FeatureRecord:
        return records[0].model_copy()

    with pytest.raises(DerivaMLValidationError, match="none of the records"):
        images.frame(["Image", "Grade"], selector=other)


# --- ways --------------------------------------------------------------------------------


def test_two_ways_between_tables_are_refused(ml: DerivaML, clinic: Clinic) -> None:
    row = {"Depth": 3, "Subject": clinic.subjects[1], "Visit": clinic.visits[0]}
    scans = Everywhere.of(ml.datasets.create(members=insert(ml, "Scan", [row])))
    error = scans.error(DerivaMLDenormalizeAmbiguousPath, ["Scan", "Subject"])
    assert (error.from_table, error.to_table) == ("Scan", "Subject")
    assert sorted(error.paths) == [["Scan", "Subject"], ["Scan", "Visit", "Subject"]]
    assert error.suggested_intermediates == ["Visit"]
    described = scans.live.describe_denormalized(["Scan", "Subject"])
    assert described["ambiguities"][0]["to_table"] == "Subject"
    over = scans.rows(["Scan", "Subject"], "Subject.Name", via=["Visit"])
    assert over == [("Ann",)]
    assert scans.rows(["Scan", "Visit", "Subject"], "Subject.Name") == [("Ann",)]
    assert scans.rows(["Scan", "Subject"], "Subject.Name", via=["Scan.Subject"]) == [("Bob",)]


def test_two_keys_to_one_table_are_told_apart_by_name(ml: DerivaML, clinic: Clinic) -> None:
    ann, bob, _ = clinic.subjects
    insert(ml, "Letter", [{"Sender": ann, "Receiver": bob}])
    dataset = Everywhere.of(ml.datasets.create(members=[ann]))
    error = dataset.error(DerivaMLDenormalizeAmbiguousPath, ["Letter", "Subject"])
    assert error.suggested_intermediates == ["Letter.Receiver", "Letter.Sender"]
    via = ["Letter.Receiver"]
    assert dataset.rows(["Letter", "Subject"], "Subject.Name", via=via)[0] == ("Bob",)
    with pytest.raises(DerivaMLValidationError, match="is no foreign key"):
        dataset.frame(["Letter", "Subject"], via=["Letter.Copy"])


def test_a_table_that_is_linked_in_no_way_is_refused(images: Everywhere) -> None:
    error = images.error(DerivaMLDenormalizeError, ["Image", "Island"], row_per="Image")
    assert "No way leads from 'Image' to 'Island'" in str(error)


def test_a_hop_that_leads_nowhere_is_refused(images: Everywhere) -> None:
    error = images.error(DerivaMLDenormalizeError, ["Image", "Visit"], via=["Disease"])
    assert "'Disease', which is on no way" in str(error)


# --- rows --------------------------------------------------------------------------------


def test_a_dataset_of_subjects_yields_their_images(ml: DerivaML, clinic: Clinic) -> None:
    ann = Everywhere.of(ml.datasets.create(members=clinic.subjects[:1]))
    rows = ann.rows(["Image", "Visit", "Subject"], "Image.Filename", "Subject.Name")
    assert rows == [("0.png", "Ann"), ("1.png", "Ann")]


def test_a_dataset_of_images_yields_their_subjects(images: Everywhere) -> None:
    assert images.rows(["Subject"], "Subject.Name") == [("Ann",), ("Bob",)]


def test_rows_are_found_over_links(subjects: Everywhere) -> None:
    assert subjects.rows(["Disease"], "Disease.Title") == [("flu",), ("gout",)]


def test_rows_are_found_over_what_both_refer_to(ml: DerivaML, clinic: Clinic) -> None:
    some = Everywhere.of(ml.datasets.create(members=clinic.images[:1]))
    assert some.rows(["Report"], "Report.Kind") == [("blood",), ("x-ray",)]


def test_members_and_what_belongs_to_members_are_one_set(ml: DerivaML, clinic: Clinic) -> None:
    inner = ml.datasets.create(members=[clinic.subjects[1]])
    both = [clinic.subjects[0], clinic.visits[0], inner.rid]
    dataset = Everywhere.of(ml.datasets.create(members=both))
    rows = dataset.rows(["Visit"], "Visit.RID")
    assert [rid for (rid,) in rows] == sorted(clinic.visits)


def test_a_member_that_no_row_belongs_to_has_a_row_of_its_own(subjects: Everywhere) -> None:
    rows = subjects.rows(["Image", "Visit", "Subject"], "Image.Filename", "Subject.Name")
    assert rows == [("0.png", "Ann"), ("1.png", "Ann"), ("2.png", "Bob"), (None, "Cy")]
    counts = subjects.live.describe_denormalized(["Image", "Visit", "Subject"])
    assert counts["estimated_row_count"] == {
        "in_scope_row_per_rows": 3,
        "orphan_rows": 1,
        "total": 4,
    }


def test_a_member_outside_the_request_that_leads_to_nothing_is_left_out(
    subjects: Everywhere,
) -> None:
    assert subjects.rows(["Image"], "Image.Filename") == [("0.png",), ("1.png",), ("2.png",)]


def test_members_that_have_nothing_to_do_with_it_are_refused(ml: DerivaML, clinic: Clinic) -> None:
    island = insert(ml, "Island", [{"Name": "Rügen"}])
    dataset = Everywhere.of(ml.datasets.create(members=[*island, clinic.images[0]]))
    error = dataset.error(DerivaMLDenormalizeUnrelatedAnchor, ["Image"])
    assert "'Island': 1" in str(error)
    assert len(dataset.frame(["Image"], ignore_unrelated_anchors=True)) == 1


def test_a_version_shows_the_rows_of_its_time(ml: DerivaML, clinic: Clinic) -> None:
    dataset = ml.datasets.create(members=clinic.images[:1])
    dataset.add_dataset_members(clinic.images[1:])
    old = dataset.get_denormalized_as_dataframe(["Image"], version="0.1.0")
    assert (len(old), len(dataset.get_denormalized_as_dataframe(["Image"]))) == (1, 4)
    bag = dataset.download_dataset_bag("0.1.0", materialize=False)
    assert len(bag.get_denormalized_as_dataframe(["Image"], version="0.1.0")) == 1
    with pytest.raises(DerivaMLNotFoundError, match=r"0\.2\.0"):
        bag.get_denormalized_as_dataframe(["Image"], version="0.2.0")
    assert "0.9.0" in dataset.describe_denormalized(["Image"], version="0.9.0")["warnings"][0]


def test_memberships_of_other_datasets_are_not_shown(ml: DerivaML, clinic: Clinic) -> None:
    ml.datasets.create(members=clinic.images)
    one = Everywhere.of(ml.datasets.create(members=clinic.images[:1]))
    rows = one.rows(["Image", "Dataset_Image"], "Dataset_Image.Dataset")
    assert rows == [(one.live.rid,)]
