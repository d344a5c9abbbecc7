"""Ways in which data could come out, one by one; and rights that are looked at only once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deriva_catalog.access import ANONYMOUS, Attribute, Client
from deriva_catalog.catalog import LocalCatalog, create_local, open_local
from deriva_catalog.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    ForeignKeyViolation,
    NotAuthenticated,
    NotFound,
    NotNullViolation,
    UniqueViolation,
    UnknownName,
)
from deriva_catalog.interface import Address
from deriva_catalog.model.definitions import (
    column_document,
    foreign_key_document,
    key_document,
    table_document,
)
from deriva_catalog.path import parse_path
from policy_worlds import SCHEMA, table_name

ANN = Client("ann", attributes=(Attribute("team"),))
BOB = Client("bob")
PATIENT, VISIT, NOTE = table_name("Patient"), table_name("Visit"), table_name("Note")
OWN = {"types": ["update", "delete"], "projection": "owner", "projection_type": "acl"}


def address(table: str, column: str | None = None) -> Address:
    return Address(SCHEMA, table, column=column)


@pytest.fixture
def clinic(tmp_path: Path, original: Path) -> Iterator[LocalCatalog]:
    """Everybody sees the model; team members insert; each sees and changes what it owns."""
    catalog = open_local(shutil.copytree(original, tmp_path / "clinic"), client="kim")
    yield catalog
    catalog.close()


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    catalog = create_local(tmp_path_factory.mktemp("original") / "clinic", client="kim")
    fill(catalog)
    catalog.close()
    return catalog.directory


def fill(catalog: LocalCatalog) -> None:
    patient = table_document(
        "Patient",
        [
            column_document("name", "text"),
            column_document("number", "text", nullok=False, default="none"),
            column_document("owner", "text"),
        ],
        keys=[key_document(["name"]), key_document(["name", "number"])],
    )
    visit = table_document(
        "Visit",
        [
            column_document("patient", "text"),
            column_document("day", "text"),
            column_document("owner", "text"),
        ],
        keys=[key_document(["patient", "day"])],
        foreign_keys=[foreign_key_document(["patient"], SCHEMA, "Patient", ["name"])],
    )
    note = table_document(
        "Note",
        [column_document("patient", "text"), column_document("text", "text")],
        foreign_keys=[foreign_key_document(["patient"], SCHEMA, "Patient", ["name"])],
    )
    tables = {"Patient": patient, "Visit": visit, "Note": note}
    catalog.create_schema({"schema_name": SCHEMA, "tables": tables})
    catalog.set_acls(Address(), {"owner": ["kim"], "enumerate": ["*"], "insert": ["team"]})
    for table in ("Patient", "Visit"):
        catalog.set_acl_binding(address(table), "own", OWN)
    catalog.insert(
        PATIENT,
        [
            {"name": "a", "number": "1", "owner": "ann"},
            {"name": "b", "number": "2", "owner": "bob"},
        ],
    )
    catalog.insert(
        VISIT,
        [
            {"patient": "a", "day": "mon", "owner": "ann"},
            {"patient": "a", "day": "tue", "owner": "bob"},
            {"patient": "b", "day": "mon", "owner": "bob"},
        ],
    )
    catalog.insert(NOTE, [{"patient": "b", "text": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"}])


def names(rows: list[dict[str, Any]], column: str = "name") -> list[Any]:
    return [row[column] for row in rows]


# --- reading -----------------------------------------------------------------------------


def test_what_nothing_grants_is_refused_and_says_what_to_do(clinic):
    hidden = {"select": [], "insert": [], "update": []}
    clinic.set_acls(address("Patient", "number"), {**hidden, "enumerate": ["*"]})
    clinic.set_acl_bindings(address("Patient", "number"), {"own": False})
    ann = clinic.for_client(ANN)
    for query in (
        "entity/s:Patient",
        "attribute/s:Patient/*",
        "attribute/s:Patient/name,number",
        "entity/s:Patient/number=1",
        "aggregate/s:Patient/a:=array(*)",
        "attributegroup/s:Patient/name;n:=cnt(number)",
        "entity/s:Patient/*::ts::a",
        "entity/s:Visit/(patient,day)=(s:Patient:name,number)",
        "attribute/V:=s:Visit/left(day)=(s:Patient:number)/$V/day",
    ):
        with pytest.raises(Forbidden, match=r"select access on :s:Patient:number") as caught:
            ann.fetch(query)
        assert "withdrawing both enumerate and select" in caught.value.hint
    assert names(ann.fetch("attribute/s:Patient/name")) == ["a"]
    assert ann.count(PATIENT) == 1
    with pytest.raises(NotAuthenticated, match="select access on :s:Note"):
        clinic.for_client(ANONYMOUS).fetch("entity/s:Note")
    with pytest.raises(Forbidden):
        ann.fetch("entity/s:Patient/s:Note")
    with pytest.raises(Forbidden):
        ann.count(NOTE)


def test_a_catalog_that_is_hidden_answers_nothing(clinic):
    clinic.set_acl(Address(), "enumerate", [])
    clinic.set_acl(Address(SCHEMA), "enumerate", ["*"])
    bob, rid = clinic.for_client(BOB), clinic.fetch("entity/s:Patient")[0]["RID"]
    for ask in (
        lambda: bob.fetch("entity/s:Patient"),
        lambda: list(bob.stream("entity/s:Patient", "text/csv")),
        lambda: bob.count(PATIENT),
        lambda: bob.resolve_rid(rid),
        lambda: bob.at(clinic.latest_snapshot()).fetch("entity/s:Patient"),
        lambda: bob.delete(parse_path("s:Patient")),
        lambda: bob.insert(PATIENT, []),
        lambda: bob.leased_rids(["one"]),
    ):
        with pytest.raises(Forbidden, match="enumerate access on this catalog"):
            ask()


def test_what_is_hidden_does_not_exist(clinic):
    clinic.set_acls(
        address("Patient", "number"),
        {"select": [], "insert": [], "update": [], "enumerate": []},
    )
    clinic.set_acl_bindings(address("Patient", "number"), {"own": False})
    clinic.set_acl(address("Note"), "enumerate", [])
    clinic.set_acl(address("Note"), "insert", [])
    clinic.set_acl(address("Note"), "select", [])
    ann = clinic.for_client(ANN)
    assert ann.fetch("entity/s:Patient")[0].keys() == {
        *("RID", "RCT", "RMT", "RCB", "RMB"),
        *("name", "owner"),
    }
    for query in ("entity/s:Patient/number=1", "entity/s:Note", "entity/s:Patient/s:Note"):
        with pytest.raises(UnknownName) as caught:
            ann.fetch(query)
        assert "number" not in caught.value.hint
        assert "Note" not in caught.value.hint
    rid = clinic.fetch("entity/s:Note")[0]["RID"]
    with pytest.raises(NotFound):
        ann.resolve_rid(rid)
    with pytest.raises(UnknownName):
        ann.insert(PATIENT, [{"name": "c"}], defaults=["number"])
    row = ann.insert(PATIENT, [{"name": "c", "number": "7", "owner": "ann"}])[0]
    assert "number" not in row
    assert clinic.fetch("entity/s:Patient/name=c")[0]["number"] == "none"


def test_a_row_can_be_located_by_whoever_knows_its_table(clinic):
    rid = clinic.fetch("entity/s:Patient/name=b")[0]["RID"]
    assert clinic.for_client(ANN).resolve_rid(rid).table == "Patient"
    assert clinic.for_client(ANN).fetch(f"entity/s:Patient/RID={rid}") == []


def test_a_masked_cell_tells_nothing_by_comparison(clinic):
    clinic.set_acl(address("Patient"), "select", ["team"])
    clinic.set_acl(address("Patient", "number"), "select", [])
    ann = clinic.for_client(ANN)
    assert names(ann.fetch("entity/s:Patient@sort(name)"), "number") == ["1", None]
    assert ann.fetch("entity/s:Patient/number=2") == []
    assert names(ann.fetch("entity/s:Patient/number::null::")) == ["b"]
    assert ann.fetch("entity/s:Patient/!number=1") == []
    assert names(ann.fetch("entity/s:Patient@sort(number::desc::,name)")) == ["b", "a"]
    assert ann.fetch("aggregate/s:Patient/m:=max(number),c:=cnt_d(number)") == [{"m": "1", "c": 1}]
    assert ann.fetch("entity/s:Patient/number=2/s:Visit") == []
    assert ann.update(PATIENT, [{"number": "2", "name": "z"}], keys=["number"]) == []


HIDDEN: dict[str, list[str]] = {"enumerate": [], "select": [], "insert": [], "update": []}


@pytest.mark.parametrize("acls", [HIDDEN, {**HIDDEN, "enumerate": ["*"]}], ids=["hidden", "closed"])
@pytest.mark.parametrize("granted", [True, False], ids=["by lists", "by bindings"])
def test_rows_are_told_apart_without_their_rids(clinic, acls, granted):
    clinic.set_acls(address("Note", "RID"), acls)
    clinic.set_acls(address("Note"), {"select": ["*"], "update": ["team"], "delete": ["team"]})
    clinic.insert(NOTE, [{"patient": "b", "text": "same"}] * 2)
    clinic.set_acl(address("Patient"), "select", ["*"])
    clinic.set_acl(address("Visit"), "select", ["*"])
    if not granted:
        clinic.set_acls(address("Note"), {})
        every = {"types": ["owner"], "projection": "RID", "projection_type": "nonnull"}
        clinic.set_acl_binding(address("Note"), "every", every)
        clinic.set_acl_bindings(address("Note", "RID"), {"every": False})
    ann = clinic.for_client(ANN)
    assert ann.count(NOTE) == 3
    # Nothing but a row's identity keeps these two apart.
    query = "attribute/N:=s:Note/text=same/s:Patient/s:Visit/$N/text@sort(text)?limit=9"
    assert names(ann.fetch(query), "text") == ["same"] * 2
    assert names(ann.fetch("attribute/s:Note/text@sort(text)?limit=1"), "text") != ["same"]
    assert ann.fetch("aggregate/N:=s:Note/n:=cnt(N:*)") == [{"n": 3}]
    assert ann.clear(parse_path("s:Note/text=same"), ["patient"]) == 2
    assert len(ann.update(NOTE, [{"text": "same", "patient": "a"}], keys=["text"])) == 1
    assert ann.delete(parse_path("s:Patient/name=a/s:Note/text=same")) == 2


def test_a_search_does_not_look_at_rows_that_are_not_granted(clinic):
    # On the text of the note, this expression takes longer than a search may.
    way = [{"outbound": [SCHEMA, "Note_patient_fkey"]}, "owner"]
    clinic.set_acl_binding(address("Note"), "own", {"types": ["select"], "projection": way})
    ann = clinic.for_client(ANN)
    for column in ("text", "*"):
        assert ann.fetch(f"entity/s:Note/{column}::regexp::%5E%28a%7Caa%29%2B%24") == []


def test_the_policy_of_a_snapshot_is_that_of_its_time(clinic):
    before = clinic.latest_snapshot()
    clinic.set_acl(address("Patient"), "select", ["*"])
    visitor = clinic.for_client(ANONYMOUS)
    assert sorted(names(visitor.fetch("entity/s:Patient"))) == ["a", "b"]
    assert visitor.at(before).fetch("entity/s:Patient") == []
    assert names(clinic.for_client(ANN).at(before).fetch("entity/s:Patient")) == ["a"]
    then = clinic.at(before).for_client(Client("kim"))
    rights = then.fetch("attributegroup/P:=s:Patient/RID;r:=trs(P:RID)")
    assert names(rights, "r") == [{"update": False, "delete": False}] * 2


def test_a_binding_through_a_table_without_history_grants_nothing_in_the_past(clinic):
    clinic.set_acl_bindings(
        address("Visit"),
        {
            "theirs": {
                "types": ["select"],
                "projection": [{"outbound": [SCHEMA, "Visit_patient_fkey"]}, "owner"],
            }
        },
    )
    clinic.set_annotation(address("Patient"), "tag:isrd.isi.edu,2020:history-capture", False)
    ann = clinic.for_client(ANN)
    assert len(ann.fetch("entity/s:Visit")) == 2
    with pytest.raises(Forbidden):
        ann.at(clinic.latest_snapshot()).fetch("entity/s:Visit")


# --- writing -----------------------------------------------------------------------------


def test_a_request_is_refused_as_a_whole(clinic):
    clinic.set_acl(address("Visit"), "select", ["team"])
    ann = clinic.for_client(ANN)
    message = "one or more rows in table :s:Visit"
    with pytest.raises(Forbidden, match=f"delete access on {message}"):
        ann.delete(parse_path("s:Visit/patient=a"))
    with pytest.raises(Forbidden, match=f"update access on {message}"):
        ann.clear(parse_path("s:Visit/patient=a"), ["owner"])
    rows = [{"RID": row["RID"], "owner": "me"} for row in clinic.fetch("entity/s:Visit")]
    with pytest.raises(Forbidden, match=f"update access on {message}"):
        ann.update(VISIT, rows)
    assert "me" not in names(clinic.fetch("entity/s:Visit"), "owner")
    with pytest.raises(NotAuthenticated):
        clinic.for_client(ANONYMOUS).delete(parse_path("s:Visit"))


def test_rows_that_are_not_seen_do_not_match(clinic):
    ann = clinic.for_client(ANN)
    assert ann.delete(parse_path("s:Visit/patient=b")) == 0
    assert ann.clear(parse_path("s:Visit/patient=b"), ["owner"]) == 0
    rows = [{"RID": row["RID"], "owner": "ann"} for row in clinic.fetch("entity/s:Visit")]
    applied = ann.update(VISIT, rows)
    assert names(applied, "RID") == names(clinic.fetch("entity/s:Visit/owner=ann"), "RID")
    assert len(applied) == 1
    assert ann.delete(parse_path("s:Visit")) == 1


def test_the_actions_of_foreign_keys_need_no_right(clinic):
    clinic.alter(Address(SCHEMA, "Visit", foreign_key=("patient",)), {"on_delete": "CASCADE"})
    ann = clinic.for_client(ANN)
    assert ann.delete(parse_path("s:Patient/name=a")) == 1
    assert names(clinic.fetch("entity/s:Visit"), "patient") == ["b"]


def test_static_rights_come_before_the_rows(clinic):
    bob = clinic.for_client(BOB)
    for rows in ([], [{"name": 3, "number": None}], ["no row"]):
        with pytest.raises(Forbidden, match="insert access on :s:Patient"):
            bob.insert(PATIENT, rows)
        with pytest.raises(Forbidden):
            bob.upsert(PATIENT, rows)
        with pytest.raises(Forbidden):
            bob.update(NOTE, rows, targets=["text"])
    clinic.set_acl(address("Patient", "owner"), "insert", [])
    ann = clinic.for_client(ANN)
    with pytest.raises(Forbidden, match="insert access on :s:Patient:owner") as caught:
        ann.insert(PATIENT, [])
    assert "defaults" in caught.value.hint
    assert len(ann.insert(PATIENT, [{"name": "c"}], defaults=["owner", "number"])) == 1


def test_a_foreign_key_may_be_for_some(clinic):
    fkey = Address(SCHEMA, "Visit", foreign_key=("patient",))
    clinic.set_acls(fkey, {"insert": [], "update": []})
    ann = clinic.for_client(ANN)
    with pytest.raises(Forbidden, match="insert access on foreign key :s:Visit_patient_fkey"):
        ann.insert(VISIT, [{"patient": "a", "day": "wed"}])
    assert len(ann.insert(VISIT, [{"day": "wed", "owner": "ann"}])) == 1
    clinic.set_acl_bindings(fkey, {"own": {"types": ["insert", "update"], "projection": "owner"}})
    assert len(ann.insert(VISIT, [{"patient": "a", "day": "thu", "owner": "ann"}])) == 1
    for patient in ("b", "nobody"):  # it cannot see which of them exists
        with pytest.raises(Forbidden, match="insert access on foreign key"):
            ann.insert(VISIT, [{"patient": patient, "day": "fri", "owner": "ann"}])
        with pytest.raises(Forbidden, match="update access on foreign key"):
            ann.update(VISIT, [{"day": "thu", "patient": patient}], keys=["day"])
    clinic.set_acl(address("Patient"), "select", ["team"])
    with pytest.raises(ForeignKeyViolation):
        ann.insert(VISIT, [{"patient": "nobody", "day": "fri", "owner": "ann"}])


# --- what errors tell --------------------------------------------------------------------


def test_a_collision_shows_values_that_the_client_gave(clinic):
    ann = clinic.for_client(ANN)
    with pytest.raises(UniqueViolation, match=r"Key \(name\)=\(b\) already exists"):
        ann.insert(PATIENT, [{"name": "b", "number": "9"}])


def test_a_collision_shows_no_value_that_the_client_cannot_read(clinic):
    clinic.create_key(VISIT, key_document(["day", "owner"]))
    clinic.set_acl(address("Visit", "owner"), "select", [])
    clinic.set_acl_bindings(address("Visit", "owner"), {"own": False})
    clinic.set_acl_binding(
        address("Visit"),
        "all",
        {"types": ["update"], "projection": "RID"} | {"projection_type": "nonnull"},
    )
    ann = clinic.for_client(ANN)
    with pytest.raises(UniqueViolation) as caught:
        ann.update(VISIT, [{"patient": "b", "day": "tue"}], keys=["patient"])
    assert "bob" not in str(caught.value)
    assert "values" not in caught.value.facts


def test_errors_name_no_hidden_constraint_and_column(clinic):
    clinic.set_acls(
        address("Patient", "number"),
        {"select": [], "insert": [], "update": [], "enumerate": []},
    )
    clinic.set_acl_bindings(address("Patient", "number"), {"own": False})
    clinic.set_acls(address("Note"), {"enumerate": [], "insert": [], "select": []})
    clinic.create_key(PATIENT, key_document(["number"]))
    clinic.alter(address("Patient", "number"), {"default": "1"})
    ann = clinic.for_client(ANN)
    with pytest.raises(UniqueViolation) as caught:
        ann.insert(PATIENT, [{"name": "c"}])
    assert "number" not in f"{caught.value} {caught.value.facts}"
    with pytest.raises(BadRequest) as repeated:
        ann.insert(PATIENT, [{"name": "c"}, {"name": "d"}], on_conflict="skip")
    assert "number" not in f"{repeated.value} {repeated.value.facts}"
    clinic.alter(address("Patient", "number"), {"default": None})
    with pytest.raises(NotNullViolation) as missing:
        ann.insert(PATIENT, [{"name": "c"}])
    assert "number" not in f"{missing.value} {missing.value.facts}"
    clinic.for_client(Client("kim")).delete(parse_path("s:Visit"))
    bob = clinic.for_client(BOB)
    with pytest.raises(ForeignKeyViolation) as kept:
        bob.delete(parse_path("s:Patient/name=b"))
    assert "Note" not in f"{kept.value} {kept.value.facts}"


def test_a_cleared_key_that_is_hidden_is_not_named(clinic):
    clinic.set_acls(
        address("Patient", "number"),
        {"select": [], "insert": [], "update": [], "enumerate": []},
    )
    clinic.set_acl_bindings(address("Patient", "number"), {"own": False})
    model = clinic.model.schemas[SCHEMA].tables["Patient"]
    (single,) = (key for key in model.keys if key.columns == ("name",))
    clinic.drop(Address(SCHEMA, "Visit", foreign_key=("patient",)))
    clinic.drop(Address(SCHEMA, "Note", foreign_key=("patient",)))
    clinic.drop(Address(SCHEMA, "Patient", key=single.columns))
    with pytest.raises(Conflict, match="belongs to the key and cannot be cleared"):
        clinic.for_client(ANN).clear(parse_path("s:Patient"), ["name"])


# --- row identifiers and system columns --------------------------------------------------


def test_only_own_leases_can_be_used_once(clinic):
    ann, bob = clinic.for_client(ANN), clinic.for_client(replace(BOB, attributes=ANN.attributes))
    leased = ann.lease_rids(["one", "two"])
    given = [{"RID": leased["one"], "name": "c", "number": "3", "owner": "ann"}]
    for rid in (leased["one"], "1-0000", clinic.fetch("entity/s:Patient")[0]["RID"]):
        with pytest.raises(Forbidden, match="is not leased"):
            bob.insert(PATIENT, [{**given[0], "RID": rid}], nondefaults=["RID"])
    assert names(ann.insert(PATIENT, given, nondefaults=["RID"]), "RID") == [leased["one"]]
    with pytest.raises(Forbidden, match="is not leased"):
        ann.insert(PATIENT, [{**given[0], "name": "d"}], nondefaults=["RID"])
    again = ann.insert(PATIENT, given, nondefaults=["RID"], on_conflict="skip")
    assert again == []
    assert ann.delete(parse_path("s:Patient/name=c")) == 1
    with pytest.raises(Forbidden, match="is not leased"):
        ann.insert(PATIENT, given, nondefaults=["RID"], on_conflict="skip")
    assert ann.leased_rids(["one", "two"]) == leased
    assert bob.leased_rids(["one", "two"]) == {}


def test_leases_need_the_right_to_insert_and_belong_to_the_client(clinic):
    with pytest.raises(Forbidden):
        clinic.for_client(BOB).lease_rids(["one"])
    clinic.for_client(ANN).lease_rids(["one"])
    assert names(clinic.for_client(ANN).fetch("entity/public:ERMrest_RID_Lease"), "ID") == ["one"]
    assert clinic.for_client(BOB).fetch("entity/public:ERMrest_RID_Lease") == []


@pytest.mark.parametrize("name", ["RCT", "RCB"])
def test_owners_alone_give_system_columns(clinic, name):
    clinic.for_client(ANN).lease_rids(["any"])  # makes a record of the client
    row = {"name": "c", "number": "3", "RCT": "2020-01-02T03:04:05+00:00", "RCB": "ann"}
    with pytest.raises(Forbidden, match="Only owners"):
        clinic.for_client(ANN).insert(PATIENT, [row], nondefaults=[name])
    made = clinic.for_client(Client("kim")).insert(PATIENT, [row], nondefaults=[name])
    assert made[0][name] == row[name]
    with pytest.raises(Forbidden):
        clinic.for_client(Client("kim")).insert(PATIENT, [row], nondefaults=["RMB"])
    with pytest.raises(Forbidden):
        clinic.for_client(ANN).insert(PATIENT, [row], nondefaults=["RMB"], recorded=True)


# --- what is shared ----------------------------------------------------------------------


def test_clients_that_differ_in_data_only_share_statements(clinic):
    with clinic.store.reading() as moment:
        policies = clinic._shared.policies
        carl = policies.reading(moment, Client("carl"))
        dora = policies.reading(moment, Client("dora"))
        assert carl.rules is dora.rules
        assert carl.parameters != dora.parameters
        assert policies.reading(moment, Client("kim")) is None
