"""Rewriting what snapshots record of policy and annotations, for a range of time.

The model of each time lies stored as one document (see `store`). An amendment rewrites those that
were in force in the range. Where one began before it, the amended one is added at the range's
beginning, and where one went on after it, the unamended one is added at its end. Every snapshot
outside of the range stays as it is, and so does the live catalog.

Source: ERMrest, "History control".
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import sqlalchemy as sa

from .. import rid as rids
from .. import snaptime
from ..access import Client
from ..errors import BadRequest, Conflict, NotFound
from ..model.acls import AclSubject, check_acl_bindings, check_acls
from ..model.bindings import settle_bindings
from ..model.documents import copy_json
from ..model.elements import Column, ForeignKey, Key, Model, Schema, Table
from . import amendments
from .relation import HISTORY_CAPTURE
from .store import Store, packed_model
from .tables import COMMIT, MODEL
from .transaction import Writing
from .truncation import controlling, models_since

What = Literal["acl", "acl_binding", "annotation"]
"""What an amendment replaces: static ACLs, dynamic bindings, or annotations."""

Element = Model | Schema | Table | Column | Key | ForeignKey
_Change = Callable[[Any], Any]
_MEMBERS: Mapping[What, str] = {
    "acl": "acls",
    "acl_binding": "acl_bindings",
    "annotation": "annotations",
}
_SUBJECTS: Mapping[type[Element], AclSubject] = {
    Model: "catalog",
    Schema: "schema",
    Table: "table",
    Column: "column",
    ForeignKey: "foreign key",
}


@dataclass(frozen=True, slots=True)
class Range:
    """From `begin` on and before `end`, in microseconds since 1970."""

    begin: int
    end: int


def known_range(store: Store, connection: sa.Connection, since: int, until: int) -> Range:
    """The part of a range that snapshots lie in.

    Raises:
        Conflict: it holds none.
    """
    latest = int(connection.execute(sa.select(sa.func.max(COMMIT.c.time))).scalar_one())
    horizon = store.horizon(connection)
    known = Range(max(since, horizon), min(until, latest + 1))
    if known.begin >= known.end:
        raise Conflict(
            f"No snapshot lies between {snaptime.encode(since)} and {snaptime.encode(until)}.",
            hint=f"History reaches from {snaptime.encode(horizon)} to {snaptime.encode(latest)}; "
            "the end of a range is not part of it.",
        )
    return known


def amend(
    store: Store,
    actor: Client | None,
    bounds: tuple[int, int],
    what: What,
    document: Any,
    rid: str | None = None,
) -> int:
    """Replace what the snapshots of a range record; returns the new amendment version.

    Args:
        store: The catalog's database.
        actor: Who asks.
        bounds: The first time, and the time before which the range ends.
        what: What is replaced.
        document: The whole new map: of ACLs, bindings or annotations.
        rid: The element's; None for the catalog itself.

    Raises:
        NotFound: no snapshot of the range has such an element.
        BadRequest: the document is malformed.
        Conflict: it contradicts a model of the range, or nothing is known of the range.
    """
    if not isinstance(document, Mapping):
        raise BadRequest(f"What replaces the recorded {_MEMBERS[what]} is an object.")
    if what == "annotation" and HISTORY_CAPTURE in document:
        raise BadRequest(
            f"The annotation {HISTORY_CAPTURE!r} of a snapshot cannot be amended.",
            hint="It tells which rows were kept; leave it out. It stays as it was recorded.",
        )
    with controlling(store, actor, "amended") as writing:
        known = known_range(store, writing.connection, *bounds)
        _rewrite(writing, known, _replacing(what, document), rid)
        return amendments.record(writing, known.begin, known.end)


def has_element(connection: sa.Connection, known: Range, rid: str) -> bool:
    """Whether any snapshot of a range has a model element with a RID."""
    models = models_since(connection, known.begin, known.end)
    return any(amended(model, lambda element: element, rid) is not None for _, model in models)


def _rewrite(writing: Writing, known: Range, change: _Change, rid: str | None) -> None:
    models = list(models_since(writing.connection, known.begin, known.end))
    changed = [amended(model, change, rid) for _, model in models]
    if not any(model is not None for model in changed):
        raise NotFound(f"No snapshot of that time has a model element with the RID {rid!r}.")
    last = models[-1][1]
    if changed[-1] is not None and not _has_model(writing, known.end):
        _put(writing, known.end, last)
    for (time, _), model in zip(models, changed, strict=True):
        if model is not None:
            if time >= known.begin:
                writing.run(sa.delete(MODEL).where(MODEL.c.time == time))
            _put(writing, max(time, known.begin), model)


def _has_model(writing: Writing, time: int) -> bool:
    return writing.run(sa.select(MODEL.c.time).where(MODEL.c.time == time)).first() is not None


def _put(writing: Writing, time: int, model: Model) -> None:
    writing.run(sa.insert(MODEL).values(time=time, document=packed_model(model)))


# --- one model ---------------------------------------------------------------------------


def amended(model: Model, change: _Change, rid: str | None) -> Model | None:
    """The model with one element changed; None if it has no element with that RID."""
    if rid is None:
        return settle_bindings(model, change(model))
    wanted = rids.spellings(rid)
    for schema in model.schemas.values():
        new = _in_schema(schema, change, wanted)
        if new is not None:
            whole = replace(model, schemas={**model.schemas, schema.name: new})
            return settle_bindings(model, whole)
    return None


def _in_schema(schema: Schema, change: _Change, wanted: Container[str]) -> Schema | None:
    if schema.rid in wanted:
        changed: Schema = change(schema)
        return changed
    for table in schema.tables.values():
        new = _in_table(table, change, wanted)
        if new is not None:
            return replace(schema, tables={**schema.tables, table.name: new})
    return None


def _in_table(table: Table, change: _Change, wanted: Container[str]) -> Table | None:
    if table.rid in wanted:
        changed: Table = change(table)
        return changed
    for member in ("columns", "keys", "foreign_keys"):
        elements: tuple[Any, ...] = getattr(table, member)
        if any(element.rid in wanted for element in elements):
            new: Any = tuple(change(e) if e.rid in wanted else e for e in elements)
            return replace(table, **{member: new})
    return None


def _replacing(what: What, document: Mapping[str, Any]) -> _Change:
    def change(element: Any) -> Any:
        if what == "annotation":
            new = copy_json(document)
            if HISTORY_CAPTURE in element.annotations:
                new[HISTORY_CAPTURE] = element.annotations[HISTORY_CAPTURE]
            return replace(element, annotations=new)
        subject = _SUBJECTS.get(type(element))
        member = _MEMBERS[what]
        if subject is None or not hasattr(element, member):
            kind = subject or "key"
            raise Conflict(f"A {kind} has no {member}.")
        if what == "acl":
            return replace(element, acls=check_acls(subject, document))
        bindings = copy_json(check_acl_bindings(subject, document))
        return replace(element, acl_bindings=bindings)

    return change
