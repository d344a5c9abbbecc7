"""What clients see and may change of a model, and how its policy is set."""

from __future__ import annotations

from typing import Any

import pytest

from backends import AnyCatalog, Backend
from deriva_catalog.access import ANONYMOUS, Attribute, Client
from deriva_catalog.catalog import LocalCatalog, RemoteCatalog
from deriva_catalog.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    NotAuthenticated,
    NotFound,
    ReadOnly,
    UnknownName,
)
from deriva_catalog.interface import Address
from deriva_catalog.model.acls import ACL_NAMES
from deriva_catalog.model.definitions import (
    column_document,
    foreign_key_document,
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
def public(zoo: AnyCatalog) -> AnyCatalog:
    """The zoo, whose model everybody sees and whose rows the staff reads."""
    zoo.set_acls(CATALOG, {"owner": ["kim"], "enumerate": ["*"], "select": ["staff"]})
    return zoo


def cage(name: str = "Cage") -> dict[str, Any]:
    return table_document(name, [column_document("size", "int4")], user_references=False)


# --- setting ACLs ------------------------------------------------------------------------


def test_a_catalog_has_a_list_for_each_name(zoo: AnyCatalog) -> None:
    unset: dict[str, list[str]] = {name: [] for name in ACL_NAMES["catalog"]}
    assert zoo.acls(CATALOG) == {**unset, "owner": ["kim"]}
    assert zoo.acls(ZOO) == {}
    assert zoo.acls(REFERENCE) == {"insert": ["*"], "update": ["*"]}


def test_one_acl_is_set_and_unset(zoo: AnyCatalog) -> None:
    assert zoo.set_acl(ZOO, "select", ["*"]) == ["*"]
    assert zoo.set_acl(ZOO, "write", ["staff"]) == ["staff"]
    assert zoo.acls(ZOO) == {"select": ["*"], "write": ["staff"]}
    assert zoo.set_acl(ZOO, "select", None) is None
    assert zoo.acls(ZOO) == {"write": ["staff"]}
    assert zoo.set_acl(CATALOG, "select", ["*"]) == ["*"]
    assert zoo.set_acl(CATALOG, "select", None) == []


def test_all_acls_are_replaced_at_once(zoo: AnyCatalog) -> None:
    zoo.set_acls(SPECIES, {"select": ["*"], "insert": ["staff"]})
    assert zoo.set_acls(SPECIES, {"update": []}) == {"update": []}
    assert zoo.acls(SPECIES) == {"update": []}
    assert zoo.set_acls(CATALOG, {"owner": ["sam", "kim"]})["enumerate"] == []


WRONG_ACLS: list[tuple[Address, Any, type[Exception]]] = [
    (ZOO, {"read": ["*"]}, Conflict),
    (SPECIES, {"create": ["staff"]}, Conflict),
    (LEGS, {"owner": ["staff"]}, Conflict),
    (REFERENCE, {"select": ["staff"]}, Conflict),
    (ZOO, {"write": ["*"]}, BadRequest),
    (ZOO, {"select": None}, BadRequest),
    (ZOO, {"select": "staff"}, BadRequest),
    (ZOO, {"select": [7]}, BadRequest),
    (ZOO, [], BadRequest),
    (NAME_KEY, {}, NotFound),
    (Address("garden"), {}, UnknownName),
    (Address("zoo", "Plant"), {}, UnknownName),
    (Address("zoo", "Species", column="x"), {}, NotFound),
]


def test_a_wrong_acl_is_refused_and_changes_nothing(zoo: AnyCatalog) -> None:
    before = zoo.latest_snapshot()
    for address, acls, error in WRONG_ACLS:
        with pytest.raises(error):
            zoo.set_acls(address, acls)
    assert zoo.latest_snapshot() == before


def test_one_acl_of_an_unknown_name_is_refused_also_to_unset_it(zoo: AnyCatalog) -> None:
    for roles in (["staff"], None):
        with pytest.raises((Conflict, NotFound), match="'read'"):
            zoo.set_acl(ZOO, "read", roles)


def test_policy_belongs_to_history(zoo: AnyCatalog) -> None:
    before = zoo.latest_snapshot()
    zoo.set_acl(ZOO, "select", ["*"])
    zoo.set_comment(ZOO, "animals")
    assert zoo.at(before).acls(ZOO) == {}
    assert zoo.at(before).describe(ZOO)["comment"] is None
    with pytest.raises(ReadOnly):
        zoo.at(before).set_acl(ZOO, "select", [])


def test_what_changes_nothing_leaves_no_snapshot(zoo: AnyCatalog) -> None:
    zoo.set_acl(ZOO, "select", ["*"])
    before = zoo.latest_snapshot()
    zoo.set_acl(ZOO, "select", ["*"])
    zoo.set_acl(ZOO, "write", None)
    zoo.set_acl_binding(SPECIES, "none", None)
    assert zoo.latest_snapshot() == before


def test_nobody_gives_the_catalog_away_from_themselves(
    backend: Backend, public: AnyCatalog
) -> None:
    kim = backend.seen_by(public, KIM)
    with pytest.raises(Forbidden, match="would not own"):
        kim.set_acl(CATALOG, "owner", ["sam"])
    with pytest.raises(Forbidden, match="would not own"):
        kim.set_acls(CATALOG, {"select": ["*"]})
    with pytest.raises(Forbidden, match="would not own"):
        kim.alter(CATALOG, {"acls": {}})
    assert kim.set_acl(CATALOG, "owner", ["sam", "kim"]) == ["sam", "kim"]
    assert kim.set_acl(SPECIES, "owner", []) == []


# --- bindings ----------------------------------------------------------------------------


def test_a_binding_is_kept_with_its_defaults(zoo: AnyCatalog) -> None:
    stored = zoo.set_acl_binding(SPECIES, "namesake", {"types": ["select"], "projection": "name"})
    assert stored == {
        "types": ["select"],
        "projection": "name",
        "projection_type": "acl",
        "scope_acl": ["*"],
    }
    assert zoo.acl_bindings(SPECIES) == {"namesake": stored}
    path = [{"outbound": ["zoo", "Animal_species_fkey"]}, "legs"]
    stored = zoo.set_acl_binding(ANIMAL, "legged", {"types": ["owner"], "projection": path})
    assert (stored["projection"], stored["projection_type"]) == (path, "nonnull")
    assert zoo.set_acl_binding(LEGS, "namesake", False) is False
    assert zoo.set_acl_binding(SPECIES, "namesake", None) is None
    assert zoo.acl_bindings(SPECIES) == {}


WRONG_BINDINGS: list[tuple[Address, Any, type[Exception]]] = [
    (SPECIES, {"projection": "name"}, BadRequest),
    (SPECIES, {"types": [], "projection": "name"}, BadRequest),
    (SPECIES, {"types": ["insert"], "projection": "name"}, BadRequest),
    (REFERENCE, {"types": ["select"], "projection": "name"}, BadRequest),
    (SPECIES, {"types": ["select"]}, BadRequest),
    (SPECIES, {"types": ["select"], "projection": []}, BadRequest),
    (SPECIES, {"types": ["select"], "projection": [{"up": 1}, "name"]}, BadRequest),
    (SPECIES, {"types": ["select"], "projection": "x"}, Conflict),
    (
        SPECIES,
        {"types": ["select"], "projection": [{"outbound": ["zoo", "x"]}, "name"]},
        Conflict,
    ),
    (SPECIES, {"types": ["select"], "projection": "legs", "projection_type": "acl"}, Conflict),
    (SPECIES, {"types": ["select"], "projection": "name", "projection_type": "x"}, BadRequest),
    (SPECIES, {"types": ["select"], "projection": "name", "scope_acl": "*"}, BadRequest),
    (SPECIES, {"types": ["select"], "projection": "name", "comment": 1}, BadRequest),
    (
        SPECIES,
        {"types": ["select"], "projection": [{"outbound": ["a", "b"], "alias": 1}, "n"]},
        BadRequest,
    ),
    (
        SPECIES,
        {"types": ["select"], "projection": [{"filter": "name", "operand": 1, "negate": 1}, "n"]},
        BadRequest,
    ),
    (SPECIES, False, BadRequest),
    (SPECIES, "name", BadRequest),
    (ZOO, {"types": ["select"], "projection": "name"}, NotFound),
]


def test_a_wrong_binding_is_refused(zoo: AnyCatalog) -> None:
    for address, binding, error in WRONG_BINDINGS:
        with pytest.raises(error):
            zoo.set_acl_binding(address, "wrong", binding)


def test_all_bindings_are_replaced_at_once(zoo: AnyCatalog) -> None:
    zoo.set_acl_binding(REFERENCE, "old", {"types": ["insert"], "projection": "name"})
    new = {"new": {"types": ["update"], "projection": "legs"}}
    assert list(zoo.set_acl_bindings(REFERENCE, new)) == ["new"]
    assert zoo.acl_bindings(REFERENCE)["new"]["projection_type"] == "nonnull"
    assert zoo.set_acl_bindings(REFERENCE, {}) == {}


# --- annotations and comments ------------------------------------------------------------


def test_annotations_are_replaced_at_once(zoo: AnyCatalog) -> None:
    zoo.set_annotation(SPECIES, "a", 1)
    zoo.set_annotations(SPECIES, {"b": None, "c": {"d": [1]}})
    assert zoo.describe(SPECIES)["annotations"] == {"b": None, "c": {"d": [1]}}
    with pytest.raises(BadRequest):
        zoo.set_annotations(SPECIES, [])  # type: ignore[arg-type]
    with pytest.raises(UnknownName):
        zoo.set_annotations(Address("zoo", "Plant"), {})


def test_a_comment_is_set_and_removed(zoo: AnyCatalog) -> None:
    for address in (ZOO, SPECIES, LEGS, NAME_KEY, REFERENCE):
        zoo.set_comment(address, "why")
        assert zoo.describe(address)["comment"] == "why"
        zoo.set_comment(address, None)
        assert zoo.describe(address)["comment"] is None
    with pytest.raises(NotFound):
        zoo.set_comment(CATALOG, "why")


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
    zoo: AnyCatalog,
) -> None:
    for address, inside, error in MISSING:
        with pytest.raises(error):
            look(zoo, address, inside)


def look(catalog: AnyCatalog, address: Address, inside: bool) -> object:
    """Ask for an element, or for something inside it."""
    if isinstance(catalog, RemoteCatalog):
        return catalog.acls(address) if inside else catalog.describe(address)
    return catalog.describe(address, inside=inside)


UNREFERENCED: list[tuple[tuple[str, ...], tuple[str, str, tuple[str, ...]], type[Exception]]] = [
    (("weight",), ("zoo", "Species", ("name",)), UnknownName),
    (("x",), ("zoo", "Species", ("name",)), UnknownName),
    (("species",), ("zoo", "x", ("name",)), UnknownName),
    (("species",), ("zoo", "Species", ("x",)), UnknownName),
    (("species",), ("zoo", "Species", ("legs",)), NotFound),
    (("species",), ("zoo", "Species", ("RID",)), NotFound),
    (("species",), ("zoo", "Animal", ("nr",)), NotFound),
]


def test_a_reference_is_not_found_or_a_conflict(zoo: AnyCatalog) -> None:
    for columns, referenced, error in UNREFERENCED:
        address = Address("zoo", "Animal", foreign_key=columns, referenced=referenced)
        with pytest.raises(error):
            zoo.describe(address)


# --- clients -----------------------------------------------------------------------------


def test_a_catalog_that_may_not_be_enumerated_is_closed(backend: Backend, zoo: AnyCatalog) -> None:
    with pytest.raises(Forbidden, match="enumerate access on this catalog"):
        backend.seen_by(zoo, SAM).document()
    with pytest.raises(NotAuthenticated):
        backend.seen_by(zoo, ANONYMOUS).model  # noqa: B018
    with pytest.raises(NotAuthenticated):
        backend.seen_by(zoo, ANONYMOUS).create_schema("garden")
    with pytest.raises(NotAuthenticated):
        backend.seen_by(zoo, ANONYMOUS).fetch("entity/zoo:Species")
    with pytest.raises(Forbidden, match="enumerate access on this catalog"):
        backend.seen_by(zoo, SAM).insert(TableName("Species", "zoo"), [{"name": "cat"}])


def test_documents_have_the_rights_of_the_client(backend: Backend, public: AnyCatalog) -> None:
    public.set_acl_binding(
        ANIMAL, "own", {"types": ["update"], "projection": "RCB", "scope_acl": ["staff"]}
    )
    seen = backend.seen_by(public, SAM).document()
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
    visitor = backend.seen_by(public, ANONYMOUS).describe(ANIMAL)
    assert visitor["rights"]["select"] is False
    assert visitor["foreign_keys"][0]["rights"] == {"insert": False, "update": False}


def test_owners_read_documents_as_without_restrictions(
    backend: Backend, public: AnyCatalog
) -> None:
    kim = backend.seen_by(public, KIM)
    assert kim.document() == public.document()
    assert kim.model == public.model
    rights = kim.describe(ANIMAL)["column_definitions"][1]["rights"]
    assert rights == {"insert": True, "update": True, "delete": True, "select": True}  # RCT


def test_hidden_elements_do_not_exist_for_a_client(backend: Backend, public: AnyCatalog) -> None:
    public.set_acls(SPECIES, HIDDEN)
    public.set_acls(Address("zoo", "Animal", column="weight"), HIDDEN)
    sam = backend.seen_by(public, SAM)
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


def test_policy_is_for_owners_only(backend: Backend, public: AnyCatalog) -> None:
    sam, visitor = backend.seen_by(public, SAM), backend.seen_by(public, ANONYMOUS)
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


def test_changes_need_ownership(backend: Backend, public: AnyCatalog) -> None:
    sam = backend.seen_by(public, SAM)
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
            attempt(backend.seen_by(public, ANONYMOUS))
    assert public.latest_snapshot() == before


def foreign_key_in(table: str, column: str, target: str, referenced: str) -> dict[str, Any]:
    document = foreign_key_document([column], "zoo", target, [referenced])
    (mine,) = document["foreign_key_columns"]
    mine.update(schema_name="zoo", table_name=table)
    return document


def test_creators_own_what_they_create(backend: Backend, public: AnyCatalog) -> None:
    public.set_acl(CATALOG, "create", ["staff"])
    sam = backend.seen_by(public, SAM)
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
    kim = backend.seen_by(public, KIM)
    assert kim.create_table("zoo", cage("Den"))["acls"] == {}
    sam.create_column(TableName("Cage", "zoo"), column_document("x", "text"))


def test_a_foreign_key_needs_the_target_to_be_visible_and_readable(
    backend: Backend, public: AnyCatalog
) -> None:
    public.set_acl(CATALOG, "create", ["staff", "joe"])
    joe = backend.seen_by(public, Client("joe"))
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
    backend: Backend,
    public: AnyCatalog,
) -> None:
    public.set_acl(SPECIES, "owner", ["sam"])
    public.set_acls(ANIMAL, HIDDEN)
    sam = backend.seen_by(public, SAM)
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


def test_an_owner_of_a_table_changes_it_in_its_sight(backend: Backend, public: AnyCatalog) -> None:
    public.set_acl(SPECIES, "owner", ["sam"])
    sam = backend.seen_by(public, SAM)
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


def test_a_table_moves_only_where_one_may_be_created(backend: Backend, public: AnyCatalog) -> None:
    public.create_schema("garden")
    public.set_acl(SPECIES, "owner", ["sam"])
    sam = backend.seen_by(public, SAM)
    with pytest.raises(Forbidden, match="create access on :garden"):
        sam.alter(SPECIES, {"schema_name": "garden"})
    public.set_acl(Address("garden"), "create", ["sam"])
    public.set_acl(ZOO, "owner", ["sam"])
    public.set_acl(SPECIES, "owner", None)
    moved = sam.alter(SPECIES, {"schema_name": "garden"})
    assert moved["acls"] == {"owner": ["sam"]}


def test_bindings_through_what_a_client_does_not_see_are_not_its_business(
    backend: Backend,
    public: AnyCatalog,
) -> None:
    public.set_acl(ANIMAL, "owner", ["sam"])
    path = [{"outbound": ["zoo", "Animal_species_fkey"]}, "name"]
    public.set_acl_binding(ANIMAL, "deep", {"types": ["select"], "projection": path})
    public.set_acls(SPECIES, HIDDEN)
    sam = backend.seen_by(public, SAM)
    assert sam.acl_bindings(ANIMAL) == {}
    sam.set_comment(ANIMAL, "mine")
    assert list(public.acl_bindings(ANIMAL)) == ["deep"]
    with pytest.raises(Conflict):
        sam.set_acl_binding(ANIMAL, "new", {"types": ["select"], "projection": path})


def test_a_snapshot_is_decided_by_the_policy_recorded_there(
    backend: Backend, public: AnyCatalog
) -> None:
    then = public.latest_snapshot()
    public.set_acl(CATALOG, "select", [])
    public.set_acls(SPECIES, HIDDEN)
    sam = backend.seen_by(public, SAM)
    past = sam.at(then)
    assert past.describe(SPECIES)["rights"] == {
        "owner": False,
        "insert": False,
        "update": False,
        "delete": False,
        "select": True,
    }
    assert backend.seen_by(public.at(then), SAM).describe(SPECIES) == past.describe(SPECIES)
    with pytest.raises(NotFound):
        sam.describe(SPECIES)
    kims = backend.seen_by(public, KIM).at(then)
    assert kims.document()["rights"] == {"owner": False, "create": False}
    assert kims.acls(CATALOG)["select"] == ["staff"]
    assert kims.document()["acls"]["select"] == ["staff"]
    with pytest.raises(Forbidden):
        past.acls(CATALOG)


def test_a_past_that_could_not_be_seen_stays_closed(backend: Backend, zoo: AnyCatalog) -> None:
    then = zoo.latest_snapshot()
    zoo.set_acl(CATALOG, "enumerate", ["*"])
    visitor = backend.seen_by(zoo, ANONYMOUS)
    assert "zoo" in visitor.model.schemas
    with pytest.raises(NotAuthenticated):
        visitor.at(then).model  # noqa: B018


def test_the_catalog_keeps_its_history_and_checks_for_owners(
    backend: Backend, public: AnyCatalog
) -> None:
    sam = backend.seen_by(public, SAM)
    with pytest.raises(Forbidden):
        sam.truncate_history(public.latest_snapshot())
    if isinstance(sam, LocalCatalog):
        with pytest.raises(Forbidden):
            sam.check()


def test_built_in_tables_are_closed_but_leases_can_be_taken(
    backend: Backend, public: AnyCatalog
) -> None:
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
    sam = backend.seen_by(public, SAM)
    assert list(sam.model.schemas["public"].tables) == ["ERMrest_RID_Lease"]
    rights = sam.describe(lease)["rights"]
    expected = {"owner": False, "insert": True, "update": None, "delete": None, "select": None}
    assert rights == expected
