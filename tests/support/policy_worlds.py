"""Random catalogs with random policies, and queries about them.

Projects have items, items have notes and may be parts of other items.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Any

from deriva_catalog.access import ANONYMOUS, Attribute, Client
from deriva_catalog.catalog import LocalCatalog
from deriva_catalog.model.bindings import settle_bindings
from deriva_catalog.model.definitions import (
    column_document,
    foreign_key_document,
    key_document,
    table_document,
)
from deriva_catalog.model.elements import Model, Table
from deriva_catalog.path.ast import TableName

SCHEMA = "s"
CLIENTS = (
    ANONYMOUS,
    Client("ann", attributes=(Attribute("g1"),)),
    Client("bob", attributes=(Attribute("g2"), Attribute("bob"))),
)
_ROLES = ("ann", "bob", "g1", "g2")
_ITEM_PROJECT, _ITEM_PARENT = [SCHEMA, "Item_project_fkey"], [SCHEMA, "Item_parent_fkey"]
_NOTE_ITEM, _NOTE_PROJECT = [SCHEMA, "Note_item_fkey"], [SCHEMA, "Note_project_fkey"]

PROJECTIONS: dict[str, list[tuple[Any, str]]] = {
    "Project": [
        ("members", "acl"),
        ("lead", "acl"),
        ([{"inbound": _ITEM_PROJECT}, "owner"], "acl"),
        ([{"filter": "level", "operator": "::gt::", "operand": 1}, "RID"], "nonnull"),
        ([{"inbound": _ITEM_PROJECT}, {"inbound": _NOTE_ITEM}, "author"], "acl"),
        ([{"filter": "lead", "operator": "::null::", "negate": True}, "members"], "acl"),
    ],
    "Item": [
        ("owner", "acl"),
        ("readers", "acl"),
        ([{"outbound": _ITEM_PROJECT}, "members"], "acl"),
        (
            [
                {"outbound": _ITEM_PROJECT},
                {"filter": "level", "operator": "::geq::", "operand": 2},
                "lead",
            ],
            "acl",
        ),
        ([{"filter": "kind", "operand": "open"}, "RID"], "nonnull"),
        ([{"filter": "kind", "operand": "open", "negate": True}, "owner"], "acl"),
        (
            [
                {"inbound": _NOTE_ITEM, "alias": "N"},
                {"filter": ["N", "txt"], "operator": "::regexp::", "operand": "^x", "negate": True},
                "txt",
            ],
            "nonnull",
        ),
        (
            [
                {"outbound": _ITEM_PROJECT, "alias": "P"},
                {"inbound": _NOTE_ITEM, "context": "base"},
                {
                    "or": [
                        {"filter": ["P", "level"], "operand": 2},
                        {
                            "and": [
                                {"filter": "txt", "operator": "::null::"},
                                {"filter": ["base", "nr"], "operator": "::lt::", "operand": 5},
                            ],
                            "negate": True,
                        },
                    ]
                },
                "author",
            ],
            "acl",
        ),
        ([{"outbound": _ITEM_PARENT}, "owner"], "acl"),
    ],
    "Note": [
        ("author", "acl"),
        ([{"outbound": _NOTE_ITEM}, {"outbound": _ITEM_PROJECT}, "members"], "acl"),
        ([{"outbound": _NOTE_ITEM}, "owner"], "acl"),
        ([{"outbound": _NOTE_PROJECT}, "RID"], "nonnull"),
    ],
}


def model_documents() -> dict[str, Any]:
    """The schema of all worlds."""
    text = [column_document(name, "text") for name in ("owner", "kind", "project", "secret")]
    tables = [
        table_document(
            "Project",
            [
                column_document("name", "text", nullok=False),
                column_document("members", "text[]"),
                column_document("lead", "text"),
                column_document("level", "int4"),
            ],
            keys=[key_document(["name"])],
        ),
        table_document(
            "Item",
            [
                column_document("nr", "int4", nullok=False),
                *text,
                column_document("readers", "text[]"),
                column_document("parent", "int4"),
            ],
            keys=[key_document(["nr"])],
            foreign_keys=[
                foreign_key_document(["project"], SCHEMA, "Project", ["name"]),
                foreign_key_document(["parent"], SCHEMA, "Item", ["nr"]),
            ],
        ),
        table_document(
            "Note",
            [
                column_document("item", "int4"),
                column_document("project", "text"),
                column_document("txt", "text"),
                column_document("author", "text"),
            ],
            foreign_keys=[
                foreign_key_document(["item"], SCHEMA, "Item", ["nr"]),
                foreign_key_document(["project"], SCHEMA, "Project", ["name"]),
            ],
        ),
    ]
    return {"schema_name": SCHEMA, "tables": {t["table_name"]: t for t in tables}}


@dataclass
class World:
    """A catalog that is being filled by chance."""

    catalog: LocalCatalog
    chance: random.Random

    @classmethod
    def make(cls, catalog: LocalCatalog, seed: int) -> World:
        """Rows and a policy for an empty catalog."""
        catalog.create_schema(model_documents())
        world = cls(catalog, random.Random(seed))
        world.fill()
        world.govern()
        return world

    # --- rows ------------------------------------------------------------------------

    def _maybe(self, *values: Any) -> Any:
        return self.chance.choice((None, *values))

    def _roles(self) -> list[str] | None:
        return self._maybe([], self.chance.sample(_ROLES, 2), [self.chance.choice(_ROLES), "x"])

    def project(self, name: str) -> dict[str, Any]:
        """A project."""
        level = self._maybe(1, 2, 3)
        return {
            "name": name,
            "members": self._roles(),
            "lead": self._maybe(*_ROLES),
            "level": level,
        }

    def item(self, nr: int) -> dict[str, Any]:
        """An item; its parent is an earlier one."""
        return {
            "nr": nr,
            "owner": self._maybe(*_ROLES),
            "kind": self._maybe("open", "shut"),
            "project": self._maybe("p0", "p1", "p2"),
            "secret": self._maybe("red", "blue"),
            "readers": self._roles(),
            "parent": self._maybe(*range(nr)),
        }

    def note(self) -> dict[str, Any]:
        """A note."""
        return {
            "item": self._maybe(*range(6)),
            "project": self._maybe("p0", "p1"),
            "txt": self._maybe("x1", "y2", "x3"),
            "author": self._maybe(*_ROLES),
        }

    def fill(self) -> None:
        """Rows for all tables."""
        self.catalog.insert(table_name("Project"), [self.project(f"p{n}") for n in range(4)])
        self.catalog.insert(table_name("Item"), [self.item(n) for n in range(9)])
        self.catalog.insert(table_name("Note"), [self.note() for _ in range(12)])

    def stir(self) -> None:
        """Change, remove and add some rows."""
        changed = [self.item(n) for n in self.chance.sample(range(9), 3)]
        self.catalog.update(table_name("Item"), changed, keys=["nr"])
        self.catalog.insert(table_name("Note"), [self.note()])
        self.catalog.update(table_name("Project"), [self.project("p1")], keys=["name"])

    # --- policies --------------------------------------------------------------------

    def _list(self, *, public: bool) -> tuple[str, ...]:
        roles = self.chance.sample(_ROLES, self.chance.choice((0, 1, 1, 2)))
        return (*roles, "*") if public and self.chance.random() < 0.4 else tuple(roles)

    def _acls(self, names: tuple[str, ...], likely: float) -> dict[str, tuple[str, ...]]:
        return {
            name: self._list(public=name in ("select", "enumerate"))
            for name in names
            if self.chance.random() < likely
        }

    def _bindings(
        self, start: str, rights: tuple[str, ...], likely: float
    ) -> dict[str, dict[str, Any]]:
        found = {}
        for n in range(2):
            if self.chance.random() < likely:
                projection, kind = self.chance.choice(PROJECTIONS[start])
                found[f"b{self.chance.randrange(3)}{n}"] = {
                    "types": self.chance.sample(rights, self.chance.choice((1, 1, 2))),
                    "projection": projection,
                    "projection_type": kind,
                    "scope_acl": self.chance.choice((["*"], ["*"], ["g1"], ["bob", "g1"])),
                }
        return found

    def govern(self) -> None:
        """A new policy, for everything."""
        with self.catalog.store.writing() as writing:
            writing.adopt(settle_bindings(writing.model, self.governed(writing.model)))

    def governed(self, model: Model) -> Model:
        """The model with other ACLs and bindings, by chance."""
        home = model.schemas[SCHEMA]
        rows = ("select", "select", "update", "delete", "insert", "write")
        acls = {
            "owner": ("kim",),
            "enumerate": ("*",),
            **self._acls(("select", "insert"), 0.5),
            **self._acls(("update", "delete"), 0.2),
        }
        tables = {name: self._governed(table, rows) for name, table in home.tables.items()}
        schemas = {**model.schemas, SCHEMA: replace(home, tables=tables)}
        return replace(model, acls=acls, schemas=schemas)

    def _governed(self, table: Table, names: tuple[str, ...]) -> Table:
        rights = ("select", "select", "update", "delete", "owner")
        columns = []
        for column in table.columns:
            if self.chance.random() < (0.12 if column.is_system else 0.3):
                acls = self._acls(("select", "enumerate", "update", "insert"), 0.35)
                if "select" in acls and self.chance.random() < 0.3:
                    acls["enumerate"] = ()
                bindings: dict[str, Any] = self._bindings(table.name, rights, 0.4)
                if self.chance.random() < 0.3:
                    bindings["b00"] = False
                column = replace(column, acls=acls, acl_bindings=bindings)
            else:
                column = replace(column, acls={}, acl_bindings={})
            columns.append(column)
        acls = self._acls(names, 0.35)
        if self.chance.random() < 0.06:
            acls["enumerate"] = ()
        if self.chance.random() < 0.1:
            acls["owner"] = ("g2",)
        fkeys = []
        for fkey in table.foreign_keys:
            if fkey.referenced_schema != SCHEMA:
                fkeys.append(fkey)
                continue
            public = self.chance.random() < 0.6
            lists = {}
            for name in ("insert", "update"):
                lists[name] = ("*",) if public else self._list(public=False)
            made = self._bindings(fkey.referenced_table, ("insert", "update", "owner"), 0.4)
            fkeys.append(replace(fkey, acls=lists, acl_bindings=made))
        return replace(
            table,
            columns=tuple(columns),
            foreign_keys=tuple(fkeys),
            acls=acls,
            acl_bindings=self._bindings(table.name, rights, 0.6),
        )


def table_name(name: str) -> TableName:
    """A table of the worlds' schema."""
    return TableName(name, SCHEMA)


# --- queries -----------------------------------------------------------------------------

_COLUMNS = {
    "Project": ("RID", "RCB", "name", "members", "lead", "level"),
    "Item": ("RID", "RCB", "nr", "owner", "kind", "project", "secret", "readers", "parent"),
    "Note": ("RID", "RCB", "item", "project", "txt", "author"),
}
_LINKS = {
    "Project": [("name", "Item", "project"), ("name", "Note", "project")],
    "Item": [("project", "Project", "name"), ("nr", "Note", "item"), ("parent", "Item", "nr")],
    "Note": [("item", "Item", "nr"), ("project", "Project", "name"), ("author", "Item", "owner")],
}
_VALUES = {
    "name": ("p0", "p1"),
    "project": ("p0", "p2"),
    "level": ("1", "2"),
    "nr": ("2", "5"),
    "parent": ("1", "3"),
    "item": ("1", "4"),
    "kind": ("open", "shut"),
    "secret": ("red", "blue"),
    "txt": ("x1", "y2"),
}
ALL, SEARCHED = "*", "*::ts::"


@dataclass
class Asked:
    """A query as a URL, and what it touches: tables, and columns of them.

    `ALL` stands for a whole row, `SEARCHED` for the columns that a text is searched in.
    """

    url: str
    path: str
    tables: list[str]
    touched: set[tuple[str, str]]
    ordered: bool = False


class Asking:
    """Makes queries by chance."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.tables: list[str] = []
        self.touched: set[tuple[str, str]] = set()

    def query(self) -> Asked:
        """A query of any kind; sorted by the RID of its context if it is sorted at all."""
        self.tables, self.touched = [], set()
        path = self._path()
        last = len(self.tables) - 1
        context = self.chance.randrange(len(self.tables)) if self.chance.random() < 0.5 else last
        if context != last:
            path += f"/$t{context}"
        kind = self.chance.choice(("entity", "attribute", "group", "page", "aggregate"))
        ordered, end = False, ""
        if kind != "aggregate" and self.chance.random() < 0.6:
            limit = self.chance.choice(("", "?limit=3"))
            end, ordered = f"@sort(RID){limit}", True
            if self.chance.random() < 0.3 and kind in ("entity", "attribute"):
                end = f"@sort(RID)@after(4){limit}"
            self._touch(context, "RID")
        url = getattr(self, f"_{kind}")(path, context)
        return Asked(url + end, path, list(self.tables), set(self.touched), ordered)

    def _touch(self, instance: int, column: str) -> None:
        self.touched.add((self.tables[instance], column))

    def _column(self, instance: int) -> str:
        name = self.chance.choice(_COLUMNS[self.tables[instance]])
        self._touch(instance, name)
        return name

    def _path(self) -> str:
        self.tables.append(self.chance.choice(tuple(_COLUMNS)))
        path = f"t0:={SCHEMA}:{self.tables[0]}" + self._filters()
        for _ in range(self.chance.choice((0, 0, 1, 1, 2))):
            here = self.chance.randrange(len(self.tables))
            column, table, there = self.chance.choice(_LINKS[self.tables[here]])
            self._touch(here, column)
            outer = "left" if self.chance.random() < 0.35 else ""
            alias = f"t{len(self.tables)}"
            self.tables.append(table)
            self._touch(len(self.tables) - 1, there)
            path += f"/{alias}:={outer}(t{here}:{column})=({SCHEMA}:{table}:{there})"
            path += self._filters()
        return path

    def _filters(self) -> str:
        if self.chance.random() < 0.5:
            return ""
        instance = self.chance.randrange(len(self.tables))
        if self.chance.random() < 0.15:
            self._touch(len(self.tables) - 1, SEARCHED)
            return "/*::ciregexp::" + self.chance.choice(("x", "red", "p1", "open"))
        name = self._column(instance)
        test = f"t{instance}:{name}"
        if name not in _VALUES or self.chance.random() < 0.2:
            test += "::null::"
        else:
            sign = self.chance.choice(("=", "=", "::gt::", "::leq::", "::regexp::"))
            test += sign + self.chance.choice(_VALUES[name])
        if self.chance.random() < 0.3:
            test = f"!({test})"
        if self.chance.random() < 0.2:
            other = self._column(instance)
            test += f";t{instance}:{other}::null::"
        return "/" + test

    def _entity(self, path: str, context: int) -> str:
        self._touch(context, ALL)
        return f"entity/{path}"

    def _attribute(self, path: str, context: int) -> str:
        items = ["RID"]
        self._touch(context, "RID")
        items += [f"c{n}:=t{context}:{self._column(context)}" for n in range(2)]
        if self.chance.random() < 0.2:
            items = ["*"]
            self._touch(context, ALL)
        return f"attribute/{path}/{','.join(items)}"

    def _group(self, path: str, context: int) -> str:
        self._touch(context, "RID")
        values = ["n:=cnt(*)"]
        for n, instance in enumerate(range(len(self.tables))):
            function = self.chance.choice(("cnt", "cnt_d", "array_d"))
            values.append(f"v{n}:={function}(t{instance}:{self._column(instance)})")
        return f"attributegroup/{path}/RID;{','.join(values)}"

    def _page(self, path: str, context: int) -> str:
        self._touch(context, "RID")
        values = []
        for instance in range(len(self.tables)):
            self._touch(instance, ALL)
            values.append(f"a{instance}:=array_d(t{instance}:*)")
        self.touched |= {(self.tables[context], "RID")}
        function = self.chance.choice(("trs", "tcrs"))
        values.append(f"rights:={function}(t{context}:RID)")
        return f"attributegroup/{path}/RID;{','.join(values)}"

    def _aggregate(self, path: str, context: int) -> str:
        values = ["n:=cnt(*)"]
        for instance in range(len(self.tables)):
            name = self._column(instance)
            values.append(f"d{instance}:=cnt_d(t{instance}:{name})")
        return f"aggregate/{path}/{','.join(values)}"
