"""Decisions about random models and clients, compared with the rules one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

import slow_access as slow
from deriva_catalog.access import ANONYMOUS, Attribute, Client, decisions_for
from deriva_catalog.access.decisions import Decisions
from deriva_catalog.model.elements import (
    Column,
    ColumnType,
    ForeignKey,
    Key,
    Model,
    Schema,
    Table,
)

ROLES = ("kim", "staff", "guests", "*")
PLACES = [("S", "A"), ("S", "B"), ("T", "C")]
TEXT = ColumnType("text")

OUTER = ("owner", "create", "enumerate", "write", "insert", "update", "delete", "select")
OF_TABLE = ("owner", "enumerate", "write", "insert", "update", "delete", "select")
OF_COLUMN = ("enumerate", "write", "insert", "update", "select")
OF_FKEY = ("enumerate", "write", "insert", "update")
ON_ROWS = ("owner", "update", "delete", "select")
ON_REFERENCES = ("owner", "insert", "update")
PATHS: list[Any] = [
    "RID",
    "x",
    *([{"outbound": [schema, f"{table}_x_fkey"]}, "RID"] for schema, table in PLACES),
]


@dataclass(frozen=True)
class Dice:
    """Random policy; `density` is how likely each list and binding is there at all.

    A model is drawn with one seed: drawing each role with hypothesis takes a hundred times as long.
    """

    random: Random
    density: float

    def roles(self, *, public: bool) -> tuple[str, ...]:
        known = ROLES if public else ROLES[:3]
        return tuple(self.random.sample(known, self.random.randint(0, 2)))

    def acls(self, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
        public = ("enumerate", "select", *(("insert", "update") if names is OF_FKEY else ()))
        return {n: self.roles(public=n in public) for n in names if self.happens()}

    def bindings(self, types: Sequence[str], *, suppressing: bool = False) -> dict[str, Any]:
        names = [name for name in ("one", "two") if self.happens()]
        return {
            name: False if suppressing and self.happens() else self.binding(types) for name in names
        }

    def binding(self, types: Sequence[str]) -> dict[str, Any]:
        return {
            "types": self.random.sample(types, self.random.randint(1, 2)),
            "projection": self.random.choice(PATHS),
            "scope_acl": list(self.roles(public=True)),
        }

    def happens(self) -> bool:
        return self.random.random() < self.density

    def table(self, schema: str, name: str) -> Table:
        columns = tuple(
            Column(
                f"{name}-{column}",
                column,
                TEXT,
                acls=self.acls(OF_COLUMN),
                acl_bindings=self.bindings(ON_ROWS, suppressing=True),
            )
            for column in ("RID", "x", "y")
        )
        fkey = ForeignKey(
            f"{name}-f",
            f"{name}_x_fkey",
            ("x",),
            *self.random.choice(PLACES),
            ("RID",),
            acls=self.acls(OF_FKEY),
            acl_bindings=self.bindings(ON_REFERENCES),
        )
        return Table(
            f"{name}-t",
            schema,
            name,
            columns,
            (Key(f"{name}-1", f"{name}_RID_key", ("RID",)), Key(f"{name}-2", "k", ("x", "y"))),
            (fkey,),
            acls=self.acls(OF_TABLE),
            acl_bindings=self.bindings(ON_ROWS),
        )

    def model(self) -> Model:
        made = {place: self.table(*place) for place in PLACES}
        schemas = {
            name: Schema(
                name,
                name,
                {t: table for (s, t), table in made.items() if s == name},
                acls=self.acls(OUTER),
            )
            for name in ("S", "T")
        }
        return Model(1, schemas, acls=self.acls(OUTER))


densities = st.sampled_from([0.05, 0.1, 0.2, 0.3, 0.5, 0.8])
models = st.builds(lambda seed, d: Dice(Random(seed), d).model(), st.integers(0), densities)
groups = st.lists(st.sampled_from(["staff", "guests", "others"]), unique=True)
known_clients = st.builds(
    lambda name, roles: Client(name, attributes=tuple(map(Attribute, roles))),
    st.sampled_from(["kim", "sam"]),
    groups,
)
clients = st.one_of(known_clients, known_clients, st.just(ANONYMOUS))


def asking(client: Client, *, historic: bool) -> slow.Asking:
    return slow.Asking(client.roles, client.is_anonymous, historic)


def decided(decisions: Decisions, model: Model) -> Iterator[tuple[Any, bool | None]]:
    for right in slow.GIVEN_BY:
        yield right, decisions.catalog(right)
    for chain in slow.chains(model):
        place = tuple(element.name for element in chain[1:])
        for right in slow.NAMES[type(chain[-1])]:
            match chain:
                case [_, schema]:
                    yield (place, right), decisions.schema(schema, right)
                case [_, _, table]:
                    yield (place, right), decisions.table(table, right)
                case [_, _, table, column] if right not in ("owner", "write"):
                    yield (place, right), decisions.column(table, column, right)
    for table, right in product(model.tables(), ("insert", "update", "enumerate")):
        for fkey in table.foreign_keys:
            yield (fkey.name, right), decisions.foreign_key(table, fkey, right)


def expected(who: slow.Asking, model: Model) -> Iterator[tuple[Any, bool | None]]:
    for right in slow.GIVEN_BY:
        yield right, slow.on_catalog(who, model, right)
    for chain in slow.chains(model):
        place = tuple(element.name for element in chain[1:])
        for right in slow.NAMES[type(chain[-1])]:
            match chain:
                case [_, _]:
                    yield (place, right), slow.on_schema(who, chain, right)
                case [_, _, _]:
                    yield (place, right), slow.on_table(who, chain, right)
                case [_, _, _, _] if right not in ("owner", "write"):
                    yield (place, right), slow.on_column(who, chain, right)
    for table, right in product(model.tables(), ("insert", "update", "enumerate")):
        home = [model, model.schemas[table.schema], table]
        for fkey in table.foreign_keys:
            yield (fkey.name, right), slow.on_foreign_key(who, home, fkey, right)


@settings(max_examples=100, deadline=None)
@given(models, clients, st.booleans())
def test_each_right_follows_from_the_rules(model: Model, client: Client, historic: bool) -> None:
    decisions = decisions_for(model, client, historic=historic)
    who = asking(client, historic=historic)
    assert dict(decided(decisions, model)) == dict(expected(who, model))


def names_in(model: Model) -> set[tuple[str, ...]]:
    found: set[tuple[str, ...]] = set()
    for chain in slow.chains(model):
        found.add(tuple(element.name for element in chain[1:]))
    for table in model.tables():
        found |= {(table.schema, table.name, "key", key.name) for key in table.keys}
        found |= {(table.schema, table.name, "fkey", fkey.name) for fkey in table.foreign_keys}
    return found


def policy_in(model: Model) -> dict[tuple[str, ...], Mapping[str, Any]]:
    chains = [[model], *slow.chains(model)]
    return {
        tuple(element.name for element in chain[1:]): chain[-1].acls
        for chain in chains
        if chain[-1].acls
    }


@settings(max_examples=100, deadline=None)
@given(models, clients, st.booleans())
def test_what_is_visible_follows_from_the_rules(
    model: Model, client: Client, historic: bool
) -> None:
    seen = decisions_for(model, client, historic=historic).visible()
    who = asking(client, historic=historic)
    assert names_in(seen) == slow.visible_names(who, model)
    assert policy_in(seen) == slow.shown_policy(who, model)


@settings(max_examples=100, deadline=None)
@given(models, clients)
def test_bindings_are_shown_to_owners_who_see_what_they_use(model: Model, client: Client) -> None:
    who = asking(client, historic=False)
    names = slow.visible_names(who, model)
    for table in decisions_for(model, client).visible().tables():
        home = [model, model.schemas[table.schema], model.schemas[table.schema].tables[table.name]]
        given_to_all = home[-1].acl_bindings
        shown = table.acl_bindings
        if slow.owns(who, [model]):
            assert shown == given_to_all
        elif not slow.owns(who, home):
            assert shown == {}
        else:
            plain = {n for n, b in given_to_all.items() if isinstance(b["projection"], str)}
            assert plain <= shown.keys() <= given_to_all.keys()
            for binding in shown.values():
                if not isinstance(binding["projection"], str):
                    constraint = next(iter(binding["projection"][0].values()))
                    assert any(name[2:] == ("fkey", constraint[1]) for name in names)
