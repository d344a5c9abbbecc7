"""Inserting, updating and deleting rows.

What can be refused without looking at the body is refused first: a path that is no single
table, unknown names, preconditions. The change and the check of its preconditions are one
transaction.

Source: ERMrest, "Writing" and "ETags and preconditions".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...access.decisions import Decisions
from ...errors import BadRequest, NotFound
from ...interface import MediaType
from ...model.elements import Column, Table
from ...model.lookup import column_of, find_table
from ...path.ast import (
    AttributeGroupQuery,
    AttributeQuery,
    ColumnName,
    EntityQuery,
    Item,
    Path,
    TableName,
    Window,
)
from ...path.parser import Request as DataRequest
from ..etags import has_preconditions, refuse_if_changed
from ..messages import Answer, Request
from ..service import Opened
from .inputs import CSV, Rows, parse_rows
from .outputs import Shown, serialised
from .reading import data_tag
from .representation import HEADERS, disposition, input_type, output_type

__all__ = ["clear_attributes", "delete_entities", "insert_entities", "update_group", "upsert"]

_Work = Callable[[Rows], list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class _Body:
    """What a body of rows has: the members that CSV must have, and those of the answer.

    The client needs one of `rights` on the table, or the body is not looked at.
    """

    table: Table
    rights: tuple[str, ...]
    members: Sequence[str]
    shown: Shown


# --- entity ------------------------------------------------------------------------------


def insert_entities(request: Request, opened: Opened, asked: DataRequest) -> Answer:
    """``POST entity/T``: insert rows."""
    decisions = opened.catalog.decisions
    table = _single_table(decisions, _entity(asked))
    options = asked.options
    for name in (*options.defaults, *options.nondefaults):
        column_of(table, name)
    wanted = [
        c.name
        for c in table.columns
        if c.name not in options.defaults and (not c.is_system or c.name in options.nondefaults)
    ]

    def work(rows: Rows) -> list[dict[str, Any]]:
        return opened.catalog.insert(
            _name(table),
            rows,
            defaults=options.defaults,
            nondefaults=options.nondefaults,
            on_conflict=options.onconflict,
            recorded=options.recorded,
            returning=not _wants_little(request),
        )

    body = _Body(table, ("insert",), wanted, _types(table.columns))
    return _written(request, opened, asked, decisions, body, work)


def upsert(request: Request, opened: Opened, asked: DataRequest) -> Answer:
    """``PUT entity/T``: insert rows, or replace those that have the same keys."""
    decisions = opened.catalog.decisions
    table = _single_table(decisions, _entity(asked))
    wanted = [column.name for column in table.columns if not column.is_system]

    body = _Body(table, ("insert", "update"), wanted, _types(table.columns))
    return _written(
        request,
        opened,
        asked,
        decisions,
        body,
        lambda rows: opened.catalog.upsert(_name(table), rows),
    )


def delete_entities(request: Request, opened: Opened, asked: DataRequest) -> Answer:
    """``DELETE entity/PATH``: delete rows."""
    query = _entity(asked)
    _refuse_window(query.window)
    return _removed(request, opened, asked, lambda: opened.catalog.delete(query.path))


def _entity(asked: DataRequest) -> EntityQuery:
    assert isinstance(asked.query, EntityQuery)
    return asked.query


# --- attribute and attributegroup --------------------------------------------------------


def clear_attributes(request: Request, opened: Opened, asked: DataRequest) -> Answer:
    """``DELETE attribute/PATH/COLS``: set columns to NULL."""
    query = asked.query
    assert isinstance(query, AttributeQuery)
    _refuse_window(query.window)
    columns = [_own_column(query.path, item) for item in query.items]
    if any(item.output is not None for item in query.items):
        raise BadRequest(
            "The columns to clear have no output names.", hint="Write each column as it is called."
        )
    return _removed(request, opened, asked, lambda: opened.catalog.clear(query.path, columns))


def update_group(request: Request, opened: Opened, asked: DataRequest) -> Answer:
    """``PUT attributegroup/T/KEYS;TARGETS``: set columns of the rows that match."""
    query = asked.query
    assert isinstance(query, AttributeGroupQuery)
    decisions = opened.catalog.decisions
    table = _single_table(decisions, query)
    if not query.values:
        raise BadRequest(
            "An update needs the columns to set.", hint="Name them after the keys: KEYS;TARGETS."
        )
    keys, targets = (_pairs(table, query.path, items) for items in (query.keys, query.values))
    members = [member for _, member in (*keys, *targets)]

    def work(rows: Rows) -> list[dict[str, Any]]:
        return opened.catalog.update(_name(table), rows, keys=keys, targets=targets)

    types = {member: column_of(table, name).type for name, member in (*keys, *targets)}
    body = _Body(table, ("update",), members, types)
    return _written(request, opened, asked, decisions, body, work)


def _pairs(table: Table, path: Path, items: Sequence[Item]) -> list[tuple[str, str]]:
    """Each column with the member that the rows of the body have for it."""
    names = [_own_column(path, item) for item in items]
    for name in names:
        column_of(table, name)
    return [
        (name, name if item.output is None else item.output)
        for name, item in zip(names, items, strict=True)
    ]


def _own_column(path: Path, item: Item) -> str:
    """The name of a plain column of the path's context."""
    column = item.expression
    if not isinstance(column, ColumnName):
        raise BadRequest("Only plain columns can be written, no functions, bins or '*'.")
    if column.qualifier is not None and (path.elements or not _names_root(path, column)):
        raise BadRequest(
            f"Column {column.name!r} is written with {column.qualifier!r} before it.",
            hint="Only columns of the context can be written; name them alone.",
        )
    return column.name


def _names_root(path: Path, column: ColumnName) -> bool:
    table = path.root.table
    if column.schema is not None:
        return (column.schema, column.qualifier) == (table.schema, table.name)
    return column.qualifier in (path.root.alias, table.name)


# --- what they share ---------------------------------------------------------------------


def _single_table(decisions: Decisions, query: EntityQuery | AttributeGroupQuery) -> Table:
    if query.path.elements:
        raise BadRequest(
            "Rows are written to one table.", hint="Leave out what follows the table in the path."
        )
    _refuse_window(query.window)
    return find_table(decisions.visible(), query.path.root.table)


def _refuse_window(window: Window) -> None:
    if window != Window():
        raise BadRequest(
            "A change has no order, pages or limit.",
            hint="Choose the rows by filters: a part of a result would be changed otherwise.",
        )


def _name(table: Table) -> TableName:
    return TableName(table.name, table.schema)


def _types(columns: Iterable[Column]) -> Shown:
    return {column.name: column.type for column in columns}


def _rows(request: Request, media_type: MediaType, wanted: _Body) -> Rows:
    """The rows in the body; those in CSV have all members, and no others but columns."""
    rows = parse_rows(request.body, media_type)
    if media_type == CSV:
        _check_header(rows, wanted.table, wanted.members)
    return rows


def _check_header(rows: Any, table: Table, members: Sequence[str]) -> None:
    header: Mapping[str, object] = rows.columns
    for name in header:
        if name not in members:
            column_of(table, name)
    missing = [name for name in members if name not in header]
    if missing:
        raise BadRequest(
            f"The CSV has no column {missing[0]!r}.",
            hint=f"It needs the columns {', '.join(dict.fromkeys(members))}.",
        )


def _written(
    request: Request,
    opened: Opened,
    asked: DataRequest,
    decisions: Decisions,
    wanted: _Body,
    work: _Work,
) -> Answer:
    """Do a change that answers with rows."""
    given_type = input_type(request)
    media_type = output_type(request, asked.options, given_type)
    _refuse_early(request, opened, media_type)
    if all(decisions.table(wanted.table, right) is False for right in wanted.rights):
        decisions.require_table(wanted.table, wanted.rights[-1])
    given = _rows(request, given_type, wanted)
    with opened.catalog.transaction(alone=True):
        _check_preconditions(request, opened, media_type)
        rows = work(given)
        etag = data_tag(request, opened, media_type)  # costs nothing here if something changed
    headers = {**HEADERS, "ETag": etag}
    if _wants_little(request):
        return Answer(204, headers={**headers, "Preference-Applied": "return=minimal"})
    shown = wanted.shown
    if media_type == CSV and rows:
        present = rows[0].keys() | rows[-1].keys()
        shown = {name: kind for name, kind in shown.items() if name in present}
    body = serialised(rows, shown, media_type)
    return Answer(200, body, media_type, {**headers, **disposition(asked.options, media_type)})


def _wants_little(request: Request) -> bool:
    """Whether the client does without the rows in the answer (RFC 7240)."""
    wishes = request.headers.get("prefer", "").lower().replace(" ", "")
    return "return=minimal" in wishes.replace(";", ",").split(",")


def _removed(
    request: Request, opened: Opened, asked: DataRequest, work: Callable[[], int]
) -> Answer:
    """Do a change that answers with nothing but how many rows it was."""
    media_type = output_type(request, asked.options)
    _refuse_early(request, opened, media_type)
    with opened.catalog.transaction(alone=True):
        _check_preconditions(request, opened, media_type)
        count = work()
        if count == 0:
            raise NotFound("No row matches, so nothing was changed.")
        etag = data_tag(request, opened, media_type)
    return Answer(204, headers={**HEADERS, "ETag": etag, "Deriva-Rows": str(count)})


def _refuse_early(request: Request, opened: Opened, media_type: str) -> None:
    """Refuse what cannot succeed before the body is looked at, and without waiting for others."""
    opened.catalog.require_live()
    _check_preconditions(request, opened, media_type)


def _check_preconditions(request: Request, opened: Opened, media_type: str) -> None:
    if has_preconditions(request):
        refuse_if_changed(request, data_tag(request, opened, media_type))
