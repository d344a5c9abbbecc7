"""Changing the model: one request, one transaction, one snapshot.

Preconditions are looked at inside the transaction, so that nothing comes between them and the
change.

Source: ERMrest, "The model: operations", "Comments and annotations", "ETags and preconditions".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ..errors import BadRequest, NotFound
from ..model.elements import Model
from ..model.lookup import table_at
from ..path.ast import TableName
from .addresses import Target, element_at
from .etags import has_preconditions, refuse_if_changed
from .messages import Answer, Request, json_answer
from .modeldocs import model_tag
from .requests import json_body, text_body, wrong_method
from .service import Opened

__all__ = ["change_model", "changing"]

_Change = Callable[[Request, Opened, Target], Answer]


@contextmanager
def changing(opened: Opened, request: Request) -> Iterator[None]:
    """A transaction that begins if the request's preconditions hold.

    Raises:
        PreconditionFailed: one of them does not.
        ReadOnly: the catalog is a snapshot.
    """
    with opened.catalog.transaction():
        if has_preconditions(request):
            refuse_if_changed(request, model_tag(opened, request))
        yield


def change_model(request: Request, opened: Opened, target: Target) -> Answer:
    """``POST``, ``PUT`` and ``DELETE`` of elements, comments and annotations."""
    change: _Change | None
    if target.part == "comment":
        change = _COMMENT.get(request.method)
    elif target.part == "annotation":
        kept = ("PUT", "DELETE") if target.name is not None else ("PUT",)
        change = _ANNOTATION.get(request.method) if request.method in kept else None
    elif target.collection is not None:
        change = _POST.get(target.collection) if request.method == "POST" else None
    elif target.kind == "schema" and request.method == "POST":
        change = _create_named_schema
    elif target.kind == "catalog":
        change = None
    else:
        change = {"PUT": _alter, "DELETE": _drop}.get(request.method)
    if change is None:
        raise wrong_method(request, *_methods(target))
    answer = change(request, opened, target)
    etag = {"ETag": model_tag(opened, request)} if request.method != "DELETE" else {}
    return Answer(answer.status, answer.body, answer.media_type, {**answer.headers, **etag})


def _methods(target: Target) -> tuple[str, ...]:
    if target.part == "annotation" and target.name is None:
        return "GET", "PUT"
    if target.part is not None:
        return "GET", "PUT", "DELETE"
    if target.collection is not None:
        return ("GET",) if target.collection == "references" else ("GET", "POST")
    if target.kind == "schema":
        return "GET", "PUT", "POST", "DELETE"
    return "GET", "PUT", "DELETE"


# --- creating ----------------------------------------------------------------------------


def _create_named_schema(request: Request, opened: Opened, target: Target) -> Answer:
    with changing(opened, request):
        opened.catalog.create_schema(str(target.address.schema))
    return Answer(201)


def _create_schemas(request: Request, opened: Opened, target: Target) -> Answer:
    """Create in bulk: an object of schemas, or a list of documents of any kind."""
    body = json_body(request)
    if isinstance(body, list):
        with changing(opened, request):
            made = opened.catalog.create(body)
        return json_answer(made, status=201)
    if not isinstance(body, dict) or not isinstance(body.get("schemas"), dict):
        raise BadRequest(
            "The body is neither a list of documents nor an object with 'schemas'.",
        )
    documents = [_named_schema(name, document) for name, document in body["schemas"].items()]
    with changing(opened, request):
        made = opened.catalog.create(documents)
    return json_answer({"schemas": {each["schema_name"]: each for each in made}}, status=201)


def _named_schema(name: str, document: Any) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise BadRequest(f"The schema {name!r} is described by an object, not {document!r}.")
    if document.get("schema_name", name) != name:
        raise BadRequest(f"The schema under {name!r} calls itself {document['schema_name']!r}.")
    return {**document, "schema_name": name}


def _create_table(request: Request, opened: Opened, target: Target) -> Answer:
    document = _object(json_body(request))
    with changing(opened, request):
        element_at(opened.catalog.model, target)
        made = opened.catalog.create_table(str(target.address.schema), document)
    return json_answer(made, status=201)


def _creating(make: str, *, as_list: bool) -> _Change:
    def create(request: Request, opened: Opened, target: Target) -> Answer:
        document = _object(json_body(request))
        with changing(opened, request):
            made = getattr(opened.catalog, make)(_table_name(opened, target), document)
        return json_answer([made] if as_list else made, status=201)

    return create


def _table_name(opened: Opened, target: Target) -> TableName:
    table = table_at(opened.catalog.model, str(target.address.schema), str(target.address.table))
    return TableName(table.name, table.schema)


def _object(body: Any) -> Mapping[str, Any]:
    if not isinstance(body, dict):
        raise BadRequest(f"The body is a JSON object, not {type(body).__name__}.")
    return body


_POST: dict[str, _Change] = {
    "schema": _create_schemas,
    "table": _create_table,
    "column": _creating("create_column", as_list=False),
    "key": _creating("create_key", as_list=True),
    "foreignkey": _creating("create_foreign_key", as_list=True),
}

# --- altering and dropping ---------------------------------------------------------------


def _alter(request: Request, opened: Opened, target: Target) -> Answer:
    """Change the members given; a whole document of what does not exist yet creates it.

    A foreign key is answered as it was sent: as an object, or as a list of one.
    """
    body = json_body(request)
    as_list = target.kind == "foreignkey" and isinstance(body, list) and len(body) == 1
    document = _object(body[0] if as_list else body)
    with changing(opened, request):
        try:
            address, _ = element_at(opened.catalog.model, target)
        except NotFound:
            made = _create_complete(opened, target, document)
        else:
            made = opened.catalog.alter(address, document)
    if target.kind == "schema":
        made["tables"] = {}
    return json_answer([made] if as_list else made)


def _create_complete(opened: Opened, target: Target, document: Mapping[str, Any]) -> dict[str, Any]:
    """Create what a URL ends with; an incomplete document is refused by the creation itself."""
    catalog, address = opened.catalog, target.address
    if target.kind == "schema":
        _agreeing(document, "schema_name", address.schema)
        return catalog.create_schema(document)
    if target.kind == "table":
        _agreeing(document, "table_name", address.table)
        return catalog.create_table(str(address.schema), document)
    table = _table_name(opened, target)
    if target.kind == "column":
        _agreeing(document, "name", address.column)
        return catalog.create_column(table, document)
    if target.kind == "key":
        given = document.get("unique_columns")
        if not isinstance(given, list) or set(map(str, given)) != set(address.key or ()):
            raise BadRequest(f"'unique_columns' are {given!r}, not those of the URL.")
        return catalog.create_key(table, document)
    columns = document.get("foreign_key_columns")
    named = [c.get("column_name") for c in columns or () if isinstance(c, dict)]
    if set(map(str, named)) != set(address.foreign_key or ()):
        raise BadRequest(f"'foreign_key_columns' are {named!r}, not those of the URL.")
    return catalog.create_foreign_key(table, document)


def _agreeing(document: Mapping[str, Any], member: str, expected: object) -> None:
    if document.get(member) != expected:
        raise BadRequest(
            f"There is no {expected!r}, and the document cannot create it: its {member!r} is "
            f"{document.get(member)!r}."
        )


def _drop(request: Request, opened: Opened, target: Target) -> Answer:
    with changing(opened, request):
        address, _ = element_at(opened.catalog.model, target)
        opened.catalog.drop(address)
    return Answer(204)


# --- comments and annotations ------------------------------------------------------------


def _put_comment(request: Request, opened: Opened, target: Target) -> Answer:
    text = text_body(request)
    with changing(opened, request):
        address, _ = element_at(opened.catalog.model, target)
        opened.catalog.alter(address, {"comment": text})
    return Answer(204)


def _delete_comment(request: Request, opened: Opened, target: Target) -> Answer:
    with changing(opened, request):
        address, element = element_at(opened.catalog.model, target)
        if not isinstance(element, Model) and element.comment is not None:
            opened.catalog.alter(address, {"comment": None})
    return Answer(204)


_COMMENT: dict[str, _Change] = {"PUT": _put_comment, "DELETE": _delete_comment}


def _put_annotations(request: Request, opened: Opened, target: Target) -> Answer:
    body = json_body(request)
    if target.name is None:
        if not isinstance(body, dict):
            raise BadRequest(f"Annotations are a JSON object, not {type(body).__name__}.")
        with changing(opened, request):
            address, _ = element_at(opened.catalog.model, target)
            opened.catalog.alter(address, {"annotations": body})
        return Answer(204)
    with changing(opened, request):
        address, element = element_at(opened.catalog.model, target)
        known = target.name in element.annotations
        annotations = {**element.annotations, target.name: body}
        opened.catalog.alter(address, {"annotations": annotations})
    return Answer(204 if known else 201)


def _delete_annotation(request: Request, opened: Opened, target: Target) -> Answer:
    with changing(opened, request):
        address, element = element_at(opened.catalog.model, target)
        if target.name not in element.annotations:
            raise NotFound(f"There is no annotation {target.name!r}.")
        kept = {key: value for key, value in element.annotations.items() if key != target.name}
        opened.catalog.alter(address, {"annotations": kept})
    return Answer(204)


_ANNOTATION: dict[str, _Change] = {"PUT": _put_annotations, "DELETE": _delete_annotation}
