"""What clients see of a model, and may change in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deriva_catalog.access import ANONYMOUS, Attribute, Client
from deriva_catalog.catalog import LocalCatalog, create_local
from deriva_catalog.errors import (
    Conflict,
    Forbidden,
    NotAuthenticated,
    NotFound,
    ReadOnly,
    UnknownName,
)
from deriva_catalog.interface import Address
from deriva_catalog.model.definitions import (
    column_document,
    foreign_key_document,
    key_document,
    table_document,
)
from deriva_catalog.path.ast import TableName

KIM = Client("kim")
SAM = Client("sam", attributes=(Attribute("staff"),))
CATALOG = Address()
ZOO = Address("zoo")
SPECIES = Address("zoo", "Species")
ANIMAL = Address("zoo", "Animal")
LEGS = Address("zoo", "Species", column="legs")
NAME_KEY = Address("zoo", "Species", key=("name",))
REFERENCE = Address("zoo", "Animal", foreign_key=("species",))
HIDDEN = {"enumerate": [], "select": []}


@pytest.fixture
def zoo(tmp_path: Path) -> Iterator[LocalCatalog]:
    """A catalog with species and the animals that belong to them."""
    species = table_document(
        "Species",
        [column_document("name", "text", nullok=False), column_document("legs", "int4")],
        keys=[key_document(["name"])],
    )
    animal = table_document(
        "Animal",
        [
            column_document("nr", "serial4"),
            column_document("species", "text"),
            column_document("weight", "float8"),
        ],
        keys=[key_document(["nr"])],
        foreign_keys=[foreign_key_document(["species"], "zoo", "Species", ["name"])],
    )
    made = create_local(tmp_path / "catalog", client="kim")
    made.create_schema({"schema_name": "zoo", "tables": {"Species": species, "Animal": animal}})
    yield made
    made.close()


@pytest.fixture
def public(zoo: LocalCatalog) -> LocalCatalog:
    """The zoo, whose model everybody sees and whose rows the staff reads."""
    zoo.set_acls(CATALOG, {"owner": ["kim"], "enumerate": ["*"], "select": ["staff"]})
    return zoo


def cage(name: str = "Cage") -> dict[str, Any]:
    return table_document(name, [column_document("size", "int4")], user_references=False)


# --- what is found, and with which error ---------------------------------------------------


MISSING: list[tuple[Address, bool, type[Exception]]] = [
    (Address("x"), False, NotFound),
    (Address("x"), True, UnknownName),
    (Address("x", "T"), False, UnknownName),
    (Address("zoo", "x"), False, NotFound),
    (Address("zoo", "x"), True, UnknownName),
    (Address("zoo", "x", column="legs"), False, UnknownName),
    (Address("zoo", "Species", column="x"), False, NotFound),
    (Address("zoo", "Species", column="x"), True, NotFound),
    (Address("zoo", "Species", key=("legs",)), False, NotFound),
    (Address("zoo", "Species", key=("legs",)), True, NotFound),
    (Address("zoo", "Species", key=("x",)), False, UnknownName),
    (Address("zoo", "Animal", foreign_key=("weight",)), False, NotFound),
    (Address("zoo", "Animal", foreign_key=("x",)), False, UnknownName),
]


def test_a_missing_element_is_not_found_and_a_missing_container_a_conflict(
    zoo: LocalCatalog,
) -> None:
    for address, inside, error in MISSING:
        with pytest.raises(error):
            zoo.describe(address, inside=inside)


UNREFERENCED: list[tuple[tuple[str, ...], tuple[str, str, tuple[str, ...]], type[Exception]]] = [
    (("weight",), ("zoo", "Species", ("name",)), UnknownName),
    (("x",), ("zoo", "Species", ("name",)), UnknownName),
    (("species",), ("zoo", "x", ("name",)), UnknownName),
    (("species",), ("zoo", "Species", ("x",)), UnknownName),
    (("species",), ("zoo", "Species", ("legs",)), NotFound),
    (("species",), ("zoo", "Species", ("RID",)), NotFound),
    (("species",), ("zoo", "Animal", ("nr",)), NotFound),
]


def test_a_reference_is_not_found_or_a_conflict(zoo: LocalCatalog) -> None:
    for columns, referenced, error in UNREFERENCED:
        address = Address("zoo", "Animal", foreign_key=columns, referenced=referenced)
        with pytest.raises(error):
            zoo.describe(address)


# --- clients -----------------------------------------------------------------------------


def test_a_catalog_that_may_not_be_enumerated_is_closed(zoo: LocalCatalog) -> None:
    with pytest.raises(Forbidden, match="enumerate access on this catalog"):
        zoo.for_client(SAM).document()
    with pytest.raises(NotAuthenticated):
        zoo.for_client(ANONYMOUS).model  # noqa: B018
    with pytest.raises(NotAuthenticated):
        zoo.for_client(ANONYMOUS).create_schema("garden")
    with pytest.raises(NotAuthenticated):
        zoo.for_client(ANONYMOUS).fetch("entity/zoo:Species")
    with pytest.raises(Forbidden, match="enumerate access on this catalog"):
        zoo.for_client(SAM).insert(TableName("Species", "zoo"), [{"name": "cat"}])


def test_documents_have_the_rights_of_the_client(public: LocalCatalog) -> None:
    public.set_acl_binding(
        ANIMAL, "own", {"types": ["update"], "projection": "RCB", "scope_acl": ["staff"]}
    )
    seen = public.for_client(SAM).document()
    assert seen["rights"] == {"owner": False, "create": False}
    assert "acls" not in seen
    zoo = seen["schemas"]["zoo"]
    assert zoo["rights"] == {"owner": False, "create": False}
    animal = zoo["tables"]["Animal"]
    assert animal["rights"] == {
        "owner": False,
        "insert": False,
        "update": None,
        "delete": False,
        "select": True,
    }
    assert "acls" not in animal
    assert "acl_bindings" not in animal
    columns = {c["name"]: c["rights"] for c in animal["column_definitions"]}
    assert columns["weight"] == {"insert": False, "update": None, "delete": False, "select": True}
    assert columns["RID"]["update"] is False
    assert columns["RMT"] == {"insert": False, "update": False, "delete": False, "select": True}
    (fkey,) = animal["foreign_keys"]  # those to users are hidden with their target
    assert fkey["rights"] == {"insert": True, "update": True}
    assert "acls" not in fkey
    visitor = public.for_client(ANONYMOUS).describe(ANIMAL)
    assert visitor["rights"]["select"] is False
    assert visitor["foreign_keys"][0]["rights"] == {"insert": False, "update": False}


def test_owners_read_documents_as_without_restrictions(public: LocalCatalog) -> None:
    kim = public.for_client(KIM)
    assert kim.document() == public.document()
    assert kim.model is public.model
    rights = kim.describe(ANIMAL)["column_definitions"][1]["rights"]
    assert rights == {"insert": True, "update": True, "delete": True, "select": True}  # RCT


def test_hidden_elements_do_not_exist_for_a_client(public: LocalCatalog) -> None:
    public.set_acls(SPECIES, HIDDEN)
    public.set_acls(Address("zoo", "Animal", column="weight"), HIDDEN)
    sam = public.for_client(SAM)
    assert list(sam.document()["schemas"]["zoo"]["tables"]) == ["Animal"]
    animal = sam.describe(ANIMAL)
    assert "weight" not in [c["name"] for c in animal["column_definitions"]]
    assert animal["foreign_keys"] == []
    with pytest.raises(NotFound):
        sam.describe(SPECIES)
    with pytest.raises(UnknownName) as error:
        sam.set_acls(Address("zoo", "Specie"), {})
    assert "Species" not in str(error.value)
    with pytest.raises(NotFound):
        sam.alter(Address("zoo", "Animal", column="weight"), {"nullok": False})
    with pytest.raises(UnknownName):
        sam.create_column(TableName("Species", "zoo"), column_document("x", "text"))


def test_nobody_gives_the_catalog_away_from_themselves(public: LocalCatalog) -> None:
    kim = public.for_client(KIM)
    with pytest.raises(Forbidden, match="would not own"):
        kim.set_acl(CATALOG, "owner", ["sam"])
    with pytest.raises(Forbidden, match="would not own"):
        kim.set_acls(CATALOG, {"select": ["*"]})
    with pytest.raises(Forbidden, match="would not own"):
        kim.alter(CATALOG, {"acls": {}})
    assert kim.set_acl(CATALOG, "owner", ["sam", "kim"]) == ["sam", "kim"]
    assert kim.set_acl(SPECIES, "owner", []) == []


def test_policy_is_for_owners_only(public: LocalCatalog) -> None:
    sam, visitor = public.for_client(SAM), public.for_client(ANONYMOUS)
    with pytest.raises(Forbidden, match="owner access on :zoo:Species"):
        sam.acls(SPECIES)
    with pytest.raises(NotAuthenticated):
        visitor.acls(CATALOG)
    with pytest.raises(Forbidden):
        sam.set_acl(ZOO, "select", ["*"])
    with pytest.raises(Forbidden):
        sam.set_acl_binding(ANIMAL, "x", None)
    public.set_acl(SPECIES, "owner", ["staff"])
    assert sam.acls(SPECIES) == {"owner": ["staff"]}
    assert sam.set_acl(LEGS, "select", ["sam"]) == ["sam"]
    with pytest.raises(Forbidden):
        sam.acls(ANIMAL)


def test_changes_need_ownership(public: LocalCatalog) -> None:
    sam = public.for_client(SAM)
    attempts = [
        lambda c: c.create_schema("garden"),
        lambda c: c.create_table("zoo", cage()),
        lambda c: c.create_column(TableName("Species", "zoo"), column_document("x", "text")),
        lambda c: c.create_key(TableName("Species", "zoo"), {"unique_columns": ["legs"]}),
        lambda c: c.create([foreign_key_in("Species", "legs", "Animal", "nr")]),
        lambda c: c.alter(SPECIES, {"table_name": "Kinds"}),
        lambda c: c.alter(LEGS, {"name": "feet"}),
        lambda c: c.drop(REFERENCE),
        lambda c: c.set_annotation(CATALOG, "x", 1),
        lambda c: c.set_comment(NAME_KEY, "x"),
    ]
    before = public.latest_snapshot()
    for attempt in attempts:
        with pytest.raises(Forbidden):
            attempt(sam)
        with pytest.raises(NotAuthenticated):
            attempt(public.for_client(ANONYMOUS))
    assert public.latest_snapshot() == before


def foreign_key_in(table: str, column: str, target: str, referenced: str) -> dict[str, Any]:
    document = foreign_key_document([column], "zoo", target, [referenced])
    (mine,) = document["foreign_key_columns"]
    mine.update(schema_name="zoo", table_name=table)
    return document


def test_creators_own_what_they_create(public: LocalCatalog) -> None:
    public.set_acl(CATALOG, "create", ["staff"])
    sam = public.for_client(SAM)
    made = sam.create_schema({"schema_name": "garden", "tables": {"Cage": cage()}})
    assert made["acls"] == {"owner": ["sam"]}
    assert made["rights"] == {"owner": True, "create": True}
    assert made["tables"]["Cage"]["acls"] == {}
    inherited = sam.create_table("garden", cage("Pond"))
    assert (inherited["acls"], inherited["rights"]["owner"]) == ({}, True)
    own = sam.create_table("zoo", {**cage(), "acls": {"select": ["*"]}})
    assert own["acls"] == {"select": ["*"], "owner": ["sam"]}
    shared = sam.create_table("zoo", {**cage("Shed"), "acls": {"owner": ["staff"]}})
    assert shared["acls"] == {"owner": ["staff"]}
    given = sam.create_table("zoo", {**cage("Barn"), "acls": {"owner": ["joe"]}})
    assert given["acls"] == {"owner": ["joe", "sam"]}
    kim = public.for_client(KIM)
    assert kim.create_table("zoo", cage("Den"))["acls"] == {}
    sam.create_column(TableName("Cage", "zoo"), column_document("x", "text"))


def test_a_foreign_key_needs_the_target_to_be_visible_and_readable(public: LocalCatalog) -> None:
    public.set_acl(CATALOG, "create", ["staff", "joe"])
    joe = public.for_client(Client("joe"))
    reference = foreign_key_document(["kind"], "zoo", "Species", ["name"])
    house = table_document(
        "House", [column_document("kind", "text")], user_references=False, foreign_keys=[reference]
    )
    with pytest.raises(Forbidden, match="select access on :zoo:Species:name"):
        joe.create_table("zoo", house)
    joe.create_table("zoo", {**house, "foreign_keys": []})
    with pytest.raises(Forbidden):
        joe.create_foreign_key(TableName("House", "zoo"), reference)
    public.set_acl(SPECIES, "select", ["joe"])
    (fkey,) = joe.create_foreign_key(TableName("House", "zoo"), reference)["names"]
    assert fkey == ["zoo", "House_kind_fkey"]
    public.set_acls(SPECIES, HIDDEN)
    with pytest.raises(Conflict) as error:
        joe.create_table("zoo", {**house, "table_name": "Home"})
    assert error.value.status == 409


def test_what_stands_in_the_way_is_not_named_to_those_who_may_not_see_it(
    public: LocalCatalog,
) -> None:
    public.set_acl(SPECIES, "owner", ["sam"])
    public.set_acls(ANIMAL, HIDDEN)
    sam = public.for_client(SAM)
    for act in (
        lambda: sam.drop(SPECIES),
        lambda: sam.drop(NAME_KEY),
        lambda: sam.drop(Address("zoo", "Species", column="name")),
        lambda: sam.alter(Address("zoo", "Species", column="name"), {"type": {"typename": "date"}}),
    ):
        with pytest.raises(Conflict) as error:
            act()
        assert "Animal" not in str(error.value)
        assert "this client does not see" in str(error.value)
    with pytest.raises(Conflict, match="Animal"):
        public.drop(SPECIES)


def test_an_owner_of_a_table_changes_it_in_its_sight(public: LocalCatalog) -> None:
    public.set_acl(SPECIES, "owner", ["sam"])
    sam = public.for_client(SAM)
    assert sam.alter(LEGS, {"name": "feet"})["name"] == "feet"
    assert sam.alter(SPECIES, {"table_name": "Kind"})["table_name"] == "Kind"
    (fkey,) = public.describe(ANIMAL)["foreign_keys"][:1]
    assert fkey["referenced_columns"][0]["table_name"] == "Kind"
    hidden = sam.alter(
        Address("zoo", "Kind"), {"acls": {"owner": [], "enumerate": [], "select": []}}
    )
    assert hidden["rights"]["owner"] is False
    assert "acls" not in hidden
    with pytest.raises(NotFound):
        sam.describe(Address("zoo", "Kind"))


def test_a_table_moves_only_where_one_may_be_created(public: LocalCatalog) -> None:
    public.create_schema("garden")
    public.set_acl(SPECIES, "owner", ["sam"])
    sam = public.for_client(SAM)
    with pytest.raises(Forbidden, match="create access on :garden"):
        sam.alter(SPECIES, {"schema_name": "garden"})
    public.set_acl(Address("garden"), "create", ["sam"])
    public.set_acl(ZOO, "owner", ["sam"])
    public.set_acl(SPECIES, "owner", None)
    moved = sam.alter(SPECIES, {"schema_name": "garden"})
    assert moved["acls"] == {"owner": ["sam"]}


def test_bindings_through_what_a_client_does_not_see_are_not_its_business(
    public: LocalCatalog,
) -> None:
    public.set_acl(ANIMAL, "owner", ["sam"])
    path = [{"outbound": ["zoo", "Animal_species_fkey"]}, "name"]
    public.set_acl_binding(ANIMAL, "deep", {"types": ["select"], "projection": path})
    public.set_acls(SPECIES, HIDDEN)
    sam = public.for_client(SAM)
    assert sam.acl_bindings(ANIMAL) == {}
    sam.set_comment(ANIMAL, "mine")
    assert list(public.acl_bindings(ANIMAL)) == ["deep"]
    with pytest.raises(Conflict):
        sam.set_acl_binding(ANIMAL, "new", {"types": ["select"], "projection": path})


def test_a_snapshot_is_decided_by_the_policy_recorded_there(public: LocalCatalog) -> None:
    then = public.latest_snapshot()
    public.set_acl(CATALOG, "select", [])
    public.set_acls(SPECIES, HIDDEN)
    sam = public.for_client(SAM)
    past = sam.at(then)
    assert past.describe(SPECIES)["rights"] == {
        "owner": False,
        "insert": False,
        "update": False,
        "delete": False,
        "select": True,
    }
    assert public.at(then).for_client(SAM).describe(SPECIES) == past.describe(SPECIES)
    with pytest.raises(NotFound):
        sam.describe(SPECIES)
    kims = public.for_client(KIM).at(then)
    assert kims.document()["rights"] == {"owner": False, "create": False}
    assert kims.acls(CATALOG)["select"] == ["staff"]
    assert kims.document()["acls"]["select"] == ["staff"]
    with pytest.raises(Forbidden):
        past.acls(CATALOG)


def test_a_table_without_history_is_as_if_it_never_was_at_a_snapshot(public: LocalCatalog) -> None:
    path = [{"outbound": ["zoo", "Animal_species_fkey"]}, "name"]
    public.set_acl_binding(ANIMAL, "deep", {"types": ["select"], "projection": path})
    public.set_acl_binding(ANIMAL, "own", {"types": ["select"], "projection": "RCB"})
    public.set_annotation(SPECIES, "tag:isrd.isi.edu,2020:history-capture", False)
    kim = public.for_client(KIM)
    past = kim.at(public.latest_snapshot())
    assert list(past.model.schemas["zoo"].tables) == ["Animal"]
    with pytest.raises(NotFound):
        past.describe(SPECIES)
    targets = [
        f["referenced_columns"][0]["table_name"] for f in past.describe(ANIMAL)["foreign_keys"]
    ]
    assert targets == ["ERMrest_Client", "ERMrest_Client"]
    assert list(past.acl_bindings(ANIMAL)) == ["own"]
    assert list(kim.acl_bindings(ANIMAL)) == ["deep", "own"]


def test_ownership_of_a_snapshot_is_that_of_its_time(public: LocalCatalog) -> None:
    then = public.latest_snapshot()
    public.set_acl(CATALOG, "owner", ["kim", "staff"])
    sam = public.for_client(SAM)
    assert sam.acls(CATALOG)["owner"] == ["kim", "staff"]
    with pytest.raises(Forbidden):
        sam.at(then).acls(CATALOG)
    public.set_acl(CATALOG, "owner", ["staff"])
    assert public.for_client(KIM).at(then).acls(CATALOG)["owner"] == ["kim"]


def test_rows_of_a_snapshot_are_those_that_its_policy_granted(public: LocalCatalog) -> None:
    public.insert(TableName("Species", "zoo"), [{"name": "cat"}, {"name": "sam"}])
    public.set_acl(SPECIES, "select", [])
    public.set_acl_binding(SPECIES, "namesake", {"types": ["update"], "projection": "name"})
    then = public.latest_snapshot()
    public.set_acl_binding(SPECIES, "namesake", None)
    public.set_acl(SPECIES, "select", None)
    sam = public.for_client(SAM)
    assert [row["name"] for row in sam.fetch("entity/zoo:Species@sort(name)")] == ["cat", "sam"]
    past = sam.at(then)
    assert [row["name"] for row in past.fetch("entity/zoo:Species")] == ["sam"]
    assert past.count(TableName("Species", "zoo")) == 1
    rights = past.describe(SPECIES)["rights"]
    assert (rights["select"], rights["update"]) == (None, False)
    with pytest.raises(ReadOnly):
        past.update(TableName("Species", "zoo"), [{"name": "sam", "legs": 2}], keys=["name"])


def test_an_amended_policy_decides_about_the_past(public: LocalCatalog) -> None:
    public.insert(TableName("Species", "zoo"), [{"name": "cat"}])
    then = public.latest_snapshot()
    public.set_comment(ZOO, "later")
    now = public.latest_snapshot()
    visitor = public.for_client(ANONYMOUS).at(then)
    with pytest.raises(NotAuthenticated, match="select access on :zoo:Species"):
        visitor.fetch("entity/zoo:Species")
    owners = {"owner": ["kim"], "enumerate": ["*"], "select": ["*"]}
    public.history.amend_acls(then, now, owners)
    assert [row["name"] for row in visitor.fetch("entity/zoo:Species")] == ["cat"]
    with pytest.raises(NotAuthenticated):
        public.for_client(ANONYMOUS).fetch("entity/zoo:Species")


def test_a_past_that_could_not_be_seen_stays_closed(zoo: LocalCatalog) -> None:
    then = zoo.latest_snapshot()
    zoo.set_acl(CATALOG, "enumerate", ["*"])
    visitor = zoo.for_client(ANONYMOUS)
    assert "zoo" in visitor.model.schemas
    with pytest.raises(NotAuthenticated):
        visitor.at(then).model  # noqa: B018


def test_the_catalog_keeps_its_history_and_checks_for_owners(public: LocalCatalog) -> None:
    sam = public.for_client(SAM)
    with pytest.raises(Forbidden):
        sam.truncate_history(public.latest_snapshot())
    with pytest.raises(Forbidden):
        sam.check()


def test_built_in_tables_are_closed_but_leases_can_be_taken(public: LocalCatalog) -> None:
    closed = {right: [] for right in ("insert", "update", "delete", "select", "enumerate")}
    assert public.acls(Address("public", "ERMrest_Client")) == closed
    assert public.acls(Address("public", "ERMrest_Group")) == closed
    lease = Address("public", "ERMrest_RID_Lease")
    assert public.acls(lease) == {"update": [], "delete": [], "select": [], "enumerate": ["*"]}
    assert public.acl_bindings(lease) == {
        "lessee_access": {
            "types": ["select", "update", "delete"],
            "projection": ["RCB"],
            "projection_type": "acl",
            "scope_acl": ["*"],
        }
    }
    public.set_acl(CATALOG, "insert", ["staff"])
    sam = public.for_client(SAM)
    assert list(sam.model.schemas["public"].tables) == ["ERMrest_RID_Lease"]
    rights = sam.describe(lease)["rights"]
    expected = {"owner": False, "insert": True, "update": None, "delete": None, "select": None}
    assert rights == expected
