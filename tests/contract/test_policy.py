"""How the policy of a catalog, and what is attached to its elements, is set."""

from __future__ import annotations

from typing import Any

import pytest

from backends import AnyCatalog
from deriva_catalog.errors import BadRequest, Conflict, NotFound, ReadOnly
from deriva_catalog.interface import Address
from deriva_catalog.model.acls import ACL_NAMES

CATALOG = Address()
ZOO = Address("zoo")
SPECIES = Address("zoo", "Species")
ANIMAL = Address("zoo", "Animal")
LEGS = Address("zoo", "Species", column="legs")
NAME_KEY = Address("zoo", "Species", key=("name",))
REFERENCE = Address("zoo", "Animal", foreign_key=("species",))

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
    assert zoo.set_acls(CATALOG, {"owner": ["kim"]})["enumerate"] == []


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
    (Address("garden"), {}, Conflict),
    (Address("zoo", "Plant"), {}, Conflict),
    (Address("zoo", "Species", column="x"), {}, NotFound),
]


def test_a_wrong_acl_is_refused_and_changes_nothing(zoo: AnyCatalog) -> None:
    before = zoo.latest_snapshot()
    for address, acls, error in WRONG_ACLS:
        with pytest.raises(error):
            zoo.set_acls(address, acls)
    assert zoo.latest_snapshot() == before


def test_one_acl_of_an_unknown_name_is_refused_also_to_unset_it(zoo: AnyCatalog) -> None:
    with pytest.raises(Conflict, match="'read'"):
        zoo.set_acl(ZOO, "read", ["staff"])
    with pytest.raises(NotFound, match="'read'"):
        zoo.set_acl(ZOO, "read", None)
    with pytest.raises(BadRequest):
        zoo.set_acl(ZOO, "select", "staff")


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
    with pytest.raises(Conflict):
        zoo.set_annotations(Address("zoo", "Plant"), {})


def test_a_comment_is_set_and_removed(zoo: AnyCatalog) -> None:
    for address in (ZOO, SPECIES, LEGS, NAME_KEY, REFERENCE):
        zoo.set_comment(address, "why")
        assert zoo.describe(address)["comment"] == "why"
        zoo.set_comment(address, None)
        assert zoo.describe(address)["comment"] is None
    with pytest.raises(NotFound):
        zoo.set_comment(CATALOG, "why")
