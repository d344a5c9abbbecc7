"""Constants, enumerations and table definitions."""

import pytest
from pydantic import TypeAdapter, ValidationError

from deriva_ml.core.definitions import (
    RID,
    AssetTableDef,
    AssociationTableDef,
    BuiltinTypes,
    CacheStatus,
    ColumnDefinition,
    ExecutionStatus,
    ForeignKeyDefinition,
    KeyDefinition,
    SchemaDef,
    Status,
    TableDefinition,
    VocabularyTableDef,
    is_rid,
)


@pytest.mark.parametrize("text", ["1ABC", "0000", "1", "2-277G", "1-ABCD-0012@2Z9-XXXX"])
def test_rid_in_its_form_is_accepted(text: str) -> None:
    assert is_rid(text)
    assert TypeAdapter(RID).validate_python(text) == text


@pytest.mark.parametrize("text", ["", "1abc", "12345", "1-ABC", "1ABC@", "1ABC\n", "A B"])
def test_rid_in_another_form_is_refused(text: str) -> None:
    assert not is_rid(text)
    with pytest.raises(ValidationError):
        TypeAdapter(RID).validate_python(text)


def test_older_states_have_a_state_of_today() -> None:
    assert Status.pending.execution_status is ExecutionStatus.Created
    assert Status.completed.execution_status is ExecutionStatus.Uploaded
    assert {s.execution_status for s in Status} <= set(ExecutionStatus)


def test_incomplete_is_another_name_of_holey() -> None:
    assert CacheStatus.cached_incomplete is CacheStatus.cached_holey


def test_older_and_newer_names_define_the_same_table() -> None:
    newer = TableDefinition(
        "Image",
        [ColumnDefinition("Subject", BuiltinTypes.text, nullok=False)],
        [KeyDefinition(("Subject",), "one_each")],
        [ForeignKeyDefinition(("Subject",), "demo", "Subject", ("RID",), "Image_Subject_fkey")],
    )
    older = TableDefinition(
        name="Image",
        column_defs=[ColumnDefinition(name="Subject", type="text", nullok=False)],
        key_defs=[KeyDefinition(colnames=["Subject"], constraint_names=[["demo", "one_each"]])],
        fkey_defs=[
            ForeignKeyDefinition(
                colnames=["Subject"],
                pk_sname="demo",
                pk_tname="Subject",
                pk_colnames=["RID"],
                constraint_names=[["demo", "Image_Subject_fkey"]],
            )
        ],
    )
    assert older.to_dict() == newer.to_dict()


def test_table_document_has_system_columns_once_and_a_key_on_rid() -> None:
    rid = ColumnDefinition("RID", BuiltinTypes.ermrest_rid, nullok=False)
    document = TableDefinition("T", [rid, {"name": "a", "type": {"typename": "int4"}}]).to_dict()
    names = [c["name"] for c in document["column_definitions"]]
    assert sorted(names) == ["RCB", "RCT", "RID", "RMB", "RMT", "a"]
    assert [k["unique_columns"] for k in document["keys"]] == [["RID"]]


def test_vocabulary_has_the_five_columns_and_their_keys() -> None:
    document = VocabularyTableDef("Color", "demo:{RID}").to_dict()
    columns = {c["name"]: c for c in document["column_definitions"]}
    assert {"ID", "URI", "Name", "Description", "Synonyms"} <= set(columns)
    assert columns["Synonyms"]["type"]["base_type"] == {"typename": "text"}
    assert columns["ID"]["default"] == "demo:{RID}"
    assert ["Name"] in [k["unique_columns"] for k in document["keys"]]


def test_asset_table_says_where_its_files_go() -> None:
    document = AssetTableDef("demo", "Image").to_dict()
    url = next(c for c in document["column_definitions"] if c["name"] == "URL")
    pattern = url["annotations"]["tag:isrd.isi.edu,2017:asset"]["url_pattern"]
    assert pattern.startswith("/hatrac/{{$catalog.id}}/demo/Image/{{{MD5}}}")


def test_association_links_and_cascades() -> None:
    document = AssociationTableDef(["s:Image", ("Kind", "s:Image_Kind:Name")]).to_dict()
    assert document["table_name"] == "Image_Image_Kind"
    first, second, *users = document["foreign_keys"]
    assert [f["names"][0][1] for f in users] == [
        f"Image_Image_Kind_{c}_fkey" for c in ("RCB", "RMB")
    ]
    assert first["on_delete"] == first["on_update"] == "CASCADE"
    assert second["referenced_columns"][0]["column_name"] == "Name"
    assert ["Image", "Kind"] in [k["unique_columns"] for k in document["keys"]]


def test_association_of_one_table_is_refused() -> None:
    with pytest.raises(ValidationError, match="at least two tables"):
        AssociationTableDef(["s:Image", "s:Image"])


def test_unpaired_foreign_key_is_refused() -> None:
    with pytest.raises(ValidationError, match="differ in number"):
        ForeignKeyDefinition(("a", "b"), "s", "t", ("RID",))


def test_schema_document_holds_its_tables() -> None:
    assert list(SchemaDef("demo", tables=[TableDefinition("T")]).to_dict()["tables"]) == ["T"]
