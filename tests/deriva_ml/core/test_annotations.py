"""Annotations: builders of their documents, changes that are written together, the menu."""

from __future__ import annotations

from typing import Any

import pytest

import deriva_ml.model as model
from deriva_ml import Workflow
from deriva_ml.core.base import DerivaML
from deriva_ml.core.definitions import ColumnDefinition, TableDefinition
from deriva_ml.core.exceptions import (
    DerivaMLException,
    DerivaMLNotFoundError,
    DerivaMLReadOnlyError,
    DerivaMLTableNotFound,
    DerivaMLTableTypeError,
    DerivaMLValidationError,
)
from deriva_ml.model import (
    Aggregate,
    ArrayUxMode,
    ColumnDisplay,
    ColumnDisplayOptions,
    Display,
    Facet,
    FacetList,
    FacetRange,
    FacetUxMode,
    InboundFK,
    NameStyle,
    OutboundFK,
    PreFormat,
    PseudoColumn,
    PseudoColumnDisplay,
    SortKey,
    TableDisplay,
    TableDisplayOptions,
    TemplateEngine,
    VisibleColumns,
    VisibleForeignKeys,
    fk_constraint,
)

# --- builders ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("builder", "document"),
    [
        (
            Display(name="People", name_style=NameStyle(underline_space=True)),
            {"name": "People", "name_style": {"underline_space": True}},
        ),
        (
            VisibleColumns()
            .compact(["RID", fk_constraint("zoo", "k")])
            .detailed("compact")
            .filter([Facet("Name", ux_mode=FacetUxMode.CHOICES, n_bins=5)]),
            {
                "compact": ["RID", ["zoo", "k"]],
                "detailed": "compact",
                "filter": {
                    "and": [{"source": "Name", "ux_mode": "choices", "barPlot": {"nBins": 5}}]
                },
            },
        ),
        (
            VisibleForeignKeys().default([["zoo", "k"]]).entry_edit([]),
            {"*": [["zoo", "k"]], "entry/edit": []},
        ),
        (
            PseudoColumn(
                source=[InboundFK("zoo", "a"), OutboundFK("zoo", "b"), "RID"],
                aggregate=Aggregate.ARRAY_D,
                display=PseudoColumnDisplay(array_ux_mode=ArrayUxMode.CSV),
            ),
            {
                "source": [{"inbound": ["zoo", "a"]}, {"outbound": ["zoo", "b"]}, "RID"],
                "aggregate": "array_d",
                "display": {"array_ux_mode": "csv"},
            },
        ),
        (
            TableDisplay()
            .row_name("{{{Name}}}", TemplateEngine.HANDLEBARS)
            .compact(TableDisplayOptions(row_order=[SortKey("Name", descending=True)])),
            {
                "row_name": {
                    "row_markdown_pattern": "{{{Name}}}",
                    "template_engine": "handlebars",
                },
                "compact": {"row_order": [{"column": "Name", "descending": True}]},
            },
        ),
        (
            ColumnDisplay().default(ColumnDisplayOptions(pre_format=PreFormat("%.2f"))),
            {"*": {"pre_format": {"format": "%.2f"}}},
        ),
        (
            FacetList().add(Facet(sourcekey="s", ranges=[FacetRange(min=0)], bar_plot=False)),
            {"and": [{"sourcekey": "s", "ranges": [{"min": 0}], "barPlot": False}]},
        ),
    ],
)
def test_builders_become_documents(builder: Any, document: dict[str, Any]) -> None:
    assert builder.to_dict() == document


def test_what_excludes_each_other_is_refused() -> None:
    with pytest.raises(DerivaMLValidationError, match="not both"):
        Display(name="a", markdown_name="b")
    with pytest.raises(DerivaMLValidationError, match="not both"):
        PseudoColumn(source="a", sourcekey="b")


def test_contexts_have_their_names() -> None:
    names = {n: getattr(model, n) for n in model.__all__ if n.startswith("CONTEXT_")}
    assert set(names.values()) == {
        "*",
        "compact",
        "compact/brief",
        "compact/brief/inline",
        "compact/select",
        "detailed",
        "entry",
        "entry/create",
        "entry/edit",
        "export",
        "filter",
        "row_name",
    }


# --- changes -------------------------------------------------------------------------


def test_changes_are_written_together(ml: DerivaML) -> None:
    before = ml.catalog.latest_snapshot()
    ml.set_visible_columns("Subject", VisibleColumns().compact(["RID", "Name"]))
    ml.set_display_annotation("Subject", Display(name="Animal"))
    ml.set_display_annotation("Subject", {"name": "Called"}, "Name")
    ml.set_column_display("Subject", "Name", ColumnDisplay().default(ColumnDisplayOptions()))
    ml.set_table_display("Subject", TableDisplay().row_name("{{{Name}}}"))
    ml.set_visible_foreign_keys("Subject", VisibleForeignKeys().default([]))
    shown = ml.get_table_annotations("Subject")
    assert shown["visible_columns"] == {"compact": ["RID", "Name"]}
    assert (shown["schema"], shown["table"]) == ("zoo", "Subject")
    assert ml.catalog.latest_snapshot() == before
    assert ml.apply_annotations() == 6
    again = DerivaML(ml.host_name, working_dir=ml.working_dir)
    assert again.get_table_annotations("Subject") == shown
    column = again.get_column_annotations("Subject", "Name")
    assert column["display"] == {"name": "Called"}
    assert column["column_display"] == {"*": {}}
    ml.set_display_annotation("Subject", None)
    assert ml.get_table_annotations("Subject")["display"] is None
    assert ml.apply_annotations() == 1
    assert again.get_table_annotations("Subject")["display"] is None
    assert again.get_table_annotations("Subject")["table_display"] is not None
    assert ml.apply_annotations() == 0
    again.catalog.close()


def test_lists_are_edited(ml: DerivaML) -> None:
    assert ml.add_visible_column("Image", "compact", "RCT") == [
        "RID",
        "URL",
        "Filename",
        "Description",
        "Length",
        "MD5",
        "Subject",
        "RCT",
    ]
    ml.set_visible_columns("Image", VisibleColumns().compact(["RID"]).detailed("compact"))
    key = ["zoo", "Image_Subject_fkey"]
    assert ml.add_visible_column("Image", "compact", key) == ["RID", key]
    assert ml.add_visible_column("Image", "compact", "URL", 0) == ["URL", "RID", key]
    pseudo = PseudoColumn(source="Filename", markdown_name="File")
    assert ml.add_visible_column("Image", "compact", pseudo, -1)[3] == pseudo.to_dict()
    assert ml.remove_visible_column("Image", "compact", pseudo) == ["URL", "RID", key]
    assert ml.remove_visible_column("Image", "compact", 0) == ["RID", key]
    assert ml.reorder_visible_columns("Image", "compact", [1, 0]) == [key, "RID"]
    assert ml.reorder_visible_columns("Image", "compact", ["RID", key]) == ["RID", key]
    assert ml.add_visible_column("Image", "detailed", "URL") == ["RID", key, "URL"]
    inbound = ["zoo", "Image_Execution_Image_fkey"]
    listed = ml.add_visible_foreign_key("Image", "*", PseudoColumn(sourcekey="s"))
    assert inbound in listed
    assert inbound not in ml.remove_visible_foreign_key("Image", "*", inbound)
    order = list(range(len(listed) - 1))[::-1]
    assert ml.reorder_visible_foreign_keys("Image", "*", order)[0] == {"sourcekey": "s"}
    ml.apply_annotations()
    kept = ml.get_table_annotations("Image")["visible_columns"]
    assert kept == {"compact": ["RID", key], "detailed": ["RID", key, "URL"]}


def test_what_is_not_there_is_refused_and_changes_nothing(ml: DerivaML) -> None:
    ml.set_visible_columns("Image", VisibleColumns().compact(["RID", "URL"]))
    wrong: list[tuple[Any, type[Exception], str]] = [
        (lambda: ml.add_visible_column("Image", "compact", "Url"), DerivaMLNotFoundError, "'URL'"),
        (lambda: ml.add_visible_column("Image", "compact", ["a", "b"]), DerivaMLNotFoundError, "b"),
        (lambda: ml.add_visible_column("Image", "compact", "RID"), DerivaMLValidationError, "RID"),
        (lambda: ml.add_visible_column("Image", "compact", 5), DerivaMLValidationError, "5"),
        (
            lambda: ml.add_visible_column("Image", "compact", "MD5", 9),
            DerivaMLValidationError,
            "no place 9",
        ),
        (
            lambda: ml.remove_visible_column("Image", "compact", "MD5"),
            DerivaMLNotFoundError,
            "'MD5' is not shown",
        ),
        (lambda: ml.remove_visible_column("Image", "compact", 2), DerivaMLValidationError, "2"),
        (
            lambda: ml.reorder_visible_columns("Image", "compact", [0, 0]),
            DerivaMLValidationError,
            "once",
        ),
        (lambda: ml.set_visible_columns("Image", "RID"), DerivaMLValidationError, "document"),
        (lambda: ml.set_visible_columns("Imag", {}), DerivaMLTableNotFound, "Image"),
        (lambda: ml.set_column_display("Image", "Url", {}), DerivaMLNotFoundError, "URL"),
        (lambda: ml.get_column_annotations("Image", "X"), DerivaMLNotFoundError, "X"),
    ]
    for act, kind, told in wrong:
        with pytest.raises(DerivaMLException, match=told) as caught:
            act()
        assert isinstance(caught.value, kind)
    listed = ml.get_table_annotations("Image")["visible_columns"]
    assert listed == {"compact": ["RID", "URL"]}
    past = ml.catalog_snapshot(ml.catalog.latest_snapshot())
    past.set_visible_columns("Image", {})
    with pytest.raises(DerivaMLReadOnlyError):
        past.apply_annotations()


def test_facets_are_not_overwritten_by_a_list(ml: DerivaML) -> None:
    shown = VisibleColumns().compact(["RID", "URL"])
    for told in (shown, VisibleColumns().filter([Facet("URL")])):
        ml.set_visible_columns("Image", told)
        before = ml.get_table_annotations("Image")["visible_columns"]
        for act in (
            lambda: ml.add_visible_column("Image", "filter", "URL"),
            lambda: ml.remove_visible_column("Image", "filter", 0),
            lambda: ml.reorder_visible_columns("Image", "filter", []),
        ):
            with pytest.raises(DerivaMLValidationError, match="facets"):
                act()
        assert ml.get_table_annotations("Image")["visible_columns"] == before


def test_a_strict_table_is_marked(ml: DerivaML) -> None:
    ml.set_strict_preallocated_rid("Image")
    assert ml.is_strict_preallocated_rid("Image")
    assert not ml.model.is_strict_preallocated_rid("Image")
    ml.apply_annotations()
    assert ml.model.is_strict_preallocated_rid("Image")
    ml.set_strict_preallocated_rid("Image", False)
    ml.apply_annotations()
    assert not ml.model.is_strict_preallocated_rid("Image")
    with pytest.raises(DerivaMLTableTypeError):
        ml.set_strict_preallocated_rid("Subject")


def test_templates_are_told_what_they_may_use(ml: DerivaML) -> None:
    found = ml.get_handlebars_template_variables("Image")
    columns = {c["name"]: c for c in found["columns"]}
    assert columns["Filename"]["template"] == "{{{Filename}}}"
    assert columns["Length"]["type"] == "int8"
    keys = {f["referenced_table"]: f for f in found["foreign_keys"]}
    assert keys["zoo:Subject"]["row_name"] == "{{{$fkeys.zoo.Image_Subject_fkey.rowName}}}"


# --- the whole catalog ---------------------------------------------------------------


def menu(ml: DerivaML) -> dict[str, list[str]]:
    children = ml.model.chaise_config["navbarMenu"]["children"]
    return {m["name"]: [c["name"] for c in m.get("children", [])] for m in children}


def test_the_menu_follows_the_tables(ml: DerivaML) -> None:
    assert ml.model.chaise_config == {}
    ml.create_vocabulary("Breed")
    assert ml.model.chaise_config == {}
    ml.apply_catalog_annotations("Zoo browser", "Zoo")
    config = ml.model.chaise_config
    assert (config["navbarBrandText"], config["headTitle"]) == ("Zoo browser", "Zoo")
    found = menu(ml)
    assert found["zoo"] == ["Subject"]
    assert found["Assets"] == ["Image"]
    assert found["Features"] == ["Image:Label"]
    assert "Breed" in found["Vocabulary"]
    assert found["Deriva-ML"][:2] == ["Workflow", "Execution"]
    ml.create_table(TableDefinition("Visit", [ColumnDefinition("Day", "date")]))
    ml.create_vocabulary("Color", update_navbar=False)
    assert menu(ml)["zoo"] == ["Subject", "Visit"]
    assert "Color" not in menu(ml)["Vocabulary"]
    ml.create_asset("Mask")
    assert {"Color", "Breed"} <= set(menu(ml)["Vocabulary"])
    assert menu(ml)["Assets"] == ["Image", "Mask"]
    ml.create_feature("Subject", "Kind", terms=["Breed"])
    assert menu(ml)["Features"] == ["Image:Label", "Subject:Kind"]
    assert ml.model.chaise_config["navbarBrandText"] == "Zoo browser"


def test_a_page_is_added(ml: DerivaML) -> None:
    first = ml.add_page("About", "# Animals")
    second = ml.add_page("More", "text")
    rows = {r["RID"]: (r["Title"], r["Content"]) for r in ml.get_table_as_dict("WWW:Page")}
    assert rows == {first: ("About", "# Animals"), second: ("More", "text")}
    with pytest.raises(DerivaMLValidationError, match="title"):
        ml.add_page(" ", "x")


def test_an_asset_table_without_a_type_or_an_upload(ml: DerivaML) -> None:
    made = ml.create_asset_table("Scan", [ColumnDefinition("Depth", "int4")], "Scans.")
    assert ml.model.is_asset(made)
    assert ml.model.asset_metadata(made) == {"Depth"}
    assert [c.name for c in ml.model.asset_metadata_columns("Scan")] == ["Depth"]
    assert "Scan" not in {t.name for t in ml.list_vocabulary_terms("Asset_Type")}
    elsewhere = ml.create_asset_table("Tape", use_hatrac=False)
    tag = "tag:isrd.isi.edu,2017:asset"
    assert "url_pattern" in made.by_name["URL"].annotations[tag]
    assert "url_pattern" not in elsewhere.by_name["URL"].annotations[tag]
    code = Workflow(name="w", workflow_type="Training", url="https://x/w.py", checksum="1")
    with ml.create_execution(workflow=code) as exe:
        exe.asset_file_path("Scan", "a.bin", "Output_File").write_text("a")
    exe.upload_execution_outputs()
    assert len(ml.list_assets("Scan")) == 1
    with pytest.raises(DerivaMLValidationError, match="already"):
        ml.create_asset_table("Scan")


# --- the model -----------------------------------------------------------------------


def test_the_model_knows_what_tables_are_for(ml: DerivaML) -> None:
    known = ml.model
    assert {t.name for t in known.list_dataset_element_types()} >= {"Subject", "Image"}
    assert str(known.lookup_feature("Image", "Label")) == "Image:Label"
    with pytest.raises(DerivaMLNotFoundError, match="'Label'"):
        known.lookup_feature("Image", "Lable")
    assert known.refresh_model() == known.model
    made = known.create_table(TableDefinition("Visit", [ColumnDefinition("Day", "date")]))
    assert made.qualified == "zoo:Visit"
    kept = model.DerivaModel.from_cached(ml.catalog.document(), catalog=ml.catalog)
    assert kept.get_schema_description() == known.get_schema_description()
    with pytest.raises(DerivaMLException, match="offline"):
        kept.is_dataset_rid("1ABC")
    with pytest.raises(DerivaMLValidationError, match="no model document"):
        model.DerivaModel.from_cached({})


def test_the_model_knows_datasets(ml: DerivaML) -> None:
    execution = ml.unknown_provenance_execution_rid()
    dataset = ml.datasets.create(["Training"], "d", execution)
    assert ml.model.is_dataset_rid(dataset.dataset_rid)
    assert not ml.model.is_dataset_rid(execution)
    ml.delete_dataset(dataset)
    assert not ml.model.is_dataset_rid(dataset.dataset_rid)
    assert ml.model.is_dataset_rid(dataset.dataset_rid, deleted=True)


def test_tables_and_columns_are_described(ml: DerivaML) -> None:
    table = model.TableHandle(ml, "Subject")
    assert (repr(table), table.schema_name) == ("TableHandle('zoo:Subject')", "zoo")
    table.description = "Animals of the zoo."
    table.display_name = "Animal"
    name = table.column("Name")
    name.description = "What it is called."
    name.set_annotation(model.TAG_COLUMN_DISPLAY, ColumnDisplay())
    age = table.add_column(ColumnDefinition("Age", "int4"))
    assert (age.type, age.nullok, age.table) == ("int4", True, table)
    assert [c.name for c in table.columns][-2:] == ["Name", "Age"]
    again = model.TableHandle(ml, ml.session.table("Subject"))
    assert (again.description, again.display_name) == ("Animals of the zoo.", "Animal")
    assert again.column("Name").description == "What it is called."
    assert again.column("Name").annotations == {model.TAG_COLUMN_DISPLAY: {}}
    table.display_name = None
    assert again.display_name == "Subject"
    assert again.annotations == {}
    with pytest.raises(DerivaMLNotFoundError, match="'Nme'"):
        table.column("Nme")
    with pytest.raises(DerivaMLTableNotFound):
        model.TableHandle(ml, "Subjct")
