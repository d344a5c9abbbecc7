"""What clients see of a model, and may change in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deriva_catalog.access import ANONYMOUS, Attribute, Client
from deriva_catalog.catalog import LocalCatalog, create_local
from deriva_catalog.errors import (
    Forbidden,
    NotAuthenticated,
    NotFound,
    ReadOnly,
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
