import pytest

from deriva_catalog.errors import BadRequest, Conflict, Forbidden, NotFound, UnknownName
from deriva_catalog.model import (
    Address,
    ColumnAdded,
    ColumnDropped,
    ColumnRetyped,
    ForeignKeyAdded,
    ForeignKeyAltered,
    ForeignKeyDropped,
    KeyAdded,
    KeyDropped,
    NullabilityChanged,
    TableCreated,
    TableDropped,
    alter,
    column_document,
    create,
    create_column,
    create_foreign_key,
    create_key,
    create_schema,
    create_table,
    describe_table,
    drop,
    find_table,
    foreign_key_document,
    key_document,
    set_annotation,
    table_at,
    table_document,
)


@pytest.fixture
def model(empty, next_rid):
    """S:A (key id) and S:B that refers to it by column a."""
    a = table_document(
        "A", [column_document("id", "int4", nullok=False)], keys=[key_document(["id"])]
    )
    b = table_document(
        "B",
        [column_document("a", "int8"), column_document("t", "text")],
        foreign_keys=[foreign_key_document(["a"], "S", "A", ["id"])],
    )
    schema = {"schema_name": "S", "tables": {"B": b, "A": a}}
    return create_schema(empty, schema, next_rid=next_rid, version=2).model


def kinds(change):
    return [type(s) for s in change.structure]


def changed(model, address, document):
    return alter(model, Address(*address), document, version=9)


# --- creation ----------------------------------------------------------------------------


def test_tables_of_a_request_may_refer_to_each_other(empty, next_rid):
    tables = [
        {"schema_name": "S"},
        *(
            table_document(one, [column_document("x", "text")], user_references=False)
            | {"schema_name": "S"}
            for one in "AB"
        ),
        *(
            {
                "foreign_key_columns": [
                    {"schema_name": "S", "table_name": one, "column_name": "x"}
                ],
                "referenced_columns": [
                    {"schema_name": "S", "table_name": other, "column_name": "RID"}
                ],
            }
            for one, other in ("AB", "BA", "AA")
        ),
    ]
    change = create(empty, tables, next_rid=next_rid, version=5)
    assert kinds(change) == [TableCreated] * 2 + [ForeignKeyAdded] * 3
    assert change.elements == (Address("S"), Address("S", "A"), Address("S", "B"))
    assert change.model.version == 5
    names = [f.name for f in table_at(change.model, "S", "A").foreign_keys]
    assert names == ["A_x_fkey", "A_x_fkey1"]
    created = change.structure[0]
    assert len(created.table.foreign_keys) == 2


def test_every_element_gets_its_own_rid(model):
    rids = [s.rid for s in model.schemas.values()]
    for table in model.tables():
        parts = (table, *table.columns, *table.keys, *table.foreign_keys)
        rids += [part.rid for part in parts]
    assert len(rids) == len(set(rids))


def test_builtin_tables_have_the_published_names(empty):
    lease = table_at(empty, "public", "ERMrest_RID_Lease")
    assert [k.name for k in lease.keys] == [
        "ERMrest_RID_Lease_pkey",
        "ERMrest_RID_Lease_RCB_ID_key",
    ]
    assert lease.acls["enumerate"] == ("*",)
    assert lease.acl_bindings["lessee_access"]["projection"] == ["RCB"]
    assert [c.name for c in table_at(empty, "public", "ERMrest_Client").columns[5:]] == [
        "ID",
        "Display_Name",
        "Full_Name",
        "Email",
        "Client_Object",
    ]


def without(document, column):
    kept = [c for c in document["column_definitions"] if c["name"] != column]
    return {**document, "column_definitions": kept}


@pytest.mark.parametrize(
    ("document", "error", "message"),
    [
        (without(table_document("T"), "RMB"), BadRequest, "lacks the system column 'RMB'"),
        ({**table_document("T"), "keys": []}, BadRequest, "no key on RID"),
        ({**table_document("T"), "schema_name": "X"}, Conflict, "schema_name"),
        ({**table_document("T"), "annotations": None}, BadRequest, "Annotations"),
        ({**table_document("T"), "acls": {"owner": None}}, BadRequest, "list of role"),
        ({**table_document("T"), "acls": {"create": []}}, Conflict, "no ACL called"),
        ({**table_document("T"), "acls": {"insert": ["*"]}}, BadRequest, "anonymous|Anonymous"),
        ({**table_document("T"), "comment": 3}, BadRequest, "comment"),
        (table_document("A"), Conflict, "exists already"),
        (table_document("x" * 64), BadRequest, "63"),
        ({"table_name": "T", "column_definitions": 3}, BadRequest, "is a list"),
        (
            table_document("T", [{"name": "c", "type": {"typename": "numeric"}}]),
            Conflict,
            'Unsupported type "numeric"',
        ),
        (table_document("T", [{"name": "c"}]), BadRequest, "needs a 'type'"),
        (
            table_document("T", [column_document("c", "text")] * 2),
            Conflict,
            r"one name: \['c'\]",
        ),
        (table_document("T", [column_document("c", "int4", default="x")]), BadRequest, "int4"),
        (table_document("T", keys=[key_document(["nope"])]), BadRequest, "unknown column 'nope'"),
        (table_document("T", keys=[key_document([])]), BadRequest, "non-empty"),
        (
            table_document("T", keys=[{"unique_columns": ["RCT"], "names": ["x"]}]),
            BadRequest,
            "pairs",
        ),
        (
            table_document("T", keys=[key_document(["RCT"]), key_document(["RCT"])]),
            Conflict,
            "already",
        ),
        (
            table_document("T", [column_document("j", "json")], keys=[key_document(["j"])]),
            Conflict,
            "cannot be in a key",
        ),
        (
            table_document("T", foreign_keys=[foreign_key_document(["RCB"], "S", "A", ["RMT"])]),
            Conflict,
            "cannot refer|not a key",
        ),
        (
            table_document("T", foreign_keys=[foreign_key_document(["RCB"], "S", "A", ["RMB"])]),
            Conflict,
            "are not a key",
        ),
        (
            table_document("T", foreign_keys=[foreign_key_document(["x"], "S", "A")]),
            Conflict,
            "no column 'x'",
        ),
        (
            table_document("T", foreign_keys=[foreign_key_document(["RCB"], "S", "Z")]),
            Conflict,
            "no table 'S:Z'",
        ),
        (
            table_document(
                "T", foreign_keys=[foreign_key_document(["RCB"], "S", "A", on_delete="EXPLODE")]
            ),
            BadRequest,
            "'on_delete' is one of",
        ),
    ],
)
def test_documents_that_contradict_the_protocol_are_refused(
    model, next_rid, document, error, message
):
    with pytest.raises(error, match=message):
        create_table(model, "S", document, next_rid=next_rid, version=9)


def test_unrecognised_documents_are_refused(model, next_rid):
    with pytest.raises(BadRequest, match="no schema, table or foreign key"):
        create(model, [{"name": "x"}], next_rid=next_rid, version=9)


def test_null_names_mean_generate(model, next_rid):
    key = {"unique_columns": ["t", "a"], "names": None}
    change = create_key(model, "S", "B", key, next_rid=next_rid, version=9)
    assert kinds(change) == [KeyAdded]
    assert change.structure[0].key.name == "B_t_a_key"
    with pytest.raises(Conflict, match="already"):
        create_key(change.model, "S", "B", key_document(["a", "t"]), next_rid=next_rid, version=9)


def test_actions_are_kept_in_upper_case(model, next_rid):
    fkey = foreign_key_document(["t"], "S", "A", on_delete="set null") | {"on_update": None}
    change = create_foreign_key(model, "S", "B", fkey, next_rid=next_rid, version=9)
    made = change.structure[0].foreign_key
    assert (made.on_delete, made.on_update) == ("SET NULL", "NO ACTION")
    assert made.acls == {"insert": ("*",), "update": ("*",)}


def test_a_serial_column_is_not_null_and_shows_no_default(model, next_rid):
    change = create_column(
        model, "S", "B", column_document("n", "serial4", default=7), next_rid=next_rid, version=9
    )
    column = change.structure[0].column
    assert kinds(change) == [ColumnAdded]
    assert (column.nullok, column.default) == (False, None)


def test_defaults_become_canonical(model, next_rid):
    when = column_document("w", "timestamptz", default="2026-01-01T01:00:00+01:00")
    tags = column_document("x", "text[]", default=["a"])
    one = create_column(model, "S", "B", when, next_rid=next_rid, version=9).structure[0].column
    other = create_column(model, "S", "B", tags, next_rid=next_rid, version=9).structure[0].column
    assert one.default == "2026-01-01T00:00:00+00:00"
    assert other.default == ["a"]


def test_an_unknown_parent_is_a_conflict(model, next_rid):
    with pytest.raises(Conflict, match="no schema 'X'"):
        create_table(model, "X", table_document("T"), next_rid=next_rid, version=9)
    with pytest.raises(UnknownName, match="no table 'b'") as caught:
        create_column(model, "S", "b", column_document("c", "text"), next_rid=next_rid, version=9)
    assert "'B'" in caught.value.hint


# --- alteration --------------------------------------------------------------------------


def test_renaming_a_table_takes_its_references_along(model):
    change = changed(model, ("S", "A"), {"table_name": "Z"})
    fkey = table_at(change.model, "S", "B").foreign_keys[0]
    assert (fkey.referenced_schema, fkey.referenced_table) == ("S", "Z")
    assert change.structure == ()
    assert change.elements == (Address("S", "Z"),)
    assert table_at(change.model, "S", "Z").rid == table_at(model, "S", "A").rid
    with pytest.raises(UnknownName):
        table_at(change.model, "S", "A")


def test_renaming_a_schema_takes_its_references_along(model):
    change = changed(model, ("S",), {"schema_name": "Q", "comment": "moved"})
    b = table_at(change.model, "Q", "B")
    assert b.schema == "Q"
    assert b.foreign_keys[0].referenced_schema == "Q"
    assert change.model.schemas["Q"].comment == "moved"
    assert "S" not in change.model.schemas
    assert describe_table(b)["keys"][0]["names"] == [["Q", "B_RID_key"]]


def test_a_table_moves_to_another_schema(model, next_rid):
    two = create_schema(model, "Two", next_rid=next_rid, version=3).model
    change = changed(two, ("S", "A"), {"schema_name": "Two"})
    assert table_at(change.model, "S", "B").foreign_keys[0].referenced_schema == "Two"
    with pytest.raises(Conflict, match="no schema"):
        changed(two, ("S", "A"), {"schema_name": "Three"})


def test_a_move_to_taken_constraint_names_is_refused(model, next_rid):
    other = {"schema_name": "Two", "tables": {"A2": table_document("A2")}}
    two = create_schema(model, other, next_rid=next_rid, version=3).model
    key = key_document(["RCT"], name="A_RID_key")
    two = create_key(two, "Two", "A2", key, next_rid=next_rid, version=4).model
    with pytest.raises(Conflict, match="constraints called"):
        changed(two, ("S", "A"), {"schema_name": "Two"})


def test_renaming_a_column_takes_keys_and_references_along(model):
    change = changed(model, ("S", "A", "id"), {"name": "ident"})
    a, b = table_at(change.model, "S", "A"), table_at(change.model, "S", "B")
    assert [k.columns for k in a.keys] == [("RID",), ("ident",)]
    assert b.foreign_keys[0].referenced_columns == ("ident",)
    assert change.structure == ()
    assert change.elements == (Address("S", "A", column="ident"),)


def test_a_self_reference_follows_the_renames_of_both_sides(model, next_rid):
    fkey = foreign_key_document(["t"], "S", "B")
    loop = create_foreign_key(model, "S", "B", fkey, next_rid=next_rid, version=3).model
    renamed = changed(loop, ("S", "B", "t"), {"name": "up"}).model
    renamed = changed(renamed, ("S", "B"), {"table_name": "C"}).model
    found = table_at(renamed, "S", "C").foreign_keys[-1]
    assert (found.columns, found.referenced_table) == (("up",), "C")


def test_retyping_gives_a_new_generation(model):
    change = changed(model, ("S", "B", "t"), {"type": {"typename": "markdown"}})
    (retyped,) = change.structure
    assert isinstance(retyped, ColumnRetyped)
    assert (retyped.old.generation, retyped.new.generation) == (0, 1)
    assert retyped.new.physical != retyped.old.physical
    again = changed(change.model, ("S", "B", "t"), {"type": {"typename": "markdown"}})
    assert again.structure == ()


def test_retyping_converts_the_default(model, next_rid):
    document = column_document("n", "text", default="12")
    wide = create_column(model, "S", "B", document, next_rid=next_rid, version=3).model
    (retyped,) = changed(wide, ("S", "B", "n"), {"type": {"typename": "int4"}}).structure
    assert retyped.new.default == 12


def test_retyping_against_a_foreign_key_is_refused(model):
    for table, column in (("A", "id"), ("B", "a")):
        with pytest.raises(Conflict, match="foreign key 'B_a_fkey'"):
            changed(model, ("S", table, column), {"type": {"typename": "text"}})
    with pytest.raises(Conflict, match="cannot become serial4"):
        changed(model, ("S", "B", "a"), {"type": {"typename": "serial4"}})


def test_nullok_and_default_change(model):
    change = changed(model, ("S", "B", "t"), {"nullok": False, "default": "x"})
    assert kinds(change) == [NullabilityChanged]
    column = table_at(change.model, "S", "B").by_name["t"]
    assert (column.nullok, column.default) == (False, "x")
    cleared = changed(change.model, ("S", "B", "t"), {"default": None}).model
    assert table_at(cleared, "S", "B").by_name["t"].default is None


@pytest.mark.parametrize(
    ("document", "error"),
    [
        ({"name": "Id"}, Conflict),
        ({"type": {"typename": "text"}}, BadRequest),
        ({"nullok": True}, BadRequest),
        ({"default": "x"}, Forbidden),
        ({"annotations": []}, BadRequest),
    ],
)
def test_system_columns_resist(model, document, error):
    with pytest.raises(error):
        changed(model, ("S", "A", "RID"), document)


def test_a_system_column_can_be_described(model):
    document = {"comment": "row id", "acls": {"select": ["*"]}, "default": None}
    change = changed(model, ("S", "A", "RID"), document)
    column = table_at(change.model, "S", "A").by_name["RID"]
    assert (column.comment, column.acls) == ("row id", {"select": ("*",)})
    assert change.structure == ()


def test_keys_change_all_but_their_columns(model):
    address = Address("S", "A", key=("id",))
    change = alter(model, address, {"names": [["any", "pk"]], "comment": "c"}, version=9)
    key = table_at(change.model, "S", "A").keys[1]
    assert (key.name, key.comment) == ("pk", "c")
    with pytest.raises(BadRequest, match="cannot change"):
        alter(model, address, {"unique_columns": ["RID"]}, version=9)
    with pytest.raises(Conflict, match="already"):
        alter(model, address, {"names": [["", "B_a_fkey"]]}, version=9)


def test_foreign_keys_change_their_actions(model):
    address = Address("S", "B", foreign_key=("a",))
    change = alter(model, address, [{"on_delete": "cascade"}], version=9)
    assert kinds(change) == [ForeignKeyAltered]
    assert change.structure[0].foreign_key.on_delete == "CASCADE"
    assert alter(model, address, {"on_delete": "no action"}, version=9).structure == ()


def test_annotations_are_set_and_removed_one_by_one(model):
    address = Address("S", "A")
    one = set_annotation(model, address, "tag:x", {"a": [1]}, version=3).model
    two = set_annotation(one, address, "tag:y", False, version=4).model
    three = set_annotation(two, address, "tag:x", None, version=5).model
    assert table_at(three, "S", "A").annotations == {"tag:y": False}
    with pytest.raises(NotFound, match="tag:x"):
        set_annotation(three, address, "tag:x", None, version=6)


def test_what_the_caller_sent_is_copied(model):
    sent = {"tag:x": {"list": [1]}}
    changed_model = changed(model, (), {"annotations": sent}).model
    sent["tag:x"]["list"].append(2)
    assert changed_model.annotations == {"tag:x": {"list": [1]}}


def test_builtin_tables_stay_where_they_are(model):
    with pytest.raises(Conflict, match="built in"):
        changed(model, ("public", "ERMrest_Client"), {"table_name": "Users"})
    with pytest.raises(Conflict, match="built in"):
        changed(model, ("public",), {"schema_name": "private"})
    assert changed(model, ("public", "ERMrest_Client"), {"acls": {"select": ["*"]}})


def test_models_are_never_changed_in_place(model):
    before = repr(model)
    changed(model, ("S", "A"), {"table_name": "Z"})
    drop(model, Address("S", "B"), version=9)
    assert repr(model) == before


# --- removal -----------------------------------------------------------------------------


def test_a_schema_is_dropped_when_it_is_empty(model):
    with pytest.raises(Conflict, match="still has 2 tables: 'A', 'B'"):
        drop(model, Address("S"), version=9)
    model = drop(model, Address("S", "B"), version=9).model
    change = drop(model, Address("S", "A"), version=9)
    assert kinds(change) == [ForeignKeyDropped, ForeignKeyDropped, TableDropped]
    assert "S" not in drop(change.model, Address("S"), version=9).model.schemas


@pytest.mark.parametrize(
    "address",
    [
        Address("S", "A"),
        Address("S", "A", column="id"),
        Address("S", "A", key=("id",)),
        Address("S", "A", key=("RID",)),
        Address("S", "A", column="RCT"),
        Address("public", "ERMrest_Group"),
        Address(),
    ],
)
def test_what_is_needed_cannot_be_dropped(model, address):
    with pytest.raises(Conflict):
        drop(model, address, version=9)


def test_a_column_takes_its_constraints_along(model, next_rid):
    key = key_document(["a", "t"])
    model = create_key(model, "S", "B", key, next_rid=next_rid, version=3).model
    change = drop(model, Address("S", "B", column="a"), version=9)
    assert kinds(change) == [ForeignKeyDropped, KeyDropped, ColumnDropped]
    b = table_at(change.model, "S", "B")
    assert [k.columns for k in b.keys] == [("RID",)]
    assert [f.columns for f in b.foreign_keys] == [("RCB",), ("RMB",)]


def test_missing_elements_are_told_apart(model):
    for address in (Address("X"), Address("S", "X"), Address("S", "A", "x")):
        with pytest.raises(NotFound):
            drop(model, address, version=9)
    with pytest.raises(NotFound):
        drop(model, Address("S", "B", key=("a",)), version=9)
    for address in (Address("X", "A"), Address("S", "X", "c"), Address("S", "A", key=("x",))):
        with pytest.raises(UnknownName):
            drop(model, address, version=9)


# --- ACL bindings ------------------------------------------------------------------------


@pytest.fixture
def guarded(model):
    binding = {
        "types": ["select"],
        "projection": [
            {"outbound": ["S", "B_a_fkey"], "alias": "a"},
            {"filter": ["base", "t"], "operand": "x"},
            {"or": [{"filter": "id", "operator": "::gt::", "operand": 3}]},
            "RCB",
        ],
    }
    return changed(model, ("S", "B"), {"acl_bindings": {"guard": binding}}).model


def test_bindings_get_their_defaults(guarded):
    binding = table_at(guarded, "S", "B").acl_bindings["guard"]
    assert (binding["projection_type"], binding["scope_acl"]) == ("acl", ["*"])


def test_bindings_follow_renames(guarded):
    moved = changed(guarded, ("S",), {"schema_name": "Q"}).model
    moved = changed(moved, ("Q", "A", "id"), {"name": "ident"}).model
    moved = changed(moved, ("Q", "B", "t"), {"name": "text"}).model
    join, base, either, last = table_at(moved, "Q", "B").acl_bindings["guard"]["projection"]
    assert join["outbound"] == ["Q", "B_a_fkey"]
    assert base["filter"] == ["base", "text"]
    assert either["or"][0]["filter"] == "ident"
    assert last == "RCB"


def test_bindings_go_with_what_they_use(guarded):
    dropped = drop(guarded, Address("S", "B", foreign_key=("a",)), version=9).model
    assert table_at(dropped, "S", "B").acl_bindings == {}
    dropped = drop(guarded, Address("S", "B", column="t"), version=9).model
    assert table_at(dropped, "S", "B").acl_bindings == {}


@pytest.mark.parametrize(
    ("binding", "error"),
    [
        ({"types": ["select"], "projection": "nope"}, Conflict),
        ({"types": ["select"], "projection": [{"outbound": ["S", "x"]}, "RID"]}, Conflict),
        ({"types": ["select"], "projection": [{"inbound": ["S", "B_a_fkey"]}, "RID"]}, BadRequest),
        ({"types": ["insert"], "projection": "RCB"}, BadRequest),
        ({"types": [], "projection": "RCB"}, BadRequest),
        ({"types": ["select"], "projection": []}, BadRequest),
        ({"types": ["select"], "projection": [{"x": 1}, "RCB"]}, BadRequest),
        ({"types": ["select"], "projection": [{"filter": "a", "operand": "x"}, "RCB"]}, BadRequest),
        ({"types": ["select"], "projection": [{"filter": "t", "operand": []}, "RCB"]}, BadRequest),
        (False, BadRequest),
        (None, BadRequest),
    ],
)
def test_bindings_that_make_no_sense_are_refused(model, binding, error):
    with pytest.raises(error):
        changed(model, ("S", "B"), {"acl_bindings": {"b": binding}})


# --- lookups -----------------------------------------------------------------------------


def test_a_table_is_found_by_its_unique_name(model, next_rid):
    from deriva_catalog.path.ast import TableName

    assert find_table(model, TableName("A")).qualified == "S:A"
    assert find_table(model, TableName("A", "S")).qualified == "S:A"
    with pytest.raises(UnknownName, match="no table 'a'") as caught:
        find_table(model, TableName("a"))
    assert "'A'" in caught.value.hint
    other = {"schema_name": "T", "tables": {"A": table_document("A")}}
    twice = create_schema(model, other, next_rid=next_rid, version=3).model
    with pytest.raises(Conflict, match="several schemas: 'S', 'T'"):
        find_table(twice, TableName("A"))
