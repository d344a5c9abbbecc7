"""Access control as the protocol describes it, one rule a function: slow, and easy to check.

It is written from the protocol alone and shares no code with `deriva_catalog.access`. Elements are
named by chains: the catalog's model, a schema, a table and a column, as far as it goes.

Two things that the protocol leaves open: the list ``delete``, which columns do not have, is the
table's, and it implies ``select`` on a column that has no list ``select`` of its own; a foreign key
without the lists ``insert``, ``update`` and ``write`` is open.

Source: ERMrest, "Access control: static ACLs" and "dynamic ACL bindings".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deriva_catalog.model.elements import Column, ForeignKey, Model, Schema, Table

Chain = Sequence[Model | Schema | Table | Column]
MUTATIONS = ("owner", "create", "write", "insert", "update", "delete")
GIVEN_BY = {
    "owner": (),
    "create": ("owner",),
    "write": ("owner",),
    "insert": ("owner", "write"),
    "update": ("owner", "write"),
    "delete": ("owner", "write"),
    "select": ("owner", "write", "update", "delete"),
    "enumerate": ("owner", "create", "write", "insert", "update", "delete", "select"),
}
NAMES: Mapping[type, tuple[str, ...]] = {
    Model: tuple(GIVEN_BY),
    Schema: tuple(GIVEN_BY),
    Table: ("owner", "enumerate", "write", "insert", "update", "delete", "select"),
    Column: ("owner", "enumerate", "write", "insert", "update", "delete", "select"),
}


@dataclass(frozen=True)
class Asking:
    """Who asks: roles, with everybody's among them; at a snapshot or not."""

    roles: frozenset[str]
    is_anonymous: bool = False
    historic: bool = False


# --- static rights -----------------------------------------------------------------------


def used_list(chain: Chain, name: str) -> tuple[str, ...]:
    """An element's own list if it is set, otherwise its parent's; a catalog's is there."""
    for element in reversed(chain):
        if name in element.acls:
            return element.acls[name]
    return ()


def is_in(asking: Asking, roles: Sequence[str]) -> bool:
    return any(role in asking.roles for role in roles)


def owns(asking: Asking, chain: Chain) -> bool:
    """Owners of a parent own the children; nobody in particular owns nothing."""
    return not asking.is_anonymous and any(
        is_in(asking, element.acls.get("owner", ())) for element in chain
    )


def is_listed(asking: Asking, chain: Chain, name: str) -> bool:
    if name == "owner":
        return owns(asking, chain)
    if asking.is_anonymous and name in MUTATIONS:
        return False
    return is_in(asking, used_list(chain, name))


def follows_in(asking: Asking, chain: Chain, right: str) -> bool:
    """Whether a right is listed for one element, or implied by another of its rights."""
    element = chain[-1]
    if right not in NAMES[type(element)]:
        return False
    if is_listed(asking, chain, right):
        return True
    for stronger in GIVEN_BY[right]:
        narrowed = isinstance(element, Column) and "select" in element.acls
        if narrowed and stronger == "delete" and not owns(asking, chain):
            continue
        if follows_in(asking, chain, stronger):
            return True
    return False


def has_static(asking: Asking, chain: Chain, right: str) -> bool:
    """A column never has more than its table; it has no right to delete of its own."""
    if isinstance(chain[-1], Column):
        if right == "delete":
            return has_static(asking, chain[:-1], right)
        return has_static(asking, chain[:-1], right) and follows_in(asking, chain, right)
    return follows_in(asking, chain, right)


def has_static_on_foreign_key(asking: Asking, home: Chain, fkey: ForeignKey, right: str) -> bool:
    """Own lists only; without any about values, everybody but anonymous clients."""
    if owns(asking, home):
        return True
    if right == "enumerate":
        return (
            is_in(asking, fkey.acls.get("enumerate", ("*",)))
            or has_static_on_foreign_key(asking, home, fkey, "insert")
            or has_static_on_foreign_key(asking, home, fkey, "update")
        )
    if asking.is_anonymous:
        return False
    open_to = () if "write" in fkey.acls else ("*",)
    return is_in(asking, fkey.acls.get(right, open_to)) or is_in(asking, fkey.acls.get("write", ()))


# --- bindings ----------------------------------------------------------------------------


def may_give(asking: Asking, binding: Any, right: str) -> bool:
    if binding is False or not is_in(asking, binding["scope_acl"]):
        return False
    types = binding["types"]
    if right == "select":
        return bool({"owner", "update", "delete", "select"} & set(types))
    if right in ("owner", "update", "delete"):
        return not asking.is_anonymous and bool({"owner", right} & set(types))
    return False


def effective_bindings(table: Table, column: Column) -> list[Any]:
    """A column's bindings: its own, and those of its table that it does not name itself."""
    inherited = [b for name, b in table.acl_bindings.items() if name not in column.acl_bindings]
    return [*inherited, *column.acl_bindings.values()]


# --- answers -----------------------------------------------------------------------------


def at_snapshot(asking: Asking, right: str, answer: bool | None) -> bool | None:
    """Nothing can be changed in the past."""
    return False if asking.historic and right in MUTATIONS else answer


def on_catalog(asking: Asking, model: Model, right: str) -> bool | None:
    return at_snapshot(asking, right, has_static(asking, [model], right))


def on_schema(asking: Asking, chain: Chain, right: str) -> bool | None:
    return at_snapshot(asking, right, has_static(asking, chain, right))


def on_table(asking: Asking, chain: Chain, right: str) -> bool | None:
    table = chain[-1]
    assert isinstance(table, Table)
    if has_static(asking, chain, right):
        return at_snapshot(asking, right, True)
    possible = any(may_give(asking, binding, right) for binding in table.acl_bindings.values())
    return at_snapshot(asking, right, None if possible else False)


def on_column(asking: Asking, chain: Chain, right: str) -> bool | None:
    *home, table, column = chain
    assert isinstance(table, Table)
    assert isinstance(column, Column)
    of_table = on_table(asking, [*home, table], right)
    if right == "delete" or of_table is False:
        return of_table
    if follows_in(asking, chain, right):
        return of_table
    bindings = effective_bindings(table, column)
    possible = any(may_give(asking, binding, right) for binding in bindings)
    return at_snapshot(asking, right, None if possible else False)


def on_foreign_key(asking: Asking, home: Chain, fkey: ForeignKey, right: str) -> bool | None:
    if has_static_on_foreign_key(asking, home, fkey, right):
        return at_snapshot(asking, right, True)
    possible = right != "enumerate" and any(
        is_in(asking, binding["scope_acl"]) and {"owner", right} & set(binding["types"])
        for binding in fkey.acl_bindings.values()
    )
    answer = None if possible and not asking.is_anonymous else False
    return at_snapshot(asking, right, answer)


# --- what is visible -----------------------------------------------------------------------


def chains(model: Model) -> Iterator[list[Any]]:
    """Every schema, table and column, as a chain."""
    for schema in model.schemas.values():
        yield [model, schema]
        for table in schema.tables.values():
            yield [model, schema, table]
            for column in table.columns:
                yield [model, schema, table, column]


def sees(asking: Asking, chain: Chain) -> bool:
    """An element is seen if it and all that it is in may be enumerated."""
    return all(
        has_static(asking, chain[: depth + 1], "enumerate") for depth in range(1, len(chain))
    )


def sees_columns(asking: Asking, home: Chain, names: Sequence[str]) -> bool:
    table = home[-1]
    assert isinstance(table, Table)
    return all(sees(asking, [*home, c]) for c in table.columns if c.name in names)


def sees_foreign_key(asking: Asking, home: Chain, fkey: ForeignKey) -> bool:
    model = home[0]
    assert isinstance(model, Model)
    schema = model.schemas[fkey.referenced_schema]
    target = [model, schema, schema.tables[fkey.referenced_table]]
    return (
        sees_columns(asking, home, fkey.columns)
        and sees(asking, target)
        and sees_columns(asking, target, fkey.referenced_columns)
        and has_static_on_foreign_key(asking, home, fkey, "enumerate")
    )


def visible_names(asking: Asking, model: Model) -> set[tuple[str, ...]]:
    """The names of all that is visible: elements by their place, constraints by theirs."""
    found: set[tuple[str, ...]] = set()
    for chain in chains(model):
        if sees(asking, chain):
            found.add(tuple(element.name for element in chain[1:]))
            if isinstance(chain[-1], Table):
                found |= visible_constraints(asking, chain)
    return found


def visible_constraints(asking: Asking, home: list[Any]) -> set[tuple[str, ...]]:
    table = home[-1]
    place = (table.schema, table.name)
    keys = {(*place, "key", k.name) for k in table.keys if sees_columns(asking, home, k.columns)}
    fkeys = {
        (*place, "fkey", f.name) for f in table.foreign_keys if sees_foreign_key(asking, home, f)
    }
    return keys | fkeys


def shown_policy(asking: Asking, model: Model) -> dict[tuple[str, ...], Mapping[str, Any]]:
    """The ACLs that are shown, by the place of their element: those of its owners."""
    places = [[model], *(chain for chain in chains(model) if sees(asking, chain))]
    return {
        tuple(element.name for element in chain[1:]): chain[-1].acls
        for chain in places
        if owns(asking, chain[:3]) and chain[-1].acls
    }
