"""Where a row identifier lives: ``CAT/entity_rid/RID``.

Source: ERMrest, "RID resolution".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..interface import RowLocation
from .data.inputs import JSON
from .data.reading import data_tag
from .data.representation import HEADERS
from .etags import not_modified
from .messages import Answer, Request, json_answer
from .requests import decoded, nothing_here, wrong_method
from .service import Service

__all__ = ["locate", "location_document"]


def locate(service: Service, request: Request, segments: Sequence[str]) -> Answer:
    """``GET CAT/entity_rid/RID``."""
    if request.method != "GET":
        raise wrong_method(request, "GET")
    if len(segments) != 3:
        raise nothing_here(request)
    rid = decoded(request, segments[2])
    opened = service.catalog(request, segments[0])
    opened.catalog.decisions.require_catalog("enumerate")  # before a tag tells of changes
    etag = data_tag(request, opened, JSON)
    unchanged = not_modified(request, etag)
    if unchanged is not None:
        return unchanged
    place = opened.catalog.resolve_rid(rid)
    return json_answer(location_document(place), headers={**HEADERS, "ETag": etag})


def location_document(place: RowLocation) -> dict[str, Any]:
    """Where a row is, or was; what is not known is left out."""
    document = {
        "RID": place.rid,
        "schema_name": place.schema,
        "table_name": place.table,
        "deleted_at": _moment(place.deleted_at),
        "last_visible_at": _moment(place.last_visible_at),
        "last_visible_snaptime": place.last_visible_snaptime,
    }
    return {name: value for name, value in document.items() if value is not None}


def _moment(iso: str | None) -> str | None:
    """A time as the protocol writes it here: ``2026-11-20 21:08:50.362572+00:00``."""
    return None if iso is None else iso.replace("T", " ")
