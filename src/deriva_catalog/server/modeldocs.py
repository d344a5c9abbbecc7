"""Reading the model: documents of elements, lists of them, comments and annotations.

What is made for a version of the model and a set of roles is kept as bytes (`DocumentCache`),
because browsers ask for the whole model with each page.

Source: ERMrest, "The model: documents", "The model: operations" (read), "Comments and
annotations".
"""

from __future__ import annotations

import json
from typing import Any

from ..errors import NotFound
from ..model.address import Address
from ..model.documents import copy_json
from ..model.elements import Model, Schema, Table
from ..model.lookup import Element, find_schema, near_misses
from .addresses import Target, element_at, references_at
from .etags import entity_tag, not_modified
from .messages import Answer, Request, text_answer
from .service import Opened, Service

__all__ = ["model_tag", "read_model_resource"]

_JSON = "application/json"
_HEADERS = {"Cache-Control": "private, must-revalidate", "Vary": "cookie, authorization"}


def model_tag(opened: Opened, request: Request) -> str:
    """The tag of all resources of the model: it changes with each change of the model.

    As it is the same for all of them, a client can guard a change of one by what it has read of
    another. That of a snapshot changes when it is amended.
    """
    catalog = opened.catalog
    moment = f"{catalog.snaptime} {catalog.amended}" if catalog.snaptime else ""
    return entity_tag(
        request.client, _JSON, opened.entry.id, "model", catalog.model.version, moment
    )


def _is_unsettled(opened: Opened) -> bool:
    """Whether a transaction that is open has changed the model: its version is not final then."""
    writing = opened.catalog.store.current
    return writing is not None and writing.model.version == writing.time


def read_model_resource(
    service: Service, request: Request, opened: Opened, target: Target
) -> Answer:
    """``GET`` of a part of the model."""
    model = opened.catalog.model
    if target.collection == "references":
        references_at(model, target)
    else:
        element_at(model, target)
    if _is_unsettled(opened):
        if target.part == "comment":
            return text_answer(_comment(model, target) + "\n", headers=_HEADERS)
        return Answer(200, _serialised(_document(opened, model, target)), _JSON, _HEADERS)
    etag = model_tag(opened, request)
    unchanged = not_modified(request, etag)
    if unchanged is not None:
        return unchanged
    headers = {**_HEADERS, "ETag": etag}
    if target.part == "comment":
        return text_answer(_comment(model, target) + "\n", headers=headers)
    key = f"{etag} {request.path}"
    body = service.documents.get(key, lambda: _serialised(_document(opened, model, target)))
    return Answer(200, body, _JSON, headers)


def _serialised(document: Any) -> bytes:
    return (json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n").encode(
        "utf-8", "surrogatepass"
    )


def _document(opened: Opened, model: Model, target: Target) -> Any:
    if target.collection == "references":
        return [opened.catalog.describe(address) for address in references_at(model, target)]
    address, element = element_at(model, target)
    if target.part == "annotation":
        return _annotations(element, target)
    if target.collection == "schema":
        document = opened.catalog.document()
        return document | ({"alias_target": opened.alias_target} if opened.alias_target else {})
    if target.collection is not None:
        return _members(opened, model, target)
    document = opened.catalog.describe(address)
    return [document] if target.kind == "foreignkey" else document


def _members(opened: Opened, model: Model, target: Target) -> list[Any]:
    """The documents of a collection's members."""
    schema = find_schema(model, str(target.address.schema))
    if target.collection == "table":
        tables = opened.catalog.describe(Address(schema.name))["tables"]
        return [tables[name] for name in sorted(tables)]
    table = schema.tables[str(target.address.table)]
    document = opened.catalog.describe(Address(schema.name, table.name))
    members = {"column": "column_definitions", "key": "keys", "foreignkey": "foreign_keys"}
    return list(document[members[str(target.collection)]])


def _annotations(element: Element, target: Target) -> Any:
    if target.name is None:
        return copy_json(element.annotations)
    if target.name not in element.annotations:
        raise NotFound(
            f"There is no annotation {target.name!r}.",
            hint=near_misses(target.name, element.annotations),
        )
    return copy_json(element.annotations[target.name])


def _comment(model: Model, target: Target) -> str:
    element = element_at(model, target)[1]
    assert not isinstance(element, Model)
    if element.comment is None:
        kind = type(element).__name__.lower()
        name = element.name if isinstance(element, (Schema, Table)) else str(target.address)
        raise NotFound(f"The {kind} {name!r} has no comment.")
    return element.comment
