import json
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deriva_catalog import rid
from deriva_catalog.errors import BadRequest, Corrupted
from deriva_catalog.model import (
    Address,
    Column,
    ForeignKey,
    Key,
    Model,
    Schema,
    Table,
    asset_document,
    association_document,
    create,
    create_schema,
    describe_element,
    describe_model,
    describe_table,
    load_stored,
    parse_type,
    read_model,
    stored_document,
    table_at,
    table_document,
    vocabulary_document,
)

NAMES = st.sampled_from(["a", "A", "select", "a/b:c,d", "%2F", "'\"", "RID", "表", " ", "t;--"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2),
    max_leaves=4,
)
ANNOTATIONS = st.dictionaries(NAMES, JSON, max_size=2)
ACLS = st.dictionaries(
    st.sampled_from(["select", "enumerate"]), st.lists(NAMES, max_size=2).map(tuple), max_size=2
)
TYPES = st.sampled_from(["int4", "markdown", "text[]", "jsonb", "ermrest_rct", "serial8"])
COMMENTS = st.none() | st.text(max_size=5)


@st.composite
def columns(draw):
    name = draw(NAMES)
    return Column(
        rid=rid.encode(draw(st.integers(1, 1 << 40))),
        name=name,
        type=parse_type(draw(TYPES)),
        nullok=draw(st.booleans()),
        default=None if name == "RID" else draw(JSON),
        comment=draw(COMMENTS),
        annotations=draw(ANNOTATIONS),
        acls=draw(ACLS),
        acl_bindings=draw(ANNOTATIONS),
        generation=draw(st.integers(0, 3)),
    )


@st.composite
def tables(draw, schema):
    own = tuple(draw(st.lists(columns(), min_size=1, max_size=3, unique_by=lambda c: c.name)))
    picked = tuple(c.name for c in own)
    key = Key("2", draw(NAMES), picked, draw(COMMENTS), draw(ANNOTATIONS))
    fkey = ForeignKey(
        "4", draw(NAMES), picked, draw(NAMES), draw(NAMES), picked, "CASCADE", acls=draw(ACLS)
    )
    return Table(
        rid="6",
        schema=schema,
        name=draw(NAMES),
        columns=own,
        keys=(key,),
        foreign_keys=draw(st.sampled_from([(), (fkey,)])),
        comment=draw(COMMENTS),
        annotations=draw(ANNOTATIONS),
        acls=draw(ACLS),
    )


@st.composite
def models(draw):
    schemas = {}
    for name in draw(st.lists(NAMES, max_size=2, unique=True)):
        inner = draw(st.lists(tables(name), max_size=2, unique_by=lambda t: t.name))
        schemas[name] = Schema("8", name, {t.name: t for t in inner}, draw(COMMENTS))
    return Model(draw(st.integers(0, 1 << 60)), schemas, draw(ANNOTATIONS), draw(ACLS))


@settings(max_examples=60)
@given(models())
def test_stored_documents_give_back_an_equal_model(model):
    assert load_stored(json.loads(json.dumps(stored_document(model)))) == model


@settings(max_examples=30)
@given(models())
def test_canonical_documents_are_stable(model):
    document = json.loads(json.dumps(describe_model(model, features={"trs": True})))
    assert describe_model(read_model(document), features={"trs": True}) == document


@pytest.fixture
def model(empty, next_rid):
    schema = {"schema_name": "S", "tables": {"T": table_document("T", comment="things")}}
    return create_schema(empty, schema, next_rid=next_rid, version=1924950896789012).model


def test_system_columns_show_their_defaults_and_rights(model):
    by_name = {
        c["name"]: c for c in describe_table(table_at(model, "S", "T"))["column_definitions"]
    }
    assert by_name["RID"]["default"] == (
        "_ermrest.urlb32_encode(nextval('_ermrest.rid_seq'::regclass))"
    )
    updatable = {name: c["rights"]["update"] for name, c in by_name.items()}
    insertable = {name: c["rights"]["insert"] for name, c in by_name.items()}
    assert updatable == {"RID": False, "RCT": True, "RMT": False, "RCB": False, "RMB": False}
    assert insertable == {"RID": True, "RCT": True, "RMT": False, "RCB": True, "RMB": False}
    assert by_name["RID"]["type"] == {
        "typename": "ermrest_rid",
        "is_domain": True,
        "base_type": {"typename": "text"},
    }


def test_the_catalog_document_has_all_acls_and_the_time_of_the_model(model):
    document = describe_model(model, features={"trs": True})
    assert document["snaptime"] == "3DD-EWED-7318"
    assert len(document["acls"]) == 8
    assert document["features"] == {"trs": True}


def test_documents_share_nothing_with_the_model(model):
    document = describe_model(model, features={})
    document["schemas"]["public"]["tables"].clear()
    shown = describe_element(model, Address("public", "ERMrest_RID_Lease"), features={})
    shown["acl_bindings"]["lessee_access"]["types"].clear()
    lease = table_at(model, "public", "ERMrest_RID_Lease")
    assert lease.acl_bindings["lessee_access"]["types"] == ["select", "update", "delete"]


def test_elements_are_described_at_their_addresses(model):
    assert describe_element(model, Address("S"), features={}, tables=False)["tables"] == {}
    key = describe_element(model, Address("S", "T", key=("RID",)), features={})
    assert key["names"] == [["S", "T_RID_key"]]
    fkey = describe_element(model, Address("S", "T", foreign_key=("RCB",)), features={})
    assert fkey["names"] == [["S", "T_RCB_fkey"]]
    assert fkey["rights"] == {"insert": True, "update": True}


def test_damaged_stored_models_are_reported():
    with pytest.raises(Corrupted, match="format"):
        load_stored({"format": 99})
    with pytest.raises(Corrupted, match="damaged"):
        load_stored({"format": 1, "version": 1, "schemas": {"S": {}}})
    with pytest.raises(BadRequest, match="no model document"):
        read_model({"snaptime": "2", "schemas": []})


def test_defined_tables_pass_the_checks_of_creation(empty):
    numbers = count(1000)
    documents = [
        {"schema_name": "ml"},
        *(
            document | {"schema_name": "ml"}
            for document in (
                vocabulary_document("Kind", "ml:{RID}", comment="Kinds"),
                asset_document("Image", url_pattern="/hatrac/{{MD5}}"),
                association_document([("Image", "ml", "Image"), ("Kind", "ml", "Kind", "Name")]),
            )
        ),
    ]
    model = create(empty, documents, next_rid=lambda: rid.encode(next(numbers)), version=2).model
    link = table_at(model, "ml", "Image_Kind")
    assert [k.name for k in link.keys] == ["Image_Kind_RID_key", "Image_Kind_assoc_key"]
    assert [f.name for f in link.foreign_keys] == [
        "Image_Kind_Image_fkey",
        "Image_Kind_Kind_fkey",
        "Image_Kind_RCB_fkey",
        "Image_Kind_RMB_fkey",
    ]
    assert link.foreign_keys[1].referenced_columns == ("Name",)
    assert link.foreign_keys[0].on_delete == "CASCADE"
    kind = table_at(model, "ml", "Kind")
    assert kind.by_name["ID"].default == "ml:{RID}"
    assert kind.by_name["URI"].default == "/id/{RID}"
    image = table_at(model, "ml", "Image")
    assert image.by_name["URL"].annotations["tag:isrd.isi.edu,2017:asset"] == {
        "filename_column": "Filename",
        "byte_count_column": "Length",
        "md5": "MD5",
        "url_pattern": "/hatrac/{{MD5}}",
    }


def test_a_prompt_shows_names_not_documents():
    pet = Table("1", "zoo", "Pet", (Column("2", "RID", parse_type("ermrest_rid")),))
    assert repr(pet) == "<table zoo:Pet: RID>"
    assert repr(pet.columns) == "(<column RID (ermrest_rid)>,)"
    assert repr(Model(1, {"zoo": Schema("3", "zoo", {"Pet": pet})})) == "<model of zoo>"
