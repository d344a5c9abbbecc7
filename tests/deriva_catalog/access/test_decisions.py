"""What lists and bindings give a client."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

import pytest

from deriva_catalog import rid
from deriva_catalog.access import ANONYMOUS, Attribute, Client, Decisions, decisions_for
from deriva_catalog.errors import Forbidden, NotAuthenticated
from deriva_catalog.model import Model, create
from deriva_catalog.model.address import Address
from deriva_catalog.model.alteration import alter
from deriva_catalog.model.definitions import (
    column_document,
    foreign_key_document,
    key_document,
    table_document,
)
from deriva_catalog.model.elements import Table

OWNER = Client("kim")
READER = Client("sam", attributes=(Attribute("readers"),))
WRITER = Client("joe", attributes=(Attribute("writers"),))

SPECIES = table_document(
    "Species",
    [column_document("name", "text", nullok=False)],
    keys=[key_document(["name"])],
    user_references=False,
)
ANIMAL = table_document(
    "Animal",
    [column_document("species", "text"), column_document("keeper", "text")],
    keys=[key_document(["keeper"])],
    foreign_keys=[foreign_key_document(["species"], "zoo", "Species", ["name"])],
    user_references=False,
)
Build = Callable[[Mapping[Address, Mapping[str, Any]]], Model]

CATALOG = Address()
ZOO = Address("zoo")
THE_ANIMALS = Address("zoo", "Animal")
KEEPER = Address("zoo", "Animal", column="keeper")
SPECIES_KEY = Address("zoo", "Animal", foreign_key=("species",))


def zoo(policy: Mapping[Address, Mapping[str, Any]]) -> Model:
    """Animals and their species, with ACLs and bindings."""
    numbers = count(1)
    documents = [{"schema_name": "zoo", "tables": {"Species": SPECIES, "Animal": ANIMAL}}]
    model = create(Model(0), documents, next_rid=lambda: rid.encode(next(numbers)), version=1).model
    lists = {
        "owner": ["kim"],
        "enumerate": ["*"],
        "select": ["readers"],
        "write": ["writers"],
    }
    for address, document in {CATALOG: {"acls": lists}, **policy}.items():
        model = alter(model, address, document, version=2).model
    return model


def animals(model: Model) -> Table:
    return model.schemas["zoo"].tables["Animal"]


def rights(decisions: Decisions, *, column: str | None = None) -> dict[str, bool | None]:
    table = animals(decisions.model)
    names = ("owner", "insert", "update", "delete", "select", "enumerate")
    if column is None:
        return {name: decisions.table(table, name) for name in names}
    return {name: decisions.column(table, table.by_name[column], name) for name in names[1:]}


def given(decisions: Decisions, **where: str) -> set[str]:
    return {name for name, answer in rights(decisions, **where).items() if answer}


def test_lists_of_the_catalog_hold_for_its_tables() -> None:
    model = zoo({})
    assert given(decisions_for(model, READER)) == {"select", "enumerate"}
    written = {"insert", "update", "delete", "select", "enumerate"}
    assert given(decisions_for(model, WRITER)) == written
    assert given(decisions_for(model, OWNER)) == {"owner", *written}
    assert given(decisions_for(model, ANONYMOUS)) == {"enumerate"}


def test_a_list_replaces_what_is_inherited_also_when_it_is_empty() -> None:
    model = zoo({THE_ANIMALS: {"acls": {"select": []}}})
    assert given(decisions_for(model, READER)) == {"enumerate"}
    model = zoo({ZOO: {"acls": {"select": []}}, THE_ANIMALS: {"acls": {"select": ["sam"]}}})
    assert given(decisions_for(model, READER)) == {"select", "enumerate"}


def test_owners_of_a_parent_own_its_children() -> None:
    model = zoo({ZOO: {"acls": {"owner": ["sam"]}}, THE_ANIMALS: {"acls": {"owner": []}}})
    assert decisions_for(model, READER).owns_table(animals(model))
    assert not decisions_for(model, READER).owns_catalog()
    assert decisions_for(model, OWNER).owns_table(animals(model))


def test_a_column_can_only_narrow_what_its_table_allows() -> None:
    model = zoo({KEEPER: {"acls": {"select": ["*"], "update": ["sam"]}}})
    assert given(decisions_for(model, ANONYMOUS), column="keeper") == {"enumerate"}
    assert given(decisions_for(model, READER), column="keeper") == {"select", "enumerate"}
    hidden = zoo({KEEPER: {"acls": {"select": [], "enumerate": []}}})
    assert given(decisions_for(hidden, READER), column="keeper") == set()
    assert given(decisions_for(hidden, OWNER), column="keeper") >= {"select", "enumerate"}


def test_anonymous_clients_change_nothing_even_through_open_foreign_keys() -> None:
    model = zoo({})
    table = animals(model)
    fkey = table.foreign_keys[0]
    assert decisions_for(model, READER).foreign_key(table, fkey, "insert") is True
    assert decisions_for(model, ANONYMOUS).foreign_key(table, fkey, "insert") is False
    assert decisions_for(model, ANONYMOUS).foreign_key(table, fkey, "enumerate") is True


def test_a_narrowed_foreign_key_is_open_to_its_list_and_to_owners() -> None:
    model = zoo({SPECIES_KEY: {"acls": {"insert": ["writers"], "update": []}}})
    table = animals(model)
    fkey = table.foreign_keys[0]
    assert decisions_for(model, WRITER).foreign_key(table, fkey, "insert") is True
    assert decisions_for(model, WRITER).foreign_key(table, fkey, "update") is False
    assert decisions_for(model, OWNER).foreign_key(table, fkey, "update") is True


def test_a_binding_in_scope_makes_a_right_depend_on_the_row() -> None:
    binding = {"types": ["update"], "projection": "keeper", "scope_acl": ["keepers"]}
    model = zoo({THE_ANIMALS: {"acl_bindings": {"own": binding}}})
    keeper = Client("ann", attributes=(Attribute("keepers"),))
    found = rights(decisions_for(model, keeper))
    assert (found["select"], found["update"]) == (None, None)
    assert (found["insert"], found["delete"], found["enumerate"]) == (False, False, True)
    assert rights(decisions_for(model, ANONYMOUS))["select"] is False
    table = animals(model)
    assert list(decisions_for(model, keeper).table_bindings(table, "select")) == ["own"]
    assert decisions_for(model, READER).table_bindings(table, "select") == {}


def test_a_column_can_suppress_a_binding_of_its_table() -> None:
    binding = {"types": ["select"], "projection": "keeper"}
    model = zoo(
        {
            CATALOG: {"acls": {"owner": ["kim"], "enumerate": ["*"]}},
            THE_ANIMALS: {"acl_bindings": {"own": binding}},
            KEEPER: {"acl_bindings": {"own": False}},
        }
    )
    decisions = decisions_for(model, READER)
    assert rights(decisions, column="species")["select"] is None
    assert rights(decisions, column="keeper")["select"] is False


def test_at_a_snapshot_nothing_can_be_changed_but_owners_are_known() -> None:
    model = zoo({})
    decisions = decisions_for(model, OWNER, historic=True)
    assert given(decisions) == {"select", "enumerate"}
    assert decisions.owns_table(animals(model))
    assert not decisions.catalog("owner")
    assert not decisions.catalog("create")


def test_the_embedded_owner_is_restricted_in_nothing() -> None:
    model = zoo({CATALOG: {"acls": {}}})
    decisions = decisions_for(model, None)
    assert decisions.is_owner_of_everything
    assert decisions.visible() is model
    assert given(decisions) >= {"owner", "insert", "select"}


def test_clients_of_the_same_effect_share_decisions() -> None:
    model = zoo({})
    one, other = Client("a", attributes=(Attribute("x"),)), Client("b")
    assert decisions_for(model, one) is decisions_for(model, other)
    assert decisions_for(model, one) is not decisions_for(model, ANONYMOUS)
    assert decisions_for(model, one) is not decisions_for(model, READER)


def test_what_may_not_be_enumerated_is_not_in_the_visible_model() -> None:
    hidden = {"acls": {"enumerate": [], "select": []}}
    model = zoo({KEEPER: hidden, Address("zoo", "Species"): hidden})
    seen = decisions_for(model, READER).visible()
    assert list(seen.schemas["zoo"].tables) == ["Animal"]
    table = animals(seen)
    assert "keeper" not in table.by_name
    assert [key.columns for key in table.keys] == [("RID",)]
    assert table.foreign_keys == ()
    assert decisions_for(model, OWNER).visible() is model


def test_acls_are_seen_by_owners_only() -> None:
    policy = {
        "acls": {"owner": ["joe"]},
        "acl_bindings": {"b": {"types": ["select"], "projection": "keeper"}},
    }
    model = zoo({THE_ANIMALS: policy})
    seen = animals(decisions_for(model, READER).visible())
    assert (seen.acls, seen.acl_bindings) == ({}, {})
    owned = animals(decisions_for(model, WRITER).visible())
    assert owned.acls == {"owner": ("joe",)}
    assert list(owned.acl_bindings) == ["b"]
    assert decisions_for(model, WRITER).visible().acls == {}


def test_a_denial_is_401_for_anonymous_clients_and_403_for_others() -> None:
    model = zoo({})
    with pytest.raises(NotAuthenticated, match="select access on :zoo:Animal"):
        decisions_for(model, ANONYMOUS).require_table(animals(model), "select")
    with pytest.raises(Forbidden, match="update access on :zoo:Animal"):
        decisions_for(model, READER).require_table(animals(model), "update")
    decisions_for(model, READER).require_table(animals(model), "select")
