"""What a client may do with each element of a model, by static policy.

Decisions are pure: they follow from the model, the client's roles and whether a snapshot is
asked about. True is a right that the lists give; None one that only a dynamic binding can give,
row by row; False one that the client does not have.

Source: ERMrest, "Access control: static ACLs", "dynamic ACL bindings" and "What a historic
read returns".
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from ..errors import Forbidden, NotAuthenticated
from ..model.elements import AclBindings, Acls, Column, ForeignKey, Model, Schema, Table
from .identity import EVERYBODY, Client
from .lists import ALL, BIT, OWNER, READING, bound, closed, listed, scope_of, set_of
from .visible import visible_model

__all__ = ["Decisions", "decisions_for", "denied"]

_MODELS_KEPT = 64
_CLIENTS_KEPT = 256
_PUBLIC = (EVERYBODY,)


class Asking(Protocol):
    """Whoever was denied something."""

    @property
    def is_anonymous(self) -> bool:
        """Whether it is nobody in particular, who may try again after a login."""
        ...


def denied(client: Asking, message: str, *, hint: str = "") -> NotAuthenticated | Forbidden:
    """The error for a denial: 401 for an anonymous client, 403 for others.

    `message` must name nothing that is hidden from the client.
    """
    if client.is_anonymous:
        return NotAuthenticated(message, hint=hint or "Log in and try again.")
    return Forbidden(message, hint=hint)


@dataclass(frozen=True, slots=True)
class _Rights:
    """Rights on one element: given by the lists, and possibly given by bindings."""

    given: int
    possible: int = 0

    def answer(self, right: str) -> bool | None:
        bit = BIT[right]
        return True if self.given & bit else None if self.possible & bit else False


@dataclass(frozen=True, slots=True)
class _TableRights:
    """Rights on a table; `listed` is what its lists give, before what that implies."""

    listed: int
    own: _Rights
    columns: Mapping[str, _Rights]


class Decisions:
    """What one client may do in one model. Make it with `decisions_for`, which keeps them.

    Elements are given as objects of the model, or of the visible model: their names count.
    Of the client, only those roles are kept that the model mentions, so that two clients with
    the same effect share one object.

    Attributes:
        model: The whole model.
        historic: Whether the model is that of a snapshot, where nothing can be changed.
    """

    def __init__(self, model: Model, client: Client | None, *, historic: bool = False) -> None:
        """Decide for a client; None is the embedded owner, whom nothing restricts."""
        self.model = model
        self.historic = historic
        self._unrestricted = client is None
        self._anonymous = client is not None and client.is_anonymous
        self._roles = frozenset[str]() if client is None else client.roles & mentioned_roles(model)
        self._mask = READING if historic or self._anonymous else ALL
        self._tables: dict[tuple[str, str], _TableRights] = {}

    # --- who asks --------------------------------------------------------------------

    @property
    def is_anonymous(self) -> bool:
        """Whether the client is anonymous."""
        return self._anonymous

    @property
    def is_owner_of_everything(self) -> bool:
        """Whether the client owns the catalog, and so is restricted in nothing.

        Also true of an owner who looks at a snapshot, where all can be read and nothing changed.
        """
        return self._unrestricted or bool(self._catalog_listed & OWNER)

    # --- rights ----------------------------------------------------------------------

    def catalog(self, right: str) -> bool:
        """Whether the client has a right on the catalog."""
        return self._given(self._catalog_listed, right)

    def schema(self, schema: Schema, right: str) -> bool:
        """Whether the client has a right on a schema."""
        return self._given(self._schema_listed(schema.name), right)

    def table(self, table: Table, right: str) -> bool | None:
        """Whether the client has a right on a table; None if it depends on the row."""
        if self.is_owner_of_everything:
            return self._given(OWNER, right)
        return self._of(table).own.answer(right)

    def column(self, table: Table, column: Column, right: str) -> bool | None:
        """Whether the client has a right on a column; None if it depends on the row.

        The fixed rights of system columns are not considered.
        """
        if self.is_owner_of_everything:
            return self._given(OWNER, right)
        rights = self._of(table)
        return rights.columns.get(column.name, rights.own).answer(right)

    def column_lists(self, table: Table, column: Column, right: str) -> bool:
        """Whether the lists used for a column give a right, where its table gives it.

        When the table's right depends on the row and this is true, the column adds no condition.
        """
        if self.is_owner_of_everything:
            return self._given(OWNER, right)
        current = self._current(table)
        found = self._column_listed(current, current.by_name[column.name])
        return bool(closed(found) & self._mask & BIT[right])

    def foreign_key(self, table: Table, fkey: ForeignKey, right: str) -> bool | None:
        """Whether values may be stored through a foreign key; None if it depends on the target.

        Args:
            table: The referring table.
            fkey: Its foreign key.
            right: ``insert``, ``update`` or ``enumerate``.
        """
        if self.is_owner_of_everything:
            return self._given(OWNER, right)
        current = self._current(table)
        own = next(f for f in current.foreign_keys if f.name == fkey.name)
        return self._foreign_key(current, own).answer(right)

    # --- bindings in the client's scope -----------------------------------------------

    def table_bindings(self, table: Table, right: str) -> dict[str, Mapping[str, Any]]:
        """The bindings of a table that are considered for the client and can give a right."""
        return self._in_scope(self._current(table).acl_bindings, right)

    def column_bindings(
        self, table: Table, column: Column, right: str
    ) -> dict[str, Mapping[str, Any]]:
        """Those of a column: its own, and the table's of other names."""
        current = self._current(table)
        return self._in_scope(_effective(current, current.by_name[column.name]), right)

    def foreign_key_bindings(
        self, table: Table, fkey: ForeignKey, right: str
    ) -> dict[str, Mapping[str, Any]]:
        """Those of a foreign key; they are about the referenced row."""
        own = next(f for f in self._current(table).foreign_keys if f.name == fkey.name)
        return {
            name: binding
            for name, binding in self._in_scope(own.acl_bindings, None).items()
            if {right, "owner"} & set(binding["types"])
        }

    def _in_scope(self, bindings: AclBindings, right: str | None) -> dict[str, Mapping[str, Any]]:
        return {
            name: binding
            for name, binding in bindings.items()
            if binding is not False
            and self._holds(scope_of(binding))
            and (right is None or bound({name: binding}, self._holds) & BIT[right])
        }

    # --- ownership, also at a snapshot -------------------------------------------------

    def owns_catalog(self) -> bool:
        """Whether the client owns the catalog; ownership shows ACLs, also those of the past."""
        return self.is_owner_of_everything

    def owns_schema(self, schema: Schema) -> bool:
        """Whether the client owns a schema."""
        return self.is_owner_of_everything or bool(self._schema_listed(schema.name) & OWNER)

    def owns_table(self, table: Table) -> bool:
        """Whether the client owns a table, and with it its columns, keys and foreign keys."""
        return self.is_owner_of_everything or bool(self._of(table).listed & OWNER)

    # --- the visible model ------------------------------------------------------------

    def visible(self) -> Model:
        """The model without what the client may not enumerate.

        Keys and foreign keys go with their columns, a foreign key also with its target. ACLs
        and bindings are left only where the client is an owner, and bindings only if all that
        they use is visible. The model itself if the client owns the catalog.
        """
        return self._visible

    @cached_property
    def _visible(self) -> Model:
        return self.model if self.is_owner_of_everything else visible_model(self)

    # --- refusing ---------------------------------------------------------------------

    def denied(self, message: str, *, hint: str = "") -> NotAuthenticated | Forbidden:
        """The error for a denial of this client; see `denied`."""
        return denied(self, message, hint=hint)

    def require_catalog(self, right: str) -> None:
        """Refuse a client without a right on the catalog.

        Raises:
            NotAuthenticated, Forbidden: it has not the right.
        """
        if not self.catalog(right):
            raise self.denied(f"The client has no {right} access on this catalog.")

    def require_schema(self, schema: Schema, right: str) -> None:
        """Refuse a client without a right on a schema; see `require_catalog`."""
        if not self.schema(schema, right):
            raise self.denied(f"The client has no {right} access on :{schema.name}.")

    def require_table(self, table: Table, right: str) -> None:
        """Refuse a client to whom neither lists nor bindings give a right on a table."""
        if self.table(table, right) is False:
            raise self.denied(f"The client has no {right} access on {shown(table)}.")

    def require_column(self, table: Table, column: Column, right: str) -> None:
        """Refuse a client to whom neither lists nor bindings give a right on a column."""
        if self.column(table, column, right) is False:
            raise self.denied(
                f"The client has no {right} access on {shown(table, column)}.",
                hint="Name the columns that are wanted and leave this one out. An owner hides a "
                "column by withdrawing both enumerate and select."
                if right == "select" and self.table(table, right) is not False
                else "",
            )

    # --- how they are found -----------------------------------------------------------

    def _holds(self, roles: Iterable[str]) -> bool:
        return not self._roles.isdisjoint(roles)

    def _given(self, listed_rights: int, right: str) -> bool:
        return bool(closed(listed_rights) & self._mask & BIT[right])

    def _listed(self, inherited: int, acls: Acls) -> int:
        found = listed(inherited, acls, self._holds)
        return found & READING if self._anonymous else found

    @cached_property
    def _catalog_listed(self) -> int:
        return OWNER if self._unrestricted else self._listed(0, self.model.acls)

    @cached_property
    def _schemas_listed(self) -> dict[str, int]:
        return {
            name: self._listed(self._catalog_listed, schema.acls)
            for name, schema in self.model.schemas.items()
        }

    def _schema_listed(self, name: str) -> int:
        return OWNER if self._unrestricted else self._schemas_listed[name]

    def _current(self, table: Table) -> Table:
        return self.model.schemas[table.schema].tables[table.name]

    def _of(self, table: Table) -> _TableRights:
        key = (table.schema, table.name)
        found = self._tables.get(key)
        if found is None:
            found = self._tables[key] = self._decide(self._current(table))
        return found

    def _decide(self, table: Table) -> _TableRights:
        # A right to create things in the schema says nothing about a table.
        inherited = self._schema_listed(table.schema) & ~BIT["create"]
        rights = self._listed(inherited, table.acls)
        given = closed(rights) & self._mask
        possible = self._bound(table.acl_bindings) & ~given
        own = _Rights(given, possible)
        columns = {
            column.name: self._decide_column(table, column, own, rights)
            for column in table.columns
            if column.acls or column.acl_bindings
        }
        return _TableRights(rights, own, columns)

    def _decide_column(
        self, table: Table, column: Column, home: _Rights, inherited: int
    ) -> _Rights:
        own = closed(self._column_listed(table, column, inherited)) & self._mask
        bindings = self._bound(_effective(table, column))
        given = own & home.given
        possible = (own & home.possible) | (bindings & (home.given | home.possible))
        # A column has no right to delete of its own.
        row = BIT["delete"]
        given = given & ~row | home.given & row
        possible = possible & ~row | home.possible & row
        return _Rights(given, possible & ~given)

    def _column_listed(self, table: Table, column: Column, inherited: int | None = None) -> int:
        rights = self._of(table).listed if inherited is None else inherited
        if "select" in column.acls and not rights & OWNER:
            # What implies select on the table must not undo a list that narrows it here.
            rights &= ~BIT["delete"]
        return self._listed(rights, column.acls)

    def _foreign_key(self, table: Table, fkey: ForeignKey) -> _Rights:
        lists = {"enumerate": _PUBLIC, **fkey.acls}
        if "write" not in lists:
            lists = {"insert": _PUBLIC, "update": _PUBLIC, **lists}
        given = closed(self._listed(self._of(table).listed & OWNER, lists)) & self._mask
        possible = self._bound(fkey.acl_bindings)
        if possible & OWNER:
            possible |= set_of("insert", "update") & self._mask
        return _Rights(given, possible & ~given)

    def _bound(self, bindings: AclBindings) -> int:
        found = bound(bindings, self._holds) if bindings else 0
        return found & self._mask


def _effective(table: Table, column: Column) -> dict[str, Any]:
    """The bindings of a column: those of its table, unless it says something else itself."""
    return {**table.acl_bindings, **column.acl_bindings}


def shown(table: Table, column: Column | None = None) -> str:
    """A table or column as messages of refusal name it: ``:schema:table:column``."""
    whole = f":{table.schema}:{table.name}"
    return whole if column is None else f"{whole}:{column.name}"


# --- keeping them ------------------------------------------------------------------------


def mentioned_roles(model: Model) -> frozenset[str]:
    """All roles that some list or binding of a model names, and everybody."""
    return _KEPT.of(model).roles


def _mentioned(model: Model) -> Iterator[Iterable[str]]:
    yield _PUBLIC
    yield from model.acls.values()
    for schema in model.schemas.values():
        yield from schema.acls.values()
    for table in model.tables():
        elements: list[Table | Column | ForeignKey] = [table, *table.columns, *table.foreign_keys]
        for element in elements:
            yield from element.acls.values()
            for binding in element.acl_bindings.values():
                if binding is not False:
                    yield scope_of(binding)


class _OfModel:
    """What is kept for one model: the roles it mentions, and the decisions made."""

    def __init__(self, model: Model) -> None:
        self.model = model  # kept, so that its identity stays its own
        self.decisions: OrderedDict[tuple[frozenset[str] | None, bool, bool], Decisions] = (
            OrderedDict()
        )

    @cached_property
    def roles(self) -> frozenset[str]:
        """The roles that some list or binding names, and everybody."""
        return frozenset(role for roles in _mentioned(self.model) for role in roles)


class _Kept:
    """The decisions about the models used lately. Usable from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._models: OrderedDict[int, _OfModel] = OrderedDict()

    def of(self, model: Model) -> _OfModel:
        with self._lock:
            found = self._models.get(id(model))
            if found is not None:
                self._models.move_to_end(id(model))
                return found
        made = _OfModel(model)
        with self._lock:
            found = self._models.setdefault(id(model), made)
            while len(self._models) > _MODELS_KEPT:
                self._models.popitem(last=False)
        return found

    def decisions(self, model: Model, client: Client | None, historic: bool) -> Decisions:
        about = self.of(model)
        roles = None if client is None else client.roles & about.roles
        key = (roles, client is not None and client.is_anonymous, historic)
        with self._lock:
            found = about.decisions.get(key)
            if found is not None:
                about.decisions.move_to_end(key)
                return found
        made = Decisions(model, client, historic=historic)
        with self._lock:
            found = about.decisions.setdefault(key, made)
            while len(about.decisions) > _CLIENTS_KEPT:
                about.decisions.popitem(last=False)
        return found


_KEPT = _Kept()


def decisions_for(model: Model, client: Client | None, *, historic: bool = False) -> Decisions:
    """The decisions for a client, made once for a model and all clients of the same effect.

    Args:
        model: The model; decisions are kept by its identity.
        client: Who asks; None is the embedded owner, whom nothing restricts.
        historic: Whether it is the model of a snapshot, where nothing can be changed.
    """
    return _KEPT.decisions(model, client, historic)
