"""Short addresses of rows: ``/id/CATALOG/RID``, ``/id/CATALOG/RID@SNAPTIME`` and ``/id/RID``.

A browser is sent to the page of the row, if the service has such pages, and else gets a plain
one. Programs get JSON. The last form is for a service with one catalog.

Source: ERMrest, "Companion services clients expect".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any
from urllib.parse import quote

from ..errors import NotFound
from ..interface import RowLocation
from ..path.tokens import decode, refuse_stray
from .messages import Answer, Request, json_answer
from .negotiation import preferred_type
from .requests import decoded, nothing_here, wrong_method
from .rids import location_document
from .service import Service

__all__ = ["resolve"]

_JSON, _HTML = "application/json", "text/html"
_HEADERS = {
    "Cache-Control": "private, must-revalidate",
    "Vary": "cookie, authorization, accept",
}


@dataclass(frozen=True, slots=True)
class _Found:
    """A row: its catalog (perhaps with a snapshot) as it is addressed, and where it lies."""

    catalog: str
    place: RowLocation

    @property
    def rows(self) -> str:
        """The address of the row's data."""
        table = ":".join(quote(part, safe="") for part in (self.place.schema, self.place.table))
        return (
            f"/ermrest/catalog/{self.catalog}/entity/{table}/RID={quote(self.place.rid, safe='')}"
        )


def resolve(service: Service, request: Request, segments: Sequence[str]) -> Answer:
    """``GET /id/...``."""
    if request.method != "GET":
        raise wrong_method(request, "GET")
    if len(segments) == 1 and segments[0]:
        found = _find(service, request, _only_catalog(service), segments[0])
    elif len(segments) == 2:
        found = _find(service, request, segments[0], segments[1])
    else:
        raise nothing_here(request)
    document = _document(found)
    if preferred_type(request.headers.get("accept"), (_JSON, _HTML)) != _HTML:
        return json_answer(document, headers=_HEADERS)
    if service.settings.record_page is not None:
        page = _page_of(service.settings.record_page, found)
        return Answer(303, headers={**_HEADERS, "Location": page})
    return Answer(200, _plain_page(document).encode(), _HTML, _HEADERS)


def _only_catalog(service: Service) -> str:
    known = service.registry.catalogs()
    if len(known) != 1:
        raise NotFound(
            "The address names no catalog.", hint="Write it as /id/CATALOG/RID: there are several."
        )
    return quote(known[0].id, safe="")


def _find(service: Service, request: Request, raw_catalog: str, raw_rid: str) -> _Found:
    raw_name, mark, moment = raw_rid.partition("@")
    rid = decoded(request, raw_name)
    refuse_stray(moment)
    catalog = f"{raw_catalog}@{moment}" if mark else raw_catalog
    opened = service.catalog(request, catalog)
    place = opened.catalog.resolve_rid(rid)
    name = quote(decode(catalog, raw_catalog.partition("@")[0], 0), safe="")
    if opened.catalog.snaptime is not None:
        name += f"@{opened.catalog.snaptime}"
    elif place.last_visible_snaptime is not None:
        name += f"@{place.last_visible_snaptime}"
    return _Found(name, place)


def _document(found: _Found) -> dict[str, Any]:
    return {
        "catalog": found.catalog,
        **location_document(found.place),
        "rows": found.rows,
    }


def _page_of(template: str, found: _Found) -> str:
    place = found.place
    values = {"schema": place.schema, "table": place.table, "rid": place.rid}
    page = template.replace("{catalog}", found.catalog)
    for name, value in values.items():
        page = page.replace("{" + name + "}", quote(value, safe=""))
    return page


def _plain_page(document: Mapping[str, Any]) -> str:
    title = escape(f"{document['RID']} in {document['schema_name']}:{document['table_name']}")
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{_cell(name, str(value))}</td></tr>\n"
        for name, value in document.items()
    )
    return (
        f"<!DOCTYPE html>\n<html><head><title>{title}</title></head>\n"
        f"<body><h1>{title}</h1>\n<table>\n{rows}</table></body></html>\n"
    )


def _cell(name: str, value: str) -> str:
    shown = escape(value)
    return f'<a href="{shown}">{shown}</a>' if name == "rows" else shown
